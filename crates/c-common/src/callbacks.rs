#![allow(unsafe_code)]
//! How the C program is called back: watchers, serializers, destructors, error handlers.

use crate::messages::{self, MojoMessageHandle};
use crate::result::{CANCELLED, FAILED_PRECONDITION, MojoResult, OK};
use libmojo_core::is_forked;
use libmojo_core::message::{Context, Message};
use libmojo_core::node::{ErrorHandler, ProcessError};
use libmojo_core::signals::SignalsState;
use libmojo_core::watcher::{Notification, WatchEvent};
use std::sync::Arc;

/// The signals of a handle, as C sees them.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct MojoHandleSignalsState {
    /// Signals that are raised.
    pub satisfied_signals: u32,
    /// Signals that are raised or can still come to be.
    pub satisfiable_signals: u32,
}

impl From<SignalsState> for MojoHandleSignalsState {
    fn from(state: SignalsState) -> Self {
        Self { satisfied_signals: state.satisfied.bits(), satisfiable_signals: state.satisfiable.bits() }
    }
}

/// What is called for watches.
pub type MojoWatcherCallback =
    unsafe extern "C" fn(context: usize, result: MojoResult, state: MojoHandleSignalsState, flags: u32);

/// What turns a message's context into a payload.
pub type MojoMessageContextSerializer = unsafe extern "C" fn(message: MojoMessageHandle, context: usize);

/// What frees a message's context.
pub type MojoMessageContextDestructor = unsafe extern "C" fn(context: usize);

/// What is told of another process's errors.
pub type MojoProcessErrorHandler = unsafe extern "C" fn(context: usize, details: *const MojoProcessErrorDetails);

/// What a [`MojoProcessErrorHandler`] is told.
#[repr(C, align(8))]
#[derive(Debug)]
pub struct MojoProcessErrorDetails {
    /// The size of this structure in bytes.
    pub struct_size: u32,
    /// The length of the message in bytes.
    pub error_message_length: u32,
    /// The message, or null; valid during the call.
    pub error_message: *const u8,
    /// 1 if the connection is gone.
    pub flags: u32,
}

const FROM_SYSTEM: u32 = 1;
const DISCONNECTED: u32 = 1;

/// The code that stands for what happened to a watch.
pub fn event_code(event: WatchEvent) -> MojoResult {
    match event {
        WatchEvent::Satisfied => OK,
        WatchEvent::Unsatisfiable => FAILED_PRECONDITION,
        WatchEvent::Cancelled => CANCELLED,
    }
}

/// Calls a watcher's callback.
pub fn notify(callback: MojoWatcherCallback, notification: &Notification) {
    let flags = if notification.from_system { FROM_SYSTEM } else { 0 };
    let Notification { context, event, state, .. } = *notification;
    // SAFETY: the program gave this function for this purpose when it made the watcher, and promised to keep it
    // callable from any thread until every watch has been notified of its cancellation. All arguments are values.
    unsafe { callback(context, event_code(event), state.into(), flags) };
}

/// A message's context that belongs to the C program.
pub struct CContext {
    /// What the program calls the context.
    pub word: usize,
    /// What turns it into a payload, if anything does.
    pub serializer: Option<MojoMessageContextSerializer>,
    /// Called when the context is dropped, unless that is disarmed.
    pub destructor: Option<MojoMessageContextDestructor>,
    /// Whether a payload that the serializer leaves uncommitted is committed; else it is none.
    pub commits: bool,
}

impl CContext {
    /// Gives the context back to the program without destroying it.
    pub fn release(mut self) -> usize {
        self.destructor = None;
        self.word
    }

    /// Calls the serializer for a message that the program can reach under this handle.
    pub fn serialize_into(self, handle: MojoMessageHandle) {
        if let Some(serializer) = self.serializer {
            // SAFETY: the program gave this function together with the context, to be called once, on any thread,
            // with a message handle and that context. Both are values.
            unsafe { serializer(handle, self.word) };
        }
    }
}

impl Drop for CContext {
    fn drop(&mut self) {
        if let Some(destructor) = self.destructor {
            // SAFETY: the program gave this function together with the context, to be called once, on any thread;
            // this is that one time.
            unsafe { destructor(self.word) };
        }
    }
}

impl Context for CContext {
    fn serialize(self: Box<Self>, message: &mut Message) {
        // The serializer knows messages by handles, so the message has one while it runs. If there is none left,
        // the message stays empty, which says that it cannot be serialized.
        let commits = self.commits;
        if let Ok(handle) = messages::insert(Message::new()) {
            self.serialize_into(handle);
            if is_forked() {
                return;
            }
            if let Ok(serialized) = messages::remove(handle)
                && (commits || serialized.is_committed())
            {
                *message = serialized;
            }
        }
    }

    fn is_serializable(&self) -> bool {
        self.serializer.is_some()
    }
}

/// What a handler is told of an error; valid as long as that.
pub fn process_error_details(error: &ProcessError) -> MojoProcessErrorDetails {
    MojoProcessErrorDetails {
        struct_size: size_of::<MojoProcessErrorDetails>() as u32,
        error_message_length: u32::try_from(error.message.len()).unwrap_or(u32::MAX),
        error_message: if error.message.is_empty() { std::ptr::null() } else { error.message.as_ptr() },
        flags: if error.disconnected { DISCONNECTED } else { 0 },
    }
}

/// The engine's view of a process error handler.
pub fn error_handler(handler: MojoProcessErrorHandler, context: usize) -> ErrorHandler {
    Arc::new(move |error: &ProcessError| {
        let details = process_error_details(error);
        // SAFETY: the program gave this function together with the context when it sent the invitation, to be
        // called on any thread until it has been told of the disconnection. The details are valid for the call.
        unsafe { handler(context, &raw const details) };
    })
}
