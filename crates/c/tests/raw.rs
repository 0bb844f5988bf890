//! Objects change hands between the C face and the Rust face of one program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use libmojo::{Consumer, DataPipeOptions, Handle, Message, MessagePipe, Serialize, SharedBuffer, Signals, Waitable};
use mojo_system::{
    MojoClose, MojoDestroyMessage, MojoGetMessageContext, MojoQueryHandleSignalsState, MojoSerializeMessage, RawError,
    from_raw, into_raw, message_from_raw, message_into_raw,
};
use std::fs::File;
use std::sync::Arc;

const OK: u32 = 0;
const INVALID_ARGUMENT: u32 = 3;
const NOT_FOUND: u32 = 5;
const FAILED_PRECONDITION: u32 = 9;

#[test]
fn an_object_goes_out_and_comes_back() {
    let (a, b) = MessagePipe::create();
    let handle = into_raw(b).unwrap();
    a.send(Message::from("sent meanwhile")).unwrap();
    let b: MessagePipe = from_raw(handle).unwrap();
    assert_eq!(MojoClose(handle), INVALID_ARGUMENT);
    assert_eq!(b.recv().unwrap().payload(), b"sent meanwhile");

    let buffer = SharedBuffer::create(10).unwrap();
    let guid = buffer.guid();
    let buffer: SharedBuffer = from_raw(into_raw(buffer).unwrap()).unwrap();
    assert_eq!(buffer.guid(), guid);

    let file = File::open("/dev/null").unwrap();
    let handle: Handle = from_raw(into_raw(Handle::from(file)).unwrap()).unwrap();
    assert!(handle.into_descriptor().is_ok());
}

#[test]
fn closing_the_handle_closes_the_object() {
    let (a, b) = MessagePipe::create();
    assert_eq!(MojoClose(into_raw(b).unwrap()), OK);
    a.wait(Signals::PEER_CLOSED, None).unwrap();
}

#[test]
fn a_handle_that_is_something_else_stays_valid() {
    let (a, b) = MessagePipe::create();
    let handle = into_raw(b).unwrap();
    assert_eq!(from_raw::<Consumer>(handle).unwrap_err(), RawError::OtherKind);
    assert!(!a.signals().satisfied.contains(Signals::PEER_CLOSED));
    let b: MessagePipe = from_raw(handle).unwrap();
    assert_eq!(from_raw::<MessagePipe>(handle).unwrap_err(), RawError::InvalidHandle);
    assert_eq!(from_raw::<MessagePipe>(0).unwrap_err(), RawError::InvalidHandle);
    drop(b);
}

#[test]
fn a_handle_that_many_threads_ask_for_goes_to_one() {
    for _ in 0..200 {
        let (producer, consumer) = DataPipeOptions::default().create().unwrap();
        let handle = into_raw(consumer).unwrap();
        let won = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| from_raw::<Consumer>(handle).ok())).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(won.len(), 1);
        assert!(!producer.signals().satisfied.contains(Signals::PEER_CLOSED));
    }
}

/// Lives as long as the value that holds it.
struct Counted {
    _count: Arc<()>,
}

impl Serialize for Counted {
    fn serialize(self) -> Message {
        Message::from("counted")
    }
}

#[test]
fn a_value_of_rust_is_no_context_of_c_but_can_be_serialized_there() {
    let count = Arc::new(());
    let handle = message_into_raw(Message::lazy(Counted { _count: count.clone() })).unwrap();
    let mut context = 7;
    // SAFETY: the output is a place to write to.
    assert_eq!(unsafe { MojoGetMessageContext(handle, &raw mut context, 1) }, NOT_FOUND);
    assert_eq!((context, Arc::strong_count(&count)), (7, 2));
    assert_eq!(MojoSerializeMessage(handle), OK);
    assert_eq!(Arc::strong_count(&count), 1);
    assert_eq!(MojoSerializeMessage(handle), FAILED_PRECONDITION);
    let message: Message = message_from_raw(handle).unwrap();
    assert_eq!(message.payload(), b"counted");
    assert_eq!(message_from_raw::<Message>(handle).unwrap_err(), RawError::InvalidHandle);
    assert_eq!(MojoDestroyMessage(handle), INVALID_ARGUMENT);
}

#[test]
fn the_state_of_an_object_is_the_same_on_both_sides() {
    let (a, b) = MessagePipe::create();
    let handle = into_raw(b).unwrap();
    a.send(Message::from("unread")).unwrap();
    drop(a);
    let mut state = Default::default();
    // SAFETY: the output is a place to write to.
    assert_eq!(unsafe { MojoQueryHandleSignalsState(handle, &raw mut state) }, OK);
    let b: MessagePipe = from_raw(handle).unwrap();
    assert_eq!(b.signals().satisfied.bits(), state.satisfied_signals);
    assert_eq!(b.signals().satisfied, Signals::READABLE | Signals::PEER_CLOSED);
}
