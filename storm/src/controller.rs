//! The course of a storm, in cycles: a crew is raised, goes about its business, some are killed and replaced, then all
//! finish, and nothing may be left, neither of theirs nor here.

use crate::crew::{Actor, Crew, State};
use crate::leaks::BaseLine;
use crate::options::{Options, Part};
use crate::tally::Tally;
use libmojo::Node;
use std::time::{Duration, Instant};

/// How many cycles there are for one in which nobody is killed: then nothing at all may be lost.
const CYCLES_PER_CALM: usize = 4;

/// How many actors the controller starts itself at least; most are started by others.
const ROOTS: usize = 3;

pub fn run(options: &Options) -> Result<(), String> {
    // All processes, whoever has started them, are waited for here.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(|error| error.to_string())?;
    let base_line = BaseLine::now();
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let (mut total, mut killed, mut number) = (Tally::default(), 0, 0);
    while number == 0 || Instant::now() < end {
        let mut cycle = Cycle::new(options, number, end);
        let tally = cycle.run()?;
        base_line.wait_until_back(Node::process(), options.patience).map_err(|text| format!("controller: {text}"))?;
        println!("cycle {number}, {}: {} killed; {tally}; {}", cycle.kind(), cycle.killed, cycle.times());
        total += tally;
        killed += cycle.killed;
        number += 1;
    }
    println!("{number} cycles, {} processes at a time, {killed} killed; {total}", options.processes);
    Ok(())
}

struct Cycle {
    processes: usize,
    random: fastrand::Rng,
    is_calm: bool,
    duration: Duration,
    crew: Crew,
    next_id: u64,
    killed: u64,
    /// When each of its parts was over.
    times: Vec<(&'static str, Instant)>,
}

impl Cycle {
    fn new(options: &Options, number: usize, end: Instant) -> Self {
        let seed = options.seed.wrapping_add(number as u64);
        let mut random = fastrand::Rng::with_seed(seed);
        let is_calm = number.is_multiple_of(CYCLES_PER_CALM);
        let duration = Duration::from_millis(random.u64(if is_calm { 500..1500 } else { 2000..8000 }));
        let left = end.saturating_duration_since(Instant::now());
        let duration = duration.min(left);
        let fault = options.fault.filter(|_| number == 0);
        let times = vec![("begun", Instant::now())];
        let crew = Crew::new(Part { index: 0, seed, patience: options.patience, fault });
        Self { processes: options.processes, random, is_calm, duration, crew, next_id: 1, killed: 0, times }
    }

    fn kind(&self) -> &'static str {
        if self.is_calm { "calm" } else { "storm" }
    }

    fn run(&mut self) -> Result<Tally, String> {
        self.raise()?;
        self.note("raised");
        self.wire()?;
        self.note("wired");
        self.crew.order_all(&format!("go {}", self.kind()));
        self.watch()?;
        self.note("over");
        let tally = self.finish()?;
        self.note("finished");
        self.crew.retire()?;
        self.note("gone");
        Ok(tally)
    }

    fn note(&mut self, what: &'static str) {
        self.times.push((what, Instant::now()));
    }

    /// How long each of its parts took.
    fn times(&self) -> String {
        let part = |pair: &[(&str, Instant)]| format!("{} in {:.1?}", pair[1].0, pair[1].1 - pair[0].1);
        self.times.windows(2).map(part).collect::<Vec<_>>().join(", ")
    }

    /// Starts everyone.
    fn raise(&mut self) -> Result<(), String> {
        while self.crew.len() < self.processes {
            let roots = ROOTS.min(self.processes);
            let parent = if self.crew.actors.len() < roots { None } else { self.choose(|_| true) };
            self.crew.add(parent);
            // So that there are some to start others.
            self.crew.listen(Instant::now())?;
        }
        self.crew.wait_for_all("being started", |actor| actor.pid.is_some())
    }

    /// Gives everyone pipes that stay where they are, and waits until nobody is in between any more: from then on
    /// nobody's death can concern those who have them, nor the pipes by which orders are given.
    fn wire(&mut self) -> Result<(), String> {
        let indices: Vec<usize> = self.crew.alive().map(|(index, _)| index).collect();
        for (at, index) in indices.iter().enumerate() {
            let next = indices[(at + 1) % indices.len()];
            let any = indices[self.random.usize(..indices.len())];
            for peer in [next, any].into_iter().filter(|peer| peer != index) {
                self.crew.join(self.next_id, *index, peer, true);
                self.next_id += 1;
            }
        }
        self.crew.order_all("wired");
        self.crew.wait_for_all("being wired", |actor| actor.answers.contains("wired"))?;
        self.crew.order_all("settle");
        self.crew.wait_for_all("settling", |actor| actor.answers.contains("settled"))?;
        self.crew.actors.values_mut().for_each(|actor| actor.is_settled = true);
        Ok(())
    }

    /// Lets it happen, and in a storm kills.
    fn watch(&mut self) -> Result<(), String> {
        let end = Instant::now() + self.duration;
        let mut next_kill = Instant::now();
        while Instant::now() < end {
            if !self.is_calm && Instant::now() >= next_kill {
                self.kill();
                next_kill = Instant::now() + Duration::from_micros(self.random.u64(..150_000));
            }
            let replaced = self.processes.saturating_sub(self.crew.len());
            (0..replaced).for_each(|_| self.replace());
            self.crew.listen(if self.is_calm { end } else { next_kill.min(end) })?;
            self.wire_newcomers();
        }
        Ok(())
    }

    fn kill(&mut self) {
        // Those who have just come, too.
        if let Some(index) = self.choose(|actor| actor.pid.is_some()) {
            self.crew.kill(index);
            self.killed += 1;
        }
    }

    fn replace(&mut self) {
        let parent = if self.random.u8(..4) == 0 { None } else { self.choose(|_| true) };
        self.crew.add(parent);
    }

    /// Lets those take part who have come in the place of others.
    fn wire_newcomers(&mut self) {
        let is_new = |actor: &Actor| !actor.is_settled && actor.pid.is_some() && !actor.answers.contains("joined");
        let newcomers: Vec<usize> =
            self.crew.alive().filter(|(_, actor)| is_new(actor)).map(|(index, _)| index).collect();
        for index in newcomers {
            for _ in 0..3 {
                if let Some(peer) = self.choose(|_| true).filter(|peer| *peer != index) {
                    self.crew.join(self.next_id, index, peer, false);
                    self.next_id += 1;
                }
            }
            self.crew.order(index, &format!("go {}", self.kind()));
            self.crew.actors.entry(index).and_modify(|actor| actor.answers.extend(["joined"]));
        }
    }

    fn choose(&mut self, condition: impl Fn(&Actor) -> bool) -> Option<usize> {
        let fit = self.crew.alive().filter(|(_, actor)| condition(actor)).map(|(index, _)| index);
        let fit: Vec<usize> = fit.collect();
        self.random.choice(fit)
    }

    /// Has everyone finish, and looks at what they have done.
    fn finish(&mut self) -> Result<Tally, String> {
        // Those who are still being started come first: they would not be told otherwise.
        self.crew.wait_for_all("being started", |actor| actor.pid.is_some())?;
        self.crew.order_all("finish");
        self.crew.wait_for_all("finishing", |actor| actor.answers.contains("finished"))?;
        let mut total = Tally::default();
        for (index, actor) in self.crew.alive() {
            total += actor.tally;
            for peer in &actor.cut_off {
                if self.crew.actors[peer].state != State::Killed {
                    return Err(format!("actor {index} was cut off from {peer}, which is there"));
                }
            }
        }
        if self.is_calm && (total.cut != 0 || total.sent != total.received) {
            return Err(format!("something was lost although nobody was killed: {total}"));
        }
        Ok(total)
    }
}
