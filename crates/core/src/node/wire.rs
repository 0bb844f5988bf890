//! How routing events, messages with attachments, and hellos look on a link.
//!
//! | what | fields |
//! |---|---|
//! | address | node (16), port (16) |
//! | event | to (16), from (16), number (8), body kind (1), then by kind |
//! | … 0 message | attachments: count (4), each kind (1) and fields; ports: count (4), each a port |
//! | … 1 closure, 3 acknowledgement, 4 acceptance | – |
//! | … 2 previous hop, 5 observe proxy | address |
//! | … 6 probe | port (16), hops left (2) |
//! | … 7 message with nothing attached | – |
//! | … 8 meter | step (amount), begins anew (1), uncounted messages if so (8) |
//! | … 9 credit | amount |
//! | amount | messages (8), bytes (8) |
//! | port | name (16), has a peer (1), peer address if so, previous (16), has sent (1), quota on what it sends, on what it gets |
//! | quota on what it sends | has one (1), if so limit and what is used of it (amounts) |
//! | quota on what it gets | has one (1), if so limit (amount), has a meter (1), if so step, what was taken (amounts), uncounted (8) |
//! | attachment 0 pipe | – ; takes the next port |
//! | … 1 producer, 2 consumer | element (4), capacity (4), index (8); one descriptor; takes the next port |
//! | … 3 buffer | size (8), guid (16), has a writable (1), has a read-only descriptor (1); one or two descriptors |
//! | … 4 descriptor | has one (1); one or no descriptor |
//! | … 5 lost | comes with a port (1) |
//! | hello | magic (8), lowest and highest version (2 each), features (4), node (16), part (1), identity (16) |
//! | region | sizes of a lane for frames, and of one for large things (4 each); one descriptor |
//! | taken | is taken (1) |
//! | switch | – |
//! | ask | number (8), identity of the other (16) |
//! | known | number (8), count (4), each: own name (16), peer's name (16) |
//! | meet | number (8), own name (16), peer's name and identity (16 each), known as (16 each), has a socket (1) |
//! | met | number (8), is there (1) |
//! | … known as | what the introducer calls the peer, what the peer calls the introducer |
//! | talk, parted | number (8) |
//! | report | number (8), text |

use super::Sender;
use super::frame::{
    ASK, EVENT, Fields, HELLO, INVITATION, InFrame, KNOWN, MEET, MET, Meta, OutFrame, REGION, REPORT, SWITCH, TAKEN,
    WireError, violation,
};
use super::region::{BULK_LANE_BYTES, FRAME_LANE_BYTES};
use crate::attachment::{Attachment, Cargo};
use crate::buffer::{Guid, SharedBuffer};
use crate::data_pipe::{Ring, Role};
use crate::limits::{
    MAX_ATTACHMENTS, MAX_INVITATION_NAME_BYTES, MAX_INVITATION_PIPES, MAX_KNOWN_LINKS, MAX_REPORT_BYTES,
};
use crate::message::Message;
use crate::object::Object;
use crate::payload::Payload;
use crate::platform_handle::PlatformHandle;
use libmojo_platform::SharedMemory;
use libmojo_ports::{Address, Amount, Body, Event, Meter, NodeName, PortDescriptor, PortName, Receiving, Sending};
use libmojo_sync::Arc;
use std::os::fd::OwnedFd;

/// The versions of the protocol that this library speaks.
const VERSIONS: std::ops::RangeInclusive<u16> = 1..=1;
const MAGIC: [u8; 8] = *b"libmojo\0";

const MESSAGE: u8 = 0;
const CLOSURE: u8 = 1;
const PREVIOUS_HOP: u8 = 2;
const OBSERVE_PROXY_ACK: u8 = 3;
const ACCEPTED: u8 = 4;
const OBSERVE_PROXY: u8 = 5;
const PROBE: u8 = 6;
const MERE_MESSAGE: u8 = 7;
const METER: u8 = 8;
const CREDIT: u8 = 9;

const PIPE: u8 = 0;
const PRODUCER: u8 = 1;
const CONSUMER: u8 = 2;
const BUFFER: u8 = 3;
const DESCRIPTOR: u8 = 4;
const LOST: u8 = 5;

// ---- hello -----------------------------------------------------------------------------------------------

/// What each side says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    /// What the node is called on this link.
    pub(super) node: NodeName,
    pub(super) part: Part,
    /// The same on all its links, so that a node can tell whether two of them lead to one place. Merely claimed.
    pub(super) identity: u128,
    /// It can go on in shared memory.
    pub(super) can_share_memory: bool,
}

/// The features that a hello can name.
const SHARED_MEMORY: u32 = 1;

/// The part that a side takes in the making of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Invitee,
    Inviter,
    /// As the first two, but the sides want to know nothing more of each other.
    IsolatedInvitee,
    IsolatedInviter,
    /// A third node has made them acquainted.
    Introduced,
}

impl Part {
    pub(super) const ALL: [Part; 5] =
        [Part::Invitee, Part::Inviter, Part::IsolatedInvitee, Part::IsolatedInviter, Part::Introduced];

    pub(super) fn is_isolated(self) -> bool {
        matches!(self, Part::IsolatedInvitee | Part::IsolatedInviter)
    }

    /// True if a connection can come of these two. Of isolated nodes both may invite.
    pub(super) fn goes_with(self, other: Part) -> bool {
        matches!(
            (self, other),
            (Part::Invitee, Part::Inviter)
                | (Part::Inviter, Part::Invitee)
                | (Part::IsolatedInvitee, Part::IsolatedInviter)
                | (Part::IsolatedInviter, Part::IsolatedInvitee | Part::IsolatedInviter)
                | (Part::Introduced, Part::Introduced)
        )
    }
}

pub(super) fn encode_hello(hello: Hello) -> OutFrame {
    let mut meta = MAGIC.to_vec();
    meta.extend_from_slice(&VERSIONS.start().to_le_bytes());
    meta.extend_from_slice(&VERSIONS.end().to_le_bytes());
    let features = if hello.can_share_memory { SHARED_MEMORY } else { 0 };
    meta.extend_from_slice(&features.to_le_bytes());
    meta.extend_from_slice(&hello.node.0.to_le_bytes());
    meta.push(hello.part as u8);
    meta.extend_from_slice(&hello.identity.to_le_bytes());
    OutFrame::plain(HELLO, meta)
}

pub(super) fn decode_hello(frame: &InFrame<'_>) -> Result<Hello, WireError> {
    let mut fields = Fields::new(&frame.meta);
    if frame.kind != HELLO || fields.array::<8>()? != MAGIC {
        return violation("the other side does not speak this protocol");
    }
    let (lowest, highest) = (fields.u16()?, fields.u16()?);
    if lowest > *VERSIONS.end() || highest < *VERSIONS.start() || lowest > highest {
        return violation(format!("the other side speaks versions {lowest} to {highest}, this one {VERSIONS:?}"));
    }
    // Features that only the other side has are of no use. Later versions may say more behind these fields.
    let can_share_memory = fields.u32()? & SHARED_MEMORY != 0;
    let (node, part, identity) = (NodeName(fields.u128()?), fields.u8()?, fields.u128()?);
    match Part::ALL.get(usize::from(part)) {
        Some(part) => Ok(Hello { node, part: *part, identity, can_share_memory }),
        None => violation(format!("a hello with an unknown part {part}")),
    }
}

// ---- shared memory ---------------------------------------------------------------------------------------

/// An offer of shared memory for the link, of this version's sizes.
pub(super) fn encode_region(memory: OwnedFd) -> OutFrame {
    let sizes = [FRAME_LANE_BYTES, BULK_LANE_BYTES].map(count).concat();
    OutFrame { descriptors: vec![memory], ..OutFrame::plain(REGION, sizes) }
}

/// Reads an offer; `None` if it is of other sizes, or this process has no room for the descriptor.
pub(super) fn decode_region(frame: InFrame<'_>) -> Result<Option<OwnedFd>, WireError> {
    let mut fields = Fields::new(&frame.meta);
    let sizes = [fields.u32()? as usize, fields.u32()? as usize];
    let mut descriptors = frame.descriptors.into_iter();
    let (Some(memory), None) = (descriptors.next(), descriptors.next()) else {
        return violation("an offer of shared memory that does not come with just that");
    };
    Ok(memory.filter(|_| sizes == [FRAME_LANE_BYTES, BULK_LANE_BYTES]))
}

pub(super) fn encode_taken(is_taken: bool) -> OutFrame {
    OutFrame::plain(TAKEN, vec![is_taken.into()])
}

pub(super) fn decode_taken(frame: &InFrame<'_>) -> Result<bool, WireError> {
    let mut fields = Fields::new(&frame.meta);
    let is_taken = fields.bool()?;
    fields.end()?;
    Ok(is_taken)
}

pub(super) fn encode_switch() -> OutFrame {
    OutFrame::plain(SWITCH, Vec::new())
}

// ---- invitation ------------------------------------------------------------------------------------------

pub(super) fn encode_invitation(pipes: &[(Vec<u8>, PortDescriptor)]) -> OutFrame {
    let mut meta = Meta::from_slice(&count(pipes.len()));
    for (name, port) in pipes {
        meta.extend_from_slice(&count(name.len()));
        meta.extend_from_slice(name);
        put_port(&mut meta, port);
    }
    OutFrame::plain(INVITATION, meta)
}

pub(super) fn decode_invitation(frame: &InFrame<'_>) -> Result<Vec<(Vec<u8>, PortDescriptor)>, WireError> {
    let mut fields = Fields::new(&frame.meta);
    let mut pipes = Vec::new();
    for _ in 0..fields.count(MAX_INVITATION_PIPES, "pipes of an invitation")? {
        let len = fields.count(MAX_INVITATION_NAME_BYTES, "the name of a pipe")?;
        pipes.push((fields.bytes(len)?.to_vec(), get_port(&mut fields)?));
    }
    fields.end()?;
    Ok(pipes)
}

// ---- introductions ---------------------------------------------------------------------------------------

/// What the nodes at the two ends of a link are called there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LinkNames {
    pub(super) own: NodeName,
    pub(super) peer: NodeName,
}

impl LinkNames {
    /// The same link from the other end.
    pub(super) fn reversed(self) -> Self {
        Self { own: self.peer, peer: self.own }
    }
}

pub(super) fn encode_ask(number: u64, identity: u128) -> OutFrame {
    OutFrame::plain(ASK, [number.to_le_bytes().as_slice(), &identity.to_le_bytes()].concat())
}

pub(super) fn decode_ask(frame: &InFrame<'_>) -> Result<(u64, u128), WireError> {
    let mut fields = Fields::new(&frame.meta);
    let decoded = (fields.u64()?, fields.u128()?);
    fields.end()?;
    Ok(decoded)
}

pub(super) fn encode_known(number: u64, links: &[LinkNames]) -> OutFrame {
    let mut meta = number.to_le_bytes().to_vec();
    meta.extend_from_slice(&count(links.len()));
    for LinkNames { own, peer } in links {
        meta.extend_from_slice(&own.0.to_le_bytes());
        meta.extend_from_slice(&peer.0.to_le_bytes());
    }
    OutFrame::plain(KNOWN, meta)
}

pub(super) fn decode_known(frame: &InFrame<'_>) -> Result<(u64, Vec<LinkNames>), WireError> {
    let mut fields = Fields::new(&frame.meta);
    let number = fields.u64()?;
    let mut links = Vec::new();
    for _ in 0..fields.count(MAX_KNOWN_LINKS, "links to one node")? {
        links.push(get_names(&mut fields)?);
    }
    fields.end()?;
    Ok((number, links))
}

/// An offer to make use of a link.
pub(super) struct Meet {
    pub(super) number: u64,
    pub(super) names: LinkNames,
    /// Who the node at the other side says it is.
    pub(super) identity: u128,
    pub(super) known_as: KnownAs,
    /// The link itself, unless there is one already.
    pub(super) socket: Option<OwnedFd>,
}

/// In which names to speak of third nodes.
pub(super) struct KnownAs {
    /// What the node that makes the offer calls the one at the other side.
    pub(super) peer: NodeName,
    /// What that one calls the node that makes the offer.
    pub(super) introducer: NodeName,
}

pub(super) fn encode_meet(meet: Meet) -> OutFrame {
    let mut meta = meet.number.to_le_bytes().to_vec();
    let Meet { names, identity, ref known_as, .. } = meet;
    for name in [names.own.0, names.peer.0, identity, known_as.peer.0, known_as.introducer.0] {
        meta.extend_from_slice(&name.to_le_bytes());
    }
    meta.push(meet.socket.is_some().into());
    OutFrame { descriptors: meet.socket.into_iter().collect(), ..OutFrame::plain(MEET, meta) }
}

/// Reads an offer. The socket is missing if this process has no room for it.
pub(super) fn decode_meet(frame: InFrame<'_>) -> Result<(Meet, bool), WireError> {
    let mut fields = Fields::new(&frame.meta);
    let (number, names, identity) = (fields.u64()?, get_names(&mut fields)?, fields.u128()?);
    let known_as = KnownAs { peer: NodeName(fields.u128()?), introducer: NodeName(fields.u128()?) };
    let has_socket = fields.bool()?;
    fields.end()?;
    if frame.descriptors.len() != usize::from(has_socket) {
        return violation("an introduction without its socket, or with too many");
    }
    let socket = frame.descriptors.into_iter().next().flatten();
    Ok((Meet { number, names, identity, known_as, socket }, has_socket))
}

pub(super) fn encode_met(number: u64, is_there: bool) -> OutFrame {
    OutFrame::plain(MET, [number.to_le_bytes().as_slice(), &[is_there.into()]].concat())
}

pub(super) fn decode_met(frame: &InFrame<'_>) -> Result<(u64, bool), WireError> {
    let mut fields = Fields::new(&frame.meta);
    let decoded = (fields.u64()?, fields.bool()?);
    fields.end()?;
    Ok(decoded)
}

/// Something about an introduction: [`TALK`](super::frame::TALK) or [`PARTED`](super::frame::PARTED).
pub(super) fn encode_about(kind: u16, number: u64) -> OutFrame {
    OutFrame::plain(kind, number.to_le_bytes().to_vec())
}

pub(super) fn decode_about(frame: &InFrame<'_>) -> Result<u64, WireError> {
    let mut fields = Fields::new(&frame.meta);
    let number = fields.u64()?;
    fields.end()?;
    Ok(number)
}

pub(super) fn encode_report(number: u64, text: &str) -> OutFrame {
    let mut end = text.len().min(MAX_REPORT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.get(..end).unwrap_or_default();
    OutFrame::plain(REPORT, [number.to_le_bytes().as_slice(), text.as_bytes()].concat())
}

pub(super) fn decode_report(frame: &InFrame<'_>) -> Result<(u64, String), WireError> {
    let mut fields = Fields::new(&frame.meta);
    let number = fields.u64()?;
    let text = fields.rest();
    if text.len() > MAX_REPORT_BYTES {
        return violation(format!("a report of {} bytes", text.len()));
    }
    Ok((number, String::from_utf8_lossy(text).into_owned()))
}

fn get_names(fields: &mut Fields<'_>) -> Result<LinkNames, WireError> {
    Ok(LinkNames { own: NodeName(fields.u128()?), peer: NodeName(fields.u128()?) })
}

// ---- events ----------------------------------------------------------------------------------------------

pub(super) fn encode_event(event: Event<Message>) -> OutFrame {
    let mut meta = Meta::new();
    meta.extend_from_slice(&event.to.0.to_le_bytes());
    meta.extend_from_slice(&event.from.0.to_le_bytes());
    meta.extend_from_slice(&event.number.to_le_bytes());
    let mut payload = Payload::default();
    let mut descriptors = Vec::new();
    let mut is_urgent = true;
    match event.body {
        Body::Message { message, ports } if message.num_attachments() == 0 && ports.is_empty() => {
            is_urgent = false;
            meta.push(MERE_MESSAGE);
            payload = message.into_contents().0;
        }
        Body::Message { message, ports } => {
            // One that waits for the ports in it has not got them before they have arrived.
            is_urgent = !ports.is_empty();
            meta.push(MESSAGE);
            let (bytes, attachments) = message.into_contents();
            payload = bytes;
            meta.extend_from_slice(&count(attachments.len()));
            for attachment in &attachments {
                put_attachment(&mut meta, &mut descriptors, attachment);
            }
            meta.extend_from_slice(&count(ports.len()));
            ports.iter().for_each(|port| put_port(&mut meta, port));
        }
        Body::Closure => meta.push(CLOSURE),
        Body::PreviousHop(address) => {
            meta.push(PREVIOUS_HOP);
            put_address(&mut meta, address);
        }
        Body::ObserveProxyAck => meta.push(OBSERVE_PROXY_ACK),
        Body::Accepted => meta.push(ACCEPTED),
        Body::ObserveProxy(address) => {
            meta.push(OBSERVE_PROXY);
            put_address(&mut meta, address);
        }
        Body::Probe { origin, hops_left } => {
            meta.push(PROBE);
            meta.extend_from_slice(&origin.0.to_le_bytes());
            meta.extend_from_slice(&hops_left.to_le_bytes());
        }
        Body::Meter { step, uncounted } => {
            meta.push(METER);
            put_amount(&mut meta, step);
            meta.push(uncounted.is_some().into());
            if let Some(uncounted) = uncounted {
                meta.extend_from_slice(&uncounted.to_le_bytes());
            }
        }
        Body::Credit(amount) => {
            meta.push(CREDIT);
            put_amount(&mut meta, amount);
        }
    }
    OutFrame { payload, descriptors, to: Some(event.to), is_urgent, ..OutFrame::plain(EVENT, meta) }
}

/// Reads an event. `None` if it is of a kind that this version does not know.
pub(super) fn decode_event(frame: InFrame<'_>, sender: &Arc<Sender>) -> Result<Option<Event<Message>>, WireError> {
    let InFrame { meta, payload, descriptors, .. } = frame;
    let mut fields = Fields::new(&meta);
    let (to, from, number) = (PortName(fields.u128()?), PortName(fields.u128()?), fields.u64()?);
    let body = match fields.u8()? {
        MESSAGE => {
            let mut descriptors = descriptors.into_iter();
            let mut attachments = Vec::new();
            for _ in 0..fields.count(MAX_ATTACHMENTS, "attachments of a message")? {
                attachments.push(Attachment::from(get_attachment(&mut fields, &mut descriptors)?));
            }
            if descriptors.next().is_some() {
                return violation("a descriptor that belongs to no attachment");
            }
            let mut ports = Vec::new();
            for _ in 0..fields.count(MAX_ATTACHMENTS, "ports of a message")? {
                ports.push(get_port(&mut fields)?);
            }
            let awaiting = attachments.iter().filter(|attachment| attachment.awaits_port()).count();
            if awaiting != ports.len() {
                return violation(format!("{} ports for {awaiting} attachments that need one", ports.len()));
            }
            Body::Message { message: Message::received(payload, attachments, sender.clone()), ports }
        }
        MERE_MESSAGE => {
            if !descriptors.is_empty() {
                return violation("a descriptor with a message that has no attachments");
            }
            let message = Message::received(payload, Vec::new(), sender.clone());
            Body::Message { message, ports: Vec::new() }
        }
        CLOSURE => Body::Closure,
        PREVIOUS_HOP => Body::PreviousHop(get_address(&mut fields)?),
        OBSERVE_PROXY_ACK => Body::ObserveProxyAck,
        ACCEPTED => Body::Accepted,
        OBSERVE_PROXY => Body::ObserveProxy(get_address(&mut fields)?),
        METER => Body::Meter {
            step: get_amount(&mut fields)?,
            uncounted: if fields.bool()? { Some(fields.u64()?) } else { None },
        },
        CREDIT => Body::Credit(get_amount(&mut fields)?),
        PROBE => Body::Probe { origin: PortName(fields.u128()?), hops_left: fields.u16()? },
        _ => return Ok(None),
    };
    fields.end()?;
    Ok(Some(Event { to, from, number, body }))
}

// ---- attachments -----------------------------------------------------------------------------------------

/// Describes an attachment and takes the descriptors it needs. One that cannot be sent, because this process has
/// no descriptors left to duplicate them with, is described as lost.
fn put_attachment(meta: &mut Meta, descriptors: &mut Vec<OwnedFd>, attachment: &Attachment) {
    match attachment.cargo() {
        Cargo::Here(Object::Pipe(_)) => meta.push(PIPE),
        Cargo::Here(Object::Producer(producer)) => put_data_pipe(meta, descriptors, producer.end()),
        Cargo::Here(Object::Consumer(consumer)) => put_data_pipe(meta, descriptors, consumer.end()),
        Cargo::Here(Object::Buffer(buffer)) => match buffer.copy_memory() {
            Ok(memory) => {
                let (num_bytes, guid) = (memory.len(), buffer.guid());
                let (writable, read_only) = memory.into_descriptors();
                meta.push(BUFFER);
                meta.extend_from_slice(&num_bytes.to_le_bytes());
                meta.extend_from_slice(&guid.high.to_le_bytes());
                meta.extend_from_slice(&guid.low.to_le_bytes());
                meta.push(writable.is_some().into());
                meta.push(read_only.is_some().into());
                descriptors.extend(writable);
                descriptors.extend(read_only);
            }
            Err(_) => put_lost(meta, false),
        },
        Cargo::Here(Object::Platform(handle)) => {
            let descriptor = handle.take();
            meta.push(DESCRIPTOR);
            meta.push(descriptor.is_some().into());
            descriptors.extend(descriptor);
        }
        Cargo::Lost { port, .. } => put_lost(meta, port.is_some()),
        // Never put into a message, or already taken out of it.
        Cargo::Here(Object::Watcher(_) | Object::Invitation(_))
        | Cargo::ArrivingPipe
        | Cargo::ArrivingData { .. }
        | Cargo::Taken => put_lost(meta, false),
    }
}

fn put_lost(meta: &mut Meta, comes_with_port: bool) {
    meta.push(LOST);
    meta.push(comes_with_port.into());
}

fn put_data_pipe(meta: &mut Meta, descriptors: &mut Vec<OwnedFd>, end: &crate::data_pipe::End) {
    let ring = end.ring();
    let writable = ring.memory().restricted(true, false).ok().and_then(|memory| memory.into_descriptors().0);
    let Some(writable) = writable else { return put_lost(meta, true) };
    meta.push(if end.role() == Role::Producer { PRODUCER } else { CONSUMER });
    meta.extend_from_slice(&ring.element().to_le_bytes());
    meta.extend_from_slice(&ring.capacity().to_le_bytes());
    meta.extend_from_slice(&end.index().to_le_bytes());
    descriptors.push(writable);
}

type Descriptors = std::vec::IntoIter<Option<OwnedFd>>;

fn next_descriptor(descriptors: &mut Descriptors) -> Result<Option<OwnedFd>, WireError> {
    descriptors.next().ok_or_else(|| WireError("an attachment without its descriptor".into()))
}

/// Reads an attachment. What cannot be used in this process, for want of descriptors or because it is not what it
/// was said to be, becomes a lost one: the message arrives all the same.
fn get_attachment(fields: &mut Fields<'_>, descriptors: &mut Descriptors) -> Result<Cargo, WireError> {
    let lost = |comes_with_port| Cargo::Lost { comes_with_port, port: None };
    match fields.u8()? {
        PIPE => Ok(Cargo::ArrivingPipe),
        kind @ (PRODUCER | CONSUMER) => {
            let role = if kind == PRODUCER { Role::Producer } else { Role::Consumer };
            let (element, capacity, index) = (fields.u32()?, fields.u32()?, fields.u64()?);
            let writable = next_descriptor(descriptors)?;
            let num_bytes = Ring::memory_bytes(capacity);
            let memory = writable.and_then(|fd| SharedMemory::from_descriptors(Some(fd), None, num_bytes).ok());
            let ring = memory.and_then(|memory| Ring::arrived(memory, element, capacity).ok());
            Ok(match ring {
                Some(ring) => Cargo::ArrivingData { role, ring: Arc::new(ring), index },
                None => lost(true),
            })
        }
        BUFFER => {
            let num_bytes = fields.u64()?;
            let guid = Guid { high: fields.u64()?, low: fields.u64()? };
            let (has_writable, has_read_only) = (fields.bool()?, fields.bool()?);
            let writable = if has_writable { next_descriptor(descriptors)? } else { None };
            let read_only = if has_read_only { next_descriptor(descriptors)? } else { None };
            if has_writable != writable.is_some() || has_read_only != read_only.is_some() {
                return Ok(lost(false));
            }
            Ok(match SharedMemory::from_descriptors(writable, read_only, num_bytes) {
                Ok(memory) => Cargo::Here(Object::Buffer(SharedBuffer::from_parts(memory, guid))),
                Err(_) => lost(false),
            })
        }
        DESCRIPTOR => {
            let has_one = fields.bool()?;
            let descriptor = if has_one { next_descriptor(descriptors)? } else { None };
            Ok(if has_one && descriptor.is_none() {
                lost(false)
            } else {
                Cargo::Here(Object::Platform(PlatformHandle::new(descriptor)))
            })
        }
        LOST => Ok(lost(fields.bool()?)),
        other => violation(format!("an attachment of unknown kind {other}")),
    }
}

// ---- ports -----------------------------------------------------------------------------------------------

fn count(len: usize) -> [u8; 4] {
    // Every list is held against a limit far below 2³² before it gets here.
    u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes()
}

fn put_address(meta: &mut Meta, address: Address) {
    meta.extend_from_slice(&address.node.0.to_le_bytes());
    meta.extend_from_slice(&address.port.0.to_le_bytes());
}

fn get_address(fields: &mut Fields<'_>) -> Result<Address, WireError> {
    Ok(Address { node: NodeName(fields.u128()?), port: PortName(fields.u128()?) })
}

fn put_port(meta: &mut Meta, port: &PortDescriptor) {
    meta.extend_from_slice(&port.name.0.to_le_bytes());
    meta.push(port.peer.is_some().into());
    if let Some(peer) = port.peer {
        put_address(meta, peer);
    }
    meta.extend_from_slice(&port.previous.0.to_le_bytes());
    meta.push(port.has_sent.into());
    meta.push(port.sending.is_some().into());
    if let Some(sending) = &port.sending {
        let (limit, used) = sending.parts();
        [limit, used].into_iter().for_each(|amount| put_amount(meta, amount));
    }
    meta.push(port.receiving.is_some().into());
    if let Some(receiving) = &port.receiving {
        let (limit, meter) = receiving.parts();
        put_amount(meta, limit);
        meta.push(meter.is_some().into());
        if let Some(meter) = meter {
            [meter.step, meter.taken].into_iter().for_each(|amount| put_amount(meta, amount));
            meta.extend_from_slice(&meter.uncounted.to_le_bytes());
        }
    }
}

fn get_port(fields: &mut Fields<'_>) -> Result<PortDescriptor, WireError> {
    let name = PortName(fields.u128()?);
    let peer = if fields.bool()? { Some(get_address(fields)?) } else { None };
    let (previous, has_sent) = (PortName(fields.u128()?), fields.bool()?);
    let mut sending = None;
    if fields.bool()? {
        sending = Some(Box::new(Sending::from_parts(get_amount(fields)?, get_amount(fields)?)));
    }
    let mut receiving = None;
    if fields.bool()? {
        let limit = get_amount(fields)?;
        let mut meter = None;
        if fields.bool()? {
            meter = Some(Meter { step: get_amount(fields)?, taken: get_amount(fields)?, uncounted: fields.u64()? });
        }
        receiving = Some(Box::new(Receiving::from_parts(limit, meter)));
    }
    Ok(PortDescriptor { name, peer, previous, has_sent, sending, receiving })
}

fn put_amount(meta: &mut Meta, amount: Amount) {
    meta.extend_from_slice(&amount.messages.to_le_bytes());
    meta.extend_from_slice(&amount.bytes.to_le_bytes());
}

fn get_amount(fields: &mut Fields<'_>) -> Result<Amount, WireError> {
    Ok(Amount { messages: fields.u64()?, bytes: fields.u64()? })
}
