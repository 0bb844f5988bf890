//! Attackers that share memory with their victim: what lies in the lanes, and what the words say. Where no memory is
//! shared there is nothing to attack.

use crate::attack::*;
use crate::worlds::*;
use libmojo_platform::{Mapping, SharedMemory, Socket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

const DOORBELL: u32 = 12;
const REGION: u32 = 13;
const TAKEN: u32 = 14;
const SWITCH: u32 = 15;

/// The flag of a frame whose contents are in the lane for large things.
const IS_BULK: u32 = 1 << 16;

const FRAME_LANE: usize = 32 << 10;
const BULK_LANE: usize = 1 << 20;
const REGION_BYTES: usize = 4096 + 2 * (FRAME_LANE + BULK_LANE);

/// An attacker and its victim that have agreed to go on in shared memory.
struct Shared {
    attack: Attack,
    memory: Mapping,
    /// The direction in which the attacker writes.
    own: usize,
}

fn sizes() -> Vec<u8> {
    [FRAME_LANE as u32, BULK_LANE as u32].into_iter().flat_map(u32::to_le_bytes).collect()
}

fn greet(attack: &mut Attack) {
    let is_inviter = (attack.victim == Victim::Invitee).into();
    let mut meta = hello((1, 1), ATTACKER, is_inviter);
    meta[12] = 1;
    attack.write(&frame(HELLO, &meta));
    attack.invite();
}

/// Offers memory as the region, and returns whether it is taken.
fn offer(attack: &mut Attack, memory: OwnedFd) -> bool {
    attack.write_with(&header(DESCRIPTORS, 0, 0, 1), &[memory.as_fd()]);
    attack.write(&[header(REGION, 8, 0, 1), sizes()].concat());
    loop {
        // What the victim says about the invitation comes first.
        if let (TAKEN, meta) = attack.read_frame() {
            return meta == [1];
        }
    }
}

/// Reads until the victim's offer has come, and returns its memory.
fn await_offer(attack: &mut Attack) -> OwnedFd {
    let socket = Socket::from_fd(attack.socket.try_clone().unwrap().into()).unwrap();
    let (mut bytes, mut descriptors) = (Vec::new(), Vec::new());
    let expected = [header(REGION, 8, 0, 1), sizes()].concat();
    while !bytes.ends_with(&expected) {
        let mut polled = [rustix::event::PollFd::new(&socket, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut polled, None).unwrap();
        let mut buffer = [0; 4096];
        let received = socket.recv(&mut buffer, &mut descriptors).unwrap();
        assert_ne!(received.bytes, 0);
        bytes.extend(&buffer[..received.bytes]);
    }
    descriptors.remove(0)
}

impl Shared {
    fn begin(mut attack: Attack) -> Self {
        greet(&mut attack);
        let (memory, own) = match attack.victim {
            Victim::Inviter => {
                let memory = await_offer(&mut attack);
                attack.write(&frame(TAKEN, &[1]));
                (SharedMemory::from_descriptors(Some(memory), None, REGION_BYTES as u64).unwrap(), 1)
            }
            Victim::Invitee => {
                let memory = SharedMemory::create(REGION_BYTES as u64, false).unwrap();
                assert!(offer(&mut attack, memory.try_clone().unwrap().into_descriptors().0.unwrap()));
                attack.write(&frame(SWITCH, &[]));
                (memory, 0)
            }
        };
        Self { attack, memory: memory.map(0, REGION_BYTES).unwrap(), own }
    }

    fn set(&self, direction: usize, word: usize, value: u64) {
        self.memory.atomic_u64(direction * 1024 + word * 128).unwrap().store(value, Ordering::SeqCst);
    }

    fn set_tail(&self, value: u64) {
        self.set(self.own, 0, value);
    }

    fn set_bulk_tail(&self, value: u64) {
        self.set(self.own, 2, value);
    }

    /// Puts bytes at the beginning of the lane for frames, and says that there are so many.
    fn put(&self, bytes: &[u8], tail: u64) {
        self.memory.write(4096 + self.own * FRAME_LANE, bytes).unwrap();
        self.set_tail(tail);
    }

    fn ring(&mut self) {
        self.attack.write(&header(DOORBELL, 0, 0, 0));
    }
}

type SharedStep = fn(&mut Shared);

fn carry_out_in_region(attacks: &[(&str, SharedStep)]) {
    if !links_share_memory() {
        return;
    }
    for victim in BOTH {
        let scene = Scene::new();
        for (what, step) in attacks {
            let mut shared = Shared::begin(Attack::begin(victim, &scene.node));
            step(&mut shared);
            shared.ring();
            shared.attack.assert_link_fails(what, true);
            scene.assert_friend_is_there();
        }
        scene.end();
    }
}

fn announcement(meta: usize, payload: usize, start: u64) -> Vec<u8> {
    [header(EVENT | IS_BULK, meta, payload, 0), start.to_le_bytes().to_vec(), vec![0; 8]].concat()
}

#[test]
fn what_an_honest_process_writes_into_the_lanes_arrives() {
    if !links_share_memory() {
        return;
    }
    let scene = Scene::new();
    let mut shared = Shared::begin(Attack::begin(Victim::Invitee, &scene.node));
    let meta = message(&[], &[]);
    let small = [header(EVENT, meta.len(), 5, 0), meta.clone(), b"small".to_vec()].concat();
    let unknown = header(UNKNOWN, 0, 0, 0);
    let end = small.len().next_multiple_of(16);
    shared.put(&unknown, 16);
    shared.memory.write(4096 + 16, &small).unwrap();
    shared.set_tail(16 + end as u64);
    shared.ring();
    assert_eq!(recv(&shared.attack.pipe), "small");
    let next = event(PORT, PREVIOUS, 2, MESSAGE, &contents(&[], &[]));
    let large = [next.clone(), vec![b'x'; 5000]].concat();
    shared.memory.write(4096 + 2 * FRAME_LANE, &large).unwrap();
    shared.memory.write(4096 + 16 + end, &announcement(next.len(), 5000, 0)).unwrap();
    shared.set_tail((16 + end + 32) as u64);
    shared.set_bulk_tail(large.len() as u64);
    shared.ring();
    assert_eq!(recv(&shared.attack.pipe), "x".repeat(5000));
    shared.attack.end();
    scene.end();
}

#[test]
fn indices_and_lengths_that_lie_cost_the_link() {
    carry_out_in_region(&[
        ("a tail beyond the lane", |shared| shared.set_tail(FRAME_LANE as u64 + 16)),
        ("a tail at the end of all numbers", |shared| shared.set_tail(u64::MAX)),
        ("a part of a header", |shared| shared.put(&header(EVENT, 0, 0, 0), 8)),
        ("a description that is not there", |shared| shared.put(&header(EVENT, 1000, 0, 0), 16)),
        ("a payload that is not there", |shared| shared.put(&header(EVENT, 0, 1000, 0), 512)),
        ("a frame longer than the lane", |shared| shared.put(&header(EVENT, 0, FRAME_LANE, 0), FRAME_LANE as u64)),
        ("a description over the limit", |shared| shared.put(&header(EVENT | IS_BULK, MAX_META + 1, 0, 0), 32)),
        ("a payload over the limit", |shared| shared.put(&header(EVENT | IS_BULK, 0, MAX_PAYLOAD + 1, 0), 32)),
        ("part of an announcement", |shared| shared.put(&announcement(10, 5000, 0), 16)),
        ("a large frame in the middle of nowhere", |shared| shared.put(&announcement(10, 5000, 1), 32)),
        ("a large frame a round further", |shared| shared.put(&announcement(10, 5000, BULK_LANE as u64), 32)),
        ("a large frame that is too far ahead", |shared| {
            shared.put(&announcement(10, 5000, 0), 32);
            shared.set_bulk_tail(BULK_LANE as u64 + 1);
        }),
        ("more announcements than can be meant", |shared| {
            shared.put(&announcement(10, 5000, 0).repeat(1000), 32_000);
        }),
        ("descriptors that never came", |shared| shared.put(&header(EVENT, 0, 0, 3), 16)),
        ("an event that ends too early", |shared| shared.put(&header(EVENT, 0, 0, 0), 16)),
    ]);
}

#[test]
fn frames_that_have_no_place_there_cost_the_link() {
    carry_out_in_region(&[
        ("a frame on the socket", |shared| shared.attack.write_event(&message(&[], &[]))),
        ("descriptors that nobody announced", |shared| shared.attack.write_with_descriptors(b"x", 1)),
        ("an offer in the region", |shared| shared.put(&[header(REGION, 8, 0, 0), sizes()].concat(), 32)),
        ("an answer in the region", |shared| shared.put(&[header(TAKEN, 1, 0, 0), vec![1]].concat(), 32)),
        ("a switch in the region", |shared| shared.put(&header(SWITCH, 0, 0, 0), 16)),
        ("a second switch on the socket", |shared| shared.attack.write(&frame(SWITCH, &[]))),
    ]);
}

#[test]
fn agreements_out_of_turn_cost_the_link() {
    carry_out_after_greeting(
        &BOTH,
        &[
            ("an answer to no offer", |attack| attack.write(&frame(TAKEN, &[1]))),
            ("a switch without an agreement", |attack| attack.write(&frame(SWITCH, &[]))),
            ("an offer of nothing", |attack| attack.write(&frame(REGION, &sizes()))),
            ("an offer of several things", |attack| {
                attack.write_with_descriptors(&header(DESCRIPTORS, 0, 0, 2), 2);
                attack.write(&[header(REGION, 8, 0, 2), sizes()].concat());
            }),
        ],
    );
}

#[test]
fn memory_that_cannot_be_relied_on_is_not_shared_and_nothing_else_changes() {
    if !links_share_memory() {
        return;
    }
    let scene = Scene::new();
    let path = std::env::temp_dir().join(format!("libmojo-unsealed-{}", std::process::id()));
    let file = std::fs::File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    file.set_len(REGION_BYTES as u64).unwrap();
    let small = SharedMemory::create(REGION_BYTES as u64 - 1, false).unwrap();
    for memory in [file.into(), small.into_descriptors().0.unwrap(), std::io::pipe().unwrap().0.into()] {
        let mut attack = Attack::begin(Victim::Invitee, &scene.node);
        greet(&mut attack);
        assert!(!offer(&mut attack, memory));
        let meta = message(&[], &[]);
        attack.write(&[header(EVENT, meta.len(), 5, 0), meta, b"hello".to_vec()].concat());
        assert_eq!(recv(&attack.pipe), "hello");
        attack.end();
    }
    scene.end();
}

#[test]
fn a_reader_that_claims_to_have_read_what_was_never_written_costs_the_link() {
    if !links_share_memory() {
        return;
    }
    let scene = Scene::new();
    let shared = Shared::begin(Attack::begin(Victim::Invitee, &scene.node));
    shared.set(1 - shared.own, 1, u64::MAX);
    // The victim looks when its lane is full.
    while shared.attack.pipe.send(libmojo::Message::new(&[7; 1000])).is_ok() {}
    shared.attack.assert_link_fails("a head ahead of its tail", true);
    scene.end();
}

#[test]
fn a_process_that_scribbles_over_the_region_costs_its_link_at_most() {
    if !links_share_memory() {
        return;
    }
    let mut random = Random::new(seed());
    for round in 0..200 {
        let scene = Scene::new();
        let victim = BOTH[round % 2];
        let mut shared = Shared::begin(Attack::begin(victim, &scene.node));
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (memory, is_over) = (&shared.memory, &is_over);
            let mut random = Random::new(random.next());
            scope.spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    scribble(memory, &mut random);
                }
            });
            for _ in 0..20 {
                shared.attack.write(&header(DOORBELL, 0, 0, 0));
                let _ = shared.attack.pipe.send(libmojo::Message::new(&[1; 3000]));
                let _ = shared.attack.pipe.try_recv();
                scene.assert_friend_is_there();
            }
            is_over.store(true, Ordering::SeqCst);
        });
        shared.attack.end();
        scene.end();
    }
}

/// Writes one thing: an index or word, something like a frame, or noise.
fn scribble(memory: &Mapping, random: &mut Random) {
    let word = |random: &mut Random| random.below(2) * 1024 + random.below(7) * 128;
    match random.below(4) {
        0 => {
            let small = random.below(0x1_0000) as u64;
            memory.atomic_u64(word(random)).unwrap().store(small, Ordering::SeqCst);
        }
        1 => {
            memory.atomic_u64(word(random)).unwrap().fetch_add(16, Ordering::SeqCst);
        }
        2 => {
            let kind = random.below(18) as u32 | (random.below(2) as u32) << 16;
            let bytes = header(kind, random.below(80), random.below(200), 0);
            memory.write(4096 + random.below(FRAME_LANE / 8) * 16, &bytes).unwrap();
        }
        _ => {
            memory.write(random.below(REGION_BYTES - 64), &random.bytes(64)).unwrap();
        }
    }
}
