//! Anything that a handle can refer to.

use crate::attachment::Cargo;
use crate::buffer::SharedBuffer;
use crate::data_pipe::{Consumer, Producer};
use crate::deferred::Deferred;
use crate::invitation::Invitation;
use crate::message::{AttachError, Message};
use crate::node::drain_before;
use crate::observe::{Observer, Observers};
use crate::pipe::{Pipe, Port};
use crate::platform_handle::PlatformHandle;
use crate::signals::SignalsState;
use crate::watcher::Watcher;
use libmojo_sync::Arc;

/// A reference to an object of any kind. A clone refers to the same object; dropping one does not close it.
#[derive(Clone, Debug)]
pub enum Object {
    /// An end of a message pipe.
    Pipe(Pipe),
    /// The end of a data pipe that writes.
    Producer(Producer),
    /// The end of a data pipe that reads.
    Consumer(Consumer),
    /// A shared buffer.
    Buffer(SharedBuffer),
    /// A wrapped descriptor of the operating system.
    Platform(PlatformHandle),
    /// A watcher.
    Watcher(Watcher),
    /// An invitation.
    Invitation(Invitation),
}

macro_rules! from {
    ($($variant:ident($type:ty)),+) => {
        $(impl From<$type> for Object {
            fn from(object: $type) -> Object {
                Object::$variant(object)
            }
        })+
    };
}

from!(
    Pipe(Pipe),
    Producer(Producer),
    Consumer(Consumer),
    Buffer(SharedBuffer),
    Platform(PlatformHandle),
    Watcher(Watcher),
    Invitation(Invitation)
);

/// Why an object cannot be put into a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransitError {
    /// It is closed, or in a message already, or of a kind that cannot be sent.
    InvalidArgument,
    /// A two-phase read or write is in progress on it.
    Busy,
}

impl Object {
    /// Tells objects apart; unique among those that exist at one time.
    pub fn id(&self) -> usize {
        match self {
            Object::Pipe(pipe) => pipe.port().id(),
            Object::Producer(producer) => Arc::as_ptr(producer.end()) as usize,
            Object::Consumer(consumer) => Arc::as_ptr(consumer.end()) as usize,
            Object::Buffer(buffer) => buffer.id(),
            Object::Platform(handle) => handle.id(),
            Object::Watcher(watcher) => watcher.id(),
            Object::Invitation(invitation) => invitation.id(),
        }
    }

    /// The present signals; none for kinds that have no signals. What other processes have written counts even if
    /// nobody has taken it yet.
    pub fn signals(&self) -> SignalsState {
        if let Some(port) = self.port() {
            drain_before(port);
        }
        match self {
            Object::Pipe(pipe) => pipe.signals(),
            Object::Producer(producer) => producer.signals(),
            Object::Consumer(consumer) => consumer.signals(),
            _ => SignalsState::default(),
        }
    }

    /// The present signals; `None` if the object is closed or inside a message. Unlike asking for the one after the
    /// other, this cannot take the signals of an object that has just gone for those of an open one.
    pub(crate) fn signals_if_open(&self) -> Option<SignalsState> {
        match self {
            Object::Pipe(pipe) => pipe.signals_if_open(),
            Object::Producer(producer) => producer.end().signals_if_open(),
            Object::Consumer(consumer) => consumer.end().signals_if_open(),
            _ => Some(SignalsState::default()),
        }
    }

    /// True if the object is neither closed nor inside a message.
    pub fn is_open(&self) -> bool {
        match self {
            Object::Pipe(pipe) => pipe.is_open(),
            Object::Producer(producer) => producer.end().is_open(),
            Object::Consumer(consumer) => consumer.end().is_open(),
            _ => true,
        }
    }

    /// Closes the object for everyone who refers to it. Closing again does nothing.
    pub fn close(&self) {
        match self {
            Object::Pipe(pipe) => pipe.close(),
            Object::Producer(producer) => producer.end().close(),
            Object::Consumer(consumer) => consumer.end().close(),
            Object::Buffer(_) => {}
            Object::Platform(handle) => drop(handle.take()),
            Object::Watcher(watcher) => watcher.close(),
            Object::Invitation(invitation) => invitation.close(),
        }
    }

    // ---- observers ---------------------------------------------------------------------------------------

    pub(crate) fn observers(&self) -> Option<&Observers> {
        match self {
            Object::Pipe(pipe) => Some(pipe.observers()),
            Object::Producer(producer) => Some(producer.end().observers()),
            Object::Consumer(consumer) => Some(consumer.end().observers()),
            _ => None,
        }
    }

    /// Adds an observer, which may be told of a change at once.
    pub(crate) fn observe(&self, observer: Arc<dyn Observer>, deferred: &mut Deferred) {
        let Some(observers) = self.observers() else { return };
        observers.add(observer);
        match self {
            Object::Producer(producer) => producer.end().evaluate(deferred),
            Object::Consumer(consumer) => consumer.end().evaluate(deferred),
            _ => {}
        }
        if let Some(port) = self.port() {
            port.node().data().links.end_quiet();
        }
    }

    /// The port that the object hears of its other end through, if it has another end.
    pub(crate) fn port(&self) -> Option<&Port> {
        match self {
            Object::Pipe(pipe) => Some(pipe.port()),
            Object::Producer(producer) => Some(producer.end().control()),
            Object::Consumer(consumer) => Some(consumer.end().control()),
            _ => None,
        }
    }

    pub(crate) fn unobserve(&self, observer: &Arc<dyn Observer>) {
        if let Some(observers) = self.observers() {
            observers.remove(observer);
        }
    }

    // ---- transit -----------------------------------------------------------------------------------------

    /// Gives an end of a message pipe or data pipe a label: its node's [snapshot](crate::node::Node::snapshot) shows it from
    /// now on, wherever the other end is, with what goes over it. Everything sent from it costs a little more then. The
    /// label goes with the object, not with the end: it stays behind when that is sent to another process. A shared buffer
    /// is merely shown. False if the object is of another kind, closed, or inside a message.
    pub fn set_label(&self, label: &str) -> bool {
        if let Object::Buffer(buffer) = self {
            buffer.set_label(label);
            return true;
        }
        self.port().is_some_and(|port| port.node().set_label(port, label))
    }

    /// The [label](Self::set_label).
    pub fn label(&self) -> Option<String> {
        match self {
            Object::Buffer(buffer) => buffer.label(),
            other => other.port().and_then(|port| port.node().label(port)),
        }
    }

    /// Takes the object out of reach of everyone who refers to it, in order to put it into a message.
    pub fn begin_transit(&self) -> Result<(), TransitError> {
        match self {
            Object::Pipe(pipe) => pipe.begin_transit(),
            Object::Producer(producer) => producer.end().begin_transit(),
            Object::Consumer(consumer) => consumer.end().begin_transit(),
            Object::Buffer(_) | Object::Platform(_) => Ok(()),
            Object::Watcher(_) | Object::Invitation(_) => Err(TransitError::InvalidArgument),
        }
    }

    /// Undoes [`begin_transit`](Self::begin_transit), as if nothing had happened. Whoever observes the object hears
    /// now of what has happened meanwhile.
    pub fn abort_transit(&self) {
        let mut deferred = Deferred::new();
        match self {
            Object::Pipe(pipe) => {
                pipe.end_transit();
                pipe.observers().notify(&mut deferred);
            }
            Object::Producer(producer) => producer.end().end_transit(&mut deferred),
            Object::Consumer(consumer) => consumer.end().end_transit(&mut deferred),
            _ => {}
        }
    }

    /// Makes the object usable for whoever took it out of its message.
    pub(crate) fn arrive(&self) {
        self.abort_transit();
        if let Object::Consumer(consumer) = self {
            consumer.end().forget_what_was_seen();
        }
    }

    /// Puts objects, for which [`begin_transit`](Self::begin_transit) has succeeded, into a message. Whoever
    /// watches them is told that this is over. If the message takes no attachments, all stay as they are.
    pub fn attach_all(objects: Vec<Object>, message: &mut Message) -> Result<(), (AttachError, Vec<Object>)> {
        if !message.has_payload() || message.is_committed() {
            return Err((AttachError::FailedPrecondition, objects));
        }
        if let Err(error) = Message::check_limits(0, message.num_attachments() + objects.len()) {
            return Err((error, objects));
        }
        let mut deferred = Deferred::new();
        for object in &objects {
            if let Some(observers) = object.observers() {
                observers.cancel_all(&mut deferred);
            }
        }
        message.push_attachments(objects.into_iter().map(|object| Cargo::Here(object).into()));
        Ok(())
    }
}
