//! Message pipes.

use crate::owned::Owned;
use crate::{
    FuseError, Message, Node, RecvError, SendError, SendErrorKind, Signals, TryRecvError, WaitError, Waitable,
};
use libmojo_core::is_forked;
use libmojo_core::pipe::{self as core, Pipe};
use std::time::{Duration, Instant};

/// One end of a message pipe: messages sent here are received at the other end, in order, and the other way
/// round. Dropping it closes the end; what was sent before still arrives.
#[derive(Debug)]
pub struct MessagePipe(Owned<Pipe>);

impl MessagePipe {
    /// Makes a pipe and returns its two ends.
    pub fn create() -> (MessagePipe, MessagePipe) {
        Self::create_on(Node::process())
    }

    /// Makes a pipe on a node of its own, for programs that are several nodes at once.
    pub fn create_on(node: &Node) -> (MessagePipe, MessagePipe) {
        let (a, b) = Pipe::create(node);
        (Self::own(a), Self::own(b))
    }

    pub(crate) fn own(pipe: Pipe) -> Self {
        Self(Owned::new(pipe))
    }

    /// Makes a pipe on the node of this one.
    #[cfg(feature = "serde")]
    pub(crate) fn create_beside(&self) -> (MessagePipe, MessagePipe) {
        if is_forked() {
            return Self::create();
        }
        let (a, b) = self.0.create_beside();
        (Self::own(a), Self::own(b))
    }

    /// Gives up ownership without closing.
    pub(crate) fn release(self) -> Pipe {
        self.0.release()
    }

    pub(crate) fn inner(&self) -> &Pipe {
        &self.0
    }

    #[cfg(feature = "serde")]
    pub(crate) fn owned(&self) -> &Owned<Pipe> {
        &self.0
    }

    /// Sends a message. Never blocks: what the peer has not read waits, without a limit unless the end has a
    /// [quota](crate::quota).
    ///
    /// # Errors
    /// The message comes back with the reason. A message that was accepted can still be lost if the peer closes
    /// before it reads it.
    pub fn send(&self, message: Message) -> Result<(), SendError> {
        if is_forked() {
            return Err(SendError { kind: SendErrorKind::Forked, message });
        }
        let outcome = self.0.send(message.into());
        outcome.map_err(|(error, message)| SendError { kind: translate(error), message: message.into() })
    }

    /// Receives the oldest message, if there is one.
    pub fn try_recv(&self) -> Result<Message, TryRecvError> {
        if is_forked() {
            return Err(TryRecvError::Forked);
        }
        match self.0.receive() {
            Ok(message) => Ok(message.into()),
            Err(core::ReceiveError::Empty) => Err(TryRecvError::Empty),
            Err(core::ReceiveError::PeerClosed | core::ReceiveError::NotOpen) => Err(TryRecvError::PeerClosed),
        }
    }

    /// Receives the oldest message; blocks the thread until there is one.
    pub fn recv(&self) -> Result<Message, RecvError> {
        self.recv_until(None)
    }

    /// Receives the oldest message; blocks the thread for at most `timeout`.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Message, RecvError> {
        self.recv_until(Instant::now().checked_add(timeout))
    }

    /// Receives the oldest message; blocks the thread until `deadline` at most.
    pub fn recv_deadline(&self, deadline: Instant) -> Result<Message, RecvError> {
        self.recv_until(Some(deadline))
    }

    fn recv_until(&self, deadline: Option<Instant>) -> Result<Message, RecvError> {
        loop {
            match self.try_recv() {
                Ok(message) => return Ok(message),
                Err(TryRecvError::PeerClosed) => return Err(RecvError::PeerClosed),
                Err(TryRecvError::Forked) => return Err(RecvError::Forked),
                Err(TryRecvError::Empty) => {}
            }
            match self.wait(Signals::READABLE, deadline) {
                Ok(_) => {}
                Err(WaitError::Unsatisfiable(_)) => return Err(RecvError::PeerClosed),
                Err(WaitError::DeadlineExceeded) => return Err(RecvError::DeadlineExceeded),
                Err(WaitError::Forked) => return Err(RecvError::Forked),
            }
        }
    }

    /// Receives the oldest message, or waits for one. No message is lost if the future is dropped.
    pub async fn recv_async(&self) -> Result<Message, RecvError> {
        loop {
            match self.try_recv() {
                Ok(message) => return Ok(message),
                Err(TryRecvError::PeerClosed) => return Err(RecvError::PeerClosed),
                Err(TryRecvError::Forked) => return Err(RecvError::Forked),
                Err(TryRecvError::Empty) => {}
            }
            match self.ready(Signals::READABLE).await {
                Ok(_) => {}
                Err(WaitError::Forked) => return Err(RecvError::Forked),
                Err(_) => return Err(RecvError::PeerClosed),
            }
        }
    }

    /// Joins two pipes by one end of each, so that the other ends become each other's peers. What was unread at
    /// the ends that are joined goes to those. No message may ever have been sent from the joined ends.
    ///
    /// # Errors
    /// On failure both ends are closed.
    pub fn fuse(self, other: MessagePipe) -> Result<(), FuseError> {
        if is_forked() {
            return Err(FuseError::Forked);
        }
        self.release().fuse(&other.release()).map_err(|error| match error {
            core::FuseError::SamePipe => FuseError::SamePipe,
            core::FuseError::HasSent => FuseError::HasSent,
            core::FuseError::NotOpen => FuseError::DifferentNodes,
        })
    }
}

pub(crate) fn translate(error: core::SendError) -> SendErrorKind {
    match error {
        core::SendError::Empty => SendErrorKind::Empty,
        core::SendError::BadCargo => SendErrorKind::BadCargo,
        core::SendError::TooLarge => SendErrorKind::TooLarge,
        core::SendError::NotSerializable => SendErrorKind::NotSerializable,
        core::SendError::QuotaReached => SendErrorKind::QuotaReached,
        // An owned end is open.
        core::SendError::PeerClosed | core::SendError::NotOpen => SendErrorKind::PeerClosed,
    }
}
