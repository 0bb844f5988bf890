//! Calls of the C API, each held against the model of the crate `c`, with bytes in place of chance.

use crate::choices::Choices;
use std::cell::RefCell;
use std::fs::File;
use steps::{FILE_BYTES, Run};

#[allow(dead_code)]
#[path = "../../crates/c/tests/contract/callbacks.rs"]
pub mod callbacks;
#[allow(dead_code)]
#[path = "../../crates/c/tests/contract/calls.rs"]
pub mod calls;
#[path = "../../crates/c/tests/model/data_steps.rs"]
pub mod data_steps;
#[path = "../../crates/c/tests/model/message_steps.rs"]
pub mod message_steps;
#[path = "../../crates/c/tests/model/steps.rs"]
pub mod steps;
#[allow(dead_code)]
#[path = "../../crates/c/tests/contract/support.rs"]
pub mod support;
#[path = "../../crates/c/tests/model/watcher_steps.rs"]
pub mod watcher_steps;
#[allow(dead_code)]
#[path = "../../crates/c/tests/model/world.rs"]
pub mod world;

/// What the model takes its choices from.
pub mod random {
    use crate::choices::Choices;

    pub struct Random(Choices);

    impl Random {
        /// The choices that [`c_api`](super::c_api) has been given.
        pub fn new(_seed: u64) -> Self {
            Self(super::CHOICES.take().expect("given before a world is made"))
        }

        pub fn below(&mut self, bound: usize) -> usize {
            self.0.below(bound)
        }

        pub fn once_in(&mut self, times: usize) -> bool {
            self.0.once_in(times)
        }

        pub fn bytes(&mut self, len: usize) -> Vec<u8> {
            self.0.bytes(len)
        }

        pub fn is_spent(&self) -> bool {
            self.0.is_spent()
        }
    }
}

thread_local! {
    static CHOICES: RefCell<Option<Choices>> = const { RefCell::new(None) };
    static FILES: Vec<File> = {
        let files: Vec<File> = (0..3).map(|_| support::scratch_file()).collect();
        files.iter().for_each(|file| file.set_len(FILE_BYTES as u64).unwrap());
        files
    };
}

/// Every call answers what the model predicts, and nothing is left of what it has made.
pub fn c_api(data: &[u8]) {
    CHOICES.set(Some(Choices::new(data)));
    let mut run = FILES.with(|files| Run::new(0, files));
    for number in 1.. {
        if run.random.is_spent() || number > 1000 {
            break;
        }
        run.step();
        if number % 50 == 0 {
            run.check_everything();
        }
    }
    run.check_everything();
    run.finish();
}
