//! What a call on a node obliges its driver to do.

use crate::{Event, Message, NodeName, PortRef};

/// The consequences of one call, to be applied with no lock held.
#[must_use = "effects that are not applied are lost events"]
pub struct Effects<M: Message> {
    /// Events to transmit, in this order for each node.
    pub forward: Vec<(NodeName, Event<M>)>,
    /// Watched ports whose status may have changed.
    pub changed: Vec<PortRef<M>>,
    /// Messages that nobody will receive. Dropping them may run foreign code.
    pub dropped: Vec<M>,
    /// Other nodes that a port of this node has come to depend on.
    pub neighbours: Vec<NodeName>,
    /// Pairs of other nodes for which this one passes something on, and which it would be well to
    /// [introduce](crate::Node::introduce) to each other. There is no hurry.
    pub apart: Vec<(NodeName, NodeName)>,
}

impl<M: Message> Effects<M> {
    /// Nothing to do.
    pub const fn none() -> Self {
        Self {
            forward: Vec::new(),
            changed: Vec::new(),
            dropped: Vec::new(),
            neighbours: Vec::new(),
            apart: Vec::new(),
        }
    }

    /// True if there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.forward.is_empty()
            && self.changed.is_empty()
            && self.dropped.is_empty()
            && self.neighbours.is_empty()
            && self.apart.is_empty()
    }

    pub(crate) fn note_change(&mut self, port: &PortRef<M>) {
        if M::is_watched(port.data()) {
            self.changed.push(port.clone());
        }
    }
}

impl<M: Message> Default for Effects<M> {
    fn default() -> Self {
        Self::none()
    }
}
