//! One end of a data pipe: its private indices, and how it keeps up with the other end.

use super::ring::Ring;
use super::{DataPipeError, Role, Window};
use crate::deferred::Deferred;
use crate::message::Message;
use crate::node::apply;
use crate::object::TransitError;
use crate::observe::Observers;
use crate::pipe::{Port, apply_sent};
use crate::signals::{Signals, SignalsState};
use crate::words::{request, seen, show};
use libmojo_sync::{Arc, Mutex, MutexGuard, Rank, Weak};

/// The highest index at which an end can begin: nobody lives to see what lies between this and the end of all indices.
const MAX_FIRST_INDEX: u64 = u64::MAX / 2;

/// One end of a data pipe.
pub(crate) struct End {
    role: Role,
    pub(super) ring: Arc<Ring>,
    control: Port,
    observers: Observers,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    place: Place,
    /// This end's index; what stands in the ring is a copy for the other end.
    pub(super) own: u64,
    /// The other end's index as last seen and checked.
    pub(super) peer: u64,
    /// For a consumer: `peer` when data was last asked for. What came later is new.
    pub(super) asked_at: u64,
    /// What the two-phase operation in progress has offered, in bytes.
    pub(super) two_phase: Option<u32>,
    /// The other end has written nonsense into the ring.
    is_corrupt: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Open,
    InMessage,
    Closed,
}

/// Hears of what happens at a data pipe end's control port.
pub(crate) trait ControlHook: Send + Sync {
    fn control_changed(&self, deferred: &mut Deferred);

    /// What the end shows of itself, and how many observers it has.
    fn inspect(&self) -> (DataPipeSnapshot, usize);
}

/// An end of a data pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DataPipeSnapshot {
    /// It is the end that writes.
    pub is_producer: bool,
    /// How many bytes the pipe holds.
    pub capacity: u32,
    /// How many bytes were written, or read, since the pipe was made, here or where the end was before.
    pub moved: u64,
    /// How many bytes wait to be read. What the process at the other end says of itself is taken on trust.
    pub unread: u32,
}

impl State {
    /// Looks at the other end's index.
    pub(super) fn look(&mut self, ring: &Ring, role: Role) {
        if self.is_corrupt {
            return;
        }
        let (newest, lowest, highest) = match role {
            Role::Consumer => {
                let highest = self.own.saturating_add(u64::from(ring.capacity));
                (seen(ring.index(Role::Producer)), self.peer, highest)
            }
            Role::Producer => (seen(ring.index(Role::Consumer)), self.peer, self.own),
        };
        let is_whole = newest % u64::from(ring.element) == 0;
        if (lowest..=highest).contains(&newest) && is_whole {
            self.peer = newest;
        } else {
            self.is_corrupt = true;
        }
    }

    /// Bytes that can be read, or room for bytes that can be written.
    pub(super) fn amount(&self, ring: &Ring, role: Role) -> u32 {
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

    /// True if there is nothing to hear of at the moment.
    fn is_idle(&self, ring: &Ring, role: Role) -> bool {
        !self.is_corrupt
            && match role {
                Role::Consumer => !self.has_new(),
                Role::Producer => self.amount(ring, role) == 0,
            }
    }

    fn has_new(&self) -> bool {
        self.peer > self.asked_at
    }
}

impl End {
    pub(super) fn new(role: Role, ring: Arc<Ring>, control: Port, own: u64, place: Place) -> Arc<Self> {
        // The peer's index is taken on trust once, from what this end's own index allows.
        let peer = match role {
            Role::Consumer => own,
            Role::Producer => own.saturating_sub(u64::from(ring.capacity)),
        };
        // An index of its own that another process has given to it.
        let is_corrupt = own > MAX_FIRST_INDEX || !own.is_multiple_of(ring.element.into());
        let state = State { place, own, peer, asked_at: own, two_phase: None, is_corrupt };
        let end = Arc::new(Self {
            role,
            ring,
            control,
            observers: Observers::default(),
            state: Mutex::new(Rank::Object, state),
        });
        let hook: Weak<dyn ControlHook> = Arc::downgrade(&(end.clone() as Arc<dyn ControlHook>));
        let _ = end.control.data().hook.set(Box::new(hook));
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
    pub(super) fn look(&self) -> Result<(MutexGuard<'_, State>, bool), DataPipeError> {
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

    /// The present signals, if the end is neither closed nor inside a message.
    pub(crate) fn signals_if_open(&self) -> Option<SignalsState> {
        let (state, peer_closed) = self.look().ok()?;
        let is_remote = !peer_closed && self.control.status().peer_remote;
        let closed = Signals::PEER_CLOSED.when(peer_closed);
        let remote = Signals::PEER_REMOTE.when(is_remote);
        let possibly_remote = Signals::PEER_REMOTE.when(!peer_closed);
        let amount = state.amount(&self.ring, self.role);
        let is_ready = amount > 0 && state.two_phase.is_none();
        Some(match self.role {
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
        })
    }

    /// Moves this end's index by `amount` and lets the other end know if it wants to.
    pub(super) fn advance(&self, mut state: MutexGuard<'_, State>, amount: u32) {
        state.own += u64::from(amount);
        show(self.ring.index(self.role), state.own);
        drop(state);
        let wants = self.ring.wants(if self.role == Role::Producer { Role::Consumer } else { Role::Producer });
        let mut deferred = Deferred::new();
        if request::take(wants, || true) {
            let node = self.control.node();
            if let Ok(sent) = node.send(&self.control, Message::with_payload(&[])) {
                apply_sent(&self.control, sent, &mut deferred);
            }
        }
        self.evaluate(&mut deferred);
    }

    /// Tells the observers that something may have changed, and asks to be poked for what they then wait for.
    pub(crate) fn evaluate(&self, deferred: &mut Deferred) {
        while self.observers.any() {
            let was_idle = self.state.lock().is_idle(&self.ring, self.role);
            self.observers.notify(deferred);
            if !self.has_changed_while_asking(was_idle) {
                return;
            }
        }
    }

    /// Raises this end's flag if there is nothing more for it to hear of at the moment. True if just then there
    /// was, or since it was idle before the observers were told: one of them, or anybody else, may have been the first to
    /// look, and then the others do not know.
    fn has_changed_while_asking(&self, was_idle: bool) -> bool {
        let mut state = self.state.lock();
        if state.place != Place::Open {
            return false;
        }
        if !state.is_idle(&self.ring, self.role) {
            return was_idle;
        }
        request::ask(self.ring.wants(self.role), || state.look(&self.ring, self.role));
        !state.is_idle(&self.ring, self.role)
    }

    /// Lays open what is there in one piece, if anything.
    pub(super) fn begin_two_phase(&self, mut state: MutexGuard<'_, State>) -> Result<Window, DataPipeError> {
        let num_bytes = state.contiguous(&self.ring, self.role);
        let address = self.ring.mapping.as_ptr().wrapping_add(self.ring.place(state.own).0);
        state.two_phase = (num_bytes > 0).then_some(num_bytes);
        drop(state);
        self.evaluate(&mut Deferred::new());
        if num_bytes > 0 { Ok(Window { address, num_bytes }) } else { Err(DataPipeError::ShouldWait) }
    }

    /// Where the window of the two-phase operation in progress begins in the mapping, and its size.
    pub(crate) fn window(&self) -> Result<(usize, u32), DataPipeError> {
        let state = self.state.lock();
        let offered = state.two_phase.ok_or(DataPipeError::FailedPrecondition)?;
        Ok((self.ring.place(state.own).0, offered))
    }

    /// Where in the mapping a range of that window lies.
    pub(super) fn place_in_window(&self, offset: u32, len: usize) -> Result<usize, DataPipeError> {
        let (at, offered) = self.window()?;
        if u64::from(offset).saturating_add(len as u64) > u64::from(offered) {
            return Err(DataPipeError::OutOfRange);
        }
        Ok(at + offset as usize)
    }

    /// Ends a two-phase operation of which `used` bytes were used.
    pub(super) fn end_two_phase(&self, used: u32) -> Result<(), DataPipeError> {
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

    /// All data that is there counts as new to whoever got the end.
    pub(crate) fn forget_what_was_seen(&self) {
        let mut state = self.state.lock();
        state.asked_at = state.own;
    }

    pub(crate) fn end_transit(&self, deferred: &mut Deferred) {
        let mut state = self.state.lock();
        if state.place == Place::InMessage {
            state.place = Place::Open;
            self.control.node().end_transit(&self.control);
        }
        drop(state);
        self.evaluate(deferred);
    }
}

impl ControlHook for End {
    fn control_changed(&self, deferred: &mut Deferred) {
        // A poke says nothing but "look".
        while self.control.node().receive(&self.control).is_ok() {}
        self.evaluate(deferred);
    }

    fn inspect(&self) -> (DataPipeSnapshot, usize) {
        let (own, ring) = (self.index(), &self.ring);
        let unread = match self.role {
            Role::Consumer => seen(ring.index(Role::Producer)).saturating_sub(own),
            Role::Producer => own.saturating_sub(seen(ring.index(Role::Consumer))),
        };
        let shown = DataPipeSnapshot {
            is_producer: self.role == Role::Producer,
            capacity: ring.capacity,
            moved: own,
            unread: u32::try_from(unread).unwrap_or(u32::MAX).min(ring.capacity),
        };
        (shown, self.observers.len())
    }
}
