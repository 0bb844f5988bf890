#![allow(unsafe_code)]
//! The beginning and the end of the library's life in a process.

use crate::result::{ALREADY_EXISTS, FAILED_PRECONDITION, Outcome};
use libmojo_core::node::Node;
use libmojo_sync::{Mutex, Rank};
use std::ffi::c_int;
use std::sync::Once;
use std::time::{Duration, Instant};

/// How long what was written may take to get out when the process ends.
const PATIENCE_AT_EXIT: Duration = Duration::from_secs(1);

const LOAD_ONLY: u32 = 1 << 2;
const AS_BROKER: u32 = 1;

static LIFE: Mutex<Life> = Mutex::new(Rank::Leaf, Life { stage: Stage::Fresh, role: Role::Undecided });

struct Life {
    stage: Stage,
    role: Role,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Fresh,
    Loaded,
    Initialized,
    ShutDown,
}

/// Whether the process was invited by another one, or invites others from the beginning.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Undecided,
    /// The program has said so.
    DeclaredBroker,
    Broker,
    Invited,
}

/// Notes that the program begins.
///
/// # Errors
/// `FAILED_PRECONDITION` if it has begun before, or ended; `ALREADY_EXISTS` if it only loads, again.
pub(crate) fn initialize(flags: u32) -> Outcome<()> {
    let mut life = LIFE.lock();
    match (flags & LOAD_ONLY != 0, life.stage) {
        (true, Stage::Fresh) => life.stage = Stage::Loaded,
        (true, Stage::Loaded) => return Err(ALREADY_EXISTS),
        (false, Stage::Fresh | Stage::Loaded) => {
            life.stage = Stage::Initialized;
            if flags & AS_BROKER != 0 {
                life.role = Role::DeclaredBroker;
            }
        }
        (_, Stage::Initialized | Stage::ShutDown) => return Err(FAILED_PRECONDITION),
    }
    Ok(())
}

/// Notes that the program ends; whoever may do so then ends all connections.
pub(crate) fn shut_down() -> Outcome<()> {
    {
        let mut life = LIFE.lock();
        if life.stage != Stage::Initialized {
            return Err(FAILED_PRECONDITION);
        }
        life.stage = Stage::ShutDown;
    }
    Node::process().shutdown(None);
    Ok(())
}

/// To be asked before the process connects to another one.
pub(crate) fn may_connect() -> Outcome<()> {
    if LIFE.lock().stage == Stage::ShutDown { Err(FAILED_PRECONDITION) } else { Ok(()) }
}

/// True if the process was invited by another one.
pub(crate) fn is_invited() -> bool {
    LIFE.lock().role == Role::Invited
}

/// True if the program has said that nobody invites it.
pub(crate) fn is_declared_broker() -> bool {
    LIFE.lock().role == Role::DeclaredBroker
}

/// A side of an invitation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Inviter,
    Invitee,
}

/// Notes that the process is connected to another one, and which side of the invitation it was, unless that was an
/// isolated one, which decides nothing.
pub(crate) fn note_connection(side: Option<Side>) {
    {
        let mut life = LIFE.lock();
        if let (Role::Undecided, Some(side)) = (life.role, side) {
            life.role = if side == Side::Invitee { Role::Invited } else { Role::Broker };
        }
    }
    // Nothing that was written is lost with a process that ends without more ado.
    static AT_EXIT: Once = Once::new();
    AT_EXIT.call_once(|| {
        // SAFETY: the function lives as long as the process, as the library is never unloaded, and does not unwind.
        unsafe { atexit(drain) };
    });
}

/// A set of signals as the C library has it, or more.
#[repr(C, align(8))]
struct SignalSet([u8; 128]);

/// The number by which the set is replaced.
const SIG_SETMASK: c_int = if cfg!(any(target_arch = "mips", target_arch = "mips64")) { 3 } else { 2 };

/// Has threads that `body` starts never be interrupted by a signal, whose handler is the program's.
pub(crate) fn with_signals_blocked<R>(body: impl FnOnce() -> R) -> R {
    let (mut all, mut before) = (SignalSet([0; 128]), SignalSet([0; 128]));
    // SAFETY: a set of this call.
    unsafe { sigfillset(&raw mut all) };
    // SAFETY: two sets of this call.
    let is_blocked = unsafe { pthread_sigmask(SIG_SETMASK, &raw const all, &raw mut before) } == 0;
    let result = body();
    if is_blocked {
        // SAFETY: the set that was stored above; null is allowed for the other one.
        unsafe { pthread_sigmask(SIG_SETMASK, &raw const before, std::ptr::null_mut()) };
    }
    result
}

unsafe extern "C" {
    fn sigfillset(set: *mut SignalSet) -> c_int;
    fn pthread_sigmask(how: c_int, set: *const SignalSet, before: *mut SignalSet) -> c_int;
    fn atexit(function: extern "C" fn()) -> c_int;
}

/// Gets out what was written, as far as that takes no long time. Calls nothing of the program.
extern "C" fn drain() {
    let node = Node::process();
    if !libmojo_core::is_forked() && node.has_links() {
        node.flush(Instant::now().checked_add(PATIENCE_AT_EXIT));
    }
}
