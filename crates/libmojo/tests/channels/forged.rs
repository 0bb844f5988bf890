//! What peers send that is no value: it is told, nothing else is disturbed, and nothing is left of it.

use crate::worlds::*;
use libmojo::channel::{BadReason, Bytes, Receiver, RecvError, Sender};
use libmojo::{ErrorHandler, Message, MessagePipe, SendOptions, SharedBuffer};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc;

#[derive(Debug, Serialize, Deserialize)]
enum Tree {
    Leaf,
    Branch(Box<Tree>),
}

/// What a peer that has the pipe itself brings a receiver of such values to.
fn outcome<T: DeserializeOwned + 'static>(message: Message) -> Result<T, RecvError> {
    let (forger, pipe) = MessagePipe::create();
    let mut receiver = Receiver::<T>::from(pipe);
    forger.send(message).unwrap();
    let outcome = receiver.recv();
    drop(forger);
    // Nothing but the one message was spoilt.
    assert!(matches!(receiver.recv(), Err(RecvError::Closed)));
    outcome
}

#[track_caller]
fn assert_malformed<T: DeserializeOwned + 'static>(message: Message) {
    match outcome::<T>(message) {
        Err(RecvError::Bad(bad)) => assert_eq!(bad.reason(), BadReason::Malformed),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was taken for a value"),
    }
}

#[test]
fn a_pipe_has_its_handles_where_the_bytes_say_and_nowhere_else() {
    let _watchdog = watchdog();
    let one = || MessagePipe::create().0;
    let two = |bytes: &[u8]| Message::new(bytes).with(one()).with(one());
    assert!(outcome::<(MessagePipe, MessagePipe)>(two(&[0, 0, 1])).is_ok());
    assert!(outcome::<(MessagePipe, MessagePipe)>(two(&[0, 1, 0])).is_ok());
    // Twice the same; none; beyond all; one that is left over.
    assert_malformed::<(MessagePipe, MessagePipe)>(two(&[0, 1, 1]));
    assert_malformed::<(MessagePipe, MessagePipe)>(two(&[0, 0, 2]));
    assert_malformed::<(MessagePipe, MessagePipe)>(two(&[0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F]));
    assert_malformed::<MessagePipe>(two(&[0, 0]));
    assert_malformed::<MessagePipe>(Message::new(&[0, 0]));
    // Of another kind.
    assert_malformed::<MessagePipe>(Message::new(&[0, 0]).with(file_with("")));
    assert_malformed::<SharedBuffer>(Message::new(&[0, 0]).with(one()));
    assert_malformed::<Sender<u8>>(Message::new(&[0, 0]).with(SharedBuffer::create(1).unwrap()));
}

#[test]
fn handles_of_a_refused_message_are_closed() {
    let _watchdog = watchdog();
    let ((kept, given), (also_kept, also_given)) = (MessagePipe::create(), MessagePipe::create());
    assert_malformed::<(MessagePipe, u8)>(Message::new(&[0, 0]).with(given).with(also_given));
    assert_closed(&kept);
    assert_closed(&also_kept);
}

#[test]
fn bytes_that_are_no_value_are_refused() {
    let _watchdog = watchdog();
    assert_malformed::<u8>(Message::new(&[]));
    assert_malformed::<u8>(Message::new(&[0]));
    assert_malformed::<u8>(Message::new(&[0, 1, 2]));
    assert_malformed::<u8>(Message::new(&[3, 1]));
    assert_malformed::<u8>(Message::new(&[1]));
    assert_malformed::<String>(Message::new(&[0, 1, 0xFF]));
    assert_malformed::<bool>(Message::new(&[0, 2]));
    assert_malformed::<Tree>(Message::new(&[0, 2]));
    assert!(
        matches!(outcome::<u8>(Message::new(&[2])), Err(RecvError::Bad(bad)) if bad.reason() == BadReason::NotSerializable)
    );
}

#[test]
fn claimed_lengths_cost_nothing() {
    let _watchdog = watchdog();
    let mut claim = vec![0];
    claim.extend([0xFF; 9]);
    claim.push(1);
    let claim = || Message::new(&claim);
    assert_malformed::<Vec<u8>>(claim());
    assert_malformed::<Vec<[u64; 32]>>(claim());
    assert_malformed::<HashMap<u32, String>>(claim());
    assert_malformed::<BTreeMap<(), ()>>(claim());
    assert_malformed::<String>(claim());
    assert_malformed::<Bytes>(claim());
    // Elements that take no bytes do not take for ever.
    assert_malformed::<Vec<()>>(claim());
    assert_eq!(outcome::<Vec<()>>(Message::new(&[0, 100])).unwrap().len(), 100);
}

#[test]
fn many_small_elements_are_a_value() {
    #[derive(Serialize, Deserialize)]
    struct Wrapped {
        nothing: (),
        byte: (u8,),
    }
    let _watchdog = watchdog();
    let mut bytes = vec![0, 0x80, 0x89, 0x7A];
    bytes.extend(vec![7; 2_000_000]);
    let value = outcome::<Vec<Wrapped>>(Message::new(&bytes)).unwrap();
    assert!(value.len() == 2_000_000 && value.iter().all(|wrapped| wrapped.byte.0 == 7));
}

#[test]
fn a_value_is_nested_to_the_limit_and_no_deeper() {
    let _watchdog = watchdog();
    let nested = |depth| {
        let mut bytes = vec![0];
        bytes.extend(vec![1; depth]);
        bytes.push(0);
        Message::new(&bytes)
    };
    let mut tree = outcome::<Tree>(nested(100)).unwrap();
    let mut depth = 0;
    while let Tree::Branch(inner) = tree {
        tree = *inner;
        depth += 1;
    }
    assert_eq!(depth, 100);
    assert_malformed::<Tree>(nested(200));
    assert_malformed::<Tree>(nested(4 << 20));
}

#[test]
fn no_bytes_bring_a_receiver_down() {
    type Anything = (Option<Tree>, Vec<(u16, Option<MessagePipe>)>, BTreeMap<String, Bytes>, char, i128, Sender<Tree>);
    let _watchdog = watchdog();
    let mut random = Random::new(seed());
    for _ in 0..20_000 {
        let len = random.below(40);
        let mut bytes = random.bytes(len);
        // Small numbers are more likely to mean something.
        bytes.iter_mut().filter(|byte| **byte > 64).for_each(|byte| *byte %= 4);
        bytes.insert(0, 0);
        let mut message = Message::new(&bytes);
        for _ in 0..random.below(3) {
            message = message.with(MessagePipe::create().0);
        }
        let _ = outcome::<Anything>(message);
    }
}

#[test]
fn a_bad_value_is_reported_to_whoever_answers_for_its_sender() {
    let _watchdog = watchdog();
    let (reports, reported) = mpsc::channel();
    let handler: ErrorHandler = std::sync::Arc::new(move |error: &libmojo::ProcessError| {
        let _ = reports.send(error.message.clone());
    });
    let (here, there) = (libmojo::Node::new(), libmojo::Node::new());
    let options = SendOptions { handler: Some(handler), ..SendOptions::default() };
    let (a, b) = link_with(&here, &there, options);
    let mut receiver = Receiver::<u8>::from(a);
    b.send(Message::from("\0no number")).unwrap();
    Sender::from(b).send(7_u8).unwrap();
    let Err(RecvError::Bad(bad)) = receiver.recv() else { panic!("it was taken for a value") };
    bad.report();
    assert!(reported.recv().unwrap().ends_with(&bad.to_string()));
    assert_eq!(receiver.recv().unwrap(), 7);
    here.disconnect();
    there.disconnect();
}
