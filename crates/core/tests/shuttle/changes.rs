//! The ways in which a signal that somebody waits for comes, or can come no more.

use crate::any;
use libmojo_core::data_pipe::{Consumer, Producer, ReadInto, create_data_pipe};
use libmojo_core::message::Message;
use libmojo_core::node::Node;
use libmojo_core::object::Object;
use libmojo_core::pipe::Pipe;
use libmojo_core::signals::Signals;
use libmojo_core::watcher::WatchEvent;

/// A change that is yet to happen.
pub struct Change {
    pub object: Object,
    /// What of the object is waited for.
    pub signals: Signals,
    /// Makes it happen, from the other end. False if the object is gone.
    pub cause: Box<dyn Fn() -> bool + Send + Sync>,
    pub event: WatchEvent,
}

impl Change {
    fn new(
        object: impl Into<Object>,
        signals: Signals,
        event: WatchEvent,
        cause: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { object: object.into(), signals, cause: Box::new(cause), event }
    }
}

/// One of all kinds, which the schedule decides.
pub fn any_change() -> Change {
    any(&[message_arrives, pipe_closes, data_arrives, data_arrives_again, room_appears, consumer_closes])()
}

pub fn message_arrives() -> Change {
    let (a, b) = Pipe::create(&Node::new());
    let cause = move || a.send(Message::with_payload(&[])).is_ok();
    Change::new(b, Signals::READABLE, WatchEvent::Satisfied, cause)
}

fn pipe_closes() -> Change {
    let (a, b) = Pipe::create(&Node::new());
    Change::new(b, Signals::READABLE, WatchEvent::Unsatisfiable, move || close(&a.clone().into()))
}

fn data_pipe() -> (Producer, Consumer) {
    create_data_pipe(&Node::new(), 1, 4).unwrap()
}

fn data_arrives() -> Change {
    let (producer, consumer) = data_pipe();
    let cause = move || producer.write(b"1", true).is_ok();
    Change::new(consumer, Signals::READABLE, WatchEvent::Satisfied, cause)
}

fn data_arrives_again() -> Change {
    let (producer, consumer) = data_pipe();
    producer.write(b"1", true).unwrap();
    consumer.query().unwrap();
    let cause = move || producer.write(b"2", true).is_ok();
    Change::new(consumer, Signals::NEW_DATA_READABLE, WatchEvent::Satisfied, cause)
}

fn room_appears() -> Change {
    let (producer, consumer) = data_pipe();
    producer.write(b"1234", true).unwrap();
    let cause = move || consumer.read(ReadInto::Discard(1), true).is_ok();
    Change::new(producer, Signals::WRITABLE, WatchEvent::Satisfied, cause)
}

fn consumer_closes() -> Change {
    let (producer, consumer) = data_pipe();
    producer.write(b"1234", true).unwrap();
    Change::new(producer, Signals::WRITABLE, WatchEvent::Unsatisfiable, move || close(&consumer.clone().into()))
}

fn close(object: &Object) -> bool {
    object.close();
    true
}
