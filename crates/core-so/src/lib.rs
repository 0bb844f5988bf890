//! `libmojo_core.so`: exports the functions that hand out the tables, and nothing else.
#![allow(unsafe_code)]

use libmojo_stable::{Thunks, fill, fill_by_size, thunks};

/// Fills a table of the width that its size tells, up to that size.
///
/// # Safety
/// `table` is null, or begins with its size and can be written to that far.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoGetSystemThunks(table: *mut Thunks) {
    // SAFETY: by this function's contract.
    unsafe { fill_by_size(table) };
}

/// Fills a table with handles of 32 bits.
///
/// # Safety
/// As for [`MojoGetSystemThunks`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoGetSystemThunks32(table: *mut Thunks) {
    // SAFETY: by this function's contract.
    unsafe { fill::<u32>(table) };
}

/// Fills a table with handles as wide as pointers.
///
/// # Safety
/// As for [`MojoGetSystemThunks`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoGetSystemThunks2(table: *mut Thunks) {
    // SAFETY: by this function's contract.
    unsafe { fill::<usize>(table) };
}

/// The table with handles as wide as pointers.
#[unsafe(no_mangle)]
pub extern "C" fn MojoEmbedderGetSystemThunks2() -> &'static Thunks {
    thunks::<usize>()
}

/// The table with handles of 32 bits.
#[unsafe(no_mangle)]
pub extern "C" fn MojoEmbedderGetSystemThunks32() -> &'static Thunks {
    thunks::<u32>()
}
