#![allow(unsafe_code)]
//! Data pipes.

use crate::args::{MojoOptions, Out, two_required};
use crate::data_pipes::{
    self, MojoCreateDataPipeOptions, READ_ALL_OR_NONE, READ_DISCARD, READ_PEEK, READ_QUERY, WRITE_ALL_OR_NONE,
};
use crate::handles::{self, MojoHandle};
use crate::options::strict;
use crate::result::{INVALID_ARGUMENT, MojoResult, OUT_OF_RANGE, Outcome, code};
use libmojo_c_common::{HandleWord, refuse_if_forked};

pub(crate) unsafe extern "C" fn create_data_pipe<W: HandleWord>(
    options: *const MojoCreateDataPipeOptions,
    producer_handle: *mut W,
    consumer_handle: *mut W,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or places to write to.
    let outputs = unsafe { two_required(producer_handle, consumer_handle) };
    let create = || {
        let (first, second) = outputs?;
        // SAFETY: the caller passes null or a structure that begins with its size.
        let (producer, consumer) = unsafe { data_pipes::create(options) }?;
        first.set(W::new(producer));
        second.set(W::new(consumer));
        Ok(())
    };
    code(create())
}

/// The handle if there is such an object, and the flags if all are known: a handle that is none comes first.
///
/// # Safety
/// `options` is null or valid for reading as many bytes as its first field says, and at least that field.
pub(super) unsafe fn live_with<W: HandleWord>(
    handle: W,
    options: *const MojoOptions,
    known: u32,
) -> Outcome<(MojoHandle, u32)> {
    let handle = handle.handle();
    drop(handles::borrow(handle)?);
    // SAFETY: by this function's contract.
    Ok((handle, unsafe { strict(options, known) }?))
}

pub(crate) unsafe extern "C" fn write_data<W: HandleWord>(
    producer_handle: W,
    elements: *const u8,
    num_bytes: *mut u32,
    options: *const MojoOptions,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    let live = unsafe { live_with(producer_handle, options, WRITE_ALL_OR_NONE) };
    // SAFETY: the caller's promises are that function's too.
    code(live.and_then(|(handle, flags)| unsafe { data_pipes::write(handle, elements, num_bytes, flags) }))
}

pub(crate) unsafe extern "C" fn begin_write_data<W: HandleWord>(
    producer_handle: W,
    options: *const MojoOptions,
    buffer: *mut *mut u8,
    buffer_num_bytes: *mut u32,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    let live = unsafe { live_with(producer_handle, options, WRITE_ALL_OR_NONE) };
    // SAFETY: the caller passes null or a place to read and write.
    let size = unsafe { Out::required(buffer_num_bytes) };
    let begin = || {
        let (handle, flags) = live?;
        let (size, mut address, mut room) = (size?, std::ptr::null_mut(), 0);
        if buffer.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        let least = if flags & WRITE_ALL_OR_NONE != 0 { size.get() } else { 0 };
        // SAFETY: two places of this call.
        unsafe { data_pipes::begin_write(handle, &raw mut address, &raw mut room, 0) }?;
        if room < least {
            data_pipes::end_write(handle, 0)?;
            return Err(OUT_OF_RANGE);
        }
        size.set(room);
        // SAFETY: not null, and so a place to write to, as the caller promises.
        unsafe { Out::required(buffer) }?.set(address);
        Ok(())
    };
    code(begin())
}

pub(crate) unsafe extern "C" fn end_write_data<W: HandleWord>(
    producer_handle: W,
    num_bytes_written: u32,
    options: *const MojoOptions,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    let live = unsafe { live_with(producer_handle, options, 0) };
    code(live.and_then(|(handle, _)| data_pipes::end_write(handle, num_bytes_written)))
}

pub(crate) unsafe extern "C" fn read_data<W: HandleWord>(
    consumer_handle: W,
    options: *const MojoOptions,
    elements: *mut u8,
    num_bytes: *mut u32,
) -> MojoResult {
    refuse_if_forked!();
    const KNOWN: u32 = READ_ALL_OR_NONE | READ_DISCARD | READ_QUERY | READ_PEEK;
    // SAFETY: the caller passes null or a structure that begins with its size.
    let live = unsafe { live_with(consumer_handle, options, KNOWN) };
    // SAFETY: the caller's promises are that function's too.
    code(live.and_then(|(handle, flags)| unsafe { data_pipes::read(handle, elements, num_bytes, flags) }))
}

pub(crate) unsafe extern "C" fn begin_read_data<W: HandleWord>(
    consumer_handle: W,
    options: *const MojoOptions,
    buffer: *mut *const u8,
    buffer_num_bytes: *mut u32,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    let live = unsafe { live_with(consumer_handle, options, 0) };
    // SAFETY: the caller's promises are that function's too.
    code(live.and_then(|(handle, _)| unsafe { data_pipes::begin_read(handle, buffer, buffer_num_bytes, 0) }))
}

pub(crate) unsafe extern "C" fn end_read_data<W: HandleWord>(
    consumer_handle: W,
    num_bytes_read: u32,
    options: *const MojoOptions,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    let live = unsafe { live_with(consumer_handle, options, 0) };
    code(live.and_then(|(handle, _)| data_pipes::end_read(handle, num_bytes_read)))
}
