//! Puts frames together from what the other side writes into the lanes of a region.
//!
//! Frames have precedence over what is large, so that a small message on one pipe does not wait for a large one on
//! another; but only so many of them in a row, so that those that wait for a large one do not pile up.

use super::frame::{HEADER_BYTES, Header, InFrame, WireError, violation};
use super::partial::Partial;
use super::reader::Reader;
use super::region::{BULK_LANE_BYTES, FRAME_LANE_BYTES, LaneReader, Region};
use crate::payload::Payload;
use libmojo_platform::Socket;
use libmojo_sync::Arc;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;

/// Records in the lane for frames begin at multiples of this.
pub(super) const RECORD_ALIGN: usize = 16;

/// What stands in place of description and payload if these are in the lane for large things: the index there.
pub(super) const BULK_INDEX_BYTES: usize = 8;

/// How much of a frame is copied at once, before it is known what that is.
const BEGINNING_BYTES: usize = 64;

/// How much is copied out of the lane for large things before the writer is told, and frames are looked at again.
const PIECE_BYTES: usize = 64 << 10;

/// How many frames are taken in a row while something large is there to be copied.
const FRAMES_IN_A_ROW: usize = 64;

/// How many large frames can be announced at once: the smallest of them fill the lane.
const MAX_ANNOUNCED: usize = BULK_LANE_BYTES / super::outgoing::MAX_INLINE_BYTES + 2;

/// The incoming side of a region.
pub(super) struct RingReader {
    region: Arc<Region>,
    frames: LaneReader,
    bulk: LaneReader,
    /// Large frames that are to come or coming, in this order.
    announced: VecDeque<Announced>,
    frames_in_a_row: usize,
    /// The beginning of the last frame: its header and, of most, its description.
    beginning: [u8; BEGINNING_BYTES],
    /// The description of the last frame, if that was longer.
    description: Vec<u8>,
    /// The I/O thread was called, and this came to be known while descriptors were looked for.
    has_heard_doorbell: bool,
}

struct Announced {
    partial: Partial,
    /// Where in the lane it begins.
    start: u64,
    has_begun: bool,
    descriptors: Vec<Option<OwnedFd>>,
}

/// What a step of reading has brought.
pub(super) enum Step<'a> {
    Frame(InFrame<'a>),
    /// A part of something large.
    Piece,
    Nothing,
}

impl RingReader {
    pub(super) fn new(region: Arc<Region>) -> Self {
        let (frames, bulk) = (region.frame_reader(), region.bulk_reader());
        Self {
            region,
            frames,
            bulk,
            announced: VecDeque::new(),
            frames_in_a_row: 0,
            beginning: [0; BEGINNING_BYTES],
            description: Vec::new(),
            has_heard_doorbell: false,
        }
    }

    /// True if a large frame is incomplete.
    pub(super) fn is_within_frame(&self) -> bool {
        !self.announced.is_empty()
    }

    /// True if the I/O thread was called but cannot know of it any more, because that was read from the socket here.
    /// Whoever asks sees to it.
    pub(super) fn take_doorbell(&mut self) -> bool {
        std::mem::take(&mut self.has_heard_doorbell)
    }

    /// Takes what comes next. Descriptors are looked for on the socket when a frame needs them.
    pub(super) fn step(&mut self, reader: &mut Reader, socket: &Socket) -> Result<Step<'_>, WireError> {
        while self.frames_in_a_row < FRAMES_IN_A_ROW || self.announced.is_empty() {
            let available = self.frames.available(&self.region, HEADER_BYTES)?;
            if available == 0 {
                break;
            }
            self.frames_in_a_row += 1;
            let header = self.header(available)?;
            if !header.is_bulk {
                return self.take_inline(header, available, reader, socket).map(Step::Frame);
            }
            self.take_announcement(header, available, reader, socket)?;
        }
        self.frames_in_a_row = 0;
        self.take_piece()
    }

    /// Tells the writer what was taken.
    pub(super) fn publish(&mut self) {
        self.frames.publish(&self.region);
        self.bulk.publish(&self.region);
        self.region.expect_bulk(!self.announced.is_empty());
    }

    fn header(&mut self, available: usize) -> Result<Header, WireError> {
        let beginning = self.beginning.get_mut(..available.min(BEGINNING_BYTES)).unwrap_or_default();
        self.frames.copy(&self.region, 0, beginning);
        match beginning.split_first_chunk() {
            Some((header, _)) => Header::decode(*header),
            None => violation("a lane with part of a header"),
        }
    }

    /// Takes a frame that is all in its lane.
    fn take_inline(
        &mut self,
        header: Header,
        available: usize,
        reader: &mut Reader,
        socket: &Socket,
    ) -> Result<InFrame<'_>, WireError> {
        // Both lengths are far below 2³², so this cannot overflow.
        let len = (HEADER_BYTES + header.meta_bytes + header.payload_bytes).next_multiple_of(RECORD_ALIGN);
        if len > available.min(FRAME_LANE_BYTES) {
            return violation("a frame that is longer than what there is of it");
        }
        let description = match self.beginning.get(HEADER_BYTES..HEADER_BYTES + header.meta_bytes) {
            Some(description) => description,
            None => {
                self.description.resize(header.meta_bytes, 0);
                self.frames.copy(&self.region, HEADER_BYTES, &mut self.description);
                &self.description
            }
        };
        let mut payload = Payload::zeroed(header.payload_bytes);
        self.frames.copy(&self.region, HEADER_BYTES + header.meta_bytes, payload.bytes_mut());
        self.frames.consume(&self.region, len);
        let descriptors = take_descriptors(header.descriptors, reader, socket, &mut self.has_heard_doorbell)?;
        Ok(InFrame { kind: header.kind, meta: Cow::Borrowed(description), payload, descriptors })
    }

    /// Takes the announcement of a frame in the other lane.
    fn take_announcement(
        &mut self,
        header: Header,
        available: usize,
        reader: &mut Reader,
        socket: &Socket,
    ) -> Result<(), WireError> {
        let len = (HEADER_BYTES + BULK_INDEX_BYTES).next_multiple_of(RECORD_ALIGN);
        if len > available || self.announced.len() >= MAX_ANNOUNCED {
            return violation("an announcement that is cut off, or one too many");
        }
        let mut start = [0; BULK_INDEX_BYTES];
        self.frames.copy(&self.region, HEADER_BYTES, &mut start);
        self.frames.consume(&self.region, len);
        let descriptors = take_descriptors(header.descriptors, reader, socket, &mut self.has_heard_doorbell)?;
        let (partial, start) = (Partial::new(header), u64::from_le_bytes(start));
        self.announced.push_back(Announced { partial, start, has_begun: false, descriptors });
        Ok(())
    }

    /// Copies a piece of the large frame that is coming.
    fn take_piece(&mut self) -> Result<Step<'_>, WireError> {
        let Some(coming) = self.announced.front_mut() else { return Ok(Step::Nothing) };
        if !coming.has_begun {
            self.bulk.follow(coming.start)?;
            coming.has_begun = true;
        }
        let mut copied = 0;
        while copied < PIECE_BYTES && coming.partial.missing() > 0 {
            let available = self.bulk.available(&self.region, PIECE_BYTES.min(coming.partial.missing()))?;
            let room = coming.partial.room();
            let len = room.len().min(available).min(PIECE_BYTES - copied);
            if len == 0 {
                break;
            }
            self.bulk.copy(&self.region, 0, room.get_mut(..len).unwrap_or_default());
            self.bulk.consume(&self.region, len);
            coming.partial.note_arrival(len);
            copied += len;
        }
        if coming.partial.missing() > 0 {
            return Ok(if copied > 0 { Step::Piece } else { Step::Nothing });
        }
        match self.announced.pop_front() {
            Some(whole) => Ok(Step::Frame(whole.partial.complete(whole.descriptors))),
            None => Ok(Step::Nothing),
        }
    }
}

/// Takes the descriptors of a frame, which were sent before it was.
fn take_descriptors(
    num: usize,
    reader: &mut Reader,
    socket: &Socket,
    has_heard_doorbell: &mut bool,
) -> Result<Vec<Option<OwnedFd>>, WireError> {
    while reader.num_descriptors() < num {
        let filled = reader.fill(socket).map_err(|error| WireError(error.to_string()))?;
        if filled != super::reader::Filled::Some {
            break;
        }
        while let Some(frame) = reader.next_frame()? {
            check_socket_frame(&frame)?;
            *has_heard_doorbell = true;
        }
    }
    if num == 0 { Ok(Vec::new()) } else { reader.take_descriptors(num) }
}

/// Holds a frame on the socket against what may still come there.
pub(super) fn check_socket_frame(frame: &InFrame<'_>) -> Result<(), WireError> {
    if frame.kind == super::frame::DOORBELL {
        Ok(())
    } else {
        violation("a frame on the socket of a link that goes on in shared memory")
    }
}
