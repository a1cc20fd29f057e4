//! What one open log keeps: its lines in one order, what happened between them, and who speaks.

use std::collections::BTreeMap;
use std::time::Duration;

use super::merge::{Merge, Turn};
use crate::base::clock::Moment;
use crate::base::ring::{Line, Ring};
use crate::model::log::{GapCause, LogEvent, Note, Speaker, Stamp, StreamId, StreamState};

/// A stream that has said nothing for so long has caught up with its remote.
const CAUGHT_UP: Duration = Duration::from_millis(1500);

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
}

impl Stream {
    /// How far what it says is behind what its remote writes; zero once it has caught up.
    pub fn lag(&self, now: Moment) -> Duration {
        match (self.last, self.heard_at) {
            (Some(last), Some(heard)) if now.since(heard) < CAUGHT_UP => heard.since(last.moment()),
            _ => Duration::ZERO,
        }
    }
}

#[derive(Debug)]
pub struct Book {
    ring: Ring,
    merge: Merge,
    /// By the number of the empty line that stands for it.
    notes: BTreeMap<u64, (Option<StreamId>, Note)>,
    streams: BTreeMap<StreamId, Stream>,
    stream_bytes: usize,
    all_bytes: usize,
    generation: u64,
}

impl Book {
    /// `stream_bytes` for each stream, and no more than `all_bytes`.
    pub fn new(stream_bytes: usize, all_bytes: usize) -> Self {
        let ring = Ring::new(stream_bytes.min(all_bytes));
        Self { ring, merge: Merge::default(), notes: BTreeMap::new(), streams: BTreeMap::new(), stream_bytes, all_bytes, generation: 0 }
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
        self.ring.size() + self.merge.held_bytes()
    }

    pub fn due(&self) -> Option<Moment> {
        self.merge.due()
    }

    /// Lets go what has waited long enough. Did anything change?
    pub fn tick(&mut self, now: Moment) -> bool {
        let before = self.ring.next();
        let (ring, notes) = (&mut self.ring, &mut self.notes);
        self.merge.release(now, &mut |turn| match turn {
            Turn::Line { stream, mark, bytes } => {
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
                self.streams.insert(stream, Stream { speaker, state: StreamState::Opening, lines: 0, dropped: 0, last: None, heard_at: None });
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
                if let Some(s) = self.streams.get_mut(&stream) {
                    s.lines += chunk.lines() as u64;
                    s.last = chunk.last_stamp().or(s.last);
                    s.heard_at = Some(at);
                }
                self.merge.lines(stream, chunk, at);
            }
            LogEvent::Note { stream: Some(stream), note } => {
                if let (Note::Gap { lines: Some(lines), cause: GapCause::Overflow, .. }, Some(s)) = (&note, self.streams.get_mut(&stream)) {
                    s.dropped += lines;
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
    use crate::model::log::{Chunk, Mark};

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
        book.apply(lines(1, 1_000_000_000), Moment(61_000));
        assert_eq!(book.lag(Moment(61_000)), Duration::from_mins(1));
        assert_eq!(book.lag(Moment(63_000)), Duration::ZERO, "it has nothing more to tell");
    }
}
