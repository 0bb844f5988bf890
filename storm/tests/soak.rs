//! A soak in little. `LIBMOJO_SOAK_SECONDS=n` makes it last longer or shorter.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::process::Command;

fn soak(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_soak")).args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn fifty_processes_with_ten_thousand_pipes_need_no_more_in_the_end_than_at_first() {
    let seconds = std::env::var("LIBMOJO_SOAK_SECONDS").unwrap_or("30".into());
    let (code, text) = soak(&["--seconds", &seconds]);
    println!("{text}");
    assert_eq!(code, Some(0));
    assert!(text.contains("50 processes, 10000 pipes"));
}

#[test]
fn help_is_given_and_nonsense_is_refused() {
    let (code, text) = soak(&["--help"]);
    assert!(code == Some(0) && text.contains("--pipes N"));
    for arguments in [&["--seed"][..], &["--pipes", "x"], &["--pipes", "1"], &["--often"]] {
        assert_eq!(soak(arguments).0, Some(2), "{arguments:?}");
    }
}
