//! Values that a playbook asks for: which question is next, and whether an answer is allowed.

use std::sync::Arc;

use regex::Regex;
use serde_json::{Map, Value};

use crate::playbook::inventory::Inventory;
use crate::playbook::spec::{Playbook, Prompt, PromptKind};
use crate::playbook::template::Engine;
use crate::playbook::template::filters::truth;
use crate::playbook::template::scope::{Layer, Scope};

/// A question, its templates rendered with the answers so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Next {
    pub name: String,
    pub question: String,
    pub explain: String,
    /// Typed unseen, kept nowhere.
    pub private: bool,
    pub confirm: bool,
    pub default: Option<Value>,
    /// Empty: anything that fits.
    pub allowed: Vec<String>,
}

fn scope(engine: &Engine, book: &Playbook, inventory: &Inventory, vars: &Map<String, Value>) -> Scope {
    let own = Map::from_iter([("groups".to_owned(), serde_json::json!(inventory.groups()))]);
    Scope::new(engine, vec![Layer::known(own), Layer::Written(Arc::new(book.vars.clone())), Layer::known(vars.clone())])
}

/// The first question without an answer in `vars`; only of those in `only` where that is given.
///
/// # Errors
/// A template of it cannot be rendered.
pub fn next(book: &Playbook, inventory: &Inventory, vars: &Map<String, Value>, only: Option<&[String]>) -> Result<Option<Next>, String> {
    let engine = Engine::default();
    let scope = scope(&engine, book, inventory, vars);
    for prompt in book.prompts.iter().filter(|p| !vars.contains_key(&p.name) && only.is_none_or(|names| names.contains(&p.name))) {
        if engine.all(&prompt.when, &scope).map_err(|e| e.to_string())?.is_some() {
            continue;
        }
        let question = engine.string(&prompt.at, &prompt.prompt, &scope).map_err(|e| e.to_string())?;
        return Ok(Some(Next {
            name: prompt.name.clone(),
            question: if question.is_empty() { prompt.name.clone() } else { question },
            explain: prompt.explain.clone(),
            private: prompt.private,
            confirm: prompt.confirm,
            default: prompt.default.as_ref().map(|d| engine.var(d, &scope)).transpose().map_err(|e| e.to_string())?,
            allowed: allowed(prompt, &engine, &scope)?,
        }));
    }
    Ok(None)
}

fn allowed(prompt: &Prompt, engine: &Engine, scope: &Scope) -> Result<Vec<String>, String> {
    let Some(values) = &prompt.values else { return Ok(Vec::new()) };
    let values = engine.var(values, scope).map_err(|e| e.to_string())?;
    Ok(values.as_array().into_iter().flatten().map(text).collect())
}

/// An answer as the playbook wants it.
///
/// # Errors
/// It is not allowed; the text says what is.
pub fn accept(book: &Playbook, inventory: &Inventory, vars: &Map<String, Value>, name: &str, value: Value) -> Result<Value, String> {
    let Some(prompt) = book.prompts.iter().find(|p| p.name == name) else { return Ok(value) };
    let engine = Engine::default();
    let scope = scope(&engine, book, inventory, vars);
    let shown = if prompt.private { "the answer".to_owned() } else { format!("`{}`", text(&value)) };
    let value = match (prompt.kind, &value) {
        (PromptKind::Integer, Value::String(t)) => t.trim().parse::<i64>().map(Value::from).map_err(|_| format!("{name}: {shown} is no number"))?,
        (PromptKind::Boolean, Value::String(t)) => Value::Bool(truth(t).ok_or_else(|| format!("{name}: {shown} is neither yes nor no"))?),
        (PromptKind::List, Value::String(t)) => t.split(',').map(str::trim).filter(|w| !w.is_empty()).map(Value::from).collect::<Vec<_>>().into(),
        _ => value,
    };
    let allowed = allowed(prompt, &engine, &scope)?;
    if prompt.values.is_some() {
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

/// A value as it is shown and typed.
pub fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// `-e`: KEY=VALUE, a JSON object, or `@FILE` with YAML.
///
/// # Errors
/// A sentence that says which one is wrong.
pub fn extra(given: &[String]) -> Result<Map<String, Value>, String> {
    let mut vars = Map::new();
    for one in given {
        if let Some(path) = one.strip_prefix('@') {
            let text = std::fs::read_to_string(path).map_err(|e| format!("-e {one}: cannot read {path}: {e}"))?;
            let value: Value = serde_saphyr::from_str(&text).map_err(|e| format!("-e {one}: {e}"))?;
            let Value::Object(map) = value else { return Err(format!("-e {one}: the file holds no KEY: VALUE")) };
            vars.extend(map);
        } else if one.trim_start().starts_with('{') {
            let map: Map<String, Value> = serde_json::from_str(one).map_err(|e| format!("-e {one}: {e}"))?;
            vars.extend(map);
        } else {
            let (key, value) = one.split_once('=').ok_or_else(|| format!("{one}: write KEY=VALUE"))?;
            vars.insert(key.trim().to_owned(), Value::from(value));
        }
    }
    Ok(vars)
}
