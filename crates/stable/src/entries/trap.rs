#![allow(unsafe_code)]
//! Traps.

use crate::args::{MojoOptions, Out, OutSlice, read};
use crate::callbacks::{MojoTrapEvent, MojoTrapEventHandler, notify, trap_event};
use crate::handles::{self, MojoHandle};
use crate::options::lenient;
use crate::result::{ALREADY_EXISTS, FAILED_PRECONDITION, INVALID_ARGUMENT, MojoResult, NOT_FOUND, Outcome, code};
use libmojo_c_common::{HandleWord, refuse_if_forked};
use libmojo_core::object::Object;
use libmojo_core::signals::{Condition, Signals};
use libmojo_core::watcher::{ArmError, Notification, WatchError, Watcher};

pub(crate) unsafe extern "C" fn create_trap<W: HandleWord>(
    handler: Option<MojoTrapEventHandler>,
    options: *const MojoOptions,
    trap_handle: *mut W,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::required(trap_handle) };
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { lenient(options) };
    let create = || {
        options?;
        let (output, handler) = (output?, handler.ok_or(INVALID_ARGUMENT)?);
        let trap = Watcher::new(move |notification: Notification| notify(handler, &notification));
        output.set(W::new(handles::insert(trap)?));
        Ok(())
    };
    code(create())
}

pub(crate) unsafe extern "C" fn add_trigger<W: HandleWord>(
    trap_handle: W,
    handle: W,
    signals: u32,
    condition: u32,
    context: usize,
    options: *const MojoOptions,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { lenient(options) };
    let add = || {
        options?;
        let condition = match condition {
            0 => Condition::Unsatisfied,
            1 => Condition::Satisfied,
            _ => return Err(INVALID_ARGUMENT),
        };
        with_trap(trap_handle.handle(), |trap| {
            let entry = handles::borrow(handle.handle())?;
            // No signal is hidden in these tables.
            let (signals, hidden) = (Signals::from_bits(signals), Signals::NONE);
            trap.watch_for(&entry.object, condition, signals, hidden, context).map_err(|error| match error {
                WatchError::InvalidArgument => INVALID_ARGUMENT,
                WatchError::AlreadyExists => ALREADY_EXISTS,
            })
        })
    };
    code(add())
}

pub(crate) unsafe extern "C" fn remove_trigger<W: HandleWord>(
    trap_handle: W,
    context: usize,
    options: *const MojoOptions,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { lenient(options) };
    let remove = || {
        options?;
        with_trap(trap_handle.handle(), |trap| trap.cancel(context).then_some(()).ok_or(NOT_FOUND))
    };
    code(remove())
}

pub(crate) unsafe extern "C" fn arm_trap<W: HandleWord>(
    trap_handle: W,
    options: *const MojoOptions,
    num_blocking_events: *mut u32,
    blocking_events: *mut MojoTrapEvent,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { lenient(options) };
    // SAFETY: the caller passes null or a place to read and write.
    let count = unsafe { Out::optional(num_blocking_events) };
    let limit = count.as_ref().map_or(0, Out::get) as usize;
    // SAFETY: the caller passes null or room for as many events as it says.
    let events = unsafe { OutSlice::new(blocking_events, limit) };
    let arm = |trap: &Watcher| {
        if count.is_some() && blocking_events.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        for at in 0..limit {
            // SAFETY: one of the events that the caller says there are, each of which begins with its size.
            let struct_size = unsafe { read(blocking_events.wrapping_add(at).cast::<u32>()) };
            if struct_size.is_none_or(|size| (size as usize) < size_of::<MojoTrapEvent>()) {
                return Err(INVALID_ARGUMENT);
            }
        }
        trap.arm(limit).map_err(|error| match error {
            ArmError::InvalidArgument => INVALID_ARGUMENT,
            ArmError::NotFound => NOT_FOUND,
            ArmError::Ready(ready) => {
                for (at, notification) in ready.iter().enumerate() {
                    events.set(at, trap_event(notification));
                }
                if let Some(count) = &count {
                    // At most what was asked for, which had 32 bits.
                    count.set(u32::try_from(ready.len()).unwrap_or(u32::MAX));
                }
                FAILED_PRECONDITION
            }
        })
    };
    code(options.and_then(|_| with_trap(trap_handle.handle(), arm)))
}

fn with_trap<R>(handle: MojoHandle, body: impl FnOnce(&Watcher) -> Outcome<R>) -> Outcome<R> {
    match &handles::borrow(handle)?.object {
        Object::Watcher(trap) => body(trap),
        _ => Err(INVALID_ARGUMENT),
    }
}
