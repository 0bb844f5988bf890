//! Sleeping until somebody changes a word, in this process or in memory that it shares with others.

use rustix::io::Errno;
use rustix::thread::futex;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A word, and the value that it has for as long as there is nothing to wake up for.
#[derive(Clone, Copy, Debug)]
pub struct Watched<'a> {
    /// The word.
    pub word: &'a AtomicU32,
    /// Nobody sleeps unless the word has this value.
    pub value: u32,
    /// Other processes have the word too.
    pub is_shared: bool,
}

/// The most words that one thread can sleep on.
pub const MAX_WATCHED: usize = 128;

/// How a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slept {
    /// A word had changed before, somebody called [`wake_one`], or a signal arrived: look again.
    Woken,
    /// The time is over.
    TimedOut,
}

/// Sleeps while all words have their values, until [`wake_one`] is called for one of them or the deadline has passed.
/// May return earlier. Words beyond [`MAX_WATCHED`], and more than one where the system
/// [cannot watch several](can_watch_several), are not watched.
pub fn sleep(words: &[Watched<'_>], deadline: Option<Instant>) -> Slept {
    let left = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
        Some(left) if left.is_zero() => return Slept::TimedOut,
        left => left,
    };
    let outcome = match words {
        [] => return Slept::Woken,
        [only] => sleep_on_one(only, left),
        [first, ..] if !can_watch_several() => sleep_on_one(first, left),
        several => sleep_on_several(several, left),
    };
    if outcome == Err(Errno::TIMEDOUT) { Slept::TimedOut } else { Slept::Woken }
}

fn sleep_on_one(watched: &Watched<'_>, timeout: Option<Duration>) -> Result<(), Errno> {
    let timeout = timeout.and_then(|timeout| timeout.try_into().ok());
    futex::wait(watched.word, flags(watched.is_shared), watched.value, timeout.as_ref())
}

fn sleep_on_several(words: &[Watched<'_>], timeout: Option<Duration>) -> Result<(), Errno> {
    let mut waits = [futex::Wait::new(); MAX_WATCHED];
    let used = waits.iter_mut().zip(words).map(|(wait, watched)| {
        wait.val = watched.value.into();
        wait.uaddr = futex::WaitPtr::new(watched.word.as_ptr().cast());
        wait.flags = futex::WaitFlags::SIZE_U32;
        wait.flags.set(futex::WaitFlags::PRIVATE, !watched.is_shared);
    });
    let num_used = used.count();
    let until = timeout.and_then(|timeout| {
        let now = Duration::try_from(rustix::time::clock_gettime(rustix::time::ClockId::Monotonic)).ok()?;
        now.checked_add(timeout)?.try_into().ok()
    });
    let waits = waits.get(..num_used).unwrap_or_default();
    futex::waitv(waits, futex::WaitvFlags::empty(), until.as_ref(), futex::ClockId::Monotonic).map(drop)
}

/// Wakes one thread that sleeps on the word, if any does.
pub fn wake_one(word: &AtomicU32, is_shared: bool) {
    // Fails only for addresses that are none.
    let _ = futex::wake(word, flags(is_shared), 1);
}

fn flags(is_shared: bool) -> futex::Flags {
    if is_shared { futex::Flags::empty() } else { futex::Flags::PRIVATE }
}

/// True if a thread can sleep on more than one word: Linux has this from 5.16 on, and sandboxes may refuse it.
pub fn can_watch_several() -> bool {
    const UNKNOWN: u8 = 0;
    const YES: u8 = 1;
    const NO: u8 = 2;
    static ANSWER: AtomicU8 = AtomicU8::new(UNKNOWN);
    match ANSWER.load(Ordering::Relaxed) {
        UNKNOWN => {
            // Sleeping on nothing is an invalid request to a system that knows the call.
            let outcome = futex::waitv(&[], futex::WaitvFlags::empty(), None, futex::ClockId::Monotonic);
            let can = outcome == Err(Errno::INVAL);
            ANSWER.store(if can { YES } else { NO }, Ordering::Relaxed);
            can
        }
        answer => answer == YES,
    }
}

/// The processor that the thread runs on at the moment.
pub fn current_processor() -> u32 {
    u32::try_from(rustix::thread::sched_getcpu()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SharedMemory;

    fn private(word: &AtomicU32, value: u32) -> Watched<'_> {
        Watched { word, value, is_shared: false }
    }

    #[test]
    fn a_word_that_has_changed_already_ends_the_sleep_at_once() {
        let (a, b) = (AtomicU32::new(1), AtomicU32::new(2));
        assert_eq!(sleep(&[private(&a, 0)], None), Slept::Woken);
        if can_watch_several() {
            assert_eq!(sleep(&[private(&a, 1), private(&b, 1)], None), Slept::Woken);
        }
    }

    #[test]
    fn the_deadline_ends_the_sleep() {
        let (a, b) = (AtomicU32::new(1), AtomicU32::new(2));
        let soon = || Some(Instant::now() + Duration::from_millis(2));
        assert_eq!(sleep(&[private(&a, 1)], soon()), Slept::TimedOut);
        assert_eq!(sleep(&[private(&a, 1), private(&b, 2)], soon()), Slept::TimedOut);
        assert_eq!(sleep(&[private(&a, 1)], Some(Instant::now())), Slept::TimedOut);
    }

    #[test]
    fn a_change_of_any_of_the_words_wakes() {
        let memory = SharedMemory::create(4096, false).unwrap().map(0, 4096).unwrap();
        let (shared, own) = (memory.atomic_u32(0).unwrap(), AtomicU32::new(0));
        if !can_watch_several() {
            return;
        }
        for change_shared in [true, false] {
            std::thread::scope(|scope| {
                let words = [private(&own, 0), Watched { word: shared, value: 0, is_shared: true }];
                scope.spawn(|| {
                    let (word, is_shared) = if change_shared { (shared, true) } else { (&own, false) };
                    word.store(1, Ordering::SeqCst);
                    wake_one(word, is_shared);
                });
                while own.load(Ordering::SeqCst) + shared.load(Ordering::SeqCst) == 0 {
                    assert_eq!(sleep(&words, None), Slept::Woken);
                }
            });
            own.store(0, Ordering::SeqCst);
            shared.store(0, Ordering::SeqCst);
        }
    }
}
