//! Receiving from many channels at once.

use super::inbox::{self, Inbox};
use super::receiver::translate;
use super::wire::decode;
use super::{BadValue, Receiver, RecvError};
use crate::Message;
use serde::de::DeserializeOwned;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Receivers of any types, to wait for all at once.
///
/// ```
/// use libmojo::channel::{self, Event, ReceiverSet};
///
/// let (words, word_receiver) = channel::channel::<String>();
/// let (numbers, number_receiver) = channel::channel::<u64>();
/// let mut set = ReceiverSet::new();
/// let word = set.add(word_receiver);
/// let number = set.add(number_receiver);
/// numbers.send(7)?;
///
/// for event in set.select()? {
///     match event {
///         Event::Message(id, message) if id == number => assert_eq!(message.to::<u64>()?, 7),
///         Event::Message(_, message) => println!("{}", message.to::<String>()?),
///         Event::Closed(id) => println!("channel {id} is closed"),
///     }
/// }
/// # drop((words, word));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct ReceiverSet {
    members: Vec<(u64, Inbox)>,
    next_id: u64,
}

/// What has happened to a receiver in a [`ReceiverSet`], which knows it by the number.
#[derive(Debug)]
pub enum Event {
    /// A message has come for it.
    Message(u64, OpaqueMessage),
    /// All that was sent to it was received, and its senders are closed. It is no member any more.
    Closed(u64),
}

/// A message whose type only the one knows who has put its receiver into the set.
#[derive(Debug)]
pub struct OpaqueMessage(Message);

impl OpaqueMessage {
    /// The value in it.
    ///
    /// # Errors
    /// It is none of this type. If it comes from this process it is serialized before that is found out.
    pub fn to<T: DeserializeOwned + 'static>(self) -> Result<T, BadValue> {
        decode(self.0)
    }
}

impl From<OpaqueMessage> for Message {
    fn from(message: OpaqueMessage) -> Message {
        message.0
    }
}

impl ReceiverSet {
    /// A set without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a receiver; returns its number, which no other member gets.
    pub fn add<T>(&mut self, receiver: Receiver<T>) -> u64 {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        self.members.push((id, receiver.into_inbox()));
        id
    }

    /// Takes a receiver out again. `None` if it is no member, or is known to be closed. The type is up to the caller.
    pub fn remove<T>(&mut self, id: u64) -> Option<Receiver<T>> {
        let at = self.members.iter().position(|(member, _)| *member == id)?;
        Some(Receiver::from_inbox(self.members.remove(at).1))
    }

    /// True if there is no receiver in the set.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Waits until anything happens to any of them, and returns the next thing for each; blocks the thread.
    ///
    /// # Errors
    /// [`RecvError::Closed`] if there is no member left.
    pub fn select(&mut self) -> Result<Vec<Event>, RecvError> {
        self.select_until(None)
    }

    /// Like [`select`](Self::select), for at most `timeout`.
    ///
    /// # Errors
    /// As [`select`](Self::select), or [`RecvError::DeadlineExceeded`].
    pub fn select_timeout(&mut self, timeout: Duration) -> Result<Vec<Event>, RecvError> {
        self.select_until(Instant::now().checked_add(timeout))
    }

    /// Like [`select`](Self::select), until `deadline` at most.
    ///
    /// # Errors
    /// As [`select`](Self::select), or [`RecvError::DeadlineExceeded`].
    pub fn select_deadline(&mut self, deadline: Instant) -> Result<Vec<Event>, RecvError> {
        self.select_until(Some(deadline))
    }

    fn select_until(&mut self, deadline: Option<Instant>) -> Result<Vec<Event>, RecvError> {
        loop {
            let events = self.try_select()?;
            if !events.is_empty() {
                return Ok(events);
            }
            let pipes = self.members.iter().flat_map(|(_, inbox)| inbox.pipes());
            inbox::wait(pipes, deadline).map_err(translate)?;
        }
    }

    /// Returns the next thing that has happened to each of them; nothing, perhaps.
    ///
    /// # Errors
    /// As [`select`](Self::select).
    pub fn try_select(&mut self) -> Result<Vec<Event>, RecvError> {
        self.collect(Inbox::try_recv, |error| match error {
            crate::TryRecvError::Empty => None,
            crate::TryRecvError::PeerClosed => Some(RecvError::Closed),
            crate::TryRecvError::Forked => Some(RecvError::Forked),
        })
    }

    /// Like [`select`](Self::select), for tasks. Nothing is lost if the future is dropped.
    ///
    /// # Errors
    /// As [`select`](Self::select).
    pub async fn select_async(&mut self) -> Result<Vec<Event>, RecvError> {
        poll_fn(|context| self.poll_select(context)).await
    }

    /// Like [`try_select`](Self::try_select), but has the task called when it is worth trying again.
    ///
    /// # Errors
    /// As [`select`](Self::select).
    pub fn poll_select(&mut self, context: &mut Context<'_>) -> Poll<Result<Vec<Event>, RecvError>> {
        let poll = |inbox: &mut Inbox| match inbox.poll_recv(context) {
            Poll::Ready(outcome) => outcome.map_err(|error| Some(translate(error))),
            Poll::Pending => Err(None),
        };
        match self.collect(poll, |error| error) {
            Ok(events) if events.is_empty() => Poll::Pending,
            outcome => Poll::Ready(outcome),
        }
    }

    /// Asks each member. `reason` of an error is `None` if there is just nothing at the moment.
    fn collect<E>(
        &mut self,
        mut ask: impl FnMut(&mut Inbox) -> Result<Message, E>,
        reason: impl Fn(E) -> Option<RecvError>,
    ) -> Result<Vec<Event>, RecvError> {
        if self.members.is_empty() {
            return Err(RecvError::Closed);
        }
        let mut events = Vec::new();
        let mut is_forked = false;
        self.members.retain_mut(|(id, inbox)| match ask(inbox).map_err(&reason) {
            Ok(message) => {
                events.push(Event::Message(*id, OpaqueMessage(message)));
                true
            }
            Err(Some(RecvError::Closed)) => {
                events.push(Event::Closed(*id));
                false
            }
            Err(other) => {
                is_forked |= other.is_some();
                true
            }
        });
        if is_forked { Err(RecvError::Forked) } else { Ok(events) }
    }
}
