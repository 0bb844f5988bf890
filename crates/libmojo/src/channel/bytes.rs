//! Bytes as a part of a value, which are not copied when they arrive.

use super::cargo::Arriving;
use crate::Message;
use libmojo_sync::Arc;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::ops::Deref;

/// Bytes that nobody changes; a clone refers to the same ones.
///
/// Between ends in one process they are not copied at all. To another process they are copied once, into the message,
/// and are read there by the receiver: what arrives refers to the message, which lives as long. `Vec<u8>` on the other
/// hand goes through serde byte by byte. What is over the [limit of a message](crate::limits::MAX_MESSAGE_BYTES), or is to
/// be in several processes without a copy, belongs into a [`SharedBuffer`](crate::SharedBuffer).
///
/// ```
/// use libmojo::channel::{self, Bytes};
///
/// let (tx, mut rx) = channel::channel();
/// tx.send((640, 480, Bytes::from(vec![7; 640 * 480])))?;
/// let (_, _, picture) = rx.recv()?;
/// assert!(picture.iter().all(|byte| *byte == 7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Bytes(Place);

/// Where the bytes are.
#[derive(Clone)]
enum Place {
    Own(Arc<Vec<u8>>),
    /// In the payload of a message.
    Payload {
        message: Arc<Message>,
        start: usize,
        len: usize,
    },
}

/// Fewer bytes are copied rather than keep a whole message.
const MIN_BYTES_IN_PLACE: usize = 256;

impl Bytes {
    /// A copy of bytes.
    pub fn copy_from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Place::Own(Arc::new(bytes)))
    }
}

/// The bytes; copied only if they are a part of a message, or somebody else refers to them, too.
impl From<Bytes> for Vec<u8> {
    fn from(bytes: Bytes) -> Vec<u8> {
        match bytes.0 {
            Place::Own(bytes) => Arc::try_unwrap(bytes).unwrap_or_else(|shared| shared.to_vec()),
            in_place => Bytes(in_place).to_vec(),
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Place::Own(bytes) => bytes,
            Place::Payload { message, start, len } => {
                message.payload().get(*start..).and_then(|rest| rest.get(..*len)).unwrap_or_default()
            }
        }
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Bytes {}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bytes").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(BytesVisitor)
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<Bytes, E> {
        let place = (bytes.len() >= MIN_BYTES_IN_PLACE).then(|| Arriving::locate(bytes)).flatten();
        Ok(match place {
            Some((message, start)) => Bytes(Place::Payload { message, start, len: bytes.len() }),
            None => Bytes::copy_from(bytes),
        })
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes::copy_from(bytes))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(bytes.into())
    }
}
