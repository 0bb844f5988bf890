//! Puts frames together from what a socket delivers.

use super::frame::{DESCRIPTORS, HEADER_BYTES, Header, InFrame, WireError, violation};
use super::partial::Partial;
use crate::limits::MAX_FRAME_DESCRIPTORS;
use libmojo_platform::{MAX_DESCRIPTORS_PER_SEND, Socket};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

/// How much is read at a time, except into large payloads.
const BUFFER_BYTES: usize = 64 << 10;

/// How much of that is kept once frames come through shared memory.
const SMALL_BUFFER_BYTES: usize = 512;

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
                let outcome = socket.recv(partial.room(), &mut descriptors);
                if let Ok(received) = &outcome {
                    partial.note_arrival(received.bytes);
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
    pub(super) fn next_frame(&mut self) -> Result<Option<InFrame<'static>>, WireError> {
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
                    if header.is_bulk {
                        return violation("a frame on the socket that says it is not there");
                    }
                    self.partial = Some(Partial::new(header));
                    continue;
                }
            };
            let taken = partial.take(arrived);
            self.start += taken;
            if partial.missing() > 0 {
                return self.nothing_yet();
            }
            let Some(partial) = self.partial.take() else { return Ok(None) };
            return self.complete(partial).map(Some);
        }
    }

    /// Says that there is no whole frame. Descriptors come with the header that announces them, so they can only
    /// be waiting if that header is, incomplete.
    fn nothing_yet(&self) -> Result<Option<InFrame<'static>>, WireError> {
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

    fn complete(&mut self, partial: Partial) -> Result<InFrame<'static>, WireError> {
        let descriptors = self.take_descriptors(partial.header().descriptors)?;
        Ok(partial.complete(descriptors))
    }

    /// How many descriptors have come that no frame has taken.
    pub(super) fn num_descriptors(&self) -> usize {
        self.descriptors.len()
    }

    /// Takes the descriptors that belong to a frame.
    pub(super) fn take_descriptors(&mut self, num: usize) -> Result<Vec<Option<OwnedFd>>, WireError> {
        let came = self.descriptors.len();
        if num > came {
            return violation(format!("a frame needs {num} descriptors and {came} came"));
        }
        Ok(self.descriptors.drain(..num).collect())
    }

    /// Makes do with a small buffer: only descriptors and doorbells are still to come.
    pub(super) fn shrink(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end < SMALL_BUFFER_BYTES {
            self.buffer.truncate(SMALL_BUFFER_BYTES);
            self.buffer.shrink_to_fit();
        }
    }
}
