//! The examples, as tests find them.

use std::process::Command;

/// Cargo builds the examples whenever it runs all tests, next to the directory of the tests themselves.
pub fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(program.exists(), "{} is missing: cargo build --examples", program.display());
    Command::new(program)
}
