//! One process with very many children: what each connection takes up, and what a message to one of them costs.

use crate::contenders::mojo::{self, Mojo, MojoWire};
use crate::machine::{Cpus, Placement, raise_descriptor_limit};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::process::{CarrierKind, Job, Memory, Other, Setup, num_descriptors};
use crate::row::{Experiment, Row, SUBJECT, Unit};
use crate::traffic::{LAST, PLAIN, Stream, Until, finish, round_trip, round_trips_awake, send_stream, sink};
use crate::wire::{Carrier, Wire, run_ready};
use libmojo::Message;
use std::thread;
use std::time::Duration;

const ONE_CHILD: &str = "one child";

const NUM_BYTES: usize = 64;
const PIECE_BYTES: usize = 1 << 20;

/// How many children are asked for their size.
const ASKED: usize = 16;

/// What a child is asked for by the first byte of a message, besides an echo and the end:
const TELL_SIZE: u8 = 10;
const RECEIVE_BURST: u8 = 11;
const SEND_BURST: u8 = 12;

pub fn experiments(plan: Plan) -> Vec<Experiment> {
    let children = plan.children();
    let rows = vec![
        Row::lower("memory of an idle link: this side, and all that is shared", Unit::Kibibytes).target(100.0),
        Row::lower("the same after a burst each way", Unit::Kibibytes).target(100.0),
        Row::lower("memory that a child has for itself, once it is connected", Unit::Kibibytes),
        Row::lower("descriptors a link", Unit::Number).target(4.0),
        Row::lower(format!("64 B there and back, to one of {children} children"), Unit::Microseconds),
    ];
    let group = "One process with many children";
    let experiment = Experiment::new(group, rows).at_most(1).patient(Duration::from_secs(180));
    vec![
        experiment
            .probe_all(SUBJECT, |plan| run_ready(many_children(plan)))
            .probe_all(ONE_CHILD, |plan| Ok(vec![None, None, None, None, Some(run_ready(one_child(plan))?)]))
            .last_is_reference(),
    ]
}

fn setup(burst_bytes: usize) -> Outcome<Setup> {
    let cpus = Cpus::pin(Placement::Cross)?;
    Ok(Setup::new(CarrierKind::Mojo, Job::Census { burst_bytes }, cpus.there, burst()))
}

fn burst() -> Stream {
    Stream::of_bytes(PIECE_BYTES)
}

async fn one_child(plan: Plan) -> Outcome<f64> {
    let (mut wire, other) = Mojo::start(&setup(0)?).await?;
    let seconds = round_trips_awake(&mut wire, NUM_BYTES, plan).await?;
    finish(&mut wire, NUM_BYTES).await?;
    other.end()?;
    Ok(seconds)
}

async fn many_children(plan: Plan) -> Outcome<Vec<Option<f64>>> {
    raise_descriptor_limit()?;
    let setup = setup(plan.burst_bytes())?;
    // What the first link brings along for all of them does not count.
    let _first = start_child(&setup).await?;
    thread::sleep(plan.settle());
    let (memory, descriptors) = (Memory::of_this_process()?, num_descriptors()?);
    let mut children = Vec::with_capacity(plan.children());
    for _ in 0..plan.children() {
        children.push(start_child(&setup).await?);
    }
    thread::sleep(plan.settle());
    let number = children.len() as f64;
    let grown = Memory::of_this_process()?.since(memory);
    let descriptors = (num_descriptors()? - descriptors) as f64 / number;
    let asked = ask_sizes(children.iter().step_by((children.len() / ASKED).max(1)))?;
    let idle = grown.all() / number + asked.shared;

    let (wire, _) = children.get_mut(plan.children() / 2).ok_or("no children")?;
    let round_trip = round_trips_awake(wire, NUM_BYTES, plan).await?;
    let after_burst = idle + growth_by_bursts(&mut children, plan).await?;
    Ok(vec![Some(idle), Some(after_burst), Some(asked.own), Some(descriptors), Some(round_trip)])
}

async fn start_child(setup: &Setup) -> Outcome<(MojoWire, Other)> {
    let (mut wire, other) = Mojo::start(setup).await?;
    round_trip(&mut wire, NUM_BYTES).await?;
    Ok((wire, other))
}

/// How many bytes more a link takes up after a burst. The first is for what this process keeps for itself from then on.
async fn growth_by_bursts(children: &mut [(MojoWire, Other)], plan: Plan) -> Outcome<f64> {
    let ((first, _), others) = children.split_first_mut().ok_or("no children")?;
    let number = plan.bursts().min(others.len());
    let others = others.get_mut(..number).unwrap_or_default();
    exchange_bursts(first, plan).await?;
    thread::sleep(plan.settle());
    let before = Memory::of_this_process()?;
    let idle = ask_sizes(others.iter())?.shared;
    for (wire, _) in others.iter_mut() {
        exchange_bursts(wire, plan).await?;
    }
    // Idle again is who has had nothing to do for a while.
    thread::sleep(plan.settle());
    let own = Memory::of_this_process()?.since(before).all() / number as f64;
    Ok(own + ask_sizes(others.iter())?.shared - idle)
}

async fn exchange_bursts(wire: &mut MojoWire, plan: Plan) -> Outcome<()> {
    request(wire, RECEIVE_BURST).await?;
    send_burst(wire, plan.burst_bytes()).await?;
    request(wire, SEND_BURST).await?;
    sink(wire, burst()).await
}

async fn send_burst(wire: &mut MojoWire, num_bytes: usize) -> Outcome<()> {
    send_stream(wire, burst(), Until::Sent(num_bytes / PIECE_BYTES)).await?;
    finish(wire, PIECE_BYTES).await
}

async fn request(wire: &mut MojoWire, kind: u8) -> Outcome<()> {
    let mut message = [PLAIN; NUM_BYTES];
    message[0] = kind;
    wire.send(&message).await
}

/// The mean of how much some children have grown since they are connected.
fn ask_sizes<'a>(children: impl Iterator<Item = &'a (MojoWire, Other)>) -> Outcome<Memory> {
    let (mut sum, mut number) = (Memory::default(), 0.0);
    for (wire, _) in children {
        let size = ask_size(wire)?;
        sum = Memory { own: sum.own + size.own, shared: sum.shared + size.shared };
        number += 1.0;
    }
    Ok(Memory { own: sum.own / number, shared: sum.shared / number })
}

fn ask_size(wire: &MojoWire) -> Outcome<Memory> {
    let mut message = Message::new(&[PLAIN; NUM_BYTES]);
    message.payload_mut().iter_mut().take(1).for_each(|kind| *kind = TELL_SIZE);
    wire.pipe.send(message).map_err(|refused| refused.kind)?;
    let (own, shared) = serde_json::from_slice(wire.pipe.recv()?.payload())?;
    Ok(Memory { own, shared })
}

/// The child's part.
pub fn census(burst_bytes: usize) -> Outcome<()> {
    let before = Memory::of_this_process()?;
    let mut wire = MojoWire::new(mojo::join()?);
    run_ready(async {
        loop {
            match wire.receive(NUM_BYTES).await? {
                TELL_SIZE => {
                    let Memory { own, shared } = Memory::of_this_process()?.since(before);
                    wire.send(&serde_json::to_vec(&(own, shared))?).await?;
                }
                RECEIVE_BURST => sink(&mut wire, burst()).await?,
                SEND_BURST => send_burst(&mut wire, burst_bytes).await?,
                LAST => return Ok(()),
                _ => wire.send(&[PLAIN; NUM_BYTES]).await?,
            }
        }
    })
}
