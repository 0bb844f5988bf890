//! Processes that are killed while they are being invited, and inviters that are killed.

use crate::stage::*;
use crate::worlds::*;
use libmojo::{Invitation, Message, MessagePipe, Node, RecvError};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// An invitation that is full of things already.
fn invitation_with_cargo(node: &Node, random: &mut Random) -> (Invitation, MessagePipe, MessagePipe, Witnesses) {
    let invitation = Invitation::new_on(node);
    let pipe = invitation.attach(b"parent").unwrap();
    // Never extracted.
    let other = invitation.attach(b"other").unwrap();
    let mut witnesses = Witnesses::default();
    for pipe in [&pipe, &other] {
        for _ in 0..random.below(4) {
            let mut message = Message::from("early");
            (0..random.below(4)).for_each(|_| witnesses.attach(node, &mut message, random));
            pipe.send(message).unwrap();
        }
    }
    (invitation, pipe, other, witnesses)
}

/// Reads what a process has said before its end.
fn assert_closed_in_the_end(pipe: &MessagePipe) {
    let deadline = Instant::now() + PATIENCE / 2;
    loop {
        match pipe.recv_deadline(deadline) {
            Ok(message) => assert!([&b"hello"[..], b"early"].contains(&message.payload())),
            Err(error) => return assert_eq!(error, RecvError::PeerClosed),
        }
    }
}

#[test]
fn a_process_that_dies_before_or_after_any_step_of_being_invited_closes_all_that_it_was_given() {
    Stage::rounds(60, |stage, random| {
        let (invitation, pipe, other, witnesses) = invitation_with_cargo(&stage.node, random);
        // Before it accepts, before it extracts, before it says hello, and so on.
        let actor = Actor::invite(invitation, pipe, child_repeats, 1 + random.below(10));
        // Enough for it to come to its last step.
        for _ in 0..10 {
            let _ = actor.pipe.send(Message::from("early"));
        }
        assert_closed_in_the_end(&actor.pipe);
        assert_closed_in_the_end(&other);
        witnesses.assert_all_closed();
    });
}

#[test]
fn a_process_that_is_killed_at_any_moment_of_being_invited_closes_all_that_it_was_given() {
    Stage::rounds(100, |stage, random| {
        let (invitation, pipe, other, witnesses) = invitation_with_cargo(&stage.node, random);
        let mut actor = Actor::invite(invitation, pipe, child_repeats, 0);
        // About as long as it takes to start a process.
        kill_during(&mut actor.process, random, Duration::from_millis(8), || {});
        assert_closed_in_the_end(&actor.pipe);
        assert_closed_in_the_end(&other);
        witnesses.assert_all_closed();
    });
}

// ---- inviters --------------------------------------------------------------------------------------------

/// Invites a process of its own, and passes on to it all that comes.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_invites_a_writer() {
    act(|accepted, _| {
        let pipe = accepted.extract(b"parent").unwrap();
        let invitation = Invitation::new();
        let writer = invitation.attach(b"parent").unwrap();
        // Outlives this one, which is killed.
        let _ = invitation.spawn(&mut command(child_writes_to_its_inviter, 0)).unwrap();
        writer.send(pipe.recv().unwrap()).unwrap();
        assert_eq!(recv(&pipe), "introduce them");
        eventually("this node passes nothing on", || Node::process().port_counts().1 == 0);
        send(&pipe, "introduced");
        // Never reads what comes from there.
        assert_closed(&pipe);
    });
}

/// Gets a pipe and a place for a verdict from its inviter. Writes to that one until it is gone, and answers on the pipe
/// meanwhile and afterwards.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_writes_to_its_inviter() {
    act(|accepted, _| {
        let inviter = accepted.extract(b"parent").unwrap();
        let mut handles = inviter.recv().unwrap().take_handles().unwrap();
        let mut verdict = std::fs::File::from(handles.remove(1).into_descriptor().unwrap());
        let pipe = handles.remove(0).into_pipe().unwrap();
        send(&pipe, "hello");
        let mut count = 0;
        while send_number(&inviter, count) {
            count += 1;
            std::thread::yield_now();
        }
        assert_closed(&inviter);
        while let Ok(message) = pipe.recv() {
            pipe.send(message).unwrap();
        }
        drop((inviter, accepted));
        drop(pipe);
        eventually("nothing is left", || Node::process().port_counts() == (0, 0));
        assert!(Node::process().shutdown(Some(Instant::now() + PATIENCE / 2)));
        verdict.write_all(b"content").unwrap();
    });
}

#[test]
fn an_inviter_that_is_killed_while_its_invitee_writes_closes_what_leads_to_it_and_nothing_else() {
    Stage::rounds(20, |stage, random| {
        let mut inviter = Actor::start(&stage.node, child_invites_a_writer, 0);
        let (pipe, given) = MessagePipe::create_on(&stage.node);
        let (verdict, writer): (_, OwnedFd) = Verdict::new();
        inviter.pipe.send(Message::from("for the writer").with(given).with(writer)).unwrap();
        assert_eq!(recv(&pipe), "hello");
        send(&inviter.pipe, "introduce them");
        assert_eq!(recv(&inviter.pipe), "introduced");
        let count = random.below(300);
        kill_during(&mut inviter.process, random, Duration::from_millis(3), || {
            (0..count).for_each(|number| send(&pipe, &number.to_string()));
            assert_eq!(recv_numbers(&pipe, count), count);
        });
        assert_closed(&inviter.pipe);
        send(&pipe, "and afterwards");
        assert_eq!(recv(&pipe), "and afterwards");
        drop(pipe);
        assert_eq!(verdict.read(), "content");
    });
}
