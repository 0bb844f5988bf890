//! Where the bodies of tests run: two ends within one node, or on two nodes that are connected by a socket or by another
//! process; and what all tests share.
#![allow(dead_code, unused_macros, unused_imports)]

pub mod children;

use libmojo::{
    AcceptedInvitation, Consumer, DataPipeOptions, ErrorHandler, Handle, Invitation, Message, MessagePipe, Node,
    ProcessError, Producer, RecvError, SendOptions, Signals, SignalsState, Waitable, socket_pair,
};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// After this time a test is considered to hang. No test passes or fails by being faster or slower than that.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A kind of distance between two pipe ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    SameNode,
    TwoNodes,
    /// All that one node sends to the other goes through a real process that does nothing else.
    AcrossAProcess,
    /// A real process knows both nodes and introduces them, so that sooner or later nothing goes through it any more.
    IntroducedByAProcess,
}

/// The nodes that the two sides of a test live on. Dropping it ends what connects them.
pub struct Sides {
    pub here: Node,
    pub there: Node,
    world: World,
    between: Option<children::Child>,
}

impl World {
    /// A pipe with one end on each side.
    pub fn connect(self) -> (Sides, MessagePipe, MessagePipe) {
        if self == World::SameNode {
            let node = Node::process();
            let (a, b) = MessagePipe::create();
            return (Sides { here: node.clone(), there: node.clone(), world: self, between: None }, a, b);
        }
        let (here, there) = (Node::new(), Node::new());
        let (between, a, b) = if self == World::TwoNodes {
            let (a, b) = link(&here, &there);
            (None, a, b)
        } else {
            let (child, a, b) = children::join(&here, &there, self == World::IntroducedByAProcess);
            (Some(child), a, b)
        };
        (Sides { here, there, world: self, between }, a, b)
    }

    pub fn is_remote(self) -> bool {
        self != World::SameNode
    }
}

impl Drop for Sides {
    fn drop(&mut self) {
        if self.world.is_remote() && !std::thread::panicking() {
            self.assert_nothing_left();
        }
        if self.world.is_remote() {
            self.here.disconnect();
            self.there.disconnect();
        }
    }
}

impl Sides {
    /// All ends are closed by now: nothing must be left of them, nor of the ways by which they came.
    fn assert_nothing_left(&mut self) {
        self.between.iter_mut().for_each(children::Child::dismiss);
        for node in [&self.here, &self.there] {
            eventually("the node has no ports left", || node.port_counts() == (0, 0));
        }
        assert!(self.between.iter_mut().all(|child| child.wait().success()));
    }

    pub fn pipe_here(&self) -> (MessagePipe, MessagePipe) {
        MessagePipe::create_on(&self.here)
    }

    pub fn pipe_there(&self) -> (MessagePipe, MessagePipe) {
        MessagePipe::create_on(&self.there)
    }

    pub fn data_pipe_here(&self, element: u32, capacity: u32) -> (Producer, Consumer) {
        data_pipe_on(&self.here, element, capacity)
    }

    pub fn data_pipe_there(&self, element: u32, capacity: u32) -> (Producer, Consumer) {
        data_pipe_on(&self.there, element, capacity)
    }
}

pub fn data_pipe_on(node: &Node, element: u32, capacity: u32) -> (Producer, Consumer) {
    DataPipeOptions { element_num_bytes: element, capacity_num_bytes: capacity }.create_on(node).unwrap()
}

/// Connects two nodes; returns a pipe with one end on each.
pub fn link(inviter: &Node, invitee: &Node) -> (MessagePipe, MessagePipe) {
    link_with(inviter, invitee, SendOptions::default())
}

pub fn link_with(inviter: &Node, invitee: &Node, options: SendOptions) -> (MessagePipe, MessagePipe) {
    let invitation = Invitation::new_on(inviter);
    let a = invitation.attach(b"first").unwrap();
    let (ours, theirs) = socket_pair().unwrap();
    invitation.send_with(ours, options).unwrap();
    let accepted = AcceptedInvitation::accept_on(invitee, theirs).unwrap();
    let b = accepted.extract(b"first").unwrap();
    (a, b)
}

/// Connects two nodes that are to know nothing else of each other.
pub fn link_isolated(inviter: &Node, invitee: &Node) -> (MessagePipe, MessagePipe) {
    let invitation = Invitation::new_on(inviter);
    let a = invitation.attach(b"first").unwrap();
    let (ours, theirs) = socket_pair().unwrap();
    invitation.send_with(ours, SendOptions { isolation: Some(Vec::new()), ..SendOptions::default() }).unwrap();
    let b = AcceptedInvitation::accept_isolated_on(invitee, theirs).unwrap().extract(b"first").unwrap();
    (a, b)
}

/// Expands each function to one test for each world.
macro_rules! in_worlds {
    ($($(#[$attribute:meta])* fn $name:ident($world:ident: World) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn body($world: World) {
                let _watchdog = watchdog();
                $body
            }

            $(#[$attribute])*
            #[test]
            fn on_one_node() {
                body(World::SameNode);
            }

            $(#[$attribute])*
            #[test]
            fn on_two_nodes() {
                body(World::TwoNodes);
            }

            $(#[$attribute])*
            #[test]
            fn across_a_process() {
                body(World::AcrossAProcess);
            }

            $(#[$attribute])*
            #[test]
            fn introduced_by_a_process() {
                body(World::IntroducedByAProcess);
            }
        }
    )+};
}
pub(crate) use in_worlds;

// ---- watchdog --------------------------------------------------------------------------------------------

/// Ends the process, loudly, unless it is dropped in time.
pub struct Watchdog {
    _alive: Sender<()>,
}

pub fn watchdog() -> Watchdog {
    watchdog_beyond(Duration::ZERO)
}

/// For a test that takes so long by itself.
pub fn watchdog_beyond(duration: Duration) -> Watchdog {
    let (alive, ended) = channel::<()>();
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    std::thread::spawn(move || {
        if ended.recv_timeout(duration + PATIENCE) == Err(RecvTimeoutError::Timeout) {
            // Not captured, as the output of a print macro would be.
            let _ = writeln!(std::io::stderr(), "{name} hangs");
            std::process::abort();
        }
    });
    Watchdog { _alive: alive }
}

/// Yields until a condition holds that nothing can wait for.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE / 2;
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::yield_now();
    }
}

// ---- leaks -----------------------------------------------------------------------------------------------

/// The only test that runs at the moment, what it started with, and its watchdog.
pub struct Alone {
    descriptors: usize,
    _watchdog: Watchdog,
    _guard: MutexGuard<'static, ()>,
}

/// To be called first by every test of a binary in which descriptors are counted.
pub fn alone() -> Alone {
    alone_for(Duration::ZERO)
}

/// For a test that takes so long by itself.
pub fn alone_for(duration: Duration) -> Alone {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    Alone {
        descriptors: libmojo_platform::open_descriptor_count(),
        _watchdog: watchdog_beyond(duration),
        _guard: guard,
    }
}

impl Alone {
    /// To be called when everything is closed and all children have ended.
    pub fn assert_nothing_left(self, nodes: &[&Node]) {
        for node in nodes {
            eventually("the node has no ports left", || node.port_counts() == (0, 0));
            eventually("the node has no links left", || !node.has_links());
        }
        let deadline = Instant::now() + PATIENCE / 2;
        // There may be fewer: the C library opens a file for a moment when it deals with many threads the first time.
        while libmojo_platform::open_descriptor_count() > self.descriptors {
            let has_time = Instant::now() < deadline;
            assert!(has_time, "{} descriptors at first, now {:#?}", self.descriptors, open_descriptors());
            std::thread::yield_now();
        }
    }
}

/// Ends the connections of nodes on which everything else is closed.
pub fn finish(alone: Alone, nodes: &[&Node]) {
    nodes.iter().for_each(|node| node.disconnect());
    alone.assert_nothing_left(nodes);
}

/// What the descriptors of this process lead to.
fn open_descriptors() -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets.map(|target| target.display().to_string()).collect()
}

// ---- tasks -----------------------------------------------------------------------------------------------

/// A waker that says how often it was called, and unparks the thread that made it.
pub struct Wakes {
    count: AtomicUsize,
    thread: Thread,
}

impl Wakes {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { count: AtomicUsize::new(0), thread: std::thread::current() })
    }

    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// An executor that knows one future and nothing else.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Wakes::new());
    loop {
        if let Poll::Ready(output) = poll_once(future.as_mut(), &waker) {
            return output;
        }
        std::thread::park();
    }
}

pub fn poll_once<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// Polls a future up to some times and drops it, unless it is ready before.
pub fn poll_and_drop<F: Future>(future: F, num_polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    (0..num_polls).find_map(|_| match poll_once(future.as_mut(), Waker::noop()) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    })
}

// ---- messages and signals --------------------------------------------------------------------------------

pub fn send(pipe: &MessagePipe, text: &str) {
    pipe.send(Message::from(text)).unwrap();
}

pub fn recv(pipe: &MessagePipe) -> String {
    String::from_utf8(pipe.recv().unwrap().payload().to_vec()).unwrap()
}

/// Receives a message with one handle and nothing else that matters.
pub fn recv_handle(pipe: &MessagePipe) -> Handle {
    let mut handles = pipe.recv().unwrap().take_handles().unwrap();
    assert_eq!(handles.len(), 1);
    handles.remove(0)
}

pub fn recv_pipe(pipe: &MessagePipe) -> MessagePipe {
    recv_handle(pipe).into_pipe().unwrap()
}

/// Moves a handle through a pipe.
pub fn pass(from: &MessagePipe, to: &MessagePipe, handle: impl Into<Handle>) -> Handle {
    from.send(Message::new(b"").with(handle)).unwrap();
    recv_handle(to)
}

pub fn pass_pipe(from: &MessagePipe, to: &MessagePipe, pipe: MessagePipe) -> MessagePipe {
    pass(from, to, pipe).into_pipe().unwrap()
}

pub fn pass_producer(from: &MessagePipe, to: &MessagePipe, producer: Producer) -> Producer {
    pass(from, to, producer).into_producer().unwrap()
}

pub fn pass_consumer(from: &MessagePipe, to: &MessagePipe, consumer: Consumer) -> Consumer {
    pass(from, to, consumer).into_consumer().unwrap()
}

/// Blocks until the peer is closed; nothing may be left to read.
pub fn assert_closed(pipe: &MessagePipe) {
    assert!(matches!(pipe.recv(), Err(RecvError::PeerClosed)));
}

/// Blocks until the signals are raised.
pub fn wait_for(object: &dyn Waitable, signals: Signals) -> SignalsState {
    object.wait(signals, None).unwrap()
}

/// Checks the state, apart from the signals that say where the peer is and that a quota is exceeded.
pub fn assert_signals(object: &dyn Waitable, satisfied: Signals, satisfiable: Signals) {
    let state = object.signals().without(Signals::PEER_REMOTE | Signals::QUOTA_EXCEEDED);
    assert_eq!((state.satisfied, state.satisfiable), (satisfied, satisfiable));
}

pub fn assert_connected(a: &MessagePipe, b: &MessagePipe) {
    send(a, "to b");
    send(b, "to a");
    assert_eq!(recv(b), "to b");
    assert_eq!(recv(a), "to a");
}

// ---- descriptors -----------------------------------------------------------------------------------------

/// A path for a file in memory that nobody else uses.
pub fn scratch_path() -> std::path::PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("/dev/shm/libmojo-test-{}-{number}", std::process::id()).into()
}

/// An open file, without a name, that holds a text.
pub fn file_with(text: &str) -> File {
    let path = scratch_path();
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    file.write_all_at(text.as_bytes(), 0).unwrap();
    file
}

pub fn text_of(file: &File) -> String {
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    String::from_utf8(bytes).unwrap()
}

// ---- errors ----------------------------------------------------------------------------------------------

/// An error handler, and what it was told.
pub fn recording() -> (Arc<Mutex<Vec<ProcessError>>>, ErrorHandler) {
    let errors = Arc::new(Mutex::new(Vec::new()));
    let recorded = errors.clone();
    (errors, Arc::new(move |error: &ProcessError| recorded.lock().unwrap().push(error.clone())))
}

// ---- carriers --------------------------------------------------------------------------------------------

/// True unless everything between processes goes over sockets in this run.
pub fn links_share_memory() -> bool {
    std::env::var_os("LIBMOJO_SHARED_MEMORY").is_none_or(|value| value != "0")
}

// ---- chance ----------------------------------------------------------------------------------------------

/// Small and repeatable pseudo-random numbers.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.next() >> 24) as u8).collect()
    }
}

/// A seed that differs from run to run unless `LIBMOJO_TEST_SEED` says which; it is printed.
pub fn seed() -> u64 {
    let given = std::env::var("LIBMOJO_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| u64::from_le_bytes(libmojo_platform::random::<8>()));
    println!("LIBMOJO_TEST_SEED={seed}");
    seed
}
