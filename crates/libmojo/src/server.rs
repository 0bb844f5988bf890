//! Servers: where processes that nobody has started ask for an invitation.

use libmojo_core::{Credentials, Listener, Socket};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

/// A place where other processes [connect](connect): a path, or a name of the system's own.
///
/// Each that connects is handed over as an [`Incoming`], with who it is. If it is welcome, an
/// [`Invitation`](crate::Invitation) is sent to it. Dropping the server ends the place; connections go on.
///
/// ```
/// use libmojo::{AcceptedInvitation, Invitation, Message, Server, connect};
/// # use libmojo::Node;
///
/// # let directory = std::env::temp_dir().join(format!("libmojo-doc-{}", std::process::id()));
/// # let path = directory.join("greeter");
/// # let there = Node::new();
/// let server = Server::bind(&path)?;
/// # let client = std::thread::spawn(move || {
/// // Some other process:
/// let accepted = AcceptedInvitation::accept_on(&there, connect(&path)?).map_err(|(error, _)| error)?;
/// accepted.extract(b"greetings")?.send(Message::from("is anybody there?")).map_err(|error| error.kind)?;
/// # Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
/// # });
///
/// let client_socket = server.accept(None)?;
/// assert_eq!(client_socket.credentials().pid, std::process::id());
/// let invitation = Invitation::new();
/// let pipe = invitation.attach(b"greetings")?;
/// invitation.send(client_socket).map_err(|(error, _)| error)?;
/// assert_eq!(pipe.recv()?.payload(), b"is anybody there?");
/// # client.join().unwrap().unwrap();
/// # std::fs::remove_dir_all(directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Server(Listener);

/// A process that has connected to a [`Server`]. Dropping it refuses it.
#[derive(Debug)]
pub struct Incoming {
    socket: Socket,
    credentials: Credentials,
}

impl Server {
    /// Listens at a path, at most about a hundred bytes long. Missing directories are made, for the present user only.
    /// What a killed process has left behind there is replaced.
    ///
    /// # Errors
    /// `AddrInUse` if somebody listens there, `AlreadyExists` if the file is no socket, `InvalidInput` if the path is
    /// too long, or what the system says.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Server> {
        Listener::bind(path.as_ref()).map(Server)
    }

    /// Listens at an abstract name, which is no file. Every process of the machine's network namespace can connect to
    /// it, whatever its user.
    ///
    /// # Errors
    /// `AddrInUse` if somebody listens there, `InvalidInput` if the name is over about a hundred bytes, or what the
    /// system says.
    pub fn bind_abstract(name: &[u8]) -> io::Result<Server> {
        Listener::bind_abstract(name).map(Server)
    }

    /// Takes over a listening UNIX stream socket that somebody else has made.
    ///
    /// # Errors
    /// `InvalidInput` if it is none; it comes back.
    pub fn from_socket(socket: OwnedFd) -> Result<Server, (io::Error, OwnedFd)> {
        Listener::from_fd(socket).map(Server)
    }

    /// Waits until somebody connects, or for not longer than the deadline.
    ///
    /// # Errors
    /// `TimedOut`, or what the system says.
    pub fn accept(&self, deadline: Option<Instant>) -> io::Result<Incoming> {
        loop {
            if let Some(incoming) = self.try_accept()? {
                return Ok(incoming);
            }
            if !self.0.wait(deadline)? {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }

    /// Takes the next that has connected, if there is one. The server is readable then for whoever polls it.
    ///
    /// # Errors
    /// What the system says.
    pub fn try_accept(&self) -> io::Result<Option<Incoming>> {
        let Some(socket) = self.0.accept()? else { return Ok(None) };
        let credentials = socket.peer_credentials()?;
        Ok(Some(Incoming { socket, credentials }))
    }
}

impl AsFd for Server {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Incoming {
    /// Who has connected: what the system says of the process as it did.
    pub fn credentials(&self) -> Credentials {
        self.credentials
    }
}

impl From<Incoming> for OwnedFd {
    fn from(incoming: Incoming) -> OwnedFd {
        incoming.socket.into()
    }
}

/// Connects to the [`Server`] at a path; the socket is for [`AcceptedInvitation`](crate::AcceptedInvitation).
///
/// # Errors
/// `NotFound` or `ConnectionRefused` if nobody listens there, or what the system says.
pub fn connect(path: impl AsRef<Path>) -> io::Result<OwnedFd> {
    Ok(Socket::connect(path.as_ref())?.into())
}

/// Connects to the [`Server`] at an abstract name.
///
/// # Errors
/// `ConnectionRefused` if nobody listens there, or what the system says.
pub fn connect_abstract(name: &[u8]) -> io::Result<OwnedFd> {
    Ok(Socket::connect_abstract(name)?.into())
}
