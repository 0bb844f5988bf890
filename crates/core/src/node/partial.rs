//! A frame of which only a part has arrived.

use super::frame::{Header, InFrame};
use crate::payload::Payload;
use std::borrow::Cow;
use std::os::fd::OwnedFd;

/// The least that a buffer grows by, in bytes, unless less is to come. Otherwise it grows by as much as has come: no more
/// is allocated because a peer merely announced it.
const LEAST_GROWTH: usize = 1 << 20;

/// A frame of which the header has arrived.
pub(super) struct Partial {
    header: Header,
    meta: Vec<u8>,
    payload: Payload,
    /// How much of the description has arrived; the rest of it is room for what comes.
    meta_have: usize,
}

impl Partial {
    pub(super) fn new(header: Header) -> Self {
        Self { header, meta: Vec::new(), payload: Payload::default(), meta_have: 0 }
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// How many bytes are still to come.
    pub(super) fn missing(&self) -> usize {
        self.header.meta_bytes - self.meta_have + self.header.payload_bytes - self.payload.len()
    }

    /// True if everything but payload has arrived, and not all of that.
    pub(super) fn wants_payload(&self) -> bool {
        self.meta_have == self.header.meta_bytes && self.payload.len() < self.header.payload_bytes
    }

    /// Room for what comes next; empty if nothing is missing. What is put there is to be [noted](Self::note_arrival).
    pub(super) fn room(&mut self) -> &mut [u8] {
        let more = |have: usize, all: usize| (all - have).min(have.max(LEAST_GROWTH));
        if self.meta_have < self.header.meta_bytes {
            let wanted = self.meta_have + more(self.meta_have, self.header.meta_bytes);
            self.meta.resize(self.meta.len().max(wanted), 0);
            return self.meta.get_mut(self.meta_have..).unwrap_or_default();
        }
        self.payload.room_for_arrival(more(self.payload.len(), self.header.payload_bytes))
    }

    /// Notes that so many bytes were put into the [room](Self::room).
    pub(super) fn note_arrival(&mut self, num_bytes: usize) {
        if self.meta_have < self.header.meta_bytes {
            self.meta_have += num_bytes;
        } else {
            self.payload.note_arrival(num_bytes);
        }
    }

    /// Takes what belongs to this frame from the front of `arrived`; returns how much that was.
    pub(super) fn take(&mut self, arrived: &[u8]) -> usize {
        let mut taken = 0;
        while let Some(rest) = arrived.get(taken..).filter(|rest| !rest.is_empty() && self.missing() > 0) {
            let room = self.room();
            let len = room.len().min(rest.len());
            if let (Some(to), Some(from)) = (room.get_mut(..len), rest.get(..len)) {
                to.copy_from_slice(from);
            }
            self.note_arrival(len);
            taken += len;
        }
        taken
    }

    /// The whole frame.
    pub(super) fn complete(self, descriptors: Vec<Option<OwnedFd>>) -> InFrame<'static> {
        InFrame { kind: self.header.kind, meta: Cow::Owned(self.meta), payload: self.payload, descriptors }
    }
}
