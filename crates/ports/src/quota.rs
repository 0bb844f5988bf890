//! Quotas: how many messages, and how many bytes of them, may wait at the other end or at this one.
//!
//! An end that has a quota on what it sends counts that, and asks the other end, with a [meter](crate::Body::Meter), to
//! return [credit](crate::Body::Credit) for what is taken there. Credit comes in steps of half the quota, so a pipe that
//! is busy says little, and an end that waits is always told in time. A quota on what is unread at an end needs no words.

use crate::log::Log;

/// A number of messages, and of the bytes of their payloads. A message with a context has no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Amount {
    /// How many messages.
    pub messages: u64,
    /// How many bytes in all.
    pub bytes: u64,
}

impl Amount {
    /// Nothing.
    pub const NONE: Amount = Amount { messages: 0, bytes: 0 };
    /// As a limit: none.
    pub const UNLIMITED: Amount = Amount { messages: u64::MAX, bytes: u64::MAX };

    pub(crate) fn add(&mut self, other: Amount) {
        self.messages = self.messages.saturating_add(other.messages);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// True if there is as much as that of either.
    pub fn reaches(self, limit: Amount) -> bool {
        self.messages >= limit.messages || self.bytes >= limit.bytes
    }

    /// True if there is more than that of either.
    pub fn exceeds(self, limit: Amount) -> bool {
        self.messages > limit.messages || self.bytes > limit.bytes
    }

    /// As a limit: so many messages, of any size.
    pub const fn messages(messages: u64) -> Self {
        Amount { messages, bytes: u64::MAX }
    }

    /// As a limit: so many bytes, in any number of messages.
    pub const fn bytes(bytes: u64) -> Self {
        Amount { messages: u64::MAX, bytes }
    }

    fn min(self, other: Amount) -> Amount {
        Amount { messages: self.messages.min(other.messages), bytes: self.bytes.min(other.bytes) }
    }
}

/// Up to where something may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    /// Once this is reached, nothing is added.
    pub enforced: Amount,
    /// If there is more than this, that is [said](crate::Status::is_over_quota), and no more.
    pub reported: Amount,
}

impl Quota {
    /// No limit of either sort.
    pub const NONE: Quota = Quota { enforced: Amount::UNLIMITED, reported: Amount::UNLIMITED };

    /// A limit that is kept.
    pub const fn enforced(enforced: Amount) -> Self {
        Quota { enforced, reported: Amount::UNLIMITED }
    }

    /// A limit that is watched only.
    pub const fn reported(reported: Amount) -> Self {
        Quota { enforced: Amount::UNLIMITED, reported }
    }
}

impl Default for Quota {
    fn default() -> Self {
        Quota::NONE
    }
}

/// The quotas of one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Quotas {
    /// On what was sent from the end and is not taken at the other. Sending is refused at the enforced limit, which can
    /// be overrun by the last message's bytes. Moves with the end, but for what is merely reported.
    pub sent: Quota,
    /// On what is unread at the end. The pipe is closed if more comes when the enforced limit is reached. Moves with the
    /// end, but for what is merely reported.
    pub unread: Quota,
}

/// How much of its quotas an end has used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Usage {
    /// What was sent and for which no credit has come yet. Counted only from when there first was a quota on it.
    pub sent: Amount,
    /// What is unread.
    pub unread: Amount,
}

/// The sending side of an end that has, or had, a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sending {
    pub(crate) quota: Quota,
    /// What was sent and for which no credit has come.
    pub(crate) used: Amount,
}

impl Sending {
    pub(crate) fn new(quota: Quota) -> Self {
        Self { quota, used: Amount::NONE }
    }

    /// As it arrives in another node.
    pub fn from_parts(enforced: Amount, used: Amount) -> Self {
        Self { quota: Quota::enforced(enforced), used }
    }

    pub(crate) fn moved(&self) -> Self {
        Self::from_parts(self.quota.enforced, self.used)
    }

    /// What another node is told: the enforced limit, and how much of it is used.
    pub fn parts(&self) -> (Amount, Amount) {
        (self.quota.enforced, self.used)
    }

    /// Of how much credit is returned at a time.
    pub(crate) fn step(&self) -> Amount {
        let limit = self.quota.enforced.min(self.quota.reported);
        let half = |limit: u64| limit.div_ceil(2).max(1);
        Amount { messages: half(limit.messages), bytes: half(limit.bytes) }
    }

    /// True if nothing can be sent at present.
    pub(crate) fn is_used_up(&self) -> bool {
        self.used.reaches(self.quota.enforced)
    }

    /// True if the bytes of a message must be known when it is sent.
    pub(crate) fn counts_bytes(&self) -> bool {
        self.quota.enforced.bytes != u64::MAX
    }

    /// Takes credit. False if it is for more messages than were sent.
    pub(crate) fn take_credit(&mut self, credit: Amount) -> bool {
        let Some(messages) = self.used.messages.checked_sub(credit.messages) else { return false };
        // A context that was sent has no bytes, and may have some when it is taken.
        let bytes = if messages == 0 { 0 } else { self.used.bytes.saturating_sub(credit.bytes) };
        self.used = Amount { messages, bytes };
        true
    }
}

/// The counting that the other end has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Meter {
    /// Of how much credit is returned at a time.
    pub step: Amount,
    /// How many more messages are taken that are not counted.
    pub uncounted: u64,
    /// What was taken and for which no credit was returned yet.
    pub taken: Amount,
}

impl Meter {
    pub(crate) fn is_due(&self) -> bool {
        self.taken.messages > 0 && self.taken.reaches(self.step)
    }
}

/// The receiving side of an end that has, or had, a quota, or whose other end has, or that is labelled.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Receiving {
    pub(crate) quota: Quota,
    pub(crate) meter: Option<Meter>,
    /// The bytes of what is unread.
    pub(crate) unread_bytes: u64,
    /// Set if the end is labelled. Both directions: what is here is not in the way of ends of which nothing is written down.
    pub(crate) log: Option<Box<Log>>,
}

impl Receiving {
    /// As it arrives in another node, where nothing is unread yet.
    pub fn from_parts(enforced: Amount, meter: Option<Meter>) -> Self {
        Self { quota: Quota::enforced(enforced), meter, ..Self::default() }
    }

    pub(crate) fn moved(&self) -> Self {
        Self::from_parts(self.quota.enforced, self.meter)
    }

    /// What another node is told: the enforced limit, and what the other end has asked for.
    pub fn parts(&self) -> (Amount, Option<Meter>) {
        (self.quota.enforced, self.meter)
    }

    /// Counts a message that has come.
    pub(crate) fn note_unread(&mut self, bytes: u64) {
        self.unread_bytes = self.unread_bytes.saturating_add(bytes);
        if let Some(log) = &mut self.log {
            log.note_unread(bytes);
        }
    }

    /// Counts a message that was taken. True if credit is due.
    pub(crate) fn note_taken(&mut self, bytes: u64) -> bool {
        self.unread_bytes = self.unread_bytes.saturating_sub(bytes);
        if let Some(log) = &mut self.log {
            log.note_taken();
        }
        let Some(meter) = &mut self.meter else { return false };
        if meter.uncounted > 0 {
            meter.uncounted -= 1;
            return false;
        }
        meter.taken.add(Amount { messages: 1, bytes });
        meter.is_due()
    }
}

/// In a port that is leaving: what the new port, once it exists, has to be told before anything else.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Belated {
    pub(crate) credit: Amount,
    pub(crate) meter: Option<(Amount, Option<u64>)>,
}

impl Belated {
    /// Notes a [meter](crate::Body::Meter) that has come behind so many messages which wait as well.
    pub(crate) fn note_meter(&mut self, step: Amount, uncounted: Option<u64>, num_waiting: u64) {
        let begins = uncounted.map(|uncounted| uncounted.saturating_add(num_waiting));
        self.meter = Some((step, begins.or(self.meter.and_then(|(_, uncounted)| uncounted))));
    }
}
