//! Watchers, on one thread.

use crate::callbacks::*;
use crate::calls;
use crate::support::*;
use mojo_system::*;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

const END: u32 = R | W | C;
const UNREAD: (u32, u32) = (R | W, END);

fn readable(context: usize) -> Callback {
    Callback::Notified(context, OK, UNREAD)
}

/// A watcher with watches for readability on one end each of new pipes; returns it with the other ends and these.
fn watching<const COUNT: usize>() -> (MojoHandle, [MojoHandle; COUNT], [MojoHandle; COUNT]) {
    let w = watcher();
    let pipes = [(); COUNT].map(|()| pipe());
    for (context, (_, watched)) in (1..).zip(pipes) {
        watch(w, watched, R, context).unwrap();
    }
    (w, pipes.map(|(other, _)| other), pipes.map(|(_, watched)| watched))
}

fn poke(end: MojoHandle) {
    send(end, b"", &[]).unwrap();
}

fn drain(end: MojoHandle) {
    while receive(end).is_ok() {}
}

fn end(handles: &[&[MojoHandle]]) {
    handles.iter().for_each(|handles| close_all(handles));
    callbacks();
}

// ---- arguments -------------------------------------------------------------------------------------------

#[test]
fn a_watcher_needs_a_callback_and_a_place() {
    let mut handle = STALE;
    assert_eq!(calls::create_watcher(None, Some(&mut handle)), INVALID_ARGUMENT);
    assert_eq!(calls::create_watcher(Some(notified), None), INVALID_ARGUMENT);
    assert_eq!(calls::create_watcher(None, None), INVALID_ARGUMENT);
    assert_eq!(handle, STALE);
}

#[test]
fn watching_checks_watcher_then_handle_then_duplicates_then_the_kind() {
    let (w, [a], [b]) = watching::<1>();
    let unwatchable: Vec<Made> = Kind::ALL.into_iter().filter(|kind| !kind.has_signals()).map(Kind::make).collect();
    for dead in dead_handles() {
        assert_eq!(watch(dead, a, R, 2), Err(INVALID_ARGUMENT));
        assert_eq!(watch(dead, dead, R, 2), Err(INVALID_ARGUMENT));
        for context in [1, 2] {
            assert_eq!(watch(w, dead, R, context), Err(INVALID_ARGUMENT), "before the duplicate");
        }
    }
    for context in [0, 1, 2] {
        assert_eq!(watch(w, b, C, context), Err(ALREADY_EXISTS), "the handle is watched already");
    }
    assert_eq!(watch(w, a, R, 1), Err(ALREADY_EXISTS), "the context is in use");
    for made in &unwatchable {
        assert_eq!(watch(w, made.handle, R, 1), Err(ALREADY_EXISTS), "before the kind");
        assert_eq!(watch(w, made.handle, R, 2), Err(INVALID_ARGUMENT));
        if made.handle != w {
            assert_eq!(watch(made.handle, a, R, 2).is_ok(), kind_is_watcher(made.handle));
        }
    }
    assert_eq!(watch(w, w, R, 2), Err(INVALID_ARGUMENT));
    assert_eq!(watch(w, a, R, 0), Ok(()), "0 is a context like any other");
    assert_eq!(watch(w, b, R, 0), Err(ALREADY_EXISTS));
    drop(unwatchable);
    end(&[&[a, b, w]]);
}

fn kind_is_watcher(handle: MojoHandle) -> bool {
    cancel(handle, 0x5EED) == Err(NOT_FOUND)
}

#[test]
fn a_handle_can_be_watched_by_many_watchers_and_by_one_again_after_the_watch_has_ended() {
    let (a, b) = pipe();
    let watchers = [(); 10].map(|()| watcher());
    for w in watchers {
        watch(w, b, R, 1).unwrap();
        cancel(w, 1).unwrap();
        assert_eq!(callbacks(), [cancelled(1)]);
        watch(w, b, R, 1).unwrap();
        arm(w).unwrap();
    }
    poke(a);
    assert_eq!(callbacks(), [readable(1); 10]);
    end(&[&[a, b], &watchers]);
}

#[test]
fn cancelling_needs_a_watcher_and_a_context() {
    let (w, [a], [b]) = watching::<1>();
    for wrong in dead_handles().into_iter().chain([a, b]) {
        assert_eq!(cancel(wrong, 1), Err(INVALID_ARGUMENT));
    }
    assert_eq!(cancel(w, 0), Err(NOT_FOUND));
    assert_eq!(cancel(w, 2), Err(NOT_FOUND));
    assert_eq!(cancel(w, 1), Ok(()));
    assert_eq!(cancel(w, 1), Err(NOT_FOUND));
    assert_eq!(callbacks(), [cancelled(1)]);
    end(&[&[w, a, b]]);
}

#[test]
fn arming_checks_handle_then_arrays_then_whether_there_are_watches() {
    let (w, [a], [b]) = watching::<1>();
    let empty = watcher();
    let none = MojoHandleSignalsState { satisfied_signals: 1, satisfiable_signals: 1 };
    for (watcher, of_watches) in [(0, INVALID_ARGUMENT), (b, INVALID_ARGUMENT), (empty, NOT_FOUND), (w, OK)] {
        for count in [None, Some(0), Some(3)] {
            for missing in 0..8 {
                let is_given = |array: u32| missing & (1 << array) == 0;
                let mut number = count.unwrap_or(0);
                let (mut contexts, mut results, mut states) = ([7; 3], [7; 3], [none; 3]);
                let code = calls::arm(
                    watcher,
                    count.is_some().then_some(&mut number),
                    is_given(0).then_some(&mut contexts[..]),
                    is_given(1).then_some(&mut results[..]),
                    is_given(2).then_some(&mut states[..]),
                );
                let expected = if count.is_some() && missing != 0 { INVALID_ARGUMENT } else { of_watches };
                assert_eq!(code, expected, "{count:?} {missing:b}");
                assert_eq!((number, contexts, results), (count.unwrap_or(0), [7; 3], [7; 3]));
                assert!(states == [none; 3]);
            }
        }
    }
    end(&[&[w, empty, a, b]]);
}

#[test]
fn arming_tells_which_watches_are_ready_as_far_as_there_is_room() {
    let (w, others, watched) = watching::<3>();
    assert_eq!(arm(w), Ok(()));
    assert_eq!(arm(w), Ok(()), "arming an armed watcher is fine");
    poke(others[0]);
    close(others[2]).unwrap();
    assert_eq!(callbacks(), [readable(1)], "the first change has disarmed it");
    let ready = [(1, OK, UNREAD), (3, FAILED_PRECONDITION, (C, C))];
    for room in 2..5 {
        let (code, mut listed) = arm_with_room(w, room).unwrap_err();
        listed.sort();
        assert_eq!((code, listed.as_slice()), (FAILED_PRECONDITION, &ready[..]));
    }
    assert_eq!(arm_with_room(w, 0), Err((FAILED_PRECONDITION, vec![])));
    assert_eq!(calls::arm(w, None, None, None, None), FAILED_PRECONDITION);
    end(&[&[w], &others[..2], &watched]);
}

#[test]
fn ready_watches_that_do_not_fit_take_turns() {
    let (w, others, watched) = watching::<200>();
    others.iter().for_each(|end| poke(*end));
    for room in [1, 3, 150] {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200_usize.div_ceil(room) {
            seen.extend(arm_with_room(w, room).unwrap_err().1.iter().map(|(context, ..)| *context));
        }
        assert_eq!(seen.len(), 200, "with room for {room}");
    }
    end(&[&[w], &others, &watched]);
}

// ---- what fires ------------------------------------------------------------------------------------------

#[test]
fn an_armed_watcher_notifies_once_and_then_stays_silent() {
    let (w, [a], [b]) = watching::<1>();
    poke(a);
    assert_eq!(callbacks(), [], "not armed");
    assert_eq!(arm(w), Err((FAILED_PRECONDITION, vec![(1, OK, UNREAD)])));
    drain(b);
    arm(w).unwrap();
    assert_eq!(callbacks(), []);
    (0..3).for_each(|_| poke(a));
    assert_eq!(callbacks(), [readable(1)]);
    receive(b).unwrap();
    assert_eq!(arm(w), Err((FAILED_PRECONDITION, vec![(1, OK, UNREAD)])));
    drain(b);
    arm(w).unwrap();
    poke(a);
    assert_eq!(callbacks(), [readable(1)]);
    end(&[&[w, a, b]]);
}

#[test]
fn of_several_watches_the_first_to_become_ready_is_notified_and_no_other() {
    let (w, others, watched) = watching::<3>();
    arm(w).unwrap();
    poke(others[1]);
    poke(others[0]);
    close(others[2]).unwrap();
    assert_eq!(callbacks(), [readable(2)]);
    end(&[&[w], &others[..2], &watched]);
}

#[test]
fn closing_the_peer_makes_readability_impossible() {
    let (w, [a], [b]) = watching::<1>();
    arm(w).unwrap();
    close(a).unwrap();
    assert_eq!(callbacks(), [Callback::Notified(1, FAILED_PRECONDITION, (C, C))]);
    assert_eq!(arm(w), Err((FAILED_PRECONDITION, vec![(1, FAILED_PRECONDITION, (C, C))])));
    end(&[&[w, b]]);
}

#[test]
fn a_watch_for_nothing_or_for_what_cannot_be_is_ready_with_a_failure() {
    for mask in [0, N, M, 1 << 5, 1 << 31, !END] {
        let (a, b) = pipe();
        let w = watcher();
        watch(w, b, mask, 1).unwrap();
        assert_eq!(arm(w), Err((FAILED_PRECONDITION, vec![(1, FAILED_PRECONDITION, (W, END))])), "{mask:x}");
        end(&[&[w, a, b]]);
    }
}

#[test]
fn a_watch_that_is_added_to_an_armed_watcher_fires_if_it_is_ready_and_else_leaves_it_armed() {
    let (w, [a], [b]) = watching::<1>();
    let (c, d) = pipe();
    let (e, f) = pipe();
    arm(w).unwrap();
    watch(w, d, R, 2).unwrap();
    assert_eq!(callbacks(), []);
    watch(w, f, W, 3).unwrap();
    assert_eq!(callbacks(), [Callback::Notified(3, OK, (W, END))]);
    poke(a);
    poke(c);
    assert_eq!(callbacks(), [], "that has disarmed it");
    end(&[&[w, a, b, c, d, e, f]]);
}

#[test]
fn a_watcher_stays_armed_when_watches_end() {
    let (w, [a], [b]) = watching::<1>();
    arm(w).unwrap();
    cancel(w, 1).unwrap();
    close(b).unwrap();
    assert_eq!(arm(w), Err((NOT_FOUND, vec![])));
    assert_eq!(callbacks(), [cancelled(1)]);
    let (c, d) = pipe();
    poke(c);
    watch(w, d, R, 1).unwrap();
    assert_eq!(callbacks(), [readable(1)]);
    end(&[&[w, a, c, d]]);
}

#[test]
fn a_producer_is_watched_for_room_and_a_consumer_for_data() {
    let (producer, consumer) = data_pipe(1, 8);
    let (w, v) = (watcher(), watcher());
    watch(w, producer, W, 1).unwrap();
    watch(v, consumer, N, 2).unwrap();
    assert_eq!(arm(w), Err((FAILED_PRECONDITION, vec![(1, OK, (W, W | C))])));
    write_data(producer, &[0; 4], 0).unwrap();
    assert_eq!(arm(w), Err((FAILED_PRECONDITION, vec![(1, OK, (W, W | C))])));
    write_data(producer, &[0; 4], 0).unwrap();
    arm(w).unwrap();
    assert!(arm(v).is_err());
    assert_eq!(read_data(consumer, 9, READ_ALL_OR_NONE), Err(OUT_OF_RANGE));
    arm(v).unwrap();
    assert_eq!(callbacks(), []);
    read_data(consumer, 4, 0).unwrap();
    assert_eq!(callbacks(), [Callback::Notified(1, OK, (W, W | C))]);
    assert!(arm(w).is_err());
    write_data(producer, &[0; 8], 0).unwrap();
    assert_eq!(callbacks(), [Callback::Notified(2, OK, (R | N, R | N | C))]);
    arm(w).unwrap();
    close(consumer).unwrap();
    assert_eq!(callbacks(), [cancelled(2), Callback::Notified(1, FAILED_PRECONDITION, (C, C))]);
    end(&[&[w, v, producer]]);
}

// ---- where and in which order callbacks run --------------------------------------------------------------

#[test]
fn callbacks_have_run_when_the_call_that_caused_them_returns() {
    let (w, [a], [b]) = watching::<1>();
    arm(w).unwrap();
    let (c, d) = pipe();
    let (e, f) = pipe();
    // The end moves; its new handle is watched; a message for it is written through a fused pipe.
    let b2 = pass(b);
    assert_eq!(callbacks(), [cancelled(1)]);
    watch(w, b2, R, 1).unwrap();
    arm(w).unwrap();
    poke(a);
    assert_eq!(callbacks(), [readable(1)]);
    assert_eq!(MojoFuseMessagePipes(d, e), OK);
    watch(w, f, R, 2).unwrap();
    drain(b2);
    arm(w).unwrap();
    poke(c);
    assert_eq!(callbacks(), [readable(2)]);
    end(&[&[w, a, b2, c, f]]);
}

/// A list of what was seen, shared with callbacks.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    fn add(&self, what: &str) {
        self.0.borrow_mut().push(what.to_owned());
    }

    fn take(&self) -> String {
        self.0.take().join(" ")
    }
}

#[test]
fn what_a_callback_causes_runs_when_it_returns_and_before_what_was_pending() {
    // A write makes both 1 and 2 ready; the callback of the first makes 3 ready, and that one makes 4 ready.
    let (a, b) = pipe();
    let [first, second, third, fourth] = [(); 4].map(|()| watcher());
    let (c, d) = pipe();
    let (e, f) = pipe();
    for (w, watched, context) in [(first, b, 1), (second, b, 2), (third, d, 3), (fourth, f, 4)] {
        watch(w, watched, R, context).unwrap();
        arm(w).unwrap();
    }
    let log = Log::default();
    let pokes = |context: usize, end: Option<MojoHandle>| {
        let log = log.clone();
        react(context, move |_| {
            log.add(&format!("{context}("));
            end.into_iter().for_each(poke);
            log.add(&format!("){context}"));
        });
    };
    pokes(1, Some(c));
    pokes(2, None);
    pokes(3, Some(e));
    pokes(4, None);
    poke(a);
    assert_eq!(log.take(), "1( )1 3( )3 4( )4 2( )2");
    pokes(1, None);
    pokes(3, None);
    end(&[&[first, second, third, fourth, a, b, c, d, e, f]]);
}

#[test]
fn cancellations_come_first() {
    // Closing b cancels 1 and 2, and makes 3 ready at the peer.
    let (a, b) = pipe();
    let [first, second, third] = [(); 3].map(|()| watcher());
    watch(third, a, C, 3).unwrap();
    watch(first, b, R, 1).unwrap();
    watch(second, b, R, 2).unwrap();
    arm(third).unwrap();
    close(b).unwrap();
    assert_eq!(callbacks(), [cancelled(1), cancelled(2), Callback::Notified(3, OK, (C, C))]);
    // Several things in one callback: what is cancelled overtakes what became ready before.
    let (w, [a2, c], [b2, d]) = watching::<2>();
    arm(w).unwrap();
    arm(first).unwrap_err();
    watch(first, d, R, 9).unwrap();
    arm(first).unwrap();
    react(1, move |callback| {
        if callback == readable(1) {
            poke(c);
            cancel(w, 2).unwrap();
            drain(b2);
        }
    });
    poke(a2);
    assert_eq!(callbacks(), [readable(1), cancelled(2), readable(9)]);
    end(&[&[a, first, second, third, w, a2, b2, c, d]]);
}

#[test]
fn a_callback_that_makes_itself_due_again_is_not_nested() {
    let (w, [a], [b]) = watching::<1>();
    let (depth, count) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (d, n) = (depth.clone(), count.clone());
    react(1, move |callback| {
        if callback != readable(1) {
            return;
        }
        d.set(d.get() + 1);
        assert_eq!(d.get(), 1);
        n.set(n.get() + 1);
        drain(b);
        if n.get() < 10 {
            arm(w).unwrap();
            poke(a);
        }
        d.set(d.get() - 1);
    });
    arm(w).unwrap();
    poke(a);
    assert_eq!((count.get(), depth.get()), (10, 0));
    end(&[&[w, a, b]]);
}

#[test]
fn a_callback_can_lead_to_that_of_another_watch_of_the_same_watcher() {
    let (w, [a, c], [b, d]) = watching::<2>();
    react(1, move |callback| {
        if callback == readable(1) {
            drain(b);
            arm(w).unwrap();
            poke(c);
        }
    });
    arm(w).unwrap();
    poke(a);
    assert_eq!(callbacks(), [readable(1), readable(2)]);
    end(&[&[w, a, b, c, d]]);
}

// ---- the end of watches ----------------------------------------------------------------------------------

#[test]
fn every_way_to_end_a_watch_notifies_it_once_whether_armed_or_not() {
    type End = fn(MojoHandle, MojoHandle);
    let ways: [(&str, End); 7] = [
        ("cancelled", |w, _| cancel(w, 1).unwrap()),
        ("watcher closed", |w, _| close(w).unwrap()),
        ("closed", |_, b| close(b).unwrap()),
        ("attached", |_, b| destroy(built(b"", &[b])).unwrap()),
        ("fused", |_, b| assert_eq!(MojoFuseMessagePipes(b, 0), INVALID_ARGUMENT)),
        ("unwrapped", |_, b| assert_eq!(unwrap(b), Err(INVALID_ARGUMENT))),
        ("unwrapped as a buffer", |_, b| assert_eq!(unwrap_buffer(b), Err(INVALID_ARGUMENT))),
    ];
    for (name, way) in ways {
        for armed in [false, true] {
            let (w, [a], [b]) = watching::<1>();
            if armed {
                arm(w).unwrap();
            }
            way(w, b);
            assert_eq!(callbacks(), [cancelled(1)], "{name}, {armed}");
            let _ = (close(a), close(b), close(w));
            assert_eq!(callbacks(), [], "{name}, {armed}");
        }
    }
}

#[test]
fn closing_a_watcher_ends_all_its_watches_and_nothing_of_it_fires_any_more() {
    let (w, others, watched) = watching::<5>();
    arm(w).unwrap();
    close(w).unwrap();
    let mut ended = callbacks();
    ended.sort_by_key(|callback| format!("{callback:?}"));
    assert_eq!(ended, [1, 2, 3, 4, 5].map(cancelled));
    others.iter().for_each(|end| poke(*end));
    assert_eq!(callbacks(), []);
    end(&[&others, &watched]);
}

#[test]
fn a_notification_that_is_overtaken_by_the_end_of_its_watch_is_dropped() {
    // One write makes two watchers due; the first callback ends the second watch in each of the ways.
    type End = fn(MojoHandle, MojoHandle);
    let ways: [End; 4] = [
        |w, _| cancel(w, 2).unwrap(),
        |w, _| close(w).unwrap(),
        |_, b| close(b).unwrap(),
        |_, b| destroy(built(b"", &[b])).unwrap(),
    ];
    for way in ways {
        let (a, b) = pipe();
        let (first, second) = (watcher(), watcher());
        watch(first, b, R, 1).unwrap();
        watch(second, b, R, 2).unwrap();
        arm(first).unwrap();
        arm(second).unwrap();
        react(1, move |callback| {
            if callback == readable(1) {
                way(second, b);
            }
        });
        poke(a);
        let seen: Vec<Callback> = callbacks().into_iter().filter(|callback| *callback != cancelled(1)).collect();
        assert_eq!(seen, [readable(1), cancelled(2)]);
        let _ = (close(a), close(b), close(first), close(second));
        callbacks();
    }
}

#[test]
fn a_watch_counts_no_longer_from_the_moment_it_is_cancelled() {
    let (w, [a], [b]) = watching::<1>();
    // Within the callback of the watch itself, its cancellation is still to come.
    react(1, move |callback| {
        if callback == readable(1) {
            cancel(w, 1).unwrap();
            assert_eq!(cancel(w, 1), Err(NOT_FOUND));
            assert_eq!(arm(w), Err((NOT_FOUND, vec![])));
            watch(w, b, C, 1).unwrap();
            arm(w).unwrap();
            assert_eq!(callbacks(), [readable(1)]);
        }
    });
    arm(w).unwrap();
    poke(a);
    assert_eq!(callbacks(), [cancelled(1)], "of the first watch; the second goes on");
    close(a).unwrap();
    assert_eq!(callbacks(), [Callback::Notified(1, OK, (R | C, R | C))]);
    end(&[&[w, b]]);
}

#[test]
fn the_callback_of_a_cancellation_may_watch_again_under_the_same_context() {
    let (w, [a], [b]) = watching::<1>();
    let again = Cell::new(true);
    react(1, move |callback| {
        if callback == cancelled(1) && again.replace(false) {
            watch(w, b, R, 1).unwrap();
            arm(w).unwrap();
        }
    });
    cancel(w, 1).unwrap();
    poke(a);
    assert_eq!(callbacks(), [cancelled(1), readable(1)]);
    end(&[&[w, a, b]]);
}

#[test]
fn a_callback_may_close_its_watcher_and_what_it_watches() {
    for (close_watcher, close_watched) in [(true, false), (false, true), (true, true)] {
        let (w, [a], [b]) = watching::<1>();
        react(1, move |callback| {
            if callback == readable(1) {
                if close_watched {
                    close(b).unwrap();
                }
                if close_watcher {
                    close(w).unwrap();
                }
                assert_eq!(callbacks(), [readable(1)]);
            }
        });
        arm(w).unwrap();
        poke(a);
        assert_eq!(callbacks(), [cancelled(1)]);
        let _ = send(a, b"", &[]);
        let _ = (close(a), close(b), close(w));
        assert_eq!(callbacks(), []);
    }
}

#[test]
fn an_end_that_is_closed_after_it_became_ready_is_only_told_of_its_cancellation() {
    // In the callback of 3: arm again, make 1 ready, end its watch, arm again, end 2.
    type End = fn(MojoHandle, MojoHandle, usize);
    let ways: [End; 2] = [|_, watched, _| close(watched).unwrap(), |w, _, context| cancel(w, context).unwrap()];
    for way in ways {
        let (w, others, watched) = watching::<3>();
        react(3, move |callback| {
            if callback == readable(3) {
                drain(watched[2]);
                arm(w).unwrap();
                poke(others[0]);
                way(w, watched[0], 1);
                arm(w).unwrap();
                way(w, watched[1], 2);
            }
        });
        arm(w).unwrap();
        poke(others[2]);
        assert_eq!(callbacks(), [readable(3), cancelled(1), cancelled(2)]);
        close(w).unwrap();
        let _ = watched.map(close);
        end(&[&others]);
    }
}

#[test]
fn a_callback_that_cancels_the_watch_whose_callback_led_to_it_is_fine() {
    // 3 makes 2 ready, of another watcher, and itself again; the callback of 2 cancels 3.
    let (w, [a, c], [b, d]) = watching::<2>();
    let v = watcher();
    let (e, f) = pipe();
    watch(v, f, R, 5).unwrap();
    arm(v).unwrap();
    let once = Cell::new(true);
    react(1, move |callback| {
        if callback == readable(1) && once.replace(false) {
            drain(b);
            arm(w).unwrap();
            poke(e);
            poke(a);
        }
    });
    react(5, move |callback| {
        if callback == readable(5) {
            cancel(w, 1).unwrap();
            arm(w).unwrap();
            poke(c);
        }
    });
    arm(w).unwrap();
    poke(a);
    assert_eq!(callbacks(), [readable(1), readable(5), cancelled(1), readable(2)]);
    end(&[&[w, v, a, b, c, d, e, f]]);
}

#[test]
fn a_watch_keeps_neither_its_handle_nor_the_peer_alive() {
    let (w, [a], [b]) = watching::<1>();
    close(b).unwrap();
    assert_eq!(signals(a), Ok((C, C)));
    assert!(!is_live(b));
    end(&[&[w, a]]);
}
