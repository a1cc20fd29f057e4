//! What is due next. Targets go through the positions side by side: nobody begins a step before all have finished the one before.

use std::time::Duration;

use serde_json::Map;

use super::cell::{Acted, Before, Cell};
use super::{Run, Undoing};
use crate::base::intern::Name;
use crate::model::catalog::{Place as Where, Touches};
use crate::playbook::due::{Due, Job, Mode, Pace, Question};
use crate::playbook::journal::{Asked, Closing, Decision, End, Event, Judged, Why};
use crate::playbook::outcome::tail;
use crate::playbook::spec::{CheckMode, Confirm, Danger, Entry, Hint, Probe, Task, TaskId};
use crate::playbook::step::{Key, Phase};
use crate::playbook::template::{Kind, Trouble};

/// What one step wants for one target.
pub(super) enum Want {
    /// In flight, or waiting for others.
    Nothing,
    Note(Event),
    Do(Box<Job>),
    /// It waits for a yes.
    Confirm,
    Ask(Why),
}

impl Run {
    /// Everything that can be done now. A question comes again until its answer is applied.
    pub fn due(&mut self) -> Vec<Due> {
        if self.closed.is_some() {
            return Vec::new();
        }
        if let Some(due) = self.taking_back() {
            return due;
        }
        if let Some(why) = self.stopping {
            return if self.is_flying() { Vec::new() } else { vec![Due::Over(why)] };
        }
        while self.position < self.setup.book.program.len() {
            let at = self.position;
            let takers = self.takers(at);
            if takers.iter().all(|name| self.is_over(at, name)) {
                self.stop_together(at);
                self.position += 1;
                continue;
            }
            return self.at(at, &takers);
        }
        if self.is_flying() { Vec::new() } else { vec![Due::Over(self.closing())] }
    }

    fn closing(&self) -> Closing {
        let lost = self.hosts.values().any(|h| h.standing.is_lost());
        if lost { Closing::Failed } else { Closing::Finished }
    }

    fn at(&self, at: usize, takers: &[Name]) -> Vec<Due> {
        let task = TaskId(u32::try_from(at).unwrap_or(u32::MAX));
        let Some(entry) = self.entry(task) else { return Vec::new() };
        let (mut due, mut confirm, mut looking) = (Vec::new(), Vec::new(), false);
        for name in takers {
            if self.is_over(at, name) {
                continue;
            }
            let key = match self.key(entry, task, name) {
                Ok(key) => key,
                Err(event) => {
                    due.push(Due::Note(*event));
                    looking = true;
                    continue;
                }
            };
            let nothing = Cell::default();
            let cell = self.cells.get(&key).unwrap_or(&nothing);
            match self.want(entry, &key, cell) {
                Want::Nothing => looking |= cell.acted != Acted::Here,
                Want::Note(event) => due.push(Due::Note(event)),
                Want::Do(job) => {
                    looking |= !job.step.phase.acts() && cell.acted != Acted::Here;
                    due.push(Due::Do(job));
                }
                Want::Confirm => confirm.push(key),
                Want::Ask(why) => due.push(Due::Ask(Box::new(self.question(entry, why, vec![key])))),
            }
        }
        // One question for all targets of a step: it waits until every one of them was looked at.
        if !confirm.is_empty() && !looking && due.iter().all(|d| !matches!(d, Due::Note(_))) {
            due.push(Due::Ask(Box::new(self.question(entry, Why::Confirm, confirm))));
        }
        due
    }

    /// The item that a target is at; an event where the loop is not yet known, or has nothing in it.
    fn key(&self, entry: &Entry, task: TaskId, name: &Name) -> Result<Key, Box<Event>> {
        let key = Key { task, host: name.clone(), item: 0 };
        if entry.task.items.is_none() {
            return Ok(key);
        }
        if let Some(items) = self.loops.get(&(task, name.clone())) {
            let first = (0..*items).map(|item| Key { item, ..key.clone() }).find(|k| self.cells.get(k).is_none_or(|c| c.end.is_none()));
            return Ok(first.unwrap_or(key));
        }
        let scope = self.scope_without_item(&entry.task, name);
        match self.items(&entry.task, &scope) {
            Ok(Some(items)) if items.is_empty() => Err(Box::new(Self::settle(&entry.task, &key, &Cell::default(), End::Skipped, "nothing to loop over"))),
            Ok(items) => Err(Box::new(Event::Looped { items: u32::try_from(items.map_or(1, |i| i.len())).unwrap_or(u32::MAX), key })),
            // Left out by a condition, it need not have a list.
            Err(trouble) => Err(Box::new(match self.engine.all(&entry.task.when, &scope) {
                Ok(Some(condition)) => Self::settle(&entry.task, &key, &Cell::default(), End::Skipped, &condition.value),
                _ => self.troubled(&entry.task, &key, &trouble),
            })),
        }
    }

    fn want(&self, entry: &Entry, key: &Key, cell: &Cell) -> Want {
        if cell.flying.is_some() {
            return Want::Nothing;
        }
        match self.wanted(entry, key, cell) {
            Ok(want) => want,
            Err(trouble) => Want::Note(self.troubled(&entry.task, key, &trouble)),
        }
    }

    fn wanted(&self, entry: &Entry, key: &Key, cell: &Cell) -> Result<Want, Trouble> {
        let task = &entry.task;
        if let Some((end, why)) = &cell.verdict {
            return Ok(Want::Note(Self::settle(task, key, cell, *end, why)));
        }
        if cell.act.is_none() && cell.checks.is_empty() && cell.tries == 0 {
            let scope = self.scope(key)?;
            if let Some(condition) = self.engine.all(&task.when, &scope)? {
                return Ok(Want::Note(Self::settle(task, key, cell, End::Skipped, &condition.value)));
            }
            if let Some(Before::LeftOut(why)) = &cell.before {
                return Ok(Want::Note(Self::settle(task, key, cell, End::Skipped, why)));
            }
        }
        if let Some(judged) = cell.act {
            return self.after(entry, key, cell, judged);
        }
        if self.reads(task) {
            return self.read(entry, key, cell);
        }
        self.change(entry, key, cell)
    }

    /// Does the step change nothing?
    pub(super) fn reads(&self, task: &Task) -> bool {
        let never = task.changed_when.as_ref().is_some_and(|c| c.len() == 1 && c[0].value == "false");
        never || self.setup.catalog.action(&task.call.action).is_some_and(|a| a.touches == Touches::Nothing)
    }

    fn read(&self, entry: &Entry, key: &Key, cell: &Cell) -> Result<Want, Trouble> {
        let task = &entry.task;
        if self.setup.mode == Mode::Plan && task.check_mode == CheckMode::Looked {
            let here = self.setup.catalog.action(&task.call.action).is_some_and(|a| a.touches == Touches::Nothing && a.place == Where::Here);
            if !here || task.call.action == "pause" {
                return Ok(Want::Note(settled(key, End::Skipped, "not run in a plan")));
            }
        }
        self.act(entry, key, cell)
    }

    fn change(&self, entry: &Entry, key: &Key, cell: &Cell) -> Result<Want, Trouble> {
        let task = &entry.task;
        let checks = self.checks(entry, key);
        let spec = self.setup.catalog.action(&task.call.action);
        let looks = checks.is_empty() && spec.is_none_or(|a| a.touches == Touches::Target);
        if let Some(want) = self.probing(key, cell, checks, looks)? {
            return Ok(want);
        }
        let found = match cell.checks.as_slice() {
            [] => None,
            all if all.iter().all(|j| *j == Judged::Done) => {
                let why = if task.check.is_empty() && matches!(cell.before, Some(Before::Succeeded(_))) { "done before" } else { "" };
                return Ok(Want::Note(Self::settle(task, key, cell, End::Already, why)));
            }
            all => all.iter().rev().find(|j| **j != Judged::Done).copied(),
        };
        if found == Some(Judged::Unreachable) {
            return Ok(Want::Note(Self::settle(task, key, cell, End::Unreachable, &cell.last.message)));
        }
        if self.setup.mode == Mode::Plan {
            let (end, why) = match found {
                Some(Judged::ToDo) => (End::Would, String::new()),
                Some(_) => (End::Unclear, said_of(cell)),
                None => (End::Unclear, "it has no `check`".to_owned()),
            };
            // What it would do is rendered now: a template that cannot be is told in the plan.
            self.rendered(key)?;
            return Ok(Want::Note(settled(key, end, &why)));
        }
        if found == Some(Judged::Unknown) && !checks.is_empty() && cell.before.is_none() {
            return Ok(self.failed(entry, key, cell, &format!("its check could not tell: {}", said_of(cell))));
        }
        match (&cell.before, found) {
            // Nothing can look after it: what is known to be done is not done twice, what is not known is asked.
            (Some(Before::Succeeded(_)), None) => return Ok(Want::Note(Self::settle(task, key, cell, End::Already, "done before"))),
            (Some(Before::Begun), None) | (Some(_), Some(Judged::Unknown)) if !cell.confirmed => return Ok(Want::Ask(Why::Unknown)),
            _ => {}
        }
        if !cell.confirmed && self.asks(task) {
            return Ok(Want::Confirm);
        }
        self.act(entry, key, cell)
    }

    /// The next probe of a check, if there is one left. The first that says "not done" settles it: the others need not be asked.
    fn probing(&self, key: &Key, cell: &Cell, checks: &[Probe], looks: bool) -> Result<Option<Want>, Trouble> {
        if cell.checks.iter().any(|j| *j != Judged::Done) {
            return Ok(None);
        }
        if let Some((at, probe)) = self.next_of(checks, cell.looked, key)? {
            return self.probe(key, cell, Phase::Check(at), probe).map(Some);
        }
        if looks && cell.checks.is_empty() {
            return self.job(key, Phase::Look, cell, 1, 0.0).map(|job| Some(Want::Do(job)));
        }
        Ok(None)
    }

    /// The first probe from this position on whose `when` holds, with its position.
    pub(super) fn next_of<'p>(&self, probes: &'p [Probe], from: u32, key: &Key) -> Result<Option<(u32, &'p Probe)>, Trouble> {
        for (at, probe) in (0..).zip(probes).skip(from as usize) {
            if probe.when.is_empty() || self.engine.all(&probe.when, &self.scope(key)?)?.is_none() {
                return Ok(Some((at, probe)));
            }
        }
        Ok(None)
    }

    fn probe(&self, key: &Key, cell: &Cell, phase: Phase, probe: &Probe) -> Result<Want, Trouble> {
        let scope = self.scope(key)?;
        // A plan does not wait for what no step has begun.
        let retries = if self.setup.mode == Mode::Plan { 0.0 } else { self.number(probe.retries.as_ref(), &scope, 0.0)? };
        let delay = self.number(probe.delay.as_ref(), &scope, 2.0)?;
        self.job(key, phase, cell, attempts(retries), delay).map(Want::Do)
    }

    fn act(&self, entry: &Entry, key: &Key, cell: &Cell) -> Result<Want, Trouble> {
        let task = &entry.task;
        let scope = self.scope(key)?;
        let otherwise = if task.until.is_empty() { 0.0 } else { 3.0 };
        let retries = self.number(task.retries.as_ref(), &scope, otherwise)?;
        let delay = self.number(task.delay.as_ref(), &scope, 5.0)?;
        self.job(key, Phase::Act, cell, attempts(retries), delay).map(Want::Do)
    }

    pub(super) fn job(&self, key: &Key, phase: Phase, cell: &Cell, attempts: u32, delay: f64) -> Result<Box<Job>, Trouble> {
        let step = self.step(key, phase)?;
        let attempt = cell.tries + 1;
        let wait = if attempt > 1 { Duration::from_secs_f64(delay.min(86_400.0)) } else { Duration::ZERO };
        Ok(Box::new(Job { step, attempt, attempts: attempts.max(attempt), wait }))
    }

    fn after(&self, entry: &Entry, key: &Key, cell: &Cell, judged: Judged) -> Result<Want, Trouble> {
        let task = &entry.task;
        match judged {
            Judged::Failed => return Ok(self.failed(entry, key, cell, &said_of(cell))),
            Judged::Unreachable => return Ok(Want::Note(Self::settle(task, key, cell, End::Unreachable, &said_of(cell)))),
            Judged::Skipped => return Ok(Want::Note(Self::settle(task, key, cell, End::Skipped, &said_of(cell)))),
            // What can be looked at is looked at; nothing is taken for a success that nobody saw.
            Judged::Unknown if task.verify.is_empty() => return Ok(Want::Ask(Why::Unknown)),
            _ => {}
        }
        if let Some(how) = cell.refuted {
            let why = match how {
                Judged::Unreachable => return Ok(Want::Note(Self::settle(task, key, cell, End::Unreachable, &cell.last.message))),
                Judged::Unknown => format!("its verification could not tell: {}", cell.last.message),
                _ if cell.last.message.is_empty() => "it ran, and its verification does not agree".to_owned(),
                _ => format!("it ran, and its verification does not agree: {}", cell.last.message),
            };
            return Ok(self.failed(entry, key, cell, &why));
        }
        if let Some((at, probe)) = self.next_of(&task.verify, cell.verified, key)? {
            return self.probe(key, cell, Phase::Verify(at), probe);
        }
        let end = if judged == Judged::Ok { End::Ok } else { End::Changed };
        Ok(Want::Note(Self::settle(task, key, cell, end, "")))
    }

    /// A failure: let through, taken by a rescue, or put to a person.
    fn failed(&self, entry: &Entry, key: &Key, cell: &Cell, why: &str) -> Want {
        if entry.task.ignore_errors {
            return Want::Note(Self::settle(&entry.task, key, cell, End::Ignored, why));
        }
        // What a plan has not done may be what is missing: that is no failure yet.
        if self.setup.mode == Mode::Plan && self.awaits(&key.host) {
            return Want::Note(settled(key, End::Unclear, &format!("known only when it runs: {why}")));
        }
        let rescued = entry.within.iter().any(|(block, part)| {
            *part == crate::playbook::spec::Part::Block
                && self.setup.book.program.iter().any(|e| e.within.iter().any(|(b, p)| b == block && *p == crate::playbook::spec::Part::Rescue))
        });
        if rescued || self.setup.mode == Mode::Plan || self.undoing != Undoing::No {
            return Want::Note(Self::settle(&entry.task, key, cell, End::Failed, why));
        }
        Want::Ask(Why::Failed)
    }

    /// Is something before a target that a plan did not do?
    fn awaits(&self, host: &Name) -> bool {
        self.cells.iter().any(|(key, cell)| key.host == *host && matches!(cell.end, Some(End::Would | End::Unclear)))
    }

    /// What cannot be rendered: in a plan it may only not be known yet.
    fn troubled(&self, task: &Task, key: &Key, trouble: &Trouble) -> Event {
        let why = trouble.to_string();
        let cell = Cell::default();
        if self.setup.mode == Mode::Plan && trouble.kind == Kind::Undefined {
            return settled(key, End::Unclear, &format!("known only when it runs: {}", trouble.text));
        }
        let end = if task.ignore_errors { End::Ignored } else { End::Failed };
        Self::settle(task, key, &cell, end, &why)
    }

    /// The record of an end, with what it registers.
    pub(super) fn settle(task: &Task, key: &Key, cell: &Cell, end: End, why: &str) -> Event {
        let mut facts = Map::new();
        if let (End::Already, Some(Before::Succeeded(known))) = (end, &cell.before) {
            facts.extend(known.clone());
        }
        if task.call.action == "set_fact" && matches!(end, End::Ok | End::Changed) {
            facts.extend(cell.said.data.clone());
        } else if let Some(name) = &task.register {
            let ran = cell.act.is_some();
            let mut result = super::render::registered(if ran { &cell.said } else { &cell.last }, cell.attempts.max(1));
            result.insert("changed".to_owned(), (end == End::Changed).into());
            result.insert("failed".to_owned(), (end.failed() || end == End::Ignored).into());
            result.insert("skipped".to_owned(), (end == End::Skipped).into());
            if !why.is_empty() {
                result.insert("msg".to_owned(), why.into());
            }
            if ran || !facts.contains_key(name) {
                facts.insert(name.clone(), result.into());
            }
        }
        Event::Settled { key: key.clone(), end, why: why.to_owned(), facts }
    }

    fn asks(&self, task: &Task) -> bool {
        let always = task.danger == Danger::Destructive || matches!(task.confirm, Confirm::Phrase(_));
        always || (self.setup.pace == Pace::Step && !self.go_on)
    }

    pub(super) fn question(&self, entry: &Entry, why: Why, keys: Vec<Key>) -> Question {
        let task = &entry.task;
        let phrase = match &task.confirm {
            _ if why != Why::Confirm => None,
            Confirm::Phrase(text) => keys.first().and_then(|key| {
                let scope = self.scope(key).ok()?;
                self.engine.string(&text.at, &text.value, &scope).ok()
            }),
            _ if task.danger == Danger::Destructive => Some(match keys.as_slice() {
                [one] => one.host.to_string(),
                many => format!("{} targets", many.len()),
            }),
            _ => None,
        };
        let cell = keys.first().and_then(|k| self.cells.get(k));
        let said = cell.filter(|_| why != Why::Confirm).map(|c| c.last.said()).unwrap_or_default();
        Question {
            name: task.name.clone(),
            explain: task.explain.clone(),
            danger: task.danger,
            phrase,
            steps: keys.iter().filter_map(|key| self.rendered(key).ok()).collect(),
            diffs: keys.iter().filter_map(|k| Some((k.host.to_string(), self.cells.get(k)?.diff.clone()?))).collect(),
            hints: self.hints(task, &said),
            said: tail(said.trim(), 4 << 10).to_owned(),
            alone: if why == Why::Failed { Decision::Fail } else { Decision::Stop },
            asked: Asked { why, keys },
        }
    }

    /// The hints whose pattern is in what was said; the step's own come first.
    pub fn hints(&self, task: &Task, said: &str) -> Vec<Hint> {
        let all = task.hints.iter().chain(&self.setup.book.hints);
        all.filter(|hint| regex::Regex::new(&hint.pattern).is_ok_and(|p| p.is_match(said))).cloned().collect()
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded just before")]
pub(super) fn attempts(retries: f64) -> u32 {
    retries.clamp(0.0, 10_000.0) as u32 + 1
}

fn said_of(cell: &Cell) -> String {
    let last = &cell.last;
    if !last.message.is_empty() {
        return last.message.clone();
    }
    let line = last.stderr.trim().lines().last().or_else(|| last.stdout.trim().lines().last()).unwrap_or_default().trim().to_owned();
    match (line.is_empty(), last.rc) {
        (false, _) => line,
        (true, Some(rc)) => format!("exit status {rc}"),
        (true, None) => "it said nothing".to_owned(),
    }
}

pub(super) fn settled(key: &Key, end: End, why: &str) -> Event {
    Event::Settled { key: key.clone(), end, why: why.to_owned(), facts: Map::new() }
}
