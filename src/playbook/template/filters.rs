//! The filters that people who write Ansible expect, and those that make a value safe where it goes: `quote` for a shell,
//! `sql_quote` and `sql_name` for a statement, `urlencode` for a path.

use std::fmt::Write as _;

use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, ErrorKind, Value as Jinja};
use serde_json::{Map, Value};

use super::from_json;
use crate::base::text::percent;

/// Filters after which a value is one or more words of a shell line, or no more than digits.
pub const SAFE_IN_SHELL: &[&str] = &["quote", "words", "int", "float", "length", "count", "b64encode", "hash"];
/// The same for a statement of SQL.
pub const SAFE_IN_SQL: &[&str] = &["sql_quote", "sql_name", "int", "float", "length", "count"];

pub fn add(env: &mut Environment<'static>) {
    env.add_filter("quote", |v: &Jinja| word(&plain(v)));
    env.add_filter("words", |v: &Jinja| Ok::<_, Error>(v.try_iter()?.map(|w| word(&plain(&w))).collect::<Vec<_>>().join(" ")));
    env.add_filter("sql_quote", |v: &Jinja| sql_text(&plain(v)));
    env.add_filter("sql_name", |v: &Jinja| format!("`{}`", plain(v).replace('`', "``")));
    env.add_filter("bool", |v: &Jinja| boolean(v));
    env.add_filter("urlencode", |v: &Jinja| percent(plain(v)));
    for name in ["to_json", "to_nice_json"] {
        env.add_filter(name, move |v: &Jinja| json_text(v, name == "to_nice_json"));
    }
    env.add_filter("to_yaml", |v: &Jinja| serde_saphyr::to_string(&to_json(v)).map_err(|e| invalid(e.to_string())));
    env.add_filter("from_json", |text: &str| serde_json::from_str::<Value>(text).map(|v| from_json(&v)).map_err(|e| invalid(format!("no JSON: {e}"))));
    env.add_filter("from_yaml", |text: &str| {
        serde_saphyr::from_str::<Value>(text)
            .map(|v| from_json(&v))
            .map_err(|e| invalid(format!("no YAML: {}", e.to_string().lines().next().unwrap_or_default())))
    });
    env.add_filter("b64encode", |v: &Jinja| base64(plain(v).as_bytes()));
    env.add_filter("b64decode", |text: &str| unbase64(text).ok_or_else(|| invalid("no base64 of a text")));
    env.add_filter("hash", |v: &Jinja, kind: Option<&str>| match kind {
        None | Some("sha256") => Ok(sha256(plain(v).as_bytes())),
        Some(other) => Err(invalid(format!("`{other}` is no hash here; use `sha256`"))),
    });
    env.add_filter("mandatory", Ok::<Jinja, Error>);
    env.add_filter("ternary", |v: &Jinja, yes: Jinja, no: Jinja| if v.is_true() { yes } else { no });
    env.add_filter("regex_search", |text: &str, pattern: &str, group: Option<usize>| regex_search(text, pattern, group));
    env.add_filter("regex_replace", |text: &str, pattern: &str, with: &str| Ok::<_, Error>(regex(pattern)?.replace_all(text, dollars(with)).into_owned()));
    env.add_filter("regex_findall", |text: &str, pattern: &str| regex_all(text, pattern));
    env.add_filter("combine", |v: &Jinja, others: Rest<Jinja>, kwargs: Kwargs| combine(v, &others, &kwargs));
    env.add_filter("dict2items", |v: &Jinja| dict2items(v));
    env.add_filter("items2dict", |v: &Jinja, kwargs: Kwargs| items2dict(v, &kwargs));
    env.add_filter("difference", |a: &Jinja, b: &Jinja| sets(a, b, |here, there| here && !there));
    env.add_filter("intersect", |a: &Jinja, b: &Jinja| sets(a, b, |here, there| here && there));
    env.add_filter("union", |a: &Jinja, b: &Jinja| union(a, b));
    env.add_filter("flatten", |v: &Jinja| flatten(v));
    env.add_filter("basename", |text: &str| text.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned());
    env.add_filter("dirname", |text: &str| text.trim_end_matches('/').rsplit_once('/').map_or(String::new(), |(dir, _)| dir.to_owned()));
    env.add_filter("comment", |text: &str| text.lines().map(|l| format!("# {l}")).collect::<Vec<_>>().join("\n"));
    env.add_filter("version_part", |v: &Jinja, parts: usize| {
        super::tests_of::numbers(&plain(v)).iter().take(parts).map(u64::to_string).collect::<Vec<_>>().join(".")
    });
    env.set_unknown_method_callback(|_, value, name, args| method(value, name, args));
}

/// Every filter by name.
pub fn names() -> Vec<&'static str> {
    let ours = [
        "quote",
        "words",
        "sql_quote",
        "sql_name",
        "bool",
        "urlencode",
        "to_json",
        "to_nice_json",
        "to_yaml",
        "from_json",
        "from_yaml",
        "b64encode",
        "b64decode",
        "hash",
        "mandatory",
        "ternary",
        "regex_search",
        "regex_replace",
        "regex_findall",
        "combine",
        "dict2items",
        "items2dict",
        "difference",
        "intersect",
        "union",
        "flatten",
        "basename",
        "dirname",
        "comment",
        "version_part",
    ];
    let carried = [
        "abs",
        "attr",
        "batch",
        "capitalize",
        "chain",
        "count",
        "d",
        "default",
        "dictsort",
        "e",
        "escape",
        "first",
        "float",
        "format",
        "groupby",
        "indent",
        "int",
        "items",
        "join",
        "last",
        "length",
        "lines",
        "list",
        "lower",
        "map",
        "max",
        "min",
        "pprint",
        "reject",
        "rejectattr",
        "replace",
        "reverse",
        "round",
        "safe",
        "select",
        "selectattr",
        "slice",
        "sort",
        "split",
        "string",
        "sum",
        "title",
        "tojson",
        "trim",
        "unique",
        "upper",
        "zip",
    ];
    ours.into_iter().chain(carried).collect()
}

/// A value as a text, as `{{ }}` writes it.
fn plain(value: &Jinja) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

pub(in crate::playbook) fn to_json(value: &Jinja) -> Value {
    if value.is_undefined() { Value::Null } else { serde_json::to_value(value).unwrap_or(Value::Null) }
}

fn invalid(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, why.into())
}

/// One word of a POSIX shell, whatever is in it.
pub fn word(text: &str) -> String {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"@%+=:,./-_".contains(&b));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// A text of SQL. A backslash is doubled: MySQL and MariaDB read it as the begin of an escape unless `NO_BACKSLASH_ESCAPES` is set.
fn sql_text(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', "''"))
}

/// What people mean by a word in place of a boolean.
pub fn truth(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "y" | "t" => Some(true),
        "false" | "no" | "off" | "0" | "n" | "f" | "" => Some(false),
        _ => None,
    }
}

fn boolean(value: &Jinja) -> Result<bool, Error> {
    match value.as_str() {
        Some(text) => truth(text).ok_or_else(|| invalid(format!("`{text}` is neither true nor false"))),
        None => Ok(value.is_true()),
    }
}

fn json_text(value: &Jinja, nice: bool) -> Result<String, Error> {
    let value = to_json(value);
    if nice { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.map_err(|e| invalid(e.to_string()))
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0_u32, |n, b| (n << 8) | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = DIGITS[(n >> (18 - 6 * i)) as usize & 63];
            out.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

fn unbase64(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let (mut n, mut bits) = (0_u32, 0);
    for b in text.bytes().filter(|b| !b.is_ascii_whitespace()).take_while(|b| *b != b'=') {
        let digit = DIGITS.iter().position(|d| *d == b)?;
        n = (n << 6) | u32::try_from(digit).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from((n >> bits) & 0xff).ok()?);
        }
    }
    String::from_utf8(out).ok()
}

fn sha256(bytes: &[u8]) -> String {
    ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().iter().fold(String::new(), |mut hex, b| {
        let _ = write!(hex, "{b:02x}");
        hex
    })
}

fn regex(pattern: &str) -> Result<regex::Regex, Error> {
    regex::Regex::new(pattern).map_err(|_| invalid(format!("`{pattern}` is no pattern")))
}

/// Python writes `\1` where the crate wants `${1}`.
fn dollars(with: &str) -> String {
    let mut out = String::new();
    let mut chars = with.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek().copied()) {
            ('\\', Some(d)) if d.is_ascii_digit() => {
                chars.next();
                let _ = write!(out, "${{{d}}}");
            }
            ('$', _) => out.push_str("$$"),
            _ => out.push(c),
        }
    }
    out
}

/// The match, or one group of it; none where nothing matches.
fn regex_search(text: &str, pattern: &str, group: Option<usize>) -> Result<Jinja, Error> {
    let found = regex(pattern)?;
    let found = found.captures(text).and_then(|c| c.get(group.unwrap_or(0)).map(|m| m.as_str().to_owned()));
    Ok(found.map_or_else(|| Jinja::from(()), Jinja::from))
}

fn regex_all(text: &str, pattern: &str) -> Result<Vec<String>, Error> {
    let pattern = regex(pattern)?;
    let group = usize::from(pattern.captures_len() > 1);
    Ok(pattern.captures_iter(text).filter_map(|c| c.get(group).map(|m| m.as_str().to_owned())).collect())
}

fn object(value: &Jinja) -> Result<Map<String, Value>, Error> {
    match to_json(value) {
        Value::Object(map) => Ok(map),
        other => Err(invalid(format!("expected a map, found {other}"))),
    }
}

fn combine(value: &Jinja, others: &Rest<Jinja>, kwargs: &Kwargs) -> Result<Jinja, Error> {
    let recursive = kwargs.get::<Option<bool>>("recursive")?.unwrap_or(false);
    kwargs.assert_all_used()?;
    let mut map = object(value)?;
    for other in others.iter() {
        merge(&mut map, object(other)?, recursive);
    }
    Ok(from_json(&Value::Object(map)))
}

fn merge(map: &mut Map<String, Value>, other: Map<String, Value>, recursive: bool) {
    for (key, value) in other {
        match (map.get_mut(&key), value) {
            (Some(Value::Object(inner)), Value::Object(more)) if recursive => merge(inner, more, true),
            (_, value) => {
                map.insert(key, value);
            }
        }
    }
}

fn dict2items(value: &Jinja) -> Result<Jinja, Error> {
    let items = object(value)?.into_iter().map(|(key, value)| serde_json::json!({ "key": key, "value": value })).collect();
    Ok(from_json(&Value::Array(items)))
}

fn items2dict(value: &Jinja, kwargs: &Kwargs) -> Result<Jinja, Error> {
    let key_name = kwargs.get::<Option<String>>("key_name")?.unwrap_or_else(|| "key".to_owned());
    let value_name = kwargs.get::<Option<String>>("value_name")?.unwrap_or_else(|| "value".to_owned());
    kwargs.assert_all_used()?;
    let mut map = Map::new();
    for item in value.try_iter()? {
        let item = object(&item)?;
        let key = item.get(&key_name).and_then(Value::as_str).ok_or_else(|| invalid(format!("an item has no `{key_name}`")))?;
        map.insert(key.to_owned(), item.get(&value_name).cloned().unwrap_or(Value::Null));
    }
    Ok(from_json(&Value::Object(map)))
}

fn sets(a: &Jinja, b: &Jinja, keep: impl Fn(bool, bool) -> bool) -> Result<Vec<Jinja>, Error> {
    let other: Vec<Jinja> = b.try_iter()?.collect();
    let mut out: Vec<Jinja> = Vec::new();
    for value in a.try_iter()? {
        if keep(true, other.contains(&value)) && !out.contains(&value) {
            out.push(value);
        }
    }
    Ok(out)
}

fn union(a: &Jinja, b: &Jinja) -> Result<Vec<Jinja>, Error> {
    let mut out: Vec<Jinja> = Vec::new();
    for value in a.try_iter()?.chain(b.try_iter()?) {
        if !out.contains(&value) {
            out.push(value);
        }
    }
    Ok(out)
}

fn flatten(value: &Jinja) -> Result<Vec<Jinja>, Error> {
    let mut out = Vec::new();
    for item in value.try_iter()? {
        match item.kind() {
            minijinja::value::ValueKind::Seq => out.extend(flatten(&item)?),
            _ => out.push(item),
        }
    }
    Ok(out)
}

/// The methods of Python's texts and maps that stand in many playbooks.
fn method(value: &Jinja, name: &str, args: &[Jinja]) -> Result<Jinja, Error> {
    let arg = |at: usize| args.get(at).map(plain);
    if let Some(text) = value.as_str() {
        return match (name, arg(0), arg(1)) {
            ("startswith", Some(a), _) => Ok(text.starts_with(&a).into()),
            ("endswith", Some(a), _) => Ok(text.ends_with(&a).into()),
            ("split", Some(a), _) => Ok(text.split(&a).map(Jinja::from).collect::<Vec<_>>().into()),
            ("split", None, _) => Ok(text.split_whitespace().map(Jinja::from).collect::<Vec<_>>().into()),
            ("splitlines", None, _) => Ok(text.lines().map(Jinja::from).collect::<Vec<_>>().into()),
            ("strip", None, _) => Ok(text.trim().into()),
            ("lower", None, _) => Ok(text.to_lowercase().into()),
            ("upper", None, _) => Ok(text.to_uppercase().into()),
            ("replace", Some(a), Some(b)) => Ok(text.replace(&a, &b).into()),
            _ => Err(no_method(name)),
        };
    }
    let Value::Object(map) = to_json(value) else { return Err(no_method(name)) };
    match (name, args) {
        ("keys", []) => Ok(map.keys().map(|k| Jinja::from(k.as_str())).collect::<Vec<_>>().into()),
        ("values", []) => Ok(map.values().map(from_json).collect::<Vec<_>>().into()),
        ("items", []) => Ok(map.iter().map(|(k, v)| Jinja::from(vec![Jinja::from(k.as_str()), from_json(v)])).collect::<Vec<_>>().into()),
        ("get", [key]) => Ok(map.get(&plain(key)).map_or_else(|| Jinja::from(()), from_json)),
        ("get", [key, other]) => Ok(map.get(&plain(key)).map_or_else(|| other.clone(), from_json)),
        _ => Err(no_method(name)),
    }
}

fn no_method(name: &str) -> Error {
    Error::new(ErrorKind::UnknownMethod, format!("there is no method `{name}` here; use a filter"))
}
