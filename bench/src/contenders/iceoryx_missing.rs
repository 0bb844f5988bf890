//! In place of iceoryx2, if this program was built without it.

use crate::outcome::{Outcome, Unavailable};
use crate::process::{Other, Setup};
use crate::wire::{Carrier, Wire};

const MISSING: &str = "not built: needs --features iceoryx2";

/// Would poll.
pub struct Polling;

/// Would wait for events.
pub struct Events;

/// There is none.
pub enum NoWire {}

impl Wire for NoWire {
    async fn send(&mut self, _: &[u8]) -> Outcome<()> {
        match *self {}
    }

    async fn receive(&mut self, _: usize) -> Outcome<u8> {
        match *self {}
    }
}

impl Carrier for Polling {
    type Wire = NoWire;

    async fn start(_: &Setup) -> Outcome<(NoWire, Other)> {
        Unavailable::because(MISSING)
    }

    async fn join(_: &Setup) -> Outcome<NoWire> {
        Unavailable::because(MISSING)
    }
}

impl Carrier for Events {
    type Wire = NoWire;

    async fn start(_: &Setup) -> Outcome<(NoWire, Other)> {
        Unavailable::because(MISSING)
    }

    async fn join(_: &Setup) -> Outcome<NoWire> {
        Unavailable::because(MISSING)
    }
}
