//! The short way from one end of a pipe to the other, which opens with the first message and has to end in time.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod note;

use libmojo_ports::{FuseError, Node, NodeName, PortName, PortRef, ReceiveError, SendError, Sent};
use note::Note;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

type Local = Note<false>;

fn node() -> Arc<Node<Local>> {
    let names = AtomicU64::new(1);
    Node::new(NodeName(1), (), move || PortName(names.fetch_add(1, Ordering::Relaxed).into()))
}

fn send(port: &PortRef<Local>, number: u64) -> Result<bool, SendError<Local>> {
    port.node().send(port, Note(number, Vec::new())).map(|sent| match sent {
        Sent::ToTwin => true,
        sent => {
            assert!(sent.into_effects().is_empty());
            false
        }
    })
}

fn receive(port: &PortRef<Local>) -> Result<u64, ReceiveError> {
    port.node().receive(port).map(|received| received.message.0)
}

/// A pipe with the short way from the first end to the second.
fn opened(node: &Arc<Node<Local>>) -> (PortRef<Local>, PortRef<Local>) {
    let (a, b) = node.create_pipe();
    assert_eq!([0, 1, 2].map(|number| send(&a, number).unwrap()), [false, true, true]);
    (a, b)
}

#[test]
fn messages_that_go_the_short_way_stay_in_order() {
    let (a, b) = opened(&node());
    assert_eq!([0, 1, 2].map(|_| receive(&b).unwrap()), [0, 1, 2]);
    assert_eq!(receive(&b), Err(ReceiveError::Empty));
    // The other direction has a short way of its own.
    assert_eq!([3, 4].map(|number| send(&b, number).unwrap()), [false, true]);
    assert_eq!([3, 4].map(|_| receive(&a).unwrap()), [3, 4]);
}

#[test]
fn nothing_is_sent_from_an_end_inside_a_message() {
    let node = node();
    let (a, b) = opened(&node);
    assert!(node.begin_transit(&a));
    assert!(matches!(send(&a, 3), Err(SendError::NotOpen(_))));
    node.end_transit(&a);
    assert_eq!([3, 4].map(|number| send(&a, number).unwrap()), [false, true]);
    assert_eq!([0, 1, 2, 3, 4].map(|_| receive(&b).unwrap()), [0, 1, 2, 3, 4]);
}

#[test]
fn what_cannot_leave_the_node_is_not_sent_to_an_end_inside_a_message() {
    let node = node();
    let (a, b) = opened(&node);
    assert!(node.begin_transit(&b));
    assert!(matches!(send(&a, 3), Err(SendError::NotPortable(_))));
    node.end_transit(&b);
    assert_eq!([3, 4].map(|number| send(&a, number).unwrap()), [false, true]);
    assert_eq!([0, 1, 2, 3, 4].map(|_| receive(&b).unwrap()), [0, 1, 2, 3, 4]);
}

#[test]
fn a_message_with_an_end_inside_that_must_not_be_there_is_not_sent_the_short_way_either() {
    let node = node();
    let (a, b) = opened(&node);
    let (other, _) = opened(&node);
    let (stranger, _) = opened(&self::node());
    for (port, is_sent) in [(&b, false), (&stranger, false), (&other, true)] {
        assert!(port.node().begin_transit(port));
        let outcome = node.send(&a, Note(3, vec![port.clone()]));
        assert_eq!(matches!(outcome, Err(SendError::BadCargo(_))), !is_sent);
        port.node().end_transit(port);
        // Opens it again for the next.
        send(&a, 4).unwrap();
    }
}

#[test]
fn nothing_is_sent_to_or_from_a_closed_end() {
    let node = node();
    let (a, b) = opened(&node);
    assert_eq!(node.close(&b).dropped.len(), 3);
    assert!(matches!(send(&a, 3), Err(SendError::PeerClosed(_))));
    let (a, b) = opened(&node);
    assert!(node.close(&a).is_empty());
    assert!(matches!(send(&a, 3), Err(SendError::NotOpen(_))));
    assert_eq!([0, 1, 2].map(|_| receive(&b).unwrap()), [0, 1, 2]);
    assert_eq!(receive(&b), Err(ReceiveError::PeerClosed));
}

#[test]
fn what_was_and_is_sent_to_a_fused_end_goes_on_to_its_new_peer() {
    let node = node();
    let (a, b) = opened(&node);
    let (c, d) = node.create_pipe();
    assert_eq!(node.fuse(&a, &c).err(), Some(FuseError::HasSent));
    assert!(node.fuse(&b, &c).unwrap().is_empty());
    assert!(!send(&a, 3).unwrap());
    assert_eq!([0, 1, 2, 3].map(|_| receive(&d).unwrap()), [0, 1, 2, 3]);
    assert!(node.close(&a).is_empty() && node.close(&d).is_empty());
    assert!(node.named_ports().is_empty());
}

#[test]
fn a_pipe_that_nobody_refers_to_is_gone_even_if_it_was_not_closed() {
    let node = node();
    let counted = Arc::downgrade(&node);
    drop(opened(&node));
    drop(node);
    assert_eq!(counted.strong_count(), 0);
}
