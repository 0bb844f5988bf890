//! One sender, one receiver: what arrives, and what comes back.

use crate::connect;
use crate::worlds::*;
use libmojo::channel::{self, Bytes, Descriptor, Receiver, RecvError, Sender, TryRecvError, channel_on};
use libmojo::quota::{Amount, Quota, Quotas};
use libmojo::{Consumer, Handle, MessagePipe, Producer, SendErrorKind, SharedBuffer, Waitable};
use serde::{Deserialize, Serialize, Serializer, ser};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Nothing,
    Circle(f64),
    Polygon { points: Vec<(i16, i16)>, name: Option<String> },
    Group(Vec<Shape>),
}

fn shapes() -> Vec<Shape> {
    let polygon = Shape::Polygon { points: vec![(1, -2), (3, 4)], name: Some("two points".into()) };
    vec![Shape::Nothing, Shape::Group(vec![Shape::Circle(0.5), polygon, Shape::Group(Vec::new())])]
}

#[derive(Serialize, Deserialize)]
struct Everything {
    text: String,
    pipes: Vec<MessagePipe>,
    streams: BTreeMap<u8, (Producer, Consumer)>,
    buffer: Option<SharedBuffer>,
    file: Box<(u8, Descriptor)>,
    any: Vec<Handle>,
    sender: Sender<String>,
    receiver: Receiver<String>,
}

/// Fails to be serialized when told so, after its handles were seen.
#[derive(Deserialize)]
struct Moody {
    pipe: MessagePipe,
    file: Descriptor,
    fails: bool,
}

impl Serialize for Moody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.fails {
            // As a part that fails behind others would.
            self.pipe.serialize(serializer)?;
            return Err(ser::Error::custom("not today"));
        }
        (&self.pipe, &self.file, self.fails).serialize(serializer)
    }
}

in_worlds! {
    fn values_of_any_shape_arrive_in_order(world: World) {
        let (_sides, tx, mut rx) = connect(world);
        assert!(matches!(rx.try_recv(), Err(TryRecvError::Empty)));
        for _ in 0..100 {
            tx.send(shapes()).unwrap();
        }
        drop(tx);
        assert_eq!(rx.iter().map(|shape| assert_eq!(shape.unwrap(), shapes())).count(), 100);
        assert!(matches!(rx.recv(), Err(RecvError::Closed)));
    }

    fn handles_of_all_kinds_arrive_where_they_stand(world: World) {
        let (sides, tx, mut rx) = connect(world);
        let (kept, given) = sides.pipe_here();
        let (mut kept_producer, consumer) = sides.data_pipe_here(1, 16);
        let (producer, mut kept_consumer) = sides.data_pipe_here(1, 16);
        let (sender, mut answers) = channel_on(&sides.here);
        let (questions, receiver) = channel_on(&sides.here);
        let buffer = SharedBuffer::create(4).unwrap();
        let mapping = buffer.map(0, 4).unwrap();
        let (other, any) = sides.pipe_here();
        let any = vec![any.into(), Handle::Descriptor(None), SharedBuffer::create(9).unwrap().into()];
        tx.send(Everything {
            text: "everything".into(),
            pipes: vec![given],
            streams: BTreeMap::from([(7, (producer, consumer))]),
            buffer: Some(buffer),
            file: Box::new((1, file_with("a file").into())),
            any,
            sender,
            receiver,
        }).unwrap();

        let mut all = rx.recv().unwrap();
        assert_eq!(all.text, "everything");
        assert_connected(&kept, &all.pipes[0]);
        let (mut producer, mut consumer) = all.streams.remove(&7).unwrap();
        kept_producer.write_all(b"there").unwrap();
        producer.write_all(b"back").unwrap();
        drop((kept_producer, producer));
        let (mut there, mut back) = (String::new(), String::new());
        consumer.read_to_string(&mut there).unwrap();
        kept_consumer.read_to_string(&mut back).unwrap();
        assert_eq!((there.as_str(), back.as_str()), ("there", "back"));
        all.buffer.unwrap().map(0, 4).unwrap().write(0, b"seen").unwrap();
        let mut seen = [0; 4];
        mapping.read(0, &mut seen).unwrap();
        assert_eq!(&seen, b"seen");
        assert_eq!(text_of(&all.file.1.into()), "a file");
        let [Handle::Pipe(pipe), Handle::Descriptor(None), Handle::Buffer(buffer)] =
            <[Handle; 3]>::try_from(all.any).unwrap() else { panic!("other handles") };
        assert_connected(&other, &pipe);
        assert_eq!(buffer.num_bytes(), 9);
        questions.send("question".into()).unwrap();
        all.sender.send(all.receiver.recv().unwrap() + "?").unwrap();
        assert_eq!(answers.recv().unwrap(), "question?");
    }

    fn a_value_moves_as_it_is_within_a_node_only(world: World) {
        #[derive(Serialize, Deserialize)]
        struct Place(Arc<String>);
        let (_sides, tx, mut rx) = connect(world);
        let text = Arc::new("here".to_string());
        tx.send(Place(text.clone())).unwrap();
        assert_eq!(Arc::ptr_eq(&rx.recv().unwrap().0, &text), !world.is_remote());
    }

    fn a_value_that_fails_half_way_comes_back_whole_and_can_be_sent_then(world: World) {
        if !world.is_remote() {
            return;
        }
        let (sides, tx, mut rx) = connect(world);
        let (kept, pipe) = sides.pipe_here();
        let refused = tx.send(Moody { pipe, file: file_with("kept").into(), fails: true }).unwrap_err();
        assert_eq!(refused.kind, SendErrorKind::NotSerializable);
        let mut value = refused.value;
        assert_connected(&kept, &value.pipe);
        value.fails = false;
        tx.send(value).unwrap();
        let value: Moody = rx.recv().unwrap();
        assert_connected(&kept, &value.pipe);
        assert_eq!(text_of(&value.file.into()), "kept");
    }

    fn a_value_that_cannot_arrive_comes_back_whole(world: World) {
        let (sides, tx, rx) = connect::<(MessagePipe, Sender<u8>)>(world);
        let (kept, given) = sides.pipe_here();
        let (sender, mut receiver) = channel_on(&sides.here);
        drop(rx);
        let _ = block_on(tx.closed()).unwrap();
        let refused = tx.send((given, sender)).unwrap_err();
        assert_eq!(refused.kind, SendErrorKind::PeerClosed);
        assert_connected(&kept, &refused.value.0);
        refused.value.1.send(9).unwrap();
        assert_eq!(receiver.recv().unwrap(), 9);
    }

    fn one_end_that_stands_twice_in_a_value_is_refused(world: World) {
        if !world.is_remote() {
            return;
        }
        let (sides, tx, mut rx) = connect::<(Arc<MessagePipe>, Arc<MessagePipe>)>(world);
        let (kept, pipe) = sides.pipe_here();
        let pipe = Arc::new(pipe);
        let refused = tx.send((pipe.clone(), pipe.clone())).unwrap_err();
        assert_eq!(refused.kind, SendErrorKind::NotSerializable);
        assert_connected(&kept, &pipe);
        assert!(matches!(rx.try_recv(), Err(TryRecvError::Empty)));
    }

    fn whoever_shares_an_end_that_has_left_does_not_close_it(world: World) {
        let (sides, tx, mut rx) = connect::<Arc<MessagePipe>>(world);
        let (kept, pipe) = sides.pipe_here();
        let pipe = Arc::new(pipe);
        tx.send(pipe.clone()).unwrap();
        let arrived = rx.recv().unwrap();
        drop(pipe);
        assert_connected(&kept, &arrived);
    }

    fn values_that_wait_are_serialized_when_their_receiver_leaves(world: World) {
        let (sides, tx, mut rx) = connect::<Receiver<Moody>>(world);
        let (inner_tx, inner_rx) = channel_on(&sides.here);
        let mut kept = Vec::new();
        for fails in [false, true, false] {
            let (here, pipe) = sides.pipe_here();
            kept.push(here);
            inner_tx.send(Moody { pipe, file: file_with("").into(), fails }).unwrap();
        }
        tx.send(inner_rx).unwrap();
        let mut inner_rx = rx.recv().unwrap();
        assert_connected(&kept[0], &inner_rx.recv().unwrap().pipe);
        if world.is_remote() {
            // Its place says what became of it, and what it had is closed.
            let Err(RecvError::Bad(bad)) = inner_rx.recv() else { panic!("it was serialized") };
            assert_eq!(bad.reason(), channel::BadReason::NotSerializable);
            assert_closed(&kept[1]);
        } else {
            assert!(inner_rx.recv().unwrap().fails);
        }
        assert_connected(&kept[2], &inner_rx.recv().unwrap().pipe);
    }

    fn bytes_of_any_length_arrive(world: World) {
        let (_sides, tx, mut rx) = connect::<(u8, Bytes, Vec<Bytes>)>(world);
        let mut random = Random::new(seed());
        for len in [0, 1, 255, 256, 4096, 1 << 20] {
            let (one, other) = (random.bytes(len), random.bytes(len / 2));
            tx.send((7, one.clone().into(), vec![other.clone().into(); 2])).unwrap();
            let (seven, first, rest) = rx.recv().unwrap();
            assert!(seven == 7 && *first == *one && rest.iter().all(|bytes| **bytes == *other));
            assert_eq!(Vec::from(first), one);
        }
    }

    fn a_bounded_channel_refuses_waits_and_goes_on(world: World) {
        let (_sides, tx, mut rx) = connect::<u32>(world);
        tx.set_quotas(Quotas { sent: Quota::enforced(Amount::messages(2)), ..Quotas::default() });
        tx.send(0).unwrap();
        tx.send(1).unwrap();
        let refused = tx.send(2).unwrap_err();
        assert_eq!((refused.kind, refused.value), (SendErrorKind::QuotaReached, 2));
        let late = tx.send_timeout(2, Duration::from_millis(1)).unwrap_err();
        assert_eq!((late.kind, late.value), (SendErrorKind::QuotaReached, 2));
        let late = tx.send_deadline(2, Instant::now()).unwrap_err();
        assert_eq!((late.kind, late.value), (SendErrorKind::QuotaReached, 2));
        let sending = std::thread::spawn(move || {
            (2..100).for_each(|number| if number % 2 == 0 {
                tx.send_blocking(number).unwrap();
            } else {
                block_on(tx.send_async(number)).unwrap();
            });
        });
        assert!(rx.iter().map(Result::unwrap).eq(0..100));
        sending.join().unwrap();
    }

    fn a_task_receives_all_values_though_its_future_is_dropped_again_and_again(world: World) {
        let (_sides, tx, mut rx) = connect::<u32>(world);
        for number in 0..100 {
            {
                let mut future = std::pin::pin!(rx.recv_async());
                assert!(poll_once(future.as_mut(), &Wakes::new().into()).is_pending());
            }
            tx.send(number).unwrap();
            assert_eq!(block_on(rx.recv_async()).unwrap(), number);
        }
        drop(tx);
        assert!(matches!(block_on(rx.recv_async()), Err(RecvError::Closed)));
    }

    fn a_receiver_waits_no_longer_than_it_is_told(world: World) {
        let (_sides, tx, mut rx) = connect::<u32>(world);
        assert!(matches!(rx.recv_timeout(Duration::from_millis(1)), Err(RecvError::DeadlineExceeded)));
        tx.send(1).unwrap();
        assert_eq!(rx.recv_timeout(PATIENCE).unwrap(), 1);
    }
}

#[test]
fn a_value_over_the_limit_comes_back() {
    let _watchdog = watchdog();
    let (_sides, tx, _rx) = connect::<Bytes>(World::TwoNodes);
    let refused = tx.send(vec![1; libmojo::limits::MAX_MESSAGE_BYTES].into()).unwrap_err();
    assert_eq!(refused.kind, SendErrorKind::TooLarge);
    assert_eq!(refused.value.len(), libmojo::limits::MAX_MESSAGE_BYTES);
}

#[test]
fn a_panic_of_a_serializer_leaves_nothing_behind() {
    #[derive(Deserialize)]
    struct Panics(MessagePipe);
    impl Serialize for Panics {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.serialize(serializer)?;
            panic!("as expected");
        }
    }
    let _watchdog = watchdog();
    let (sides, tx, mut rx) = connect::<Panics>(World::TwoNodes);
    let (kept, pipe) = sides.pipe_here();
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| tx.send(Panics(pipe)))).unwrap_err();
    assert_closed(&kept);
    assert!(matches!(rx.try_recv(), Err(TryRecvError::Empty)));
    // Nothing takes handles along on this thread any more.
    let (pipe, _peer) = sides.pipe_here();
    postcard::to_allocvec(&pipe).unwrap_err();
}

#[test]
fn handles_are_serialized_in_channels_only() {
    let (pipe, peer) = MessagePipe::create();
    postcard::to_allocvec(&pipe).unwrap_err();
    postcard::to_allocvec(&Descriptor::from(file_with(""))).unwrap_err();
    postcard::from_bytes::<MessagePipe>(&[0]).unwrap_err();
    let (sender, _receiver) = channel::channel::<u8>();
    postcard::to_allocvec(&sender).unwrap_err();
    postcard::to_allocvec(&sender.clone()).unwrap_err();
    assert_connected(&pipe, &peer);
    let bytes = postcard::to_allocvec(&Bytes::from(vec![1; 1000])).unwrap();
    assert_eq!(postcard::from_bytes::<Bytes>(&bytes).unwrap().len(), 1000);
}

#[test]
fn ends_can_be_used_by_any_thread_and_task() {
    fn is_send_and_sync<T: Send + Sync>() {}
    fn is_send<T: Send>(_: T) {}
    is_send_and_sync::<Sender<std::cell::Cell<u8>>>();
    is_send_and_sync::<Receiver<std::cell::Cell<u8>>>();
    is_send_and_sync::<channel::Request<u8, u8>>();
    is_send_and_sync::<channel::Pending<u8>>();
    is_send_and_sync::<channel::ReceiverSet>();
    let (tx, mut rx) = channel::channel::<u8>();
    is_send(rx.recv_async());
    is_send(tx.send_async(1));
}

#[cfg(feature = "futures")]
#[test]
fn a_receiver_is_a_stream_that_ends_with_the_last_sender() {
    use futures_util::StreamExt;

    let (tx, rx) = channel::channel();
    let receiving = std::thread::spawn(|| block_on(rx.map(Result::unwrap).collect::<Vec<u32>>()));
    (0..100).for_each(|number| tx.send(number).unwrap());
    drop(tx);
    assert_eq!(receiving.join().unwrap(), (0..100).collect::<Vec<_>>());
}
