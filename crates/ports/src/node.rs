//! A node: the ports of one process, and the calls that act on them.

use crate::log::Log;
use crate::port::{GONE, Hop, NAMED, Neighbour, Port, PortRef, Role, State, UNNAMED};
use crate::run::Run;
use crate::{Address, Amount, Body, Effects, Event, Message, NodeName, PortDescriptor, PortName, Quotas, Usage};
use foldhash::fast::RandomState;
use libmojo_sync::atomic::{AtomicUsize, Ordering};
use libmojo_sync::{Arc, Mutex, Rank};
use std::collections::{HashMap, HashSet};

/// The ports of one process, as far as other nodes can address them.
///
/// All methods may be called from any thread, with no lock held.
pub struct Node<M: Message> {
    name: NodeName,
    pairs: Mutex<Pairs>,
    data: M::NodeData,
    new_name: Box<dyn Fn() -> PortName + Send + Sync>,
    named: Mutex<HashMap<PortName, PortRef<M>, RandomState>>,
    pub(crate) num_proxies: AtomicUsize,
}

/// Which other nodes can talk to each other.
#[derive(Default)]
struct Pairs {
    /// Those that may: if one says where to find something at the other, it is believed.
    acquainted: HashSet<Pair>,
    /// Those that certainly can.
    introduced: HashSet<Pair>,
}

/// Two nodes, the lower name first.
type Pair = (NodeName, NodeName);

fn pair(a: NodeName, b: NodeName) -> Pair {
    if a < b { (a, b) } else { (b, a) }
}

/// How a message was sent.
#[must_use = "effects that are not applied are lost events"]
pub enum Sent<M: Message> {
    /// The port's [twin](PortRef::twin) has it. Nothing else is to be done, but whoever watches the twin should hear
    /// of it.
    ToTwin,
    /// This is to be transmitted to another node.
    ToNode(NodeName, Event<M>),
    /// This is what comes of it.
    With(Effects<M>),
}

impl<M: Message> Sent<M> {
    /// What comes of it, apart from what there is to be said to whoever watches a twin.
    pub fn into_effects(self) -> Effects<M> {
        match self {
            Sent::ToTwin => Effects::none(),
            Sent::ToNode(node, event) => Effects { forward: vec![(node, event)], ..Effects::none() },
            Sent::With(effects) => effects,
        }
    }
}

/// Why a message was not sent. The message comes back.
#[derive(Debug)]
pub enum SendError<M> {
    /// The port is closed, or is itself inside a message.
    NotOpen(M),
    /// The peer is closed or lost.
    PeerClosed(M),
    /// As much as the quota allows is not taken yet.
    QuotaReached(M),
    /// The message carries the port it is sent from, or that port's peer, or a port of another node.
    BadCargo(M),
    /// The message has to be made portable first: its receiver is, or may at any time be, in another node.
    NotPortable(M),
}

/// A message that was received.
#[derive(Debug)]
pub struct Received<M> {
    /// The message.
    pub message: M,
    /// Credit is due to the other end; see [`Node::return_credit`].
    pub is_credit_due: bool,
}

/// Why no message was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveError {
    /// The port is closed, or is itself inside a message.
    NotOpen,
    /// There is none now.
    Empty,
    /// There is none and there never will be.
    PeerClosed,
}

/// Why two pipes were not fused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FuseError {
    /// One of the ports is closed or inside a message, or both are the same, or they belong to different nodes.
    NotOpen,
    /// They are the two ends of one pipe.
    SamePipe,
    /// One of them has sent a message.
    HasSent,
}

/// Why a message could not be put straight into the peer's queue.
enum Undelivered<M> {
    /// The peer's lock comes first in the order of addresses, and is taken.
    Contended(M),
    /// The peer is in another node, or passes on what it gets, or numbered events are on their way to it.
    NotDirect(M),
    /// See [`SendError::BadCargo`].
    BadCargo(M),
}

/// How another node broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// It sent a port under a name that is in use here.
    NameTaken,
}

impl<M: Message> Node<M> {
    /// Makes a node without ports. `new_name` gives a different, unguessable name on every call.
    pub fn new(
        name: NodeName,
        data: M::NodeData,
        new_name: impl Fn() -> PortName + Send + Sync + 'static,
    ) -> Arc<Self> {
        let named = Mutex::new(Rank::PortTable, HashMap::default());
        let pairs = Mutex::new(Rank::Leaf, Pairs::default());
        let num_proxies = AtomicUsize::new(0);
        Arc::new(Self { name, pairs, data, new_name: Box::new(new_name), named, num_proxies })
    }

    /// The name of this node.
    pub fn name(&self) -> NodeName {
        self.name
    }

    /// What the driver attached to the node.
    pub fn data(&self) -> &M::NodeData {
        &self.data
    }

    /// Every port that another node may address, in the order of their names: what is done with all of them is done in
    /// an order that depends on the names alone.
    pub fn named_ports(&self) -> Vec<PortRef<M>> {
        let mut ports: Vec<_> = self.named.lock().iter().map(|(name, port)| (*name, port.clone())).collect();
        ports.sort_unstable_by_key(|(name, _)| *name);
        ports.into_iter().map(|(_, port)| port).collect()
    }

    /// True if any port passes on what it gets.
    pub fn has_proxies(&self) -> bool {
        self.num_proxies.load(Ordering::SeqCst) > 0
    }

    /// How many ports there are that pass on what they get, or will.
    pub fn proxy_count(&self) -> usize {
        self.named_ports().iter().filter(|port| port.state.lock().role != Role::Endpoint).count()
    }

    /// True if something that was sent waits here until it is settled where it is to go on to.
    pub fn holds_back(&self) -> bool {
        self.named_ports().iter().any(|port| {
            let state = port.state.lock();
            state.role != Role::Endpoint && (!state.unread.is_empty() || state.early.len() > 0)
        })
    }

    /// Makes a pipe with both ends here.
    pub fn create_pipe(self: &Arc<Self>) -> (PortRef<M>, PortRef<M>) {
        PortRef::twins(self)
    }

    /// Closes an endpoint. Its unread messages are dropped; what it sent stays deliverable. Does nothing for a
    /// port that is already closed or has moved away.
    pub fn close(self: &Arc<Self>, port: &PortRef<M>) -> Effects<M> {
        let mut effects = Effects::none();
        if Self::close_directly(port, &mut effects) {
            self.forget(port);
            return effects;
        }
        let mut run = Run::new(self);
        run.close(port);
        run.finish()
    }

    /// Closes an endpoint and has its twin know, if the twin is its peer and nothing numbered is under way to there, or
    /// if it has no peer any more. False if it is not so; then nothing has happened.
    fn close_directly(port: &PortRef<M>, effects: &mut Effects<M>) -> bool {
        let Some(twin) = port.twin() else { return false };
        let (mut state, mut twin_state) = port.lock_with(twin);
        if state.role != Role::Endpoint {
            return false;
        }
        if state.peer.is_some() {
            let hops = [&state.peer, &twin_state.previous, &twin_state.peer];
            let is_direct = hops.into_iter().all(|hop| matches!(hop, Some(Neighbour::Twin)))
                && twin_state.role == Role::Endpoint
                && twin_state.received == state.sent;
            if !is_direct {
                return false;
            }
            twin_state.end(&mut effects.dropped);
            if M::is_watched(twin.data()) {
                effects.changed.push(port.twin_ref());
            }
        }
        state.shut(&mut effects.dropped);
        true
    }

    /// Marks an endpoint as being inside a message. False if it is closed or already inside one.
    pub fn begin_transit(&self, port: &PortRef<M>) -> bool {
        let open = {
            let mut state = port.state.lock();
            let open = state.role == Role::Endpoint && !state.in_transit;
            if open {
                state.in_transit = true;
                state.is_direct = false;
            }
            open
        };
        if open && let Some(twin) = port.twin() {
            twin.state.lock().is_direct = false;
        }
        open
    }

    /// Marks an endpoint as taken out of the message that it was inside of.
    pub fn end_transit(&self, port: &Port<M>) {
        port.state.lock().in_transit = false;
    }

    /// Sends a message. If the peer is an endpoint of this node, it has the message when this returns.
    #[inline]
    pub fn send(self: &Arc<Self>, port: &PortRef<M>, message: M) -> Result<Sent<M>, SendError<M>> {
        match Self::send_to_twin(port, message) {
            Ok(()) => Ok(Sent::ToTwin),
            Err(refused) => self.send_to_peer(port, refused),
        }
    }

    /// Sends a message the short way, if that is [open](State::is_direct) and the message is a plain one.
    fn send_to_twin(port: &PortRef<M>, message: M) -> Result<(), M> {
        let Some(twin) = port.twin() else { return Err(message) };
        let mut state = twin.state.lock();
        // Whether a port may be sent this way depends on more than is known here.
        if !state.is_direct || !state.takes_more() || message.any_port(&mut |_| true) {
            return Err(message);
        }
        state.push_unread(message);
        Ok(())
    }

    fn send_to_peer(self: &Arc<Self>, port: &PortRef<M>, mut message: M) -> Result<Sent<M>, SendError<M>> {
        loop {
            let mut state = port.state.lock();
            if state.role != Role::Endpoint || state.in_transit {
                return Err(SendError::NotOpen(message));
            }
            if state.peer_closed {
                return Err(SendError::PeerClosed(message));
            }
            if let Some(sending) = &state.sending {
                if sending.is_used_up() {
                    return Err(SendError::QuotaReached(message));
                }
                if sending.counts_bytes() && !message.is_portable() {
                    return Err(SendError::NotPortable(message));
                }
            }
            let size = Amount { messages: 1, bytes: message.num_bytes() };
            // The reference is moved out of the locked state and back rather than counted: two threads that
            // count one reference cost each other more than all the rest of this function.
            let Some(peer) = state.peer.take() else { return Err(SendError::PeerClosed(message)) };
            let outcome = self.deliver_directly(port, &state, &peer, message);
            let contended = matches!(&outcome, Err(Undelivered::Contended(_))).then(|| peer.hop(port));
            state.peer = Some(peer);
            match outcome {
                Ok(mut effects) => {
                    Self::note_sent(port, &mut state, size, &mut effects);
                    return Ok(Sent::With(effects));
                }
                Err(Undelivered::BadCargo(refused)) => return Err(SendError::BadCargo(refused)),
                Err(Undelivered::NotDirect(refused)) => return self.send_as_event(port, state, refused, size),
                Err(Undelivered::Contended(refused)) => message = refused,
            }
            drop(state);
            if let Some(Hop::Local(peer)) = contended {
                drop(peer.state.lock());
            }
        }
    }

    /// Puts a message into the peer's queue, if that is in this node and nothing numbered is under way between the
    /// two.
    fn deliver_directly(
        self: &Arc<Self>,
        port: &PortRef<M>,
        state: &State<M>,
        peer: &Neighbour<M>,
        message: M,
    ) -> Result<Effects<M>, Undelivered<M>> {
        let local = peer.local(port);
        let is_bad_cargo = message.any_port(&mut |carried| {
            local.is_some_and(|peer| carried.is(peer)) || carried.is(port) || !Arc::ptr_eq(carried.node(), self)
        });
        if is_bad_cargo {
            return Err(Undelivered::BadCargo(message));
        }
        let Some(local) = local else { return Err(Undelivered::NotDirect(message)) };
        let guard =
            if port.id() < local.id() { Some(local.state.lock_second()) } else { local.state.try_lock_second() };
        let Some(mut peer_state) = guard else { return Err(Undelivered::Contended(message)) };
        let is_direct = matches!(peer_state.role, Role::Endpoint | Role::Leaving)
            && state.sent == peer_state.received
            && peer_state.previous.as_ref().is_some_and(|previous| previous.is_port(local, port));
        let is_live = peer_state.role == Role::Endpoint && !peer_state.in_transit;
        let takes_more = peer_state.takes_more();
        peer_state.is_direct &= takes_more;
        if !is_direct || !(is_live || message.is_portable()) || !takes_more {
            return Err(Undelivered::NotDirect(message));
        }
        peer_state.is_direct = is_live && matches!(peer, Neighbour::Twin) && !state.counts_sent();
        peer_state.push_unread(message);
        drop(peer_state);
        let mut effects = Effects::none();
        if M::is_watched(local.data())
            && let Hop::Local(peer) = peer.hop(port)
        {
            effects.changed.push(peer);
        }
        Ok(effects)
    }

    fn send_as_event(
        self: &Arc<Self>,
        port: &PortRef<M>,
        mut state: libmojo_sync::MutexGuard<'_, State<M>>,
        message: M,
        size: Amount,
    ) -> Result<Sent<M>, SendError<M>> {
        if !message.is_portable() {
            return Err(SendError::NotPortable(message));
        }
        state.has_sent = true;
        let body = |message| Body::Message { message, ports: Vec::new() };
        if let Some(Neighbour::Other(Hop::Remote(peer))) = &state.peer
            && peer.node != self.name
            && !state.counts_sent()
            && !message.any_port(&mut |_| true)
        {
            // Nothing but the message leaves: the short way of what else would come to the same.
            let (peer, number) = (**peer, state.next_number());
            drop(state);
            let event = Event { to: peer.port, from: self.name_of(port), number, body: body(message) };
            return Ok(Sent::ToNode(peer.node, event));
        }
        let mut run = Run::new(self);
        Self::note_sent(port, &mut state, size, &mut run.effects);
        run.say_to_peer(port, &mut state, body(message));
        drop(state);
        Ok(Sent::With(run.finish()))
    }

    fn note_sent(port: &PortRef<M>, state: &mut State<M>, size: Amount, effects: &mut Effects<M>) {
        state.has_sent = true;
        if let Some(sending) = &mut state.sending {
            sending.used.add(size);
            effects.note_change(port);
        }
        if let Some(log) = state.receiving.as_mut().and_then(|receiving| receiving.log.as_mut()) {
            log.sent.add(size);
        }
    }

    /// Gives an end a label, by which [`inspect`](Self::inspect) shows it from now on, wherever its peer is, with what it
    /// sends and gets. The label stays behind if the end moves. False if the end is closed or inside a message.
    pub fn set_label(&self, port: &PortRef<M>, label: &str) -> bool {
        {
            let mut state = port.state.lock();
            if state.role != Role::Endpoint || state.in_transit {
                return false;
            }
            let num_unread = state.unread.len();
            match &mut state.receiving().log {
                Some(log) => log.label = label.into(),
                none => *none = Some(Box::new(Log::new(label, num_unread))),
            }
        }
        if let Some(twin) = port.twin() {
            twin.state.lock().is_direct = false;
        }
        self.name_of(port);
        true
    }

    /// The label of an end.
    pub fn label(&self, port: &Port<M>) -> Option<String> {
        port.state.lock().log().map(|log| log.label.to_string())
    }

    /// Takes the oldest unread message.
    pub fn receive(&self, port: &Port<M>) -> Result<Received<M>, ReceiveError> {
        let mut state = port.state.lock();
        if state.role != Role::Endpoint || state.in_transit {
            return Err(ReceiveError::NotOpen);
        }
        match state.pop_unread() {
            Some((message, is_credit_due)) => Ok(Received { message, is_credit_due }),
            None if state.previous.is_none() => Err(ReceiveError::PeerClosed),
            None => Err(ReceiveError::Empty),
        }
    }

    /// Returns the credit that is due to the other end, if any still is.
    pub fn return_credit(self: &Arc<Self>, port: &PortRef<M>) -> Effects<M> {
        let mut run = Run::new(self);
        run.return_credit(port, &mut port.state.lock());
        run.finish()
    }

    /// Has an end's quotas changed. `change` must not call the node. `None` if the end is closed or inside a message.
    pub fn change_quotas(self: &Arc<Self>, port: &PortRef<M>, change: impl FnOnce(&mut Quotas)) -> Option<Effects<M>> {
        let mut run = Run::new(self);
        {
            let mut state = port.state.lock();
            if state.role != Role::Endpoint || state.in_transit {
                return None;
            }
            let before = state.quotas();
            let mut quotas = before;
            change(&mut quotas);
            if quotas.unread != before.unread {
                state.receiving().quota = quotas.unread;
            }
            if quotas.sent != before.sent {
                run.set_sent_quota(port, &mut state, quotas.sent);
            }
            run.effects.note_change(port);
        }
        Some(run.finish())
    }

    /// An end's quotas, and how much of them is used.
    pub fn quotas(&self, port: &Port<M>) -> (Quotas, Usage) {
        let state = port.state.lock();
        let sent = state.sending.as_ref().map_or(Amount::NONE, |sending| sending.used);
        (state.quotas(), Usage { sent, unread: state.num_unread() })
    }

    /// How much is unread at ports that other nodes can address, or waits there for its turn. `weigh` says how many bytes
    /// a message counts, if it is counted at all; it must not call the node. Of what is no message, all that `from` has
    /// sent is counted.
    pub fn unread(&self, from: NodeName, weigh: impl Fn(&M) -> Option<u64>) -> Amount {
        let mut sum = Amount::NONE;
        for port in self.named_ports() {
            let state = port.state.lock();
            let messages = state.unread.iter().chain(state.early.messages());
            messages.filter_map(&weigh).for_each(|bytes| sum.add(Amount { messages: 1, bytes }));
            let others = state.early.num_others(from);
            sum.add(Amount { messages: others, bytes: others.saturating_mul(size_of::<Body<M>>() as u64) });
        }
        sum
    }

    /// Joins two pipes by one end of each; `b` and `c` are gone afterwards, and what was unread at either goes
    /// to the other's peer. Both must be unsent-from; on failure both are as before.
    pub fn fuse(self: &Arc<Self>, b: &PortRef<M>, c: &PortRef<M>) -> Result<Effects<M>, FuseError> {
        if b.is(c) || !Arc::ptr_eq(b.node(), self) || !Arc::ptr_eq(c.node(), self) {
            return Err(FuseError::NotOpen);
        }
        let mut run = Run::new(self);
        {
            let (mut b_state, mut c_state) = b.lock_with(c);
            let is_open = |state: &State<M>| state.role == Role::Endpoint && !state.in_transit;
            if !is_open(&b_state) || !is_open(&c_state) {
                return Err(FuseError::NotOpen);
            }
            let leads_to = |state: &State<M>, owner: &PortRef<M>, port| {
                state.peer.as_ref().is_some_and(|peer| peer.is_port(owner, port))
            };
            if leads_to(&b_state, b, c) || leads_to(&c_state, c, b) {
                return Err(FuseError::SamePipe);
            }
            if b_state.has_sent || c_state.has_sent {
                return Err(FuseError::HasSent);
            }
            run.swap_peers(b, &mut b_state, c, &mut c_state);
        }
        Ok(run.finish())
    }

    /// Sends an endpoint to another node without a message around it. It must be in transit.
    pub fn export(self: &Arc<Self>, port: &PortRef<M>, to: NodeName) -> (PortDescriptor, Effects<M>) {
        let mut run = Run::new(self);
        let descriptor = run.export(port, to);
        (descriptor, run.finish())
    }

    /// Takes over an endpoint that another node sent without a message around it. It is in transit.
    pub fn import(
        self: &Arc<Self>,
        from: NodeName,
        descriptor: &PortDescriptor,
    ) -> Result<(PortRef<M>, Effects<M>), Violation> {
        let mut run = Run::new(self);
        let port = run.import(from, descriptor)?;
        Ok((port, run.finish()))
    }

    /// Takes an event from another node, whose name the caller has verified.
    ///
    /// # Errors
    /// A violation means that the other node must not be listened to any longer. What the event carried is closed
    /// and dropped; the effects of that are to be applied like any others.
    pub fn accept(self: &Arc<Self>, from: NodeName, event: Event<M>) -> Result<Effects<M>, (Violation, Effects<M>)> {
        let event = match self.accept_directly(from, event) {
            Ok(effects) => return Ok(effects),
            Err(event) => event,
        };
        let mut run = Run::new(self);
        let Event { to, from: port, number, mut body } = event;
        // Before the ports in it are there: one that was sent to itself could never be received.
        let to = self.find(to);
        if let Body::Message { message, ports } = &mut body {
            let mut imported = Vec::new();
            for descriptor in std::mem::take(ports) {
                match run.import(from, &descriptor) {
                    Ok(port) => imported.push(port),
                    Err(violation) => {
                        imported.iter().for_each(|port| run.close(port));
                        return Err((violation, run.finish()));
                    }
                }
            }
            message.put_ports(imported);
        }
        match (to, body) {
            (Some(to), body) => run.deliver(&to, Hop::remote(Address { node: from, port }), number, body),
            (None, Body::Message { message, .. }) => run.effects.dropped.push(message),
            (None, _) => {}
        }
        Ok(run.finish())
    }

    /// Takes a message that carries no ports and whose turn it is, if its receiver does not pass it on: the short way of
    /// what else would come to the same.
    fn accept_directly(&self, from: NodeName, event: Event<M>) -> Result<Effects<M>, Event<M>> {
        let is_plain = matches!(&event.body, Body::Message { ports, .. } if ports.is_empty());
        let Some(port) = is_plain.then(|| self.find(event.to)).flatten() else { return Err(event) };
        let mut state = port.state.lock();
        let is_next = matches!(state.role, Role::Endpoint | Role::Leaving)
            && event.number == state.received + 1
            && state.early.len() == 0
            && state.takes_more()
            && matches!(&state.previous, Some(Neighbour::Other(Hop::Remote(previous)))
                if previous.node == from && previous.port == event.from);
        match event.body {
            Body::Message { message, .. } if is_next => {
                state.received = event.number;
                state.push_unread(message);
                drop(state);
                let mut effects = Effects::none();
                effects.note_change(&port);
                Ok(effects)
            }
            body => Err(Event { body, ..event }),
        }
    }

    /// Believes each of two other nodes from now on when it says where to find something at the other. To be called
    /// before either of them can know that the other one [can be talked to](Self::introduce).
    pub fn acquaint(&self, a: NodeName, b: NodeName) {
        self.pairs.lock().acquainted.insert(pair(a, b));
    }

    /// Notes that two other nodes can talk to each other from now on, and leaves out the ports that have passed on
    /// what they say.
    pub fn introduce(self: &Arc<Self>, a: NodeName, b: NodeName) -> Effects<M> {
        {
            let mut pairs = self.pairs.lock();
            pairs.acquainted.insert(pair(a, b));
            pairs.introduced.insert(pair(a, b));
        }
        let mut run = Run::new(self);
        for port in self.named_ports() {
            run.leave_out_between(&port, a, b);
        }
        run.finish()
    }

    /// Notes that two other nodes cannot talk to each other any more, although both are there.
    pub fn part(&self, a: NodeName, b: NodeName) {
        self.pairs.lock().introduced.remove(&pair(a, b));
    }

    /// Closes or cuts every pipe that needs another node, which is gone. Call it once everything received from
    /// there has been accepted.
    pub fn lose(self: &Arc<Self>, node: NodeName) -> Effects<M> {
        {
            let mut pairs = self.pairs.lock();
            pairs.acquainted.retain(|(a, b)| *a != node && *b != node);
            pairs.introduced.retain(|(a, b)| *a != node && *b != node);
        }
        let is_there = |neighbour: &Neighbour<M>| neighbour.is_in(node);
        let mut run = Run::new(self);
        let mut doubtful = Vec::new();
        for port in self.named_ports() {
            let mut state = port.state.lock();
            if state.former_peer.as_ref().is_some_and(|former| former.hop.is_in(node)) {
                state.former_peer = None;
            }
            let lost_previous = state.previous.as_ref().is_some_and(is_there);
            if state.peer.as_ref().is_some_and(is_there) {
                if lost_previous {
                    state.stop_receiving(&mut run.effects.dropped);
                }
                run.lose_peer(&port, &mut state);
            } else if lost_previous {
                run.lose_previous(&port, &mut state);
            }
            if state.named_by.as_deref() == Some(&node)
                && let Some(Hop::Local(previous)) = state.previous.as_ref().map(|previous| previous.hop(&port))
            {
                doubtful.push((port.clone(), previous));
            }
        }
        for (port, previous) in doubtful {
            if !previous.leads_to(&port) {
                let mut state = port.state.lock();
                let is_still = |other: &Neighbour<M>| other.is_port(&port, &previous);
                if state.received == 0 && state.previous.as_ref().is_some_and(is_still) {
                    run.lose_previous(&port, &mut state);
                }
            }
        }
        run.finish()
    }

    // ---- names -------------------------------------------------------------------------------------------

    /// True if two nodes can talk to each other.
    pub(crate) fn can_talk(&self, a: NodeName, b: NodeName) -> bool {
        a == b || a == self.name || b == self.name || self.pairs.lock().introduced.contains(&pair(a, b))
    }

    /// True if node `from` may refer to a port of node `named`.
    pub(crate) fn may_name(&self, from: NodeName, named: NodeName) -> bool {
        from == named || from == self.name || self.pairs.lock().acquainted.contains(&pair(from, named))
    }

    pub(crate) fn new_name(&self) -> PortName {
        (self.new_name)()
    }

    pub(crate) fn find(&self, name: PortName) -> Option<PortRef<M>> {
        self.named.lock().get(&name).cloned()
    }

    /// The name of a port of this node, under which others can address it from now on.
    pub(crate) fn name_of(&self, port: &PortRef<M>) -> PortName {
        let mut is_new = false;
        let name = **port.name.get_or_init(|| {
            is_new = true;
            let name = self.new_name();
            self.named.lock().insert(name, port.clone());
            Box::new(name)
        });
        if is_new && port.naming.compare_exchange(UNNAMED, NAMED, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // It is gone already: nobody else takes it out.
            self.named.lock().remove(&name);
        }
        name
    }

    /// Enters a port under a name given by another node. False if the name is in use.
    pub(crate) fn register(&self, port: &PortRef<M>, name: PortName) -> bool {
        let mut named = self.named.lock();
        if named.contains_key(&name) {
            return false;
        }
        named.insert(name, port.clone());
        let is_fresh = port.name.set(Box::new(name)).is_ok();
        port.naming.store(NAMED, Ordering::Release);
        is_fresh
    }

    pub(crate) fn forget(&self, port: &Port<M>) {
        if port.naming.swap(GONE, Ordering::AcqRel) == NAMED
            && let Some(name) = port.name()
        {
            self.named.lock().remove(&name);
        }
    }
}
