//! The second C face: tables of functions for programs of the later Mojo generation, which link no library and load
//! one. It exports no symbol; the libraries that are made of it do.
//!
//! There are two tables with the same functions: one with handles of 32 bits, one with handles as wide as pointers. The
//! functions in `entries` are generic over that. What they share with the other face is in `libmojo-c-common`.
//!
//! # Safety
//!
//! Every function may be called from any thread with any handles. Pointers must be null or point to what the API says,
//! for the duration of the call; required ones that are null are refused.
#![allow(clippy::missing_safety_doc)]
#![deny(unsafe_code)]

mod callbacks;
mod entries;
mod life;
mod options;
mod table;

use libmojo_c_common::{
    args, buffers, contents, data_pipes, handles, invitations, messages, pipes, platform_handles, quotas, result,
};

pub use table::{NUM_ENTRIES, Thunks, fill, fill_by_size, thunks};
