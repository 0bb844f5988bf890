//! Values as messages: as they are, or as bytes with handles.
//!
//! The first byte of a payload says what it is; what follows is for [`VALUE`] the value in postcard's format, in which
//! a handle is its position among the message's handles, as a `u32`.

use super::bounded::{self, Budget};
use super::cargo::{Arriving, Leaving, Loaded};
use super::{BadReason, BadValue, SendError};
use crate::pipe::translate;
use crate::{Message, MessagePipe, SendErrorKind, TakeError};
use libmojo_core::message::{Context, Message as CoreMessage};
use libmojo_core::{Exclusive, as_one_call, is_forked};
use libmojo_sync::Arc;
use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::Any;

/// A value follows.
const VALUE: u8 = 0;
/// There is another sender; the one handle is the other end of its pipe.
const SENDER: u8 = 1;
/// There was a value that could not be serialized.
const LOST: u8 = 2;

/// A value on its way between two ends in one process.
struct Travelling<T>(Exclusive<T>);

impl<T: Serialize + Send + 'static> Context for Travelling<T> {
    fn serialize(self: Box<Self>, message: &mut CoreMessage) {
        let value = self.0.into_inner();
        match encode(&value) {
            Ok((encoded, loaded)) => {
                *message = encoded;
                loaded.confirm();
            }
            // The pipe would be cut here, and nobody could tell why.
            Err(_) => *message = CoreMessage::with_payload(&[LOST]),
        }
    }
}

/// Where a message without a payload has its value.
fn take_value<T: 'static>(message: &mut CoreMessage) -> Option<T> {
    if !message.context().is_some_and(|context| (context as &dyn Any).is::<Travelling<T>>()) {
        return None;
    }
    let context: Box<dyn Any> = message.take_context()?;
    Some(context.downcast::<Travelling<T>>().ok()?.0.into_inner())
}

// ---- sending ---------------------------------------------------------------------------------------------

/// Sends a value, as it is if its receiver is in this process.
pub(crate) fn send<T>(pipe: &MessagePipe, value: T) -> Result<(), SendError<T>>
where
    T: Serialize + Send + 'static,
{
    if is_forked() {
        return Err(SendError { kind: SendErrorKind::Forked, value });
    }
    let message = CoreMessage::with_context(Box::new(Travelling(Exclusive::new(value))));
    let Err((error, mut message)) = pipe.inner().send_unserialized(message) else { return Ok(()) };
    let Some(value) = take_value(&mut message) else { unreachable!("a refused message comes back as it is") };
    match translate(error) {
        // What the serializer makes due runs when the message is sent.
        SendErrorKind::NotSerializable => as_one_call(|| send_encoded(pipe, value)),
        kind => Err(SendError { kind, value }),
    }
}

fn send_encoded<T: Serialize>(pipe: &MessagePipe, value: T) -> Result<(), SendError<T>> {
    let (message, loaded) = match encode(&value) {
        Ok(encoded) => encoded,
        Err(kind) => return Err(SendError { kind, value }),
    };
    if is_forked() {
        return Err(SendError { kind: SendErrorKind::Forked, value });
    }
    match pipe.inner().send(message) {
        Ok(()) => {
            loaded.confirm();
            Ok(())
        }
        Err((error, message)) => {
            loaded.undo(message);
            Err(SendError { kind: translate(error), value })
        }
    }
}

/// A value as bytes and handles, which still belong to the value.
fn encode<T: Serialize>(value: &T) -> Result<(CoreMessage, Loaded), SendErrorKind> {
    let mut serializer = postcard::Serializer { output: Payload::default() };
    let (outcome, leaving) = Leaving::during(|| {
        serializer.output.try_push(VALUE)?;
        value.serialize(&mut serializer)
    });
    let payload = serializer.output;
    if outcome.is_err() {
        return Err(if payload.is_full { SendErrorKind::TooLarge } else { SendErrorKind::NotSerializable });
    }
    let mut message = payload.finalize().map_err(|_| SendErrorKind::TooLarge)?;
    let loaded = leaving.load(&mut message).map_err(|()| SendErrorKind::NotSerializable)?;
    Ok((message, loaded))
}

/// The payload of a message that is being built, for postcard to write to.
#[derive(Default)]
struct Payload {
    message: CoreMessage,
    len: usize,
    /// More was to be written than a message may have.
    is_full: bool,
}

impl Payload {
    fn room(&mut self, num_bytes: usize) -> Option<&mut [u8]> {
        let end = self.len.checked_add(num_bytes)?;
        if self.message.is_empty() {
            self.message.attach_payload(0).ok()?;
        }
        if self.message.storage_mut().len() < end {
            self.message.extend_payload(end).ok()?;
        }
        let start = std::mem::replace(&mut self.len, end);
        self.message.storage_mut().get_mut(start..end)
    }
}

impl Flavor for Payload {
    type Output = CoreMessage;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        match self.room(bytes.len()) {
            Some(to) => {
                to.copy_from_slice(bytes);
                Ok(())
            }
            None => {
                self.is_full = true;
                Err(postcard::Error::SerializeBufferFull)
            }
        }
    }

    fn finalize(mut self) -> postcard::Result<CoreMessage> {
        self.message.extend_payload(self.len).map_err(|_| postcard::Error::SerializeBufferFull)?;
        Ok(self.message)
    }
}

/// Announces another sender, which the new pipe's other end is for.
pub(crate) fn announce(pipe: &MessagePipe, new: MessagePipe) -> Result<(), SendErrorKind> {
    pipe.send(Message::new(&[SENDER]).with(new)).map_err(|refused| refused.kind)
}

// ---- receiving -------------------------------------------------------------------------------------------

/// What a message of a channel is.
pub(crate) enum Received {
    /// One that [`decode`] understands, or nobody.
    Value(Message),
    /// Another sender's pipe.
    Sender(MessagePipe),
}

impl From<Message> for Received {
    fn from(mut message: Message) -> Self {
        if message.payload() == [SENDER] {
            let taken = message.take_handles().ok().and_then(|handles| <[_; 1]>::try_from(handles).ok());
            if let Some(pipe) = taken.and_then(|[handle]| handle.into_pipe().ok()) {
                return Received::Sender(pipe);
            }
        }
        Received::Value(message)
    }
}

/// The value that a message carries in whichever form.
pub(crate) fn decode<T: DeserializeOwned + 'static>(message: Message) -> Result<T, BadValue> {
    let mut message = CoreMessage::from(message);
    if let Some(value) = take_value(&mut message) {
        return Ok(value);
    }
    let mut message = Message::from(message);
    // A value of another type, from somebody who has the pipe itself, counts as if it came from another process.
    if message.serialize().is_err() {
        return Err(BadValue::new(message, BadReason::NotSerializable));
    }
    match message.payload().first() {
        Some(&VALUE) => {}
        Some(&LOST) => return Err(BadValue::new(message, BadReason::NotSerializable)),
        _ => return Err(BadValue::new(message, BadReason::Malformed)),
    }
    let handles = match message.take_handles() {
        Ok(handles) => handles,
        Err(TakeError::Lost) => return Err(BadValue::new(message, BadReason::HandleLost)),
        Err(_) => return Err(BadValue::new(message, BadReason::Malformed)),
    };
    let message = Arc::new(message);
    let bytes = message.payload().get(1..).unwrap_or_default();
    let mut deserializer = postcard::Deserializer::from_bytes(bytes);
    let budget = Budget::new(bytes.len());
    let (value, all_taken) = Arriving::during(handles, &message, || bounded::deserialize(&mut deserializer, &budget));
    let all_read = deserializer.finalize().is_ok_and(|rest| rest.is_empty());
    match value {
        Ok(value) if all_taken && all_read => Ok(value),
        _ => Err(BadValue { message, reason: BadReason::Malformed }),
    }
}
