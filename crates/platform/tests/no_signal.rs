//! Sending to a peer that is gone is an error and never a signal. The Rust runtime ignores the signal before `main`,
//! which would hide it, so this program starts without the runtime.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![no_main]

use libmojo_platform::{SharedMemory, Socket};
use std::ffi::c_int;
use std::io::{ErrorKind, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;

const SIGPIPE: u32 = 13;

/// True if this process would survive the signal anyway.
fn is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(ignored.trim(), 16).unwrap() & (1 << (SIGPIPE - 1)) != 0
}

/// Called by the C runtime.
// SAFETY: nothing else in this program is called `main`.
#[unsafe(no_mangle)]
pub extern "C" fn main(_: c_int, _: *const *const u8) -> c_int {
    let is_second = std::env::args().any(|argument| argument == "second");
    if is_ignored() {
        assert!(!is_second, "the signal is ignored in spite of everything");
        // Spawning, unlike starting, gives programs the default disposition.
        let mut again = std::process::Command::new("/proc/self/exe");
        let status = again.arg0("no_signal").arg("second").status().unwrap();
        assert!(status.success(), "{status}");
        return 0;
    }
    let (a, b) = Socket::pair().unwrap();
    drop(b);
    assert_eq!(a.send(&[IoSlice::new(b"x")], &[]).unwrap_err().kind(), ErrorKind::BrokenPipe);
    let (a, _b) = Socket::pair().unwrap();
    a.shutdown();
    assert_eq!(a.send(&[IoSlice::new(b"x")], &[]).unwrap_err().kind(), ErrorKind::BrokenPipe);
    let (a, b) = Socket::pair().unwrap();
    drop(b);
    let mapping = SharedMemory::create(1, false).unwrap().map(0, 1).unwrap();
    assert_eq!(mapping.write_to(0, 1, OwnedFd::from(a).as_fd()).unwrap_err().kind(), ErrorKind::BrokenPipe);
    println!("test no_signal ... ok");
    0
}
