#![allow(unsafe_code)]
//! `data_pipe.h`.

use crate::args::two_required;
use crate::data_pipes::{self, MojoCreateDataPipeOptions};
use crate::handles::MojoHandle;
use crate::result::{MojoResult, code, refuse_if_forked};

/// Makes a data pipe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoCreateDataPipe(
    options: *const MojoCreateDataPipeOptions,
    data_pipe_producer_handle: *mut MojoHandle,
    data_pipe_consumer_handle: *mut MojoHandle,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or places to write to.
    let outputs = unsafe { two_required(data_pipe_producer_handle, data_pipe_consumer_handle) };
    let create = || {
        let (first, second) = outputs?;
        // SAFETY: the caller passes null or a structure that begins with its size.
        let (producer, consumer) = unsafe { data_pipes::create(options) }?;
        first.set(producer);
        second.set(consumer);
        Ok(())
    };
    code(create())
}

/// Writes from the caller's memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoWriteData(
    data_pipe_producer_handle: MojoHandle,
    elements: *const u8,
    num_bytes: *mut u32,
    flags: u32,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller's promises are this function's too.
    code(unsafe { data_pipes::write(data_pipe_producer_handle, elements, num_bytes, flags) })
}

/// Lays free storage open for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoBeginWriteData(
    data_pipe_producer_handle: MojoHandle,
    buffer: *mut *mut u8,
    buffer_num_bytes: *mut u32,
    flags: u32,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller's promises are this function's too.
    code(unsafe { data_pipes::begin_write(data_pipe_producer_handle, buffer, buffer_num_bytes, flags) })
}

/// Ends a two-phase write.
#[unsafe(no_mangle)]
pub extern "C" fn MojoEndWriteData(data_pipe_producer_handle: MojoHandle, num_bytes_written: u32) -> MojoResult {
    refuse_if_forked!();
    code(data_pipes::end_write(data_pipe_producer_handle, num_bytes_written))
}

/// Reads into the caller's memory, or looks, or discards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoReadData(
    data_pipe_consumer_handle: MojoHandle,
    elements: *mut u8,
    num_bytes: *mut u32,
    flags: u32,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller's promises are this function's too.
    code(unsafe { data_pipes::read(data_pipe_consumer_handle, elements, num_bytes, flags) })
}

/// Lays data open for reading.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoBeginReadData(
    data_pipe_consumer_handle: MojoHandle,
    buffer: *mut *const u8,
    buffer_num_bytes: *mut u32,
    flags: u32,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller's promises are this function's too.
    code(unsafe { data_pipes::begin_read(data_pipe_consumer_handle, buffer, buffer_num_bytes, flags) })
}

/// Ends a two-phase read.
#[unsafe(no_mangle)]
pub extern "C" fn MojoEndReadData(data_pipe_consumer_handle: MojoHandle, num_bytes_read: u32) -> MojoResult {
    refuse_if_forked!();
    code(data_pipes::end_read(data_pipe_consumer_handle, num_bytes_read))
}
