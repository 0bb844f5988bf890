//! What wakes another process and carries nothing: the floor under every round trip that blocks.

use crate::outcome::Outcome;
use crate::process::{Other, Setup};
use crate::shared_memory::{self, Line, Words};
use crate::wire::{Carrier, Wire};
use rustix::event::{EventfdFlags, eventfd};
use rustix::thread::futex;
use std::io::{stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;
use std::sync::atomic::Ordering;

/// A word in shared memory for each direction, with a futex.
pub struct Futex;

pub struct FutexWire {
    outgoing: &'static Line,
    incoming: &'static Line,
    seen: u32,
}

impl FutexWire {
    fn new(outgoing: &'static Line, incoming: &'static Line) -> Self {
        Self { outgoing, incoming, seen: 0 }
    }
}

impl Carrier for Futex {
    type Wire = FutexWire;

    const CARRIES_BYTES: bool = false;

    async fn start(setup: &Setup) -> Outcome<(FutexWire, Other)> {
        let memory = shared_memory::create()?;
        let Words { there, back } = shared_memory::map(memory.as_fd())?;
        let child = setup.command()?.stdin(Stdio::from(memory)).spawn()?;
        Ok((FutexWire::new(there, back), Other::new(child)))
    }

    async fn join(_: &Setup) -> Outcome<FutexWire> {
        let Words { there, back } = shared_memory::map(stdin().as_fd())?;
        Ok(FutexWire::new(back, there))
    }
}

impl Wire for FutexWire {
    async fn send(&mut self, _: &[u8]) -> Outcome<()> {
        self.outgoing.0.fetch_add(1, Ordering::SeqCst);
        futex::wake(&self.outgoing.0, futex::Flags::empty(), 1)?;
        Ok(())
    }

    async fn receive(&mut self, _: usize) -> Outcome<u8> {
        while self.incoming.0.load(Ordering::SeqCst) == self.seen {
            // Answers that the word has changed already, or that a signal has come, by an error.
            let _ = futex::wait(&self.incoming.0, futex::Flags::empty(), self.seen, None);
        }
        self.seen = self.seen.wrapping_add(1);
        Ok(0)
    }
}

/// An eventfd for each direction.
pub struct Eventfd;

pub struct EventfdWire {
    outgoing: OwnedFd,
    incoming: OwnedFd,
}

impl Carrier for Eventfd {
    type Wire = EventfdWire;

    const CARRIES_BYTES: bool = false;

    async fn start(setup: &Setup) -> Outcome<(EventfdWire, Other)> {
        let (there, back) = (eventfd(0, EventfdFlags::CLOEXEC)?, eventfd(0, EventfdFlags::CLOEXEC)?);
        let mut command = setup.command()?;
        command.stdin(Stdio::from(there.try_clone()?)).stdout(Stdio::from(back.try_clone()?));
        Ok((EventfdWire { outgoing: there, incoming: back }, Other::new(command.spawn()?)))
    }

    async fn join(_: &Setup) -> Outcome<EventfdWire> {
        let outgoing = stdout().as_fd().try_clone_to_owned()?;
        Ok(EventfdWire { outgoing, incoming: stdin().as_fd().try_clone_to_owned()? })
    }
}

impl Wire for EventfdWire {
    async fn send(&mut self, _: &[u8]) -> Outcome<()> {
        rustix::io::write(&self.outgoing, &1_u64.to_ne_bytes())?;
        Ok(())
    }

    async fn receive(&mut self, _: usize) -> Outcome<u8> {
        rustix::io::read(&self.incoming, &mut [0; 8])?;
        Ok(0)
    }
}
