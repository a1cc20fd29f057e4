//! Moving among the lines. Scrolling up holds the view still; reaching the end follows again.

use super::row::{Sheet, Span};
use super::{Form, LogPane, Stand, Top};
use crate::base::ring::Line;
use crate::store::log::book::Book;
use crate::store::log::search::Found;
use crate::store::log::shown::Shown;
use crate::ui::pane::Motion;

/// One row of the screen.
pub(super) struct Drawn<'a> {
    pub line: Line<'a>,
    /// Which of the line's rows it is.
    pub part: usize,
    pub spans: Vec<Span>,
}

impl LogPane {
    pub(super) fn shown<'a>(&'a self, book: &'a Book) -> Shown<'a> {
        Shown { book, filter: self.filter.as_ref().map(|f| &f.scan) }
    }

    fn next(&self, book: &Book, number: u64) -> Option<u64> {
        match self.shown(book).at_or_after(number) {
            Found::Line(n) => Some(n),
            _ => None,
        }
    }

    fn previous(&self, book: &Book, number: u64) -> Option<u64> {
        match self.shown(book).before(number) {
            Found::Line(n) => Some(n),
            _ => None,
        }
    }

    pub(super) fn is_following(&self) -> bool {
        self.stand == Stand::Follow
    }

    pub(super) fn follow(&mut self) {
        self.stand = Stand::Follow;
        self.anchor = None;
    }

    /// Holds the view still where it is.
    pub(super) fn hold(&mut self, book: &Book) {
        if self.stand == Stand::Follow {
            self.stand = Stand::Hold;
            self.seen = book.ring().next();
            self.cursor = self.previous(book, u64::MAX).unwrap_or(self.seen);
        }
    }

    /// Lines that have come since it was held still, as far as they are shown.
    pub(super) fn news(&self, book: &Book) -> u64 {
        match &self.filter {
            Some(f) => f.scan.count().saturating_sub(f.scan.count_before(self.seen)),
            None => book.ring().next().saturating_sub(self.seen),
        }
    }

    /// Goes to a line, which is then in sight.
    pub(super) fn go(&mut self, book: &Book, number: u64) {
        self.hold(book);
        let found = self.next(book, number).or_else(|| self.previous(book, number));
        self.cursor = found.unwrap_or(number);
        if !self.drawn.contains(&self.cursor) {
            // A third of the screen above it tells what led there.
            let mut top = self.cursor;
            for _ in 0..self.rows / 3 {
                match self.previous(book, top) {
                    Some(n) => top = n,
                    None => break,
                }
            }
            self.top = Top { line: top, row: 0 };
        }
    }

    pub(super) fn step(&mut self, book: &Book, motion: Motion) {
        let page = self.rows.saturating_sub(1).max(1);
        match motion {
            Motion::Top => {
                self.hold(book);
                self.cursor = self.next(book, 0).unwrap_or(self.cursor);
                self.top = Top { line: self.cursor, row: 0 };
            }
            Motion::Bottom => self.follow(),
            Motion::By(n) => self.by(book, n, 0),
            Motion::HalfPages(n) => {
                let lines = isize::try_from((page / 2).max(1)).unwrap_or(1) * n;
                self.by(book, lines, lines);
            }
        }
    }

    /// Moves the cursor by `lines`, and what is in sight by `scroll`.
    fn by(&mut self, book: &Book, lines: isize, scroll: isize) {
        if self.is_following() {
            if lines >= 0 {
                return;
            }
            self.hold(book);
        }
        let last = self.previous(book, u64::MAX);
        if lines > 0 && last.is_some_and(|l| self.cursor >= l) && self.anchor.is_none() {
            self.follow();
            return;
        }
        if lines == 1 && self.reads_tall_line() {
            self.top.row += 1;
            return;
        }
        if lines == -1 && self.top.line == self.cursor && self.top.row > 0 {
            self.top.row -= 1;
            return;
        }
        self.cursor = self.walk(book, self.cursor, lines);
        if scroll != 0 {
            self.top = Top { line: self.walk(book, self.top.line, scroll), row: 0 };
        }
    }

    /// Is the cursor's line taller than the screen, with more of it below?
    fn reads_tall_line(&self) -> bool {
        self.drawn.len() >= self.rows && self.drawn.iter().all(|n| *n == self.cursor) && !self.drawn_to_its_end
    }

    fn walk(&self, book: &Book, from: u64, lines: isize) -> u64 {
        let mut at = from;
        for _ in 0..lines.unsigned_abs() {
            let next = if lines < 0 { self.previous(book, at) } else { self.next(book, at + 1) };
            match next {
                Some(n) => at = n,
                None => break,
            }
        }
        at
    }

    /// Lines get new numbers when others come late to a place before them: whoever reads stays on the same lines.
    pub(super) fn catch_up(&mut self, book: &Book) {
        let epoch = self.epoch;
        if epoch == book.epoch() {
            return;
        }
        let moved = |n: u64| book.moved(epoch, n);
        self.epoch = book.epoch();
        (self.top.line, self.cursor, self.seen) = (moved(self.top.line), moved(self.cursor), moved(self.seen));
        self.anchor = self.anchor.map(moved);
        self.opened = self.opened.iter().copied().map(moved).collect();
        self.marks = self.marks.iter().copied().map(moved).collect();
        self.drawn.iter_mut().for_each(|n| *n = moved(*n));
        if let Some(search) = &mut self.search {
            search.moved(moved);
        }
    }

    /// Brings the cursor and the top up to date with lines that left, and with the filter.
    pub(super) fn keep_up(&mut self, book: &Book) {
        if self.is_following() {
            return;
        }
        let first = book.ring().first();
        self.cursor = self.cursor.max(first);
        if let Some(at) = self.next(book, self.cursor).or_else(|| self.previous(book, self.cursor)) {
            self.cursor = at;
        }
        let at = self.next(book, self.top.line.max(first)).unwrap_or(self.cursor);
        if at != self.top.line {
            self.top = Top { line: at, row: 0 };
        }
        if self.cursor < self.top.line {
            self.top = Top { line: self.cursor, row: 0 };
        }
    }

    /// Where what is in sight has to begin for the cursor's line to be in it.
    pub(super) fn fit(&self, book: &Book, sheet: &Sheet) -> Top {
        if self.is_following() {
            return self.top;
        }
        let height = |n: u64| book.ring().line(n).map_or(0, |l| sheet.height(&l));
        // Down from the top until the cursor's line is whole, or the screen is full.
        let (mut used, mut at) = (0, self.top.line);
        loop {
            let rows = height(at);
            used += if at == self.top.line { rows.saturating_sub(self.top.row).max(1) } else { rows };
            if at >= self.cursor || used > self.rows {
                break;
            }
            match self.next(book, at + 1) {
                Some(n) => at = n,
                None => break,
            }
        }
        if at == self.cursor && used <= self.rows {
            return self.top;
        }
        // A line that is taller than the screen starts at its top.
        if at == self.cursor && at == self.top.line {
            return self.top;
        }
        // Up from the cursor's line, which is then the last one in sight.
        let (mut room, mut at) = (self.rows, self.cursor);
        loop {
            let rows = height(at);
            if rows >= room {
                return Top { line: at, row: if at == self.cursor { 0 } else { rows - room } };
            }
            room -= rows;
            match self.previous(book, at) {
                Some(n) => at = n,
                None => return Top { line: at, row: 0 },
            }
        }
    }

    /// The rows in sight, and the line that the first of them belongs to.
    pub(super) fn sight<'b>(&self, book: &'b Book, sheet: &Sheet, rows: usize) -> (Vec<Drawn<'b>>, Top) {
        let mut out: Vec<Drawn> = Vec::with_capacity(rows);
        let mut top = self.top;
        if !self.is_following() {
            let mut at = self.next(book, self.top.line);
            while let Some(line) = at.and_then(|n| book.ring().line(n)) {
                let skip = if line.number == self.top.line { self.top.row } else { 0 };
                out.extend(sheet.rows(&line).into_iter().enumerate().skip(skip).map(|(part, spans)| Drawn { line, part, spans }));
                if out.len() >= rows {
                    out.truncate(rows);
                    return (out, top);
                }
                at = self.next(book, line.number + 1);
            }
        }
        // What is left empty below is filled from above.
        let start = out.first().map_or(u64::MAX, |d| d.line.number);
        let mut above: Vec<Drawn> = Vec::new();
        if let Some(part) = out.first().map(|d| d.part).filter(|p| *p > 0)
            && let Some(line) = book.ring().line(start)
        {
            above.extend(sheet.rows(&line).into_iter().enumerate().take(part).map(|(part, spans)| Drawn { line, part, spans }).rev());
        }
        let mut at = start;
        while above.len() + out.len() < rows {
            let Some(line) = self.previous(book, at).and_then(|n| book.ring().line(n)) else { break };
            above.extend(sheet.rows(&line).into_iter().enumerate().map(|(part, spans)| Drawn { line, part, spans }).rev());
            at = line.number;
        }
        above.truncate(rows.saturating_sub(out.len()));
        above.reverse();
        above.append(&mut out);
        if let Some(first) = above.first() {
            top = Top { line: first.line.number, row: first.part };
        }
        (above, top)
    }

    pub(super) fn longest(&self, book: &Book, sheet: &Sheet) -> usize {
        let mut seen = self.drawn.clone();
        seen.dedup();
        seen.iter().filter_map(|n| book.ring().line(*n)).filter(|l| book.note(l.number).is_none()).map(|l| sheet.cells(&l)).max().unwrap_or(0)
    }

    pub(super) fn toggle_form(&mut self) {
        self.form = match self.form {
            Form::Raw => Form::Columns,
            Form::Columns => Form::Pretty,
            Form::Pretty => Form::Raw,
        };
        (self.shift, self.top.row) = (0, 0);
        self.opened.clear();
    }
}
