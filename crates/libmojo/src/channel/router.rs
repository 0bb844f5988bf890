//! A thread that calls functions with what channels receive.

use super::inbox::Inbox;
use super::receiver::Receiver;
use super::{BadValue, Event, OpaqueMessage, ReceiverSet};
use crate::{Message, MessagePipe, Node};
use libmojo_core::message::{Context, Message as CoreMessage};
use libmojo_core::{Exclusive, forked_error, is_forked};
use libmojo_sync::OnceLock;
use serde::de::DeserializeOwned;
use std::any::Any;
use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;

/// A thread that calls functions with what channels receive.
///
/// Dropping it ends the thread, and closes the receivers that it has.
///
/// ```
/// use libmojo::channel::{self, Router};
///
/// let (tx, rx) = channel::channel::<u32>();
/// // To a function, or to those who know channels of threads only:
/// let numbers = Router::process()?.route_to_mpsc(rx);
/// tx.send(7)?;
/// assert_eq!(numbers.recv()?, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Router {
    routes: MessagePipe,
}

type Callback = Box<dyn FnMut(OpaqueMessage) + Send>;

/// A message to the thread.
struct Route(Exclusive<(Inbox, Callback)>);

/// It never leaves the process.
impl Context for Route {
    fn serialize(self: Box<Self>, _: &mut CoreMessage) {}

    fn is_serializable(&self) -> bool {
        false
    }
}

impl Router {
    /// Starts the thread.
    ///
    /// # Errors
    /// What the system says if there can be no other thread, or `Unsupported` in a [forked](crate#forking) process.
    pub fn new() -> io::Result<Self> {
        if is_forked() {
            return Err(forked_error());
        }
        let (routes, arriving) = MessagePipe::create_on(Node::process());
        thread::Builder::new().name("libmojo-router".into()).spawn(move || run(arriving))?;
        Ok(Self { routes })
    }

    /// The one that lives as long as the process.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn process() -> io::Result<&'static Router> {
        static PROCESS: OnceLock<Router> = OnceLock::new();
        if let Some(router) = PROCESS.get() {
            return Ok(router);
        }
        let router = Router::new()?;
        Ok(PROCESS.get_or_init(|| router))
    }

    /// Has a function called with all that a channel receives, one after the other, on the router's thread; it is dropped
    /// when the channel is closed. Other functions wait meanwhile. One that panics is called no more, and its receiver is
    /// closed.
    pub fn route<T: DeserializeOwned + 'static>(
        &self,
        receiver: Receiver<T>,
        mut function: impl FnMut(Result<T, BadValue>) + Send + 'static,
    ) {
        let callback: Callback = Box::new(move |message| function(message.to()));
        let route = Route(Exclusive::new((receiver.into_inbox(), callback)));
        if !is_forked() {
            // The other end is the thread's, which lives as long as this.
            let sent = self.routes.inner().send_unserialized(CoreMessage::with_context(Box::new(route)));
            debug_assert!(sent.is_ok());
        }
    }

    /// Has all values that a channel receives sent to threads of this process. What is [bad](BadValue) is left out.
    pub fn route_to_mpsc<T: DeserializeOwned + Send + 'static>(&self, receiver: Receiver<T>) -> mpsc::Receiver<T> {
        let (sender, values) = mpsc::channel();
        self.route(receiver, move |value| {
            if let Ok(value) = value {
                // Nobody may want it any more.
                let _ = sender.send(value);
            }
        });
        values
    }
}

fn run(arriving: MessagePipe) {
    let mut set = ReceiverSet::new();
    let control = set.add(Receiver::<()>::from(arriving));
    let mut callbacks: HashMap<u64, Callback> = HashMap::new();
    while let Ok(events) = set.select() {
        for event in events {
            match event {
                Event::Closed(id) if id == control => return,
                Event::Closed(id) => drop(callbacks.remove(&id)),
                Event::Message(id, message) if id == control => {
                    if let Some((inbox, callback)) = route_in(message) {
                        callbacks.insert(set.add(Receiver::<()>::from_inbox(inbox)), callback);
                    }
                }
                Event::Message(id, message) => {
                    let Some(callback) = callbacks.get_mut(&id) else { continue };
                    // Only a function that is not called again can see what its panic has left behind.
                    if catch_unwind(AssertUnwindSafe(|| callback(message))).is_err() {
                        callbacks.remove(&id);
                        set.remove::<()>(id);
                    }
                }
            }
        }
    }
}

fn route_in(message: OpaqueMessage) -> Option<(Inbox, Callback)> {
    let context: Box<dyn Any> = CoreMessage::from(Message::from(message)).take_context()?;
    Some(context.downcast::<Route>().ok()?.0.into_inner())
}
