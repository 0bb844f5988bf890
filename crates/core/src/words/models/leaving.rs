//! Threads that cease to look, and what is sent at the same time.

use super::side::Side;
use super::{explore, join, start};
use crate::words::Quiet;
use loom::sync::atomic::Ordering;
use loom::sync::{Arc, Mutex};

#[test]
fn the_io_thread_is_called_for_what_comes_while_it_leaves() {
    explore(5, || {
        let side = Side::new(1);
        let sender = start(&side, |side| side.send_all([false; 2]));
        side.look_and_leave();
        side.do_io_until(|| side.taken() == 2);
        join([sender]);
    });
}

#[test]
fn whoever_begins_to_wait_while_the_last_one_leaves_gets_what_is_sent() {
    explore(3, || {
        let side = Side::new(0);
        let others = [start(&side, Side::observe), start(&side, |side| side.send(false))];
        side.look_and_leave();
        side.do_io_until(|| side.taken() == 1);
        join(others);
    });
}

#[test]
fn whoever_begins_to_wait_later_gets_what_is_sent_too() {
    explore(5, || {
        let side = Side::new(0);
        let other = start(&side, Side::observe);
        side.look_and_leave();
        join([other]);
        side.unobserve();
        side.look_and_leave();
        side.observe();
        side.send(false);
        side.do_io_until(|| side.taken() == 1);
    });
}

#[test]
fn whoever_begins_to_wait_while_one_leaves_a_quiet_link_gets_what_is_sent() {
    explore(3, || {
        let side = Side::new(0);
        side.look_and_leave();
        let others = [start(&side, Side::observe), start(&side, |side| side.send_all([true, false]))];
        side.do_io_until(|| side.taken() == 2);
        join(others);
    });
}

#[test]
fn whoever_begins_to_wait_can_rely_on_somebody_else_who_has_and_waits_no_more() {
    explore(3, || {
        let side = Side::new(0);
        side.look_and_leave();
        side.send(true);
        let observe_and_send = |side: &Side| {
            side.observe();
            side.send(false);
        };
        let others = [start(&side, Side::end_quiet), start(&side, observe_and_send)];
        side.do_io_until(|| side.taken() == 2);
        join(others);
    });
}

#[test]
fn a_link_that_is_listed_while_others_are_taken_from_the_list_is_taken_next() {
    explore(5, || {
        let links = Arc::new((Quiet::new(), Mutex::new(Vec::new())));
        let list =
            |link| move |(quiet, list): &(Quiet, Mutex<Vec<u32>>)| quiet.list(|| list.lock().unwrap().push(link));
        list(1)(&links);
        let other = start(&links, list(2));
        let take = || links.0.end(|| std::mem::take(&mut *links.1.lock().unwrap()));
        let mut taken = take();
        join([other]);
        taken.extend(take());
        assert_eq!(taken, [1, 2]);
    });
}

#[test]
fn what_is_urgent_comes_although_nobody_waits() {
    explore(3, || {
        let side = Side::new(0);
        let others = [start(&side, |side| side.send(false)), start(&side, |side| side.send(true))];
        side.look_and_leave();
        side.do_io_until(|| {
            let urgent = side.urgent.load(Ordering::Acquire);
            urgent > 0 && side.taken() >= urgent
        });
        join(others);
    });
}

#[test]
fn between_a_thread_that_waits_and_the_io_thread_nothing_is_left() {
    explore(2, || {
        let side = Side::new(1);
        let sender = start(&side, |side| side.send_all([false; 2]));
        let io = start(&side, |side| {
            side.look_and_leave();
            side.do_io_until(|| side.taken() == 2);
        });
        side.wait_for(1, 0);
        if side.taken() == 2 {
            // Nobody has to call the I/O thread for what was taken here.
            side.io.ring();
        }
        join([sender, io]);
    });
}
