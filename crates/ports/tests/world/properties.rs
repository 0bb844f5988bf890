//! What must hold of every world: each message that was accepted for sending is received exactly once and in order, or
//! its pipe is reported closed at both ends; closing is always noticed; at rest no proxy is left that could be avoided;
//! and when everything is closed nothing is left at all. That messages come in order is seen where they are received.

use super::program::Leaves;
use super::{Topology, World};

impl World {
    /// What must hold at any time.
    pub fn check_now(&self) {
        for end in self.held() {
            let (_, port) = self.ends[end].held.as_ref().unwrap();
            let status = port.status();
            assert!(status.is_open, "end {end} is held and not open");
            assert!(status.more_may_come || status.peer_closed, "end {end} is half closed");
            let mate = &self.ends[self.ends[end].mate];
            let has_reason = mate.closed || mate.fragile || self.ends[end].fragile || self.disturbed;
            assert!(!status.peer_closed || has_reason, "end {end} is closed without a reason");
        }
    }

    /// Lets everything arrive and be read, in an order that `pick` chooses from so many.
    pub fn settle(&mut self, pick: &mut dyn FnMut(usize) -> usize) {
        let mut num_steps = 0;
        loop {
            let mut quiet = true;
            loop {
                let steps = self.steps();
                if steps.is_empty() {
                    break;
                }
                quiet = false;
                num_steps += 1;
                assert!(num_steps < 1_000_000, "this never comes to rest");
                self.step(steps[pick(steps.len())]);
            }
            for end in self.held() {
                while self.receive(end).is_ok() {
                    quiet = false;
                }
            }
            if quiet {
                return;
            }
        }
    }

    /// When all has been read, whoever has a quota can send again, and owes nobody more than half of it.
    fn check_quotas(&self) {
        for end in self.held().into_iter().filter(|end| !self.is_closed(*end)) {
            let (site, port) = self.ends[end].held.as_ref().unwrap();
            assert!(port.status().may_send, "end {end} waits for credit");
            let (quotas, usage) = self.sites[*site].node.quotas(port);
            let most = quotas.sent.enforced.messages;
            assert_eq!(self.ends[end].quota.map_or(u64::MAX, |(quota, _)| quota), most, "the quota of end {end}");
            assert!(usage.sent.messages < most.div_ceil(2).max(1), "end {end} lacks credit: {usage:?} of {most}");
        }
    }

    fn is_closed(&self, end: usize) -> bool {
        let (_, port) = self.ends[end].held.as_ref().expect("asked of a held end");
        let status = port.status();
        status.peer_closed && !status.more_may_come
    }

    /// What must hold when nothing is under way, whether or not everything has been read.
    pub fn check_at_rest(&self) {
        assert!(self.steps().is_empty());
        for (at, site) in self.sites.iter().enumerate().filter(|(_, site)| site.alive) {
            let allowed = match self.topology {
                Topology::Star if at == 0 => self.relays_needed(),
                // Whoever still has links to both relays between those who have lost theirs.
                _ if !self.broken.is_empty() => usize::MAX,
                _ => 0,
            };
            let left = site.node.proxy_count();
            assert_eq!(site.node.has_proxies(), left > 0);
            assert!(left <= allowed, "{left} proxies left in node {at}: {:#?}", site.node.named_ports());
        }
    }

    /// How many proxies the middle of a star needs: one for each direction of each pipe between two others.
    fn relays_needed(&self) -> usize {
        let is_needed = |end: &usize| {
            let (site, other) = (self.site_of(*end), self.site_of(self.ends[*end].mate));
            // Those inside of unread messages may be anywhere.
            site != Some(0) && other != Some(0) && (site != other || site.is_none())
        };
        (0..self.ends.len()).filter(is_needed).count()
    }

    /// What must hold of a pipe of which this end at least is held, when all has been read.
    fn check_pipe_of(&self, end: usize) {
        let mate = self.ends[end].mate;
        let broken = self.is_closed(end);
        if self.ends[mate].held.is_some() {
            assert_eq!(broken, self.is_closed(mate), "ends {end} and {mate} disagree");
        } else {
            assert!(broken, "end {end} does not know that its peer {mate} is gone");
        }
        // What an end has sent before it was closed arrives too.
        let may_be_cut = self.disturbed || self.ends[end].fragile || self.ends[mate].fragile;
        let is_complete = self.ends[mate].delivered == self.ends[mate].sent;
        assert!(is_complete || broken && may_be_cut, "messages of end {mate} are lost");
    }

    /// Brings everything to its end and checks what must hold there.
    pub fn finish(&mut self, pick: &mut dyn FnMut(usize) -> usize) {
        self.settle(pick);
        self.check_at_rest();
        self.check_quotas();
        // A message each way tells the pipes that still work from those that do not.
        for end in self.held() {
            self.send(end, &[], Leaves::AsItIs);
        }
        self.settle(pick);
        self.check_at_rest();
        self.check_now();
        self.check_quotas();
        for end in self.held() {
            self.check_pipe_of(end);
        }
        for end in self.held() {
            self.close(end);
        }
        self.settle(pick);
        for (at, site) in self.sites.iter().enumerate().filter(|(_, site)| site.alive) {
            let left = site.node.named_ports();
            assert!(left.is_empty(), "ports left in node {at}: {left:#?}");
        }
    }
}
