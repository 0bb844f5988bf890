//! Data pipes: byte streams of fixed-size elements through a ring in shared memory.
//!
//! Both ends map the ring. Each index in it is written by one end only and is the total number of bytes that end
//! has ever written or read. While both ends are busy they say nothing to each other; an end that has an
//! observer with nothing to do raises a flag in the ring, and whoever moves an index lowers a raised flag and
//! pokes the other end with an empty message over the pipe's *control port*. That port also carries closure, and
//! moves to other processes together with the end.
//!
//! The other end may belong to a hostile process. An index is copied out of the ring once, checked against this
//! end's own, private index, and only the copy is used; one that is out of bounds counts as closure.

use crate::deferred::Deferred;
use crate::limits::{DEFAULT_DATA_PIPE_BYTES, MAX_SHARED_MEMORY_BYTES};
use crate::message::Message;
use crate::node::{Node, apply};
use crate::object::TransitError;
use crate::observe::Observers;
use crate::pipe::Port;
use crate::signals::{Signals, SignalsState};
use libmojo_platform::{Mapping, SharedMemory};
use libmojo_sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use libmojo_sync::{Arc, Mutex, MutexGuard, Rank, Weak};
use std::fmt;
use std::io;

// The ring's header, one cache line for each word; then the bytes.
const WRITE_INDEX: usize = 0;
const READ_INDEX: usize = 64;
const CONSUMER_WANTS: usize = 128;
const PRODUCER_WANTS: usize = 192;
const DATA: usize = 256;

/// Which end of a data pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Producer,
    Consumer,
}

/// Why an operation on a data pipe end failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataPipeError {
    /// The end is closed or inside a message.
    NotOpen,
    /// A two-phase operation is in progress on this end.
    Busy,
    /// The other end is closed, and for a consumer nothing is left to read.
    PeerClosed,
    /// The size is not a multiple of the element size, or larger than what a two-phase operation offered.
    InvalidArgument,
    /// All was asked for or nothing, and all is not possible.
    OutOfRange,
    /// No room, or no data, at the moment.
    ShouldWait,
    /// There is no two-phase operation to end.
    FailedPrecondition,
    /// The pipe's memory could not be had.
    ResourceExhausted,
}

// ---- the ring --------------------------------------------------------------------------------------------

/// The shared memory of a data pipe.
pub(crate) struct Ring {
    memory: SharedMemory,
    mapping: Mapping,
    capacity: u32,
    element: u32,
}

impl Ring {
    fn create(element: u32, capacity: u32) -> io::Result<Self> {
        Self::map(SharedMemory::create(Self::memory_bytes(capacity), false)?, element, capacity)
    }

    /// The size of the memory of a ring.
    pub(crate) fn memory_bytes(capacity: u32) -> u64 {
        DATA as u64 + u64::from(capacity)
    }

    /// Maps the ring of an end that arrived from another process, whose claims about it have to be checked.
    pub(crate) fn arrived(memory: SharedMemory, element: u32, capacity: u32) -> io::Result<Self> {
        let is_sane = element > 0 && capacity > 0 && capacity.is_multiple_of(element);
        if !is_sane || memory.is_read_only() || !memory.is_sealed() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Self::map(memory, element, capacity)
    }

    fn map(memory: SharedMemory, element: u32, capacity: u32) -> io::Result<Self> {
        let len = usize::try_from(capacity).ok().and_then(|capacity| capacity.checked_add(DATA));
        let mapping = memory.map(0, len.ok_or(io::ErrorKind::InvalidInput)?)?;
        let words_fit = mapping.atomic_u64(WRITE_INDEX).is_some() && mapping.atomic_u32(PRODUCER_WANTS).is_some();
        if words_fit {
            Ok(Self { memory, mapping, capacity, element })
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }

    pub(crate) fn memory(&self) -> &SharedMemory {
        &self.memory
    }

    pub(crate) fn capacity(&self) -> u32 {
        self.capacity
    }

    pub(crate) fn element(&self) -> u32 {
        self.element
    }

    fn index(&self, role: Role) -> &AtomicU64 {
        static NEVER: AtomicU64 = AtomicU64::new(0);
        let offset = if role == Role::Producer { WRITE_INDEX } else { READ_INDEX };
        self.mapping.atomic_u64(offset).unwrap_or(&NEVER)
    }

    /// The flag by which an end asks to be poked.
    fn wants(&self, role: Role) -> &AtomicU32 {
        static NEVER: AtomicU32 = AtomicU32::new(0);
        let offset = if role == Role::Producer { PRODUCER_WANTS } else { CONSUMER_WANTS };
        self.mapping.atomic_u32(offset).unwrap_or(&NEVER)
    }

    /// Where a byte with this index lies, and how many bytes follow up to the end of the storage.
    fn place(&self, index: u64) -> (usize, u32) {
        let at = (index % u64::from(self.capacity)) as u32;
        (DATA + at as usize, self.capacity - at)
    }

    fn copy_in(&self, index: u64, bytes: &[u8]) {
        let (at, room) = self.place(index);
        let (first, second) = bytes.split_at(bytes.len().min(room as usize));
        // In bounds by construction of `place`: the checks inside cannot fail.
        let _ = self.mapping.write(at, first);
        let _ = self.mapping.write(DATA, second);
    }

    fn copy_out(&self, index: u64, bytes: &mut [u8]) {
        let (at, room) = self.place(index);
        let (first, second) = bytes.split_at_mut(bytes.len().min(room as usize));
        let _ = self.mapping.read(at, first);
        let _ = self.mapping.read(DATA, second);
    }
}

// ---- one end ---------------------------------------------------------------------------------------------

/// One end of a data pipe.
pub(crate) struct End {
    role: Role,
    ring: Arc<Ring>,
    control: Port,
    observers: Observers,
    state: Mutex<State>,
}

struct State {
    place: Place,
    /// This end's index; what stands in the ring is a copy for the other end.
    own: u64,
    /// The other end's index as last seen and checked.
    peer: u64,
    /// For a consumer: `peer` when data was last asked for. What came later is new.
    asked_at: u64,
    /// What the two-phase operation in progress has offered, in bytes.
    two_phase: Option<u32>,
    /// The other end has written nonsense into the ring.
    is_corrupt: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Open,
    InMessage,
    Closed,
}

/// Hears of what happens at a data pipe end's control port.
pub(crate) trait ControlHook: Send + Sync {
    fn control_changed(&self, deferred: &mut Deferred);
}

impl State {
    /// Looks at the other end's index.
    fn look(&mut self, ring: &Ring, role: Role) {
        if self.is_corrupt {
            return;
        }
        let (newest, lowest, highest) = match role {
            Role::Consumer => {
                let highest = self.own.saturating_add(u64::from(ring.capacity));
                (ring.index(Role::Producer).load(Ordering::Acquire), self.peer, highest)
            }
            Role::Producer => (ring.index(Role::Consumer).load(Ordering::Acquire), self.peer, self.own),
        };
        let is_whole = newest % u64::from(ring.element) == 0;
        if (lowest..=highest).contains(&newest) && is_whole {
            self.peer = newest;
        } else {
            self.is_corrupt = true;
        }
    }

    /// Bytes that can be read, or room for bytes that can be written.
    fn amount(&self, ring: &Ring, role: Role) -> u32 {
        match role {
            // Both differences are at most the capacity: `look` has checked the peer's index.
            Role::Consumer => (self.peer - self.own) as u32,
            Role::Producer => ring.capacity - (self.own - self.peer) as u32,
        }
    }

    /// Bytes in one piece.
    fn contiguous(&self, ring: &Ring, role: Role) -> u32 {
        self.amount(ring, role).min(ring.place(self.own).1)
    }

    fn has_new(&self) -> bool {
        self.peer > self.asked_at
    }
}

impl End {
    fn new(role: Role, ring: Arc<Ring>, control: Port, own: u64, place: Place) -> Arc<Self> {
        // The peer's index is taken on trust once, from what this end's own index allows.
        let peer = match role {
            Role::Consumer => own,
            Role::Producer => own.saturating_sub(u64::from(ring.capacity)),
        };
        let state = State { place, own, peer, asked_at: own, two_phase: None, is_corrupt: false };
        let end = Arc::new(Self {
            role,
            ring,
            control,
            observers: Observers::default(),
            state: Mutex::new(Rank::Object, state),
        });
        let hook: Weak<dyn ControlHook> = Arc::downgrade(&(end.clone() as Arc<dyn ControlHook>));
        let _ = end.control.data().hook.set(hook);
        end
    }

    /// An end that came inside a message from another process, whose own index is `index`.
    pub(crate) fn arrived(role: Role, ring: Arc<Ring>, index: u64, control: Port) -> Arc<Self> {
        Self::new(role, ring, control, index, Place::InMessage)
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    pub(crate) fn control(&self) -> &Port {
        &self.control
    }

    /// This end's own index.
    pub(crate) fn index(&self) -> u64 {
        self.state.lock().own
    }

    pub(crate) fn observers(&self) -> &Observers {
        &self.observers
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state.lock().place == Place::Open
    }

    /// The state, with the other end's index and closure looked at. The closure first: data that was written
    /// before it is then seen.
    fn look(&self) -> Result<(MutexGuard<'_, State>, bool), DataPipeError> {
        let mut state = self.state.lock();
        if state.place != Place::Open {
            return Err(DataPipeError::NotOpen);
        }
        let peer_closed = self.peer_closed();
        state.look(&self.ring, self.role);
        let peer_closed = peer_closed || state.is_corrupt;
        Ok((state, peer_closed))
    }

    fn peer_closed(&self) -> bool {
        self.control.status().peer_closed
    }

    fn signals(&self) -> SignalsState {
        let Ok((state, peer_closed)) = self.look() else { return SignalsState::default() };
        let is_remote = !peer_closed && self.control.status().peer_remote;
        let closed = Signals::PEER_CLOSED.when(peer_closed);
        let remote = Signals::PEER_REMOTE.when(is_remote);
        let possibly_remote = Signals::PEER_REMOTE.when(!peer_closed);
        let amount = state.amount(&self.ring, self.role);
        let is_ready = amount > 0 && state.two_phase.is_none();
        match self.role {
            Role::Producer => SignalsState {
                satisfied: Signals::WRITABLE.when(is_ready && !peer_closed) | closed | remote,
                satisfiable: Signals::WRITABLE.when(!peer_closed) | Signals::PEER_CLOSED | possibly_remote,
            },
            Role::Consumer => SignalsState {
                satisfied: Signals::READABLE.when(is_ready)
                    | Signals::NEW_DATA_READABLE.when(is_ready && state.has_new())
                    | closed
                    | remote,
                satisfiable: Signals::READABLE.when(amount > 0 || !peer_closed)
                    | Signals::NEW_DATA_READABLE.when(state.has_new() || !peer_closed)
                    | Signals::PEER_CLOSED
                    | possibly_remote,
            },
        }
    }

    /// Moves this end's index by `amount` and lets the other end know if it wants to.
    fn advance(&self, mut state: MutexGuard<'_, State>, amount: u32) {
        state.own += u64::from(amount);
        // Pairs with the acquiring load in `State::look`: whoever sees the index sees the bytes.
        self.ring.index(self.role).store(state.own, Ordering::Release);
        drop(state);
        // The index is published before the flag is looked at, and the other end raises its flag before it looks
        // at the index again: in the one order of all these fences, one of the two sees the other.
        fence(Ordering::SeqCst);
        let wants = self.ring.wants(if self.role == Role::Producer { Role::Consumer } else { Role::Producer });
        let mut deferred = Deferred::new();
        if wants.load(Ordering::Relaxed) != 0 && wants.swap(0, Ordering::Relaxed) != 0 {
            let node = self.control.node();
            if let Ok(effects) = node.send(&self.control, Message::with_payload(&[])) {
                apply(node, effects, &mut deferred);
            }
        }
        self.evaluate(&mut deferred);
    }

    /// Tells the observers that something may have changed, and asks to be poked for what they then wait for.
    pub(crate) fn evaluate(&self, deferred: &mut Deferred) {
        while self.observers.any() {
            self.observers.notify(deferred);
            if !self.has_changed_while_asking() {
                return;
            }
        }
    }

    /// Raises this end's flag if there is nothing more for it to hear of at the moment. True if just then there
    /// was.
    fn has_changed_while_asking(&self) -> bool {
        let mut state = self.state.lock();
        let is_idle = |state: &State| match self.role {
            Role::Consumer => !state.has_new(),
            Role::Producer => state.amount(&self.ring, self.role) == 0,
        };
        if state.place != Place::Open || state.is_corrupt || !is_idle(&state) {
            return false;
        }
        let wants = self.ring.wants(self.role);
        wants.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        state.look(&self.ring, self.role);
        !is_idle(&state) || state.is_corrupt
    }

    /// Ends a two-phase operation of which `used` bytes were used.
    fn end_two_phase(&self, used: u32) -> Result<(), DataPipeError> {
        let mut state = self.state.lock();
        if state.place != Place::Open {
            return Err(DataPipeError::NotOpen);
        }
        let offered = state.two_phase.take().ok_or(DataPipeError::FailedPrecondition)?;
        if used <= offered && used.is_multiple_of(self.ring.element) {
            self.advance(state, used);
            return Ok(());
        }
        drop(state);
        self.evaluate(&mut Deferred::new());
        Err(DataPipeError::InvalidArgument)
    }

    pub(crate) fn close(&self) {
        let mut deferred = Deferred::new();
        let place = std::mem::replace(&mut self.state.lock().place, Place::Closed);
        if place != Place::Closed {
            self.observers.cancel_all(&mut deferred);
            let node = self.control.node();
            let effects = node.close(&self.control);
            apply(node, effects, &mut deferred);
        }
    }

    pub(crate) fn begin_transit(&self) -> Result<(), TransitError> {
        let mut state = self.state.lock();
        if state.place != Place::Open {
            return Err(TransitError::InvalidArgument);
        }
        if state.two_phase.is_some() {
            return Err(TransitError::Busy);
        }
        state.place = Place::InMessage;
        self.control.node().begin_transit(&self.control);
        Ok(())
    }

    pub(crate) fn end_transit(&self) {
        let mut state = self.state.lock();
        if state.place == Place::InMessage {
            state.place = Place::Open;
            state.asked_at = state.own;
            self.control.node().end_transit(&self.control);
        }
    }
}

impl ControlHook for End {
    fn control_changed(&self, deferred: &mut Deferred) {
        // A poke says nothing but "look".
        while self.control.node().receive(&self.control).is_ok() {}
        self.evaluate(deferred);
    }
}

// ---- the two faces of an end -----------------------------------------------------------------------------

/// The end of a data pipe that writes. A clone refers to the same end; dropping it does not close it.
#[derive(Clone)]
pub struct Producer(Arc<End>);

/// The end of a data pipe that reads. A clone refers to the same end; dropping it does not close it.
#[derive(Clone)]
pub struct Consumer(Arc<End>);

/// Storage of a data pipe that a two-phase operation has laid open.
///
/// Another process may write to it at any moment. It stays mapped as long as the end is open.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// The first byte.
    pub address: *mut u8,
    /// How many bytes.
    pub num_bytes: u32,
}

/// What to do with the bytes that a read finds.
#[derive(Debug)]
pub enum ReadInto<'a> {
    /// Copy as many as fit, and consume them.
    Consume(&'a mut [u8]),
    /// Copy as many as fit, and leave them.
    Peek(&'a mut [u8]),
    /// Consume up to so many without copying them.
    Discard(u32),
    /// Find out whether reading so many would do anything.
    Check(u32),
}

/// Makes a data pipe for elements of `element_num_bytes`. It can hold exactly `capacity_num_bytes`, a multiple of
/// that; 0 means the largest multiple that is not over [`DEFAULT_DATA_PIPE_BYTES`], but at least one element.
///
/// # Errors
/// `InvalidArgument` if the sizes do not fit each other, `ResourceExhausted` if there is no memory or no
/// descriptor, or the pipe would be over [`MAX_SHARED_MEMORY_BYTES`].
pub fn create_data_pipe(
    node: &Node,
    element_num_bytes: u32,
    capacity_num_bytes: u32,
) -> Result<(Producer, Consumer), DataPipeError> {
    if element_num_bytes == 0 {
        return Err(DataPipeError::InvalidArgument);
    }
    let capacity = match capacity_num_bytes {
        0 => element_num_bytes.max(DEFAULT_DATA_PIPE_BYTES / element_num_bytes * element_num_bytes),
        given => given,
    };
    if !capacity.is_multiple_of(element_num_bytes) {
        return Err(DataPipeError::InvalidArgument);
    }
    if u64::from(capacity) > MAX_SHARED_MEMORY_BYTES {
        return Err(DataPipeError::ResourceExhausted);
    }
    let ring = Ring::create(element_num_bytes, capacity).map_err(|_| DataPipeError::ResourceExhausted)?;
    let ring = Arc::new(ring);
    let (a, b) = node.routing().create_pipe();
    let producer = End::new(Role::Producer, ring.clone(), a, 0, Place::Open);
    let consumer = End::new(Role::Consumer, ring, b, 0, Place::Open);
    Ok((Producer(producer), Consumer(consumer)))
}

impl Producer {
    pub(crate) fn from_end(end: Arc<End>) -> Self {
        Self(end)
    }

    pub(crate) fn end(&self) -> &Arc<End> {
        &self.0
    }

    /// The present signals.
    pub fn signals(&self) -> SignalsState {
        self.0.signals()
    }

    /// Writes as many of `bytes`, whole elements, as there is room for, and returns how many. With
    /// `all_or_none`, writes all or fails. An empty write succeeds if the consumer is open.
    pub fn write(&self, bytes: &[u8], all_or_none: bool) -> Result<u32, DataPipeError> {
        let (state, peer_closed) = self.0.look()?;
        let ring = &self.0.ring;
        if state.two_phase.is_some() {
            return Err(DataPipeError::Busy);
        }
        if peer_closed {
            return Err(DataPipeError::PeerClosed);
        }
        if !bytes.len().is_multiple_of(ring.element as usize) {
            return Err(DataPipeError::InvalidArgument);
        }
        let room = state.amount(ring, Role::Producer);
        let amount = u32::try_from(bytes.len()).unwrap_or(u32::MAX).min(room);
        if all_or_none && bytes.len() > room as usize {
            return Err(DataPipeError::OutOfRange);
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        if room == 0 {
            return Err(DataPipeError::ShouldWait);
        }
        ring.copy_in(state.own, bytes.get(..amount as usize).unwrap_or(bytes));
        self.0.advance(state, amount);
        Ok(amount)
    }

    /// Lays open the largest contiguous piece of free storage, until [`end_write`](Self::end_write).
    pub fn begin_write(&self) -> Result<Window, DataPipeError> {
        let (mut state, peer_closed) = self.0.look()?;
        if state.two_phase.is_some() {
            return Err(DataPipeError::Busy);
        }
        if peer_closed {
            return Err(DataPipeError::PeerClosed);
        }
        self.0.begin_two_phase(&mut state)
    }

    /// Ends a two-phase write; the first `num_bytes` of the window are written. The phase is over even if that
    /// is more than was offered or no whole number of elements, and then nothing is written.
    pub fn end_write(&self, num_bytes: u32) -> Result<(), DataPipeError> {
        self.0.end_two_phase(num_bytes)
    }

    /// Copies into the window of the two-phase write in progress.
    pub fn fill(&self, offset: u32, bytes: &[u8]) -> Result<(), DataPipeError> {
        let (at, offered) = self.0.window()?;
        let end = u64::from(offset) + bytes.len() as u64;
        if end > u64::from(offered) {
            return Err(DataPipeError::OutOfRange);
        }
        self.0.ring.mapping.write(at + offset as usize, bytes).map_err(|_| DataPipeError::OutOfRange)
    }
}

impl Consumer {
    pub(crate) fn from_end(end: Arc<End>) -> Self {
        Self(end)
    }

    pub(crate) fn end(&self) -> &Arc<End> {
        &self.0
    }

    /// The present signals.
    pub fn signals(&self) -> SignalsState {
        self.0.signals()
    }

    /// True while a two-phase read is in progress.
    pub fn is_busy(&self) -> bool {
        self.0.state.lock().two_phase.is_some()
    }

    /// How many bytes can be read. Counts as looking: what is there is no longer new.
    pub fn query(&self) -> Result<u32, DataPipeError> {
        let (mut state, _) = self.0.look()?;
        if state.two_phase.is_some() {
            return Err(DataPipeError::Busy);
        }
        state.asked_at = state.peer;
        let available = state.amount(&self.0.ring, Role::Consumer);
        drop(state);
        self.0.evaluate(&mut Deferred::new());
        Ok(available)
    }

    /// Reads whole elements, as many as there are and are asked for, and returns how many bytes. With
    /// `all_or_none`, reads all or fails. Whatever the outcome, what is there is no longer new, unless the end is
    /// busy or the size is no whole number of elements.
    pub fn read(&self, into: ReadInto<'_>, all_or_none: bool) -> Result<u32, DataPipeError> {
        let outcome = self.read_once(into, all_or_none);
        if !matches!(outcome, Ok(_) | Err(DataPipeError::Busy | DataPipeError::NotOpen)) {
            self.0.evaluate(&mut Deferred::new());
        }
        outcome
    }

    fn read_once(&self, into: ReadInto<'_>, all_or_none: bool) -> Result<u32, DataPipeError> {
        let (mut state, peer_closed) = self.0.look()?;
        let ring = &self.0.ring;
        if state.two_phase.is_some() {
            return Err(DataPipeError::Busy);
        }
        let wanted = match &into {
            ReadInto::Consume(bytes) | ReadInto::Peek(bytes) => bytes.len(),
            ReadInto::Discard(amount) | ReadInto::Check(amount) => *amount as usize,
        };
        if !wanted.is_multiple_of(ring.element as usize) {
            return Err(DataPipeError::InvalidArgument);
        }
        state.asked_at = state.peer;
        let available = state.amount(ring, Role::Consumer);
        let if_open = |error| if peer_closed { DataPipeError::PeerClosed } else { error };
        if all_or_none && wanted > available as usize {
            return Err(if_open(DataPipeError::OutOfRange));
        }
        let amount = u32::try_from(wanted).unwrap_or(u32::MAX).min(available);
        if amount == 0 {
            return Err(if_open(DataPipeError::ShouldWait));
        }
        let consumed = match into {
            ReadInto::Consume(bytes) => {
                ring.copy_out(state.own, bytes.get_mut(..amount as usize).unwrap_or_default());
                amount
            }
            ReadInto::Peek(bytes) => {
                ring.copy_out(state.own, bytes.get_mut(..amount as usize).unwrap_or_default());
                0
            }
            ReadInto::Discard(_) => amount,
            ReadInto::Check(_) => 0,
        };
        self.0.advance(state, consumed);
        Ok(amount)
    }

    /// Lays open the largest contiguous piece of data, until [`end_read`](Self::end_read).
    pub fn begin_read(&self) -> Result<Window, DataPipeError> {
        let (mut state, peer_closed) = self.0.look()?;
        if state.two_phase.is_some() {
            return Err(DataPipeError::Busy);
        }
        state.asked_at = state.peer;
        let outcome = self.0.begin_two_phase(&mut state);
        drop(state);
        self.0.evaluate(&mut Deferred::new());
        match outcome {
            Err(DataPipeError::ShouldWait) if peer_closed => Err(DataPipeError::PeerClosed),
            outcome => outcome,
        }
    }

    /// Ends a two-phase read; the first `num_bytes` of the window are consumed. The phase is over even if that
    /// is more than was offered or no whole number of elements, and then nothing is consumed.
    pub fn end_read(&self, num_bytes: u32) -> Result<(), DataPipeError> {
        self.0.end_two_phase(num_bytes)
    }

    /// Copies out of the window of the two-phase read in progress.
    pub fn copy_out(&self, offset: u32, bytes: &mut [u8]) -> Result<(), DataPipeError> {
        let (at, offered) = self.0.window()?;
        let end = u64::from(offset) + bytes.len() as u64;
        if end > u64::from(offered) {
            return Err(DataPipeError::OutOfRange);
        }
        self.0.ring.mapping.read(at + offset as usize, bytes).map_err(|_| DataPipeError::OutOfRange)
    }
}

impl End {
    fn begin_two_phase(&self, state: &mut State) -> Result<Window, DataPipeError> {
        let num_bytes = state.contiguous(&self.ring, self.role);
        if num_bytes == 0 {
            return Err(DataPipeError::ShouldWait);
        }
        state.two_phase = Some(num_bytes);
        let address = self.ring.mapping.as_ptr().wrapping_add(self.ring.place(state.own).0);
        Ok(Window { address, num_bytes })
    }

    /// Where the window of the two-phase operation in progress begins in the mapping, and its size.
    fn window(&self) -> Result<(usize, u32), DataPipeError> {
        let state = self.state.lock();
        let offered = state.two_phase.ok_or(DataPipeError::FailedPrecondition)?;
        Ok((self.ring.place(state.own).0, offered))
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("signals", &self.signals()).finish()
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("signals", &self.signals()).finish()
    }
}
