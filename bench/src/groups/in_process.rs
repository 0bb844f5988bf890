//! In one process: what a message, a pipe and a thread cost.

use crate::allocator;
use crate::c_api;
use crate::contenders::in_process::{Crossbeam, LockedQueue, Parcel, StdMpsc, TokioMpsc};
use crate::contenders::mojo::{MojoLazy, MojoLocal};
use crate::contenders::mojo_c::{MojoCLazy, MojoCLocal};
use crate::machine::{Cpus, Placement, pin};
use crate::meter::{Meter, time};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::row::{Experiment, Row, SUBJECT, Unit};
use crate::traffic::{Stream, finish, rate, sink};
use crate::wire::{Local, Wire};
use libmojo::MessagePipe;
use std::os::unix::net::UnixStream;
use std::sync::Barrier;
use std::thread;

const GROUP: &str = "In one process";

const ALONE: &str = "no other pipes";
const ONE_THREAD: &str = "one thread";

pub fn experiments(plan: Plan) -> Vec<Experiment> {
    let small = Row::lower("64 B write+read, one thread", Unit::Nanoseconds).target(70.0);
    let small_c = Row::lower("64 B write+read, one thread, C", Unit::Nanoseconds).target(120.0);
    let page = Row::lower("4 KiB write+read, one thread", Unit::Nanoseconds).target(300.0);
    let lazy = Row::lower("lazy value write+read", Unit::Nanoseconds).target(100.0);
    let lazy_c = Row::lower("lazy context write+read, C", Unit::Nanoseconds).target(100.0);
    let create = Row::lower("pipe create+close", Unit::Nanoseconds).target(250.0);
    let memory = Row::lower("memory of an idle pipe, both ends", Unit::Bytes).target(500.0);
    vec![
        with_peers::<[u8; 64]>(experiment(small), 64),
        experiment(small_c).probe(SUBJECT, |plan| write_read::<MojoCLocal>(64, plan)),
        with_peers::<Box<[u8]>>(experiment(page), 4096),
        experiment(lazy).probe(SUBJECT, |plan| write_read::<MojoLazy>(64, plan)),
        experiment(lazy_c).probe(SUBJECT, |plan| write_read::<MojoCLazy>(64, plan)),
        experiment(create)
            .probe(SUBJECT, |plan| on_one_core(|| time(plan, || Ok(MessagePipe::create()))))
            .probe("crossbeam", create_and_close::<Crossbeam<[u8; 64]>>)
            .probe("std mpsc", create_and_close::<StdMpsc<[u8; 64]>>)
            .probe("tokio mpsc", create_and_close::<TokioMpsc<[u8; 64]>>)
            .probe("socketpair", |plan| on_one_core(|| time(plan, || Ok(UnixStream::pair()?)))),
        experiment(memory).at_most(1).probe(SUBJECT, memory_of_a_pipe),
        streaming(),
        beside::<MojoLocal, _>("", plan, |number| Ok((0..number).map(|_| MessagePipe::create()).collect())),
        beside::<MojoCLocal, _>(", C", plan, |number| (0..number).map(|_| c_api::create_pipe()).collect()),
        unrelated::<MojoLocal>(""),
        unrelated::<MojoCLocal>(", C"),
    ]
}

fn experiment(row: Row) -> Experiment {
    Experiment::new(GROUP, vec![row])
}

fn with_peers<T: Parcel>(experiment: Experiment, num_bytes: usize) -> Experiment {
    experiment
        .probe(SUBJECT, move |plan| write_read::<MojoLocal>(num_bytes, plan))
        .probe("crossbeam", move |plan| write_read::<Crossbeam<T>>(num_bytes, plan))
        .probe("std mpsc", move |plan| write_read::<StdMpsc<T>>(num_bytes, plan))
        .probe("tokio mpsc", move |plan| write_read::<TokioMpsc<T>>(num_bytes, plan))
        .probe("Mutex<VecDeque>", move |plan| write_read::<LockedQueue<T>>(num_bytes, plan))
}

fn on_one_core<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    Cpus::pin(Placement::Same)?;
    work()
}

/// The seconds of one message, sent and received by one thread.
fn write_read<L: Local>(num_bytes: usize, plan: Plan) -> Outcome<f64> {
    on_one_core(|| write_read_here::<L>(num_bytes, plan))
}

fn write_read_here<L: Local>(num_bytes: usize, plan: Plan) -> Outcome<f64> {
    L::run(async {
        let (mut a, mut b) = L::pair()?;
        let message = vec![0; num_bytes];
        let mut meter = Meter::new(plan);
        while let Some(times) = meter.next_batch() {
            for _ in 0..times {
                a.send(&message).await?;
                b.receive(num_bytes).await?;
            }
        }
        meter.median()
    })
}

fn create_and_close<L: Local>(plan: Plan) -> Outcome<f64> {
    on_one_core(|| time(plan, L::pair))
}

fn memory_of_a_pipe(plan: Plan) -> Outcome<f64> {
    // The process has its node already.
    drop(MessagePipe::create());
    let mut pipes = Vec::with_capacity(plan.other_pipes());
    let ((), grown) = allocator::growth(|| pipes.resize_with(plan.other_pipes(), MessagePipe::create));
    Ok(grown as f64 / pipes.len() as f64)
}

fn streaming() -> Experiment {
    experiment(Row::higher("64 B from thread to thread", Unit::MillionsPerSecond).target(8.0))
        .probe(SUBJECT, stream::<MojoLocal>)
        .probe("crossbeam", stream::<Crossbeam<[u8; 64]>>)
        .probe("std mpsc", stream::<StdMpsc<[u8; 64]>>)
        .probe("tokio mpsc", stream::<TokioMpsc<[u8; 64]>>)
        .probe("Mutex<VecDeque>", stream::<LockedQueue<[u8; 64]>>)
}

/// How many messages a second one thread receives from another.
fn stream<L: Local>(plan: Plan) -> Outcome<f64> {
    let cpus = Cpus::pin(Placement::Cross)?;
    // As much under way as the bounded channels hold.
    let stream = Stream { num_bytes: 64, stride: 512 };
    let (mut here, mut there) = L::pair()?;
    let receiver = thread::spawn(move || {
        pin(cpus.there)?;
        L::run(async { sink(&mut there, stream).await })
    });
    let rate = L::run(async {
        let rate = rate(&mut here, stream, plan).await?;
        finish(&mut here, stream.num_bytes).await?;
        Ok(rate)
    });
    receiver.join().map_err(|_| "the receiver panicked")??;
    rate
}

/// The same message while many other pipes are open.
fn beside<L: Local, T: 'static>(face: &str, plan: Plan, open: fn(usize) -> Outcome<Vec<T>>) -> Experiment {
    let name = format!("64 B write+read beside {} other pipes{face}", plan.other_pipes());
    experiment(Row::lower(name, Unit::Nanoseconds).target_multiple(1.3, ALONE))
        .probe(SUBJECT, move |plan| {
            let _others = open(plan.other_pipes())?;
            write_read::<L>(64, plan)
        })
        .probe(ALONE, |plan| write_read::<L>(64, plan))
        .last_is_reference()
}

/// Two threads that have nothing to do with each other.
fn unrelated<L: Local>(face: &str) -> Experiment {
    let name = format!("two threads on unrelated pipes{face}");
    experiment(Row::higher(name, Unit::MillionsPerSecond).target_multiple(1.8, ONE_THREAD))
        .probe(SUBJECT, |plan| {
            let cpus = Cpus::pin(Placement::Cross)?;
            let begin = Barrier::new(2);
            thread::scope(|scope| {
                let other = scope.spawn(|| {
                    pin(cpus.there)?;
                    begin.wait();
                    write_read_here::<L>(64, plan)
                });
                begin.wait();
                let here = write_read_here::<L>(64, plan);
                let there = other.join().map_err(|_| "the other thread panicked")?;
                Ok(1.0 / here? + 1.0 / there?)
            })
        })
        .probe(ONE_THREAD, |plan| Ok(1.0 / write_read::<L>(64, plan)?))
        .last_is_reference()
}
