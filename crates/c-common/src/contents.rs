#![allow(unsafe_code)]
//! What messages hold: payloads, attachments, contexts.

use crate::args::{Out, OutSlice, two_optional};
use crate::callbacks::CContext;
use crate::handles;
use crate::messages::{self, MojoMessageHandle, Slot};
use crate::result::{
    ABORTED, ALREADY_EXISTS, BUSY, FAILED_PRECONDITION, INVALID_ARGUMENT, MojoResult, NOT_FOUND, OK, OUT_OF_RANGE,
    Outcome, RESOURCE_EXHAUSTED, code,
};
use crate::word::HandleWord;
use libmojo_core::message::{AttachError, Context, Message, TakeError};
use libmojo_core::{as_one_call, is_forked};
use std::any::Any;

/// Turns a message's context into a payload now. One that the serializer leaves uncommitted is committed, if the context
/// says so.
///
/// # Errors
/// `FAILED_PRECONDITION` if it has a payload; `NOT_FOUND` if it has no context, or one without a serializer; `BUSY` and
/// `ABORTED` if the serializer failed, after which the message is empty.
pub fn serialize(message: MojoMessageHandle) -> Outcome<()> {
    let context = messages::with_slot(message, |Slot { message, was_busy, .. }| {
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
    let mut commits = true;
    // The serializer is to find the message under the same handle, and empty.
    if let Ok(context) = (context as Box<dyn Any>).downcast::<CContext>() {
        commits = context.commits;
        context.serialize_into(message);
    }
    if is_forked() {
        return Err(FAILED_PRECONDITION);
    }
    let (outcome, left) = messages::with_slot(message, |Slot { message, was_busy, .. }| {
        if message.has_payload() && (commits || message.is_committed()) {
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

/// Attaches something, and remembers whether handles were busy.
#[inline]
pub fn attempt(
    message: MojoMessageHandle,
    num_handles: usize,
    body: impl FnOnce(&mut Slot) -> Outcome<()>,
) -> MojoResult {
    let attempt = || {
        let outcome = messages::with_slot(message, |slot| {
            let outcome = body(slot);
            slot.was_busy = outcome == Err(BUSY);
            outcome
        });
        code(outcome)
    };
    // Whoever watches what is attached hears of it afterwards.
    if num_handles == 0 { attempt() } else { as_one_call(attempt) }
}

/// Stores where the storage is, and how large.
#[inline]
pub fn store_buffer(message: &mut Message, buffer: Option<Out<*mut u8>>, buffer_size: Option<Out<u32>>) {
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

/// The code for an error.
pub fn attach_code(error: AttachError) -> MojoResult {
    match error {
        AttachError::AlreadyExists => ALREADY_EXISTS,
        AttachError::FailedPrecondition => FAILED_PRECONDITION,
        AttachError::OutOfRange => OUT_OF_RANGE,
        AttachError::ResourceExhausted => RESOURCE_EXHAUSTED,
    }
}

/// Stores where the payload is and takes the attachments out, unless they are to be ignored.
///
/// # Safety
/// Each pointer is null or valid for what the API says of it, for the duration of the call.
#[inline]
pub unsafe fn contents<W: HandleWord>(
    message: MojoMessageHandle,
    buffer: *mut *mut u8,
    num_bytes: *mut u32,
    handles: *mut W,
    num_handles: *mut u32,
    ignores_handles: bool,
) -> MojoResult {
    // SAFETY: the program passes null or places to write to.
    let (buffer, num_bytes) = unsafe { two_optional(buffer, num_bytes) };
    // SAFETY: the program passes null or a place to read and write.
    let num_handles = unsafe { Out::optional(num_handles) };
    let capacity = num_handles.as_ref().map_or(0, Out::get);
    let lacks_storage = handles.is_null() && capacity != 0;
    // SAFETY: the program passes null or room for as many handles as it says.
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
        if ignores_handles {
            return Ok(0);
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
            handles.set(at, W::new(handles::insert(object)?));
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

/// Lets go of a context that goes on to belong to the program.
pub fn release(context: Box<dyn Context>) {
    if let Ok(own) = (context as Box<dyn Any>).downcast::<CContext>() {
        own.release();
    }
}
