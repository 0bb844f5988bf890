//! Named limits: what they bound, and why the number.

/// The largest payload of a message, in bytes: 256 MiB. More belongs into a data pipe or a shared buffer.
pub const MAX_MESSAGE_BYTES: usize = 256 << 20;

/// The most attachments of one message. What a 16-bit count can hold, far beyond any use that was seen.
pub const MAX_ATTACHMENTS: usize = 65_535;

/// The largest shared buffer or data pipe, in bytes: 1 GiB.
pub const MAX_SHARED_MEMORY_BYTES: u64 = 1 << 30;

/// The most mappings of shared buffers at a time.
pub const MAX_MAPPINGS: usize = 1_000_000;

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
