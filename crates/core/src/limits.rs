//! Named limits: what they bound, and why the number.

use libmojo_ports::Amount;
use libmojo_sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// The limits that a program can set for itself. They hold for the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest payload of a message, in bytes, that is written or taken from another process.
    pub max_message_bytes: u32,
    /// The largest shared buffer or data pipe that is made, in bytes.
    pub max_shared_memory_bytes: u64,
    /// The most mappings of shared buffers at a time that C code has.
    pub max_mappings: usize,
    /// The most messages from one other process, and the most bytes of them with what is attached, that are received and
    /// that the program has not taken. Whoever sends more is cut off. To have a program that is slow cut nobody off, give
    /// its pipes [quotas](crate::pipe::Quotas).
    pub max_unread_per_link: Amount,
    /// The most messages to one other process, and the most bytes of them, that wait in this one because that process
    /// takes nothing. If there are more it is cut off.
    pub max_queued_per_link: Amount,
}

static MESSAGE_BYTES: AtomicU32 = AtomicU32::new(MAX_MESSAGE_BYTES as u32);
static SHARED_MEMORY_BYTES: AtomicU64 = AtomicU64::new(MAX_SHARED_MEMORY_BYTES);
static MAPPINGS: AtomicUsize = AtomicUsize::new(MAX_MAPPINGS);
static UNREAD: AtomicAmount = AtomicAmount::new(MAX_UNREAD_PER_LINK);
static QUEUED: AtomicAmount = AtomicAmount::new(MAX_QUEUED_PER_LINK);

/// An amount of which each half is right, though not always both together.
struct AtomicAmount {
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl AtomicAmount {
    const fn new(amount: Amount) -> Self {
        Self { messages: AtomicU64::new(amount.messages), bytes: AtomicU64::new(amount.bytes) }
    }

    fn load(&self) -> Amount {
        Amount { messages: self.messages.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }

    fn store(&self, amount: Amount) {
        self.messages.store(amount.messages, Ordering::Relaxed);
        self.bytes.store(amount.bytes, Ordering::Relaxed);
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_bytes: MAX_MESSAGE_BYTES as u32,
            max_shared_memory_bytes: MAX_SHARED_MEMORY_BYTES,
            max_mappings: MAX_MAPPINGS,
            max_unread_per_link: MAX_UNREAD_PER_LINK,
            max_queued_per_link: MAX_QUEUED_PER_LINK,
        }
    }
}

impl Limits {
    /// The present limits.
    pub fn current() -> Self {
        Self {
            max_message_bytes: MESSAGE_BYTES.load(Ordering::Relaxed),
            max_shared_memory_bytes: SHARED_MEMORY_BYTES.load(Ordering::Relaxed),
            max_mappings: MAPPINGS.load(Ordering::Relaxed),
            max_unread_per_link: UNREAD.load(),
            max_queued_per_link: QUEUED.load(),
        }
    }

    /// Makes these the limits from now on. What exists already is not affected. All processes that exchange large
    /// messages need the same limit on them: one that receives a larger one than it takes ends the connection.
    pub fn apply(self) {
        MESSAGE_BYTES.store(self.max_message_bytes, Ordering::Relaxed);
        SHARED_MEMORY_BYTES.store(self.max_shared_memory_bytes, Ordering::Relaxed);
        MAPPINGS.store(self.max_mappings, Ordering::Relaxed);
        UNREAD.store(self.max_unread_per_link);
        QUEUED.store(self.max_queued_per_link);
    }
}

/// The largest payload of a message, in bytes, unless the program sets another: 256 MiB. More belongs into a data
/// pipe or a shared buffer.
pub const MAX_MESSAGE_BYTES: usize = 256 << 20;

/// The most attachments of one message. What a 16-bit count can hold, far beyond any use that was seen.
pub const MAX_ATTACHMENTS: usize = 65_535;

/// The largest shared buffer or data pipe, in bytes, unless the program sets another: 1 GiB.
pub const MAX_SHARED_MEMORY_BYTES: u64 = 1 << 30;

/// The most mappings of shared buffers at a time, unless the program sets another.
pub const MAX_MAPPINGS: usize = 1_000_000;

/// What one other process may have sent that is not taken here, unless the program sets another limit: four million
/// messages, 1 GiB. More than any honest exchange that was seen, and less than most machines have.
pub const MAX_UNREAD_PER_LINK: Amount = Amount { messages: 1 << 22, bytes: 1 << 30 };

/// What may wait for one other process to take it, unless the program sets another limit: as much.
pub const MAX_QUEUED_PER_LINK: Amount = Amount { messages: 1 << 22, bytes: 1 << 30 };

/// The capacity of a data pipe that does not ask for one, in bytes.
pub const DEFAULT_DATA_PIPE_BYTES: u32 = 64 << 10;

/// The largest description of a frame (its fields without the payload) that is taken from another process. Every
/// attachment needs fewer than 128 bytes of it.
pub(crate) const MAX_FRAME_META_BYTES: usize = 128 * (MAX_ATTACHMENTS + 2);

/// The most descriptors that one frame may need: no attachment has more than two.
pub(crate) const MAX_FRAME_DESCRIPTORS: usize = 2 * MAX_ATTACHMENTS;

/// The longest name of a pipe in an invitation, in bytes.
pub const MAX_INVITATION_NAME_BYTES: usize = 1024;

/// The most pipes in one invitation.
pub const MAX_INVITATION_PIPES: usize = 1024;

/// The most links to one and the same node that are told to a node which wants to introduce that one.
pub(crate) const MAX_KNOWN_LINKS: usize = 16;

/// The most links that a node takes from others which introduce it to third ones.
pub(crate) const MAX_INTRODUCED_LINKS: usize = 4096;

/// The most links from one and the same node, which introduces it to third ones, on which those have not said hello yet. They
/// do that at once, so there are few at a time.
pub(crate) const MAX_SILENT_LINKS: usize = 256;

/// The most names of third nodes that are remembered for one link. Each introduction among the two and a third one needs
/// one, and there can be more than one introduction for each third node.
pub(crate) const MAX_ACQUAINTANCES: usize = 4 * MAX_INTRODUCED_LINKS;

/// The longest report of a bad message that is passed on to another process, in bytes.
pub(crate) const MAX_REPORT_BYTES: usize = 4096;

/// The present limit on payloads.
pub(crate) fn max_message_bytes() -> usize {
    MESSAGE_BYTES.load(Ordering::Relaxed) as usize
}

/// The present limit on shared memory.
pub(crate) fn max_shared_memory_bytes() -> u64 {
    SHARED_MEMORY_BYTES.load(Ordering::Relaxed)
}

/// The present limit on what is received and not taken.
pub(crate) fn max_unread_per_link() -> Amount {
    UNREAD.load()
}

/// The present limit on what waits to be written.
pub(crate) fn max_queued_per_link() -> Amount {
    QUEUED.load()
}
