//! Waiting awake, for about as long as it takes to wake up: a thread that sleeps costs whoever wakes it more.

use libmojo_sync::hint;

/// How often the processor is given to others before a thread goes to sleep.
const YIELDS: u32 = if cfg!(shuttle) { 1 } else { 64 };

/// How long to stay awake: some pauses of a few nanoseconds, then some chances for other threads.
pub(crate) struct Patience {
    pauses: u32,
    yields: u32,
}

impl Patience {
    /// The most pauses that pay: more would cost what they save if the other side needs this processor.
    pub(crate) const PAUSES: u32 = 50;

    /// Patience with so many pauses; none if there is but one processor.
    pub(crate) fn new(pauses: u32) -> Self {
        Self { pauses: if hint::has_many_processors() { pauses } else { 0 }, yields: YIELDS }
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
        hint::give_way();
        true
    }
}
