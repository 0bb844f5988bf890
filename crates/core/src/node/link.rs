//! One connection to another process: who is at the other side, and what the two are called.

use super::incoming::Slot;
use super::introduction::IntroductionId;
use super::io::Io;
use super::links::Terms;
use super::outgoing::Outgoing;
use super::region::Region;
use super::wire::{self, Hello, Part};
use super::{RoutingNode, Sender};
use crate::invitation::{Arrivals, NamedPipe};
use crate::limits::MAX_ACQUAINTANCES;
use crate::message::Message;
use crate::words::Attendance;
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
    acquaintances: Mutex<Vec<Acquaintance>>,
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

/// A third node that this side can speak of on a link, because one of the three has introduced the two others. It does so
/// in the name by which the other side knows that node, and so the link to it.
///
/// The same three can be introduced more than once, by different ones of them and over different links.
struct Acquaintance {
    /// What the node is called here.
    here: NodeName,
    introduction: IntroductionId,
    /// What the other side of the link calls it.
    there: NodeName,
}

impl Acquaintance {
    fn is_of(&self, here: NodeName, introduction: IntroductionId) -> bool {
        self.here == here && self.introduction == introduction
    }
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
            acquaintances: Mutex::new(Rank::Leaf, Vec::new()),
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

    /// What a node is called on this link: what the other side calls it.
    pub(super) fn name_on_link(&self, node: &RoutingNode, name: NodeName) -> NodeName {
        if name == node.name() {
            return self.own;
        }
        let Some(peer) = self.peer.get() else { return name };
        let data = node.data();
        let introduction = data.introductions.spoken_of(*peer, name);
        match introduction.and_then(|introduction| self.name_there(name, introduction)) {
            Some(there) => there,
            None if data.links.are_same(name, *peer) => *peer,
            None => name,
        }
    }

    /// What a node that the other side speaks of is called here.
    pub(super) fn name_here(&self, node: &RoutingNode, name: NodeName) -> NodeName {
        if name == self.own { node.name() } else { name }
    }

    /// Notes what the other side calls a third node, or the link to it that an introduction is about. False if there are
    /// too many.
    pub(super) fn acquaint(&self, here: NodeName, introduction: IntroductionId, there: NodeName) -> bool {
        let mut acquaintances = self.acquaintances.lock();
        let has_room = acquaintances.len() < MAX_ACQUAINTANCES;
        if has_room {
            acquaintances.push(Acquaintance { here, introduction, there });
        }
        has_room
    }

    /// The third node of an introduction that the other side of the link has made.
    pub(super) fn introduced(&self, introduction: IntroductionId) -> Option<NodeName> {
        let acquaintances = self.acquaintances.lock();
        acquaintances.iter().find(|known| known.introduction == introduction).map(|known| known.here)
    }

    /// What the other side calls a third node that it knows by an introduction.
    fn name_there(&self, here: NodeName, introduction: IntroductionId) -> Option<NodeName> {
        let acquaintances = self.acquaintances.lock();
        acquaintances.iter().find(|known| known.is_of(here, introduction)).map(|known| known.there)
    }

    /// The introductions that have brought about this link, or make use of it.
    pub(super) fn introductions(&self) -> Vec<IntroductionId> {
        let acquaintances = self.acquaintances.lock();
        let by_themselves = acquaintances.iter().filter(|known| known.here == known.introduction.0);
        by_themselves.map(|known| known.introduction).collect()
    }

    /// Forgets a third node that is gone.
    pub(super) fn forget(&self, name: NodeName) {
        self.acquaintances.lock().retain(|known| known.here != name);
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
