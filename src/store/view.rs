//! A sorted, filtered view of a table: it follows the table's changes by steps, so that neither fifty thousand rows nor two hundred
//! changes a second cost a frame.

use std::cmp::Ordering;
use std::collections::VecDeque;

use super::Store;
use super::table::{Entry, RowRef, Table};
use crate::model::fact::Row;

pub type Filter<T> = Box<dyn Fn(&Store, &Entry<T>) -> bool + Send>;
pub type Compare<T> = Box<dyn Fn(&Store, &Entry<T>, &Entry<T>) -> Ordering + Send>;

pub struct View<T: Row> {
    rows: Vec<RowRef>,
    filter: Option<Filter<T>>,
    compare: Compare<T>,
    /// The table's generation and the store's epoch that `rows` stand for.
    seen: Option<(u64, u64)>,
    sorting: Option<Sorting>,
    /// Slots in one part of building anew.
    part: u32,
}

/// A view that is built anew, a part at a time: what stood there stands until it is done.
#[derive(Debug)]
struct Sorting {
    seen: (u64, u64),
    /// The rows in the slots below are in `runs`, those that the filter lets through.
    next: u32,
    /// Each in order; two become one until one is left.
    runs: VecDeque<Vec<RowRef>>,
    /// Changed since they were looked at: placed at the end.
    late: Vec<u32>,
}

impl<T: Row> std::fmt::Debug for View<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl<T: Row> Default for View<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), filter: None, compare: Box::new(by_severity), seen: None, sorting: None, part: PART }
    }
}

/// The worst first, then by place and name.
pub fn by_severity<T: Row>(_: &Store, a: &Entry<T>, b: &Entry<T>) -> Ordering {
    a.verdict.rank().cmp(&b.verdict.rank()).then_with(|| a.row.order().cmp(&b.row.order()))
}

/// Changes beyond which starting over is cheaper than following.
const FEW: usize = 4096;
/// Slots that are looked at in one part of building anew: some milliseconds.
const PART: u32 = 2048;
/// Parts that a refresh does itself: a table of some thousand rows is whole at once.
const AT_ONCE: usize = 4;

impl<T: Row> View<T> {
    pub fn rows(&self) -> &[RowRef] {
        &self.rows
    }

    /// Takes effect whatever is held: at the next refresh, or in a table that is large some parts of work later.
    pub fn set_filter(&mut self, filter: Option<Filter<T>>) {
        self.filter = filter;
        (self.seen, self.sorting) = (None, None);
    }

    pub fn set_sort(&mut self, compare: Compare<T>) {
        self.compare = compare;
        (self.seen, self.sorting) = (None, None);
    }

    /// Catches up with the table, or begins to where much is to be done: then [`View::work`] does the rest. While `hold` is
    /// set the order stays as it is and only rows that are gone leave it.
    pub fn refresh(&mut self, store: &Store, table: &Table<T>, hold: bool) {
        let now = (table.generation(), store.epoch());
        if self.seen == Some(now) {
            return;
        }
        if hold && self.seen.is_some() {
            self.sorting = None;
            self.rows.retain(|r| table.at(*r).is_some());
            return;
        }
        if self.sorting.is_none() {
            let changes = self.seen.filter(|(_, epoch)| *epoch == now.1).and_then(|(generation, _)| table.changes_since(generation));
            if let Some(slots) = changes.filter(|slots| slots.len() <= FEW) {
                self.follow(store, table, slots);
                self.seen = Some(now);
                return;
            }
            self.sorting = Some(Sorting::begun(now));
        }
        for _ in 0..AT_ONCE {
            self.work(store, table);
            if !self.is_sorting() {
                return;
            }
        }
        self.rows.retain(|r| table.at(*r).is_some());
    }

    /// The same in parts of so many slots.
    #[cfg(test)]
    pub(super) fn in_parts(mut self, slots: u32) -> Self {
        self.part = slots;
        self
    }

    /// Is it being built anew?
    pub fn is_sorting(&self) -> bool {
        self.sorting.is_some()
    }

    /// One part of building anew, where that is under way.
    pub fn work(&mut self, store: &Store, table: &Table<T>) {
        let Some(mut sorting) = self.sorting.take() else { return };
        sorting.catch_up(table);
        let end = table.slots();
        if sorting.next < end {
            let to = sorting.next.saturating_add(self.part).min(end);
            let found = self.sorted(store, table.between(sorting.next, to));
            if !found.is_empty() {
                sorting.runs.push_back(found.into_iter().map(|(r, _)| r).collect());
            }
            sorting.next = to;
        } else if let Some(mut run) = sorting.runs.pop_front() {
            // What is gone has left its run. A stable sort finds the two runs and merges them.
            run.extend(sorting.runs.pop_front().unwrap_or_default());
            run.sort_by(|a, b| match (table.at(*a), table.at(*b)) {
                (Some(x), Some(y)) => (self.compare)(store, x, y).then(a.cmp(b)),
                (x, y) => x.is_some().cmp(&y.is_some()),
            });
            sorting.runs.push_back(run);
        }
        if sorting.next < end || sorting.runs.len() > 1 {
            self.sorting = Some(sorting);
            return;
        }
        self.rows = sorting.runs.pop_front().unwrap_or_default();
        self.seen = Some(sorting.seen);
        self.follow(store, table, &sorting.late);
    }

    fn shows(&self, store: &Store, entry: &Entry<T>) -> bool {
        self.filter.as_ref().is_none_or(|f| f(store, entry))
    }

    /// Those that the filter lets through, in order.
    fn sorted<'t>(&self, store: &Store, rows: impl Iterator<Item = (RowRef, &'t Entry<T>)>) -> Vec<(RowRef, &'t Entry<T>)> {
        let mut found: Vec<_> = rows.filter(|(_, e)| self.shows(store, e)).collect();
        found.sort_unstable_by(|a, b| (self.compare)(store, a.1, b.1).then(a.0.cmp(&b.0)));
        found
    }

    fn follow(&mut self, store: &Store, table: &Table<T>, slots: &[u32]) {
        let mut slots = slots.to_vec();
        slots.sort_unstable();
        slots.dedup();
        leave(&mut self.rows, &slots);
        let fresh = self.sorted(store, slots.iter().filter_map(|s| table.in_slot(*s)));
        // Where each newcomer goes, found by halving; then one pass that moves every old row at most once.
        let old = std::mem::take(&mut self.rows);
        let mut merged = Vec::with_capacity(old.len() + fresh.len());
        let mut from = 0;
        for (place, entry) in fresh {
            let to =
                from + old[from..].partition_point(|r| table.at(*r).is_some_and(|e| (self.compare)(store, e, entry).then(r.cmp(&place)) == Ordering::Less));
            merged.extend_from_slice(&old[from..to]);
            merged.push(place);
            from = to;
        }
        merged.extend_from_slice(&old[from..]);
        self.rows = merged;
    }
}

impl Sorting {
    fn begun(seen: (u64, u64)) -> Self {
        Self { seen, next: 0, runs: VecDeque::new(), late: Vec::new() }
    }

    /// What was looked at and has changed since leaves its run, which would be out of order otherwise.
    fn catch_up<T: Row>(&mut self, table: &Table<T>) {
        let now = table.generation();
        if now == self.seen.0 {
            return;
        }
        let Some(changes) = table.changes_since(self.seen.0) else {
            *self = Self::begun((now, self.seen.1));
            return;
        };
        let mut slots: Vec<u32> = changes.iter().copied().filter(|slot| *slot < self.next).collect();
        slots.sort_unstable();
        slots.dedup();
        for run in &mut self.runs {
            leave(run, &slots);
        }
        self.late.extend(slots);
        self.seen.0 = now;
    }
}

/// Takes the rows of these slots, in order, out of `rows`.
fn leave(rows: &mut Vec<RowRef>, slots: &[u32]) {
    let (Some(least), Some(most)) = (slots.first().copied(), slots.last().copied()) else { return };
    rows.retain(|r| r.slot < least || r.slot > most || slots.binary_search(&r.slot).is_err());
}
