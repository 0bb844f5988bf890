//! Handles of all kinds: closing, asking for signals, values that name nothing or the wrong thing; the clock, and
//! properties.

use crate::callbacks::*;
use crate::calls::{self, Payload, Spelling, Unwrapped};
use crate::support::*;
use mojo_system::*;
use std::collections::HashSet;
use std::time::{Duration, Instant};

#[test]
fn the_clock_counts_microseconds_and_never_goes_back() {
    let outer = Instant::now();
    let first = MojoGetTimeTicksNow();
    let inner = Instant::now();
    assert!(first > 0);
    let mut last = first;
    while inner.elapsed() < Duration::from_millis(15) {
        let now = MojoGetTimeTicksNow();
        assert!(now >= last);
        last = now;
    }
    let at_least = inner.elapsed().as_micros() as i64;
    let ticks = MojoGetTimeTicksNow() - first;
    let at_most = outer.elapsed().as_micros() as i64;
    assert!((at_least - 1..=at_most + 1).contains(&ticks), "{at_least} {ticks} {at_most}");
}

#[test]
fn a_property_is_one_byte_and_unknown_ones_are_refused() {
    let mut bytes = [0xEE; 3];
    assert_eq!(calls::get_property(0, Some(&mut bytes[1])), OK);
    assert_eq!(bytes, [0xEE, 1, 0xEE]);
    for property in [1, 2, 1 << 31, u32::MAX] {
        assert_eq!(calls::get_property(property, Some(&mut bytes[0])), INVALID_ARGUMENT);
        assert_eq!(calls::get_property(property, None), INVALID_ARGUMENT);
    }
    assert_eq!(calls::get_property(0, None), INVALID_ARGUMENT);
    assert_eq!(bytes, [0xEE, 1, 0xEE]);
}

#[test]
fn a_handle_of_any_kind_is_closed_once() {
    for kind in Kind::ALL {
        let made = kind.make();
        assert_eq!(close(made.handle), Ok(()), "{kind:?}");
        for _ in 0..2 {
            assert_eq!(close(made.handle), Err(INVALID_ARGUMENT), "{kind:?}");
            assert_eq!(signals(made.handle), Err(INVALID_ARGUMENT), "{kind:?}");
        }
    }
}

#[test]
fn handles_without_signals_have_empty_ones() {
    for kind in Kind::ALL {
        let made = kind.make();
        assert_eq!(signals(made.handle).unwrap() == (0, 0), !kind.has_signals(), "{kind:?}");
        assert_eq!(calls::query_signals(made.handle, None), INVALID_ARGUMENT);
    }
    assert_eq!(calls::query_signals(0, None), INVALID_ARGUMENT);
}

#[test]
fn values_of_handles_are_not_given_out_again_soon() {
    let mut seen = HashSet::new();
    for _ in 0..100_000 {
        let handle = watcher();
        assert!(handle != 0 && seen.insert(handle), "{handle:x} has come again");
        close(handle).unwrap();
    }
}

/// A function with one handle as its object; all else that it is given is fine.
type Function = fn(MojoHandle) -> MojoResult;

/// Every function that takes a handle and leaves it alone if it refuses it, with the kinds that it takes.
const FUNCTIONS: [(&str, &[Kind], Function); 19] = [
    ("read message", &[Kind::Pipe], |pipe| code(read(pipe))),
    ("write message", &[Kind::Pipe], |pipe| code(send(pipe, b"", &[]))),
    ("write data", &[Kind::Producer], |producer| code(write_data(producer, b"x", 0))),
    ("write no data", &[Kind::Producer], |producer| code(write_data(producer, b"", 0))),
    ("begin to write", &[Kind::Producer], |producer| code(begin_write(producer, 0))),
    ("end to write", &[Kind::Producer], |producer| code(end_write(producer, 0))),
    ("read data", &[Kind::Consumer], |consumer| code(read_data(consumer, 1, 0))),
    ("query data", &[Kind::Consumer], |consumer| code(available(consumer))),
    ("begin to read", &[Kind::Consumer], |consumer| code(begin_read(consumer, 0))),
    ("end to read", &[Kind::Consumer], |consumer| code(end_read(consumer, 0))),
    ("duplicate", &[Kind::Buffer], |buffer| code(duplicate(buffer, 0).and_then(close))),
    ("map", &[Kind::Buffer], |buffer| code(map(buffer, 0, 1).and_then(unmap))),
    ("watch", &[Kind::Watcher], |watcher| {
        let (a, b) = pipe();
        let code = code(watch(watcher, a, R, 1));
        close_all(&[a, b]);
        code
    }),
    ("be watched", &[Kind::Pipe, Kind::Producer, Kind::Consumer], |handle| {
        let watcher = watcher();
        let code = code(watch(watcher, handle, R, 1));
        close(watcher).unwrap();
        code
    }),
    ("cancel", &[Kind::Watcher], |watcher| code(cancel(watcher, 1))),
    ("arm", &[Kind::Watcher], |watcher| arm(watcher).map_or_else(|(code, _)| code, |()| OK)),
    ("arm without outputs", &[Kind::Watcher], |watcher| calls::arm(watcher, None, None, None, None)),
    ("attach to invitation", &[Kind::Invitation], |invitation| {
        let end = output(STALE, |handle| calls::attach_to_invitation(invitation, Some(b"x"), 1, None, Some(handle)));
        code(end.and_then(close))
    }),
    ("extract from invitation", &[Kind::Invitation], |invitation| {
        code(output(STALE, |handle| calls::extract_from_invitation(invitation, Some(b"y"), 1, None, Some(handle))))
    }),
];

#[test]
fn a_value_that_names_nothing_or_the_wrong_thing_is_refused_by_every_function_and_left_alone() {
    for (name, takes, function) in FUNCTIONS {
        for dead in dead_handles() {
            assert_eq!(function(dead), INVALID_ARGUMENT, "{name} with {dead:x}");
        }
        for kind in Kind::ALL {
            let made = kind.make();
            let before = signals(made.handle);
            let code = function(made.handle);
            if takes.contains(&kind) {
                assert_ne!(code, INVALID_ARGUMENT, "{name} with {kind:?}");
            } else {
                assert_eq!(code, INVALID_ARGUMENT, "{name} with {kind:?}");
                assert_eq!(signals(made.handle), before);
            }
        }
    }
    callbacks();
}

/// Every way in which a handle ends, other than by being closed.
const ENDS: [(&str, Function); 5] = [
    ("fused", |pipe| MojoFuseMessagePipes(pipe, 0)),
    ("unwrapped", |handle| code(unwrap(handle))),
    ("unwrapped as a buffer", |handle| {
        calls::unwrap_buffer(
            Spelling::Documented,
            handle,
            Unwrapped { platform_handle: None, num_bytes: None, guid: None, flags: None },
        )
    }),
    ("attached", |handle| {
        let message = message();
        let code = code(attach(message, 0, &[handle]));
        destroy(message).unwrap();
        code
    }),
    ("attached later", |handle| {
        let message = built(b"", &[]);
        let code = code(extend(message, 0, &[handle]));
        destroy(message).unwrap();
        code
    }),
];

#[test]
fn a_handle_that_was_given_away_names_nothing() {
    for (name, end) in ENDS {
        for kind in Kind::ALL {
            let made = kind.make();
            end(made.handle);
            if name.starts_with("attached") && !kind.is_transferable() {
                assert!(is_live(made.handle));
                continue;
            }
            for (function_name, _, function) in FUNCTIONS {
                assert_eq!(function(made.handle), INVALID_ARGUMENT, "{function_name} after being {name}");
            }
            assert_eq!(close(made.handle), Err(INVALID_ARGUMENT));
            if kind.has_signals() {
                assert_eq!(satisfied(made.peer) & C, C, "{kind:?} {name} is closed");
            }
        }
    }
    callbacks();
}

#[test]
fn attaching_takes_no_value_that_names_nothing() {
    for dead in dead_handles() {
        let message = message();
        let (mut buffer, mut buffer_size) = (stale_address(), STALE_SIZE);
        let payload = Payload {
            num_bytes: 0,
            handles: Some(&[dead]),
            num_handles: 1,
            buffer: Some(&mut buffer),
            buffer_size: Some(&mut buffer_size),
        };
        assert_eq!(calls::attach_buffer(message, payload), INVALID_ARGUMENT);
        assert_eq!((buffer, buffer_size), (stale_address(), STALE_SIZE));
        destroy(message).unwrap();
    }
}

// ---- what closing does -----------------------------------------------------------------------------------

#[test]
fn closing_ends_every_watch_on_what_is_closed() {
    for kind in Kind::ALL.into_iter().filter(|kind| kind.has_signals()) {
        for armed in [false, true] {
            let made = kind.make();
            let (first, second) = (watcher(), watcher());
            watch(first, made.handle, C, 1).unwrap();
            watch(second, made.handle, C, 2).unwrap();
            if armed {
                arm(first).unwrap();
                arm(second).unwrap();
            }
            close(made.handle).unwrap();
            assert_eq!(callbacks(), [cancelled(1), cancelled(2)], "{kind:?}");
            close_all(&[first, second]);
        }
    }
}

#[test]
fn closing_abandons_a_two_phase_operation() {
    let (producer, consumer) = data_pipe(1, 8);
    write_data(producer, b"ab", 0).unwrap();
    begin_write(producer, 0).unwrap().write(0, b"never");
    close(producer).unwrap();
    assert_eq!(read_data(consumer, 8, 0).unwrap(), b"ab");
    assert_eq!(read_data(consumer, 8, 0), Err(FAILED_PRECONDITION));
    close(consumer).unwrap();

    let (producer, consumer) = data_pipe(1, 8);
    write_data(producer, b"ab", 0).unwrap();
    begin_read(consumer, 0).unwrap();
    close(consumer).unwrap();
    assert_eq!(write_data(producer, b"", 0), Err(FAILED_PRECONDITION));
    close(producer).unwrap();
}

#[test]
fn closing_the_last_handle_of_a_buffer_leaves_its_mappings() {
    let handle = buffer(100);
    let mapping = map(handle, 0, 100).unwrap();
    close(handle).unwrap();
    mapping.write(99, b"x");
    assert_eq!(mapping.bytes()[99], b'x');
    unmap(mapping).unwrap();
}
