#![allow(unsafe_code)]
//! `platform_handle.h`.

use crate::args::{Out, read, two_required, versioned};
use crate::handles::{self, MojoHandle};
use crate::platform_handles::{MojoPlatformHandle, MojoSharedBufferGuid, Offered, fill};
use crate::result::{INVALID_ARGUMENT, MojoResult, RESOURCE_EXHAUSTED, UNKNOWN, code, refuse_if_forked};
use libmojo_core::buffer::{Guid, SharedBuffer};
use libmojo_core::object::Object;
use libmojo_core::platform_handle::PlatformHandle;

const SHARED_BUFFER_READ_ONLY: u32 = 1;

/// Makes a handle for a descriptor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoWrapPlatformHandle(
    platform_handle: *const MojoPlatformHandle,
    mojo_handle: *mut MojoHandle,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::required(mojo_handle) };
    // SAFETY: the caller passes null or a structure that begins with its size, with a descriptor of its own.
    let offered = unsafe { Offered::read(platform_handle) };
    let wrap = || {
        let output = output?;
        let offered = offered?;
        if handles::room() == 0 {
            return Err(RESOURCE_EXHAUSTED);
        }
        output.set(handles::insert(PlatformHandle::new(offered.accept()))?);
        Ok(())
    };
    code(wrap())
}

/// Ends a handle and gives its descriptor to the program.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoUnwrapPlatformHandle(
    mojo_handle: MojoHandle,
    platform_handle: *mut MojoPlatformHandle,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    let is_fit = unsafe { versioned(platform_handle.cast_const()) };
    let unwrap = || {
        let handle = match handles::remove(mojo_handle)? {
            Object::Platform(handle) => handle,
            other => {
                other.close();
                return Err(INVALID_ARGUMENT);
            }
        };
        let descriptor = handle.take();
        is_fit?;
        // SAFETY: as large as its size says, as was checked.
        let output = unsafe { Out::required(platform_handle) }?;
        fill(&output, descriptor);
        Ok(())
    };
    code(unwrap())
}

/// Makes a shared buffer handle for a memory object of other origin.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoWrapPlatformSharedBufferHandle(
    platform_handle: *const MojoPlatformHandle,
    num_bytes: usize,
    guid: *const MojoSharedBufferGuid,
    flags: u32,
    mojo_handle: *mut MojoHandle,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::required(mojo_handle) };
    // SAFETY: the caller passes null or the identity.
    let guid = unsafe { read(guid) };
    // SAFETY: the caller passes null or a structure that begins with its size, with a descriptor of its own.
    let offered = unsafe { Offered::read(platform_handle) };
    let wrap = || {
        let (output, guid, offered) = (output?, guid.ok_or(INVALID_ARGUMENT)?, offered?);
        if num_bytes == 0 || guid.high == 0 && guid.low == 0 {
            return Err(INVALID_ARGUMENT);
        }
        if handles::room() == 0 {
            return Err(RESOURCE_EXHAUSTED);
        }
        let descriptor = offered.accept().ok_or(INVALID_ARGUMENT)?;
        let guid = Guid { high: guid.high, low: guid.low };
        let read_only = flags & SHARED_BUFFER_READ_ONLY != 0;
        match SharedBuffer::wrap(descriptor, num_bytes as u64, guid, read_only) {
            Ok(buffer) => {
                output.set(handles::insert(buffer)?);
                Ok(())
            }
            Err((_, descriptor)) => {
                Offered::give_back(descriptor);
                Err(UNKNOWN)
            }
        }
    };
    code(wrap())
}

/// Ends a shared buffer handle and gives a descriptor of its memory to the program.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoUnwrapPlatformSharedBufferHandle(
    mojo_handle: MojoHandle,
    platform_handle: *mut MojoPlatformHandle,
    num_bytes: *mut usize,
    guid: *mut MojoSharedBufferGuid,
    flags: *mut u32,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    let is_fit = unsafe { versioned(platform_handle.cast_const()) };
    // SAFETY: the caller passes null or places to write to.
    let sizes = unsafe { two_required(num_bytes, flags) };
    // SAFETY: as above.
    let guid = unsafe { Out::required(guid) };
    let unwrap = || {
        let buffer = match handles::remove(mojo_handle)? {
            Object::Buffer(buffer) => buffer,
            other => {
                other.close();
                return Err(INVALID_ARGUMENT);
            }
        };
        is_fit?;
        // SAFETY: as large as its size says, as was checked.
        let output = unsafe { Out::required(platform_handle) }?;
        let ((num_bytes, flags), guid) = (sizes?, guid?);
        let descriptor = buffer.descriptor().map_err(|_| RESOURCE_EXHAUSTED)?;
        fill(&output, Some(descriptor));
        // A buffer of this process fits into its address space, or it could not have been made or mapped.
        num_bytes.set(usize::try_from(buffer.num_bytes()).unwrap_or(usize::MAX));
        guid.set(MojoSharedBufferGuid { high: buffer.guid().high, low: buffer.guid().low });
        flags.set(if buffer.is_read_only() { SHARED_BUFFER_READ_ONLY } else { 0 });
        Ok(())
    };
    code(unwrap())
}

/// The documented spelling of [`MojoWrapPlatformSharedBufferHandle`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoWrapPlatformSharedBuffer(
    platform_handle: *const MojoPlatformHandle,
    num_bytes: usize,
    guid: *const MojoSharedBufferGuid,
    flags: u32,
    mojo_handle: *mut MojoHandle,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the same function under another name.
    unsafe { MojoWrapPlatformSharedBufferHandle(platform_handle, num_bytes, guid, flags, mojo_handle) }
}

/// The documented spelling of [`MojoUnwrapPlatformSharedBufferHandle`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoUnwrapPlatformSharedBuffer(
    mojo_handle: MojoHandle,
    platform_handle: *mut MojoPlatformHandle,
    num_bytes: *mut usize,
    guid: *mut MojoSharedBufferGuid,
    flags: *mut u32,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the same function under another name.
    unsafe { MojoUnwrapPlatformSharedBufferHandle(mojo_handle, platform_handle, num_bytes, guid, flags) }
}
