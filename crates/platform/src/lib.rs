//! What libmojo needs from the operating system. Nothing outside this crate assumes a particular one.
//!
//! A port to another system provides:
//!
//! - [`Socket`]: a connected, reliable byte stream to another process that also carries descriptors, in order with
//!   the bytes, up to [`MAX_DESCRIPTORS_PER_SEND`] at a time. It never blocks and never raises a signal, takes part
//!   of what it is given when it is nearly full, delivers what was sent before the other side went away, and then
//!   reports the end. It can be made as a pair or from a descriptor that somebody else made.
//! - [`Listener`]: a place, named by a path or by a name of the system's own, where strangers connect such streams,
//!   with the [`Credentials`] of each. Nothing that a killed process leaves there hinders the next.
//! - [`SharedMemory`]: memory objects of a final size that processes can pass to each other as descriptors, filled
//!   with zeros, with read-only descriptors that cannot be turned into writable ones by ordinary means, and which
//!   vanish with their last descriptor and mapping. What another process passes can be checked for being one object,
//!   for its size, for whether that size is final, and for what each descriptor allows.
//! - [`Mapping`]: a range of such memory at any byte offset, in which words are atomic between processes. The system
//!   copies between it and descriptors.
//! - [`Poller`]: waiting for many sockets at once, level-triggered, with a wake-up from any thread. Sockets can be
//!   added, changed and removed while a thread waits. [`wait_for`] waits for one of any kind.
//! - [`sleep`] and [`wake_one`]: sleeping while words have certain values, in memory of the process's own and in memory
//!   that it shares.
//! - [`Doorbell`]: a descriptor that threads of this process make readable for one another.
//! - [`spawn_with_socket`]: starting a process that inherits a socket and nothing else, and [`inherited_socket`], with
//!   which it finds that.
//! - [`is_forked`]: whether this process is the copy of one that used the library; no such copy keeps sockets,
//!   listeners, pollers, or mappings of the library's own.
//! - [`random`]: bytes that nobody can guess; [`monotonic_micros`]: a clock that never goes back, the same for all
//!   processes; and [`open_descriptor_count`], for tests that look for leaks.
//!
//! Every descriptor made or received here is not inherited by executed programs from its first moment.
//!
//! `mapping`, `storage`, `inherit` and `fork` are the only modules with unsafe code.
#![deny(unsafe_code)]

mod descriptor;
mod doorbell;
mod entropy;
mod fork;
mod futex;
mod inherit;
mod listener;
mod mapping;
mod memory;
mod poller;
mod socket;
mod storage;
mod time;

pub use descriptor::open_descriptor_count;
pub use doorbell::Doorbell;
pub use entropy::random;
pub use fork::{forked_error, is_forked};
pub use futex::{MAX_WATCHED, Slept, Watched, can_watch_several, current_processor, sleep, wake_one};
pub use inherit::{INHERITED_SOCKET, inherited_socket, spawn_with_socket};
pub use listener::{Credentials, Listener};
pub use mapping::{AccessError, Mapping};
pub use memory::SharedMemory;
pub use poller::{Interest, Poller, Ready, wait_for};
pub use socket::{MAX_DESCRIPTORS_PER_SEND, Received, Socket, is_too_many_references};
pub use storage::{Block, Storage};
pub use time::monotonic_micros;
