//! Message pipes.

use crate::deferred::{Deferred, as_one_call};
use crate::limits::max_message_bytes;
use crate::message::Message;
use crate::node::{Node, RoutingNode, apply, drain_before, note_change, transmit};
use crate::object::TransitError;
use crate::observe::Observers;
use crate::signals::{Signals, SignalsState};
use libmojo_platform::is_forked;
use libmojo_ports::{PortRef, ReceiveError as Unreceived, Received, SendError as Unsent, Sent, Status};
use std::fmt;

pub use libmojo_ports::{Amount, FuseError, Quota, Quotas, Usage};

pub(crate) type Port = PortRef<Message>;

/// One end of a message pipe. A clone refers to the same end; dropping it does not close it.
#[derive(Clone)]
pub struct Pipe {
    port: Port,
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The end is closed or inside a message.
    NotOpen,
    /// The message has no contents.
    Empty,
    /// The peer is closed or lost.
    PeerClosed,
    /// The other end has not taken as much as the [quota](Quotas) requires. It is worth trying again when the end is
    /// [writable](Signals::WRITABLE).
    QuotaReached,
    /// The message carries the end that it is sent from, or that end's peer, or an object of another node.
    BadCargo,
    /// The payload is over the [limit](crate::limits::Limits).
    TooLarge,
    /// The message has to leave the process but its context cannot be serialized.
    NotSerializable,
}

/// Why no message was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveError {
    /// The end is closed or inside a message.
    NotOpen,
    /// There is none now.
    Empty,
    /// There is none, the peer is closed, and nothing is on its way any more.
    PeerClosed,
}

impl Pipe {
    /// Makes a pipe and returns its two ends.
    pub fn create(node: &Node) -> (Pipe, Pipe) {
        let (a, b) = node.routing().create_pipe();
        (Self { port: a }, Self { port: b })
    }

    /// Makes a pipe on the node that this end belongs to.
    pub fn create_beside(&self) -> (Pipe, Pipe) {
        let (a, b) = self.routing().create_pipe();
        (Self { port: a }, Self { port: b })
    }

    pub(crate) fn from_port(port: Port) -> Self {
        Self { port }
    }

    pub(crate) fn port(&self) -> &Port {
        &self.port
    }

    fn routing(&self) -> &RoutingNode {
        self.port.node()
    }

    pub(crate) fn observers(&self) -> &Observers {
        &self.port.data().observers
    }

    /// Sends a message; it never blocks. An uncommitted payload is committed as it is.
    ///
    /// If the peer is in this process and was not moved, it can receive the message when this returns. A context
    /// is serialized within the call if the message has to be able to leave the process.
    ///
    /// # Errors
    /// See [`SendError`]. The message comes back, but may have been serialized.
    pub fn send(&self, message: Message) -> Result<(), (SendError, Message)> {
        match self.send_unserialized(message) {
            // What the serializer makes due runs when the message is sent.
            Err((SendError::NotSerializable, mut message)) => as_one_call(|| match message.serialize() {
                Ok(()) if is_forked() => Err((SendError::NotOpen, message)),
                Ok(()) => self.send(message),
                Err(_) => Err((SendError::NotSerializable, message)),
            }),
            outcome => outcome,
        }
    }

    /// Like [`send`](Self::send), but never serializes: a context that would have to be comes back as it is, with
    /// `NotSerializable`.
    pub fn send_unserialized(&self, mut message: Message) -> Result<(), (SendError, Message)> {
        if message.is_empty() {
            let error = if self.is_open() { SendError::Empty } else { SendError::NotOpen };
            return Err((error, message));
        }
        if message.payload().len() > max_message_bytes() {
            return Err((SendError::TooLarge, message));
        }
        message.prepare_to_send();
        let unsent = match self.routing().send(&self.port, message) {
            Ok(sent) => {
                apply_sent(&self.port, sent, &mut Deferred::new());
                return Ok(());
            }
            Err(unsent) => unsent,
        };
        match unsent {
            Unsent::NotPortable(message) => Err((SendError::NotSerializable, message)),
            Unsent::NotOpen(message) => Err((SendError::NotOpen, message)),
            Unsent::PeerClosed(message) => Err((SendError::PeerClosed, message)),
            // Credit may have come that nobody has looked at.
            Unsent::QuotaReached(message) if drain_before(&self.port) && self.port.status().may_send => {
                self.send_unserialized(message)
            }
            Unsent::QuotaReached(message) => Err((SendError::QuotaReached, message)),
            Unsent::BadCargo(message) => Err((SendError::BadCargo, message)),
        }
    }

    /// Takes the oldest unread message.
    pub fn receive(&self) -> Result<Message, ReceiveError> {
        self.receive_with(&mut Deferred::new())
    }

    /// Takes the oldest unread message. Whoever observes the end hears of it later.
    pub fn receive_with(&self, deferred: &mut Deferred) -> Result<Message, ReceiveError> {
        let mut outcome = self.routing().receive(&self.port);
        if matches!(outcome, Err(Unreceived::Empty)) && drain_before(&self.port) {
            outcome = self.routing().receive(&self.port);
        }
        let Received { message, is_credit_due } = outcome.map_err(|error| match error {
            Unreceived::NotOpen => ReceiveError::NotOpen,
            Unreceived::Empty => ReceiveError::Empty,
            Unreceived::PeerClosed => ReceiveError::PeerClosed,
        })?;
        if is_credit_due {
            apply(self.routing(), self.routing().return_credit(&self.port), deferred);
        }
        if self.observers().any() {
            self.observers().notify(deferred);
        }
        Ok(message)
    }

    /// The quotas of the end, and how much of them is used.
    pub fn quotas(&self) -> (Quotas, Usage) {
        self.routing().quotas(&self.port)
    }

    /// Changes the quotas of the end. `change` must not call the library. False if the end is closed or inside a message.
    ///
    /// The other end, wherever it is, is told how to return credit. What was sent before the first quota is not counted.
    pub fn change_quotas(&self, change: impl FnOnce(&mut Quotas)) -> bool {
        let Some(effects) = self.routing().change_quotas(&self.port, change) else { return false };
        apply(self.routing(), effects, &mut Deferred::new());
        true
    }

    /// Joins two pipes by one end of each. Both ends are closed afterwards, whatever the outcome; if it is
    /// success, their peers are now each other's, and get what was unread at the ends.
    pub fn fuse(&self, other: &Pipe) -> Result<(), FuseError> {
        let mut deferred = Deferred::new();
        let outcome = self.routing().fuse(&self.port, &other.port);
        for end in [self, other] {
            end.observers().cancel_all(&mut deferred);
        }
        match outcome {
            Ok(effects) => {
                apply(self.routing(), effects, &mut deferred);
                Ok(())
            }
            Err(error) => {
                self.close();
                other.close();
                Err(error)
            }
        }
    }

    /// Closes the end for everyone who refers to it. What is unread here is dropped; what was sent from here
    /// still arrives.
    pub fn close(&self) {
        let mut deferred = Deferred::new();
        // First the port: whoever begins to observe after this finds it closed.
        let effects = self.routing().close(&self.port);
        self.observers().cancel_all(&mut deferred);
        if !effects.is_empty() {
            apply(self.routing(), effects, &mut deferred);
        }
    }

    /// True if the end is neither closed nor inside a message.
    pub fn is_open(&self) -> bool {
        self.port.status().is_open
    }

    /// The present signals.
    pub fn signals(&self) -> SignalsState {
        signals(&self.port.status())
    }

    /// The present signals, if the end is neither closed nor inside a message.
    pub(crate) fn signals_if_open(&self) -> Option<SignalsState> {
        let status = self.port.status();
        status.is_open.then(|| signals(&status))
    }

    pub(crate) fn begin_transit(&self) -> Result<(), TransitError> {
        if self.routing().begin_transit(&self.port) { Ok(()) } else { Err(TransitError::InvalidArgument) }
    }

    pub(crate) fn end_transit(&self) {
        self.routing().end_transit(&self.port);
    }
}

fn signals(status: &Status) -> SignalsState {
    let peer_open = !status.peer_closed;
    SignalsState {
        satisfied: Signals::READABLE.when(status.unread)
            | Signals::WRITABLE.when(peer_open && status.may_send)
            | Signals::PEER_CLOSED.when(status.peer_closed)
            | Signals::PEER_REMOTE.when(status.peer_remote)
            | Signals::QUOTA_EXCEEDED.when(status.is_over_quota),
        satisfiable: Signals::READABLE.when(status.unread || status.more_may_come)
            | (Signals::WRITABLE | Signals::PEER_REMOTE).when(peer_open)
            | Signals::PEER_CLOSED
            | Signals::QUOTA_EXCEEDED,
    }
}

/// Carries out what comes of sending from a port.
pub(crate) fn apply_sent(port: &Port, sent: Sent<Message>, deferred: &mut Deferred) {
    match sent {
        Sent::ToTwin => {
            if let Some(twin) = port.twin() {
                note_change(twin.data(), deferred);
            }
        }
        Sent::ToNode(to, event) => transmit(port.node(), to, event, deferred),
        Sent::With(effects) => apply(port.node(), effects, deferred),
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipe").field("signals", &self.signals()).finish()
    }
}

/// Closes a port that nothing else refers to.
pub(crate) fn close_port(port: &Port) {
    let mut deferred = Deferred::new();
    let effects = port.node().close(port);
    apply(port.node(), effects, &mut deferred);
}
