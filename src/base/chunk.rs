//! Log lines as they came: one block of bytes, cut into lines by offsets only. A million lines are not a million strings.

use bytes::Bytes;

use super::stamp::Stamp;

/// The longest line that is kept whole, in bytes; of a longer one its start, and the count of the rest.
pub const LONGEST_LINE: usize = 256 << 10;

/// One line within its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub start: u32,
    /// Behind its last byte; the line break is not part of it.
    pub end: u32,
    /// When it was written; when it arrived, where the remote does not say.
    pub stamp: Stamp,
    /// Bytes left out at its end because the line is longer than [`LONGEST_LINE`].
    pub cut: u32,
}

/// Lines of one stream in the order in which they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    pub bytes: Bytes,
    pub marks: Vec<Mark>,
}

impl Chunk {
    pub fn lines(&self) -> usize {
        self.marks.len()
    }

    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// The line at `index`; empty beyond the last.
    pub fn line(&self, index: usize) -> &[u8] {
        self.marks.get(index).and_then(|m| self.bytes.get(m.start as usize..m.end as usize)).unwrap_or_default()
    }

    /// What it takes in memory.
    pub fn size(&self) -> usize {
        self.bytes.len() + self.marks.len() * size_of::<Mark>()
    }

    pub fn last_stamp(&self) -> Option<Stamp> {
        self.marks.last().map(|m| m.stamp)
    }
}
