//! Processes that are forked off without executing a program: every function that would touch the library refuses, at
//! once and whatever the threads of the parent were at; and the parent notices nothing.

use crate::callbacks::*;
use crate::calls::{self, Memory, Payload, Spelling, Unwrapped};
use crate::support::*;
use libmojo_core::is_forked;
use mojo_system::*;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::ffi::c_int;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::ptr::null_mut;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Something of each kind, made by the parent.
struct Things {
    pipe: (MojoHandle, MojoHandle),
    data: (MojoHandle, MojoHandle),
    in_phase: (MojoHandle, MojoHandle),
    buffer: MojoHandle,
    mapping: Memory,
    watcher: MojoHandle,
    pollable: MojoHandle,
    invitation: MojoHandle,
    platform: MojoHandle,
    message: MojoMessageHandle,
    built: MojoMessageHandle,
    with_context: MojoMessageHandle,
}

const CONTEXT: usize = 0xF0_4C;

impl Things {
    fn new() -> Self {
        let (pipe, data, in_phase) = (pipe(), data_pipe(1, 16), data_pipe(1, 16));
        send(pipe.1, b"unread", &[]).unwrap();
        write_data(data.0, b"unread", 0).unwrap();
        write_data(in_phase.0, b"unread", 0).unwrap();
        begin_write(in_phase.0, 0).unwrap();
        begin_read(in_phase.1, 0).unwrap();
        let buffer = buffer(64);
        let mapping = map(buffer, 0, 64).unwrap();
        let watcher = watcher();
        watch(watcher, pipe.0, C, CONTEXT).unwrap();
        arm(watcher).unwrap();
        let (mut pollable, mut descriptor) = (0, 0);
        // SAFETY: places to write to.
        let code = unsafe { MojoCreatePollableWatcher(Some(notified), &raw mut pollable, &raw mut descriptor) };
        assert_eq!(code, OK);
        drop(calls::own(descriptor as u64));
        Self {
            pipe,
            data,
            in_phase,
            buffer,
            mapping,
            watcher,
            pollable,
            invitation: invitation(),
            platform: wrap(0, 0).unwrap(),
            message: message(),
            built: built(b"built", &[]),
            with_context: with_context(CONTEXT),
        }
    }

    /// All is as it was, and is closed now.
    fn close(self) {
        assert_eq!(satisfied(self.pipe.0), R | W);
        assert_eq!(receive(self.pipe.0).unwrap(), (b"unread".to_vec(), Vec::new()));
        assert_eq!(read_data(self.data.1, 6, READ_ALL_OR_NONE).unwrap(), b"unread");
        end_write(self.in_phase.0, 1).unwrap();
        end_read(self.in_phase.1, 1).unwrap();
        unmap(self.mapping).unwrap();
        assert_eq!(context_of(self.with_context, 0), Ok(CONTEXT));
        assert_eq!(callbacks(), []);
        [self.message, self.built, self.with_context].into_iter().for_each(|message| destroy(message).unwrap());
        assert_eq!(callbacks(), [Callback::Destroy(CONTEXT)]);
        close_all(&[self.pipe.0]);
        assert_eq!(callbacks(), [cancelled(CONTEXT)]);
        close_all(&[self.pipe.1, self.data.0, self.data.1, self.in_phase.0, self.in_phase.1]);
        close_all(&[self.buffer, self.watcher, self.pollable, self.invitation, self.platform]);
    }
}

type Call = fn(&Things) -> MojoResult;

fn payload(
    call: fn(MojoMessageHandle, Payload<'_>) -> MojoResult,
    message: MojoMessageHandle,
    num_bytes: u32,
) -> MojoResult {
    let (mut buffer, mut buffer_size) = (null_mut(), 0);
    let places = (Some(&mut buffer), Some(&mut buffer_size));
    call(message, Payload { num_bytes, handles: None, num_handles: 0, buffer: places.0, buffer_size: places.1 })
}

fn unwrap_as(spelling: Spelling, handle: MojoHandle) -> MojoResult {
    let mut native = platform_handle(16, 0, 0);
    let mut guid = MojoSharedBufferGuid { high: 0, low: 0 };
    let places = (Some(&mut native[..]), Some(&mut guid));
    let outputs = Unwrapped { platform_handle: places.0, num_bytes: Some(&mut 0), guid: places.1, flags: Some(&mut 0) };
    calls::unwrap_buffer(spelling, handle, outputs)
}

fn wrap_as(spelling: Spelling) -> MojoResult {
    // A descriptor that stays the caller's.
    let native = platform_handle(16, 1, 0);
    let guid = MojoSharedBufferGuid { high: 1, low: 1 };
    calls::wrap_buffer(spelling, Some(&native), 8, Some(&guid), 0, Some(&mut 0))
}

fn transport() -> (UnixStream, MojoPlatformHandle) {
    let (socket, other) = UnixStream::pair().unwrap();
    (other, MojoPlatformHandle { struct_size: 16, kind: 1, value: socket.into_raw_fd() as u64 })
}

/// Every function that the library exports, but for those that only look at a value, called in a way that succeeds
/// elsewhere.
const CALLS: [(&str, Call); 56] = [
    ("MojoClose", |things| MojoClose(things.pipe.0)),
    ("MojoQueryHandleSignalsState", |things| code(signals(things.pipe.0))),
    ("MojoCreateMessagePipe", |_| calls::create_message_pipe(None, Some(&mut 0), Some(&mut 0))),
    ("MojoWriteMessage", |things| MojoWriteMessage(things.pipe.0, things.built, 0)),
    ("MojoReadMessage", |things| code(read(things.pipe.0))),
    ("MojoFuseMessagePipes", |things| MojoFuseMessagePipes(things.pipe.0, things.pipe.1)),
    ("MojoNotifyBadMessage", |things| calls::notify_bad_message(things.built, Some(b"bad"), 3)),
    ("MojoCreateMessage", |_| calls::create_message(Some(&mut 0))),
    ("MojoDestroyMessage", |things| MojoDestroyMessage(things.with_context)),
    ("MojoSerializeMessage", |things| MojoSerializeMessage(things.with_context)),
    ("MojoAttachSerializedMessageBuffer", |things| payload(calls::attach_buffer, things.message, 8)),
    ("MojoExtendSerializedMessagePayload", |things| payload(calls::extend_payload, things.built, 8)),
    ("MojoCommitSerializedMessageContents", |things| code(commit(things.built, 5))),
    ("MojoGetSerializedMessageContents", |things| {
        calls::get_contents(things.built, Some(&mut null_mut()), Some(&mut 0), None, None)
    }),
    ("MojoAttachMessageContext", |things| MojoAttachMessageContext(things.message, 1, Some(serializer))),
    ("MojoAttachMessageContextWithDestructor", |things| {
        MojoAttachMessageContextWithDestructor(things.message, 1, Some(serializer), Some(destructor))
    }),
    ("MojoGetMessageContext", |things| code(context_of(things.with_context, RELEASE))),
    ("MojoCreateDataPipe", |_| code(create_data_pipe(&options(16, &[0, 1, 8])))),
    ("MojoWriteData", |things| code(write_data(things.data.0, b"x", 0))),
    ("MojoBeginWriteData", |things| code(begin_write(things.data.0, 0))),
    ("MojoEndWriteData", |things| MojoEndWriteData(things.in_phase.0, 1)),
    ("MojoReadData", |things| code(read_data(things.data.1, 1, 0))),
    ("MojoBeginReadData", |things| code(begin_read(things.data.1, 0))),
    ("MojoEndReadData", |things| MojoEndReadData(things.in_phase.1, 1)),
    ("MojoCreateSharedBuffer", |_| code(create_buffer(None, 8))),
    ("MojoDuplicateBufferHandle", |things| code(duplicate(things.buffer, 0))),
    ("MojoMapBuffer", |things| code(map(things.buffer, 0, 1))),
    ("MojoUnmapBuffer", |things| MojoUnmapBuffer(things.mapping.address)),
    ("MojoWrapPlatformHandle", |_| code(wrap(0, 0))),
    ("MojoUnwrapPlatformHandle", |things| code(unwrap(things.platform))),
    ("MojoSetQuota", |things| calls::set_quota(things.pipe.0, 0, 1, None)),
    ("MojoQueryQuota", |things| calls::query_quota(things.pipe.0, 0, None, None, None)),
    ("MojoWrapPlatformSharedBuffer", |_| wrap_as(Spelling::Documented)),
    ("MojoWrapPlatformSharedBufferHandle", |_| wrap_as(Spelling::WithHandle)),
    ("MojoUnwrapPlatformSharedBuffer", |things| unwrap_as(Spelling::Documented, things.buffer)),
    ("MojoUnwrapPlatformSharedBufferHandle", |things| unwrap_as(Spelling::WithHandle, things.buffer)),
    ("MojoCreateWatcher", |_| calls::create_watcher(Some(notified), Some(&mut 0))),
    ("MojoWatch", |things| MojoWatch(things.watcher, things.pipe.1, R, 2)),
    ("MojoCancelWatch", |things| MojoCancelWatch(things.watcher, CONTEXT)),
    ("MojoArmWatcher", |things| calls::arm(things.watcher, None, None, None, None)),
    ("MojoCreateInvitation", |_| calls::create_invitation(None, Some(&mut 0))),
    ("MojoAttachMessagePipeToInvitation", |things| {
        calls::attach_to_invitation(things.invitation, Some(b"x"), 1, None, Some(&mut 0))
    }),
    ("MojoExtractMessagePipeFromInvitation", |things| {
        calls::extract_from_invitation(things.invitation, Some(b"x"), 1, None, Some(&mut 0))
    }),
    ("MojoSendInvitation", |things| {
        let (_other, handle) = transport();
        let endpoint = MojoInvitationTransportEndpoint {
            struct_size: 24,
            kind: 0,
            num_platform_handles: 1,
            platform_handles: &handle,
        };
        calls::send_invitation(things.invitation, None, Some(&endpoint), None, None)
    }),
    ("MojoAcceptInvitation", |_| {
        let (_other, handle) = transport();
        let endpoint = MojoInvitationTransportEndpoint {
            struct_size: 24,
            kind: 0,
            num_platform_handles: 1,
            platform_handles: &handle,
        };
        calls::accept_invitation(Some(&endpoint), None, Some(&mut 0))
    }),
    // SAFETY: a place to write to.
    ("MojoWait", |things| unsafe { MojoWait(things.pipe.1, R, u64::MAX, null_mut()) }),
    ("MojoWaitMany", |things| {
        // SAFETY: one of each; the rest is optional.
        unsafe { MojoWaitMany(&things.pipe.1, &R, 1, u64::MAX, null_mut(), null_mut()) }
    }),
    ("MojoCreatePollableWatcher", |_| {
        // SAFETY: places to write to.
        unsafe { MojoCreatePollableWatcher(Some(notified), &mut 0, &mut 0) }
    }),
    ("MojoDispatchWatcher", |things| MojoDispatchWatcher(things.pollable)),
    ("MojoSetDefaultProcessErrorHandler", |_| MojoSetDefaultProcessErrorHandler(None, 0)),
    // SAFETY: a place to write to.
    ("MojoDriveIo", |_| unsafe { MojoDriveIo(&mut 0) }),
    // SAFETY: the output is optional.
    ("MojoRunIo", |_| unsafe { MojoRunIo(null_mut()) }),
    // SAFETY: no room, and a place to write to.
    ("MojoTakeSnapshot", |_| unsafe { MojoTakeSnapshot(null_mut(), &mut 0) }),
    ("MojoFlush", |_| MojoFlush(u64::MAX)),
    ("MojoShutdown", |_| MojoShutdown(u64::MAX)),
    ("into_raw", |_| {
        into_raw(libmojo_core::platform_handle::PlatformHandle::new(None)).map_or(FAILED_PRECONDITION, |_| OK)
    }),
];

/// Those that only look at a value, or store one.
const PURE: [&str; 7] = [
    "MojoGetTimeTicksNow",
    "MojoGetProperty",
    "MojoSetProperty",
    "MojoConfigure",
    "MojoEmbedderGetSystemThunks",
    "MojoEmbedderGetSystemThunks2",
    "MojoEmbedderGetSystemThunks32",
];

#[test]
fn the_functions_called_here_are_those_of_the_headers() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../include/mojo/public/c/system");
    let mut declared = BTreeSet::new();
    for header in std::fs::read_dir(directory).unwrap() {
        let text = std::fs::read_to_string(header.unwrap().path()).unwrap();
        for declaration in text.split("\nMOJO_SYSTEM_EXPORT").skip(1) {
            let before = declaration.split('(').next().unwrap();
            declared.insert(before.split_whitespace().last().unwrap().trim_matches('*').to_owned());
        }
    }
    // Of the library that plugins are linked with.
    assert!(declared.remove("MojoSetSystemThunks"));
    let called = CALLS.map(|(name, _)| name).into_iter().filter(|name| name.starts_with("Mojo")).chain(PURE);
    assert_eq!(called.map(str::to_owned).collect::<BTreeSet<_>>(), declared);
}

// ---- forking ---------------------------------------------------------------------------------------------

/// Forks. The child has a minute, and ends when it panics. `None` in the child.
fn fork() -> Option<c_int> {
    static HOOK: Once = Once::new();
    // Not in the child: another thread may just hold what is locked for this.
    HOOK.call_once(|| {
        let (parent, hook) = (std::process::id(), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |panic| {
            if std::process::id() != parent {
                eprintln!("in a child: {panic}");
                exit_at_once(1);
            }
            hook(panic);
        }));
    });
    // SAFETY: the child uses what it has a copy of, as this test is about.
    let pid = unsafe { libc::fork() };
    if pid != 0 {
        return Some(pid);
    }
    // SAFETY: arranges for the end of a child that hangs.
    unsafe { libc::alarm(60) };
    None
}

fn exit_at_once(status: c_int) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(status) }
}

fn wait_for_child(pid: c_int) {
    let mut status = 0;
    // SAFETY: a child of this process that nobody else waits for, and a place to write to.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status, 0, "a child has failed, or hangs");
}

/// Does something in a child, which ends at once then, whatever it owns.
fn in_fork(body: impl FnOnce()) {
    match fork() {
        Some(pid) => wait_for_child(pid),
        None => {
            body();
            exit_at_once(0);
        }
    }
}

fn assert_all_refuse(things: &Things) {
    for (name, call) in CALLS {
        assert_eq!(call(things), FAILED_PRECONDITION, "{name}");
    }
}

#[test]
fn in_a_fork_every_function_refuses_and_does_nothing() {
    let things = Things::new();
    in_fork(|| {
        assert_all_refuse(&things);
        assert_eq!(callbacks(), []);
        assert!(MojoGetTimeTicksNow() > 0);
        let mut value = 7;
        assert_eq!(calls::get_property(0, Some(&mut value)), OK);
        assert_eq!(value, 1);
        // The program's own mapping is still there.
        things.mapping.write(0, b"from the child");
    });
    assert!(!is_forked());
    assert_eq!(&things.mapping.bytes()[..14], b"from the child");
    things.close();
}

#[test]
fn values_that_name_nothing_are_refused_in_a_fork_like_all_others() {
    // A process that has not used the library yet may fork.
    let (a, b) = pipe();
    close_all(&[a, b]);
    in_fork(|| {
        for dead in [0, 1, STALE] {
            assert_eq!(MojoClose(dead), FAILED_PRECONDITION);
            assert_eq!(calls::query_signals(dead, None), FAILED_PRECONDITION);
        }
        assert_eq!(calls::create_message(None), FAILED_PRECONDITION);
    });
}

#[test]
fn a_callback_may_fork_and_both_return_from_it() {
    let (a, b) = pipe();
    let (c, d) = pipe();
    let [watcher, other, third] = [watcher(), watcher(), watcher()];
    watch(watcher, b, R, 1).unwrap();
    watch(other, d, C, 2).unwrap();
    watch(third, b, R, 3).unwrap();
    [watcher, other, third].into_iter().for_each(|watcher| arm(watcher).unwrap());
    in_fork_within(1, move || {
        // Calls the other watcher back when this callback is over; the third is due already.
        assert_eq!(MojoClose(c), if is_forked() { FAILED_PRECONDITION } else { OK });
    });
    let sent = MojoWriteMessage(a, built(b"x", &[]), 0);
    let Some(pid) = CHILD.take() else { exit_at_once((sent != OK || callbacks().len() != 1).into()) };
    assert_eq!((sent, callbacks().len()), (OK, 3));
    wait_for_child(pid);
    close_all(&[a, d, watcher, other, third, b]);
    assert_eq!(callbacks(), [cancelled(2), cancelled(1), cancelled(3)]);
}

#[test]
fn a_serializer_may_fork_and_both_return_from_it() {
    let (a, b) = pipe();
    in_fork_within(3, || ());
    let message = with_context(3);
    let code = MojoSerializeMessage(message);
    let Some(pid) = CHILD.take() else { exit_at_once((code != FAILED_PRECONDITION).into()) };
    assert_eq!(code, ABORTED);
    wait_for_child(pid);
    destroy(message).unwrap();
    close_all(&[a, b]);
    callbacks();
}

std::thread_local! {
    /// What a callback has forked off; none in that child.
    static CHILD: Cell<Option<c_int>> = const { Cell::new(None) };
}

/// Has the first callback for a context fork; then both processes do what is given, and return.
fn in_fork_within(context: usize, body: impl Fn() + 'static) {
    let has_forked = AtomicBool::new(false);
    react(context, move |_| {
        if has_forked.swap(true, Ordering::Relaxed) {
            return;
        }
        CHILD.set(fork());
        body();
    });
}

#[test]
fn children_are_forked_off_while_threads_are_in_the_middle_of_everything() {
    // In a process of its own, for other tests rely on having nothing to do with other nodes.
    let test = "forks::forks_while_threads_do_everything";
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--ignored", "--exact", "--nocapture", test]).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && said.contains("1 passed"), "{}\n{said}", output.status);
}

#[test]
#[ignore = "run by the test above"]
fn forks_while_threads_do_everything() {
    let _watchdog = watchdog();
    let things = Things::new();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 0..8 {
            let is_over = &is_over;
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    do_everything(number);
                }
            });
        }
        for _ in 0..300 {
            in_fork(|| assert_all_refuse(&things));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    things.close();
}

/// A bit of everything that takes locks.
fn do_everything(number: usize) {
    let things = Things::new();
    let message = with_context(number + 1);
    write(things.pipe.0, message).unwrap();
    let moved = pass(things.pipe.1);
    destroy(read(moved).unwrap()).unwrap();
    // Between this process and itself, over a connection.
    let (ours, theirs) = UnixStream::pair().unwrap();
    let ends = [(ours, number), (theirs, number + 100)].map(|(socket, number)| {
        let invitation = invitation();
        let end = output(STALE, |end| calls::attach_to_invitation(invitation, Some(b"x"), 1, None, Some(end))).unwrap();
        let handle = MojoPlatformHandle { struct_size: 16, kind: 1, value: socket.as_raw_fd() as u64 };
        let endpoint = MojoInvitationTransportEndpoint {
            struct_size: 24,
            kind: 0,
            num_platform_handles: 1,
            platform_handles: &handle,
        };
        // Of that name there is one at a time.
        let name = [number as u8];
        let mut isolated = options(24, &[1]);
        isolated[8..16].copy_from_slice(&name.as_ptr().addr().to_ne_bytes());
        isolated[16..20].copy_from_slice(&1_u32.to_ne_bytes());
        assert_eq!(calls::send_invitation(invitation, None, Some(&endpoint), None, Some(&isolated)), OK);
        std::mem::forget(socket);
        end
    });
    send(ends[0], b"over a connection", &[buffer(8)]).unwrap();
    // SAFETY: the output is optional.
    assert_eq!(unsafe { MojoWait(ends[1], R, u64::MAX, null_mut()) }, OK);
    let (_, handles) = receive(ends[1]).unwrap();
    close_all(&[handles[0], ends[0], ends[1], moved]);
    let Things { data, in_phase, buffer, mapping, watcher, pollable, invitation, platform, pipe, .. } = things;
    [things.message, things.built, things.with_context].into_iter().for_each(|message| destroy(message).unwrap());
    unmap(mapping).unwrap();
    close_all(&[pipe.0, data.0, data.1, in_phase.0, in_phase.1, buffer, watcher, pollable, invitation, platform]);
    callbacks();
}
