//! The head of a playbook: what it is, whom it is for, what it asks.

use std::collections::BTreeMap;

use super::reader::{Entries, Reader, find, is_name, spot};
use super::task;
use crate::playbook::keys::{HINT, PLAY, PROMPT};
use crate::playbook::spec::{Hint, OnLoss, Playbook, Prompt, PromptKind, Proof, Proven, Spot};
use crate::playbook::yaml::{Node, Yaml};

/// A list of one play, as Ansible has it, or the play alone.
pub(super) fn read(r: &mut Reader<'_>, root: &Node) -> Playbook {
    let node = match &root.yaml {
        Yaml::Null => {
            r.error(&root.at, "empty", "there is nothing in this file", "a playbook begins with `- name: ...`, `hosts: ...` and `tasks:`");
            return Playbook::default();
        }
        Yaml::List(plays) => {
            if let Some(second) = plays.get(1) {
                r.error(&second.at, "plays", "a second play begins here", "one file holds one play: use `when`, `delegate_to` or another file");
            }
            plays.first().unwrap_or(root)
        }
        _ => root,
    };
    let Some(map) = r.map("the play", node) else { return Playbook::default() };
    r.unknown("the play", map, &[PLAY], &[]);
    for (needed, example) in [("name", "name: what it does"), ("hosts", "hosts: a group of the configuration, or localhost"), ("tasks", "tasks:")] {
        if find(map, needed).is_none() {
            r.error(&node.at, "missing-key", format!("the play has no `{needed}`"), format!("add `{example}`"));
        }
    }
    let mut book = Playbook {
        name: r.word(map, "name"),
        owner: r.word(map, "owner"),
        when_to_use: r.word(map, "when_to_use"),
        explain: r.word(map, "explain"),
        proven: proven(r, map),
        requires: r.words(map, "requires"),
        hosts: hosts(r, map),
        vars: r.vars(map, "vars"),
        prompts: find(map, "vars_prompt").map(|n| prompts(r, n)).unwrap_or_default(),
        environment: r.vars(map, "environment"),
        become_: r.become_(map),
        hints: find(map, "hints").map(|n| hints(r, n)).unwrap_or_default(),
        outputs: r.vars(map, "outputs"),
        ..Playbook::default()
    };
    if let Some(tasks) = find(map, "tasks") {
        let on_loss = task::on_loss(r, map, OnLoss::default());
        book.program = task::program(r, tasks, on_loss);
        if book.program.is_empty() {
            r.error(&tasks.at, "empty", "`tasks` has no step", "add one");
        }
    }
    book
}

/// A pattern, or a list of parts of one.
fn hosts(r: &mut Reader<'_>, map: Entries<'_>) -> Spot<String> {
    match find(map, "hosts") {
        Some(node) if matches!(node.yaml, Yaml::List(_)) => Spot { value: r.words(map, "hosts").join(","), at: node.at.clone() },
        _ => r.text(map, "hosts").unwrap_or_default(),
    }
}

fn proven(r: &mut Reader<'_>, map: Entries<'_>) -> Proven {
    const PROOF: &[(&str, Proof)] = &[("run", Proof::Run), ("experimental", Proof::Experimental)];
    let Some(node) = find(map, "proven") else { return Proven::default() };
    let Yaml::Map(ways) = &node.yaml else { return r.choice(map, "proven", PROOF).map_or_else(Proven::default, Proven::All) };
    let mut out = BTreeMap::new();
    for (way, _) in ways {
        if !["host", "container", "pod"].contains(&way.value.as_str()) {
            r.error(&way.at, "value", format!("`proven` knows no way `{}`", way.value), "the ways are `host`, `container` and `pod`");
        } else if let Some(proof) = r.choice(ways, &way.value, PROOF) {
            out.insert(way.value.clone(), proof);
        }
    }
    Proven::Ways(out)
}

fn prompts(r: &mut Reader<'_>, node: &Node) -> Vec<Prompt> {
    let mut out: Vec<Prompt> = Vec::new();
    for node in r.list("vars_prompt", node) {
        let Some(map) = r.map("an entry of `vars_prompt`", node) else { continue };
        r.unknown("an entry of `vars_prompt`", map, &[PROMPT], &[]);
        let Some(name) = r.text(map, "name") else {
            if find(map, "name").is_none() {
                r.error(&node.at, "missing-key", "an entry of `vars_prompt` has no `name`", "add the name that templates use");
            }
            continue;
        };
        if !is_name(&name.value) {
            r.error(&name.at, "name", format!("`{}` is no name for a variable", name.value), "letters, digits and _, not a digit first");
        }
        if out.iter().any(|p| p.name == name.value) {
            r.error(&name.at, "twice", format!("`{}` is asked twice", name.value), "take one out");
        }
        let regex = r.text(map, "regex").filter(|p| pattern(r, p));
        let kinds = [("text", PromptKind::Text), ("integer", PromptKind::Integer), ("boolean", PromptKind::Boolean), ("list", PromptKind::List)];
        let prompt = r.word(map, "prompt");
        out.push(Prompt {
            prompt: if prompt.is_empty() { name.value.clone() } else { prompt },
            name: name.value,
            at: node.at.clone(),
            private: r.switch(map, "private").unwrap_or(false),
            confirm: r.switch(map, "confirm").unwrap_or(false),
            default: find(map, "default").map(spot),
            values: find(map, "values").map(spot),
            regex: regex.map(|p| p.value),
            kind: r.choice(map, "type", &kinds).unwrap_or_default(),
            when: r.conditions(map, "when").unwrap_or_default(),
            explain: r.word(map, "explain"),
        });
    }
    out
}

pub(super) fn hints(r: &mut Reader<'_>, node: &Node) -> Vec<Hint> {
    let mut out = Vec::new();
    for node in r.list("hints", node) {
        let Some(map) = r.map("a hint", node) else { continue };
        r.unknown("a hint", map, &[HINT], &[]);
        for needed in ["match", "means", "fix"] {
            if find(map, needed).is_none() {
                r.error(&node.at, "missing-key", format!("a hint has no `{needed}`"), "a hint is {match: a pattern, means: what it says, fix: what helps}");
            }
        }
        let Some(text) = r.text(map, "match").filter(|p| pattern(r, p)) else { continue };
        out.push(Hint { pattern: text.value, means: r.word(map, "means"), fix: r.word(map, "fix") });
    }
    out
}

fn pattern(r: &mut Reader<'_>, text: &Spot<String>) -> bool {
    match regex::Regex::new(&text.value) {
        Ok(_) => true,
        Err(e) => {
            let said = e.to_string();
            let why = said.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
            r.error(&text.at, "pattern", format!("`{}` is no pattern: {why}", text.value), "backslashes before characters that mean something: \\( \\[ \\?");
            false
        }
    }
}
