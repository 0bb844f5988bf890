//! Values reached by numbers that cannot be guessed from older ones: an index with a generation.
//!
//! A number that was never given out, or whose value was taken out again, finds nothing. Indices are reused late,
//! the longest free first, so that a number used after its end most likely still finds nothing even if its
//! generation has come round.

use std::collections::VecDeque;

/// How many indices stay unused before the first is reused.
const MIN_FREE: usize = 1024;

/// A table of values.
pub(crate) struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: VecDeque<u32>,
    index_bits: u32,
    generation_bits: u32,
}

struct Slot<T> {
    /// From 1 up; 0 never occurs, so that small numbers are never valid.
    generation: u64,
    value: Option<T>,
}

impl<T> Slab<T> {
    /// A table of at most `2^index_bits` values, with generations of so many bits.
    pub(crate) const fn new(index_bits: u32, generation_bits: u32) -> Self {
        Self { slots: Vec::new(), free: VecDeque::new(), index_bits, generation_bits }
    }

    fn split(&self, number: u64) -> (usize, u64) {
        ((number & ((1 << self.index_bits) - 1)) as usize, number >> self.index_bits)
    }

    /// Adds a value; it comes back if the table is full.
    pub(crate) fn insert(&mut self, value: T) -> Result<u64, T> {
        let is_full = self.slots.len() >= 1 << self.index_bits;
        let index = if self.free.len() > MIN_FREE || is_full {
            match self.free.pop_front() {
                Some(index) => index as usize,
                None => return Err(value),
            }
        } else {
            self.slots.push(Slot { generation: 0, value: None });
            self.slots.len() - 1
        };
        let highest = (1 << self.generation_bits) - 1;
        match self.slots.get_mut(index) {
            Some(slot) => {
                slot.generation = if slot.generation >= highest { 1 } else { slot.generation + 1 };
                slot.value = Some(value);
                Ok(slot.generation << self.index_bits | index as u64)
            }
            None => Err(value),
        }
    }

    pub(crate) fn get(&self, number: u64) -> Option<&T> {
        let (index, generation) = self.split(number);
        let slot = self.slots.get(index)?;
        if slot.generation == generation { slot.value.as_ref() } else { None }
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let (index, generation) = self.split(number);
        let slot = self.slots.get_mut(index)?;
        if slot.generation == generation { slot.value.as_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, number: u64) -> Option<T> {
        let (index, generation) = self.split(number);
        let slot = self.slots.get_mut(index)?;
        if slot.generation != generation {
            return None;
        }
        let value = slot.value.take()?;
        self.free.push_back(index as u32);
        Some(value)
    }

    /// How many more values there is room for.
    pub(crate) fn room(&self) -> usize {
        (1 << self.index_bits) - self.slots.len() + self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_finds_its_value_until_it_is_removed_and_nothing_afterwards() {
        let mut slab = Slab::new(22, 10);
        let a = slab.insert('a').unwrap();
        assert_eq!(slab.get(a), Some(&'a'));
        assert_eq!(slab.remove(a), Some('a'));
        assert_eq!(slab.remove(a), None);
        for _ in 0..5000 {
            let number = slab.insert('b').unwrap();
            assert_ne!(number, a);
            assert_eq!(slab.get(a), None);
            slab.remove(number);
        }
    }

    #[test]
    fn numbers_that_were_never_given_out_find_nothing() {
        let mut slab = Slab::new(22, 10);
        for _ in 0..100 {
            slab.insert(()).unwrap();
        }
        for number in [0, 1, 10, 99, 1_000_000_000, u64::from(u32::MAX), u64::MAX] {
            assert!(slab.get(number).is_none(), "{number}");
        }
    }

    #[test]
    fn a_full_table_refuses_and_goes_on_after_a_removal() {
        let mut slab = Slab::new(2, 3);
        let numbers: Vec<u64> = (0..4).map(|value| slab.insert(value).unwrap()).collect();
        assert_eq!(slab.insert(4), Err(4));
        assert_eq!(slab.room(), 0);
        slab.remove(numbers[2]);
        assert_eq!(slab.room(), 1);
        let again = slab.insert(5).unwrap();
        assert_ne!(again, numbers[2]);
    }
}
