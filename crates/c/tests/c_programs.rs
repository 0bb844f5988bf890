//! Programs in plain C, linked with either form of the library, do all that the API promises.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{gcc, has, library_directory, run, run_program, shared_library, workspace};
use libmojo::{Invitation, Message};
use std::path::{Path, PathBuf};
use std::process::Command;

fn built(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn compile(source: &str, name: &str, flags: &[String]) {
    run(gcc().arg("-o").arg(built(name)).arg(workspace().join("crates/c/tests/c").join(source)).args(flags));
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
fn what_the_embedder_decides() {
    compile_and_run("embedder.c", "embedder", &shared_library());
}

#[test]
fn forking() {
    compile_and_run("fork.c", "fork", &shared_library());
}

#[test]
fn a_program_finds_the_invitation_that_it_was_started_with() {
    compile("inherited.c", "inherited", &shared_library());
    let invitation = Invitation::new();
    let pipe = invitation.attach(b"main").unwrap();
    let (mut child, _) = invitation.spawn(Command::new(built("inherited")).env_remove("LD_LIBRARY_PATH")).unwrap();
    pipe.send(Message::from("back and forth")).unwrap();
    assert_eq!(pipe.recv().unwrap().payload(), b"back and forth");
    assert!(child.wait().unwrap().success());
}
