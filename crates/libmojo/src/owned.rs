//! Ownership of an engine object, which is otherwise shared by reference.

use libmojo_core::is_forked;
use libmojo_core::object::Object;
use std::fmt;
use std::ops::Deref;

/// Closes the object when dropped, unless it was released.
pub(crate) struct Owned<T: Clone + Into<Object>> {
    inner: T,
    is_released: bool,
}

impl<T: Clone + Into<Object>> Owned<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, is_released: false }
    }

    /// Gives up ownership without closing.
    pub(crate) fn release(mut self) -> T {
        self.is_released = true;
        self.inner.clone()
    }
}

impl<T: Clone + Into<Object>> Deref for Owned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: Clone + Into<Object>> Drop for Owned<T> {
    fn drop(&mut self) {
        if is_forked() {
            // The object is the parent's. Nothing of it goes away here.
            std::mem::forget(self.inner.clone());
        } else if !self.is_released {
            self.inner.clone().into().close();
        }
    }
}

impl<T: Clone + Into<Object> + fmt::Debug> fmt::Debug for Owned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_forked() { f.write_str("(of the parent)") } else { self.inner.fmt(f) }
    }
}
