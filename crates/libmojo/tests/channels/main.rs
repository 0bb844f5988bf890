//! Typed channels: what values carry, who gets them, and what becomes of those that are refused or forged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../worlds/mod.rs"]
mod worlds;

mod forged;
mod many;
mod services;
mod values;

use libmojo::MessagePipe;
use libmojo::channel::{Receiver, Sender};
use worlds::{Sides, World};

/// A channel from one side to the other.
fn connect<T>(world: World) -> (Sides, Sender<T>, Receiver<T>) {
    let (sides, a, b): (Sides, MessagePipe, MessagePipe) = world.connect();
    (sides, a.into(), b.into())
}
