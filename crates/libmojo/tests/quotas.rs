//! Quotas of pipes, and the limits of links.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::limits::Limits;
use libmojo::quota::{Amount, Quota, Quotas};
use libmojo::{
    Message, MessagePipe, Node, ProcessError, RecvError, SendErrorKind, SendOptions, Serialize, Signals, TryRecvError,
    Waitable, Watcher,
};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};
use worlds::*;

const W: Signals = Signals::WRITABLE;
const Q: Signals = Signals::QUOTA_EXCEEDED;

fn on_sent(amount: Amount) -> Quotas {
    Quotas { sent: Quota::enforced(amount), ..Quotas::default() }
}

fn on_unread(amount: Amount) -> Quotas {
    Quotas { unread: Quota::enforced(amount), ..Quotas::default() }
}

/// Sends until that is refused. Says how many messages there were.
fn fill(pipe: &MessagePipe, text: &str) -> u64 {
    for number in 0.. {
        match pipe.send(Message::from(text)) {
            Ok(()) => {}
            Err(error) => {
                assert_eq!((error.kind, error.message.payload()), (SendErrorKind::QuotaReached, text.as_bytes()));
                return number;
            }
        }
    }
    0
}

/// A message whose text is not known before it has to leave the process.
struct Lazy(&'static str);

impl Serialize for Lazy {
    fn serialize(self) -> Message {
        Message::from(self.0)
    }
}

in_worlds! {
    fn an_end_sends_as_much_as_its_quota_and_goes_on_when_that_is_received(world: World) {
        let (_sides, a, b) = world.connect();
        a.set_quotas(on_sent(Amount::messages(4)));
        for _ in 0..20 {
            assert_eq!(fill(&a, "text"), 4);
            assert!(!a.signals().satisfied.contains(W) && a.signals().satisfiable.contains(W));
            assert_eq!(a.usage().sent, Amount { messages: 4, bytes: 16 });
            (0..4).for_each(|_| assert_eq!(recv(&b), "text"));
            wait_for(&a, W);
            eventually("all credit has come back", || a.usage().sent == Amount::NONE);
        }
        // The other direction has no quota.
        (0..100).for_each(|_| send(&b, "free"));
        (0..100).for_each(|_| assert_eq!(recv(&a), "free"));
    }

    fn bytes_are_limited_whatever_a_message_is_made_of(world: World) {
        let (_sides, a, b) = world.connect();
        a.set_quotas(on_sent(Amount::bytes(10)));
        assert_eq!(fill(&a, "four"), 3);
        (0..3).for_each(|_| assert_eq!(recv(&b), "four"));
        // Half of the quota at a time.
        eventually("credit has come back for two", || a.usage().sent == Amount { messages: 1, bytes: 4 });
        for _ in 0..2 {
            a.send(Message::lazy(Lazy("five!"))).unwrap();
        }
        let refused = a.send(Message::lazy(Lazy("no more"))).unwrap_err();
        assert_eq!(refused.kind, SendErrorKind::QuotaReached);
        assert_eq!(recv(&b), "five!");
        wait_for(&a, W);
        a.send(refused.message).unwrap();
        assert_eq!([recv(&b), recv(&b)], ["five!", "no more"]);
        // One that is larger than the whole quota goes when nothing else waits.
        eventually("all credit has come back", || a.usage().sent == Amount::NONE);
        send(&a, "more than ten bytes");
        assert_eq!(fill(&a, ""), 0);
        assert_eq!(recv(&b), "more than ten bytes");
        wait_for(&a, W);
    }

    fn sending_waits_in_all_three_ways(world: World) {
        let (_sides, a, b) = world.connect();
        a.set_quotas(on_sent(Amount::messages(1)));
        send(&a, "first");
        let refused = a.send_timeout(Message::from("late"), Duration::from_millis(1)).unwrap_err();
        assert_eq!(refused.kind, SendErrorKind::QuotaReached);
        let refused = a.send_deadline(refused.message, Instant::now()).unwrap_err();
        assert_eq!(refused.kind, SendErrorKind::QuotaReached);
        thread::scope(|scope| {
            scope.spawn(|| a.send_blocking(refused.message).unwrap());
            assert_eq!([recv(&b), recv(&b)], ["first", "late"]);
        });
        send_to_the_brim(&a);
        // A future that is dropped has sent nothing.
        assert!(pin!(a.send_async(Message::from("never"))).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        thread::scope(|scope| {
            scope.spawn(|| block_on(a.send_async(Message::from("last"))).unwrap());
            assert_eq!([recv(&b), recv(&b)], ["brim", "last"]);
        });
        send_to_the_brim(&a);
        thread::scope(|scope| {
            let sending = scope.spawn(|| a.send_blocking(Message::from("in vain")).map_err(|error| error.kind));
            drop(b);
            assert_eq!(sending.join().unwrap(), Err(SendErrorKind::PeerClosed));
        });
    }

    fn quotas_go_with_both_ends(world: World) {
        let (sides, a, b) = world.connect();
        let (mine, theirs) = sides.pipe_here();
        mine.set_quotas(on_sent(Amount::messages(4)));
        theirs.set_quotas(on_unread(Amount::messages(4)));
        send(&mine, "before");
        let theirs = pass_pipe(&a, &b, theirs);
        assert_eq!(fill(&mine, "after"), 3);
        let mine = pass_pipe(&a, &b, mine);
        assert_eq!(mine.quotas(), on_sent(Amount::messages(4)));
        assert_eq!(fill(&mine, "no more"), 0);
        let theirs = pass_pipe(&b, &a, theirs);
        assert_eq!(theirs.quotas(), on_unread(Amount::messages(4)));
        assert_eq!([(); 4].map(|()| recv(&theirs)), ["before", "after", "after", "after"]);
        wait_for(&mine, W);
        eventually("all credit has come back", || mine.usage().sent == Amount::NONE);
        assert_eq!(fill(&mine, "again"), 4);
        // Someone who keeps no quota is cut off; what is unread stays.
        mine.set_quotas(Quotas::default());
        send(&mine, "too much");
        wait_for(&theirs, Signals::PEER_CLOSED);
        assert_eq!([(); 4].map(|()| recv(&theirs)), ["again"; 4]);
        assert_closed(&theirs);
        assert_closed(&mine);
    }

    fn reported_quotas_raise_a_signal_and_refuse_nothing(world: World) {
        let (_sides, a, b) = world.connect();
        a.set_quotas(Quotas { sent: Quota::reported(Amount::messages(2)), ..Quotas::default() });
        b.set_quotas(Quotas { unread: Quota::reported(Amount::bytes(5)), ..Quotas::default() });
        let seen = Arc::new(Mutex::new(0));
        let seen_too = seen.clone();
        let watcher = Watcher::new(move |_| *seen_too.lock().unwrap() += 1);
        watcher.watch(&a, Q, 1).unwrap();
        watcher.arm(1).unwrap();
        (0..2).for_each(|_| send(&a, "two"));
        assert!(!a.signals().satisfied.contains(Q) && *seen.lock().unwrap() == 0);
        assert!(wait_for(&b, Q).satisfied.contains(Q));
        send(&a, "two");
        // By this thread, or by another one that has just seen it.
        eventually("the watcher is told", || *seen.lock().unwrap() == 1);
        assert!(a.signals().satisfied.contains(Q | W));
        assert_eq!([recv(&b), recv(&b), recv(&b)], ["two", "two", "two"]);
        assert!(!b.signals().satisfied.contains(Q));
        eventually("some credit has come back", || !a.signals().satisfied.contains(Q));
    }

    fn a_quota_ends_up_with_whoever_is_fused_in(world: World) {
        let (sides, a, b) = world.connect();
        let (c, d) = sides.pipe_there();
        a.set_quotas(on_sent(Amount::messages(2)));
        c.set_quotas(on_sent(Amount::messages(7)));
        assert_eq!(fill(&a, "text"), 2);
        assert_eq!(recv(&b), "text");
        b.fuse(c).unwrap();
        assert_eq!(recv(&d), "text");
        for _ in 0..10 {
            a.send_blocking(Message::from("more")).unwrap();
            assert_eq!(recv(&d), "more");
        }
        eventually("all credit has come back", || a.usage().sent == Amount::NONE);
        assert_eq!(fill(&a, "end"), 2);
        (0..2).for_each(|_| assert_eq!(recv(&d), "end"));
    }
}

fn send_to_the_brim(pipe: &MessagePipe) {
    eventually("there is room", || pipe.signals().satisfied.contains(W));
    pipe.send_blocking(Message::from("brim")).unwrap();
    assert_eq!(fill(pipe, "no more"), 0);
}

#[test]
fn quotas_can_be_changed_and_what_was_sent_before_is_not_counted() {
    let _watchdog = watchdog();
    let (a, b) = MessagePipe::create();
    assert_eq!((a.quotas(), a.usage()), Default::default());
    (0..10).for_each(|_| send(&a, "uncounted"));
    assert_eq!(b.usage().unread, Amount { messages: 10, bytes: 90 });
    a.set_quotas(on_sent(Amount::messages(5)));
    assert_eq!(fill(&a, "counted"), 5);
    (0..10).for_each(|_| assert_eq!(recv(&b), "uncounted"));
    assert_eq!(fill(&a, "no more"), 0);
    a.set_quotas(on_sent(Amount { messages: 6, bytes: 1000 }));
    assert_eq!(fill(&a, "counted"), 1);
    a.set_quotas(on_sent(Amount::messages(2)));
    (0..4).for_each(|_| assert_eq!(recv(&b), "counted"));
    assert_eq!(fill(&a, "no more"), 0);
    assert_eq!([recv(&b), recv(&b)], ["counted", "counted"]);
    assert_eq!(fill(&a, "last"), 2);
    a.set_quotas(Quotas::default());
    (0..100).for_each(|_| send(&a, "free"));
}

// ---- links -----------------------------------------------------------------------------------------------

/// Runs a test of its own process: limits hold for all of it.
fn in_a_child(test: &str, body: impl FnOnce()) {
    const VARIABLE: &str = "LIBMOJO_TEST_OF_LIMITS";
    if std::env::var(VARIABLE).is_ok_and(|name| name == test) {
        return body();
    }
    let program = std::env::current_exe().unwrap();
    let status = std::process::Command::new(program).args(["--exact", test]).env(VARIABLE, test).status().unwrap();
    assert!(status.success());
}

/// Connects two nodes, the first of which hears of the connection.
fn watched(inviter: &Node, invitee: &Node) -> (MessagePipe, MessagePipe, Arc<Mutex<Vec<ProcessError>>>) {
    let (errors, handler) = recording();
    let (a, b) = link_with(inviter, invitee, SendOptions { handler: Some(handler), ..SendOptions::default() });
    (a, b, errors)
}

fn heard(errors: &Mutex<Vec<ProcessError>>, text: &str) {
    eventually("the connection is given up", || !errors.lock().unwrap().is_empty());
    let errors = errors.lock().unwrap();
    assert!(errors[0].disconnected && errors[0].message.contains(text), "{errors:?}");
}

#[test]
fn a_process_that_sends_more_than_is_taken_is_cut_off() {
    in_a_child("a_process_that_sends_more_than_is_taken_is_cut_off", || {
        let _watchdog = watchdog();
        let max_unread_per_link = Amount { messages: 1000, bytes: 1 << 20 };
        Limits { max_unread_per_link, ..Limits::default() }.apply();
        let large = "x".repeat(10_000);
        for (text, most) in [("", 1000), (large.as_str(), 104)] {
            let (here, there, other) = (Node::new(), Node::new(), Node::new());
            let (b, a, errors) = watched(&there, &here);
            let (c, d) = link(&other, &there);
            // What is taken does not count, however much it is.
            for _ in 0..3 * most {
                send(&a, text);
                assert_eq!(recv(&b), text);
            }
            // Spread over two pipes, the second inside of a message that is unread itself.
            let (more, inside) = MessagePipe::create_on(&here);
            a.send(Message::new(b"").with(inside)).unwrap();
            (0..most / 2).for_each(|_| send(&more, text));
            while a.send(Message::from(text)).is_ok() {}
            heard(&errors, "that nobody takes");
            // What came before stays readable, and others are not disturbed.
            let mut num_unread = 0;
            while b.try_recv().is_ok() {
                num_unread += 1;
            }
            // The first, which has no bytes, the one that was too much, and what comes before there is another count.
            assert!(num_unread > 2 && num_unread <= most + most / 64 + 2, "{num_unread}");
            assert_eq!(b.try_recv().err(), Some(TryRecvError::PeerClosed));
            assert_connected(&c, &d);
        }
    });
}

#[test]
fn a_process_that_takes_nothing_is_cut_off_when_too_much_waits_for_it() {
    in_a_child("a_process_that_takes_nothing_is_cut_off_when_too_much_waits_for_it", || {
        let _watchdog = watchdog();
        let max_queued_per_link = Amount { messages: 1000, bytes: 20 << 20 };
        Limits { max_queued_per_link, ..Limits::default() }.apply();
        for text in ["".to_owned(), "x".repeat(1 << 20)] {
            // A peer that has accepted and then looks at nothing: its node is driven by nobody.
            let (here, there) = (Node::new(), Node::new());
            let mut driver = there.drive().unwrap();
            let (a, b, errors) = watched(&here, &there);
            send(&a, "hello");
            eventually("they are connected", || {
                driver.run_once();
                b.try_recv().is_ok()
            });
            while a.send(Message::from(text.as_str())).is_ok() {}
            heard(&errors, "too much waits");
            assert!(matches!(a.recv(), Err(RecvError::PeerClosed)));
        }
    });
}
