//! The shared memory of a data pipe: two indices, two flags, and the bytes.

use super::Role;
use libmojo_platform::{Mapping, SharedMemory};
use libmojo_sync::atomic::{AtomicU32, AtomicU64};
use std::io;

// The ring's header, one cache line for each word; then the bytes.
const WRITE_INDEX: usize = 0;
const READ_INDEX: usize = 64;
const CONSUMER_WANTS: usize = 128;
const PRODUCER_WANTS: usize = 192;
const DATA: usize = 256;

/// The shared memory of a data pipe.
pub(crate) struct Ring {
    memory: SharedMemory,
    pub(super) mapping: Mapping,
    pub(super) capacity: u32,
    pub(super) element: u32,
}

impl Ring {
    pub(super) fn create(element: u32, capacity: u32) -> io::Result<Self> {
        Self::map(SharedMemory::create(Self::memory_bytes(capacity), false)?, element, capacity)
    }

    /// The size of the memory of a ring.
    pub(crate) fn memory_bytes(capacity: u32) -> u64 {
        DATA as u64 + u64::from(capacity)
    }

    /// Maps the ring of an end that arrived from another process, whose claims about it have to be checked.
    pub(crate) fn arrived(memory: SharedMemory, element: u32, capacity: u32) -> io::Result<Self> {
        let is_sane = element > 0 && capacity > 0 && capacity.is_multiple_of(element);
        if !is_sane || memory.is_read_only() || !memory.is_sealed() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Self::map(memory, element, capacity)
    }

    fn map(memory: SharedMemory, element: u32, capacity: u32) -> io::Result<Self> {
        let len = usize::try_from(capacity).ok().and_then(|capacity| capacity.checked_add(DATA));
        let mapping = memory.map(0, len.ok_or(io::ErrorKind::InvalidInput)?)?;
        let words_fit = mapping.atomic_u64(WRITE_INDEX).is_some() && mapping.atomic_u32(PRODUCER_WANTS).is_some();
        if words_fit {
            Ok(Self { memory, mapping, capacity, element })
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }

    pub(crate) fn memory(&self) -> &SharedMemory {
        &self.memory
    }

    pub(crate) fn capacity(&self) -> u32 {
        self.capacity
    }

    pub(crate) fn element(&self) -> u32 {
        self.element
    }

    pub(super) fn index(&self, role: Role) -> &AtomicU64 {
        static NEVER: AtomicU64 = AtomicU64::new(0);
        let offset = if role == Role::Producer { WRITE_INDEX } else { READ_INDEX };
        self.mapping.atomic_u64(offset).unwrap_or(&NEVER)
    }

    /// The flag by which an end asks to be poked.
    pub(super) fn wants(&self, role: Role) -> &AtomicU32 {
        static NEVER: AtomicU32 = AtomicU32::new(0);
        let offset = if role == Role::Producer { PRODUCER_WANTS } else { CONSUMER_WANTS };
        self.mapping.atomic_u32(offset).unwrap_or(&NEVER)
    }

    /// Where a byte with this index lies, and how many bytes follow up to the end of the storage.
    pub(super) fn place(&self, index: u64) -> (usize, u32) {
        let at = (index % u64::from(self.capacity)) as u32;
        (DATA + at as usize, self.capacity - at)
    }

    pub(super) fn copy_in(&self, index: u64, bytes: &[u8]) {
        let (at, room) = self.place(index);
        let (first, second) = bytes.split_at(bytes.len().min(room as usize));
        // In bounds by construction of `place`: the checks inside cannot fail.
        let _ = self.mapping.write(at, first);
        let _ = self.mapping.write(DATA, second);
    }

    pub(super) fn copy_out(&self, index: u64, bytes: &mut [u8]) {
        let (at, room) = self.place(index);
        let (first, second) = bytes.split_at_mut(bytes.len().min(room as usize));
        let _ = self.mapping.read(at, first);
        let _ = self.mapping.read(DATA, second);
    }
}
