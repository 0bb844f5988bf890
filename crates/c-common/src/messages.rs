//! The message table: what a `MojoMessageHandle` refers to.

use crate::indices::{Cache, Indices};
use crate::result::{INVALID_ARGUMENT, Outcome, RESOURCE_EXHAUSTED};
use crate::slab::{Claim, Slab};
use libmojo_core::message::Message;
use libmojo_sync::{Held, Rank, thread_local};

/// Names a message; 0 names none.
pub type MojoMessageHandle = usize;

/// 4,194,304 message handles at a time. The same value comes again after so many others that it does not matter how
/// soon its place is reused, unless words are short.
const INDEX_BITS: u32 = if usize::BITS < 64 { 16 } else { 22 };
const GENERATION_BITS: u32 = if usize::BITS < 64 { usize::BITS - INDEX_BITS } else { 40 };
const MIN_FREE: usize = if usize::BITS < 64 { 1024 } else { 0 };

/// Is in every handle where words are long enough, so that neither small numbers nor halves of handles are any.
const MARK: usize = if usize::BITS < 64 { 0 } else { 1 << (usize::BITS - 2) };

static INDICES: Indices = Indices::new(INDEX_BITS, MIN_FREE, &CACHE);
thread_local! {
    static CACHE: Cache = const { Cache::new(&INDICES) };
}
static TABLE: Slab<Slot, INDEX_BITS, GENERATION_BITS> = Slab::new(&INDICES);

/// What is behind a message handle. Several threads can reach it, one at a time.
#[derive(Default)]
pub struct Slot {
    /// The message itself.
    pub message: Message,
    /// The last attempt to attach something failed because a handle was busy.
    pub was_busy: bool,
    /// How much room the payload is to have, if that was said before there is one.
    pub reserved: Option<u32>,
}

/// Makes a handle for a message.
#[inline]
pub fn insert(message: Message) -> Outcome<MojoMessageHandle> {
    let outcome = TABLE.insert(Slot { message, was_busy: false, reserved: None });
    outcome.map(|number| number as MojoMessageHandle ^ MARK).map_err(|_| RESOURCE_EXHAUSTED)
}

/// The message that a handle refers to, once nobody else has it.
#[inline]
fn claim(handle: MojoMessageHandle) -> Outcome<Claim<'static, Slot>> {
    TABLE.claim_in_turn((handle ^ MARK) as u64).ok_or(INVALID_ARGUMENT)
}

/// Ends a handle and returns its message.
#[inline]
pub fn remove(handle: MojoMessageHandle) -> Outcome<Message> {
    claim(handle)?.take().map(|slot| slot.message).map_err(|_| INVALID_ARGUMENT)
}

/// Does something with the message that a handle refers to, while nobody else does. No foreign code may run in
/// `body`.
#[inline]
pub fn with<R>(handle: MojoMessageHandle, body: impl FnOnce(&mut Message) -> Outcome<R>) -> Outcome<R> {
    with_slot(handle, |slot| body(&mut slot.message))
}

/// The same, for those who also remember or ask whether a handle was busy.
#[inline]
pub fn with_slot<R>(handle: MojoMessageHandle, body: impl FnOnce(&mut Slot) -> Outcome<R>) -> Outcome<R> {
    let mut claim = claim(handle)?;
    let _held = Held::new(Rank::Message);
    body(claim.get_mut().ok_or(INVALID_ARGUMENT)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_handle_is_one() {
        for _ in 0..3000 {
            let handle = insert(Message::new()).unwrap();
            let low = handle & (usize::MAX >> (usize::BITS / 2));
            for other in [0, 1, low, handle - low, 1 << 30, usize::MAX] {
                assert_eq!(remove(other).err(), Some(INVALID_ARGUMENT), "{other:#x} beside {handle:#x}");
            }
            assert!(remove(handle).is_ok());
        }
    }
}
