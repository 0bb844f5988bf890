//! Memory objects of a fixed size, shared by passing their descriptors.

use crate::mapping::Mapping;
use rustix::fs::{FileType, FsWord, MemfdFlags, Mode, OFlags, SealFlags, Stat};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Seals that make the size final, so that no mapping can ever be cut off.
const SIZE_SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW);

/// What the file system of memory in huge pages calls itself.
const HUGE_PAGES: FsWord = 0x9584_58f6_u32 as FsWord;

/// A reference to a memory object: writable, with both a read-write and, where possible, a read-only descriptor;
/// or read-only.
///
/// The read-only descriptor is made at birth and travels with the writable one, so a read-only reference can be
/// derived wherever a writable one has got to. What it cannot prevent: a process of the same user that may look
/// into `/proc` can open the object anew from there.
#[derive(Debug)]
pub struct SharedMemory {
    writable: Option<OwnedFd>,
    read_only: Option<OwnedFd>,
    len: u64,
}

impl SharedMemory {
    /// Makes `len` bytes of zeros. The size is final. `with_read_only` also makes the read-only descriptor; where
    /// the system has no means to (no `/proc`), there is none.
    ///
    /// # Errors
    /// `InvalidInput` for a size of 0, or what the system says if there is no memory or descriptor left.
    pub fn create(len: u64, with_read_only: bool) -> io::Result<SharedMemory> {
        if len == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let writable = match memfd(MemfdFlags::NOEXEC_SEAL) {
            // Systems before Linux 6.3 do not know the flag.
            Err(Errno::INVAL) => memfd(MemfdFlags::empty())?,
            outcome => outcome?,
        };
        rustix::fs::fchmod(&writable, Mode::RUSR | Mode::WUSR)?;
        rustix::fs::ftruncate(&writable, len)?;
        rustix::fs::fcntl_add_seals(&writable, SIZE_SEALS | SealFlags::SEAL)?;
        let read_only = if with_read_only { reopen_read_only(&writable) } else { None };
        Ok(Self { writable: Some(writable), read_only, len })
    }

    /// Takes descriptors that another process sent as those of one memory object of `len` bytes. Whether its size
    /// is final is for the caller to ask ([`is_sealed`](Self::is_sealed)): reaching memory that has been cut off
    /// ends the process. The descriptors are closed on failure.
    ///
    /// # Errors
    /// `InvalidData` unless there is at least one, all are of one object of at least that size, and each allows
    /// what it is for and, if read-only, no more. Also for memory in huge pages, whose mappings have alignment
    /// rules of their own.
    pub fn from_descriptors(
        writable: Option<OwnedFd>,
        read_only: Option<OwnedFd>,
        len: u64,
    ) -> io::Result<SharedMemory> {
        let mut identity = None;
        for (fd, mode) in [(&writable, OFlags::RDWR), (&read_only, OFlags::RDONLY)] {
            let Some(fd) = fd else { continue };
            let stat = rustix::fs::fstat(fd)?;
            let own = (stat.st_dev, stat.st_ino);
            let is_same = *identity.get_or_insert(own) == own;
            if !is_same || !is_large_enough(&stat, len) || !can_be_mapped(fd, &stat)? || access_mode(fd)? != mode {
                return Err(invalid_data());
            }
        }
        if identity.is_none() || len == 0 {
            return Err(invalid_data());
        }
        Ok(Self { writable, read_only, len })
    }

    /// Takes a memory object of other origin, of which the caller says that it has `len` bytes. The size is held
    /// against what the system says. A `read_only` reference is never mapped writable, and keeps no writable
    /// descriptor as far as the system has means to open the object once more. The descriptor comes back on failure.
    ///
    /// # Errors
    /// `InvalidData` if the object is smaller or cannot be mapped as wanted, or if it is memory in huge pages, whose
    /// mappings have alignment rules of their own.
    pub fn adopt(fd: OwnedFd, len: u64, read_only: bool) -> Result<SharedMemory, (io::Error, OwnedFd)> {
        let check = || {
            let stat = rustix::fs::fstat(&fd)?;
            let is_fit = len != 0
                && is_large_enough(&stat, len)
                && can_be_mapped(&fd, &stat)?
                && match access_mode(&fd)? {
                    OFlags::RDWR => true,
                    mode => read_only && mode == OFlags::RDONLY,
                };
            if is_fit { Ok(()) } else { Err(invalid_data()) }
        };
        if let Err(error) = check() {
            return Err((error, fd));
        }
        let (writable, read_only) =
            if read_only { (None, Some(reopen_read_only(&fd).unwrap_or(fd))) } else { (Some(fd), None) };
        Ok(Self { writable, read_only, len })
    }

    /// The size in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Never true: there are no empty memory objects.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// True if mappings of this reference cannot be written to.
    pub fn is_read_only(&self) -> bool {
        self.writable.is_none()
    }

    /// True if nobody can change the size of the object any more.
    pub fn is_sealed(&self) -> bool {
        let fd = self.writable.as_ref().or(self.read_only.as_ref());
        fd.and_then(|fd| rustix::fs::fcntl_get_seals(fd).ok()).is_some_and(|seals| seals.contains(SIZE_SEALS))
    }

    /// Another reference to the same object, with the same rights and descriptors of its own.
    ///
    /// # Errors
    /// What the system says if there is no descriptor left.
    pub fn try_clone(&self) -> io::Result<SharedMemory> {
        self.restricted(true, true)
    }

    /// Another reference to the same object, with copies of the descriptors that are asked for, as far as this one has
    /// them.
    ///
    /// # Errors
    /// What the system says if there is no descriptor left.
    pub fn restricted(&self, with_writable: bool, with_read_only: bool) -> io::Result<SharedMemory> {
        let copy =
            |fd: &Option<OwnedFd>, is_wanted| fd.as_ref().filter(|_| is_wanted).map(OwnedFd::try_clone).transpose();
        let (writable, read_only) = (copy(&self.writable, with_writable)?, copy(&self.read_only, with_read_only)?);
        Ok(Self { writable, read_only, len: self.len })
    }

    /// A read-only reference to the same object, which holds no writable descriptor; `None` if this one has no
    /// read-only descriptor to copy.
    ///
    /// # Errors
    /// What the system says if there is no descriptor left.
    pub fn to_read_only(&self) -> io::Result<Option<SharedMemory>> {
        self.read_only.is_some().then(|| self.restricted(false, true)).transpose()
    }

    /// Maps `len` bytes from any `offset` (in bytes) on, shared with all other mappings of the object; writable if
    /// the reference is. Processes that are forked off this one do not have the mapping.
    ///
    /// # Errors
    /// `InvalidInput` if the range is empty or not within the object, or what the system says.
    pub fn map(&self, offset: u64, len: usize) -> io::Result<Mapping> {
        self.map_for(offset, len, false)
    }

    /// Like [`map`](Self::map), but processes that are forked off this one have the mapping too.
    ///
    /// # Errors
    /// As for [`map`](Self::map).
    pub fn map_inherited(&self, offset: u64, len: usize) -> io::Result<Mapping> {
        self.map_for(offset, len, true)
    }

    fn map_for(&self, offset: u64, len: usize, is_inherited: bool) -> io::Result<Mapping> {
        let end = u64::try_from(len).ok().and_then(|len| offset.checked_add(len));
        if len == 0 || end.is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        match (&self.writable, &self.read_only) {
            (Some(fd), _) => Mapping::new(fd.as_fd(), offset, len, false, is_inherited),
            (None, Some(fd)) => Mapping::new(fd.as_fd(), offset, len, true, is_inherited),
            (None, None) => Err(invalid_data()),
        }
    }

    /// The writable and the read-only descriptor.
    pub fn descriptors(&self) -> (Option<BorrowedFd<'_>>, Option<BorrowedFd<'_>>) {
        (self.writable.as_ref().map(AsFd::as_fd), self.read_only.as_ref().map(AsFd::as_fd))
    }

    /// Takes the writable and the read-only descriptor.
    pub fn into_descriptors(self) -> (Option<OwnedFd>, Option<OwnedFd>) {
        (self.writable, self.read_only)
    }
}

fn memfd(flags: MemfdFlags) -> Result<OwnedFd, Errno> {
    rustix::fs::memfd_create("libmojo", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | flags)
}

/// A second, read-only description of the object; only opening it anew gives that.
fn reopen_read_only(fd: &OwnedFd) -> Option<OwnedFd> {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()
}

fn is_large_enough(stat: &Stat, len: u64) -> bool {
    u64::try_from(stat.st_size).is_ok_and(|size| size >= len)
}

/// False for what has a size and is no memory, and for memory in huge pages: the system refuses to unmap a range of
/// it that does not end where a huge page does, so whoever sent many of them would use up this process's addresses.
fn can_be_mapped(fd: &OwnedFd, stat: &Stat) -> io::Result<bool> {
    let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    Ok(!is_directory && rustix::fs::fstatfs(fd)?.f_type != HUGE_PAGES)
}

/// Whether the descriptor was opened for reading, writing or both. A descriptor that only names a file comes out as
/// none of these, although its access bits are those of a read-only one.
fn access_mode(fd: &OwnedFd) -> io::Result<OFlags> {
    Ok(rustix::fs::fcntl_getfl(fd)? & (OFlags::RWMODE | OFlags::PATH))
}

fn invalid_data() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not the memory object that was announced")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_memory_is_zero_of_exact_size_and_sealed() {
        let memory = SharedMemory::create(5000, true).unwrap();
        assert_eq!(memory.len(), 5000);
        assert!(memory.is_sealed());
        let mapping = memory.map(0, 5000).unwrap();
        let mut bytes = [1; 5000];
        mapping.read(0, &mut bytes).unwrap();
        assert_eq!(bytes, [0; 5000]);
        let (writable, _) = memory.descriptors();
        for len in [1, 4999, 5001, 1 << 20] {
            assert!(rustix::fs::ftruncate(writable.unwrap(), len).is_err());
        }
        // Nobody can make it read-only for everybody either.
        assert_eq!(rustix::fs::fcntl_add_seals(writable.unwrap(), SealFlags::FUTURE_WRITE), Err(Errno::PERM));
        let stat = rustix::fs::fstat(writable.unwrap()).unwrap();
        assert_eq!((stat.st_size, stat.st_mode & 0o777), (5000, 0o600));
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        assert_eq!(SharedMemory::create(0, true).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(SharedMemory::create(u64::MAX, true).is_err());
        assert!(SharedMemory::create(i64::MAX as u64 + 1, false).is_err());
    }

    #[test]
    fn no_descriptor_is_inherited() {
        let memory = SharedMemory::create(100, true).unwrap();
        for memory in [memory.try_clone().unwrap(), memory.to_read_only().unwrap().unwrap(), memory] {
            let (writable, read_only) = memory.descriptors();
            for fd in [writable, read_only].into_iter().flatten() {
                assert!(rustix::io::fcntl_getfd(fd).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
            }
        }
    }

    #[test]
    fn a_copy_has_the_same_rights() {
        let memory = SharedMemory::create(100, true).unwrap();
        let copy = memory.try_clone().unwrap();
        assert!(!copy.is_read_only() && copy.is_sealed() && copy.len() == 100);
        copy.map(0, 1).unwrap().write(0, b"x").unwrap();
        let read_only = copy.to_read_only().unwrap().unwrap();
        let copy = read_only.try_clone().unwrap();
        assert!(copy.is_read_only() && copy.is_sealed() && copy.len() == 100);
        assert!(copy.into_descriptors().0.is_none());
        let alone = SharedMemory::create(100, false).unwrap();
        assert!(alone.to_read_only().unwrap().is_none());
    }

    #[test]
    fn adopted_memory_is_held_against_what_the_system_says() {
        let foreign = |len| {
            let fd = rustix::fs::memfd_create("foreign", MemfdFlags::CLOEXEC).unwrap();
            rustix::fs::ftruncate(&fd, len).unwrap();
            fd
        };
        let memory = SharedMemory::adopt(foreign(100), 100, false).unwrap();
        assert!(!memory.is_read_only() && !memory.is_sealed());
        memory.map(0, 100).unwrap().write(99, b"x").unwrap();

        // Read-only because the caller says so, and read-only because the descriptor is.
        let memory = SharedMemory::adopt(foreign(100), 100, true).unwrap();
        assert!(memory.map(0, 100).unwrap().is_read_only());
        let (writable, read_only) = memory.into_descriptors();
        assert!(writable.is_none());
        assert!(SharedMemory::from_descriptors(None, read_only, 100).is_ok());
        let read_only = || reopen_read_only(&foreign(100)).unwrap();
        assert!(SharedMemory::adopt(read_only(), 100, true).unwrap().is_read_only());
        assert!(SharedMemory::adopt(read_only(), 100, false).is_err());

        let small = foreign(99);
        let identity = rustix::fs::fstat(&small).unwrap().st_ino;
        let (error, fd) = SharedMemory::adopt(small, 100, false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(rustix::fs::fstat(&fd).unwrap().st_ino, identity);
        assert!(SharedMemory::adopt(fd, 0, false).is_err());

        assert!(SharedMemory::adopt(std::fs::File::open("/").unwrap().into(), 1, true).is_err());
        assert!(SharedMemory::adopt(std::io::pipe().unwrap().0.into(), 1, true).is_err());
        let device = std::fs::File::options().read(true).write(true).open("/dev/zero").unwrap();
        assert!(SharedMemory::adopt(device.into(), 4096, false).is_err());
    }

    #[test]
    fn memory_in_huge_pages_is_refused() {
        // Needs no huge page, only a system that knows of them.
        let Ok(fd) = memfd(MemfdFlags::HUGETLB) else { return };
        rustix::fs::ftruncate(&fd, 1 << 30).unwrap();
        let (_, fd) = SharedMemory::adopt(fd, 4096, false).unwrap_err();
        assert!(SharedMemory::from_descriptors(Some(fd), None, 4096).is_err());
    }

    #[test]
    fn a_read_only_reference_sees_writes_and_cannot_be_mapped_writable() {
        let memory = SharedMemory::create(100, true).unwrap();
        let read_only = memory.to_read_only().unwrap().unwrap();
        assert!(read_only.is_read_only());
        memory.map(0, 100).unwrap().write(7, b"hi").unwrap();
        let mapping = read_only.map(7, 2).unwrap();
        let mut bytes = [0; 2];
        mapping.read(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"hi");
        assert_eq!(mapping.write(0, b"x"), Err(crate::AccessError::ReadOnly));
        let (_, fd) = read_only.into_descriptors();
        assert!(Mapping::new(fd.unwrap().as_fd(), 0, 100, false, false).is_err());
    }

    #[test]
    fn descriptors_are_not_taken_for_what_they_are_not() {
        let memory = || SharedMemory::create(100, true).unwrap().into_descriptors();
        let (writable, read_only) = memory();
        assert!(SharedMemory::from_descriptors(writable, read_only, 100).is_ok());
        let (writable, _) = memory();
        assert!(SharedMemory::from_descriptors(writable, None, 101).is_err());
        let (writable, _) = memory();
        assert!(SharedMemory::from_descriptors(None, writable, 100).is_err());
        let (writable, _) = memory();
        let (_, foreign) = memory();
        assert!(SharedMemory::from_descriptors(writable, foreign, 100).is_err());
        assert!(SharedMemory::from_descriptors(None, None, 100).is_err());
        let (_, read_only) = memory();
        assert!(SharedMemory::from_descriptors(read_only, None, 100).is_err());
        let (_, read_only) = memory();
        assert!(SharedMemory::from_descriptors(None, read_only, 0).is_err());
        for path in ["/dev/null", "/dev/zero", "/"] {
            let file: OwnedFd = std::fs::File::open(path).unwrap().into();
            assert!(SharedMemory::from_descriptors(None, Some(file), 1).is_err(), "{path}");
        }
        // One that only names the memory looks like a read-only one at first sight.
        let (writable, _) = memory();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(writable.as_ref().unwrap()));
        let name = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        assert!(SharedMemory::from_descriptors(None, Some(name), 100).is_err());
    }

    #[test]
    fn ranges_outside_are_refused() {
        let memory = SharedMemory::create(100, false).unwrap();
        for (offset, len) in [(0, 101), (1, 100), (0, 0), (101, 1), (u64::MAX, 2)] {
            assert!(memory.map(offset, len).is_err(), "{offset} {len}");
        }
        assert!(memory.map(99, 1).is_ok());
    }
}
