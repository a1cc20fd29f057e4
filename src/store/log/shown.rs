//! Which lines a filter shows: those that fit, the lines around them, and what happened in between, which no filter hides.
//!
//! The lines around a hit are those of its own stream: between them stand the lines of others, who know nothing of it.

use std::collections::HashMap;
use std::ops::Range;

use super::book::Book;
use super::search::{Found, Goal, Scan};
use crate::base::ring::Ring;

/// Lines of other streams that may stand between a hit and those around it.
const FAR: u64 = 300;

/// Lines before and after each hit.
type Around = (u64, u64);

/// Of the lines `among`, by their place in it: which fit, or stand around one among them that does.
pub fn shown(ring: &Ring, scan: &Scan, among: Range<u64>) -> Vec<bool> {
    let (start, around) = (among.start.max(ring.first()), around(scan));
    let lines: Vec<u32> = ring.from(start).take_while(|l| l.number < among.end).map(|l| l.stream).collect();
    let mut out = vec![false; lines.len()];
    let mut at = start;
    while let Found::Line(hit) = scan.next(ring, at) {
        let Some(bit) = usize::try_from(hit - start).ok().and_then(|i| out.get_mut(i)) else { break };
        *bit = true;
        at = hit + 1;
    }
    let hits = out.clone();
    let mut spread = |order: &mut dyn Iterator<Item = usize>, most: u64| {
        let mut left: HashMap<u32, u64> = HashMap::new();
        for i in order {
            let left = left.entry(lines[i]).or_default();
            out[i] |= *left > 0;
            *left = if hits[i] { most } else { left.saturating_sub(1) };
        }
    };
    spread(&mut (0..lines.len()), around.1);
    spread(&mut (0..lines.len()).rev(), around.0);
    out
}

fn around(scan: &Scan) -> Around {
    match scan.goal() {
        Goal::Query(q) => (u64::from(q.before), u64::from(q.after)),
        Goal::Pattern(_) => (0, 0),
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    pub book: &'a Book,
    /// `None`: all of them.
    pub filter: Option<&'a Scan>,
}

impl Shown<'_> {
    /// The first shown line at or behind `number`.
    pub fn at_or_after(self, number: u64) -> Found {
        let ring = self.book.ring();
        let number = number.max(ring.first());
        if number >= ring.next() {
            return Found::Nothing;
        }
        let Some(filter) = self.filter else { return Found::Line(number) };
        let found = match around(filter) {
            (0, 0) => filter.next(ring, number),
            (before, after) if self.book.streams().len() < 2 => match filter.next(ring, number.saturating_sub(after)) {
                Found::Line(hit) => Found::Line(hit.saturating_sub(before).max(number)),
                other => other,
            },
            _ => self.merged_from(filter, number),
        };
        match (found, self.book.note_from(number)) {
            (Found::Line(line), Some(note)) => Found::Line(line.min(note)),
            (Found::Nothing, Some(note)) => Found::Line(note),
            (other, _) => other,
        }
    }

    /// The last shown line before `number`.
    pub fn before(self, number: u64) -> Found {
        let ring = self.book.ring();
        let number = number.min(ring.next());
        if number <= ring.first() {
            return Found::Nothing;
        }
        let Some(filter) = self.filter else { return Found::Line(number - 1) };
        let found = match around(filter) {
            (0, 0) => filter.previous(ring, number),
            (before, after) if self.book.streams().len() < 2 => match filter.previous(ring, number.saturating_add(before)) {
                Found::Line(hit) => Some((hit + after).min(number - 1)).filter(|n| *n >= ring.first()).map_or(Found::Nothing, Found::Line),
                other => other,
            },
            _ => self.merged_before(filter, number),
        };
        let note = self.book.note_before(number).filter(|n| *n >= ring.first());
        match (found, note) {
            (Found::Line(line), Some(note)) => Found::Line(line.max(note)),
            (Found::Nothing, Some(note)) => Found::Line(note),
            (other, _) => other,
        }
    }

    fn merged_from(self, filter: &Scan, number: u64) -> Found {
        let ring = self.book.ring();
        let mut at = number;
        loop {
            // No hit that is further away than this has to do with lines from here on.
            at = match filter.next(ring, at.saturating_sub(FAR)) {
                Found::Line(hit) => at.max(hit.saturating_sub(FAR)),
                other => return other,
            };
            let from = at.saturating_sub(FAR).max(ring.first());
            let marks = shown(ring, filter, from..at + 2 * FAR);
            let behind = usize::try_from(at - from).unwrap_or(0);
            if let Some((_, n)) = marks.iter().zip(from..at + FAR).skip(behind).find(|(shown, _)| **shown) {
                return Found::Line(n);
            }
            at += FAR;
        }
    }

    fn merged_before(self, filter: &Scan, number: u64) -> Found {
        let ring = self.book.ring();
        let mut to = number;
        loop {
            to = match filter.previous(ring, to + FAR) {
                Found::Line(hit) => to.min(hit + FAR + 1),
                other => return other,
            };
            let from = to.saturating_sub(2 * FAR).max(ring.first());
            let marks = shown(ring, filter, from..to + FAR);
            let near = to.saturating_sub(FAR).max(from);
            let found = marks.iter().zip(from..to).filter(|(shown, _)| **shown).last();
            match found.map(|(_, n)| n).filter(|n| *n >= near) {
                Some(n) => return Found::Line(n),
                None if near <= ring.first() => return Found::Nothing,
                None => to = near,
            }
        }
    }

    /// Is it only there for the lines around it?
    pub fn is_around(self, number: u64) -> bool {
        self.filter.is_some_and(|f| !f.has(self.book.ring(), number))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::clock::Moment;
    use crate::base::stamp::Stamp;
    use crate::model::log::{Chunk, LogEvent, Mark, Note, Speaker, StreamId};
    use crate::store::log::query::Query;

    fn book(streams: u32) -> Book {
        let mut book = Book::new(1 << 20, 1 << 20);
        for s in 0..streams {
            book.apply(LogEvent::Stream { stream: StreamId(s), speaker: Speaker::Kernel { host: format!("h{s}").as_str().into() } }, Moment(0));
        }
        book
    }

    fn say(book: &mut Book, stream: u32, at: i64, text: &'static str) {
        let marks = vec![Mark { start: 0, end: u32::try_from(text.len()).unwrap(), stamp: Stamp::from(Moment(at)), cut: 0 }];
        book.apply(LogEvent::Lines { stream: StreamId(stream), chunk: Chunk { bytes: text.into(), marks } }, Moment(at));
    }

    fn scanned(book: &Book, query: &str) -> Scan {
        let mut scan = Scan::new(Goal::Query(Query::parse(query).unwrap()));
        scan.work(book.ring(), &[], 0, usize::MAX);
        scan
    }

    fn both_ways(shown: Shown) -> (Vec<u64>, Vec<u64>) {
        let (mut forth, mut at) = (Vec::new(), 0);
        while let Found::Line(n) = shown.at_or_after(at) {
            forth.push(n);
            at = n + 1;
        }
        let (mut back, mut at) = (Vec::new(), u64::MAX);
        while let Found::Line(n) = shown.before(at) {
            back.push(n);
            at = n;
        }
        back.reverse();
        (forth, back)
    }

    #[test]
    fn lines_around_join_where_they_meet() {
        let mut book = book(1);
        for i in 0..39 {
            say(&mut book, 0, 0, if matches!(i, 10 | 13 | 30) { "hit" } else { "x" });
            if i == 20 {
                book.apply(LogEvent::Note { stream: None, note: Note::Rotated }, Moment(0));
            }
        }
        let scan = scanned(&book, "hit -B 2 -A 1");
        let shown = Shown { book: &book, filter: Some(&scan) };
        let (forth, back) = both_ways(shown);
        assert_eq!(forth, [8, 9, 10, 11, 12, 13, 14, 21, 29, 30, 31, 32]);
        assert_eq!(back, forth);
        assert!(shown.is_around(9) && !shown.is_around(10));
    }

    #[test]
    fn lines_around_a_hit_are_of_its_own_stream() {
        let mut book = book(3);
        for i in 0..60 {
            say(&mut book, i % 3, i64::from(i), if i == 30 { "hit" } else { "x" });
        }
        book.tick(Moment(100_000));
        let scan = scanned(&book, "hit -C 2");
        let (forth, back) = both_ways(Shown { book: &book, filter: Some(&scan) });
        assert_eq!(forth, [24, 27, 30, 33, 36]);
        assert_eq!(back, forth);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn both_ways_see_the_same_lines(
            lines in prop::collection::vec((0_u32..3, prop::bool::weighted(0.01)), 1..3000),
            before in 0_u64..4,
            after in 0_u64..4,
        ) {
            let mut book = book(3);
            for (i, (stream, hit)) in lines.iter().enumerate() {
                say(&mut book, *stream, i64::try_from(i).unwrap(), if *hit { "hit" } else { "x" });
            }
            book.tick(Moment(100_000));
            let scan = scanned(&book, &format!("hit -B {before} -A {after}"));
            let want: Vec<u64> = shown(book.ring(), &scan, 0..u64::MAX).iter().zip(0..).filter(|(s, _)| **s).map(|(_, n)| n).collect();
            let (forth, back) = both_ways(Shown { book: &book, filter: Some(&scan) });
            prop_assert_eq!(&forth, &want);
            prop_assert_eq!(&back, &want);
        }
    }
}
