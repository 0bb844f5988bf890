//! Data pipes: their ends, and three ways to read and write.

mod copy;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
mod stream;
mod window;

use crate::owned::Owned;
use crate::{DataPipeError, Node, Signals, SignalsState, WaitError, Waitable};
use libmojo_core::data_pipe::{self as core, ReadInto};
use libmojo_core::is_forked;
use std::io;

#[cfg(feature = "tokio")]
pub(crate) use copy::Step;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub use stream::{AsyncConsumer, AsyncProducer};
pub use window::{ReadWindow, WriteWindow};

/// What kind of data pipe to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataPipeOptions {
    /// The size of an element in bytes: reads and writes are whole numbers of elements. Default 1.
    pub element_num_bytes: u32,
    /// How many bytes the pipe holds, a multiple of the element size. Default 0, which means as many elements as
    /// fit into [`DEFAULT_DATA_PIPE_BYTES`](crate::limits::DEFAULT_DATA_PIPE_BYTES), but at least one.
    pub capacity_num_bytes: u32,
}

impl Default for DataPipeOptions {
    fn default() -> Self {
        Self { element_num_bytes: 1, capacity_num_bytes: 0 }
    }
}

impl DataPipeOptions {
    /// Makes a data pipe.
    ///
    /// ```
    /// use libmojo::DataPipeOptions;
    /// use std::io::{Read, Write};
    ///
    /// let (mut producer, mut consumer) = DataPipeOptions::default().create()?;
    /// producer.write_all(b"hello")?;
    /// drop(producer);
    /// let mut text = String::new();
    /// consumer.read_to_string(&mut text)?;
    /// assert_eq!(text, "hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create(self) -> Result<(Producer, Consumer), DataPipeError> {
        self.create_on(Node::process())
    }

    /// Makes a data pipe on a node of its own.
    pub fn create_on(self, node: &Node) -> Result<(Producer, Consumer), DataPipeError> {
        usable()?;
        let pipe = core::create_data_pipe(node, self.element_num_bytes, self.capacity_num_bytes);
        pipe.map(|(producer, consumer)| (Producer::own(producer), Consumer::own(consumer))).map_err(translate)
    }
}

/// The end of a data pipe that writes. Dropping it closes the end; what was written can still be read.
///
/// [`io::Write`] blocks until there is room.
#[derive(Debug)]
pub struct Producer(Owned<core::Producer>);

/// The end of a data pipe that reads. Dropping it closes the end.
///
/// [`io::Read`] blocks until there is data, and returns 0 once the producer is closed and everything was read.
#[derive(Debug)]
pub struct Consumer(Owned<core::Consumer>);

impl Producer {
    pub(crate) fn own(inner: core::Producer) -> Self {
        Self(Owned::new(inner))
    }

    pub(crate) fn release(self) -> core::Producer {
        self.0.release()
    }

    pub(crate) fn inner(&self) -> &core::Producer {
        &self.0
    }

    /// The size of an element in bytes: only whole ones are read and written.
    pub fn element_num_bytes(&self) -> u32 {
        self.0.element_num_bytes()
    }

    /// How many bytes the pipe holds.
    pub fn capacity_num_bytes(&self) -> u32 {
        self.0.capacity_num_bytes()
    }

    #[cfg(feature = "serde")]
    pub(crate) fn owned(&self) -> &Owned<core::Producer> {
        &self.0
    }

    /// Writes as many whole elements as there is room for; returns how many bytes.
    pub fn try_write(&self, bytes: &[u8]) -> Result<usize, DataPipeError> {
        usable()?;
        self.0.write(bytes, false).map(|written| written as usize).map_err(translate)
    }

    /// Writes all of it or nothing.
    pub fn try_write_all(&self, bytes: &[u8]) -> Result<(), DataPipeError> {
        usable()?;
        self.0.write(bytes, true).map(drop).map_err(translate)
    }

    /// Lays the largest contiguous piece of free storage open, to be filled in place.
    pub fn begin_write(&mut self) -> Result<WriteWindow<'_>, DataPipeError> {
        usable()?;
        let window = self.0.begin_write().map_err(translate)?;
        Ok(WriteWindow::new(self, window.num_bytes as usize))
    }
}

impl Producer {
    /// Writes as many whole elements as there is room for; waits until there is room for one. Returns how many bytes.
    /// Nothing is written if the future is dropped before it is ready.
    ///
    /// # Errors
    /// As [`try_write`](Self::try_write), but never `ShouldWait`.
    pub async fn write_async(&self, bytes: &[u8]) -> Result<usize, DataPipeError> {
        loop {
            match self.try_write(bytes) {
                Err(DataPipeError::ShouldWait) => {}
                outcome => return outcome,
            }
            // Whatever ends the wait shows at the next attempt.
            let _ = self.writable().await;
        }
    }

    /// Blocks the thread until there is room, or never will be again.
    fn wait_for_room(&self) -> io::Result<()> {
        ended(self.wait(Signals::WRITABLE, None))
    }
}

impl io::Write for Producer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.try_write(bytes) {
                Err(DataPipeError::ShouldWait) => self.wait_for_room()?,
                outcome => return Ok(outcome?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Consumer {
    pub(crate) fn own(inner: core::Consumer) -> Self {
        Self(Owned::new(inner))
    }

    pub(crate) fn release(self) -> core::Consumer {
        self.0.release()
    }

    pub(crate) fn inner(&self) -> &core::Consumer {
        &self.0
    }

    /// The size of an element in bytes: only whole ones are read and written.
    pub fn element_num_bytes(&self) -> u32 {
        self.0.element_num_bytes()
    }

    /// How many bytes the pipe holds.
    pub fn capacity_num_bytes(&self) -> u32 {
        self.0.capacity_num_bytes()
    }

    #[cfg(feature = "serde")]
    pub(crate) fn owned(&self) -> &Owned<core::Consumer> {
        &self.0
    }

    /// How many bytes can be read.
    pub fn available(&self) -> Result<usize, DataPipeError> {
        usable()?;
        self.0.query().map(|available| available as usize).map_err(translate)
    }

    /// Reads as many whole elements as there are and fit; returns how many bytes.
    pub fn try_read(&self, bytes: &mut [u8]) -> Result<usize, DataPipeError> {
        usable()?;
        self.0.read(ReadInto::Consume(bytes), false).map(|read| read as usize).map_err(translate)
    }

    /// Fills all of `bytes` or reads nothing.
    pub fn try_read_exact(&self, bytes: &mut [u8]) -> Result<(), DataPipeError> {
        usable()?;
        self.0.read(ReadInto::Consume(bytes), true).map(drop).map_err(translate)
    }

    /// Reads without consuming.
    pub fn peek(&self, bytes: &mut [u8]) -> Result<usize, DataPipeError> {
        usable()?;
        self.0.read(ReadInto::Peek(bytes), false).map(|read| read as usize).map_err(translate)
    }

    /// Consumes up to `num_bytes` without reading; returns how many.
    pub fn discard(&self, num_bytes: u32) -> Result<usize, DataPipeError> {
        usable()?;
        self.0.read(ReadInto::Discard(num_bytes), false).map(|read| read as usize).map_err(translate)
    }

    /// Lays the largest contiguous piece of data open, to be copied out of in any order.
    pub fn begin_read(&mut self) -> Result<ReadWindow<'_>, DataPipeError> {
        usable()?;
        let window = self.0.begin_read().map_err(translate)?;
        Ok(ReadWindow::new(self, window.num_bytes as usize))
    }
}

impl Consumer {
    /// Reads as many whole elements as there are and fit; waits until there is one. Returns how many bytes: 0 once the
    /// producer is closed and everything was read. Nothing is consumed if the future is dropped before it is ready.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read), but neither `ShouldWait` nor `PeerClosed`.
    ///
    /// ```
    /// # futures_executor::block_on(async {
    /// let (producer, consumer) = libmojo::DataPipeOptions::default().create()?;
    /// producer.write_async(b"hello").await?;
    /// drop(producer);
    /// let mut bytes = [0; 100];
    /// assert_eq!(consumer.read_async(&mut bytes).await?, 5);
    /// assert_eq!(consumer.read_async(&mut bytes).await?, 0);
    /// # Ok::<(), libmojo::DataPipeError>(())
    /// # }).unwrap();
    /// ```
    pub async fn read_async(&self, bytes: &mut [u8]) -> Result<usize, DataPipeError> {
        loop {
            if let Some(num_bytes) = self.read_now(bytes)? {
                return Ok(num_bytes);
            }
            // Whatever ends the wait shows at the next attempt.
            let _ = self.readable().await;
        }
    }

    /// Reads from the pipe as a stream that has an end; `None` if there is nothing at the moment.
    fn read_now(&self, bytes: &mut [u8]) -> Result<Option<usize>, DataPipeError> {
        if bytes.is_empty() {
            return Ok(Some(0));
        }
        match self.try_read(bytes) {
            Ok(num_bytes) => Ok(Some(num_bytes)),
            Err(DataPipeError::ShouldWait) => Ok(None),
            Err(DataPipeError::PeerClosed) => Ok(Some(0)),
            Err(error) => Err(error),
        }
    }

    /// Blocks the thread until there is something to read, or never will be.
    fn wait_for_data(&self) -> io::Result<()> {
        ended(self.wait(Signals::READABLE, None))
    }
}

impl io::Read for Consumer {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(num_bytes) = self.read_now(bytes)? {
                return Ok(num_bytes);
            }
            self.wait_for_data()?;
        }
    }
}

/// What a wait without a deadline can fail with; that the signal never comes shows at the next attempt.
fn ended(outcome: Result<SignalsState, WaitError>) -> io::Result<()> {
    match outcome {
        Ok(_) | Err(WaitError::Unsatisfiable(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// To be asked before anything is done.
fn usable() -> Result<(), DataPipeError> {
    if is_forked() { Err(DataPipeError::Forked) } else { Ok(()) }
}

fn translate(error: core::DataPipeError) -> DataPipeError {
    match error {
        core::DataPipeError::ShouldWait => DataPipeError::ShouldWait,
        // An owned end is open.
        core::DataPipeError::PeerClosed | core::DataPipeError::NotOpen => DataPipeError::PeerClosed,
        core::DataPipeError::OutOfRange => DataPipeError::OutOfRange,
        core::DataPipeError::ResourceExhausted => DataPipeError::ResourceExhausted,
        // A phase borrows its end, so none is in progress or missing when another call is made; one that was
        // forgotten instead of dropped is the caller's doing.
        core::DataPipeError::InvalidArgument | core::DataPipeError::Busy | core::DataPipeError::FailedPrecondition => {
            DataPipeError::InvalidArgument
        }
    }
}
