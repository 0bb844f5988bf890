//! The words by which two processes call each other: who says what, in which order, and who then has to look again.
//!
//! Nothing here but atomics, in memory that processes share or in this one's own, and what others pass in to be done
//! between two steps. So `models` can try every order in which all of this may happen, under `--cfg loom`.
//! `docs/links.md` says what the words mean.

mod attendance;
#[cfg(all(test, loom))]
mod models;
pub(crate) mod request;
pub(crate) mod wake;

pub(crate) use attendance::{Attendance, Quiet};

use libmojo_sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// An atomic in memory that processes share; in a model, one that stands for it.
pub(crate) trait Word<T> {
    fn load(&self, ordering: Ordering) -> T;
    fn store(&self, value: T, ordering: Ordering);
    fn swap(&self, value: T, ordering: Ordering) -> T;
    fn compare_exchange(&self, current: T, new: T, success: Ordering, failure: Ordering) -> Result<T, T>;
}

macro_rules! words {
    ($($atomic:ty: $value:ty),+ $(,)?) => {$(
        impl $crate::words::Word<$value> for $atomic {
            fn load(&self, ordering: Ordering) -> $value {
                self.load(ordering)
            }

            fn store(&self, value: $value, ordering: Ordering) {
                self.store(value, ordering);
            }

            fn swap(&self, value: $value, ordering: Ordering) -> $value {
                self.swap(value, ordering)
            }

            fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.compare_exchange(current, new, success, failure)
            }
        }
    )+};
}
#[cfg(all(test, loom))]
use words;

words!(AtomicU32: u32, AtomicU64: u64);

/// Shows the other side how far this one has got. Whoever sees that sees what was done before.
pub(crate) fn show(index: &impl Word<u64>, value: u64) {
    index.store(value, Ordering::Release);
}

/// How far the other side has got.
pub(crate) fn seen(index: &impl Word<u64>) -> u64 {
    index.load(Ordering::Acquire)
}
