//! Shared buffers and their mappings.

use crate::handles::{self, MojoHandle};
use crate::result::{FAILED_PRECONDITION, INVALID_ARGUMENT, MojoResult, Outcome, RESOURCE_EXHAUSTED};
use libmojo_core::Mapping;
use libmojo_core::buffer::{BufferError, SharedBuffer};
use libmojo_core::limits::Limits;
use libmojo_core::object::Object;
use libmojo_sync::{Mutex, Rank};
use std::collections::BTreeMap;

/// The mappings that the program has, by the address of their first byte.
static MAPPINGS: Mutex<BTreeMap<usize, Mapping>> = Mutex::new(Rank::Leaf, BTreeMap::new());

/// Maps a range of a buffer until [`unmap`] is called with the address.
pub fn map(buffer: &SharedBuffer, offset: u64, num_bytes: u64) -> Outcome<*mut u8> {
    let mapping = buffer.map(offset, num_bytes).map_err(buffer_code)?;
    let address = mapping.as_ptr();
    let mut mappings = MAPPINGS.lock();
    if mappings.len() >= Limits::current().max_mappings {
        drop(mappings);
        return Err(RESOURCE_EXHAUSTED);
    }
    mappings.insert(address.addr(), mapping);
    Ok(address)
}

/// Ends a mapping.
pub fn unmap(address: *mut u8) -> Outcome<()> {
    let mapping = MAPPINGS.lock().remove(&address.addr());
    mapping.map(drop).ok_or(INVALID_ARGUMENT)
}

/// The buffer that a handle refers to.
pub fn buffer(handle: MojoHandle) -> Outcome<SharedBuffer> {
    match handles::get(handle)? {
        Object::Buffer(buffer) => Ok(buffer),
        _ => Err(INVALID_ARGUMENT),
    }
}

/// The code for an error.
pub fn buffer_code(error: BufferError) -> MojoResult {
    match error {
        BufferError::InvalidArgument => INVALID_ARGUMENT,
        BufferError::FailedPrecondition => FAILED_PRECONDITION,
        BufferError::ResourceExhausted => RESOURCE_EXHAUSTED,
    }
}
