//! A pool of worker processes that loses nothing when a worker dies.
//!
//! The parent starts this program several times more, as its workers, and hands each of them one job at a time. Now and
//! then it kills one in the middle of a job: what tells it of the death is the pipe, and the job goes to the worker that
//! takes the place.
//!
//! A job is a number, and its result how many primes there are up to it; both are sent as eight bytes.

#![allow(clippy::indexing_slicing)]

use libmojo::{AcceptedInvitation, Invitation, Message, MessagePipe, Signals, WaitError, Waitable, wait_many};
use std::collections::BTreeMap;
use std::error::Error;
use std::process::{Child, Command, ExitCode};
use std::{env, io};

const USAGE: &str = "\
usage: worker_pool

Counts primes in four processes, some of which it kills.
";

const WORKERS: usize = 4;
const JOBS: u64 = 40;
/// After every so many jobs that were handed out, the worker with the latest one is killed.
const KILL_EVERY: u64 = 12;

/// How the parent starts a worker.
const WORKER_ARGUMENT: &str = "--worker";

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let outcome = match env::args().nth(1).as_deref() {
        None => run_pool(),
        Some(WORKER_ARGUMENT) => work(),
        Some("--help") => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Some(_) => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("worker_pool: {error}");
            ExitCode::FAILURE
        }
    }
}

// ---- the parent ------------------------------------------------------------------------------------------

struct Worker {
    process: Child,
    pipe: MessagePipe,
    /// What it was given and has not answered.
    job: Option<u64>,
}

impl Worker {
    fn start() -> io::Result<Self> {
        let invitation = Invitation::new();
        let pipe = invitation.attach(b"jobs")?;
        let (process, _) = invitation.spawn(Command::new(env::current_exe()?).arg(WORKER_ARGUMENT))?;
        Ok(Self { process, pipe, job: None })
    }

    fn give(&mut self, job: u64) {
        self.job = Some(job);
        // If it is dead, the next wait says so.
        let _ = self.pipe.send(Message::from(job.to_le_bytes().as_slice()));
    }
}

fn run_pool() -> Outcome<()> {
    let mut workers = (0..WORKERS).map(|_| Worker::start()).collect::<io::Result<Vec<_>>>()?;
    let mut waiting: Vec<u64> = (1..=JOBS).rev().map(|job| job * 5_000).collect();
    let mut results = BTreeMap::new();
    let (mut handed_out, mut redone) = (0, 0);
    while results.len() < JOBS as usize {
        for worker in workers.iter_mut().filter(|worker| worker.job.is_none()) {
            let Some(job) = waiting.pop() else { break };
            worker.give(job);
            handed_out += 1;
            if handed_out % KILL_EVERY == 0 {
                worker.process.kill()?;
            }
        }
        let pipes: Vec<(&dyn Waitable, Signals)> =
            workers.iter().map(|worker| (&worker.pipe as &dyn Waitable, Signals::READABLE)).collect();
        match wait_many(&pipes, None) {
            Ok((at, _)) => {
                let worker = &mut workers[at];
                let result = number(&worker.pipe.try_recv()?)?;
                results.extend(worker.job.take().map(|job| (job, result)));
            }
            // Its pipe will never be readable again: the worker is dead, and everything it has sent was taken.
            Err((at, WaitError::Unsatisfiable(_))) => {
                let mut dead = std::mem::replace(&mut workers[at], Worker::start()?);
                dead.process.wait()?;
                redone += dead.job.iter().count();
                waiting.extend(dead.job);
            }
            Err((_, error)) => return Err(error.into()),
        }
    }
    for (job, result) in &results {
        println!("{result:>6} primes up to {job:>6}");
    }
    println!("{JOBS} jobs done by {WORKERS} workers; {redone} done again after a worker was killed");
    // A worker ends when nobody has the other end of its pipe any more.
    for Worker { mut process, pipe, .. } in workers {
        drop(pipe);
        process.wait()?;
    }
    Ok(())
}

// ---- a worker --------------------------------------------------------------------------------------------

fn work() -> Outcome<()> {
    let jobs = AcceptedInvitation::inherited()?.extract(b"jobs")?;
    while let Ok(message) = jobs.recv() {
        let job = number(&message)?;
        let primes = (2..=job).filter(|n| (2..).take_while(|d| d * d <= *n).all(|d| n % d != 0)).count();
        if jobs.send(Message::from((primes as u64).to_le_bytes().as_slice())).is_err() {
            break;
        }
    }
    Ok(())
}

fn number(message: &Message) -> Outcome<u64> {
    Ok(u64::from_le_bytes(message.payload().try_into()?))
}
