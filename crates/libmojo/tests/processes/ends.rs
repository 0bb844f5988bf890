//! The end of a process: what becomes of what it had, and of what was on its way.

use crate::roles::*;
use crate::worlds::children::*;
use crate::worlds::*;
use libmojo::{
    DataPipeError, Invitation, Message, MessagePipe, Node, ProcessError, SendOptions, Signals, SignalsState,
    TryRecvError, WaitError, Waitable, Watcher, socket_pair,
};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::mpsc;

#[test]
fn attachments_of_unread_messages_are_closed_when_the_child_ends() {
    let alone = alone();
    let node = Node::new();
    let child = launch(&node, child_sends_a_hundred);
    // Never read by the child: it waits for the first one only.
    let (kept, given) = MessagePipe::create_on(&node);
    let (carrier, carried) = MessagePipe::create_on(&node);
    let (producer, consumer) = data_pipe_on(&node, 1, 0);
    kept.send(Message::from("unread").with(carried).with(consumer)).unwrap();
    child.pipe.send(Message::from("send here").with(given)).unwrap();
    assert_eq!(recv(&child.pipe), "sent");
    child.finish();
    wait_for(&carrier, Signals::PEER_CLOSED);
    wait_for(&producer, Signals::PEER_CLOSED);
    wait_for(&kept, Signals::PEER_CLOSED);
    drop((kept, carrier, producer));
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn what_a_child_made_outlives_it() {
    let alone = alone();
    let node = Node::new();
    let mut child = launch(&node, child_makes_and_exits);
    let mut message = child.pipe.recv().unwrap();
    assert_eq!(message.payload(), b"made");
    send(&child.pipe, "everything is here");
    assert!(child.wait().success());
    wait_for(&child.pipe, Signals::PEER_CLOSED);

    let mut handles = message.take_handles().unwrap().into_iter();
    let mut next = || handles.next().unwrap();
    let pipe = next().into_pipe().unwrap();
    assert_eq!(recv(&pipe), "left in the pipe");
    assert_closed(&pipe);
    let mut text = String::new();
    next().into_consumer().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "left in the data pipe");
    let buffer = next().into_buffer().unwrap();
    let mut bytes = [0; 9];
    buffer.map(990, 9).unwrap().read(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"left here");
    // A reference that has been through a process can still be made read-only.
    assert!(buffer.duplicate_read_only().unwrap().map(0, 1000).unwrap().is_read_only());
    let viewer = next().into_buffer().unwrap();
    assert!(viewer.is_read_only() && viewer.map(0, 1000).unwrap().is_read_only());
    viewer.map(990, 9).unwrap().read(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"left here");
    assert_eq!(text_of(&next().into_descriptor().unwrap().into()), "left in the file");
    drop((handles, pipe, buffer, viewer, message, child));
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn an_isolated_grandchild_answers_through_its_parent_and_notices_when_that_is_killed() {
    let alone = alone();
    let node = Node::new();
    let mut child = launch(&node, child_has_an_isolated_child_that_answers_on_pipes);
    let (kept, given) = MessagePipe::create_on(&node);
    // Held by the grandchild in the end, so it tells when that is gone.
    let (mut reader, writer) = std::io::pipe().unwrap();
    child.pipe.send(Message::from("").with(given).with(OwnedFd::from(writer))).unwrap();
    assert_eq!(recv(&child.pipe), "passed on");
    for number in 0..100 {
        send(&kept, &number.to_string());
    }
    for number in 0..100 {
        assert_eq!(recv(&kept), format!("{number}{number}"));
    }
    child.kill();
    assert_closed(&kept);
    assert_closed(&child.pipe);
    assert_eq!(reader.read(&mut [0; 1]).unwrap(), 0);
    drop((kept, child, reader));
    alone.assert_nothing_left(&[&node]);
}

/// How a child comes to its end.
type End = fn(&mut Child);

#[test]
fn everything_that_was_received_from_a_process_can_be_read_after_its_end() {
    let exit: End = |child| {
        send(&child.pipe, "exit");
        assert!(child.wait().success());
    };
    for end in [exit, Child::kill as End] {
        let alone = alone();
        let node = Node::new();
        let mut child = launch(&node, child_sends_a_hundred);
        let (kept, given) = MessagePipe::create_on(&node);
        child.pipe.send(Message::from("").with(given)).unwrap();
        // Once this has arrived over the one socket, so has all that was sent before.
        assert_eq!(recv(&child.pipe), "sent");
        end(&mut child);
        wait_for(&kept, Signals::PEER_CLOSED);
        assert_signals(&kept, Signals::READABLE | Signals::PEER_CLOSED, Signals::READABLE | Signals::PEER_CLOSED);
        for number in 0..100 {
            let mut message = kept.try_recv().unwrap();
            assert_eq!(message.payload(), number.to_string().as_bytes());
            assert_eq!(message.take_handles().unwrap().remove(0).into_buffer().unwrap().num_bytes(), 8);
        }
        assert!(matches!(kept.try_recv(), Err(TryRecvError::PeerClosed)));
        assert_signals(&kept, Signals::PEER_CLOSED, Signals::PEER_CLOSED);
        assert_closed(&child.pipe);
        assert!(child.pipe.send(Message::from("too late")).is_err());
        drop((kept, child));
        alone.assert_nothing_left(&[&node]);
    }
}

#[test]
fn a_killed_process_closes_all_that_it_held() {
    let alone = alone();
    let node = Node::new();
    let mut child = launch(&node, child_answers_on_pipes);
    let (kept, given) = MessagePipe::create_on(&node);
    let (producer, given_consumer) = data_pipe_on(&node, 1, 10);
    let (given_producer, consumer) = data_pipe_on(&node, 1, 10);
    given_producer.try_write_all(b"rest").unwrap();
    let message = Message::from("hold these").with(given).with(given_consumer).with(given_producer);
    child.pipe.send(message).unwrap();
    send(&kept, "x");
    assert_eq!(recv(&kept), "xx");
    let (events, happened) = mpsc::channel();
    let watcher = Watcher::new(move |event| events.send(event).unwrap());
    watcher.watch(&producer, Signals::PEER_CLOSED, 1).unwrap();
    watcher.arm(0).unwrap();
    child.kill();
    wait_for(&kept, Signals::PEER_CLOSED);
    wait_for(&consumer, Signals::PEER_CLOSED);
    let event = happened.recv().unwrap();
    assert!(event.state.satisfied.contains(Signals::PEER_CLOSED) && event.from_system);
    assert_eq!(producer.try_write(b""), Err(DataPipeError::PeerClosed));
    let mut rest = [0; 4];
    consumer.try_read_exact(&mut rest).unwrap();
    assert_eq!(&rest, b"rest");
    assert_eq!(consumer.try_read(&mut rest), Err(DataPipeError::PeerClosed));
    drop((watcher, kept, producer, consumer, child));
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn an_invitation_that_is_never_accepted_closes_its_pipes() {
    let alone = alone();
    let node = Node::new();
    let invitation = Invitation::new_on(&node);
    let pipes = [invitation.attach(b"parent").unwrap(), invitation.attach(b"another").unwrap()];
    let (ours, theirs) = socket_pair().unwrap();
    let mut process = execute(child_never_accepts, Mode::Child, Place::Inherited(theirs));
    let (carrier, carried) = MessagePipe::create_on(&node);
    pipes[0].send(Message::from("for nobody").with(carried)).unwrap();
    invitation.send(ours).unwrap();
    assert!(process.wait().unwrap().success());
    for pipe in &pipes {
        assert_closed(pipe);
    }
    wait_for(&carrier, Signals::PEER_CLOSED);
    drop((pipes, carrier));
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn a_message_from_a_child_remembers_its_sender_after_the_child_is_gone() {
    let alone = alone();
    let node = Node::new();
    let mut child = launch(&node, child_sends_a_hundred);
    let (kept, given) = MessagePipe::create_on(&node);
    child.pipe.send(Message::from("").with(given)).unwrap();
    assert_eq!(recv(&child.pipe), "sent");
    child.kill();
    let message = kept.recv().unwrap();
    message.report_bad("nobody hears of this, and nothing breaks");
    drop((message, kept, child));
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn what_a_child_finds_bad_is_told_to_the_handler_of_its_sibling_once_a_report() {
    let alone = alone();
    let node = Node::new();
    let options = |handler| SendOptions { handler: Some(handler), ..SendOptions::default() };
    let ((of_answering, for_answering), (of_asking, for_asking)) = (recording(), recording());
    let answering = Mode::Child.launch_with(&node, child_answers_on_pipes, options(for_answering));
    let asking = Mode::Child.launch_with(&node, child_finds_answers_bad, options(for_asking));
    let (a, b) = MessagePipe::create_on(&node);
    answering.pipe.send(Message::from("").with(a)).unwrap();
    asking.pipe.send(Message::from("").with(b)).unwrap();
    // A message that this process passes on comes from this process, and nobody hears of it.
    eventually("the two are introduced", || node.port_counts().1 == 0);
    send(&asking.pipe, "go");
    assert_eq!(recv(&asking.pipe), "done");
    let report =
        |number| ProcessError { message: format!("Received bad user message: answer {number}"), disconnected: false };
    eventually("the reports are told", || of_answering.lock().unwrap().len() == 3);
    assert_eq!(*of_answering.lock().unwrap(), [report(0), report(1), report(2)]);
    asking.finish();
    answering.finish();
    eventually("the ends are told", || of_answering.lock().unwrap().len() == 4 && of_asking.lock().unwrap().len() == 1);
    let end = ProcessError { message: String::new(), disconnected: true };
    assert_eq!((&of_answering.lock().unwrap()[3], &of_asking.lock().unwrap()[0]), (&end, &end));
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn a_child_that_quits_leaves_nothing_but_closure() {
    let alone = alone();
    let node = Node::new();
    let mut child = launch(&node, child_converses_over_a_pipe_of_its_own);
    let (carrier, given) = MessagePipe::create_on(&node);
    child.pipe.send(Message::from("").with(given)).unwrap();
    let pipe = recv_pipe(&carrier);
    for number in 0..100 {
        send(&pipe, &number.to_string());
        assert_eq!(recv(&pipe), number.to_string().repeat(2));
    }
    send(&pipe, "quit");
    assert!(child.wait().success());
    for end in [&pipe, &carrier, &child.pipe] {
        let closed = SignalsState {
            satisfied: Signals::PEER_CLOSED,
            satisfiable: Signals::PEER_CLOSED | Signals::QUOTA_EXCEEDED,
        };
        assert_eq!(end.wait(Signals::READABLE, None), Err(WaitError::Unsatisfiable(closed)));
    }
    drop((pipe, carrier, child));
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn a_process_that_is_killed_while_ends_travel_to_it_closes_them() {
    let alone = alone();
    let node = Node::new();
    let other = launch(&node, child_takes_out_and_returns);
    for count in 1..20 {
        let mut child = launch(&node, child_takes_out_and_returns);
        let mut kept = Vec::new();
        for number in 0..count {
            let (a, mut b) = MessagePipe::create_on(&node);
            // Some have been somewhere before and left a proxy: here, in the process that is killed, or in the other.
            for journey in 0..number % 4 {
                let child = [&child, &other][journey % 2];
                b = pass_pipe(&child.pipe, &child.pipe, b);
            }
            send(&a, "nobody reads this");
            child.pipe.send(Message::from("").with(b)).unwrap();
            kept.push(a);
        }
        child.kill();
        // It may have returned some of them.
        drop(child);
        kept.iter().for_each(assert_closed);
    }
    other.finish();
    alone.assert_nothing_left(&[&node]);
}
