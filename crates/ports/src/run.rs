//! One call's worth of routing: events between ports of this node are carried out at once, one port locked at a
//! time, until only effects are left.

use crate::port::{FormerPeer, Hop, Port, PortRef, Role, State};
use crate::{Address, Body, Effects, Event, Message, Node, NodeName, PortDescriptor, PortName, Violation};
use libmojo_sync::Arc;
use std::collections::VecDeque;

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
    sayings: VecDeque<Saying<M>>,
}

impl<'a, M: Message> Run<'a, M> {
    pub(crate) fn new(node: &'a Arc<Node<M>>) -> Self {
        Self { node, effects: Effects::none(), sayings: VecDeque::new() }
    }

    /// Carries out everything that is left to do within the node.
    pub(crate) fn finish(mut self) -> Effects<M> {
        while let Some(saying) = self.sayings.pop_front() {
            match saying.to {
                Hop::Local(to) => self.deliver(&to, Hop::Local(saying.from), saying.number, saying.body),
                Hop::Remote(to) => self.transmit(&saying.from, *to, saying.number, saying.body),
            }
        }
        self.effects
    }

    fn say(&mut self, from: &PortRef<M>, to: Hop<M>, number: u64, body: Body<M>) {
        self.sayings.push_back(Saying { from: from.clone(), to, number, body });
    }

    /// Says something numbered to the port's peer, or drops it if there is none.
    pub(crate) fn say_to_peer(&mut self, port: &PortRef<M>, state: &mut State<M>, body: Body<M>) {
        match state.peer.clone() {
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
        let sent = state.sent;
        let former = state.set_peer(Some(Hop::remote(Address { node: to, port: name })));
        state.role = Role::Leaving;
        self.effects.neighbours.push(to);
        let mut descriptor = PortDescriptor { name, peer: None, previous, has_sent: state.has_sent };
        match former {
            Some(Hop::Remote(address)) if address.node != to && !self.node.may_link(address.node, to) => {
                let relay = self.new_relay(*address, Address { node: to, port: name });
                descriptor.peer = Some(relay);
                self.say(port, Hop::Remote(address), sent + 1, Body::PreviousHop(relay));
            }
            Some(hop) => {
                descriptor.peer = Some(self.address_of(&hop));
                state.former_peer = Some(Box::new(FormerPeer { hop, sent }));
            }
            None => {}
        }
        descriptor
    }

    /// A proxy between two nodes that cannot talk to each other.
    fn new_relay(&mut self, peer: Address, previous: Address) -> Address {
        let mut state = State::new(Role::Proxy);
        state.peer = Some(Hop::remote(peer));
        state.previous = Some(Hop::remote(previous));
        let relay = Port::new(self.node, M::PortData::default(), state);
        Address { node: self.node.name(), port: self.node.name_of(&relay) }
    }

    /// Takes over a port that another node sent.
    pub(crate) fn import(&mut self, from: NodeName, descriptor: &PortDescriptor) -> Result<PortRef<M>, Violation> {
        let mut state = State::new(Role::Endpoint);
        state.in_transit = true;
        state.has_sent = descriptor.has_sent;
        state.previous = Some(Hop::remote(Address { node: from, port: descriptor.previous }));
        state.peer = descriptor.peer.and_then(|address| self.resolve(address));
        state.peer_closed = state.peer.is_none();
        let port = Port::new(self.node, M::PortData::default(), state);
        if !self.node.register(&port, descriptor.name) {
            return Err(Violation::NameTaken);
        }
        let previous = Hop::remote(Address { node: from, port: descriptor.previous });
        self.say(&port, previous, 0, Body::Accepted);
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
        let is_previous = match &state.previous {
            Some(previous) => *previous == from,
            None => return self.drop_body(body),
        };
        if is_previous && number == state.received + 1 {
            state.received = number;
            self.take_numbered(port, &mut state, &from, body);
            self.take_early(port, &mut state);
        } else if is_previous && number <= state.received {
            self.drop_body(body);
        } else if let Err(body) = state.early.keep(from, number, body) {
            self.drop_body(body);
            self.lose_previous(port, &mut state);
        }
    }

    fn take_early(&mut self, port: &PortRef<M>, state: &mut State<M>) {
        while state.early.len() > 0 {
            let Some(previous) = state.previous.clone() else { return };
            let next = state.received + 1;
            let Some(body) = state.early.take(&previous, next) else { return };
            state.received = next;
            self.take_numbered(port, state, &previous, body);
        }
    }

    fn take_numbered(&mut self, port: &PortRef<M>, state: &mut State<M>, from: &Hop<M>, body: Body<M>) {
        match (state.role, body) {
            (Role::Endpoint | Role::Leaving, Body::Message { message, .. }) => {
                state.unread.push_back(message);
                self.effects.note_change(port);
            }
            (Role::Proxy, body @ Body::Message { .. }) => self.say_to_peer(port, state, body),
            (Role::Endpoint, Body::Closure) => {
                // Nothing more comes from there, so nothing sent can be answered: tell whoever is on the way
                // out, unless it is the very port that closed.
                if state.peer.as_ref().is_some_and(|peer| peer == from) {
                    state.set_peer(None);
                }
                self.lose_previous(port, state);
            }
            (Role::Leaving | Role::Proxy, Body::Closure) => self.lose_previous(port, state),
            (_, Body::PreviousHop(address)) => {
                state.previous = self.resolve(address);
                state.received = 0;
                if state.previous.is_none() {
                    self.lose_previous(port, state);
                } else if state.role == Role::Proxy {
                    self.ask_for_bypass(port, state);
                }
            }
            (Role::Proxy, Body::ObserveProxyAck) => {
                let successor = self.address_of(from);
                self.say_to_peer(port, state, Body::PreviousHop(successor));
                self.shut(port, state);
            }
            // Nobody was asked: the previous hop breaks the protocol, which costs it this pipe.
            (Role::Endpoint | Role::Leaving, Body::ObserveProxyAck) => self.lose_previous(port, state),
            (Role::Closed, body) => self.drop_body(body),
            (_, Body::Accepted | Body::ObserveProxy(_)) => {}
        }
    }

    fn take_unnumbered(&mut self, port: &PortRef<M>, state: &mut State<M>, from: Hop<M>, body: Body<M>) {
        if state.peer.as_ref() != Some(&from) {
            return;
        }
        match (state.role, body) {
            (Role::Leaving, Body::Accepted) => self.become_proxy(port, state),
            (Role::Endpoint, Body::ObserveProxy(target)) => {
                self.say_to_peer(port, state, Body::ObserveProxyAck);
                let peer = self.resolve(target);
                state.peer_closed |= peer.is_none();
                state.set_peer(peer);
                self.effects.note_change(port);
            }
            _ => {}
        }
    }

    fn become_proxy(&mut self, port: &PortRef<M>, state: &mut State<M>) {
        state.role = Role::Proxy;
        if let (Some(former), Some(peer)) = (state.former_peer.take(), &state.peer) {
            let successor = self.address_of(peer);
            self.say(port, former.hop, former.sent + 1, Body::PreviousHop(successor));
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
            self.ask_for_bypass(port, state);
        }
    }

    fn ask_for_bypass(&mut self, port: &PortRef<M>, state: &State<M>) {
        if let (Some(previous), Some(peer)) = (&state.previous, &state.peer) {
            let target = self.address_of(peer);
            if self.node.may_link(self.address_of(previous).node, target.node) {
                self.say(port, previous.clone(), 0, Body::ObserveProxy(target));
            }
        }
    }

    // ---- losses ------------------------------------------------------------------------------------------

    /// Nothing more will come from the previous hop.
    pub(crate) fn lose_previous(&mut self, port: &PortRef<M>, state: &mut State<M>) {
        state.stop_receiving(&mut self.effects.dropped);
        match state.role {
            Role::Endpoint => {
                self.say_to_peer(port, state, Body::Closure);
                state.set_peer(None);
                state.peer_closed = true;
                self.effects.note_change(port);
            }
            Role::Leaving => state.peer_closed = true,
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
        state.shut(&mut self.effects.dropped);
        self.node.forget(port);
    }

    // ---- addresses ---------------------------------------------------------------------------------------

    fn address_of(&self, hop: &Hop<M>) -> Address {
        match hop {
            Hop::Local(port) => Address { node: self.node.name(), port: self.node.name_of(port) },
            Hop::Remote(address) => **address,
        }
    }

    /// The way to an address; `None` if it names a port of this node that does not exist.
    fn resolve(&mut self, address: Address) -> Option<Hop<M>> {
        if address.node == self.node.name() {
            return self.node.find(address.port).map(Hop::Local);
        }
        self.effects.neighbours.push(address.node);
        Some(Hop::remote(address))
    }
}

impl<M: Message> Run<'_, M> {
    /// What a port of this node says to itself being closed by its owner.
    pub(crate) fn close(&mut self, port: &PortRef<M>) {
        let mut state = port.state.lock();
        if state.role == Role::Endpoint {
            self.say_to_peer(port, &mut state, Body::Closure);
            self.shut(port, &mut state);
        }
    }

    /// Turns two endpoints into proxies that lead to each other's peers.
    pub(crate) fn swap_peers(&mut self, b: &PortRef<M>, b_state: &mut State<M>, c: &PortRef<M>, c_state: &mut State<M>) {
        let b_address = self.address_of(&Hop::Local(b.clone()));
        let c_address = self.address_of(&Hop::Local(c.clone()));
        self.say_to_peer(b, b_state, Body::PreviousHop(c_address));
        self.say_to_peer(c, c_state, Body::PreviousHop(b_address));
        let c_peer = c_state.set_peer(None);
        c_state.peer = b_state.set_peer(c_peer);
        b_state.role = Role::Proxy;
        c_state.role = Role::Proxy;
        self.forward_unread(b, b_state);
        self.forward_unread(c, c_state);
    }

    /// A port of another node as a neighbour.
    pub(crate) fn remote_hop(node: NodeName, port: PortName) -> Hop<M> {
        Hop::remote(Address { node, port })
    }
}
