//! From a line to rows of the screen: raw, as columns, or with every field on a row of its own.

use ratatui::style::{Modifier, Style};

use super::find::{Filter, Search};
use super::{Flow, Form, LogPane};
use crate::base::ring::Line;
use crate::base::sgr::{self, Pen, Trait};
use crate::base::text;
use crate::config::lang::Lang;
use crate::store::log::book::Book;
use crate::store::log::fields::{Level, Record, Value};
use crate::store::log::query::Pattern;
use crate::ui::glyph::Glyphs;
use crate::ui::paint::Paint;

/// A line fills at most this many rows; what is beyond is counted. Copies, saves and the pager have it whole.
pub(super) const MOST_ROWS: usize = 200;
/// A column takes at most this many cells, but for the last.
const WIDEST: usize = 32;
const LEVEL: usize = 5;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Span {
    pub text: String,
    pub style: Style,
    /// What was looked for.
    pub lit: bool,
}

impl Span {
    fn new(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style, lit: false }
    }
}

/// Everything that turns a line into rows.
#[derive(Clone, Copy)]
pub(super) struct Sheet<'a> {
    pub pane: &'a LogPane,
    pub book: &'a Book,
    pub paint: &'a Paint,
    pub lang: &'a Lang,
    pub glyphs: &'static Glyphs,
    /// Cells for the text.
    pub room: usize,
}

pub(super) fn level_scope(level: Level) -> &'static str {
    match level {
        Level::Fatal | Level::Error => "log.level.error",
        Level::Warn => "log.level.warn",
        Level::Info => "log.level.info",
        Level::Debug | Level::Trace => "log.level.debug",
    }
}

fn width(spans: &[Span]) -> usize {
    spans.iter().map(|s| text::width(&s.text)).sum()
}

impl Sheet<'_> {
    fn style(&self, scope: &str) -> Style {
        self.paint.style("ui").patch(self.paint.style(scope))
    }

    fn span(&self, text: impl Into<String>, scope: &str) -> Span {
        Span::new(text, self.style(scope))
    }

    fn pen(&self, pen: Pen) -> Style {
        let mut style = self.paint.style("ui");
        if let Some(fg) = pen.fg.and_then(|i| self.paint.ink(i)) {
            style = style.fg(fg);
        }
        if let Some(bg) = pen.bg.and_then(|i| self.paint.ink(i)) {
            style = style.bg(bg);
        }
        for (t, modifier) in [
            (Trait::Bold, Modifier::BOLD),
            (Trait::Dim, Modifier::DIM),
            (Trait::Italic, Modifier::ITALIC),
            (Trait::Underline, Modifier::UNDERLINED),
            (Trait::Reverse, Modifier::REVERSED),
        ] {
            if pen.has(t) {
                style = style.add_modifier(modifier);
            }
        }
        style
    }

    /// How many rows the line takes; cheap where it is one.
    pub(super) fn height(&self, line: &Line) -> usize {
        let plain = self.pane.form == Form::Raw && !self.pane.opened.contains(&line.number);
        match (plain, self.pane.flow) {
            (true, Flow::Cut) => 1,
            (true, Flow::Wrap) => sgr::height(line.bytes, self.room, MOST_ROWS),
            _ => self.plain_rows(line).len(),
        }
    }

    /// The rows of a line, with what was looked for lit up.
    pub(super) fn rows(&self, line: &Line) -> Vec<Vec<Span>> {
        let mut rows = self.plain_rows(line);
        if self.book.note(line.number).is_some() {
            return rows;
        }
        // Between two fields on rows of their own nothing goes on.
        let broken = self.pane.form == Form::Pretty || self.pane.opened.contains(&line.number);
        let filter: Vec<&Pattern> = self.pane.filter.as_ref().and_then(Filter::query).map(|q| q.marks().collect()).unwrap_or_default();
        let search: Vec<&Pattern> = self.pane.search.as_ref().and_then(Search::pattern).into_iter().collect();
        for (patterns, scope) in [(filter, "log.filtered"), (search, "text.match")] {
            if patterns.is_empty() {
                continue;
            }
            let style = self.paint.style(scope);
            rows = if broken { rows.into_iter().map(|row| highlight(row, &patterns, style)).collect() } else { highlight_across(rows, &patterns, style) };
        }
        rows
    }

    fn plain_rows(&self, line: &Line) -> Vec<Vec<Span>> {
        if let Some((stream, note)) = self.book.note(line.number) {
            let who = stream.map_or_else(String::new, |s| self.book.stream(s).map_or_else(String::new, |s| s.speaker.to_string()));
            let (words, scope) = super::note::words(self.lang, &who, note);
            let words = format!("{0}{0} {1}", self.glyphs.horizontal, text::clean(&words));
            return vec![vec![self.span(text::cut_end(&words, self.room, self.glyphs.cut), scope)]];
        }
        let opened = self.pane.opened.contains(&line.number);
        let record = if self.pane.form == Form::Raw && !opened { None } else { Record::parse(line.bytes) };
        match record {
            Some(record) if opened || self.pane.form == Form::Pretty => self.pretty(&record),
            Some(record) => self.flow(&self.columns(&record)),
            None if opened => self.raw(line, Flow::Wrap),
            None => self.raw(line, self.pane.flow),
        }
    }

    fn raw(&self, line: &Line, flow: Flow) -> Vec<Vec<Span>> {
        let styled = |row: sgr::Row| -> Vec<Span> { row.runs.into_iter().map(|r| Span::new(r.text, self.pen(r.pen))).collect() };
        let left_out = |bytes: usize| self.span(format!("{}+{}", self.glyphs.cut, text::bytes(bytes as u64)), "text.dim");
        let mut out = match flow {
            Flow::Cut => {
                let window = sgr::window(line.bytes, self.pane.shift, self.room);
                let (more, mut spans) = (window.more, styled(window.row));
                self.edges(&mut spans, more);
                if more {
                    return vec![spans];
                }
                vec![spans]
            }
            Flow::Wrap => {
                let (rows, left) = sgr::rows(line.bytes, self.room, MOST_ROWS);
                let mut rows: Vec<Vec<Span>> = rows.into_iter().map(styled).collect();
                if left > 0 {
                    rows.push(vec![left_out(left + line.cut as usize)]);
                    return rows;
                }
                rows
            }
        };
        if line.cut > 0
            && let Some(last) = out.last_mut()
        {
            last.push(left_out(line.cut as usize));
        }
        out
    }

    /// Marks that there is more on the left, on the right.
    fn edges(&self, spans: &mut Vec<Span>, more: bool) {
        let cut = text::width(self.glyphs.cut);
        if self.pane.shift > 0 && width(spans) > 0 {
            let (mut rest, _) = slice(spans, cut, self.room);
            rest.insert(0, self.span(self.glyphs.cut, "text.dim"));
            *spans = rest;
        }
        if more && self.room > cut {
            let (mut head, _) = slice(spans, 0, self.room - cut);
            let gap = self.room - cut - width(&head);
            head.push(self.span(format!("{}{}", " ".repeat(gap), self.glyphs.cut), "text.dim"));
            *spans = head;
        }
    }

    fn flow(&self, spans: &[Span]) -> Vec<Vec<Span>> {
        match self.pane.flow {
            Flow::Cut => {
                let (mut row, more) = slice(spans, self.pane.shift, self.room);
                self.edges(&mut row, more);
                vec![row]
            }
            Flow::Wrap => wrap(spans, self.room),
        }
    }

    fn level(&self, record: &Record) -> Span {
        if let Some(level) = record.level() {
            return self.span(text::pad(&level.word().to_ascii_uppercase(), LEVEL + 1), level_scope(level));
        }
        let word = record.level_field().map(|(_, v)| v.show()).unwrap_or_default();
        self.span(text::pad(&text::cut_end(&text::clean(&word), LEVEL, ""), LEVEL + 1), "text.dim")
    }

    /// Level, message, then what else there is; or the columns that were chosen, then the message.
    fn columns(&self, record: &Record) -> Vec<Span> {
        let mut out = vec![self.level(record)];
        let mut hidden: Vec<&str> = record.level_field().map(|(k, _)| k).into_iter().collect();
        if self.pane.times != super::Times::Off {
            hidden.extend(record.time_key());
        }
        for (i, path) in self.pane.columns.iter().enumerate() {
            let value = path.find(&record.fields).map(Value::show).unwrap_or_default();
            let cells = self.pane.widths.get(i).copied().unwrap_or(0).min(WIDEST);
            out.push(self.span(text::pad(&text::cut_end(&text::clean(&value), cells, self.glyphs.cut), cells + 1), "log.field"));
        }
        if let Some((key, message)) = record.message() {
            hidden.push(key);
            out.push(self.span(text::clean(&message.show()).into_owned(), "log.message"));
        }
        if self.pane.columns.is_empty() {
            for (key, value) in record.fields.iter().filter(|(k, _)| !hidden.contains(&k.as_str())) {
                out.push(self.span(format!("  {}=", text::clean(key)), "log.key"));
                out.push(self.span(text::clean(&value.show()).into_owned(), "log.field"));
            }
        }
        out
    }

    /// How wide the chosen columns of this line are.
    pub(super) fn widths(&self, line: &Line) -> Vec<usize> {
        let Some(record) = Record::parse(line.bytes) else { return Vec::new() };
        self.pane.columns.iter().map(|p| p.find(&record.fields).map_or(0, |v| text::width(&text::clean(&v.show())))).collect()
    }

    /// Every field on a row of its own; text with line breaks (a stack trace) on as many as it has.
    fn pretty(&self, record: &Record) -> Vec<Vec<Span>> {
        let mut head = vec![self.level(record)];
        let message = record.message();
        if let Some((_, m)) = message {
            head.push(self.span(text::clean(&m.show()).into_owned(), "log.message"));
        }
        let mut out = wrap(&head, self.room);
        let mut leaves = Vec::new();
        for (key, value) in record.fields.iter().filter(|(k, _)| message.is_none_or(|(m, _)| m != k) && record.level_field().is_none_or(|(l, _)| l != k)) {
            value.pretty(key, 0, &mut leaves);
        }
        let keys = leaves.iter().map(|(depth, key, _)| depth * 2 + text::width(&text::clean(key))).max().unwrap_or(0).min(28);
        for (depth, key, words) in leaves {
            let label = text::pad(&text::cut_end(&format!("{}{}", "  ".repeat(depth), text::clean(&key)), keys, self.glyphs.cut), keys + 2);
            let mut label = Some(self.span(format!("{}{label}", " ".repeat(LEVEL + 1)), "log.key"));
            let indent = LEVEL + 1 + keys + 2;
            for part in words.split('\n') {
                for row in wrap(&[self.span(text::clean(part).into_owned(), "log.field")], self.room.saturating_sub(indent).max(8)) {
                    let first = label.take().unwrap_or_else(|| self.span(" ".repeat(indent), ""));
                    out.push(std::iter::once(first).chain(row).collect());
                    if out.len() >= MOST_ROWS {
                        return out;
                    }
                }
            }
        }
        out
    }

    /// Cells of the line's text, as far as they are worth scrolling to.
    pub(super) fn cells(&self, line: &Line) -> usize {
        const FAR: usize = 64 << 10;
        match self.pane.form {
            Form::Raw => sgr::pieces(&line.bytes[..line.bytes.len().min(FAR)]).map(|p| p.width).sum(),
            _ => Record::parse(line.bytes)
                .map_or_else(|| sgr::pieces(&line.bytes[..line.bytes.len().min(FAR)]).map(|p| p.width).sum(), |r| width(&self.columns(&r))),
        }
    }
}

/// The cells `from..from + cells` of a row, and whether it goes on.
pub(super) fn slice(spans: &[Span], from: usize, cells: usize) -> (Vec<Span>, bool) {
    let (mut out, mut at) = (Vec::new(), 0);
    for span in spans {
        let wide = text::width(&span.text);
        let (left, right) = (from.saturating_sub(at), (at + wide).saturating_sub(from + cells));
        if right >= wide && wide > 0 {
            return (out, true);
        }
        if left < wide {
            let want = wide - left - right;
            let mut rest = text::skip_start(&span.text, left);
            // A wide character that is cut in two leaves a blank.
            let mut lost = 0;
            if text::width(rest) > wide - left {
                rest = (1..=4).map(|n| text::skip_start(rest, n)).find(|r| r.len() < rest.len()).unwrap_or_default();
                lost = (wide - left).saturating_sub(text::width(rest)).min(want);
            }
            out.push(Span::new(format!("{}{}", " ".repeat(lost), text::cut_end(rest, want - lost, "")), span.style));
        }
        if right > 0 {
            return (out, true);
        }
        at += wide;
    }
    (out, false)
}

/// A row broken into rows of at most `cells`, at blanks where there are any.
fn wrap(spans: &[Span], cells: usize) -> Vec<Vec<Span>> {
    let mut out: Vec<Vec<Span>> = vec![Vec::new()];
    let mut used = 0;
    for span in spans {
        let mut rest = span.text.as_str();
        while !rest.is_empty() {
            if out.len() > MOST_ROWS {
                return out;
            }
            let room = cells.saturating_sub(used);
            let head = if text::width(rest) <= room { rest } else { &rest[..rest.len() - text::skip_start(rest, room).len()] };
            if head.is_empty() {
                if used == 0 {
                    return out;
                }
                out.push(Vec::new());
                used = 0;
                continue;
            }
            used += text::width(head);
            if let Some(row) = out.last_mut() {
                row.push(Span::new(head, span.style));
            }
            rest = &rest[head.len()..];
        }
    }
    out
}

/// The same where a line goes on from row to row.
fn highlight_across(rows: Vec<Vec<Span>>, patterns: &[&Pattern], style: Style) -> Vec<Vec<Span>> {
    let lengths: Vec<usize> = rows.iter().map(|row| row.iter().map(|s| s.text.len()).sum()).collect();
    let mut spans = highlight(rows.into_iter().flatten().collect(), patterns, style).into_iter();
    let mut rest: Option<Span> = None;
    let row = |length: usize| {
        let (mut row, mut room) = (Vec::new(), length);
        while room > 0
            && let Some(span) = rest.take().or_else(|| spans.next())
        {
            // Rows end between letters, and so does what is cut here.
            let (head, tail) = span.text.split_at(room.min(span.text.len()));
            room -= head.len();
            rest = (!tail.is_empty()).then(|| Span { text: tail.to_owned(), ..span });
            row.push(Span { text: head.to_owned(), ..span });
        }
        row
    };
    lengths.into_iter().map(row).collect()
}

/// Lights up what the patterns find in a row.
fn highlight(spans: Vec<Span>, patterns: &[&Pattern], style: Style) -> Vec<Span> {
    let whole: String = spans.iter().map(|s| s.text.as_str()).collect();
    let mut hits: Vec<_> = patterns.iter().flat_map(|p| p.find_iter(whole.as_bytes()).take(200)).collect();
    if hits.is_empty() {
        return spans;
    }
    hits.sort_by_key(|r| r.start);
    let mut out = Vec::with_capacity(spans.len() + hits.len() * 2);
    let mut at = 0;
    for span in spans {
        let (from, to) = (at, at + span.text.len());
        let mut done = from;
        for hit in &hits {
            let (a, b) = (hit.start.clamp(done, to), hit.end.clamp(done, to));
            // A regular expression on bytes may end inside a letter.
            let (Some(before), Some(lit)) = (span.text.get(done - from..a - from), span.text.get(a - from..b - from)) else { continue };
            if lit.is_empty() {
                continue;
            }
            out.push(Span { text: before.to_owned(), ..span });
            out.push(Span { text: lit.to_owned(), style: span.style.patch(style), lit: true });
            done = b;
        }
        out.push(Span { text: span.text.get(done - from..).unwrap_or_default().to_owned(), ..span });
        at = to;
    }
    out.retain(|s| !s.text.is_empty());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(parts: &[&str]) -> Vec<Span> {
        parts.iter().map(|p| Span::new(*p, Style::default())).collect()
    }

    fn joined(spans: &[Span]) -> String {
        spans.iter().map(|s| s.text.as_str()).collect()
    }

    #[test]
    fn rows_are_cut_and_broken_by_cells() {
        let row = spans(&["ab", "订单", "cdef"]);
        assert_eq!(joined(&slice(&row, 1, 4).0), "b订");
        assert_eq!(joined(&slice(&row, 3, 4).0), " 单c");
        assert!(slice(&row, 0, 9).1 && !slice(&row, 0, 10).1);
        assert_eq!(wrap(&row, 4).iter().map(|r| joined(r)).collect::<Vec<_>>(), ["ab订", "单cd", "ef"]);
    }

    #[test]
    fn hits_light_up_across_spans() {
        let lit = highlight(spans(&["one ne", "edle two"]), &[&Pattern::literal("needle").unwrap()], Style::default().add_modifier(Modifier::BOLD));
        let bold: Vec<_> = lit.iter().filter(|s| s.style.add_modifier.contains(Modifier::BOLD)).map(|s| s.text.as_str()).collect();
        assert_eq!((bold, joined(&lit)), (vec!["ne", "edle"], "one needle two".to_owned()));
        // And across rows of one line.
        let rows = highlight_across(
            vec![spans(&["订ne"]), spans(&["ed"]), spans(&["le", "x"])],
            &[&Pattern::literal("needle").unwrap()],
            Style::default().add_modifier(Modifier::BOLD),
        );
        let bold: Vec<_> = rows.iter().map(|r| joined(&r.iter().filter(|s| s.lit).cloned().collect::<Vec<_>>())).collect();
        assert_eq!(
            (bold, rows.iter().map(|r| joined(r)).collect::<Vec<_>>()),
            (vec!["ne".into(), "ed".into(), "le".into()], vec!["订ne".into(), "ed".into(), "lex".into()])
        );
    }
}
