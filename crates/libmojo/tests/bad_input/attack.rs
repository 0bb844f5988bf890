//! An attacker at the other end of a connection: how frames look, and how to send those that should not be.

use crate::worlds::*;
use libmojo::{AcceptedInvitation, Invitation, MessagePipe, Node, ProcessError, SendOptions, Signals, socket_pair};
use libmojo_platform::{SharedMemory, Socket};
use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

// ---- how frames look -------------------------------------------------------------------------------------

pub const HELLO: u32 = 1;
pub const DESCRIPTORS: u32 = 2;
pub const INVITATION: u32 = 3;
pub const EVENT: u32 = 4;
pub const ASK: u32 = 5;
pub const KNOWN: u32 = 6;
pub const MEET: u32 = 7;
pub const MET: u32 = 8;
pub const TALK: u32 = 9;
pub const PARTED: u32 = 10;
pub const REPORT: u32 = 11;
pub const UNKNOWN: u32 = 77;

/// The kinds of events.
pub const MESSAGE: u8 = 0;
pub const PREVIOUS_HOP: u8 = 2;

/// Names that the attacker chooses.
pub const ATTACKER: u128 = 0xA77AC;
pub const PORT: u128 = 0x1001;
pub const PEER: u128 = 0x1002;
pub const PREVIOUS: u128 = 0x1003;

pub const MAX_META: usize = 128 * 65_537;
pub const MAX_PAYLOAD: usize = 256 << 20;

pub fn header(kind: u32, meta: usize, payload: usize, descriptors: usize) -> Vec<u8> {
    [kind, meta as u32, payload as u32, descriptors as u32].into_iter().flat_map(u32::to_le_bytes).collect()
}

pub fn frame(kind: u32, meta: &[u8]) -> Vec<u8> {
    [header(kind, meta.len(), 0, 0), meta.to_vec()].concat()
}

pub fn hello(versions: (u16, u16), node: u128, is_inviter: u8) -> Vec<u8> {
    let mut meta = b"libmojo\0".to_vec();
    meta.extend(versions.0.to_le_bytes());
    meta.extend(versions.1.to_le_bytes());
    meta.extend(0u32.to_le_bytes());
    meta.extend(node.to_le_bytes());
    meta.push(is_inviter);
    // Who it says it is.
    meta.extend(node.to_le_bytes());
    meta
}

/// The description of an event: to whom, from whom, at which place, and what.
pub fn event(to: u128, from: u128, number: u64, kind: u8, rest: &[u8]) -> Vec<u8> {
    let mut meta = to.to_le_bytes().to_vec();
    meta.extend(from.to_le_bytes());
    meta.extend(number.to_le_bytes());
    meta.push(kind);
    meta.extend(rest);
    meta
}

/// The description of a message's attachments and ports.
pub fn contents(attachments: &[&[u8]], ports: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = (attachments.len() as u32).to_le_bytes().to_vec();
    bytes.extend(attachments.concat());
    bytes.extend((ports.len() as u32).to_le_bytes());
    bytes.extend(ports.concat());
    bytes
}

/// The attacker's message for the pipe of its invitation.
pub fn message(attachments: &[&[u8]], ports: &[Vec<u8>]) -> Vec<u8> {
    event(PORT, PREVIOUS, 1, MESSAGE, &contents(attachments, ports))
}

pub fn port(name: u128) -> Vec<u8> {
    let mut bytes = name.to_le_bytes().to_vec();
    bytes.push(1);
    bytes.extend(ATTACKER.to_le_bytes());
    bytes.extend(PEER.to_le_bytes());
    bytes.extend(PREVIOUS.to_le_bytes());
    // It has not sent, and there are no quotas.
    bytes.extend([0; 3]);
    bytes
}

pub fn invitation(pipes: &[(&[u8], Vec<u8>)]) -> Vec<u8> {
    let mut meta = (pipes.len() as u32).to_le_bytes().to_vec();
    for (name, port) in pipes {
        meta.extend((name.len() as u32).to_le_bytes());
        meta.extend(*name);
        meta.extend(port);
    }
    meta
}

/// The memory of a data pipe of 40 bytes, in which the indices say what they are told to.
pub fn ring(write_index: u64, read_index: u64) -> OwnedFd {
    let memory = SharedMemory::create(256 + 40, false).unwrap();
    let mapping = memory.map(0, 256 + 40).unwrap();
    mapping.write(0, &write_index.to_le_bytes()).unwrap();
    mapping.write(64, &read_index.to_le_bytes()).unwrap();
    memory.into_descriptors().0.unwrap()
}

/// The description of a data pipe end.
pub fn data_pipe(kind: u8, element: u32, capacity: u32, index: u64) -> Vec<u8> {
    [&[kind][..], &element.to_le_bytes(), &capacity.to_le_bytes(), &index.to_le_bytes()].concat()
}

// ---- the attack ------------------------------------------------------------------------------------------

/// What the victim is to the attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    Inviter,
    Invitee,
}

pub struct Attack {
    pub victim: Victim,
    /// The attacker's end of the connection.
    pub socket: UnixStream,
    /// What the victim's node is called.
    pub victim_name: u128,
    /// The pipe that the victim has, or is going to have, in common with the attacker.
    pub pipe: MessagePipe,
    /// What the victim's error handler hears; nothing ever if it was invited.
    pub errors: Receiver<ProcessError>,
}

impl Attack {
    pub fn begin(victim: Victim, node: &Node) -> Self {
        let (ours, theirs) = socket_pair().unwrap();
        let (events, errors) = channel();
        let pipe = match victim {
            Victim::Inviter => {
                let invitation = Invitation::new_on(node);
                let pipe = invitation.attach(b"pipe").unwrap();
                let events = Mutex::new(events);
                let handler = Arc::new(move |error: &ProcessError| events.lock().unwrap().send(error.clone()).unwrap());
                invitation.send_with(ours, SendOptions { handler: Some(handler), ..SendOptions::default() }).unwrap();
                pipe
            }
            Victim::Invitee => AcceptedInvitation::accept_on(node, ours).unwrap().extract(b"pipe").unwrap(),
        };
        let mut attack = Self { victim, socket: theirs.into(), victim_name: 0, pipe, errors };
        let (kind, meta) = attack.read_frame();
        assert_eq!((kind, meta.len()), (HELLO, 49));
        attack.victim_name = u128::from_le_bytes(meta[16..32].try_into().unwrap());
        attack
    }

    pub fn read_frame(&mut self) -> (u32, Vec<u8>) {
        let mut header = [0; 16];
        self.socket.read_exact(&mut header).unwrap();
        let field = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
        let mut meta = vec![0; field(4) as usize];
        self.socket.read_exact(&mut meta).unwrap();
        (field(0), meta)
    }

    /// Writes as much as the victim listens to.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes);
    }

    /// Writes bytes, with descriptors of nothing in particular.
    pub fn write_with_descriptors(&mut self, bytes: &[u8], count: usize) {
        let file = File::open("/dev/null").unwrap();
        self.write_with(bytes, &vec![file.as_fd(); count]);
    }

    pub fn write_with(&mut self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
        let socket = Socket::from_fd(self.socket.try_clone().unwrap().into()).unwrap();
        let _ = socket.send(&[IoSlice::new(bytes)], descriptors);
    }

    /// Says what an honest process says first.
    pub fn greet(&mut self) {
        self.greet_as(ATTACKER);
    }

    pub fn greet_as(&mut self, name: u128) {
        let is_inviter = (self.victim == Victim::Invitee).into();
        self.write(&frame(HELLO, &hello((1, 1), name, is_inviter)));
    }

    /// For an invitee: sends it its pipe. An inviter has sent one already.
    pub fn invite(&mut self) {
        if self.victim == Victim::Invitee {
            self.write(&frame(INVITATION, &invitation(&[(b"pipe", port(PORT))])));
        }
    }

    pub fn write_event(&mut self, meta: &[u8]) {
        self.write(&frame(EVENT, meta));
    }

    pub fn close(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Ends the connection, and waits until the victim knows.
    pub fn end(mut self) {
        self.close();
        wait_for(&self.pipe, Signals::PEER_CLOSED);
        while self.victim == Victim::Inviter && self.errors.recv().is_ok() {}
    }

    pub fn assert_link_fails(self, what: &str, is_violation: bool) {
        eprintln!("{what}, against an {:?}", self.victim);
        wait_for(&self.pipe, Signals::PEER_CLOSED);
        if self.victim == Victim::Inviter {
            let error = self.errors.recv().unwrap();
            assert!(error.disconnected, "{what}: {error:?}");
            assert_eq!(!error.message.is_empty(), is_violation, "{what}: {error:?}");
            // The handler is gone then: it will not be called again.
            assert!(self.errors.recv().is_err(), "{what}");
        }
        // The victim has closed its side. Whether it had read everything does not matter.
        let _ = { &self.socket }.read_to_end(&mut Vec::new());
    }
}

/// A node with a link that nothing happens to.
pub struct Scene {
    pub alone: Alone,
    pub node: Node,
    pub friend: Node,
    pub friendly: (MessagePipe, MessagePipe),
}

impl Scene {
    pub fn new() -> Self {
        let (alone, node, friend) = (alone(), Node::new(), Node::new());
        let friendly = link(&node, &friend);
        let scene = Self { alone, node, friend, friendly };
        scene.assert_friend_is_there();
        scene
    }

    pub fn assert_friend_is_there(&self) {
        send(&self.friendly.0, "are you there?");
        assert_eq!(recv(&self.friendly.1), "are you there?");
        send(&self.friendly.1, "yes");
        assert_eq!(recv(&self.friendly.0), "yes");
    }

    pub fn end(self) {
        self.assert_friend_is_there();
        drop(self.friendly);
        self.node.disconnect();
        self.alone.assert_nothing_left(&[&self.node, &self.friend]);
    }
}

pub const BOTH: [Victim; 2] = [Victim::Inviter, Victim::Invitee];

pub type Step = fn(&mut Attack);

/// Carries out attacks one after another on one node; each must end its own link and nothing else.
pub fn carry_out(victims: &[Victim], is_violation: bool, attacks: &[(&str, Step)]) {
    for victim in victims {
        let scene = Scene::new();
        for (what, step) in attacks {
            let mut attack = Attack::begin(*victim, &scene.node);
            step(&mut attack);
            attack.assert_link_fails(what, is_violation);
            scene.assert_friend_is_there();
        }
        scene.end();
    }
}

/// Carries out attacks that begin as an honest process does.
pub fn carry_out_after_greeting(victims: &[Victim], attacks: &[(&str, Step)]) {
    for victim in victims {
        let scene = Scene::new();
        for (what, step) in attacks {
            let mut attack = Attack::begin(*victim, &scene.node);
            attack.greet();
            attack.invite();
            step(&mut attack);
            attack.assert_link_fails(what, true);
            scene.assert_friend_is_there();
        }
        scene.end();
    }
}
