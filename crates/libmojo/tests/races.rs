//! Pipes that are used and moved by several threads at once, between two nodes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod worlds;

use libmojo::{AcceptedInvitation, Invitation, Message, MessagePipe, Node, TryRecvError, socket_pair};
use worlds::watchdog;

/// Two nodes and the two ends of a pipe between them.
fn connected() -> (Node, Node, MessagePipe, MessagePipe) {
    let (here, there) = (Node::new(), Node::new());
    let invitation = Invitation::new_on(&here);
    let ours = invitation.attach(b"carrier").unwrap();
    let (a, b) = socket_pair().unwrap();
    invitation.send(a).unwrap();
    let theirs = AcceptedInvitation::accept_on(&there, b).unwrap().extract(b"carrier").unwrap();
    (here, there, ours, theirs)
}

fn number(message: &Message) -> u64 {
    u64::from_le_bytes(message.payload().try_into().unwrap())
}

fn pass(from: &MessagePipe, to: &MessagePipe, end: MessagePipe) -> MessagePipe {
    from.send(Message::from("take this").with(end)).unwrap();
    to.recv().unwrap().take_handles().unwrap().remove(0).into_pipe().unwrap()
}

/// Receives what is there; each number must follow the one before.
fn drain(end: &MessagePipe, next: &mut u64) {
    loop {
        match end.try_recv() {
            Ok(message) => {
                assert_eq!(number(&message), *next);
                *next += 1;
            }
            Err(TryRecvError::Empty) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn messages_keep_their_order_while_the_receiving_end_bounces_between_nodes() {
    const COUNT: u64 = 2_000;
    let _watchdog = watchdog();
    let (here, _there, ours, theirs) = connected();
    let (sender, mut receiver) = MessagePipe::create_on(&here);
    let sending = std::thread::spawn(move || {
        for number in 0..COUNT {
            sender.send(Message::new(&number.to_le_bytes())).unwrap();
        }
        sender
    });
    let mut next = 0;
    let mut moves = 0;
    while moves < 40 {
        drain(&receiver, &mut next);
        receiver = pass(&ours, &theirs, receiver);
        drain(&receiver, &mut next);
        receiver = pass(&theirs, &ours, receiver);
        moves += 2;
    }
    let sender = sending.join().unwrap();
    while next < COUNT {
        assert_eq!(number(&receiver.recv().unwrap()), next);
        next += 1;
    }
    receiver.send(Message::from("that was all")).unwrap();
    assert_eq!(sender.recv().unwrap().payload(), b"that was all");
}

#[test]
fn messages_keep_their_order_while_both_ends_bounce_between_nodes() {
    const COUNT: u64 = 100;
    let _watchdog = watchdog();
    let (here, there, ours, theirs) = connected();
    let (ours2, theirs2) = {
        let (a, b) = MessagePipe::create_on(&here);
        (a, pass(&ours, &theirs, b))
    };
    let (left, right) = MessagePipe::create_on(&here);
    let bounce = |mut end: MessagePipe, ours: MessagePipe, theirs: MessagePipe| {
        std::thread::spawn(move || {
            let mut received = 0;
            for sent in 0..COUNT {
                end.send(Message::new(&sent.to_le_bytes())).unwrap();
                end = pass(&ours, &theirs, end);
                drain(&end, &mut received);
                end = pass(&theirs, &ours, end);
            }
            while received < COUNT {
                assert_eq!(number(&end.recv().unwrap()), received);
                received += 1;
            }
            (end, ours, theirs)
        })
    };
    let (left, right) = (bounce(left, ours, theirs), bounce(right, ours2, theirs2));
    let (left, right) = (left.join().unwrap(), right.join().unwrap());
    drop((left, right));
    worlds::eventually("no port is left in either node", || {
        here.port_counts() == (0, 0) && there.port_counts() == (0, 0)
    });
}

#[test]
fn ends_inside_messages_inside_messages_close_without_end() {
    let _watchdog = watchdog();
    let (witness, mut inside) = MessagePipe::create();
    for _ in 0..100_000 {
        let (a, b) = MessagePipe::create();
        a.send(Message::new(b"").with(inside)).unwrap();
        inside = b;
    }
    drop(inside);
    assert!(witness.recv().is_err());
}
