//! Pipes and watchers that are used, moved and closed by several threads at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::{
    AcceptedInvitation, Invitation, Message, MessagePipe, Node, Signals, TryRecvError, WatchEvent, Watcher, socket_pair,
};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{scope, spawn};
use worlds::*;

// ---- ends that move --------------------------------------------------------------------------------------

fn number(message: &Message) -> u64 {
    u64::from_le_bytes(message.payload().try_into().unwrap())
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

in_worlds! {
    fn messages_keep_their_order_while_the_receiving_end_bounces(world: World) {
        const COUNT: u64 = 2_000;
        let (sides, a, b) = world.connect();
        let (sender, mut receiver) = sides.pipe_here();
        let sending = spawn(move || {
            for number in 0..COUNT {
                sender.send(Message::new(&number.to_le_bytes())).unwrap();
            }
            sender
        });
        let mut next = 0;
        for _ in 0..20 {
            for (from, to) in [(&a, &b), (&b, &a)] {
                drain(&receiver, &mut next);
                receiver = pass_pipe(from, to, receiver);
            }
        }
        let sender = sending.join().unwrap();
        while next < COUNT {
            assert_eq!(number(&receiver.recv().unwrap()), next);
            next += 1;
        }
        send(&receiver, "that was all");
        assert_eq!(recv(&sender), "that was all");
    }

    fn messages_keep_their_order_while_both_ends_bounce(world: World) {
        const COUNT: u64 = 100;
        let (sides, a, b) = world.connect();
        let (c, given) = sides.pipe_here();
        let d = pass_pipe(&a, &b, given);
        let (left, right) = sides.pipe_here();
        let bounce = |mut end: MessagePipe, here: &MessagePipe, there: &MessagePipe| {
            let mut received = 0;
            for sent in 0..COUNT {
                end.send(Message::new(&sent.to_le_bytes())).unwrap();
                end = pass_pipe(here, there, end);
                drain(&end, &mut received);
                end = pass_pipe(there, here, end);
            }
            while received < COUNT {
                assert_eq!(number(&end.recv().unwrap()), received);
                received += 1;
            }
            end
        };
        let _ends = scope(|scope| {
            let ends = [scope.spawn(|| bounce(left, &a, &b)), scope.spawn(|| bounce(right, &c, &d))];
            ends.map(|end| end.join().unwrap())
        });
    }
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

// ---- everything at once ----------------------------------------------------------------------------------

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
                end.pipe = pass_pipe(&carriers[end.node], &carriers[other], end.pipe);
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

in_worlds! {
    fn pipes_survive_being_sent_moved_fused_and_closed_by_many_threads(world: World) {
        let seed = seed();
        let (sides, a, b) = world.connect();
        let commotion = Commotion {
            nodes: [sides.here.clone(), sides.there.clone()],
            ends: Mutex::default(),
            received: Mutex::default(),
            next_id: AtomicU64::new(0),
        };
        scope(|scope| {
            for thread in 0..4 {
                let (here, given) = sides.pipe_here();
                let carriers = [here, pass_pipe(&a, &b, given)];
                let commotion = &commotion;
                scope.spawn(move || {
                    let mut random = Random::new(seed + thread);
                    (0..1500).for_each(|_| commotion.step(&mut random, &carriers));
                });
            }
        });
    }
}

// ---- watchers --------------------------------------------------------------------------------------------

const R: Signals = Signals::READABLE;
const W: Signals = Signals::WRITABLE;
const C: Signals = Signals::PEER_CLOSED;

/// What the threads share. Every slot may be empty at any time.
struct Playground {
    watchers: Vec<Mutex<Option<Arc<Watcher>>>>,
    ends: Vec<Mutex<Option<Arc<MessagePipe>>>>,
    /// Watches that were added, and that were told of their end.
    begun: AtomicUsize,
    ended: AtomicUsize,
    next_context: AtomicUsize,
}

impl Playground {
    fn new(count: usize) -> Arc<Self> {
        let empty = |_| Mutex::default();
        let playground = Arc::new(Self {
            watchers: (0..count).map(empty).collect(),
            ends: (0..count).map(|_| Mutex::default()).collect(),
            begun: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            next_context: AtomicUsize::new(0),
        });
        (0..count).for_each(|at| playground.renew_watcher(at, at as u64));
        (0..count / 2).for_each(|at| playground.renew_pipe(2 * at));
        playground
    }

    fn renew_watcher(self: &Arc<Self>, at: usize, seed: u64) {
        let playground = Arc::downgrade(self);
        let random = Mutex::new(Random::new(seed));
        let watcher = Watcher::new(move |event| {
            let Some(playground) = playground.upgrade() else { return };
            if event.event == WatchEvent::Cancelled {
                playground.ended.fetch_add(1, Ordering::SeqCst);
            }
            for _ in 0..3 {
                let choice = random.lock().unwrap().next();
                playground.act(&mut Random::new(choice), false);
            }
        });
        let old = self.watchers[at].lock().unwrap().replace(Arc::new(watcher));
        drop(old);
    }

    fn renew_pipe(&self, at: usize) {
        let (a, b) = MessagePipe::create();
        let old_a = self.ends[at].lock().unwrap().replace(Arc::new(a));
        let old_b = self.ends[at + 1].lock().unwrap().replace(Arc::new(b));
        drop((old_a, old_b));
    }

    fn act(self: &Arc<Self>, random: &mut Random, may_renew: bool) {
        let (w, e) = (random.below(self.watchers.len()), random.below(self.ends.len()));
        let watcher = self.watchers[w].lock().unwrap().clone();
        let end = self.ends[e].lock().unwrap().clone();
        match (random.below(12), watcher, end) {
            (0, ..) if may_renew => self.renew_watcher(w, random.next()),
            (1, ..) if may_renew => self.renew_pipe(e & !1),
            (0, watcher, _) => {
                let taken = self.watchers[w].lock().unwrap().take();
                drop((taken, watcher));
            }
            (1, _, end) => {
                let taken = self.ends[e].lock().unwrap().take();
                drop((taken, end));
            }
            (2..=4, _, Some(end)) => drop(end.send(Message::from("x"))),
            (5..=7, Some(watcher), Some(end)) => {
                let context = self.next_context.fetch_add(1, Ordering::SeqCst);
                let signals = [R, W, C, R | C][random.below(4)];
                // Counted first: the end may come before the call returns.
                self.begun.fetch_add(1, Ordering::SeqCst);
                if watcher.watch(&*end, signals, context).is_err() {
                    self.begun.fetch_sub(1, Ordering::SeqCst);
                }
            }
            (8..=9, Some(watcher), _) => drop(watcher.arm(3)),
            (10, _, Some(end)) => while end.try_recv().is_ok() {},
            (11, Some(watcher), _) => {
                let newest = self.next_context.load(Ordering::SeqCst);
                watcher.cancel(newest.saturating_sub(random.below(20)));
            }
            _ => {}
        }
    }
}

#[test]
fn random_operations_on_many_threads_lose_no_cancellation() {
    let _watchdog = watchdog();
    let seed = seed();
    let playground = Playground::new(50);
    scope(|scope| {
        for thread in 0..8 {
            let playground = &playground;
            scope.spawn(move || {
                let mut random = Random::new(seed.wrapping_add(thread));
                for _ in 0..2000 {
                    playground.act(&mut random, true);
                }
            });
        }
    });
    for slot in &playground.watchers {
        let watcher = slot.lock().unwrap().take();
        drop(watcher);
    }
    assert!(playground.begun.load(Ordering::SeqCst) > 0);
    assert_eq!(playground.begun.load(Ordering::SeqCst), playground.ended.load(Ordering::SeqCst));
}
