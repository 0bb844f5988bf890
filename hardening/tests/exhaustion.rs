//! Descriptors or addresses run out in the middle of every operation, after each number of them that were still to be had:
//! the operation answers with an error or works, nothing is left of it, connections to others stay, and it works when there
//! is room again. Each test has a process of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use libmojo::{
    AcceptedInvitation, DataPipeOptions, Handle, Invitation, Message, MessagePipe, Node, Server, SharedBuffer, Signals,
    TakeError, Waitable, connect, socket_pair,
};
use libmojo_platform::open_descriptor_count;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// After this time a test is considered to hang.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a test in a process of its own, which is ended if it hangs.
fn in_a_child(test: &str, body: impl FnOnce()) {
    const VARIABLE: &str = "LIBMOJO_TEST_OF_EXHAUSTION";
    if std::env::var(VARIABLE).is_ok_and(|name| name == test) {
        return body();
    }
    let program = std::env::current_exe().unwrap();
    let arguments = ["--exact", test, "--nocapture"];
    let mut child = std::process::Command::new(program).args(arguments).env(VARIABLE, test).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return assert!(status.success());
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("{test} hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE / 4;
    while !condition() {
        assert!(Instant::now() < deadline, "never happens: {what}");
        std::thread::yield_now();
    }
}

// ---- what is at hand -------------------------------------------------------------------------------------

/// Two nodes with a pipe between them.
struct Pair {
    here: Node,
    there: Node,
    a: MessagePipe,
    b: MessagePipe,
}

impl Pair {
    fn new() -> Self {
        let (here, there) = (Node::new(), Node::new());
        let invitation = Invitation::new_on(&here);
        let a = invitation.attach(b"pipe").unwrap();
        let (ours, theirs) = socket_pair().unwrap();
        invitation.send(ours).unwrap();
        let b = AcceptedInvitation::accept_on(&there, theirs).unwrap().extract(b"pipe").unwrap();
        let pair = Self { here, there, a, b };
        // Until everything that comes of a new connection has come.
        (0..10).for_each(|_| pair.assert_connected());
        pair
    }

    fn assert_connected(&self) {
        for (from, to) in [(&self.a, &self.b), (&self.b, &self.a)] {
            from.send(Message::from("still there?")).unwrap();
            assert_eq!(to.recv().unwrap().payload(), b"still there?");
        }
    }

    /// Nothing is left of what was there since `before`.
    fn assert_nothing_more_than(&self, before: Holdings, what: &str) {
        let deadline = Instant::now() + PATIENCE / 4;
        while holdings(self) != before {
            let (here, there) = (self.here.snapshot(), self.there.snapshot());
            assert!(
                Instant::now() < deadline,
                "left of {what}: {:?} instead of {before:?}\n{here}\n{there}",
                holdings(self)
            );
            std::thread::yield_now();
        }
    }

    /// Moves things to the other node. `None` if they have got lost on the way, or were not to be had.
    fn pass(&self, handles: Vec<Handle>) -> Option<Vec<Handle>> {
        let num_handles = handles.len();
        let message = handles.into_iter().fold(Message::from("things"), Message::with);
        self.a.send(message).unwrap();
        let mut message = self.b.recv().unwrap();
        assert_eq!(message.payload(), b"things");
        match message.take_handles() {
            Ok(handles) => {
                assert_eq!(handles.len(), num_handles);
                Some(handles)
            }
            Err(error) => {
                assert_eq!(error, TakeError::Lost);
                None
            }
        }
    }
}

/// Something that a program does. Says whether it worked.
type Operation = fn(&Pair) -> bool;

const OPERATIONS: [(&str, Operation); 11] = [
    ("a pipe", |pair| {
        let (c, d) = MessagePipe::create_on(&pair.here);
        c.send(Message::from("x")).unwrap();
        pair.pass(vec![d.into()]).is_some()
    }),
    ("a data pipe", |pair| {
        let made = DataPipeOptions { element_num_bytes: 1, capacity_num_bytes: LARGE }.create_on(&pair.here);
        let Ok((producer, consumer)) = made else { return false };
        let Some(mut passed) = pair.pass(vec![consumer.into()]) else { return false };
        let consumer = passed.remove(0).into_consumer().unwrap();
        producer.try_write_all(b"bytes").unwrap();
        consumer.wait(Signals::READABLE, None).unwrap();
        consumer.try_read(&mut [0; 5]).unwrap() == 5
    }),
    ("a buffer", |pair| {
        let Ok(buffer) = SharedBuffer::create(LARGE.into()) else { return false };
        let (Ok(other), Ok(read_only)) = (buffer.duplicate(), buffer.duplicate_read_only()) else { return false };
        let Some(passed) = pair.pass(vec![other.into(), read_only.into()]) else { return false };
        let maps = |handle: Handle| {
            let buffer = handle.into_buffer().unwrap();
            buffer.map(0, LARGE.into()).is_ok()
        };
        let passed: Vec<bool> = passed.into_iter().map(maps).collect();
        passed == [true; 2]
    }),
    ("a descriptor", |pair| {
        let Ok(file) = File::open("/dev/null") else { return false };
        pair.pass(vec![OwnedFd::from(file).into()]).is_some()
    }),
    ("many descriptors", |pair| {
        let files: Result<Vec<Handle>, _> =
            (0..6).map(|_| File::open("/dev/null").map(|file| Handle::Descriptor(Some(file.into())))).collect();
        let Ok(files) = files else { return false };
        pair.pass(files).is_some()
    }),
    ("a connection", |pair| {
        let node = Node::new();
        let Ok((ours, theirs)) = socket_pair() else { return false };
        let invitation = Invitation::new_on(&pair.here);
        let c = invitation.attach(b"pipe").unwrap();
        if invitation.send(ours).is_err() {
            return false;
        }
        let Ok(accepted) = AcceptedInvitation::accept_on(&node, theirs) else { return false };
        let d = accepted.extract(b"pipe").unwrap();
        assert!(c.send(Message::from("first")).is_ok());
        let works = d.recv().is_ok();
        node.disconnect();
        works
    }),
    ("a server", |pair| {
        let path = std::env::temp_dir().join(format!("libmojo-exhaustion-{}", std::process::id()));
        let _ = std::fs::create_dir(&path);
        let Ok(server) = Server::bind(path.join("server")) else { return false };
        let Ok(socket) = connect(path.join("server")) else { return false };
        let Ok(client) = server.accept(Some(Instant::now())) else { return false };
        drop((socket, client, pair));
        true
    }),
    ("a driver", |_| Node::new().drive().is_ok()),
    ("a message", |pair| {
        pair.assert_connected();
        true
    }),
    ("a large message", |pair| {
        pair.a.send(Message::new(&[7; 300_000])).unwrap();
        pair.b.recv().unwrap().payload().len() == 300_000
    }),
    ("an introduction", |pair| {
        let invite = || -> Option<(Node, MessagePipe, MessagePipe)> {
            let node = Node::new();
            let (ours, theirs) = socket_pair().ok()?;
            let invitation = Invitation::new_on(&pair.here);
            let c = invitation.attach(b"pipe").unwrap();
            invitation.send(ours).ok()?;
            let d = AcceptedInvitation::accept_on(&node, theirs).ok()?.extract(b"pipe").unwrap();
            Some((node, c, d))
        };
        let Some((node, c, d)) = invite() else { return false };
        let (e, f) = MessagePipe::create_on(&pair.here);
        let works = pair.pass(vec![e.into()]).is_some_and(|mut passed| {
            let e = passed.remove(0).into_pipe().unwrap();
            c.send(Message::from("an end").with(f)).is_ok()
                && d.recv().is_ok_and(|mut message| {
                    let f = message.take_handles().unwrap().remove(0).into_pipe().unwrap();
                    e.send(Message::from("to a sibling")).is_ok() && f.recv().is_ok()
                })
        });
        // What was on its way may have come to it after all.
        eventually("the connections end", || {
            node.disconnect();
            !node.has_links()
        });
        works
    }),
];

/// The size of shared memory, which is not to be had where addresses are short.
const LARGE: u32 = 16 << 20;

// ---- descriptors -----------------------------------------------------------------------------------------

/// All descriptors that there are, but for some.
struct Fillers {
    _files: Vec<File>,
}

impl Fillers {
    fn leaving(free: usize) -> Self {
        let mut fillers: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        fillers.truncate(fillers.len().saturating_sub(free));
        Self { _files: fillers }
    }
}

#[test]
fn descriptors_run_out_in_the_middle_of_every_operation() {
    in_a_child("descriptors_run_out_in_the_middle_of_every_operation", || {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(128), ..limit }).unwrap();
        let pair = Pair::new();
        for (what, operation) in OPERATIONS {
            assert!(operation(&pair), "{what} works");
            let before = settled(&pair);
            let mut outcomes = String::new();
            for free in 0..24 {
                let fillers = Fillers::leaving(free);
                outcomes.push(if operation(&pair) { '+' } else { '-' });
                pair.assert_connected();
                drop(fillers);
                pair.assert_nothing_more_than(before, &format!("{what} with {free} descriptors"));
                assert!(operation(&pair), "{what} works again");
                pair.assert_nothing_more_than(before, what);
            }
            println!("{what}: {outcomes}");
            assert!(outcomes.ends_with('+'), "{what}: {outcomes}");
        }
    });
}

/// Descriptors, and the ports of both nodes.
type Holdings = (usize, [(usize, usize); 2]);

/// The same, once what is under way has arrived.
fn settled(pair: &Pair) -> Holdings {
    let mut last = holdings(pair);
    let mut same = 0;
    eventually("everything has come to rest", || {
        pair.assert_connected();
        let now = holdings(pair);
        same = if now == last { same + 1 } else { 0 };
        last = now;
        same > 200
    });
    last
}

fn holdings(pair: &Pair) -> Holdings {
    (open_descriptor_count(), [pair.here.port_counts(), pair.there.port_counts()])
}

// ---- addresses -------------------------------------------------------------------------------------------

fn virtual_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').next().unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
fn addresses_run_out_in_the_middle_of_every_operation() {
    in_a_child("addresses_run_out_in_the_middle_of_every_operation", || {
        let limit = getrlimit(Resource::As);
        let pair = Pair::new();
        for (what, operation) in OPERATIONS {
            (0..3).for_each(|_| assert!(operation(&pair), "{what} works"));
            let before = settled(&pair);
            let mut outcomes = String::new();
            for megabytes in [2, 3, 4, 6, 8, 12, 20, 30, 40, 60, 100, 1000] {
                let current = Some(virtual_bytes() + (megabytes << 20));
                setrlimit(Resource::As, Rlimit { current, ..limit }).unwrap();
                outcomes.push(if operation(&pair) { '+' } else { '-' });
                pair.assert_connected();
                setrlimit(Resource::As, limit).unwrap();
                pair.assert_nothing_more_than(before, &format!("{what} with {megabytes} MiB"));
                assert!(operation(&pair), "{what} works again");
            }
            println!("{what}: {outcomes}");
            assert!(outcomes.ends_with('+'), "{what}: {outcomes}");
        }
    });
}
