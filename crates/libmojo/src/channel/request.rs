//! Questions with answers.

use super::{Receiver, RecvError, SendError, Sender, TryRecvError, wire};
use crate::wait::Sealed;
use crate::{MessagePipe, Signals, Waitable};
use libmojo_core::is_forked;
use libmojo_core::object::Object;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A question, and where its answer goes. A channel of requests is a service.
///
/// ```
/// use libmojo::channel::{self, Request};
///
/// let (client, mut server) = channel::channel::<Request<u32, u32>>();
/// std::thread::spawn(move || {
///     for request in &mut server {
///         let Ok(Request { question, reply }) = request else { continue };
///         // Whoever has asked may have gone.
///         let _ = reply.send(question * question);
///     }
/// });
/// assert_eq!(client.request(12)?.recv()?, 144);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Request<Q, A> {
    /// What is asked.
    pub question: Q,
    /// Takes the answer.
    pub reply: Reply<A>,
}

/// Sends one answer. Dropped without one, it says so to whoever waits.
///
/// As a [`Waitable`], it is [closed](Waitable::closed) when nobody waits for the answer any more.
pub struct Reply<A> {
    pipe: MessagePipe,
    _answer: PhantomData<fn(A)>,
}

/// Waits for one answer, as a future or by blocking. Dropped, it cancels the request: whoever has the [`Reply`] sees it.
#[must_use = "dropping it cancels the request"]
pub struct Pending<A>(Receiver<A>);

/// A place for one answer, and who waits for it; for requests that are not sent with [`Sender::request`].
pub fn reply<A>() -> (Reply<A>, Pending<A>) {
    let (a, b) = MessagePipe::create();
    (Reply { pipe: a, _answer: PhantomData }, Pending(b.into()))
}

impl<Q, A> Sender<Request<Q, A>>
where
    Q: Serialize + Send + 'static,
    A: 'static,
{
    /// Asks. Never blocks.
    ///
    /// # Errors
    /// As [`send`](Sender::send). The question comes back.
    pub fn request(&self, question: Q) -> Result<Pending<A>, SendError<Q>> {
        let (a, b) = self.create_beside();
        let reply = Reply { pipe: a, _answer: PhantomData };
        match self.send(Request { question, reply }) {
            Ok(()) => Ok(Pending(b.into())),
            Err(SendError { kind, value }) => Err(SendError { kind, value: value.question }),
        }
    }

    /// Asks, or waits until the [quota](super::bounded) allows it, and then waits for the answer. Dropping the future
    /// cancels the request.
    ///
    /// # Errors
    /// [`RecvError::Closed`] also if the question cannot be sent.
    pub async fn ask(&self, question: Q) -> Result<A, RecvError>
    where
        A: DeserializeOwned,
    {
        let (a, b) = self.create_beside();
        let reply = Reply { pipe: a, _answer: PhantomData };
        let pending = Pending(b.into());
        if self.send_async(Request { question, reply }).await.is_err() {
            return Err(if is_forked() { RecvError::Forked } else { RecvError::Closed });
        }
        pending.await
    }
}

impl<A: Serialize + Send + 'static> Reply<A> {
    /// Answers.
    ///
    /// # Errors
    /// The answer comes back with the reason; [`PeerClosed`](crate::SendErrorKind::PeerClosed) if nobody waits for it
    /// any more.
    pub fn send(self, answer: A) -> Result<(), SendError<A>> {
        wire::send(&self.pipe, answer)
    }
}

impl<A> Reply<A> {
    /// True if nobody waits for the answer any more, as far as is known here.
    pub fn is_cancelled(&self) -> bool {
        self.signals().satisfied.contains(Signals::PEER_CLOSED)
    }
}

impl<A> Sealed for Reply<A> {
    fn object(&self) -> Object {
        self.pipe.object()
    }
}

impl<A> Waitable for Reply<A> {}

impl<A: DeserializeOwned + 'static> Pending<A> {
    /// Waits for the answer; blocks the thread.
    ///
    /// # Errors
    /// [`RecvError::Closed`] if there will be none, or see [`RecvError`].
    pub fn recv(mut self) -> Result<A, RecvError> {
        self.0.recv()
    }

    /// The answer, if it is there.
    ///
    /// # Errors
    /// See [`TryRecvError`].
    pub fn try_recv(&mut self) -> Result<A, TryRecvError> {
        self.0.try_recv()
    }

    /// Waits for the answer; blocks the thread for at most `timeout`, after which it can be waited for again.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<A, RecvError> {
        self.0.recv_timeout(timeout)
    }

    /// Waits for the answer; blocks the thread until `deadline` at most, after which it can be waited for again.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<A, RecvError> {
        self.0.recv_deadline(deadline)
    }
}

impl<A: DeserializeOwned + 'static> Future for Pending<A> {
    type Output = Result<A, RecvError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_recv(context)
    }
}

impl<A> fmt::Debug for Reply<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reply").field(&self.pipe).finish()
    }
}

impl<A> fmt::Debug for Pending<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pending").field(&self.0).finish()
    }
}

/// Only within a channel, as there is a handle inside.
impl<Q: Serialize, A> Serialize for Request<Q, A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.question, &self.reply).serialize(serializer)
    }
}

impl<'de, Q: Deserialize<'de>, A> Deserialize<'de> for Request<Q, A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (question, reply) = Deserialize::deserialize(deserializer)?;
        Ok(Self { question, reply })
    }
}

/// Only within a channel; everywhere else it fails.
impl<A> Serialize for Reply<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.pipe.serialize(serializer)
    }
}

impl<'de, A> Deserialize<'de> for Reply<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { pipe: MessagePipe::deserialize(deserializer)?, _answer: PhantomData })
    }
}

/// Only within a channel; everywhere else it fails.
impl<A> Serialize for Pending<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, A> Deserialize<'de> for Pending<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Receiver::deserialize(deserializer).map(Self)
    }
}
