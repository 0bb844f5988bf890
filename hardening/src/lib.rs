//! Targets for fuzzers: functions over bytes, which panic if anything does not hold. They build with every toolchain;
//! `fuzz/` hands them to cargo-fuzz, and `tests/smoke.rs` runs each for a while with bytes of its own.
//!
//! | target | what the bytes decide | what has to hold |
//! |---|---|---|
//! | decoders | a frame of any kind, with descriptors | what can be read can be written, and is the same when read again |
//! | stream | frames on a socket, and how they are cut | the same frames come of it |
//! | lanes | what is written into the memory of a link, between any two looks at it | no look finds more than there is room for |
//! | data_pipe | the same of a data pipe, and what both ends do | the same, in whole elements |
//! | link | what a hostile process says to a node, and what the program there does with it | everything is closed in the end, and others are not disturbed |
//! | ports | programs, moves, deaths and lies in a simulated network | the properties of the simulation |
//! | c_api | calls of the C API | each answers what the model says |
// Tests: a panic is how they fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod attacker;
mod choices;
mod link;
mod model;
mod ports;
pub mod scene;

pub use libmojo_core::node::fuzzing::{data_pipe, decoders, lanes, stream};
pub use link::link;
pub use model::c_api;
pub use ports::ports;

/// A function over bytes that a fuzzer chooses.
pub type Target = fn(&[u8]);

/// Every target, by its name.
pub const TARGETS: [(&str, Target); 7] = [
    ("decoders", decoders),
    ("stream", stream),
    ("lanes", lanes),
    ("data_pipe", data_pipe),
    ("link", link),
    ("ports", ports),
    ("c_api", c_api),
];

// The model names these at the root of the crate that it is part of.
use model::{callbacks, calls, random, steps, support, world};
