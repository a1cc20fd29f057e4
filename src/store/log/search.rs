//! Looking through a ring: which lines hold a pattern, which fit a query. In slices, so that no key waits for it.
//!
//! What was found is one bit a line, by blocks: closed blocks never change, so each is looked through once, and a full ring
//! of 256 MB costs half a megabyte of bits. The block in sight comes first, then the older ones, then the newer.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::fields::{Level, continues, level};
use super::query::{Pattern, Query};
use crate::base::ring::{Block, Line, Ring};

/// What is looked for.
#[derive(Clone, Debug)]
pub enum Goal {
    Pattern(Pattern),
    Query(Query),
}

/// The lines of one block that were found.
#[derive(Clone, Debug, Default)]
struct Bits {
    words: Vec<u64>,
    count: u32,
    /// Lines looked at, from the first on.
    done: usize,
}

impl Bits {
    fn set(&mut self, index: usize) {
        if self.words.len() <= index / 64 {
            self.words.resize(index / 64 + 1, 0);
        }
        let bit = 1 << (index % 64);
        if self.words[index / 64] & bit == 0 {
            self.words[index / 64] |= bit;
            self.count += 1;
        }
    }

    fn first_from(&self, index: usize) -> Option<usize> {
        let mut at = index / 64;
        let mut word = self.words.get(at)? & (u64::MAX << (index % 64));
        while word == 0 {
            at += 1;
            word = *self.words.get(at)?;
        }
        Some(at * 64 + word.trailing_zeros() as usize)
    }

    fn last_before(&self, index: usize) -> Option<usize> {
        let mut at = (index / 64).min(self.words.len());
        let mut word = self.words.get(at).map_or(0, |w| w & !(u64::MAX << (index % 64)));
        while word == 0 {
            at = at.checked_sub(1)?;
            word = self.words[at];
        }
        Some(at * 64 + 63 - word.leading_zeros() as usize)
    }

    fn count_before(&self, index: usize) -> u64 {
        let whole: u32 = self.words.iter().take(index / 64).map(|w| w.count_ones()).sum();
        let part = self.words.get(index / 64).map_or(0, |w| (w & !(u64::MAX << (index % 64))).count_ones());
        u64::from(whole + part)
    }
}

/// Where the next one stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Line(u64),
    /// Not looked that far yet.
    NotYet,
    Nothing,
}

/// A search that is under way, or a filter.
#[derive(Clone, Debug)]
pub struct Scan {
    goal: Goal,
    blocks: BTreeMap<u64, Bits>,
    complete: bool,
}

/// A line continues at most this many others.
const LOOK_BACK: usize = 2000;

impl Scan {
    pub fn new(goal: Goal) -> Self {
        Self { goal, blocks: BTreeMap::new(), complete: false }
    }

    pub fn goal(&self) -> &Goal {
        &self.goal
    }

    /// Everything that was there at the last [`Scan::work`] has been looked at.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Looks at about `most` more bytes, near line `near` first. `admits`: which streams the query takes, by their number.
    pub fn work(&mut self, ring: &Ring, admits: &[bool], near: u64, most: usize) {
        let first = ring.first();
        self.blocks = self.blocks.split_off(&first);
        let mut left = most;
        let pending = |scan: &Self, b: &Block| scan.blocks.get(&b.first()).map_or(0, |bits| bits.done) < b.lines();
        let split = ring.blocks().len() - ring.blocks().rev().take_while(|b| b.first() > near).count();
        let order = ring.blocks().rev().take(1).chain(ring.blocks().take(split).rev()).chain(ring.blocks().skip(split));
        for block in order {
            if !pending(self, block) {
                continue;
            }
            if left == 0 {
                self.complete = false;
                return;
            }
            let mut bits = self.blocks.remove(&block.first()).unwrap_or_default();
            let whole = bits.done == 0;
            self.look(ring, block, admits, &mut bits);
            self.blocks.insert(block.first(), bits);
            left = left.saturating_sub(if whole { block.text().len() } else { 256 });
        }
        self.complete = true;
    }

    fn look(&self, ring: &Ring, block: &Block, admits: &[bool], bits: &mut Bits) {
        let from = bits.done;
        match &self.goal {
            Goal::Pattern(p) if p.is_literal() => each_line_with(block, p, from, |line| bits.set(index(block, &line))),
            Goal::Pattern(p) => (from..block.lines()).filter(|i| block.line(*i).is_some_and(|l| p.is_in(l.bytes))).for_each(|i| bits.set(i)),
            Goal::Query(q) => {
                let mut levels = Levels::default();
                let mut judge = |line: Line| {
                    if !admits.get(line.stream as usize).copied().unwrap_or(true) {
                        return;
                    }
                    let before = if q.asks_level() { levels.carried(ring, line) } else { None };
                    if q.fits(line.bytes, before) {
                        bits.set(index(block, &line));
                    }
                };
                match q.anchor() {
                    Some(p) => each_line_with(block, p, from, judge),
                    None => (from..block.lines()).filter_map(|i| block.line(i)).for_each(&mut judge),
                }
            }
        }
        bits.done = block.lines();
    }

    fn bits(&self, block: &Block) -> Option<&Bits> {
        self.blocks.get(&block.first()).filter(|b| b.done > 0)
    }

    /// The first one at or behind `number`.
    pub fn next(&self, ring: &Ring, number: u64) -> Found {
        for block in ring.blocks().skip(blocks_before(ring, number)) {
            let Some(bits) = self.bits(block) else { return Found::NotYet };
            let from = usize::try_from(number.saturating_sub(block.first())).unwrap_or(usize::MAX);
            if let Some(i) = bits.first_from(from) {
                return Found::Line(block.first() + i as u64);
            }
            if bits.done < block.lines() {
                return Found::NotYet;
            }
        }
        Found::Nothing
    }

    /// The last one before `number`.
    pub fn previous(&self, ring: &Ring, number: u64) -> Found {
        for block in ring.blocks().take(blocks_before(ring, number) + 1).rev() {
            let to = usize::try_from(number.saturating_sub(block.first())).unwrap_or(usize::MAX).min(block.lines());
            if to == 0 {
                continue;
            }
            let Some(bits) = self.bits(block) else { return Found::NotYet };
            if bits.done < to {
                return Found::NotYet;
            }
            if let Some(i) = bits.last_before(to) {
                return Found::Line(block.first() + i as u64);
            }
        }
        Found::Nothing
    }

    pub fn has(&self, ring: &Ring, number: u64) -> bool {
        self.next(ring, number) == Found::Line(number)
    }

    /// Lines found so far among those that are kept.
    pub fn count(&self) -> u64 {
        self.blocks.values().map(|b| u64::from(b.count)).sum()
    }

    /// How many of them stand before line `number`.
    pub fn count_before(&self, number: u64) -> u64 {
        self.blocks.range(..number).map(|(first, b)| b.count_before(usize::try_from(number - first).unwrap_or(usize::MAX).min(b.words.len() * 64))).sum()
    }
}

fn index(block: &Block, line: &Line) -> usize {
    usize::try_from(line.number - block.first()).unwrap_or(0)
}

/// Blocks that lie wholly before line `number`.
fn blocks_before(ring: &Ring, number: u64) -> usize {
    let (mut low, mut high) = (0, ring.blocks().len());
    while low < high {
        let middle = usize::midpoint(low, high);
        let before = ring.blocks().nth(middle).is_some_and(|b| b.first() + b.lines() as u64 <= number);
        if before { low = middle + 1 } else { high = middle }
    }
    low
}

/// Every line of `block` from the one at `from` on that holds the text, found in one go over the whole block.
fn each_line_with(block: &Block, pattern: &Pattern, from: usize, mut take: impl FnMut(Line)) {
    let text = block.text();
    let base = text.as_ptr() as usize;
    let offset = |line: &Line| line.bytes.as_ptr() as usize - base;
    let Some(first) = block.line(from) else { return };
    let mut at = offset(&first);
    while let Some(found) = pattern.find_at(text, at) {
        let Some(line) = block.line_at(found) else { return };
        at = offset(&line) + line.bytes.len() + 1;
        take(line);
        if at >= text.len() {
            return;
        }
    }
}

/// The levels that lines of a stack trace take over from the line they belong to.
#[derive(Debug, Default)]
struct Levels {
    last: Option<(u32, u64, Option<Level>)>,
}

impl Levels {
    /// The level of the line that `line` goes on with; `None` where it stands for itself.
    fn carried(&mut self, ring: &Ring, line: Line) -> Option<Level> {
        if !continues(line.bytes) {
            return None;
        }
        // The frames of one trace mostly follow each other.
        if let Some((stream, number, found)) = self.last
            && stream == line.stream
            && line.number == number + 1
        {
            self.last = Some((stream, line.number, found));
            return found;
        }
        let head = ring.before(line.number).take(LOOK_BACK).find(|l| l.stream == line.stream && !continues(l.bytes));
        let found = head.and_then(|l| level(l.bytes));
        self.last = Some((line.stream, line.number, found));
        found
    }
}
