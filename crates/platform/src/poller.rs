//! Waiting for many sockets at once.

use crate::Doorbell;
use crate::fork::Private;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::io::Errno;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// How many events are taken from the system at a time.
const EVENTS_PER_WAIT: usize = 64;

/// The token of the wake-up, which no socket may have.
const WAKE: u64 = u64::MAX;

/// The longest wait that every version of the system takes, some 24 days.
const LONGEST_WAIT: Duration = Duration::from_millis(i32::MAX as u64);

/// A set of sockets to wait for. Level-triggered: what is not dealt with is reported again. Processes that are forked
/// off this one do not keep it: it would be the same set.
#[derive(Debug)]
pub struct Poller {
    epoll: Private,
    wake: Doorbell,
}

/// What to wait for on a socket. Its end is always reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Something can be received.
    pub read: bool,
    /// Something can be sent.
    pub write: bool,
}

/// A socket that need not be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// What the socket was added with.
    pub token: u64,
    /// Something can be received, or the connection has ended.
    pub readable: bool,
    /// Something can be sent.
    pub writable: bool,
}

impl Poller {
    /// Makes an empty set. It takes two descriptors, which executed programs do not inherit.
    ///
    /// # Errors
    /// What the system says if there is no descriptor left.
    pub fn new() -> io::Result<Self> {
        let epoll = Private::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        let wake = Doorbell::new()?;
        epoll::add(&epoll, wake.as_fd(), epoll::EventData::new_u64(WAKE), epoll::EventFlags::IN)?;
        Ok(Self { epoll, wake })
    }

    /// Adds a socket under a token, which must not be `u64::MAX`. The caller removes it before closing it: while
    /// another process has the same socket, closing alone does not end the reports.
    ///
    /// # Errors
    /// `InvalidInput` for that token, or what the system says, for instance if the socket is there already.
    pub fn add(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        check(token)?;
        Ok(epoll::add(&self.epoll, fd, epoll::EventData::new_u64(token), flags(interest))?)
    }

    /// Changes what to wait for. Takes effect at once, also for a thread that waits already.
    ///
    /// # Errors
    /// `InvalidInput` for the token `u64::MAX`, or what the system says, for instance if the socket is not there.
    pub fn modify(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        check(token)?;
        Ok(epoll::modify(&self.epoll, fd, epoll::EventData::new_u64(token), flags(interest))?)
    }

    /// Removes a socket. Events of it that were reported before may still be under way.
    ///
    /// # Errors
    /// What the system says if the socket is not there.
    pub fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    /// Waits until a socket is ready, [`wake`](Self::wake) is called, a signal arrives, or the timeout is over
    /// (`None`: for ever). Fills `ready` with the sockets that are ready, if any, in place of what it held.
    ///
    /// # Errors
    /// None are to be expected; a signal is not one.
    pub fn wait(&self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        ready.clear();
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout.min(LONGEST_WAIT)).ok());
        let mut events = [MaybeUninit::uninit(); EVENTS_PER_WAIT];
        let events = match epoll::wait(&self.epoll, &mut events, timeout.as_ref()) {
            Ok((events, _)) => events,
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in events {
            let flags = event.flags;
            if event.data.u64() == WAKE {
                self.wake.silence();
                continue;
            }
            let ended = epoll::EventFlags::HUP | epoll::EventFlags::ERR | epoll::EventFlags::RDHUP;
            ready.push(Ready {
                token: event.data.u64(),
                readable: flags.intersects(epoll::EventFlags::IN | ended),
                writable: flags.contains(epoll::EventFlags::OUT),
            });
        }
        Ok(())
    }

    /// Ends a wait that is going on, or else the next one. May be called from any thread.
    pub fn wake(&self) {
        self.wake.ring();
    }
}

impl AsFd for Poller {
    /// Readable when a wait would not take long.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

/// Blocks the thread until a descriptor is ready, or its other side is gone. False if the deadline has passed before; `None`
/// waits without one.
///
/// # Errors
/// What the system says if it cannot wait for the descriptor.
pub fn wait_for(fd: BorrowedFd<'_>, interest: Interest, deadline: Option<Instant>) -> io::Result<bool> {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, interest.read);
    flags.set(PollFlags::OUT, interest.write);
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // One that cannot be expressed is as good as none.
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut [PollFd::from_borrowed_fd(fd, flags)], timeout.as_ref()) {
            Ok(0) if left.is_some_and(|left| left.is_zero()) => return Ok(false),
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}

fn check(token: u64) -> io::Result<()> {
    if token == WAKE { Err(io::ErrorKind::InvalidInput.into()) } else { Ok(()) }
}

fn flags(interest: Interest) -> epoll::EventFlags {
    let mut flags = epoll::EventFlags::empty();
    flags.set(epoll::EventFlags::IN, interest.read);
    flags.set(epoll::EventFlags::OUT, interest.write);
    flags
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Socket;
    use std::io::IoSlice;

    const READ: Interest = Interest { read: true, write: false };

    #[test]
    fn a_wake_up_ends_the_wait_once() {
        let poller = Poller::new().unwrap();
        let mut ready = Vec::new();
        poller.wake();
        poller.wake();
        poller.wait(&mut ready, None).unwrap();
        assert!(ready.is_empty());
        poller.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| poller.wake());
            poller.wait(&mut ready, None).unwrap();
        });
    }

    #[test]
    fn sockets_are_reported_with_what_they_are_ready_for() {
        let poller = Poller::new().unwrap();
        let (a, b) = Socket::pair().unwrap();
        poller.add(a.as_fd(), 7, READ).unwrap();
        let mut ready = Vec::new();
        poller.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert!(ready.is_empty());
        b.send(&[IoSlice::new(b"x")], &[]).unwrap();
        poller.wait(&mut ready, None).unwrap();
        assert_eq!(ready, [Ready { token: 7, readable: true, writable: false }]);
        poller.modify(a.as_fd(), 7, Interest { read: false, write: true }).unwrap();
        poller.wait(&mut ready, None).unwrap();
        assert_eq!(ready, [Ready { token: 7, readable: false, writable: true }]);
        drop(b);
        poller.modify(a.as_fd(), 7, READ).unwrap();
        poller.wait(&mut ready, None).unwrap();
        assert!(ready[0].readable);
        poller.remove(a.as_fd()).unwrap();
        poller.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert!(ready.is_empty());
    }

    #[test]
    fn the_token_of_the_wake_up_is_refused() {
        let poller = Poller::new().unwrap();
        let (a, _b) = Socket::pair().unwrap();
        assert_eq!(poller.add(a.as_fd(), u64::MAX, READ).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        poller.add(a.as_fd(), u64::MAX - 1, READ).unwrap();
        assert_eq!(poller.modify(a.as_fd(), u64::MAX, READ).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn readiness_is_reported_until_it_is_dealt_with() {
        let poller = Poller::new().unwrap();
        let (a, b) = Socket::pair().unwrap();
        poller.add(a.as_fd(), 1, READ).unwrap();
        b.send(&[IoSlice::new(b"xy")], &[]).unwrap();
        let mut ready = Vec::new();
        for _ in 0..2 {
            poller.wait(&mut ready, None).unwrap();
            assert_eq!(ready.len(), 1);
            a.recv(&mut [0; 1], &mut Vec::new()).unwrap();
        }
        poller.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert!(ready.is_empty());
    }

    #[test]
    fn more_sockets_than_one_wait_takes_are_all_reported() {
        let poller = Poller::new().unwrap();
        let pairs: Vec<_> = (0..2 * EVENTS_PER_WAIT + 1).map(|_| Socket::pair().unwrap()).collect();
        for ((a, b), token) in pairs.iter().zip(0..) {
            poller.add(a.as_fd(), token, READ).unwrap();
            b.send(&[IoSlice::new(b"x")], &[]).unwrap();
        }
        let (mut ready, mut seen) = (Vec::new(), std::collections::BTreeSet::new());
        while seen.len() < pairs.len() {
            poller.wait(&mut ready, None).unwrap();
            seen.extend(ready.iter().map(|ready| ready.token));
        }
    }

    #[test]
    fn a_full_socket_becomes_writable_when_it_is_read_from() {
        let poller = Poller::new().unwrap();
        let (a, b) = Socket::pair().unwrap();
        let chunk = vec![0; 1 << 16];
        while a.send(&[IoSlice::new(&chunk)], &[]).is_ok() {}
        poller.add(a.as_fd(), 3, Interest { read: true, write: true }).unwrap();
        let mut ready = Vec::new();
        poller.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert!(ready.is_empty());
        let mut buffer = chunk;
        while b.recv(&mut buffer, &mut Vec::new()).is_ok() {}
        poller.wait(&mut ready, None).unwrap();
        assert_eq!(ready, [Ready { token: 3, readable: false, writable: true }]);
    }

    #[test]
    fn the_end_is_reported_without_any_interest_and_the_longest_timeout_is_taken() {
        let poller = Poller::new().unwrap();
        let (a, b) = Socket::pair().unwrap();
        poller.add(a.as_fd(), 9, Interest { read: false, write: false }).unwrap();
        drop(b);
        let mut ready = Vec::new();
        poller.wait(&mut ready, Some(Duration::MAX)).unwrap();
        assert_eq!(ready, [Ready { token: 9, readable: true, writable: false }]);
    }
}
