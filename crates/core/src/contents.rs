//! What a message holds, in one allocation that is used again for other messages.

use crate::attachment::Attachment;
use crate::deferred::{as_one_call, within_call};
use crate::limits::max_message_bytes;
use crate::message::Context;
use crate::node::Sender;
use crate::payload::Payload;
use crate::pool::{Depot, Pool};
use libmojo_sync::{Arc, thread_local};

/// A context, or a payload with attachments.
#[derive(Default)]
pub(crate) struct Contents {
    /// If there is one, there is no payload yet.
    pub(crate) context: Option<Box<dyn Context>>,
    pub(crate) payload: Payload,
    pub(crate) attached: Option<Box<Attached>>,
    /// Who sent the message to this process; `None` if it was made here.
    pub(crate) sender: Option<Arc<Sender>>,
    /// No more bytes or attachments can be added.
    pub(crate) is_committed: bool,
}

/// What is attached to a message.
#[derive(Default)]
pub(crate) struct Attached {
    pub(crate) attachments: Vec<Attachment>,
    /// The attachments were taken out by the receiver.
    pub(crate) is_emptied: bool,
}

/// The largest storage of a payload that is used again. Larger ones are rare, and cost little compared with what is
/// done with so many bytes.
const MAX_REUSED_BYTES: usize = 1024;

static DEPOT: Depot<Box<Contents>> = Depot::new();

thread_local! {
    static POOL: Pool<Box<Contents>> = const { Pool::new(&DEPOT) };
}

impl Contents {
    /// With a payload that is yet to be set, and nothing else.
    #[inline]
    pub(crate) fn new() -> Box<Self> {
        // There is no pool any more while the thread ends.
        POOL.try_with(Pool::take).ok().flatten().unwrap_or_default()
    }

    /// Drops what is there, and keeps the storage for another message.
    #[inline]
    pub(crate) fn recycle(mut self: Box<Self>) {
        if let Some(context) = self.context.take() {
            // It may have a destructor of the user's.
            within_call(|| drop(context));
        }
        if let Some(attached) = self.attached.take() {
            as_one_call(|| drop(attached));
        }
        drop(self.sender.take());
        self.is_committed = false;
        if self.payload.storage_len() <= MAX_REUSED_BYTES {
            let _ = POOL.try_with(|pool| pool.give(self));
        }
    }

    #[inline]
    pub(crate) fn attachments(&self) -> &[Attachment] {
        self.attached.as_deref().map_or(&[], |attached| &attached.attachments)
    }

    pub(crate) fn attachments_mut(&mut self) -> &mut [Attachment] {
        self.attached.as_deref_mut().map_or(&mut [], |attached| &mut attached.attachments)
    }

    /// How many bytes the payload can have at its present address. Storage beyond the limit is of no use.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.payload.capacity().min(max_message_bytes()).max(self.payload.len())
    }
}
