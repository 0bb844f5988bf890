//! Invitations.

use crate::owned::Owned;
use crate::{Connection, InvitationError, MessagePipe, Node, SendOptions};
use libmojo_core::invitation as core;
use libmojo_core::{Socket, forked_error, is_forked};
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command};

/// An invitation to another process: pipes under names, of which this process keeps one end each.
///
/// Dropped unsent, it closes the other ends.
///
/// ```
/// use libmojo::{AcceptedInvitation, Invitation, Message, Node, socket_pair};
///
/// # let there = Node::new();
/// let invitation = Invitation::new();
/// let pipe = invitation.attach(b"greetings")?;
/// pipe.send(Message::from("written before the other process exists"))?;
///
/// let (ours, theirs) = socket_pair()?;
/// invitation.send(ours).map_err(|(error, _socket)| error)?;
/// // `theirs` is inherited by another process, as its standard input perhaps, which then does this:
/// let accepted = AcceptedInvitation::accept_on(&there, theirs).map_err(|(error, _socket)| error)?;
/// let pipe = accepted.extract(b"greetings")?;
/// assert_eq!(pipe.recv()?.payload(), b"written before the other process exists");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Invitation(Owned<core::Invitation>);

/// An invitation that this process has accepted. Dropping it closes the pipes that were not extracted.
#[derive(Debug)]
pub struct AcceptedInvitation {
    inner: Owned<core::Invitation>,
    connection: Connection,
}

/// Two connected sockets, one to keep and one for another process. Neither is inherited by programs that this
/// process executes, unless it is made their standard input or the like.
pub fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (a, b) = Socket::pair()?;
    Ok((a.into(), b.into()))
}

impl Default for Invitation {
    fn default() -> Self {
        Self::new()
    }
}

impl Invitation {
    /// Makes an invitation without pipes.
    pub fn new() -> Self {
        Self::new_on(Node::process())
    }

    /// Makes an invitation from a node of its own.
    pub fn new_on(node: &Node) -> Self {
        Self(Owned::new(core::Invitation::new(node)))
    }

    /// Attaches a new pipe under a name, any bytes, and returns this process's end. It can be used at once.
    pub fn attach(&self, name: &[u8]) -> Result<MessagePipe, InvitationError> {
        usable()?;
        self.0.attach(name).map(MessagePipe::own).map_err(translate)
    }

    /// Sends the invitation over a connected UNIX stream socket whose other end is, or will be, with the invited
    /// process. If that process never accepts, or ends, the pipes are closed.
    ///
    /// # Errors
    /// The socket comes back with the reason; the attached pipes are closed.
    pub fn send(self, socket: impl Into<OwnedFd>) -> Result<Connection, (InvitationError, OwnedFd)> {
        self.send_with(socket, SendOptions::default())
    }

    /// Like [`send`](Self::send), with options: a handler that hears of messages that were reported as bad, of
    /// breaches of the protocol, and of the end of the connection; or isolation.
    ///
    /// ```
    /// use libmojo::{Invitation, Message, SendOptions, socket_pair};
    ///
    /// // Two programs that know nothing of each other (here: one with itself) connect; both send.
    /// let isolated = || SendOptions { isolation: Some(b"console".to_vec()), ..SendOptions::default() };
    /// let (ours, theirs) = socket_pair()?;
    /// let invitation = Invitation::new();
    /// let here = invitation.attach(b"main")?;
    /// invitation.send_with(ours, isolated()).map_err(|(error, _socket)| error)?;
    /// let invitation = Invitation::new();
    /// let there = invitation.attach(b"main")?;
    /// invitation.send_with(theirs, SendOptions { isolation: Some(Vec::new()), ..isolated() }).map_err(|(error, _)| error)?;
    /// here.send(Message::from("hello, stranger"))?;
    /// assert_eq!(there.recv()?.payload(), b"hello, stranger");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The socket comes back with the reason; the attached pipes are closed.
    pub fn send_with(
        self,
        socket: impl Into<OwnedFd>,
        options: SendOptions,
    ) -> Result<Connection, (InvitationError, OwnedFd)> {
        let socket = socket.into();
        if let Err(error) = usable() {
            return Err((error, socket));
        }
        let transport = core::Transport::Connected(socket);
        self.0.send(transport, options).map_err(|(error, socket)| (translate(error), socket))
    }
}

/// The environment variable by which a process finds the socket that [`Invitation::spawn`] has left to it: two decimal
/// numbers with a colon between, the descriptor, and its inode, by which it can be told from another descriptor
/// with the same number. Programs in any language can take part by it, on either side: see `docs/processes.md`.
pub const INVITATION_VARIABLE: &str = libmojo_core::INHERITED_SOCKET;

impl Invitation {
    /// Starts a process and sends it the invitation, which it accepts with
    /// [`AcceptedInvitation::inherited`]. The process inherits one end of a new socket; no other process does, whoever
    /// starts one at the same time.
    ///
    /// # Errors
    /// What starting a process can fail with. The attached pipes are closed.
    ///
    /// ```no_run
    /// use libmojo::Invitation;
    /// use std::process::Command;
    ///
    /// let invitation = Invitation::new();
    /// let pipe = invitation.attach(b"jobs")?;
    /// let (mut child, connection) = invitation.spawn(&mut Command::new("worker"))?;
    /// // … and in the worker: AcceptedInvitation::inherited()?.extract(b"jobs")? …
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn(self, command: &mut Command) -> io::Result<(Child, Connection)> {
        self.spawn_with(command, SendOptions::default())
    }

    /// Like [`spawn`](Self::spawn), with options; not with isolation.
    ///
    /// # Errors
    /// As for [`spawn`](Self::spawn).
    pub fn spawn_with(self, command: &mut Command, options: SendOptions) -> io::Result<(Child, Connection)> {
        usable()?;
        let (ours, theirs) = Socket::pair()?;
        let mut child = libmojo_core::spawn_with_socket(command, theirs.into())?;
        match self.send_with(ours, options) {
            Ok(connection) => Ok((child, connection)),
            Err((error, _)) => {
                // It would wait in vain. Both fail only if it has ended already.
                let _ = child.kill();
                let _ = child.wait();
                Err(error.into())
            }
        }
    }
}

impl AcceptedInvitation {
    /// Accepts the invitation that this process was [started](Invitation::spawn) with. Can be called once.
    ///
    /// # Errors
    /// `NotFound` if it was not started with one, or what accepting can fail with.
    pub fn inherited() -> io::Result<Self> {
        if is_forked() {
            return Err(forked_error());
        }
        Self::accept(libmojo_core::inherited_socket()?).map_err(|(error, _)| error.into())
    }

    /// Accepts an invitation over a connected UNIX stream socket. Returns at once; whether there is anybody at
    /// the other side shows at the extracted pipes.
    ///
    /// # Errors
    /// The socket comes back with the reason.
    pub fn accept(socket: impl Into<OwnedFd>) -> Result<Self, (InvitationError, OwnedFd)> {
        Self::accept_on(Node::process(), socket)
    }

    /// Accepts an invitation for a node of its own.
    ///
    /// # Errors
    /// As for [`accept`](Self::accept).
    pub fn accept_on(node: &Node, socket: impl Into<OwnedFd>) -> Result<Self, (InvitationError, OwnedFd)> {
        Self::new(node, socket.into(), false)
    }

    /// Accepts an invitation that is sent for an isolated connection.
    ///
    /// # Errors
    /// As for [`accept`](Self::accept).
    pub fn accept_isolated(socket: impl Into<OwnedFd>) -> Result<Self, (InvitationError, OwnedFd)> {
        Self::accept_isolated_on(Node::process(), socket)
    }

    /// Accepts an invitation that is sent for an isolated connection, for a node of its own.
    ///
    /// # Errors
    /// As for [`accept`](Self::accept).
    pub fn accept_isolated_on(node: &Node, socket: impl Into<OwnedFd>) -> Result<Self, (InvitationError, OwnedFd)> {
        Self::new(node, socket.into(), true)
    }

    fn new(node: &Node, socket: OwnedFd, is_isolated: bool) -> Result<Self, (InvitationError, OwnedFd)> {
        if let Err(error) = usable() {
            return Err((error, socket));
        }
        match core::Invitation::accept(node, socket, is_isolated) {
            Ok((accepted, connection)) => Ok(Self { inner: Owned::new(accepted), connection }),
            Err((error, socket)) => Err((translate(error), socket)),
        }
    }

    /// The connection that the invitation has made.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Takes a pipe out by its name. It can be used at once. If the inviter turns out not to have attached one of
    /// that name, or it was extracted before, the pipe's peer is closed.
    pub fn extract(&self, name: &[u8]) -> Result<MessagePipe, InvitationError> {
        usable()?;
        self.inner.extract(name).map(MessagePipe::own).map_err(translate)
    }
}

/// To be asked before anything is done.
fn usable() -> Result<(), InvitationError> {
    if is_forked() { Err(InvitationError::Forked) } else { Ok(()) }
}

fn translate(error: core::InvitationError) -> InvitationError {
    match error {
        core::InvitationError::InvalidName => InvitationError::InvalidName,
        core::InvitationError::AlreadyExists => InvitationError::AlreadyExists,
        core::InvitationError::ResourceExhausted => InvitationError::ResourceExhausted,
        core::InvitationError::Socket(error) => InvitationError::Socket(error),
        // The types of this module do not let an invitation be used for what it is not.
        core::InvitationError::NotFound | core::InvitationError::FailedPrecondition => {
            InvitationError::Socket(io::ErrorKind::Unsupported.into())
        }
    }
}
