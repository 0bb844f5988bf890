#![allow(unsafe_code)]
//! Descriptors that come from the program and go to it.

use crate::args::{Out, versioned};
use crate::result::{INVALID_ARGUMENT, Outcome};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};

/// No descriptor.
pub const TYPE_INVALID: u32 = 0;
/// A file descriptor.
pub const TYPE_FILE_DESCRIPTOR: u32 = 1;

/// A handle of the operating system.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct MojoPlatformHandle {
    /// The size of this structure in bytes.
    pub struct_size: u32,
    /// Which kind of handle.
    pub kind: u32,
    /// Its value.
    pub value: u64,
}

/// Identifies the memory of a shared buffer.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct MojoSharedBufferGuid {
    /// The upper half.
    pub high: u64,
    /// The lower half.
    pub low: u64,
}

/// A descriptor that the program offers. It belongs to the library once it is accepted; refused, it goes on to
/// belong to the program.
pub struct Offered(Option<OwnedFd>);

impl Offered {
    /// Reads what a program offers: a descriptor, or none.
    ///
    /// # Safety
    /// `handle` is null or valid for reading as many bytes as its first field says, and at least that field; if
    /// it holds a descriptor, nobody else closes that one unless this is refused.
    pub unsafe fn read(handle: *const MojoPlatformHandle) -> Outcome<Self> {
        // SAFETY: by this function's contract.
        let handle = unsafe { versioned(handle) }?;
        match handle.kind {
            TYPE_INVALID => Ok(Self(None)),
            TYPE_FILE_DESCRIPTOR => {
                let fd = handle.value as u32 as RawFd;
                // SAFETY: not −1; by this function's contract the descriptor is the caller's to give away, and it
                // is given back through `refuse` otherwise.
                Ok(Self((fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd) })))
            }
            _ => Err(INVALID_ARGUMENT),
        }
    }

    /// Takes the descriptor over, if there is one.
    pub fn accept(mut self) -> Option<OwnedFd> {
        self.0.take()
    }

    /// Gives a descriptor that was accepted back to the program.
    pub fn give_back(descriptor: OwnedFd) {
        let _ = descriptor.into_raw_fd();
    }
}

impl Drop for Offered {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(Self::give_back);
    }
}

/// Stores a descriptor, which belongs to the program from now on.
pub fn fill(output: &Out<MojoPlatformHandle>, descriptor: Option<OwnedFd>) {
    let (kind, value) = match descriptor {
        Some(descriptor) => (TYPE_FILE_DESCRIPTOR, descriptor.into_raw_fd() as u64),
        None => (TYPE_INVALID, output.get().value),
    };
    output.set(MojoPlatformHandle { kind, value, ..output.get() });
}
