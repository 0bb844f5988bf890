//! From the start of another process to the first message that comes back from it.

use super::contender;
use crate::contenders::with_carrier;
use crate::machine::{Cpus, Placement};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::process::{CarrierKind, Job, Other, Setup};
use crate::row::{Experiment, Row, Unit};
use crate::statistics::median;
use crate::traffic::{Stream, finish, round_trip};
use crate::wire::Carrier;
use std::io::{Read, Write, stdout};
use std::process::Stdio;
use std::time::Instant;

const GROUP: &str = "Starting another process";

const NUM_BYTES: usize = 64;

use CarrierKind::{IceoryxPolling, IpcChannel, Mojo, SocketPair};

pub fn experiments() -> Vec<Experiment> {
    let row = Row::lower("from start to first echo, minus a bare start", Unit::Milliseconds).target(1.5);
    let experiment = Experiment::new(GROUP, vec![row]);
    vec![[Mojo, SocketPair, IpcChannel, IceoryxPolling].into_iter().fold(experiment, |experiment, carrier| {
        experiment.probe(contender(carrier), move |plan| longer_than_bare(carrier, plan))
    })]
}

fn longer_than_bare(carrier: CarrierKind, plan: Plan) -> Outcome<f64> {
    let cpus = Cpus::pin(Placement::Cross)?;
    let setup = Setup::new(carrier, Job::Echo, cpus.there, Stream { num_bytes: NUM_BYTES, stride: 1 });
    let mut seconds = Vec::new();
    for _ in 0..plan.events().div_ceil(4) {
        let connected = with_carrier!(carrier, C => C::run(start_and_echo::<C>(&setup)))?;
        seconds.push(connected - start_only(&setup)?);
    }
    Ok(median(&seconds).ok_or("not started")?)
}

async fn start_and_echo<C: Carrier>(setup: &Setup) -> Outcome<f64> {
    let begin = Instant::now();
    let (mut wire, other) = C::start(setup).await?;
    round_trip(&mut wire, NUM_BYTES).await?;
    let took = begin.elapsed();
    finish(&mut wire, NUM_BYTES).await?;
    other.end()?;
    Ok(took.as_secs_f64())
}

/// Until the process says that it runs.
fn start_only(setup: &Setup) -> Outcome<f64> {
    let setup = Setup { job: Job::Hello, ..setup.clone() };
    let begin = Instant::now();
    let mut other = Other::new(setup.command()?.stdout(Stdio::piped()).spawn()?);
    other.child().stdout.as_mut().ok_or("no standard output")?.read_exact(&mut [0])?;
    let took = begin.elapsed();
    other.end()?;
    Ok(took.as_secs_f64())
}

/// The other process's part of a bare start.
pub fn hello() -> Outcome<()> {
    let mut output = stdout();
    output.write_all(&[0])?;
    Ok(output.flush()?)
}
