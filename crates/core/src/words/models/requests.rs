//! Asking for room and for data.

use super::side::{Bed, Side};
use super::{explore, join, start};
use crate::words::{request, seen, show};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, AtomicU64};

#[test]
fn what_waits_for_room_is_written_once_there_is_some() {
    explore(4, || {
        let side = Side::new(1);
        let others = [start(&side, Side::write), start(&side, Side::make_room)];
        side.do_io_until(|| side.is_written());
        join(others);
    });
}

/// One direction of a data pipe.
struct Ring {
    index: AtomicU64,
    wants: AtomicU32,
    bed: Bed,
}

#[test]
fn an_end_of_a_data_pipe_that_has_asked_is_poked() {
    explore(5, || {
        let (index, wants) = (AtomicU64::new(0), AtomicU32::new(0));
        let ring = Arc::new(Ring { index, wants, bed: Bed::new() });
        let other = start(&ring, |ring| {
            for index in 1..=2 {
                show(&ring.index, index);
                if request::take(&ring.wants, || true) {
                    ring.bed.ring();
                }
            }
        });
        let mut index = 0;
        while index < 2 {
            let now = request::ask(&ring.wants, || seen(&ring.index));
            if now == index {
                ring.bed.sleep_until_rung();
            }
            index = now;
        }
        join([other]);
    });
}
