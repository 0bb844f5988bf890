//! The memory that the two processes of a link share: for each direction a lane for frames, a lane for what is too
//! large for that one, and the words by which the two sides call each other. `docs/links.md` says who sets what, and
//! which duty follows.
//!
//! The other side can write anything here at any time. Indices are copied once and checked against this side's own,
//! which are private; one that goes back is not believed, one that goes too far is a violation.

use super::frame::{WireError, violation};
use crate::ring::Ring;
use crate::words::{seen, show};
use libmojo_platform::{Mapping, SharedMemory, current_processor};
use libmojo_sync::Arc;
use libmojo_sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::io;

/// The capacity of a lane for frames. All of it becomes resident, so it is small.
pub(super) const FRAME_LANE_BYTES: usize = 32 << 10;

/// The capacity of a lane for large things: what can be copied while a thread wakes up.
pub(super) const BULK_LANE_BYTES: usize = 1 << 20;

/// Words of different writers do not share the two cache lines that processors fetch together.
const APART: usize = 128;
/// The words of one direction.
const WORDS_BYTES: usize = 1024;
const LANES_START: usize = 4096;
pub(super) const REGION_BYTES: usize = LANES_START + 2 * (FRAME_LANE_BYTES + BULK_LANE_BYTES);

/// The memory of a link, as one of its sides sees it.
pub(super) struct Region {
    mapping: Mapping,
    outgoing: Direction,
    incoming: Direction,
    /// What this side has shown in each outgoing lane, and taken from each incoming one: copies of its indices for
    /// those who only look, and which the other side cannot change.
    shown: [AtomicU64; 2],
    taken: [AtomicU64; 2],
    /// This side takes what is in the incoming lanes, and from the one for large things.
    is_read: AtomicBool,
    is_bulk_read: AtomicBool,
}

/// Where the things of one direction lie.
#[derive(Clone, Copy)]
struct Direction {
    frames: Lane,
    bulk: Lane,
    wake: usize,
    wanted: usize,
    processor: usize,
}

/// Where a lane lies: the index of each side, and the bytes.
#[derive(Clone, Copy)]
pub(super) struct Lane {
    /// Which of a direction's lanes it is.
    number: usize,
    tail: usize,
    head: usize,
    ring: Ring,
}

impl Direction {
    /// The first is from the side that has made the region, the second is to it.
    const fn new(number: usize) -> Self {
        let words = number * WORDS_BYTES;
        let frames = LANES_START + number * FRAME_LANE_BYTES;
        let bulk = LANES_START + 2 * FRAME_LANE_BYTES + number * BULK_LANE_BYTES;
        Self {
            frames: Lane {
                number: 0,
                tail: words,
                head: words + APART,
                ring: Ring { start: frames, capacity: FRAME_LANE_BYTES },
            },
            bulk: Lane {
                number: 1,
                tail: words + 2 * APART,
                head: words + 3 * APART,
                ring: Ring { start: bulk, capacity: BULK_LANE_BYTES },
            },
            wake: words + 4 * APART,
            wanted: words + 5 * APART,
            processor: words + 6 * APART,
        }
    }
}

impl Region {
    /// Makes a region and what the other side needs to [join](Self::join) it.
    pub(super) fn create() -> io::Result<(Arc<Self>, SharedMemory)> {
        let memory = SharedMemory::create(REGION_BYTES as u64, false)?;
        let mapping = memory.map(0, REGION_BYTES)?;
        Ok((Self::new(mapping, Direction::new(0), Direction::new(1)), memory))
    }

    /// Maps a region that the other side has made.
    pub(super) fn join(memory: &SharedMemory) -> io::Result<Arc<Self>> {
        // Memory that can be cut off could end this process.
        if memory.is_read_only() || !memory.is_sealed() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mapping = memory.map(0, REGION_BYTES)?;
        Ok(Self::new(mapping, Direction::new(1), Direction::new(0)))
    }

    fn new(mapping: Mapping, outgoing: Direction, incoming: Direction) -> Arc<Self> {
        Arc::new(Self {
            mapping,
            outgoing,
            incoming,
            shown: Default::default(),
            taken: Default::default(),
            is_read: AtomicBool::new(false),
            is_bulk_read: AtomicBool::new(false),
        })
    }

    // The mapping is as large as all offsets used here need, and begins at a page: no word is ever missing.
    fn index(&self, offset: usize) -> &AtomicU64 {
        static NONE: AtomicU64 = AtomicU64::new(0);
        self.mapping.atomic_u64(offset).unwrap_or(&NONE)
    }

    fn word(&self, offset: usize) -> &AtomicU32 {
        static NONE: AtomicU32 = AtomicU32::new(0);
        self.mapping.atomic_u32(offset).unwrap_or(&NONE)
    }

    /// The word by which this side says how it wants to be called.
    pub(super) fn own_wake_word(&self) -> &AtomicU32 {
        self.word(self.incoming.wake)
    }

    /// The word by which the other side says how it wants to be called.
    pub(super) fn peer_wake_word(&self) -> &AtomicU32 {
        self.word(self.outgoing.wake)
    }

    /// The word by which this side asks to be called when there is room.
    pub(super) fn own_wanted_word(&self) -> &AtomicU32 {
        self.word(self.outgoing.wanted)
    }

    /// The word by which the other side asks to be called when there is room.
    pub(super) fn peer_wanted_word(&self) -> &AtomicU32 {
        self.word(self.incoming.wanted)
    }

    /// True if whoever looked into the region last at the other side did so on the processor that this thread runs on.
    /// Says where this one looks. Merely a hint: the other side may say anything, and a new region says nothing.
    pub(super) fn is_on_same_processor(&self) -> bool {
        // Zero says nothing.
        let current = current_processor().wrapping_add(1);
        let own = self.word(self.outgoing.processor);
        if own.load(Ordering::Relaxed) != current {
            own.store(current, Ordering::Relaxed);
        }
        self.word(self.incoming.processor).load(Ordering::Relaxed) == current
    }

    /// True if something has come that this side has not taken. Costs a look at lines that change only when something
    /// comes. Whatever the other side has written there, taking it then makes progress or ends the link.
    pub(super) fn has_incoming(&self) -> bool {
        self.is_read.load(Ordering::Relaxed)
            && (self.is_filled(self.incoming.frames)
                || self.is_bulk_read.load(Ordering::Relaxed) && self.is_filled(self.incoming.bulk))
    }

    fn is_filled(&self, lane: Lane) -> bool {
        let taken = self.taken.get(lane.number).map_or(0, |taken| taken.load(Ordering::Relaxed));
        seen(self.index(lane.tail)) > taken
    }

    /// True if at least half of each outgoing lane is free.
    pub(super) fn has_room(&self) -> bool {
        [self.outgoing.frames, self.outgoing.bulk].into_iter().all(|lane| {
            let shown = self.shown.get(lane.number).map_or(0, |shown| shown.load(Ordering::Relaxed));
            let head = seen(self.index(lane.head));
            shown.saturating_sub(head) <= (lane.ring.capacity / 2) as u64
        })
    }

    /// True if at least half of each incoming lane is free, as far as the other side can be believed.
    pub(super) fn leaves_room(&self) -> bool {
        [self.incoming.frames, self.incoming.bulk].into_iter().all(|lane| {
            let taken = self.taken.get(lane.number).map_or(0, |taken| taken.load(Ordering::Relaxed));
            let tail = seen(self.index(lane.tail));
            tail.saturating_sub(taken) <= (lane.ring.capacity / 2) as u64
        })
    }

    pub(super) fn frame_writer(&self) -> LaneWriter {
        LaneWriter::new(self.outgoing.frames)
    }

    pub(super) fn bulk_writer(&self) -> LaneWriter {
        LaneWriter::new(self.outgoing.bulk)
    }

    /// The reading end of the lane for frames, which from now on is read.
    pub(super) fn frame_reader(&self) -> LaneReader {
        self.is_read.store(true, Ordering::Relaxed);
        LaneReader::new(self.incoming.frames)
    }

    /// Notes whether something large is coming.
    pub(super) fn expect_bulk(&self, is_expected: bool) {
        self.is_bulk_read.store(is_expected, Ordering::Relaxed);
    }

    pub(super) fn bulk_reader(&self) -> LaneReader {
        LaneReader::new(self.incoming.bulk)
    }
}

/// The writing end of a lane.
pub(super) struct LaneWriter {
    lane: Lane,
    /// Everything before this is written.
    tail: u64,
    /// Everything before this was read, as last seen and checked.
    head: u64,
}

impl LaneWriter {
    fn new(lane: Lane) -> Self {
        Self { lane, tail: 0, head: 0 }
    }

    /// How many bytes there is room for. Looks at what the reader says only if there seem to be fewer than `wanted`.
    pub(super) fn room(&mut self, region: &Region, wanted: usize) -> Result<usize, WireError> {
        if self.free() < wanted {
            let head = seen(region.index(self.lane.head));
            if head > self.tail {
                return violation("the reader of a lane is ahead of its writer");
            }
            self.head = self.head.max(head);
        }
        Ok(self.free())
    }

    /// How much the reader has taken in all, as last seen.
    pub(super) fn taken(&self) -> u64 {
        self.head
    }

    fn free(&self) -> usize {
        // At most the capacity lies between the two.
        self.lane.ring.capacity - (self.tail - self.head) as usize
    }

    /// Writes bytes that there is room for, so far unseen by the reader, `offset` bytes behind those it can see.
    pub(super) fn put(&self, region: &Region, offset: usize, bytes: &[u8]) {
        self.lane.ring.copy_in(&region.mapping, self.tail + offset as u64, bytes);
    }

    /// Shows the reader so many more bytes.
    pub(super) fn publish(&mut self, region: &Region, num_bytes: usize) {
        self.tail += num_bytes as u64;
        self.show(region);
    }

    fn show(&self, region: &Region) {
        if let Some(shown) = region.shown.get(self.lane.number) {
            shown.store(self.tail, Ordering::Relaxed);
        }
        show(region.index(self.lane.tail), self.tail);
    }

    /// Gives back the memory of the lane, if nothing lies in it. False if something does.
    pub(super) fn give_back(&mut self, region: &Region) -> Result<bool, WireError> {
        let Ring { start, capacity } = self.lane.ring;
        if self.room(region, capacity)? < capacity {
            return Ok(false);
        }
        // In bounds, as all offsets are.
        let _ = region.mapping.give_back(start, capacity);
        Ok(true)
    }

    /// Goes back to the beginning of the storage, which is warm, if nothing lies in the lane. The reader has to be told
    /// the index that this returns, where the next bytes will be.
    pub(super) fn restart(&mut self, region: &Region) -> Result<u64, WireError> {
        let capacity = self.lane.ring.capacity as u64;
        if self.room(region, self.lane.ring.capacity)? == self.lane.ring.capacity && !self.tail.is_multiple_of(capacity)
        {
            self.tail = self.tail.next_multiple_of(capacity);
            self.head = self.tail;
            self.show(region);
        }
        Ok(self.tail)
    }
}

/// The reading end of a lane.
pub(super) struct LaneReader {
    lane: Lane,
    /// Everything before this is read.
    head: u64,
    /// What the writer can see of that.
    published: u64,
    /// Everything before this was written, as last seen and checked.
    tail: u64,
}

impl LaneReader {
    fn new(lane: Lane) -> Self {
        Self { lane, head: 0, published: 0, tail: 0 }
    }

    /// How many bytes can be read. Looks at what the writer says only if there seem to be fewer than `wanted`.
    pub(super) fn available(&mut self, region: &Region, wanted: usize) -> Result<usize, WireError> {
        if self.unread() < wanted {
            let tail = seen(region.index(self.lane.tail));
            if tail > self.head.saturating_add(self.lane.ring.capacity as u64) {
                return violation("the writer of a lane is too far ahead of its reader");
            }
            self.tail = self.tail.max(tail);
        }
        Ok(self.unread())
    }

    fn unread(&self) -> usize {
        // At most the capacity lies between the two; after a restart the writer may be seen to lag behind.
        self.tail.saturating_sub(self.head) as usize
    }

    /// Copies bytes that are available, `offset` bytes behind the first of them.
    pub(super) fn copy(&self, region: &Region, offset: usize, bytes: &mut [u8]) {
        self.lane.ring.copy_out(&region.mapping, self.head + offset as u64, bytes);
    }

    /// Takes so many available bytes; the writer is told when much has been taken.
    pub(super) fn consume(&mut self, region: &Region, num_bytes: usize) {
        self.head += num_bytes as u64;
        if self.head - self.published >= (self.lane.ring.capacity / 8) as u64 {
            self.publish(region);
        }
    }

    /// Tells the writer what has been taken.
    pub(super) fn publish(&mut self, region: &Region) {
        if self.published != self.head {
            self.published = self.head;
            if let Some(taken) = region.taken.get(self.lane.number) {
                taken.store(self.head, Ordering::Relaxed);
            }
            show(region.index(self.lane.head), self.head);
        }
    }

    /// Goes to where the writer has said that it goes on.
    pub(super) fn follow(&mut self, start: u64) -> Result<(), WireError> {
        if start == self.head {
            return Ok(());
        }
        let capacity = self.lane.ring.capacity as u64;
        if start < self.head || start - self.head >= capacity || !start.is_multiple_of(capacity) {
            return violation("the writer of a lane goes on where it cannot");
        }
        self.head = start;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides() -> (Arc<Region>, Arc<Region>) {
        let (host, memory) = Region::create().unwrap();
        (host, Region::join(&memory).unwrap())
    }

    #[test]
    fn what_one_side_writes_the_other_reads_in_both_directions() {
        let (host, guest) = sides();
        for (from, to) in [(&host, &guest), (&guest, &host)] {
            let (mut writer, mut reader) = (from.frame_writer(), to.frame_reader());
            for round in 0..5000u32 {
                let bytes = round.to_le_bytes().repeat(5);
                assert!(writer.room(from, bytes.len()).unwrap() >= bytes.len());
                writer.put(from, 0, &bytes);
                assert_eq!(reader.available(to, 1), Ok(0));
                writer.publish(from, bytes.len());
                assert!(to.has_incoming());
                assert_eq!(reader.available(to, 1), Ok(20));
                let mut copy = [0; 20];
                reader.copy(to, 0, &mut copy);
                assert_eq!(copy[..], bytes[..]);
                reader.consume(to, 20);
                reader.publish(to);
                assert!(!to.has_incoming());
            }
        }
    }

    #[test]
    fn a_full_lane_has_no_room_until_the_reader_says_what_it_has_taken() {
        let (host, guest) = sides();
        let (mut writer, mut reader) = (host.bulk_writer(), guest.bulk_reader());
        writer.put(&host, 0, &vec![7; BULK_LANE_BYTES]);
        writer.publish(&host, BULK_LANE_BYTES);
        assert_eq!(writer.room(&host, 1), Ok(0));
        assert!(!host.has_room());
        assert_eq!(reader.available(&guest, 1), Ok(BULK_LANE_BYTES));
        reader.consume(&guest, 100);
        assert_eq!(writer.room(&host, 1), Ok(0));
        reader.publish(&guest);
        assert_eq!(writer.room(&host, 1), Ok(100));
        reader.consume(&guest, BULK_LANE_BYTES - 100);
        assert!(host.has_room() && guest.leaves_room());
    }

    #[test]
    fn a_restarted_lane_goes_on_at_the_beginning_of_its_storage() {
        let (host, guest) = sides();
        let (mut writer, mut reader) = (host.bulk_writer(), guest.bulk_reader());
        for round in 0..3 {
            let start = writer.restart(&host).unwrap();
            assert_eq!(start % BULK_LANE_BYTES as u64, 0);
            reader.follow(start).unwrap();
            assert_eq!(reader.available(&guest, 1), Ok(0));
            writer.put(&host, 0, &[round; 1000]);
            writer.publish(&host, 1000);
            assert_eq!(reader.available(&guest, 1), Ok(1000));
            reader.consume(&guest, 1000);
            reader.publish(&guest);
        }
        writer.publish(&host, 1);
        assert_eq!(writer.restart(&host).unwrap() % 1000, (2 * BULK_LANE_BYTES + 1001) as u64 % 1000);
    }

    #[test]
    fn indices_that_lie_are_violations_or_are_not_believed() {
        let (host, guest) = sides();
        let (mut writer, mut reader) = (host.frame_writer(), guest.frame_reader());
        writer.publish(&host, 160);
        assert_eq!(reader.available(&guest, 1), Ok(160));
        guest.index(guest.incoming.frames.tail).store(0, Ordering::Relaxed);
        assert_eq!(reader.available(&guest, 1000), Ok(160));
        for far in [FRAME_LANE_BYTES as u64 + 1, u64::MAX] {
            guest.index(guest.incoming.frames.tail).store(far, Ordering::Relaxed);
            assert!(reader.available(&guest, 1000).is_err());
        }
        for far in [161, u64::MAX] {
            host.index(host.outgoing.frames.head).store(far, Ordering::Relaxed);
            assert!(writer.room(&host, FRAME_LANE_BYTES).is_err());
        }
        let capacity = BULK_LANE_BYTES as u64;
        let mut bulk = guest.bulk_reader();
        for start in [1, capacity - 1, capacity, 2 * capacity, u64::MAX] {
            assert!(bulk.follow(start).is_err());
        }
    }

    #[test]
    fn memory_that_could_be_cut_off_is_not_joined() {
        let memory = SharedMemory::create(REGION_BYTES as u64, true).unwrap();
        assert!(Region::join(&memory.to_read_only().unwrap().unwrap()).is_err());
        assert!(Region::join(&memory).is_ok());
        let file = unsealed_file();
        let unsealed = SharedMemory::adopt(file, REGION_BYTES as u64, false).unwrap();
        assert!(Region::join(&unsealed).is_err());
    }

    /// A file that anybody could make shorter.
    fn unsealed_file() -> std::os::fd::OwnedFd {
        let path = std::env::temp_dir().join(format!("libmojo-region-{}", std::process::id()));
        let options = std::fs::File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let file = options.unwrap();
        file.set_len(REGION_BYTES as u64).unwrap();
        std::fs::remove_file(path).unwrap();
        file.into()
    }
}
