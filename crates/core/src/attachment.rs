//! What is attached to a message, from being given to it to being taken out.

use crate::data_pipe::{Consumer, End, Producer, Ring, Role};
use crate::object::Object;
use crate::pipe::{Pipe, Port, close_port};
use libmojo_platform::is_forked;
use libmojo_sync::Arc;
use std::fmt;

/// One attachment. Dropping it closes what it holds.
pub(crate) struct Attachment(Cargo);

/// What an attachment is at the moment.
pub(crate) enum Cargo {
    /// An object of this process that nobody else can use at the moment.
    Here(Object),
    /// A pipe end from another process, whose port is not known yet.
    ArrivingPipe,
    /// A data pipe end from another process, whose control port is not known yet.
    ArrivingData { role: Role, ring: Arc<Ring>, index: u64 },
    /// Could not be brought into this process. If it came with a port, that is to be closed.
    Lost { comes_with_port: bool, port: Option<Port> },
    /// Taken out, or moved on.
    Taken,
}

impl From<Cargo> for Attachment {
    fn from(cargo: Cargo) -> Self {
        Self(cargo)
    }
}

impl Attachment {
    pub(crate) fn cargo(&self) -> &Cargo {
        &self.0
    }

    /// The port that travels with the attachment.
    pub(crate) fn port(&self) -> Option<&Port> {
        match &self.0 {
            Cargo::Here(Object::Pipe(pipe)) => Some(pipe.port()),
            Cargo::Here(Object::Producer(producer)) => Some(producer.end().control()),
            Cargo::Here(Object::Consumer(consumer)) => Some(consumer.end().control()),
            Cargo::Lost { port, .. } => port.as_ref(),
            _ => None,
        }
    }

    /// True if the attachment waits for the next of the ports that came with its message.
    pub(crate) fn awaits_port(&self) -> bool {
        matches!(
            self.0,
            Cargo::ArrivingPipe | Cargo::ArrivingData { .. } | Cargo::Lost { comes_with_port: true, port: None }
        )
    }

    /// Gives the attachment its port, if it awaits one.
    pub(crate) fn settle(&mut self, ports: &mut impl Iterator<Item = Port>) {
        if !self.awaits_port() {
            return;
        }
        let Some(port) = ports.next() else { return };
        self.0 = match std::mem::replace(&mut self.0, Cargo::Taken) {
            Cargo::ArrivingData { role, ring, index } => {
                let end = End::arrived(role, ring, index, port);
                Cargo::Here(match role {
                    Role::Producer => Object::Producer(Producer::from_end(end)),
                    Role::Consumer => Object::Consumer(Consumer::from_end(end)),
                })
            }
            Cargo::Lost { .. } => Cargo::Lost { comes_with_port: true, port: Some(port) },
            _ => Cargo::Here(Object::Pipe(Pipe::from_port(port))),
        };
    }

    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.0, Cargo::Lost { .. })
    }

    /// Takes the object out, usable again.
    pub(crate) fn take(&mut self) -> Option<Object> {
        match std::mem::replace(&mut self.0, Cargo::Taken) {
            Cargo::Here(object) => {
                object.arrive();
                Some(object)
            }
            other => {
                self.0 = other;
                None
            }
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        if is_forked() {
            return;
        }
        match &self.0 {
            Cargo::Here(object) => object.close(),
            Cargo::Lost { port: Some(port), .. } => close_port(port),
            _ => {}
        }
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cargo::Here(object) => write!(f, "{object:?}"),
            Cargo::ArrivingPipe | Cargo::ArrivingData { .. } => f.write_str("Arriving"),
            Cargo::Lost { .. } => f.write_str("Lost"),
            Cargo::Taken => f.write_str("Taken"),
        }
    }
}
