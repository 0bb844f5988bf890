//! A thread of an actor, with ends of its own, that does things with them at random.
//!
//! It hears from the actor's main thread by a mailbox, a pipe within the process:
//!
//! | message | meaning |
//! |---|---|
//! | `stream ID SIDE PEER` and a pipe | here is an end; if there is a peer, it stays here and that actor has the other |
//! | `go calm`, `go storm` | begin |
//! | `finish` | make no more of anything, and end all there is |

use crate::fault::Fault;
use crate::flow::{self, Flow, Inlet, Outlet};
use crate::letter::{Cargo, Kind, Thing};
use crate::stream::{Heard, Stream};
use crate::tally::Tally;
use libmojo::{Message, MessagePipe, Signals, TryRecvError, Waitable, wait_many};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// How many ends a worker may hold before it rather ends some than makes more.
const MAX_ENDS: usize = 16;

/// After how many letters an actor does wrong that is told to.
const LETTERS_BEFORE_FAULT: u64 = 20;

/// What a worker has done when it is finished.
#[derive(Default)]
pub struct Report {
    pub tally: Tally,
    /// Actors that an end which stayed here was cut off from.
    pub cut_off: Vec<usize>,
}

/// What workers that are finishing still have, in words, for when that takes too long.
#[derive(Clone, Default)]
pub struct Left(Arc<Mutex<HashMap<ThreadId, String>>>);

impl Left {
    fn note(&self, text: String) {
        self.0.lock().unwrap().insert(std::thread::current().id(), text);
    }

    pub fn describe(&self) -> String {
        format!("{:?}", self.0.lock().unwrap().values())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    Calm,
    Storm,
    Finishing,
}

/// An end, and the actor that has the other one, if both stay where they are.
struct Held {
    stream: Stream,
    peer: Option<usize>,
}

pub struct Worker {
    mailbox: MessagePipe,
    random: fastrand::Rng,
    fault: Option<Fault>,
    phase: Phase,
    held: Vec<Held>,
    outlets: Vec<Outlet>,
    inlets: Vec<Inlet>,
    report: Report,
    left: Left,
}

impl Worker {
    pub fn new(mailbox: MessagePipe, random: fastrand::Rng, fault: Option<Fault>, left: Left) -> Self {
        Self {
            mailbox,
            random,
            fault,
            phase: Phase::Waiting,
            held: Vec::new(),
            outlets: Vec::new(),
            inlets: Vec::new(),
            report: Report::default(),
            left,
        }
    }

    /// Works until it is told to finish, and then until nothing is left.
    pub fn work(mut self) -> Report {
        loop {
            self.read_mailbox();
            self.receive_all();
            self.read_inlets();
            match self.phase {
                Phase::Waiting => {}
                Phase::Calm | Phase::Storm => (0..self.random.u8(1..5)).for_each(|_| self.act()),
                Phase::Finishing => {
                    self.write_outlets();
                    self.end_all();
                    // Letters that are answered by this side's last one may be all that there was to wait for.
                    self.receive_all();
                    if self.held.is_empty() && self.outlets.is_empty() && self.inlets.is_empty() {
                        return self.report;
                    }
                    self.left.note(self.to_string());
                }
            }
            self.wait();
        }
    }

    /// Waits until something comes, or, if it has things to do, for a moment.
    fn wait(&mut self) {
        let is_active = matches!(self.phase, Phase::Calm | Phase::Storm);
        let deadline = is_active.then(|| Instant::now() + Duration::from_micros(self.random.u64(..3000)));
        let mut objects: Vec<(&dyn Waitable, Signals)> = vec![(&self.mailbox, Signals::READABLE)];
        objects.extend(self.held.iter().map(|held| (&held.stream.pipe as &dyn Waitable, Signals::READABLE)));
        objects.extend(self.inlets.iter().map(|inlet| (&inlet.consumer as &dyn Waitable, Signals::READABLE)));
        if self.phase == Phase::Finishing {
            objects.extend(self.outlets.iter().map(|outlet| (&outlet.producer as &dyn Waitable, Signals::WRITABLE)));
        }
        // Whatever the outcome, everything is looked at.
        let _ = wait_many(&objects, deadline);
    }

    // ---- what comes --------------------------------------------------------------------------------------

    fn read_mailbox(&mut self) {
        loop {
            let mut message = match self.mailbox.try_recv() {
                Ok(message) => message,
                Err(TryRecvError::Empty) => return,
                Err(error) => panic!("the mailbox of a worker: {error}"),
            };
            let text = String::from_utf8(message.payload().to_vec()).unwrap();
            match text.split(' ').collect::<Vec<_>>()[..] {
                ["stream", id, side, peer] => {
                    let pipe = message.take_handles().unwrap().remove(0).into_pipe().unwrap();
                    let stream = Stream::new(pipe, id.parse().unwrap(), side.parse().unwrap());
                    self.held.push(Held { stream, peer: peer.parse().ok() });
                }
                ["go", "calm"] => self.phase = Phase::Calm,
                ["go", "storm"] => self.phase = Phase::Storm,
                ["finish"] => self.phase = Phase::Finishing,
                _ => panic!("a worker is told {text:?}"),
            }
        }
    }

    fn receive_all(&mut self) {
        let mut at = 0;
        while at < self.held.len() {
            match self.held[at].stream.receive() {
                Heard::Cargo(cargo) => {
                    self.report.tally.received += 1;
                    self.take(cargo);
                    self.answer(at);
                }
                Heard::Nothing => at += 1,
                Heard::Over => {
                    let held = self.held.swap_remove(at);
                    self.close(held);
                }
                Heard::Cut => {
                    let lost = self.held.swap_remove(at);
                    self.report.cut_off.extend(lost.peer);
                    self.report.tally.cut += 1;
                }
            }
        }
    }

    fn close(&mut self, held: Held) {
        // One that does not move certainly leads to another process.
        if self.fault == Some(Fault::Port) && held.peer.is_some() {
            self.fault = None;
            std::mem::forget(held);
        }
    }

    /// Says what the other side may wait for.
    fn answer(&mut self, at: usize) {
        let stream = &self.held[at].stream;
        if stream.owes_end() {
            self.send(at, Kind::End, Vec::new());
        } else if stream.owes_receipt() {
            self.send(at, Kind::Receipt, Vec::new());
        }
    }

    fn take(&mut self, cargo: Vec<Cargo>) {
        for cargo in cargo {
            match cargo {
                Cargo::Thing(thing) => {
                    thing.check();
                    self.report.tally.checked += 1;
                    continue;
                }
                Cargo::Stream(stream) => self.held.push(Held { stream, peer: None }),
                Cargo::Outlet(outlet) => self.outlets.push(outlet),
                Cargo::Inlet(inlet) => self.inlets.push(inlet),
            }
            self.report.tally.moved += 1;
        }
    }

    fn read_inlets(&mut self) {
        for mut inlet in std::mem::take(&mut self.inlets) {
            let (outcome, count) = inlet.read();
            self.report.tally.streamed += count;
            match outcome {
                Flow::GoesOn => self.inlets.push(inlet),
                Flow::Over => {}
                Flow::Cut => self.report.tally.cut += 1,
            }
        }
    }

    fn write_outlets(&mut self) {
        for mut outlet in std::mem::take(&mut self.outlets) {
            match outlet.write(&mut self.random) {
                Flow::GoesOn => self.outlets.push(outlet),
                Flow::Over => {}
                Flow::Cut => self.report.tally.cut += 1,
            }
        }
    }

    // ---- what goes ---------------------------------------------------------------------------------------

    /// Sends a letter. What cannot be sent because the other side is gone stays here.
    fn send(&mut self, at: usize, kind: Kind, cargo: Vec<Cargo>) {
        let filler = match self.random.u8(..) {
            0 => 100_000,
            1..32 => 2000,
            _ => 40,
        };
        let is_due = kind == Kind::Data && self.report.tally.sent >= LETTERS_BEFORE_FAULT;
        let fault = self.fault.take_if(|fault| is_due && *fault != Fault::Port);
        match self.held[at].stream.send(kind, cargo, self.random.usize(..filler), fault) {
            Ok(()) => self.report.tally.sent += 1,
            Err(cargo) => cargo.into_iter().for_each(|cargo| self.keep(cargo)),
        }
        fault.into_iter().for_each(|fault| self.leave_something(fault));
    }

    fn keep(&mut self, cargo: Cargo) {
        match cargo {
            Cargo::Stream(stream) => self.held.push(Held { stream, peer: None }),
            Cargo::Outlet(outlet) => self.outlets.push(outlet),
            Cargo::Inlet(inlet) => self.inlets.push(inlet),
            Cargo::Thing(_) => {}
        }
    }

    /// Does wrong, if that is the way to do it.
    fn leave_something(&self, fault: Fault) {
        match fault {
            Fault::Descriptor => std::mem::forget(std::fs::File::open("/dev/null").unwrap()),
            Fault::Thread => drop(std::thread::spawn(std::thread::park)),
            Fault::Mapping => {
                let buffer = libmojo::SharedBuffer::create(100).unwrap();
                std::mem::forget(buffer.map(0, 100).unwrap());
            }
            // Done while sending, and when there is an end to close.
            Fault::Skip | Fault::Repeat | Fault::Damage | Fault::Port => {}
        }
    }

    fn end_all(&mut self) {
        for at in 0..self.held.len() {
            if !self.held[at].stream.has_ended() {
                self.send(at, Kind::End, Vec::new());
            }
        }
    }

    // ---- what chance wants -------------------------------------------------------------------------------

    fn act(&mut self) {
        let num_ends = self.held.len() + self.outlets.len() + self.inlets.len();
        let is_crowded = num_ends > MAX_ENDS;
        match self.random.u8(..100) {
            0..10 if !is_crowded => {
                let (kept, given) = Stream::pair(self.random.u64(1 << 63..));
                self.held.push(Held { stream: kept, peer: None });
                self.give(Cargo::Stream(given));
            }
            10..16 if !is_crowded => {
                let (outlet, inlet) = flow::pair(&mut self.random);
                let (kept, given) = (Cargo::Outlet(outlet), Cargo::Inlet(inlet));
                let (kept, given) = if self.random.bool() { (kept, given) } else { (given, kept) };
                self.keep(kept);
                self.give(given);
            }
            16..30 => self.write_outlets(),
            30..45 => self.move_something(),
            45..48 => self.fuse_something(),
            48..60 if is_crowded => self.end_something(),
            60 if self.phase == Phase::Storm => self.drop_something(),
            _ => self.say_something(),
        }
    }

    /// Sends something over a pipe that it may travel over, or keeps it.
    fn give(&mut self, cargo: Cargo) {
        let below = if let Cargo::Stream(stream) = &cargo { stream.id } else { u64::MAX };
        let fit = |held: &Held| held.stream.has_room() && held.stream.id < below;
        let ways: Vec<usize> = (0..self.held.len()).filter(|at| fit(&self.held[*at])).collect();
        match self.random.choice(ways) {
            Some(at) => self.send(at, Kind::Data, vec![cargo]),
            None => self.keep(cargo),
        }
    }

    fn move_something(&mut self) {
        let movable: Vec<usize> = (0..self.held.len()).filter(|at| self.held[*at].peer.is_none()).collect();
        let choice = self.random.usize(..movable.len() + self.outlets.len() + self.inlets.len() + 1);
        if let Some(at) = movable.get(choice) {
            let held = self.held.swap_remove(*at);
            return self.give(Cargo::Stream(held.stream));
        }
        let choice = choice - movable.len();
        if choice < self.outlets.len() {
            let outlet = self.outlets.swap_remove(choice);
            self.give(Cargo::Outlet(outlet));
        } else if choice - self.outlets.len() < self.inlets.len() {
            let inlet = self.inlets.swap_remove(choice - self.outlets.len());
            self.give(Cargo::Inlet(inlet));
        }
    }

    fn fuse_something(&mut self) {
        let is_unused = |held: &Held| held.stream.sent() == 0 && held.peer.is_none();
        let unused: Vec<usize> = (0..self.held.len()).filter(|at| is_unused(&self.held[*at])).collect();
        if let Some(at) = self.random.choice(unused) {
            self.held[at].stream.fuse();
            self.report.tally.fused += 1;
        }
    }

    fn end_something(&mut self) {
        let may_end = |held: &Held| held.peer.is_none() && !held.stream.has_ended();
        let ways: Vec<usize> = (0..self.held.len()).filter(|at| may_end(&self.held[*at])).collect();
        if let Some(at) = self.random.choice(ways) {
            self.send(at, Kind::End, Vec::new());
        }
    }

    /// Closes something with all that was sent to it.
    fn drop_something(&mut self) {
        let movable: Vec<usize> = (0..self.held.len()).filter(|at| self.held[*at].peer.is_none()).collect();
        match self.random.u8(..3) {
            0 => drop(self.outlets.pop()),
            1 => drop(self.inlets.pop()),
            _ => {
                if let Some(at) = self.random.choice(movable) {
                    drop(self.held.swap_remove(at));
                }
            }
        }
    }

    fn say_something(&mut self) {
        let ways: Vec<usize> = (0..self.held.len()).filter(|at| self.held[*at].stream.has_room()).collect();
        if let Some(at) = self.random.choice(ways) {
            let count = self.random.u8(..6).saturating_sub(3);
            let things = (0..count).map(|_| Cargo::Thing(Thing::new(&mut self.random))).collect();
            self.send(at, Kind::Data, things);
        }
    }
}

impl fmt::Display for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.held.iter().try_for_each(|held| write!(f, "{} ", held.stream))?;
        for outlet in &self.outlets {
            write!(f, "outlet {:x} at {} of {} ", outlet.id, outlet.offset, outlet.total)?;
        }
        for inlet in &self.inlets {
            write!(f, "inlet {:x} at {} of {} ", inlet.id, inlet.offset, inlet.total)?;
        }
        Ok(())
    }
}

/// A text for a worker.
pub fn tell(mailbox: &MessagePipe, text: &str) {
    mailbox.send(Message::from(text)).unwrap();
}
