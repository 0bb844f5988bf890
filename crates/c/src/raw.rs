//! For Rust programs that also host C code: handles for objects that Rust owns, and the other way round.

use crate::handles::{self, MojoHandle};
use crate::messages::{self, MojoMessageHandle};
use libmojo_core::message::Message;
use libmojo_core::object::Object;
use std::fmt;

/// Why something did not become, or was not found behind, a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RawError {
    /// There is no handle left; the object is closed.
    ResourceExhausted,
    /// The handle is 0, closed, or given away.
    InvalidHandle,
    /// It refers to something else; it goes on to be valid.
    OtherKind,
    /// This process was forked off one that uses the library.
    Forked,
}

impl fmt::Display for RawError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RawError::ResourceExhausted => "there is no handle left",
            RawError::InvalidHandle => "the handle is not valid",
            RawError::OtherKind => "the handle refers to something else",
            RawError::Forked => "the process is the fork of one that uses the library",
        })
    }
}

impl std::error::Error for RawError {}

/// Makes a handle for an object of the crate `libmojo`, which belongs to whoever has the handle from now on.
///
/// # Errors
/// [`RawError::ResourceExhausted`], [`RawError::Forked`].
///
/// ```
/// use libmojo::{Message, MessagePipe};
/// use mojo_system::{from_raw, into_raw};
///
/// let (a, b) = MessagePipe::create();
/// let handle = into_raw(b)?;
/// // … C code uses the handle, and gives it back …
/// let b: MessagePipe = from_raw(handle)?;
/// a.send(Message::from("hello"))?;
/// assert_eq!(b.recv()?.payload(), b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn into_raw(object: impl Into<Object>) -> Result<MojoHandle, RawError> {
    usable()?;
    handles::insert(object).map_err(|_| RawError::ResourceExhausted)
}

/// Ends a handle and takes over what it referred to: a `MessagePipe`, `Producer`, `Consumer`, `SharedBuffer`, or
/// `Handle` of the crate `libmojo`. Watches of C code go on.
///
/// # Errors
/// [`RawError::InvalidHandle`], [`RawError::OtherKind`], [`RawError::Forked`].
pub fn from_raw<T: TryFrom<Object, Error = Object>>(handle: MojoHandle) -> Result<T, RawError> {
    usable()?;
    let outcome = handles::remove_as(handle, T::try_from).map_err(|_| RawError::InvalidHandle)?;
    outcome.map_err(|()| RawError::OtherKind)
}

/// Makes a handle for a message of the crate `libmojo`, which belongs to whoever has the handle from now on. A value
/// in it has no context that C code could ask for, but can be serialized by it.
///
/// # Errors
/// [`RawError::ResourceExhausted`], [`RawError::Forked`].
pub fn message_into_raw(message: impl Into<Message>) -> Result<MojoMessageHandle, RawError> {
    usable()?;
    messages::insert(message.into()).map_err(|_| RawError::ResourceExhausted)
}

/// Ends a message handle and takes over the message. A context in it is none of the values that Rust code could ask
/// for, but can be serialized by it.
///
/// # Errors
/// [`RawError::InvalidHandle`], [`RawError::Forked`].
pub fn message_from_raw<T: From<Message>>(handle: MojoMessageHandle) -> Result<T, RawError> {
    usable()?;
    messages::remove(handle).map(T::from).map_err(|_| RawError::InvalidHandle)
}

/// To be asked before anything is done.
fn usable() -> Result<(), RawError> {
    if libmojo_core::is_forked() { Err(RawError::Forked) } else { Ok(()) }
}
