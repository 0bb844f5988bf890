//! The word by which one side of a link says how it wants to be called when something comes, and the other side calls
//! it: once for each time that it goes to sleep.
//!
//! The receiver announces, then looks once more, then sleeps. The sender shows what it has written, then looks at the
//! announcement, and takes it away when it calls. Between the two steps of each stands a fence: in the one order of all
//! fences, one of the two sees the other. `docs/links.md` has the whole of it.

use super::Word;
use libmojo_sync::modelled::{Ordering, fence};

/// Nobody looks: the I/O thread is to be called. What a new region begins with.
pub(crate) const IO: u32 = 0;
/// Somebody looks, and will look once more after changing this.
pub(crate) const AWAKE: u32 = 1;
/// Nobody looks because nobody waits for messages: only what is urgent calls the I/O thread.
pub(crate) const QUIET: u32 = 2;
/// A thread sleeps on this word.
pub(crate) const WAITER: u32 = 3;

/// Whom the sender has to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Nobody,
    Io,
    Waiter,
}

/// Looks whom to call, after something was shown. Whoever gets an answer other than `Nobody` is the only one who does,
/// and has to call.
pub(crate) fn call(word: &impl Word<u32>, is_urgent: bool) -> Call {
    fence(Ordering::SeqCst);
    match word.load(Ordering::Relaxed) {
        AWAKE => return Call::Nobody,
        QUIET if !is_urgent => return Call::Nobody,
        _ => {}
    }
    match word.swap(AWAKE, Ordering::SeqCst) {
        AWAKE => Call::Nobody,
        WAITER => Call::Waiter,
        // Whatever else another process has written there, only its own link can suffer.
        _ => Call::Io,
    }
}

/// Says that somebody looks, if until now the I/O thread would have been called.
pub(crate) fn come(word: &impl Word<u32>) {
    if word.load(Ordering::Relaxed) == IO {
        let _ = word.compare_exchange(IO, AWAKE, Ordering::SeqCst, Ordering::Relaxed);
    }
}

/// Says that nobody looks any more. True if things may have come that nobody was called for: then the caller looks once
/// more.
pub(crate) fn go(word: &impl Word<u32>, next: u32) -> bool {
    let before = word.load(Ordering::Relaxed);
    // Somebody else has announced meanwhile, or nothing changes.
    if before == WAITER || before == next {
        return false;
    }
    let has_changed = word.compare_exchange(before, next, Ordering::SeqCst, Ordering::Relaxed).is_ok();
    fence(Ordering::SeqCst);
    has_changed && before != IO
}

/// Announces a thread that is about to sleep on the word. It looks once more first.
pub(crate) fn announce_waiter(word: &impl Word<u32>) {
    word.swap(WAITER, Ordering::SeqCst);
    fence(Ordering::SeqCst);
}

/// Takes the announcement of a thread back that looks again; somebody may have called it meanwhile.
pub(crate) fn withdraw_waiter(word: &impl Word<u32>) {
    let _ = word.compare_exchange(WAITER, AWAKE, Ordering::SeqCst, Ordering::Relaxed);
}
