//! What became of the samples: medians, ratios, targets; printed, and written as a table, a chart and data.

mod markdown;
mod svg;
mod table;

use crate::cli::Options;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::row::{Better, Experiment, Row, SUBJECT, Target};
use crate::statistics::{median, range};
use serde::Serialize;
use std::fs;

/// The samples of one contender for one row, in seconds, bytes, or these per second.
#[derive(Clone, Debug)]
pub struct Series {
    pub contender: String,
    pub is_reference: bool,
    pub values: Vec<f64>,
    /// Why there are no values, or no more.
    pub failure: Option<Failure>,
}

/// Why a sample was not taken.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    pub text: String,
    /// Nothing is wrong with the contender; it cannot be measured here.
    pub is_unavailable: bool,
}

impl Failure {
    /// Of the contender itself.
    pub fn real(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_unavailable: false }
    }
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    machine: String,
    peers: Vec<String>,
    quick: bool,
    repetitions: usize,
    sample_milliseconds: u64,
    rows: Vec<RowReport>,
}

/// What was measured for one row.
#[derive(Debug, Serialize)]
pub struct RowReport {
    group: String,
    name: String,
    unit: &'static str,
    better: Better,
    target: Option<String>,
    is_reached: Option<bool>,
    results: Vec<ContenderReport>,
}

/// One contender in one row, in the unit of the row.
#[derive(Debug, Serialize)]
pub struct ContenderReport {
    contender: String,
    /// Not a contender: libmojo itself under other circumstances, or what the memory allows.
    is_reference: bool,
    median: Option<f64>,
    lowest: Option<f64>,
    highest: Option<f64>,
    /// How many times better libmojo is, from each pair of samples that were taken one after the other: the median.
    libmojo_is_better_by: Option<f64>,
    failure: Option<Failure>,
    samples: Vec<f64>,
}

impl RowReport {
    /// `series` begins with libmojo's.
    pub fn new(group: &str, row: &Row, series: Vec<Series>, plan: Plan) -> Self {
        let subject = series.iter().find(|series| series.contender == SUBJECT);
        let subject_values = subject.map_or(&[][..], |series| &series.values);
        let results = series.iter().map(|series| ContenderReport::new(series, row, subject_values)).collect();
        let mut report = Self {
            group: group.to_owned(),
            name: row.name.clone(),
            unit: row.unit.symbol(),
            better: row.better,
            target: None,
            is_reached: None,
            results,
        };
        if let Some(target) = row.target.filter(|_| !plan.quick) {
            report.target = Some(report.describe(target));
            report.is_reached = report.judge(target);
        }
        report
    }

    fn describe(&self, target: Target) -> String {
        let relation = match self.better {
            Better::Lower => "≤",
            Better::Higher => "≥",
        };
        match target {
            Target::Value(value) => format!("{relation} {value} {}", self.unit).trim_end().to_owned(),
            Target::Multiple(factor, of) => format!("{relation} {factor} × {of}"),
        }
    }

    /// `None` if there is nothing to compare.
    fn judge(&self, target: Target) -> Option<bool> {
        let value = self.result(SUBJECT)?.median?;
        match (target, self.better) {
            (Target::Value(limit), Better::Lower) => Some(value <= limit),
            (Target::Value(limit), Better::Higher) => Some(value >= limit),
            (Target::Multiple(factor, of), Better::Lower) => {
                Some(self.result(of)?.libmojo_is_better_by? >= 1.0 / factor)
            }
            (Target::Multiple(factor, of), Better::Higher) => Some(self.result(of)?.libmojo_is_better_by? >= factor),
        }
    }

    fn result(&self, contender: &str) -> Option<&ContenderReport> {
        self.results.iter().find(|result| result.contender == contender)
    }
}

impl ContenderReport {
    fn new(series: &Series, row: &Row, subject: &[f64]) -> Self {
        let samples: Vec<f64> = series.values.iter().map(|value| value / row.unit.scale()).collect();
        let ratios: Vec<f64> = subject
            .iter()
            .zip(&series.values)
            .map(|(subject, other)| match row.better {
                Better::Lower => other / subject,
                Better::Higher => subject / other,
            })
            .filter(|ratio| ratio.is_finite() && *ratio > 0.0)
            .collect();
        let (lowest, highest) = range(&samples).unzip();
        let is_subject = series.contender == SUBJECT;
        Self {
            contender: series.contender.clone(),
            is_reference: series.is_reference,
            median: median(&samples),
            lowest,
            highest,
            libmojo_is_better_by: if is_subject { None } else { median(&ratios) },
            failure: series.failure.clone(),
            samples,
        }
    }
}

impl Report {
    pub fn new(machine: String, plan: Plan, repetitions: usize) -> Self {
        let sample_milliseconds = u64::try_from(plan.sample().as_millis()).unwrap_or(u64::MAX);
        Self { machine, peers: versions(), quick: plan.quick, repetitions, sample_milliseconds, rows: Vec::new() }
    }

    pub fn add(&mut self, row: RowReport) {
        self.rows.push(row);
    }

    /// True if libmojo has done everything that can be measured here.
    pub fn is_complete(&self) -> bool {
        let failure = |row: &RowReport| row.result(SUBJECT)?.failure.clone().filter(|failure| !failure.is_unavailable);
        !self.rows.iter().any(|row| failure(row).is_some())
    }

    pub fn print_head(&self) -> Outcome<()> {
        table::print_head(self)
    }

    pub fn print_last(&self) -> Outcome<()> {
        match self.rows.split_last() {
            Some((row, before)) => table::print_row(row, before.last()),
            None => Ok(()),
        }
    }

    /// Writes the files that were asked for.
    pub fn write(&self, options: &Options) -> Outcome<()> {
        if let Some(path) = &options.json {
            fs::write(path, serde_json::to_string_pretty(self)? + "\n")?;
        }
        if let Some(path) = &options.svg {
            fs::write(path, svg::draw(self))?;
        }
        if let Some(path) = &options.markdown {
            let document = fs::read_to_string(path)?;
            fs::write(path, markdown::replace_table(&document, self)?)?;
        }
        Ok(())
    }
}

/// Which versions of the peers this program is built with: what the lock file says.
fn versions() -> Vec<String> {
    const PEERS: [&str; 4] = ["crossbeam-channel", "iceoryx2", "ipc-channel", "tokio"];
    let lock = include_str!("../../../Cargo.lock");
    let field = |package: &str, name: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim_start_matches(" = ").trim_matches('"').to_owned())
    };
    let packages =
        lock.split("[[package]]").filter_map(|package| field(package, "name").zip(field(package, "version")));
    let peers = packages.filter(|(name, _)| PEERS.contains(&name.as_str()));
    peers
        .filter(|(name, _)| name != "iceoryx2" || cfg!(feature = "iceoryx2"))
        .map(|(name, version)| format!("{name} {version}"))
        .collect()
}

/// Names all rows and who takes part.
pub fn list(experiments: &[Experiment]) {
    let mut group = "";
    for experiment in experiments {
        if experiment.group != group {
            group = experiment.group;
            println!("{group}");
        }
        let contenders: Vec<&str> = experiment.probes.iter().map(|probe| probe.contender).collect();
        for row in &experiment.rows {
            println!("  {} ({}): {}", row.name, row.unit.symbol(), contenders.join(", "));
        }
    }
}

/// A number with three significant digits.
fn format_value(value: f64) -> String {
    let digits = match value.abs() {
        value if value >= 99.95 || value == 0.0 => 0,
        value if value >= 9.995 => 1,
        value if value >= 0.9995 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Unit;

    fn series(contender: &str, values: &[f64]) -> Series {
        Series { contender: contender.to_owned(), is_reference: false, values: values.to_vec(), failure: None }
    }

    fn report(row: &Row, series: Vec<Series>) -> RowReport {
        RowReport::new("group", row, series, Plan { quick: false })
    }

    #[test]
    fn a_target_is_judged_by_the_median_in_the_unit_of_the_row() {
        let row = Row::lower("latency", Unit::Microseconds).target(2.0);
        let reached = report(&row, vec![series(SUBJECT, &[1e-6, 2e-6, 9e-6])]);
        assert_eq!((reached.is_reached, reached.target.as_deref()), (Some(true), Some("≤ 2 µs")));
        assert_eq!(report(&row, vec![series(SUBJECT, &[1e-6, 2.1e-6, 9e-6])]).is_reached, Some(false));
        let row = Row::higher("rate", Unit::GigabytesPerSecond).target(2.0);
        assert_eq!(report(&row, vec![series(SUBJECT, &[2e9])]).is_reached, Some(true));
        assert_eq!(report(&row, vec![series(SUBJECT, &[1.9e9])]).is_reached, Some(false));
        assert_eq!(report(&row, vec![series(SUBJECT, &[])]).is_reached, None);
    }

    #[test]
    fn a_relative_target_is_judged_by_pairs_of_samples() {
        let row = Row::lower("latency", Unit::Microseconds).target_multiple(1.15, "futex");
        // The machine was slow during the last pair.
        let pairs = report(&row, vec![series(SUBJECT, &[1.1, 1.1, 11.0]), series("futex", &[1.0, 1.0, 10.0])]);
        assert_eq!(pairs.is_reached, Some(true));
        let pairs = report(&row, vec![series(SUBJECT, &[1.2, 1.2, 9.0]), series("futex", &[1.0, 1.0, 10.0])]);
        assert_eq!(pairs.is_reached, Some(false));
        let row = Row::higher("rate", Unit::MillionsPerSecond).target_multiple(1.8, "one thread");
        let pairs = report(&row, vec![series(SUBJECT, &[1.9]), series("one thread", &[1.0])]);
        assert_eq!(pairs.is_reached, Some(true));
        let pairs = report(&row, vec![series(SUBJECT, &[1.7]), series("one thread", &[1.0])]);
        assert_eq!(pairs.is_reached, Some(false));
    }

    #[test]
    fn the_ratio_says_how_many_times_better_libmojo_is() {
        let row = Row::lower("latency", Unit::Microseconds);
        let slower_peer = report(&row, vec![series(SUBJECT, &[1e-6]), series("peer", &[3e-6])]);
        assert!((slower_peer.result("peer").unwrap().libmojo_is_better_by.unwrap() - 3.0).abs() < 1e-9);
        let row = Row::higher("rate", Unit::MillionsPerSecond);
        let faster_peer = report(&row, vec![series(SUBJECT, &[1e6]), series("peer", &[4e6])]);
        assert!((faster_peer.result("peer").unwrap().libmojo_is_better_by.unwrap() - 0.25).abs() < 1e-9);
    }

    #[test]
    fn a_report_is_complete_if_only_peers_or_the_machine_have_failed() {
        let plan = Plan { quick: true };
        let complete = |contender: &str, is_unavailable| {
            let failed = Failure { text: "why".to_owned(), is_unavailable };
            let failed = Series { failure: Some(failed), ..series(contender, &[]) };
            let mut report = Report::new(String::new(), plan, 1);
            report.add(RowReport::new("group", &Row::lower("row", Unit::Bytes), vec![failed], plan));
            report.is_complete()
        };
        assert!(complete("peer", false) && complete(SUBJECT, true));
        assert!(!complete(SUBJECT, false));
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        let formatted = [0.0, 0.0123, 0.99999, 1.234, 12.34, 123.4, 12345.0].map(format_value);
        assert_eq!(formatted, ["0", "0.012", "1.00", "1.23", "12.3", "123", "12345"]);
    }

    #[test]
    fn the_versions_of_the_peers_come_from_the_lock_file() {
        let versions = versions();
        assert!(versions.iter().any(|peer| peer.starts_with("tokio 1.")), "{versions:?}");
    }
}
