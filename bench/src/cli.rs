//! The command line.

use clap::Parser;
use std::path::PathBuf;

/// Measures libmojo and its peers side by side, each sample in a process of its own, in turns.
#[derive(Parser, Debug)]
#[command(name = "libmojo-bench", version, max_term_width = 100)]
pub struct Options {
    /// Only see that everything works: a few milliseconds each, once, and no targets
    #[arg(long)]
    pub quick: bool,
    /// Only rows whose name, or whose group's name, contains this text
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Name the rows and who takes part, and measure nothing
    #[arg(long)]
    pub list: bool,
    /// How many samples to take of everything [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub repetitions: Option<u16>,
    /// Write all samples to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw a bar chart
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Put the table into this document, between its two marker comments
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
}
