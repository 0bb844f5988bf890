//! Where the values of a channel arrive: the pipes of all its senders.

use super::MAX_SENDERS;
use super::wire::Received;
use crate::{Message, MessagePipe, Ready, RecvError, Signals, TryRecvError, WaitError, Waitable, wait_many};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

/// The receiving ends of a channel's pipes.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// Those whose senders live, as far as is known.
    pipes: Vec<MessagePipe>,
    /// Whose turn it is.
    next: usize,
    /// The waits that are under way, one for each pipe; or none.
    waits: Vec<Ready>,
}

impl From<Vec<MessagePipe>> for Inbox {
    fn from(pipes: Vec<MessagePipe>) -> Self {
        Self { pipes, next: 0, waits: Vec::new() }
    }
}

impl Inbox {
    pub(crate) fn pipes(&self) -> &[MessagePipe] {
        &self.pipes
    }

    /// Takes the oldest message of the next pipe that has any.
    pub(crate) fn try_recv(&mut self) -> Result<Message, TryRecvError> {
        let mut num_empty = 0;
        loop {
            if self.next >= self.pipes.len() {
                self.next = 0;
            }
            let Some(pipe) = self.pipes.get(self.next) else { return Err(TryRecvError::PeerClosed) };
            match pipe.try_recv() {
                Ok(message) => match Received::from(message) {
                    Received::Value(message) => {
                        self.next += 1;
                        return Ok(message);
                    }
                    Received::Sender(pipe) => self.add(pipe),
                },
                Err(TryRecvError::Empty) => {
                    self.next += 1;
                    num_empty += 1;
                    if num_empty >= self.pipes.len() {
                        return Err(TryRecvError::Empty);
                    }
                }
                Err(TryRecvError::PeerClosed) => {
                    self.waits.clear();
                    drop(self.pipes.remove(self.next));
                    // Whoever comes next has its place.
                    if num_empty > 0 && num_empty >= self.pipes.len() {
                        return Err(TryRecvError::Empty);
                    }
                }
                Err(TryRecvError::Forked) => return Err(TryRecvError::Forked),
            }
        }
    }

    /// Hears another sender. One too many is refused: its pipe is closed.
    fn add(&mut self, pipe: MessagePipe) {
        if self.pipes.len() < MAX_SENDERS {
            self.waits.clear();
            self.pipes.push(pipe);
        }
    }

    /// Takes a message as soon as there is one.
    pub(crate) fn recv(&mut self, deadline: Option<Instant>) -> Result<Message, RecvError> {
        loop {
            match self.try_recv() {
                Ok(message) => return Ok(message),
                Err(TryRecvError::PeerClosed) => return Err(RecvError::PeerClosed),
                Err(TryRecvError::Forked) => return Err(RecvError::Forked),
                Err(TryRecvError::Empty) => wait(&self.pipes, deadline)?,
            }
        }
    }

    /// Takes a message, or has the task called when it is worth trying again.
    pub(crate) fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, RecvError>> {
        loop {
            match self.try_recv() {
                Ok(message) => return Poll::Ready(Ok(message)),
                Err(TryRecvError::PeerClosed) => return Poll::Ready(Err(RecvError::PeerClosed)),
                Err(TryRecvError::Forked) => return Poll::Ready(Err(RecvError::Forked)),
                Err(TryRecvError::Empty) => {}
            }
            if self.waits.is_empty() {
                self.waits = self.pipes.iter().map(MessagePipe::readable).collect();
            }
            let mut any_ready = false;
            for wait in &mut self.waits {
                any_ready |= Pin::new(wait).poll(context).is_ready();
            }
            if !any_ready {
                return Poll::Pending;
            }
            self.waits.clear();
        }
    }
}

/// Blocks the thread until one of the pipes has something to say.
pub(crate) fn wait<'a>(
    pipes: impl IntoIterator<Item = &'a MessagePipe>,
    deadline: Option<Instant>,
) -> Result<(), RecvError> {
    let pipes: Vec<_> = pipes.into_iter().map(|pipe| (pipe as &dyn Waitable, Signals::READABLE)).collect();
    match wait_many(&pipes, deadline) {
        Err((_, WaitError::DeadlineExceeded)) => Err(RecvError::DeadlineExceeded),
        Err((_, WaitError::Forked)) => Err(RecvError::Forked),
        // A pipe that is closed is found to be so when it is asked.
        Ok(_) | Err((_, WaitError::Unsatisfiable(_))) => Ok(()),
    }
}
