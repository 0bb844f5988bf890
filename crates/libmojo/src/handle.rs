//! Anything that can be attached to a message.

use crate::{Consumer, MessagePipe, Producer, SharedBuffer, Waitable};
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
                Handle::$variant(object)
            }
        }

        /// The engine's view of the object, with its ownership.
        impl From<$type> for Object {
            fn from(object: $type) -> Object {
                Object::$variant(object.release())
            }
        }

        /// Owns an object of the engine; one of another kind comes back.
        impl TryFrom<Object> for $type {
            type Error = Object;

            fn try_from(object: Object) -> Result<$type, Object> {
                match object {
                    Object::$variant(object) => Ok(<$type>::own(object)),
                    other => Err(other),
                }
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
    /// The object as one to wait for; `None` for buffers and descriptors, which have no signals.
    pub fn as_waitable(&self) -> Option<&dyn Waitable> {
        match self {
            Handle::Pipe(pipe) => Some(pipe),
            Handle::Producer(producer) => Some(producer),
            Handle::Consumer(consumer) => Some(consumer),
            Handle::Buffer(_) | Handle::Descriptor(_) => None,
        }
    }

    /// Gives the object a label: see [`Waitable::set_label`] and [`SharedBuffer::set_label`]. False if it is a descriptor,
    /// which is the system's and can have none.
    pub fn set_label(&self, label: &str) -> bool {
        match self {
            Handle::Buffer(buffer) => buffer.set_label(label),
            other => match other.as_waitable() {
                Some(object) => object.set_label(label),
                None => return false,
            },
        }
        true
    }

    /// The handle as a descriptor of the operating system; comes back if it is something else.
    pub fn into_descriptor(self) -> Result<OwnedFd, Handle> {
        match self {
            Handle::Descriptor(Some(descriptor)) => Ok(descriptor),
            other => Err(other),
        }
    }
}

impl From<Handle> for Object {
    fn from(handle: Handle) -> Object {
        match handle {
            Handle::Pipe(pipe) => pipe.into(),
            Handle::Producer(producer) => producer.into(),
            Handle::Consumer(consumer) => consumer.into(),
            Handle::Buffer(buffer) => buffer.into(),
            Handle::Descriptor(descriptor) => Object::Platform(PlatformHandle::new(descriptor)),
        }
    }
}

/// Owns an object of the engine; one that cannot be attached to messages comes back.
impl TryFrom<Object> for Handle {
    type Error = Object;

    fn try_from(object: Object) -> Result<Handle, Object> {
        match object {
            Object::Pipe(pipe) => Ok(MessagePipe::own(pipe).into()),
            Object::Producer(producer) => Ok(Producer::own(producer).into()),
            Object::Consumer(consumer) => Ok(Consumer::own(consumer).into()),
            Object::Buffer(buffer) => Ok(SharedBuffer::own(buffer).into()),
            Object::Platform(handle) => Ok(Handle::Descriptor(handle.take())),
            other @ (Object::Watcher(_) | Object::Invitation(_)) => Err(other),
        }
    }
}
