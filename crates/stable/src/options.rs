#![allow(unsafe_code)]
//! What the two kinds of options structures mean.

use crate::args::{MojoOptions, flags, read};
use crate::result::{INVALID_ARGUMENT, Outcome};

/// The flags of a structure that has some; ones that are not known are ignored by whoever asks.
///
/// # Safety
/// The pointer is null or valid for reading as many bytes as its first field says, and at least that field.
pub(crate) unsafe fn lenient(options: *const MojoOptions) -> Outcome<u32> {
    // SAFETY: by this function's contract.
    unsafe { strict(options, u32::MAX) }
}

/// The flags of a structure that has some, all of which must be `known`.
///
/// # Safety
/// As for [`lenient`].
pub(crate) unsafe fn strict(options: *const MojoOptions, known: u32) -> Outcome<u32> {
    // SAFETY: null, or valid for its first field, by this function's contract.
    if let Some(struct_size) = unsafe { read(options.cast::<u32>()) }
        && (struct_size as usize) < size_of::<MojoOptions>()
    {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: by this function's contract.
    unsafe { flags(options, known) }
}
