//! Waiting for signals.

use crate::{Consumer, MessagePipe, Producer, Signals, SignalsState, WaitError};
use libmojo_core::is_forked;
use libmojo_core::object::Object;
use libmojo_core::wait::{self as core, Interest, Signalled};
use std::fmt;
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
        core::wait(Interest::new(&object, signals), deadline).map_err(translate)
    }

    /// Gives the object a label: [`Node::snapshot`](crate::Node::snapshot) shows it from now on, wherever the other end is,
    /// with what it sends and gets and for how long that has been waiting. A new label replaces the old one. Every message
    /// costs a little more then, and two words more while it is unread.
    ///
    /// The label is known to this process only, and ends when the object is sent to another one.
    ///
    /// ```
    /// use libmojo::{Message, MessagePipe, Node, Waitable};
    ///
    /// let (requests, server) = MessagePipe::create();
    /// server.set_label("requests");
    /// requests.send(Message::from("hello"))?;
    /// let snapshot = Node::process().snapshot();
    /// let traffic = snapshot.ports.iter().find_map(|port| port.traffic.as_ref()).expect("it is labelled");
    /// assert_eq!((traffic.label.as_str(), traffic.received.bytes), ("requests", 5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn set_label(&self, label: &str) {
        if !is_forked() {
            self.object().set_label(label);
        }
    }

    /// The [label](Self::set_label), if there is one.
    fn label(&self) -> Option<String> {
        if is_forked() { None } else { self.object().label() }
    }

    /// A future that waits until any of `signals` is raised, or none can be any more.
    ///
    /// Dropping it ends the wait and changes nothing. It may outlive the borrow; once the object is dropped or sent away,
    /// the wait ends as if none could be raised any more.
    fn ready(&self, signals: Signals) -> Ready {
        Ready(Signalled::new(self.object(), signals))
    }

    /// A future that waits until there is something to read, or never will be.
    fn readable(&self) -> Ready {
        self.ready(Signals::READABLE)
    }

    /// A future that waits until something can be written, or never can be again.
    fn writable(&self) -> Ready {
        self.ready(Signals::WRITABLE)
    }

    /// A future that waits until the other end is closed or lost. What it sent before may still have to be read.
    fn closed(&self) -> Ready {
        self.ready(Signals::PEER_CLOSED)
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
#[must_use = "futures do nothing unless awaited or polled"]
pub struct Ready(Signalled);

impl Future for Ready {
    type Output = Result<SignalsState, WaitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if is_forked() {
            return Poll::Ready(Err(WaitError::Forked));
        }
        Pin::new(&mut self.0).poll(context).map(|outcome| outcome.map_err(translate))
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").field("signals", &self.0.signals()).finish_non_exhaustive()
    }
}

/// Polls the wait that is under way, or begins one.
#[cfg(any(feature = "futures", feature = "tokio", feature = "futures-io"))]
pub(crate) fn poll_wait(
    wait: &mut Option<Ready>,
    begin: impl FnOnce() -> Ready,
    context: &mut Context<'_>,
) -> Poll<Result<SignalsState, WaitError>> {
    let outcome = std::task::ready!(Pin::new(wait.get_or_insert_with(begin)).poll(context));
    *wait = None;
    Poll::Ready(outcome)
}

fn translate(error: core::WaitError) -> WaitError {
    match error {
        core::WaitError::DeadlineExceeded => WaitError::DeadlineExceeded,
        core::WaitError::Unsatisfiable(state) => WaitError::Unsatisfiable(state),
        // An object of this crate has signals, unless it is gone from where a future has outlived it.
        core::WaitError::InvalidArgument | core::WaitError::Cancelled => {
            WaitError::Unsatisfiable(SignalsState::default())
        }
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
    core::wait_many(&interests, deadline).map_err(|(at, error)| (at, translate(error)))
}
