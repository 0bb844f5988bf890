//! Typed channels: any value that `serde` can serialize, with handles anywhere inside.
//!
//! A [`Sender`] sends values of one type to a [`Receiver`]. Both can go anywhere: to other threads, and inside values
//! to other processes, as can ends of message pipes and data pipes, [shared buffers](crate::SharedBuffer),
//! [descriptors](Descriptor) and [bytes](Bytes). Between threads of one process values move as they are; they are
//! serialized only if they leave the process.
//!
//! ```
//! use libmojo::channel::{self, Sender};
//!
//! // A value that says where the answer goes.
//! let (tx, mut rx) = channel::channel::<(String, Sender<usize>)>();
//! let (answer, mut answers) = channel::channel();
//! tx.send(("how long is this?".into(), answer))?;
//!
//! let (question, answer) = rx.recv()?;
//! answer.send(question.len())?;
//! assert_eq!(answers.recv()?, 17);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Other processes
//!
//! Two processes get their first channel in common as they get their first pipe: an end of a message pipe, from an
//! [`Invitation`](crate::Invitation), turns [into a sender](Sender::from) or [a receiver](Receiver::from). Or one of them
//! waits for the other as a [`OneShotServer`].
//!
//! ```
//! use libmojo::channel::{Receiver, Sender};
//! use libmojo::{AcceptedInvitation, Invitation, socket_pair};
//!
//! # let there = libmojo::Node::new();
//! let invitation = Invitation::new();
//! let tx = Sender::from(invitation.attach(b"numbers")?);
//! let (ours, theirs) = socket_pair()?;
//! invitation.send(ours).map_err(|(error, _socket)| error)?;
//! tx.send(vec![1, 2, 3])?;
//! // … in the other process, which has `theirs`:
//! let accepted = AcceptedInvitation::accept_on(&there, theirs).map_err(|(error, _socket)| error)?;
//! let mut rx = Receiver::<Vec<i32>>::from(accepted.extract(b"numbers")?);
//! assert_eq!(rx.recv()?, [1, 2, 3]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What serializing means
//!
//! Handles are taken out of a value while it is serialized, so it has to be serialized by [`serde::Serialize`] as a whole,
//! and by nothing but a channel: anywhere else handles fail to be serialized. If a value is refused, for whatever reason, it
//! comes back whole, with its handles. Handles that are shared, as in an `Arc`, leave all who share them.
//!
//! The format is postcard's, which does not describe itself: both sides need the same types, and `#[serde(flatten)]`,
//! `#[serde(untagged)]` and `#[serde(tag = …)]` do not work with it.
//!
//! # Values from those whom nobody trusts
//!
//! Whatever another process sends is a value of the type or a [`BadValue`], which can be [reported](BadValue::report), and
//! the channel goes on. Nothing is allocated because a message says so. A value is nested at most [`MAX_VALUE_DEPTH`]
//! levels, and a sender that would have it deeper is understood as [malformed](BadReason::Malformed); so are sequences of
//! many elements that take no bytes, as of `()`.
//!
//! # More
//!
//! [`Request`] and [`Reply`] for questions with answers; [`ReceiverSet`] to receive from many; [`Router`] to have
//! functions called; [`bounded`] for back-pressure.

mod bounded;
mod bytes;
mod cargo;
mod error;
mod inbox;
mod objects;
mod one_shot;
mod receiver;
mod request;
mod router;
mod sender;
mod set;
mod wire;

pub use bytes::Bytes;
pub use error::{BadReason, BadValue, RecvError, SendError, TryRecvError};
pub use objects::Descriptor;
pub use one_shot::OneShotServer;
pub use receiver::{Iter, Receiver};
pub use request::{Pending, Reply, Request, reply};
pub use router::Router;
pub use sender::Sender;
pub use set::{Event, OpaqueMessage, ReceiverSet};

use crate::quota::{Amount, Quota, Quotas};
use crate::{MessagePipe, Node};

/// How deep the values within a value that comes from another process can be nested.
pub const MAX_VALUE_DEPTH: usize = 128;

/// The most senders that one receiver hears at a time. Clones in one process count as one.
pub const MAX_SENDERS: usize = 4096;

/// Makes a channel and returns its two ends.
///
/// What was sent waits without a limit; see [`bounded`].
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    channel_on(Node::process())
}

/// Makes a channel on a node of its own, for programs that are several nodes at once.
pub fn channel_on<T>(node: &Node) -> (Sender<T>, Receiver<T>) {
    let (a, b) = MessagePipe::create_on(node);
    (a.into(), b.into())
}

/// Makes a channel in which at most so many values wait. A sender that has to wait says so, or waits: see
/// [`send`](Sender::send) and [`send_blocking`](Sender::send_blocking).
///
/// The limit goes with the sender. A clone that goes to another process has a limit of its own, of the same size.
///
/// ```
/// use libmojo::SendErrorKind;
/// use libmojo::channel;
///
/// let (tx, mut rx) = channel::bounded(1);
/// tx.send("first".to_string())?;
/// let refused = tx.send("second".to_string()).unwrap_err();
/// assert_eq!(refused.kind, SendErrorKind::QuotaReached);
/// rx.recv()?;
/// tx.send_blocking(refused.value)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn bounded<T>(max_values: u64) -> (Sender<T>, Receiver<T>) {
    let (a, b) = MessagePipe::create();
    a.set_quotas(Quotas { sent: Quota::enforced(Amount::messages(max_values)), ..Quotas::default() });
    (a.into(), b.into())
}
