//! A simulated network of nodes: real routing code, pretended links. What happens next is chosen by whoever uses it;
//! one sequence of choices always leads to the same world.
//!
//! What a step does depends on the node where it happens and on what has reached that node, and on nothing else. So
//! two sequences of choices in which each node sees the same things in the same order lead to the same world.

mod program;
mod properties;

pub use program::{End, Leaves, Parcel};

use libmojo_ports::{Effects, Event, Node, NodeName, PortName};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which nodes have links.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Topology {
    /// Every pair, which all nodes know.
    Mesh,
    /// Node 0 with each of the others, which can never reach each other.
    Star,
    /// At first as a star; nodes introduce those for whom they pass things on.
    GrowingStar,
    /// At first each with the next; nodes introduce those for whom they pass things on.
    GrowingLine,
}

impl Topology {
    fn grows(self) -> bool {
        matches!(self, Topology::GrowingStar | Topology::GrowingLine)
    }
}

/// What goes over a link.
#[derive(Debug)]
enum Packet {
    Event(Event<Parcel>),
    /// Here is an end of a link to another node.
    Meet(usize),
    /// I have got the end of the link to the other node.
    Met(usize),
    /// The other node has got its end too.
    Talk(usize),
    /// The link to the other node is gone.
    Parted(usize),
}

/// One thing that the network can do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A packet arrives: the `number`th that was sent over its link.
    Deliver { from: usize, to: usize, number: u64 },
    /// A node notices that its link to another has ended. What it has not received by then is lost.
    Notice { site: usize, gone: usize },
}

/// One direction of a link.
#[derive(Default)]
struct Lane {
    num_sent: u64,
    under_way: VecDeque<(u64, Packet)>,
}

pub struct Site {
    pub node: Arc<Node<Parcel>>,
    pub alive: bool,
    /// To which sites this one has, or has had, an end of a link.
    links: BTreeSet<usize>,
    /// Those of them that it knows to be gone.
    lost: BTreeSet<usize>,
    /// Pairs whose introduction it has begun, and who of them has met the other.
    introduced: BTreeMap<(usize, usize), BTreeSet<usize>>,
    /// Who has introduced it to whom.
    introducers: BTreeSet<(usize, usize)>,
}

pub struct World {
    pub topology: Topology,
    pub sites: Vec<Site>,
    pub ends: Vec<End>,
    lanes: BTreeMap<(usize, usize), Lane>,
    /// How many packets of a lane can arrive before the first.
    window: usize,
    /// Links that have ended although both nodes live.
    broken: BTreeSet<(usize, usize)>,
    /// True if anything has happened that may break a pipe.
    pub disturbed: bool,
}

pub fn name_of(site: usize) -> NodeName {
    NodeName(1000 + site as u128)
}

fn site_of(name: NodeName) -> usize {
    (name.0 - 1000) as usize
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl World {
    /// A network at rest, whose packets arrive in the order of their link or overtake up to `window - 1` others.
    pub fn new(num_sites: usize, topology: Topology, window: usize) -> Self {
        let sites = (0..num_sites).map(Site::new).collect();
        let mut world = Self {
            topology,
            sites,
            ends: Vec::new(),
            lanes: BTreeMap::new(),
            window,
            broken: BTreeSet::new(),
            disturbed: false,
        };
        for b in 1..num_sites {
            let neighbours = match topology {
                Topology::Mesh => 0..b,
                Topology::Star | Topology::GrowingStar => 0..1,
                Topology::GrowingLine => b - 1..b,
            };
            for a in neighbours {
                world.sites[a].links.insert(b);
                world.sites[b].links.insert(a);
                if topology == Topology::Mesh {
                    world.sites.iter().for_each(|site| {
                        let effects = site.node.introduce(name_of(a), name_of(b));
                        assert!(effects.is_empty());
                    });
                }
            }
        }
        world
    }

    /// True if a site has a link to another, as far as it knows.
    pub fn is_linked(&self, site: usize, to: usize) -> bool {
        self.sites[site].links.contains(&to) && !self.sites[site].lost.contains(&to)
    }

    // ---- the driver --------------------------------------------------------------------------------------

    pub fn apply(&mut self, site: usize, effects: Effects<Parcel>) {
        let mut lost = BTreeSet::new();
        for (to, event) in effects.forward {
            let to = site_of(to);
            assert!(self.sites[site].links.contains(&to), "node {site} has no link to {to}");
            if self.sites[site].lost.contains(&to) {
                lost.insert(to);
            } else {
                self.post(site, to, Packet::Event(event));
            }
        }
        lost.extend(effects.neighbours.into_iter().map(site_of).filter(|to| self.sites[site].lost.contains(to)));
        for message in effects.dropped {
            self.discard(site, message);
        }
        for gone in lost {
            let effects = self.sites[site].node.lose(name_of(gone));
            self.apply(site, effects);
        }
        if self.topology.grows() {
            for (a, b) in effects.apart {
                self.begin_introduction(site, pair(site_of(a), site_of(b)));
            }
        }
    }

    fn post(&mut self, from: usize, to: usize, packet: Packet) {
        let hears = self.sites[to].alive && !self.sites[to].lost.contains(&from);
        let lane = self.lanes.entry((from, to)).or_default();
        lane.num_sent += 1;
        if hears {
            lane.under_way.push_back((lane.num_sent, packet));
        }
    }

    /// Gives two neighbours of a node a link to each other, unless that was tried before.
    fn begin_introduction(&mut self, by: usize, (a, b): (usize, usize)) {
        if !self.is_linked(by, a) || !self.is_linked(by, b) || self.sites[by].introduced.contains_key(&(a, b)) {
            return;
        }
        self.sites[by].introduced.insert((a, b), BTreeSet::new());
        self.post(by, a, Packet::Meet(b));
        self.post(by, b, Packet::Meet(a));
    }

    fn take(&mut self, from: usize, at: usize, packet: Packet) {
        match packet {
            Packet::Event(event) => {
                let effects = self.sites[at].node.accept(name_of(from), event);
                let effects = effects.map_err(|(violation, _)| violation).expect("honest nodes keep the protocol");
                self.apply(at, effects);
            }
            Packet::Meet(other) if self.sites[at].lost.contains(&other) => {}
            Packet::Meet(other) => {
                self.sites[at].links.insert(other);
                self.sites[at].introducers.insert((other, from));
                self.sites[at].node.acquaint(name_of(from), name_of(other));
                self.post(at, from, Packet::Met(other));
            }
            Packet::Met(other) => {
                let (a, b) = pair(from, other);
                let Some(met) = self.sites[at].introduced.get_mut(&(a, b)) else { return };
                met.insert(from);
                if met.len() == 2 && !self.sites[at].lost.contains(&other) {
                    let effects = self.sites[at].node.introduce(name_of(a), name_of(b));
                    self.apply(at, effects);
                    self.post(at, a, Packet::Talk(b));
                    self.post(at, b, Packet::Talk(a));
                }
            }
            Packet::Talk(other) => {
                if !self.sites[at].lost.contains(&other) {
                    let effects = self.sites[at].node.introduce(name_of(from), name_of(other));
                    self.apply(at, effects);
                }
            }
            Packet::Parted(other) => self.sites[at].node.part(name_of(from), name_of(other)),
        }
    }

    // ---- the network -------------------------------------------------------------------------------------

    /// Everything that the network can do next.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for ((from, to), lane) in &self.lanes {
            for (number, _) in lane.under_way.iter().take(self.window) {
                steps.push(Step::Deliver { from: *from, to: *to, number: *number });
            }
        }
        if self.disturbed {
            for (at, site) in self.sites.iter().enumerate().filter(|(_, site)| site.alive) {
                for gone in site.links.difference(&site.lost) {
                    if !self.sites[*gone].alive || self.broken.contains(&pair(at, *gone)) {
                        steps.push(Step::Notice { site: at, gone: *gone });
                    }
                }
            }
        }
        steps
    }

    pub fn step(&mut self, step: Step) {
        match step {
            Step::Deliver { from, to, number } => {
                let lane = self.lanes.get_mut(&(from, to)).unwrap();
                let at = lane.under_way.iter().position(|(under_way, _)| *under_way == number).unwrap();
                let (_, packet) = lane.under_way.remove(at).unwrap();
                self.take(from, to, packet);
            }
            Step::Notice { site, gone } => {
                self.sites[site].lost.insert(gone);
                self.silence(gone, site);
                let introducers = &self.sites[site].introducers;
                let introducers: Vec<_> =
                    introducers.iter().filter(|(other, _)| *other == gone).map(|(_, by)| *by).collect();
                for by in introducers {
                    if self.is_linked(site, by) {
                        self.post(site, by, Packet::Parted(gone));
                    }
                }
                let effects = self.sites[site].node.lose(name_of(gone));
                self.apply(site, effects);
            }
        }
    }

    /// A step that can be done next, in words.
    pub fn describe(&self, step: Step) -> String {
        match step {
            Step::Deliver { from, to, number } => {
                let mut under_way = self.lanes[&(from, to)].under_way.iter();
                let packet = under_way.find(|(at, _)| *at == number).map(|(_, packet)| packet);
                format!("{from} to {to}, {number}: {:?}", packet.unwrap())
            }
            Step::Notice { site, gone } => format!("{site} notices the end of its link to {gone}"),
        }
    }

    fn silence(&mut self, from: usize, to: usize) {
        if let Some(lane) = self.lanes.get_mut(&(from, to)) {
            lane.under_way.clear();
        }
    }

    /// Ends a node. Any part of what it has sent still arrives, up to when its death is noticed.
    pub fn kill(&mut self, site: usize) {
        self.disturbed = true;
        self.sites[site].alive = false;
        for end in &mut self.ends {
            if end.held.as_ref().is_some_and(|(at, _)| *at == site) {
                end.held = None;
            }
        }
        (0..self.sites.len()).for_each(|from| self.silence(from, site));
    }

    /// True if two living nodes have a link, which can break.
    pub fn can_break(&self, a: usize, b: usize) -> bool {
        let has = |site: usize, link| self.sites[site].alive && self.sites[site].links.contains(&link);
        !self.broken.contains(&pair(a, b)) && has(a, b) && has(b, a)
    }

    /// Ends a link between two nodes that live on.
    pub fn break_link(&mut self, a: usize, b: usize) {
        self.disturbed = true;
        self.broken.insert(pair(a, b));
    }
}

impl Site {
    fn new(at: usize) -> Self {
        let last_name = AtomicU64::new(0);
        let new_name = move || {
            let number = last_name.fetch_add(1, Ordering::Relaxed) + 1;
            PortName(at as u128 * 1_000_000 + u128::from(number))
        };
        Self {
            node: Node::new(name_of(at), (), new_name),
            alive: true,
            links: BTreeSet::new(),
            lost: BTreeSet::new(),
            introduced: BTreeMap::new(),
            introducers: BTreeSet::new(),
        }
    }
}
