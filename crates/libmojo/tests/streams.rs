//! Ends of message pipes as streams and sinks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use futures_util::future::{Either, select};
use futures_util::stream::FusedStream;
use futures_util::{FutureExt, SinkExt, StreamExt};
use libmojo::quota::{Amount, Quota, Quotas};
use libmojo::{Message, SendErrorKind};
use std::thread;
use worlds::*;

const NUM_MESSAGES: usize = 200;

fn text(message: &Message) -> String {
    String::from_utf8(message.payload().to_vec()).unwrap()
}

fn quota(messages: u64) -> Quotas {
    Quotas { sent: Quota::enforced(Amount::messages(messages)), ..Quotas::default() }
}

in_worlds! {
    fn a_stream_has_all_messages_in_order_and_ends_for_good(world: World) {
        let (_sides, a, b) = world.connect();
        let mut stream = b.into_stream();
        assert!(stream.next().now_or_never().is_none());
        let sending = thread::spawn(move || (0..NUM_MESSAGES).for_each(|number| send(&a, &number.to_string())));
        let received: Vec<_> = block_on(stream.by_ref().map(|message| text(&message)).collect());
        sending.join().unwrap();
        assert_eq!(received, (0..NUM_MESSAGES).map(|number| number.to_string()).collect::<Vec<_>>());
        assert!(stream.is_terminated());
        assert!(block_on(stream.next()).is_none());
    }

    fn a_sink_waits_for_its_quota_and_sends_at_once(world: World) {
        let (_sides, a, b) = world.connect();
        a.set_quotas(quota(1));
        let mut sink = a.into_stream();
        block_on(sink.feed(Message::from("fed"))).unwrap();
        // It was not held back until a flush.
        assert_eq!(recv(&b), "fed");
        block_on(sink.send(Message::from("first"))).unwrap();
        assert!(sink.send(Message::from("never")).now_or_never().is_none());
        thread::scope(|scope| {
            scope.spawn(|| block_on(sink.send(Message::from("second"))).unwrap());
            assert_eq!([recv(&b), recv(&b)], ["first", "second"]);
        });
    }

    fn a_sink_gives_back_what_its_closed_peer_cannot_have(world: World) {
        let (_sides, a, b) = world.connect();
        let mut sink = a.into_stream();
        drop(b);
        assert_closed(sink.pipe());
        let refused = block_on(sink.send(Message::from("too late"))).unwrap_err();
        assert_eq!((refused.kind, refused.message.payload()), (SendErrorKind::PeerClosed, &b"too late"[..]));
    }

    fn a_closed_sink_still_receives(world: World) {
        let (_sides, a, b) = world.connect();
        let mut stream = a.into_stream();
        block_on(stream.send(Message::from("question"))).unwrap();
        block_on(SinkExt::<Message>::close(&mut stream)).unwrap();
        assert_eq!(recv(&b), "question");
        send(&b, "answer");
        assert_eq!(text(&block_on(stream.next()).unwrap()), "answer");
    }

    fn a_stream_that_loses_every_race_loses_no_message(world: World) {
        let (_sides, a, b) = world.connect();
        let mut stream = a.into_stream();
        block_on(async {
            for number in 0..NUM_MESSAGES {
                let Either::Right(_) = select(stream.next(), std::future::ready(())).await else {
                    panic!("a message before there is any");
                };
                send(&b, &number.to_string());
                assert_eq!(text(&stream.next().await.unwrap()), number.to_string());
            }
        });
        send(&b, "left over");
        assert_eq!(recv(&stream.into_pipe()), "left over");
    }

    fn both_directions_are_forwarded_between_pipes(world: World) {
        let (sides, a, b) = world.connect();
        let (c, d) = sides.pipe_there();
        a.set_quotas(quota(3));
        c.set_quotas(quota(3));
        let forwarding = thread::spawn(move || {
            let ((to_b, from_b), (to_c, from_c)) = (b.into_stream().split(), c.into_stream().split());
            let there = from_b.map(Ok).forward(to_c);
            let back = from_c.map(Ok).forward(to_b);
            block_on(async { drop(select(there, back).await) });
        });
        for number in 0..NUM_MESSAGES {
            a.send_blocking(Message::from(number.to_string().as_str())).unwrap();
            assert_eq!(recv(&d), number.to_string());
            send(&d, "received");
            assert_eq!(recv(&a), "received");
        }
        drop(a);
        forwarding.join().unwrap();
        assert_closed(&d);
    }
}
