//! What the tests of the C library have in common: where things are, and how other programs are run.
#![allow(dead_code)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// The root of this repository.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Where cargo puts the library that belongs to this test.
pub fn library_directory() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_owned()
}

/// Runs a command to its end, which must be a good one, and returns what it printed.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{printed}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

/// Runs a program with the libraries that it finds by itself.
pub fn run_program(program: &Path, arguments: &[PathBuf]) {
    // Cargo's own search path would come before the one in the program.
    run(Command::new(program).args(arguments).env_remove("LD_LIBRARY_PATH"));
}

/// The C compiler, strict, with the flags in CFLAGS.
pub fn gcc() -> Command {
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-g", "-pthread"])
        .args(std::env::var("CFLAGS").unwrap_or_default().split_whitespace())
        .arg("-I")
        .arg(workspace().join("include"));
    gcc
}

/// Has a compiler make a program, which others may be making, or running, under the same name: each sees a whole one.
pub fn build(compiler: &mut Command, program: &Path) {
    static NUM_BUILT: AtomicU32 = AtomicU32::new(0);
    let number = NUM_BUILT.fetch_add(1, Ordering::Relaxed);
    let unfinished = program.with_extension(format!("{}-{number}", std::process::id()));
    run(compiler.arg("-o").arg(&unfinished));
    std::fs::rename(unfinished, program).unwrap();
}

/// What the linker needs to link with the shared library that belongs to this test.
pub fn shared_library() -> [String; 3] {
    let directory = library_directory();
    let directory = directory.display();
    [format!("-L{directory}"), "-lmojo_system".to_owned(), format!("-Wl,-rpath,{directory}")]
}

/// Whether there is a tool that a test cannot do without; if LIBMOJO_REQUIRE_TOOLS is set, it must be.
pub fn has(tool: &str, probe: &mut Command) -> bool {
    let is_there = probe.output().is_ok_and(|output| output.status.success());
    if !is_there {
        assert!(std::env::var_os("LIBMOJO_REQUIRE_TOOLS").is_none(), "{tool} is missing");
        // Past the test harness, which shows only what failing tests print.
        let _ = writeln!(std::io::stderr(), "{tool} is missing: what needs it is not tested");
    }
    is_there
}

/// The same for a program.
pub fn has_program(program: &str) -> bool {
    has(program, Command::new(program).arg("--version"))
}
