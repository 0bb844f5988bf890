#![allow(unsafe_code)]
//! `quota.h`.

use crate::args::{MojoOptions, flags, two_optional};
use crate::handles::MojoHandle;
use crate::quotas::{QuotaType, query_quota, set_quota};
use crate::result::{MojoResult, code, refuse_if_forked};

pub use crate::quotas::QUOTA_LIMIT_NONE;

/// The quota is enforced.
pub const SET_QUOTA_FLAG_ENFORCE: u32 = 1;

/// Sets a quota.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoSetQuota(
    handle: MojoHandle,
    quota_type: u32,
    limit: u64,
    options: *const MojoOptions,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or a structure that begins with its size.
    let flags = unsafe { flags(options, SET_QUOTA_FLAG_ENFORCE) };
    let set = || {
        let is_enforced = flags? & SET_QUOTA_FLAG_ENFORCE != 0;
        set_quota(handle, QuotaType::new(quota_type)?, limit, is_enforced)
    };
    code(set())
}

/// Queries a quota.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MojoQueryQuota(
    handle: MojoHandle,
    quota_type: u32,
    options: *const MojoOptions,
    limit: *mut u64,
    usage: *mut u64,
) -> MojoResult {
    refuse_if_forked!();
    // SAFETY: the caller passes null or places to write to.
    let (limit, usage) = unsafe { two_optional(limit, usage) };
    // SAFETY: the caller passes null or a structure that begins with its size.
    let flags = unsafe { flags(options, 0) };
    let query = || {
        flags?;
        query_quota(handle, QuotaType::new(quota_type)?, limit, usage)
    };
    code(query())
}
