//! Many processes with many pipes, for long: all kinds of things go to and fro, some processes are killed and replaced, and
//! after each cycle everybody must have as many descriptors, threads, ports and as much memory as before.
//!
//! The first process holds one end of every pipe; the others send back what comes to theirs.
// A test: a panic is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![forbid(unsafe_code)]

use libmojo::{
    AcceptedInvitation, DataPipeOptions, Handle, Invitation, Message, MessagePipe, Node, SharedBuffer, Signals,
    Waitable, wait_many,
};
use std::fs::File;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const HELP: &str = "\
Many processes exchange all kinds of things over many pipes, for long, while some are killed and replaced. After each cycle
nobody has more descriptors, threads, ports or memory than after the first ones.

soak [--seconds N] [--processes N] [--pipes N] [--seed N]

  --seconds N    how long, about (60; an hour is 3600)
  --processes N  how many processes, besides the first (50)
  --pipes N      how many pipes between the first and all others (10000)
  --seed N       what chance begins with (another one each time)

A run of ten minutes or more has to be as fast at its end as at its beginning, or nearly so: 0.9. The exit code is 0 if
everything was in order, 2 if the command line makes no sense.
";

/// How long anything may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// Cycles after which everybody has what is kept for later use.
const WARM_UP: usize = 3;

/// How much memory may come and go: what an allocator keeps, and pools of messages.
const MEMORY_SLACK: usize = 8 << 20;

/// How many things go to and fro in a cycle, for each process.
const EXCHANGES: usize = 40;

/// From how long a run its speed counts.
const LONG: u64 = 600;

#[derive(Clone, Copy)]
struct Options {
    seconds: u64,
    processes: usize,
    pipes: usize,
    seed: u64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == ["echo"] {
        return echo();
    }
    match parse(&arguments) {
        Ok(Some(options)) => {
            let Options { seconds, processes, pipes, seed } = options;
            let command = "cargo run --release -p storm --bin soak --";
            println!("{command} --seconds {seconds} --processes {processes} --pipes {pipes} --seed {seed}");
            soak(options);
            ExitCode::SUCCESS
        }
        Ok(None) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprint!("{text}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn parse(arguments: &[String]) -> Result<Option<Options>, String> {
    let mut options = Options { seconds: 60, processes: 50, pipes: 10_000, seed: fastrand::u64(..1 << 32) };
    let mut arguments = arguments.iter();
    while let Some(name) = arguments.next() {
        let mut value = || -> Result<u64, String> {
            let text = arguments.next().ok_or(format!("{name} needs a value"))?;
            text.parse().map_err(|_| format!("{text} is not a number that can be used here"))
        };
        match name.as_str() {
            "--help" | "-h" => return Ok(None),
            "--seconds" => options.seconds = value()?,
            "--processes" => options.processes = value()? as usize,
            "--pipes" => options.pipes = value()? as usize,
            "--seed" => options.seed = value()?,
            _ => return Err(format!("there is no option {name}")),
        }
    }
    if options.processes == 0 || options.pipes < options.processes {
        return Err("it takes a process, and a pipe for each".into());
    }
    Ok(Some(options))
}

// ---- what somebody has -----------------------------------------------------------------------------------

/// What a process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holdings {
    descriptors: usize,
    threads: usize,
    ports: usize,
    resident_bytes: usize,
}

impl Holdings {
    fn now() -> Self {
        let count = |path| std::fs::read_dir(path).unwrap().count();
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
        Self {
            descriptors: count("/proc/self/fd"),
            threads: count("/proc/self/task"),
            ports: Node::process().port_counts().0,
            resident_bytes: pages * 4096,
        }
    }

    fn encode(self) -> String {
        format!("{} {} {} {}", self.descriptors, self.threads, self.ports, self.resident_bytes)
    }

    fn decode(text: &str) -> Self {
        let mut numbers = text.split(' ').map(|number| number.parse().unwrap());
        let mut next = || numbers.next().unwrap();
        Self { descriptors: next(), threads: next(), ports: next(), resident_bytes: next() }
    }

    /// True if this is no more than it was before.
    fn is_flat(self, before: Self) -> bool {
        (self.descriptors, self.threads, self.ports) == (before.descriptors, before.threads, before.ports)
            && self.resident_bytes <= before.resident_bytes + MEMORY_SLACK
    }
}

// ---- the others ------------------------------------------------------------------------------------------

/// Sends back whatever comes; a message that says `holdings` is answered with what this process has.
fn echo() -> ExitCode {
    let orders = AcceptedInvitation::inherited().unwrap().extract(b"orders").unwrap();
    let mut pipes = vec![orders];
    loop {
        let objects: Vec<_> = pipes.iter().map(|pipe| (pipe as &dyn Waitable, Signals::READABLE)).collect();
        if wait_many(&objects, None).is_err() {
            return ExitCode::SUCCESS;
        }
        let mut arrived = Vec::new();
        for (at, pipe) in pipes.iter().enumerate() {
            while let Ok(mut message) = pipe.try_recv() {
                let mut handles = message.take_handles().unwrap();
                match message.payload() {
                    b"pipes" if at == 0 => arrived.extend(handles.drain(..).map(|handle| handle.into_pipe().unwrap())),
                    b"holdings" if at == 0 => {
                        pipe.send(Message::from(Holdings::now().encode().as_str())).unwrap();
                    }
                    payload => {
                        let answer = handles.into_iter().fold(Message::new(payload), Message::with);
                        let _ = pipe.send(answer);
                    }
                }
            }
        }
        pipes.extend(arrived);
    }
}

/// Another process, as the first one sees it.
struct Peer {
    process: Child,
    orders: MessagePipe,
    pipes: Vec<MessagePipe>,
    /// What it had when it was warm; how many cycles it has seen.
    before: Option<Holdings>,
    age: usize,
}

impl Peer {
    fn start(num_pipes: usize) -> Self {
        let invitation = Invitation::new();
        let orders = invitation.attach(b"orders").unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("echo").stdin(Stdio::null());
        let (process, _connection) = invitation.spawn(&mut command).unwrap();
        let mut pipes = Vec::with_capacity(num_pipes);
        let mut message = Message::from("pipes");
        for _ in 0..num_pipes {
            let (here, there) = MessagePipe::create();
            message.attach(there).unwrap();
            pipes.push(here);
        }
        orders.send(message).unwrap();
        let peer = Self { process, orders, pipes, before: None, age: 0 };
        // Once it answers on all of them everything has arrived.
        peer.pipes.iter().for_each(|pipe| pipe.send(Message::from("there?")).unwrap());
        peer.pipes.iter().for_each(|pipe| assert_eq!(receive(pipe).payload(), b"there?"));
        peer
    }

    fn holdings(&self) -> Holdings {
        self.orders.send(Message::from("holdings")).unwrap();
        Holdings::decode(std::str::from_utf8(receive(&self.orders).payload()).unwrap())
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn receive(pipe: &MessagePipe) -> Message {
    pipe.recv_timeout(PATIENCE).expect("an answer in time")
}

// ---- the exchange ----------------------------------------------------------------------------------------

/// Something of a random kind, with a number in it.
fn thing(number: u64, random: &mut fastrand::Rng) -> Option<Handle> {
    let bytes = number.to_le_bytes();
    match random.u8(..5) {
        0 => {
            let (near, far) = MessagePipe::create();
            near.send(Message::new(&bytes)).unwrap();
            Some(far.into())
        }
        1 => {
            let (producer, consumer) = DataPipeOptions::default().create().unwrap();
            producer.try_write_all(&bytes).unwrap();
            Some(consumer.into())
        }
        2 => {
            let buffer = SharedBuffer::create(4096).unwrap();
            buffer.map(0, 8).unwrap().write(0, &bytes).unwrap();
            Some(buffer.into())
        }
        3 => Some(Handle::Descriptor(Some(File::open("/dev/null").unwrap().into()))),
        _ => None,
    }
}

/// Looks whether a thing is what it was.
fn check(number: u64, handle: Handle) {
    let mut bytes = [0; 8];
    match handle {
        Handle::Pipe(pipe) => bytes.copy_from_slice(receive(&pipe).payload()),
        Handle::Consumer(consumer) => assert_eq!(consumer.try_read(&mut bytes).unwrap(), 8),
        Handle::Buffer(buffer) => buffer.map(0, 8).unwrap().read(0, &mut bytes).unwrap(),
        _ => bytes = number.to_le_bytes(),
    }
    assert_eq!(u64::from_le_bytes(bytes), number, "what has come back is something else");
}

/// Sends things over random pipes to everybody, and has all of them back.
fn exchange(peers: &[Peer], random: &mut fastrand::Rng) -> usize {
    let mut expected = Vec::new();
    for peer in peers {
        for _ in 0..EXCHANGES {
            let (pipe, number) = (&peer.pipes[random.usize(..peer.pipes.len())], random.u64(..));
            let payload = number.to_le_bytes().repeat(random.usize(1..100));
            let message = Message::new(&payload);
            let message = match thing(number, random) {
                Some(thing) => message.with(thing),
                None => message,
            };
            pipe.send(message).unwrap();
            expected.push((pipe, number, payload));
        }
    }
    let num_exchanged = expected.len();
    for (pipe, number, payload) in expected {
        let mut message = receive(pipe);
        assert_eq!(message.payload(), payload);
        message.take_handles().unwrap().into_iter().for_each(|handle| check(number, handle));
    }
    num_exchanged
}

fn soak(options: Options) {
    let mut random = fastrand::Rng::with_seed(options.seed);
    let share = options.pipes / options.processes;
    let mut peers: Vec<Peer> = (0..options.processes).map(|_| Peer::start(share)).collect();
    println!("{} processes, {} pipes", peers.len(), peers.iter().map(|peer| peer.pipes.len()).sum::<usize>());
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let (mut before, mut killed, mut exchanged, mut speeds) = (None, 0, 0, Vec::new());
    for cycle in 0.. {
        if cycle > WARM_UP + 2 && Instant::now() >= end {
            break;
        }
        let began = Instant::now();
        // Long enough to be measured.
        let mut num_exchanged = 0;
        while began.elapsed() < Duration::from_millis(500) {
            num_exchanged += exchange(&peers, &mut random);
        }
        speeds.push(num_exchanged as f64 / began.elapsed().as_secs_f64());
        exchanged += num_exchanged;
        for peer in &mut peers {
            check_peer(cycle, peer);
        }
        for _ in 0..random.usize(..3) {
            let at = random.usize(..peers.len());
            // In the middle of something.
            peers[at].pipes.iter().take(50).for_each(|pipe| pipe.send(Message::new(&[1; 5000])).unwrap());
            peers[at].kill();
            peers[at] = Peer::start(share);
            killed += 1;
        }
        let holdings = at_rest(before);
        if cycle == WARM_UP {
            before = Some(holdings);
        }
        if cycle % 10 == 0 {
            println!(
                "cycle {cycle}: {killed} killed, {exchanged} exchanged, {:.0} a second, {holdings:?}",
                speeds[cycle]
            );
        }
    }
    let mean = |speeds: &[f64]| speeds.iter().sum::<f64>() / speeds.len() as f64;
    let warm = &speeds[WARM_UP..];
    let part = (warm.len() / 4).max(1);
    let (first, last) = (mean(&warm[..part]), mean(&warm[warm.len() - part..]));
    println!(
        "{} cycles, {killed} killed, {exchanged} exchanged; at first {first:.0} a second, at last {last:.0}",
        speeds.len()
    );
    assert!(options.seconds < LONG || last >= 0.9 * first, "slower at the end");
    peers.iter_mut().for_each(Peer::kill);
    drop(peers);
    let deadline = Instant::now() + PATIENCE;
    while Node::process().port_counts() != (0, 0) || Node::process().has_links() {
        assert!(Instant::now() < deadline, "left: {}", Node::process().snapshot());
        std::thread::yield_now();
    }
}

/// Another process has what it had when it was warm.
fn check_peer(cycle: usize, peer: &mut Peer) {
    peer.age += 1;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = peer.holdings();
        match peer.before {
            Some(before) if !now.is_flat(before) => {
                assert!(Instant::now() < deadline, "cycle {cycle}, another process: {now:?}, at first {before:?}");
            }
            Some(_) => return,
            None => {
                // Closed things may still be on their way out, so the least of it counts.
                if peer.age > WARM_UP && now.ports == peer.pipes.len() + 1 {
                    peer.before = Some(now);
                }
                return;
            }
        }
        std::thread::yield_now();
    }
}

/// What this process has when everything has come to rest.
fn at_rest(before: Option<Holdings>) -> Holdings {
    let deadline = Instant::now() + PATIENCE;
    let (mut last, mut same) = (Holdings::now(), 0);
    loop {
        let now = Holdings::now();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        match before {
            Some(before) if now.is_flat(before) => return now,
            None if same > 50 => return now,
            _ => assert!(Instant::now() < deadline, "{now:?}, at first {before:?}"),
        }
        std::thread::yield_now();
    }
}
