//! What keys do.

use std::fmt::Write as _;

use super::layout::{Dock, Zoom};
use super::line::Line;
use super::overlay::Overlay;
use super::pane::{Motion, PaneKind};
use super::term::Mouse;
use super::{DOCK, DockText, Input, PROBLEMS, Ui};
use crate::config::keymap::Lookup;
use crate::config::keys::{KeyCode, KeyPress};
use crate::model::command::Command;
use crate::model::effect::{Effect, Errand, Inspection, RequestId};
use crate::model::fact::Notice;
use crate::model::id::Target;
use crate::model::source::Subject;
use crate::store::Store;

/// Cells that a key moves a document sideways.
const SIDEWAYS: usize = 16;

impl Ui {
    /// Takes what happened; says what is to be done about it. Everything it shows is drawn by the next [`Ui::draw`].
    pub fn update(&mut self, store: &Store, input: Input) -> Vec<Effect> {
        self.now = store.now();
        match input {
            Input::Key(key) => {
                self.last_key = store.now();
                self.key(store, key)
            }
            Input::Paste(text) => {
                self.paste(store, &text);
                Vec::new()
            }
            Input::Click { column, row } => {
                self.last_key = store.now();
                self.click(store, column, row);
                Vec::new()
            }
            Input::Wheel { down, column, row } => {
                self.wheel(store, if down { 3 } else { -3 }, column, row);
                Vec::new()
            }
            Input::Resize(_) | Input::Tick => {
                self.disarm_in_time(store.now());
                Vec::new()
            }
        }
    }

    fn key(&mut self, store: &Store, key: KeyPress) -> Vec<Effect> {
        if self.ask(store).is_some() {
            return self.ask_key(store, key);
        }
        if self.overlay.is_some() {
            return self.overlay_key(store, key);
        }
        if let Some(effects) = self.run_key(key) {
            self.message = self.message.take().filter(|(n, _)| !n.good);
            return effects;
        }
        self.message = None;
        self.pressed.push(key);
        match self.keys.lookup(&self.pressed) {
            Lookup::Prefix => Vec::new(),
            Lookup::Command(command) => {
                self.pressed.clear();
                self.run(store, command)
            }
            Lookup::None => {
                let alone = self.pressed.len() == 1;
                self.pressed.clear();
                // A wrong second key is a key of its own, except that esc only ends the sequence.
                if alone || key.code == KeyCode::Esc { Vec::new() } else { self.key(store, key) }
            }
        }
    }

    fn paste(&mut self, store: &Store, text: &str) {
        if self.ask(store).is_some() {
            self.ask_line.insert(text);
        } else if let Some(line) = self.overlay.as_mut().and_then(Overlay::line) {
            line.insert(text);
            self.overlay_typed(store);
        }
    }

    pub(super) fn motion(&mut self, store: &Store, motion: Motion) {
        match self.focus {
            PROBLEMS => self.problems.step(motion, store),
            DOCK if self.reads_log() => self.log_motion(store, motion),
            DOCK => {
                let page = usize::from(self.plan.dock.height.saturating_sub(1)).max(1);
                let by = |n: isize| self.scroll.saturating_add_signed(n);
                self.scroll = match motion {
                    Motion::By(n) => by(n),
                    Motion::HalfPages(n) => by(n * isize::try_from(page / 2).unwrap_or(1).max(1)),
                    Motion::Top => 0,
                    Motion::Bottom => usize::MAX / 2,
                };
            }
            _ => {
                let slot = self.slot;
                self.pane_mut(slot).step(motion, store);
                if matches!(self.dock_text, DockText::Detail) {
                    self.scroll = 0;
                }
            }
        }
    }

    fn cycle(&mut self, forward: bool) {
        let mut stops: Vec<usize> = (0..=PROBLEMS).collect();
        if self.dock == Dock::Open {
            stops.push(DOCK);
        }
        let at = stops.iter().position(|s| *s == self.focus).unwrap_or(0);
        let next = if forward { (at + 1) % stops.len() } else { (at + stops.len() - 1) % stops.len() };
        self.set_focus(stops[next]);
    }

    pub(super) fn run(&mut self, store: &Store, command: Command) -> Vec<Effect> {
        if let Some(effects) = self.log_command(store, command) {
            return effects;
        }
        match command {
            Command::Up => self.motion(store, Motion::By(-1)),
            Command::Down => self.motion(store, Motion::By(1)),
            Command::Top => self.motion(store, Motion::Top),
            Command::Bottom => self.motion(store, Motion::Bottom),
            Command::PageUp => self.motion(store, Motion::HalfPages(-2)),
            Command::PageDown => self.motion(store, Motion::HalfPages(2)),
            Command::HalfUp => self.motion(store, Motion::HalfPages(-1)),
            Command::HalfDown => self.motion(store, Motion::HalfPages(1)),
            Command::Left if self.reading() => self.shift = self.shift.saturating_sub(SIDEWAYS),
            Command::Right if self.reading() => self.shift = (self.shift + SIDEWAYS).min(self.longest_line()),
            Command::Left => self.set_focus(if self.focus < 5 { self.focus.saturating_sub(1) } else { self.slot }),
            Command::Right => self.set_focus(if self.focus < 4 { self.focus + 1 } else { self.slot }),
            Command::NextPane => self.cycle(true),
            Command::PreviousPane => self.cycle(false),
            Command::Pane1 => self.set_focus(0),
            Command::Pane2 => self.toggle(1),
            Command::Pane3 => self.set_focus(2),
            Command::Pane4 => self.toggle(3),
            Command::Pane5 => self.set_focus(4),
            Command::Problems => self.set_focus(PROBLEMS),
            Command::Zoom => self.zoom = if self.zoom == Zoom::All { Zoom::One } else { Zoom::All },
            Command::Grow => self.grown[self.slot] = (self.grown[self.slot] + 4).min(80),
            Command::Shrink => self.grown[self.slot] = (self.grown[self.slot] - 4).max(-60),
            Command::Dock => {
                self.dock = if self.dock == Dock::Open { Dock::Closed } else { Dock::Open };
                if self.focus == DOCK {
                    self.focus = self.slot;
                }
            }
            Command::Enter => self.enter(store),
            Command::Back => self.back(store),
            Command::Relatives => self.relatives(store),
            Command::Filter if self.focus == DOCK => self.overlay = Some(Overlay::Search(Line::new(self.search.clone()))),
            Command::Filter => self.overlay = Some(Overlay::Filter { line: Line::new(self.pane(self.slot).filter()), all: false }),
            Command::FilterAll => self.overlay = Some(Overlay::Filter { line: Line::new(self.pane(self.slot).filter()), all: true }),
            Command::NextMatch => self.search_step(store, true),
            Command::PreviousMatch => self.search_step(store, false),
            Command::Sort => self.pane_mut(self.slot).sort_next(),
            Command::SortReverse => self.pane_mut(self.slot).sort_reverse(),
            Command::Columns => self.overlay = Some(Overlay::Columns(0)),
            Command::Mark => {
                self.pane_mut(self.slot).toggle_mark();
                self.motion(store, Motion::By(1));
            }
            Command::ClearMarks => self.pane_mut(self.slot).clear_marks(),
            Command::Freeze => self.frozen = !self.frozen,
            Command::Logs
            | Command::PreviousLogs
            | Command::AddLogs
            | Command::Follow
            | Command::Wrap
            | Command::Times
            | Command::Form
            | Command::LogFilter
            | Command::LineStart
            | Command::LineEnd
            | Command::Select
            | Command::NextMark
            | Command::PreviousMark => {}
            Command::Yaml => return self.inspect(store, Inspection::Yaml),
            Command::Describe => return self.inspect(store, Inspection::Describe),
            Command::Events => self.show(PaneKind::Events),
            Command::Containers => self.show(PaneKind::Containers),
            Command::Workloads => self.show(PaneKind::Workloads),
            Command::Copy | Command::CopyRow => return self.copy(store, command == Command::CopyRow),
            Command::Save => {
                let text = self.text(store);
                self.overlay = Some(Overlay::Save { line: Line::default(), text });
            }
            Command::Pager => return vec![Effect::Suspend(Errand::Page(self.text(store)))],
            Command::Retry => return self.retry(store),
            Command::Login => {
                if let Some(name) = self.cluster(store) {
                    return vec![Effect::Suspend(Errand::Login(name))];
                }
            }
            Command::CommandLine => self.overlay = Some(Overlay::Command { line: Line::default(), at: self.history.len() }),
            Command::Help => self.overlay = Some(Overlay::Help(0)),
            Command::Sources => self.overlay = Some(Overlay::Sources(0)),
            Command::Mouse => self.mouse = if self.mouse == Mouse::On { Mouse::Off } else { Mouse::On },
            Command::Theme => {
                let names: Vec<String> = self.themes.names().map(str::to_owned).collect();
                let at = names.iter().position(|n| n == self.paint.theme()).unwrap_or(0);
                self.set_theme(&names[(at + 1) % names.len().max(1)]);
            }
            Command::Redraw => return vec![Effect::Redraw],
            Command::Suspend => return vec![Effect::Background],
            Command::Playbooks => return vec![Effect::Books],
            Command::PlaybookRun => self.show_run(),
            Command::NextHint => self.tour.next(),
            Command::Quit => return vec![Effect::Quit],
        }
        Vec::new()
    }

    /// The number of a focused slot with several views shows the next of them.
    fn toggle(&mut self, slot: usize) {
        if self.focus == slot {
            self.shown[slot] = (self.shown[slot] + 1) % self.slots[slot].len();
        }
        self.set_focus(slot);
    }

    pub(super) fn set_theme(&mut self, name: &str) {
        match self.themes.get(name) {
            Ok(theme) => {
                self.paint = super::paint::Paint::new(theme, self.paint.depth());
                let text = self.lang.fill("message.theme", &[("name", name)]);
                self.notice(Notice { good: true, text });
            }
            Err(e) => self.notice(Notice { good: false, text: e.to_string() }),
        }
    }

    fn inspect(&mut self, store: &Store, what: Inspection) -> Vec<Effect> {
        let Some(target) = self.selected() else { return Vec::new() };
        let request = RequestId(self.next_request);
        self.next_request += 1;
        self.dock = Dock::Open;
        self.dock_text = DockText::Waiting(request, super::name::name_of(store, &target));
        (self.scroll, self.shift, self.hit) = (0, 0, None);
        self.search.clear();
        if self.focus < 5 {
            self.slot = self.focus;
        }
        self.focus = DOCK;
        vec![Effect::Inspect { request, target, what }]
    }

    fn copy(&mut self, store: &Store, whole: bool) -> Vec<Effect> {
        let text = match (self.focus, &self.dock_text) {
            (DOCK, _) => Some(self.text(store)),
            (PROBLEMS, _) => self.selected().map(|t| {
                let mut line = super::name::name_of(store, &t);
                if whole {
                    let _ = write!(line, "\t{}", super::pane::problem::evidence(&self.say(store), &t));
                }
                line
            }),
            _ => self.pane(self.slot).copy(&self.say(store), whole),
        };
        let Some(text) = text.filter(|t| !t.is_empty()) else { return Vec::new() };
        let count = text.lines().count().to_string();
        let words = self.lang.fill("message.copied", &[("lines", &count)]);
        self.notice(Notice { good: true, text: words });
        vec![Effect::Copy(text)]
    }

    /// What is looked at, as text: the document or detail in the dock, else the pane's table.
    pub(super) fn text(&self, store: &Store) -> String {
        if self.focus == DOCK {
            match &self.dock_text {
                DockText::Document(d) => d.lines.iter().flat_map(|l| [crate::base::text::clean(l), "\n".into()]).collect(),
                _ => self.detail(store).into_iter().flat_map(|l| [l.label, "  ".to_owned(), l.text, "\n".to_owned()]).collect(),
            }
        } else {
            self.pane(self.slot).dump(&self.say(store), 200_000)
        }
    }

    fn retry(&mut self, store: &Store) -> Vec<Effect> {
        let about = self.selected();
        let fits = |s: &Subject| match (&about, s) {
            (Some(Target::Host(n)), Subject::Host(m)) | (Some(Target::Cluster(n)), Subject::Cluster(m)) => n == m,
            (Some(Target::Vm(k)), Subject::Host(m)) => k.host == *m,
            (Some(Target::Container(k)), Subject::Host(m)) => k.host == *m,
            (Some(Target::Node(k)), Subject::Cluster(m)) => k.cluster == *m,
            (Some(Target::Pod(k) | Target::Workload(k) | Target::Event(k)), Subject::Cluster(m)) => k.cluster == *m,
            (Some(Target::Group(k)), Subject::Middleware { kind, name }) => k.kind == *kind && k.name == *name,
            _ => false,
        };
        store.sources().filter(|s| fits(&s.subject)).map(|s| Effect::Retry(s.id)).collect()
    }

    fn cluster(&self, store: &Store) -> Option<crate::model::id::Name> {
        match self.selected()? {
            Target::Cluster(name) => Some(name),
            Target::Node(k) => Some(k.cluster),
            Target::Pod(k) | Target::Workload(k) | Target::Event(k) => Some(k.cluster),
            _ => store.clusters.iter().map(|(_, e)| e.row.name.clone()).next(),
        }
    }

    pub(super) fn search_step(&mut self, store: &Store, forward: bool) {
        if self.search.is_empty() {
            return;
        }
        let needle = self.search.to_lowercase();
        let (lines, _) = self.dock_lines(store);
        let column = |l: &super::detail::Fact| crate::base::text::clean(&l.text).to_lowercase().find(&needle);
        let hits: Vec<usize> = lines.iter().enumerate().filter(|(_, l)| column(l).is_some()).map(|(i, _)| i).collect();
        let next = match (self.hit, forward) {
            // The first search starts with what is in sight.
            (None, true) => hits.iter().position(|i| *i >= self.scroll).unwrap_or(0),
            (None, false) => hits.iter().rposition(|i| *i < self.scroll).unwrap_or(hits.len().saturating_sub(1)),
            (Some(at), true) => hits.iter().position(|i| *i > at).unwrap_or(0),
            (Some(at), false) => hits.iter().rposition(|i| *i < at).unwrap_or(hits.len().saturating_sub(1)),
        };
        let Some(&line) = hits.get(next) else {
            self.hit = None;
            let text = self.lang.fill("message.not-found", &[("text", &self.search)]);
            self.notice(Notice { good: false, text });
            return;
        };
        self.hit = Some(line);
        let height = usize::from(self.plan.dock.height.saturating_sub(1)).max(1);
        if !(self.scroll..self.scroll + height).contains(&line) {
            self.scroll = line.saturating_sub(height / 3);
        }
        let (at, room) = (column(&lines[line]).unwrap_or(0), usize::from(self.plan.dock.width.saturating_sub(3)));
        if self.reading() && !(self.shift..(self.shift + room).saturating_sub(needle.len())).contains(&at) {
            self.shift = if at + needle.len() < room { 0 } else { at.saturating_sub(room / 2) };
        }
        let text = self.lang.fill("message.match", &[("at", &(next + 1).to_string()), ("total", &hits.len().to_string()), ("text", &self.search)]);
        self.notice(Notice { good: true, text });
    }

    /// Is a document being read?
    fn reading(&self) -> bool {
        self.focus == DOCK && matches!(self.dock_text, DockText::Document(_))
    }

    fn longest_line(&self) -> usize {
        let DockText::Document(d) = &self.dock_text else { return 0 };
        d.lines.iter().map(|l| crate::base::text::width(l)).max().unwrap_or(0).saturating_sub(SIDEWAYS)
    }

    fn under(&self, column: u16, row: u16) -> Option<usize> {
        let at = ratatui::layout::Position { x: column, y: row };
        if self.plan.problems.contains(at) {
            return Some(PROBLEMS);
        }
        if self.plan.dock.contains(at) {
            return Some(DOCK);
        }
        self.plan.panes.iter().find(|(_, r)| r.contains(at)).map(|(s, _)| *s)
    }

    fn click(&mut self, store: &Store, column: u16, row: u16) {
        let Some(place) = self.under(column, row) else { return };
        self.set_focus(place);
        if place == PROBLEMS {
            if let Some(line) = row.checked_sub(self.plan.problems.y + 1) {
                self.problems.click(usize::from(line), store);
            }
        } else if place == DOCK && self.has_log() {
            if let Some(line) = row.checked_sub(self.plan.dock.y + 1) {
                self.log_click(store, usize::from(line));
            }
        } else if let Some((slot, area)) = self.plan.panes.iter().find(|(s, _)| *s == place).copied()
            && let Some(line) = row.checked_sub(area.y + 1)
        {
            self.pane_mut(slot).click(usize::from(line), store);
        }
    }

    fn wheel(&mut self, store: &Store, by: isize, column: u16, row: u16) {
        let Some(place) = self.under(column, row) else { return };
        let (focus, slot) = (self.focus, self.slot);
        self.set_focus(place);
        self.motion(store, Motion::By(by));
        (self.focus, self.slot) = (focus, slot);
    }
}
