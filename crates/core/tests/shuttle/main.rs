//! What must hold whichever thread goes on at every lock and every atomic: scenarios of a few threads, each under
//! thousands of schedules.
//!
//! ```sh
//! RUSTFLAGS='--cfg shuttle' cargo test --profile shuttle -p libmojo-core --test shuttle
//! ```
//!
//! Every run tries the same schedules; `MOJO_SHUTTLE_ROUNDS=n` tries more. A failure prints its schedule; with that as
//! `MOJO_SHUTTLE_REPLAY`, the failing test repeats it. Threads that wait for each other for ever are a failure.
#![cfg(shuttle)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

/// Runs each expression on a thread of its own, and waits for all.
macro_rules! at_once {
    ($($act:expr),+ $(,)?) => {
        shuttle::thread::scope(|scope| {
            $(scope.spawn(|| $act);)+
        })
    };
}

mod changes;
mod pipes;
mod waits;
mod watchers;

use libmojo_core::message::Message;
use libmojo_core::object::Object;
use libmojo_core::pipe::Pipe;
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler};
use shuttle::{Config, MaxSteps, Runner};
use std::env;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Tries a scenario under many schedules: ones that choose at every step, and ones with few, well-placed switches.
fn explore(scenario: impl Fn() + Copy + Send + Sync + 'static) {
    const SEED: u64 = 1;
    // The library's statics are not for two schedulers at a time.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut config = Config::new();
    config.stack_size = 256 << 10;
    config.max_steps = MaxSteps::FailAfter(100_000);
    config.silence_warnings = true;
    if let Ok(schedule) = env::var("MOJO_SHUTTLE_REPLAY") {
        Runner::new(ReplayScheduler::new_from_encoded(&schedule), config).run(scenario);
        return;
    }
    let rounds = env::var("MOJO_SHUTTLE_ROUNDS").map_or(1000, |rounds| rounds.parse().expect("a number"));
    Runner::new(RandomScheduler::new_from_seed(SEED, rounds), config.clone()).run(scenario);
    for depth in [2, 3] {
        Runner::new(PctScheduler::new_from_seed(SEED, depth, rounds), config.clone()).run(scenario);
    }
}

/// One of several, which the schedule decides.
fn any<T: Copy>(choices: &[T]) -> T {
    choices[thread_rng().gen_range(0..choices.len())]
}

/// Lets another thread go on.
fn pause() {
    shuttle::thread::sleep(Duration::ZERO);
}

fn send(end: &Pipe, number: u64) -> bool {
    end.send(Message::with_payload(&number.to_le_bytes())).is_ok()
}

fn receive(end: &Pipe) -> Option<u64> {
    let message = end.receive().ok()?;
    message.payload().try_into().ok().map(u64::from_le_bytes)
}

/// Puts an object into a message, if it is open.
fn put_into_message(object: &Object) -> Option<Message> {
    object.begin_transit().ok()?;
    let mut message = Message::with_payload(&[]);
    Object::attach_all(vec![object.clone()], &mut message).unwrap();
    message.commit_as_is();
    Some(message)
}
