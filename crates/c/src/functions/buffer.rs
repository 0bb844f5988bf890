#![allow(unsafe_code)]
//! `buffer.h`.

use crate::args::{MojoOptions, Out, flags};
use crate::buffers::{self, buffer, buffer_code};
use crate::handles::{self, MojoHandle};
use crate::result::{MojoResult, code, refuse_if_forked};
use libmojo_core::buffer::SharedBuffer;

const DUPLICATE_READ_ONLY: u32 = 1;

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
        output.set(buffers::map(&buffer, offset, num_bytes)?);
        Ok(())
    };
    code(map())
}

/// Ends a mapping.
#[unsafe(no_mangle)]
pub extern "C" fn MojoUnmapBuffer(address: *mut u8) -> MojoResult {
    refuse_if_forked!();
    code(buffers::unmap(address))
}
