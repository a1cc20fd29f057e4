//! Drawing what lies over the panes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Ui;
use super::overlay::Overlay;
use super::put::{blank, fill, put};
use crate::base::text;
use crate::model::ask::{Ask, AskKind};
use crate::model::command::Command;
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
            Some(Overlay::Command { line, .. }) => {
                (":".to_owned(), line, super::command::candidates(line.text(), &self.themes).into_iter().take(12).collect::<Vec<_>>().join("  "))
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
        true
    }

    pub(super) fn draw_overlay(&mut self, store: &Store, buf: &mut Buffer) {
        if let Some(ask) = self.ask(store) {
            let rows = self.ask_rows(ask);
            let title = self.lang.fill("ask.title", &[("about", &text::clean(&ask.about))]);
            self.dialog(buf, &title, &rows, None);
            return;
        }
        let (title, rows, at) = match &self.overlay {
            Some(Overlay::Help(at)) => ("help.title", self.help_rows(), *at),
            Some(Overlay::Sources(at)) => ("sources.title", self.source_rows(store), *at),
            Some(Overlay::Columns(at)) => {
                let columns = self.pane(self.slot).columns();
                let rows = columns
                    .iter()
                    .map(|(key, on)| {
                        (if *on { self.glyphs.mark } else { " " }.to_owned(), self.lang.word(&format!("column.{key}")).to_owned() + "  " + key, "")
                    })
                    .collect();
                ("columns.title", rows, *at)
            }
            _ => return,
        };
        let title = self.lang.word(title).to_owned();
        self.dialog(buf, &title, &rows, Some(at));
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

    fn source_rows(&self, store: &Store) -> Vec<Row> {
        let now = store.now();
        let rows = store.sources().map(|s| {
            let state = self.lang.word(&format!("source.state.{}", s.state.word())).to_owned();
            let age = s.answered_at.map_or_else(|| "-".to_owned(), |at| text::age_step(now.since(at).as_secs()));
            let name = text::pad(&text::cut_middle(&text::clean(s.subject.name()), 20, self.glyphs.cut), 20);
            let mut words = format!(
                "{name} {} {} {} {} {}{} {}{}",
                text::pad(&state, 12),
                text::pad_left(&age, 5),
                text::pad_left(&text::span(s.every_ms / 1000), 5),
                text::pad_left(&s.load.requests.to_string(), 7),
                self.glyphs.down,
                text::pad_left(&text::bytes(s.load.bytes_received), 5),
                self.glyphs.up,
                text::pad_left(&text::bytes(s.load.bytes_sent), 5),
            );
            if let Some(at) = s.retry_at.filter(|at| *at > now) {
                words.push_str("  ");
                words.push_str(&self.lang.fill("sources.retry", &[("span", &text::span(at.since(now).as_secs()))]));
            }
            for part in [&s.error, &s.remedy].into_iter().filter(|p| !p.is_empty()) {
                words.push_str("  ");
                words.push_str(&text::clean(part));
            }
            let (mark, scope) = if s.state.is_live() { (self.glyphs.ok, "") } else { (self.glyphs.unknown, "verdict.unknown") };
            (mark.to_owned(), words, scope)
        });
        rows.collect()
    }

    fn dialog(&self, buf: &mut Buffer, title: &str, rows: &[Row], at: Option<usize>) {
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
        let offset = at.unwrap_or(0).saturating_sub(room.saturating_sub(1)).min(rows.len().saturating_sub(room));
        for (i, (mark, words, scope)) in rows.iter().enumerate().skip(offset).take(room) {
            let y = inner.y + u16::try_from(i - offset).unwrap_or(0);
            let mut style = base;
            if at == Some(i) {
                style = style.patch(self.paint.style("dialog.chosen"));
                fill(buf, Rect { y, height: 1, ..inner }, style);
            }
            let mut x = inner.x + 1;
            if marks > 0 {
                x = put(buf, inner, x, y, &text::pad(&text::cut_end(mark, marks, ""), marks), style.patch(self.paint.style("dialog.key"))) + 2;
            }
            let words = text::cut_end(words, usize::from(inner.right().saturating_sub(x + 1)), self.glyphs.cut);
            put(buf, inner, x, y, &words, if scope.is_empty() { style } else { style.patch(self.paint.style(scope)) });
        }
        if rows.len() > room {
            let more = format!(" {}/{} ", at.unwrap_or(0) + 1, rows.len());
            put(buf, area, right.saturating_sub(u16::try_from(more.len() + 1).unwrap_or(0)), bottom, &more, border);
        }
    }
}
