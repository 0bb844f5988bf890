//! Questions and answers.

use crate::connect;
use crate::worlds::*;
use libmojo::channel::{self, RecvError, Reply, Request, TryRecvError};
use libmojo::{MessagePipe, SendErrorKind, Signals, Waitable};
use std::thread;
use std::time::Duration;

type Square = Request<u32, u32>;

in_worlds! {
    fn each_question_gets_its_own_answer_in_whichever_order(world: World) {
        let (_sides, client, mut server) = connect::<Square>(world);
        let pending: Vec<_> = (0..50).map(|number| client.request(number).unwrap()).collect();
        let mut requests: Vec<_> = (0..50).map(|_| server.recv().unwrap()).collect();
        requests.reverse();
        for Request { question, reply } in requests {
            assert!(!reply.is_cancelled());
            reply.send(question * question).unwrap();
        }
        for (number, pending) in pending.into_iter().enumerate() {
            let answer = if number % 2 == 0 { pending.recv() } else { block_on(pending) };
            assert_eq!(answer.unwrap(), (number * number) as u32);
        }
    }

    fn whoever_waits_no_more_is_seen_by_the_server(world: World) {
        let (_sides, client, mut server) = connect::<Square>(world);
        drop(client.request(1).unwrap());
        let cancelled = server.recv().unwrap().reply;
        block_on(cancelled.closed()).unwrap();
        assert!(cancelled.is_cancelled());
        assert_eq!(cancelled.send(1).unwrap_err().kind, SendErrorKind::PeerClosed);

        // A future that is dropped before it is ready.
        {
            let mut future = std::pin::pin!(client.ask(2));
            assert!(poll_once(future.as_mut(), &Wakes::new().into()).is_pending());
        }
        server.recv().unwrap().reply.wait(Signals::PEER_CLOSED, None).unwrap();
    }

    fn whoever_gets_no_answer_is_told(world: World) {
        let (_sides, client, mut server) = connect::<Square>(world);
        let mut pending = client.request(1).unwrap();
        assert!(matches!(pending.try_recv(), Err(TryRecvError::Empty)));
        assert!(matches!(pending.recv_timeout(Duration::from_millis(1)), Err(RecvError::DeadlineExceeded)));
        drop(server.recv().unwrap());
        assert!(matches!(pending.recv(), Err(RecvError::Closed)));
        // Nor does one that the server has not seen when it ends.
        let pending = client.request(2).unwrap();
        drop(server);
        assert!(matches!(pending.recv(), Err(RecvError::Closed)));
        block_on(client.closed()).unwrap();
        let refused = client.request(3).unwrap_err();
        assert_eq!((refused.kind, refused.value), (SendErrorKind::PeerClosed, 3));
        assert!(matches!(block_on(client.ask(4)), Err(RecvError::Closed)));
    }

    fn questions_and_answers_have_handles_and_replies_can_be_passed_on(world: World) {
        let (sides, client, mut server) = connect::<Request<MessagePipe, (MessagePipe, String)>>(world);
        let (worker, mut jobs) = channel::channel_on::<(MessagePipe, Reply<(MessagePipe, String)>)>(&sides.there);
        let serving = thread::spawn(move || {
            let Request { question, reply } = server.recv().unwrap();
            worker.send((question, reply)).unwrap();
        });
        let working = thread::spawn(move || {
            let (pipe, reply) = jobs.recv().unwrap();
            let text = recv(&pipe);
            reply.send((pipe, text)).unwrap();
        });
        let (kept, given) = sides.pipe_here();
        send(&kept, "inside");
        let (back, text) = client.request(given).unwrap().recv().unwrap();
        assert_eq!(text, "inside");
        assert_connected(&kept, &back);
        serving.join().unwrap();
        working.join().unwrap();
    }
}
