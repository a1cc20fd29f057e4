//! Playbooks on the screen: the list behind `P`, and a run in the dock beside the live panes.

use std::sync::Arc;

use secrecy::SecretString;

use super::detail::Fact;
use super::layout::Dock;
use super::line::Line;
use super::overlay::Overlay;
use super::{DOCK, DockText, Ui, Writing};
use crate::base::clock::Moment;
use crate::base::text;
use crate::config::keys::{KeyCode, KeyPress};
use crate::model::effect::Effect;
use crate::model::fact::Notice;
use crate::model::run::{BookLine, Chosen, Met, PastRun, RunAskKind, RunPicture, RunReply, StepDanger, StepState};

/// Lines of what steps said that stand below them.
const TAIL: usize = 12;

/// What the screen knows of playbooks.
#[derive(Debug, Default)]
pub(super) struct Runs {
    pub books: Vec<BookLine>,
    pub past: Vec<PastRun>,
    pub picture: Option<Arc<RunPicture>>,
    /// The answer being typed.
    line: Line,
    /// The question that `line` is for.
    asked: u64,
}

impl Ui {
    /// The answer to [`Effect::Books`].
    pub fn books(&mut self, books: Vec<BookLine>, past: Vec<PastRun>) {
        (self.runs.books, self.runs.past) = (books, past);
        self.overlay = Some(Overlay::Books { line: Line::default(), at: 0 });
    }

    /// A run as it is now; the first one opens the dock.
    pub fn run_picture(&mut self, picture: Arc<RunPicture>) {
        let asked = picture.ask.as_ref().map_or(0, |a| a.id);
        if self.runs.asked != asked {
            self.runs.asked = asked;
            self.runs.line = Line::default();
            if asked != 0 && matches!(self.dock_text, DockText::Run) {
                self.scroll = 0;
            }
        }
        if self.runs.picture.is_none() {
            self.show_run();
        }
        self.runs.picture = Some(picture);
    }

    /// Puts the run into the dock and the focus on it.
    pub(super) fn show_run(&mut self) {
        (self.dock, self.dock_text, self.scroll, self.shift, self.hit) = (Dock::Open, DockText::Run, 0, 0, None);
        self.search.clear();
        if self.focus < 5 {
            self.slot = self.focus;
        }
        self.focus = DOCK;
    }

    pub(super) fn run_title(&self) -> String {
        let Some(picture) = &self.runs.picture else { return self.lang.word("run.none").to_owned() };
        let stage = self.lang.word(&format!("run.stage.{}", picture.stage.word())).to_owned();
        let (done, all) = picture.progress;
        let progress = if all > 0 { format!(" {done}/{all}") } else { String::new() };
        format!("{}: {stage}{progress}", picture.title)
    }

    pub(super) fn run_lines(&self) -> Vec<Fact> {
        let Some(picture) = &self.runs.picture else {
            return vec![Fact { text: self.lang.word("run.none").to_owned(), scope: "text.dim", ..Fact::default() }];
        };
        let plain = |text: String, scope: &'static str| Fact { text, scope, ..Fact::default() };
        let mut out = Vec::new();
        if let Some(ask) = &picture.ask {
            let room = usize::from(self.plan.dock.width.saturating_sub(6)).max(20);
            let scope = if matches!(ask.kind, RunAskKind::Failed | RunAskKind::Unknown | RunAskKind::Phrase(_)) { "verdict.crit" } else { "text.strong" };
            for line in &ask.lines {
                let (line, scope) = match line.split_at_checked(2) {
                    Some(("= ", means)) => (format!("{} {means}", self.lang.word("run.means")), "text.accent"),
                    Some(("> ", fix)) => (format!("{} {fix}", self.lang.word("run.fix")), "text.accent"),
                    _ if line == "?" => (self.lang.word("run.why").to_owned(), scope),
                    _ => (line.clone(), scope),
                };
                let clean = text::clean(&line);
                out.extend(text::wrap(&clean, room).into_iter().map(|part| plain(part.to_owned(), scope)));
            }
            let words = match &ask.kind {
                RunAskKind::Phrase(phrase) => self.lang.fill("run.ask.phrase", &[("phrase", phrase)]),
                other => self.lang.word(&format!("run.ask.{}", other.word())).to_owned(),
            };
            out.push(plain(words, "text.accent"));
            if ask.kind.keys().is_empty() {
                let typed = if ask.kind == RunAskKind::Secret { "*".repeat(self.runs.line.text().chars().count()) } else { self.runs.line.text().to_owned() };
                out.push(plain(format!("> {typed}_"), "text.strong"));
            }
            out.push(plain(String::new(), ""));
        }
        for line in &picture.closing {
            out.push(plain(line.clone(), "text.strong"));
        }
        for step in &picture.steps {
            let danger = match step.danger {
                StepDanger::None => String::new(),
                StepDanger::Disruptive => format!("  ({})", self.lang.word("run.danger.disruptive")),
                StepDanger::Destructive => format!("  ({})", self.lang.word("run.danger.destructive")),
            };
            let scope = if step.danger == StepDanger::Destructive { "verdict.crit" } else { "text.strong" };
            out.push(plain(format!("{}{danger}", step.name), scope));
            for target in &step.targets {
                let state = self.lang.word(&format!("run.state.{}", target.state.word())).to_owned();
                let running = target
                    .running
                    .map_or_else(String::new, |(for_, silent)| self.lang.fill("run.running", &[("span", &text::span(for_)), ("silent", &text::span(silent))]));
                let why = [running.as_str(), target.why.as_str()].into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join("  ");
                out.push(Fact { label: state, text: format!("{}  {why}", target.host), scope: scope_of(target.state) });
                out.extend(target.diff.iter().map(|l| plain(format!("    {l}"), "text.dim")));
            }
        }
        if !picture.said.is_empty() {
            out.push(plain(String::new(), ""));
            out.extend(picture.said[picture.said.len().saturating_sub(TAIL)..].iter().map(|l| plain(l.clone(), "text.dim")));
        }
        out
    }

    /// A key for the run in the dock; `None` where it has no use for it.
    pub(super) fn run_key(&mut self, key: KeyPress) -> Option<Vec<Effect>> {
        if self.focus != DOCK || !matches!(self.dock_text, DockText::Run) || key.ctrl || key.alt {
            return None;
        }
        let ask = self.runs.picture.as_ref()?.ask.clone()?;
        let reply = |reply| Some(vec![Effect::RunReply { id: ask.id, reply }]);
        if ask.kind.keys().is_empty() {
            match key.code {
                KeyCode::Enter => {
                    let typed = self.runs.line.take();
                    if let RunAskKind::Phrase(phrase) = &ask.kind
                        && typed != *phrase
                    {
                        let text = self.lang.fill("run.wrong-phrase", &[("phrase", phrase)]);
                        self.notice(Notice { good: false, text });
                        return Some(Vec::new());
                    }
                    return reply(RunReply::Line(SecretString::from(typed)));
                }
                KeyCode::Esc => return reply(RunReply::Nothing),
                KeyCode::Up | KeyCode::Down | KeyCode::PageUp | KeyCode::PageDown | KeyCode::Tab => return None,
                _ => {
                    self.runs.line.key(key);
                    return Some(Vec::new());
                }
            }
        }
        let KeyCode::Char(letter) = key.code else { return None };
        if !ask.kind.keys().contains(letter) {
            return None;
        }
        if matches!((&ask.kind, letter), (RunAskKind::Begin, 'y') | (RunAskKind::Again, 'r' | 'u')) && self.writing != Writing::Armed {
            let word = if self.writing == Writing::Locked { "run.locked" } else { "run.read-only" };
            let text = self.lang.word(word).to_owned();
            self.notice(Notice { good: false, text });
            return Some(Vec::new());
        }
        reply(RunReply::Key(letter))
    }

    /// The list of playbooks that fit what is typed: by name first, then by title, then by what they are for.
    pub(super) fn books_found(&self, typed: &str) -> Vec<&BookLine> {
        let needle = sought(typed);
        let place = |b: &BookLine| match [&b.name, &b.title, &b.when_to_use].iter().position(|t| t.to_lowercase().contains(&needle)) {
            Some(0) if b.name.to_lowercase().starts_with(&needle) => Some(0),
            place => place.map(|p| p + 1),
        };
        let mut found: Vec<(usize, &BookLine)> = self.runs.books.iter().filter_map(|b| Some((place(b)?, b))).collect();
        found.sort_by_key(|(place, _)| *place);
        found.into_iter().map(|(_, book)| book).collect()
    }

    /// The runs of before that fit what is typed.
    fn past_found(&self, typed: &str) -> Vec<&PastRun> {
        let needle = sought(typed);
        self.runs.past.iter().filter(|r| [&r.name, &r.playbook].iter().any(|t| t.to_lowercase().contains(&needle))).collect()
    }

    /// What is chosen at that place: the playbooks first, then the runs of before.
    fn chosen(&self, typed: &str, at: usize) -> Option<Chosen> {
        let books = self.books_found(typed);
        match books.get(at) {
            Some(book) => Some(Chosen::Book(book.name.clone())),
            None => self.past_found(typed).get(at - books.len()).map(|run| Chosen::Past(run.name.clone())),
        }
    }

    /// Rows of the list: name, title, what it needs; then the runs of before.
    pub(super) fn book_rows(&self, typed: &str) -> Vec<(String, String, &'static str)> {
        let mut rows = vec![(String::new(), format!("/{typed}_"), "text.accent")];
        let (found, past) = (self.books_found(typed), self.past_found(typed));
        if found.is_empty() && past.is_empty() {
            rows.push((String::new(), self.lang.word("run.no-books").to_owned(), "text.dim"));
        }
        for book in found {
            let needs: Vec<String> = book
                .needs
                .iter()
                .map(|n| {
                    let mark = match n.met {
                        Met::Yes => self.glyphs.ok,
                        Met::No => self.glyphs.crit,
                        Met::Unknown => "?",
                    };
                    format!("{mark} {}", n.what)
                })
                .collect();
            let (mark, scope) = match &book.broken {
                Some(_) => (self.glyphs.crit, "verdict.crit"),
                None if book.needs.iter().any(|n| n.met == Met::No) => (self.glyphs.warn, "text.dim"),
                None => (self.glyphs.ok, ""),
            };
            let words = book.broken.clone().unwrap_or_else(|| format!("{}  {}", book.title, needs.join("  ")));
            rows.push((mark.to_owned(), format!("{:<22} {}  {}", book.name, text::clean(&words), book.proven), scope));
        }
        for run in past {
            let (mark, scope) = if run.unfinished { (self.glyphs.warn, "verdict.warn") } else { (self.glyphs.ok, "text.dim") };
            let key = if run.unfinished { "run.past.unfinished" } else { "run.past.finished" };
            let words = self.lang.fill(key, &[("state", run.state), ("by", &text::clean(&run.by)), ("playbook", &text::clean(&run.playbook))]);
            rows.push((mark.to_owned(), format!("{:<22} {words}", run.name), scope));
        }
        rows
    }

    /// A key for the list.
    pub(super) fn books_key(&mut self, key: KeyPress) -> Vec<Effect> {
        let Some(Overlay::Books { line, at }) = &mut self.overlay else { return Vec::new() };
        match key.code {
            KeyCode::Up => *at = at.saturating_sub(1),
            KeyCode::Down => *at += 1,
            KeyCode::Enter => {
                let (typed, at) = (line.text().to_owned(), *at);
                if let Some(what) = self.chosen(&typed, at) {
                    self.overlay = None;
                    self.runs.picture = None;
                    let options = typed.find(" -").map_or("", |from| &typed[from..]).trim().to_owned();
                    return vec![Effect::OpenBook { what, options }];
                }
            }
            _ => {
                line.key(key);
                *at = 0;
            }
        }
        let typed = if let Some(Overlay::Books { line, .. }) = &self.overlay { line.text().to_owned() } else { String::new() };
        let count = self.books_found(&typed).len() + self.past_found(&typed).len();
        if let Some(Overlay::Books { at, .. }) = &mut self.overlay {
            *at = (*at).min(count.saturating_sub(1));
        }
        Vec::new()
    }

    /// `:write 15m`: allows changes for a while; `:write` alone takes it back.
    pub(super) fn arm(&mut self, argument: &str) -> Vec<Effect> {
        if self.writing == Writing::Locked {
            let text = self.lang.word("run.locked").to_owned();
            self.notice(Notice { good: false, text });
            return Vec::new();
        }
        let argument = argument.trim();
        if argument.is_empty() || argument == "off" {
            (self.writing, self.armed_until) = (Writing::ReadOnly, None);
            let text = self.lang.word("run.disarmed").to_owned();
            self.notice(Notice { good: true, text });
            return vec![Effect::Armed(None)];
        }
        let (number, unit) = argument.split_at(argument.find(|c: char| !c.is_ascii_digit()).unwrap_or(argument.len()));
        let scale = match unit {
            "s" => Some(1),
            "" | "m" => Some(60),
            "h" => Some(3600),
            _ => None,
        };
        let seconds = number.parse::<u64>().ok().zip(scale).map(|(n, scale)| n * scale).filter(|s| (1..=8 * 3600).contains(s));
        let Some(seconds) = seconds else {
            let text = self.lang.fill("run.write-usage", &[("text", argument)]);
            self.notice(Notice { good: false, text });
            return Vec::new();
        };
        self.writing = Writing::Armed;
        self.armed_until = Some(self.now.plus(std::time::Duration::from_secs(seconds)));
        let text = self.lang.fill("run.armed", &[("span", &text::span(seconds))]);
        self.notice(Notice { good: true, text });
        vec![Effect::Armed(Some(seconds))]
    }

    /// Takes the arming back when its time is over.
    pub(super) fn disarm_in_time(&mut self, now: Moment) {
        if self.armed_until.is_some_and(|until| now >= until) {
            (self.writing, self.armed_until) = (Writing::ReadOnly, None);
            let text = self.lang.word("run.disarmed").to_owned();
            self.notice(Notice { good: false, text });
        }
    }

    /// `WRITE 14m`, as the header says it.
    pub(super) fn armed_words(&self) -> String {
        let word = self.lang.word("header.armed");
        match self.armed_until {
            Some(until) => format!("{word} {}", text::span(until.since(self.now).as_secs())),
            None => word.to_owned(),
        }
    }
}

/// What is searched for: the options behind it are for the run.
fn sought(typed: &str) -> String {
    typed.find(" -").map_or(typed, |from| &typed[..from]).trim().to_lowercase()
}

fn scope_of(state: StepState) -> &'static str {
    match state {
        StepState::Done | StepState::Changed | StepState::Undone => "verdict.ok",
        StepState::Failed | StepState::Unreachable => "verdict.crit",
        StepState::Unclear | StepState::Ignored => "verdict.unknown",
        StepState::Running | StepState::Looking | StepState::Verifying | StepState::Undoing => "text.accent",
        StepState::ToDo => "text.strong",
        StepState::Later | StepState::Skipped => "text.dim",
    }
}
