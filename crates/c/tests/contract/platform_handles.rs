//! Native handles and native shared memory.

use crate::calls::{self, Spelling, Unwrapped, own};
use crate::support::*;
use mojo_system::*;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::fs::{FileExt, MetadataExt};

const DESCRIPTOR: u32 = 1;

/// A pipe of the system: what reads, and what writes. The reader hears of it when the writer is closed.
fn native_pipe() -> (std::io::PipeReader, u64) {
    let (reader, writer) = std::io::pipe().unwrap();
    (reader, writer.into_raw_fd() as u64)
}

fn is_closed(mut reader: std::io::PipeReader) -> bool {
    let status = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", reader.as_raw_fd()));
    assert!(status.is_ok());
    // Blocks for ever, which the harness shows, unless the writer is closed.
    reader.read(&mut [0]).unwrap() == 0
}

/// A descriptor of memory, and that memory's identity for the system.
fn memory(len: u64) -> (u64, u64) {
    let file = scratch_file();
    file.set_len(len).unwrap();
    let identity = file.metadata().unwrap().ino();
    (file.into_raw_fd() as u64, identity)
}

#[test]
fn wrapping_checks_pointers_then_the_size_then_the_type_and_takes_nothing_it_refuses() {
    let (reader, fd) = native_pipe();
    let mut handle = STALE;
    assert_eq!(calls::wrap(None, Some(&mut handle)), INVALID_ARGUMENT);
    assert_eq!(calls::wrap(None, None), INVALID_ARGUMENT);
    assert_eq!(calls::wrap(Some(&platform_handle(16, DESCRIPTOR, fd)), None), INVALID_ARGUMENT);
    for size in 0..16 {
        assert_eq!(calls::wrap(Some(&platform_handle(size, DESCRIPTOR, fd)), Some(&mut handle)), INVALID_ARGUMENT);
    }
    for kind in [2, 3, 4, 5, 1 << 31, u32::MAX] {
        assert_eq!(wrap(kind, fd), Err(INVALID_ARGUMENT));
    }
    assert_eq!(handle, STALE);
    for size in [16, 17, 24, 4096, u32::MAX] {
        let wrapped = output(STALE, |handle| calls::wrap(Some(&platform_handle(size, DESCRIPTOR, fd)), Some(handle)));
        assert_eq!(unwrap(wrapped.unwrap()), Ok((DESCRIPTOR, fd)));
    }
    let native = platform_handle(16, DESCRIPTOR, fd);
    let wrapped = misaligned(&native, |native| output(STALE, |handle| calls::wrap(Some(native), Some(handle))));
    let code = misaligned(&platform_handle(16, 0, 0), |native| {
        let code = calls::unwrap(wrapped.unwrap(), Some(native));
        assert_eq!(native, platform_handle(16, DESCRIPTOR, fd));
        code
    });
    assert_eq!(code, OK);
    drop(own(fd));
    assert!(is_closed(reader));
}

#[test]
fn closing_a_wrapped_descriptor_closes_it() {
    let (reader, fd) = native_pipe();
    let handle = wrap(DESCRIPTOR, fd).unwrap();
    close(handle).unwrap();
    assert!(is_closed(reader));
}

#[test]
fn no_descriptor_is_wrapped_and_comes_back_as_none() {
    for (kind, value) in [(0, 0), (0, 77), (DESCRIPTOR, u64::MAX), (DESCRIPTOR, u64::from(u32::MAX))] {
        let handle = wrap(kind, value).unwrap();
        assert_eq!(unwrap(pass(handle)), Ok((0, u64::MAX)), "the value is left alone");
        close(wrap(kind, value).unwrap()).unwrap();
    }
}

#[test]
fn whether_a_number_is_an_open_descriptor_is_not_checked() {
    let number = 1_000_000_000;
    assert_eq!(unwrap(pass(wrap(DESCRIPTOR, number).unwrap())), Ok((DESCRIPTOR, number)));
}

#[test]
fn unwrapping_ends_the_handle_in_any_case() {
    // What the caller passes, and whether it is fit.
    let structures: Vec<Option<Vec<u8>>> =
        (0..16).map(|size| Some(platform_handle(size, 0, 0))).chain([None]).collect();
    for structure in structures {
        let (reader, fd) = native_pipe();
        let handle = wrap(DESCRIPTOR, fd).unwrap();
        let mut given = structure.clone();
        assert_eq!(calls::unwrap(handle, given.as_deref_mut()), INVALID_ARGUMENT);
        assert_eq!(given, structure);
        assert!(!is_live(handle));
        assert!(is_closed(reader), "the descriptor is closed");
    }
    let before = platform_handle(24, 9, 9);
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Platform) {
        let made = kind.make();
        let mut structure = before.clone();
        assert_eq!(calls::unwrap(made.handle, Some(&mut structure)), INVALID_ARGUMENT, "{kind:?}");
        assert_eq!(structure, before);
        assert!(!is_live(made.handle));
        assert!(!kind.has_signals() || satisfied(made.peer) == C);
    }
    for dead in dead_handles() {
        assert_eq!(calls::unwrap(dead, Some(&mut before.clone())), INVALID_ARGUMENT);
        assert_eq!(calls::unwrap(dead, None), INVALID_ARGUMENT);
    }
    // Only what is known of a larger structure is filled in.
    let mut structure = before.clone();
    let (reader, fd) = native_pipe();
    assert_eq!(calls::unwrap(wrap(DESCRIPTOR, fd).unwrap(), Some(&mut structure)), OK);
    assert_eq!(structure[..4], 24_u32.to_ne_bytes());
    assert_eq!(structure[16..], before[16..]);
    drop(own(fd));
    assert!(is_closed(reader));
}

#[test]
fn descriptors_travel_in_any_number_and_in_order() {
    let files: Vec<File> = (0..64)
        .map(|number| {
            let file = scratch_file();
            file.set_len(number).unwrap();
            file
        })
        .collect();
    let handles: Vec<MojoHandle> =
        files.into_iter().map(|file| wrap(DESCRIPTOR, file.into_raw_fd() as u64).unwrap()).collect();
    let (a, b) = pipe();
    send(a, b"", &handles).unwrap();
    for (number, handle) in receive(b).unwrap().1.into_iter().enumerate() {
        let file = own(unwrap(handle).unwrap().1);
        assert_eq!(file.metadata().unwrap().len(), number as u64);
    }
    close_all(&[a, b]);
}

// ---- shared memory ---------------------------------------------------------------------------------------

const SPELLINGS: [Spelling; 2] = [Spelling::Documented, Spelling::WithHandle];

#[test]
fn wrapping_memory_refuses_what_is_missing_or_unfit_and_takes_nothing_it_refuses() {
    let (fd, _) = memory(64);
    let native = platform_handle(16, DESCRIPTOR, fd);
    let guid = MojoSharedBufferGuid { high: 0, low: 1 };
    let zero = MojoSharedBufferGuid { high: 0, low: 0 };
    let refused = |native: Option<&[u8]>, len, guid: Option<&MojoSharedBufferGuid>, expected| {
        for spelling in SPELLINGS {
            let call = |handle: Option<&mut MojoHandle>| calls::wrap_buffer(spelling, native, len, guid, 0, handle);
            assert_eq!(call(None), INVALID_ARGUMENT);
            assert_eq!(code(output(STALE, |handle| call(Some(handle)))), expected);
        }
    };
    refused(None, 64, Some(&guid), INVALID_ARGUMENT);
    refused(Some(&native), 64, None, INVALID_ARGUMENT);
    refused(Some(&native), 0, Some(&guid), INVALID_ARGUMENT);
    refused(Some(&native), 64, Some(&zero), INVALID_ARGUMENT);
    refused(Some(&native), 65, Some(&guid), UNKNOWN);
    refused(Some(&native), usize::MAX, Some(&guid), UNKNOWN);
    for kind in [0, 2, 3, 4, 5, u32::MAX] {
        refused(Some(&platform_handle(16, kind, fd)), 64, Some(&guid), INVALID_ARGUMENT);
    }
    for size in 0..16 {
        refused(Some(&platform_handle(size, DESCRIPTOR, fd)), 64, Some(&guid), INVALID_ARGUMENT);
    }
    refused(Some(&platform_handle(16, DESCRIPTOR, u64::MAX)), 64, Some(&guid), INVALID_ARGUMENT);
    refused(Some(&platform_handle(16, DESCRIPTOR, 1_000_000_000)), 64, Some(&guid), UNKNOWN);
    let (reader, writer) = std::io::pipe().unwrap();
    for fd in [reader.as_raw_fd(), writer.as_raw_fd()] {
        refused(Some(&platform_handle(16, DESCRIPTOR, fd as u64)), 64, Some(&guid), UNKNOWN);
    }
    drop(writer);
    assert!(is_closed(reader));
    // Still the caller's.
    assert_eq!(own(fd).metadata().unwrap().len(), 64);
    for spelling in SPELLINGS {
        let native = platform_handle(16, DESCRIPTOR, memory(64).0);
        let wrap = |handle: &mut _| calls::wrap_buffer(spelling, Some(&native), 64, Some(&guid), 0, Some(handle));
        close(output(STALE, wrap).unwrap()).unwrap();
    }
}

#[test]
fn wrapped_memory_comes_back_as_it_was() {
    for flags in [0, READ_ONLY] {
        for between in [
            |handle| handle,
            pass,
            |handle| {
                let copy = duplicate(handle, 0).unwrap();
                close(handle).unwrap();
                copy
            },
        ] {
            let (fd, identity) = memory(100);
            let handle = between(wrap_buffer(fd, 64, (5, 6), flags | !1 & flags).unwrap());
            let mapping = map(handle, 0, 64).unwrap();
            assert_eq!(map(handle, 0, 65), Err(INVALID_ARGUMENT), "the size is what was said");
            let native = unwrap_buffer(handle).unwrap();
            assert_eq!((native.kind, native.num_bytes, native.guid, native.flags), (1, 64, (5, 6), flags));
            assert!(!is_live(handle));
            let file = own(native.value);
            assert_eq!(file.metadata().unwrap().ino(), identity);
            if flags == 0 {
                mapping.write(0, b"seen");
                let mut bytes = [0; 4];
                file.read_exact_at(&mut bytes, 0).unwrap();
                assert_eq!(&bytes, b"seen");
            }
            unmap(mapping).unwrap();
        }
    }
}

#[test]
fn no_read_only_duplicate_comes_from_writable_memory_of_other_origin() {
    let (fd, _) = memory(64);
    let handle = wrap_buffer(fd, 64, (1, 1), 0).unwrap();
    assert_eq!(duplicate(handle, READ_ONLY), Err(FAILED_PRECONDITION));
    let copy = duplicate(handle, 0).unwrap();
    assert_eq!(duplicate(copy, READ_ONLY), Err(FAILED_PRECONDITION));
    close_all(&[handle, copy]);
    let (fd, _) = memory(64);
    let handle = wrap_buffer(fd, 64, (1, 1), READ_ONLY).unwrap();
    let copy = duplicate(handle, READ_ONLY).unwrap();
    close_all(&[handle, copy]);
}

#[test]
fn unwrapping_memory_ends_the_handle_in_any_case_and_no_other() {
    for spelling in SPELLINGS {
        for missing in 0..6 {
            let handle = buffer(64);
            let copy = duplicate(handle, 0).unwrap();
            let mapping = map(handle, 0, 64).unwrap();
            let mut native = platform_handle(if missing == 4 { 15 } else { 16 }, 9, 9);
            let before = native.clone();
            let (mut num_bytes, mut guid, mut flags) = (7, MojoSharedBufferGuid { high: 7, low: 7 }, 7);
            let outputs = Unwrapped {
                platform_handle: (missing != 0).then_some(&mut native),
                num_bytes: (missing != 1).then_some(&mut num_bytes),
                guid: (missing != 2).then_some(&mut guid),
                flags: (missing != 3).then_some(&mut flags),
            };
            let code = calls::unwrap_buffer(spelling, handle, outputs);
            assert_eq!(code, if missing == 5 { OK } else { INVALID_ARGUMENT });
            assert_eq!(native == before, code != OK);
            assert_eq!((num_bytes, guid.high, guid.low, flags) == (7, 7, 7, 7), code != OK);
            assert!(!is_live(handle));
            if code == OK {
                drop(own(u64::from_ne_bytes(native[8..16].try_into().unwrap())));
            }
            mapping.write(0, b"still there");
            let other = map(copy, 0, 64).unwrap();
            assert_eq!(other.bytes()[..11], *b"still there");
            [mapping, other].iter().for_each(|mapping| unmap(*mapping).unwrap());
            close(copy).unwrap();
        }
    }
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Buffer) {
        let made = kind.make();
        assert_eq!(unwrap_buffer(made.handle), Err(INVALID_ARGUMENT), "{kind:?}");
        assert!(!is_live(made.handle));
        assert!(!kind.has_signals() || satisfied(made.peer) == C);
    }
    for dead in dead_handles() {
        assert_eq!(unwrap_buffer(dead), Err(INVALID_ARGUMENT));
    }
}

#[test]
fn all_handles_of_a_buffer_have_one_identity_and_no_two_buffers_have() {
    let first = buffer(64);
    let copies =
        [duplicate(first, 0).unwrap(), duplicate(first, READ_ONLY).unwrap(), pass(duplicate(first, 0).unwrap())];
    let guid_of = |handle| {
        let native = unwrap_buffer(handle).unwrap();
        drop(own(native.value));
        native.guid
    };
    let guid = guid_of(first);
    assert_ne!(guid, (0, 0));
    for copy in copies {
        assert_eq!(guid_of(copy), guid);
    }
    assert_ne!(guid_of(buffer(64)), guid);
}
