//! Random programs on a random network: what happens next, and what has happened.

use super::Rng;
use super::world::{Leaves, Topology, World};
use libmojo_ports::{Amount, Quota};

/// What may happen in a schedule.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub nodes: usize,
    pub topology: Topology,
    pub steps: usize,
    /// Packets of one link overtake each other.
    pub reorder: bool,
    pub kills: bool,
    /// Links that came of introductions break.
    pub breaks: bool,
    pub fuses: bool,
    /// Ends are closed in the middle of everything.
    pub closes: bool,
    /// Some messages cannot leave their node, some only after conversion.
    pub unportable: bool,
    /// Ends get quotas; where none are fused, what is unread at an end is limited too.
    pub quotas: bool,
}

/// The largest quota.
const MAX_QUOTA: u64 = 5;

/// How often schedules came to what is hard to get right.
#[derive(Debug, Default)]
pub struct Seen {
    /// An end set out while the other one was under way.
    pub both_ends_moving: u64,
    /// Two ends were fused while an end of their pipes was under way.
    pub fused_while_moving: u64,
    /// An end set out with an end waiting in one of its unread messages.
    pub moved_within_moving: u64,
    /// A quota was used up when something was to be sent, and by what is at another node.
    pub refused: u64,
    pub refused_far: u64,
}

impl Seen {
    pub fn add(&mut self, other: &Seen) {
        self.both_ends_moving += other.both_ends_moving;
        self.fused_while_moving += other.fused_while_moving;
        self.moved_within_moving += other.moved_within_moving;
        self.refused += other.refused;
        self.refused_far += other.refused_far;
    }
}

pub struct Random {
    pub world: World,
    pub rng: Rng,
    pub seen: Seen,
    plan: Plan,
}

impl Random {
    pub fn new(rng: Rng, plan: Plan) -> Self {
        let mut world = World::new(plan.nodes, plan.topology, if plan.reorder { 8 } else { 1 });
        for b in 0..plan.nodes {
            for a in (0..b).filter(|a| world.is_linked(*a, b)).collect::<Vec<_>>() {
                world.connect(a, b);
            }
        }
        Self { world, rng, seen: Seen::default(), plan }
    }

    /// Does one thing after another, as many as planned.
    pub fn run(&mut self) {
        for _ in 0..self.plan.steps {
            if self.rng.u32(..10) < 6 {
                self.step_program();
            } else {
                self.step_network();
            }
        }
    }

    /// Brings everything to its end and checks what must hold there.
    pub fn finish(&mut self) {
        let rng = &mut self.rng;
        self.world.finish(&mut |count| rng.usize(..count));
    }

    /// Lets the network do something, if there is anything to do.
    pub fn step_network(&mut self) {
        if let Some(step) = self.rng.choice(self.world.steps()) {
            self.world.step(step);
            self.world.check_now();
        }
    }

    /// One random thing that a program may do.
    pub fn step_program(&mut self) {
        let held = self.world.held();
        if held.is_empty() || self.rng.u32(..8) == 0 {
            let site = self.living();
            let (a, b) = self.world.create_pipe(site);
            if self.plan.quotas && self.rng.bool() {
                self.quota_both(a, b);
            }
            return;
        }
        let end = held[self.rng.usize(..held.len())];
        match self.rng.u32(..100) {
            0..30 => {
                let leaves = match self.plan.unportable && self.rng.bool() {
                    false => Leaves::AsItIs,
                    true if self.rng.u32(..8) != 0 => Leaves::Converted,
                    true => Leaves::Never,
                };
                let (_, port) = self.world.ends[end].held.as_ref().unwrap();
                let status = port.status();
                self.seen.refused += u64::from(!status.may_send);
                self.seen.refused_far += u64::from(!status.may_send && status.peer_remote);
                self.world.send(end, &[], leaves);
            }
            30..60 => self.send_ends(end, &held),
            60..85 => {
                let _ = self.world.receive(end);
            }
            85..90 if self.plan.closes => self.world.close(end),
            90..96 if self.plan.fuses => self.fuse(),
            96 if self.plan.kills => self.kill(),
            98.. if self.plan.quotas => {
                let most = self.quota();
                self.world.limit(end, most);
            }
            97 if self.plan.breaks => {
                let (a, b) = (self.rng.usize(1..self.plan.nodes), self.rng.usize(1..self.plan.nodes));
                let is_introduced = a != b && (self.plan.topology == Topology::GrowingStar || a.abs_diff(b) > 1);
                if is_introduced && self.world.can_break(a, b) {
                    self.world.break_link(a, b);
                }
            }
            _ => {}
        }
    }

    fn quota(&mut self) -> Amount {
        let bytes = if self.rng.bool() { u64::MAX } else { self.rng.u64(1..100) };
        Amount { messages: self.rng.u64(1..=MAX_QUOTA), bytes }
    }

    /// Has an end break its pipe when more is unread at it than the other may send.
    fn bound(&mut self, end: usize) {
        let (site, port) = self.world.ends[end].held.clone().unwrap();
        let node = &self.world.sites[site].node;
        let unread = Quota::enforced(Amount::messages(MAX_QUOTA));
        let effects = node.change_quotas(&port, |quotas| quotas.unread = unread).unwrap();
        self.world.apply(site, effects);
    }

    fn quota_both(&mut self, a: usize, b: usize) {
        for (end, mate) in [(a, b), (b, a)] {
            let most = self.quota();
            self.world.limit(end, most);
            if !self.plan.fuses {
                self.bound(mate);
            }
        }
    }

    fn send_ends(&mut self, end: usize, held: &[usize]) {
        let world = &mut self.world;
        let site = world.site_of(end);
        let fits = |other: usize| other != end && world.ends[end].mate != other && world.site_of(other) == site;
        let mut cargo: Vec<usize> = held.iter().copied().filter(|other| fits(*other)).collect();
        self.rng.shuffle(&mut cargo);
        cargo.truncate(self.rng.usize(1..4));
        if world.sending_would_knot(end, &cargo) {
            return;
        }
        for inside in &cargo {
            self.seen.both_ends_moving += u64::from(self.is_under_way(self.world.ends[*inside].mate));
            let waits = |other: usize| {
                let carrier = self.world.ends[other].carrier;
                self.is_under_way(other) && carrier.is_some_and(|carrier| self.world.ends[carrier].mate == *inside)
            };
            self.seen.moved_within_moving += u64::from((0..self.world.ends.len()).any(waits));
        }
        self.world.send(end, &cargo, Leaves::AsItIs);
    }

    fn fuse(&mut self) {
        // Ends that have sent cannot be fused.
        let mut unsent = self.world.held();
        unsent.retain(|end| self.world.ends[*end].sent == 0 || self.rng.u32(..20) == 0);
        let Some(b) = self.rng.choice(unsent.clone()) else { return };
        unsent.retain(|end| self.world.site_of(*end) == self.world.site_of(b));
        let Some(c) = self.rng.choice(unsent) else { return };
        let mates = [self.world.ends[b].mate, self.world.ends[c].mate];
        let moving = mates.iter().any(|mate| self.is_under_way(*mate));
        self.world.fuse(b, c);
        self.seen.fused_while_moving += u64::from(moving && self.world.ends[b].held.is_none());
    }

    fn is_under_way(&self, end: usize) -> bool {
        let end = &self.world.ends[end];
        end.held.is_none() && !end.closed && end.carrier.is_some()
    }

    fn kill(&mut self) {
        let site = self.living();
        let is_last = self.world.sites.iter().filter(|site| site.alive).count() == 1;
        // In a star the centre stays: without it nobody could reach anybody.
        if !is_last && (self.plan.topology != Topology::Star || site != 0) {
            self.world.kill(site);
        }
    }

    fn living(&mut self) -> usize {
        loop {
            let site = self.rng.usize(..self.world.sites.len());
            if self.world.sites[site].alive {
                return site;
            }
        }
    }
}
