//! The rules of arming and notifying, without objects, callbacks or threads.
//!
//! A watcher is armed or not. Arming succeeds only while no watch is ready. While it is armed, the first watch
//! to become ready disarms it and is to be notified, once; while it is not, readiness is only remembered.

use crate::signals::{Readiness, SignalsState};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Identifies a watch within its watcher; never reused.
pub(super) type Key = u64;

/// The watches of one watcher. `W` is what the caller keeps for each.
pub(super) struct WatchSet<W> {
    is_closed: bool,
    is_armed: bool,
    next_key: Key,
    watches: BTreeMap<Key, Entry<W>>,
    by_context: HashMap<usize, Key>,
    by_object: HashMap<usize, Key>,
    ready: BTreeSet<Key>,
    /// The last ready watch that was reported to a caller who could not arm; the next report starts behind it.
    last_reported: Key,
}

struct Entry<W> {
    watch: W,
    context: usize,
    object: usize,
    readiness: Option<(Readiness, SignalsState)>,
}

impl<W: Clone> WatchSet<W> {
    pub(super) fn new() -> Self {
        Self {
            is_closed: false,
            is_armed: false,
            next_key: 1,
            watches: BTreeMap::new(),
            by_context: HashMap::new(),
            by_object: HashMap::new(),
            ready: BTreeSet::new(),
            last_reported: 0,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    pub(super) fn len(&self) -> usize {
        self.watches.len()
    }

    pub(super) fn has(&self, context: usize, object: usize) -> bool {
        self.by_context.contains_key(&context) || self.by_object.contains_key(&object)
    }

    /// Adds a watch, at first not ready. The caller has checked that it [has](Self::has) neither of the two.
    pub(super) fn add(&mut self, context: usize, object: usize, make: impl FnOnce(Key) -> W) -> W {
        let key = self.next_key;
        self.next_key += 1;
        let watch = make(key);
        self.by_context.insert(context, key);
        self.by_object.insert(object, key);
        self.watches.insert(key, Entry { watch: watch.clone(), context, object, readiness: None });
        watch
    }

    /// Takes a watch out. Whether the watcher is armed does not change.
    pub(super) fn remove(&mut self, key: Key) -> Option<W> {
        let entry = self.watches.remove(&key)?;
        self.by_context.remove(&entry.context);
        self.by_object.remove(&entry.object);
        self.ready.remove(&key);
        Some(entry.watch)
    }

    pub(super) fn remove_context(&mut self, context: usize) -> Option<W> {
        let key = *self.by_context.get(&context)?;
        self.remove(key)
    }

    /// Takes all watches out, in the order of their contexts, and refuses new ones.
    pub(super) fn close(&mut self) -> Vec<W> {
        self.is_closed = true;
        self.is_armed = false;
        self.by_context.clear();
        self.by_object.clear();
        self.ready.clear();
        let mut entries: Vec<_> = std::mem::take(&mut self.watches).into_values().collect();
        entries.sort_by_key(|entry| entry.context);
        entries.into_iter().map(|entry| entry.watch).collect()
    }

    /// Records whether a watch is ready. Returns what to notify it of, if anything.
    pub(super) fn update(
        &mut self,
        key: Key,
        readiness: Option<Readiness>,
        state: SignalsState,
    ) -> Option<(Readiness, SignalsState)> {
        let entry = self.watches.get_mut(&key)?;
        entry.readiness = readiness.map(|readiness| (readiness, state));
        let Some(readiness) = readiness else {
            self.ready.remove(&key);
            return None;
        };
        self.ready.insert(key);
        std::mem::replace(&mut self.is_armed, false).then_some((readiness, state))
    }

    /// Arms the watcher if no watch is ready.
    pub(super) fn arm(&mut self) -> bool {
        self.is_armed |= self.ready.is_empty();
        self.ready.is_empty()
    }

    /// Up to `limit` ready watches, starting behind the last one reported.
    pub(super) fn ready(&mut self, limit: usize) -> Vec<(W, Readiness, SignalsState)> {
        let behind = self.ready.range(self.last_reported + 1..);
        let keys: Vec<Key> = behind.chain(self.ready.range(..=self.last_reported)).copied().take(limit).collect();
        if let Some(last) = keys.last() {
            self.last_reported = *last;
        }
        let entries = keys.iter().filter_map(|key| self.watches.get(key));
        let reports = entries
            .filter_map(|entry| entry.readiness.map(|(readiness, state)| (entry.watch.clone(), readiness, state)));
        reports.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::Signals;
    use Step::*;
    use std::collections::HashMap;

    const NONE: Signals = Signals::NONE;
    const R: Signals = Signals::READABLE;
    const W: Signals = Signals::WRITABLE;
    const RW: Signals = Signals::from_bits(R.bits() | W.bits());

    const S: Option<Readiness> = Some(Readiness::Satisfied);
    const U: Option<Readiness> = Some(Readiness::Unsatisfiable);

    /// One thing that happens to a watcher, and what has to come of it.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// A context and an object; whether there is a watch with that context or of that object.
        Has(usize, usize, bool),
        /// A watch with this context, of an object of the same number, for these signals.
        Add(usize, Signals),
        /// The context of a watch, the satisfied and the satisfiable signals of its object now, and what it is to be
        /// notified of.
        Change(usize, Signals, Signals, Option<Readiness>),
        /// Whether arming succeeds.
        Arm(bool),
        /// How many ready watches to list at most, and the contexts of those listed.
        Ready(usize, &'static [usize]),
        /// The context of a watch to take out, and whether there was one.
        Remove(usize, bool),
        /// Whether the watcher is armed, and how many watches it has.
        Is(bool, usize),
        /// The contexts of the watches that closing ends.
        Close(&'static [usize]),
    }

    fn play(row: &str, steps: &[Step]) {
        let mut set = WatchSet::new();
        // By context; a watch that was taken out stays here until the context is used again.
        let mut watches: HashMap<usize, (Key, Signals)> = HashMap::new();
        for (at, step) in steps.iter().enumerate() {
            let place = format!("{row}, step {at}: {step:?}");
            match *step {
                Has(context, object, outcome) => assert_eq!(set.has(context, object), outcome, "{place}"),
                Add(context, signals) => {
                    set.add(context, context, |key| {
                        watches.insert(context, (key, signals));
                        context
                    });
                }
                Change(context, satisfied, satisfiable, outcome) => {
                    let (key, signals) = watches[&context];
                    let state = SignalsState { satisfied, satisfiable };
                    let fired = set.update(key, state.readiness(signals), state);
                    assert_eq!(fired, outcome.map(|readiness| (readiness, state)), "{place}");
                }
                Arm(outcome) => assert_eq!(set.arm(), outcome, "{place}"),
                Ready(limit, outcome) => {
                    let listed: Vec<_> = set.ready(limit).into_iter().map(|(context, ..)| context).collect();
                    assert_eq!(listed, outcome, "{place}");
                }
                Remove(context, outcome) => assert_eq!(set.remove_context(context).is_some(), outcome, "{place}"),
                Is(armed, len) => assert_eq!((set.is_armed, set.len()), (armed, len), "{place}"),
                Close(outcome) => {
                    assert_eq!(set.close(), outcome, "{place}");
                    assert!(set.is_closed(), "{place}");
                }
            }
        }
    }

    fn play_all(rows: &[(&str, &[Step])]) {
        rows.iter().for_each(|(row, steps)| play(row, steps));
    }

    /// Each row: the signals of a watch, the satisfied and the satisfiable ones of its object, what fires if armed.
    #[test]
    fn what_fires_is_satisfied_before_unsatisfiable_and_disarms() {
        let rows = [
            (R, R, RW, S),
            (R, W, RW, None),
            (R, NONE, RW, None),
            (R, W, W, U),
            (R, NONE, NONE, U),
            (RW, W, W, S),
            (RW, W, RW, S),
            (RW, NONE, W, None),
            (RW, NONE, NONE, U),
            (NONE, RW, RW, U),
            (NONE, NONE, NONE, U),
            (Signals::from_bits(1 << 31), RW, RW, U),
            (Signals::from_bits(R.bits() | 1 << 31), NONE, RW, None),
        ];
        for (signals, satisfied, satisfiable, fires) in rows {
            let row = format!("{signals:?} {satisfied:?} {satisfiable:?}");
            let change = Change(1, satisfied, satisfiable, fires);
            play(&row, &[Add(1, signals), Arm(true), change, Is(fires.is_none(), 1), Arm(fires.is_none())]);
            let silent = Change(1, satisfied, satisfiable, None);
            play(&row, &[Add(1, signals), silent, Is(false, 1), Arm(fires.is_none())]);
        }
    }

    #[test]
    fn arming() {
        play_all(&[
            ("disarmed and empty at first", &[Is(false, 0), Ready(9, &[])]),
            ("nothing is ready", &[Add(1, R), Add(2, W), Arm(true), Is(true, 2), Ready(9, &[])]),
            ("twice", &[Add(1, R), Arm(true), Arm(true), Is(true, 1)]),
            ("one of two is ready", &[Add(1, R), Add(2, R), Change(2, R, R, None), Arm(false), Is(false, 2)]),
            (
                "the ready one is so no more",
                &[Add(1, R), Change(1, R, R, None), Arm(false), Change(1, NONE, R, None), Arm(true)],
            ),
            (
                "the ready one is taken out",
                &[Add(1, R), Add(2, R), Change(2, R, R, None), Arm(false), Remove(2, true), Arm(true)],
            ),
            ("one can never be satisfied any more", &[Add(1, R), Change(1, W, W, None), Arm(false), Ready(9, &[1])]),
        ]);
    }

    #[test]
    fn notifying() {
        play_all(&[
            ("disarmed: never", &[Add(1, R), Change(1, R, R, None), Change(1, NONE, NONE, None), Is(false, 1)]),
            (
                "only the first watch to become ready",
                &[
                    Add(1, R),
                    Add(2, R),
                    Arm(true),
                    Change(2, R, R, S),
                    Is(false, 2),
                    Change(1, R, R, None),
                    Ready(9, &[1, 2]),
                ],
            ),
            (
                "only the first change of one watch",
                &[
                    Add(1, R),
                    Arm(true),
                    Change(1, R, R, S),
                    Change(1, NONE, R, None),
                    Change(1, R, R, None),
                    Change(1, NONE, NONE, None),
                ],
            ),
            (
                "again once armed again",
                &[
                    Add(1, R),
                    Arm(true),
                    Change(1, R, R, S),
                    Arm(false),
                    Change(1, NONE, R, None),
                    Arm(true),
                    Change(1, NONE, NONE, U),
                ],
            ),
            (
                "not for what leaves the watch as it is",
                &[Add(1, R), Arm(true), Change(1, W, RW, None), Change(1, NONE, R, None), Is(true, 1)],
            ),
            (
                "a watch that is added to an armed set",
                &[Add(1, R), Arm(true), Add(2, R), Is(true, 2), Change(2, R, R, S)],
            ),
            (
                "one that is taken out never",
                &[
                    Add(1, R),
                    Add(2, R),
                    Arm(true),
                    Remove(1, true),
                    Change(1, R, R, None),
                    Is(true, 1),
                    Change(2, R, R, S),
                ],
            ),
        ]);
    }

    #[test]
    fn taking_out_and_adding_again() {
        play_all(&[
            (
                "duplicates by context or by object",
                &[Add(0, R), Add(1, R), Has(0, 9, true), Has(9, 0, true), Has(0, 1, true), Has(9, 9, false)],
            ),
            ("only once", &[Add(1, R), Remove(2, false), Remove(1, true), Remove(1, false), Has(1, 1, false)]),
            (
                "armed survives the last one and notifies the next",
                &[Add(1, R), Arm(true), Remove(1, true), Is(true, 0), Add(1, R), Change(1, R, R, S), Is(false, 1)],
            ),
            ("disarmed stays so", &[Add(1, R), Remove(1, true), Is(false, 0), Add(1, R), Change(1, R, R, None)]),
            (
                "a new watch with an old context is not ready as the old one was",
                &[Add(1, R), Change(1, R, R, None), Remove(1, true), Add(1, R), Ready(9, &[]), Arm(true)],
            ),
        ]);
    }

    #[test]
    fn ready_watches_take_turns_in_being_listed() {
        const FOUR: [Step; 8] = [
            Add(1, R),
            Add(2, R),
            Add(3, R),
            Add(4, R),
            Change(1, R, R, None),
            Change(2, R, R, None),
            Change(3, R, R, None),
            Change(4, NONE, NONE, None),
        ];
        let rows: [(&str, &[Step]); 6] = [
            ("one at a time", &[Ready(1, &[1]), Ready(1, &[2]), Ready(1, &[3]), Ready(1, &[4]), Ready(1, &[1])]),
            ("several at a time", &[Ready(3, &[1, 2, 3]), Ready(3, &[4, 1, 2]), Ready(9, &[3, 4, 1, 2])]),
            ("none", &[Ready(0, &[]), Ready(1, &[1]), Ready(0, &[]), Ready(1, &[2])]),
            ("the last one listed is taken out", &[Ready(2, &[1, 2]), Remove(2, true), Ready(1, &[3])]),
            (
                "the next one is taken out",
                &[Ready(2, &[1, 2]), Remove(3, true), Ready(1, &[4]), Remove(1, true), Ready(1, &[2])],
            ),
            (
                "one is ready no more, and a new one is",
                &[
                    Ready(1, &[1]),
                    Change(2, NONE, R, None),
                    Ready(1, &[3]),
                    Add(5, R),
                    Change(5, R, R, None),
                    Ready(9, &[4, 5, 1, 3]),
                ],
            ),
        ];
        for (row, steps) in rows {
            play(row, &[&FOUR, steps].concat());
        }
    }

    #[test]
    fn closing() {
        play_all(&[
            ("an empty one", &[Close(&[])]),
            ("in the order of the contexts", &[Add(3, R), Add(1, R), Add(2, R), Close(&[1, 2, 3]), Is(false, 0)]),
            ("an armed one", &[Add(1, R), Arm(true), Close(&[1]), Change(1, R, R, None), Remove(1, false)]),
            ("ready ones", &[Add(1, R), Change(1, R, R, None), Close(&[1]), Ready(9, &[]), Has(1, 1, false)]),
            ("a closed one", &[Add(1, R), Close(&[1]), Close(&[])]),
        ]);
    }
}
