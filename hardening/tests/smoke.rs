//! Every target for fuzzers, with bytes that chance has chosen and with those that have found something before.
//!
//! `LIBMOJO_TEST_SEED` repeats the inputs of a seed that a failure has printed; `LIBMOJO_TEST_SECONDS` says how long each
//! target is given (2).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use hardening::TARGETS;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Held by the only test that runs at the moment: descriptors are counted.
static ALONE: Mutex<()> = Mutex::new(());

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Bytes of one of several sorts: any, small ones, or few values over and over.
fn any_bytes(random: &mut fastrand::Rng) -> Vec<u8> {
    let most = 1 << random.u32(3..11);
    let len = random.usize(..most);
    let few: [u8; 4] = std::array::from_fn(|_| random.u8(..));
    match random.u8(..4) {
        0 | 1 => (0..len).map(|_| random.u8(..)).collect(),
        2 => (0..len).map(|_| random.u8(..16)).collect(),
        _ => (0..len).map(|_| if random.bool() { few[random.usize(..4)] } else { random.u8(..) }).collect(),
    }
}

#[test]
fn whatever_the_bytes_say_every_target_holds() {
    let _alone = ALONE.lock();
    let seed = variable("LIBMOJO_TEST_SEED").unwrap_or_else(|| fastrand::u64(..));
    let time = Duration::from_secs(variable("LIBMOJO_TEST_SECONDS").unwrap_or(2));
    println!("LIBMOJO_TEST_SEED={seed}");
    for (name, target) in TARGETS {
        let (mut random, began, mut executions) = (fastrand::Rng::with_seed(seed), Instant::now(), 0u64);
        while began.elapsed() < time {
            let bytes = any_bytes(&mut random);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(&bytes))) {
                eprintln!("LIBMOJO_TEST_SEED={seed}: {name} fails with {bytes:?}");
                resume_unwind(panic);
            }
            executions += 1;
        }
        println!("{name}: {executions} executions");
        assert!(executions > 20, "{name} has hardly begun");
    }
}

#[test]
fn what_was_found_once_is_not_found_again() {
    let _alone = ALONE.lock();
    let findings = Path::new(env!("CARGO_MANIFEST_DIR")).join("findings");
    let mut executions = 0;
    for (name, target) in TARGETS {
        let Ok(entries) = std::fs::read_dir(findings.join(name)) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            target(&std::fs::read(path).unwrap());
            executions += 1;
        }
    }
    assert!(executions > 0, "{} holds what was found", findings.display());
}
