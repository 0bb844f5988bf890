//! Very many handles at once.

use crate::support::*;
use std::collections::HashSet;

const COUNT: usize = 100_000;

#[test]
fn a_hundred_thousand_pipes_are_open_at_once_and_each_works() {
    let _watchdog = watchdog();
    let pipes: Vec<_> = (0..COUNT).map(|_| pipe()).collect();
    let mut ends: Vec<_> = pipes.iter().flat_map(|(a, b)| [*a, *b]).collect();
    assert_eq!(ends.iter().collect::<HashSet<_>>().len(), 2 * COUNT);
    for (number, (a, _)) in pipes.iter().enumerate() {
        send(*a, &number.to_le_bytes(), &[]).unwrap();
    }
    for (number, (_, b)) in pipes.iter().enumerate().rev() {
        assert_eq!(receive(*b).unwrap().0, number.to_le_bytes());
    }
    // In an order that has nothing to do with that of their making; the step and the number of ends have no divisor in
    // common.
    let order = (0..ends.len()).map(|at| at * 77_773 % (2 * COUNT)).collect::<Vec<_>>();
    assert_eq!(order.iter().collect::<HashSet<_>>().len(), ends.len());
    for at in &order {
        let handle = std::mem::take(&mut ends[*at]);
        let peer = ends[at ^ 1];
        assert_eq!(satisfied(handle), if peer == 0 { C } else { W });
        close(handle).unwrap();
    }
}
