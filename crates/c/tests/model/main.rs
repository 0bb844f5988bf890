//! Random calls of the C API, held against a model that says what each has to answer.
//!
//! `LIBMOJO_TEST_SEED` repeats the world of a seed that a failure has printed; `LIBMOJO_TEST_SECONDS` says how long
//! each of the tests goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code)]
#[path = "../contract/callbacks.rs"]
mod callbacks;
#[allow(dead_code)]
#[path = "../contract/calls.rs"]
mod calls;
mod data_steps;
mod message_steps;
mod random;
mod steps;
#[allow(dead_code)]
#[path = "../contract/support.rs"]
mod support;
mod threads;
mod watcher_steps;
mod world;

use std::fs::File;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};
use steps::{FILE_BYTES, Run};

/// The only test that runs at the moment: descriptors are counted.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Runs worlds, each from its own seed, until the time is over, or the one that is asked for.
fn worlds(mut run: impl FnMut(u64)) {
    if let Some(seed) = variable("LIBMOJO_TEST_SEED") {
        return run(seed);
    }
    let time = Duration::from_secs(variable("LIBMOJO_TEST_SECONDS").unwrap_or(10));
    let began = Instant::now();
    let first = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    for seed in (0..).map(|number| first.wrapping_add(number)) {
        println!("LIBMOJO_TEST_SEED={seed}");
        run(seed);
        if began.elapsed() >= time {
            return;
        }
    }
}

/// Files of known length for both tests to wrap.
fn files() -> Vec<File> {
    let files: Vec<File> = (0..3).map(|_| support::scratch_file()).collect();
    files.iter().for_each(|file| file.set_len(FILE_BYTES as u64).unwrap());
    files
}

/// What the descriptors of this process lead to.
fn descriptors() -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let mut targets: Vec<_> = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()).collect();
    targets.sort();
    targets
}

#[test]
fn on_one_thread_every_call_answers_what_the_model_predicts() {
    let _alone = alone();
    let files = files();
    worlds(|seed| {
        let before = descriptors();
        let mut run = Run::new(seed, &files);
        for number in 0..2000 {
            run.step();
            if number % 100 == 0 {
                run.check_everything();
            }
        }
        run.finish();
        drop(run);
        assert_eq!(descriptors(), before);
    });
}

#[test]
fn on_several_threads_every_call_answers_what_it_may_and_nothing_is_left() {
    let _alone = alone();
    let files = files();
    worlds(|seed| {
        let before = descriptors();
        let _watchdog = support::watchdog();
        threads::world(seed, 4, 3000, &files);
        assert_eq!(descriptors(), before);
    });
}
