#![allow(unsafe_code)]
//! Invitations and what they are sent over.

use crate::args::{Out, bytes, versioned};
use crate::handles::{self, MojoHandle};
use crate::platform_handles::{MojoPlatformHandle, Offered};
use crate::result::{
    ALREADY_EXISTS, FAILED_PRECONDITION, INVALID_ARGUMENT, MojoResult, NOT_FOUND, Outcome, RESOURCE_EXHAUSTED,
    UNIMPLEMENTED, code,
};
use crate::word::HandleWord;
use libmojo_core::invitation::{Invitation, InvitationError};
use libmojo_core::limits::MAX_INVITATION_NAME_BYTES;
use libmojo_core::object::Object;
use std::io::ErrorKind;

/// A connected socket.
pub const TRANSPORT_CHANNEL: u32 = 0;
/// A listening one.
pub const TRANSPORT_CHANNEL_SERVER: u32 = 1;
/// The flag for an isolated connection.
pub const ISOLATED: u32 = 1;

/// Another process of the system.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct MojoPlatformProcessHandle {
    /// The size of this structure in bytes.
    pub struct_size: u32,
    /// The process id.
    pub value: u64,
}

/// One side of a transport.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct MojoInvitationTransportEndpoint {
    /// The size of this structure in bytes.
    pub struct_size: u32,
    /// Which kind of transport.
    pub kind: u32,
    /// How many handles there are.
    pub num_platform_handles: u32,
    /// The handles; the first is the socket.
    pub platform_handles: *const MojoPlatformHandle,
}

/// How to send an invitation.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct MojoSendInvitationOptions {
    /// The size of this structure in bytes.
    pub struct_size: u32,
    /// 1 for an isolated connection.
    pub flags: u32,
    /// The name of an isolated connection, or null.
    pub isolated_connection_name: *const u8,
    /// How many bytes it has.
    pub isolated_connection_name_length: u32,
}

/// What attaching and extracting have in common.
///
/// # Safety
/// `name` is null or has as many bytes as it says, and
/// `message_pipe_handle` is null or can be written to.
pub unsafe fn named_pipe<W: HandleWord>(
    invitation_handle: W,
    name: *const u8,
    name_num_bytes: u32,
    options: Outcome<u32>,
    message_pipe_handle: *mut W,
    operation: impl FnOnce(&Invitation, &[u8]) -> Result<libmojo_core::pipe::Pipe, InvitationError>,
) -> MojoResult {
    // SAFETY: by this function's contract.
    let output = unsafe { Out::required(message_pipe_handle) };
    // SAFETY: by this function's contract.
    let name = unsafe { bytes(name, name_num_bytes as usize) };
    let run = || {
        let (output, name) = (output?, name?);
        options?;
        let invitation = invitation(invitation_handle.handle())?;
        if name.is_empty() {
            return Err(INVALID_ARGUMENT);
        }
        let pipe = operation(&invitation, name).map_err(|error| invitation_code(&error))?;
        output.set(W::new(handles::insert(pipe)?));
        Ok(())
    };
    code(run())
}

/// The name of the isolated connection that is asked for, if one is.
///
/// # Safety
/// `options` is null or valid for reading as many bytes as its first field says, and at least that field; a name in
/// it is null or has as many bytes as it says.
pub unsafe fn isolation(options: *const MojoSendInvitationOptions, flags: Outcome<u32>) -> Outcome<Option<Vec<u8>>> {
    if flags? & ISOLATED == 0 {
        return Ok(None);
    }
    // SAFETY: by this function's contract. One too small for a name has none.
    let Ok(options) = (unsafe { versioned(options) }) else { return Ok(Some(Vec::new())) };
    // SAFETY: by this function's contract.
    let name = unsafe { bytes(options.isolated_connection_name, options.isolated_connection_name_length as usize) };
    if name?.len() > MAX_INVITATION_NAME_BYTES { Err(INVALID_ARGUMENT) } else { Ok(Some(name?.to_vec())) }
}

/// The type of an endpoint, and the socket that it offers.
///
/// # Safety
/// `endpoint` is null or valid for reading as many bytes as its first field says, and at least that field; its
/// array has as many elements as it says, each beginning with its own size.
pub unsafe fn socket_of(endpoint: *const MojoInvitationTransportEndpoint, max_kind: u32) -> Outcome<(u32, Offered)> {
    // SAFETY: by this function's contract.
    let endpoint = unsafe { versioned(endpoint) }?;
    if endpoint.kind > max_kind {
        return Err(UNIMPLEMENTED);
    }
    if endpoint.num_platform_handles == 0 {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: the first element of the array, by this function's contract.
    let socket = unsafe { Offered::read(endpoint.platform_handles) }?;
    Ok((endpoint.kind, socket))
}

/// The invitation that a handle refers to.
pub fn invitation(handle: MojoHandle) -> Outcome<Invitation> {
    match handles::get(handle)? {
        Object::Invitation(invitation) => Ok(invitation),
        _ => Err(INVALID_ARGUMENT),
    }
}

/// The code for an error.
pub fn invitation_code(error: &InvitationError) -> MojoResult {
    match error {
        InvitationError::InvalidName => INVALID_ARGUMENT,
        InvitationError::AlreadyExists => ALREADY_EXISTS,
        InvitationError::NotFound => NOT_FOUND,
        InvitationError::FailedPrecondition => FAILED_PRECONDITION,
        InvitationError::ResourceExhausted => RESOURCE_EXHAUSTED,
        InvitationError::Socket(error) if error.kind() == ErrorKind::InvalidInput => INVALID_ARGUMENT,
        InvitationError::Socket(_) => RESOURCE_EXHAUSTED,
    }
}
