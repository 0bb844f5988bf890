//! Nodes that keep no protocol at all.

use super::world::{World, name_of};
use libmojo_ports::{Address, Effects, Event, NodeName};

use super::world::Parcel;

/// Every port that can be addressed.
pub fn addresses(world: &World) -> Vec<Address> {
    let mut all = Vec::new();
    for site in &world.sites {
        for port in site.node.named_ports() {
            let text = format!("{port:?}");
            let digits: String = text
                .split("PortName(")
                .nth(1)
                .map(|rest| rest.chars().take_while(char::is_ascii_digit).collect())
                .unwrap_or_default();
            if let Ok(number) = digits.parse() {
                all.push(Address { node: site.node.name(), port: libmojo_ports::PortName(number) });
            }
        }
    }
    all
}

/// Lets such a node say something to a node of this world.
pub fn accept(world: &mut World, from: NodeName, to: NodeName, event: Event<Parcel>) {
    let site = (0..world.sites.len()).find(|site| name_of(*site) == to).unwrap();
    let effects = match world.sites[site].node.accept(from, event) {
        Ok(effects) | Err((_, effects)) => effects,
    };
    // What is meant for the hostile node goes nowhere.
    let Effects { forward, changed, dropped, neighbours, .. } = effects;
    let is_known = |name: &NodeName| (0..world.sites.len()).any(|site| name_of(site) == *name);
    let forward = forward.into_iter().filter(|(name, _)| is_known(name)).collect();
    let neighbours = neighbours.into_iter().filter(|name| is_known(name)).collect();
    world.apply(site, Effects { forward, changed, dropped, neighbours, apart: Vec::new() });
}

/// Cuts such a node off.
pub fn lose(world: &mut World, node: NodeName) {
    for site in 0..world.sites.len() {
        let effects = world.sites[site].node.lose(node);
        world.apply(site, effects);
    }
}
