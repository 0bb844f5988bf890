//! Data pipes, within one node and between two.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::{
    Consumer, DataPipeError, DataPipeOptions, Message, Producer, Signals, WaitError, Waitable, WatchEvent, Watcher,
};
use std::io::{Read, Write};
use std::sync::mpsc;
use std::thread::{scope, spawn};
use worlds::*;

const R: Signals = Signals::READABLE;
const W: Signals = Signals::WRITABLE;
const C: Signals = Signals::PEER_CLOSED;
const N: Signals = Signals::NEW_DATA_READABLE;

/// A data pipe with one end on each side; in one case or the other, either end has moved.
fn data_pipe(world: World, moves_producer: bool, element: u32, capacity: u32) -> (Sides, Producer, Consumer) {
    let (sides, a, b) = world.connect();
    let (producer, consumer) = sides.data_pipe_here(element, capacity);
    if moves_producer {
        let producer = pass_producer(&a, &b, producer);
        (sides, producer, consumer)
    } else {
        let consumer = pass_consumer(&a, &b, consumer);
        (sides, producer, consumer)
    }
}

fn sequence(from: usize, len: usize) -> Vec<u8> {
    (from..from + len).map(|at| (at % 251) as u8).collect()
}

fn read_all(consumer: &Consumer) -> Vec<u8> {
    let mut bytes = vec![0; consumer.available().unwrap()];
    if !bytes.is_empty() {
        consumer.try_read_exact(&mut bytes).unwrap();
    }
    bytes
}

// ---- creation --------------------------------------------------------------------------------------------

#[test]
fn sizes_must_fit_each_other() {
    let create = |element_num_bytes, capacity_num_bytes| {
        DataPipeOptions { element_num_bytes, capacity_num_bytes }.create().map(drop)
    };
    for (element, capacity) in [(1, 0), (1, 1), (1, 1000), (4, 4000), (100, 0), (100_000, 0), (7, 7)] {
        assert_eq!(create(element, capacity), Ok(()), "{element} {capacity}");
    }
    for (element, capacity) in [(0, 0), (0, 10), (4, 3), (4, 41), (100, 99)] {
        assert_eq!(create(element, capacity), Err(DataPipeError::InvalidArgument), "{element} {capacity}");
    }
    assert_eq!(create(1, u32::MAX), Err(DataPipeError::ResourceExhausted));
}

#[test]
fn the_capacity_is_exact_and_its_default_is_whole_elements() {
    for (element, capacity, holds) in [(1, 37, 37), (4, 40, 40), (1, 0, 65_536), (100, 0, 65_500), (70_000, 0, 70_000)]
    {
        let (producer, consumer) =
            DataPipeOptions { element_num_bytes: element, capacity_num_bytes: capacity }.create().unwrap();
        assert_eq!(producer.try_write(&vec![1; 7_000_000]), Ok(holds));
        assert_eq!(consumer.available(), Ok(holds));
        assert_eq!(producer.try_write(&vec![1; 70_000 * 100]), Err(DataPipeError::ShouldWait));
    }
}

// ---- immediate operations --------------------------------------------------------------------------------

in_worlds! {
    fn bytes_come_out_as_they_went_in_round_and_round(world: World) {
        for moves_producer in [false, true] {
            for (element, capacity) in [(1, 37), (4, 40)] {
                let (_sides, producer, consumer) = data_pipe(world, moves_producer, element, capacity);
                let mut at = 0;
                for round in 1..500 {
                    let wanted = (round % capacity as usize + 1).next_multiple_of(element as usize);
                    let bytes = sequence(at, wanted);
                    producer.try_write_all(&bytes).unwrap();
                    let mut read = vec![0; wanted];
                    consumer.try_read_exact(&mut read).unwrap();
                    assert_eq!(read, bytes);
                    at += wanted;
                }
            }
        }
    }

    fn reading_and_writing_take_what_fits_and_all_or_none_takes_all(world: World) {
        let (_sides, producer, consumer) = data_pipe(world, false, 1, 10);
        assert_eq!(producer.try_write_all(&[0; 20]), Err(DataPipeError::OutOfRange));
        assert_eq!(consumer.available(), Ok(0));
        producer.try_write_all(&sequence(0, 5)).unwrap();
        assert_eq!(producer.try_write_all(&[0; 6]), Err(DataPipeError::OutOfRange));
        let mut bytes = [99; 11];
        assert_eq!(consumer.try_read_exact(&mut bytes), Err(DataPipeError::OutOfRange));
        assert_eq!(bytes, [99; 11]);
        assert_eq!(producer.try_write(&sequence(5, 20)), Ok(5));
        assert_eq!(producer.try_write(&[0]), Err(DataPipeError::ShouldWait));
        assert_eq!(consumer.peek(&mut bytes[..4]), Ok(4));
        assert_eq!(bytes[..4], sequence(0, 4));
        assert_eq!(consumer.available(), Ok(10));
        assert_eq!(consumer.discard(3), Ok(3));
        assert_eq!(consumer.try_read(&mut bytes), Ok(7));
        assert_eq!(bytes[..7], sequence(3, 7));
        assert_eq!(consumer.try_read(&mut bytes), Err(DataPipeError::ShouldWait));
        assert_eq!(consumer.peek(&mut bytes), Err(DataPipeError::ShouldWait));
        assert_eq!(consumer.discard(1), Err(DataPipeError::ShouldWait));
        assert_eq!(consumer.available(), Ok(0));
    }

    fn only_whole_elements_are_read_and_written(world: World) {
        let (_sides, producer, consumer) = data_pipe(world, true, 4, 40);
        assert_eq!(producer.try_write(&[0; 6]), Err(DataPipeError::InvalidArgument));
        assert_eq!(producer.try_write(b""), Ok(0));
        assert_eq!(producer.try_write(&[7; 44]), Ok(40));
        let mut bytes = [0; 6];
        assert_eq!(consumer.try_read(&mut bytes), Err(DataPipeError::InvalidArgument));
        assert_eq!(consumer.peek(&mut bytes), Err(DataPipeError::InvalidArgument));
        assert_eq!(consumer.discard(2), Err(DataPipeError::InvalidArgument));
        assert_eq!(consumer.try_read(&mut []), Err(DataPipeError::ShouldWait));
        assert_eq!(consumer.available(), Ok(40));
    }

    fn what_was_written_before_closing_can_be_read(world: World) {
        let (_sides, producer, mut consumer) = data_pipe(world, false, 1, 10);
        producer.try_write_all(b"rest").unwrap();
        drop(producer);
        wait_for(&consumer, C);
        assert_signals(&consumer, R | N | C, R | N | C);
        let mut bytes = [0; 5];
        assert_eq!(consumer.try_read_exact(&mut bytes), Err(DataPipeError::PeerClosed));
        assert_signals(&consumer, R | C, R | C);
        assert_eq!(consumer.discard(1), Ok(1));
        assert_eq!(consumer.try_read(&mut bytes), Ok(3));
        assert_eq!(&bytes[..3], b"est");
        assert_eq!(consumer.try_read(&mut bytes), Err(DataPipeError::PeerClosed));
        assert_eq!(consumer.peek(&mut bytes), Err(DataPipeError::PeerClosed));
        assert_eq!(consumer.discard(1), Err(DataPipeError::PeerClosed));
        assert!(matches!(consumer.begin_read(), Err(DataPipeError::PeerClosed)));
        assert_eq!(consumer.available(), Ok(0));
        assert_signals(&consumer, C, C);
        assert!(matches!(consumer.wait(R, None), Err(WaitError::Unsatisfiable(_))));
    }

    fn a_producer_notices_that_the_consumer_is_closed(world: World) {
        for moves_producer in [false, true] {
            let (_sides, mut producer, consumer) = data_pipe(world, moves_producer, 1, 10);
            producer.try_write_all(b"unread").unwrap();
            drop(consumer);
            wait_for(&producer, C);
            assert_signals(&producer, C, C);
            assert_eq!(producer.try_write(b""), Err(DataPipeError::PeerClosed));
            assert_eq!(producer.try_write(b"x"), Err(DataPipeError::PeerClosed));
            assert!(matches!(producer.begin_write(), Err(DataPipeError::PeerClosed)));
            assert_eq!(producer.write(b"x").unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
        }
    }
}

// ---- signals ---------------------------------------------------------------------------------------------

in_worlds! {
    fn signals_of_a_producer_follow_room(world: World) {
        let (_sides, mut producer, mut consumer) = data_pipe(world, false, 1, 10);
        assert_signals(&producer, W, W | C);
        producer.try_write_all(&[1; 4]).unwrap();
        assert_signals(&producer, W, W | C);
        producer.try_write_all(&[1; 6]).unwrap();
        assert_signals(&producer, Signals::NONE, W | C);
        consumer.peek(&mut [0; 3]).unwrap();
        assert_signals(&producer, Signals::NONE, W | C);
        consumer.begin_read().unwrap().commit(1).unwrap();
        wait_for(&producer, W);
        let mut window = producer.begin_write().unwrap();
        window.fill(0, b"x").unwrap();
        window.commit(1).unwrap();
        assert_signals(&producer, Signals::NONE, W | C);
        drop(consumer);
        wait_for(&producer, C);
        assert_signals(&producer, C, C);
    }

    fn signals_of_a_consumer_follow_data_and_tell_what_is_new(world: World) {
        let (_sides, producer, mut consumer) = data_pipe(world, true, 1, 10);
        assert_signals(&consumer, Signals::NONE, R | N | C);
        assert!(matches!(consumer.wait(W, None), Err(WaitError::Unsatisfiable(_))));
        producer.try_write_all(&[1; 3]).unwrap();
        wait_for(&consumer, N);
        assert_signals(&consumer, R | N, R | N | C);
        // Everything that looks makes it old, even what fails.
        assert_eq!(consumer.try_read_exact(&mut [0; 8]), Err(DataPipeError::OutOfRange));
        assert_signals(&consumer, R, R | N | C);
        for look in [
            (|consumer: &mut Consumer| assert!(consumer.available().is_ok())) as fn(&mut Consumer),
            |consumer| assert_eq!(consumer.peek(&mut [0; 1]), Ok(1)),
            |consumer| assert_eq!(consumer.discard(1), Ok(1)),
            |consumer| assert_eq!(consumer.try_read(&mut [0; 1]), Ok(1)),
            |consumer| drop(consumer.begin_read().unwrap()),
        ] {
            producer.try_write_all(&[1; 1]).unwrap();
            wait_for(&consumer, N);
            assert_signals(&consumer, R | N, R | N | C);
            look(&mut consumer);
            assert_signals(&consumer, R, R | N | C);
        }
        read_all(&consumer);
        assert_signals(&consumer, Signals::NONE, R | N | C);
        producer.try_write_all(&[1; 1]).unwrap();
        drop(producer);
        wait_for(&consumer, C);
        assert_signals(&consumer, R | N | C, R | N | C);
        read_all(&consumer);
        assert_signals(&consumer, C, C);
    }

    fn the_remote_signal_tells_where_the_other_end_is(world: World) {
        let (sides, a, b) = world.connect();
        let (producer, consumer) = sides.data_pipe_here(1, 10);
        let remote = Signals::PEER_REMOTE;
        assert!(!producer.signals().satisfied.contains(remote));
        let consumer = pass_consumer(&a, &b, consumer);
        if world.is_remote() {
            wait_for(&producer, remote);
            wait_for(&consumer, remote);
        }
        let consumer = pass_consumer(&b, &a, consumer);
        eventually("the consumer is back", || !producer.signals().satisfied.contains(remote));
        drop(producer);
        wait_for(&consumer, C);
        assert!(!consumer.signals().satisfiable.contains(remote));
    }
}

// ---- two phases ------------------------------------------------------------------------------------------

in_worlds! {
    fn a_window_is_one_piece_of_the_ring(world: World) {
        let (_sides, mut producer, mut consumer) = data_pipe(world, false, 1, 100);
        producer.try_write_all(&sequence(0, 20)).unwrap();
        assert_eq!(read_10(&consumer), sequence(0, 10));
        let mut window = producer.begin_write().unwrap();
        assert_eq!(window.len(), 80);
        window.fill(0, &sequence(20, 80)).unwrap();
        window.commit(80).unwrap();
        assert_eq!(producer.begin_write().unwrap().len(), 10);
        producer.try_write_all(&sequence(100, 10)).unwrap();
        assert!(matches!(producer.begin_write(), Err(DataPipeError::ShouldWait)));
        let window = consumer.begin_read().unwrap();
        assert_eq!(window.len(), 90);
        let mut bytes = vec![0; 90];
        window.copy_out(0, &mut bytes).unwrap();
        assert_eq!(bytes, sequence(10, 90));
        drop(window);
        assert_eq!(read_all(&consumer), sequence(10, 100));
        assert!(matches!(consumer.begin_read(), Err(DataPipeError::ShouldWait)));
    }

    fn windows_and_immediate_operations_take_turns(world: World) {
        let (_sides, mut producer, mut consumer) = data_pipe(world, false, 1, 100);
        producer.try_write_all(b"hello ").unwrap();
        let mut window = producer.begin_write().unwrap();
        window.fill(0, b"world\0").unwrap();
        window.commit(6).unwrap();
        let mut first = [0];
        assert_eq!(consumer.try_read(&mut first), Ok(1));
        let window = consumer.begin_read().unwrap();
        let mut rest = vec![0; window.len()];
        window.copy_out(0, &mut rest).unwrap();
        window.commit(11).unwrap();
        assert_eq!((&first, rest.as_slice()), (b"h", b"ello world\0".as_slice()));
    }

    fn a_window_counts_for_as_much_as_is_committed(world: World) {
        let (_sides, mut producer, mut consumer) = data_pipe(world, true, 4, 40);
        let mut window = producer.begin_write().unwrap();
        window.fill(0, b"abcdefgh").unwrap();
        assert_eq!(window.fill(38, b"xyz"), Err(DataPipeError::OutOfRange));
        window.commit(4).unwrap();
        producer.begin_write().unwrap().commit(0).unwrap();
        drop(producer.begin_write().unwrap());
        assert_eq!(producer.begin_write().unwrap().commit(3), Err(DataPipeError::InvalidArgument));
        assert_eq!(producer.begin_write().unwrap().commit(44), Err(DataPipeError::InvalidArgument));
        producer.try_write_all(b"ijkl").unwrap();
        assert_eq!(consumer.begin_read().unwrap().commit(3), Err(DataPipeError::InvalidArgument));
        assert_eq!(consumer.begin_read().unwrap().commit(12), Err(DataPipeError::InvalidArgument));
        assert_eq!(consumer.begin_read().unwrap().copy_out(6, &mut [0; 3]), Err(DataPipeError::OutOfRange));
        consumer.begin_read().unwrap().commit(4).unwrap();
        assert_eq!(read_all(&consumer), b"ijkl");
    }

    fn a_read_window_stays_as_it_is_when_more_is_written_and_the_producer_closes(world: World) {
        let (_sides, mut producer, mut consumer) = data_pipe(world, false, 1, 100);
        producer.try_write_all(b"first").unwrap();
        let window = consumer.begin_read().unwrap();
        producer.try_write_all(b"second").unwrap();
        let mut unfinished = producer.begin_write().unwrap();
        unfinished.fill(0, b"never committed").unwrap();
        drop(unfinished);
        drop(producer);
        let mut bytes = [0; 5];
        window.copy_out(0, &mut bytes).unwrap();
        assert_eq!((window.len(), &bytes), (5, b"first"));
        window.commit(5).unwrap();
        wait_for(&consumer, C);
        assert_eq!(read_all(&consumer), b"second");
        assert!(matches!(consumer.begin_read(), Err(DataPipeError::PeerClosed)));
    }

    fn a_write_window_can_be_committed_after_the_consumer_is_closed(world: World) {
        let (_sides, mut producer, consumer) = data_pipe(world, false, 1, 100);
        let mut window = producer.begin_write().unwrap();
        drop(consumer);
        window.fill(0, b"for nobody").unwrap();
        window.commit(10).unwrap();
        wait_for(&producer, C);
        assert_signals(&producer, C, C);
    }
}

fn read_10(consumer: &Consumer) -> Vec<u8> {
    let mut bytes = vec![0; 10];
    consumer.try_read_exact(&mut bytes).unwrap();
    bytes
}

// ---- moving ----------------------------------------------------------------------------------------------

in_worlds! {
    fn ends_move_with_data_in_the_pipe(world: World) {
        for (element, capacity) in [(1, 37), (4, 40)] {
            let (sides, a, b) = world.connect();
            let (mut producer, mut consumer) = sides.data_pipe_here(element, capacity);
            let (mut written, mut read) = (0, 0);
            for round in 0..60 {
                let step = element as usize * (round % 9 + 1);
                written += producer.try_write(&sequence(written, step)).unwrap_or(0);
                if round % 3 != 0 {
                    producer = pass_producer(&b, &a, pass_producer(&a, &b, producer));
                }
                if round % 3 != 1 {
                    consumer = pass_consumer(&b, &a, pass_consumer(&a, &b, consumer));
                    let available = consumer.available().unwrap();
                    assert_eq!(available, written - read);
                }
                let mut bytes = vec![0; element as usize * (round % 7 + 1)];
                if let Ok(count) = consumer.try_read(&mut bytes) {
                    assert_eq!(bytes[..count], sequence(read, count));
                    read += count;
                }
            }
            let producer = pass_producer(&a, &b, producer);
            drop(producer);
            let consumer = pass_consumer(&a, &b, consumer);
            wait_for(&consumer, C);
            assert_eq!(read_all(&consumer), sequence(read, written - read));
        }
    }

    fn both_ends_move_together_in_one_message(world: World) {
        let (sides, a, b) = world.connect();
        let (producer, consumer) = sides.data_pipe_here(1, 37);
        producer.try_write_all(b"inside").unwrap();
        a.send(Message::from("").with(producer).with(consumer)).unwrap();
        let mut handles = b.recv().unwrap().take_handles().unwrap().into_iter();
        let producer = handles.next().unwrap().into_producer().unwrap();
        let consumer = handles.next().unwrap().into_consumer().unwrap();
        producer.try_write_all(b" and on").unwrap();
        assert_eq!(read_all(&consumer), b"inside and on");
        drop(consumer);
        wait_for(&producer, C);
    }

    fn what_is_there_after_a_move_is_new(world: World) {
        let (sides, a, b) = world.connect();
        let (producer, consumer) = sides.data_pipe_here(1, 37);
        producer.try_write_all(b"old").unwrap();
        consumer.available().unwrap();
        assert_signals(&consumer, R, R | N | C);
        let consumer = pass_consumer(&a, &b, consumer);
        assert_signals(&consumer, R | N, R | N | C);
        read_all(&consumer);
        let consumer = pass_consumer(&b, &a, consumer);
        assert_signals(&consumer, Signals::NONE, R | N | C);
    }

    fn a_consumer_whose_producer_is_closed_already_moves_with_what_is_unread(world: World) {
        let (sides, a, b) = world.connect();
        let (producer, consumer) = sides.data_pipe_here(1, 37);
        producer.try_write_all(b"left behind").unwrap();
        drop(producer);
        let consumer = pass_consumer(&a, &b, consumer);
        wait_for(&consumer, C);
        assert_signals(&consumer, R | N | C, R | N | C);
        assert_eq!(read_all(&consumer), b"left behind");
    }

    fn closure_of_ends_on_their_way_is_noticed_by_waiting_watching_and_trying(world: World) {
        let (sides, a, b) = world.connect();
        let (producers, given_consumers): (Vec<_>, Vec<_>) = (0..3).map(|_| sides.data_pipe_here(1, 10)).unzip();
        let (given_producers, consumers): (Vec<_>, Vec<_>) = (0..3).map(|_| sides.data_pipe_here(1, 10)).unzip();
        let message = given_consumers.into_iter().fold(Message::from(""), Message::with);
        a.send(given_producers.into_iter().fold(message, Message::with)).unwrap();
        drop((producers, consumers));
        let mut handles = b.recv().unwrap().take_handles().unwrap().into_iter();
        let consumers = [(); 3].map(|()| handles.next().unwrap().into_consumer().unwrap());
        let producers = [(); 3].map(|()| handles.next().unwrap().into_producer().unwrap());
        assert!(matches!(consumers[0].wait(R, None), Err(WaitError::Unsatisfiable(_))));
        wait_for(&producers[0], C);
        let (events, happened) = mpsc::channel();
        let watcher = Watcher::new(move |event| events.send(event.event).unwrap_or_default());
        for end in [&consumers[1] as &dyn Waitable, &producers[1]] {
            watcher.watch(end, C, 0).unwrap();
            if watcher.arm(0).is_ok() {
                assert_eq!(happened.recv(), Ok(WatchEvent::Satisfied));
            }
            assert!(watcher.cancel(0));
            assert_eq!(happened.recv(), Ok(WatchEvent::Cancelled));
        }
        eventually("reading fails", || consumers[2].try_read(&mut [0]) == Err(DataPipeError::PeerClosed));
        eventually("writing fails", || producers[2].try_write(b"") == Err(DataPipeError::PeerClosed));
    }

    fn closure_reaches_an_end_that_is_on_its_way(world: World) {
        let (sides, a, b) = world.connect();
        for _ in 0..20 {
            let (producer, given) = sides.data_pipe_here(1, 37);
            producer.try_write_all(b"left").unwrap();
            a.send(Message::from("").with(given)).unwrap();
            drop(producer);
            let consumer = recv_handle(&b).into_consumer().unwrap();
            wait_for(&consumer, C);
            assert_eq!(read_all(&consumer), b"left");

            let (given, consumer) = sides.data_pipe_here(1, 37);
            a.send(Message::from("").with(given)).unwrap();
            drop(consumer);
            let producer = recv_handle(&b).into_producer().unwrap();
            wait_for(&producer, C);
            assert_eq!(producer.try_write(b""), Err(DataPipeError::PeerClosed));
        }
    }
}

// ---- streaming -------------------------------------------------------------------------------------------

in_worlds! {
    fn megabytes_stream_through_small_pipes_while_ends_are_waited_for(world: World) {
        const LEN: usize = 10_000_000;
        for (moves_producer, capacity) in [(false, 0), (true, 40_000)] {
            let (_sides, mut producer, mut consumer) = data_pipe(world, moves_producer, 4, capacity);
            let writer = spawn(move || {
                let bytes = sequence(0, LEN);
                std::io::copy(&mut bytes.as_slice(), &mut producer).unwrap()
            });
            let mut bytes = Vec::new();
            assert_eq!(std::io::copy(&mut consumer, &mut bytes).unwrap(), LEN as u64);
            assert!(bytes == sequence(0, LEN));
            assert_eq!(writer.join().unwrap(), LEN as u64);
        }
    }

    fn a_stream_can_be_driven_by_watchers_alone(world: World) {
        const LEN: usize = 1_000_000;
        let (_sides, producer, consumer) = data_pipe(world, false, 1, 1000);
        scope(|scope| {
            scope.spawn(move || {
                let (events, happened) = mpsc::channel();
                let watcher = Watcher::new(move |event| events.send(event.event).unwrap_or_default());
                watcher.watch(&producer, W, 0).unwrap();
                let mut written = 0;
                while written < LEN {
                    match producer.try_write(&sequence(written, (LEN - written).min(333))) {
                        Ok(count) => written += count,
                        Err(DataPipeError::ShouldWait) => {
                            if watcher.arm(0).is_ok() {
                                assert_eq!(happened.recv().unwrap(), WatchEvent::Satisfied);
                            }
                        }
                        Err(other) => panic!("{other:?}"),
                    }
                }
            });
            let (events, happened) = mpsc::channel();
            let watcher = Watcher::new(move |event| events.send(event.event).unwrap_or_default());
            watcher.watch(&consumer, R, 0).unwrap();
            let mut read = 0;
            let mut bytes = [0; 777];
            loop {
                match consumer.try_read(&mut bytes) {
                    Ok(count) => {
                        assert!(bytes[..count] == sequence(read, count));
                        read += count;
                    }
                    Err(DataPipeError::ShouldWait) => {
                        if watcher.arm(0).is_ok() {
                            happened.recv().unwrap();
                        }
                    }
                    Err(DataPipeError::PeerClosed) => break,
                    Err(other) => panic!("{other:?}"),
                }
            }
            assert_eq!(read, LEN);
        });
    }

    fn an_end_that_is_closed_ends_the_wait_at_the_other(world: World) {
        let (_sides, mut producer, consumer) = data_pipe(world, true, 1, 10);
        producer.try_write_all(&[0; 10]).unwrap();
        let writer = spawn(move || producer.write(&[0; 1]).unwrap_err().kind());
        drop(consumer);
        assert_eq!(writer.join().unwrap(), std::io::ErrorKind::BrokenPipe);
        let (_sides, producer, mut consumer) = data_pipe(world, false, 1, 10);
        let reader = spawn(move || consumer.read(&mut [0; 1]).unwrap());
        drop(producer);
        assert_eq!(reader.join().unwrap(), 0);
    }
}
