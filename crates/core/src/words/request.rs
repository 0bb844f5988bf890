//! The word by which one side asks to be called when the other has gone on: when there is room in a lane, data or room in
//! a data pipe.
//!
//! Who asks raises the word and looks once more. Who goes on shows that, and then looks at the word. Between the two steps
//! of each stands a fence: in the one order of all fences, one of the two sees the other.

use super::Word;
use libmojo_sync::modelled::{Ordering, fence};

/// Asks to be called. What there is to be looked at once more comes back.
pub(crate) fn ask<T>(word: &impl Word<u32>, look: impl FnOnce() -> T) -> T {
    word.store(1, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    look()
}

/// Takes the request of the other side, after how far this one has got was shown, if that is `enough`. True if there was
/// one: then the other side is to be called.
pub(crate) fn take(word: &impl Word<u32>, enough: impl FnOnce() -> bool) -> bool {
    fence(Ordering::SeqCst);
    word.load(Ordering::Relaxed) != 0 && enough() && word.swap(0, Ordering::SeqCst) != 0
}
