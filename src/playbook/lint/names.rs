//! Names: every one that a template needs must come from somewhere, and what is given a name should be needed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Pass, all_texts, braces, texts};
use crate::base::suggest;
use crate::playbook::mistake::{Mistake, Place};
use crate::playbook::spec::{Expr, Spot};
use crate::playbook::template::{Form, filters, is_template, tests_of};

/// What every template sees.
const GIVEN: &[&str] = &[
    "inventory_hostname",
    "address",
    "ansible_host",
    "group_names",
    "groups",
    "hostvars",
    "play_hosts",
    "ansible_play_hosts",
    "source",
    "omit",
    "ansible_failed_task",
    "ansible_failed_result",
];

pub(super) fn check(pass: &mut Pass<'_>) {
    let book = pass.book;
    let mut used: BTreeSet<String> = BTreeSet::new();
    let mut known: BTreeSet<String> = GIVEN.iter().map(|n| (*n).to_owned()).collect();
    known.extend(book.vars.keys().cloned());
    known.extend(book.prompts.iter().map(|p| p.name.clone()));
    let mut later: BTreeMap<String, Place> = BTreeMap::new();
    for entry in &book.program {
        for name in made(entry) {
            later.entry(name).or_insert_with(|| entry.task.at.clone());
        }
    }
    // Values of the playbook are rendered when a step asks for them: they may use what a step before it registered.
    let everything: BTreeSet<String> = known.iter().cloned().chain(later.keys().cloned()).collect();
    // A name that begins with `_` holds an anchor: what stands there is looked at where it is merged in.
    let written = book.vars.iter().filter(|(name, _)| !name.starts_with('_')).map(|(_, var)| var);
    let head = written.chain(book.environment.values()).chain(book.outputs.values());
    let mut head: Vec<(Spot<String>, Form)> = head.flat_map(texts).map(|t| (t, Form::Template)).collect();
    if is_template(&book.hosts.value) {
        head.push((book.hosts.clone(), Form::Template));
    }
    for text in &head {
        look(pass, text, &everything, &BTreeMap::new(), &mut used);
    }
    let asked: BTreeSet<String> = known.clone();
    for prompt in &book.prompts {
        let mut all: Vec<(Spot<String>, Form)> = prompt.default.iter().chain(&prompt.values).flat_map(texts).map(|t| (t, Form::Template)).collect();
        all.extend(prompt.when.iter().map(|e: &Expr| (e.clone(), Form::Expression)));
        if is_template(&prompt.prompt) {
            all.push((Spot { value: prompt.prompt.clone(), at: prompt.at.clone() }, Form::Template));
        }
        for text in &all {
            look(pass, text, &asked, &BTreeMap::new(), &mut used);
        }
    }
    for entry in &book.program {
        let task = &entry.task;
        let mut here = known.clone();
        here.extend(task.vars.keys().cloned());
        here.extend(["result".to_owned(), "ansible_loop_index".to_owned()]);
        if task.items.is_some() {
            here.insert(task.loop_var.clone());
        }
        // Its own result is there for `until` and its kin.
        here.extend(task.register.clone());
        for text in all_texts(pass, entry) {
            look(pass, &text, &here, &later, &mut used);
        }
        known.extend(made(entry));
    }
    unused(pass, &used);
}

/// The names that a step makes known.
fn made(entry: &crate::playbook::spec::Entry) -> Vec<String> {
    let task = &entry.task;
    let facts = (task.call.action == "set_fact").then(|| task.call.args.keys().cloned());
    task.register.iter().cloned().chain(facts.into_iter().flatten()).collect()
}

fn look(pass: &mut Pass<'_>, (text, form): &(Spot<String>, Form), known: &BTreeSet<String>, later: &BTreeMap<String, Place>, used: &mut BTreeSet<String>) {
    let names = match pass.engine.inspect(&text.at, &text.value, *form) {
        Ok(names) => names,
        Err(trouble) => {
            pass.notes.push(Mistake::error(&trouble.at, "template", trouble.text, "see https://jinja.palletsprojects.com for the grammar"));
            return;
        }
    };
    // What is asked of another target: `hostvars[source].started`.
    if names.contains("hostvars") {
        used.extend(text.value.split('.').skip(1).map(|t| t.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()));
    }
    for name in names {
        used.insert(name.clone());
        if known.contains(&name) || pass.engine.is_global(&name) {
            continue;
        }
        let message = format!("nothing gives `{name}` a value");
        let help = match later.get(&name) {
            Some(at) => format!("the step at line {} makes it known, and that comes later", at.line),
            None => match suggest::nearest(&name, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "give it in `vars`, ask for it in `vars_prompt`, or `register` it".to_owned(),
            },
        };
        pass.notes.push(Mistake::error(&text.at, "undefined", message, help));
    }
    let (filters_used, tests_used) = braces::used(&text.value, *form);
    for (kind, used, known) in [("filter", filters_used, filters::names()), ("test", tests_used, tests_of::NAMES.to_vec())] {
        for name in used {
            if !known.contains(&name.as_str()) {
                let help = suggest::nearest(&name, known.iter().copied()).map_or_else(String::new, |near| format!("did you mean `{near}`?"));
                pass.notes.push(Mistake::error(&text.at, "template", format!("there is no {kind} `{name}`"), help));
            }
        }
    }
}

fn unused(pass: &mut Pass<'_>, used: &BTreeSet<String>) {
    let book = pass.book;
    let vars = book.vars.iter().map(|(name, var)| (name, &var.at, "the variable"));
    let prompts = book.prompts.iter().map(|p| (&p.name, &p.at, "the answer to"));
    for (name, at, what) in vars.chain(prompts) {
        // A name that begins with `_` holds an anchor.
        if !used.contains(name) && !GIVEN.contains(&name.as_str()) && !name.starts_with('_') {
            pass.notes.push(Mistake::warning(at, "unused", format!("{what} `{name}` is used nowhere"), "take it out, or it was meant somewhere"));
        }
    }
    for entry in &book.program {
        if let Some(name) = entry.task.register.as_ref().filter(|n| !used.contains(*n)) {
            let at = entry.task.at.clone();
            pass.warning(
                &entry.task,
                &at,
                "unused",
                format!("what is registered as `{name}` is used nowhere"),
                "take `register` out, or it was meant somewhere",
            );
        }
    }
}
