//! Quotas of message pipes.

use crate::args::Out;
use crate::handles::{self, MojoHandle};
use crate::pipes::with_pipe;
use crate::result::{INVALID_ARGUMENT, Outcome};
use libmojo_core::object::Object;
use libmojo_core::pipe::{Amount, Quota, Quotas, Usage};
use libmojo_core::signals::Signals;

/// As a limit: none.
pub const QUOTA_LIMIT_NONE: u64 = u64::MAX;

/// What a quota is on.
#[derive(Clone, Copy)]
pub enum QuotaType {
    /// How many messages are unread.
    ReceiveQueueLength,
    /// How many bytes are unread.
    ReceiveQueueMemorySize,
    /// How many messages that were sent are unread at the other end.
    UnreadMessageCount,
    /// How many bytes of them.
    UnreadMessageSize,
}

impl QuotaType {
    /// The type of that number.
    pub fn new(number: u32) -> Outcome<Self> {
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

/// Sets a quota: one that is only reported, or one that is enforced, instead of the other kind.
pub fn set_quota(handle: MojoHandle, quota_type: QuotaType, limit: u64, is_enforced: bool) -> Outcome<()> {
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
}

/// Tells whoever wants to know the limit, of either kind, and what there is of it.
pub fn query_quota(
    handle: MojoHandle,
    quota_type: QuotaType,
    limit: Option<Out<u64>>,
    usage: Option<Out<u64>>,
) -> Outcome<()> {
    let (mut quotas, mut used) = with_pipe(handle, |pipe| Ok(pipe.quotas()))?;
    let quota = quota_type.quota(&mut quotas);
    if let Some(limit) = limit {
        limit.set((*quota_type.part(&mut quota.enforced)).min(*quota_type.part(&mut quota.reported)));
    }
    if let Some(usage) = usage {
        usage.set(*quota_type.part(quota_type.usage(&mut used)));
    }
    Ok(())
}
