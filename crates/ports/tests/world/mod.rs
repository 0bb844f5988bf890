//! A simulated network of nodes: real routing code, pretended links, one seed.
//!
//! Every schedule is checked against a model of what pipes promise: each message that was accepted for sending
//! is received exactly once and in order, or its pipe is reported closed; closing is always noticed; and when
//! everything is at rest no proxy is left that could be avoided.

use libmojo_ports::{
    Address, Body, Effects, Event, FuseError, Message, Node, NodeName, PortName, PortRef, ReceiveError, SendError, Sent,
};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A message of the simulation: the `number`th from the end `sender`, with ends inside.
pub struct Parcel {
    pub sender: usize,
    pub number: u64,
    pub ends: Vec<usize>,
    ports: Vec<PortRef<Parcel>>,
    portable: bool,
    can_be_made_portable: bool,
}

impl Message for Parcel {
    type PortData = ();
    type NodeData = ();

    fn is_portable(&self) -> bool {
        self.portable
    }
    fn make_portable(&mut self) -> bool {
        self.portable = self.can_be_made_portable;
        self.portable
    }
    fn any_port(&self, test: &mut dyn FnMut(&PortRef<Self>) -> bool) -> bool {
        self.ports.iter().any(test)
    }
    fn take_ports(&mut self) -> Vec<PortRef<Self>> {
        std::mem::take(&mut self.ports)
    }
    fn put_ports(&mut self, ports: Vec<PortRef<Self>>) {
        self.ports = ports;
    }
    fn is_watched(_: &()) -> bool {
        false
    }
}

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
enum Packet {
    Event(Event<Parcel>),
    /// Here is a link to another node.
    Meet(usize),
    /// The other node has got its end of it too.
    Met(usize),
}

/// How far an introduction has come.
#[derive(Default)]
struct Introduction {
    /// Which of the two have got their ends.
    met: HashSet<usize>,
}

/// What may happen in a schedule.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub nodes: usize,
    pub topology: Topology,
    pub steps: usize,
    /// Packets of one link overtake each other.
    pub reorder: bool,
    pub kills: bool,
    pub fuses: bool,
    /// Ends are closed in the middle of everything.
    pub closes: bool,
    /// Some messages cannot leave their node, some only after conversion.
    pub unportable: bool,
}

struct Site {
    node: Arc<Node<Parcel>>,
    alive: bool,
    /// Dead nodes this one has been told about.
    knows_dead: HashSet<usize>,
}

/// One end of a pipe as the program sees it.
struct End {
    mate: usize,
    held: Option<(usize, PortRef<Parcel>)>,
    /// The end whose message it was put into last.
    carrier: Option<usize>,
    sent: u64,
    /// How many of this end's messages have been received by whoever is at the other side.
    delivered: u64,
    closed_by_user: bool,
    /// An unconvertible message was sent: the pipe may break once its receiver moves.
    fragile: bool,
}

pub struct World {
    pub rng: fastrand::Rng,
    plan: Plan,
    sites: Vec<Site>,
    links: HashMap<(usize, usize), VecDeque<Packet>>,
    /// Pairs that have a link, lower node first.
    linked: HashSet<(usize, usize)>,
    /// By the node that introduces, and the two, lower node first.
    introductions: HashMap<(usize, usize, usize), Introduction>,
    ends: Vec<End>,
}

fn name_of(site: usize) -> NodeName {
    NodeName(1000 + site as u128)
}

fn site_of(name: NodeName) -> usize {
    (name.0 - 1000) as usize
}

impl World {
    pub fn new(seed: u64, plan: Plan) -> Self {
        let names = Arc::new(AtomicU64::new(1));
        let sites = (0..plan.nodes)
            .map(|site| {
                let names = names.clone();
                let new_name = move || PortName(names.fetch_add(1, Ordering::Relaxed).into());
                Site { node: Node::new(name_of(site), (), new_name), alive: true, knows_dead: HashSet::new() }
            })
            .collect();
        let mut world = Self {
            rng: fastrand::Rng::with_seed(seed),
            plan,
            sites,
            links: HashMap::new(),
            linked: HashSet::new(),
            introductions: HashMap::new(),
            ends: Vec::new(),
        };
        for b in 1..plan.nodes {
            let neighbours = match plan.topology {
                Topology::Mesh => 0..b,
                Topology::Star | Topology::GrowingStar => 0..1,
                Topology::GrowingLine => b - 1..b,
            };
            for a in neighbours {
                world.linked.insert((a, b));
                world.connect(a, b);
            }
        }
        if plan.topology == Topology::Mesh {
            for (a, b) in world.linked.clone() {
                for site in 0..plan.nodes {
                    let effects = world.sites[site].node.introduce(name_of(a), name_of(b));
                    world.apply(site, effects);
                }
            }
        }
        world
    }

    /// Gives two nodes a first pipe in common.
    fn connect(&mut self, a: usize, b: usize) {
        let (_, moving) = self.create_pipe(a);
        let (_, port) = self.ends[moving].held.take().unwrap();
        assert!(self.sites[a].node.begin_transit(&port));
        let (descriptor, effects) = self.sites[a].node.export(&port, name_of(b));
        self.apply(a, effects);
        let (port, effects) = self.sites[b].node.import(name_of(a), &descriptor).unwrap();
        self.apply(b, effects);
        self.sites[b].node.end_transit(&port);
        self.ends[moving].held = Some((b, port));
    }

    // ---- the driver --------------------------------------------------------------------------------------

    fn apply(&mut self, site: usize, effects: Effects<Parcel>) {
        let mut lost = Vec::new();
        for (to, event) in effects.forward {
            let to = site_of(to);
            assert!(self.linked(site, to), "node {site} has no link to {to}");
            if self.sites[site].knows_dead.contains(&to) {
                lost.push(to);
            } else if self.sites[to].alive {
                self.post(site, to, Packet::Event(event));
            }
        }
        if self.plan.topology.grows() {
            for (a, b) in effects.apart {
                self.begin_introduction(site, site_of(a), site_of(b));
            }
        }
        for name in effects.neighbours {
            let to = site_of(name);
            if self.sites[site].knows_dead.contains(&to) {
                lost.push(to);
            }
        }
        for message in effects.dropped {
            self.discard(site, message);
        }
        for dead in lost {
            let effects = self.sites[site].node.lose(name_of(dead));
            self.apply(site, effects);
        }
    }

    fn linked(&self, a: usize, b: usize) -> bool {
        self.linked.contains(&(a.min(b), a.max(b)))
    }

    fn post(&mut self, from: usize, to: usize, packet: Packet) {
        self.links.entry((from, to)).or_default().push_back(packet);
    }

    /// Gives two neighbours of a node a link to each other.
    fn begin_introduction(&mut self, by: usize, a: usize, b: usize) {
        let (a, b) = (a.min(b), a.max(b));
        if self.introductions.contains_key(&(by, a, b)) {
            return;
        }
        self.introductions.insert((by, a, b), Introduction::default());
        for (to, other) in [(a, b), (b, a)] {
            if self.sites[to].alive {
                self.post(by, to, Packet::Meet(other));
            }
        }
    }

    fn take_meeting(&mut self, by: usize, at: usize, other: usize) {
        let (a, b) = (at.min(other), at.max(other));
        self.sites[at].node.acquaint(name_of(by), name_of(other));
        let introduction = self.introductions.get_mut(&(by, a, b)).unwrap();
        introduction.met.insert(at);
        // Whoever has got an end hears of the death of the one that has, or would have, the other.
        self.linked.insert((a, b));
        if introduction.met.len() == 2 && self.sites[by].alive {
            let effects = self.sites[by].node.introduce(name_of(a), name_of(b));
            self.apply(by, effects);
            for (to, other) in [(a, b), (b, a)] {
                if self.sites[to].alive {
                    self.post(by, to, Packet::Met(other));
                }
            }
        }
    }

    /// What a program does with a message that it does not want.
    fn discard(&mut self, site: usize, mut message: Parcel) {
        for port in message.take_ports() {
            let effects = self.sites[site].node.close(&port);
            self.apply(site, effects);
        }
    }

    /// Delivers one packet, or one notice of a node's death. False if there is none.
    pub fn step_network(&mut self) -> bool {
        let mut busy: Vec<(usize, usize)> =
            self.links.iter().filter(|(_, queue)| !queue.is_empty()).map(|(link, _)| *link).collect();
        busy.sort_unstable();
        let mut notices = Vec::new();
        for site in 0..self.sites.len() {
            for dead in 0..self.sites.len() {
                let unaware = self.sites[site].alive
                    && !self.sites[dead].alive
                    && self.linked(site, dead)
                    && !self.sites[site].knows_dead.contains(&dead);
                if unaware && !busy.contains(&(dead, site)) {
                    notices.push((site, dead));
                }
            }
        }
        if busy.is_empty() && notices.is_empty() {
            return false;
        }
        let pick = self.rng.usize(..busy.len() + notices.len());
        if pick >= busy.len() {
            let (site, dead) = notices[pick - busy.len()];
            self.sites[site].knows_dead.insert(dead);
            let effects = self.sites[site].node.lose(name_of(dead));
            self.apply(site, effects);
            return true;
        }
        let (from, to) = busy[pick];
        let queue = self.links.get_mut(&(from, to)).unwrap();
        let at = if self.plan.reorder { self.rng.usize(..queue.len().min(8)) } else { 0 };
        let packet = queue.remove(at).unwrap();
        if !self.sites[to].alive {
            return true;
        }
        match packet {
            Packet::Event(event) => {
                let effects = self.sites[to].node.accept(name_of(from), event);
                let effects = effects.map_err(|(violation, _)| violation).expect("honest nodes keep the protocol");
                self.apply(to, effects);
            }
            Packet::Meet(other) => self.take_meeting(from, to, other),
            Packet::Met(other) => {
                let effects = self.sites[to].node.introduce(name_of(from), name_of(other));
                self.apply(to, effects);
            }
        }
        true
    }

    // ---- the program -------------------------------------------------------------------------------------

    pub fn create_pipe(&mut self, site: usize) -> (usize, usize) {
        let (a, b) = self.sites[site].node.create_pipe();
        let first = self.ends.len();
        for (mate, port) in [(first + 1, a), (first, b)] {
            let held = Some((site, port));
            let end = End { mate, held, carrier: None, sent: 0, delivered: 0, closed_by_user: false, fragile: false };
            self.ends.push(end);
        }
        (first, first + 1)
    }

    /// Sends a message with the given ends inside. True if it was accepted.
    pub fn send(&mut self, end: usize, cargo: &[usize], portable: bool, convertible: bool) -> bool {
        let Some((site, port)) = self.ends[end].held.clone() else { return false };
        let node = self.sites[site].node.clone();
        let mut ports = Vec::new();
        for &inside in cargo {
            let (_, port) = self.ends[inside].held.take().expect("cargo is held");
            assert!(node.begin_transit(&port));
            self.ends[inside].carrier = Some(end);
            ports.push(port);
        }
        let number = self.ends[end].sent + 1;
        let message =
            Parcel { sender: end, number, ends: cargo.to_vec(), ports, portable, can_be_made_portable: convertible };
        let outcome = match node.send(&port, message) {
            Err(SendError::NotPortable(mut message)) => {
                if message.make_portable() {
                    node.send(&port, message)
                } else {
                    Err(SendError::NotPortable(message))
                }
            }
            other => other,
        };
        match outcome {
            Ok(sent) => {
                self.ends[end].sent = number;
                self.ends[end].fragile |= !portable && !convertible;
                if let Sent::With(effects) = sent {
                    self.apply(site, effects);
                }
                true
            }
            Err(SendError::NotPortable(message) | SendError::PeerClosed(message) | SendError::BadCargo(message)) => {
                self.discard(site, message);
                false
            }
            Err(SendError::NotOpen(_)) => panic!("a held end is open"),
        }
    }

    /// Receives one message, if there is one, and takes the ends out of it.
    pub fn receive(&mut self, end: usize) -> Result<(), ReceiveError> {
        let Some((site, port)) = self.ends[end].held.clone() else { return Err(ReceiveError::NotOpen) };
        let mut message = self.sites[site].node.receive(&port)?;
        let sender = &mut self.ends[message.sender];
        assert_eq!(message.number, sender.delivered + 1, "message of end {} out of order", message.sender);
        sender.delivered = message.number;
        let ports = message.take_ports();
        assert_eq!(ports.len(), message.ends.len());
        for (inside, port) in message.ends.iter().zip(ports) {
            self.sites[site].node.end_transit(&port);
            assert!(self.ends[*inside].held.is_none(), "end {inside} is in two places");
            self.ends[*inside].held = Some((site, port));
        }
        Ok(())
    }

    pub fn close(&mut self, end: usize) {
        if let Some((site, port)) = self.ends[end].held.take() {
            self.ends[end].closed_by_user = true;
            let effects = self.sites[site].node.close(&port);
            self.apply(site, effects);
        }
    }

    /// True if following an end to the end that will receive it, and so on, leads back to where it began: nobody
    /// can ever reach such ends, and a program that builds such a knot has lost them by its own doing.
    fn is_knotted(&self) -> bool {
        (0..self.ends.len()).any(|first| {
            let mut at = first;
            for _ in 0..=self.ends.len() {
                if self.ends[at].held.is_some() {
                    return false;
                }
                let Some(carrier) = self.ends[at].carrier else { return false };
                at = self.ends[carrier].mate;
            }
            true
        })
    }

    fn would_knot(&mut self, end: usize, cargo: &[usize]) -> bool {
        let before: Vec<_> =
            cargo.iter().map(|inside| (self.ends[*inside].held.take(), self.ends[*inside].carrier)).collect();
        cargo.iter().for_each(|inside| self.ends[*inside].carrier = Some(end));
        let knotted = self.is_knotted();
        for (inside, (held, carrier)) in cargo.iter().zip(before) {
            self.ends[*inside].held = held;
            self.ends[*inside].carrier = carrier;
        }
        knotted
    }

    fn fuse(&mut self, b: usize, c: usize) {
        let (Some((site, b_port)), Some((other, c_port))) = (self.ends[b].held.clone(), self.ends[c].held.clone())
        else {
            return;
        };
        if site != other || b == c {
            return;
        }
        let (a, d) = (self.ends[b].mate, self.ends[c].mate);
        if a != c {
            (self.ends[a].mate, self.ends[d].mate) = (d, a);
            let knotted = self.is_knotted();
            (self.ends[a].mate, self.ends[d].mate) = (b, c);
            if knotted {
                return;
            }
        }
        match self.sites[site].node.fuse(&b_port, &c_port) {
            Ok(effects) => {
                self.ends[a].mate = d;
                self.ends[d].mate = a;
                self.ends[b].held = None;
                self.ends[c].held = None;
                self.apply(site, effects);
            }
            Err(FuseError::SamePipe) => assert_eq!(self.ends[b].mate, c),
            Err(FuseError::HasSent) => assert!(self.ends[b].sent + self.ends[c].sent > 0),
            Err(FuseError::NotOpen) => panic!("held ends are open"),
        }
    }

    fn kill(&mut self, site: usize) {
        self.sites[site].alive = false;
        for end in &mut self.ends {
            if end.held.as_ref().is_some_and(|(at, _)| *at == site) {
                end.held = None;
            }
        }
        for ((from, to), queue) in &mut self.links {
            if *to == site {
                queue.clear();
            } else if *from == site {
                let kept = self.rng.usize(..=queue.len());
                queue.truncate(kept);
            }
        }
    }

    fn held(&self) -> Vec<usize> {
        (0..self.ends.len()).filter(|end| self.ends[*end].held.is_some()).collect()
    }

    fn living(&mut self) -> usize {
        loop {
            let site = self.rng.usize(..self.sites.len());
            if self.sites[site].alive {
                return site;
            }
        }
    }

    /// One random thing that a program may do.
    pub fn step_program(&mut self) {
        let held = self.held();
        if held.is_empty() || self.rng.u32(..8) == 0 {
            let site = self.living();
            self.create_pipe(site);
            return;
        }
        let end = held[self.rng.usize(..held.len())];
        match self.rng.u32(..100) {
            0..30 => {
                let portable = !self.plan.unportable || self.rng.bool();
                let convertible = portable || self.rng.u32(..8) != 0;
                self.send(end, &[], portable, convertible);
            }
            30..60 => {
                let site = self.ends[end].held.as_ref().map(|(site, _)| *site);
                let mut cargo: Vec<usize> = held
                    .iter()
                    .copied()
                    .filter(|other| *other != end && self.ends[end].mate != *other)
                    .filter(|other| self.ends[*other].held.as_ref().map(|(site, _)| *site) == site)
                    .collect();
                self.rng.shuffle(&mut cargo);
                cargo.truncate(self.rng.usize(1..4));
                if !self.would_knot(end, &cargo) {
                    self.send(end, &cargo, true, true);
                }
            }
            60..85 => {
                let _ = self.receive(end);
            }
            85..90 if self.plan.closes => self.close(end),
            90..96 if self.plan.fuses => {
                let other = held[self.rng.usize(..held.len())];
                self.fuse(end, other);
            }
            96 if self.plan.kills && self.sites.iter().filter(|site| site.alive).count() > 1 => {
                // In a star the centre stays: without it nobody could reach anybody.
                let site = self.living();
                if self.plan.topology != Topology::Star || site != 0 {
                    self.kill(site);
                }
            }
            _ => {}
        }
    }

    // ---- properties --------------------------------------------------------------------------------------

    /// Lets everything arrive and be read.
    fn settle(&mut self) {
        loop {
            let mut quiet = true;
            while self.step_network() {
                quiet = false;
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

    fn is_closed(&self, end: usize) -> bool {
        let (_, port) = self.ends[end].held.as_ref().expect("asked of a held end");
        let status = port.status();
        assert!(status.more_may_come || status.peer_closed, "end {end} is half closed");
        status.peer_closed && !status.more_may_come
    }

    fn check_proxies(&self) {
        for (at, site) in self.sites.iter().enumerate().filter(|(_, site)| site.alive) {
            if self.plan.topology != Topology::Star || at != 0 {
                assert_eq!(site.node.proxy_count(), 0, "proxies left in node {at}: {:#?}", site.node.named_ports());
            }
        }
    }

    /// Runs the schedule to its end and checks everything that must hold there.
    pub fn finish(&mut self) {
        self.settle();
        // A message each way tells the pipes that still work from those that do not.
        for end in self.held() {
            self.send(end, &[], true, true);
        }
        self.settle();
        self.check_proxies();
        for end in self.held() {
            let mate = self.ends[end].mate;
            if self.ends[mate].held.is_none() {
                assert!(self.is_closed(end), "end {end} does not know that its peer {mate} is gone");
                continue;
            }
            let broken = self.is_closed(end);
            assert_eq!(broken, self.is_closed(mate), "ends {end} and {mate} disagree");
            if !broken {
                assert_eq!(self.ends[end].delivered, self.ends[end].sent, "messages of end {end} are lost");
            } else {
                let may_break = self.plan.kills || self.ends[end].fragile || self.ends[mate].fragile;
                assert!(may_break || self.plan.fuses && self.plan.unportable, "end {end} is closed without a reason");
            }
        }
        for end in self.held() {
            self.close(end);
        }
        self.settle();
        for (at, site) in self.sites.iter().enumerate().filter(|(_, site)| site.alive) {
            let left = site.node.named_ports();
            assert!(left.is_empty(), "ports left in node {at}: {left:#?}");
        }
    }

    /// Addresses of all ports that can be addressed.
    pub fn addresses(&self) -> Vec<(Address, PortRef<Parcel>)> {
        let mut all = Vec::new();
        for site in &self.sites {
            for port in site.node.named_ports() {
                let event_name = format!("{port:?}");
                let digits: String = event_name
                    .split("PortName(")
                    .nth(1)
                    .map(|rest| rest.chars().take_while(char::is_ascii_digit).collect())
                    .unwrap_or_default();
                if let Ok(number) = digits.parse() {
                    all.push((Address { node: site.node.name(), port: PortName(number) }, port));
                }
            }
        }
        all.sort_by_key(|(address, _)| (address.node.0, address.port.0));
        all
    }

    /// Lets a node that keeps no protocol at all say something to a node of this world.
    pub fn accept_hostile(&mut self, from: NodeName, to: NodeName, event: Event<Parcel>) {
        let site = site_of(to);
        let effects = match self.sites[site].node.accept(from, event) {
            Ok(effects) | Err((_, effects)) => effects,
        };
        // What is meant for the hostile node goes nowhere.
        let Effects { forward, changed, dropped, neighbours, .. } = effects;
        let known = |name: &NodeName| name.0 >= 1000 && site_of(*name) < self.plan.nodes;
        let forward = forward.into_iter().filter(|(name, _)| known(name)).collect();
        let neighbours = neighbours.into_iter().filter(|name| known(name)).collect();
        self.apply(site, Effects { forward, changed, dropped, neighbours, apart: Vec::new() });
    }

    pub fn lose_hostile(&mut self, node: NodeName) {
        for site in 0..self.sites.len() {
            let effects = self.sites[site].node.lose(node);
            self.apply(site, effects);
        }
    }

    pub fn hostile_parcel(&self, port_count: usize) -> (Body<Parcel>, usize) {
        let message = Parcel {
            sender: usize::MAX,
            number: 0,
            ends: Vec::new(),
            ports: Vec::new(),
            portable: true,
            can_be_made_portable: true,
        };
        (Body::Message { message, ports: Vec::new() }, port_count)
    }
}
