//! Programs in plain C, linked with either form of the library, do all that the API promises.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{build, gcc, has, has_program, library_directory, run, run_program, shared_library, workspace};
use libmojo::{Invitation, Message};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;

fn built(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn compile(source: &str, name: &str, flags: &[String]) {
    build(gcc().arg(workspace().join("crates/c/tests/c").join(source)).args(flags), &built(name));
}

fn compile_and_run(source: &str, name: &str, flags: &[String]) {
    compile(source, name, flags);
    run_program(&built(name), &[]);
}

#[test]
fn smoke_with_the_shared_library() {
    compile_and_run("smoke.c", "smoke-shared", &shared_library());
}

#[test]
fn smoke_with_the_static_library() {
    let library = library_directory().join("libmojo_system.a");
    let libraries = [library.display().to_string(), "-lpthread".to_owned(), "-ldl".to_owned(), "-lm".to_owned()];
    compile_and_run("smoke.c", "smoke-static", &libraries);
}

/// It also sees what the library does to the heap, and what is lost there.
#[test]
fn smoke_under_the_address_sanitizer() {
    let sanitize = "-fsanitize=address";
    let mut probe = Command::new("gcc");
    probe.args([sanitize, "-shared", "-x", "c", "/dev/null", "-o"]).arg(built("sanitizer.so"));
    if has("gcc's address sanitizer", &mut probe) {
        compile_and_run("smoke.c", "smoke-sanitized", &[shared_library().as_slice(), &[sanitize.to_owned()]].concat());
    }
}

#[test]
fn waiting() {
    compile_and_run("wait.c", "wait", &shared_library());
}

#[test]
fn both_generations_share_one_core() {
    let flags =
        ["-std=gnu11", "-Wno-pedantic", "-Wno-cast-function-type", "-Wno-unused-function", "-ldl"].map(str::to_owned);
    compile_and_run("generations.c", "generations", &[shared_library().as_slice(), &flags].concat());
}

#[test]
fn what_the_embedder_decides() {
    compile_and_run("embedder.c", "embedder", &shared_library());
}

#[test]
fn forking() {
    compile("fork.c", "fork", &shared_library());
    // To a sanitizer, what only a thread of the parent refers to is lost in its children.
    let options = std::env::var("ASAN_OPTIONS").unwrap_or_default() + ":detect_leaks=0";
    run(Command::new(built("fork")).env_remove("LD_LIBRARY_PATH").env("ASAN_OPTIONS", options));
}

// ---- processes that are started with an invitation -------------------------------------------------------

/// A program that answers one message with the same.
fn inherited() -> PathBuf {
    static COMPILED: Once = Once::new();
    COMPILED.call_once(|| compile("inherited.c", "inherited", &shared_library()));
    built("inherited")
}

fn hello() -> Command {
    let mut command = Command::new("python3");
    command.arg(workspace().join("examples/python/hello.py")).arg(library_directory().join("libmojo_system.so"));
    command.env_remove("LD_LIBRARY_PATH");
    command
}

fn expect_answer(command: &mut Command) {
    let invitation = Invitation::new();
    let pipe = invitation.attach(b"main").unwrap();
    let (mut child, _) = invitation.spawn(command.env_remove("LD_LIBRARY_PATH")).unwrap();
    pipe.send(Message::from("back and forth")).unwrap();
    assert_eq!(pipe.recv().unwrap().payload(), b"back and forth");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_program_finds_the_invitation_that_it_was_started_with() {
    expect_answer(&mut Command::new(inherited()));
}

#[test]
fn a_script_hands_the_invitation_on() {
    // What it starts before does not get the socket.
    let script = "number=${LIBMOJO_INVITATION%%:*}
        eval \"ls -l /proc/self/fd/ $number<&-\" 2>&1 | grep -q socket: && exit 1
        exec \"$0\"";
    expect_answer(Command::new("sh").args(["-c", script]).arg(inherited()).stderr(Stdio::null()));
    expect_answer(Command::new("sh").args(["-c", "exec \"$0\""]).arg(inherited()));
}

#[test]
fn programs_in_another_language_start_processes_and_are_started() {
    // An interpreter loads no library that is built for a sanitizer.
    let is_sanitized = std::env::var("CFLAGS").is_ok_and(|flags| flags.contains("-fsanitize"));
    if !is_sanitized && has_program("python3") {
        assert_eq!(run(&mut hello()), "hello\n");
        assert_eq!(run(hello().arg(inherited())), "hello\n");
        expect_answer(&mut hello());
    }
}

#[test]
fn the_code_in_the_document_is_that_of_the_program() {
    let document = std::fs::read_to_string(workspace().join("docs/processes.md")).unwrap();
    let program = std::fs::read_to_string(workspace().join("crates/c/tests/c/inherited.c")).unwrap();
    let (_, code) = document.split_once("```c\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    assert!(program.contains(code));
}
