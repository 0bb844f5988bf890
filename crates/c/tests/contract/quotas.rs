//! Quotas: setting, querying, what they refuse and what they report.

use crate::callbacks::*;
use crate::calls;
use crate::support::*;
use mojo_system::*;

const RECEIVED: u32 = 0;
const RECEIVED_BYTES: u32 = 1;
const SENT: u32 = 2;
const SENT_BYTES: u32 = 3;
const TYPES: [u32; 4] = [RECEIVED, RECEIVED_BYTES, SENT, SENT_BYTES];

const NONE: u64 = u64::MAX;
const EXCEEDED: u32 = 1 << 5;

fn set(handle: MojoHandle, quota_type: u32, limit: u64) -> Outcome<()> {
    outcome(calls::set_quota(handle, quota_type, limit, None))
}

fn enforce(handle: MojoHandle, quota_type: u32, limit: u64) -> Outcome<()> {
    outcome(calls::set_quota(handle, quota_type, limit, Some(&options(8, &[SET_QUOTA_FLAG_ENFORCE]))))
}

/// The limit and the usage.
fn query(handle: MojoHandle, quota_type: u32) -> Outcome<(u64, u64)> {
    outputs((7, 7), |limit, usage| calls::query_quota(handle, quota_type, None, Some(limit), Some(usage)))
}

fn exceeds(handle: MojoHandle) -> bool {
    satisfied(handle) & EXCEEDED != 0
}

#[test]
fn only_message_pipes_have_quotas_and_only_of_known_types() {
    let _watchdog = watchdog();
    let (producer, consumer) = data_pipe(1, 8);
    let others = [watcher(), buffer(8), invitation(), producer, consumer];
    for handle in dead_handles().into_iter().chain(others) {
        for quota_type in TYPES {
            assert_eq!(set(handle, quota_type, 1), Err(INVALID_ARGUMENT));
            assert_eq!(query(handle, quota_type), Err(INVALID_ARGUMENT));
        }
    }
    let (a, b) = pipe();
    for quota_type in [4, 5, u32::MAX] {
        assert_eq!(set(a, quota_type, 1), Err(INVALID_ARGUMENT));
        assert_eq!(query(a, quota_type), Err(INVALID_ARGUMENT));
    }
    close_all(&others);
    close_all(&[a, b]);
}

#[test]
fn options_and_outputs_are_optional_and_a_limit_is_what_was_set_last() {
    let _watchdog = watchdog();
    for quota_type in TYPES {
        let (a, b) = pipe();
        assert_eq!(query(a, quota_type), Ok((NONE, 0)));
        for (options, expected) in options_rows(SET_QUOTA_FLAG_ENFORCE) {
            for code in anywhere(options.as_deref(), |options| calls::set_quota(a, quota_type, 9, options)) {
                assert_eq!(code, expected);
            }
        }
        for (options, expected) in options_rows(0) {
            for code in anywhere(options.as_deref(), |options| calls::query_quota(a, quota_type, options, None, None)) {
                assert_eq!(code, expected);
            }
        }
        for limit in [0, 5, 3, NONE] {
            assert_eq!(set(a, quota_type, limit), Ok(()));
            assert_eq!(query(a, quota_type), Ok((limit, 0)));
        }
        assert_eq!(enforce(a, quota_type, 0), Err(INVALID_ARGUMENT));
        assert_eq!(enforce(a, quota_type, 4), Ok(()));
        assert_eq!(query(a, quota_type), Ok((4, 0)));
        assert_eq!(set(a, quota_type, 6), Ok(()));
        assert_eq!(query(a, quota_type), Ok((6, 0)));
        close_all(&[a, b]);
    }
}

#[test]
fn a_handle_has_the_signal_from_its_first_quota_on() {
    let _watchdog = watchdog();
    let (a, b) = pipe();
    assert_eq!(signals(a), Ok((W, R | W | C)));
    set(a, SENT, 0).unwrap();
    assert_eq!(signals(a), Ok((W, R | W | C | EXCEEDED)));
    send(a, b"one", &[]).unwrap();
    assert_eq!((exceeds(a), signals(b)), (true, Ok((R | W, R | W | C))));
    close(b).unwrap();
    assert_eq!(signals(a), Ok((C | EXCEEDED, C | EXCEEDED)));
    close(a).unwrap();
}

#[test]
fn what_is_unread_is_counted_exactly_and_reported_when_it_is_more_than_the_limit() {
    let _watchdog = watchdog();
    let (a, b) = pipe();
    send(a, b"before", &[]).unwrap();
    set(b, RECEIVED, 2).unwrap();
    set(b, RECEIVED_BYTES, 20).unwrap();
    assert_eq!((query(b, RECEIVED), query(b, RECEIVED_BYTES)), (Ok((2, 1)), Ok((20, 6))));
    let w = watcher();
    watch(w, b, EXCEEDED, 1).unwrap();
    arm(w).unwrap();
    send(a, b"", &[]).unwrap();
    assert_eq!((exceeds(b), callbacks().len()), (false, 0));
    send(a, b"", &[]).unwrap();
    // Within the call.
    assert_eq!((exceeds(b), callbacks().len()), (true, 1));
    receive(b).unwrap();
    assert_eq!((exceeds(b), query(b, RECEIVED), query(b, RECEIVED_BYTES)), (false, Ok((2, 2)), Ok((20, 0))));
    set(b, RECEIVED, NONE).unwrap();
    send(a, &[0; 20], &[]).unwrap();
    assert!(!exceeds(b));
    send(a, &[0; 1], &[]).unwrap();
    assert!(exceeds(b));
    set(b, RECEIVED_BYTES, 21).unwrap();
    assert!(!exceeds(b));
    close_all(&[w, a, b]);
    callbacks();
}

#[test]
fn what_the_other_end_has_not_read_is_counted_in_steps_of_half_the_limit() {
    let _watchdog = watchdog();
    let (a, b) = pipe();
    set(a, SENT, 4).unwrap();
    for number in 1..=5 {
        assert!(!exceeds(a));
        send(a, b"text", &[]).unwrap();
        assert_eq!((query(a, SENT), query(a, SENT_BYTES)), (Ok((4, number)), Ok((NONE, 4 * number))));
    }
    assert!(exceeds(a));
    receive(b).unwrap();
    assert!(exceeds(a), "half of the limit is not read");
    receive(b).unwrap();
    assert_eq!((exceeds(a), query(a, SENT)), (false, Ok((4, 3))));
    (0..2).for_each(|_| drop(receive(b).unwrap()));
    assert_eq!(query(a, SENT), Ok((4, 1)));
    close_all(&[a, b]);
}

#[test]
fn an_enforced_quota_refuses_writing_until_enough_is_read() {
    let _watchdog = watchdog();
    let (a, b) = pipe();
    enforce(a, SENT, 2).unwrap();
    let (mine, peer) = pipe();
    (0..2).for_each(|_| send(a, b"text", &[]).unwrap());
    assert_eq!(signals(a), Ok((0, R | W | C | EXCEEDED)));
    assert_eq!(send(a, b"more", &[mine]), Err(SHOULD_WAIT));
    assert_eq!(satisfied(peer), C, "the message is destroyed");
    let w = watcher();
    watch(w, a, W, 1).unwrap();
    arm(w).unwrap();
    receive(b).unwrap();
    assert_eq!((satisfied(a), callbacks().len()), (W, 1));
    send(a, b"more", &[]).unwrap();
    assert_eq!(send(a, b"even more", &[]), Err(SHOULD_WAIT));
    set(a, SENT, NONE).unwrap();
    (0..100).for_each(|_| send(a, b"free", &[]).unwrap());
    close_all(&[w, a, b, peer]);
    callbacks();
}

#[test]
fn an_enforced_quota_on_what_is_unread_closes_the_pipe() {
    let _watchdog = watchdog();
    let (a, b) = pipe();
    enforce(b, RECEIVED_BYTES, 8).unwrap();
    (0..2).for_each(|_| send(a, b"text", &[]).unwrap());
    let _ = send(a, b"more", &[]);
    assert_eq!((satisfied(a), satisfied(b)), (C, R | C));
    (0..2).for_each(|_| assert_eq!(receive(b).unwrap().0, b"text"));
    assert_eq!(read(b), Err(FAILED_PRECONDITION));
    close_all(&[a, b]);
}
