//! Storage of a data pipe that is laid open, to be read or written in place.

use super::{Consumer, Producer, translate, usable};
use crate::DataPipeError;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::AsFd;

/// Free storage of a data pipe. Nothing is written unless [`commit`](Self::commit) or
/// [`commit_filled`](Self::commit_filled) says so.
///
/// The bytes are copied in rather than lent out: the process at the other end can write to them too. They go to any place
/// by [`fill`](Self::fill), or one after another by [`io::Write`] and [`read_from`](Self::read_from).
///
/// ```
/// use std::io::{Read, Write};
///
/// let (mut producer, mut consumer) = libmojo::DataPipeOptions::default().create()?;
/// let mut window = producer.begin_write()?;
/// write!(window, "{} and {}", 1, 2)?;
/// // Nothing has been written yet, and nothing would be if the window were dropped.
/// assert_eq!(window.commit_filled()?, 7);
/// drop(producer);
/// let mut text = String::new();
/// consumer.read_to_string(&mut text)?;
/// assert_eq!(text, "1 and 2");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct WriteWindow<'a> {
    producer: &'a mut Producer,
    len: usize,
    /// How much has been filled in order. At most `len`.
    filled: usize,
}

impl<'a> WriteWindow<'a> {
    pub(super) fn new(producer: &'a mut Producer, len: usize) -> Self {
        Self { producer, len, filled: 0 }
    }

    /// The size of the window in bytes; not zero.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Copies bytes into the window at an offset.
    ///
    /// # Errors
    /// `OutOfRange` if they do not fit there; nothing is copied.
    pub fn fill(&mut self, offset: usize, bytes: &[u8]) -> Result<(), DataPipeError> {
        let offset = u32::try_from(offset).map_err(|_| DataPipeError::OutOfRange)?;
        usable()?;
        self.producer.0.fill(offset, bytes).map_err(translate)
    }

    /// Writes the first `num_bytes` of the window.
    ///
    /// # Errors
    /// `InvalidArgument` if that is no whole number of elements, or more than the window has. Nothing is written then.
    pub fn commit(self, num_bytes: usize) -> Result<(), DataPipeError> {
        let window = ManuallyDrop::new(self);
        usable()?;
        window.producer.0.end_write(u32::try_from(num_bytes).unwrap_or(u32::MAX)).map_err(translate)
    }

    /// How many bytes were put in one after another, from the beginning of the window on.
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// Writes what was put in one after another; returns how many bytes.
    ///
    /// # Errors
    /// `InvalidArgument` if that is no whole number of elements. Nothing is written then.
    pub fn commit_filled(self) -> Result<usize, DataPipeError> {
        let filled = self.filled;
        self.commit(filled).map(|()| filled)
    }

    /// Reads up to `num_bytes` from a file, a socket or the like right into the window, after what is
    /// [filled](Self::filled). Returns how many came: 0 at the end, or when nothing is left of the window.
    ///
    /// # Errors
    /// What the system says, `WouldBlock` and `Interrupted` among that.
    pub fn read_from(&mut self, source: impl AsFd, num_bytes: usize) -> io::Result<usize> {
        usable()?;
        let len = num_bytes.min(self.len - self.filled);
        if len == 0 {
            return Ok(0);
        }
        // The window is no larger than a pipe.
        let num_bytes = self.producer.0.fill_from(self.filled as u32, len, source.as_fd())?;
        self.filled += num_bytes;
        Ok(num_bytes)
    }
}

/// Puts bytes in after what is [filled](WriteWindow::filled), as many as there is room for in the window. Never blocks.
impl io::Write for WriteWindow<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let num_bytes = bytes.len().min(self.len - self.filled);
        self.fill(self.filled, bytes.get(..num_bytes).unwrap_or(bytes))?;
        self.filled += num_bytes;
        Ok(num_bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for WriteWindow<'_> {
    fn drop(&mut self) {
        if usable().is_ok() {
            // Cannot fail: a phase is in progress, and no bytes are a whole number of elements.
            let _ = self.producer.0.end_write(0);
        }
    }
}

/// Data of a data pipe. Nothing is consumed unless [`commit`](Self::commit) or [`commit_taken`](Self::commit_taken) says
/// so.
///
/// The bytes are copied out rather than lent out: the process at the other end can write to them at any moment. They come
/// from any place by [`copy_out`](Self::copy_out), or one after another by [`io::Read`] and [`write_to`](Self::write_to).
///
/// ```
/// use std::io::Read;
///
/// let (producer, mut consumer) = libmojo::DataPipeOptions::default().create()?;
/// producer.try_write_all(b"head, body")?;
/// let mut window = consumer.begin_read()?;
/// let mut head = [0; 6];
/// window.read_exact(&mut head)?;
/// assert_eq!(&head, b"head, ");
/// assert_eq!(window.commit_taken()?, 6);
/// assert_eq!(consumer.available()?, 4);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct ReadWindow<'a> {
    consumer: &'a mut Consumer,
    len: usize,
    /// How much has been taken in order. At most `len`.
    taken: usize,
}

impl<'a> ReadWindow<'a> {
    pub(super) fn new(consumer: &'a mut Consumer, len: usize) -> Self {
        Self { consumer, len, taken: 0 }
    }

    /// The size of the window in bytes; not zero.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Copies bytes out of the window from an offset on.
    ///
    /// # Errors
    /// `OutOfRange` if there are not as many; nothing is copied.
    pub fn copy_out(&self, offset: usize, bytes: &mut [u8]) -> Result<(), DataPipeError> {
        let offset = u32::try_from(offset).map_err(|_| DataPipeError::OutOfRange)?;
        usable()?;
        self.consumer.0.copy_out(offset, bytes).map_err(translate)
    }

    /// Consumes the first `num_bytes` of the window.
    ///
    /// # Errors
    /// `InvalidArgument` if that is no whole number of elements, or more than the window has. Nothing is consumed then.
    pub fn commit(self, num_bytes: usize) -> Result<(), DataPipeError> {
        let window = ManuallyDrop::new(self);
        usable()?;
        window.consumer.0.end_read(u32::try_from(num_bytes).unwrap_or(u32::MAX)).map_err(translate)
    }

    /// How many bytes were taken out one after another, from the beginning of the window on.
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// Consumes what was taken out one after another; returns how many bytes.
    ///
    /// # Errors
    /// `InvalidArgument` if that is no whole number of elements. Nothing is consumed then.
    pub fn commit_taken(self) -> Result<usize, DataPipeError> {
        let taken = self.taken;
        self.commit(taken).map(|()| taken)
    }

    /// Writes up to `num_bytes` of the window to a file, a socket or the like, from what is [taken](Self::taken) on. Returns
    /// how many went: 0 when nothing is left of the window.
    ///
    /// A socket whose other side is gone is an error and raises no signal. For a pipe of the system, `SIGPIPE` is raised,
    /// unless the program ignores it, as programs in Rust do.
    ///
    /// # Errors
    /// What the system says, `WouldBlock` and `Interrupted` among that.
    pub fn write_to(&mut self, target: impl AsFd, num_bytes: usize) -> io::Result<usize> {
        usable()?;
        let len = num_bytes.min(self.len - self.taken);
        if len == 0 {
            return Ok(0);
        }
        // The window is no larger than a pipe.
        let num_bytes = self.consumer.0.copy_to(self.taken as u32, len, target.as_fd())?;
        self.taken += num_bytes;
        Ok(num_bytes)
    }
}

/// Takes bytes out after what is [taken](ReadWindow::taken); the window has an end of its own. Never blocks.
impl io::Read for ReadWindow<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let num_bytes = bytes.len().min(self.len - self.taken);
        self.copy_out(self.taken, bytes.get_mut(..num_bytes).unwrap_or_default())?;
        self.taken += num_bytes;
        Ok(num_bytes)
    }
}

impl Drop for ReadWindow<'_> {
    fn drop(&mut self) {
        if usable().is_ok() {
            // Cannot fail: a phase is in progress, and no bytes are a whole number of elements.
            let _ = self.consumer.0.end_read(0);
        }
    }
}
