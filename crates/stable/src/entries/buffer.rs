#![allow(unsafe_code)]
//! Shared buffers.

use super::data_pipe::live_with;
use crate::args::{MojoOptions, Out, flags, versioned};
use crate::buffers::{self, buffer, buffer_code};
use crate::handles;
use crate::options::strict;
use crate::result::{MojoResult, code};
use libmojo_c_common::{HandleWord, refuse_if_forked};
use libmojo_core::buffer::SharedBuffer;

const DUPLICATE_READ_ONLY: u32 = 1;

/// What a program learns of a buffer.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct MojoSharedBufferInfo {
    struct_size: u32,
    size: u64,
}

const _: () = assert!(size_of::<MojoSharedBufferInfo>() == 16);

pub(crate) unsafe extern "C" fn create_shared_buffer<W: HandleWord>(
    num_bytes: u64,
    options: *const MojoOptions,
    shared_buffer_handle: *mut W,
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
        output.set(W::new(handles::insert(buffer)?));
        Ok(())
    };
    code(create())
}

pub(crate) unsafe extern "C" fn duplicate_buffer_handle<W: HandleWord>(
    buffer_handle: W,
    options: *const MojoOptions,
    new_buffer_handle: *mut W,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::required(new_buffer_handle) };
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { flags(options, DUPLICATE_READ_ONLY) };
    let duplicate = || {
        drop(handles::borrow(buffer_handle.handle())?);
        let read_only = options? & DUPLICATE_READ_ONLY != 0;
        let buffer = buffer(buffer_handle.handle())?;
        let output = output?;
        output.set(W::new(handles::insert(buffer.split(read_only).map_err(buffer_code)?)?));
        Ok(())
    };
    code(duplicate())
}

pub(crate) unsafe extern "C" fn map_buffer<W: HandleWord>(
    buffer_handle: W,
    offset: u64,
    num_bytes: u64,
    options: *const MojoOptions,
    address: *mut *mut u8,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::required(address) };
    // SAFETY: the caller passes null or a structure that begins with its size.
    let live = unsafe { live_with(buffer_handle, options, 0) };
    let map = || {
        let buffer = buffer(live?.0)?;
        let output = output?;
        output.set(buffers::map(&buffer, offset, num_bytes)?);
        Ok(())
    };
    code(map())
}

pub(crate) extern "C" fn unmap_buffer(address: *mut u8) -> MojoResult {
    refuse_if_forked!();
    code(buffers::unmap(address))
}

pub(crate) unsafe extern "C" fn buffer_info<W: HandleWord>(
    buffer_handle: W,
    options: *const MojoOptions,
    info: *mut MojoSharedBufferInfo,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { strict(options, 0) };
    // SAFETY: as above.
    let present = unsafe { versioned(info.cast_const()) };
    let tell = || {
        options?;
        let present = present?;
        let size = buffer(buffer_handle.handle())?.num_bytes();
        // SAFETY: as large as its size says, as was checked.
        unsafe { Out::required(info) }?.set(MojoSharedBufferInfo { size, ..present });
        Ok(())
    };
    code(tell())
}
