#![allow(unsafe_code)]
//! `invitation.h`.

use super::platform_handle::{MojoPlatformHandle, Offered};
use crate::args::{MojoOptions, Out, bytes, flags, versioned};
use crate::callbacks::{MojoProcessErrorHandler, error_handler};
use crate::handles::{self, MojoHandle};
use crate::result::{
    ALREADY_EXISTS, FAILED_PRECONDITION, INVALID_ARGUMENT, MojoResult, NOT_FOUND, Outcome, RESOURCE_EXHAUSTED,
    UNIMPLEMENTED, code, refuse_if_forked,
};
use libmojo_core::invitation::{Invitation, InvitationError, SendOptions, Transport};
use libmojo_core::limits::MAX_INVITATION_NAME_BYTES;
use libmojo_core::node::Node;
use libmojo_core::object::Object;
use std::io::ErrorKind;

const TRANSPORT_CHANNEL: u32 = 0;
const TRANSPORT_CHANNEL_SERVER: u32 = 1;
const ISOLATED: u32 = 1;

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

/// Makes an invitation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoCreateInvitation(
    options: *const MojoOptions,
    invitation_handle: *mut MojoHandle,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::required(invitation_handle) };
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { flags(options, 0) };
    let create = || {
        let output = output?;
        options?;
        output.set(handles::insert(Invitation::new(Node::process()))?);
        Ok(())
    };
    code(create())
}

/// Attaches a new message pipe to an invitation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoAttachMessagePipeToInvitation(
    invitation_handle: MojoHandle,
    name: *const u8,
    name_num_bytes: u32,
    options: *const MojoOptions,
    message_pipe_handle: *mut MojoHandle,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller's promises are this function's too.
    unsafe { named_pipe(invitation_handle, name, name_num_bytes, options, message_pipe_handle, Invitation::attach) }
}

/// Takes a message pipe out of an invitation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoExtractMessagePipeFromInvitation(
    invitation_handle: MojoHandle,
    name: *const u8,
    name_num_bytes: u32,
    options: *const MojoOptions,
    message_pipe_handle: *mut MojoHandle,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller's promises are this function's too.
    unsafe { named_pipe(invitation_handle, name, name_num_bytes, options, message_pipe_handle, Invitation::extract) }
}

/// What attaching and extracting have in common.
///
/// # Safety
/// `name` is null or has as many bytes as it says, `options` is null or begins with its size, and
/// `message_pipe_handle` is null or can be written to.
unsafe fn named_pipe(
    invitation_handle: MojoHandle,
    name: *const u8,
    name_num_bytes: u32,
    options: *const MojoOptions,
    message_pipe_handle: *mut MojoHandle,
    operation: impl FnOnce(&Invitation, &[u8]) -> Result<libmojo_core::pipe::Pipe, InvitationError>,
) -> MojoResult {
    // SAFETY: by this function's contract.
    let output = unsafe { Out::required(message_pipe_handle) };
    // SAFETY: by this function's contract.
    let options = unsafe { flags(options, 0) };
    // SAFETY: by this function's contract.
    let name = unsafe { bytes(name, name_num_bytes as usize) };
    let run = || {
        let (output, name) = (output?, name?);
        options?;
        let invitation = invitation(invitation_handle)?;
        if name.is_empty() {
            return Err(INVALID_ARGUMENT);
        }
        output.set(handles::insert(operation(&invitation, name).map_err(|error| invitation_code(&error))?)?);
        Ok(())
    };
    code(run())
}

/// Sends an invitation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoSendInvitation(
    invitation_handle: MojoHandle,
    process_handle: *const MojoPlatformProcessHandle,
    transport_endpoint: *const MojoInvitationTransportEndpoint,
    handler: Option<MojoProcessErrorHandler>,
    error_handler_context: usize,
    options: *const MojoSendInvitationOptions,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    let isolation = unsafe { isolation(options) };
    // SAFETY: the caller passes null or a structure that begins with its size.
    let process = if process_handle.is_null() { Ok(()) } else { unsafe { versioned(process_handle) }.map(drop) };
    // SAFETY: the caller passes null or a structure that begins with its size, with descriptors of its own.
    let endpoint = unsafe { socket_of(transport_endpoint) };
    let send = || {
        process?;
        let isolation = isolation?;
        let (kind, socket) = endpoint?;
        let invitation = invitation(invitation_handle)?;
        if invitation.is_bare() {
            return Err(FAILED_PRECONDITION);
        }
        let handler = handler.map(|handler| error_handler(handler, error_handler_context));
        let socket = socket.accept().ok_or(INVALID_ARGUMENT)?;
        let transport =
            if kind == TRANSPORT_CHANNEL { Transport::Connected(socket) } else { Transport::Listening(socket) };
        invitation.send(transport, SendOptions { handler, isolation }).map_err(|(error, socket)| {
            Offered::give_back(socket);
            invitation_code(&error)
        })?;
        // Gone already if another thread has closed it meanwhile, which changes nothing.
        let _ = handles::remove(invitation_handle);
        Ok(())
    };
    code(send())
}

/// The name of the isolated connection that is asked for, if one is.
///
/// # Safety
/// `options` is null or valid for reading as many bytes as its first field says, and at least that field; a name in
/// it is null or has as many bytes as it says.
unsafe fn isolation(options: *const MojoSendInvitationOptions) -> Outcome<Option<Vec<u8>>> {
    // SAFETY: it begins as every options structure does, and this function's contract says the rest.
    let flags = unsafe { flags(options.cast(), ISOLATED) }?;
    if flags & ISOLATED == 0 {
        return Ok(None);
    }
    // SAFETY: by this function's contract. One too small for a name has none.
    let Ok(options) = (unsafe { versioned(options) }) else { return Ok(Some(Vec::new())) };
    // SAFETY: by this function's contract.
    let name = unsafe { bytes(options.isolated_connection_name, options.isolated_connection_name_length as usize) };
    if name?.len() > MAX_INVITATION_NAME_BYTES { Err(INVALID_ARGUMENT) } else { Ok(Some(name?.to_vec())) }
}

/// Accepts an invitation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoAcceptInvitation(
    transport_endpoint: *const MojoInvitationTransportEndpoint,
    options: *const MojoOptions,
    invitation_handle: *mut MojoHandle,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::required(invitation_handle) };
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { flags(options, ISOLATED) };
    // SAFETY: the caller passes null or a structure that begins with its size, with descriptors of its own.
    let endpoint = unsafe { socket_of(transport_endpoint) };
    let accept = || {
        let output = output?;
        let is_isolated = options? & ISOLATED != 0;
        if handles::room() == 0 {
            return Err(RESOURCE_EXHAUSTED);
        }
        let (kind, socket) = endpoint?;
        if kind != TRANSPORT_CHANNEL {
            return Err(UNIMPLEMENTED);
        }
        let socket = socket.accept().ok_or(INVALID_ARGUMENT)?;
        let accepted = Invitation::accept(Node::process(), socket, is_isolated).map_err(|(error, socket)| {
            Offered::give_back(socket);
            invitation_code(&error)
        })?;
        output.set(handles::insert(accepted.0)?);
        Ok(())
    };
    code(accept())
}

/// The type of an endpoint, and the socket that it offers.
///
/// # Safety
/// `endpoint` is null or valid for reading as many bytes as its first field says, and at least that field; its
/// array has as many elements as it says, each beginning with its own size.
unsafe fn socket_of(endpoint: *const MojoInvitationTransportEndpoint) -> Outcome<(u32, Offered)> {
    // SAFETY: by this function's contract.
    let endpoint = unsafe { versioned(endpoint) }?;
    if endpoint.kind > TRANSPORT_CHANNEL_SERVER {
        return Err(UNIMPLEMENTED);
    }
    if endpoint.num_platform_handles == 0 {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: the first element of the array, by this function's contract.
    let socket = unsafe { Offered::read(endpoint.platform_handles) }?;
    Ok((endpoint.kind, socket))
}

fn invitation(handle: MojoHandle) -> Outcome<Invitation> {
    match handles::get(handle)? {
        Object::Invitation(invitation) => Ok(invitation),
        _ => Err(INVALID_ARGUMENT),
    }
}

fn invitation_code(error: &InvitationError) -> MojoResult {
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
