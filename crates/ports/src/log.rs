//! What is written down of an end that somebody has given a label.

use crate::Amount;
use std::collections::VecDeque;
use std::time::Instant;

/// The traffic of a labelled end, from when it was labelled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Log {
    pub(crate) label: Box<str>,
    pub(crate) sent: Amount,
    pub(crate) received: Amount,
    /// When what is unread has come, oldest first; not before the label.
    arrivals: VecDeque<Instant>,
}

impl Log {
    pub(crate) fn new(label: &str, num_unread: usize) -> Self {
        let arrivals = std::iter::repeat_n(Instant::now(), num_unread).collect();
        Self { label: label.into(), sent: Amount::NONE, received: Amount::NONE, arrivals }
    }

    pub(crate) fn note_unread(&mut self, bytes: u64) {
        self.received.add(Amount { messages: 1, bytes });
        self.arrivals.push_back(Instant::now());
    }

    pub(crate) fn note_taken(&mut self) {
        self.arrivals.pop_front();
    }

    /// When the oldest message that is unread has come.
    pub(crate) fn unread_since(&self) -> Option<Instant> {
        self.arrivals.front().copied()
    }
}
