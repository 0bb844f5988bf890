#![allow(unsafe_code)]
//! `wait.h`.

use super::watcher::with_watcher;
use crate::args::{Out, OutSlice, read_all, two_required};
use crate::callbacks::{MojoHandleSignalsState, MojoWatcherCallback, notify};
use crate::handles::{self, MojoHandle};
use crate::result::{
    CANCELLED, DEADLINE_EXCEEDED, FAILED_PRECONDITION, INVALID_ARGUMENT, MojoResult, OK, Outcome, RESOURCE_EXHAUSTED,
    code, refuse_if_forked,
};
use crate::time::deadline_after;
use libmojo_core::object::Object;
use libmojo_core::signals::{Signals, SignalsState};
use libmojo_core::wait::{Interest, WaitError, wait_many};
use libmojo_core::watcher::{Notification, Watcher};
use std::os::fd::IntoRawFd;

/// An object that is waited for, and what of it.
struct Waited {
    object: Object,
    hidden: Signals,
    signals: Signals,
}

impl Waited {
    fn new(handle: MojoHandle, signals: u32) -> Outcome<Self> {
        let (object, hidden) = handles::get_with_hidden(handle)?;
        Ok(Self { object, hidden, signals: Signals::from_bits(signals) })
    }

    fn interest(&self) -> Interest<'_> {
        Interest { object: &self.object, signals: self.signals, hidden: self.hidden }
    }

    fn state(&self) -> SignalsState {
        if self.object.is_open() { self.object.signals().without(self.hidden) } else { SignalsState::default() }
    }
}

/// Blocks until one of several waits has ended. The position belongs to a code that is about one of the handles.
fn wait_for(waited: &[Waited], deadline: u64) -> (MojoResult, Option<usize>, Option<SignalsState>) {
    let interests: Vec<Interest<'_>> = waited.iter().map(Waited::interest).collect();
    match wait_many(&interests, deadline_after(deadline)) {
        Ok((at, state)) => (OK, Some(at), Some(state)),
        Err((at, WaitError::Unsatisfiable(state))) => (FAILED_PRECONDITION, Some(at), Some(state)),
        Err((at, WaitError::Cancelled)) => (CANCELLED, Some(at), Some(SignalsState::default())),
        Err((at, WaitError::InvalidArgument)) => (INVALID_ARGUMENT, Some(at), None),
        Err((_, WaitError::DeadlineExceeded)) => (DEADLINE_EXCEEDED, None, None),
    }
}

/// Waits for the signals of one handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoWait(
    handle: MojoHandle,
    signals: u32,
    deadline: u64,
    signals_state: *mut MojoHandleSignalsState,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::optional(signals_state) };
    let waited = match Waited::new(handle, signals) {
        Ok(waited) => [waited],
        Err(code) => return code,
    };
    let (code, _, state) = wait_for(&waited, deadline);
    if let (Some(output), [waited]) = (output, &waited)
        && code != INVALID_ARGUMENT
    {
        output.set(state.unwrap_or_else(|| waited.state()).into());
    }
    code
}

/// Waits for the signals of several handles.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoWaitMany(
    handles: *const MojoHandle,
    signals: *const u32,
    num_handles: u32,
    deadline: u64,
    result_index: *mut u32,
    signals_states: *mut MojoHandleSignalsState,
) -> MojoResult {
    refuse_if_forked!();
    let num_handles = num_handles as usize;
    // SAFETY: the caller passes null or as many handles as it says.
    let handles = unsafe { read_all(handles, num_handles) };
    // SAFETY: the caller passes null or as many sets of signals as it says handles.
    let signals = unsafe { read_all(signals, num_handles) };
    // SAFETY: the caller passes null or a place to write to.
    let index = unsafe { Out::optional(result_index) };
    // SAFETY: the caller passes null or room for as many states as it says handles.
    let states = unsafe { OutSlice::new(signals_states, num_handles) };
    let report = |at: usize| {
        if let Some(index) = &index {
            // A position among fewer than 2³².
            index.set(at as u32);
        }
    };
    let (Ok(handles), Ok(signals)) = (handles, signals) else { return INVALID_ARGUMENT };
    if handles.is_empty() {
        return INVALID_ARGUMENT;
    }
    let mut waited = Vec::with_capacity(num_handles);
    for (handle, signals) in handles.iter().zip(signals) {
        match Waited::new(*handle, signals) {
            Ok(one) => waited.push(one),
            Err(code) => {
                report(waited.len());
                return code;
            }
        }
    }
    let (code, at, state) = wait_for(&waited, deadline);
    at.into_iter().for_each(report);
    if code != INVALID_ARGUMENT {
        for (position, waited) in waited.iter().enumerate() {
            let known = state.filter(|_| at == Some(position));
            states.set(position, known.unwrap_or_else(|| waited.state()).into());
        }
    }
    code
}

/// Makes a watcher whose callback is called by [`MojoDispatchWatcher`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoCreatePollableWatcher(
    callback: Option<MojoWatcherCallback>,
    watcher_handle: *mut MojoHandle,
    descriptor: *mut i32,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or places to write to.
    let outputs = unsafe { two_required(watcher_handle, descriptor) };
    let create = || {
        let (handle_output, descriptor_output) = outputs?;
        let callback = callback.ok_or(INVALID_ARGUMENT)?;
        let call = move |notification: Notification| notify(callback, &notification);
        let (watcher, descriptor) = Watcher::pollable(call).map_err(|_| RESOURCE_EXHAUSTED)?;
        handle_output.set(handles::insert(watcher)?);
        descriptor_output.set(descriptor.into_raw_fd());
        Ok(())
    };
    code(create())
}

/// Calls the callback of a pollable watcher for everything that is due.
#[unsafe(no_mangle)]
pub extern "C" fn MojoDispatchWatcher(watcher_handle: MojoHandle) -> MojoResult {
    refuse_if_forked!();
    code(with_watcher(watcher_handle, |watcher| watcher.dispatch().then_some(()).ok_or(FAILED_PRECONDITION)))
}
