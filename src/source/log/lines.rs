//! Bytes as they arrive, cut into lines: nothing is copied twice, and no line is longer in memory than it may be.

use bytes::{Bytes, BytesMut};
use encoding_rs::Decoder;

use crate::base::chunk::{Chunk, LONGEST_LINE, Mark};
use crate::base::stamp::Stamp;
use crate::model::log::Encoding;

/// Where a line's stamp is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamps {
    /// Before the line, as the API server and docker put it there; it is taken off.
    Prefixed,
    /// In the line's own text where it has one; `zone` is its host's offset from UTC in seconds. A line without one
    /// belongs to the line before (a stack trace), and before the first such line it is the moment of arrival.
    Within { zone: i64 },
    /// Nowhere: the moment of arrival.
    Arrival,
    /// Nobody looks at single lines: the whole lines that came together stand under one mark, at the moment of arrival.
    Unasked,
}

/// Cuts one stream into lines.
pub struct Lines {
    stamps: Stamps,
    decoder: Option<Decoder>,
    /// The start of a line whose end has not come.
    rest: BytesMut,
    /// Bytes of it that are not kept.
    cut: usize,
    last: Option<Stamp>,
    longest: usize,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("stamps", &self.stamps).field("rest", &self.rest.len()).finish_non_exhaustive()
    }
}

impl Lines {
    pub fn new(stamps: Stamps) -> Self {
        Self { stamps, decoder: None, rest: BytesMut::new(), cut: 0, last: None, longest: LONGEST_LINE }
    }

    /// Of a longer line only so many bytes are kept.
    #[must_use]
    pub fn longest(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    #[must_use]
    pub fn encoded(mut self, encoding: Encoding) -> Self {
        self.decoder = match encoding {
            Encoding::Utf8 => None,
            Encoding::Gb18030 => Some(encoding_rs::GB18030.new_decoder_without_bom_handling()),
        };
        self
    }

    /// Takes bytes in that came at `now`; gives the lines that they complete, at most two chunks.
    pub fn push(&mut self, piece: &[u8], now: Stamp) -> Vec<Chunk> {
        match self.decoder.take() {
            None => self.cut(piece, now),
            Some(mut decoder) => {
                let mut text = String::with_capacity(decoder.max_utf8_buffer_length(piece.len()).unwrap_or(piece.len() * 3));
                let _ = decoder.decode_to_string(piece, &mut text, false);
                self.decoder = Some(decoder);
                self.cut(text.as_bytes(), now)
            }
        }
    }

    fn cut(&mut self, mut piece: &[u8], now: Stamp) -> Vec<Chunk> {
        let mut out = Vec::new();
        if self.cut > 0 {
            // In the middle of a line that is too long already: its end is all that matters.
            let Some(end) = memchr::memchr(b'\n', piece) else {
                self.cut += piece.len();
                return out;
            };
            self.cut += end;
            out.extend(self.finish(now));
            piece = &piece[end + 1..];
        }
        let Some(last) = memchr::memrchr(b'\n', piece) else {
            self.keep(piece);
            return out;
        };
        self.rest.extend_from_slice(&piece[..=last]);
        let whole = self.rest.split().freeze();
        out.push(self.mark(whole, now));
        self.keep(&piece[last + 1..]);
        out
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = self.longest.saturating_sub(self.rest.len()).min(piece.len());
        self.rest.extend_from_slice(&piece[..room]);
        self.cut += piece.len() - room;
    }

    /// The last line, where the stream ended without a line break.
    pub fn finish(&mut self, now: Stamp) -> Option<Chunk> {
        let cut = u32::try_from(std::mem::take(&mut self.cut)).unwrap_or(u32::MAX);
        if self.rest.is_empty() && cut == 0 {
            return None;
        }
        let bytes = self.rest.split().freeze();
        let mut mark = self.line(&bytes, 0, bytes.len(), now);
        mark.cut = mark.cut.saturating_add(cut);
        Some(Chunk { bytes, marks: vec![mark] })
    }

    /// Bytes of a line that has no end yet.
    pub fn unfinished(&self) -> usize {
        self.rest.len() + self.cut
    }

    /// The connection is gone: what was begun will come again.
    pub fn forget_unfinished(&mut self) {
        self.rest.clear();
        self.cut = 0;
        if let Some(decoder) = &mut self.decoder {
            *decoder = encoding_rs::GB18030.new_decoder_without_bom_handling();
        }
    }

    fn mark(&mut self, bytes: Bytes, now: Stamp) -> Chunk {
        if self.stamps == Stamps::Unasked {
            let mark = Mark { start: 0, end: u32::try_from(bytes.len().saturating_sub(1)).unwrap_or(u32::MAX), stamp: now, cut: 0 };
            return Chunk { bytes, marks: vec![mark] };
        }
        let mut marks = Vec::with_capacity(bytes.len() / 64 + 1);
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &bytes) {
            marks.push(self.line(&bytes, start, end, now));
            start = end + 1;
        }
        Chunk { bytes, marks }
    }

    fn line(&mut self, bytes: &[u8], start: usize, end: usize, now: Stamp) -> Mark {
        let text = &bytes[start..end];
        let (stamp, skipped) = match self.stamps {
            Stamps::Arrival | Stamps::Unasked => (now, 0),
            Stamps::Prefixed => match Stamp::split(text) {
                Some((stamp, rest)) => (stamp, text.len() - rest.len()),
                None => (self.last.unwrap_or(now), 0),
            },
            Stamps::Within { zone } => (super::stamps::within(text, zone, now).or(self.last).unwrap_or(now), 0),
        };
        self.last = Some(stamp);
        let kept = (end - start - skipped).min(self.longest);
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Mark { start: place(start + skipped), end: place(start + skipped + kept), stamp, cut: place(end - start - skipped - kept) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut Lines, pieces: &[&[u8]]) -> Vec<(i64, String, u32)> {
        let mut chunks: Vec<Chunk> = pieces.iter().flat_map(|p| lines.push(p, Stamp(7))).collect();
        chunks.extend(lines.finish(Stamp(7)));
        chunks.iter().flat_map(|c| (0..c.lines()).map(move |i| (c.marks[i].stamp.0, String::from_utf8_lossy(c.line(i)).into_owned(), c.marks[i].cut))).collect()
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_are_cut() {
        let text = "1970-01-01T00:00:01Z one\n1970-01-01T00:00:02Z \nno stamp\n\n1970-01-01T00:00:03.5Z 三\nlast".as_bytes();
        let expected =
            [(1_000_000_000, "one"), (2_000_000_000, ""), (2_000_000_000, "no stamp"), (2_000_000_000, ""), (3_500_000_000, "三"), (3_500_000_000, "last")];
        for at in 0..text.len() {
            let (a, b) = text.split_at(at);
            let got = all(&mut Lines::new(Stamps::Prefixed), &[a, b]);
            assert_eq!(got.iter().map(|(s, t, _)| (*s, t.as_str())).collect::<Vec<_>>(), expected, "cut at {at}");
        }
    }

    #[test]
    fn ten_megabytes_of_one_line_are_cut_and_counted() {
        let long = vec![b'x'; 10 << 20];
        let mut lines = Lines::new(Stamps::Arrival);
        let mut out = Vec::new();
        for piece in long.chunks(5000) {
            out.extend(lines.push(piece, Stamp(1)));
            assert!(lines.rest.len() <= LONGEST_LINE);
        }
        assert!(out.is_empty());
        out.extend(lines.push(b"\nnext\n", Stamp(1)));
        assert_eq!(out.len(), 2);
        assert_eq!((out[0].line(0).len(), out[0].marks[0].cut as usize), (LONGEST_LINE, (10 << 20) - LONGEST_LINE));
        assert_eq!(out[1].line(0), b"next");
        // The same in one piece.
        let mut whole = long.clone();
        whole.extend_from_slice(b"\nnext\n");
        let got = all(&mut Lines::new(Stamps::Arrival), &[&whole]);
        assert_eq!((got[0].1.len(), got[0].2 as usize, got[1].1.as_str()), (LONGEST_LINE, (10 << 20) - LONGEST_LINE, "next"));
    }

    #[test]
    fn lines_that_nobody_looks_at_stay_together_however_they_are_cut() {
        let text = b"one\n\ntwo\nlast";
        for at in 0..text.len() {
            let (a, b) = text.split_at(at);
            let got = all(&mut Lines::new(Stamps::Unasked), &[a, b]);
            assert!(got.len() <= 3, "cut at {at}: {got:?}");
            assert_eq!(got.iter().map(|(_, t, _)| t.as_str()).collect::<Vec<_>>().join("\n").as_bytes(), text, "cut at {at}");
        }
    }

    #[test]
    fn binary_garbage_stays_as_it_is() {
        let garbage: Vec<u8> = (0..=255).chain(0..=255).collect();
        let got: Vec<Chunk> = {
            let mut lines = Lines::new(Stamps::Prefixed);
            let mut chunks = lines.push(&garbage, Stamp(1));
            chunks.extend(lines.finish(Stamp(1)));
            chunks
        };
        let joined: Vec<Vec<u8>> = got.iter().flat_map(|c| (0..c.lines()).map(move |i| c.line(i).to_vec())).collect();
        assert_eq!(joined.join(&b'\n'), garbage);
    }

    #[test]
    fn gb18030_becomes_utf8_also_across_pieces() {
        let (bytes, _, _) = encoding_rs::GB18030.encode("订单失败\n库存不足 𠮷\n");
        for at in 0..bytes.len() {
            let (a, b) = bytes.split_at(at);
            let got = all(&mut Lines::new(Stamps::Arrival).encoded(Encoding::Gb18030), &[a, b]);
            assert_eq!(got.iter().map(|(_, t, _)| t.as_str()).collect::<Vec<_>>(), ["订单失败", "库存不足 𠮷"], "cut at {at}");
        }
    }
}
