//! What every contender offers: a way for messages between two sides, which are threads or processes.

use crate::outcome::Outcome;
use crate::process::{Other, Setup};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// One side of a way for messages. The futures of a wire that blocks are ready at once.
pub trait Wire {
    /// Sends a message.
    async fn send(&mut self, message: &[u8]) -> Outcome<()>;

    /// Waits for a message of so many bytes, looks at the first and the last, and returns the first.
    async fn receive(&mut self, num_bytes: usize) -> Outcome<u8>;
}

/// How a contender connects two processes.
pub trait Carrier {
    type Wire: Wire;

    /// False if it only wakes the other side.
    const CARRIES_BYTES: bool = true;

    /// Starts the other process and connects to it.
    async fn start(setup: &Setup) -> Outcome<(Self::Wire, Other)>;

    /// The other process's part.
    async fn join(setup: &Setup) -> Outcome<Self::Wire>;

    /// Runs what is done with a wire, from the beginning to the end.
    fn run<T>(future: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        run_ready(future)
    }
}

/// How a contender connects two sides in one process.
pub trait Local {
    type Wire: Wire + Send + 'static;

    fn pair() -> Outcome<(Self::Wire, Self::Wire)>;

    /// Runs what is done with a wire on this thread.
    fn run<T>(future: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        run_ready(future)
    }
}

/// Runs a future that blocks instead of being pending.
pub fn run_ready<T>(future: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err("a wire that blocks was pending".into()),
    }
}

/// Runs a future on a tokio runtime of this thread.
pub fn run_tokio<T>(future: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

/// Looks at both ends of a message that has arrived.
pub fn look(message: &[u8], num_bytes: usize) -> Outcome<u8> {
    match (message.first(), message.last()) {
        (Some(first), Some(last)) if message.len() == num_bytes => {
            black_box(*last);
            Ok(*first)
        }
        _ => Err(format!("a message of {} bytes instead of {num_bytes}", message.len()).into()),
    }
}
