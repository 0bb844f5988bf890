//! Data pipes as the byte streams of tokio and of `futures-io`, and in tasks without either.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::{AsyncConsumer, AsyncProducer, DataPipeError};
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::thread;
use tokio::io::ReadBuf;
use worlds::*;

/// A small one is full, empty and wrapped all the time.
const CAPACITY: u32 = 61;
const NUM_BYTES: usize = 20_000;

/// The same polls of both crates' traits.
#[derive(Clone, Copy, Debug)]
enum Traits {
    Tokio,
    FuturesIo,
}

const BOTH: [Traits; 2] = [Traits::Tokio, Traits::FuturesIo];

impl Traits {
    fn poll_write(self, to: &mut AsyncProducer, waker: &Waker, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut context = Context::from_waker(waker);
        match self {
            Traits::Tokio => tokio::io::AsyncWrite::poll_write(Pin::new(to), &mut context, bytes),
            Traits::FuturesIo => futures_util::AsyncWrite::poll_write(Pin::new(to), &mut context, bytes),
        }
    }

    fn poll_read(self, from: &mut AsyncConsumer, waker: &Waker, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut context = Context::from_waker(waker);
        match self {
            Traits::Tokio => {
                let mut buffer = ReadBuf::new(bytes);
                let outcome = tokio::io::AsyncRead::poll_read(Pin::new(from), &mut context, &mut buffer);
                outcome.map_ok(|()| buffer.filled().len())
            }
            Traits::FuturesIo => futures_util::AsyncRead::poll_read(Pin::new(from), &mut context, bytes),
        }
    }

    fn poll_close(self, producer: &mut AsyncProducer) -> Poll<io::Result<()>> {
        let mut context = Context::from_waker(Waker::noop());
        match self {
            Traits::Tokio => tokio::io::AsyncWrite::poll_shutdown(Pin::new(producer), &mut context),
            Traits::FuturesIo => futures_util::AsyncWrite::poll_close(Pin::new(producer), &mut context),
        }
    }

    fn poll_flush(self, producer: &mut AsyncProducer) -> Poll<io::Result<()>> {
        let mut context = Context::from_waker(Waker::noop());
        match self {
            Traits::Tokio => tokio::io::AsyncWrite::poll_flush(Pin::new(producer), &mut context),
            Traits::FuturesIo => futures_util::AsyncWrite::poll_flush(Pin::new(producer), &mut context),
        }
    }

    /// Writes some; polls that are pending are dropped now and then.
    fn write(self, to: &mut AsyncProducer, bytes: &[u8], random: &mut Random) -> usize {
        if random.below(2) == 0
            && let Poll::Ready(outcome) = self.poll_write(to, Waker::noop(), bytes)
        {
            return outcome.unwrap();
        }
        block_on(std::future::poll_fn(|context| self.poll_write(to, context.waker(), bytes))).unwrap()
    }

    fn read(self, from: &mut AsyncConsumer, bytes: &mut [u8], random: &mut Random) -> usize {
        if random.below(2) == 0
            && let Poll::Ready(outcome) = self.poll_read(from, Waker::noop(), bytes)
        {
            return outcome.unwrap();
        }
        block_on(std::future::poll_fn(|context| self.poll_read(from, context.waker(), bytes))).unwrap()
    }
}

/// The ends of a data pipe, one on each side.
fn ends(world: World, element: u32, capacity: u32) -> (Sides, AsyncProducer, AsyncConsumer) {
    let (sides, a, b) = world.connect();
    let (producer, consumer) = sides.data_pipe_here(element, capacity);
    let consumer = pass_consumer(&a, &b, consumer);
    (sides, producer.into_async(), consumer.into_async())
}

in_worlds! {
    fn polls_that_are_dropped_at_any_moment_lose_and_repeat_no_byte(world: World) {
        let seed = seed();
        for traits in BOTH {
            let (_sides, mut producer, mut consumer) = ends(world, 1, CAPACITY);
            let bytes = Random::new(seed).bytes(NUM_BYTES);
            let written = bytes.clone();
            let writing = thread::spawn(move || {
                let mut random = Random::new(seed + 1);
                let mut at = 0;
                while at < written.len() {
                    let len = (1 + random.below(100)).min(written.len() - at);
                    at += traits.write(&mut producer, &written[at..at + len], &mut random);
                }
            });
            let (mut random, mut read) = (Random::new(seed + 2), Vec::new());
            loop {
                let mut buffer = [0; 100];
                let len = 1 + random.below(buffer.len());
                match traits.read(&mut consumer, &mut buffer[..len], &mut random) {
                    0 => break,
                    num_bytes => read.extend_from_slice(&buffer[..num_bytes]),
                }
            }
            writing.join().unwrap();
            assert!(read == bytes, "{traits:?}: {} of {} bytes", read.len(), bytes.len());
        }
    }

    fn futures_that_are_dropped_at_any_moment_lose_and_repeat_no_byte(world: World) {
        let (seed, (_sides, producer, consumer)) = (seed(), ends(world, 1, CAPACITY));
        let (producer, consumer) = (producer.into_producer().unwrap(), consumer.into_consumer());
        let bytes = Random::new(seed).bytes(NUM_BYTES);
        let written = bytes.clone();
        let writing = thread::spawn(move || {
            let mut random = Random::new(seed + 1);
            let mut at = 0;
            while at < written.len() {
                let some = &written[at..(at + 1 + random.below(100)).min(written.len())];
                let dropped = poll_and_drop(producer.write_async(some), random.below(3));
                at += dropped.unwrap_or_else(|| block_on(producer.write_async(some))).unwrap();
            }
        });
        let (mut random, mut read) = (Random::new(seed + 2), Vec::new());
        loop {
            let mut buffer = [0; 100];
            let len = 1 + random.below(buffer.len());
            let dropped = poll_and_drop(consumer.read_async(&mut buffer[..len]), random.below(3));
            match dropped.unwrap_or_else(|| block_on(consumer.read_async(&mut buffer[..len]))).unwrap() {
                0 => break,
                num_bytes => read.extend_from_slice(&buffer[..num_bytes]),
            }
        }
        writing.join().unwrap();
        assert!(read == bytes, "{} of {} bytes", read.len(), bytes.len());
    }

    fn a_stream_that_is_shut_down_has_an_end_and_takes_no_more(world: World) {
        for traits in BOTH {
            let (_sides, mut producer, mut consumer) = ends(world, 1, CAPACITY);
            assert!(matches!(traits.poll_write(&mut producer, Waker::noop(), b"rest"), Poll::Ready(Ok(4))));
            assert!(traits.poll_flush(&mut producer).is_ready());
            assert!(matches!(traits.poll_close(&mut producer), Poll::Ready(Ok(()))));
            assert!(matches!(traits.poll_close(&mut producer), Poll::Ready(Ok(()))));
            let Poll::Ready(Err(error)) = traits.poll_write(&mut producer, Waker::noop(), b"more") else { panic!() };
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            assert!(producer.producer().is_none());
            let mut buffer = [0; 10];
            let mut random = Random::new(1);
            assert_eq!(traits.read(&mut consumer, &mut buffer, &mut random), 4);
            assert_eq!(traits.read(&mut consumer, &mut buffer, &mut random), 0);
            assert_eq!(traits.read(&mut consumer, &mut buffer, &mut random), 0);
        }
    }

    fn a_stream_whose_consumer_is_closed_ends_the_wait_of_the_writer(world: World) {
        for traits in BOTH {
            let (_sides, mut producer, consumer) = ends(world, 1, 4);
            assert!(matches!(traits.poll_write(&mut producer, Waker::noop(), b"full!"), Poll::Ready(Ok(4))));
            assert!(traits.poll_write(&mut producer, Waker::noop(), b"!").is_pending());
            drop(consumer);
            let write = std::future::poll_fn(|context| traits.poll_write(&mut producer, context.waker(), b"!"));
            assert_eq!(block_on(write).unwrap_err().kind(), ErrorKind::BrokenPipe);
        }
    }

    fn streams_have_whole_elements(world: World) {
        for traits in BOTH {
            let (_sides, mut producer, mut consumer) = ends(world, 4, 8);
            let Poll::Ready(Err(error)) = traits.poll_write(&mut producer, Waker::noop(), b"12345") else { panic!() };
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(matches!(traits.poll_write(&mut producer, Waker::noop(), b"123456789abc"), Poll::Ready(Ok(8))));
            let mut buffer = [0; 10];
            assert_eq!(traits.read(&mut consumer, &mut [], &mut Random::new(1)), 0);
            let Poll::Ready(Err(error)) = traits.poll_read(&mut consumer, Waker::noop(), &mut buffer) else { panic!() };
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert_eq!(traits.read(&mut consumer, &mut buffer[..4], &mut Random::new(1)), 4);
            assert_eq!(&buffer[..4], b"1234");
        }
    }

    fn reading_and_writing_asynchronously_fails_as_trying_does(world: World) {
        let (_sides, producer, consumer) = ends(world, 4, 8);
        let (producer, consumer) = (producer.into_producer().unwrap(), consumer.into_consumer());
        assert_eq!(block_on(producer.write_async(b"12345")), Err(DataPipeError::InvalidArgument));
        assert_eq!(block_on(consumer.read_async(&mut [0; 3])), Err(DataPipeError::InvalidArgument));
        assert_eq!(block_on(consumer.read_async(&mut [])), Ok(0));
        assert_eq!(block_on(producer.write_async(&[])), Ok(0));
        assert_eq!(block_on(producer.write_async(b"123456789abc")), Ok(8));
        let mut write = pin!(producer.write_async(b"9abc"));
        assert!(poll_once(write.as_mut(), Waker::noop()).is_pending());
        drop(consumer);
        assert_eq!(block_on(write), Err(DataPipeError::PeerClosed));
    }
}

#[test]
fn a_reader_is_woken_once_for_a_poll_and_not_by_what_it_reads_itself() {
    let _watchdog = watchdog();
    let (mut producer, mut consumer) = {
        let (producer, consumer) = libmojo::DataPipeOptions::default().create().unwrap();
        (producer.into_async(), consumer.into_async())
    };
    let (wakes, mut buffer) = (Wakes::new(), [0; 10]);
    for traits in BOTH {
        let before = wakes.count();
        assert!(traits.poll_read(&mut consumer, &wakes.clone().into(), &mut buffer).is_pending());
        for text in [b"one", b"two"] {
            assert!(matches!(traits.poll_write(&mut producer, Waker::noop(), text), Poll::Ready(Ok(3))));
        }
        assert_eq!(wakes.count(), before + 1);
        let read = traits.poll_read(&mut consumer, &wakes.clone().into(), &mut buffer);
        assert!(matches!(read, Poll::Ready(Ok(6))));
        assert_eq!(wakes.count(), before + 1);
    }
}
