//! Processes that are killed at moments which chance decides: what becomes of all who had to do with them.
//!
//! Every test runs many rounds, one at a time, because each counts descriptors, threads, mappings and ports before and
//! after. `LIBMOJO_TEST_SEED` repeats what chance has decided, though not when the system has run which process;
//! `LIBMOJO_TEST_ROUNDS=n` runs n times as many.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../worlds/mod.rs"]
mod worlds;

mod between;
mod data_pipes;
mod exits;
mod holders;
mod invitations;
mod stage;
