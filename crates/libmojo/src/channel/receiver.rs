//! The end of a channel that receives.

use super::inbox::Inbox;
use super::wire::decode;
use super::{BadValue, MAX_SENDERS, RecvError, TryRecvError};
use crate::{MessagePipe, Waitable};
use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The end of a [channel](mod@crate::channel) that receives. Dropping it closes the channel.
///
/// Values of one sender arrive in order; those of [senders in several processes](super::Sender) are taken in turn.
pub struct Receiver<T> {
    inbox: Inbox,
    _values: PhantomData<fn() -> T>,
}

/// The other end of the pipe turns into a [`Sender`](super::Sender) of the same type.
impl<T> From<MessagePipe> for Receiver<T> {
    fn from(pipe: MessagePipe) -> Self {
        Self::from_inbox(vec![pipe].into())
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receiver").field(&self.inbox.pipes()).finish()
    }
}

impl<T> Receiver<T> {
    pub(super) fn from_inbox(inbox: Inbox) -> Self {
        Self { inbox, _values: PhantomData }
    }

    /// Gives the channel a [label](crate::Waitable::set_label) at this end, for what comes from the senders that are known
    /// so far.
    pub fn set_label(&self, label: &str) {
        self.inbox.pipes().iter().for_each(|pipe| pipe.set_label(label));
    }

    pub(super) fn into_inbox(self) -> Inbox {
        self.inbox
    }
}

impl<T: DeserializeOwned + 'static> Receiver<T> {
    /// Receives the oldest value, if there is one.
    ///
    /// # Errors
    /// See [`TryRecvError`]. A [bad](TryRecvError::Bad) message is gone, and the next can be received.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let message = self.inbox.try_recv().map_err(|error| match error {
            crate::TryRecvError::Empty => TryRecvError::Empty,
            crate::TryRecvError::PeerClosed => TryRecvError::Closed,
            crate::TryRecvError::Forked => TryRecvError::Forked,
        })?;
        decode(message).map_err(TryRecvError::Bad)
    }

    /// Receives the oldest value; blocks the thread until there is one.
    ///
    /// # Errors
    /// See [`RecvError`]. A [bad](RecvError::Bad) message is gone, and the next can be received.
    pub fn recv(&mut self) -> Result<T, RecvError> {
        self.recv_until(None)
    }

    /// Receives the oldest value; blocks the thread for at most `timeout`.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<T, RecvError> {
        self.recv_until(Instant::now().checked_add(timeout))
    }

    /// Receives the oldest value; blocks the thread until `deadline` at most.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<T, RecvError> {
        self.recv_until(Some(deadline))
    }

    fn recv_until(&mut self, deadline: Option<Instant>) -> Result<T, RecvError> {
        decode(self.inbox.recv(deadline).map_err(translate)?).map_err(RecvError::Bad)
    }

    /// Receives the oldest value, or waits for one. No value is lost if the future is dropped.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub async fn recv_async(&mut self) -> Result<T, RecvError> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// Receives the oldest value, or has the task called when it is worth trying again. One task can wait at a time.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Result<T, RecvError>> {
        let message = self.inbox.poll_recv(context);
        message.map(|message| decode(message.map_err(translate)?).map_err(RecvError::Bad))
    }

    /// The values as they come, until the channel is closed. Blocks the thread until there is one.
    ///
    /// ```
    /// let (tx, mut rx) = libmojo::channel();
    /// (1..=3).try_for_each(|number| tx.send(number))?;
    /// drop(tx);
    /// assert_eq!(rx.iter().sum::<Result<i32, _>>()?, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&mut self) -> Iter<'_, T> {
        Iter(self)
    }
}

pub(super) fn translate(error: crate::RecvError) -> RecvError {
    match error {
        crate::RecvError::PeerClosed => RecvError::Closed,
        crate::RecvError::DeadlineExceeded => RecvError::DeadlineExceeded,
        crate::RecvError::Forked => RecvError::Forked,
    }
}

/// What [`Receiver::iter`] returns. Ends when the channel is closed; in a [forked](crate#forking) process, at once.
#[derive(Debug)]
pub struct Iter<'a, T>(&'a mut Receiver<T>);

impl<T: DeserializeOwned + 'static> Iterator for Iter<'_, T> {
    type Item = Result<T, BadValue>;

    fn next(&mut self) -> Option<Self::Item> {
        until_closed(self.0.recv())
    }
}

impl<'a, T: DeserializeOwned + 'static> IntoIterator for &'a mut Receiver<T> {
    type Item = Result<T, BadValue>;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// Ends when the channel is closed; in a [forked](crate#forking) process, at once.
#[cfg(feature = "futures")]
impl<T: DeserializeOwned + 'static> futures_core::Stream for Receiver<T> {
    type Item = Result<T, BadValue>;

    fn poll_next(mut self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<T, BadValue>>> {
        self.poll_recv(context).map(until_closed)
    }
}

pub(super) fn until_closed<T>(outcome: Result<T, RecvError>) -> Option<Result<T, BadValue>> {
    match outcome {
        Ok(value) => Some(Ok(value)),
        Err(RecvError::Bad(bad)) => Some(Err(bad)),
        Err(_) => None,
    }
}

/// Only within a channel; everywhere else it fails. The receiver leaves with the value, and with it all that was sent to it.
impl<T> Serialize for Receiver<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.inbox.pipes().serialize(serializer)
    }
}

/// Only within a channel; everywhere else it fails.
impl<'de, T> Deserialize<'de> for Receiver<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pipes = Vec::<MessagePipe>::deserialize(deserializer)?;
        if pipes.len() > MAX_SENDERS {
            return Err(de::Error::custom("too many senders"));
        }
        Ok(Self::from_inbox(pipes.into()))
    }
}
