//! What libmojo does in which time, and what its peers do, measured side by side.
//!
//! This program is several: what the user starts takes samples in turns and reports them (`runner`, `report`); each
//! sample is a process of its own, started as `libmojo-bench sample`, so that it inherits nothing from the others and
//! can be killed if it hangs; and that starts the other process of a measurement, as `libmojo-bench peer`.
//!
//! | module | what it holds |
//! |---|---|
//! | `row`, `groups` | what is measured |
//! | `wire`, `traffic`, `meter` | how: ways for messages, what is done with them, the clock |
//! | `contenders` | libmojo through its two faces, and its peers |
//! | `process`, `peer` | the other process |
//! | `runner`, `report`, `statistics` | samples, and what becomes of them |
#![deny(unsafe_code)]

mod allocator;
mod c_api;
mod cli;
mod contenders;
mod groups;
mod machine;
mod meter;
mod outcome;
mod peer;
mod plan;
mod process;
mod report;
mod row;
mod runner;
mod shared_memory;
mod statistics;
mod traffic;
mod wire;

use clap::Parser;
use cli::Options;
use outcome::{Outcome, Unavailable};
use plan::Plan;
use std::env;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args_os().skip(1).map(|argument| argument.to_string_lossy().into()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        [process::PEER_ARGUMENT, setup] => peer::run(setup).map(|()| true),
        [runner::SAMPLE_ARGUMENT, speed, experiment, contender] => {
            runner::serve_sample(speed, experiment, contender).map(|()| true)
        }
        [groups::STREAM_ARGUMENT, messages] => stream(messages).map(|()| true),
        _ => bench(&Options::parse()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("libmojo-bench: {error}");
            if error.is::<Unavailable>() { ExitCode::from(runner::EXIT_UNAVAILABLE) } else { ExitCode::FAILURE }
        }
    }
}

fn stream(messages: &str) -> Outcome<()> {
    process::end_with_parent()?;
    groups::stream(messages.parse()?)
}

/// False if there was something that libmojo could not do at all.
fn bench(options: &Options) -> Outcome<bool> {
    let plan = Plan { quick: options.quick };
    let experiments = runner::select(groups::all(plan), options.filter.as_deref());
    if options.list {
        report::list(&experiments);
        return Ok(true);
    }
    if experiments.is_empty() {
        return Err("no row has that in its name (see --list)".into());
    }
    let repetitions = options.repetitions.map_or(plan.repetitions(), usize::from);
    let report = runner::run(&experiments, plan, repetitions)?;
    report.write(options)?;
    Ok(report.is_complete())
}
