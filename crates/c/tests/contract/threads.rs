//! Several threads at the same objects.

use crate::callbacks::*;
use crate::calls;
use crate::support::*;
use mojo_system::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::{self, ThreadId};

type Handler = Arc<dyn Fn(MojoResult) + Send + Sync>;

/// What is called for watches, by their contexts.
static HANDLERS: RwLock<BTreeMap<usize, Handler>> = RwLock::new(BTreeMap::new());

/// A context of its own for a handler.
fn context_for(handler: impl Fn(MojoResult) + Send + Sync + 'static) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let context = NEXT.fetch_add(1, Ordering::Relaxed);
    HANDLERS.write().unwrap().insert(context, Arc::new(handler));
    context
}

extern "C" fn handle(context: usize, result: MojoResult, _: MojoHandleSignalsState, _: u32) {
    let handler = HANDLERS.read().unwrap().get(&context).cloned();
    handler.unwrap()(result);
}

fn threaded_watcher() -> MojoHandle {
    output(STALE, |handle_place| calls::create_watcher(Some(handle), Some(handle_place))).unwrap()
}

/// Has two threads do something at the same time, round after round. `prepare` makes what they do it to, `check` looks
/// at what both have answered.
fn race<T: Copy + Send + 'static, A: Send + 'static>(
    rounds: usize,
    prepare: impl Fn() -> T,
    this: impl Fn(T) -> A,
    that: impl Fn(T) -> A + Send + 'static,
    check: impl Fn(T, A, A),
) {
    let _watchdog = watchdog();
    let (give, take) = channel::<T>();
    let (answer, answers) = channel();
    let ready = Arc::new(AtomicUsize::new(0));
    let meet = |ready: &AtomicUsize, round: usize| {
        ready.fetch_add(1, Ordering::SeqCst);
        until(|| ready.load(Ordering::SeqCst) >= 2 * round);
    };
    let other_ready = ready.clone();
    let other = thread::spawn(move || {
        for (round, subject) in (1..).zip(take) {
            meet(&other_ready, round);
            answer.send(that(subject)).unwrap();
        }
    });
    for round in 1..=rounds {
        let subject = prepare();
        give.send(subject).unwrap();
        meet(&ready, round);
        let own = this(subject);
        check(subject, own, answers.recv().unwrap());
    }
    drop(give);
    other.join().unwrap();
}

// ---- watchers --------------------------------------------------------------------------------------------

#[test]
fn a_watch_is_cancelled_if_and_only_if_it_was_made_even_if_its_handle_is_closed_meanwhile() {
    for kind in [Kind::Pipe, Kind::Consumer] {
        let w = threaded_watcher();
        let count = Arc::new(AtomicUsize::new(0));
        let counter = count.clone();
        let context = context_for(move |result| {
            assert_eq!(result, CANCELLED);
            counter.fetch_add(1, Ordering::SeqCst);
        });
        race(
            3000,
            || {
                let made = std::mem::ManuallyDrop::new(kind.make());
                (made.handle, made.peer)
            },
            |(handle, _)| watch(w, handle, C, context),
            |(handle, _)| {
                (0..handle % 128).for_each(|_| std::hint::spin_loop());
                close(handle)
            },
            |(_, peer), watched, closed| {
                assert_eq!(closed, Ok(()));
                assert_eq!(count.swap(0, Ordering::SeqCst), usize::from(watched.is_ok()), "{watched:?}");
                close(peer).unwrap();
            },
        );
        close(w).unwrap();
    }
}

#[test]
fn an_attempt_to_attach_that_fails_loses_no_notification() {
    for kind in [Kind::Pipe, Kind::Consumer, Kind::Producer] {
        let _watchdog = watchdog();
        let made = kind.make();
        let (handle, peer) = (made.handle, made.peer);
        let make_ready = move || match kind {
            Kind::Pipe => send(peer, b"", &[]).unwrap(),
            Kind::Consumer => assert_eq!(write_data(peer, b"x", 0), Ok(1)),
            _ => assert_eq!(read_data(peer, 16, 0).unwrap().len(), 16),
        };
        // While it is being moved the handle is refused.
        let make_unready = move || {
            until(|| {
                let outcome = match kind {
                    Kind::Pipe => receive(handle).map(drop),
                    Kind::Consumer => read_data(handle, 16, 0).map(drop),
                    _ => write_data(handle, &[0; 16], 0).map(drop),
                };
                outcome == Err(SHOULD_WAIT)
            });
        };
        let told = Arc::new(AtomicUsize::new(0));
        let counter = told.clone();
        let w = threaded_watcher();
        let context = context_for(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        watch(w, handle, if kind == Kind::Producer { W } else { R }, context).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let attaching = thread::spawn(move || {
            let message = message();
            while !stopped.load(Ordering::SeqCst) {
                assert_eq!(attach(message, 0, &[handle, 0]), Err(INVALID_ARGUMENT));
            }
            destroy(message).unwrap();
        });
        for round in 1..=1000 {
            make_unready();
            until(|| arm(w).is_ok());
            make_ready();
            until(|| told.load(Ordering::SeqCst) == round);
        }
        stop.store(true, Ordering::SeqCst);
        attaching.join().unwrap();
        close(w).unwrap();
    }
}

/// A watch whose callback runs on another thread until it is let go on. What it was called with is recorded, with the
/// thread.
struct Held {
    watcher: MojoHandle,
    context: usize,
    ends: (MojoHandle, MojoHandle),
    calls: Arc<Mutex<Vec<(MojoResult, ThreadId)>>>,
    go_on: Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Held {
    fn new() -> Self {
        let ends = pipe();
        let watcher = threaded_watcher();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (go_on, wait) = channel();
        let (begun, is_begun) = channel();
        let (log, wait) = (calls.clone(), Mutex::new(wait));
        let context = context_for(move |result| {
            log.lock().unwrap().push((result, thread::current().id()));
            if result == OK && log.lock().unwrap().len() == 1 {
                begun.send(()).unwrap();
                wait.lock().unwrap().recv().unwrap();
                assert_eq!(log.lock().unwrap().len(), 1, "no second callback during the first");
            }
        });
        watch(watcher, ends.1, R, context).unwrap();
        arm(watcher).unwrap();
        let thread = thread::spawn(move || send(ends.0, b"", &[]).unwrap());
        is_begun.recv().unwrap();
        Self { watcher, context, ends, calls, go_on, thread }
    }

    /// Lets the callback return; all that it was called with, which was always on its own thread.
    fn finish(self) -> Vec<MojoResult> {
        let own = self.thread.thread().id();
        self.go_on.send(()).unwrap();
        self.thread.join().unwrap();
        let calls = self.calls.lock().unwrap();
        assert!(calls.iter().all(|(_, thread)| *thread == own));
        let results = calls.iter().map(|(result, _)| *result).collect();
        drop(calls);
        let _ = (close(self.ends.0), close(self.ends.1), close(self.watcher));
        results
    }
}

#[test]
fn a_watch_can_be_ended_while_its_callback_runs_on_another_thread_and_nobody_waits() {
    let _watchdog = watchdog();
    let ways: [fn(&Held); 3] = [
        |held| cancel(held.watcher, held.context).unwrap(),
        |held| close(held.watcher).unwrap(),
        |held| close(held.ends.1).unwrap(),
    ];
    for way in ways {
        let held = Held::new();
        way(&held);
        assert!(cancel(held.watcher, held.context).is_err());
        assert_eq!(held.calls.lock().unwrap().len(), 1, "its cancellation waits for the callback");
        assert_eq!(held.finish(), [OK, CANCELLED]);
    }
}

#[test]
fn a_notification_that_falls_due_while_the_callback_runs_elsewhere_is_delivered_there() {
    let _watchdog = watchdog();
    let held = Held::new();
    receive(held.ends.1).unwrap();
    arm(held.watcher).unwrap();
    send(held.ends.0, b"", &[]).unwrap();
    assert_eq!(held.calls.lock().unwrap().len(), 1);
    cancel(held.watcher, held.context).unwrap();
    // The end overtakes it.
    assert_eq!(held.finish(), [OK, CANCELLED]);
    let held = Held::new();
    receive(held.ends.1).unwrap();
    arm(held.watcher).unwrap();
    send(held.ends.0, b"", &[]).unwrap();
    let calls = held.calls.clone();
    let results = held.finish();
    assert_eq!(results, [OK, OK]);
    assert_eq!(calls.lock().unwrap().len(), 3, "closing has cancelled it since");
}

#[test]
fn callbacks_that_cancel_each_others_watches_do_not_wait_for_each_other() {
    let _watchdog = watchdog();
    for _ in 0..200 {
        let watchers = [threaded_watcher(), threaded_watcher()];
        let pipes = [pipe(), pipe()];
        let results = Arc::new(Mutex::new(Vec::new()));
        let both_run = Arc::new(std::sync::Barrier::new(2));
        let contexts: Arc<Mutex<Vec<usize>>> = Arc::default();
        let made = [0, 1].map(|own: usize| {
            let (results, both_run, contexts) = (results.clone(), both_run.clone(), contexts.clone());
            context_for(move |result| {
                results.lock().unwrap().push((own, result));
                if result == OK {
                    both_run.wait();
                    let others = contexts.lock().unwrap()[1 - own];
                    cancel(watchers[1 - own], others).unwrap();
                }
            })
        });
        contexts.lock().unwrap().extend(made);
        for number in 0..2 {
            watch(watchers[number], pipes[number].1, R, made[number]).unwrap();
            arm(watchers[number]).unwrap();
        }
        let other = thread::spawn(move || send(pipes[0].0, b"", &[]).unwrap());
        send(pipes[1].0, b"", &[]).unwrap();
        other.join().unwrap();
        let mut results = results.lock().unwrap().clone();
        results.sort();
        assert_eq!(results, [(0, OK), (0, CANCELLED), (1, OK), (1, CANCELLED)]);
        close_all(&[watchers[0], watchers[1], pipes[0].0, pipes[0].1, pipes[1].0, pipes[1].1]);
    }
}

// ---- handles ---------------------------------------------------------------------------------------------

#[test]
fn of_two_threads_that_attach_or_close_a_handle_one_succeeds() {
    race(
        1000,
        || (pipe(), (message(), message())),
        |((handle, _), (message, _))| code(attach(message, 0, &[handle])),
        |((handle, _), (_, message))| code(attach(message, 0, &[handle])),
        |((_, peer), messages), this, that| {
            assert!(
                matches!((this, that), (OK, BUSY | INVALID_ARGUMENT) | (BUSY | INVALID_ARGUMENT, OK)),
                "{this} {that}"
            );
            destroy(messages.0).unwrap();
            destroy(messages.1).unwrap();
            assert_eq!(satisfied(peer), C);
            close(peer).unwrap();
        },
    );
    race(
        1000,
        || (pipe(), message()),
        |((handle, _), message)| code(attach(message, 0, &[handle])),
        |((handle, _), _)| code(close(handle)),
        |((_, peer), message), attached, closed| {
            assert!(
                matches!((attached, closed), (OK, INVALID_ARGUMENT) | (INVALID_ARGUMENT, OK)),
                "{attached} {closed}"
            );
            assert_eq!(satisfied(peer) == C, closed == OK);
            destroy(message).unwrap();
            assert_eq!(satisfied(peer), C);
            close(peer).unwrap();
        },
    );
}

#[test]
fn a_handle_that_is_closed_meanwhile_is_used_completely_or_not_at_all() {
    type Use = fn(MojoHandle) -> MojoResult;
    let uses: [(Kind, Use, &[MojoResult]); 9] = [
        (Kind::Pipe, |pipe| code(send(pipe, b"", &[])), &[OK, INVALID_ARGUMENT]),
        (Kind::Pipe, |pipe| code(read(pipe)), &[SHOULD_WAIT, INVALID_ARGUMENT]),
        (Kind::Pipe, |pipe| code(signals(pipe)), &[OK, INVALID_ARGUMENT]),
        (Kind::Producer, |producer| code(write_data(producer, b"x", 0)), &[OK, INVALID_ARGUMENT]),
        (Kind::Producer, |producer| code(begin_write(producer, 0)), &[OK, INVALID_ARGUMENT]),
        (Kind::Consumer, |consumer| code(available(consumer)), &[OK, INVALID_ARGUMENT]),
        (Kind::Buffer, |buffer| code(map(buffer, 0, 1).and_then(unmap)), &[OK, INVALID_ARGUMENT]),
        (Kind::Buffer, |buffer| code(duplicate(buffer, 0).and_then(close)), &[OK, INVALID_ARGUMENT]),
        (Kind::Watcher, |watcher| code(cancel(watcher, 1)), &[NOT_FOUND, INVALID_ARGUMENT]),
    ];
    for (kind, function, allowed) in uses {
        race(
            500,
            || {
                let made = std::mem::ManuallyDrop::new(kind.make());
                (made.handle, made.peer)
            },
            |(handle, _)| function(handle),
            |(handle, _)| code(close(handle)),
            |(_, peer), used, closed| {
                assert!(allowed.contains(&used), "{kind:?}: {used}");
                assert_eq!(closed, OK);
                assert!(peer == 0 || close(peer).is_ok());
            },
        );
    }
}

#[test]
fn each_message_is_read_once_and_the_messages_of_a_writer_in_order() {
    const WRITERS: u32 = 3;
    const COUNT: u32 = 2000;
    let _watchdog = watchdog();
    let (a, b) = pipe();
    let writers = (0..WRITERS).map(|writer| {
        thread::spawn(move || {
            (0..COUNT).for_each(|number| send(a, &(writer << 16 | number).to_le_bytes(), &[]).unwrap());
        })
    });
    let writers: Vec<_> = writers.collect();
    let readers = (0..2).map(|_| {
        thread::spawn(move || {
            let mut found: Vec<u32> = Vec::new();
            loop {
                match receive(b) {
                    Ok((bytes, _)) => found.push(u32::from_le_bytes(bytes.try_into().unwrap())),
                    Err(SHOULD_WAIT) => thread::yield_now(),
                    Err(code) => {
                        assert_eq!(code, FAILED_PRECONDITION);
                        return found;
                    }
                }
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    close(a).unwrap();
    let found: Vec<Vec<u32>> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
    for found in &found {
        for writer in 0..WRITERS {
            let own: Vec<u32> = found.iter().copied().filter(|number| number >> 16 == writer).collect();
            assert!(own.is_sorted(), "{own:?}");
        }
    }
    let mut all = found.concat();
    all.sort();
    let sent = (0..WRITERS).flat_map(|writer| (0..COUNT).map(move |number| writer << 16 | number));
    assert!(all == sent.collect::<Vec<_>>());
    close(b).unwrap();
}

// ---- messages --------------------------------------------------------------------------------------------

/// Everything that can be done with a message handle but to end it.
const USES: [fn(MojoMessageHandle) -> MojoResult; 9] = [
    |message| code(attach(message, 100, &[])),
    |message| code(extend(message, 100_000, &[])),
    |message| code(commit(message, 100)),
    |message| MojoAttachMessageContext(message, 1, None),
    |message| code(context_of(message, 0)),
    |message| code(context_of(message, RELEASE)),
    |message| MojoSerializeMessage(message),
    |message| code(look(message)),
    |message| calls::notify_bad_message(message, Some(b"from threads"), 12),
];

#[test]
fn a_message_that_another_thread_ends_is_used_completely_or_not_at_all() {
    let makers: [fn() -> MojoMessageHandle; 4] = [
        message,
        || {
            let message = message();
            assert_eq!(MojoAttachMessageContext(message, 9, None), OK);
            message
        },
        || built(b"text", &[buffer(1)]),
        || committed(b"text", &[buffer(1)]),
    ];
    let ends: [fn(MojoMessageHandle) -> MojoResult; 2] =
        [|message| MojoDestroyMessage(message), |message| MojoWriteMessage(0, message, 0)];
    for make in makers {
        for function in USES {
            for end in ends {
                let undisturbed = make();
                let expected = function(undisturbed);
                destroy(undisturbed).unwrap();
                race(30, make, function, end, |message, used, _| {
                    assert!([expected, INVALID_ARGUMENT].contains(&used), "{used} instead of {expected}");
                    assert_eq!(destroy(message), Err(INVALID_ARGUMENT));
                });
            }
        }
    }
}

#[test]
fn of_several_threads_that_end_a_message_one_succeeds() {
    race(
        1000,
        || {
            let ends = pipe();
            (built(b"", &[]), ends)
        },
        |(message, _)| MojoDestroyMessage(message),
        |(message, (a, _))| MojoWriteMessage(a, message, 0),
        |(_, (a, b)), destroyed, written| {
            assert!(matches!((destroyed, written), (OK, INVALID_ARGUMENT) | (INVALID_ARGUMENT, OK)));
            assert_eq!(receive(b).is_ok(), written == OK);
            close_all(&[a, b]);
        },
    );
}

#[test]
fn handles_are_taken_out_of_a_message_by_one_thread() {
    race(
        1000,
        || {
            let message = committed(b"", &[buffer(8)]);
            assert_eq!(look(message).unwrap().1, 1);
            message
        },
        take,
        take,
        |message, this, that| {
            let (taken, refused) = if this.is_ok() { (this, that) } else { (that, this) };
            close_all(&taken.unwrap().1);
            assert_eq!(refused, Err(NOT_FOUND));
            destroy(message).unwrap();
        },
    );
}
