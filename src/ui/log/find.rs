//! Searching and filtering: in slices between keys, from what is in sight outwards.

use super::LogPane;
use crate::base::clock::Stopwatch;
use crate::store::log::book::Book;
use crate::store::log::query::{Pattern, Query};
use crate::store::log::search::{Found, Goal, Scan};
use crate::ui::SLICE;

/// Bytes between two looks at the clock.
const STRIDE: usize = 512 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Older,
    Newer,
}

/// A filter, and which streams it takes.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub scan: Scan,
    admits: Vec<bool>,
}

/// A search, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Search {
    pub scan: Scan,
    /// The line that it stands on.
    pub at: Option<u64>,
    /// A step that waits until the search has come that far: where from, and which way.
    step: Option<(u64, Way)>,
}

/// How a step of a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stepped {
    To(u64),
    /// It goes on while the search does.
    Later,
    Nowhere,
}

impl Filter {
    fn new(query: Query, book: &Book) -> Self {
        let mut filter = Self { scan: Scan::new(Goal::Query(query)), admits: Vec::new() };
        filter.admit(book);
        filter
    }

    /// Takes in streams that have joined.
    fn admit(&mut self, book: &Book) {
        let Goal::Query(query) = self.scan.goal() else { return };
        for (id, stream) in book.streams().skip(self.admits.len()) {
            let at = id.0 as usize;
            if self.admits.len() <= at {
                self.admits.resize(at + 1, true);
            }
            self.admits[at] = query.from(&stream.speaker);
        }
    }

    pub(super) fn query(&self) -> Option<&Query> {
        match self.scan.goal() {
            Goal::Query(q) => Some(q),
            Goal::Pattern(_) => None,
        }
    }
}

impl Search {
    /// Lines have got other numbers.
    pub(super) fn moved(&mut self, to: impl Fn(u64) -> u64) {
        self.at = self.at.map(&to);
        self.step = self.step.map(|(from, way)| (if from == u64::MAX { from } else { to(from) }, way));
    }

    pub(super) fn pattern(&self) -> Option<&Pattern> {
        match self.scan.goal() {
            Goal::Pattern(p) => Some(p),
            Goal::Query(_) => None,
        }
    }
}

impl LogPane {
    /// An empty query takes the filter away.
    pub(super) fn set_filter(&mut self, query: Query, book: &Book) {
        let old = self.filter.as_ref().and_then(Filter::query).map_or("", Query::typed);
        if old == query.typed() {
            return;
        }
        self.filter = if query.is_empty() { None } else { Some(Filter::new(query, book)) };
        self.anchor = None;
        self.work(book);
    }

    /// Looks for something; the nearest place above what is in sight comes first, as the latest is what matters.
    pub(super) fn set_search(&mut self, pattern: Pattern, book: &Book) {
        let from = self.drawn.last().map_or(u64::MAX, |n| n + 1);
        self.search = Some(Search { scan: Scan::new(Goal::Pattern(pattern)), at: None, step: Some((from, Way::Older)) });
        self.work(book);
    }

    /// From where the search stands to the next place.
    pub(super) fn step_search(&mut self, way: Way) {
        let cursor = if self.is_following() { self.drawn.last().copied().unwrap_or(u64::MAX) } else { self.cursor };
        if let Some(s) = &mut self.search {
            let from = s.at.unwrap_or(cursor);
            s.step = Some((if way == Way::Newer { from.saturating_add(1) } else { from }, way));
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        let open = |s: &Scan| !s.is_complete();
        self.filter.as_ref().is_some_and(|f| open(&f.scan)) || self.search.as_ref().is_some_and(|s| open(&s.scan))
    }

    /// One slice of what is under way.
    pub(super) fn work(&mut self, book: &Book) {
        let near = if self.is_following() { u64::MAX } else { self.cursor };
        let watch = Stopwatch::start();
        if let Some(f) = &mut self.filter {
            f.admit(book);
            loop {
                f.scan.work(book.ring(), &f.admits, near, STRIDE);
                if f.scan.is_complete() || watch.elapsed() > SLICE {
                    break;
                }
            }
        }
        if let Some(s) = &mut self.search {
            let near = s.step.map_or(near, |(from, _)| from);
            loop {
                s.scan.work(book.ring(), &[], near, STRIDE);
                if s.scan.is_complete() || watch.elapsed() > SLICE {
                    break;
                }
            }
        }
    }

    /// Takes the step that was asked for, if the search has come that far. A search wraps at both ends.
    pub(super) fn take_step(&mut self, book: &Book) -> Option<Stepped> {
        let (from, way) = self.search.as_ref()?.step?;
        let stepped = match self.hit(book, from, way) {
            Found::Line(n) => Stepped::To(n),
            Found::NotYet => Stepped::Later,
            Found::Nothing => match self.hit(book, if way == Way::Newer { 0 } else { u64::MAX }, way) {
                Found::Line(n) => Stepped::To(n),
                Found::NotYet => Stepped::Later,
                Found::Nothing => Stepped::Nowhere,
            },
        };
        if stepped != Stepped::Later
            && let Some(s) = &mut self.search
        {
            s.step = None;
            if let Stepped::To(n) = stepped {
                s.at = Some(n);
            }
        }
        Some(stepped)
    }

    /// The next hit that the filter shows too.
    fn hit(&self, book: &Book, from: u64, way: Way) -> Found {
        let Some(s) = &self.search else { return Found::Nothing };
        let (ring, shown) = (book.ring(), self.shown(book));
        let mut at = from;
        loop {
            let found = if way == Way::Newer { s.scan.next(ring, at) } else { s.scan.previous(ring, at) };
            let Found::Line(n) = found else { return found };
            match shown.at_or_after(n) {
                Found::Line(m) if m == n => return found,
                Found::NotYet => return Found::NotYet,
                _ => at = if way == Way::Newer { n + 1 } else { n },
            }
        }
    }
}
