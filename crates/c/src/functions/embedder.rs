#![allow(unsafe_code)]
//! `embedder.h`.

use super::general::{PROPERTY_SYNC_CALL_ALLOWED, SYNC_CALL_ALLOWED};
use crate::args::{Out, bytes_mut, read};
use crate::callbacks::{MojoProcessErrorHandler, error_handler};
use crate::result::{
    BUSY, DEADLINE_EXCEEDED, FAILED_PRECONDITION, INVALID_ARGUMENT, MojoResult, OK, Outcome, RESOURCE_EXHAUSTED, code,
    refuse_if_forked,
};
use crate::time::{INDEFINITE, deadline_after};
use libmojo_core::limits::Limits;
use libmojo_core::node::{Driver, Node};
use libmojo_core::pipe::Amount;
use libmojo_sync::atomic::Ordering;
use libmojo_sync::{Mutex, Rank};
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd};

/// What the program decides for the process; 0 for the default.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default)]
pub struct MojoConfiguration {
    /// How many bytes of the structure the caller knows of.
    pub struct_size: u32,
    /// The largest payload in bytes.
    pub max_message_num_bytes: u32,
    /// The largest shared buffer or data pipe in bytes.
    pub max_shared_memory_num_bytes: u64,
    /// The most mappings of shared buffers.
    pub max_mappings: u64,
    /// The name of the thread that does the I/O, and a 0 byte.
    pub io_thread_name: [u8; 16],
    /// The most messages from one other process that are not taken.
    pub max_unread_num_messages: u64,
    /// The most bytes of them.
    pub max_unread_num_bytes: u64,
    /// The most messages to one other process that it does not take.
    pub max_queued_num_messages: u64,
    /// The most bytes of them.
    pub max_queued_num_bytes: u64,
}

/// Where each field of a [`MojoConfiguration`] ends.
const FIELD_ENDS: [usize; 9] = [4, 8, 16, 24, 40, 48, 56, 64, 72];

/// Sets what the program decides for the process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoConfigure(configuration: *const MojoConfiguration) -> MojoResult {
    // SAFETY: the caller passes null or a structure that begins with its size.
    let given = unsafe { given(configuration) };
    code(given.map(|given| {
        limits(&given).apply();
        let name = given.io_thread_name.split(|byte| *byte == 0).next().unwrap_or_default();
        Node::process().set_io_thread_name(&String::from_utf8_lossy(name));
    }))
}

/// Copies a configuration in, as far as it goes; the rest is 0.
///
/// # Safety
/// The pointer is null or valid for reading as many bytes as its first field says, and at least that field.
unsafe fn given(configuration: *const MojoConfiguration) -> Outcome<MojoConfiguration> {
    // SAFETY: null, or valid for its first field, by this function's contract.
    let struct_size = unsafe { read(configuration.cast::<u32>()) }.ok_or(INVALID_ARGUMENT)? as usize;
    if struct_size < size_of::<u32>() {
        return Err(INVALID_ARGUMENT);
    }
    let mut given = MojoConfiguration::default();
    // Only whole fields are there.
    let len = FIELD_ENDS.into_iter().rfind(|end| struct_size >= *end).unwrap_or_default();
    let to = (&raw mut given).cast::<u8>();
    // SAFETY: the caller's structure reaches that far, as its size says, and so does the copy, whose fields take any
    // bytes.
    unsafe { to.copy_from_nonoverlapping(configuration.cast(), len) };
    Ok(given)
}

fn limits(given: &MojoConfiguration) -> Limits {
    let default = Limits::default();
    let or = |value: u64, default: u64| if value == 0 { default } else { value };
    let amount = |messages, bytes, default: Amount| Amount {
        messages: or(messages, default.messages),
        bytes: or(bytes, default.bytes),
    };
    Limits {
        max_message_bytes: or(given.max_message_num_bytes.into(), default.max_message_bytes.into()) as u32,
        max_shared_memory_bytes: or(given.max_shared_memory_num_bytes, default.max_shared_memory_bytes),
        max_mappings: usize::try_from(or(given.max_mappings, default.max_mappings as u64)).unwrap_or(usize::MAX),
        max_unread_per_link: amount(
            given.max_unread_num_messages,
            given.max_unread_num_bytes,
            default.max_unread_per_link,
        ),
        max_queued_per_link: amount(
            given.max_queued_num_messages,
            given.max_queued_num_bytes,
            default.max_queued_per_link,
        ),
    }
}

/// Sets a property of the process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoSetProperty(property: u32, value: *const u8) -> MojoResult {
    // SAFETY: the caller passes null or a truth value, which has one byte.
    let value = unsafe { read(value) };
    match (property, value) {
        (PROPERTY_SYNC_CALL_ALLOWED, Some(value)) => {
            SYNC_CALL_ALLOWED.store(value != 0, Ordering::SeqCst);
            OK
        }
        _ => INVALID_ARGUMENT,
    }
}

/// Sets who hears of errors of no process in particular.
#[unsafe(no_mangle)]
pub extern "C" fn MojoSetDefaultProcessErrorHandler(
    handler: Option<MojoProcessErrorHandler>,
    context: usize,
) -> MojoResult {
    refuse_if_forked!();
    Node::process().set_default_error_handler(handler.map(|handler| error_handler(handler, context)));
    OK
}

/// The process's driver, if the program does the I/O itself.
static DRIVER: Mutex<DriverSlot> = Mutex::new(Rank::Driver, DriverSlot::None);

enum DriverSlot {
    None,
    Idle(Driver),
    /// Some call uses it.
    Busy,
}

/// Leaves the I/O to the program.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoDriveIo(descriptor: *mut i32) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::required(descriptor) };
    let drive = || {
        let output = output?;
        let driver = Node::process().drive().map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => FAILED_PRECONDITION,
            _ => RESOURCE_EXHAUSTED,
        })?;
        output.set(driver.as_fd().as_raw_fd());
        // The node has no other driver, so there is none here.
        *DRIVER.lock() = DriverSlot::Idle(driver);
        Ok(())
    };
    code(drive())
}

/// Does what I/O there is to do.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoRunIo(patience: *mut u64) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::optional(patience) };
    let slot = std::mem::replace(&mut *DRIVER.lock(), DriverSlot::Busy);
    match slot {
        DriverSlot::Idle(mut driver) => {
            let left = driver.run_once();
            refuse_if_forked!();
            *DRIVER.lock() = DriverSlot::Idle(driver);
            if let Some(output) = output {
                output.set(left.map_or(INDEFINITE, |left| u64::try_from(left.as_micros()).unwrap_or(INDEFINITE)));
            }
            OK
        }
        DriverSlot::Busy => BUSY,
        DriverSlot::None => {
            *DRIVER.lock() = DriverSlot::None;
            FAILED_PRECONDITION
        }
    }
}

/// Waits until everything that was written is out.
#[unsafe(no_mangle)]
pub extern "C" fn MojoFlush(deadline: u64) -> MojoResult {
    refuse_if_forked!();
    if Node::process().flush(deadline_after(deadline)) { OK } else { DEADLINE_EXCEEDED }
}

/// Stores what connections and ports the process has, as text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoTakeSnapshot(text: *mut u8, num_bytes: *mut u32) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to read and write.
    let size = unsafe { Out::required(num_bytes) };
    let take = || {
        let size = size?;
        // SAFETY: the caller passes null or room for as many bytes as it says, which nobody else uses.
        let room = unsafe { bytes_mut(text, size.get() as usize) }?;
        let mut snapshot = Node::process().snapshot().to_string().into_bytes();
        snapshot.push(0);
        size.set(u32::try_from(snapshot.len()).map_err(|_| RESOURCE_EXHAUSTED)?);
        room.get_mut(..snapshot.len()).ok_or(RESOURCE_EXHAUSTED)?.copy_from_slice(&snapshot);
        Ok(())
    };
    code(take())
}

/// Ends all connections to other processes.
#[unsafe(no_mangle)]
pub extern "C" fn MojoShutdown(deadline: u64) -> MojoResult {
    refuse_if_forked!();
    if Node::process().shutdown(deadline_after(deadline)) { OK } else { DEADLINE_EXCEEDED }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_are_0_stand_for_the_defaults_and_the_others_for_themselves() {
        let nothing = MojoConfiguration { struct_size: 72, ..MojoConfiguration::default() };
        let default = Limits::default();
        assert_eq!(limits(&nothing), default);
        let some = MojoConfiguration { max_unread_num_messages: 5, max_queued_num_bytes: 6, ..nothing };
        let expected = Limits {
            max_unread_per_link: Amount { messages: 5, ..default.max_unread_per_link },
            max_queued_per_link: Amount { bytes: 6, ..default.max_queued_per_link },
            ..default
        };
        assert_eq!(limits(&some), expected);
    }
}
