//! A bar chart: for each row in which others take part, a bar for each, the longest as long as the chart is wide.

use super::{Report, RowReport, format_value};
use crate::row::{Better, SUBJECT};
use std::fmt::Write;

const WIDTH: f64 = 900.0;
const BARS_AT: f64 = 190.0;
const LONGEST: f64 = 560.0;
const BAR_HEIGHT: f64 = 15.0;
const LINE_HEIGHT: f64 = 19.0;
const TITLE_HEIGHT: f64 = 26.0;
const GAP: f64 = 14.0;
const SUBJECT_COLOR: &str = "#1f6feb";
const OTHER_COLOR: &str = "#b6bec9";

/// The chart as a file of its own.
pub fn draw(report: &Report) -> String {
    let mut chart = Chart { body: String::new(), y: GAP };
    chart.text(GAP, "title", "libmojo and its peers");
    chart.y += LINE_HEIGHT;
    chart.text(GAP, "note", &report.machine);
    chart.y += LINE_HEIGHT;
    let mut group = "";
    for row in report.rows.iter().filter(|row| has_peers(row)) {
        if row.group != group {
            group = &row.group;
            chart.y += GAP;
            chart.text(GAP, "group", group);
            chart.y += TITLE_HEIGHT;
        }
        chart.row(row);
    }
    let height = chart.y + GAP;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\">\n\
         <style>text {{ font: 12px sans-serif; fill: #1f2328 }} .title {{ font-size: 20px; font-weight: bold }} \
         .group {{ font-size: 16px; font-weight: bold }} .row {{ font-weight: bold }} .note {{ fill: #59636e }} \
         .right {{ text-anchor: end }}</style>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n{}</svg>\n",
        chart.body
    )
}

fn has_peers(row: &RowReport) -> bool {
    let with_value = row.results.iter().filter(|result| result.median.is_some());
    with_value.count() > 1
}

struct Chart {
    body: String,
    /// Where the next line begins.
    y: f64,
}

impl Chart {
    fn row(&mut self, row: &RowReport) {
        self.text(GAP, "row", &row.name);
        let better = match row.better {
            Better::Lower => "shorter is better",
            Better::Higher => "longer is better",
        };
        self.text(WIDTH - GAP, "note right", &format!("{}, {better}", row.unit));
        self.y += LINE_HEIGHT;
        let bars: Vec<(&str, f64)> =
            row.results.iter().filter_map(|result| Some((result.contender.as_str(), result.median?))).collect();
        let highest = bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
        for (contender, value) in bars {
            let color = if contender == SUBJECT { SUBJECT_COLOR } else { OTHER_COLOR };
            let length = (LONGEST * value.max(0.0) / highest).max(1.0);
            self.text(BARS_AT - 8.0, "right", contender);
            self.rectangle(length, color);
            self.text(BARS_AT + length + 6.0, "", &format_value(value));
            self.y += LINE_HEIGHT;
        }
        self.y += GAP;
    }

    fn text(&mut self, x: f64, class: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let baseline = self.y + 12.0;
        self.push(format_args!("<text x=\"{x:.0}\" y=\"{baseline:.0}\" class=\"{class}\">{text}</text>\n"));
    }

    fn rectangle(&mut self, length: f64, color: &str) {
        let y = self.y;
        self.push(format_args!(
            "<rect x=\"{BARS_AT}\" y=\"{y:.0}\" width=\"{length:.1}\" height=\"{BAR_HEIGHT}\" fill=\"{color}\"/>\n"
        ));
    }

    fn push(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.body.write_fmt(element);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::report::Series;
    use crate::row::{Row, Unit};

    #[test]
    fn a_bar_is_as_long_as_its_share_of_the_longest() {
        let plan = Plan { quick: false };
        let mut report = Report::new("a <machine>".to_owned(), plan, 1);
        let row = Row::higher("rate", Unit::MillionsPerSecond);
        let series =
            |contender: &str, value| Series { contender: contender.to_owned(), values: vec![value], failure: None };
        report.add(RowReport::new("group", &row, vec![series(SUBJECT, 1e6), series("peer", 2e6)], plan));
        report.add(RowReport::new("group", &Row::lower("alone", Unit::Bytes), vec![series(SUBJECT, 1.0)], plan));
        let drawing = draw(&report);
        assert!(drawing.contains("width=\"560.0\" height=\"15\" fill=\"#b6bec9\""), "{drawing}");
        assert!(drawing.contains("width=\"280.0\" height=\"15\" fill=\"#1f6feb\""), "{drawing}");
        assert!(drawing.contains("a &lt;machine&gt;") && !drawing.contains("alone"), "{drawing}");
    }
}
