#![allow(unsafe_code)]
//! `watcher.h`.

use crate::args::{Out, OutSlice};
use crate::callbacks::{MojoHandleSignalsState, MojoWatcherCallback, event_code, notify};
use crate::handles::{self, MojoHandle};
use crate::result::{
    ALREADY_EXISTS, FAILED_PRECONDITION, INVALID_ARGUMENT, MojoResult, NOT_FOUND, Outcome, code, refuse_if_forked,
};
use libmojo_core::object::Object;
use libmojo_core::signals::Signals;
use libmojo_core::watcher::{ArmError, Notification, WatchError, Watcher};

/// Makes a watcher.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoCreateWatcher(
    callback: Option<MojoWatcherCallback>,
    watcher_handle: *mut MojoHandle,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::required(watcher_handle) };
    let create = || {
        let output = output?;
        let callback = callback.ok_or(INVALID_ARGUMENT)?;
        let watcher = Watcher::new(move |notification: Notification| notify(callback, &notification));
        output.set(handles::insert(watcher)?);
        Ok(())
    };
    code(create())
}

/// Begins to watch a handle.
#[unsafe(no_mangle)]
pub extern "C" fn MojoWatch(
    watcher_handle: MojoHandle,
    handle: MojoHandle,
    signals: u32,
    context: usize,
) -> MojoResult {
    refuse_if_forked!();
    let watch = |watcher: &Watcher| {
        let entry = handles::borrow(handle)?;
        let outcome = watcher.watch(&entry.object, Signals::from_bits(signals), entry.hidden(), context);
        outcome.map_err(|error| match error {
            WatchError::InvalidArgument => INVALID_ARGUMENT,
            WatchError::AlreadyExists => ALREADY_EXISTS,
        })
    };
    code(with_watcher(watcher_handle, watch))
}

/// Ends a watch.
#[unsafe(no_mangle)]
pub extern "C" fn MojoCancelWatch(watcher_handle: MojoHandle, context: usize) -> MojoResult {
    refuse_if_forked!();
    code(with_watcher(watcher_handle, |watcher| watcher.cancel(context).then_some(()).ok_or(NOT_FOUND)))
}

/// Arms a watcher, or tells what keeps it from being armed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoArmWatcher(
    watcher_handle: MojoHandle,
    num_ready_contexts: *mut u32,
    ready_contexts: *mut usize,
    ready_results: *mut MojoResult,
    ready_signals_states: *mut MojoHandleSignalsState,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to read and write.
    let count = unsafe { Out::optional(num_ready_contexts) };
    let limit = count.as_ref().map_or(0, Out::get) as usize;
    let lacks_array = ready_contexts.is_null() || ready_results.is_null() || ready_signals_states.is_null();
    // SAFETY: the caller passes null or room for as many elements as it says.
    let contexts = unsafe { OutSlice::new(ready_contexts, limit) };
    // SAFETY: as above.
    let results = unsafe { OutSlice::new(ready_results, limit) };
    // SAFETY: as above.
    let states = unsafe { OutSlice::new(ready_signals_states, limit) };
    let arm = |watcher: &Watcher| {
        if count.is_some() && lacks_array {
            return Err(INVALID_ARGUMENT);
        }
        watcher.arm(limit).map_err(|error| match error {
            ArmError::InvalidArgument => INVALID_ARGUMENT,
            ArmError::NotFound => NOT_FOUND,
            ArmError::Ready(ready) => {
                for (at, notification) in ready.iter().enumerate() {
                    contexts.set(at, notification.context);
                    results.set(at, event_code(notification.event));
                    states.set(at, notification.state.into());
                }
                if let Some(count) = &count {
                    // At most what was asked for, which had 32 bits.
                    count.set(u32::try_from(ready.len()).unwrap_or(u32::MAX));
                }
                FAILED_PRECONDITION
            }
        })
    };
    code(with_watcher(watcher_handle, arm))
}

pub(super) fn with_watcher<R>(handle: MojoHandle, body: impl FnOnce(&Watcher) -> Outcome<R>) -> Outcome<R> {
    match &handles::borrow(handle)?.object {
        Object::Watcher(watcher) => body(watcher),
        _ => Err(INVALID_ARGUMENT),
    }
}
