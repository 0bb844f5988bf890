//! Anything that can be attached to a message.

use crate::{Consumer, MessagePipe, Producer, SharedBuffer};
use libmojo_core::object::Object;
use libmojo_core::platform_handle::PlatformHandle;
use std::os::fd::OwnedFd;

/// An object that can be sent to another process. Dropping it closes the object.
#[derive(Debug)]
#[non_exhaustive]
pub enum Handle {
    /// An end of a message pipe.
    Pipe(MessagePipe),
    /// The writing end of a data pipe.
    Producer(Producer),
    /// The reading end of a data pipe.
    Consumer(Consumer),
    /// A reference to a shared buffer.
    Buffer(SharedBuffer),
    /// A descriptor of the operating system; `None` if "no descriptor" was sent in its place.
    Descriptor(Option<OwnedFd>),
}

macro_rules! conversions {
    ($($variant:ident($type:ty), $into:ident, $what:literal;)+) => {
        $(impl From<$type> for Handle {
            fn from(object: $type) -> Handle {
                Handle::$variant(object.into())
            }
        })+

        impl Handle {
            $(#[doc = concat!("The handle as ", $what, "; comes back if it is something else.")]
            pub fn $into(self) -> Result<$type, Handle> {
                match self {
                    Handle::$variant(object) => Ok(object),
                    other => Err(other),
                }
            })+
        }
    };
}

conversions! {
    Pipe(MessagePipe), into_pipe, "an end of a message pipe";
    Producer(Producer), into_producer, "the writing end of a data pipe";
    Consumer(Consumer), into_consumer, "the reading end of a data pipe";
    Buffer(SharedBuffer), into_buffer, "a shared buffer";
}

impl From<OwnedFd> for Handle {
    fn from(descriptor: OwnedFd) -> Handle {
        Handle::Descriptor(Some(descriptor))
    }
}

impl From<std::fs::File> for Handle {
    fn from(file: std::fs::File) -> Handle {
        Handle::Descriptor(Some(file.into()))
    }
}

impl Handle {
    /// The handle as a descriptor of the operating system; comes back if it is something else.
    pub fn into_descriptor(self) -> Result<OwnedFd, Handle> {
        match self {
            Handle::Descriptor(Some(descriptor)) => Ok(descriptor),
            other => Err(other),
        }
    }

    pub(crate) fn into_object(self) -> Object {
        match self {
            Handle::Pipe(pipe) => Object::Pipe(pipe.release()),
            Handle::Producer(producer) => Object::Producer(producer.release()),
            Handle::Consumer(consumer) => Object::Consumer(consumer.release()),
            Handle::Buffer(buffer) => Object::Buffer(buffer.release()),
            Handle::Descriptor(descriptor) => Object::Platform(PlatformHandle::new(descriptor)),
        }
    }

    /// Watchers and invitations are never attached to messages.
    pub(crate) fn from_object(object: Object) -> Option<Handle> {
        match object {
            Object::Pipe(pipe) => Some(Handle::Pipe(MessagePipe::own(pipe))),
            Object::Producer(producer) => Some(Handle::Producer(Producer::own(producer))),
            Object::Consumer(consumer) => Some(Handle::Consumer(Consumer::own(consumer))),
            Object::Buffer(buffer) => Some(Handle::Buffer(SharedBuffer::own(buffer))),
            Object::Platform(handle) => Some(Handle::Descriptor(handle.take())),
            Object::Watcher(_) | Object::Invitation(_) => None,
        }
    }
}
