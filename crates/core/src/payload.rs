//! The bytes of a message: growable, zero-filled, at an address that is fit for any primitive type.

use crate::stock;
use libmojo_platform::{Block, Storage};
use zerocopy::IntoBytes;

const BLOCK: usize = size_of::<Block>();

/// Owned bytes whose storage is always initialised.
#[derive(Clone, Default)]
pub(crate) struct Payload {
    /// The storage. It may have been that of another payload, whose bytes are still there behind `room`.
    blocks: Storage,
    len: usize,
    /// How many bytes of the storage belong to this payload.
    room: usize,
}

impl Payload {
    /// `len` zero bytes.
    pub(crate) fn zeroed(len: usize) -> Self {
        let mut payload = Self::default();
        payload.set_zeroed(len, len);
        payload
    }

    /// Becomes a copy of `bytes`, in the present storage if that is large enough.
    pub(crate) fn set(&mut self, bytes: &[u8]) {
        match self.blocks.as_mut_bytes().get_mut(..bytes.len()) {
            Some(to) => to.copy_from_slice(bytes),
            None => {
                let mut blocks = stock::take(bytes.len().div_ceil(BLOCK));
                blocks.as_mut_bytes().get_mut(..bytes.len()).unwrap_or_default().copy_from_slice(bytes);
                self.replace_storage(blocks);
            }
        }
        (self.len, self.room) = (bytes.len(), bytes.len());
    }

    /// Becomes `len` zero bytes with room for `room`, in the present storage if that is large enough.
    pub(crate) fn set_zeroed(&mut self, len: usize, room: usize) {
        let room = room.max(len);
        match self.blocks.as_mut_bytes().get_mut(..room) {
            Some(to) => to.fill(0),
            None => {
                self.replace_storage(stock::take(room.div_ceil(BLOCK)));
                self.blocks.as_mut_bytes().get_mut(..room).unwrap_or_default().fill(0);
            }
        }
        (self.len, self.room) = (len, room);
    }

    /// Other storage, whatever it holds.
    fn replace_storage(&mut self, blocks: Storage) {
        stock::give(std::mem::replace(&mut self.blocks, blocks));
    }

    /// Room for what comes next behind the bytes that there are, for at most `wanted` bytes; at least one, if any is
    /// wanted. It may hold bytes of other payloads, and is not part of this one until [noted](Self::note_arrival). New
    /// storage is taken only when the old one is full, and then with room for all that is wanted.
    pub(crate) fn room_for_arrival(&mut self, wanted: usize) -> &mut [u8] {
        if self.len >= self.storage_len() && wanted > 0 {
            let mut blocks = stock::take((self.len + wanted).div_ceil(BLOCK));
            if let Some(to) = blocks.as_mut_bytes().get_mut(..self.len) {
                to.copy_from_slice(self.bytes());
            }
            self.replace_storage(blocks);
        }
        let end = self.storage_len().min(self.len + wanted);
        self.blocks.as_mut_bytes().get_mut(self.len..end).unwrap_or_default()
    }

    /// Adds what was put into the [room for it](Self::room_for_arrival).
    pub(crate) fn note_arrival(&mut self, num_bytes: usize) {
        self.len += num_bytes;
        self.room = self.room.max(self.len);
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How many bytes there is room for at the present address.
    pub(crate) fn capacity(&self) -> usize {
        self.room
    }

    /// How many bytes of memory the payload has.
    pub(crate) fn storage_len(&self) -> usize {
        size_of_val(&*self.blocks)
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.blocks.as_bytes().get(..self.len).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.blocks.as_mut_bytes().get_mut(..self.len).unwrap_or_default()
    }

    /// All bytes there is room for, those behind the length included.
    #[inline]
    pub(crate) fn storage_mut(&mut self) -> &mut [u8] {
        self.blocks.as_mut_bytes().get_mut(..self.room).unwrap_or_default()
    }

    /// Makes the payload `len` bytes long. Bytes that were not there before are whatever there was room for: zero,
    /// unless something was written there. The room at least doubles whenever it has to grow.
    #[inline]
    pub(crate) fn set_len(&mut self, len: usize) {
        if len > self.room {
            self.make_room(len.max(2 * self.room));
        }
        self.len = len;
    }

    fn make_room(&mut self, room: usize) {
        match self.blocks.as_mut_bytes().get_mut(self.room..room) {
            Some(more) => {
                more.fill(0);
                self.room = room;
            }
            None => {
                let room = room.next_multiple_of(BLOCK);
                let mut blocks = stock::take(room / BLOCK);
                let (old, all) = (self.storage_mut(), blocks.as_mut_bytes());
                let (to, rest) = all.split_at_mut(old.len());
                to.copy_from_slice(old);
                rest.get_mut(..room - old.len()).unwrap_or_default().fill(0);
                self.replace_storage(blocks);
                self.room = room;
            }
        }
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        if !self.blocks.is_empty() {
            stock::give(std::mem::take(&mut self.blocks));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy_of(bytes: &[u8]) -> Payload {
        let mut payload = Payload::default();
        payload.set(bytes);
        payload
    }

    #[test]
    fn grows_by_doubling_keeps_its_bytes_and_is_zero_behind_them() {
        let mut payload = Payload::default();
        payload.set_zeroed(16, 0);
        payload.storage_mut().copy_from_slice(b"0123456789abcdef");
        payload.set_len(17);
        assert_eq!(payload.capacity(), 32);
        assert_eq!(payload.bytes(), b"0123456789abcdef\0");
        payload.set_len(2);
        assert_eq!(payload.bytes(), b"01");
        payload.set_len(20);
        assert_eq!(payload.bytes(), b"0123456789abcdef\0\0\0\0");
        assert_eq!(copy_of(&[1; 40]).bytes().as_ptr() as usize % BLOCK, 0);
    }

    #[test]
    fn what_arrives_in_pieces_is_moved_only_when_its_storage_is_full() {
        const ALL: usize = 40 << 20;
        let (mut payload, mut num_moves) = (Payload::default(), 0);
        while payload.len() < ALL {
            let place = payload.bytes().as_ptr();
            let room = payload.room_for_arrival((ALL - payload.len).min(payload.len.max(1 << 20)));
            let count = room.len().min(65_536);
            room[..count].fill((count % 251) as u8);
            assert_ne!(count, 0);
            payload.note_arrival(count);
            num_moves += usize::from(payload.bytes().as_ptr() != place);
        }
        assert!(num_moves <= 8, "{num_moves} moves");
        assert!(payload.bytes().iter().all(|byte| *byte == (65_536 % 251) as u8));
        assert!(payload.room_for_arrival(0).is_empty());
    }

    #[test]
    fn copies_bytes_of_any_length() {
        for len in 0..100u8 {
            let bytes: Vec<u8> = (0..len).collect();
            assert_eq!(copy_of(&bytes).bytes(), bytes);
        }
    }

    #[test]
    fn what_the_storage_held_before_is_never_seen() {
        for refill in [|payload: &mut Payload| payload.set(b"new"), |payload: &mut Payload| payload.set_zeroed(3, 3)] {
            for len in 3..200 {
                let mut payload = copy_of(&[7; 100]);
                refill(&mut payload);
                assert_eq!(payload.storage_mut().len(), 3);
                payload.set_len(len);
                assert!(payload.bytes().iter().skip(3).all(|byte| *byte == 0), "{len}");
                assert!(payload.storage_mut().iter().all(|byte| *byte != 7), "{len}");
            }
        }
    }
}
