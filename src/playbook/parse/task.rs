//! Steps and blocks. Blocks become flat: each step carries what the blocks around it say.

use indexmap::IndexMap;

use super::play::hints;
use super::reader::{Entries, Reader, find, spot};
use crate::base::suggest;
use crate::model::catalog::{ActionSpec, FieldKind, Need, Others};
use crate::playbook::keys::{BLOCK, ELSEWHERE, LOOP_CONTROL, PROBE, TASK};
use crate::playbook::mistake::Place;
use crate::playbook::spec::{Become, BlockId, Call, CheckMode, Confirm, Danger, Entry, Expr, OnLoss, Part, Probe, Spot, Task, Undo, Var};
use crate::playbook::yaml::{self, Node, Yaml};

/// How deep files may include each other.
const MOST_DEEP: usize = 8;
const DANGER: &[(&str, Danger)] = &[("none", Danger::None), ("disruptive", Danger::Disruptive), ("destructive", Danger::Destructive)];

/// What the blocks around a step say.
#[derive(Clone, Default)]
struct Around {
    within: Vec<(BlockId, Part)>,
    when: Vec<Expr>,
    tags: Vec<String>,
    become_: Option<Become>,
    environment: IndexMap<String, Var>,
    vars: IndexMap<String, Var>,
    delegate_to: Option<Spot<String>>,
    no_log: bool,
    run_once: bool,
    ignore_errors: bool,
    on_loss: OnLoss,
    files: Vec<String>,
}

pub(super) fn program(r: &mut Reader<'_>, tasks: &Node, on_loss: OnLoss) -> Vec<Entry> {
    let mut pass = Pass { entries: Vec::new(), blocks: 0 };
    pass.tasks(r, "tasks", tasks, &Around { on_loss, ..Around::default() });
    pass.entries
}

struct Pass {
    entries: Vec<Entry>,
    blocks: u32,
}

impl Pass {
    fn tasks(&mut self, r: &mut Reader<'_>, key: &str, node: &Node, around: &Around) {
        for node in r.list(key, node) {
            let Some(map) = r.map("a step", node) else { continue };
            if find(map, "block").is_some() {
                self.block(r, map, around);
            } else if let Some(include) = find(map, "include_tasks").or_else(|| find(map, "import_tasks")) {
                self.include(r, map, include, around);
            } else {
                self.task(r, node, map, around);
            }
        }
    }

    fn block(&mut self, r: &mut Reader<'_>, map: Entries<'_>, around: &Around) {
        r.unknown("a block", map, &[BLOCK], &[]);
        let id = BlockId(self.blocks);
        self.blocks += 1;
        let inner = inherit(r, map, around);
        for (key, part) in [("block", Part::Block), ("rescue", Part::Rescue), ("always", Part::Always)] {
            if let Some(node) = find(map, key) {
                let mut inner = inner.clone();
                inner.within.push((id, part));
                self.tasks(r, key, node, &inner);
            }
        }
    }

    /// The steps of another file, as if they stood here.
    fn include(&mut self, r: &mut Reader<'_>, map: Entries<'_>, node: &Node, around: &Around) {
        r.unknown("`include_tasks`", map, &[&BLOCK[4..]], &["name", "include_tasks", "import_tasks"]);
        let path = match (node.text(), node.get("file").and_then(Node::text)) {
            (Some(path), _) | (None, Some(path)) => path.to_owned(),
            _ => {
                r.error(&node.at, "type", format!("`include_tasks` is {}, expected a path", node.kind()), "write the path of a file beside the playbook");
                return;
            }
        };
        if path.contains("{{") {
            let help = "write one `include_tasks` for each file, with `when`";
            r.error(&node.at, "include", "the path of `include_tasks` has a template in it: nobody could see the steps before they run", help);
            return;
        }
        if around.files.contains(&path) || around.files.len() >= MOST_DEEP {
            r.error(&node.at, "include", format!("`{path}` includes itself"), "take one of the two out");
            return;
        }
        let text = match (r.texts)(&path) {
            Ok(text) => text,
            Err(why) => {
                r.error(&node.at, "file", format!("`{path}` cannot be read: {why}"), "the path counts from the folder of the playbook");
                return;
            }
        };
        let read = yaml::read(&super::reader::file(&path), &text);
        r.read.insert(path.clone(), text);
        match read {
            Ok((tasks, doubts)) => {
                r.notes.extend(doubts);
                let mut inner = inherit(r, map, around);
                inner.files.push(path);
                self.tasks(r, "the file", &tasks, &inner);
            }
            Err(mistake) => r.notes.push(mistake),
        }
    }

    fn task(&mut self, r: &mut Reader<'_>, node: &Node, map: Entries<'_>, around: &Around) {
        let Some(call) = call(r, "the step", node, map, TASK) else { return };
        let name = r.word(map, "name");
        if name.is_empty() {
            r.error(&node.at, "missing-key", format!("the step with `{}` has no `name`", call.action), "say in one line what it does");
        }
        let inner = inherit(r, map, around);
        let loop_var = find(map, "loop_control").and_then(|n| {
            let map = r.map("`loop_control`", n)?;
            r.unknown("`loop_control`", map, &[LOOP_CONTROL], &[]);
            r.text(map, "loop_var").map(|t| t.value)
        });
        let register = r.text(map, "register");
        if let Some(name) = register.as_ref().filter(|n| !super::reader::is_name(&n.value)) {
            r.error(&name.at, "name", format!("`{}` is no name for a variable", name.value), "letters, digits and _, not a digit first");
        }
        let task = Task {
            register: register.map(|t| t.value),
            items: find(map, "loop").map(spot),
            loop_var: loop_var.unwrap_or_else(|| "item".to_owned()),
            until: r.conditions(map, "until").unwrap_or_default(),
            retries: r.number(map, "retries"),
            delay: r.number(map, "delay"),
            timeout: r.duration(map, "timeout"),
            changed_when: r.conditions(map, "changed_when"),
            failed_when: r.conditions(map, "failed_when"),
            check_mode: if r.switch(map, "check_mode") == Some(false) { CheckMode::Runs } else { CheckMode::Looked },
            check: find(map, "check").map(|n| probes(r, "check", n)).unwrap_or_default(),
            verify: find(map, "verify").map(|n| probes(r, "verify", n)).unwrap_or_default(),
            undo: undo(r, map),
            confirm: confirm(r, map),
            danger: r.choice(map, "danger", DANGER).unwrap_or_default(),
            explain: r.word(map, "explain"),
            hints: find(map, "hints").map(|n| hints(r, n)).unwrap_or_default(),
            excused: r.words(map, "lint"),
            name,
            at: node.at.clone(),
            call,
            when: inner.when,
            tags: inner.tags,
            become_: inner.become_,
            environment: inner.environment,
            vars: inner.vars,
            delegate_to: inner.delegate_to,
            no_log: inner.no_log,
            run_once: inner.run_once,
            ignore_errors: inner.ignore_errors,
            on_loss: inner.on_loss,
        };
        self.entries.push(Entry { task, within: around.within.clone() });
    }
}

/// What a map adds to what is around it.
fn inherit(r: &mut Reader<'_>, map: Entries<'_>, around: &Around) -> Around {
    let mut inner = around.clone();
    inner.when.extend(r.conditions(map, "when").unwrap_or_default());
    inner.tags.extend(r.words(map, "tags"));
    if let Some(become_) = r.become_(map) {
        inner.become_ = Some(become_);
    }
    inner.environment.extend(r.vars(map, "environment"));
    inner.vars.extend(r.vars(map, "vars"));
    if let Some(host) = r.text(map, "delegate_to") {
        inner.delegate_to = Some(host);
    }
    inner.no_log |= r.switch(map, "no_log").unwrap_or(false);
    inner.run_once |= r.switch(map, "run_once").unwrap_or(false);
    inner.ignore_errors |= r.switch(map, "ignore_errors").unwrap_or(false);
    inner.on_loss = on_loss(r, map, around.on_loss);
    inner
}

/// What a map says of it; what is around it where it says nothing.
pub(super) fn on_loss(r: &mut Reader<'_>, map: Entries<'_>, around: OnLoss) -> OnLoss {
    r.switch(map, "any_errors_fatal").map_or(around, |together| if together { OnLoss::StopAll } else { OnLoss::GoOn })
}

/// The one action among the keys of a map.
fn call(r: &mut Reader<'_>, what: &str, node: &Node, map: Entries<'_>, keys: &[crate::playbook::keys::Key]) -> Option<Call> {
    let actions: Vec<&str> = r.catalog.actions.iter().map(|a| a.name).collect();
    let mut found = None;
    let mut unknown = false;
    for (key, value) in map {
        let name = key.value.as_str();
        // Ansible's long names stand for the short ones.
        let short = name.strip_prefix("ansible.builtin.").unwrap_or(name);
        if let Some(spec) = r.catalog.action(short).copied() {
            if let Some(Call { action, .. }) = &found {
                r.error(&key.at, "actions", format!("{what} has two actions, `{action}` and `{short}`"), "make two steps of it");
                continue;
            }
            found = Some(Call { action: short.to_owned(), at: key.at.clone(), args: args(r, &spec, &key.at, value) });
        } else if !keys.iter().any(|k| k.name == name) {
            unknown = true;
            let help = match ELSEWHERE.iter().find(|(k, _)| *k == name) {
                Some((_, instead)) => (*instead).to_owned(),
                None => match suggest::nearest(name, keys.iter().map(|k| k.name).chain(actions.iter().copied())) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the actions are {}", suggest::list(&actions)),
                },
            };
            r.error(&key.at, "unknown-key", format!("{what} has no key and no action `{name}`"), help);
        }
    }
    if found.is_none() && !unknown {
        r.error(&node.at, "actions", format!("{what} has no action"), format!("the actions are {}", suggest::list(&actions)));
    }
    found
}

/// The fields under an action, a short form spelled out.
fn args(r: &mut Reader<'_>, spec: &ActionSpec, at: &Place, node: &Node) -> IndexMap<String, Var> {
    let mut out = IndexMap::new();
    match &node.yaml {
        Yaml::Map(map) => {
            for (key, value) in map {
                if spec.others == Others::Refused && !spec.fields.iter().any(|f| f.name == key.value) {
                    let help = suggest::help(&key.value, spec.fields.iter().map(|f| f.name), "its fields are");
                    r.error(&key.at, "unknown-field", format!("`{}` has no field `{}`", spec.name, key.value), help);
                }
                out.insert(key.value.clone(), spot(value));
            }
        }
        Yaml::Null => {}
        _ => {
            if let Some(field) = spec.short {
                out.insert(field.to_owned(), spot(node));
            } else {
                let fields: Vec<&str> = spec.fields.iter().map(|f| f.name).collect();
                let help = format!("its fields are {}", suggest::list(&fields));
                r.error(&node.at, "type", format!("`{}` is {}, expected a map of fields", spec.name, node.kind()), help);
            }
        }
    }
    for field in spec.fields.iter().filter(|f| f.need == Need::Required && !out.contains_key(f.name)) {
        r.error(at, "missing-field", format!("`{}` lacks its field `{}`", spec.name, field.name), format!("add `{}: ...`", field.name));
    }
    let either: Vec<&str> = spec.fields.iter().filter(|f| f.need == Need::OneOf).map(|f| f.name).collect();
    let given: Vec<&str> = either.iter().copied().filter(|f| out.contains_key(*f)).collect();
    match given.as_slice() {
        [] if !either.is_empty() => {
            r.error(at, "missing-field", format!("`{}` needs one of {}", spec.name, suggest::list(&either)), "give one of them");
        }
        [_, _, ..] => r.error(at, "fields", format!("`{}` has {} at once", spec.name, suggest::list(&given)), "give one of them"),
        _ => {}
    }
    for field in spec.fields {
        if let Some(var) = out.get(field.name) {
            value(r, spec.name, field.name, field.kind, var);
        }
    }
    out
}

/// Does a value fit its field, as far as one can tell before it is rendered?
fn value(r: &mut Reader<'_>, action: &str, field: &str, kind: FieldKind, var: &Var) {
    use serde_json::Value;
    let rendered_later = var.value.as_str().is_some_and(|t| t.contains("{{") || t.contains("{%"));
    if rendered_later && !matches!(kind, FieldKind::TemplateFile) {
        return;
    }
    let scalar = var.value.is_string() || var.value.is_number();
    let expected = match kind {
        FieldKind::Text | FieldKind::ShellLine | FieldKind::Sql | FieldKind::File if scalar => return,
        FieldKind::Sql if var.value.is_array() => return,
        FieldKind::Text | FieldKind::ShellLine | FieldKind::Sql => "a text",
        FieldKind::Number if var.value.is_number() => return,
        FieldKind::Number => "a number",
        FieldKind::Duration if super::duration(&var.value).is_some() => return,
        FieldKind::Duration => "seconds (90) or a text such as 90s or 2m",
        FieldKind::Switch if var.value.is_boolean() => return,
        FieldKind::Switch => "true or false",
        FieldKind::List if scalar || var.value.is_array() => return,
        FieldKind::List => "a list",
        FieldKind::Map if var.value.is_object() => return,
        FieldKind::Map => "a map",
        FieldKind::Any | FieldKind::Secret => return,
        FieldKind::Conditions => match &var.value {
            Value::String(_) | Value::Bool(_) => return,
            Value::Array(list) if list.iter().all(|v| v.is_string() || v.is_boolean()) => return,
            _ => "a condition or a list of them",
        },
        FieldKind::Word(words) => {
            let said = var.value.as_str().unwrap_or_default();
            if !words.contains(&said) {
                let help = suggest::help(said, words.iter().copied(), "it is one of");
                r.error(&var.at, "value", format!("`{field}` of `{action}` cannot be `{}`", shown(&var.value)), help);
            }
            return;
        }
        FieldKind::File => "a path",
        FieldKind::TemplateFile => {
            let Some(path) = var.value.as_str().filter(|p| !p.contains("{{")) else {
                let help = "write the path of a file beside the playbook, and the choice as `when`";
                r.error(&var.at, "file", format!("`{field}` of `{action}` must be a path without templates"), help);
                return;
            };
            match (r.texts)(path) {
                Ok(text) => {
                    r.read.insert(path.to_owned(), text);
                }
                Err(why) => {
                    r.error(&var.at, "file", format!("`{path}` cannot be read: {why}"), "the path counts from the folder of the playbook");
                }
            }
            return;
        }
    };
    r.error(&var.at, "type", format!("`{field}` of `{action}` is {}, expected {expected}", shown(&var.value)), format!("write {expected}"));
}

fn shown(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// One look, or a list of them.
fn probes(r: &mut Reader<'_>, key: &str, node: &Node) -> Vec<Probe> {
    let nodes: Vec<&Node> = match &node.yaml {
        Yaml::List(list) => list.iter().collect(),
        _ => vec![node],
    };
    nodes.into_iter().filter_map(|node| probe(r, key, node)).collect()
}

fn probe(r: &mut Reader<'_>, key: &str, node: &Node) -> Option<Probe> {
    let what = format!("`{key}`");
    let map = r.map(&what, node)?;
    let call = call(r, &what, node, map, PROBE)?;
    Some(Probe {
        when: r.conditions(map, "when").unwrap_or_default(),
        call,
        ok_when: r.conditions(map, "ok_when").unwrap_or_default(),
        retries: r.number(map, "retries"),
        delay: r.number(map, "delay"),
        timeout: r.duration(map, "timeout"),
        delegate_to: r.text(map, "delegate_to"),
        become_: r.become_(map),
    })
}

fn undo(r: &mut Reader<'_>, map: Entries<'_>) -> Undo {
    const HELP: &str = "write `undo: {none: the reason}`";
    let Some(node) = find(map, "undo") else { return Undo::Absent };
    if node.text() == Some("none") {
        r.error(&node.at, "undo-why", "`undo: none` does not say why", HELP);
        return Undo::None(String::new());
    }
    if let Some(why) = node.get("none") {
        if let Some(why) = why.text().filter(|t| !t.trim().is_empty()) {
            return Undo::None(why.trim().to_owned());
        }
        r.error(&why.at, "undo-why", "`undo: none` does not say why", HELP);
        return Undo::None(String::new());
    }
    Undo::Calls(probes(r, "undo", node))
}

fn confirm(r: &mut Reader<'_>, map: Entries<'_>) -> Confirm {
    match find(map, "confirm") {
        None => Confirm::Unsaid,
        Some(node) => match &node.yaml {
            Yaml::Bool(true) => Confirm::Yes,
            Yaml::Bool(false) => Confirm::Unsaid,
            _ => r.text(map, "confirm").map_or(Confirm::Unsaid, Confirm::Phrase),
        },
    }
}
