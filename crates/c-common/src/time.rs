//! Deadlines.

use std::time::{Duration, Instant};

/// A deadline that never comes.
pub const INDEFINITE: u64 = u64::MAX;

/// The moment that is so many microseconds away; `None` if that is never, or too far away to be expressed.
pub fn deadline_after(micros: u64) -> Option<Instant> {
    if micros == INDEFINITE { None } else { Instant::now().checked_add(Duration::from_micros(micros)) }
}
