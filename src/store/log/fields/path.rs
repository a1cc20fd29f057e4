//! Where a field is: `.a.b[0]`, `."odd name"`, after jq.

use std::fmt;

use super::Value;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// A way into a record. A key with dots in it is found both as one key and as nested ones: `.log.level` reads ECS lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<Step>);

/// What is wrong with a path, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// Nothing, or no name, after a dot.
    NoName(usize),
    /// A quote that is not closed.
    OpenQuote(usize),
    /// Brackets hold a number.
    NoIndex(usize),
}

impl Path {
    /// Reads the path at the start of `text`, which begins with a dot. Also gives how many bytes it takes.
    pub fn read(text: &str) -> Result<(Self, usize), PathError> {
        let mut steps = Vec::new();
        let mut at = 0;
        loop {
            let rest = &text[at..];
            if let Some(name) = rest.strip_prefix(".\"") {
                let end = name.find('"').ok_or(PathError::OpenQuote(at + 1))?;
                steps.push(Step::Key(name[..end].to_owned()));
                at += end + 3;
            } else if let Some(name) = rest.strip_prefix('.') {
                let end = name.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '@' | '$' | '/'))).unwrap_or(name.len());
                if end == 0 {
                    return Err(PathError::NoName(at));
                }
                steps.push(Step::Key(name[..end].to_owned()));
                at += end + 1;
            } else if let Some(index) = rest.strip_prefix('[') {
                let end = index.find(']').ok_or(PathError::NoIndex(at))?;
                let n = index[..end].trim().parse().map_err(|_| PathError::NoIndex(at))?;
                steps.push(Step::Index(n));
                at += end + 2;
            } else if steps.is_empty() {
                return Err(PathError::NoName(at));
            } else {
                return Ok((Self(steps), at));
            }
        }
    }

    pub fn find<'v>(&self, fields: &'v [(String, Value)]) -> Option<&'v Value> {
        in_map(fields, &self.0)
    }

    /// The last name of the path: where a line lacks it, it lacks the field.
    pub fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|s| match s {
            Step::Key(k) => Some(k.as_str()),
            Step::Index(_) => None,
        })
    }
}

fn walk<'v>(value: &'v Value, steps: &[Step]) -> Option<&'v Value> {
    match (value, steps.first()) {
        (_, None) => Some(value),
        (Value::Map(fields), Some(_)) => in_map(fields, steps),
        (Value::List(items), Some(Step::Index(i))) => walk(items.get(*i)?, &steps[1..]),
        _ => None,
    }
}

fn in_map<'v>(fields: &'v [(String, Value)], steps: &[Step]) -> Option<&'v Value> {
    let mut name = String::new();
    for (i, step) in steps.iter().enumerate() {
        let Step::Key(key) = step else { break };
        if i > 0 {
            name.push('.');
        }
        name.push_str(key);
        if let Some(found) = fields.iter().find(|(k, _)| *k == name).and_then(|(_, v)| walk(v, &steps[i + 1..])) {
            return Some(found);
        }
    }
    None
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|s| match s {
            Step::Key(k) if k.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '@' | '$' | '/')) => write!(f, ".{k}"),
            Step::Key(k) => write!(f, ".\"{k}\""),
            Step::Index(i) => write!(f, "[{i}]"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_nested_and_dotted_names() {
        let Value::Map(fields) = serde_json::from_str(r#"{"a":{"b":[{"c":7}]},"log.level":"warn","odd name":{"x":1},"@t":2}"#).unwrap() else { panic!() };
        let get = |p: &str| Path::read(p).unwrap().0.find(&fields).map(Value::show);
        assert_eq!(get(".a.b[0].c").as_deref(), Some("7"));
        assert_eq!(get(".log.level").as_deref(), Some("warn"));
        assert_eq!(get(".\"odd name\".x").as_deref(), Some("1"));
        assert_eq!(get(".@t").as_deref(), Some("2"));
        assert_eq!(get(".a.b[1].c"), None);
        assert_eq!(get(".a.b.c"), None);
        assert_eq!(Path::read(".a.b[0]==1").unwrap().1, 7);
        assert_eq!(Path::read(".a.\"x y\"[2]").unwrap().0.to_string(), ".a.\"x y\"[2]");
        assert_eq!(Path::read("."), Err(PathError::NoName(0)));
        assert_eq!(Path::read(".a[x]"), Err(PathError::NoIndex(2)));
        assert_eq!(Path::read(".\"a"), Err(PathError::OpenQuote(1)));
    }
}
