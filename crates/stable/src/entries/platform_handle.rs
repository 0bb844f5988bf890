#![allow(unsafe_code)]
//! Descriptors, and shared buffers made of them.

use crate::args::{MojoOptions, Out, read, two_required, versioned};
use crate::buffers::buffer_code;
use crate::handles;
use crate::platform_handles::{MojoPlatformHandle, MojoSharedBufferGuid, Offered, TYPE_INVALID, fill};
use crate::result::{INVALID_ARGUMENT, MojoResult, Outcome, RESOURCE_EXHAUSTED, code};
use libmojo_c_common::{HandleWord, refuse_if_forked};
use libmojo_core::buffer::{Access, Guid, SharedBuffer};
use libmojo_core::object::Object;
use libmojo_core::platform_handle::PlatformHandle;
use std::os::fd::{AsFd, OwnedFd};

const READ_ONLY: u32 = 0;
const WRITABLE: u32 = 1;
const UNSAFE: u32 = 2;

/// The largest region that a program may offer, in bytes.
const MAX_REGION: u64 = i32::MAX as u64;

pub(crate) unsafe extern "C" fn wrap_platform_handle<W: HandleWord>(
    platform_handle: *const MojoPlatformHandle,
    _options: *const MojoOptions,
    mojo_handle: *mut W,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::required(mojo_handle) };
    // SAFETY: the caller passes null or a structure that begins with its size, with a descriptor of its own.
    let offered = unsafe { Offered::read(platform_handle) };
    let wrap = || {
        let (output, offered) = (output?, offered?);
        if handles::room() == 0 {
            return Err(RESOURCE_EXHAUSTED);
        }
        output.set(W::new(handles::insert(PlatformHandle::new(offered.accept()))?));
        Ok(())
    };
    code(wrap())
}

pub(crate) unsafe extern "C" fn unwrap_platform_handle<W: HandleWord>(
    mojo_handle: W,
    _options: *const MojoOptions,
    platform_handle: *mut MojoPlatformHandle,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    let is_fit = unsafe { versioned(platform_handle.cast_const()) };
    let unwrap = || {
        let mut present = is_fit?;
        // SAFETY: as large as its size says, as was checked.
        let output = unsafe { Out::required(platform_handle) }?;
        let convert = |object| match object {
            Object::Platform(handle) => Ok(handle),
            other => Err(other),
        };
        let handle = handles::remove_as(mojo_handle.handle(), convert)?.map_err(|()| INVALID_ARGUMENT)?;
        match handle.take() {
            Some(descriptor) => fill(&output, Some(descriptor)),
            None => {
                (present.kind, present.value) = (TYPE_INVALID, 0);
                output.set(present);
            }
        }
        Ok(())
    };
    code(unwrap())
}

/// Makes a shared buffer of the descriptors of a region, which belong to the library if that succeeds.
#[allow(clippy::too_many_arguments)] // The signature is given.
pub(crate) unsafe extern "C" fn wrap_region<W: HandleWord>(
    platform_handles: *const MojoPlatformHandle,
    num_platform_handles: u32,
    num_bytes: u64,
    guid: *const MojoSharedBufferGuid,
    access_mode: u32,
    _options: *const MojoOptions,
    mojo_handle: *mut W,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::required(mojo_handle) };
    // SAFETY: the caller passes null or the identity.
    let guid = unsafe { read(guid) };
    let wrap = || {
        let (output, guid) = (output?, guid.ok_or(INVALID_ARGUMENT)?);
        let needed = if access_mode == WRITABLE { 2 } else { 1 };
        let is_fit = access_mode <= UNSAFE && num_platform_handles == needed;
        if !is_fit || num_bytes == 0 || num_bytes > MAX_REGION || guid.high == 0 && guid.low == 0 {
            return Err(INVALID_ARGUMENT);
        }
        // SAFETY: the caller passes null or as many structures as it says, with descriptors of its own.
        let first = unsafe { Offered::read(platform_handles) }?.accept().ok_or(INVALID_ARGUMENT)?;
        let mut descriptors = vec![first];
        let second = || {
            // SAFETY: as above; there are two.
            let second = unsafe { Offered::read(platform_handles.wrapping_add(1)) }?;
            second.accept().ok_or(INVALID_ARGUMENT)
        };
        let outcome = match needed {
            2 => second().map(|second| descriptors.push(second)),
            _ => Ok(()),
        };
        let guid = Guid { high: guid.high, low: guid.low };
        let inserted = outcome.and_then(|()| region(&descriptors, num_bytes, guid, access_mode));
        match inserted {
            // The buffer has descriptors of its own.
            Ok(buffer) => output.set(W::new(handles::insert(buffer)?)),
            Err(error) => {
                descriptors.into_iter().for_each(Offered::give_back);
                return Err(error);
            }
        }
        Ok(())
    };
    code(wrap())
}

fn region(descriptors: &[OwnedFd], num_bytes: u64, guid: Guid, access_mode: u32) -> Outcome<SharedBuffer> {
    if handles::room() == 0 {
        return Err(RESOURCE_EXHAUSTED);
    }
    let mut descriptors = descriptors.iter().map(AsFd::as_fd);
    let writable = if access_mode == READ_ONLY { None } else { descriptors.next() };
    SharedBuffer::wrap_region(writable, descriptors.next(), num_bytes, guid).map_err(buffer_code)
}

#[allow(clippy::too_many_arguments)] // The signature is given.
pub(crate) unsafe extern "C" fn unwrap_region<W: HandleWord>(
    mojo_handle: W,
    _options: *const MojoOptions,
    platform_handles: *mut MojoPlatformHandle,
    num_platform_handles: *mut u32,
    num_bytes: *mut u64,
    guid: *mut MojoSharedBufferGuid,
    access_mode: *mut u32,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or places to write to.
    let counts = unsafe { two_required(num_platform_handles, num_bytes) };
    // SAFETY: as above.
    let mode = unsafe { Out::required(access_mode) };
    // SAFETY: as above.
    let guid = unsafe { Out::required(guid) };
    let unwrap = || {
        let buffer = match handles::remove(mojo_handle.handle())? {
            Object::Buffer(buffer) => buffer,
            other => {
                other.close();
                return Err(INVALID_ARGUMENT);
            }
        };
        let ((count, size), mode, guid) = (counts?, mode?, guid?);
        let (number, needed) = match buffer.access() {
            Access::ReadOnly => (READ_ONLY, 1),
            Access::Writable => (WRITABLE, 2),
            Access::Unsafe => (UNSAFE, 1),
        };
        if count.get() < needed {
            return Err(INVALID_ARGUMENT);
        }
        let mut outputs = Vec::new();
        for at in 0..needed as usize {
            let place = platform_handles.wrapping_add(at);
            // SAFETY: null, or one of as many structures as the caller says there are.
            unsafe { versioned(place.cast_const()) }?;
            // SAFETY: as large as its size says, as was checked.
            outputs.push(unsafe { Out::required(place) }?);
        }
        let (writable, read_only) = buffer.descriptors().map_err(|_| RESOURCE_EXHAUSTED)?;
        for (output, descriptor) in outputs.iter().zip(writable.into_iter().chain(read_only)) {
            fill(output, Some(descriptor));
        }
        count.set(needed);
        size.set(buffer.num_bytes());
        guid.set(MojoSharedBufferGuid { high: buffer.guid().high, low: buffer.guid().low });
        mode.set(number);
        Ok(())
    };
    code(unwrap())
}
