//! Routes between many real processes: whatever has moved wherever, nobody stays in between who need not be, and nobody
//! is needed who has been.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../worlds/mod.rs"]
mod worlds;

mod chains;
mod cousins;
mod servants;
