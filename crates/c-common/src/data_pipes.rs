#![allow(unsafe_code)]
//! Data pipes.

use crate::args::{MojoOptions, Out, bytes, bytes_mut, flags, read as read_value, two_required};
use crate::handles::{self, MojoHandle};
use crate::result::{
    BUSY, FAILED_PRECONDITION, INVALID_ARGUMENT, MojoResult, OUT_OF_RANGE, Outcome, RESOURCE_EXHAUSTED, SHOULD_WAIT,
};
use libmojo_core::data_pipe::{Consumer, DataPipeError, Producer, ReadInto, create_data_pipe};
use libmojo_core::node::Node;
use libmojo_core::object::Object;

/// Write all, or nothing.
pub const WRITE_ALL_OR_NONE: u32 = 1;
/// Read all, or nothing.
pub const READ_ALL_OR_NONE: u32 = 1;
/// Read, and store nothing.
pub const READ_DISCARD: u32 = 1 << 1;
/// Only tell how much could be read.
pub const READ_QUERY: u32 = 1 << 2;
/// Leave what is read where it is.
pub const READ_PEEK: u32 = 1 << 3;

/// What kind of data pipe to make.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct MojoCreateDataPipeOptions {
    /// The size of this structure in bytes.
    pub struct_size: u32,
    /// None are defined.
    pub flags: u32,
    /// The size of an element in bytes.
    pub element_num_bytes: u32,
    /// How many bytes the pipe holds; 0 for the default.
    pub capacity_num_bytes: u32,
}

/// Makes a data pipe.
///
/// # Safety
/// `options` is null or valid for reading as many bytes as its first field says, and at least that field.
pub unsafe fn create(options: *const MojoCreateDataPipeOptions) -> Outcome<(MojoHandle, MojoHandle)> {
    // SAFETY: by this function's contract.
    let (element, capacity) = unsafe { sizes(options) }?;
    let (producer, consumer) = create_data_pipe(Node::process(), element, capacity).map_err(data_code)?;
    handles::insert_pair(producer, consumer)
}

/// The element size and the capacity that are asked for.
///
/// # Safety
/// The pointer is null or valid for reading as many bytes as its first field says, and at least that field.
unsafe fn sizes(options: *const MojoCreateDataPipeOptions) -> Outcome<(u32, u32)> {
    // SAFETY: null, or valid for its first field, by this function's contract.
    let Some(struct_size) = (unsafe { read_value(options.cast::<u32>()) }) else { return Ok((1, 0)) };
    if (struct_size as usize) < size_of::<MojoCreateDataPipeOptions>() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: the structure is as large as its size says, by this function's contract.
    unsafe { flags(options.cast::<MojoOptions>(), 0) }?;
    // SAFETY: as above.
    let options = unsafe { read_value(options) }.ok_or(INVALID_ARGUMENT)?;
    Ok((options.element_num_bytes, options.capacity_num_bytes))
}

/// Writes from the caller's memory.
///
/// # Safety
/// Each pointer is null or valid for what the API says of it, for the duration of the call.
pub unsafe fn write(handle: MojoHandle, elements: *const u8, num_bytes: *mut u32, flags: u32) -> Outcome<()> {
    // SAFETY: the program passes null or a place to read and write.
    let num_bytes = unsafe { Out::required(num_bytes) };
    let write = |producer: &Producer| {
        let num_bytes = num_bytes?;
        let len = num_bytes.get() as usize;
        // SAFETY: the program passes null or as many bytes as it says, for the duration of the call.
        let Ok(elements) = (unsafe { bytes(elements, len) }) else {
            // The state of the pipe comes before the missing pointer.
            return producer.write(&[], false).map_err(data_code).and(Err(INVALID_ARGUMENT));
        };
        num_bytes.set(producer.write(elements, flags & WRITE_ALL_OR_NONE != 0).map_err(data_code)?);
        Ok(())
    };
    with_producer(handle, write)
}

/// Lays free storage open for writing.
///
/// # Safety
/// Each pointer is null or valid for what the API says of it, for the duration of the call.
pub unsafe fn begin_write(
    handle: MojoHandle,
    buffer: *mut *mut u8,
    buffer_num_bytes: *mut u32,
    flags: u32,
) -> Outcome<()> {
    // SAFETY: the program passes null or places to write to.
    let outputs = unsafe { two_required(buffer, buffer_num_bytes) };
    let begin = |producer: &Producer| {
        let (buffer, buffer_num_bytes) = outputs?;
        if flags & WRITE_ALL_OR_NONE != 0 {
            return Err(INVALID_ARGUMENT);
        }
        let window = producer.begin_write().map_err(data_code)?;
        buffer.set(window.address);
        buffer_num_bytes.set(window.num_bytes);
        Ok(())
    };
    with_producer(handle, begin)
}

/// Ends a two-phase write.
pub fn end_write(handle: MojoHandle, num_bytes_written: u32) -> Outcome<()> {
    let end = |producer: &Producer| producer.end_write(num_bytes_written).map_err(data_code);
    with_producer(handle, end)
}

/// Reads into the caller's memory, or looks, or discards.
///
/// # Safety
/// Each pointer is null or valid for what the API says of it, for the duration of the call.
pub unsafe fn read(handle: MojoHandle, elements: *mut u8, num_bytes: *mut u32, flags: u32) -> Outcome<()> {
    // SAFETY: the program passes null or a place to read and write.
    let num_bytes = unsafe { Out::required(num_bytes) };
    let read = |consumer: &Consumer| {
        let num_bytes = num_bytes?;
        let (query, discard, peek) = (flags & READ_QUERY != 0, flags & READ_DISCARD != 0, flags & READ_PEEK != 0);
        if (query && (peek || discard)) || (discard && peek) {
            return Err(if consumer.is_busy() { BUSY } else { INVALID_ARGUMENT });
        }
        if query {
            num_bytes.set(consumer.query().map_err(data_code)?);
            return Ok(());
        }
        let all_or_none = flags & READ_ALL_OR_NONE != 0;
        let wanted = num_bytes.get();
        if discard {
            num_bytes.set(consumer.read(ReadInto::Discard(wanted), all_or_none).map_err(data_code)?);
            return Ok(());
        }
        // SAFETY: the program passes null or room for as many bytes as it says, for the duration of the call.
        let Ok(elements) = (unsafe { bytes_mut(elements, wanted as usize) }) else {
            // The state of the pipe comes before the missing pointer.
            return consumer.check_read(wanted, all_or_none).map_err(data_code).and(Err(INVALID_ARGUMENT));
        };
        let into = if peek { ReadInto::Peek(elements) } else { ReadInto::Consume(elements) };
        num_bytes.set(consumer.read(into, all_or_none).map_err(data_code)?);
        Ok(())
    };
    with_consumer(handle, read)
}

/// Lays data open for reading.
///
/// # Safety
/// Each pointer is null or valid for what the API says of it, for the duration of the call.
pub unsafe fn begin_read(
    handle: MojoHandle,
    buffer: *mut *const u8,
    buffer_num_bytes: *mut u32,
    flags: u32,
) -> Outcome<()> {
    // SAFETY: the program passes null or places to write to.
    let outputs = unsafe { two_required(buffer, buffer_num_bytes) };
    let begin = |consumer: &Consumer| {
        let (buffer, buffer_num_bytes) = outputs?;
        if flags & (READ_ALL_OR_NONE | READ_DISCARD | READ_QUERY | READ_PEEK) != 0 {
            return Err(if consumer.is_busy() { BUSY } else { INVALID_ARGUMENT });
        }
        let window = consumer.begin_read().map_err(data_code)?;
        buffer.set(window.address);
        buffer_num_bytes.set(window.num_bytes);
        Ok(())
    };
    with_consumer(handle, begin)
}

/// Ends a two-phase read.
pub fn end_read(handle: MojoHandle, num_bytes_read: u32) -> Outcome<()> {
    let end = |consumer: &Consumer| consumer.end_read(num_bytes_read).map_err(data_code);
    with_consumer(handle, end)
}

/// Does something with the producer that a handle refers to.
#[inline]
pub fn with_producer<R>(handle: MojoHandle, body: impl FnOnce(&Producer) -> Outcome<R>) -> Outcome<R> {
    match &handles::borrow(handle)?.object {
        Object::Producer(producer) => body(producer),
        _ => Err(INVALID_ARGUMENT),
    }
}

/// Does something with the consumer that a handle refers to.
#[inline]
pub fn with_consumer<R>(handle: MojoHandle, body: impl FnOnce(&Consumer) -> Outcome<R>) -> Outcome<R> {
    match &handles::borrow(handle)?.object {
        Object::Consumer(consumer) => body(consumer),
        _ => Err(INVALID_ARGUMENT),
    }
}

/// The code for an error.
pub fn data_code(error: DataPipeError) -> MojoResult {
    match error {
        DataPipeError::NotOpen | DataPipeError::InvalidArgument => INVALID_ARGUMENT,
        DataPipeError::Busy => BUSY,
        DataPipeError::PeerClosed | DataPipeError::FailedPrecondition => FAILED_PRECONDITION,
        DataPipeError::OutOfRange => OUT_OF_RANGE,
        DataPipeError::ShouldWait => SHOULD_WAIT,
        DataPipeError::ResourceExhausted => RESOURCE_EXHAUSTED,
    }
}
