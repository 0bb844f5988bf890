//! The message table: what a `MojoMessageHandle` refers to.

use crate::result::{BUSY, INVALID_ARGUMENT, MojoResult, Outcome, RESOURCE_EXHAUSTED};
use crate::slab::Slab;
use libmojo_core::message::Message;
use libmojo_sync::{Arc, Mutex, Rank};

/// Names a message; 0 names none.
pub type MojoMessageHandle = usize;

const HALF: u32 = usize::BITS / 2;

static TABLE: Mutex<Slab<Arc<Shared>>> = Mutex::new(Rank::Leaf, Slab::new(if HALF > 31 { 31 } else { HALF }, HALF - 1));

/// A message that C programs can reach, from several threads if they like.
pub(crate) struct Shared(Mutex<Slot>);

/// What is behind a message handle.
pub(crate) struct Slot {
    /// `None` once the message was written or destroyed.
    message: Option<Message>,
    /// The last attempt to attach something failed because a handle was busy.
    was_busy: bool,
}

/// Makes a handle for a message.
pub(crate) fn insert(message: Message) -> Outcome<MojoMessageHandle> {
    let slot = Slot { message: Some(message), was_busy: false };
    let outcome = TABLE.lock().insert(Arc::new(Shared(Mutex::new(Rank::Message, slot))));
    outcome.map(|number| number as MojoMessageHandle).map_err(|_| RESOURCE_EXHAUSTED)
}

/// Ends a handle and returns its message.
pub(crate) fn remove(handle: MojoMessageHandle) -> Outcome<Message> {
    let shared = TABLE.lock().remove(handle as u64).ok_or(INVALID_ARGUMENT)?;
    let message = shared.0.lock().message.take();
    message.ok_or(INVALID_ARGUMENT)
}

/// Does something with the message that a handle refers to, while nobody else does. No foreign code may run in
/// `body`.
pub(crate) fn with<R>(handle: MojoMessageHandle, body: impl FnOnce(&mut Message) -> Outcome<R>) -> Outcome<R> {
    let shared = TABLE.lock().get(handle as u64).cloned().ok_or(INVALID_ARGUMENT)?;
    let mut slot = shared.0.lock();
    body(slot.message.as_mut().ok_or(INVALID_ARGUMENT)?)
}

/// Remembers how an attempt to attach something went.
pub(crate) fn note_attempt(handle: MojoMessageHandle, result: MojoResult) {
    let shared = TABLE.lock().get(handle as u64).cloned();
    if let Some(shared) = shared {
        shared.0.lock().was_busy = result == BUSY;
    }
}

/// True if the last attempt to attach something failed because a handle was busy.
pub(crate) fn was_busy(handle: MojoMessageHandle) -> bool {
    let shared = TABLE.lock().get(handle as u64).cloned();
    shared.is_some_and(|shared| shared.0.lock().was_busy)
}
