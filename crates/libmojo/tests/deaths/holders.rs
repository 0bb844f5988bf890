//! Processes that are killed while they hold unread messages, and what they have sent before.

use crate::stage::*;
use crate::worlds::*;
use libmojo::{DataPipeOptions, Message, MessagePipe, Node, SharedBuffer, Signals, TryRecvError};
use std::io::Read;
use std::time::Duration;

/// Reads messages, and keeps what is in them; answers each. An answer is a step, which may be the last.
fn read_and_write(flushes: bool) {
    act(|accepted, mut steps| {
        let pipe = accepted.extract(b"parent").unwrap();
        let mut kept = Vec::new();
        for number in 0.. {
            let Ok(mut message) = pipe.recv() else { return };
            kept.push(message.take_handles().unwrap());
            pipe.send(answer(number)).unwrap();
            if flushes {
                assert!(Node::process().flush(None));
            }
            steps.step();
        }
    });
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_reads_and_writes() {
    read_and_write(false);
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_flushes_what_it_writes() {
    read_and_write(true);
}

/// A message with one attachment of each kind, all with contents.
fn answer(number: usize) -> Message {
    let text = number.to_string();
    let (inside, given) = MessagePipe::create();
    send(&inside, &text);
    let (producer, consumer) = DataPipeOptions::default().create().unwrap();
    producer.try_write_all(text.as_bytes()).unwrap();
    let buffer = SharedBuffer::create(100).unwrap();
    buffer.map(0, 100).unwrap().write(0, text.as_bytes()).unwrap();
    Message::from(text.as_str()).with(given).with(consumer).with(buffer).with(file_in_memory(&text))
}

/// Looks at an answer whose sender is dead. What was unread at a pipe end follows when the end has arrived, so it is there
/// if the sender has flushed.
fn check(mut message: Message, number: usize, was_flushed: bool) {
    let text = number.to_string();
    assert_eq!(message.payload(), text.as_bytes());
    let mut handles = message.take_handles().unwrap().into_iter();
    let mut next = || handles.next().unwrap();
    let inside = next().into_pipe().unwrap();
    match inside.recv() {
        Ok(unread) => assert_eq!(unread.payload(), text.as_bytes()),
        Err(error) => assert!(!was_flushed, "{error}"),
    }
    assert_closed(&inside);
    let mut read = String::new();
    next().into_consumer().unwrap().read_to_string(&mut read).unwrap();
    assert_eq!(read, text);
    let mut bytes = vec![0; text.len()];
    next().into_buffer().unwrap().map(0, 100).unwrap().read(0, &mut bytes).unwrap();
    assert_eq!(bytes, text.as_bytes());
    assert_eq!(text_of(&next().into_descriptor().unwrap().into()), text);
}

/// Sends a process more than it reads; now and then something that does not fit into a socket.
fn send_much(pipe: &MessagePipe, node: &Node, random: &mut Random) -> Witnesses {
    let mut witnesses = Witnesses::default();
    for _ in 0..20 {
        let mut message = if random.below(10) == 0 { Message::new(&vec![1; 1 << 20]) } else { Message::from("much") };
        (0..random.below(4)).for_each(|_| witnesses.attach(node, &mut message, random));
        // It may be dead already. Then all is closed with the message.
        let _ = pipe.send(message);
    }
    witnesses
}

/// Reads the answers that have come from a process which is dead; returns how many.
fn read_answers(pipe: &MessagePipe, were_flushed: bool) -> usize {
    wait_for(pipe, Signals::PEER_CLOSED);
    for number in 0.. {
        match pipe.try_recv() {
            Ok(message) => check(message, number, were_flushed),
            Err(error) => {
                assert_eq!(error, TryRecvError::PeerClosed);
                return number;
            }
        }
    }
    unreachable!()
}

#[test]
fn what_a_process_has_flushed_outlives_it_and_all_that_it_had_or_had_not_read_is_closed() {
    Stage::rounds(60, |stage, random| {
        let count = 1 + random.below(20);
        let mut actor = Actor::start(&stage.node, child_flushes_what_it_writes, 2 + count);
        let witnesses = send_much(&actor.pipe, &stage.node, random);
        assert!(!actor.process.wait().unwrap().success());
        witnesses.assert_all_closed();
        assert_eq!(read_answers(&actor.pipe, true), count);
    });
}

#[test]
fn a_process_that_is_killed_at_any_moment_closes_what_it_has_and_what_it_has_not_read() {
    Stage::rounds(60, |stage, random| {
        let mut actor = Actor::start(&stage.node, child_reads_and_writes, 0);
        let has_begun = random.below(2) == 0;
        if has_begun {
            // From when it has certainly begun.
            actor.pipe.send(Message::from("begin")).unwrap();
            wait_for(&actor.pipe, Signals::READABLE);
        }
        let at_most = Duration::from_millis(if has_begun { 2 } else { 10 });
        let mut cargo = Random::new(random.next());
        let Actor { process, pipe } = &mut actor;
        let witnesses = kill_during(process, random, at_most, || send_much(pipe, &stage.node, &mut cargo));
        witnesses.assert_all_closed();
        read_answers(pipe, false);
    });
}
