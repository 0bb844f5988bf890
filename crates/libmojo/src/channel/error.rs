//! What can go wrong in a channel.

use crate::{Message, ResultCode, SendErrorKind};
use libmojo_sync::Arc;
use std::fmt;
use std::io;

/// A value that was not sent, and why.
pub struct SendError<T> {
    /// Why.
    pub kind: SendErrorKind,
    /// The value, as it was, with its handles.
    pub value: T,
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl<T> std::error::Error for SendError<T> {}

impl<T> From<SendError<T>> for io::Error {
    fn from(error: SendError<T>) -> io::Error {
        error.kind.into()
    }
}

impl<T> From<SendError<T>> for ResultCode {
    fn from(error: SendError<T>) -> ResultCode {
        error.kind.into()
    }
}

/// Why a message that was received is no value. The channel goes on with the next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadReason {
    /// The bytes or the handles are not those of a value of the type. A sender that uses the same types does not send
    /// such a message.
    Malformed,
    /// A handle could not be brought into this process, which has no descriptor left for it.
    HandleLost,
    /// The value failed to be serialized, when its receiver had already accepted it and then moved to another process.
    NotSerializable,
}

/// A message that was received and is no value, and why.
#[derive(Clone)]
pub struct BadValue {
    pub(super) message: Arc<Message>,
    pub(super) reason: BadReason,
}

impl BadValue {
    pub(super) fn new(message: Message, reason: BadReason) -> Self {
        Self { message: Arc::new(message), reason }
    }

    /// Why it is no value.
    pub fn reason(&self) -> BadReason {
        self.reason
    }

    /// Reports the message to whoever answers for its sender, as [`Message::report_bad`] does.
    pub fn report(&self) {
        self.message.report_bad(&self.to_string());
    }
}

impl fmt::Debug for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BadValue").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            BadReason::Malformed => "the message is no value of the channel's type",
            BadReason::HandleLost => "a handle of the value could not be brought into this process",
            BadReason::NotSerializable => "the value could not be serialized when its receiver moved",
        })
    }
}

impl std::error::Error for BadValue {}

impl From<BadValue> for io::Error {
    fn from(error: BadValue) -> io::Error {
        let kind = match error.reason {
            BadReason::HandleLost => io::ErrorKind::Other,
            BadReason::Malformed | BadReason::NotSerializable => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}

impl From<BadValue> for ResultCode {
    fn from(error: BadValue) -> ResultCode {
        match error.reason {
            BadReason::HandleLost => ResultCode::Aborted,
            BadReason::Malformed | BadReason::NotSerializable => ResultCode::InvalidArgument,
        }
    }
}

/// Why no value was received.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RecvError {
    /// Everything that was sent has been received, and all senders are closed or lost.
    Closed,
    /// The deadline has passed.
    DeadlineExceeded,
    /// A message was received that is no value. The next can be received.
    Bad(BadValue),
    /// This process was [forked off](crate#forking) one that uses the library.
    Forked,
}

/// Why no value was received at once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TryRecvError {
    /// There is none now.
    Empty,
    /// Everything that was sent has been received, and all senders are closed or lost.
    Closed,
    /// A message was received that is no value. The next can be received.
    Bad(BadValue),
    /// This process was [forked off](crate#forking) one that uses the library.
    Forked,
}

impl RecvError {
    /// The same of those who wait for messages, whose deadline aside.
    fn plain(&self) -> Result<crate::RecvError, &BadValue> {
        match self {
            RecvError::Closed => Ok(crate::RecvError::PeerClosed),
            RecvError::DeadlineExceeded => Ok(crate::RecvError::DeadlineExceeded),
            RecvError::Forked => Ok(crate::RecvError::Forked),
            RecvError::Bad(bad) => Err(bad),
        }
    }
}

impl TryRecvError {
    fn plain(&self) -> Result<crate::TryRecvError, &BadValue> {
        match self {
            TryRecvError::Empty => Ok(crate::TryRecvError::Empty),
            TryRecvError::Closed => Ok(crate::TryRecvError::PeerClosed),
            TryRecvError::Forked => Ok(crate::TryRecvError::Forked),
            TryRecvError::Bad(bad) => Err(bad),
        }
    }
}

macro_rules! conversions {
    ($($name:ident),+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.plain() {
                    Ok(error) => error.fmt(f),
                    Err(bad) => bad.fmt(f),
                }
            }
        }

        impl std::error::Error for $name {}

        impl From<$name> for io::Error {
            fn from(error: $name) -> io::Error {
                error.plain().map_or_else(|bad| bad.clone().into(), io::Error::from)
            }
        }

        impl From<$name> for ResultCode {
            fn from(error: $name) -> ResultCode {
                error.plain().map_or_else(|bad| bad.clone().into(), ResultCode::from)
            }
        }
    )+};
}

conversions!(RecvError, TryRecvError);
