//! Zero-filled memory of a process's own, which goes back to the system when it is freed.

#![allow(unsafe_code)]

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use std::alloc::{Layout, handle_alloc_error};
use std::mem;
use std::ops::{Deref, DerefMut};
use std::ptr::{NonNull, null_mut};

/// The unit of [`Storage`]. Its alignment is fit for any primitive type.
pub type Block = u128;

/// From so many bytes on, storage has pages of its own. An allocator learns to keep what is freed, and what is as large as
/// this is too large for that.
const OWN_PAGES: usize = 128 << 10;

/// From so many bytes on, these are large pages if the system has any: it takes longer to get a million small ones than to
/// fill them.
const LARGE_PAGES: usize = 2 << 20;

/// Owned memory of a fixed size.
pub struct Storage(
    /// From `OWN_PAGES` on a mapping of exactly so many bytes, below what was a box.
    NonNull<[Block]>,
);

// SAFETY: the memory is owned like that of a box, and integers may go to any thread.
unsafe impl Send for Storage {}

// SAFETY: a shared reference allows to read and nothing else.
unsafe impl Sync for Storage {}

impl Storage {
    /// So many blocks, all zero. Like any allocation it ends the process if there is no memory.
    #[inline]
    pub fn zeroed(num_blocks: usize) -> Self {
        match Layout::array::<Block>(num_blocks) {
            Ok(layout) if layout.size() >= OWN_PAGES => Self::map(num_blocks, layout),
            _ => {
                let blocks: Box<[Block]> = vec![0; num_blocks].into();
                Self(NonNull::from(Box::leak(blocks)))
            }
        }
    }

    fn map(num_blocks: usize, layout: Layout) -> Self {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the system chooses the address, so no memory that is in use is replaced.
        let mapped = unsafe { mmap_anonymous(null_mut(), layout.size(), protection, MapFlags::PRIVATE) };
        let Some(start) = mapped.ok().and_then(NonNull::new) else { handle_alloc_error(layout) };
        if layout.size() >= LARGE_PAGES {
            // SAFETY: the range is the mapping just made, and how large its pages are does not show in what it holds.
            // Without large pages it is as good as before.
            let _ = unsafe { madvise(start.as_ptr(), layout.size(), Advice::LinuxHugepage) };
        }
        Self(NonNull::slice_from_raw_parts(start.cast(), num_blocks))
    }
}

impl Default for Storage {
    #[inline]
    fn default() -> Self {
        // As good as the box of no blocks, for which there is no memory.
        Self(NonNull::slice_from_raw_parts(NonNull::dangling(), 0))
    }
}

impl Clone for Storage {
    fn clone(&self) -> Self {
        let mut clone = Self::zeroed(self.len());
        clone.copy_from_slice(self);
        clone
    }
}

impl Deref for Storage {
    type Target = [Block];

    #[inline]
    fn deref(&self) -> &[Block] {
        // SAFETY: the memory is owned and initialised: the box was filled, and the system fills what it maps with zeros,
        // which are a value of a block. A page is aligned for blocks.
        unsafe { self.0.as_ref() }
    }
}

impl DerefMut for Storage {
    #[inline]
    fn deref_mut(&mut self) -> &mut [Block] {
        // SAFETY: as in `deref`; and nobody else refers to the memory while this is borrowed mutably.
        unsafe { self.0.as_mut() }
    }
}

impl Drop for Storage {
    #[inline]
    fn drop(&mut self) {
        let num_bytes = mem::size_of_val(&**self);
        if num_bytes >= OWN_PAGES {
            // SAFETY: `map` has made a mapping of exactly this range, and nothing refers to it any more.
            let unmapped = unsafe { munmap(self.0.as_ptr().cast(), num_bytes) };
            debug_assert_eq!(unmapped, Ok(()));
        } else {
            // SAFETY: below that size the memory was a box, which was leaked into this value and is taken back once.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_of_every_kind_is_zero_writable_and_copied() {
        const BLOCK: usize = size_of::<Block>();
        for num_bytes in
            [0, BLOCK, OWN_PAGES - BLOCK, OWN_PAGES, OWN_PAGES + BLOCK, LARGE_PAGES, 3 * LARGE_PAGES + BLOCK]
        {
            let mut storage = Storage::zeroed(num_bytes / BLOCK);
            assert_eq!(size_of_val(&*storage), num_bytes);
            assert!(storage.iter().all(|block| *block == 0));
            storage.iter_mut().zip(1..).for_each(|(block, number)| *block = number);
            let copy = storage.clone();
            drop(storage);
            assert!(copy.iter().zip(1..).all(|(block, number)| *block == number));
        }
        assert!(Storage::default().is_empty());
    }
}
