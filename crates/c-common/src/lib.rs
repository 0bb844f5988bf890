//! What both C faces of the libmojo engine have in common. It exports no symbol; the faces do.
//!
//! `handles` and `messages` turn what programs pass into objects of the engine, so that no value that is passed as a
//! handle can do harm; both are kept in a `slab`. `args` is how pointers are read and written; `callbacks` is how the
//! program is called back. There is one table of handles and one of messages in a process, whatever faces it uses.
#![deny(unsafe_code)]

pub mod args;
pub mod callbacks;
pub mod handles;
mod indices;
pub mod messages;
pub mod result;
mod slab;
pub mod time;

pub use libmojo_core::is_forked;
pub use slab::{Borrowed, Claim};
