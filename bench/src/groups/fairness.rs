//! Small messages on one pipe while another pipe between the same processes is full of large ones.

use crate::contenders::mojo::{self, MojoWire};
use crate::machine::{Cpus, Placement};
use crate::meter::Pace;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::process::{CarrierKind, Job, Other, Setup};
use crate::row::{Experiment, Row, SUBJECT, Unit};
use crate::statistics::{median, quantile};
use crate::traffic::{
    self, MARKED, PLAIN, Stream, Until, echo, finish, round_trip, round_trips_asleep, send_stream, sink,
};
use crate::wire::{Wire, look, run_ready};
use libmojo::{Message, MessagePipe, Signals, TryRecvError, wait_many};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const GROUP: &str = "64 B beside a stream of 1 MiB messages on the same link";

const QUIET: &str = "no stream";
const NO_PINGS: &str = "no pings";

const PING_BYTES: usize = 64;

/// How long is streamed before somebody looks whether it is over.
const PIECE: Duration = Duration::from_millis(10);

pub fn experiments() -> Vec<Experiment> {
    let awake = vec![
        Row::lower("64 B after each 1 MiB, awake, 99 of 100", Unit::Microseconds).target(20.0),
        Row::higher("what remains of the stream", Unit::GigabytesPerSecond).target_multiple(0.7, NO_PINGS),
    ];
    let asleep = vec![
        Row::lower("64 B beside a stream, asleep", Unit::Microseconds).target_multiple(2.0, QUIET),
        Row::lower("64 B beside a stream, asleep, 99 of 100", Unit::Microseconds),
    ];
    vec![
        Experiment::new(GROUP, awake)
            .probe_all(SUBJECT, |plan| {
                let (pings, rate) = stream_with_pings(true, plan)?;
                Ok(vec![quantile(&pings, 0.99), Some(rate)])
            })
            .probe_all(NO_PINGS, |plan| Ok(vec![None, Some(stream_with_pings(false, plan)?.1)]))
            .last_is_reference(),
        Experiment::new(GROUP, asleep)
            .probe_all(SUBJECT, |plan| middle_and_margin(&pings_to_sleeper(true, plan)?))
            .probe_all(QUIET, |plan| middle_and_margin(&pings_to_sleeper(false, plan)?))
            .last_is_reference(),
    ]
}

fn middle_and_margin(seconds: &[f64]) -> Outcome<Vec<Option<f64>>> {
    Ok(vec![median(seconds), quantile(seconds, 0.99)])
}

fn stream() -> Stream {
    Stream::of_bytes(1 << 20)
}

/// Two pipes to another process: for pings, and for the stream.
fn start(threads: bool) -> Outcome<(MojoWire, MojoWire, Other)> {
    let cpus = Cpus::pin(Placement::Cross)?;
    let setup = Setup::new(CarrierKind::Mojo, Job::Serve { threads }, cpus.there, stream());
    let (pings, other) = mojo::start(&setup)?;
    let (large, theirs) = MessagePipe::create();
    pings.send(Message::from("stream").with(theirs)).map_err(|refused| refused.kind)?;
    let mut pings = MojoWire::new(pings);
    run_ready(round_trip(&mut pings, PING_BYTES))?;
    Ok((pings, MojoWire::new(large), other))
}

/// One thread on each side: after each large message a ping, which finds the large one still under way. Returns the
/// seconds of the pings, and the rate of the stream in bytes.
fn stream_with_pings(with_pings: bool, plan: Plan) -> Outcome<(Vec<f64>, f64)> {
    let (mut pings, mut large, _other) = start(false)?;
    run_ready(async {
        mix(&mut pings, &mut large, with_pings, plan.warm_up()).await?;
        let (seconds, pace) = mix(&mut pings, &mut large, with_pings, plan.sample()).await?;
        Ok((seconds, pace.median()? * stream().num_bytes as f64))
    })
}

async fn mix(
    pings: &mut MojoWire,
    large: &mut MojoWire,
    with_pings: bool,
    duration: Duration,
) -> Outcome<(Vec<f64>, Pace)> {
    let mut message = vec![PLAIN; stream().num_bytes];
    let ping = [PLAIN; PING_BYTES];
    let (mut seconds, mut pace) = (Vec::new(), Pace::begin());
    let (mut sent, mut unacknowledged) = (0, 0);
    let begin = Instant::now();
    loop {
        sent += 1;
        let is_marked = sent % stream().stride == 0;
        message.iter_mut().take(1).for_each(|kind| *kind = if is_marked { MARKED } else { PLAIN });
        large.send(&message).await?;
        if with_pings {
            let begin = Instant::now();
            pings.send(&ping).await?;
            pings.receive(PING_BYTES).await?;
            seconds.push(begin.elapsed().as_secs_f64());
        }
        unacknowledged += usize::from(is_marked);
        let is_over = is_marked && begin.elapsed() >= duration;
        while unacknowledged > if is_over { 0 } else { 1 } {
            large.receive(traffic::ACKNOWLEDGEMENT_BYTES).await?;
            pace.note(stream().stride);
            unacknowledged -= 1;
        }
        if is_over {
            return Ok((seconds, pace));
        }
    }
}

/// Two threads on each side: one streams, the other sleeps between pings. Returns the seconds of these.
fn pings_to_sleeper(with_stream: bool, plan: Plan) -> Outcome<Vec<f64>> {
    let (mut pings, mut large, _other) = start(true)?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let streaming = scope.spawn(|| {
            while with_stream && !is_over.load(Ordering::Relaxed) {
                run_ready(send_stream(&mut large, stream(), Until::Elapsed(PIECE)))?;
            }
            run_ready(finish(&mut large, stream().num_bytes))
        });
        let seconds = run_ready(round_trips_asleep(&mut pings, PING_BYTES, plan));
        is_over.store(true, Ordering::Relaxed);
        streaming.join().map_err(|_| "the stream panicked")??;
        seconds
    })
}

/// The other process's part.
pub fn serve(pings: MessagePipe, threads: bool) -> Outcome<()> {
    let handle = pings.recv()?.take_handles()?.pop().ok_or("a message without a pipe")?;
    let large = handle.into_pipe().map_err(|_| "not a pipe")?;
    if !threads {
        return serve_both(&pings, &large);
    }
    let streaming = thread::spawn(move || run_ready(sink(&mut MojoWire::new(large), stream())));
    run_ready(echo(&mut MojoWire::new(pings), PING_BYTES))?;
    streaming.join().map_err(|_| "the stream panicked")?
}

/// On one thread, pings first.
fn serve_both(pings: &MessagePipe, large: &MessagePipe) -> Outcome<()> {
    let answer = |pipe: &MessagePipe| pipe.send(Message::new(&[PLAIN; PING_BYTES])).map_err(|refused| refused.kind);
    loop {
        wait_many(&[(pings, Signals::READABLE), (large, Signals::READABLE)], None).map_err(|(_, error)| error)?;
        match pings.try_recv() {
            Ok(message) => {
                look(message.payload(), PING_BYTES)?;
                answer(pings)?;
                continue;
            }
            Err(TryRecvError::Empty) => {}
            Err(error) => return Err(error.into()),
        }
        match large.try_recv() {
            Ok(message) if look(message.payload(), stream().num_bytes)? == MARKED => answer(large)?,
            Ok(_) | Err(TryRecvError::Empty) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
