//! Bad first words, bad frames, and how a link ends.

use crate::attack::*;
use crate::worlds::*;
use libmojo::{MessagePipe, ProcessError, Signals};
use std::os::fd::AsFd;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

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
