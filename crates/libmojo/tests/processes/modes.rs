//! What works in every way to connect a parent and its child.

use crate::roles::*;
use crate::worlds::children::*;
use crate::worlds::*;
use libmojo::{Message, MessagePipe, Node, ProcessError, SendOptions, Signals, SignalsState, Waitable};
use std::io::Read;
use std::sync::{Arc, Mutex, mpsc};

in_modes! {
    fn a_child_answers_until_that_is_enough(mode: Mode) {
        let alone = alone();
        let node = Node::new();
        let mut child = mode.launch(&node, child_doubles);
        for number in 0..123 {
            send(&child.pipe, &number.to_string());
            assert_eq!(recv(&child.pipe), number.to_string().repeat(2));
        }
        send(&child.pipe, "enough");
        assert_eq!(child.wait().code(), Some(23));
        drop(child);
        alone.assert_nothing_left(&[&node]);
    }

    fn the_process_at_the_other_side_is_shown_where_the_system_knows_it(mode: Mode) {
        let alone = alone();
        let node = Node::new();
        let child = mode.launch(&node, child_doubles);
        let links = node.snapshot().links;
        assert_eq!(links.len(), 1);
        // Of a pair of sockets it knows only who has made it, which was this process.
        let known = matches!(mode, Mode::NamedChild | Mode::NamedPeer).then(|| child.process.id());
        assert_eq!(links[0].process_id, known);
        send(&child.pipe, "enough");
        drop(child);
        alone.assert_nothing_left(&[&node]);
    }

    fn messages_queue_up_and_are_answered_in_order_and_then_comes_the_closure(mode: Mode) {
        let alone = alone();
        let node = Node::new();
        let child = mode.launch(&node, child_doubles);
        (0..1001).for_each(|length| send(&child.pipe, &"x".repeat(length)));
        send(&child.pipe, "enough");
        (0..1001).for_each(|length| assert_eq!(recv(&child.pipe), "x".repeat(2 * length)));
        assert_closed(&child.pipe);
        let closed = Signals::PEER_CLOSED;
        assert_eq!(child.pipe.signals(), SignalsState { satisfied: closed, satisfiable: closed | Signals::QUOTA_EXCEEDED });
        drop(child);
        alone.assert_nothing_left(&[&node]);
    }

    fn either_end_of_a_pipe_can_be_given_away_with_an_unread_message(mode: Mode) {
        let alone = alone();
        let node = Node::new();
        let child = mode.launch(&node, child_uses);
        for gives_first in [false, true] {
            let (a, b) = MessagePipe::create_on(&node);
            let (kept, given) = if gives_first { (b, a) } else { (a, b) };
            send(&kept, "queued");
            child.pipe.send(Message::from("").with(given)).unwrap();
            assert_eq!(recv(&child.pipe), "pipe queued; ");
            assert_eq!(recv(&kept), "from the child");
            assert_closed(&kept);
        }
        child.finish();
        alone.assert_nothing_left(&[&node]);
    }

    fn large_messages_go_both_ways(mode: Mode) {
        let alone = alone();
        let node = Node::new();
        let child = mode.launch(&node, child_returns_unopened);
        let bytes = Random::new(1).bytes(10_000_000);
        child.pipe.send(Message::new(&bytes)).unwrap();
        assert!(child.pipe.recv().unwrap().payload() == bytes);
        child.finish();
        let child = mode.launch(&node, child_answers_on_pipes);
        let (kept, given) = MessagePipe::create_on(&node);
        child.pipe.send(Message::from("").with(given)).unwrap();
        send(&kept, &"y".repeat(10_000_000));
        assert!(recv(&kept) == "y".repeat(20_000_000));
        drop(kept);
        child.finish();
        alone.assert_nothing_left(&[&node]);
    }

    fn one_thread_serves_many_pipes(mode: Mode) {
        let alone = alone();
        let node = Node::new();
        let child = mode.launch(&node, child_answers_wherever_it_is_asked);
        let ask = |pipe: &MessagePipe, text: &str| {
            send(pipe, text);
            assert_eq!(recv(pipe), text.repeat(2));
        };
        let open = |over: &MessagePipe| {
            let (kept, given) = MessagePipe::create_on(&node);
            over.send(Message::from("one more").with(given)).unwrap();
            assert_eq!(recv(over), "one moreone more");
            kept
        };
        let factory = open(&child.pipe);
        let mut pipes: Vec<MessagePipe> = (0..10).map(|_| open(&factory)).collect();
        for _ in 0..10 {
            pipes.iter().for_each(|pipe| ask(pipe, "one of many"));
            pipes.iter().for_each(|pipe| send(pipe, "all at once"));
            pipes.iter().for_each(|pipe| assert_eq!(recv(pipe), "all at onceall at once"));
            ask(&factory, "the factory");
            ask(&child.pipe, "the first");
            drop(pipes.remove(0));
        }
        drop(factory);
        ask(&child.pipe, "the first");
        child.finish();
        alone.assert_nothing_left(&[&node]);
    }

    fn two_children_are_served_at_once(mode: Mode) {
        let alone = alone();
        let node = Node::new();
        let children = [mode.launch(&node, child_doubles), mode.launch(&node, child_doubles)];
        for number in 0..100 {
            children.iter().for_each(|child| send(&child.pipe, &number.to_string()));
        }
        for number in 0..100 {
            children.iter().for_each(|child| assert_eq!(recv(&child.pipe), number.to_string().repeat(2)));
        }
        for mut child in children {
            // Also after the other one has ended.
            send(&child.pipe, "still there");
            assert_eq!(recv(&child.pipe), "still therestill there");
            send(&child.pipe, "enough");
            assert_eq!(child.wait().code(), Some(1));
        }
        alone.assert_nothing_left(&[&node]);
    }

    fn both_ends_bounce_fifty_times(mode: Mode) {
        let alone = alone();
        let node = Node::new();
        let child = mode.launch(&node, child_takes_out_and_returns);
        let (mut a, mut b) = MessagePipe::create_on(&node);
        for _ in 0..50 {
            child.pipe.send(Message::from("").with(a).with(b)).unwrap();
            let mut handles = child.pipe.recv().unwrap().take_handles().unwrap();
            b = handles.remove(1).into_pipe().unwrap();
            a = handles.remove(0).into_pipe().unwrap();
        }
        send(&a, "bye");
        drop(a);
        assert_eq!(recv(&b), "bye");
        assert_closed(&b);
        drop(b);
        child.finish();
        alone.assert_nothing_left(&[&node]);
    }

    fn a_child_notices_that_the_peer_of_what_it_gets_is_closed(mode: Mode) {
        let alone = alone();
        let node = Node::new();
        let child = mode.launch(&node, child_reads_to_the_end);
        for _ in 0..20 {
            let (kept, given) = MessagePipe::create_on(&node);
            child.pipe.send(Message::from("").with(given)).unwrap();
            drop(kept);
            assert_eq!(recv(&child.pipe), "closed; ");
        }
        child.finish();
        alone.assert_nothing_left(&[&node]);
    }

    fn what_a_child_gives_away_works_although_it_used_the_other_end_before_or_does_so_later(mode: Mode) {
        let alone = alone();
        let node = Node::new();
        let child = mode.launch(&node, child_gives_away_ends);
        let mut handles = child.pipe.recv().unwrap().take_handles().unwrap();
        let mut consumer = handles.remove(1).into_consumer().unwrap();
        let pipe = handles.remove(0).into_pipe().unwrap();
        assert_eq!((recv(&pipe), recv(&pipe)), ("first".into(), "second".into()));
        assert_closed(&pipe);
        let mut text = String::new();
        consumer.read_to_string(&mut text).unwrap();
        assert_eq!(text, "written afterwards");
        drop((pipe, consumer));
        child.finish();
        alone.assert_nothing_left(&[&node]);
    }

    fn the_handler_of_each_child_hears_of_its_bad_messages_and_of_its_end(mode: Mode) {
        let alone = alone();
        let node = Node::new();
        let launch = |number: usize| {
            let (events, happened) = mpsc::channel();
            let events = Mutex::new(events);
            let handler = Arc::new(move |error: &ProcessError| events.lock().unwrap().send(error.clone()).unwrap());
            let options = SendOptions { handler: Some(handler), ..SendOptions::default() };
            let child = mode.launch_with(&node, child_returns_unopened, options);
            send(&child.pipe, "is this bad?");
            child.pipe.recv().unwrap().report_bad(&format!("text {number}"));
            (child, happened)
        };
        let children = [launch(0), launch(1)];
        for (number, (child, happened)) in children.into_iter().enumerate() {
            let message = format!("Received bad user message: text {number}");
            assert_eq!(happened.recv(), Ok(ProcessError { message, disconnected: false }));
            child.finish();
            assert_eq!(happened.recv(), Ok(ProcessError { message: String::new(), disconnected: true }));
            // Nobody is left to say more.
            assert!(happened.recv().is_err());
        }
        alone.assert_nothing_left(&[&node]);
    }

    fn closing_the_connection_closes_its_pipes_on_both_sides(mode: Mode) {
        let alone = alone();
        let node = Node::new();
        for has_talked in [false, true] {
            let mut child = mode.launch(&node, child_answers_on_pipes);
            let (kept, given) = MessagePipe::create_on(&node);
            child.pipe.send(Message::from("").with(given)).unwrap();
            if has_talked {
                send(&kept, "talk");
                assert_eq!(recv(&kept), "talktalk");
            }
            child.connection.close();
            assert_closed(&kept);
            assert_closed(&child.pipe);
            // It ends only when it has seen both closures.
            assert!(child.wait().success());
            assert!(!child.connection.is_open());
        }
        alone.assert_nothing_left(&[&node]);
    }
}
