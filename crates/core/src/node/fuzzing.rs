//! The parts of a link laid open to fuzzers, and to tests that play a hostile process. Only with the feature `fuzzing`.
//!
//! Each target is a function over bytes that a fuzzer has chosen. It panics if anything does not hold; whatever the bytes
//! say, nothing may.
// A test: a panic is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::Sender;
use super::frame::{
    ASK, EVENT, HELLO, INVITATION, InFrame, KNOWN, MEET, MET, OutFrame, PARTED, REGION, REPORT, TAKEN, TALK,
};
use super::frame::{HEADER_BYTES, Header, WireError};
use super::reader::{Filled, Reader};
use super::region::{BULK_LANE_BYTES, FRAME_LANE_BYTES, REGION_BYTES, Region};
use super::ring_reader::{RingReader, Step};
use super::wire::{self, Hello, Part};
use crate::data_pipe::{DataPipeError, ReadInto, create_data_pipe};
use crate::message::Message;
use crate::node::Node;
use crate::payload::Payload;
use libmojo_platform::{Mapping, SharedMemory, Socket};
use libmojo_ports::{Body, Event, NodeName, PortDescriptor};
use libmojo_sync::atomic::Ordering;
use std::borrow::Cow;
use std::fs::File;
use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};

// ---- bytes -----------------------------------------------------------------------------------------------

/// Takes choices from bytes. When they are out everything is zero.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// Begins at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// True if no byte is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next bytes, so many or what is left.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.bytes(usize::MAX)
    }

    /// The next byte.
    pub fn u8(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    /// The next two bytes.
    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }

    /// True once in so many times; always when no byte is left.
    pub fn once_in(&mut self, times: u8) -> bool {
        self.u8().is_multiple_of(times)
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.u16()) % bound
    }

    /// A number: mostly one of those where things tend to go wrong.
    pub fn number(&mut self) -> u64 {
        let choice = self.u8();
        let near = u64::from(choice >> 4);
        match choice & 15 {
            0 => near,
            1 => u64::MAX - near,
            2 => (1 << 32) - 8 + near,
            3 => (1 << 31) - 8 + near,
            4 => (1 << 63) - 8 + near,
            5 => FRAME_LANE_BYTES as u64 - 8 + near,
            6 => BULK_LANE_BYTES as u64 - 8 + near,
            7 => u64::from(self.u8()) * 16,
            8 => 1 << self.below(64),
            9..=11 => self.u8().into(),
            12 => self.u16().into(),
            _ => u64::from_le_bytes(std::array::from_fn(|_| self.u8())),
        }
    }
}

// ---- frames ----------------------------------------------------------------------------------------------

/// A frame as the library writes it, to be sent as it is or otherwise.
#[derive(Debug)]
pub struct Frame {
    /// What kind of frame it is.
    pub kind: u16,
    /// The description.
    pub meta: Vec<u8>,
    /// The payload.
    pub payload: Vec<u8>,
    /// The descriptors that belong to it.
    pub descriptors: Vec<OwnedFd>,
}

impl Frame {
    fn new(frame: OutFrame) -> Self {
        let OutFrame { kind, meta, payload, descriptors, .. } = frame;
        Self { kind, meta: meta.to_vec(), payload: payload.bytes().to_vec(), descriptors }
    }

    /// Header, description and payload, as they follow each other on a socket.
    pub fn bytes(&self) -> Vec<u8> {
        let header = Header {
            kind: self.kind,
            is_bulk: false,
            meta_bytes: self.meta.len(),
            payload_bytes: self.payload.len(),
            descriptors: self.descriptors.len(),
        };
        [header.encode().as_slice(), &self.meta, &self.payload].concat()
    }

    /// What goes before the frame, together with its descriptors; nothing if it has none.
    pub fn announcement(&self) -> Vec<u8> {
        let descriptors = self.descriptors.len();
        let header =
            Header { kind: super::frame::DESCRIPTORS, is_bulk: false, meta_bytes: 0, payload_bytes: 0, descriptors };
        if descriptors == 0 { Vec::new() } else { header.encode().to_vec() }
    }
}

/// A hello. `part` counts from zero: invitee, inviter, isolated invitee, isolated inviter, introduced.
pub fn hello(node: NodeName, part: usize, can_share_memory: bool) -> Frame {
    let part = Part::ALL[part];
    Frame::new(wire::encode_hello(Hello { node, part, identity: node.0, can_share_memory }))
}

/// The pipes of an invitation, each with its name.
pub fn invitation(pipes: &[(Vec<u8>, PortDescriptor)]) -> Frame {
    Frame::new(wire::encode_invitation(pipes))
}

/// An event of the routing.
pub fn event(event: Event<Message>) -> Frame {
    Frame::new(wire::encode_event(event))
}

/// A question for links to the node with an identity.
pub fn ask(number: u64, identity: u128) -> Frame {
    Frame::new(wire::encode_ask(number, identity))
}

/// An offer of a link. The names are: the receiver's and the peer's on it, the peer's identity, what the sender calls the
/// peer, what the peer calls the sender.
pub fn meet(number: u64, names: [u128; 5], socket: Option<OwnedFd>) -> Frame {
    let [own, peer, identity, known_as, introducer] = names;
    let names = wire::LinkNames { own: NodeName(own), peer: NodeName(peer) };
    let known_as = wire::KnownAs { peer: NodeName(known_as), introducer: NodeName(introducer) };
    Frame::new(wire::encode_meet(wire::Meet { number, names, identity, known_as, socket }))
}

/// The answer to an offer.
pub fn met(number: u64, is_there: bool) -> Frame {
    Frame::new(wire::encode_met(number, is_there))
}

/// The answer to a question: links, each by the names of its two ends.
pub fn known(number: u64, links: &[(u128, u128)]) -> Frame {
    let names = |(own, peer): &(u128, u128)| wire::LinkNames { own: NodeName(*own), peer: NodeName(*peer) };
    Frame::new(wire::encode_known(number, &links.iter().map(names).collect::<Vec<_>>()))
}

/// Permission to use a link.
pub fn talk(number: u64) -> Frame {
    Frame::new(wire::encode_about(TALK, number))
}

/// News that a link is gone.
pub fn parted(number: u64) -> Frame {
    Frame::new(wire::encode_about(PARTED, number))
}

/// A report of a bad message.
pub fn report(number: u64, text: &str) -> Frame {
    Frame::new(wire::encode_report(number, text))
}

/// An offer of memory.
pub fn region(memory: OwnedFd) -> Frame {
    Frame::new(wire::encode_region(memory))
}

/// The answer to an offer of memory.
pub fn taken(is_taken: bool) -> Frame {
    Frame::new(wire::encode_taken(is_taken))
}

/// The last frame on the socket.
pub fn switch() -> Frame {
    Frame::new(wire::encode_switch())
}

/// How large the memory of a link is, in bytes.
pub const LINK_MEMORY_BYTES: usize = REGION_BYTES;

// ---- targets ---------------------------------------------------------------------------------------------

/// Every decoder: what can be read can be written, and is the same when it is read again.
pub fn decoders(data: &[u8]) {
    let mut input = Input::new(data);
    if let Some((header, _)) = data.split_first_chunk::<HEADER_BYTES>()
        && let Ok(header) = Header::decode(*header)
    {
        assert_eq!(Header::decode(header.encode()), Ok(header));
    }
    let kinds = [HELLO, INVITATION, EVENT, EVENT, EVENT, ASK, KNOWN, MEET, MET, TALK, PARTED, REPORT, REGION, TAKEN];
    let kind = kinds[input.below(kinds.len())];
    let descriptors: Vec<_> = (0..input.below(4)).map(|_| descriptor(&mut input)).collect();
    let payload = input.below(300);
    let frame = InFrame { kind, meta: Cow::Borrowed(input.rest()), payload: Payload::zeroed(payload), descriptors };
    let Ok(Some(first)) = read_and_write(frame) else { return };
    // A message's attachments are what they were before they are there; all else is whole.
    let Ok(Some(second)) = read_and_write(arrived(first.0)) else { panic!("what was written cannot be read") };
    assert_eq!(second.1, first.1, "what was read again is something else");
}

/// A frame that was written, as it is read.
fn arrived(frame: OutFrame) -> InFrame<'static> {
    let OutFrame { kind, meta, payload, descriptors, .. } = frame;
    let descriptors = descriptors.into_iter().map(Some).collect();
    InFrame { kind, meta: Cow::Owned(meta.to_vec()), payload, descriptors }
}

/// Reads a frame and writes what it says, if that can be said without knowing the ports: the frame, and its bytes.
fn read_and_write(frame: InFrame<'_>) -> Result<Option<(OutFrame, Vec<u8>)>, WireError> {
    let sender = Sender::new(None);
    let written = match frame.kind {
        HELLO => wire::encode_hello(wire::decode_hello(&frame)?),
        INVITATION => wire::encode_invitation(&wire::decode_invitation(&frame)?),
        EVENT => {
            let Some(event) = wire::decode_event(frame, &sender)? else { return Ok(None) };
            if matches!(&event.body, Body::Message { ports, .. } if !ports.is_empty()) {
                return Ok(None);
            }
            wire::encode_event(event)
        }
        ASK => {
            let (number, identity) = wire::decode_ask(&frame)?;
            wire::encode_ask(number, identity)
        }
        KNOWN => {
            let (number, links) = wire::decode_known(&frame)?;
            wire::encode_known(number, &links)
        }
        MEET => wire::encode_meet(wire::decode_meet(frame)?.0),
        MET => {
            let (number, is_there) = wire::decode_met(&frame)?;
            wire::encode_met(number, is_there)
        }
        TALK | PARTED => wire::encode_about(frame.kind, wire::decode_about(&frame)?),
        REPORT => {
            let (number, text) = wire::decode_report(&frame)?;
            wire::encode_report(number, &text)
        }
        REGION => match wire::decode_region(frame)? {
            Some(memory) => wire::encode_region(memory),
            None => return Ok(None),
        },
        _ => wire::encode_taken(wire::decode_taken(&frame)?),
    };
    let bytes = written.meta.to_vec();
    Ok(Some((written, bytes)))
}

/// A descriptor of one sort or another; `None` for one that was lost.
fn descriptor(input: &mut Input<'_>) -> Option<OwnedFd> {
    match input.u8() % 5 {
        0 => None,
        1 => File::open("/dev/null").ok().map(OwnedFd::from),
        2 => Socket::pair().ok().map(|(socket, _)| socket.into()),
        3 => SharedMemory::create(256 + 40, false).ok().and_then(|memory| memory.into_descriptors().0),
        _ => SharedMemory::create(input.number().clamp(1, 1 << 20), true).ok().and_then(|m| m.into_descriptors().1),
    }
}

/// A stream of frames: however it is cut, the same frames come of it.
pub fn stream(data: &[u8]) {
    let mut input = Input::new(data);
    let cuts: Vec<usize> = (0..input.below(16)).map(|_| 1 + input.below(97)).collect();
    let with_descriptors = input.u8();
    let bytes = input.rest();
    let whole = read_stream(bytes, &[], 0);
    let in_pieces = read_stream(bytes, &cuts, 0);
    assert_eq!(whole, in_pieces);
    // Descriptors may be refused, but nothing else.
    read_stream(bytes, &cuts, usize::from(with_descriptors % 4));
}

/// Reads frames from a socket that gets the bytes in pieces: kind, sizes and descriptors of each, and how it ended.
fn read_stream(bytes: &[u8], cuts: &[usize], num_descriptors: usize) -> (Vec<(u16, usize, usize, usize)>, bool) {
    let (ours, theirs) = Socket::pair().unwrap();
    let (mut reader, mut frames, mut rest, mut cuts) = (Reader::new(), Vec::new(), bytes, cuts.iter().cycle());
    let null = File::open("/dev/null").unwrap();
    while !rest.is_empty() {
        let len = cuts.next().map_or(rest.len(), |cut| (*cut).min(rest.len())).min(4096);
        let descriptors = vec![null.as_fd(); num_descriptors];
        let sent = theirs.send(&[IoSlice::new(&rest[..len])], &descriptors).unwrap();
        rest = &rest[sent..];
        while reader.fill(&ours).unwrap() == Filled::Some {
            loop {
                match reader.next_frame() {
                    Ok(Some(InFrame { kind, meta, payload, descriptors })) => {
                        frames.push((kind, meta.len(), payload.len(), descriptors.len()));
                    }
                    Ok(None) => break,
                    Err(_) => return (frames, true),
                }
            }
        }
    }
    (frames, false)
}

/// The lanes of a region whose other side writes anything anywhere, between any two looks at them.
pub fn lanes(data: &[u8]) {
    let mut input = Input::new(data);
    let (region, memory) = Region::create().unwrap();
    let hostile = memory.map(0, REGION_BYTES).unwrap();
    let (ours, theirs) = Socket::pair().unwrap();
    let (mut reader, mut ring) = (Reader::new(), RingReader::new(region.clone()));
    let (mut frames, mut bulk) = (region.frame_writer(), region.bulk_writer());
    let mut tails = [0u64; 2];
    let mut expected = Vec::new();
    while !input.is_empty() {
        match input.u8() % 12 {
            0 => {
                let word = input.below(2) * 1024 + input.below(8) * 128;
                hostile.atomic_u64(word).unwrap().store(input.number(), Ordering::SeqCst);
            }
            1 => {
                let word = input.below(2) * 1024 + input.below(8) * 128;
                hostile.atomic_u64(word).unwrap().fetch_add(input.number(), Ordering::SeqCst);
            }
            2 => {
                let noise = input.bytes(40);
                let _ = hostile.write(4096 + input.below(REGION_BYTES - 4096), noise);
            }
            3..=5 => put_frame(&hostile, &mut tails, &mut input),
            6 | 7 => {
                for _ in 0..=input.u8() % 8 {
                    match ring.step(&mut reader, &ours) {
                        Ok(Step::Frame(frame)) => assert!(frame.payload.len() <= 256 << 20),
                        Ok(Step::Piece) => {}
                        Ok(Step::Nothing) => break,
                        Err(_) => return,
                    }
                }
                ring.publish();
            }
            8 => {
                let bytes = vec![7; input.below(3000)];
                for (writer, capacity) in [(&mut frames, FRAME_LANE_BYTES), (&mut bulk, BULK_LANE_BYTES)] {
                    let Ok(room) = writer.room(&region, bytes.len()) else { return };
                    assert!(room <= capacity);
                    let len = bytes.len().min(room);
                    writer.put(&region, 0, &bytes[..len]);
                    writer.publish(&region, len);
                }
            }
            9 => {
                if bulk.give_back(&region).is_err() || bulk.restart(&region).is_err() {
                    return;
                }
            }
            10 => expected.push((region.has_incoming(), region.has_room(), region.leaves_room())),
            _ => {
                let null = File::open("/dev/null").unwrap();
                let descriptors = vec![null.as_fd(); usize::from(input.u8() % 4)];
                let bytes = Frame { kind: 2, meta: Vec::new(), payload: Vec::new(), descriptors: Vec::new() }.bytes();
                let announced = [&bytes[..12], &(descriptors.len() as u32).to_le_bytes()].concat();
                let _ = theirs.send(&[IoSlice::new(&announced)], &descriptors);
            }
        }
    }
}

/// Writes a frame where an honest process would, more or less.
fn put_frame(hostile: &Mapping, tails: &mut [u64; 2], input: &mut Input<'_>) {
    let is_bulk = input.once_in(3);
    let kind = u16::from(input.u8() % 18);
    let (meta, payload, descriptors) = (input.below(100), input.below(3000), usize::from(input.u8() % 8 / 6));
    let header = Header { kind, is_bulk, meta_bytes: meta, payload_bytes: payload, descriptors }.encode();
    let (own, len) = (1024, if is_bulk { 32 } else { (HEADER_BYTES + meta + payload).next_multiple_of(16) });
    let place = |index: u64| 4096 + FRAME_LANE_BYTES + (index % FRAME_LANE_BYTES as u64) as usize;
    let _ = hostile.write(place(tails[0]), &header);
    if is_bulk {
        let start = if input.once_in(8) { input.number() } else { tails[1] };
        let _ = hostile.write(place(tails[0]) + HEADER_BYTES, &start.to_le_bytes());
        tails[1] += (meta + payload) as u64;
        hostile.atomic_u64(own + 256).unwrap().store(tails[1], Ordering::SeqCst);
    }
    tails[0] += len as u64;
    hostile.atomic_u64(own).unwrap().store(tails[0], Ordering::SeqCst);
}

/// Both ends of a data pipe over memory in which somebody else writes anything: no more is ever read, written or laid
/// open than there is room for, and whoever has seen nonsense once does not go on.
pub fn data_pipe(data: &[u8]) {
    let mut input = Input::new(data);
    let element = 1 + u32::from(input.u8() % 5);
    let capacity = element * (1 + u32::from(input.u8() % 20));
    let (producer, consumer) = create_data_pipe(&Node::new(), element, capacity).unwrap();
    let len = 256 + capacity as usize;
    let hostile = producer.end().ring().memory().map(0, len).unwrap();
    let in_bounds = |at: usize, num_bytes: u32| num_bytes > 0 && at as u64 + u64::from(num_bytes) <= len as u64;
    while !input.is_empty() {
        match input.u8() % 10 {
            0 => {
                let word = hostile.atomic_u64(input.below(4) * 64).unwrap();
                word.store(input.number(), Ordering::SeqCst);
            }
            1 => {
                let word = hostile.atomic_u64(input.below(4) * 64).unwrap();
                word.fetch_add(input.number(), Ordering::SeqCst);
            }
            2 | 3 => {
                let bytes = vec![1; input.below(64)];
                if let Ok(written) = producer.write(&bytes, input.once_in(2)) {
                    assert!(written as usize <= bytes.len() && written <= capacity && written % element == 0);
                }
            }
            4 | 5 => {
                let mut bytes = vec![0; input.below(64)];
                let wanted = bytes.len();
                let into = match input.u8() % 3 {
                    0 => ReadInto::Consume(&mut bytes),
                    1 => ReadInto::Peek(&mut bytes),
                    _ => ReadInto::Discard(wanted as u32),
                };
                if let Ok(read) = consumer.read(into, input.once_in(2)) {
                    assert!(read as usize <= wanted && read <= capacity && read % element == 0);
                }
            }
            6 => {
                if producer.begin_write().is_ok() {
                    let (at, num_bytes) = producer.end().window().unwrap();
                    assert!(in_bounds(at, num_bytes));
                    let _ = producer.fill(0, &vec![3; num_bytes as usize]);
                }
                let _ = producer.end_write(u32::from(input.u8()));
            }
            7 => {
                if consumer.begin_read().is_ok() {
                    let (at, num_bytes) = consumer.end().window().unwrap();
                    assert!(in_bounds(at, num_bytes));
                }
                let _ = consumer.end_read(u32::from(input.u8()));
            }
            8 => {
                if let Ok(amount) = consumer.query() {
                    assert!(amount <= capacity);
                }
            }
            _ => {
                let _ = (producer.signals(), consumer.signals());
            }
        }
    }
    producer.close();
    consumer.close();
    assert_eq!(consumer.query(), Err(DataPipeError::NotOpen));
}
