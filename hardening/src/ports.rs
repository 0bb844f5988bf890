//! Programs on a simulated network, with the real routing and pretended links; the simulation of the crate `ports`, with
//! bytes in place of chance.

use crate::choices::Choices as Rng;
use libmojo_ports::{Address, Amount, Body, Event, Meter, NodeName, PortDescriptor, PortName, Receiving, Sending};
use random::{Plan, Random};
use world::{Parcel, Topology};

#[path = "../../crates/ports/tests/simulation/hostile.rs"]
mod hostile;
#[allow(dead_code)]
#[path = "../../crates/ports/tests/simulation/random.rs"]
mod random;

#[allow(dead_code)]
#[path = "../../crates/ports/tests/world/mod.rs"]
mod world;

/// Who lies.
const LIAR: NodeName = NodeName(7);

/// What has to hold of every schedule holds of this one.
pub fn ports(data: &[u8]) {
    let mut choices = Rng::new(data);
    let topology = [Topology::Mesh, Topology::Star, Topology::GrowingStar, Topology::GrowingLine][choices.below(4)];
    let nodes = choices.usize(2..5);
    let mut flag = || choices.bool();
    let (reorder, kills, fuses, closes, unportable) = (flag(), flag(), flag(), flag(), flag());
    // A process that is killed takes its memory with it; here nobody does, and a sanitizer would say so.
    let kills = kills && std::env::var_os("ASAN_OPTIONS").is_none();
    // Links that are no neighbours' break only where there are any.
    let breaks = flag() && matches!(topology, Topology::GrowingStar | Topology::GrowingLine) && nodes > 2;
    let lies = flag() && topology == Topology::Mesh && !fuses;
    let quotas = flag() && !lies;
    let plan = Plan { nodes, topology, steps: 0, reorder, kills, breaks, fuses, closes, unportable, quotas };
    let mut random = Random::new(choices, plan);
    for _ in 0..400 {
        if random.rng.is_spent() {
            break;
        }
        match random.rng.below(16) {
            0 if lies => lie(&mut random),
            0..10 => random.step_program(),
            _ => random.step_network(),
        }
    }
    if lies {
        hostile::lose(&mut random.world, LIAR);
    }
    random.finish();
}

/// Somebody who is nobody's neighbour, but knows all names, says something.
fn lie(random: &mut Random) {
    let addresses = hostile::addresses(&random.world);
    let Some(to) = random.rng.choice(addresses.iter().copied()) else { return };
    let about = random.rng.choice(addresses).unwrap_or(to);
    let number = random.rng.u64(..4);
    let any = Amount { messages: random.rng.u64(..), bytes: random.rng.u64(..3) };
    let address = Address { node: LIAR, port: PortName(random.rng.u64(..4).into()) };
    let body = match random.rng.below(10) {
        0 => Body::Closure,
        1 => Body::PreviousHop(about),
        2 => Body::ObserveProxyAck,
        3 => Body::Accepted,
        4 => Body::ObserveProxy(address),
        5 => Body::Probe { origin: about.port, hops_left: 1 },
        6 => Body::Meter { step: any, uncounted: random.rng.bool().then_some(number) },
        7 => Body::Credit(any),
        kind => {
            let peer = random.rng.bool().then_some(about);
            let meter = random.rng.bool().then_some(Meter { step: any, taken: any, uncounted: number });
            let port = PortDescriptor {
                name: PortName(random.rng.u64(..4).into()),
                peer,
                previous: PortName(9),
                has_sent: random.rng.bool(),
                sending: random.rng.bool().then(|| Box::new(Sending::from_parts(any, any))),
                receiving: random.rng.bool().then(|| Box::new(Receiving::from_parts(any, meter))),
            };
            let ports = if kind == 8 { vec![port] } else { Vec::new() };
            Body::Message { message: Parcel::plain(usize::MAX, 0), ports }
        }
    };
    let from = PortName(random.rng.u64(..4).into());
    hostile::accept(&mut random.world, LIAR, to.node, Event { to: to.port, from, number, body });
}
