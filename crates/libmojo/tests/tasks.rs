//! Waiting by tasks: futures that are ready in time, and that cost nothing when they are dropped at any moment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::quota::{Amount, Quota, Quotas};
use libmojo::{Message, MessagePipe, Signals, WaitError, Waitable};
use std::pin::pin;
use std::task::{Poll, Waker};
use std::thread;
use worlds::*;

/// How many messages a test of chance sends, and how many futures it drops at most for each.
const NUM_MESSAGES: usize = 500;
const MAX_DROPPED: usize = 3;

fn one_message() -> Quotas {
    Quotas { sent: Quota::enforced(Amount::messages(1)), ..Quotas::default() }
}

in_worlds! {
    fn each_signal_has_a_future_of_its_own(world: World) {
        let (_sides, a, b) = world.connect();
        assert!(block_on(a.writable()).unwrap().satisfied.contains(Signals::WRITABLE));
        assert!(poll_and_drop(a.readable(), 1).is_none());
        assert!(poll_and_drop(a.closed(), 1).is_none());
        send(&b, "hello");
        assert!(block_on(a.readable()).unwrap().satisfied.contains(Signals::READABLE));
        drop(b);
        // What was sent before is still there.
        assert!(block_on(a.closed()).unwrap().satisfied.contains(Signals::PEER_CLOSED | Signals::READABLE));
        assert!(matches!(block_on(a.writable()), Err(WaitError::Unsatisfiable(_))));
        assert_eq!(recv(&a), "hello");
        assert!(matches!(block_on(a.readable()), Err(WaitError::Unsatisfiable(_))));
    }

    fn the_ends_of_data_pipes_have_the_same_futures(world: World) {
        let (sides, a, b) = world.connect();
        let (producer, consumer) = sides.data_pipe_here(1, 4);
        let consumer = pass_consumer(&a, &b, consumer);
        block_on(producer.writable()).unwrap();
        assert!(poll_and_drop(consumer.readable(), 1).is_none());
        producer.try_write_all(b"full").unwrap();
        assert!(poll_and_drop(producer.writable(), 1).is_none());
        block_on(consumer.readable()).unwrap();
        consumer.try_read_exact(&mut [0; 4]).unwrap();
        block_on(producer.writable()).unwrap();
        drop(consumer);
        block_on(producer.closed()).unwrap();
    }

    fn futures_that_are_dropped_at_any_moment_receive_each_message_once(world: World) {
        let (_sides, a, b) = world.connect();
        let mut random = Random::new(seed());
        thread::scope(|scope| {
            scope.spawn(move || (0..NUM_MESSAGES).for_each(|number| send(&a, &number.to_string())));
            for number in 0..NUM_MESSAGES {
                let dropped = (0..random.below(MAX_DROPPED + 1))
                    .find_map(|_| poll_and_drop(b.recv_async(), 1 + random.below(3)));
                let message = dropped.unwrap_or_else(|| block_on(b.recv_async())).unwrap();
                assert_eq!(message.payload(), number.to_string().as_bytes());
            }
            assert_closed(&b);
        });
    }

    fn futures_that_are_dropped_before_they_are_ready_have_sent_nothing(world: World) {
        let (_sides, a, b) = world.connect();
        a.set_quotas(one_message());
        let mut random = Random::new(seed());
        let mut sent = Vec::new();
        thread::scope(|scope| {
            let receiving = scope.spawn(|| {
                let mut received = Vec::new();
                while let Ok(message) = b.recv() {
                    received.push(String::from_utf8(message.payload().to_vec()).unwrap());
                }
                received
            });
            for number in 0..NUM_MESSAGES {
                for attempt in 0..random.below(MAX_DROPPED + 1) {
                    let text = format!("{number}, attempt {attempt}");
                    let future = a.send_async(Message::from(text.as_str()));
                    if let Some(outcome) = poll_and_drop(future, 1 + random.below(3)) {
                        outcome.unwrap();
                        sent.push(text);
                    }
                }
                let text = number.to_string();
                block_on(a.send_async(Message::from(text.as_str()))).unwrap();
                sent.push(text);
            }
            drop(a);
            assert_eq!(receiving.join().unwrap(), sent);
        });
    }

    fn a_message_whose_future_is_dropped_closes_what_it_carries(world: World) {
        let (sides, a, b) = world.connect();
        a.set_quotas(one_message());
        send(&a, "one");
        let (keep, carried) = sides.pipe_here();
        assert!(poll_and_drop(a.send_async(Message::from("never").with(carried)), 2).is_none());
        assert_closed(&keep);
        drop(a);
        assert_eq!(recv(&b), "one");
        assert_closed(&b);
    }

    fn a_future_outlives_its_object_and_then_ends(world: World) {
        let (sides, a, b) = world.connect();
        let (mine, theirs) = sides.pipe_here();
        let wakes = Wakes::new();
        let mut future = pin!(theirs.readable());
        assert!(poll_once(future.as_mut(), &wakes.clone().into()).is_pending());
        let theirs = pass_pipe(&a, &b, theirs);
        assert_eq!(wakes.count(), 1);
        assert!(matches!(poll_once(future.as_mut(), Waker::noop()), Poll::Ready(Err(WaitError::Unsatisfiable(_)))));
        drop((mine, theirs));
    }
}

// Between processes, tasks are also woken for news that end no wait, as that the other end is remote.

#[test]
fn a_task_is_woken_once_for_a_poll_and_not_at_all_when_its_future_is_gone() {
    let _watchdog = watchdog();
    let (a, b) = MessagePipe::create();
    let (kept, dropped) = (Wakes::new(), Wakes::new());
    let mut future = pin!(a.readable());
    assert!(poll_once(future.as_mut(), &kept.clone().into()).is_pending());
    {
        let mut gone = pin!(a.readable());
        assert!(poll_once(gone.as_mut(), &dropped.clone().into()).is_pending());
    }
    send(&b, "one");
    assert_eq!(kept.count(), 1);
    send(&b, "two");
    assert_eq!([recv(&a), recv(&a)], ["one", "two"]);
    assert_eq!((kept.count(), dropped.count()), (1, 0));
}

#[test]
fn only_the_waker_of_the_last_poll_is_called() {
    let _watchdog = watchdog();
    let (a, b) = MessagePipe::create();
    let (first, last) = (Wakes::new(), Wakes::new());
    let mut future = pin!(a.recv_async());
    assert!(poll_once(future.as_mut(), &first.clone().into()).is_pending());
    assert!(poll_once(future.as_mut(), &last.clone().into()).is_pending());
    send(&b, "hello");
    assert_eq!((first.count(), last.count()), (0, 1));
    assert!(matches!(poll_once(future.as_mut(), Waker::noop()), Poll::Ready(Ok(_))));
}
