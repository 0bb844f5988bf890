//! Shared buffers.

use crate::{BufferError, Guid, Mapping};
use libmojo_core::buffer as core;
use libmojo_core::is_forked;
use std::io;
use std::os::fd::OwnedFd;

/// A reference to memory that several processes can map. The memory lives as long as any reference to it or
/// mapping of it, in any process.
#[derive(Debug)]
pub struct SharedBuffer(core::SharedBuffer);

impl SharedBuffer {
    /// Makes a zero-filled buffer of exactly `num_bytes`, from 1 to the
    /// [limit](crate::limits::Limits).
    ///
    /// ```
    /// use libmojo::SharedBuffer;
    ///
    /// let buffer = SharedBuffer::create(100)?;
    /// buffer.map(0, 100)?.write(7, b"hi")?;
    /// let viewer = buffer.duplicate_read_only()?;
    /// let mut bytes = [0; 2];
    /// viewer.map(7, 2)?.read(0, &mut bytes)?;
    /// assert_eq!(&bytes, b"hi");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create(num_bytes: u64) -> Result<Self, BufferError> {
        core::SharedBuffer::create(num_bytes).map(Self).map_err(translate)
    }

    /// Wraps a memory object of other origin, of `num_bytes`. The descriptor comes back on failure. If someone
    /// can still shrink the object, accesses behind its end then kill the process that makes them.
    pub fn wrap(
        descriptor: OwnedFd,
        num_bytes: u64,
        guid: Guid,
        read_only: bool,
    ) -> Result<Self, (io::Error, OwnedFd)> {
        core::SharedBuffer::wrap(descriptor, num_bytes, guid, read_only).map(Self)
    }

    pub(crate) fn own(buffer: core::SharedBuffer) -> Self {
        Self(buffer)
    }

    pub(crate) fn release(self) -> core::SharedBuffer {
        self.0
    }

    #[cfg(feature = "serde")]
    pub(crate) fn inner(&self) -> &core::SharedBuffer {
        &self.0
    }

    /// Gives this reference a label, by which [`Node::snapshot`](crate::Node::snapshot) shows it as long as it exists. It
    /// is known to this process only: duplicates have none, and neither has what arrives in another process.
    pub fn set_label(&self, label: &str) {
        if !is_forked() {
            self.0.set_label(label);
        }
    }

    /// The [label](Self::set_label), if there is one.
    pub fn label(&self) -> Option<String> {
        if is_forked() { None } else { self.0.label() }
    }

    /// The exact size in bytes.
    pub fn num_bytes(&self) -> u64 {
        self.0.num_bytes()
    }

    /// Identifies the memory in all processes.
    pub fn guid(&self) -> Guid {
        self.0.guid()
    }

    /// True if mappings of this reference cannot be written to.
    pub fn is_read_only(&self) -> bool {
        self.0.is_read_only()
    }

    /// Another reference with the same rights.
    pub fn duplicate(&self) -> Result<Self, BufferError> {
        self.0.duplicate(false).map(Self).map_err(translate)
    }

    /// Another reference, whose mappings cannot be written to.
    pub fn duplicate_read_only(&self) -> Result<Self, BufferError> {
        self.0.duplicate(true).map(Self).map_err(translate)
    }

    /// Maps a range, at any offset. The mapping outlives the reference.
    pub fn map(&self, offset: u64, num_bytes: u64) -> Result<Mapping, BufferError> {
        self.0.map(offset, num_bytes).map_err(translate)
    }

    /// A descriptor of the memory object: read-write, or read-only if the reference is.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        self.0.descriptor()
    }
}

fn translate(error: core::BufferError) -> BufferError {
    match error {
        core::BufferError::InvalidArgument => BufferError::InvalidArgument,
        core::BufferError::FailedPrecondition => BufferError::NotDemotable,
        core::BufferError::ResourceExhausted => BufferError::ResourceExhausted,
    }
}
