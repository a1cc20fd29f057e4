//! One frame. Costs what is in sight.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::glyph::Charset;
use super::layout::{Shape, Wish, plan, shape};
use super::pane::{Look, Say, table, verdict_scope};
use super::put::{blank, fill, put};
use super::{DOCK, Dock, DockText, MESSAGE, PROBLEMS, Ui, Writing};
use crate::base::text;
use crate::config::theme;
use crate::model::command::Command;
use crate::model::id::Target;
use crate::store::Store;
use crate::store::joins::Relatives;

impl Ui {
    /// Draws the whole screen into `buf`, which must cover `area`.
    pub fn draw(&mut self, store: &Store, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        blank(buf, area, self.paint.style("ui"));
        self.area = area;
        self.now = store.now();
        if self.message.as_ref().is_some_and(|(_, at)| store.now().since(*at) > MESSAGE) {
            self.message = None;
        }
        self.refresh(store);
        if area.is_empty() {
            return;
        }
        let kin = self.kin(store);
        self.header(store, buf);
        if self.plan.shape == Shape::Narrow {
            self.ribbon(store, buf);
        }
        self.block(store, buf);
        self.draw_panes(store, buf, &kin);
        self.draw_problems(store, buf, &kin);
        self.draw_dock(store, buf);
        self.footer(buf);
        self.draw_overlay(store, buf);
        if self.charset == Charset::Ascii {
            for cell in buf.content.iter_mut().filter(|c| !c.symbol().is_ascii()) {
                cell.set_symbol("?");
            }
        }
    }

    /// Brings the panes up to date and plans the screen.
    fn refresh(&mut self, store: &Store) {
        self.rates.look(store);
        self.follow_kin(store);
        let hold = self.held(store);
        let lang = self.lang.clone();
        let say = Say { store, lang: &lang, glyphs: self.glyphs };
        for (slot, panes) in self.slots.iter_mut().enumerate() {
            panes[self.shown[slot]].refresh(&say, hold);
        }
        self.problems.refresh(store);
        let mut needs = [(0, 0, 0); 5];
        for (slot, need) in needs.iter_mut().enumerate() {
            let (like, least) = self.pane(slot).need(&say);
            *need = (like, least, self.grown[slot]);
        }
        let dock = if self.fills_screen() { Dock::Whole } else { self.dock };
        let wish = Wish { focus: self.slot, zoom: self.zoom, dock, problems: store.problems().len() };
        self.plan = plan(self.area, wish, &needs);
    }

    fn header(&self, store: &Store, buf: &mut Buffer) {
        let area = self.plan.header;
        let base = self.paint.style("header");
        let with = |scope: &str| base.patch(self.paint.style(scope));
        blank(buf, area, base);
        let mut x = area.x;
        if let Some(badge) = &self.environment {
            let mut style = with("header.environment");
            if let Some(bg) = theme::colour(&badge.color).and_then(|c| self.paint.colour(c)) {
                style = style.bg(bg);
            }
            x = put(buf, area, x, area.y, &format!(" {} ", text::cut_end(&text::clean(&badge.name), 16, self.glyphs.cut)), style) + 1;
        } else {
            x += 1;
        }
        let (key, scope) = match self.writing {
            Writing::ReadOnly => ("header.read-only", "header.lock"),
            Writing::Locked => ("header.locked", "header.lock"),
            Writing::Armed => ("header.armed", "header.armed"),
        };
        let words = if self.writing == Writing::Armed { self.armed_words() } else { self.lang.word(key).to_owned() };
        x = put(buf, area, x, area.y, &words, with(scope)) + 2;
        let clusters: Vec<String> = store.clusters.iter().map(|(_, e)| e.row.name.to_string()).collect();
        if let Some(first) = clusters.first() {
            let more = if clusters.len() > 1 { format!("+{}", clusters.len() - 1) } else { String::new() };
            x = put(buf, area, x, area.y, &format!("{}{more}", text::cut_middle(&text::clean(first), 14, self.glyphs.cut)), with("header.cluster")) + 3;
        }
        // The right end first: what is left is for the counts.
        let clock = self.clock(store);
        let (total, live) = store.sources().fold((0, 0), |(t, l), s| (t + 1, l + usize::from(s.state.is_live())));
        let state = if total == live {
            self.lang.word("header.live").to_owned()
        } else {
            self.lang.fill("header.partly", &[("live", &live.to_string()), ("total", &total.to_string())])
        };
        let scope = if total == live { "verdict.ok" } else { "verdict.unknown" };
        let need = text::width(&clock) + text::width(&state) + 4;
        let right = area.right().saturating_sub(u16::try_from(need).unwrap_or(0));
        if right > x {
            let at = if total == 0 { right + 2 } else { put(buf, area, right, area.y, &state, with(scope)) + 2 };
            put(buf, area, at, area.y, &clock, with("header.clock"));
        }
        if self.plan.shape == Shape::Narrow {
            return;
        }
        for slot in 0..5 {
            let counts = self.slots[slot][0].counts(store);
            let name = self.lang.word(&format!("pane.{}", self.slots[slot][0].kind().name())).to_owned();
            let worst = table::worst(counts);
            let tail = worst.map_or_else(String::new, |(v, n)| format!(" {}{n}", self.glyphs.verdict(v)));
            let total = counts.total().to_string();
            let long = text::width(&name) + total.len() + text::width(&tail) + 3;
            if usize::from(x) + long >= usize::from(right) {
                break;
            }
            x = put(buf, area, x, area.y, &name, with("header.name")) + 1;
            x = put(buf, area, x, area.y, &total, with("header.count"));
            if let Some((v, _)) = worst {
                x = put(buf, area, x, area.y, &tail, with(verdict_scope(v)));
            }
            x += 2;
        }
    }

    /// The wall clock of the picture: when the store last heard or was asked, in the person's zone.
    fn clock(&self, store: &Store) -> String {
        let Ok(at) = jiff::Timestamp::from_millisecond(store.now().0) else { return String::new() };
        let zoned = at.to_zoned(self.zone.clone());
        let zone = super::log::zone_name(store.now(), &self.zone);
        format!("{:02}:{:02}:{:02} {zone}", zoned.hour(), zoned.minute(), zoned.second())
    }

    fn ribbon(&self, store: &Store, buf: &mut Buffer) {
        let area = self.plan.ribbon;
        let base = self.paint.style("ui");
        let mut x = area.x;
        for slot in 0..5 {
            let pane = self.pane(slot);
            let counts = pane.counts(store);
            let short = self.lang.word(&format!("short.{}", pane.kind().name())).to_owned();
            let chosen = slot == self.slot;
            let style = base.patch(self.paint.style(if chosen { "pane.title.focus" } else { "pane.title" }));
            x = put(buf, area, x, area.y, if chosen { "[" } else { " " }, style);
            x = put(buf, area, x, area.y, &format!("{}{short} ", slot + 1), style);
            x = put(buf, area, x, area.y, &counts.total().to_string(), style.patch(self.paint.style("pane.title.count")));
            if let Some((v, n)) = table::worst(counts) {
                x = put(buf, area, x, area.y, &format!("{}{n}", self.glyphs.verdict(v)), base.patch(self.paint.style(verdict_scope(v))));
            }
            x = put(buf, area, x, area.y, if chosen { "]" } else { " " }, style);
            x = x.saturating_add(1);
        }
    }

    fn rule(&self, buf: &mut Buffer, area: Rect, style: Style) {
        for x in area.left()..area.right() {
            put(buf, area, x, area.y, self.glyphs.horizontal, style);
        }
    }

    fn block(&self, store: &Store, buf: &mut Buffer) {
        let area = self.plan.block;
        if area.is_empty() {
            return;
        }
        let base = self.paint.style("ui").patch(self.paint.style("pane.border"));
        let lit = self.paint.style("ui").patch(self.paint.style("pane.border.focus"));
        let wide = self.plan.shape == Shape::Wide;
        self.rule(buf, area, base);
        for (slot, inner) in &self.plan.panes {
            if wide {
                for x in [inner.x.saturating_sub(1), inner.right()] {
                    for y in area.y + 1..area.bottom() {
                        put(buf, area, x, y, self.glyphs.vertical, base);
                    }
                    let first = x == area.x;
                    let last = x + 1 == area.right();
                    let joint = self.glyphs.joints[4 + if first { 0 } else { 8 } + if last { 0 } else { 2 }];
                    put(buf, area, x, area.y, joint, base);
                }
            }
            let _ = slot;
        }
        for (slot, inner) in &self.plan.panes {
            let focused = self.focus == *slot;
            if focused && wide {
                for x in [inner.x.saturating_sub(1), inner.right()] {
                    fill(buf, Rect { x, y: area.y, width: 1, height: area.height }, lit);
                }
            }
            if focused {
                fill(buf, Rect { y: area.y, height: 1, ..*inner }, lit);
            }
            self.title(store, buf, *slot, Rect { y: area.y, height: 1, ..*inner }, focused);
        }
    }

    fn title(&self, store: &Store, buf: &mut Buffer, slot: usize, area: Rect, focused: bool) {
        let pane = self.pane(slot);
        let base = self.paint.style("ui");
        let title = base.patch(self.paint.style(if focused { "pane.title.focus" } else { "pane.title" }));
        let counts = pane.counts(store);
        let mut x = area.x + u16::from(area.width > 4);
        x = put(buf, area, x, area.y, &format!(" {} ", slot + 1), base.patch(self.paint.style(if focused { "text.accent" } else { "pane.title" })));
        x = put(buf, area, x, area.y, self.lang.word(&format!("pane.{}", pane.kind().name())), title);
        let shown = pane.shown();
        let total = counts.total();
        let number = if shown == total { format!(" {total}") } else { format!(" {shown}/{total}") };
        x = put(buf, area, x, area.y, &number, base.patch(self.paint.style("pane.title.count")));
        for v in [crate::model::verdict::Verdict::Crit, crate::model::verdict::Verdict::Unknown, crate::model::verdict::Verdict::Warn] {
            if counts[v] > 0 {
                x = put(buf, area, x, area.y, &format!(" {}{}", self.glyphs.verdict(v), counts[v]), base.patch(self.paint.style(verdict_scope(v))));
            }
        }
        let mut notes: Vec<String> = Vec::new();
        if !pane.filter().is_empty() {
            notes.push(format!("/{}", pane.filter()));
        }
        if pane.marks() > 0 {
            notes.push(format!("{}{}", self.glyphs.mark, pane.marks()));
        }
        if focused && !self.trail.is_empty() {
            notes.extend(self.trail.iter().map(|p| format!("{} {}", self.glyphs.arrow, p.name)));
        } else if self.narrowed {
            notes.push(self.lang.word("pane.narrowed").to_owned());
        }
        if self.frozen {
            notes.push(self.lang.word("pane.frozen").to_owned());
        }
        let notes = if notes.is_empty() { String::new() } else { format!(" {}", notes.join(" ")) };
        let room = usize::from(area.right().saturating_sub(x + 1));
        let notes = text::cut_end(&text::clean(&notes), room, self.glyphs.cut);
        x = put(buf, area, x, area.y, &notes, base.patch(self.paint.style("pane.title.filter")));
        put(buf, area, x, area.y, " ", base);
    }

    fn draw_panes(&mut self, store: &Store, buf: &mut Buffer, kin: &Relatives) {
        let lang = self.lang.clone();
        let say = Say { store, lang: &lang, glyphs: self.glyphs };
        let related = |t: &Target| kin.has(t);
        for (slot, area) in self.plan.panes.clone() {
            let look = Look { say, paint: &self.paint, focused: self.focus == slot, related: &related, frozen: self.frozen };
            self.slots[slot][self.shown[slot]].draw(area, buf, &look);
        }
    }

    fn draw_problems(&mut self, store: &Store, buf: &mut Buffer, kin: &Relatives) {
        let area = self.plan.problems;
        if area.is_empty() {
            return;
        }
        let focused = self.focus == PROBLEMS;
        self.strip(buf, area, focused, true);
        let count = store.problems().len();
        let title = self.lang.word("pane.problems").to_owned();
        let x = self.strip_title(buf, area, focused, &title, &count.to_string());
        if focused && area.width > 60 {
            put(buf, area, x + 1, area.y, &format!(" {} ", self.lang.word("problems.hint")), self.paint.style("ui").patch(self.paint.style("text.dim")));
        }
        let inner = Rect { x: area.x + 1, y: area.y + 1, width: area.width.saturating_sub(2), height: area.height - 1 };
        let lang = self.lang.clone();
        let related = |t: &Target| kin.has(t);
        let look = Look { say: Say { store, lang: &lang, glyphs: self.glyphs }, paint: &self.paint, focused, related: &related, frozen: self.frozen };
        self.problems.draw(inner, buf, &look);
    }

    /// The rule above a strip, with the ends of the borders above it.
    fn strip(&self, buf: &mut Buffer, area: Rect, focused: bool, below_panes: bool) {
        let style = self.paint.style("ui").patch(self.paint.style(if focused { "pane.border.focus" } else { "pane.border" }));
        self.rule(buf, area, style);
        if self.plan.shape == Shape::Wide && below_panes {
            for (_, inner) in &self.plan.panes {
                for x in [inner.x.saturating_sub(1), inner.right()] {
                    let joint = 1 + if x > area.x { 8 } else { 0 } + if x + 1 < area.right() { 2 } else { 0 };
                    put(buf, area, x, area.y, self.glyphs.joints[joint], style);
                }
            }
        }
    }

    pub(super) fn strip_title(&self, buf: &mut Buffer, area: Rect, focused: bool, title: &str, count: &str) -> u16 {
        let base = self.paint.style("ui");
        let x = put(buf, area, area.x + 2, area.y, " ", base);
        let x = put(buf, area, x, area.y, title, base.patch(self.paint.style(if focused { "pane.title.focus" } else { "pane.title" })));
        let x = if count.is_empty() { x } else { put(buf, area, x, area.y, &format!(" {count}"), base.patch(self.paint.style("pane.title.count"))) };
        put(buf, area, x, area.y, " ", base)
    }

    fn draw_dock(&mut self, store: &Store, buf: &mut Buffer) {
        let area = self.plan.dock;
        if area.is_empty() {
            return;
        }
        let focused = self.focus == DOCK;
        self.strip(buf, area, focused, self.plan.problems.is_empty() && !self.plan.panes.is_empty());
        if self.has_log() && self.draw_log(store, buf) {
            return;
        }
        let strands = self.strands(store);
        let (lines, columns) = self.dock_lines(store);
        let inner = Rect { x: area.x + 2, y: area.y + 1, width: area.width.saturating_sub(3), height: area.height - 1 };
        let labels = lines.iter().map(|l| text::width(&l.label)).max().unwrap_or(0).min(16);
        let rows = usize::from(inner.height);
        let sight = rows * columns;
        self.scroll = self.scroll.min(lines.len().saturating_sub(sight));
        let title = match &self.dock_text {
            DockText::Detail | DockText::Log => {
                self.selected_for_dock().map_or_else(|| self.lang.word("dock.title").to_owned(), |t| super::name::name_of(store, &t))
            }
            DockText::Waiting(_, name) => name.clone(),
            DockText::Document(d) => d.title.clone(),
            DockText::Run => self.run_title(),
        };
        let title = text::cut_middle(&text::clean(&title), usize::from(area.width / 2), self.glyphs.cut);
        let count = if lines.len() > sight { format!("{}-{}/{}", self.scroll + 1, (self.scroll + sight).min(lines.len()), lines.len()) } else { String::new() };
        self.strip_title(buf, area, focused, &title, &count);
        let base = self.paint.style("ui");
        let needle = self.search.to_lowercase();
        let width = (usize::from(inner.width) - (columns - 1) * 3) / columns;
        for (i, fact) in lines.iter().enumerate().skip(self.scroll).take(sight) {
            let (column, row) = ((i - self.scroll) / rows, (i - self.scroll) % rows);
            let x = inner.x + u16::try_from(column * (width + 3)).unwrap_or(0);
            let y = inner.y + u16::try_from(row).unwrap_or(0);
            let mut at = x;
            if let Some(strand) = strands.as_ref().and_then(|s| s.get(i)) {
                for (words, scope) in &strand.0 {
                    let style = if scope.is_empty() { base } else { base.patch(self.paint.style(scope)) };
                    let room = usize::from(inner.right().saturating_sub(at));
                    at = put(buf, inner, at, y, &text::cut_end(words, room, self.glyphs.cut), style);
                }
                continue;
            }
            if labels > 0 {
                let verdict = fact.scope.starts_with("verdict") && text::width(&fact.label) == 1;
                let style = base.patch(self.paint.style(if verdict { fact.scope } else { "text.dim" }));
                at = put(buf, inner, x, y, &text::pad_left(&text::cut_end(&fact.label, labels, ""), labels), style) + 2;
            }
            let room = (usize::from(x) + width).saturating_sub(usize::from(at));
            let whole = text::clean(&fact.text);
            let mut words = text::cut_end(text::skip_start(&whole, self.shift), room, self.glyphs.cut);
            if self.shift > 0 && !whole.is_empty() {
                words = format!("{}{}", self.glyphs.cut, text::skip_start(&words, text::width(self.glyphs.cut)));
            }
            let mut style = base.patch(self.paint.style(fact.scope));
            if fact.scope.is_empty() {
                style = base;
            }
            put(buf, inner, at, y, &words, style);
            if self.hit == Some(i) {
                put(buf, area, inner.x - 1, y, self.glyphs.arrow, base.patch(self.paint.style("text.accent")));
            }
            if !needle.is_empty()
                && let Some(found) = words.to_lowercase().find(&needle)
                && let (Some(head), Some(hit)) = (words.get(..found), words.get(found..found + needle.len()))
            {
                put(buf, inner, at + u16::try_from(text::width(head)).unwrap_or(0), y, hit, style.patch(self.paint.style("text.match")));
            }
        }
    }

    /// The keys that work here and now, from the table that binds them; or the line being typed; or what was just said.
    fn footer(&self, buf: &mut Buffer) {
        let area = self.plan.footer;
        if area.is_empty() {
            return;
        }
        let base = self.paint.style("footer");
        blank(buf, area, base);
        if self.typing(buf, area) {
            return;
        }
        if let Some((notice, _)) = &self.message {
            let style = base.patch(self.paint.style(if notice.good { "notice.good" } else { "notice.bad" }));
            put(buf, area, area.x + 1, area.y, &text::cut_end(&text::clean(&notice.text), usize::from(area.width.saturating_sub(2)), self.glyphs.cut), style);
            return;
        }
        if let Some(hint) = self.tour_line().filter(|_| self.pressed.is_empty()) {
            let style = base.patch(self.paint.style("notice.good"));
            put(buf, area, area.x + 1, area.y, &text::cut_end(&hint, usize::from(area.width.saturating_sub(2)), self.glyphs.cut), style);
            return;
        }
        let hints: Vec<(String, String)> = if self.pressed.is_empty() {
            self.here_now()
                .into_iter()
                .filter_map(|c| {
                    Some((self.keys.keys_for(c).into_iter().min_by_key(|k| (k.contains(' '), k.len() > 2, k.len()))?, self.lang.word(&self.hint(c)).to_owned()))
                })
                .collect()
        } else {
            self.keys.continuations(&self.pressed).into_iter().map(|(k, c)| (k, self.lang.word(&format!("command.{}", c.name())).to_owned())).collect()
        };
        let mut x = area.x + 1;
        let need = |(key, words): &(String, String)| u16::try_from(text::width(key) + text::width(words) + 3).unwrap_or(0);
        // Where there is no room for all, the last one, which is the help, stays: it names the others.
        let last = hints.last().map_or(0, need);
        let count = hints.len();
        for (i, hint) in hints.into_iter().enumerate() {
            let kept = if i + 1 == count { 0 } else { last };
            if x + need(&hint) + kept > area.right() {
                continue;
            }
            let (key, words) = hint;
            x = put(buf, area, x, area.y, &key, self.paint.style("footer.key"));
            x = put(buf, area, x + 1, area.y, &words, base) + 2;
        }
    }

    /// The key that filters a table searches in a log.
    fn hint(&self, command: Command) -> String {
        match command {
            Command::Filter if self.focus == DOCK => "hint.search".to_owned(),
            other => format!("hint.{}", other.name()),
        }
    }

    /// The commands worth naming where the focus is.
    pub(super) fn here_now(&self) -> Vec<Command> {
        use Command as C;
        let mut out = match self.focus {
            DOCK if self.has_log() => {
                vec![C::Back, C::Follow, C::LogFilter, C::Filter, C::NextMatch, C::Wrap, C::Times, C::Form, C::Select, C::Copy, C::Save, C::Zoom]
            }
            DOCK => vec![C::Back, C::Filter, C::NextMatch, C::Copy, C::Save, C::Pager],
            PROBLEMS => vec![C::Enter, C::Relatives, C::Describe, C::Retry],
            _ => vec![C::Enter, C::Logs, C::Filter, C::Relatives, C::Describe, C::Yaml, C::Sort, C::Copy],
        };
        if self.focus < 5 && (!self.trail.is_empty() || self.narrowed || !self.pane(self.slot).filter().is_empty()) {
            out.insert(0, C::Back);
        }
        out.extend([C::Dock, C::Zoom, C::NextPane, C::Workloads, C::Containers, C::Sources, C::CommandLine, C::Quit, C::Help]);
        if self.reads_log() {
            out.retain(|c| !matches!(c, C::Workloads | C::Containers | C::Sources | C::Dock));
            let mut seen = std::collections::BTreeSet::new();
            out.retain(|c| seen.insert(*c));
        } else if shape(self.area) == Shape::Narrow {
            out.retain(|c| !matches!(c, C::Zoom | C::Workloads | C::Containers | C::Sources));
        }
        if self.dock == Dock::Open && self.focus < 5 {
            out.retain(|c| *c != C::Sort);
        }
        out
    }
}
