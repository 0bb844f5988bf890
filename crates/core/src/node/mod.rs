//! A node: the routing of this process, its links to other processes, and how the two are brought together.

mod allowance;
mod attendance;
mod frame;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod incoming;
mod introduction;
mod io;
mod link;
mod links;
mod outgoing;
mod partial;
mod progress;
mod reader;
mod region;
mod ring_reader;
mod sending;
mod snapshot;
mod waiting;
mod wire;

use crate::deferred::{Deferred, within_call};
use crate::message::{Message, PortData};
use introduction::Introductions;
use libmojo_platform::{forked_error, is_forked, random};
use libmojo_ports::{Effects, Event, NodeName, PortName};
use libmojo_sync::{Arc, Mutex, OnceLock, Rank, Weak};
use progress::Progress;
use std::fmt;
use std::time::Instant;
use zerocopy::IntoBytes;

pub use io::Driver;
use link::Link;
pub(crate) use link::LinkRole;
pub use links::Connection;
pub(crate) use links::{Carrier, Links, Terms, connect};
pub use snapshot::{
    BufferSnapshot, DataPipeSnapshot, LinkPart, LinkSnapshot, PortPlace, PortRole, PortSnapshot, ShortName, Snapshot,
    TrafficSnapshot,
};
pub(crate) use waiting::{Attending, drain_before};

pub(crate) type RoutingNode = Arc<libmojo_ports::Node<Message>>;

/// One participant in the exchange of messages: usually the process. A clone refers to the same node.
///
/// Any node can invite any other; none has to be appointed to know them all. A node that is not connected to any other
/// has no thread and no descriptor of its own. Its connections end with
/// the other process, or by [`disconnect`](Self::disconnect), not when the last reference is dropped.
#[derive(Clone)]
pub struct Node(RoutingNode);

/// What the engine keeps with the routing of a node.
pub struct NodeData {
    pub(crate) links: Links,
    introductions: Introductions,
    progress: Progress,
    default_error_handler: Mutex<Option<ErrorHandler>>,
    /// Empty for the usual one.
    io_thread_name: Mutex<String>,
}

impl NodeData {
    fn io_thread_name(&self) -> String {
        let name = self.io_thread_name.lock();
        if name.is_empty() { "libmojo-io".to_owned() } else { name.clone() }
    }

    fn report_by_default(&self, text: &str, disconnected: bool) {
        let handler = self.default_error_handler.lock().clone();
        call(handler, ProcessError { message: text.to_owned(), disconnected });
    }
}

/// Names that nobody can guess. They are drawn from the system many at a time: to draw one is to make a system call, and
/// every end that moves needs two. A process that is forked off has a copy of them, and names nothing any more.
struct PortNames(Mutex<Vec<u128>>);

impl PortNames {
    fn next(&self) -> u128 {
        let mut drawn = self.0.lock();
        drawn.pop().unwrap_or_else(|| {
            let mut names = [0_u128; 64];
            names.as_mut_bytes().copy_from_slice(&random::<{ 64 * size_of::<u128>() }>());
            let [first, others @ ..] = names;
            drawn.extend(others);
            first
        })
    }
}

/// What a process did wrong, or that the connection to it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessError {
    /// What happened, in words; empty if the connection ended in good order.
    pub message: String,
    /// True if the connection is gone.
    pub disconnected: bool,
}

/// Called with what a connected process did wrong. May be called on any thread.
pub type ErrorHandler = Arc<dyn Fn(&ProcessError) + Send + Sync>;

impl Node {
    /// Makes a node that is not connected to any other.
    pub fn new() -> Self {
        let name = NodeName(u128::from_le_bytes(random::<16>()));
        let data = NodeData {
            links: Links::new(),
            introductions: Introductions::new(),
            progress: Progress::new(),
            default_error_handler: Mutex::new(Rank::Leaf, None),
            io_thread_name: Mutex::new(Rank::Leaf, String::new()),
        };
        let names = PortNames(Mutex::new(Rank::Leaf, Vec::new()));
        let new_name = move || PortName(names.next());
        Self(libmojo_ports::Node::new(name, data, new_name))
    }

    /// The node that is this process, for all who do not ask for another one.
    pub fn process() -> &'static Node {
        static PROCESS: OnceLock<Node> = OnceLock::new();
        // Another thread of the parent may just have been making it.
        static FORKED: OnceLock<Node> = OnceLock::new();
        if is_forked() { &FORKED } else { &PROCESS }.get_or_init(Node::new)
    }

    pub(crate) fn routing(&self) -> &RoutingNode {
        &self.0
    }

    /// True from the first connection to another node on: before it, no peer can be remote.
    pub fn has_had_links(&self) -> bool {
        self.0.data().links.have_begun()
    }

    /// True while the node is connected, or about to be, to another one.
    pub fn has_links(&self) -> bool {
        !is_forked() && self.0.data().links.any()
    }

    /// How many ports there are that other nodes could address, and how many of these only pass on what others
    /// send: both zero once everything that ever left the process is closed.
    pub fn port_counts(&self) -> (usize, usize) {
        if is_forked() {
            return (0, 0);
        }
        (self.0.named_ports().len(), self.0.proxy_count())
    }

    /// Sets what is called with reports of bad messages that did not come from another process, and if the
    /// connection to the process that invited this one ends otherwise than in good order.
    pub fn set_default_error_handler(&self, handler: Option<ErrorHandler>) {
        if is_forked() {
            return;
        }
        let previous = std::mem::replace(&mut *self.0.data().default_error_handler.lock(), handler);
        drop(previous);
    }

    /// The same, unless there is a handler already; false then.
    pub fn install_default_error_handler(&self, handler: ErrorHandler) -> bool {
        if is_forked() {
            return false;
        }
        let mut installed = self.0.data().default_error_handler.lock();
        let is_free = installed.is_none();
        if is_free {
            *installed = Some(handler);
        }
        is_free
    }

    /// Names the thread that does the I/O of the node, which starts with the first connection and ends with the last: the
    /// next one that starts has this name. Linux shows 15 bytes of it. An empty name stands for `libmojo-io`; a NUL ends
    /// the name.
    pub fn set_io_thread_name(&self, name: &str) {
        if is_forked() {
            return;
        }
        name.split('\0').next().unwrap_or_default().clone_into(&mut self.0.data().io_thread_name.lock());
    }

    /// Reports a message as bad to the handler of the process that it came from, or, if it was made in this
    /// process, to the default handler. The handler is called before this returns.
    pub fn report_bad_message(&self, message: &Message, text: &str) {
        self.report_bad_message_from(message.sender(), text);
    }

    /// See [`report_bad_message`](Self::report_bad_message); for a message from `sender`.
    pub fn report_bad_message_from(&self, sender: Option<&Arc<Sender>>, text: &str) {
        match sender {
            _ if is_forked() => {}
            Some(sender) => sender.report_bad(text),
            None => self.0.data().report_by_default(text, false),
        }
    }

    /// Waits until everything that was sent to other processes so far, and everything that this one passes on for
    /// them, has been handed to the system: then it arrives even if this process ends at once. What was unread at a pipe
    /// end that was sent follows it when it has arrived, and is waited for. An invitation that was sent counts until it
    /// is accepted, except one that waits for whoever connects. False if the deadline has passed before; `None` waits
    /// without one.
    ///
    /// A callback for what another process caused runs on the thread that does all this, so there it does not wait.
    pub fn flush(&self, deadline: Option<Instant>) -> bool {
        !is_forked() && progress::flush(&self.0, deadline)
    }

    /// Ends all connections of the node in good order: waits until everything sent is out, as [`flush`](Self::flush)
    /// does, and until no pipe between other processes leads through this one any more. After the deadline it ends
    /// them all the same, and returns false; a deadline that has passed already makes it fast. Pipes to other
    /// processes are closed; those within the process go on.
    pub fn shutdown(&self, deadline: Option<Instant>) -> bool {
        !is_forked() && progress::shut_down(&self.0, deadline)
    }

    /// Leaves the I/O of the node to the program: no thread of the library does it from now on. The program waits until
    /// the descriptor of the [`Driver`] is readable, and then has it do its work. Nothing arrives in between, so a
    /// thread that drives must not also block in a wait for other processes, in [`flush`](Self::flush) or in
    /// [`shutdown`](Self::shutdown); these two can be called with a deadline that has passed, between its turns.
    ///
    /// # Errors
    /// `AlreadyExists` if the node has connections, or a driver; or what the system says if there is no descriptor
    /// left.
    pub fn drive(&self) -> std::io::Result<Driver> {
        if is_forked() { Err(forked_error()) } else { Driver::new(&self.0) }
    }

    /// What connections and ports the node has at the moment, for people who want to know: why something hangs, say, or
    /// which pipes lead through this process. `Display` gives it as text. Takes each lock for a moment and calls nobody,
    /// so it works whatever the threads of the program are stuck in. Empty in a process that was forked off.
    pub fn snapshot(&self) -> Snapshot {
        if is_forked() { Snapshot::of_nothing(&self.0) } else { Snapshot::of(&self.0) }
    }

    /// Ends all connections of the node; pipes to other processes are closed soon afterwards.
    pub fn disconnect(&self) {
        if !is_forked() {
            self.0.data().links.end_all();
        }
    }
}

impl Default for Node {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ports, proxies) = self.port_counts();
        f.debug_struct("Node").field("named_ports", &ports).field("proxies", &proxies).finish()
    }
}

fn call(handler: Option<ErrorHandler>, error: ProcessError) {
    if let Some(handler) = handler {
        within_call(|| handler(&error));
    }
}

/// The process at the other side of a link, as far as messages remember where they came from.
pub struct Sender {
    handler: Mutex<Option<ErrorHandler>>,
    /// Who has introduced it, and that node's number for the introduction.
    introducer: Option<(Weak<Link>, u64)>,
}

impl Sender {
    pub(crate) fn new(handler: Option<ErrorHandler>) -> Arc<Self> {
        Arc::new(Self { handler: Mutex::new(Rank::Leaf, handler), introducer: None })
    }

    fn introduced(by: &Arc<Link>, number: u64) -> Arc<Self> {
        let introducer = Some((Arc::downgrade(by), number));
        Arc::new(Self { handler: Mutex::new(Rank::Leaf, None), introducer })
    }

    /// True if the same node has introduced both to this one.
    fn has_introducer_of(&self, other: &Self) -> bool {
        match (&self.introducer, &other.introducer) {
            (Some((introducer, _)), Some((other, _))) => introducer.ptr_eq(other),
            _ => false,
        }
    }

    /// True if somebody hears of what the process does wrong.
    pub fn is_heard_of(&self) -> bool {
        self.introducer.is_some() || self.handler.lock().is_some()
    }

    /// Reports a bad message to whoever knows the process.
    fn report_bad(&self, text: &str) {
        match &self.introducer {
            Some((introducer, number)) => {
                if let Some(introducer) = introducer.upgrade() {
                    introducer.send(wire::encode_report(*number, text));
                }
            }
            None => self.report(format!("Received bad user message: {text}"), false),
        }
    }

    fn report(&self, message: String, disconnected: bool) {
        let handler = if disconnected { self.handler.lock().take() } else { self.handler.lock().clone() };
        call(handler, ProcessError { message, disconnected });
    }
}

/// Sends an event to another node.
pub(crate) fn transmit(node: &RoutingNode, to: NodeName, event: Event<Message>, deferred: &mut Deferred) {
    match node.data().links.find(to) {
        Some(link) => link.send_event(node, event),
        None => apply(node, node.lose(to), deferred),
    }
}

/// Carries out what a call on the routing made necessary. Called with no lock held.
pub(crate) fn apply(node: &RoutingNode, effects: Effects<Message>, deferred: &mut Deferred) {
    if effects.is_empty() {
        return;
    }
    if is_forked() {
        // A serializer has forked, and this is the child.
        return std::mem::forget(effects);
    }
    let Effects { forward, changed, dropped, neighbours, apart } = effects;
    let links = &node.data().links;
    let mut unreachable: Vec<NodeName> = Vec::new();
    for (to, event) in forward {
        match links.find(to) {
            Some(link) => link.send_event(node, event),
            None => unreachable.push(to),
        }
    }
    unreachable.extend(neighbours.into_iter().filter(|name| links.find(*name).is_none()));
    changed.iter().for_each(|port| note_change(port.data(), deferred));
    deferred.discard(dropped);
    unreachable.dedup();
    for name in unreachable {
        apply(node, node.lose(name), deferred);
    }
    apart.into_iter().for_each(|(a, b)| introduction::begin(node, a, b, deferred));
    if node.has_proxies() {
        links.end_quiet();
    }
    node.data().progress.note();
}

/// Lets whoever watches a port know that its status may have changed.
pub(crate) fn note_change(data: &PortData, deferred: &mut Deferred) {
    match data.hook.get() {
        Some(hook) => {
            if let Some(hook) = hook.upgrade() {
                hook.control_changed(deferred);
            }
        }
        None => data.observers.notify(deferred),
    }
}
