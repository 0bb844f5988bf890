//! A port: one end of a pipe, or the trace that it left behind when it moved.

use crate::{Address, Body, Message, Node, NodeName, PortName};
use libmojo_sync::{Arc, Mutex, OnceLock, Rank};
use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};

/// A counted reference to a port. Dropping the last one does not close the port: see [`Node::close`].
pub type PortRef<M> = Arc<Port<M>>;

/// One port of a node.
pub struct Port<M: Message> {
    pub(crate) node: Arc<Node<M>>,
    data: M::PortData,
    /// Given when another node first needs to address the port.
    pub(crate) name: OnceLock<PortName>,
    pub(crate) state: Mutex<State<M>>,
}

impl<M: Message> Port<M> {
    pub(crate) fn new(node: &Arc<Node<M>>, data: M::PortData, state: State<M>) -> PortRef<M> {
        Arc::new(Self { node: node.clone(), data, name: OnceLock::new(), state: Mutex::new(Rank::Port, state) })
    }

    /// The node that the port belongs to.
    pub fn node(&self) -> &Arc<Node<M>> {
        &self.node
    }

    /// What the driver attached to the port.
    pub fn data(&self) -> &M::PortData {
        &self.data
    }

    /// True if the port sends to `other`, or has moved and sent to it before.
    pub(crate) fn leads_to(&self, other: &PortRef<M>) -> bool {
        let state = self.state.lock();
        let former = state.former_peer.as_ref().map(|former| &former.hop);
        [state.peer.as_ref(), former].into_iter().flatten().any(|hop| *hop == Hop::Local(other.clone()))
    }

    /// The other node that the next thing comes from, if it comes from one.
    pub fn previous_node(&self) -> Option<NodeName> {
        match &self.state.lock().previous {
            Some(Hop::Remote(address)) => Some(address.node),
            Some(Hop::Local(_)) | None => None,
        }
    }

    /// What is known of the pipe at this end.
    pub fn status(&self) -> Status {
        let state = self.state.lock();
        Status {
            unread: !state.unread.is_empty(),
            more_may_come: state.previous.is_some(),
            peer_closed: state.peer_closed,
            peer_remote: !state.peer_closed && matches!(state.peer, Some(Hop::Remote(_))),
            is_open: state.role == Role::Endpoint && !state.in_transit,
        }
    }
}

impl<M: Message> std::fmt::Debug for Port<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Port")
            .field("name", &self.name.get())
            .field("role", &state.role)
            .field("unread", &state.unread.len())
            .field("peer_closed", &state.peer_closed)
            .field("in_transit", &state.in_transit)
            .field("peer", &state.peer)
            .field("previous", &state.previous)
            .field("sent", &state.sent)
            .field("received", &state.received)
            .field("early", &state.early.len())
            .finish()
    }
}

/// What is known of a pipe at one of its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// At least one message can be received.
    pub unread: bool,
    /// Messages may still be on their way, or be sent by the peer.
    pub more_may_come: bool,
    /// The peer is closed or lost; nothing can be sent.
    pub peer_closed: bool,
    /// The peer is in another node.
    pub peer_remote: bool,
    /// The end is neither closed nor inside a message.
    pub is_open: bool,
}

/// A neighbour of a port.
pub(crate) enum Hop<M: Message> {
    /// In the same node: reached without looking up a name.
    Local(PortRef<M>),
    /// In another node.
    Remote(Box<Address>),
}

impl<M: Message> Hop<M> {
    pub(crate) fn remote(address: Address) -> Self {
        Hop::Remote(Box::new(address))
    }
}

impl<M: Message> Clone for Hop<M> {
    fn clone(&self) -> Self {
        match self {
            Hop::Local(port) => Hop::Local(port.clone()),
            Hop::Remote(address) => Hop::Remote(address.clone()),
        }
    }
}

impl<M: Message> PartialEq for Hop<M> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Hop::Local(a), Hop::Local(b)) => Arc::ptr_eq(a, b),
            (Hop::Remote(a), Hop::Remote(b)) => a == b,
            // A port of this node that has vanished is known by its address only.
            (Hop::Local(port), Hop::Remote(address)) | (Hop::Remote(address), Hop::Local(port)) => {
                address.node == port.node.name() && port.name.get() == Some(&address.port)
            }
        }
    }
}

impl<M: Message> std::fmt::Debug for Hop<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Hop::Local(port) => write!(f, "Local({:?} at {:p})", port.name.get(), Arc::as_ptr(port)),
            Hop::Remote(address) => write!(f, "Remote({address:?})"),
        }
    }
}

/// What a port is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// An end of the pipe. Left by moving, fusing or closing.
    Endpoint,
    /// Sent to another node, which has not accepted it yet. Events from the previous hop wait in `unread`.
    /// Left when the new port reports in (→ `Proxy`) or its node is lost (→ `Closed`).
    Leaving,
    /// Passes on what the previous hop sends. Left when nothing more will come (→ `Closed`).
    Proxy,
    /// Gone. Final; the port is in no table and refers to no other.
    Closed,
}

/// The next hop of a port before it moved, and how many events it had sent there.
pub(crate) struct FormerPeer<M: Message> {
    pub(crate) hop: Hop<M>,
    pub(crate) sent: u64,
}

/// Everything that a port's lock protects.
pub(crate) struct State<M: Message> {
    pub(crate) role: Role,
    /// True while the endpoint is inside a message, where nobody can read from it.
    pub(crate) in_transit: bool,
    /// True if the other end is known to be closed, or the way there to be lost. Never reset.
    pub(crate) peer_closed: bool,
    /// True if a user message was ever sent from this end of the pipe.
    pub(crate) has_sent: bool,
    /// Where events go; `None` if there is nobody left to tell.
    pub(crate) peer: Option<Hop<M>>,
    /// Whose events are taken; `None` if nothing more will come.
    pub(crate) previous: Option<Hop<M>>,
    /// The node that named `previous`, until that has spoken itself: if the node is lost, it may have lied.
    pub(crate) named_by: Option<NodeName>,
    /// The number of the last event sent to `peer`. Direct deliveries within the node are not numbered: they
    /// are made only when nothing numbered is under way.
    pub(crate) sent: u64,
    /// The number of the last event taken from `previous`.
    pub(crate) received: u64,
    /// Messages that nobody has taken yet, oldest first.
    pub(crate) unread: VecDeque<M>,
    /// Numbered events that came before their turn, or from a port that may yet become the previous hop.
    pub(crate) early: Early<M>,
    /// True in a `Proxy` that has asked its present previous hop to be left out, and will be: what that hop says after
    /// its answer goes to the peer that it was told of, so the peer must not change any more.
    pub(crate) asked: bool,
    /// Set in `Leaving` and `Proxy` only: what the present peer asked for while this port could not tell yet
    /// whether it would itself vanish.
    pub(crate) wanted: Option<Box<Address>>,
    /// Set in `Leaving` only: a [`Body::Probe`] that the new port, or what became of it, has yet to see.
    pub(crate) probe: Option<(PortName, u16)>,
    /// Set in `Leaving` only: the neighbour that must hear of the new port once that exists.
    pub(crate) former_peer: Option<Box<FormerPeer<M>>>,
}

impl<M: Message> State<M> {
    pub(crate) fn new(role: Role) -> Self {
        Self {
            role,
            in_transit: false,
            peer_closed: false,
            has_sent: false,
            peer: None,
            previous: None,
            named_by: None,
            sent: 0,
            received: 0,
            unread: VecDeque::new(),
            early: Early(Vec::new()),
            asked: false,
            wanted: None,
            probe: None,
            former_peer: None,
        }
    }

    pub(crate) fn next_number(&mut self) -> u64 {
        self.sent += 1;
        self.sent
    }

    /// Gives the port a new peer, whose events are numbered anew. Returns the old one.
    pub(crate) fn set_peer(&mut self, peer: Option<Hop<M>>) -> Option<Hop<M>> {
        self.sent = 0;
        self.wanted = None;
        std::mem::replace(&mut self.peer, peer)
    }

    /// Refuses everything that may still arrive; what arrived early goes to `dropped`.
    pub(crate) fn stop_receiving(&mut self, dropped: &mut Vec<M>) {
        self.previous = None;
        self.early.drain_into(dropped);
    }

    /// Lets go of everything; what nobody will read goes to `dropped`.
    pub(crate) fn shut(&mut self, dropped: &mut Vec<M>) {
        self.role = Role::Closed;
        self.peer_closed = true;
        self.peer = None;
        self.former_peer = None;
        self.stop_receiving(dropped);
        dropped.extend(self.unread.drain(..));
    }
}

/// Events that wait for their turn, by the hop they came from.
pub(crate) struct Early<M: Message>(Vec<(Hop<M>, ByNumber<M>)>);

type ByNumber<M> = BTreeMap<u64, Body<M>>;

/// How many different hops may have events waiting at one port. Every move of the sending end can add one while
/// the news of an earlier move is delayed.
const MAX_EARLY_HOPS: usize = 4096;

/// How many events may wait for their turn at one port. As many as can be sent on a new, direct way while the
/// end of the old one is delayed.
const MAX_EARLY_EVENTS: usize = 1 << 20;

/// Why an event was not kept for later. It comes back.
pub(crate) enum NotKept<M> {
    /// There is one with that number already.
    Repeated(Body<M>),
    /// Too much is waiting.
    Full(Body<M>),
}

impl<M: Message> Early<M> {
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|(_, events)| events.len()).sum()
    }

    pub(crate) fn keep(&mut self, from: Hop<M>, number: u64, body: Body<M>) -> Result<(), NotKept<M>> {
        if self.len() >= MAX_EARLY_EVENTS {
            return Err(NotKept::Full(body));
        }
        if let Some((_, events)) = self.0.iter_mut().find(|(hop, _)| *hop == from) {
            return match events.entry(number) {
                Entry::Vacant(vacant) => {
                    vacant.insert(body);
                    Ok(())
                }
                Entry::Occupied(_) => Err(NotKept::Repeated(body)),
            };
        }
        if self.0.len() >= MAX_EARLY_HOPS {
            return Err(NotKept::Full(body));
        }
        self.0.push((from, BTreeMap::from([(number, body)])));
        Ok(())
    }

    /// True if anything from this hop is waiting.
    pub(crate) fn has_any(&self, from: &Hop<M>) -> bool {
        self.0.iter().any(|(hop, _)| hop == from)
    }

    /// Takes the event with this number from this hop, if it is waiting.
    pub(crate) fn take(&mut self, from: &Hop<M>, number: u64) -> Option<Body<M>> {
        let at = self.0.iter().position(|(hop, _)| hop == from)?;
        let (_, events) = self.0.get_mut(at)?;
        let body = events.remove(&number);
        if events.is_empty() {
            self.0.swap_remove(at);
        }
        body
    }

    fn drain_into(&mut self, dropped: &mut Vec<M>) {
        for (_, events) in self.0.drain(..) {
            dropped.extend(events.into_values().filter_map(|body| match body {
                Body::Message { message, .. } => Some(message),
                _ => None,
            }));
        }
    }
}
