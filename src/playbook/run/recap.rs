//! How a run stands, for tables and for the last line.

use super::Run;
use crate::base::intern::Name;
use crate::playbook::journal::{End, Judged};
use crate::playbook::spec::Danger;
use crate::playbook::step::{Key, Phase};

/// One step for one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub key: Key,
    pub name: String,
    pub danger: Danger,
    /// `None`: it has not come to its end.
    pub end: Option<End>,
    /// What it is at now.
    pub flying: Option<Phase>,
    /// What `check` found last.
    pub found: Option<Judged>,
    pub why: String,
    pub diff: Option<String>,
}

/// The counts of one target, as Ansible's recap line has them: `ok` counts what changed too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub ok: u32,
    pub changed: u32,
    pub unreachable: u32,
    pub failed: u32,
    pub skipped: u32,
    pub rescued: u32,
    pub ignored: u32,
    /// A plan: would run, and cannot be told.
    pub would: u32,
    pub unclear: u32,
}

impl Run {
    /// Every step that anything is known of, in the order of the program and of the targets.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (id, entry) in self.tasks() {
            for host in self.hosts.keys() {
                let (from, to) = (Key { task: id, host: host.clone(), item: 0 }, Key { task: id, host: host.clone(), item: u32::MAX });
                rows.extend(self.cells.range(from..=to).map(|(key, cell)| Row {
                    key: key.clone(),
                    name: entry.task.name.clone(),
                    danger: entry.task.danger,
                    end: cell.end,
                    flying: cell.flying.map(|(phase, _)| phase),
                    found: cell.checks.last().copied(),
                    why: cell.why.clone(),
                    diff: cell.diff.clone(),
                }));
            }
        }
        rows
    }

    pub fn recap(&self) -> Vec<(Name, Counts)> {
        self.hosts
            .iter()
            .map(|(name, host)| {
                let mut counts = Counts { rescued: host.rescued, ..Counts::default() };
                for (key, cell) in self.cells.iter().filter(|(k, _)| k.host == *name) {
                    match cell.end {
                        Some(End::Already | End::Ok) => counts.ok += 1,
                        Some(End::Changed | End::Undone) => {
                            counts.ok += 1;
                            counts.changed += 1;
                        }
                        Some(End::Skipped) => counts.skipped += 1,
                        // A failure that a rescue took over is counted there, as Ansible does.
                        Some(End::Failed) => counts.failed += u32::from(!self.was_rescued(key)),
                        Some(End::Unreachable) => counts.unreachable += 1,
                        Some(End::Ignored) => {
                            counts.ok += 1;
                            counts.ignored += 1;
                        }
                        Some(End::Would) => counts.would += 1,
                        Some(End::Unclear) => counts.unclear += 1,
                        None => {}
                    }
                }
                (name.clone(), counts)
            })
            .collect()
    }

    fn was_rescued(&self, key: &Key) -> bool {
        let Some((entry, host)) = self.entry(key.task).zip(self.hosts.get(&key.host)) else { return false };
        entry.within.iter().any(|(block, part)| *part == crate::playbook::spec::Part::Block && host.broken.get(block) == Some(&super::Broken::Caught))
    }

    /// How far it is: steps that came to their end, and all that the targets have before them now.
    pub fn progress(&self) -> (usize, usize) {
        let (mut done, mut all) = (0, 0);
        for at in 0..self.setup.book.program.len() {
            for name in self.takers(at) {
                all += 1;
                done += usize::from(self.is_over(at, &name));
            }
        }
        (done, all)
    }

    /// As Ansible users expect: 0 all is well, 2 something failed, 4 somebody could not be reached.
    pub fn exit_code(&self) -> u8 {
        let counts = self.recap();
        match counts.iter().fold((0, 0), |(f, u), (_, c)| (f + c.failed, u + c.unreachable)) {
            (0, 0) => 0,
            (0, _) => 4,
            _ => 2,
        }
    }
}
