//! Looking at the ports of a node, for people who want to know what is there.

use crate::port::{Hop, PortRef, Role};
use crate::{Address, Amount, Message, Node, NodeName, PortName};
use std::collections::HashMap;
use std::fmt;
use std::time::Instant;

/// A port as it was for a moment. Ports are looked at one after the other, so what is said of two may not fit together.
#[derive(Debug)]
pub struct Inspection<M: Message> {
    /// The port itself.
    pub port: PortRef<M>,
    /// What other nodes call it, if one had to.
    pub name: Option<PortName>,
    /// What it is.
    pub role: PortRole,
    /// Where events go.
    pub peer: Option<Neighbour>,
    /// Whose events are taken.
    pub previous: Option<Neighbour>,
    /// The other end is known to be closed, or the way there to be lost.
    pub peer_closed: bool,
    /// How many messages nobody has taken yet.
    pub unread: usize,
    /// How many events wait for their turn.
    pub early: usize,
    /// How many numbered events went to the peer.
    pub sent: u64,
    /// How many numbered events were taken from the previous hop.
    pub received: u64,
    /// What is written down of it, if it is labelled.
    pub traffic: Option<Traffic>,
}

/// What is written down of a labelled end, from when it was labelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// The label.
    pub label: String,
    /// What was sent from the end. A message that had no bytes yet as it was sent counts as one without.
    pub sent: Amount,
    /// What has come to it, whether it was taken or not.
    pub received: Amount,
    /// When the oldest message that is unread has come.
    pub unread_since: Option<Instant>,
}

/// What a port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum PortRole {
    /// An end of a pipe that somebody has.
    Endpoint,
    /// An end of a pipe that is inside a message.
    InMessage,
    /// Sent to another node, which has not accepted it yet.
    Leaving,
    /// Passes on what little is still to come.
    Proxy,
    /// Passes on what goes between two nodes that cannot talk to each other, for as long as they cannot.
    Relay,
    /// Gone.
    Closed,
}

impl fmt::Display for PortRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PortRole::Endpoint => "endpoint",
            PortRole::InMessage => "endpoint in a message",
            PortRole::Leaving => "leaving",
            PortRole::Proxy => "proxy",
            PortRole::Relay => "relay",
            PortRole::Closed => "closed",
        })
    }
}

/// A neighbour of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// Another one of the ports that were looked at, by its position.
    Here(usize),
    /// A port of another node.
    Elsewhere(Address),
}

impl<M: Message> Node<M> {
    /// Looks at every port that another node may address, and at those that one of these has to do with. Pipes that
    /// have both ends here, and always had, are known to those alone who hold them.
    pub fn inspect(&self) -> Vec<Inspection<M>> {
        let mut ports = Ports { list: self.named_ports(), positions: HashMap::new() };
        for (at, port) in ports.list.iter().enumerate() {
            ports.positions.insert(port.id(), at);
        }
        let mut seen = Vec::new();
        while let Some(port) = ports.list.get(seen.len()).cloned() {
            seen.push(ports.look(port));
        }
        for at in 0..seen.len() {
            let ends = [end(&seen, at, |port| port.previous), end(&seen, at, |port| port.peer)];
            if let ([Some(from), Some(to)], Some(port)) = (ends, seen.get_mut(at))
                && port.role == PortRole::Proxy
                && !self.can_talk(from, to)
            {
                port.role = PortRole::Relay;
            }
        }
        seen
    }
}

/// Ports to look at, each once.
struct Ports<M: Message> {
    list: Vec<PortRef<M>>,
    /// By their addresses.
    positions: HashMap<usize, usize>,
}

impl<M: Message> Ports<M> {
    fn look(&mut self, port: PortRef<M>) -> Inspection<M> {
        let state = port.state.lock();
        let role = match state.role {
            Role::Endpoint if state.in_transit => PortRole::InMessage,
            Role::Endpoint => PortRole::Endpoint,
            Role::Leaving => PortRole::Leaving,
            Role::Proxy => PortRole::Proxy,
            Role::Closed => PortRole::Closed,
        };
        let hop =
            |neighbour: &Option<crate::port::Neighbour<M>>| neighbour.as_ref().map(|neighbour| neighbour.hop(&port));
        let (peer, previous) = (hop(&state.peer), hop(&state.previous));
        let (peer_closed, unread, early) = (state.peer_closed, state.unread.len(), state.early.len());
        let (sent, received) = (state.sent, state.received);
        let traffic = state.log().map(|log| Traffic {
            label: log.label.to_string(),
            sent: log.sent,
            received: log.received,
            unread_since: log.unread_since(),
        });
        drop(state);
        let (peer, previous) = (self.neighbour(peer), self.neighbour(previous));
        let name = port.name();
        Inspection { port, name, role, peer, previous, peer_closed, unread, early, sent, received, traffic }
    }

    fn neighbour(&mut self, hop: Option<Hop<M>>) -> Option<Neighbour> {
        Some(match hop? {
            Hop::Remote(address) => Neighbour::Elsewhere(*address),
            Hop::Local(port) => {
                let next = self.list.len();
                let at = *self.positions.entry(port.id()).or_insert(next);
                if at == next {
                    self.list.push(port);
                }
                Neighbour::Here(at)
            }
        })
    }
}

/// The node at the end of the way that leads from a port over others that only pass on.
fn end<M: Message>(
    seen: &[Inspection<M>],
    mut at: usize,
    next: impl Fn(&Inspection<M>) -> Option<Neighbour>,
) -> Option<NodeName> {
    // Not more steps than there are ports: what was seen at different moments may seem to go in circles.
    for _ in 0..seen.len() {
        let port = seen.get(at)?;
        if !matches!(port.role, PortRole::Proxy | PortRole::Relay) {
            return None;
        }
        match next(port)? {
            Neighbour::Elsewhere(address) => return Some(address.node),
            Neighbour::Here(neighbour) => at = neighbour,
        }
    }
    None
}
