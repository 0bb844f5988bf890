#![allow(unsafe_code)]
//! `functions.h`: the clock, closing, signals, properties.

use crate::args::Out;
use crate::callbacks::MojoHandleSignalsState;
use crate::handles::{self, MojoHandle};
use crate::result::{INVALID_ARGUMENT, MojoResult, code, refuse_if_forked};
use libmojo_sync::atomic::{AtomicBool, Ordering};

pub(super) const PROPERTY_SYNC_CALL_ALLOWED: u32 = 0;

/// A property of the process: whether it may make calls that wait for an answer.
pub(super) static SYNC_CALL_ALLOWED: AtomicBool = AtomicBool::new(true);

/// Microseconds since some moment in the past.
#[unsafe(no_mangle)]
pub extern "C" fn MojoGetTimeTicksNow() -> i64 {
    libmojo_core::monotonic_micros()
}

/// Closes a handle of any kind.
#[unsafe(no_mangle)]
pub extern "C" fn MojoClose(handle: MojoHandle) -> MojoResult {
    refuse_if_forked!();
    code(handles::remove(handle).map(|object| object.close()))
}

/// Stores the present signals of a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoQueryHandleSignalsState(
    handle: MojoHandle,
    signals_state: *mut MojoHandleSignalsState,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let state = unsafe { Out::required(signals_state) };
    code(state.and_then(|state| handles::signals(handle).map(|signals| state.set(signals.into()))))
}

/// Stores a property of the process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoGetProperty(property: u32, value: *mut u8) -> MojoResult {
    // SAFETY: the caller passes null or a place for a truth value, which has one byte.
    let value = unsafe { Out::required(value) };
    code(value.and_then(|value| match property {
        PROPERTY_SYNC_CALL_ALLOWED => {
            value.set(SYNC_CALL_ALLOWED.load(Ordering::SeqCst).into());
            Ok(())
        }
        _ => Err(INVALID_ARGUMENT),
    }))
}
