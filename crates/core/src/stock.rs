//! Large storage that is used again: what the system has just given costs more to touch than to copy.

use libmojo_platform::{Block, Storage, is_forked};
use libmojo_sync::{Mutex, Rank};

/// The smallest and the largest storage that is kept, in blocks. What is larger costs little compared with what is done
/// with so many bytes.
const SMALLEST: usize = (4 << 10) / size_of::<Block>();
const LARGEST: usize = (4 << 20) / size_of::<Block>();

/// How many blocks are kept in all: 16 MiB.
const MAX_KEPT: usize = (16 << 20) / size_of::<Block>();

/// Sizes are powers of two.
const NUM_SIZES: usize = (LARGEST / SMALLEST).ilog2() as usize + 1;

/// That of the process.
static STOCK: Mutex<Stock> = Mutex::new(Rank::Leaf, Stock::new());

/// Which size of storage holds so many blocks; `None` for what is not kept.
fn size_of_storage(num_blocks: usize) -> Option<usize> {
    let size = num_blocks.max(SMALLEST).next_power_of_two();
    let is_kept = (SMALLEST / 2 < num_blocks) && size <= LARGEST;
    is_kept.then(|| (size / SMALLEST).ilog2() as usize)
}

/// False if a thread that is not there any more may have been about the stock when this process was forked off.
fn is_usable() -> bool {
    !cfg!(shuttle) && !is_forked()
}

/// Storage of at least so many blocks, which hold anything.
pub(crate) fn take(num_blocks: usize) -> Storage {
    let Some(size) = size_of_storage(num_blocks) else { return Storage::zeroed(num_blocks) };
    let kept = if is_usable() { STOCK.lock().take(size) } else { None };
    kept.unwrap_or_else(|| Storage::zeroed(SMALLEST << size))
}

/// Keeps storage for others, if there is not too much already.
pub(crate) fn give(storage: Storage) {
    let size = size_of_storage(storage.len()).filter(|size| storage.len() == SMALLEST << size);
    let Some(size) = size.filter(|_| is_usable()) else { return };
    let refused = STOCK.lock().give(size, storage);
    drop(refused);
}

/// Frees what was not used since the last call. True if something is left.
pub(crate) fn trim() -> bool {
    if !is_usable() {
        return false;
    }
    let (unused, is_left) = STOCK.lock().trim();
    drop(unused);
    is_left
}

struct Stock {
    /// By size, the smallest first.
    kept: [Kept; NUM_SIZES],
    num_blocks: usize,
}

/// Storage of one size.
struct Kept {
    storage: Vec<Storage>,
    /// How many of these, the first ones, were never taken since they were last counted.
    num_unused: usize,
}

impl Stock {
    const fn new() -> Self {
        Self { kept: [const { Kept { storage: Vec::new(), num_unused: 0 } }; NUM_SIZES], num_blocks: 0 }
    }

    fn take(&mut self, size: usize) -> Option<Storage> {
        let kept = self.kept.get_mut(size)?;
        let storage = kept.storage.pop()?;
        kept.num_unused = kept.num_unused.min(kept.storage.len());
        self.num_blocks -= storage.len();
        Some(storage)
    }

    /// What is too much comes back, to be freed without the lock.
    fn give(&mut self, size: usize, storage: Storage) -> Option<Storage> {
        let Some(kept) = self.kept.get_mut(size).filter(|_| self.num_blocks + storage.len() <= MAX_KEPT) else {
            return Some(storage);
        };
        self.num_blocks += storage.len();
        kept.storage.push(storage);
        None
    }

    /// Takes out what was not used since the last call, and says whether something is left.
    fn trim(&mut self) -> (Vec<Storage>, bool) {
        let mut unused = Vec::new();
        for kept in &mut self.kept {
            unused.extend(kept.storage.drain(..kept.num_unused));
            kept.num_unused = kept.storage.len();
        }
        self.num_blocks -= unused.iter().map(|storage| storage.len()).sum::<usize>();
        (unused, self.num_blocks > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_is_large_enough_and_used_again() {
        for num_blocks in [1, SMALLEST / 2, SMALLEST, SMALLEST + 1, 1000, LARGEST - 1, LARGEST, LARGEST + 1] {
            assert!(take(num_blocks).len() >= num_blocks);
        }
        let mut stock = Stock::new();
        let size = size_of_storage(3 * LARGEST / 4).unwrap();
        let mut storage = Storage::zeroed(LARGEST);
        storage[5] = 77;
        let place = storage.as_ptr();
        assert!(stock.give(size, storage).is_none());
        let again = stock.take(size_of_storage(LARGEST).unwrap()).unwrap();
        assert_eq!((again.as_ptr(), again[5]), (place, 77));
        assert!(stock.take(size).is_none());
    }

    #[test]
    fn no_more_is_kept_than_the_limit_says() {
        let mut stock = Stock::new();
        let refused = (0..10).filter_map(|_| stock.give(NUM_SIZES - 1, Storage::zeroed(LARGEST))).count();
        assert_eq!((refused, stock.num_blocks), (6, MAX_KEPT));
    }

    #[test]
    fn what_was_not_used_for_a_while_is_freed() {
        let mut stock = Stock::new();
        let num_kept = |stock: &Stock| stock.kept[1].storage.len();
        (0..3).for_each(|_| drop(stock.give(1, Storage::zeroed(2 * SMALLEST))));
        assert!(stock.trim().1);
        assert_eq!(num_kept(&stock), 3);
        let used = stock.take(1).unwrap();
        stock.give(1, used);
        stock.trim();
        assert_eq!(num_kept(&stock), 1);
        let (unused, is_left) = stock.trim();
        assert_eq!((unused.len(), is_left, stock.num_blocks), (1, false, 0));
    }
}
