//! Values for a playbook: from `-e`, from the environment, from a person.

use std::path::Path;

use regex::Regex;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::tty::Tty;
use crate::base::redact::Redactor;
use crate::playbook::inventory::Inventory;
use crate::playbook::spec::{Playbook, Prompt, PromptKind};
use crate::playbook::template::Engine;
use crate::playbook::template::scope::{Layer, Scope};

/// `-e`: KEY=VALUE, a JSON object, or `@FILE`.
///
/// # Errors
/// A sentence that says which one is wrong.
pub(super) fn extra(given: &[String]) -> Result<Map<String, Value>, String> {
    let mut vars = Map::new();
    for one in given {
        if let Some(path) = one.strip_prefix('@') {
            let text = std::fs::read_to_string(path).map_err(|e| format!("-e {one}: cannot read {}: {e}", Path::new(path).display()))?;
            let value: Value = serde_saphyr::from_str(&text).map_err(|e| format!("-e {one}: {e}"))?;
            let Value::Object(map) = value else { return Err(format!("-e {one}: the file holds no KEY: VALUE")) };
            vars.extend(map);
        } else if one.trim_start().starts_with('{') {
            let map: Map<String, Value> = serde_json::from_str(one).map_err(|e| format!("-e {one}: {e}"))?;
            vars.extend(map);
        } else {
            let (key, value) = one.split_once('=').ok_or_else(|| format!("-e {one}: write KEY=VALUE"))?;
            vars.insert(key.trim().to_owned(), Value::from(value));
        }
    }
    Ok(vars)
}

/// Where answers come from.
pub(super) struct Answers<'a> {
    pub inventory: &'a Inventory,
    pub redact: &'a Redactor,
    pub tty: Option<&'a mut Tty>,
}

impl Answers<'_> {
    /// Every question of the playbook that `vars` does not answer yet; `only` those of these names where it is given.
    ///
    /// # Errors
    /// One has no answer, or one that is not allowed.
    pub(super) fn complete(&mut self, book: &Playbook, vars: &mut Map<String, Value>, only: Option<&[String]>) -> Result<(), String> {
        let engine = Engine::default();
        for prompt in book.prompts.iter().filter(|p| only.is_none_or(|names| names.contains(&p.name))) {
            let mut own = Map::new();
            own.insert("groups".to_owned(), serde_json::json!(self.inventory.groups()));
            let scope = Scope::new(&engine, vec![Layer::known(own), Layer::Written(std::sync::Arc::new(book.vars.clone())), Layer::known(vars.clone())]);
            if let Some(given) = vars.get(&prompt.name) {
                let fits = Self::fits(prompt, given.clone(), &engine, &scope)?;
                self.keep(prompt, fits, vars);
                continue;
            }
            if engine.all(&prompt.when, &scope).map_err(|e| e.to_string())?.is_some() {
                continue;
            }
            let from_environment = std::env::var(format!("QUARTERDECK_VAR_{}", prompt.name)).ok().map(Value::from);
            let default = prompt.default.as_ref().map(|d| engine.var(d, &scope)).transpose().map_err(|e| e.to_string())?;
            let value = match (from_environment, &mut self.tty) {
                (Some(value), _) => value,
                (None, Some(tty)) => ask(tty, prompt, &engine, &scope, default.as_ref())?,
                (None, None) => default.ok_or_else(|| {
                    format!(
                        "{} needs `{}`: give it with -e {}=..., or in the environment as QUARTERDECK_VAR_{}",
                        book.file, prompt.name, prompt.name, prompt.name
                    )
                })?,
            };
            let value = Self::fits(prompt, value, &engine, &scope)?;
            self.keep(prompt, value, vars);
        }
        Ok(())
    }

    fn keep(&self, prompt: &Prompt, value: Value, vars: &mut Map<String, Value>) {
        if let (true, Some(secret)) = (prompt.private, value.as_str()) {
            self.redact.learn(secret);
        }
        vars.insert(prompt.name.clone(), value);
    }

    fn fits(prompt: &Prompt, value: Value, engine: &Engine, scope: &Scope) -> Result<Value, String> {
        let name = &prompt.name;
        let shown = if prompt.private { "the answer".to_owned() } else { format!("`{}`", text(&value)) };
        let value = match (prompt.kind, &value) {
            (PromptKind::Integer, Value::String(t)) => t.trim().parse::<i64>().map(Value::from).map_err(|_| format!("{name}: {shown} is no number"))?,
            (PromptKind::Boolean, Value::String(t)) => {
                Value::Bool(crate::playbook::template::filters::truth(t).ok_or_else(|| format!("{name}: {shown} is neither yes nor no"))?)
            }
            (PromptKind::List, Value::String(t)) => t.split(',').map(str::trim).filter(|w| !w.is_empty()).map(Value::from).collect::<Vec<_>>().into(),
            _ => value,
        };
        if let Some(values) = &prompt.values {
            let allowed = engine.var(values, scope).map_err(|e| e.to_string())?;
            let allowed: Vec<String> = allowed.as_array().into_iter().flatten().map(text).collect();
            let chosen: Vec<String> = value.as_array().map_or_else(|| vec![text(&value)], |all| all.iter().map(text).collect());
            if let Some(wrong) = chosen.iter().find(|c| !allowed.contains(c)) {
                return Err(format!("{name}: `{wrong}` is not allowed; one of: {}", allowed.join(", ")));
            }
        }
        if let Some(pattern) = &prompt.regex {
            let whole = Regex::new(&format!("^(?:{pattern})$")).map_err(|e| format!("{name}: its pattern: {e}"))?;
            if !whole.is_match(&text(&value)) {
                return Err(format!("{name}: {shown} does not fit {pattern}"));
            }
        }
        Ok(value)
    }
}

fn ask(tty: &mut Tty, prompt: &Prompt, engine: &Engine, scope: &Scope, default: Option<&Value>) -> Result<Value, String> {
    let question = engine.string(&prompt.at, &prompt.prompt, scope).map_err(|e| e.to_string())?;
    let question = if question.is_empty() { prompt.name.clone() } else { question };
    if !prompt.explain.is_empty() {
        tty.say(&prompt.explain);
    }
    loop {
        let shown = match default.filter(|_| !prompt.private) {
            Some(default) => format!("{question} [{}]: ", text(default)),
            None => format!("{question}: "),
        };
        let answer = if prompt.private { tty.secret(&shown)? } else { SecretString::from(tty.line(&shown)?) };
        if prompt.private && prompt.confirm && tty.secret("once more: ")?.expose_secret() != answer.expose_secret() {
            tty.say("these two differ");
            continue;
        }
        return Ok(match (answer.expose_secret(), default) {
            ("", Some(default)) => default.clone(),
            (given, _) => Value::from(given),
        });
    }
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
