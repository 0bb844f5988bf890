//! The table on the screen, row by row as the samples come in.

use super::{ContenderReport, Report, RowReport, format_value};
use crate::outcome::Outcome;
use std::io::{Write, stdout};

pub fn print_head(report: &Report) -> Outcome<()> {
    let mut out = stdout();
    writeln!(out, "{}", report.machine)?;
    writeln!(out, "peers: {}", report.peers.join(", "))?;
    writeln!(out, "medians of {} samples of {} ms, taken in turns", report.repetitions, report.sample_milliseconds)?;
    writeln!(out, "×: how many times better libmojo is; less than 1 means worse")?;
    Ok(())
}

pub fn print_row(row: &RowReport, before: Option<&RowReport>) -> Outcome<()> {
    let mut out = stdout();
    if before.is_none_or(|before| before.group != row.group) {
        writeln!(out, "\n{}", row.group)?;
    }
    for (at, result) in row.results.iter().enumerate() {
        let name = if at == 0 { format!("  {}", row.name) } else { format!("      {}", result.contender) };
        let value = describe(result, row.unit);
        let remark = if at == 0 { verdict(row) } else { ratio(result) };
        writeln!(out, "{name:<66} {value:<34} {remark}").map(drop)?;
    }
    Ok(out.flush()?)
}

/// The median with the range, or why there is none.
pub fn describe(result: &ContenderReport, unit: &str) -> String {
    let failure = result.failure.as_ref().map_or("no value", |failure| &failure.text);
    let (Some(median), Some(lowest), Some(highest)) = (result.median, result.lowest, result.highest) else {
        return failure.to_owned();
    };
    let value = format!("{} {unit}", format_value(median));
    let range = match result.samples.len() {
        0 | 1 => String::new(),
        _ => format!(" ({}..{})", format_value(lowest), format_value(highest)),
    };
    let failure = if result.failure.is_some() { format!("; then: {failure}") } else { String::new() };
    format!("{}{range}{failure}", value.trim_end())
}

fn verdict(row: &RowReport) -> String {
    let Some(target) = &row.target else { return String::new() };
    match row.is_reached {
        Some(true) => format!("{target}: reached"),
        Some(false) => format!("{target}: not reached"),
        None => format!("{target}: no comparison"),
    }
}

pub fn ratio(result: &ContenderReport) -> String {
    result.libmojo_is_better_by.map(|ratio| format!("× {}", format_value(ratio))).unwrap_or_default()
}
