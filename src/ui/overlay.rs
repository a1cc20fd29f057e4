//! What lies over the panes: typing lines, help, sources, columns, questions.

use secrecy::SecretString;

use super::Ui;
use super::line::Line;
use super::pane::Motion;
use crate::config::keymap::Lookup;
use crate::config::keys::{KeyCode, KeyPress};
use crate::model::ask::{Answer, Ask, AskKind};
use crate::model::command::Command;
use crate::model::effect::Effect;
use crate::model::fact::Notice;
use crate::store::Store;

#[derive(Debug)]
pub enum Overlay {
    Filter {
        line: Line,
        /// Every pane, or the focused one.
        all: bool,
    },
    Search(Line),
    Command {
        line: Line,
        /// In the history; its length is the line being typed.
        at: usize,
    },
    Save {
        line: Line,
        text: String,
    },
    /// What lines of the log are shown.
    LogFilter {
        line: Line,
        /// To come back to.
        old: String,
    },
    SaveLog {
        line: Line,
        /// The whole stream from its start, or what is kept here.
        whole: bool,
    },
    Help(usize),
    Sources(usize),
    Columns(usize),
    /// The playbooks.
    Books {
        line: Line,
        at: usize,
    },
}

impl Overlay {
    pub fn line(&mut self) -> Option<&mut Line> {
        match self {
            Self::Filter { line, .. }
            | Self::Search(line)
            | Self::Command { line, .. }
            | Self::Save { line, .. }
            | Self::LogFilter { line, .. }
            | Self::Books { line, .. }
            | Self::SaveLog { line, .. } => Some(line),
            Self::Help(_) | Self::Sources(_) | Self::Columns(_) => None,
        }
    }
}

impl Ui {
    /// The question that stands open, one at a time.
    pub(super) fn ask<'s>(&self, store: &'s Store) -> Option<&'s Ask> {
        store.asks().iter().find(|a| !self.answered.contains(&a.id))
    }

    pub(super) fn ask_key(&mut self, store: &Store, key: KeyPress) -> Vec<Effect> {
        let Some(ask) = self.ask(store) else { return Vec::new() };
        let (id, kind) = (ask.id, ask.kind);
        let answer = match (kind, key.code) {
            (_, KeyCode::Char('c')) if key.ctrl => Answer::No,
            // Trust takes a deliberate letter; enter alone says no.
            (AskKind::HostKey, KeyCode::Char('y' | 'Y')) => Answer::Yes,
            (_, KeyCode::Esc) | (AskKind::HostKey, KeyCode::Char('n' | 'N') | KeyCode::Enter) => Answer::No,
            (AskKind::HostKey, _) => return Vec::new(),
            (_, KeyCode::Enter) => Answer::Secret(SecretString::from(self.ask_line.take())),
            _ => {
                self.ask_line.key(key);
                return Vec::new();
            }
        };
        self.ask_line = Line::default();
        self.answered.insert(id);
        vec![Effect::Answer { id, answer }]
    }

    pub(super) fn overlay_key(&mut self, store: &Store, key: KeyPress) -> Vec<Effect> {
        if key.code == KeyCode::Esc || (key.ctrl && key.code == KeyCode::Char('c')) {
            match self.overlay.take() {
                Some(Overlay::Filter { all, .. }) => self.filter_panes("", all),
                Some(Overlay::LogFilter { old, .. }) => self.filter_log(store, &old),
                _ => {}
            }
            return Vec::new();
        }
        match &mut self.overlay {
            Some(Overlay::Help(_) | Overlay::Sources(_) | Overlay::Columns(_)) => self.list_key(store, key),
            Some(Overlay::Books { .. }) => self.books_key(key),
            Some(_) if key.code == KeyCode::Enter => self.typed(store),
            Some(Overlay::Command { line, at }) => {
                let n = self.history.len();
                match key.code {
                    KeyCode::Up if n > 0 => {
                        *at = at.saturating_sub(1);
                        *line = Line::new(self.history[*at].clone());
                    }
                    KeyCode::Down if n > 0 => {
                        *at = (*at + 1).min(n);
                        *line = Line::new(self.history.get(*at).cloned().unwrap_or_default());
                    }
                    KeyCode::Tab => {
                        if let Some(full) = super::command::complete(line.text(), &self.themes, &self.verbs) {
                            *line = Line::new(full);
                        }
                    }
                    _ => {
                        line.key(key);
                    }
                }
                Vec::new()
            }
            Some(Overlay::SaveLog { whole, .. }) if key.code == KeyCode::Tab => {
                *whole = !*whole;
                Vec::new()
            }
            Some(overlay) => {
                if let Some(line) = overlay.line() {
                    line.key(key);
                }
                self.overlay_typed(store);
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// Filters follow while they are typed.
    pub(super) fn overlay_typed(&mut self, store: &Store) {
        if let Some(Overlay::LogFilter { line, .. }) = &self.overlay {
            let text = line.text().to_owned();
            self.filter_log(store, &text);
        }
        if let Some(Overlay::Filter { line, all }) = &self.overlay {
            let (text, all) = (line.text().to_owned(), *all);
            self.filter_panes(&text, all);
        }
    }

    fn typed(&mut self, store: &Store) -> Vec<Effect> {
        match self.overlay.take() {
            Some(Overlay::Search(line)) if self.reads_log() => self.search_log(store, line.text()),
            // What does not parse stays open with its mistake.
            Some(Overlay::LogFilter { line, old }) if self.filter_wrong(line.text()).is_some() => self.overlay = Some(Overlay::LogFilter { line, old }),
            Some(Overlay::LogFilter { line, .. }) => self.filter_log(store, line.text()),
            Some(Overlay::SaveLog { line, whole }) if !line.text().trim().is_empty() => return self.save_log(store, line.text().trim().to_owned(), whole),
            Some(Overlay::Search(line)) => {
                line.text().clone_into(&mut self.search);
                self.hit = None;
                self.search_step(store, true);
            }
            Some(Overlay::Command { line, .. }) => {
                let text = line.text().trim().to_owned();
                if !text.is_empty() {
                    self.history.retain(|h| *h != text);
                    self.history.push(text.clone());
                    return self.command(store, &text);
                }
            }
            Some(Overlay::Save { line, text }) if !line.text().trim().is_empty() => {
                return vec![Effect::Save { path: line.text().trim().to_owned(), text }];
            }
            _ => {}
        }
        Vec::new()
    }

    fn list_key(&mut self, store: &Store, key: KeyPress) -> Vec<Effect> {
        let count = match &self.overlay {
            Some(Overlay::Help(_)) => Command::ALL.len(),
            Some(Overlay::Sources(_)) => store.sources().count(),
            Some(Overlay::Columns(_)) => self.pane(self.slot).columns().len(),
            _ => 0,
        };
        let motion = match self.keys.lookup(&[key]) {
            Lookup::Command(Command::Up) => Motion::By(-1),
            Lookup::Command(Command::Down) => Motion::By(1),
            Lookup::Command(Command::PageUp | Command::HalfUp) => Motion::By(-10),
            Lookup::Command(Command::PageDown | Command::HalfDown) => Motion::By(10),
            Lookup::Command(Command::Retry) if matches!(self.overlay, Some(Overlay::Sources(_))) => return self.retry_source(store),
            Lookup::None | Lookup::Prefix | Lookup::Command(Command::Mark | Command::Enter) => return self.list_act(store, key),
            Lookup::Command(_) => {
                self.overlay = None;
                return Vec::new();
            }
        };
        if let (Some(Overlay::Help(at) | Overlay::Sources(at) | Overlay::Columns(at)), Motion::By(n)) = (&mut self.overlay, motion) {
            *at = at.saturating_add_signed(n).min(count.saturating_sub(1));
        }
        Vec::new()
    }

    fn list_act(&mut self, store: &Store, key: KeyPress) -> Vec<Effect> {
        match &self.overlay {
            Some(Overlay::Sources(_)) if key.code == KeyCode::Enter => self.retry_source(store),
            Some(Overlay::Columns(at)) if matches!(key.code, KeyCode::Enter | KeyCode::Char(' ')) => {
                let at = *at;
                let slot = self.slot;
                if let Some((column, _)) = self.pane(slot).columns().get(at).copied() {
                    self.pane_mut(slot).toggle_column(column);
                }
                Vec::new()
            }
            _ => {
                self.overlay = None;
                Vec::new()
            }
        }
    }

    fn retry_source(&mut self, store: &Store) -> Vec<Effect> {
        let Some(Overlay::Sources(at)) = &self.overlay else { return Vec::new() };
        let Some(source) = store.sources().nth(*at) else { return Vec::new() };
        let text = self.lang.fill("message.retry", &[("name", source.subject.name())]);
        self.notice(Notice { good: true, text });
        vec![Effect::Retry(source.id)]
    }
}
