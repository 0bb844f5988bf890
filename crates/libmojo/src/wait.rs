//! Waiting for signals.

use crate::{Consumer, MessagePipe, Producer, Signals, SignalsState, WaitError};
use libmojo_core::is_forked;
use libmojo_core::object::Object;
use libmojo_core::wait::{self as core, Interest, Signalled};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

mod sealed {
    /// Gives the engine's view of an object, and keeps the trait to the types of this crate.
    pub trait Sealed {
        fn object(&self) -> libmojo_core::object::Object;
    }
}
pub(crate) use sealed::Sealed;

/// An object with signals: an end of a message pipe or of a data pipe.
pub trait Waitable: Sealed {
    /// The present signals; none in a [forked](crate#forking) process.
    fn signals(&self) -> SignalsState {
        if is_forked() {
            return SignalsState::default();
        }
        self.object().signals()
    }

    /// Blocks the thread until any of `signals` is raised, or none can be any more, or the deadline has passed.
    fn wait(&self, signals: Signals, deadline: Option<Instant>) -> Result<SignalsState, WaitError> {
        if is_forked() {
            return Err(WaitError::Forked);
        }
        let object = self.object();
        core::wait(Interest::new(&object, signals), deadline).map_err(|error| translate(error, &object))
    }

    /// A future that waits until any of `signals` is raised, or none can be any more.
    fn ready(&self, signals: Signals) -> Ready {
        Ready(Signalled::new(self.object(), signals), self.object())
    }
}

impl Sealed for MessagePipe {
    fn object(&self) -> Object {
        Object::Pipe(self.inner().clone())
    }
}

impl Sealed for Producer {
    fn object(&self) -> Object {
        Object::Producer(self.inner().clone())
    }
}

impl Sealed for Consumer {
    fn object(&self) -> Object {
        Object::Consumer(self.inner().clone())
    }
}

impl Waitable for MessagePipe {}
impl Waitable for Producer {}
impl Waitable for Consumer {}

/// What [`Waitable::ready`] returns.
pub struct Ready(Signalled, Object);

impl Future for Ready {
    type Output = Result<SignalsState, WaitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if is_forked() {
            return Poll::Ready(Err(WaitError::Forked));
        }
        let outcome = Pin::new(&mut self.0).poll(context);
        outcome.map(|outcome| outcome.map_err(|error| translate(error, &self.1)))
    }
}

fn translate(error: core::WaitError, object: &Object) -> WaitError {
    match error {
        core::WaitError::DeadlineExceeded => WaitError::DeadlineExceeded,
        core::WaitError::Unsatisfiable(state) => WaitError::Unsatisfiable(state),
        // An object of this crate has signals, and is not closed while it is borrowed.
        core::WaitError::InvalidArgument | core::WaitError::Cancelled => WaitError::Unsatisfiable(object.signals()),
    }
}

/// Blocks the thread until any of several objects has any of the signals that it is listed with, or until one can
/// have none of them any more. Returns the object's position with its state, or with the reason.
///
/// ```
/// use libmojo::{Message, MessagePipe, Signals, wait_many};
///
/// let (a, _keep) = MessagePipe::create();
/// let (b, peer) = MessagePipe::create();
/// peer.send(Message::from("for b"))?;
/// let (at, _) = wait_many(&[(&a, Signals::READABLE), (&b, Signals::READABLE)], None).map_err(|(_, error)| error)?;
/// assert_eq!(at, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn wait_many(
    objects: &[(&dyn Waitable, Signals)],
    deadline: Option<Instant>,
) -> Result<(usize, SignalsState), (usize, WaitError)> {
    if is_forked() {
        return Err((0, WaitError::Forked));
    }
    let objects: Vec<(Object, Signals)> = objects.iter().map(|(object, signals)| (object.object(), *signals)).collect();
    let interests: Vec<_> = objects.iter().map(|(object, signals)| Interest::new(object, *signals)).collect();
    core::wait_many(&interests, deadline).map_err(|(at, error)| match objects.get(at) {
        Some((object, _)) => (at, translate(error, object)),
        None => (at, WaitError::DeadlineExceeded),
    })
}
