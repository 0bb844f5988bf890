//! Puts frames together from what a socket delivers.
//!
//! Nothing is allocated because a peer merely announced it: buffers grow with what has arrived.

use super::frame::{DESCRIPTORS, HEADER_BYTES, Header, InFrame, WireError, violation};
use crate::limits::MAX_FRAME_DESCRIPTORS;
use crate::payload::Payload;
use libmojo_platform::{MAX_DESCRIPTORS_PER_SEND, Socket};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

/// How much is read at a time, except into large payloads.
const BUFFER_BYTES: usize = 64 << 10;

/// The incoming side of one link.
pub(super) struct Reader {
    buffer: Vec<u8>,
    /// What of the buffer has not been looked at yet.
    start: usize,
    end: usize,
    partial: Option<Partial>,
    /// Descriptors whose announcing frame has not been looked at yet.
    batches: VecDeque<Batch>,
    /// Descriptors for frames to come.
    descriptors: VecDeque<Option<OwnedFd>>,
}

struct Batch {
    descriptors: Vec<OwnedFd>,
    /// This process had no room for all of them.
    is_truncated: bool,
}

/// A frame of which the header has arrived.
struct Partial {
    header: Header,
    meta: Vec<u8>,
    payload: Payload,
    /// How much of the payload has arrived; the rest of it is room for what comes.
    payload_have: usize,
}

/// What reading from the socket has brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Filled {
    Some,
    Nothing,
    /// The other side is gone, and everything it sent has been read.
    End,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            partial: None,
            batches: VecDeque::new(),
            descriptors: VecDeque::new(),
        }
    }

    /// Reads from the socket once, without waiting. All frames must have been taken before.
    pub(super) fn fill(&mut self, socket: &Socket) -> io::Result<Filled> {
        let mut descriptors = Vec::new();
        let outcome = match &mut self.partial {
            Some(partial) if partial.wants_payload() && self.start == self.end => {
                let room = partial.room();
                let outcome = socket.recv(room, &mut descriptors);
                if let Ok(received) = &outcome {
                    partial.payload_have += received.bytes;
                }
                outcome
            }
            _ => {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
                let end = self.end;
                let outcome = socket.recv(self.buffer.get_mut(end..).unwrap_or_default(), &mut descriptors);
                if let Ok(received) = &outcome {
                    self.end += received.bytes;
                }
                outcome
            }
        };
        let received = match outcome {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Filled::Nothing),
            Err(error) => return Err(error),
        };
        if !descriptors.is_empty() || received.descriptors_lost {
            self.batches.push_back(Batch { descriptors, is_truncated: received.descriptors_lost });
        }
        Ok(if received.bytes == 0 { Filled::End } else { Filled::Some })
    }

    /// True if the last frame is incomplete.
    pub(super) fn is_within_frame(&self) -> bool {
        self.partial.is_some() || self.start != self.end
    }

    /// Takes the next whole frame out of what was read.
    pub(super) fn next_frame(&mut self) -> Result<Option<InFrame>, WireError> {
        loop {
            let arrived = self.buffer.get(self.start..self.end).unwrap_or_default();
            let partial = match &mut self.partial {
                Some(partial) => partial,
                None => {
                    let Some((bytes, _)) = arrived.split_first_chunk::<HEADER_BYTES>() else {
                        return self.nothing_yet();
                    };
                    let header = Header::decode(*bytes)?;
                    self.start += HEADER_BYTES;
                    if header.kind == DESCRIPTORS {
                        self.take_batch(header)?;
                        continue;
                    }
                    let (meta, payload) = (Vec::new(), Payload::default());
                    self.partial = Some(Partial { header, meta, payload, payload_have: 0 });
                    continue;
                }
            };
            let taken = partial.take(arrived);
            self.start += taken;
            if !partial.is_complete() {
                return self.nothing_yet();
            }
            let Some(partial) = self.partial.take() else { return Ok(None) };
            return self.complete(partial).map(Some);
        }
    }

    /// Says that there is no whole frame. Descriptors come with the header that announces them, so they can only
    /// be waiting if that header is, incomplete.
    fn nothing_yet(&self) -> Result<Option<InFrame>, WireError> {
        let has_partial_header = self.partial.is_none() && self.start != self.end;
        if self.batches.is_empty() || has_partial_header {
            return Ok(None);
        }
        violation("descriptors that were not announced")
    }

    fn take_batch(&mut self, header: Header) -> Result<(), WireError> {
        if header.meta_bytes != 0 || header.payload_bytes != 0 || header.descriptors > MAX_DESCRIPTORS_PER_SEND {
            return violation("a batch of descriptors that carries something else");
        }
        let Some(batch) = self.batches.pop_front() else { return violation("announced descriptors did not come") };
        let (announced, came) = (header.descriptors, batch.descriptors.len());
        if came > announced || came < announced && !batch.is_truncated {
            return violation(format!("{came} descriptors instead of the announced {announced}"));
        }
        self.descriptors.extend(batch.descriptors.into_iter().map(Some));
        self.descriptors.extend((came..announced).map(|_| None));
        if self.descriptors.len() > MAX_FRAME_DESCRIPTORS {
            return violation("more descriptors than any frame can need");
        }
        Ok(())
    }

    fn complete(&mut self, mut partial: Partial) -> Result<InFrame, WireError> {
        if partial.header.descriptors > self.descriptors.len() {
            let (needed, came) = (partial.header.descriptors, self.descriptors.len());
            return violation(format!("a frame needs {needed} descriptors and {came} came"));
        }
        partial.payload.set_len(partial.header.payload_bytes);
        Ok(InFrame {
            kind: partial.header.kind,
            meta: partial.meta,
            payload: partial.payload,
            descriptors: self.descriptors.drain(..partial.header.descriptors).collect(),
        })
    }
}

impl Partial {
    fn wants_payload(&self) -> bool {
        self.meta.len() == self.header.meta_bytes && self.payload_have < self.header.payload_bytes
    }

    fn is_complete(&self) -> bool {
        self.meta.len() == self.header.meta_bytes && self.payload_have == self.header.payload_bytes
    }

    /// Room for more of the payload: as much again as has come, but not over the announced end.
    fn room(&mut self) -> &mut [u8] {
        let more = self.payload_have.max(BUFFER_BYTES);
        self.payload.set_len(self.header.payload_bytes.min(self.payload_have + more));
        self.payload.bytes_mut().get_mut(self.payload_have..).unwrap_or_default()
    }

    /// Takes what belongs to this frame from the front of `arrived`; returns how much that was.
    fn take(&mut self, arrived: &[u8]) -> usize {
        let for_meta = arrived.len().min(self.header.meta_bytes - self.meta.len());
        let (meta, rest) = arrived.split_at(for_meta);
        self.meta.extend_from_slice(meta);
        if !self.wants_payload() {
            return for_meta;
        }
        let for_payload = rest.len().min(self.header.payload_bytes - self.payload_have);
        self.payload.set_len(self.payload.len().max(self.payload_have + for_payload));
        let end = self.payload_have + for_payload;
        if let (Some(to), Some(from)) =
            (self.payload.bytes_mut().get_mut(self.payload_have..end), rest.get(..for_payload))
        {
            to.copy_from_slice(from);
        }
        self.payload_have = end;
        for_meta + for_payload
    }
}
