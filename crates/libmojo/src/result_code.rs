//! The codes by which the C API says what became of a call.

/// What the C API calls `MojoResult`: for programs that hand outcomes of this crate to C. Every error of this crate
/// converts to the code that the function of the same purpose in C answers with.
///
/// ```
/// use libmojo::{MessagePipe, ResultCode};
///
/// let (here, _there) = MessagePipe::create();
/// let code = here.try_recv().map_or_else(ResultCode::from, |_message| ResultCode::Ok);
/// assert_eq!(u32::from(code), 17);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u32)]
pub enum ResultCode {
    /// Done.
    Ok = 0,
    /// A watch has ended.
    Cancelled = 1,
    /// Failed for a reason that has no code of its own.
    Unknown = 2,
    /// An argument is wrong whatever the state of the objects.
    InvalidArgument = 3,
    /// The deadline has passed.
    DeadlineExceeded = 4,
    /// What the call refers to is not there.
    NotFound = 5,
    /// What the call would add is there already.
    AlreadyExists = 6,
    /// The rights do not suffice. The C API does not use it.
    PermissionDenied = 7,
    /// A limit is reached: memory, descriptors, or a size.
    ResourceExhausted = 8,
    /// Not possible in this state, typically for good, as the peer is closed.
    FailedPrecondition = 9,
    /// Attachments could not be packed or unpacked.
    Aborted = 10,
    /// A size cannot be met now or lies outside of its bounds.
    OutOfRange = 11,
    /// An option is unknown.
    Unimplemented = 12,
    /// The C API does not use it.
    Internal = 13,
    /// The C API does not use it.
    Unavailable = 14,
    /// The C API does not use it.
    DataLoss = 15,
    /// The object is in use by an operation not yet finished.
    Busy = 16,
    /// Nothing can be done now, but later perhaps.
    ShouldWait = 17,
}

impl From<ResultCode> for u32 {
    fn from(code: ResultCode) -> u32 {
        code as u32
    }
}
