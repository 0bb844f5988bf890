//! One of the processes that exchange things: it does what the controller orders over a pipe, which is all that it was
//! invited with.
//!
//! | order | meaning | answer |
//! |---|---|---|
//! | – | | `hello PID`, first of all |
//! | `spawn INDEX` | start another actor | `child INDEX`, with the pipe to order that one about |
//! | `stream ID SIDE PEER` and a pipe | for a worker | |
//! | `wired` | say when all this has come | `wired` |
//! | `settle` | say when nothing is passed on here any more | `settled` |
//! | `go calm`, `go storm` | for the workers | |
//! | `finish` | end everything, and say when all is at rest | `finished`, what was done, and who was cut off |
//! | `retire` | close this pipe, look for leaks, and exit | |

use crate::leaks::{BaseLine, wait_for_ports};
use crate::options::Part;
use crate::worker::{Left, Report, Worker, tell};
use libmojo::{AcceptedInvitation, Invitation, Message, MessagePipe, Node};
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

const NUM_WORKERS: u64 = 2;

/// Starts an actor; returns the pipe to order it about.
pub fn start(part: &Part) -> MessagePipe {
    let invitation = Invitation::new();
    let pipe = invitation.attach(b"orders").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(part.arguments()).stdin(Stdio::null()).stdout(Stdio::null());
    // The controller adopts those whose parents end, and waits for all of them.
    let (_process, _connection) = invitation.spawn(&mut command).unwrap();
    pipe
}

struct Actor {
    part: Part,
    orders: MessagePipe,
    workers: Vec<(MessagePipe, JoinHandle<Report>)>,
    next_worker: usize,
}

pub fn play(part: Part) -> ExitCode {
    fail_loudly(&part);
    let left = Left::default();
    let steps = watch(&part, &left);
    let base_line = BaseLine::now();
    let orders = AcceptedInvitation::inherited().unwrap().extract(b"orders").unwrap();
    let (node, patience) = (Node::process(), part.leak_patience());
    let actor = Actor::new(part, orders, &left);
    actor.answer(&format!("hello {}", std::process::id()));
    let orders = actor.obey(&steps);
    drop(orders);
    if let Err(text) = wait_for_ports(node, (0, 0), patience) {
        panic!("without any pipe: {text}");
    }
    assert!(node.shutdown(Some(Instant::now() + patience)), "something is left to be sent or passed on");
    if let Err(text) = base_line.wait_until_back(node, patience) {
        panic!("in the end: {text}");
    }
    ExitCode::SUCCESS
}

/// Ends the process when any of its threads panics.
fn fail_loudly(part: &Part) {
    let index = part.index;
    std::panic::set_hook(Box::new(move |info| {
        // In one piece, between those of others.
        let _ = std::io::stderr().write_all(format!("actor {index}: {info}\n").as_bytes());
        std::process::exit(1);
    }));
}

/// What a watchdog is told.
enum Step {
    /// Something was begun that has to come to an end.
    Begun,
    Done,
}

/// Ends the process, and says what is left, when something takes too long.
fn watch(part: &Part, left: &Left) -> Sender<Step> {
    let (sender, steps) = channel();
    let (index, patience, left) = (part.index, part.hang_patience(), left.clone());
    std::thread::spawn(move || {
        while let Ok(step) = steps.recv() {
            let next = if let Step::Begun = step { steps.recv_timeout(patience) } else { Ok(Step::Done) };
            if next.is_err_and(|error| error == RecvTimeoutError::Timeout) {
                let text = format!("actor {index}: hangs with {:?} and {}\n", Node::process(), left.describe());
                let _ = std::io::stderr().write_all(text.as_bytes());
                std::process::exit(1);
            }
        }
    });
    sender
}

impl Actor {
    fn new(part: Part, orders: MessagePipe, left: &Left) -> Self {
        let workers = (0..NUM_WORKERS).map(|number| {
            let (mailbox, at_worker) = MessagePipe::create();
            let random = fastrand::Rng::with_seed(part.seed ^ (part.index as u64 + 1) << 32 ^ number);
            let worker = Worker::new(at_worker, random, part.fault.filter(|_| number == 0), left.clone());
            (mailbox, std::thread::spawn(move || worker.work()))
        });
        let workers = workers.collect();
        Self { part, orders, workers, next_worker: 0 }
    }

    fn answer(&self, text: &str) {
        // If nobody listens any more, that shows at the next order.
        let _ = self.orders.send(Message::from(text));
    }

    /// Does what is ordered until this one is to retire. Exits at once if the controller is lost: then so is what
    /// there was to do.
    fn obey(mut self, steps: &Sender<Step>) -> MessagePipe {
        loop {
            let Ok(message) = self.orders.recv() else { std::process::exit(0) };
            steps.send(Step::Begun).unwrap();
            let text = String::from_utf8(message.payload().to_vec()).unwrap();
            match text.split(' ').collect::<Vec<_>>()[..] {
                ["spawn", index] => self.spawn(index.parse().unwrap()),
                ["stream", ..] => {
                    let at = self.next_worker % self.workers.len();
                    self.next_worker += 1;
                    self.workers[at].0.send(message).unwrap();
                }
                ["wired"] => self.answer("wired"),
                ["settle"] => {
                    self.settle();
                    self.answer("settled");
                }
                ["go", _] => self.workers.iter().for_each(|(mailbox, _)| tell(mailbox, &text)),
                ["finish"] => self.finish(),
                ["retire"] => return self.orders,
                _ => panic!("an order {text:?}"),
            }
            steps.send(Step::Done).unwrap();
        }
    }

    fn spawn(&self, index: usize) {
        let pipe = start(&Part { index, fault: None, ..self.part.clone() });
        let _ = self.orders.send(Message::from(format!("child {index}").as_str()).with(pipe));
    }

    fn settle(&self) {
        let passes_on = || {
            let (ports, proxies) = Node::process().port_counts();
            (proxies > 0).then(|| format!("{proxies} proxies of {ports} ports"))
        };
        if let Err(text) = crate::leaks::eventually(self.part.leak_patience(), passes_on) {
            panic!("before anything has happened: {text}");
        }
    }

    fn finish(&mut self) {
        let mut report = Report::default();
        self.workers.iter().for_each(|(mailbox, _)| tell(mailbox, "finish"));
        for (_mailbox, worker) in std::mem::take(&mut self.workers) {
            let Ok(Report { tally, cut_off }) = worker.join() else { std::process::exit(1) };
            report.tally += tally;
            report.cut_off.extend(cut_off);
        }
        // All that is left is the pipe to the controller.
        if let Err(text) = wait_for_ports(Node::process(), (1, 0), self.part.leak_patience()) {
            panic!("when all is finished: {text}");
        }
        let cut_off: String = report.cut_off.iter().map(|peer| format!(" {peer}")).collect();
        self.answer(&format!("finished {}{cut_off}", report.tally.encode()));
    }
}
