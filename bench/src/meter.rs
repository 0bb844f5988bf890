//! Timing of something that is done over and over: in batches, so that reading the clock does not count, and with the
//! median of the batches, so that what interrupts a few of them does not count either. And of something that flows: in
//! slices that are long enough for all that belongs to the flow, with the median of these.

use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::statistics;
use std::time::{Duration, Instant};

/// What a batch should take at least, if the work is much shorter: hundreds of times what the clock takes.
const BATCH: Duration = Duration::from_micros(10);

/// How long the flow of something is watched for one rate.
const SLICE: Duration = Duration::from_millis(10);

/// Times batches, first to warm up and to find the size of a batch, then to measure.
///
/// ```text
/// while let Some(times) = meter.next_batch() { for _ in 0..times { work() } }
/// ```
pub struct Meter {
    sample: Duration,
    warm_until: Option<Instant>,
    until: Instant,
    times: u32,
    batch_began: Instant,
    seconds: Vec<f64>,
}

impl Meter {
    pub fn new(plan: Plan) -> Self {
        let now = Instant::now();
        let warm_until = now + plan.warm_up();
        let seconds = Vec::with_capacity(1 << 14);
        Self { sample: plan.sample(), warm_until: Some(warm_until), until: now, times: 0, batch_began: now, seconds }
    }

    /// How many times the work is to be done before this is called again. `None` once it was measured for long enough.
    pub fn next_batch(&mut self) -> Option<u32> {
        let now = Instant::now();
        let took = now - self.batch_began;
        match self.warm_until {
            Some(_) if self.times == 0 => self.times = 1,
            Some(until) => {
                if took < BATCH {
                    self.times = self.times.saturating_mul(2);
                }
                if now >= until {
                    self.warm_until = None;
                    self.until = now + self.sample;
                }
            }
            None => {
                self.seconds.push(took.as_secs_f64() / f64::from(self.times));
                if now >= self.until {
                    return None;
                }
            }
        }
        self.batch_began = Instant::now();
        Some(self.times)
    }

    /// The seconds that the work takes once.
    pub fn median(&self) -> Outcome<f64> {
        statistics::median(&self.seconds).ok_or_else(|| "nothing was measured".into())
    }
}

/// Finds how much arrives in a second.
pub struct Pace {
    slice_began: Instant,
    arrived: f64,
    rates: Vec<f64>,
}

impl Pace {
    pub fn begin() -> Self {
        Self { slice_began: Instant::now(), arrived: 0.0, rates: Vec::new() }
    }

    /// Notes that so much more has arrived by now.
    pub fn note(&mut self, amount: usize) {
        self.arrived += amount as f64;
        if self.slice_began.elapsed() >= SLICE {
            self.end_slice();
        }
    }

    fn end_slice(&mut self) {
        let now = Instant::now();
        self.rates.push(self.arrived / (now - self.slice_began).as_secs_f64());
        (self.slice_began, self.arrived) = (now, 0.0);
    }

    /// How much arrives in a second.
    pub fn median(mut self) -> Outcome<f64> {
        if self.rates.is_empty() {
            self.end_slice();
        }
        statistics::median(&self.rates).ok_or_else(|| "nothing has arrived".into())
    }
}

/// The seconds that `work` takes once, with the dropping of what it returns.
pub fn time<T>(plan: Plan, mut work: impl FnMut() -> Outcome<T>) -> Outcome<f64> {
    let mut meter = Meter::new(plan);
    while let Some(times) = meter.next_batch() {
        for _ in 0..times {
            drop(work()?);
        }
    }
    meter.median()
}
