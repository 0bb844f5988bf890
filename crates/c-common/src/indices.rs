//! Which indices of a table are free.
//!
//! A thread takes them by the batch and gives them back by the batch, so that threads which make and end handles do not
//! wait for each other.

use libmojo_sync::{Mutex, Rank};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::thread::LocalKey;

/// How many indices a thread takes or gives back at a time.
const BATCH: usize = 32;

/// The indices of one table.
pub struct Indices {
    /// How many there are.
    limit: u32,
    /// How many stay unused before the first is reused.
    min_free: usize,
    state: Mutex<State>,
    cache: &'static LocalKey<Cache>,
}

struct State {
    /// The lowest one that was never used.
    fresh: u32,
    /// Used before, the longest free first.
    free: VecDeque<u32>,
}

/// The free indices of one thread.
pub struct Cache {
    of: &'static Indices,
    lists: RefCell<Lists>,
}

struct Lists {
    /// To be used next.
    taken: Vec<u32>,
    /// To be given back, because the thread is not to reuse them at once.
    given: Vec<u32>,
}

impl Indices {
    /// `2^index_bits` indices. Unless `min_free` is 0, each is reused only when so many others have been free for
    /// longer. `cache` is made with [`Cache::new`] for these indices.
    pub const fn new(index_bits: u32, min_free: usize, cache: &'static LocalKey<Cache>) -> Self {
        let state = State { fresh: 0, free: VecDeque::new() };
        Self { limit: 1 << index_bits, min_free, state: Mutex::new(Rank::Leaf, state), cache }
    }

    /// One that is free, if there is any. A few are kept for other threads.
    #[inline]
    pub fn take(&self) -> Option<u32> {
        // Without a cache while the thread ends.
        self.cache.try_with(Cache::take).unwrap_or_else(|_| {
            let mut taken = Vec::new();
            self.take_batch(&mut taken, 1);
            taken.pop()
        })
    }

    /// Makes one free again.
    #[inline]
    pub fn give(&self, index: u32) {
        if self.cache.try_with(|cache| cache.give(index)).is_err() {
            self.state.lock().free.push_back(index);
        }
    }

    /// How many this thread could take.
    pub fn room(&self) -> usize {
        let state = self.state.lock();
        let common = (self.limit - state.fresh) as usize + state.free.len();
        drop(state);
        common + self.cache.try_with(Cache::len).unwrap_or(0)
    }

    fn take_batch(&self, taken: &mut Vec<u32>, count: usize) {
        let mut state = self.state.lock();
        for _ in 0..count {
            if state.fresh < self.limit && state.free.len() <= self.min_free.saturating_sub(1) {
                taken.push(state.fresh);
                state.fresh += 1;
            } else {
                taken.extend(state.free.pop_front());
            }
        }
    }
}

impl Cache {
    pub const fn new(of: &'static Indices) -> Self {
        Self { of, lists: RefCell::new(Lists { taken: Vec::new(), given: Vec::new() }) }
    }

    #[inline]
    fn take(&self) -> Option<u32> {
        let mut lists = self.lists.borrow_mut();
        let index = lists.taken.pop();
        if index.is_some() {
            return index;
        }
        self.of.take_batch(&mut lists.taken, BATCH);
        lists.taken.pop().or_else(|| lists.given.pop())
    }

    #[inline]
    fn give(&self, index: u32) {
        let mut lists = self.lists.borrow_mut();
        let (list, keep) = if self.of.min_free > 0 { (&mut lists.given, 0) } else { (&mut lists.taken, BATCH) };
        list.push(index);
        if list.len() >= keep + BATCH {
            self.of.state.lock().free.extend(list.drain(keep..));
        }
    }

    fn len(&self) -> usize {
        let lists = self.lists.borrow();
        lists.taken.len() + lists.given.len()
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        let Lists { taken, given } = self.lists.get_mut();
        self.of.state.lock().free.extend(taken.drain(..).chain(given.drain(..)));
    }
}
