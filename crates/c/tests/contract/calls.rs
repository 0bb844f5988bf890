//! The C functions as safe ones: pointers are references that may be missing, structures that begin with their size
//! are bytes at any address.

use mojo_system::*;
use std::fs::File;
use std::os::fd::{FromRawFd, RawFd};
use std::ptr::{from_mut, from_ref, null, null_mut};

fn place<T>(output: Option<&mut T>) -> *mut T {
    output.map_or(null_mut(), from_mut)
}

fn first<T>(elements: Option<&[T]>) -> *const T {
    elements.map_or(null(), <[T]>::as_ptr)
}

fn first_mut<T>(elements: Option<&mut [T]>) -> *mut T {
    elements.map_or(null_mut(), <[T]>::as_mut_ptr)
}

/// Bytes that begin with their size, as far as the library knows such structures.
fn sized<T>(structure: Option<&[u8]>) -> *const T {
    if let Some(bytes) = structure {
        let size = u32::from_ne_bytes(bytes[..4].try_into().unwrap()) as usize;
        assert!(bytes.len() >= size.min(24), "the structure claims to be larger than it is");
    }
    first(structure).cast()
}

// ---- functions.h -----------------------------------------------------------------------------------------

pub fn query_signals(handle: MojoHandle, state: Option<&mut MojoHandleSignalsState>) -> MojoResult {
    // SAFETY: null or a place.
    unsafe { MojoQueryHandleSignalsState(handle, place(state)) }
}

pub fn get_property(property: u32, value: Option<&mut u8>) -> MojoResult {
    // SAFETY: null or a place.
    unsafe { MojoGetProperty(property, place(value)) }
}

// ---- message_pipe.h --------------------------------------------------------------------------------------

pub fn create_message_pipe(
    options: Option<&[u8]>,
    handle0: Option<&mut MojoHandle>,
    handle1: Option<&mut MojoHandle>,
) -> MojoResult {
    // SAFETY: null, or as large as it says; null or places.
    unsafe { MojoCreateMessagePipe(sized(options), place(handle0), place(handle1)) }
}

pub fn read_message(pipe: MojoHandle, message: Option<&mut MojoMessageHandle>) -> MojoResult {
    // SAFETY: null or a place.
    unsafe { MojoReadMessage(pipe, place(message), 0) }
}

pub fn notify_bad_message(message: MojoMessageHandle, error: Option<&[u8]>, num_bytes: usize) -> MojoResult {
    assert!(error.is_none_or(|error| error.len() >= num_bytes));
    // SAFETY: null or at least as many bytes.
    unsafe { MojoNotifyBadMessage(message, first(error), num_bytes) }
}

pub fn create_message(message: Option<&mut MojoMessageHandle>) -> MojoResult {
    // SAFETY: null or a place.
    unsafe { MojoCreateMessage(place(message)) }
}

/// What is given to a payload, and where to store where the payload is.
pub struct Payload<'a> {
    pub num_bytes: u32,
    pub handles: Option<&'a [MojoHandle]>,
    pub num_handles: u32,
    pub buffer: Option<&'a mut *mut u8>,
    pub buffer_size: Option<&'a mut u32>,
}

impl Payload<'_> {
    fn check(&self) {
        assert!(self.handles.is_none_or(|handles| handles.len() >= self.num_handles as usize));
    }
}

pub fn attach_buffer(message: MojoMessageHandle, payload: Payload<'_>) -> MojoResult {
    payload.check();
    let Payload { num_bytes, handles, num_handles, buffer, buffer_size } = payload;
    let (buffer, buffer_size) = (place(buffer), place(buffer_size));
    // SAFETY: null or at least as many handles; null or places.
    unsafe { MojoAttachSerializedMessageBuffer(message, num_bytes, first(handles), num_handles, buffer, buffer_size) }
}

pub fn extend_payload(message: MojoMessageHandle, payload: Payload<'_>) -> MojoResult {
    payload.check();
    let Payload { num_bytes, handles, num_handles, buffer, buffer_size } = payload;
    let (buffer, buffer_size) = (place(buffer), place(buffer_size));
    // SAFETY: null or at least as many handles; null or places.
    unsafe { MojoExtendSerializedMessagePayload(message, num_bytes, first(handles), num_handles, buffer, buffer_size) }
}

/// Claims that there are more handles than a message can have; attaches (0 bytes) or extends.
pub fn claim_handles(message: MojoMessageHandle, num_bytes: u32, num_handles: u32) -> MojoResult {
    assert!(num_handles > 65_535);
    let function = if num_bytes == 0 { MojoAttachSerializedMessageBuffer } else { MojoExtendSerializedMessagePayload };
    let (mut buffer, mut buffer_size) = (null_mut(), 0);
    // SAFETY: so many are refused before the first is read; places.
    unsafe { function(message, num_bytes, from_ref(&0), num_handles, &raw mut buffer, &raw mut buffer_size) }
}

pub fn commit(
    message: MojoMessageHandle,
    num_bytes: u32,
    buffer: Option<&mut *mut u8>,
    buffer_size: Option<&mut u32>,
) -> MojoResult {
    // SAFETY: null or places.
    unsafe { MojoCommitSerializedMessageContents(message, num_bytes, place(buffer), place(buffer_size)) }
}

pub fn get_contents(
    message: MojoMessageHandle,
    buffer: Option<&mut *mut u8>,
    num_bytes: Option<&mut u32>,
    handles: Option<&mut [MojoHandle]>,
    num_handles: Option<&mut u32>,
) -> MojoResult {
    let room = num_handles.as_deref().copied().unwrap_or(0) as usize;
    assert!(handles.as_deref().is_none_or(|handles| handles.len() >= room));
    let (buffer, num_bytes, num_handles) = (place(buffer), place(num_bytes), place(num_handles));
    // SAFETY: null or places; null or room for at least as many handles.
    unsafe { MojoGetSerializedMessageContents(message, buffer, num_bytes, first_mut(handles), num_handles, 0) }
}

pub fn get_context(message: MojoMessageHandle, context: Option<&mut usize>, flags: u32) -> MojoResult {
    // SAFETY: null or a place.
    unsafe { MojoGetMessageContext(message, place(context), flags) }
}

// ---- data_pipe.h -----------------------------------------------------------------------------------------

pub fn create_data_pipe(
    options: Option<&[u8]>,
    producer: Option<&mut MojoHandle>,
    consumer: Option<&mut MojoHandle>,
) -> MojoResult {
    // SAFETY: null, or as large as it says; null or places.
    unsafe { MojoCreateDataPipe(sized(options), place(producer), place(consumer)) }
}

pub fn write_data(
    producer: MojoHandle,
    elements: Option<&[u8]>,
    num_bytes: Option<&mut u32>,
    flags: u32,
) -> MojoResult {
    let wanted = num_bytes.as_deref().copied().unwrap_or(0) as usize;
    assert!(elements.is_none_or(|elements| elements.len() >= wanted));
    // SAFETY: null or at least as many bytes; null or a place.
    unsafe { MojoWriteData(producer, first(elements), place(num_bytes), flags) }
}

pub fn begin_write(
    producer: MojoHandle,
    buffer: Option<&mut *mut u8>,
    num_bytes: Option<&mut u32>,
    flags: u32,
) -> MojoResult {
    // SAFETY: null or places.
    unsafe { MojoBeginWriteData(producer, place(buffer), place(num_bytes), flags) }
}

pub fn read_data(
    consumer: MojoHandle,
    elements: Option<&mut [u8]>,
    num_bytes: Option<&mut u32>,
    flags: u32,
) -> MojoResult {
    let wanted = num_bytes.as_deref().copied().unwrap_or(0) as usize;
    assert!(elements.as_deref().is_none_or(|elements| elements.len() >= wanted));
    // SAFETY: null or room for at least as many bytes; null or a place.
    unsafe { MojoReadData(consumer, first_mut(elements), place(num_bytes), flags) }
}

pub fn begin_read(
    consumer: MojoHandle,
    buffer: Option<&mut *const u8>,
    num_bytes: Option<&mut u32>,
    flags: u32,
) -> MojoResult {
    // SAFETY: null or places.
    unsafe { MojoBeginReadData(consumer, place(buffer), place(num_bytes), flags) }
}

// ---- buffer.h --------------------------------------------------------------------------------------------

pub fn create_buffer(options: Option<&[u8]>, num_bytes: u64, handle: Option<&mut MojoHandle>) -> MojoResult {
    // SAFETY: null, or as large as it says; null or a place.
    unsafe { MojoCreateSharedBuffer(sized(options), num_bytes, place(handle)) }
}

pub fn duplicate_buffer(buffer: MojoHandle, options: Option<&[u8]>, handle: Option<&mut MojoHandle>) -> MojoResult {
    // SAFETY: null, or as large as it says; null or a place.
    unsafe { MojoDuplicateBufferHandle(buffer, sized(options), place(handle)) }
}

pub fn map_buffer(buffer: MojoHandle, offset: u64, num_bytes: u64, address: Option<&mut *mut u8>) -> MojoResult {
    // SAFETY: null or a place.
    unsafe { MojoMapBuffer(buffer, offset, num_bytes, place(address), 0) }
}

// ---- platform_handle.h -----------------------------------------------------------------------------------

pub fn wrap(platform_handle: Option<&[u8]>, handle: Option<&mut MojoHandle>) -> MojoResult {
    // SAFETY: null, or as large as it says; null or a place.
    unsafe { MojoWrapPlatformHandle(sized(platform_handle), place(handle)) }
}

pub fn unwrap(handle: MojoHandle, platform_handle: Option<&mut [u8]>) -> MojoResult {
    let _ = sized::<MojoPlatformHandle>(platform_handle.as_deref());
    // SAFETY: null, or as large as it says.
    unsafe { MojoUnwrapPlatformHandle(handle, first_mut(platform_handle).cast()) }
}

/// Which of the two names of the shared buffer functions is called.
#[derive(Clone, Copy, Debug)]
pub enum Spelling {
    Documented,
    WithHandle,
}

pub fn wrap_buffer(
    spelling: Spelling,
    platform_handle: Option<&[u8]>,
    num_bytes: usize,
    guid: Option<&MojoSharedBufferGuid>,
    flags: u32,
    handle: Option<&mut MojoHandle>,
) -> MojoResult {
    let function = match spelling {
        Spelling::Documented => MojoWrapPlatformSharedBuffer,
        Spelling::WithHandle => MojoWrapPlatformSharedBufferHandle,
    };
    let guid = guid.map_or(null(), from_ref);
    // SAFETY: null, or as large as it says; null or places.
    unsafe { function(sized(platform_handle), num_bytes, guid, flags, place(handle)) }
}

/// Where to store what an unwrapped shared buffer is.
pub struct Unwrapped<'a> {
    pub platform_handle: Option<&'a mut [u8]>,
    pub num_bytes: Option<&'a mut usize>,
    pub guid: Option<&'a mut MojoSharedBufferGuid>,
    pub flags: Option<&'a mut u32>,
}

pub fn unwrap_buffer(spelling: Spelling, handle: MojoHandle, outputs: Unwrapped<'_>) -> MojoResult {
    let function = match spelling {
        Spelling::Documented => MojoUnwrapPlatformSharedBuffer,
        Spelling::WithHandle => MojoUnwrapPlatformSharedBufferHandle,
    };
    let Unwrapped { platform_handle, num_bytes, guid, flags } = outputs;
    let _ = sized::<MojoPlatformHandle>(platform_handle.as_deref());
    // SAFETY: null, or as large as it says; null or places.
    unsafe { function(handle, first_mut(platform_handle).cast(), place(num_bytes), place(guid), place(flags)) }
}

/// Owns a descriptor, as a file, that the library has given back or has never taken, and nobody else owns.
pub fn own(fd: u64) -> File {
    // SAFETY: nobody else owns it, as the description demands.
    unsafe { File::from_raw_fd(fd as RawFd) }
}

// ---- watcher.h -------------------------------------------------------------------------------------------

/// The callback touches nothing that can go away, and so can be called at any time.
pub fn create_watcher(callback: Option<MojoWatcherCallback>, handle: Option<&mut MojoHandle>) -> MojoResult {
    // SAFETY: null or a place.
    unsafe { MojoCreateWatcher(callback, place(handle)) }
}

pub fn arm(
    watcher: MojoHandle,
    count: Option<&mut u32>,
    contexts: Option<&mut [usize]>,
    results: Option<&mut [MojoResult]>,
    states: Option<&mut [MojoHandleSignalsState]>,
) -> MojoResult {
    let room = count.as_deref().copied().unwrap_or(0) as usize;
    assert!(contexts.as_deref().is_none_or(|contexts| contexts.len() >= room));
    assert!(results.as_deref().is_none_or(|results| results.len() >= room));
    assert!(states.as_deref().is_none_or(|states| states.len() >= room));
    // SAFETY: null or a place; null or room for at least as many elements.
    unsafe { MojoArmWatcher(watcher, place(count), first_mut(contexts), first_mut(results), first_mut(states)) }
}

// ---- invitation.h ----------------------------------------------------------------------------------------

pub fn create_invitation(options: Option<&[u8]>, handle: Option<&mut MojoHandle>) -> MojoResult {
    // SAFETY: null, or as large as it says; null or a place.
    unsafe { MojoCreateInvitation(sized(options), place(handle)) }
}

pub fn attach_to_invitation(
    invitation: MojoHandle,
    name: Option<&[u8]>,
    num_bytes: u32,
    options: Option<&[u8]>,
    handle: Option<&mut MojoHandle>,
) -> MojoResult {
    assert!(name.is_none_or(|name| name.len() >= num_bytes as usize));
    // SAFETY: null or at least as many bytes; null, or as large as it says; null or a place.
    unsafe { MojoAttachMessagePipeToInvitation(invitation, first(name), num_bytes, sized(options), place(handle)) }
}

pub fn extract_from_invitation(
    invitation: MojoHandle,
    name: Option<&[u8]>,
    num_bytes: u32,
    options: Option<&[u8]>,
    handle: Option<&mut MojoHandle>,
) -> MojoResult {
    assert!(name.is_none_or(|name| name.len() >= num_bytes as usize));
    // SAFETY: null or at least as many bytes; null, or as large as it says; null or a place.
    unsafe { MojoExtractMessagePipeFromInvitation(invitation, first(name), num_bytes, sized(options), place(handle)) }
}

pub fn send_invitation(
    invitation: MojoHandle,
    process: Option<&[u8]>,
    transport: Option<&MojoInvitationTransportEndpoint>,
    handler: Option<(MojoProcessErrorHandler, usize)>,
    options: Option<&[u8]>,
) -> MojoResult {
    let (handler, context) = handler.map_or((None, 0), |(handler, context)| (Some(handler), context));
    let transport = transport.map_or(null(), from_ref);
    // SAFETY: null, or as large as it says; the tests fill the endpoint with pointers that are valid or null.
    unsafe { MojoSendInvitation(invitation, sized(process), transport, handler, context, sized(options)) }
}

pub fn accept_invitation(
    transport: Option<&MojoInvitationTransportEndpoint>,
    options: Option<&[u8]>,
    handle: Option<&mut MojoHandle>,
) -> MojoResult {
    let transport = transport.map_or(null(), from_ref);
    // SAFETY: null, or as large as it says; the tests fill the endpoint with pointers that are valid or null; null or
    // a place.
    unsafe { MojoAcceptInvitation(transport, sized(options), place(handle)) }
}

// ---- memory that the library lends -----------------------------------------------------------------------

/// Storage of a message, a window of a data pipe, or a mapping. Whoever has it keeps what it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub address: *mut u8,
    pub len: usize,
}

impl Memory {
    pub fn write(self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= self.len);
        // SAFETY: within the memory, as was just checked.
        let to = unsafe { self.address.add(at) };
        // SAFETY: the library lends this much memory to the holder alone, and the holder has kept what it belongs to.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    pub fn bytes(self) -> Vec<u8> {
        let mut bytes = vec![0; self.len];
        if self.len > 0 {
            // SAFETY: as for writing; the bytes are initialised.
            unsafe { self.address.copy_to_nonoverlapping(bytes.as_mut_ptr(), self.len) };
        }
        bytes
    }
}

// ---- quota.h ---------------------------------------------------------------------------------------------

pub fn set_quota(handle: MojoHandle, quota_type: u32, limit: u64, options: Option<&[u8]>) -> MojoResult {
    // SAFETY: null, or as large as it says.
    unsafe { MojoSetQuota(handle, quota_type, limit, sized(options)) }
}

pub fn query_quota(
    handle: MojoHandle,
    quota_type: u32,
    options: Option<&[u8]>,
    limit: Option<&mut u64>,
    usage: Option<&mut u64>,
) -> MojoResult {
    // SAFETY: null, or as large as it says; null or places.
    unsafe { MojoQueryQuota(handle, quota_type, sized(options), place(limit), place(usage)) }
}
