//! Waiting until a node has nothing left to do for others.

use super::RoutingNode;
use super::links::Entry;
use crate::deferred::is_system_thread;
use libmojo_sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use libmojo_sync::{Condvar, Mutex, Rank};
use std::time::Instant;

/// Wakes those who wait whenever something may have got done.
pub(super) struct Progress {
    /// How many threads wait, so that nobody pays for this otherwise. Counted before a thread looks at what it waits
    /// for; whoever changes that looks here afterwards: one of the two sees the other.
    num_waiting: AtomicUsize,
    steps: Mutex<u64>,
    step: Condvar,
    /// How many threads take what has come, and in the upper half how often that was done: what has been taken from
    /// one place and not yet put into the next is nowhere to be seen.
    taking: AtomicU64,
}

const ONE_TAKEN: u64 = 1 << 32;

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            num_waiting: AtomicUsize::new(0),
            steps: Mutex::new(Rank::Leaf, 0),
            step: Condvar::new(),
            taking: AtomicU64::new(0),
        }
    }

    /// Takes what has come, which is what the body does.
    pub(super) fn while_taking<R>(&self, body: impl FnOnce() -> R) -> R {
        self.taking.fetch_add(1, Ordering::SeqCst);
        let outcome = body();
        self.taking.fetch_add(ONE_TAKEN - 1, Ordering::SeqCst);
        self.note();
        outcome
    }

    /// A number that has changed if anything was taken since; `None` while that is being done.
    fn taken(&self) -> Option<u64> {
        let taking = self.taking.load(Ordering::SeqCst);
        taking.is_multiple_of(ONE_TAKEN).then_some(taking)
    }

    pub(super) fn note(&self) {
        if self.num_waiting.load(Ordering::SeqCst) > 0 {
            *self.steps.lock() += 1;
            self.step.notify_all();
        }
    }

    /// Waits until the condition holds. False if the deadline has passed before.
    fn wait_until(&self, deadline: Option<Instant>, condition: impl Fn() -> bool) -> bool {
        self.num_waiting.fetch_add(1, Ordering::SeqCst);
        let outcome = self.wait_counted(deadline, condition);
        self.num_waiting.fetch_sub(1, Ordering::SeqCst);
        outcome
    }

    fn wait_counted(&self, deadline: Option<Instant>, condition: impl Fn() -> bool) -> bool {
        loop {
            let seen = *self.steps.lock();
            if condition() {
                return true;
            }
            // What is waited for is this thread's own work.
            if is_system_thread() {
                return false;
            }
            let mut steps = self.steps.lock();
            while *steps == seen {
                let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
                if left.is_some_and(|left| left.is_zero()) {
                    return false;
                }
                steps = self.step.wait(steps, left);
            }
        }
    }
}

/// Waits until everything that was sent has been handed to the system.
pub(super) fn flush(node: &RoutingNode, deadline: Option<Instant>) -> bool {
    node.data().progress.wait_until(deadline, || is_flushed(node))
}

/// Waits until everything that was sent has been handed to the system and no others depend on this node; then,
/// or when the deadline has passed, ends all links.
pub(super) fn shut_down(node: &RoutingNode, deadline: Option<Instant>) -> bool {
    let progress = &node.data().progress;
    let is_clean = progress.wait_until(deadline, || node.proxy_count() == 0 && is_flushed(node));
    let links = &node.data().links;
    // Only the I/O thread has to take notice of this; if the program itself does the I/O, it is yet to do so. Others
    // may introduce this node meanwhile.
    progress.wait_until(None, || {
        links.end_all();
        links.are_driven() || !links.any()
    });
    is_clean
}

fn is_flushed(node: &RoutingNode) -> bool {
    let progress = &node.data().progress;
    let before = progress.taken();
    let mut is_flushed = true;
    for entry in node.data().links.all() {
        if let Entry::Link(link) = entry
            && !link.is_flushed()
        {
            is_flushed = false;
            link.press();
        }
    }
    is_flushed = is_flushed && !node.holds_back();
    // A thread that is about it itself knows what it has done.
    is_flushed && (is_system_thread() || before.is_some() && progress.taken() == before)
}
