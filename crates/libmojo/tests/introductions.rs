//! Introductions: nodes that exchange pipes through others come to talk directly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::{
    AcceptedInvitation, Driver, Invitation, Message, MessagePipe, Node, ProcessError, SendOptions, TryRecvError,
    socket_pair,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{Read, Write};
use std::process::Command;
use std::time::Instant;
use worlds::*;

/// Two nodes that a third one has invited, and their pipes to it.
struct Siblings {
    parent: Node,
    nodes: [Node; 2],
    carriers: [(MessagePipe, MessagePipe); 2],
}

impl Siblings {
    fn new() -> Self {
        let (parent, nodes) = (Node::new(), [Node::new(), Node::new()]);
        let carriers = [link(&parent, &nodes[0]), link(&parent, &nodes[1])];
        Self { parent, nodes, carriers }
    }

    /// A pipe of the parent's, one end of which goes to each.
    fn pipe(&self) -> (MessagePipe, MessagePipe) {
        let (a, b) = MessagePipe::create_on(&self.parent);
        let [first, second] = &self.carriers;
        (pass_pipe(&first.0, &first.1, a), pass_pipe(&second.0, &second.1, b))
    }

    fn finish(self, alone: Alone) {
        drop(self.carriers);
        finish(alone, &[&self.parent, &self.nodes[0], &self.nodes[1]]);
    }
}

#[test]
fn siblings_come_to_talk_directly_without_any_traffic() {
    let (alone, siblings) = (alone(), Siblings::new());
    let (a, b) = siblings.pipe();
    eventually("the parent passes nothing on", || siblings.parent.port_counts().1 == 0);
    assert_connected(&a, &b);
    // All without the parent.
    siblings.parent.disconnect();
    eventually("the parent is gone", || !siblings.parent.has_links());
    assert_connected(&a, &b);
    let (c, d) = MessagePipe::create_on(&siblings.nodes[0]);
    let d = pass_pipe(&a, &b, d);
    assert_connected(&c, &d);
    drop((a, b, c, d));
    siblings.finish(alone);
}

#[test]
fn a_node_shuts_down_while_it_is_introduced() {
    let _alone = alone();
    for _ in 0..300 {
        let siblings = Siblings::new();
        let (a, b) = siblings.pipe();
        send(&a, "last words");
        let [first, second] = &siblings.nodes;
        assert!(first.shutdown(Some(Instant::now() + PATIENCE / 2)));
        assert!(!first.has_links());
        assert_eq!(recv(&b), "last words");
        assert_closed(&b);
        second.disconnect();
        siblings.parent.disconnect();
    }
}

#[test]
fn messages_keep_their_order_while_their_pipe_is_shortened() {
    let (alone, siblings) = (alone(), Siblings::new());
    for round in 0..20 {
        let (a, b) = siblings.pipe();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..500).for_each(|number| send(&a, &format!("{round} {number}"))));
            for number in 0..500 {
                assert_eq!(recv(&b), format!("{round} {number}"));
            }
        });
        assert_connected(&a, &b);
    }
    eventually("the parent passes nothing on", || siblings.parent.port_counts().1 == 0);
    siblings.finish(alone);
}

#[test]
fn every_kind_of_handle_goes_between_siblings() {
    let (alone, siblings) = (alone(), Siblings::new());
    let (a, b) = siblings.pipe();
    for _ in 0..3 {
        let (mut producer, consumer) = data_pipe_on(&siblings.nodes[0], 1, 100);
        let mut consumer = pass_consumer(&a, &b, consumer);
        let file = pass(&a, &b, file_with("contents")).into_descriptor().unwrap();
        assert_eq!(text_of(&file.into()), "contents");
        let (c, d) = MessagePipe::create_on(&siblings.nodes[1]);
        let d = pass_pipe(&b, &a, d);
        assert_connected(&c, &d);
        producer.write_all(b"through").unwrap();
        drop(producer);
        let mut text = String::new();
        consumer.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
    }
    drop((a, b));
    siblings.finish(alone);
}

#[test]
fn an_end_that_goes_round_between_siblings_and_their_parent_stays_connected() {
    let (alone, siblings) = (alone(), Siblings::new());
    let (a, mut b) = siblings.pipe();
    let [first, second] = &siblings.carriers;
    let (x, y) = siblings.pipe();
    for _ in 0..20 {
        b = pass_pipe(&second.1, &second.0, b);
        b = pass_pipe(&first.0, &first.1, b);
        assert_connected(&a, &b);
        b = pass_pipe(&x, &y, b);
        assert_connected(&a, &b);
    }
    for node in siblings.nodes.iter().chain([&siblings.parent]) {
        eventually("nobody passes anything on", || node.port_counts().1 == 0);
    }
    drop((a, b, x, y));
    siblings.finish(alone);
}

#[test]
fn a_chain_of_nodes_that_each_know_the_next_becomes_one_where_all_do() {
    let alone = alone();
    let nodes: Vec<Node> = (0..10).map(|_| Node::new()).collect();
    let carriers: Vec<_> = nodes.windows(2).map(|pair| link(&pair[0], &pair[1])).collect();
    let (a, mut b) = MessagePipe::create_on(&nodes[0]);
    for (near, far) in &carriers {
        send(&a, "on the way");
        b = pass_pipe(near, far, b);
    }
    for _ in &carriers {
        assert_eq!(recv(&b), "on the way");
    }
    for node in &nodes {
        eventually("nobody passes anything on", || node.port_counts().1 == 0);
    }
    for node in &nodes[1..9] {
        node.disconnect();
    }
    assert_connected(&a, &b);
    drop((a, b, carriers));
    finish(alone, &nodes.iter().collect::<Vec<_>>());
}

/// True if every link goes over shared memory, or none ever will.
fn has_settled(node: &Node) -> bool {
    !links_share_memory() || node.snapshot().links.iter().all(|link| link.is_in_shared_memory)
}

#[test]
fn many_siblings_have_one_link_for_each_two_of_them() {
    let alone = alone();
    let (parent, nodes) = (Node::new(), [(); 5].map(|()| Node::new()));
    let carriers: Vec<_> = nodes.iter().map(|node| link(&parent, node)).collect();
    for node in nodes.iter().chain([&parent]) {
        eventually("the sides have agreed what the links go over", || has_settled(node));
    }
    let before = libmojo_platform::open_descriptor_count();
    let mut pipes = Vec::new();
    for round in 0..3 {
        for from in 0..5 {
            for to in 0..from {
                let (a, b) = MessagePipe::create_on(&parent);
                let a = pass_pipe(&carriers[from].0, &carriers[from].1, a);
                let b = pass_pipe(&carriers[to].0, &carriers[to].1, b);
                let (c, d) = MessagePipe::create_on(&nodes[from]);
                let d = pass_pipe(&a, &b, d);
                send(&a, &round.to_string());
                pipes.push((a, b, c, d));
            }
        }
    }
    for (a, b, c, d) in &pipes {
        assert_eq!(recv(b).len(), 1);
        assert_connected(a, b);
        assert_connected(c, d);
    }
    for node in nodes.iter().chain([&parent]) {
        eventually("nobody passes anything on", || node.port_counts().1 == 0);
    }
    for node in nodes.iter().chain([&parent]) {
        eventually("the new ones have agreed too", || has_settled(node));
    }
    assert_eq!(libmojo_platform::open_descriptor_count(), before + 2 * 10);
    drop((pipes, carriers));
    let all: Vec<&Node> = nodes.iter().chain([&parent]).collect();
    finish(alone, &all);
}

/// A pipe whose ends can be anywhere: which node each is on, and the end.
type Wanderer = [(usize, MessagePipe); 2];

/// Moves an end of one pipe over another that has an end on the same node, if there is one.
fn wander(pipes: &mut Vec<Wanderer>, random: &mut Random) {
    let mut moving = pipes.swap_remove(random.below(pipes.len()));
    let side = random.below(2);
    let at = moving[side].0;
    let ways = pipes.iter().flat_map(|pipe| [(&pipe[0], &pipe[1]), (&pipe[1], &pipe[0])]);
    let ways: Vec<_> = ways.filter(|((near, _), _)| *near == at).collect();
    if !ways.is_empty() {
        let ((_, near), (there, far)) = ways[random.below(ways.len())];
        send(&moving[1 - side].1, "on the way");
        let (placeholder, _) = MessagePipe::create();
        let end = pass_pipe(near, far, std::mem::replace(&mut moving[side].1, placeholder));
        assert_eq!(recv(&end), "on the way");
        moving[side] = (*there, end);
    }
    pipes.push(moving);
}

/// Two nodes have invited the same two others, and so introduce these to each other both at once: some nodes come to
/// have several links to each other, and some are introduced to themselves.
#[test]
fn ends_go_round_among_nodes_with_several_links_to_each_other() {
    let (alone, mut all) = (alone(), Vec::new());
    let seed = seed();
    let mut random = Random::new(seed);
    for _ in 0..50 {
        let nodes = [(); 4].map(|()| Node::new());
        let mut pipes: Vec<Wanderer> = Vec::new();
        for (from, to) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
            let (a, b) = link(&nodes[from], &nodes[to]);
            pipes.push([(from, a), (to, b)]);
            let (a, b) = MessagePipe::create_on(&nodes[from]);
            pipes.push([(from, a), (from, b)]);
        }
        for _ in 0..50 {
            wander(&mut pipes, &mut random);
        }
        for node in &nodes {
            eventually("nobody passes anything on", || node.port_counts().1 == 0);
        }
        pipes.iter().for_each(|[(_, a), (_, b)]| assert_connected(a, b));
        drop(pipes);
        for node in &nodes {
            eventually("nothing is left", || node.port_counts() == (0, 0));
            node.disconnect();
        }
        all.extend(nodes);
    }
    finish(alone, &all.iter().collect::<Vec<_>>());
}

/// Has nodes do what there is to do, one after the other, until there is nothing left.
fn settle(drivers: &mut [&mut Driver]) {
    let is_ready = |driver: &&mut Driver| {
        let mut polled = [PollFd::new(&**driver, PollFlags::IN)];
        poll(&mut polled, Some(&Timespec::default())).unwrap() > 0
    };
    while let Some(at) = drivers.iter().position(is_ready) {
        assert_eq!(drivers[at].run_once(), None);
    }
}

/// An introduction takes some steps, after each of which the parent may be late: the new way to the listener is confirmed
/// by it, even if the speaker, who has used it, is gone by then.
#[test]
fn what_a_node_has_said_before_its_end_is_heard_at_any_stage_of_an_introduction() {
    for stage in 0..6 {
        let (alone, nodes) = (alone(), [(); 3].map(|()| Node::new()));
        let [parent, speaker, listener] = &nodes;
        let mut drivers = [parent, speaker, listener].map(|node| node.drive().unwrap());
        let [at_parent, at_speaker, at_listener] = &mut drivers;
        let carriers = [link(parent, speaker), link(parent, listener)];
        settle(&mut [at_parent, at_speaker, at_listener]);
        let (a, b) = MessagePipe::create_on(parent);
        carriers[0].0.send(Message::from("").with(a)).unwrap();
        carriers[1].0.send(Message::from("").with(b)).unwrap();
        settle(&mut [at_speaker, at_listener]);
        let (a, b) = (recv_pipe(&carriers[0].1), recv_pipe(&carriers[1].1));
        for _ in 0..stage {
            settle(&mut [at_parent]);
            settle(&mut [at_speaker, at_listener]);
        }
        send(&a, "last words");
        assert!(speaker.flush(Some(Instant::now())));
        speaker.disconnect();
        settle(&mut [at_speaker]);
        // The listener loses the speaker, if it knew that, before it hears more from the parent.
        settle(&mut [at_listener]);
        settle(&mut [at_parent, at_listener]);
        assert_eq!(b.try_recv().map(|message| message.payload().to_vec()), Ok(b"last words".to_vec()), "stage {stage}");
        assert!(matches!(b.try_recv(), Err(TryRecvError::PeerClosed)));
        drop((a, b, carriers));
        settle(&mut [at_parent, at_speaker, at_listener]);
        drop(drivers);
        finish(alone, &nodes.each_ref());
    }
}

#[test]
fn a_bad_message_of_a_sibling_is_reported_to_whoever_invited_it() {
    let (alone, parent, nodes) = (alone(), Node::new(), [Node::new(), Node::new()]);
    let (errors, handler) = recording();
    let first = link(&parent, &nodes[0]);
    let (ours, theirs) = socket_pair().unwrap();
    let invitation = Invitation::new_on(&parent);
    let at_parent = invitation.attach(b"main").unwrap();
    let options = SendOptions { handler: Some(handler), ..SendOptions::default() };
    invitation.send_with(ours, options).unwrap();
    let accepted = AcceptedInvitation::accept_on(&nodes[1], theirs).unwrap();
    let second = (at_parent, accepted.extract(b"main").unwrap());
    let (a, b) = MessagePipe::create_on(&parent);
    let a = pass_pipe(&first.0, &first.1, a);
    let b = pass_pipe(&second.0, &second.1, b);
    eventually("the parent passes nothing on", || parent.port_counts().1 == 0);
    send(&b, "nonsense");
    let message = a.recv().unwrap();
    message.report_bad("this makes no sense");
    eventually("the handler is told", || !errors.lock().unwrap().is_empty());
    let expected = "Received bad user message: this makes no sense";
    assert_eq!(*errors.lock().unwrap(), [ProcessError { message: expected.into(), disconnected: false }]);
    drop((a, b, first, second, accepted, message));
    finish(alone, &[&parent, &nodes[0], &nodes[1]]);
}

/// Invites two nodes and gives each an end of a pipe; then tells when it passes nothing on.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_introduces_two_nodes() {
    children::act(|pipe| {
        let sockets = pipe.recv().unwrap().take_handles().unwrap();
        let (a, b) = MessagePipe::create();
        let carriers: Vec<MessagePipe> = sockets
            .into_iter()
            .zip([a, b])
            .map(|(socket, end)| {
                let invitation = Invitation::new();
                let carrier = invitation.attach(b"carrier").unwrap();
                invitation.send(socket.into_descriptor().unwrap()).unwrap();
                carrier.send(Message::from("an end").with(end)).unwrap();
                carrier
            })
            .collect();
        // From the moment that both have their ends.
        carriers.iter().for_each(|carrier| assert_eq!(recv(carrier), "got it"));
        eventually("this node passes nothing on", || Node::process().port_counts().1 == 0);
        send(pipe, "introduced");
        assert_closed(pipe);
    });
}

fn signal(process: &std::process::Child, signal: &str) {
    let status = Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn those_who_were_introduced_go_on_talking_while_whoever_introduced_them_is_stopped() {
    let (alone, main, nodes) = (alone(), Node::new(), [Node::new(), Node::new()]);
    let mut child = children::launch(&main, child_introduces_two_nodes);
    let [(first, first_theirs), (second, second_theirs)] = [socket_pair().unwrap(), socket_pair().unwrap()];
    child.pipe.send(Message::from("").with(first_theirs).with(second_theirs)).unwrap();
    let carriers: Vec<MessagePipe> = nodes
        .iter()
        .zip([first, second])
        .map(|(node, socket)| AcceptedInvitation::accept_on(node, socket).unwrap().extract(b"carrier").unwrap())
        .collect();
    let ends: Vec<MessagePipe> = carriers.iter().map(recv_pipe).collect();
    carriers.iter().for_each(|carrier| send(carrier, "got it"));
    assert_eq!(recv(&child.pipe), "introduced");
    signal(&child.process, "-STOP");
    for _ in 0..100 {
        assert_connected(&ends[0], &ends[1]);
    }
    let (mut producer, consumer) = data_pipe_on(&nodes[0], 1, 100);
    let mut consumer = pass_consumer(&ends[0], &ends[1], consumer);
    producer.write_all(b"while nobody else runs").unwrap();
    drop(producer);
    let mut text = String::new();
    consumer.read_to_string(&mut text).unwrap();
    assert_eq!(text, "while nobody else runs");
    // Nor does its death concern them.
    child.kill();
    carriers.iter().for_each(assert_closed);
    assert_connected(&ends[0], &ends[1]);
    drop((ends, carriers, consumer, child));
    finish(alone, &[&main, &nodes[0], &nodes[1]]);
}
