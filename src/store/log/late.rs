//! Lines that come late to their place: the history of a stream that was slow to open, and what was said while one was cut.
//! They are put where they belong among the lines that are kept, which then get new numbers.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::base::clock::Moment;
use crate::base::ring::Ring;
use crate::model::log::{Chunk, Mark, Note, Stamp, StreamId};

/// What comes so soon after the first line, or after a cut, may be history.
pub(super) const YOUNG: Duration = Duration::from_secs(5);
/// History comes in several pieces; they are put in together.
const TOGETHER: Duration = Duration::from_millis(200);
/// More is not put into another order: a key would wait for it.
pub(super) const MOST: usize = 8 << 20;
/// So many changes of numbers are remembered for those who know a line by its number.
const REMEMBERED: usize = 4;

/// Lines by the number of their note.
pub(super) type Notes = BTreeMap<u64, (Option<StreamId>, Note)>;

/// From old numbers to new ones.
#[derive(Clone, Debug)]
struct Move {
    first: u64,
    /// Counted from `to`, one for each old line.
    by: Vec<u32>,
    to: u64,
    /// The next number after it.
    next: u64,
}

impl Move {
    fn of(&self, number: u64) -> u64 {
        let Some(index) = number.checked_sub(self.first) else { return self.to };
        match usize::try_from(index).ok().and_then(|i| self.by.get(i)) {
            Some(by) => self.to + u64::from(*by),
            None => self.next + (index - self.by.len() as u64),
        }
    }
}

/// What became of what one stream said late.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) stream: StreamId,
    /// Where its last line is now.
    pub(super) place: Stamp,
    /// What is not late: it waits for its turn like everything else that came then.
    pub(super) rest: Vec<Chunk>,
    pub(super) arrived: Moment,
}

/// What waits to be put in.
#[derive(Debug, Default)]
pub(super) struct Late {
    held: BTreeMap<StreamId, Vec<Chunk>>,
    bytes: usize,
    since: Option<Moment>,
    moves: VecDeque<Move>,
    /// How often numbers have changed.
    epoch: u64,
}

impl Late {
    pub(super) fn put(&mut self, stream: StreamId, chunk: Chunk, at: Moment) {
        self.bytes += chunk.size();
        self.since.get_or_insert(at);
        self.held.entry(stream).or_default().push(chunk);
    }

    pub(super) fn holds(&self, stream: StreamId) -> bool {
        self.held.contains_key(&stream)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn due(&self) -> Option<Moment> {
        self.since.map(|at| at.plus(TOGETHER))
    }

    pub(super) fn is_due(&self, now: Moment) -> bool {
        self.bytes > MOST || self.due().is_some_and(|due| due <= now)
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The number that a line has now that had `number` when numbers had changed `epoch` times.
    pub(super) fn moved(&self, epoch: u64, number: u64) -> u64 {
        let behind = usize::try_from(self.epoch - epoch).unwrap_or(usize::MAX).min(self.moves.len());
        self.moves.iter().skip(self.moves.len() - behind).fold(number, |n, m| m.of(n))
    }

    /// Puts everything into its place that belongs before what is shown. Within a stream nothing changes places.
    pub(super) fn settle(&mut self, ring: &mut Ring, notes: &mut Notes) -> Vec<Settled> {
        self.bytes = 0;
        let arrived = self.since.take().unwrap_or_default();
        let held = std::mem::take(&mut self.held);
        // Where each line stands: never before the one that it was shown behind.
        let mut reached = Stamp(i64::MIN);
        let mut floors: BTreeMap<u32, Stamp> = BTreeMap::new();
        for line in ring.from(0).filter(|l| !notes.contains_key(&l.number)) {
            reached = reached.max(line.stamp);
            floors.insert(line.stream, reached);
        }
        let mut settled = Vec::with_capacity(held.len());
        let mut late: Vec<(Stamp, StreamId, Mark, &[u8])> = Vec::new();
        for (stream, chunks) in &held {
            let mut floor = floors.get(&stream.0).copied().unwrap_or(Stamp(i64::MIN));
            let mut rest = Vec::new();
            for chunk in chunks {
                let before = chunk.marks.iter().take_while(|m| rest.is_empty() && floor.max(m.stamp) <= reached).count();
                for (i, mark) in chunk.marks.iter().enumerate().take(before) {
                    floor = floor.max(mark.stamp);
                    late.push((floor, *stream, *mark, chunk.line(i)));
                }
                if before < chunk.marks.len() {
                    rest.push(Chunk { bytes: chunk.bytes.clone(), marks: chunk.marks[before..].to_vec() });
                }
            }
            settled.push(Settled { stream: *stream, place: floor, rest, arrived });
        }
        late.sort_by_key(|(place, ..)| *place);

        let mut fresh = ring.renewed();
        let mut moves = Move { first: ring.first(), by: Vec::with_capacity(usize::try_from(ring.lines()).unwrap_or(0)), to: fresh.next(), next: 0 };
        let mut late = late.into_iter().peekable();
        let mut reached = Stamp(i64::MIN);
        for line in ring.from(0) {
            let note = notes.remove(&line.number);
            // What happened stays behind the line that it happened behind.
            if note.is_none() {
                reached = reached.max(line.stamp);
                while let Some((_, stream, mark, bytes)) = late.next_if(|(place, ..)| *place < reached) {
                    fresh.push(mark.stamp, stream.0, bytes, mark.cut);
                }
            }
            let number = fresh.push(line.stamp, line.stream, line.bytes, line.cut);
            moves.by.push(u32::try_from(number - moves.to).unwrap_or(u32::MAX));
            if let Some(note) = note {
                notes.insert(number, note);
            }
        }
        for (_, stream, mark, bytes) in late {
            fresh.push(mark.stamp, stream.0, bytes, mark.cut);
        }
        moves.next = fresh.next();
        *ring = fresh;
        self.epoch += 1;
        self.moves.push_back(moves);
        if self.moves.len() > REMEMBERED {
            self.moves.pop_front();
        }
        settled
    }
}
