#![allow(unsafe_code)]
//! Memory that other processes may write to at any moment.
//!
//! Two rules follow from that. Nobody ever holds a reference to such memory, for a reference promises that the
//! bytes behind it stay as they are; bytes are only copied in and out, and words are only reached as atomics. And
//! every access is checked against the mapping's size. What is copied out while another process writes is some
//! mixture of bytes, any of which the caller must be ready for; it is looked at only after it has been copied, and
//! never interpreted in place.
//!
//! The copies are plain ones, through raw pointers: volatile or atomic ones are several times slower, and what they
//! would add is an order of bytes that nobody relies on, because indices published with atomics say which bytes are
//! stable. A well-behaved process writes only where nobody reads. A hostile one may write anywhere at any time; that
//! race is between processes, outside of what this program's compiler can see or assume anything from, and all that
//! comes of it is arbitrary bytes in a buffer for bytes.
//!
//! The system itself copies between a mapping and a descriptor, by address. Its `read`, `write` and `send` are declared
//! here, functions of a settled form, because what is made for safe callers takes references.

use crate::fork::is_forked;
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags};
use rustix::net::SendFlags;
use std::ffi::{c_int, c_void};
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};

unsafe extern "C" {
    /// Reads up to so many bytes to an address; -1 on failure.
    fn read(fd: c_int, to: *mut c_void, num_bytes: usize) -> isize;
    /// Writes up to so many bytes from an address; -1 on failure.
    fn write(fd: c_int, from: *const c_void, num_bytes: usize) -> isize;
    /// As `write`, to a socket.
    fn send(fd: c_int, from: *const c_void, num_bytes: usize, flags: c_int) -> isize;
}

/// A range of a memory object, mapped into this process until dropped.
pub struct Mapping {
    /// Where the system's mapping starts, at a page boundary, and how long it is.
    base: NonNull<u8>,
    base_len: usize,
    /// The part of it that was asked for.
    offset: usize,
    len: usize,
    read_only: bool,
    is_inherited: bool,
}

/// Why an access to a mapping was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessError {
    /// The range is not within the mapping.
    OutOfBounds,
    /// The mapping cannot be written to.
    ReadOnly,
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AccessError::OutOfBounds => "the range is not within the mapping",
            AccessError::ReadOnly => "the mapping is read-only",
        })
    }
}

impl std::error::Error for AccessError {}

impl From<AccessError> for io::Error {
    fn from(error: AccessError) -> io::Error {
        let kind = match error {
            AccessError::OutOfBounds => io::ErrorKind::InvalidInput,
            AccessError::ReadOnly => io::ErrorKind::PermissionDenied,
        };
        io::Error::new(kind, error)
    }
}

// SAFETY: the mapping is owned by this value alone and is not tied to a thread; unmapping is allowed anywhere.
unsafe impl Send for Mapping {}
// SAFETY: all access through a shared reference is by copying or by atomics, which several threads may do at once
// just as several processes do; nothing hands out references to the plain bytes.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of a memory object from `offset` on. The caller has made sure that the object is, and
    /// stays, at least that long. Processes that are forked off this one have the mapping only if `is_inherited`.
    pub(crate) fn new(
        fd: BorrowedFd<'_>,
        offset: u64,
        len: usize,
        read_only: bool,
        is_inherited: bool,
    ) -> io::Result<Self> {
        let page = rustix::param::page_size();
        let within_page = usize::try_from(offset % page as u64).map_err(|_| io::ErrorKind::InvalidInput)?;
        let base_len = len.checked_add(within_page).ok_or(io::ErrorKind::InvalidInput)?;
        let protection = if read_only { ProtFlags::READ } else { ProtFlags::READ | ProtFlags::WRITE };
        let aligned = offset - within_page as u64;
        // SAFETY: a null hint lets the system choose a free range, so no existing memory is replaced; the
        // descriptor is open for the duration of the call, and the mapping does not need it afterwards.
        let base =
            unsafe { rustix::mm::mmap(std::ptr::null_mut(), base_len, protection, MapFlags::SHARED, fd, aligned) }?;
        let base = NonNull::new(base.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let mapping = Self { base, base_len, offset: within_page, len, read_only, is_inherited };
        if is_inherited {
            return Ok(mapping);
        }
        // A child made by fork must not take part in what the indices in this memory say of its parent. Refusal is
        // harmless: such a child does not get to use the copy.
        // SAFETY: the range is exactly the mapping made above, and keeping it out of children affects nothing here.
        let _ = unsafe { rustix::mm::madvise(mapping.base.as_ptr().cast(), base_len, Advice::LinuxDontFork) };
        Ok(mapping)
    }

    /// How many bytes are mapped.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never true: empty ranges cannot be mapped.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// True if the mapping cannot be written to.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// The address of the first byte, for handing out to other languages. Valid until the mapping is dropped. Not
    /// to be written through if the mapping is read-only: that ends the process.
    pub fn as_ptr(&self) -> *mut u8 {
        // Within the mapping, which is one allocation: `offset` is less than `base_len`.
        self.base.as_ptr().wrapping_add(self.offset)
    }

    /// Copies as many bytes as `out` holds out of the mapping, from `offset` (in bytes) on. What other processes
    /// write meanwhile may or may not be among them.
    ///
    /// # Errors
    /// [`AccessError::OutOfBounds`]; `out` is as it was.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> Result<(), AccessError> {
        let from = self.place(offset, out.len())?;
        // SAFETY: `place` has checked that `out.len()` bytes from `from` on are within the mapping, which is
        // readable and stays mapped while `self` is borrowed. `out` is writable for that length. Bytes need no
        // alignment. The two may overlap as far as this copy goes, so nothing depends on what callers in other
        // languages do with the address from `as_ptr`. A write by another process meanwhile yields some bytes,
        // and any bytes are valid in `out`.
        unsafe { std::ptr::copy(from, out.as_mut_ptr(), out.len()) };
        Ok(())
    }

    /// Copies all of `bytes` into the mapping, from `offset` (in bytes) on.
    ///
    /// # Errors
    /// [`AccessError::ReadOnly`], whatever the range, or [`AccessError::OutOfBounds`]; nothing is written.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), AccessError> {
        if self.read_only {
            return Err(AccessError::ReadOnly);
        }
        let to = self.place(offset, bytes.len())?;
        // SAFETY: `place` has checked that `bytes.len()` bytes from `to` on are within the mapping, which is
        // writable (checked above) and stays mapped while `self` is borrowed. `bytes` is readable for that length.
        // Bytes need no alignment, and the two may overlap, as in `read`. No reference to the mapping's plain bytes
        // exists that this could invalidate.
        unsafe { std::ptr::copy(bytes.as_ptr(), to, bytes.len()) };
        Ok(())
    }

    /// Has the system read up to `len` bytes from a descriptor into the mapping, from `offset` (in bytes) on. Returns how
    /// many came; 0 at the end.
    ///
    /// # Errors
    /// Those of [`write`](Self::write), or what the system says.
    pub fn read_from(&self, offset: usize, len: usize, source: BorrowedFd<'_>) -> io::Result<usize> {
        if self.read_only {
            return Err(AccessError::ReadOnly.into());
        }
        let to = self.place(offset, len)?;
        // SAFETY: `place` has checked that `len` bytes from `to` on are within the mapping, which is writable (checked
        // above) and stays mapped while `self` is borrowed; the descriptor is open as long as it is borrowed. The system
        // writes to these bytes as another process might at any time, and no reference to them exists.
        let num_bytes = unsafe { read(source.as_raw_fd(), to.cast(), len) };
        transferred(num_bytes)
    }

    /// Has the system write up to `len` bytes of the mapping, from `offset` (in bytes) on, to a descriptor. Returns how
    /// many went. No signal is raised for a socket whose other side is gone.
    ///
    /// # Errors
    /// Those of [`read`](Self::read), or what the system says.
    pub fn write_to(&self, offset: usize, len: usize, target: BorrowedFd<'_>) -> io::Result<usize> {
        let from = self.place(offset, len)?;
        let flags = SendFlags::NOSIGNAL.bits() as c_int;
        // SAFETY: `place` has checked that `len` bytes from `from` on are within the mapping, which is readable and stays
        // mapped while `self` is borrowed; the descriptor is open as long as it is borrowed. The system copies the bytes
        // out, whatever another process writes meanwhile.
        let sent = transferred(unsafe { send(target.as_raw_fd(), from.cast(), len, flags) });
        if !sent.as_ref().is_err_and(|error| error.raw_os_error() == Some(Errno::NOTSOCK.raw_os_error())) {
            return sent;
        }
        // SAFETY: as above.
        transferred(unsafe { write(target.as_raw_fd(), from.cast(), len) })
    }

    /// Gives back the memory behind whole pages of a range, which is then zero for everyone who maps it, and takes up
    /// memory again when it is written to. Nothing happens where the system cannot do that.
    ///
    /// # Errors
    /// [`AccessError::ReadOnly`] or [`AccessError::OutOfBounds`]; nothing is given back.
    pub fn give_back(&self, offset: usize, len: usize) -> Result<(), AccessError> {
        if self.read_only {
            return Err(AccessError::ReadOnly);
        }
        let page = rustix::param::page_size();
        let start = self.place(offset, len)?;
        let skipped = start.addr().next_multiple_of(page) - start.addr();
        let whole = len.saturating_sub(skipped) / page * page;
        if whole > 0 {
            // SAFETY: `place` has checked that the range is within the mapping, which is shared, writable, and stays mapped
            // while `self` is borrowed; what is left of it after `skipped` bytes begins at a page and is not longer. No
            // reference to the plain bytes exists, and bytes that become zero are like bytes that another process writes.
            let _ = unsafe { rustix::mm::madvise(start.wrapping_add(skipped).cast(), whole, Advice::LinuxRemove) };
        }
        Ok(())
    }

    /// A 64-bit word that processes share; `None` unless it is aligned, within the mapping, and writable.
    pub fn atomic_u64(&self, offset: usize) -> Option<&AtomicU64> {
        let at = self.word(offset, size_of::<AtomicU64>(), align_of::<AtomicU64>())?;
        // SAFETY: `word` has checked that the word is aligned, within the mapping and writable. The mapping lives
        // as long as the returned reference, which borrows `self`. Atomics may be changed by others at any time.
        Some(unsafe { AtomicU64::from_ptr(at.cast()) })
    }

    /// A 32-bit word that processes share; `None` unless it is aligned, within the mapping, and writable.
    pub fn atomic_u32(&self, offset: usize) -> Option<&AtomicU32> {
        let at = self.word(offset, size_of::<AtomicU32>(), align_of::<AtomicU32>())?;
        // SAFETY: `word` has checked that the word is aligned, within the mapping and writable. The mapping lives
        // as long as the returned reference, which borrows `self`. Atomics may be changed by others at any time.
        Some(unsafe { AtomicU32::from_ptr(at.cast()) })
    }

    /// The address of a word; `None` unless it is aligned, within the mapping, and writable.
    fn word(&self, offset: usize, size: usize, align: usize) -> Option<*mut u8> {
        let at = self.place(offset, size).ok()?;
        (!self.read_only && at.addr().is_multiple_of(align)).then_some(at)
    }

    /// The address of `len` bytes from `offset` on, all of which are within the mapping.
    fn place(&self, offset: usize, len: usize) -> Result<*mut u8, AccessError> {
        let end = offset.checked_add(len).ok_or(AccessError::OutOfBounds)?;
        if end > self.len {
            return Err(AccessError::OutOfBounds);
        }
        Ok(self.as_ptr().wrapping_add(offset))
    }
}

/// What the system has answered; to be asked at once.
fn transferred(num_bytes: isize) -> io::Result<usize> {
    usize::try_from(num_bytes).map_err(|_| io::Error::last_os_error())
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if !self.is_inherited && is_forked() {
            // The range is not mapped here, and may have come to be something else.
            return;
        }
        // SAFETY: the range is exactly what `mmap` returned to `new`; every borrow of its contents has ended with
        // the borrows of `self`, and addresses handed out by `as_ptr` are documented to end here.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.base_len) };
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping").field("len", &self.len).field("read_only", &self.read_only).finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::{AccessError, SharedMemory};
    use std::io::{ErrorKind, Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::sync::atomic::Ordering;

    #[test]
    fn any_offset_can_be_mapped_and_keeps_its_place_within_the_page() {
        let memory = SharedMemory::create(20_000, false).unwrap();
        let all = memory.map(0, 20_000).unwrap();
        for offset in [1, 4095, 4096, 4097, 12_345] {
            let part = memory.map(offset, 10).unwrap();
            part.write(0, &[9; 10]).unwrap();
            assert_eq!(part.as_ptr() as usize % 4096, offset as usize % 4096);
            let mut bytes = [0; 12];
            all.read(offset as usize - 1, &mut bytes).unwrap();
            assert_eq!(bytes[1..11], [9; 10]);
        }
    }

    #[test]
    fn accesses_are_checked_against_the_range() {
        let mapping = SharedMemory::create(100, false).unwrap().map(10, 16).unwrap();
        assert_eq!(mapping.write(0, &[0; 17]), Err(AccessError::OutOfBounds));
        assert_eq!(mapping.write(16, &[0; 1]), Err(AccessError::OutOfBounds));
        assert_eq!(mapping.read(usize::MAX, &mut [0; 2]), Err(AccessError::OutOfBounds));
        assert_eq!(mapping.write(16, &[]), Ok(()));
    }

    #[test]
    fn pages_that_are_given_back_are_zero_and_the_bytes_around_them_stay() {
        let memory = SharedMemory::create(3 * 4096, false).unwrap();
        let mapping = memory.map(0, 3 * 4096).unwrap();
        mapping.write(0, &[7; 3 * 4096]).unwrap();
        mapping.give_back(100, 2 * 4096).unwrap();
        let mut bytes = [1; 3 * 4096];
        mapping.read(0, &mut bytes).unwrap();
        assert!(bytes[..4096].iter().chain(&bytes[2 * 4096..]).all(|byte| *byte == 7));
        assert!(bytes[4096..2 * 4096].iter().all(|byte| *byte == 0));
        mapping.give_back(100, 50).unwrap();
        assert_eq!(mapping.give_back(4096, 3 * 4096), Err(AccessError::OutOfBounds));
    }

    #[test]
    fn the_system_copies_between_a_mapping_and_descriptors() {
        let mapping = SharedMemory::create(100, false).unwrap().map(10, 16).unwrap();
        let (mut a, b) = UnixStream::pair().unwrap();
        a.write_all(b"hello").unwrap();
        assert_eq!(mapping.read_from(8, 8, b.as_fd()).unwrap(), 5);
        assert_eq!(mapping.write_to(9, 3, b.as_fd()).unwrap(), 3);
        let mut bytes = [0; 3];
        a.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"ell");
        drop(a);
        assert_eq!(mapping.read_from(0, 16, b.as_fd()).unwrap(), 0);
        assert_eq!(mapping.write_to(0, 1, b.as_fd()).unwrap_err().kind(), ErrorKind::BrokenPipe);
        let (mut reader, writer) = std::io::pipe().unwrap();
        assert_eq!(mapping.write_to(8, 5, writer.as_fd()).unwrap(), 5);
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }

    #[test]
    fn the_system_copies_nothing_that_is_out_of_bounds() {
        let memory = SharedMemory::create(100, true).unwrap();
        let mapping = memory.map(10, 16).unwrap();
        let (mut a, b) = UnixStream::pair().unwrap();
        a.write_all(b"hello").unwrap();
        for (offset, len) in [(0, 17), (16, 1), (17, 0), (1, usize::MAX)] {
            assert_eq!(mapping.read_from(offset, len, b.as_fd()).unwrap_err().kind(), ErrorKind::InvalidInput);
            assert_eq!(mapping.write_to(offset, len, b.as_fd()).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        let read_only = memory.to_read_only().unwrap().unwrap().map(0, 100).unwrap();
        assert_eq!(read_only.read_from(0, 5, b.as_fd()).unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!(mapping.read_from(0, 5, b.as_fd()).unwrap(), 5);
    }

    #[test]
    fn words_are_atomics_only_where_they_are_aligned_and_whole() {
        let mapping = SharedMemory::create(4096, false).unwrap().map(0, 20).unwrap();
        mapping.atomic_u64(8).unwrap().store(7, Ordering::Relaxed);
        assert_eq!(mapping.atomic_u32(8).unwrap().load(Ordering::Relaxed), 7u64.to_le() as u32);
        assert!(mapping.atomic_u64(4).is_none());
        assert!(mapping.atomic_u64(16).is_none());
        assert!(mapping.atomic_u32(16).is_some());
        for beyond in [18, 20, 24, usize::MAX - 3, usize::MAX] {
            assert!(mapping.atomic_u32(beyond).is_none() && mapping.atomic_u64(beyond).is_none());
        }
    }

    #[test]
    fn alignment_is_that_of_the_address_and_not_of_the_offset() {
        let mapping = SharedMemory::create(4096, false).unwrap().map(3, 100).unwrap();
        assert!(mapping.atomic_u32(0).is_none());
        assert!(mapping.atomic_u32(1).is_some());
        assert!(mapping.atomic_u64(1).is_none());
        assert!(mapping.atomic_u64(5).is_some());
    }

    #[test]
    fn a_read_only_mapping_has_no_words_and_takes_no_bytes() {
        let memory = SharedMemory::create(100, true).unwrap();
        let mapping = memory.to_read_only().unwrap().unwrap().map(0, 100).unwrap();
        assert!(mapping.is_read_only() && mapping.len() == 100 && !mapping.is_empty());
        assert!(mapping.atomic_u32(0).is_none() && mapping.atomic_u64(0).is_none());
        assert_eq!(mapping.write(0, b"x"), Err(AccessError::ReadOnly));
        assert_eq!(mapping.write(1000, b"x"), Err(AccessError::ReadOnly));
        assert_eq!(mapping.read(100, &mut [0; 1]), Err(AccessError::OutOfBounds));
    }

    #[test]
    fn a_mapping_outlives_its_memory_object_and_may_be_used_from_any_thread() {
        let mapping = SharedMemory::create(64, false).unwrap().map(0, 64).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        mapping.atomic_u64(0).unwrap().fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        let mut bytes = [0; 8];
        mapping.read(0, &mut bytes).unwrap();
        assert_eq!(u64::from_ne_bytes(bytes), 4000);
        std::thread::spawn(move || drop(mapping)).join().unwrap();
    }

    #[test]
    fn children_inherit_no_mappings_but_those_that_are_meant_for_them() {
        let memory = SharedMemory::create(4096, false).unwrap();
        for (mapping, is_kept_back) in [(memory.map(0, 4096), true), (memory.map_inherited(0, 4096), false)] {
            let mapping = mapping.unwrap();
            let start = format!("{:x}-", mapping.as_ptr().addr());
            let all = std::fs::read_to_string("/proc/self/smaps").unwrap();
            let own = all.lines().skip_while(|line| !line.starts_with(&start));
            let flags = own.into_iter().find_map(|line| line.strip_prefix("VmFlags:")).unwrap();
            assert_eq!(flags.split_whitespace().any(|flag| flag == "dc"), is_kept_back, "{flags}");
        }
    }
}
