//! Shared buffers.

use crate::limits::max_shared_memory_bytes;
use libmojo_platform::{Mapping, SharedMemory, random};
use libmojo_sync::atomic::{AtomicU32, Ordering};
use libmojo_sync::{Arc, Mutex, Rank, Weak};
use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// A reference to memory that several processes can map. The memory lives as long as any reference or mapping.
#[derive(Clone)]
pub struct SharedBuffer(Arc<Inner>);

struct Inner {
    memory: SharedMemory,
    guid: Guid,
    /// What is left of the rights that the memory's descriptors give.
    access: AtomicU32,
    label: Mutex<Option<Box<str>>>,
}

/// References that have, or had, a label.
static LABELLED: Mutex<Vec<Weak<Inner>>> = Mutex::new(Rank::Leaf, Vec::new());

/// A labelled reference to a shared buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct BufferSnapshot {
    /// The label.
    pub label: String,
    /// The size of the memory in bytes.
    pub num_bytes: u64,
    /// It can be read only.
    pub is_read_only: bool,
}

/// The labelled references of this process, those inside messages too, in the order in which they got their labels.
pub(crate) fn labelled() -> Vec<BufferSnapshot> {
    let alive: Vec<_> = LABELLED.lock().iter().filter_map(Weak::upgrade).map(SharedBuffer).collect();
    let show = |buffer: &SharedBuffer| {
        Some(BufferSnapshot {
            label: buffer.label()?,
            num_bytes: buffer.num_bytes(),
            is_read_only: buffer.access() == Access::ReadOnly,
        })
    };
    alive.iter().filter_map(show).collect()
}

/// What can be done with a reference to a shared buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only to read, and so can all that are made from it.
    ReadOnly,
    /// To write, and to make references that can only read. It has a descriptor for each.
    Writable,
    /// To write, and so can all that are made from it.
    Unsafe,
}

impl Access {
    const ALL: [Access; 3] = [Access::ReadOnly, Access::Writable, Access::Unsafe];
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

    /// Wraps a memory object of other origin, of which there are the descriptors that `access` needs: one to write, one
    /// to read, or both. They are the caller's in any case.
    ///
    /// # Errors
    /// `InvalidArgument` if they are not those, or not of one object of that size; `ResourceExhausted`.
    pub fn wrap_region(
        writable: Option<BorrowedFd<'_>>,
        read_only: Option<BorrowedFd<'_>>,
        num_bytes: u64,
        guid: Guid,
    ) -> Result<Self, BufferError> {
        let copy = |fd: Option<BorrowedFd<'_>>| {
            fd.map(|fd| fd.try_clone_to_owned()).transpose().map_err(|_| BufferError::ResourceExhausted)
        };
        let memory = SharedMemory::from_descriptors(copy(writable)?, copy(read_only)?, num_bytes);
        memory.map(|memory| Self::from_parts(memory, guid)).map_err(|_| BufferError::InvalidArgument)
    }

    pub(crate) fn from_parts(memory: SharedMemory, guid: Guid) -> Self {
        let access = match memory.descriptors() {
            (Some(_), Some(_)) => Access::Writable,
            (Some(_), None) => Access::Unsafe,
            (None, _) => Access::ReadOnly,
        };
        let label = Mutex::new(Rank::Leaf, None);
        Self(Arc::new(Inner { memory, guid, access: AtomicU32::new(access as u32), label }))
    }

    /// Gives this reference a label, by which [snapshots](crate::node::Node::snapshot) show it. It is this process's own.
    pub fn set_label(&self, label: &str) {
        let previous = self.0.label.lock().replace(label.into());
        if previous.is_none() {
            let mut labelled = LABELLED.lock();
            labelled.retain(|buffer| buffer.strong_count() > 0);
            labelled.push(Arc::downgrade(&self.0));
        }
    }

    /// The [label](Self::set_label).
    pub fn label(&self) -> Option<String> {
        self.0.label.lock().as_deref().map(str::to_owned)
    }

    /// What can be done with this reference.
    pub fn access(&self) -> Access {
        let access = self.0.access.load(Ordering::SeqCst);
        Access::ALL.into_iter().find(|one| *one as u32 == access).unwrap_or(Access::ReadOnly)
    }

    /// Gives up rights of a reference that is [`Writable`](Access::Writable), for all that refer to it. Mappings stay
    /// as they are. False if it is not, any more.
    fn give_up(&self, to: Access) -> bool {
        let from = Access::Writable as u32;
        self.0.access.compare_exchange(from, to as u32, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Makes another reference, after which nobody can have both kinds: from one that is [`Writable`](Access::Writable)
    /// and is then what the new one is, [`ReadOnly`](Access::ReadOnly) or [`Unsafe`](Access::Unsafe). From one that is
    /// either already, another of the same kind.
    ///
    /// # Errors
    /// `FailedPrecondition` if the reference is of the other kind; `ResourceExhausted`.
    pub fn split(&self, read_only: bool) -> Result<Self, BufferError> {
        let kind = if read_only { Access::ReadOnly } else { Access::Unsafe };
        let access = self.access();
        if access != Access::Writable && access != kind {
            return Err(BufferError::FailedPrecondition);
        }
        let memory = self.0.memory.restricted(!read_only, read_only).map_err(|_| BufferError::ResourceExhausted)?;
        // Of two threads that split it in different ways, one finds it split.
        if access == Access::Writable && !self.give_up(kind) && self.access() != kind {
            return Err(BufferError::FailedPrecondition);
        }
        Ok(Self::from_parts(memory, self.0.guid))
    }

    /// The memory, with the descriptors that the reference has a right to.
    pub(crate) fn copy_memory(&self) -> io::Result<SharedMemory> {
        let access = self.access();
        self.0.memory.restricted(access != Access::ReadOnly, access != Access::Unsafe)
    }

    /// Descriptors of the memory object, for whoever wants to leave the library: to write, to read, or both, as
    /// [`access`](Self::access) says.
    ///
    /// # Errors
    /// What the system says if there is no descriptor left.
    pub fn descriptors(&self) -> io::Result<(Option<OwnedFd>, Option<OwnedFd>)> {
        self.copy_memory().map(SharedMemory::into_descriptors)
    }

    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
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
        self.access() == Access::ReadOnly
    }

    /// Makes another reference to the same memory, which is read-only if asked for or if this one is.
    pub fn duplicate(&self, read_only: bool) -> Result<Self, BufferError> {
        let copy = if read_only && !self.is_read_only() {
            if self.access() == Access::Unsafe {
                return Err(BufferError::FailedPrecondition);
            }
            self.0.memory.restricted(false, true).map_err(|_| BufferError::ResourceExhausted)?
        } else {
            self.copy_memory().map_err(|_| BufferError::ResourceExhausted)?
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
        let mapping = if self.is_read_only() && !self.0.memory.is_read_only() {
            self.copy_memory().and_then(|memory| memory.map_inherited(offset, len))
        } else {
            self.0.memory.map_inherited(offset, len)
        };
        mapping.map_err(|_| BufferError::ResourceExhausted)
    }

    /// A descriptor of the memory object, for whoever wants to leave the library: read-write, or read-only if the
    /// buffer is.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        let (writable, read_only) = self.descriptors()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writable_reference_becomes_what_it_is_split_into_and_then_gives_nothing_else() {
        let buffer = SharedBuffer::create(100).unwrap();
        assert_eq!(buffer.access(), Access::Writable);
        let copy = buffer.split(false).unwrap();
        assert_eq!((buffer.access(), copy.access()), (Access::Unsafe, Access::Unsafe));
        assert_eq!(buffer.split(true).unwrap_err(), BufferError::FailedPrecondition);
        assert!(copy.split(false).is_ok());
        assert_eq!(copy.descriptors().map(|(a, b)| (a.is_some(), b.is_some())).unwrap(), (true, false));

        let buffer = SharedBuffer::create(100).unwrap();
        let before = buffer.map(0, 100).unwrap();
        let copy = buffer.split(true).unwrap();
        assert_eq!((buffer.access(), copy.access()), (Access::ReadOnly, Access::ReadOnly));
        assert_eq!(buffer.split(false).unwrap_err(), BufferError::FailedPrecondition);
        assert!(buffer.map(0, 100).unwrap().is_read_only() && copy.map(0, 100).unwrap().is_read_only());
        assert!(!before.is_read_only());
        assert_eq!(buffer.descriptors().map(|(a, b)| (a.is_some(), b.is_some())).unwrap(), (false, true));
    }
}
