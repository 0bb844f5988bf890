//! Message pipes: writing, reading, fusing, closing, complaining.

use crate::callbacks::*;
use crate::calls;
use crate::support::*;
use libmojo_core::node::{Node, ProcessError};
use mojo_system::*;
use std::sync::{Arc, Mutex};

const END: u32 = R | W | C;

#[test]
fn creation_checks_outputs_then_options() {
    for (options, expected) in options_rows(0) {
        let (mut a, mut b) = (STALE, STALE);
        assert_eq!(calls::create_message_pipe(options.as_deref(), Some(&mut a), None), INVALID_ARGUMENT);
        assert_eq!(calls::create_message_pipe(options.as_deref(), None, Some(&mut b)), INVALID_ARGUMENT);
        assert_eq!(calls::create_message_pipe(options.as_deref(), None, None), INVALID_ARGUMENT);
        assert_eq!((a, b), (STALE, STALE));
        let create = |options: Option<&[u8]>| {
            outputs((STALE, STALE), |a, b| calls::create_message_pipe(options, Some(a), Some(b)))
        };
        for made in anywhere(options.as_deref(), create) {
            assert_eq!(code(made), expected);
            if let Ok((a, b)) = made {
                assert!(a != b && a != 0 && b != 0);
                assert_eq!((signals(a), signals(b)), (Ok((W, END)), Ok((W, END))));
                close_all(&[a, b]);
            }
        }
    }
}

// ---- writing and reading ---------------------------------------------------------------------------------

#[test]
fn writing_checks_in_the_documented_order_and_consumes_the_message_whatever_it_answers() {
    let (open, other) = pipe();
    let (closed, gone) = pipe();
    close(gone).unwrap();
    let w = watcher();
    let pipes = [
        (0, Some(INVALID_ARGUMENT)),
        (w, Some(INVALID_ARGUMENT)),
        (gone, Some(INVALID_ARGUMENT)),
        (closed, None),
        (open, None),
    ];
    for (pipe, refused) in pipes {
        for is_empty in [true, false] {
            for flags in [0, u32::MAX] {
                let (mine, peer) = self::pipe();
                let message = if is_empty { message() } else { built(b"x", &[mine]) };
                let expected = match (refused, is_empty) {
                    (Some(code), _) => code,
                    (None, true) => NOT_FOUND,
                    (None, false) if pipe == closed => FAILED_PRECONDITION,
                    (None, false) => OK,
                };
                assert_eq!(MojoWriteMessage(pipe, message, flags), expected);
                assert_eq!(MojoWriteMessage(open, message, flags), INVALID_ARGUMENT, "it is consumed");
                match expected {
                    OK => close(receive(other).unwrap().1[0]).unwrap(),
                    _ if is_empty => close(mine).unwrap(),
                    _ => assert_eq!(satisfied(peer), C, "it is destroyed"),
                }
                close(peer).unwrap();
            }
        }
    }
    assert_eq!(read(other), Err(SHOULD_WAIT));
    close_all(&[open, other, closed, w]);
}

#[test]
fn a_message_that_carries_the_peer_is_refused_and_the_peer_closed() {
    let (a, b) = pipe();
    assert_eq!(send(a, b"", &[b]), Err(INVALID_ARGUMENT));
    assert_eq!(signals(a), Ok((C, C)));
    assert_eq!(send(a, b"", &[]), Err(FAILED_PRECONDITION));
    close(a).unwrap();
    // Also if the message was written to another pipe before, and among others.
    let (a, b) = pipe();
    let (c, d) = pipe();
    send(c, b"", &[c].map(|_| b)).unwrap();
    let message = read(d).unwrap();
    assert_eq!(write(a, message), Err(INVALID_ARGUMENT));
    assert_eq!(signals(a), Ok((C, C)));
    close_all(&[a, c, d]);
}

#[test]
fn a_message_that_carries_the_end_it_is_written_to_finds_that_end_gone() {
    let (a, b) = pipe();
    assert_eq!(send(a, b"", &[]), Ok(()));
    let message = built(b"", &[a]);
    assert_eq!(write(a, message), Err(INVALID_ARGUMENT));
    // What was sent before still arrives; then the end has been closed with the message.
    assert_eq!(signals(b), Ok((R | C, R | C)));
    receive(b).unwrap();
    assert_eq!(signals(b), Ok((C, C)));
    close(b).unwrap();
}

#[test]
fn reading_answers_in_the_documented_order() {
    let (a, b) = pipe();
    let w = watcher();
    for (pipe, has_place, expected) in [
        (0, true, INVALID_ARGUMENT),
        (w, true, INVALID_ARGUMENT),
        (b, true, SHOULD_WAIT),
        (b, false, INVALID_ARGUMENT),
        (0, false, INVALID_ARGUMENT),
    ] {
        let mut message = STALE_MESSAGE;
        assert_eq!(calls::read_message(pipe, has_place.then_some(&mut message)), expected);
        assert_eq!(message, STALE_MESSAGE);
    }
    send(a, b"1", &[]).unwrap();
    send(a, b"2", &[]).unwrap();
    assert_eq!(calls::read_message(b, None), INVALID_ARGUMENT);
    assert_eq!(receive(b).unwrap().0, b"1", "nothing was lost");
    close(a).unwrap();
    assert_eq!(calls::read_message(b, None), INVALID_ARGUMENT);
    assert_eq!(receive(b).unwrap().0, b"2");
    assert_eq!(read(b), Err(FAILED_PRECONDITION));
    assert_eq!(calls::read_message(b, None), INVALID_ARGUMENT);
    close_all(&[b, w]);
}

#[test]
fn messages_come_out_in_the_order_in_which_they_were_written() {
    let (a, b) = pipe();
    for number in 0..1000_u32 {
        send(a, &number.to_le_bytes(), &[]).unwrap();
        send(b, &(number + 1).to_le_bytes(), &[]).unwrap();
    }
    for number in 0..1000_u32 {
        assert_eq!(receive(b).unwrap().0, number.to_le_bytes());
        assert_eq!(receive(a).unwrap().0, (number + 1).to_le_bytes());
    }
    close_all(&[a, b]);
}

#[test]
fn signals_follow_messages_and_closure_and_watchers_are_told() {
    let (a, b) = pipe();
    let mut seen = [Some(Observed::new(a)), Some(Observed::new(b))];
    let mut check = |expected: [Option<(u32, u32)>; 2]| {
        let callbacks = callbacks();
        for (end, expected) in seen.iter_mut().zip(expected) {
            match expected {
                Some(expected) => end.as_mut().unwrap().check(expected, &callbacks),
                None => *end = None,
            }
        }
    };
    const FRESH: Option<(u32, u32)> = Some((W, END));
    const UNREAD: Option<(u32, u32)> = Some((R | W, END));
    check([FRESH, FRESH]);
    send(a, b"1", &[]).unwrap();
    check([FRESH, UNREAD]);
    send(a, b"2", &[]).unwrap();
    check([FRESH, UNREAD]);
    send(b, b"3", &[]).unwrap();
    check([UNREAD, UNREAD]);
    receive(b).unwrap();
    check([UNREAD, UNREAD]);
    receive(b).unwrap();
    check([UNREAD, FRESH]);
    read(b).unwrap_err();
    send(a, b"4", &[]).unwrap();
    check([UNREAD, UNREAD]);
    close(a).unwrap();
    check([None, Some((R | C, R | C))]);
    receive(b).unwrap();
    check([None, Some((C, C))]);
    drop(seen);
    close(b).unwrap();

    let (a, b) = pipe();
    let mut seen = Observed::new(b);
    seen.check((W, END), &callbacks());
    close(a).unwrap();
    seen.check((C, C), &callbacks());
    drop(seen);
    close(b).unwrap();
}

#[test]
fn a_pipe_inside_the_process_never_looks_remote() {
    let (a, b) = pipe();
    let moving = built(b"", &[b]);
    assert_eq!(signals(a), Ok((W, END)));
    commit(moving, 0).unwrap();
    let b = take(moving).unwrap().1[0];
    assert_eq!((signals(a), signals(b)), (Ok((W, END)), Ok((W, END))));
    destroy(moving).unwrap();
    close_all(&[a, b]);
}

#[test]
fn closing_an_end_destroys_what_is_unread_there_and_nothing_else() {
    let (a, b) = pipe();
    let (mine, peer) = pipe();
    let (theirs, kept) = pipe();
    send(a, b"", &[mine]).unwrap();
    write(a, with_context(3)).unwrap();
    send(b, b"still arrives", &[theirs]).unwrap();
    close(b).unwrap();
    assert_eq!(callbacks(), [Callback::Destroy(3)]);
    assert_eq!(satisfied(peer), C);
    let (bytes, handles) = receive(a).unwrap();
    assert_eq!(bytes, b"still arrives");
    send(kept, b"x", &[]).unwrap();
    assert_eq!(receive(handles[0]).unwrap().0, b"x");
    close_all(&[a, peer, kept, handles[0]]);
}

// ---- fusing ----------------------------------------------------------------------------------------------

#[test]
fn fusing_closes_what_it_is_given_whatever_that_is() {
    for first in Kind::ALL {
        for second in Kind::ALL {
            let made = [first.make(), second.make()];
            let are_pipes = first == Kind::Pipe && second == Kind::Pipe;
            let expected = if are_pipes { OK } else { INVALID_ARGUMENT };
            assert_eq!(MojoFuseMessagePipes(made[0].handle, made[1].handle), expected, "{first:?} with {second:?}");
            for Made { handle, peer } in &made {
                assert!(!is_live(*handle));
                assert!(*peer == 0 || (satisfied(*peer) == C) != are_pipes);
            }
        }
        for dead in dead_handles() {
            let made = [first.make(), first.make()];
            assert_eq!(MojoFuseMessagePipes(made[0].handle, dead), INVALID_ARGUMENT, "{first:?}");
            assert_eq!(MojoFuseMessagePipes(dead, made[1].handle), INVALID_ARGUMENT, "{first:?}");
            assert!(made.iter().all(|made| !is_live(made.handle)));
        }
    }
}

#[test]
fn ends_that_cannot_be_fused_are_closed() {
    let (a, b) = pipe();
    assert_eq!(MojoFuseMessagePipes(b, b), INVALID_ARGUMENT);
    assert_eq!(signals(a), Ok((C, C)));
    close(a).unwrap();

    let (a, b) = pipe();
    assert_eq!(MojoFuseMessagePipes(a, b), FAILED_PRECONDITION);
    assert!(!is_live(a) && !is_live(b));

    for first_has_sent in [false, true] {
        let (a, b) = pipe();
        let (c, d) = pipe();
        send(if first_has_sent { b } else { c }, b"", &[]).unwrap();
        assert_eq!(MojoFuseMessagePipes(b, c), FAILED_PRECONDITION);
        assert_eq!((satisfied(a) & C, satisfied(d) & C), (C, C));
        close_all(&[a, d]);
    }
}

#[test]
fn failed_writes_and_received_messages_do_not_prevent_fusing() {
    let (a, b) = pipe();
    let (c, d) = pipe();
    send(a, b"", &[]).unwrap();
    receive(b).unwrap();
    assert_eq!(write(b, message()), Err(NOT_FOUND));
    assert_eq!(MojoWriteMessage(b, 0, 0), INVALID_ARGUMENT);
    assert_eq!(MojoFuseMessagePipes(b, c), OK);
    close_all(&[a, d]);
}

#[test]
fn fused_pipes_are_one_and_nothing_is_lost_or_reordered() {
    for context_first in [false, true] {
        let (a, b) = pipe();
        let (c, d) = pipe();
        let w = watcher();
        watch(w, b, R, 1).unwrap();
        watch(w, c, R, 2).unwrap();
        if context_first {
            write(a, with_context(7)).unwrap();
        }
        send(a, b"a1", &[]).unwrap();
        send(a, b"a2", &[]).unwrap();
        send(d, b"d1", &[]).unwrap();
        assert_eq!(MojoFuseMessagePipes(b, c), OK);
        assert_eq!(callbacks(), [cancelled(1), cancelled(2)]);
        send(a, b"a3", &[]).unwrap();
        send(d, b"d2", &[]).unwrap();
        assert_eq!((signals(a), signals(d)), (Ok((R | W, END)), Ok((R | W, END))));
        if context_first {
            let message = read(d).unwrap();
            assert_eq!(context_of(message, RELEASE), Ok(7));
            destroy(message).unwrap();
        }
        for (end, texts) in [(d, ["a1", "a2", "a3"].as_slice()), (a, ["d1", "d2"].as_slice())] {
            for text in texts {
                assert_eq!(receive(end).unwrap().0, text.as_bytes());
            }
            assert_eq!(read(end), Err(SHOULD_WAIT));
        }
        close(a).unwrap();
        assert_eq!(signals(d), Ok((C, C)));
        close_all(&[d, w]);
    }
}

#[test]
fn what_an_end_sent_before_it_closed_comes_through_a_later_fuse() {
    for has_sent in [false, true] {
        let (a, b) = pipe();
        let (c, d) = pipe();
        if has_sent {
            send(a, b"last words", &[]).unwrap();
        }
        close(a).unwrap();
        assert_eq!(MojoFuseMessagePipes(b, c), OK);
        if has_sent {
            assert_eq!(signals(d), Ok((R | C, R | C)));
            assert_eq!(receive(d).unwrap().0, b"last words");
        }
        assert_eq!(signals(d), Ok((C, C)));
        assert_eq!(read(d), Err(FAILED_PRECONDITION));
        close(d).unwrap();
    }
}

#[test]
fn armed_watchers_hear_of_what_a_fuse_brings() {
    let (a, b) = pipe();
    let (c, d) = pipe();
    let w = watcher();
    watch(w, d, R, 1).unwrap();
    arm(w).unwrap();
    send(a, b"x", &[]).unwrap();
    assert_eq!(callbacks(), []);
    assert_eq!(MojoFuseMessagePipes(b, c), OK);
    assert_eq!(callbacks(), [Callback::Notified(1, OK, (R | W, END))]);
    close_all(&[a, d, w]);
}

// ---- complaining -----------------------------------------------------------------------------------------

#[test]
fn a_bad_message_is_reported_word_for_word_and_stays_with_the_caller() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = heard.clone();
    // Other tests complain too, in other words.
    let handler = move |error: &ProcessError| {
        if error.message.starts_with("from message_pipes") || error.message.is_empty() {
            log.lock().unwrap().push((std::thread::current().id(), error.clone()));
        }
    };
    Node::process().set_default_error_handler(Some(Arc::new(handler)));
    let (a, b) = pipe();
    send(a, b"bad", &[]).unwrap();
    let message = read(b).unwrap();
    let text = b"from message_pipes, with more behind";
    assert_eq!(calls::notify_bad_message(message, Some(text), 18), OK);
    assert_eq!(calls::notify_bad_message(message, None, 0), OK);
    assert_eq!(calls::notify_bad_message(message, Some(text), 0), OK);
    let expected = ["from message_pipes", "", ""]
        .map(|text| (std::thread::current().id(), ProcessError { message: text.to_owned(), disconnected: false }));
    assert_eq!(*heard.lock().unwrap(), expected);
    assert_eq!(calls::notify_bad_message(message, None, 1), INVALID_ARGUMENT);
    assert_eq!(calls::notify_bad_message(0, Some(text), 18), INVALID_ARGUMENT);
    assert_eq!(take(message), Ok((b"bad".to_vec(), vec![])));
    Node::process().set_default_error_handler(None);
    assert_eq!(calls::notify_bad_message(message, Some(text), 18), OK);
    assert_eq!(heard.lock().unwrap().len(), 3);
    destroy(message).unwrap();
    close_all(&[a, b]);
}
