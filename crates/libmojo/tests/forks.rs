//! Processes that are forked off without executing a program: they can use nothing of what they have a copy of, and
//! whatever they do with it, their parents and those that are connected to these notice nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::{
    AcceptedInvitation, BufferError, DataPipeError, DataPipeOptions, FuseError, Invitation, InvitationError, Message,
    MessagePipe, Node, RecvError, SendErrorKind, Serialize, Server, SharedBuffer, Signals, SignalsState, TakeError,
    TryRecvError, WaitError, Waitable, WatchError, WatchEvent, Watcher, socket_pair, wait_many,
};
use std::ffi::c_int;
use std::future::Future;
use std::io::{self, Write};
use std::pin::pin;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Once, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use worlds::*;

/// Forks. The child has a minute, and ends when it panics. `None` in the child.
fn fork() -> Option<c_int> {
    static HOOK: Once = Once::new();
    // Not in the child: another thread may just hold what is locked for this.
    HOOK.call_once(|| {
        let (parent, hook) = (std::process::id(), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |panic| {
            if std::process::id() != parent {
                eprintln!("in a child: {panic}");
                exit(1);
            }
            hook(panic);
        }));
    });
    // SAFETY: the child uses what it has a copy of, as this test is about.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: arranges for the end of a child that hangs.
            unsafe { libc::alarm(60) };
            None
        }
        pid => Some(pid),
    }
}

fn exit(status: c_int) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(status) }
}

extern "C" fn leave() {
    exit(0);
}

fn wait_for_child(pid: c_int) -> c_int {
    let mut status = 0;
    // SAFETY: a child of this process that nobody else waits for, and a place to write to.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    status
}

/// Does something in a child.
fn in_fork(body: impl FnOnce()) {
    match fork() {
        None => {
            body();
            exit(0);
        }
        Some(pid) => assert_eq!(wait_for_child(pid), 0, "a child has failed, or hangs"),
    }
}

/// The child's copy of something that the parent goes on to have.
fn copy<T>(value: &T) -> T {
    // SAFETY: the original is not used again in the child, which ends without dropping anything.
    unsafe { std::ptr::read(value) }
}

#[test]
fn in_a_fork_every_operation_fails_or_does_nothing() {
    let _watchdog = watchdog();
    let (here, there) = (Node::new(), Node::new());
    let (a, b) = link(&here, &there);
    let (c, d) = MessagePipe::create();
    let (mut producer, mut consumer) = data_pipe_on(&here, 1, 16);
    producer.write_all(b"unread").unwrap();
    send(&b, "unread");
    wait_for(&a, Signals::READABLE);
    let watcher = Watcher::new(|event| assert_eq!(event.event, WatchEvent::Cancelled));
    watcher.watch(&c, Signals::READABLE, 1).unwrap();
    watcher.arm(0).unwrap();
    let mut message = Message::from("with a pipe").with(d);
    let buffer = SharedBuffer::create(100).unwrap();
    let connection = {
        let (ours, _theirs) = socket_pair().unwrap();
        Invitation::new().send(ours).unwrap()
    };
    let server = Server::bind_abstract(format!("libmojo-forks-{}", std::process::id()).as_bytes()).unwrap();
    in_fork(|| {
        assert_eq!(a.send(Message::from("x")).unwrap_err().kind, SendErrorKind::Forked);
        assert_eq!(a.try_recv().unwrap_err(), TryRecvError::Forked);
        assert_eq!(a.recv().unwrap_err(), RecvError::Forked);
        assert_eq!(a.recv_deadline(Instant::now()).unwrap_err(), RecvError::Forked);
        assert_eq!(a.signals(), SignalsState::default());
        assert_eq!(a.wait(Signals::READABLE, None), Err(WaitError::Forked));
        assert_eq!(wait_many(&[(&a, Signals::READABLE)], None), Err((0, WaitError::Forked)));
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(pin!(a.ready(Signals::READABLE)).poll(&mut context), Poll::Ready(Err(WaitError::Forked)));
        assert!(matches!(pin!(a.recv_async()).poll(&mut context), Poll::Ready(Err(RecvError::Forked))));
        assert_eq!(copy(&a).fuse(copy(&c)).unwrap_err(), FuseError::Forked);
        assert!(format!("{a:?} {producer:?} {watcher:?} {here:?}").contains("of the parent"));

        assert_eq!(message.take_handles().unwrap_err(), TakeError::Forked);
        assert!(message.attach(copy(&c)).is_err());
        assert_eq!(message.payload(), b"with a pipe");
        message.report_bad("nobody hears of this");

        assert_eq!(producer.try_write(b"x"), Err(DataPipeError::Forked));
        assert_eq!(producer.write(b"x").unwrap_err().kind(), io::ErrorKind::Unsupported);
        assert_eq!(producer.begin_write().unwrap_err(), DataPipeError::Forked);
        assert_eq!(consumer.available(), Err(DataPipeError::Forked));
        assert_eq!(consumer.try_read(&mut [0; 1]), Err(DataPipeError::Forked));
        assert_eq!(consumer.peek(&mut [0; 1]), Err(DataPipeError::Forked));
        assert_eq!(consumer.discard(1), Err(DataPipeError::Forked));
        assert_eq!(consumer.begin_read().unwrap_err(), DataPipeError::Forked);
        assert_eq!(DataPipeOptions::default().create().unwrap_err(), DataPipeError::Forked);
        let write = pin!(producer.write_async(b"x")).poll(&mut context);
        assert_eq!(write, Poll::Ready(Err(DataPipeError::Forked)));
        let read = pin!(consumer.read_async(&mut [0; 1])).poll(&mut context);
        assert_eq!(read, Poll::Ready(Err(DataPipeError::Forked)));
        let file = file_with("not copied");
        assert_eq!(producer.copy_from(&file).unwrap_err().kind(), io::ErrorKind::Unsupported);
        assert_eq!(consumer.copy_to(&file).unwrap_err().kind(), io::ErrorKind::Unsupported);
        #[cfg(feature = "tokio")]
        {
            use tokio::io::AsyncWrite;

            let mut stream = copy(&producer).into_async();
            let written = std::pin::Pin::new(&mut stream).poll_write(&mut context, b"x");
            assert!(matches!(written, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Unsupported));
        }

        assert_eq!(watcher.watch(&a, Signals::READABLE, 2), Err(WatchError::Forked));
        assert!(!watcher.cancel(1));
        assert_eq!(watcher.arm(1), Err(Vec::new()));
        watcher.dispatch();
        assert_eq!(Watcher::pollable(|_| ()).unwrap_err().kind(), io::ErrorKind::Unsupported);

        let (e, _f) = MessagePipe::create();
        assert_eq!(e.send(Message::from("x")).unwrap_err().kind, SendErrorKind::Forked);
        assert!(matches!(Invitation::new().attach(b"x"), Err(InvitationError::Forked)));
        let (ours, theirs) = socket_pair().unwrap();
        assert!(matches!(Invitation::new().send(ours), Err((InvitationError::Forked, _))));
        assert!(matches!(AcceptedInvitation::accept(theirs), Err((InvitationError::Forked, _))));
        let spawned = Invitation::new().spawn(&mut Command::new("true"));
        assert_eq!(spawned.unwrap_err().kind(), io::ErrorKind::Unsupported);
        assert_eq!(AcceptedInvitation::inherited().unwrap_err().kind(), io::ErrorKind::Unsupported);
        assert_eq!(server.accept(None).unwrap_err().kind(), io::ErrorKind::Unsupported);
        assert_eq!(server.try_accept().unwrap_err().kind(), io::ErrorKind::Unsupported);

        assert!(!here.has_links() && here.port_counts() == (0, 0) && !connection.is_open());
        assert!(!here.flush(None) && !here.shutdown(None));
        assert_eq!(Node::new().drive().unwrap_err().kind(), io::ErrorKind::Unsupported);
        here.disconnect();
        connection.close();
        Node::process().set_default_error_handler(None);

        // Memory, and nothing else.
        buffer.map(0, 5).unwrap().write(0, b"child").unwrap();
        assert_eq!(buffer.map(0, 101).unwrap_err(), BufferError::InvalidArgument);
    });
    let mut bytes = [0; 5];
    buffer.map(0, 5).unwrap().read(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"child");
    assert_eq!(recv(&a), "unread");
    assert_connected(&a, &b);
    consumer.try_read_exact(&mut [0; 6]).unwrap();
    let d = message.take_handles().unwrap().remove(0).into_pipe().unwrap();
    assert!(watcher.cancel(1));
    assert_connected(&c, &d);
}

/// Ends the process if it is dropped anywhere but where it was made.
struct Remains(u32);

impl Remains {
    fn here() -> Self {
        Self(std::process::id())
    }
}

impl Serialize for Remains {
    fn serialize(self) -> Message {
        Message::from("")
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        if std::process::id() != self.0 {
            exit(3);
        }
    }
}

#[test]
fn a_fork_that_drops_everything_takes_nothing_away() {
    let _watchdog = watchdog();
    let (here, there) = (Node::new(), Node::new());
    let (a, b) = link(&here, &there);
    let driven = Node::new();
    let driver = driven.drive().unwrap();
    let (e, _f) = link_isolated(&driven, &there);
    let (c, d) = MessagePipe::create();
    let (mut producer, mut consumer) = data_pipe_on(&here, 1, 16);
    producer.write_all(b"unread").unwrap();
    let (read, write) = (consumer.begin_read().unwrap(), producer.begin_write().unwrap());
    let (events, happened) = mpsc::channel();
    let watcher = Watcher::new(move |event| events.send(event.event).unwrap());
    watcher.watch(&c, Signals::PEER_CLOSED, 1).unwrap();
    watcher.arm(0).unwrap();
    let (carried, kept) = MessagePipe::create();
    let message = Message::from("with a pipe").with(carried);
    let lazy = Message::lazy(Remains::here());
    let parent = std::process::id();
    let elsewhere = Watcher::new(move |_| drop(Remains(parent)));
    elsewhere.watch(&e, Signals::PEER_CLOSED, 1).unwrap();
    elsewhere.arm(0).unwrap();
    let invitation = Invitation::new();
    let invited = invitation.attach(b"x").unwrap();
    let path = scratch_path();
    let server = Server::bind(&path).unwrap();
    let mut pending = Box::pin(c.ready(Signals::READABLE));
    assert!(pending.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    in_fork(|| {
        drop(copy(&pending));
        drop((copy(&read), copy(&write)));
        drop((copy(&a), copy(&b), copy(&c), copy(&d), copy(&e)));
        drop((copy(&watcher), copy(&message), copy(&invitation), copy(&server), copy(&lazy)));
        drop((copy(&driver), copy(&driven), copy(&here), copy(&there)));
    });
    read.commit(6).unwrap();
    write.commit(1).unwrap();
    assert!(happened.try_recv().is_err());
    assert!(path.exists());
    for pipe in [&kept, &invited, &c, &a, &e] {
        assert!(!pipe.signals().satisfied.contains(Signals::PEER_CLOSED));
    }
    drop(pending);
    assert_connected(&a, &b);
    assert_connected(&c, &d);
    drop((server, message, invitation, d));
    assert_closed(&kept);
    assert_closed(&invited);
    assert_eq!(happened.recv().unwrap(), WatchEvent::Satisfied);
    drop(driver);
}

/// Forks when it is serialized, and says so: to itself in the child.
struct Forks(mpsc::Sender<Option<c_int>>);

impl Serialize for Forks {
    fn serialize(self) -> Message {
        self.0.send(fork()).unwrap();
        Message::from("serialized")
    }
}

#[test]
fn the_serializer_of_a_message_that_is_sent_may_fork() {
    let _watchdog = watchdog();
    let (here, there) = (Node::new(), Node::new());
    let (a, b) = link(&here, &there);
    assert_connected(&a, &b);
    let (children, forked) = mpsc::channel();
    let outcome = a.send(Message::lazy(Forks(children)));
    let Some(pid) = forked.recv().unwrap() else { exit(outcome.is_ok().into()) };
    outcome.unwrap();
    assert_eq!(recv(&b), "serialized");
    assert_eq!(wait_for_child(pid), 0);
}

#[test]
fn a_callback_on_the_thread_that_does_the_io_may_fork_and_both_return_from_it() {
    let _watchdog = watchdog();
    let (here, there) = (Node::new(), Node::new());
    let (a, b) = link(&here, &there);
    assert_connected(&a, &b);
    let (children, forked) = mpsc::channel();
    let watcher = Watcher::new(move |event| {
        if event.from_system {
            match fork() {
                Some(pid) => children.send(pid).unwrap(),
                // SAFETY: has the process end there without a search for leaks, should this be run for one: what only
                // the parent's other threads refer to would be taken for lost.
                None => assert_eq!(unsafe { libc::atexit(leave) }, 0),
            }
        }
    });
    watcher.watch(&b, Signals::READABLE, 1).unwrap();
    watcher.arm(0).unwrap();
    send(&a, "has the callback called");
    // The child has that thread alone, and ends with it, as a program does with its last thread.
    assert_eq!(wait_for_child(forked.recv().unwrap()), 0);
    assert_eq!(recv(&b), "has the callback called");
    assert_connected(&a, &b);
}

/// Says that it is over, however that comes.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn children_are_forked_off_while_threads_are_in_the_middle_of_everything() {
    let _watchdog = watchdog();
    let (here, there) = (Node::new(), Node::new());
    let (a, b) = link(&here, &there);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    let (own, given) = MessagePipe::create_on(&here);
                    a.send(Message::from("").with(given)).unwrap();
                    let given = recv_pipe(&b);
                    send(&own, "there");
                    let watcher = Watcher::new(|_| ());
                    watcher.watch(&given, Signals::READABLE, 1).unwrap();
                    let _ = watcher.arm(0);
                    assert_eq!(recv(&given), "there");
                    drop((own, data_pipe_on(&there, 1, 64)));
                    assert_closed(&given);
                }
            });
        }
        let _over = Over(&is_over);
        for _ in 0..100 {
            in_fork(|| {
                assert_eq!(a.recv().unwrap_err(), RecvError::Forked);
                assert!(!here.shutdown(None));
                drop((copy(&a), copy(&b), copy(&here), copy(&there)));
            });
        }
    });
    assert_connected(&a, &b);
}
