//! The order in which locks may be taken, and its debug-only enforcement.

/// The place of a lock in the global order; a thread only goes upward (later variants).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A message object reachable through a C message handle.
    Message,
    /// Who does the I/O of a C program.
    Driver,
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

    // While a thread ends it has no list any more, and what it locks then goes unchecked.

    pub(crate) fn push(rank: Rank, order: super::Order) {
        let _ = HELD.try_with(|held| {
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
        let _ = HELD.try_with(|held| {
            let mut held = held.borrow_mut();
            if let Some(at) = held.iter().rposition(|r| *r == rank) {
                held.remove(at);
            }
        });
    }

    pub(crate) fn none() -> bool {
        HELD.try_with(|held| held.borrow().is_empty()).unwrap_or(true)
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
    pub(crate) fn acquire(self, order: Order) -> Held {
        #[cfg(debug_assertions)]
        held::push(self.rank, order);
        Held(self)
    }
}

/// That the calling thread holds a lock, until dropped.
pub struct Held(#[cfg_attr(not(debug_assertions), allow(dead_code))] Ranked);

impl Held {
    /// Notes that the calling thread holds a lock that is none of this crate's, but has a rank all the same.
    ///
    /// In debug builds, panics if the thread holds a lock of this rank or a higher one; otherwise does nothing.
    pub fn new(rank: Rank) -> Self {
        Ranked::new(rank).acquire(Order::Above)
    }
}

#[cfg(debug_assertions)]
impl Drop for Held {
    fn drop(&mut self) {
        held::pop(self.0.rank);
    }
}

/// Panics in debug builds if the calling thread holds any ranked lock; does nothing in release builds.
///
/// Called wherever foreign code (callbacks, serializers, destructors, wakers) is about to run.
pub fn assert_unlocked() {
    #[cfg(debug_assertions)]
    assert!(held::none(), "foreign code would run under a lock");
}
