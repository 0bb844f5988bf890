//! Between data pipes and files or sockets: windows that are filled and taken from in order, and copying whole streams.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::{Consumer, DataPipeError, DataPipeOptions, Producer, Signals, Waitable};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use worlds::*;

/// A small one is full, empty and wrapped all the time.
const CAPACITY: u32 = 61;

/// The ends of a data pipe, one on each side.
fn ends(world: World, element: u32, capacity: u32) -> (Sides, Producer, Consumer) {
    let (sides, a, b) = world.connect();
    let (producer, consumer) = sides.data_pipe_here(element, capacity);
    let consumer = pass_consumer(&a, &b, consumer);
    (sides, producer, consumer)
}

fn new(element_num_bytes: u32, capacity_num_bytes: u32) -> (Producer, Consumer) {
    DataPipeOptions { element_num_bytes, capacity_num_bytes }.create().unwrap()
}

/// An open file, without a name, at its beginning.
fn file_of(bytes: &[u8]) -> File {
    let mut file = file_with("");
    file.write_all(bytes).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file
}

fn bytes_of(file: &File) -> Vec<u8> {
    let (mut file, mut bytes) = (file, Vec::new());
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

// ---- windows ---------------------------------------------------------------------------------------------

in_worlds! {
    fn windows_are_filled_and_taken_from_in_order(world: World) {
        let (_sides, mut producer, mut consumer) = ends(world, 1, 10);
        let source = file_of(b"a file");
        let mut window = producer.begin_write().unwrap();
        assert_eq!(window.write(b"ab").unwrap(), 2);
        assert_eq!(window.read_from(&source, 3).unwrap(), 3);
        assert_eq!(window.filled(), 5);
        assert_eq!(window.read_from(&source, usize::MAX).unwrap(), 3);
        assert_eq!(window.read_from(&source, usize::MAX).unwrap(), 0);
        assert_eq!(window.write(b"cdef").unwrap(), 2);
        // Nothing is left of the window.
        assert_eq!(window.write(b"ef").unwrap(), 0);
        assert_eq!(window.read_from(&source, usize::MAX).unwrap(), 0);
        assert_eq!(window.commit_filled(), Ok(10));
        wait_for(&consumer, Signals::READABLE);

        let target = file_of(b"");
        let mut window = consumer.begin_read().unwrap();
        let mut bytes = [0; 4];
        window.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"aba ");
        assert_eq!(window.write_to(&target, 2).unwrap(), 2);
        assert_eq!(window.taken(), 6);
        assert_eq!(window.commit_taken(), Ok(6));
        let mut window = consumer.begin_read().unwrap();
        assert_eq!(window.write_to(&target, usize::MAX).unwrap(), 4);
        assert_eq!(window.write_to(&target, usize::MAX).unwrap(), 0);
        assert_eq!(window.read(&mut bytes).unwrap(), 0);
        assert_eq!(window.commit_taken(), Ok(4));
        assert_eq!(bytes_of(&target), b"filecd");
    }

    fn a_window_that_is_dropped_or_not_whole_elements_has_written_and_taken_nothing(world: World) {
        let (_sides, mut producer, mut consumer) = ends(world, 4, 12);
        let mut window = producer.begin_write().unwrap();
        window.write_all(b"dropped!").unwrap();
        drop(window);
        let mut window = producer.begin_write().unwrap();
        window.write_all(b"odd").unwrap();
        assert_eq!(window.commit_filled(), Err(DataPipeError::InvalidArgument));
        producer.try_write_all(b"12345678").unwrap();
        wait_for(&consumer, Signals::READABLE);
        let mut window = consumer.begin_read().unwrap();
        window.read_exact(&mut [0; 8]).unwrap();
        drop(window);
        let mut window = consumer.begin_read().unwrap();
        window.read_exact(&mut [0; 5]).unwrap();
        assert_eq!(window.commit_taken(), Err(DataPipeError::InvalidArgument));
        let mut bytes = [0; 8];
        consumer.try_read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"12345678");
    }
}

#[test]
fn an_end_tells_its_sizes_wherever_it_is() {
    let _watchdog = watchdog();
    let (_sides, producer, consumer) = ends(World::TwoNodes, 4, 40);
    assert_eq!((producer.element_num_bytes(), producer.capacity_num_bytes()), (4, 40));
    assert_eq!((consumer.element_num_bytes(), consumer.capacity_num_bytes()), (4, 40));
}

// ---- copying ---------------------------------------------------------------------------------------------

in_worlds! {
    fn a_file_is_copied_through_a_pipe_whole(world: World) {
        let bytes = Random::new(seed()).bytes(50_000);
        let (_sides, mut producer, mut consumer) = ends(world, 1, CAPACITY);
        let (source, target) = (file_of(&bytes), file_of(b""));
        let copying = thread::spawn(move || producer.copy_from(source).unwrap());
        assert_eq!(consumer.copy_to(&target).unwrap(), bytes.len() as u64);
        assert_eq!(copying.join().unwrap(), bytes.len() as u64);
        assert!(bytes_of(&target) == bytes);
    }

    fn sockets_are_copied_through_a_pipe_whether_they_block_or_not(world: World) {
        let bytes = Random::new(seed()).bytes(300_000);
        for blocks in [true, false] {
            let (_sides, mut producer, mut consumer) = ends(world, 1, 0);
            let ((mut from, source), (target, mut to)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
            source.set_nonblocking(!blocks).unwrap();
            target.set_nonblocking(!blocks).unwrap();
            thread::scope(|scope| {
                scope.spawn(move || producer.copy_from(source).unwrap());
                scope.spawn(move || consumer.copy_to(target).unwrap());
                let bytes = &bytes;
                scope.spawn(move || from.write_all(bytes).unwrap());
                let mut copied = Vec::new();
                to.read_to_end(&mut copied).unwrap();
                assert!(copied == *bytes, "{} of {} bytes", copied.len(), bytes.len());
            });
        }
    }

    fn no_more_is_copied_than_was_asked_for(world: World) {
        let (_sides, mut producer, mut consumer) = ends(world, 1, 10);
        let (source, target) = (file_of(b"0123456789"), file_of(b""));
        assert_eq!(producer.copy_from_up_to(&source, 0).unwrap(), 0);
        assert_eq!(producer.copy_from_up_to(&source, 7).unwrap(), 7);
        assert_eq!(consumer.copy_to_up_to(&target, 4).unwrap(), 4);
        assert_eq!(consumer.copy_to_up_to(&target, 0).unwrap(), 0);
        // The source ends before.
        assert_eq!(producer.copy_from_up_to(&source, 7).unwrap(), 3);
        drop(producer);
        assert_eq!(consumer.copy_to_up_to(&target, 100).unwrap(), 6);
        assert_eq!(bytes_of(&target), b"0123456789");
    }

    fn what_cannot_be_copied_is_still_there(world: World) {
        let (_sides, mut producer, mut consumer) = ends(world, 1, 100);
        producer.try_write_all(b"hello").unwrap();
        let (target, gone) = UnixStream::pair().unwrap();
        drop(gone);
        wait_for(&consumer, Signals::READABLE);
        assert_eq!(consumer.copy_to(target).unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(consumer.available(), Ok(5));
        // Not open for that.
        let read_only = File::open("/proc/self/exe").unwrap();
        assert!(consumer.copy_to(read_only).is_err());
        assert_eq!(consumer.available(), Ok(5));
        let mut source = file_of(b"more");
        drop(consumer);
        wait_for(&producer, Signals::PEER_CLOSED);
        assert_eq!(producer.copy_from(&source).unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(source.stream_position().unwrap(), 0);
    }
}

#[test]
fn elements_of_several_bytes_are_not_copied() {
    let (mut producer, mut consumer) = new(2, 10);
    let file = file_of(b"1234");
    producer.try_write_all(b"12").unwrap();
    assert_eq!(producer.copy_from(&file).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(consumer.copy_to(&file).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!((consumer.available(), (&file).stream_position().unwrap()), (Ok(2), 0));
}

#[test]
fn both_ends_are_free_again_after_copying() {
    let (mut producer, mut consumer) = new(1, 10);
    assert_eq!(producer.copy_from(file_of(b"")).unwrap(), 0);
    producer.try_write_all(b"0123456789").unwrap();
    assert_eq!(consumer.copy_to_up_to(file_of(b""), 1).unwrap(), 1);
    assert!(producer.signals().satisfied.contains(Signals::WRITABLE));
    assert_eq!(producer.try_write(b"x"), Ok(1));
    assert_eq!(consumer.try_read(&mut [0; 20]), Ok(10));
}
