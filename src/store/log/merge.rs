//! Several streams in the order of their stamps. A line waits until every other stream has come as far, two seconds at most:
//! what comes later than that is shown where it came. Within a stream nothing ever changes places.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

use crate::base::clock::Moment;
use crate::model::log::{Chunk, Mark, Note, Stamp, StreamId};

/// How long a line may be held back for those of other streams that were written before it.
pub const WINDOW: Duration = Duration::from_secs(2);
/// Beyond so many bytes held back, the oldest go on without waiting.
const MOST_HELD: usize = 8 << 20;

#[derive(Debug)]
enum Item {
    Lines(Chunk),
    Note(Note),
}

#[derive(Debug)]
struct Held {
    item: Item,
    /// The next line of it.
    at: usize,
    arrived: Moment,
}

impl Held {
    fn stamp(&self) -> Option<Stamp> {
        match &self.item {
            Item::Lines(chunk) => chunk.marks.get(self.at).map(|m| m.stamp),
            Item::Note(_) => None,
        }
    }

    fn size(&self) -> usize {
        match &self.item {
            Item::Lines(chunk) => chunk.size(),
            Item::Note(_) => 0,
        }
    }
}

#[derive(Debug)]
struct Queue {
    held: VecDeque<Held>,
    /// No line of this stream is placed before this one.
    floor: Stamp,
    /// The latest stamp that has come.
    latest: Option<Stamp>,
    /// Others wait for it.
    is_live: bool,
}

impl Queue {
    /// Where its next line belongs; one whose clock went back stays behind the line before it.
    fn head(&self) -> Option<Stamp> {
        self.held.front().map(|h| h.stamp().map_or(self.floor, |s| s.max(self.floor)))
    }
}

/// Something whose turn has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn<'a> {
    Line {
        stream: StreamId,
        mark: Mark,
        bytes: &'a [u8],
    },
    /// It happened at this moment, right behind the stream's line before.
    Note {
        stream: StreamId,
        at: Moment,
        note: Note,
    },
}

#[derive(Debug)]
pub struct Merge {
    window: Duration,
    queues: BTreeMap<StreamId, Queue>,
    heads: BinaryHeap<Reverse<(Stamp, StreamId)>>,
    held_bytes: usize,
    most_held: usize,
}

impl Default for Merge {
    fn default() -> Self {
        Self::new(WINDOW)
    }
}

impl Merge {
    pub fn new(window: Duration) -> Self {
        Self { window, queues: BTreeMap::new(), heads: BinaryHeap::new(), held_bytes: 0, most_held: MOST_HELD }
    }

    /// For streams whose readers wait for each other: every line waits until its turn is certain, however long that takes.
    pub fn exact() -> Self {
        Self { most_held: usize::MAX, ..Self::new(Duration::MAX) }
    }

    /// A stream from which lines may come: the others wait for it, within the window.
    pub fn open(&mut self, stream: StreamId) {
        self.queue(stream).is_live = true;
    }

    /// Nothing is expected of it for now. What it has said keeps its place.
    pub fn pause(&mut self, stream: StreamId) {
        self.queue(stream).is_live = false;
    }

    fn queue(&mut self, stream: StreamId) -> &mut Queue {
        self.queues.entry(stream).or_insert_with(|| Queue { held: VecDeque::new(), floor: Stamp(i64::MIN), latest: None, is_live: true })
    }

    /// It has come as far as `latest`, by lines that go another way: nobody waits for those.
    pub fn reach(&mut self, stream: StreamId, latest: Stamp) {
        let queue = self.queue(stream);
        queue.latest = queue.latest.max(Some(latest));
    }

    /// Its lines up to `place` are shown: none comes before them.
    pub fn passed(&mut self, stream: StreamId, place: Stamp) {
        let queue = self.queue(stream);
        queue.floor = queue.floor.max(place);
    }

    pub fn lines(&mut self, stream: StreamId, chunk: Chunk, arrived: Moment) {
        let Some(latest) = chunk.marks.iter().map(|m| m.stamp).max() else { return };
        self.held_bytes += chunk.size();
        let queue = self.queue(stream);
        queue.latest = queue.latest.max(Some(latest));
        self.put(stream, Held { item: Item::Lines(chunk), at: 0, arrived });
    }

    pub fn note(&mut self, stream: StreamId, note: Note, arrived: Moment) {
        self.put(stream, Held { item: Item::Note(note), at: 0, arrived });
    }

    fn put(&mut self, stream: StreamId, held: Held) {
        let queue = self.queue(stream);
        let was_empty = queue.held.is_empty();
        queue.held.push_back(held);
        if let Some(head) = queue.head().filter(|_| was_empty) {
            self.heads.push(Reverse((head, stream)));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Bytes that are held back.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Bytes of one stream that are held back.
    pub fn held_of(&self, stream: StreamId) -> usize {
        self.queues.get(&stream).map_or(0, |q| q.held.iter().map(Held::size).sum())
    }

    fn oldest_arrival(&self) -> Option<Moment> {
        self.queues.values().filter_map(|q| q.held.front()).map(|h| h.arrived).min()
    }

    /// When something is let go that waits now, if nothing else comes.
    pub fn due(&self) -> Option<Moment> {
        self.oldest_arrival().map(|at| at.plus(self.window))
    }

    /// Everything whose turn has come at `now`, in order.
    pub fn release(&mut self, now: Moment, each: &mut dyn FnMut(Turn<'_>)) {
        self.drain(now, false, each);
    }

    /// Everything, in order: nothing more will come.
    pub fn finish(&mut self, each: &mut dyn FnMut(Turn<'_>)) {
        self.drain(Moment::default(), true, each);
    }

    fn drain(&mut self, now: Moment, all: bool, each: &mut dyn FnMut(Turn<'_>)) {
        // Those of whom nothing waits decide how far the others may go.
        let far = |q: &Queue| q.latest.unwrap_or(Stamp(i64::MIN));
        let mut reached = self.queues.values().filter(|q| q.is_live && q.held.is_empty()).map(far).min().unwrap_or(Stamp(i64::MAX));
        let mut overdue = self.due().is_some_and(|due| due <= now);
        while let Some(&Reverse((stamp, stream))) = self.heads.peek() {
            if !(all || overdue || stamp <= reached || self.held_bytes > self.most_held) {
                break;
            }
            self.heads.pop();
            let rival = self.heads.peek().map(|Reverse(head)| *head);
            let Some(queue) = self.queues.get_mut(&stream) else { continue };
            let Some(held) = queue.held.front_mut() else { continue };
            let done = match &held.item {
                Item::Note(note) => {
                    each(Turn::Note { stream, at: held.arrived, note: note.clone() });
                    true
                }
                Item::Lines(chunk) => {
                    let free = all || overdue;
                    let start = held.at;
                    while let Some(mark) = chunk.marks.get(held.at) {
                        let place = mark.stamp.max(queue.floor);
                        let in_turn = rival.is_none_or(|r| (place, stream) < r) && (free || place <= reached);
                        // The first one's turn has been decided above.
                        if held.at > start && !in_turn {
                            break;
                        }
                        each(Turn::Line { stream, mark: *mark, bytes: chunk.line(held.at) });
                        queue.floor = place;
                        held.at += 1;
                    }
                    held.at == chunk.marks.len()
                }
            };
            if done && let Some(gone) = queue.held.pop_front() {
                self.held_bytes -= gone.size();
            }
            match queue.head() {
                Some(place) => self.heads.push(Reverse((place, stream))),
                None if queue.is_live => reached = reached.min(far(queue)),
                None => {}
            }
            if done {
                overdue = self.due().is_some_and(|due| due <= now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    const A: StreamId = StreamId(1);
    const B: StreamId = StreamId(2);

    fn chunk(lines: &[(i64, &str)]) -> Chunk {
        let mut bytes = Vec::new();
        let marks = lines
            .iter()
            .map(|(stamp, text)| {
                let start = u32::try_from(bytes.len()).unwrap();
                bytes.extend_from_slice(text.as_bytes());
                Mark { start, end: u32::try_from(bytes.len()).unwrap(), stamp: Stamp(*stamp), cut: 0 }
            })
            .collect();
        Chunk { bytes: Bytes::from(bytes), marks }
    }

    fn released(merge: &mut Merge, now: i64) -> Vec<String> {
        let mut out = Vec::new();
        merge.release(Moment(now), &mut |turn| match turn {
            Turn::Line { bytes, .. } => out.push(String::from_utf8(bytes.to_vec()).unwrap()),
            Turn::Note { note, .. } => out.push(format!("{note:?}")),
        });
        out
    }

    #[test]
    fn one_stream_never_waits() {
        let mut m = Merge::default();
        m.open(A);
        m.lines(A, chunk(&[(5, "a"), (3, "b"), (9, "c")]), Moment(0));
        assert_eq!(released(&mut m, 0), ["a", "b", "c"]);
        assert!(m.is_empty() && m.held_bytes() == 0);
    }

    #[test]
    fn two_streams_wait_for_each_other_and_for_no_longer_than_the_window() {
        let mut m = Merge::default();
        m.open(A);
        m.open(B);
        m.lines(A, chunk(&[(10, "a10"), (30, "a30")]), Moment(0));
        assert!(released(&mut m, 1999).is_empty(), "B may still have something before it");
        m.lines(B, chunk(&[(20, "b20")]), Moment(1999));
        assert_eq!(released(&mut m, 1999), ["a10", "b20"]);
        assert_eq!(m.due(), Some(Moment(2000)));
        assert_eq!(released(&mut m, 2000), ["a30"]);
        // Too late for its place, and not lost.
        m.lines(B, chunk(&[(25, "b25"), (40, "b40")]), Moment(2100));
        assert_eq!(released(&mut m, 2100), ["b25"]);
        m.pause(A);
        assert_eq!(released(&mut m, 2100), ["b40"], "nobody waits for a stream that ended");
    }

    #[test]
    fn a_note_stays_behind_its_line() {
        let mut m = Merge::default();
        m.open(A);
        m.open(B);
        m.lines(A, chunk(&[(10, "a10")]), Moment(0));
        m.note(A, Note::Resumed, Moment(0));
        m.lines(A, chunk(&[(12, "a12")]), Moment(0));
        m.lines(B, chunk(&[(11, "b11"), (13, "b13")]), Moment(0));
        assert_eq!(released(&mut m, 0), ["a10", "Resumed", "b11", "a12"]);
    }

    proptest! {
        /// Whatever is written by streams that are late by less than the window comes out whole and sorted.
        #[test]
        fn merged_equals_written(lines in proptest::collection::vec((0_u32..4, 0_i64..40, 0_i64..1900), 1..200)) {
            // Stamps grow within each stream; each line arrives `delay` after it was written, never before its predecessor.
            let mut clocks = [0_i64; 4];
            let mut arrivals = [0_i64; 4];
            let mut plan: Vec<(i64, StreamId, i64)> = lines.iter().map(|(stream, step, delay)| {
                let s = *stream as usize;
                clocks[s] += step;
                arrivals[s] = arrivals[s].max(clocks[s] + delay);
                (arrivals[s], StreamId(*stream), clocks[s])
            }).collect();
            let mut expected: Vec<(i64, StreamId)> = plan.iter().map(|(_, s, stamp)| (*stamp, *s)).collect();
            expected.sort_unstable();
            plan.sort_by_key(|(arrival, stream, _)| (*arrival, *stream));
            let mut m = Merge::default();
            (0..4).for_each(|s| m.open(StreamId(s)));
            let mut got = Vec::new();
            for (arrival, stream, stamp) in plan {
                m.lines(stream, chunk(&[(stamp * 1_000_000, "x")]), Moment(arrival));
                m.release(Moment(arrival), &mut |turn| if let Turn::Line { stream, mark, .. } = turn { got.push((mark.stamp.0 / 1_000_000, stream)) });
            }
            m.finish(&mut |turn| if let Turn::Line { stream, mark, .. } = turn { got.push((mark.stamp.0 / 1_000_000, stream)) });
            let stamps = |v: &[(i64, StreamId)]| v.iter().map(|(s, _)| *s).collect::<Vec<_>>();
            prop_assert_eq!(stamps(&got), stamps(&expected));
            got.sort_unstable();
            prop_assert_eq!(got, expected);
        }
    }
}
