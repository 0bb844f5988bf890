//! A service on tokio and a thousand tasks in four processes that ask it, with things attached, for half a minute
//! (`LIBMOJO_SOAK_SECONDS` for longer): every question is answered once and rightly, and nothing is left.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::channel::{self, Bytes, Descriptor, Receiver, RecvError, Request, Sender};
use libmojo::{
    AcceptedInvitation, Consumer, DataPipeOptions, Invitation, Message, MessagePipe, Node, SharedBuffer, Waitable,
};
use serde::{Deserialize, Serialize};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use worlds::*;

const CHILDREN: usize = 4;
const TASKS: usize = 250;

/// Set for a child: its number, and for how many seconds to ask.
const CHILD: &str = "LIBMOJO_SOAK_CHILD";

#[derive(Debug, Serialize, Deserialize)]
enum Question {
    /// What is the sum of these bytes?
    Bytes(Bytes),
    /// Of those that come out of a data pipe?
    Stream(Consumer),
    /// Of those in a buffer?
    Buffer(SharedBuffer),
    /// Of those in a file?
    File(Descriptor),
    /// Of the payloads that come over this pipe, until it is closed?
    Messages(MessagePipe),
    /// Of the numbers that come over this channel?
    Values(Receiver<u8>),
    /// Nobody will wait for the answer.
    Nothing,
}

/// The sum, and the means to say so again: it has to be the same.
type Answer = (u64, Sender<u64>);

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte)).sum()
}

fn runtime(num_threads: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(num_threads).enable_all().build().unwrap()
}

// ---- the service -----------------------------------------------------------------------------------------

async fn sum_of(question: Question) -> u64 {
    match question {
        Question::Bytes(bytes) => sum(&bytes),
        Question::Stream(consumer) => {
            let mut bytes = Vec::new();
            consumer.into_async().read_to_end(&mut bytes).await.unwrap();
            sum(&bytes)
        }
        Question::Buffer(buffer) => {
            let mut bytes = vec![0; buffer.num_bytes() as usize];
            buffer.map(0, buffer.num_bytes()).unwrap().read(0, &mut bytes).unwrap();
            sum(&bytes)
        }
        Question::File(descriptor) => sum(text_of(&descriptor.into_inner().into()).as_bytes()),
        Question::Messages(pipe) => {
            let mut total = 0;
            while let Ok(message) = pipe.recv_async().await {
                total += sum(message.payload());
            }
            total
        }
        Question::Values(mut values) => {
            let mut total = 0;
            while let Ok(value) = values.recv_async().await {
                total += u64::from(value);
            }
            total
        }
        Question::Nothing => 0,
    }
}

async fn serve(mut questions: Receiver<Request<Question, Answer>>, answered: Arc<AtomicU64>) {
    loop {
        match questions.recv_async().await {
            Ok(Request { question, reply }) => {
                let answered = answered.clone();
                tokio::spawn(async move {
                    let is_for_nobody = matches!(question, Question::Nothing);
                    if is_for_nobody {
                        reply.closed().await.unwrap();
                    }
                    let sum = sum_of(question).await;
                    let (again, mut repetitions) = channel::channel();
                    if reply.send((sum, again)).is_ok() {
                        assert!(!is_for_nobody);
                        answered.fetch_add(1, Ordering::Relaxed);
                        assert_eq!(repetitions.recv_async().await.unwrap(), sum);
                    }
                });
            }
            Err(RecvError::Closed) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_thousand_tasks_in_four_processes_are_answered_without_loss_or_leak() {
    let seconds: u64 = std::env::var("LIBMOJO_SOAK_SECONDS").map_or(30, |seconds| seconds.parse().unwrap());
    let alone = alone_for(Duration::from_secs(seconds));
    let seed = seed();
    let answered = Arc::new(AtomicU64::new(0));
    let runtime = runtime(2);
    let children: Vec<_> = (0..CHILDREN)
        .map(|number| {
            let invitation = Invitation::new();
            let questions = Receiver::from(invitation.attach(b"questions").unwrap());
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "child", "--nocapture", "--include-ignored"]).stdout(Stdio::piped());
            command.env(CHILD, format!("{seconds} {}", seed.wrapping_add(number as u64)));
            let (child, _) = invitation.spawn(&mut command).unwrap();
            (child, runtime.spawn(serve(questions, answered.clone())))
        })
        .collect();
    let mut asked = 0;
    for (child, serving) in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}");
        let line = text.lines().find_map(|line| line.split_once("asked ")).expect(&text);
        asked += line.1.parse::<u64>().unwrap();
        runtime.block_on(serving).unwrap();
    }
    println!("{asked} questions in {seconds} s");
    assert!(asked > 1000);
    assert_eq!(answered.load(Ordering::Relaxed), asked);
    runtime.shutdown_timeout(Duration::from_secs(60));
    alone.assert_nothing_left(&[Node::process()]);
}

// ---- a process that asks ---------------------------------------------------------------------------------

#[test]
#[ignore = "started by the test above"]
fn child() {
    let Ok(arguments) = std::env::var(CHILD) else { return };
    let (seconds, seed) = arguments.split_once(' ').unwrap();
    let (seconds, seed): (u64, u64) = (seconds.parse().unwrap(), seed.parse().unwrap());
    let alone = alone_for(Duration::from_secs(seconds));
    let questions = Sender::from(AcceptedInvitation::inherited().unwrap().extract(b"questions").unwrap());
    let end = Instant::now() + Duration::from_secs(seconds);
    let asked = runtime(1).block_on(async {
        let tasks: Vec<_> = (0..TASKS as u64)
            .map(|task| tokio::spawn(ask_until(end, questions.clone(), seed.wrapping_mul(1000) + task)))
            .collect();
        let mut asked = 0;
        for task in tasks {
            asked += task.await.unwrap();
        }
        asked
    });
    drop(questions);
    println!("asked {asked}");
    // What is under way to and fro has arrived before the connection ends.
    let node = Node::process();
    eventually("everything that was sent is closed", || node.port_counts() == (0, 0));
    finish(alone, &[node]);
}

async fn ask_until(end: Instant, questions: Sender<Request<Question, Answer>>, seed: u64) -> u64 {
    let mut random = Random::new(seed);
    let mut asked = 0;
    while Instant::now() < end {
        let len = [0, 10, 1_000, 100_000][random.below(4)];
        let mut bytes = random.bytes(len);
        let mut writing = None;
        let question = match random.below(7) {
            0 => Question::Bytes(Bytes::copy_from(&bytes)),
            1 => {
                let (producer, consumer) = DataPipeOptions::default().create().unwrap();
                let bytes = bytes.clone();
                let write = async move { producer.into_async().write_all(&bytes).await.unwrap() };
                writing = Some(tokio::spawn(write));
                Question::Stream(consumer)
            }
            2 => {
                let buffer = SharedBuffer::create(bytes.len().max(1) as u64).unwrap();
                buffer.map(0, buffer.num_bytes()).unwrap().write(0, &bytes).unwrap();
                Question::Buffer(buffer)
            }
            3 => {
                bytes.iter_mut().for_each(|byte| *byte = *byte % 64 + 32);
                let file = file_with(std::str::from_utf8(&bytes).unwrap());
                Question::File(OwnedFd::from(file).into())
            }
            4 => {
                let (pipe, theirs) = MessagePipe::create();
                bytes.chunks(5_000).for_each(|piece| pipe.send(Message::new(piece)).unwrap());
                Question::Messages(theirs)
            }
            5 => {
                let (values, theirs) = channel::channel();
                bytes.truncate(20);
                bytes.iter().for_each(|byte| values.send(*byte).unwrap());
                Question::Values(theirs)
            }
            _ => {
                let pending = questions.request(Question::Nothing).unwrap();
                tokio::task::yield_now().await;
                drop(pending);
                continue;
            }
        };
        let (answer, again) = questions.ask(question).await.unwrap();
        assert_eq!(answer, sum(&bytes));
        again.send(answer).unwrap();
        asked += 1;
        if let Some(writing) = writing {
            writing.await.unwrap();
        }
    }
    asked
}
