//! Every order in which small programs and the network under them can run, on the real routing code.
//!
//! A configuration is a [`Script`]: pipes between a few nodes, and threads that each do a few things. The [search]
//! tries every choice in every state: which thread goes on, which packet arrives, when a node notices that another is
//! gone. Where nothing can happen any more everything that pipes promise is checked, and after every step what holds at
//! any time; `world/properties.rs` has both.
//!
//! ```sh
//! cargo test -p libmojo-ports --test exploration                      # seconds
//! MOJO_SIM_DEPTH=2 cargo test --release -p libmojo-ports --test exploration     # longer programs: minutes
//! ```
//!
//! A failure prints its schedule; with that as `MOJO_SIM_REPLAY` the failing test repeats it, step by step in words.
//!
//! # Why this is every order
//!
//! What a step does depends on the node where it happens and on what that node has seen before; what it changes is that
//! node, and what is under way from it. (A packet that arrives is known by its number on its lane, so by the history of
//! its sender; names are given by a counter of each node.) So a state is the same whenever each node has seen the same
//! things in the same order, in whichever order these happened between nodes, and it is enough to go on from it once.
//! States are told apart by exactly that, the histories of the nodes, not by what the nodes remember of them: there is
//! nothing in a node that the comparison could forget.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "exploration/script.rs"]
mod script;
#[path = "exploration/search.rs"]
mod search;
mod world;

use script::Op::{self, Break, Close, Fuse, Kill, Limit, Move, Put, Receive, Send, SendBound};
use script::Script;
use search::explore;
use world::Topology;

// The ends of the first pipe and of the second.
const A: usize = 0;
const B: usize = 1;
const C: usize = 2;
const D: usize = 3;

/// A pipe from node 0 to node 1, and a third node.
fn script(threads: &[&[Op]]) -> Script {
    let threads = threads.iter().map(|ops| ops.to_vec()).collect();
    Script { topology: Topology::Mesh, sites: 3, window: 1, pipes: vec![(0, 1)], before: Vec::new(), threads }
}

/// These scripts if that is how deep to look, which is 1 unless `MOJO_SIM_DEPTH` says more.
fn from_depth(depth: usize, scripts: Vec<Script>) -> Vec<Script> {
    let wanted = std::env::var("MOJO_SIM_DEPTH").map_or(1, |depth| depth.parse().expect("a number"));
    if wanted >= depth { scripts } else { Vec::new() }
}

/// Scripts in which also some node dies, whichever and whenever.
fn with_a_death(scripts: Vec<Script>) -> Vec<Script> {
    let deaths = scripts.iter().flat_map(|script| {
        (0..script.sites).map(|site| {
            let mut script = script.clone();
            script.threads.push(vec![Kill(site)]);
            script
        })
    });
    deaths.collect()
}

fn overtaking(mut scripts: Vec<Script>) -> Vec<Script> {
    scripts.iter_mut().for_each(|script| script.window = usize::MAX);
    scripts
}

// ---- every program ---------------------------------------------------------------------------------------

/// Everything that one of two programs can do with its end of a pipe, in so many steps: sending, moving to either of the
/// other nodes, closing.
fn one_sided(end: usize, at: usize, num_ops: usize) -> Vec<Vec<Op>> {
    if num_ops == 0 {
        return vec![Vec::new()];
    }
    let then = |op, at| one_sided(end, at, num_ops - 1).into_iter().map(move |rest| [vec![op], rest].concat());
    let moves = (0..3).filter(|to| *to != at).flat_map(|to| then(Move(end, to), to));
    let mut all: Vec<_> = then(Send(end), at).chain(moves).collect();
    if num_ops == 1 {
        all.push(vec![Close(end)]);
    }
    all
}

/// Every pair of programs, one for each end of the pipe, with so many steps together. Of two that differ in the names of
/// the ends only, one.
fn programs(num_ops: usize) -> Vec<Script> {
    let mut all = Vec::new();
    for of_b in 0..=num_ops / 2 {
        let (firsts, seconds) = (one_sided(A, 0, num_ops - of_b), one_sided(B, 1, of_b));
        for (at, first) in firsts.iter().enumerate() {
            for (other, second) in seconds.iter().enumerate() {
                let is_mirrored = of_b * 2 == num_ops && other < at;
                if !is_mirrored {
                    all.push(script(&[first, second]));
                }
            }
        }
    }
    all
}

#[test]
fn every_short_program() {
    explore("every program of two steps", programs(2));
    explore("every program of three steps", from_depth(2, programs(3)));
    explore("every program of four steps", from_depth(3, programs(4)));
}

#[test]
fn every_short_program_while_a_node_dies() {
    explore("every program of two steps, a node dies", with_a_death(programs(2)));
    explore("every program of three steps, a node dies", from_depth(3, with_a_death(programs(3))));
}

#[test]
fn every_short_program_while_packets_overtake_each_other() {
    explore("every program of two steps, overtaking", overtaking(programs(2)));
    explore(
        "every program of two steps, overtaking, a node dies",
        from_depth(2, overtaking(with_a_death(programs(2)))),
    );
    explore("every program of three steps, overtaking", from_depth(3, overtaking(programs(3))));
}

// ---- programs to the point -------------------------------------------------------------------------------

#[test]
fn messages_follow_both_ends() {
    let scripts = vec![
        script(&[&[Send(A), Move(A, 2)], &[Send(B), Move(B, 0)]]),
        script(&[&[Send(A), Move(A, 1)], &[Send(B), Move(B, 0)]]),
        script(&[&[Send(A), Move(A, 2), Move(A, 1)], &[Send(B)]]),
        script(&[&[Send(A), Move(A, 2), Move(A, 0)], &[Receive(B), Send(B)]]),
        script(&[&[Move(A, 2), Close(A)], &[Move(B, 0)]]),
        script(&[&[Move(A, 2), Move(A, 1)], &[Close(B)]]),
    ];
    let larger = vec![
        script(&[&[Send(A), Move(A, 2)], &[Send(B), Move(B, 2)]]),
        script(&[&[Send(A), Move(A, 2), Send(A)], &[Send(B), Move(B, 0), Send(B)]]),
        script(&[&[Move(A, 2), Move(A, 1), Move(A, 0)], &[Move(B, 2)]]),
    ];
    explore("messages and moves", [scripts.clone(), from_depth(2, larger)].concat());
    explore("messages and moves, a node dies", from_depth(2, with_a_death(scripts)));
}

#[test]
fn pipes_whose_ends_are_in_one_node_are_torn_apart() {
    let local = |threads: &[&[Op]]| Script { pipes: vec![(0, 0)], ..script(threads) };
    let scripts = vec![
        local(&[&[Send(A), SendBound(A), Send(A)], &[Move(B, 1)]]),
        local(&[&[Send(A), Move(A, 1)], &[Send(B), Move(B, 2)]]),
        local(&[&[Send(A), Move(A, 1), Move(A, 0)], &[Send(B), Move(B, 1)]]),
        local(&[&[Send(A), Close(A)], &[Move(B, 2)]]),
    ];
    explore("from one node", scripts.clone());
    explore("from one node, a node dies", from_depth(2, with_a_death(scripts)));
}

#[test]
fn quotas_move_with_both_ends() {
    let local = |threads: &[&[Op]]| Script { pipes: vec![(0, 0)], ..script(threads) };
    let fused = |threads: &[&[Op]]| Script { pipes: vec![(0, 1), (1, 2)], ..script(threads) };
    let scripts = vec![
        script(&[&[Limit(A, 1), Send(A), Send(A), Move(A, 2)], &[Receive(B), Receive(B)]]),
        script(&[&[Send(A), Limit(A, 1), Send(A), Send(A)], &[Receive(B), Receive(B), Move(B, 2)]]),
        script(&[&[Limit(A, 2), Send(A), Limit(A, 1), Send(A)], &[Receive(B), Move(B, 2)]]),
        local(&[&[Limit(A, 1), Send(A), Send(A)], &[Receive(B), Move(B, 1)]]),
        local(&[&[Send(A), Limit(A, 1), Move(A, 1), Send(A)], &[Receive(B), Move(B, 2)]]),
        fused(&[&[Fuse(B, C)], &[Limit(A, 1), Send(A), Send(A)], &[Receive(D)]]),
        fused(&[&[Receive(B), Fuse(B, C)], &[Limit(A, 2), Send(A), Send(A), Limit(A, 1)], &[Receive(D)]]),
        fused(&[&[Limit(C, 1), Fuse(B, C)], &[Send(A), Limit(A, 1), Send(A)], &[Receive(D)]]),
    ];
    let larger = vec![
        script(&[&[Limit(A, 1), Send(A), Move(A, 2), Send(A)], &[Move(B, 0), Receive(B), Receive(B)]]),
        script(&[&[Send(A), Limit(A, 1), Send(A)], &[Move(B, 2), Receive(B), Move(B, 0), Receive(B)]]),
        fused(&[&[Fuse(B, C)], &[Limit(A, 1), Send(A), Move(A, 1), Send(A)], &[Receive(D)]]),
    ];
    explore("quotas", [scripts.clone(), from_depth(2, larger)].concat());
    let small = scripts[2..4].to_vec();
    explore("quotas, overtaking", from_depth(2, overtaking(small.clone())));
    explore("quotas, a node dies", from_depth(2, with_a_death(small)));
}

#[test]
fn pipes_are_fused_while_they_move_and_close() {
    let two = |threads: &[&[Op]]| Script { pipes: vec![(0, 1), (1, 2)], ..script(threads) };
    let local = |threads: &[&[Op]]| Script { pipes: vec![(0, 1), (0, 0)], ..script(threads) };
    let scripts = vec![
        two(&[&[Fuse(B, C)], &[Send(A)], &[Send(D)]]),
        two(&[&[Fuse(B, C)], &[Send(A), Close(A)], &[Close(D)]]),
        two(&[&[Fuse(B, C)], &[Move(A, 1)]]),
        two(&[&[Move(B, 2), Fuse(B, D)]]),
        local(&[&[Fuse(A, C)], &[Send(D), Move(D, 2)]]),
        local(&[&[Fuse(A, C)], &[Move(D, 1)], &[Close(B)]]),
    ];
    let larger = vec![two(&[&[Fuse(B, C)], &[Move(A, 2)]]), two(&[&[Move(B, 2), Fuse(B, D)], &[Move(A, 1)]])];
    let largest =
        vec![two(&[&[Fuse(B, C)], &[Move(A, 2)], &[Move(D, 0)]]), two(&[&[Move(B, 2), Fuse(B, D)], &[Move(C, 0)]])];
    explore("fusing", [scripts.clone(), from_depth(2, larger), from_depth(3, largest)].concat());
    let dying = vec![two(&[&[Fuse(B, C)], &[Close(A)]]), local(&[&[Fuse(A, C)], &[Send(D), Move(D, 2)]])];
    explore("fusing, a node dies", [with_a_death(dying), from_depth(3, with_a_death(scripts))].concat());
}

#[test]
fn pipes_are_fused_with_themselves_through_other_nodes() {
    let circle = |threads: &[&[Op]]| Script { pipes: vec![(0, 1), (1, 0)], ..script(threads) };
    let local = |threads: &[&[Op]]| Script { pipes: vec![(0, 1), (0, 0)], ..script(threads) };
    let scripts = vec![
        circle(&[&[Fuse(B, C)], &[Fuse(A, D)]]),
        circle(&[&[Fuse(B, C)], &[Move(A, 1), Move(A, 0), Fuse(A, D)]]),
        local(&[&[Fuse(A, C)], &[Move(D, 1), Fuse(D, B)]]),
    ];
    let larger = vec![circle(&[&[Fuse(B, C)], &[Move(A, 2), Move(A, 0), Fuse(A, D)]])];
    explore("circles", [scripts.clone(), from_depth(3, larger)].concat());
    // Nodes 0 and 1 do the same.
    let dying = vec![circle(&[&[Fuse(B, C)], &[Fuse(A, D)], &[Kill(0)]])];
    explore("circles, a node dies", [dying, from_depth(2, with_a_death(scripts))].concat());
}

#[test]
fn ends_move_inside_of_messages_to_ends_that_move() {
    let of = |pipes: [(usize, usize); 2], threads: &[&[Op]]| Script { pipes: pipes.to_vec(), ..script(threads) };
    let scripts = vec![
        of([(0, 1), (0, 1)], &[&[Put(A, C)], &[Move(D, 2), Receive(D)]]),
        of([(0, 0), (0, 1)], &[&[Put(A, C)], &[Move(D, 2), Receive(D), Send(A)]]),
        of([(0, 1), (0, 0)], &[&[Put(A, C)], &[Move(D, 1), Receive(D), Send(A)]]),
        of([(0, 0), (0, 0)], &[&[Put(A, C)], &[Move(D, 1), Move(D, 2)]]),
    ];
    let larger = vec![
        of([(0, 1), (0, 1)], &[&[Put(A, C)], &[Move(D, 2), Receive(D)], &[Move(B, 0)]]),
        of([(0, 0), (0, 1)], &[&[Put(C, A)], &[Move(B, 2), Receive(B)], &[Move(D, 0)]]),
    ];
    let largest = vec![of([(0, 1), (0, 1)], &[&[Put(A, C), Move(C, 2)], &[Move(D, 2), Receive(D)]])];
    explore("ends inside of ends", [scripts.clone(), from_depth(2, larger), from_depth(3, largest)].concat());
    explore("ends inside of ends, a node dies", from_depth(2, with_a_death(scripts)));
}

#[test]
fn nodes_that_cannot_be_introduced_are_relayed_between() {
    let star = |threads: &[&[Op]]| Script { topology: Topology::Star, ..script(threads) };
    let scripts = vec![
        star(&[&[Send(A), Move(A, 2)], &[Send(B)]]),
        star(&[&[Move(A, 2), Close(A)], &[Send(B)]]),
        star(&[&[Move(A, 2), Move(A, 0)], &[Close(B)]]),
    ];
    let of_both = vec![star(&[&[Move(A, 2)], &[Move(B, 0), Move(B, 2)]])];
    let larger = vec![
        star(&[&[Move(A, 2), Move(A, 0)], &[Move(B, 0)]]),
        star(&[&[Send(A), Move(A, 2)], &[Move(B, 0), Move(B, 2), Send(B)]]),
    ];
    explore("relays", [scripts.clone(), of_both.clone(), from_depth(2, larger)].concat());
    explore("relays, a node dies", [with_a_death(scripts), from_depth(2, with_a_death(of_both))].concat());
}

#[test]
fn nodes_are_introduced_while_ends_move_between_them() {
    let star = |threads: &[&[Op]]| Script { topology: Topology::GrowingStar, ..script(threads) };
    let scripts = vec![
        star(&[&[Send(A), Move(A, 2)], &[Send(B)]]),
        star(&[&[Move(A, 2), Close(A)], &[Send(B)]]),
        star(&[&[Move(A, 2)], &[Close(B)]]),
        star(&[&[Move(A, 2), Move(A, 0)]]),
        star(&[&[Move(A, 2)], &[Move(B, 0)]]),
    ];
    let two = |threads: &[&[Op]]| Script { pipes: vec![(0, 1), (0, 1)], ..star(threads) };
    let line = Script { sites: 4, topology: Topology::GrowingLine, ..script(&[&[Move(B, 2), Move(B, 3)]]) };
    let larger = vec![two(&[&[Move(A, 2)], &[Move(C, 2), Send(C)]]), line];
    explore("introductions", [scripts.clone(), from_depth(2, larger)].concat());
    let dying = vec![star(&[&[Move(A, 2)]])];
    explore("introductions, a node dies", [with_a_death(dying), from_depth(2, with_a_death(scripts))].concat());
}

#[test]
fn links_break_that_came_of_introductions() {
    let star = |threads: &[&[Op]]| Script { topology: Topology::GrowingStar, ..script(threads) };
    // The second pipe has introduced nodes 1 and 2.
    let introduced = |threads: &[&[Op]]| {
        let before = vec![Move(C, 2), Close(C), Close(D)];
        Script { pipes: vec![(0, 1), (0, 1)], before, ..star(threads) }
    };
    let scripts = vec![
        star(&[&[Move(A, 2)], &[Break(1, 2)]]),
        introduced(&[&[Move(A, 2), Move(A, 0)], &[Break(1, 2)]]),
        introduced(&[&[Break(1, 2), Move(A, 2), Send(A)], &[Send(B)]]),
    ];
    let larger = vec![
        introduced(&[&[Send(A), Move(A, 2)], &[Send(B)], &[Break(1, 2)]]),
        introduced(&[&[Move(A, 2)], &[Move(B, 0)], &[Break(1, 2)]]),
        introduced(&[&[Break(1, 2), Move(A, 2)], &[Move(B, 0)]]),
        star(&[&[Move(A, 2), Move(A, 0)], &[Break(1, 2)]]),
        star(&[&[Move(A, 2)], &[Move(B, 0)], &[Break(1, 2)]]),
    ];
    explore("broken links", [scripts, from_depth(2, larger)].concat());
}
