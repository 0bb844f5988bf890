//! Ends inside of messages that wait at these same ends: nobody can ever receive them, so they must not come about through
//! what another node says.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod note;

use libmojo_ports::{Address, Body, Effects, Event, Node, NodeName, PortDescriptor, PortName};
use note::Note;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

type Bytes = Note<true>;

const HERE: NodeName = NodeName(1);
const LIAR: NodeName = NodeName(2);
/// From where the liar speaks to all ports, and where they speak to.
const BEFORE: PortName = PortName(8);
const BEHIND: PortName = PortName(9);

fn node() -> Arc<Node<Bytes>> {
    let names = AtomicU64::new(1 << 32);
    Node::new(HERE, (), move || PortName(names.fetch_add(1, Ordering::Relaxed).into()))
}

fn port(name: u128) -> PortDescriptor {
    let peer = Some(Address { node: LIAR, port: BEHIND });
    PortDescriptor { name: PortName(name), peer, previous: BEFORE, has_sent: false, sending: None, receiving: None }
}

/// Has the liar say something; messages that nobody will receive are closed with all that is in them.
fn say(node: &Arc<Node<Bytes>>, from: PortName, to: u128, number: u64, body: Body<Bytes>) {
    let effects = node.accept(LIAR, Event { to: PortName(to), from, number, body }).map_err(|(error, _)| error);
    discard(node, effects.unwrap());
}

fn discard(node: &Arc<Node<Bytes>>, effects: Effects<Bytes>) {
    for message in effects.dropped {
        message.1.iter().for_each(|port| discard(node, node.close(port)));
    }
}

fn message(names: &[u128]) -> Body<Bytes> {
    Body::Message { message: Note(1, Vec::new()), ports: names.iter().map(|name| port(*name)).collect() }
}

/// The liar goes, and takes with it what it has brought.
fn assert_nothing_stays(node: &Arc<Node<Bytes>>) {
    discard(node, node.lose(LIAR));
    for port in node.named_ports() {
        discard(node, node.close(&port));
    }
    let left = node.named_ports();
    assert!(left.is_empty(), "left: {left:#?}");
}

#[test]
fn a_message_for_an_end_inside_it_reaches_nobody() {
    let node = node();
    say(&node, BEFORE, 5, 1, message(&[5, 6]));
    assert!(node.named_ports().is_empty(), "{:#?}", node.named_ports());
    assert_nothing_stays(&node);
}
