//! JSON with its fields in the order of the line: whoever wrote it put the important ones first.

use std::fmt::{self, Write as _};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Flag(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Value {
    /// As a person reads it: text without quotes, the rest as JSON.
    pub fn show(&self) -> String {
        match self {
            Self::Text(t) => t.clone(),
            other => other.to_string(),
        }
    }

    /// As a number, also where it is written as text.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(n) => n.as_f64(),
            Self::Text(t) => t.parse().ok(),
            _ => None,
        }
    }

    /// One line a leaf, two blanks a level; `key` stands before the first.
    pub fn pretty(&self, key: &str, depth: usize, out: &mut Vec<(usize, String, String)>) {
        match self {
            Self::Map(fields) if !fields.is_empty() => {
                out.push((depth, key.to_owned(), String::new()));
                for (k, v) in fields {
                    v.pretty(k, depth + 1, out);
                }
            }
            Self::List(items) if items.iter().any(|v| matches!(v, Self::Map(_) | Self::List(_))) => {
                out.push((depth, key.to_owned(), String::new()));
                for (i, v) in items.iter().enumerate() {
                    v.pretty(&format!("[{i}]"), depth + 1, out);
                }
            }
            leaf => out.push((depth, key.to_owned(), leaf.show())),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Flag(b) => write!(f, "{b}"),
            Self::Number(n) => write!(f, "{n}"),
            Self::Text(t) => f.write_str(&serde_json::to_string(t).unwrap_or_default()),
            Self::List(items) => {
                f.write_char('[')?;
                for (i, v) in items.iter().enumerate() {
                    write!(f, "{}{v}", if i > 0 { "," } else { "" })?;
                }
                f.write_char(']')
            }
            Self::Map(fields) => {
                f.write_char('{')?;
                for (i, (k, v)) in fields.iter().enumerate() {
                    write!(f, "{}{}:{v}", if i > 0 { "," } else { "" }, serde_json::to_string(k).unwrap_or_default())?;
                }
                f.write_char('}')
            }
        }
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Flag(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(serde_json::Number::from_f64(v).map_or(Value::Null, Value::Number))
    }
    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::Text(v.to_owned()))
    }
    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::Text(v))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(v) = seq.next_element()? {
            out.push(v);
        }
        Ok(Value::List(out))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(entry) = map.next_entry()? {
            out.push(entry);
        }
        Ok(Value::Map(out))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_line_is_kept() {
        let text = r#"{"z":1,"a":{"y":[1,{"x":null}],"b":"q\"t"},"n":-1.5,"t":true}"#;
        let v: Value = serde_json::from_str(text).unwrap();
        assert_eq!(v.to_string(), text);
        let mut lines = Vec::new();
        v.pretty("", 0, &mut lines);
        assert_eq!(lines.len(), 10, "{lines:?}");
        assert_eq!(lines[7], (2, "b".to_owned(), "q\"t".to_owned()));
        assert!(serde_json::from_str::<Value>(&"[".repeat(4000)).is_err());
    }
}
