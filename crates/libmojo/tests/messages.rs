//! Messages that are built piece by piece, and messages that carry a value, which is serialized only if it leaves the
//! node.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::{Handle, Message, MessagePipe, SendErrorKind, Serialize, SharedBuffer, Signals, TakeError, Waitable};
use libmojo_core::message::Message as CoreMessage;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use worlds::*;

// ---- piece by piece --------------------------------------------------------------------------------------

/// The message with a longer payload, as the C API makes one.
fn extended(message: Message, num_bytes: usize) -> Message {
    let mut message = CoreMessage::from(message);
    message.extend_payload(num_bytes).unwrap();
    message.into()
}

in_worlds! {
    fn a_message_that_was_extended_arrives_whole(world: World) {
        let (sides, a, b) = world.connect();
        let mut message = extended(Message::from(""), 11);
        message.payload_mut().copy_from_slice(b"hello world");
        a.send(message).unwrap();
        assert_eq!(recv(&b), "hello world");

        // Far beyond the storage that it had at first, with handles of all kinds attached before.
        let (kept, given) = sides.pipe_here();
        let message = Message::from("start").with(given).with(file_with("a file")).with(file_with("another"));
        let message = message.with(SharedBuffer::create(8).unwrap()).with(Handle::Descriptor(None));
        let mut message = extended(message, 64 * 4096);
        message.payload_mut()[64 * 4096 - 3..].copy_from_slice(b"end");
        a.send(message).unwrap();
        let mut message = b.recv().unwrap();
        assert!(message.payload().starts_with(b"start\0") && message.payload().ends_with(b"\0end"));
        assert_eq!(message.payload().len(), 64 * 4096);
        let mut handles = message.take_handles().unwrap();
        assert_eq!(handles.len(), 5);
        send(&handles.remove(0).into_pipe().unwrap(), "through");
        assert_eq!(recv(&kept), "through");
    }

    fn handles_that_were_added_to_an_extended_message_arrive_in_their_order(world: World) {
        let (sides, a, b) = world.connect();
        let (one, other) = sides.pipe_here();
        let message = extended(Message::from(""), 100).with(one);
        let message = extended(message, 10_000).with(file_with("second"));
        let message = extended(message, 10_000).with(file_with("third")).with(SharedBuffer::create(4).unwrap());
        a.send(message.with(other)).unwrap();
        let handles = b.recv().unwrap().take_handles().unwrap();
        let [Handle::Pipe(one), Handle::Descriptor(Some(second)), Handle::Descriptor(Some(third)), Handle::Buffer(fourth),
            Handle::Pipe(other)] = <[Handle; 5]>::try_from(handles).unwrap() else { panic!("another order") };
        assert_eq!((text_of(&second.into()), text_of(&third.into())), ("second".into(), "third".into()));
        assert_eq!(fourth.num_bytes(), 4);
        send(&one, "to the last");
        assert_eq!(recv(&other), "to the last");
    }
}

#[test]
fn a_payload_grows_in_steps_of_any_size_and_keeps_its_bytes() {
    for step in [1, 2, 3, 64, 509, 4096, 16_384, 65_535] {
        let last = (20_000 * step).min(5 << 20);
        let (kept, given) = MessagePipe::create();
        let mut message = CoreMessage::from(Message::from("").with(given));
        let mut len = 0;
        while len < last {
            message.extend_payload(len + step).unwrap();
            // All storage may be written to; what is behind the payload counts for nothing.
            let storage = &mut message.storage_mut()[len..];
            let written = storage.len().min(step + 100);
            storage[..written].fill((len % 251) as u8);
            len += step;
        }
        let mut message = Message::from(message);
        for (round, chunk) in message.payload().chunks(step).enumerate() {
            assert!(chunk.iter().all(|byte| *byte == (round * step % 251) as u8));
        }
        send(&message.take_handles().unwrap().remove(0).into_pipe().unwrap(), "intact");
        assert_eq!(recv(&kept), "intact");
    }
}

#[test]
fn the_end_of_a_message_that_is_not_finished_closes_its_handles() {
    let (kept, given) = MessagePipe::create();
    drop(extended(Message::from("unfinished"), 100).with(given));
    assert_closed(&kept);
}

// ---- values ----------------------------------------------------------------------------------------------

/// Counts what becomes of it.
struct Value {
    number: usize,
    pipe: Option<MessagePipe>,
    serialized: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

impl Value {
    fn new(number: usize, pipe: Option<MessagePipe>, counts: &Counts) -> Self {
        Self { number, pipe, serialized: counts.0.clone(), dropped: counts.1.clone() }
    }
}

type Counts = (Arc<AtomicUsize>, Arc<AtomicUsize>);

fn read(counts: &Counts) -> (usize, usize) {
    (counts.0.load(Ordering::SeqCst), counts.1.load(Ordering::SeqCst))
}

impl Serialize for Value {
    fn serialize(mut self) -> Message {
        self.serialized.fetch_add(1, Ordering::SeqCst);
        let message = Message::from(self.number.to_string().as_str());
        match self.pipe.take() {
            Some(pipe) => message.with(pipe),
            None => message,
        }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

in_worlds! {
    fn values_are_serialized_only_if_they_leave_the_node(world: World) {
        let (sides, a, b) = world.connect();
        let counts = Counts::default();
        let (kept, given) = sides.pipe_here();
        let message = Message::lazy(Value::new(7, Some(given), &counts));
        assert!(message.is_lazy() && message.payload().is_empty());
        a.send(message).unwrap();
        let mut message = b.recv().unwrap();
        let given = if world.is_remote() {
            assert!(!message.is_lazy());
            assert_eq!(message.payload(), b"7");
            assert_eq!(read(&counts), (1, 1));
            message.take_handles().unwrap().remove(0).into_pipe().unwrap()
        } else {
            assert!(message.is_lazy());
            assert_eq!(message.take_handles().unwrap_err(), TakeError::NotSerialized);
            let Ok(mut value) = message.into_value::<Value>() else { panic!("it is a value") };
            assert_eq!((value.number, read(&counts)), (7, (0, 0)));
            value.pipe.take().unwrap()
        };
        send(&kept, "through");
        assert_eq!(recv(&given), "through");
    }

    fn a_value_takes_any_number_of_pipes_with_it(world: World) {
        struct Pipes(Vec<MessagePipe>);
        impl Serialize for Pipes {
            fn serialize(self) -> Message {
                self.0.into_iter().fold(Message::from("pipes"), Message::with)
            }
        }
        let (sides, a, b) = world.connect();
        let (kept, given): (Vec<_>, Vec<_>) = (0..4).map(|_| sides.pipe_here()).unzip();
        a.send(Message::lazy(Pipes(given))).unwrap();
        let given: Vec<MessagePipe> = match b.recv().unwrap().into_value::<Pipes>() {
            Ok(pipes) => pipes.0,
            Err(mut message) => {
                assert_eq!(message.payload(), b"pipes");
                message.take_handles().unwrap().into_iter().map(|handle| handle.into_pipe().unwrap()).collect()
            }
        };
        assert_eq!(given.len(), 4);
        for (number, (kept, given)) in kept.iter().zip(&given).enumerate() {
            send(given, &number.to_string());
            assert_eq!(recv(kept), number.to_string());
        }
    }

    fn queued_values_are_serialized_when_their_receiver_moves_away(world: World) {
        let (sides, a, b) = world.connect();
        let counts = Counts::default();
        let (kept, given) = sides.pipe_here();
        for number in 0..10 {
            kept.send(Message::lazy(Value::new(number, None, &counts))).unwrap();
        }
        assert_eq!(read(&counts), (0, 0));
        let given = pass_pipe(&a, &b, given);
        for number in 0..10 {
            let message = given.recv().unwrap();
            if world.is_remote() {
                assert_eq!(message.payload(), number.to_string().as_bytes());
            } else {
                let Ok(value) = message.into_value::<Value>() else { panic!("it is a value") };
                assert_eq!(value.number, number);
            }
        }
        assert_eq!(read(&counts), (if world.is_remote() { 10 } else { 0 }, 10));
    }

    fn a_value_that_nobody_reads_is_dropped(world: World) {
        let (sides, _a, _b) = world.connect();
        let counts = Counts::default();
        let (kept, given) = sides.pipe_here();
        drop(Message::lazy(Value::new(0, None, &counts)));
        assert_eq!(read(&counts), (0, 1));
        kept.send(Message::lazy(Value::new(1, None, &counts))).unwrap();
        drop(given);
        assert_eq!(read(&counts), (0, 2));
        let error = kept.send(Message::lazy(Value::new(2, None, &counts))).unwrap_err();
        assert_eq!(error.kind, SendErrorKind::PeerClosed);
        assert!(error.message.into_value::<Value>().is_ok());
        assert_eq!(read(&counts), (0, 3));
    }
}

#[test]
fn a_message_can_be_serialized_before_its_time() {
    let counts = Counts::default();
    let (kept, given) = MessagePipe::create();
    let mut message = Message::lazy(Value::new(7, Some(given), &counts));
    message.serialize().unwrap();
    assert_eq!(read(&counts), (1, 1));
    message.serialize().unwrap();
    assert_eq!(message.payload(), b"7");
    let mut message = message.into_value::<Value>().err().unwrap();
    let given = message.take_handles().unwrap().remove(0).into_pipe().unwrap();
    send(&kept, "still connected");
    assert_eq!(recv(&given), "still connected");
    let mut message = Message::lazy(Value::new(8, Some(given), &counts));
    message.serialize().unwrap();
    drop(message);
    assert_closed(&kept);
    assert_eq!(read(&counts), (2, 2));
}

#[test]
fn closing_both_ends_drops_unread_values() {
    struct Holder(#[allow(dead_code)] MessagePipe);
    impl Serialize for Holder {
        fn serialize(self) -> Message {
            panic!("nothing leaves the node");
        }
    }
    let (a, b) = MessagePipe::create();
    let (kept, held) = MessagePipe::create();
    a.send(Message::lazy(Holder(held))).unwrap();
    drop((a, b));
    assert_eq!(kept.signals().satisfied, Signals::PEER_CLOSED);
}
