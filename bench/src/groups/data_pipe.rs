//! Data pipes between two processes, and what making one costs.

use crate::contenders::{memory, mojo};
use crate::machine::{Cpus, Placement};
use crate::meter::{Pace, time};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::process::{CarrierKind, Job, Other, Setup};
use crate::row::{Experiment, Row, SUBJECT, Unit};
use crate::traffic::Stream;
use libmojo::{Consumer, DataPipeError, DataPipeOptions, Message, MessagePipe, Producer, Signals, Waitable};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write, stdin, stdout};
use std::os::fd::AsFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

const GROUP: &str = "Data pipes between two processes";

const COPYING: &str = "copying";
const CHUNK_BYTES: usize = 64 << 10;
const DEFAULT: u32 = 0;
const LARGE: u32 = 1 << 20;

pub fn experiments() -> Vec<Experiment> {
    let rate = |name: &str| Row::higher(name, Unit::GigabytesPerSecond);
    let small = rate("64 KiB chunks, default capacity").target(8.0);
    let large = rate("64 KiB chunks, 1 MiB capacity").target(16.0);
    let two_phase = rate("64 KiB chunks, 1 MiB capacity, two-phase").target_multiple(0.95, COPYING);
    let create = Row::lower("data pipe create+close", Unit::Microseconds).target(15.0);
    let memcpy = |plan| Ok(memory::copies(CHUNK_BYTES, plan)? * CHUNK_BYTES as f64);
    vec![
        experiment(small)
            .probe(SUBJECT, |plan| through_data_pipe(DEFAULT, false, plan))
            .probe("pipe", |plan| through_pipe(None, plan))
            .probe("memcpy", memcpy)
            .last_is_reference(),
        experiment(large)
            .probe(SUBJECT, |plan| through_data_pipe(LARGE, false, plan))
            .probe("pipe", |plan| through_pipe(Some(LARGE as usize), plan))
            .probe("memcpy", memcpy)
            .last_is_reference(),
        experiment(two_phase)
            .probe(SUBJECT, |plan| through_data_pipe(LARGE, true, plan))
            .probe(COPYING, |plan| through_data_pipe(LARGE, false, plan))
            .last_is_reference(),
        experiment(create)
            .probe(SUBJECT, |plan| on_one_core(plan, || Ok(DataPipeOptions::default().create()?)))
            .probe("memfd", |plan| on_one_core(plan, || empty_memory_object(CHUNK_BYTES)))
            .probe("pipe", |plan| on_one_core(plan, || Ok(pipe_with(PipeFlags::CLOEXEC)?))),
    ]
}

fn experiment(row: Row) -> Experiment {
    Experiment::new(GROUP, vec![row])
}

fn on_one_core<T>(plan: Plan, work: impl FnMut() -> Outcome<T>) -> Outcome<f64> {
    Cpus::pin(Placement::Same)?;
    time(plan, work)
}

/// Made and sized, but neither mapped nor filled.
fn empty_memory_object(num_bytes: usize) -> Outcome<()> {
    Ok(ftruncate(memfd_create("libmojo-bench", MemfdFlags::CLOEXEC)?, num_bytes as u64)?)
}

fn setup(job: Job) -> Outcome<Setup> {
    let cpus = Cpus::pin(Placement::Cross)?;
    Ok(Setup::new(CarrierKind::Mojo, job, cpus.there, Stream::of_bytes(CHUNK_BYTES)))
}

fn through_data_pipe(capacity_num_bytes: u32, two_phase: bool, plan: Plan) -> Outcome<f64> {
    let (pipe, _other) = mojo::start(&setup(Job::Drain { two_phase })?)?;
    let options = DataPipeOptions { capacity_num_bytes, ..DataPipeOptions::default() };
    let (mut producer, consumer) = options.create()?;
    pipe.send(Message::from("read this").with(consumer)).map_err(|refused| refused.kind)?;
    let rate = write_chunks(plan, |chunk| {
        if two_phase { write_in_place(&mut producer, chunk) } else { Ok(producer.write_all(chunk)?) }
    })?;
    drop(producer);
    pipe.recv()?;
    Ok(rate)
}

fn through_pipe(capacity: Option<usize>, plan: Plan) -> Outcome<f64> {
    let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
    if let Some(capacity) = capacity {
        fcntl_setpipe_size(&ours, capacity)?;
    }
    let mut command = setup(Job::DrainInput)?.command()?;
    let mut other = Other::new(command.stdin(Stdio::from(theirs)).stdout(Stdio::piped()).spawn()?);
    drop(command);
    let mut ours = File::from(ours);
    let rate = write_chunks(plan, |chunk| Ok(ours.write_all(chunk)?))?;
    drop(ours);
    let answer = other.child().stdout.as_mut().ok_or("no answer from the other process")?;
    answer.read_exact(&mut [0])?;
    Ok(rate)
}

/// Writes chunk after chunk, first to warm up; returns how many bytes a second there is room for.
fn write_chunks(plan: Plan, mut write: impl FnMut(&[u8]) -> Outcome<()>) -> Outcome<f64> {
    let chunk = vec![1; CHUNK_BYTES];
    write_for(plan.warm_up(), &chunk, &mut write)?;
    write_for(plan.sample(), &chunk, &mut write)?.median()
}

fn write_for(duration: Duration, chunk: &[u8], write: &mut impl FnMut(&[u8]) -> Outcome<()>) -> Outcome<Pace> {
    let begin = Instant::now();
    let mut pace = Pace::begin();
    while begin.elapsed() < duration {
        write(chunk)?;
        pace.note(chunk.len());
    }
    Ok(pace)
}

fn write_in_place(producer: &mut Producer, mut bytes: &[u8]) -> Outcome<()> {
    while !bytes.is_empty() {
        match fill_window(producer, bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(DataPipeError::ShouldWait) => drop(producer.wait(Signals::WRITABLE, None)?),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn fill_window(producer: &mut Producer, bytes: &[u8]) -> Result<usize, DataPipeError> {
    let mut window = producer.begin_write()?;
    let num_bytes = window.len().min(bytes.len());
    window.fill(0, bytes.get(..num_bytes).unwrap_or_default())?;
    window.commit(num_bytes)?;
    Ok(num_bytes)
}

/// The other process's part: reads to the end, and says so.
pub fn drain(pipe: &MessagePipe, two_phase: bool) -> Outcome<()> {
    let handle = pipe.recv()?.take_handles()?.pop().ok_or("nothing to read")?;
    let mut consumer = handle.into_consumer().map_err(|_| "not a data pipe")?;
    let mut chunk = vec![0; CHUNK_BYTES];
    if two_phase {
        while read_in_place(&mut consumer, &mut chunk)? {
            black_box(&mut chunk);
        }
    } else {
        while consumer.read(&mut chunk)? != 0 {
            black_box(&mut chunk);
        }
    }
    pipe.send(Message::from("all of it")).map_err(|refused| refused.kind)?;
    // Until the other process has heard it and is gone.
    let _ = pipe.recv();
    Ok(())
}

/// False at the end.
fn read_in_place(consumer: &mut Consumer, chunk: &mut [u8]) -> Outcome<bool> {
    match take_window(consumer, chunk) {
        Ok(()) => Ok(true),
        // Ends without data if the producer is closed, and then there is no window.
        Err(DataPipeError::ShouldWait) => Ok(consumer.wait(Signals::READABLE, None).is_ok()),
        Err(DataPipeError::PeerClosed) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn take_window(consumer: &mut Consumer, chunk: &mut [u8]) -> Result<(), DataPipeError> {
    let window = consumer.begin_read()?;
    let num_bytes = window.len().min(chunk.len());
    window.copy_out(0, chunk.get_mut(..num_bytes).unwrap_or_default())?;
    window.commit(num_bytes)
}

/// The other process's part, for a pipe of the system.
pub fn drain_input() -> Outcome<()> {
    let mut input = File::from(stdin().as_fd().try_clone_to_owned()?);
    let mut chunk = vec![0; CHUNK_BYTES];
    while input.read(&mut chunk)? != 0 {
        black_box(&mut chunk);
    }
    let mut output = stdout();
    output.write_all(&[0])?;
    Ok(output.flush()?)
}
