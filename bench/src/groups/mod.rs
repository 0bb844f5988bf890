//! What is measured, one file for each group of rows.

mod data_pipe;
mod fairness;
mod in_process;
mod moving;
mod one_way;
mod round_trip;
pub mod scale;
mod start;

pub use data_pipe::{drain, drain_input};
pub use fairness::serve;
pub use moving::{echo_by_turns, relay};
pub use one_way::{STREAM_ARGUMENT, stream};
pub use start::hello;

use crate::contenders::with_carrier;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::process::{CarrierKind, Setup};
use crate::row::{Experiment, SUBJECT};
use crate::traffic::finish;
use crate::wire::{Carrier, Wire};

/// Everything, in the order of the report.
pub fn all(plan: Plan) -> Vec<Experiment> {
    [
        in_process::experiments(plan),
        round_trip::experiments(),
        one_way::experiments(),
        data_pipe::experiments(),
        moving::experiments(),
        start::experiments(),
        scale::experiments(plan),
        fairness::experiments(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// With contenders that differ only in how they connect the processes.
fn over(
    experiment: Experiment,
    carriers: &[CarrierKind],
    sample: impl Fn(CarrierKind, Plan) -> Outcome<f64> + Copy + 'static,
) -> Experiment {
    carriers.iter().fold(experiment, |experiment, &carrier| {
        experiment.probe(contender(carrier), move |plan| sample(carrier, plan))
    })
}

fn contender(carrier: CarrierKind) -> &'static str {
    match carrier {
        CarrierKind::Mojo | CarrierKind::MojoOnTokio => SUBJECT,
        CarrierKind::Futex => "futex",
        CarrierKind::Eventfd => "eventfd",
        CarrierKind::SocketPair => "socketpair",
        CarrierKind::IpcChannel | CarrierKind::IpcChannelTyped => "ipc-channel",
        CarrierKind::IceoryxPolling => "iceoryx2 polling",
        CarrierKind::IceoryxEvents => "iceoryx2 events",
        CarrierKind::TokioUnix => "tokio UnixStream",
    }
}

/// What a measurement does with its wire, whatever that is.
trait Work: Copy {
    async fn work(self, wire: &mut impl Wire) -> Outcome<f64>;
}

/// Starts the other process, works with the wire to it, and lets it end.
fn connected(setup: &Setup, work: impl Work) -> Outcome<f64> {
    with_carrier!(setup.carrier, C => C::run(connected_over::<C>(setup, work)))
}

async fn connected_over<C: Carrier>(setup: &Setup, work: impl Work) -> Outcome<f64> {
    let (mut wire, other) = C::start(setup).await?;
    let result = work.work(&mut wire).await?;
    if C::CARRIES_BYTES {
        finish(&mut wire, setup.stream.num_bytes).await?;
        other.end()?;
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{SUBJECT, Target};
    use std::collections::HashSet;

    #[test]
    fn every_row_has_a_name_of_its_own() {
        let mut names = HashSet::new();
        for experiment in all(Plan { quick: false }) {
            for row in experiment.rows {
                assert!(names.insert(row.name.clone()), "{} twice", row.name);
            }
        }
    }

    #[test]
    fn libmojo_comes_first_and_targets_refer_to_others_that_take_part() {
        for experiment in all(Plan { quick: true }) {
            let contenders: Vec<_> = experiment.probes.iter().map(|probe| probe.contender).collect();
            assert_eq!(contenders.first(), Some(&SUBJECT), "{}", experiment.name());
            for row in &experiment.rows {
                if let Some(Target::Multiple(_, of)) = row.target {
                    assert!(contenders.contains(&of), "{}: {of}", row.name);
                }
            }
        }
    }
}
