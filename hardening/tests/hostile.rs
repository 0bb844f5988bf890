//! A hostile process against a node: it keeps to the protocol until it does not, thousands of times, each time in
//! another way. The victim loses nothing but that link: it does not panic, hang, or grow, and nothing is left; its friend
//! gets every answer.
//!
//! `LIBMOJO_TEST_SEED` repeats what chance has chosen; `LIBMOJO_TEST_ROUNDS=n` takes n times as many rounds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use hardening::attacker::{Attacker, NAME, PEER, PORT, PREVIOUS, data_pipe_memory, message, port, wrong_descriptor};
use hardening::scene::{Scene, shares_memory};
use libmojo::{Message, MessagePipe, Signals, Waitable, socket_pair};
use libmojo_core::node::fuzzing::{self, Frame};
use libmojo_platform::{SharedMemory, open_descriptor_count};
use libmojo_ports::{Address, Amount, Body, Event, Meter, NodeName, PortName, Receiving, Sending};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// After this time a test is considered to hang.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the process may need in addition while it is attacked, in bytes. What a peer can have allocated by mere words is
/// below that; what it sends is bounded by other limits.
const MAX_GROWTH: usize = 64 << 20;

/// The only test that runs at the moment, for descriptors are counted; and its watchdog.
struct Alone {
    _guard: MutexGuard<'static, ()>,
    _alive: Sender<()>,
}

fn alone(test: &'static str) -> Alone {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (alive, ended) = channel::<()>();
    std::thread::spawn(move || {
        if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{test} hangs");
            std::process::abort();
        }
    });
    Alone { _guard: guard, _alive: alive }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Runs rounds of an attack, each with numbers of its own, and prints what repeats one that fails.
fn rounds(count: u64, mut round: impl FnMut(&Scene, &mut fastrand::Rng)) {
    let scene = Scene::new();
    let seed = variable("LIBMOJO_TEST_SEED");
    let first = seed.unwrap_or_else(|| fastrand::u64(..1 << 48));
    let count = if seed.is_some() { 1 } else { count * variable("LIBMOJO_TEST_ROUNDS").unwrap_or(1) };
    let before = resident_bytes();
    for seed in first..first + count {
        let note = Note(seed);
        round(&scene, &mut fastrand::Rng::with_seed(seed));
        std::mem::forget(note);
    }
    let growth = resident_bytes().saturating_sub(before);
    println!("{count} rounds from LIBMOJO_TEST_SEED={first}, {growth} bytes more");
    assert!(growth < MAX_GROWTH, "the process has grown by {growth} bytes");
}

/// Dropped when a round fails.
struct Note(u64);

impl Drop for Note {
    fn drop(&mut self) {
        eprintln!("LIBMOJO_TEST_SEED={} failed", self.0);
    }
}

/// What the process needs; nothing where a sanitizer keeps back what was freed.
fn resident_bytes() -> usize {
    if std::env::var_os("ASAN_OPTIONS").is_some() {
        return 0;
    }
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

// ---- what an honest process may say ----------------------------------------------------------------------

fn null() -> std::os::fd::OwnedFd {
    wrong_descriptor(6)
}

/// One frame of each kind, and events of each kind, with all fields that there are; in an order in which they make sense.
fn honest_frames(victim: NodeName) -> Vec<Frame> {
    let amount = Amount { messages: 10, bytes: 1000 };
    let meter = Meter { step: amount, taken: Amount::NONE, uncounted: 2 };
    let full = libmojo_ports::PortDescriptor {
        sending: Some(Box::new(Sending::from_parts(amount, Amount::NONE))),
        receiving: Some(Box::new(Receiving::from_parts(amount, Some(meter)))),
        ..port(PortName(0x2002))
    };
    let data_pipe = |kind: u8| [vec![kind], 4u32.to_le_bytes().into(), 40u32.to_le_bytes().into(), vec![0; 8]].concat();
    let buffer = [&[3][..], &100u64.to_le_bytes(), &[7; 16], &[1, 1]].concat();
    let (writable, read_only) = SharedMemory::create(100, true).unwrap().into_descriptors();
    let mut number = 0;
    let mut next = || {
        number += 1;
        (PORT, PREVIOUS, number)
    };
    let there = Address { node: NAME, port: PEER };
    let event = |(to, from, number), body| fuzzing::event(Event { to, from, number, body });
    let mere = || Body::Message { message: libmojo_core::message::Message::with_payload(b"mere"), ports: Vec::new() };
    let mut frames = vec![
        event(next(), mere()),
        message(next(), &[vec![0], vec![0]], &[port(PortName(0x2001)), full], b"pipes", Vec::new()),
        message(next(), &[data_pipe(1)], &[port(PortName(0x2003))], b"", vec![data_pipe_memory(40, 0, 0)]),
        message(next(), &[data_pipe(2)], &[port(PortName(0x2004))], b"", vec![data_pipe_memory(40, 4, 0)]),
        message(next(), &[buffer], &[], b"buffer", vec![writable.unwrap(), read_only.unwrap()]),
        message(next(), &[vec![4, 1], vec![4, 0], vec![5, 0]], &[], &[1; 3000], vec![null()]),
        event(next(), Body::Meter { step: amount, uncounted: Some(1) }),
        event(next(), Body::Credit(amount)),
        event(next(), Body::Probe { origin: PEER, hops_left: 3 }),
        event((PORT, PEER, 0), Body::ObserveProxy(there)),
        event((PORT, PEER, 0), Body::Accepted),
        event((PortName(0x2001), PREVIOUS, 1), Body::PreviousHop(there)),
        event((PortName(0x2002), PREVIOUS, 1), Body::ObserveProxyAck),
        fuzzing::ask(1, victim.0),
        fuzzing::known(1, &[(3, 4), (5, 6)]),
        fuzzing::meet(2, [victim.0, NAME.0, 5, 6, 7], None),
        fuzzing::meet(3, [30, 31, 32, 33, 34], Some(socket_pair().unwrap().0)),
        fuzzing::met(4, true),
        fuzzing::talk(3),
        fuzzing::parted(3),
        fuzzing::report(3, "bad"),
    ];
    frames.push(event(next(), Body::Closure));
    frames
}

const BOUNDARIES: [u128; 14] = [
    0,
    1,
    2,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX as u128,
    u128::MAX,
    0x2001,
    NAME.0,
];

/// Says a frame in one of the ways there are.
fn say(attacker: &mut Attacker, frame: &Frame, bytes: &[u8], random: &mut fastrand::Rng) {
    if attacker.lanes().is_some() {
        attacker.show(frame, bytes, random.u8(..4) == 0);
    } else {
        attacker.say_changed(frame, bytes);
    }
}

fn take_all(pipe: &MessagePipe) -> Vec<libmojo::Handle> {
    let mut handles = Vec::new();
    while let Ok(mut message) = pipe.try_recv() {
        handles.extend(message.take_handles().unwrap_or_default());
    }
    handles
}

/// What a program does with what it has got.
fn use_all(handles: &[libmojo::Handle]) {
    for handle in handles {
        match handle {
            libmojo::Handle::Pipe(pipe) => {
                let _ = (pipe.send(Message::new(b"hello")), pipe.try_recv());
            }
            libmojo::Handle::Producer(producer) => drop(producer.try_write(&[0; 40])),
            libmojo::Handle::Consumer(consumer) => drop(consumer.try_read(&mut [0; 40])),
            libmojo::Handle::Buffer(buffer) => drop(buffer.map(0, buffer.num_bytes())),
            _ => {}
        }
    }
}

/// Runs rounds of an attack over a connection that is made for each, and of which nothing is left; the victim has invited or
/// was invited.
fn attacks(
    count: u64,
    is_in_memory: impl Fn(&mut fastrand::Rng) -> bool,
    mut attack: impl FnMut(&Scene, &MessagePipe, &mut Attacker, &mut fastrand::Rng),
) {
    rounds(count, |scene, random| {
        let before = scene.holdings();
        let is_invited = random.bool();
        let (pipe, mut attacker) = scene.connect(is_invited, is_in_memory(random));
        attack(scene, &pipe, &mut attacker, random);
        scene.end(pipe, attacker, before);
    });
}

/// Over one of the carriers.
fn either(random: &mut fastrand::Rng) -> bool {
    random.bool() && shares_memory()
}

fn in_memory(_: &mut fastrand::Rng) -> bool {
    true
}

// ---- words -----------------------------------------------------------------------------------------------

#[test]
fn boundary_values_in_every_field_of_every_frame_cost_the_link_at_most() {
    let _alone = alone("boundary values");
    attacks(4000, either, |scene, pipe, attacker, random| {
        let frames = honest_frames(attacker.victim.unwrap_or(NAME));
        let changed = random.usize(..frames.len());
        let mut handles = Vec::new();
        for (at, frame) in frames.iter().enumerate().take(changed + 3) {
            let mut bytes = frame.bytes();
            if at == changed {
                // Wherever a field begins, and however long it is, some round finds it.
                let (start, len) = (random.usize(..bytes.len()), 1 << random.u32(..5));
                let value = BOUNDARIES[random.usize(..BOUNDARIES.len())].to_le_bytes();
                bytes.iter_mut().skip(start).zip(value).take(len).for_each(|(byte, new)| *byte = new);
            }
            say(attacker, frame, &bytes, random);
            scene.turn();
            handles.extend(take_all(pipe));
        }
        use_all(&handles);
    });
}

#[test]
fn frames_that_are_cut_repeated_or_reordered_cost_the_link_at_most() {
    let _alone = alone("cut, repeated, reordered");
    attacks(1500, either, |scene, pipe, attacker, random| {
        let mut frames = honest_frames(attacker.victim.unwrap_or(NAME));
        if random.bool() {
            random.shuffle(&mut frames);
        }
        let mut handles = Vec::new();
        for frame in &frames {
            let mut bytes = frame.bytes();
            match random.u8(..24) {
                0 => bytes.truncate(random.usize(..bytes.len())),
                1 => say(attacker, frame, &bytes, random),
                2 => attacker.write(&frame.announcement(), &[]),
                3 => continue,
                _ => {}
            }
            say(attacker, frame, &bytes, random);
            if random.bool() {
                scene.turn();
                handles.extend(take_all(pipe));
            }
        }
        use_all(&handles);
    });
}

#[test]
fn descriptors_too_many_too_few_or_of_the_wrong_sort_cost_the_link_or_what_they_came_for() {
    let _alone = alone("descriptors");
    attacks(1500, either, |scene, pipe, attacker, random| {
        let mut frames = honest_frames(attacker.victim.unwrap_or(NAME));
        let with_descriptors: Vec<usize> = (0..frames.len()).filter(|at| !frames[*at].descriptors.is_empty()).collect();
        let at = with_descriptors[random.usize(..with_descriptors.len())];
        match random.u8(..4) {
            0 => drop(frames[at].descriptors.pop()),
            1 => (0..random.usize(1..300)).for_each(|_| frames[at].descriptors.push(null())),
            _ => {
                let which = random.usize(..frames[at].descriptors.len());
                frames[at].descriptors[which] = wrong_descriptor(random.usize(..8));
            }
        }
        let mut handles = Vec::new();
        for frame in &frames {
            let bytes = frame.bytes();
            say(attacker, frame, &bytes, random);
            scene.turn();
            handles.extend(take_all(pipe));
        }
        use_all(&handles);
    });
}

#[test]
fn memory_that_is_of_the_wrong_sort_is_not_shared() {
    let _alone = alone("memory");
    rounds(200, |scene, random| {
        let before = scene.holdings();
        let (pipe, attacker) = scene.connect(false, false);
        attacker.say(&fuzzing::region(wrong_descriptor(random.usize(..8))));
        scene.turn();
        scene.turn();
        scene.end(pipe, attacker, before);
    });
}

#[test]
fn an_attacker_that_stops_at_any_byte_holds_up_nobody() {
    let _alone = alone("stopping");
    attacks(1000, either, |scene, pipe, attacker, random| {
        let frames = honest_frames(attacker.victim.unwrap_or(NAME));
        let stop = random.usize(..frames.len());
        for frame in &frames[..stop] {
            let bytes = frame.bytes();
            say(attacker, frame, &bytes, random);
        }
        let bytes = frames[stop].bytes();
        attacker.write(&bytes[..random.usize(..bytes.len())], &[]);
        // It says nothing more, and reads nothing, while the victim goes on.
        let _held = take_all(pipe);
        for _ in 0..20 {
            let _ = pipe.send(Message::new(&vec![1; random.usize(..20_000)]));
            scene.assert_friend_is_there();
        }
    });
}

// ---- memory ----------------------------------------------------------------------------------------------

#[test]
fn memory_that_changes_all_the_time_costs_the_link_at_most() {
    let _alone = alone("scribbling");
    if !shares_memory() {
        return;
    }
    attacks(60, in_memory, |scene, pipe, attacker, random| {
        let frames = honest_frames(attacker.victim.unwrap_or(NAME));
        for frame in &frames {
            let bytes = frame.bytes();
            say(attacker, frame, &bytes, random);
        }
        let is_over = AtomicBool::new(false);
        let seed = random.u64(..);
        std::thread::scope(|scope| {
            let (attacker, is_over) = (&*attacker, &is_over);
            scope.spawn(move || {
                let lanes = attacker.lanes().unwrap();
                let mut random = fastrand::Rng::with_seed(seed);
                while !is_over.load(Ordering::SeqCst) {
                    match random.u8(..8) {
                        // Back, forward, far beyond the lane.
                        0 => lanes.change(random.usize(..16), |index| index.wrapping_sub(16)),
                        1 => lanes.change(random.usize(..16), |index| index.wrapping_add(16)),
                        2 => lanes.change(random.usize(..16), |_| u64::MAX),
                        // Called and not called, as fast as can be.
                        3 => {
                            (0..100).for_each(|number| lanes.change(4, |_| number % 4));
                            (0..100).for_each(|number| lanes.change(12, |_| number % 4));
                        }
                        _ => {
                            let at = random.usize(..fuzzing::LINK_MEMORY_BYTES - 64);
                            let noise: [u8; 64] = std::array::from_fn(|_| random.u8(..));
                            let _ = lanes.memory.write(at, &noise);
                        }
                    }
                }
            });
            for _ in 0..50 {
                attacker.ring();
                let _ = pipe.send(Message::new(&[1; 3000]));
                use_all(&take_all(pipe));
                scene.assert_friend_is_there();
            }
            is_over.store(true, Ordering::SeqCst);
        });
    });
}

// ---- floods ----------------------------------------------------------------------------------------------

/// How many there are who are introduced and say nothing.
const NUM_SILENT: usize = 600;

/// Lets an attacker say the same sort of thing very often, all of which is heard. Returns how many descriptors there were at
/// most in addition.
fn flood(what: &str, count: u64, frame: impl FnMut(u64) -> Frame) -> usize {
    flood_until(what, count, frame, || {})
}

/// The same; `finally` lets go of what those whom the attacker speaks of still have.
fn flood_until(what: &str, count: u64, mut frame: impl FnMut(u64) -> Frame, finally: impl FnOnce()) -> usize {
    let scene = Scene::new();
    let (before, bytes, descriptors) = (scene.holdings(), resident_bytes(), open_descriptor_count());
    let (pipe, mut attacker) = scene.connect(false, shares_memory());
    let (mut most, mut slowest, mut worst) = (0, Duration::ZERO, 0);
    for number in 0..count {
        let frame = frame(number);
        let text = frame.bytes();
        if attacker.lanes().is_some() {
            attacker.show(&frame, &text, false);
        } else {
            attacker.say(&frame);
        }
        drop(frame);
        if number % 8 == 0 {
            scene.turn();
            attacker.listen();
            while pipe.try_recv().is_ok() {}
        }
        if number % 64 == 0 {
            let began = Instant::now();
            scene.assert_friend_is_there();
            slowest = slowest.max(began.elapsed());
            most = most.max(open_descriptor_count().saturating_sub(descriptors));
            worst = worst.max(resident_bytes().saturating_sub(bytes));
        }
        assert!(!pipe.signals().satisfied.contains(Signals::PEER_CLOSED), "{what}: cut off at {number}");
    }
    println!(
        "{what}: {most} descriptors and {worst} bytes more at most; the slowest answer of a friend took {slowest:?}"
    );
    assert!(worst < MAX_GROWTH, "{what}: {worst} bytes");
    // A friend is answered in well under a millisecond. A thousand times as long means that somebody had to wait.
    assert!(slowest < Duration::from_secs(2), "{what}: a friend waited for {slowest:?}");
    finally();
    scene.end(pipe, attacker, before);
    most
}

#[test]
fn floods_hold_up_nobody_and_need_no_more_than_the_limits_say() {
    let _alone = alone("floods");
    let head = |number: u64| (PORT, PREVIOUS, number + 1);
    let pipes = |number: u64| {
        let ports: Vec<_> = (0..16).map(|at| port(PortName((0x1_0000 + number * 16 + at).into()))).collect();
        message(head(number), &vec![vec![0]; 16], &ports, b"", Vec::new())
    };
    flood("pipes", 3000, pipes);
    // A watch hears of each message.
    let mere = || Body::Message { message: libmojo_core::message::Message::with_payload(b""), ports: Vec::new() };
    flood("messages", 30_000, |number| {
        fuzzing::event(Event { to: PORT, from: PREVIOUS, number: number + 1, body: mere() })
    });
    flood("reports", 10_000, |number| fuzzing::report(number, &"bad ".repeat(1000)));
    flood("questions", 10_000, |number| fuzzing::ask(number, number.into()));
    flood("answers", 10_000, |number| fuzzing::known(number, &[(1, 2); 16]));
    let most = flood("descriptors", 3000, |number| {
        message(head(number), &[vec![4, 1], vec![4, 1]], &[], b"", vec![null(), null()])
    });
    assert!(most < 200, "{most} descriptors of messages that were taken");
    // Those of whom it is told do not say hello, or are not there.
    let silent = std::cell::RefCell::new(Vec::new());
    let most = flood_until(
        "introductions",
        3000,
        |number| {
            let names = [100_000 + u128::from(number), 200_000 + u128::from(number), number.into(), 5, 6];
            let (ours, theirs) = socket_pair().unwrap();
            if number < NUM_SILENT as u64 {
                silent.borrow_mut().push(theirs);
            }
            fuzzing::meet(number, names, Some(ours))
        },
        || silent.borrow_mut().clear(),
    );
    let most = most - NUM_SILENT;
    assert!((200..300).contains(&most), "{most} descriptors of introductions");
}
