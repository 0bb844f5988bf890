//! Bytes in a circle: part of memory that is shared with another process, addressed by indices that never wrap.

use libmojo_platform::Mapping;

/// Where the bytes of a ring lie in a mapping. An index is the number of bytes that ever went in before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ring {
    /// The first byte's offset in the mapping.
    pub(crate) start: usize,
    /// How many bytes there is room for; not 0.
    pub(crate) capacity: usize,
}

impl Ring {
    /// Where the byte with an index lies, and how many bytes follow up to the end of the storage.
    pub(crate) fn place(&self, index: u64) -> (usize, usize) {
        let at = (index % self.capacity as u64) as usize;
        (self.start + at, self.capacity - at)
    }

    /// Copies in at most `capacity` bytes.
    pub(crate) fn copy_in(&self, mapping: &Mapping, index: u64, bytes: &[u8]) {
        let (at, room) = self.place(index);
        let (first, second) = bytes.split_at(bytes.len().min(room));
        // In bounds by construction of `place`: the checks inside cannot fail.
        let _ = mapping.write(at, first);
        let _ = mapping.write(self.start, second);
    }

    /// Copies out at most `capacity` bytes.
    pub(crate) fn copy_out(&self, mapping: &Mapping, index: u64, bytes: &mut [u8]) {
        let (at, room) = self.place(index);
        let (first, second) = bytes.split_at_mut(bytes.len().min(room));
        let _ = mapping.read(at, first);
        let _ = mapping.read(self.start, second);
    }
}
