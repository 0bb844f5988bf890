//! Watchers: when they notify, when they do not, and how their watches end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::{
    DataPipeError, DataPipeOptions, Message, MessagePipe, Notification, Signals, SignalsState, Waitable, WatchError,
    WatchEvent, Watcher,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex, OnceLock};
use std::thread::{scope, spawn};
use worlds::*;

const R: Signals = Signals::READABLE;
const W: Signals = Signals::WRITABLE;
const C: Signals = Signals::PEER_CLOSED;
const N: Signals = Signals::NEW_DATA_READABLE;

use WatchEvent::{Cancelled, Satisfied, Unsatisfiable};

/// A watcher that only records.
fn recorder() -> (Watcher, Receiver<Notification>) {
    let (events, happened) = channel();
    // Nobody listens any more when the last watches end with the test.
    (Watcher::new(move |event| events.send(event).unwrap_or_default()), happened)
}

fn now(happened: &Receiver<Notification>) -> Vec<(usize, WatchEvent)> {
    happened.try_iter().map(|event| (event.context, event.event)).collect()
}

fn refusal(watcher: &Watcher, limit: usize) -> Vec<(usize, WatchEvent)> {
    watcher.arm(limit).unwrap_err().into_iter().map(|event| (event.context, event.event)).collect()
}

type Log = Arc<Mutex<Vec<(usize, WatchEvent)>>>;

/// A watcher whose callback gets to see the watcher. What it captures must be given up by `end`.
fn reentrant(callback: impl Fn(&Watcher, Notification) + Send + Sync + 'static) -> Arc<Watcher> {
    let own: Arc<OnceLock<std::sync::Weak<Watcher>>> = Arc::default();
    let watcher = Arc::new(Watcher::new({
        let own = own.clone();
        move |event| {
            if let Some(watcher) = own.get().and_then(std::sync::Weak::upgrade) {
                callback(&watcher, event);
            }
        }
    }));
    own.set(Arc::downgrade(&watcher)).unwrap();
    watcher
}

/// A place for something that a callback is to close.
type Slot<T> = Arc<Mutex<Option<T>>>;

fn slot<T>(value: T) -> Slot<T> {
    Arc::new(Mutex::new(Some(value)))
}

fn take<T>(slot: &Slot<T>) -> Option<T> {
    slot.lock().unwrap().take()
}

// ---- arming and notifying --------------------------------------------------------------------------------

in_worlds! {
    fn one_notification_follows_each_arming(world: World) {
        let (_sides, a, b) = world.connect();
        let (watcher, happened) = recorder();
        watcher.watch(&a, R, 7).unwrap();
        send(&b, "unarmed");
        wait_for(&a, R);
        assert_eq!(refusal(&watcher, 5), [(7, Satisfied)]);
        assert_eq!(refusal(&watcher, 0), []);
        recv(&a);
        watcher.arm(5).unwrap();
        watcher.arm(5).unwrap();
        for text in ["one", "two", "three"] {
            send(&b, text);
        }
        let event = happened.recv().unwrap();
        assert_eq!((event.context, event.event, event.from_system), (7, Satisfied, world.is_remote()));
        assert!(event.state.satisfied.contains(R));
        for text in ["one", "two", "three"] {
            assert_eq!(recv(&a), text);
        }
        assert_eq!(now(&happened), []);
        watcher.arm(0).unwrap();
        drop(a);
        let event = happened.recv().unwrap();
        assert_eq!((event.event, event.state), (Cancelled, SignalsState::default()));
    }

    fn closure_makes_a_watch_unsatisfiable(world: World) {
        let (_sides, a, b) = world.connect();
        let (watcher, happened) = recorder();
        watcher.watch(&a, R, 1).unwrap();
        watcher.arm(0).unwrap();
        drop(b);
        let event = happened.recv().unwrap();
        assert_eq!((event.context, event.event), (1, Unsatisfiable));
        assert!(event.state.satisfied.contains(C) && !event.state.satisfiable.contains(R));
        assert_eq!(refusal(&watcher, 9), [(1, Unsatisfiable)]);
    }

    fn a_full_data_pipe_notifies_of_room_and_of_closure(world: World) {
        let (sides, a, b) = world.connect();
        let (producer, consumer) = sides.data_pipe_here(1, 8);
        let consumer = pass_consumer(&a, &b, consumer);
        let (watcher, happened) = recorder();
        watcher.watch(&producer, W, 3).unwrap();
        assert_eq!(refusal(&watcher, 9), [(3, Satisfied)]);
        producer.try_write_all(&[1; 4]).unwrap();
        assert_eq!(refusal(&watcher, 9), [(3, Satisfied)]);
        producer.try_write_all(&[1; 4]).unwrap();
        watcher.arm(0).unwrap();
        assert_eq!(consumer.discard(4), Ok(4));
        assert_eq!(happened.recv().unwrap().event, Satisfied);
        assert_eq!(refusal(&watcher, 9), [(3, Satisfied)]);
        producer.try_write_all(&[1; 4]).unwrap();
        watcher.arm(0).unwrap();
        drop(consumer);
        assert_eq!(happened.recv().unwrap().event, Unsatisfiable);
        assert_eq!(refusal(&watcher, 9), [(3, Unsatisfiable)]);
        drop(producer);
        assert_eq!(happened.recv().unwrap().event, Cancelled);
    }

    fn a_consumer_is_watched_for_data_and_for_the_end_of_its_producer(world: World) {
        let (sides, a, b) = world.connect();
        let (producer, consumer) = sides.data_pipe_here(1, 64);
        let producer = pass_producer(&a, &b, producer);
        let (watcher, happened) = recorder();
        watcher.watch(&consumer, R, 3).unwrap();
        watcher.arm(0).unwrap();
        producer.try_write_all(b"one").unwrap();
        producer.try_write_all(b"two").unwrap();
        assert_eq!(happened.recv().unwrap().event, Satisfied);
        assert_eq!(now(&happened), []);
        assert_eq!(refusal(&watcher, 9), [(3, Satisfied)]);
        consumer.try_read_exact(&mut [0; 6]).unwrap();
        watcher.arm(0).unwrap();
        drop(producer);
        assert_eq!(happened.recv().unwrap().event, Unsatisfiable);
        assert_eq!(refusal(&watcher, 9), [(3, Unsatisfiable)]);
        drop(consumer);
        assert_eq!(happened.recv().unwrap().event, Cancelled);
    }

    fn a_consumer_that_was_looked_at_can_be_armed_for_new_data(world: World) {
        let (sides, a, b) = world.connect();
        let (producer, consumer) = sides.data_pipe_here(1, 64);
        let producer = pass_producer(&a, &b, producer);
        let (watcher, happened) = recorder();
        watcher.watch(&consumer, N, 3).unwrap();
        watcher.arm(0).unwrap();
        producer.try_write_all(b"one").unwrap();
        assert_eq!(happened.recv().unwrap().event, Satisfied);
        producer.try_write_all(b"two").unwrap();
        assert_eq!(refusal(&watcher, 9), [(3, Satisfied)]);
        assert_eq!(consumer.try_read_exact(&mut [0; 64]), Err(DataPipeError::OutOfRange));
        assert!(consumer.signals().satisfied.contains(R));
        watcher.arm(0).unwrap();
        producer.try_write_all(b"three").unwrap();
        assert_eq!(happened.recv().unwrap().event, Satisfied);
        assert_eq!(now(&happened), []);
        drop(producer);
    }

    fn the_first_event_of_several_watches_disarms_for_all(world: World) {
        let (_sides, a, b) = world.connect();
        let (watcher, happened) = recorder();
        watcher.watch(&a, R, 1).unwrap();
        watcher.watch(&b, R, 2).unwrap();
        watcher.arm(0).unwrap();
        send(&a, "for b");
        assert_eq!(happened.recv().unwrap().context, 2);
        send(&b, "for a");
        wait_for(&a, R);
        assert_eq!(now(&happened), []);
        let both: BTreeSet<usize> = (0..2).map(|_| refusal(&watcher, 1)[0].0).collect();
        assert_eq!(both, [1, 2].into());
        assert_eq!(refusal(&watcher, 10).len(), 2);
        recv(&a);
        recv(&b);
        // One that is always ready is in the way alone.
        let (other, _peer) = MessagePipe::create();
        watcher.watch(&other, W, 3).unwrap();
        assert_eq!(refusal(&watcher, 10), [(3, Satisfied)]);
        assert!(watcher.cancel(3));
        watcher.arm(0).unwrap();
    }

    fn objects_that_are_sent_away_or_fused_are_no_longer_watched(world: World) {
        let (sides, a, b) = world.connect();
        let (watcher, happened) = recorder();
        let (_one, sent) = sides.pipe_here();
        let (producer, consumer) = sides.data_pipe_here(1, 8);
        watcher.watch(&sent, R, 1).unwrap();
        watcher.watch(&producer, C, 2).unwrap();
        watcher.watch(&consumer, R, 3).unwrap();
        let message = Message::from("").with(sent);
        assert_eq!(now(&happened), [(1, Cancelled)]);
        a.send(message.with(producer).with(consumer)).unwrap();
        assert_eq!(now(&happened), [(2, Cancelled), (3, Cancelled)]);
        b.recv().unwrap();
        let (left, left_end) = sides.pipe_here();
        let (right, right_end) = sides.pipe_here();
        watcher.watch(&left_end, R, 4).unwrap();
        watcher.watch(&right_end, R, 5).unwrap();
        left_end.fuse(right_end).unwrap();
        assert_eq!(now(&happened).into_iter().collect::<BTreeMap<_, _>>(), [(4, Cancelled), (5, Cancelled)].into());
        send(&left, "fused");
        assert_eq!(recv(&right), "fused");
    }
}

#[test]
fn a_context_and_an_object_can_be_watched_once_by_each_watcher() {
    let (a, b) = MessagePipe::create();
    let (watcher, happened) = recorder();
    assert!(!watcher.cancel(0));
    watcher.watch(&a, R, 0).unwrap();
    assert_eq!(watcher.watch(&b, R, 0), Err(WatchError::AlreadyExists));
    assert_eq!(watcher.watch(&a, R, 1), Err(WatchError::AlreadyExists));
    let (other, _) = recorder();
    other.watch(&a, R, 0).unwrap();
    assert!(watcher.cancel(0));
    assert!(!watcher.cancel(0));
    assert_eq!(now(&happened), [(0, Cancelled)]);
    watcher.watch(&a, R, 0).unwrap();
    drop((a, b));
    assert_eq!(now(&happened), [(0, Cancelled)]);
}

#[test]
fn a_watch_for_nothing_is_always_ready() {
    let (a, _b) = MessagePipe::create();
    let (watcher, _happened) = recorder();
    watcher.watch(&a, Signals::NONE, 5).unwrap();
    assert_eq!(refusal(&watcher, 1), [(5, Unsatisfiable)]);
}

#[test]
fn a_watch_that_is_ready_when_it_is_added_notifies_an_armed_watcher() {
    let (a, b) = MessagePipe::create();
    let (watcher, happened) = recorder();
    watcher.watch(&a, R, 1).unwrap();
    watcher.arm(0).unwrap();
    // Cancelling even the last watch does not disarm.
    assert!(watcher.cancel(1));
    assert_eq!(now(&happened), [(1, Cancelled)]);
    watcher.watch(&b, W, 2).unwrap();
    assert_eq!(now(&happened), [(2, Satisfied)]);
    watcher.watch(&a, W, 3).unwrap();
    assert_eq!(now(&happened), []);
}

#[test]
fn each_way_to_end_a_watch_notifies_once_armed_or_not() {
    for is_armed in [false, true] {
        for way in 0..3 {
            let (a, _b) = MessagePipe::create();
            let (watcher, happened) = recorder();
            watcher.watch(&a, R, 1).unwrap();
            if is_armed {
                watcher.arm(0).unwrap();
            }
            match way {
                0 => drop(a),
                1 => drop(watcher),
                _ => assert!(watcher.cancel(1)),
            }
            assert_eq!(now(&happened), [(1, Cancelled)]);
        }
    }
}

#[test]
fn two_hundred_ready_watches_are_all_reported_in_turn() {
    let pairs: Vec<_> = (0..200).map(|_| MessagePipe::create()).collect();
    let (watcher, _happened) = recorder();
    for (context, (a, b)) in pairs.iter().enumerate() {
        watcher.watch(a, R, context).unwrap();
        send(b, "ready");
    }
    for limit in [1, 7] {
        let mut seen = BTreeSet::new();
        for _ in 0..200_usize.div_ceil(limit) {
            seen.extend(watcher.arm(limit).unwrap_err().iter().map(|event| event.context));
        }
        assert_eq!(seen.len(), 200);
    }
    assert_eq!(refusal(&watcher, 1000).len(), 200);
}

// ---- callbacks that call back ----------------------------------------------------------------------------

#[test]
fn a_callback_can_make_another_watch_of_its_watcher_ready() {
    let log = Log::default();
    let (a, a_peer) = MessagePipe::create();
    let (b, b_peer) = MessagePipe::create();
    let a_read = Arc::new(a);
    let watcher = reentrant({
        let (log, a) = (log.clone(), a_read.clone());
        move |watcher, event| {
            log.lock().unwrap().push((event.context, event.event));
            if (event.context, event.event) == (1, Satisfied) {
                a.try_recv().unwrap();
                watcher.arm(0).unwrap();
                send(&b_peer, "now you");
                // Not before this callback returns.
                assert_eq!(log.lock().unwrap().len(), 1);
            }
        }
    });
    watcher.watch(&*a_read, R, 1).unwrap();
    watcher.watch(&b, R, 2).unwrap();
    watcher.arm(0).unwrap();
    send(&a_peer, "go");
    assert_eq!(*log.lock().unwrap(), [(1, Satisfied), (2, Satisfied)]);
}

#[test]
fn a_callback_that_triggers_itself_is_called_again_and_never_within_itself() {
    let (a, peer) = MessagePipe::create();
    let (a, peer) = (Arc::new(a), Arc::new(peer));
    let calls = Arc::new(AtomicUsize::new(0));
    let is_inside = AtomicBool::new(false);
    let watcher = reentrant({
        let (a, calls, peer) = (a.clone(), calls.clone(), peer.clone());
        move |watcher, event| {
            if event.event != Satisfied {
                return;
            }
            assert!(!is_inside.swap(true, Ordering::SeqCst));
            a.try_recv().unwrap();
            watcher.arm(0).unwrap();
            if calls.fetch_add(1, Ordering::SeqCst) + 1 < 10 {
                send(&peer, "again");
            }
            is_inside.store(false, Ordering::SeqCst);
        }
    });
    watcher.watch(&*a, R, 1).unwrap();
    watcher.arm(0).unwrap();
    send(&peer, "go");
    assert_eq!(calls.load(Ordering::SeqCst), 10);
}

/// Two watches of one watcher, 1 on an end that a callback for 2 first makes readable and then ends.
fn readiness_that_is_overtaken(end_it: fn(&Watcher, &Slot<MessagePipe>)) {
    let log = Log::default();
    let (a, a_peer) = MessagePipe::create();
    let (trigger, trigger_peer) = MessagePipe::create();
    let (a, trigger) = (slot(a), Arc::new(trigger));
    let watcher = reentrant({
        let (log, a, trigger) = (log.clone(), a.clone(), trigger.clone());
        move |watcher, event| {
            log.lock().unwrap().push((event.context, event.event));
            if (event.context, event.event) == (2, Satisfied) {
                trigger.try_recv().unwrap();
                watcher.arm(0).unwrap();
                send(&a_peer, "never heard of");
                send(&a_peer, "nor this");
                end_it(watcher, &a);
                watcher.arm(0).unwrap();
            }
        }
    });
    watcher.watch(a.lock().unwrap().as_ref().unwrap(), R, 1).unwrap();
    watcher.watch(&*trigger, R, 2).unwrap();
    watcher.arm(0).unwrap();
    send(&trigger_peer, "go");
    assert_eq!(*log.lock().unwrap(), [(2, Satisfied), (1, Cancelled)]);
}

#[test]
fn closing_in_a_callback_overtakes_the_readiness_of_what_is_closed() {
    readiness_that_is_overtaken(|_, a| drop(take(a)));
}

#[test]
fn cancelling_in_a_callback_overtakes_the_readiness_of_what_is_cancelled() {
    readiness_that_is_overtaken(|watcher, _| assert!(watcher.cancel(1)));
}

#[test]
fn what_a_callback_causes_at_another_watcher_happens_when_it_returns_and_can_cancel_it() {
    // A's watcher has watch 1. Its callback triggers B's watcher and then itself; B's callback cancels watch 1.
    let log = Log::default();
    let (a, a_peer) = MessagePipe::create();
    let (b, b_peer) = MessagePipe::create();
    let (a, a_peer) = (Arc::new(a), Arc::new(a_peer));
    let first = reentrant({
        let (log, a, a_peer) = (log.clone(), a.clone(), a_peer.clone());
        move |watcher, event| {
            log.lock().unwrap().push((event.context, event.event));
            if event.event == Satisfied {
                a.try_recv().unwrap();
                watcher.arm(0).unwrap();
                send(&b_peer, "first");
                send(&a_peer, "then this");
            }
        }
    });
    let second = reentrant({
        let (log, first) = (log.clone(), first.clone());
        move |_, event| {
            log.lock().unwrap().push((event.context, event.event));
            if event.event == Satisfied {
                assert!(first.cancel(1));
            }
        }
    });
    first.watch(&*a, R, 1).unwrap();
    second.watch(&b, R, 2).unwrap();
    first.arm(0).unwrap();
    second.arm(0).unwrap();
    send(&a_peer, "go");
    assert_eq!(*log.lock().unwrap(), [(1, Satisfied), (2, Satisfied), (1, Cancelled)]);
}

#[test]
fn a_watch_can_be_cancelled_in_its_own_callback() {
    let log = Log::default();
    let (a, peer) = MessagePipe::create();
    let watcher = reentrant({
        let log = log.clone();
        move |watcher, event| {
            log.lock().unwrap().push((event.context, event.event));
            if event.event == Satisfied {
                assert!(watcher.cancel(1));
                assert!(!watcher.cancel(1));
                assert_eq!(log.lock().unwrap().len(), 1);
                // Nothing is watched now, so nothing is in the way.
                watcher.arm(0).unwrap();
            }
        }
    });
    watcher.watch(&a, R, 1).unwrap();
    watcher.arm(0).unwrap();
    send(&peer, "go");
    assert_eq!(*log.lock().unwrap(), [(1, Satisfied), (1, Cancelled)]);
    drop(a);
    assert_eq!(log.lock().unwrap().len(), 2);
}

#[test]
fn a_watcher_and_the_watched_object_can_be_dropped_in_a_callback() {
    for (drops_object, drops_watcher) in [(false, true), (true, false), (true, true)] {
        let log = Log::default();
        let (a, peer) = MessagePipe::create();
        let a = slot(a);
        let own: Slot<Watcher> = Arc::default();
        let watcher = Watcher::new({
            let (log, a, own) = (log.clone(), a.clone(), own.clone());
            move |event| {
                log.lock().unwrap().push((event.context, event.event));
                if event.event == Satisfied {
                    if drops_object {
                        drop(take(&a));
                    }
                    if drops_watcher {
                        drop(take(&own));
                    }
                    assert_eq!(log.lock().unwrap().len(), 1);
                }
            }
        });
        watcher.watch(a.lock().unwrap().as_ref().unwrap(), R, 1).unwrap();
        watcher.arm(0).unwrap();
        *own.lock().unwrap() = Some(watcher);
        send(&peer, "go");
        assert_eq!(*log.lock().unwrap(), [(1, Satisfied), (1, Cancelled)]);
        drop(peer);
        drop(take(&a));
        drop(take(&own));
        assert_eq!(log.lock().unwrap().len(), 2);
    }
}

#[test]
fn a_cancellation_callback_can_use_the_context_again() {
    let (a, peer) = MessagePipe::create();
    let a = Arc::new(a);
    let log = Log::default();
    let watcher = reentrant({
        let (a, log) = (a.clone(), log.clone());
        move |watcher, event| {
            log.lock().unwrap().push((event.context, event.event));
            if event.event == Cancelled && log.lock().unwrap().len() == 1 {
                watcher.watch(&*a, R, 1).unwrap();
                watcher.arm(0).unwrap();
            }
        }
    });
    watcher.watch(&*a, R, 1).unwrap();
    assert!(watcher.cancel(1));
    send(&peer, "watched again");
    assert_eq!(*log.lock().unwrap(), [(1, Cancelled), (1, Satisfied)]);
}

// ---- threads ---------------------------------------------------------------------------------------------

/// A callback on one thread is held up until another thread has ended its watch in some way.
fn cancelled_from_another_thread(end_it: fn(&Slot<Watcher>, &Slot<MessagePipe>)) {
    let _watchdog = watchdog();
    let (entered, has_entered) = channel();
    let (proceed, may_proceed) = channel();
    let may_proceed = Mutex::new(may_proceed);
    let (events, happened): (Sender<(WatchEvent, _)>, _) = channel();
    let is_inside = AtomicBool::new(false);
    let watcher = Watcher::new(move |event| {
        assert!(!is_inside.swap(true, Ordering::SeqCst));
        events.send((event.event, std::thread::current().id())).unwrap();
        if event.event == Satisfied {
            entered.send(()).unwrap();
            may_proceed.lock().unwrap().recv().unwrap();
        }
        is_inside.store(false, Ordering::SeqCst);
    });
    let (a, peer) = MessagePipe::create();
    watcher.watch(&a, R, 1).unwrap();
    watcher.arm(0).unwrap();
    let (watcher, a) = (slot(watcher), slot(a));
    let thread = spawn(move || {
        send(&peer, "go");
        std::thread::current().id()
    });
    has_entered.recv().unwrap();
    // Returns although the callback cannot.
    end_it(&watcher, &a);
    assert_eq!(happened.recv().unwrap().0, Satisfied);
    assert!(happened.try_recv().is_err());
    proceed.send(()).unwrap();
    let first = thread.join().unwrap();
    assert_eq!(happened.try_iter().collect::<Vec<_>>(), [(Cancelled, first)]);
}

#[test]
fn cancelling_during_a_callback_on_another_thread_returns_at_once_and_takes_effect_there_afterwards() {
    cancelled_from_another_thread(|watcher, _| assert!(watcher.lock().unwrap().as_ref().unwrap().cancel(1)));
}

#[test]
fn dropping_the_watcher_during_a_callback_on_another_thread_takes_effect_there_afterwards() {
    cancelled_from_another_thread(|watcher, _| drop(take(watcher)));
}

#[test]
fn dropping_the_object_during_a_callback_on_another_thread_takes_effect_there_afterwards() {
    cancelled_from_another_thread(|_, a| drop(take(a)));
}

/// Two callbacks on two threads, each of which ends the other's watch while both run.
fn ended_by_each_other(end_it: fn(&Slot<Watcher>, usize)) {
    let _watchdog = watchdog();
    for _ in 0..100 {
        let barrier = Arc::new(Barrier::new(2));
        let log = Log::default();
        let watchers: Arc<[Slot<Watcher>; 2]> = Arc::default();
        let pairs = [MessagePipe::create(), MessagePipe::create()];
        for (own, pair) in pairs.iter().enumerate() {
            let (barrier, log, all) = (barrier.clone(), log.clone(), watchers.clone());
            let watcher = Watcher::new(move |event| {
                log.lock().unwrap().push((event.context, event.event));
                if event.event == Satisfied {
                    // Both are inside at the same time.
                    barrier.wait();
                    end_it(&all[1 - own], 1 - own);
                }
            });
            watcher.watch(&pair.0, R, own).unwrap();
            watcher.arm(0).unwrap();
            *watchers[own].lock().unwrap() = Some(watcher);
        }
        scope(|scope| {
            for pair in &pairs {
                scope.spawn(|| send(&pair.1, "go"));
            }
        });
        for own in 0..2 {
            let log = log.lock().unwrap();
            let own: Vec<_> = log.iter().filter(|(context, _)| *context == own).map(|(_, event)| *event).collect();
            assert_eq!(own, [Satisfied, Cancelled]);
        }
        watchers.iter().for_each(|watcher| drop(take(watcher)));
    }
}

#[test]
fn callbacks_on_two_threads_can_cancel_each_others_watches() {
    ended_by_each_other(|watcher, context| assert!(watcher.lock().unwrap().as_ref().unwrap().cancel(context)));
}

#[test]
fn callbacks_on_two_threads_can_drop_each_others_watchers() {
    ended_by_each_other(|watcher, _| drop(take(watcher)));
}

#[test]
fn a_watched_pipe_between_nodes_survives_watches_that_come_and_go() {
    let _watchdog = watchdog();
    const COUNT: usize = 2000;
    let (_sides, a, b) = World::TwoNodes.connect();
    let (watcher, happened) = recorder();
    scope(|scope| {
        scope.spawn(|| (0..COUNT).for_each(|number| send(&b, &number.to_string())));
        let mut context = 0;
        watcher.watch(&a, R, context).unwrap();
        for number in 0..COUNT {
            let message = loop {
                if let Ok(message) = a.try_recv() {
                    break message;
                }
                if watcher.arm(0).is_ok() {
                    assert_eq!(happened.recv().unwrap().event, Satisfied);
                }
            };
            assert_eq!(message.payload(), number.to_string().as_bytes());
            if number % 10 == 0 {
                assert!(watcher.cancel(context));
                while happened.recv().unwrap().event != Cancelled {}
                context += 1;
                watcher.watch(&a, R, context).unwrap();
            }
        }
    });
}

#[test]
fn a_data_pipe_can_be_watched_at_both_ends_by_one_watcher() {
    let (producer, consumer) = DataPipeOptions { element_num_bytes: 1, capacity_num_bytes: 1 }.create().unwrap();
    let (watcher, happened) = recorder();
    watcher.watch(&producer, W, 1).unwrap();
    watcher.watch(&consumer, R, 2).unwrap();
    assert_eq!(refusal(&watcher, 9), [(1, Satisfied)]);
    producer.try_write_all(b"x").unwrap();
    assert_eq!(refusal(&watcher, 9), [(2, Satisfied)]);
    assert!(watcher.cancel(2));
    watcher.arm(0).unwrap();
    assert_eq!(consumer.discard(1), Ok(1));
    assert_eq!(now(&happened), [(2, Cancelled), (1, Satisfied)]);
}
