//! Drawing what lies over the panes.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Ui;
use super::overlay::Overlay;
use super::put::{blank, fill, put};
use crate::base::text;
use crate::model::ask::{Ask, AskKind};
use crate::model::command::Command;
use crate::model::source::Load;
use crate::store::Store;

/// A line of a dialog: key or mark, words, and how they look.
type Row = (String, String, &'static str);

impl Ui {
    /// The line being typed, in the footer. False when none is.
    pub(super) fn typing(&self, buf: &mut Buffer, area: Rect) -> bool {
        let (label, line, hint) = match &self.overlay {
            Some(Overlay::Filter { line, all: false }) => ("/".to_owned(), line, self.lang.word("typing.filter").to_owned()),
            Some(Overlay::Filter { line, all: true }) => (format!("{} /", self.lang.word("typing.all")), line, self.lang.word("typing.filter").to_owned()),
            Some(Overlay::Search(line)) => ("/".to_owned(), line, self.lang.word("typing.search").to_owned()),
            Some(Overlay::Save { line, .. }) => (format!("{} ", self.lang.word("typing.save")), line, String::new()),
            Some(Overlay::LogFilter { line, .. }) => ("&".to_owned(), line, self.lang.word("typing.log-filter").to_owned()),
            Some(Overlay::SaveLog { line, whole }) => {
                let key = if *whole { "typing.save-whole" } else { "typing.save-kept" };
                (format!("{} ", self.lang.word(key)), line, self.lang.word("typing.save-log").to_owned())
            }
            Some(Overlay::Command { line, .. }) => {
                (":".to_owned(), line, super::command::candidates(line.text(), &self.themes, &self.verbs).into_iter().take(12).collect::<Vec<_>>().join("  "))
            }
            _ => return false,
        };
        let style = self.paint.style("ui").patch(self.paint.style("input"));
        blank(buf, area, style);
        let mut x = put(buf, area, area.x + 1, area.y, &label, style.patch(self.paint.style("text.accent")));
        let (before, after) = line.parts();
        let room = usize::from(area.width) * 2 / 3;
        let before: String = {
            let extra = text::width(before).saturating_sub(room);
            before.chars().skip(extra).collect()
        };
        x = put(buf, area, x, area.y, &before, style);
        let mut rest = after.chars();
        let under = rest.next().map_or_else(|| " ".to_owned(), String::from);
        let cursor = style.add_modifier(ratatui::style::Modifier::REVERSED);
        x = put(buf, area, x, area.y, &under, cursor);
        x = put(buf, area, x, area.y, rest.as_str(), style);
        put(buf, area, x + 2, area.y, &hint, style.patch(self.paint.style("text.dim")));
        if let Some(Overlay::LogFilter { line, .. }) = &self.overlay
            && let Some((column, words)) = self.filter_wrong(line.text())
        {
            self.caret(buf, area, column + 2, &words);
        }
        true
    }

    /// Points up at the place of a mistake from the row above the line being typed.
    fn caret(&self, buf: &mut Buffer, area: Rect, column: usize, words: &str) {
        let Some(y) = area.y.checked_sub(1) else { return };
        let row = Rect { y, height: 1, ..area };
        let style = self.paint.style("ui").patch(self.paint.style("input")).patch(self.paint.style("notice.bad"));
        blank(buf, row, style);
        let need = text::width(words) + 3;
        let column = column.min(usize::from(area.width).saturating_sub(1));
        let fits = column + need <= usize::from(area.width);
        // Where there is no room behind the place, the words stand before it.
        let line = if fits {
            format!("{}{} {words}", " ".repeat(column), self.glyphs.down)
        } else {
            format!("{} {}", text::pad_left(&text::cut_end(words, column.saturating_sub(1), self.glyphs.cut), column.saturating_sub(1)), self.glyphs.down)
        };
        put(buf, row, row.x, y, &line, style);
    }

    pub(super) fn draw_overlay(&mut self, store: &Store, buf: &mut Buffer) {
        if let Some(ask) = self.ask(store) {
            let rows = self.ask_rows(ask);
            let title = self.lang.fill("ask.title", &[("about", &text::clean(&ask.about))]);
            self.dialog(buf, &title, &rows, 0..0);
            return;
        }
        let (title, rows, at) = match &self.overlay {
            Some(Overlay::Books { line, at }) => ("run.books", self.book_rows(line.text()), at + 1..at + 2),
            Some(Overlay::Help(at)) => ("help.title", self.help_rows(), *at..*at + 1),
            Some(Overlay::Sources(at)) => {
                let (rows, place) = self.source_rows(store, *at);
                ("sources.title", rows, place)
            }
            Some(Overlay::Columns(at)) => {
                let columns = self.pane(self.slot).columns();
                let rows = columns
                    .iter()
                    .map(|(key, on)| {
                        (if *on { self.glyphs.mark } else { " " }.to_owned(), self.lang.word(&format!("column.{key}")).to_owned() + "  " + key, "")
                    })
                    .collect();
                ("columns.title", rows, *at..*at + 1)
            }
            _ => return,
        };
        let title = self.lang.word(title).to_owned();
        self.dialog(buf, &title, &rows, at);
    }

    fn ask_rows(&self, ask: &Ask) -> Vec<Row> {
        let mut rows: Vec<Row> = ask.prompt.lines().map(|l| (String::new(), text::clean(l).into_owned(), "")).collect();
        rows.push(Row::default());
        let hidden = || "*".repeat(self.ask_line.text().chars().count().min(40)) + "_";
        let line = match ask.kind {
            AskKind::HostKey => (String::new(), self.lang.word("ask.host-key").to_owned(), "text.accent"),
            AskKind::Passphrase => (self.lang.word("ask.passphrase").to_owned(), hidden(), "text.strong"),
            AskKind::Password => (self.lang.word("ask.password").to_owned(), hidden(), "text.strong"),
            AskKind::SudoPassword => (self.lang.word("ask.sudo").to_owned(), hidden(), "text.strong"),
            AskKind::Prompt { echo: false } => (self.lang.word("ask.prompt").to_owned(), hidden(), "text.strong"),
            AskKind::Prompt { echo: true } => (self.lang.word("ask.prompt").to_owned(), format!("{}_", self.ask_line.text()), "text.strong"),
        };
        rows.push(line);
        rows.push((String::new(), self.lang.word("ask.keys").to_owned(), "text.dim"));
        rows
    }

    /// The keys that work, from the table that binds them: those of this place first.
    fn help_rows(&self) -> Vec<Row> {
        let row = |c: &Command, scope| (self.keys.keys_for(*c).join(" "), self.lang.word(&format!("command.{}", c.name())).to_owned(), scope);
        let bound = |c: &&Command| !self.keys.keys_for(**c).is_empty();
        let here = self.here_now();
        let mut rows: Vec<Row> = here.iter().filter(bound).map(|c| row(c, "text.strong")).collect();
        rows.extend(Command::ALL.iter().filter(|c| !here.contains(c)).filter(bound).map(|c| row(c, "")));
        rows
    }

    /// A line of numbers for every source, then its error and the way out, whole. Also where the chosen one starts and ends.
    fn source_rows(&self, store: &Store, chosen: usize) -> (Vec<Row>, Range<usize>) {
        let now = store.now();
        let wide = self.area.width >= 110;
        let line = |cells: [&str; 9]| {
            let [name, state, since, answered, every, requests, a_minute, bytes, bytes_a_minute] = cells;
            let mut out = format!("{} {}", text::pad(&text::cut_middle(name, 18, self.glyphs.cut), 18), text::pad(&text::cut_end(state, 13, ""), 13));
            let numbers: &[(&str, usize)] = if wide {
                &[(since, 6), (answered, 8), (every, 6), (requests, 8), (a_minute, 6), (bytes, 13), (bytes_a_minute, 13)]
            } else {
                &[(since, 6), (answered, 8), (a_minute, 6), (bytes_a_minute, 13)]
            };
            for (words, cells) in numbers {
                out.push(' ');
                out.push_str(&text::pad_left(words, *cells));
            }
            out
        };
        let head = ["name", "state", "since", "answered", "every", "requests", "rate", "bytes", "bytes-rate"]
            .map(|k| self.lang.word(&format!("sources.{k}")).to_owned());
        let mut rows = vec![(String::new(), line(head.each_ref().map(String::as_str)), "text.dim")];
        let mut place = 0..1;
        let both = |l: &Load| format!("{}{} {}{}", self.glyphs.down, text::bytes(l.bytes_received), self.glyphs.up, text::bytes(l.bytes_sent));
        for (i, s) in store.sources().enumerate() {
            let from = rows.len();
            let state = self.lang.word(&format!("source.state.{}", s.state.word())).to_owned();
            let minute = self.rates.a_minute(s.id);
            let dash = || "-".to_owned();
            let words = line([
                &text::clean(s.subject.name()),
                &state,
                &text::age_step(now.since(s.since).as_secs()),
                &s.answered_at.map_or_else(dash, |at| text::age_step(now.since(at).as_secs())),
                &text::span(s.every_ms / 1000),
                &s.load.requests.to_string(),
                &minute.map_or_else(dash, |m| m.requests.to_string()),
                &both(&s.load),
                &minute.as_ref().map_or_else(dash, both),
            ]);
            let (mark, scope) = if s.state.is_live() { (self.glyphs.ok, "") } else { (self.glyphs.unknown, "verdict.unknown") };
            rows.push((mark.to_owned(), words, scope));
            let room = usize::from(self.area.width).saturating_sub(12).min(110);
            let retry = s.retry_at.filter(|at| *at > now).map(|at| self.lang.fill("sources.retry", &[("span", &text::span(at.since(now).as_secs()))]));
            for (part, scope) in [(s.error.as_str(), "verdict.unknown"), (s.remedy.as_str(), "text.accent"), (retry.as_deref().unwrap_or_default(), "text.dim")]
            {
                let clean = text::clean(part);
                rows.extend(text::wrap(&clean, room).into_iter().filter(|l| !l.is_empty()).map(|l| (String::new(), format!("  {l}"), scope)));
            }
            if i == chosen {
                place = from..rows.len();
            }
        }
        (rows, place)
    }

    fn dialog(&self, buf: &mut Buffer, title: &str, rows: &[Row], at: Range<usize>) {
        let screen = self.area;
        let marks = rows.iter().map(|r| text::width(&r.0)).max().unwrap_or(0).min(20);
        let widest = rows.iter().map(|r| text::width(&r.1)).max().unwrap_or(0) + marks + 6;
        let width = u16::try_from(widest.max(text::width(title) + 6).max(40)).unwrap_or(u16::MAX).min(screen.width.saturating_sub(2));
        let height = u16::try_from(rows.len() + 2).unwrap_or(u16::MAX).min(screen.height.saturating_sub(2));
        if width < 8 || height < 3 {
            return;
        }
        let area = Rect { x: screen.x + (screen.width - width) / 2, y: screen.y + (screen.height - height) / 2, width, height };
        let base = self.paint.style("ui").patch(self.paint.style("dialog"));
        let border = base.patch(self.paint.style("dialog.border"));
        blank(buf, area, base);
        let (right, bottom) = (area.right() - 1, area.bottom() - 1);
        for x in area.x..=right {
            put(buf, area, x, area.y, self.glyphs.horizontal, border);
            put(buf, area, x, bottom, self.glyphs.horizontal, border);
        }
        for y in area.y..=bottom {
            let joint = |arms: usize| {
                if y == area.y {
                    self.glyphs.joints[arms + 4]
                } else if y == bottom {
                    self.glyphs.joints[arms + 1]
                } else {
                    self.glyphs.vertical
                }
            };
            put(buf, area, area.x, y, joint(2), border);
            put(buf, area, right, y, joint(8), border);
        }
        let inner = Rect { x: area.x + 1, y: area.y + 1, width: width - 2, height: height - 2 };
        put(buf, Rect { width: width - 2, ..area }, area.x + 2, area.y, &format!(" {title} "), base.patch(self.paint.style("dialog.title")));
        let room = usize::from(inner.height);
        let offset = at.end.saturating_sub(room).min(rows.len().saturating_sub(room)).min(at.start);
        for (i, (mark, words, scope)) in rows.iter().enumerate().skip(offset).take(room) {
            let y = inner.y + u16::try_from(i - offset).unwrap_or(0);
            let mut style = base;
            if at.start == i && !at.is_empty() {
                style = style.patch(self.paint.style("dialog.chosen"));
                fill(buf, Rect { y, height: 1, ..inner }, style);
            }
            let mut x = inner.x + 1;
            if marks > 0 {
                x = put(buf, inner, x, y, &text::pad(&text::cut_end(mark, marks, ""), marks), {
                    let verdict = mark == self.glyphs.ok || scope.starts_with("verdict");
                    style.patch(self.paint.style(match (verdict, scope.is_empty()) {
                        (true, true) => "verdict.ok",
                        (true, false) => scope,
                        (false, _) => "dialog.key",
                    }))
                }) + 2;
            }
            let words = text::cut_end(words, usize::from(inner.right().saturating_sub(x + 1)), self.glyphs.cut);
            put(buf, inner, x, y, &words, if scope.is_empty() { style } else { style.patch(self.paint.style(scope)) });
        }
        if rows.len() > room {
            let more = format!(" {}/{} ", at.start + 1, rows.len());
            put(buf, area, right.saturating_sub(u16::try_from(more.len() + 1).unwrap_or(0)), bottom, &more, border);
        }
    }
}
