//! The example `tour` moves files between two processes and says so in a table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod programs;

use programs::example;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

const STEPS: [&str; 7] =
    ["greeting", "new pipe", "data pipe", "shared buffer", "descriptor", "lazy message", "closure"];

fn tour(arguments: &[&Path]) -> Output {
    example("tour").args(arguments).output().unwrap()
}

/// A file that goes away with the value.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, bytes: &[u8]) -> TempFile {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tour-{name}-{}", std::process::id()));
        fs::write(&path, bytes).unwrap();
        TempFile(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn assert_row(row: &str, step: &str, bytes: u64) {
    let start = format!("{step:<15} {:<7} {bytes:>14} ", "ok");
    let rest = row.strip_prefix(&start).unwrap_or_else(|| panic!("{row:?} does not begin with {start:?}"));
    let [time, "ms", rate] = rest.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{row:?}") };
    assert!(time.parse::<f64>().unwrap() >= 0.0);
    assert!(rate.parse::<f64>().unwrap() >= 0.0);
    assert_eq!(rest.len(), "123456.78 ms 1234567890.1".len(), "{row:?}");
}

fn assert_moves(name: &str, content: &[u8]) {
    let file = TempFile::new(name, content);
    let output = tour(&[&file.0]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0), "{table}");

    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 2 + STEPS.len() + 1, "{table}");
    let num_bytes = content.len() as u64;
    assert_eq!(lines[0], format!("tour of {} ({num_bytes} bytes)", file.0.display()));
    assert_eq!(lines[1], "step            result           bytes         time         MB/s");
    let moved = [49, 68, num_bytes, num_bytes, num_bytes, 94, 16];
    for (row, (step, bytes)) in lines[2..].iter().zip(STEPS.into_iter().zip(moved)) {
        assert_row(row, step, bytes);
    }
    assert_eq!(lines[9], "everything matched");
}

fn assert_refuses(arguments: &[&Path], why: &str) {
    let output = tour(arguments);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert!(complaint.starts_with("tour: ") && complaint.contains(why), "{complaint}");
}

#[test]
fn moves_a_file() {
    // No power of two, and no two pieces the same.
    let content: Vec<u8> = (0..300_007_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert_moves("file", &content);
}

#[test]
fn moves_an_empty_file() {
    assert_moves("empty", b"");
}

#[test]
fn moves_a_single_byte() {
    assert_moves("byte", b"x");
}

#[test]
fn refuses_what_it_cannot_move() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let missing = directory.join("tour-no-such-file");
    assert_refuses(&[&missing], "No such file");
    assert_refuses(&[directory], "is a directory");
    assert_refuses(&[Path::new("--bogus")], "unknown option --bogus");
    assert_refuses(&[&missing, &missing], "too many arguments");

    let large = TempFile::new("large", b"");
    fs::File::options().write(true).open(&large.0).unwrap().set_len((1 << 30) + 1).unwrap();
    assert_refuses(&[&large.0], "larger than 1 GiB");
}

#[test]
fn explains_itself() {
    let output = tour(&[Path::new("--help")]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.starts_with(b"usage: tour [FILE]\n"));
}
