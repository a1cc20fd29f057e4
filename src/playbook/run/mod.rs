//! The state machine of a run: the fold of its events, and what is due next. Pure: no clock, no I/O; a plan and a run are the
//! same machine, and a resume is the same machine with a memory of what was.

mod cell;
mod judge;
mod next;
mod recap;
mod render;
#[cfg(test)]
mod tests;
mod undo;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

pub use self::recap::{Counts, Row};
pub use self::undo::Kept;

use self::cell::{Acted, Before, Cell};
use super::due::{Mode, Pace};
use super::inventory::Inventory;
use super::journal::{Choice, Closing, Decision, End, Event, Judged, Record, Why};
use super::outcome::Keep;
use super::spec::{BlockId, Entry, Playbook, TaskId};
use super::step::{Key, Phase};
use super::template::Engine;
use crate::base::intern::Name;
use crate::model::catalog::Catalog;

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    pub book: Arc<Playbook>,
    pub catalog: Arc<Catalog>,
    pub inventory: Arc<Inventory>,
    /// In the order in which they are worked.
    pub hosts: Vec<Name>,
    /// Answers and `-e`, secrets included.
    pub vars: Map<String, Value>,
    pub choice: Choice,
    pub mode: Mode,
    pub pace: Pace,
}

/// A run, as far as its events tell.
#[derive(Clone, Debug)]
pub struct Run {
    setup: Setup,
    engine: Engine,
    /// Positions that the choice of tags and the start leave.
    chosen: Vec<bool>,
    hosts: IndexMap<Name, Host>,
    cells: BTreeMap<Key, Cell>,
    loops: BTreeMap<(TaskId, Name), u32>,
    /// What templates see of every host; kept beside `hosts` so that it is shared, not built for each step.
    hostvars: Arc<Map<String, Value>>,
    position: usize,
    /// Keys in the order in which their acts began: an undo goes through them backwards.
    acted: Vec<Key>,
    stopping: Option<Closing>,
    /// `c` was said: nothing is asked before something destructive.
    go_on: bool,
    undoing: Undoing,
    opened: bool,
    closed: Option<Closing>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Undoing {
    #[default]
    No,
    All,
}

/// How a target stands.
#[derive(Clone, Debug, Default)]
struct Host {
    standing: Standing,
    facts: Map<String, Value>,
    /// Blocks in which something failed.
    broken: BTreeMap<BlockId, Broken>,
    rescued: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standing {
    #[default]
    Active,
    Failed,
    Unreachable,
    /// Another one was lost at a step that all must get through.
    Stopped,
    /// It finished before a resume, or the resume is for others.
    LeftOut,
}

impl Standing {
    fn is_lost(self) -> bool {
        matches!(self, Self::Failed | Self::Unreachable)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// In `block`, and its `rescue` takes over.
    Caught,
    /// For good.
    Lost,
}

/// An event that cannot follow on what was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the run cannot go on with this record: {0}")]
pub struct Illegal(pub String);

impl Run {
    pub fn new(setup: Setup) -> Self {
        let chosen = walk::chosen(&setup.book, &setup.choice);
        let hosts = setup.hosts.iter().map(|name| (name.clone(), Host::default())).collect();
        let mut run = Self {
            engine: Engine::default(),
            chosen,
            hosts,
            cells: BTreeMap::new(),
            loops: BTreeMap::new(),
            hostvars: Arc::default(),
            position: 0,
            acted: Vec::new(),
            stopping: None,
            go_on: false,
            undoing: Undoing::No,
            opened: false,
            closed: None,
            setup,
        };
        let mut all = Map::new();
        for host in &run.setup.inventory.hosts {
            all.insert(host.name.to_string(), Value::Object(render::host_vars(&run.setup.inventory, &host.name)));
        }
        for name in run.hosts.keys() {
            all.entry(name.to_string()).or_insert_with(|| Value::Object(render::host_vars(&run.setup.inventory, name)));
        }
        run.hostvars = Arc::new(Map::from_iter([("hostvars".to_owned(), Value::Object(all))]));
        run
    }

    /// A run as its journal tells it. The caller appends [`Event::Resumed`] (or [`Event::Undoing`]) and applies it before it goes on.
    ///
    /// # Errors
    /// The journal is of another playbook, or its records contradict each other.
    pub fn replay(setup: Setup, records: &[Record]) -> Result<Self, Illegal> {
        let mut run = Self::new(setup);
        for record in records {
            run.apply(&record.event)?;
        }
        Ok(run)
    }

    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// More or other answers: the secrets of a resumed run, which are in no journal.
    pub fn learn(&mut self, vars: Map<String, Value>) {
        self.setup.vars.extend(vars);
    }

    /// Nothing more begins; what is in flight comes to its end, then the run is over. For signals.
    pub fn halt(&mut self) {
        self.stopping.get_or_insert(Closing::Stopped);
    }

    /// How much of what a step says may be written down.
    pub fn keep(&self, key: &Key) -> Keep {
        match self.entry(key.task).map(|e| &e.task) {
            Some(task) if task.no_log => Keep::Status,
            Some(task) if task.register.is_some() || task.call.action == "set_fact" => Keep::Data,
            Some(_) => Keep::Tail,
            None => Keep::Status,
        }
    }

    pub fn is_flying(&self) -> bool {
        self.cells.values().any(|c| c.flying.is_some())
    }

    fn entry(&self, task: TaskId) -> Option<&Entry> {
        self.setup.book.program.get(task.0 as usize)
    }

    /// Takes an event in. What it returns an error for has not been taken in.
    ///
    /// # Errors
    /// The event cannot follow on what was: a damaged journal, or a mistake of the caller.
    pub fn apply(&mut self, event: &Event) -> Result<(), Illegal> {
        if let Some(key) = event.key() {
            self.known(key)?;
        }
        match event {
            Event::Opened(_) if self.opened => return Err(Illegal("a second one that opens the run".to_owned())),
            Event::Opened(_) => self.opened = true,
            Event::Began { key, phase, attempt, .. } => self.began(key, *phase, *attempt)?,
            Event::Ended { key, phase, attempt, outcome, judged } => {
                let cell = self.cells.entry(key.clone()).or_default();
                if cell.flying != Some((*phase, *attempt)) {
                    return Err(Illegal(format!("{key} ends what did not begin")));
                }
                cell.ended(*phase, *attempt, outcome, *judged);
            }
            Event::Settled { key, end, .. } if *end != End::Undone && self.cells.get(key).is_some_and(|c| c.end.is_some()) => {
                return Err(Illegal(format!("{key} ends twice")));
            }
            Event::Settled { key, end, facts, why } => self.settled(key, *end, why, facts),
            Event::Looped { key, items } => {
                self.loops.insert((key.task, key.host.clone()), *items);
            }
            Event::Decided { question, decision, .. } => {
                for key in &question.keys {
                    self.known(key)?;
                }
                self.decided(question.why, &question.keys, decision);
            }
            Event::Resumed { hosts, .. } => self.resumed(hosts),
            Event::Undoing { .. } => {
                self.land();
                // What could not be taken back the last time is tried again.
                for cell in self.cells.values_mut() {
                    cell.undo_failed = false;
                    cell.tries = 0;
                }
                self.stopping = None;
                self.closed = None;
                self.undoing = Undoing::All;
            }
            Event::Closed { why, .. } => self.closed = Some(*why),
        }
        Ok(())
    }

    fn known(&self, key: &Key) -> Result<(), Illegal> {
        if self.entry(key.task).is_none() || !self.hosts.contains_key(&key.host) {
            return Err(Illegal(format!("{key} is no step of this playbook for these hosts")));
        }
        Ok(())
    }

    fn began(&mut self, key: &Key, phase: Phase, attempt: u32) -> Result<(), Illegal> {
        let undoing = matches!(phase, Phase::Undo(_));
        let cell = self.cells.entry(key.clone()).or_default();
        if cell.flying.is_some() {
            return Err(Illegal(format!("{key} begins twice at once")));
        }
        if cell.end.is_some() && !undoing {
            return Err(Illegal(format!("{key} begins after its end")));
        }
        cell.flying = Some((phase, attempt));
        if phase == Phase::Act {
            cell.acted = Acted::Here;
            if !self.acted.contains(key) {
                self.acted.push(key.clone());
            }
        }
        Ok(())
    }

    fn settled(&mut self, key: &Key, end: End, why: &str, facts: &Map<String, Value>) {
        let cell = self.cells.entry(key.clone()).or_default();
        cell.flying = None;
        cell.end = Some(end);
        why.clone_into(&mut cell.why);
        if end == End::Undone {
            cell.take_back = false;
            if self.undoing == Undoing::No {
                self.stopping = Some(Closing::Stopped);
            }
            return;
        }
        let Some((once, register, looped, within)) =
            self.setup.book.program.get(key.task.0 as usize).map(|e| (e.task.run_once, e.task.register.clone(), e.task.items.is_some(), e.within.clone()))
        else {
            return;
        };
        cell.facts.clone_from(facts);
        let mut facts = facts.clone();
        if let Some(name) = register.filter(|_| looped) {
            // A loop registers the results of all its items.
            let results: Vec<Value> = self.results(key.task, &key.host, &name);
            let any = |flag: &str| results.iter().any(|r| r.get(flag).and_then(Value::as_bool) == Some(true));
            let all = serde_json::json!({ "changed": any("changed"), "failed": any("failed"), "skipped": false, "results": results });
            facts.insert(name, all);
        }
        let whom: Vec<Name> = if once { self.hosts.keys().cloned().collect() } else { vec![key.host.clone()] };
        for name in &whom {
            self.learn_facts(name, &facts);
        }
        if end.failed() {
            let standing = if end == End::Unreachable { Standing::Unreachable } else { Standing::Failed };
            let name = self.entry(key.task).map(|e| e.task.name.clone()).unwrap_or_default();
            let told = serde_json::json!({ "ansible_failed_task": { "name": name }, "ansible_failed_result": { "msg": why, "failed": true } });
            for name in whom {
                self.fail(&name, &within, standing);
                if let Value::Object(told) = &told {
                    self.learn_facts(&name, told);
                }
            }
        }
    }

    fn results(&self, task: TaskId, host: &Name, name: &str) -> Vec<Value> {
        let (from, to) = (Key { task, host: host.clone(), item: 0 }, Key { task, host: host.clone(), item: u32::MAX });
        self.cells.range(from..=to).filter_map(|(_, cell)| cell.facts.get(name).cloned()).collect()
    }

    fn learn_facts(&mut self, name: &Name, facts: &Map<String, Value>) {
        if facts.is_empty() {
            return;
        }
        if let Some(host) = self.hosts.get_mut(name) {
            host.facts.extend(facts.clone());
        }
        let hostvars = Arc::make_mut(&mut self.hostvars);
        if let Some(Value::Object(vars)) = hostvars.get_mut("hostvars").and_then(|all| all.get_mut(&**name)) {
            vars.extend(facts.clone());
        }
    }

    /// A failure goes outwards until a `rescue` takes it; an unreachable target is rescued by nothing.
    fn fail(&mut self, name: &Name, within: &[(BlockId, super::spec::Part)], standing: Standing) {
        let rescues: BTreeSet<BlockId> =
            self.setup.book.program.iter().flat_map(|e| &e.within).filter(|(_, p)| *p == super::spec::Part::Rescue).map(|(b, _)| *b).collect();
        let Some(host) = self.hosts.get_mut(name) else { return };
        if host.standing == Standing::LeftOut {
            return;
        }
        if standing == Standing::Unreachable {
            host.standing = standing;
            return;
        }
        for (block, part) in within.iter().rev() {
            if *part == super::spec::Part::Block && rescues.contains(block) {
                host.broken.insert(*block, Broken::Caught);
                host.rescued += 1;
                return;
            }
            host.broken.insert(*block, Broken::Lost);
        }
        host.standing = standing;
    }

    fn decided(&mut self, why: Why, keys: &[Key], decision: &Decision) {
        match decision {
            Decision::Stop => self.stopping = Some(Closing::Stopped),
            Decision::GoOn => self.go_on = true,
            Decision::Retry(vars) => self.setup.vars.extend(vars.clone()),
            _ => {}
        }
        for key in keys {
            let can_undo = self.entry(key.task).is_some_and(|e| matches!(e.task.undo, super::spec::Undo::Calls(_)));
            let cell = self.cells.entry(key.clone()).or_default();
            match decision {
                // Once more, with open eyes: what was before no longer counts.
                Decision::Go | Decision::GoOn if why == Why::Unknown => {
                    cell.again();
                    cell.confirmed = true;
                }
                Decision::Go | Decision::GoOn => cell.confirmed = true,
                Decision::Skip(reason) => cell.verdict = Some((End::Skipped, reason.clone())),
                Decision::Accept(note) => cell.verdict = Some((End::Changed, note.clone())),
                Decision::Fail => cell.verdict = Some((End::Failed, String::new())),
                Decision::Retry(_) => cell.again(),
                Decision::Undo if can_undo && cell.acted != Acted::No => cell.take_back = true,
                Decision::Undo => self.stopping = Some(Closing::Stopped),
                Decision::Stop => {}
            }
        }
    }

    /// What was in flight has an unknown end.
    fn land(&mut self) {
        for cell in self.cells.values_mut() {
            cell.flying = None;
        }
    }

    fn resumed(&mut self, only: &[Name]) {
        let left_out: Vec<Name> = self
            .hosts
            .iter()
            .filter(|(name, host)| if only.is_empty() { host.standing == Standing::Active && self.is_through(name) } else { !only.contains(name) })
            .map(|(name, _)| name.clone())
            .collect();
        for (name, host) in &mut self.hosts {
            if left_out.contains(name) {
                host.standing = Standing::LeftOut;
            } else {
                *host = Host::default();
            }
        }
        for name in self.hosts.keys().filter(|n| !left_out.contains(*n)) {
            let hostvars = Arc::make_mut(&mut self.hostvars);
            if let Some(all) = hostvars.get_mut("hostvars").and_then(Value::as_object_mut) {
                all.insert(name.to_string(), Value::Object(render::host_vars(&self.setup.inventory, name)));
            }
        }
        let once: BTreeSet<TaskId> = self.tasks().filter(|(_, e)| e.task.run_once).map(|(id, _)| id).collect();
        for (key, cell) in &mut self.cells {
            if !left_out.contains(&key.host) || once.contains(&key.task) {
                let acted = if cell.acted == Acted::No { Acted::No } else { Acted::Earlier };
                *cell = Cell { before: Before::of(cell), acted, ..Cell::default() };
            }
        }
        self.loops.retain(|(_, host), _| left_out.contains(host));
        self.position = 0;
        self.stopping = None;
        self.closed = None;
        self.go_on = false;
        self.undoing = Undoing::No;
    }

    fn tasks(&self) -> impl Iterator<Item = (TaskId, &Entry)> {
        self.setup.book.program.iter().enumerate().map(|(at, entry)| (TaskId(u32::try_from(at).unwrap_or(u32::MAX)), entry))
    }

    /// How a probe or an act is judged is the same for all who look at it.
    fn is_good(judged: Judged) -> bool {
        matches!(judged, Judged::Ok | Judged::Changed | Judged::Done)
    }
}
