//! Ranked locks: the only place that names the standard library's synchronisation primitives.
//!
//! Every mutex has a [`Rank`]. A thread may only take a lock whose rank is higher than that of every lock it
//! already holds, so no cycle of waiting threads can form. Debug builds check this on every acquisition;
//! release builds carry neither the rank nor the check. Two locks of one rank are taken only as an ordered
//! pair ([`Mutex::lock_second`], [`Mutex::try_lock_second`]).
//!
//! Poisoning is ignored: a panic while a lock is held is a bug of this library that must not turn every later
//! call of the host program into a second panic.
#![forbid(unsafe_code)]

mod exclusive;
pub mod hint;
mod mutex;
mod primitives;
mod rank;

pub use exclusive::Exclusive;
pub use mutex::{Condvar, Mutex, MutexGuard};
pub use primitives::{Arc, OnceLock, Weak, atomic, modelled, thread_local};
pub use rank::{Held, Rank, assert_unlocked};
