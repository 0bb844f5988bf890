//! Quotas where the other side keeps no rules, or things happen at a moment that no schedule of the simulation hits.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod note;

use libmojo_ports::{Amount, Body, Effects, Event, Node, NodeName, PortName, PortRef, Quota, Received, SendError};
use note::Note;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

type Bytes = Note<true>;

const HERE: NodeName = NodeName(1);
const THERE: NodeName = NodeName(2);

fn node(name: NodeName) -> Arc<Node<Bytes>> {
    let names = AtomicU64::new(1);
    Node::new(name, (), move || PortName(name.0 << 64 | u128::from(names.fetch_add(1, Ordering::Relaxed))))
}

/// Delivers everything between two nodes until nothing is left.
fn deliver(nodes: [&Arc<Node<Bytes>>; 2], from: usize, effects: Effects<Bytes>) {
    for (to, event) in effects.forward {
        let at = usize::from(to == nodes[1].name());
        let more = nodes[at].accept(nodes[from].name(), event).map_err(|(violation, _)| violation).unwrap();
        deliver(nodes, at, more);
    }
}

fn send(port: &PortRef<Bytes>, bytes: u64) -> Result<Effects<Bytes>, SendError<Bytes>> {
    port.node().send(port, Note(bytes, Vec::new())).map(|sent| sent.into_effects())
}

fn limit(port: &PortRef<Bytes>, messages: u64) -> Effects<Bytes> {
    port.node().change_quotas(port, |quotas| quotas.sent = Quota::enforced(Amount::messages(messages))).unwrap()
}

/// An end here and the other one there.
fn apart(here: &Arc<Node<Bytes>>, there: &Arc<Node<Bytes>>) -> (PortRef<Bytes>, PortRef<Bytes>) {
    let (a, b) = here.create_pipe();
    (a, carry(b, here, there))
}

/// Moves an end, and lets everything arrive.
fn carry(port: PortRef<Bytes>, from: &Arc<Node<Bytes>>, to: &Arc<Node<Bytes>>) -> PortRef<Bytes> {
    assert!(from.begin_transit(&port));
    let (descriptor, effects) = from.export(&port, to.name());
    deliver([from, to], 0, effects);
    let (moved, effects) = to.import(from.name(), &descriptor).unwrap();
    to.end_transit(&moved);
    deliver([from, to], 1, effects);
    moved
}

#[test]
fn credit_that_is_due_when_an_end_leaves_is_returned_from_where_it_goes() {
    let (here, there) = (node(HERE), node(THERE));
    let (a, b) = here.create_pipe();
    deliver([&here, &there], 0, limit(&a, 1));
    deliver([&here, &there], 0, send(&a, 1).unwrap());
    let Received { is_credit_due, .. } = here.receive(&b).unwrap();
    assert!(is_credit_due && !a.status().may_send);
    // Before whoever has received the message returns the credit, somebody else moves the end.
    let _moved = carry(b.clone(), &here, &there);
    deliver([&here, &there], 0, here.return_credit(&b));
    assert!(a.status().may_send);
}

#[test]
fn whoever_returns_more_credit_than_it_has_got_loses_the_pipe() {
    let (here, there) = (node(HERE), node(THERE));
    let (a, b) = apart(&here, &there);
    deliver([&here, &there], 0, limit(&a, 4));
    deliver([&here, &there], 0, send(&a, 10).unwrap());
    // What b would say next, if it were honest, has this number.
    let effects = limit(&b, 9);
    let Event { to, from, number, .. } = effects.forward[0].1;
    let credit = |number, messages| Event { to, from, number, body: Body::Credit(Amount { messages, bytes: 7 }) };
    deliver([&here, &there], 0, here.accept(THERE, credit(number, 1)).map_err(|_| ()).unwrap());
    assert_eq!(here.quotas(&a).1.sent, Amount::NONE);
    assert!(!a.status().peer_closed);
    let effects = here.accept(THERE, credit(number + 1, 1)).map_err(|_| ()).unwrap();
    assert!(a.status().peer_closed);
    deliver([&here, &there], 0, effects);
    assert!(b.status().peer_closed);
}

#[test]
fn an_end_that_takes_no_more_closes_its_pipe_and_keeps_what_is_unread() {
    let (here, there) = (node(HERE), node(THERE));
    for is_far in [false, true] {
        let (a, b) = if is_far { apart(&here, &there) } else { here.create_pipe() };
        let unread = Quota::enforced(Amount { messages: 3, bytes: 100 });
        let effects = b.node().change_quotas(&b, |quotas| quotas.unread = unread).unwrap();
        assert!(effects.is_empty());
        // The first over the limit in bytes is still taken.
        for bytes in [10, 200] {
            deliver([&here, &there], 0, send(&a, bytes).unwrap());
            assert!(!b.status().peer_closed);
        }
        deliver([&here, &there], 0, send(&a, 0).unwrap());
        assert!(a.status().peer_closed && b.status().peer_closed);
        assert_eq!([10, 200].map(|_| b.node().receive(&b).unwrap().message.0), [10, 200]);
        assert!(b.node().receive(&b).is_err());
    }
}

#[test]
fn what_is_only_reported_neither_refuses_nor_moves() {
    let (here, there) = (node(HERE), node(THERE));
    let (a, b) = here.create_pipe();
    let reported = Quota::reported(Amount::messages(2));
    for port in [&a, &b] {
        let effects = here.change_quotas(port, |quotas| (quotas.sent, quotas.unread) = (reported, reported)).unwrap();
        deliver([&here, &there], 0, effects);
    }
    let over = |expected: bool| assert!([&a, &b].iter().all(|port| port.status().is_over_quota == expected));
    for _ in 0..2 {
        deliver([&here, &there], 0, send(&a, 1).unwrap());
        over(false);
    }
    deliver([&here, &there], 0, send(&a, 1).unwrap());
    over(true);
    let Received { is_credit_due, .. } = here.receive(&b).unwrap();
    assert!(is_credit_due);
    deliver([&here, &there], 0, here.return_credit(&b));
    over(false);
    deliver([&here, &there], 0, send(&a, 1).unwrap());
    over(true);
    let moved = carry(a, &here, &there);
    assert!(!moved.status().is_over_quota && b.status().is_over_quota);
    assert_eq!((there.quotas(&moved).0.sent, there.quotas(&moved).1.sent.messages), (Quota::NONE, 3));
}
