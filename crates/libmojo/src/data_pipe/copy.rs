//! From a file or socket into a data pipe, and back, without a buffer in between.

use super::{Consumer, Producer};
use crate::DataPipeError;
use libmojo_core::{Interest, wait_for};
use std::io;
use std::os::fd::AsFd;

/// What one step of copying has come to. That the descriptor is not ready is an error of the kind `WouldBlock`.
pub(crate) enum Step {
    Copied(usize),
    /// There is no room in the pipe, or no data.
    PipeNotReady,
    /// There is nothing more to copy.
    Ended,
}

impl Step {
    fn of(num_bytes: usize) -> Step {
        if num_bytes == 0 { Step::Ended } else { Step::Copied(num_bytes) }
    }
}

/// How much of what is left is of interest in one step.
fn at_most(num_bytes: u64) -> usize {
    usize::try_from(num_bytes).unwrap_or(usize::MAX)
}

/// Copying is for streams of bytes: part of an element could neither be committed nor given back.
fn check_element(num_bytes: u32) -> io::Result<()> {
    if num_bytes == 1 { Ok(()) } else { Err(DataPipeError::InvalidArgument.into()) }
}

/// Repeats a call that a signal has interrupted.
fn uninterrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

impl Producer {
    /// Copies from a file, a socket or the like into the pipe until that ends; returns how many bytes. Blocks the thread
    /// while there is no room, or nothing to read, whether the descriptor blocks or not.
    ///
    /// The system reads right into the memory of the pipe. What is no descriptor can be copied by [`io::copy`], through a
    /// buffer: memory that another process can change at any moment cannot be lent to a reader.
    ///
    /// # Errors
    /// `InvalidInput` unless elements are of one byte, `BrokenPipe` if the consumer is closed, or what the system says.
    /// What was copied before is in the pipe; of what the source had, nothing else is gone. A consumer that is closed
    /// while the source has nothing is noticed when it has something again.
    ///
    /// ```
    /// use std::io::{Seek, Write};
    ///
    /// let (mut producer, mut consumer) = libmojo::DataPipeOptions::default().create()?;
    /// # let path = |name: &str| std::env::temp_dir().join(format!("libmojo-doc-{name}-{}", std::process::id()));
    /// # let (from, to) = (path("from"), path("to"));
    /// # std::fs::write(&from, vec![7; 300_000])?;
    /// let (source, target) = (std::fs::File::open(&from)?, std::fs::File::create(&to)?);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(move || producer.copy_from(source));
    ///     assert_eq!(consumer.copy_to(target)?, 300_000);
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # assert_eq!(std::fs::read(&to)?, vec![7; 300_000]);
    /// # std::fs::remove_file(from)?;
    /// # std::fs::remove_file(to)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn copy_from(&mut self, source: impl AsFd) -> io::Result<u64> {
        self.copy_from_up_to(source, u64::MAX)
    }

    /// As [`copy_from`](Self::copy_from), but no more than `num_bytes`.
    ///
    /// # Errors
    /// As for [`copy_from`](Self::copy_from).
    pub fn copy_from_up_to(&mut self, source: impl AsFd, num_bytes: u64) -> io::Result<u64> {
        let mut left = num_bytes;
        while left > 0 {
            match self.copy_step(&source, left) {
                Ok(Step::Copied(copied)) => left -= copied as u64,
                Ok(Step::PipeNotReady) => self.wait_for_room()?,
                Ok(Step::Ended) => break,
                Err(error) => wait_if_not_ready(error, &source, Interest { read: true, write: false })?,
            }
        }
        Ok(num_bytes - left)
    }

    /// Copies what there is and fits at the moment, up to `num_bytes`.
    pub(crate) fn copy_step(&mut self, source: impl AsFd, num_bytes: u64) -> io::Result<Step> {
        check_element(self.element_num_bytes())?;
        let mut window = match self.begin_write() {
            Ok(window) => window,
            Err(DataPipeError::ShouldWait) => return Ok(Step::PipeNotReady),
            Err(error) => return Err(error.into()),
        };
        uninterrupted(|| window.read_from(&source, at_most(num_bytes)))?;
        Ok(Step::of(window.commit_filled()?))
    }
}

impl Consumer {
    /// Copies from the pipe to a file, a socket or the like until the producer is closed and everything was copied; returns
    /// how many bytes. Blocks the thread while there is no data, or the descriptor takes none, whether it blocks or not.
    ///
    /// The system writes right from the memory of the pipe. What is no descriptor can be copied to by [`io::copy`], through
    /// a buffer. As for signals, see [`ReadWindow::write_to`](crate::ReadWindow::write_to).
    ///
    /// # Errors
    /// `InvalidInput` unless elements are of one byte, or what the system says. What was not copied is still in the pipe.
    pub fn copy_to(&mut self, target: impl AsFd) -> io::Result<u64> {
        self.copy_to_up_to(target, u64::MAX)
    }

    /// As [`copy_to`](Self::copy_to), but no more than `num_bytes`.
    ///
    /// # Errors
    /// As for [`copy_to`](Self::copy_to).
    pub fn copy_to_up_to(&mut self, target: impl AsFd, num_bytes: u64) -> io::Result<u64> {
        let mut left = num_bytes;
        while left > 0 {
            match self.copy_step(&target, left) {
                Ok(Step::Copied(copied)) => left -= copied as u64,
                Ok(Step::PipeNotReady) => self.wait_for_data()?,
                Ok(Step::Ended) => break,
                Err(error) => wait_if_not_ready(error, &target, Interest { read: false, write: true })?,
            }
        }
        Ok(num_bytes - left)
    }

    /// Copies what there is and is taken at the moment, up to `num_bytes`.
    pub(crate) fn copy_step(&mut self, target: impl AsFd, num_bytes: u64) -> io::Result<Step> {
        check_element(self.element_num_bytes())?;
        let mut window = match self.begin_read() {
            Ok(window) => window,
            Err(DataPipeError::ShouldWait) => return Ok(Step::PipeNotReady),
            Err(DataPipeError::PeerClosed) => return Ok(Step::Ended),
            Err(error) => return Err(error.into()),
        };
        if uninterrupted(|| window.write_to(&target, at_most(num_bytes)))? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(Step::Copied(window.commit_taken()?))
    }
}

/// Blocks the thread until a descriptor is ready, if that is what was missing.
fn wait_if_not_ready(error: io::Error, descriptor: impl AsFd, interest: Interest) -> io::Result<()> {
    if error.kind() != io::ErrorKind::WouldBlock {
        return Err(error);
    }
    wait_for(descriptor.as_fd(), interest, None).map(drop)
}
