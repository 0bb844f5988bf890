//! Handles as parts of values: each kind can be serialized and deserialized, within a channel.

use super::cargo::{Arriving, Leaving};
use crate::{Consumer, Handle, MessagePipe, Producer, SharedBuffer};
use libmojo_core::object::Object;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A descriptor of the operating system as a part of a value.
///
/// A value that is serialized takes a duplicate along.
///
/// ```
/// use libmojo::channel::{self, Descriptor};
/// use std::fs::File;
///
/// let (tx, mut rx) = channel::channel();
/// tx.send((7, Descriptor::from(File::open("/dev/null")?)))?;
/// let (number, file) = rx.recv()?;
/// assert_eq!((number, File::from(file).metadata()?.len()), (7, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Descriptor(OwnedFd);

impl<T: Into<OwnedFd>> From<T> for Descriptor {
    fn from(descriptor: T) -> Self {
        Self(descriptor.into())
    }
}

macro_rules! from_descriptor {
    ($($type:ty),+) => {
        $(impl From<Descriptor> for $type {
            fn from(descriptor: Descriptor) -> $type {
                descriptor.0.into()
            }
        })+
    };
}

from_descriptor!(
    std::fs::File,
    std::net::TcpListener,
    std::net::TcpStream,
    std::net::UdpSocket,
    std::os::unix::net::UnixDatagram,
    std::os::unix::net::UnixListener,
    std::os::unix::net::UnixStream
);

impl Descriptor {
    /// The descriptor itself.
    pub fn into_inner(self) -> OwnedFd {
        self.0
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Takes an object along; returns its position.
fn leave<E: ser::Error>(handle: &Handle) -> Result<u32, E> {
    match handle {
        Handle::Pipe(pipe) => Leaving::add_owned(pipe.owned()),
        Handle::Producer(producer) => Leaving::add_owned(producer.owned()),
        Handle::Consumer(consumer) => Leaving::add_owned(consumer.owned()),
        Handle::Buffer(buffer) => Leaving::add_shared(Object::Buffer(buffer.inner().clone())),
        Handle::Descriptor(None) => Leaving::add_new(Handle::Descriptor(None)),
        Handle::Descriptor(Some(descriptor)) => leave_descriptor(descriptor),
    }
}

fn leave_descriptor<E: ser::Error>(descriptor: &OwnedFd) -> Result<u32, E> {
    if !Leaving::is_under_way() {
        return Err(E::custom("handles can only be sent through channels"));
    }
    Leaving::add_new(Handle::Descriptor(Some(descriptor.try_clone().map_err(E::custom)?)))
}

macro_rules! part_of_values {
    ($($(#[$doc:meta])* $type:ty, |$object:ident| $leave:expr, |$handle:ident| $arrive:expr;)+) => {$(
        $(#[$doc])*
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let $object = self;
                serializer.serialize_u32($leave?)
            }
        }

        /// Only within a [channel](mod@crate::channel); everywhere else it fails.
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let $handle = Arriving::take(u32::deserialize(deserializer)?)?;
                $arrive.map_err(|_| de::Error::custom("a handle of another kind"))
            }
        }
    )+};
}

part_of_values! {
    /// Only within a [channel](mod@crate::channel); everywhere else it fails. The end leaves with the value.
    MessagePipe, |pipe| Leaving::add_owned(pipe.owned()), |handle| handle.into_pipe();
    /// Only within a [channel](mod@crate::channel); everywhere else it fails. The end leaves with the value.
    Producer, |producer| Leaving::add_owned(producer.owned()), |handle| handle.into_producer();
    /// Only within a [channel](mod@crate::channel); everywhere else it fails. The end leaves with the value.
    Consumer, |consumer| Leaving::add_owned(consumer.owned()), |handle| handle.into_consumer();
    /// Only within a [channel](mod@crate::channel); everywhere else it fails. What arrives is another reference to the same
    /// memory, with the same rights.
    SharedBuffer, |buffer| Leaving::add_shared(Object::Buffer(buffer.inner().clone())), |handle| handle.into_buffer();
    /// Only within a [channel](mod@crate::channel); everywhere else it fails. What arrives is a duplicate.
    Descriptor, |descriptor| leave_descriptor(&descriptor.0), |handle| handle.into_descriptor().map(Descriptor);
    /// Only within a [channel](mod@crate::channel); everywhere else it fails.
    Handle, |handle| leave(handle), |handle| Ok::<Handle, Handle>(handle);
}
