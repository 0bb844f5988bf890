//! Ownership of an engine object, which is otherwise shared by reference.

use libmojo_core::data_pipe::{Consumer, Producer};
use libmojo_core::invitation::Invitation;
use libmojo_core::is_forked;
use libmojo_core::pipe::Pipe;
use libmojo_core::watcher::Watcher;
#[cfg(feature = "serde")]
use libmojo_sync::{Arc, OnceLock, atomic};
use std::fmt;
use std::ops::Deref;

/// What can be closed.
pub(crate) trait Close: Clone {
    fn close(&self);
}

macro_rules! close {
    ($($type:ident),+) => {
        $(impl Close for $type {
            fn close(&self) {
                $type::close(self);
            }
        })+
    };
}

close!(Pipe, Producer, Consumer, Watcher, Invitation);

/// Closes the object when dropped, unless it was released.
pub(crate) struct Owned<T: Close> {
    inner: T,
    is_released: bool,
    /// If the object was put into a message by somebody who only borrowed it: whether it has left with that.
    #[cfg(feature = "serde")]
    departure: OnceLock<Departure>,
}

/// Whether an object has left its owner, who does not close it then.
#[cfg(feature = "serde")]
#[derive(Clone, Default)]
pub(crate) struct Departure(Arc<atomic::AtomicBool>);

#[cfg(feature = "serde")]
impl Departure {
    /// From now on the object belongs to whoever receives it.
    pub(crate) fn confirm(&self) {
        self.0.store(true, atomic::Ordering::Release);
    }

    fn is_confirmed(&self) -> bool {
        self.0.load(atomic::Ordering::Acquire)
    }
}

impl<T: Close> Owned<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self {
            inner,
            is_released: false,
            #[cfg(feature = "serde")]
            departure: OnceLock::new(),
        }
    }

    /// What tells the owner that the object has left.
    #[cfg(feature = "serde")]
    pub(crate) fn departure(&self) -> Departure {
        self.departure.get_or_init(Departure::default).clone()
    }

    /// True if the object belongs to nobody here any more.
    fn is_gone(&self) -> bool {
        #[cfg(feature = "serde")]
        if self.departure.get().is_some_and(Departure::is_confirmed) {
            return true;
        }
        self.is_released
    }

    /// Gives up ownership without closing.
    pub(crate) fn release(mut self) -> T {
        self.is_released = true;
        self.inner.clone()
    }
}

impl<T: Close> Deref for Owned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: Close> Drop for Owned<T> {
    fn drop(&mut self) {
        if is_forked() {
            // The object is the parent's. Nothing of it goes away here.
            std::mem::forget(self.inner.clone());
        } else if !self.is_gone() {
            self.inner.close();
        }
    }
}

impl<T: Close + fmt::Debug> fmt::Debug for Owned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_forked() { f.write_str("(of the parent)") } else { self.inner.fmt(f) }
    }
}
