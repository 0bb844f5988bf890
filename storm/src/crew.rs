//! The actors as the controller knows them, through the pipe that it has to each.

use crate::actor;
use crate::options::Part;
use crate::tally::Tally;
use libmojo::{Message, MessagePipe, RecvError, Signals, TryRecvError, Waitable, wait_many};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// An actor that is or was there.
pub struct Actor {
    /// Until it is found closed.
    orders: Option<MessagePipe>,
    pub pid: Option<Pid>,
    /// The actor that has started it, unless the controller has.
    parent: Option<usize>,
    /// It cannot be cut off by the end of any other.
    pub is_settled: bool,
    pub state: State,
    /// The answers that it has given, apart from those that are taken at once.
    pub answers: BTreeSet<&'static str>,
    pub tally: Tally,
    pub cut_off: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Alive,
    Killed,
    /// It was cut off by the end of another.
    Lost,
}

pub struct Crew {
    part: Part,
    pub actors: BTreeMap<usize, Actor>,
    /// Those who were to be started by an actor that has not answered yet, and that actor.
    expected: BTreeMap<usize, usize>,
    next_index: usize,
}

impl Crew {
    /// A crew of nobody; `part` is what all of them are told.
    pub fn new(part: Part) -> Self {
        Self { part, actors: BTreeMap::new(), expected: BTreeMap::new(), next_index: 0 }
    }

    /// How many there are, or are to be.
    pub fn len(&self) -> usize {
        self.alive().count() + self.expected.len()
    }

    pub fn alive(&self) -> impl Iterator<Item = (usize, &Actor)> {
        self.actors.iter().filter(|(_, actor)| actor.state == State::Alive).map(|(index, actor)| (*index, actor))
    }

    /// Has an actor, or the controller, start another one.
    pub fn add(&mut self, parent: Option<usize>) {
        let index = self.next_index;
        self.next_index += 1;
        match parent {
            None => {
                let fault = self.part.fault.filter(|_| index == 0);
                self.enter(index, None, actor::start(&Part { index, fault, ..self.part.clone() }));
            }
            Some(parent) => {
                self.expected.insert(index, parent);
                self.order(parent, &format!("spawn {index}"));
            }
        }
    }

    fn enter(&mut self, index: usize, parent: Option<usize>, orders: MessagePipe) {
        let actor = Actor {
            orders: Some(orders),
            pid: None,
            parent,
            is_settled: false,
            state: State::Alive,
            answers: BTreeSet::new(),
            tally: Tally::default(),
            cut_off: Vec::new(),
        };
        self.actors.insert(index, actor);
    }

    // ---- orders ------------------------------------------------------------------------------------------

    pub fn order(&self, index: usize, text: &str) {
        self.send(index, Message::from(text));
    }

    pub fn order_all(&self, text: &str) {
        self.alive().for_each(|(index, _)| self.order(index, text));
    }

    /// If nobody is there any more, that shows when answers are read.
    fn send(&self, index: usize, message: Message) {
        let _ = self.actors[&index].orders.as_ref().map(|orders| orders.send(message));
    }

    /// Gives two actors a pipe; to stay where it is, or to be moved on.
    pub fn join(&self, id: u64, one: usize, other: usize, stays: bool) {
        let (a, b) = MessagePipe::create();
        for (side, index, peer, end) in [(0, one, other, a), (1, other, one, b)] {
            let peer = if stays { peer.to_string() } else { "nobody".into() };
            self.send(index, Message::from(format!("stream {id} {side} {peer}").as_str()).with(end));
        }
    }

    /// Kills an actor.
    pub fn kill(&mut self, index: usize) {
        let actor = self.actors.get_mut(&index).unwrap();
        // Nobody waits for it before the end, so the number is its own even if it has ended already.
        kill_process(actor.pid.unwrap(), Signal::KILL).unwrap();
        actor.state = State::Killed;
    }

    // ---- answers -----------------------------------------------------------------------------------------

    /// Takes what the actors say, and waits for it until the deadline. Returns at the first that came.
    pub fn listen(&mut self, deadline: Instant) -> Result<(), String> {
        let open = |(index, actor): (&usize, &Actor)| actor.orders.is_some().then_some(*index);
        let open: Vec<usize> = self.actors.iter().filter_map(open).collect();
        let pipes = self.actors.values().filter_map(|actor| actor.orders.as_ref());
        let objects: Vec<_> = pipes.map(|pipe| (pipe as &dyn Waitable, Signals::READABLE)).collect();
        // Whatever the outcome, everything is looked at.
        let _ = wait_many(&objects, Some(deadline));
        open.into_iter().try_for_each(|index| self.read(index))
    }

    fn read(&mut self, index: usize) -> Result<(), String> {
        while let Some(orders) = &self.actors[&index].orders {
            match orders.try_recv() {
                Ok(message) => self.take(index, message)?,
                Err(TryRecvError::PeerClosed) => self.note_end(index)?,
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    fn take(&mut self, index: usize, mut message: Message) -> Result<(), String> {
        let text = String::from_utf8(message.payload().to_vec()).unwrap();
        let words: Vec<&str> = text.split(' ').collect();
        let actor = self.actors.get_mut(&index).unwrap();
        match words[..] {
            ["hello", pid] => actor.pid = Pid::from_raw(pid.parse().unwrap()),
            ["child", child] => {
                let orders = message.take_handles().unwrap().remove(0).into_pipe().unwrap();
                let child = child.parse().unwrap();
                self.expected.remove(&child);
                self.enter(child, Some(index), orders);
            }
            ["wired"] => drop(actor.answers.insert("wired")),
            ["settled"] => drop(actor.answers.insert("settled")),
            ["finished", ref rest @ ..] => {
                let mut numbers = rest.iter().map(|number| number.parse().unwrap());
                actor.tally = Tally::decode(&mut numbers);
                actor.cut_off = numbers.map(|peer| peer as usize).collect();
                actor.answers.insert("finished");
            }
            _ => return Err(format!("actor {index} says {text:?}")),
        }
        Ok(())
    }

    /// Takes note that an actor is gone. Unless it was killed itself, another must have been through which everything
    /// went that is between it and the controller.
    fn note_end(&mut self, index: usize) -> Result<(), String> {
        let actor = self.actors.get_mut(&index).unwrap();
        actor.orders = None;
        self.expected.retain(|_, parent| *parent != index);
        if actor.state == State::Killed {
            return Ok(());
        }
        let mut parent = actor.parent.filter(|_| !actor.is_settled);
        while let Some(ancestor) = parent {
            if self.actors[&ancestor].state != State::Alive {
                self.actors.entry(index).and_modify(|actor| actor.state = State::Lost);
                return Ok(());
            }
            parent = self.actors[&ancestor].parent;
        }
        Err(format!("actor {index} is gone although nobody was killed who can have anything to do with it"))
    }

    /// Listens until all who are there satisfy a condition, and nobody is missing.
    pub fn wait_for_all(&mut self, what: &str, condition: impl Fn(&Actor) -> bool) -> Result<(), String> {
        let mut deadline = Instant::now() + self.part.patience;
        let missing = |crew: &Self| {
            let late = crew.alive().filter(|(_, actor)| !condition(actor)).map(|(index, _)| index);
            late.chain(crew.expected.keys().copied()).collect::<Vec<_>>()
        };
        let mut left = missing(self);
        while !left.is_empty() {
            self.listen(deadline)?;
            let now = missing(self);
            if now != left {
                deadline = Instant::now() + self.part.patience;
            }
            left = now;
            if Instant::now() > deadline {
                return Err(format!("{what}: actors {left:?} hang"));
            }
        }
        Ok(())
    }

    // ---- the end -----------------------------------------------------------------------------------------

    /// Has everyone go, and waits until all are gone and were content.
    pub fn retire(&mut self) -> Result<(), String> {
        self.order_all("retire");
        let mut processes = HashMap::new();
        for (index, actor) in &self.actors {
            if actor.state == State::Alive {
                let outcome = actor.orders.as_ref().map(|orders| orders.recv_timeout(self.part.patience));
                if !matches!(outcome, Some(Err(RecvError::PeerClosed))) {
                    return Err(format!("actor {index} does not retire: {outcome:?}"));
                }
            }
            processes.extend(actor.pid.map(|pid| (pid, (*index, actor.state))));
        }
        self.actors.clear();
        let deadline = Instant::now() + self.part.patience;
        while let Some((pid, status)) = next_process(deadline)? {
            let actor = processes.get(&pid);
            let was_killed = actor.is_some_and(|(_, state)| *state == State::Killed)
                && status.terminating_signal() == Some(Signal::KILL.as_raw());
            if status.exit_status() != Some(0) && !was_killed {
                return Err(format!("actor {actor:?} ends with {status:?}"));
            }
        }
        Ok(())
    }
}

/// Waits for the next process to end; `None` when there are no more.
fn next_process(deadline: Instant) -> Result<Option<(Pid, rustix::process::WaitStatus)>, String> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(ended)) => return Ok(Some(ended)),
            // Those of an actor that ends come here then.
            Err(rustix::io::Errno::CHILD) => return Ok(None),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(1)),
            other => return Err(format!("actors do not end: {other:?}")),
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        // After a failure: those who are still there end when they find out that nobody orders them about.
        self.actors.clear();
        let deadline = Instant::now() + self.part.patience;
        while let Ok(Some(_)) = next_process(deadline) {}
    }
}
