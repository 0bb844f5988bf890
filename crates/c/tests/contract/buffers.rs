//! Shared buffers.

use crate::calls;
use crate::support::*;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::fs::FileExt;

const MAX_BYTES: u64 = 1 << 30;

#[test]
fn creation_checks_the_output_then_options_then_the_size() {
    for (options, of_options) in options_rows(0) {
        for (num_bytes, of_size) in [
            (0, INVALID_ARGUMENT),
            (1, OK),
            (4097, OK),
            (MAX_BYTES + 1, RESOURCE_EXHAUSTED),
            (u64::MAX, RESOURCE_EXHAUSTED),
        ] {
            let expected = if of_options == OK { of_size } else { of_options };
            assert_eq!(calls::create_buffer(options.as_deref(), num_bytes, None), INVALID_ARGUMENT);
            for made in anywhere(options.as_deref(), |options| create_buffer(options, num_bytes)) {
                assert_eq!(code(made.and_then(close)), expected, "{options:?} {num_bytes}");
            }
        }
    }
    close(buffer(MAX_BYTES)).unwrap();
}

#[test]
fn duplication_checks_handle_and_output_then_options() {
    let handle = buffer(16);
    for (options, expected) in options_rows(READ_ONLY) {
        assert_eq!(calls::duplicate_buffer(handle, options.as_deref(), None), INVALID_ARGUMENT);
        let call =
            |source, options: Option<&[u8]>| output(STALE, |copy| calls::duplicate_buffer(source, options, Some(copy)));
        assert_eq!(call(0, options.as_deref()), Err(INVALID_ARGUMENT));
        for copy in anywhere(options.as_deref(), |options| call(handle, options)) {
            assert_eq!(code(copy.and_then(close)), expected, "{options:?}");
        }
        assert!(is_live(handle));
    }
    close(handle).unwrap();
}

#[test]
fn flags_of_options_that_are_too_small_to_have_any_are_not_looked_at() {
    let handle = buffer(16);
    let copy =
        output(STALE, |copy| calls::duplicate_buffer(handle, Some(&options(4, &[u32::MAX])), Some(copy))).unwrap();
    assert!(is_writable(copy));
    close_all(&[handle, copy]);
}

#[test]
fn mapping_checks_handle_and_output_then_the_range() {
    let handle = buffer(5000);
    let rows = [
        (0, 5000, OK),
        (0, 1, OK),
        (4999, 1, OK),
        (4095, 2, OK),
        (1, 4999, OK),
        (0, 0, INVALID_ARGUMENT),
        (5000, 0, INVALID_ARGUMENT),
        (5000, 1, INVALID_ARGUMENT),
        (5001, 0, INVALID_ARGUMENT),
        (0, 5001, INVALID_ARGUMENT),
        (1, 5000, INVALID_ARGUMENT),
        (u64::MAX, 1, INVALID_ARGUMENT),
        (u64::MAX, 2, INVALID_ARGUMENT),
        (1, u64::MAX, INVALID_ARGUMENT),
        (u64::MAX, u64::MAX, INVALID_ARGUMENT),
        (1 << 63, 1 << 63, INVALID_ARGUMENT),
    ];
    for (offset, num_bytes, expected) in rows {
        assert_eq!(calls::map_buffer(handle, offset, num_bytes, None), INVALID_ARGUMENT);
        let mapping = map(handle, offset, num_bytes);
        assert_eq!(code(mapping), expected, "{offset} {num_bytes}");
        if let Ok(mapping) = mapping {
            assert_eq!(mapping.address.addr() % 4096, offset as usize % 4096, "the same place in its page");
            unmap(mapping).unwrap();
        }
        assert_eq!(map(0, offset, num_bytes), Err(INVALID_ARGUMENT));
    }
    close(handle).unwrap();
}

#[test]
fn memory_is_zero_of_exact_size_and_the_same_in_all_mappings_of_all_handles() {
    let handle = buffer(10_000);
    let copy = duplicate(handle, 0).unwrap();
    let whole = map(handle, 0, 10_000).unwrap();
    assert!(whole.bytes().iter().all(|byte| *byte == 0));
    let parts =
        [map(copy, 4090, 100).unwrap(), map(handle, 4090, 100).unwrap(), map(pass_copy(copy), 4090, 100).unwrap()];
    whole.write(4100, b"hello");
    for part in parts {
        assert_eq!(part.bytes()[10..15], *b"hello");
    }
    parts[0].write(12, b"LL");
    assert_eq!(whole.bytes()[4100..4105], *b"heLLo");
    let mut addresses: Vec<usize> = parts.iter().chain([&whole]).map(|mapping| mapping.address.addr()).collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 4, "each mapping has an address of its own");
    close_all(&[handle, copy]);
    // Mappings outlive all handles.
    assert_eq!(parts[2].bytes()[10..15], *b"heLLo");
    [whole, parts[0], parts[1], parts[2]].iter().for_each(|mapping| unmap(*mapping).unwrap());
}

/// A duplicate that has been in a message.
fn pass_copy(handle: u32) -> u32 {
    pass(duplicate(handle, 0).unwrap())
}

#[test]
fn only_the_address_of_a_mapping_can_be_unmapped_and_only_once() {
    let handle = buffer(10_000);
    let mapping = map(handle, 10, 5000).unwrap();
    let inside = |offset| calls::Memory { address: mapping.address.wrapping_offset(offset), len: 1 };
    let own = 0;
    let on_the_stack = calls::Memory { address: std::ptr::from_ref(&own).cast_mut(), len: 1 };
    let nowhere = calls::Memory { address: std::ptr::null_mut(), len: 0 };
    for wrong in [inside(1), inside(-1), inside(-10), inside(4086), inside(5000), nowhere, on_the_stack] {
        assert_eq!(unmap(wrong), Err(INVALID_ARGUMENT));
    }
    mapping.write(4999, b"x");
    assert_eq!(unmap(mapping), Ok(()));
    assert_eq!(unmap(mapping), Err(INVALID_ARGUMENT));
    close(handle).unwrap();
}

/// Where a duplicate comes from, to see what it may do.
#[test]
fn read_only_duplicates_come_from_every_handle_and_lead_to_no_others() {
    let original = buffer(64);
    let writable = [duplicate(original, 0).unwrap(), pass_copy(original), original];
    for handle in writable {
        assert!(is_writable(handle));
        let copy = duplicate(handle, 0).unwrap();
        assert!(is_writable(copy));
        let read_only = duplicate(handle, READ_ONLY).unwrap();
        let derived = [0, READ_ONLY].map(|flags| duplicate(read_only, flags).unwrap());
        let passed = pass(duplicate(read_only, 0).unwrap());
        for handle in [read_only, derived[0], derived[1], passed] {
            assert!(!is_writable(handle));
            let mapping = map(handle, 0, 64).unwrap();
            let writer = map(original, 0, 64).unwrap();
            writer.write(3, b"seen");
            assert_eq!(mapping.bytes()[3..7], *b"seen");
            unmap(writer).unwrap();
            unmap(mapping).unwrap();
        }
        close_all(&[copy, read_only, derived[0], derived[1], passed]);
    }
    close_all(&writable);
}

/// Whether a mapping of the handle lets bytes be written, according to the system.
fn is_writable(handle: u32) -> bool {
    let mapping = map(handle, 0, 16).unwrap();
    let line = mappings_at(mapping.address.addr());
    unmap(mapping).unwrap();
    assert!(line.contains(" rw-s ") || line.contains(" r--s "), "{line}");
    line.contains(" rw-s ")
}

fn mappings_at(address: usize) -> String {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let is_there = |line: &&str| {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let limits = [from, to].map(|limit| usize::from_str_radix(limit, 16).unwrap());
        limits[0] <= address && address < limits[1]
    };
    maps.lines().find(is_there).unwrap().to_owned()
}

#[test]
fn the_descriptor_of_a_read_only_duplicate_lets_nobody_write() {
    let original = buffer(64);
    let read_only = duplicate(original, READ_ONLY).unwrap();
    let native = unwrap_buffer(read_only).unwrap();
    assert_eq!((native.num_bytes, native.flags), (64, READ_ONLY));
    let file = calls::own(native.value);
    assert!(file.write_at(b"x", 0).is_err());
    let mut byte = [1];
    file.read_exact_at(&mut byte, 0).unwrap();
    assert_eq!(byte, [0]);
    // Taken for a writable one, it is refused; as what it is, it is accepted.
    let fd = file.as_raw_fd() as u64;
    let wrap = |flags, fd| wrap_buffer(fd, 64, (1, 2), flags);
    assert_eq!(wrap(0, fd), Err(UNKNOWN));
    let wrapped = wrap(READ_ONLY, file.into_raw_fd() as u64).unwrap();
    assert!(!is_writable(wrapped));
    close_all(&[original, wrapped]);
}
