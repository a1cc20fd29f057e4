//! A task for a target becomes a [`Step`]: every template rendered, nothing left open.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::Run;
use super::cell::Before;
use crate::base::intern::Name;
use crate::model::catalog::FieldKind;
use crate::playbook::inventory::{Inventory, LOCAL};
use crate::playbook::mistake::Place;
use crate::playbook::outcome::{Outcome, Status};
use crate::playbook::spec::{Become, Call, Danger, Entry, Expr, Probe, Spot, Task, Undo, Var};
use crate::playbook::step::{Key, Phase, Step};
use crate::playbook::template::scope::{Layer, Scope};
use crate::playbook::template::{Kind, Trouble};

/// Of a step that names no other.
const TIMEOUT: Duration = Duration::from_mins(5);
/// Of a look.
const PROBE_TIMEOUT: Duration = Duration::from_mins(1);

/// The value of `omit`: a field that has it is left out.
const OMIT: &str = "\u{0}omit";

/// What the inventory says of a host.
pub(super) fn host_vars(inventory: &Inventory, name: &str) -> Map<String, Value> {
    let mut vars = Map::new();
    vars.insert("inventory_hostname".to_owned(), json!(name));
    if let Some(host) = inventory.host(name) {
        vars.insert("address".to_owned(), json!(host.address));
        vars.insert("ansible_host".to_owned(), json!(host.address));
        vars.insert("group_names".to_owned(), json!(host.groups));
        vars.extend(host.vars.clone());
    } else {
        vars.insert("address".to_owned(), json!("127.0.0.1"));
        vars.insert("ansible_host".to_owned(), json!("127.0.0.1"));
        vars.insert("group_names".to_owned(), json!([]));
    }
    vars
}

/// What a `register` sees of an outcome.
pub(super) fn registered(outcome: &Outcome, attempts: u32) -> Map<String, Value> {
    let lines = |text: &str| text.lines().map(ToOwned::to_owned).collect::<Vec<_>>();
    let mut all = Map::new();
    all.insert("changed".to_owned(), json!(outcome.changed));
    all.insert("failed".to_owned(), json!(matches!(outcome.status, Status::Failed | Status::Unknown)));
    all.insert("skipped".to_owned(), json!(outcome.status == Status::Skipped));
    all.insert("unreachable".to_owned(), json!(outcome.status == Status::Unreachable));
    all.insert("msg".to_owned(), json!(outcome.message));
    all.insert("stdout".to_owned(), json!(outcome.stdout.trim_end_matches('\n')));
    all.insert("stderr".to_owned(), json!(outcome.stderr.trim_end_matches('\n')));
    all.insert("stdout_lines".to_owned(), json!(lines(&outcome.stdout)));
    all.insert("stderr_lines".to_owned(), json!(lines(&outcome.stderr)));
    all.insert("attempts".to_owned(), json!(attempts));
    all.insert("rc".to_owned(), outcome.rc.map_or(Value::Null, Value::from));
    all.extend(outcome.data.clone());
    all
}

impl Run {
    /// The names that a step sees for a target, its item included.
    pub(super) fn scope(&self, key: &Key) -> Result<Scope, Trouble> {
        let Some(entry) = self.entry(key.task) else { return Err(lost(key)) };
        let scope = self.scope_without_item(&entry.task, &key.host);
        match self.item(key, &entry.task, &scope)? {
            Some(item) => {
                let names = Map::from_iter([(entry.task.loop_var.clone(), item), ("ansible_loop_index".to_owned(), json!(key.item + 1))]);
                Ok(scope.with(Layer::known(names)))
            }
            None => Ok(scope),
        }
    }

    pub(super) fn scope_without_item(&self, task: &Task, host: &Name) -> Scope {
        let setup = &self.setup;
        let mut own = host_vars(&setup.inventory, host);
        own.insert("play_hosts".to_owned(), json!(self.hosts.keys().collect::<Vec<_>>()));
        own.insert("ansible_play_hosts".to_owned(), json!(self.hosts.keys().collect::<Vec<_>>()));
        own.insert("omit".to_owned(), json!(OMIT));
        own.insert("groups".to_owned(), json!(setup.inventory.groups()));
        let facts = self.hosts.get(host).map(|h| h.facts.clone()).unwrap_or_default();
        Scope::new(
            &self.engine,
            vec![
                Layer::known(own),
                Layer::Known(self.hostvars.clone()),
                Layer::Written(Arc::new(setup.book.vars.clone())),
                Layer::Written(Arc::new(task.vars.clone())),
                Layer::known(facts),
                Layer::known(setup.vars.clone()),
            ],
        )
    }

    /// The list of a loop.
    pub(super) fn items(&self, task: &Task, scope: &Scope) -> Result<Option<Vec<Value>>, Trouble> {
        let Some(items) = &task.items else { return Ok(None) };
        match self.engine.var(items, scope)? {
            Value::Array(list) => Ok(Some(list)),
            Value::Object(map) => Ok(Some(map.into_iter().map(|(key, value)| json!({ "key": key, "value": value })).collect())),
            other => Err(Trouble { at: items.at.clone(), text: format!("`loop` is {other}, not a list"), kind: Kind::Wrong }),
        }
    }

    fn item(&self, key: &Key, task: &Task, scope: &Scope) -> Result<Option<Value>, Trouble> {
        let Some(items) = self.items(task, scope)? else { return Ok(None) };
        items.get(key.item as usize).cloned().map(Some).ok_or_else(|| lost(key))
    }

    /// The step's own action for a target, rendered.
    ///
    /// # Errors
    /// A template of it cannot be rendered, or it is delegated to a host that nobody knows.
    pub fn rendered(&self, key: &Key) -> Result<Step, Trouble> {
        self.step(key, Phase::Act)
    }

    pub(super) fn step(&self, key: &Key, phase: Phase) -> Result<Step, Trouble> {
        let Some(entry) = self.entry(key.task) else { return Err(lost(key)) };
        let scope = self.scope(key)?;
        let probe = match phase {
            Phase::Act | Phase::Look => None,
            Phase::Check(at) => Some(self.checks(entry, key).get(at as usize)),
            Phase::Verify(at) => Some(entry.task.verify.get(at as usize)),
            Phase::Undo(at) => match &entry.task.undo {
                Undo::Calls(calls) => Some(calls.get(at as usize)),
                _ => Some(None),
            },
        };
        let (call, probe) = match probe {
            None => (&entry.task.call, None),
            Some(Some(probe)) => (&probe.call, Some(probe)),
            Some(None) => return Err(lost(key)),
        };
        self.build(entry, key, phase, call, probe, &scope)
    }

    fn build(&self, entry: &Entry, key: &Key, phase: Phase, call: &Call, probe: Option<&Probe>, scope: &Scope) -> Result<Step, Trouble> {
        let task = &entry.task;
        let book = &self.setup.book;
        let target = match probe.and_then(|p| p.delegate_to.as_ref()).or(task.delegate_to.as_ref()) {
            Some(host) => self.delegate(host, scope)?,
            None => key.host.clone(),
        };
        let become_ = probe.and_then(|p| p.become_.as_ref()).or(task.become_.as_ref()).or(book.become_.as_ref());
        let become_user = match become_ {
            Some(Become::User(user)) => Some(self.engine.string(&user.at, &user.value, scope)?),
            Some(Become::No) | None => None,
        };
        let timeout = match probe {
            Some(probe) => probe.timeout.unwrap_or_else(|| task.timeout.unwrap_or(PROBE_TIMEOUT).min(PROBE_TIMEOUT.max(TIMEOUT))),
            None => task.timeout.unwrap_or(TIMEOUT),
        };
        Ok(Step {
            key: key.clone(),
            phase,
            name: self.engine.string(&task.at, &task.name, scope).unwrap_or_else(|_| task.name.clone()),
            target,
            action: call.action.clone(),
            args: self.args(call, scope)?,
            become_user,
            environment: self.environment(&[&book.environment, &task.environment], scope)?,
            danger: if phase.acts() { task.danger } else { Danger::None },
            hidden: self.hidden(call),
            no_log: task.no_log,
            timeout,
        })
    }

    fn delegate(&self, host: &Spot<String>, scope: &Scope) -> Result<Name, Trouble> {
        let name = self.engine.string(&host.at, &host.value, scope)?;
        if name == LOCAL || self.setup.inventory.host(&name).is_some() {
            return Ok(name.into());
        }
        let known = self.setup.inventory.hosts.iter().map(|h| &*h.name);
        let help = crate::base::suggest::help(&name, known, "the configuration has");
        Err(Trouble { at: host.at.clone(), text: format!("`delegate_to` names `{name}`, and no host is called that; {help}"), kind: Kind::Wrong })
    }

    fn environment(&self, layers: &[&IndexMap<String, Var>], scope: &Scope) -> Result<BTreeMap<String, String>, Trouble> {
        let mut out = BTreeMap::new();
        for (name, var) in layers.iter().flat_map(|l| l.iter()) {
            let value = match self.engine.var(var, scope)? {
                Value::String(text) => text,
                other => other.to_string(),
            };
            out.insert(name.clone(), value);
        }
        Ok(out)
    }

    /// The fields of an action. Conditions become what they are now; a template's file becomes its text.
    fn args(&self, call: &Call, scope: &Scope) -> Result<Map<String, Value>, Trouble> {
        let fields = self.setup.catalog.action(&call.action).map(|a| a.fields).unwrap_or_default();
        let mut out = Map::new();
        for (name, var) in &call.args {
            let kind = fields.iter().find(|f| f.name == name).map(|f| f.kind);
            let value = match kind {
                Some(FieldKind::Conditions) => self.conditions(var, scope)?,
                Some(FieldKind::TemplateFile) => {
                    let path = var.value.as_str().unwrap_or_default();
                    let text = self.setup.book.texts.get(path).map(String::as_str).unwrap_or_default();
                    let at = Place { file: path.into(), line: 1, column: 1 };
                    out.insert("content".to_owned(), Value::String(self.engine.string(&at, text, scope)?));
                    var.value.clone()
                }
                _ => self.engine.var(var, scope)?,
            };
            if value != OMIT {
                out.insert(name.clone(), value);
            }
        }
        Ok(out)
    }

    /// The fields that may hold a secret.
    fn hidden(&self, call: &Call) -> Vec<String> {
        let fields = self.setup.catalog.action(&call.action).map(|a| a.fields).unwrap_or_default();
        fields.iter().filter(|f| f.kind == FieldKind::Secret && call.args.contains_key(f.name)).map(|f| f.name.to_owned()).collect()
    }

    fn conditions(&self, var: &Var, scope: &Scope) -> Result<Value, Trouble> {
        let list = match &var.value {
            Value::Array(list) => list.clone(),
            other => vec![other.clone()],
        };
        let mut out = Map::new();
        for condition in list {
            let text = condition.as_str().map_or_else(|| condition.to_string(), ToOwned::to_owned);
            let expr = Expr { value: text.clone(), at: var.at.clone() };
            out.insert(text, Value::Bool(self.engine.holds(&expr, scope)?));
        }
        Ok(Value::Object(out))
    }

    /// The probes that tell whether a step is done: its own; after a resume those of `verify` where it has none.
    pub(super) fn checks<'e>(&self, entry: &'e Entry, key: &Key) -> &'e [Probe] {
        let before = self.cells.get(key).and_then(|c| c.before.as_ref());
        if entry.task.check.is_empty() && matches!(before, Some(Before::Succeeded(_) | Before::Begun)) { &entry.task.verify } else { &entry.task.check }
    }

    /// A number of the playbook, or what stands in its place.
    pub(super) fn number(&self, var: Option<&Var>, scope: &Scope, otherwise: f64) -> Result<f64, Trouble> {
        let Some(var) = var else { return Ok(otherwise) };
        let value = self.engine.var(var, scope)?;
        let number = value.as_f64().or_else(|| value.as_str().and_then(|t| t.trim().parse().ok()));
        number.filter(|n| *n >= 0.0).ok_or_else(|| Trouble { at: var.at.clone(), text: format!("{value} is no number"), kind: Kind::Wrong })
    }

    /// What the playbook leaves behind for its reader, as far as it can be told now; by the first target.
    pub fn outputs(&self) -> Vec<(String, String)> {
        let Some(host) = self.hosts.keys().next() else { return Vec::new() };
        let scope = self.scope_without_item(&Task::default(), host);
        let outputs = self.setup.book.outputs.iter();
        outputs
            .filter_map(|(name, var)| {
                let value = self.engine.var(var, &scope).ok()?;
                Some((name.clone(), value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)))
            })
            .collect()
    }
}

fn lost(key: &Key) -> Trouble {
    Trouble { at: Place::default(), text: format!("{key} is no longer there: its loop has become shorter"), kind: Kind::Wrong }
}
