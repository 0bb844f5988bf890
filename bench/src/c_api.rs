#![allow(unsafe_code)]
//! The C API as a C program uses it: every call goes through an exported symbol, with pointers to local variables.

use crate::outcome::Outcome;
use mojo_system::{
    MojoArmWatcher, MojoAttachMessageContext, MojoAttachSerializedMessageBuffer, MojoClose,
    MojoCommitSerializedMessageContents, MojoCreateMessage, MojoCreateMessagePipe, MojoCreateWatcher,
    MojoDestroyMessage, MojoGetMessageContext, MojoGetSerializedMessageContents, MojoHandle, MojoMessageHandle,
    MojoReadMessage, MojoResult, MojoWatch, MojoWatcherCallback, MojoWriteMessage,
};
use std::ptr::{null, null_mut};

pub const OK: MojoResult = 0;
pub const SHOULD_WAIT: MojoResult = 17;
const FAILED_PRECONDITION: MojoResult = 9;
const READABLE: u32 = 1;
const GET_CONTEXT_RELEASE: u32 = 1;

fn check(call: &str, result: MojoResult) -> Outcome<()> {
    if result == OK { Ok(()) } else { Err(format!("{call}: {result}").into()) }
}

/// Makes a pipe.
pub fn create_pipe() -> Outcome<(MojoHandle, MojoHandle)> {
    let (mut a, mut b) = (0, 0);
    // SAFETY: no options, and two places to write to.
    let result = unsafe { MojoCreateMessagePipe(null(), &raw mut a, &raw mut b) };
    check("MojoCreateMessagePipe", result)?;
    Ok((a, b))
}

/// Closes a handle.
pub fn close(handle: MojoHandle) -> Outcome<()> {
    check("MojoClose", MojoClose(handle))
}

/// Makes a message with these bytes and writes it.
pub fn write(pipe: MojoHandle, bytes: &[u8]) -> Outcome<()> {
    let num_bytes = u32::try_from(bytes.len())?;
    let message = create_message()?;
    let (mut buffer, mut buffer_size) = (null_mut(), 0);
    // SAFETY: no handles, and two places to write to.
    let result = unsafe {
        MojoAttachSerializedMessageBuffer(message, num_bytes, null(), 0, &raw mut buffer, &raw mut buffer_size)
    };
    check("MojoAttachSerializedMessageBuffer", result)?;
    if buffer_size < num_bytes {
        return Err("MojoAttachSerializedMessageBuffer: too small a buffer".into());
    }
    // SAFETY: the buffer belongs to the message, which nobody else knows, and has room for the bytes.
    unsafe { buffer.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    // SAFETY: null, which is allowed for both.
    let result = unsafe { MojoCommitSerializedMessageContents(message, num_bytes, null_mut(), null_mut()) };
    check("MojoCommitSerializedMessageContents", result)?;
    check("MojoWriteMessage", MojoWriteMessage(pipe, message, 0))
}

/// Makes a message with a context and writes it.
pub fn write_context(pipe: MojoHandle, context: usize) -> Outcome<()> {
    let message = create_message()?;
    check("MojoAttachMessageContext", MojoAttachMessageContext(message, context, None))?;
    check("MojoWriteMessage", MojoWriteMessage(pipe, message, 0))
}

fn create_message() -> Outcome<MojoMessageHandle> {
    let mut message = 0;
    // SAFETY: a place to write to.
    let result = unsafe { MojoCreateMessage(&raw mut message) };
    check("MojoCreateMessage", result)?;
    Ok(message)
}

/// Reads a message, has `look` look at its bytes, and destroys it. `None` if there is none.
pub fn read<T>(pipe: MojoHandle, look: impl FnOnce(&[u8]) -> T) -> Outcome<Option<T>> {
    let Some(message) = read_message(pipe)? else { return Ok(None) };
    let (mut buffer, mut num_bytes) = (null_mut(), 0);
    // SAFETY: two places to write to, and no handles.
    let result = unsafe {
        MojoGetSerializedMessageContents(message, &raw mut buffer, &raw mut num_bytes, null_mut(), null_mut(), 0)
    };
    check("MojoGetSerializedMessageContents", result)?;
    let looked = if buffer.is_null() {
        look(&[])
    } else {
        // SAFETY: so many bytes of the message, which nobody else knows, and which lives until it is destroyed below.
        look(unsafe { std::slice::from_raw_parts(buffer, num_bytes as usize) })
    };
    check("MojoDestroyMessage", MojoDestroyMessage(message))?;
    Ok(Some(looked))
}

/// Reads a message with a context, and takes that out.
pub fn read_context(pipe: MojoHandle) -> Outcome<usize> {
    let message = read_message(pipe)?.ok_or("MojoReadMessage: nothing")?;
    let mut context = 0;
    // SAFETY: a place to write to.
    let result = unsafe { MojoGetMessageContext(message, &raw mut context, GET_CONTEXT_RELEASE) };
    check("MojoGetMessageContext", result)?;
    check("MojoDestroyMessage", MojoDestroyMessage(message))?;
    Ok(context)
}

fn read_message(pipe: MojoHandle) -> Outcome<Option<MojoMessageHandle>> {
    let mut message = 0;
    // SAFETY: a place to write to.
    match unsafe { MojoReadMessage(pipe, &raw mut message, 0) } {
        SHOULD_WAIT => Ok(None),
        result => check("MojoReadMessage", result).map(|()| Some(message)),
    }
}

/// Makes a watcher that watches a pipe for messages. It is not armed yet.
pub fn watch(pipe: MojoHandle, callback: MojoWatcherCallback, context: usize) -> Outcome<MojoHandle> {
    let mut watcher = 0;
    // SAFETY: a place to write to.
    let result = unsafe { MojoCreateWatcher(Some(callback), &raw mut watcher) };
    check("MojoCreateWatcher", result)?;
    check("MojoWatch", MojoWatch(watcher, pipe, READABLE, context))?;
    Ok(watcher)
}

/// Arms a watcher. False if there is something to read already, or nothing will ever be.
pub fn arm(watcher: MojoHandle) -> Outcome<bool> {
    // SAFETY: null, which is allowed for all.
    match unsafe { MojoArmWatcher(watcher, null_mut(), null_mut(), null_mut(), null_mut()) } {
        FAILED_PRECONDITION => Ok(false),
        result => check("MojoArmWatcher", result).map(|()| true),
    }
}
