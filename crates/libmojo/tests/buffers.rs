//! Shared buffers, within one node and between two.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::limits::MAX_SHARED_MEMORY_BYTES;
use libmojo::{AccessError, BufferError, Guid, Mapping, SharedBuffer};
use std::fs::File;
use std::os::unix::fs::FileExt;
use worlds::*;

fn contents(mapping: &Mapping) -> Vec<u8> {
    let mut bytes = vec![99; mapping.len()];
    mapping.read(0, &mut bytes).unwrap();
    bytes
}

fn assert_read_only(buffer: &SharedBuffer) {
    assert!(buffer.is_read_only());
    let mapping = buffer.map(0, 1).unwrap();
    assert!(mapping.is_read_only());
    assert_eq!(mapping.write(0, b"x"), Err(AccessError::ReadOnly));
    // The system sees to it, not only this library.
    let file = File::from(buffer.descriptor().unwrap());
    assert!(file.write_at(b"x", 0).is_err());
    assert!(SharedBuffer::wrap(file.into(), 1, Guid { high: 1, low: 1 }, false).is_err());
    assert!(buffer.duplicate().unwrap().is_read_only());
    assert!(buffer.duplicate_read_only().unwrap().is_read_only());
}

#[test]
fn a_fresh_buffer_has_the_exact_size_and_is_zero() {
    for size in [1, 10, 100, 4095, 4096, 4097, 100_000] {
        let buffer = SharedBuffer::create(size).unwrap();
        assert_eq!(buffer.num_bytes(), size);
        assert!(!buffer.is_read_only());
        assert!(contents(&buffer.map(0, size).unwrap()).iter().all(|byte| *byte == 0));
        assert_eq!(buffer.map(0, size + 1).unwrap_err(), BufferError::InvalidArgument);
    }
}

#[test]
fn sizes_of_nothing_and_of_too_much_are_refused() {
    let refused = |size| SharedBuffer::create(size).unwrap_err();
    assert_eq!(refused(0), BufferError::InvalidArgument);
    assert_eq!(refused(MAX_SHARED_MEMORY_BYTES + 1), BufferError::ResourceExhausted);
    assert_eq!(refused(u64::MAX), BufferError::ResourceExhausted);
    assert!(SharedBuffer::create(MAX_SHARED_MEMORY_BYTES).is_ok());
}

#[test]
fn only_ranges_within_the_buffer_can_be_mapped() {
    let buffer = SharedBuffer::create(100).unwrap();
    for (offset, len) in [(0, 101), (1, 100), (0, 0), (50, 51), (51, 50), (101, 1), (u64::MAX, 1), (1, u64::MAX)] {
        assert_eq!(buffer.map(offset, len).unwrap_err(), BufferError::InvalidArgument, "{offset} {len}");
    }
    for (offset, len) in [(0, 100), (50, 50), (99, 1), (1, 1)] {
        assert_eq!(buffer.map(offset, len).unwrap().len() as u64, len);
    }
}

#[test]
fn mappings_are_coherent_and_outlive_every_reference() {
    let buffer = SharedBuffer::create(100).unwrap();
    let (all, half) = (buffer.map(0, 100).unwrap(), buffer.map(50, 50).unwrap());
    let duplicate = buffer.duplicate().unwrap();
    drop(buffer);
    all.write(60, b"seen").unwrap();
    assert_eq!(contents(&half)[10..14], *b"seen");
    drop(all);
    let again = duplicate.map(50, 50).unwrap();
    drop(duplicate);
    again.write(0, b"still").unwrap();
    assert_eq!(contents(&half)[..5], *b"still");
}

#[test]
fn every_buffer_has_an_identity_of_its_own_that_duplicates_share() {
    let (one, other) = (SharedBuffer::create(1).unwrap(), SharedBuffer::create(1).unwrap());
    assert_ne!(one.guid(), other.guid());
    assert_ne!(one.guid(), Guid { high: 0, low: 0 });
    assert_eq!(one.guid(), one.duplicate().unwrap().guid());
    assert_eq!(one.guid(), one.duplicate_read_only().unwrap().guid());
}

in_worlds! {
    fn a_buffer_arrives_with_its_size_identity_contents_and_rights(world: World) {
        let (_sides, a, b) = world.connect();
        let buffer = SharedBuffer::create(1234).unwrap();
        let mapping = buffer.map(0, 1234).unwrap();
        mapping.write(1000, b"written before").unwrap();
        let guid = buffer.guid();
        let arrived = pass(&a, &b, buffer).into_buffer().unwrap();
        assert_eq!((arrived.num_bytes(), arrived.guid(), arrived.is_read_only()), (1234, guid, false));
        let other = arrived.map(1000, 14).unwrap();
        assert_eq!(contents(&other), b"written before");
        other.write(8, b"later ").unwrap();
        assert_eq!(contents(&mapping)[1000..1014], *b"written later ");
    }

    fn a_read_only_reference_stays_read_only_wherever_it_goes(world: World) {
        let (_sides, a, b) = world.connect();
        let buffer = SharedBuffer::create(10).unwrap();
        let viewer = buffer.duplicate_read_only().unwrap();
        assert_read_only(&viewer);
        let viewer = pass(&a, &b, viewer).into_buffer().unwrap();
        assert_read_only(&viewer);
        buffer.map(0, 10).unwrap().write(0, b"0123456789").unwrap();
        assert_eq!(contents(&viewer.map(3, 4).unwrap()), b"3456");
        assert_read_only(&pass(&b, &a, viewer.duplicate().unwrap()).into_buffer().unwrap());
    }

    fn a_reference_that_was_transferred_can_still_be_demoted(world: World) {
        let (_sides, a, b) = world.connect();
        let buffer = SharedBuffer::create(10).unwrap();
        let duplicate = buffer.duplicate().unwrap();
        for buffer in [buffer, duplicate] {
            let buffer = pass(&b, &a, pass(&a, &b, buffer).into_buffer().unwrap()).into_buffer().unwrap();
            let viewer = buffer.duplicate_read_only().unwrap();
            assert_read_only(&viewer);
            assert!(!buffer.duplicate().unwrap().is_read_only());
        }
    }

    fn memory_wrapped_as_read_only_arrives_as_that(world: World) {
        let (_sides, here, there) = world.connect();
        let file = file_with("shared");
        let buffer = SharedBuffer::wrap(file.into(), 6, Guid { high: 1, low: 2 }, true).unwrap();
        let buffer = pass(&here, &there, buffer).into_buffer().unwrap();
        assert_eq!(contents(&buffer.map(0, 6).unwrap()), b"shared");
        assert_read_only(&buffer);
    }

    fn memory_of_other_origin_can_be_wrapped_sent_and_unwrapped(world: World) {
        let (_sides, a, b) = world.connect();
        let file = file_with("contents of a file");
        let guid = Guid { high: 0x1234, low: 0x5678 };
        let size = 18;
        let buffer = SharedBuffer::wrap(file.try_clone().unwrap().into(), size, guid, false).unwrap();
        assert_eq!((buffer.num_bytes(), buffer.guid(), buffer.is_read_only()), (size, guid, false));
        assert_eq!(buffer.duplicate_read_only().unwrap_err(), BufferError::NotDemotable);
        let arrived = pass(&a, &b, buffer).into_buffer().unwrap();
        assert_eq!((arrived.num_bytes(), arrived.guid(), arrived.is_read_only()), (size, guid, false));
        assert_eq!(arrived.duplicate_read_only().unwrap_err(), BufferError::NotDemotable);
        arrived.map(14, 4).unwrap().write(0, b"FILE").unwrap();
        assert_eq!(text_of(&file), "contents of a FILE");
        let unwrapped = File::from(arrived.descriptor().unwrap());
        unwrapped.write_all_at(b"C", 0).unwrap();
        // A descriptor is one of several references: the others still work.
        assert_eq!(contents(&arrived.map(0, 8).unwrap()), b"Contents");
        drop(arrived);
        assert_eq!(text_of(&unwrapped), "Contents of a FILE");
    }
}

#[test]
fn what_is_not_large_enough_or_not_writable_comes_back() {
    let guid = Guid { high: 1, low: 2 };
    let (_, file) = SharedBuffer::wrap(file_with("short").into(), 6, guid, false).unwrap_err();
    assert_eq!(text_of(&file.into()), "short");
    let path = scratch_path();
    std::fs::write(&path, "read only").unwrap();
    let file = File::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let (_, file) = SharedBuffer::wrap(file.into(), 9, guid, false).unwrap_err();
    let buffer = SharedBuffer::wrap(file, 9, guid, true).unwrap();
    assert_read_only(&buffer);
    assert_eq!(contents(&buffer.map(0, 9).unwrap()), b"read only");
}

#[test]
fn memory_of_no_size_cannot_be_wrapped() {
    for read_only in [false, true] {
        assert!(SharedBuffer::wrap(file_with("text").into(), 0, Guid { high: 1, low: 2 }, read_only).is_err());
    }
}

#[test]
fn a_wrapped_file_can_be_declared_read_only() {
    let guid = Guid { high: 1, low: 2 };
    let buffer = SharedBuffer::wrap(file_with("text").into(), 4, guid, true).unwrap();
    assert!(buffer.is_read_only());
    assert!(buffer.map(0, 4).unwrap().is_read_only());
}
