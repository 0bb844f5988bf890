//! How a link is looked into, and handed over to the I/O thread.

use super::RoutingNode;
use super::link::Link;
use crate::observe::any_observers;
use libmojo_sync::Arc;
use libmojo_sync::atomic::AtomicU32;

impl Link {
    /// True if something has come that nobody has taken, or there is room for what waits to be written.
    pub(crate) fn has_work(&self) -> bool {
        let Some(region) = self.region.get() else { return false };
        region.has_incoming() || self.attendance.is_waiting_for_room() && region.has_room()
    }

    /// Begins to look. Ends with [`leave`](Self::leave).
    pub(crate) fn attend(&self) {
        self.attendance.attend(self.wake_word());
    }

    /// Ceases to look. True if there may be something left that nobody was called for; the caller sees to that.
    #[must_use]
    pub(crate) fn leave(self: &Arc<Self>, node: &RoutingNode) -> bool {
        let list = || node.data().links.list_quiet(self);
        self.attendance.leave(|| self.wake_word(), || node_is_waited_on(node), list) && self.has_work()
    }

    /// Has the other side call the I/O thread for messages too, from now on. True if some may have come already.
    pub(super) fn end_quiet(&self) -> bool {
        self.wake_word().is_some_and(|word| self.attendance.end_quiet(word)) && self.has_work()
    }

    /// Has the I/O thread look into the region.
    pub(crate) fn hand_over(self: &Arc<Self>) {
        if let Some(io) = self.io.upgrade() {
            io.hand_over_link(self);
        }
    }

    /// Announces that this thread is about to sleep on the [wake word](Self::wake_word). False if another one does
    /// already.
    pub(crate) fn announce_sleep(&self) -> bool {
        self.wake_word().is_some_and(|word| self.attendance.announce_sleep(word))
    }

    /// Takes the announcement back.
    pub(crate) fn withdraw_sleep(&self) {
        if let Some(word) = self.wake_word() {
            self.attendance.withdraw_sleep(word);
        }
    }

    /// The word by which this side says how it wants to be called, if there is a region.
    pub(crate) fn wake_word(&self) -> Option<&AtomicU32> {
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
