//! Ranked locks for libmojo.
