//! iceoryx2: publishers and subscribers in shared memory, by polling or with events. The sender copies into a loan, the
//! receiver looks at the message in place.

use crate::outcome::Outcome;
use crate::process::{Other, Setup};
use crate::wire::{Carrier, Wire, look};
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::{LogLevel, Node, NodeBuilder, ServiceName, SignalHandlingMode, ipc, set_log_level};
use std::hint::spin_loop;
use std::time::{SystemTime, UNIX_EPOCH};

/// The size of what goes back from the receiver of a stream.
const MIN_BYTES: usize = 64;

/// A receiver that polls.
pub struct Polling;

/// A receiver that waits for an event, which the sender sets off with each message.
pub struct Events;

pub struct IceoryxWire {
    publisher: Publisher<ipc::Service, [u8], ()>,
    subscriber: Subscriber<ipc::Service, [u8], ()>,
    events: Option<(Notifier<ipc::Service>, Listener<ipc::Service>)>,
    /// Lives as long as the ports.
    _node: Node<ipc::Service>,
}

impl IceoryxWire {
    fn new(setup: &Setup, outgoing: &str, incoming: &str, has_events: bool) -> Outcome<Self> {
        set_log_level(LogLevel::Error);
        let node = NodeBuilder::new().signal_handling_mode(SignalHandlingMode::Disabled).create::<ipc::Service>()?;
        let name = |direction: &str| ServiceName::new(&format!("{}/{direction}", setup.address));
        let service = |direction: &str| -> Outcome<_> {
            let builder = node.service_builder(&name(direction)?).publish_subscribe::<[u8]>();
            let builder = builder.max_publishers(1).max_subscribers(1).history_size(0).enable_safe_overflow(false);
            let builder = builder.subscriber_max_buffer_size(2 * setup.stream.stride + 1);
            Ok(builder.subscriber_max_borrowed_samples(1).open_or_create()?)
        };
        let max_bytes = setup.stream.num_bytes.max(MIN_BYTES);
        let subscriber = service(incoming)?.subscriber_builder().create()?;
        let outgoing_service = service(outgoing)?;
        let publisher = outgoing_service.publisher_builder().max_loaned_samples(1);
        let publisher = publisher.initial_max_slice_len(max_bytes).create()?;
        let events = if has_events {
            let event = |direction: &str| -> Outcome<_> {
                Ok(node.service_builder(&name(direction)?).event().open_or_create()?)
            };
            let listener = event(incoming)?.listener_builder().create()?;
            Some((event(outgoing)?.notifier_builder().create()?, listener))
        } else {
            None
        };
        Ok(Self { publisher, subscriber, events, _node: node })
    }

    async fn start(setup: &Setup, has_events: bool) -> Outcome<(Self, Other)> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        let address = format!("libmojo-bench/{}/{now}", std::process::id());
        let setup = Setup { address, ..setup.clone() };
        let mut wire = Self::new(&setup, "there", "back", has_events)?;
        let other = Other::new(setup.command()?.spawn()?);
        // The other process is connected when it has said something.
        wire.receive(MIN_BYTES).await?;
        Ok((wire, other))
    }

    async fn join(setup: &Setup, has_events: bool) -> Outcome<Self> {
        let mut wire = Self::new(setup, "back", "there", has_events)?;
        wire.send(&[0; MIN_BYTES]).await?;
        Ok(wire)
    }
}

impl Wire for IceoryxWire {
    async fn send(&mut self, message: &[u8]) -> Outcome<()> {
        let sample = self.publisher.loan_slice_uninit(message.len())?;
        if sample.write_from_slice(message).send()? != 1 {
            return Err("a message was discarded".into());
        }
        if let Some((notifier, _)) = &self.events {
            notifier.notify()?;
        }
        Ok(())
    }

    async fn receive(&mut self, num_bytes: usize) -> Outcome<u8> {
        loop {
            if let Some(sample) = self.subscriber.receive()? {
                return look(sample.payload(), num_bytes);
            }
            match &self.events {
                Some((_, listener)) => drop(listener.blocking_wait(|_| {})?),
                None => spin_loop(),
            }
        }
    }
}

impl Carrier for Polling {
    type Wire = IceoryxWire;

    async fn start(setup: &Setup) -> Outcome<(IceoryxWire, Other)> {
        IceoryxWire::start(setup, false).await
    }

    async fn join(setup: &Setup) -> Outcome<IceoryxWire> {
        IceoryxWire::join(setup, false).await
    }
}

impl Carrier for Events {
    type Wire = IceoryxWire;

    async fn start(setup: &Setup) -> Outcome<(IceoryxWire, Other)> {
        IceoryxWire::start(setup, true).await
    }

    async fn join(setup: &Setup) -> Outcome<IceoryxWire> {
        IceoryxWire::join(setup, true).await
    }
}
