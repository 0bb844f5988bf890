//! Threads that sleep, and who calls them.

use super::side::Side;
use super::{explore, join, start};
use loom::sync::atomic::Ordering;

#[test]
fn a_thread_that_sleeps_is_called() {
    explore(4, || {
        let side = Side::new(1);
        let sender = start(&side, |side| side.send_all([false; 2]));
        side.wait_for(2, 0);
        join([sender]);
    });
}

#[test]
fn one_of_several_senders_calls_for_one_sleep() {
    explore(3, || {
        let side = Side::new(1);
        let senders = [(); 2].map(|()| start(&side, |side| side.send(false)));
        let num_sleeps = side.wait_for(2, 0);
        join(senders);
        assert!(side.num_called() <= num_sleeps);
    });
}

#[test]
fn of_two_threads_that_wait_for_the_same_one_sleeps_and_the_other_is_told() {
    explore(1, || {
        let side = Side::new(1);
        let others = [
            start(&side, |side| side.wait_for(2, 1)),
            start(&side, |side| side.send_all([false; 2])),
            start(&side, |side| side.do_io_until(|| side.is_over.load(Ordering::Acquire))),
        ];
        let [other, sender, io] = others;
        side.wait_for(1, 0);
        join([other, sender]);
        side.is_over.store(true, Ordering::Release);
        side.io.ring();
        join([io]);
    });
}
