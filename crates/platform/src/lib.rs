//! What libmojo needs from the operating system. Nothing outside this crate assumes a particular one.
//!
//! A port to another system provides:
//!
//! - [`Socket`]: a connected, reliable byte stream to another process that also carries descriptors and reports
//!   the other side's death;
//! - [`SharedMemory`]: memory objects of a fixed size that processes can pass to each other, with read-only
//!   descriptors that cannot be turned into writable ones by ordinary means, and [`Mapping`] to use them;
//! - [`Poller`]: waiting for many sockets at once, with a wake-up from any thread;
//! - [`random`], [`monotonic_micros`] and [`open_descriptor_count`].
//!
//! `mapping` is the only module with unsafe code.
#![deny(unsafe_code)]

mod descriptor;
mod entropy;
mod mapping;
mod memory;
mod poller;
mod socket;
mod time;

pub use descriptor::open_descriptor_count;
pub use entropy::random;
pub use mapping::{AccessError, Mapping};
pub use memory::SharedMemory;
pub use poller::{Interest, Poller, Ready};
pub use socket::{MAX_DESCRIPTORS_PER_SEND, Received, Socket, is_too_many_references};
pub use time::monotonic_micros;
