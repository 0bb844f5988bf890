//! The tests that the documents name are there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All files below a directory with a name that ends so.
fn files(directory: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with(".git") {
            files(&path, ending, found);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
}

/// What stands between backquotes, outside of examples.
fn quoted(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|part| part.split('`').skip(1).step_by(2)).collect()
}

/// True of names that only tests have.
fn is_sentence(name: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    name.split('_').count() > 5 && name.split('_').all(is_word)
}

/// True if a file has the function, and the names before it are those of the file and of the directories it is in.
fn has(path: &Path, text: &str, name: &str) -> bool {
    let mut names: Vec<&str> = name.split("::").collect();
    let function = names.pop().unwrap();
    let path = path.with_extension("");
    let place = if path.ends_with("main") || path.ends_with("mod") { path.parent().unwrap() } else { &path };
    let place: PathBuf = place.iter().filter(|part| *part != "tests" && *part != "src").collect();
    let is_there = names.is_empty() || place.ends_with(names.join("/"));
    is_there && (text.contains(&format!("fn {function}(")) || text.contains(&format!("fn {function}<")))
}

#[test]
fn every_test_that_a_document_names_is_there() {
    let (mut documents, mut sources) = (Vec::new(), Vec::new());
    files(&root().join("docs"), ".md", &mut documents);
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"] {
        documents.push(root().join(name));
    }
    for directory in ["crates", "hardening", "storm"] {
        files(&root().join(directory), ".rs", &mut sources);
    }
    let sources: Vec<(PathBuf, String)> =
        sources.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect();
    let (mut missing, mut num_names) = (Vec::new(), 0);
    for document in documents {
        let text = std::fs::read_to_string(&document).unwrap();
        for name in quoted(&text) {
            let function = name.rsplit("::").next().unwrap();
            if !is_sentence(function) {
                continue;
            }
            num_names += 1;
            if !sources.iter().any(|(path, text)| has(path, text, name)) {
                missing.push(format!("{}: {name}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(num_names > 60, "{num_names} names");
}

#[test]
fn every_file_of_tests_that_a_document_names_is_there() {
    let mut missing = Vec::new();
    for document in ["docs/guarantees.md", "docs/threat-model.md"] {
        let text = std::fs::read_to_string(root().join(document)).unwrap();
        for name in quoted(&text).into_iter().filter(|name| name.ends_with(".rs") || name.ends_with('/')) {
            let places = ["crates/libmojo/tests", "crates", "hardening", ""];
            if !places.iter().any(|place| root().join(place).join(name).exists()) {
                missing.push(format!("{document}: {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
