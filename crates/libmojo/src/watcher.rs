//! Watchers.

use crate::owned::Owned;
use crate::{Notification, Signals, Waitable, WatchError};
use libmojo_core::watcher as core;
use libmojo_core::{forked_error, is_forked};
use std::io;
use std::os::fd::OwnedFd;

/// A callback, and the objects whose signals it is called for. Dropping it ends all its watches.
///
/// A watcher must be armed to be called, and is disarmed by calling: so at most one notification follows each
/// [`arm`](Self::arm), besides the one with which each watch ends.
///
/// ```
/// use libmojo::{Message, MessagePipe, Notification, Signals, WatchEvent, Watcher};
/// use std::sync::mpsc;
///
/// let (events, happened) = mpsc::channel();
/// let watcher = Watcher::new(move |event: Notification| events.send(event).unwrap());
/// let (a, b) = MessagePipe::create();
/// watcher.watch(&a, Signals::READABLE, 1234)?;
/// watcher.arm(0).expect("nothing is readable yet");
///
/// b.send(Message::from("hello"))?;
/// let event = happened.recv()?;
/// assert_eq!((event.context, event.event), (1234, WatchEvent::Satisfied));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Watcher(Owned<core::Watcher>);

impl Watcher {
    /// Makes a disarmed watcher without watches. The callback may be called on any thread, for several watches
    /// at once, but never twice at once for one watch. It may call anything in this crate, but a notification that
    /// is `from_system` comes on the thread that receives from other processes: one that blocks there waits in
    /// vain for anything that they send.
    pub fn new(callback: impl Fn(Notification) + Send + Sync + 'static) -> Self {
        Self(Owned::new(core::Watcher::new(callback)))
    }

    /// Makes a watcher for programs with a loop of their own: its callback is called by
    /// [`dispatch`](Self::dispatch) only, and when the watcher is dropped. The descriptor is readable while there is
    /// something to dispatch. It belongs to the caller, who polls it but neither reads from it nor writes to it.
    ///
    /// # Errors
    /// What the system says if there is no descriptor left.
    ///
    /// ```
    /// use libmojo::{Message, MessagePipe, Signals, Watcher};
    ///
    /// let (watcher, descriptor) = Watcher::pollable(|event| println!("{event:?}"))?;
    /// let (a, b) = MessagePipe::create();
    /// watcher.watch(&a, Signals::READABLE, 1)?;
    /// watcher.arm(0).expect("nothing is readable yet");
    /// b.send(Message::from("hello"))?;
    /// // … `poll` says that the descriptor is readable …
    /// watcher.dispatch();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pollable(callback: impl Fn(Notification) + Send + Sync + 'static) -> io::Result<(Self, OwnedFd)> {
        if is_forked() {
            return Err(forked_error());
        }
        let (watcher, descriptor) = core::Watcher::pollable(callback)?;
        Ok((Self(Owned::new(watcher)), descriptor))
    }

    /// Calls the callback of a [pollable](Self::pollable) watcher, on this thread, for everything that has become
    /// due, until nothing is left. Does nothing for other watchers.
    pub fn dispatch(&self) {
        self.0.dispatch();
    }

    /// Begins to watch an object for any of `signals`. `context` tells its notifications from others. The watch
    /// ends when the object is dropped or sent away, by [`cancel`](Self::cancel), or with the watcher.
    pub fn watch(&self, object: &dyn Waitable, signals: Signals, context: usize) -> Result<(), WatchError> {
        if is_forked() {
            return Err(WatchError::Forked);
        }
        match self.0.watch(&object.object(), signals, Signals::NONE, context) {
            Ok(()) => Ok(()),
            // What is borrowed is open and has signals, so there is no other reason.
            Err(core::WatchError::AlreadyExists | core::WatchError::InvalidArgument) => Err(WatchError::AlreadyExists),
        }
    }

    /// Ends a watch; its last notification says that it is cancelled. False if there is none with this context.
    pub fn cancel(&self, context: usize) -> bool {
        !is_forked() && self.0.cancel(context)
    }

    /// Arms the watcher. If some watches are ready already, it stays disarmed, and up to `limit` of these come
    /// back; repeated calls get round to each of them. A watcher without watches can always be armed;
    /// in a [forked](crate#forking) process none can.
    pub fn arm(&self, limit: usize) -> Result<(), Vec<Notification>> {
        if is_forked() {
            return Err(Vec::new());
        }
        match self.0.arm(limit) {
            Ok(()) | Err(core::ArmError::NotFound | core::ArmError::InvalidArgument) => Ok(()),
            Err(core::ArmError::Ready(ready)) => Err(ready),
        }
    }
}
