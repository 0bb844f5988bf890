//! Pipes that are used and moved by several threads at once, between two nodes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::{AcceptedInvitation, Invitation, Message, MessagePipe, Node, TryRecvError, socket_pair};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use worlds::{Random, watchdog};

/// Two nodes and the two ends of a pipe between them.
fn connected() -> (Node, Node, MessagePipe, MessagePipe) {
    let (here, there) = (Node::new(), Node::new());
    let (ours, theirs) = worlds::link(&here, &there);
    (here, there, ours, theirs)
}

fn number(message: &Message) -> u64 {
    u64::from_le_bytes(message.payload().try_into().unwrap())
}

fn pass(from: &MessagePipe, to: &MessagePipe, end: MessagePipe) -> MessagePipe {
    from.send(Message::from("take this").with(end)).unwrap();
    to.recv().unwrap().take_handles().unwrap().remove(0).into_pipe().unwrap()
}

/// Receives what is there; each number must follow the one before.
fn drain(end: &MessagePipe, next: &mut u64) {
    loop {
        match end.try_recv() {
            Ok(message) => {
                assert_eq!(number(&message), *next);
                *next += 1;
            }
            Err(TryRecvError::Empty) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn messages_keep_their_order_while_the_receiving_end_bounces_between_nodes() {
    const COUNT: u64 = 2_000;
    let _watchdog = watchdog();
    let (here, _there, ours, theirs) = connected();
    let (sender, mut receiver) = MessagePipe::create_on(&here);
    let sending = std::thread::spawn(move || {
        for number in 0..COUNT {
            sender.send(Message::new(&number.to_le_bytes())).unwrap();
        }
        sender
    });
    let mut next = 0;
    let mut moves = 0;
    while moves < 40 {
        drain(&receiver, &mut next);
        receiver = pass(&ours, &theirs, receiver);
        drain(&receiver, &mut next);
        receiver = pass(&theirs, &ours, receiver);
        moves += 2;
    }
    let sender = sending.join().unwrap();
    while next < COUNT {
        assert_eq!(number(&receiver.recv().unwrap()), next);
        next += 1;
    }
    receiver.send(Message::from("that was all")).unwrap();
    assert_eq!(sender.recv().unwrap().payload(), b"that was all");
}

#[test]
fn messages_keep_their_order_while_both_ends_bounce_between_nodes() {
    const COUNT: u64 = 100;
    let _watchdog = watchdog();
    let (here, there, ours, theirs) = connected();
    let (ours2, theirs2) = {
        let (a, b) = MessagePipe::create_on(&here);
        (a, pass(&ours, &theirs, b))
    };
    let (left, right) = MessagePipe::create_on(&here);
    let bounce = |mut end: MessagePipe, ours: MessagePipe, theirs: MessagePipe| {
        std::thread::spawn(move || {
            let mut received = 0;
            for sent in 0..COUNT {
                end.send(Message::new(&sent.to_le_bytes())).unwrap();
                end = pass(&ours, &theirs, end);
                drain(&end, &mut received);
                end = pass(&theirs, &ours, end);
            }
            while received < COUNT {
                assert_eq!(number(&end.recv().unwrap()), received);
                received += 1;
            }
            (end, ours, theirs)
        })
    };
    let (left, right) = (bounce(left, ours, theirs), bounce(right, ours2, theirs2));
    let (left, right) = (left.join().unwrap(), right.join().unwrap());
    drop((left, right));
    worlds::eventually("no port is left in either node", || {
        here.port_counts() == (0, 0) && there.port_counts() == (0, 0)
    });
}

#[test]
fn ends_inside_messages_inside_messages_close_without_end() {
    let _watchdog = watchdog();
    let (witness, mut inside) = MessagePipe::create();
    for _ in 0..100_000 {
        let (a, b) = MessagePipe::create();
        a.send(Message::new(b"").with(inside)).unwrap();
        inside = b;
    }
    drop(inside);
    assert!(witness.recv().is_err());
}

#[test]
fn an_invitation_that_is_sent_after_it_was_accepted_arrives() {
    let _watchdog = watchdog();
    for _ in 0..1000 {
        let (here, there) = (Node::new(), Node::new());
        let (ours, theirs) = socket_pair().unwrap();
        let accepted = AcceptedInvitation::accept_on(&there, theirs).unwrap();
        let theirs = accepted.extract(b"pipe").unwrap();
        let invitation = Invitation::new_on(&here);
        let pipe = invitation.attach(b"pipe").unwrap();
        invitation.send(ours).unwrap();
        pipe.send(Message::from("hello")).unwrap();
        assert_eq!(theirs.recv().unwrap().payload(), b"hello");
        here.disconnect();
    }
}

/// A pipe end that threads take turns with, and how many messages it has sent.
struct End {
    pipe: MessagePipe,
    node: usize,
    id: u64,
    sent: u64,
}

/// What the threads of the commotion share.
struct Commotion {
    nodes: [Node; 2],
    ends: Mutex<Vec<End>>,
    /// How many messages of each sender have been received.
    received: Mutex<HashMap<u64, u64>>,
    next_id: AtomicU64,
}

impl Commotion {
    fn create(&self, node: usize) {
        let (a, b) = MessagePipe::create_on(&self.nodes[node]);
        let end = |pipe| End { pipe, node, id: self.next_id.fetch_add(1, Ordering::Relaxed), sent: 0 };
        self.ends.lock().unwrap().extend([end(a), end(b)]);
    }

    fn take(&self, random: &mut Random) -> Option<End> {
        let mut ends = self.ends.lock().unwrap();
        if ends.is_empty() {
            return None;
        }
        let at = random.below(ends.len());
        Some(ends.swap_remove(at))
    }

    fn receive(&self, end: &End) {
        // Received and counted as one step: the next end that gets this sender's messages may be in use already.
        let mut received = self.received.lock().unwrap();
        if let Ok(message) = end.pipe.try_recv() {
            let (sender, number) = message.payload().split_at(8);
            let [sender, number] = [sender, number].map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
            let count = received.entry(sender).or_default();
            assert_eq!(number, *count, "messages of end {sender}");
            *count += 1;
        }
    }

    fn step(&self, random: &mut Random, carriers: &[MessagePipe; 2]) {
        let Some(mut end) = self.take(random) else { return self.create(random.below(2)) };
        match random.below(20) {
            0 => self.create(end.node),
            1 => return drop(end),
            2 => {
                let other = self.take(random);
                if let Some(other) = other.filter(|other| other.node == end.node) {
                    // Refused or not, both are gone.
                    let _ = end.pipe.fuse(other.pipe);
                    return;
                }
            }
            3..7 => {
                let other = 1 - end.node;
                end.pipe = pass(&carriers[end.node], &carriers[other], end.pipe);
                end.node = other;
            }
            7..12 => {
                let payload = [end.id.to_le_bytes(), end.sent.to_le_bytes()].concat();
                if end.pipe.send(Message::new(&payload)).is_ok() {
                    end.sent += 1;
                }
            }
            _ => self.receive(&end),
        }
        self.ends.lock().unwrap().push(end);
    }
}

#[test]
fn pipes_survive_being_sent_moved_fused_and_closed_by_many_threads() {
    let _watchdog = watchdog();
    let seed = worlds::seed();
    let commotion = Commotion {
        nodes: [Node::new(), Node::new()],
        ends: Mutex::default(),
        received: Mutex::default(),
        next_id: AtomicU64::new(0),
    };
    let (ours, theirs) = worlds::link(&commotion.nodes[0], &commotion.nodes[1]);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (a, b) = MessagePipe::create_on(&commotion.nodes[0]);
            let b = pass(&ours, &theirs, b);
            let commotion = &commotion;
            scope.spawn(move || {
                let mut random = Random::new(seed + thread);
                let carriers = [a, b];
                (0..1500).for_each(|_| commotion.step(&mut random, &carriers));
            });
        }
    });
    drop((ours, theirs));
    commotion.ends.lock().unwrap().clear();
    for node in &commotion.nodes {
        worlds::eventually("no port is left", || node.port_counts() == (0, 0));
        node.disconnect();
    }
}
