//! How long and how often is measured.

use std::time::Duration;

/// How much there is to do in one sample.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Only to see that everything works.
    pub quick: bool,
}

impl Plan {
    fn choose<T>(self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// How many samples are taken if nobody says otherwise.
    pub fn repetitions(self) -> usize {
        self.choose(5, 1)
    }

    /// How long everything runs before it is measured.
    pub fn warm_up(self) -> Duration {
        self.choose(Duration::from_millis(20), Duration::from_millis(1))
    }

    /// How long a sample is measured.
    pub fn sample(self) -> Duration {
        self.choose(Duration::from_millis(100), Duration::from_millis(3))
    }

    /// How many single events (a ping to a sleeper, the start of a process) are measured.
    pub fn events(self) -> usize {
        self.choose(100, 5)
    }

    /// How long it is watched that nothing happens.
    pub fn idle(self) -> Duration {
        self.choose(Duration::from_secs(3), Duration::from_millis(200))
    }

    /// How long a process is left alone until it is at rest.
    pub fn settle(self) -> Duration {
        self.choose(Duration::from_millis(500), Duration::from_millis(50))
    }

    /// How many children one process has.
    pub fn children(self) -> usize {
        self.choose(1000, 20)
    }

    /// How many of these get a burst.
    pub fn bursts(self) -> usize {
        self.choose(50, 2)
    }

    /// How much a burst is, each way.
    pub fn burst_bytes(self) -> usize {
        self.choose(100 << 20, 4 << 20)
    }

    /// How many other pipes are open where that is asked for.
    pub fn other_pipes(self) -> usize {
        self.choose(100_000, 1000)
    }
}
