//! Arming, notifying, delivering and cancelling, by several threads.

use crate::changes::{Change, any_change, message_arrives};
use crate::{any, explore, pause, put_into_message, receive, send};
use libmojo_core::data_pipe::{ReadInto, create_data_pipe};
use libmojo_core::node::Node;
use libmojo_core::object::Object;
use libmojo_core::pipe::Pipe;
use libmojo_core::signals::Signals;
use libmojo_core::watcher::{ArmError, Notification, WatchEvent, Watcher};
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::Barrier;
use shuttle::thread::{ThreadId, current};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

/// A watcher that remembers what it was called with, and checks what holds of all calls.
struct Witness {
    watcher: Watcher,
    running: Mutex<HashSet<usize>>,
    heard: Mutex<Vec<(Notification, ThreadId)>>,
    /// How often arming has succeeded.
    arms: AtomicUsize,
}

type React = dyn Fn(&Witness, Notification) + Send + Sync;

impl Witness {
    fn new() -> Arc<Self> {
        Self::reacting(|_, _| {})
    }

    /// One that does something whenever it is called.
    fn reacting(react: impl Fn(&Witness, Notification) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new_cyclic(|this| Self::with_watcher(Watcher::new(Self::callback(this, react))))
    }

    /// One that is only called by whoever dispatches.
    fn pollable() -> Arc<Self> {
        Arc::new_cyclic(|this| Self::with_watcher(Watcher::pollable(Self::callback(this, |_, _| {})).unwrap().0))
    }

    fn with_watcher(watcher: Watcher) -> Self {
        let (running, heard) = (Mutex::default(), Mutex::default());
        Self { watcher, running, heard, arms: AtomicUsize::new(0) }
    }

    fn callback(
        this: &Weak<Self>,
        react: impl Fn(&Witness, Notification) + Send + Sync + 'static,
    ) -> impl Fn(Notification) + Send + Sync + 'static {
        let this = this.clone();
        move |notification| this.upgrade().expect("a witness outlives its watches").hear(notification, &react)
    }

    fn hear(&self, notification: Notification, react: &React) {
        let context = notification.context;
        assert!(self.running.lock().unwrap().insert(context), "two callbacks of watch {context} at a time");
        let before = self.events(context);
        assert!(!before.contains(&WatchEvent::Cancelled), "{notification:?} after the cancellation");
        self.heard.lock().unwrap().push((notification, current().id()));
        pause();
        react(self, notification);
        self.running.lock().unwrap().remove(&context);
    }

    fn watch(&self, object: &Object, signals: Signals, context: usize) -> bool {
        self.watcher.watch(object, signals, Signals::NONE, context).is_ok()
    }

    fn arm(&self) -> Result<(), ArmError> {
        // Counted first: whatever it permits may happen before it returns.
        self.arms.fetch_add(1, Ordering::SeqCst);
        let outcome = self.watcher.arm(9);
        if outcome.is_err() {
            self.arms.fetch_sub(1, Ordering::SeqCst);
        }
        outcome
    }

    /// What was heard of one watch.
    fn events(&self, context: usize) -> Vec<WatchEvent> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|(told, _)| told.context == context).map(|(told, _)| told.event).collect()
    }

    /// How many notifications there were that are no cancellations.
    fn ready_count(&self) -> usize {
        self.heard.lock().unwrap().iter().filter(|(told, _)| told.event != WatchEvent::Cancelled).count()
    }
}

/// A witness that watches an object with context 1, and is armed.
fn armed(object: &Object, signals: Signals) -> Arc<Witness> {
    let witness = Witness::new();
    assert!(witness.watch(object, signals, 1));
    witness.arm().unwrap();
    witness
}

fn pipes<const N: usize>() -> [(Pipe, Pipe); N] {
    let node = Node::new();
    std::array::from_fn(|_| Pipe::create(&node))
}

// ---- arming and notifying --------------------------------------------------------------------------------

#[test]
fn arming_against_a_change_is_refused_or_followed_by_one_notification() {
    explore(|| {
        let Change { object, signals, cause, event } = any_change();
        let witness = Witness::new();
        assert!(witness.watch(&object, signals, 1));
        let mut outcome = None;
        at_once!(outcome = Some(witness.arm()), assert!(cause()));
        match outcome.unwrap() {
            Ok(()) => assert_eq!(witness.events(1), [event]),
            Err(ArmError::Ready(ready)) => {
                assert_eq!((ready[0].context, ready[0].event), (1, event));
                assert_eq!(witness.events(1), []);
            }
            Err(error) => panic!("{error:?}"),
        }
        object.close();
    });
}

#[test]
fn a_watch_added_to_an_armed_watcher_misses_no_change() {
    explore(|| {
        let Change { object, signals, cause, event } = any_change();
        let [(_peer, idle)] = pipes();
        let idle = Object::from(idle);
        let witness = armed(&idle, Signals::READABLE);
        at_once!(assert!(witness.watch(&object, signals, 2)), assert!(cause()));
        assert_eq!(witness.events(2), [event]);
        object.close();
        idle.close();
    });
}

#[test]
fn changes_of_several_objects_make_one_notification_for_each_arming() {
    explore(|| {
        let (one, two) = (any_change(), any_change());
        let witness = armed(&one.object, one.signals);
        assert!(witness.watch(&two.object, two.signals, 2));
        at_once!(assert!((one.cause)()), assert!((two.cause)()));
        assert_eq!(witness.ready_count(), 1);
        let Err(ArmError::Ready(ready)) = witness.arm() else { panic!("armed although both are ready") };
        assert_eq!(ready.len(), 2);
        one.object.close();
        two.object.close();
    });
}

#[test]
fn a_callback_that_reads_and_arms_again_gets_every_message() {
    explore(|| {
        let [(a, b), (c, d)] = pipes();
        let received = Arc::new(AtomicUsize::new(0));
        let (ends, count) = ([b.clone(), d.clone()], received.clone());
        let witness = Witness::reacting(move |witness, notification| {
            if notification.event == WatchEvent::Satisfied {
                loop {
                    let messages = ends.iter().flat_map(|end| std::iter::from_fn(|| receive(end)));
                    count.fetch_add(messages.count(), Ordering::SeqCst);
                    match witness.arm() {
                        Ok(()) => break,
                        Err(error) => assert!(matches!(error, ArmError::Ready(_))),
                    }
                }
            }
        });
        for (context, end) in [&b, &d].into_iter().enumerate() {
            assert!(witness.watch(&Object::from(end.clone()), Signals::READABLE, context));
        }
        witness.arm().unwrap();
        at_once!(assert!(send(&a, 1) && send(&a, 2)), assert!(send(&c, 1) && send(&c, 2)));
        assert_eq!(received.load(Ordering::SeqCst), 4);
        assert!(witness.ready_count() < witness.arms.load(Ordering::SeqCst));
        b.close();
        d.close();
    });
}

#[test]
fn a_watch_is_ready_for_data_that_somebody_else_has_noticed_first() {
    explore(|| {
        let (producer, consumer) = create_data_pipe(&Node::new(), 1, 4).unwrap();
        producer.write(b"1", true).unwrap();
        let witness = Witness::new();
        assert!(witness.watch(&Object::from(consumer.clone()), Signals::READABLE, 1));
        at_once!(
            consumer.read(ReadInto::Discard(1), true).unwrap(),
            producer.write(b"2", true).unwrap(),
            drop(consumer.signals()),
        );
        assert!(matches!(witness.arm(), Err(ArmError::Ready(_))));
        Object::from(consumer).close();
    });
}

// ---- delivering ------------------------------------------------------------------------------------------

#[test]
fn what_falls_due_while_the_callback_runs_is_left_to_its_thread_by_all_who_cause_it() {
    explore(|| {
        let [(a, b)] = pipes();
        let object = Object::from(b.clone());
        let barrier = Arc::new(Barrier::new(2));
        let (end, rendezvous) = (b.clone(), barrier.clone());
        let witness = Witness::reacting(move |witness, _| {
            if let Some(1) = receive(&end) {
                witness.arm().unwrap();
                // Between the two, the other thread causes more and is not kept waiting.
                rendezvous.wait();
                rendezvous.wait();
            }
        });
        assert!(witness.watch(&object, Signals::READABLE, 1));
        witness.arm().unwrap();
        let cause = any(&[0, 1, 2, 3]);
        let event = if cause == 0 { WatchEvent::Satisfied } else { WatchEvent::Cancelled };
        at_once!(assert!(send(&a, 1)), {
            barrier.wait();
            match cause {
                0 => assert!(send(&a, 2)),
                1 => assert!(witness.watcher.cancel(1)),
                2 => witness.watcher.close(),
                _ => object.close(),
            }
            barrier.wait();
        });
        let heard = witness.heard.lock().unwrap().clone();
        assert_eq!(witness.events(1), [WatchEvent::Satisfied, event]);
        assert_eq!(heard[0].1, heard[1].1);
        object.close();
    });
}

#[test]
fn what_is_left_to_a_thread_is_not_overtaken_by_a_third_occasion() {
    explore(|| {
        let [(a, b)] = pipes();
        let barrier = Arc::new(Barrier::new(2));
        let (end, rendezvous) = (b.clone(), barrier.clone());
        let witness = Witness::reacting(move |witness, _| {
            if let Some(1) = receive(&end) {
                witness.arm().unwrap();
                rendezvous.wait();
                rendezvous.wait();
            }
        });
        assert!(witness.watch(&b.clone().into(), Signals::READABLE, 1));
        witness.arm().unwrap();
        at_once!(assert!(send(&a, 1)), {
            barrier.wait();
            assert!(send(&a, 2));
            barrier.wait();
            // The second notification is under way, is yet to begin, or comes too late.
            assert!(witness.watcher.cancel(1));
        });
        let (events, satisfied) = (witness.events(1), WatchEvent::Satisfied);
        assert!(events[0] == satisfied && is_properly_ended(&events[1..], satisfied), "{events:?}");
        b.close();
    });
}

#[test]
fn callbacks_that_end_each_other_do_not_wait_for_each_other() {
    explore(|| {
        let [(a, b), (c, d)] = pipes();
        let witnesses: Arc<Mutex<Vec<Arc<Witness>>>> = Arc::default();
        let ends = [b, d].map(Object::from);
        for (this, other) in [(0, 1), (1, 0)] {
            let (all, other_end, how) = (witnesses.clone(), ends[other].clone(), thread_rng().gen_range(0..3));
            let witness = Witness::reacting(move |_, notification| {
                if notification.event != WatchEvent::Cancelled {
                    let other = all.lock().unwrap()[other].clone();
                    match how {
                        0 => {
                            other.watcher.cancel(1);
                        }
                        1 => other.watcher.close(),
                        _ => other_end.close(),
                    }
                }
            });
            assert!(witness.watch(&ends[this], Signals::READABLE, 1));
            witness.arm().unwrap();
            witnesses.lock().unwrap().push(witness);
        }
        at_once!(send(&a, 1), send(&c, 1));
        let witnesses = std::mem::take(&mut *witnesses.lock().unwrap());
        ends.iter().for_each(Object::close);
        for witness in witnesses {
            assert!(is_properly_ended(&witness.events(1), WatchEvent::Satisfied));
        }
    });
}

// ---- cancelling ------------------------------------------------------------------------------------------

/// What ends a watch with context 1.
const ENDS: [fn(&Witness, &Object); 4] = [
    |witness, _| {
        witness.watcher.cancel(1);
    },
    |witness, _| witness.watcher.close(),
    |_, object| object.close(),
    |_, object| drop(put_into_message(object)),
];

/// Whether what was heard ends with the one cancellation, and nothing but `event` came before, once if at all.
fn is_properly_ended(events: &[WatchEvent], event: WatchEvent) -> bool {
    events == [WatchEvent::Cancelled] || events == [event, WatchEvent::Cancelled]
}

#[test]
fn a_watch_that_is_ended_in_several_ways_is_cancelled_once_and_last() {
    explore(|| {
        let Change { object, signals, cause, event } = any_change();
        let witness = armed(&object, signals);
        let (one, two) = (any(&ENDS), any(&ENDS));
        at_once!(one(&witness, &object), two(&witness, &object), cause());
        witness.watcher.close();
        assert!(is_properly_ended(&witness.events(1), event));
        object.close();
    });
}

#[test]
fn a_watch_that_is_ended_while_it_is_added_is_cancelled_once_or_not_added() {
    explore(|| {
        let Change { object, signals, cause, .. } = any_change();
        let witness = Witness::new();
        let end = any(&ENDS);
        let mut added = false;
        at_once!(added = witness.watch(&object, signals, 1), end(&witness, &object), cause());
        if matches!(witness.watcher.arm(0), Err(ArmError::NotFound | ArmError::InvalidArgument)) {
            assert_eq!(witness.events(1), if added { vec![WatchEvent::Cancelled] } else { vec![] });
        } else {
            assert!(added && object.is_open());
            assert_eq!(witness.events(1), []);
        }
        object.close();
        assert_eq!(witness.events(1), if added { vec![WatchEvent::Cancelled] } else { vec![] });
    });
}

#[test]
fn a_watch_that_is_ended_while_it_is_added_leaves_nothing_at_its_object() {
    explore(|| {
        let Change { object, signals, .. } = message_arrives();
        let token = Arc::new(());
        let held = token.clone();
        let watcher = Watcher::new(move |_| drop(held.clone()));
        at_once!(watcher.watch(&object, signals, Signals::NONE, 1), {
            if !watcher.cancel(1) {
                pause();
                watcher.close();
            }
        });
        watcher.close();
        drop(watcher);
        assert_eq!(Arc::strong_count(&token), 1);
        object.close();
    });
}

#[test]
fn a_change_while_an_object_is_away_is_notified_when_it_is_back() {
    explore(|| {
        let Change { object, signals, cause, event } = any_change();
        let witness = armed(&object, signals);
        at_once!(cause(), {
            object.begin_transit().unwrap();
            pause();
            object.abort_transit();
        });
        assert_eq!(witness.events(1), [event]);
        object.close();
        assert_eq!(witness.events(1), [event, WatchEvent::Cancelled]);
    });
}

#[test]
fn an_object_taken_out_of_its_message_shows_what_changed_meanwhile() {
    explore(|| {
        let Change { object, signals, cause, event } = any_change();
        let witness = armed(&object, signals);
        at_once!(cause(), {
            let mut message = put_into_message(&object).unwrap();
            assert_eq!(message.take_attachments().unwrap().len(), 1);
        });
        assert_eq!(object.signals().readiness(signals).map(WatchEvent::from), Some(event));
        assert!(is_properly_ended(&witness.events(1), event));
        object.close();
    });
}

// ---- everything ------------------------------------------------------------------------------------------

#[test]
fn a_pollable_watcher_keeps_the_rules_whoever_dispatches() {
    explore(|| {
        let Change { object, signals, cause, event } = any_change();
        let witness = Witness::pollable();
        assert!(witness.watch(&object, signals, 1));
        witness.arm().unwrap();
        let end = any(&ENDS);
        at_once!(cause(), witness.watcher.dispatch(), {
            end(&witness, &object);
            if any(&[true, false]) {
                witness.watcher.dispatch();
            }
        });
        // Also delivers what nobody has dispatched.
        witness.watcher.close();
        assert!(is_properly_ended(&witness.events(1), event));
        object.close();
    });
}

/// Two pipes and two watchers, with which threads and callbacks do whatever they like.
struct Playground {
    ends: [Pipe; 4],
    witnesses: Mutex<Vec<Arc<Witness>>>,
    /// How many steps are still to be taken.
    steps_left: AtomicUsize,
    /// The watches that were added, each with a context of its own.
    added: Mutex<Vec<(Arc<Witness>, usize)>>,
    next_context: AtomicUsize,
}

impl Playground {
    fn new(num_steps: usize) -> Arc<Self> {
        let [(a, b), (c, d)] = pipes();
        let this = Arc::new(Self {
            ends: [a, b, c, d],
            witnesses: Mutex::default(),
            steps_left: AtomicUsize::new(num_steps),
            added: Mutex::default(),
            next_context: AtomicUsize::new(1),
        });
        for _ in 0..2 {
            let there = this.clone();
            let witness = Witness::reacting(move |_, _| {
                there.step();
            });
            this.witnesses.lock().unwrap().push(witness);
        }
        this
    }

    /// Does something. False if enough was done.
    fn step(&self) -> bool {
        if self.steps_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err() {
            return false;
        }
        let witness = any(&[0, 1]);
        let witness = self.witnesses.lock().unwrap()[witness].clone();
        let [end, other] = [(); 2].map(|()| &self.ends[thread_rng().gen_range(0..4)]);
        let object = Object::from(end.clone());
        match thread_rng().gen_range(0..20) {
            0..4 => drop(send(end, 1)),
            4..7 => drop(receive(end)),
            7..11 => drop(witness.arm()),
            11..15 => self.add(witness, &object),
            15 => {
                witness.watcher.cancel(thread_rng().gen_range(1..4));
            }
            16 => {
                if object.begin_transit().is_ok() {
                    pause();
                    object.abort_transit();
                }
            }
            17 => {
                if let Some(message) = put_into_message(&object) {
                    drop(other.send(message));
                }
            }
            18 => drop(end.fuse(other)),
            _ => any(&[Object::close, |_: &Object| {}])(&object),
        }
        true
    }

    fn add(&self, witness: Arc<Witness>, object: &Object) {
        let context = self.next_context.fetch_add(1, Ordering::SeqCst);
        if witness.watch(object, any(&[Signals::READABLE, Signals::PEER_CLOSED]), context) {
            self.added.lock().unwrap().push((witness, context));
        }
    }

    fn check(&self) {
        self.ends.iter().for_each(Pipe::close);
        for (witness, context) in std::mem::take(&mut *self.added.lock().unwrap()) {
            let events = witness.events(context);
            let cancellations = events.iter().filter(|event| **event == WatchEvent::Cancelled).count();
            assert_eq!((cancellations, events.last()), (1, Some(&WatchEvent::Cancelled)));
        }
        for witness in std::mem::take(&mut *self.witnesses.lock().unwrap()) {
            assert!(witness.ready_count() <= witness.arms.load(Ordering::SeqCst));
        }
    }
}

#[test]
fn the_rules_hold_whatever_threads_and_callbacks_do() {
    explore(|| {
        let playground = Playground::new(24);
        at_once!(while playground.step() {}, while playground.step() {}, while playground.step() {});
        playground.check();
    });
}
