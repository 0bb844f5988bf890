//! What a link has yet to write: into its socket or, once the two sides share memory, into its lanes.
//!
//! Nothing here ever waits. What there is no room for stays in a queue of this process, and everything behind it that
//! must not overtake it. `step` writes as much as it can in a short time, so that the lock is free in between.

use super::allowance::Allowance;
use super::frame::{DESCRIPTORS, HEADER_BYTES, Header, Meta, OutFrame, WireError, violation};
use super::region::{LaneWriter, Region};
use super::ring_reader::{BULK_INDEX_BYTES, RECORD_ALIGN};
use crate::limits::max_queued_per_link;
use crate::payload::Payload;
use libmojo_platform::{MAX_DESCRIPTORS_PER_SEND, Socket, is_too_many_references};
use libmojo_ports::{Amount, PortName};
use libmojo_sync::Arc;
use std::collections::{HashSet, VecDeque};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};

/// How many pieces are handed to the system in one call.
const MAX_PIECES_PER_SEND: usize = 16;

/// The largest description and payload, together, that go into the lane for frames. Larger ones would make those behind
/// them wait.
pub(super) const MAX_INLINE_BYTES: usize = 2048;

/// How often there may be no room before a reader that takes nothing is called, although it waits for nothing.
const WRITES_IN_VAIN: u32 = 256;

/// How much of something large is written before others have their turn.
const PIECE_BYTES: usize = 16 << 10;

/// What waits to be written, and where it goes.
#[derive(Default)]
pub(super) struct Outgoing {
    socket: SocketQueue,
    ring: Option<RingQueue>,
    allowance: Allowance,
    /// More than the limit waits.
    is_overfull: bool,
    /// Nothing can be written any more.
    is_closed: bool,
    /// A thread goes on writing what is large.
    is_attended: bool,
    /// The I/O thread has been asked to go on when the socket has room.
    is_waiting: bool,
    is_stalled: bool,
}

/// How writing has gone so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Nothing is left.
    All,
    /// There is more to write at once.
    More,
    /// The lanes are full.
    NoRoom,
    /// The socket is full.
    SocketFull,
    /// The system refused descriptors because too many are under way; only time helps.
    TooManyReferences,
    /// The other side is gone.
    Broken,
}

/// What one step of writing has led to.
pub(super) struct Progress {
    pub(super) written: Written,
    /// The other side is to be called if it sleeps, and even if it waits for no messages.
    pub(super) has_shown: bool,
    pub(super) is_urgent: bool,
    /// How the other side breaks the protocol.
    pub(super) violation: Option<WireError>,
}

/// What will never be written. Closing descriptors takes its time, so it is dropped with no lock held.
#[must_use = "dropped where no lock is held"]
pub(super) struct Refused {
    _pieces: VecDeque<Piece>,
    _frames: Vec<OutFrame>,
    _ring: Option<RingQueue>,
}

impl Outgoing {
    /// Adds a frame to be written. It comes back if nothing can be written any more.
    pub(super) fn push(&mut self, frame: OutFrame) -> Option<OutFrame> {
        if self.is_closed {
            return Some(frame);
        }
        let added = Amount { messages: 1, bytes: frame_bytes(&frame) as u64 };
        match &mut self.ring {
            Some(ring) => {
                ring.num_urgent += usize::from(frame.is_urgent);
                ring.queue.push_back(frame);
            }
            None => self.socket.push(frame),
        }
        let count = || {
            let (frames, bytes) = backlog(&self.ring, &self.socket);
            Amount { messages: frames as u64, bytes: bytes as u64 }
        };
        self.is_overfull |= self.allowance.spend(added, max_queued_per_link(), count).is_err();
        None
    }

    /// Writes a frame now if it fits into its lane and nothing has to go before it. If not, it is to be
    /// [pushed](Self::push).
    pub(super) fn write_at_once(&mut self, frame: &OutFrame) -> bool {
        let Some(ring) = self.ring.as_mut().filter(|_| !self.is_closed) else { return false };
        let is_free = ring.is_empty() && self.socket.pieces.is_empty() && frame.descriptors.is_empty();
        // What is wrong with the lane shows when the frame is written like any other.
        is_free && !is_large(frame) && ring.write_record(frame, None).unwrap_or(false)
    }

    /// Puts everything from now on into the lanes of a region.
    pub(super) fn switch(&mut self, region: &Arc<Region>) {
        self.ring = Some(RingQueue::new(region));
    }

    /// True if a thread goes on writing, so that no other has to.
    pub(super) fn is_attended(&self) -> bool {
        self.is_attended
    }

    pub(super) fn set_attended(&mut self, is_attended: bool) {
        self.is_attended = is_attended;
    }

    /// Notes whether writing goes on when the socket has room, or after a while. True if the former has changed.
    pub(super) fn note_waiting(&mut self, is_waiting: bool, is_stalled: bool) -> bool {
        self.is_stalled = is_stalled;
        std::mem::replace(&mut self.is_waiting, is_waiting) != is_waiting
    }

    /// True if the system has refused descriptors.
    pub(super) fn is_stalled(&self) -> bool {
        self.is_stalled
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// True if everything has been handed over.
    pub(super) fn is_empty(&self) -> bool {
        self.socket.pieces.is_empty() && self.ring.as_ref().is_none_or(RingQueue::is_empty)
    }

    /// How many frames wait to be written, and how many bytes of them.
    pub(super) fn backlog(&self) -> (usize, usize) {
        backlog(&self.ring, &self.socket)
    }

    /// True if nothing waits to be written to the socket.
    pub(super) fn is_socket_free(&self) -> bool {
        self.socket.pieces.is_empty()
    }

    /// True if nothing has been written to the socket in part.
    pub(super) fn is_between_pieces(&self) -> bool {
        self.socket.pieces.front().is_none_or(|piece| piece.written == 0)
    }

    /// Writes what can be written in a short time.
    pub(super) fn step(&mut self, socket: &Socket) -> Progress {
        let mut progress = Progress { written: Written::All, has_shown: false, is_urgent: false, violation: None };
        let outcome = match &mut self.ring {
            _ if self.is_closed => Ok(Written::All),
            _ if self.is_overfull => violation("a process takes less than is sent to it: too much waits"),
            None => Ok(self.socket.write_to(socket)),
            Some(ring) => ring.step(&mut self.socket, socket, &mut progress),
        };
        progress.written = outcome.unwrap_or_else(|violation| {
            progress.violation = Some(violation);
            Written::Broken
        });
        progress
    }

    /// True if the lane for large things has been used since its memory was last given back.
    pub(super) fn has_grown(&self) -> bool {
        self.ring.as_ref().is_some_and(|ring| ring.has_grown)
    }

    /// Gives back the memory of the lanes if the one for large things was not used since the last call. Until then it
    /// [has grown](Self::has_grown).
    pub(super) fn shrink(&mut self) {
        let Some(ring) = self.ring.as_mut().filter(|ring| ring.has_grown) else { return };
        let is_idle = !std::mem::take(&mut ring.is_used) && ring.current.is_none();
        // What is wrong with a lane shows when something is written to it.
        let give_back = |lane: &mut LaneWriter| lane.give_back(&ring.region).unwrap_or(false);
        ring.has_grown = !(is_idle && give_back(&mut ring.bulk) && give_back(&mut ring.frames));
    }

    /// Refuses everything from now on. Returns what was still to be written.
    pub(super) fn close(&mut self) -> Refused {
        self.is_closed = true;
        Refused { _pieces: std::mem::take(&mut self.socket.pieces), _frames: Vec::new(), _ring: self.ring.take() }
    }
}

fn backlog(ring: &Option<RingQueue>, socket: &SocketQueue) -> (usize, usize) {
    let (frames, bytes) = ring.as_ref().map(RingQueue::backlog).unwrap_or_default();
    let (in_socket, bytes_in_socket) = socket.backlog();
    (frames + in_socket, bytes + bytes_in_socket)
}

// ---- the socket ------------------------------------------------------------------------------------------

/// What goes over the socket.
#[derive(Default)]
struct SocketQueue {
    pieces: VecDeque<Piece>,
}

/// A run of bytes, and the descriptors that go with the first of them.
struct Piece {
    bytes: Bytes,
    written: usize,
    descriptors: Vec<OwnedFd>,
}

enum Bytes {
    Own(Vec<u8>),
    Payload(Payload),
}

impl Piece {
    fn new(bytes: Bytes, descriptors: Vec<OwnedFd>) -> Self {
        Self { bytes, written: 0, descriptors }
    }

    fn unwritten(&self) -> &[u8] {
        let all = match &self.bytes {
            Bytes::Own(bytes) => bytes,
            Bytes::Payload(payload) => payload.bytes(),
        };
        all.get(self.written..).unwrap_or_default()
    }
}

impl SocketQueue {
    /// Adds a frame: its descriptors in batches, then its header and description, then its payload.
    fn push(&mut self, mut frame: OutFrame) {
        let header = frame.header(false);
        self.push_descriptors(&mut frame.descriptors);
        let mut head = header.encode().to_vec();
        head.extend_from_slice(&frame.meta);
        self.pieces.push_back(Piece::new(Bytes::Own(head), Vec::new()));
        if frame.payload.len() > 0 {
            self.pieces.push_back(Piece::new(Bytes::Payload(frame.payload), Vec::new()));
        }
    }

    /// Adds the descriptors of a frame, and leaves it without.
    fn push_descriptors(&mut self, descriptors: &mut Vec<OwnedFd>) {
        while !descriptors.is_empty() {
            let rest = descriptors.split_off(descriptors.len().min(MAX_DESCRIPTORS_PER_SEND));
            let batch = std::mem::replace(descriptors, rest);
            let header =
                Header { kind: DESCRIPTORS, is_bulk: false, meta_bytes: 0, payload_bytes: 0, descriptors: batch.len() };
            self.pieces.push_back(Piece::new(Bytes::Own(header.encode().to_vec()), batch));
        }
    }

    fn backlog(&self) -> (usize, usize) {
        let is_within_frame = self.pieces.front().is_some_and(|piece| matches!(piece.bytes, Bytes::Payload(_)));
        let is_head = |piece: &&Piece| matches!(piece.bytes, Bytes::Own(_)) && piece.descriptors.is_empty();
        let frames = self.pieces.iter().filter(is_head).count() + usize::from(is_within_frame);
        (frames, self.pieces.iter().map(|piece| piece.unwritten().len()).sum())
    }

    fn write_to(&mut self, socket: &Socket) -> Written {
        match self.try_write_to(socket) {
            Ok(()) => Written::All,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Written::SocketFull,
            Err(error) if is_too_many_references(&error) => Written::TooManyReferences,
            Err(_) => Written::Broken,
        }
    }

    fn try_write_to(&mut self, socket: &Socket) -> io::Result<()> {
        while let Some(first) = self.pieces.front() {
            if first.unwritten().is_empty() {
                self.pieces.pop_front();
                continue;
            }
            // Descriptors belong to the first byte of what they are sent with, so they start a call of their own.
            let has_descriptors = !first.descriptors.is_empty();
            let run = self.pieces.iter().enumerate();
            let run = run.take_while(|(at, piece)| *at == 0 || !has_descriptors && piece.descriptors.is_empty());
            let slices: Vec<IoSlice<'_>> =
                run.take(MAX_PIECES_PER_SEND).map(|(_, piece)| IoSlice::new(piece.unwritten())).collect();
            let descriptors: Vec<_> = first.descriptors.iter().map(AsFd::as_fd).collect();
            let mut written = socket.send(&slices, &descriptors)?;
            if let Some(first) = self.pieces.front_mut().filter(|_| written > 0) {
                first.descriptors.clear();
            }
            for piece in &mut self.pieces {
                let taken = written.min(piece.unwritten().len());
                piece.written += taken;
                written -= taken;
                if written == 0 {
                    break;
                }
            }
        }
        Ok(())
    }
}

// ---- the lanes -------------------------------------------------------------------------------------------

/// What goes into the lanes of a region.
struct RingQueue {
    region: Arc<Region>,
    frames: LaneWriter,
    bulk: LaneWriter,
    /// Frames in their order.
    queue: VecDeque<OutFrame>,
    /// The large frame that is being written.
    current: Option<Large>,
    /// Frames that wait for that one to be written, because they are large too or must not overtake it.
    behind: VecDeque<OutFrame>,
    /// The ports that these are for, and that the large ones are for.
    held: HashSet<PortName>,
    /// What the reader had taken when there was no room the last time.
    taken_when_full: u64,
    /// How often there was no room since it has taken anything.
    writes_in_vain: u32,
    /// How many of the frames that wait are urgent.
    num_urgent: usize,
    /// The lane for large things takes up memory, and was used since it was last asked whether it needs that.
    has_grown: bool,
    is_used: bool,
}

/// A large frame that is announced but not yet whole in its lane.
struct Large {
    meta: Meta,
    payload: Payload,
    written: usize,
}

impl Large {
    fn len(&self) -> usize {
        self.meta.len() + self.payload.len()
    }

    /// What is to be written next, without a gap.
    fn unwritten(&self) -> &[u8] {
        match self.meta.get(self.written..) {
            Some(rest) if !rest.is_empty() => rest,
            _ => self.payload.bytes().get(self.written - self.meta.len()..).unwrap_or_default(),
        }
    }
}

impl RingQueue {
    fn new(region: &Arc<Region>) -> Self {
        Self {
            region: region.clone(),
            frames: region.frame_writer(),
            bulk: region.bulk_writer(),
            queue: VecDeque::new(),
            current: None,
            behind: VecDeque::new(),
            held: HashSet::new(),
            taken_when_full: u64::MAX,
            writes_in_vain: 0,
            num_urgent: 0,
            has_grown: false,
            is_used: false,
        }
    }

    fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.current.is_none() && self.behind.is_empty()
    }

    fn backlog(&self) -> (usize, usize) {
        let waiting = self.queue.iter().chain(&self.behind);
        let bytes = waiting.map(frame_bytes).sum::<usize>();
        let current = self.current.as_ref().map_or(0, |large| large.len() - large.written);
        (self.queue.len() + self.behind.len() + usize::from(self.current.is_some()), bytes + current)
    }

    fn step(
        &mut self,
        queue: &mut SocketQueue,
        socket: &Socket,
        progress: &mut Progress,
    ) -> Result<Written, WireError> {
        let written = self.write_frames(queue, socket, progress)?;
        let has_large = self.current.is_some();
        let has_written = self.write_piece(progress)?;
        let written = match written {
            // Frames may have waited for the piece, and there may be more of it.
            Written::All | Written::NoRoom if has_written && !self.is_empty() => Written::More,
            Written::All if has_large && !self.is_empty() => Written::NoRoom,
            other => other,
        };
        if written == Written::NoRoom {
            progress.is_urgent |= self.is_stuck();
        }
        Ok(written)
    }

    /// True if a reader that waits for nothing has to be called all the same: because something that it has to look at is
    /// not in the lanes yet, or because it has taken nothing for long although they are full.
    fn is_stuck(&mut self) -> bool {
        let taken = self.frames.taken() + self.bulk.taken();
        let is_idle = std::mem::replace(&mut self.taken_when_full, taken) == taken;
        self.writes_in_vain = if is_idle { self.writes_in_vain.wrapping_add(1) } else { 0 };
        self.num_urgent > 0 || self.writes_in_vain.is_multiple_of(WRITES_IN_VAIN) && is_idle
    }

    /// Writes frames for as long as there is room.
    fn write_frames(
        &mut self,
        queue: &mut SocketQueue,
        socket: &Socket,
        progress: &mut Progress,
    ) -> Result<Written, WireError> {
        if !queue.pieces.is_empty() {
            // Whatever is left there belongs to the first frame, or was queued before there were lanes.
            match queue.write_to(socket) {
                Written::All => {}
                other => return Ok(other),
            }
        }
        loop {
            // What had to wait for a large frame came before everything that is in the queue now.
            let is_held_up = self.current.is_some();
            // One whose descriptors are under way is next, whatever has become of the large frame meanwhile.
            let is_under_way = self.queue.front().is_some_and(|frame| frame.num_sent_ahead > 0);
            let is_behind_next = !is_held_up && !is_under_way && !self.behind.is_empty();
            let source = if is_behind_next { &mut self.behind } else { &mut self.queue };
            let Some(frame) = source.front_mut() else { break };
            let is_large = is_large(frame);
            if is_held_up && (is_large || frame.to.is_some_and(|to| self.held.contains(&to))) {
                self.held.extend(frame.to);
                // Nothing is behind next while something is held up.
                self.behind.extend(self.queue.pop_front());
                continue;
            }
            if self.frames.room(&self.region, record_bytes(frame))? < record_bytes(frame) {
                return Ok(Written::NoRoom);
            }
            if !frame.descriptors.is_empty() {
                frame.num_sent_ahead = frame.descriptors.len();
                queue.push_descriptors(&mut frame.descriptors);
                match queue.write_to(socket) {
                    Written::All => {}
                    other => return Ok(other),
                }
            }
            let Some(frame) = source.pop_front() else { break };
            progress.is_urgent |= frame.is_urgent;
            self.num_urgent -= usize::from(frame.is_urgent);
            progress.has_shown = true;
            if is_large {
                let start = self.bulk.restart(&self.region)?;
                self.write_record(&frame, Some(start))?;
                (self.has_grown, self.is_used) = (true, true);
                self.held.extend(frame.to);
                self.current = Some(Large { meta: frame.meta, payload: frame.payload, written: 0 });
            } else {
                self.write_record(&frame, None)?;
            }
        }
        Ok(Written::All)
    }

    /// Writes a frame into its lane, or where in the other lane it will begin. False if there is no room.
    fn write_record(&mut self, frame: &OutFrame, start: Option<u64>) -> Result<bool, WireError> {
        let record = record_bytes(frame);
        if self.frames.room(&self.region, record)? < record {
            return Ok(false);
        }
        self.frames.put(&self.region, 0, &frame.header(start.is_some()).encode());
        match start {
            Some(start) => self.frames.put(&self.region, HEADER_BYTES, &start.to_le_bytes()),
            None => {
                self.frames.put(&self.region, HEADER_BYTES, &frame.meta);
                self.frames.put(&self.region, HEADER_BYTES + frame.meta.len(), frame.payload.bytes());
            }
        }
        self.frames.publish(&self.region, record);
        Ok(true)
    }

    /// Writes a piece of the large frame. False if there was no room at all.
    fn write_piece(&mut self, progress: &mut Progress) -> Result<bool, WireError> {
        let Some(current) = &mut self.current else { return Ok(false) };
        let wanted = (current.len() - current.written).min(PIECE_BYTES);
        let room = self.bulk.room(&self.region, wanted)?.min(wanted);
        let mut copied = 0;
        while copied < room {
            let next = current.unwritten();
            let next = next.get(..room - copied).unwrap_or(next);
            self.bulk.put(&self.region, copied, next);
            copied += next.len();
            current.written += next.len();
        }
        if copied > 0 {
            self.bulk.publish(&self.region, copied);
            progress.has_shown = true;
        }
        if current.written == current.len() {
            self.current = None;
            if self.behind.is_empty() {
                self.held.clear();
            }
        }
        Ok(copied > 0)
    }
}

fn frame_bytes(frame: &OutFrame) -> usize {
    HEADER_BYTES + frame.meta.len() + frame.payload.len()
}

/// True for frames that go into the lane for large things.
fn is_large(frame: &OutFrame) -> bool {
    frame.meta.len() + frame.payload.len() > MAX_INLINE_BYTES
}

/// How much of the lane for frames a frame takes up.
fn record_bytes(frame: &OutFrame) -> usize {
    let contents = if is_large(frame) { BULK_INDEX_BYTES } else { frame.meta.len() + frame.payload.len() };
    (HEADER_BYTES + contents).next_multiple_of(RECORD_ALIGN)
}
