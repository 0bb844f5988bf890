//! The I/O of a node: by a thread of its own, or driven by the program.
//!
//! The thread starts with the first link and ends with the last. It reads what other processes send, hands it to
//! the routing, and goes on writing where a socket was full.

use super::incoming::{Afterwards, Drained, drain, receive};
use super::link::{Link, LinkRole};
use super::links::{Awaited, Entry};
use super::{RoutingNode, apply, introduction};
use crate::deferred::{Deferred, as_system};
use crate::patience::{AT_MOST, Patience};
use crate::stock;
use libmojo_platform::{Poller, Ready, is_forked};
use libmojo_sync::atomic::{AtomicBool, Ordering};
use libmojo_sync::hint;
use libmojo_sync::{Arc, Mutex, Rank};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// How often what is attended is looked at before the sockets have their turn.
const ROUNDS_PER_TURN: usize = 64;

/// How long to wait before descriptors are offered again that the system refused because too many were under way.
const STALL_RETRY: Duration = Duration::from_millis(2);

/// How long the memory of a link's lanes is kept warm after it was last used.
const KEPT_WARM: Duration = Duration::from_millis(100);

/// What the I/O thread waits with.
pub(super) struct Io {
    pub(super) poller: Poller,
    has_stalled: AtomicBool,
    /// There are links whose lanes take up memory.
    have_grown: AtomicBool,
    /// What other threads leave to the I/O thread.
    handed_over: Mutex<HandedOver>,
}

#[derive(Default)]
struct HandedOver {
    links: Vec<Arc<Link>>,
    afterwards: Vec<Afterwards>,
}

impl Io {
    /// Has the I/O thread run what a thread that may not run foreign code has caused.
    pub(super) fn hand_over(&self, afterwards: Afterwards) {
        self.handed_over.lock().afterwards.push(afterwards);
        self.poller.wake();
    }

    /// Has the I/O thread look into the region of a link.
    pub(super) fn hand_over_link(&self, link: &Arc<Link>) {
        self.handed_over.lock().links.push(link.clone());
        self.poller.wake();
    }

    /// Has the I/O thread give back the memory of lanes once they are not used any more.
    pub(super) fn note_growth(&self) {
        if !self.have_grown.load(Ordering::Relaxed) && !self.have_grown.swap(true, Ordering::SeqCst) {
            self.poller.wake();
        }
    }

    /// Has the I/O thread try again in a while to write where the system refused descriptors.
    pub(super) fn note_stall(&self) {
        if !self.has_stalled.swap(true, Ordering::SeqCst) {
            self.poller.wake();
        }
    }
}

impl Io {
    fn new() -> io::Result<Arc<Self>> {
        let handed_over = Mutex::new(Rank::Leaf, HandedOver::default());
        Ok(Arc::new(Self {
            poller: Poller::new()?,
            has_stalled: AtomicBool::new(false),
            have_grown: AtomicBool::new(false),
            handed_over,
        }))
    }

    /// How long to wait at most although nothing happens.
    fn patience(&self) -> Option<Duration> {
        if self.has_stalled.load(Ordering::SeqCst) {
            return Some(STALL_RETRY);
        }
        self.have_grown.load(Ordering::SeqCst).then_some(KEPT_WARM)
    }
}

/// Starts the I/O thread of a node.
pub(super) fn start(node: &RoutingNode) -> io::Result<Arc<Io>> {
    let io = Io::new()?;
    let mut work = IoWork::new(node, &io, true);
    let run = move || as_system(|| while work.step(work.io.patience()) {});
    std::thread::Builder::new().name(node.data().io_thread_name()).spawn(run)?;
    Ok(io)
}

/// Does the I/O of a node on threads of the program instead of one of the library. See
/// [`Node::drive`](super::Node::drive). Dropping it ends the connections of the node.
pub struct Driver(IoWork);

impl Driver {
    pub(super) fn new(node: &RoutingNode) -> io::Result<Self> {
        let io = Io::new()?;
        node.data().links.be_driven(&io)?;
        Ok(Self(IoWork::new(node, &io, false)))
    }

    /// Has the driver stay awake for a moment, about as long as it takes to wake somebody up, when something has come: as
    /// long as that lasts [`run_once`](Self::run_once) wants to be called again at once, and the other side need not call.
    /// Answers to short messages come sooner by that; it is for loops that can be gone round in a microsecond or two.
    pub fn stay_awake(&mut self) {
        self.0.staying = Some(Instant::now());
    }

    /// Does what there is to do now, without waiting, and returns how long to wait at most before it is called again
    /// although the [descriptor](AsFd) is not readable. Callbacks for what other processes cause run here.
    pub fn run_once(&mut self) -> Option<Duration> {
        if is_forked() {
            return None;
        }
        as_system(|| self.0.step(Some(Duration::ZERO)));
        self.0.timeout(self.0.io.patience())
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
        if is_forked() {
            // Its links are the parent's.
            return std::mem::forget(node);
        }
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
    /// Stays awake for a while after something has come.
    is_patient: bool,
    /// For one that does so from turn to turn, because it never waits: until when.
    staying: Option<Instant>,
    ready: Vec<Ready>,
    /// When to see next which links have lanes that take up memory.
    shrink_at: Option<Instant>,
    /// Links whose regions are looked at.
    attended: Vec<Arc<Link>>,
}

impl IoWork {
    fn new(node: &RoutingNode, io: &Arc<Io>, is_patient: bool) -> Self {
        Self {
            node: node.clone(),
            io: io.clone(),
            is_patient,
            staying: None,
            ready: Vec::new(),
            shrink_at: None,
            attended: Vec::new(),
        }
    }

    /// Waits until there is something to do, or for so long, and does it. False if no link is left.
    fn step(&mut self, timeout: Option<Duration>) -> bool {
        let mut ready = std::mem::take(&mut self.ready);
        let timeout = self.timeout(timeout);
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
        self.shrink();
        for event in ready.drain(..) {
            // Some callback may have forked, and this be the child.
            if is_forked() {
                return false;
            }
            match self.node.data().links.at(event.token) {
                Some(Entry::Link(link)) => {
                    if event.writable {
                        link.flush();
                    }
                    if event.readable {
                        let received = receive(&self.node, &link);
                        // Whoever has called for what is in the region relies on being noticed.
                        self.attend(&link);
                        self.carry_out(&link, received);
                    }
                }
                Some(Entry::Awaited(awaited)) => self.accept(awaited),
                None => {}
            }
        }
        self.ready = ready;
        if !is_forked() {
            self.take_over();
        }
        if !is_forked() {
            self.look_round();
        }
        if is_forked() {
            return false;
        }
        let goes_on = !self.node.data().links.take_idle_io();
        self.node.data().progress.note();
        goes_on
    }

    /// How long to wait although nothing happens, when it could be so long: not at all while regions are looked at, since
    /// then nobody is called for what comes there.
    fn timeout(&self, longest: Option<Duration>) -> Option<Duration> {
        if self.attended.is_empty() { longest } else { Some(Duration::ZERO) }
    }

    /// Takes what other threads have left to this one.
    fn take_over(&mut self) {
        let HandedOver { links, afterwards } = std::mem::take(&mut *self.io.handed_over.lock());
        links.iter().for_each(|link| self.attend(link));
        afterwards.into_iter().for_each(Afterwards::run);
    }

    /// Begins to look into the region of a link, if it has one.
    fn attend(&mut self, link: &Arc<Link>) {
        if link.region.get().is_some() && !self.attended.iter().any(|other| Arc::ptr_eq(other, link)) {
            link.attend();
            self.attended.push(link.clone());
            self.stay();
        }
    }

    /// Looks into the regions that are attended until nothing has come for a while, but for not much longer than it
    /// takes until sockets should be looked at too.
    fn look_round(&mut self) {
        let mut patience = self.patience();
        let mut rounds = 0;
        while !self.attended.is_empty() {
            let mut has_come = false;
            for at in (0..self.attended.len()).rev() {
                let Some(link) = self.attended.get(at).cloned() else { continue };
                if link.has_work() {
                    let drained = drain(&self.node, &link);
                    // Nothing comes of it if another thread does so at the moment.
                    has_come |= drained.has_come;
                    self.carry_out(&link, drained);
                } else if link.attendance.is_shared() {
                    // Whoever waits for something behind the link looks too.
                    self.leave(&link);
                }
            }
            rounds += usize::from(has_come);
            if rounds >= ROUNDS_PER_TURN {
                return;
            }
            if self.staying.is_some() && has_come {
                // The program has its turn: there may be an answer to give.
                return self.stay();
            }
            if has_come {
                patience = self.patience();
            } else if self.staying.is_some() && patience.is_pausing() {
                patience.wait();
            } else if self.staying.is_some_and(|until| Instant::now() < until) {
                return hint::give_way();
            } else if !self.is_patient || !patience.wait() {
                // Sockets have their turn next, also if there is more in a region.
                std::mem::take(&mut self.attended).iter().for_each(|link| self.leave(link));
                return;
            }
        }
    }

    /// Begins anew to stay awake from turn to turn.
    fn stay(&mut self) {
        if let Some(until) = &mut self.staying {
            *until = Instant::now() + AT_MOST;
        }
    }

    fn patience(&self) -> Patience {
        Patience::new(!self.attended.iter().any(|link| link.is_on_same_processor()))
    }

    /// Ceases to look into a region, unless there is more in it.
    fn leave(&mut self, link: &Arc<Link>) {
        self.attended.retain(|other| !Arc::ptr_eq(other, link));
        if link.leave(&self.node) {
            self.attend(link);
        }
    }

    fn carry_out(&mut self, link: &Arc<Link>, drained: Drained) {
        drained.afterwards.run();
        if is_forked() {
            // A callback has forked, and this is the child, where the regions are not mapped.
            return std::mem::forget(std::mem::take(&mut self.attended));
        }
        if let Some(reason) = drained.end {
            self.give_up(link, &reason);
        }
    }

    fn retry_stalled(&self) {
        if !self.io.has_stalled.load(Ordering::SeqCst) {
            return;
        }
        let entries = self.node.data().links.all();
        let links = entries.iter().filter_map(Entry::link);
        links.clone().filter(|link| link.is_stalled()).for_each(|link| link.flush());
        // Lowered first: a link that stalls now raises the flag again, or is seen here.
        self.io.has_stalled.store(false, Ordering::SeqCst);
        if links.clone().any(|link| link.is_stalled()) {
            self.io.has_stalled.store(true, Ordering::SeqCst);
        }
    }

    /// Gives back the memory of lanes, and of storage for large messages, that have not been used for a while.
    fn shrink(&mut self) {
        if !self.io.have_grown.load(Ordering::SeqCst) {
            return;
        }
        let now = Instant::now();
        if now < *self.shrink_at.get_or_insert(now + KEPT_WARM) {
            return;
        }
        self.shrink_at = None;
        // Lowered first: a link that grows now raises the flag again, or is seen here.
        self.io.have_grown.store(false, Ordering::SeqCst);
        let entries = self.node.data().links.all();
        for link in entries.iter().filter_map(Entry::link) {
            self.io.have_grown.fetch_or(link.shrink(), Ordering::SeqCst);
        }
        self.io.have_grown.fetch_or(stock::trim(), Ordering::SeqCst);
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

    /// Ends a link. Everything that was received over it has been handed on before.
    fn give_up(&mut self, link: &Arc<Link>, reason: &str) {
        self.attended.retain(|other| !Arc::ptr_eq(other, link));
        // Fails only if the socket is not waited for any more.
        let _ = self.io.poller.remove(link.socket.as_fd());
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
        if is_forked() {
            return;
        }
        match &link.role {
            // Who accepts an invitation has no handler for the inviter alone.
            LinkRole::Invitee(_) if !reason.is_empty() => self.node.data().report_by_default(reason, true),
            _ => link.sender.report(reason.to_owned(), true),
        }
    }
}
