//! The engine of libmojo: everything a handle can mean, and the node that connects processes.
//!
//! Both faces of the library, the safe Rust API and the C ABI, are thin layers over the objects of this crate.
//!
//! | module | what it holds |
//! |---|---|
//! | [`signals`] | sets of signals and what they mean to someone who waits |
//! | [`message`], `contents`, `payload`, `attachment` | messages, their bytes, and what is attached to them |
//! | [`pipe`], [`data_pipe`], [`buffer`], [`platform_handle`] | the transferable objects |
//! | [`watcher`], [`wait`], `observe` | hearing of changes: callbacks, blocked threads, tasks |
//! | `patience`, `park` | waiting awake, and asleep |
//! | `ring`, `words` | bytes in a circle, in memory that processes share, and the words that go with them |
//! | [`object`] | any of them, as a handle table or a message sees it |
//! | [`invitation`], [`node`] | other processes: links, frames, the I/O thread |
//! | `deferred` | foreign code that is due, and when it runs |
//! | [`limits`] | every limit, by name |
#![forbid(unsafe_code)]

mod attachment;
pub mod buffer;
mod contents;
pub mod data_pipe;
mod deferred;
pub mod invitation;
pub mod limits;
pub mod message;
pub mod node;
pub mod object;
mod observe;
mod park;
mod patience;
mod payload;
pub mod pipe;
pub mod platform_handle;
mod pool;
mod ring;
pub mod signals;
mod stock;
pub mod wait;
pub mod watcher;
mod words;

pub use deferred::{Deferred, as_caused_by_call, as_one_call};
pub use libmojo_platform::{
    AccessError, Credentials, INHERITED_SOCKET, Interest, Listener, Mapping, Socket, forked_error, inherited_socket,
    is_forked, monotonic_micros, random, spawn_with_socket, wait_for,
};
pub use libmojo_sync::Exclusive;
