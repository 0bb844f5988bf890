//! A hostile process: it speaks the protocol of links as the library does, with the library's own encoders, and says what it
//! likes.

use libmojo::{AcceptedInvitation, ErrorHandler, Invitation, MessagePipe, Node, SendOptions, socket_pair};
use libmojo_core::node::fuzzing::{self, Frame, LINK_MEMORY_BYTES};
use libmojo_platform::{Mapping, SharedMemory, Socket};
use libmojo_ports::{Address, NodeName, PortDescriptor, PortName};
use std::fs::File;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;

/// What the attacker calls itself.
pub const NAME: NodeName = NodeName(0xA77AC);
/// The victim's end of the pipe that the two have in common.
pub const PORT: PortName = PortName(0x1001);
/// The attacker's end of it.
pub const PEER: PortName = PortName(0x1002);
/// From where the attacker speaks to it.
pub const PREVIOUS: PortName = PortName(0x1003);

const FRAME_LANE: usize = 32 << 10;
const BULK_LANE: usize = 1 << 20;
const LANES: usize = 4096;

/// The other end of a connection of somebody's, the victim's.
pub struct Attacker {
    socket: Socket,
    /// The victim has invited it.
    is_invited: bool,
    /// What the victim is called, once it has said so.
    pub victim: Option<NodeName>,
    region: Option<Lanes>,
    /// What has come and was not looked at.
    received: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

/// The memory that the two share.
pub struct Lanes {
    /// All of it.
    pub memory: Mapping,
    /// The direction in which the attacker writes.
    own: usize,
    tail: u64,
    bulk_tail: u64,
}

/// A victim's pipe to an attacker, and the attacker.
pub fn begin(node: &Node, is_invited: bool, handler: Option<ErrorHandler>) -> (MessagePipe, Attacker) {
    let (ours, theirs) = socket_pair().unwrap();
    let pipe = if is_invited {
        let invitation = Invitation::new_on(node);
        let pipe = invitation.attach(b"pipe").unwrap();
        invitation.send_with(ours, SendOptions { handler, ..SendOptions::default() }).unwrap();
        pipe
    } else {
        AcceptedInvitation::accept_on(node, ours).unwrap().extract(b"pipe").unwrap()
    };
    (pipe, Attacker::new(theirs, is_invited))
}

impl Attacker {
    /// Speaks over a connected socket.
    pub fn new(socket: OwnedFd, is_invited: bool) -> Self {
        let socket = Socket::from_fd(socket).map_err(|(error, _)| error).unwrap();
        Self { socket, is_invited, victim: None, region: None, received: Vec::new(), descriptors: Vec::new() }
    }

    // ---- what an honest process says ---------------------------------------------------------------------

    /// The first frame.
    pub fn hello(&self, shares_memory: bool) -> Frame {
        fuzzing::hello(NAME, usize::from(!self.is_invited), shares_memory)
    }

    /// What follows the hello: for an invitee the invitation.
    pub fn invitation(&self) -> Option<Frame> {
        (!self.is_invited).then(|| fuzzing::invitation(&[(b"pipe".to_vec(), port(PORT))]))
    }

    /// Goes on in memory, if the victim is invited: the offer, and then the switch.
    pub fn offer(&mut self) -> Frame {
        let memory = SharedMemory::create(LINK_MEMORY_BYTES as u64, false).unwrap();
        self.share(&memory, 0);
        fuzzing::region(memory.into_descriptors().0.unwrap())
    }

    /// Takes the victim's offer, if it has come: the answer.
    pub fn take_offer(&mut self) -> Option<Frame> {
        self.listen();
        let memory = self.descriptors.pop()?;
        let memory = SharedMemory::from_descriptors(Some(memory), None, LINK_MEMORY_BYTES as u64).ok()?;
        self.share(&memory, 1);
        Some(fuzzing::taken(true))
    }

    fn share(&mut self, memory: &SharedMemory, own: usize) {
        let memory = memory.map(0, LINK_MEMORY_BYTES).unwrap();
        self.region = Some(Lanes { memory, own, tail: 0, bulk_tail: 0 });
    }

    // ---- the carriers ------------------------------------------------------------------------------------

    /// Says something on the socket, with its descriptors. What the victim does not listen to is lost.
    pub fn say(&self, frame: &Frame) {
        self.say_changed(frame, &frame.bytes());
    }

    /// Says something else in place of a frame, with the descriptors of that.
    pub fn say_changed(&self, frame: &Frame, bytes: &[u8]) {
        let descriptors: Vec<BorrowedFd<'_>> = frame.descriptors.iter().map(OwnedFd::as_fd).collect();
        if !descriptors.is_empty() {
            self.write(&frame.announcement(), &descriptors);
        }
        self.write(bytes, &[]);
    }

    /// Writes bytes, and descriptors with the first of them. Nothing if there is no room.
    pub fn write(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
        if !bytes.is_empty() {
            let _ = self.socket.send(&[IoSlice::new(bytes)], descriptors);
        }
    }

    /// Says something in memory: in the lane for frames, or in that for large things.
    pub fn show(&mut self, frame: &Frame, bytes: &[u8], is_large: bool) {
        let descriptors: Vec<BorrowedFd<'_>> = frame.descriptors.iter().map(OwnedFd::as_fd).collect();
        self.write(&frame.announcement(), &descriptors);
        match &mut self.region {
            Some(lanes) => lanes.show(bytes, is_large),
            None => return self.write(bytes, &[]),
        }
        self.ring();
    }

    /// Has the victim look into the memory.
    pub fn ring(&self) {
        self.write(&[12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[]);
    }

    /// The memory, if it is shared.
    pub fn lanes(&self) -> Option<&Lanes> {
        self.region.as_ref()
    }

    /// Reads what the victim has said; learns its name.
    pub fn listen(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(received) = self.socket.recv(&mut buffer, &mut self.descriptors) {
            if received.bytes == 0 {
                break;
            }
            self.received.extend(&buffer[..received.bytes]);
        }
        if self.victim.is_none() && self.received.len() >= 48 {
            let name = self.received[32..48].try_into().unwrap();
            self.victim = Some(NodeName(u128::from_le_bytes(name)));
        }
    }

    /// The descriptors that have come since it was last asked.
    pub fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.descriptors)
    }

    /// True if the victim has said something of that kind since it was last asked.
    pub fn hears(&mut self, kind: u16) -> bool {
        self.listen();
        let frames = self.take_frames();
        frames.iter().any(|(other, _)| *other == kind)
    }

    /// What the victim has said to the last offer of a link: whether it has it.
    pub fn is_met(&mut self) -> Option<bool> {
        self.listen();
        let frames = self.take_frames();
        frames.iter().rev().find(|(kind, _)| *kind == 8).map(|(_, meta)| meta[8] == 1)
    }

    /// The frames that have come, each with its kind and description.
    fn take_frames(&mut self) -> Vec<(u16, Vec<u8>)> {
        let mut frames = Vec::new();
        loop {
            let number = |at: usize| u32::from_le_bytes(self.received[at..at + 4].try_into().unwrap()) as usize;
            if self.received.len() < 16 || self.received.len() < 16 + number(4) + number(8) {
                return frames;
            }
            let (meta, all) = (number(4), 16 + number(4) + number(8));
            frames.push((number(0) as u16, self.received[16..16 + meta].to_vec()));
            self.received.drain(..all);
        }
    }

    /// Ends the connection.
    pub fn hang_up(&self) {
        self.socket.shutdown();
    }
}

impl Lanes {
    /// Sets one of the words of a direction, from what it was.
    pub fn change(&self, word: usize, change: impl Fn(u64) -> u64) {
        let word = self.memory.atomic_u64(word % 16 * 128).unwrap();
        word.store(change(word.load(Ordering::SeqCst)), Ordering::SeqCst);
    }

    fn show(&mut self, bytes: &[u8], is_large: bool) {
        let words = self.own * 1024;
        if is_large && bytes.len() >= 16 && bytes.len() < BULK_LANE {
            let mut announcement = bytes[..16].to_vec();
            announcement[2] |= 1;
            announcement.extend(self.bulk_tail.to_le_bytes());
            let start = LANES + 2 * FRAME_LANE + self.own * BULK_LANE;
            self.copy(start, BULK_LANE, self.bulk_tail, &bytes[16..]);
            self.bulk_tail += (bytes.len() - 16) as u64;
            self.memory.atomic_u64(words + 256).unwrap().store(self.bulk_tail, Ordering::SeqCst);
            self.show(&announcement, false);
        } else {
            let bytes = &bytes[..bytes.len().min(FRAME_LANE)];
            self.copy(LANES + self.own * FRAME_LANE, FRAME_LANE, self.tail, bytes);
            self.tail += bytes.len().next_multiple_of(16) as u64;
            self.memory.atomic_u64(words).unwrap().store(self.tail, Ordering::SeqCst);
        }
    }

    fn copy(&self, start: usize, capacity: usize, index: u64, bytes: &[u8]) {
        let at = (index % capacity as u64) as usize;
        let (first, second) = bytes.split_at(bytes.len().min(capacity - at));
        self.memory.write(start + at, first).unwrap();
        self.memory.write(start, second).unwrap();
    }
}

// ---- contents --------------------------------------------------------------------------------------------

/// A port whose peer is the attacker's.
pub fn port(name: PortName) -> PortDescriptor {
    let peer = Some(Address { node: NAME, port: PEER });
    PortDescriptor { name, peer, previous: PREVIOUS, has_sent: false, sending: None, receiving: None }
}

/// A frame with a message: `attachments` as they are described on the wire, and the ports that they need.
pub fn message(
    head: (PortName, PortName, u64),
    attachments: &[Vec<u8>],
    ports: &[PortDescriptor],
    payload: &[u8],
    descriptors: Vec<OwnedFd>,
) -> Frame {
    let (to, from, number) = head;
    let mut meta = [to.0.to_le_bytes(), from.0.to_le_bytes()].concat();
    meta.extend(number.to_le_bytes());
    meta.push(0);
    meta.extend((attachments.len() as u32).to_le_bytes());
    meta.extend(attachments.concat());
    meta.extend((ports.len() as u32).to_le_bytes());
    for port in ports {
        // An invitation with a pipe of no name is a count, a length, and the port.
        meta.extend(&fuzzing::invitation(&[(Vec::new(), port.clone())]).meta[8..]);
    }
    Frame { kind: 4, meta, payload: payload.to_vec(), descriptors }
}

/// The memory of a data pipe, in which the two indices say what they are told to.
pub fn data_pipe_memory(capacity: u32, write_index: u64, read_index: u64) -> OwnedFd {
    let len = 256 + capacity as usize;
    let memory = SharedMemory::create(len as u64, false).unwrap();
    let mapping = memory.map(0, len).unwrap();
    mapping.write(0, &write_index.to_le_bytes()).unwrap();
    mapping.write(64, &read_index.to_le_bytes()).unwrap();
    memory.into_descriptors().0.unwrap()
}

/// A descriptor of a sort that has no business where it turns up: a directory, a FIFO, a poller that has itself in it, a
/// poller, memory that can be cut off or was, a file that can only be read, a socket that leads nowhere.
pub fn wrong_descriptor(sort: usize) -> OwnedFd {
    use rustix::event::epoll;
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
    let poller = || epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let memory = |len| {
        let memory = memfd_create("unsealed", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&memory, len).unwrap();
        memory
    };
    match sort % 8 {
        0 => File::open("/").unwrap().into(),
        1 => rustix::pipe::pipe().unwrap().0,
        2 => {
            let (inner, outer) = (poller(), poller());
            let data = epoll::EventData::new_u64(0);
            epoll::add(&outer, &inner, data, epoll::EventFlags::IN).unwrap();
            // A circle is refused; what is left is a chain.
            let _ = epoll::add(&inner, &outer, data, epoll::EventFlags::IN);
            outer
        }
        3 => poller(),
        4 => memory(LINK_MEMORY_BYTES as u64),
        5 => memory(1),
        6 => File::open("/dev/null").unwrap().into(),
        _ => socket_pair().unwrap().0,
    }
}
