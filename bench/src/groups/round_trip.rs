//! There and back between two processes: awake, asleep, and what it costs while nothing happens.

use super::{Work, connected, over};
use crate::contenders::mojo_c;
use crate::machine::{Cpus, Placement};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::process::{CarrierKind, Job, Setup, context_switches};
use crate::row::{Experiment, Row, SUBJECT, Unit};
use crate::traffic::{Stream, median_asleep, round_trip, round_trips_awake};
use crate::wire::{Carrier, Wire, run_ready};
use std::process;
use std::thread;

const GROUP: &str = "There and back between two processes";

use CarrierKind::{
    Eventfd, Futex, IceoryxEvents, IceoryxPolling, IpcChannel, Mojo, MojoOnTokio, SocketPair, TokioUnix,
};

const FAST: [CarrierKind; 8] = [Mojo, IceoryxPolling, IceoryxEvents, Futex, Eventfd, SocketPair, IpcChannel, TokioUnix];
const WITH_PAYLOAD: [CarrierKind; 5] = [Mojo, IceoryxPolling, SocketPair, IpcChannel, TokioUnix];
/// Polling is for those who have a core for each side.
const BLOCKING: [CarrierKind; 7] = [Mojo, Futex, Eventfd, SocketPair, IpcChannel, IceoryxEvents, TokioUnix];

pub fn experiments() -> Vec<Experiment> {
    let awake = |name: &str, target: f64| experiment(Row::lower(name, Unit::Microseconds).target(target));
    let sized = |name: &str, target: f64, num_bytes: usize, carriers: &[CarrierKind]| {
        over(awake(name, target), carriers, move |carrier, plan| {
            measure(carrier, Placement::Cross, num_bytes, Pings::Awake(plan))
        })
    };
    let asleep = Row::lower("64 B, asleep", Unit::Microseconds).target_multiple(1.15, "futex");
    let idle = Row::lower("idle pair, context switches of both", Unit::PerSecond).target(0.0);
    vec![
        sized("64 B, awake", 0.8, 64, &FAST),
        awake("64 B, awake, callbacks in C", 2.0).probe(SUBJECT, in_c),
        sized("64 B, awake, async on tokio", 3.0, 64, &[MojoOnTokio, TokioUnix]),
        sized("4 KiB, awake", 1.5, 4 << 10, &WITH_PAYLOAD),
        sized("64 KiB, awake", 8.0, 64 << 10, &WITH_PAYLOAD),
        sized("1 MiB, awake", 120.0, 1 << 20, &WITH_PAYLOAD),
        over(awake("64 B, both on one core", 8.0), &BLOCKING, |carrier, plan| {
            measure(carrier, Placement::Same, 64, Pings::Awake(plan))
        }),
        over(experiment(asleep), &BLOCKING, |carrier, plan| {
            measure(carrier, Placement::Cross, 64, Pings::Asleep(plan))
        }),
        experiment(idle).at_most(1).probe(SUBJECT, idle_switches),
    ]
}

fn experiment(row: Row) -> Experiment {
    Experiment::new(GROUP, vec![row])
}

#[derive(Clone, Copy)]
enum Pings {
    Awake(Plan),
    Asleep(Plan),
}

fn measure(carrier: CarrierKind, placement: Placement, num_bytes: usize, pings: Pings) -> Outcome<f64> {
    let cpus = Cpus::pin(placement)?;
    let stream = Stream { num_bytes, stride: 1 };
    connected(&Setup::new(carrier, Job::Echo, cpus.there, stream), RoundTrips { num_bytes, pings })
}

#[derive(Clone, Copy)]
struct RoundTrips {
    num_bytes: usize,
    pings: Pings,
}

impl Work for RoundTrips {
    async fn work(self, wire: &mut impl Wire) -> Outcome<f64> {
        // The other process is ready when it has answered.
        round_trip(wire, self.num_bytes).await?;
        match self.pings {
            Pings::Awake(plan) => round_trips_awake(wire, self.num_bytes, plan).await,
            Pings::Asleep(plan) => median_asleep(wire, self.num_bytes, plan).await,
        }
    }
}

fn in_c(plan: Plan) -> Outcome<f64> {
    let cpus = Cpus::pin(Placement::Cross)?;
    let stream = Stream { num_bytes: 64, stride: 1 };
    mojo_c::round_trips(&Setup::new(Mojo, Job::EchoInC, cpus.there, stream), plan)
}

/// How often a second a thread of a connected pair is switched away from while there is nothing to do. This one, which
/// sleeps meanwhile, does not count.
fn idle_switches(plan: Plan) -> Outcome<f64> {
    let cpus = Cpus::pin(Placement::Cross)?;
    let setup = Setup::new(Mojo, Job::Echo, cpus.there, Stream { num_bytes: 64, stride: 1 });
    run_ready(async {
        let (mut wire, other) = crate::contenders::mojo::Mojo::start(&setup).await?;
        for _ in 0..100 {
            round_trip(&mut wire, 64).await?;
        }
        thread::sleep(plan.settle());
        let switches = || -> Outcome<u64> {
            Ok(context_switches(other.id(), None)? + context_switches(process::id(), Some(process::id()))?)
        };
        let before = switches()?;
        thread::sleep(plan.idle());
        Ok((switches()? - before) as f64 / plan.idle().as_secs_f64())
    })
}
