//! One connection to another process: what is yet to be written to it, and who is at the other side.

use super::frame::{DESCRIPTORS, Header, OutFrame};
use super::io::Io;
use super::links::Terms;
use super::wire::{self, Hello, Part};
use super::{RoutingNode, Sender};
use crate::invitation::{Arrivals, NamedPipe};
use crate::message::Message;
use crate::payload::Payload;
use libmojo_platform::{Interest, MAX_DESCRIPTORS_PER_SEND, Socket, is_too_many_references};
use libmojo_ports::{Event, NodeName};
use libmojo_sync::atomic::{AtomicBool, Ordering};
use libmojo_sync::{Arc, Mutex, OnceLock, Rank, Weak};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};

/// How many pieces are handed to the system in one call.
const MAX_PIECES_PER_SEND: usize = 16;

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
    socket: Socket,
    outgoing: Mutex<Outgoing>,
    io: Weak<Io>,
}

/// Third nodes that the two sides of a link have in common.
#[derive(Default)]
struct Acquaintances {
    /// What they are called here, and on the link.
    names: Vec<(NodeName, NodeName)>,
    /// Those of them that have brought about the link, or have made use of it for an introduction.
    introducers: Vec<NodeName>,
}

/// What waits to be written. Whatever does not fit into the socket waits here, and everything behind it.
#[derive(Default)]
struct Outgoing {
    pieces: VecDeque<Piece>,
    /// The I/O thread has been asked to go on when the socket has room.
    is_waiting: bool,
    /// The system refused descriptors because too many are under way; only time helps.
    is_stalled: bool,
    /// Nothing can be written any more.
    is_closed: bool,
}

/// A run of bytes, and the descriptors that go with the first of them.
struct Piece {
    bytes: Bytes,
    written: usize,
    descriptors: Vec<OwnedFd>,
}

enum Bytes {
    Own(Vec<u8>),
    Payload(Payload),
}

impl Piece {
    fn unwritten(&self) -> &[u8] {
        let all = match &self.bytes {
            Bytes::Own(bytes) => bytes,
            Bytes::Payload(payload) => payload.bytes(),
        };
        all.get(self.written..).unwrap_or_default()
    }
}

impl Link {
    pub(super) fn new(token: u64, socket: Socket, own: NodeName, terms: Terms, io: &Arc<Io>) -> Arc<Self> {
        let part = terms.part();
        let Terms { role, sender, .. } = terms;
        let outgoing = Mutex::new(Rank::Outgoing, Outgoing::default());
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
            socket,
            outgoing,
            io: Arc::downgrade(io),
        })
    }

    pub(super) fn socket(&self) -> &Socket {
        &self.socket
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

    /// Writes a frame, or queues what the socket does not take now. Never blocks.
    pub(crate) fn send(&self, frame: OutFrame) {
        let pieces = split(frame);
        let refused = {
            let mut outgoing = self.outgoing.lock();
            if outgoing.is_closed {
                Some(pieces)
            } else {
                let was_empty = outgoing.pieces.is_empty();
                outgoing.pieces.append(&mut { pieces });
                if was_empty { self.write(&mut outgoing) } else { None }
            }
        };
        // Closing descriptors takes its time; not under the lock.
        drop(refused);
    }

    /// Goes on writing what has been queued.
    pub(super) fn flush(&self) {
        let refused = self.write(&mut self.outgoing.lock());
        drop(refused);
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.outgoing.lock().is_stalled
    }

    /// True if the other side has said hello.
    pub(super) fn has_greeted(&self) -> bool {
        self.has_greeted.load(Ordering::Relaxed)
    }

    pub(super) fn note_greeting(&self) {
        self.has_greeted.store(true, Ordering::Relaxed);
    }

    /// Says that the pipes of the invitation are connected now.
    pub(super) fn note_established(&self) {
        self.is_established.store(true, Ordering::SeqCst);
    }

    /// True if nothing waits to be written, nor for the invitation to be answered.
    pub(super) fn is_flushed(&self) -> bool {
        let is_established = self.is_established.load(Ordering::SeqCst);
        let outgoing = self.outgoing.lock();
        outgoing.is_closed || is_established && outgoing.pieces.is_empty()
    }

    /// Refuses everything that is yet to be written.
    pub(super) fn close(&self) {
        let refused = {
            let mut outgoing = self.outgoing.lock();
            outgoing.is_closed = true;
            std::mem::take(&mut outgoing.pieces)
        };
        drop(refused);
        self.socket.shutdown();
    }

    /// Writes as much as the socket takes, and arranges for the rest to follow. Returns what will never be
    /// written because the other side is gone.
    fn write(&self, outgoing: &mut Outgoing) -> Option<VecDeque<Piece>> {
        let outcome = outgoing.write_to(&self.socket);
        outgoing.is_stalled = matches!(&outcome, Err(error) if is_too_many_references(error));
        let is_full = matches!(&outcome, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        if let Some(io) = self.io.upgrade() {
            if is_full != outgoing.is_waiting {
                outgoing.is_waiting = is_full;
                let interest = Interest { read: true, write: is_full };
                // Fails only if the link has been given up, and then nothing is waited for.
                let _ = io.poller.modify(self.socket.as_fd(), self.token, interest);
            }
            if outgoing.is_stalled {
                io.note_stall();
            }
        }
        if outcome.is_ok() || is_full || outgoing.is_stalled {
            return None;
        }
        // What the other side still sent is read before the link is given up.
        outgoing.is_closed = true;
        Some(std::mem::take(&mut outgoing.pieces))
    }
}

impl Outgoing {
    fn write_to(&mut self, socket: &Socket) -> io::Result<()> {
        while let Some(first) = self.pieces.front() {
            if first.unwritten().is_empty() {
                self.pieces.pop_front();
                continue;
            }
            // Descriptors belong to the first byte of what they are sent with, so they start a call of their own.
            let has_descriptors = !first.descriptors.is_empty();
            let run = self.pieces.iter().enumerate();
            let run = run.take_while(|(at, piece)| *at == 0 || !has_descriptors && piece.descriptors.is_empty());
            let slices: Vec<IoSlice<'_>> =
                run.take(MAX_PIECES_PER_SEND).map(|(_, piece)| IoSlice::new(piece.unwritten())).collect();
            let descriptors: Vec<_> = first.descriptors.iter().map(AsFd::as_fd).collect();
            let mut written = socket.send(&slices, &descriptors)?;
            if let Some(first) = self.pieces.front_mut().filter(|_| written > 0) {
                first.descriptors.clear();
            }
            for piece in &mut self.pieces {
                let taken = written.min(piece.unwritten().len());
                piece.written += taken;
                written -= taken;
                if written == 0 {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Cuts a frame into pieces: its descriptors in batches, then its header and description, then its payload.
fn split(mut frame: OutFrame) -> VecDeque<Piece> {
    let mut pieces = VecDeque::with_capacity(2);
    let num_descriptors = frame.descriptors.len();
    while !frame.descriptors.is_empty() {
        let rest = frame.descriptors.split_off(frame.descriptors.len().min(MAX_DESCRIPTORS_PER_SEND));
        let batch = std::mem::replace(&mut frame.descriptors, rest);
        let header = Header { kind: DESCRIPTORS, meta_bytes: 0, payload_bytes: 0, descriptors: batch.len() };
        pieces.push_back(Piece { bytes: Bytes::Own(header.encode().to_vec()), written: 0, descriptors: batch });
    }
    let header = Header {
        kind: frame.kind,
        meta_bytes: frame.meta.len(),
        payload_bytes: frame.payload.len(),
        descriptors: num_descriptors,
    };
    let mut head = header.encode().to_vec();
    head.extend_from_slice(&frame.meta);
    pieces.push_back(Piece { bytes: Bytes::Own(head), written: 0, descriptors: Vec::new() });
    if frame.payload.len() > 0 {
        pieces.push_back(Piece { bytes: Bytes::Payload(frame.payload), written: 0, descriptors: Vec::new() });
    }
    pieces
}
