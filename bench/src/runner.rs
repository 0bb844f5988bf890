//! Takes samples, each in a process of its own, in turns: one of each contender, then the next of each.

use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::process::{end_with_parent, wait};
use crate::report::{Failure, Report, Series};
use crate::row::{Experiment, Probe};
use crate::{groups, machine, report};
use std::env;
use std::process::{Command, Stdio};

/// How this program is started to take a sample.
pub const SAMPLE_ARGUMENT: &str = "sample";

const QUICK: &str = "quick";
const FULL: &str = "full";

/// What a sample exits with if it cannot be taken here.
pub const EXIT_UNAVAILABLE: u8 = 3;

/// What stands for "does not take part" in the output of a sample.
const NOTHING: &str = "-";

/// The experiments with rows that have the text in their name or in that of their group, and these rows only.
pub fn select(experiments: Vec<Experiment>, filter: Option<&str>) -> Vec<Experiment> {
    let Some(filter) = filter.map(str::to_lowercase) else { return experiments };
    let is_wanted = |experiment: &Experiment| {
        let names = experiment.rows.iter().map(|row| row.name.as_str()).chain([experiment.group]);
        names.into_iter().any(|name| name.to_lowercase().contains(&filter))
    };
    experiments.into_iter().filter(is_wanted).collect()
}

/// Measures everything, and prints rows as they come.
pub fn run(experiments: &[Experiment], plan: Plan, repetitions: usize) -> Outcome<Report> {
    let mut report = Report::new(machine::describe(), plan, repetitions);
    report.print_head()?;
    for experiment in experiments {
        let contenders = measure(experiment, plan, repetitions.min(experiment.max_repetitions))?;
        for (at, row) in experiment.rows.iter().enumerate() {
            let series = contenders.iter().filter_map(|(probe, samples)| samples.series(probe, at)).collect();
            report.add(report::RowReport::new(experiment.group, row, series, plan));
            report.print_last()?;
        }
    }
    Ok(report)
}

/// What a contender has yielded so far: samples, with a value for each row, and why there are no more.
#[derive(Default)]
struct Samples {
    samples: Vec<Vec<Option<f64>>>,
    failure: Option<Failure>,
}

impl Samples {
    /// What there is for one row; `None` if the contender does not take part in it.
    fn series(&self, probe: &Probe, row: usize) -> Option<Series> {
        let values: Vec<f64> = self.samples.iter().filter_map(|sample| sample.get(row).copied().flatten()).collect();
        let takes_part = !values.is_empty() || self.samples.is_empty();
        let (contender, failure) = (probe.contender.to_owned(), self.failure.clone());
        takes_part.then_some(Series { contender, is_reference: probe.is_reference, values, failure })
    }
}

fn measure(experiment: &Experiment, plan: Plan, repetitions: usize) -> Outcome<Vec<(&Probe, Samples)>> {
    let mut all: Vec<(&Probe, Samples)> = experiment.probes.iter().map(|probe| (probe, Samples::default())).collect();
    for _ in 0..repetitions {
        for (probe, samples) in all.iter_mut().filter(|(_, samples)| samples.failure.is_none()) {
            match take_sample(experiment, probe, plan)? {
                Ok(sample) => samples.samples.push(sample),
                Err(failure) => samples.failure = Some(failure),
            }
        }
    }
    Ok(all)
}

/// Takes a sample in another process, or says why there is none.
fn take_sample(experiment: &Experiment, probe: &Probe, plan: Plan) -> Outcome<Result<Vec<Option<f64>>, Failure>> {
    let mut command = Command::new(env::current_exe()?);
    command.args([SAMPLE_ARGUMENT, if plan.quick { QUICK } else { FULL }, experiment.name(), probe.contender]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let ended = wait(&mut child, experiment.patience)?;
    if ended.is_none() {
        child.kill()?;
    }
    let output = child.wait_with_output()?;
    if ended.is_none() {
        return Ok(Err(Failure::real(format!("hung for {} s", experiment.patience.as_secs()))));
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let last = errors.lines().rfind(|line| !line.is_empty()).unwrap_or_default();
        let text = last.strip_prefix("libmojo-bench: ").unwrap_or(last);
        let text = if text.is_empty() { output.status.to_string() } else { text.to_owned() };
        let is_unavailable = output.status.code() == Some(EXIT_UNAVAILABLE.into());
        return Ok(Err(Failure { text, is_unavailable }));
    }
    Ok(parse(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| Failure::real("nothing came of it")))
}

fn parse(output: &str) -> Option<Vec<Option<f64>>> {
    let values = output.lines().next()?.split(' ').map(|value| match value {
        NOTHING => Some(None),
        value => value.parse().ok().map(Some),
    });
    values.collect()
}

/// The process that takes a sample: prints its values.
pub fn serve_sample(speed: &str, experiment: &str, contender: &str) -> Outcome<()> {
    end_with_parent()?;
    let plan = Plan { quick: speed == QUICK };
    let experiments = groups::all(plan);
    let found = experiments.iter().find(|candidate| candidate.name() == experiment).ok_or("no such experiment")?;
    let probe = found.probes.iter().find(|probe| probe.contender == contender).ok_or("no such contender")?;
    let values: Vec<String> = (probe.sample)(plan)?
        .into_iter()
        .map(|value| value.map_or(NOTHING.to_owned(), |value| format!("{value:e}")))
        .collect();
    println!("{}", values.join(" "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_a_value_or_nothing_for_each_row() {
        assert_eq!(parse("1.5e-7 - 2e0\n"), Some(vec![Some(1.5e-7), None, Some(2.0)]));
        assert_eq!(parse("1.5e-7 nonsense\n"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn a_filter_finds_rows_and_groups_whatever_the_case() {
        let plan = Plan { quick: false };
        let names = |filter| select(groups::all(plan), Some(filter)).len();
        assert_eq!(names("64 MIB"), 1);
        assert!(names("one way") > 1);
        assert_eq!(names("nothing like that"), 0);
        assert_eq!(select(groups::all(plan), None).len(), groups::all(plan).len());
    }
}
