#![allow(unsafe_code)]
//! Processes that are forked off without executing a program.
//!
//! Such a child has a copy of all that its parent's threads were in the middle of, and none of the threads: locks that
//! nobody will release, descriptors that say of the parent's connections that they go on. It can only leave all of that
//! alone. So it is told apart here, by a handler that the system calls in each child: [`is_forked`] is true there for
//! ever, and every [`Private`] descriptor has been exchanged for one that does nothing. The number stays in use, so
//! that the copy of whoever owns it can neither reach nor close anything that the child opens later.
//!
//! The handler runs while nothing but system calls can be relied on. What it has to know lies in atomics of fixed size.
//!
//! The system's own `pthread_atfork` is declared here: one function of a settled form, for which no crate is needed.
//! A program that calls `clone` itself gets no handlers called, and is not noticed.

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{DupFlags, dup3, fcntl_dupfd_cloexec};
use std::ffi::c_int;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// No call of the library has been made yet, and forking is no concern of it.
const UNUSED: u8 = 0;
/// The handler is in place.
const IN_USE: u8 = 1;
/// This is a child of a process in which it was.
const FORKED: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(UNUSED);

/// One bit for each descriptor number that is private: as many as a process usually can have.
static PRIVATE: [AtomicU64; 1 << 14] = [const { AtomicU64::new(0) }; 1 << 14];

/// How many words of [`PRIVATE`] were ever used.
static USED_WORDS: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" {
    /// Has functions called around each `fork` of the process; 0 if that is arranged.
    fn pthread_atfork(
        prepare: Option<unsafe extern "C" fn()>,
        parent: Option<unsafe extern "C" fn()>,
        child: Option<unsafe extern "C" fn()>,
    ) -> c_int;
}

/// True in a process that was forked off, without executing a program, from one that had asked this before. Every call
/// of the library asks it before it does anything else; it costs one load.
#[inline]
pub fn is_forked() -> bool {
    STATE.load(Ordering::Relaxed) != IN_USE && look()
}

/// The error with which such a process is told that it cannot use the library.
pub fn forked_error() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "the process is the fork of one that uses the library")
}

#[cold]
fn look() -> bool {
    if STATE.load(Ordering::Relaxed) == FORKED {
        return true;
    }
    // If two threads come here at once there are two handlers, of which the second has nothing left to do.
    // SAFETY: the handler may be called at any time in a child: it makes system calls and uses atomics only. Where this
    // library is unloaded again, the system forgets the handler with it.
    let outcome = unsafe { pthread_atfork(None, None, Some(in_child)) };
    if outcome == 0 {
        let _ = STATE.compare_exchange(UNUSED, IN_USE, Ordering::Relaxed, Ordering::Relaxed);
    }
    false
}

unsafe extern "C" fn in_child() {
    STATE.store(FORKED, Ordering::Relaxed);
    let mut stand_in = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok();
    for (at, word) in PRIVATE.iter().enumerate().take(USED_WORDS.load(Ordering::Relaxed)) {
        let mut bits = word.swap(0, Ordering::Relaxed);
        while bits != 0 {
            // Below 2²⁰.
            let number = (at * 64) as RawFd + bits.trailing_zeros() as RawFd;
            bits &= bits - 1;
            match &stand_in {
                // The system copies the descriptors before the memory. One that was made in between is not here, and
                // its number was free.
                Some(own) if own.as_raw_fd() == number => stand_in = another(stand_in.take()),
                _ => give_up(number, stand_in.as_ref()),
            }
        }
    }
}

/// Leaves a descriptor to whoever believes to own its number, and makes another like it.
fn another(stand_in: Option<OwnedFd>) -> Option<OwnedFd> {
    let next = stand_in.as_ref().and_then(|fd| fcntl_dupfd_cloexec(fd, 0).ok());
    std::mem::forget(stand_in);
    next
}

/// Closes a private descriptor of the parent, in favour of one that does nothing.
fn give_up(number: RawFd, stand_in: Option<&OwnedFd>) {
    // SAFETY: a number is noted only while a `Private` owns it, so nothing else has it here. The copy of that owner goes
    // on to own the number, which is not closed by this.
    let mut own = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(number) });
    let is_exchanged = stand_in.is_some_and(|stand_in| dup3(stand_in, &mut own, DupFlags::CLOEXEC).is_ok());
    if !is_exchanged {
        // There are no descriptors left. Better the number is free than the connection held.
        // SAFETY: as above; nobody can use the owner any more but to drop it.
        unsafe { rustix::io::close(number) };
    }
}

/// A descriptor that children which are forked off do not keep.
///
/// One that is forked off by another thread in the very moment in which the descriptor is made may have it all the same.
#[derive(Debug)]
pub(crate) struct Private {
    // Dropped first: a number that was closed may be somebody else's at once.
    _note: Note,
    fd: OwnedFd,
}

impl Private {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self { _note: Note::of(fd.as_raw_fd()), fd }
    }

    /// The descriptor, as one like any other.
    pub(crate) fn into_inner(self) -> OwnedFd {
        self.fd
    }
}

impl AsFd for Private {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The mark of a number in [`PRIVATE`].
#[derive(Debug)]
struct Note(RawFd);

impl Note {
    fn of(number: RawFd) -> Self {
        if let Some((at, word, bit)) = place(number) {
            USED_WORDS.fetch_max(at + 1, Ordering::Relaxed);
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Self(number)
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        if let Some((_, word, bit)) = place(self.0) {
            word.fetch_and(!bit, Ordering::Relaxed);
        }
    }
}

/// The word and the bit of a number.
fn place(number: RawFd) -> Option<(usize, &'static AtomicU64, u64)> {
    let number = usize::try_from(number).ok()?;
    Some((number / 64, PRIVATE.get(number / 64)?, 1 << (number % 64)))
}
