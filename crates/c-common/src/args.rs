#![allow(unsafe_code)]
//! How pointers from C are read and written: checked for null, without assumptions about alignment.

use crate::result::{INVALID_ARGUMENT, Outcome, UNIMPLEMENTED};
use std::mem::offset_of;

/// A pointer through which a result is to be stored; not null.
pub struct Out<T>(*mut T);

impl<T: Copy> Out<T> {
    /// Takes a required output.
    ///
    /// # Safety
    /// The pointer is null or valid for writing (and, where `get` is used, for reading) a `T` until the call of
    /// the program is answered.
    #[inline]
    pub unsafe fn required(pointer: *mut T) -> Outcome<Self> {
        if pointer.is_null() { Err(INVALID_ARGUMENT) } else { Ok(Self(pointer)) }
    }

    /// Takes an output that may be null.
    ///
    /// # Safety
    /// As for [`required`](Self::required).
    #[inline]
    pub unsafe fn optional(pointer: *mut T) -> Option<Self> {
        (!pointer.is_null()).then_some(Self(pointer))
    }

    /// Stores the result.
    #[inline]
    pub fn set(&self, value: T) {
        // SAFETY: not null, and valid for writing by the contract of the constructors; `write_unaligned` needs no
        // more.
        unsafe { self.0.write_unaligned(value) };
    }

    /// What is there now.
    #[inline]
    pub fn get(&self) -> T {
        // SAFETY: not null, and valid for reading by the contract of the constructors.
        unsafe { self.0.read_unaligned() }
    }
}

/// Takes two required outputs.
///
/// # Safety
/// As for [`Out::required`], for both.
#[inline]
pub unsafe fn two_required<A: Copy, B: Copy>(a: *mut A, b: *mut B) -> Outcome<(Out<A>, Out<B>)> {
    // SAFETY: by this function's contract.
    let a = unsafe { Out::required(a) }?;
    // SAFETY: by this function's contract.
    let b = unsafe { Out::required(b) }?;
    Ok((a, b))
}

/// Takes two outputs that may be null.
///
/// # Safety
/// As for [`Out::optional`], for both.
#[inline]
pub unsafe fn two_optional<A: Copy, B: Copy>(a: *mut A, b: *mut B) -> (Option<Out<A>>, Option<Out<B>>) {
    // SAFETY: by this function's contract.
    let a = unsafe { Out::optional(a) };
    // SAFETY: by this function's contract.
    let b = unsafe { Out::optional(b) };
    (a, b)
}

/// An array for output.
pub struct OutSlice<T>(*mut T, usize);

impl<T: Copy> OutSlice<T> {
    /// Takes an array of `len` elements; null counts as one without elements.
    ///
    /// # Safety
    /// The pointer is null or valid for writing `len` elements until the call of the program is answered.
    #[inline]
    pub unsafe fn new(pointer: *mut T, len: usize) -> Self {
        Self(pointer, if pointer.is_null() { 0 } else { len })
    }

    /// Stores an element; one beyond the end is dropped.
    #[inline]
    pub fn set(&self, at: usize, value: T) {
        if at < self.1 {
            // SAFETY: within the array, which is valid for writing by the contract of `new`.
            let element = unsafe { self.0.add(at) };
            // SAFETY: as above.
            unsafe { element.write_unaligned(value) };
        }
    }
}

/// Copies a value in; `None` if the pointer is null.
///
/// # Safety
/// The pointer is null or valid for reading a `T`.
#[inline]
pub unsafe fn read<T: Copy>(pointer: *const T) -> Option<T> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not null, and valid for reading by this function's contract.
    Some(unsafe { pointer.read_unaligned() })
}

/// Copies an array in; refuses a null one that should have elements.
///
/// # Safety
/// The pointer is null or valid for reading `len` elements.
pub unsafe fn read_all<T: Copy>(pointer: *const T, len: usize) -> Outcome<Vec<T>> {
    if len == 0 {
        return Ok(Vec::new());
    }
    if pointer.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    let mut elements = Vec::new();
    for at in 0..len {
        // SAFETY: within the array, which is valid for reading by this function's contract.
        let element = unsafe { pointer.add(at) };
        // SAFETY: as above.
        elements.push(unsafe { element.read_unaligned() });
    }
    Ok(elements)
}

/// Bytes that the caller lends for the duration of the call.
///
/// # Safety
/// The pointer is null or valid for reading `len` bytes, which nobody writes to, until the returned slice is no
/// longer used.
#[inline]
pub unsafe fn bytes<'a>(pointer: *const u8, len: usize) -> Outcome<&'a [u8]> {
    if len == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: not null, valid for `len` bytes and unchanged by this function's contract; bytes need no alignment,
    // and no object is larger than `isize::MAX`.
    Ok(unsafe { std::slice::from_raw_parts(pointer, len) })
}

/// Bytes that the caller lends for the duration of the call, to be written to.
///
/// # Safety
/// The pointer is null or valid for reading and writing `len` bytes, which nobody else uses, until the returned
/// slice is no longer used.
#[inline]
pub unsafe fn bytes_mut<'a>(pointer: *mut u8, len: usize) -> Outcome<&'a mut [u8]> {
    if len == 0 {
        return Ok(&mut []);
    }
    if pointer.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: not null, valid for `len` bytes and used by nobody else by this function's contract; bytes need no
    // alignment, and no object is larger than `isize::MAX`.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer, len) })
}

/// The beginning of every options structure.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub struct MojoOptions {
    /// How many bytes of the structure the caller knows of.
    pub struct_size: u32,
    /// What is asked for.
    pub flags: u32,
}

/// Reads the flags of an options structure, if it is there and large enough to have any. Flags that are not
/// `known` are refused.
///
/// # Safety
/// The pointer is null or valid for reading as many bytes as its first field says, and at least that field.
#[inline]
pub unsafe fn flags(options: *const MojoOptions, known: u32) -> Outcome<u32> {
    // SAFETY: null, or valid for its first field, by this function's contract.
    let Some(struct_size) = (unsafe { read(options.cast::<u32>()) }) else { return Ok(0) };
    if (struct_size as usize) < offset_of!(MojoOptions, flags) {
        return Err(INVALID_ARGUMENT);
    }
    if (struct_size as usize) < size_of::<MojoOptions>() {
        return Ok(0);
    }
    // SAFETY: the structure has at least the two fields, as its size says.
    let flags = unsafe { read(options.cast::<u32>().wrapping_add(1)) }.unwrap_or(0);
    if flags & !known != 0 { Err(UNIMPLEMENTED) } else { Ok(flags) }
}

/// Copies a versioned structure in, whose first field is its size.
///
/// # Safety
/// The pointer is null or valid for reading as many bytes as its first field says, and at least that field.
pub unsafe fn versioned<T: Copy>(pointer: *const T) -> Outcome<T> {
    // SAFETY: null, or valid for its first field, by this function's contract.
    let struct_size = unsafe { read(pointer.cast::<u32>()) }.ok_or(INVALID_ARGUMENT)?;
    if (struct_size as usize) < size_of::<T>() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: valid for `T`, as its size says.
    unsafe { read(pointer) }.ok_or(INVALID_ARGUMENT)
}
