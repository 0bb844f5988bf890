//! Modules that are linked with the thunks library alone use the API through a table that their host gives them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{gcc, run, run_program, shared_library, workspace};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

fn source(name: &str) -> PathBuf {
    workspace().join("crates/c/tests/c/thunks").join(name)
}

/// A place for what is built here.
fn built(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("thunks").join(name)
}

/// The thunks library, built by the makefile with the flags of today.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        run(Command::new("make")
            .arg("-C")
            .arg(workspace())
            .args(["--always-make", "thunks"])
            .arg(format!("TARGET_DIR={}", built("").display())));
        built("libmojo_system_thunks.a")
    })
}

fn module(name: &str) -> PathBuf {
    let module = built(name).with_extension("so");
    run(gcc()
        .args(["-shared", "-fPIC", "-fvisibility=hidden", "-Wl,-z,defs", "-o"])
        .arg(&module)
        .arg(source(name).with_extension("c"))
        .arg(library()));
    module
}

#[test]
fn each_function_reaches_the_entry_of_its_name() {
    let (program, library) = (built("stubs"), library());
    run(gcc().arg("-o").arg(&program).arg(source("stubs.c")).arg(library));
    run_program(&program, &[]);
}

#[test]
fn modules_talk_by_means_of_the_library_of_their_host() {
    let modules = [module("sender"), module("receiver")];
    for module in &modules {
        let mut list = Command::new("nm");
        let exported = run(list.args(["--dynamic", "--defined-only", "--format=just-symbols"]).arg(module));
        assert_eq!(exported.split_whitespace().collect::<Vec<_>>(), ["MojoSetSystemThunks", "run_module"]);
        let dynamic = run(Command::new("readelf").arg("--dynamic").arg(module));
        assert!(!dynamic.contains("libmojo_system"), "{dynamic}");
    }
    let host = built("host");
    run(gcc().arg("-o").arg(&host).arg(source("host.c")).args(shared_library()).arg("-ldl"));
    run_program(&host, &modules);
}
