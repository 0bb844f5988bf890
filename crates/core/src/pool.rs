//! Things that are used again instead of being made anew: each thread keeps a few, and what one thread has too many of
//! goes to the others by the batch, so that a thread which only makes and another which only drops help each other.

use libmojo_platform::is_forked;
use libmojo_sync::atomic::{AtomicUsize, Ordering};
use libmojo_sync::{Mutex, Rank};
use std::cell::RefCell;

/// How many things a thread keeps.
const MAX_KEPT: usize = 64;

/// How many change hands at a time.
const BATCH: usize = MAX_KEPT / 2;

/// How many batches nobody has.
const MAX_BATCHES: usize = 16;

/// What the threads of the process have too many of.
pub(crate) struct Depot<T> {
    batches: Mutex<Vec<Vec<T>>>,
    /// How many batches there are, about.
    count: AtomicUsize,
}

/// What one thread has.
pub(crate) struct Pool<T: 'static> {
    kept: RefCell<Vec<T>>,
    depot: &'static Depot<T>,
}

impl<T> Depot<T> {
    pub(crate) const fn new() -> Self {
        Self { batches: Mutex::new(Rank::Leaf, Vec::new()), count: AtomicUsize::new(0) }
    }

    fn take(&self) -> Option<Vec<T>> {
        // A thread that is not there any more may have been about it when this process was forked off.
        if self.count.load(Ordering::Relaxed) == 0 || is_forked() {
            return None;
        }
        let mut batches = self.batches.lock();
        let batch = batches.pop();
        self.count.store(batches.len(), Ordering::Relaxed);
        batch
    }

    /// Takes a batch; it comes back if there are enough.
    fn give(&self, batch: Vec<T>) -> Option<Vec<T>> {
        if is_forked() {
            return Some(batch);
        }
        let mut batches = self.batches.lock();
        if batches.len() >= MAX_BATCHES {
            return Some(batch);
        }
        batches.push(batch);
        self.count.store(batches.len(), Ordering::Relaxed);
        None
    }
}

impl<T> Pool<T> {
    pub(crate) const fn new(depot: &'static Depot<T>) -> Self {
        Self { kept: RefCell::new(Vec::new()), depot }
    }

    /// One of those that are there.
    #[inline]
    pub(crate) fn take(&self) -> Option<T> {
        if cfg!(shuttle) {
            // What one schedule leaves behind is not for the next.
            return None;
        }
        let mut kept = self.kept.borrow_mut();
        let taken = kept.pop();
        if taken.is_some() {
            return taken;
        }
        *kept = self.depot.take()?;
        kept.pop()
    }

    /// Keeps one. If there are too many, some of them are dropped.
    #[inline]
    pub(crate) fn give(&self, one: T) {
        if cfg!(shuttle) {
            return;
        }
        let mut kept = self.kept.borrow_mut();
        if kept.len() < MAX_KEPT {
            kept.push(one);
            return;
        }
        let batch = kept.split_off(MAX_KEPT - BATCH);
        kept.push(one);
        drop(kept);
        drop(self.depot.give(batch));
    }
}
