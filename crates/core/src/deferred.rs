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
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::Waker;

/// Foreign code that is due, in the order in which it is to run. Most calls make nothing due and pay nothing.
#[derive(Default)]
pub(crate) struct Deferred(Option<Box<Due>>);

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

thread_local! {
    /// One level for each piece of foreign code that is running on this thread, innermost last.
    static LEVELS: RefCell<Vec<Deferred>> = const { RefCell::new(Vec::new()) };
    /// True while the thread does the I/O of a node.
    static IS_SYSTEM: Cell<bool> = const { Cell::new(false) };
}

/// Runs something that only carries out what other processes cause.
pub(crate) fn as_system<R>(body: impl FnOnce() -> R) -> R {
    let before = IS_SYSTEM.with(|is_system| is_system.replace(true));
    let result = body();
    IS_SYSTEM.with(|is_system| is_system.set(before));
    result
}

/// True while the thread only carries out what other processes cause.
pub(crate) fn is_system_thread() -> bool {
    IS_SYSTEM.with(Cell::get)
}

impl Deferred {
    pub(crate) fn new() -> Self {
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
        let task = Task::Watch { watch, occasion, from_system: is_system_thread() };
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

    /// Hands itself to the outer level, or runs if there is none.
    fn fall_due(mut self: Box<Self>) {
        if is_forked() {
            return std::mem::forget(self);
        }
        let outermost = LEVELS.with(|levels| match levels.borrow_mut().last_mut() {
            Some(level) => {
                level.due().append(&mut self);
                None
            }
            None => Some(self),
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
            let mut caused = collect(|| task.run());
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
pub(crate) fn collect(body: impl FnOnce()) -> Deferred {
    struct Level;
    impl Drop for Level {
        fn drop(&mut self) {
            // Reached with a level in place only when `body` panics; what it caused is not run then.
            let abandoned = LEVELS.with(|levels| levels.borrow_mut().pop());
            std::mem::forget(abandoned);
        }
    }
    LEVELS.with(|levels| levels.borrow_mut().push(Deferred::new()));
    let level = Level;
    body();
    std::mem::forget(level);
    LEVELS.with(|levels| levels.borrow_mut().pop()).unwrap_or_default()
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
    let mut result = None;
    let caused = collect(|| result = Some(body()));
    drop(caused);
    match result {
        Some(result) => result,
        None => unreachable!("the body has run"),
    }
}
