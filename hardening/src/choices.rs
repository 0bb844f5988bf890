//! Choices that bytes decide, with the methods of a generator of random numbers. When the bytes are out it goes on with
//! numbers that follow from them, so that whatever waits for a certain choice gets it some time.

use std::ops::{Bound, RangeBounds};

pub struct Choices {
    bytes: Vec<u8>,
    at: usize,
    state: u64,
}

impl Choices {
    pub fn new(bytes: &[u8]) -> Self {
        let mix = |state: u64, byte: &u8| (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        let state = bytes.iter().fold(0xCBF2_9CE4_8422_2325, mix) | 1;
        Self { bytes: bytes.to_vec(), at: 0, state }
    }

    /// True if the bytes are out.
    pub fn is_spent(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn byte(&mut self) -> u8 {
        self.at += 1;
        if let Some(byte) = self.bytes.get(self.at - 1) {
            return *byte;
        }
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 32) as u8
    }

    /// A number up to another one, from as few bytes as can decide it.
    fn up_to(&mut self, most: u64) -> u64 {
        let num_bytes = (u64::BITS - most.leading_zeros()).div_ceil(8);
        let number = (0..num_bytes).fold(0, |number, _| number << 8 | u64::from(self.byte()));
        if most == u64::MAX { number } else { number % (most + 1) }
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        self.up_to(bound as u64 - 1) as usize
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.byte()).collect()
    }

    pub fn bool(&mut self) -> bool {
        self.below(2) == 1
    }

    pub fn u64(&mut self, range: impl RangeBounds<u64>) -> u64 {
        let first = match range.start_bound() {
            Bound::Included(first) => *first,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 0,
        };
        let last = match range.end_bound() {
            Bound::Included(last) => *last,
            Bound::Excluded(behind) => behind - 1,
            Bound::Unbounded => u64::MAX,
        };
        first + self.up_to(last - first)
    }

    pub fn u32(&mut self, range: impl RangeBounds<u32>) -> u32 {
        self.u64((range.start_bound().map(|at| u64::from(*at)), range.end_bound().map(|at| u64::from(*at)))) as u32
    }

    pub fn usize(&mut self, range: impl RangeBounds<usize>) -> usize {
        self.u64((range.start_bound().map(|at| *at as u64), range.end_bound().map(|at| *at as u64))) as usize
    }

    /// One of them; `None` if there is none.
    pub fn choice<T>(&mut self, from: impl IntoIterator<Item = T>) -> Option<T> {
        let mut from: Vec<T> = from.into_iter().collect();
        if from.is_empty() { None } else { Some(from.swap_remove(self.below(from.len()))) }
    }

    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for at in (1..all.len()).rev() {
            all.swap(at, self.below(at + 1));
        }
    }
}
