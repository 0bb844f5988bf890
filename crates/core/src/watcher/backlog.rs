//! What waits to be dispatched by the program itself.

use super::Due;
use libmojo_platform::Doorbell;
use libmojo_sync::{Mutex, Rank};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// The notifications of a pollable watcher that are yet to be dispatched.
pub(super) struct Backlog {
    doorbell: Doorbell,
    /// `None` once the watcher is closed.
    waiting: Mutex<Option<VecDeque<Due>>>,
}

impl Backlog {
    /// An empty one, and a descriptor that is readable while it is not empty.
    pub(super) fn new() -> io::Result<(Self, OwnedFd)> {
        let doorbell = Doorbell::new()?;
        let descriptor = doorbell.as_fd().try_clone_to_owned()?;
        Ok((Self { doorbell, waiting: Mutex::new(Rank::Leaf, Some(VecDeque::new())) }, descriptor))
    }

    /// Adds something; it comes back if the watcher is closed.
    pub(super) fn push(&self, due: Due) -> Option<Due> {
        let mut waiting = self.waiting.lock();
        let Some(queue) = &mut *waiting else { return Some(due) };
        queue.push_back(due);
        if queue.len() == 1 {
            self.doorbell.ring();
        }
        None
    }

    /// Takes the oldest.
    pub(super) fn pop(&self) -> Option<Due> {
        let mut waiting = self.waiting.lock();
        let queue = waiting.as_mut()?;
        let due = queue.pop_front()?;
        if queue.is_empty() {
            self.doorbell.silence();
        }
        Some(due)
    }

    /// Takes everything, and from now on nothing more.
    pub(super) fn close(&self) -> VecDeque<Due> {
        let waiting = self.waiting.lock().take();
        self.doorbell.silence();
        waiting.unwrap_or_default()
    }
}
