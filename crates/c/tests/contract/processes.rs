//! What needs a process of its own, because it takes away what the other tests need, or a second process.
//!
//! Such a test is an ignored one of this binary, which another test runs alone.

use crate::callbacks::*;
use crate::calls;
use crate::support::*;
use libmojo_core::platform_handle::PlatformHandle;
use mojo_system::*;
use std::fs::File;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, ThreadId};

/// A command that runs one ignored test of this module, with the shell's limits set first.
fn child(test: &str, limits: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{limits} exec \"$0\" \"$@\"")).arg(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", &format!("processes::{test}")]);
    command
}

fn run_alone(test: &str, limits: &str) {
    let output = child(test, limits).stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && said.contains("1 passed"), "{test}: {}\n{said}", output.status);
}

// ---- handles ---------------------------------------------------------------------------------------------

#[test]
fn without_handles_everything_that_makes_one_is_refused_and_nothing_is_lost() {
    run_alone("when_there_are_no_handles_left", "");
}

#[test]
#[ignore = "run by the test above"]
fn when_there_are_no_handles_left() {
    let (a, b) = pipe();
    let (c, d) = pipe();
    send(a, b"x", &[c, buffer(8)]).unwrap();
    let carrying = read(b).unwrap();
    let (source, invitation) = (buffer(8), invitation());
    let file = File::open("/dev/null").unwrap();
    let fd = file.as_raw_fd() as u64;
    let memory = scratch_file();
    memory.set_len(8).unwrap();

    let object = PlatformHandle::new(None);
    let mut spare: Vec<MojoHandle> = std::iter::from_fn(|| into_raw(object.clone()).ok()).collect();
    assert_eq!(wrap(0, 0), Err(RESOURCE_EXHAUSTED));
    assert!(spare.len() > 4_000_000);
    for room in 0..3_u8 {
        let too_little = |needed: usize, code: MojoResult| {
            assert_eq!(code, if usize::from(room) < needed { RESOURCE_EXHAUSTED } else { OK }, "{needed} of {room}");
        };
        // Whatever succeeds is closed at once.
        let one = |made: Outcome<MojoHandle>| too_little(1, crate::support::code(made.and_then(close)));
        let two = |made: Outcome<(MojoHandle, MojoHandle)>| {
            too_little(2, crate::support::code(made.map(|(a, b)| close_all(&[a, b]))));
        };
        two(outputs((STALE, STALE), |a, b| calls::create_message_pipe(None, Some(a), Some(b))));
        two(create_data_pipe(&options(16, &[0, 1, 8])));
        one(create_buffer(None, 8));
        one(duplicate(source, 0));
        one(duplicate(source, READ_ONLY));
        one(output(STALE, |handle| calls::create_watcher(Some(notified), Some(handle))));
        one(output(STALE, |handle| calls::create_invitation(None, Some(handle))));
        one(output(STALE, |end| calls::attach_to_invitation(invitation, Some(&[room]), 1, None, Some(end))));
        if room == 0 {
            one(wrap(1, fd));
            one(wrap_buffer(memory.as_raw_fd() as u64, 8, (1, 1), 0));
        }
        // Both handles of the message or none.
        match take(carrying) {
            Ok((_, handles)) => {
                assert_eq!(room, 2);
                send(d, b"still connected", &[]).unwrap();
                assert_eq!(receive(handles[0]).unwrap().0, b"still connected");
                close_all(&handles);
            }
            code => assert_eq!((code.err(), room < 2), (Some(RESOURCE_EXHAUSTED), true)),
        }
        close(spare.pop().unwrap()).unwrap();
    }
    // Messages need no handles, and these descriptors are still ours.
    send(a, b"y", &[]).unwrap();
    assert_eq!(receive(b).unwrap().0, b"y");
    assert!(file.metadata().is_ok() && memory.metadata().unwrap().len() == 8);
    assert!(map(source, 0, 8).and_then(unmap).is_ok());
}

// ---- descriptors -----------------------------------------------------------------------------------------

#[test]
fn without_descriptors_what_needs_one_is_refused_and_all_else_goes_on() {
    run_alone("when_there_are_no_descriptors_left", "ulimit -n 64;");
}

#[test]
#[ignore = "run by the test above"]
fn when_there_are_no_descriptors_left() {
    let (source, data) = (buffer(8), data_pipe(1, 8));
    let spare: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(spare.len() < 64);
    assert_eq!(create_buffer(None, 8), Err(RESOURCE_EXHAUSTED));
    assert_eq!(create_data_pipe(&options(16, &[0, 1, 8])), Err(RESOURCE_EXHAUSTED));
    for flags in [0, READ_ONLY] {
        assert_eq!(duplicate(source, flags), Err(RESOURCE_EXHAUSTED));
        assert!(is_live(source), "the original stays");
    }
    // Nothing else needs one.
    assert!(map(source, 0, 8).and_then(unmap).is_ok());
    write_data(data.0, b"x", 0).unwrap();
    let passed = pass(source);
    assert_eq!(read_data(pass(data.1), 1, 0).unwrap(), b"x");
    let (a, b) = pipe();
    send(a, b"", &[passed]).unwrap();
    // Unwrapping does, and ends the handle nevertheless.
    let handle = receive(b).unwrap().1[0];
    assert_eq!(unwrap_buffer(handle), Err(RESOURCE_EXHAUSTED));
    assert!(!is_live(handle));
    drop(spare);
    close(buffer(8)).unwrap();
}

// ---- two processes ---------------------------------------------------------------------------------------

/// Starts a child with one end of a socket as its input, and returns it with the other.
fn child_with_socket(test: &str) -> (Child, OwnedFd) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let theirs = Stdio::from(OwnedFd::from(theirs));
    (child(test, "").stdin(theirs).stdout(Stdio::null()).spawn().unwrap(), ours.into())
}

fn endpoint(socket: &MojoPlatformHandle) -> MojoInvitationTransportEndpoint {
    let struct_size = size_of::<MojoInvitationTransportEndpoint>() as u32;
    MojoInvitationTransportEndpoint { struct_size, kind: 0, num_platform_handles: 1, platform_handles: socket }
}

fn native(socket: OwnedFd) -> MojoPlatformHandle {
    MojoPlatformHandle { struct_size: 16, kind: 1, value: socket.into_raw_fd() as u64 }
}

/// Waits until a handle has a signal, or never will.
fn wait(handle: MojoHandle, signal: u32) {
    until(|| matches!(signals(handle).unwrap(), (satisfied, satisfiable) if (satisfied | !satisfiable) & signal != 0));
}

/// Sends back every message that comes over the pipe of the invitation, but with the handles of the one before.
#[test]
#[ignore = "run as a child of the test below"]
fn echo() {
    let _watchdog = watchdog();
    use std::os::fd::AsFd;
    let socket = native(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let invitation = output(STALE, |handle| calls::accept_invitation(Some(&endpoint(&socket)), None, Some(handle)));
    let invitation = invitation.unwrap();
    let end = output(STALE, |end| calls::extract_from_invitation(invitation, Some(b"x"), 1, None, Some(end))).unwrap();
    let mut kept = Vec::new();
    loop {
        wait(end, R);
        match receive(end) {
            Ok((bytes, handles)) => send(end, &bytes, &std::mem::replace(&mut kept, handles)).unwrap(),
            Err(code) => {
                assert_eq!(code, FAILED_PRECONDITION);
                return;
            }
        }
    }
}

/// Starts the child and returns it with this process's end of the pipe to it.
fn invite() -> (Child, MojoHandle) {
    let invitation = invitation();
    let end = output(STALE, |end| calls::attach_to_invitation(invitation, Some(b"x"), 1, None, Some(end))).unwrap();
    let (child, socket) = child_with_socket("echo");
    let socket = native(socket);
    assert_eq!(calls::send_invitation(invitation, None, Some(&endpoint(&socket)), None, None), OK);
    assert!(!is_live(invitation), "it is gone with its sending");
    (child, end)
}

#[test]
fn a_peer_looks_remote_only_at_handles_made_since_the_process_had_a_connection() {
    run_alone("when_the_first_connection_is_made", "");
}

#[test]
#[ignore = "run by the test above"]
fn when_the_first_connection_is_made() {
    let _watchdog = watchdog();
    const END: u32 = R | W | C;
    let old = pipe();
    let (producer, consumer) = data_pipe(1, 8);
    let (mut child, end) = invite();

    // Old handles stay without the signal, new ones can have it.
    assert_eq!((signals(old.0), signals(old.1)), (Ok((W, END)), Ok((W, END))));
    assert_eq!((signals(producer), signals(consumer)), (Ok((W, W | C)), Ok((0, R | N | C))));
    let new = pipe();
    let (new_producer, new_consumer) = data_pipe(1, 8);
    assert_eq!(signals(new.0), Ok((W, END | M)));
    assert_eq!((signals(new_producer), signals(new_consumer)), (Ok((W, W | C | M)), Ok((0, R | N | C | M))));

    // A peer that goes away is remote, and is not any more when it has come back.
    send(end, b"text", &[new.1, new_consumer]).unwrap();
    wait(new.0, M);
    wait(new_producer, M);
    assert_eq!(signals(new.0), Ok((W | M, END | M)));
    wait(end, R);
    assert_eq!(receive(end), Ok((b"text".to_vec(), vec![])));
    send(end, b"and back", &[]).unwrap();
    wait(end, R);
    let (bytes, handles) = receive(end).unwrap();
    assert_eq!(bytes, b"and back");
    send(handles[0], b"back", &[]).unwrap();
    wait(new.0, R);
    assert_eq!(receive(new.0).unwrap().0, b"back");
    until(|| satisfied(new.0) & M == 0);
    assert_eq!(signals(new.0), Ok((W, END | M)));
    close(handles[0]).unwrap();
    assert_eq!(signals(new.0), Ok((C, C)), "a closed peer cannot be remote");
    close(handles[1]).unwrap();
    wait(new_producer, C);
    assert_eq!(signals(new_producer), Ok((C, C)));

    // Contexts are serialized when they leave, and those that cannot be are refused.
    react(6, |callback| {
        if let Callback::Serialize(_, message) = callback {
            attach(message, 2, &[]).unwrap().write(0, b"hi");
        }
    });
    callbacks();
    write(end, with_context(6)).unwrap();
    assert!(matches!(callbacks()[..], [Callback::Serialize(6, _), Callback::Destroy(6)]));
    wait(end, R);
    assert_eq!(receive(end).unwrap().0, b"hi");
    let message = message();
    assert_eq!(MojoAttachMessageContextWithDestructor(message, 7, None, Some(destructor)), OK);
    assert_eq!(write(end, message), Err(INVALID_ARGUMENT));
    assert_eq!(callbacks(), [Callback::Destroy(7)]);

    close(end).unwrap();
    assert!(child.wait().unwrap().success());
    close_all(&[old.0, old.1, producer, consumer, new.0, new_producer]);
}

/// Context, flags and thread of each call of the watcher below.
static CALLS: Mutex<Vec<(usize, u32, ThreadId)>> = Mutex::new(Vec::new());
/// Written to when the watch with context 1 is notified.
static WRITTEN_TO: AtomicU32 = AtomicU32::new(0);

extern "C" fn record(context: usize, result: MojoResult, _: MojoHandleSignalsState, flags: u32) {
    CALLS.lock().unwrap().push((context, flags, thread::current().id()));
    if context == 1 && result == OK {
        send(WRITTEN_TO.load(Ordering::SeqCst), b"", &[]).unwrap();
        assert!(CALLS.lock().unwrap().iter().all(|(context, ..)| *context != 2), "not before this one returns");
    }
}

#[test]
fn what_another_process_causes_is_notified_by_the_system_with_all_that_follows_from_it() {
    run_alone("when_another_process_causes_something", "");
}

#[test]
#[ignore = "run by the test above"]
fn when_another_process_causes_something() {
    let _watchdog = watchdog();
    let (mut child, end) = invite();
    let (a, b) = pipe();
    WRITTEN_TO.store(a, Ordering::SeqCst);
    let watchers = [(); 2].map(|()| output(STALE, |w| calls::create_watcher(Some(record), Some(w))).unwrap());
    watch(watchers[0], end, R, 1).unwrap();
    watch(watchers[1], b, R, 2).unwrap();
    assert_eq!((arm(watchers[0]), arm(watchers[1])), (Ok(()), Ok(())));
    send(end, b"echo", &[]).unwrap();
    until(|| CALLS.lock().unwrap().len() == 2);
    let calls = std::mem::take(&mut *CALLS.lock().unwrap());
    let system = calls[0].2;
    assert_ne!(system, thread::current().id());
    assert_eq!(calls, [(1, 1, system), (2, 1, system)]);

    // What this process does itself is notified here.
    receive(b).unwrap();
    arm(watchers[1]).unwrap();
    send(a, b"", &[]).unwrap();
    close_all(&watchers);
    let own = thread::current().id();
    assert_eq!(*CALLS.lock().unwrap(), [(2, 0, own), (1, 0, own), (2, 0, own)]);
    close_all(&[end, a, b]);
    assert!(child.wait().unwrap().success());
}
