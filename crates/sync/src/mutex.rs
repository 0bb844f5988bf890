//! A mutex with a rank, and the condition variable that goes with it.

use crate::primitives;
use crate::rank::{Held, Order, Rank, Ranked};
use std::ops::{Deref, DerefMut};
use std::sync::{PoisonError, TryLockError};
use std::time::Duration;

/// A mutual-exclusion lock with a place in the global lock order.
pub struct Mutex<T> {
    rank: Ranked,
    inner: primitives::Mutex<T>,
}

impl<T> Mutex<T> {
    /// Makes an unlocked mutex of the given rank.
    pub const fn new(rank: Rank, value: T) -> Self {
        Self { rank: Ranked::new(rank), inner: primitives::Mutex::new(value) }
    }

    /// Waits for the lock. In debug builds, panics if the thread holds a lock of this rank or a higher one.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.lock_in(Order::Above)
    }

    /// Waits for the lock as the second of two with the same rank.
    ///
    /// The caller takes such pairs in the order of their addresses, or not at all.
    pub fn lock_second(&self) -> MutexGuard<'_, T> {
        self.lock_in(Order::Pair)
    }

    /// Takes the lock as the second of a pair if it is free. Because it never waits, the order within the pair
    /// does not matter.
    pub fn try_lock_second(&self) -> Option<MutexGuard<'_, T>> {
        let guard = match self.inner.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(MutexGuard { inner: guard, held: self.rank.acquire(Order::Pair) })
    }

    fn lock_in(&self, order: Order) -> MutexGuard<'_, T> {
        let held = self.rank.acquire(order);
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        MutexGuard { inner, held }
    }
}

/// The right to use what a [`Mutex`] protects; unlocks when dropped.
pub struct MutexGuard<'a, T> {
    inner: primitives::MutexGuard<'a, T>,
    held: Held,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

/// Lets threads sleep until something that a [`Mutex`] protects has changed.
#[derive(Default)]
pub struct Condvar(primitives::Condvar);

impl Condvar {
    /// Makes a condition variable nobody waits on.
    pub const fn new() -> Self {
        Self(primitives::Condvar::new())
    }

    /// Unlocks, sleeps until notified or until `timeout` has passed (`None`: for ever), and locks again. May
    /// return without either; the caller checks its condition.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>, timeout: Option<Duration>) -> MutexGuard<'a, T> {
        let MutexGuard { inner, held } = guard;
        let inner = match timeout {
            None => self.0.wait(inner).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => self.0.wait_timeout(inner, limit).unwrap_or_else(PoisonError::into_inner).0,
        };
        MutexGuard { inner, held }
    }

    /// Wakes everyone who waits.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_go_upward() {
        let low = Mutex::new(Rank::Watcher, 1);
        let high = Mutex::new(Rank::Port, 2);
        let a = low.lock();
        let b = high.lock();
        assert_eq!(*a + *b, 3);
        drop(a);
        drop(b);
        crate::assert_unlocked();
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "taken while")]
    fn going_downward_is_caught() {
        let low = Mutex::new(Rank::Watcher, ());
        let high = Mutex::new(Rank::Port, ());
        let _high = high.lock();
        let _low = low.lock();
    }

    #[test]
    fn a_pair_of_one_rank_is_allowed_but_no_third() {
        let (a, b) = (Mutex::new(Rank::Port, ()), Mutex::new(Rank::Port, ()));
        let _a = a.lock();
        let _b = b.lock_second();
        assert!(b.try_lock_second().is_none());
    }

    #[test]
    fn a_waiter_sees_what_was_changed_before_it_was_notified() {
        let pair = std::sync::Arc::new((Mutex::new(Rank::Leaf, false), Condvar::new()));
        let other = pair.clone();
        let thread = std::thread::spawn(move || {
            *other.0.lock() = true;
            other.1.notify_all();
        });
        let mut done = pair.0.lock();
        while !*done {
            done = pair.1.wait(done, None);
        }
        drop(done);
        thread.join().unwrap();
    }
}
