//! What a process can do with the descriptors that it gets from another one, apart from what they are for. The process is a
//! Python interpreter that has such a descriptor as its standard input, and tries everything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use hardening::scene::{Scene, shares_memory};
use libmojo::{DataPipeOptions, Message, SharedBuffer};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// Held by the only test that runs at the moment: descriptors are counted.
static ALONE: Mutex<()> = Mutex::new(());

/// Prints what it succeeds in.
const TRY_EVERYTHING: &str = r#"
import ctypes, fcntl, mmap, os

def attempt(what, how):
    try:
        how()
        print(what)
    except (OSError, ValueError):
        pass

def protect():
    memory = mmap.mmap(0, 100, prot=mmap.PROT_READ)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    address = libc.mmap(None, ctypes.c_size_t(100), 1, 1, 0, ctypes.c_long(0))
    if address in (None, 2**64 - 1) or libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(100), 3) != 0:
        raise OSError

attempt("read", lambda: mmap.mmap(0, 100, prot=mmap.PROT_READ))
attempt("map writable", lambda: mmap.mmap(0, 100, prot=mmap.PROT_READ | mmap.PROT_WRITE))
attempt("protect", protect)
attempt("write", lambda: os.pwrite(0, b"x", 0))
attempt("shrink", lambda: os.ftruncate(0, 1))
attempt("grow", lambda: os.ftruncate(0, 1 << 20))
attempt("seal against writes", lambda: fcntl.fcntl(0, 1033, 0x10))
attempt("seal against shrinking", lambda: fcntl.fcntl(0, 1033, 0x2))
attempt("grow by allocating", lambda: os.posix_fallocate(0, 1 << 32, 1))
attempt("make accessible to all", lambda: os.fchmod(0, 0o666))
attempt("reopen", lambda: os.close(os.open("/proc/self/fd/0", os.O_RDWR)))
"#;

/// What a user can do with a descriptor; `None` if python3 is missing, or this process cannot become another user.
fn what_can_be_done(descriptor: OwnedFd, as_nobody: bool) -> Option<Vec<String>> {
    let is_possible = !as_nobody || rustix::process::geteuid().is_root();
    let mut python = Command::new("python3");
    python.args(["-c", TRY_EVERYTHING]).stdin(Stdio::from(descriptor)).stdout(Stdio::piped());
    if as_nobody {
        python.uid(65_534).gid(65_534);
    }
    match is_possible.then(|| python.output()) {
        Some(Ok(output)) => {
            assert!(output.status.success(), "{output:?}");
            Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
        }
        _ => {
            let is_required = std::env::var_os("LIBMOJO_REQUIRE_TOOLS").is_some();
            assert!(!is_required, "python3 is missing, or this is not root");
            None
        }
    }
}

fn assert_can(descriptor: &OwnedFd, as_nobody: bool, expected: &[&str]) {
    if let Some(found) = what_can_be_done(descriptor.try_clone().unwrap(), as_nobody) {
        assert_eq!(found, expected);
    }
}

/// The descriptors that another process gets with a message.
fn received_with(message: Message) -> Vec<OwnedFd> {
    let scene = Scene::new();
    let (pipe, mut attacker) = scene.connect(false, false);
    attacker.take_descriptors();
    pipe.send(message).unwrap();
    scene.turn();
    attacker.listen();
    attacker.take_descriptors()
}

#[test]
fn whoever_gets_a_read_only_buffer_can_read_it_and_nothing_else() {
    let _alone = ALONE.lock();
    let buffer = SharedBuffer::create(100).unwrap().duplicate_read_only().unwrap();
    let received = received_with(Message::new(b"").with(buffer));
    assert_eq!(received.len(), 1);
    assert_can(&received[0], true, &["read"]);
}

#[test]
fn whoever_gets_a_writable_buffer_can_neither_change_its_size_nor_keep_others_from_writing() {
    let _alone = ALONE.lock();
    let received = received_with(Message::new(b"").with(SharedBuffer::create(100).unwrap()));
    assert_eq!(received.len(), 2);
    assert_can(&received[0], true, &["read", "map writable", "protect", "write"]);
    assert_can(&received[1], true, &["read"]);
}

#[test]
fn whoever_gets_an_end_of_a_data_pipe_cannot_take_the_memory_from_under_the_other() {
    let _alone = ALONE.lock();
    let scene = Scene::new();
    let (_producer, consumer) = DataPipeOptions::default().create_on(&scene.node).unwrap();
    let (pipe, mut attacker) = scene.connect(false, false);
    attacker.take_descriptors();
    pipe.send(Message::new(b"").with(consumer)).unwrap();
    scene.turn();
    attacker.listen();
    let received = attacker.take_descriptors();
    assert_eq!(received.len(), 1);
    assert_can(&received[0], true, &["read", "map writable", "protect", "write"]);
}

#[test]
fn whoever_has_a_link_cannot_take_its_memory_from_under_the_other() {
    let _alone = ALONE.lock();
    if !shares_memory() {
        return;
    }
    let scene = Scene::new();
    let (_pipe, mut attacker) = hardening::attacker::begin(&scene.node, true, None);
    scene.turn();
    attacker.say(&attacker.hello(true));
    scene.turn();
    attacker.listen();
    let received = attacker.take_descriptors();
    assert_eq!(received.len(), 1);
    assert_can(&received[0], true, &["read", "map writable", "protect", "write"]);
}

/// What is documented as not prevented: `/proc` gives a process of the same user what the file's mode allows.
#[test]
fn whoever_is_the_same_user_and_has_proc_can_make_a_read_only_buffer_writable() {
    let _alone = ALONE.lock();
    let buffer = SharedBuffer::create(100).unwrap().duplicate_read_only().unwrap();
    let received = received_with(Message::new(b"").with(buffer));
    if let Some(found) = what_can_be_done(received[0].try_clone().unwrap(), false) {
        assert!(found.contains(&"reopen".to_owned()), "the documentation can promise more: {found:?}");
        assert!(!found.contains(&"map writable".to_owned()) && !found.contains(&"shrink".to_owned()), "{found:?}");
    }
}
