//! Between data pipes and the descriptors of a runtime, without a buffer in between.

use crate::data_pipe::Step;
use crate::{Consumer, Producer, Waitable};
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpStream, UnixStream};

mod sealed {
    use super::{Future, Interest, io};

    /// What a runtime knows of a descriptor.
    pub trait Sealed {
        /// Waits until it is ready.
        fn ready(&self, interest: Interest) -> impl Future<Output = io::Result<()>> + Send;
        /// Tries something that fails with `WouldBlock` if it is not ready after all.
        fn attempt<R>(&self, interest: Interest, step: impl FnOnce() -> io::Result<R>) -> io::Result<R>;
    }
}
use sealed::Sealed;

/// A descriptor that a tokio runtime waits for: a [`TcpStream`], a [`UnixStream`], or any other that does not block, in an
/// [`AsyncFd`].
pub trait Descriptor: Sealed + AsFd {}

macro_rules! descriptors {
    ($($stream:ty),+) => {
        $(impl Sealed for $stream {
            async fn ready(&self, interest: Interest) -> io::Result<()> {
                <$stream>::ready(self, interest).await.map(drop)
            }

            fn attempt<R>(&self, interest: Interest, step: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
                self.try_io(interest, step)
            }
        }

        impl Descriptor for $stream {})+
    };
}

descriptors!(TcpStream, UnixStream);

impl<T: AsRawFd + Sync> Sealed for AsyncFd<T> {
    async fn ready(&self, interest: Interest) -> io::Result<()> {
        AsyncFd::ready(self, interest).await.map(drop)
    }

    fn attempt<R>(&self, interest: Interest, step: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.try_io(interest, |_| step())
    }
}

impl<T: AsRawFd + Sync> Descriptor for AsyncFd<T> {}

impl Producer {
    /// Copies from a socket or the like into the pipe until that ends; returns how many bytes. Needs the feature `tokio`.
    ///
    /// The system reads right into the memory of the pipe. For a file, which is never waited for, use
    /// [`copy_from`](Self::copy_from) where blocking is allowed.
    ///
    /// If the future is dropped, everything that has left the source is in the pipe.
    ///
    /// # Errors
    /// As for [`copy_from`](Self::copy_from).
    ///
    /// ```
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// use tokio::net::UnixStream;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let (mut client, server) = UnixStream::pair()?;
    /// let (mut producer, consumer) = libmojo::DataPipeOptions::default().create()?;
    /// client.write_all(b"over a socket, and on").await?;
    /// client.shutdown().await?;
    /// assert_eq!(producer.copy_from_async(&server).await?, 21);
    /// drop(producer);
    /// let mut text = String::new();
    /// consumer.into_async().read_to_string(&mut text).await?;
    /// assert_eq!(text, "over a socket, and on");
    /// # Ok::<(), std::io::Error>(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn copy_from_async(&mut self, source: &impl Descriptor) -> io::Result<u64> {
        let mut copied = 0;
        loop {
            source.ready(Interest::READABLE).await?;
            match source.attempt(Interest::READABLE, || self.copy_step(source, u64::MAX)) {
                Ok(Step::Copied(num_bytes)) => copied += num_bytes as u64,
                // Whatever ends the wait shows at the next attempt.
                Ok(Step::PipeNotReady) => drop(self.writable().await),
                Ok(Step::Ended) => return Ok(copied),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Consumer {
    /// Copies from the pipe to a socket or the like until the producer is closed and everything was copied; returns how
    /// many bytes. Needs the feature `tokio`.
    ///
    /// The system writes right from the memory of the pipe. For a file, which is never waited for, use
    /// [`copy_to`](Self::copy_to) where blocking is allowed.
    ///
    /// If the future is dropped, everything that the target has not taken is still in the pipe.
    ///
    /// # Errors
    /// As for [`copy_to`](Self::copy_to).
    pub async fn copy_to_async(&mut self, target: &impl Descriptor) -> io::Result<u64> {
        let mut copied = 0;
        loop {
            target.ready(Interest::WRITABLE).await?;
            match target.attempt(Interest::WRITABLE, || self.copy_step(target, u64::MAX)) {
                Ok(Step::Copied(num_bytes)) => copied += num_bytes as u64,
                // Whatever ends the wait shows at the next attempt.
                Ok(Step::PipeNotReady) => drop(self.readable().await),
                Ok(Step::Ended) => return Ok(copied),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}
