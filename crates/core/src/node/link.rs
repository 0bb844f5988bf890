//! One connection to another process: who is at the other side, and what the two are called.

use super::attendance::Attendance;
use super::incoming::Slot;
use super::io::Io;
use super::links::Terms;
use super::outgoing::Outgoing;
use super::region::Region;
use super::wire::{self, Hello, Part};
use super::{RoutingNode, Sender};
use crate::invitation::{Arrivals, NamedPipe};
use crate::message::Message;
use libmojo_platform::Socket;
use libmojo_ports::{Event, NodeName};
use libmojo_sync::atomic::{AtomicBool, Ordering};
use libmojo_sync::{Arc, Mutex, OnceLock, Rank, Weak};

/// What this process is to the other one.
pub(crate) enum LinkRole {
    /// It was invited; these pipes go there once it has said hello.
    Inviter(Mutex<Vec<NamedPipe>>),
    /// It accepted an invitation, whose pipes are announced here.
    Invitee(Arc<Arrivals>),
    /// One of the two: an isolated connection can be offered from both sides. Then the names that these go by on the
    /// link decide which one's pipes go to the other side, and which one's wait here to be joined with those.
    Stranger { pipes: Mutex<Vec<NamedPipe>>, arrivals: Arc<Arrivals> },
    /// A third node has made them acquainted.
    Introduced,
}

impl LinkRole {
    /// Takes the pipes that are to go to the other side, which has introduced itself; `own` is what this one goes by.
    /// `None` if those of the other side come here.
    pub(super) fn begin(&self, own: NodeName, hello: Hello) -> Option<Vec<NamedPipe>> {
        match self {
            LinkRole::Inviter(pipes) => Some(std::mem::take(&mut *pipes.lock())),
            LinkRole::Invitee(_) | LinkRole::Introduced => None,
            LinkRole::Stranger { pipes, arrivals } => {
                let pipes = std::mem::take(&mut *pipes.lock());
                if hello.part == Part::IsolatedInvitee || own < hello.node {
                    return Some(pipes);
                }
                arrivals.await_peers_of(pipes);
                None
            }
        }
    }

    /// Where the pipes of the other side are awaited.
    pub(super) fn arrivals(&self) -> Option<&Arc<Arrivals>> {
        match self {
            LinkRole::Inviter(_) | LinkRole::Introduced => None,
            LinkRole::Invitee(arrivals) | LinkRole::Stranger { arrivals, .. } => Some(arrivals),
        }
    }

    /// Closes what can never be connected now.
    pub(super) fn abandon(&self) {
        if let LinkRole::Inviter(pipes) | LinkRole::Stranger { pipes, .. } = self {
            let unsent = std::mem::take(&mut *pipes.lock());
            drop(unsent);
        }
        if let Some(arrivals) = self.arrivals() {
            arrivals.announce(Vec::new());
        }
    }
}

/// A connection to one other process.
pub(crate) struct Link {
    pub(super) token: u64,
    pub(super) part: Part,
    pub(super) role: LinkRole,
    pub(super) sender: Arc<Sender>,
    /// What this node is called on the link. On an isolated one, or one that a third node has brought about, that is a
    /// name of its own, so that several can lead to one node, or back to this one, and so that nobody can pretend to
    /// be a node met elsewhere.
    pub(super) own: NodeName,
    /// What the node at the other side is called, once that is known.
    pub(super) peer: OnceLock<NodeName>,
    /// Who the node at the other side says it is, once that is known.
    pub(super) identity: OnceLock<u128>,
    has_greeted: AtomicBool,
    acquaintances: Mutex<Acquaintances>,
    is_established: AtomicBool,
    failure: OnceLock<String>,
    pub(super) socket: Socket,
    pub(super) outgoing: Mutex<Outgoing>,
    pub(super) incoming: Slot,
    /// Memory that the two sides share, once they do.
    pub(super) region: OnceLock<Arc<Region>>,
    pub(super) attendance: Attendance,
    pub(super) io: Weak<Io>,
}

/// Third nodes that the two sides of a link have in common.
#[derive(Default)]
struct Acquaintances {
    /// What they are called here, and on the link.
    names: Vec<(NodeName, NodeName)>,
    /// Those of them that have brought about the link, or have made use of it for an introduction.
    introducers: Vec<NodeName>,
}

impl Link {
    pub(super) fn new(token: u64, socket: Socket, own: NodeName, terms: Terms, io: &Arc<Io>) -> Arc<Self> {
        let part = terms.part();
        let Terms { role, sender, .. } = terms;
        Arc::new(Self {
            token,
            part,
            role,
            sender,
            own,
            peer: OnceLock::new(),
            identity: OnceLock::new(),
            has_greeted: AtomicBool::new(false),
            acquaintances: Mutex::new(Rank::Leaf, Acquaintances::default()),
            is_established: AtomicBool::new(false),
            failure: OnceLock::new(),
            socket,
            outgoing: Mutex::new(Rank::Outgoing, Outgoing::default()),
            incoming: Slot::new(),
            region: OnceLock::new(),
            attendance: Attendance::new(),
            io: Arc::downgrade(io),
        })
    }

    /// True if this side is the one that offers to go on in shared memory.
    pub(super) fn offers_region(&self, hello: Hello) -> bool {
        match (self.part, hello.part) {
            (Part::Inviter, _) | (Part::IsolatedInviter, Part::IsolatedInvitee) => true,
            (Part::Introduced, _) | (Part::IsolatedInviter, _) => self.own < hello.node,
            (Part::Invitee | Part::IsolatedInvitee, _) => false,
        }
    }

    /// Sends a routing event.
    pub(crate) fn send_event(&self, node: &RoutingNode, mut event: Event<Message>) {
        event.rename_nodes(|name| self.name_on_link(node, name));
        self.send(wire::encode_event(event));
    }

    /// What a node is called on this link.
    pub(super) fn name_on_link(&self, node: &RoutingNode, name: NodeName) -> NodeName {
        if name == node.name() {
            return self.own;
        }
        let acquaintances = self.acquaintances.lock();
        let found = acquaintances.names.iter().find(|(here, _)| *here == name);
        found.map_or(name, |(_, on_link)| *on_link)
    }

    /// What a node that the other side speaks of is called here.
    pub(super) fn name_here(&self, node: &RoutingNode, name: NodeName) -> NodeName {
        if name == self.own {
            return node.name();
        }
        let acquaintances = self.acquaintances.lock();
        let found = acquaintances.names.iter().find(|(_, on_link)| *on_link == name);
        found.map_or(name, |(here, _)| *here)
    }

    /// Gives a third node a name on this link.
    pub(super) fn give_name(&self, here: NodeName, on_link: NodeName) {
        self.acquaintances.lock().names.push((here, on_link));
    }

    /// Notes who has brought about this link, and what that node is called on it.
    pub(super) fn note_introducer(&self, here: NodeName, on_link: NodeName) {
        let mut acquaintances = self.acquaintances.lock();
        acquaintances.names.push((here, on_link));
        acquaintances.introducers.push(here);
    }

    pub(super) fn has_introducer(&self, name: NodeName) -> bool {
        self.acquaintances.lock().introducers.contains(&name)
    }

    pub(super) fn introducers(&self) -> Vec<NodeName> {
        self.acquaintances.lock().introducers.clone()
    }

    /// Forgets a third node that is gone.
    pub(super) fn forget(&self, name: NodeName) {
        let mut acquaintances = self.acquaintances.lock();
        acquaintances.names.retain(|(here, _)| *here != name);
        acquaintances.introducers.retain(|here| *here != name);
    }

    /// True if the other side has said hello.
    pub(super) fn has_greeted(&self) -> bool {
        self.has_greeted.load(Ordering::Relaxed)
    }

    pub(super) fn note_greeting(&self) {
        self.has_greeted.store(true, Ordering::Relaxed);
    }

    /// True if the system has refused descriptors of this link.
    pub(super) fn is_stalled(&self) -> bool {
        self.outgoing.lock().is_stalled()
    }

    /// Says that the pipes of the invitation are connected now.
    pub(super) fn note_established(&self) {
        self.is_established.store(true, Ordering::SeqCst);
    }

    /// True if nothing waits to be written, nor for the invitation to be answered.
    pub(super) fn is_flushed(&self) -> bool {
        let is_established = self.is_established.load(Ordering::SeqCst);
        let outgoing = self.outgoing.lock();
        outgoing.is_closed() || is_established && outgoing.is_empty()
    }

    /// For inspection: whether the link stands, and how many frames, and bytes of them, wait to be written.
    pub(super) fn backlog(&self) -> (bool, usize, usize) {
        let (frames, bytes) = self.outgoing.lock().backlog();
        (self.is_established.load(Ordering::SeqCst), frames, bytes)
    }

    /// Refuses everything that is yet to be written, and ends the connection. What has been received is still handed on.
    pub(super) fn close(&self) {
        let refused = self.outgoing.lock().close();
        drop(refused);
        self.socket.shutdown();
    }

    /// Ends the connection because the other side breaks the protocol. The I/O thread then gives it up.
    pub(super) fn fail(&self, reason: String) {
        let _ = self.failure.set(reason);
        self.close();
    }

    /// How the other side has broken the protocol.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }
}
