//! Programs of the later generation, which load the library by themselves, find all that they were promised.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where cargo puts the library that belongs to this test.
fn library() -> PathBuf {
    std::env::current_exe().unwrap().with_file_name("libmojo_core.so")
}

fn run(command: &mut Command) -> String {
    let output = command.env_remove("LD_LIBRARY_PATH").output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{printed}{errors}", output.status);
    printed
}

/// Compiles a program for one width of handles and one size of the table. Each has a name of its own.
fn compile(source: &str, handle: &str, size: u32) -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{source}-{handle}-{size}"));
    let unfinished = program.with_extension(std::process::id().to_string());
    let flags = std::env::var("CFLAGS").unwrap_or_default();
    run(Command::new("gcc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-g", "-pthread"])
        .args(flags.split_whitespace())
        .args([format!("-DHANDLE={handle}"), format!("-DSIZE={size}")])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c").join(source).with_extension("c"))
        .arg("-o")
        .arg(&unfinished)
        .arg("-ldl"));
    std::fs::rename(unfinished, &program).unwrap();
    program
}

fn run_with(source: &str, handle: &str, size: u32) {
    run(Command::new(compile(source, handle, size)).arg(library()));
}

#[test]
fn one_process_by_itself_with_the_narrow_table_of_the_first_programs() {
    run_with("local", "uint32_t", 352);
}

#[test]
fn one_process_by_itself_with_the_narrow_table_and_a_shutdown() {
    run_with("local", "uint32_t", 360);
}

#[test]
fn one_process_by_itself_with_the_whole_narrow_table() {
    run_with("local", "uint32_t", 376);
}

#[test]
fn one_process_by_itself_with_the_wide_table_of_some_time_ago() {
    run_with("local", "uintptr_t", 368);
}

#[test]
fn one_process_by_itself_with_the_whole_wide_table() {
    run_with("local", "uintptr_t", 376);
}

#[test]
fn the_library_exports_what_hands_out_the_tables_and_nothing_else() {
    let names = run(Command::new("nm").args(["--dynamic", "--defined-only", "--format=just-symbols"]).arg(library()));
    let expected = [
        "MojoEmbedderGetSystemThunks2",
        "MojoEmbedderGetSystemThunks32",
        "MojoGetSystemThunks",
        "MojoGetSystemThunks2",
        "MojoGetSystemThunks32",
    ];
    assert_eq!(names.split_whitespace().collect::<Vec<_>>(), expected);
    let dynamic = run(Command::new("readelf").arg("--dynamic").arg(library()).env("LC_ALL", "C"));
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
}

/// Another library with the same contents, which is another core.
fn second_library(name: &str) -> PathBuf {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.so", std::process::id()));
    std::fs::copy(library(), &copy).unwrap();
    copy
}

fn run_remote(handle: &str, size: u32) {
    let second = second_library(&format!("second-{handle}-{size}"));
    run(Command::new(compile("remote", handle, size)).arg(library()).arg(&second));
    std::fs::remove_file(second).unwrap();
}

#[test]
fn several_processes_and_two_cores_in_one_with_the_narrow_table_of_the_first_programs() {
    run_remote("uint32_t", 352);
}

#[test]
fn several_processes_and_two_cores_in_one_with_the_whole_wide_table() {
    run_remote("uintptr_t", 376);
}

#[test]
fn a_program_gets_as_much_of_the_table_as_it_knows() {
    run_with("sizes", "uintptr_t", 376);
}
