//! Processes that are killed while others talk, or come to talk, through them.

use crate::stage::*;
use crate::worlds::*;
use libmojo::{AcceptedInvitation, Invitation, Message, MessagePipe, Node, socket_pair};
use std::io::Write;
use std::time::{Duration, Instant};

// ---- proxies ---------------------------------------------------------------------------------------------

/// Passes on what comes from its parent, over a pipe that comes first or to a process that it starts.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_is_in_between() {
    act(|accepted, _| {
        let pipe = accepted.extract(b"parent").unwrap();
        let mut first = pipe.recv().unwrap();
        let next = match first.take_handles().unwrap().pop() {
            Some(handle) => handle.into_pipe().unwrap(),
            None => {
                let invitation = Invitation::new();
                let next = invitation.attach(b"parent").unwrap();
                // Outlives this one, which is killed.
                let _ = invitation.spawn(&mut command(child_echoes, 0)).unwrap();
                next
            }
        };
        send(&pipe, "ready");
        while let Ok(mut message) = pipe.recv() {
            let handles = message.take_handles().unwrap();
            next.send(handles.into_iter().fold(Message::new(message.payload()), Message::with)).unwrap();
        }
    });
}

/// Gets a pipe and a place for a verdict, from its parent or over a pipe that this sends. Sends back the numbers that
/// come, as many as the message says, and says how many came.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_echoes() {
    act(|accepted, _| {
        let mut source = accepted.extract(b"parent").unwrap();
        let (count, mut handles) = loop {
            // If whoever was to send something is dead, there is nothing to do.
            let Ok(mut message) = source.recv() else { return };
            let mut handles = message.take_handles().unwrap();
            match std::str::from_utf8(message.payload()).unwrap() {
                "wait here" => source = handles.remove(0).into_pipe().unwrap(),
                count => break (count.parse().unwrap(), handles),
            }
        };
        let mut verdict = std::fs::File::from(handles.remove(1).into_descriptor().unwrap());
        let pipe = handles.remove(0).into_pipe().unwrap();
        let received = recv_numbers_and(&pipe, count, |number| {
            // Cut off or not shows when the next is received.
            send_number(&pipe, number);
        });
        drop((pipe, source, accepted));
        eventually("nothing is left", || Node::process().port_counts() == (0, 0));
        assert!(Node::process().shutdown(Some(Instant::now() + PATIENCE / 2)));
        write!(verdict, "{received}").unwrap();
    });
}

#[test]
fn a_process_that_is_killed_while_an_end_moves_through_it_cuts_the_pipe_on_both_sides_or_not_at_all() {
    Stage::rounds(100, |stage, random| {
        let mut between = Actor::start(&stage.node, child_is_in_between, 0);
        // Whom it passes on to is known to nobody else, or to this process too.
        let last = (random.below(2) == 0).then(|| {
            let last = Actor::start(&stage.node, child_echoes, 0);
            let (carrier, given) = MessagePipe::create_on(&stage.node);
            last.pipe.send(Message::from("wait here").with(given)).unwrap();
            between.pipe.send(Message::from("over this").with(carrier)).unwrap();
            last
        });
        if last.is_none() {
            send(&between.pipe, "to somebody new");
        }
        let is_ready = random.below(4) > 0;
        if is_ready {
            assert_eq!(recv(&between.pipe), "ready");
        }
        let (pipe, moving) = MessagePipe::create_on(&stage.node);
        let (verdict, writer) = Verdict::new();
        let count = 1 + random.below(200);
        let early = random.below(count);
        (0..early).for_each(|number| assert!(send_number(&pipe, number)));
        between.pipe.send(Message::from(count.to_string().as_str()).with(moving).with(writer)).unwrap();
        let at_most = Duration::from_millis(if is_ready { 3 } else { 15 });
        let echoed = kill_during(&mut between.process, random, at_most, || {
            let _ = (early..count).all(|number| send_number(&pipe, number));
            recv_numbers(&pipe, count)
        });
        assert_closed(&pipe);
        match verdict.read().as_str() {
            "" => assert_eq!(echoed, 0, "by nobody"),
            received => assert!((echoed..=count).contains(&received.parse().unwrap())),
        }
        drop(last);
    });
}

// ---- introducers -----------------------------------------------------------------------------------------

/// Invites two nodes, and gives each an end of some pipes.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_introduces_two() {
    act(|accepted, _| {
        let pipe = accepted.extract(b"parent").unwrap();
        send(&pipe, "ready");
        let sockets = pipe.recv().unwrap().take_handles().unwrap();
        let invitations = sockets.into_iter().map(|socket| {
            let invitation = Invitation::new();
            let carrier = invitation.attach(b"carrier").unwrap();
            invitation.send(socket.into_descriptor().unwrap()).unwrap();
            carrier
        });
        let carriers: Vec<MessagePipe> = invitations.collect();
        for _ in 0..NUM_PIPES {
            let (a, b) = MessagePipe::create();
            for (carrier, end) in carriers.iter().zip([a, b]) {
                carrier.send(Message::from("an end").with(end)).unwrap();
            }
        }
        assert_closed(&pipe);
    });
}

const NUM_PIPES: usize = 5;

/// How many numbers each side says over each pipe.
const COUNT: usize = 20;

/// How it went at one end of a pipe.
#[derive(Clone, Copy)]
struct Talk {
    /// All that the other side has said was heard.
    heard: bool,
    /// So it was there.
    was_heard: bool,
}

/// Takes the ends that come; over each it says some numbers, hears those of the other side, and says so.
fn talk(carrier: &MessagePipe) -> Vec<Talk> {
    let mut ends = Vec::new();
    while let Ok(mut message) = carrier.recv() {
        let end = message.take_handles().unwrap().remove(0).into_pipe().unwrap();
        let _ = (0..COUNT).all(|number| send_number(&end, number));
        ends.push(end);
    }
    let talk = |end: &MessagePipe| {
        let heard = recv_numbers(end, COUNT) == COUNT && end.send(Message::from("heard")).is_ok();
        Talk { heard, was_heard: heard && end.recv().is_ok() }
    };
    ends.iter().map(talk).collect()
}

#[test]
fn a_process_that_is_killed_while_it_introduces_two_others_leaves_their_pipes_whole_or_closed_on_both_sides() {
    Stage::rounds(80, |stage, random| {
        let nodes = [Node::new(), Node::new()];
        let known = (random.below(2) == 0).then(|| link(&nodes[0], &nodes[1]));
        let mut actor = Actor::start(&stage.node, child_introduces_two, 0);
        assert_eq!(recv(&actor.pipe), "ready");
        let [(ours, theirs), (ours_too, theirs_too)] = [socket_pair().unwrap(), socket_pair().unwrap()];
        actor.pipe.send(Message::from("").with(theirs).with(theirs_too)).unwrap();
        let accept = |node, socket| AcceptedInvitation::accept_on(node, socket).unwrap().extract(b"carrier").unwrap();
        let carriers = [accept(&nodes[0], ours), accept(&nodes[1], ours_too)];
        let [first, second] = kill_during(&mut actor.process, random, Duration::from_millis(3), || {
            std::thread::scope(|scope| {
                let talks = carriers.each_ref().map(|carrier| scope.spawn(|| talk(carrier)));
                talks.map(|talk| talk.join().unwrap())
            })
        });
        // One who has no other end cannot have heard anything, and what was heard was said.
        let nothing = Talk { heard: false, was_heard: false };
        for at in 0..NUM_PIPES {
            let [one, other] = [&first, &second].map(|talks| talks.get(at).copied().unwrap_or(nothing));
            assert!((one.heard || !other.was_heard) && (other.heard || !one.was_heard));
        }
        if let Some((a, b)) = &known {
            assert_connected(a, b);
        }
        drop((known, carriers));
        for node in &nodes {
            eventually("the node has no ports left", || node.port_counts() == (0, 0));
            node.disconnect();
        }
    });
}
