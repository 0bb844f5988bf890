//! What the C API promises, function by function: what each answers, in which order it looks at its arguments, what it
//! does to them, and what it leaves alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod attachments;
mod buffers;
mod callbacks;
mod calls;
mod contexts;
mod data_pipes;
mod forks;
mod functions;
mod invitations;
mod message_pipes;
mod messages;
mod platform_handles;
mod processes;
mod quotas;
mod scale;
mod support;
mod threads;
mod watchers;
