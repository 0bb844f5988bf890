//! For programs on tokio. Needs the feature `tokio`.
//!
//! Nothing of this is necessary to use the crate from tokio: everything that can be awaited works in its tasks, and
//! [`AsyncProducer`](crate::AsyncProducer) and [`AsyncConsumer`](crate::AsyncConsumer) are its `AsyncWrite` and `AsyncRead`.
//! Here is what has to know the runtime: [`drive`] has it do the I/O of a node, and
//! [`Producer::copy_from_async`](crate::Producer::copy_from_async) and
//! [`Consumer::copy_to_async`](crate::Consumer::copy_to_async) copy between data pipes and its sockets.

mod copy;
mod driving;

pub use copy::Descriptor;
pub use driving::{Driving, drive};
