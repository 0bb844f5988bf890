//! Wrapped descriptors of the operating system.

use libmojo_sync::{Arc, Mutex, Rank};
use std::fmt;
use std::os::fd::OwnedFd;

/// A descriptor that can be attached to messages. A clone refers to the same one.
#[derive(Clone)]
pub struct PlatformHandle(Arc<Mutex<Option<OwnedFd>>>);

impl PlatformHandle {
    /// Wraps a descriptor; `None` wraps "no descriptor".
    pub fn new(descriptor: Option<OwnedFd>) -> Self {
        Self(Arc::new(Mutex::new(Rank::Object, descriptor)))
    }

    /// Takes the descriptor out; whoever comes later finds none.
    pub fn take(&self) -> Option<OwnedFd> {
        self.0.lock().take()
    }

    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }
}

impl fmt::Debug for PlatformHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PlatformHandle").field(&*self.0.lock()).finish()
    }
}
