//! Contexts of messages: who serializes them, who destroys them, when, and how often.

use crate::callbacks::*;
use crate::support::*;
use mojo_system::*;
use std::cell::RefCell;
use std::rc::Rc;

/// Attaches a payload with text.
fn serialize_as(context: usize, text: &'static [u8]) {
    react(context, move |callback| {
        if let Callback::Serialize(_, message) = callback {
            attach(message, text.len(), &[]).unwrap().write(0, text);
        }
    });
}

/// The callbacks without the message handles, which differ.
fn calls() -> Vec<&'static str> {
    let name = |callback| match callback {
        Callback::Serialize(..) => "serialize",
        Callback::Destroy(_) => "destroy",
        Callback::Notified(_, OK, _) => "notify",
        Callback::Notified(_, CANCELLED, _) => "cancel",
        Callback::Notified(..) => "notify of a failure",
    };
    callbacks().into_iter().map(name).collect()
}

#[test]
fn a_context_arrives_as_it_is() {
    let (a, b) = pipe();
    write(a, with_context(usize::MAX)).unwrap();
    let message = read(b).unwrap();
    assert_eq!(context_of(message, 0), Ok(usize::MAX));
    assert_eq!(look(message), Err(FAILED_PRECONDITION));
    assert_eq!(context_of(message, !RELEASE), Ok(usize::MAX), "flags that mean nothing are ignored");
    assert_eq!(context_of(message, u32::MAX), Ok(usize::MAX));
    assert_eq!(context_of(message, 0), Err(NOT_FOUND));
    destroy(message).unwrap();
    assert_eq!(callbacks(), []);
    close_all(&[a, b]);
}

#[test]
fn a_released_message_is_empty_and_takes_new_contents() {
    let message = with_context(5);
    for context in [6, 7] {
        context_of(message, RELEASE).unwrap();
        assert_eq!(MojoAttachMessageContext(message, context, None), OK);
    }
    context_of(message, RELEASE).unwrap();
    attach(message, 2, &[]).unwrap();
    destroy(message).unwrap();
    assert_eq!(callbacks(), []);
}

#[test]
fn a_refused_context_stays_with_the_caller() {
    let message = with_context(5);
    let attach = |context| MojoAttachMessageContextWithDestructor(message, context, Some(serializer), Some(destructor));
    assert_eq!(attach(6), ALREADY_EXISTS);
    assert_eq!(callbacks(), []);
    destroy(message).unwrap();
    assert_eq!(callbacks(), [Callback::Destroy(5)]);
    assert_eq!(attach(6), INVALID_ARGUMENT);
    assert_eq!(callbacks(), []);
}

#[test]
fn the_destructor_runs_exactly_once_whatever_ends_the_message_and_before_the_call_returns() {
    let destroyed = |end: &dyn Fn(MojoMessageHandle)| {
        end(with_context(9));
        assert_eq!(callbacks(), [Callback::Destroy(9)]);
    };
    let (a, b) = pipe();
    destroyed(&|message| destroy(message).unwrap());
    destroyed(&|message| assert_eq!(write(0, message), Err(INVALID_ARGUMENT)));
    destroyed(&|message| {
        let w = watcher();
        assert_eq!(write(w, message), Err(INVALID_ARGUMENT));
        close(w).unwrap();
    });
    destroyed(&|message| {
        write(a, message).unwrap();
        destroy(read(b).unwrap()).unwrap();
    });
    destroyed(&|message| {
        let (c, d) = pipe();
        write(c, message).unwrap();
        close(c).unwrap();
        assert_eq!(callbacks(), [], "it can still be read");
        close(d).unwrap();
    });
    destroyed(&|message| {
        // In the queue of an end inside a message that is inside a queue.
        let (c, d) = pipe();
        let (e, f) = pipe();
        write(c, message).unwrap();
        send(e, b"", &[d]).unwrap();
        close_all(&[c, e]);
        assert_eq!(callbacks(), []);
        close(f).unwrap();
    });
    close(b).unwrap();
    destroyed(&|message| assert_eq!(write(a, message), Err(FAILED_PRECONDITION)));
    close(a).unwrap();
}

#[test]
fn without_a_destructor_a_context_is_forgotten() {
    let message = message();
    assert_eq!(MojoAttachMessageContext(message, 9, Some(serializer)), OK);
    destroy(message).unwrap();
    assert_eq!(callbacks(), []);
}

#[test]
fn serializing_calls_the_serializer_then_the_destructor_and_commits_at_the_declared_size() {
    serialize_as(9, b"as bytes");
    let message = with_context(9);
    assert_eq!(MojoSerializeMessage(message), OK);
    assert_eq!(calls(), ["serialize", "destroy"]);
    assert_eq!(context_of(message, 0), Err(NOT_FOUND));
    assert_eq!(take(message), Ok((b"as bytes".to_vec(), vec![])));
    assert_eq!(MojoSerializeMessage(message), FAILED_PRECONDITION);
    destroy(message).unwrap();
    assert_eq!(calls(), [""; 0]);
}

#[test]
fn a_serializer_may_extend_and_commit_itself() {
    react(9, |callback| {
        if let Callback::Serialize(_, message) = callback {
            attach(message, 0, &[buffer(8)]).unwrap();
            let storage = extend(message, 2, &[buffer(9)]).unwrap();
            storage.write(0, b"12345");
            commit(message, 5).unwrap();
        }
    });
    let message = with_context(9);
    assert_eq!(MojoSerializeMessage(message), OK);
    let (bytes, handles) = take(message).unwrap();
    assert_eq!((bytes.as_slice(), handles.len()), (&b"12345"[..], 2));
    destroy(message).unwrap();
    close_all(&handles);
    callbacks();
}

#[test]
fn in_the_serializer_the_message_is_empty() {
    react(9, |callback| {
        let Callback::Serialize(9, message) = callback else { return };
        assert_eq!(context_of(message, RELEASE), Err(NOT_FOUND));
        assert_eq!(MojoSerializeMessage(message), NOT_FOUND);
        assert_eq!(look(message), Err(FAILED_PRECONDITION));
        assert_eq!(extend(message, 0, &[]), Err(FAILED_PRECONDITION));
        assert_eq!(commit(message, 0), Err(FAILED_PRECONDITION));
        attach(message, 0, &[]).unwrap();
        assert_eq!(MojoSerializeMessage(message), FAILED_PRECONDITION);
    });
    let message = with_context(9);
    assert_eq!(MojoSerializeMessage(message), OK);
    destroy(message).unwrap();
    assert_eq!(calls(), ["serialize", "destroy"]);
}

#[test]
fn a_message_without_a_serializer_cannot_be_serialized_and_keeps_its_context() {
    let message = message();
    assert_eq!(MojoSerializeMessage(message), NOT_FOUND);
    assert_eq!(MojoAttachMessageContextWithDestructor(message, 9, None, Some(destructor)), OK);
    assert_eq!(MojoSerializeMessage(message), NOT_FOUND);
    assert_eq!(context_of(message, RELEASE), Ok(9));
    destroy(message).unwrap();
    assert_eq!(callbacks(), []);
}

#[test]
fn a_serializer_that_attaches_nothing_fails_and_the_message_is_empty() {
    let (producer, consumer) = data_pipe(1, 8);
    begin_write(producer, 0).unwrap();
    let rows = [
        (vec![], ABORTED),
        (vec![0], ABORTED),
        (vec![producer], BUSY),
        (vec![0, producer], BUSY),
        (vec![producer, 0], ABORTED),
    ];
    for (attempts, expected) in rows {
        react(9, move |callback| {
            if let Callback::Serialize(_, message) = callback {
                attempts.iter().for_each(|handle| assert!(attach(message, 0, &[*handle]).is_err()));
            }
        });
        let message = with_context(9);
        assert_eq!(MojoSerializeMessage(message), expected);
        assert_eq!(calls(), ["serialize", "destroy"]);
        assert_eq!(context_of(message, 0), Err(NOT_FOUND));
        attach(message, 0, &[]).unwrap();
        destroy(message).unwrap();
    }
    close_all(&[producer, consumer]);
}

#[test]
fn a_serializer_may_do_away_with_its_message() {
    for write_it in [false, true] {
        react(9, move |callback| {
            if let Callback::Serialize(_, message) = callback {
                if write_it {
                    assert_eq!(write(0, message), Err(INVALID_ARGUMENT));
                } else {
                    destroy(message).unwrap();
                }
            }
        });
        let message = with_context(9);
        assert_eq!(MojoSerializeMessage(message), INVALID_ARGUMENT);
        assert_eq!(calls(), ["serialize", "destroy"]);
        assert_eq!(destroy(message), Err(INVALID_ARGUMENT));
    }
}

#[test]
fn towards_an_end_inside_a_message_a_context_is_serialized_by_the_writer() {
    let (a, b) = pipe();
    let moving = built(b"", &[b]);

    serialize_as(9, b"as bytes");
    write(a, with_context(9)).unwrap();
    assert_eq!(calls(), ["serialize", "destroy"]);

    let message = message();
    assert_eq!(MojoAttachMessageContextWithDestructor(message, 8, None, Some(destructor)), OK);
    assert_eq!(write(a, message), Err(INVALID_ARGUMENT));
    react(7, |_| {});
    assert_eq!(write(a, with_context(7)), Err(INVALID_ARGUMENT));
    assert_eq!(calls(), ["destroy", "serialize", "destroy"]);

    let (c, d) = pipe();
    write(c, moving).unwrap();
    let (_, handles) = receive(d).unwrap();
    let b = handles[0];
    // Now it need not any more.
    write(a, with_context(9)).unwrap();
    assert_eq!(receive(b).unwrap().0, b"as bytes");
    let message = read(b).unwrap();
    assert_eq!(context_of(message, RELEASE), Ok(9));
    destroy(message).unwrap();
    assert_eq!(read(b), Err(SHOULD_WAIT));
    assert_eq!(calls(), [""; 0]);
    close_all(&[a, b, c, d]);
}

#[test]
fn a_serializer_that_attaches_the_end_it_is_written_to_makes_the_write_fail() {
    let (a, b) = pipe();
    let moving = built(b"", &[b]);
    react(9, move |callback| {
        if let Callback::Serialize(_, message) = callback {
            attach(message, 0, &[a]).unwrap();
        }
    });
    assert_eq!(write(a, with_context(9)), Err(INVALID_ARGUMENT));
    assert_eq!(calls(), ["serialize", "destroy"]);
    assert_eq!(close(a), Err(INVALID_ARGUMENT), "it was closed with the message");
    commit(moving, 0).unwrap();
    let (_, handles) = take(moving).unwrap();
    assert_eq!(signals(handles[0]), Ok((C, C)));
    close_all(&handles);
    destroy(moving).unwrap();
}

#[test]
fn what_a_serializer_or_a_destructor_causes_is_notified_when_the_call_around_it_is_over() {
    let (a, b) = pipe();
    let w = watcher();
    watch(w, b, R, 1).unwrap();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = seen.clone();
    react(9, move |callback| {
        if let Callback::Serialize(_, message) = callback {
            attach(message, 0, &[]).unwrap();
        }
        send(a, b"", &[]).unwrap();
        log.borrow_mut().push("sent");
    });
    let log = seen.clone();
    react(1, move |_| log.borrow_mut().push("notified"));

    let message = with_context(9);
    arm(w).unwrap();
    assert_eq!(MojoSerializeMessage(message), OK);
    assert_eq!(seen.take(), ["sent", "sent", "notified"]);
    assert_eq!(calls(), ["serialize", "destroy", "notify"]);

    (0..2).for_each(|_| drop(receive(b).unwrap()));
    arm(w).unwrap();
    destroy(message).unwrap();
    destroy(with_context(9)).unwrap();
    assert_eq!(seen.take(), ["sent", "notified"]);
    assert_eq!(calls(), ["destroy", "notify"]);
    close_all(&[a, b, w]);
}
