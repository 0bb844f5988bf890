//! A first channel between processes that have nothing in common but a name.

use super::{Receiver, RecvError, Sender};
use crate::{AcceptedInvitation, Invitation, Node, SendOptions, Server, connect_abstract};
use libmojo_core::Socket;
use serde::de::DeserializeOwned;
use std::io;
use std::marker::PhantomData;
use std::time::Instant;

/// A place with a name, where one other process of the same user connects and sends a first value.
///
/// The name is an abstract one that cannot be guessed, and is no file. Whoever starts processes itself has no need of
/// names: see [`Invitation::spawn`](crate::Invitation::spawn).
///
/// The connection is an isolated one: it takes anything, and the processes know nothing else of each other. They may be
/// connected otherwise, too, or be the same.
///
/// ```
/// use libmojo::channel::{OneShotServer, Sender};
///
/// let (server, name) = OneShotServer::<String>::new()?;
/// # let client = std::thread::spawn(move || {
/// // In another process, which was told the name:
/// let tx = Sender::<String>::connect(&name)?;
/// tx.send("hello".into())?;
/// # Ok::<_, Box<dyn std::error::Error + Send + Sync>>(tx)
/// # });
///
/// let (mut rx, first) = server.accept(None)?;
/// assert_eq!(first, "hello");
/// # drop((rx.try_recv(), client.join().unwrap().unwrap()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OneShotServer<T> {
    server: Server,
    node: Node,
    _values: PhantomData<fn() -> T>,
}

const PIPE: &[u8] = b"one-shot";

impl<T: DeserializeOwned + 'static> OneShotServer<T> {
    /// Makes a server, and returns it with its name.
    ///
    /// # Errors
    /// What the system says.
    pub fn new() -> io::Result<(Self, String)> {
        Self::new_on(Node::process())
    }

    /// Makes a server for a node of its own.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn new_on(node: &Node) -> io::Result<(Self, String)> {
        let name = format!("libmojo-{:032x}", u128::from_le_bytes(libmojo_core::random()));
        let server = Server::bind_abstract(name.as_bytes())?;
        Ok((Self { server, node: node.clone(), _values: PhantomData }, name))
    }

    /// Waits until somebody has connected and has sent a value, or until the deadline. Processes of other users are
    /// refused.
    ///
    /// # Errors
    /// `TimedOut`; what the system says; or what became of the first value, see [`RecvError`].
    pub fn accept(self, deadline: Option<Instant>) -> io::Result<(Receiver<T>, T)> {
        let own = Socket::pair()?.0.peer_credentials()?.uid;
        loop {
            let incoming = self.server.accept(deadline)?;
            if incoming.credentials().uid != own {
                continue;
            }
            let invitation = Invitation::new_on(&self.node);
            let mut receiver = Receiver::from(invitation.attach(PIPE)?);
            let isolated = SendOptions { isolation: Some(Vec::new()), ..SendOptions::default() };
            invitation.send_with(incoming, isolated).map_err(|(error, _)| error)?;
            let first = match deadline {
                Some(deadline) => receiver.recv_deadline(deadline),
                None => receiver.recv(),
            };
            match first {
                Ok(value) => return Ok((receiver, value)),
                // It has gone without a word.
                Err(RecvError::Closed) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl<T> Sender<T> {
    /// Connects to the [`OneShotServer`] of that name.
    ///
    /// # Errors
    /// `ConnectionRefused` if there is none, or what the system says.
    pub fn connect(name: &str) -> io::Result<Self> {
        Self::connect_on(Node::process(), name)
    }

    /// Connects a node of its own.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_on(node: &Node, name: &str) -> io::Result<Self> {
        let socket = connect_abstract(name.as_bytes())?;
        let accepted = AcceptedInvitation::accept_isolated_on(node, socket).map_err(|(error, _)| error)?;
        Ok(accepted.extract(PIPE)?.into())
    }
}
