//! Everything that a peer can make grow comes to its limit, and then costs the peer its link and nobody else anything. Each test
//! has a process of its own, for limits hold for all of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code)]
#[path = "../../crates/c/tests/contract/callbacks.rs"]
mod callbacks;
#[allow(dead_code)]
#[path = "../../crates/c/tests/contract/calls.rs"]
mod calls;
#[allow(dead_code)]
#[path = "../../crates/c/tests/contract/support.rs"]
mod support;

use hardening::attacker::{self, PORT, PREVIOUS, message, port};
use hardening::scene::Scene;
use libmojo::limits::{Limits, MAX_ATTACHMENTS};
use libmojo::quota::Amount;
use libmojo::{
    BufferError, DataPipeOptions, ErrorHandler, Message, MessagePipe, ProcessError, SharedBuffer, Signals, Waitable,
};
use libmojo_core::node::fuzzing::{self, Frame};
use libmojo_ports::{Body, Event, PortName};
use std::sync::{Arc, Mutex};

/// Runs a test in a process of its own.
fn in_a_child(test: &str, body: impl FnOnce()) {
    const VARIABLE: &str = "LIBMOJO_TEST_OF_LIMITS";
    if std::env::var(VARIABLE).is_ok_and(|name| name == test) {
        return body();
    }
    let program = std::env::current_exe().unwrap();
    let arguments = ["--exact", test, "--nocapture"];
    let status = std::process::Command::new(program).args(arguments).env(VARIABLE, test).status().unwrap();
    assert!(status.success());
}

/// Lets an attacker say things until it is cut off, and returns how many and why. Nothing is taken by the program.
fn until_cut_off(mut frame: impl FnMut(u64) -> Frame) -> (u64, String) {
    let scene = Scene::new();
    let before = scene.holdings();
    let errors = Arc::new(Mutex::new(Vec::new()));
    let heard = errors.clone();
    let handler: ErrorHandler = Arc::new(move |error: &ProcessError| heard.lock().unwrap().push(error.clone()));
    scene.node.set_default_error_handler(Some(handler));
    let (pipe, mut attacker) = scene.connect(false, false);
    let mut number = 0;
    while errors.lock().unwrap().is_empty() {
        number += 1;
        assert!(number < 1_000_000, "never cut off");
        attacker.say(&frame(number));
        scene.turn();
        attacker.listen();
    }
    scene.end(pipe, attacker, before);
    let errors = errors.lock().unwrap();
    assert!(errors.len() == 1 && errors[0].disconnected, "{errors:?}");
    (number, errors[0].message.clone())
}

fn event(from: PortName, number: u64, body: Body<libmojo_core::message::Message>) -> Frame {
    fuzzing::event(Event { to: PORT, from, number, body })
}

fn mere(len: usize) -> Body<libmojo_core::message::Message> {
    let message = libmojo_core::message::Message::with_payload(&vec![1; len]);
    Body::Message { message, ports: Vec::new() }
}

#[test]
fn whoever_sends_what_nobody_takes_is_cut_off_whatever_it_sends() {
    in_a_child("whoever_sends_what_nobody_takes_is_cut_off_whatever_it_sends", || {
        let max_unread_per_link = Amount { messages: 2000, bytes: 1 << 20 };
        Limits { max_unread_per_link, ..Limits::default() }.apply();
        type Case = (&'static str, u64, fn(u64) -> Frame);
        let cases: [Case; 6] = [
            ("messages", 2001, |number| event(PREVIOUS, number, mere(1))),
            ("bytes", 110, |number| event(PREVIOUS, number, mere(10_000))),
            ("messages that are not due yet", 2001, |number| event(PREVIOUS, number + 1, mere(1))),
            ("messages from somewhere else", 2001, |number| event(PortName(0x77), number, mere(1))),
            ("events that are not due yet", 2001, |number| event(PREVIOUS, number + 1, Body::Closure)),
            ("ends of pipes", 2001, |number| {
                let port = port(PortName((0x1_0000 + number).into()));
                message((PORT, PREVIOUS, number), &[vec![0]], &[port], b"", Vec::new())
            }),
        ];
        for (what, at_most, frame) in cases {
            let (number, why) = until_cut_off(frame);
            println!("{what}: cut off at {number}: {why}");
            assert!(number <= at_most + at_most / 8 && why.contains("that nobody takes"), "{what}: {number}, {why}");
        }
    });
}

#[test]
fn a_message_over_the_limit_is_not_written_and_costs_its_sender_the_link_if_it_comes() {
    in_a_child("a_message_over_the_limit_is_not_written_and_costs_its_sender_the_link_if_it_comes", || {
        Limits { max_message_bytes: 1000, ..Limits::default() }.apply();
        let (number, why) = until_cut_off(|number| {
            let (_, body) = (number, Vec::new());
            let frame = message((PORT, PREVIOUS, number), &[], &[], &[1; 1000], body);
            if number < 10 { frame } else { Frame { payload: vec![1; 1001], ..frame } }
        });
        assert!(number == 10 && why.contains("over the limit of 1000"), "{number}: {why}");
        let (a, _b) = MessagePipe::create();
        a.send(Message::new(&[1; 1000])).unwrap();
        assert!(a.send(Message::new(&[1; 1001])).is_err());
    });
}

#[test]
fn memory_over_the_limit_is_not_made() {
    in_a_child("memory_over_the_limit_is_not_made", || {
        Limits { max_shared_memory_bytes: 4096, ..Limits::default() }.apply();
        assert!(SharedBuffer::create(4096).is_ok());
        assert_eq!(SharedBuffer::create(4097).unwrap_err(), BufferError::ResourceExhausted);
        let data_pipe = |capacity_num_bytes| DataPipeOptions { element_num_bytes: 1, capacity_num_bytes }.create();
        assert!(data_pipe(4096).is_ok());
        assert!(data_pipe(4097).is_err());
    });
}

#[test]
fn mappings_are_made_up_to_the_limit() {
    in_a_child("mappings_are_made_up_to_the_limit", || {
        Limits { max_mappings: 2, ..Limits::default() }.apply();
        let buffer = support::buffer(100);
        let first = support::map(buffer, 0, 100).unwrap();
        support::map(buffer, 0, 100).unwrap();
        assert_eq!(support::map(buffer, 0, 100).err(), Some(support::RESOURCE_EXHAUSTED));
        support::unmap(first).unwrap();
        support::map(buffer, 0, 100).unwrap();
    });
}

#[test]
fn a_message_takes_as_many_attachments_as_the_limit_says() {
    let mut message = Message::new(b"");
    for _ in 0..MAX_ATTACHMENTS {
        message.attach(libmojo::Handle::Descriptor(None)).unwrap();
    }
    assert!(message.attach(libmojo::Handle::Descriptor(None)).is_err());
}

#[test]
fn too_many_hops_of_one_pipe_cost_that_pipe() {
    let scene = Scene::new();
    let before = scene.holdings();
    let (pipe, mut attacker) = scene.connect(false, false);
    for number in 0..5000 {
        attacker.say(&event(PortName(0x10_0000 + number), 2, mere(1)));
        scene.turn();
        attacker.listen();
        let is_closed = pipe.signals().satisfied.contains(Signals::PEER_CLOSED);
        assert_eq!(is_closed, number >= 4096, "{number}");
    }
    // The link goes on.
    attacker.say(&fuzzing::ask(1, 2));
    scene.turn();
    assert!(attacker.hears(6));
    scene.end(pipe, attacker, before);
}

#[test]
fn names_of_third_nodes_are_remembered_up_to_the_limit() {
    let scene = Scene::new();
    let before = scene.holdings();
    let (pipe, mut attacker) = scene.connect(false, false);
    let victim = attacker.victim.unwrap();
    let mut num_met = 0;
    for number in 0..20_000u64 {
        attacker.say(&fuzzing::meet(number, [victim.0, attacker::NAME.0, 5, 1000 + u128::from(number), 7], None));
        scene.turn();
        num_met += u64::from(attacker.is_met().expect("every offer is answered"));
    }
    assert!((4096..=16_384).contains(&num_met), "{num_met}");
    scene.end(pipe, attacker, before);
}

#[test]
fn links_that_come_of_introductions_are_taken_up_to_the_limit() {
    in_a_child("links_that_come_of_introductions_are_taken_up_to_the_limit", || {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit }).unwrap();
        let scene = Scene::new();
        let before = scene.holdings();
        let (pipe, mut attacker) = scene.connect(false, false);
        let (mut num_met, mut third) = (0, Vec::new());
        for number in 0..4200u64 {
            let names = [100_000 + u128::from(number), 200_000 + u128::from(number), number.into(), 5, 6];
            let (ours, theirs) = libmojo::socket_pair().unwrap();
            attacker.say(&fuzzing::meet(number, names, Some(ours)));
            scene.turn();
            if attacker.is_met().expect("every offer is answered") {
                num_met += 1;
                let hello = fuzzing::hello(libmojo_ports::NodeName(names[1]), 4, false);
                let theirs = attacker::Attacker::new(theirs, true);
                theirs.say(&hello);
                third.push(theirs);
            }
        }
        assert_eq!(num_met, 4096);
        drop(third);
        scene.end(pipe, attacker, before);
    });
}
