#![allow(unsafe_code)]
//! `invitation.h`.

use crate::args::{MojoOptions, Out, flags, versioned};
use crate::callbacks::{MojoProcessErrorHandler, error_handler};
use crate::handles::{self, MojoHandle};
use crate::invitations::{
    ISOLATED, MojoInvitationTransportEndpoint, MojoPlatformProcessHandle, MojoSendInvitationOptions, TRANSPORT_CHANNEL,
    TRANSPORT_CHANNEL_SERVER, invitation, invitation_code, isolation, named_pipe, socket_of,
};
use crate::platform_handles::Offered;
use crate::result::{
    FAILED_PRECONDITION, INVALID_ARGUMENT, MojoResult, RESOURCE_EXHAUSTED, UNIMPLEMENTED, code, refuse_if_forked,
};
use libmojo_core::invitation::{Invitation, SendOptions, Transport};
use libmojo_core::node::Node;

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
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { flags(options, 0) };
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
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { flags(options, 0) };
    // SAFETY: the caller's promises are this function's too.
    unsafe { named_pipe(invitation_handle, name, name_num_bytes, options, message_pipe_handle, Invitation::extract) }
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
    let asked = unsafe { flags(options.cast(), ISOLATED) };
    // SAFETY: as above, with a name as long as it says.
    let isolation = unsafe { isolation(options, asked) };
    // SAFETY: the caller passes null or a structure that begins with its size.
    let process = if process_handle.is_null() { Ok(()) } else { unsafe { versioned(process_handle) }.map(drop) };
    // SAFETY: the caller passes null or a structure that begins with its size, with descriptors of its own.
    let endpoint = unsafe { socket_of(transport_endpoint, TRANSPORT_CHANNEL_SERVER) };
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
    let endpoint = unsafe { socket_of(transport_endpoint, TRANSPORT_CHANNEL_SERVER) };
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
