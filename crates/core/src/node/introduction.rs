//! Introductions: how two nodes between which this one passes things on come to talk directly.
//!
//! Whoever is in between knows both; nobody else has to. It asks each whether there is a link to the other already,
//! and otherwise makes one and gives each an end. On that link it gives the two names of their own, so no node can pretend
//! to be one that somebody else has introduced; and it tells each by what names the others know the third of them, in
//! which all speak of each other from then on. When both have said that they have their ends, each may make use of
//! it, and what was passed on is left out. Until then, and if any of this fails, things go on being passed on.

use super::frame::{InFrame, PARTED, TALK, WireError, violation};
use super::link::Link;
use super::wire::{self, KnownAs, LinkNames, Meet};
use super::{RoutingNode, Sender, apply};
use crate::deferred::Deferred;
use libmojo_platform::{Socket, random};
use libmojo_ports::NodeName;
use libmojo_sync::{Arc, Mutex, Rank};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Who has made an introduction, and that node's number for it.
pub(super) type IntroductionId = (NodeName, u64);

/// The introductions that a node makes, or has made, and those by which it speaks.
pub(super) struct Introductions(Mutex<Table>);

#[derive(Default)]
struct Table {
    /// The introduction by which this node speaks to each of two others about the other one, the lower name first: the
    /// first that was completed. There can be more than one link between those two, and whoever tells two nodes how
    /// to reach each other has to mean the same link when it speaks to one as when it speaks to the other.
    spoken: HashMap<[NodeName; 2], Spoken>,
    last_number: u64,
    /// The lower name first.
    numbers: HashMap<[NodeName; 2], u64>,
    by_number: HashMap<u64, Introduction>,
}

struct Spoken {
    introduction: IntroductionId,
    /// The link between the two is gone. What was said to one of them before is still to be said to the other.
    is_over: bool,
}

struct Introduction {
    pair: [NodeName; 2],
    stage: Stage,
}

enum Stage {
    /// Both are asked which links to the other they have.
    Asked([Option<Vec<LinkNames>>; 2]),
    /// Both have been offered one; who has taken it.
    Offered([bool; 2]),
    /// They know each other, or never will.
    Over,
}

fn sorted(mut pair: [NodeName; 2]) -> [NodeName; 2] {
    pair.sort();
    pair
}

impl Introduction {
    /// Which of the two a node is.
    fn position(&self, name: NodeName) -> Option<usize> {
        self.pair.iter().position(|other| *other == name)
    }
}

impl Introductions {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Rank::Leaf, Table::default()))
    }

    /// Begins one, unless these two had theirs.
    fn begin(&self, pair: [NodeName; 2]) -> Option<u64> {
        let mut table = self.0.lock();
        let number = table.last_number + 1;
        if table.numbers.contains_key(&sorted(pair)) {
            return None;
        }
        table.last_number = number;
        table.numbers.insert(sorted(pair), number);
        table.by_number.insert(number, Introduction { pair, stage: Stage::Asked([None, None]) });
        Some(number)
    }

    /// Takes the answer of one. Returns the two with their links once both have answered.
    fn note_known(
        &self,
        number: u64,
        from: NodeName,
        links: Vec<LinkNames>,
    ) -> Option<([NodeName; 2], [Vec<LinkNames>; 2])> {
        let mut table = self.0.lock();
        let introduction = table.by_number.get_mut(&number)?;
        let position = introduction.position(from)?;
        let Stage::Asked(answers) = &mut introduction.stage else { return None };
        *answers.get_mut(position)? = Some(links);
        let [Some(first), Some(second)] = answers else { return None };
        let known = [std::mem::take(first), std::mem::take(second)];
        introduction.stage = Stage::Offered([false; 2]);
        Some((introduction.pair, known))
    }

    /// Takes the answer of one. Returns the two once both have the link.
    fn note_met(&self, number: u64, from: NodeName, is_there: bool) -> Option<[NodeName; 2]> {
        let mut table = self.0.lock();
        let introduction = table.by_number.get_mut(&number)?;
        let position = introduction.position(from)?;
        let Stage::Offered(met) = &mut introduction.stage else { return None };
        *met.get_mut(position)? = is_there;
        let is_done = *met == [true; 2];
        if is_done || !is_there {
            introduction.stage = Stage::Over;
        }
        is_done.then_some(introduction.pair)
    }

    /// Speaks by an introduction that is complete, unless it does so by another.
    fn speak(&self, pair: [NodeName; 2], introduction: IntroductionId) {
        let mut table = self.0.lock();
        let spoken = Spoken { introduction, is_over: false };
        match table.spoken.entry(sorted(pair)) {
            Entry::Occupied(mut known) if known.get().is_over => drop(known.insert(spoken)),
            Entry::Occupied(_) => {}
            Entry::Vacant(vacant) => drop(vacant.insert(spoken)),
        }
    }

    /// Begins nothing more by an introduction, as its link is gone. True if it has spoken by it.
    fn cease(&self, pair: [NodeName; 2], introduction: IntroductionId) -> bool {
        let mut table = self.0.lock();
        let known = table.spoken.get_mut(&sorted(pair)).filter(|known| known.introduction == introduction);
        known.is_some_and(|known| !std::mem::replace(&mut known.is_over, true))
    }

    /// The introduction by which to speak to a node about another one.
    pub(super) fn spoken_of(&self, to: NodeName, about: NodeName) -> Option<IntroductionId> {
        self.0.lock().spoken.get(&sorted([to, about])).map(|known| known.introduction)
    }

    /// The other one of two that this node has introduced.
    fn other(&self, number: u64, from: NodeName) -> Option<NodeName> {
        let table = self.0.lock();
        let introduction = table.by_number.get(&number)?;
        introduction.pair.get(1 - introduction.position(from)?).copied()
    }

    /// Gives up all with a node that is gone.
    pub(super) fn forget(&self, name: NodeName) {
        let mut table = self.0.lock();
        table.spoken.retain(|pair, _| !pair.contains(&name));
        table.numbers.retain(|pair, _| !pair.contains(&name));
        table.by_number.retain(|_, introduction| introduction.position(name).is_none());
    }
}

// ---- the node in between ---------------------------------------------------------------------------------

/// Introduces two nodes to each other, unless this was done or tried before.
pub(super) fn begin(node: &RoutingNode, a: NodeName, b: NodeName, deferred: &mut Deferred) {
    let links = &node.data().links;
    let (Some(link_a), Some(link_b)) = (links.find(a), links.find(b)) else { return };
    if link_a.part.is_isolated() || link_b.part.is_isolated() {
        return;
    }
    let (Some(identity_a), Some(identity_b)) = (link_a.identity.get(), link_b.identity.get()) else { return };
    if identity_a == identity_b {
        // It is told of itself.
        apply(node, node.introduce(a, b), deferred);
    } else if let Some(number) = node.data().introductions.begin([a, b]) {
        link_a.send(wire::encode_ask(number, *identity_b));
        link_b.send(wire::encode_ask(number, *identity_a));
    }
}

/// Takes what one of the two says about its links.
pub(super) fn take_known(node: &RoutingNode, from: NodeName, frame: &InFrame<'_>) -> Result<(), WireError> {
    let (number, known) = wire::decode_known(frame)?;
    let Some(([a, b], [known_a, known_b])) = node.data().introductions.note_known(number, from, known) else {
        return Ok(());
    };
    let links = &node.data().links;
    let (Some(link_a), Some(link_b)) = (links.find(a), links.find(b)) else { return Ok(()) };
    let (Some(identity_a), Some(identity_b)) = (link_a.identity.get(), link_b.identity.get()) else { return Ok(()) };
    let common = known_a.into_iter().find(|names| known_b.contains(&names.reversed()));
    let (names, sockets) = match common {
        Some(names) => (names, None),
        None => match Socket::pair() {
            Ok(sockets) => (LinkNames { own: new_name(), peer: new_name() }, Some(sockets)),
            // Without descriptors things go on as they are.
            Err(_) => return Ok(()),
        },
    };
    let (socket_a, socket_b) = sockets.map(|(a, b)| (a.into(), b.into())).unzip();
    let introduction = (node.name(), number);
    let (names_a, names_b) = (names, names.reversed());
    if !link_a.acquaint(b, introduction, names_a.peer) || !link_b.acquaint(a, introduction, names_b.peer) {
        return Ok(());
    }
    let meet = |names, identity: &u128, peer, other: &Link, socket| {
        let known_as = KnownAs { peer, introducer: other.own };
        wire::encode_meet(Meet { number, names, identity: *identity, known_as, socket })
    };
    link_a.send(meet(names_a, identity_b, b, &link_b, socket_a));
    link_b.send(meet(names_b, identity_a, a, &link_a, socket_b));
    Ok(())
}

/// Takes what one of the two says about the link that it was offered.
pub(super) fn take_met(
    node: &RoutingNode,
    from: NodeName,
    frame: &InFrame<'_>,
    deferred: &mut Deferred,
) -> Result<(), WireError> {
    let (number, is_there) = wire::decode_met(frame)?;
    let Some([a, b]) = node.data().introductions.note_met(number, from, is_there) else { return Ok(()) };
    node.data().introductions.speak([a, b], (node.name(), number));
    apply(node, node.introduce(a, b), deferred);
    for name in [a, b] {
        if let Some(link) = node.data().links.find(name) {
            link.send(wire::encode_about(TALK, number));
        }
    }
    Ok(())
}

/// Takes the news that the link between two that were introduced is gone.
pub(super) fn take_parted(node: &RoutingNode, from: NodeName, frame: &InFrame<'_>) -> Result<(), WireError> {
    let number = wire::decode_about(frame)?;
    let introductions = &node.data().introductions;
    if let Some(other) = introductions.other(number, from)
        && introductions.cease([from, other], (node.name(), number))
    {
        node.part(from, other);
    }
    Ok(())
}

/// Takes a report about a node that was introduced to the one that reports. Returns whom to report it of.
pub(super) fn take_report(
    node: &RoutingNode,
    from: NodeName,
    frame: &InFrame<'_>,
) -> Result<Option<(Arc<Sender>, String)>, WireError> {
    let (number, text) = wire::decode_report(frame)?;
    let other = node.data().introductions.other(number, from);
    let reported = other.and_then(|other| node.data().links.find(other));
    Ok(reported.map(|reported| (reported.sender.clone(), text)))
}

// ---- those who are introduced ----------------------------------------------------------------------------

/// Says which links there are to a node.
pub(super) fn take_ask(node: &RoutingNode, link: &Link, frame: &InFrame<'_>) -> Result<(), WireError> {
    let (number, identity) = wire::decode_ask(frame)?;
    link.send(wire::encode_known(number, &node.data().links.with_identity(identity)));
    Ok(())
}

/// Takes the offer of a link.
pub(super) fn take_meet(
    node: &RoutingNode,
    link: &Arc<Link>,
    from: NodeName,
    frame: InFrame<'_>,
) -> Result<(), WireError> {
    let (meet, has_socket) = wire::decode_meet(frame)?;
    let Meet { number, names, identity, known_as, socket } = meet;
    if link.part.is_isolated() {
        return violation("an introduction over an isolated connection");
    }
    let links = &node.data().links;
    let offered = match socket.map(Socket::from_fd) {
        Some(Ok(socket)) => {
            let sender = Sender::introduced(link, number);
            links.admit(node, socket, names, identity, sender)
        }
        Some(Err(_)) => return violation("an introduction with something that is no connected socket"),
        None if has_socket => None,
        None => links.find(names.peer).filter(|link| link.own == names.own && !link.part.is_isolated()),
    };
    let introduction = (from, number);
    let is_met = offered.as_ref().is_some_and(|offered| {
        link.acquaint(names.peer, introduction, known_as.peer)
            && offered.acquaint(from, introduction, known_as.introducer)
    });
    match offered {
        Some(_) if is_met => node.acquaint(from, names.peer),
        Some(refused) if has_socket => refused.close(),
        _ => {}
    }
    link.send(wire::encode_met(number, is_met));
    Ok(())
}

/// Makes use of a link that the other side has too.
pub(super) fn take_talk(
    node: &RoutingNode,
    link: &Link,
    from: NodeName,
    frame: &InFrame<'_>,
    deferred: &mut Deferred,
) -> Result<(), WireError> {
    let introduction = (from, wire::decode_about(frame)?);
    if let Some(peer) = link.introduced(introduction) {
        node.data().introductions.speak([from, peer], introduction);
        apply(node, node.introduce(from, peer), deferred);
    }
    Ok(())
}

/// Tells those who have brought about a link, or make use of it for an introduction, that it is gone.
pub(super) fn report_end(node: &RoutingNode, link: &Link) {
    for (introducer, number) in link.introductions() {
        if let Some(introducer) = node.data().links.find(introducer) {
            introducer.send(wire::encode_about(PARTED, number));
        }
    }
}

fn new_name() -> NodeName {
    NodeName(u128::from_le_bytes(random::<16>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_speaks_by_the_first_introduction_until_its_link_is_gone_and_another_is_complete() {
        let introductions = Introductions::new();
        let [a, b, by] = [1, 2, 3].map(NodeName);
        let speaks = || [introductions.spoken_of(a, b), introductions.spoken_of(b, a)];
        assert_eq!(speaks(), [None; 2]);
        introductions.speak([a, b], (by, 1));
        introductions.speak([b, a], (by, 2));
        assert_eq!(speaks(), [Some((by, 1)); 2]);
        assert!(!introductions.cease([a, b], (by, 2)), "it does not speak by this one");
        assert!(introductions.cease([b, a], (by, 1)));
        assert!(!introductions.cease([a, b], (by, 1)), "no more");
        assert_eq!(speaks(), [Some((by, 1)); 2], "of what it has begun to speak of");
        introductions.speak([a, b], (by, 2));
        assert_eq!(speaks(), [Some((by, 2)); 2]);
        introductions.forget(b);
        assert_eq!(speaks(), [None; 2]);
    }
}
