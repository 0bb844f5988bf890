//! Well-formed frames with bad contents: events, invitations, introductions, objects, noise.

use crate::attack::*;
use crate::worlds::*;
use libmojo::{RecvError, Signals, TakeError, socket_pair};
use std::fs::File;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

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

/// An offer of a link: its number, what its two ends are called on it, who the peer is, what that and the attacker are
/// known as, and whether a socket comes.
fn meet(number: u64, own: u128, peer: u128, has_socket: u8) -> Vec<u8> {
    let mut meta = number.to_le_bytes().to_vec();
    [own, peer, 1, 2, 3].iter().for_each(|name| meta.extend(name.to_le_bytes()));
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
            ("an offer that ends early", |attack| attack.write(&frame(MEET, &meet(1, 3, 4, 0)[..88]))),
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
            ("a permission without a number", |attack| attack.write(&frame(TALK, &[]))),
            ("news of nobody", |attack| attack.write(&frame(PARTED, &[0; 7]))),
            ("a report of nobody", |attack| attack.write(&frame(REPORT, &[0; 7]))),
            ("a report that is too long", |attack| attack.write(&frame(REPORT, &[0; 8 + 4097]))),
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
        for number in [0, 1, 2, u64::MAX] {
            attack.write(&frame(TALK, &number.to_le_bytes()));
            attack.write(&frame(PARTED, &number.to_le_bytes()));
            attack.write(&frame(REPORT, &[&number.to_le_bytes()[..], b"bad"].concat()));
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
        ("an own index at the end of all indices", PRODUCER, 0, u64::MAX - 3, u64::MAX - 3),
        ("an own index that is no whole element", PRODUCER, 0, 4, 5),
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
