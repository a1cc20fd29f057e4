//! What one open log keeps: its lines in one order, what happened between them, and who speaks.

use std::collections::BTreeMap;
use std::time::Duration;

use super::late::{self, Late, Notes};
use super::merge::{Merge, Turn};
use crate::base::clock::Moment;
use crate::base::ring::{Line, Ring};
use crate::model::log::{Chunk, GapCause, LogEvent, Note, Speaker, Stamp, StreamId, StreamState};

/// A stream that has said nothing for so long has caught up with its remote.
const CAUGHT_UP: Duration = Duration::from_millis(1500);
/// What it says so soon is what it said before anybody listened.
const HISTORY: Duration = Duration::from_secs(2);

/// One that speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    pub speaker: Speaker,
    pub state: StreamState,
    /// Lines that came.
    pub lines: u64,
    /// Lines that were dropped on the way, as far as they were counted.
    pub dropped: u64,
    last: Option<Stamp>,
    heard_at: Option<Moment>,
    /// When it began to speak, at first or after a cut.
    began: Option<Moment>,
}

impl Stream {
    /// How far what it says is behind what its remote writes; zero once it has caught up, and while it tells its history.
    pub fn lag(&self, now: Moment) -> Duration {
        match (self.last, self.heard_at, self.began) {
            (Some(last), Some(heard), Some(began)) if now.since(heard) < CAUGHT_UP && heard.since(began) >= HISTORY => heard.since(last.moment()),
            _ => Duration::ZERO,
        }
    }
}

#[derive(Debug)]
pub struct Book {
    ring: Ring,
    merge: Merge,
    late: Late,
    /// By the number of the empty line that stands for it.
    notes: Notes,
    /// The latest stamp among the lines that are shown.
    reached: Stamp,
    streams: BTreeMap<StreamId, Stream>,
    stream_bytes: usize,
    all_bytes: usize,
    generation: u64,
}

impl Book {
    /// `stream_bytes` for each stream, and no more than `all_bytes`.
    pub fn new(stream_bytes: usize, all_bytes: usize) -> Self {
        let ring = Ring::new(stream_bytes.min(all_bytes));
        Self {
            ring,
            merge: Merge::default(),
            late: Late::default(),
            notes: BTreeMap::new(),
            reached: Stamp(i64::MIN),
            streams: BTreeMap::new(),
            stream_bytes,
            all_bytes,
            generation: 0,
        }
    }

    /// The lines. One that stands for a note is empty; [`Book::note`] has it.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// What happened at line `number`, and to which stream.
    pub fn note(&self, number: u64) -> Option<&(Option<StreamId>, Note)> {
        self.notes.get(&number)
    }

    /// All that happened among the lines that are kept, by line number.
    pub fn notes(&self) -> impl DoubleEndedIterator<Item = (u64, &(Option<StreamId>, Note))> {
        self.notes.iter().map(|(n, note)| (*n, note))
    }

    /// The first line at or behind `number` that stands for a note.
    pub fn note_from(&self, number: u64) -> Option<u64> {
        self.notes.range(number..).next().map(|(n, _)| *n)
    }

    /// The last line before `number` that stands for a note.
    pub fn note_before(&self, number: u64) -> Option<u64> {
        self.notes.range(..number).next_back().map(|(n, _)| *n)
    }

    pub fn streams(&self) -> impl ExactSizeIterator<Item = (StreamId, &Stream)> {
        self.streams.iter().map(|(id, s)| (*id, s))
    }

    pub fn stream(&self, id: StreamId) -> Option<&Stream> {
        self.streams.get(&id)
    }

    /// Who said this line.
    pub fn speaker(&self, line: &Line<'_>) -> Option<&Speaker> {
        self.streams.get(&StreamId(line.stream)).map(|s| &s.speaker)
    }

    /// Grows with everything that may change what is shown.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The lag of the stream that is furthest behind.
    pub fn lag(&self, now: Moment) -> Duration {
        self.streams.values().map(|s| s.lag(now)).max().unwrap_or_default()
    }

    /// Lines that were dropped before they were shown.
    pub fn dropped(&self) -> u64 {
        self.streams.values().map(|s| s.dropped).sum()
    }

    /// Lines that have come and wait for their turn take memory too.
    pub fn size(&self) -> usize {
        self.ring.size() + self.merge.held_bytes() + self.late.bytes()
    }

    /// How often lines have got new numbers, because others came late to a place before them.
    pub fn epoch(&self) -> u64 {
        self.late.epoch()
    }

    /// The number that a line has now which had `number` in that epoch.
    pub fn moved(&self, epoch: u64, number: u64) -> u64 {
        self.late.moved(epoch, number)
    }

    pub fn due(&self) -> Option<Moment> {
        self.merge.due().into_iter().chain(self.late.due()).min()
    }

    /// Does what a stream says now belong before lines that are shown already?
    fn is_late(&self, stream: StreamId, chunk: &Chunk, at: Moment) -> bool {
        if self.late.holds(stream) {
            return true;
        }
        let young = self.streams.get(&stream).is_some_and(|s| s.began.is_none_or(|began| at.since(began) < late::YOUNG));
        let before = chunk.marks.first().is_some_and(|m| m.stamp < self.reached);
        young && before && self.streams.len() > 1 && self.merge.held_of(stream) == 0 && self.ring.size() < late::MOST
    }

    fn settle(&mut self) {
        for late::Settled { stream, place, rest, arrived } in self.late.settle(&mut self.ring, &mut self.notes) {
            self.merge.passed(stream, place);
            for chunk in rest {
                self.merge.lines(stream, chunk, arrived);
            }
        }
        self.forget();
        self.generation += 1;
    }

    /// Lets go what has waited long enough. Did anything change?
    pub fn tick(&mut self, now: Moment) -> bool {
        if self.late.is_due(now) {
            self.settle();
        }
        let before = self.ring.next();
        let (ring, notes, reached) = (&mut self.ring, &mut self.notes, &mut self.reached);
        self.merge.release(now, &mut |turn| match turn {
            Turn::Line { stream, mark, bytes } => {
                *reached = mark.stamp.max(*reached);
                ring.push(mark.stamp, stream.0, bytes, mark.cut);
            }
            Turn::Note { stream, at, note } => {
                let number = ring.push(at.into(), stream.0, b"", 0);
                notes.insert(number, (Some(stream), note));
            }
        });
        self.forget();
        let changed = self.ring.next() != before;
        self.generation += u64::from(changed);
        changed
    }

    /// Notes leave with their lines.
    fn forget(&mut self) {
        let first = self.ring.first();
        while self.notes.first_key_value().is_some_and(|(number, _)| *number < first) {
            self.notes.pop_first();
        }
    }

    /// Evicts the oldest lines; gives the bytes that became free.
    pub fn evict_oldest(&mut self) -> usize {
        let freed = self.ring.evict_oldest();
        self.forget();
        freed
    }

    /// Takes an event in that came at `at`.
    pub fn apply(&mut self, event: LogEvent, at: Moment) {
        self.generation += 1;
        match event {
            LogEvent::Opened | LogEvent::Closed => {}
            LogEvent::Stream { stream, speaker } => {
                self.streams.insert(stream, Stream { speaker, state: StreamState::Opening, lines: 0, dropped: 0, last: None, heard_at: None, began: None });
                self.merge.open(stream);
                self.ring.set_most(self.stream_bytes.saturating_mul(self.streams.len()).min(self.all_bytes));
            }
            LogEvent::State { stream, state } => {
                match state {
                    StreamState::Opening | StreamState::Live => self.merge.open(stream),
                    StreamState::Waiting | StreamState::Ended => self.merge.pause(stream),
                }
                if let Some(s) = self.streams.get_mut(&stream) {
                    s.state = state;
                }
            }
            LogEvent::Lines { stream, chunk } => {
                let late = self.is_late(stream, &chunk, at);
                if let Some(s) = self.streams.get_mut(&stream).filter(|_| chunk.lines() > 0) {
                    s.lines += chunk.lines() as u64;
                    s.last = chunk.last_stamp().or(s.last);
                    s.heard_at = Some(at);
                    s.began.get_or_insert(at);
                }
                if late {
                    if let Some(stamp) = chunk.last_stamp() {
                        self.merge.reach(stream, stamp);
                    }
                    self.late.put(stream, chunk, at);
                } else {
                    self.merge.lines(stream, chunk, at);
                }
            }
            LogEvent::Note { stream: Some(stream), note } => {
                if let (Note::Gap { lines: Some(lines), cause: GapCause::Overflow, .. }, Some(s)) = (&note, self.streams.get_mut(&stream)) {
                    s.dropped += lines;
                }
                if note == Note::Resumed
                    && let Some(s) = self.streams.get_mut(&stream)
                {
                    s.began = None;
                }
                // It happened behind those lines.
                if self.late.holds(stream) {
                    self.settle();
                }
                self.merge.note(stream, note, at);
            }
            LogEvent::Note { stream: None, note } => {
                let number = self.ring.push(at.into(), u32::MAX, b"", 0);
                self.notes.insert(number, (None, note));
            }
        }
        self.tick(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::model::log::Mark;

    fn lines(count: usize, stamp: i64) -> LogEvent {
        let text = vec![b'x'; 100];
        let marks = (0..count).map(|_| Mark { start: 0, end: 100, stamp: Stamp(stamp), cut: 0 }).collect();
        LogEvent::Lines { stream: StreamId(0), chunk: Chunk { bytes: text.into(), marks } }
    }

    fn opened() -> Book {
        let mut book = Book::new(1 << 20, 2 << 20);
        let speaker = Speaker::Kernel { host: "h".into() };
        book.apply(LogEvent::Stream { stream: StreamId(0), speaker }, Moment(0));
        book
    }

    #[test]
    fn notes_keep_their_place_and_leave_with_it() {
        let mut book = opened();
        book.apply(lines(3, 0), Moment(0));
        let gap = Note::Gap { lines: Some(7), bytes: 700, cause: GapCause::Overflow };
        book.apply(LogEvent::Note { stream: Some(StreamId(0)), note: gap.clone() }, Moment(0));
        book.apply(lines(1, 0), Moment(0));
        assert_eq!(book.note(3), Some(&(Some(StreamId(0)), gap)));
        assert_eq!((book.dropped(), book.ring().lines()), (7, 5));
        book.apply(lines(50_000, 0), Moment(0));
        assert!(book.ring().first() > 3 && book.note(3).is_none());
        assert!(book.size() <= 1 << 20);
    }

    #[test]
    fn lag_is_told_only_while_lines_come() {
        let mut book = opened();
        book.apply(lines(1, 1_000_000_000), Moment(59_000));
        assert_eq!(book.lag(Moment(59_000)), Duration::ZERO, "it tells its history");
        book.apply(lines(1, 1_000_000_000), Moment(61_000));
        assert_eq!(book.lag(Moment(61_000)), Duration::from_mins(1));
        assert_eq!(book.lag(Moment(63_000)), Duration::ZERO, "it has nothing more to tell");
    }

    fn one(stream: u32, at: i64, text: &str) -> LogEvent {
        let marks = vec![Mark { start: 0, end: u32::try_from(text.len()).unwrap(), stamp: Stamp::from(Moment(at)), cut: 0 }];
        LogEvent::Lines { stream: StreamId(stream), chunk: Chunk { bytes: text.to_owned().into(), marks } }
    }

    fn texts(book: &Book) -> Vec<String> {
        let of = |l: Line<'_>| book.note(l.number).map_or_else(|| String::from_utf8_lossy(l.bytes).into_owned(), |(_, note)| format!("{note:?}"));
        book.ring().from(0).map(of).collect()
    }

    fn two() -> Book {
        let mut book = Book::new(1 << 20, 2 << 20);
        for (s, host) in [(0, "fast"), (1, "slow")] {
            book.apply(LogEvent::Stream { stream: StreamId(s), speaker: Speaker::Kernel { host: host.into() } }, Moment(0));
        }
        book
    }

    #[test]
    fn the_history_of_a_slow_stream_goes_where_it_belongs() {
        let mut book = two();
        for at in [1000, 3000, 5000] {
            book.apply(one(0, at, &format!("f{at}")), Moment(10_000));
        }
        book.apply(LogEvent::Note { stream: Some(StreamId(0)), note: Note::Rotated }, Moment(10_000));
        book.apply(one(0, 6000, "f6000"), Moment(10_000));
        book.tick(Moment(12_500));
        let (numbers, epoch) = ([0, 1, 2, 3, 4, 5], book.epoch());
        assert_eq!(texts(&book), ["f1000", "f3000", "f5000", "Rotated", "f6000"]);
        // Six seconds after the others, in two pieces, of which the second is no older than what is shown.
        book.apply(one(1, 2000, "s2000"), Moment(16_000));
        book.apply(one(1, 5500, "s5500"), Moment(16_050));
        assert_eq!(texts(&book).len(), 5, "pieces go together");
        book.tick(book.due().unwrap());
        assert_eq!(texts(&book), ["f1000", "s2000", "f3000", "f5000", "Rotated", "s5500", "f6000"]);
        // Numbers are new, and whoever knew the old ones finds the same lines.
        assert_eq!(numbers.map(|n| book.moved(epoch, n)), [5, 7, 8, 9, 11, 12]);
        assert_eq!((book.ring().first(), book.ring().next(), book.ring().evicted()), (5, 12, 0));
        // From now on it is a stream like the others.
        book.apply(one(0, 17_000, "f17"), Moment(17_000));
        book.apply(one(1, 16_900, "s16.9"), Moment(17_000));
        book.tick(Moment(20_000));
        assert_eq!(texts(&book)[7..], ["s16.9", "f17"]);
    }

    #[test]
    fn what_was_said_while_one_was_cut_goes_where_it_belongs() {
        let mut book = two();
        book.apply(one(1, 1000, "s1"), Moment(1000));
        book.apply(one(0, 1500, "f1.5"), Moment(1500));
        book.apply(LogEvent::Note { stream: Some(StreamId(1)), note: Note::Cut { text: String::new() } }, Moment(9000));
        book.apply(LogEvent::State { stream: StreamId(1), state: StreamState::Waiting }, Moment(9000));
        for at in [10_000, 20_000, 30_000] {
            book.apply(one(0, at, &format!("f{at}")), Moment(at));
        }
        book.apply(LogEvent::State { stream: StreamId(1), state: StreamState::Live }, Moment(31_000));
        book.apply(LogEvent::Note { stream: Some(StreamId(1)), note: Note::Resumed }, Moment(31_000));
        book.apply(one(1, 15_000, "s15"), Moment(31_000));
        book.apply(one(1, 30_500, "s30.5"), Moment(31_000));
        book.tick(Moment(40_000));
        assert_eq!(texts(&book), ["s1", "Cut { text: \"\" }", "f1.5", "f10000", "s15", "f20000", "f30000", "Resumed", "s30.5"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
        /// However late a stream opens, its history ends up in the order of time, whole, each stream in its own order.
        #[test]
        fn late_histories_make_one_order(
            histories in prop::collection::vec((prop::collection::vec(0_i64..1000, 1..40), 0_i64..60_000), 2..5),
            pieces in 1_usize..8,
        ) {
            let mut book = Book::new(1 << 20, 8 << 20);
            let mut plan = Vec::new();
            let mut want = Vec::new();
            for (s, (steps, opens)) in (0_u32..).zip(&histories) {
                book.apply(LogEvent::Stream { stream: StreamId(s), speaker: Speaker::Kernel { host: "h".into() } }, Moment(0));
                let mut at = 0;
                for (i, step) in steps.iter().enumerate() {
                    at += step;
                    want.push(at);
                    plan.push((100_000 + opens + i64::try_from(i / pieces).unwrap(), s, at));
                }
            }
            plan.sort_by_key(|(arrives, stream, _)| (*arrives, *stream));
            for (arrives, stream, at) in plan {
                book.apply(one(stream, at, &format!("{stream} {at}")), Moment(arrives));
            }
            book.tick(Moment(300_000));
            book.tick(Moment(310_000));
            want.sort_unstable();
            let got: Vec<i64> = book.ring().from(0).map(|l| l.stamp.moment().0).collect();
            prop_assert_eq!(got, want);
        }
    }
}
