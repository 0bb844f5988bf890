//! Ends of data pipes as the byte streams of asynchronous programs.

use super::{Consumer, Producer};
use crate::wait::poll_wait;
use crate::{DataPipeError, Ready, Waitable};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The writing end of a data pipe, for tasks: `AsyncWrite` of tokio (feature `tokio`) and of `futures-io` (feature
/// `futures-io`), either of which works in tasks of any executor.
///
/// A write takes as many whole elements as there is room for, and waits until there is room for one. What it takes can be
/// read at once, so there is nothing to flush. Shutting the stream down closes the end, and dropping it does too: the
/// consumer reads the rest and then the end of the stream.
///
/// A pending poll that is not repeated writes nothing. One task at a time can wait.
///
/// # Errors
/// `BrokenPipe` if the consumer is closed, or the stream was shut down; `InvalidInput` for bytes that are no whole number of
/// elements; and the kind [`Unsupported`](io::ErrorKind::Unsupported) in a [forked](crate#forking) process.
#[derive(Debug)]
pub struct AsyncProducer {
    /// None after the stream was shut down.
    producer: Option<Producer>,
    /// The wait that is under way.
    writable: Option<Ready>,
}

/// The reading end of a data pipe, for tasks: `AsyncRead` of tokio (feature `tokio`) and of `futures-io` (feature
/// `futures-io`), either of which works in tasks of any executor.
///
/// A read takes as many whole elements as there are and fit, and waits until there is one. It takes no bytes once the
/// producer is closed and everything was read.
///
/// A pending poll that is not repeated consumes nothing. One task at a time can wait.
///
/// # Errors
/// `InvalidInput` for a buffer that is no whole number of elements; and the kind
/// [`Unsupported`](io::ErrorKind::Unsupported) in a [forked](crate#forking) process.
#[derive(Debug)]
pub struct AsyncConsumer {
    consumer: Consumer,
    /// The wait that is under way.
    readable: Option<Ready>,
}

impl Producer {
    /// The end as an asynchronous stream of bytes. Needs the feature `tokio` or `futures-io`.
    pub fn into_async(self) -> AsyncProducer {
        AsyncProducer { producer: Some(self), writable: None }
    }
}

impl Consumer {
    /// The end as an asynchronous stream of bytes. Needs the feature `tokio` or `futures-io`.
    pub fn into_async(self) -> AsyncConsumer {
        AsyncConsumer { consumer: self, readable: None }
    }
}

impl AsyncProducer {
    /// The end itself, to be used beside the stream; `None` if the stream was shut down.
    pub fn producer(&self) -> Option<&Producer> {
        self.producer.as_ref()
    }

    /// The end itself; `None` if the stream was shut down.
    pub fn into_producer(self) -> Option<Producer> {
        self.producer
    }

    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(producer) = &self.producer else {
            return Poll::Ready(Err(DataPipeError::PeerClosed.into()));
        };
        loop {
            match producer.try_write(bytes) {
                Err(DataPipeError::ShouldWait) => {}
                outcome => return Poll::Ready(Ok(outcome?)),
            }
            // Whatever ends the wait shows at the next attempt.
            let _ = ready!(poll_wait(&mut self.writable, || producer.writable(), context));
        }
    }

    fn shut_down(&mut self) -> Poll<io::Result<()>> {
        self.writable = None;
        self.producer = None;
        Poll::Ready(Ok(()))
    }
}

impl AsyncConsumer {
    /// The end itself, to be used beside the stream.
    pub fn consumer(&self) -> &Consumer {
        &self.consumer
    }

    /// The end itself. What has not been read yet can be read there.
    pub fn into_consumer(self) -> Consumer {
        self.consumer
    }

    fn poll_read(&mut self, context: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            if let Some(num_bytes) = self.consumer.read_now(bytes)? {
                return Poll::Ready(Ok(num_bytes));
            }
            // Whatever ends the wait shows at the next attempt.
            let _ = ready!(poll_wait(&mut self.readable, || self.consumer.readable(), context));
        }
    }
}

#[cfg(feature = "futures-io")]
impl futures_io::AsyncWrite for AsyncProducer {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        AsyncProducer::poll_write(&mut self, context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shut_down()
    }
}

#[cfg(feature = "futures-io")]
impl futures_io::AsyncRead for AsyncConsumer {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
        AsyncConsumer::poll_read(&mut self, context, bytes)
    }
}

/// Has a task that never has to wait give way to others of its runtime all the same, when it has had its share.
#[cfg(feature = "tokio")]
fn in_turn<T>(context: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    let turn = ready!(::tokio::task::coop::poll_proceed(context));
    let outcome = poll(context);
    if outcome.is_ready() {
        turn.made_progress();
    }
    outcome
}

#[cfg(feature = "tokio")]
impl ::tokio::io::AsyncWrite for AsyncProducer {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        in_turn(context, |context| AsyncProducer::poll_write(&mut self, context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shut_down()
    }
}

#[cfg(feature = "tokio")]
impl ::tokio::io::AsyncRead for AsyncConsumer {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut ::tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let unfilled = bytes.initialize_unfilled();
        let num_bytes = ready!(in_turn(context, |context| AsyncConsumer::poll_read(&mut self, context, unfilled)))?;
        bytes.advance(num_bytes);
        Poll::Ready(Ok(()))
    }
}
