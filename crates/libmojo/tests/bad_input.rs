//! A node against processes that do not keep to the protocol, as inviter and as invitee.
//!
//! Whatever comes over a link can cost only that link: the pipes that need it are closed, the error handler hears
//! why, and nothing is left behind. The tests run one at a time, because they count descriptors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::{
    AcceptedInvitation, Invitation, MessagePipe, Node, ProcessError, RecvError, SendOptions, Signals, TakeError,
    socket_pair,
};
use libmojo_platform::{SharedMemory, Socket};
use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use worlds::*;

// ---- how frames look -------------------------------------------------------------------------------------

const HELLO: u32 = 1;
const DESCRIPTORS: u32 = 2;
const INVITATION: u32 = 3;
const EVENT: u32 = 4;
const ASK: u32 = 5;
const KNOWN: u32 = 6;
const MEET: u32 = 7;
const MET: u32 = 8;
const TALK: u32 = 9;
const PARTED: u32 = 10;
const REPORT: u32 = 11;
const UNKNOWN: u32 = 77;

/// The kinds of events.
const MESSAGE: u8 = 0;
const PREVIOUS_HOP: u8 = 2;

/// Names that the attacker chooses.
const ATTACKER: u128 = 0xA77AC;
const PORT: u128 = 0x1001;
const PEER: u128 = 0x1002;
const PREVIOUS: u128 = 0x1003;

const MAX_META: usize = 128 * 65_537;
const MAX_PAYLOAD: usize = 256 << 20;

fn header(kind: u32, meta: usize, payload: usize, descriptors: usize) -> Vec<u8> {
    [kind, meta as u32, payload as u32, descriptors as u32].into_iter().flat_map(u32::to_le_bytes).collect()
}

fn frame(kind: u32, meta: &[u8]) -> Vec<u8> {
    [header(kind, meta.len(), 0, 0), meta.to_vec()].concat()
}

fn hello(versions: (u16, u16), node: u128, is_inviter: u8) -> Vec<u8> {
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
fn event(to: u128, from: u128, number: u64, kind: u8, rest: &[u8]) -> Vec<u8> {
    let mut meta = to.to_le_bytes().to_vec();
    meta.extend(from.to_le_bytes());
    meta.extend(number.to_le_bytes());
    meta.push(kind);
    meta.extend(rest);
    meta
}

/// The description of a message's attachments and ports.
fn contents(attachments: &[&[u8]], ports: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = (attachments.len() as u32).to_le_bytes().to_vec();
    bytes.extend(attachments.concat());
    bytes.extend((ports.len() as u32).to_le_bytes());
    bytes.extend(ports.concat());
    bytes
}

/// The attacker's message for the pipe of its invitation.
fn message(attachments: &[&[u8]], ports: &[Vec<u8>]) -> Vec<u8> {
    event(PORT, PREVIOUS, 1, MESSAGE, &contents(attachments, ports))
}

fn port(name: u128) -> Vec<u8> {
    let mut bytes = name.to_le_bytes().to_vec();
    bytes.push(1);
    bytes.extend(ATTACKER.to_le_bytes());
    bytes.extend(PEER.to_le_bytes());
    bytes.extend(PREVIOUS.to_le_bytes());
    bytes.push(0);
    bytes
}

fn invitation(pipes: &[(&[u8], Vec<u8>)]) -> Vec<u8> {
    let mut meta = (pipes.len() as u32).to_le_bytes().to_vec();
    for (name, port) in pipes {
        meta.extend((name.len() as u32).to_le_bytes());
        meta.extend(*name);
        meta.extend(port);
    }
    meta
}

/// The memory of a data pipe of 40 bytes, in which the indices say what they are told to.
fn ring(write_index: u64, read_index: u64) -> OwnedFd {
    let memory = SharedMemory::create(256 + 40, false).unwrap();
    let mapping = memory.map(0, 256 + 40).unwrap();
    mapping.write(0, &write_index.to_le_bytes()).unwrap();
    mapping.write(64, &read_index.to_le_bytes()).unwrap();
    memory.into_descriptors().0.unwrap()
}

/// The description of a data pipe end.
fn data_pipe(kind: u8, element: u32, capacity: u32, index: u64) -> Vec<u8> {
    [&[kind][..], &element.to_le_bytes(), &capacity.to_le_bytes(), &index.to_le_bytes()].concat()
}

// ---- the attack ------------------------------------------------------------------------------------------

/// What the victim is to the attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Inviter,
    Invitee,
}

struct Attack {
    victim: Victim,
    /// The attacker's end of the connection.
    socket: UnixStream,
    /// What the victim's node is called.
    victim_name: u128,
    /// The pipe that the victim has, or is going to have, in common with the attacker.
    pipe: MessagePipe,
    /// What the victim's error handler hears; nothing ever if it was invited.
    errors: Receiver<ProcessError>,
}

impl Attack {
    fn begin(victim: Victim, node: &Node) -> Self {
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

    fn read_frame(&mut self) -> (u32, Vec<u8>) {
        let mut header = [0; 16];
        self.socket.read_exact(&mut header).unwrap();
        let field = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
        let mut meta = vec![0; field(4) as usize];
        self.socket.read_exact(&mut meta).unwrap();
        (field(0), meta)
    }

    /// Writes as much as the victim listens to.
    fn write(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes);
    }

    /// Writes bytes, with descriptors of nothing in particular.
    fn write_with_descriptors(&mut self, bytes: &[u8], count: usize) {
        let file = File::open("/dev/null").unwrap();
        self.write_with(bytes, &vec![file.as_fd(); count]);
    }

    fn write_with(&mut self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
        let socket = Socket::from_fd(self.socket.try_clone().unwrap().into()).unwrap();
        let _ = socket.send(&[IoSlice::new(bytes)], descriptors);
    }

    /// Says what an honest process says first.
    fn greet(&mut self) {
        self.greet_as(ATTACKER);
    }

    fn greet_as(&mut self, name: u128) {
        let is_inviter = (self.victim == Victim::Invitee).into();
        self.write(&frame(HELLO, &hello((1, 1), name, is_inviter)));
    }

    /// For an invitee: sends it its pipe. An inviter has sent one already.
    fn invite(&mut self) {
        if self.victim == Victim::Invitee {
            self.write(&frame(INVITATION, &invitation(&[(b"pipe", port(PORT))])));
        }
    }

    fn write_event(&mut self, meta: &[u8]) {
        self.write(&frame(EVENT, meta));
    }

    fn close(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    fn assert_link_fails(self, what: &str, is_violation: bool) {
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
struct Scene {
    alone: Alone,
    node: Node,
    friend: Node,
    friendly: (MessagePipe, MessagePipe),
}

impl Scene {
    fn new() -> Self {
        let (alone, node, friend) = (alone(), Node::new(), Node::new());
        let friendly = link(&node, &friend);
        let scene = Self { alone, node, friend, friendly };
        scene.assert_friend_is_there();
        scene
    }

    fn assert_friend_is_there(&self) {
        send(&self.friendly.0, "are you there?");
        assert_eq!(recv(&self.friendly.1), "are you there?");
        send(&self.friendly.1, "yes");
        assert_eq!(recv(&self.friendly.0), "yes");
    }

    fn end(self) {
        self.assert_friend_is_there();
        drop(self.friendly);
        self.node.disconnect();
        self.alone.assert_nothing_left(&[&self.node, &self.friend]);
    }
}

const BOTH: [Victim; 2] = [Victim::Inviter, Victim::Invitee];

type Step = fn(&mut Attack);

/// Carries out attacks one after another on one node; each must end its own link and nothing else.
fn carry_out(victims: &[Victim], is_violation: bool, attacks: &[(&str, Step)]) {
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
fn carry_out_after_greeting(victims: &[Victim], attacks: &[(&str, Step)]) {
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

// ---- first words -----------------------------------------------------------------------------------------

#[test]
fn a_connection_that_ends_before_the_hello_is_a_breach_of_the_protocol() {
    carry_out(
        &BOTH,
        true,
        &[
            ("nothing at all", Attack::close),
            ("half a header", |attack| {
                attack.write(&header(HELLO, 33, 0, 0)[..7]);
                attack.close();
            }),
            ("half a hello", |attack| {
                attack.write(&frame(HELLO, &hello((1, 1), ATTACKER, 0))[..30]);
                attack.close();
            }),
        ],
    );
}

#[test]
fn a_bad_hello_is_a_breach_of_the_protocol() {
    carry_out(
        &BOTH,
        true,
        &[
            ("later versions only", |attack| {
                let is_inviter = (attack.victim == Victim::Invitee).into();
                attack.write(&frame(HELLO, &hello((2, 9), ATTACKER, is_inviter)));
            }),
            ("earlier versions only", |attack| {
                let is_inviter = (attack.victim == Victim::Invitee).into();
                attack.write(&frame(HELLO, &hello((0, 0), ATTACKER, is_inviter)));
            }),
            ("no versions", |attack| {
                let is_inviter = (attack.victim == Victim::Invitee).into();
                attack.write(&frame(HELLO, &hello((1, 0), ATTACKER, is_inviter)));
            }),
            ("the part that the victim plays", |attack| {
                let is_inviter = (attack.victim == Victim::Inviter).into();
                attack.write(&frame(HELLO, &hello((1, 1), ATTACKER, is_inviter)));
            }),
            ("no part", |attack| attack.write(&frame(HELLO, &hello((1, 1), ATTACKER, 2)))),
            ("the victim's own name", |attack| attack.greet_as(attack.victim_name)),
            ("another protocol", |attack| {
                let mut meta = hello((1, 1), ATTACKER, (attack.victim == Victim::Invitee).into());
                meta[3] = b'!';
                attack.write(&frame(HELLO, &meta));
            }),
            ("too short", |attack| attack.write(&frame(HELLO, &hello((1, 1), ATTACKER, 0)[..20]))),
            ("empty", |attack| attack.write(&frame(HELLO, b""))),
            ("an event instead", |attack| attack.write_event(&message(&[], &[]))),
            ("an invitation instead", |attack| attack.write(&frame(INVITATION, &invitation(&[])))),
            ("something unknown instead", |attack| attack.write(&frame(UNKNOWN, b""))),
            ("with a descriptor", |attack| {
                let meta = hello((1, 1), ATTACKER, (attack.victim == Victim::Invitee).into());
                attack.write_with_descriptors(&frame(HELLO, &meta), 1);
            }),
        ],
    );
}

#[test]
fn a_name_that_another_link_goes_by_is_refused_and_that_link_goes_on() {
    for victim in BOTH {
        let scene = Scene::new();
        let mut first = Attack::begin(victim, &scene.node);
        first.greet();
        first.invite();
        let mut second = Attack::begin(victim, &scene.node);
        // Not before the first one has been heard.
        if victim == Victim::Inviter {
            assert_eq!(first.read_frame().0, INVITATION);
        } else {
            first.write_event(&message(&[], &[]));
            first.pipe.recv().unwrap();
        }
        second.greet();
        second.assert_link_fails("a taken name", true);
        assert!(!first.pipe.signals_now().contains(Signals::PEER_CLOSED));
        first.close();
        first.assert_link_fails("the end", false);
        scene.end();
    }
}

trait SignalsNow {
    fn signals_now(&self) -> Signals;
}

impl SignalsNow for MessagePipe {
    fn signals_now(&self) -> Signals {
        libmojo::Waitable::signals(self).satisfied
    }
}

// ---- good order ------------------------------------------------------------------------------------------

#[test]
fn an_orderly_end_has_no_reason() {
    carry_out(
        &BOTH,
        false,
        &[
            ("hello and goodbye", |attack| {
                attack.greet();
                attack.invite();
                attack.close();
            }),
            ("a later version that also speaks this one, and has more to say", |attack| {
                let mut meta = hello((1, 9), ATTACKER, (attack.victim == Victim::Invitee).into());
                meta.extend([1, 2, 3]);
                attack.write(&frame(HELLO, &meta));
                attack.invite();
                attack.write(&header(UNKNOWN, 3, 4, 0));
                attack.write(b"metload");
                attack.write_event(&event(PORT, PREVIOUS, 1, 200, b"an unknown event"));
                attack.close();
            }),
            ("events that concern nobody", |attack| {
                attack.greet();
                attack.invite();
                for kind in [MESSAGE, 1, 3, 4] {
                    let rest = if kind == MESSAGE { contents(&[], &[]) } else { Vec::new() };
                    attack.write_event(&event(0xDEAD, 0xBEEF, 1, kind, &rest));
                }
                attack.close();
            }),
            ("a message with descriptors for nobody", |attack| {
                attack.greet();
                attack.invite();
                attack.write_with_descriptors(&header(DESCRIPTORS, 0, 0, 2), 2);
                let meta = event(0xDEAD, 0xBEEF, 1, MESSAGE, &contents(&[&[4, 1], &[4, 1], &[0]], &[port(0x2001)]));
                attack.write(&[header(EVENT, meta.len(), 0, 2), meta].concat());
                attack.close();
            }),
        ],
    );
}

#[test]
fn what_an_honest_attacker_says_is_understood() {
    let scene = Scene::new();
    let mut attack = Attack::begin(Victim::Invitee, &scene.node);
    attack.greet();
    attack.invite();
    let file = file_with("a file");
    attack.write_with(&header(DESCRIPTORS, 0, 0, 1), &[file.as_fd()]);
    let meta = message(&[&[4, 1], &[4, 0]], &[]);
    attack.write(&[header(EVENT, meta.len(), 7, 1), meta, b"payload".to_vec()].concat());
    let mut message = attack.pipe.recv().unwrap();
    assert_eq!(message.payload(), b"payload");
    let handles = message.take_handles().unwrap();
    assert_eq!(handles.len(), 2);
    assert_eq!(text_of(&handles.into_iter().next().unwrap().into_descriptor().unwrap().into()), "a file");
    attack.close();
    attack.assert_link_fails("an orderly end", false);
    drop(file);
    scene.end();
}

// ---- frames ----------------------------------------------------------------------------------------------

#[test]
fn a_frame_that_breaks_off_is_a_breach_of_the_protocol() {
    carry_out_after_greeting(
        &BOTH,
        &[
            ("within the header", |attack| {
                attack.write(&header(EVENT, 50, 0, 0)[..15]);
                attack.close();
            }),
            ("within the description", |attack| {
                attack.write(&frame(EVENT, &message(&[], &[]))[..40]);
                attack.close();
            }),
            ("within the payload", |attack| {
                let meta = message(&[], &[]);
                attack.write(&[header(EVENT, meta.len(), 100_000, 0), meta, vec![1; 70_000]].concat());
                attack.close();
            }),
            ("with descriptors under way", |attack| {
                attack.write_with_descriptors(&header(DESCRIPTORS, 0, 0, 5), 5);
                attack.write_with_descriptors(&header(DESCRIPTORS, 0, 0, 5)[..3], 5);
                attack.close();
            }),
        ],
    );
}

#[test]
fn sizes_over_the_limits_are_refused_before_anything_of_that_size_comes() {
    carry_out_after_greeting(
        &BOTH,
        &[
            ("the description", |attack| attack.write(&header(EVENT, MAX_META + 1, 0, 0))),
            ("the payload", |attack| attack.write(&header(EVENT, 10, MAX_PAYLOAD + 1, 0))),
            ("the descriptors", |attack| attack.write(&header(EVENT, 10, 0, 2 * 65_535 + 1))),
            ("all of something unknown", |attack| attack.write(&header(UNKNOWN, 1 << 31, 1 << 31, 1 << 31))),
            ("a batch of descriptors", |attack| attack.write_with_descriptors(&header(DESCRIPTORS, 0, 0, 254), 253)),
        ],
    );
}

#[test]
fn descriptors_that_do_not_match_their_announcement_are_a_breach_of_the_protocol() {
    carry_out_after_greeting(
        &BOTH,
        &[
            ("announced, not sent", |attack| attack.write(&header(DESCRIPTORS, 0, 0, 1))),
            ("fewer than announced", |attack| attack.write_with_descriptors(&header(DESCRIPTORS, 0, 0, 3), 2)),
            ("more than announced", |attack| attack.write_with_descriptors(&header(DESCRIPTORS, 0, 0, 2), 3)),
            ("needed, never announced", |attack| {
                let meta = message(&[&[4, 1]], &[]);
                attack.write(&[header(EVENT, meta.len(), 0, 1), meta].concat());
            }),
            ("sent with an event, not announced", |attack| {
                attack.write_with_descriptors(&frame(EVENT, &message(&[], &[])), 3);
            }),
            ("sent with something unknown, not announced", |attack| {
                attack.write_with_descriptors(&frame(UNKNOWN, b"x"), 3);
            }),
            ("with a description", |attack| attack.write_with_descriptors(&frame(DESCRIPTORS, b"x"), 1)),
            ("with a payload", |attack| {
                attack.write_with_descriptors(&[header(DESCRIPTORS, 0, 1, 1), vec![1]].concat(), 1);
            }),
            ("for no attachment", |attack| {
                attack.write_with_descriptors(&header(DESCRIPTORS, 0, 0, 1), 1);
                let meta = message(&[], &[]);
                attack.write(&[header(EVENT, meta.len(), 0, 1), meta].concat());
            }),
            ("for an attachment to a frame that needs none", |attack| {
                attack.write_with_descriptors(&header(DESCRIPTORS, 0, 0, 1), 1);
                attack.write_event(&message(&[&[4, 1]], &[]));
            }),
        ],
    );
}

#[test]
fn descriptors_inside_a_payload_are_refused_before_the_payload_is_complete() {
    carry_out_after_greeting(
        &BOTH,
        &[("inside a payload", |attack| {
            let meta = message(&[], &[]);
            attack.write(&[header(EVENT, meta.len(), 1 << 20, 0), meta].concat());
            for _ in 0..10 {
                attack.write_with_descriptors(&[0; 10], 50);
            }
        })],
    );
}

// ---- events ----------------------------------------------------------------------------------------------

#[test]
fn malformed_events_are_a_breach_of_the_protocol() {
    carry_out_after_greeting(
        &BOTH,
        &[
            ("empty", |attack| attack.write_event(b"")),
            ("ends within its first fields", |attack| attack.write_event(&message(&[], &[])[..20])),
            ("ends before its kind", |attack| attack.write_event(&message(&[], &[])[..40])),
            ("ends within its attachments", |attack| attack.write_event(&message(&[&[4, 0]], &[])[..46])),
            ("bytes behind its end", |attack| attack.write_event(&[message(&[], &[]), vec![0]].concat())),
            ("bytes behind a closure", |attack| attack.write_event(&event(PORT, PREVIOUS, 1, 1, b"x"))),
            ("an address that ends early", |attack| {
                attack.write_event(&event(PORT, PREVIOUS, 1, PREVIOUS_HOP, &[1; 31]));
            }),
            ("an unknown kind of attachment", |attack| attack.write_event(&message(&[&[9]], &[]))),
            ("neither true nor false", |attack| attack.write_event(&message(&[&[4, 2]], &[]))),
            ("more ports than attachments", |attack| attack.write_event(&message(&[&[4, 0]], &[port(0x2001)]))),
            ("more attachments than ports", |attack| attack.write_event(&message(&[&[0], &[0]], &[port(0x2001)]))),
            ("an attachment without its descriptor", |attack| attack.write_event(&message(&[&[4, 1]], &[]))),
            ("a data pipe without its descriptor", |attack| {
                attack.write_event(&message(&[&data_pipe(1, 1, 40, 0)], &[port(0x2001)]));
            }),
            ("more attachments than any message can have", |attack| {
                attack.write_event(&event(PORT, PREVIOUS, 1, MESSAGE, &65_536u32.to_le_bytes()));
            }),
        ],
    );
}

#[test]
fn malformed_invitations_are_a_breach_of_the_protocol() {
    let greeted: [(&str, Step); 5] = [
        ("ends early", |attack| {
            let meta = invitation(&[(b"pipe", port(PORT))]);
            attack.write(&frame(INVITATION, &meta[..meta.len() - 1]));
        }),
        ("bytes behind its end", |attack| {
            attack.write(&frame(INVITATION, &[invitation(&[(b"pipe", port(PORT))]), vec![0]].concat()));
        }),
        ("too many pipes", |attack| attack.write(&frame(INVITATION, &1025u32.to_le_bytes()))),
        ("a name too long", |attack| {
            attack.write(&frame(INVITATION, &invitation(&[(&[b'x'; 1025], port(PORT))])));
        }),
        ("two invitations", |attack| {
            attack.invite();
            attack.invite();
        }),
    ];
    let scene = Scene::new();
    for (what, step) in greeted {
        let mut attack = Attack::begin(Victim::Invitee, &scene.node);
        attack.greet();
        step(&mut attack);
        attack.assert_link_fails(what, true);
        scene.assert_friend_is_there();
    }
    scene.end();
    carry_out_after_greeting(
        &[Victim::Inviter],
        &[("from the invited", |attack| {
            attack.write(&frame(INVITATION, &invitation(&[(b"pipe", port(PORT))])));
        })],
    );
}

// ---- introductions ---------------------------------------------------------------------------------------

/// An offer of a link: its number, what its two ends and the attacker are called on it, and whether a socket comes.
fn meet(number: u64, own: u128, peer: u128, has_socket: u8) -> Vec<u8> {
    let mut meta = number.to_le_bytes().to_vec();
    [own, peer, 1, 2].iter().for_each(|name| meta.extend(name.to_le_bytes()));
    meta.push(has_socket);
    meta
}

impl Attack {
    /// Sends a frame with descriptors.
    fn write_frame_with(&mut self, kind: u32, meta: &[u8], descriptors: &[BorrowedFd<'_>]) {
        self.write_with(&header(DESCRIPTORS, 0, 0, descriptors.len()), descriptors);
        self.write(&[header(kind, meta.len(), 0, descriptors.len()), meta.to_vec()].concat());
    }

    /// The answer to an offer.
    fn read_met(&mut self) -> (u64, u8) {
        loop {
            let (kind, meta) = self.read_frame();
            if kind == MET {
                return (u64::from_le_bytes(meta[..8].try_into().unwrap()), meta[8]);
            }
        }
    }
}

#[test]
fn malformed_introductions_are_a_breach_of_the_protocol() {
    carry_out_after_greeting(
        &BOTH,
        &[
            ("a question that ends early", |attack| attack.write(&frame(ASK, &[0; 23]))),
            ("a question with more behind it", |attack| attack.write(&frame(ASK, &[0; 25]))),
            ("more links than anybody has", |attack| {
                attack.write(&frame(KNOWN, &[&[0; 8][..], &17u32.to_le_bytes(), &[0; 17 * 32]].concat()));
            }),
            ("fewer links than announced", |attack| {
                attack.write(&frame(KNOWN, &[&[0; 8][..], &2u32.to_le_bytes(), &[0; 32]].concat()));
            }),
            ("an offer that ends early", |attack| attack.write(&frame(MEET, &meet(1, 3, 4, 0)[..72]))),
            ("an offer without the socket", |attack| attack.write(&frame(MEET, &meet(1, 3, 4, 1)))),
            ("an offer with a socket that it does not mention", |attack| {
                let (ours, _theirs) = socket_pair().unwrap();
                attack.write_frame_with(MEET, &meet(1, 3, 4, 0), &[ours.as_fd()]);
            }),
            ("an offer with two sockets", |attack| {
                let (ours, theirs) = socket_pair().unwrap();
                attack.write_frame_with(MEET, &meet(1, 3, 4, 1), &[ours.as_fd(), theirs.as_fd()]);
            }),
            ("an offer with a file", |attack| {
                let file = File::open("/dev/null").unwrap();
                attack.write_frame_with(MEET, &meet(1, 3, 4, 1), &[file.as_fd()]);
            }),
            ("an answer of another size", |attack| attack.write(&frame(MET, &[0; 8]))),
            ("an answer that is neither yes nor no", |attack| {
                attack.write(&frame(MET, &[0, 0, 0, 0, 0, 0, 0, 0, 2]));
            }),
            ("a permission without a name", |attack| attack.write(&frame(TALK, &[]))),
            ("news of nobody", |attack| attack.write(&frame(PARTED, &[0; 15]))),
            ("a report of nobody", |attack| attack.write(&frame(REPORT, &[0; 15]))),
            ("a report that is too long", |attack| attack.write(&frame(REPORT, &[0; 16 + 4097]))),
        ],
    );
}

#[test]
fn introductions_that_nobody_asked_for_lead_to_nothing() {
    for victim in BOTH {
        let scene = Scene::new();
        let mut attack = Attack::begin(victim, &scene.node);
        attack.greet();
        attack.invite();
        // Answers without a question, news and reports of nodes that nobody has introduced.
        for number in [0, 1, 2, u64::MAX] {
            let number = number.to_le_bytes();
            attack.write(&frame(KNOWN, &[&number[..], &0u32.to_le_bytes()].concat()));
            attack.write(&frame(MET, &[&number[..], &[1]].concat()));
        }
        for name in [0, ATTACKER, attack.victim_name, 77] {
            attack.write(&frame(TALK, &u128::to_le_bytes(name)));
            attack.write(&frame(PARTED, &u128::to_le_bytes(name)));
            attack.write(&frame(REPORT, &[&u128::to_le_bytes(name)[..], b"bad"].concat()));
        }
        // A link that there is not, and names that are taken.
        attack.write(&frame(MEET, &meet(5, 3, 4, 0)));
        assert_eq!(attack.read_met(), (5, 0));
        attack.write(&frame(MEET, &meet(6, attack.victim_name, ATTACKER, 0)));
        assert_eq!(attack.read_met(), (6, 1), "the link to the attacker itself");
        let victim_name = attack.victim_name;
        for (number, peer) in [(7, ATTACKER), (8, victim_name)] {
            let (ours, _theirs) = socket_pair().unwrap();
            attack.write_frame_with(MEET, &meet(number, 3, peer, 1), &[ours.as_fd()]);
            assert_eq!(attack.read_met(), (number, 0));
        }
        attack.close();
        attack.assert_link_fails("introductions that nobody asked for", false);
        scene.end();
    }
}

#[test]
fn a_link_that_was_introduced_can_be_broken_and_costs_nothing_else() {
    for victim in BOTH {
        let scene = Scene::new();
        let mut attack = Attack::begin(victim, &scene.node);
        attack.greet();
        attack.invite();
        let wrong_hello = frame(HELLO, &hello((1, 1), 99, 4));
        let right_hello = frame(HELLO, &hello((1, 1), 104, 4));
        let nonsense = [right_hello.clone(), frame(EVENT, &[1; 100])].concat();
        let words: [(u64, &[u8]); 4] = [(101, b"not the protocol"), (102, &wrong_hello), (104, &nonsense), (105, b"")];
        for (number, words) in words {
            let (ours, theirs) = socket_pair().unwrap();
            attack.write_frame_with(MEET, &meet(number, 3 + u128::from(number), number.into(), 1), &[ours.as_fd()]);
            assert_eq!(attack.read_met(), (number, 1));
            drop(ours);
            let mut theirs = UnixStream::from(theirs);
            theirs.write_all(words).unwrap();
            theirs.shutdown(Shutdown::Write).unwrap();
            // Says hello, and then hangs up.
            let mut answer = Vec::new();
            theirs.read_to_end(&mut answer).unwrap();
            assert_eq!(answer[..4], HELLO.to_le_bytes());
            scene.assert_friend_is_there();
        }
        attack.close();
        attack.assert_link_fails("introductions to nonsense", false);
        scene.end();
    }
}

#[test]
fn an_event_with_two_ports_of_one_name_leaves_neither_behind() {
    carry_out_after_greeting(
        &BOTH,
        &[("two ports of one name", |attack| {
            attack.write_event(&message(&[&[0], &[0]], &[port(0x2001), port(0x2001)]));
        })],
    );
}

#[test]
fn an_invitation_with_two_ports_of_one_name_leaves_neither_behind() {
    let scene = Scene::new();
    let mut attack = Attack::begin(Victim::Invitee, &scene.node);
    attack.greet();
    attack.write(&frame(INVITATION, &invitation(&[(b"pipe", port(PORT)), (b"other", port(PORT))])));
    attack.assert_link_fails("two ports of one name", true);
    scene.end();
}

#[test]
fn pipes_of_an_invitation_that_share_a_name_or_that_nobody_wants_are_closed() {
    let scene = Scene::new();
    let mut attack = Attack::begin(Victim::Invitee, &scene.node);
    attack.greet();
    let pipes: [(&[u8], Vec<u8>); 3] = [(b"same", port(0x3001)), (b"same", port(0x3002)), (b"unwanted", port(0x3003))];
    attack.write(&frame(INVITATION, &invitation(&pipes)));
    // This one was not among them.
    assert!(matches!(attack.pipe.recv(), Err(RecvError::PeerClosed)));
    attack.close();
    attack.assert_link_fails("an orderly end", false);
    scene.end();
}

// ---- objects ---------------------------------------------------------------------------------------------

#[test]
fn attachments_that_are_not_what_they_are_said_to_be_are_lost_and_the_link_goes_on() {
    let scene = Scene::new();
    let null = || OwnedFd::from(File::open("/dev/null").unwrap());
    let buffer = |num_bytes: u64| {
        [&[3][..], &num_bytes.to_le_bytes(), &1u64.to_le_bytes(), &1u64.to_le_bytes(), &[1, 0]].concat()
    };
    let cases: Vec<(&str, Vec<u8>, OwnedFd, bool)> = vec![
        ("a device for a data pipe", data_pipe(1, 1, 40, 0), null(), true),
        ("elements of no size", data_pipe(2, 0, 40, 0), ring(0, 0), true),
        ("no capacity", data_pipe(2, 1, 0, 0), ring(0, 0), true),
        ("a capacity that is no multiple", data_pipe(1, 3, 40, 0), ring(0, 0), true),
        ("too little memory", data_pipe(1, 1, 41, 0), ring(0, 0), true),
        ("memory that can shrink", data_pipe(1, 1, 40, 0), file_with(&"x".repeat(1000)).into(), true),
        ("a device for a buffer", buffer(10), null(), false),
        ("a buffer that is too short", buffer(100), file_with("short").into(), false),
        ("an empty buffer", buffer(0), ring(0, 0), false),
        ("an absurd buffer", buffer(u64::MAX), ring(0, 0), false),
    ];
    let mut attack = Attack::begin(Victim::Invitee, &scene.node);
    attack.greet();
    attack.invite();
    for (number, (what, attachment, descriptor, needs_port)) in cases.into_iter().enumerate() {
        attack.write_with(&header(DESCRIPTORS, 0, 0, 1), &[descriptor.as_fd()]);
        let ports = if needs_port { vec![port(0x4000 + number as u128)] } else { Vec::new() };
        let meta = event(PORT, PREVIOUS, number as u64 + 1, MESSAGE, &contents(&[&attachment], &ports));
        attack.write(&[header(EVENT, meta.len(), 0, 1), meta].concat());
        let mut message = attack.pipe.recv().unwrap();
        assert_eq!(message.take_handles().unwrap_err(), TakeError::Lost, "{what}");
    }
    attack.close();
    attack.assert_link_fails("an orderly end", false);
    scene.end();
}

#[test]
fn a_data_pipe_whose_memory_holds_nonsense_counts_as_closed() {
    const PRODUCER: u8 = 1;
    const CONSUMER: u8 = 2;
    let cases = [
        ("more data than capacity", CONSUMER, 44, 0, 0),
        ("written before it was read", CONSUMER, 3, 8, 8),
        ("a part of an element", CONSUMER, 5, 0, 0),
        ("an index near the end of all indices", CONSUMER, u64::MAX - 3, 0, 0),
        ("read more than was written", PRODUCER, 0, 4, 0),
        ("read ages ago", PRODUCER, 1000, 0, 1000),
        ("a part of an element read", PRODUCER, 8, 3, 8),
    ];
    let scene = Scene::new();
    let mut attack = Attack::begin(Victim::Invitee, &scene.node);
    attack.greet();
    attack.invite();
    for (number, (what, kind, write_index, read_index, index)) in cases.into_iter().enumerate() {
        let descriptor = ring(write_index, read_index);
        attack.write_with(&header(DESCRIPTORS, 0, 0, 1), &[descriptor.as_fd()]);
        let (attachment, port) = (data_pipe(kind, 4, 40, index), port(0x5000 + number as u128));
        let meta = event(PORT, PREVIOUS, number as u64 + 1, MESSAGE, &contents(&[&attachment], &[port]));
        attack.write(&[header(EVENT, meta.len(), 0, 1), meta].concat());
        let handle = attack.pipe.recv().unwrap().take_handles().unwrap().remove(0);
        if kind == CONSUMER {
            let mut consumer = handle.into_consumer().unwrap();
            wait_for(&consumer, Signals::PEER_CLOSED);
            assert_eq!(consumer.read(&mut [0; 40]).unwrap(), 0, "{what}");
        } else {
            let producer = handle.into_producer().unwrap();
            wait_for(&producer, Signals::PEER_CLOSED);
            assert!(producer.try_write(&[0; 4]).is_err(), "{what}");
        }
    }
    attack.close();
    attack.assert_link_fails("an orderly end", false);
    scene.end();
}

#[test]
fn a_port_that_is_said_to_be_its_own_previous_hop_is_not_left_behind() {
    let scene = Scene::new();
    let mut attack = Attack::begin(Victim::Invitee, &scene.node);
    attack.greet();
    attack.invite();
    let address = [attack.victim_name.to_le_bytes(), PORT.to_le_bytes()].concat();
    attack.write_event(&event(PORT, PREVIOUS, 1, PREVIOUS_HOP, &address));
    attack.close();
    attack.assert_link_fails("an orderly end", false);
    scene.end();
}

// ---- noise -----------------------------------------------------------------------------------------------

#[test]
fn noise_costs_a_link_and_nothing_else() {
    let scene = Scene::new();
    let mut random = Random::new(seed());
    for round in 0..200 {
        let victim = BOTH[random.below(2)];
        let mut attack = Attack::begin(victim, &scene.node);
        if random.below(4) > 0 {
            attack.greet();
            attack.invite();
        }
        for _ in 0..random.below(5) {
            let len = random.below(300);
            let bytes = random.bytes(len);
            match random.below(4) {
                0 => attack.write(&bytes),
                1 => attack.write_event(&bytes),
                2 => attack.write_event(&message(&[&bytes], &[port(0x2001)])),
                _ => attack.write_with_descriptors(&bytes, random.below(4)),
            }
        }
        attack.close();
        wait_for(&attack.pipe, Signals::PEER_CLOSED);
        if victim == Victim::Inviter {
            assert!(attack.errors.recv().unwrap().disconnected, "round {round}");
        }
        if round % 20 == 0 {
            scene.assert_friend_is_there();
        }
    }
    scene.end();
}

#[test]
fn well_formed_nonsense_about_a_pipe_costs_that_pipe_at_most() {
    let scene = Scene::new();
    let mut random = Random::new(seed());
    for _ in 0..200 {
        let mut attack = Attack::begin(Victim::Invitee, &scene.node);
        attack.greet();
        attack.invite();
        for _ in 0..random.below(30) {
            let names = [PORT, PEER, PREVIOUS, 0x6001, 0x6002];
            let name = names[random.below(names.len())];
            let node = [ATTACKER, attack.victim_name, 0xBAD][random.below(3)];
            let address = [node.to_le_bytes(), names[random.below(names.len())].to_le_bytes()].concat();
            let kind = random.below(7) as u8;
            let rest = match kind {
                MESSAGE if random.below(2) == 0 => contents(&[&[0]], &[port(random.next().into())]),
                MESSAGE => contents(&[], &[]),
                PREVIOUS_HOP | 5 => address,
                6 => [address, vec![random.next() as u8, 0]].concat(),
                _ => Vec::new(),
            };
            let from = names[random.below(names.len())];
            attack.write_event(&event(name, from, random.below(4) as u64, kind, &rest));
        }
        while attack.pipe.try_recv().is_ok() {}
        attack.close();
        wait_for(&attack.pipe, Signals::PEER_CLOSED);
    }
    scene.end();
}

#[test]
fn whoever_accepted_an_invitation_hears_why_the_connection_did_not_end_in_good_order() {
    let scene = Scene::new();
    let (events, errors) = channel();
    let events = Mutex::new(events);
    let handler = Arc::new(move |error: &ProcessError| events.lock().unwrap().send(error.clone()).unwrap());
    scene.node.set_default_error_handler(Some(handler));
    let mut attack = Attack::begin(Victim::Invitee, &scene.node);
    attack.write(&[0xff; 64]);
    let error = errors.recv().unwrap();
    assert!(error.disconnected && !error.message.is_empty(), "{error:?}");
    attack.assert_link_fails("noise", true);
    scene.end();
    assert!(errors.try_recv().is_err(), "nothing else is worth a report");
}
