#![allow(unsafe_code)]
//! `quota.h`.

use super::message_pipe::with_pipe;
use crate::args::{MojoOptions, flags, two_optional};
use crate::handles::{self, MojoHandle};
use crate::result::{INVALID_ARGUMENT, MojoResult, Outcome, code, refuse_if_forked};
use libmojo_core::object::Object;
use libmojo_core::pipe::{Amount, Quota, Quotas, Usage};
use libmojo_core::signals::Signals;

/// As a limit: none.
pub const QUOTA_LIMIT_NONE: u64 = u64::MAX;

/// The quota is enforced.
pub const SET_QUOTA_FLAG_ENFORCE: u32 = 1;

/// What a quota is on.
#[derive(Clone, Copy)]
enum QuotaType {
    ReceiveQueueLength,
    ReceiveQueueMemorySize,
    UnreadMessageCount,
    UnreadMessageSize,
}

impl QuotaType {
    fn new(number: u32) -> Outcome<Self> {
        Ok(match number {
            0 => QuotaType::ReceiveQueueLength,
            1 => QuotaType::ReceiveQueueMemorySize,
            2 => QuotaType::UnreadMessageCount,
            3 => QuotaType::UnreadMessageSize,
            _ => return Err(INVALID_ARGUMENT),
        })
    }

    fn quota(self, quotas: &mut Quotas) -> &mut Quota {
        match self {
            QuotaType::ReceiveQueueLength | QuotaType::ReceiveQueueMemorySize => &mut quotas.unread,
            QuotaType::UnreadMessageCount | QuotaType::UnreadMessageSize => &mut quotas.sent,
        }
    }

    fn usage(self, usage: &mut Usage) -> &mut Amount {
        match self {
            QuotaType::ReceiveQueueLength | QuotaType::ReceiveQueueMemorySize => &mut usage.unread,
            QuotaType::UnreadMessageCount | QuotaType::UnreadMessageSize => &mut usage.sent,
        }
    }

    fn part(self, amount: &mut Amount) -> &mut u64 {
        match self {
            QuotaType::ReceiveQueueLength | QuotaType::UnreadMessageCount => &mut amount.messages,
            QuotaType::ReceiveQueueMemorySize | QuotaType::UnreadMessageSize => &mut amount.bytes,
        }
    }
}

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
        let quota_type = QuotaType::new(quota_type)?;
        if is_enforced && limit == 0 {
            return Err(INVALID_ARGUMENT);
        }
        let (enforced, reported) = if is_enforced { (limit, QUOTA_LIMIT_NONE) } else { (QUOTA_LIMIT_NONE, limit) };
        let entry = handles::borrow(handle)?;
        let Object::Pipe(pipe) = &entry.object else { return Err(INVALID_ARGUMENT) };
        entry.show(Signals::QUOTA_EXCEEDED);
        let is_open = pipe.change_quotas(|quotas| {
            let quota = quota_type.quota(quotas);
            *quota_type.part(&mut quota.enforced) = enforced;
            *quota_type.part(&mut quota.reported) = reported;
        });
        if is_open { Ok(()) } else { Err(INVALID_ARGUMENT) }
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
        let quota_type = QuotaType::new(quota_type)?;
        let (mut quotas, mut used) = with_pipe(handle, |pipe| Ok(pipe.quotas()))?;
        let quota = quota_type.quota(&mut quotas);
        let (enforced, reported) = (*quota_type.part(&mut quota.enforced), *quota_type.part(&mut quota.reported));
        if let Some(limit) = limit {
            limit.set(enforced.min(reported));
        }
        if let Some(usage) = usage {
            usage.set(*quota_type.part(quota_type.usage(&mut used)));
        }
        Ok(())
    };
    code(query())
}
