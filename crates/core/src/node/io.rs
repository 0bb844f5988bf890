//! The I/O of a node: by a thread of its own, or driven by the program.
//!
//! The thread starts with the first link and ends with the last. It reads what other processes send, hands it to
//! the routing, and goes on writing where a socket was full.

use super::frame::{ASK, EVENT, INVITATION, InFrame, KNOWN, MEET, MET, PARTED, REPORT, TALK, WireError, violation};
use super::link::{Link, LinkRole};
use super::links::{Awaited, Entry};
use super::reader::{Filled, Reader};
use super::wire::Part;
use super::{RoutingNode, apply, introduction, wire};
use crate::deferred::{Deferred, as_system};
use crate::pipe::Pipe;
use libmojo_platform::{Poller, Ready};
use libmojo_ports::Effects;
use libmojo_sync::Arc;
use libmojo_sync::atomic::{AtomicBool, Ordering};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// How often one link is read from before the others have their turn.
const READS_PER_TURN: usize = 16;

/// How long to wait before descriptors are offered again that the system refused because too many were under way.
const STALL_RETRY: Duration = Duration::from_millis(2);

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

impl Io {
    fn new() -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self { poller: Poller::new()?, has_stalled: AtomicBool::new(false) }))
    }

    /// How long to wait at most although nothing happens.
    fn patience(&self) -> Option<Duration> {
        self.has_stalled.load(Ordering::SeqCst).then_some(STALL_RETRY)
    }
}

/// Starts the I/O thread of a node.
pub(super) fn start(node: &RoutingNode) -> io::Result<Arc<Io>> {
    let io = Io::new()?;
    let mut work = IoWork::new(node, &io);
    let run = move || as_system(|| while work.step(work.io.patience()) {});
    std::thread::Builder::new().name("libmojo-io".into()).spawn(run)?;
    Ok(io)
}

/// Does the I/O of a node on threads of the program instead of one of the library. See
/// [`Node::drive`](super::Node::drive). Dropping it ends the connections of the node.
pub struct Driver(IoWork);

impl Driver {
    pub(super) fn new(node: &RoutingNode) -> io::Result<Self> {
        let io = Io::new()?;
        node.data().links.be_driven(&io)?;
        Ok(Self(IoWork::new(node, &io)))
    }

    /// Does what there is to do now, without waiting, and returns how long to wait at most before it is called again
    /// although the [descriptor](AsFd) is not readable. Callbacks for what other processes cause run here.
    pub fn run_once(&mut self) -> Option<Duration> {
        as_system(|| self.0.step(Some(Duration::ZERO)));
        self.0.io.patience()
    }
}

impl AsFd for Driver {
    /// Readable when there is something to do.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.io.poller.as_fd()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let node = self.0.node.clone();
        let links = &node.data().links;
        while !links.stop_driving() {
            links.end_all();
            // What was received is handed on, and the ends are reported.
            while as_system(|| self.0.step(Some(Duration::ZERO))) {}
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Driver")
    }
}

/// The work of the I/O thread.
struct IoWork {
    node: RoutingNode,
    io: Arc<Io>,
    readers: HashMap<u64, Reader>,
    ready: Vec<Ready>,
}

impl IoWork {
    fn new(node: &RoutingNode, io: &Arc<Io>) -> Self {
        Self { node: node.clone(), io: io.clone(), readers: HashMap::new(), ready: Vec::new() }
    }

    /// Waits until there is something to do, or for so long, and does it. False if no link is left.
    fn step(&mut self, timeout: Option<Duration>) -> bool {
        let mut ready = std::mem::take(&mut self.ready);
        // Without a poller there is nothing to go on with: as if every link had been lost.
        if let Err(error) = self.io.poller.wait(&mut ready, timeout) {
            for entry in self.node.data().links.all() {
                match &entry {
                    Entry::Link(link) => self.give_up(link, &error.to_string()),
                    Entry::Awaited(_) => self.node.data().links.end(&entry, &error.to_string()),
                }
            }
        }
        self.retry_stalled();
        for event in ready.drain(..) {
            match self.node.data().links.at(event.token) {
                Some(Entry::Link(link)) => {
                    if event.writable {
                        link.flush();
                    }
                    if event.readable {
                        self.read(&link);
                    }
                }
                Some(Entry::Awaited(awaited)) => self.accept(awaited),
                None => {}
            }
        }
        self.ready = ready;
        let goes_on = !self.node.data().links.take_idle_io();
        self.node.data().progress.note();
        goes_on
    }

    fn retry_stalled(&self) {
        if !self.io.has_stalled.load(Ordering::SeqCst) {
            return;
        }
        let entries = self.node.data().links.all();
        let links = entries.iter().filter_map(|entry| match entry {
            Entry::Link(link) => Some(link),
            Entry::Awaited(_) => None,
        });
        links.clone().filter(|link| link.is_stalled()).for_each(|link| link.flush());
        // Lowered first: a link that stalls now raises the flag again, or is seen here.
        self.io.has_stalled.store(false, Ordering::SeqCst);
        if links.clone().any(|link| link.is_stalled()) {
            self.io.has_stalled.store(true, Ordering::SeqCst);
        }
    }

    /// Takes whoever has connected first.
    fn accept(&self, awaited: Arc<Awaited>) {
        let links = &self.node.data().links;
        match awaited.listener.accept() {
            Ok(Some(socket)) => links.replace_awaited(&self.node, &awaited, socket),
            Ok(None) => {}
            Err(error) => links.end(&Entry::Awaited(awaited), &error.to_string()),
        }
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
            _ if !link.has_greeted() => "the connection ended before the other side said hello".into(),
            _ => String::new(),
        };
        self.give_up(link, &reason);
    }

    /// Ends a link. Everything that was received over it has been handed on before.
    fn give_up(&mut self, link: &Arc<Link>, reason: &str) {
        self.readers.remove(&link.token);
        // Fails only if the socket is not waited for any more.
        let _ = self.io.poller.remove(link.socket().as_fd());
        introduction::report_end(&self.node, link);
        self.node.data().links.remove(link);
        link.close();
        let mut deferred = Deferred::new();
        link.role.abandon();
        if let Some(name) = link.peer.get() {
            self.node.data().introductions.forget(*name);
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
    if !link.has_greeted() {
        return greet(node, link, &frame, deferred);
    }
    let Some(peer) = link.peer.get() else { return violation("a hello without a name") };
    match frame.kind {
        EVENT => {
            let Some(mut event) = wire::decode_event(frame, &link.sender)? else { return Ok(()) };
            event.rename_nodes(|name| link.name_here(node, name));
            let (outcome, effects) = match node.accept(*peer, event) {
                Ok(effects) => (Ok(()), effects),
                Err((error, effects)) => (violation(format!("{error:?}")), effects),
            };
            apply(node, effects, deferred);
            outcome
        }
        INVITATION => match link.role.arrivals() {
            Some(arrivals) if !arrivals.is_answered() => {
                let (mut pipes, mut outcome) = (Vec::new(), Ok(()));
                for (name, mut descriptor) in wire::decode_invitation(&frame)? {
                    descriptor.rename_nodes(|name| link.name_here(node, name));
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
                link.note_established();
                outcome
            }
            _ => violation("an invitation that nobody waits for"),
        },
        ASK => introduction::take_ask(node, link, &frame),
        KNOWN => introduction::take_known(node, *peer, &frame),
        MEET => introduction::take_meet(node, link, *peer, frame),
        MET => introduction::take_met(node, *peer, &frame, deferred),
        TALK => introduction::take_talk(node, *peer, &frame, deferred),
        PARTED => introduction::take_parted(node, link, *peer, &frame),
        REPORT => introduction::take_report(node, link, &frame),
        // Later versions may say more.
        _ => Ok(()),
    }
}

/// Takes the first frame of the other side.
fn greet(node: &RoutingNode, link: &Arc<Link>, frame: &InFrame, deferred: &mut Deferred) -> Result<(), WireError> {
    let hello = wire::decode_hello(frame)?;
    if !link.part.goes_with(hello.part) {
        return violation("the two sides want different connections");
    }
    let is_named = match link.peer.get() {
        Some(name) => hello.node == *name,
        None => hello.node != node.name() && hello.node != link.own && node.data().links.enter(hello.node, link),
    };
    if !is_named {
        return violation("the other side goes by a name that is taken");
    }
    let _ = link.peer.set(hello.node);
    let _ = link.identity.set(hello.identity);
    link.note_greeting();
    if hello.part == Part::Introduced {
        link.note_established();
    }
    if let Some(pipes) = link.role.begin(link.own, hello) {
        let mut effects = Effects::none();
        let mut described = Vec::with_capacity(pipes.len());
        for mut named in pipes {
            let Some((name, pipe)) = named.take() else { continue };
            let (mut descriptor, more) = node.export(pipe.port(), hello.node);
            descriptor.rename_nodes(|name| link.name_on_link(node, name));
            apply(node, std::mem::replace(&mut effects, more), deferred);
            described.push((name, descriptor));
        }
        apply(node, effects, deferred);
        link.send(wire::encode_invitation(&described));
        link.note_established();
    }
    Ok(())
}
