//! The handle table: what a `MojoHandle` refers to.

use crate::indices::{Cache, Indices};
use crate::result::{BUSY, INVALID_ARGUMENT, Outcome, RESOURCE_EXHAUSTED};
use crate::slab::{Borrowed, Claim, Refused, Slab};
use libmojo_core::message::Message;
use libmojo_core::node::Node;
use libmojo_core::object::{Object, TransitError};
use libmojo_core::signals::{Signals, SignalsState};
use libmojo_sync::atomic::{AtomicU32, Ordering};
use libmojo_sync::thread_local;

/// Names an object; 0 names none.
pub type MojoHandle = u32;

/// 4,194,304 handles at a time, each value reused after 1,023 others at the same place.
const INDEX_BITS: u32 = 22;
const GENERATION_BITS: u32 = 10;
/// How many places stay unused before the first is reused.
const MIN_FREE: usize = 1024;

static INDICES: Indices = Indices::new(INDEX_BITS, MIN_FREE, &CACHE);
thread_local! {
    static CACHE: Cache = const { Cache::new(&INDICES) };
}
static TABLE: Slab<Entry, INDEX_BITS, GENERATION_BITS> = Slab::new(&INDICES);

/// What is behind a handle. It is claimed by whoever is about to put it into a message.
pub struct Entry {
    /// What the handle refers to.
    pub object: Object,
    /// Signals that this handle does not have.
    hidden: AtomicU32,
}

impl Entry {
    /// A handle made before the process had anything to do with another one can have no remote peer.
    fn new(object: Object) -> Self {
        let remote = if Node::process().has_had_links() { Signals::NONE } else { Signals::PEER_REMOTE };
        // A signal of which programs know nothing that set no quotas.
        let hidden = AtomicU32::new((remote | Signals::QUOTA_EXCEEDED).bits());
        Self { object, hidden }
    }

    /// The signals that the handle does not have.
    #[inline]
    pub fn hidden(&self) -> Signals {
        Signals::from_bits(self.hidden.load(Ordering::Relaxed))
    }

    /// Gives the handle signals that it did not have. Who watches it already does not get to see them.
    pub fn show(&self, signals: Signals) {
        self.hidden.fetch_and(!signals.bits(), Ordering::Relaxed);
    }
}

fn number(handle: u64) -> MojoHandle {
    // 22 and 10 bits.
    handle as MojoHandle
}

/// Makes a handle for an object; closes the object if there is no handle left.
#[inline]
pub fn insert(object: impl Into<Object>) -> Outcome<MojoHandle> {
    let outcome = TABLE.insert(Entry::new(object.into()));
    outcome.map(number).map_err(|entry| {
        entry.object.close();
        RESOURCE_EXHAUSTED
    })
}

/// Makes handles for two objects, or for none and closes both.
#[inline]
pub fn insert_pair(a: impl Into<Object>, b: impl Into<Object>) -> Outcome<(MojoHandle, MojoHandle)> {
    let (first, second) = (insert(a), insert(b));
    if let (Ok(first), Ok(second)) = (first, second) {
        return Ok((first, second));
    }
    let made = first.into_iter().chain(second);
    made.filter_map(|handle| remove(handle).ok()).for_each(|object| object.close());
    Err(RESOURCE_EXHAUSTED)
}

/// How many more handles there can be.
pub fn room() -> usize {
    TABLE.room()
}

/// What a handle refers to, unless it is about to be put into a message. It can be closed meanwhile.
#[inline]
pub fn borrow(handle: MojoHandle) -> Outcome<Borrowed<'static, Entry>> {
    TABLE.borrow(handle.into()).ok_or(INVALID_ARGUMENT)
}

/// What a handle refers to, for longer than a call.
#[inline]
pub fn get(handle: MojoHandle) -> Outcome<Object> {
    borrow(handle).map(|entry| entry.object.clone())
}

/// What a handle refers to, and the signals that it does not have.
pub fn get_with_hidden(handle: MojoHandle) -> Outcome<(Object, Signals)> {
    borrow(handle).map(|entry| (entry.object.clone(), entry.hidden()))
}

/// The signals of what a handle refers to.
#[inline]
pub fn signals(handle: MojoHandle) -> Outcome<SignalsState> {
    borrow(handle).map(|entry| entry.object.signals().without(entry.hidden()))
}

/// Ends a handle and returns what it referred to.
#[inline]
pub fn remove(handle: MojoHandle) -> Outcome<Object> {
    let ended = TABLE.end(handle.into()).ok_or(INVALID_ARGUMENT)?;
    Ok(match ended.take() {
        Ok(entry) => entry.object,
        Err(entry) => entry.object.clone(),
    })
}

/// Ends a handle if what it refers to can be turned into what the caller wants; else it stays as it is.
pub fn remove_as<T>(handle: MojoHandle, convert: impl FnOnce(Object) -> Result<T, Object>) -> Outcome<Result<T, ()>> {
    let claim = TABLE.claim(handle.into()).map_err(|_| INVALID_ARGUMENT)?;
    let converted = convert(claim.object.clone());
    if converted.is_ok() {
        claim.end();
    }
    Ok(converted.map_err(drop))
}

/// Puts what the handles refer to into a message that takes attachments. All of the handles are gone if that
/// succeeds, none if it does not; the first that cannot be sent decides the answer.
pub fn attach(handles: &[MojoHandle], message: &mut Message) -> Outcome<()> {
    if handles.is_empty() {
        return Ok(());
    }
    let mut claims = Vec::with_capacity(handles.len());
    let outcome = handles.iter().try_for_each(|handle| {
        claims.push(claim_for_transit(*handle)?);
        Ok(())
    });
    let outcome = outcome.and_then(|()| {
        let objects = claims.iter().map(|claim| claim.object.clone()).collect();
        Object::attach_all(objects, message).map_err(|_| RESOURCE_EXHAUSTED)
    });
    for claim in claims {
        match outcome {
            Ok(()) => claim.end(),
            Err(_) => claim.object.abort_transit(),
        }
    }
    outcome
}

/// Claims what a handle refers to, which is then in transit.
fn claim_for_transit(handle: MojoHandle) -> Outcome<Claim<'static, Entry>> {
    let claim = TABLE.claim(handle.into()).map_err(|refused| match refused {
        Refused::Unknown => INVALID_ARGUMENT,
        Refused::Claimed => BUSY,
    })?;
    match claim.object.begin_transit() {
        Ok(()) => Ok(claim),
        Err(TransitError::InvalidArgument) => Err(INVALID_ARGUMENT),
        Err(TransitError::Busy) => Err(BUSY),
    }
}
