#![allow(unsafe_code)]
//! Message objects.

use crate::args::{MojoOptions, Out, read_all, two_optional};
use crate::contents::{attach_code, attempt, contents, release, serialize, store_buffer};
use crate::handles;
use crate::messages::{self, MojoMessageHandle, Slot};
use crate::options::lenient;
use crate::result::{FAILED_PRECONDITION, INVALID_ARGUMENT, MojoResult, NOT_FOUND, RESOURCE_EXHAUSTED, code};
use libmojo_c_common::callbacks::{CContext, MojoMessageContextDestructor, MojoMessageContextSerializer};
use libmojo_c_common::{HandleWord, refuse_if_forked};
use libmojo_core::as_one_call;
use libmojo_core::message::Message;
use std::any::Any;

const COMMIT_SIZE: u32 = 1;
const IGNORE_HANDLES: u32 = 1;

/// The least room that a payload has.
const MIN_CAPACITY: u32 = 128;

pub(crate) unsafe extern "C" fn create_message(
    options: *const MojoOptions,
    message: *mut MojoMessageHandle,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::required(message) };
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { lenient(options) };
    let create = || {
        let output = output?;
        options?;
        output.set(messages::insert(Message::new())?);
        Ok(())
    };
    code(create())
}

pub(crate) extern "C" fn destroy_message(message: MojoMessageHandle) -> MojoResult {
    refuse_if_forked!();
    code(messages::remove(message).map(drop))
}

pub(crate) unsafe extern "C" fn serialize_message(
    message: MojoMessageHandle,
    options: *const MojoOptions,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { lenient(options) };
    let run = || {
        options?;
        let is_reserved = messages::with_slot(message, |slot| Ok(slot.reserved.is_some()))?;
        if is_reserved { Err(FAILED_PRECONDITION) } else { serialize(message) }
    };
    as_one_call(|| code(run()))
}

pub(crate) unsafe extern "C" fn append_message_data<W: HandleWord>(
    message: MojoMessageHandle,
    additional_payload_size: u32,
    handles: *const W,
    num_handles: u32,
    options: *const MojoOptions,
    buffer: *mut *mut u8,
    buffer_size: *mut u32,
) -> MojoResult {
    refuse_if_forked!();
    let num_handles = num_handles as usize;
    let lacks_handles = handles.is_null() && num_handles != 0;
    // SAFETY: the caller passes null or places to write to.
    let (buffer, buffer_size) = unsafe { two_optional(buffer, buffer_size) };
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { lenient(options) };
    let append = |slot: &mut Slot| {
        let commits = options? & COMMIT_SIZE != 0;
        if lacks_handles {
            return Err(INVALID_ARGUMENT);
        }
        let Slot { message, reserved, .. } = slot;
        let was_empty = message.is_empty();
        if !was_empty && (!message.has_payload() || message.is_committed()) {
            return Err(FAILED_PRECONDITION);
        }
        let additional = additional_payload_size as usize;
        let size = message.payload().len().checked_add(additional).ok_or(RESOURCE_EXHAUSTED)?;
        let attached = message.num_attachments().saturating_add(num_handles);
        Message::check_limits(size, attached).map_err(attach_code)?;
        // SAFETY: the caller passes null or as many handles as it says.
        let words = unsafe { read_all(handles, num_handles) }?;
        let own: Vec<_> = words.into_iter().map(HandleWord::handle).collect();
        if was_empty {
            let room = reserved.unwrap_or(0).max(MIN_CAPACITY);
            message.attach_payload_with_room(0, room as usize).map_err(attach_code)?;
        }
        if let Err(error) = handles::attach(&own, message) {
            if was_empty {
                *message = Message::new();
            }
            return Err(error);
        }
        message.extend_payload(size).map_err(attach_code)?;
        *reserved = None;
        if commits {
            message.commit_as_is();
        }
        store_buffer(message, buffer, buffer_size);
        Ok(())
    };
    attempt(message, num_handles, append)
}

pub(crate) unsafe extern "C" fn message_data<W: HandleWord>(
    message: MojoMessageHandle,
    options: *const MojoOptions,
    buffer: *mut *mut u8,
    num_bytes: *mut u32,
    handles: *mut W,
    num_handles: *mut u32,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    match unsafe { lenient(options) } {
        Ok(flags) => {
            // SAFETY: the caller's promises are that function's too.
            unsafe { contents(message, buffer, num_bytes, handles, num_handles, flags & IGNORE_HANDLES != 0) }
        }
        Err(code) => code,
    }
}

pub(crate) unsafe extern "C" fn set_message_context(
    message: MojoMessageHandle,
    context: usize,
    serializer: Option<MojoMessageContextSerializer>,
    destructor: Option<MojoMessageContextDestructor>,
    options: *const MojoOptions,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { lenient(options) };
    code(messages::with_slot(message, |Slot { message, reserved, .. }| {
        options?;
        if context == 0 && (serializer.is_some() || destructor.is_some()) {
            return Err(INVALID_ARGUMENT);
        }
        if reserved.is_some() || message.has_payload() {
            return Err(FAILED_PRECONDITION);
        }
        if context == 0 {
            message.take_context().into_iter().for_each(release);
            return Ok(());
        }
        let own = CContext { word: context, serializer, destructor, commits: false };
        message.set_context(Box::new(own)).map_err(|(error, refused)| {
            release(refused);
            attach_code(error)
        })
    }))
}

pub(crate) unsafe extern "C" fn message_context(
    message: MojoMessageHandle,
    options: *const MojoOptions,
    context: *mut usize,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::required(context) };
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { lenient(options) };
    code(messages::with(message, |message| {
        let output = output?;
        options?;
        let own = message.context().and_then(|context| (context as &dyn Any).downcast_ref::<CContext>());
        output.set(own.ok_or(NOT_FOUND)?.word);
        Ok(())
    }))
}

pub(crate) unsafe extern "C" fn reserve_message_capacity(
    message: MojoMessageHandle,
    payload_buffer_size: u32,
    buffer_size: *mut u32,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::optional(buffer_size) };
    code(messages::with_slot(message, |Slot { message, reserved, .. }| {
        if !message.is_empty() {
            return Err(FAILED_PRECONDITION);
        }
        Message::check_limits(payload_buffer_size as usize, 0).map_err(attach_code)?;
        let capacity = payload_buffer_size.max(MIN_CAPACITY).max(reserved.unwrap_or(0));
        *reserved = Some(capacity);
        if let Some(output) = output {
            output.set(capacity);
        }
        Ok(())
    }))
}
