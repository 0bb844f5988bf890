//! Message pipes, data pipes, buffers and descriptors between real processes.
//!
//! A child is this same test binary, told to run one of the ignored `child_…` tests, with the socket as its standard
//! input. It says hello first. The tests run one at a time, because they count descriptors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::{
    AcceptedInvitation, DataPipeError, Handle, Invitation, Message, MessagePipe, Node, ProcessError, RecvError,
    SendOptions, SharedBuffer, Signals, TryRecvError, Watcher, socket_pair,
};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use worlds::*;

const CHILD_MARK: &str = "LIBMOJO_TEST_CHILD";

// ---- the parent's side of a child ------------------------------------------------------------------------

struct Child {
    process: std::process::Child,
    pipe: MessagePipe,
}

fn launch(node: &Node, role: &str) -> Child {
    let invitation = Invitation::new_on(node);
    let pipe = invitation.attach(b"parent").unwrap();
    let (ours, theirs) = socket_pair().unwrap();
    let process = execute(role, theirs);
    invitation.send(ours).unwrap();
    let child = Child { process, pipe };
    assert_eq!(recv(&child.pipe), "hello");
    child
}

fn execute(role: &str, socket: OwnedFd) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", role, "--nocapture"])
        .env(CHILD_MARK, "1")
        .stdin(Stdio::from(socket))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

impl Child {
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn wait(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }

    /// Closes the pipe to the child, which is expected to end in good order then.
    fn finish(mut self) {
        let (pipe, _) = MessagePipe::create();
        drop(std::mem::replace(&mut self.pipe, pipe));
        assert!(self.wait().success());
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail only if the process has been waited for already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

// ---- the child's side ------------------------------------------------------------------------------------

fn act(role: impl FnOnce(&MessagePipe)) {
    if std::env::var_os(CHILD_MARK).is_none() {
        return;
    }
    let _watchdog = watchdog();
    let socket = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    let pipe = AcceptedInvitation::accept(socket).unwrap().extract(b"parent").unwrap();
    send(&pipe, "hello");
    role(&pipe);
    drop(pipe);
    eventually("the child's node has no ports left", || Node::process().port_counts() == (0, 0));
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_takes_out_and_returns() {
    act(|pipe| {
        while let Ok(mut message) = pipe.recv() {
            let handles = message.take_handles().unwrap();
            let answer = handles.into_iter().fold(Message::new(message.payload()), Message::with);
            pipe.send(answer).unwrap();
        }
    });
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_returns_unopened() {
    act(|pipe| {
        while let Ok(message) = pipe.recv() {
            pipe.send(message).unwrap();
        }
    });
}

/// Does something with each object that it receives, closes it, and then answers.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_uses() {
    act(|pipe| {
        while let Ok(mut message) = pipe.recv() {
            let mut answer = String::new();
            for handle in message.take_handles().unwrap() {
                match handle {
                    Handle::Pipe(other) => {
                        answer += &format!("pipe {}; ", recv(&other));
                        send(&other, "from the child");
                    }
                    Handle::Producer(mut producer) => {
                        producer.write_all(b"produced by the child").unwrap();
                        answer += "producer; ";
                    }
                    Handle::Consumer(mut consumer) => {
                        let mut text = String::new();
                        consumer.read_to_string(&mut text).unwrap();
                        answer += &format!("consumer {text}; ");
                    }
                    Handle::Buffer(buffer) => {
                        let mapping = buffer.map(0, buffer.num_bytes()).unwrap();
                        let mut text = [0; 5];
                        mapping.read(0, &mut text).unwrap();
                        let written = mapping.write(5, b"child").is_ok();
                        answer += &format!("buffer {} {written}; ", String::from_utf8_lossy(&text));
                    }
                    Handle::Descriptor(Some(descriptor)) => {
                        let file = std::fs::File::from(descriptor);
                        answer += &format!("file {}; ", text_of(&file));
                    }
                    Handle::Descriptor(None) => answer += "no descriptor; ",
                    other => panic!("unknown {other:?}"),
                }
            }
            send(pipe, &answer);
        }
    });
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_makes_and_exits() {
    act(|pipe| {
        let (kept, given) = MessagePipe::create();
        send(&kept, "left in the pipe");
        let (mut producer, consumer) = libmojo::DataPipeOptions::default().create().unwrap();
        producer.write_all(b"left in the data pipe").unwrap();
        let buffer = SharedBuffer::create(1000).unwrap();
        buffer.map(0, 1000).unwrap().write(990, b"left here").unwrap();
        let file = file_with("left in the file");
        let message = Message::from("made").with(given).with(consumer).with(buffer).with(file);
        pipe.send(message).unwrap();
        assert_eq!(recv(pipe), "everything is here");
    });
}

/// Sends a hundred messages with attachments over a pipe that it gets, then says so, then ends when told to.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_sends_a_hundred() {
    act(|pipe| {
        let mut message = pipe.recv().unwrap();
        let other = message.take_handles().unwrap().remove(0).into_pipe().unwrap();
        for number in 0..100 {
            let buffer = SharedBuffer::create(8).unwrap();
            other.send(Message::from(number.to_string().as_str()).with(buffer)).unwrap();
        }
        send(pipe, "sent");
        let _ = pipe.recv();
        std::process::exit(0);
    });
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_never_accepts() {}

/// Copies from the consumer to the producer that it gets.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_copies() {
    act(|pipe| {
        let mut handles = pipe.recv().unwrap().take_handles().unwrap();
        let mut producer = handles.remove(1).into_producer().unwrap();
        let mut consumer = handles.remove(0).into_consumer().unwrap();
        let copied = std::io::copy(&mut consumer, &mut producer).unwrap();
        drop((consumer, producer));
        send(pipe, &copied.to_string());
        assert_eq!(pipe.recv().unwrap_err(), RecvError::PeerClosed);
    });
}

/// Answers on every pipe that it gets, until all are closed.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_answers_on_pipes() {
    act(|pipe| {
        let mut threads = Vec::new();
        while let Ok(mut message) = pipe.recv() {
            let handles = message.take_handles().unwrap();
            threads.push(std::thread::spawn(move || {
                let (mut pipes, mut rest) = (Vec::new(), Vec::new());
                for handle in handles {
                    match handle.into_pipe() {
                        Ok(pipe) => pipes.push(pipe),
                        Err(other) => rest.push(other),
                    }
                }
                for pipe in &pipes {
                    while let Ok(message) = pipe.recv() {
                        let text = String::from_utf8(message.payload().to_vec()).unwrap();
                        let _ = pipe.send(Message::from(format!("{text}{text}").as_str()));
                    }
                }
                drop(rest);
            }));
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// Launches a child of its own and passes everything on to that.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_passes_on_to_its_own_child() {
    act(|pipe| {
        let grandchild = launch(Node::process(), "child_answers_on_pipes");
        while let Ok(message) = pipe.recv() {
            grandchild.pipe.send(message).unwrap();
            send(pipe, "passed on");
        }
        grandchild.finish();
    });
}

// ---- messages --------------------------------------------------------------------------------------------

#[test]
fn messages_of_any_size_arrive_in_order_in_both_directions() {
    let alone = alone();
    let node = Node::new();
    let child = launch(&node, "child_returns_unopened");
    let payload = |number: usize| vec![number as u8; number * 7 % 5000];
    for number in 0..1001 {
        child.pipe.send(Message::new(&payload(number))).unwrap();
    }
    for number in 0..1001 {
        assert_eq!(child.pipe.recv().unwrap().payload(), payload(number));
    }
    for size in [0, 1, 65_535, 65_536, 65_537, 20 << 20] {
        let bytes = Random::new(size as u64).bytes(size);
        child.pipe.send(Message::new(&bytes)).unwrap();
        assert!(child.pipe.recv().unwrap().payload() == bytes, "{size} bytes");
    }
    child.finish();
    alone.assert_nothing_left(&[&node]);
}

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
    invitation.send(ours).unwrap();
    let child = Child { process: execute("child_uses", theirs), pipe };
    assert_eq!(recv(&child.pipe), "hello");
    assert_eq!(recv(&child.pipe), "pipe early; ");
    assert_eq!(recv(&kept), "from the child");
    drop(kept);
    child.finish();
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn two_children_of_one_node_do_not_disturb_each_other() {
    let alone = alone();
    let node = Node::new();
    let (one, other) = (launch(&node, "child_returns_unopened"), launch(&node, "child_returns_unopened"));
    for number in 0..200 {
        send(&one.pipe, &format!("one {number}"));
        send(&other.pipe, &format!("other {number}"));
    }
    for number in 0..200 {
        assert_eq!(recv(&one.pipe), format!("one {number}"));
        assert_eq!(recv(&other.pipe), format!("other {number}"));
    }
    one.finish();
    send(&other.pipe, "still there");
    assert_eq!(recv(&other.pipe), "still there");
    other.finish();
    alone.assert_nothing_left(&[&node]);
}

// ---- attachments -----------------------------------------------------------------------------------------

#[test]
fn objects_of_all_kinds_still_work_after_many_journeys() {
    for role in ["child_takes_out_and_returns", "child_returns_unopened"] {
        let alone = alone();
        let node = Node::new();
        let child = launch(&node, role);
        let (talk, listen) = MessagePipe::create_on(&node);
        let (mut producer, consumer) = data_pipe_on(&node, 4, 40);
        producer.write_all(b"abcdefgh").unwrap();
        let buffer = SharedBuffer::create(10).unwrap();
        let guid = buffer.guid();
        let viewer = buffer.duplicate_read_only().unwrap();
        let (_, other_consumer) = data_pipe_on(&node, 1, 1);
        let mut handles: Vec<Handle> = vec![
            listen.into(),
            producer.into(),
            Handle::Descriptor(None),
            consumer.into(),
            buffer.into(),
            file_with("a file").into(),
            viewer.into(),
            other_consumer.into(),
        ];
        for round in 0..20 {
            let text = round.to_string();
            send(&talk, &text);
            child.pipe.send(handles.into_iter().fold(Message::from(text.as_str()), Message::with)).unwrap();
            let mut message = child.pipe.recv().unwrap();
            assert_eq!(message.payload(), text.as_bytes());
            handles = message.take_handles().unwrap();
        }
        let mut handles = handles.into_iter();
        let mut next = || handles.next().unwrap();

        let listen = next().into_pipe().unwrap();
        for round in 0..20 {
            assert_eq!(recv(&listen), round.to_string());
        }
        send(&listen, "and back");
        assert_eq!(recv(&talk), "and back");

        let producer = next().into_producer().unwrap();
        assert!(matches!(next(), Handle::Descriptor(None)));
        let mut consumer = next().into_consumer().unwrap();
        assert_eq!(producer.try_write(&[7; 40]).unwrap(), 32);
        drop(producer);
        let mut bytes = Vec::new();
        consumer.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, [b"abcdefgh".as_slice(), &[7; 32]].concat());

        let buffer = next().into_buffer().unwrap();
        assert_eq!((buffer.num_bytes(), buffer.guid(), buffer.is_read_only()), (10, guid, false));
        buffer.map(0, 10).unwrap().write(0, b"0123456789").unwrap();
        assert_eq!(text_of(&next().into_descriptor().unwrap().into()), "a file");
        let viewer = next().into_buffer().unwrap();
        assert_eq!((viewer.num_bytes(), viewer.guid(), viewer.is_read_only()), (10, guid, true));
        let mut bytes = [0; 10];
        viewer.map(0, 10).unwrap().read(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"0123456789");

        let mut other_consumer = next().into_consumer().unwrap();
        assert_eq!(other_consumer.read(&mut [0; 1]).unwrap(), 0);
        // Closure travels too.
        drop(talk);
        assert!(matches!(listen.recv(), Err(RecvError::PeerClosed)));
        drop((listen, consumer, buffer, viewer, other_consumer));
        child.finish();
        alone.assert_nothing_left(&[&node]);
    }
}

#[test]
fn a_child_can_use_objects_of_all_kinds() {
    let alone = alone();
    let node = Node::new();
    let child = launch(&node, "child_uses");
    for _ in 0..5 {
        let (kept, given) = MessagePipe::create_on(&node);
        send(&kept, "to the child");
        let (producer, mut consumer) = data_pipe_on(&node, 1, 100);
        let (mut other_producer, other_consumer) = data_pipe_on(&node, 1, 100);
        other_producer.write_all(b"from the parent").unwrap();
        drop(other_producer);
        let buffer = SharedBuffer::create(100).unwrap();
        let mapping = buffer.map(0, 100).unwrap();
        mapping.write(0, b"hello").unwrap();
        let message = Message::from("use these")
            .with(given)
            .with(producer)
            .with(other_consumer)
            .with(buffer.duplicate_read_only().unwrap())
            .with(buffer)
            .with(file_with("text"))
            .with(Handle::Descriptor(None));
        child.pipe.send(message).unwrap();
        assert_eq!(
            recv(&child.pipe),
            "pipe to the child; producer; consumer from the parent; buffer hello false; buffer hello true; \
             file text; no descriptor; "
        );
        assert_eq!(recv(&kept), "from the child");
        assert!(matches!(kept.recv(), Err(RecvError::PeerClosed)));
        let mut text = String::new();
        consumer.read_to_string(&mut text).unwrap();
        assert_eq!(text, "produced by the child");
        let mut bytes = [0; 5];
        mapping.read(5, &mut bytes).unwrap();
        assert_eq!(&bytes, b"child");
    }
    child.finish();
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn six_hundred_descriptors_in_one_message_arrive_in_order_in_both_directions() {
    let alone = alone();
    let node = Node::new();
    let child = launch(&node, "child_takes_out_and_returns");
    for count in [253, 254, 600] {
        let files = (0..count).map(|number| file_with(&number.to_string()));
        child.pipe.send(files.fold(Message::from("files"), Message::with)).unwrap();
        let handles = child.pipe.recv().unwrap().take_handles().unwrap();
        assert_eq!(handles.len(), count);
        for (number, handle) in handles.into_iter().enumerate() {
            assert_eq!(text_of(&handle.into_descriptor().unwrap().into()), number.to_string());
        }
    }
    child.finish();
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn fifty_buffers_at_a_time_make_a_hundred_journeys() {
    let alone = alone();
    let node = Node::new();
    let child = launch(&node, "child_returns_unopened");
    let mut handles: Vec<Handle> = (0..50).map(|_| SharedBuffer::create(64).unwrap().into()).collect();
    for _ in 0..100 {
        child.pipe.send(handles.into_iter().fold(Message::from("buffers"), Message::with)).unwrap();
        handles = child.pipe.recv().unwrap().take_handles().unwrap();
        assert_eq!(handles.len(), 50);
    }
    drop(handles);
    child.finish();
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn attachments_of_unread_messages_are_closed_when_the_child_ends() {
    let alone = alone();
    let node = Node::new();
    let child = launch(&node, "child_sends_a_hundred");
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
    let mut child = launch(&node, "child_makes_and_exits");
    let mut message = child.pipe.recv().unwrap();
    assert_eq!(message.payload(), b"made");
    send(&child.pipe, "everything is here");
    assert!(child.wait().success());
    wait_for(&child.pipe, Signals::PEER_CLOSED);

    let mut handles = message.take_handles().unwrap().into_iter();
    let mut next = || handles.next().unwrap();
    let pipe = next().into_pipe().unwrap();
    assert_eq!(recv(&pipe), "left in the pipe");
    assert!(matches!(pipe.recv(), Err(RecvError::PeerClosed)));
    let mut text = String::new();
    next().into_consumer().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "left in the data pipe");
    let buffer = next().into_buffer().unwrap();
    let mut bytes = [0; 9];
    buffer.map(990, 9).unwrap().read(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"left here");
    // A reference that has been through a process can still be made read-only.
    assert!(buffer.duplicate_read_only().unwrap().map(0, 1000).unwrap().is_read_only());
    assert_eq!(text_of(&next().into_descriptor().unwrap().into()), "left in the file");
    drop((handles, pipe, buffer, message, child));
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn pipe_ends_bounce_between_processes_while_both_sides_send() {
    let alone = alone();
    let node = Node::new();
    let (one, other) = (launch(&node, "child_returns_unopened"), launch(&node, "child_takes_out_and_returns"));
    let (mut a, mut b) = MessagePipe::create_on(&node);
    for round in 0..50 {
        send(&a, &format!("a {round}"));
        send(&b, &format!("b {round}"));
        // Both ends are away at once, in different processes.
        one.pipe.send(Message::from("").with(a)).unwrap();
        other.pipe.send(Message::from("").with(b)).unwrap();
        a = one.pipe.recv().unwrap().take_handles().unwrap().remove(0).into_pipe().unwrap();
        b = other.pipe.recv().unwrap().take_handles().unwrap().remove(0).into_pipe().unwrap();
    }
    drop(a);
    for round in 0..50 {
        assert_eq!(recv(&b), format!("a {round}"));
    }
    assert!(matches!(b.recv(), Err(RecvError::PeerClosed)));
    drop(b);
    one.finish();
    other.finish();
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn two_children_talk_over_a_pipe_that_their_parent_made() {
    let alone = alone();
    let node = Node::new();
    let (speaker, answerer) = (launch(&node, "child_sends_a_hundred"), launch(&node, "child_answers_on_pipes"));
    let (a, b) = MessagePipe::create_on(&node);
    answerer.pipe.send(Message::from("").with(a)).unwrap();
    speaker.pipe.send(Message::from("").with(b)).unwrap();
    assert_eq!(recv(&speaker.pipe), "sent");
    speaker.finish();
    answerer.finish();
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn a_grandchild_answers_through_its_parent_and_notices_when_that_is_killed() {
    let alone = alone();
    let node = Node::new();
    let mut child = launch(&node, "child_passes_on_to_its_own_child");
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
    assert!(matches!(kept.recv(), Err(RecvError::PeerClosed)));
    assert!(matches!(child.pipe.recv(), Err(RecvError::PeerClosed)));
    assert_eq!(reader.read(&mut [0; 1]).unwrap(), 0);
    drop((kept, child, reader));
    alone.assert_nothing_left(&[&node]);
}

// ---- data pipes ------------------------------------------------------------------------------------------

#[test]
fn megabytes_stream_through_a_child_and_back() {
    let alone = alone();
    let node = Node::new();
    let child = launch(&node, "child_copies");
    const LEN: usize = 10_000_000;
    let byte = |at: usize| (at % 251) as u8;
    let (mut producer, given_consumer) = data_pipe_on(&node, 1, 37_000);
    let (given_producer, mut consumer) = data_pipe_on(&node, 1, 0);
    child.pipe.send(Message::from("copy").with(given_consumer).with(given_producer)).unwrap();
    let writer = std::thread::spawn(move || {
        let bytes: Vec<u8> = (0..LEN).map(byte).collect();
        for chunk in bytes.chunks(12_345) {
            producer.write_all(chunk).unwrap();
        }
    });
    let mut bytes = Vec::new();
    consumer.read_to_end(&mut bytes).unwrap();
    assert!(bytes.len() == LEN && bytes.iter().enumerate().all(|(at, found)| *found == byte(at)));
    writer.join().unwrap();
    assert_eq!(recv(&child.pipe), LEN.to_string());
    drop(consumer);
    child.finish();
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn data_pipe_ends_keep_their_place_when_they_change_sides_midway() {
    let alone = alone();
    let node = Node::new();
    let child = launch(&node, "child_takes_out_and_returns");
    let (mut producer, mut consumer) = data_pipe_on(&node, 1, 37);
    let mut expected = 0u8;
    let mut written = 0u8;
    for size in 1..=37 {
        let bytes: Vec<u8> = (0..size).map(|at| written.wrapping_add(at)).collect();
        producer.try_write_all(&bytes).unwrap();
        written = written.wrapping_add(size);
        producer = pass_through(&child, producer.into()).into_producer().unwrap();
        consumer = pass_through(&child, consumer.into()).into_consumer().unwrap();
        let mut bytes = vec![0; usize::from(size)];
        consumer.try_read_exact(&mut bytes).unwrap();
        for byte in bytes {
            assert_eq!(byte, expected);
            expected = expected.wrapping_add(1);
        }
        assert_eq!(consumer.try_read(&mut [0; 1]), Err(DataPipeError::ShouldWait));
    }
    drop((producer, consumer));
    child.finish();
    alone.assert_nothing_left(&[&node]);
}

fn pass_through(child: &Child, handle: Handle) -> Handle {
    child.pipe.send(Message::from("").with(handle)).unwrap();
    child.pipe.recv().unwrap().take_handles().unwrap().remove(0)
}

// ---- the end of a process --------------------------------------------------------------------------------

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
        let mut child = launch(&node, "child_sends_a_hundred");
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
        assert!(matches!(child.pipe.recv(), Err(RecvError::PeerClosed)));
        assert!(child.pipe.send(Message::from("too late")).is_err());
        drop((kept, child));
        alone.assert_nothing_left(&[&node]);
    }
}

#[test]
fn a_killed_process_closes_all_that_it_held() {
    let alone = alone();
    let node = Node::new();
    let mut child = launch(&node, "child_answers_on_pipes");
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
    let mut process = execute("child_never_accepts", theirs);
    let (carrier, carried) = MessagePipe::create_on(&node);
    pipes[0].send(Message::from("for nobody").with(carried)).unwrap();
    invitation.send(ours).unwrap();
    assert!(process.wait().unwrap().success());
    for pipe in &pipes {
        assert!(matches!(pipe.recv(), Err(RecvError::PeerClosed)));
    }
    wait_for(&carrier, Signals::PEER_CLOSED);
    drop((pipes, carrier));
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn the_error_handler_of_each_child_hears_of_its_bad_messages_and_of_its_end() {
    let alone = alone();
    let node = Node::new();
    let launch = |number: usize| {
        let invitation = Invitation::new_on(&node);
        let pipe = invitation.attach(b"parent").unwrap();
        let (ours, theirs) = socket_pair().unwrap();
        let (events, happened) = mpsc::channel();
        let events = Mutex::new(events);
        let process = execute("child_returns_unopened", theirs);
        let handler = Arc::new(move |error: &ProcessError| events.lock().unwrap().send(error.clone()).unwrap());
        invitation.send_with(ours, SendOptions { handler: Some(handler), ..SendOptions::default() }).unwrap();
        let child = Child { process, pipe };
        child.pipe.recv().unwrap().report_bad(&format!("text {number}"));
        (child, happened)
    };
    let children = [launch(0), launch(1)];
    for (number, (child, happened)) in children.into_iter().enumerate() {
        let message = format!("Received bad user message: text {number}");
        assert_eq!(happened.recv(), Ok(ProcessError { message, disconnected: false }));
        child.finish();
        assert_eq!(happened.recv(), Ok(ProcessError { message: String::new(), disconnected: true }));
        // Nobody is left to say more.
        assert!(happened.recv().is_err());
    }
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn a_message_from_a_child_remembers_its_sender_after_the_child_is_gone() {
    let alone = alone();
    let node = Node::new();
    let mut child = launch(&node, "child_sends_a_hundred");
    let (kept, given) = MessagePipe::create_on(&node);
    child.pipe.send(Message::from("").with(given)).unwrap();
    assert_eq!(recv(&child.pipe), "sent");
    child.kill();
    let message = kept.recv().unwrap();
    message.report_bad("nobody hears of this, and nothing breaks");
    drop((message, kept, child));
    alone.assert_nothing_left(&[&node]);
}
