//! libmojo through its C API.

use crate::c_api;
use crate::contenders::mojo;
use crate::meter::Meter;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::process::Setup;
use crate::wire::{Local, Wire, look};
use libmojo::MessagePipe;
use mojo_system::{MojoHandle, MojoHandleSignalsState, MojoResult, MojoWatcherCallback, into_raw};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// One end of a pipe. It does not wait: what is to be received has been sent.
pub struct CWire(MojoHandle);

impl Drop for CWire {
    fn drop(&mut self) {
        // Fails only if it was closed already, and nobody else has the handle.
        let _ = c_api::close(self.0);
    }
}

impl Wire for CWire {
    async fn send(&mut self, message: &[u8]) -> Outcome<()> {
        c_api::write(self.0, message)
    }

    async fn receive(&mut self, num_bytes: usize) -> Outcome<u8> {
        c_api::read(self.0, |bytes| look(bytes, num_bytes))?.ok_or("nothing to read")?
    }
}

/// In one process.
pub struct MojoCLocal;

impl Local for MojoCLocal {
    type Wire = CWire;

    fn pair() -> Outcome<(CWire, CWire)> {
        let (a, b) = c_api::create_pipe()?;
        Ok((CWire(a), CWire(b)))
    }
}

/// In one process, with contexts that are never serialized.
pub struct MojoCLazy;

pub struct ContextWire(CWire);

/// Stands for what a program's pointer would point to.
const CONTEXT: usize = 0x1000;

impl Local for MojoCLazy {
    type Wire = ContextWire;

    fn pair() -> Outcome<(ContextWire, ContextWire)> {
        let (a, b) = MojoCLocal::pair()?;
        Ok((ContextWire(a), ContextWire(b)))
    }
}

impl Wire for ContextWire {
    async fn send(&mut self, _: &[u8]) -> Outcome<()> {
        c_api::write_context(self.0.0, CONTEXT)
    }

    async fn receive(&mut self, _: usize) -> Outcome<u8> {
        if c_api::read_context(self.0.0)? == CONTEXT { Ok(0) } else { Err("another context".into()) }
    }
}

const MESSAGE: [u8; 64] = [0; 64];

/// The watcher of the pipe between the two processes.
static WATCHER: AtomicU32 = AtomicU32::new(0);

static PINGER: Mutex<Option<Pinger>> = Mutex::new(None);

/// Sends the next ping in the callback that brings the answer to the last.
struct Pinger {
    meter: Meter,
    left: u32,
    done: SyncSender<Outcome<f64>>,
}

impl Pinger {
    /// False after the last.
    fn ping(&mut self, pipe: MojoHandle) -> Outcome<bool> {
        if self.left == 0 {
            match self.meter.next_batch() {
                Some(times) => self.left = times,
                None => return Ok(false),
            }
        }
        self.left -= 1;
        c_api::write(pipe, &MESSAGE).map(|()| true)
    }
}

/// The seconds of round trips between callbacks, on both sides.
pub fn round_trips(setup: &Setup, plan: Plan) -> Outcome<f64> {
    let (pipe, _other) = mojo::start(setup)?;
    // The other process is ready when it has answered.
    pipe.send((&MESSAGE[..]).into()).map_err(|refused| refused.kind)?;
    pipe.recv()?;
    let pipe = into_raw(pipe)?;
    watch(pipe, on_answer)?;
    respond(pipe, || Err("an answer to nothing".into()))?;
    let (done, result) = sync_channel(1);
    let mut pinger = Pinger { meter: Meter::new(plan), left: 0, done };
    let mut shared = PINGER.lock().unwrap_or_else(PoisonError::into_inner);
    pinger.ping(pipe)?;
    *shared = Some(pinger);
    drop(shared);
    result.recv_timeout(Duration::from_secs(10)).map_err(|_| "no answer")?
}

extern "C" fn on_answer(context: usize, result: MojoResult, _: MojoHandleSignalsState, _: u32) {
    let mut pinger = PINGER.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(pinger) = pinger.as_mut().filter(|_| result == c_api::OK) else { return };
    let pipe = context as MojoHandle;
    let mut is_over = false;
    let outcome = respond(pipe, || {
        is_over = !pinger.ping(pipe)?;
        Ok(())
    });
    let outcome = match outcome {
        Ok(()) if is_over => pinger.meter.median(),
        Ok(()) => return,
        Err(error) => Err(error),
    };
    // Fails if nobody waits any more.
    let _ = pinger.done.send(outcome);
}

/// The other process's part.
pub fn echo(pipe: MessagePipe) -> Outcome<()> {
    let pipe = into_raw(pipe)?;
    watch(pipe, on_ping)?;
    respond(pipe, || c_api::write(pipe, &MESSAGE))?;
    // Until the first process ends this one.
    loop {
        thread::park();
    }
}

extern "C" fn on_ping(context: usize, result: MojoResult, _: MojoHandleSignalsState, _: u32) {
    let pipe = context as MojoHandle;
    if result == c_api::OK {
        // Fails when the first process is done, which ends this one.
        let _ = respond(pipe, || c_api::write(pipe, &MESSAGE));
    }
}

fn watch(pipe: MojoHandle, callback: MojoWatcherCallback) -> Outcome<()> {
    WATCHER.store(c_api::watch(pipe, callback, pipe as usize)?, Ordering::SeqCst);
    Ok(())
}

/// Responds to all messages that are there, until the watcher can be armed.
fn respond(pipe: MojoHandle, mut response: impl FnMut() -> Outcome<()>) -> Outcome<()> {
    loop {
        while let Some(looked) = c_api::read(pipe, |bytes| look(bytes, MESSAGE.len()))? {
            looked?;
            response()?;
        }
        if c_api::arm(WATCHER.load(Ordering::Relaxed))? {
            return Ok(());
        }
    }
}
