//! Messages.

use crate::{Handle, SerializeError, TakeError};
use libmojo_core::message::{
    Context, Message as CoreMessage, SerializeError as CoreSerializeError, TakeError as CoreTakeError,
};
use libmojo_core::object::Object;
use libmojo_core::{Exclusive, is_forked};
use std::any::Any;
use std::fmt;

/// Bytes with handles attached, or a value that turns into these if it has to leave the process.
///
/// Dropping a message closes the handles that are still in it.
pub struct Message(CoreMessage);

/// A value that can travel in a message.
///
/// Between two ends in one process the value itself arrives. It is serialized only when the message leaves the
/// process: in the call that sends it there, or that moves the receiving end, on that call's thread.
pub trait Serialize: Send + 'static {
    /// The value as bytes and handles.
    fn serialize(self) -> Message;
}

struct Lazy<T>(Exclusive<T>);

impl<T: Serialize> Context for Lazy<T> {
    fn serialize(self: Box<Self>, message: &mut CoreMessage) {
        *message = self.0.into_inner().serialize().into();
    }
}

impl Message {
    /// A message with a payload and nothing attached.
    pub fn new(payload: &[u8]) -> Self {
        Self(CoreMessage::with_payload(payload))
    }

    /// A message that carries a value.
    ///
    /// ```
    /// use libmojo::{Message, MessagePipe, Serialize};
    ///
    /// struct Point(i32, i32);
    /// impl Serialize for Point {
    ///     fn serialize(self) -> Message {
    ///         Message::new(&[self.0.to_le_bytes(), self.1.to_le_bytes()].concat())
    ///     }
    /// }
    ///
    /// let (a, b) = MessagePipe::create();
    /// a.send(Message::lazy(Point(3, 4)))?;
    /// let point: Point = b.recv()?.into_value().ok().expect("still a value: both ends are here");
    /// assert_eq!(point.1, 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lazy<T: Serialize>(value: T) -> Self {
        Self(CoreMessage::with_context(Box::new(Lazy(Exclusive::new(value)))))
    }

    /// Attaches a handle to a message that is being built, behind those already attached. Any other message takes
    /// no handles; one that is given to it nevertheless is closed. See [`attach`](Self::attach).
    pub fn with(mut self, handle: impl Into<Handle>) -> Self {
        let refused = self.attach(handle);
        drop(refused);
        self
    }

    /// Attaches a handle behind those already attached. It comes back if the message carries a value, was
    /// received, or has [`MAX_ATTACHMENTS`](crate::limits::MAX_ATTACHMENTS) already, and in a
    /// [forked](crate#forking) process.
    pub fn attach(&mut self, handle: impl Into<Handle>) -> Result<(), Handle> {
        let handle = handle.into();
        if is_forked() {
            return Err(handle);
        }
        let object = Object::from(handle);
        // An owned handle is open and in nobody else's use, so it can always be sent.
        let refused = match object.begin_transit() {
            Ok(()) => match Object::attach_all(vec![object.clone()], &mut self.0) {
                Ok(()) => return Ok(()),
                Err((_, refused)) => refused,
            },
            Err(_) => vec![object.clone()],
        };
        object.abort_transit();
        drop(refused);
        Handle::try_from(object).map_or(Ok(()), Err)
    }

    /// The payload; empty for a message that carries a value.
    pub fn payload(&self) -> &[u8] {
        self.0.payload()
    }

    /// The payload, to be written to.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        self.0.payload_mut()
    }

    /// True if the message carries a value.
    pub fn is_lazy(&self) -> bool {
        self.0.context().is_some()
    }

    /// The value that the message carries, if it is of this type and was not serialized; else the message.
    pub fn into_value<T: Serialize>(mut self) -> Result<T, Message> {
        let is_there = self.0.context().is_some_and(|context| (context as &dyn Any).is::<Lazy<T>>());
        let context = if is_there { self.0.take_context() } else { None };
        match context.map(|context| (context as Box<dyn Any>).downcast::<Lazy<T>>()) {
            Some(Ok(lazy)) => Ok(lazy.0.into_inner()),
            _ => Err(self),
        }
    }

    /// Turns the value that the message carries, of whatever type, into a payload with handles, as it would be if the
    /// message left the process. Does nothing to a message that has a payload already.
    ///
    /// # Errors
    /// There is no value, or it cannot be serialized. One that failed to do so is gone.
    pub fn serialize(&mut self) -> Result<(), SerializeError> {
        match self.0.serialize() {
            Ok(()) | Err(CoreSerializeError::FailedPrecondition) => Ok(()),
            Err(CoreSerializeError::NotFound | CoreSerializeError::Aborted) => Err(SerializeError::NotSerializable),
        }
    }

    /// Takes the attached handles out.
    pub fn take_handles(&mut self) -> Result<Vec<Handle>, TakeError> {
        if is_forked() {
            return Err(TakeError::Forked);
        }
        self.0.commit_as_is();
        match self.0.take_attachments() {
            Ok(objects) => Ok(objects.into_iter().filter_map(|object| Handle::try_from(object).ok()).collect()),
            Err(CoreTakeError::NotFound) => Err(TakeError::AlreadyTaken),
            Err(CoreTakeError::Aborted) => Err(TakeError::Lost),
            Err(CoreTakeError::FailedPrecondition) => Err(TakeError::NotSerialized),
        }
    }

    /// Reports the message as one that its sender should not have sent, to whoever invited that process with an
    /// error handler, or, if it was made in this process, to the node's default handler.
    pub fn report_bad(&self, text: &str) {
        libmojo_core::node::Node::process().report_bad_message(&self.0, text);
    }
}

/// The engine's view of the message.
impl From<Message> for CoreMessage {
    fn from(message: Message) -> CoreMessage {
        message.0
    }
}

impl From<CoreMessage> for Message {
    fn from(message: CoreMessage) -> Message {
        Message(message)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Message {
        Message::new(text.as_bytes())
    }
}

impl From<&[u8]> for Message {
    fn from(bytes: &[u8]) -> Message {
        Message::new(bytes)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
