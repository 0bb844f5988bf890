//! Handles inside messages: going in, staying out, coming out.

use crate::callbacks::*;
use crate::calls;
use crate::support::*;
use mojo_system::*;

/// An object that cannot be attached, why, and a check that it is as it was.
struct Unfit {
    what: &'static str,
    handle: MojoHandle,
    expected: MojoResult,
    _made: Option<Made>,
}

impl Unfit {
    /// One of every sort. `listed` is in the list already.
    fn all(listed: MojoHandle) -> Vec<Self> {
        let of = |what, kind: Kind, expected| {
            let made = kind.make();
            Self { what, handle: made.handle, expected, _made: Some(made) }
        };
        let mut all = vec![
            Self { what: "listed twice", handle: listed, expected: BUSY, _made: None },
            of("a watcher", Kind::Watcher, INVALID_ARGUMENT),
            of("an invitation", Kind::Invitation, INVALID_ARGUMENT),
            of("a producer in use", Kind::Producer, BUSY),
            of("a consumer in use", Kind::Consumer, BUSY),
        ];
        for handle in dead_handles() {
            all.push(Self { what: "nothing", handle, expected: INVALID_ARGUMENT, _made: None });
        }
        for unfit in &all {
            match unfit.what {
                "a producer in use" => assert!(begin_write(unfit.handle, 0).is_ok()),
                "a consumer in use" => {
                    write_data(unfit._made.as_ref().unwrap().peer, b"data", 0).unwrap();
                    assert!(begin_read(unfit.handle, 0).is_ok());
                }
                _ => {}
            }
        }
        all
    }

    fn check(&self) {
        match self.what {
            "a producer in use" => end_write(self.handle, 1).unwrap(),
            "a consumer in use" => end_read(self.handle, 1).unwrap(),
            "nothing" => assert!(!is_live(self.handle)),
            _ => assert!(is_live(self.handle), "{}", self.what),
        }
    }
}

/// Attaches to an empty message, or adds to one that has something.
fn try_both_ways(handles: &[MojoHandle], expected: MojoResult, what: &str) {
    let empty = message();
    assert_eq!(attach(empty, 7, handles).err(), Some(expected), "{what}");
    assert_eq!(look(empty).err(), Some(FAILED_PRECONDITION));
    attach(empty, 7, &[]).unwrap();

    let (kept, peer) = pipe();
    let growing = built(b"text", &[kept]);
    assert_eq!(extend(growing, 400, handles).err(), Some(expected), "{what}");
    // Neither the size nor what was attached before has changed.
    commit(growing, 4).unwrap();
    let (bytes, earlier) = take(growing).unwrap();
    assert_eq!(bytes, b"text");
    send(peer, b"still connected", &[]).unwrap();
    assert_eq!(receive(earlier[0]).unwrap().0, b"still connected");
    close_all(&[peer, earlier[0]]);
    destroy(empty).unwrap();
    destroy(growing).unwrap();
}

#[test]
fn one_unfit_handle_keeps_all_out_and_all_stay_as_they_were() {
    let count = Unfit::all(0).len();
    for number in 0..count {
        let (a, b) = pipe();
        let (producer, consumer) = data_pipe(1, 8);
        write_data(producer, b"abc", 0).unwrap();
        let w = watcher();
        watch(w, a, R, 1).unwrap();
        watch(w, consumer, C, 2).unwrap();
        arm(w).unwrap();
        let unfit = Unfit::all(a).swap_remove(number);

        try_both_ways(&[a, unfit.handle, consumer], unfit.expected, unfit.what);

        assert_eq!(callbacks(), [], "{}: no watch has ended", unfit.what);
        unfit.check();
        assert_eq!(signals(a), Ok((W, R | W | C)));
        assert_eq!(signals(consumer), Ok((R | N, R | N | C)));
        assert_eq!(read_data(consumer, 3, 0).unwrap(), b"abc");
        send(b, b"hello", &[]).unwrap();
        assert_eq!(callbacks(), [Callback::Notified(1, OK, (R | W, R | W | C))]);
        assert_eq!(receive(a).unwrap().0, b"hello");
        close_all(&[a, b, producer, consumer, w]);
        callbacks();
    }
}

#[test]
fn of_several_unfit_handles_the_first_decides() {
    let (a, b) = pipe();
    for first in &Unfit::all(a) {
        for second in &Unfit::all(a) {
            try_both_ways(&[a, first.handle, second.handle], first.expected, first.what);
        }
    }
    close_all(&[a, b]);
}

#[test]
fn handles_are_gone_as_soon_as_they_are_attached_and_have_other_values_when_they_arrive() {
    for extending in [false, true] {
        let kinds = Kind::ALL.into_iter().filter(|kind| kind.is_transferable());
        let made: Vec<Made> = kinds.map(Kind::make).collect();
        let handles: Vec<MojoHandle> = made.iter().map(|made| made.handle).collect();
        let message = message();
        attach(message, 1, if extending { &[] } else { &handles }).unwrap();
        if extending {
            extend(message, 1, &handles).unwrap();
        }
        for handle in &handles {
            assert_eq!(signals(*handle), Err(INVALID_ARGUMENT));
            assert_eq!(close(*handle), Err(INVALID_ARGUMENT));
            assert_eq!(attach(message, 0, &[*handle]), Err(ALREADY_EXISTS));
            assert_eq!(extend(message, 1, &[*handle]), Err(INVALID_ARGUMENT));
        }
        let (a, b) = pipe();
        write(a, message).unwrap();
        let (_, arrived) = receive(b).unwrap();
        assert!(arrived.iter().all(|handle| is_live(*handle) && !handles.contains(handle)));
        assert_eq!(arrived.len(), handles.len());
        // Each is of the kind that it was.
        assert_eq!(write_data(arrived[1], b"x", 0), Ok(1));
        assert_eq!(available(arrived[2]), Ok(0));
        assert!(map(arrived[3], 0, 64).and_then(unmap).is_ok());
        assert_eq!(unwrap(arrived[4]), Ok((0, u64::MAX)));
        close_all(&[a, b, arrived[0], arrived[1], arrived[2], arrived[3]]);
    }
}

#[test]
fn watches_end_when_what_they_watch_is_attached() {
    for extending in [false, true] {
        let (a, b) = pipe();
        let (producer, consumer) = data_pipe(1, 8);
        let w = watcher();
        for (context, handle) in [(1, b), (2, producer), (3, consumer)] {
            watch(w, handle, C, context).unwrap();
        }
        arm(w).unwrap();
        let message = if extending { built(b"", &[]) } else { message() };
        let call = if extending { extend } else { attach };
        call(message, 0, &[b, producer, consumer]).unwrap();
        let mut ended = callbacks();
        ended.sort_by_key(|callback| format!("{callback:?}"));
        assert_eq!(ended, [cancelled(1), cancelled(2), cancelled(3)]);
        assert_eq!(arm(w), Err((NOT_FOUND, vec![])));
        destroy(message).unwrap();
        close_all(&[a, w]);
    }
}

#[test]
fn what_is_attached_is_closed_with_its_message_wherever_that_ends() {
    let gone = |end: &dyn Fn(MojoMessageHandle)| {
        let (a, b) = pipe();
        let (producer, consumer) = data_pipe(1, 8);
        end(committed(b"x", &[a, producer]));
        assert_eq!(satisfied(b), C);
        assert_eq!(satisfied(consumer), C);
        close_all(&[b, consumer]);
    };
    gone(&|message| destroy(message).unwrap());
    gone(&|message| assert_eq!(write(0, message), Err(INVALID_ARGUMENT)));
    gone(&|message| {
        let (a, b) = pipe();
        close(b).unwrap();
        assert_eq!(write(a, message), Err(FAILED_PRECONDITION));
        close(a).unwrap();
    });
    gone(&|message| {
        let (a, b) = pipe();
        write(a, message).unwrap();
        close_all(&[a, b]);
    });
    gone(&|message| {
        // In a message that is in a message.
        let (a, b) = pipe();
        write(a, message).unwrap();
        let outer = built(b"", &[b]);
        destroy(outer).unwrap();
        assert_eq!(satisfied(a), C);
        close(a).unwrap();
    });
    gone(&|message| {
        let (_, handles) = take(message).unwrap();
        close_all(&handles);
        destroy(message).unwrap();
    });
}

#[test]
fn an_end_loses_nothing_in_a_message() {
    let (a, b) = pipe();
    send(a, b"before", &[]).unwrap();
    let moving = built(b"", &[b]);
    send(a, b"meanwhile", &[]).unwrap();
    let (c, d) = pipe();
    write(c, moving).unwrap();
    send(a, b"on the way", &[]).unwrap();
    assert_eq!(signals(a), Ok((W, R | W | C)), "the peer is neither closed nor remote");
    let (_, handles) = receive(d).unwrap();
    send(a, b"after", &[]).unwrap();
    close(a).unwrap();
    let b = pass(handles[0]);
    for expected in ["before", "meanwhile", "on the way", "after"] {
        assert_eq!(receive(b).unwrap().0, expected.as_bytes());
    }
    assert_eq!(signals(b), Ok((C, C)));
    close_all(&[b, c, d]);
}

#[test]
fn an_end_that_has_sent_still_has_when_it_arrives() {
    for has_sent in [false, true] {
        let (a, b) = pipe();
        let (c, d) = pipe();
        if has_sent {
            send(b, b"", &[]).unwrap();
        }
        let b = pass(b);
        let expected = if has_sent { FAILED_PRECONDITION } else { OK };
        assert_eq!(MojoFuseMessagePipes(b, c), expected);
        close_all(&[a, d]);
    }
}

// ---- taking contents out ---------------------------------------------------------------------------------

/// Which outputs are given; for the handles, whether there is an array and for how many, if that is said at all.
#[derive(Clone, Copy, Debug)]
struct Given {
    buffer: bool,
    num_bytes: bool,
    handles: bool,
    room: Option<u32>,
}

fn all_given() -> Vec<Given> {
    let mut all = Vec::new();
    for buffer in [false, true] {
        for num_bytes in [false, true] {
            for handles in [false, true] {
                for room in [None, Some(0), Some(1), Some(2), Some(3)] {
                    all.push(Given { buffer, num_bytes, handles, room });
                }
            }
        }
    }
    all
}

/// What a call answers and stores, by the documented steps. `None` means untouched.
#[derive(Debug, Default, PartialEq)]
struct Expected {
    code: MojoResult,
    num_bytes: Option<u32>,
    /// Whether the address is null.
    buffer: Option<bool>,
    num_handles: Option<u32>,
}

fn expected(len: u32, attached: u32, is_committed: bool, is_emptied: bool, given: Given) -> Expected {
    let mut expected = Expected::default();
    expected.code = (|| {
        if given.room.unwrap_or(0) > 0 && !given.handles {
            return INVALID_ARGUMENT;
        }
        if !is_committed {
            return FAILED_PRECONDITION;
        }
        expected.num_bytes = given.num_bytes.then_some(len);
        if len > 0 && !(given.num_bytes && given.buffer) {
            return RESOURCE_EXHAUSTED;
        }
        expected.buffer = given.buffer.then_some(len == 0);
        expected.num_handles = given.room.map(|_| attached);
        match (attached > given.room.unwrap_or(0), is_emptied) {
            (true, _) => RESOURCE_EXHAUSTED,
            (false, true) => NOT_FOUND,
            (false, false) => OK,
        }
    })();
    expected
}

fn call(message: MojoMessageHandle, given: Given) -> (Expected, Vec<MojoHandle>) {
    let (mut buffer, mut num_bytes, mut handles) = (stale_address(), STALE_SIZE, [STALE; 3]);
    let mut num_handles = given.room.unwrap_or(0);
    let code = calls::get_contents(
        message,
        given.buffer.then_some(&mut buffer),
        given.num_bytes.then_some(&mut num_bytes),
        given.handles.then_some(&mut handles[..]),
        given.room.is_some().then_some(&mut num_handles),
    );
    let taken = handles.iter().position(|handle| *handle == STALE).unwrap_or(3);
    assert!(handles[taken..].iter().all(|handle| *handle == STALE));
    // A failure in the first steps leaves the number alone; the number itself may be the same.
    let early =
        code == INVALID_ARGUMENT || code == FAILED_PRECONDITION || (given.room == Some(num_handles) && taken == 0);
    let found = Expected {
        code,
        num_bytes: (num_bytes != STALE_SIZE).then_some(num_bytes),
        buffer: (buffer != stale_address()).then_some(buffer.is_null()),
        num_handles: if early { None } else { given.room.map(|_| num_handles) },
    };
    (found, handles[..taken].to_vec())
}

#[test]
fn getting_contents_stores_and_answers_step_by_step() {
    for text in ["", "text"] {
        for attached in [0, 2] {
            for given in all_given() {
                let handles: Vec<MojoHandle> = (0..attached).map(|_| buffer(8)).collect();
                let message = built(text.as_bytes(), &handles);
                let check = |is_committed, is_emptied| {
                    let (found, taken) = call(message, given);
                    let mut expected = expected(text.len() as u32, attached, is_committed, is_emptied, given);
                    if found.num_handles.is_none() && expected.num_handles == given.room {
                        expected.num_handles = None;
                    }
                    assert_eq!(found, expected, "{text:?} with {attached}, {is_committed} {is_emptied}, {given:?}");
                    assert_eq!(taken.len() as u32, if found.code == OK { attached } else { 0 });
                    close_all(&taken);
                    found.code == OK && attached > 0
                };
                check(false, false);
                commit(message, text.len()).unwrap();
                let is_emptied = check(true, false);
                if !is_emptied {
                    close_all(&take(message).unwrap().1);
                }
                check(true, attached > 0);
                destroy(message).unwrap();
            }
        }
    }
}

#[test]
fn neither_of_the_other_states_has_contents() {
    for make in [message, || with_context(1)] {
        for given in all_given() {
            let message = make();
            let (found, _) = call(message, given);
            assert_eq!(found, expected(0, 0, false, false, given));
            destroy(message).unwrap();
        }
    }
    callbacks();
}

#[test]
fn a_payload_stays_where_it_is_from_commit_to_the_end() {
    let (a, b) = pipe();
    let message = committed(b"text", &[buffer(8)]);
    let at = look(message).unwrap().0.address;
    close_all(&take(message).unwrap().1);
    assert_eq!(look(message).unwrap().0.address, at);
    assert_eq!(take(message), Err(NOT_FOUND));
    assert_eq!(look(message).unwrap().0.bytes(), b"text");
    write(a, message).unwrap();
    // Without handles it can be had as often as one likes.
    let message = read(b).unwrap();
    for _ in 0..3 {
        assert_eq!(take(message), Ok((b"text".to_vec(), vec![])));
    }
    destroy(message).unwrap();
    close_all(&[a, b]);
}

#[test]
fn a_message_is_handed_on_from_pipe_to_pipe() {
    let pipes: Vec<_> = (0..10).map(|_| pipe()).collect();
    for contents in [Some(7), None] {
        let (mine, peer) = pipe();
        let mut message = match contents {
            Some(context) => with_context(context),
            None => built(b"text", &[mine]),
        };
        for (a, b) in &pipes {
            write(*a, message).unwrap();
            message = read(*b).unwrap();
        }
        match contents {
            Some(context) => assert_eq!(context_of(message, RELEASE), Ok(context)),
            None => {
                let (bytes, handles) = take(message).unwrap();
                assert_eq!(bytes, b"text");
                close_all(&handles);
            }
        }
        destroy(message).unwrap();
        close(peer).unwrap();
        if contents.is_some() {
            close(mine).unwrap();
        }
    }
    assert_eq!(callbacks(), []);
    pipes.into_iter().for_each(|(a, b)| close_all(&[a, b]));
}
