//! The end of a channel that sends.

use super::cargo::Leaving;
use super::{SendError, wire};
use crate::quota::Quotas;
use crate::wait::Sealed;
use crate::{Handle, MessagePipe, SendErrorKind, Signals, WaitError, Waitable};
use libmojo_core::is_forked;
use libmojo_core::object::Object;
use libmojo_sync::Arc;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

/// The end of a [channel](mod@crate::channel) that sends.
///
/// Clones in one process share one pipe: what they send arrives in the order in which it was sent. A clone that goes to
/// another process while others stay has a pipe of its own from then on, whose messages the receiver takes in turn with the
/// others': what was sent by the clones of one process arrives in order, and after all that was sent before the clone left.
/// The channel is closed for the receiver when all of them are.
///
/// As a [`Waitable`], it is [writable](Waitable::writable) when the quota allows another value, and
/// [closed](Waitable::closed) when the receiver is. All operations may be called from any thread.
pub struct Sender<T> {
    pipe: Arc<MessagePipe>,
    _values: PhantomData<fn(T)>,
}

/// The other end of the pipe turns into a [`Receiver`](super::Receiver) of the same type. What was sent through the pipe
/// otherwise is a [`BadValue`](super::BadValue) there.
impl<T> From<MessagePipe> for Sender<T> {
    fn from(pipe: MessagePipe) -> Self {
        Self { pipe: Arc::new(pipe), _values: PhantomData }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { pipe: self.pipe.clone(), _values: PhantomData }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&self.pipe).finish()
    }
}

impl<T> Sealed for Sender<T> {
    fn object(&self) -> Object {
        self.pipe.object()
    }
}

impl<T> Waitable for Sender<T> {}

impl<T> Sender<T> {
    /// The pipe itself, which all clones in this process share. It comes back as a sender if there are other clones.
    pub fn into_pipe(self) -> Result<MessagePipe, Self> {
        Arc::try_unwrap(self.pipe).map_err(Self::shared)
    }

    fn shared(pipe: Arc<MessagePipe>) -> Self {
        Self { pipe, _values: PhantomData }
    }

    /// A pipe on the node of the channel.
    pub(super) fn create_beside(&self) -> (MessagePipe, MessagePipe) {
        self.pipe.create_beside()
    }

    /// The quotas on what may wait in the channel; none unless some were set.
    pub fn quotas(&self) -> Quotas {
        self.pipe.quotas()
    }

    /// Gives the channel other [quotas](crate::quota), for what is sent by this sender and its clones in this process. A
    /// quota of bytes has all values serialized, as those that are not have no size.
    pub fn set_quotas(&self, quotas: Quotas) {
        self.pipe.set_quotas(quotas);
    }
}

impl<T: Serialize + Send + 'static> Sender<T> {
    /// Sends a value. Never blocks.
    ///
    /// If the receiver is in this process the value moves to it as it is. Otherwise it is serialized now, on this thread;
    /// and if the receiver goes to another process later, then, by whoever sends it there.
    ///
    /// # Errors
    /// The value comes back with the reason, whole:
    /// [`NotSerializable`](SendErrorKind::NotSerializable) if serializing it has failed, one of its handles is in use
    /// or was sent away, or the quota does not allow it to take a clone of a sender along. A value that was accepted can
    /// still be lost if the receiver goes before it has received it.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        wire::send(&self.pipe, value)
    }

    /// Sends a value; blocks the thread while the [quota](super::bounded) is reached.
    ///
    /// # Errors
    /// As [`send`](Self::send), but never [`SendErrorKind::QuotaReached`].
    pub fn send_blocking(&self, value: T) -> Result<(), SendError<T>> {
        self.send_until(value, None)
    }

    /// Sends a value; blocks the thread for at most `timeout` while the [quota](super::bounded) is reached.
    ///
    /// # Errors
    /// As [`send`](Self::send); after the timeout, [`SendErrorKind::QuotaReached`].
    pub fn send_timeout(&self, value: T, timeout: Duration) -> Result<(), SendError<T>> {
        self.send_until(value, Instant::now().checked_add(timeout))
    }

    /// Sends a value; blocks the thread until `deadline` at most while the [quota](super::bounded) is reached.
    ///
    /// # Errors
    /// As [`send`](Self::send); after the deadline, [`SendErrorKind::QuotaReached`].
    pub fn send_deadline(&self, value: T, deadline: Instant) -> Result<(), SendError<T>> {
        self.send_until(value, Some(deadline))
    }

    fn send_until(&self, mut value: T, deadline: Option<Instant>) -> Result<(), SendError<T>> {
        loop {
            match self.send(value) {
                Err(SendError { kind: SendErrorKind::QuotaReached, value: refused }) => value = refused,
                outcome => return outcome,
            }
            // Anything else that ends the wait shows when the value is sent again.
            if self.wait(Signals::WRITABLE, deadline) == Err(WaitError::DeadlineExceeded) {
                return self.send(value);
            }
        }
    }

    /// Sends a value, or waits until the [quota](super::bounded) allows it. Nothing is sent if the future is dropped before
    /// it is ready; the value is dropped with it.
    ///
    /// # Errors
    /// As [`send`](Self::send), but never [`SendErrorKind::QuotaReached`].
    pub async fn send_async(&self, mut value: T) -> Result<(), SendError<T>> {
        loop {
            match self.send(value) {
                Err(SendError { kind: SendErrorKind::QuotaReached, value: refused }) => value = refused,
                outcome => return outcome,
            }
            // Whatever ends the wait shows when the value is sent again.
            let _ = self.ready(Signals::WRITABLE).await;
        }
    }
}

/// Only within a channel; everywhere else it fails.
impl<T> Serialize for Sender<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if Arc::strong_count(&self.pipe) == 1 {
            return self.pipe.serialize(serializer);
        }
        if is_forked() || !Leaving::is_under_way() {
            return Err(ser::Error::custom("senders can only be sent through channels"));
        }
        let (new, other) = self.pipe.create_beside();
        new.set_quotas(self.pipe.quotas());
        match wire::announce(&self.pipe, other) {
            // The new sender finds that it is closed, as this one does.
            Ok(()) | Err(SendErrorKind::PeerClosed) => {}
            Err(kind) => return Err(ser::Error::custom(kind)),
        }
        serializer.serialize_u32(Leaving::add_new(Handle::Pipe(new))?)
    }
}

/// Only within a channel; everywhere else it fails.
impl<'de, T> Deserialize<'de> for Sender<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        MessagePipe::deserialize(deserializer).map(Self::from)
    }
}
