//! The other process of a measurement: does what it is told until it is told to end.

use crate::contenders::{mojo, mojo_c, with_carrier};
use crate::groups::{self, scale};
use crate::machine::pin;
use crate::outcome::Outcome;
use crate::process::{Job, Setup, end_with_parent};
use crate::traffic::{echo, sink};
use crate::wire::Carrier;

/// Does what a setup, as its command line has it, says.
pub fn run(setup: &str) -> Outcome<()> {
    end_with_parent()?;
    let setup: Setup = serde_json::from_str(setup)?;
    pin(setup.cpu)?;
    match setup.job {
        Job::Hello => groups::hello(),
        Job::Echo | Job::Sink => with_carrier!(setup.carrier, C => C::run(answer::<C>(&setup))),
        Job::EchoInC => mojo_c::echo(mojo::join()?),
        Job::Drain { two_phase } => groups::drain(&mojo::join()?, two_phase),
        Job::DrainInput => groups::drain_input(),
        Job::Relay => groups::relay(&mojo::join()?),
        Job::EchoByTurns => groups::echo_by_turns(&mojo::join()?),
        Job::Census { burst_bytes } => scale::census(burst_bytes),
        Job::Serve { threads } => groups::serve(mojo::join()?, threads),
    }
}

async fn answer<C: Carrier>(setup: &Setup) -> Outcome<()> {
    let mut wire = C::join(setup).await?;
    if setup.job == Job::Echo {
        echo(&mut wire, setup.stream.num_bytes).await
    } else {
        sink(&mut wire, setup.stream).await
    }
}
