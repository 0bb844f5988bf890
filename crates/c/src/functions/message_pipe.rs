#![allow(unsafe_code)]
//! `message_pipe.h`, first part: pipes.

use crate::args::{MojoOptions, Out, bytes, flags, two_required};
use crate::handles::{self, MojoHandle};
use crate::messages::{self, MojoMessageHandle};
use crate::result::{
    FAILED_PRECONDITION, INVALID_ARGUMENT, MojoResult, NOT_FOUND, OK, Outcome, RESOURCE_EXHAUSTED, SHOULD_WAIT, code,
    refuse_if_forked,
};
use libmojo_core::message::Message;
use libmojo_core::node::Node;
use libmojo_core::object::Object;
use libmojo_core::pipe::{FuseError, Pipe, ReceiveError, SendError};
use libmojo_core::{Deferred, as_one_call};

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
        let (a, b) = Pipe::create(Node::process());
        let (a, b) = handles::insert_pair(a, b)?;
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
    let write = |message: Message| {
        with_pipe(message_pipe_handle, |pipe| {
            pipe.send(message).map_err(|(error, _)| match error {
                SendError::NotOpen | SendError::BadCargo | SendError::NotSerializable => INVALID_ARGUMENT,
                SendError::Empty => NOT_FOUND,
                SendError::PeerClosed => FAILED_PRECONDITION,
                SendError::TooLarge => RESOURCE_EXHAUSTED,
                SendError::QuotaReached => SHOULD_WAIT,
            })
        })
    };
    match messages::remove(message) {
        Ok(message) if message.num_attachments() == 0 => code(write(message)),
        // What the serializers of messages that wait at an attached pipe make due runs when this one is sent.
        Ok(message) => as_one_call(|| code(write(message))),
        Err(code) => code,
    }
}

/// Receives a message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoReadMessage(
    message_pipe_handle: MojoHandle,
    message: *mut MojoMessageHandle,
    _flags: u32,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::required(message) };
    // Whoever watches the pipe hears of it when the message is stored.
    let mut deferred = Deferred::new();
    let read = || {
        let output = output?;
        let received = with_pipe(message_pipe_handle, |pipe| {
            pipe.receive_with(&mut deferred).map_err(|error| match error {
                ReceiveError::NotOpen => INVALID_ARGUMENT,
                ReceiveError::Empty => SHOULD_WAIT,
                ReceiveError::PeerClosed => FAILED_PRECONDITION,
            })
        })?;
        output.set(messages::insert(received)?);
        Ok(())
    };
    code(read())
}

/// Joins two pipes; both handles are gone in any case.
#[unsafe(no_mangle)]
pub extern "C" fn MojoFuseMessagePipes(handle0: MojoHandle, handle1: MojoHandle) -> MojoResult {
    refuse_if_forked!();
    let fuse = || match (handles::remove(handle0), handles::remove(handle1)) {
        (Ok(Object::Pipe(b)), Ok(Object::Pipe(c))) => match b.fuse(&c) {
            Ok(()) => OK,
            Err(FuseError::NotOpen) => INVALID_ARGUMENT,
            Err(FuseError::SamePipe | FuseError::HasSent) => FAILED_PRECONDITION,
        },
        (b, c) => {
            b.into_iter().chain(c).for_each(|object| object.close());
            INVALID_ARGUMENT
        }
    };
    as_one_call(fuse)
}

/// Reports a received message as bad.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoNotifyBadMessage(
    message: MojoMessageHandle,
    error: *const u8,
    error_num_bytes: usize,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or as many bytes as it says, for the duration of the call.
    let text = unsafe { bytes(error, error_num_bytes) };
    let notify = || {
        let text = String::from_utf8_lossy(text?).into_owned();
        let sender = messages::with(message, |message| Ok(message.sender().cloned()))?;
        Node::process().report_bad_message_from(sender.as_ref(), &text);
        Ok(())
    };
    code(notify())
}

#[inline]
pub(super) fn with_pipe<R>(handle: MojoHandle, body: impl FnOnce(&Pipe) -> Outcome<R>) -> Outcome<R> {
    match &handles::borrow(handle)?.object {
        Object::Pipe(pipe) => body(pipe),
        _ => Err(INVALID_ARGUMENT),
    }
}
