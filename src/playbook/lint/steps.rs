//! One step: what it must say about itself, and what its lines must not do.

use super::{Pass, RULES, braces, calls, texts};
use crate::base::suggest;
use crate::model::catalog::{FieldKind, Touches};
use crate::playbook::mistake::{Mistake, Place};
use crate::playbook::spec::{Call, CheckMode, Danger, Entry, Task, Undo, Var};
use crate::playbook::template::filters::{SAFE_IN_SHELL, SAFE_IN_SQL};

pub(super) fn check(pass: &mut Pass<'_>, entry: &Entry) {
    let task = &entry.task;
    for rule in task.excused.iter().filter(|r| !RULES.contains(&r.as_str())) {
        let help = suggest::help(rule, RULES.iter().copied(), "the rules are");
        pass.notes.push(Mistake::error(&task.at, "value", format!("the lint has no rule `{rule}` to excuse from"), help));
    }
    said(pass, task);
    for call in calls(task) {
        lines(pass, task, call);
        downloads(pass, task, call);
    }
    for probe in task.check.iter().chain(&task.verify) {
        if pass.touches(&probe.call) == Some(Touches::Target) {
            let help = "a look changes nothing: ask with `command`, `shell`, `sql`, `uri`, `k8s_wait` ...";
            pass.error(task, &probe.call.at, "probe", format!("`{}` changes its target, and this is only a look", probe.call.action), help);
        }
    }
}

/// What a step that changes something owes its reader.
fn said(pass: &mut Pass<'_>, task: &Task) {
    let (name, at) = (task.name.clone(), task.at.clone());
    if pass.reads(task) {
        let blind = task.check_mode == CheckMode::Looked && task.register.is_some() && pass.touches(&task.call) == Some(Touches::Unknown);
        if blind {
            let help = "say `check_mode: false`: it only looks, and a plan needs what it finds";
            pass.warning(task, &at, "plan-blind", format!("a plan leaves `{name}` out, and all that needs what it registers"), help);
        }
        return;
    }
    if task.check_mode == CheckMode::Runs {
        let help = "`check_mode: false` is for steps that only look; say `changed_when: false` if this one does";
        pass.error(task, &at, "check-mode", format!("`{name}` may change something, and a plan would run it"), help);
    }
    if task.verify.is_empty() {
        let help = "add `verify: {...}`: a look at the world by another way than the step's own, so that \"succeeded\" means something";
        pass.error(task, &at, "no-verify", format!("`{name}` changes something and nothing looks whether it worked"), help);
    }
    if task.verify.iter().any(|p| p.call.action == task.call.action && same(&p.call, &task.call)) {
        pass.error(task, &at, "verify-own", format!("`{name}` is verified by itself"), "look at what it should have changed, by another command");
    }
    if matches!(task.undo, Undo::Absent) {
        let help = "add `undo: {...}`, or `undo: {none: why there is none}`";
        pass.warning(task, &at, "no-undo", format!("nothing says how `{name}` is taken back"), help);
    }
    if task.danger != Danger::None && task.explain.is_empty() {
        let help = "add `explain`: what happens to whom, and what to do before";
        pass.warning(task, &at, "no-explain", format!("`{name}` is {:?} and does not explain itself", task.danger).to_lowercase(), help);
    }
}

fn same(a: &Call, b: &Call) -> bool {
    a.args.len() == b.args.len() && a.args.iter().all(|(field, var)| b.args.get(field).is_some_and(|other| other.value == var.value))
}

/// Values in lines that something takes apart.
fn lines(pass: &mut Pass<'_>, task: &Task, call: &Call) {
    for (field, var) in &call.args {
        let kind = pass.kind(call, field);
        let (what, safe, help) = match kind {
            Some(FieldKind::ShellLine) => ("a shell", SAFE_IN_SHELL, "quote it: `{{ value | quote }}`, a list `{{ list | words }}`"),
            Some(FieldKind::Text) if field == "cmd" => ("words", SAFE_IN_SHELL, "quote it: `{{ value | quote }}`, or give the words as `argv`"),
            Some(FieldKind::Sql) => ("a statement", SAFE_IN_SQL, "use `params`, or `{{ value | sql_quote }}`, a name `{{ name | sql_name }}`"),
            _ => continue,
        };
        for text in texts(var) {
            for found in braces::braces(&text.value) {
                let at = Place { line: text.at.line + found.line, ..text.at.clone() };
                let filter = found.last_filter();
                let quoted = filter.is_some_and(|f| safe.contains(&f));
                if !quoted && !found.is_literal() {
                    pass.error(task, &at, "unquoted", format!("`{{{{{}}}}}` goes into {what} as it is", found.bare), help);
                } else if matches!(filter, Some("quote" | "words" | "sql_quote")) && matches!(found.around, (Some('\'' | '"'), Some('\'' | '"'))) {
                    let message = format!("`{{{{{}}}}}` is quoted already, and the quotes around it take that away", found.bare);
                    pass.error(task, &at, "unquoted", message, "take the quotes around it out");
                }
            }
        }
    }
}

/// What comes from elsewhere is pinned.
fn downloads(pass: &mut Pass<'_>, task: &Task, call: &Call) {
    let pinned = call.args.get("sha256").is_some_and(|v| !v.value.as_str().unwrap_or_default().trim().is_empty());
    let has_sum = pass.kind(call, "sha256").is_some();
    if let Some(url) = call.args.get("url").filter(|_| has_sum && !pinned) {
        pass.error(task, &url.at, "unpinned", "what is downloaded is not pinned", "add `sha256`: the sum that was looked at");
    }
    for (field, var) in &call.args {
        let line = pass.kind(call, field) == Some(FieldKind::ShellLine);
        let Some(text) = whole(var) else { continue };
        let piped = line && ["curl ", "wget "].iter().any(|c| text.contains(c)) && ["| sh", "| bash", "|sh", "|bash"].iter().any(|c| text.contains(c));
        if piped {
            pass.error(task, &var.at, "unpinned", "what is downloaded is run unseen", "download it with `copy` and its `sha256`, then run the file");
        }
        if text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',')).any(|w| w.ends_with(":latest")) {
            pass.warning(task, &var.at, "floating-tag", "`:latest` is another image tomorrow", "name a version");
        }
    }
}

fn whole(var: &Var) -> Option<String> {
    match &var.value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => Some(var.value.to_string()),
        _ => None,
    }
}
