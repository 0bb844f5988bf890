#![allow(unsafe_code)]
//! `buffer.h`.

use crate::args::{MojoOptions, Out, flags};
use crate::handles::{self, MojoHandle};
use crate::result::{
    FAILED_PRECONDITION, INVALID_ARGUMENT, MojoResult, Outcome, RESOURCE_EXHAUSTED, code, refuse_if_forked,
};
use libmojo_core::Mapping;
use libmojo_core::buffer::{BufferError, SharedBuffer};
use libmojo_core::limits::Limits;
use libmojo_core::object::Object;
use libmojo_sync::{Mutex, Rank};
use std::collections::BTreeMap;

const DUPLICATE_READ_ONLY: u32 = 1;

/// The mappings that the program has, by the address of their first byte.
static MAPPINGS: Mutex<BTreeMap<usize, Mapping>> = Mutex::new(Rank::Leaf, BTreeMap::new());

/// Makes a shared buffer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoCreateSharedBuffer(
    options: *const MojoOptions,
    num_bytes: u64,
    shared_buffer_handle: *mut MojoHandle,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::required(shared_buffer_handle) };
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { flags(options, 0) };
    let create = || {
        let output = output?;
        options?;
        let buffer = SharedBuffer::create(num_bytes).map_err(buffer_code)?;
        output.set(handles::insert(buffer)?);
        Ok(())
    };
    code(create())
}

/// Makes another handle for a shared buffer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoDuplicateBufferHandle(
    buffer_handle: MojoHandle,
    options: *const MojoOptions,
    new_buffer_handle: *mut MojoHandle,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::required(new_buffer_handle) };
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { flags(options, DUPLICATE_READ_ONLY) };
    let duplicate = || {
        let buffer = buffer(buffer_handle)?;
        let output = output?;
        let read_only = options? & DUPLICATE_READ_ONLY != 0;
        output.set(handles::insert(buffer.duplicate(read_only).map_err(buffer_code)?)?);
        Ok(())
    };
    code(duplicate())
}

/// Maps a range of a shared buffer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoMapBuffer(
    buffer_handle: MojoHandle,
    offset: u64,
    num_bytes: u64,
    address: *mut *mut u8,
    _flags: u32,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::required(address) };
    let map = || {
        let buffer = buffer(buffer_handle)?;
        let output = output?;
        let mapping = buffer.map(offset, num_bytes).map_err(buffer_code)?;
        let address = mapping.as_ptr();
        let mut mappings = MAPPINGS.lock();
        if mappings.len() >= Limits::current().max_mappings {
            drop(mappings);
            return Err(RESOURCE_EXHAUSTED);
        }
        mappings.insert(address.addr(), mapping);
        output.set(address);
        Ok(())
    };
    code(map())
}

/// Ends a mapping.
#[unsafe(no_mangle)]
pub extern "C" fn MojoUnmapBuffer(address: *mut u8) -> MojoResult {
    refuse_if_forked!();
    let mapping = MAPPINGS.lock().remove(&address.addr());
    code(mapping.map(drop).ok_or(INVALID_ARGUMENT))
}

pub(super) fn buffer(handle: MojoHandle) -> Outcome<SharedBuffer> {
    match handles::get(handle)? {
        Object::Buffer(buffer) => Ok(buffer),
        _ => Err(INVALID_ARGUMENT),
    }
}

fn buffer_code(error: BufferError) -> MojoResult {
    match error {
        BufferError::InvalidArgument => INVALID_ARGUMENT,
        BufferError::FailedPrecondition => FAILED_PRECONDITION,
        BufferError::ResourceExhausted => RESOURCE_EXHAUSTED,
    }
}
