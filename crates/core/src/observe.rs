//! Who wants to hear of an object's changes: watches, blocked threads, tasks.

use crate::deferred::Deferred;
use libmojo_sync::atomic::{AtomicUsize, Ordering};
use libmojo_sync::{Arc, Mutex, OnceLock, Rank};

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

/// The observers of one object. Most objects never have any.
#[derive(Default)]
pub(crate) struct Observers(OnceLock<Box<List>>);

struct List {
    /// The length of the list, so that an object that is not observed costs a load or two. Changed under the lock;
    /// whoever changes the object's state does so under the object's own lock, which a new observer takes after it
    /// is counted here: one of the two sees the other.
    count: AtomicUsize,
    observers: Mutex<Vec<Arc<dyn Observer>>>,
}

impl Observers {
    pub(crate) fn any(&self) -> bool {
        self.0.get().is_some_and(|list| list.count.load(Ordering::SeqCst) > 0)
    }

    /// How many watches, waits and tasks there are.
    pub(crate) fn len(&self) -> usize {
        self.0.get().map_or(0, |list| list.count.load(Ordering::SeqCst))
    }

    pub(crate) fn add(&self, observer: Arc<dyn Observer>) {
        let list = self.0.get_or_init(|| {
            Box::new(List { count: AtomicUsize::new(0), observers: Mutex::new(Rank::Observers, Vec::new()) })
        });
        let mut observers = list.observers.lock();
        observers.push(observer);
        NUM_OBSERVERS.fetch_add(1, Ordering::SeqCst);
        list.count.store(observers.len(), Ordering::SeqCst);
    }

    pub(crate) fn remove(&self, observer: &Arc<dyn Observer>) {
        let Some(list) = self.0.get() else { return };
        let mut observers = list.observers.lock();
        if let Some(at) = observers.iter().position(|other| Arc::ptr_eq(other, observer)) {
            observers.swap_remove(at);
            NUM_OBSERVERS.fetch_sub(1, Ordering::SeqCst);
        }
        list.count.store(observers.len(), Ordering::SeqCst);
    }

    /// True if the observer is there.
    pub(crate) fn has(&self, observer: &Arc<dyn Observer>) -> bool {
        let list = self.0.get();
        list.is_some_and(|list| list.observers.lock().iter().any(|other| Arc::ptr_eq(other, observer)))
    }

    pub(crate) fn notify(&self, deferred: &mut Deferred) {
        if self.any() {
            let observers = self.0.get().map(|list| list.observers.lock().clone());
            observers.into_iter().flatten().for_each(|observer| observer.changed(deferred));
        }
    }

    pub(crate) fn cancel_all(&self, deferred: &mut Deferred) {
        if self.any() {
            let observers = self.0.get().map(|list| {
                let mut observers = list.observers.lock();
                NUM_OBSERVERS.fetch_sub(observers.len(), Ordering::SeqCst);
                list.count.store(0, Ordering::SeqCst);
                std::mem::take(&mut *observers)
            });
            observers.into_iter().flatten().for_each(|observer| observer.cancelled(deferred));
        }
    }
}
