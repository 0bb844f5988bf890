//! The C headers compile without a warning, alone and together, in every supported language and version, and keep
//! their promises about layouts, values and prototypes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{has_program, workspace};
use std::io::Write;
use std::process::{Command, Output, Stdio};

const HEADERS: [&str; 15] = [
    "buffer.h",
    "core.h",
    "data_pipe.h",
    "embedder.h",
    "functions.h",
    "invitation.h",
    "macros.h",
    "message_pipe.h",
    "platform_handle.h",
    "quota.h",
    "system_export.h",
    "thunks.h",
    "types.h",
    "wait.h",
    "watcher.h",
];

/// One way of compiling: program, language, version.
#[derive(Clone, Copy, Debug)]
struct Dialect {
    program: &'static str,
    language: &'static str,
    standard: &'static str,
}

/// GCC in all versions, and Clang too where it is installed.
fn dialects() -> Vec<Dialect> {
    let mut dialects = Vec::new();
    for (c, cxx) in [("gcc", "g++"), ("clang", "clang++")] {
        if c == "clang" && !has_program(c) {
            continue;
        }
        for standard in ["c99", "c11", "c17"] {
            dialects.push(Dialect { program: c, language: "c", standard });
        }
        for standard in ["c++11", "c++17", "c++20"] {
            dialects.push(Dialect { program: cxx, language: "c++", standard });
        }
    }
    dialects
}

impl Dialect {
    fn compile(self, source: &str) -> Output {
        let mut compiler = Command::new(self.program)
            .args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"])
            .arg(format!("-std={}", self.standard))
            .arg(format!("-I{}", workspace().join("include").display()))
            .args(["-x", self.language, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program));
        compiler.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
        compiler.wait_with_output().unwrap()
    }

    fn accepts(self, source: &str) {
        let output = self.compile(source);
        assert!(
            output.status.success(),
            "{self:?} refuses\n{source}\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn refuses(self, source: &str, complaint: &str) {
        let output = self.compile(source);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{self:?} accepts\n{source}");
        assert!(said.contains(complaint), "{self:?} refuses\n{source}\nfor another reason: {said}");
    }
}

fn include<'a>(headers: impl Iterator<Item = &'a &'a str>) -> String {
    headers.map(|header| format!("#include \"mojo/public/c/system/{header}\"\n")).collect()
}

/// A source must not be empty, but some headers only have macros.
fn non_empty(source: String) -> String {
    source + "typedef int something;\n"
}

#[test]
fn the_list_of_headers_is_complete() {
    let directory = workspace().join("include/mojo/public/c/system");
    let mut found: Vec<String> =
        directory.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    assert_eq!(found, HEADERS);
}

#[test]
fn each_header_compiles_alone_and_twice() {
    for dialect in dialects() {
        for header in &HEADERS {
            dialect.accepts(&non_empty(include([header, header].into_iter())));
        }
    }
}

#[test]
fn all_headers_compile_together_in_any_order() {
    for dialect in dialects() {
        dialect.accepts(&include(HEADERS.iter()));
        dialect.accepts(&include(HEADERS.iter().rev()));
    }
}

#[test]
fn layouts_values_and_prototypes_are_as_promised() {
    let source = std::fs::read_to_string(workspace().join("crates/c/tests/c/layout.c")).unwrap();
    for dialect in dialects() {
        dialect.accepts(&source);
    }
}

#[test]
fn the_thunks_library_compiles_like_the_headers() {
    let source = std::fs::read_to_string(workspace().join("crates/c/thunks/thunks.c")).unwrap();
    for dialect in dialects() {
        dialect.accepts(&source);
    }
}

#[test]
fn a_static_assertion_that_does_not_hold_is_refused() {
    let include = include(["macros.h"].iter());
    for dialect in dialects() {
        dialect.refuses(&format!("{include}MOJO_STATIC_ASSERT(1 + 1 == 3, \"no such sum\");\n"), "no such sum");
    }
}

#[test]
fn a_context_is_attached_with_three_or_four_arguments_only() {
    let include = include(["core.h"].iter());
    for dialect in dialects() {
        for (arguments, accepted) in
            [("1, 1", false), ("1, 1, 0", true), ("1, 1, 0, 0", true), ("1, 1, 0, 0, 0", false)]
        {
            let source = format!(
                "{include}MojoResult f(void);\nMojoResult f(void) {{ return MojoAttachMessageContext({arguments}); }}\n"
            );
            if accepted {
                dialect.accepts(&source);
            } else {
                dialect.refuses(&source, "error");
            }
        }
    }
}
