//! One way between two processes: messages and bytes per second, and system calls per message.

use super::{Work, connected, over};
use crate::contenders::memory;
use crate::machine::{Cpus, Placement};
use crate::outcome::{Outcome, Unavailable};
use crate::plan::Plan;
use crate::process::{CarrierKind, Job, Setup};
use crate::row::{Experiment, Row, SUBJECT, Unit};
use crate::traffic::{Stream, Until, rate, send_stream};
use crate::wire::Wire;
use std::env;
use std::io::ErrorKind;
use std::process::{Command, Stdio};
use std::time::Duration;

const GROUP: &str = "One way between two processes";

/// How this program is started to do nothing but to send so many messages to another process.
pub const STREAM_ARGUMENT: &str = "stream";

use CarrierKind::{IceoryxEvents, IceoryxPolling, IpcChannel, Mojo, SocketPair, TokioUnix};

const CARRIERS: [CarrierKind; 5] = [Mojo, IceoryxPolling, SocketPair, IpcChannel, TokioUnix];

pub fn experiments() -> Vec<Experiment> {
    let small = experiment(Row::higher("64 B, one way", Unit::MillionsPerSecond).target(8.0));
    let small = over(small, &CARRIERS, |carrier, plan| message_rate(carrier, 64, plan));
    let calls = experiment(Row::lower("system calls a message, 64 B one way", Unit::Number).target(0.01));
    vec![
        over(small, &[IceoryxEvents], |carrier, plan| message_rate(carrier, 64, plan)),
        bytes("4 KiB, one way", 4 << 10, 8.0),
        bytes("64 KiB, one way", 64 << 10, 15.0),
        bytes("1 MiB, one way", 1 << 20, 15.0),
        bytes("64 MiB, one way", 64 << 20, 5.0).patient(Duration::from_secs(60)),
        calls.at_most(1).patient(Duration::from_secs(60)).probe(SUBJECT, system_calls),
    ]
}

fn experiment(row: Row) -> Experiment {
    Experiment::new(GROUP, vec![row])
}

/// The rate in bytes, with what the memory allows beside.
fn bytes(name: &str, num_bytes: usize, target: f64) -> Experiment {
    let experiment = experiment(Row::higher(name, Unit::GigabytesPerSecond).target(target));
    let in_bytes = move |rate: Outcome<f64>| Ok(rate? * num_bytes as f64);
    over(experiment, &CARRIERS, move |carrier, plan| in_bytes(message_rate(carrier, num_bytes, plan)))
        .probe("memcpy", move |plan| in_bytes(memory::copies(num_bytes, plan)))
        .probe("fresh memfd", move |plan| in_bytes(memory::memory_objects(num_bytes, plan)))
}

fn message_rate(carrier: CarrierKind, num_bytes: usize, plan: Plan) -> Outcome<f64> {
    let cpus = Cpus::pin(Placement::Cross)?;
    let stream = Stream::of_bytes(num_bytes);
    connected(&Setup::new(carrier, Job::Sink, cpus.there, stream), Rate { stream, plan })
}

/// Streams to a sink.
#[derive(Clone, Copy)]
pub struct Rate {
    pub stream: Stream,
    pub plan: Plan,
}

impl Work for Rate {
    async fn work(self, wire: &mut impl Wire) -> Outcome<f64> {
        rate(wire, self.stream, self.plan).await
    }
}

#[derive(Clone, Copy)]
struct Number {
    stream: Stream,
    messages: usize,
}

impl Work for Number {
    async fn work(self, wire: &mut impl Wire) -> Outcome<f64> {
        send_stream(wire, self.stream, Until::Sent(self.messages)).await?.median()
    }
}

/// Sends so many messages of 64 B to another process, so many of them ahead that nobody waits.
pub fn stream(stride: usize, messages: usize) -> Outcome<f64> {
    let cpus = Cpus::pin(Placement::Cross)?;
    let stream = Stream { num_bytes: 64, stride };
    connected(&Setup::new(Mojo, Job::Sink, cpus.there, stream), Number { stream, messages })
}

/// The difference between many messages and few, by strace: what starting and ending cost is in both.
fn system_calls(plan: Plan) -> Outcome<f64> {
    let stride = if plan.quick { 256 } else { 16_384 };
    let (few, many) = (2 * stride, 6 * stride);
    let calls = trace(stride, many)? - trace(stride, few)?;
    Ok(calls / (many - few) as f64)
}

/// All system calls of both processes while so many messages are sent.
fn trace(stride: usize, messages: usize) -> Outcome<f64> {
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-U", "calls,name", "--"]).arg(env::current_exe()?);
    command.args([STREAM_ARGUMENT, &stride.to_string(), &messages.to_string()]);
    let output = match command.stdin(Stdio::null()).stdout(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => return Unavailable::because("needs strace"),
        Err(error) => return Err(error.into()),
    };
    let summary = String::from_utf8_lossy(&output.stderr);
    let total = summary.lines().find_map(|line| line.trim().strip_suffix(" total")).filter(|_| output.status.success());
    match total {
        Some(total) => Ok(total.trim().parse()?),
        None => Unavailable::because(format!("strace: {}", summary.lines().next().unwrap_or_default())),
    }
}
