//! What a node looks like from outside: its links, and the ports that other nodes have to do with.

use super::RoutingNode;
use super::link::Link;
use super::links::Entry;
use super::wire::Part;
use crate::buffer::labelled;
use crate::message::Message;
use libmojo_ports::{Amount, Inspection, Neighbour, NodeName, Traffic};
use std::fmt;
use std::time::Duration;

pub use crate::buffer::BufferSnapshot;
pub use crate::data_pipe::DataPipeSnapshot;
pub use libmojo_ports::PortRole;

/// The connections and ports of a node at one moment. What is said of one port may be newer than what is said of another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// What the node calls itself, to those who are to know.
    pub name: ShortName,
    /// Its connections to other nodes.
    pub links: Vec<LinkSnapshot>,
    /// The ports that other nodes can address, those that are labelled, and those that one of these has to do with. Pipes
    /// that have both ends in this node, and always had, are known to their owners only, and are not among them unless they
    /// are labelled.
    pub ports: Vec<PortSnapshot>,
    /// The labelled shared buffers of the process, whatever the node.
    pub buffers: Vec<BufferSnapshot>,
}

/// The beginning of a name, to tell what has one apart. Whole names are nobody's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ShortName(pub u32);

impl ShortName {
    fn of(name: u128) -> Self {
        Self((name >> 96) as u32)
    }
}

impl fmt::Display for ShortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// A connection to another node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LinkSnapshot {
    /// What the other node is called where ports refer to it, once it has said hello. On an isolated connection, and on
    /// one that came of an introduction, that is a name for this purpose only.
    pub peer: Option<ShortName>,
    /// What the other node calls itself, if it says so: the name of its own snapshot.
    pub identity: Option<ShortName>,
    /// How the connection has come about.
    pub part: LinkPart,
    /// The pipes of the invitation are connected, or both sides of an introduction are there.
    pub is_established: bool,
    /// It goes on in shared memory; else everything goes over the socket.
    pub is_in_shared_memory: bool,
    /// How many frames wait because the other side does not take them.
    pub waiting_frames: usize,
    /// How many bytes these have.
    pub waiting_bytes: usize,
    /// The process at the other side, as far as the system knows: the one that connected, that listened, or that made
    /// the pair of sockets, unless that is this process or somebody who has introduced the two.
    pub process_id: Option<u32>,
}

/// The part that a node plays in the making of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum LinkPart {
    /// It has invited the other one.
    Inviter,
    /// It has accepted an invitation.
    Invitee,
    /// It has offered an isolated connection.
    IsolatedInviter,
    /// It has accepted one.
    IsolatedInvitee,
    /// A third node has made the two acquainted.
    Introduced,
    /// It waits for whoever connects first.
    Listener,
}

/// A port: an end of a pipe, or the trace of one that has moved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PortSnapshot {
    /// What other nodes call it; `None` if none has to.
    pub name: Option<ShortName>,
    /// What it is. [`PortRole::Relay`]s stay for good where two nodes cannot be introduced.
    pub role: PortRole,
    /// It carries the notices of a data pipe.
    pub is_of_data_pipe: bool,
    /// That data pipe's end, while it is here.
    pub data_pipe: Option<DataPipeSnapshot>,
    /// Where it sends; `None` if there is nobody left.
    pub peer: Option<PortPlace>,
    /// Whom it listens to; `None` if nothing more will come.
    pub previous: Option<PortPlace>,
    /// The other end is closed, or the way there is lost.
    pub peer_closed: bool,
    /// How many messages wait to be received.
    pub unread: usize,
    /// How many events wait for earlier ones.
    pub early: usize,
    /// The number that the next event from the previous hop has.
    pub next: u64,
    /// How many watches, blocking waits and tasks are on it.
    pub watchers: usize,
    /// What is known of it because it has a [label](crate::object::Object::set_label).
    pub traffic: Option<TrafficSnapshot>,
}

/// A labelled end, and what has gone over it since it got its first label.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TrafficSnapshot {
    /// The label.
    pub label: String,
    /// What was sent from it. A message whose value was not serialized as it was sent counts as one without bytes. For an
    /// end of a data pipe, here and below, the notices; the bytes are with [the end](PortSnapshot::data_pipe).
    pub sent: Amount,
    /// What has come to it, whether it was received or is unread.
    pub received: Amount,
    /// How long the oldest message that is unread has been here: not longer than the label.
    pub oldest_unread_age: Option<Duration>,
}

/// A neighbour of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum PortPlace {
    /// The port with this position in the same snapshot.
    Here(usize),
    /// A port of another node.
    Elsewhere {
        /// The node, by the name that its link has.
        node: ShortName,
        /// The port, by its name in the other node's snapshot.
        port: ShortName,
    },
}

impl Snapshot {
    pub(super) fn of(node: &RoutingNode) -> Self {
        let mut entries = node.data().links.all();
        entries.sort_by_key(Entry::token);
        let links = entries.iter().map(|entry| match entry {
            Entry::Link(link) => LinkSnapshot::of(link),
            Entry::Awaited(_) => LinkSnapshot::awaited(),
        });
        Self {
            links: links.collect(),
            ports: node.inspect().iter().map(PortSnapshot::of).collect(),
            buffers: labelled(),
            ..Self::of_nothing(node)
        }
    }

    pub(super) fn of_nothing(node: &RoutingNode) -> Self {
        Self { name: short(node.name()), links: Vec::new(), ports: Vec::new(), buffers: Vec::new() }
    }
}

fn short(name: NodeName) -> ShortName {
    ShortName::of(name.0)
}

impl LinkSnapshot {
    fn awaited() -> Self {
        Self {
            peer: None,
            identity: None,
            part: LinkPart::Listener,
            is_established: false,
            is_in_shared_memory: false,
            waiting_frames: 0,
            waiting_bytes: 0,
            process_id: None,
        }
    }

    fn of(link: &Link) -> Self {
        let (is_established, waiting_frames, waiting_bytes) = link.backlog();
        let process_id = link.socket.peer_credentials().ok().map(|credentials| credentials.pid);
        let is_known = |id: &u32| link.part != Part::Introduced && *id != std::process::id();
        let identity = link.identity.get().filter(|_| !link.part.is_isolated());
        Self {
            peer: link.peer.get().copied().map(short),
            identity: identity.copied().map(ShortName::of),
            part: match link.part {
                Part::Inviter => LinkPart::Inviter,
                Part::Invitee => LinkPart::Invitee,
                Part::IsolatedInviter => LinkPart::IsolatedInviter,
                Part::IsolatedInvitee => LinkPart::IsolatedInvitee,
                Part::Introduced => LinkPart::Introduced,
            },
            is_established,
            is_in_shared_memory: link.region.get().is_some(),
            waiting_frames,
            waiting_bytes,
            process_id: process_id.filter(is_known),
        }
    }
}

impl PortSnapshot {
    fn of(port: &Inspection<Message>) -> Self {
        let place = |neighbour| match neighbour {
            Neighbour::Here(at) => PortPlace::Here(at),
            Neighbour::Elsewhere(address) => {
                PortPlace::Elsewhere { node: short(address.node), port: ShortName::of(address.port.0) }
            }
        };
        let data = port.port.data();
        let hook = data.hook.get();
        let end = hook.and_then(|hook| hook.upgrade()).map(|end| end.inspect());
        Self {
            name: port.name.map(|name| ShortName::of(name.0)),
            role: port.role,
            is_of_data_pipe: hook.is_some(),
            data_pipe: end.map(|(shown, _)| shown),
            peer: port.peer.map(place),
            previous: port.previous.map(place),
            peer_closed: port.peer_closed,
            unread: port.unread,
            early: port.early,
            next: port.received.saturating_add(1),
            watchers: end.map_or(data.observers.len(), |(_, watchers)| watchers),
            traffic: port.traffic.as_ref().map(TrafficSnapshot::of),
        }
    }
}

impl TrafficSnapshot {
    fn of(traffic: &Traffic) -> Self {
        Self {
            label: traffic.label.clone(),
            sent: traffic.sent,
            received: traffic.received,
            oldest_unread_age: traffic.unread_since.map(|since| since.elapsed()),
        }
    }
}

// ---- as text ---------------------------------------------------------------------------------------------

impl fmt::Display for Snapshot {
    /// A line for the node, one for each connection, one for each port, and one for each buffer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "node {}: {} links, {} ports", self.name, self.links.len(), self.ports.len())?;
        self.links.iter().try_for_each(|link| writeln!(f, "{link}"))?;
        self.ports.iter().enumerate().try_for_each(|(at, port)| writeln!(f, "port #{at} {port}"))?;
        self.buffers.iter().try_for_each(|buffer| writeln!(f, "{buffer}"))
    }
}

impl fmt::Display for LinkSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer {
            Some(peer) => write!(f, "link to {peer}")?,
            None => f.write_str("link to nobody yet")?,
        }
        if let Some(identity) = self.identity.filter(|identity| Some(*identity) != self.peer) {
            write!(f, " (node {identity})")?;
        }
        if let Some(process_id) = self.process_id {
            write!(f, ", process {process_id}")?;
        }
        let state = match (self.is_established, self.is_in_shared_memory) {
            (false, _) => ", not established",
            (true, false) => ", over the socket",
            (true, true) => "",
        };
        write!(f, ", {}{state}, {} bytes in {} frames to write", self.part, self.waiting_bytes, self.waiting_frames)
    }
}

impl fmt::Display for LinkPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LinkPart::Inviter => "inviter",
            LinkPart::Invitee => "invitee",
            LinkPart::IsolatedInviter => "isolated inviter",
            LinkPart::IsolatedInvitee => "isolated invitee",
            LinkPart::Introduced => "introduced",
            LinkPart::Listener => "listener",
        })
    }
}

impl fmt::Display for PortSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.name {
            write!(f, "{name} ")?;
        }
        write!(f, "{}", self.role)?;
        f.write_str(if self.is_of_data_pipe { " of a data pipe" } else { "" })?;
        f.write_str(if self.peer_closed { ", peer closed" } else { "" })?;
        for (way, place) in [("to", self.peer), ("from", self.previous)] {
            match place {
                Some(PortPlace::Here(at)) => write!(f, ", {way} #{at}")?,
                Some(PortPlace::Elsewhere { node, port }) => write!(f, ", {way} {port} at {node}")?,
                None => write!(f, ", {way} nobody")?,
            }
        }
        write!(f, ", {} unread, {} early, next is {}", self.unread, self.early, self.next)?;
        if self.watchers > 0 {
            write!(f, ", {} watchers", self.watchers)?;
        }
        self.data_pipe.iter().try_for_each(|end| write!(f, ", {end}"))?;
        self.traffic.iter().try_for_each(|traffic| write!(f, ", {traffic}"))
    }
}

impl fmt::Display for BufferSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = if self.is_read_only { ", read-only" } else { "" };
        write!(f, "buffer {:?} of {} bytes{access}", self.label, self.num_bytes)
    }
}

impl fmt::Display for DataPipeSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (end, done) = if self.is_producer { ("producer", "written") } else { ("consumer", "read") };
        write!(f, "{end} of {} bytes, {} {done}, {} unread", self.capacity, self.moved, self.unread)
    }
}

impl fmt::Display for TrafficSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { label, sent, received, oldest_unread_age } = self;
        write!(f, "{label:?}: {} messages with {} bytes sent", sent.messages, sent.bytes)?;
        write!(f, ", {} with {} received", received.messages, received.bytes)?;
        match oldest_unread_age {
            Some(age) => write!(f, ", unread for {age:.1?}"),
            None => Ok(()),
        }
    }
}
