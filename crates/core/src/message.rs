//! Messages: a payload with attachments, or a context that becomes one when it has to.

use crate::attachment::Attachment;
use crate::contents::{Attached, Contents};
use crate::data_pipe::ControlHook;
use crate::deferred::within_call;
use crate::limits::{MAX_ATTACHMENTS, max_message_bytes};
use crate::node::{NodeData, Sender};
use crate::object::Object;
use crate::observe::Observers;
use crate::payload::Payload;
use crate::pipe::Port;
use libmojo_platform::is_forked;
use libmojo_sync::{Arc, OnceLock, Weak};
use std::any::Any;
use std::fmt;

/// A value that travels in a message as it is for as long as the message stays in the process.
///
/// Threads may share a message. One whose value they may not share keeps that in an [`Exclusive`](crate::Exclusive).
pub trait Context: Any + Send + Sync {
    /// Turns the value into the contents of `message`, which is empty: attaches a payload, and attachments if
    /// any. Attaching nothing means that the value cannot be serialized. Runs at most once, on any thread, with
    /// no lock of the library held.
    fn serialize(self: Box<Self>, message: &mut Message);

    /// False if [`serialize`](Self::serialize) is known to attach nothing.
    fn is_serializable(&self) -> bool {
        true
    }
}

/// A message that is being built, waits in a pipe, or was received.
///
/// Dropping it closes everything attached to it.
#[derive(Default)]
pub struct Message(Option<Box<Contents>>);

/// Why something could not be attached to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachError {
    /// There is a payload already.
    AlreadyExists,
    /// The message is in the wrong state: it has a context, or no payload, or is already committed.
    FailedPrecondition,
    /// The new size is smaller than the old one, or a final size larger than the storage.
    OutOfRange,
    /// Over the [limit](crate::limits::Limits) on payloads or [`MAX_ATTACHMENTS`].
    ResourceExhausted,
}

/// Why a message could not be serialized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SerializeError {
    /// It is serialized already.
    FailedPrecondition,
    /// It has no context, or one that cannot be serialized.
    NotFound,
    /// The serializer attached nothing.
    Aborted,
}

/// Why attachments could not be taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeError {
    /// The message has no committed payload.
    FailedPrecondition,
    /// They were taken before.
    NotFound,
    /// At least one could not be brought into this process. The others stay where they are.
    Aborted,
}

impl Message {
    /// A message without contents.
    pub fn new() -> Self {
        Self::default()
    }

    /// A message with a payload, to which objects can still be attached.
    pub fn with_payload(bytes: &[u8]) -> Self {
        let mut contents = Contents::new();
        contents.payload.set(bytes);
        Self(Some(contents))
    }

    /// A message that carries a context.
    pub fn with_context(context: Box<dyn Context>) -> Self {
        let mut contents = Contents::new();
        contents.context = Some(context);
        Self(Some(contents))
    }

    pub(crate) fn received(payload: Payload, attachments: Vec<Attachment>, sender: Arc<Sender>) -> Self {
        let mut contents = Contents::new();
        contents.payload = payload;
        contents.attached = (!attachments.is_empty()).then(|| Box::new(Attached { attachments, is_emptied: false }));
        contents.sender = Some(sender);
        contents.is_committed = true;
        Self(Some(contents))
    }

    /// The contents, if there is a payload.
    #[inline]
    fn serialized(&self) -> Option<&Contents> {
        self.0.as_deref().filter(|contents| contents.context.is_none())
    }

    #[inline]
    fn serialized_mut(&mut self) -> Option<&mut Contents> {
        self.0.as_deref_mut().filter(|contents| contents.context.is_none())
    }

    /// True if nothing was attached yet.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// True if there is a payload, committed or not.
    #[inline]
    pub fn has_payload(&self) -> bool {
        self.serialized().is_some()
    }

    /// True if there is a committed payload.
    #[inline]
    pub fn is_committed(&self) -> bool {
        self.serialized().is_some_and(|contents| contents.is_committed)
    }

    /// Who sent the message to this process; `None` if it was made here.
    pub fn sender(&self) -> Option<&Arc<Sender>> {
        self.0.as_ref()?.sender.as_ref()
    }

    /// How many bytes of memory the message counts for, if this sender has sent it.
    pub(crate) fn weight_from(&self, sender: &Arc<Sender>) -> Option<u64> {
        let is_from_there = self.sender().is_some_and(|other| Arc::ptr_eq(other, sender));
        is_from_there.then(|| (self.payload().len() + self.num_attachments() * ATTACHMENT_BYTES) as u64)
    }

    // ---- contexts ----------------------------------------------------------------------------------------

    /// The context, if the message carries one.
    #[inline]
    pub fn context(&self) -> Option<&dyn Context> {
        self.0.as_ref()?.context.as_deref()
    }

    /// Takes the context out; the message is empty afterwards.
    pub fn take_context(&mut self) -> Option<Box<dyn Context>> {
        let context = self.0.as_mut()?.context.take()?;
        self.clear();
        Some(context)
    }

    /// Gives an empty message a context. Comes back if the message has one (`AlreadyExists`) or has a payload
    /// (`FailedPrecondition`).
    pub fn set_context(&mut self, context: Box<dyn Context>) -> Result<(), (AttachError, Box<dyn Context>)> {
        match &self.0 {
            None => {
                *self = Self::with_context(context);
                Ok(())
            }
            Some(contents) if contents.context.is_some() => Err((AttachError::AlreadyExists, context)),
            Some(_) => Err((AttachError::FailedPrecondition, context)),
        }
    }

    /// Turns the context into a payload with attachments now.
    ///
    /// # Errors
    /// See [`SerializeError`]; after `Aborted` the message is empty, else it is as before.
    pub fn serialize(&mut self) -> Result<(), SerializeError> {
        if self.has_payload() {
            return Err(SerializeError::FailedPrecondition);
        }
        if !self.context().is_some_and(Context::is_serializable) {
            return Err(SerializeError::NotFound);
        }
        if let Some(context) = self.take_context() {
            within_call(|| context.serialize(self));
        }
        match self.serialized_mut() {
            Some(contents) => {
                contents.is_committed = true;
                Ok(())
            }
            None => {
                self.clear();
                Err(SerializeError::Aborted)
            }
        }
    }

    // ---- contents ----------------------------------------------------------------------------------------

    /// Whether a payload of this many bytes, with so many attachments in all, is within the limits.
    pub fn check_limits(num_bytes: usize, num_attachments: usize) -> Result<(), AttachError> {
        if num_bytes > max_message_bytes() || num_attachments > MAX_ATTACHMENTS {
            return Err(AttachError::ResourceExhausted);
        }
        Ok(())
    }

    /// Gives an empty message `num_bytes` zero bytes, which can still grow.
    pub fn attach_payload(&mut self, num_bytes: usize) -> Result<(), AttachError> {
        self.attach_payload_with_room(num_bytes, MIN_ROOM)
    }

    /// The same, with room for at least so many bytes, or as many as the limit allows.
    pub fn attach_payload_with_room(&mut self, num_bytes: usize, min_room: usize) -> Result<(), AttachError> {
        match &self.0 {
            None => {}
            Some(contents) if contents.context.is_some() => return Err(AttachError::FailedPrecondition),
            Some(_) => return Err(AttachError::AlreadyExists),
        }
        Self::check_limits(num_bytes, 0)?;
        let mut contents = Contents::new();
        contents.payload.set_zeroed(num_bytes, min_room.min(max_message_bytes()));
        self.0 = Some(contents);
        Ok(())
    }

    /// Makes an uncommitted payload longer; the new bytes are those of the storage behind the old end.
    pub fn extend_payload(&mut self, num_bytes: usize) -> Result<(), AttachError> {
        let Some(contents) = self.uncommitted() else { return Err(AttachError::FailedPrecondition) };
        if num_bytes < contents.payload.len() {
            return Err(AttachError::OutOfRange);
        }
        Self::check_limits(num_bytes, 0)?;
        contents.payload.set_len(num_bytes);
        Ok(())
    }

    /// Fixes the payload at `num_bytes`, at least its present length and at most its storage. On a message that
    /// is committed this only checks the size.
    #[inline]
    pub fn commit(&mut self, num_bytes: usize) -> Result<(), AttachError> {
        let Some(contents) = self.serialized_mut() else { return Err(AttachError::FailedPrecondition) };
        if num_bytes < contents.payload.len() || num_bytes > contents.room() {
            return Err(AttachError::OutOfRange);
        }
        if !contents.is_committed {
            contents.payload.set_len(num_bytes);
            contents.is_committed = true;
        }
        Ok(())
    }

    /// Adds attachments to an uncommitted payload, behind those already there.
    pub(crate) fn push_attachments(&mut self, attachments: impl Iterator<Item = Attachment>) {
        if let Some(contents) = self.uncommitted() {
            contents.attached.get_or_insert_default().attachments.extend(attachments);
        }
    }

    #[inline]
    fn uncommitted(&mut self) -> Option<&mut Contents> {
        self.serialized_mut().filter(|contents| !contents.is_committed)
    }

    /// The payload; empty if there is none.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        self.serialized().map_or(&[], |contents| contents.payload.bytes())
    }

    /// The payload, to be written to; empty if there is none.
    #[inline]
    pub fn payload_mut(&mut self) -> &mut [u8] {
        self.serialized_mut().map_or(&mut [], |contents| contents.payload.bytes_mut())
    }

    /// The storage of the payload: its bytes and the room behind them. Its address is a multiple of 16 and stays
    /// the same until the payload grows.
    #[inline]
    pub fn storage_mut(&mut self) -> &mut [u8] {
        let Some(contents) = self.serialized_mut() else { return &mut [] };
        let room = contents.room();
        contents.payload.storage_mut().get_mut(..room).unwrap_or_default()
    }

    /// How many attachments there are, or were before they were taken.
    #[inline]
    pub fn num_attachments(&self) -> usize {
        self.serialized().map_or(0, |contents| contents.attachments().len())
    }

    /// Takes all attachments out, ready for use in this process.
    pub fn take_attachments(&mut self) -> Result<Vec<Object>, TakeError> {
        let Some(contents) = self.serialized_mut() else { return Err(TakeError::FailedPrecondition) };
        if !contents.is_committed {
            return Err(TakeError::FailedPrecondition);
        }
        let Some(attached) = &mut contents.attached else { return Ok(Vec::new()) };
        if attached.is_emptied {
            return Err(TakeError::NotFound);
        }
        if attached.attachments.iter().any(Attachment::is_lost) {
            return Err(TakeError::Aborted);
        }
        attached.is_emptied = !attached.attachments.is_empty();
        Ok(attached.attachments.iter_mut().filter_map(Attachment::take).collect())
    }

    /// Commits an uncommitted payload as it is.
    #[inline]
    pub fn commit_as_is(&mut self) {
        if let Some(contents) = self.serialized_mut() {
            contents.is_committed = true;
        }
    }

    /// What a write does before it sends. Attachments that were taken out are not sent again.
    #[inline]
    pub(crate) fn prepare_to_send(&mut self) {
        if let Some(contents) = self.serialized_mut() {
            contents.sender = None;
            contents.is_committed = true;
            if contents.attached.as_ref().is_some_and(|attached| attached.is_emptied) {
                contents.attached = None;
            }
        }
    }

    /// Takes a serialized message apart for another process.
    pub(crate) fn into_contents(mut self) -> (Payload, Vec<Attachment>) {
        let Some(mut contents) = self.0.take_if(|contents| contents.context.is_none()) else {
            return (Payload::default(), Vec::new());
        };
        let payload = std::mem::take(&mut contents.payload);
        let attachments = contents.attached.take().map(|attached| attached.attachments);
        contents.recycle();
        (payload, attachments.unwrap_or_default())
    }

    /// Makes the message empty; what it held is closed or destroyed.
    #[inline]
    fn clear(&mut self) {
        if let Some(contents) = self.0.take() {
            contents.recycle();
        }
    }
}

/// About as much as an attachment takes up, its port included.
const ATTACHMENT_BYTES: usize = 512;

/// The least room that a new payload gets.
const MIN_ROOM: usize = 64;

impl Drop for Message {
    #[inline]
    fn drop(&mut self) {
        if is_forked() {
            // What it carries is the parent's.
            return std::mem::forget(self.0.take());
        }
        self.clear();
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Message(empty)"),
            Some(contents) if contents.context.is_some() => f.write_str("Message(context)"),
            Some(contents) => f
                .debug_struct("Message")
                .field("num_bytes", &contents.payload.len())
                .field("attachments", &contents.attachments())
                .field("is_committed", &contents.is_committed)
                .finish(),
        }
    }
}

/// What the engine keeps with each port.
#[derive(Default)]
pub struct PortData {
    pub(crate) observers: Observers,
    /// Set if the port belongs to a data pipe end, which then hears of its changes.
    pub(crate) hook: OnceLock<Box<Weak<dyn ControlHook>>>,
}

impl libmojo_ports::Message for Message {
    type PortData = PortData;
    type NodeData = NodeData;

    fn is_portable(&self) -> bool {
        self.context().is_none()
    }

    fn make_portable(&mut self) -> bool {
        self.serialize().is_ok()
    }

    fn num_bytes(&self) -> u64 {
        self.payload().len() as u64
    }

    fn any_port(&self, test: &mut dyn FnMut(&Port) -> bool) -> bool {
        self.0.as_ref().is_some_and(|contents| contents.attachments().iter().filter_map(Attachment::port).any(test))
    }

    fn take_ports(&mut self) -> Vec<Port> {
        let attachments = self.serialized().into_iter().flat_map(Contents::attachments);
        attachments.filter_map(Attachment::port).cloned().collect()
    }

    fn put_ports(&mut self, ports: Vec<Port>) {
        let mut ports = ports.into_iter();
        if let Some(contents) = self.serialized_mut() {
            for attachment in contents.attachments_mut() {
                attachment.settle(&mut ports);
            }
        }
    }

    fn is_watched(data: &PortData) -> bool {
        data.observers.any() || data.hook.get().is_some()
    }
}
