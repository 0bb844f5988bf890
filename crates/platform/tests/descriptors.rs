//! Descriptors and mappings are not leaked, and descriptors are not lost unnoticed. One test, because it counts
//! those of the whole process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use libmojo_platform::{Interest, MAX_DESCRIPTORS_PER_SEND, Poller, SharedMemory, Socket, open_descriptor_count};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};

#[test]
fn descriptors_are_closed_and_losses_are_reported() {
    let before = open_descriptor_count();
    assert!(before > 0);
    let held = std::fs::File::open("/dev/null").unwrap();
    assert_eq!(open_descriptor_count(), before + 1);
    drop(held);

    for use_them in [sockets, refused_sockets, memory, refused_memory, poller] {
        use_them();
        assert_eq!(open_descriptor_count(), before);
        assert_eq!(mapping_count(), 0);
    }

    beyond_the_limit();
    assert_eq!(open_descriptor_count(), before);
}

/// How many memory objects are mapped.
fn mapping_count() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().matches("memfd:libmojo").count()
}

/// Descriptors that are received, and descriptors that are still under way when both ends go.
fn sockets() {
    let (a, b) = Socket::pair().unwrap();
    let many = [a.as_fd(); MAX_DESCRIPTORS_PER_SEND];
    a.send(&[IoSlice::new(b"x")], &many).unwrap();
    a.send(&[IoSlice::new(b"x")], &many).unwrap();
    let mut descriptors = Vec::new();
    b.recv(&mut [0; 1], &mut descriptors).unwrap();
    assert_eq!(descriptors.len(), MAX_DESCRIPTORS_PER_SEND);
    drop(Socket::from_fd(OwnedFd::from(a)).unwrap());
}

fn refused_sockets() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(Socket::from_fd(reader.into()).unwrap_err());
    drop(Socket::from_fd(writer.into()).unwrap_err());
}

fn memory() {
    let memory = SharedMemory::create(10_000, true).unwrap();
    let mapping = memory.map(5_000, 5_000).unwrap();
    assert_eq!(mapping_count(), 1);
    let read_only = memory.to_read_only().unwrap().unwrap();
    let copy = memory.try_clone().unwrap();
    let (writable, _) = memory.into_descriptors();
    let adopted = SharedMemory::adopt(writable.unwrap(), 10_000, false).unwrap();
    drop((mapping, read_only, copy, adopted));
}

fn refused_memory() {
    let descriptors = || SharedMemory::create(100, true).unwrap().into_descriptors();
    let (writable, read_only) = descriptors();
    assert!(SharedMemory::from_descriptors(writable, read_only, 101).is_err());
    let (writable, read_only) = descriptors();
    assert!(SharedMemory::from_descriptors(read_only, writable, 100).is_err());
    assert!(SharedMemory::adopt(descriptors().1.unwrap(), 100, false).is_err());
    assert!(SharedMemory::create(u64::MAX, true).is_err());
}

fn poller() {
    let poller = Poller::new().unwrap();
    let (a, _b) = Socket::pair().unwrap();
    poller.add(a.as_fd(), 1, Interest { read: true, write: true }).unwrap();
    poller.wake();
    poller.wait(&mut Vec::new(), None).unwrap();
}

/// A process that may open no more descriptors is told that some were lost, and gets those that it has room for.
fn beyond_the_limit() {
    let (a, b) = Socket::pair().unwrap();
    a.send(&[IoSlice::new(b"x")], &[a.as_fd(); 8]).unwrap();
    let limit = getrlimit(Resource::Nofile);
    // The lowest free number is the first that a descriptor would get; room for three numbers from there on.
    let lowest = std::fs::File::open("/dev/null").unwrap();
    let next = u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&lowest)).unwrap();
    drop(lowest);
    setrlimit(Resource::Nofile, Rlimit { current: Some(next + 3), maximum: limit.maximum }).unwrap();
    let mut descriptors = Vec::new();
    let received = b.recv(&mut [0; 1], &mut descriptors);
    setrlimit(Resource::Nofile, limit).unwrap();
    let received = received.unwrap();
    assert!(received.bytes == 1 && received.descriptors_lost);
    assert!((1..=3).contains(&descriptors.len()), "{}", descriptors.len());
}
