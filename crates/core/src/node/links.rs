//! The links of a node, by all that they are found by, and how they are made and ended.

use super::incoming::can_share_memory;
use super::io::{self, Io};
use super::link::{Link, LinkRole};
use super::wire::{self, LinkNames, Part};
use super::{RoutingNode, Sender};
use crate::limits::{MAX_INTRODUCED_LINKS, MAX_KNOWN_LINKS, MAX_SILENT_LINKS};
use crate::words::Quiet;
use foldhash::fast::RandomState;
use libmojo_platform::{Interest, Listener, Socket, is_forked, random};
use libmojo_ports::NodeName;
use libmojo_sync::atomic::{AtomicBool, Ordering};
use libmojo_sync::{Arc, Mutex, Rank};
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The links of a node.
pub(crate) struct Links {
    table: Mutex<Table>,
    /// There is, or was, a link.
    have_begun: AtomicBool,
    /// Links whose other sides call nobody for messages, because nobody waits for any.
    quiet: Mutex<Vec<Arc<Link>>>,
    are_any_quiet: Quiet,
}

struct Table {
    by_name: HashMap<NodeName, Arc<Link>, RandomState>,
    by_token: HashMap<u64, Entry, RandomState>,
    /// Isolated connections that admit no second one.
    by_connection_name: HashMap<Vec<u8>, u64>,
    next_token: u64,
    /// Present while the I/O thread runs, or the program drives the node.
    io: Option<Arc<Io>>,
    is_driven: bool,
}

/// What the I/O thread waits for.
#[derive(Clone)]
pub(super) enum Entry {
    Link(Arc<Link>),
    Awaited(Arc<Awaited>),
}

impl Entry {
    pub(super) fn link(&self) -> Option<&Arc<Link>> {
        match self {
            Entry::Link(link) => Some(link),
            Entry::Awaited(_) => None,
        }
    }

    /// What tells it apart, in the order in which they were made.
    pub(super) fn token(&self) -> u64 {
        match self {
            Entry::Link(link) => link.token,
            Entry::Awaited(awaited) => awaited.token,
        }
    }
}

/// A link to whoever connects first.
pub(super) struct Awaited {
    token: u64,
    pub(super) listener: Listener,
    /// `None` once somebody has come, or nobody will.
    terms: Mutex<Option<Terms>>,
}

/// What a connection runs over.
pub(crate) enum Carrier {
    Connected(Socket),
    /// The first to connect is the other side.
    Listening(Listener),
}

impl Carrier {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Carrier::Connected(socket) => socket.as_fd(),
            Carrier::Listening(listener) => listener.as_fd(),
        }
    }
}

/// What is known of a connection before the other side has said anything.
pub(crate) struct Terms {
    pub(crate) role: LinkRole,
    pub(crate) sender: Arc<Sender>,
    /// For an isolated connection, the name that no second one may have; may be empty.
    pub(crate) isolation: Option<Vec<u8>>,
}

impl Terms {
    pub(super) fn part(&self) -> Part {
        match (&self.role, &self.isolation) {
            (LinkRole::Inviter(_), _) => Part::Inviter,
            (LinkRole::Stranger { .. }, _) => Part::IsolatedInviter,
            (LinkRole::Invitee(_), None) => Part::Invitee,
            (LinkRole::Invitee(_), Some(_)) => Part::IsolatedInvitee,
            (LinkRole::Introduced, _) => Part::Introduced,
        }
    }

    /// Gives up what was not to be.
    fn abandon(&self, reason: &str) {
        self.role.abandon();
        self.sender.report(reason.to_owned(), true);
    }
}

impl From<Carrier> for OwnedFd {
    fn from(carrier: Carrier) -> OwnedFd {
        match carrier {
            Carrier::Connected(socket) => socket.into(),
            Carrier::Listening(listener) => listener.into(),
        }
    }
}

/// A connection to another process, as far as it can be ended. Dropping this does not end it.
pub struct Connection {
    node: RoutingNode,
    token: u64,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Connection").field(&self.token).finish()
    }
}

impl Connection {
    /// Ends the connection, or the waiting for one. Pipes that lead over it are closed soon afterwards.
    pub fn close(&self) {
        if is_forked() {
            return;
        }
        let links = &self.node.data().links;
        links.at(self.token).iter().for_each(|entry| links.end(entry, ""));
    }

    /// True while it stands or is waited for.
    pub fn is_open(&self) -> bool {
        !is_forked() && self.node.data().links.at(self.token).is_some()
    }
}

impl Links {
    pub(crate) fn new() -> Self {
        let table = Table {
            by_name: HashMap::default(),
            by_token: HashMap::default(),
            by_connection_name: HashMap::new(),
            next_token: 0,
            io: None,
            is_driven: false,
        };
        Self {
            table: Mutex::new(Rank::Links, table),
            have_begun: AtomicBool::new(false),
            quiet: Mutex::new(Rank::Leaf, Vec::new()),
            are_any_quiet: Quiet::new(),
        }
    }

    /// Notes that the other side of a link is about to be told to call nobody for messages.
    pub(super) fn list_quiet(&self, link: &Arc<Link>) {
        self.are_any_quiet.list(|| {
            let table = self.table.lock();
            if table.by_token.contains_key(&link.token) {
                self.quiet.lock().push(link.clone());
            }
        });
    }

    /// Has all other sides call for messages from now on, because somebody has begun to wait for some. To be called
    /// after whatever that is can be seen.
    pub(crate) fn end_quiet(&self) {
        let quiet = self.are_any_quiet.end(|| std::mem::take(&mut *self.quiet.lock()));
        quiet.iter().filter(|link| link.end_quiet()).for_each(|link| link.hand_over());
    }

    pub(super) fn find(&self, name: NodeName) -> Option<Arc<Link>> {
        self.table.lock().by_name.get(&name).cloned()
    }

    pub(super) fn at(&self, token: u64) -> Option<Entry> {
        self.table.lock().by_token.get(&token).cloned()
    }

    pub(crate) fn have_begun(&self) -> bool {
        self.have_begun.load(Ordering::SeqCst)
    }

    pub(crate) fn any(&self) -> bool {
        !self.table.lock().by_token.is_empty()
    }

    pub(super) fn all(&self) -> Vec<Entry> {
        self.table.lock().by_token.values().cloned().collect()
    }

    /// What the links to a node are called that says it is a certain one, at most [`MAX_KNOWN_LINKS`] of them.
    pub(super) fn with_identity(&self, identity: u128) -> Vec<LinkNames> {
        let table = self.table.lock();
        let links =
            table.by_name.iter().filter(|(_, link)| !link.part.is_isolated() && link.identity.get() == Some(&identity));
        links.map(|(peer, link)| LinkNames { own: link.own, peer: *peer }).take(MAX_KNOWN_LINKS).collect()
    }

    /// True if two links lead to one node, as far as it says so itself.
    pub(super) fn are_same(&self, a: NodeName, b: NodeName) -> bool {
        let table = self.table.lock();
        let identity = |name| table.by_name.get(&name).filter(|link| !link.part.is_isolated())?.identity.get();
        a == b || identity(a).is_some_and(|identity_a| identity(b) == Some(identity_a))
    }

    /// Makes a link that a third node has brought about. `None` if there are too many, or its name is taken.
    pub(super) fn admit(
        &self,
        node: &RoutingNode,
        socket: Socket,
        names: LinkNames,
        identity: u128,
        sender: Arc<Sender>,
    ) -> Option<Arc<Link>> {
        let mut table = self.table.lock();
        let io = table.io.clone()?;
        let introduced = || table.by_name.values().filter(|link| link.part == Part::Introduced);
        let is_silent = |link: &&Arc<Link>| !link.has_greeted() && link.sender.has_introducer_of(&sender);
        if introduced().count() >= MAX_INTRODUCED_LINKS
            || introduced().filter(is_silent).count() >= MAX_SILENT_LINKS
            || names.peer == node.name()
            || table.by_name.contains_key(&names.peer)
        {
            return None;
        }
        let token = table.next_token;
        io.poller.add(socket.as_fd(), token, Interest { read: true, write: false }).ok()?;
        table.next_token += 1;
        let terms = Terms { role: LinkRole::Introduced, sender, isolation: None };
        let link = table.open_as(node, names.own, token, socket, terms, &io);
        let _ = link.peer.set(names.peer);
        let _ = link.identity.set(identity);
        table.by_name.insert(names.peer, link.clone());
        Some(link)
    }

    /// Makes the link known under the name that the other side gave. False if that is taken.
    pub(super) fn enter(&self, name: NodeName, link: &Arc<Link>) -> bool {
        let mut table = self.table.lock();
        if table.by_name.contains_key(&name) {
            return false;
        }
        table.by_name.insert(name, link.clone());
        true
    }

    pub(super) fn remove(&self, link: &Link) {
        let mut table = self.table.lock();
        table.forget(link.token);
        if let Some(name) = link.peer.get() {
            table.by_name.remove(name);
            table.by_name.values().for_each(|link| link.forget(*name));
        }
        self.quiet.lock().retain(|other| !std::ptr::eq(&**other, link));
    }

    /// True if there is nothing left to wait for. Then a new link starts a new thread, unless the node is driven.
    pub(super) fn take_idle_io(&self) -> bool {
        let mut table = self.table.lock();
        let is_idle = table.by_token.is_empty();
        let unused = if is_idle && !table.is_driven { table.io.take() } else { None };
        drop(table);
        drop(unused);
        is_idle
    }

    /// Has links wait with this instead of a thread.
    pub(super) fn be_driven(&self, io: &Arc<Io>) -> std::io::Result<()> {
        let mut table = self.table.lock();
        if table.io.is_some() {
            let text = "the node is driven already, by the program or by a thread of the library";
            return Err(std::io::Error::new(std::io::ErrorKind::AlreadyExists, text));
        }
        table.io = Some(io.clone());
        table.is_driven = true;
        Ok(())
    }

    /// Goes back to threads, if there are no links.
    pub(super) fn stop_driving(&self) -> bool {
        let mut table = self.table.lock();
        let is_idle = table.by_token.is_empty();
        table.is_driven &= !is_idle;
        let unused = if is_idle { table.io.take() } else { None };
        drop(table);
        drop(unused);
        is_idle
    }

    /// True if the program does the I/O.
    pub(super) fn are_driven(&self) -> bool {
        self.table.lock().is_driven
    }

    /// Ends all links.
    pub(super) fn end_all(&self) {
        self.all().iter().for_each(|entry| self.end(entry, ""));
    }

    /// Replaces somebody awaited by the link to who has come.
    pub(super) fn replace_awaited(&self, node: &RoutingNode, awaited: &Awaited, socket: Socket) {
        let mut table = self.table.lock();
        let Some(io) = table.io.clone() else { return };
        let Some(terms) = awaited.terms.lock().take() else { return };
        // Fails only if the listener is not waited for any more.
        let _ = io.poller.remove(awaited.listener.as_fd());
        match io.poller.add(socket.as_fd(), awaited.token, Interest { read: true, write: false }) {
            Ok(()) => table.open(node, awaited.token, socket, terms, &io),
            Err(error) => {
                table.forget(awaited.token);
                drop(table);
                terms.abandon(&error.to_string());
            }
        }
    }

    /// Ends a link, or the waiting for one.
    pub(super) fn end(&self, entry: &Entry, reason: &str) {
        match entry {
            // The I/O thread then finds it closed, and reports the loss.
            Entry::Link(link) => link.close(),
            Entry::Awaited(awaited) => {
                let mut table = self.table.lock();
                let Some(terms) = awaited.terms.lock().take() else { return };
                table.forget(awaited.token);
                if let Some(io) = &table.io {
                    // Fails only if it is not waited for any more.
                    let _ = io.poller.remove(awaited.listener.as_fd());
                    // There may be nothing left to wait for.
                    io.poller.wake();
                }
                drop(table);
                terms.abandon(reason);
            }
        }
    }
}

impl Table {
    /// Makes a link and says hello on it. The I/O thread finds it only once the table is free again, so nothing is
    /// said on it before this.
    fn open(&mut self, node: &RoutingNode, token: u64, socket: Socket, terms: Terms, io: &Arc<Io>) {
        let own = if terms.isolation.is_some() { NodeName(u128::from_le_bytes(random::<16>())) } else { node.name() };
        self.open_as(node, own, token, socket, terms, io);
    }

    fn open_as(
        &mut self,
        node: &RoutingNode,
        own: NodeName,
        token: u64,
        socket: Socket,
        terms: Terms,
        io: &Arc<Io>,
    ) -> Arc<Link> {
        let link = Link::new(token, socket, own, terms, io);
        self.by_token.insert(token, Entry::Link(link.clone()));
        let part = link.part;
        // Strangers are told nothing by which they could know this node elsewhere.
        let identity = if part.is_isolated() { own.0 } else { node.name().0 };
        link.send(wire::encode_hello(wire::Hello { node: own, part, identity, can_share_memory: can_share_memory() }));
        link
    }

    fn forget(&mut self, token: u64) {
        self.by_token.remove(&token);
        self.by_connection_name.retain(|_, other| *other != token);
    }
}

/// Connects the node. Carrier and terms come back if that is not possible.
pub(crate) fn connect(
    node: &RoutingNode,
    carrier: Carrier,
    terms: Terms,
) -> Result<Connection, (std::io::Error, Carrier, LinkRole)> {
    let links = &node.data().links;
    links.have_begun.store(true, Ordering::SeqCst);
    let mut table = links.table.lock();
    let token = table.next_token;
    let io = match wait_for(node, &mut table, &carrier, token) {
        Ok(io) => io,
        Err(error) => return Err((error, carrier, terms.role)),
    };
    table.next_token += 1;
    let name = terms.isolation.clone().filter(|name| !name.is_empty());
    let previous = name.and_then(|name| table.by_connection_name.insert(name, token));
    let previous = previous.and_then(|token| table.by_token.get(&token).cloned());
    match carrier {
        Carrier::Connected(socket) => table.open(node, token, socket, terms, &io),
        Carrier::Listening(listener) => {
            let awaited = Awaited { token, listener, terms: Mutex::new(Rank::Leaf, Some(terms)) };
            table.by_token.insert(token, Entry::Awaited(Arc::new(awaited)));
        }
    }
    drop(table);
    previous.iter().for_each(|entry| links.end(entry, "a later connection has the same name"));
    Ok(Connection { node: node.clone(), token })
}

/// Has the I/O thread, which is started if need be, wait for the carrier.
fn wait_for(node: &RoutingNode, table: &mut Table, carrier: &Carrier, token: u64) -> std::io::Result<Arc<Io>> {
    let io = match &table.io {
        Some(io) => io.clone(),
        None => table.io.insert(io::start(node)?).clone(),
    };
    if let Err(error) = io.poller.add(carrier.as_fd(), token, Interest { read: true, write: false }) {
        // If the thread was started for this, it has nothing to stay for.
        io.poller.wake();
        return Err(error);
    }
    Ok(io)
}
