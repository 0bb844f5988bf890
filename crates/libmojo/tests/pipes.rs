//! Message pipes, within one node and between two.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::{
    FuseError, Handle, Message, MessagePipe, RecvError, SendErrorKind, Serialize, SharedBuffer, Signals, SignalsState,
    TakeError, TryRecvError, WaitError, Waitable, wait_many,
};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{Thread, scope, spawn};
use std::time::{Duration, Instant};
use worlds::*;

const R: Signals = Signals::READABLE;
const W: Signals = Signals::WRITABLE;
const C: Signals = Signals::PEER_CLOSED;
const M: Signals = Signals::PEER_REMOTE;

fn assert_closed(pipe: &MessagePipe) {
    assert!(matches!(pipe.recv(), Err(RecvError::PeerClosed)));
}

// ---- order and closure -----------------------------------------------------------------------------------

in_worlds! {
    fn messages_arrive_in_order_in_both_directions(world: World) {
        let (_sides, a, b) = world.connect();
        for number in 0..1001 {
            send(&a, &format!("a {number}"));
            send(&b, &format!("b {number}"));
        }
        for number in 0..1001 {
            assert_eq!(recv(&a), format!("b {number}"));
            assert_eq!(recv(&b), format!("a {number}"));
        }
        assert!(matches!(a.try_recv(), Err(TryRecvError::Empty)));
        assert!(matches!(b.try_recv(), Err(TryRecvError::Empty)));
    }

    fn what_was_sent_before_closing_arrives_and_then_the_closure(world: World) {
        let (_sides, a, b) = world.connect();
        for number in 0..100 {
            send(&a, &number.to_string());
        }
        drop(a);
        for number in 0..100 {
            assert_eq!(recv(&b), number.to_string());
        }
        assert_closed(&b);
        assert!(matches!(b.try_recv(), Err(TryRecvError::PeerClosed)));
        let error = b.send(Message::from("back")).unwrap_err();
        assert_eq!((error.kind, error.message.payload()), (SendErrorKind::PeerClosed, b"back".as_slice()));
    }

    fn closing_an_end_closes_what_is_in_its_unread_messages(world: World) {
        let (sides, a, b) = world.connect();
        let (kept, given) = sides.pipe_here();
        let (producer, consumer) = sides.data_pipe_here(1, 0);
        let (outer, inner) = sides.pipe_here();
        send(&given, "never read");
        outer.send(Message::from("").with(given)).unwrap();
        a.send(Message::from("").with(inner).with(consumer)).unwrap();
        drop(b);
        wait_for(&outer, C);
        wait_for(&kept, C);
        wait_for(&producer, C);
    }

    fn a_message_of_any_size_arrives(world: World) {
        let (_sides, a, b) = world.connect();
        for size in [0, 1, 15, 16, 4096, 65_519, 65_536, 1 << 20, 20 << 20] {
            let bytes = Random::new(7).bytes(size);
            a.send(Message::new(&bytes)).unwrap();
            let mut message = b.recv().unwrap();
            assert!(message.payload() == bytes, "{size} bytes");
            assert!(message.take_handles().unwrap().is_empty());
        }
    }

    fn a_received_message_can_be_sent_on_again_and_again(world: World) {
        let (sides, a, b) = world.connect();
        let (kept, given) = sides.pipe_here();
        let mut message = Message::from("forwarded").with(given);
        for _ in 0..20 {
            a.send(message).unwrap();
            b.send(b.recv().unwrap()).unwrap();
            message = a.recv().unwrap();
        }
        assert_eq!(message.payload(), b"forwarded");
        let given = message.take_handles().unwrap().remove(0).into_pipe().unwrap();
        send(&given, "through");
        assert_eq!(recv(&kept), "through");
        assert_eq!(message.take_handles().unwrap_err(), TakeError::AlreadyTaken);
    }
}

#[test]
fn a_message_over_the_size_limit_comes_back() {
    let (a, _b) = MessagePipe::create();
    let message = Message::new(&vec![0; libmojo::limits::MAX_MESSAGE_BYTES + 1]);
    assert_eq!(a.send(message).unwrap_err().kind, SendErrorKind::TooLarge);
}

#[test]
fn closing_both_ends_drops_unread_values() {
    struct Holder(#[allow(dead_code)] MessagePipe);
    impl Serialize for Holder {
        fn serialize(self) -> Message {
            panic!("nothing leaves the node");
        }
    }
    let (a, b) = MessagePipe::create();
    let (kept, held) = MessagePipe::create();
    a.send(Message::lazy(Holder(held))).unwrap();
    drop((a, b));
    assert_eq!(kept.signals().satisfied, C);
}

// ---- signals ---------------------------------------------------------------------------------------------

in_worlds! {
    fn signals_follow_messages_and_closure(world: World) {
        let (_sides, a, b) = world.connect();
        assert_signals(&a, W, R | W | C);
        assert_signals(&b, W, R | W | C);
        send(&a, "one");
        wait_for(&b, R);
        assert_signals(&b, R | W, R | W | C);
        assert_signals(&a, W, R | W | C);
        recv(&b);
        assert_signals(&b, W, R | W | C);
        send(&a, "two");
        drop(a);
        wait_for(&b, C);
        wait_for(&b, R);
        assert_signals(&b, R | C, R | C);
        recv(&b);
        assert_signals(&b, C, C);
        assert!(!b.signals().satisfiable.contains(M));
        assert_eq!(b.wait(R | W, None), Err(WaitError::Unsatisfiable(SignalsState { satisfied: C, satisfiable: C })));
    }

    fn the_remote_signal_tells_where_the_peer_is(world: World) {
        let (sides, a, b) = world.connect();
        if world.is_remote() {
            wait_for(&a, M);
            wait_for(&b, M);
        }
        let (kept, given) = sides.pipe_here();
        assert!(!kept.signals().satisfied.contains(M));
        assert!(kept.signals().satisfiable.contains(M));
        let given = pass_pipe(&a, &b, given);
        if world.is_remote() {
            wait_for(&kept, M);
            wait_for(&given, M);
        } else {
            assert!(!kept.signals().satisfied.contains(M));
        }
        let given = pass_pipe(&b, &a, given);
        eventually("the peer is back", || !kept.signals().satisfied.contains(M));
        eventually("the peer is back", || !given.signals().satisfied.contains(M));
        drop(given);
        wait_for(&kept, C);
        assert_eq!(kept.signals(), SignalsState { satisfied: C, satisfiable: C });
    }
}

// ---- waiting ---------------------------------------------------------------------------------------------

in_worlds! {
    fn a_deadline_that_has_passed_ends_every_kind_of_wait(world: World) {
        let (_sides, a, b) = world.connect();
        let soon = || Instant::now() + Duration::from_millis(5);
        assert!(matches!(a.recv_timeout(Duration::ZERO), Err(RecvError::DeadlineExceeded)));
        assert!(matches!(a.recv_timeout(Duration::from_millis(5)), Err(RecvError::DeadlineExceeded)));
        assert!(matches!(a.recv_deadline(soon()), Err(RecvError::DeadlineExceeded)));
        assert_eq!(a.wait(R, Some(soon())), Err(WaitError::DeadlineExceeded));
        let both: [(&dyn Waitable, Signals); 2] = [(&a, R), (&b, R)];
        assert_eq!(wait_many(&both, Some(soon())).unwrap_err().1, WaitError::DeadlineExceeded);
        send(&b, "late, but there");
        assert_eq!(a.recv_timeout(PATIENCE).unwrap().payload(), b"late, but there");
        assert!(wait_many(&[], Some(soon())).is_err());
    }

    fn waiting_for_many_returns_the_first_that_is_ready(world: World) {
        let (sides, a, b) = world.connect();
        let pairs: Vec<_> = (0..10)
            .map(|_| {
                let (kept, given) = sides.pipe_here();
                (kept, pass_pipe(&a, &b, given))
            })
            .collect();
        for at in [3, 9, 0] {
            send(&pairs[at].1, "ready");
            let objects: Vec<(&dyn Waitable, Signals)> = pairs.iter().map(|(kept, _)| (kept as _, R)).collect();
            let (found, state) = wait_many(&objects, None).unwrap();
            assert_eq!(found, at);
            assert!(state.satisfied.contains(R));
            assert_eq!(recv(&pairs[at].0), "ready");
        }
        let mut pairs = pairs;
        drop(pairs.remove(5).1);
        // The kept end went with it; the next one's peer closes now.
        let (kept, given) = pairs.remove(5);
        drop(given);
        wait_for(&kept, C);
        let objects: Vec<(&dyn Waitable, Signals)> =
            pairs.iter().map(|(kept, _)| (kept as _, R)).chain([(&kept as _, R)]).collect();
        let (found, error) = wait_many(&objects, None).unwrap_err();
        assert_eq!(found, objects.len() - 1);
        assert!(matches!(error, WaitError::Unsatisfiable(_)));
    }

    fn a_thread_that_waits_wakes_for_a_message_and_for_closure(world: World) {
        let (_sides, a, b) = world.connect();
        let waiting = spawn(move || {
            let first = recv(&b);
            assert_closed(&b);
            first
        });
        send(&a, "wake up");
        drop(a);
        assert_eq!(waiting.join().unwrap(), "wake up");
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        std::thread::park();
    }
}

in_worlds! {
    fn tasks_receive_messages_and_closure(world: World) {
        let (_sides, a, b) = world.connect();
        let task = spawn(move || {
            block_on(async {
                let mut count = 0;
                while let Ok(message) = b.recv_async().await {
                    assert_eq!(message.payload(), count.to_string().as_bytes());
                    count += 1;
                    b.send(message).unwrap();
                }
                count
            })
        });
        for number in 0..100 {
            send(&a, &number.to_string());
            assert_eq!(recv(&a), number.to_string());
        }
        drop(a);
        assert_eq!(task.join().unwrap(), 100);
    }

    fn a_future_that_is_dropped_loses_no_message(world: World) {
        let (_sides, a, b) = world.connect();
        for number in 0..20 {
            {
                let mut future = pin!(b.recv_async());
                assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                send(&a, &number.to_string());
            }
            assert_eq!(block_on(b.recv_async()).unwrap().payload(), number.to_string().as_bytes());
        }
        let state = block_on(b.ready(W)).unwrap();
        assert!(state.satisfied.contains(W));
        drop(a);
        assert!(matches!(block_on(b.ready(R)), Err(WaitError::Unsatisfiable(_))));
        assert!(matches!(block_on(b.recv_async()), Err(RecvError::PeerClosed)));
    }
}

// ---- moving ends -----------------------------------------------------------------------------------------

in_worlds! {
    fn an_end_moves_with_everything_that_is_unread(world: World) {
        let (sides, a, b) = world.connect();
        let (kept, given) = sides.pipe_here();
        for number in 0..1001 {
            send(&kept, &number.to_string());
        }
        let given = pass_pipe(&a, &b, given);
        send(&kept, "1001");
        drop(kept);
        for number in 0..1002 {
            assert_eq!(recv(&given), number.to_string());
        }
        assert_closed(&given);
    }

    fn an_end_can_bounce_fifty_times_while_it_is_written_to(world: World) {
        let (sides, a, b) = world.connect();
        let (kept, mut moving) = sides.pipe_here();
        for round in 0..50 {
            send(&kept, &format!("before {round}"));
            a.send(Message::from("").with(moving)).unwrap();
            send(&kept, &format!("while {round}"));
            b.send(b.recv().unwrap()).unwrap();
            moving = a.recv().unwrap().take_handles().unwrap().remove(0).into_pipe().unwrap();
            send(&moving, &format!("back {round}"));
        }
        send(&kept, "bye");
        for round in 0..50 {
            assert_eq!(recv(&kept), format!("back {round}"));
            assert_eq!(recv(&moving), format!("before {round}"));
            assert_eq!(recv(&moving), format!("while {round}"));
        }
        drop(kept);
        assert_eq!(recv(&moving), "bye");
        assert_closed(&moving);
    }

    fn both_ends_can_move_at_once(world: World) {
        let (sides, a, b) = world.connect();
        let (mut x, mut y) = sides.pipe_here();
        for round in 0..50 {
            send(&x, &format!("x {round}"));
            send(&y, &format!("y {round}"));
            (x, y) = scope(|scope| {
                a.send(Message::from("").with(x)).unwrap();
                a.send(Message::from("").with(y)).unwrap();
                let bounce = scope.spawn(|| {
                    for _ in 0..2 {
                        b.send(b.recv().unwrap()).unwrap();
                    }
                });
                let next = || a.recv().unwrap().take_handles().unwrap().remove(0).into_pipe().unwrap();
                let ends = (next(), next());
                bounce.join().unwrap();
                ends
            });
        }
        drop(y);
        for round in 0..50 {
            assert_eq!(recv(&x), format!("y {round}"));
        }
        assert_closed(&x);
    }

    fn the_two_ends_can_move_in_opposite_directions(world: World) {
        let (sides, a, b) = world.connect();
        for _ in 0..30 {
            let (x, given) = sides.pipe_here();
            let y = pass_pipe(&a, &b, given);
            send(&x, "from x");
            send(&y, "from y");
            a.send(Message::from("").with(x)).unwrap();
            b.send(Message::from("").with(y)).unwrap();
            let x = b.recv().unwrap().take_handles().unwrap().remove(0).into_pipe().unwrap();
            let y = a.recv().unwrap().take_handles().unwrap().remove(0).into_pipe().unwrap();
            assert_eq!(recv(&x), "from y");
            assert_eq!(recv(&y), "from x");
            drop(x);
            assert_closed(&y);
        }
    }

    fn an_end_travels_inside_a_message_on_a_pipe_that_travels_itself(world: World) {
        let (sides, a, b) = world.connect();
        let (innermost, given) = sides.pipe_here();
        send(&innermost, "deep");
        let mut carriers = Vec::new();
        let mut cargo = given;
        for _ in 0..20 {
            let (carrier, next) = sides.pipe_here();
            carrier.send(Message::from("").with(cargo)).unwrap();
            carriers.push(carrier);
            cargo = next;
        }
        let mut pipe = pass_pipe(&a, &b, cargo);
        for _ in 0..20 {
            pipe = pipe.recv().unwrap().take_handles().unwrap().remove(0).into_pipe().unwrap();
        }
        assert_eq!(recv(&pipe), "deep");
        send(&pipe, "and back");
        assert_eq!(recv(&innermost), "and back");
        for carrier in &carriers {
            wait_for(carrier, C);
        }
    }

    fn closure_reaches_an_end_that_is_on_its_way(world: World) {
        let (sides, a, b) = world.connect();
        for _ in 0..50 {
            let (kept, given) = sides.pipe_here();
            send(&kept, "last words");
            a.send(Message::from("").with(given)).unwrap();
            drop(kept);
            let given = b.recv().unwrap().take_handles().unwrap().remove(0).into_pipe().unwrap();
            assert_eq!(recv(&given), "last words");
            assert_closed(&given);
        }
    }

    fn an_end_whose_peer_is_closed_already_moves_with_what_is_unread(world: World) {
        let (sides, a, b) = world.connect();
        let (kept, given) = sides.pipe_here();
        send(&kept, "last words");
        drop(kept);
        let given = pass_pipe(&b, &a, pass_pipe(&a, &b, given));
        assert_eq!(recv(&given), "last words");
        assert_closed(&given);
    }

    fn an_end_cannot_be_sent_to_its_own_peer(world: World) {
        let (sides, _a, _b) = world.connect();
        let (kept, given) = sides.pipe_here();
        let error = kept.send(Message::from("").with(given)).unwrap_err();
        assert_eq!(error.kind, SendErrorKind::BadCargo);
        assert_signals(&kept, W, R | W | C);
        drop(error);
        assert_eq!(kept.signals().satisfied, C);
    }
}

#[test]
fn an_end_of_another_node_cannot_be_sent() {
    let (sides, a, _b) = World::TwoNodes.connect();
    let (kept, foreign) = sides.pipe_there();
    let error = a.send(Message::from("").with(foreign)).unwrap_err();
    assert_eq!(error.kind, SendErrorKind::BadCargo);
    drop(error);
    wait_for(&kept, C);
}

// ---- attachments -----------------------------------------------------------------------------------------

in_worlds! {
    fn attachments_of_all_kinds_keep_their_order(world: World) {
        let (sides, a, b) = world.connect();
        let mut message = Message::from("mixed");
        let mut kept = Vec::new();
        for number in 0..60_u64 {
            match number % 6 {
                0 => {
                    let (keep, give) = sides.pipe_here();
                    send(&keep, &number.to_string());
                    kept.push(Handle::from(keep));
                    message.attach(give).unwrap();
                }
                1 => {
                    let (producer, consumer) = sides.data_pipe_here(1, number as u32);
                    message.attach(producer).unwrap();
                    kept.push(consumer.into());
                }
                2 => {
                    let (producer, consumer) = sides.data_pipe_here(1, 100);
                    producer.try_write_all(&vec![1; number as usize]).unwrap();
                    message.attach(consumer).unwrap();
                    kept.push(producer.into());
                }
                3 => message.attach(SharedBuffer::create(number).unwrap()).unwrap(),
                4 => message.attach(file_with(&number.to_string())).unwrap(),
                _ => message.attach(Handle::Descriptor(None)).unwrap(),
            }
        }
        a.send(message).unwrap();
        let handles = b.recv().unwrap().take_handles().unwrap();
        assert_eq!(handles.len(), 60);
        for (number, handle) in handles.into_iter().enumerate() {
            match (number % 6, handle) {
                (0, Handle::Pipe(pipe)) => assert_eq!(recv(&pipe), number.to_string()),
                (1, Handle::Producer(producer)) => assert_eq!(producer.try_write(&[0; 100]), Ok(number)),
                (2, Handle::Consumer(consumer)) => assert_eq!(consumer.available(), Ok(number)),
                (3, Handle::Buffer(buffer)) => assert_eq!(buffer.num_bytes(), number as u64),
                (4, Handle::Descriptor(Some(file))) => assert_eq!(text_of(&file.into()), number.to_string()),
                (5, Handle::Descriptor(None)) => {}
                (_, other) => panic!("{number}: {other:?}"),
            }
        }
    }

    fn six_hundred_descriptors_fit_into_one_message(world: World) {
        let (_sides, a, b) = world.connect();
        let files = (0..600).map(|number| file_with(&number.to_string()));
        a.send(files.fold(Message::from(""), Message::with)).unwrap();
        send(&a, "behind");
        let handles = b.recv().unwrap().take_handles().unwrap();
        assert_eq!(handles.len(), 600);
        for (number, handle) in handles.into_iter().enumerate() {
            assert_eq!(text_of(&handle.into_descriptor().unwrap().into()), number.to_string());
        }
        assert_eq!(recv(&b), "behind");
    }

    fn many_messages_with_descriptors_arrive_when_nobody_reads_meanwhile(world: World) {
        let (_sides, a, b) = world.connect();
        for number in 0..1000 {
            a.send(Message::from(number.to_string().as_str()).with(file_with(&number.to_string()))).unwrap();
        }
        for number in 0..1000 {
            let mut message = b.recv().unwrap();
            assert_eq!(message.payload(), number.to_string().as_bytes());
            let handle = message.take_handles().unwrap().remove(0);
            assert_eq!(text_of(&handle.into_descriptor().unwrap().into()), number.to_string());
        }
    }
}

// ---- values ----------------------------------------------------------------------------------------------

/// Counts what becomes of it.
struct Value {
    number: usize,
    pipe: Option<MessagePipe>,
    serialized: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

impl Value {
    fn new(number: usize, pipe: Option<MessagePipe>, counts: &Counts) -> Self {
        Self { number, pipe, serialized: counts.0.clone(), dropped: counts.1.clone() }
    }
}

type Counts = (Arc<AtomicUsize>, Arc<AtomicUsize>);

fn read(counts: &Counts) -> (usize, usize) {
    (counts.0.load(Ordering::SeqCst), counts.1.load(Ordering::SeqCst))
}

impl Serialize for Value {
    fn serialize(mut self) -> Message {
        self.serialized.fetch_add(1, Ordering::SeqCst);
        let message = Message::from(self.number.to_string().as_str());
        match self.pipe.take() {
            Some(pipe) => message.with(pipe),
            None => message,
        }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

in_worlds! {
    fn values_are_serialized_only_if_they_leave_the_node(world: World) {
        let (sides, a, b) = world.connect();
        let counts = Counts::default();
        let (kept, given) = sides.pipe_here();
        let message = Message::lazy(Value::new(7, Some(given), &counts));
        assert!(message.is_lazy() && message.payload().is_empty());
        a.send(message).unwrap();
        let mut message = b.recv().unwrap();
        let given = if world.is_remote() {
            assert!(!message.is_lazy());
            assert_eq!(message.payload(), b"7");
            assert_eq!(read(&counts), (1, 1));
            message.take_handles().unwrap().remove(0).into_pipe().unwrap()
        } else {
            assert!(message.is_lazy());
            assert_eq!(message.take_handles().unwrap_err(), TakeError::NotSerialized);
            let Ok(mut value) = message.into_value::<Value>() else { panic!("it is a value") };
            assert_eq!((value.number, read(&counts)), (7, (0, 0)));
            value.pipe.take().unwrap()
        };
        send(&kept, "through");
        assert_eq!(recv(&given), "through");
    }

    fn queued_values_are_serialized_when_their_receiver_moves_away(world: World) {
        let (sides, a, b) = world.connect();
        let counts = Counts::default();
        let (kept, given) = sides.pipe_here();
        for number in 0..10 {
            kept.send(Message::lazy(Value::new(number, None, &counts))).unwrap();
        }
        assert_eq!(read(&counts), (0, 0));
        let given = pass_pipe(&a, &b, given);
        for number in 0..10 {
            let message = given.recv().unwrap();
            if world.is_remote() {
                assert_eq!(message.payload(), number.to_string().as_bytes());
            } else {
                let Ok(value) = message.into_value::<Value>() else { panic!("it is a value") };
                assert_eq!(value.number, number);
            }
        }
        assert_eq!(read(&counts), (if world.is_remote() { 10 } else { 0 }, 10));
    }

    fn a_value_that_nobody_reads_is_dropped(world: World) {
        let (sides, _a, _b) = world.connect();
        let counts = Counts::default();
        let (kept, given) = sides.pipe_here();
        drop(Message::lazy(Value::new(0, None, &counts)));
        assert_eq!(read(&counts), (0, 1));
        kept.send(Message::lazy(Value::new(1, None, &counts))).unwrap();
        drop(given);
        assert_eq!(read(&counts), (0, 2));
        let error = kept.send(Message::lazy(Value::new(2, None, &counts))).unwrap_err();
        assert_eq!(error.kind, SendErrorKind::PeerClosed);
        assert!(error.message.into_value::<Value>().is_ok());
        assert_eq!(read(&counts), (0, 3));
    }
}

// ---- fusing ----------------------------------------------------------------------------------------------

in_worlds! {
    fn fused_pipes_are_one_and_keep_what_was_unread(world: World) {
        let (sides, a, b) = world.connect();
        let (one, given) = sides.pipe_here();
        let left = pass_pipe(&a, &b, given);
        let (right, given) = sides.pipe_there();
        let other = pass_pipe(&b, &a, given);
        let other = pass_pipe(&a, &b, other);
        send(&one, "from one, before");
        send(&other, "from the other, before");
        left.fuse(right).unwrap();
        send(&one, "from one, after");
        send(&other, "from the other, after");
        assert_eq!(recv(&one), "from the other, before");
        assert_eq!(recv(&one), "from the other, after");
        assert_eq!(recv(&other), "from one, before");
        assert_eq!(recv(&other), "from one, after");
        if world.is_remote() {
            wait_for(&one, M);
            wait_for(&other, M);
        }
        drop(one);
        assert_closed(&other);
    }

    fn fusing_passes_on_what_a_closed_peer_had_sent_and_its_closure(world: World) {
        let (sides, a, b) = world.connect();
        let (one, given) = sides.pipe_here();
        let left = pass_pipe(&a, &b, given);
        let (other, right) = sides.pipe_there();
        send(&one, "last words");
        drop(one);
        left.fuse(right).unwrap();
        assert_eq!(recv(&other), "last words");
        assert_closed(&other);
    }

    fn having_received_does_not_prevent_fusing_but_having_sent_does(world: World) {
        let (sides, a, b) = world.connect();
        let (one, given) = sides.pipe_here();
        let left = pass_pipe(&a, &b, given);
        send(&one, "received");
        assert_eq!(recv(&left), "received");
        let (other, right) = sides.pipe_there();
        left.fuse(right).unwrap();
        send(&other, "fused");
        assert_eq!(recv(&one), "fused");

        for sent_from_left in [true, false] {
            let (one, given) = sides.pipe_here();
            let left = pass_pipe(&a, &b, given);
            let (other, right) = sides.pipe_there();
            send(if sent_from_left { &left } else { &right }, "sent");
            assert_eq!(left.fuse(right), Err(FuseError::HasSent));
            wait_for(&one, C);
            wait_for(&other, C);
        }
    }

    fn a_chain_of_fused_pipes_carries_messages_from_end_to_end(world: World) {
        let (sides, a, b) = world.connect();
        let (first, mut last) = sides.pipe_here();
        for _ in 0..20 {
            last = pass_pipe(&a, &b, last);
            let (left, right) = sides.pipe_there();
            last.fuse(left).unwrap();
            last = pass_pipe(&b, &a, right);
        }
        for number in 0..100 {
            send(&first, &number.to_string());
            send(&last, &number.to_string());
        }
        for number in 0..100 {
            assert_eq!(recv(&first), number.to_string());
            assert_eq!(recv(&last), number.to_string());
        }
        drop(first);
        assert_closed(&last);
    }

    fn both_sides_can_fuse_at_the_same_time(world: World) {
        let (sides, a, b) = world.connect();
        for _ in 0..50 {
            let (x, given) = sides.pipe_here();
            let y = pass_pipe(&a, &b, given);
            let (left, left_end) = sides.pipe_here();
            let (right, right_end) = sides.pipe_there();
            scope(|scope| {
                scope.spawn(|| x.fuse(left_end).unwrap());
                scope.spawn(|| y.fuse(right_end).unwrap());
            });
            send(&left, "to the right");
            send(&right, "to the left");
            assert_eq!(recv(&right), "to the right");
            assert_eq!(recv(&left), "to the left");
            drop(left);
            assert_closed(&right);
        }
    }
}

#[test]
fn the_two_ends_of_one_pipe_cannot_be_fused_with_each_other() {
    let (a, b) = MessagePipe::create();
    assert_eq!(a.fuse(b), Err(FuseError::SamePipe));
}

#[test]
fn ends_of_different_nodes_cannot_be_fused_and_are_closed() {
    let _watchdog = watchdog();
    let (sides, _a, _b) = World::TwoNodes.connect();
    let ((one, left), (other, right)) = (sides.pipe_here(), sides.pipe_there());
    assert_eq!(left.fuse(right), Err(FuseError::DifferentNodes));
    wait_for(&one, C);
    wait_for(&other, C);
}

// ---- threads ---------------------------------------------------------------------------------------------

in_worlds! {
    fn many_threads_stream_in_both_directions_and_each_keeps_its_order(world: World) {
        const THREADS: usize = 4;
        const EACH: usize = 2000;
        let (_sides, a, b) = world.connect();
        let stream = |pipe: &MessagePipe, thread: usize| {
            for number in 0..EACH {
                send(pipe, &format!("{thread} {number}"));
            }
        };
        let drain = |pipe: &MessagePipe| {
            let mut next = [0; THREADS];
            for _ in 0..THREADS * EACH {
                let text = recv(pipe);
                let (thread, number) = text.split_once(' ').unwrap();
                let next = &mut next[thread.parse::<usize>().unwrap()];
                assert_eq!(number.parse::<usize>().unwrap(), *next);
                *next += 1;
            }
        };
        scope(|scope| {
            for thread in 0..THREADS {
                let (a, b) = (&a, &b);
                scope.spawn(move || stream(a, thread));
                scope.spawn(move || stream(b, thread));
            }
            scope.spawn(|| drain(&a));
            scope.spawn(|| drain(&b));
        });
    }

    fn each_message_goes_to_exactly_one_of_several_readers(world: World) {
        const COUNT: usize = 5000;
        let (_sides, a, b) = world.connect();
        let seen: Vec<AtomicUsize> = (0..COUNT).map(|_| AtomicUsize::new(0)).collect();
        scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut last = None;
                    while let Ok(message) = b.recv() {
                        let text = std::str::from_utf8(message.payload()).unwrap();
                        let number: usize = text.parse().unwrap();
                        assert!(last < Some(number));
                        last = Some(number);
                        seen[number].fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            (0..COUNT).for_each(|number| send(&a, &number.to_string()));
            drop(a);
        });
        assert!(seen.iter().all(|count| count.load(Ordering::SeqCst) == 1));
    }

    fn an_end_moves_while_other_threads_write_to_its_peer(world: World) {
        const COUNT: usize = 3000;
        let (sides, a, b) = world.connect();
        let (kept, mut moving) = sides.pipe_here();
        scope(|scope| {
            let writer = scope.spawn(move || {
                (0..COUNT).for_each(|number| send(&kept, &number.to_string()));
            });
            let mut expected = 0;
            // What is sent need not catch up with an end that never rests.
            for _ in 0..20 {
                for (from, to) in [(&a, &b), (&b, &a)] {
                    moving = pass_pipe(from, to, moving);
                    while let Ok(message) = moving.try_recv() {
                        assert_eq!(message.payload(), expected.to_string().as_bytes());
                        expected += 1;
                    }
                }
            }
            for number in expected..COUNT {
                assert_eq!(recv(&moving), number.to_string());
            }
            writer.join().unwrap();
            assert_closed(&moving);
        });
    }

    fn closing_ends_the_wait_of_every_thread_at_the_other_end(world: World) {
        let (_sides, a, b) = world.connect();
        scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_closed(&b));
                scope.spawn(|| assert!(wait_for(&b, C).satisfied.contains(C)));
            }
            drop(a);
        });
    }

    fn disconnecting_while_threads_wait_ends_their_wait(world: World) {
        let (sides, a, b) = world.connect();
        if world.is_remote() {
            scope(|scope| {
                scope.spawn(|| assert_closed(&a));
                scope.spawn(|| assert_closed(&b));
                sides.there.disconnect();
            });
        }
    }
}
