//! Real processes: what children do with everything that can be sent to them, how they are connected, and how they end.
//!
//! The tests run one at a time, because they count descriptors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../worlds/mod.rs"]
mod worlds;

#[cfg(feature = "serde")]
mod channels;
mod ends;
mod modes;
mod objects;
mod pipes;
mod roles;
