//! Who wants to hear of an object's changes: watches, blocked threads, tasks.

use crate::deferred::Deferred;
use libmojo_sync::atomic::{AtomicUsize, Ordering};
use libmojo_sync::{Arc, Mutex, Rank};

/// Someone who looks at an object again whenever it may have changed.
pub(crate) trait Observer: Send + Sync {
    /// The object may have changed. Called with no lock held; looks for itself.
    fn changed(self: Arc<Self>, deferred: &mut Deferred);
    /// The object is closed or was put into a message: there is nothing to observe any more.
    fn cancelled(self: Arc<Self>, deferred: &mut Deferred);
}

/// How many observers there are in the process, at all objects.
static NUM_OBSERVERS: AtomicUsize = AtomicUsize::new(0);

/// True if anybody observes anything.
pub(crate) fn any_observers() -> bool {
    NUM_OBSERVERS.load(Ordering::SeqCst) > 0
}

/// The observers of one object.
pub(crate) struct Observers {
    /// The length of the list, so that an unobserved object costs one load. Changed under the lock; whoever
    /// changes the object's state does so under the object's own lock, which a new observer takes after it is
    /// counted here: one of the two sees the other.
    count: AtomicUsize,
    list: Mutex<Vec<Arc<dyn Observer>>>,
}

impl Default for Observers {
    fn default() -> Self {
        Self { count: AtomicUsize::new(0), list: Mutex::new(Rank::Observers, Vec::new()) }
    }
}

impl Observers {
    pub(crate) fn any(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0
    }

    pub(crate) fn add(&self, observer: Arc<dyn Observer>) {
        let mut list = self.list.lock();
        list.push(observer);
        NUM_OBSERVERS.fetch_add(1, Ordering::SeqCst);
        self.count.store(list.len(), Ordering::SeqCst);
    }

    pub(crate) fn remove(&self, observer: &Arc<dyn Observer>) {
        let mut list = self.list.lock();
        if let Some(at) = list.iter().position(|other| Arc::ptr_eq(other, observer)) {
            list.swap_remove(at);
            NUM_OBSERVERS.fetch_sub(1, Ordering::SeqCst);
        }
        self.count.store(list.len(), Ordering::SeqCst);
    }

    pub(crate) fn notify(&self, deferred: &mut Deferred) {
        if self.any() {
            let observers = self.list.lock().clone();
            observers.into_iter().for_each(|observer| observer.changed(deferred));
        }
    }

    pub(crate) fn cancel_all(&self, deferred: &mut Deferred) {
        if self.any() {
            let mut list = self.list.lock();
            let observers = std::mem::take(&mut *list);
            NUM_OBSERVERS.fetch_sub(observers.len(), Ordering::SeqCst);
            self.count.store(0, Ordering::SeqCst);
            drop(list);
            observers.into_iter().for_each(|observer| observer.cancelled(deferred));
        }
    }
}
