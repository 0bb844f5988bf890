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

mod end;
mod ring;

use crate::deferred::Deferred;
use crate::limits::{DEFAULT_DATA_PIPE_BYTES, max_shared_memory_bytes};
use crate::node::Node;
use crate::signals::SignalsState;
use end::{Place, State};
use libmojo_sync::{Arc, MutexGuard};
use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;

pub use end::DataPipeSnapshot;
pub(crate) use end::{ControlHook, End};
pub(crate) use ring::Ring;

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
}

/// Makes a data pipe for elements of `element_num_bytes`. It can hold exactly `capacity_num_bytes`, a multiple of
/// that; 0 means the largest multiple that is not over [`DEFAULT_DATA_PIPE_BYTES`], but at least one element.
///
/// # Errors
/// `InvalidArgument` if the sizes do not fit each other, `ResourceExhausted` if there is no memory or no
/// descriptor, or the pipe would be over the [limit](crate::limits::Limits).
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
    if u64::from(capacity) > max_shared_memory_bytes() {
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

    /// Closes the end for everyone who refers to it.
    pub fn close(&self) {
        self.0.close();
    }

    /// The size of an element in bytes.
    pub fn element_num_bytes(&self) -> u32 {
        self.0.ring.element
    }

    /// How many bytes the pipe holds.
    pub fn capacity_num_bytes(&self) -> u32 {
        self.0.ring.capacity
    }

    /// The present signals.
    pub fn signals(&self) -> SignalsState {
        self.0.signals_if_open().unwrap_or_default()
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
        let (state, peer_closed) = self.0.look()?;
        if state.two_phase.is_some() {
            return Err(DataPipeError::Busy);
        }
        if peer_closed {
            return Err(DataPipeError::PeerClosed);
        }
        self.0.begin_two_phase(state)
    }

    /// Ends a two-phase write; the first `num_bytes` of the window are written. The phase is over even if that
    /// is more than was offered or no whole number of elements, and then nothing is written.
    pub fn end_write(&self, num_bytes: u32) -> Result<(), DataPipeError> {
        self.0.end_two_phase(num_bytes)
    }

    /// Copies into the window of the two-phase write in progress.
    pub fn fill(&self, offset: u32, bytes: &[u8]) -> Result<(), DataPipeError> {
        let at = self.0.place_in_window(offset, bytes.len())?;
        self.0.ring.mapping.write(at, bytes).map_err(|_| DataPipeError::OutOfRange)
    }

    /// Has the system read up to `len` bytes from a descriptor into the window of the two-phase write in progress. Returns
    /// how many came; 0 at the end.
    ///
    /// # Errors
    /// `InvalidInput` if there is no such window, or what the system says.
    pub fn fill_from(&self, offset: u32, len: usize, source: BorrowedFd<'_>) -> io::Result<usize> {
        let at = self.0.place_in_window(offset, len).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.0.ring.mapping.read_from(at, len, source)
    }
}

impl Consumer {
    pub(crate) fn from_end(end: Arc<End>) -> Self {
        Self(end)
    }

    pub(crate) fn end(&self) -> &Arc<End> {
        &self.0
    }

    /// Closes the end for everyone who refers to it.
    pub fn close(&self) {
        self.0.close();
    }

    /// The size of an element in bytes.
    pub fn element_num_bytes(&self) -> u32 {
        self.0.ring.element
    }

    /// How many bytes the pipe holds.
    pub fn capacity_num_bytes(&self) -> u32 {
        self.0.ring.capacity
    }

    /// The present signals.
    pub fn signals(&self) -> SignalsState {
        self.0.signals_if_open().unwrap_or_default()
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
        let wanted = match &into {
            ReadInto::Consume(bytes) | ReadInto::Peek(bytes) => bytes.len(),
            ReadInto::Discard(amount) => *amount as usize,
        };
        let (mut state, amount) = self.find(wanted, all_or_none)?;
        state.asked_at = state.peer;
        let consumed = match into {
            ReadInto::Consume(bytes) => {
                self.0.ring.copy_out(state.own, bytes.get_mut(..amount as usize).unwrap_or_default());
                amount
            }
            ReadInto::Peek(bytes) => {
                self.0.ring.copy_out(state.own, bytes.get_mut(..amount as usize).unwrap_or_default());
                0
            }
            ReadInto::Discard(_) => amount,
        };
        self.0.advance(state, consumed);
        Ok(amount)
    }

    /// What [`read`](Self::read) would answer. If that is no failure, new data stays new.
    pub fn check_read(&self, num_bytes: u32, all_or_none: bool) -> Result<(), DataPipeError> {
        self.find(num_bytes as usize, all_or_none).map(drop)
    }

    /// How many bytes a read of `wanted` would get.
    fn find(&self, wanted: usize, all_or_none: bool) -> Result<(MutexGuard<'_, State>, u32), DataPipeError> {
        let (mut state, peer_closed) = self.0.look()?;
        let ring = &self.0.ring;
        if state.two_phase.is_some() {
            return Err(DataPipeError::Busy);
        }
        if !wanted.is_multiple_of(ring.element as usize) {
            return Err(DataPipeError::InvalidArgument);
        }
        let available = state.amount(ring, Role::Consumer);
        let amount = u32::try_from(wanted).unwrap_or(u32::MAX).min(available);
        let failure = if all_or_none && wanted > available as usize {
            DataPipeError::OutOfRange
        } else if amount == 0 {
            DataPipeError::ShouldWait
        } else {
            return Ok((state, amount));
        };
        state.asked_at = state.peer;
        drop(state);
        self.0.evaluate(&mut Deferred::new());
        Err(if peer_closed { DataPipeError::PeerClosed } else { failure })
    }

    /// Lays open the largest contiguous piece of data, until [`end_read`](Self::end_read).
    pub fn begin_read(&self) -> Result<Window, DataPipeError> {
        let (mut state, peer_closed) = self.0.look()?;
        if state.two_phase.is_some() {
            return Err(DataPipeError::Busy);
        }
        state.asked_at = state.peer;
        match self.0.begin_two_phase(state) {
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
        let at = self.0.place_in_window(offset, bytes.len())?;
        self.0.ring.mapping.read(at, bytes).map_err(|_| DataPipeError::OutOfRange)
    }

    /// Has the system write up to `len` bytes of the window of the two-phase read in progress to a descriptor. Returns how
    /// many went.
    ///
    /// # Errors
    /// `InvalidInput` if there is no such window, or what the system says.
    pub fn copy_to(&self, offset: u32, len: usize, target: BorrowedFd<'_>) -> io::Result<usize> {
        let at = self.0.place_in_window(offset, len).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.0.ring.mapping.write_to(at, len, target)
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
