//! What programs do with pipes, and what they may expect of them.

use super::World;
use libmojo_ports::{Amount, FuseError, Message, PortRef, Quota, ReceiveError, Received, SendError};

/// A message of the simulation: the `number`th from the end `sender`, with ends inside.
pub struct Parcel {
    pub sender: usize,
    pub number: u64,
    pub ends: Vec<usize>,
    ports: Vec<PortRef<Parcel>>,
    portable: bool,
    can_be_made_portable: bool,
}

impl Parcel {
    pub fn plain(sender: usize, number: u64) -> Self {
        let (ends, ports) = (Vec::new(), Vec::new());
        Self { sender, number, ends, ports, portable: true, can_be_made_portable: true }
    }
}

impl std::fmt::Debug for Parcel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "message {} of end {} with {:?}", self.number, self.sender, self.ends)
    }
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
    fn num_bytes(&self) -> u64 {
        if self.portable { self.number % 5 * 10 } else { 0 }
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

/// One end of a pipe as the program sees it.
pub struct End {
    pub mate: usize,
    /// The site that has it, and its port there; `None` while it is in transit, and once it is gone.
    pub held: Option<(usize, PortRef<Parcel>)>,
    /// The end whose message it was put into last.
    pub carrier: Option<usize>,
    pub sent: u64,
    /// How many of this end's messages have been received by whoever is at the other side.
    pub delivered: u64,
    /// True if it was closed, by its program or as part of a message that nobody wanted.
    pub closed: bool,
    /// An unconvertible message was sent: the pipe may break once its receiver moves.
    pub fragile: bool,
    /// Its quota in messages, and how many it had sent when it first got one.
    pub quota: Option<(u64, u64)>,
}

/// How a message of the simulation can leave its node.
#[derive(Clone, Copy, PartialEq)]
pub enum Leaves {
    AsItIs,
    Converted,
    Never,
}

impl World {
    /// Makes a pipe and returns its ends.
    pub fn create_pipe(&mut self, site: usize) -> (usize, usize) {
        let (a, b) = self.sites[site].node.create_pipe();
        let first = self.ends.len();
        for (mate, port) in [(first + 1, a), (first, b)] {
            let held = Some((site, port));
            let end =
                End { mate, held, carrier: None, sent: 0, delivered: 0, closed: false, fragile: false, quota: None };
            self.ends.push(end);
        }
        (first, first + 1)
    }

    /// Makes a pipe between two sites that have a link, without a message around the end that moves.
    pub fn connect(&mut self, a: usize, b: usize) -> (usize, usize) {
        let (here, there) = self.create_pipe(a);
        let (_, port) = self.ends[there].held.take().unwrap();
        assert!(self.sites[a].node.begin_transit(&port));
        let (descriptor, effects) = self.sites[a].node.export(&port, super::name_of(b));
        self.apply(a, effects);
        let (port, effects) = self.sites[b].node.import(super::name_of(a), &descriptor).unwrap();
        self.apply(b, effects);
        self.sites[b].node.end_transit(&port);
        self.ends[there].held = Some((b, port));
        (here, there)
    }

    pub fn site_of(&self, end: usize) -> Option<usize> {
        self.ends[end].held.as_ref().map(|(site, _)| *site)
    }

    pub fn held(&self) -> Vec<usize> {
        (0..self.ends.len()).filter(|end| self.ends[*end].held.is_some()).collect()
    }

    /// Sends a message with the given ends inside. True if it was accepted.
    pub fn send(&mut self, end: usize, cargo: &[usize], leaves: Leaves) -> bool {
        let Some((site, port)) = self.ends[end].held.clone() else { return false };
        let node = self.sites[site].node.clone();
        let mut message = Parcel::plain(end, self.ends[end].sent + 1);
        for &inside in cargo {
            let (at, port) = self.ends[inside].held.take().expect("cargo is held");
            assert_eq!(at, site);
            assert!(node.begin_transit(&port));
            self.ends[inside].carrier = Some(end);
            message.ends.push(inside);
            message.ports.push(port);
        }
        message.portable = leaves == Leaves::AsItIs;
        message.can_be_made_portable = leaves != Leaves::Never;
        let sender = &self.ends[end];
        let has_room = sender.quota.is_none_or(|(most, from)| sender.sent - sender.delivered.max(from) < most);
        let outcome = match node.send(&port, message) {
            Err(SendError::NotPortable(mut message)) => match message.make_portable() {
                true => node.send(&port, message),
                false => Err(SendError::NotPortable(message)),
            },
            other => other,
        };
        match outcome {
            Ok(sent) => {
                assert!(has_room, "end {end} has sent more than its quota");
                self.ends[end].sent += 1;
                self.ends[end].fragile |= leaves == Leaves::Never;
                self.apply(site, sent.into_effects());
                true
            }
            Err(
                SendError::NotPortable(message)
                | SendError::PeerClosed(message)
                | SendError::QuotaReached(message)
                | SendError::BadCargo(message),
            ) => {
                self.discard(site, message);
                false
            }
            Err(SendError::NotOpen(_)) => panic!("a held end is open"),
        }
    }

    /// Receives one message, if there is one, and takes the ends out of it.
    pub fn receive(&mut self, end: usize) -> Result<(), ReceiveError> {
        let Some((site, port)) = self.ends[end].held.clone() else { return Err(ReceiveError::NotOpen) };
        let Received { mut message, is_credit_due } = self.sites[site].node.receive(&port)?;
        if is_credit_due {
            let effects = self.sites[site].node.return_credit(&port);
            self.apply(site, effects);
        }
        let sender = &mut self.ends[message.sender];
        assert_eq!(sender.mate, end, "message of end {} at end {end}", message.sender);
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

    /// Has an end send only as long as fewer messages than that, and fewer bytes, are unread at the other.
    pub fn limit(&mut self, end: usize, enforced: Amount) {
        let Some((site, port)) = self.ends[end].held.clone() else { return };
        let sent = self.ends[end].sent;
        self.ends[end].quota = Some((enforced.messages, self.ends[end].quota.map_or(sent, |(_, from)| from)));
        let effects = self.sites[site].node.change_quotas(&port, |quotas| quotas.sent = Quota::enforced(enforced));
        self.apply(site, effects.expect("a held end is open"));
    }

    pub fn close(&mut self, end: usize) {
        if let Some((site, port)) = self.ends[end].held.take() {
            self.ends[end].closed = true;
            let effects = self.sites[site].node.close(&port);
            self.apply(site, effects);
        }
    }

    /// What a program does with a message that it does not want.
    pub fn discard(&mut self, site: usize, mut message: Parcel) {
        for (at, port) in message.take_ports().into_iter().enumerate() {
            // A node that keeps no protocol also sends ports that are no end of anything.
            if let Some(inside) = message.ends.get(at) {
                self.ends[*inside].closed = true;
            }
            let effects = self.sites[site].node.close(&port);
            self.apply(site, effects);
        }
    }

    /// Joins two pipes by one end each, where both are held by one site and nobody would lose sight of an end.
    pub fn fuse(&mut self, b: usize, c: usize) {
        let (Some((site, b_port)), Some((other, c_port))) = (self.ends[b].held.clone(), self.ends[c].held.clone())
        else {
            return;
        };
        if site != other || b == c || self.fusing_would_knot(b, c) {
            return;
        }
        let (a, d) = (self.ends[b].mate, self.ends[c].mate);
        match self.sites[site].node.fuse(&b_port, &c_port) {
            Ok(effects) => {
                self.ends[a].mate = d;
                self.ends[d].mate = a;
                self.ends[b].held = None;
                self.ends[c].held = None;
                self.apply(site, effects);
            }
            Err(FuseError::SamePipe) => assert_eq!(a, c),
            Err(FuseError::HasSent) => assert!(self.ends[b].sent + self.ends[c].sent > 0),
            Err(FuseError::NotOpen) => panic!("held ends are open"),
        }
    }

    // ---- knots -------------------------------------------------------------------------------------------

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

    /// True if sending these ends from this one would lead to a knot.
    pub fn sending_would_knot(&mut self, end: usize, cargo: &[usize]) -> bool {
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

    fn fusing_would_knot(&mut self, b: usize, c: usize) -> bool {
        let (a, d) = (self.ends[b].mate, self.ends[c].mate);
        if a == c {
            return false;
        }
        (self.ends[a].mate, self.ends[d].mate) = (d, a);
        let knotted = self.is_knotted();
        (self.ends[a].mate, self.ends[d].mate) = (b, c);
        knotted
    }
}
