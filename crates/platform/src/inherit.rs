#![allow(unsafe_code)]
//! How a process that is started here comes by a socket: it inherits the descriptor, and finds its number in the
//! environment.
//!
//! The variable has two decimal numbers with a colon between: the descriptor, and the number of its inode, by which
//! the process can tell that it is the right one and not something that got the same number in a process that has
//! merely inherited the variable.

use rustix::io::{FdFlags, fcntl_setfd};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The environment variable.
pub const INHERITED_SOCKET: &str = "LIBMOJO_INVITATION";

/// Starts a process that inherits the socket, and nothing else that it would not without this: no process that
/// another thread starts at the same time gets it.
///
/// # Errors
/// What starting a process can fail with.
pub fn spawn_with_socket(command: &mut Command, socket: OwnedFd) -> io::Result<Child> {
    let number = socket.as_raw_fd();
    command.env(INHERITED_SOCKET, format!("{number}:{}", rustix::fs::fstat(&socket)?.st_ino));
    // The command keeps the closure, and may start other processes later.
    let is_wanted = Arc::new(AtomicBool::new(true));
    let wanted = is_wanted.clone();
    let pass_on = move || {
        if wanted.load(Ordering::Relaxed) {
            // SAFETY: open in this process, which is a copy of one in which `socket` is open until this is over.
            let socket = unsafe { BorrowedFd::borrow_raw(number) };
            fcntl_setfd(socket, FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure reads a word and makes a system call, and does nothing else.
    unsafe { command.pre_exec(pass_on) };
    let child = command.spawn();
    drop(socket);
    is_wanted.store(false, Ordering::Relaxed);
    command.env_remove(INHERITED_SOCKET);
    child
}

/// Takes over the socket that whoever started this process has left to it.
///
/// # Errors
/// `NotFound` if there is none or it was taken before.
pub fn inherited_socket() -> io::Result<OwnedFd> {
    static IS_TAKEN: AtomicBool = AtomicBool::new(false);
    let missing = || io::Error::new(io::ErrorKind::NotFound, "this process has inherited no invitation");
    let value = std::env::var(INHERITED_SOCKET).map_err(|_| missing())?;
    let (number, inode) = value.split_once(':').ok_or_else(missing)?;
    let number: RawFd = number.parse().map_err(|_| missing())?;
    let inode: u64 = inode.parse().map_err(|_| missing())?;
    if number < 3 || IS_TAKEN.swap(true, Ordering::SeqCst) {
        return Err(missing());
    }
    // SAFETY: whoever started this process has left the descriptor to the caller of this function, of whom there is
    // only one. If this process has merely inherited the variable, the number may stand for anything or nothing,
    // which is looked at and left alone.
    let socket = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(number) });
    if rustix::fs::fstat(&*socket).is_ok_and(|stat| stat.st_ino == inode) {
        fcntl_setfd(&*socket, FdFlags::CLOEXEC)?;
        Ok(ManuallyDrop::into_inner(socket))
    } else {
        Err(missing())
    }
}
