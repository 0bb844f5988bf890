//! Who looks into a link's region, and what the other side is told about that.
//!
//! An *attendant* is a thread that looks: one that waits for something behind the link, or the I/O thread for a while
//! after something has come. As long as there are any the other side need not call. The last one to leave says how to
//! be called from then on, and looks once more.

use super::wake::{self, IO, QUIET};
use super::{Word, request};
use libmojo_sync::modelled::{AtomicBool, AtomicUsize, Ordering, fence};

/// What this side knows of who looks into a region.
pub(crate) struct Attendance {
    /// How many threads look, or sleep on the wake word.
    attendants: AtomicUsize,
    /// A thread sleeps on the wake word, or is about to.
    is_slept_on: AtomicBool,
    /// The link is among those that nobody may be called for.
    is_listed: AtomicBool,
    /// Something waits to be written until there is room.
    is_waiting_for_room: AtomicBool,
}

impl Attendance {
    pub(crate) fn new() -> Self {
        Self {
            attendants: AtomicUsize::new(0),
            is_slept_on: AtomicBool::new(false),
            is_listed: AtomicBool::new(false),
            is_waiting_for_room: AtomicBool::new(false),
        }
    }

    /// Begins to look. Ends with [`leave`](Self::leave).
    pub(crate) fn attend(&self, word: Option<&impl Word<u32>>) {
        self.attendants.fetch_add(1, Ordering::SeqCst);
        if let Some(word) = word {
            wake::come(word);
        }
    }

    /// Ceases to look. True if something may have come that nobody was called for: then the caller looks once more. The
    /// word is asked for when it is known who is last, since it may have come while several looked.
    #[must_use]
    pub(crate) fn leave<'a, W: Word<u32> + 'a>(
        &self,
        word: impl FnOnce() -> Option<&'a W>,
        is_waited_on: impl Fn() -> bool,
        list: impl FnOnce(),
    ) -> bool {
        let was_last = self.attendants.fetch_sub(1, Ordering::SeqCst) == 1;
        let Some(word) = was_last.then(word).flatten() else { return false };
        if is_waited_on() {
            return wake::go(word, IO);
        }
        if word.load(Ordering::Relaxed) == QUIET {
            return false;
        }
        let was_awake = wake::go(word, QUIET);
        // Listed after the word is changed, and then looked again: whoever begins to wait meanwhile is seen here, or
        // finds the link in the list.
        if !self.is_listed.swap(true, Ordering::SeqCst) {
            list();
        }
        fence(Ordering::SeqCst);
        was_awake | (is_waited_on() && wake::go(word, IO))
    }

    /// Has the other side call the I/O thread for messages too, from now on, the link being in the list no more. True if
    /// some may have come already: then the caller looks once more.
    pub(crate) fn end_quiet(&self, word: &impl Word<u32>) -> bool {
        self.is_listed.store(false, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        word.load(Ordering::Relaxed) == QUIET && wake::go(word, IO)
    }

    /// Announces that this thread is about to sleep on the word. False if another one does already.
    pub(crate) fn announce_sleep(&self, word: &impl Word<u32>) -> bool {
        if self.is_slept_on.swap(true, Ordering::SeqCst) {
            return false;
        }
        wake::announce_waiter(word);
        true
    }

    /// Takes the announcement back.
    pub(crate) fn withdraw_sleep(&self, word: &impl Word<u32>) {
        wake::withdraw_waiter(word);
        self.is_slept_on.store(false, Ordering::SeqCst);
    }

    /// True if others look too.
    pub(crate) fn is_shared(&self) -> bool {
        self.attendants.load(Ordering::Relaxed) > 1
    }

    /// Asks the other side to call when there is room for what waits to be written. True if by then there is.
    pub(crate) fn ask_for_room(&self, wanted: &impl Word<u32>, has_room: impl FnOnce() -> bool) -> bool {
        // Whoever is called looks for room only if something waits for it.
        self.set_waiting_for_room(true);
        request::ask(wanted, has_room)
    }

    pub(crate) fn set_waiting_for_room(&self, is_waiting: bool) {
        if self.is_waiting_for_room.load(Ordering::Relaxed) != is_waiting {
            self.is_waiting_for_room.store(is_waiting, Ordering::SeqCst);
        }
    }

    pub(crate) fn is_waiting_for_room(&self) -> bool {
        self.is_waiting_for_room.load(Ordering::Relaxed)
    }
}

/// Whether any links are in the list of those whose other sides call nobody for messages, so that nobody pays for the
/// list otherwise.
pub(crate) struct Quiet(AtomicBool);

impl Quiet {
    pub(crate) fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Notes that there is one, once it is in the list.
    pub(crate) fn list(&self, put: impl FnOnce()) {
        put();
        self.0.store(true, Ordering::SeqCst);
    }

    /// Takes the links out of the list, if there are any. For somebody who begins to wait, after that can be seen.
    pub(crate) fn end<L: Default>(&self, take: impl FnOnce() -> L) -> L {
        fence(Ordering::SeqCst);
        if !self.0.load(Ordering::Relaxed) {
            return L::default();
        }
        self.0.store(false, Ordering::SeqCst);
        take()
    }
}
