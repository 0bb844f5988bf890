//! What can go wrong with a measurement: anything, and it is reported in the row.

use std::error::Error;

/// The result of a part of a measurement.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;
