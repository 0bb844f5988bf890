#![allow(unsafe_code)]
//! `message_pipe.h`, second part: message objects.

use crate::args::{Out, read_all, two_optional, two_required};
use crate::callbacks::{CContext, MojoMessageContextDestructor, MojoMessageContextSerializer};
use crate::contents::{attach_code, attempt, contents, release, serialize, store_buffer};
use crate::handles::{self, MojoHandle};
use crate::messages::{self, MojoMessageHandle, Slot};
use crate::result::{
    FAILED_PRECONDITION, INVALID_ARGUMENT, MojoResult, NOT_FOUND, OUT_OF_RANGE, code, refuse_if_forked,
};
use libmojo_core::as_one_call;
use libmojo_core::message::Message;
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
    let attach = |Slot { message, .. }: &mut Slot| {
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
    let extend = |Slot { message, .. }: &mut Slot| {
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
    // SAFETY: the caller's promises are this function's too.
    unsafe { contents(message, buffer, num_bytes, handles, num_handles, false) }
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
        let own = CContext { word: context, serializer, destructor, commits: true };
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
