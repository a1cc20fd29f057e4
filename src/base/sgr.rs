//! A line of bytes from afar as a terminal may show it: colours and weights (ECMA-48 SGR) kept as data, tabs widened,
//! and everything else that a terminal might obey shown as text.
//!
//! Nothing here costs more than what is asked for: a line of ten megabytes is walked as far as the last cell in sight.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;

use super::text;

/// Cells between two tab stops.
const TAB: usize = 8;
/// A sequence longer than this is no colour.
const LONGEST: usize = 64;
/// The longest cluster of characters that is kept together, in bytes.
const CLUSTER: usize = 64;

/// A colour as the line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// One of the sixteen.
    Named(u8),
    /// One of the 256; the first sixteen are [`Ink::Named`].
    Indexed(u8),
    Rgb(u8, u8, u8),
}

/// How a run of text looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pen {
    pub fg: Option<Ink>,
    pub bg: Option<Ink>,
    traits: u8,
}

/// What may be added to text beside a colour. Blinking and hidden text are not among them: the first disturbs, the second lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Trait {
    Bold = 1,
    Dim = 2,
    Italic = 4,
    Underline = 8,
    Reverse = 16,
}

impl Pen {
    pub fn has(self, t: Trait) -> bool {
        self.traits & t as u8 != 0
    }

    fn set(&mut self, t: Trait) {
        self.traits |= t as u8;
    }

    fn unset(&mut self, t: Trait) {
        self.traits &= !(t as u8);
    }

    /// Takes the parameters of one SGR sequence.
    fn apply(&mut self, params: &[u8]) {
        let mut numbers = params.split(|b| matches!(b, b';' | b':')).map(|p| std::str::from_utf8(p).ok().and_then(|s| s.parse::<u16>().ok()).unwrap_or(0));
        while let Some(n) = numbers.next() {
            match n {
                0 => *self = Self::default(),
                1 => self.set(Trait::Bold),
                2 => self.set(Trait::Dim),
                3 => self.set(Trait::Italic),
                4 => self.set(Trait::Underline),
                7 => self.set(Trait::Reverse),
                22 => {
                    self.unset(Trait::Bold);
                    self.unset(Trait::Dim);
                }
                23 => self.unset(Trait::Italic),
                24 => self.unset(Trait::Underline),
                27 => self.unset(Trait::Reverse),
                30..=37 => self.fg = named(n - 30),
                38 => self.fg = extended(&mut numbers).or(self.fg),
                39 => self.fg = None,
                40..=47 => self.bg = named(n - 40),
                48 => self.bg = extended(&mut numbers).or(self.bg),
                49 => self.bg = None,
                90..=97 => self.fg = named(n - 90 + 8),
                100..=107 => self.bg = named(n - 100 + 8),
                _ => {}
            }
        }
    }

    /// Text on its own colour cannot be read: the ground goes.
    fn legible(self) -> Self {
        if self.fg.is_some() && self.fg == self.bg { Self { bg: None, ..self } } else { self }
    }
}

fn named(n: u16) -> Option<Ink> {
    u8::try_from(n).ok().map(Ink::Named)
}

fn extended(numbers: &mut impl Iterator<Item = u16>) -> Option<Ink> {
    let mut byte = || numbers.next().and_then(|n| u8::try_from(n).ok());
    match byte()? {
        5 => byte().map(|n| if n < 16 { Ink::Named(n) } else { Ink::Indexed(n) }),
        2 => Some(Ink::Rgb(byte()?, byte()?, byte()?)),
        _ => None,
    }
}

/// A piece of a line. Where its text is as long in bytes as it is wide, it is ASCII and may be cut anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    pub text: Cow<'a, str>,
    pub width: usize,
    pub pen: Pen,
}

/// Walks a line piece by piece.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    rest: &'a [u8],
    pen: Pen,
    column: usize,
}

pub fn pieces(line: &[u8]) -> Pieces<'_> {
    Pieces { rest: line, pen: Pen::default(), column: 0 }
}

/// The length of the SGR sequence that `bytes` start with, and its parameters.
fn sgr(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let params = bytes.strip_prefix(b"\x1b[")?;
    let end = params.iter().take(LONGEST).position(|b| !matches!(b, b'0'..=b'9' | b';' | b':'))?;
    (params[end] == b'm').then_some((end + 3, &params[..end]))
}

fn printable(b: u8) -> bool {
    matches!(b, 0x20..=0x7e)
}

impl<'a> Pieces<'a> {
    /// Bytes that have not been walked.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    fn piece(&mut self, text: Cow<'a, str>, bytes: usize) -> Piece<'a> {
        let width = text::width(&text);
        self.rest = &self.rest[bytes..];
        self.column += width;
        Piece { text, width, pen: self.pen.legible() }
    }

    /// The next cluster that is not plain ASCII.
    fn cluster(&mut self) -> Piece<'a> {
        let window = &self.rest[..self.rest.len().min(CLUSTER)];
        let valid = match std::str::from_utf8(window) {
            Ok(s) => s,
            Err(e) => std::str::from_utf8(&window[..e.valid_up_to()]).unwrap_or_default(),
        };
        let Some(g) = valid.graphemes(true).next() else {
            let text = format!("<{:02x}>", self.rest[0]);
            return self.piece(Cow::Owned(text), 1);
        };
        match text::clean(g) {
            // Alone, a mark that belongs over another character takes no cell and would be lost.
            Cow::Borrowed(g) if text::width(g) == 0 => {
                let shown = g.chars().fold(String::new(), |out, c| out + &format!("<{:x}>", u32::from(c)));
                self.piece(Cow::Owned(shown), g.len())
            }
            Cow::Borrowed(g) => self.piece(Cow::Borrowed(g), g.len()),
            Cow::Owned(shown) => self.piece(Cow::Owned(shown), g.len()),
        }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        loop {
            match *self.rest.first()? {
                0x1b => {
                    let Some((length, params)) = sgr(self.rest) else { return Some(self.piece(Cow::Borrowed("^["), 1)) };
                    self.pen.apply(params);
                    self.rest = &self.rest[length..];
                }
                b'\t' => {
                    const BLANK: &str = "        ";
                    let to = TAB - self.column % TAB;
                    return Some(self.piece(Cow::Borrowed(&BLANK[..to]), 1));
                }
                // The end of a line as Windows writes it.
                b'\r' if self.rest.len() == 1 => return None,
                b if printable(b) => {
                    let mut end = self.rest.iter().take(256).position(|b| !printable(*b)).unwrap_or(self.rest.len().min(256));
                    // A mark that follows belongs to the last letter.
                    if self.rest.get(end).is_some_and(|b| *b >= 0x80) {
                        end -= 1;
                    }
                    if end == 0 {
                        return Some(self.cluster());
                    }
                    let text = std::str::from_utf8(&self.rest[..end]).unwrap_or_default();
                    return Some(self.piece(Cow::Borrowed(text), end));
                }
                b @ (0..0x20 | 0x7f) => {
                    let shown = if b == 0x7f { "^?".to_owned() } else { format!("^{}", char::from(b + 0x40)) };
                    return Some(self.piece(Cow::Owned(shown), 1));
                }
                _ => return Some(self.cluster()),
            }
        }
    }
}

/// Text in one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub text: String,
    pub pen: Pen,
}

/// One row of the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    pub runs: Vec<Run>,
    pub width: usize,
}

impl Row {
    fn push(&mut self, text: &str, width: usize, pen: Pen) {
        if text.is_empty() {
            return;
        }
        self.width += width;
        match self.runs.last_mut() {
            Some(run) if run.pen == pen => run.text.push_str(text),
            _ => self.runs.push(Run { text: text.to_owned(), pen }),
        }
    }

    pub fn text(&self) -> String {
        self.runs.iter().map(|r| r.text.as_str()).collect()
    }
}

/// What is in sight of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    pub row: Row,
    /// Does the line go on behind it?
    pub more: bool,
}

/// The cells `from..from + cells` of a line. A wide character that is cut leaves blanks.
pub fn window(line: &[u8], from: usize, cells: usize) -> Window {
    let to = from + cells;
    let mut out = Window::default();
    let mut at = 0;
    for piece in pieces(line) {
        let end = at + piece.width;
        if at >= to {
            out.more = true;
            break;
        }
        if end > from {
            let (left, right) = (from.saturating_sub(at), end.saturating_sub(to));
            if left == 0 && right == 0 {
                out.row.push(&piece.text, piece.width, piece.pen);
            } else if piece.text.len() == piece.width {
                out.row.push(&piece.text[left..piece.width - right], piece.width - left - right, piece.pen);
            } else {
                let cells = piece.width.saturating_sub(left + right);
                out.row.push(&" ".repeat(cells), cells, piece.pen);
            }
            out.more |= right > 0;
        }
        at = end;
    }
    out
}

/// The line broken into rows of at most `cells`, at most `most` of them. The number is that of the bytes left out.
pub fn rows(line: &[u8], cells: usize, most: usize) -> (Vec<Row>, usize) {
    let cells = cells.max(2);
    let mut out = vec![Row::default()];
    let mut walk = pieces(line);
    loop {
        let left = walk.left();
        let Some(piece) = walk.next() else { return (out, 0) };
        let mut rest: &str = &piece.text;
        let ascii = piece.text.len() == piece.width;
        while !rest.is_empty() {
            let full = out.last().map_or(0, |r| r.width);
            let (head, width) = if ascii { (rest.len().min(cells - full), rest.len().min(cells - full)) } else { (rest.len(), piece.width.min(cells)) };
            if head == 0 || full + width > cells {
                if out.len() == most {
                    return (out, left);
                }
                out.push(Row::default());
                continue;
            }
            if let Some(row) = out.last_mut() {
                row.push(&rest[..head], width, piece.pen);
            }
            rest = &rest[head..];
        }
    }
}

/// How many rows [`rows`] would give.
pub fn height(line: &[u8], cells: usize, most: usize) -> usize {
    let cells = cells.max(2);
    // Every byte shows as four cells at most, tabs as eight: a short line needs no walk.
    if line.len() * TAB <= cells {
        return 1;
    }
    rows(line, cells, most).0.len()
}

/// The line as plain text: colours left out, the rest as it is shown. At most `most` bytes of it are walked.
pub fn plain(line: &[u8], most: usize) -> String {
    let mut out = String::with_capacity(line.len().min(most));
    for piece in pieces(&line[..line.len().min(most)]) {
        out.push_str(&piece.text);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(line: &[u8]) -> String {
        window(line, 0, 10_000).row.text()
    }

    #[test]
    fn colours_are_kept_and_everything_else_is_text() {
        let w = window(b"\x1b[31;1mred\x1b[0m \x1b[38;5;200mpink\x1b[48;2;1;2;3m!\x1b[m\x1b]0;owned\x07\x1b[2J\x9b", 0, 80).row;
        assert_eq!(w.runs[0].text, "red");
        assert!(w.runs[0].pen.fg == Some(Ink::Named(1)) && w.runs[0].pen.has(Trait::Bold));
        assert_eq!(w.runs[2].pen.fg, Some(Ink::Indexed(200)));
        assert_eq!(w.runs[3].pen.bg, Some(Ink::Rgb(1, 2, 3)));
        assert_eq!(w.runs[4].text, "^[]0;owned^G^[[2J<9b>");
        assert_eq!(shown(b"\x1b[8mhidden\x1b[5mblink"), "hiddenblink");
        assert_eq!(window(b"\x1b[31;41mx", 0, 9).row.runs[0].pen.bg, None);
        assert_eq!(shown(b"\x1b[31"), "^[[31");
    }

    #[test]
    fn tabs_wide_letters_and_garbage_take_the_cells_that_they_take() {
        assert_eq!(shown(b"a\tb\r"), "a       b");
        assert_eq!(shown("订单\u{202e}x\u{301}".as_bytes()), "订单<202e>x\u{301}");
        assert_eq!(shown(b"\xe8\xae\xa2\xe8\xae"), "订<e8><ae>");
        assert_eq!(shown("\u{301}".as_bytes()), "<301>");
        assert_eq!(window("订单号".as_bytes(), 1, 4).row.text(), " 单 ");
        assert_eq!(window("订单号".as_bytes(), 2, 2).row.text(), "单");
        assert!(window(b"abc", 0, 2).more && !window(b"abc", 0, 3).more);
    }

    #[test]
    fn wrapping_loses_nothing() {
        let (r, left) = rows("abcdef订gh".as_bytes(), 3, 10);
        assert_eq!(r.iter().map(Row::text).collect::<Vec<_>>(), ["abc", "def", "订g", "h"]);
        assert_eq!(left, 0);
        let (r, left) = rows(&[b'x'; 5000], 10, 3);
        assert_eq!((r.len(), height(&[b'x'; 5000], 10, 3)), (3, 3));
        assert!(left > 4000);
        assert_eq!(rows(b"", 10, 3).0.len(), 1);
    }

    #[test]
    fn a_line_of_ten_megabytes_costs_what_is_in_sight() {
        let line = vec![b'x'; 10 << 20];
        let watch = crate::base::clock::Stopwatch::start();
        for _ in 0..1000 {
            assert!(window(&line, 0, 160).more);
            assert_eq!(rows(&line, 160, 40).0.len(), 40);
        }
        // A walk of the whole line would take ten gigabytes of steps.
        assert!(watch.elapsed() < std::time::Duration::from_secs(5), "{:?}", watch.elapsed());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_control_byte_comes_through(line in prop::collection::vec(prop_oneof![any::<u8>(), Just(0x1b), Just(b'['), Just(b'm'), Just(b';'), Just(b'3'), Just(0xe8), Just(0x9b)], 0..200), from in 0usize..40, cells in 0usize..60) {
            let all = shown(&line);
            prop_assert!(!all.chars().any(char::is_control), "{all:?}");
            let part = window(&line, from, cells);
            prop_assert!(part.row.width <= cells);
            prop_assert_eq!(text::width(&part.row.text()), part.row.width);
            let (rows, _) = rows(&line, cells.max(20), 1000);
            let joined: String = rows.iter().map(Row::text).collect();
            prop_assert_eq!(&joined, &all);
            prop_assert_eq!(joined, plain(&line, 10_000));
        }
    }
}
