//! Pipe ends that are sent through other pipes, alone and in company, and pipes that are joined.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::{
    FuseError, Handle, Message, MessagePipe, SendErrorKind, SharedBuffer, Signals, TryRecvError, WaitError, Waitable,
    WatchEvent, Watcher,
};
use std::sync::mpsc::channel;
use std::thread::scope;
use worlds::*;

const R: Signals = Signals::READABLE;
const W: Signals = Signals::WRITABLE;
const C: Signals = Signals::PEER_CLOSED;
const M: Signals = Signals::PEER_REMOTE;

// ---- moving ends -----------------------------------------------------------------------------------------

in_worlds! {
    fn an_end_moves_with_everything_that_is_unread(world: World) {
        let (sides, a, b) = world.connect();
        let (kept, given) = sides.pipe_here();
        // Each is longer than the one before.
        let text = |number: usize| format!("{number:0number$}");
        for number in 0..1001 {
            send(&kept, &text(number));
        }
        let given = pass_pipe(&a, &b, given);
        send(&kept, &text(1001));
        wait_for(&given, R);
        assert_signals(&given, R | W, R | W | C);
        for number in 0..1002 {
            assert_eq!(recv(&given), text(number));
        }
        assert_signals(&given, W, R | W | C);
        send(&given, "all there");
        assert_eq!(recv(&kept), "all there");
        drop(kept);
        assert_closed(&given);
    }

    fn an_end_outlives_the_pipe_that_it_came_by(world: World) {
        let (sides, a, b) = world.connect();
        let (carrier, given) = sides.pipe_here();
        let carrier_there = pass_pipe(&a, &b, given);
        let (kept, given) = sides.pipe_here();
        let given = pass_pipe(&carrier, &carrier_there, given);
        drop((carrier, carrier_there));
        send(&kept, "to");
        assert_eq!(recv(&given), "to");
        send(&given, "and fro");
        assert_eq!(recv(&kept), "and fro");
    }

    fn an_end_goes_by_one_pipe_and_comes_back_by_another(world: World) {
        let (sides, a, b) = world.connect();
        let (given, back) = sides.pipe_there();
        let back_here = pass_pipe(&b, &a, given);
        let (kept, given) = sides.pipe_here();
        let given = pass_pipe(&back, &back_here, pass_pipe(&a, &b, given));
        send(&kept, "here again");
        assert_eq!(recv(&given), "here again");
        drop(kept);
        assert_closed(&given);
    }

    fn a_hundred_ends_go_by_the_same_pipe(world: World) {
        let (sides, a, b) = world.connect();
        let (kept, given): (Vec<_>, Vec<_>) = (0..100).map(|_| sides.pipe_here()).unzip();
        for end in given {
            a.send(Message::from("").with(end)).unwrap();
        }
        let given: Vec<MessagePipe> = kept.iter().map(|_| recv_pipe(&b)).collect();
        for (number, (kept, given)) in kept.iter().zip(&given).enumerate() {
            send(kept, &number.to_string());
            send(given, &number.to_string());
        }
        for (number, (kept, given)) in kept.iter().zip(&given).enumerate() {
            assert_eq!((recv(kept), recv(given)), (number.to_string(), number.to_string()));
        }
    }

    fn an_end_can_bounce_fifty_times_while_it_is_written_to(world: World) {
        let (sides, a, b) = world.connect();
        let (kept, mut moving) = sides.pipe_here();
        for round in 0..50 {
            send(&kept, &format!("before {round}"));
            a.send(Message::from("").with(moving)).unwrap();
            send(&kept, &format!("while {round}"));
            b.send(b.recv().unwrap()).unwrap();
            moving = recv_pipe(&a);
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
                let next = || recv_pipe(&a);
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
            let x = recv_pipe(&b);
            let y = recv_pipe(&a);
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
            pipe = recv_pipe(&pipe);
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
            let given = recv_pipe(&b);
            assert_eq!(recv(&given), "last words");
            assert_closed(&given);
        }
    }

    fn closure_of_ends_on_their_way_is_noticed_by_waiting_watching_reading_and_writing(world: World) {
        let (sides, a, b) = world.connect();
        let (kept, given): (Vec<_>, Vec<_>) = (0..4).map(|_| sides.pipe_here()).unzip();
        a.send(given.into_iter().fold(Message::from(""), Message::with)).unwrap();
        drop(kept);
        let handles = b.recv().unwrap().take_handles().unwrap();
        let ends: Vec<MessagePipe> = handles.into_iter().map(|handle| handle.into_pipe().unwrap()).collect();
        assert!(matches!(ends[0].wait(R, None), Err(WaitError::Unsatisfiable(_))));
        let (events, happened) = channel();
        let watcher = Watcher::new(move |event| events.send(event.event).unwrap_or_default());
        watcher.watch(&ends[1], C, 0).unwrap();
        if watcher.arm(0).is_ok() {
            assert_eq!(happened.recv(), Ok(WatchEvent::Satisfied));
        }
        eventually("reading fails", || matches!(ends[2].try_recv(), Err(TryRecvError::PeerClosed)));
        eventually("writing fails", || ends[3].send(Message::from("")).is_err());
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
        for (has_sent, swaps, closes_both) in [
            (false, false, false),
            (false, true, false),
            (false, false, true),
            (true, false, false),
            (true, true, false),
            (true, true, true),
        ] {
            let (one, given) = sides.pipe_here();
            let left = pass_pipe(&a, &b, given);
            let (other, right) = sides.pipe_there();
            if has_sent {
                send(&one, "last words");
            }
            drop(one);
            let other = (!closes_both).then_some(other);
            if swaps { right.fuse(left) } else { left.fuse(right) }.unwrap();
            let Some(other) = other else { continue };
            if has_sent {
                assert_eq!(recv(&other), "last words");
            }
            assert_closed(&other);
        }
    }

    fn a_pipe_that_is_fused_onto_a_moved_one_gets_its_remote_signal(world: World) {
        let (sides, a, b) = world.connect();
        let (one, given) = sides.pipe_here();
        let other = pass_pipe(&a, &b, given);
        let (fresh, left) = sides.pipe_here();
        assert!(!fresh.signals().satisfied.contains(M));
        left.fuse(one).unwrap();
        if world.is_remote() {
            wait_for(&fresh, M);
            wait_for(&other, M);
        }
        let other = pass_pipe(&b, &a, other);
        eventually("they are together", || [&fresh, &other].iter().all(|end| !end.signals().satisfied.contains(M)));
        send(&fresh, "fresh");
        assert_eq!(recv(&other), "fresh");
    }

    fn ends_move_while_their_pipes_are_fused(world: World) {
        let (sides, a, b) = world.connect();
        for round in 0..30 {
            let ((one, left), (right, other)) = (sides.pipe_here(), sides.pipe_here());
            let text = round.to_string();
            send(&one, &text);
            send(&other, &text);
            scope(|scope| {
                scope.spawn(|| left.fuse(right).unwrap());
                a.send(Message::from("").with(one)).unwrap();
                a.send(Message::from("").with(other)).unwrap();
            });
            let (one, other) = (recv_pipe(&b), recv_pipe(&b));
            assert_eq!((recv(&one), recv(&other)), (text.clone(), text));
            drop(one);
            assert_closed(&other);
        }
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
