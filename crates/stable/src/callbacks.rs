#![allow(unsafe_code)]
//! How the program is called back where this differs from the other face.

use crate::life::with_signals_blocked;
use crate::result::MojoResult;
use libmojo_c_common::callbacks::{
    MojoProcessErrorDetails, MojoProcessErrorHandler, event_code, process_error_details,
};
use libmojo_core::as_caused_by_call;
use libmojo_core::node::{ErrorHandler, ProcessError};
use libmojo_core::watcher::{Notification, WatchEvent};
use libmojo_sync::{Mutex, Rank};
use std::collections::VecDeque;
use std::sync::Arc;

/// What a trap tells.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct MojoTrapEvent {
    pub(crate) struct_size: u32,
    pub(crate) flags: u32,
    pub(crate) trigger_context: usize,
    pub(crate) result: MojoResult,
    pub(crate) satisfied_signals: u32,
    pub(crate) satisfiable_signals: u32,
    pub(crate) padding: u32,
}

const _: () = assert!(size_of::<MojoTrapEvent>() == 32);

/// What is called for triggers.
pub(crate) type MojoTrapEventHandler = unsafe extern "C" fn(event: *const MojoTrapEvent);

/// What is called by default with errors of other processes.
pub(crate) type MojoDefaultProcessErrorHandler = unsafe extern "C" fn(details: *const MojoProcessErrorDetails);

const WITHIN_API_CALL: u32 = 1;

/// A notification as the program sees it.
pub(crate) fn trap_event(notification: &Notification) -> MojoTrapEvent {
    MojoTrapEvent {
        struct_size: size_of::<MojoTrapEvent>() as u32,
        flags: if notification.from_system { 0 } else { WITHIN_API_CALL },
        trigger_context: notification.context,
        result: event_code(notification.event),
        satisfied_signals: notification.state.satisfied.bits(),
        satisfiable_signals: notification.state.satisfiable.bits(),
        padding: 0,
    }
}

/// Calls a trap's handler.
pub(crate) fn notify(handler: MojoTrapEventHandler, notification: &Notification) {
    let event = trap_event(notification);
    // SAFETY: the program gave this function for this purpose when it made the trap, and promised to keep it callable
    // from any thread until every trigger has been told of its end. The event is valid during the call.
    let call = || unsafe { handler(&raw const event) };
    if notification.event == WatchEvent::Cancelled { as_caused_by_call(call) } else { call() }
}

/// Errors of one process that its handler is yet to be told of.
#[derive(Default)]
struct Reports {
    waiting: VecDeque<ProcessError>,
    /// A thread is telling them.
    is_telling: bool,
}

/// The engine's view of a handler of one process, which is called on a thread of the library, one call at a time.
pub(crate) fn error_handler(handler: MojoProcessErrorHandler, context: usize) -> ErrorHandler {
    let tell = move |error: &ProcessError| {
        let details = process_error_details(error);
        // SAFETY: the program gave this function together with the context when it sent the invitation, to be called
        // on any thread until it has been told of the disconnection. The details are valid for the call.
        unsafe { handler(context, &raw const details) };
    };
    let reports = Arc::new(Mutex::new(Rank::Leaf, Reports::default()));
    Arc::new(move |error: &ProcessError| {
        {
            let mut state = reports.lock();
            state.waiting.push_back(error.clone());
            if std::mem::replace(&mut state.is_telling, true) {
                return;
            }
        }
        let work = reports.clone();
        let run = move || {
            loop {
                let next = {
                    let mut state = work.lock();
                    let next = state.waiting.pop_front();
                    state.is_telling = next.is_some();
                    next
                };
                match next {
                    Some(error) => tell(&error),
                    None => return,
                }
            }
        };
        // Without a thread the next report tells of this one too.
        let spawn = || std::thread::Builder::new().name("libmojo-errors".into()).spawn(run);
        if with_signals_blocked(spawn).is_err() {
            reports.lock().is_telling = false;
        }
    })
}

/// The engine's view of the default handler, which is called within the call that reports something.
pub(crate) fn default_error_handler(handler: MojoDefaultProcessErrorHandler) -> ErrorHandler {
    Arc::new(move |error: &ProcessError| {
        let mut details = process_error_details(error);
        if details.error_message.is_null() {
            details.error_message = c"".as_ptr().cast();
        }
        // SAFETY: the program gave this function to be called on any thread until it sets another one. The details are
        // valid for the call.
        unsafe { handler(&raw const details) };
    })
}
