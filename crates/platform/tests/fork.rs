//! What a process that is forked off without executing a program has of its parent's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use libmojo_platform::{Interest, Listener, Poller, SharedMemory, Socket, is_forked, spawn_with_socket};
use std::ffi::c_int;
use std::io::{self, IoSlice, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A child, which is waited for when dropped.
struct Child(c_int);

/// Forks. The child does what is given, and has so many seconds for it; then it ends at once, whatever it owned.
fn fork(body: impl FnOnce()) -> Child {
    // Forks are noticed only if this was asked before.
    let _ = is_forked();
    // SAFETY: the child uses what it has a copy of, as this test is about, and ends without anything else.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: arranges for the end of a child that hangs.
            unsafe { libc::alarm(60) };
            let outcome = catch_unwind(AssertUnwindSafe(body));
            // SAFETY: ends the process.
            unsafe { libc::_exit(outcome.is_err().into()) }
        }
        pid => Child(pid),
    }
}

impl Child {
    fn wait(&self) -> c_int {
        let mut status = 0;
        // SAFETY: a child of this process that nobody else waits for, and a place to write to.
        assert_eq!(unsafe { libc::waitpid(self.0, &raw mut status, 0) }, self.0);
        status
    }
}

fn in_fork(body: impl FnOnce()) {
    assert!(!is_forked());
    in_fork_again(body);
}

fn in_fork_again(body: impl FnOnce()) {
    assert_eq!(fork(body).wait(), 0);
}

/// Drops the child's copy of something that the parent goes on to have.
fn drop_copy<T>(value: &T) {
    // SAFETY: the value is not used again in the child, which ends without dropping anything.
    drop(unsafe { std::ptr::read(value) });
}

/// What a descriptor of this process is.
fn target(fd: impl AsFd) -> String {
    let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    std::fs::read_link(path).unwrap().into_os_string().into_string().unwrap()
}

#[test]
fn a_child_knows_what_it_is_and_so_do_its_children() {
    in_fork(|| {
        assert!(is_forked());
        // SAFETY: as in `fork`.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: ends the process.
            unsafe { libc::_exit(if is_forked() { 7 } else { 8 }) };
        }
        assert_eq!(Child(pid).wait(), 7 << 8);
    });
    assert!(!is_forked());
}

#[test]
fn a_child_does_not_keep_a_connection() {
    let (a, b) = Socket::pair().unwrap();
    let (hold, held) = std::io::pipe().unwrap();
    let child = fork(|| {
        // Until the parent has seen what it is to see.
        drop_copy(&held);
        assert_eq!((&hold).read(&mut [0; 1]).unwrap(), 0);
    });
    drop(a);
    // The child lives on. One of another test may be about to be one, and have everything for a moment.
    let end = loop {
        match b.recv(&mut [0; 1], &mut Vec::new()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
            end => break end.unwrap(),
        }
    };
    assert_eq!(end.bytes, 0);
    drop((hold, held));
    assert_eq!(child.wait(), 0);
}

#[test]
fn numbers_of_the_parent_reach_nothing_in_a_child_and_stay_in_use() {
    let (a, b) = Socket::pair().unwrap();
    let poller = Poller::new().unwrap();
    poller.add(a.as_fd(), 1, Interest { read: true, write: false }).unwrap();
    let listener = Listener::bind_abstract(format!("libmojo-fork-{}", std::process::id()).as_bytes()).unwrap();
    in_fork(|| {
        for fd in [a.as_fd(), b.as_fd(), poller.as_fd(), listener.as_fd()] {
            assert_eq!(target(fd), "anon_inode:[eventfd]");
        }
        assert!(a.send(&[IoSlice::new(b"x")], &[]).is_err());
        assert_eq!(b.recv(&mut [0; 1], &mut Vec::new()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        a.shutdown();
        assert!(poller.remove(a.as_fd()).is_err());
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::Unsupported);
        assert_eq!(listener.wait(None).unwrap_err().kind(), io::ErrorKind::Unsupported);
        let number = a.as_fd().as_raw_fd();
        // Nothing that is opened now comes to lie where the copies of the owners believe to have something of theirs.
        let (other, mut peer) = UnixStream::pair().unwrap();
        drop_copy(&a);
        drop_copy(&b);
        drop_copy(&poller);
        drop_copy(&listener);
        let (again, _) = UnixStream::pair().unwrap();
        assert!(other.as_raw_fd() != number && again.as_raw_fd() <= number);
        drop(other);
        assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
    });
    b.send(&[IoSlice::new(b"x")], &[]).unwrap();
    let mut ready = Vec::new();
    poller.wait(&mut ready, None).unwrap();
    assert_eq!(ready.len(), 1);
    assert_eq!(a.recv(&mut [0; 1], &mut Vec::new()).unwrap().bytes, 1);
}

#[test]
fn what_is_no_longer_the_librarys_is_kept() {
    let (a, b) = Socket::pair().unwrap();
    let a = OwnedFd::from(a);
    let b = OwnedFd::from(b);
    // What gets the number of a socket that is gone; another test may come first.
    let file = loop {
        let (c, _d) = Socket::pair().unwrap();
        let number = c.as_fd().as_raw_fd();
        drop(c);
        let file = std::fs::File::open("/dev/null").unwrap();
        if file.as_raw_fd() == number {
            break file;
        }
    };
    in_fork(|| {
        assert_eq!(target(&file), "/dev/null");
        assert_eq!(rustix::io::write(&a, b"from the child").unwrap(), 14);
    });
    let mut text = [0; 14];
    UnixStream::from(b).read_exact(&mut text).unwrap();
    assert_eq!(&text, b"from the child");
}

#[test]
fn a_connection_is_given_up_although_there_are_no_descriptors_left() {
    in_fork(|| {
        // In a process of its own, whose limit is nobody else's, and which could be the parent: it makes what follows.
        let (a, b) = Socket::pair().unwrap();
        let limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: a structure to read from.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
        // SAFETY: as in `fork`.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: asks for the flags of a number.
            let is_open = unsafe { libc::fcntl(a.as_fd().as_raw_fd(), libc::F_GETFD) } >= 0;
            // SAFETY: ends the process.
            unsafe { libc::_exit(if is_open { 1 } else { 7 }) };
        }
        assert_eq!(Child(pid).wait(), 7 << 8);
        drop((a, b));
    });
}

#[test]
fn a_number_whose_descriptor_has_not_come_along_gets_one_that_does_nothing() {
    in_fork(|| {
        let (a, b) = Socket::pair().unwrap();
        let number = a.as_fd().as_raw_fd();
        // As if another thread had made it after the descriptors were copied, and before the memory was.
        // SAFETY: the number is used only to look at what it stands for until it is taken again.
        assert_eq!(unsafe { libc::close(number) }, 0);
        let mut lower = Vec::new();
        loop {
            let file = std::fs::File::open("/dev/null").unwrap();
            if file.as_raw_fd() == number {
                break;
            }
            lower.push(file);
        }
        // It is the next that is given out.
        in_fork_again(|| {
            assert_eq!((target(&a), target(&b)), ("anon_inode:[eventfd]".into(), "anon_inode:[eventfd]".into()));
            drop_copy(&a);
            drop_copy(&b);
        });
        std::mem::forget(a);
    });
}

#[test]
fn mappings_of_the_library_are_not_there_and_mappings_of_the_program_are() {
    let memory = SharedMemory::create(1 << 20, false).unwrap();
    let own = memory.map(0, 1 << 20).unwrap();
    let given = memory.map_inherited(0, 1 << 20).unwrap();
    given.write(0, b"before").unwrap();
    let is_mapped = |address: *mut u8| {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().any(|line| line.starts_with(&format!("{:x}-", address.addr())))
    };
    in_fork(|| {
        assert!(!is_mapped(own.as_ptr()) && is_mapped(given.as_ptr()));
        let mut text = [0; 6];
        given.read(0, &mut text).unwrap();
        assert_eq!(&text, b"before");
        given.write(0, b"within").unwrap();
        // What takes the place of the library's mapping is not unmapped in its stead.
        let place = own.as_ptr();
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
        // SAFETY: where nothing is mapped.
        let mapped = unsafe { libc::mmap(place.cast(), 4096, libc::PROT_READ, flags, -1, 0) };
        assert_eq!(mapped.cast(), place);
        drop_copy(&own);
        assert!(is_mapped(place));
        let place = given.as_ptr();
        drop_copy(&given);
        assert!(!is_mapped(place));
    });
    let mut text = [0; 6];
    own.read(0, &mut text).unwrap();
    assert_eq!(&text, b"within");
}

#[test]
fn a_child_does_not_take_a_listeners_file_away() {
    let directory = std::env::temp_dir().join(format!("libmojo-fork-{}", std::process::id()));
    let path = directory.join("socket");
    let listener = Listener::bind(&path).unwrap();
    in_fork(|| drop_copy(&listener));
    assert!(path.exists());
    let client = Socket::connect(&path).unwrap();
    assert!(listener.wait(Some(std::time::Instant::now() + Duration::from_secs(60))).unwrap());
    assert!(listener.accept().unwrap().is_some());
    drop((client, listener));
    assert!(!path.exists());
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_program_that_is_started_by_a_fork_gets_its_socket_and_no_other() {
    assert!(!is_forked());
    let (ours, theirs) = Socket::pair().unwrap();
    let mut command = Command::new("sh");
    command.arg("-c").arg("printf 'here I am' >&\"${LIBMOJO_INVITATION%%:*}\"; ls -l /proc/self/fd | grep -c socket:");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    // With this the command is started by `fork`, in whose child this runs.
    let ran = || if is_forked() { Ok(()) } else { Err(io::Error::other("not forked")) };
    // SAFETY: it reads a word.
    unsafe { command.pre_exec(ran) };
    let child = spawn_with_socket(&mut command, theirs.into()).unwrap();
    let output = child.wait_with_output().unwrap();
    // One socket in `ls`: the one that the shell has not closed.
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "1");
    let mut text = [0; 16];
    let received = ours.recv(&mut text, &mut Vec::new()).unwrap();
    assert_eq!(text.get(..received.bytes).unwrap(), b"here I am");
    assert_eq!(ours.recv(&mut text, &mut Vec::new()).unwrap().bytes, 0);
}
