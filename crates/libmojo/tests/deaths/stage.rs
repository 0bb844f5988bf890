//! Rounds, what must be the same after each, and how processes come to their end.

use crate::worlds::*;
use libmojo::{AcceptedInvitation, Handle, Invitation, Message, MessagePipe, Node, RecvError, SharedBuffer, Signals};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Signal, getpid, kill_process};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Ends this process at once.
pub fn die() -> ! {
    kill_process(getpid(), Signal::KILL).unwrap();
    unreachable!("killed")
}

// ---- rounds ----------------------------------------------------------------------------------------------

/// What is there in all rounds of a test: a node, and a process that has nothing to do with any other one.
pub struct Stage {
    pub node: Node,
    bystander: Actor,
}

/// What the process and the node have, apart from what they had in the beginning.
#[derive(Debug)]
struct Holdings {
    descriptors: usize,
    /// Those of the library. Others come and go with the tests that run.
    threads: usize,
    mappings: usize,
    ports: (usize, usize),
}

impl Holdings {
    /// There may be fewer: the C library opens a file for a moment when it deals with many threads the first time.
    fn exceed(&self, before: &Self) -> bool {
        self.descriptors > before.descriptors
            || self.threads > before.threads
            || self.mappings > before.mappings
            || self.ports != before.ports
    }
}

fn library_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("libmojo")).count()
}

impl Stage {
    /// Runs a body often, each time with other random numbers. Each time nothing may be left, and whoever has nothing to
    /// do with it must be as before.
    pub fn rounds(count: u64, body: impl Fn(&Stage, &mut Random)) {
        let seed = seed();
        let times = std::env::var("LIBMOJO_TEST_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
        let stage = {
            let _alone = alone();
            let node = Node::new();
            let bystander = Actor::start(&node, child_repeats, 0);
            assert_eq!(recv(&bystander.pipe), "hello");
            Stage { node, bystander }
        };
        for round in 0..count * times {
            let _alone = alone();
            let _note = Note::on(format!("LIBMOJO_TEST_SEED={seed} round {round}"));
            let before = stage.holdings();
            body(&stage, &mut Random::new(seed.wrapping_add(round)));
            stage.bystander.assert_repeats("still there");
            let deadline = Instant::now() + PATIENCE / 2;
            while stage.holdings().exceed(&before) {
                assert!(Instant::now() < deadline, "at first {before:?}, now {:?}", stage.holdings());
                std::thread::yield_now();
            }
        }
        let _alone = alone();
        let Stage { node, bystander } = stage;
        drop(bystander);
        eventually("the node has nothing left", || node.port_counts() == (0, 0) && !node.has_links());
    }

    fn holdings(&self) -> Holdings {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        Holdings {
            descriptors: libmojo_platform::open_descriptor_count(),
            // While threads come and go the system may leave some out.
            threads: (0..8).map(|_| library_threads()).max().unwrap(),
            mappings: maps.matches("memfd:libmojo").count(),
            ports: self.node.port_counts(),
        }
    }
}

/// Prints what a failure is to be repeated with, also when the round hangs or panics.
struct Note {
    text: String,
    _alive: std::sync::mpsc::Sender<()>,
}

impl Note {
    fn on(text: String) -> Self {
        let (alive, ended) = channel::<()>();
        let copy = text.clone();
        std::thread::spawn(move || {
            // Before the watchdog of the test ends it.
            if ended.recv_timeout(PATIENCE - Duration::from_secs(2)) == Err(RecvTimeoutError::Timeout) {
                let _ = writeln!(std::io::stderr(), "{copy} hangs");
            }
        });
        Self { text, _alive: alive }
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "{} failed", self.text);
        }
    }
}

// ---- processes -------------------------------------------------------------------------------------------

/// A child process that was started with an invitation, and its first pipe.
pub struct Actor {
    pub process: Child,
    pub pipe: MessagePipe,
}

/// The environment variable that tells a child after how many steps it is to die; 0 for never.
const STEPS: &str = "LIBMOJO_TEST_STEPS";

impl Actor {
    /// Starts a process that has the role, and dies by itself after so many steps unless that is 0.
    pub fn start<F: Fn()>(node: &Node, role: F, steps: usize) -> Self {
        let invitation = Invitation::new_on(node);
        let pipe = invitation.attach(b"parent").unwrap();
        Self::invite(invitation, pipe, role, steps)
    }

    pub fn invite<F: Fn()>(invitation: Invitation, pipe: MessagePipe, role: F, steps: usize) -> Self {
        let (process, _) = invitation.spawn(&mut command(role, steps)).unwrap();
        Self { process, pipe }
    }

    pub fn assert_repeats(&self, text: &str) {
        send(&self.pipe, text);
        assert_eq!(recv(&self.pipe), text);
    }
}

/// What starts a process that has the role.
pub fn command<F: Fn()>(_role: F, steps: usize) -> Command {
    // The name of the function is that of the test, behind the name of the binary.
    let (_, test) = std::any::type_name::<F>().split_once("::").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", test, "--nocapture"]).env(STEPS, steps.to_string());
    command.stdout(Stdio::null()).stdin(Stdio::null());
    command
}

impl Drop for Actor {
    fn drop(&mut self) {
        kill(&mut self.process);
    }
}

pub fn kill(process: &mut Child) {
    // Both fail only if it has ended by itself and was waited for.
    let _ = process.kill();
    let _ = process.wait();
}

/// Runs the body, while the process is killed after a time that chance decides.
pub fn kill_during<R>(process: &mut Child, random: &mut Random, at_most: Duration, body: impl FnOnce() -> R) -> R {
    let time = Duration::from_nanos(random.next() % (at_most.as_nanos() as u64 + 1));
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A moment is chosen, nothing is waited for. A sleep would be too coarse.
            let end = Instant::now() + time;
            while Instant::now() < end {
                std::thread::yield_now();
            }
            kill(process);
        });
        body()
    })
}

/// A child's count of its steps.
pub struct Steps(usize);

impl Steps {
    /// Dies if this was the last one.
    pub fn step(&mut self) {
        self.0 = self.0.wrapping_sub(1);
        if self.0 == 0 {
            die();
        }
    }
}

/// Plays a role in a process that was started by [`Actor::start`], which counts its steps from before it has accepted.
pub fn act(role: impl FnOnce(AcceptedInvitation, Steps)) {
    let _watchdog = watchdog();
    act_for_long(role);
}

/// The same in a process that lasts longer than a round. It is ended with whoever has started it.
fn act_for_long(role: impl FnOnce(AcceptedInvitation, Steps)) {
    let Some(steps) = std::env::var(STEPS).ok() else { return };
    let mut steps = Steps(steps.parse().unwrap());
    steps.step();
    // A test that is run by itself, with the variable set by chance, has no invitation.
    let Ok(accepted) = AcceptedInvitation::inherited() else { return };
    steps.step();
    role(accepted, steps);
}

/// Sends back what it gets, handles included, after a greeting. Every message that comes or goes is a step.
#[test]
#[ignore = "run by other tests, in a process of its own"]
pub fn child_repeats() {
    act_for_long(|accepted, mut steps| {
        let pipe = accepted.extract(b"parent").unwrap();
        steps.step();
        pipe.send(Message::from("hello")).unwrap();
        steps.step();
        while let Ok(message) = pipe.recv() {
            steps.step();
            pipe.send(message).unwrap();
            steps.step();
        }
    });
}

// ---- things that tell when they are closed ---------------------------------------------------------------

/// The other ends of things that were given away.
#[derive(Default)]
pub struct Witnesses {
    pipes: Vec<MessagePipe>,
    producers: Vec<libmojo::Producer>,
    consumers: Vec<libmojo::Consumer>,
    readers: Vec<std::io::PipeReader>,
}

impl Witnesses {
    /// Attaches something of any kind to a message, and keeps what tells of its end.
    pub fn attach(&mut self, node: &Node, message: &mut Message, random: &mut Random) {
        let handle: Handle = match random.below(5) {
            0 => {
                let (kept, given) = MessagePipe::create_on(node);
                // Some carry something inside.
                if random.below(2) == 0 {
                    let (inner, inside) = MessagePipe::create_on(node);
                    kept.send(Message::from("inside").with(inside)).unwrap();
                    self.pipes.push(inner);
                }
                self.pipes.push(kept);
                given.into()
            }
            1 => {
                let (producer, consumer) = data_pipe_on(node, 1, 100);
                producer.try_write_all(b"unread").unwrap();
                self.producers.push(producer);
                consumer.into()
            }
            2 => {
                let (producer, consumer) = data_pipe_on(node, 1, 100);
                producer.try_write_all(b"left").unwrap();
                self.consumers.push(consumer);
                producer.into()
            }
            3 => SharedBuffer::create(1000).unwrap().into(),
            _ => {
                let (reader, writer) = std::io::pipe().unwrap();
                self.readers.push(reader);
                OwnedFd::from(writer).into()
            }
        };
        message.attach(handle).unwrap();
    }

    /// Waits until everything that was given away is closed.
    pub fn assert_all_closed(self) {
        let Witnesses { pipes, producers, consumers, readers } = self;
        for pipe in &pipes {
            wait_for(pipe, Signals::PEER_CLOSED);
        }
        for producer in &producers {
            wait_for(producer, Signals::PEER_CLOSED);
        }
        for mut consumer in consumers {
            let mut text = String::new();
            consumer.read_to_string(&mut text).unwrap();
            assert_eq!(text, "left");
        }
        for mut reader in readers {
            assert_eq!(reader.read(&mut [0; 1]).unwrap(), 0);
        }
    }
}

/// A file that has no name, at no moment: whoever makes it may be killed.
pub fn file_in_memory(text: &str) -> std::fs::File {
    let mut file = std::fs::File::from(memfd_create("test", MemfdFlags::CLOEXEC).unwrap());
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// What a process writes into this is read when it has closed it, or is dead.
pub struct Verdict(std::io::PipeReader);

impl Verdict {
    pub fn new() -> (Self, OwnedFd) {
        let (reader, writer) = std::io::pipe().unwrap();
        (Self(reader), writer.into())
    }

    /// Waits for it; empty if there was none.
    pub fn read(mut self) -> String {
        let mut text = String::new();
        self.0.read_to_string(&mut text).unwrap();
        text
    }
}

// ---- numbers ---------------------------------------------------------------------------------------------

/// Receives numbers, which must follow each other, up to a count, and does something with each. Returns how many came
/// before the closure.
pub fn recv_numbers_and(pipe: &MessagePipe, count: usize, mut then: impl FnMut(usize)) -> usize {
    for expected in 0..count {
        match pipe.recv() {
            Ok(message) => assert_eq!(message.payload(), expected.to_string().as_bytes()),
            Err(RecvError::PeerClosed) => return expected,
            Err(error) => panic!("{error}"),
        }
        then(expected);
    }
    count
}

pub fn recv_numbers(pipe: &MessagePipe, count: usize) -> usize {
    recv_numbers_and(pipe, count, |_| {})
}

/// Sends a number; false if the peer is gone.
pub fn send_number(pipe: &MessagePipe, number: usize) -> bool {
    pipe.send(Message::from(number.to_string().as_str())).is_ok()
}
