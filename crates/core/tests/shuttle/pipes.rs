//! Ends of pipes that several threads use, move, fuse and close: every message that was accepted is received once and in
//! order, or the pipe is reported as closed.

use crate::{any, explore, put_into_message};
use libmojo_core::message::{Context, Message};
use libmojo_core::node::Node;
use libmojo_core::object::Object;
use libmojo_core::pipe::{FuseError, Pipe, ReceiveError};
use libmojo_core::signals::Signals;
use libmojo_core::wait::{Interest, wait};
use std::any::Any;

/// A message that takes its numbers as it is, or as bytes once it has to.
struct Number(u64);

impl Context for Number {
    fn serialize(self: Box<Self>, message: &mut Message) {
        *message = Message::with_payload(&self.0.to_le_bytes());
    }
}

fn message(number: u64) -> Message {
    let bytes = Message::with_payload(&number.to_le_bytes());
    if any(&[true, false]) { bytes } else { Message::with_context(Box::new(Number(number))) }
}

fn number(mut message: Message) -> u64 {
    match message.take_context() {
        Some(context) => (context as Box<dyn Any>).downcast::<Number>().unwrap().0,
        None => u64::from_le_bytes(message.payload().try_into().unwrap()),
    }
}

/// Sends what the pipe takes of the numbers, closes it, and returns what it took.
fn send_all(end: &Pipe, numbers: &[u64]) -> Vec<u64> {
    let accepted = numbers.iter().copied().take_while(|number| end.send(message(*number)).is_ok()).collect();
    end.close();
    accepted
}

/// Waits for a message.
fn receive(end: &Pipe) -> Option<Message> {
    loop {
        match end.receive() {
            Ok(message) => return Some(message),
            Err(ReceiveError::Empty) => drop(wait(Interest::new(&end.clone().into(), Signals::READABLE), None)),
            Err(ReceiveError::PeerClosed | ReceiveError::NotOpen) => return None,
        }
    }
}

/// What arrives until the pipe is closed.
fn receive_all(end: &Pipe) -> Vec<u64> {
    std::iter::from_fn(|| receive(end)).map(number).collect()
}

/// Closes all ends, after which the node remembers none.
fn finish(node: &Node, ends: &[&Pipe]) {
    ends.iter().for_each(|end| end.close());
    assert_eq!(node.port_counts(), (0, 0));
}

const NUMBERS: [u64; 3] = [1, 2, 3];

#[test]
fn what_a_pipe_took_arrives_in_order_unless_the_receiver_is_closed() {
    explore(|| {
        let (a, b) = Pipe::create(&Node::new());
        let (mut sent, mut received) = (Vec::new(), Vec::new());
        let receiver_closes = any(&[true, false]);
        at_once!(sent = send_all(&a, &NUMBERS), received = receive_all(&b), {
            if receiver_closes { b.close() } else { a.close() }
        });
        if receiver_closes {
            assert!(sent.starts_with(&received), "{received:?} of {sent:?}");
        } else {
            assert_eq!(received, sent);
        }
        b.close();
    });
}

#[test]
fn both_ends_send_and_receive_at_once() {
    explore(|| {
        let (a, b) = Pipe::create(&Node::new());
        let exchange = |end: &Pipe| {
            let received = NUMBERS.map(|sent| {
                end.send(message(sent)).unwrap();
                number(receive(end).unwrap())
            });
            assert_eq!(received, NUMBERS);
        };
        at_once!(exchange(&a), exchange(&b));
        a.close();
        b.close();
    });
}

#[test]
fn each_message_is_received_by_one_of_two_threads() {
    explore(|| {
        let (a, b) = Pipe::create(&Node::new());
        let (mut one, mut other) = (Vec::new(), Vec::new());
        at_once!(assert_eq!(send_all(&a, &NUMBERS), NUMBERS), one = receive_all(&b), other = receive_all(&b));
        assert!(one.is_sorted() && other.is_sorted());
        let mut all = [one, other].concat();
        all.sort();
        assert_eq!(all, NUMBERS);
        b.close();
    });
}

#[test]
fn pipes_that_are_fused_lose_nothing_in_either_direction() {
    explore(|| {
        let node = Node::new();
        let [(a, b), (c, d)] = [(); 2].map(|()| Pipe::create(&node));
        let exchange = |end: &Pipe| {
            NUMBERS.iter().for_each(|sent| end.send(message(*sent)).unwrap());
            assert_eq!(NUMBERS.map(|_| number(receive(end).unwrap())), NUMBERS);
        };
        at_once!(exchange(&a), exchange(&d), assert_eq!(b.fuse(&c), Ok(())));
        a.close();
        assert!(receive(&d).is_none());
        finish(&node, &[&d]);
    });
}

#[test]
fn a_chain_of_pipes_that_are_fused_at_once_loses_nothing() {
    explore(|| {
        let node = Node::new();
        let [(a, b), (c, d), (e, f)] = [(); 3].map(|()| Pipe::create(&node));
        let mut received = Vec::new();
        at_once!(
            assert_eq!(send_all(&a, &NUMBERS), NUMBERS),
            received = receive_all(&f),
            assert_eq!(b.fuse(&c), Ok(())),
            assert_eq!(e.fuse(&d), Ok(())),
        );
        assert_eq!(received, NUMBERS);
        finish(&node, &[&f]);
    });
}

#[test]
fn pipes_are_fused_or_closed_whatever_happens_to_their_ends_meanwhile() {
    explore(|| {
        let node = Node::new();
        let [(a, b), (c, d)] = [(); 2].map(|()| Pipe::create(&node));
        let disturb = any::<fn(&Pipe, &Pipe)>(&[
            |b, _| b.close(),
            |_, c| c.close(),
            |b, _| drop(b.send(message(9))),
            |b, c| {
                let _ = c.fuse(b);
            },
            |b, _| {
                let object = Object::from(b.clone());
                if object.begin_transit().is_ok() {
                    object.abort_transit();
                }
            },
        ]);
        let (mut sent, mut received, mut outcome) = (Vec::new(), Vec::new(), Err(FuseError::SamePipe));
        at_once!(sent = send_all(&a, &NUMBERS), received = receive_all(&d), outcome = b.fuse(&c), disturb(&b, &c));
        match outcome {
            Ok(()) => assert_eq!(received, sent),
            Err(_) => assert!(sent.starts_with(&received), "{received:?} of {sent:?}"),
        }
        assert!(!b.is_open() && !c.is_open());
        finish(&node, &[&d]);
    });
}

#[test]
fn an_end_that_moves_inside_a_message_gets_all_that_is_sent_to_it() {
    explore(|| {
        let node = Node::new();
        let [(a, b), (c, d)] = [(); 2].map(|()| Pipe::create(&node));
        let mut received = Vec::new();
        at_once!(
            assert_eq!(send_all(&a, &NUMBERS), NUMBERS),
            c.send(put_into_message(&b.clone().into()).unwrap()).unwrap(),
            {
                let mut carrier = receive(&d).unwrap();
                let objects = carrier.take_attachments().unwrap();
                let [Object::Pipe(b)] = &objects[..] else { panic!("{objects:?}") };
                received = receive_all(b);
            },
        );
        assert_eq!(received, NUMBERS);
        finish(&node, &[&b, &c, &d]);
    });
}

#[test]
fn nothing_more_is_sent_from_an_end_once_it_is_inside_a_message() {
    explore(|| {
        let node = Node::new();
        let (a, b) = Pipe::create(&node);
        let (mut sent, mut before, mut carrier) = (Vec::new(), Vec::new(), None);
        let all_there = || std::iter::from_fn(|| b.receive().ok()).map(number).collect::<Vec<_>>();
        at_once!(sent = NUMBERS.into_iter().take_while(|number| a.send(message(*number)).is_ok()).collect(), {
            carrier = put_into_message(&a.clone().into());
            before = all_there();
        });
        assert_eq!(before, sent);
        assert_eq!(all_there(), []);
        drop(carrier);
        finish(&node, &[&b]);
    });
}

#[test]
fn an_end_is_closed_with_the_message_that_carries_it() {
    explore(|| {
        let node = Node::new();
        let [(a, b), (c, d)] = [(); 2].map(|()| Pipe::create(&node));
        let mut sent = Vec::new();
        at_once!(sent = send_all(&a, &NUMBERS), drop(c.send(put_into_message(&b.clone().into()).unwrap())), d.close());
        assert!(NUMBERS.starts_with(&sent));
        assert!(!b.is_open() && c.signals().satisfied.contains(Signals::PEER_CLOSED));
        finish(&node, &[&c]);
    });
}
