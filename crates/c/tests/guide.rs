//! The guide to the C API: its programs do and print what they promise, and its document quotes them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{gcc, run, shared_library, workspace};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn directory() -> PathBuf {
    workspace().join("examples/c/guide")
}

/// The files of the guide that have this extension: their contents by their names without it.
fn files(extension: &str) -> BTreeMap<String, String> {
    let paths = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|it| it == extension))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
        .collect()
}

fn document() -> String {
    fs::read_to_string(workspace().join("docs/c-guide.md")).unwrap()
}

/// The fenced blocks of a document: the language of each, and its text.
fn blocks(document: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((language, text.join("\n")));
        }
    }
    blocks
}

/// Whole lines, without their indentation, so that those of a block can be found among those of a program.
fn unindented(text: &str) -> String {
    text.lines().fold("\n".to_owned(), |lines, line| lines + line.trim_start() + "\n")
}

#[test]
fn every_program_prints_what_is_expected_of_it() {
    for (name, expected) in files("expected") {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("guide-{name}"));
        run(gcc().arg("-o").arg(&program).arg(directory().join(format!("{name}.c"))).args(shared_library()));
        // Cargo's own search path would come before the one in the program.
        let printed = run(Command::new("timeout").arg("60").arg(&program).env_remove("LD_LIBRARY_PATH"));
        assert_eq!(printed, expected, "{name} prints something else");
    }
}

#[test]
fn there_is_an_expected_output_for_every_program_and_for_nothing_else() {
    let programs = files("c");
    assert!(!programs.is_empty());
    assert_eq!(Vec::from_iter(programs.keys()), Vec::from_iter(files("expected").keys()));
}

#[test]
fn the_document_quotes_only_what_programs_contain_and_print() {
    let programs: Vec<_> = files("c").values().map(|program| unindented(program)).collect();
    let outputs: Vec<_> = files("expected").values().map(|output| unindented(output)).collect();
    for (language, block) in blocks(&document()) {
        let sources = match language {
            "c" => &programs,
            "text" => &outputs,
            "sh" => continue,
            _ => panic!("a block in {language:?}:\n{block}"),
        };
        let block = unindented(&block);
        assert!(sources.iter().any(|source| source.contains(&block)), "found nowhere:{block}");
    }
}

#[test]
fn the_document_links_and_quotes_every_program() {
    let document = document();
    let blocks: Vec<_> = blocks(&document).into_iter().map(|(_, block)| unindented(&block)).collect();
    for (name, program) in files("c") {
        assert!(document.contains(&format!("(../examples/c/guide/{name}.c)")), "{name} is not linked");
        let program = unindented(&program);
        assert!(blocks.iter().any(|block| program.contains(block)), "{name} is not quoted");
    }
}
