//! What a program that embeds the library can do: start processes, do the I/O itself, and come to a good end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::{
    AcceptedInvitation, Driver, INVITATION_VARIABLE, Invitation, Message, MessagePipe, Node, Signals, Waitable,
    WatchEvent, Watcher, socket_pair,
};
use std::io::ErrorKind;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};
use worlds::*;

// ---- processes that are started with an invitation -------------------------------------------------------

fn this_test_binary(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", test, "--nocapture"]).stdout(Stdio::null());
    command
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_was_started_with_an_invitation() {
    let Ok(accepted) = AcceptedInvitation::inherited() else { return };
    let _watchdog = watchdog();
    let again = AcceptedInvitation::inherited().unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound);
    let pipe = accepted.extract(b"main").unwrap();
    // Another process that this one starts has the variable, and nothing else.
    let status = this_test_binary("child_has_only_the_variable").status().unwrap();
    assert!(status.success());
    send(&pipe, "hello");
    assert_closed(&pipe);
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_has_only_the_variable() {
    if std::env::var_os(INVITATION_VARIABLE).is_some() {
        assert_eq!(AcceptedInvitation::inherited().unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[test]
fn a_process_is_started_with_an_invitation_that_nobody_else_inherits() {
    let (alone, node) = (alone(), Node::new());
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let siblings = scope.spawn(|| {
            let mut count = 0;
            while !is_done.load(Ordering::SeqCst) || count == 0 {
                let output = Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
                let listed = String::from_utf8(output.stdout).unwrap();
                assert!(listed.contains("pipe:") && !listed.contains("socket:"), "{listed}");
                count += 1;
            }
        });
        for _ in 0..10 {
            let invitation = Invitation::new_on(&node);
            let pipe = invitation.attach(b"main").unwrap();
            let mut command = this_test_binary("child_was_started_with_an_invitation");
            let (mut child, connection) = invitation.spawn(&mut command).unwrap();
            // The same command again starts a process that inherits nothing.
            let mut other = command.spawn().unwrap();
            assert_eq!(recv(&pipe), "hello");
            drop(pipe);
            assert!(child.wait().unwrap().success());
            assert!(other.wait().unwrap().success());
            eventually("the connection has ended", || !connection.is_open());
        }
        is_done.store(true, Ordering::SeqCst);
        siblings.join().unwrap();
    });
    finish(alone, &[&node]);
}

#[test]
fn a_process_that_cannot_be_started_closes_the_pipes_of_its_invitation() {
    let alone = alone();
    let invitation = Invitation::new();
    let pipe = invitation.attach(b"main").unwrap();
    let error = invitation.spawn(&mut Command::new("/nowhere/to/be/found")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_closed(&pipe);
    assert_eq!(AcceptedInvitation::inherited().unwrap_err().kind(), ErrorKind::NotFound);
    drop(pipe);
    finish(alone, &[]);
}

// ---- the thread that does the I/O ------------------------------------------------------------------------

fn has_thread(name: &str) -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .any(|comm| comm.trim() == name)
}

#[test]
fn the_thread_of_a_node_has_the_name_that_it_was_given() {
    let alone = alone();
    let (here, there) = (Node::new(), Node::new());
    here.set_io_thread_name("mine\0and more");
    let (a, b) = link(&here, &there);
    assert_connected(&a, &b);
    assert!(has_thread("mine") && has_thread("libmojo-io"));
    here.set_io_thread_name("later");
    drop((a, b));
    here.disconnect();
    eventually("the connection and its thread are gone", || !here.has_links() && !has_thread("mine"));
    let (a, b) = link(&here, &there);
    assert_connected(&a, &b);
    assert!(has_thread("later"));
    here.set_io_thread_name("");
    drop((a, b));
    finish(alone, &[&here, &there]);
}

// ---- programs that do the I/O themselves -----------------------------------------------------------------

/// Has the driver work until a condition holds, which nobody else may make true.
fn drive_until(driver: &mut Driver, condition: impl Fn() -> bool) {
    while !condition() {
        let at_most = driver.run_once().map(|limit| limit.try_into().unwrap());
        if !condition() {
            let mut polled = [rustix::event::PollFd::new(&*driver, rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut polled, at_most.as_ref()).unwrap();
        }
    }
}

#[test]
fn a_node_that_the_program_drives_has_no_thread() {
    let (alone, here, there) = (alone(), Node::new(), Node::new());
    let mut driver = here.drive().unwrap();
    assert_eq!(here.drive().unwrap_err().kind(), ErrorKind::AlreadyExists);
    let (a, b) = link(&here, &there);
    assert_eq!(there.drive().unwrap_err().kind(), ErrorKind::AlreadyExists);
    let driving = std::thread::current().id();
    let (events, happened) = std::sync::mpsc::channel();
    let watcher = Watcher::new(move |event| {
        events.send((std::thread::current().id(), event.from_system, event.event)).unwrap();
    });
    watcher.watch(&a, Signals::READABLE, 1).unwrap();
    watcher.arm(0).unwrap();
    send(&b, "hello");
    // Nothing comes by itself.
    assert!(there.flush(Some(Instant::now())) || !a.signals().satisfied.contains(Signals::READABLE));
    drive_until(&mut driver, || a.signals().satisfied.contains(Signals::READABLE));
    // Asking for the signals may have found it, and leaves the callback to the driver.
    driver.run_once();
    assert_eq!(happened.try_recv().unwrap(), (driving, true, WatchEvent::Satisfied));
    assert_eq!(recv(&a), "hello");
    // More than a socket holds, in both directions.
    let bytes = vec![7; 3 << 20];
    a.send(Message::new(&bytes)).unwrap();
    b.send(Message::new(&bytes)).unwrap();
    drive_until(&mut driver, || a.signals().satisfied.contains(Signals::READABLE) && here.flush(Some(Instant::now())));
    assert!(a.recv().unwrap().payload() == bytes && b.recv().unwrap().payload() == bytes);
    drop(watcher);
    // Connections end with the driver; later ones have a thread.
    drop(driver);
    assert_closed(&a);
    assert_closed(&b);
    assert!(!here.has_links());
    let (c, d) = link(&here, &there);
    assert_connected(&c, &d);
    drop((a, b, c, d));
    finish(alone, &[&here, &there]);
}

#[test]
fn a_driver_that_does_not_take_all_that_there_is_asks_to_be_called_again() {
    let (alone, here, there) = (alone(), Node::new(), Node::new());
    let _watchdog = watchdog();
    let mut driver = here.drive().unwrap();
    let (a, b) = link(&here, &there);
    let (a, b, num_taken) = (Arc::new(a), Arc::new(b), Arc::new(AtomicUsize::new(0)));
    let watcher = Arc::new_cyclic(|watcher: &Weak<Watcher>| {
        let (watcher, a, b, num_taken) = (watcher.clone(), a.clone(), b.clone(), num_taken.clone());
        Watcher::new(move |event| {
            if event.event == WatchEvent::Satisfied {
                a.try_recv().unwrap();
                num_taken.fetch_add(1, Ordering::SeqCst);
                // So there is always more.
                send(&b, "one of many");
                watcher.upgrade().unwrap().arm(0).unwrap();
            }
        })
    });
    watcher.watch(&*a, Signals::READABLE, 1).unwrap();
    watcher.arm(0).unwrap();
    send(&b, "the first");
    drive_until(&mut driver, || num_taken.load(Ordering::SeqCst) > 1000);
    drop((watcher, driver, a, b));
    finish(alone, &[&here, &there]);
}

// ---- a good end ------------------------------------------------------------------------------------------

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(20))
}

#[test]
fn a_node_without_connections_shuts_down_at_once_and_keeps_its_own_pipes() {
    let node = Node::new();
    let (a, b) = MessagePipe::create_on(&node);
    assert!(node.flush(None));
    assert!(node.shutdown(None));
    assert_connected(&a, &b);
}

#[test]
fn shutting_down_ends_the_connections_and_not_the_node() {
    let (alone, here, there) = (alone(), Node::new(), Node::new());
    let (a, b) = link(&here, &there);
    let (c, d) = MessagePipe::create_on(&here);
    send(&a, "last words");
    assert!(here.shutdown(None));
    assert!(!here.has_links());
    assert_eq!(recv(&b), "last words");
    assert_closed(&a);
    assert_closed(&b);
    assert_connected(&c, &d);
    let (e, f) = link(&here, &there);
    assert_connected(&e, &f);
    drop((a, b, c, d, e, f));
    finish(alone, &[&here, &there]);
}

#[test]
fn an_invitation_that_nobody_accepts_is_not_flushed() {
    let (alone, here, there) = (alone(), Node::new(), Node::new());
    let (ours, theirs) = socket_pair().unwrap();
    let invitation = Invitation::new_on(&here);
    let a = invitation.attach(b"main").unwrap();
    invitation.send(ours).unwrap();
    send(&a, "waits");
    assert!(!here.flush(soon()));
    let accepted = AcceptedInvitation::accept_on(&there, theirs).unwrap();
    assert!(here.flush(None));
    assert!(here.shutdown(Some(Instant::now() + PATIENCE)));
    assert_eq!(recv(&accepted.extract(b"main").unwrap()), "waits");
    drop((a, accepted));
    finish(alone, &[&here, &there]);
}

/// Two nodes that know each other only through a third, which is isolated from one of them and so does not introduce
/// them to each other; and a pipe between them.
fn relayed() -> ([Node; 3], [MessagePipe; 2], [(MessagePipe, MessagePipe); 2]) {
    let (left, middle, right) = (Node::new(), Node::new(), Node::new());
    let (to_left, at_left) = link(&middle, &left);
    let (to_right, at_right) = link_isolated(&middle, &right);
    let (c, d) = MessagePipe::create_on(&middle);
    let c = pass_pipe(&to_left, &at_left, c);
    let d = pass_pipe(&to_right, &at_right, d);
    assert_connected(&c, &d);
    ([left, middle, right], [c, d], [(to_left, at_left), (to_right, at_right)])
}

#[test]
fn a_node_that_relays_for_others_does_not_shut_down_in_good_order() {
    let (alone, (nodes, [c, d], carriers)) = (alone(), relayed());
    assert!(!nodes[1].shutdown(soon()));
    assert_closed(&c);
    assert_closed(&d);
    drop((c, d, carriers));
    finish(alone, &nodes.each_ref());
}

#[test]
fn a_node_shuts_down_in_good_order_as_soon_as_the_others_are_done() {
    let (alone, (nodes, [c, d], carriers)) = (alone(), relayed());
    std::thread::scope(|scope| {
        let shutdown = scope.spawn(|| nodes[1].shutdown(None));
        assert_connected(&c, &d);
        send(&c, "last words");
        drop(c);
        assert_eq!(recv(&d), "last words");
        assert_closed(&d);
        assert!(shutdown.join().unwrap());
    });
    drop((d, carriers));
    finish(alone, &nodes.each_ref());
}

#[test]
fn a_driver_that_stays_awake_asks_for_another_turn_after_something_has_come_and_then_rests() {
    let alone = alone();
    let (here, there) = (Node::new(), Node::new());
    let (mut driver, mut other) = (here.drive().unwrap(), there.drive().unwrap());
    driver.stay_awake();
    let (a, b) = link(&here, &there);
    send(&a, "hello");
    eventually("they are connected", || {
        driver.run_once();
        other.run_once();
        b.try_recv().is_ok()
    });
    if links_share_memory() {
        eventually("it rests", || driver.run_once() != Some(Duration::ZERO));
        // It is not called for what nobody waits for.
        let mut waiting = Box::pin(a.readable());
        assert!(poll_once(waiting.as_mut(), Waker::noop()).is_pending());
        send(&b, "wake up");
        eventually("it stays awake", || driver.run_once() == Some(Duration::ZERO));
        assert_eq!(recv(&a), "wake up");
        eventually("it rests again", || driver.run_once() != Some(Duration::ZERO));
    }
    drop((a, b, driver, other));
    finish(alone, &[&here, &there]);
}
