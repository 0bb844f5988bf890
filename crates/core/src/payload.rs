//! The bytes of a message: growable, zero-filled, at an address that is fit for any primitive type.

use zerocopy::IntoBytes;

/// The unit of storage. Its alignment is what the payload's address has.
type Block = u128;
const BLOCK: usize = size_of::<Block>();

/// Owned bytes whose storage is always initialised.
#[derive(Clone, Default)]
pub(crate) struct Payload {
    /// The storage. It may have been that of another payload, whose bytes are still there behind `room`.
    blocks: Box<[Block]>,
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
            None => self.blocks = copied(bytes),
        }
        (self.len, self.room) = (bytes.len(), bytes.len());
    }

    /// Becomes `len` zero bytes with room for `room`, in the present storage if that is large enough.
    pub(crate) fn set_zeroed(&mut self, len: usize, room: usize) {
        let room = room.max(len);
        match self.blocks.as_mut_bytes().get_mut(..room) {
            Some(to) => to.fill(0),
            None => self.blocks = vec![0; room.div_ceil(BLOCK)].into(),
        }
        (self.len, self.room) = (len, room);
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
                let mut blocks = std::mem::take(&mut self.blocks).into_vec();
                blocks.truncate(self.room.div_ceil(BLOCK));
                blocks.reserve_exact(room.div_ceil(BLOCK) - blocks.len());
                blocks.resize(room.div_ceil(BLOCK), 0);
                self.blocks = blocks.into();
                let all = self.blocks.as_mut_bytes();
                if let Some(rest) = all.get_mut(self.room..self.room.next_multiple_of(BLOCK)) {
                    rest.fill(0);
                }
                self.room = all.len();
            }
        }
    }
}

/// A copy of bytes in storage that is written once.
fn copied(bytes: &[u8]) -> Box<[Block]> {
    let (whole, rest) = bytes.as_chunks::<BLOCK>();
    let mut blocks = Vec::with_capacity(bytes.len().div_ceil(BLOCK));
    blocks.extend(whole.iter().map(|block| Block::from_ne_bytes(*block)));
    if !rest.is_empty() {
        let mut last = [0; BLOCK];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        blocks.push(Block::from_ne_bytes(last));
    }
    blocks.into()
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
