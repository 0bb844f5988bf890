//! Ownership of an engine object, which is otherwise shared by reference.

use libmojo_core::data_pipe::{Consumer, Producer};
use libmojo_core::invitation::Invitation;
use libmojo_core::is_forked;
use libmojo_core::pipe::Pipe;
use libmojo_core::watcher::Watcher;
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
}

impl<T: Close> Owned<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, is_released: false }
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
        } else if !self.is_released {
            self.inner.close();
        }
    }
}

impl<T: Close + fmt::Debug> fmt::Debug for Owned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_forked() { f.write_str("(of the parent)") } else { self.inner.fmt(f) }
    }
}
