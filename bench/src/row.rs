//! What is measured: rows, the experiments that yield them, and who takes part.

use crate::outcome::Outcome;
use crate::plan::Plan;
use serde::Serialize;
use std::time::Duration;

/// The contender that all this is about. It has the targets, and the others are compared with it.
pub const SUBJECT: &str = "libmojo";

/// One line of the report.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    pub unit: Unit,
    pub better: Better,
    pub target: Option<Target>,
}

/// What a value is printed in. Samples are in seconds, bytes, and these per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unit {
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Bytes,
    Kibibytes,
    ThousandsPerSecond,
    MillionsPerSecond,
    GigabytesPerSecond,
    PerSecond,
    Number,
    Times,
}

impl Unit {
    /// How much one of the unit is, in the unit of samples.
    pub fn scale(self) -> f64 {
        match self {
            Unit::Nanoseconds => 1e-9,
            Unit::Microseconds => 1e-6,
            Unit::Milliseconds => 1e-3,
            Unit::Kibibytes => 1024.0,
            Unit::ThousandsPerSecond => 1e3,
            Unit::MillionsPerSecond => 1e6,
            Unit::GigabytesPerSecond => 1e9,
            Unit::Bytes | Unit::PerSecond | Unit::Number | Unit::Times => 1.0,
        }
    }

    pub fn symbol(self) -> &'static str {
        match self {
            Unit::Nanoseconds => "ns",
            Unit::Microseconds => "µs",
            Unit::Milliseconds => "ms",
            Unit::Bytes => "B",
            Unit::Kibibytes => "KiB",
            Unit::ThousandsPerSecond => "k/s",
            Unit::MillionsPerSecond => "M/s",
            Unit::GigabytesPerSecond => "GB/s",
            Unit::PerSecond => "/s",
            Unit::Number => "",
            Unit::Times => "×",
        }
    }
}

/// Which of two values is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    Lower,
    Higher,
}

/// What libmojo is to reach, in the row's unit, or as a multiple of what another contender reaches in the same run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    Value(f64),
    Multiple(f64, &'static str),
}

impl Row {
    pub fn lower(name: impl Into<String>, unit: Unit) -> Self {
        Self { name: name.into(), unit, better: Better::Lower, target: None }
    }

    pub fn higher(name: impl Into<String>, unit: Unit) -> Self {
        Self { name: name.into(), unit, better: Better::Higher, target: None }
    }

    /// With a target in the row's unit.
    pub fn target(mut self, value: f64) -> Self {
        self.target = Some(Target::Value(value));
        self
    }

    /// With a target that is a multiple of what another contender reaches.
    pub fn target_multiple(mut self, factor: f64, contender: &'static str) -> Self {
        self.target = Some(Target::Multiple(factor, contender));
        self
    }
}

/// What is measured together.
pub struct Experiment {
    pub group: &'static str,
    pub rows: Vec<Row>,
    pub probes: Vec<Probe>,
    /// How often it is measured at most, because it takes long and hardly varies.
    pub max_repetitions: usize,
    /// After which time a sample counts as hung.
    pub patience: Duration,
}

/// What one contender does for an experiment.
pub struct Probe {
    pub contender: &'static str,
    /// Not a contender: libmojo itself under other circumstances, or what the memory allows.
    pub is_reference: bool,
    /// One value for each row of the experiment; `None` in rows where this contender does not take part.
    pub sample: Box<dyn Fn(Plan) -> Outcome<Vec<Option<f64>>>>,
}

impl Experiment {
    pub fn new(group: &'static str, rows: Vec<Row>) -> Self {
        let patience = Duration::from_secs(20);
        Self { group, rows, probes: Vec::new(), max_repetitions: usize::MAX, patience }
    }

    /// With a contender that yields a value for the only row.
    pub fn probe(self, contender: &'static str, sample: impl Fn(Plan) -> Outcome<f64> + 'static) -> Self {
        self.probe_all(contender, move |plan| Ok(vec![Some(sample(plan)?)]))
    }

    /// With a contender that yields a value for each row.
    pub fn probe_all(
        mut self,
        contender: &'static str,
        sample: impl Fn(Plan) -> Outcome<Vec<Option<f64>>> + 'static,
    ) -> Self {
        self.probes.push(Probe { contender, is_reference: false, sample: Box::new(sample) });
        self
    }

    /// Says that the last probe is only there to be compared with.
    pub fn last_is_reference(mut self) -> Self {
        self.probes.iter_mut().rev().take(1).for_each(|probe| probe.is_reference = true);
        self
    }

    /// Measured at most so often.
    pub fn at_most(mut self, repetitions: usize) -> Self {
        self.max_repetitions = repetitions;
        self
    }

    /// Given more time.
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What tells it from all others.
    pub fn name(&self) -> &str {
        self.rows.first().map_or("", |row| &row.name)
    }
}
