//! A storm passes over in order, and does not if anything is out of order.
//!
//! `LIBMOJO_STORM_SECONDS=n` makes it last longer or shorter.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

/// One storm at a time: they leave nothing to others.
static SKY: Mutex<()> = Mutex::new(());

/// Runs the program. Returns its exit code, and all that it and the processes that it starts have said.
fn run(arguments: &[&str], at_most: Duration) -> (Option<i32>, String) {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_storm"));
    command.args(arguments).stdin(Stdio::null()).stdout(writer.try_clone().unwrap()).stderr(writer);
    let mut process = command.spawn().unwrap();
    // It has the other ends of the pipe.
    drop(command);
    let (said, text) = channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        reader.read_to_end(&mut text).unwrap();
        said.send(String::from_utf8_lossy(&text).into_owned())
    });
    let is_over = text.recv_timeout(at_most);
    if is_over.is_err() {
        // All others end with it.
        process.kill().unwrap();
    }
    let code = process.wait().unwrap().code();
    let text = is_over.or_else(|_| text.recv()).unwrap();
    (code, text)
}

#[test]
fn processes_exchange_everything_in_order_while_some_are_killed_and_nothing_is_left_in_the_others() {
    let _sky = SKY.lock();
    let seconds = std::env::var("LIBMOJO_STORM_SECONDS").unwrap_or("30".into());
    let at_most = Duration::from_secs(seconds.parse::<u64>().unwrap() + 150);
    let (code, text) = run(&["--processes", "32", "--seconds", &seconds], at_most);
    println!("{text}");
    assert_eq!(code, Some(0));
}

#[test]
fn whatever_a_process_does_wrong_is_noticed() {
    let _sky = SKY.lock();
    let faults = [
        ("skip", "instead of"),
        ("repeat", "instead of"),
        ("damage", "is damaged"),
        ("descriptor", "/dev/null"),
        ("port", "left: 2 ports, 0 proxies"),
        ("thread", "threads 2 -> 3"),
        ("mapping", "mappings 0 -> 1"),
    ];
    std::thread::scope(|scope| {
        for (fault, expected) in faults {
            scope.spawn(move || {
                let arguments = ["--processes", "4", "--seconds", "5", "--patience", "10", "--fault", fault];
                let (code, text) = run(&arguments, Duration::from_secs(60));
                assert!(code == Some(1) && text.contains(expected), "{fault}: exit code {code:?}\n{text}");
                assert!(text.contains("again: cargo run --release -p storm -- --seconds 5 --processes 4 --seed"));
            });
        }
    });
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused_and_help_is_given() {
    let at_most = Duration::from_secs(10);
    for arguments in [&["--often"][..], &["--seed"], &["--seed", "x"], &["--processes", "1"], &["--fault", "x"]] {
        let (code, text) = run(arguments, at_most);
        assert!(code == Some(2) && text.contains("--seconds N"), "{arguments:?}: {code:?} {text}");
    }
    let (code, text) = run(&["--help"], at_most);
    assert!(code == Some(0) && text.contains("--seconds N"));
}
