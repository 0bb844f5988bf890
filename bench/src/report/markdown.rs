//! The table in a document, between two comments that mark its place.

use super::table::{describe, ratio};
use super::{Report, RowReport};
use crate::outcome::Outcome;
use std::fmt::Write;

const BEGIN: &str = "<!-- libmojo-bench: begin of the table -->";
const END: &str = "<!-- libmojo-bench: end of the table -->";

/// The document with a new table, in place of the old one.
pub fn replace_table(document: &str, report: &Report) -> Outcome<String> {
    let missing = || format!("the document has no place for the table, which is between {BEGIN} and {END}");
    let (before, rest) = document.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok(format!("{before}{BEGIN}\n{}{END}{after}", table(report)?))
}

fn table(report: &Report) -> Outcome<String> {
    let mut text = format!("\n{}; {}.\n", report.machine, report.peers.join(", "));
    write!(text, "Medians of {} samples of {} ms", report.repetitions, report.sample_milliseconds)?;
    writeln!(text, " (lowest..highest).")?;
    let mut group = "";
    for row in &report.rows {
        if row.group != group {
            group = &row.group;
            writeln!(
                text,
                "\n### {group}\n\n| what | target | libmojo | | others (× how many times better libmojo is) |"
            )?;
            writeln!(text, "|---|---|---|---|---|")?;
        }
        writeln!(text, "{}", line(row))?;
    }
    text.push('\n');
    Ok(text)
}

fn line(row: &RowReport) -> String {
    let target = row.target.as_deref().unwrap_or_default();
    let verdict = match row.is_reached {
        Some(true) => "reached",
        Some(false) => "not reached",
        None => "",
    };
    let mut results = row.results.iter();
    let subject = results.next().map(|result| describe(result, row.unit)).unwrap_or_default();
    let others: Vec<String> = results
        .map(|result| {
            let text = format!("{} {} {}", result.contender, describe(result, row.unit), ratio(result));
            text.trim_end().to_owned()
        })
        .collect();
    format!("| {} | {target} | {subject} | {verdict} | {} |", escape(&row.name), escape(&others.join("; ")))
}

/// Nothing in a cell may look like the end of it, or like markup.
fn escape(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::report::Series;
    use crate::row::{Row, SUBJECT, Unit};

    fn report() -> Report {
        let plan = Plan { quick: false };
        let mut report = Report::new("a machine".to_owned(), plan, 1);
        let row = Row::lower("latency", Unit::Nanoseconds).target(5.0);
        let series = |contender: &str, value| Series {
            contender: contender.to_owned(),
            is_reference: false,
            values: vec![value],
            failure: None,
        };
        report.add(RowReport::new("group", &row, vec![series(SUBJECT, 4e-9), series("Mutex<VecDeque>", 8e-9)], plan));
        report
    }

    #[test]
    fn only_what_is_between_the_marks_is_replaced_however_often() {
        let document = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let once = replace_table(&document, &report()).unwrap();
        assert!(once.starts_with("before\n") && once.ends_with("\nafter\n") && !once.contains("old"), "{once}");
        let line = "| latency | ≤ 5 ns | 4.00 ns | reached | Mutex&lt;VecDeque> 8.00 ns × 2.00 |\n";
        assert!(once.contains(line), "{once}");
        assert_eq!(replace_table(&once, &report()).unwrap(), once);
    }

    #[test]
    fn a_document_without_marks_is_refused() {
        assert!(replace_table("nothing", &report()).is_err());
        assert!(replace_table(BEGIN, &report()).is_err());
    }
}
