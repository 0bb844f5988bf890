//! Typed channels between real processes.

use crate::worlds::children::*;
use crate::worlds::*;
use libmojo::channel::{Bytes, Descriptor, OneShotServer, Receiver, RecvError, Request, Sender, channel_on};
use libmojo::{Message, MessagePipe, Node};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// What the parent has a child do.
#[derive(Serialize, Deserialize)]
enum Job {
    Measure(Request<(Bytes, Descriptor), (usize, String)>),
    Count { to: u32, tell: Sender<u32> },
    Wait(Receiver<()>),
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_works() {
    act(|pipe| {
        // The parent sends the pipe that jobs come through.
        for job in &mut Receiver::<Job>::from(recv_pipe(pipe)) {
            match job.unwrap() {
                Job::Measure(Request { question: (bytes, file), reply }) => {
                    reply.send((bytes.len(), text_of(&file.into()))).unwrap();
                }
                Job::Count { to, tell } => (0..to).for_each(|number| tell.send(number).unwrap()),
                Job::Wait(mut until) => assert!(matches!(until.recv(), Err(RecvError::Closed))),
            }
        }
    });
}

fn employ(node: &Node) -> (Child, Sender<Job>) {
    let child = launch(node, child_works);
    let (tx, rx) = MessagePipe::create_on(node);
    child.pipe.send(Message::new(b"").with(rx)).unwrap();
    (child, tx.into())
}

#[test]
fn a_service_in_another_process_answers() {
    let alone = alone();
    let node = Node::new();
    let (child, jobs) = employ(&node);
    let (client, mut requests) = channel_on(&node);
    for len in [0, 1000, 3 << 20] {
        let pending = client.request((Bytes::from(vec![1; len]), file_with(&format!("file {len}")).into())).unwrap();
        jobs.send(Job::Measure(requests.recv().unwrap())).unwrap();
        assert_eq!(pending.recv().unwrap(), (len, format!("file {len}")));
    }
    drop((jobs, client, requests));
    child.finish();
    finish(alone, &[&node]);
}

#[test]
fn many_processes_send_to_one_receiver_until_the_last_is_done_or_dead() {
    let alone = alone();
    let node = Node::new();
    let (tx, mut rx) = channel_on(&node);
    let (wait, until) = channel_on::<()>(&node);
    let mut children: Vec<_> = (0..3).map(|_| employ(&node)).collect();
    for (_, jobs) in &children {
        jobs.send(Job::Count { to: 100, tell: tx.clone() }).unwrap();
    }
    // One more clone, which its process never sends with, as it waits and is killed.
    let (mut stuck, jobs) = employ(&node);
    jobs.send(Job::Wait(until)).unwrap();
    jobs.send(Job::Count { to: 1, tell: tx }).unwrap();
    let mut sum = 0;
    for _ in 0..300 {
        sum += rx.recv().unwrap();
    }
    assert_eq!(sum, 3 * 4950);
    stuck.kill();
    assert!(matches!(rx.recv(), Err(RecvError::Closed)));
    drop((wait, jobs, rx, stuck));
    for (child, jobs) in children.drain(..) {
        drop(jobs);
        child.finish();
    }
    finish(alone, &[&node]);
}

#[test]
fn a_request_ends_with_the_process_that_has_it() {
    let alone = alone();
    let node = Node::new();
    let (mut child, jobs) = employ(&node);
    let (wait, until) = channel_on::<()>(&node);
    jobs.send(Job::Wait(until)).unwrap();
    let (client, mut requests) = channel_on(&node);
    let pending = client.request((Bytes::default(), file_with("").into())).unwrap();
    jobs.send(Job::Measure(requests.recv().unwrap())).unwrap();
    child.kill();
    assert!(matches!(pending.recv(), Err(RecvError::Closed)));
    drop((jobs, wait, client, requests, child));
    finish(alone, &[&node]);
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child_connects_by_name() {
    act(|pipe| {
        let tx = Sender::<(u32, String)>::connect(&recv(pipe)).unwrap();
        tx.send((1, "first".into())).unwrap();
        tx.send((2, "second".into())).unwrap();
    });
}

#[test]
fn a_stranger_that_knows_the_name_sends_the_first_value() {
    let alone = alone();
    let node = Node::new();
    let child = launch(&node, child_connects_by_name);
    let (server, name) = OneShotServer::<(u32, String)>::new_on(&node).unwrap();
    send(&child.pipe, &name);
    let (mut rx, first) = server.accept(Some(Instant::now() + PATIENCE)).unwrap();
    assert_eq!(first, (1, "first".into()));
    assert_eq!(rx.recv().unwrap(), (2, "second".into()));
    assert!(matches!(rx.recv(), Err(RecvError::Closed)));
    assert_eq!(Sender::<u32>::connect(&name).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    child.finish();
    finish(alone, &[&node]);
}
