//! The I/O thread of a node, and the table of its links.
//!
//! The thread starts with the first link and ends with the last. It reads what other processes send, hands it to
//! the routing, and goes on writing where a socket was full.

use super::frame::{EVENT, INVITATION, InFrame, WireError, violation};
use super::link::{Link, LinkRole};
use super::reader::{Filled, Reader};
use super::{RoutingNode, Sender, apply, wire};
use crate::deferred::{Deferred, mark_system_thread};
use crate::pipe::Pipe;
use libmojo_platform::{Interest, Poller, Socket};
use libmojo_ports::{Effects, NodeName};
use libmojo_sync::atomic::{AtomicBool, Ordering};
use libmojo_sync::{Arc, Mutex, Rank};
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// How often one link is read from before the others have their turn.
const READS_PER_TURN: usize = 16;

/// How long to wait before descriptors are offered again that the system refused because too many were under way.
const STALL_RETRY: Duration = Duration::from_millis(2);

/// The links of a node.
pub(crate) struct Links {
    table: Mutex<Table>,
    /// There is, or was, a link.
    have_begun: AtomicBool,
}

struct Table {
    by_name: HashMap<NodeName, Arc<Link>>,
    by_token: HashMap<u64, Arc<Link>>,
    next_token: u64,
    /// Present while the I/O thread runs.
    io: Option<Arc<Io>>,
}

/// What the I/O thread waits with.
pub(super) struct Io {
    pub(super) poller: Poller,
    has_stalled: AtomicBool,
}

impl Io {
    /// Has the I/O thread try again in a while to write where the system refused descriptors.
    pub(super) fn note_stall(&self) {
        if !self.has_stalled.swap(true, Ordering::SeqCst) {
            self.poller.wake();
        }
    }
}

impl Links {
    pub(crate) fn new() -> Self {
        let table = Table { by_name: HashMap::new(), by_token: HashMap::new(), next_token: 0, io: None };
        Self { table: Mutex::new(Rank::Links, table), have_begun: AtomicBool::new(false) }
    }

    pub(super) fn find(&self, name: NodeName) -> Option<Arc<Link>> {
        self.table.lock().by_name.get(&name).cloned()
    }

    pub(crate) fn have_begun(&self) -> bool {
        self.have_begun.load(Ordering::SeqCst)
    }

    pub(crate) fn any(&self) -> bool {
        !self.table.lock().by_token.is_empty()
    }

    fn all(&self) -> Vec<Arc<Link>> {
        self.table.lock().by_token.values().cloned().collect()
    }

    /// Makes the link known under the name that the other side gave. False if that is taken.
    fn introduce(&self, name: NodeName, link: &Arc<Link>) -> bool {
        let mut table = self.table.lock();
        if table.by_name.contains_key(&name) {
            return false;
        }
        table.by_name.insert(name, link.clone());
        true
    }

    fn remove(&self, link: &Link) {
        let mut table = self.table.lock();
        table.by_token.remove(&link.token);
        if let Some(name) = link.peer.get() {
            table.by_name.remove(name);
        }
    }
}

/// Connects the node through a socket. The socket comes back if that is not possible.
pub(crate) fn connect(
    node: &RoutingNode,
    socket: Socket,
    role: LinkRole,
    sender: Arc<Sender>,
) -> Result<(), (io::Error, Socket, LinkRole)> {
    let links = &node.data().links;
    links.have_begun.store(true, Ordering::SeqCst);
    let mut table = links.table.lock();
    let io = match &table.io {
        Some(io) => io.clone(),
        None => match start_thread(node) {
            Ok(io) => table.io.insert(io).clone(),
            Err(error) => return Err((error, socket, role)),
        },
    };
    let token = table.next_token;
    if let Err(error) = io.poller.add(socket.as_fd(), token, Interest { read: true, write: false }) {
        // If the thread was started for this link, it has nothing to stay for.
        io.poller.wake();
        return Err((error, socket, role));
    }
    table.next_token += 1;
    let is_inviter = matches!(role, LinkRole::Inviter(_));
    let link = Link::new(token, socket, role, sender, &io);
    table.by_token.insert(token, link.clone());
    // The I/O thread finds the link only once the table is free again, so nothing is said on it before this.
    link.send(wire::encode_hello(wire::Hello { node: node.name(), is_inviter }));
    drop(table);
    Ok(())
}

/// Ends all links of the node.
pub(super) fn disconnect_all(node: &RoutingNode) {
    // The I/O thread then finds them closed, and reports the loss.
    node.data().links.all().iter().for_each(|link| link.close());
}

fn start_thread(node: &RoutingNode) -> io::Result<Arc<Io>> {
    let io = Arc::new(Io { poller: Poller::new()?, has_stalled: AtomicBool::new(false) });
    let thread = IoThread { node: node.clone(), io: io.clone(), readers: HashMap::new() };
    std::thread::Builder::new().name("libmojo-io".into()).spawn(move || thread.run())?;
    Ok(io)
}

struct IoThread {
    node: RoutingNode,
    io: Arc<Io>,
    readers: HashMap<u64, Reader>,
}

impl IoThread {
    fn run(mut self) {
        mark_system_thread();
        let mut ready = Vec::new();
        loop {
            let stalled = self.io.has_stalled.load(Ordering::SeqCst).then_some(STALL_RETRY);
            // Without a poller there is nothing to go on with: as if every link had been lost.
            let outcome = self.io.poller.wait(&mut ready, stalled);
            if let Err(error) = outcome {
                for link in self.node.data().links.all() {
                    self.give_up(&link, &error.to_string());
                }
            }
            self.retry_stalled();
            for event in ready.drain(..) {
                let Some(link) = self.node.data().links.table.lock().by_token.get(&event.token).cloned() else {
                    continue;
                };
                if event.writable {
                    link.flush();
                }
                if event.readable {
                    self.read(&link);
                }
            }
            if self.ends() {
                return;
            }
        }
    }

    fn retry_stalled(&self) {
        if !self.io.has_stalled.load(Ordering::SeqCst) {
            return;
        }
        let links = self.node.data().links.all();
        links.iter().filter(|link| link.is_stalled()).for_each(|link| link.flush());
        // Lowered first: a link that stalls now raises the flag again, or is seen here.
        self.io.has_stalled.store(false, Ordering::SeqCst);
        if links.iter().any(|link| link.is_stalled()) {
            self.io.has_stalled.store(true, Ordering::SeqCst);
        }
    }

    /// True if the last link is gone. From then on a new link starts a new thread.
    fn ends(&self) -> bool {
        let mut table = self.node.data().links.table.lock();
        let ends = table.by_token.is_empty();
        let io = if ends { table.io.take() } else { None };
        drop(table);
        drop(io);
        ends
    }

    fn read(&mut self, link: &Arc<Link>) {
        let reader = self.readers.entry(link.token).or_insert_with(Reader::new);
        let mut outcome = Ok(Filled::Some);
        for _ in 0..READS_PER_TURN {
            outcome = reader.fill(link.socket());
            if !matches!(outcome, Ok(Filled::Some)) {
                break;
            }
            if let Err(error) = take_frames(&self.node, link, reader) {
                return self.give_up(link, &error.0);
            }
        }
        let reason = match outcome {
            Ok(Filled::Some | Filled::Nothing) => return,
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => error.to_string(),
            // A reset means that the other side went away with something unread, which is no fault of its own.
            _ if reader.is_within_frame() => "the connection ended within a frame".into(),
            _ if link.peer.get().is_none() => "the connection ended before the other side said hello".into(),
            _ => String::new(),
        };
        self.give_up(link, &reason);
    }

    /// Ends a link. Everything that was received over it has been handed on before.
    fn give_up(&mut self, link: &Arc<Link>, reason: &str) {
        self.readers.remove(&link.token);
        // Fails only if the socket is not waited for any more.
        let _ = self.io.poller.remove(link.socket().as_fd());
        self.node.data().links.remove(link);
        link.close();
        let mut deferred = Deferred::new();
        match &link.role {
            LinkRole::Inviter(pipes) => {
                let unsent = std::mem::take(&mut *pipes.lock());
                drop(unsent);
            }
            LinkRole::Invitee(arrivals) => arrivals.announce(Vec::new()),
        }
        if let Some(name) = link.peer.get() {
            apply(&self.node, self.node.lose(*name), &mut deferred);
        }
        drop(deferred);
        match &link.role {
            // Who accepts an invitation has no handler for the inviter alone.
            LinkRole::Invitee(_) if !reason.is_empty() => self.node.data().report_by_default(reason, true),
            _ => link.sender.report(reason.to_owned(), true),
        }
    }
}

fn take_frames(node: &RoutingNode, link: &Arc<Link>, reader: &mut Reader) -> Result<(), WireError> {
    let mut deferred = Deferred::new();
    while let Some(frame) = reader.next_frame()? {
        take_frame(node, link, frame, &mut deferred)?;
    }
    Ok(())
}

fn take_frame(node: &RoutingNode, link: &Arc<Link>, frame: InFrame, deferred: &mut Deferred) -> Result<(), WireError> {
    let Some(peer) = link.peer.get() else { return greet(node, link, &frame, deferred) };
    match frame.kind {
        EVENT => {
            let Some(event) = wire::decode_event(frame, &link.sender)? else { return Ok(()) };
            let (outcome, effects) = match node.accept(*peer, event) {
                Ok(effects) => (Ok(()), effects),
                Err((error, effects)) => (violation(format!("{error:?}")), effects),
            };
            apply(node, effects, deferred);
            outcome
        }
        INVITATION => match &link.role {
            LinkRole::Invitee(arrivals) if !arrivals.is_answered() => {
                let (mut pipes, mut outcome) = (Vec::new(), Ok(()));
                for (name, descriptor) in wire::decode_invitation(&frame)? {
                    match node.import(*peer, &descriptor) {
                        Ok((port, effects)) => {
                            let pipe = Pipe::from_port(port);
                            pipe.end_transit();
                            apply(node, effects, deferred);
                            pipes.push((name, pipe));
                        }
                        Err(error) => outcome = violation(format!("{error:?}")),
                    }
                }
                // Whatever came is somebody's, also if the link is to be given up.
                arrivals.announce(pipes);
                outcome
            }
            _ => violation("an invitation that nobody waits for"),
        },
        // Later versions may say more.
        _ => Ok(()),
    }
}

/// Takes the first frame of the other side.
fn greet(node: &RoutingNode, link: &Arc<Link>, frame: &InFrame, deferred: &mut Deferred) -> Result<(), WireError> {
    let hello = wire::decode_hello(frame)?;
    let is_inviter = matches!(link.role, LinkRole::Inviter(_));
    if hello.is_inviter == is_inviter {
        return violation("both sides take the same part in the invitation");
    }
    if hello.node == node.name() || !node.data().links.introduce(hello.node, link) {
        return violation("the other side goes by a name that is taken");
    }
    let _ = link.peer.set(hello.node);
    if let LinkRole::Inviter(pipes) = &link.role {
        let pipes = std::mem::take(&mut *pipes.lock());
        let mut effects = Effects::none();
        let mut described = Vec::with_capacity(pipes.len());
        for mut named in pipes {
            let Some((name, pipe)) = named.take() else { continue };
            let (descriptor, more) = node.export(pipe.port(), hello.node);
            apply(node, std::mem::replace(&mut effects, more), deferred);
            described.push((name, descriptor));
        }
        apply(node, effects, deferred);
        link.send(wire::encode_invitation(&described));
    }
    Ok(())
}
