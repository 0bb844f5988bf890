//! The ends of a data pipe between actors. What flows through is the pattern that its id stands for.

use crate::pattern;
use libmojo::{Consumer, DataPipeError, DataPipeOptions, Producer};

/// The end that writes.
pub struct Outlet {
    pub producer: Producer,
    pub id: u64,
    /// How many bytes were written.
    pub offset: u64,
    /// How many are to be written.
    pub total: u64,
}

/// The end that reads.
pub struct Inlet {
    pub consumer: Consumer,
    pub id: u64,
    /// How many bytes were read.
    pub offset: u64,
    pub total: u64,
}

/// How it stands with an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    GoesOn,
    /// All has gone through.
    Over,
    /// The other end is gone before that.
    Cut,
}

pub fn pair(random: &mut fastrand::Rng) -> (Outlet, Inlet) {
    // Some hold next to nothing. Their ends wake each other for every few bytes, so they are not to stream much.
    let capacity = if random.bool() { random.u32(1..20) } else { random.u32(1..20_000) };
    let (id, total) = (random.u64(..), random.u64(..50_000).min(u64::from(capacity) * 50));
    let options = DataPipeOptions { capacity_num_bytes: capacity, ..DataPipeOptions::default() };
    let (producer, consumer) = options.create().unwrap();
    (Outlet { producer, id, offset: 0, total }, Inlet { consumer, id, offset: 0, total })
}

impl Outlet {
    /// Writes what there is room for, up to some amount, in one of the two ways.
    pub fn write(&mut self, random: &mut fastrand::Rng) -> Flow {
        let most = (self.total - self.offset).min(random.u64(1..20_000));
        let bytes = pattern::bytes(self.id, self.offset, most as usize);
        let outcome = if bytes.is_empty() {
            Ok(0)
        } else if random.bool() {
            self.producer.try_write(&bytes)
        } else {
            self.write_in_place(&bytes)
        };
        match outcome {
            Ok(written) => self.offset += written as u64,
            Err(DataPipeError::ShouldWait) => {}
            Err(DataPipeError::PeerClosed) => return Flow::Cut,
            Err(error) => panic!("data pipe {:x}: {error}", self.id),
        }
        if self.offset == self.total { Flow::Over } else { Flow::GoesOn }
    }

    fn write_in_place(&mut self, bytes: &[u8]) -> Result<usize, DataPipeError> {
        let mut window = self.producer.begin_write()?;
        let len = window.len().min(bytes.len());
        let (first, second) = bytes[..len].split_at(len / 2);
        window.fill(first.len(), second)?;
        window.fill(0, first)?;
        window.commit(len)?;
        Ok(len)
    }
}

impl Inlet {
    /// Reads what is there. Panics if it is not what should be. Returns how many bytes came.
    pub fn read(&mut self) -> (Flow, u64) {
        let begin = self.offset;
        let mut buffer = [0; 4096];
        let end = loop {
            match self.consumer.try_read(&mut buffer) {
                Ok(count) => {
                    pattern::check("data pipe", self.id, self.offset, &buffer[..count]);
                    self.offset += count as u64;
                }
                Err(DataPipeError::ShouldWait) => break Flow::GoesOn,
                Err(DataPipeError::PeerClosed) if self.offset == self.total => break Flow::Over,
                Err(DataPipeError::PeerClosed) => break Flow::Cut,
                Err(error) => panic!("data pipe {:x}: {error}", self.id),
            }
        };
        assert!(self.offset <= self.total, "data pipe {:x} held more than was written", self.id);
        (end, self.offset - begin)
    }
}
