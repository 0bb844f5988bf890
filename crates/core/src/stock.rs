//! Large storage that is used again. What the system has just given costs more to touch than to copy, and it takes back
//! what is freed.

use crate::payload::Block;
use libmojo_platform::is_forked;
use libmojo_sync::{Mutex, Rank};

/// The smallest and the largest storage that is kept, in blocks. What is larger costs little compared with what is done
/// with so many bytes.
const SMALLEST: usize = (4 << 10) / size_of::<Block>();
const LARGEST: usize = (4 << 20) / size_of::<Block>();

/// How many blocks are kept in all: 16 MiB.
const MAX_KEPT: usize = (16 << 20) / size_of::<Block>();

/// Sizes are powers of two.
const NUM_SIZES: usize = (LARGEST / SMALLEST).ilog2() as usize + 1;

struct Stock {
    /// By size, the smallest first.
    kept: [Vec<Box<[Block]>>; NUM_SIZES],
    num_blocks: usize,
}

static STOCK: Mutex<Stock> = Mutex::new(Rank::Leaf, Stock { kept: [const { Vec::new() }; NUM_SIZES], num_blocks: 0 });

/// Which size of storage holds so many blocks; `None` for what is not kept.
fn size_of_storage(num_blocks: usize) -> Option<usize> {
    let size = num_blocks.max(SMALLEST).next_power_of_two();
    let is_kept = (SMALLEST / 2 < num_blocks) && size <= LARGEST;
    is_kept.then(|| (size / SMALLEST).ilog2() as usize)
}

/// Storage of at least so many blocks, which hold anything.
pub(crate) fn take(num_blocks: usize) -> Box<[Block]> {
    let Some(size) = size_of_storage(num_blocks) else { return vec![0; num_blocks].into() };
    // A thread that is not there any more may have been about it when this process was forked off.
    if !cfg!(shuttle) && !is_forked() {
        let mut stock = STOCK.lock();
        let blocks = stock.kept.get_mut(size).and_then(Vec::pop);
        if let Some(blocks) = blocks {
            stock.num_blocks -= blocks.len();
            return blocks;
        }
    }
    vec![0; SMALLEST << size].into()
}

/// Keeps storage for others, if there is not too much already.
pub(crate) fn give(blocks: Box<[Block]>) {
    let size = size_of_storage(blocks.len()).filter(|size| blocks.len() == SMALLEST << size);
    let Some(size) = size.filter(|_| !cfg!(shuttle) && !is_forked()) else { return };
    let mut stock = STOCK.lock();
    if stock.num_blocks + blocks.len() > MAX_KEPT {
        // Freed without the lock.
        drop(stock);
        return;
    }
    stock.num_blocks += blocks.len();
    if let Some(kept) = stock.kept.get_mut(size) {
        kept.push(blocks);
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
        let mut blocks = take(3 * LARGEST / 4);
        blocks[5] = 77;
        let place = blocks.as_ptr();
        give(blocks);
        let again = take(LARGEST);
        assert_eq!((again.as_ptr(), again[5]), (place, 77));
    }

    #[test]
    fn no_more_is_kept_than_the_limit_says() {
        for _ in 0..10 {
            give(vec![0; LARGEST].into());
        }
        assert!(STOCK.lock().num_blocks <= MAX_KEPT);
    }
}
