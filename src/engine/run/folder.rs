//! The runs on this machine: one folder each, named by the time of their begin.

use std::path::Path;

use jiff::Timestamp;

use super::file::{JournalFile, NAME, Trouble};
use crate::base::clock::Moment;
use crate::playbook::journal::{Closing, Event, Journal};

/// A run by its journal.
#[derive(Clone, Debug)]
pub struct Entry {
    pub id: String,
    pub playbook: String,
    pub began: Moment,
    pub by: String,
    pub state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Running,
    /// Its process ended without a word.
    Killed,
    Closed(Closing),
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Killed => "killed",
            Self::Closed(Closing::Finished) => "finished",
            Self::Closed(Closing::Failed) => "failed",
            Self::Closed(Closing::Stopped) => "stopped",
            Self::Closed(Closing::Undone) => "undone",
        }
    }

    /// Is there something to go on with?
    pub fn can_resume(self) -> bool {
        matches!(self, Self::Killed | Self::Closed(Closing::Failed | Closing::Stopped))
    }
}

/// The name of a run that begins now: `20261121-021407-mysql`, with a number where that is taken.
pub fn new_id(runs: &Path, playbook: &str, now: Moment) -> String {
    let stamp = Timestamp::from_millisecond(now.0).map(|t| t.strftime("%Y%m%d-%H%M%S").to_string()).unwrap_or_default();
    let stem = playbook.rsplit('/').next().unwrap_or(playbook).trim_end_matches(".yaml").trim_end_matches(".yml");
    let word: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(40).collect();
    let base = format!("{stamp}-{word}");
    (1..10_000).map(|n| if n == 1 { base.clone() } else { format!("{base}-{n}") }).find(|id| !runs.join(id).exists()).unwrap_or(base)
}

/// What a journal says of its run.
pub fn entry(runs: &Path, id: &str, journal: &Journal) -> Option<Entry> {
    let first = journal.records.first()?;
    let Event::Opened(opened) = &first.event else { return None };
    let state = if JournalFile::is_taken(runs, id) {
        State::Running
    } else {
        match journal.records.last().map(|r| &r.event) {
            Some(Event::Closed { why, .. }) => State::Closed(*why),
            _ => State::Killed,
        }
    };
    Some(Entry { id: id.to_owned(), playbook: opened.playbook.clone(), began: first.at, by: opened.by.name.clone(), state })
}

/// All runs, the newest first; those that cannot be read are told beside them.
pub fn all(runs: &Path) -> (Vec<Entry>, Vec<Trouble>) {
    let (mut entries, mut troubles) = (Vec::new(), Vec::new());
    let mut ids: Vec<String> = std::fs::read_dir(runs).into_iter().flatten().filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    ids.sort_unstable_by(|a, b| b.cmp(a));
    for id in ids.iter().filter(|id| runs.join(id).join(NAME).is_file()) {
        match JournalFile::read(runs, id) {
            Ok(journal) => entries.extend(entry(runs, id, &journal)),
            Err(trouble) => troubles.push(trouble),
        }
    }
    (entries, troubles)
}

/// The run that a person means: its whole name, the only one that begins like that, or `last`.
///
/// # Errors
/// None is meant, or more than one.
pub fn find(runs: &Path, meant: &str) -> Result<String, String> {
    let mut ids: Vec<String> = std::fs::read_dir(runs).into_iter().flatten().filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    ids.retain(|id| runs.join(id).join(NAME).is_file());
    ids.sort_unstable();
    if meant == "last" {
        return ids.pop().ok_or_else(|| format!("there are no runs in {}", runs.display()));
    }
    if ids.iter().any(|id| id == meant) {
        return Ok(meant.to_owned());
    }
    let like: Vec<&String> = ids.iter().filter(|id| id.starts_with(meant)).collect();
    match like.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(format!("there is no run {meant} in {}; `quarterdeck playbook runs` lists them", runs.display())),
        many => Err(format!("{meant} means {} runs: {}", many.len(), many.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", "))),
    }
}
