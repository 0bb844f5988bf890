//! Back-pressure: how much may wait in a message pipe.

use crate::{Message, MessagePipe, SendError, SendErrorKind, Signals, WaitError, Waitable};
use libmojo_core::is_forked;
use std::time::{Duration, Instant};

pub use libmojo_core::pipe::{Amount, Quota, Quotas, Usage};

/// Quotas.
///
/// A pipe takes whatever is sent, unless one of its ends has a quota: on what was sent from it and is not received at the
/// other end, or on what is unread at the end itself. A quota is a number of messages, a number of bytes of their payloads,
/// or both, and it is enforced or merely reported; reported ones raise [`Signals::QUOTA_EXCEEDED`].
///
/// At its limit, an enforced quota on what is *sent* refuses what is sent from the end
/// ([`SendErrorKind::QuotaReached`]), and the end is not [writable](Signals::WRITABLE) until enough was received at the
/// other end, in whichever process that is. Then credit comes back, in steps of half the quota.
///
/// One on what is *unread* is for those who trust nobody: whoever sends more breaks the pipe, which is closed; what
/// is unread stays. Give the other end a quota on what it sends before it goes to where it is used; that goes with it, so
/// honest users wait and only others are cut off.
///
/// ```
/// use libmojo::quota::{Amount, Quota, Quotas};
/// use libmojo::{Message, MessagePipe, SendErrorKind};
///
/// let (host, plugin) = MessagePipe::create();
/// let ten = Quota::enforced(Amount::messages(10));
/// plugin.set_quotas(Quotas { sent: ten, ..Quotas::default() });
/// host.set_quotas(Quotas { unread: ten, ..Quotas::default() });
///
/// for _ in 0..10 {
///     plugin.send(Message::from("work"))?;
/// }
/// let refused = plugin.send(Message::from("more")).unwrap_err();
/// assert_eq!(refused.kind, SendErrorKind::QuotaReached);
///
/// (0..5).try_for_each(|_| host.recv().map(drop))?;
/// plugin.send_blocking(refused.message)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl MessagePipe {
    /// The end's quotas; none unless some were set.
    pub fn quotas(&self) -> Quotas {
        if is_forked() {
            return Quotas::default();
        }
        self.inner().quotas().0
    }

    /// How much of its quotas the end uses. What was sent is only counted from the first quota on it.
    pub fn usage(&self) -> Usage {
        if is_forked() {
            return Usage::default();
        }
        self.inner().quotas().1
    }

    /// Gives the end other quotas. Both stay with it when it is sent in a message; of reported limits, those that go to
    /// another process are forgotten. Fusing ends them.
    pub fn set_quotas(&self, quotas: Quotas) {
        if !is_forked() {
            // An owned end is open.
            self.inner().change_quotas(|own| *own = quotas);
        }
    }

    /// Sends a message; blocks the thread while the [quota](Self::set_quotas) is reached.
    ///
    /// # Errors
    /// As [`send`](Self::send), but never [`SendErrorKind::QuotaReached`].
    pub fn send_blocking(&self, message: Message) -> Result<(), SendError> {
        self.send_until(message, None)
    }

    /// Sends a message; blocks the thread for at most `timeout` while the [quota](Self::set_quotas) is reached.
    ///
    /// # Errors
    /// As [`send`](Self::send); after the timeout, [`SendErrorKind::QuotaReached`].
    pub fn send_timeout(&self, message: Message, timeout: Duration) -> Result<(), SendError> {
        self.send_until(message, Instant::now().checked_add(timeout))
    }

    /// Sends a message; blocks the thread until `deadline` at most while the [quota](Self::set_quotas) is reached.
    ///
    /// # Errors
    /// As [`send`](Self::send); after the deadline, [`SendErrorKind::QuotaReached`].
    pub fn send_deadline(&self, message: Message, deadline: Instant) -> Result<(), SendError> {
        self.send_until(message, Some(deadline))
    }

    fn send_until(&self, mut message: Message, deadline: Option<Instant>) -> Result<(), SendError> {
        loop {
            match self.send(message) {
                Err(SendError { kind: SendErrorKind::QuotaReached, message: refused }) => message = refused,
                outcome => return outcome,
            }
            // Anything else that ends the wait shows when the message is sent again.
            if self.wait(Signals::WRITABLE, deadline) == Err(WaitError::DeadlineExceeded) {
                return self.send(message);
            }
        }
    }

    /// Sends a message, or waits until the [quota](Self::set_quotas) allows it. Nothing is sent if the future is dropped
    /// before it is ready; the message is dropped with it.
    ///
    /// # Errors
    /// As [`send`](Self::send), but never [`SendErrorKind::QuotaReached`].
    pub async fn send_async(&self, mut message: Message) -> Result<(), SendError> {
        loop {
            match self.send(message) {
                Err(SendError { kind: SendErrorKind::QuotaReached, message: refused }) => message = refused,
                outcome => return outcome,
            }
            // Whatever ends the wait shows when the message is sent again.
            let _ = self.ready(Signals::WRITABLE).await;
        }
    }
}
