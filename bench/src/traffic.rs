//! What is done with wires: round trips, and streams with as much under way as the receiver has room for.

use crate::meter::{Meter, Pace};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::statistics;
use crate::wire::Wire;
use serde::{Deserialize, Serialize};
use std::thread;
use std::time::{Duration, Instant};

/// The first byte of a message says what it is: one of many,
pub const PLAIN: u8 = 0;
/// one that the receiver of a stream acknowledges,
pub const MARKED: u8 = 1;
/// or the end.
pub const LAST: u8 = 2;

pub const ACKNOWLEDGEMENT_BYTES: usize = 64;

/// How long a sleeping peer is left alone between two pings.
const PAUSE: Duration = Duration::from_millis(1);

/// What goes one way.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Stream {
    pub num_bytes: usize,
    /// Every so many messages the receiver acknowledges. The sender is ahead by twice as many at most.
    pub stride: usize,
}

impl Stream {
    /// Up to 8 MiB, 4096 messages, under way.
    pub fn of_bytes(num_bytes: usize) -> Self {
        let window = ((8 << 20) / num_bytes).clamp(2, 4096);
        Self { num_bytes, stride: window / 2 }
    }

    /// As many messages as there are handles attached to them: up to 512 handles under way, since descriptors there
    /// are limited.
    pub fn of_handles(handles_per_message: usize) -> Self {
        Self { num_bytes: 64, stride: 256 / handles_per_message }
    }
}

/// When a stream ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    Elapsed(Duration),
    Sent(usize),
}

/// Answers every message with one of the same size, until the last.
pub async fn echo(wire: &mut impl Wire, num_bytes: usize) -> Outcome<()> {
    let message = vec![PLAIN; num_bytes];
    while wire.receive(num_bytes).await? != LAST {
        wire.send(&message).await?;
    }
    Ok(())
}

/// Receives a stream, until the last message.
pub async fn sink(wire: &mut impl Wire, stream: Stream) -> Outcome<()> {
    let acknowledgement = [PLAIN; ACKNOWLEDGEMENT_BYTES];
    loop {
        match wire.receive(stream.num_bytes).await? {
            PLAIN => {}
            MARKED => wire.send(&acknowledgement).await?,
            _ => return Ok(()),
        }
    }
}

/// Ends [`echo`] and [`sink`].
pub async fn finish(wire: &mut impl Wire, num_bytes: usize) -> Outcome<()> {
    wire.send(&vec![LAST; num_bytes]).await
}

/// There and back once, to somebody who echoes.
pub async fn round_trip(wire: &mut impl Wire, num_bytes: usize) -> Outcome<()> {
    wire.send(&vec![PLAIN; num_bytes]).await?;
    wire.receive(num_bytes).await.map(drop)
}

/// The seconds of a round trip, one right after the other.
pub async fn round_trips_awake(wire: &mut impl Wire, num_bytes: usize, plan: Plan) -> Outcome<f64> {
    let message = vec![PLAIN; num_bytes];
    let mut meter = Meter::new(plan);
    while let Some(times) = meter.next_batch() {
        for _ in 0..times {
            wire.send(&message).await?;
            wire.receive(num_bytes).await?;
        }
    }
    meter.median()
}

/// The seconds of round trips with pauses between, in which both sides go to sleep.
pub async fn round_trips_asleep(wire: &mut impl Wire, num_bytes: usize, plan: Plan) -> Outcome<Vec<f64>> {
    let message = vec![PLAIN; num_bytes];
    let mut seconds = Vec::with_capacity(plan.events());
    for _ in 0..plan.events() {
        thread::sleep(PAUSE);
        let begin = Instant::now();
        wire.send(&message).await?;
        wire.receive(num_bytes).await?;
        seconds.push(begin.elapsed().as_secs_f64());
    }
    Ok(seconds)
}

/// The middle of [`round_trips_asleep`].
pub async fn median_asleep(wire: &mut impl Wire, num_bytes: usize, plan: Plan) -> Outcome<f64> {
    let seconds = round_trips_asleep(wire, num_bytes, plan).await?;
    statistics::median(&seconds).ok_or_else(|| "no pings".into())
}

/// Sends to a [`sink`], first to warm up; returns how many messages arrive in a second.
pub async fn rate(wire: &mut impl Wire, stream: Stream, plan: Plan) -> Outcome<f64> {
    send_stream(wire, stream, Until::Elapsed(plan.warm_up())).await?;
    send_stream(wire, stream, Until::Elapsed(plan.sample())).await?.median()
}

/// Sends to a [`sink`], until the end and until all has arrived. Returns the pace of the arrivals.
pub async fn send_stream(wire: &mut impl Wire, stream: Stream, until: Until) -> Outcome<Pace> {
    let mut message = vec![PLAIN; stream.num_bytes];
    let mut pace = Pace::begin();
    let begin = Instant::now();
    let (mut sent, mut unacknowledged) = (0, 0);
    loop {
        for _ in 1..stream.stride {
            wire.send(&message).await?;
        }
        message.iter_mut().take(1).for_each(|kind| *kind = MARKED);
        wire.send(&message).await?;
        message.iter_mut().take(1).for_each(|kind| *kind = PLAIN);
        sent += stream.stride;
        unacknowledged += 1;
        let is_over = match until {
            Until::Elapsed(duration) => begin.elapsed() >= duration,
            Until::Sent(number) => sent >= number,
        };
        while unacknowledged > if is_over { 0 } else { 1 } {
            wire.receive(ACKNOWLEDGEMENT_BYTES).await?;
            pace.note(stream.stride);
            unacknowledged -= 1;
        }
        if is_over {
            return Ok(pace);
        }
    }
}
