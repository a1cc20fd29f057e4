//! Lines in the order in which they are shown, capped by bytes. The oldest go first and are counted; a line's number is its
//! own for ever, so that a selection, a mark and a search hit stay on their line while others leave.

use std::collections::VecDeque;
use std::sync::Arc;

use super::stamp::Stamp;

/// Blocks are closed at this size: eviction and searches go by blocks.
const BLOCK: usize = 64 << 10;

/// A line of a [`Ring`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    pub number: u64,
    pub stamp: Stamp,
    /// Which of the ring's streams it belongs to.
    pub stream: u32,
    pub bytes: &'a [u8],
    /// Bytes left out at its end.
    pub cut: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    stamp: Stamp,
    end: u32,
    stream: u32,
    cut: u32,
}

/// Consecutive lines in one piece of memory, each followed by a line break. A closed block never changes: searches may
/// run over its [`Arc`] elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Block {
    first: u64,
    text: Vec<u8>,
    entries: Vec<Entry>,
}

impl Block {
    /// The number of its first line.
    pub fn first(&self) -> u64 {
        self.first
    }

    pub fn lines(&self) -> usize {
        self.entries.len()
    }

    /// All of its lines, each ended by `\n`.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The line at `index` of this block.
    pub fn line(&self, index: usize) -> Option<Line<'_>> {
        let entry = self.entries.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.entries[before].end as usize + 1);
        Some(Line { number: self.first + index as u64, stamp: entry.stamp, stream: entry.stream, bytes: &self.text[start..entry.end as usize], cut: entry.cut })
    }

    /// The line that has the byte at `offset` of [`Block::text`].
    pub fn line_at(&self, offset: usize) -> Option<Line<'_>> {
        self.line(self.entries.partition_point(|e| (e.end as usize) < offset))
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Line<'_>> {
        (0..self.entries.len()).filter_map(|i| self.line(i))
    }

    fn size(&self) -> usize {
        self.text.capacity() + self.entries.capacity() * size_of::<Entry>()
    }
}

#[derive(Clone, Debug)]
pub struct Ring {
    blocks: VecDeque<Arc<Block>>,
    /// Of all blocks but the last.
    closed_bytes: usize,
    next: u64,
    most: usize,
    evicted_bytes: u64,
    /// Numbers that were given up when lines were put into another order.
    given_up: u64,
}

impl Ring {
    /// `most`: bytes, what keeping the lines costs included.
    pub fn new(most: usize) -> Self {
        Self { blocks: VecDeque::new(), closed_bytes: 0, next: 0, most, evicted_bytes: 0, given_up: 0 }
    }

    /// An empty one that goes on with the numbers and counts of this one: for its lines in another order.
    #[must_use]
    pub fn renewed(&self) -> Self {
        Self {
            blocks: VecDeque::new(),
            closed_bytes: 0,
            next: self.next,
            most: self.most,
            evicted_bytes: self.evicted_bytes,
            given_up: self.given_up + self.lines(),
        }
    }

    /// The number of the oldest line that is kept; equal to [`Ring::next`] when there is none.
    pub fn first(&self) -> u64 {
        self.blocks.front().map_or(self.next, |b| b.first)
    }

    /// The number that the next line will have.
    pub fn next(&self) -> u64 {
        self.next
    }

    pub fn lines(&self) -> u64 {
        self.next - self.first()
    }

    /// Lines that are kept no longer.
    pub fn evicted(&self) -> u64 {
        self.first() - self.given_up
    }

    pub fn evicted_bytes(&self) -> u64 {
        self.evicted_bytes
    }

    /// What it takes in memory.
    pub fn size(&self) -> usize {
        self.closed_bytes + self.blocks.back().map_or(0, |b| b.size())
    }

    pub fn most(&self) -> usize {
        self.most
    }

    /// A smaller cap takes effect at once.
    pub fn set_most(&mut self, most: usize) {
        self.most = most;
        self.shrink_to(most);
    }

    /// Appends a line and gives its number.
    pub fn push(&mut self, stamp: Stamp, stream: u32, bytes: &[u8], cut: u32) -> u64 {
        let number = self.next;
        let fits = self.blocks.back().is_some_and(|b| b.text.len() + bytes.len() < BLOCK);
        if !fits {
            self.close_last();
            self.blocks.push_back(Arc::new(Block { first: number, text: Vec::with_capacity(BLOCK.max(bytes.len() + 1)), entries: Vec::with_capacity(512) }));
        }
        if let Some(last) = self.blocks.back_mut() {
            // Copied only where a search still holds the block that is being filled.
            let block = Arc::make_mut(last);
            block.text.extend_from_slice(bytes);
            block.entries.push(Entry { stamp, end: u32::try_from(block.text.len()).unwrap_or(u32::MAX), stream, cut });
            block.text.push(b'\n');
        }
        self.next += 1;
        if self.size() > self.most {
            self.shrink_to(self.most);
        }
        number
    }

    fn close_last(&mut self) {
        if let Some(last) = self.blocks.back_mut() {
            let block = Arc::make_mut(last);
            block.text.shrink_to_fit();
            block.entries.shrink_to_fit();
            self.closed_bytes += block.size();
        }
    }

    /// Evicts whole blocks, the oldest first. The last one stays: it holds the newest line, however long.
    pub fn shrink_to(&mut self, bytes: usize) {
        while self.blocks.len() > 1 && self.size() > bytes {
            self.evict_oldest();
        }
    }

    /// Evicts the oldest block, unless it is the only one; gives the bytes that became free.
    pub fn evict_oldest(&mut self) -> usize {
        if self.blocks.len() < 2 {
            return 0;
        }
        let Some(gone) = self.blocks.pop_front() else { return 0 };
        self.closed_bytes -= gone.size();
        self.evicted_bytes += gone.text.len() as u64;
        gone.size()
    }

    /// The block that holds line `number`, by its index among [`Ring::blocks`].
    fn block_of(&self, number: u64) -> Option<usize> {
        if number < self.first() || number >= self.next {
            return None;
        }
        self.blocks.partition_point(|b| b.first <= number).checked_sub(1)
    }

    pub fn line(&self, number: u64) -> Option<Line<'_>> {
        let block = &self.blocks[self.block_of(number)?];
        block.line(usize::try_from(number - block.first).ok()?)
    }

    /// Lines from `number` on; what is evicted is passed over.
    pub fn from(&self, number: u64) -> impl Iterator<Item = Line<'_>> {
        let number = number.max(self.first());
        let at = self.block_of(number).unwrap_or(self.blocks.len());
        self.blocks.range(at..).flat_map(|b| b.iter()).skip_while(move |l| l.number < number)
    }

    /// Lines before `number`, the newest first.
    pub fn before(&self, number: u64) -> impl Iterator<Item = Line<'_>> {
        let number = number.min(self.next);
        let end = number.checked_sub(1).and_then(|n| self.block_of(n)).map_or(0, |i| i + 1);
        self.blocks.range(..end).rev().flat_map(|b| b.iter().rev()).skip_while(move |l| l.number >= number)
    }

    /// For searches. All but the last are closed and never change.
    pub fn blocks(&self) -> impl DoubleEndedIterator<Item = &Arc<Block>> + ExactSizeIterator {
        self.blocks.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(ring: &mut Ring, from: u64, count: u64) {
        for i in from..from + count {
            ring.push(Stamp(i64::try_from(i).unwrap()), u32::try_from(i % 3).unwrap(), format!("line {i}").as_bytes(), 0);
        }
    }

    #[test]
    fn numbers_are_never_reused_and_the_cap_holds() {
        let mut ring = Ring::new(1 << 20);
        fill(&mut ring, 0, 100_000);
        assert!(ring.size() <= 1 << 20, "{}", ring.size());
        assert!(ring.evicted() > 0 && ring.evicted_bytes() > 0);
        assert_eq!((ring.next(), ring.first() + ring.lines()), (100_000, 100_000));
        for number in [ring.first(), ring.first() + 1, 99_999] {
            let line = ring.line(number).unwrap();
            assert_eq!((line.bytes, line.stamp.0, u64::from(line.stream)), (format!("line {number}").as_bytes(), i64::try_from(number).unwrap(), number % 3));
        }
        assert_eq!((ring.line(0), ring.line(100_000)), (None, None));
    }

    #[test]
    fn walks_both_ways_from_anywhere() {
        let mut ring = Ring::new(1 << 20);
        fill(&mut ring, 0, 50_000);
        let first = ring.first();
        for at in [0, first, first + 7000, 49_999, 50_000, 60_000] {
            let forth: Vec<_> = ring.from(at).map(|l| l.number).collect();
            assert_eq!(forth, (at.max(first)..50_000).collect::<Vec<_>>(), "from {at}");
            let back: Vec<_> = ring.before(at).map(|l| l.number).collect();
            assert_eq!(back, (first..at.clamp(first, 50_000)).rev().collect::<Vec<_>>(), "before {at}");
        }
    }

    #[test]
    fn blocks_find_the_line_of_a_hit() {
        let mut ring = Ring::new(1 << 20);
        for text in ["one", "", "three"] {
            ring.push(Stamp(0), 0, text.as_bytes(), 0);
        }
        let block = ring.blocks().next().unwrap();
        assert_eq!(block.text(), b"one\n\nthree\n");
        assert_eq!([0, 3, 4, 5, 9].map(|at| block.line_at(at).map(|l| l.number)), [Some(0), Some(0), Some(1), Some(2), Some(2)]);
    }

    #[test]
    fn a_line_larger_than_the_ring_is_kept_alone() {
        let mut ring = Ring::new(100_000);
        fill(&mut ring, 0, 10);
        let number = ring.push(Stamp(0), 0, &vec![b'x'; 10 << 20], 5);
        assert_eq!((ring.first(), ring.lines(), ring.line(number).map(|l| l.cut)), (number, 1, Some(5)));
        fill(&mut ring, 11, 1);
        assert_eq!(ring.first(), number + 1);
    }

    #[test]
    fn what_a_search_holds_does_not_change_under_it() {
        let mut ring = Ring::new(1 << 20);
        fill(&mut ring, 0, 3);
        let held = ring.blocks().next().unwrap().clone();
        fill(&mut ring, 3, 3);
        assert_eq!((held.lines(), ring.lines()), (3, 6));
    }
}
