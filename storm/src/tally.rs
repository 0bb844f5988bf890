//! What was done, in numbers.

use std::fmt;
use std::ops::AddAssign;

/// What an actor, or all of them, have done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub sent: u64,
    pub received: u64,
    /// Buffers and descriptors whose contents were looked at.
    pub checked: u64,
    /// Bytes that were read from data pipes.
    pub streamed: u64,
    /// Ends that arrived inside a message.
    pub moved: u64,
    pub fused: u64,
    /// Ends whose other end was lost.
    pub cut: u64,
}

impl Tally {
    pub fn encode(&self) -> String {
        let Self { sent, received, checked, streamed, moved, fused, cut } = self;
        format!("{sent} {received} {checked} {streamed} {moved} {fused} {cut}")
    }

    /// Takes a tally from the front of a list of numbers.
    pub fn decode(numbers: &mut impl Iterator<Item = u64>) -> Self {
        let mut next = || numbers.next().unwrap();
        Self {
            sent: next(),
            received: next(),
            checked: next(),
            streamed: next(),
            moved: next(),
            fused: next(),
            cut: next(),
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.received += other.received;
        self.checked += other.checked;
        self.streamed += other.streamed;
        self.moved += other.moved;
        self.fused += other.fused;
        self.cut += other.cut;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, received, checked, streamed, moved, fused, cut } = self;
        write!(
            f,
            "{sent} messages sent, {received} received; {checked} attachments read, {streamed} bytes streamed; "
        )?;
        write!(f, "{moved} ends moved, {fused} fused, {cut} cut off")
    }
}
