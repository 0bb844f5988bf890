//! One small error type for each kind of operation.

use crate::{AccessError, Message, ResultCode};
use libmojo_core::signals::{Signals, SignalsState};
use std::fmt;
use std::io;

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $text:literal, $kind:ident, $code:ident;)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($name::$variant => $text,)+ })
            }
        }

        impl std::error::Error for $name {}

        impl From<$name> for io::Error {
            fn from(error: $name) -> io::Error {
                let kind = match error { $($name::$variant => io::ErrorKind::$kind,)+ };
                io::Error::new(kind, error)
            }
        }

        impl From<$name> for ResultCode {
            fn from(error: $name) -> ResultCode {
                match error { $($name::$variant => ResultCode::$code,)+ }
            }
        }
    )+};
}

errors! {
    /// Why a message was not sent.
    SendErrorKind {
        /// The message has no contents: its context was taken out.
        Empty => "the message is empty", InvalidInput, NotFound;
        /// The peer is closed or lost.
        PeerClosed => "the peer is closed", BrokenPipe, FailedPrecondition;
        /// As much is unread at the other end as the [quota](crate::quota) allows. It is worth trying again when the end
        /// is [writable](crate::Signals::WRITABLE).
        QuotaReached => "the quota is reached", WouldBlock, ShouldWait;
        /// The message carries the peer of the end that it is sent from, or a handle of another node.
        BadCargo => "the message carries its own pipe, or a handle of another node", InvalidInput, InvalidArgument;
        /// The payload is over the [limit](crate::limits::Limits).
        TooLarge => "the message is too large", InvalidInput, ResourceExhausted;
        /// The message has to leave the process and cannot be serialized.
        NotSerializable => "the message cannot be serialized", InvalidInput, InvalidArgument;
        /// This process was [forked off](crate#forking) one that uses the library.
        Forked => "the process is the fork of one that uses the library", Unsupported, FailedPrecondition;
    }
    /// Why no message was received.
    RecvError {
        /// Everything that was sent has been received, and the peer is closed or lost.
        PeerClosed => "the peer is closed", BrokenPipe, FailedPrecondition;
        /// The deadline has passed.
        DeadlineExceeded => "the deadline has passed", TimedOut, DeadlineExceeded;
        /// This process was [forked off](crate#forking) one that uses the library.
        Forked => "the process is the fork of one that uses the library", Unsupported, FailedPrecondition;
    }
    /// Why no message was received at once.
    TryRecvError {
        /// There is none now.
        Empty => "there is no message", WouldBlock, ShouldWait;
        /// Everything that was sent has been received, and the peer is closed or lost.
        PeerClosed => "the peer is closed", BrokenPipe, FailedPrecondition;
        /// This process was [forked off](crate#forking) one that uses the library.
        Forked => "the process is the fork of one that uses the library", Unsupported, FailedPrecondition;
    }
    /// Why two pipes were not fused. Both ends are closed.
    FuseError {
        /// They are the two ends of one pipe.
        SamePipe => "both ends belong to one pipe", InvalidInput, FailedPrecondition;
        /// A message was sent from one of them.
        HasSent => "a message was sent from one of the ends", InvalidInput, FailedPrecondition;
        /// They belong to different nodes.
        DifferentNodes => "the ends belong to different nodes", InvalidInput, InvalidArgument;
        /// This process was [forked off](crate#forking) one that uses the library.
        Forked => "the process is the fork of one that uses the library", Unsupported, FailedPrecondition;
    }
    /// Why a message was not serialized.
    SerializeError {
        /// It carries a value that cannot be serialized, or nothing at all.
        NotSerializable => "the message cannot be serialized", InvalidInput, NotFound;
    }
    /// Why handles were not taken out of a message.
    TakeError {
        /// They were taken before.
        AlreadyTaken => "the handles were taken before", NotFound, NotFound;
        /// At least one of them could not be brought into this process.
        Lost => "a handle could not be brought into this process", Other, Aborted;
        /// The message was not serialized; its handles are inside its value.
        NotSerialized => "the message is not serialized", InvalidInput, FailedPrecondition;
        /// This process was [forked off](crate#forking) one that uses the library.
        Forked => "the process is the fork of one that uses the library", Unsupported, FailedPrecondition;
    }
    /// Why an operation on a data pipe failed.
    DataPipeError {
        /// No room, or no data, at the moment.
        ShouldWait => "no room or no data at the moment", WouldBlock, ShouldWait;
        /// The other end is closed; for a consumer, and everything was read.
        PeerClosed => "the other end is closed", BrokenPipe, FailedPrecondition;
        /// All was asked for or nothing, and all is not possible.
        OutOfRange => "all of it is not possible at once", InvalidInput, OutOfRange;
        /// The sizes do not fit the element size or the capacity.
        InvalidArgument => "the size does not fit the element size", InvalidInput, InvalidArgument;
        /// The memory could not be had.
        ResourceExhausted => "no memory for the pipe", OutOfMemory, ResourceExhausted;
        /// This process was [forked off](crate#forking) one that uses the library.
        Forked => "the process is the fork of one that uses the library", Unsupported, FailedPrecondition;
    }
    /// Why an operation on a shared buffer failed.
    BufferError {
        /// The size is zero, or the range is empty or not within the buffer.
        InvalidArgument => "the size or range is empty or out of bounds", InvalidInput, InvalidArgument;
        /// A read-only duplicate cannot be made from this reference.
        NotDemotable => "no read-only duplicate can be made from this reference", Unsupported, FailedPrecondition;
        /// Too large, or the system has no memory or descriptors left.
        ResourceExhausted => "no memory or descriptors for the buffer", OutOfMemory, ResourceExhausted;
    }
    /// Why a watch was not added.
    WatchError {
        /// The watcher has a watch with that context, or of that object.
        AlreadyExists => "the context or the object is watched already", AlreadyExists, AlreadyExists;
        /// This process was [forked off](crate#forking) one that uses the library.
        Forked => "the process is the fork of one that uses the library", Unsupported, FailedPrecondition;
    }
}

/// A message that was not sent, and why.
pub struct SendError {
    /// Why.
    pub kind: SendErrorKind,
    /// The message. It may have been serialized.
    pub message: Message,
}

impl fmt::Debug for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for SendError {}

impl From<SendError> for io::Error {
    fn from(error: SendError) -> io::Error {
        error.kind.into()
    }
}

impl From<SendError> for ResultCode {
    fn from(error: SendError) -> ResultCode {
        error.kind.into()
    }
}

/// Why a wait ended without any of the signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitError {
    /// None of the signals can be raised any more; the state that says so.
    Unsatisfiable(SignalsState),
    /// The deadline has passed.
    DeadlineExceeded,
    /// This process was [forked off](crate#forking) one that uses the library.
    Forked,
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitError::Unsatisfiable(state) if state.satisfied.contains(Signals::PEER_CLOSED) => {
                f.write_str("the peer is closed")
            }
            WaitError::Unsatisfiable(state) => write!(f, "none of the signals can be raised any more: {state:?}"),
            WaitError::DeadlineExceeded => f.write_str("the deadline has passed"),
            WaitError::Forked => RecvError::Forked.fmt(f),
        }
    }
}

impl std::error::Error for WaitError {}

impl From<WaitError> for io::Error {
    fn from(error: WaitError) -> io::Error {
        let kind = match error {
            WaitError::Unsatisfiable(_) => io::ErrorKind::BrokenPipe,
            WaitError::DeadlineExceeded => io::ErrorKind::TimedOut,
            WaitError::Forked => io::ErrorKind::Unsupported,
        };
        io::Error::new(kind, error)
    }
}

impl From<WaitError> for ResultCode {
    fn from(error: WaitError) -> ResultCode {
        match error {
            WaitError::DeadlineExceeded => ResultCode::DeadlineExceeded,
            WaitError::Unsatisfiable(_) | WaitError::Forked => ResultCode::FailedPrecondition,
        }
    }
}

/// Why an operation on an invitation failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum InvitationError {
    /// The name is over [`MAX_INVITATION_NAME_BYTES`](crate::limits::MAX_INVITATION_NAME_BYTES).
    InvalidName,
    /// A pipe of that name is attached already.
    AlreadyExists,
    /// The invitation holds [`MAX_INVITATION_PIPES`](crate::limits::MAX_INVITATION_PIPES) already.
    ResourceExhausted,
    /// The socket cannot be used: it is no connected UNIX stream socket, or the system has no thread or
    /// descriptors left.
    Socket(io::Error),
    /// This process was [forked off](crate#forking) one that uses the library.
    Forked,
}

impl fmt::Display for InvitationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvitationError::InvalidName => f.write_str("the name is too long"),
            InvitationError::AlreadyExists => f.write_str("a pipe of that name is attached already"),
            InvitationError::ResourceExhausted => f.write_str("the invitation holds too many pipes"),
            InvitationError::Socket(error) => write!(f, "the socket cannot be used: {error}"),
            InvitationError::Forked => RecvError::Forked.fmt(f),
        }
    }
}

impl std::error::Error for InvitationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            InvitationError::Socket(error) => Some(error),
            _ => None,
        }
    }
}

impl From<InvitationError> for io::Error {
    fn from(error: InvitationError) -> io::Error {
        match error {
            InvitationError::Socket(error) => error,
            InvitationError::AlreadyExists => io::Error::new(io::ErrorKind::AlreadyExists, error),
            InvitationError::Forked => io::Error::new(io::ErrorKind::Unsupported, error),
            _ => io::Error::new(io::ErrorKind::InvalidInput, error),
        }
    }
}

impl From<InvitationError> for ResultCode {
    fn from(error: InvitationError) -> ResultCode {
        match error {
            InvitationError::InvalidName => ResultCode::InvalidArgument,
            InvitationError::AlreadyExists => ResultCode::AlreadyExists,
            InvitationError::Socket(error) if error.kind() == io::ErrorKind::InvalidInput => {
                ResultCode::InvalidArgument
            }
            InvitationError::ResourceExhausted | InvitationError::Socket(_) => ResultCode::ResourceExhausted,
            InvitationError::Forked => ResultCode::FailedPrecondition,
        }
    }
}

impl From<AccessError> for ResultCode {
    fn from(error: AccessError) -> ResultCode {
        match error {
            AccessError::OutOfBounds => ResultCode::OutOfRange,
            AccessError::ReadOnly => ResultCode::PermissionDenied,
        }
    }
}
