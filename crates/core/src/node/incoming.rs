//! What a link has received: taken by the I/O thread, or by whoever waits for something behind the link.

use super::allowance::Allowance;
use super::frame::{
    ASK, EVENT, INVITATION, InFrame, KNOWN, MEET, MET, PARTED, REGION, REPORT, SWITCH, TAKEN, TALK, WireError,
    violation,
};
use super::link::Link;
use super::reader::{Filled, Reader};
use super::region::{REGION_BYTES, Region};
use super::ring_reader::{RingReader, Step, check_socket_frame};
use super::wire::Part;
use super::{RoutingNode, Sender, apply, introduction, wire};
use crate::deferred::{Deferred, as_system, collect};
use crate::invitation::Arrivals;
use crate::limits::max_unread_per_link;
use crate::pipe::Pipe;
use libmojo_platform::SharedMemory;
use libmojo_ports::{Amount, Effects};
use libmojo_sync::{Arc, Mutex, OnceLock, Rank};
use std::io;

/// How often one link is read from before the others have their turn.
const READS_PER_TURN: usize = 16;

/// How many frames, or pieces of large ones, are taken from a region before the others have their turn.
const STEPS_PER_TURN: usize = 256;

/// More than a region can hold.
const STEPS_AT_END: usize = REGION_BYTES;

/// The incoming side of one link.
pub(super) struct Incoming {
    reader: Reader,
    stage: Stage,
    /// Present once the other side writes into the region.
    ring: Option<RingReader>,
    allowance: Allowance,
}

/// The incoming side of a link, or its absence while a thread takes what has come. No lock is held meanwhile: what comes
/// may lead to foreign code, where something that has to leave the process must be serialized.
pub(super) struct Slot(Mutex<SlotState>);

struct SlotState {
    incoming: Option<Box<Incoming>>,
    /// The I/O thread has found it absent.
    is_wanted: bool,
}

impl Slot {
    pub(super) fn new() -> Self {
        let incoming =
            Incoming { reader: Reader::new(), stage: Stage::Socket, ring: None, allowance: Allowance::default() };
        Self(Mutex::new(Rank::Leaf, SlotState { incoming: Some(Box::new(incoming)), is_wanted: false }))
    }

    fn take(&self, is_wanted: bool) -> Option<Box<Incoming>> {
        let mut slot = self.0.lock();
        let incoming = slot.incoming.take();
        slot.is_wanted |= is_wanted && incoming.is_none();
        incoming
    }

    /// Puts it back. True if the I/O thread has found it absent meanwhile.
    fn put(&self, incoming: Box<Incoming>) -> bool {
        let mut slot = self.0.lock();
        slot.incoming = Some(incoming);
        std::mem::take(&mut slot.is_wanted)
    }
}

/// How far the two sides have got on their way to shared memory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Socket,
    /// This side has offered it.
    Offered,
    /// This side has taken the offer of the other.
    Taken,
    /// The other side writes there, and nowhere else.
    Region,
}

/// What has come of taking what was received.
#[derive(Default)]
pub(crate) struct Drained {
    /// Something was taken.
    pub(crate) has_come: bool,
    /// The link has ended, or is to be ended, for this reason.
    pub(super) end: Option<String>,
    /// What is to be done with no lock held, by a thread that may run foreign code.
    pub(super) afterwards: Afterwards,
}

/// Foreign code that what was received makes due.
#[derive(Default)]
pub(super) struct Afterwards {
    caused: Deferred,
    announced: Vec<Announcement>,
    /// What other processes say of messages that some have sent them.
    reports: Vec<(Arc<Sender>, String)>,
}

/// Pipes of an invitation that has come over a link, for whoever extracts them.
struct Announcement(Arc<Link>, Arc<Arrivals>, Vec<(Vec<u8>, Pipe)>);

impl Afterwards {
    pub(super) fn is_empty(&self) -> bool {
        self.caused.is_empty() && self.announced.is_empty() && self.reports.is_empty()
    }

    pub(super) fn run(self) {
        // What may be fused now comes before what is told about it.
        for Announcement(link, arrivals, pipes) in self.announced {
            arrivals.announce(pipes);
            // What was sent before, to where nobody was yet, is on its way now.
            link.note_established();
        }
        drop(self.caused);
        self.reports.iter().for_each(|(sender, text)| sender.report_bad(text));
    }
}

/// Takes what has come over the socket and into the region, by the I/O thread. Nothing is taken any more once the link has
/// ended.
pub(super) fn receive(node: &RoutingNode, link: &Arc<Link>) -> Drained {
    run(node, |drained| {
        let Some(mut incoming) = link.incoming.take(true) else { return };
        if let Err(error) = Turn::new(node, link, drained).take_all(&mut incoming) {
            drained.end = Some(error.0);
        }
        if drained.end.is_none() {
            link.incoming.put(incoming);
        }
    })
}

/// Takes what has come into the region, unless another thread does so already. If that shows that the link is to be
/// ended, the I/O thread finds that out.
pub(crate) fn drain(node: &RoutingNode, link: &Arc<Link>) -> Drained {
    run(node, |drained| {
        if link.attendance.is_waiting_for_room() {
            link.flush();
        }
        if link.failure().is_some() {
            return;
        }
        let Some(mut incoming) = link.incoming.take(false) else { return };
        let outcome = Turn::new(node, link, drained).take_from_region(&mut incoming, STEPS_PER_TURN);
        let was_called = incoming.ring.as_mut().is_some_and(RingReader::take_doorbell);
        let is_wanted = link.incoming.put(incoming);
        if let Err(error) = outcome {
            link.fail(error.0);
        }
        if was_called || is_wanted {
            link.hand_over();
        }
    })
}

fn run(node: &RoutingNode, body: impl FnOnce(&mut Drained)) -> Drained {
    let mut drained = Drained::default();
    let ((), caused) = node.data().progress.while_taking(|| collect(|| as_system(|| body(&mut drained))));
    drained.afterwards.caused = caused;
    drained
}

/// One thread's turn at a link.
struct Turn<'a> {
    node: &'a RoutingNode,
    link: &'a Arc<Link>,
    drained: &'a mut Drained,
    deferred: Deferred,
}

impl<'a> Turn<'a> {
    fn new(node: &'a RoutingNode, link: &'a Arc<Link>, drained: &'a mut Drained) -> Self {
        Self { node, link, drained, deferred: Deferred::new() }
    }

    fn take_all(&mut self, incoming: &mut Incoming) -> Result<(), WireError> {
        if let Some(failure) = self.link.failure() {
            return violation(failure);
        }
        let mut outcome = Ok(Filled::Some);
        for _ in 0..READS_PER_TURN {
            outcome = incoming.reader.fill(&self.link.socket);
            if !matches!(outcome, Ok(Filled::Some)) {
                break;
            }
            self.take_from_socket(incoming)?;
        }
        let has_ended = !matches!(outcome, Ok(Filled::Some | Filled::Nothing));
        self.take_from_region(incoming, if has_ended { STEPS_AT_END } else { STEPS_PER_TURN })?;
        if has_ended {
            self.drained.end = Some(self.reason(incoming, outcome));
        }
        Ok(())
    }

    /// Why the connection has ended; empty if in good order.
    fn reason(&self, incoming: &Incoming, outcome: io::Result<Filled>) -> String {
        let is_within_frame =
            incoming.reader.is_within_frame() || incoming.ring.as_ref().is_some_and(RingReader::is_within_frame);
        match outcome {
            _ if self.link.failure().is_some() => self.link.failure().unwrap_or_default().into(),
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => error.to_string(),
            // A reset means that the other side went away with something unread, which is no fault of its own.
            _ if is_within_frame => "the connection ended within a frame".into(),
            _ if !self.link.has_greeted() => "the connection ended before the other side said hello".into(),
            _ => String::new(),
        }
    }

    fn take_from_socket(&mut self, incoming: &mut Incoming) -> Result<(), WireError> {
        while let Some(frame) = incoming.reader.next_frame()? {
            self.drained.has_come = true;
            if incoming.stage == Stage::Region {
                check_socket_frame(&frame)?;
                continue;
            }
            self.take_counted(frame, &mut incoming.stage, &mut incoming.allowance)?;
            if let (Stage::Region, Some(region)) = (incoming.stage, self.link.region.get()) {
                incoming.ring = Some(RingReader::new(region.clone()));
                incoming.reader.shrink();
            }
        }
        Ok(())
    }

    fn take_from_region(&mut self, incoming: &mut Incoming, max_steps: usize) -> Result<(), WireError> {
        let Incoming { reader, stage, ring: Some(ring), allowance } = incoming else { return Ok(()) };
        let mut outcome = Ok(());
        for _ in 0..max_steps {
            outcome = match ring.step(reader, &self.link.socket) {
                Ok(Step::Nothing) => break,
                Ok(Step::Piece) => Ok(()),
                Ok(Step::Frame(frame)) => self.take_counted(frame, stage, allowance),
                Err(error) => Err(error),
            };
            self.drained.has_come = true;
            if outcome.is_err() {
                break;
            }
        }
        ring.publish();
        self.link.offer_room();
        outcome
    }

    /// Takes a frame, and sees to it that not too much from this link waits for the program.
    fn take_counted(
        &mut self,
        frame: InFrame<'_>,
        stage: &mut Stage,
        allowance: &mut Allowance,
    ) -> Result<(), WireError> {
        let added = Amount { messages: 1, bytes: (frame.meta.len() + frame.payload.len()) as u64 };
        self.take_frame(frame, stage)?;
        let count = || {
            // Nothing waits before it has said its name.
            let Some(peer) = self.link.peer.get() else { return Amount::NONE };
            self.node.unread(*peer, |message| message.weight_from(&self.link.sender))
        };
        match allowance.spend(added, max_unread_per_link(), count) {
            Ok(()) => Ok(()),
            Err(Amount { messages, bytes }) => {
                violation(format!("{messages} messages, {bytes} bytes, that nobody takes"))
            }
        }
    }

    fn take_frame(&mut self, frame: InFrame<'_>, stage: &mut Stage) -> Result<(), WireError> {
        let (node, link) = (self.node, self.link);
        if !link.has_greeted() {
            return self.greet(&frame, stage);
        }
        let Some(peer) = link.peer.get() else { return violation("a hello without a name") };
        match frame.kind {
            EVENT => self.take_event(frame),
            INVITATION => self.take_invitation(&frame),
            REGION => self.take_region(frame, stage),
            TAKEN => self.take_answer(&frame, stage),
            SWITCH => self.take_switch(stage),
            ASK => introduction::take_ask(node, link, &frame),
            KNOWN => introduction::take_known(node, *peer, &frame),
            MEET => introduction::take_meet(node, link, *peer, frame),
            MET => introduction::take_met(node, *peer, &frame, &mut self.deferred),
            TALK => introduction::take_talk(node, link, *peer, &frame, &mut self.deferred),
            PARTED => introduction::take_parted(node, *peer, &frame),
            REPORT => {
                self.drained.afterwards.reports.extend(introduction::take_report(node, *peer, &frame)?);
                Ok(())
            }
            // Later versions may say more.
            _ => Ok(()),
        }
    }

    fn take_event(&mut self, frame: InFrame<'_>) -> Result<(), WireError> {
        let Some(mut event) = wire::decode_event(frame, &self.link.sender)? else { return Ok(()) };
        let Some(peer) = self.link.peer.get() else { return Ok(()) };
        event.rename_nodes(|name| self.link.name_here(self.node, name));
        let (outcome, effects) = match self.node.accept(*peer, event) {
            Ok(effects) => (Ok(()), effects),
            Err((error, effects)) => (violation(format!("{error:?}")), effects),
        };
        apply(self.node, effects, &mut self.deferred);
        outcome
    }

    fn take_invitation(&mut self, frame: &InFrame<'_>) -> Result<(), WireError> {
        let (Some(peer), Some(arrivals)) = (self.link.peer.get(), self.link.role.arrivals()) else {
            return violation("an invitation that nobody waits for");
        };
        if arrivals.is_answered() || self.drained.afterwards.announced.iter().any(|other| other.is_for(arrivals)) {
            return violation("a second invitation");
        }
        let (mut pipes, mut outcome) = (Vec::new(), Ok(()));
        for (name, mut descriptor) in wire::decode_invitation(frame)? {
            descriptor.rename_nodes(|name| self.link.name_here(self.node, name));
            match self.node.import(*peer, &descriptor) {
                Ok((port, effects)) => {
                    let pipe = Pipe::from_port(port);
                    pipe.end_transit();
                    apply(self.node, effects, &mut self.deferred);
                    pipes.push((name, pipe));
                }
                Err(error) => outcome = violation(format!("{error:?}")),
            }
        }
        // Whatever came is somebody's, also if the link is to be given up.
        self.drained.afterwards.announced.push(Announcement(self.link.clone(), arrivals.clone(), pipes));
        outcome
    }

    /// Takes the first frame of the other side.
    fn greet(&mut self, frame: &InFrame<'_>, stage: &mut Stage) -> Result<(), WireError> {
        let (node, link) = (self.node, self.link);
        let hello = wire::decode_hello(frame)?;
        if !link.part.goes_with(hello.part) {
            return violation("the two sides want different connections");
        }
        let is_named = match link.peer.get() {
            Some(name) => hello.node == *name,
            None => hello.node != node.name() && hello.node != link.own && node.data().links.enter(hello.node, link),
        };
        if !is_named {
            return violation("the other side goes by a name that is taken");
        }
        let _ = link.peer.set(hello.node);
        let _ = link.identity.set(hello.identity);
        link.note_greeting();
        if hello.part == Part::Introduced {
            link.note_established();
        }
        if let Some(pipes) = link.role.begin(link.own, hello) {
            let mut effects = Effects::none();
            let mut described = Vec::with_capacity(pipes.len());
            for mut named in pipes {
                let Some((name, pipe)) = named.take() else { continue };
                let (mut descriptor, more) = node.export(pipe.port(), hello.node);
                descriptor.rename_nodes(|name| link.name_on_link(node, name));
                apply(node, std::mem::replace(&mut effects, more), &mut self.deferred);
                described.push((name, descriptor));
            }
            apply(node, effects, &mut self.deferred);
            link.send(wire::encode_invitation(&described));
            link.note_established();
        }
        if hello.can_share_memory && can_share_memory() && link.offers_region(hello) {
            self.offer_region(stage);
        }
        Ok(())
    }

    // ---- shared memory -----------------------------------------------------------------------------------

    /// Offers the other side to go on in shared memory. Without memory things go on as they are.
    fn offer_region(&self, stage: &mut Stage) {
        let Ok((region, memory)) = Region::create() else { return };
        let (Some(descriptor), _) = memory.into_descriptors() else { return };
        if self.link.region.set(region).is_ok() {
            *stage = Stage::Offered;
            self.link.send(wire::encode_region(descriptor));
        }
    }

    /// Takes the offer of the other side, if possible.
    fn take_region(&self, frame: InFrame<'_>, stage: &mut Stage) -> Result<(), WireError> {
        if *stage != Stage::Socket {
            return violation("an offer of shared memory, of which there is one");
        }
        let memory = wire::decode_region(frame)?.filter(|_| can_share_memory());
        let memory = memory.map(|fd| SharedMemory::from_descriptors(Some(fd), None, REGION_BYTES as u64));
        match memory.and_then(Result::ok).and_then(|memory| Region::join(&memory).ok()) {
            Some(region) => {
                let _ = self.link.region.set(region.clone());
                *stage = Stage::Taken;
                self.link.send_and_switch(wire::encode_taken(true), &region);
            }
            None => self.link.send(wire::encode_taken(false)),
        }
        Ok(())
    }

    /// Takes the answer to an offer.
    fn take_answer(&self, frame: &InFrame<'_>, stage: &mut Stage) -> Result<(), WireError> {
        let is_taken = wire::decode_taken(frame)?;
        match self.link.region.get() {
            Some(region) if *stage == Stage::Offered => {
                *stage = if is_taken { Stage::Region } else { Stage::Socket };
                if is_taken {
                    self.link.send_and_switch(wire::encode_switch(), region);
                }
                Ok(())
            }
            _ => violation("an answer to no offer of shared memory"),
        }
    }

    fn take_switch(&self, stage: &mut Stage) -> Result<(), WireError> {
        if *stage != Stage::Taken {
            return violation("a switch to shared memory that was not agreed on");
        }
        *stage = Stage::Region;
        Ok(())
    }
}

impl Announcement {
    fn is_for(&self, arrivals: &Arc<Arrivals>) -> bool {
        Arc::ptr_eq(&self.1, arrivals)
    }
}

/// True unless the environment variable `LIBMOJO_SHARED_MEMORY` is `0`: a process that is started with that exchanges
/// everything over sockets, where it can be looked at, and where nothing depends on shared memory.
pub(super) fn can_share_memory() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| std::env::var_os("LIBMOJO_SHARED_MEMORY").is_none_or(|value| value != "0"))
}
