//! A sorted, filtered view of a table: it follows the table's changes by steps, so that neither fifty thousand rows nor two hundred
//! changes a second cost a frame.

use std::cmp::Ordering;

use super::Store;
use super::table::{Entry, RowRef, Table};
use crate::model::fact::Row;

pub type Filter<T> = Box<dyn Fn(&Store, &Entry<T>) -> bool + Send>;
pub type Compare<T> = Box<dyn Fn(&Store, &Entry<T>, &Entry<T>) -> Ordering + Send>;

pub struct View<T: Row> {
    rows: Vec<RowRef>,
    filter: Option<Filter<T>>,
    compare: Compare<T>,
    seen: Option<(u64, u64)>,
}

impl<T: Row> std::fmt::Debug for View<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl<T: Row> Default for View<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), filter: None, compare: Box::new(by_severity), seen: None }
    }
}

/// The worst first, then by place and name.
pub fn by_severity<T: Row>(_: &Store, a: &Entry<T>, b: &Entry<T>) -> Ordering {
    a.verdict.rank().cmp(&b.verdict.rank()).then_with(|| a.row.order().cmp(&b.row.order()))
}

/// Changes beyond which starting over is cheaper than following.
const FEW: usize = 4096;

impl<T: Row> View<T> {
    pub fn rows(&self) -> &[RowRef] {
        &self.rows
    }

    /// Takes effect at the next refresh, whatever is held.
    pub fn set_filter(&mut self, filter: Option<Filter<T>>) {
        self.filter = filter;
        self.seen = None;
    }

    pub fn set_sort(&mut self, compare: Compare<T>) {
        self.compare = compare;
        self.seen = None;
    }

    /// Catches up with the table. While `hold` is set the order stays as it is and only rows that are gone leave it.
    pub fn refresh(&mut self, store: &Store, table: &Table<T>, hold: bool) {
        let now = (table.generation(), store.epoch());
        if self.seen == Some(now) {
            return;
        }
        if hold && self.seen.is_some() {
            self.rows.retain(|r| table.at(*r).is_some());
            return;
        }
        let changes = self.seen.filter(|(_, epoch)| *epoch == now.1).and_then(|(generation, _)| table.changes_since(generation));
        match changes {
            Some(slots) if slots.len() <= FEW => self.follow(store, table, slots),
            _ => self.rebuild(store, table),
        }
        self.seen = Some(now);
    }

    fn shows(&self, store: &Store, entry: &Entry<T>) -> bool {
        self.filter.as_ref().is_none_or(|f| f(store, entry))
    }

    fn rebuild(&mut self, store: &Store, table: &Table<T>) {
        let mut found: Vec<(RowRef, &Entry<T>)> = table.iter().filter(|(_, e)| self.shows(store, e)).collect();
        found.sort_unstable_by(|a, b| (self.compare)(store, a.1, b.1).then(a.0.cmp(&b.0)));
        self.rows.clear();
        self.rows.extend(found.into_iter().map(|(r, _)| r));
    }

    fn follow(&mut self, store: &Store, table: &Table<T>, slots: &[u32]) {
        let mut slots = slots.to_vec();
        slots.sort_unstable();
        slots.dedup();
        let (few, most) = (slots.first().copied().unwrap_or(0), slots.last().copied().unwrap_or(0));
        self.rows.retain(|r| r.slot < few || r.slot > most || slots.binary_search(&r.slot).is_err());
        let mut fresh: Vec<(RowRef, &Entry<T>)> = slots.iter().filter_map(|s| table.in_slot(*s)).filter(|(_, e)| self.shows(store, e)).collect();
        fresh.sort_unstable_by(|a, b| (self.compare)(store, a.1, b.1).then(a.0.cmp(&b.0)));
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
