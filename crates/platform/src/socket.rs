//! Connected UNIX stream sockets that carry bytes and descriptors.

use crate::fork::{Private, is_forked};
use rustix::io::Errno;
use rustix::net::sockopt;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The most descriptors that the system passes in one call.
pub const MAX_DESCRIPTORS_PER_SEND: usize = 253;

const CONTROL_BYTES: usize = rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS_PER_SEND));

/// One end of a connection to another process. No method blocks, and none changes the flags of the socket, which
/// other processes may share. Processes that are forked off this one do not keep it, so that its end is seen.
#[derive(Debug)]
pub struct Socket(Private);

/// What one call to [`Socket::recv`] brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// How many bytes; 0 means that the other side is gone and everything has been read.
    pub bytes: usize,
    /// Some descriptors could not be brought into this process and are lost.
    pub descriptors_lost: bool,
}

/// True if the system refuses to send descriptors because too many are under way already. Trying again later can
/// succeed.
pub fn is_too_many_references(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::TOOMANYREFS.raw_os_error())
}

impl Socket {
    /// Two sockets connected to each other, neither inherited by programs that this process executes.
    pub fn pair() -> io::Result<(Socket, Socket)> {
        let flags = SocketFlags::CLOEXEC;
        let (a, b) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        Ok((Socket(Private::new(a)), Socket(Private::new(b))))
    }

    /// Takes a connected UNIX stream socket; from now on it is not inherited by executed programs, and does not
    /// report credentials with what it receives. The descriptor comes back on failure.
    ///
    /// # Errors
    /// `InvalidInput` for anything that is not such a socket, or what the system says.
    pub fn from_fd(fd: OwnedFd) -> Result<Socket, (io::Error, OwnedFd)> {
        match check(&fd) {
            Ok(()) => Ok(Socket(Private::new(fd))),
            Err(error) => Err((error, fd)),
        }
    }

    /// Sends bytes, and descriptors with the first of them, in one call. Returns how many bytes were taken; if
    /// any were, all descriptors were too.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room, `InvalidInput` for more than [`MAX_DESCRIPTORS_PER_SEND`] descriptors or
    /// for descriptors without a byte to go with, which the system would drop, `BrokenPipe` if the other side is
    /// gone (never a signal), and see [`is_too_many_references`].
    pub fn send(&self, bytes: &[IoSlice<'_>], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
        let has_carrier = descriptors.is_empty() || bytes.iter().any(|slice| !slice.is_empty());
        if descriptors.len() > MAX_DESCRIPTORS_PER_SEND || !has_carrier {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let sent = rustix::io::retry_on_intr(|| {
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !descriptors.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(descriptors));
            }
            rustix::net::sendmsg(self.0.as_fd(), bytes, &mut control, flags)
        })?;
        Ok(sent)
    }

    /// Receives what is there, in one call: bytes into `buffer`, descriptors behind those in `descriptors`. The
    /// descriptors are not inherited by executed programs.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing, as ever in a process that was forked off, `ConnectionReset` if the other side went away without having read
    /// everything (and all that it sent has been received), `InvalidInput` for an empty buffer, with which nothing
    /// could be told from the end.
    pub fn recv(&self, buffer: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> io::Result<Received> {
        if buffer.is_empty() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if is_forked() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            match rustix::net::recvmsg(self.0.as_fd(), &mut [IoSliceMut::new(buffer)], &mut control, flags) {
                Err(Errno::INTR) => {}
                outcome => break outcome?,
            }
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        let descriptors_lost = received.flags.contains(ReturnFlags::CTRUNC);
        Ok(Received { bytes: received.bytes, descriptors_lost })
    }

    /// Ends the connection in both directions. The other side still receives what was sent.
    pub fn shutdown(&self) {
        // Fails only if the connection has ended already.
        let _ = rustix::net::shutdown(self.0.as_fd(), Shutdown::Both);
    }
}

fn check(fd: &OwnedFd) -> io::Result<()> {
    let is_unix = sockopt::socket_domain(fd).is_ok_and(|domain| domain == AddressFamily::UNIX);
    let is_stream = sockopt::socket_type(fd).is_ok_and(|kind| kind == SocketType::STREAM);
    if !is_unix || !is_stream {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a UNIX stream socket"));
    }
    // A pair whose other end is already gone was connected; its end will be noticed by whoever reads from it.
    match rustix::net::getpeername(fd) {
        Ok(_) => {}
        Err(Errno::NOTCONN) => return Err(io::Error::new(io::ErrorKind::InvalidInput, "not connected")),
        Err(error) => return Err(error.into()),
    }
    rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC)?;
    // Credentials would take the place of descriptors where only the descriptors were provided for.
    sockopt::set_socket_passcred(fd, false)?;
    Ok(())
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Socket> for OwnedFd {
    fn from(socket: Socket) -> OwnedFd {
        socket.0.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    fn is_cloexec(fd: impl AsFd) -> bool {
        rustix::io::fcntl_getfd(fd).unwrap().contains(rustix::io::FdFlags::CLOEXEC)
    }

    #[test]
    fn bytes_and_the_most_descriptors_arrive_together_and_are_not_inherited() {
        let (a, b) = Socket::pair().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        let many = vec![file.as_fd(); MAX_DESCRIPTORS_PER_SEND];
        assert_eq!(a.send(&[IoSlice::new(b"he"), IoSlice::new(b"llo")], &many).unwrap(), 5);
        let (mut bytes, mut descriptors) = ([0; 16], Vec::new());
        let received = b.recv(&mut bytes, &mut descriptors).unwrap();
        assert_eq!(received, Received { bytes: 5, descriptors_lost: false });
        assert_eq!(&bytes[..5], b"hello");
        assert_eq!(descriptors.len(), MAX_DESCRIPTORS_PER_SEND);
        assert!(descriptors.iter().all(is_cloexec));
        assert!(a.send(&[IoSlice::new(b"x")], &vec![file.as_fd(); 254]).is_err());
    }

    #[test]
    fn a_passed_descriptor_is_the_same_open_file() {
        let (a, b) = Socket::pair().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        a.send(&[IoSlice::new(b"x")], &[writer.as_fd()]).unwrap();
        drop(writer);
        let mut descriptors = Vec::new();
        b.recv(&mut [0; 1], &mut descriptors).unwrap();
        std::fs::File::from(descriptors.pop().unwrap()).write_all(b"through").unwrap();
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"through");
    }

    #[test]
    fn calls_that_could_not_mean_anything_are_refused() {
        let (a, b) = Socket::pair().unwrap();
        let without_bytes = a.send(&[IoSlice::new(b"")], &[b.as_fd()]).unwrap_err();
        assert_eq!(without_bytes.kind(), io::ErrorKind::InvalidInput);
        a.send(&[IoSlice::new(b"x")], &[]).unwrap();
        let without_room = b.recv(&mut [], &mut Vec::new()).unwrap_err();
        assert_eq!(without_room.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(b.recv(&mut [0; 1], &mut Vec::new()).unwrap().bytes, 1);
    }

    #[test]
    fn descriptors_of_a_later_send_do_not_come_with_the_bytes_of_an_earlier_one() {
        let (a, b) = Socket::pair().unwrap();
        a.send(&[IoSlice::new(b"one")], &[b.as_fd()]).unwrap();
        a.send(&[IoSlice::new(b"two")], &[b.as_fd(), b.as_fd()]).unwrap();
        let (mut bytes, mut descriptors) = ([0; 16], Vec::new());
        assert_eq!(b.recv(&mut bytes, &mut descriptors).unwrap().bytes, 3);
        assert_eq!(descriptors.len(), 1);
        assert_eq!(b.recv(&mut bytes, &mut descriptors).unwrap().bytes, 3);
        assert_eq!(descriptors.len(), 3);
    }

    #[test]
    fn sockets_are_not_inherited_and_keep_their_file_flags() {
        let (a, b) = Socket::pair().unwrap();
        assert!(is_cloexec(&a) && is_cloexec(&b));
        let given: OwnedFd = std::os::unix::net::UnixStream::pair().unwrap().0.into();
        rustix::io::fcntl_setfd(&given, rustix::io::FdFlags::empty()).unwrap();
        let before = rustix::fs::fcntl_getfl(&given).unwrap();
        let socket = Socket::from_fd(given).unwrap();
        assert!(is_cloexec(&socket));
        let _ = socket.recv(&mut [0; 1], &mut Vec::new());
        let _ = socket.send(&[IoSlice::new(b"x")], &[]);
        assert_eq!(rustix::fs::fcntl_getfl(socket).unwrap(), before);
    }

    #[test]
    fn a_socket_that_reported_credentials_still_brings_the_most_descriptors() {
        let (stream, other) = std::os::unix::net::UnixStream::pair().unwrap();
        sockopt::set_socket_passcred(&stream, true).unwrap();
        let (a, b) = (Socket::from_fd(other.into()).unwrap(), Socket::from_fd(stream.into()).unwrap());
        a.send(&[IoSlice::new(b"x")], &[a.as_fd(); MAX_DESCRIPTORS_PER_SEND]).unwrap();
        let mut descriptors = Vec::new();
        let received = b.recv(&mut [0; 1], &mut descriptors).unwrap();
        assert_eq!((received.descriptors_lost, descriptors.len()), (false, MAX_DESCRIPTORS_PER_SEND));
    }

    #[test]
    fn too_many_references_is_told_from_other_errors() {
        assert!(is_too_many_references(&Errno::TOOMANYREFS.into()));
        assert!(!is_too_many_references(&Errno::AGAIN.into()));
        assert!(!is_too_many_references(&io::ErrorKind::WouldBlock.into()));
    }

    #[test]
    fn nothing_blocks_and_a_vanished_peer_raises_no_signal() {
        let (a, b) = Socket::pair().unwrap();
        let mut buffer = [0; 1];
        let nothing = b.recv(&mut buffer, &mut Vec::new()).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        let chunk = vec![0; 1 << 16];
        let full = loop {
            if let Err(error) = a.send(&[IoSlice::new(&chunk)], &[]) {
                break error;
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        drop(b);
        assert_eq!(a.send(&[IoSlice::new(b"x")], &[]).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn what_was_sent_before_the_end_is_received() {
        let (a, b) = Socket::pair().unwrap();
        a.send(&[IoSlice::new(b"bye")], &[]).unwrap();
        a.shutdown();
        let mut bytes = [0; 8];
        assert_eq!(b.recv(&mut bytes, &mut Vec::new()).unwrap().bytes, 3);
        assert_eq!(b.recv(&mut bytes, &mut Vec::new()).unwrap().bytes, 0);
    }

    #[test]
    fn only_connected_unix_stream_sockets_are_taken() {
        let (stream, mut other) = std::os::unix::net::UnixStream::pair().unwrap();
        let socket = Socket::from_fd(stream.into()).unwrap();
        other.write_all(b"ok").unwrap();
        let mut bytes = [0; 2];
        assert_eq!(socket.recv(&mut bytes, &mut Vec::new()).unwrap().bytes, 2);
        drop(socket);
        assert_eq!(other.read(&mut bytes).unwrap(), 0);

        let (reader, _writer) = std::io::pipe().unwrap();
        assert!(Socket::from_fd(reader.into()).is_err());
        assert!(Socket::from_fd(std::fs::File::open("/dev/null").unwrap().into()).is_err());
        let (datagram, _peer) = std::os::unix::net::UnixDatagram::pair().unwrap();
        assert!(Socket::from_fd(datagram.into()).is_err());
        let (packets, _peer) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        assert!(Socket::from_fd(packets).is_err());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(Socket::from_fd(listener.into()).is_err());
        assert!(Socket::from_fd(tcp.into()).is_err());
        let fresh = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        let identity = |fd: &OwnedFd| rustix::fs::fstat(fd).unwrap().st_ino;
        let before = identity(&fresh);
        let (error, fd) = Socket::from_fd(fresh).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(identity(&fd), before);
    }
}
