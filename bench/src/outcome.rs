//! What can go wrong with a measurement: anything, and it is reported in the row.

use std::error::Error;
use std::fmt;

/// The result of a part of a measurement.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Why something cannot be measured here, though nothing is wrong with it.
#[derive(Debug)]
pub struct Unavailable(pub String);

impl Unavailable {
    /// As what goes wrong.
    pub fn because<T>(reason: impl Into<String>) -> Outcome<T> {
        Err(Box::new(Self(reason.into())))
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Unavailable {}
