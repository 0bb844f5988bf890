//! A program in plain C, linked with either form of the library, does all that the API promises.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where cargo puts the library that belongs to this test.
fn library_directory() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_owned()
}

/// Runs a command to its end, which must be a good one.
fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn compile_and_run(source: &str, name: &str, libraries: &[String]) {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    run(Command::new("gcc")
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-g", "-pthread"])
        .arg("-I")
        .arg(manifest.join("../../include"))
        .arg("-o")
        .arg(&program)
        .arg(manifest.join("tests/c").join(source))
        .args(libraries));
    // Cargo's own search path would come before the one in the program.
    run(Command::new(&program).env_remove("LD_LIBRARY_PATH"));
}

fn with_the_shared_library(source: &str, name: &str) {
    let directory = library_directory();
    let directory = directory.display();
    let libraries = [format!("-L{directory}"), "-lmojo_system".to_owned(), format!("-Wl,-rpath,{directory}")];
    compile_and_run(source, name, &libraries);
}

#[test]
fn smoke_with_the_shared_library() {
    with_the_shared_library("smoke.c", "smoke-shared");
}

#[test]
fn smoke_with_the_static_library() {
    let library = library_directory().join("libmojo_system.a");
    let libraries = [library.display().to_string(), "-lpthread".to_owned(), "-ldl".to_owned(), "-lm".to_owned()];
    compile_and_run("smoke.c", "smoke-static", &libraries);
}

#[test]
fn waiting() {
    with_the_shared_library("wait.c", "wait");
}
