//! What is wrong with a playbook that can be read. Errors are what makes it lie, leak or break somewhere; warnings are what its
//! writer may have forgotten. A step may excuse itself from a rule with `lint: [rule]`; a comment there says why.

mod braces;
mod names;
mod secrets;
mod steps;
#[cfg(test)]
mod tests;

use super::inventory::Inventory;
use super::mistake::Mistake;
use super::parse::Parsed;
use super::spec::{Call, Entry, Playbook, Probe, Spot, Task, Undo, Var};
use super::template::{Engine, Form, is_template};
use crate::model::catalog::{Catalog, FieldKind, Touches};

/// Every rule that a step can be excused from.
pub const RULES: &[&str] = &[
    "unquoted",
    "no-verify",
    "verify-own",
    "no-undo",
    "secret-argv",
    "secret-shown",
    "plan-blind",
    "unpinned",
    "floating-tag",
    "unused",
    "check-mode",
    "no-explain",
];

/// Everything that is wrong, the mistakes of reading included, in the order of the file. Hosts and groups are checked where an
/// inventory is given.
pub fn lint(parsed: &Parsed, catalog: &Catalog, inventory: Option<&Inventory>) -> Vec<Mistake> {
    let book = &parsed.playbook;
    let mut pass = Pass { book, catalog, engine: Engine::default(), notes: Vec::new() };
    pass.head(inventory);
    names::check(&mut pass);
    secrets::check(&mut pass);
    for entry in &book.program {
        steps::check(&mut pass, entry);
    }
    let mut notes = pass.notes;
    notes.extend(parsed.mistakes.iter().cloned());
    notes.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.rule.cmp(b.rule)));
    notes.dedup();
    notes
}

pub(super) struct Pass<'a> {
    book: &'a Playbook,
    catalog: &'a Catalog,
    engine: Engine,
    notes: Vec<Mistake>,
}

impl Pass<'_> {
    fn head(&mut self, inventory: Option<&Inventory>) {
        let book = self.book;
        let at = &book.hosts.at;
        for (key, text) in [("owner", &book.owner), ("when_to_use", &book.when_to_use), ("explain", &book.explain)] {
            if text.is_empty() && !book.program.is_empty() {
                self.notes.push(Mistake::warning(at, "header", format!("the play has no `{key}`"), format!("whoever finds it at night will look for `{key}`")));
            }
        }
        if let Some(inventory) = inventory.filter(|_| !is_template(&book.hosts.value) && !book.hosts.value.is_empty())
            && let Err(why) = inventory.select(&book.hosts.value)
        {
            self.notes.push(Mistake::warning(
                at,
                "hosts",
                why,
                "name a group of your configuration, or run it with another one by -e and a template in `hosts`",
            ));
        }
    }

    /// Does a step leave its target as it was?
    fn reads(&self, task: &Task) -> bool {
        let never = task.changed_when.as_ref().is_some_and(|c| c.len() == 1 && c[0].value == "false");
        never || self.touches(&task.call) == Some(Touches::Nothing)
    }

    fn touches(&self, call: &Call) -> Option<Touches> {
        self.catalog.action(&call.action).map(|a| a.touches)
    }

    fn kind(&self, call: &Call, field: &str) -> Option<FieldKind> {
        self.catalog.action(&call.action)?.fields.iter().find(|f| f.name == field).map(|f| f.kind)
    }

    fn error(&mut self, task: &Task, at: &super::mistake::Place, rule: &'static str, message: impl Into<String>, help: impl Into<String>) {
        if !task.excused.iter().any(|r| r == rule) {
            self.notes.push(Mistake::error(at, rule, message, help));
        }
    }

    fn warning(&mut self, task: &Task, at: &super::mistake::Place, rule: &'static str, message: impl Into<String>, help: impl Into<String>) {
        if !task.excused.iter().any(|r| r == rule) {
            self.notes.push(Mistake::warning(at, rule, message, help));
        }
    }
}

/// The calls of a step: its own, and those of its probes and its undo.
fn calls(task: &Task) -> impl Iterator<Item = &Call> {
    let undo = match &task.undo {
        Undo::Calls(calls) => calls.as_slice(),
        _ => &[],
    };
    std::iter::once(&task.call).chain(task.check.iter().chain(&task.verify).chain(undo).map(|p| &p.call))
}

fn probes(task: &Task) -> impl Iterator<Item = &Probe> {
    let undo = match &task.undo {
        Undo::Calls(calls) => calls.as_slice(),
        _ => &[],
    };
    task.check.iter().chain(&task.verify).chain(undo)
}

/// Every text of a value that has templates in it.
fn texts(var: &Var) -> Vec<Spot<String>> {
    fn walk(value: &serde_json::Value, var: &Var, out: &mut Vec<Spot<String>>) {
        match value {
            serde_json::Value::String(text) if is_template(text) => out.push(Spot { value: text.clone(), at: var.at.clone() }),
            serde_json::Value::Array(list) => list.iter().for_each(|v| walk(v, var, out)),
            serde_json::Value::Object(map) => map.values().for_each(|v| walk(v, var, out)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    walk(&var.value, var, &mut out);
    out
}

/// Every template and condition of a step, with the form that it has.
fn all_texts(pass: &Pass<'_>, entry: &Entry) -> Vec<(Spot<String>, Form)> {
    let task = &entry.task;
    let mut out: Vec<(Spot<String>, Form)> = Vec::new();
    let conditions = task.when.iter().chain(&task.until).chain(task.changed_when.iter().flatten()).chain(task.failed_when.iter().flatten());
    out.extend(conditions.chain(probes(task).flat_map(|p| p.when.iter().chain(&p.ok_when))).map(|e| (e.clone(), Form::Expression)));
    let vars = task.items.iter().chain(&task.retries).chain(&task.delay).chain(task.environment.values()).chain(task.vars.values());
    let vars = vars.chain(probes(task).flat_map(|p| p.retries.iter().chain(&p.delay)));
    out.extend(vars.flat_map(texts).map(|t| (t, Form::Template)));
    if is_template(&task.name) {
        out.push((Spot { value: task.name.clone(), at: task.at.clone() }, Form::Template));
    }
    out.extend(task.delegate_to.iter().chain(probes(task).filter_map(|p| p.delegate_to.as_ref())).map(|t| (t.clone(), Form::Template)));
    for call in calls(task) {
        for (field, var) in &call.args {
            match pass.kind(call, field) {
                Some(FieldKind::Conditions) => {
                    let list = var.value.as_array().cloned().unwrap_or_else(|| vec![var.value.clone()]);
                    let texts = list.iter().filter_map(|v| v.as_str().map(ToOwned::to_owned));
                    out.extend(texts.map(|value| (Spot { value, at: var.at.clone() }, Form::Expression)));
                }
                Some(FieldKind::TemplateFile) => {
                    let path = var.value.as_str().unwrap_or_default();
                    if let Some(text) = pass.book.texts.get(path) {
                        let at = super::mistake::Place { file: path.into(), line: 1, column: 1 };
                        out.push((Spot { value: text.clone(), at }, Form::Template));
                    }
                }
                _ => out.extend(texts(var).into_iter().map(|t| (t, Form::Template))),
            }
        }
    }
    out
}
