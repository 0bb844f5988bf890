//! The I/O of a node, done by a tokio runtime.

use crate::{Driver, Node};
use libmojo_core::{Interest, wait_for};
use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::time::Sleep;

/// Leaves the I/O of a node to the tokio runtime that the caller is in: to the task that polls what this returns. No thread
/// of the library does it then.
///
/// It is for programs that want no other thread, or all callbacks on the threads of the runtime. What it changes:
///
/// * What other processes send is taken when the task is polled. A message for a task of the same runtime then comes without
///   a change of threads. But a task that computes or blocks for long on the only thread of its runtime holds up everything
///   that comes, also what the node passes on for others, which goes through a thread of the library otherwise.
/// * As the thread of the library does, the task stays awake for a moment after something has come, at most 100 µs, so that
///   the next answer does not have to wait until somebody wakes up. The runtime goes round all its tasks meanwhile, instead
///   of sleeping. It is in a hurry for no other task, so on a runtime of one thread that has `block_on` wait for something
///   else, leave the future to that (`tokio::select!`) rather than to a task: what `block_on` waits for has its turn only
///   once in so many tasks.
/// * Callbacks for what other processes cause run inside the poll, and must not block.
///
/// A thread that blocks in a [`wait`](crate::Waitable::wait) or `recv` looks for itself what has come, here too, as long as
/// it comes through shared memory; for what comes over a socket (descriptors, the first messages, the end of the other
/// process) it needs the task. So a thread of the runtime must not block in these, in [`Node::flush`] or in
/// [`Node::shutdown`], if the task may be left to it; `spawn_blocking` is the place for them. Nobody has to block:
/// everything can be awaited.
///
/// # Ending it
/// When the future is dropped, for instance because its task is aborted or the runtime ends, the connections of the node
/// end, and pipes to other processes are closed; later connections have a thread of the library. To have everything sent
/// first, call [`Node::shutdown`] before, as below.
///
/// # Errors
/// `AlreadyExists` if the node has connections, or a driver: this comes first. Another error if the caller is not in a
/// tokio runtime, or the system has no descriptor left.
///
/// # Panics
/// As everything of tokio does, if the runtime has its I/O or its time disabled.
///
/// ```
/// use libmojo::{AcceptedInvitation, Invitation, Message, Node, socket_pair};
/// use std::time::{Duration, Instant};
///
/// # let there = Node::new();
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let node = Node::process();
/// let driving = tokio::spawn(libmojo::tokio::drive(node)?);
///
/// let invitation = Invitation::new();
/// let pipe = invitation.attach(b"greetings")?;
/// let (ours, theirs) = socket_pair()?;
/// invitation.send(ours).map_err(|(error, _)| error)?;
/// # let accepted = AcceptedInvitation::accept_on(&there, theirs).map_err(|(error, _)| error)?;
/// # accepted.extract(b"greetings")?.send(Message::from("from another process"))?;
/// assert_eq!(pipe.recv_async().await?.payload(), b"from another process");
///
/// // A good end: everything sent is handed over, within a second.
/// let deadline = Instant::now() + Duration::from_secs(1);
/// let is_clean = tokio::task::spawn_blocking(move || node.shutdown(Some(deadline))).await?;
/// driving.abort();
/// # assert!(is_clean);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn drive(node: &Node) -> io::Result<Driving> {
    let _runtime = Handle::try_current().map_err(io::Error::other)?;
    let mut driver = node.drive()?;
    driver.stay_awake();
    let timer = Box::pin(tokio::time::sleep(Duration::ZERO));
    // What has come in its place is unsafe, as it trusts in the descriptor. This one is the driver's own as long as it lives.
    #[allow(deprecated)]
    let driver = AsyncFd::with_interest(Descriptor(driver), tokio::io::Interest::READABLE)?;
    Ok(Driving { driver, timer, next: Turn::WhenReadable })
}

/// What [`drive`] returns: a future that does the I/O of a node whenever it is polled. It is not ready before the runtime
/// ends, and then with the reason. Dropping it ends the connections of the node.
#[must_use = "nothing is sent or received by it unless it is polled, and dropping it ends the connections"]
pub struct Driving {
    driver: AsyncFd<Descriptor>,
    timer: Pin<Box<Sleep>>,
    next: Turn,
}

/// When the driver is to have its next turn, if its descriptor is not readable before.
#[derive(Clone, Copy)]
enum Turn {
    WhenReadable,
    AtOnce,
    /// When the timer has run out.
    InTime,
}

/// The driver, as the reactor wants it.
struct Descriptor(Driver);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Descriptor {
    /// True if there is something to do now. The reactor only reports when something is added to it.
    fn is_readable(&self) -> bool {
        let now = Some(Instant::now());
        wait_for(self.0.as_fd(), Interest { read: true, write: false }, now).unwrap_or(true)
    }
}

impl Future for Driving {
    type Output = io::Error;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Error> {
        let this = self.get_mut();
        loop {
            let is_due = match this.next {
                Turn::WhenReadable => false,
                Turn::AtOnce => true,
                Turn::InTime => this.timer.as_mut().poll(context).is_ready(),
            };
            let patience = match this.driver.poll_read_ready_mut(context) {
                Poll::Ready(Ok(mut ready)) => {
                    let patience = ready.get_inner_mut().0.run_once();
                    if ready.get_inner().is_readable() {
                        Some(Duration::ZERO)
                    } else {
                        // Unless something has been reported since.
                        ready.clear_ready();
                        patience
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(error),
                Poll::Pending if is_due => this.driver.get_mut().0.run_once(),
                Poll::Pending => return Poll::Pending,
            };
            match patience {
                None => this.next = Turn::WhenReadable,
                Some(Duration::ZERO) => {
                    // Other tasks have their turn first.
                    this.next = Turn::AtOnce;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(patience) => {
                    this.next = Turn::InTime;
                    this.timer.as_mut().reset(tokio::time::Instant::now() + patience);
                }
            }
        }
    }
}

impl fmt::Debug for Driving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Driving")
    }
}
