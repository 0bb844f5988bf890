//! The program says what it should.
#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
fn rust_and_c_share_one_engine() {
    let output = Command::new(env!("CARGO_BIN_EXE_rust-and-c")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let expected = "KEEP THIS FOR A MOMENT\nstill connected\nGOOD MORNING, C\n2 answers\npoured by C, drunk by Rust\n";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}
