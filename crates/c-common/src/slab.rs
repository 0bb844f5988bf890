#![allow(unsafe_code)]
//! Values reached by numbers that cannot be guessed from older ones: an index with a generation.
//!
//! A number that was never given out, or whose value was taken out again, finds nothing. Everything about one value is
//! decided by one atomic word beside it, so that threads which use different values do not meet: its generation,
//! whether the number is valid, whether someone has *claimed* the value, and how many use it at the moment.
//!
//! | state | `VALID` | `CLAIMED` | count | left by |
//! |---|---|---|---|---|
//! | vacant | – | – | 0 | [`Slab::insert`], by whoever was given the index |
//! | there | yes | – | any | [`Slab::borrow`] and its end; [`Slab::claim`], [`Slab::end`] |
//! | claimed | – | yes | ≥ 1, the claim is one | borrows that end; the claim's end, back to *there* or on to *ended* |
//! | ended | – | – | ≥ 1 | borrows that end; the last one takes the value out and makes the slot vacant |

use crate::indices::Indices;
use libmojo_sync::atomic::{AtomicU64, Ordering, fence};
use libmojo_sync::{Condvar, Mutex, OnceLock, Rank};
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;

/// How many use the value.
const COUNT: u64 = (1 << 21) - 1;
/// The number finds the value.
const VALID: u64 = 1 << 21;
/// Someone has claimed the value.
const CLAIMED: u64 = 1 << 22;
/// Someone waits for the claim to end.
const AWAITED: u64 = 1 << 23;
/// Where the generation begins.
const GENERATION: u32 = 24;

/// Slots are made by the chunk, when the first of a chunk is needed, and stay.
const CHUNKS: usize = 4096;

/// A table of at most `2^INDEX_BITS` values, with generations of so many bits, at most 40.
pub struct Slab<T, const INDEX_BITS: u32, const GENERATION_BITS: u32> {
    chunks: [OnceLock<Box<[Slot<T>]>>; CHUNKS],
    indices: &'static Indices,
}

/// Has a cache line of its own, as neighbours are often in use by different threads.
#[repr(align(64))]
struct Slot<T> {
    word: AtomicU64,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: what threads do to the value at the same time is only to read it, through borrows and claims; these exist at
// the same time only for types of which `Slab::borrow` is there, which are `Sync`. Otherwise one thread at a time has
// it, handed over through the word.
unsafe impl<T: Send> Sync for Slot<T> {}

/// Why a value was not claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is none with that number.
    Unknown,
    /// Someone else has claimed it.
    Claimed,
}

impl<T, const INDEX_BITS: u32, const GENERATION_BITS: u32> Slab<T, INDEX_BITS, GENERATION_BITS> {
    /// How many of the bits of an index say where in a chunk.
    const CHUNK_BITS: u32 = INDEX_BITS.saturating_sub(CHUNKS.trailing_zeros());

    /// A table without values. `indices` are `2^INDEX_BITS` and belong to this table alone.
    pub const fn new(indices: &'static Indices) -> Self {
        Self { chunks: [const { OnceLock::new() }; CHUNKS], indices }
    }

    fn slot(&self, index: u64) -> Option<&Slot<T>> {
        let chunk = self.chunks.get((index >> Self::CHUNK_BITS) as usize)?;
        chunk.get()?.get((index & ((1 << Self::CHUNK_BITS) - 1)) as usize)
    }

    /// The slot that a number means, and the generation that it means.
    #[inline]
    fn find(&self, number: u64) -> Option<(User<'_, T>, u64)> {
        let index = number & ((1 << INDEX_BITS) - 1);
        let user = User { indices: self.indices, slot: self.slot(index)?, index: index as u32 };
        Some((user, number >> INDEX_BITS))
    }

    /// Adds a value; it comes back if the table is full.
    #[inline]
    pub fn insert(&self, value: T) -> Result<u64, T> {
        let Some(index) = self.indices.take() else { return Err(value) };
        if let Some(chunk) = self.chunks.get((index >> Self::CHUNK_BITS) as usize) {
            chunk.get_or_init(|| (0..1 << Self::CHUNK_BITS).map(|_| Slot::vacant()).collect());
        }
        let Some(slot) = self.slot(index.into()) else { return Err(value) };
        // From 1 up; 0 never occurs, so that small numbers are never valid.
        let generation = slot.word.load(Ordering::Relaxed) >> GENERATION;
        let generation = if generation >= (1 << GENERATION_BITS) - 1 { 1 } else { generation + 1 };
        // SAFETY: the slot is vacant and stays so until the word is stored below: only whoever was given its index
        // changes that, and the index was given to this call. What happened before it became free has happened before
        // this, as indices are handed over under a lock or stay with the thread. So nobody else reaches the value.
        unsafe { *slot.value.get() = Some(value) };
        slot.word.store(generation << GENERATION | VALID, Ordering::Release);
        Ok(generation << INDEX_BITS | u64::from(index))
    }

    /// Claims a value: nobody finds it until that is over, or it is taken out.
    #[inline]
    pub fn claim(&self, number: u64) -> Result<Claim<'_, T>, Refused> {
        let (user, generation) = self.find(number).ok_or(Refused::Unknown)?;
        let mut word = user.slot.word.load(Ordering::Relaxed);
        loop {
            if word >> GENERATION != generation || word & (VALID | CLAIMED) == 0 || word & COUNT == COUNT {
                return Err(Refused::Unknown);
            }
            if word & CLAIMED != 0 {
                return Err(Refused::Claimed);
            }
            let claimed = word - VALID + CLAIMED + 1;
            match user.slot.word.compare_exchange_weak(word, claimed, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(Claim(user, PhantomData)),
                Err(other) => word = other,
            }
        }
    }

    /// Ends a number whose value is not claimed.
    #[inline]
    pub fn end(&self, number: u64) -> Option<Ended<'_, T>> {
        let (user, generation) = self.find(number)?;
        let use_ended = |word: u64| word - VALID + 1;
        user.begin(generation, use_ended).then(|| Ended(user, PhantomData))
    }

    /// Claims a value once nobody else has.
    #[inline]
    pub fn claim_in_turn(&self, number: u64) -> Option<Claim<'_, T>> {
        loop {
            match self.claim(number) {
                Ok(claim) => return Some(claim),
                Err(Refused::Unknown) => return None,
                Err(Refused::Claimed) => {
                    let (user, generation) = self.find(number)?;
                    user.slot.wait_while_claimed(generation);
                }
            }
        }
    }

    /// Looks at a value that is neither claimed nor taken out. If it is meanwhile, it stays there until this is over.
    #[inline]
    pub fn borrow(&self, number: u64) -> Option<Borrowed<'_, T>>
    where
        T: Sync,
    {
        let (user, generation) = self.find(number)?;
        user.begin(generation, |word| word + 1).then(|| Borrowed(user, PhantomData))
    }

    /// How many more values this thread could add.
    pub fn room(&self) -> usize {
        self.indices.room()
    }
}

/// Threads that wait for claims to end. There are hardly ever any.
static WAITING: Mutex<()> = Mutex::new(Rank::Leaf, ());
static CLAIM_ENDED: Condvar = Condvar::new();

impl<T> Slot<T> {
    const fn vacant() -> Self {
        Self { word: AtomicU64::new(0), value: UnsafeCell::new(None) }
    }

    fn wait_while_claimed(&self, generation: u64) {
        let mut waiting = WAITING.lock();
        loop {
            let word = self.word.load(Ordering::Acquire);
            if word >> GENERATION != generation || word & CLAIMED == 0 {
                return;
            }
            let awaited = self.word.compare_exchange(word, word | AWAITED, Ordering::Relaxed, Ordering::Relaxed);
            if awaited.is_ok() {
                waiting = CLAIM_ENDED.wait(waiting, None);
            }
        }
    }

    /// To be called with what the word was before a claim ended.
    #[inline]
    fn note_end_of_claim(&self, before: u64) {
        if before & AWAITED != 0 {
            self.wake_waiting();
        }
    }

    #[cold]
    fn wake_waiting(&self) {
        let waiting = WAITING.lock();
        self.word.fetch_and(!AWAITED, Ordering::Relaxed);
        drop(waiting);
        CLAIM_ENDED.notify_all();
    }
}

/// One of those that the count of a slot counts.
struct User<'a, T> {
    indices: &'static Indices,
    slot: &'a Slot<T>,
    index: u32,
}

impl<T> User<'_, T> {
    /// Becomes a user of a value that is there, by the change of the word that is given. False if it is not there.
    #[inline]
    fn begin(&self, generation: u64, change: impl Fn(u64) -> u64) -> bool {
        let mut word = self.slot.word.load(Ordering::Relaxed);
        loop {
            if word >> GENERATION != generation || word & VALID == 0 || word & COUNT == COUNT {
                return false;
            }
            match self.slot.word.compare_exchange_weak(word, change(word), Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => word = other,
            }
        }
    }

    #[inline]
    fn value(&self) -> &T {
        // SAFETY: a value is written only while the slot is vacant, and taken out, or lent to be changed, only by its
        // only user; this is one, and does so only by value or through a mutable reference.
        match unsafe { &*self.slot.value.get() } {
            Some(value) => value,
            None => unreachable!("a value in use is there"),
        }
    }

    /// Takes the value out and makes the slot vacant.
    ///
    /// # Safety
    /// Nobody else uses the value, and the number is not valid.
    #[inline]
    unsafe fn vacate(&self) -> Option<T> {
        // Pairs with the release by which each other user has left, after its last look at the value.
        fence(Ordering::Acquire);
        // SAFETY: by this function's contract nobody else uses the value, and nobody can begin to.
        let value = unsafe { &mut *self.slot.value.get() }.take();
        let before = self.slot.word.fetch_and(u64::MAX << GENERATION, Ordering::Release);
        self.indices.give(self.index);
        self.slot.note_end_of_claim(before);
        value
    }

    /// Takes the value out unless others use it too. If it does, this is a user no more.
    ///
    /// # Safety
    /// The number is not valid, so that nobody begins to use the value.
    #[inline]
    unsafe fn take_if_only_user(&self) -> Option<T> {
        if self.slot.word.load(Ordering::Relaxed) & COUNT != 1 {
            return None;
        }
        // SAFETY: by this function's contract, and as nobody else is counted.
        unsafe { self.vacate() }
    }

    /// Is a user no more, and what is `claimed` no more either. If nobody uses a value that has ended, it is dropped.
    #[inline]
    fn leave(&self, claimed: u64) {
        let before = self.slot.word.fetch_sub(claimed + 1, Ordering::Release);
        if (before - claimed) & (VALID | CLAIMED | COUNT) == 1 {
            // SAFETY: this was the only user, there is no claim, and the number is not valid.
            drop(unsafe { self.vacate() });
        } else if claimed != 0 {
            self.slot.note_end_of_claim(before);
        }
    }
}

/// The use of a value by one of several.
pub struct Borrowed<'a, T: Sync>(User<'a, T>, PhantomData<&'a T>);

impl<T: Sync> Deref for Borrowed<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.0.value()
    }
}

impl<T: Sync> Drop for Borrowed<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.leave(0);
    }
}

/// The use of a value whose number has ended.
pub struct Ended<'a, T>(User<'a, T>, PhantomData<&'a mut T>);

impl<T> Ended<'_, T> {
    /// Takes the value out. While others still use it, this comes back.
    #[inline]
    pub fn take(self) -> Result<T, Self> {
        let this = ManuallyDrop::new(self);
        // SAFETY: the number is not valid.
        unsafe { this.0.take_if_only_user() }.ok_or_else(|| ManuallyDrop::into_inner(this))
    }
}

impl<T> Deref for Ended<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.value()
    }
}

impl<T> Drop for Ended<'_, T> {
    fn drop(&mut self) {
        self.0.leave(0);
    }
}

/// The right to take a value out. Dropped, it leaves it there for others to find.
pub struct Claim<'a, T>(User<'a, T>, PhantomData<&'a mut T>);

impl<T> Claim<'_, T> {
    /// The value, to be changed. `None` while others still use it, as they can if it is of a type to be borrowed.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        // Pairs with the release by which each other user has left.
        let is_only_user = self.0.slot.word.load(Ordering::Acquire) & COUNT == 1;
        // SAFETY: while there is a claim nobody begins to use the value, so this goes on to be its only user.
        is_only_user.then(|| unsafe { &mut *self.0.slot.value.get() }.as_mut()).flatten()
    }

    /// Takes the value out for good. While others still use it, the claim comes back.
    #[inline]
    pub fn take(self) -> Result<T, Self> {
        let this = ManuallyDrop::new(self);
        // SAFETY: while there is a claim the number is not valid.
        unsafe { this.0.take_if_only_user() }.ok_or_else(|| ManuallyDrop::into_inner(this))
    }

    /// Ends the number. The value is dropped when nobody uses it any more.
    pub fn end(self) {
        ManuallyDrop::new(self).0.leave(CLAIMED);
    }
}

impl<T> Deref for Claim<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.value()
    }
}

impl<T> Drop for Claim<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let before = self.0.slot.word.fetch_sub(CLAIMED - VALID + 1, Ordering::Release);
        self.0.slot.note_end_of_claim(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indices::Cache;
    use libmojo_sync::thread_local;
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    /// A table with indices of its own.
    macro_rules! slab {
        ($type:ty, $index_bits:expr, $generation_bits:expr, $min_free:expr) => {{
            static INDICES: Indices = Indices::new($index_bits, $min_free, &CACHE);
            thread_local! {
                static CACHE: Cache = const { Cache::new(&INDICES) };
            }
            static SLAB: Slab<$type, $index_bits, $generation_bits> = Slab::new(&INDICES);
            &SLAB
        }};
    }

    fn remove<T, const I: u32, const G: u32>(slab: &Slab<T, I, G>, number: u64) -> Option<T> {
        slab.claim(number).ok()?.take().ok()
    }

    #[test]
    fn a_number_finds_its_value_until_it_is_removed_and_nothing_afterwards() {
        let slab = slab!(char, 22, 10, 1024);
        let a = slab.insert('a').unwrap();
        assert_eq!(slab.borrow(a).as_deref(), Some(&'a'));
        assert_eq!(remove(slab, a), Some('a'));
        assert_eq!(remove(slab, a), None);
        for _ in 0..5000 {
            let number = slab.insert('b').unwrap();
            assert_ne!(number, a);
            assert!(slab.borrow(a).is_none() && slab.claim(a).is_err());
            remove(slab, number);
        }
    }

    #[test]
    fn a_number_is_reused_late() {
        let slab = slab!((), 22, 10, 1024);
        let mut numbers = std::collections::HashSet::new();
        for _ in 0..100_000 {
            let number = slab.insert(()).unwrap();
            assert!(numbers.insert(number));
            remove(slab, number);
        }
        assert!(numbers.iter().map(|number| number & ((1 << 22) - 1)).max() < Some(2 * 1024));
    }

    #[test]
    fn numbers_that_were_never_given_out_find_nothing() {
        let slab = slab!((), 22, 10, 1024);
        for _ in 0..100 {
            slab.insert(()).unwrap();
        }
        for number in [0, 1, 10, 99, 1_000_000_000, u64::from(u32::MAX), u64::MAX] {
            assert!(slab.borrow(number).is_none(), "{number}");
            assert_eq!(slab.claim(number).err(), Some(Refused::Unknown), "{number}");
        }
    }

    #[test]
    fn a_full_table_refuses_and_goes_on_after_a_removal() {
        let slab = slab!(u32, 2, 3, 1024);
        let numbers: Vec<u64> = (0..4).map(|value| slab.insert(value).unwrap()).collect();
        assert_eq!(slab.insert(4), Err(4));
        assert_eq!(slab.room(), 0);
        remove(slab, numbers[2]);
        assert_eq!(slab.room(), 1);
        let again = slab.insert(5).unwrap();
        assert_ne!(again, numbers[2]);
    }

    #[test]
    fn what_a_thread_had_is_there_for_others_when_it_has_ended() {
        let slab = slab!((), 2, 3, 0);
        for _ in 0..10 {
            thread::spawn(|| {
                let numbers: Vec<u64> = (0..4).map(|_| slab.insert(()).unwrap()).collect();
                numbers.into_iter().for_each(|number| remove(slab, number).unwrap());
            })
            .join()
            .unwrap();
        }
        assert_eq!(slab.room(), 4);
    }

    #[test]
    fn a_claimed_value_is_found_by_nobody_until_the_claim_is_dropped() {
        let slab = slab!(char, 22, 10, 1024);
        let number = slab.insert('a').unwrap();
        let claim = slab.claim(number).unwrap();
        assert!(slab.borrow(number).is_none());
        assert_eq!(slab.claim(number).err(), Some(Refused::Claimed));
        drop(claim);
        assert_eq!(slab.borrow(number).as_deref(), Some(&'a'));
        slab.claim(number).unwrap().end();
        assert_eq!(slab.claim(number).err(), Some(Refused::Unknown));
    }

    /// Counts how many there are.
    #[derive(Debug)]
    struct Counted(&'static AtomicUsize);

    impl Counted {
        fn new(count: &'static AtomicUsize) -> Self {
            count.fetch_add(1, Ordering::Relaxed);
            Self(count)
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_value_that_ends_while_it_is_in_use_is_dropped_by_its_last_user() {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let slab = slab!(Counted, 22, 10, 1024);
        let number = slab.insert(Counted::new(&COUNT)).unwrap();
        let (one, other) = (slab.borrow(number).unwrap(), slab.borrow(number).unwrap());
        let mut claim = slab.claim(number).unwrap();
        assert!(claim.get_mut().is_none());
        drop(claim.take().err().unwrap());
        let ended = slab.end(number).unwrap().take().err().unwrap();
        drop(one);
        assert_eq!(slab.claim(number).err(), Some(Refused::Unknown));
        assert!(slab.borrow(number).is_none() && slab.end(number).is_none());
        drop(ended);
        assert_eq!(COUNT.load(Ordering::Relaxed), 1);
        drop(other);
        assert_eq!(COUNT.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn of_threads_that_use_and_end_values_each_finds_them_whole_or_not_at_all() {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let slab = slab!((Counted, u64, u64), 22, 10, 4);
        let numbers: [AtomicU64; 4] = Default::default();
        let ended = AtomicUsize::new(0);
        thread::scope(|scope| {
            for seed in 1..5u64 {
                let (numbers, ended) = (&numbers, &ended);
                scope.spawn(move || {
                    let mut random = seed;
                    for _ in 0..20_000 {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let place = &numbers[(random >> 33) as usize % numbers.len()];
                        let number = place.load(Ordering::Relaxed);
                        match (random >> 40) % 6 {
                            0 => {
                                let fresh = slab.insert((Counted::new(&COUNT), random, random)).unwrap();
                                let old = place.swap(fresh, Ordering::Relaxed);
                                // Nobody finds it by that number again, so it is to end whoever has it now.
                                if let Some(claim) = slab.claim_in_turn(old) {
                                    claim.end();
                                }
                            }
                            1 => {
                                if let Some(Err(value)) = slab.end(number).map(Ended::take) {
                                    let (_, one, other) = &*value;
                                    assert_eq!(one, other);
                                }
                            }
                            2 => {
                                if let Ok(claim) = slab.claim(number) {
                                    let (_, one, other) = &*claim;
                                    assert_eq!(one, other);
                                    ended.fetch_add(claim.take().is_ok().into(), Ordering::Relaxed);
                                }
                            }
                            _ => {
                                if let Some(value) = slab.borrow(number) {
                                    let (_, one, other) = &*value;
                                    assert_eq!(one, other);
                                }
                            }
                        }
                    }
                });
            }
        });
        for number in numbers {
            let _ = slab.claim(number.into_inner()).map(Claim::end);
        }
        assert!(ended.into_inner() > 0);
        assert_eq!(COUNT.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn threads_that_claim_in_turn_change_a_value_one_after_the_other() {
        let slab = slab!(std::cell::Cell<u64>, 22, 10, 0);
        let number = slab.insert(std::cell::Cell::new(0)).unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..10_000 {
                        let mut claim = slab.claim_in_turn(number).unwrap();
                        let value = claim.get_mut().unwrap();
                        let before = value.get();
                        if round % 100 == 0 {
                            thread::yield_now();
                        }
                        value.set(before + 1);
                    }
                });
            }
        });
        let claim = slab.claim_in_turn(number).unwrap();
        let late = thread::spawn(move || slab.claim_in_turn(number).is_none());
        while claim.0.slot.word.load(Ordering::Relaxed) & AWAITED == 0 {
            thread::yield_now();
        }
        assert_eq!(claim.take().ok().map(|value| value.into_inner()), Some(40_000));
        assert!(late.join().unwrap());
    }
}
