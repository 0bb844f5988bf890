//! Messages and pipe ends among several processes.

use crate::roles::*;
use crate::worlds::children::*;
use crate::worlds::*;
use libmojo::{Invitation, Message, MessagePipe, Node, socket_pair};

#[test]
fn what_was_written_before_the_child_existed_arrives() {
    let alone = alone();
    let node = Node::new();
    let invitation = Invitation::new_on(&node);
    let pipe = invitation.attach(b"parent").unwrap();
    let (ours, theirs) = socket_pair().unwrap();
    let (kept, given) = MessagePipe::create_on(&node);
    send(&kept, "early");
    pipe.send(Message::from("first").with(given)).unwrap();
    let connection = invitation.send(ours).unwrap();
    let process = execute(child_uses, Mode::Child, Place::Inherited(theirs));
    let child = Child { process, pipe, connection };
    assert_eq!(recv(&child.pipe), "hello");
    assert_eq!(recv(&child.pipe), "pipe early; ");
    assert_eq!(recv(&kept), "from the child");
    drop(kept);
    child.finish();
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn pipe_ends_bounce_between_processes_while_both_sides_send() {
    let alone = alone();
    let node = Node::new();
    let (one, other) = (launch(&node, child_returns_unopened), launch(&node, child_takes_out_and_returns));
    let (mut a, mut b) = MessagePipe::create_on(&node);
    for round in 0..50 {
        send(&a, &format!("a {round}"));
        send(&b, &format!("b {round}"));
        // Both ends are away at once, in different processes.
        one.pipe.send(Message::from("").with(a)).unwrap();
        other.pipe.send(Message::from("").with(b)).unwrap();
        a = recv_pipe(&one.pipe);
        b = recv_pipe(&other.pipe);
    }
    drop(a);
    for round in 0..50 {
        assert_eq!(recv(&b), format!("a {round}"));
    }
    assert_closed(&b);
    drop(b);
    one.finish();
    other.finish();
    alone.assert_nothing_left(&[&node]);
}

// ---- between children ------------------------------------------------------------------------------------

#[test]
fn two_children_talk_over_a_pipe_that_their_parent_made() {
    let alone = alone();
    let node = Node::new();
    let (asker, answerer) = (launch(&node, child_asks), launch(&node, child_answers_on_pipes));
    let (a, b) = MessagePipe::create_on(&node);
    answerer.pipe.send(Message::from("").with(a)).unwrap();
    asker.pipe.send(Message::from("").with(b)).unwrap();
    assert_eq!(recv(&asker.pipe), "answered");
    asker.finish();
    answerer.finish();
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn an_end_whose_peer_is_closed_goes_from_child_to_child_with_what_is_unread() {
    let alone = alone();
    let node = Node::new();
    let children = [launch(&node, child_takes_out_and_returns), launch(&node, child_returns_unopened)];
    let last = launch(&node, child_reads_to_the_end);
    for text in [None, Some("unread")] {
        let (kept, mut given) = MessagePipe::create_on(&node);
        text.iter().for_each(|text| send(&kept, text));
        drop(kept);
        for child in &children {
            given = pass_pipe(&child.pipe, &child.pipe, given);
        }
        last.pipe.send(Message::from("").with(given)).unwrap();
        let read = text.map_or(String::new(), |text| format!("{text}, "));
        assert_eq!(recv(&last.pipe), format!("{read}closed; "));
    }
    children.into_iter().chain([last]).for_each(Child::finish);
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn ends_go_round_through_four_children_and_come_back_connected() {
    let alone = alone();
    let node = Node::new();
    let children: Vec<Child> = (0..4).map(|_| launch(&node, child_passes_along)).collect();
    // From the parent to the first, from each to the next, and from the last to the parent.
    let (entry, mut inlet) = MessagePipe::create_on(&node);
    for child in &children {
        let (next, outlet) = MessagePipe::create_on(&node);
        child.pipe.send(Message::from("from here to there").with(inlet).with(outlet)).unwrap();
        inlet = next;
    }
    let exit = inlet;
    let (mut a, mut b) = MessagePipe::create_on(&node);
    for round in 0..2 {
        send(&a, &format!("a {round}"));
        send(&b, &format!("b {round}"));
        entry.send(Message::from("").with(a)).unwrap();
        entry.send(Message::from("").with(b)).unwrap();
        (a, b) = (recv_pipe(&exit), recv_pipe(&exit));
    }
    for round in 0..2 {
        assert_eq!((recv(&b), recv(&a)), (format!("a {round}"), format!("b {round}")));
    }
    send(&a, "here again");
    assert_eq!(recv(&b), "here again");
    drop(a);
    assert_closed(&b);
    drop((b, entry, exit));
    children.into_iter().for_each(Child::finish);
    alone.assert_nothing_left(&[&node]);
}
