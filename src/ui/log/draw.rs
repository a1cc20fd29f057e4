//! The log in the dock: its lines, and a title that says whether they are all.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::find::{Filter, Search, Stepped};
use super::note::grouped;
use super::row::{Sheet, level_scope};
use super::walk::Drawn;
use super::{Flow, LogPane, Times, Top};
use crate::base::{sgr, text};
use crate::model::fact::Notice;
use crate::model::log::StreamState;
use crate::store::Store;
use crate::store::log::book::Book;
use crate::store::log::fields::{Level, level};
use crate::ui::put::{fill, put};
use crate::ui::{DOCK, Ui};

/// Cells before the time: a mark, and how bad the line is.
const GUTTER: u16 = 2;
/// Lag below this is the pace of polling and of the network.
const LAG: u64 = 1;

impl Ui {
    /// Draws the open log into the dock. False where none is open.
    pub(in crate::ui) fn draw_log(&mut self, store: &Store, buf: &mut Buffer) -> bool {
        let Some(mut pane) = self.log.take() else { return false };
        let area = self.plan.dock;
        let inner = Rect { x: area.x + 1, y: area.y + 1, width: area.width.saturating_sub(2), height: area.height.saturating_sub(1) };
        if let Some(book) = store.logs.book(pane.id) {
            pane.catch_up(book);
            self.lay_out(&mut pane, book, inner);
            if let Some(notice) = self.stepped(&mut pane, book) {
                self.notice(notice);
            }
            pane.keep_up(book);
            pane.top = pane.fit(book, &self.sheet(&pane, book));
            let sheet = self.sheet(&pane, book);
            let (rows, top) = pane.sight(book, &sheet, pane.rows);
            self.draw_rows(&pane, book, &rows, inner, buf);
            let widths = rows.iter().filter(|_| !pane.columns.is_empty()).map(|r| sheet.widths(&r.line)).fold(pane.widths.clone(), widest);
            let drawn: Vec<u64> = rows.iter().map(|r| r.line.number).collect();
            let ends = rows.last().is_none_or(|r| r.part + 1 >= sheet.height(&r.line));
            (pane.top, pane.drawn, pane.widths, pane.drawn_to_its_end) = (top, drawn, widths, ends);
            if pane.drawn.is_empty() {
                let words = self.lang.word(nothing(&pane, book));
                put(buf, inner, inner.x + GUTTER, inner.y, words, self.paint.style("ui").patch(self.paint.style("pane.empty")));
            }
            self.log_title(&pane, book, store, area, buf);
            self.log = Some(pane);
        } else {
            self.log = Some(pane);
        }
        true
    }

    fn lay_out(&self, pane: &mut LogPane, book: &Book, inner: Rect) {
        pane.names.refresh(book, usize::from(inner.width / 8).clamp(6, 20), self.glyphs.cut);
        let time = if pane.times == Times::Off { 0 } else { pane.times.width() + 1 };
        let name = if pane.names.width == 0 { 0 } else { pane.names.width + 1 };
        pane.rows = usize::from(inner.height);
        pane.room = usize::from(inner.width).saturating_sub(usize::from(GUTTER) + time + name).max(1);
        pane.work(book);
    }

    pub(super) fn sheet<'a>(&'a self, pane: &'a LogPane, book: &'a Book) -> Sheet<'a> {
        Sheet { pane, book, paint: &self.paint, lang: &self.lang, glyphs: self.glyphs, room: pane.room }
    }

    /// Goes where the search has come to.
    fn stepped(&self, pane: &mut LogPane, book: &Book) -> Option<Notice> {
        match pane.take_step(book)? {
            Stepped::Later => None,
            Stepped::Nowhere => {
                let typed = pane.search.as_ref().and_then(Search::pattern).map_or("", |p| p.as_typed()).to_owned();
                Some(Notice { good: false, text: self.lang.fill("message.not-found", &[("text", &typed)]) })
            }
            Stepped::To(number) => {
                pane.go(book, number);
                pane.show_hit(book, number);
                let row = pane.hit_row(book, &self.sheet(pane, book), number);
                pane.top = row.unwrap_or(pane.top);
                None
            }
        }
    }

    fn draw_rows(&self, pane: &LogPane, book: &Book, rows: &[Drawn], inner: Rect, buf: &mut Buffer) {
        let base = self.paint.style("ui");
        let dim = base.patch(self.paint.style("text.dim"));
        let (first, last) = pane.anchor.map_or((pane.cursor, pane.cursor), |a| (a.min(pane.cursor), a.max(pane.cursor)));
        for (drawn, y) in rows.iter().zip(inner.y..) {
            let line = &drawn.line;
            let note = book.note(line.number).is_some();
            let chosen = (first..=last).contains(&line.number) && !pane.is_following();
            let chosen = chosen.then(|| self.paint.style(if self.focus == DOCK { "row.selected.focus" } else { "row.selected" }));
            if let Some(look) = chosen {
                fill(buf, Rect { x: inner.x, y, width: inner.width, height: 1 }, look);
            }
            let on = |style: Style| chosen.map_or(style, |look| style.patch(Style { fg: None, ..look }));
            self.gutter(pane, drawn, note, inner, y, buf);
            let mut x = inner.x + GUTTER;
            if pane.times != Times::Off {
                if drawn.part == 0 {
                    put(buf, inner, x, y, &pane.times.show(line.stamp, &self.zone), on(dim));
                }
                x += cells(pane.times.width()) + 1;
            }
            if pane.names.width > 0 {
                if drawn.part == 0 && !note {
                    let (name, scope) = pane.names.of(line.stream);
                    put(buf, inner, x, y, name, on(base.patch(self.paint.style(scope))));
                }
                x += cells(pane.names.width) + 1;
            }
            let around = !note && pane.shown(book).is_around(line.number);
            for span in &drawn.spans {
                let style = if around { dim } else { span.style };
                // What was looked for stays lit on the chosen line.
                let style = if span.lit { span.style } else { chosen.map_or(style, |look| style.patch(look)) };
                x = put(buf, inner, x, y, &span.text, style);
            }
        }
    }

    fn gutter(&self, pane: &LogPane, drawn: &Drawn, note: bool, inner: Rect, y: u16, buf: &mut Buffer) {
        let number = drawn.line.number;
        if drawn.part == 0 {
            if pane.search.as_ref().is_some_and(|s| s.at == Some(number)) {
                put(buf, inner, inner.x, y, ">", self.paint.style("text.accent"));
            } else if pane.marks.contains(&number) {
                put(buf, inner, inner.x, y, self.glyphs.mark, self.paint.style("row.marked"));
            }
        }
        if !note && let Some(level) = level(drawn.line.bytes).filter(|l| *l >= Level::Warn) {
            put(buf, inner, inner.x + 1, y, self.glyphs.vertical, self.paint.style(level_scope(level)));
        }
    }

    /// Who speaks, whether it is followed, and everything that is not on the screen: what is new, late, dropped, evicted.
    fn log_title(&self, pane: &LogPane, book: &Book, store: &Store, area: Rect, buf: &mut Buffer) {
        let focused = self.focus == DOCK;
        let base = self.paint.style("ui");
        let name = text::cut_middle(&text::clean(&pane.title), usize::from(area.width / 3), self.glyphs.cut);
        let title = format!("{} {name}", self.lang.word("log.title"));
        let mut x = self.strip_title(buf, area, focused, &title, "");
        for (words, scope) in self.log_facts(pane, book, store) {
            let need = cells(text::width(&words)) + 2;
            if x + need >= area.right() {
                continue;
            }
            x = put(buf, area, x, area.y, &format!(" {words} "), base.patch(self.paint.style(scope)));
        }
    }

    /// In the order of what must not be missed.
    fn log_facts(&self, pane: &LogPane, book: &Book, store: &Store) -> Vec<(String, &'static str)> {
        let lang = &self.lang;
        let count = |key: &str, n: u64| lang.fill(key, &[("count", &grouped(n))]);
        let mut out = Vec::new();
        if pane.is_following() {
            out.push((lang.word("log.following").to_owned(), "text.good"));
        } else {
            out.push((lang.fill("log.paused", &[("count", &grouped(pane.news(book)))]), "verdict.warn"));
        }
        if pane.times != Times::Off {
            out.push((super::time::zone_name(store.now(), &self.zone), "text.dim"));
        }
        if book.dropped() > 0 {
            out.push((count("log.dropped", book.dropped()), "verdict.crit"));
        }
        let behind = book.lag(store.now()).as_secs();
        if behind >= LAG {
            out.push((lang.fill("log.lag", &[("span", &text::span(behind))]), "verdict.warn"));
        }
        if let Some(query) = pane.filter.as_ref().and_then(Filter::query) {
            let found = pane.filter.as_ref().map_or(0, |f| f.scan.count());
            let shown = lang.fill("log.matching", &[("query", query.typed()), ("count", &grouped(found)), ("total", &grouped(book.ring().lines()))]);
            out.push((text::clean(&shown).into_owned(), "pane.title.filter"));
        }
        if let Some((search, typed)) = pane.search.as_ref().and_then(|s| Some((s, s.pattern()?.as_typed()))) {
            let at = search.at.map_or_else(|| "-".to_owned(), |n| grouped(search.scan.count_before(n) + 1));
            let key = if search.scan.is_complete() { "log.match" } else { "log.matching-on" };
            out.push((text::clean(&lang.fill(key, &[("text", typed), ("at", &at), ("total", &grouped(search.scan.count()))])).into_owned(), "text.accent"));
        }
        let state = |wanted: StreamState| book.streams().filter(|(_, s)| s.state == wanted).count() as u64;
        for (wanted, key, scope) in [
            (StreamState::Live, "log.live", "verdict.ok"),
            (StreamState::Opening, "log.opening", "text.dim"),
            (StreamState::Waiting, "log.waiting-streams", "verdict.warn"),
            (StreamState::Ended, "log.ended", "text.dim"),
        ] {
            let n = state(wanted);
            if n > 0 {
                out.push((count(key, n), scope));
            }
        }
        if book.ring().evicted() > 0 {
            out.push((count("log.evicted", book.ring().evicted()), "text.dim"));
        }
        if pane.shift > 0 {
            out.push((format!("+{}", pane.shift), "text.dim"));
        }
        if !pane.columns.is_empty() && pane.form == super::Form::Columns {
            out.push((pane.columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), "text.dim"));
        }
        out
    }
}

impl LogPane {
    /// Brings a hit into sight sideways.
    fn show_hit(&mut self, book: &Book, number: u64) {
        const FAR: usize = 64 << 10;
        let Some(pattern) = self.search.as_ref().and_then(Search::pattern).filter(|_| self.flow == Flow::Cut) else { return };
        let Some(line) = book.ring().line(number) else { return };
        let shown = sgr::plain(line.bytes, FAR);
        let Some(hit) = pattern.find_iter(shown.as_bytes()).next() else { return };
        let at = text::width(shown.get(..hit.start).unwrap_or_default());
        let end = at + text::width(shown.get(hit).unwrap_or_default());
        if at < self.shift || end + 1 > self.shift + self.room {
            self.shift = if end < self.room { 0 } else { at.saturating_sub(self.room / 2) };
        }
    }
}

impl LogPane {
    /// The top that has a hit in sight which is far down in a line of many rows.
    fn hit_row(&self, book: &Book, sheet: &Sheet, number: u64) -> Option<Top> {
        let line = book.ring().line(number).filter(|l| sheet.height(l) > self.rows / 2)?;
        let row = sheet.rows(&line).iter().position(|row| row.iter().any(|s| s.lit)).filter(|row| *row >= self.rows / 2)?;
        Some(Top { line: number, row: row - self.rows / 3 })
    }
}

/// Why no line is in sight.
fn nothing(pane: &LogPane, book: &Book) -> &'static str {
    let ended = book.streams().len() > 0 && book.streams().all(|(_, s)| s.state == StreamState::Ended);
    match &pane.filter {
        Some(f) if !f.scan.is_complete() => "log.looking",
        Some(_) => "pane.no-match",
        None if ended => "log.silent",
        None => "log.waiting",
    }
}

fn widest(mut a: Vec<usize>, b: Vec<usize>) -> Vec<usize> {
    a.resize(a.len().max(b.len()), 0);
    a.iter_mut().zip(b).for_each(|(a, b)| *a = (*a).max(b));
    a
}

fn cells(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX / 4)
}
