//! A port: one end of a pipe, or the trace that it left behind when it moved.

use crate::log::Log;
use crate::quota::Belated;
use crate::{Address, Amount, Body, Message, Meter, Node, NodeName, PortName, Quota, Quotas, Receiving, Sending};
use libmojo_sync::atomic::AtomicU8;
use libmojo_sync::{Arc, Mutex, MutexGuard, OnceLock, Rank};
use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};
use std::ops::Deref;

/// A counted reference to a port. Dropping the last one does not close the port: see [`Node::close`].
///
/// The two ends of a pipe that is made in a node are *twins*: they live in one allocation and find each other without
/// a lock or a count, as long as that lives.
pub struct PortRef<M: Message>(Home<M>);

/// Where a port lives.
enum Home<M: Message> {
    First(Arc<Twins<M>>),
    Second(Arc<Twins<M>>),
    Alone(Arc<Single<M>>),
}

struct Twins<M: Message> {
    node: Arc<Node<M>>,
    first: Port<M>,
    second: Port<M>,
}

struct Single<M: Message> {
    node: Arc<Node<M>>,
    port: Port<M>,
}

impl<M: Message> PortRef<M> {
    pub(crate) fn alone(node: &Arc<Node<M>>, state: State<M>) -> Self {
        Self(Home::Alone(Arc::new(Single { node: node.clone(), port: Port::new(state) })))
    }

    pub(crate) fn twins(node: &Arc<Node<M>>) -> (Self, Self) {
        let port = || {
            let mut state = State::new(Role::Endpoint);
            state.peer = Some(Neighbour::Twin);
            state.previous = Some(Neighbour::Twin);
            Port::new(state)
        };
        let twins = Arc::new(Twins { node: node.clone(), first: port(), second: port() });
        (Self(Home::First(twins.clone())), Self(Home::Second(twins)))
    }

    /// The node that the port belongs to.
    pub fn node(&self) -> &Arc<Node<M>> {
        match &self.0 {
            Home::First(twins) | Home::Second(twins) => &twins.node,
            Home::Alone(single) => &single.node,
        }
    }

    /// The port that was made together with this one, if any.
    pub fn twin(&self) -> Option<&Port<M>> {
        match &self.0 {
            Home::First(twins) => Some(&twins.second),
            Home::Second(twins) => Some(&twins.first),
            Home::Alone(_) => None,
        }
    }

    /// The twin, or the port itself if it has none.
    pub(crate) fn twin_ref(&self) -> Self {
        Self(match &self.0 {
            Home::First(twins) => Home::Second(twins.clone()),
            Home::Second(twins) => Home::First(twins.clone()),
            Home::Alone(single) => Home::Alone(single.clone()),
        })
    }

    /// True if both refer to one port.
    pub fn is(&self, other: &Port<M>) -> bool {
        std::ptr::eq(&raw const **self, other)
    }

    /// True if the port sends to `other`, or has moved and sent to it before.
    pub(crate) fn leads_to(&self, other: &PortRef<M>) -> bool {
        let state = self.state.lock();
        state.peer.as_ref().is_some_and(|peer| peer.is_port(self, other))
            || state.former_peer.as_ref().is_some_and(|former| former.hop.is_local(other))
    }
}

impl<M: Message> Deref for PortRef<M> {
    type Target = Port<M>;

    fn deref(&self) -> &Port<M> {
        match &self.0 {
            Home::First(twins) => &twins.first,
            Home::Second(twins) => &twins.second,
            Home::Alone(single) => &single.port,
        }
    }
}

impl<M: Message> Clone for PortRef<M> {
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Home::First(twins) => Home::First(twins.clone()),
            Home::Second(twins) => Home::Second(twins.clone()),
            Home::Alone(single) => Home::Alone(single.clone()),
        })
    }
}

impl<M: Message> std::fmt::Debug for PortRef<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Port::fmt(self, f)
    }
}

/// One port of a node.
pub struct Port<M: Message> {
    data: M::PortData,
    /// Given when another node first needs to address the port.
    pub(crate) name: OnceLock<Box<PortName>>,
    /// What stands in the node's table of names: one of [`UNNAMED`], [`NAMED`], [`GONE`], in this order.
    pub(crate) naming: AtomicU8,
    pub(crate) state: Mutex<State<M>>,
}

/// The port is in the table under no name, or about to be under its first.
pub(crate) const UNNAMED: u8 = 0;
/// The port is in the table.
pub(crate) const NAMED: u8 = 1;
/// The port is in the table no more, and will not be again.
pub(crate) const GONE: u8 = 2;

impl<M: Message> Port<M> {
    fn new(state: State<M>) -> Self {
        Self {
            data: M::PortData::default(),
            name: OnceLock::new(),
            naming: AtomicU8::new(UNNAMED),
            state: Mutex::new(Rank::Port, state),
        }
    }

    /// What the driver attached to the port.
    pub fn data(&self) -> &M::PortData {
        &self.data
    }

    /// Tells ports apart; unique among those that exist at one time.
    pub fn id(&self) -> usize {
        (&raw const *self).addr()
    }

    /// Locks two different ports.
    pub(crate) fn lock_with<'a>(&'a self, other: &'a Self) -> (MutexGuard<'a, State<M>>, MutexGuard<'a, State<M>>) {
        if self.id() < other.id() {
            let state = self.state.lock();
            (state, other.state.lock_second())
        } else {
            let other = other.state.lock();
            (self.state.lock_second(), other)
        }
    }

    pub(crate) fn name(&self) -> Option<PortName> {
        self.name.get().map(|name| **name)
    }

    /// The other node that the next thing comes from, if it comes from one.
    pub fn previous_node(&self) -> Option<NodeName> {
        match &self.state.lock().previous {
            Some(Neighbour::Other(Hop::Remote(address))) => Some(address.node),
            Some(_) | None => None,
        }
    }

    /// What is known of the pipe at this end.
    pub fn status(&self) -> Status {
        let state = self.state.lock();
        Status {
            unread: !state.unread.is_empty(),
            more_may_come: state.previous.is_some(),
            peer_closed: state.peer_closed,
            peer_remote: !state.peer_closed && matches!(state.peer, Some(Neighbour::Other(Hop::Remote(_)))),
            is_open: state.role == Role::Endpoint && !state.in_transit,
            may_send: !state.sending.as_ref().is_some_and(|sending| sending.is_used_up()),
            is_over_quota: state.is_over_quota(),
        }
    }
}

impl<M: Message> std::fmt::Debug for Port<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Port")
            .field("name", &self.name())
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
    /// The quota on what is sent is not used up.
    pub may_send: bool,
    /// There is more than one of the reported limits of the end's [quotas](crate::Quotas).
    pub is_over_quota: bool,
}

/// A neighbour of a port, as the port itself knows it.
pub(crate) enum Neighbour<M: Message> {
    /// The port that was made together with it. Not counted, so that a pipe is no circle of references.
    Twin,
    /// Any other.
    Other(Hop<M>),
}

impl<M: Message> Neighbour<M> {
    pub(crate) fn new(owner: &PortRef<M>, hop: Hop<M>) -> Self {
        match (&hop, owner.twin()) {
            (Hop::Local(port), Some(twin)) if port.is(twin) => Neighbour::Twin,
            _ => Neighbour::Other(hop),
        }
    }

    /// The neighbour as others know it.
    pub(crate) fn hop(&self, owner: &PortRef<M>) -> Hop<M> {
        match self {
            Neighbour::Twin => Hop::Local(owner.twin_ref()),
            Neighbour::Other(hop) => hop.clone(),
        }
    }

    /// The neighbour, if it is in the same node.
    pub(crate) fn local<'a>(&'a self, owner: &'a PortRef<M>) -> Option<&'a Port<M>> {
        match self {
            Neighbour::Twin => owner.twin(),
            Neighbour::Other(Hop::Local(port)) => Some(port),
            Neighbour::Other(Hop::Remote(_)) => None,
        }
    }

    /// True if the neighbour is this port of the same node.
    pub(crate) fn is_port(&self, owner: &Port<M>, port: &PortRef<M>) -> bool {
        match self {
            Neighbour::Twin => port.twin().is_some_and(|twin| std::ptr::eq(twin, owner)),
            Neighbour::Other(hop) => hop.is_local(port),
        }
    }

    pub(crate) fn is_hop(&self, owner: &PortRef<M>, hop: &Hop<M>) -> bool {
        match self {
            Neighbour::Twin => *hop == self.hop(owner),
            Neighbour::Other(own) => own == hop,
        }
    }

    /// True if the neighbour is in this other node.
    pub(crate) fn is_in(&self, node: NodeName) -> bool {
        matches!(self, Neighbour::Other(hop) if hop.is_in(node))
    }
}

impl<M: Message> std::fmt::Debug for Neighbour<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Neighbour::Twin => f.write_str("Twin"),
            Neighbour::Other(hop) => hop.fmt(f),
        }
    }
}

/// A port, from wherever.
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

    /// True if the port is in this other node.
    pub(crate) fn is_in(&self, node: NodeName) -> bool {
        matches!(self, Hop::Remote(address) if address.node == node)
    }

    /// True if it is this port of the same node.
    pub(crate) fn is_local(&self, port: &PortRef<M>) -> bool {
        match self {
            Hop::Local(own) => own.is(port),
            // A port of this node that has vanished is known by its address only.
            Hop::Remote(address) => address.node == port.node().name() && port.name() == Some(address.port),
        }
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
            (Hop::Local(port), hop) | (hop, Hop::Local(port)) => hop.is_local(port),
            (Hop::Remote(a), Hop::Remote(b)) => a == b,
        }
    }
}

impl<M: Message> std::fmt::Debug for Hop<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Hop::Local(port) => write!(f, "Local({:?} at {:#x})", port.name(), port.id()),
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
    /// True while the twin may put messages straight into `unread` without a look at its own state, because a send that
    /// saw both has found that nothing stands in the way: both are open, this port is the peer of its twin and listens
    /// to it, nothing numbered is under way, the twin has no quota and no label and is known to have sent. Whatever is about to
    /// change one of these ends it: for this port at once, for the twin before the call is over, which can only be that
    /// it closes, gets a quota or a label or goes into a message; fused it cannot be any more.
    pub(crate) is_direct: bool,
    /// True if the other end is known to be closed, or the way there to be lost. Never reset.
    pub(crate) peer_closed: bool,
    /// True if a user message was ever sent from this end of the pipe.
    pub(crate) has_sent: bool,
    /// Where events go; `None` if there is nobody left to tell.
    pub(crate) peer: Option<Neighbour<M>>,
    /// Whose events are taken; `None` if nothing more will come.
    pub(crate) previous: Option<Neighbour<M>>,
    /// The node that named `previous`, until that has spoken itself: if the node is lost, it may have lied.
    pub(crate) named_by: Option<Box<NodeName>>,
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
    pub(crate) probe: Option<Box<(PortName, u16)>>,
    /// What an end with a quota on what it sends has to count.
    pub(crate) sending: Option<Box<Sending>>,
    /// What an end that counts what it takes, limits what is unread, or is labelled has to know.
    pub(crate) receiving: Option<Box<Receiving>>,
    /// Set in `Leaving` only: what came too late for the new port to have been made with it.
    pub(crate) belated: Option<Box<Belated>>,
    /// Set in `Leaving` only: the neighbour that must hear of the new port once that exists.
    pub(crate) former_peer: Option<Box<FormerPeer<M>>>,
}

impl<M: Message> State<M> {
    pub(crate) fn new(role: Role) -> Self {
        Self {
            role,
            in_transit: false,
            is_direct: false,
            peer_closed: false,
            has_sent: false,
            peer: None,
            previous: None,
            named_by: None,
            sent: 0,
            received: 0,
            unread: VecDeque::new(),
            early: Early::default(),
            asked: false,
            wanted: None,
            probe: None,
            sending: None,
            receiving: None,
            belated: None,
            former_peer: None,
        }
    }

    pub(crate) fn next_number(&mut self) -> u64 {
        self.sent += 1;
        self.sent
    }

    /// Adds a message to the unread ones.
    pub(crate) fn push_unread(&mut self, message: M) {
        if let Some(receiving) = &mut self.receiving {
            receiving.note_unread(message.num_bytes());
        }
        self.unread.push_back(message);
    }

    /// Takes the oldest unread message. Says whether credit is due for what was taken.
    pub(crate) fn pop_unread(&mut self) -> Option<(M, bool)> {
        let message = self.unread.pop_front()?;
        let is_credit_due = match &mut self.receiving {
            Some(receiving) => receiving.note_taken(message.num_bytes()),
            None => false,
        };
        Some((message, is_credit_due))
    }

    /// True if the limit on what is unread is not reached.
    pub(crate) fn takes_more(&self) -> bool {
        self.receiving.as_ref().is_none_or(|receiving| !self.num_unread().reaches(receiving.quota.enforced))
    }

    /// How much is unread. The bytes are counted now unless they are anyway.
    pub(crate) fn num_unread(&self) -> Amount {
        let bytes = match &self.receiving {
            Some(receiving) => receiving.unread_bytes,
            None => self.unread.iter().map(M::num_bytes).sum(),
        };
        Amount { messages: self.unread.len() as u64, bytes }
    }

    fn is_over_quota(&self) -> bool {
        let sent_too_much = self.sending.as_ref().is_some_and(|sending| sending.used.exceeds(sending.quota.reported));
        let too_much_unread = |receiving: &Receiving| self.num_unread().exceeds(receiving.quota.reported);
        sent_too_much || self.receiving.as_deref().is_some_and(too_much_unread)
    }

    /// What the other end wants to have counted.
    pub(crate) fn meter(&mut self) -> Option<&mut Meter> {
        self.receiving.as_mut()?.meter.as_mut()
    }

    pub(crate) fn quotas(&self) -> Quotas {
        Quotas {
            sent: self.sending.as_ref().map_or(Quota::NONE, |sending| sending.quota),
            unread: self.receiving.as_ref().map_or(Quota::NONE, |receiving| receiving.quota),
        }
    }

    /// What is counted of the receiving side, which begins with this if nothing was until now.
    pub(crate) fn receiving(&mut self) -> &mut Receiving {
        let unread_bytes = self.num_unread().bytes;
        self.receiving.get_or_insert_with(|| Box::new(Receiving { unread_bytes, ..Receiving::default() }))
    }

    /// What is written down, if the end is labelled.
    pub(crate) fn log(&self) -> Option<&Log> {
        self.receiving.as_ref()?.log.as_deref()
    }

    /// True if what the end sends must not go past it.
    pub(crate) fn counts_sent(&self) -> bool {
        self.sending.is_some() || self.log().is_some()
    }

    /// Gives the port a new peer, whose events are numbered anew. Returns the old one.
    pub(crate) fn set_peer(&mut self, peer: Option<Neighbour<M>>) -> Option<Neighbour<M>> {
        self.sent = 0;
        self.wanted = None;
        std::mem::replace(&mut self.peer, peer)
    }

    /// Refuses everything that may still arrive; what arrived early goes to `dropped`.
    pub(crate) fn stop_receiving(&mut self, dropped: &mut Vec<M>) {
        self.previous = None;
        self.is_direct = false;
        self.early.drain_into(dropped);
    }

    /// Takes nothing and sends nothing any more; what arrived early goes to `dropped`.
    pub(crate) fn end(&mut self, dropped: &mut Vec<M>) {
        self.stop_receiving(dropped);
        self.set_peer(None);
        self.peer_closed = true;
    }

    /// Lets go of everything; what nobody will read goes to `dropped`.
    pub(crate) fn shut(&mut self, dropped: &mut Vec<M>) {
        self.role = Role::Closed;
        self.peer_closed = true;
        self.peer = None;
        self.former_peer = None;
        self.sending = None;
        self.receiving = None;
        self.belated = None;
        self.stop_receiving(dropped);
        if !self.unread.is_empty() {
            dropped.extend(self.unread.drain(..));
        }
    }
}

/// Events that wait for their turn, by the hop they came from. Most ports never have any.
pub(crate) struct Early<M: Message>(Option<Box<ByHop<M>>>);

type ByHop<M> = Vec<(Hop<M>, ByNumber<M>)>;

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

impl<M: Message> Default for Early<M> {
    fn default() -> Self {
        Self(None)
    }
}

impl<M: Message> Early<M> {
    fn hops(&self) -> impl Iterator<Item = &(Hop<M>, ByNumber<M>)> {
        self.0.iter().flat_map(|hops| hops.iter())
    }

    pub(crate) fn len(&self) -> usize {
        self.hops().map(|(_, events)| events.len()).sum()
    }

    pub(crate) fn keep(&mut self, from: Hop<M>, number: u64, body: Body<M>) -> Result<(), NotKept<M>> {
        if self.len() >= MAX_EARLY_EVENTS {
            return Err(NotKept::Full(body));
        }
        let hops = self.0.get_or_insert_default();
        if let Some((_, events)) = hops.iter_mut().find(|(hop, _)| *hop == from) {
            return match events.entry(number) {
                Entry::Vacant(vacant) => {
                    vacant.insert(body);
                    Ok(())
                }
                Entry::Occupied(_) => Err(NotKept::Repeated(body)),
            };
        }
        if hops.len() >= MAX_EARLY_HOPS {
            return Err(NotKept::Full(body));
        }
        hops.push((from, BTreeMap::from([(number, body)])));
        Ok(())
    }

    /// True if anything from this hop is waiting.
    pub(crate) fn has_any(&self, from: &Hop<M>) -> bool {
        self.hops().any(|(hop, _)| hop == from)
    }

    /// Takes the event with this number from this hop, if it is waiting.
    pub(crate) fn take(&mut self, from: &Hop<M>, number: u64) -> Option<Body<M>> {
        let hops = self.0.as_mut()?;
        let at = hops.iter().position(|(hop, _)| hop == from)?;
        let (_, events) = hops.get_mut(at)?;
        let body = events.remove(&number);
        if events.is_empty() {
            hops.swap_remove(at);
        }
        body
    }

    pub(crate) fn messages(&self) -> impl Iterator<Item = &M> {
        self.hops().flat_map(|(_, events)| events.values()).filter_map(|body| match body {
            Body::Message { message, .. } => Some(message),
            _ => None,
        })
    }

    /// How many of the events that wait are no messages and from this node.
    pub(crate) fn num_others(&self, from: NodeName) -> u64 {
        let is_from = |hop: &Hop<M>| matches!(hop, Hop::Remote(address) if address.node == from);
        let events = self.hops().filter(|(hop, _)| is_from(hop)).flat_map(|(_, events)| events.values());
        events.filter(|body| !matches!(body, Body::Message { .. })).count() as u64
    }

    fn drain_into(&mut self, dropped: &mut Vec<M>) {
        let Some(hops) = self.0.take() else { return };
        for (_, events) in *hops {
            dropped.extend(events.into_values().filter_map(|body| match body {
                Body::Message { message, .. } => Some(message),
                _ => None,
            }));
        }
    }
}
