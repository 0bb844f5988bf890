//! Watchers: callbacks for changes of signals.
//!
//! `state` holds the rules as a pure state machine; this file connects it to objects and delivers what it
//! decides. Deliveries for one watch never overlap: a thread that has something to deliver while another thread
//! runs the callback leaves it to that thread instead of waiting.
//!
//! The callback of a pollable watcher is not called when something is due, but when the program asks for it, having
//! been told by a descriptor; `backlog` is where notifications wait until then.

mod backlog;
mod state;

use crate::deferred::{Deferred, as_one_call};
use crate::object::Object;
use crate::observe::Observer;
use crate::signals::{Condition, Readiness, Signals, SignalsState};
use backlog::Backlog;
use libmojo_platform::is_forked;
use libmojo_sync::{Arc, Mutex, Rank};
use state::{Key, WatchSet};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

/// What a watcher tells about one of its watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The value that the watch was added with.
    pub context: usize,
    /// What happened.
    pub event: WatchEvent,
    /// The signals at the moment of the event; none for a cancellation.
    pub state: SignalsState,
    /// True if another process caused it, false if a call on this thread did.
    pub from_system: bool,
}

/// What happened to a watched object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// What is watched for has come to be.
    Satisfied,
    /// None of the watched signals can be raised any more.
    Unsatisfiable,
    /// The watch has ended. Always the last notification of a watch.
    Cancelled,
}

impl From<Readiness> for WatchEvent {
    fn from(readiness: Readiness) -> Self {
        match readiness {
            Readiness::Satisfied => WatchEvent::Satisfied,
            Readiness::Unsatisfiable => WatchEvent::Unsatisfiable,
        }
    }
}

/// Why a watch was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchError {
    /// The watcher is closed, or the object has no signals, is closed, or is inside a message.
    InvalidArgument,
    /// The watcher has a watch with that context, or of that object.
    AlreadyExists,
}

/// Why a watcher was not armed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArmError {
    /// The watcher is closed.
    InvalidArgument,
    /// It has no watches.
    NotFound,
    /// At least one watch is ready already. Some of these are listed, up to the number asked for; repeated calls
    /// get round to each of them.
    Ready(Vec<Notification>),
}

/// A callback and the objects whose signals it is called for.
///
/// A clone refers to the same watcher.
#[derive(Clone)]
pub struct Watcher(Arc<Inner>);

struct Inner {
    callback: Box<dyn Fn(Notification) + Send + Sync>,
    /// Only of a pollable watcher.
    backlog: Option<Backlog>,
    watches: Mutex<WatchSet<Arc<Watch>>>,
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("watches", &self.0.watches.lock().len()).finish()
    }
}

impl Watcher {
    /// Makes a disarmed watcher without watches. The callback may be called on any thread, with several contexts
    /// at once, but never twice at once for one watch.
    pub fn new(callback: impl Fn(Notification) + Send + Sync + 'static) -> Self {
        Self::with_backlog(callback, None)
    }

    /// Makes a watcher whose callback is called by [`dispatch`](Self::dispatch) only. The descriptor is readable
    /// while there is something to dispatch; it belongs to the caller, who may close it at any time.
    ///
    /// # Errors
    /// What the system says if there is no descriptor left.
    pub fn pollable(callback: impl Fn(Notification) + Send + Sync + 'static) -> io::Result<(Self, OwnedFd)> {
        let (backlog, descriptor) = Backlog::new()?;
        Ok((Self::with_backlog(callback, Some(backlog)), descriptor))
    }

    fn with_backlog(callback: impl Fn(Notification) + Send + Sync + 'static, backlog: Option<Backlog>) -> Self {
        let watches = Mutex::new(Rank::Watcher, WatchSet::new());
        Self(Arc::new(Inner { callback: Box::new(callback), backlog, watches }))
    }

    /// Calls the callback of a pollable watcher for everything that has become due, until nothing is left. False if
    /// the watcher is not pollable.
    pub fn dispatch(&self) -> bool {
        let Some(backlog) = &self.0.backlog else { return false };
        while !is_forked()
            && let Some(due) = backlog.pop()
        {
            // As after any callback, what it causes runs next.
            as_one_call(|| due.watch.deliver(due.occasion, due.from_system));
        }
        true
    }

    /// Begins to watch an object for any of `signals`. The callback never gets to see `hidden` signals.
    pub fn watch(&self, object: &Object, signals: Signals, hidden: Signals, context: usize) -> Result<(), WatchError> {
        self.watch_for(object, Condition::Satisfied, signals, hidden, context)
    }

    /// Begins to watch an object for a condition of `signals`. The callback never gets to see `hidden` signals.
    pub fn watch_for(
        &self,
        object: &Object,
        condition: Condition,
        signals: Signals,
        hidden: Signals,
        context: usize,
    ) -> Result<(), WatchError> {
        let mut deferred = Deferred::new();
        let watch = {
            let mut watches = self.0.watches.lock();
            if watches.is_closed() {
                return Err(WatchError::InvalidArgument);
            }
            if watches.has(context, object.id()) {
                return Err(WatchError::AlreadyExists);
            }
            if object.observers().is_none() || !object.is_open() {
                return Err(WatchError::InvalidArgument);
            }
            watches.add(context, object.id(), |key| {
                Arc::new(Watch {
                    watcher: self.0.clone(),
                    object: object.clone(),
                    condition,
                    signals,
                    hidden,
                    context,
                    key,
                    delivery: Mutex::new(Rank::Leaf, Delivery::default()),
                })
            })
        };
        object.observe(watch.clone(), &mut deferred);
        watch.clone().changed(&mut deferred);
        if !object.is_open() {
            // Whoever has closed it meanwhile, or put it into a message, may have missed the new watch, or not.
            watch.clone().cancelled(&mut deferred);
        }
        if watch.delivery.lock().cancelled {
            // Whoever has ended it may have done so before it observed anything.
            object.unobserve(&(watch as Arc<dyn Observer>));
        }
        Ok(())
    }

    /// Ends a watch; its cancellation is notified. False if there is none with that context.
    pub fn cancel(&self, context: usize) -> bool {
        let mut deferred = Deferred::new();
        let removed = self.0.watches.lock().remove_context(context);
        match removed {
            Some(watch) => {
                watch.end(&mut deferred);
                true
            }
            None => false,
        }
    }

    /// Makes the next change by which a watch becomes ready call the callback. `limit` is how many watches that
    /// are ready already to list.
    pub fn arm(&self, limit: usize) -> Result<(), ArmError> {
        let mut watches = self.0.watches.lock();
        if watches.is_closed() {
            return Err(ArmError::InvalidArgument);
        }
        if watches.len() == 0 {
            return Err(ArmError::NotFound);
        }
        if watches.arm() {
            return Ok(());
        }
        let ready = watches.ready(limit).into_iter().map(|(watch, readiness, state)| Notification {
            context: watch.context,
            event: readiness.into(),
            state,
            from_system: false,
        });
        Err(ArmError::Ready(ready.collect()))
    }

    /// Ends all watches for good; each is notified of its cancellation.
    pub fn close(&self) {
        let mut deferred = Deferred::new();
        let ended = self.0.watches.lock().close();
        // Nobody will dispatch any more: what waits is delivered now, and so is what is yet to come.
        let waiting = self.0.backlog.as_ref().map(Backlog::close).unwrap_or_default();
        for due in waiting {
            deferred.notify(due.watch, due.occasion);
        }
        for watch in ended {
            watch.end(&mut deferred);
        }
    }

    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }
}

/// One watched object of one watcher.
pub(crate) struct Watch {
    watcher: Arc<Inner>,
    object: Object,
    condition: Condition,
    signals: Signals,
    hidden: Signals,
    context: usize,
    key: Key,
    delivery: Mutex<Delivery>,
}

/// What is to be delivered for a watch.
pub(crate) enum Occasion {
    Ready(Readiness, SignalsState),
    Cancelled,
}

/// Something that is to be delivered.
struct Due {
    watch: Arc<Watch>,
    occasion: Occasion,
    from_system: bool,
}

#[derive(Default)]
struct Delivery {
    /// The callback runs on some thread, which also delivers what is waiting.
    running: bool,
    /// Nothing but the cancellation is delivered any more.
    cancelled: bool,
    waiting: VecDeque<(Occasion, bool)>,
}

impl Watch {
    /// To be called by whoever removed the watch from its watcher, which only one can.
    fn end(self: Arc<Self>, deferred: &mut Deferred) {
        self.delivery.lock().cancelled = true;
        let observer: Arc<dyn Observer> = self.clone();
        self.object.unobserve(&observer);
        deferred.notify(self, Occasion::Cancelled);
    }

    /// Calls the callback, or keeps the occasion for whoever dispatches.
    pub(crate) fn fall_due(self: Arc<Self>, occasion: Occasion, from_system: bool) {
        let watcher = self.watcher.clone();
        let due = Due { watch: self, occasion, from_system };
        let due = match &watcher.backlog {
            Some(backlog) => backlog.push(due),
            None => Some(due),
        };
        if let Some(Due { watch, occasion, from_system }) = due {
            watch.deliver(occasion, from_system);
        }
    }

    /// Calls the callback, or has the thread that is running it call it once more.
    fn deliver(&self, occasion: Occasion, from_system: bool) {
        let mut next = Some((occasion, from_system));
        {
            let mut delivery = self.delivery.lock();
            if delivery.running {
                delivery.waiting.extend(next);
                return;
            }
            delivery.running = true;
        }
        while let Some((occasion, from_system)) = next {
            let is_stale = !matches!(occasion, Occasion::Cancelled) && self.delivery.lock().cancelled;
            if !is_stale {
                let (event, state) = match occasion {
                    Occasion::Ready(readiness, state) => (readiness.into(), state),
                    Occasion::Cancelled => (WatchEvent::Cancelled, SignalsState::default()),
                };
                (self.watcher.callback)(Notification { context: self.context, event, state, from_system });
            }
            if is_forked() {
                return;
            }
            let mut delivery = self.delivery.lock();
            next = delivery.waiting.pop_front();
            delivery.running = next.is_some();
        }
    }
}

impl Observer for Watch {
    fn changed(self: Arc<Self>, deferred: &mut Deferred) {
        let fired = {
            let mut watches = self.watcher.watches.lock();
            // If it is not open, the watch is about to be cancelled, or the object will come back and say so.
            let Some(state) = self.object.signals_if_open() else { return };
            let state = state.without(self.hidden);
            watches.update(self.key, state.readiness_for(self.condition, self.signals), state)
        };
        if let Some((readiness, state)) = fired {
            deferred.notify(self, Occasion::Ready(readiness, state));
        }
    }

    fn cancelled(self: Arc<Self>, deferred: &mut Deferred) {
        let removed = self.watcher.watches.lock().remove(self.key);
        if let Some(watch) = removed {
            watch.end(deferred);
        }
    }
}
