//! The functions of the tables. One file for each kind of object; what they do is described in `docs/stable-abi.md`.

mod buffer;
mod data_pipe;
mod general;
mod invitation;
mod message;
mod message_pipe;
mod platform_handle;
mod quota;
mod trap;

pub(crate) use buffer::*;
pub(crate) use data_pipe::*;
pub(crate) use general::*;
pub(crate) use invitation::*;
pub(crate) use message::*;
pub(crate) use message_pipe::*;
pub(crate) use platform_handle::*;
pub(crate) use quota::*;
pub(crate) use trap::*;
