//! Message pipes, data pipes, shared buffers and watchers, within a process and across processes.
//!
//! A [`MessagePipe`] carries [`Message`]s in both directions: bytes, with any number of [`Handle`]s attached,
//! which may be ends of pipes themselves. A pipe works the same whether its ends are in one process or in two,
//! and its ends can move while it is in use. Bulk data goes through data pipes ([`Producer`], [`Consumer`]),
//! data that several processes use at once through [`SharedBuffer`]s.
//!
//! A program that starts itself a second time and talks to that process:
//!
//! ```standalone_crate
//! use libmojo::{AcceptedInvitation, Invitation, Message, MessagePipe};
//! use std::{env, error::Error, process::Command};
//!
//! fn main() -> Result<(), Box<dyn Error>> {
//!     if env::args().nth(1).as_deref() == Some("child") {
//!         return child(AcceptedInvitation::inherited()?.extract(b"first")?);
//!     }
//!     let invitation = Invitation::new();
//!     let pipe = invitation.attach(b"first")?;
//!     let (mut child, _) = invitation.spawn(Command::new(env::current_exe()?).arg("child"))?;
//!     // One end of another pipe travels inside a message.
//!     let (talk, listen) = MessagePipe::create();
//!     pipe.send(Message::from("talk over this").with(listen))?;
//!     talk.send("hello".into())?;
//!     assert_eq!(talk.recv()?.payload(), b"HELLO");
//!     child.wait()?;
//!     Ok(())
//! }
//!
//! fn child(pipe: MessagePipe) -> Result<(), Box<dyn Error>> {
//!     let listen = pipe.recv()?.take_handles()?.remove(0).into_pipe().expect("a pipe end");
//!     let text = listen.recv()?.payload().to_ascii_uppercase();
//!     Ok(listen.send(Message::new(&text))?)
//! }
//! ```
//!
//! Two processes get their first pipes in common through an [`Invitation`], sent over a connected UNIX socket.
//! From then on everything else can be sent through those.
//!
//! The project's guide says which of these to choose when, and its examples show them at work.
//!
//! # Ownership, threads, waiting
//!
//! Every value owns its object: dropping it closes the object, and sending it moves it. All operations may be
//! called from any thread. Each can be tried (`try_recv`), waited for by blocking (`recv`, `recv_timeout`,
//! [`wait_many`]), or awaited by a task of any executor (`recv_async`, [`Waitable::ready`]
//! and its shorthands).
//!
//! # Forking
//!
//! A process that is forked off without executing a program has a copy of everything and can use none of it: the
//! objects and connections are its parent's, who notices nothing, and neither do those that are connected to it. Every
//! operation fails there, with an error named `Forked` or of the kind
//! [`Unsupported`](std::io::ErrorKind::Unsupported); those that cannot fail do nothing; dropping an object does
//! nothing. What is memory and nothing else goes on: payloads, values in messages, shared buffers and their mappings.
//! A process that forks before it uses the library can use it on both sides.
//!
//! # Features
//!
//! None is on by default.
//!
//! * `futures`: `MessageStream`, an end of a pipe as a `Stream` and a `Sink` of the crates `futures-core` and
//!   `futures-sink`.
#![forbid(unsafe_code)]

/// The programs in the guide.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide.md")]
struct Guide;

mod data_pipe;
mod error;
mod handle;
mod invitation;
mod message;
mod owned;
mod pipe;
pub mod quota;
#[cfg(doctest)]
mod refused;
mod result_code;
mod server;
mod shared_buffer;
#[cfg(feature = "futures")]
mod stream;
mod wait;
mod watcher;

pub use data_pipe::{Consumer, DataPipeOptions, Producer, ReadWindow, WriteWindow};
pub use error::{
    BufferError, DataPipeError, FuseError, InvitationError, RecvError, SendError, SendErrorKind, SerializeError,
    TakeError, TryRecvError, WaitError, WatchError,
};
pub use handle::Handle;
pub use invitation::{AcceptedInvitation, INVITATION_VARIABLE, Invitation, socket_pair};
pub use libmojo_core::buffer::Guid;
pub use libmojo_core::invitation::SendOptions;
pub use libmojo_core::limits;
pub use libmojo_core::node::{
    Connection, DataPipeSnapshot, Driver, ErrorHandler, LinkPart, LinkSnapshot, Node, PortPlace, PortRole,
    PortSnapshot, ProcessError, ShortName, Snapshot, TrafficSnapshot,
};
pub use libmojo_core::signals::{Signals, SignalsState};
pub use libmojo_core::watcher::{Notification, WatchEvent};
pub use libmojo_core::{AccessError, Credentials, Mapping};
pub use message::{Message, Serialize};
pub use pipe::MessagePipe;
pub use result_code::ResultCode;
pub use server::{Incoming, Server, connect, connect_abstract};
pub use shared_buffer::SharedBuffer;
#[cfg(feature = "futures")]
pub use stream::MessageStream;
pub use wait::{Ready, Waitable, wait_many};
pub use watcher::Watcher;
