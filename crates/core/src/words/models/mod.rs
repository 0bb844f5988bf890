//! What must hold in whatever order processors and compilers let two processes see each other's words: scenes of a few
//! threads, each in all orders.
//!
//! ```sh
//! RUSTFLAGS='--cfg loom' cargo test --profile shuttle -p libmojo-core --lib models
//! ```
//!
//! A wake that is lost leaves threads that wait for ever, and that is a failure. `LOOM_LOG=trace` and `LOOM_LOCATION=1`
//! show how it came to that. Nothing else of the crate runs in this configuration.

mod calling;
mod leaving;
mod requests;
mod side;

use super::{seen, show};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use loom::thread;

super::words!(AtomicU32: u32, AtomicU64: u64);

/// Tries a scene in all orders that have at most so many switches away from a thread that could go on.
fn explore(max_preemptions: usize, scene: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = model.preemption_bound.or(Some(max_preemptions));
    model.max_branches = 10_000;
    model.check(scene);
}

/// Does something with what is shared on a thread of its own.
fn start<T: 'static, R>(shared: &Arc<T>, act: impl FnOnce(&T) -> R + 'static) -> thread::JoinHandle<()> {
    let shared = shared.clone();
    thread::spawn(move || drop(act(&shared)))
}

fn join<const N: usize>(threads: [thread::JoinHandle<()>; N]) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

// ---- indices ---------------------------------------------------------------------------------------------

/// A lane with room for one thing.
struct Lane {
    tail: AtomicU64,
    head: AtomicU64,
    /// What is in it, and how often that was read: by this it shows whose accesses have happened before.
    thing: AtomicU64,
    num_reads: AtomicU64,
}

#[test]
fn who_sees_an_index_sees_what_was_done_before() {
    const NUM_THINGS: u64 = 3;
    explore(3, || {
        let lane = Arc::new(Lane {
            tail: AtomicU64::new(0),
            head: AtomicU64::new(0),
            thing: AtomicU64::new(0),
            num_reads: AtomicU64::new(0),
        });
        let writer = start(&lane, |lane| {
            for number in 1..=NUM_THINGS {
                while seen(&lane.head) + 1 < number {
                    thread::yield_now();
                }
                // The place is free: whatever stood there was read.
                assert_eq!(lane.num_reads.load(Ordering::Relaxed), number - 1);
                lane.thing.store(number, Ordering::Relaxed);
                show(&lane.tail, number);
            }
        });
        for number in 1..=NUM_THINGS {
            while seen(&lane.tail) < number {
                thread::yield_now();
            }
            assert_eq!(lane.thing.load(Ordering::Relaxed), number);
            lane.num_reads.store(number, Ordering::Relaxed);
            show(&lane.head, number);
        }
        join([writer]);
    });
}
