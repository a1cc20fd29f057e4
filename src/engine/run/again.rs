//! A run of before, gone on with or taken back from the cockpit. What the command line's `resume` and `undo` look at is looked at here
//! too: the playbook is the same, the targets are the same machines.

use std::sync::Arc;

use super::file::JournalFile;
use super::screen::{self, ScreenFront};
use super::session::Booth;
use super::wish::Wish;
use super::{Runner, Stop, acts, folder, shelf, stage};
use crate::model::id::Name;
use crate::model::run::{PastRun, RunAskKind, RunReply, Stage};
use crate::playbook::due::{Mode, Pace};
use crate::playbook::journal::{Closing, Event, Operator};
use crate::playbook::run::{Run, Setup};

/// Runs in the list; the command line lists all.
const LISTED: usize = 8;

impl Booth {
    /// The last runs that there may be something to do about.
    pub fn past(&self) -> Vec<PastRun> {
        let Some(state) = &self.config.state else { return Vec::new() };
        let (entries, _) = folder::all(&state.join("runs"));
        let open = entries.into_iter().filter(|e| !matches!(e.state, folder::State::Running | folder::State::Closed(Closing::Undone)));
        open.take(LISTED).map(|e| PastRun { unfinished: e.state.can_resume(), state: e.state.word(), name: e.id, playbook: e.playbook, by: e.by }).collect()
    }

    /// Goes on with a run, or takes it back: which, a person says when everything else is clear.
    pub(super) async fn again(&self, id: &str, options: &str, by: Operator, front: &Arc<ScreenFront>, stop: &Stop) -> Result<Option<String>, String> {
        let wish = Wish::read(options)?;
        let state = self.state()?;
        let runs = state.join("runs");
        let (journal, found) = JournalFile::open(&runs, id, self.redact.clone()).map_err(|e| e.to_string())?;
        let Some(Event::Opened(opened)) = found.records.first().map(|r| &r.event) else {
            return Err(format!("run {id} has no records: nothing was done in it"));
        };
        let (book, files) = self.playbook(shelf::meant(&opened.file))?;
        if book.sha256 != opened.sha256 {
            return Err(format!(
                "{} has changed since run {id} began: its steps may not be those of the journal. Begin a new run, or look at what changed and give --changed to\nquarterdeck --write playbook resume {id}",
                opened.file
            ));
        }
        front.change(|p| p.title = format!("{} {id}", book.name));
        let inventory = Arc::new(stage::inventory(&self.config));
        let hosts: Vec<Name> = opened.hosts.iter().map(|t| t.name.clone()).collect();
        if let Some(environment) = stage::locked(&self.config, &hosts) {
            return Err(format!("{environment}: read_only = \"locked\""));
        }
        // An answer that was the same text as a secret is not in the journal either: it is asked for again.
        let (hidden, mut vars): (serde_json::Map<_, _>, serde_json::Map<_, _>) = opened.vars.clone().into_iter().partition(|(_, value)| value == "***");
        let asked: Vec<String> = opened.secrets.iter().cloned().chain(hidden.into_iter().map(|(name, _)| name)).collect();
        vars.extend(wish.vars);
        let Some(vars) = self.answers(&book, &inventory, front, vars, Some(&asked)).await? else {
            front.change(|p| p.stage = Stage::Stopped);
            return Ok(None);
        };
        for now in self.identified(&inventory, &hosts).await {
            let before = opened.hosts.iter().find(|t| t.name == now.name);
            if let Some(before) = before.filter(|b| !b.identity.is_empty() && !now.identity.is_empty() && b.identity != now.identity) {
                return Err(format!("{} is another machine than when run {id} began: its key was {}, now it is {}", now.name, before.identity, now.identity));
            }
        }
        let only = match &wish.limit {
            Some(limit) => inventory.select(limit).map_err(|e| format!("--limit: {e}"))?,
            None => Vec::new(),
        };
        let setup = Setup {
            book: book.clone(),
            catalog: self.catalog.clone(),
            inventory,
            hosts,
            vars,
            choice: opened.choice.clone(),
            mode: Mode::Apply,
            pace: Pace::Step,
        };
        let run = Run::replay(setup, &found.records).map_err(|e| format!("run {id}: {e}"))?;
        let steps = screen::steps(&run.rows());
        let mut lines = vec![id.to_owned()];
        lines.extend(run.to_undo().filter_map(|key| Some(format!("  {} ({})", run.setup().book.program.get(key.task.0 as usize)?.task.name, key.host))));
        front.change(|p| {
            p.stage = Stage::Planned;
            p.steps = steps;
        });
        let pid = std::process::id();
        let (act, event) = match front.put(RunAskKind::Again, lines).await {
            RunReply::Key('r') => ("resume", Event::Resumed { by: by.clone(), pid, sha256: book.sha256.clone(), hosts: only }),
            RunReply::Key('u') => ("undo", Event::Undoing { by: by.clone(), pid }),
            _ => {
                front.change(|p| p.stage = Stage::Stopped);
                return Ok(None);
            }
        };
        acts::note(&state, self.clock.now(), &by, act, &format!("{} {id}", book.name));
        front.change(|p| p.stage = Stage::Running);
        let ground = self.ground(front, &files, Mode::Apply, id);
        let mut runner = Runner::new(run, Some(journal), ground, by.clone(), stop.clone()).after(&found.records);
        runner.put(event).await.map_err(|e| e.to_string())?;
        Ok(self.finish(runner, id, &by, front).await)
    }
}
