//! Foreign code that a call has made due: callbacks, wakers, destructors. It runs when the outermost call on the
//! thread is over, with no lock held.
//!
//! A [`Deferred`] collects while a call decides; dropping it carries out what it has collected. If the thread is
//! already inside foreign code (a callback that calls back into this library, say), dropping it instead hands
//! everything to that outer level: a running callback is followed by what it caused, before anything that was
//! pending when it began.

use crate::message::Message;
use crate::watcher::{Occasion, Watch};
use libmojo_platform::is_forked;
use libmojo_sync::{Arc, assert_unlocked, thread_local};
use std::cell::Cell;
use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::task::Waker;

/// Foreign code that is due, in the order in which it is to run: when this is dropped, or when the call is over that it
/// is dropped in. Most calls make nothing due and pay nothing.
#[derive(Default)]
pub struct Deferred(Option<Box<Due>>);

#[derive(Default)]
struct Due {
    /// Cancellations overtake everything else of their level.
    cancellations: VecDeque<Task>,
    others: VecDeque<Task>,
}

enum Task {
    Watch { watch: Arc<Watch>, occasion: Occasion, from_system: bool },
    Wake(Waker),
    Drop(Message),
}

/// A piece of foreign code, or a call in several parts, that is running, as far as others on the thread see it.
struct Level {
    /// How many of them there are, one inside the other.
    depth: Cell<usize>,
    /// What the innermost has made due so far. Never dropped by the thread's end, which can be inside foreign code.
    due: Cell<ManuallyDrop<Option<Box<Due>>>>,
}

thread_local! {
    static LEVEL: Level = const { Level { depth: Cell::new(0), due: Cell::new(ManuallyDrop::new(None)) } };
    /// True while the thread does the I/O of a node.
    static IS_SYSTEM: Cell<bool> = const { Cell::new(false) };
    /// True while what the thread causes counts as caused by a call, whatever else it does.
    static IS_WITHIN_CALL: Cell<bool> = const { Cell::new(false) };
}

/// Runs something that only carries out what other processes cause.
pub(crate) fn as_system<R>(body: impl FnOnce() -> R) -> R {
    let before = IS_SYSTEM.with(|is_system| is_system.replace(true));
    let result = body();
    IS_SYSTEM.with(|is_system| is_system.set(before));
    result
}

/// Has everything that `body` causes count as caused by a call, also on a thread that does I/O.
pub fn as_caused_by_call<R>(body: impl FnOnce() -> R) -> R {
    let before = IS_WITHIN_CALL.with(|is_within| is_within.replace(true));
    let result = body();
    IS_WITHIN_CALL.with(|is_within| is_within.set(before));
    result
}

/// True while the thread only carries out what other processes cause.
pub(crate) fn is_system_thread() -> bool {
    IS_SYSTEM.with(Cell::get)
}

impl Deferred {
    /// With nothing due.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn due(&mut self) -> &mut Due {
        self.0.get_or_insert_default()
    }

    pub(crate) fn notify(&mut self, watch: Arc<Watch>, occasion: Occasion) {
        let is_cancellation = matches!(occasion, Occasion::Cancelled);
        let task = Task::Watch { watch, occasion, from_system: is_system_thread() && !IS_WITHIN_CALL.with(Cell::get) };
        let due = self.due();
        if is_cancellation { due.cancellations.push_back(task) } else { due.others.push_back(task) }
    }

    pub(crate) fn wake(&mut self, waker: Waker) {
        self.due().others.push_back(Task::Wake(waker));
    }

    /// Drops messages that nobody will read, whose contents may have destructors and peers to notify.
    pub(crate) fn discard(&mut self, messages: Vec<Message>) {
        if !messages.is_empty() {
            self.due().others.extend(messages.into_iter().map(Task::Drop));
        }
    }
}

impl Due {
    fn is_empty(&self) -> bool {
        self.cancellations.is_empty() && self.others.is_empty()
    }

    fn append(&mut self, other: &mut Due) {
        self.cancellations.append(&mut other.cancellations);
        self.others.append(&mut other.others);
    }

    fn pop(&mut self) -> Option<Task> {
        self.cancellations.pop_front().or_else(|| self.others.pop_front())
    }

    /// Hands everything to the level that the thread is in, or runs it.
    fn fall_due(mut self: Box<Self>) {
        if is_forked() {
            return std::mem::forget(self);
        }
        let outermost = LEVEL.with(|level| {
            if level.depth.get() == 0 {
                return Some(self);
            }
            let mut collected = level.take();
            match &mut collected {
                Some(collected) => collected.append(&mut self),
                None => collected = Some(self),
            }
            level.put(collected);
            None
        });
        if let Some(due) = outermost {
            assert_unlocked();
            due.run();
        }
    }

    fn run(self: Box<Self>) {
        let mut levels = vec![self];
        while let Some(level) = levels.last_mut() {
            let task = level.pop();
            if level.is_empty() {
                levels.pop();
            }
            let Some(task) = task else { continue };
            let ((), mut caused) = collect(|| task.run());
            if is_forked() {
                // The task has forked, and this is the child, whom nothing of this concerns.
                return std::mem::forget((levels, caused));
            }
            levels.extend(caused.0.take());
        }
    }
}

impl Drop for Deferred {
    #[inline]
    fn drop(&mut self) {
        if let Some(due) = self.0.take() {
            due.fall_due();
        }
    }
}

impl Level {
    fn take(&self) -> Option<Box<Due>> {
        ManuallyDrop::into_inner(self.due.replace(ManuallyDrop::new(None)))
    }

    fn put(&self, due: Option<Box<Due>>) {
        self.due.set(ManuallyDrop::new(due));
    }
}

impl Task {
    fn run(self) {
        match self {
            Task::Watch { watch, occasion, from_system } => watch.fall_due(occasion, from_system),
            Task::Wake(waker) => waker.wake(),
            Task::Drop(message) => drop(message),
        }
    }
}

/// Runs `body` as an inner level: what becomes due meanwhile on this thread is returned and not yet run.
pub(crate) fn collect<R>(body: impl FnOnce() -> R) -> (R, Deferred) {
    /// The level around it, which goes on when this is dropped.
    struct Outer(Option<Box<Due>>);
    impl Drop for Outer {
        fn drop(&mut self) {
            LEVEL.with(|level| {
                level.depth.set(level.depth.get() - 1);
                // Something is there only when `body` panics; it is not run then.
                std::mem::forget(level.take());
                level.put(self.0.take());
            });
        }
    }
    let outer = LEVEL.with(|level| {
        level.depth.set(level.depth.get() + 1);
        Outer(level.take())
    });
    let result = body();
    let caused = LEVEL.with(Level::take);
    drop(outer);
    (result, Deferred(caused))
}

/// Runs foreign code that is part of a call (a serializer, a destructor). What it makes due runs when the call
/// itself is over.
pub(crate) fn within_call<R>(body: impl FnOnce() -> R) -> R {
    assert_unlocked();
    as_one_call(body)
}

/// Makes everything that `body` does one call: callbacks that become due in it run when it is over, and not
/// before. For faces of the engine that need several of its operations, or a lock of their own, for one of theirs.
pub fn as_one_call<R>(body: impl FnOnce() -> R) -> R {
    let (result, caused) = collect(body);
    drop(caused);
    result
}
