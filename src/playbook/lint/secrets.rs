//! Secrets: where they come from, what is made of them, and where they must not go.

use std::collections::BTreeSet;

use super::{Pass, calls, texts};
use crate::model::catalog::FieldKind;
use crate::playbook::spec::{Call, Spot, Task, Var};
use crate::playbook::template::Form;

pub(super) fn check(pass: &mut Pass<'_>) {
    let book = pass.book;
    let mut secret: BTreeSet<String> = book.prompts.iter().filter(|p| p.private).map(|p| p.name.clone()).collect();
    // What is made of a secret is one; until nothing new is found.
    loop {
        let before = secret.len();
        let vars = book.vars.iter().map(|(n, v)| (n.clone(), v));
        let facts = book.program.iter().filter(|e| e.task.call.action == "set_fact").flat_map(|e| e.task.call.args.iter().map(|(n, v)| (n.clone(), v)));
        let own = book.program.iter().flat_map(|e| e.task.vars.iter().map(|(n, v)| (n.clone(), v)));
        let found: Vec<String> = vars.chain(facts).chain(own).filter(|(_, var)| holds(pass, var, &secret)).map(|(name, _)| name).collect();
        secret.extend(found);
        if secret.len() == before {
            break;
        }
    }
    for entry in &book.program {
        let task = &entry.task;
        for call in calls(task) {
            for (field, var) in &call.args {
                if holds(pass, var, &secret) {
                    misplaced(pass, task, call, field, var);
                }
            }
        }
        let name = Spot { value: task.name.clone(), at: task.at.clone() };
        if needs(pass, &name, &secret) {
            pass.error(task, &task.at, "secret-shown", "the name of the step shows a secret", "take it out");
        }
    }
}

fn misplaced(pass: &mut Pass<'_>, task: &Task, call: &Call, field: &str, var: &Var) {
    let kind = pass.kind(call, field);
    let argv = kind == Some(FieldKind::ShellLine) || matches!(field, "argv" | "cmd" | "command" | "commands");
    if argv {
        let help = "give it by `stdin`, or in `environment` where the program reads it from there";
        pass.error(task, &var.at, "secret-argv", format!("a secret stands in `{field}` of `{}`, which the process list shows", call.action), help);
    } else if kind != Some(FieldKind::Secret) && !task.no_log {
        let help = "say `no_log: true`, or give it in a field that is meant for secrets (`password`, `stdin`, `params`, `body`)";
        pass.error(task, &var.at, "secret-shown", format!("`{field}` of `{}` shows a secret", call.action), help);
    }
}

fn holds(pass: &Pass<'_>, var: &Var, secret: &BTreeSet<String>) -> bool {
    texts(var).iter().any(|text| needs(pass, text, secret))
}

/// Does a text show one of these? A length or a hash of it shows nothing.
fn needs(pass: &Pass<'_>, text: &Spot<String>, secret: &BTreeSet<String>) -> bool {
    let Ok(names) = pass.engine.inspect(&text.at, &text.value, Form::Template) else { return false };
    if !names.iter().any(|n| secret.contains(n)) {
        return false;
    }
    let braces = super::braces::braces(&text.value);
    let hides = |b: &super::braces::Braces| matches!(b.last_filter(), Some("length" | "count" | "hash"));
    braces.is_empty() || !braces.iter().filter(|b| secret.iter().any(|s| b.bare.contains(s.as_str()))).all(hides)
}
