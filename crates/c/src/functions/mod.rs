//! What C programs call. One file for each header of the API; the behaviour is described there.
//!
//! Each function reads its arguments, calls the engine, and answers with a code. A required pointer that is null
//! is refused before anything else happens.

mod buffer;
mod data_pipe;
mod embedder;
mod general;
mod invitation;
mod message;
mod message_pipe;
mod platform_handle;
mod quota;
mod thunks;
mod wait;
mod watcher;

pub use buffer::*;
pub use data_pipe::*;
pub use embedder::*;
pub use general::*;
pub use invitation::*;
pub use message::*;
pub use message_pipe::*;
pub use platform_handle::*;
pub use quota::*;
pub use thunks::*;
pub use wait::*;
pub use watcher::*;

pub use crate::args::MojoOptions;
pub use crate::callbacks::{
    MojoHandleSignalsState, MojoMessageContextDestructor, MojoMessageContextSerializer, MojoProcessErrorDetails,
    MojoProcessErrorHandler, MojoWatcherCallback,
};
pub use crate::data_pipes::MojoCreateDataPipeOptions;
pub use crate::handles::MojoHandle;
pub use crate::invitations::{MojoInvitationTransportEndpoint, MojoPlatformProcessHandle, MojoSendInvitationOptions};
pub use crate::messages::MojoMessageHandle;
pub use crate::platform_handles::{MojoPlatformHandle, MojoSharedBufferGuid};
pub use crate::result::MojoResult;
