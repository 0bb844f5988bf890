//! What the memory allows: a copy, and a fresh memory object for each message.

use crate::meter::time;
use crate::outcome::Outcome;
use crate::plan::Plan;
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::hint::black_box;
use std::io::Write;

/// How many buffers of a size are copied in a second, from one place to another.
pub fn copies(num_bytes: usize, plan: Plan) -> Outcome<f64> {
    let from = vec![1_u8; num_bytes];
    let mut to = vec![0_u8; num_bytes];
    let seconds = time(plan, || {
        black_box(&mut to).copy_from_slice(black_box(&from));
        Ok(())
    })?;
    Ok(1.0 / seconds)
}

/// How many memory objects of a size are made, filled by the system and closed in a second.
pub fn memory_objects(num_bytes: usize, plan: Plan) -> Outcome<f64> {
    let from = vec![1_u8; num_bytes];
    let seconds = time(plan, || {
        let mut file = File::from(memfd_create("libmojo-bench", MemfdFlags::CLOEXEC)?);
        Ok(file.write_all(&from)?)
    })?;
    Ok(1.0 / seconds)
}
