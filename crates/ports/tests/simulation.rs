//! Thousands of seeded schedules of the routing protocol. A failure names its plan and its seed; run
//! `MOJO_SIM_SEED=<seed> cargo test -p libmojo-ports --test simulation` to repeat it. For hours of other schedules than
//! the usual ones:
//!
//! ```sh
//! MOJO_SIM_ROUNDS=1000000 cargo test --release -p libmojo-ports --test simulation
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "simulation/chains.rs"]
mod chains;
#[path = "simulation/hostile.rs"]
mod hostile;
#[path = "simulation/random.rs"]
mod random;
mod world;

use fastrand::Rng;
use libmojo_ports::{Address, Amount, Body, Event, NodeName, PortDescriptor, PortName, Receiving, Sending};
use random::{Plan, Random, Seen};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use world::{Parcel, Topology};

const PLAIN: Plan = Plan {
    nodes: 3,
    topology: Topology::Mesh,
    steps: 150,
    reorder: false,
    kills: false,
    breaks: false,
    fuses: false,
    closes: false,
    unportable: false,
    quotas: false,
};

/// How many schedules there are of most plans: of all together more than ten thousand.
const ROUNDS: u64 = 600;

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

/// Runs the schedules of a plan. True if there were many.
fn repeat(name: &str, plan: Plan, rounds: u64, mut run: impl FnMut(u64)) -> bool {
    let seeds = match env("MOJO_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..env("MOJO_SIM_ROUNDS").unwrap_or(rounds),
    };
    let num_schedules = seeds.end - seeds.start;
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
            eprintln!("schedule `{name}` failed with MOJO_SIM_SEED={seed}, {plan:?}");
            resume_unwind(panic);
        }
    }
    num_schedules >= rounds
}

/// Runs random schedules of a plan. Returns what they have come to, if there were many.
fn run(name: &str, plan: Plan) -> Option<Seen> {
    let mut seen = Seen::default();
    let many = repeat(name, plan, ROUNDS, |seed| {
        let mut random = Random::new(Rng::with_seed(seed), plan);
        random.run();
        random.finish();
        seen.add(&random.seen);
    });
    many.then_some(seen)
}

#[test]
fn messages_and_moves_between_two_nodes() {
    run("two nodes", Plan { nodes: 2, ..PLAIN });
}

#[test]
fn messages_and_moves_between_many_nodes() {
    if let Some(seen) = run("many nodes", Plan { nodes: 5, steps: 300, ..PLAIN }) {
        assert!(seen.both_ends_moving > 1000 && seen.moved_within_moving > 1000, "{seen:?}");
    }
}

#[test]
fn packets_overtake_each_other() {
    run("reorder", Plan { reorder: true, closes: true, nodes: 4, ..PLAIN });
}

#[test]
fn ends_are_closed_at_any_time() {
    run("closes", Plan { closes: true, nodes: 4, ..PLAIN });
}

#[test]
fn pipes_are_fused_at_any_time() {
    if let Some(seen) = run("fuses", Plan { fuses: true, closes: true, reorder: true, steps: 250, ..PLAIN }) {
        assert!(seen.fused_while_moving > 20, "{seen:?}");
    }
}

#[test]
fn nodes_die_at_any_time() {
    run("kills", Plan { kills: true, closes: true, fuses: true, nodes: 5, steps: 250, ..PLAIN });
}

#[test]
fn messages_that_cannot_leave_break_their_pipe_and_no_other() {
    run("unportable", Plan { unportable: true, closes: true, ..PLAIN });
}

#[test]
fn quotas_hold_and_are_given_back_wherever_the_ends_go() {
    let plan = Plan { quotas: true, closes: true, unportable: true, nodes: 4, steps: 250, ..PLAIN };
    if let Some(seen) = run("quotas", plan) {
        assert!(seen.refused > 1000 && seen.refused_far > 100, "{seen:?}");
    }
    run("quotas, reordered", Plan { reorder: true, ..plan });
    run("quotas, fuses", Plan { fuses: true, reorder: true, ..plan });
    run("quotas, kills", Plan { fuses: true, kills: true, topology: Topology::GrowingStar, nodes: 5, ..plan });
    run("quotas, star", Plan { topology: Topology::Star, ..plan });
}

#[test]
fn nodes_that_cannot_be_introduced_talk_through_the_one_between_them() {
    let plan = Plan { topology: Topology::Star, closes: true, reorder: true, nodes: 4, steps: 250, ..PLAIN };
    run("star", plan);
}

#[test]
fn leaves_of_a_star_die_at_any_time() {
    let plan = Plan { topology: Topology::Star, kills: true, closes: true, fuses: true, nodes: 4, steps: 250, ..PLAIN };
    run("star kills", plan);
}

#[test]
fn neighbours_of_one_node_are_introduced_while_everything_moves() {
    let plan = Plan { topology: Topology::GrowingStar, closes: true, reorder: true, nodes: 4, steps: 250, ..PLAIN };
    run("growing star", plan);
}

#[test]
fn nodes_in_a_line_come_to_know_each_other() {
    let plan = Plan { topology: Topology::GrowingLine, closes: true, fuses: true, nodes: 6, steps: 300, ..PLAIN };
    run("growing line", plan);
    run("growing line, reordered", Plan { reorder: true, ..plan });
}

#[test]
fn whoever_introduces_or_is_introduced_dies_at_any_time() {
    let plan = Plan { topology: Topology::GrowingStar, kills: true, closes: true, fuses: true, steps: 250, ..PLAIN };
    run("growing star kills", Plan { nodes: 5, ..plan });
    run("growing line kills", Plan { nodes: 6, topology: Topology::GrowingLine, ..plan });
}

#[test]
fn links_that_came_of_introductions_break_at_any_time() {
    let plan = Plan { topology: Topology::GrowingStar, breaks: true, closes: true, steps: 250, nodes: 4, ..PLAIN };
    run("growing star breaks", plan);
    run("growing line breaks", Plan { nodes: 6, topology: Topology::GrowingLine, fuses: true, kills: true, ..plan });
}

#[test]
fn ends_run_through_ten_nodes() {
    for (topology, reorder, kills) in [
        (Topology::Mesh, false, false),
        (Topology::Mesh, true, true),
        (Topology::GrowingLine, false, false),
        (Topology::GrowingLine, true, true),
    ] {
        let plan = Plan { topology, reorder, kills, closes: true, ..PLAIN };
        let mut longest = 0;
        let many = repeat("ten nodes", plan, 100, |seed| longest = chains::run(seed, plan).max(longest));
        assert!(!many || longest >= 10, "{longest} proxies at most");
    }
}

/// What arrived while a random program ran, in order and in words.
fn arrivals(plan: Plan, seed: u64) -> Vec<String> {
    let mut random = Random::new(Rng::with_seed(seed), plan);
    let mut arrivals = Vec::new();
    for _ in 0..plan.steps {
        random.step_program();
        if let Some(step) = random.rng.choice(random.world.steps()) {
            arrivals.push(random.world.describe(step));
            random.world.step(step);
        }
    }
    arrivals
}

#[test]
fn a_seed_repeats_its_schedule() {
    let plan = Plan { topology: Topology::GrowingStar, kills: true, fuses: true, nodes: 5, steps: 150, ..PLAIN };
    for seed in 0..20 {
        let (first, second) = (arrivals(plan, seed), arrivals(plan, seed));
        let difference = first.iter().zip(&second).find(|(first, second)| first != second);
        assert_eq!(difference, None, "with seed {seed}");
    }
}

/// A node that knows every port's name but is nobody's previous hop changes nothing for the others.
#[test]
fn a_stranger_who_knows_all_names_disturbs_nobody() {
    for seed in 0..300 {
        let mut random = Random::new(Rng::with_seed(seed), Plan { nodes: 3, closes: true, ..PLAIN });
        let stranger = NodeName(7);
        for _ in 0..150 {
            match random.rng.u32(..10) {
                0..5 => random.step_program(),
                5..8 => random.step_network(),
                _ => {
                    let addresses = hostile::addresses(&random.world);
                    let (Some(to), Some(other)) = (random.rng.choice(&addresses), random.rng.choice(&addresses)) else {
                        continue;
                    };
                    let body = match random.rng.u32(..8) {
                        0 => Body::Message { message: Parcel::plain(usize::MAX, 0), ports: Vec::new() },
                        1 => Body::Closure,
                        2 => Body::PreviousHop(Address { node: stranger, port: PortName(5) }),
                        3 => Body::ObserveProxyAck,
                        4 => Body::Accepted,
                        5 => Body::Credit(Amount { messages: 1, bytes: u64::MAX }),
                        6 => Body::Meter { step: Amount::NONE, uncounted: Some(u64::MAX) },
                        _ => Body::ObserveProxy(*other),
                    };
                    let number = random.rng.u64(..4);
                    let from = PortName(u128::MAX - u128::from(random.rng.u32(..2)));
                    hostile::accept(&mut random.world, stranger, to.node, Event { to: to.port, from, number, body });
                }
            }
        }
        hostile::lose(&mut random.world, stranger);
        random.finish();
    }
}

/// Ports and messages of every shape from a node that lies about all of them neither panic nor leave a trace
/// once that node is cut off.
#[test]
fn a_liar_leaves_nothing_behind() {
    for seed in 0..300 {
        let mut random = Random::new(Rng::with_seed(seed), Plan { nodes: 2, ..PLAIN });
        let liar = NodeName(7);
        for _ in 0..60 {
            random.step_program();
            random.step_network();
            let addresses = hostile::addresses(&random.world);
            let mut pick = |any: u128| {
                let known = if random.rng.bool() { random.rng.choice(&addresses).copied() } else { None };
                known.unwrap_or(Address { node: NodeName(1000), port: PortName(any) })
            };
            let (to, peer, name) = (pick(1 << 100), pick(1 << 101), pick(u128::from(seed) << 70));
            let peer = random.rng.bool().then_some(peer);
            let has_sent = random.rng.bool();
            let any = |random: &mut Random| Amount { messages: random.rng.u64(..), bytes: random.rng.u64(..3) };
            let (sending, receiving) = (
                random.rng.bool().then(|| Box::new(Sending::from_parts(any(&mut random), any(&mut random)))),
                random.rng.bool().then(|| Box::new(Receiving::from_parts(any(&mut random), None))),
            );
            let name = name.port;
            let ports = vec![PortDescriptor { name, peer, previous: PortName(9), has_sent, sending, receiving }];
            let body = Body::Message { message: Parcel::plain(usize::MAX, 0), ports };
            hostile::accept(
                &mut random.world,
                liar,
                to.node,
                Event { to: to.port, from: PortName(3), number: 1, body },
            );
        }
        hostile::lose(&mut random.world, liar);
        random.finish();
    }
}
