//! Frames: what links are made of, whatever carries them.
//!
//! A frame is a header of 16 bytes, a description, and a payload, all little-endian:
//!
//! | bytes | field |
//! |---|---|
//! | 0..2 | kind |
//! | 2..4 | flags: 1 if description and payload do not follow but come in the lane for large things |
//! | 4..8 | length of the description in bytes |
//! | 8..12 | length of the payload in bytes |
//! | 12..16 | how many descriptors belong to the frame |
//!
//! Descriptors travel ahead of the frame that they belong to, always over the socket, in frames of their own kind.
//! Frames of unknown kinds are skipped.

use crate::limits::{MAX_FRAME_DESCRIPTORS, MAX_FRAME_META_BYTES, max_message_bytes};
use crate::payload::Payload;
use libmojo_ports::PortName;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt;
use std::os::fd::OwnedFd;

/// The first frame each way: who speaks, and which versions of the protocol.
pub(super) const HELLO: u16 = 1;
/// Descriptors for a later frame: as many as it says come with its first byte.
pub(super) const DESCRIPTORS: u16 = 2;
/// From the inviter, once: the pipes of the invitation.
pub(super) const INVITATION: u16 = 3;
/// An event of the routing.
pub(super) const EVENT: u16 = 4;
/// From a node that passes things on for two others: do you have a link to the other one?
pub(super) const ASK: u16 = 5;
/// The answer: the links that there are.
pub(super) const KNOWN: u16 = 6;
/// From the same: here is a link to the other one, or, the link that you have is one to it.
pub(super) const MEET: u16 = 7;
/// The answer: whether the link is there.
pub(super) const MET: u16 = 8;
/// From the same: the other one has answered so too, and you may make use of it.
pub(super) const TALK: u16 = 9;
/// To the same: the link is gone, although I am not.
pub(super) const PARTED: u16 = 10;
/// To the same: what the other one sent me is bad.
pub(super) const REPORT: u16 = 11;
/// Over the socket, of a link with a region: look into it.
pub(super) const DOORBELL: u16 = 12;
/// An offer to go on in shared memory, whose descriptor comes with it.
pub(super) const REGION: u16 = 13;
/// The answer: whether the offer is taken. If so, everything that follows is in the region.
pub(super) const TAKEN: u16 = 14;
/// From the side that made the offer: everything that follows is in the region.
pub(super) const SWITCH: u16 = 15;

/// The size of a header.
pub(super) const HEADER_BYTES: usize = 16;

/// A frame's fixed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: u16,
    /// Description and payload come in the lane for large things.
    pub(super) is_bulk: bool,
    pub(super) meta_bytes: usize,
    pub(super) payload_bytes: usize,
    pub(super) descriptors: usize,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        // All three counts are bounded far below 2³² before a frame is made.
        let count = |count: usize| u128::from(u32::try_from(count).unwrap_or(u32::MAX));
        let fields = u128::from(self.kind)
            | u128::from(self.is_bulk) << 16
            | count(self.meta_bytes) << 32
            | count(self.payload_bytes) << 64
            | count(self.descriptors) << 96;
        fields.to_le_bytes()
    }

    /// Reads a header and holds it against the limits.
    pub(super) fn decode(bytes: [u8; HEADER_BYTES]) -> Result<Self, WireError> {
        let mut fields = Fields::new(&bytes);
        let (kind, flags) = (fields.u16()?, fields.u16()?);
        let header = Self {
            kind,
            is_bulk: flags & 1 != 0,
            meta_bytes: fields.count(MAX_FRAME_META_BYTES, "a frame's description")?,
            payload_bytes: fields.count(max_message_bytes(), "a frame's payload")?,
            descriptors: fields.count(MAX_FRAME_DESCRIPTORS, "a frame's descriptors")?,
        };
        Ok(header)
    }
}

/// The description of a frame to be sent. That of a message without attachments needs no allocation.
pub(super) type Meta = SmallVec<[u8; 64]>;

/// A frame to be sent.
pub(super) struct OutFrame {
    pub(super) kind: u16,
    pub(super) meta: Meta,
    pub(super) payload: Payload,
    pub(super) descriptors: Vec<OwnedFd>,
    /// How many more of its descriptors are on their way already.
    pub(super) num_sent_ahead: usize,
    /// The port whose events may not overtake each other; `None` if it matters to none.
    pub(super) to: Option<PortName>,
    /// The other side has to look at it, whether or not anybody there waits for messages.
    pub(super) is_urgent: bool,
}

impl OutFrame {
    /// A frame that is no event, without payload.
    pub(super) fn plain(kind: u16, meta: impl Into<Meta>) -> Self {
        let (meta, payload, descriptors) = (meta.into(), Payload::default(), Vec::new());
        Self { kind, meta, payload, descriptors, num_sent_ahead: 0, to: None, is_urgent: true }
    }

    /// The header, which says what belongs to the frame.
    pub(super) fn header(&self, is_bulk: bool) -> Header {
        Header {
            kind: self.kind,
            is_bulk,
            meta_bytes: self.meta.len(),
            payload_bytes: self.payload.len(),
            descriptors: self.num_sent_ahead + self.descriptors.len(),
        }
    }
}

/// A frame that has arrived.
pub(super) struct InFrame<'a> {
    pub(super) kind: u16,
    pub(super) meta: Cow<'a, [u8]>,
    pub(super) payload: Payload,
    /// `None` stands for a descriptor that this process had no room for.
    pub(super) descriptors: Vec<Option<OwnedFd>>,
}

/// How the other side broke the protocol: what was expected, or what is wrong with what came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WireError(pub(crate) String);

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn violation<T>(what: impl Into<String>) -> Result<T, WireError> {
    Err(WireError(what.into()))
}

/// Little-endian fields, read in order from bytes that a peer sent.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let Some((taken, rest)) = self.0.split_at_checked(len) else {
            return violation(format!("a frame ends {} bytes before its fields do", len - self.0.len()));
        };
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let bytes = self.bytes(N)?;
        bytes.try_into().map_err(|_| WireError("a field of another size".into()))
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16, WireError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, WireError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(super) fn u128(&mut self) -> Result<u128, WireError> {
        Ok(u128::from_le_bytes(self.array()?))
    }

    pub(super) fn bool(&mut self) -> Result<bool, WireError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => violation(format!("a truth value of {other}")),
        }
    }

    /// A 32-bit count that must not be over a limit.
    pub(super) fn count(&mut self, limit: usize, what: &str) -> Result<usize, WireError> {
        let count = self.u32()? as usize;
        if count > limit { violation(format!("{what}: {count}, over the limit of {limit}")) } else { Ok(count) }
    }

    /// Everything that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(super) fn end(&self) -> Result<(), WireError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            violation(format!("{} bytes behind a frame's last field", self.0.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_a_round_trip_and_limits_are_enforced() {
        let header = Header { kind: EVENT, is_bulk: true, meta_bytes: 70, payload_bytes: 1 << 20, descriptors: 3 };
        assert_eq!(Header::decode(header.encode()), Ok(header));
        for over in [
            Header { meta_bytes: MAX_FRAME_META_BYTES + 1, ..header },
            Header { payload_bytes: max_message_bytes() + 1, ..header },
            Header { descriptors: MAX_FRAME_DESCRIPTORS + 1, ..header },
        ] {
            assert!(Header::decode(over.encode()).is_err());
        }
    }

    #[test]
    fn fields_end_where_the_bytes_end() {
        let mut fields = Fields::new(&[1, 2, 3]);
        assert_eq!(fields.u16(), Ok(0x0201));
        assert!(fields.end().is_err());
        assert!(fields.u32().is_err());
        assert_eq!(fields.u8(), Ok(3));
        assert_eq!(fields.end(), Ok(()));
        assert!(Fields::new(&[2]).bool().is_err());
    }
}
