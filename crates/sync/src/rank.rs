//! The order in which locks may be taken, and its debug-only enforcement.

/// The place of a lock in the global order; a thread only goes upward (later variants).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A message object reachable through a C message handle.
    Message,
    /// The slots and the free list of a C handle table.
    HandleTable,
    /// An invitation's named pipes.
    Invitation,
    /// A watcher's watches and its armed flag.
    Watcher,
    /// Who observes an object.
    Observers,
    /// One end of a data pipe, or another object with state of its own.
    Object,
    /// A port's routing state.
    Port,
    /// The table of named ports of a node.
    PortTable,
    /// The table of links of a node.
    Links,
    /// What a link has yet to write.
    Outgoing,
    /// A leaf: nothing is locked while it is held.
    Leaf,
}

#[cfg(debug_assertions)]
mod held {
    use super::Rank;
    use std::cell::RefCell;

    crate::thread_local! {
        static HELD: RefCell<Vec<Rank>> = const { RefCell::new(Vec::new()) };
    }

    pub(crate) fn push(rank: Rank, order: super::Order) {
        HELD.with(|held| {
            let mut held = held.borrow_mut();
            if let Some(&highest) = held.iter().max() {
                let allowed = match order {
                    super::Order::Above => rank > highest,
                    super::Order::Pair => rank >= highest && held.iter().filter(|r| **r == rank).count() < 2,
                };
                assert!(allowed, "lock of rank {rank:?} taken while {held:?} are held");
            }
            held.push(rank);
        });
    }

    pub(crate) fn pop(rank: Rank) {
        HELD.with(|held| {
            let mut held = held.borrow_mut();
            if let Some(at) = held.iter().rposition(|r| *r == rank) {
                held.remove(at);
            }
        });
    }

    pub(crate) fn none() -> bool {
        HELD.with(|held| held.borrow().is_empty())
    }
}

/// How a lock relates to those already held.
#[derive(Clone, Copy)]
pub(crate) enum Order {
    /// Strictly above all of them.
    Above,
    /// Above them, or the second of a pair of equal rank.
    Pair,
}

/// The rank of one mutex; empty in release builds.
#[derive(Clone, Copy)]
pub(crate) struct Ranked {
    #[cfg(debug_assertions)]
    rank: Rank,
}

impl Ranked {
    #[cfg_attr(not(debug_assertions), allow(unused_variables))]
    pub(crate) const fn new(rank: Rank) -> Self {
        Self {
            #[cfg(debug_assertions)]
            rank,
        }
    }

    #[cfg_attr(not(debug_assertions), allow(unused_variables))]
    pub(crate) fn acquire(self, order: Order) {
        #[cfg(debug_assertions)]
        held::push(self.rank, order);
    }

    pub(crate) fn release(self) {
        #[cfg(debug_assertions)]
        held::pop(self.rank);
    }
}

/// Panics in debug builds if the calling thread holds any ranked lock; does nothing in release builds.
///
/// Called wherever foreign code (callbacks, serializers, destructors, wakers) is about to run.
pub fn assert_unlocked() {
    #[cfg(debug_assertions)]
    assert!(held::none(), "foreign code would run under a lock");
}
