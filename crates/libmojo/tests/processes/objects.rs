//! Data pipes, buffers and descriptors in other processes.

use crate::roles::*;
use crate::worlds::children::*;
use crate::worlds::*;
use libmojo::{DataPipeError, Handle, Message, MessagePipe, Node, SharedBuffer};
use std::io::{Read, Write};

// ---- attachments -----------------------------------------------------------------------------------------

#[test]
fn objects_of_all_kinds_still_work_after_many_journeys() {
    make_many_journeys(child_takes_out_and_returns);
    make_many_journeys(child_returns_unopened);
}

fn make_many_journeys<F: Fn()>(role: F) {
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
    assert_closed(&listen);
    drop((listen, consumer, buffer, viewer, other_consumer));
    child.finish();
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn a_child_can_use_objects_of_all_kinds() {
    let alone = alone();
    let node = Node::new();
    let child = launch(&node, child_uses);
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
        assert_closed(&kept);
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
    let child = launch(&node, child_takes_out_and_returns);
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
    let child = launch(&node, child_returns_unopened);
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

// ---- data pipes ------------------------------------------------------------------------------------------

#[test]
fn megabytes_stream_through_a_child_and_back() {
    let alone = alone();
    let node = Node::new();
    let child = launch(&node, child_copies);
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
    let child = launch(&node, child_takes_out_and_returns);
    let (mut producer, mut consumer) = data_pipe_on(&node, 1, 37);
    let mut expected = 0u8;
    let mut written = 0u8;
    for size in 1..=37 {
        let bytes: Vec<u8> = (0..size).map(|at| written.wrapping_add(at)).collect();
        producer.try_write_all(&bytes).unwrap();
        written = written.wrapping_add(size);
        producer = pass_producer(&child.pipe, &child.pipe, producer);
        consumer = pass_consumer(&child.pipe, &child.pipe, consumer);
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

#[test]
fn a_child_reads_what_another_one_writes() {
    let alone = alone();
    let node = Node::new();
    let (writer, reader) = (launch(&node, child_uses), launch(&node, child_uses));
    let (producer, consumer) = data_pipe_on(&node, 1, 10);
    writer.pipe.send(Message::from("").with(producer)).unwrap();
    reader.pipe.send(Message::from("").with(consumer)).unwrap();
    assert_eq!(recv(&reader.pipe), "consumer produced by the child; ");
    assert_eq!(recv(&writer.pipe), "producer; ");
    writer.finish();
    reader.finish();
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn fifty_data_pipe_ends_at_a_time_make_a_hundred_journeys() {
    let alone = alone();
    let node = Node::new();
    let child = launch(&node, child_takes_out_and_returns);
    let mut handles: Vec<Handle> = Vec::new();
    for number in 0..25 {
        let (producer, consumer) = data_pipe_on(&node, 1, 10);
        producer.try_write_all(&[number; 5]).unwrap();
        handles.extend([producer.into(), consumer.into()]);
    }
    for _ in 0..100 {
        child.pipe.send(handles.into_iter().fold(Message::from("ends"), Message::with)).unwrap();
        handles = child.pipe.recv().unwrap().take_handles().unwrap();
        assert_eq!(handles.len(), 50);
    }
    let mut handles = handles.into_iter();
    for number in 0..25 {
        let producer = handles.next().unwrap().into_producer().unwrap();
        let mut consumer = handles.next().unwrap().into_consumer().unwrap();
        producer.try_write_all(&[number; 5]).unwrap();
        drop(producer);
        let mut bytes = Vec::new();
        consumer.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, [number; 10]);
    }
    drop(handles);
    child.finish();
    alone.assert_nothing_left(&[&node]);
}

// ---- buffers ---------------------------------------------------------------------------------------------

#[test]
fn parent_and_child_take_turns_in_a_buffer() {
    let alone = alone();
    let node = Node::new();
    let child = launch(&node, child_takes_turns_in_a_buffer);
    let buffer = SharedBuffer::create(100).unwrap();
    let mapping = buffer.map(0, 100).unwrap();
    child.pipe.send(Message::from("").with(buffer)).unwrap();
    for number in 0..99 {
        mapping.write(number, &[number as u8]).unwrap();
        send(&child.pipe, &number.to_string());
        assert_eq!(recv(&child.pipe), number.to_string());
        let mut byte = [0];
        mapping.read(number + 1, &mut byte).unwrap();
        assert_eq!(usize::from(byte[0]), number);
    }
    child.finish();
    alone.assert_nothing_left(&[&node]);
}

/// Two processes share a buffer over a pipe of the parent's, which gets to see it, too. What is sent to a child of this
/// node goes to the giver and the editor, either itself or a child of its own.
fn share_a_buffer(node: &Node, giver: &MessagePipe, editor: &MessagePipe) {
    let (a, b) = MessagePipe::create_on(node);
    let (copies, given) = MessagePipe::create_on(node);
    let (reports, reporting) = MessagePipe::create_on(node);
    giver.send(Message::from("give").with(a).with(given)).unwrap();
    let copy = recv_handle(&copies).into_buffer().unwrap();
    editor.send(Message::from("edit").with(b).with(reporting)).unwrap();
    assert_eq!(recv(&reports), "edited");
    let mut text = [0; 10];
    copy.map(0, 10).unwrap().read(0, &mut text).unwrap();
    assert_eq!(&text, b"given back");
}

#[test]
fn two_children_share_a_buffer_that_one_of_them_made() {
    let alone = alone();
    let node = Node::new();
    let (giver, editor) = (launch(&node, child_gives_a_buffer), launch(&node, child_edits_a_buffer));
    share_a_buffer(&node, &giver.pipe, &editor.pipe);
    giver.finish();
    editor.finish();
    alone.assert_nothing_left(&[&node]);
}

#[test]
fn two_grandchildren_share_a_buffer_that_one_of_them_made() {
    let alone = alone();
    let node = Node::new();
    let giver = launch(&node, child_has_a_child_that_gives_a_buffer);
    let editor = launch(&node, child_has_a_child_that_edits_a_buffer);
    share_a_buffer(&node, &giver.pipe, &editor.pipe);
    giver.finish();
    editor.finish();
    alone.assert_nothing_left(&[&node]);
}
