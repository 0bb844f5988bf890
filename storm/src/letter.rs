//! What the messages between actors are made of.
//!
//! A letter has the id of its pipe and the side that it comes from, a kind, a number, the number up to which the other
//! side's letters have been received, a description of what is attached, filler that follows from all that, and a
//! checksum. Numbers are little-endian.

use crate::flow::{Inlet, Outlet};
use crate::pattern;
use crate::stream::Stream;
use libmojo::{Handle, Message, SharedBuffer};
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::{Read, Seek, Write};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With something to look at.
    Data,
    /// Says only what has been received.
    Receipt,
    /// The last one from this side.
    End,
}

/// A letter, without what makes it belong to a pipe.
pub struct Letter {
    pub kind: Kind,
    pub number: u64,
    /// How many letters of the other side had been received.
    pub received: u64,
    pub cargo: Vec<Cargo>,
    pub filler: usize,
}

/// Something attached, and what the receiver has to know about it.
pub enum Cargo {
    /// An end of a pipe between actors.
    Stream(Stream),
    /// The writing end of a data pipe.
    Outlet(Outlet),
    /// The reading end of a data pipe.
    Inlet(Inlet),
    /// Something with known contents.
    Thing(Thing),
}

/// Something with contents that follow from a number.
pub enum Thing {
    Buffer {
        buffer: SharedBuffer,
        number: u64,
        is_read_only: bool,
    },
    /// A file, or the reading end of a pipe of the system's own.
    File {
        file: File,
        number: u64,
        len: u64,
    },
    /// No descriptor, in the place of one.
    Nothing,
}

const BUFFER: u64 = 0;
const READ_ONLY_BUFFER: u64 = 1;
const FILE: u64 = 2;
const NOTHING: u64 = 3;
const STREAM: u64 = 4;
const OUTLET: u64 = 5;
const INLET: u64 = 6;

// ---- letters ---------------------------------------------------------------------------------------------

impl Letter {
    /// The message for the pipe of this id, from this side.
    pub fn into_message(self, id: u64, side: u64) -> Message {
        let mut numbers = vec![id, side, self.kind as u64, self.number, self.received, self.cargo.len() as u64];
        let handles: Vec<Handle> = self.cargo.into_iter().map(|cargo| cargo.pack(&mut numbers)).collect();
        let mut bytes: Vec<u8> = numbers.into_iter().flat_map(u64::to_le_bytes).collect();
        bytes.extend(pattern::bytes(id ^ self.number, side, self.filler));
        bytes.extend(pattern::checksum(&bytes).to_le_bytes());
        handles.into_iter().fold(Message::new(&bytes), Message::with)
    }

    /// Reads a message that must have come over the pipe of this id, from this side. Panics if it is not as it was sent.
    pub fn from_message(mut message: Message, id: u64, side: u64) -> Self {
        let bytes = message.payload().to_vec();
        let (contents, checksum) = bytes.split_last_chunk::<8>().unwrap();
        assert!(pattern::checksum(contents) == u64::from_le_bytes(*checksum), "a message on pipe {id:x} is damaged");
        let mut fields = Fields(contents);
        let (came_from, came_on) = (fields.next(), fields.next());
        assert!((came_from, came_on) == (id, side), "pipe {id:x}.{side} has a message of {came_from:x}.{came_on}");
        let kind = [Kind::Data, Kind::Receipt, Kind::End][fields.next() as usize];
        let (number, received) = (fields.next(), fields.next());
        let count = fields.next() as usize;
        let handles = message.take_handles().unwrap_or_else(|error| panic!("pipe {id:x}: {error}"));
        assert!(handles.len() == count, "pipe {id:x}: {} attachments instead of {count}", handles.len());
        let cargo = handles.into_iter().map(|handle| Cargo::unpack(handle, &mut fields)).collect();
        pattern::check("the filler of pipe", id ^ number, side, fields.0);
        Self { kind, number, received, cargo, filler: fields.0.len() }
    }
}

/// Numbers at the front of bytes.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn next(&mut self) -> u64 {
        let (number, rest) = self.0.split_first_chunk::<8>().unwrap();
        self.0 = rest;
        u64::from_le_bytes(*number)
    }

    fn array<const N: usize>(&mut self) -> [u64; N] {
        [(); N].map(|()| self.next())
    }
}

// ---- cargo -----------------------------------------------------------------------------------------------

impl Cargo {
    /// Appends what the receiver has to know.
    fn pack(self, numbers: &mut Vec<u64>) -> Handle {
        let (handle, kind, about) = match self {
            Cargo::Stream(stream) => {
                let (pipe, state) = stream.into_parts();
                (pipe.into(), STREAM, state.to_vec())
            }
            Cargo::Outlet(outlet) => (outlet.producer.into(), OUTLET, vec![outlet.id, outlet.offset, outlet.total]),
            Cargo::Inlet(inlet) => (inlet.consumer.into(), INLET, vec![inlet.id, inlet.offset, inlet.total]),
            Cargo::Thing(Thing::Buffer { buffer, number, is_read_only }) => {
                let kind = if is_read_only { READ_ONLY_BUFFER } else { BUFFER };
                let len = buffer.num_bytes();
                (buffer.into(), kind, vec![number, len])
            }
            Cargo::Thing(Thing::File { file, number, len }) => (file.into(), FILE, vec![number, len]),
            Cargo::Thing(Thing::Nothing) => (Handle::Descriptor(None), NOTHING, Vec::new()),
        };
        numbers.push(kind);
        numbers.extend(about);
        handle
    }

    fn unpack(handle: Handle, fields: &mut Fields<'_>) -> Self {
        match (fields.next(), handle) {
            (STREAM, Handle::Pipe(pipe)) => Cargo::Stream(Stream::from_parts(pipe, fields.array())),
            (OUTLET, Handle::Producer(producer)) => {
                let [id, offset, total] = fields.array();
                Cargo::Outlet(Outlet { producer, id, offset, total })
            }
            (INLET, Handle::Consumer(consumer)) => {
                let [id, offset, total] = fields.array();
                Cargo::Inlet(Inlet { consumer, id, offset, total })
            }
            (kind @ (BUFFER | READ_ONLY_BUFFER), Handle::Buffer(buffer)) => {
                let ([number, len], is_read_only) = (fields.array(), kind == READ_ONLY_BUFFER);
                assert!(buffer.num_bytes() == len, "buffer {number:x} is {} long", buffer.num_bytes());
                assert!(buffer.is_read_only() == is_read_only, "buffer {number:x} has other rights");
                Cargo::Thing(Thing::Buffer { buffer, number, is_read_only })
            }
            (FILE, Handle::Descriptor(Some(descriptor))) => {
                let [number, len] = fields.array();
                Cargo::Thing(Thing::File { file: descriptor.into(), number, len })
            }
            (NOTHING, Handle::Descriptor(None)) => Cargo::Thing(Thing::Nothing),
            (kind, other) => panic!("an attachment of kind {kind} is {other:?}"),
        }
    }
}

impl Thing {
    /// Something of any kind.
    pub fn new(random: &mut fastrand::Rng) -> Self {
        let (number, len) = (random.u64(..), random.u64(1..3000));
        let contents = pattern::bytes(number, 0, len as usize);
        match random.u8(..7) {
            kind @ 0..=2 => {
                let mut buffer = SharedBuffer::create(len).unwrap();
                buffer.map(0, len).unwrap().write(0, &contents).unwrap();
                if kind == 0 {
                    buffer = buffer.duplicate_read_only().unwrap();
                }
                Thing::Buffer { buffer, number, is_read_only: kind == 0 }
            }
            3 | 4 => {
                let mut file = File::from(memfd_create("storm", MemfdFlags::CLOEXEC).unwrap());
                file.write_all(&contents).unwrap();
                file.rewind().unwrap();
                Thing::File { file, number, len }
            }
            5 => {
                let (reader, mut writer) = std::io::pipe().unwrap();
                writer.write_all(&contents).unwrap();
                Thing::File { file: std::os::fd::OwnedFd::from(reader).into(), number, len }
            }
            _ => Thing::Nothing,
        }
    }

    /// Panics unless the contents are what they should be. The descriptor of a pipe shows by its end that nobody else
    /// has kept the other one.
    pub fn check(self) {
        match self {
            Thing::Buffer { buffer, number, is_read_only } => {
                let len = buffer.num_bytes();
                let mut found = vec![0; len as usize];
                let mapping = buffer.map(0, len).unwrap();
                mapping.read(0, &mut found).unwrap();
                assert!(mapping.is_read_only() == is_read_only, "buffer {number:x} is mapped otherwise");
                pattern::check("buffer", number, 0, &found);
            }
            Thing::File { mut file, number, len } => {
                let mut found = Vec::new();
                file.read_to_end(&mut found).unwrap();
                assert!(found.len() as u64 == len, "file {number:x} holds {} bytes instead of {len}", found.len());
                pattern::check("file", number, 0, &found);
            }
            Thing::Nothing => {}
        }
    }
}
