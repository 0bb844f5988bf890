//! The catalogue in README.md: it has every behaviour, and what it says of the tests is true.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

/// The behaviours that there are, by section.
const SECTIONS: [(&str, RangeInclusive<u32>); 19] = [
    ("H", 1..=4),
    ("C", 1..=6),
    ("V", 1..=9),
    ("P", 1..=19),
    ("F", 1..=8),
    ("M", 1..=28),
    ("MX", 1..=6),
    ("W", 1..=34),
    ("S", 1..=5),
    ("D", 1..=23),
    ("DX", 1..=5),
    ("B", 1..=12),
    ("BX", 1..=9),
    ("PH", 10..=17),
    ("X", 1..=18),
    ("E", 1..=13),
    ("R", 1..=13),
    ("T", 1..=2),
    ("Q", 1..=5),
];

struct Row {
    id: String,
    /// Suites with names of tests.
    tests: Vec<(String, String)>,
    /// Where these run, or why there are none.
    place: String,
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(directory().join("README.md")).unwrap();
    let (_, catalogue) = text.split_once("# The catalogue\n").unwrap();
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let lines = catalogue.lines().filter(|line| line.starts_with('|'));
    let lines = lines.filter(|line| !line.starts_with("|---") && !line.starts_with("| id |"));
    lines
        .map(|line| {
            let cells = cells(line);
            let ["", id, behaviour, tests, place, ""] = &cells.iter().map(String::as_str).collect::<Vec<_>>()[..]
            else {
                panic!("not a row of four cells: {line}")
            };
            assert!(!behaviour.is_empty(), "{id} does not say what it is");
            let names = tests.split_whitespace().filter(|name| *name != "–").map(|name| {
                let name = name.strip_prefix('`').and_then(|name| name.strip_suffix('`'));
                let (suite, test) =
                    name.and_then(|name| name.split_once("::")).unwrap_or_else(|| panic!("{id}: {tests}"));
                (suite.to_owned(), test.to_owned())
            });
            Row { id: (*id).to_owned(), tests: names.collect(), place: (*place).to_owned() }
        })
        .collect()
}

fn directory() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests"))
}

/// Where a suite's tests run, apart from what each of them says itself; and its source.
fn suite(name: &str) -> (&'static str, String) {
    let is_elsewhere = name.contains("/tests/") || name.contains("/src/");
    let place = match name {
        _ if name.starts_with("c/") => "C",
        _ if is_elsewhere => "part",
        _ if name.starts_with("processes/") => "processes",
        _ => "once",
    };
    let directory = if is_elsewhere { directory().join("../..") } else { directory().to_owned() };
    let path = directory.join(if name.ends_with(".c") { name.to_owned() } else { format!("{name}.rs") });
    (place, fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// Where a test runs; `None` if there is none of that name.
fn place_of(suite: &(&'static str, String), test: &str) -> Option<&'static str> {
    let (place, source) = suite;
    let mut before = "";
    for line in source.lines().map(str::trim_start) {
        let is_test = before == "#[test]" && line.starts_with(&format!("fn {test}()"));
        if is_test || line.starts_with(&format!("static void {test}(void)")) {
            return Some(place);
        } else if line.starts_with(&format!("fn {test}(world: World)")) {
            return Some("worlds");
        } else if line.starts_with(&format!("fn {test}(mode: Mode)")) {
            return Some("modes");
        }
        // Other attributes may follow.
        if before != "#[test]" || !line.starts_with("#[") {
            before = line;
        }
    }
    None
}

#[test]
fn every_behaviour_has_exactly_one_row() {
    let mut counts = BTreeMap::<String, usize>::new();
    for row in rows() {
        *counts.entry(row.id).or_default() += 1;
    }
    let all = SECTIONS.into_iter().flat_map(|(section, numbers)| numbers.map(move |n| format!("{section}-{n:02}")));
    let all: BTreeSet<String> = all.collect();
    let missing: Vec<_> = all.iter().filter(|id| !counts.contains_key(*id)).collect();
    let unknown: Vec<_> = counts.keys().filter(|id| !all.contains(*id)).collect();
    let repeated: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(
        missing.is_empty() && unknown.is_empty() && repeated.is_empty(),
        "missing {missing:?}, unknown {unknown:?}, repeated {repeated:?}"
    );
}

#[test]
fn every_row_names_tests_that_exist_and_where_they_run_or_a_reason_for_having_none() {
    let mut suites = BTreeMap::new();
    let mut faults = Vec::new();
    for Row { id, tests, place } in rows() {
        let mut places = BTreeSet::new();
        for (name, test) in &tests {
            let suite = suites.entry(name.clone()).or_insert_with(|| suite(name));
            match place_of(suite, test) {
                Some(place) => drop(places.insert(place)),
                None => faults.push(format!("{id}: there is no test {name}::{test}")),
            }
        }
        let found = places.into_iter().collect::<Vec<_>>().join(", ");
        if tests.is_empty() {
            if place.is_empty() {
                faults.push(format!("{id} has neither a test nor a reason"));
            }
        } else if found != place {
            faults.push(format!("{id} runs in {found}, not in {place}"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
