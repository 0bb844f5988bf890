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

fn compile_and_run(name: &str, libraries: &[String]) {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    run(Command::new("gcc")
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-g", "-pthread"])
        .arg("-I")
        .arg(manifest.join("../../include"))
        .arg("-o")
        .arg(&program)
        .arg(manifest.join("tests/c/smoke.c"))
        .args(libraries));
    // Cargo's own search path would come before the one in the program.
    run(Command::new(&program).env_remove("LD_LIBRARY_PATH"));
}

#[test]
fn smoke_with_the_shared_library() {
    let directory = library_directory();
    let directory = directory.display();
    compile_and_run(
        "smoke-shared",
        &[format!("-L{directory}"), "-lmojo_system".to_owned(), format!("-Wl,-rpath,{directory}")],
    );
}

#[test]
fn smoke_with_the_static_library() {
    let library = library_directory().join("libmojo_system.a");
    compile_and_run(
        "smoke-static",
        &[library.display().to_string(), "-lpthread".to_owned(), "-ldl".to_owned(), "-lm".to_owned()],
    );
}
