//! For programs on tokio. Needs the feature `tokio`.
//!
//! Nothing of this is necessary to use the crate from tokio: everything that can be awaited works in its tasks, and
//! [`AsyncProducer`](crate::AsyncProducer) and [`AsyncConsumer`](crate::AsyncConsumer) are its `AsyncWrite` and `AsyncRead`.
//! These two give way to other tasks from time to time, as the runtime's own streams do; the futures of this crate that are
//! ready at once do not, unless they are wrapped in [`tokio::task::coop::cooperative`].
//!
//! Here is what has to know the runtime: [`drive`] has it do the I/O of a node, and
//! [`Producer::copy_from_async`](crate::Producer::copy_from_async) and
//! [`Consumer::copy_to_async`](crate::Consumer::copy_to_async) copy between data pipes and its sockets.

mod copy;
mod driving;

pub use copy::Descriptor;
pub use driving::{Driving, drive};
