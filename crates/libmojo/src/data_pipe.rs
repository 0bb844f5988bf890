//! Data pipes.

use crate::owned::Owned;
use crate::{DataPipeError, Node, Signals, WaitError, Waitable};
use libmojo_core::data_pipe::{self as core, ReadInto};
use libmojo_core::is_forked;
use std::io;
use std::mem::ManuallyDrop;

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
        Ok(WriteWindow { producer: self, len: window.num_bytes as usize })
    }
}

impl io::Write for Producer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.try_write(bytes) {
                Err(DataPipeError::ShouldWait) => {}
                outcome => return Ok(outcome?),
            }
            match self.wait(Signals::WRITABLE, None) {
                Ok(_) | Err(WaitError::Unsatisfiable(_)) => {}
                Err(error) => return Err(error.into()),
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
        Ok(ReadWindow { consumer: self, len: window.num_bytes as usize })
    }
}

impl io::Read for Consumer {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        loop {
            match self.try_read(bytes) {
                Err(DataPipeError::ShouldWait) => {}
                Err(DataPipeError::PeerClosed) => return Ok(0),
                outcome => return Ok(outcome?),
            }
            match self.wait(Signals::READABLE, None) {
                Ok(_) | Err(WaitError::Unsatisfiable(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Free storage of a data pipe. Nothing is written unless [`commit`](Self::commit) says so.
///
/// The bytes are copied in rather than lent out: the process at the other end can write to them too.
#[derive(Debug)]
pub struct WriteWindow<'a> {
    producer: &'a mut Producer,
    len: usize,
}

impl WriteWindow<'_> {
    /// The size of the window in bytes; not zero.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Copies bytes into the window at an offset.
    pub fn fill(&mut self, offset: usize, bytes: &[u8]) -> Result<(), DataPipeError> {
        let offset = u32::try_from(offset).map_err(|_| DataPipeError::OutOfRange)?;
        usable()?;
        self.producer.0.fill(offset, bytes).map_err(translate)
    }

    /// Writes the first `num_bytes` of the window.
    pub fn commit(self, num_bytes: usize) -> Result<(), DataPipeError> {
        let window = ManuallyDrop::new(self);
        usable()?;
        window.producer.0.end_write(u32::try_from(num_bytes).unwrap_or(u32::MAX)).map_err(translate)
    }
}

impl Drop for WriteWindow<'_> {
    fn drop(&mut self) {
        if !is_forked() {
            // Cannot fail: a phase is in progress, and no bytes are a whole number of elements.
            let _ = self.producer.0.end_write(0);
        }
    }
}

/// Data of a data pipe. Nothing is consumed unless [`commit`](Self::commit) says so.
///
/// The bytes are copied out rather than lent out: the process at the other end can write to them at any moment.
#[derive(Debug)]
pub struct ReadWindow<'a> {
    consumer: &'a mut Consumer,
    len: usize,
}

impl ReadWindow<'_> {
    /// The size of the window in bytes; not zero.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Copies bytes out of the window from an offset on.
    pub fn copy_out(&self, offset: usize, bytes: &mut [u8]) -> Result<(), DataPipeError> {
        let offset = u32::try_from(offset).map_err(|_| DataPipeError::OutOfRange)?;
        usable()?;
        self.consumer.0.copy_out(offset, bytes).map_err(translate)
    }

    /// Consumes the first `num_bytes` of the window.
    pub fn commit(self, num_bytes: usize) -> Result<(), DataPipeError> {
        let window = ManuallyDrop::new(self);
        usable()?;
        window.consumer.0.end_read(u32::try_from(num_bytes).unwrap_or(u32::MAX)).map_err(translate)
    }
}

impl Drop for ReadWindow<'_> {
    fn drop(&mut self) {
        if !is_forked() {
            // Cannot fail: a phase is in progress, and no bytes are a whole number of elements.
            let _ = self.consumer.0.end_read(0);
        }
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
