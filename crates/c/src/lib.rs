//! The Mojo C System API over the libmojo engine.
//!
//! `functions` holds what C programs call, one file for each header. How handles, pointers and callbacks are treated
//! is in the crate `libmojo-c-common`. The C declarations are in `include/mojo/public/c/system`.
//!
//! Rust programs that also host C code link this crate as an ordinary library: what C declares and Rust does with the
//! crate `libmojo` is one engine, and [`into_raw`] and [`from_raw`] lead from one to the other.
//!
//! # Safety
//!
//! Every exported function may be called from any thread with any handles. Pointers must be null or point to what
//! the header says, for the duration of the call; required ones that are null are refused.
#![allow(clippy::missing_safety_doc)]
#![deny(unsafe_code)]

mod functions;
mod raw;

use libmojo_c_common::{
    args, buffers, callbacks, contents, data_pipes, handles, invitations, messages, pipes, platform_handles, quotas,
    result, time,
};

pub use functions::*;
pub use raw::{RawError, from_raw, into_raw, message_from_raw, message_into_raw};
