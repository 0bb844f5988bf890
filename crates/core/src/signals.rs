//! Signals: the conditions of a pipe end that can be queried, waited for and watched.

use std::fmt;
use std::ops::{BitAnd, BitAndAssign, BitOr, BitOrAssign, Not};

/// A set of signals. The bits are those of the C API.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Signals(u32);

impl Signals {
    /// No signal.
    pub const NONE: Signals = Signals(0);
    /// A message, or data, can be read.
    pub const READABLE: Signals = Signals(1);
    /// A message, or data, can be written.
    pub const WRITABLE: Signals = Signals(1 << 1);
    /// The other end is closed or lost.
    pub const PEER_CLOSED: Signals = Signals(1 << 2);
    /// Data has arrived at a data pipe's consumer since it was last read from.
    pub const NEW_DATA_READABLE: Signals = Signals(1 << 3);
    /// The other end is in another process.
    pub const PEER_REMOTE: Signals = Signals(1 << 4);

    /// More is unread, or not taken at the other end, than a [quota](crate::pipe::Quotas) that is only reported allows.
    pub const QUOTA_EXCEEDED: Signals = Signals(1 << 5);

    /// The set with the given bits; bits without a meaning are kept and never satisfied.
    pub const fn from_bits(bits: u32) -> Self {
        Signals(bits)
    }

    /// The bits of the set.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// True if there is no signal in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True if every signal of `other` is in this set.
    pub const fn contains(self, other: Signals) -> bool {
        self.0 & other.0 == other.0
    }

    /// True if some signal is in both sets.
    pub const fn intersects(self, other: Signals) -> bool {
        self.0 & other.0 != 0
    }

    /// This set if `condition` holds, else the empty one.
    pub const fn when(self, condition: bool) -> Self {
        if condition { self } else { Signals::NONE }
    }
}

impl BitOr for Signals {
    type Output = Signals;
    fn bitor(self, other: Signals) -> Signals {
        Signals(self.0 | other.0)
    }
}

impl BitOrAssign for Signals {
    fn bitor_assign(&mut self, other: Signals) {
        self.0 |= other.0;
    }
}

impl BitAnd for Signals {
    type Output = Signals;
    fn bitand(self, other: Signals) -> Signals {
        Signals(self.0 & other.0)
    }
}

impl BitAndAssign for Signals {
    fn bitand_assign(&mut self, other: Signals) {
        self.0 &= other.0;
    }
}

impl Not for Signals {
    type Output = Signals;
    fn not(self) -> Signals {
        Signals(!self.0)
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("NONE");
        }
        let names = [
            (Signals::READABLE, "READABLE"),
            (Signals::WRITABLE, "WRITABLE"),
            (Signals::PEER_CLOSED, "PEER_CLOSED"),
            (Signals::NEW_DATA_READABLE, "NEW_DATA_READABLE"),
            (Signals::PEER_REMOTE, "PEER_REMOTE"),
            (Signals::QUOTA_EXCEEDED, "QUOTA_EXCEEDED"),
        ];
        let mut others = *self;
        let mut separator = "";
        for (signal, name) in names.into_iter().filter(|(signal, _)| self.contains(*signal)) {
            write!(f, "{separator}{name}")?;
            others &= !signal;
            separator = "|";
        }
        if others.is_empty() { Ok(()) } else { write!(f, "{separator}{:#x}", others.0) }
    }
}

/// The signals of an object at one moment.
///
/// What is satisfied is always satisfiable, and a signal that has left `satisfiable` never returns to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SignalsState {
    /// Signals that are raised.
    pub satisfied: Signals,
    /// Signals that are raised or can still come to be.
    pub satisfiable: Signals,
}

impl SignalsState {
    /// The state as it looks to someone from whom some signals are hidden.
    pub fn without(self, hidden: Signals) -> Self {
        Self { satisfied: self.satisfied & !hidden, satisfiable: self.satisfiable & !hidden }
    }

    /// What this state means to someone who waits for a condition of some signals; `None` if nothing yet.
    pub fn readiness_for(self, condition: Condition, signals: Signals) -> Option<Readiness> {
        match condition {
            Condition::Satisfied => self.readiness(signals),
            Condition::Unsatisfied => (!self.satisfied.contains(signals)).then_some(Readiness::Satisfied),
        }
    }

    /// What this state means to someone who is interested in any of `signals`; `None` if nothing yet.
    pub fn readiness(self, signals: Signals) -> Option<Readiness> {
        if self.satisfied.intersects(signals) {
            Some(Readiness::Satisfied)
        } else if !self.satisfiable.intersects(signals) {
            Some(Readiness::Unsatisfiable)
        } else {
            None
        }
    }
}

/// What of some signals is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Condition {
    /// That at least one of them is raised.
    #[default]
    Satisfied,
    /// That at least one of them is not. It can always come to be, unless there are none.
    Unsatisfied,
}

/// Why someone who is interested in some signals need not wait any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// What is waited for has come to be.
    Satisfied,
    /// None of the signals can ever be raised again.
    Unsatisfiable,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_shown_with_all_that_is_in_it() {
        let shown = |signals: Signals| format!("{signals:?}");
        assert_eq!(shown(Signals::NONE), "NONE");
        assert_eq!(shown(Signals::READABLE | Signals::QUOTA_EXCEEDED), "READABLE|QUOTA_EXCEEDED");
        assert_eq!(shown(Signals::from_bits(0x101)), "READABLE|0x100");
        assert_eq!(shown(Signals::from_bits(0x100)), "0x100");
    }

    #[test]
    fn readiness_prefers_satisfied_and_an_empty_mask_is_never_satisfiable() {
        let state = SignalsState { satisfied: Signals::WRITABLE, satisfiable: Signals::WRITABLE | Signals::READABLE };
        assert_eq!(state.readiness(Signals::WRITABLE | Signals::PEER_CLOSED), Some(Readiness::Satisfied));
        assert_eq!(state.readiness(Signals::READABLE), None);
        assert_eq!(state.readiness(Signals::PEER_CLOSED), Some(Readiness::Unsatisfiable));
        assert_eq!(state.readiness(Signals::NONE), Some(Readiness::Unsatisfiable));
    }

    #[test]
    fn that_signals_are_not_raised_is_ready_until_all_are_and_never_hopeless() {
        let state = SignalsState { satisfied: Signals::WRITABLE, satisfiable: Signals::WRITABLE };
        let readiness = |signals| state.readiness_for(Condition::Unsatisfied, signals);
        assert_eq!(readiness(Signals::WRITABLE), None);
        assert_eq!(readiness(Signals::WRITABLE | Signals::READABLE), Some(Readiness::Satisfied));
        assert_eq!(readiness(Signals::READABLE), Some(Readiness::Satisfied));
        assert_eq!(readiness(Signals::NONE), None);
    }
}
