//! Routing of message pipes between nodes, as a state machine without I/O, clock or randomness of its own.
//!
//! A pipe endpoint is a *port*. Each port sends to its *peer* and takes events only from its *previous hop*. A
//! port moves to another node by leaving a *proxy* behind; the proxy tells its two neighbours about each other
//! and removes itself once nothing more will come through it. `docs/routing.md` describes the protocol.
//!
//! # What the driver of a [`Node`] does
//!
//! 1. Calls [`Node`] methods, with no lock held, for what the program does and for what other nodes sent
//!    ([`Node::accept`]) and for nodes that are gone ([`Node::lose`]).
//! 2. Applies the [`Effects`] that each call returns, again with no lock held: transmits
//!    [`forward`](Effects::forward) in its order to the nodes named, looks at the ports in
//!    [`changed`](Effects::changed), drops [`dropped`](Effects::dropped).
//! 3. Reports a node as lost once everything received from it has been accepted, and again whenever an event is
//!    to be forwarded to, or a port [depends on](Effects::neighbours), a node that it cannot reach.
//! 4. Delivers the events from one node in any order it likes: their numbers put them right.
#![forbid(unsafe_code)]

mod effects;
mod event;
mod inspect;
mod log;
mod name;
mod node;
mod port;
mod queue;
mod quota;
mod run;

pub use effects::Effects;
pub use event::{Body, Event, PortDescriptor};
pub use inspect::{Inspection, Neighbour, PortRole, Traffic};
pub use name::{Address, NodeName, PortName};
pub use node::{FuseError, Node, ReceiveError, Received, SendError, Sent, Violation};
pub use port::{Port, PortRef, Status};
pub use quota::{Amount, Meter, Quota, Quotas, Receiving, Sending, Usage};

/// What travels through pipes, and what the driver attaches to ports and nodes.
pub trait Message: Sized + Send + 'static {
    /// State of the driver that lives with each port.
    type PortData: Default + Send + Sync + 'static;
    /// State of the driver that lives with the node.
    type NodeData: Send + Sync + 'static;

    /// True if the message can leave its node as it is.
    fn is_portable(&self) -> bool;

    /// Turns the message into a form that can leave its node. May run foreign code; called with no lock held.
    /// False if that is impossible.
    fn make_portable(&mut self) -> bool;

    /// How many bytes the payload has; none if the message is not portable.
    fn num_bytes(&self) -> u64;

    /// True if `test` holds for a port that the message carries.
    fn any_port(&self, test: &mut dyn FnMut(&PortRef<Self>) -> bool) -> bool;

    /// Takes out the ports that the message carries, in order. The message no longer owns them.
    fn take_ports(&mut self) -> Vec<PortRef<Self>>;

    /// Gives the message, which arrived from another node, the ports that it carries, in order.
    fn put_ports(&mut self, ports: Vec<PortRef<Self>>);

    /// True if changes of the port's status are of interest to anyone.
    fn is_watched(data: &Self::PortData) -> bool;
}
