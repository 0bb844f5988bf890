//! Message pipes, within one node and between two.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::{
    Message, MessagePipe, RecvError, SendErrorKind, Signals, SignalsState, TakeError, TryRecvError, WaitError,
    Waitable, wait_many,
};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::thread::{scope, spawn};
use std::time::{Duration, Instant};
use worlds::*;

const R: Signals = Signals::READABLE;
const W: Signals = Signals::WRITABLE;
const C: Signals = Signals::PEER_CLOSED;
// A quota can be exceeded as long as there is an end.
const Q: Signals = Signals::QUOTA_EXCEEDED;
const M: Signals = Signals::PEER_REMOTE;

// ---- order and closure -----------------------------------------------------------------------------------

in_worlds! {
    fn messages_arrive_in_order_in_both_directions(world: World) {
        let (_sides, a, b) = world.connect();
        for number in 0..1001 {
            send(&a, &format!("a {number}"));
            send(&b, &format!("b {number}"));
        }
        for number in 0..1001 {
            assert_eq!(recv(&a), format!("b {number}"));
            assert_eq!(recv(&b), format!("a {number}"));
        }
        assert!(matches!(a.try_recv(), Err(TryRecvError::Empty)));
        assert!(matches!(b.try_recv(), Err(TryRecvError::Empty)));
    }

    fn what_was_sent_before_closing_arrives_and_then_the_closure(world: World) {
        let (_sides, a, b) = world.connect();
        for number in 0..100 {
            send(&a, &number.to_string());
        }
        drop(a);
        for number in 0..100 {
            assert_eq!(recv(&b), number.to_string());
        }
        assert_closed(&b);
        assert!(matches!(b.try_recv(), Err(TryRecvError::PeerClosed)));
        let error = b.send(Message::from("back")).unwrap_err();
        assert_eq!((error.kind, error.message.payload()), (SendErrorKind::PeerClosed, b"back".as_slice()));
    }

    fn closing_an_end_closes_what_is_in_its_unread_messages(world: World) {
        let (sides, a, b) = world.connect();
        let (kept, given) = sides.pipe_here();
        let (producer, consumer) = sides.data_pipe_here(1, 0);
        let (outer, inner) = sides.pipe_here();
        send(&given, "never read");
        outer.send(Message::from("").with(given)).unwrap();
        a.send(Message::from("").with(inner).with(consumer)).unwrap();
        drop(b);
        wait_for(&outer, C);
        wait_for(&kept, C);
        wait_for(&producer, C);
    }

    fn ends_can_be_closed_with_unread_messages_on_both_sides(world: World) {
        for closes_first in [true, false] {
            let (sides, a, b) = world.connect();
            let (kept, given) = sides.pipe_here();
            a.send(Message::from("with an end").with(given)).unwrap();
            for number in 0..4 {
                send(&a, &number.to_string());
                send(&b, &number.to_string());
            }
            if closes_first { drop((a, b)) } else { drop((b, a)) }
            assert_closed(&kept);
        }
    }

    fn a_message_of_any_size_arrives(world: World) {
        let (_sides, a, b) = world.connect();
        for size in [0, 1, 15, 16, 4096, 65_519, 65_536, 1 << 20, 20 << 20] {
            let bytes = Random::new(7).bytes(size);
            for (from, to) in [(&a, &b), (&b, &a)] {
                from.send(Message::new(&bytes)).unwrap();
                let mut message = to.recv().unwrap();
                assert!(message.payload() == bytes, "{size} bytes");
                assert!(message.take_handles().unwrap().is_empty());
            }
        }
    }

    fn a_received_message_can_be_sent_on_again_and_again(world: World) {
        let (sides, a, b) = world.connect();
        let (kept, given) = sides.pipe_here();
        let mut message = Message::from("forwarded").with(given);
        for _ in 0..20 {
            a.send(message).unwrap();
            b.send(b.recv().unwrap()).unwrap();
            message = a.recv().unwrap();
        }
        assert_eq!(message.payload(), b"forwarded");
        let given = message.take_handles().unwrap().remove(0).into_pipe().unwrap();
        send(&given, "through");
        assert_eq!(recv(&kept), "through");
        assert_eq!(message.take_handles().unwrap_err(), TakeError::AlreadyTaken);
    }
}

#[test]
fn a_hundred_thousand_pipes_are_made_and_closed() {
    for _ in 0..100_000 {
        drop(MessagePipe::create());
    }
}

#[test]
fn a_message_over_the_size_limit_comes_back() {
    let (a, _b) = MessagePipe::create();
    let message = Message::new(&vec![0; libmojo::limits::MAX_MESSAGE_BYTES + 1]);
    assert_eq!(a.send(message).unwrap_err().kind, SendErrorKind::TooLarge);
}

// ---- signals ---------------------------------------------------------------------------------------------

in_worlds! {
    fn signals_follow_messages_and_closure(world: World) {
        let (_sides, a, b) = world.connect();
        assert_signals(&a, W, R | W | C);
        assert_signals(&b, W, R | W | C);
        send(&a, "one");
        wait_for(&b, R);
        assert_signals(&b, R | W, R | W | C);
        assert_signals(&a, W, R | W | C);
        recv(&b);
        assert_signals(&b, W, R | W | C);
        send(&a, "two");
        drop(a);
        wait_for(&b, C);
        wait_for(&b, R);
        assert_signals(&b, R | C, R | C);
        assert!(matches!(b.wait(W, None), Err(WaitError::Unsatisfiable(_))));
        recv(&b);
        assert_signals(&b, C, C);
        assert!(!b.signals().satisfiable.contains(M));
        assert_eq!(b.wait(R | W, None), Err(WaitError::Unsatisfiable(SignalsState { satisfied: C, satisfiable: C | Q })));
    }

    fn an_end_whose_peer_is_closed_without_a_word_has_nothing_but_the_closure(world: World) {
        let (_sides, a, b) = world.connect();
        drop(a);
        wait_for(&b, C);
        let closed = SignalsState { satisfied: C, satisfiable: C | Q };
        assert_eq!(b.signals(), closed);
        assert_eq!(b.wait(R, None), Err(WaitError::Unsatisfiable(closed)));
    }

    fn the_remote_signal_tells_where_the_peer_is(world: World) {
        let (sides, a, b) = world.connect();
        if world.is_remote() {
            wait_for(&a, M);
            wait_for(&b, M);
        }
        let (kept, given) = sides.pipe_here();
        assert!(!kept.signals().satisfied.contains(M));
        assert!(kept.signals().satisfiable.contains(M));
        let given = pass_pipe(&a, &b, given);
        if world.is_remote() {
            wait_for(&kept, M);
            wait_for(&given, M);
        } else {
            assert!(!kept.signals().satisfied.contains(M));
        }
        let given = pass_pipe(&b, &a, given);
        eventually("the peer is back", || !kept.signals().satisfied.contains(M));
        eventually("the peer is back", || !given.signals().satisfied.contains(M));
        drop(given);
        wait_for(&kept, C);
        assert_eq!(kept.signals(), SignalsState { satisfied: C, satisfiable: C | Q });
    }
}

// ---- waiting ---------------------------------------------------------------------------------------------

in_worlds! {
    fn a_deadline_that_has_passed_ends_every_kind_of_wait(world: World) {
        let (_sides, a, b) = world.connect();
        let soon = || Instant::now() + Duration::from_millis(5);
        assert!(matches!(a.recv_timeout(Duration::ZERO), Err(RecvError::DeadlineExceeded)));
        assert!(matches!(a.recv_timeout(Duration::from_millis(5)), Err(RecvError::DeadlineExceeded)));
        assert!(matches!(a.recv_deadline(soon()), Err(RecvError::DeadlineExceeded)));
        assert_eq!(a.wait(R, Some(soon())), Err(WaitError::DeadlineExceeded));
        let both: [(&dyn Waitable, Signals); 2] = [(&a, R), (&b, R)];
        assert_eq!(wait_many(&both, Some(soon())).unwrap_err().1, WaitError::DeadlineExceeded);
        send(&b, "late, but there");
        assert_eq!(a.recv_timeout(PATIENCE).unwrap().payload(), b"late, but there");
        assert!(wait_many(&[], Some(soon())).is_err());
    }

    fn waiting_for_many_returns_the_first_that_is_ready(world: World) {
        let (sides, a, b) = world.connect();
        let pairs: Vec<_> = (0..10)
            .map(|_| {
                let (kept, given) = sides.pipe_here();
                (kept, pass_pipe(&a, &b, given))
            })
            .collect();
        for at in [3, 9, 0] {
            send(&pairs[at].1, "ready");
            let objects: Vec<(&dyn Waitable, Signals)> = pairs.iter().map(|(kept, _)| (kept as _, R)).collect();
            let (found, state) = wait_many(&objects, None).unwrap();
            assert_eq!(found, at);
            assert!(state.satisfied.contains(R));
            assert_eq!(recv(&pairs[at].0), "ready");
        }
        let mut pairs = pairs;
        drop(pairs.remove(5).1);
        // The kept end went with it; the next one's peer closes now.
        let (kept, given) = pairs.remove(5);
        drop(given);
        wait_for(&kept, C);
        let objects: Vec<(&dyn Waitable, Signals)> =
            pairs.iter().map(|(kept, _)| (kept as _, R)).chain([(&kept as _, R)]).collect();
        let (found, error) = wait_many(&objects, None).unwrap_err();
        assert_eq!(found, objects.len() - 1);
        assert!(matches!(error, WaitError::Unsatisfiable(_)));
    }

    fn a_thread_that_waits_wakes_for_a_message_and_for_closure(world: World) {
        let (_sides, a, b) = world.connect();
        let waiting = spawn(move || {
            let first = recv(&b);
            assert_closed(&b);
            first
        });
        send(&a, "wake up");
        drop(a);
        assert_eq!(waiting.join().unwrap(), "wake up");
    }
}

in_worlds! {
    fn tasks_receive_messages_and_closure(world: World) {
        let (_sides, a, b) = world.connect();
        let task = spawn(move || {
            block_on(async {
                let mut count = 0;
                while let Ok(message) = b.recv_async().await {
                    assert_eq!(message.payload(), count.to_string().as_bytes());
                    count += 1;
                    b.send(message).unwrap();
                }
                count
            })
        });
        for number in 0..100 {
            send(&a, &number.to_string());
            assert_eq!(recv(&a), number.to_string());
        }
        drop(a);
        assert_eq!(task.join().unwrap(), 100);
    }

    fn a_future_that_is_dropped_loses_no_message(world: World) {
        let (_sides, a, b) = world.connect();
        for number in 0..20 {
            {
                let mut future = pin!(b.recv_async());
                assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                send(&a, &number.to_string());
            }
            assert_eq!(block_on(b.recv_async()).unwrap().payload(), number.to_string().as_bytes());
        }
        let state = block_on(b.ready(W)).unwrap();
        assert!(state.satisfied.contains(W));
        drop(a);
        assert!(matches!(block_on(b.ready(R)), Err(WaitError::Unsatisfiable(_))));
        assert!(matches!(block_on(b.recv_async()), Err(RecvError::PeerClosed)));
    }
}

// ---- threads ---------------------------------------------------------------------------------------------

in_worlds! {
    fn many_threads_stream_in_both_directions_and_each_keeps_its_order(world: World) {
        const THREADS: usize = 4;
        const EACH: usize = 2000;
        let (_sides, a, b) = world.connect();
        let stream = |pipe: &MessagePipe, thread: usize| {
            for number in 0..EACH {
                send(pipe, &format!("{thread} {number}"));
            }
        };
        let drain = |pipe: &MessagePipe| {
            let mut next = [0; THREADS];
            for _ in 0..THREADS * EACH {
                let text = recv(pipe);
                let (thread, number) = text.split_once(' ').unwrap();
                let next = &mut next[thread.parse::<usize>().unwrap()];
                assert_eq!(number.parse::<usize>().unwrap(), *next);
                *next += 1;
            }
        };
        scope(|scope| {
            for thread in 0..THREADS {
                let (a, b) = (&a, &b);
                scope.spawn(move || stream(a, thread));
                scope.spawn(move || stream(b, thread));
            }
            scope.spawn(|| drain(&a));
            scope.spawn(|| drain(&b));
        });
    }

    fn each_message_goes_to_exactly_one_of_several_readers(world: World) {
        const COUNT: usize = 5000;
        let (_sides, a, b) = world.connect();
        let seen: Vec<AtomicUsize> = (0..COUNT).map(|_| AtomicUsize::new(0)).collect();
        scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut last = None;
                    while let Ok(message) = b.recv() {
                        let text = std::str::from_utf8(message.payload()).unwrap();
                        let number: usize = text.parse().unwrap();
                        assert!(last < Some(number));
                        last = Some(number);
                        seen[number].fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            (0..COUNT).for_each(|number| send(&a, &number.to_string()));
            drop(a);
        });
        assert!(seen.iter().all(|count| count.load(Ordering::SeqCst) == 1));
    }

    fn closing_ends_the_wait_of_every_thread_at_the_other_end(world: World) {
        let (_sides, a, b) = world.connect();
        scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_closed(&b));
                scope.spawn(|| assert!(wait_for(&b, C).satisfied.contains(C)));
            }
            drop(a);
        });
    }

    fn disconnecting_while_threads_wait_ends_their_wait(world: World) {
        let (sides, a, b) = world.connect();
        if world.is_remote() {
            scope(|scope| {
                scope.spawn(|| assert_closed(&a));
                scope.spawn(|| assert_closed(&b));
                sides.there.disconnect();
            });
        }
    }
}
