//! The pane of a table: what all of them do. Only the rows in sight cost anything.

use std::collections::BTreeSet;
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Align, Cell, Column, Extra, Floor, Look, Motion, Pane, PaneKind, Say, Scope, Width, verdict_scope};
use crate::base::text;
use crate::config::arrangement::Arranged;
use crate::config::lang::Lang;
use crate::model::fact::Row;
use crate::model::freshness::FreshState;
use crate::model::id::Target;
use crate::model::verdict::Verdict;
use crate::store::Store;
use crate::store::table::{Counts, Entry};
use crate::store::view::{View, by_severity};
use crate::ui::filter::{self, Term};
use crate::ui::glyph::Glyphs;
use crate::ui::put::{fill, put};

type Key<F> = <<F as Floor>::Row as Row>::Key;

pub struct TablePane<F: Floor> {
    view: View<F::Row>,
    /// What stands above the rows because it has none of its own.
    extras: Vec<Extra>,
    selected: Option<Target>,
    key: Option<Key<F>>,
    /// The selected row's name, for when it is gone.
    name: String,
    ghost: bool,
    at: usize,
    offset: usize,
    height: usize,
    filter: String,
    scope: Scope,
    sort: Option<(usize, Turn)>,
    hidden: BTreeSet<&'static str>,
    marks: BTreeSet<Key<F>>,
    longest: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Up,
    Down,
}

impl<F: Floor> std::fmt::Debug for TablePane<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TablePane").field("kind", &F::PANE).field("at", &self.at).finish_non_exhaustive()
    }
}

impl<F: Floor> Default for TablePane<F> {
    fn default() -> Self {
        Self {
            view: View::default(),
            extras: Vec::new(),
            selected: None,
            key: None,
            name: String::new(),
            ghost: false,
            at: 0,
            offset: 0,
            height: 10,
            filter: String::new(),
            scope: Scope::All,
            sort: None,
            hidden: BTreeSet::new(),
            marks: BTreeSet::new(),
            longest: 0,
        }
    }
}

impl<F: Floor> TablePane<F> {
    fn lines(&self) -> usize {
        self.extras.len() + self.view.rows().len()
    }

    fn entry<'s>(&self, store: &'s Store, line: usize) -> Option<&'s Entry<F::Row>> {
        let row = self.view.rows().get(line.checked_sub(self.extras.len())?)?;
        F::table(store).at(*row)
    }

    fn choose(&mut self, line: usize, store: &Store) {
        self.at = line.min(self.lines().saturating_sub(1));
        self.ghost = false;
        if let Some(extra) = self.extras.get(self.at) {
            (self.selected, self.key, self.name) = (extra.target.clone(), None, extra.name.clone());
        } else if let Some(e) = self.entry(store, self.at) {
            (self.selected, self.key, self.name) = (Some(e.row.target()), Some(e.row.key()), F::name(&e.row));
        } else {
            (self.selected, self.key) = (None, None);
        }
    }

    /// Where the selected thing is now.
    fn locate(&self, store: &Store) -> Option<usize> {
        if let Some(key) = &self.key {
            let place = F::table(store).find(key)?;
            if self.view.rows().get(self.at.wrapping_sub(self.extras.len())) == Some(&place) {
                return Some(self.at);
            }
            return self.view.rows().iter().position(|r| *r == place).map(|i| i + self.extras.len());
        }
        let target = self.selected.as_ref()?;
        self.extras.iter().position(|e| e.target.as_ref() == Some(target))
    }

    fn follow(&mut self, store: &Store) {
        if self.selected.is_none() && self.key.is_none() {
            self.choose(self.at, store);
            return;
        }
        if let Some(line) = self.locate(store) {
            (self.at, self.ghost) = (line, false);
        } else if self.key.as_ref().is_some_and(|k| F::table(store).get(k).is_none()) && self.lines() > 0 {
            // It is gone: its place stays until the person moves on, so that a key does not hit what slid under it.
            self.ghost = true;
            self.at = self.at.min(self.lines());
        } else {
            self.choose(self.at, store);
        }
    }

    fn apply(&mut self, lang: &Arc<Lang>, glyphs: &'static Glyphs) {
        let names: Vec<&str> = F::COLUMNS.iter().map(|c| c.key).collect();
        let terms = filter::parse(&self.filter, &names);
        let scope = self.scope.clone();
        if terms.is_empty() && matches!(scope, Scope::All) {
            self.view.set_filter(None);
            return;
        }
        let lang = lang.clone();
        self.view.set_filter(Some(Box::new(move |store, e| {
            let inside = match &scope {
                Scope::All => true,
                Scope::Under(target) => F::under(&e.row, target),
                Scope::Kin(_, kin) => kin.contains(&e.row.target()),
            };
            inside && holds::<F>(&terms, e, &Say { store, lang: &lang, glyphs })
        })));
    }

    fn apply_sort(&mut self) {
        let Some((column, turn)) = self.sort else {
            self.view.set_sort(Box::new(by_severity));
            return;
        };
        let compare = F::COLUMNS[column].sort;
        self.view.set_sort(Box::new(move |_, a, b| match turn {
            Turn::Up => compare(&a.row, &b.row),
            Turn::Down => compare(&b.row, &a.row),
        }));
    }

    /// The columns that fit, with their widths.
    fn fit(&self, room: u16) -> Vec<(usize, u16)> {
        let mut chosen: Vec<usize> = (0..F::COLUMNS.len()).filter(|i| !self.hidden.contains(F::COLUMNS[*i].key)).collect();
        let least = |c: &Column<F::Row>| match c.width {
            Width::Fixed(n) | Width::Name(n) | Width::Text(n) => n,
        };
        // The name keeps a readable part of itself before the others get any.
        let want = |c: &Column<F::Row>| match c.width {
            Width::Name(n) => n.max(u16::try_from(self.longest.min(22)).unwrap_or(22)),
            _ => least(c),
        };
        loop {
            let used: u16 = chosen.iter().map(|i| want(&F::COLUMNS[*i]) + 1).sum::<u16>().saturating_sub(1);
            if used <= room {
                break;
            }
            let worst = chosen.iter().copied().filter(|i| F::COLUMNS[*i].rank > 0).max_by_key(|i| F::COLUMNS[*i].rank);
            let Some(worst) = worst else { break };
            chosen.retain(|i| *i != worst);
        }
        let used: u16 = chosen.iter().map(|i| least(&F::COLUMNS[*i]) + 1).sum::<u16>().saturating_sub(1);
        let mut spare = room.saturating_sub(used);
        let mut out: Vec<(usize, u16)> = chosen.iter().map(|i| (*i, least(&F::COLUMNS[*i]).min(room))).collect();
        // Names first, up to the longest in sight; what remains goes to texts, else to the name.
        for (i, w) in &mut out {
            if matches!(F::COLUMNS[*i].width, Width::Name(_)) {
                let more = u16::try_from(self.longest).unwrap_or(u16::MAX).saturating_sub(*w).min(spare);
                *w += more;
                spare -= more;
            }
        }
        let words_at = out.iter().rposition(|(i, _)| matches!(F::COLUMNS[*i].width, Width::Text(_)));
        let stretch = words_at.or_else(|| out.iter().position(|(i, _)| matches!(F::COLUMNS[*i].width, Width::Name(_))));
        if let Some(at) = stretch {
            out[at].1 += spare;
        }
        out
    }

    fn head(&self, area: Rect, buf: &mut Buffer, look: &Look, columns: &[(usize, u16)]) {
        let style = look.paint.style("pane.column");
        let mut x = area.x + 2;
        for (i, w) in columns {
            let column = &F::COLUMNS[*i];
            let mut words = look.say.lang.word(&format!("column.{}", column.key)).to_owned();
            let mut own = style;
            if let Some((sorted, turn)) = self.sort.filter(|(s, _)| s == i) {
                words.push_str(if turn == Turn::Up { look.say.glyphs.up } else { look.say.glyphs.down });
                own = look.paint.style(if sorted == *i { "pane.column.sort" } else { "pane.column" });
            }
            let words = text::cut_end(&words, usize::from(*w), "");
            let words = if column.align == Align::Right { text::pad_left(&words, usize::from(*w)) } else { words };
            put(buf, area, x, area.y, &words, own);
            x = x.saturating_add(*w + 1);
        }
    }

    fn draw_row(&self, area: Rect, y: u16, buf: &mut Buffer, look: &Look, columns: &[(usize, u16)], line: usize) {
        let Some(e) = self.entry(look.say.store, line) else { return };
        let target = e.row.target();
        let verdict = e.verdict;
        let selected = line == self.at && !self.ghost;
        let mut style = look.paint.style("ui");
        let freshness = look.say.store.freshness(e);
        let is_late = freshness.state != FreshState::Live;
        if is_late {
            style = style.patch(look.paint.style("row.stale"));
        }
        let marked = self.marks.contains(&e.row.key());
        if marked {
            style = style.patch(look.paint.style("row.marked"));
        }
        if !selected && (look.related)(&target) {
            style = style.patch(look.paint.style("row.related"));
        }
        if selected {
            style = style.patch(look.paint.style(if look.focused { "row.selected.focus" } else { "row.selected" }));
        }
        fill(buf, Rect { y, height: 1, ..area }, style);
        let glyph = look.say.glyphs.verdict(verdict);
        put(buf, area, area.x, y, if marked { look.say.glyphs.mark } else { glyph }, style.patch(look.paint.style(verdict_scope(verdict))));
        let mut x = area.x + 2;
        for (i, w) in columns {
            let column = &F::COLUMNS[*i];
            let cell = (column.cell)(e, &look.say);
            let room = usize::from(*w);
            let clean = text::clean(&cell.text);
            let mut words = match column.width {
                Width::Name(_) => {
                    let tag = match (is_late, freshness.age_ms) {
                        (true, Some(ms)) => format!(" {}", text::age_step(ms / 1000)),
                        (true, None) => " ?".to_owned(),
                        _ => String::new(),
                    };
                    let keep = room.saturating_sub(tag.len());
                    text::cut_middle(&clean, keep, look.say.glyphs.cut) + &tag
                }
                _ => text::cut_end(&clean, room, look.say.glyphs.cut),
            };
            if column.align == Align::Right {
                words = text::pad_left(&words, room);
            }
            let own = if cell.scope.is_empty() || (is_late && !cell.scope.starts_with("verdict")) { style } else { style.patch(look.paint.style(cell.scope)) };
            // The bar of the selected row wins over dim text, which would drown in it.
            let own = if selected && look.focused && cell.scope.starts_with("text.") { style } else { own };
            put(buf, area, x, y, &words, own);
            x = x.saturating_add(*w + 1);
        }
    }

    fn draw_extra(&self, area: Rect, y: u16, buf: &mut Buffer, look: &Look, line: usize) {
        let Some(extra) = self.extras.get(line) else { return };
        let mut style = look.paint.style("ui").patch(look.paint.style("row.stale"));
        if line == self.at {
            style = style.patch(look.paint.style(if look.focused { "row.selected.focus" } else { "row.selected" }));
        }
        fill(buf, Rect { y, height: 1, ..area }, style);
        put(buf, area, area.x, y, look.say.glyphs.verdict(extra.verdict), style.patch(look.paint.style(verdict_scope(extra.verdict))));
        let all = format!("{}  {}", text::clean(&extra.name), text::clean(&extra.text));
        let words = text::cut_end(all.trim_end(), usize::from(area.width.saturating_sub(2)), look.say.glyphs.cut);
        put(buf, area, area.x + 2, y, &words, style);
    }
}

fn holds<F: Floor>(terms: &[Term], e: &Entry<F::Row>, say: &Say) -> bool {
    let mut hay = String::new();
    if terms.iter().any(|t| t.column.is_none()) {
        F::hay(&e.row, &mut hay);
        // In place where that is enough: this is done for every row of a table, at every letter.
        if hay.is_ascii() {
            hay.make_ascii_lowercase();
        } else {
            hay = hay.to_lowercase();
        }
    }
    terms.iter().all(|t| match &t.column {
        None => t.holds(&hay),
        Some(key) => F::COLUMNS.iter().find(|c| c.key == key).is_some_and(|c| t.holds(&(c.cell)(e, say).text.to_lowercase())),
    })
}

fn row_text<F: Floor>(e: &Entry<F::Row>, say: &Say) -> String {
    let verdict = say.lang.word(&format!("verdict.{}", e.verdict.word())).to_owned();
    let cells = F::COLUMNS.iter().map(|c| text::clean(&(c.cell)(e, say).text).into_owned());
    std::iter::once(verdict).chain(cells).collect::<Vec<_>>().join("\t")
}

impl<F: Floor> Pane for TablePane<F> {
    fn kind(&self) -> PaneKind {
        F::PANE
    }
    fn counts(&self, store: &Store) -> Counts {
        F::table(store).counts()
    }
    fn shown(&self) -> usize {
        self.view.rows().len()
    }
    fn refresh(&mut self, say: &Say, hold: bool) {
        self.view.refresh(say.store, F::table(say.store), hold);
        self.extras = if matches!(self.scope, Scope::All) && self.filter.is_empty() { F::extras(say) } else { Vec::new() };
        self.follow(say.store);
        let sight = self.view.rows().iter().skip(self.offset.saturating_sub(self.extras.len())).take(self.height.max(1));
        let longest = sight.filter_map(|r| F::table(say.store).at(*r)).map(|e| text::width(&F::name(&e.row))).max().unwrap_or(0);
        // Grows in steps and does not shrink: columns that dance with the rows are worse than a little air.
        self.longest = self.longest.max(longest.next_multiple_of(2)).min(60);
    }
    fn is_busy(&self) -> bool {
        self.view.is_sorting()
    }
    fn work(&mut self, store: &Store) {
        self.view.work(store, F::table(store));
    }
    fn draw(&mut self, area: Rect, buf: &mut Buffer, look: &Look) {
        if area.is_empty() {
            return;
        }
        let columns = self.fit(area.width.saturating_sub(2));
        self.head(area, buf, look, &columns);
        self.height = usize::from(area.height.saturating_sub(1));
        let lines = self.lines() + usize::from(self.ghost);
        self.offset = self.offset.min(lines.saturating_sub(self.height)).min(self.at);
        if self.at >= self.offset + self.height {
            self.offset = (self.at + 1).saturating_sub(self.height);
        }
        for (line, y) in (self.offset..).zip(area.y + 1..area.bottom()) {
            if self.ghost && line == self.at {
                let style = look.paint.style("ui").patch(look.paint.style("row.ghost"));
                let words = look.say.lang.fill("pane.gone", &[("name", &text::clean(&self.name))]);
                put(buf, area, area.x, y, &text::cut_end(&format!("{} {words}", look.say.glyphs.dot), usize::from(area.width), look.say.glyphs.cut), style);
            } else {
                let real = if self.ghost && line > self.at { line - 1 } else { line };
                if real < self.extras.len() {
                    self.draw_extra(area, y, buf, look, real);
                } else {
                    self.draw_row(area, y, buf, look, &columns, real);
                }
            }
        }
        if lines == 0 && area.height > 1 {
            let narrowed = !self.filter.is_empty() || !matches!(self.scope, Scope::All);
            let words = look.say.lang.word(if narrowed { "pane.no-match" } else { "pane.empty" });
            let words = text::cut_end(words, usize::from(area.width.saturating_sub(2)), look.say.glyphs.cut);
            put(buf, area, area.x + 2, area.y + 1, &words, look.paint.style("ui").patch(look.paint.style("pane.empty")));
        }
    }
    fn step(&mut self, motion: Motion, store: &Store) {
        let most = self.lines().saturating_sub(1);
        let by = |n: isize| self.at.saturating_add_signed(n).min(most);
        let to = match motion {
            Motion::By(n) => by(n),
            Motion::HalfPages(n) => by(n * isize::try_from((self.height / 2).max(1)).unwrap_or(1)),
            Motion::Top => 0,
            Motion::Bottom => most,
        };
        self.choose(to, store);
    }
    fn selected(&self) -> Option<Target> {
        if self.ghost { None } else { self.selected.clone() }
    }
    fn note(&self) -> Option<(&str, &str)> {
        self.extras.get(self.at).filter(|_| !self.ghost).map(|e| (e.name.as_str(), e.text.as_str()))
    }
    fn select(&mut self, target: &Target, store: &Store) -> bool {
        let found = self.extras.iter().position(|e| e.target.as_ref() == Some(target));
        let found = found.or_else(|| {
            let rows = self.view.rows();
            rows.iter().position(|r| F::table(store).at(*r).is_some_and(|e| e.row.target() == *target)).map(|i| i + self.extras.len())
        });
        if let Some(line) = found {
            self.choose(line, store);
        }
        found.is_some()
    }
    fn click(&mut self, line: usize, store: &Store) {
        if self.offset + line < self.lines() {
            self.choose(self.offset + line, store);
        }
    }
    fn filter(&self) -> &str {
        &self.filter
    }
    fn set_filter(&mut self, text: &str, lang: &Arc<Lang>, glyphs: &'static Glyphs) {
        text.clone_into(&mut self.filter);
        self.apply(lang, glyphs);
    }
    fn scope(&self) -> &Scope {
        &self.scope
    }
    fn set_scope(&mut self, scope: Scope, lang: &Arc<Lang>, glyphs: &'static Glyphs) {
        self.scope = scope;
        self.apply(lang, glyphs);
    }
    fn sort_next(&mut self) {
        self.sort = match self.sort {
            None => Some((0, Turn::Up)),
            Some((i, _)) if i + 1 < F::COLUMNS.len() => Some((i + 1, Turn::Up)),
            Some(_) => None,
        };
        self.apply_sort();
    }
    fn sort_reverse(&mut self) {
        self.sort = self.sort.or(Some((0, Turn::Up))).map(|(i, turn)| (i, if turn == Turn::Up { Turn::Down } else { Turn::Up }));
        self.apply_sort();
    }
    fn columns(&self) -> Vec<(&'static str, bool)> {
        F::COLUMNS.iter().map(|c| (c.key, !self.hidden.contains(c.key))).collect()
    }
    fn arranged(&self) -> Arranged {
        let (sort, reversed) = self.sort.map_or(("", false), |(i, turn)| (F::COLUMNS[i].key, turn == Turn::Down));
        Arranged { sort: sort.to_owned(), reversed, hidden: self.hidden.iter().map(|key| (*key).to_owned()).collect() }
    }

    fn arrange(&mut self, before: &Arranged) {
        let turn = if before.reversed { Turn::Down } else { Turn::Up };
        self.sort = F::COLUMNS.iter().position(|c| c.key == before.sort).map(|i| (i, turn));
        self.hidden = F::COLUMNS.iter().map(|c| c.key).filter(|key| before.hidden.iter().any(|h| h == key)).collect();
    }

    fn toggle_column(&mut self, key: &str) {
        if let Some(column) = F::COLUMNS.iter().find(|c| c.key == key && !matches!(c.width, Width::Name(_)))
            && !self.hidden.remove(column.key)
        {
            self.hidden.insert(column.key);
        }
    }
    fn toggle_mark(&mut self) {
        if let Some(key) = &self.key
            && !self.marks.remove(key)
        {
            self.marks.insert(key.clone());
        }
    }
    fn clear_marks(&mut self) {
        self.marks.clear();
    }
    fn marks(&self) -> usize {
        self.marks.len()
    }
    fn marked(&self, store: &Store) -> Vec<Target> {
        self.marks.iter().filter_map(|k| F::table(store).get(k)).map(|e| e.row.target()).collect()
    }
    fn copy(&self, say: &Say, whole: bool) -> Option<String> {
        let line = |e: &Entry<F::Row>| if whole { row_text::<F>(e, say) } else { text::clean(&F::name(&e.row)).into_owned() };
        if !self.marks.is_empty() {
            let found: Vec<String> = self.marks.iter().filter_map(|k| F::table(say.store).get(k)).map(line).collect();
            return Some(found.join("\n"));
        }
        match self.entry(say.store, self.at).filter(|_| !self.ghost) {
            Some(e) => Some(line(e)),
            None => self.extras.get(self.at).map(|e| if whole { format!("{}\t{}", e.name, e.text) } else { e.name.clone() }),
        }
    }
    fn dump(&self, say: &Say, most: usize) -> String {
        let mut out = F::COLUMNS.iter().map(|c| c.key).collect::<Vec<_>>().join("\t");
        out.insert_str(0, "verdict\t");
        for e in self.view.rows().iter().take(most).filter_map(|r| F::table(say.store).at(*r)) {
            out.push('\n');
            out.push_str(&row_text::<F>(e, say));
        }
        out.push('\n');
        out
    }
    fn need(&self, _: &Say) -> (u16, u16) {
        let name = u16::try_from(self.longest).unwrap_or(60);
        let mut full = 2;
        let mut least = 2;
        for c in F::COLUMNS.iter().filter(|c| !self.hidden.contains(c.key)) {
            let w = match c.width {
                Width::Fixed(n) | Width::Text(n) => n,
                Width::Name(n) => n.max(name),
            } + 1;
            full += w;
            if c.rank == 0 {
                least += match c.width {
                    Width::Fixed(n) | Width::Name(n) | Width::Text(n) => n,
                } + 1;
            }
        }
        if self.view.rows().is_empty() {
            // A line that says why there is nothing needs room of its own; the pods keep theirs for when they come.
            let like = if F::PANE.slot() == 3 { 44 } else { 22 + u16::from(!self.extras.is_empty()) * 12 };
            (like, least.clamp(17, 22))
        } else {
            ((full - 1).max(20), (least - 1).max(18))
        }
    }
}

/// The sparkline of a history, as wide as asked; percent.
pub fn spark<T>(e: &Entry<T>, say: &Say, width: usize) -> Cell {
    let Some(history) = e.history() else { return Cell::default() };
    let all: Vec<f32> = history.iter().collect();
    let tail = &all[all.len().saturating_sub(width)..];
    let mut out = " ".repeat(width - tail.len());
    for v in tail {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let level = if v.is_nan() { 0 } else { 1 + ((v.clamp(0.0, 100.0) / 100.0 * 7.0).round() as usize).min(7) };
        out.push_str(say.glyphs.spark[level]);
    }
    Cell::of("spark", out)
}

/// The worst verdict of any row, for a title.
pub fn worst(counts: Counts) -> Option<(Verdict, usize)> {
    [Verdict::Crit, Verdict::Unknown, Verdict::Warn].into_iter().map(|v| (v, counts[v])).find(|(_, n)| *n > 0)
}
