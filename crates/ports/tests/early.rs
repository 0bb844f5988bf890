//! Events that come before their turn, from a node that keeps no measure.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod note;

use libmojo_ports::{Address, Amount, Body, Event, Node, NodeName, PortDescriptor, PortName, PortRef};
use note::Note;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

type Bytes = Note<true>;

const LIAR: NodeName = NodeName(2);
const BEFORE: PortName = PortName(8);

/// A node, and an end there whose events come from the liar.
fn end() -> (Arc<Node<Bytes>>, PortRef<Bytes>) {
    let names = AtomicU64::new(1 << 32);
    let node = Node::new(NodeName(1), (), move || PortName(names.fetch_add(1, Ordering::Relaxed).into()));
    let peer = Some(Address { node: LIAR, port: PortName(9) });
    let name = PortName(5);
    let descriptor = PortDescriptor { name, peer, previous: BEFORE, has_sent: false, sending: None, receiving: None };
    let (port, _) = node.import(LIAR, &descriptor).unwrap();
    node.end_transit(&port);
    (node, port)
}

fn say(node: &Arc<Node<Bytes>>, number: u64, body: Body<Bytes>) {
    let event = Event { to: PortName(5), from: BEFORE, number, body };
    drop(node.accept(LIAR, event).map_err(|(violation, _)| violation).unwrap());
}

#[test]
fn more_events_than_may_wait_for_their_turn_cost_that_pipe() {
    let (node, port) = end();
    for number in 0..1 << 20 {
        say(&node, number + 2, Body::Credit(Amount::NONE));
    }
    assert!(!port.status().peer_closed);
    say(&node, (1 << 20) + 2, Body::Credit(Amount::NONE));
    assert!(port.status().peer_closed);
}

#[test]
fn what_waits_for_its_turn_counts_as_unread_for_whoever_has_sent_it() {
    let (node, _port) = end();
    for number in 2..12 {
        say(&node, number, Body::Closure);
    }
    let message = Body::Message { message: Note(100, Vec::new()), ports: Vec::new() };
    say(&node, 12, message);
    let unread = node.unread(LIAR, |message| Some(message.0));
    assert!(unread.messages == 11 && unread.bytes > 100, "{unread:?}");
    assert_eq!(node.unread(NodeName(3), |_| None), Amount::NONE);
}
