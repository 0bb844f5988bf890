//! The machine: its processors, and a line about it.

use crate::outcome::{Outcome, Unavailable};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::{Deserialize, Serialize};
use std::fs;

/// Where the two sides of a measurement run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Placement {
    /// Each on a core of its own.
    Cross,
    /// Both on one.
    Same,
}

/// The processors of the two sides.
#[derive(Clone, Copy, Debug)]
pub struct Cpus {
    pub here: usize,
    pub there: usize,
}

impl Cpus {
    /// Chooses them, and pins this thread and all that it starts to its one.
    pub fn pin(placement: Placement) -> Outcome<Cpus> {
        let allowed = sched_getaffinity(None)?;
        let mut cpus = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
        let here = cpus.next().ok_or("no processor to run on")?;
        let there = match placement {
            Placement::Cross => match cpus.next() {
                Some(cpu) => cpu,
                None => return Unavailable::because("needs two processors"),
            },
            Placement::Same => here,
        };
        pin(here)?;
        Ok(Cpus { here, there })
    }
}

/// Pins this thread and all that it starts.
pub fn pin(cpu: usize) -> Outcome<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    Ok(sched_setaffinity(None, &set)?)
}

/// Lets this process have as many descriptors as it may.
pub fn raise_descriptor_limit() -> Outcome<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// What measures, in one line.
pub fn describe() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned())
    };
    let system = rustix::system::uname();
    let architecture = system.machine().to_string_lossy().into_owned();
    let model = field("model name").map(|name| format!("{name}, ")).unwrap_or_default();
    let is_virtual = field("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
    let kind = if is_virtual { " (virtual)" } else { "" };
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let release = system.release().to_string_lossy().into_owned();
    format!("{model}{architecture}{kind}, {cpus} processors, Linux {release}, load {load} at the start")
}
