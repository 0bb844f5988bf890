//! Random calls on several threads at once, with the same objects. Which call comes first is open; what is checked is
//! what holds in any order: each answer is one that the function can give, every watch is cancelled once and then
//! silent, every context is destroyed or released once, and in the end nothing is left.

use crate::callbacks::*;
use crate::calls;
use crate::random::Random;
use crate::support::*;
use mojo_system::*;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};

/// What a handle in the pool is. Pipes are of two sorts, so that no end ever gets into its own queue, where nobody
/// could destroy it: messages with handles go over carriers only, and these stay where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Sort {
    Carrier,
    Pipe,
    Producer,
    Consumer,
    Buffer,
    Platform,
    Watcher,
}

const SORTS: [Sort; 7] =
    [Sort::Carrier, Sort::Pipe, Sort::Producer, Sort::Consumer, Sort::Buffer, Sort::Platform, Sort::Watcher];

/// What one watch has seen.
#[derive(Default)]
struct Watched {
    is_running: AtomicBool,
    cancelled: AtomicUsize,
}

/// What the threads share: values that are handles, or have been a moment ago.
#[derive(Default)]
struct Pool {
    handles: Mutex<Vec<(MojoHandle, Sort)>>,
    /// Values that may name nothing any more. They may do nevertheless: while another thread tries to attach it, a
    /// handle is refused.
    retired: Mutex<Vec<MojoHandle>>,
    messages: Mutex<Vec<MojoMessageHandle>>,
    /// Contexts of messages that the library has, and that it or a reader has got rid of.
    attached: AtomicUsize,
    gone: AtomicUsize,
    watches: RwLock<HashMap<usize, Arc<Watched>>>,
    next_watch: AtomicUsize,
}

static POOL: RwLock<Option<Arc<Pool>>> = RwLock::new(None);

fn pool() -> Arc<Pool> {
    POOL.read().unwrap().clone().unwrap()
}

thread_local! {
    static RANDOM: RefCell<Random> = RefCell::new(Random::new(0));
    /// How many steps callbacks may still take within the present step.
    static BUDGET: RefCell<usize> = const { RefCell::new(0) };
}

fn below(bound: usize) -> usize {
    RANDOM.with_borrow_mut(|random| random.below(bound))
}

fn choose<T: Copy>(choices: &[T]) -> T {
    choices[below(choices.len())]
}

/// Runs threads for a while, then ends everything and looks for what is left.
pub fn world(seed: u64, num_threads: u64, num_steps: usize, files: &[File]) {
    *POOL.write().unwrap() = Some(Arc::default());
    std::thread::scope(|scope| {
        for thread in 0..num_threads {
            scope.spawn(move || {
                RANDOM.set(Random::new(seed.wrapping_mul(31).wrapping_add(thread)));
                for _ in 0..num_steps {
                    BUDGET.set(5);
                    step(files);
                }
            });
        }
    });
    RANDOM.set(Random::new(seed));
    BUDGET.set(0);
    let pool = pool();
    // Nobody adds any more: callbacks have no budget.
    let handles = std::mem::take(&mut *pool.handles.lock().unwrap()).into_iter().map(|(handle, _)| handle);
    for handle in handles.chain(std::mem::take(&mut *pool.retired.lock().unwrap())) {
        allow("close", MojoClose(handle), &[OK, INVALID_ARGUMENT]);
    }
    for message in std::mem::take(&mut *pool.messages.lock().unwrap()) {
        allow("destroy", MojoDestroyMessage(message), &[OK, INVALID_ARGUMENT]);
    }
    for (context, watched) in &*pool.watches.read().unwrap() {
        assert_eq!(watched.cancelled.load(Ordering::SeqCst), 1, "watch {context}");
    }
    assert_eq!(pool.attached.load(Ordering::SeqCst), pool.gone.load(Ordering::SeqCst), "contexts");
}

/// Checks an answer; true if it is success.
fn allow(what: &str, code: MojoResult, allowed: &[MojoResult]) -> bool {
    assert!(allowed.contains(&code), "{what}: {code}");
    code == OK
}

// ---- the pool --------------------------------------------------------------------------------------------

fn add(handle: MojoHandle, sort: Sort) {
    pool().handles.lock().unwrap().push((handle, sort));
}

fn retire(handle: MojoHandle) {
    let pool = pool();
    pool.handles.lock().unwrap().retain(|(other, _)| *other != handle);
    pool.retired.lock().unwrap().push(handle);
}

/// A value of that sort, or of another that is no pipe, or none.
fn pick(sort: Sort) -> MojoHandle {
    let is_pipe = |sort| matches!(sort, Sort::Carrier | Sort::Pipe);
    let any = below(30) == 0 && !is_pipe(sort);
    let pool = pool();
    let handles = pool.handles.lock().unwrap();
    let fit = handles.iter().filter(|(_, other)| if any { !is_pipe(*other) } else { *other == sort });
    let count = fit.clone().count();
    if count == 0 { 0 } else { fit.clone().nth(below(count)).unwrap().0 }
}

fn pick_message() -> MojoMessageHandle {
    let pool = pool();
    let messages = pool.messages.lock().unwrap();
    if messages.is_empty() { 0 } else { choose(&messages) }
}

// ---- callbacks -------------------------------------------------------------------------------------------

extern "C" fn on_watch(context: usize, result: MojoResult, _: MojoHandleSignalsState, _: u32) {
    let watched = pool().watches.read().unwrap()[&context].clone();
    assert!(!watched.is_running.swap(true, Ordering::SeqCst), "two callbacks at once");
    let is_cancelled = result == CANCELLED;
    let before = watched.cancelled.fetch_add(usize::from(is_cancelled), Ordering::SeqCst);
    assert_eq!(before, 0, "{result} after the cancellation");
    while below(2) == 0 && BUDGET.with_borrow_mut(|budget| std::mem::replace(budget, budget.saturating_sub(1)) > 0) {
        step(&[]);
    }
    watched.is_running.store(false, Ordering::SeqCst);
}

extern "C" fn on_serialize(message: MojoMessageHandle, context: usize) {
    if context.is_multiple_of(2) {
        let _ = attach(message, context % 50, &[]);
    }
}

extern "C" fn on_destroy(_: usize) {
    pool().gone.fetch_add(1, Ordering::SeqCst);
}

// ---- steps -----------------------------------------------------------------------------------------------

fn step(files: &[File]) {
    let is_full = pool().handles.lock().unwrap().len() > 150;
    match below(if is_full { 26 } else { 30 }) {
        0 | 1 => end_something(),
        2..5 => write_something(),
        5..9 => read_something(),
        9..11 => use_message(),
        11 => end_message(),
        12..18 => use_data_pipe(),
        18 => use_buffer(),
        19..26 => use_watcher(),
        _ => make_something(files),
    }
}

fn make_something(files: &[File]) {
    match choose(&SORTS) {
        sort @ (Sort::Carrier | Sort::Pipe) => {
            let (a, b) = pipe();
            add(a, sort);
            add(b, sort);
        }
        Sort::Producer | Sort::Consumer => {
            let (producer, consumer) = data_pipe(1, 16);
            add(producer, Sort::Producer);
            add(consumer, Sort::Consumer);
        }
        Sort::Buffer => add(buffer(4096), Sort::Buffer),
        Sort::Platform if files.is_empty() => add(wrap(0, 0).unwrap(), Sort::Platform),
        Sort::Platform => {
            let fd = files[below(files.len())].try_clone().unwrap().into_raw_fd();
            add(wrap(1, fd as u64).unwrap(), Sort::Platform);
        }
        Sort::Watcher => {
            let handle = output(STALE, |handle| calls::create_watcher(Some(on_watch), Some(handle)));
            add(handle.unwrap(), Sort::Watcher);
        }
    }
}

fn end_something() {
    let sort = choose(&SORTS);
    let handle = pick(sort);
    let answers = [OK, INVALID_ARGUMENT];
    match (below(4), sort) {
        (0, Sort::Carrier | Sort::Pipe) => {
            let other = pick(sort);
            allow("fuse", MojoFuseMessagePipes(handle, other), &[OK, INVALID_ARGUMENT, FAILED_PRECONDITION]);
            retire(other);
        }
        (_, Sort::Platform) => {
            let native = unwrap(handle);
            if let Ok((1, fd)) = native {
                drop(calls::own(fd));
            }
            allow("unwrap", code(native), &answers);
        }
        (0, Sort::Buffer) => {
            let native = unwrap_buffer(handle);
            if let Ok(native) = native {
                drop(calls::own(native.value));
            }
            allow("unwrap buffer", code(native), &answers);
        }
        _ => {
            allow("close", MojoClose(handle), &answers);
        }
    }
    retire(handle);
}

/// A message of this thread's own, with handles; the payload says what they are.
fn message_with_handles() -> Option<MojoMessageHandle> {
    let sorts = [Sort::Pipe, Sort::Producer, Sort::Consumer, Sort::Buffer, Sort::Platform];
    let sorts: Vec<Sort> = (0..below(4)).map(|_| choose(&sorts)).collect();
    let handles: Vec<MojoHandle> = sorts.iter().map(|sort| pick(*sort)).collect();
    let message = message();
    let storage = attach(message, sorts.len(), &handles);
    if !allow("attach own", code(storage), &[OK, INVALID_ARGUMENT, BUSY]) {
        destroy(message).unwrap();
        return None;
    }
    handles.iter().for_each(|handle| retire(*handle));
    storage.unwrap().write(0, &sorts.iter().map(|sort| *sort as u8).collect::<Vec<u8>>());
    Some(message)
}

fn with_context() -> MojoMessageHandle {
    let message = message();
    attach_context(message);
    message
}

fn attach_context(message: MojoMessageHandle) {
    let pool = pool();
    // Counted first: it may be gone before the call returns.
    pool.attached.fetch_add(1, Ordering::SeqCst);
    let code = MojoAttachMessageContextWithDestructor(message, below(1000) + 1, Some(on_serialize), Some(on_destroy));
    if !allow("attach context", code, &[OK, INVALID_ARGUMENT, ALREADY_EXISTS, FAILED_PRECONDITION]) {
        pool.attached.fetch_sub(1, Ordering::SeqCst);
    }
}

fn write_something() {
    let (pipe, message) = match below(5) {
        0 => (pick(Sort::Pipe), built(b"", &[])),
        1 => (pick(choose(&[Sort::Pipe, Sort::Carrier])), with_context()),
        2 => (pick(Sort::Carrier), pick_message()),
        _ => match message_with_handles() {
            Some(message) => (pick(Sort::Carrier), message),
            None => return,
        },
    };
    allow("write", MojoWriteMessage(pipe, message, 0), &[OK, INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION]);
    pool().messages.lock().unwrap().retain(|other| *other != message);
}

fn read_something() {
    let sort = choose(&[Sort::Carrier, Sort::Carrier, Sort::Pipe]);
    let found = read(pick(sort));
    if !allow("read", code(found), &[OK, INVALID_ARGUMENT, SHOULD_WAIT, FAILED_PRECONDITION]) {
        return;
    }
    let message = found.unwrap();
    // Nobody else has it yet.
    if let Ok((sorts, handles)) = take(message) {
        let sorts = sorts.into_iter().chain(std::iter::repeat(Sort::Buffer as u8));
        handles.into_iter().zip(sorts).for_each(|(handle, sort)| add(handle, SORTS[sort as usize % SORTS.len()]));
    }
    if below(2) == 0 {
        pool().messages.lock().unwrap().push(message);
    } else {
        allow("destroy own", MojoDestroyMessage(message), &[OK]);
    }
}

fn use_message() {
    if below(3) == 0 {
        let message = if below(2) == 0 { message() } else { built(b"", &[]) };
        return pool().messages.lock().unwrap().push(message);
    }
    let message = pick_message();
    let allowed = |what: &str, code, others: &[MojoResult]| {
        allow(what, code, &[&[OK, INVALID_ARGUMENT, FAILED_PRECONDITION], others].concat())
    };
    let size = below(300);
    match below(8) {
        0 => drop(allowed("attach", code(attach(message, size, &[])), &[ALREADY_EXISTS])),
        1 => {
            // Handles that the payload does not name are taken for buffers.
            let handle = pick(Sort::Buffer);
            let handles = if is_buffer(handle) { vec![handle] } else { vec![] };
            let found = extend(message, size, &handles);
            if allowed("extend", code(found), &[OUT_OF_RANGE, BUSY]) {
                retire(handle);
            }
        }
        2 => drop(allowed("commit", code(commit(message, size)), &[OUT_OF_RANGE])),
        3 => drop(allowed("serialize", MojoSerializeMessage(message), &[NOT_FOUND, ABORTED, BUSY])),
        4 => take_handles(message),
        5 => attach_context(message),
        6 => {
            let flags = choose(&[0, RELEASE]);
            if allowed("get context", code(context_of(message, flags)), &[NOT_FOUND]) && flags == RELEASE {
                pool().gone.fetch_add(1, Ordering::SeqCst);
            }
        }
        _ => drop(allowed("notify", calls::notify_bad_message(message, Some(b"bad"), 3), &[])),
    }
}

fn is_buffer(handle: MojoHandle) -> bool {
    map(handle, 0, 1).and_then(unmap).is_ok()
}

/// From a message that other threads may have too; only buffers are added to such.
fn take_handles(message: MojoMessageHandle) {
    let (mut address, mut num_bytes, mut handles, mut count) = (stale_address(), 0, [STALE; 3], 3);
    let places = (Some(&mut address), Some(&mut num_bytes));
    let code = calls::get_contents(message, places.0, places.1, Some(&mut handles), Some(&mut count));
    let allowed = [OK, INVALID_ARGUMENT, FAILED_PRECONDITION, RESOURCE_EXHAUSTED, NOT_FOUND];
    if allow("get contents", code, &allowed) {
        handles[..count as usize].iter().for_each(|handle| add(*handle, Sort::Buffer));
    }
}

fn end_message() {
    let message = pick_message();
    allow("destroy", MojoDestroyMessage(message), &[OK, INVALID_ARGUMENT]);
    pool().messages.lock().unwrap().retain(|other| *other != message);
}

fn use_data_pipe() {
    let (producer, consumer) = (pick(Sort::Producer), pick(Sort::Consumer));
    let allowed = [OK, INVALID_ARGUMENT, BUSY, FAILED_PRECONDITION, SHOULD_WAIT, OUT_OF_RANGE];
    let len = below(20);
    let code = match below(8) {
        0 | 1 => code(write_data(producer, &[7; 20][..len], choose(&[0, 1]))),
        2 => code(begin_write(producer, 0)),
        3 => code(end_write(producer, len)),
        4 | 5 => code(read_data(consumer, len, choose(&[0, 1, DISCARD, PEEK]))),
        6 => code(begin_read(consumer, 0)),
        _ => code(end_read(consumer, len)),
    };
    allow("data", code, &allowed);
    allow("query data", crate::support::code(available(consumer)), &[OK, INVALID_ARGUMENT, BUSY]);
}

fn use_buffer() {
    let handle = pick(Sort::Buffer);
    let copy = duplicate(handle, choose(&[0, READ_ONLY]));
    if allow("duplicate", code(copy), &[OK, INVALID_ARGUMENT]) {
        add(copy.unwrap(), Sort::Buffer);
    }
    let mapping = map(handle, 0, 4096);
    if allow("map", code(mapping), &[OK, INVALID_ARGUMENT]) {
        unmap(mapping.unwrap()).unwrap();
    }
}

fn use_watcher() {
    let watcher = pick(Sort::Watcher);
    match below(6) {
        0..3 => {
            let pool = pool();
            let context = pool.next_watch.fetch_add(1, Ordering::SeqCst);
            let watched = Arc::new(Watched::default());
            pool.watches.write().unwrap().insert(context, watched.clone());
            let handle = pick(choose(&[Sort::Carrier, Sort::Pipe, Sort::Producer, Sort::Consumer]));
            let code = MojoWatch(watcher, handle, choose(&[R, W, C, N, R | C, 0]), context);
            if !allow("watch", code, &[OK, INVALID_ARGUMENT, ALREADY_EXISTS]) {
                assert_eq!(watched.cancelled.load(Ordering::SeqCst), 0, "cancelled without having been made");
                pool.watches.write().unwrap().remove(&context);
            }
        }
        3 => {
            let newest = pool().next_watch.load(Ordering::SeqCst);
            let code = MojoCancelWatch(watcher, newest.saturating_sub(below(50)));
            allow("cancel", code, &[OK, INVALID_ARGUMENT, NOT_FOUND]);
        }
        _ => {
            let code = arm_with_room(watcher, below(4)).map_or_else(|(code, _)| code, |()| OK);
            allow("arm", code, &[OK, INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION]);
        }
    }
    let handle = pick(choose(&SORTS));
    allow("query", code(signals(handle)), &[OK, INVALID_ARGUMENT]);
}
