//! What keys do to a log.

use super::find::Way;
use super::text::Stamp;
use super::{Flow, Form, LogPane, time};
use crate::model::command::Command;
use crate::model::effect::{Effect, Errand};
use crate::model::fact::Notice;
use crate::model::id::Target;
use crate::model::log::{LogId, LogQuery, LogTarget, Mode, Run, Window};
use crate::store::Store;
use crate::store::log::book::Book;
use crate::store::log::fields::Path;
use crate::store::log::query::{Pattern, Query, QueryError};
use crate::store::log::target;
use crate::ui::layout::Dock;
use crate::ui::line::Line;
use crate::ui::overlay::Overlay;
use crate::ui::pane::Motion;
use crate::ui::{DOCK, DockText, Ui};

/// Lines of each stream that are asked for when a log is opened.
const TAIL: u64 = 1000;
/// Cells that a key moves sideways.
const SIDEWAYS: usize = 20;

impl Ui {
    /// Is a log in the dock?
    pub(in crate::ui) fn has_log(&self) -> bool {
        self.log.is_some() && self.dock == Dock::Open && matches!(self.dock_text, DockText::Log)
    }

    /// And does it have the keys?
    pub(in crate::ui) fn reads_log(&self) -> bool {
        self.has_log() && self.focus == DOCK
    }

    /// Works on the open log with its lines; nothing where there are none.
    fn with_log<T>(&mut self, store: &Store, work: impl FnOnce(&mut Self, &mut LogPane, &Book) -> T) -> Option<T> {
        let mut pane = self.log.take()?;
        let done = store.logs.book(pane.id).map(|book| {
            pane.catch_up(book);
            work(self, &mut pane, book)
        });
        self.log = Some(pane);
        done
    }

    /// Is something looked for in the log that takes more than one slice of time?
    pub(in crate::ui) fn is_searching(&self) -> bool {
        self.has_log() && self.log.as_ref().is_some_and(LogPane::is_busy)
    }

    /// One slice of it.
    pub(in crate::ui) fn search_on(&mut self, store: &Store) {
        self.with_log(store, |_, pane, book| pane.work(book));
    }

    pub(in crate::ui) fn log_motion(&mut self, store: &Store, motion: Motion) {
        self.with_log(store, |_, pane, book| pane.step(book, motion));
    }

    pub(in crate::ui) fn log_click(&mut self, store: &Store, row: usize) {
        self.with_log(store, |_, pane, book| {
            if let Some(number) = pane.drawn.get(row).copied() {
                pane.go(book, number);
            }
        });
    }

    /// Does the command where it concerns logs; `None` where it does not.
    pub(in crate::ui) fn log_command(&mut self, store: &Store, command: Command) -> Option<Vec<Effect>> {
        match command {
            Command::Logs => return Some(self.open_logs(store, Run::Current, false)),
            Command::PreviousLogs => return Some(self.open_logs(store, Run::Previous, false)),
            Command::AddLogs => return Some(self.open_logs(store, Run::Current, true)),
            _ => {}
        }
        if self.has_log()
            && let Some(effects) = self.log_wide(store, command)
        {
            return Some(effects);
        }
        if self.reads_log() { self.within(store, command) } else { None }
    }

    /// Commands that mean the log wherever the keys are.
    fn log_wide(&mut self, store: &Store, command: Command) -> Option<Vec<Effect>> {
        match command {
            Command::Follow => {
                self.with_log(store, |_, pane, book| if pane.is_following() { pane.hold(book) } else { pane.follow() });
            }
            Command::Wrap => self.with_pane(|p| {
                (p.flow, p.shift) = (if p.flow == Flow::Cut { Flow::Wrap } else { Flow::Cut }, 0);
                p.top.row = 0;
            }),
            Command::Times => self.with_pane(|p| p.times = p.times.next()),
            Command::Form => self.with_pane(LogPane::toggle_form),
            Command::LogFilter => {
                let old = self.log.as_ref().and_then(|p| p.filter.as_ref()?.query().map(|q| q.typed().to_owned())).unwrap_or_default();
                self.focus = DOCK;
                self.overlay = Some(Overlay::LogFilter { line: Line::new(old.clone()), old });
            }
            _ => return None,
        }
        Some(Vec::new())
    }

    fn with_pane(&mut self, work: impl FnOnce(&mut LogPane)) {
        if let Some(pane) = &mut self.log {
            work(pane);
        }
    }

    /// Commands that mean the log only while it has the keys.
    fn within(&mut self, store: &Store, command: Command) -> Option<Vec<Effect>> {
        match command {
            Command::Left => self.with_pane(|p| p.shift = p.shift.saturating_sub(SIDEWAYS)),
            Command::Right => self.sideways(store, |p, longest| (p.shift + SIDEWAYS).min(longest.saturating_sub(1))),
            Command::LineStart => self.with_pane(|p| p.shift = 0),
            Command::LineEnd => self.sideways(store, |p, longest| longest.saturating_sub(p.room)),
            Command::Filter => {
                let old = self.log.as_ref().and_then(|p| p.search.as_ref()?.pattern().map(|p| p.as_typed().to_owned())).unwrap_or_default();
                self.overlay = Some(Overlay::Search(Line::new(old)));
            }
            Command::NextMatch => self.with_pane(|p| p.step_search(Way::Newer)),
            Command::PreviousMatch => self.with_pane(|p| p.step_search(Way::Older)),
            Command::Mark => {
                self.with_log(store, |_, pane, book| {
                    pane.hold(book);
                    if !pane.marks.remove(&pane.cursor) {
                        pane.marks.insert(pane.cursor);
                    }
                    pane.step(book, Motion::By(1));
                });
            }
            Command::ClearMarks => self.with_pane(|p| p.marks.clear()),
            Command::NextMark | Command::PreviousMark => {
                self.with_log(store, |_, pane, book| {
                    pane.hold(book);
                    let at = pane.cursor;
                    let found = if command == Command::NextMark { pane.marks.range(at + 1..).next() } else { pane.marks.range(..at).next_back() };
                    if let Some(number) = found.copied() {
                        pane.go(book, number);
                    }
                });
            }
            Command::Select => {
                self.with_log(store, |_, pane, book| {
                    pane.hold(book);
                    pane.anchor = if pane.anchor.is_none() { Some(pane.cursor) } else { None };
                });
            }
            Command::Enter => {
                self.with_log(store, |_, pane, book| {
                    pane.hold(book);
                    if !pane.opened.remove(&pane.cursor) {
                        pane.opened.insert(pane.cursor);
                    }
                });
            }
            Command::Copy | Command::CopyRow => return Some(self.copy_log(store, command == Command::CopyRow)),
            Command::Save => self.overlay = Some(Overlay::SaveLog { line: Line::default(), whole: false }),
            Command::Pager => {
                let text = self.with_log(store, |ui, pane, book| pane.kept(book, ui.stamp(store)));
                return Some(text.map(|t| Effect::Suspend(Errand::PageLarge(t))).into_iter().collect());
            }
            Command::Back => return Some(self.leave_log(store)),
            _ => return None,
        }
        Some(Vec::new())
    }

    fn stamp<'a>(&'a self, store: &Store) -> Stamp<'a> {
        Stamp { who: &self.who, now: store.now(), zone: &self.zone, lang: &self.lang }
    }

    fn sideways(&mut self, store: &Store, to: impl FnOnce(&LogPane, usize) -> usize) {
        self.with_log(store, |ui, pane, book| {
            let longest = pane.longest(book, &ui.sheet(pane, book));
            pane.shift = if pane.flow == Flow::Wrap { 0 } else { to(pane, longest) };
        });
    }

    fn copy_log(&mut self, store: &Store, whole: bool) -> Vec<Effect> {
        let zone = self.zone.clone();
        let text = self.with_log(store, |_, pane, book| {
            let text = pane.selection(book, &zone, whole);
            pane.anchor = None;
            text
        });
        let Some(text) = text.filter(|t| !t.is_empty()) else { return Vec::new() };
        let words = self.lang.fill("message.copied", &[("lines", &text.lines().count().to_string())]);
        self.notice(Notice { good: true, text: words });
        vec![Effect::Copy(text)]
    }

    /// Esc: the selection, then the search, then the filter go; then the log is closed.
    fn leave_log(&mut self, store: &Store) -> Vec<Effect> {
        let left = self.with_log(store, |_, pane, book| {
            if pane.anchor.take().is_some() || pane.search.take().is_some() {
                return true;
            }
            let filtered = pane.filter.is_some();
            if filtered {
                pane.set_filter(Query::default(), book);
            }
            filtered
        });
        if left == Some(true) { Vec::new() } else { self.close_log() }
    }

    pub(in crate::ui) fn close_log(&mut self) -> Vec<Effect> {
        let Some(pane) = self.log.take() else { return Vec::new() };
        (self.dock, self.dock_text, self.scroll) = (pane.dock_before, DockText::Detail, 0);
        self.focus = self.slot;
        vec![Effect::CloseLog(pane.id)]
    }

    /// Opens the log of what is selected, or of everything that is marked; `add` merges it into the one that is open.
    fn open_logs(&mut self, store: &Store, run: Run, add: bool) -> Vec<Effect> {
        let marked = if self.focus < 5 { self.pane(self.slot).marked(store) } else { Vec::new() };
        let chosen: Vec<Target> = if marked.is_empty() { self.selected().into_iter().collect() } else { marked };
        let Some(first) = chosen.first() else { return Vec::new() };
        let mut title = crate::ui::name::name_of(store, first);
        let fits = |t: &&Target| run == Run::Current || matches!(t, Target::Pod(_));
        let mut targets: Vec<LogTarget> = chosen.iter().filter(fits).filter_map(|t| target::of(store, t, run)).collect();
        if targets.is_empty() {
            let key = if run == Run::Previous { "log.no-previous" } else { "log.nothing" };
            let text = self.lang.fill(key, &[("name", &title)]);
            self.notice(Notice { good: false, text });
            return Vec::new();
        }
        let mut count = targets.len();
        if let Some(open) = self.log.as_ref().filter(|_| add) {
            let fresh: Vec<LogTarget> = targets.into_iter().filter(|t| !open.query.targets.contains(t)).collect();
            targets = open.query.targets.iter().cloned().chain(fresh).collect();
            open.title.split(" +").next().unwrap_or_default().clone_into(&mut title);
            count = targets.len();
        }
        if count > 1 {
            title = format!("{title} +{}", count - 1);
        }
        if run == Run::Previous {
            title = self.lang.fill("log.previous", &[("name", &title)]);
        }
        let mode = if run == Run::Previous { Mode::Once } else { Mode::Follow };
        let query = LogQuery { targets, window: Window { tail: Some(TAIL), ..Window::default() }, mode, encoding: None };
        self.show_log(title, query)
    }

    fn show_log(&mut self, title: String, query: LogQuery) -> Vec<Effect> {
        let known = self.log.as_ref().is_some_and(|p| p.query == query);
        let before = match &self.log {
            Some(open) => open.dock_before,
            None => self.dock,
        };
        if self.focus < 5 {
            self.slot = self.focus;
        }
        (self.dock, self.dock_text, self.focus, self.scroll) = (Dock::Open, DockText::Log, DOCK, 0);
        if known {
            return Vec::new();
        }
        let log = LogId(self.next_log);
        self.next_log += 1;
        let mut pane = LogPane::new(log, title, query.clone());
        pane.dock_before = before;
        let mut effects = Vec::new();
        if let Some(old) = self.log.take() {
            pane = pane.like(&old);
            effects.push(Effect::CloseLog(old.id));
        }
        self.log = Some(pane);
        effects.push(Effect::OpenLog { log, query });
        effects
    }

    /// `/` was typed.
    pub(in crate::ui) fn search_log(&mut self, store: &Store, typed: &str) {
        if typed.is_empty() {
            self.with_pane(|p| p.search = None);
            return;
        }
        match Pattern::typed(typed) {
            Ok(pattern) => {
                self.with_log(store, |_, pane, book| pane.set_search(pattern, book));
            }
            Err(why) => {
                let text = self.lang.fill("query.regex", &[("text", &why)]);
                self.notice(Notice { good: false, text });
            }
        }
    }

    /// A filter follows while it is typed; one that does not parse leaves the last that did.
    pub(in crate::ui) fn filter_log(&mut self, store: &Store, typed: &str) {
        if let Ok(query) = Query::parse(typed) {
            self.with_log(store, |_, pane, book| pane.set_filter(query, book));
        }
    }

    /// What is wrong with the filter being typed: cells before the place, and the words.
    pub(in crate::ui) fn filter_wrong(&self, typed: &str) -> Option<(usize, String)> {
        let error: QueryError = Query::parse(typed).err()?;
        let words = self.lang.fill(&format!("query.{}", error.wrong.code()), &[("text", error.wrong.text())]);
        Some((error.column(typed), words))
    }

    pub(in crate::ui) fn save_log(&mut self, store: &Store, path: String, whole: bool) -> Vec<Effect> {
        let effect = self.with_log(store, |ui, pane, book| {
            if whole {
                let query = LogQuery { window: Window::default(), mode: Mode::Once, ..pane.query.clone() };
                let header = pane.header(ui.stamp(store), ui.lang.word("log.header.whole"));
                Effect::SaveLog { path, query, header }
            } else {
                Effect::SaveLarge { path, text: pane.kept(book, ui.stamp(store)) }
            }
        });
        effect.into_iter().collect()
    }

    /// `:at 02:14`: the first line that was written then or later.
    pub(in crate::ui) fn log_at(&mut self, store: &Store, typed: &str) {
        let Some(at) = time::parse(typed, store.now(), &self.zone) else {
            let text = self.lang.fill("log.no-time", &[("text", typed)]);
            self.notice(Notice { good: false, text });
            return;
        };
        let oldest = self.with_log(store, |_, pane, book| {
            let ring = book.ring();
            let first = ring.from(0).next().map(|l| l.stamp);
            match ring.from(0).find(|l| l.stamp >= at) {
                Some(line) => pane.go(book, line.number),
                None => pane.follow(),
            }
            first.filter(|f| *f > at)
        });
        if let Some(Some(first)) = oldest {
            let text = self.lang.fill("log.too-old", &[("at", &super::Times::Date.show(first, &self.zone))]);
            self.notice(Notice { good: false, text });
        }
        self.focus = if self.has_log() { DOCK } else { self.focus };
    }

    /// `:fields .status .req.path`: these as columns; without any, level, message and the rest.
    pub(in crate::ui) fn log_fields(&mut self, typed: &str) {
        let paths: Result<Vec<Path>, &str> = typed
            .split_whitespace()
            .map(|word| {
                let dotted = if word.starts_with('.') { word.to_owned() } else { format!(".{word}") };
                Path::read(&dotted).ok().filter(|(_, used)| *used == dotted.len()).map(|(p, _)| p).ok_or(word)
            })
            .collect();
        match paths {
            Ok(columns) => self.with_pane(|p| {
                (p.columns, p.widths, p.form) = (columns, Vec::new(), Form::Columns);
                p.shift = 0;
            }),
            Err(word) => {
                let text = self.lang.fill("query.path", &[("text", word)]);
                self.notice(Notice { good: false, text });
            }
        }
    }
}
