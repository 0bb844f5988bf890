//! All samples, for other programs.

use super::Report;
use crate::outcome::Outcome;

pub fn encode(report: &Report) -> Outcome<String> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}
