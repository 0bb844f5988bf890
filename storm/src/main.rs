//! Many processes exchange pipes, data pipes, buffers and descriptors at random, some of them are killed, and every one
//! checks what it gets: the order of messages, that each comes exactly once, all contents, and in the end that
//! nothing is left.
//!
//! The first process is the controller. It starts the others, the actors, by invitations, and has them start each
//! other, several deep. All that happens is the actors' doing, by chance; the controller only kills.
// A test: a panic is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![forbid(unsafe_code)]

mod actor;
mod controller;
mod crew;
mod fault;
mod flow;
mod leaks;
mod letter;
mod options;
mod pattern;
mod stream;
mod tally;
mod worker;

use options::{Options, Start};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match options::parse(&arguments) {
        Ok(Start::Actor(part)) => actor::play(part),
        Ok(Start::Controller(options)) => storm(&options),
        Ok(Start::Help) => {
            print!("{}", options::HELP);
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprint!("{text}\n\n{}", options::HELP);
            ExitCode::from(2)
        }
    }
}

fn storm(options: &Options) -> ExitCode {
    println!("{}", options.command());
    match controller::run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            println!("FAILED: {text}");
            println!("again: {}", options.command());
            ExitCode::FAILURE
        }
    }
}
