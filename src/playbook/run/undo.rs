//! Taking back what was done: the last first, one at a time.

use super::cell::Acted;
use super::next::{attempts, settled};
use super::{Run, Undoing};
use crate::playbook::due::{Due, Question};
use crate::playbook::journal::{Closing, Decision, End, Why};
use crate::playbook::outcome::tail;
use crate::playbook::spec::{Entry, Undo};
use crate::playbook::step::{Key, Phase};

/// A step that was done and cannot be taken back, and why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub key: Key,
    pub name: String,
    pub why: String,
}

impl Run {
    /// What is due while something is being taken back; `None`: nothing is.
    pub(super) fn taking_back(&self) -> Option<Vec<Due>> {
        let one = self.acted.iter().rev().find(|k| self.cells.get(*k).is_some_and(|c| c.take_back)).cloned();
        if self.undoing == Undoing::No && one.is_none() {
            return None;
        }
        if self.is_flying() {
            return Some(Vec::new());
        }
        let ended = if self.undoing == Undoing::All { Closing::Undone } else { Closing::Stopped };
        let Some(key) = one.or_else(|| self.to_undo().next()) else { return Some(vec![Due::Over(self.stopping.unwrap_or(ended))]) };
        if self.stopping.is_some() {
            return Some(vec![Due::Over(Closing::Stopped)]);
        }
        Some(match self.undo_of(&key) {
            Some(due) => vec![due],
            None => vec![Due::Over(ended)],
        })
    }

    /// What is still to be taken back, the last first.
    pub fn to_undo(&self) -> impl Iterator<Item = Key> + '_ {
        self.acted.iter().rev().filter(|key| self.can_undo(key)).cloned()
    }

    fn can_undo(&self, key: &Key) -> bool {
        let Some((entry, cell)) = self.entry(key.task).zip(self.cells.get(key)) else { return false };
        cell.acted != Acted::No
            && cell.end != Some(End::Undone)
            && !self.reads(&entry.task)
            && matches!(entry.task.undo, Undo::Calls(_))
            && cell.verdict.is_none()
    }

    /// What was done and stays, because it has no undo, or because it failed halfway.
    pub fn kept(&self) -> Vec<Kept> {
        let mut kept = Vec::new();
        for key in &self.acted {
            let Some((entry, cell)) = self.entry(key.task).zip(self.cells.get(key)) else { continue };
            if cell.end == Some(End::Undone) || self.reads(&entry.task) {
                continue;
            }
            let why = match &entry.task.undo {
                Undo::None(why) => why.clone(),
                Undo::Absent => "the playbook does not say how".to_owned(),
                // Its undo is written for what succeeded: on half of that it may do harm.
                Undo::Calls(_) if cell.end == Some(End::Failed) => "it failed: what it did until then is not taken back".to_owned(),
                Undo::Calls(_) => continue,
            };
            kept.push(Kept { key: key.clone(), name: entry.task.name.clone(), why });
        }
        kept
    }

    fn undo_of(&self, key: &Key) -> Option<Due> {
        let (entry, cell) = self.entry(key.task).zip(self.cells.get(key))?;
        let calls = match &entry.task.undo {
            Undo::Calls(calls) => calls.as_slice(),
            _ => &[],
        };
        if cell.undo_failed {
            return Some(self.stuck(entry, key, &cell.last.said()));
        }
        let (at, probe) = match self.next_of(calls, cell.undone, key) {
            Ok(Some(next)) => next,
            Ok(None) => return Some(Due::Note(settled(key, End::Undone, ""))),
            Err(trouble) => return Some(self.stuck(entry, key, &format!("it cannot be taken back: {trouble}"))),
        };
        let retries = probe.retries.as_ref().and_then(|v| v.value.as_f64()).unwrap_or(0.0);
        let delay = probe.delay.as_ref().and_then(|v| v.value.as_f64()).unwrap_or(2.0);
        Some(match self.job(key, Phase::Undo(at), cell, attempts(retries), delay) {
            Ok(job) => Due::Do(job),
            Err(trouble) => self.stuck(entry, key, &format!("it cannot be taken back: {trouble}")),
        })
    }

    /// An undo that does not work: a person looks, or the run stops.
    fn stuck(&self, entry: &Entry, key: &Key, said: &str) -> Due {
        Due::Ask(Box::new(Question {
            said: tail(said.trim(), 4 << 10).to_owned(),
            alone: Decision::Stop,
            ..self.question(entry, Why::Failed, vec![key.clone()])
        }))
    }
}
