//! Many senders of one channel, and many channels of one receiver.

use crate::connect;
use crate::worlds::*;
use libmojo::channel::{self, Event, Receiver, ReceiverSet, RecvError, Router, Sender, TryRecvError, channel_on};
use libmojo::quota::{Amount, Quota, Quotas};
use libmojo::{Message, MessagePipe, SendErrorKind, Waitable};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

in_worlds! {
    fn clones_in_one_process_are_in_one_order(world: World) {
        let (_sides, tx, mut rx) = connect::<u32>(world);
        let other = tx.clone();
        for number in 0..100 {
            if number % 3 == 0 { &tx } else { &other }.send(number).unwrap();
        }
        drop(tx);
        other.send(100).unwrap();
        drop(other);
        assert!(rx.iter().map(Result::unwrap).eq(0..=100));
    }

    fn clones_that_leave_are_heard_after_what_was_sent_before_and_close_the_channel_last(world: World) {
        let (sides, carry, mut carried) = connect::<Sender<(u8, u32)>>(world);
        let (tx, mut rx) = channel_on(&sides.here);
        tx.send((0, 0)).unwrap();
        let mut away = Vec::new();
        for _ in 0..3 {
            carry.send(tx.clone()).unwrap();
            away.push(carried.recv().unwrap());
        }
        thread::scope(|scope| {
            for (id, tx) in away.into_iter().chain([tx]).enumerate() {
                scope.spawn(move || (1..=200).for_each(|number| tx.send((id as u8, number)).unwrap()));
            }
            assert_eq!(rx.recv().unwrap(), (0, 0));
            let mut last = [0; 4];
            for value in rx.iter() {
                let (id, number) = value.unwrap();
                last[id as usize] += 1;
                assert_eq!(number, last[id as usize]);
            }
            assert_eq!(last, [200; 4]);
        });
    }

    fn a_receiver_takes_all_its_senders_with_it(world: World) {
        let (sides, carry, mut carried) = connect::<(Option<Sender<u32>>, Option<Receiver<u32>>)>(world);
        let (tx, mut rx) = channel_on(&sides.here);
        carry.send((Some(tx.clone()), None)).unwrap();
        let away = carried.recv().unwrap().0.unwrap();
        away.send(1).unwrap();
        tx.send(2).unwrap();
        let both = [rx.recv().unwrap(), rx.recv().unwrap()];
        assert!(both == [1, 2] || both == [2, 1]);
        carry.send((None, Some(rx))).unwrap();
        let mut rx = carried.recv().unwrap().1.unwrap();
        away.send(3).unwrap();
        drop(away);
        assert_eq!(rx.recv().unwrap(), 3);
        tx.send(4).unwrap();
        assert_eq!(rx.recv().unwrap(), 4);
        drop(tx);
        assert!(matches!(rx.recv(), Err(RecvError::Closed)));
    }

    fn a_clone_that_leaves_takes_the_quota_with_it(world: World) {
        if !world.is_remote() {
            return;
        }
        let (sides, carry, mut carried) = connect::<Sender<u32>>(world);
        let (tx, mut rx) = channel_on(&sides.here);
        tx.set_quotas(Quotas { sent: Quota::enforced(Amount::messages(1)), ..Quotas::default() });
        carry.send(tx.clone()).unwrap();
        let away = carried.recv().unwrap();
        // The announcement of the clone counts like a value until it is received.
        assert_eq!(tx.send(1).unwrap_err().kind, SendErrorKind::QuotaReached);
        assert_eq!(carry.send(tx.clone()).unwrap_err().kind, SendErrorKind::NotSerializable);
        away.send(1).unwrap();
        assert_eq!(away.send(2).unwrap_err().kind, SendErrorKind::QuotaReached);
        assert_eq!(rx.recv().unwrap(), 1);
        away.send_blocking(2).unwrap();
        tx.send_blocking(3).unwrap();
        let both = [rx.recv().unwrap(), rx.recv().unwrap()];
        assert!(both == [2, 3] || both == [3, 2]);
    }

    fn a_set_receives_from_channels_of_all_types_until_they_are_closed(world: World) {
        let (sides, words, word_receiver) = connect::<String>(world);
        let (numbers, number_receiver) = channel_on::<u64>(&sides.there);
        let mut set = ReceiverSet::new();
        let (word, number) = (set.add(word_receiver), set.add(number_receiver));
        assert!(set.try_select().unwrap().is_empty());
        assert!(matches!(set.select_timeout(Duration::from_millis(1)), Err(RecvError::DeadlineExceeded)));
        let sending = thread::spawn(move || {
            for count in 0..100 {
                words.send(format!("word {count}")).unwrap();
                numbers.send(count).unwrap();
            }
        });
        let (mut num_words, mut num_numbers, mut closed) = (0, 0, Vec::new());
        while !set.is_empty() {
            for event in if num_words % 2 == 0 { set.select().unwrap() } else { block_on(set.select_async()).unwrap() } {
                match event {
                    Event::Message(id, message) if id == word => {
                        assert_eq!(message.to::<String>().unwrap(), format!("word {num_words}"));
                        num_words += 1;
                    }
                    Event::Message(_, message) => {
                        assert_eq!(message.to::<u64>().unwrap(), num_numbers);
                        num_numbers += 1;
                    }
                    Event::Closed(id) => closed.push(id),
                }
            }
        }
        sending.join().unwrap();
        closed.sort_unstable();
        assert_eq!((num_words, num_numbers, closed), (100, 100, vec![word, number]));
        assert!(matches!(set.select(), Err(RecvError::Closed)));
    }

    fn a_router_calls_with_every_value_and_drops_the_function_in_the_end(world: World) {
        let (sides, tx, rx) = connect::<u32>(world);
        let router = Router::new().unwrap();
        let (seen, values) = mpsc::channel();
        router.route(rx, move |value| seen.send(value.unwrap()).unwrap());
        let (other, other_rx) = channel_on::<String>(&sides.here);
        let texts = router.route_to_mpsc(other_rx);
        (0..100).for_each(|number| tx.send(number).unwrap());
        other.send("text".into()).unwrap();
        assert_eq!(texts.recv().unwrap(), "text");
        drop(tx);
        // Ends because the function is dropped.
        assert!(values.iter().eq(0..100));
        drop(router);
        assert!(texts.recv().is_err());
        block_on(other.closed()).unwrap();
    }
}

#[test]
fn a_function_that_panics_is_called_no_more_and_others_are() {
    let _watchdog = watchdog();
    let router = Router::new().unwrap();
    let (bad, bad_rx) = channel::channel::<u32>();
    router.route(bad_rx, |_| panic!("as expected"));
    let (good, good_rx) = channel::channel::<u32>();
    let values = router.route_to_mpsc(good_rx);
    bad.send(1).unwrap();
    block_on(bad.closed()).unwrap();
    good.send(2).unwrap();
    assert_eq!(values.recv().unwrap(), 2);
}

#[test]
fn a_receiver_hears_no_more_senders_than_the_limit() {
    let _watchdog = watchdog();
    let (tx, mut rx) = channel::channel::<u32>();
    let pipe = tx.into_pipe().unwrap();
    let mut kept = Vec::new();
    for _ in 0..channel::MAX_SENDERS {
        let (new, other) = MessagePipe::create();
        pipe.send(Message::new(&[1]).with(other)).unwrap();
        kept.push(new);
    }
    assert!(matches!(rx.try_recv(), Err(TryRecvError::Empty)));
    assert_closed(&kept.pop().unwrap());
    Sender::from(kept.pop().unwrap()).send(7_u32).unwrap();
    assert_eq!(rx.recv().unwrap(), 7);
}
