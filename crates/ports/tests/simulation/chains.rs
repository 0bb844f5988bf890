//! Ends that run ahead of what they leave behind, through ten nodes.

use super::Rng;
use super::random::{Plan, Random};
use super::world::{Leaves, Step};

const NUM_NODES: usize = 11;

/// An end runs from the first node to the last, and perhaps the other one the other way, while both are used. Little else
/// arrives meanwhile. Returns how long the chain of its traces was at most.
pub fn run(seed: u64, plan: Plan) -> usize {
    let mut random = Random::new(Rng::with_seed(seed), Plan { nodes: NUM_NODES, ..plan });
    let ways = carriers(&mut random);
    let (start, both) = (random.rng.usize(..NUM_NODES - 1), random.rng.bool());
    let (a, b) = random.world.connect(start, start + 1);
    let mut longest = 0;
    for _ in 0..NUM_NODES {
        for (end, forth) in [(b, true), (a, false)] {
            if random.rng.bool() {
                random.world.send(end, &[], Leaves::AsItIs);
            }
            if forth || both {
                step_on(&mut random, &ways, end, forth);
            }
        }
        longest = longest.max(random.world.sites.iter().map(|site| site.node.proxy_count()).sum());
        if plan.kills && random.rng.u32(..10) == 0 {
            let site = random.rng.usize(..NUM_NODES);
            random.world.kill(site);
        }
    }
    if plan.closes && random.rng.bool() {
        random.world.close(a);
    }
    random.finish();
    longest
}

/// For each node and the next the ends of a pipe between them, at rest.
fn carriers(random: &mut Random) -> Vec<(usize, usize)> {
    let ways = (1..NUM_NODES).map(|next| random.world.connect(next - 1, next)).collect();
    random.world.settle(&mut |_| 0);
    ways
}

/// Moves an end to the next node or the one before, and waits until it is there.
fn step_on(random: &mut Random, ways: &[(usize, usize)], end: usize, forth: bool) {
    let Some(at) = random.world.site_of(end) else { return };
    let (way, to) = match forth {
        true => (ways.get(at).copied(), at + 1),
        false => (at.checked_sub(1).map(|before| (ways[before].1, ways[before].0)), at.saturating_sub(1)),
    };
    let Some((near, far)) = way else { return };
    random.world.send(near, &[end], Leaves::AsItIs);
    loop {
        while random.world.receive(far).is_ok() {}
        let steps = random.world.steps();
        let ahead = steps
            .iter()
            .copied()
            .find(|step| matches!(step, Step::Deliver { from, to: site, .. } if (*from, *site) == (at, to)));
        if random.world.site_of(end).is_some() || random.world.ends[end].closed {
            return;
        }
        let step = if random.rng.u32(..8) == 0 { random.rng.choice(steps) } else { ahead };
        match step.or(ahead) {
            Some(step) => random.world.step(step),
            None => return,
        }
    }
}
