//! One call's worth of routing: events between ports of this node are carried out at once, one port locked at a
//! time, until only effects are left.

use crate::port::{FormerPeer, Hop, Neighbour, NotKept, PortRef, Role, State};
use crate::queue::Queue;
use crate::quota::Sending;
use crate::{Address, Amount, Body, Effects, Event, Message, Meter, Node, NodeName, PortDescriptor, Quota, Violation};
use libmojo_sync::Arc;
use libmojo_sync::atomic::Ordering;
use std::collections::VecDeque;

/// Longer than any chain of proxies that is not a circle.
const MAX_PROBE_HOPS: u16 = 4096;

/// An event that a port of this node has to say to a neighbour.
struct Saying<M: Message> {
    from: PortRef<M>,
    to: Hop<M>,
    number: u64,
    body: Body<M>,
}

/// The state of one call. No port is locked between its steps.
pub(crate) struct Run<'a, M: Message> {
    node: &'a Arc<Node<M>>,
    pub(crate) effects: Effects<M>,
    sayings: Queue<Saying<M>>,
    /// Ports that can still be found by name until their last words have been delivered.
    vanished: Queue<PortRef<M>>,
}

impl<'a, M: Message> Run<'a, M> {
    pub(crate) fn new(node: &'a Arc<Node<M>>) -> Self {
        Self { node, effects: Effects::none(), sayings: Queue::new(), vanished: Queue::new() }
    }

    /// Carries out everything that is left to do within the node.
    pub(crate) fn finish(mut self) -> Effects<M> {
        while let Some(saying) = self.sayings.pop() {
            match saying.to {
                Hop::Local(to) => self.deliver(&to, Hop::Local(saying.from), saying.number, saying.body),
                // Only a port that has vanished is known by an address of this node.
                Hop::Remote(to) if to.node == self.node.name() => self.drop_body(saying.body),
                Hop::Remote(to) => self.transmit(&saying.from, *to, saying.number, saying.body),
            }
        }
        while let Some(port) = self.vanished.pop() {
            self.node.forget(&port);
        }
        self.effects
    }

    fn say(&mut self, from: &PortRef<M>, to: Hop<M>, number: u64, body: Body<M>) {
        self.sayings.push(Saying { from: from.clone(), to, number, body });
    }

    /// Says something numbered to the port's peer, or drops it if there is none.
    pub(crate) fn say_to_peer(&mut self, port: &PortRef<M>, state: &mut State<M>, body: Body<M>) {
        match state.peer.as_ref().map(|peer| peer.hop(port)) {
            Some(peer) => {
                let number = state.next_number();
                self.say(port, peer, number, body);
            }
            None => self.drop_body(body),
        }
    }

    fn drop_body(&mut self, body: Body<M>) {
        if let Body::Message { message, .. } = body {
            self.effects.dropped.push(message);
        }
    }

    // ---- to and from other nodes -------------------------------------------------------------------------

    fn transmit(&mut self, from: &PortRef<M>, to: Address, number: u64, body: Body<M>) {
        let body = match body {
            Body::Message { mut message, .. } => {
                if message.is_portable() || message.make_portable() {
                    let carried = message.take_ports();
                    let ports = carried.iter().map(|port| self.export(port, to.node)).collect();
                    Body::Message { message, ports }
                } else {
                    // Everything before it arrives, then the pipe is reported closed.
                    self.effects.dropped.push(message);
                    from.state.lock().peer = None;
                    Body::Closure
                }
            }
            other => other,
        };
        let event = Event { to: to.port, from: self.node.name_of(from), number, body };
        self.effects.forward.push((to.node, event));
    }

    /// Sends an endpoint that is inside a message on to another node.
    pub(crate) fn export(&mut self, port: &PortRef<M>, to: NodeName) -> PortDescriptor {
        self.make_unread_portable(port);
        let name = self.node.new_name();
        let previous = self.node.name_of(port);
        let mut state = port.state.lock();
        debug_assert!(state.role == Role::Endpoint && state.in_transit, "{:?} leaves", state.role);
        if let Some(Neighbour::Other(Hop::Remote(peer))) = &state.peer
            && !self.node.can_talk(peer.node, to)
        {
            self.insert_relay(port, &mut state);
        }
        state.role = Role::Leaving;
        let sent = state.sent;
        let former = state.set_peer(Some(Neighbour::Other(Hop::remote(Address { node: to, port: name }))));
        let former = former.map(|peer| peer.hop(port));
        let peer = former.as_ref().map(|hop| self.address_of(hop));
        state.former_peer = former.map(|hop| Box::new(FormerPeer { hop, sent }));
        self.effects.neighbours.push(to);
        let sending = state.sending.take().map(|sending| Box::new(sending.moved()));
        let receiving = state.receiving.take().map(|receiving| Box::new(receiving.moved()));
        PortDescriptor { name, peer, previous, has_sent: state.has_sent, sending, receiving }
    }

    /// Puts a proxy between the port and its peer, because that peer cannot talk to where the port is going.
    fn insert_relay(&mut self, port: &PortRef<M>, state: &mut State<M>) {
        let mut relay = State::new(Role::Proxy);
        self.node.num_proxies.fetch_add(1, Ordering::SeqCst);
        relay.previous = Some(Neighbour::Other(Hop::Local(port.clone())));
        relay.peer = state.peer.as_ref().map(|peer| Neighbour::Other(peer.hop(port)));
        let relay = Hop::Local(PortRef::alone(self.node, relay));
        let address = self.address_of(&relay);
        self.say_to_peer(port, state, Body::PreviousHop(address));
        state.set_peer(Some(Neighbour::Other(relay)));
    }

    /// Takes over a port that another node sent.
    pub(crate) fn import(&mut self, from: NodeName, descriptor: &PortDescriptor) -> Result<PortRef<M>, Violation> {
        let mut state = State::new(Role::Endpoint);
        state.in_transit = true;
        state.has_sent = descriptor.has_sent;
        let previous = Hop::remote(Address { node: from, port: descriptor.previous });
        state.previous = Some(Neighbour::Other(previous.clone()));
        let peer = descriptor.peer.and_then(|address| self.resolve_from(&previous, address));
        state.peer = peer.map(Neighbour::Other);
        state.peer_closed = state.peer.is_none();
        state.sending = descriptor.sending.clone();
        state.receiving = descriptor.receiving.clone();
        let port = PortRef::alone(self.node, state);
        if !self.node.register(&port, descriptor.name) {
            return Err(Violation::NameTaken);
        }
        self.say(&port, previous, 0, Body::Accepted);
        self.return_credit(&port, &mut port.state.lock());
        Ok(port)
    }

    /// Makes everything that waits at an endpoint inside a message, and at the endpoints inside those messages,
    /// able to leave the node. What cannot is cut off, with all that follows it.
    fn make_unread_portable(&mut self, port: &PortRef<M>) {
        let mut ports = vec![port.clone()];
        while let Some(port) = ports.pop() {
            let unread = std::mem::take(&mut port.state.lock().unread);
            if unread.is_empty() {
                continue;
            }
            let mut kept = VecDeque::with_capacity(unread.len());
            let mut cut = false;
            for mut message in unread {
                cut = cut || !(message.is_portable() || message.make_portable());
                if cut {
                    self.effects.dropped.push(message);
                } else {
                    message.any_port(&mut |carried| {
                        ports.push(carried.clone());
                        false
                    });
                    kept.push_back(message);
                }
            }
            let mut state = port.state.lock();
            if cut {
                let behind = std::mem::take(&mut state.unread);
                self.effects.dropped.extend(behind);
                self.lose_previous(&port, &mut state);
            }
            kept.append(&mut state.unread);
            state.unread = kept;
        }
    }

    // ---- events ------------------------------------------------------------------------------------------

    /// Gives an event to a port of this node.
    pub(crate) fn deliver(&mut self, port: &PortRef<M>, from: Hop<M>, number: u64, body: Body<M>) {
        let mut state = port.state.lock();
        if !body.is_numbered() {
            return self.take_unnumbered(port, &mut state, from, body);
        }
        debug_assert!(!state.is_direct || body.may_overtake(), "{:?} overtakes messages", self.node.name());
        let is_previous = match &state.previous {
            Some(previous) => previous.is_hop(port, &from),
            None => return self.drop_body(body),
        };
        if is_previous && number == state.received + 1 {
            state.received = number;
            self.take_numbered(port, &mut state, &from, body);
            self.take_early(port, &mut state);
        } else if is_previous && number <= state.received {
            self.drop_body(body);
        } else {
            match state.early.keep(from, number, body) {
                Ok(()) => {}
                Err(NotKept::Repeated(body)) => self.drop_body(body),
                Err(NotKept::Full(body)) => {
                    self.drop_body(body);
                    self.lose_previous(port, &mut state);
                }
            }
        }
    }

    fn take_early(&mut self, port: &PortRef<M>, state: &mut State<M>) {
        while state.early.len() > 0 {
            let Some(previous) = state.previous.as_ref().map(|previous| previous.hop(port)) else { return };
            let next = state.received + 1;
            let Some(body) = state.early.take(&previous, next) else { return };
            state.received = next;
            self.take_numbered(port, state, &previous, body);
        }
    }

    fn take_numbered(&mut self, port: &PortRef<M>, state: &mut State<M>, from: &Hop<M>, body: Body<M>) {
        match (state.role, body) {
            (Role::Endpoint | Role::Leaving, Body::Message { message, .. }) => {
                if state.takes_more() {
                    state.push_unread(message);
                    self.effects.note_change(port);
                } else {
                    // What is sent may have a quota as well, so that it does not come to this.
                    self.effects.dropped.push(message);
                    self.lose_previous(port, state);
                }
            }
            (Role::Endpoint, Body::Meter { step, uncounted }) => {
                let num_unread = state.unread.len() as u64;
                // Who is counted sees what it sends.
                state.is_direct = false;
                let meter = &mut state.receiving().meter;
                match (uncounted, meter) {
                    (Some(uncounted), meter) => {
                        let uncounted = uncounted.saturating_add(num_unread);
                        *meter = Some(Meter { step, uncounted, taken: Amount::NONE });
                    }
                    (None, Some(meter)) => meter.step = step,
                    (None, None) => {}
                }
                self.return_credit(port, state);
            }
            (Role::Endpoint, Body::Credit(credit)) => {
                if state.sending.as_mut().is_some_and(|sending| sending.take_credit(credit)) {
                    self.effects.note_change(port);
                } else {
                    self.lose_previous(port, state);
                }
            }
            (Role::Leaving, Body::Meter { step, uncounted }) => {
                let num_unread = state.unread.len() as u64;
                state.belated.get_or_insert_default().note_meter(step, uncounted, num_unread);
            }
            (Role::Leaving, Body::Credit(credit)) => state.belated.get_or_insert_default().credit.add(credit),
            (Role::Proxy, body @ (Body::Message { .. } | Body::Meter { .. } | Body::Credit(_))) => {
                self.say_to_peer(port, state, body);
            }
            (Role::Endpoint, Body::Closure) => {
                // Nothing more comes from there, so nothing sent can be answered: tell whoever is on the way
                // out, unless it is the very port that closed.
                if state.peer.as_ref().is_some_and(|peer| peer.is_hop(port, from)) {
                    state.set_peer(None);
                }
                self.lose_previous(port, state);
            }
            (Role::Leaving | Role::Proxy, Body::Closure) => self.lose_previous(port, state),
            (_, Body::PreviousHop(address)) => {
                let previous = self.resolve_from(from, address).or_else(|| {
                    // One that has spoken already may be named after it has vanished, or its node has been lost.
                    let named = Hop::remote(address);
                    let has_spoken = state.early.has_any(&named);
                    if has_spoken && address.node != self.node.name() {
                        self.effects.neighbours.push(address.node);
                    }
                    has_spoken.then_some(named)
                });
                state.previous = previous.map(|hop| Neighbour::new(port, hop));
                state.named_by = match from {
                    Hop::Remote(from) if from.node != self.node.name() => Some(Box::new(from.node)),
                    _ => None,
                };
                state.received = 0;
                state.asked = false;
                if state.previous.is_none() {
                    self.lose_previous(port, state);
                } else if state.role == Role::Proxy {
                    self.shorten(port, state);
                }
            }
            (Role::Proxy, Body::ObserveProxyAck) => {
                let successor = self.address_of(from);
                self.say_to_peer(port, state, Body::PreviousHop(successor));
                self.shut(port, state);
            }
            (Role::Proxy, Body::Probe { origin, hops_left }) => match hops_left.checked_sub(1) {
                Some(hops_left) if origin != self.node.name_of(port) => {
                    self.say_to_peer(port, state, Body::Probe { origin, hops_left });
                }
                _ => self.lose_previous(port, state),
            },
            (Role::Endpoint, Body::Probe { .. }) => {}
            (Role::Leaving, Body::Probe { origin, hops_left }) => state.probe = Some(Box::new((origin, hops_left))),
            // Nobody was asked: the previous hop breaks the protocol, which costs it this pipe.
            (Role::Endpoint | Role::Leaving, Body::ObserveProxyAck) => self.lose_previous(port, state),
            (Role::Closed, body) => self.drop_body(body),
            (_, Body::Accepted | Body::ObserveProxy(_)) => {}
        }
    }

    fn take_unnumbered(&mut self, port: &PortRef<M>, state: &mut State<M>, from: Hop<M>, body: Body<M>) {
        if !state.peer.as_ref().is_some_and(|peer| peer.is_hop(port, &from)) {
            return;
        }
        match (state.role, body) {
            (Role::Leaving, Body::Accepted) => self.become_proxy(port, state),
            (Role::Endpoint, Body::ObserveProxy(target)) => {
                self.send_past_peer(port, state, &from, target);
                state.peer_closed |= state.peer.is_none();
                self.effects.note_change(port);
            }
            (Role::Leaving, Body::ObserveProxy(target)) => state.wanted = Some(Box::new(target)),
            (Role::Proxy, Body::ObserveProxy(target)) => {
                state.wanted = Some(Box::new(target));
                if !state.asked {
                    self.leave_out_peer(port, state);
                }
            }
            _ => {}
        }
    }

    fn become_proxy(&mut self, port: &PortRef<M>, state: &mut State<M>) {
        state.role = Role::Proxy;
        self.node.num_proxies.fetch_add(1, Ordering::SeqCst);
        if let (Some(former), Some(peer)) = (state.former_peer.take(), &state.peer) {
            let successor = self.address_of(&peer.hop(port));
            self.say(port, former.hop, former.sent + 1, Body::PreviousHop(successor));
        }
        if let Some((origin, hops_left)) = state.probe.take().map(|probe| *probe) {
            self.say_to_peer(port, state, Body::Probe { origin, hops_left });
        }
        if let Some(belated) = state.belated.take() {
            if belated.credit.messages > 0 {
                self.say_to_peer(port, state, Body::Credit(belated.credit));
            }
            if let Some((step, uncounted)) = belated.meter {
                self.say_to_peer(port, state, Body::Meter { step, uncounted });
            }
        }
        self.forward_unread(port, state);
    }

    /// Passes on what waited at a port that has become a proxy, and starts to make the proxy superfluous.
    pub(crate) fn forward_unread(&mut self, port: &PortRef<M>, state: &mut State<M>) {
        while let Some(message) = state.unread.pop_front() {
            self.say_to_peer(port, state, Body::Message { message, ports: Vec::new() });
        }
        if state.previous.is_none() {
            self.lose_previous(port, state);
        } else {
            self.shorten(port, state);
        }
    }

    /// Leaves a proxy out of the route if its neighbours can talk to each other; if they cannot, lets it leave
    /// out the next proxy. Never both at once: a hop that has been told where to send must find that way valid.
    fn shorten(&mut self, port: &PortRef<M>, state: &mut State<M>) {
        let (Some(previous), Some(peer)) = (&state.previous, &state.peer) else { return };
        let (previous, peer) = (previous.hop(port), peer.hop(port));
        if self.can_be_left_out(port, state) {
            let target = self.address_of(&peer);
            self.say(port, previous, 0, Body::ObserveProxy(target));
            state.asked = true;
        } else {
            let apart = (self.address_of(&previous).node, self.address_of(&peer).node);
            self.effects.apart.push(apart);
            self.leave_out_peer(port, state);
        }
    }

    /// Leaves a port out if it is a proxy between two nodes that can talk to each other now.
    pub(crate) fn leave_out_between(&mut self, port: &PortRef<M>, a: NodeName, b: NodeName) {
        let mut state = port.state.lock();
        let is_at = |hop: &Option<Neighbour<M>>, node| hop.as_ref().is_some_and(|hop| hop.is_in(node));
        let is_between =
            is_at(&state.previous, a) && is_at(&state.peer, b) || is_at(&state.previous, b) && is_at(&state.peer, a);
        if state.role == Role::Proxy && is_between {
            self.shorten(port, &mut state);
        }
    }

    fn can_be_left_out(&self, port: &PortRef<M>, state: &State<M>) -> bool {
        let node = |neighbour: &Neighbour<M>| self.address_of(&neighbour.hop(port)).node;
        let neighbours = state.previous.as_ref().zip(state.peer.as_ref());
        neighbours.is_some_and(|(previous, peer)| self.node.can_talk(node(previous), node(peer)))
    }

    /// Does what the peer of a proxy asked for, if it has asked.
    fn leave_out_peer(&mut self, port: &PortRef<M>, state: &mut State<M>) {
        let peer = state.peer.as_ref().map(|peer| peer.hop(port));
        if let (Some(peer), Some(target)) = (peer, state.wanted.take()) {
            self.send_past_peer(port, state, &peer, *target);
            self.shorten(port, state);
        }
    }

    /// Does what the peer, a proxy, asked for.
    fn send_past_peer(&mut self, port: &PortRef<M>, state: &mut State<M>, peer: &Hop<M>, target: Address) {
        self.say_to_peer(port, state, Body::ObserveProxyAck);
        let peer = self.resolve_from(peer, target);
        state.set_peer(peer.map(|hop| Neighbour::new(port, hop)));
    }

    // ---- quotas ------------------------------------------------------------------------------------------

    /// Returns credit to the other end, if any is due.
    pub(crate) fn return_credit(&mut self, port: &PortRef<M>, state: &mut State<M>) {
        if state.meter().is_some_and(|meter| meter.is_due()) {
            self.settle_credit(port, state);
        }
    }

    /// Returns credit to the other end for everything that was taken.
    fn settle_credit(&mut self, port: &PortRef<M>, state: &mut State<M>) {
        let Some(meter) = state.meter().filter(|meter| meter.taken.messages > 0) else { return };
        let taken = std::mem::take(&mut meter.taken);
        self.say_to_peer(port, state, Body::Credit(taken));
    }

    /// Gives an end another quota on what it sends, and has the other end know how to return credit.
    pub(crate) fn set_sent_quota(&mut self, port: &PortRef<M>, state: &mut State<M>, quota: Quota) {
        let (step, uncounted) = match &mut state.sending {
            Some(sending) => {
                sending.quota = quota;
                (sending.step(), None)
            }
            none => (none.insert(Box::new(Sending::new(quota))).step(), Some(0)),
        };
        self.say_to_peer(port, state, Body::Meter { step, uncounted });
    }

    /// When `port` has come to lead from its sender to what was the peer of `other`, which has sent nothing: tells that
    /// peer what its new sender wants to have counted.
    fn hand_on_meter(&mut self, port: &PortRef<M>, state: &mut State<M>, other: &State<M>) {
        let (step, uncounted) = match state.meter() {
            Some(meter) => (meter.step, meter.uncounted),
            None if other.sending.is_some() => (Amount::UNLIMITED, u64::MAX),
            None => return,
        };
        self.say_to_peer(port, state, Body::Meter { step, uncounted: Some(uncounted) });
    }

    // ---- losses ------------------------------------------------------------------------------------------

    /// Nothing more will come from the previous hop.
    pub(crate) fn lose_previous(&mut self, port: &PortRef<M>, state: &mut State<M>) {
        state.stop_receiving(&mut self.effects.dropped);
        match state.role {
            Role::Endpoint => {
                self.say_to_peer(port, state, Body::Closure);
                state.end(&mut self.effects.dropped);
                self.effects.note_change(port);
            }
            // Says so to its successor once that exists.
            Role::Leaving => {}
            Role::Proxy => {
                self.say_to_peer(port, state, Body::Closure);
                self.shut(port, state);
            }
            Role::Closed => {}
        }
    }

    /// Nothing can be sent to the peer any more. What still comes from the previous hop is taken.
    pub(crate) fn lose_peer(&mut self, port: &PortRef<M>, state: &mut State<M>) {
        state.set_peer(None);
        match state.role {
            Role::Endpoint => {
                state.peer_closed = true;
                self.effects.note_change(port);
            }
            Role::Leaving => {
                if let Some(former) = state.former_peer.take() {
                    self.say(port, former.hop, former.sent + 1, Body::Closure);
                }
                self.shut(port, state);
            }
            // Stays to swallow what is still sent this way, until the previous hop has heard of the loss.
            Role::Proxy if state.previous.is_some() => {}
            Role::Proxy | Role::Closed => self.shut(port, state),
        }
    }

    pub(crate) fn shut(&mut self, port: &PortRef<M>, state: &mut State<M>) {
        if state.role == Role::Proxy {
            self.node.num_proxies.fetch_sub(1, Ordering::SeqCst);
        }
        state.shut(&mut self.effects.dropped);
        self.vanished.push(port.clone());
    }

    // ---- addresses ---------------------------------------------------------------------------------------

    fn address_of(&self, hop: &Hop<M>) -> Address {
        match hop {
            Hop::Local(port) => Address { node: self.node.name(), port: self.node.name_of(port) },
            Hop::Remote(address) => **address,
        }
    }

    /// The way to an address that `from` has named; `None` if it is in this node but does not exist, or is where
    /// `from` can know of no way to.
    fn resolve_from(&mut self, from: &Hop<M>, address: Address) -> Option<Hop<M>> {
        if address.node == self.node.name() {
            return self.node.find(address.port).map(Hop::Local);
        }
        if let Hop::Remote(from) = from
            && !self.node.may_name(from.node, address.node)
        {
            return None;
        }
        self.effects.neighbours.push(address.node);
        Some(Hop::remote(address))
    }

    // ---- what owners do ----------------------------------------------------------------------------------

    /// Closes an endpoint.
    pub(crate) fn close(&mut self, port: &PortRef<M>) {
        let mut state = port.state.lock();
        if state.role == Role::Endpoint {
            self.say_to_peer(port, &mut state, Body::Closure);
            self.shut(port, &mut state);
        }
    }

    /// Turns two endpoints into proxies that lead to each other's peers.
    pub(crate) fn swap_peers(
        &mut self,
        b: &PortRef<M>,
        b_state: &mut State<M>,
        c: &PortRef<M>,
        c_state: &mut State<M>,
    ) {
        self.settle_credit(b, b_state);
        self.settle_credit(c, c_state);
        let b_address = self.address_of(&Hop::Local(b.clone()));
        let c_address = self.address_of(&Hop::Local(c.clone()));
        self.say_to_peer(b, b_state, Body::PreviousHop(c_address));
        self.say_to_peer(c, c_state, Body::PreviousHop(b_address));
        let b_peer = b_state.set_peer(None).map(|peer| peer.hop(b));
        let c_peer = c_state.set_peer(None).map(|peer| peer.hop(c));
        b_state.peer = c_peer.map(|hop| Neighbour::new(b, hop));
        c_state.peer = b_peer.map(|hop| Neighbour::new(c, hop));
        self.hand_on_meter(b, b_state, c_state);
        self.hand_on_meter(c, c_state, b_state);
        for state in [&mut *b_state, &mut *c_state] {
            state.role = Role::Proxy;
            state.is_direct = false;
            state.sending = None;
            state.receiving = None;
        }
        self.node.num_proxies.fetch_add(2, Ordering::SeqCst);
        self.say_to_peer(b, b_state, Body::Probe { origin: b_address.port, hops_left: MAX_PROBE_HOPS });
        self.say_to_peer(c, c_state, Body::Probe { origin: c_address.port, hops_left: MAX_PROBE_HOPS });
        self.forward_unread(b, b_state);
        self.forward_unread(c, c_state);
    }
}
