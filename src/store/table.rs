//! Keyed rows with stable references, counts by verdict, and a log of what changed, so that sorted views follow by steps.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, Hash};
use std::ops::Index;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::history::History;
use super::slab::Slab;
use crate::base::clock::Moment;
use crate::model::fact::Row;
use crate::model::id::{Name, SourceId};
use crate::model::verdict::Verdict;

/// Changes kept for the views; one that is further behind starts over.
const LOG: usize = 16_384;

/// A row's place. It never comes to mean another row: a place that is used again has another serial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowRef {
    pub(super) slot: u32,
    serial: u32,
}

#[derive(Clone, Debug)]
pub struct Entry<T> {
    pub row: T,
    /// When the remote last said so.
    pub at: Moment,
    /// Since when the verdict is what it is.
    pub since: Moment,
    /// As counted and sorted: `unknown` once its source is lost.
    pub verdict: Verdict,
    pub source: SourceId,
    pub(super) due: Option<Moment>,
    seen: u32,
    serial: u32,
    history: Option<Box<History>>,
}

impl<T> Entry<T> {
    pub fn history(&self) -> Option<&History> {
        self.history.as_deref()
    }
}

/// How many rows have which verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([usize; 5]);

impl Counts {
    pub fn total(&self) -> usize {
        self.0.iter().sum()
    }
}

impl Index<Verdict> for Counts {
    type Output = usize;
    fn index(&self, verdict: Verdict) -> &usize {
        &self.0[usize::from(verdict.rank())]
    }
}

#[derive(Debug)]
pub struct Table<T: Row> {
    slots: Slab<Entry<T>>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    serial: u32,
    counts: Counts,
    generation: u64,
    log: Vec<u32>,
    /// Of a listing under way: rows seen before this mark go at its end.
    listings: HashMap<(SourceId, Option<Name>), u32>,
    mark: u32,
    due: BTreeSet<(Moment, u32)>,
    problems: BTreeSet<(u8, Moment, u32)>,
}

impl<T: Row> Default for Table<T> {
    fn default() -> Self {
        Self {
            slots: Slab::default(),
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            serial: 0,
            counts: Counts::default(),
            generation: 0,
            log: Vec::new(),
            listings: HashMap::new(),
            mark: 0,
            due: BTreeSet::new(),
            problems: BTreeSet::new(),
        }
    }
}

/// What an upsert did.
pub(super) enum Upsert<T> {
    New,
    Changed(Box<T>),
    Same,
}

/// How a row stands after it was judged.
pub(super) struct Standing {
    pub verdict: Verdict,
    pub due: Option<Moment>,
    pub since: Option<Moment>,
}

impl<T: Row> Table<T> {
    pub fn len(&self) -> usize {
        self.index.len()
    }

    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Grows with every change.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    fn hash(&self, key: &T::Key) -> u64 {
        self.hasher.hash_one(Hashed(key))
    }

    fn slot_of(&self, key: &T::Key) -> Option<u32> {
        let slots = &self.slots;
        self.index.find(self.hash(key), |slot| slots.get(*slot).is_some_and(|e| e.row.key() == *key)).copied()
    }

    pub fn find(&self, key: &T::Key) -> Option<RowRef> {
        let slot = self.slot_of(key)?;
        self.slots.get(slot).map(|e| RowRef { slot, serial: e.serial })
    }

    pub fn get(&self, key: &T::Key) -> Option<&Entry<T>> {
        self.slot_of(key).and_then(|slot| self.slots.get(slot))
    }

    pub fn at(&self, place: RowRef) -> Option<&Entry<T>> {
        self.slots.get(place.slot).filter(|e| e.serial == place.serial)
    }

    pub(super) fn in_slot(&self, slot: u32) -> Option<(RowRef, &Entry<T>)> {
        let entry = self.slots.get(slot)?;
        Some((RowRef { slot, serial: entry.serial }, entry))
    }

    pub fn iter(&self) -> impl Iterator<Item = (RowRef, &Entry<T>)> {
        self.slots.iter().map(|(slot, e)| (RowRef { slot, serial: e.serial }, e))
    }

    /// The rows in the slots from `from` to below `to`.
    pub(super) fn between(&self, from: u32, to: u32) -> impl Iterator<Item = (RowRef, &Entry<T>)> {
        self.slots.from(from).take_while(move |(slot, _)| *slot < to).map(|(slot, e)| (RowRef { slot, serial: e.serial }, e))
    }

    /// Every slot is below it.
    pub(super) fn slots(&self) -> u32 {
        self.slots.end()
    }

    /// Slots changed since `generation`, some perhaps twice; `None` when that is too long ago to know.
    pub(super) fn changes_since(&self, generation: u64) -> Option<&[u32]> {
        let behind = usize::try_from(self.generation - generation).ok()?;
        self.log.len().checked_sub(behind).map(|from| &self.log[from..])
    }

    /// The rows that are not ok, worst and oldest first.
    pub(super) fn troubled(&self) -> impl Iterator<Item = (RowRef, &Entry<T>)> {
        self.problems.iter().filter_map(|(_, _, slot)| self.in_slot(*slot))
    }

    pub(super) fn next_due(&self) -> Option<Moment> {
        self.due.first().map(|(at, _)| *at)
    }

    pub(super) fn take_due(&mut self, now: Moment) -> Vec<u32> {
        let mut slots = Vec::new();
        while let Some(&(at, slot)) = self.due.first() {
            if at > now {
                break;
            }
            self.due.pop_first();
            if let Some(entry) = self.slots.get_mut(slot) {
                entry.due = None;
                slots.push(slot);
            }
        }
        slots
    }

    pub(super) fn slots_of(&self, source: SourceId) -> Vec<u32> {
        self.slots.iter().filter(|(_, e)| e.source == source).map(|(slot, _)| slot).collect()
    }

    fn changed(&mut self, slot: u32) {
        if self.log.len() >= LOG {
            self.log.drain(..LOG / 2);
        }
        self.log.push(slot);
        self.generation += 1;
    }

    /// Puts a row in; its standing is set by the caller, by [`Table::settle`].
    pub(super) fn upsert(&mut self, row: T, at: Moment, source: SourceId) -> (u32, Upsert<T>) {
        let key = row.key();
        if let Some(slot) = self.slot_of(&key) {
            let Some(entry) = self.slots.get_mut(slot) else { return (slot, Upsert::Same) };
            entry.at = at;
            entry.seen = self.mark;
            entry.source = source;
            if let Some(history) = &mut entry.history {
                history.push(row.pulse());
            }
            if entry.row == row {
                return (slot, Upsert::Same);
            }
            let old = std::mem::replace(&mut entry.row, row);
            self.changed(slot);
            return (slot, Upsert::Changed(Box::new(old)));
        }
        self.serial = self.serial.wrapping_add(1);
        let history = T::HISTORY.then(|| {
            let mut history = Box::new(History::default());
            history.push(row.pulse());
            history
        });
        let entry = Entry { row, at, since: at, verdict: Verdict::Ok, source, due: None, seen: self.mark, serial: self.serial, history };
        let slot = self.slots.insert(entry);
        self.counts.0[usize::from(Verdict::Ok.rank())] += 1;
        let hash = self.hash(&key);
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.index.insert_unique(hash, slot, |s| slots.get(*s).map_or(0, |e| hasher.hash_one(Hashed(&e.row.key()))));
        self.changed(slot);
        (slot, Upsert::New)
    }

    /// Notes how the row in `slot` stands. True when its verdict changed.
    pub(super) fn settle(&mut self, slot: u32, standing: &Standing, now: Moment) -> bool {
        let Some(entry) = self.slots.get_mut(slot) else { return false };
        if entry.due != standing.due {
            if let Some(due) = entry.due {
                self.due.remove(&(due, slot));
            }
            if let Some(due) = standing.due {
                self.due.insert((due, slot));
            }
            entry.due = standing.due;
        }
        let since = standing.since.unwrap_or(if entry.verdict == standing.verdict { entry.since } else { now });
        if entry.verdict == standing.verdict && entry.since == since {
            return false;
        }
        if entry.verdict.is_problem() {
            self.problems.remove(&(entry.verdict.rank(), entry.since, slot));
        }
        if standing.verdict.is_problem() {
            self.problems.insert((standing.verdict.rank(), since, slot));
        }
        self.counts.0[usize::from(entry.verdict.rank())] -= 1;
        self.counts.0[usize::from(standing.verdict.rank())] += 1;
        entry.verdict = standing.verdict;
        entry.since = since;
        self.changed(slot);
        true
    }

    /// Lets a small, frequent number into a row without making it news.
    pub(super) fn touch(&mut self, key: &T::Key, change: impl FnOnce(&mut T)) -> Option<u32> {
        let slot = self.slot_of(key)?;
        change(&mut self.slots.get_mut(slot)?.row);
        Some(slot)
    }

    /// Adds the pulse of the row in `slot` to its history.
    pub(super) fn sample(&mut self, slot: u32) {
        if let Some(Entry { row, history: Some(history), .. }) = self.slots.get_mut(slot) {
            history.push(row.pulse());
        }
    }

    pub(super) fn redraw(&mut self, slot: u32) {
        self.changed(slot);
    }

    pub(super) fn remove(&mut self, key: &T::Key) -> Option<T> {
        self.slot_of(key).and_then(|slot| self.remove_slot(slot))
    }

    fn remove_slot(&mut self, slot: u32) -> Option<T> {
        let entry = self.slots.take(slot)?;
        let hash = self.hash(&entry.row.key());
        if let Ok(found) = self.index.find_entry(hash, |s| *s == slot) {
            found.remove();
        }
        if let Some(due) = entry.due {
            self.due.remove(&(due, slot));
        }
        self.problems.remove(&(entry.verdict.rank(), entry.since, slot));
        self.counts.0[usize::from(entry.verdict.rank())] -= 1;
        self.changed(slot);
        Some(entry.row)
    }

    pub(super) fn begin(&mut self, source: SourceId, namespace: Option<Name>) {
        self.mark = self.mark.wrapping_add(1);
        self.listings.insert((source, namespace), self.mark);
    }

    /// Ends a listing; gives the rows that are gone.
    pub(super) fn end(&mut self, source: SourceId, namespace: Option<Name>) -> Vec<T> {
        let key = (source, namespace);
        let Some(mark) = self.listings.remove(&key) else { return Vec::new() };
        let of_scope = |e: &Entry<T>| e.source == source && e.seen < mark && key.1.as_ref().is_none_or(|ns| e.row.namespace() == Some(ns));
        let gone: Vec<u32> = self.slots.iter().filter(|(_, e)| of_scope(e)).map(|(slot, _)| slot).collect();
        gone.into_iter().filter_map(|slot| self.remove_slot(slot)).collect()
    }
}

/// A key as it is hashed, so that the borrowed and the rebuilt one agree.
struct Hashed<'a, K>(&'a K);

impl<K: Hash> Hash for Hashed<'_, K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
