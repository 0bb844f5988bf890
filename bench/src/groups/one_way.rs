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
use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::thread;
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
        .last_is_reference()
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
        // The connection is what it will be once something has come back over it, and a moment has passed.
        send_stream(wire, Stream { stride: 1, ..self.stream }, Until::Sent(1)).await?;
        thread::sleep(Duration::from_millis(50));
        if self.messages > 0 {
            send_stream(wire, self.stream, Until::Sent(self.messages)).await?;
        }
        Ok(self.messages as f64)
    }
}

/// Sends so many messages of 64 B to another process, so many of them ahead that nobody waits.
pub fn stream(messages: usize) -> Outcome<()> {
    let cpus = Cpus::pin(Placement::Cross)?;
    let stream = Stream { num_bytes: 64, stride: 16_384 };
    connected(&Setup::new(Mojo, Job::Sink, cpus.there, stream), Number { stream, messages }).map(drop)
}

/// What many messages need more than none: what starting and ending need is in both.
fn system_calls(plan: Plan) -> Outcome<f64> {
    let messages = if plan.quick { 1 << 15 } else { 1 << 19 };
    let calls = count_calls(messages)? - count_calls(0)?;
    Ok(calls.max(0.0) / messages as f64)
}

/// All system calls of both processes while so many messages are sent. perf counts them without slowing them down.
fn count_calls(messages: usize) -> Outcome<f64> {
    let perf = run_under(&["perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "--"], messages)?;
    let calls = perf.lines().find(|line| line.contains("sys_enter")).and_then(|line| line.split(',').next());
    if let Some(calls) = calls.and_then(|calls| calls.parse().ok()) {
        return Ok(calls);
    }
    let strace = run_under(&["strace", "-f", "-c", "-U", "calls,name", "--"], messages)?;
    let calls = strace.lines().find_map(|line| line.trim().strip_suffix(" total"));
    match calls.and_then(|calls| calls.trim().parse().ok()) {
        Some(calls) => Ok(calls),
        None => Unavailable::because("needs perf or strace, and the right to use it"),
    }
}

/// What a tool that this program is run under has to say; nothing if there is no such tool.
fn run_under(tool: &[&str], messages: usize) -> Outcome<String> {
    let program = env::current_exe()?.into_os_string();
    let arguments =
        tool.iter().map(OsString::from).chain([program, STREAM_ARGUMENT.into(), messages.to_string().into()]);
    // Finds the tool, and ends without it as if it had nothing to say.
    let output = Command::new("env").args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).output()?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}
