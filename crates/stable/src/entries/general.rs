#![allow(unsafe_code)]
//! Beginning and end, the clock, closing, signals, the default handler of errors.

use crate::args::{MojoOptions, Out, read};
use crate::callbacks::{MojoDefaultProcessErrorHandler, default_error_handler};
use crate::handles;
use crate::life;
use crate::options::lenient;
use crate::result::{ALREADY_EXISTS, INVALID_ARGUMENT, MojoResult, code};
use libmojo_c_common::callbacks::MojoHandleSignalsState;
use libmojo_c_common::{HandleWord, refuse_if_forked};
use libmojo_core::node::Node;

/// Up to where the options for beginning reach at least.
const MIN_INITIALIZE_OPTIONS: u32 = 20;

pub(crate) unsafe extern "C" fn initialize(options: *const MojoOptions) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    if unsafe { read(options.cast::<u32>()) }.is_some_and(|struct_size| struct_size < MIN_INITIALIZE_OPTIONS) {
        return INVALID_ARGUMENT;
    }
    // SAFETY: as above.
    code(unsafe { lenient(options) }.and_then(life::initialize))
}

pub(crate) unsafe extern "C" fn shutdown(options: *const MojoOptions) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    code(unsafe { lenient(options) }.and_then(|_| life::shut_down()))
}

pub(crate) extern "C" fn time_ticks_now() -> i64 {
    libmojo_core::monotonic_micros()
}

pub(crate) extern "C" fn close<W: HandleWord>(handle: W) -> MojoResult {
    refuse_if_forked!();
    code(handles::remove(handle.handle()).map(|object| object.close()))
}

pub(crate) unsafe extern "C" fn query_handle_signals_state<W: HandleWord>(
    handle: W,
    signals_state: *mut MojoHandleSignalsState,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let state = unsafe { Out::required(signals_state) };
    // No signal is hidden in these tables.
    code(state.and_then(|state| handles::borrow(handle.handle()).map(|entry| state.set(entry.object.signals().into()))))
}

pub(crate) unsafe extern "C" fn set_default_process_error_handler(
    handler: Option<MojoDefaultProcessErrorHandler>,
    options: *const MojoOptions,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { lenient(options) };
    let set = || {
        options?;
        match handler {
            None => Node::process().set_default_error_handler(None),
            Some(handler) if Node::process().install_default_error_handler(default_error_handler(handler)) => {}
            Some(_) => return Err(ALREADY_EXISTS),
        }
        Ok(())
    };
    code(set())
}
