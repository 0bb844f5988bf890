//! Small programs, and how far one run of such a program has come.

use crate::world::{Leaves, Step, Topology, World};
use libmojo_ports::Amount;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// One thing that a program does. Ends are numbered in the order of the script's pipes, two for each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// Sends a message from this end.
    Send(usize),
    /// Sends a message that cannot leave its node.
    SendBound(usize),
    /// Moves an end to a site, over a pipe that its present site has in common with that one.
    Move(usize, usize),
    /// Sends the first end in a message from the second one.
    Put(usize, usize),
    /// Takes the next message at this end, as soon as there is one.
    Receive(usize),
    Close(usize),
    Fuse(usize, usize),
    /// Has an end send only as long as fewer messages are unread at the other; sending then waits.
    Limit(usize, u64),
    /// A site dies.
    Kill(usize),
    /// The link between two sites breaks.
    Break(usize, usize),
}

/// What happens, apart from the order.
#[derive(Clone, Debug)]
pub struct Script {
    pub topology: Topology,
    pub sites: usize,
    /// How many packets of a lane can arrive before the first; 1 keeps their order.
    pub window: usize,
    /// Where the two ends of each pipe are at first.
    pub pipes: Vec<(usize, usize)>,
    /// Done before anything else, to rest.
    pub before: Vec<Op>,
    /// Each is done in its order, all at the same time.
    pub threads: Vec<Vec<Op>>,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Choice {
    /// A thread goes on.
    Thread(usize),
    Network(Step),
}

pub struct Run<'a> {
    script: &'a Script,
    world: World,
    /// How much of each thread is done.
    done: Vec<usize>,
    /// The end at the first site of a pipe to the second one.
    carriers: BTreeMap<(usize, usize), usize>,
}

impl<'a> Run<'a> {
    /// Everything is in place and at rest.
    pub fn new(script: &'a Script) -> Self {
        let mut world = World::new(script.sites, script.topology, script.window);
        for (a, b) in &script.pipes {
            if a == b {
                world.create_pipe(*a)
            } else {
                world.connect(*a, *b)
            };
        }
        let mut carriers = BTreeMap::new();
        for b in 0..script.sites {
            for a in (0..b).filter(|a| world.is_linked(*a, b)).collect::<Vec<_>>() {
                let (here, there) = world.connect(a, b);
                carriers.insert((a, b), here);
                carriers.insert((b, a), there);
            }
        }
        let mut run = Self { script, world, done: vec![0; script.threads.len()], carriers };
        run.world.settle(&mut |_| 0);
        for op in &script.before {
            run.carry_out(*op);
            run.world.settle(&mut |_| 0);
        }
        run
    }

    /// Everything that can happen next.
    pub fn choices(&self) -> Vec<Choice> {
        let threads = (0..self.done.len()).filter(|thread| self.next_op(*thread).is_some_and(|op| self.can_do(op)));
        let steps = self.world.steps().into_iter().map(Choice::Network);
        threads.map(Choice::Thread).chain(steps).collect()
    }

    /// Where it happens: a site, or the number of sites for what happens outside of them.
    pub fn place(&self, choice: Choice) -> usize {
        match choice {
            Choice::Network(Step::Deliver { to, .. }) => to,
            Choice::Network(Step::Notice { site, .. }) => site,
            Choice::Thread(thread) => match self.next_op(thread).unwrap() {
                Op::Kill(site) => site,
                Op::Break(..) => self.script.sites,
                Op::Send(end) | Op::SendBound(end) | Op::Receive(end) | Op::Close(end) | Op::Limit(end, _) => {
                    self.world.site_of(end).unwrap()
                }
                Op::Move(end, _) | Op::Put(end, _) | Op::Fuse(end, _) => self.world.site_of(end).unwrap(),
            },
        }
    }

    pub fn take(&mut self, choice: Choice) {
        match choice {
            Choice::Thread(thread) => {
                let op = self.next_op(thread).unwrap();
                self.done[thread] += 1;
                self.carry_out(op);
            }
            Choice::Network(step) => {
                self.world.step(step);
                self.take_what_moved(self.place(choice));
            }
        }
    }

    /// Checks what must hold at any time.
    pub fn check(&self) {
        self.world.check_now();
        self.check_proxies();
    }

    /// Checks what must hold when nothing can happen any more, and what still can be done then.
    pub fn finish(mut self) {
        self.world.check_at_rest();
        for thread in 0..self.done.len() {
            let Some(op) = self.next_op(thread) else { continue };
            let is_gone = |end: usize| self.world.site_of(end).is_none();
            let cannot = match op {
                Op::Send(end) | Op::SendBound(end) | Op::Receive(end) => is_gone(end),
                Op::Close(end) | Op::Move(end, _) | Op::Limit(end, _) => is_gone(end),
                Op::Put(a, b) | Op::Fuse(a, b) => is_gone(a) || is_gone(b),
                Op::Kill(_) => false,
                // There may never have been a link.
                Op::Break(..) => continue,
            };
            assert!(cannot, "thread {thread} waits for ever for {op:?}");
            assert!(self.world.disturbed, "thread {thread} has lost what it needs for {op:?}");
        }
        self.world.finish(&mut |_| 0);
    }

    /// What a choice means.
    pub fn describe(&self, choice: Choice) -> String {
        match choice {
            Choice::Thread(thread) => format!("{}: {:?}", self.place(choice), self.next_op(thread).unwrap()),
            Choice::Network(step) => self.world.describe(step),
        }
    }

    fn next_op(&self, thread: usize) -> Option<Op> {
        self.script.threads[thread].get(self.done[thread]).copied()
    }

    fn can_do(&self, op: Op) -> bool {
        let at = |end: usize| self.world.site_of(end);
        match op {
            Op::SendBound(end) | Op::Close(end) | Op::Move(end, _) | Op::Limit(end, _) => at(end).is_some(),
            Op::Send(end) => self.world.ends[end].held.as_ref().is_some_and(|(_, port)| {
                let status = port.status();
                status.may_send || status.peer_closed
            }),
            Op::Put(end, other) | Op::Fuse(end, other) => at(end).is_some() && at(end) == at(other),
            Op::Receive(end) => self.world.ends[end].held.as_ref().is_some_and(|(_, port)| {
                let status = port.status();
                status.unread || status.peer_closed
            }),
            Op::Kill(site) => self.world.sites[site].alive,
            Op::Break(a, b) => self.world.can_break(a, b),
        }
    }

    fn carry_out(&mut self, op: Op) {
        match op {
            Op::Send(end) => drop(self.world.send(end, &[], Leaves::Converted)),
            Op::SendBound(end) => drop(self.world.send(end, &[], Leaves::Never)),
            Op::Move(end, to) => {
                let from = self.world.site_of(end).unwrap();
                let carrier = self.carriers[&(from, to)];
                self.world.send(carrier, &[end], Leaves::AsItIs);
            }
            Op::Put(end, other) => {
                assert!(!self.world.sending_would_knot(other, &[end]), "a script loses nothing by its own doing");
                self.world.send(other, &[end], Leaves::AsItIs);
            }
            Op::Receive(end) => drop(self.world.receive(end)),
            Op::Close(end) => self.world.close(end),
            Op::Fuse(b, c) => self.world.fuse(b, c),
            Op::Limit(end, messages) => self.world.limit(end, Amount::messages(messages)),
            Op::Kill(site) => self.world.kill(site),
            Op::Break(a, b) => self.world.break_link(a, b),
        }
    }

    /// Takes what has come over the pipes that things move over. To wait with that would change nothing: what the
    /// program does with it can wait itself.
    fn take_what_moved(&mut self, site: usize) {
        for other in 0..self.script.sites {
            if let Some(carrier) = self.carriers.get(&(site, other)).copied() {
                while self.world.receive(carrier).is_ok() {}
            }
        }
    }

    /// No step leaves more behind than it must: a move one proxy for each end that goes along, and where links are
    /// missing a relay for each direction too; a fuse two.
    fn check_proxies(&self) {
        let threads = self.script.threads.iter().zip(&self.done);
        let done = || self.script.before.iter().chain(threads.clone().flat_map(|(ops, done)| &ops[..*done]));
        let inside = done().filter(|op| matches!(op, Op::Put(..))).count();
        let per_end = if self.script.topology == Topology::Mesh { 1 } else { 3 };
        let allowed = done().map(|op| match op {
            Op::Move(..) => per_end * (1 + inside),
            Op::Put(..) => per_end,
            Op::Fuse(..) => 2,
            _ => 0,
        });
        let allowed: usize = allowed.sum();
        let proxies: usize = self.world.sites.iter().map(|site| site.node.proxy_count()).sum();
        assert!(proxies <= allowed, "{proxies} proxies");
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Script { topology, sites, window, pipes, before, threads } = self;
        let overtaking = if *window > 1 { ", overtaking" } else { "" };
        write!(f, "{topology:?} of {sites}{overtaking}, {pipes:?}, {before:?}, {threads:?}")
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Thread(thread) => write!(f, "t{thread}"),
            Choice::Network(Step::Deliver { from, to, number }) => write!(f, "{from}>{to}:{number}"),
            Choice::Network(Step::Notice { site, gone }) => write!(f, "{site}!{gone}"),
        }
    }
}

impl FromStr for Choice {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(thread) = text.strip_prefix('t') {
            return Ok(Choice::Thread(thread.parse()?));
        }
        if let Some((site, gone)) = text.split_once('!') {
            return Ok(Choice::Network(Step::Notice { site: site.parse()?, gone: gone.parse()? }));
        }
        let (from, rest) = text.split_once('>').unwrap_or_default();
        let (to, number) = rest.split_once(':').unwrap_or_default();
        Ok(Choice::Network(Step::Deliver { from: from.parse()?, to: to.parse()?, number: number.parse()? }))
    }
}
