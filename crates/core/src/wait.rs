//! Waiting for signals: by a blocked thread, or by a task.

use crate::deferred::Deferred;
use crate::node::Attending;
use crate::object::Object;
use crate::observe::Observer;
use crate::park::Parker;
use crate::signals::{Readiness, Signals, SignalsState};
use libmojo_platform::is_forked;
use libmojo_sync::atomic::{AtomicBool, Ordering};
use libmojo_sync::{Arc, Mutex, Rank};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// Why a wait ended without the signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitError {
    /// The object has no signals.
    InvalidArgument,
    /// None of the signals can be raised any more. The state that says so.
    Unsatisfiable(SignalsState),
    /// The object was closed or put into a message meanwhile.
    Cancelled,
    /// The deadline has passed.
    DeadlineExceeded,
}

/// An object, and the signals of it that are waited for.
#[derive(Clone, Copy)]
pub struct Interest<'a> {
    /// The object.
    pub object: &'a Object,
    /// Any of these ends the wait.
    pub signals: Signals,
    /// Signals that whoever waits does not get to see.
    pub hidden: Signals,
}

impl<'a> Interest<'a> {
    /// Waits for any of `signals` of the object.
    pub fn new(object: &'a Object, signals: Signals) -> Self {
        Self { object, signals, hidden: Signals::NONE }
    }

    fn look(&self) -> Option<Result<SignalsState, WaitError>> {
        let Some(state) = self.object.signals_if_open() else { return Some(Err(WaitError::Cancelled)) };
        let state = state.without(self.hidden);
        state.readiness(self.signals).map(|readiness| match readiness {
            Readiness::Satisfied => Ok(state),
            Readiness::Unsatisfiable => Err(WaitError::Unsatisfiable(state)),
        })
    }
}

/// Blocks the thread until the object has one of the signals, or never will. `None` waits without a deadline.
pub fn wait(interest: Interest<'_>, deadline: Option<Instant>) -> Result<SignalsState, WaitError> {
    wait_many(&[interest], deadline).map(|(_, state)| state).map_err(|(_, error)| error)
}

/// Blocks the thread until one of several objects has one of the signals it is listed with, or never will.
/// Returns the first such object's position in the list, with its state or with the reason. A missed deadline has
/// no position of its own and is reported with 0.
pub fn wait_many(
    interests: &[Interest<'_>],
    deadline: Option<Instant>,
) -> Result<(usize, SignalsState), (usize, WaitError)> {
    if let Some(at) = interests.iter().position(|interest| interest.object.observers().is_none()) {
        return Err((at, WaitError::InvalidArgument));
    }
    if let Some(outcome) = look(interests) {
        return outcome;
    }
    let attending = Attending::new(interests.iter().filter_map(|interest| interest.object.port()));
    if let Some(outcome) = wait_awake(interests, &attending, deadline) {
        return outcome;
    }
    let sleeper = Arc::new(Sleeper { parker: Parker::new(), is_cancelled: AtomicBool::new(false) });
    let observer: Arc<dyn Observer> = sleeper.clone();
    let registration = Registration::new(interests, &observer);
    let mut is_in_time = true;
    loop {
        if let Some(outcome) = look(interests) {
            return outcome;
        }
        if sleeper.is_cancelled.load(Ordering::SeqCst)
            && let Some(at) = registration.first_forgotten()
        {
            return Err((at, WaitError::Cancelled));
        }
        if attending.drain() {
            continue;
        }
        if !is_in_time {
            return Err((0, WaitError::DeadlineExceeded));
        }
        is_in_time = attending.sleep(&sleeper.parker, deadline);
    }
}

/// Waits for about as long as it would take to wake up. `None` if it is time to go to sleep.
fn wait_awake(interests: &[Interest<'_>], attending: &Attending, deadline: Option<Instant>) -> Option<Outcome> {
    let mut patience = attending.patience();
    loop {
        if (attending.drain() || !patience.is_pausing())
            && let Some(outcome) = look(interests)
        {
            return Some(outcome);
        }
        let is_late = !patience.is_pausing() && deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if is_late || !patience.wait() {
            return None;
        }
    }
}

type Outcome = Result<(usize, SignalsState), (usize, WaitError)>;

fn look(interests: &[Interest<'_>]) -> Option<Outcome> {
    interests.iter().enumerate().find_map(|(at, interest)| {
        let outcome = interest.look()?;
        Some(outcome.map(|state| (at, state)).map_err(|error| (at, error)))
    })
}

/// An observer's presence at some objects, ended when dropped.
struct Registration<'a> {
    interests: &'a [Interest<'a>],
    observer: &'a Arc<dyn Observer>,
}

impl<'a> Registration<'a> {
    fn new(interests: &'a [Interest<'a>], observer: &'a Arc<dyn Observer>) -> Self {
        let mut deferred = Deferred::new();
        for interest in interests {
            interest.object.observe(observer.clone(), &mut deferred);
        }
        Self { interests, observer }
    }

    /// The first object that does not know of the observer any more. It may be open again: what was sent away may have
    /// arrived in this process.
    fn first_forgotten(&self) -> Option<usize> {
        let knows = |object: &Object| object.observers().is_some_and(|observers| observers.has(self.observer));
        self.interests.iter().position(|interest| !knows(interest.object))
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        self.interests.iter().for_each(|interest| interest.object.unobserve(self.observer));
    }
}

/// A thread that is blocked.
struct Sleeper {
    parker: Parker,
    /// One of the objects does not know of the thread any more.
    is_cancelled: AtomicBool,
}

impl Observer for Sleeper {
    fn changed(self: Arc<Self>, _: &mut Deferred) {
        self.parker.wake();
    }

    fn cancelled(self: Arc<Self>, _: &mut Deferred) {
        self.is_cancelled.store(true, Ordering::SeqCst);
        self.parker.wake();
    }
}

/// A future that is ready when the object has one of the signals, or never will. Dropping it ends the wait.
pub struct Signalled {
    object: Object,
    signals: Signals,
    task: Option<Arc<Task>>,
}

impl Signalled {
    /// Waits for any of `signals` of the object.
    pub fn new(object: Object, signals: Signals) -> Self {
        Self { object, signals, task: None }
    }

    /// What it waits for.
    pub fn signals(&self) -> Signals {
        self.signals
    }

    fn look(&self) -> Option<Result<SignalsState, WaitError>> {
        if self.task.as_ref().is_some_and(|task| task.is_cancelled.load(Ordering::SeqCst)) {
            return Some(Err(WaitError::Cancelled));
        }
        Interest::new(&self.object, self.signals).look()
    }
}

/// A task that is pending. The waker is taken out to be used: one wake answers one poll.
struct Task {
    waker: Mutex<Option<Waker>>,
    /// The object does not know of the task any more, although it may be open again: what was sent away may have arrived
    /// in this process.
    is_cancelled: AtomicBool,
}

impl Observer for Task {
    fn changed(self: Arc<Self>, deferred: &mut Deferred) {
        let waker = self.waker.lock().take();
        if let Some(waker) = waker {
            deferred.wake(waker);
        }
    }

    fn cancelled(self: Arc<Self>, deferred: &mut Deferred) {
        self.is_cancelled.store(true, Ordering::SeqCst);
        self.changed(deferred);
    }
}

impl Future for Signalled {
    type Output = Result<SignalsState, WaitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.object.observers().is_none() {
            return Poll::Ready(Err(WaitError::InvalidArgument));
        }
        if let Some(outcome) = self.look() {
            return Poll::Ready(outcome);
        }
        let waker = Some(context.waker().clone());
        match &self.task {
            Some(task) => {
                let previous = std::mem::replace(&mut *task.waker.lock(), waker);
                drop(previous);
            }
            None => {
                let task =
                    Arc::new(Task { waker: Mutex::new(Rank::Leaf, waker), is_cancelled: AtomicBool::new(false) });
                self.object.observe(task.clone(), &mut Deferred::new());
                self.task = Some(task);
            }
        }
        match self.look() {
            Some(outcome) => Poll::Ready(outcome),
            None => Poll::Pending,
        }
    }
}

impl Drop for Signalled {
    fn drop(&mut self) {
        if let Some(task) = self.task.take().filter(|_| !is_forked()) {
            self.object.unobserve(&(task as Arc<dyn Observer>));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;
    use crate::node::Node;
    use crate::pipe::Pipe;
    use std::time::Duration;

    #[test]
    fn a_thread_that_waits_hears_that_the_object_was_sent_away_although_it_has_arrived_again() {
        for round in 0..300 {
            let node = Node::new();
            let ((idle, _idle_peer), (end, peer)) = (Pipe::create(&node), Pipe::create(&node));
            let (idle, end) = (Object::from(idle), Object::from(end));
            std::thread::scope(|scope| {
                let waiting = scope.spawn(|| {
                    let interests = [&idle, &end].map(|object| Interest::new(object, Signals::READABLE));
                    wait_many(&interests, None)
                });
                while !end.observers().is_some_and(|observers| observers.any()) {
                    std::thread::yield_now();
                }
                end.begin_transit().unwrap();
                let mut message = Message::with_payload(&[]);
                Object::attach_all(vec![end.clone()], &mut message).unwrap();
                message.commit_as_is();
                message.take_attachments().unwrap();
                // What comes now is for whoever has taken it.
                peer.send(Message::with_payload(&[])).unwrap();
                let deadline = Instant::now() + Duration::from_secs(60);
                while !waiting.is_finished() && Instant::now() < deadline {
                    std::thread::yield_now();
                }
                let was_told = waiting.is_finished();
                idle.close();
                assert!(was_told, "round {round}");
                let outcome = waiting.join().unwrap();
                assert!(matches!(outcome, Ok((1, _)) | Err((1, WaitError::Cancelled))), "{outcome:?} in round {round}");
            });
        }
    }
}
