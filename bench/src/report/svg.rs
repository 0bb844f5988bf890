//! A bar chart: for each row in which others take part, a bar for each, the longest as long as there is room.

use super::{Report, RowReport, format_value};
use crate::row::{Better, SUBJECT};
use std::fmt::{Arguments, Write};

/// Rows stand side by side, two and two.
const COLUMNS: [f64; 2] = [MARGIN, MARGIN + COLUMN_WIDTH + 40.0];
const MARGIN: f64 = 16.0;
const COLUMN_WIDTH: f64 = 480.0;
const WIDTH: f64 = 2.0 * COLUMN_WIDTH + 40.0 + 2.0 * MARGIN;

const LINE_HEIGHT: f64 = 18.0;
const BAR_HEIGHT: f64 = 14.0;
const GROUP_HEIGHT: f64 = 30.0;
const GAP: f64 = 14.0;

/// Within a column: where the names end, and how long the longest bar is, behind which its value has room.
const NAMES_END: f64 = 118.0;
const LONGEST: f64 = 290.0;

const SUBJECT_COLOR: &str = "#1f6feb";
const OTHER_COLOR: &str = "#b6bec9";

const STYLE: &str = "text { font: 12px sans-serif; fill: #1f2328 } .title { font-size: 20px; font-weight: bold } \
    .group { font-size: 16px; font-weight: bold } .row { font-weight: bold } .note { fill: #59636e } \
    .end { text-anchor: end }";

/// The chart as a file of its own.
pub fn draw(report: &Report) -> String {
    let mut chart = Chart::default();
    let mut y = MARGIN;
    chart.text(MARGIN, y, "title", "libmojo and its peers");
    y += LINE_HEIGHT;
    chart.text(MARGIN, y, "note", &format!("{}; {}", report.machine, report.peers.join(", ")));
    let rows: Vec<&RowReport> = report.rows.iter().filter(|row| bars(row).count() > 1).collect();
    for group in rows.chunk_by(|a, b| a.group == b.group) {
        y += GROUP_HEIGHT;
        chart.text(MARGIN, y, "group", group.first().map_or("", |row| &row.group));
        y += GROUP_HEIGHT;
        for line in group.chunks(COLUMNS.len()) {
            let heights = line.iter().zip(COLUMNS).map(|(row, x)| chart.row(row, x, y));
            y += heights.fold(0.0, f64::max) + GAP;
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y}\" viewBox=\"0 0 {WIDTH} {y}\">\n\
         <style>{STYLE}</style>\n<rect width=\"{WIDTH}\" height=\"{y}\" fill=\"white\"/>\n{}</svg>\n",
        chart.0
    )
}

/// Who has a value.
fn bars(row: &RowReport) -> impl Iterator<Item = (&str, f64)> {
    let contenders = row.results.iter().filter(|result| !result.is_reference);
    contenders.filter_map(|result| Some((result.contender.as_str(), result.median?)))
}

#[derive(Default)]
struct Chart(String);

impl Chart {
    /// Draws a row and returns its height.
    fn row(&mut self, row: &RowReport, x: f64, mut y: f64) -> f64 {
        let top = y;
        let better = match row.better {
            Better::Lower => "shorter is better",
            Better::Higher => "longer is better",
        };
        self.text(x, y, "row", &row.name);
        self.text(x + COLUMN_WIDTH, y, "note end", &format!("{}, {better}", row.unit));
        let highest = bars(row).map(|(_, value)| value).fold(f64::MIN_POSITIVE, f64::max);
        for (contender, value) in bars(row) {
            y += LINE_HEIGHT;
            let color = if contender == SUBJECT { SUBJECT_COLOR } else { OTHER_COLOR };
            let length = (LONGEST * value / highest).max(1.0);
            self.text(x + NAMES_END - 8.0, y, "end", contender);
            self.rectangle(x + NAMES_END, y, length, color);
            self.text(x + NAMES_END + length + 6.0, y, "", &format_value(value));
        }
        y + LINE_HEIGHT - top
    }

    fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let baseline = y + 11.0;
        self.push(format_args!("<text x=\"{x:.0}\" y=\"{baseline:.0}\" class=\"{class}\">{text}</text>\n"));
    }

    fn rectangle(&mut self, x: f64, y: f64, length: f64, color: &str) {
        self.push(format_args!(
            "<rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"{length:.1}\" height=\"{BAR_HEIGHT}\" fill=\"{color}\"/>\n"
        ));
    }

    fn push(&mut self, element: Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.0.write_fmt(element);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::report::Series;
    use crate::row::{Row, Unit};

    fn series(contender: &str, value: f64, is_reference: bool) -> Series {
        Series { contender: contender.to_owned(), is_reference, values: vec![value], failure: None }
    }

    #[test]
    fn a_bar_is_as_long_as_its_share_of_the_longest() {
        let plan = Plan { quick: false };
        let mut report = Report::new("a <machine>".to_owned(), plan, 1);
        let row = Row::higher("rate", Unit::MillionsPerSecond);
        let all = vec![series(SUBJECT, 1e6, false), series("peer", 2e6, false), series("reference", 9e6, true)];
        report.add(RowReport::new("group", &row, all, plan));
        report.add(RowReport::new("group", &Row::lower("lone", Unit::Bytes), vec![series(SUBJECT, 1.0, false)], plan));
        let drawing = draw(&report);
        assert!(drawing.contains("width=\"290.0\" height=\"14\" fill=\"#b6bec9\""), "{drawing}");
        assert!(drawing.contains("width=\"145.0\" height=\"14\" fill=\"#1f6feb\""), "{drawing}");
        assert!(drawing.contains("a &lt;machine&gt;"), "{drawing}");
        assert!(!drawing.contains("lone") && !drawing.contains("reference"), "{drawing}");
    }
}
