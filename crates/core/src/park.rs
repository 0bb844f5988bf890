//! How a thread sleeps until another one of this process wakes it, or another process does.

#[cfg(not(shuttle))]
pub(crate) use asleep::Parker;
#[cfg(shuttle)]
pub(crate) use scheduled::Parker;

#[cfg(not(shuttle))]
mod asleep {
    use libmojo_platform::{Slept, Watched, sleep, wake_one};
    use libmojo_sync::atomic::{AtomicU32, Ordering};
    use std::time::Instant;

    const IDLE: u32 = 0;
    const NOTIFIED: u32 = 1;
    const ASLEEP: u32 = 2;

    /// Where one thread sleeps.
    pub(crate) struct Parker(AtomicU32);

    impl Parker {
        pub(crate) fn new() -> Self {
            Self(AtomicU32::new(IDLE))
        }

        /// Sleeps until woken, unless that has happened already, or until one of the other words changes. False if the
        /// deadline has passed. May return without any of these.
        pub(crate) fn sleep(&self, others: &[Watched<'_>], deadline: Option<Instant>) -> bool {
            if self.0.compare_exchange(IDLE, ASLEEP, Ordering::SeqCst, Ordering::Acquire).is_err() {
                self.0.store(IDLE, Ordering::Relaxed);
                return true;
            }
            let own = Watched { word: &self.0, value: ASLEEP, is_shared: false };
            let slept = if others.is_empty() {
                sleep(&[own], deadline)
            } else {
                let words: Vec<_> = std::iter::once(own).chain(others.iter().copied()).collect();
                sleep(&words, deadline)
            };
            self.0.swap(IDLE, Ordering::Acquire) == NOTIFIED || slept == Slept::Woken
        }

        /// Wakes the thread, now or as soon as it wants to sleep.
        pub(crate) fn wake(&self) {
            if self.0.swap(NOTIFIED, Ordering::SeqCst) == ASLEEP {
                wake_one(&self.0, false);
            }
        }
    }
}

#[cfg(shuttle)]
mod scheduled {
    //! A thread that sleeps in a way that a test of schedules can follow. It hears nothing from other processes.

    use libmojo_platform::Watched;
    use libmojo_sync::{Condvar, Mutex, Rank};
    use std::time::Instant;

    pub(crate) struct Parker {
        is_notified: Mutex<bool>,
        condvar: Condvar,
    }

    impl Parker {
        pub(crate) fn new() -> Self {
            Self { is_notified: Mutex::new(Rank::Leaf, false), condvar: Condvar::new() }
        }

        pub(crate) fn sleep(&self, _others: &[Watched<'_>], deadline: Option<Instant>) -> bool {
            let mut is_notified = self.is_notified.lock();
            while !*is_notified {
                let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
                if left.is_some_and(|left| left.is_zero()) {
                    return false;
                }
                is_notified = self.condvar.wait(is_notified, left);
            }
            *is_notified = false;
            true
        }

        pub(crate) fn wake(&self) {
            *self.is_notified.lock() = true;
            self.condvar.notify_all();
        }
    }
}
