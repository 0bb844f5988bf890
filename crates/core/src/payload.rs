//! The bytes of a message: growable, zero-filled, at an address that is fit for any primitive type.

use zerocopy::IntoBytes;

/// The unit of storage. Its alignment is what the payload's address has.
type Block = u128;
const BLOCK: usize = size_of::<Block>();

/// Owned bytes whose storage is always initialised.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Payload {
    blocks: Vec<Block>,
    len: usize,
}

impl Payload {
    /// `len` zero bytes.
    pub(crate) fn zeroed(len: usize) -> Self {
        Self { blocks: vec![0; len.div_ceil(BLOCK)], len }
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Self {
        let mut payload = Self::zeroed(bytes.len());
        payload.bytes_mut().copy_from_slice(bytes);
        payload
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How many bytes there is room for at the present address.
    pub(crate) fn capacity(&self) -> usize {
        self.blocks.len() * BLOCK
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.blocks.as_bytes().get(..self.len).unwrap_or_default()
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let all = self.blocks.as_mut_bytes();
        all.get_mut(..self.len).unwrap_or_default()
    }

    /// All bytes there is room for, those behind the length included.
    pub(crate) fn storage_mut(&mut self) -> &mut [u8] {
        self.blocks.as_mut_bytes()
    }

    /// Makes the payload `len` bytes long. Bytes that were not there before are whatever the storage holds: zero,
    /// unless something was written there. Storage at least doubles whenever it has to grow.
    pub(crate) fn set_len(&mut self, len: usize) {
        if len > self.capacity() {
            let blocks = len.div_ceil(BLOCK).max(self.blocks.len() * 2);
            self.blocks.resize(blocks, 0);
        }
        self.len = len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_by_doubling_keeps_its_bytes_and_is_zero_behind_them() {
        let mut payload = Payload::from_slice(b"abc");
        assert_eq!(payload.capacity(), 16);
        payload.set_len(17);
        assert_eq!(payload.capacity(), 32);
        assert_eq!(payload.bytes(), b"abc\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        payload.set_len(2);
        assert_eq!(payload.bytes(), b"ab");
        assert_eq!(Payload::zeroed(0).bytes(), b"");
        assert_eq!(Payload::zeroed(40).bytes().as_ptr() as usize % 8, 0);
    }
}
