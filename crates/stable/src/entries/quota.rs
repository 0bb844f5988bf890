#![allow(unsafe_code)]
//! Quotas, which are reported here and never enforced.

use crate::args::{MojoOptions, two_optional};
use crate::options::lenient;
use crate::quotas::{self, QuotaType};
use crate::result::{INVALID_ARGUMENT, MojoResult, Outcome, code};
use libmojo_c_common::{HandleWord, refuse_if_forked};

/// The last type that programs of this generation know.
const MAX_TYPE: u32 = 2;

fn quota_type(number: u32) -> Outcome<QuotaType> {
    if number <= MAX_TYPE { QuotaType::new(number) } else { Err(INVALID_ARGUMENT) }
}

pub(crate) unsafe extern "C" fn set_quota<W: HandleWord>(
    handle: W,
    number: u32,
    limit: u64,
    options: *const MojoOptions,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { lenient(options) };
    let set = || {
        options?;
        quotas::set_quota(handle.handle(), quota_type(number)?, limit, false)
    };
    code(set())
}

pub(crate) unsafe extern "C" fn query_quota<W: HandleWord>(
    handle: W,
    number: u32,
    options: *const MojoOptions,
    limit: *mut u64,
    usage: *mut u64,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or places to write to.
    let (limit, usage) = unsafe { two_optional(limit, usage) };
    // SAFETY: the caller passes null or a structure that begins with its size.
    let options = unsafe { lenient(options) };
    let query = || {
        options?;
        quotas::query_quota(handle.handle(), quota_type(number)?, limit, usage)
    };
    code(query())
}
