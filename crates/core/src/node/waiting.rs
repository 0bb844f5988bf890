//! Threads that wait for what is behind links take it out of the regions themselves: the way through the I/O thread
//! costs more than everything else together.

use super::RoutingNode;
use super::incoming::drain;
use super::link::Link;
use crate::park::Parker;
use crate::patience::Patience;
use crate::pipe::Port;
use crate::words::wake::WAITER;
use libmojo_platform::{MAX_WATCHED, Watched, can_watch_several};
use libmojo_sync::Arc;
use std::time::Instant;

/// The links that a waiting thread looks into. Dropping it ends that.
pub(crate) struct Attending(Vec<(RoutingNode, Arc<Link>)>);

impl Attending {
    /// Begins to look into the links behind which the other ends of these ports are. Those that are beyond what one
    /// thread can sleep on are left to the I/O thread.
    pub(crate) fn new<'a>(ports: impl Iterator<Item = &'a Port>) -> Self {
        let mut links: Vec<(RoutingNode, Arc<Link>)> = Vec::new();
        for port in ports {
            if let Some(link) = link_before(port)
                && links.len() < MAX_WATCHED - 1
                && !links.iter().any(|(_, other)| Arc::ptr_eq(other, &link))
            {
                link.attend();
                links.push((port.node().clone(), link));
            }
        }
        Self(links)
    }

    /// Takes what has come. True if anything has.
    pub(crate) fn drain(&self) -> bool {
        let mut has_come = false;
        for (node, link) in &self.0 {
            if link.has_work() {
                has_come |= drain_for_waiter(node, link);
            }
        }
        has_come
    }

    /// How long to look before sleeping.
    pub(crate) fn patience(&self) -> Patience {
        Patience::new(!self.0.iter().any(|(_, link)| link.is_on_same_processor()))
    }

    /// Sleeps until the parker is woken or something comes. False if the deadline has passed.
    pub(crate) fn sleep(&self, parker: &Parker, deadline: Option<Instant>) -> bool {
        if self.0.is_empty() {
            return parker.sleep(&[], deadline);
        }
        let mut announced = Vec::with_capacity(self.0.len());
        for (node, link) in &self.0 {
            // Where another thread sleeps on the word already it will take what comes for this one too, and where a
            // thread cannot sleep on several words the I/O thread does.
            if can_watch_several() && link.announce_sleep() {
                announced.push(&**link);
            } else if link.leave(node) {
                link.hand_over();
            }
        }
        let outcome = if self.0.iter().any(|(_, link)| link.has_work()) {
            true
        } else {
            let words = announced.iter().filter_map(|link| link.wake_word());
            let words: Vec<_> = words.map(|word| Watched { word, value: WAITER, is_shared: true }).collect();
            parker.sleep(&words, deadline)
        };
        for (_, link) in &self.0 {
            if announced.iter().any(|other| std::ptr::eq(*other, &**link)) {
                link.withdraw_sleep();
            } else {
                link.attend();
            }
        }
        outcome
    }
}

impl Drop for Attending {
    fn drop(&mut self) {
        for (node, link) in &self.0 {
            if link.leave(node) {
                // It is cheaper to take a little than to wake another thread for it.
                drain_for_waiter(node, link);
                if link.has_work() {
                    link.hand_over();
                }
            }
        }
    }
}

/// Takes what has come into the region before this port, if anything has. True if so.
pub(crate) fn drain_before(port: &Port) -> bool {
    match link_before(port) {
        Some(link) if link.has_work() => drain_for_waiter(port.node(), &link),
        _ => false,
    }
}

/// Takes what has come, and leaves to the I/O thread what foreign code that makes due.
fn drain_for_waiter(node: &RoutingNode, link: &Arc<Link>) -> bool {
    let drained = drain(node, link);
    if !drained.afterwards.is_empty()
        && let Some(io) = link.io.upgrade()
    {
        io.hand_over(drained.afterwards);
    }
    drained.has_come
}

/// The link over which things come to a port.
fn link_before(port: &Port) -> Option<Arc<Link>> {
    let links = &port.node().data().links;
    if !links.have_begun() {
        return None;
    }
    links.find(port.previous_node()?)
}
