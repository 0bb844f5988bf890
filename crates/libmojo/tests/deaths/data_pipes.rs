//! Processes that are killed while the other end of their data pipe is being written to or read from in place.

use crate::stage::*;
use crate::worlds::*;
use libmojo::{Consumer, DataPipeError, Message, Producer, Signals, Waitable};
use std::time::Duration;

/// Elements of four bytes: their number, so that a torn one would show.
const ELEMENT: usize = 4;

fn elements(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).flat_map(|number| (number as u32).to_le_bytes()).collect()
}

/// Writes some numbers in place; returns how many.
fn write_some(producer: &mut Producer, from: usize) -> Result<usize, DataPipeError> {
    // One is begun and given up.
    drop(producer.begin_write()?);
    let mut window = producer.begin_write()?;
    let count = (window.len() / ELEMENT).min(1 + from % 50);
    let bytes = elements(from, count);
    let (first, second) = bytes.split_at(bytes.len() / 2);
    window.fill(first.len(), second)?;
    window.fill(0, first)?;
    // Possible also if the other end is gone by now.
    window.commit(bytes.len()).unwrap();
    Ok(count)
}

/// Reads some numbers in place; returns how many.
fn read_some(consumer: &mut Consumer, from: usize) -> Result<usize, DataPipeError> {
    let window = consumer.begin_read()?;
    let count = (window.len() / ELEMENT).min(1 + from % 60);
    let mut bytes = vec![0; count * ELEMENT];
    window.copy_out(0, &mut bytes)?;
    assert_eq!(bytes, elements(from, count));
    window.commit(bytes.len()).unwrap();
    Ok(count)
}

/// Goes on until the other end is closed.
fn go_on<E: Waitable>(end: &mut E, signals: Signals, some: fn(&mut E, usize) -> Result<usize, DataPipeError>) {
    let mut done = 0;
    loop {
        match some(end, done) {
            Ok(count) => done += count,
            Err(DataPipeError::ShouldWait) => drop(end.wait(signals, None)),
            Err(error) => return assert_eq!(error, DataPipeError::PeerClosed),
        }
    }
}

fn stream(producer: &mut Producer, consumer: &mut Consumer) {
    std::thread::scope(|scope| {
        scope.spawn(|| go_on(producer, Signals::WRITABLE, write_some));
        go_on(consumer, Signals::READABLE, read_some);
    });
}

/// Gets both ends of two different data pipes, and writes to one and reads from the other.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_streams() {
    act(|accepted, _| {
        let pipe = accepted.extract(b"parent").unwrap();
        let mut handles = pipe.recv().unwrap().take_handles().unwrap();
        let mut consumer = handles.remove(1).into_consumer().unwrap();
        let mut producer = handles.remove(0).into_producer().unwrap();
        send(&pipe, "streaming");
        stream(&mut producer, &mut consumer);
    });
}

#[test]
fn a_process_that_is_killed_while_it_streams_leaves_whole_elements_and_closure_at_both_other_ends() {
    Stage::rounds(60, |stage, random| {
        let mut actor = Actor::start(&stage.node, child_streams, 0);
        let capacity = ELEMENT * [1, 3, 100, 5000][random.below(4)];
        let (mut producer, given_consumer) = data_pipe_on(&stage.node, ELEMENT as u32, capacity as u32);
        let (given_producer, mut consumer) = data_pipe_on(&stage.node, ELEMENT as u32, capacity as u32);
        actor.pipe.send(Message::from("").with(given_producer).with(given_consumer)).unwrap();
        // In some rounds it may be dead before it begins.
        let has_begun = random.below(4) > 0;
        if has_begun {
            assert_eq!(recv(&actor.pipe), "streaming");
        }
        let at_most = Duration::from_millis(if has_begun { 2 } else { 10 });
        kill_during(&mut actor.process, random, at_most, || stream(&mut producer, &mut consumer));
    });
}
