//! Sockets that strangers connect to by a name: of a file, or abstract.

use crate::Socket;
use crate::fork::{Private, forked_error, is_forked};
use crate::poller::{Interest, wait_for};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How many connections wait to be accepted before the next are refused or made to wait.
const BACKLOG: i32 = 128;

/// A listening socket. One that was bound to a file takes it away when dropped. Processes that are forked off this one
/// do not keep it.
#[derive(Debug)]
pub struct Listener {
    socket: Private,
    _file: Option<OwnFile>,
}

/// The file that a socket was bound to, unless somebody else has put another in its place.
#[derive(Debug)]
struct OwnFile {
    path: PathBuf,
    identity: (u64, u64),
}

/// What the system says of the process at the other side of a connection, as of the moment it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Its process id.
    pub pid: u32,
    /// Its effective user id.
    pub uid: u32,
    /// Its effective group id.
    pub gid: u32,
}

impl Listener {
    /// Listens at a path. Missing directories are made, for the present user only. A socket file that a process has
    /// left behind, so that nobody listens there any more, is replaced.
    ///
    /// # Errors
    /// `AddrInUse` if somebody listens there, `AlreadyExists` if the file is no socket, `InvalidInput` if the path is
    /// too long, or what the system says.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let address = address_of(path)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        // Two processes that find the same file left behind must not replace each other's. Nothing of this lock
        // outlives the process.
        let directory = rustix::fs::open(parent, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::io::retry_on_intr(|| rustix::fs::flock(&directory, FlockOperation::LockExclusive))?;
        remove_if_left_behind(path, &address)?;
        let socket = new_socket(SocketType::STREAM)?;
        rustix::net::bind(&socket, &address)?;
        let metadata = std::fs::symlink_metadata(path)?;
        let file = OwnFile { path: std::path::absolute(path)?, identity: (metadata.dev(), metadata.ino()) };
        Self::listen(socket, Some(file))
    }

    /// Listens at a name that is no file and vanishes with its last listener.
    ///
    /// # Errors
    /// `AddrInUse` if somebody listens there, `InvalidInput` if the name is too long, or what the system says.
    pub fn bind_abstract(name: &[u8]) -> io::Result<Self> {
        let socket = new_socket(SocketType::STREAM)?;
        rustix::net::bind(&socket, &abstract_address(name)?)?;
        Self::listen(socket, None)
    }

    fn listen(socket: OwnedFd, file: Option<OwnFile>) -> io::Result<Self> {
        let listener = Self { socket: Private::new(socket), _file: file };
        rustix::net::listen(listener.as_fd(), BACKLOG)?;
        Ok(listener)
    }

    /// Takes a listening UNIX stream socket that somebody else has made.
    ///
    /// # Errors
    /// `InvalidInput` if it is none; it comes back.
    pub fn from_fd(socket: OwnedFd) -> Result<Self, (io::Error, OwnedFd)> {
        match check(&socket) {
            Ok(()) => Ok(Self { socket: Private::new(socket), _file: None }),
            Err(error) => Err((error, socket)),
        }
    }

    /// Takes the next connection, if there is one.
    pub fn accept(&self) -> io::Result<Option<Socket>> {
        if is_forked() {
            return Err(forked_error());
        }
        match rustix::io::retry_on_intr(|| rustix::net::accept_with(self.as_fd(), SocketFlags::CLOEXEC)) {
            Ok(socket) => Socket::from_fd(socket).map(Some).map_err(|(error, _)| error),
            // Gone before it was taken.
            Err(Errno::AGAIN | Errno::CONNABORTED) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Listener {
    /// Waits until there is a connection to accept. False if the deadline has passed before.
    pub fn wait(&self, deadline: Option<Instant>) -> io::Result<bool> {
        if is_forked() {
            return Err(forked_error());
        }
        wait_for(self.as_fd(), Interest { read: true, write: false }, deadline)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl From<Listener> for OwnedFd {
    /// The bare socket; a file that it was bound to is taken away.
    fn from(listener: Listener) -> OwnedFd {
        listener.socket.into_inner()
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        if is_forked() {
            return;
        }
        let is_own = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino()) == self.identity;
        if std::fs::symlink_metadata(&self.path).is_ok_and(is_own) {
            // If it cannot be removed, the next one to listen there does it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Socket {
    /// Connects to whoever listens at a path.
    ///
    /// # Errors
    /// `ConnectionRefused` or `NotFound` if nobody does, or what the system says.
    pub fn connect(path: &Path) -> io::Result<Socket> {
        connect(&address_of(path)?)
    }

    /// Connects to whoever listens at a name that is no file.
    ///
    /// # Errors
    /// `ConnectionRefused` if nobody does, or what the system says.
    pub fn connect_abstract(name: &[u8]) -> io::Result<Socket> {
        connect(&abstract_address(name)?)
    }

    /// Who is at the other side: the process that connected, or that listened, or, for a pair, that made it.
    pub fn peer_credentials(&self) -> io::Result<Credentials> {
        let credentials = sockopt::socket_peercred(self)?;
        let pid = credentials.pid.as_raw_nonzero().get().cast_unsigned();
        Ok(Credentials { pid, uid: credentials.uid.as_raw(), gid: credentials.gid.as_raw() })
    }
}

fn new_socket(kind: SocketType) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(AddressFamily::UNIX, kind, flags, None)?)
}

fn address_of(path: &Path) -> io::Result<SocketAddrUnix> {
    SocketAddrUnix::new(path)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the path is too long for a socket, or not a path"))
}

fn abstract_address(name: &[u8]) -> io::Result<SocketAddrUnix> {
    SocketAddrUnix::new_abstract_name(name)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the name is too long for a socket"))
}

fn connect(address: &SocketAddrUnix) -> io::Result<Socket> {
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    rustix::io::retry_on_intr(|| rustix::net::connect(&socket, address))?;
    Socket::from_fd(socket).map_err(|(error, _)| error)
}

fn remove_if_left_behind(path: &Path, address: &SocketAddrUnix) -> io::Result<()> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !metadata.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"));
    }
    // A socket of another type finds out whether somebody listens without being taken for a client.
    let probe = new_socket(SocketType::DGRAM)?;
    match rustix::net::connect(probe, address) {
        Ok(()) | Err(Errno::PROTOTYPE) => Err(Errno::ADDRINUSE.into()),
        Err(Errno::CONNREFUSED) => std::fs::remove_file(path),
        Err(error) => Err(error.into()),
    }
}

fn check(socket: &OwnedFd) -> io::Result<()> {
    let is_unix = sockopt::socket_domain(socket).is_ok_and(|domain| domain == AddressFamily::UNIX);
    let is_stream = sockopt::socket_type(socket).is_ok_and(|kind| kind == SocketType::STREAM);
    let listens = sockopt::socket_acceptconn(socket).is_ok_and(|listens| listens);
    if !is_unix || !is_stream || !listens {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a listening UNIX stream socket"));
    }
    rustix::io::fcntl_setfd(socket, rustix::io::FdFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(socket, rustix::fs::fcntl_getfl(socket)? | OFlags::NONBLOCK)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::IoSlice;
    use std::os::unix::net::UnixListener;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("libmojo-listener-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        path
    }

    fn assert_connected(listener: &Listener, client: &Socket) {
        let server = listener.accept().unwrap().unwrap();
        client.send(&[IoSlice::new(b"x")], &[]).unwrap();
        assert_eq!(server.recv(&mut [0; 2], &mut Vec::new()).unwrap().bytes, 1);
        let own = (std::process::id(), rustix::process::geteuid().as_raw());
        let credentials = server.peer_credentials().unwrap();
        assert_eq!((credentials.pid, credentials.uid), own);
    }

    #[test]
    fn a_path_is_listened_at_and_gone_afterwards() {
        let directory = directory("path");
        let path = directory.join("a/b/socket");
        let listener = Listener::bind(&path).unwrap();
        assert!(listener.accept().unwrap().is_none());
        assert_connected(&listener, &Socket::connect(&path).unwrap());
        assert_eq!(Listener::bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        assert!(!path.exists());
        assert_eq!(Socket::connect(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn what_a_killed_process_left_behind_is_replaced_but_nothing_else() {
        let directory = directory("stale");
        std::fs::create_dir(&directory).unwrap();
        let path = directory.join("socket");
        // Closed without removing the file.
        drop(UnixListener::bind(&path).unwrap());
        assert_eq!(Socket::connect(&path).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        let listener = Listener::bind(&path).unwrap();
        assert_connected(&listener, &Socket::connect(&path).unwrap());
        // Somebody else's file in the same place is not touched.
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "precious").unwrap();
        drop(listener);
        assert_eq!(Listener::bind(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn of_many_that_want_the_place_of_a_dead_one_a_single_one_gets_it() {
        let directory = directory("race");
        std::fs::create_dir(&directory).unwrap();
        let path = directory.join("socket");
        for _ in 0..50 {
            drop(UnixListener::bind(&path).unwrap());
            let listeners: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| Listener::bind(&path))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let mut bound = listeners.iter().flatten();
            let listener = bound.next().unwrap();
            assert!(bound.next().is_none());
            // Those that lost have left no trace.
            assert_connected(listener, &Socket::connect(&path).unwrap());
            assert!(listener.accept().unwrap().is_none());
        }
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn an_abstract_name_has_one_listener() {
        let name = format!("libmojo-listener-{}", std::process::id());
        let listener = Listener::bind_abstract(name.as_bytes()).unwrap();
        assert_connected(&listener, &Socket::connect_abstract(name.as_bytes()).unwrap());
        assert_eq!(Listener::bind_abstract(name.as_bytes()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        assert_eq!(Socket::connect_abstract(name.as_bytes()).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn only_listening_sockets_are_taken_and_long_names_are_refused() {
        let (a, _b) = Socket::pair().unwrap();
        let (error, _socket) = Listener::from_fd(a.into()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let long = PathBuf::from("x".repeat(200));
        assert_eq!(Listener::bind(&long).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(Listener::bind_abstract(&[b'x'; 200]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(Socket::connect(&long).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
