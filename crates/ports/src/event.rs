//! What ports say to each other.
//!
//! Events go from a port to one neighbour, its next or its previous hop. Those that go forward are numbered per
//! hop, starting at 1 whenever a port gets a new peer, and are taken strictly in that order.

use crate::{Address, Amount, NodeName, PortName, Receiving, Sending};

/// One event on its way from port to port.
#[derive(Debug, Clone)]
pub struct Event<M> {
    /// The port addressed, in the receiving node.
    pub to: PortName,
    /// The port that speaks, in the sending node.
    pub from: PortName,
    /// The place in the order of events from `from` to `to`; 0 for the events without a place.
    pub number: u64,
    /// What is said.
    pub body: Body<M>,
}

/// What an event says.
#[derive(Debug, Clone)]
pub enum Body<M> {
    /// A user message. Numbered; passed on by proxies.
    Message {
        /// The message, without the ports that it carries.
        message: M,
        /// The ports that it carries, now owned by the receiving node.
        ports: Vec<PortDescriptor>,
    },
    /// The last event from that direction: the other end is closed, or the way to it is lost. Numbered, so its
    /// number tells how many events precede it and none of them can be lost behind it; passed on by proxies,
    /// which then vanish.
    Closure,
    /// The last event from this hop: from now on events come from the port named, numbered from 1. Numbered.
    PreviousHop(Address),
    /// In answer to [`Body::ObserveProxy`]: the last event that the proxy will get from it.
    /// Numbered, so the proxy has by then passed on everything that was sent through it.
    ObserveProxyAck,
    /// Looks for pipes that were fused with themselves, whose proxies pass everything round in a circle. Sent by
    /// a fused port to its new peer. Numbered; passed on by proxies. One that it comes back to closes the circle
    /// down, as does one that finds it has gone too far.
    Probe {
        /// The port that sent it, whose name no other has.
        origin: PortName,
        /// How many more proxies may pass it on.
        hops_left: u16,
    },
    /// What is taken behind this is to be counted, and credit returned for it. Numbered; passed on by proxies.
    Meter {
        /// Of how much credit is to be returned at a time.
        step: Amount,
        /// If the counting begins anew: how many messages that come behind this are not counted.
        uncounted: Option<u64>,
    },
    /// So much was taken of what was counted, in addition to what was said before. Numbered; passed on by proxies.
    Credit(Amount),
    /// From a port that has just come into being to the one it was moved from. Not numbered.
    Accepted,
    /// From a proxy back to its previous hop: please send directly to the port named. Not numbered; ignored
    /// unless the sender is the receiver's peer. A previous hop that ignores it is about to name its successor,
    /// which is then asked in turn.
    ObserveProxy(Address),
}

impl<M> Body<M> {
    /// True if the event has a place in the order of its hop.
    pub fn is_numbered(&self) -> bool {
        !matches!(self, Body::Accepted | Body::ObserveProxy(_))
    }

    /// True if it does not matter whether messages come before the event or behind it.
    pub(crate) fn may_overtake(&self) -> bool {
        matches!(self, Body::Closure | Body::Meter { .. } | Body::Credit(_))
    }
}

impl<M> Event<M> {
    /// Changes the names of nodes in everything that the event says.
    pub fn rename_nodes(&mut self, rename: impl Fn(NodeName) -> NodeName) {
        match &mut self.body {
            Body::Message { ports, .. } => ports.iter_mut().for_each(|port| port.rename_nodes(&rename)),
            Body::PreviousHop(address) | Body::ObserveProxy(address) => address.node = rename(address.node),
            Body::Closure
            | Body::ObserveProxyAck
            | Body::Probe { .. }
            | Body::Meter { .. }
            | Body::Credit(_)
            | Body::Accepted => {}
        }
    }
}

/// All that a node needs to know of a port that it is to take over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortDescriptor {
    /// The port's name in the receiving node, chosen by the sender.
    pub name: PortName,
    /// Where the port sends to; `None` if its peer is already known to be closed.
    pub peer: Option<Address>,
    /// The port in the sending node that was moved and is now the new port's previous hop.
    pub previous: PortName,
    /// True if a user message was ever sent from this end.
    pub has_sent: bool,
    /// The quota on what is sent, and how much of it is used, if there ever was one.
    pub sending: Option<Box<Sending>>,
    /// The quota on what is unread, and what the other end wants to have counted, if there ever was any.
    pub receiving: Option<Box<Receiving>>,
}

impl PortDescriptor {
    /// Changes the name of the node that the peer lives on.
    pub fn rename_nodes(&mut self, rename: impl Fn(NodeName) -> NodeName) {
        if let Some(peer) = &mut self.peer {
            peer.node = rename(peer.node);
        }
    }
}
