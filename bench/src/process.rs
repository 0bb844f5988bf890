//! The other process: how it is told what to do, started, looked at and ended.

use crate::outcome::{Outcome, Unavailable};
use crate::traffic::Stream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};
use std::fs;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How this program is started as the other process of a measurement.
pub const PEER_ARGUMENT: &str = "peer";

/// What the other process is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    pub carrier: CarrierKind,
    pub job: Job,
    pub cpu: usize,
    pub stream: Stream,
    pub cargo: Cargo,
    /// Where to find this one, for carriers that need it.
    pub address: String,
}

/// How the processes are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CarrierKind {
    Mojo,
    MojoOnTokio,
    Futex,
    Eventfd,
    SocketPair,
    IpcChannel,
    IpcChannelTyped,
    IceoryxPolling,
    IceoryxEvents,
    TokioUnix,
}

/// What to do with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Job {
    Echo,
    Sink,
    /// Writes a byte to its standard output, and nothing else.
    Hello,
    /// Echoes out of the callback of a watcher, through the C API.
    EchoInC,
    /// Reads a data pipe to its end.
    Drain {
        two_phase: bool,
    },
    /// Reads its standard input to its end.
    DrainInput,
    /// Passes on what it gets.
    Relay,
    /// Echoes by turns on two pipes.
    EchoByTurns,
    /// Echoes, and streams or tells its size if it is asked to.
    Census {
        burst_bytes: usize,
    },
    /// Echoes on one pipe and receives a stream on another, on one thread or on two.
    Serve {
        threads: bool,
    },
}

/// What is attached to every message of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cargo {
    Nothing,
    /// So many ends of new pipes.
    Ends(usize),
    /// So many descriptors.
    Descriptors(usize),
    /// So many duplicates of a shared buffer.
    Buffers(usize),
}

impl Setup {
    pub fn new(carrier: CarrierKind, job: Job, cpu: usize, stream: Stream) -> Self {
        Self { carrier, job, cpu, stream, cargo: Cargo::Nothing, address: String::new() }
    }

    /// The command that starts the other process, with nothing for standard input and output.
    pub fn command(&self) -> Outcome<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(PEER_ARGUMENT).arg(serde_json::to_string(self)?).stdin(Stdio::null()).stdout(Stdio::null());
        Ok(command)
    }
}

/// The other process. It is not left behind, whatever happens.
pub struct Other(Child);

impl Other {
    pub fn new(child: Child) -> Self {
        Self(child)
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Waits until it has ended by itself.
    pub fn end(mut self) -> Outcome<()> {
        match wait(&mut self.0, Duration::from_secs(10))? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("the other process: {status}").into()),
            None => Err("the other process does not end".into()),
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // Nothing happens if it has ended and was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for the end of a process, but not for longer than `patience`.
pub fn wait(child: &mut Child, patience: Duration) -> Outcome<Option<ExitStatus>> {
    let descriptor = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let mut descriptors = [PollFd::new(&descriptor, PollFlags::IN)];
    poll(&mut descriptors, Some(&Timespec::try_from(patience)?))?;
    Ok(child.try_wait()?)
}

/// Makes this process end with the one that has started it.
pub fn end_with_parent() -> Outcome<()> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Memory that a process has for itself, and its part of what it shares with others, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    pub own: f64,
    pub shared: f64,
}

impl Memory {
    pub fn of_this_process() -> Outcome<Memory> {
        let text = fs::read_to_string("/proc/self/smaps_rollup")?;
        let field = |name: &str| -> Outcome<f64> {
            let Some(line) = text.lines().find_map(|line| line.strip_prefix(name)) else {
                return Unavailable::because("this system does not tell");
            };
            let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
            Ok(kibibytes * 1024.0)
        };
        Ok(Memory { own: field("Pss_Anon:")?, shared: field("Pss_Shmem:")? })
    }

    pub fn all(self) -> f64 {
        self.own + self.shared
    }

    pub fn since(self, earlier: Memory) -> Memory {
        Memory { own: self.own - earlier.own, shared: self.shared - earlier.shared }
    }
}

/// How many descriptors this process has open.
pub fn num_descriptors() -> Outcome<usize> {
    Ok(fs::read_dir("/proc/self/fd")?.count())
}

/// How often the threads of a process have been switched away from, all except the one with this id.
pub fn context_switches(process: u32, except: Option<u32>) -> Outcome<u64> {
    let mut switches = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let thread = thread?;
        if except.is_some_and(|except| *thread.file_name() == *except.to_string()) {
            continue;
        }
        let status = fs::read_to_string(thread.path().join("status"))?;
        for line in status.lines().filter(|line| line.contains("ctxt_switches:")) {
            let number = line.rsplit('\t').next().unwrap_or_default();
            switches += number.parse::<u64>()?;
        }
    }
    Ok(switches)
}
