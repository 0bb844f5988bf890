//! The handle table: what a `MojoHandle` refers to.

use crate::result::{BUSY, INVALID_ARGUMENT, Outcome, RESOURCE_EXHAUSTED};
use crate::slab::Slab;
use libmojo_core::message::Message;
use libmojo_core::node::Node;
use libmojo_core::object::{Object, TransitError};
use libmojo_core::signals::{Signals, SignalsState};
use libmojo_sync::{Mutex, Rank};

/// Names an object; 0 names none.
pub type MojoHandle = u32;

/// 4,194,304 handles at a time, each value reused after 1,023 others at the same place.
static TABLE: Mutex<Slab<Entry>> = Mutex::new(Rank::HandleTable, Slab::new(22, 10));

struct Entry {
    object: Object,
    /// Signals that this handle does not have.
    hidden: Signals,
    /// A thread is about to put the object into a message.
    is_leaving: bool,
}

impl Entry {
    /// A handle made before the process had anything to do with another one can have no remote peer.
    fn new(object: Object) -> Self {
        let hidden = if Node::process().has_had_links() { Signals::NONE } else { Signals::PEER_REMOTE };
        Self { object, hidden, is_leaving: false }
    }
}

fn number(handle: u64) -> MojoHandle {
    // 22 and 10 bits.
    handle as MojoHandle
}

/// Makes a handle for an object; closes the object if there is no handle left.
pub(crate) fn insert(object: impl Into<Object>) -> Outcome<MojoHandle> {
    let outcome = TABLE.lock().insert(Entry::new(object.into()));
    outcome.map(number).map_err(|entry| {
        entry.object.close();
        RESOURCE_EXHAUSTED
    })
}

/// Makes handles for two objects, or for none and closes both.
pub(crate) fn insert_pair(a: impl Into<Object>, b: impl Into<Object>) -> Outcome<(MojoHandle, MojoHandle)> {
    let (a, b) = (a.into(), b.into());
    if TABLE.lock().room() < 2 {
        a.close();
        b.close();
        return Err(RESOURCE_EXHAUSTED);
    }
    let first = insert(a)?;
    match insert(b) {
        Ok(second) => Ok((first, second)),
        Err(error) => {
            if let Ok(object) = remove(first) {
                object.close();
            }
            Err(error)
        }
    }
}

/// How many more handles there can be.
pub(crate) fn room() -> usize {
    TABLE.lock().room()
}

/// What a handle refers to, unless it is about to be put into a message.
pub(crate) fn get(handle: MojoHandle) -> Outcome<Object> {
    get_with_hidden(handle).map(|(object, _)| object)
}

/// What a handle refers to, and the signals that it does not have.
pub(crate) fn get_with_hidden(handle: MojoHandle) -> Outcome<(Object, Signals)> {
    match TABLE.lock().get(handle.into()) {
        Some(entry) if !entry.is_leaving => Ok((entry.object.clone(), entry.hidden)),
        _ => Err(INVALID_ARGUMENT),
    }
}

/// The signals of what a handle refers to.
pub(crate) fn signals(handle: MojoHandle) -> Outcome<SignalsState> {
    let (object, hidden) = get_with_hidden(handle)?;
    Ok(object.signals().without(hidden))
}

/// Ends a handle and returns what it referred to.
pub(crate) fn remove(handle: MojoHandle) -> Outcome<Object> {
    let mut table = TABLE.lock();
    match table.get(handle.into()) {
        Some(entry) if !entry.is_leaving => {}
        _ => return Err(INVALID_ARGUMENT),
    }
    table.remove(handle.into()).map(|entry| entry.object).ok_or(INVALID_ARGUMENT)
}

/// Ends a handle if what it refers to can be turned into what the caller wants; else it stays as it is.
pub(crate) fn remove_as<T>(
    handle: MojoHandle,
    convert: impl FnOnce(Object) -> Result<T, Object>,
) -> Outcome<Result<T, ()>> {
    let object = {
        let mut table = TABLE.lock();
        let entry = table.get_mut(handle.into()).filter(|entry| !entry.is_leaving).ok_or(INVALID_ARGUMENT)?;
        entry.is_leaving = true;
        entry.object.clone()
    };
    let converted = convert(object);
    let mut table = TABLE.lock();
    let removed = match &converted {
        Ok(_) => table.remove(handle.into()),
        Err(_) => {
            if let Some(entry) = table.get_mut(handle.into()) {
                entry.is_leaving = false;
            }
            None
        }
    };
    drop(table);
    drop(removed);
    Ok(converted.map_err(drop))
}

/// Puts what the handles refer to into a message that takes attachments. All of the handles are gone if that
/// succeeds, none if it does not; the first that cannot be sent decides the answer.
pub(crate) fn attach(handles: &[MojoHandle], message: &mut Message) -> Outcome<()> {
    let mut taken: Vec<(MojoHandle, Object)> = Vec::new();
    let outcome = handles.iter().try_for_each(|handle| {
        taken.push((*handle, mark(*handle)?));
        Ok(())
    });
    let outcome = outcome.and_then(|()| {
        let objects = taken.iter().map(|(_, object)| object.clone()).collect();
        Object::attach_all(objects, message).map_err(|_| RESOURCE_EXHAUSTED)
    });
    for (handle, object) in &taken {
        let mut table = TABLE.lock();
        if outcome.is_ok() {
            table.remove((*handle).into());
        } else if let Some(entry) = table.get_mut((*handle).into()) {
            object.abort_transit();
            entry.is_leaving = false;
        }
    }
    outcome
}

/// Marks a handle as leaving, and its object as being in transit.
fn mark(handle: MojoHandle) -> Outcome<Object> {
    let mut table = TABLE.lock();
    let entry = table.get_mut(handle.into()).ok_or(INVALID_ARGUMENT)?;
    if entry.is_leaving {
        return Err(BUSY);
    }
    entry.object.begin_transit().map_err(|error| match error {
        TransitError::InvalidArgument => INVALID_ARGUMENT,
        TransitError::Busy => BUSY,
    })?;
    entry.is_leaving = true;
    Ok(entry.object.clone())
}
