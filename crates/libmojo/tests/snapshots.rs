//! What a node shows of its connections and ports.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::quota::Amount;
use libmojo::{
    DataPipeOptions, DataPipeSnapshot, Driver, Handle, Invitation, LinkPart, Message, MessagePipe, Node, PortPlace,
    PortRole, PortSnapshot, SendOptions, SharedBuffer, Signals, Snapshot, TrafficSnapshot, Waitable, Watcher,
    socket_pair,
};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use worlds::*;

fn count(snapshot: &Snapshot, role: PortRole) -> usize {
    snapshot.ports.iter().filter(|port| port.role == role).count()
}

fn parts(snapshot: &Snapshot) -> Vec<LinkPart> {
    snapshot.links.iter().map(|link| link.part).collect()
}

#[test]
fn a_node_that_has_nothing_to_do_with_others_has_nothing_to_show() {
    let node = Node::new();
    let (_a, _b) = MessagePipe::create_on(&node);
    let snapshot = node.snapshot();
    assert!(snapshot.links.is_empty() && snapshot.ports.is_empty());
    assert_eq!(snapshot.to_string(), format!("node {}: 0 links, 0 ports\n", snapshot.name));
    assert_ne!(snapshot.name, Node::new().snapshot().name);
}

/// Nodes whose I/O this thread does.
struct Driven<const N: usize> {
    nodes: [Node; N],
    drivers: [Driver; N],
}

impl<const N: usize> Driven<N> {
    fn new() -> Self {
        let nodes = [(); N].map(|()| Node::new());
        let drivers = nodes.each_ref().map(|node| node.drive().unwrap());
        Self { nodes, drivers }
    }

    /// Gives each node its turn.
    fn run(&mut self) {
        for driver in &mut self.drivers {
            driver.run_once();
        }
    }
}

#[test]
fn cousins_talk_through_their_parent_until_it_has_introduced_them() {
    let _watchdog = watchdog();
    let mut driven = Driven::<3>::new();
    let [parent, one, other] = driven.nodes.clone();
    let (to_one, from_parent) = link(&parent, &one);
    let (to_other, from_parent_too) = link(&parent, &other);
    eventually("both are connected", || {
        driven.run();
        parent.snapshot().links.iter().all(|link| link.is_established)
    });
    let links = parent.snapshot().links;
    assert_eq!(parts(&parent.snapshot()), [LinkPart::Inviter, LinkPart::Inviter]);
    assert_eq!(links[0].peer, Some(one.snapshot().name));
    assert_eq!(links[1].identity, Some(other.snapshot().name));
    assert_eq!(parts(&one.snapshot()), [LinkPart::Invitee]);

    let (a, b) = MessagePipe::create_on(&parent);
    to_one.send(Message::from("").with(a)).unwrap();
    to_other.send(Message::from("").with(b)).unwrap();
    let leaving = parent.snapshot();
    assert_eq!(count(&leaving, PortRole::Leaving), 2, "{leaving}");
    let (mut most_relays, mut ends) = (0, (None, None));
    eventually("the cousins talk directly", || {
        driven.run();
        let take =
            |pipe: &MessagePipe| pipe.try_recv().ok().map(|mut message| message.take_handles().unwrap().remove(0));
        ends.0 = ends.0.take().or_else(|| take(&from_parent));
        ends.1 = ends.1.take().or_else(|| take(&from_parent_too));
        let snapshot = parent.snapshot();
        most_relays = most_relays.max(count(&snapshot, PortRole::Relay));
        let has_traces =
            [PortRole::Leaving, PortRole::Proxy, PortRole::Relay].map(|role| count(&snapshot, role)) != [0; 3];
        !has_traces && ends.0.is_some() && ends.1.is_some()
    });
    assert!(most_relays > 0);
    for (node, cousin) in [(&one, &other), (&other, &one)] {
        let snapshot = node.snapshot();
        assert_eq!(parts(&snapshot), [LinkPart::Invitee, LinkPart::Introduced]);
        let direct = &snapshot.links[1];
        assert!(direct.is_established);
        assert_eq!(direct.identity, Some(cousin.snapshot().name));
        assert_ne!(direct.peer, direct.identity);
        // The end that came leads straight to the cousin.
        let leads_there = |place| matches!(place, Some(PortPlace::Elsewhere { node, .. }) if Some(node) == direct.peer);
        assert_eq!(snapshot.ports.iter().filter(|port| leads_there(port.peer)).count(), 1, "{snapshot}");
        assert!(snapshot.to_string().contains(&format!("(node {})", cousin.snapshot().name)));
    }
    let (a, b) = (ends.0.unwrap().into_pipe().unwrap(), ends.1.unwrap().into_pipe().unwrap());
    send(&a, "to the cousin");
    eventually("it arrives", || {
        driven.run();
        b.signals().satisfied.contains(Signals::READABLE)
    });
    assert_eq!(recv(&b), "to the cousin");
}

#[test]
fn between_nodes_that_cannot_be_introduced_a_relay_remains() {
    let _watchdog = watchdog();
    let (parent, one, other) = (Node::new(), Node::new(), Node::new());
    let (to_one, from_parent) = link_isolated(&parent, &one);
    let (to_other, from_parent_too) = link_isolated(&parent, &other);
    let (a, b) = MessagePipe::create_on(&parent);
    to_one.send(Message::from("").with(a)).unwrap();
    to_other.send(Message::from("").with(b)).unwrap();
    let (a, b) = (recv_pipe(&from_parent), recv_pipe(&from_parent_too));
    for _ in 0..100 {
        assert_connected(&a, &b);
    }
    let snapshot = parent.snapshot();
    assert_eq!(parts(&snapshot), [LinkPart::IsolatedInviter; 2]);
    assert!(snapshot.links.iter().all(|link| link.identity.is_none() && link.peer.is_some()));
    assert_eq!(parts(&one.snapshot()), [LinkPart::IsolatedInvitee]);
    let relays = count(&snapshot, PortRole::Relay);
    assert!(relays > 0, "{snapshot}");
    assert_eq!(snapshot.to_string().matches(" relay, ").count(), relays);
    assert_eq!((count(&snapshot, PortRole::Proxy), count(&snapshot, PortRole::Leaving)), (0, 0), "{snapshot}");
    assert_eq!(count(&one.snapshot(), PortRole::Relay), 0);
    drop((a, b));
    eventually("the relay goes with the pipe", || count(&parent.snapshot(), PortRole::Relay) == 0);
}

#[test]
fn messages_wait_where_they_are_shown_to() {
    let _watchdog = watchdog();
    let (here, there) = (Node::new(), Node::new());
    let (a, b) = link(&here, &there);
    assert_connected(&a, &b);
    for _ in 0..3 {
        send(&a, "unread");
    }
    let (c, d) = MessagePipe::create_on(&here);
    let (_producer, consumer) = data_pipe_on(&here, 1, 16);
    send(&c, "inside a message");
    a.send(Message::from("").with(d).with(consumer)).unwrap();
    send(&a, "last");
    eventually("all is there", || {
        let snapshot = there.snapshot();
        let carried = snapshot.ports.iter().filter(|port| port.role == PortRole::InMessage);
        let carried: Vec<_> = carried.map(|port| (port.is_of_data_pipe, port.unread)).collect();
        let reached = snapshot.ports.iter().any(|port| port.role == PortRole::Endpoint && port.unread == 5);
        reached && (carried == [(false, 1), (true, 0)] || carried == [(true, 0), (false, 1)])
    });
    drop(c);
    eventually("the closure is there", || there.snapshot().to_string().contains("in a message, peer closed, "));
}

#[test]
fn what_the_other_side_does_not_take_is_shown_to_wait() {
    let _watchdog = watchdog();
    let here = Node::new();
    let invitation = Invitation::new_on(&here);
    let pipe = invitation.attach(b"x").unwrap();
    let (ours, theirs) = socket_pair().unwrap();
    let mut driven = Driven::<1>::new();
    invitation.send(ours).unwrap();
    let there = driven.nodes[0].clone();
    assert!(!here.snapshot().links[0].is_established);
    let accepted = libmojo::AcceptedInvitation::accept_on(&there, theirs).unwrap();
    let taken = accepted.extract(b"x").unwrap();
    send(&pipe, "first");
    eventually("the pipe leads there", || {
        driven.run();
        taken.try_recv().is_ok()
    });
    // And all that is said of its way has been heard.
    (0..1000).for_each(|_| driven.run());
    while here.snapshot().links[0].waiting_bytes < 1 << 20 {
        pipe.send(Message::new(&[7; 1 << 16])).unwrap();
    }
    let link = here.snapshot().links.remove(0);
    // One of them may be partly out, and a few say how the pipe has moved.
    let whole = link.waiting_bytes >> 16;
    assert!((whole..whole + 5).contains(&link.waiting_frames), "{link}");
    eventually("all is taken", || {
        driven.run();
        while taken.try_recv().is_ok() {}
        here.snapshot().links[0].waiting_bytes == 0
    });
    assert_eq!(here.snapshot().links[0].waiting_frames, 0);
    drop((taken, pipe));
}

#[test]
fn a_node_whose_threads_are_stuck_in_callbacks_can_be_looked_at() {
    let _watchdog = watchdog();
    let (here, there) = (Node::new(), Node::new());
    let (a, b) = link(&here, &there);
    let (entered, inside) = mpsc::sync_channel(8);
    let (leave, left) = mpsc::channel::<()>();
    let left = std::sync::Mutex::new(left);
    let watcher = Watcher::new(move |_| {
        // Once more for the end of the watch, when nobody listens any more.
        let _ = entered.send(());
        let _ = left.lock().unwrap().recv();
    });
    watcher.watch(&b, Signals::READABLE, 1).unwrap();
    watcher.arm(0).unwrap();
    send(&a, "x");
    inside.recv().unwrap();
    let snapshot = there.snapshot();
    assert_eq!((snapshot.links.len(), snapshot.ports.iter().filter(|port| port.unread == 1).count()), (1, 1));
    drop(leave);
}

#[test]
fn a_place_where_somebody_is_awaited_is_shown() {
    let node = Node::new();
    let path = scratch_path();
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    let invitation = libmojo_core::invitation::Invitation::new(&node);
    let transport = libmojo_core::invitation::Transport::Listening(listener.into());
    let connection = invitation.send(transport, SendOptions::default()).map_err(|(error, _)| error).unwrap();
    assert_eq!(
        node.snapshot().to_string().lines().nth(1).unwrap(),
        "link to nobody yet, listener, not established, 0 bytes in 0 frames to write"
    );
    connection.close();
}

// ---- labels ----------------------------------------------------------------------------------------------

/// What a node knows of a labelled end.
fn labelled<'a>(snapshot: &'a Snapshot, label: &str) -> Option<(&'a PortSnapshot, &'a TrafficSnapshot)> {
    let mut ports = snapshot.ports.iter().filter_map(|port| Some((port, port.traffic.as_ref()?)));
    ports.find(|(_, traffic)| traffic.label == label)
}

const fn amount(messages: u64, bytes: u64) -> Amount {
    Amount { messages, bytes }
}

#[test]
fn a_label_shows_a_pipe_that_nobody_else_knows_and_what_goes_over_it() {
    let node = Node::new();
    let (a, b) = MessagePipe::create_on(&node);
    // Both ends have taken the shortest way before.
    for end in [&a, &b] {
        (0..3).for_each(|_| send(end, "unseen"));
    }
    let taken = std::iter::from_fn(|| a.try_recv().ok()).count();
    assert_eq!(taken, 3);
    b.set_label("server");
    assert_eq!((a.label(), b.label().as_deref()), (None, Some("server")));
    send(&a, "12345");
    send(&b, "123");
    send(&b, "1");

    let snapshot = node.snapshot();
    assert_eq!(snapshot.ports.len(), 2, "{snapshot}");
    let (port, traffic) = labelled(&snapshot, "server").unwrap();
    assert_eq!((traffic.sent, traffic.received), (amount(2, 4), amount(1, 5)));
    assert_eq!((port.role, port.unread, port.watchers), (PortRole::Endpoint, 4, 0));
    let Some(PortPlace::Here(peer)) = port.peer else { panic!("{snapshot}") };
    assert_eq!((snapshot.ports[peer].unread, snapshot.ports[peer].traffic.is_some()), (2, false));
    assert!(snapshot.to_string().contains("\"server\": 2 messages with 4 bytes sent, 1 with 5 received, unread for "));

    b.set_label("renamed");
    assert!(labelled(&node.snapshot(), "server").is_none());
    assert_eq!(labelled(&node.snapshot(), "renamed").unwrap().1.sent, amount(2, 4));
    drop(b);
    assert_eq!(node.snapshot().ports.len(), 0);
    assert_eq!(node.port_counts(), (0, 0));
}

#[test]
fn the_age_of_what_is_unread_is_that_of_the_oldest_message() {
    let node = Node::new();
    let (a, b) = MessagePipe::create_on(&node);
    let age = || labelled(&node.snapshot(), "b").unwrap().1.oldest_unread_age;
    send(&a, "before there was a label");
    b.set_label("b");
    let labelled_at = Instant::now();
    let is_in =
        |age: Duration, from: Instant| age <= labelled_at.elapsed() + Duration::from_millis(1) && age >= from.elapsed();
    assert!(is_in(age().unwrap(), Instant::now()));
    let before = age().unwrap();
    eventually("the message is older", || age().unwrap() > before + Duration::from_millis(20));
    let sent = Instant::now();
    send(&a, "younger");
    assert!(age().unwrap() > Duration::from_millis(20));
    b.try_recv().unwrap();
    assert!(age().unwrap() <= sent.elapsed());
    b.try_recv().unwrap();
    assert_eq!(age(), None);
}

#[test]
fn a_label_shows_what_goes_to_another_process_and_stays_behind() {
    let _watchdog = watchdog();
    let mut driven = Driven::<2>::new();
    let [here, there] = driven.nodes.clone();
    let (to_there, from_here) = link(&here, &there);
    to_there.set_label("link");
    let (keep, travel) = MessagePipe::create_on(&here);
    travel.set_label("traveller");
    send(&to_there, "1234");
    to_there.send(Message::from("take this").with(travel)).unwrap();
    send(&from_here, "answer");
    let mut received = Vec::new();
    eventually("it is there", || {
        driven.run();
        received.extend(from_here.try_recv().ok());
        received.len() == 2 && to_there.try_recv().is_ok()
    });
    let snapshot = here.snapshot();
    assert!(labelled(&snapshot, "traveller").is_none(), "{snapshot}");
    let (port, traffic) = labelled(&snapshot, "link").unwrap();
    assert!(matches!(port.peer, Some(PortPlace::Elsewhere { .. })), "{snapshot}");
    assert_eq!((traffic.sent, traffic.received), (amount(2, 13), amount(1, 6)));
    let travel = received.pop().unwrap().take_handles().unwrap().remove(0).into_pipe().unwrap();
    assert_eq!(travel.label(), None);
    drop(keep);
}

#[test]
fn watches_waits_and_tasks_are_counted() {
    let node = Node::new();
    let (a, peer) = MessagePipe::create_on(&node);
    a.set_label("a");
    let watchers = || labelled(&node.snapshot(), "a").unwrap().0.watchers;
    let two = [(); 2].map(|()| Watcher::new(|_| {}));
    two.iter().for_each(|watcher| watcher.watch(&a, Signals::READABLE, 1).unwrap());
    assert_eq!(watchers(), 2);
    let mut task = Box::pin(a.readable());
    assert!(poll_once(task.as_mut(), std::task::Waker::noop()).is_pending());
    assert_eq!(watchers(), 3);
    drop(task);
    drop(two);
    assert_eq!(watchers(), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| a.wait(Signals::PEER_CLOSED, None).unwrap());
        eventually("the other thread waits", || watchers() == 1);
        drop(peer);
    });
}

#[test]
fn a_label_shows_how_far_a_data_pipe_is() {
    let node = Node::new();
    let (producer, consumer) =
        DataPipeOptions { capacity_num_bytes: 64, ..DataPipeOptions::default() }.create_on(&node).unwrap();
    producer.set_label("out");
    consumer.set_label("in");
    producer.try_write_all(&[7; 50]).unwrap();
    consumer.try_read_exact(&mut [0; 20]).unwrap();
    let snapshot = node.snapshot();
    let end = |label| labelled(&snapshot, label).unwrap().0.data_pipe.unwrap();
    let shown = |end: DataPipeSnapshot| (end.is_producer, end.capacity, end.moved, end.unread);
    assert_eq!(shown(end("out")), (true, 64, 50, 30));
    assert_eq!(shown(end("in")), (false, 64, 20, 30));
    assert!(snapshot.to_string().contains("producer of 64 bytes, 50 written, 30 unread"), "{snapshot}");
}

#[test]
fn labelled_buffers_are_shown_as_long_as_they_exist() {
    let node = Node::new();
    let buffer = SharedBuffer::create(4096).unwrap();
    buffer.set_label("a buffer of this test");
    buffer.set_label("the buffer of this test");
    let is_shown = || node.snapshot().to_string().contains("buffer \"the buffer of this test\" of 4096 bytes\n");
    assert!(is_shown());
    assert_eq!(
        (buffer.label().as_deref(), buffer.duplicate().unwrap().label()),
        (Some("the buffer of this test"), None)
    );
    // Inside a message too.
    let (a, b) = MessagePipe::create_on(&node);
    a.send(Message::from("").with(buffer)).unwrap();
    assert!(is_shown());
    drop(b);
    assert!(!is_shown());
    assert!(Handle::from(a).set_label("pipe"));
    assert!(!Handle::from(file_with("text")).set_label("file"));
}

#[cfg(feature = "serde")]
#[test]
fn a_snapshot_can_be_sent_to_an_inspector() {
    let (here, there) = (Node::new(), Node::new());
    let (a, _b) = link(&here, &there);
    a.set_label("a");
    let (producer, consumer) = DataPipeOptions::default().create_on(&here).unwrap();
    producer.set_label("data");
    let snapshot = here.snapshot();
    assert!(labelled(&snapshot, "data").unwrap().0.data_pipe.is_some());
    let bytes = postcard::to_allocvec(&snapshot).unwrap();
    assert_eq!(postcard::from_bytes::<Snapshot>(&bytes).unwrap(), snapshot);
    drop(consumer);
}
