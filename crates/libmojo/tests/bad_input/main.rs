//! A node against processes that do not keep to the protocol, as inviter and as invitee.
//!
//! Whatever comes over a link can cost only that link: the pipes that need it are closed, the error handler hears
//! why, and nothing is left behind. The tests run one at a time, because they count descriptors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../worlds/mod.rs"]
mod worlds;

mod attack;
mod contents;
mod links;
mod regions;
