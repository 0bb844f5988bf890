//! Who looks into a link's region, and what the other side is told about that.
//!
//! An *attendant* is a thread that looks: one that waits for something behind the link, or the I/O thread for a while
//! after something has come. As long as there are any the other side need not call. The last one to leave says how to
//! be called from then on, and looks once more.

use super::RoutingNode;
use super::link::Link;
use super::wake::{self, IO, QUIET};
use crate::observe::any_observers;
use libmojo_sync::Arc;
use libmojo_sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence};

/// What this side knows of who looks into a region.
pub(super) struct Attendance {
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
    pub(super) fn new() -> Self {
        Self {
            attendants: AtomicUsize::new(0),
            is_slept_on: AtomicBool::new(false),
            is_listed: AtomicBool::new(false),
            is_waiting_for_room: AtomicBool::new(false),
        }
    }

    pub(super) fn set_waiting_for_room(&self, is_waiting: bool) {
        if self.is_waiting_for_room.load(Ordering::Relaxed) != is_waiting {
            self.is_waiting_for_room.store(is_waiting, Ordering::SeqCst);
        }
    }

    /// True if others look too.
    pub(super) fn is_shared(&self) -> bool {
        self.attendants.load(Ordering::Relaxed) > 1
    }
}

impl Link {
    /// True if something has come that nobody has taken, or there is room for what waits to be written.
    pub(crate) fn has_work(&self) -> bool {
        let Some(region) = self.region.get() else { return false };
        region.has_incoming() || self.is_waiting_for_room() && region.has_room()
    }

    pub(super) fn is_waiting_for_room(&self) -> bool {
        self.attendance.is_waiting_for_room.load(Ordering::Relaxed)
    }

    /// Begins to look. Ends with [`leave`](Self::leave).
    pub(crate) fn attend(&self) {
        self.attendance.attendants.fetch_add(1, Ordering::SeqCst);
        if let Some(region) = self.region.get() {
            wake::come(region.own_wake_word());
        }
    }

    /// Ceases to look. True if there may be something left that nobody was called for; the caller sees to that.
    #[must_use]
    pub(crate) fn leave(self: &Arc<Self>, node: &RoutingNode) -> bool {
        let was_last = self.attendance.attendants.fetch_sub(1, Ordering::SeqCst) == 1;
        let Some(region) = self.region.get().filter(|_| was_last) else { return false };
        let word = region.own_wake_word();
        if node_is_waited_on(node) {
            return wake::go(word, IO) && self.has_work();
        }
        if word.load(Ordering::Relaxed) == QUIET {
            return false;
        }
        let was_awake = wake::go(word, QUIET);
        // Listed after the word is changed, and then looked again: whoever begins to wait meanwhile is seen here, or
        // finds the link in the list.
        if !self.attendance.is_listed.swap(true, Ordering::SeqCst) {
            node.data().links.list_quiet(self);
        }
        fence(Ordering::SeqCst);
        if node_is_waited_on(node) {
            return (was_awake | wake::go(word, IO)) && self.has_work();
        }
        was_awake && self.has_work()
    }

    /// Has the other side call the I/O thread for messages too, from now on. True if some may have come already.
    pub(super) fn end_quiet(&self) -> bool {
        self.attendance.is_listed.store(false, Ordering::SeqCst);
        let Some(region) = self.region.get() else { return false };
        fence(Ordering::SeqCst);
        let word = region.own_wake_word();
        word.load(Ordering::Relaxed) == QUIET && wake::go(word, IO) && self.has_work()
    }

    /// Has the I/O thread look into the region.
    pub(crate) fn hand_over(self: &Arc<Self>) {
        if let Some(io) = self.io.upgrade() {
            io.hand_over_link(self);
        }
    }

    /// Announces that this thread is about to sleep on the wake word. False if another one does already.
    pub(crate) fn announce_sleep(&self) -> bool {
        let Some(region) = self.region.get() else { return false };
        if self.attendance.is_slept_on.swap(true, Ordering::SeqCst) {
            return false;
        }
        wake::announce_waiter(region.own_wake_word());
        true
    }

    /// Takes the announcement back.
    pub(crate) fn withdraw_sleep(&self) {
        if let Some(region) = self.region.get() {
            wake::withdraw_waiter(region.own_wake_word());
        }
        self.attendance.is_slept_on.store(false, Ordering::SeqCst);
    }

    /// The word that a thread sleeps on which has [announced](Self::announce_sleep) that.
    pub(crate) fn sleep_word(&self) -> Option<&AtomicU32> {
        self.region.get().map(|region| region.own_wake_word())
    }

    /// True if whoever is to answer needs the processor of this thread.
    pub(crate) fn is_on_same_processor(&self) -> bool {
        self.region.get().is_some_and(|region| region.is_on_same_processor())
    }
}

/// True if anybody waits for anything that the I/O thread would have to notice: an observer, or a port that passes
/// things on.
fn node_is_waited_on(node: &RoutingNode) -> bool {
    any_observers() || node.has_proxies()
}
