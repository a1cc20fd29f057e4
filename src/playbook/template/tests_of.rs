//! The tests behind `is`: those of Ansible that Jinja does not carry.

use std::cmp::Ordering;

use minijinja::{Environment, Error, ErrorKind, Value as Jinja};

pub(super) fn add(env: &mut Environment<'static>) {
    for name in ["version", "version_compare"] {
        env.add_test(name, |v: &Jinja, other: &Jinja, operator: Option<&str>| version(&v.to_string(), &other.to_string(), operator.unwrap_or("==")));
    }
    for name in ["succeeded", "success"] {
        env.add_test(name, |v: &Jinja| Ok::<_, Error>(!flag(v, "failed")? && !flag(v, "skipped")?));
    }
    for (name, key) in [("failed", "failed"), ("changed", "changed"), ("skipped", "skipped")] {
        env.add_test(name, move |v: &Jinja| flag(v, key));
    }
    env.add_test("match", |text: &str, pattern: &str| Ok::<_, Error>(regex(pattern)?.find(text).is_some_and(|m| m.start() == 0)));
    env.add_test("search", |text: &str, pattern: &str| Ok::<_, Error>(regex(pattern)?.is_match(text)));
    env.add_test("regex", |text: &str, pattern: &str| Ok::<_, Error>(regex(pattern)?.is_match(text)));
    env.add_test("subset", |a: &Jinja, b: &Jinja| inside(a, b));
    env.add_test("superset", |a: &Jinja, b: &Jinja| inside(b, a));
    env.add_test("contains", |a: &Jinja, b: &Jinja| Ok::<_, Error>(a.try_iter()?.any(|v| v == *b)));
    env.add_test("truthy", |v: &Jinja| v.is_true());
    env.add_test("falsy", |v: &Jinja| !v.is_true());
}

/// Every test by name.
pub const NAMES: &[&str] = &[
    "version",
    "version_compare",
    "succeeded",
    "success",
    "failed",
    "changed",
    "skipped",
    "match",
    "search",
    "regex",
    "subset",
    "superset",
    "contains",
    "truthy",
    "falsy",
    "undefined",
    "defined",
    "none",
    "safe",
    "escaped",
    "boolean",
    "odd",
    "even",
    "divisibleby",
    "number",
    "integer",
    "int",
    "float",
    "string",
    "sequence",
    "iterable",
    "mapping",
    "startingwith",
    "endingwith",
    "lower",
    "upper",
    "sameas",
    "eq",
    "equalto",
    "ne",
    "lt",
    "lessthan",
    "le",
    "gt",
    "greaterthan",
    "ge",
    "in",
    "true",
    "false",
    "filter",
    "test",
];

fn regex(pattern: &str) -> Result<regex::Regex, Error> {
    regex::Regex::new(pattern).map_err(|_| Error::new(ErrorKind::InvalidOperation, format!("`{pattern}` is no pattern")))
}

fn flag(value: &Jinja, key: &str) -> Result<bool, Error> {
    match value.get_attr(key) {
        Ok(found) if !found.is_undefined() => Ok(found.is_true()),
        _ => Err(Error::new(ErrorKind::InvalidOperation, format!("this is no result of a step: it has no `{key}`"))),
    }
}

fn inside(a: &Jinja, b: &Jinja) -> Result<bool, Error> {
    let all: Vec<Jinja> = b.try_iter()?.collect();
    Ok(a.try_iter()?.all(|v| all.contains(&v)))
}

/// The leading numbers of a version: `v1.20.2`, `8.0.36-28`, `10.11.19-MariaDB-log`. The prefix `5.5.5-` that MariaDB shows to
/// old clients is not its version.
pub(super) fn numbers(text: &str) -> Vec<u64> {
    let text = text.trim().trim_start_matches(['v', 'V']);
    let text = text.strip_prefix("5.5.5-").unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text[..end].split('.').map_while(|part| part.parse().ok()).collect()
}

fn version(left: &str, right: &str, operator: &str) -> Result<bool, Error> {
    let (a, b) = (numbers(left), numbers(right));
    for (text, numbers) in [(left, &a), (right, &b)] {
        if numbers.is_empty() {
            return Err(Error::new(ErrorKind::InvalidOperation, format!("`{text}` is no version")));
        }
    }
    let longest = a.len().max(b.len());
    let at = |v: &[u64], i: usize| v.get(i).copied().unwrap_or(0);
    let order = (0..longest).map(|i| at(&a, i).cmp(&at(&b, i))).find(|o| *o != Ordering::Equal).unwrap_or(Ordering::Equal);
    match operator {
        "==" | "=" | "eq" => Ok(order.is_eq()),
        "!=" | "<>" | "ne" => Ok(order.is_ne()),
        "<" | "lt" => Ok(order.is_lt()),
        "<=" | "le" => Ok(order.is_le()),
        ">" | "gt" => Ok(order.is_gt()),
        ">=" | "ge" => Ok(order.is_ge()),
        other => Err(Error::new(ErrorKind::InvalidOperation, format!("`{other}` compares no versions; use < <= == != >= >"))),
    }
}
