//! Shared buffers.

use crate::limits::max_shared_memory_bytes;
use libmojo_platform::{Mapping, SharedMemory, random};
use libmojo_sync::Arc;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

/// A reference to memory that several processes can map. The memory lives as long as any reference or mapping.
#[derive(Clone)]
pub struct SharedBuffer(Arc<Inner>);

struct Inner {
    memory: SharedMemory,
    guid: Guid,
}

/// Identifies the memory behind a buffer in all processes; not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guid {
    /// The upper 64 bits.
    pub high: u64,
    /// The lower 64 bits.
    pub low: u64,
}

/// Why an operation on a shared buffer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BufferError {
    /// The size is zero, or the range is empty or not within the buffer.
    InvalidArgument,
    /// A read-only duplicate is not possible: the buffer was made from a foreign memory object, or the system
    /// had no means to open it once more.
    FailedPrecondition,
    /// Too large, or the system has no memory or descriptors left.
    ResourceExhausted,
}

impl SharedBuffer {
    /// Makes a zero-filled buffer of exactly `num_bytes`, at most the [limit](crate::limits::Limits).
    pub fn create(num_bytes: u64) -> Result<Self, BufferError> {
        if num_bytes == 0 {
            return Err(BufferError::InvalidArgument);
        }
        if num_bytes > max_shared_memory_bytes() {
            return Err(BufferError::ResourceExhausted);
        }
        let memory = SharedMemory::create(num_bytes, true).map_err(|_| BufferError::ResourceExhausted)?;
        let guid = Guid { high: u64::from_le_bytes(random::<8>()) | 1, low: u64::from_le_bytes(random::<8>()) };
        Ok(Self::from_parts(memory, guid))
    }

    /// Wraps a memory object of other origin. The descriptor comes back on failure.
    pub fn wrap(
        descriptor: OwnedFd,
        num_bytes: u64,
        guid: Guid,
        read_only: bool,
    ) -> Result<Self, (io::Error, OwnedFd)> {
        SharedMemory::adopt(descriptor, num_bytes, read_only).map(|memory| Self::from_parts(memory, guid))
    }

    pub(crate) fn from_parts(memory: SharedMemory, guid: Guid) -> Self {
        Self(Arc::new(Inner { memory, guid }))
    }

    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    pub(crate) fn memory(&self) -> &SharedMemory {
        &self.0.memory
    }

    /// The exact size in bytes.
    pub fn num_bytes(&self) -> u64 {
        self.0.memory.len()
    }

    /// The identity of the memory.
    pub fn guid(&self) -> Guid {
        self.0.guid
    }

    /// True if mappings of this reference cannot be written to.
    pub fn is_read_only(&self) -> bool {
        self.0.memory.is_read_only()
    }

    /// Makes another reference to the same memory, which is read-only if asked for or if this one is.
    pub fn duplicate(&self, read_only: bool) -> Result<Self, BufferError> {
        let copy = if read_only && !self.is_read_only() {
            let copy = self.0.memory.to_read_only().map_err(|_| BufferError::ResourceExhausted)?;
            copy.ok_or(BufferError::FailedPrecondition)?
        } else {
            self.0.memory.try_clone().map_err(|_| BufferError::ResourceExhausted)?
        };
        Ok(Self::from_parts(copy, self.0.guid))
    }

    /// Maps a range, at any offset.
    pub fn map(&self, offset: u64, num_bytes: u64) -> Result<Mapping, BufferError> {
        let end = offset.checked_add(num_bytes).ok_or(BufferError::InvalidArgument)?;
        let len = usize::try_from(num_bytes).map_err(|_| BufferError::InvalidArgument)?;
        if len == 0 || end > self.num_bytes() {
            return Err(BufferError::InvalidArgument);
        }
        self.0.memory.map_inherited(offset, len).map_err(|_| BufferError::ResourceExhausted)
    }

    /// A descriptor of the memory object, for whoever wants to leave the library: read-write, or read-only if the
    /// buffer is.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        let (writable, read_only) = self.0.memory.try_clone()?.into_descriptors();
        writable.or(read_only).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

impl fmt::Debug for SharedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBuffer")
            .field("num_bytes", &self.num_bytes())
            .field("guid", &self.0.guid)
            .field("is_read_only", &self.is_read_only())
            .finish()
    }
}
