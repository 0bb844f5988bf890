//! What both C faces of the libmojo engine have in common. It exports no symbol; the faces do.
//!
//! `handles` and `messages` turn what programs pass into objects of the engine, so that no value that is passed as a
//! handle can do harm; both are kept in a `slab`. `args` is how pointers are read and written; `callbacks` is how the
//! program is called back. The other files are for one kind of object each, and hold what all faces do with it; where
//! they differ they say so by arguments. There is one table of handles and one of messages in a process, whatever faces it uses.
#![deny(unsafe_code)]

pub mod args;
pub mod buffers;
pub mod callbacks;
pub mod contents;
pub mod data_pipes;
pub mod handles;
mod indices;
pub mod invitations;
pub mod messages;
pub mod pipes;
pub mod platform_handles;
pub mod quotas;
pub mod result;
mod slab;
pub mod time;
mod word;

pub use libmojo_core::is_forked;
pub use slab::{Borrowed, Claim};
pub use word::HandleWord;
