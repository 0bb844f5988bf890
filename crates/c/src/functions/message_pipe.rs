#![allow(unsafe_code)]
//! `message_pipe.h`, first part: pipes.

use crate::args::{MojoOptions, flags, two_required};
use crate::handles::MojoHandle;
use crate::messages::MojoMessageHandle;
use crate::pipes;
use crate::result::{MojoResult, code, refuse_if_forked};
use libmojo_core::node::Node;

/// Makes a message pipe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoCreateMessagePipe(
    options: *const MojoOptions,
    message_pipe_handle0: *mut MojoHandle,
    message_pipe_handle1: *mut MojoHandle,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or places to write to.
    let outputs = unsafe { two_required(message_pipe_handle0, message_pipe_handle1) };
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { flags(options, 0) };
    let create = || {
        let (first, second) = outputs?;
        options?;
        let (a, b) = pipes::create()?;
        first.set(a);
        second.set(b);
        Ok(())
    };
    code(create())
}

/// Sends a message, which is consumed in any case.
#[unsafe(no_mangle)]
pub extern "C" fn MojoWriteMessage(
    message_pipe_handle: MojoHandle,
    message: MojoMessageHandle,
    _flags: u32,
) -> MojoResult {
    refuse_if_forked!();
    pipes::write(message_pipe_handle, message, true)
}

/// Receives a message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoReadMessage(
    message_pipe_handle: MojoHandle,
    message: *mut MojoMessageHandle,
    _flags: u32,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller's promises are this function's too.
    unsafe { pipes::read(message_pipe_handle, message) }
}

/// Joins two pipes; both handles are gone in any case.
#[unsafe(no_mangle)]
pub extern "C" fn MojoFuseMessagePipes(handle0: MojoHandle, handle1: MojoHandle) -> MojoResult {
    refuse_if_forked!();
    pipes::fuse(handle0, handle1)
}

/// Reports a received message as bad.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoNotifyBadMessage(
    message: MojoMessageHandle,
    error: *const u8,
    error_num_bytes: usize,
) -> MojoResult {
    refuse_if_forked!();
    let report = |sender: Option<_>, text: &str| Node::process().report_bad_message_from(sender.as_ref(), text);
    // SAFETY: the caller's promises are this function's too.
    unsafe { pipes::notify_bad(message, error, error_num_bytes, report) }
}
