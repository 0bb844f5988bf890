//! Thousands of seeded schedules of the routing protocol. A failure names its plan and its seed; run
//! `MOJO_SIM_SEED=<seed> cargo test -p libmojo-ports --test simulation` to repeat it, and
//! `MOJO_SIM_ROUNDS=<n>` for more schedules than usual.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod world;

use libmojo_ports::{Address, Body, Event, NodeName, PortDescriptor, PortName};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use world::{Plan, Topology, World};

const PLAIN: Plan = Plan {
    nodes: 3,
    topology: Topology::Mesh,
    steps: 150,
    reorder: false,
    kills: false,
    fuses: false,
    closes: false,
    unportable: false,
};

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

fn run(name: &str, plan: Plan, rounds: u64) {
    match env("MOJO_SIM_SEED") {
        Some(seed) => run_one(name, plan, seed),
        None => (0..env("MOJO_SIM_ROUNDS").unwrap_or(rounds)).for_each(|seed| run_one(name, plan, seed)),
    }
}

fn run_one(name: &str, plan: Plan, seed: u64) {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(seed, plan);
        for _ in 0..plan.steps {
            if world.rng.u32(..10) < 6 {
                world.step_program();
            } else {
                world.step_network();
            }
        }
        world.finish();
    }));
    if let Err(panic) = outcome {
        eprintln!("schedule `{name}` failed with MOJO_SIM_SEED={seed}, {plan:?}");
        resume_unwind(panic);
    }
}

#[test]
fn messages_and_moves_between_two_nodes() {
    run("two nodes", Plan { nodes: 2, ..PLAIN }, 400);
}

#[test]
fn messages_and_moves_between_many_nodes() {
    run("many nodes", Plan { nodes: 5, steps: 300, ..PLAIN }, 400);
}

#[test]
fn packets_overtake_each_other() {
    run("reorder", Plan { reorder: true, closes: true, nodes: 4, ..PLAIN }, 400);
}

#[test]
fn ends_are_closed_at_any_time() {
    run("closes", Plan { closes: true, nodes: 4, ..PLAIN }, 400);
}

#[test]
fn pipes_are_fused_at_any_time() {
    run("fuses", Plan { fuses: true, closes: true, reorder: true, steps: 250, ..PLAIN }, 400);
}

#[test]
fn nodes_die_at_any_time() {
    run("kills", Plan { kills: true, closes: true, fuses: true, nodes: 5, steps: 250, ..PLAIN }, 400);
}

#[test]
fn messages_that_cannot_leave_break_their_pipe_and_no_other() {
    run("unportable", Plan { unportable: true, closes: true, ..PLAIN }, 400);
}

#[test]
fn nodes_that_cannot_be_introduced_talk_through_the_one_between_them() {
    let plan = Plan { topology: Topology::Star, closes: true, reorder: true, nodes: 4, steps: 250, ..PLAIN };
    run("star", plan, 400);
}

#[test]
fn leaves_of_a_star_die_at_any_time() {
    let plan = Plan { topology: Topology::Star, kills: true, closes: true, fuses: true, nodes: 4, steps: 250, ..PLAIN };
    run("star kills", plan, 400);
}

#[test]
fn neighbours_of_one_node_are_introduced_while_everything_moves() {
    let plan = Plan { topology: Topology::GrowingStar, closes: true, reorder: true, nodes: 4, steps: 250, ..PLAIN };
    run("growing star", plan, 400);
}

#[test]
fn nodes_in_a_line_come_to_know_each_other() {
    let plan = Plan { topology: Topology::GrowingLine, closes: true, fuses: true, nodes: 6, steps: 300, ..PLAIN };
    run("growing line", plan, 400);
    run("growing line, reordered", Plan { reorder: true, ..plan }, 400);
}

#[test]
fn whoever_introduces_or_is_introduced_dies_at_any_time() {
    let plan = Plan { topology: Topology::GrowingStar, kills: true, closes: true, fuses: true, steps: 250, ..PLAIN };
    run("growing star kills", Plan { nodes: 5, ..plan }, 400);
    run("growing line kills", Plan { nodes: 6, topology: Topology::GrowingLine, ..plan }, 400);
}

/// Pipes are fused with themselves through other nodes here, which leaves proxies in a circle.
#[test]
fn a_pipe_that_is_fused_with_itself_leaves_no_circle() {
    for seed in [1223, 10_371] {
        run_one("circles", Plan { fuses: true, closes: true, reorder: true, steps: 250, ..PLAIN }, seed);
    }
}

/// A node that knows every port's name but is nobody's previous hop changes nothing for the others.
#[test]
fn a_stranger_who_knows_all_names_disturbs_nobody() {
    for seed in 0..300 {
        let mut world = World::new(seed, Plan { nodes: 3, closes: true, ..PLAIN });
        let stranger = NodeName(7);
        for _ in 0..150 {
            match world.rng.u32(..10) {
                0..5 => world.step_program(),
                5..8 => {
                    world.step_network();
                }
                _ => {
                    let addresses = world.addresses();
                    if addresses.is_empty() {
                        continue;
                    }
                    let (to, _) = addresses[world.rng.usize(..addresses.len())];
                    let (other, _) = addresses[world.rng.usize(..addresses.len())];
                    let body = match world.rng.u32(..6) {
                        0 => world.hostile_parcel(0).0,
                        1 => Body::Closure,
                        2 => Body::PreviousHop(Address { node: stranger, port: PortName(5) }),
                        3 => Body::ObserveProxyAck,
                        4 => Body::Accepted,
                        _ => Body::ObserveProxy(other),
                    };
                    let number = world.rng.u64(..4);
                    let from = PortName(u128::MAX - u128::from(world.rng.u32(..2)));
                    world.accept_hostile(stranger, to.node, Event { to: to.port, from, number, body });
                }
            }
        }
        world.lose_hostile(stranger);
        world.finish();
    }
}

/// Ports and messages of every shape from a node that lies about all of them neither panic nor leave a trace
/// once that node is cut off.
#[test]
fn a_liar_leaves_nothing_behind() {
    for seed in 0..300 {
        let mut world = World::new(seed, Plan { nodes: 2, ..PLAIN });
        let liar = NodeName(7);
        for _ in 0..60 {
            world.step_program();
            world.step_network();
            let addresses = world.addresses();
            let mut pick = |any: u128| {
                let known = (!addresses.is_empty() && world.rng.bool())
                    .then(|| addresses[world.rng.usize(..addresses.len())].0);
                known.unwrap_or(Address { node: NodeName(1000), port: PortName(any) })
            };
            let (to, peer, name) = (pick(1 << 100), pick(1 << 101), pick(u128::from(seed) << 70));
            let (mut body, _) = world.hostile_parcel(1);
            if let Body::Message { ports, .. } = &mut body {
                let peer = world.rng.bool().then_some(peer);
                ports.push(PortDescriptor { name: name.port, peer, previous: PortName(9), has_sent: world.rng.bool() });
            }
            let event = Event { to: to.port, from: PortName(3), number: 1, body };
            world.accept_hostile(liar, to.node, event);
        }
        world.lose_hostile(liar);
        world.finish();
    }
}
