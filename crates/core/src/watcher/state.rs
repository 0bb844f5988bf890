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

    const S: Option<Readiness> = Some(Readiness::Satisfied);
    const U: Option<Readiness> = Some(Readiness::Unsatisfiable);

    /// Each row: whether armed before, the watch's new readiness, what fires, whether armed after.
    #[test]
    fn a_watch_fires_only_when_it_becomes_ready_while_armed_and_disarms() {
        let rows = [
            (true, None, None, true),
            (true, S, S, false),
            (true, U, U, false),
            (false, None, None, false),
            (false, S, None, false),
            (false, U, None, false),
        ];
        for (armed, readiness, fires, armed_after) in rows {
            let mut set = WatchSet::new();
            set.add(7, 1, |_| ());
            if armed {
                assert!(set.arm());
            }
            let fired = set.update(1, readiness, SignalsState::default());
            assert_eq!(fired.map(|(readiness, _)| readiness), fires, "{armed} {readiness:?}");
            assert_eq!(set.is_armed, armed_after, "{armed} {readiness:?}");
        }
    }

    #[test]
    fn arming_is_refused_while_any_watch_is_ready() {
        let mut set = WatchSet::new();
        set.add(1, 1, |_| 'a');
        set.add(2, 2, |_| 'b');
        set.update(2, S, SignalsState::default());
        assert!(!set.arm());
        assert_eq!(set.ready(5).len(), 1);
        set.update(2, None, SignalsState::default());
        assert!(set.arm());
        assert!(set.arm(), "arming an armed watcher is fine");
    }

    #[test]
    fn ready_watches_take_turns_in_being_reported() {
        let mut set = WatchSet::new();
        for context in 0..5 {
            set.add(context, context, |key| key);
        }
        for key in 1..=5 {
            set.update(key, S, SignalsState::default());
        }
        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.extend(set.ready(1).into_iter().map(|(key, ..)| key));
        }
        assert_eq!(seen, [1, 2, 3, 4, 5]);
        assert_eq!(set.ready(3).into_iter().map(|(key, ..)| key).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(set.ready(0).len(), 0);
        assert_eq!(set.ready(9).len(), 5);
    }

    #[test]
    fn being_armed_survives_the_removal_of_every_watch() {
        let mut set = WatchSet::new();
        set.add(1, 1, |_| ());
        assert!(set.arm());
        assert!(set.remove_context(1).is_some());
        assert!(!set.has(1, 1));
        set.add(1, 1, |_| ());
        assert!(set.update(2, S, SignalsState::default()).is_some());
    }

    #[test]
    fn closing_takes_all_watches_in_the_order_of_their_contexts() {
        let mut set = WatchSet::new();
        for context in [3, 1, 2] {
            set.add(context, context, |_| context);
        }
        assert_eq!(set.close(), [1, 2, 3]);
        assert!(set.is_closed());
        assert_eq!(set.len(), 0);
    }
}
