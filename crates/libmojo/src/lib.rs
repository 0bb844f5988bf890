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
//! # Ownership and threads
//!
//! Every value owns its object: dropping it closes the object, and sending it moves it. All operations may be
//! called from any thread.
//!
//! # Three ways to wait
//!
//! What can be waited for can be tried, waited for by blocking, or awaited by a task of any executor. The names say which:
//! `try_` never waits, and `_async` returns a future. Sending to a pipe without a [quota] has nothing to wait for, so there
//! the plain name tries.
//!
//! | | try | block | block until | await |
//! |---|---|---|---|---|
//! | messages | [`try_recv`](MessagePipe::try_recv) | [`recv`](MessagePipe::recv) | [`recv_timeout`](MessagePipe::recv_timeout), [`recv_deadline`](MessagePipe::recv_deadline) | [`recv_async`](MessagePipe::recv_async) |
//! | messages, to a quota | [`send`](MessagePipe::send) | [`send_blocking`](MessagePipe::send_blocking) | [`send_timeout`](MessagePipe::send_timeout), [`send_deadline`](MessagePipe::send_deadline) | [`send_async`](MessagePipe::send_async) |
//! | bytes, from a data pipe | [`try_read`](Consumer::try_read) | [`io::Read`](std::io::Read) | | [`read_async`](Consumer::read_async) |
//! | bytes, to a data pipe | [`try_write`](Producer::try_write) | [`io::Write`](std::io::Write) | | [`write_async`](Producer::write_async) |
//! | one of some signals | [`signals`](Waitable::signals) | [`wait`](Waitable::wait) | [`wait`](Waitable::wait) | [`ready`](Waitable::ready), [`readable`](Waitable::readable), [`writable`](Waitable::writable), [`closed`](Waitable::closed) |
//! | several objects | | [`wait_many`] | [`wait_many`] | any combination of these futures |
//!
//! A future that is dropped before it is ready has done nothing: no message is lost, no byte is consumed, nothing is sent.
//! (Those that copy from or to a descriptor go on from step to step instead, and say what holds.) It needs no runtime, and
//! is ready at once, without giving way to other tasks, if there is nothing to wait for.
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
//! * `futures-io`: `AsyncProducer` and `AsyncConsumer`, ends of data pipes as `AsyncWrite` and `AsyncRead` of the crate
//!   `futures-io`.
//! * `tokio`: the same as `AsyncWrite` and `AsyncRead` of tokio; copying between data pipes and its sockets; and the module
//!   `tokio`, by which a runtime does the I/O of a node.
//! * `serde`: the module `channel`, typed channels for any value that `serde` can serialize, with handles anywhere inside.
#![forbid(unsafe_code)]

/// The programs in the guide.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide.md")]
struct Guide;

/// The programs for those who know another crate.
#[cfg(all(doctest, feature = "serde"))]
#[doc = include_str!("../../../docs/ipc-channel.md")]
struct IpcChannel;

#[cfg(feature = "serde")]
pub mod channel;
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
#[cfg(feature = "tokio")]
pub mod tokio;
mod wait;
mod watcher;

#[cfg(feature = "serde")]
pub use channel::channel;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub use data_pipe::{AsyncConsumer, AsyncProducer};
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
    BufferSnapshot, Connection, DataPipeSnapshot, Driver, ErrorHandler, LinkPart, LinkSnapshot, Node, PortPlace,
    PortRole, PortSnapshot, ProcessError, ShortName, Snapshot, TrafficSnapshot,
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
