#![allow(unsafe_code)]
//! Words that two processes share, without any library between them.

use crate::outcome::Outcome;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::ptr::null_mut;
use std::sync::atomic::AtomicU32;

const PAGE_BYTES: usize = 4096;

/// A word for each direction, each in a cache line of its own.
#[repr(C)]
pub struct Words {
    pub there: Line,
    pub back: Line,
}

#[repr(C, align(128))]
pub struct Line(pub AtomicU32);

/// Makes a page of memory to be shared.
pub fn create() -> Outcome<OwnedFd> {
    let memory = memfd_create("libmojo-bench", MemfdFlags::CLOEXEC)?;
    ftruncate(&memory, PAGE_BYTES as u64)?;
    Ok(memory)
}

/// Maps the page, until this process ends.
pub fn map(memory: BorrowedFd<'_>) -> Outcome<&'static Words> {
    const { assert!(size_of::<Words>() <= PAGE_BYTES) };
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping, wherever there is room, so that nothing else is affected.
    let address = unsafe { mmap(null_mut(), PAGE_BYTES, protection, MapFlags::SHARED, memory, 0) }?;
    // SAFETY: a whole page, aligned as such, which is never unmapped, and whose words are accessed only as atomics, here
    // and in the other process. Any bytes are valid words.
    Ok(unsafe { &*address.cast::<Words>() })
}
