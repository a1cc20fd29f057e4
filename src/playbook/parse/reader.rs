//! Takes values out of the tree and keeps a note of everything that is wrong, each with its place.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;

use crate::base::suggest;
use crate::model::catalog::Catalog;
use crate::playbook::keys::{ELSEWHERE, Key};
use crate::playbook::mistake::{Mistake, Place};
use crate::playbook::spec::{Become, Expr, Spot, Var};
use crate::playbook::yaml::{Node, Yaml};

/// Where the text of a file beside the playbook comes from.
pub type Texts<'a> = &'a dyn Fn(&str) -> Result<String, String>;

pub(super) struct Reader<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) texts: Texts<'a>,
    pub(super) notes: Vec<Mistake>,
    /// Every text that was read, by path as written.
    pub(super) read: std::collections::BTreeMap<String, String>,
}

/// The entries of a map.
pub(super) type Entries<'n> = &'n [(Spot<String>, Node)];

impl Reader<'_> {
    pub(super) fn error(&mut self, at: &Place, rule: &'static str, message: impl Into<String>, help: impl Into<String>) {
        self.notes.push(Mistake::error(at, rule, message, help));
    }

    fn wrong_kind(&mut self, key: &str, node: &Node, expected: &str) {
        let help = match node.text() {
            Some("yes" | "on" | "Yes" | "True") if expected == "true or false" => "write true".to_owned(),
            Some("no" | "off" | "No" | "False") if expected == "true or false" => "write false".to_owned(),
            _ => format!("write {expected}"),
        };
        self.error(&node.at, "type", format!("`{key}` is {}, expected {expected}", node.kind()), help);
    }

    /// The entries of a map.
    pub(super) fn map<'n>(&mut self, what: &str, node: &'n Node) -> Option<Entries<'n>> {
        if let Yaml::Map(map) = &node.yaml {
            return Some(map);
        }
        self.error(&node.at, "type", format!("{what} is {}, expected a map of keys", node.kind()), "write `key: value` lines");
        None
    }

    /// Tells the keys that are in no table.
    pub(super) fn unknown(&mut self, what: &str, map: Entries<'_>, known: &[&[Key]], more: &[&str]) {
        for (key, _) in map {
            let name = key.value.as_str();
            let mut all = known.iter().flat_map(|k| k.iter()).map(|k| k.name).chain(more.iter().copied());
            if all.clone().any(|k| k == name) {
                continue;
            }
            let help = match ELSEWHERE.iter().find(|(k, _)| *k == name) {
                Some((_, instead)) => (*instead).to_owned(),
                None => suggest::nearest(name, &mut all).map_or_else(
                    || format!("its keys are {}", suggest::list(&known.iter().flat_map(|k| k.iter()).map(|k| k.name).collect::<Vec<_>>())),
                    |near| format!("did you mean `{near}`?"),
                ),
            };
            self.error(&key.at, "unknown-key", format!("{what} has no key `{name}`"), help);
        }
    }

    pub(super) fn text(&mut self, map: Entries<'_>, key: &str) -> Option<Spot<String>> {
        let node = find(map, key)?;
        match &node.yaml {
            Yaml::Text(text) => Some(Spot { value: text.clone(), at: node.at.clone() }),
            Yaml::Number(number) => Some(Spot { value: number.to_string(), at: node.at.clone() }),
            _ => {
                self.wrong_kind(key, node, "a text");
                None
            }
        }
    }

    pub(super) fn word(&mut self, map: Entries<'_>, key: &str) -> String {
        self.text(map, key).map(|t| t.value.trim().to_owned()).unwrap_or_default()
    }

    pub(super) fn switch(&mut self, map: Entries<'_>, key: &str) -> Option<bool> {
        let node = find(map, key)?;
        if let Yaml::Bool(b) = node.yaml {
            return Some(b);
        }
        self.wrong_kind(key, node, "true or false");
        None
    }

    /// A number, or a text with a template in it.
    pub(super) fn number(&mut self, map: Entries<'_>, key: &str) -> Option<Var> {
        let node = find(map, key)?;
        match &node.yaml {
            Yaml::Number(_) => Some(spot(node)),
            Yaml::Text(text) if text.contains("{{") => Some(spot(node)),
            _ => {
                self.wrong_kind(key, node, "a number");
                None
            }
        }
    }

    pub(super) fn duration(&mut self, map: Entries<'_>, key: &str) -> Option<Duration> {
        let node = find(map, key)?;
        let found = duration(&node.to_json());
        if found.is_none() {
            self.wrong_kind(key, node, "seconds (90) or a text such as 90s or 2m, up to a day");
        }
        found
    }

    /// A condition or a list of them.
    pub(super) fn conditions(&mut self, map: Entries<'_>, key: &str) -> Option<Vec<Expr>> {
        let node = find(map, key)?;
        let list = match &node.yaml {
            Yaml::List(list) => list.iter().collect(),
            _ => vec![node],
        };
        let mut out = Vec::new();
        for item in list {
            let value = match &item.yaml {
                Yaml::Bool(b) => b.to_string(),
                Yaml::Text(text) => text.clone(),
                _ => {
                    self.wrong_kind(key, item, "a condition");
                    continue;
                }
            };
            if value.trim_start().starts_with("{{") {
                self.error(&item.at, "braces", format!("`{key}` is a condition already"), "take the {{ }} out");
                continue;
            }
            out.push(Spot { value, at: item.at.clone() });
        }
        Some(out)
    }

    /// A text or a list of texts; a text may hold several, joined by commas.
    pub(super) fn words(&mut self, map: Entries<'_>, key: &str) -> Vec<String> {
        let Some(node) = find(map, key) else { return Vec::new() };
        match &node.yaml {
            Yaml::Text(text) => text.split(',').map(|w| w.trim().to_owned()).filter(|w| !w.is_empty()).collect(),
            Yaml::List(list) => {
                let mut out = Vec::new();
                for item in list {
                    match &item.yaml {
                        Yaml::Text(text) => out.push(text.clone()),
                        Yaml::Number(n) => out.push(n.to_string()),
                        _ => self.wrong_kind(key, item, "a text"),
                    }
                }
                out
            }
            _ => {
                self.wrong_kind(key, node, "a list of texts");
                Vec::new()
            }
        }
    }

    pub(super) fn vars(&mut self, map: Entries<'_>, key: &str) -> IndexMap<String, Var> {
        let Some(node) = find(map, key) else { return IndexMap::new() };
        let Some(entries) = self.map(&format!("`{key}`"), node) else { return IndexMap::new() };
        let mut out = IndexMap::new();
        for (name, value) in entries {
            if key != "environment" && !is_name(&name.value) {
                self.error(&name.at, "name", format!("`{}` is no name for a variable", name.value), "letters, digits and _, not a digit first");
            }
            out.insert(name.value.clone(), spot(value));
        }
        out
    }

    /// The word of a few.
    pub(super) fn choice<T: Copy>(&mut self, map: Entries<'_>, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(map, key)?;
        let found = words.iter().find(|(word, _)| *word == text.value).map(|(_, t)| *t);
        if found.is_none() {
            let help = suggest::help(&text.value, words.iter().map(|(word, _)| *word), "it is one of");
            self.error(&text.at, "value", format!("`{key}` cannot be `{}`", text.value), help);
        }
        found
    }

    pub(super) fn become_(&mut self, map: Entries<'_>) -> Option<Become> {
        let user = self.text(map, "become_user");
        match self.switch(map, "become") {
            Some(false) => Some(Become::No),
            Some(true) => Some(Become::User(user.unwrap_or_else(|| Spot { value: "root".to_owned(), at: Place::default() }))),
            None => {
                if let Some(user) = user {
                    self.error(&user.at, "become", "`become_user` without `become`", "add `become: true`");
                }
                None
            }
        }
    }

    /// The nodes of a list.
    pub(super) fn list<'n>(&mut self, key: &str, node: &'n Node) -> &'n [Node] {
        match &node.yaml {
            Yaml::List(list) => list,
            Yaml::Null => &[],
            _ => {
                self.wrong_kind(key, node, "a list");
                &[]
            }
        }
    }
}

pub(super) fn find<'n>(map: Entries<'n>, key: &str) -> Option<&'n Node> {
    map.iter().find(|(k, _)| k.value == key).map(|(_, v)| v)
}

pub(super) fn spot(node: &Node) -> Var {
    Spot { value: node.to_json(), at: node.at.clone() }
}

pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_') && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Seconds as a number, or with a unit; up to a day.
pub fn duration(value: &Value) -> Option<Duration> {
    let text = match value {
        Value::Number(n) => format!("{n}s"),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    digits.parse::<f64>().ok().map(|n| n * unit).filter(|s| (0.0..=86_400.0).contains(s)).map(Duration::from_secs_f64)
}

/// The file name that a place carries.
pub(super) fn file(name: &str) -> Arc<str> {
    Arc::from(name)
}
