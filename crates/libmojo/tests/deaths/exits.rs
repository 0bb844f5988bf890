//! Processes that end right after they have written.

use crate::stage::*;
use crate::worlds::*;
use libmojo::{Message, MessagePipe, Node, RecvError};
use std::io::Write;
use std::time::Instant;

/// A message whose bytes and attachment follow from its number. Some do not fit into a socket, or into a lane of a link.
fn numbered(number: usize) -> Message {
    let len = [10, 10, 1000, 100_000, 10, 2_000_000, 10][number % 7];
    let message = Message::new(&vec![number as u8; len]);
    if number.is_multiple_of(3) { message.with(file_in_memory(&number.to_string())) } else { message }
}

/// Receives such messages, which must follow each other, to the end. Returns how many.
fn recv_all(pipe: &MessagePipe) -> usize {
    for number in 0.. {
        let mut message = match pipe.recv() {
            Ok(message) => message,
            Err(error) => {
                assert_eq!(error, RecvError::PeerClosed);
                return number;
            }
        };
        assert!(message.payload() == numbered(number).payload(), "message {number} is damaged");
        let mut handles = message.take_handles().unwrap();
        assert_eq!(handles.len(), usize::from(number % 3 == 0));
        if let Some(file) = handles.pop() {
            assert_eq!(text_of(&file.into_descriptor().unwrap().into()), number.to_string());
        }
    }
    unreachable!()
}

/// Writes as many messages as it is told over the pipe that it gets and over that to its parent. Then flushes or shuts
/// down, or does not, and ends.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_writes_and_ends() {
    act(|accepted, _| {
        let pipe = accepted.extract(b"parent").unwrap();
        let mut message = pipe.recv().unwrap();
        let other = message.take_handles().unwrap().remove(0).into_pipe().unwrap();
        let order = String::from_utf8(message.payload().to_vec()).unwrap();
        let [count, goodbye, end] = order.split(' ').collect::<Vec<_>>()[..] else { panic!("{order}") };
        for number in 0..count.parse().unwrap() {
            pipe.send(numbered(number)).unwrap();
            other.send(numbered(number)).unwrap();
        }
        let deadline = Some(Instant::now() + PATIENCE / 2);
        match goodbye {
            "flushes" => assert!(Node::process().flush(deadline)),
            "shuts-down" => {
                drop((pipe, other, accepted));
                assert!(Node::process().shutdown(deadline));
            }
            _ => {}
        }
        match end {
            "dies" => die(),
            _ => std::process::exit(0),
        }
    });
}

/// Reads the pipe that it gets to the end, and says how many messages came.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_reads_to_the_end() {
    act(|accepted, _| {
        let mut handles = accepted.extract(b"parent").unwrap().recv().unwrap().take_handles().unwrap();
        let mut verdict = std::fs::File::from(handles.remove(1).into_descriptor().unwrap());
        let count = recv_all(&handles.remove(0).into_pipe().unwrap());
        write!(verdict, "{count}").unwrap();
    });
}

/// Has a process write to this one and to another, to which it comes to have a link of its own by and by, and end.
/// Returns how many messages came at the two.
fn write_and_end(stage: &Stage, random: &mut Random, count: usize, goodbye: &str) -> [usize; 2] {
    let reader = Actor::start(&stage.node, child_reads_to_the_end, 0);
    let mut writer = Actor::start(&stage.node, child_writes_and_ends, 0);
    let (a, b) = MessagePipe::create_on(&stage.node);
    let (verdict, witness) = Verdict::new();
    reader.pipe.send(Message::from("").with(a).with(witness)).unwrap();
    let end = ["dies", "exits"][random.below(2)];
    let order = format!("{count} {goodbye} {end}");
    writer.pipe.send(Message::from(order.as_str()).with(b)).unwrap();
    let here = if random.below(2) == 0 {
        // Nobody reads while it writes.
        writer.process.wait().unwrap();
        recv_all(&writer.pipe)
    } else {
        let here = recv_all(&writer.pipe);
        writer.process.wait().unwrap();
        here
    };
    [here, verdict.read().parse().unwrap()]
}

#[test]
fn what_was_flushed_arrives_whole_and_in_order_although_its_process_ends_at_once() {
    Stage::rounds(40, |stage, random| {
        let count = random.below(20);
        let goodbye = ["flushes", "shuts-down"][random.below(2)];
        assert_eq!(write_and_end(stage, random, count, goodbye), [count, count]);
    });
}

#[test]
fn of_what_was_not_flushed_whole_messages_arrive_in_order_without_a_gap() {
    Stage::rounds(40, |stage, random| {
        let count = random.below(20);
        let came = write_and_end(stage, random, count, "does-not-care");
        assert!(came.iter().all(|came| *came <= count), "{came:?} of {count}");
    });
}
