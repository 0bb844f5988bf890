//! Waiting awake, for about as long as it takes to wake up: a thread that sleeps costs whoever wakes it more.

use libmojo_sync::hint;
use std::time::{Duration, Instant};

/// How often the processor is given to others before a thread goes to sleep.
const YIELDS: u32 = if cfg!(shuttle) { 1 } else { 64 };

/// The most pauses that pay: more would cost what they save if the other side needs this processor.
const PAUSES: u32 = 50;

/// How long all of that may take. When others need the processors each chance that they get takes long, and whoever
/// sleeps has it back sooner than whoever gives way.
pub(crate) const AT_MOST: Duration = if cfg!(shuttle) { Duration::MAX } else { Duration::from_micros(100) };

/// How long to stay awake: some pauses of a few nanoseconds, then some chances for other threads.
pub(crate) struct Patience {
    pauses: u32,
    yields: u32,
    /// When the processor was given to others the first time.
    since: Option<Instant>,
}

impl Patience {
    /// Patience with pauses, unless there is but one processor, or without.
    pub(crate) fn new(makes_pauses: bool) -> Self {
        Self {
            pauses: if makes_pauses && hint::has_many_processors() { PAUSES } else { 0 },
            yields: YIELDS,
            since: None,
        }
    }

    /// True if the next [`wait`](Self::wait) is a mere pause.
    pub(crate) fn is_pausing(&self) -> bool {
        self.pauses > 0
    }

    /// Waits a moment. False if it is time to go to sleep.
    pub(crate) fn wait(&mut self) -> bool {
        if let Some(pauses) = self.pauses.checked_sub(1) {
            self.pauses = pauses;
            hint::pause();
            return true;
        }
        let Some(yields) = self.yields.checked_sub(1) else { return false };
        self.yields = yields;
        if self.since.get_or_insert_with(Instant::now).elapsed() > AT_MOST {
            return false;
        }
        hint::give_way();
        true
    }
}
