#![allow(unsafe_code)]
//! Invitations.

use crate::args::{MojoOptions, Out, versioned};
use crate::callbacks::error_handler;
use crate::handles;
use crate::invitations::{
    ISOLATED, MojoInvitationTransportEndpoint, MojoPlatformProcessHandle, MojoSendInvitationOptions,
    TRANSPORT_CHANNEL_SERVER, invitation, invitation_code, isolation, named_pipe, socket_of,
};
use crate::life;
use crate::options::lenient;
use crate::platform_handles::Offered;
use crate::result::{FAILED_PRECONDITION, INVALID_ARGUMENT, MojoResult, RESOURCE_EXHAUSTED, UNIMPLEMENTED, code};
use libmojo_c_common::callbacks::MojoProcessErrorHandler;
use libmojo_c_common::{HandleWord, refuse_if_forked};
use libmojo_core::invitation::{Invitation, SendOptions, Transport};
use libmojo_core::node::Node;
use std::os::fd::{IntoRawFd, OwnedFd};

/// A connected socket of which a newer program says that it need not answer at once. None has to here.
const TRANSPORT_CHANNEL_ASYNC: u32 = 2;

const SHARE_BROKER: u32 = 1 << 3;
const LEAK_TRANSPORT_ENDPOINT: u32 = 1 << 1;

/// The names that the pipe of an isolated connection may have.
const ISOLATED_NAMES: [&[u8]; 2] = [&[0; 4], &[0; 8]];

pub(crate) unsafe extern "C" fn create_invitation<W: HandleWord>(
    options: *const MojoOptions,
    invitation_handle: *mut W,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::required(invitation_handle) };
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { lenient(options) };
    let create = || {
        options?;
        output?.set(W::new(handles::insert(Invitation::new(Node::process()))?));
        Ok(())
    };
    code(create())
}

pub(crate) unsafe extern "C" fn attach_to_invitation<W: HandleWord>(
    invitation_handle: W,
    name: *const u8,
    name_num_bytes: u32,
    options: *const MojoOptions,
    message_pipe_handle: *mut W,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { lenient(options) };
    // SAFETY: the caller's promises are that function's too.
    unsafe { named_pipe(invitation_handle, name, name_num_bytes, options, message_pipe_handle, Invitation::attach) }
}

pub(crate) unsafe extern "C" fn extract_from_invitation<W: HandleWord>(
    invitation_handle: W,
    name: *const u8,
    name_num_bytes: u32,
    options: *const MojoOptions,
    message_pipe_handle: *mut W,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { lenient(options) };
    // SAFETY: the caller's promises are that function's too.
    unsafe { named_pipe(invitation_handle, name, name_num_bytes, options, message_pipe_handle, Invitation::extract) }
}

pub(crate) unsafe extern "C" fn send_invitation<W: HandleWord>(
    invitation_handle: W,
    process_handle: *const MojoPlatformProcessHandle,
    transport_endpoint: *const MojoInvitationTransportEndpoint,
    handler: Option<MojoProcessErrorHandler>,
    error_handler_context: usize,
    options: *const MojoSendInvitationOptions,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    let is_fit = if options.is_null() { Ok(()) } else { unsafe { versioned(options) }.map(drop) };
    // SAFETY: as above.
    let asked = unsafe { lenient(options.cast()) };
    // SAFETY: as above, with a name as long as it says.
    let isolation = unsafe { isolation(options, asked) };
    // SAFETY: the caller passes null or a structure that begins with its size.
    let process = if process_handle.is_null() { Ok(()) } else { unsafe { versioned(process_handle) }.map(drop) };
    // SAFETY: the caller passes null or a structure that begins with its size, with descriptors of its own.
    let endpoint = unsafe { socket_of(transport_endpoint, TRANSPORT_CHANNEL_ASYNC) };
    let send = || {
        is_fit?;
        process?;
        let (flags, isolation) = (asked?, isolation?);
        let (kind, socket) = endpoint?;
        let invitation = invitation(invitation_handle.handle())?;
        let socket = socket.accept().ok_or(INVALID_ARGUMENT)?;
        let check = || {
            life::may_connect()?;
            if isolation.is_some() && !invitation.has_only_one_of(&ISOLATED_NAMES) {
                return Err(INVALID_ARGUMENT);
            }
            if flags & SHARE_BROKER != 0 && (isolation.is_some() || !life::is_invited()) {
                return Err(INVALID_ARGUMENT);
            }
            if invitation.is_bare() { Err(FAILED_PRECONDITION) } else { Ok(()) }
        };
        if let Err(error) = check() {
            Offered::give_back(socket);
            return Err(error);
        }
        let handler = handler.map(|handler| error_handler(handler, error_handler_context));
        let is_isolated = isolation.is_some();
        let transport = match kind {
            TRANSPORT_CHANNEL_SERVER => Transport::Listening(socket),
            _ => Transport::Connected(socket),
        };
        let send = || invitation.send(transport, SendOptions { handler, isolation });
        life::with_signals_blocked(send).map_err(|(error, socket)| {
            Offered::give_back(socket);
            invitation_code(&error)
        })?;
        life::note_connection((!is_isolated).then_some(life::Side::Inviter));
        // Gone already if another thread has closed it meanwhile, which changes nothing.
        let _ = handles::remove(invitation_handle.handle());
        Ok(())
    };
    code(send())
}

pub(crate) unsafe extern "C" fn accept_invitation<W: HandleWord>(
    transport_endpoint: *const MojoInvitationTransportEndpoint,
    options: *const MojoOptions,
    invitation_handle: *mut W,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a place to write to.
    let output = unsafe { Out::required(invitation_handle) };
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { lenient(options) };
    // SAFETY: the caller passes null or a structure that begins with its size, with descriptors of its own.
    let endpoint = unsafe { socket_of(transport_endpoint, TRANSPORT_CHANNEL_ASYNC) };
    let accept = || {
        let flags = options?;
        let is_isolated = flags & ISOLATED != 0;
        let (kind, socket) = endpoint?;
        let output = output?;
        if kind == TRANSPORT_CHANNEL_SERVER {
            return Err(UNIMPLEMENTED);
        }
        life::may_connect()?;
        if !is_isolated && life::is_declared_broker() {
            return Err(FAILED_PRECONDITION);
        }
        if handles::room() == 0 {
            return Err(RESOURCE_EXHAUSTED);
        }
        let socket = socket.accept().ok_or(INVALID_ARGUMENT)?;
        // Until it is known whether the socket is taken.
        let copy = if flags & LEAK_TRANSPORT_ENDPOINT != 0 { socket.try_clone().ok() } else { None };
        let accept = || Invitation::accept(Node::process(), socket, is_isolated);
        let (accepted, _) = life::with_signals_blocked(accept).map_err(|(error, socket)| {
            Offered::give_back(socket);
            invitation_code(&error)
        })?;
        // It is to stay open for as long as the process lives.
        let _ = copy.map(OwnedFd::into_raw_fd);
        life::note_connection((!is_isolated).then_some(life::Side::Invitee));
        output.set(W::new(handles::insert(accepted)?));
        Ok(())
    };
    code(accept())
}
