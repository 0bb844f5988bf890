//! How the library calls back: a record of it, reactions to it, and watchers that call back.

use crate::calls;
use crate::support::*;
use mojo_system::*;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// A call of the library into the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callback {
    /// For a watch: context, result, satisfied and satisfiable signals.
    Notified(usize, MojoResult, (u32, u32)),
    Serialize(usize, MojoMessageHandle),
    Destroy(usize),
}

impl Callback {
    fn context(self) -> usize {
        match self {
            Callback::Notified(context, ..) | Callback::Serialize(context, _) | Callback::Destroy(context) => context,
        }
    }
}

pub fn cancelled(context: usize) -> Callback {
    Callback::Notified(context, CANCELLED, (0, 0))
}

type Reaction = Rc<dyn Fn(Callback)>;

thread_local! {
    /// The callbacks on this thread. What the tests do on one thread calls back there, and at once.
    static CALLBACKS: RefCell<Vec<Callback>> = const { RefCell::new(Vec::new()) };
    /// What to do in callbacks, by their contexts.
    static REACTIONS: RefCell<HashMap<usize, Reaction>> = RefCell::new(HashMap::new());
}

/// The callbacks on this thread since the last time that this was asked.
pub fn callbacks() -> Vec<Callback> {
    CALLBACKS.take()
}

/// Has something done in every callback for a context, on this thread.
pub fn react(context: usize, reaction: impl Fn(Callback) + 'static) {
    REACTIONS.with_borrow_mut(|reactions| reactions.insert(context, Rc::new(reaction)));
}

fn called_back(callback: Callback) {
    CALLBACKS.with_borrow_mut(|callbacks| callbacks.push(callback));
    let reaction = REACTIONS.with_borrow(|reactions| reactions.get(&callback.context()).cloned());
    if let Some(reaction) = reaction {
        reaction(callback);
    }
}

pub extern "C" fn notified(context: usize, result: MojoResult, state: MojoHandleSignalsState, flags: u32) {
    assert_eq!(flags, 0, "nothing comes from another process");
    called_back(Callback::Notified(context, result, (state.satisfied_signals, state.satisfiable_signals)));
}

pub extern "C" fn serializer(message: MojoMessageHandle, context: usize) {
    called_back(Callback::Serialize(context, message));
}

pub extern "C" fn destructor(context: usize) {
    called_back(Callback::Destroy(context));
}

pub fn with_context(context: usize) -> MojoMessageHandle {
    let message = message();
    assert_eq!(MojoAttachMessageContextWithDestructor(message, context, Some(serializer), Some(destructor)), OK);
    message
}

pub fn watcher() -> MojoHandle {
    output(STALE, |handle| calls::create_watcher(Some(notified), Some(handle))).unwrap()
}

pub fn watch(watcher: MojoHandle, handle: MojoHandle, signals: u32, context: usize) -> Outcome<()> {
    outcome(MojoWatch(watcher, handle, signals, context))
}

pub fn cancel(watcher: MojoHandle, context: usize) -> Outcome<()> {
    outcome(MojoCancelWatch(watcher, context))
}

/// A watch that keeps its watcher from being armed: context, result, signals.
pub type ReadyWatch = (usize, MojoResult, (u32, u32));

/// Arms a watcher, or returns up to `room` of the watches that are ready with the code.
pub fn arm_with_room(watcher: MojoHandle, room: usize) -> Result<(), (MojoResult, Vec<ReadyWatch>)> {
    const NONE: MojoHandleSignalsState =
        MojoHandleSignalsState { satisfied_signals: u32::MAX, satisfiable_signals: u32::MAX };
    let mut count = room as u32;
    let (mut contexts, mut results, mut states) =
        (vec![STALE_MESSAGE; room + 1], vec![u32::MAX; room + 1], vec![NONE; room + 1]);
    let code = calls::arm(watcher, Some(&mut count), Some(&mut contexts), Some(&mut results), Some(&mut states));
    let filled = if code == FAILED_PRECONDITION { count as usize } else { 0 };
    assert!(code == FAILED_PRECONDITION || count as usize == room, "{code} with {count}");
    assert!(contexts[filled..].iter().all(|context| *context == STALE_MESSAGE), "{contexts:x?}");
    assert!(results[filled..].iter().all(|result| *result == u32::MAX), "{results:?}");
    assert!(states[filled..].iter().all(|state| *state == NONE), "{states:?}");
    let ready = (0..filled)
        .map(|at| (contexts[at], results[at], (states[at].satisfied_signals, states[at].satisfiable_signals)));
    if code == OK { Ok(()) } else { Err((code, ready.collect())) }
}

pub fn arm(watcher: MojoHandle) -> Result<(), (MojoResult, Vec<ReadyWatch>)> {
    arm_with_room(watcher, 16)
}

/// A handle with a watcher for every set of the signals that exist, to hold what watchers are told against what a
/// query answers.
pub struct Observed {
    handle: MojoHandle,
    /// Mask, watcher, and whether that is armed.
    watchers: Vec<(u32, MojoHandle, bool)>,
}

impl Observed {
    pub fn new(handle: MojoHandle) -> Self {
        let watchers = (0..32).map(|mask| {
            let watcher = watcher();
            watch(watcher, handle, mask, watcher as usize).unwrap();
            (mask, watcher, false)
        });
        Self { handle, watchers: watchers.collect() }
    }

    /// Checks the present signals, that watchers that were armed have been told of them, and that the others are
    /// refused for the right reason. Those that can be are armed.
    pub fn check(&mut self, expected: (u32, u32), callbacks: &[Callback]) {
        assert_eq!(signals(self.handle), Ok(expected));
        let (satisfied, satisfiable) = expected;
        for (mask, watcher, is_armed) in &mut self.watchers {
            let context = *watcher as usize;
            let ready = match (satisfied & *mask != 0, satisfiable & *mask != 0) {
                (true, _) => Some(OK),
                (false, false) => Some(FAILED_PRECONDITION),
                (false, true) => None,
            };
            let told: Vec<_> = callbacks.iter().copied().filter(|callback| callback.context() == context).collect();
            let due = ready.filter(|_| *is_armed).map(|result| Callback::Notified(context, result, expected));
            assert_eq!(told, Vec::from_iter(due), "mask {mask:b} with {expected:?}");
            let refused = ready.map(|result| (FAILED_PRECONDITION, vec![(context, result, expected)]));
            assert_eq!(arm(*watcher), refused.map_or(Ok(()), Err), "mask {mask:b} with {expected:?}");
            *is_armed = ready.is_none();
        }
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.watchers.iter().for_each(|(_, watcher, _)| close(*watcher).unwrap());
            callbacks();
        }
    }
}
