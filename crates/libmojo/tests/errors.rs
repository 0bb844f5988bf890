//! What all errors have in common, and what they are in the C API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use libmojo::{
    AccessError, BufferError, Connection, Consumer, DataPipeError, FuseError, Handle, Invitation, InvitationError,
    Mapping, Message, MessagePipe, Node, Producer, Ready, RecvError, ResultCode, SendError, SendErrorKind,
    SerializeError, SharedBuffer, SignalsState, TakeError, TryRecvError, WaitError, WatchError, Watcher,
};
use std::error::Error;
use std::fmt::Debug;
use std::io::{self, ErrorKind};

fn is_an_error<E: Error + Into<io::Error> + Send + Sync + 'static>() {}
fn has_a_code<E: Into<ResultCode>>() {}
fn is_for_any_thread<T: Send + Sync + Debug>() {}

#[test]
fn every_error_is_one_for_any_thread_and_converts_to_both_others() {
    macro_rules! errors {
        ($($error:ty),+) => {$( is_an_error::<$error>(); has_a_code::<$error>(); )+};
    }
    errors!(SendError, SendErrorKind, RecvError, TryRecvError, FuseError, SerializeError, TakeError, DataPipeError);
    errors!(BufferError, WatchError, WaitError, InvitationError, AccessError);
}

#[test]
fn every_object_can_be_used_and_shown_by_any_thread() {
    macro_rules! objects {
        ($($object:ty),+) => {$( is_for_any_thread::<$object>(); )+};
    }
    objects!(MessagePipe, Message, Producer, Consumer, SharedBuffer, Mapping, Watcher, Handle, Invitation, Ready);
    objects!(Node, Connection);
}

#[test]
fn codes_have_the_values_of_the_headers() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../include/mojo/public/c/system/types.h");
    let header = std::fs::read_to_string(path).unwrap();
    let defined: Vec<(String, u32)> = header
        .lines()
        .filter_map(|line| line.strip_prefix("#define MOJO_RESULT_")?.split_once(" ((MojoResult)"))
        .map(|(name, value)| (name.replace('_', "").to_lowercase(), value.trim_end_matches(')').parse().unwrap()))
        .collect();
    use ResultCode::*;
    let codes = [
        Ok,
        Cancelled,
        Unknown,
        InvalidArgument,
        DeadlineExceeded,
        NotFound,
        AlreadyExists,
        PermissionDenied,
        ResourceExhausted,
        FailedPrecondition,
        Aborted,
        OutOfRange,
        Unimplemented,
        Internal,
        Unavailable,
        DataLoss,
        Busy,
        ShouldWait,
    ];
    let ours = codes.map(|code| (format!("{code:?}").to_lowercase(), u32::from(code)));
    assert_eq!(defined, ours);
}

fn outcome<E: Copy + Into<io::Error> + Into<ResultCode>>(error: E) -> (ErrorKind, ResultCode) {
    (Into::<io::Error>::into(error).kind(), error.into())
}

#[test]
fn an_error_says_the_same_in_all_three_forms() {
    assert_eq!(outcome(TryRecvError::Empty), (ErrorKind::WouldBlock, ResultCode::ShouldWait));
    assert_eq!(outcome(RecvError::PeerClosed), (ErrorKind::BrokenPipe, ResultCode::FailedPrecondition));
    assert_eq!(outcome(WaitError::DeadlineExceeded), (ErrorKind::TimedOut, ResultCode::DeadlineExceeded));
    let impossible = WaitError::Unsatisfiable(SignalsState::default());
    assert_eq!(outcome(impossible), (ErrorKind::BrokenPipe, ResultCode::FailedPrecondition));
    assert_eq!(outcome(SendErrorKind::QuotaReached), (ErrorKind::WouldBlock, ResultCode::ShouldWait));
    assert_eq!(outcome(DataPipeError::OutOfRange), (ErrorKind::InvalidInput, ResultCode::OutOfRange));
    assert_eq!(outcome(AccessError::ReadOnly), (ErrorKind::PermissionDenied, ResultCode::PermissionDenied));
    let error = InvitationError::Socket(ErrorKind::InvalidInput.into());
    assert_eq!(ResultCode::from(error), ResultCode::InvalidArgument);
    let error = InvitationError::Socket(ErrorKind::NotConnected.into());
    assert_eq!(ResultCode::from(error), ResultCode::ResourceExhausted);
}

#[test]
fn a_refused_message_comes_back_and_can_be_sent_elsewhere() {
    let (a, b) = MessagePipe::create();
    drop(b);
    let (keep, carried) = MessagePipe::create();
    let refused = a.send(Message::from("hello").with(carried)).unwrap_err();
    assert_eq!(ResultCode::from(refused.kind), ResultCode::FailedPrecondition);
    let (c, d) = MessagePipe::create();
    c.send(refused.message).unwrap();
    let mut message = d.recv().unwrap();
    assert_eq!(message.payload(), b"hello");
    let carried = message.take_handles().unwrap().remove(0);
    keep.send(Message::from("still open")).unwrap();
    let signals = carried.as_waitable().unwrap().signals();
    assert!(signals.satisfied.contains(libmojo::Signals::READABLE));
    assert!(Handle::from(SharedBuffer::create(1).unwrap()).as_waitable().is_none());
}
