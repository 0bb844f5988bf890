#![allow(unsafe_code)]
//! Message pipes.

use crate::args::{Out, bytes};
use crate::handles::{self, MojoHandle};
use crate::messages::{self, MojoMessageHandle};
use crate::result::{
    FAILED_PRECONDITION, INVALID_ARGUMENT, MojoResult, NOT_FOUND, OK, Outcome, RESOURCE_EXHAUSTED, SHOULD_WAIT, code,
};
use libmojo_core::message::Message;
use libmojo_core::node::{Node, Sender};
use libmojo_core::object::Object;
use libmojo_core::pipe::{FuseError, Pipe, ReceiveError, SendError};
use libmojo_core::{Deferred, as_one_call};
use std::sync::Arc;

/// Makes a pipe.
pub fn create() -> Outcome<(MojoHandle, MojoHandle)> {
    let (a, b) = Pipe::create(Node::process());
    handles::insert_pair(a, b)
}

/// Sends a message, which is consumed in any case. One that is not committed is, or is refused.
#[inline]
pub fn write(message_pipe_handle: MojoHandle, message: MojoMessageHandle, commits: bool) -> MojoResult {
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
        Ok(message) if !commits && message.has_payload() && !message.is_committed() => INVALID_ARGUMENT,
        Ok(message) if message.num_attachments() == 0 => code(write(message)),
        // What the serializers of messages that wait at an attached pipe make due runs when this one is sent.
        Ok(message) => as_one_call(|| code(write(message))),
        Err(code) => code,
    }
}

/// Receives a message.
///
/// # Safety
/// `message` is null or can be written to.
#[inline]
pub unsafe fn read(message_pipe_handle: MojoHandle, message: *mut MojoMessageHandle) -> MojoResult {
    // SAFETY: by this function's contract.
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
pub fn fuse(handle0: MojoHandle, handle1: MojoHandle) -> MojoResult {
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

/// Reports a received message as bad; `report` is given its sender and the text.
///
/// # Safety
/// `error` is null or has as many bytes as it says.
pub unsafe fn notify_bad(
    message: MojoMessageHandle,
    error: *const u8,
    error_num_bytes: usize,
    report: impl FnOnce(Option<Arc<Sender>>, &str),
) -> MojoResult {
    // SAFETY: by this function's contract.
    let text = unsafe { bytes(error, error_num_bytes) };
    let notify = || {
        let text = String::from_utf8_lossy(text?).into_owned();
        let sender = messages::with(message, |message| Ok(message.sender().cloned()))?;
        report(sender, &text);
        Ok(())
    };
    code(notify())
}

/// Does something with the pipe that a handle refers to.
#[inline]
pub fn with_pipe<R>(handle: MojoHandle, body: impl FnOnce(&Pipe) -> Outcome<R>) -> Outcome<R> {
    match &handles::borrow(handle)?.object {
        Object::Pipe(pipe) => body(pipe),
        _ => Err(INVALID_ARGUMENT),
    }
}
