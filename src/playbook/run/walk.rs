//! Who goes where: which positions are chosen, and which of them a target still has before it.

use super::{Broken, Host, Run, Standing};
use crate::base::intern::Name;
use crate::playbook::journal::{Choice, End};
use crate::playbook::spec::{Entry, OnLoss, Part, Playbook, TaskId};
use crate::playbook::step::Key;

/// Which positions tags and the start leave, as Ansible reads them.
pub(super) fn chosen(book: &Playbook, choice: &Choice) -> Vec<bool> {
    let mut started = choice.start_at.is_none();
    book.program
        .iter()
        .map(|entry| {
            let task = &entry.task;
            started = started || choice.start_at.as_deref().is_some_and(|name| name == task.name);
            let has = |tag: &str| task.tags.iter().any(|t| t == tag);
            let any = |tags: &[String]| {
                tags.iter().any(|t| match t.as_str() {
                    "all" => !has("never"),
                    "tagged" => !task.tags.is_empty() && !has("never"),
                    "untagged" => task.tags.is_empty(),
                    tag => has(tag),
                })
            };
            let wanted = if choice.tags.is_empty() { !has("never") } else { any(&choice.tags) || has("always") };
            let named = |tags: &[String]| tags.iter().any(|t| has(t));
            // `never` yields to a tag that names the step; `always` to --skip-tags always alone.
            let unwanted = any(&choice.skip_tags) && (!has("always") || choice.skip_tags.iter().any(|t| t == "always"));
            started && wanted && !unwanted && (!has("never") || named(&choice.tags))
        })
        .collect()
}

impl Run {
    /// Does this position still lie before this target?
    pub(super) fn goes(&self, at: usize, name: &Name) -> bool {
        let (Some(entry), Some(host)) = (self.setup.book.program.get(at), self.hosts.get(name)) else { return false };
        if !self.chosen[at] || !reaches(entry, host) {
            return false;
        }
        !entry.task.run_once || self.once(at).as_ref() == Some(name)
    }

    /// The target that does a `run_once` step for all: the one that did it before, or else the first that gets there.
    pub(super) fn once(&self, at: usize) -> Option<Name> {
        let task = TaskId(u32::try_from(at).ok()?);
        let entry = self.setup.book.program.get(at)?;
        let known = self.cells.keys().find(|k| k.task == task).map(|k| k.host.clone());
        known.or_else(|| self.hosts.iter().find(|(_, host)| reaches(entry, host)).map(|(name, _)| name.clone()))
    }

    /// The targets of a position, in order. One that was left out by a resume takes part where it is the one that does a step for all.
    pub(super) fn takers(&self, at: usize) -> Vec<Name> {
        let Some(entry) = self.setup.book.program.get(at) else { return Vec::new() };
        if !self.chosen[at] {
            return Vec::new();
        }
        if entry.task.run_once {
            let anybody = self.hosts.values().any(|host| reaches(entry, host));
            return self.once(at).filter(|_| anybody).into_iter().collect();
        }
        self.hosts.keys().filter(|name| self.goes(at, name)).cloned().collect()
    }

    /// Is a position over for a target?
    pub(super) fn is_over(&self, at: usize, name: &Name) -> bool {
        let task = TaskId(u32::try_from(at).unwrap_or(u32::MAX));
        let ended = |item| self.cells.get(&Key { task, host: name.clone(), item }).is_some_and(|c| c.end.is_some());
        match self.loops.get(&(task, name.clone())) {
            Some(items) => (0..*items).all(ended),
            None => ended(0),
        }
    }

    /// Where a step that all must get through has lost a target, it was the last one for the others too. A target that a
    /// `rescue` took is not lost.
    pub(super) fn stop_together(&mut self, at: usize) {
        let task = TaskId(u32::try_from(at).unwrap_or(u32::MAX));
        let Some(entry) = self.setup.book.program.get(at).filter(|e| e.task.on_loss == OnLoss::StopAll) else { return };
        let fell =
            |key: &Key, end: Option<End>| key.task == task && end.is_some_and(End::failed) && self.hosts.get(&key.host).is_some_and(|h| h.standing.is_lost());
        if !self.cells.iter().any(|(key, cell)| fell(key, cell.end)) {
            return;
        }
        for host in self.hosts.values_mut().filter(|h| h.standing == Standing::Active) {
            host.standing = Standing::Stopped;
            host.broken.extend(entry.within.iter().map(|(block, _)| (*block, Broken::Lost)));
        }
    }

    /// Targets that go no further because another one was lost.
    pub fn stopped(&self) -> Vec<Name> {
        self.hosts.iter().filter(|(_, h)| h.standing == Standing::Stopped).map(|(name, _)| name.clone()).collect()
    }

    /// Has a target nothing before it?
    pub(super) fn is_through(&self, name: &Name) -> bool {
        (0..self.setup.book.program.len()).all(|at| !self.goes(at, name) || self.is_over(at, name))
    }
}

fn reaches(entry: &Entry, host: &Host) -> bool {
    if matches!(host.standing, Standing::LeftOut | Standing::Unreachable) {
        return false;
    }
    // An `always` of a block that broke runs although the target is lost; what lies outside of it no longer matters.
    let always = entry.within.iter().rposition(|(block, part)| *part == Part::Always && host.broken.contains_key(block));
    if matches!(host.standing, Standing::Failed | Standing::Stopped) && always.is_none() {
        return false;
    }
    entry.within[always.unwrap_or(0)..].iter().all(|(block, part)| match (part, host.broken.get(block)) {
        (Part::Block, None) | (Part::Rescue, Some(Broken::Caught)) | (Part::Always, _) => true,
        (Part::Block, Some(_)) | (Part::Rescue, _) => false,
    })
}
