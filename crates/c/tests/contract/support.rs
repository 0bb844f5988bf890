//! What all tests share: names of numbers, calls that check that a failure leaves the outputs alone, and objects of every
//! kind.

use crate::callbacks::watcher;
use crate::calls::{self, Memory, Payload, Spelling, Unwrapped};
use mojo_system::*;
use std::fmt::Debug;
use std::fs::File;
use std::ptr::without_provenance_mut;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

pub const OK: MojoResult = 0;
pub const CANCELLED: MojoResult = 1;
pub const UNKNOWN: MojoResult = 2;
pub const INVALID_ARGUMENT: MojoResult = 3;
pub const NOT_FOUND: MojoResult = 5;
pub const ALREADY_EXISTS: MojoResult = 6;
pub const RESOURCE_EXHAUSTED: MojoResult = 8;
pub const FAILED_PRECONDITION: MojoResult = 9;
pub const ABORTED: MojoResult = 10;
pub const OUT_OF_RANGE: MojoResult = 11;
pub const UNIMPLEMENTED: MojoResult = 12;
pub const BUSY: MojoResult = 16;
pub const SHOULD_WAIT: MojoResult = 17;

pub const R: u32 = 1;
pub const W: u32 = 1 << 1;
pub const C: u32 = 1 << 2;
pub const N: u32 = 1 << 3;
pub const M: u32 = 1 << 4;

pub const WRITE_ALL_OR_NONE: u32 = 1;
pub const READ_ALL_OR_NONE: u32 = 1;
pub const DISCARD: u32 = 1 << 1;
pub const QUERY: u32 = 1 << 2;
pub const PEEK: u32 = 1 << 3;
pub const RELEASE: u32 = 1;
pub const READ_ONLY: u32 = 1;

/// A function's outputs, or the code of its failure.
pub type Outcome<T> = Result<T, MojoResult>;

pub fn outcome(code: MojoResult) -> Outcome<()> {
    if code == OK { Ok(()) } else { Err(code) }
}

pub fn code<T>(outcome: Outcome<T>) -> MojoResult {
    outcome.err().unwrap_or(OK)
}

/// Calls a function whose output is stored on success and left alone on failure.
pub fn output<T: Copy + PartialEq + Debug>(before: T, call: impl FnOnce(&mut T) -> MojoResult) -> Outcome<T> {
    let mut value = before;
    let code = call(&mut value);
    assert_eq!(value == before, code != OK, "{code} with {value:?}");
    outcome(code).map(|()| value)
}

/// The same with two outputs.
pub fn outputs<A: Copy + PartialEq + Debug, B: Copy + PartialEq + Debug>(
    before: (A, B),
    call: impl FnOnce(&mut A, &mut B) -> MojoResult,
) -> Outcome<(A, B)> {
    output(before, |(a, b)| call(a, b))
}

/// What an output holds before the call.
pub const STALE: MojoHandle = 0xDEAD_BEEF;
pub const STALE_MESSAGE: MojoMessageHandle = 0xDEAD_BEEF;
pub const STALE_SIZE: u32 = 0xDEAD_BEEF;

pub fn stale_address<T>() -> *mut T {
    without_provenance_mut(0xDEAD_BEE8)
}

/// An options structure with these fields, of exactly the size that it says, as far as that is possible.
pub fn options(struct_size: u32, fields: &[u32]) -> Vec<u8> {
    let mut bytes: Vec<u8> = [&[struct_size], fields].concat().into_iter().flat_map(u32::to_ne_bytes).collect();
    bytes.resize((struct_size as usize).clamp(4, 64), 0xEE);
    bytes
}

/// What a function with an options structure of nothing but flags, of which `known` are defined, answers to it.
pub fn options_rows(known: u32) -> Vec<(Option<Vec<u8>>, MojoResult)> {
    let mut rows = vec![(None, OK)];
    for size in 0..4 {
        rows.push((Some(options(size, &[0])), INVALID_ARGUMENT));
        rows.push((Some(options(size, &[u32::MAX])), INVALID_ARGUMENT));
    }
    for size in 4..8 {
        rows.push((Some(options(size, &[u32::MAX])), OK));
    }
    for size in [8, 9, 12, 16, 4096, u32::MAX] {
        rows.push((Some(options(size, &[0])), OK));
        rows.push((Some(options(size, &[known])), OK));
        for bit in 0..32 {
            let flag = 1 << bit;
            if known & flag == 0 {
                rows.push((Some(options(size, &[flag])), UNIMPLEMENTED));
                rows.push((Some(options(size, &[known | flag])), UNIMPLEMENTED));
            }
        }
    }
    rows
}

/// Calls a function with a structure at an address that is fit for nothing but bytes.
pub fn misaligned<T>(structure: &[u8], call: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut storage = vec![0; structure.len() + 8];
    let at = (0..8).find(|at| storage[*at..].as_ptr().addr() % 8 == 1).unwrap();
    storage[at..at + structure.len()].copy_from_slice(structure);
    call(&mut storage[at..at + structure.len()])
}

/// The same with options that may be missing, at such an address and at a better one.
pub fn anywhere<T>(options: Option<&[u8]>, call: impl Fn(Option<&[u8]>) -> T) -> Vec<T> {
    let elsewhere = options.map(|options| misaligned(options, |options| call(Some(options))));
    [call(options)].into_iter().chain(elsewhere).collect()
}

// ---- time ---------------------------------------------------------------------------------------------

/// After this time a test is considered to hang.
const PATIENCE: Duration = Duration::from_secs(300);

/// Ends the process, loudly, unless it is dropped in time.
pub struct Watchdog {
    _alive: Sender<()>,
}

pub fn watchdog() -> Watchdog {
    let (alive, ended) = channel::<()>();
    let name = thread::current().name().unwrap_or("a test").to_owned();
    thread::spawn(move || {
        if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{name} hangs");
            std::process::abort();
        }
    });
    Watchdog { _alive: alive }
}

/// Looks again and again until a condition holds. The watchdog knows if it never does.
pub fn until(mut condition: impl FnMut() -> bool) {
    for round in 1_u32.. {
        if condition() {
            return;
        }
        if round % 64 == 0 { thread::yield_now() } else { std::hint::spin_loop() }
    }
}

// ---- handles ---------------------------------------------------------------------------------------------

pub fn close(handle: MojoHandle) -> Outcome<()> {
    outcome(MojoClose(handle))
}

/// Closes handles that are all open.
pub fn close_all(handles: &[MojoHandle]) {
    handles.iter().for_each(|handle| assert_eq!(close(*handle), Ok(()), "{handle:x}"));
}

/// The satisfied and the satisfiable signals.
pub fn signals(handle: MojoHandle) -> Outcome<(u32, u32)> {
    let before = MojoHandleSignalsState { satisfied_signals: u32::MAX, satisfiable_signals: u32::MAX };
    let state = output(before, |state| calls::query_signals(handle, Some(state)))?;
    Ok((state.satisfied_signals, state.satisfiable_signals))
}

pub fn is_live(handle: MojoHandle) -> bool {
    signals(handle).is_ok()
}

pub fn satisfied(handle: MojoHandle) -> u32 {
    signals(handle).unwrap().0
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Pipe,
    Producer,
    Consumer,
    Buffer,
    Platform,
    Watcher,
    Invitation,
}

impl Kind {
    pub const ALL: [Kind; 7] =
        [Kind::Pipe, Kind::Producer, Kind::Consumer, Kind::Buffer, Kind::Platform, Kind::Watcher, Kind::Invitation];

    pub fn has_signals(self) -> bool {
        matches!(self, Kind::Pipe | Kind::Producer | Kind::Consumer)
    }

    pub fn is_transferable(self) -> bool {
        !matches!(self, Kind::Watcher | Kind::Invitation)
    }

    /// A new object, with its other end if it is one of two.
    pub fn make(self) -> Made {
        let (handle, peer) = match self {
            Kind::Pipe => pipe(),
            Kind::Producer => data_pipe(1, 16),
            Kind::Consumer => {
                let (producer, consumer) = data_pipe(1, 16);
                (consumer, producer)
            }
            Kind::Buffer => (buffer(64), 0),
            Kind::Platform => (wrap(0, 0).unwrap(), 0),
            Kind::Watcher => (watcher(), 0),
            Kind::Invitation => (invitation(), 0),
        };
        Made { handle, peer }
    }
}

/// An object, closed with its other end when dropped.
#[derive(Debug)]
pub struct Made {
    pub handle: MojoHandle,
    pub peer: MojoHandle,
}

impl Drop for Made {
    fn drop(&mut self) {
        // Whichever of them is still there.
        let _ = (close(self.handle), close(self.peer));
    }
}

pub fn invitation() -> MojoHandle {
    output(STALE, |handle| calls::create_invitation(None, Some(handle))).unwrap()
}

/// Values that name no handle: never given out, or not any more.
pub fn dead_handles() -> Vec<MojoHandle> {
    let (live, gone) = pipe();
    close(gone).unwrap();
    let dead = vec![0, 1, 10, 1_000_000_000, u32::MAX, gone, live ^ 1 << 31, live ^ 1 << 22, !live];
    close(live).unwrap();
    dead
}

// ---- pipes -----------------------------------------------------------------------------------------------

pub fn pipe() -> (MojoHandle, MojoHandle) {
    outputs((STALE, STALE), |a, b| calls::create_message_pipe(None, Some(a), Some(b))).unwrap()
}

pub fn write(pipe: MojoHandle, message: MojoMessageHandle) -> Outcome<()> {
    let outcome = outcome(MojoWriteMessage(pipe, message, 0));
    assert_eq!(MojoDestroyMessage(message), INVALID_ARGUMENT, "a message outlives being written");
    outcome
}

pub fn read(pipe: MojoHandle) -> Outcome<MojoMessageHandle> {
    output(STALE_MESSAGE, |message| calls::read_message(pipe, Some(message)))
}

pub fn send(pipe: MojoHandle, bytes: &[u8], handles: &[MojoHandle]) -> Outcome<()> {
    write(pipe, built(bytes, handles))
}

pub fn receive(pipe: MojoHandle) -> Outcome<(Vec<u8>, Vec<MojoHandle>)> {
    let message = read(pipe)?;
    let contents = take(message);
    assert_eq!(MojoDestroyMessage(message), OK);
    contents
}

/// Moves an end into a message and out again.
pub fn pass(handle: MojoHandle) -> MojoHandle {
    let (a, b) = pipe();
    send(a, b"", &[handle]).unwrap();
    let (_, handles) = receive(b).unwrap();
    close_all(&[a, b]);
    handles[0]
}

// ---- messages --------------------------------------------------------------------------------------------

pub fn message() -> MojoMessageHandle {
    output(STALE_MESSAGE, |message| calls::create_message(Some(message))).unwrap()
}

/// A payload and its storage, as asked for.
fn payload(num_bytes: usize, handles: &[MojoHandle], call: impl FnOnce(Payload<'_>) -> MojoResult) -> Outcome<Memory> {
    let (address, len) = outputs((stale_address(), STALE_SIZE), |buffer, buffer_size| {
        call(Payload {
            num_bytes: num_bytes as u32,
            handles: Some(handles),
            num_handles: handles.len() as u32,
            buffer: Some(buffer),
            buffer_size: Some(buffer_size),
        })
    })?;
    Ok(Memory { address, len: len as usize })
}

pub fn attach(message: MojoMessageHandle, num_bytes: usize, handles: &[MojoHandle]) -> Outcome<Memory> {
    payload(num_bytes, handles, |payload| calls::attach_buffer(message, payload))
}

pub fn extend(message: MojoMessageHandle, num_bytes: usize, handles: &[MojoHandle]) -> Outcome<Memory> {
    payload(num_bytes, handles, |payload| calls::extend_payload(message, payload))
}

pub fn commit(message: MojoMessageHandle, num_bytes: usize) -> Outcome<Memory> {
    let before = (stale_address(), STALE_SIZE);
    let (address, len) = outputs(before, |buffer, buffer_size| {
        calls::commit(message, num_bytes as u32, Some(buffer), Some(buffer_size))
    })?;
    Ok(Memory { address, len: len as usize })
}

/// A message with contents that are not committed yet.
pub fn built(bytes: &[u8], handles: &[MojoHandle]) -> MojoMessageHandle {
    let message = message();
    attach(message, bytes.len(), handles).unwrap().write(0, bytes);
    message
}

pub fn committed(bytes: &[u8], handles: &[MojoHandle]) -> MojoMessageHandle {
    let message = built(bytes, handles);
    commit(message, bytes.len()).unwrap();
    message
}

/// The payload and the number of handles; nothing is taken out.
pub fn look(message: MojoMessageHandle) -> Outcome<(Memory, usize)> {
    let (mut address, mut num_bytes, mut num_handles) = (stale_address(), STALE_SIZE, 0);
    match calls::get_contents(message, Some(&mut address), Some(&mut num_bytes), None, Some(&mut num_handles)) {
        OK | RESOURCE_EXHAUSTED => Ok((Memory { address, len: num_bytes as usize }, num_handles as usize)),
        code => Err(code),
    }
}

/// The bytes and the handles, which are taken out.
pub fn take(message: MojoMessageHandle) -> Outcome<(Vec<u8>, Vec<MojoHandle>)> {
    let (payload, count) = look(message)?;
    let mut handles = vec![STALE; count];
    let (mut address, mut num_bytes, mut num_handles) = (stale_address(), STALE_SIZE, count as u32);
    let places = (Some(&mut address), Some(&mut num_bytes));
    outcome(calls::get_contents(message, places.0, places.1, Some(&mut handles), Some(&mut num_handles)))?;
    assert_eq!((address, num_bytes as usize, num_handles as usize), (payload.address, payload.len, count));
    Ok((payload.bytes(), handles))
}

pub fn context_of(message: MojoMessageHandle, flags: u32) -> Outcome<usize> {
    output(STALE_MESSAGE, |context| calls::get_context(message, Some(context), flags))
}

pub fn destroy(message: MojoMessageHandle) -> Outcome<()> {
    outcome(MojoDestroyMessage(message))
}

// ---- data pipes ------------------------------------------------------------------------------------------

/// The fields of a data pipe's options behind the flags.
pub fn data_pipe(element: u32, capacity: u32) -> (MojoHandle, MojoHandle) {
    create_data_pipe(&options(16, &[0, element, capacity])).unwrap()
}

pub fn create_data_pipe(options: &[u8]) -> Outcome<(MojoHandle, MojoHandle)> {
    outputs((STALE, STALE), |producer, consumer| calls::create_data_pipe(Some(options), Some(producer), Some(consumer)))
}

pub fn write_data(producer: MojoHandle, bytes: &[u8], flags: u32) -> Outcome<usize> {
    let mut num_bytes = bytes.len() as u32;
    let code = calls::write_data(producer, Some(bytes), Some(&mut num_bytes), flags);
    assert!(code == OK || num_bytes as usize == bytes.len(), "{code} with {num_bytes}");
    outcome(code).map(|()| num_bytes as usize)
}

pub fn read_data(consumer: MojoHandle, wanted: usize, flags: u32) -> Outcome<Vec<u8>> {
    let mut bytes = vec![0xEE; wanted];
    let mut num_bytes = wanted as u32;
    let code = calls::read_data(consumer, Some(&mut bytes), Some(&mut num_bytes), flags);
    let (read, rest) = bytes.split_at(if code == OK { num_bytes as usize } else { 0 });
    assert!(rest.iter().all(|byte| *byte == 0xEE), "{code} touched bytes that it did not read");
    assert!(code == OK || num_bytes as usize == wanted, "{code} with {num_bytes}");
    outcome(code).map(|()| read.to_vec())
}

/// How many bytes are there. They are no longer new afterwards.
pub fn available(consumer: MojoHandle) -> Outcome<u32> {
    output(STALE_SIZE, |num_bytes| calls::read_data(consumer, None, Some(num_bytes), QUERY))
}

pub fn begin_write(producer: MojoHandle, flags: u32) -> Outcome<Memory> {
    let before = (stale_address(), STALE_SIZE);
    let (address, len) = outputs(before, |buffer, len| calls::begin_write(producer, Some(buffer), Some(len), flags))?;
    Ok(Memory { address, len: len as usize })
}

pub fn begin_read(consumer: MojoHandle, flags: u32) -> Outcome<Memory> {
    let before = (stale_address::<u8>().cast_const(), STALE_SIZE);
    let (address, len) = outputs(before, |buffer, len| calls::begin_read(consumer, Some(buffer), Some(len), flags))?;
    Ok(Memory { address: address.cast_mut(), len: len as usize })
}

pub fn end_write(producer: MojoHandle, num_bytes: usize) -> Outcome<()> {
    outcome(MojoEndWriteData(producer, num_bytes as u32))
}

pub fn end_read(consumer: MojoHandle, num_bytes: usize) -> Outcome<()> {
    outcome(MojoEndReadData(consumer, num_bytes as u32))
}

// ---- buffers and native handles --------------------------------------------------------------------------

pub fn create_buffer(options: Option<&[u8]>, num_bytes: u64) -> Outcome<MojoHandle> {
    output(STALE, |handle| calls::create_buffer(options, num_bytes, Some(handle)))
}

pub fn buffer(num_bytes: u64) -> MojoHandle {
    create_buffer(None, num_bytes).unwrap()
}

pub fn duplicate(buffer: MojoHandle, flags: u32) -> Outcome<MojoHandle> {
    output(STALE, |handle| calls::duplicate_buffer(buffer, Some(&options(8, &[flags])), Some(handle)))
}

pub fn map(buffer: MojoHandle, offset: u64, num_bytes: u64) -> Outcome<Memory> {
    let address = output(stale_address(), |address| calls::map_buffer(buffer, offset, num_bytes, Some(address)))?;
    Ok(Memory { address, len: num_bytes as usize })
}

pub fn unmap(memory: Memory) -> Outcome<()> {
    outcome(MojoUnmapBuffer(memory.address))
}

/// A new file in memory, without a name.
pub fn scratch_file() -> File {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let path = format!("/dev/shm/libmojo-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    file
}

/// A native handle as the library takes it.
pub fn platform_handle(struct_size: u32, kind: u32, value: u64) -> Vec<u8> {
    let mut bytes = options(struct_size, &[kind]);
    let fields = bytes.get_mut(8..16).into_iter();
    fields.for_each(|field| field.copy_from_slice(&value.to_ne_bytes()));
    bytes
}

pub fn wrap(kind: u32, value: u64) -> Outcome<MojoHandle> {
    output(STALE, |handle| calls::wrap(Some(&platform_handle(16, kind, value)), Some(handle)))
}

/// The type and the value.
pub fn unwrap(handle: MojoHandle) -> Outcome<(u32, u64)> {
    let mut native = platform_handle(16, u32::MAX, u64::MAX);
    let before = native.clone();
    let code = calls::unwrap(handle, Some(&mut native));
    assert_eq!(native == before, code != OK);
    outcome(code).map(|()| fields(&native))
}

/// The type and the value of a native handle.
fn fields(native: &[u8]) -> (u32, u64) {
    (u32::from_ne_bytes(native[4..8].try_into().unwrap()), u64::from_ne_bytes(native[8..16].try_into().unwrap()))
}

/// Takes over a descriptor of shared memory, unless it fails.
pub fn wrap_buffer(fd: u64, num_bytes: usize, (high, low): (u64, u64), flags: u32) -> Outcome<MojoHandle> {
    let native = platform_handle(16, 1, fd);
    let guid = MojoSharedBufferGuid { high, low };
    output(STALE, |handle| {
        calls::wrap_buffer(Spelling::Documented, Some(&native), num_bytes, Some(&guid), flags, Some(handle))
    })
}

/// What an unwrapped shared buffer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NativeBuffer {
    pub kind: u32,
    pub value: u64,
    pub num_bytes: usize,
    pub guid: (u64, u64),
    pub flags: u32,
}

pub fn unwrap_buffer(handle: MojoHandle) -> Outcome<NativeBuffer> {
    let mut native = platform_handle(16, u32::MAX, u64::MAX);
    let (mut num_bytes, mut guid, mut flags) = (usize::MAX, MojoSharedBufferGuid { high: 0, low: 0 }, u32::MAX);
    let outputs = Unwrapped {
        platform_handle: Some(&mut native),
        num_bytes: Some(&mut num_bytes),
        guid: Some(&mut guid),
        flags: Some(&mut flags),
    };
    let code = calls::unwrap_buffer(Spelling::Documented, handle, outputs);
    let (kind, value) = fields(&native);
    let found = NativeBuffer { kind, value, num_bytes, guid: (guid.high, guid.low), flags };
    let untouched =
        NativeBuffer { kind: u32::MAX, value: u64::MAX, num_bytes: usize::MAX, guid: (0, 0), flags: u32::MAX };
    assert_eq!(found == untouched, code != OK, "{code} with {found:?}");
    outcome(code).map(|()| found)
}
