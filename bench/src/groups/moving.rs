//! Moving things to another process: ends of pipes, descriptors, shared buffers; and a pipe that has moved twice.

use super::one_way::Rate;
use super::{connected, over};
use crate::contenders::mojo;
use crate::machine::{Cpus, Placement};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::process::{Cargo, CarrierKind, Job, Setup};
use crate::row::{Experiment, Row, SUBJECT, Unit};
use crate::statistics;
use crate::traffic::Stream;
use libmojo::{Message, MessagePipe};
use std::time::{Duration, Instant};

const GROUP: &str = "Moving things between two processes";

use CarrierKind::{IpcChannelTyped, Mojo, SocketPair};

pub fn experiments() -> Vec<Experiment> {
    let all = [Mojo, SocketPair, IpcChannelTyped];
    vec![
        moving("pipe ends, 1 a message", 500.0, Cargo::Ends, 1, &all),
        moving("pipe ends, 16 a message", 500.0, Cargo::Ends, 16, &all),
        moving("descriptors, 1 a message", 300.0, Cargo::Descriptors, 1, &[Mojo, SocketPair]),
        moving("descriptors, 16 a message", 300.0, Cargo::Descriptors, 16, &[Mojo, SocketPair]),
        moving("duplicates of a shared buffer, 1 a message", 200.0, Cargo::Buffers, 1, &[Mojo, IpcChannelTyped]),
        moving("duplicates of a shared buffer, 16 a message", 200.0, Cargo::Buffers, 16, &[Mojo, IpcChannelTyped]),
        moved_pipe(),
    ]
}

fn moving(name: &str, target: f64, cargo: fn(usize) -> Cargo, handles: usize, carriers: &[CarrierKind]) -> Experiment {
    let row = Row::higher(name, Unit::ThousandsPerSecond).target(target);
    over(Experiment::new(GROUP, vec![row]), carriers, move |carrier, plan| {
        let cpus = Cpus::pin(Placement::Cross)?;
        let stream = Stream::of_handles(handles);
        let setup = Setup { cargo: cargo(handles), ..Setup::new(carrier, Job::Sink, cpus.there, stream) };
        Ok(connected(&setup, Rate { stream, plan })? * handles as f64)
    })
}

/// How many round trips are made on one pipe before it is the other one's turn.
const TURN: usize = 64;

const NUM_BYTES: usize = 64;

fn moved_pipe() -> Experiment {
    let ratio = Row::lower("pipe that moved through a third process, against a direct one", Unit::Times).target(1.1);
    let latency = Row::lower("64 B there and back on a pipe that moved", Unit::Microseconds);
    Experiment::new(GROUP, vec![ratio, latency]).probe_all(SUBJECT, |plan| {
        let (direct, moved) = direct_and_moved(plan)?;
        Ok(vec![Some(moved / direct), Some(moved)])
    })
}

/// The seconds of a round trip on a pipe to another process, and on one that got there through a third.
fn direct_and_moved(plan: Plan) -> Outcome<(f64, f64)> {
    let cpus = Cpus::pin(Placement::Cross)?;
    let stream = Stream { num_bytes: NUM_BYTES, stride: 1 };
    let (relay, _third) = mojo::start(&Setup::new(CarrierKind::Mojo, Job::Relay, cpus.here, stream))?;
    let (direct, _other) = mojo::start(&Setup::new(CarrierKind::Mojo, Job::EchoByTurns, cpus.there, stream))?;
    // A line between the other two, and over it one end of a pipe of this process.
    let (a, b) = MessagePipe::create();
    send(&relay, Message::from("line").with(a))?;
    send(&direct, Message::from("line").with(b))?;
    let (moved, end) = MessagePipe::create();
    send(&relay, Message::from("pass on").with(end))?;
    ping(&moved)?;

    turns_for(plan.warm_up(), &direct, &moved)?;
    let seconds = turns_for(plan.sample(), &direct, &moved)?;
    let (on_direct, on_moved): (Vec<f64>, Vec<f64>) = seconds.into_iter().unzip();
    let median = |seconds: &[f64]| statistics::median(seconds).ok_or("nothing was measured");
    Ok((median(&on_direct)?, median(&on_moved)?))
}

fn turns_for(duration: Duration, direct: &MessagePipe, moved: &MessagePipe) -> Outcome<Vec<(f64, f64)>> {
    let begin = Instant::now();
    let mut seconds = Vec::new();
    while begin.elapsed() < duration {
        seconds.push((turn(direct)?, turn(moved)?));
    }
    Ok(seconds)
}

fn turn(pipe: &MessagePipe) -> Outcome<f64> {
    let begin = Instant::now();
    for _ in 0..TURN {
        ping(pipe)?;
    }
    Ok(begin.elapsed().as_secs_f64() / TURN as f64)
}

fn ping(pipe: &MessagePipe) -> Outcome<()> {
    send(pipe, Message::new(&[0; NUM_BYTES]))?;
    pipe.recv()?;
    Ok(())
}

fn send(pipe: &MessagePipe, message: Message) -> Outcome<()> {
    Ok(pipe.send(message).map_err(|refused| refused.kind)?)
}

fn receive_pipe(pipe: &MessagePipe) -> Outcome<MessagePipe> {
    let handle = pipe.recv()?.take_handles()?.pop().ok_or("a message without a pipe")?;
    Ok(handle.into_pipe().map_err(|_| "not a pipe")?)
}

/// The third process's part.
pub fn relay(pipe: &MessagePipe) -> Outcome<()> {
    let line = receive_pipe(pipe)?;
    send(&line, Message::from("passed on").with(receive_pipe(pipe)?))?;
    // Until the first process is gone.
    let _ = pipe.recv();
    Ok(())
}

/// The second process's part: once on the pipe that moved, then by turns.
pub fn echo_by_turns(direct: &MessagePipe) -> Outcome<()> {
    let line = receive_pipe(direct)?;
    let moved = receive_pipe(&line)?;
    echo(&moved)?;
    loop {
        for pipe in [direct, &moved] {
            for _ in 0..TURN {
                echo(pipe)?;
            }
        }
    }
}

fn echo(pipe: &MessagePipe) -> Outcome<()> {
    pipe.recv()?;
    send(pipe, Message::new(&[0; NUM_BYTES]))
}
