#![allow(unsafe_code)]
//! `message_pipe.h`, second part: message objects.

use crate::args::{Out, OutSlice, read_all, two_optional, two_required};
use crate::callbacks::{CContext, MojoMessageContextDestructor, MojoMessageContextSerializer};
use crate::handles::{self, MojoHandle};
use crate::messages::{self, MojoMessageHandle, Slot};
use crate::result::{
    ABORTED, ALREADY_EXISTS, BUSY, FAILED_PRECONDITION, INVALID_ARGUMENT, MojoResult, NOT_FOUND, OK, OUT_OF_RANGE,
    Outcome, RESOURCE_EXHAUSTED, code, refuse_if_forked,
};
use libmojo_core::message::{AttachError, Context, Message, TakeError};
use libmojo_core::{as_one_call, is_forked};
use std::any::Any;

const GET_CONTEXT_RELEASE: u32 = 1;

/// Makes an empty message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoCreateMessage(message: *mut MojoMessageHandle) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::required(message) };
    code(output.and_then(|output| messages::insert(Message::new()).map(|message| output.set(message))))
}

/// Destroys a message and all that it holds.
#[unsafe(no_mangle)]
pub extern "C" fn MojoDestroyMessage(message: MojoMessageHandle) -> MojoResult {
    refuse_if_forked!();
    code(messages::remove(message).map(drop))
}

/// Turns a message's context into a payload now.
#[unsafe(no_mangle)]
pub extern "C" fn MojoSerializeMessage(message: MojoMessageHandle) -> MojoResult {
    refuse_if_forked!();
    as_one_call(|| code(serialize(message)))
}

fn serialize(message: MojoMessageHandle) -> Outcome<()> {
    let context = messages::with_slot(message, |Slot { message, was_busy }| {
        if message.has_payload() {
            return Err(FAILED_PRECONDITION);
        }
        if !message.context().is_some_and(Context::is_serializable) {
            return Err(NOT_FOUND);
        }
        *was_busy = false;
        message.take_context().ok_or(NOT_FOUND)
    })?;
    if !(&*context as &dyn Any).is::<CContext>() {
        return serialize_from_rust(message, context);
    }
    // The serializer is to find the message under the same handle, and empty.
    if let Ok(context) = (context as Box<dyn Any>).downcast::<CContext>() {
        context.serialize_into(message);
    }
    if is_forked() {
        return Err(FAILED_PRECONDITION);
    }
    let (outcome, left) = messages::with_slot(message, |Slot { message, was_busy }| {
        if message.has_payload() {
            message.commit_as_is();
            return Ok((Ok(()), Message::new()));
        }
        let failure = if *was_busy { BUSY } else { ABORTED };
        Ok((Err(failure), std::mem::take(message)))
    })?;
    drop(left);
    outcome
}

/// Serializes a context that the Rust side of the program has made.
fn serialize_from_rust(message: MojoMessageHandle, context: Box<dyn Context>) -> Outcome<()> {
    let mut serialized = Message::with_context(context);
    let outcome = serialized.serialize();
    let left = messages::with(message, |slot| Ok(std::mem::replace(slot, serialized)))?;
    drop(left);
    outcome.map_err(|_| ABORTED)
}

/// Gives an empty message a payload and attachments.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoAttachSerializedMessageBuffer(
    message: MojoMessageHandle,
    payload_size: u32,
    handles: *const MojoHandle,
    num_handles: u32,
    buffer: *mut *mut u8,
    buffer_size: *mut u32,
) -> MojoResult {
    refuse_if_forked!();
    let num_handles = num_handles as usize;
    let lacks_handles = handles.is_null() && num_handles != 0;
    // SAFETY: the caller passes null or places to write to.
    let outputs = unsafe { two_required(buffer, buffer_size) };
    let attach = |message: &mut Message| {
        let (buffer, buffer_size) = outputs?;
        if lacks_handles {
            return Err(INVALID_ARGUMENT);
        }
        if message.is_empty() {
            Message::check_limits(payload_size as usize, num_handles).map_err(attach_code)?;
        }
        message.attach_payload(payload_size as usize).map_err(attach_code)?;
        // SAFETY: the caller passes null or as many handles as it says.
        let attached = unsafe { read_all(handles, num_handles) }.and_then(|handles| handles::attach(&handles, message));
        if let Err(error) = attached {
            *message = Message::new();
            return Err(error);
        }
        store_buffer(message, Some(buffer), Some(buffer_size));
        Ok(())
    };
    attempt(message, num_handles, attach)
}

/// Enlarges a payload and adds attachments.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoExtendSerializedMessagePayload(
    message: MojoMessageHandle,
    new_payload_size: u32,
    handles: *const MojoHandle,
    num_handles: u32,
    new_buffer: *mut *mut u8,
    new_buffer_size: *mut u32,
) -> MojoResult {
    refuse_if_forked!();
    let num_handles = num_handles as usize;
    let lacks_handles = handles.is_null() && num_handles != 0;
    // SAFETY: the caller passes null or places to write to.
    let outputs = unsafe { two_required(new_buffer, new_buffer_size) };
    let extend = |message: &mut Message| {
        let (buffer, buffer_size) = outputs?;
        if lacks_handles {
            return Err(INVALID_ARGUMENT);
        }
        let new_size = new_payload_size as usize;
        if !message.has_payload() || message.is_committed() {
            return Err(FAILED_PRECONDITION);
        }
        if new_size < message.payload().len() {
            return Err(OUT_OF_RANGE);
        }
        Message::check_limits(new_size, message.num_attachments().saturating_add(num_handles)).map_err(attach_code)?;
        // SAFETY: the caller passes null or as many handles as it says.
        let handles = unsafe { read_all(handles, num_handles) }?;
        handles::attach(&handles, message)?;
        message.extend_payload(new_size).map_err(attach_code)?;
        store_buffer(message, Some(buffer), Some(buffer_size));
        Ok(())
    };
    attempt(message, num_handles, extend)
}

/// Attaches something, and remembers whether handles were busy.
#[inline]
fn attempt(
    message: MojoMessageHandle,
    num_handles: usize,
    body: impl FnOnce(&mut Message) -> Outcome<()>,
) -> MojoResult {
    let attempt = || {
        let outcome = messages::with_slot(message, |slot| {
            let outcome = body(&mut slot.message);
            slot.was_busy = outcome == Err(BUSY);
            outcome
        });
        code(outcome)
    };
    // Whoever watches what is attached hears of it afterwards.
    if num_handles == 0 { attempt() } else { as_one_call(attempt) }
}

/// Fixes the size of a payload.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoCommitSerializedMessageContents(
    message: MojoMessageHandle,
    final_payload_size: u32,
    buffer: *mut *mut u8,
    buffer_size: *mut u32,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or places to write to.
    let (buffer, buffer_size) = unsafe { two_optional(buffer, buffer_size) };
    code(messages::with(message, |message| {
        message.commit(final_payload_size as usize).map_err(attach_code)?;
        store_buffer(message, buffer, buffer_size);
        Ok(())
    }))
}

#[inline]
fn store_buffer(message: &mut Message, buffer: Option<Out<*mut u8>>, buffer_size: Option<Out<u32>>) {
    if buffer.is_none() && buffer_size.is_none() {
        return;
    }
    let storage = message.storage_mut();
    if let Some(buffer_size) = buffer_size {
        // At most twice the largest payload, which is far below 2³².
        buffer_size.set(u32::try_from(storage.len()).unwrap_or(u32::MAX));
    }
    if let Some(buffer) = buffer {
        buffer.set(storage.as_mut_ptr());
    }
}

fn attach_code(error: AttachError) -> MojoResult {
    match error {
        AttachError::AlreadyExists => ALREADY_EXISTS,
        AttachError::FailedPrecondition => FAILED_PRECONDITION,
        AttachError::OutOfRange => OUT_OF_RANGE,
        AttachError::ResourceExhausted => RESOURCE_EXHAUSTED,
    }
}

/// Stores where the payload is and takes the attachments out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoGetSerializedMessageContents(
    message: MojoMessageHandle,
    buffer: *mut *mut u8,
    num_bytes: *mut u32,
    handles: *mut MojoHandle,
    num_handles: *mut u32,
    _flags: u32,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or places to write to.
    let (buffer, num_bytes) = unsafe { two_optional(buffer, num_bytes) };
    // SAFETY: the caller passes null or a place to read and write.
    let num_handles = unsafe { Out::optional(num_handles) };
    let capacity = num_handles.as_ref().map_or(0, Out::get);
    let lacks_storage = handles.is_null() && capacity != 0;
    // SAFETY: the caller passes null or room for as many handles as it says.
    let handles = unsafe { OutSlice::new(handles, capacity as usize) };
    let look = |message: &mut Message| {
        if lacks_storage {
            return Err(INVALID_ARGUMENT);
        }
        if !message.is_committed() {
            return Err(FAILED_PRECONDITION);
        }
        let payload = message.payload_mut();
        let (address, len) = (payload.as_mut_ptr(), payload.len());
        if let Some(num_bytes) = &num_bytes {
            num_bytes.set(u32::try_from(len).unwrap_or(u32::MAX));
        }
        match &buffer {
            Some(buffer) if len == 0 => buffer.set(std::ptr::null_mut()),
            Some(buffer) if num_bytes.is_some() => buffer.set(address),
            _ if len == 0 => {}
            _ => return Err(RESOURCE_EXHAUSTED),
        }
        let attached = message.num_attachments();
        if let Some(num_handles) = &num_handles {
            num_handles.set(u32::try_from(attached).unwrap_or(u32::MAX));
        }
        Ok(attached)
    };
    let take = |message: &mut Message| {
        let attached = message.num_attachments();
        if attached > capacity as usize || attached > handles::room() {
            return Err(RESOURCE_EXHAUSTED);
        }
        let objects = message.take_attachments().map_err(|error| match error {
            TakeError::FailedPrecondition => FAILED_PRECONDITION,
            TakeError::NotFound => NOT_FOUND,
            TakeError::Aborted => ABORTED,
        })?;
        for (at, object) in objects.into_iter().enumerate() {
            handles.set(at, handles::insert(object)?);
        }
        Ok(())
    };
    match messages::with(message, look) {
        Ok(0) => OK,
        // Whoever watches what was attached hears of it when all handles are stored.
        Ok(_) => as_one_call(|| code(messages::with(message, take))),
        Err(code) => code,
    }
}

/// Gives an empty message a context.
#[unsafe(no_mangle)]
pub extern "C" fn MojoAttachMessageContext(
    message: MojoMessageHandle,
    context: usize,
    serializer: Option<MojoMessageContextSerializer>,
) -> MojoResult {
    MojoAttachMessageContextWithDestructor(message, context, serializer, None)
}

/// Gives an empty message a context that is destroyed when it is no longer needed.
#[unsafe(no_mangle)]
pub extern "C" fn MojoAttachMessageContextWithDestructor(
    message: MojoMessageHandle,
    context: usize,
    serializer: Option<MojoMessageContextSerializer>,
    destructor: Option<MojoMessageContextDestructor>,
) -> MojoResult {
    refuse_if_forked!();
    code(messages::with(message, |message| {
        if context == 0 {
            return Err(INVALID_ARGUMENT);
        }
        let own = CContext { word: context, serializer, destructor };
        message.set_context(Box::new(own)).map_err(|(error, refused)| {
            release(refused);
            attach_code(error)
        })
    }))
}

/// Stores a message's context and, if asked to, gives it back to the caller.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoGetMessageContext(
    message: MojoMessageHandle,
    context: *mut usize,
    flags: u32,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::required(context) };
    code(messages::with(message, |message| {
        let output = output?;
        let own = message.context().and_then(|context| (context as &dyn Any).downcast_ref::<CContext>());
        output.set(own.ok_or(NOT_FOUND)?.word);
        if flags & GET_CONTEXT_RELEASE != 0 {
            message.take_context().into_iter().for_each(release);
        }
        Ok(())
    }))
}

/// Lets go of a context that goes on to belong to the program.
fn release(context: Box<dyn Context>) {
    if let Ok(own) = (context as Box<dyn Any>).downcast::<CContext>() {
        own.release();
    }
}
