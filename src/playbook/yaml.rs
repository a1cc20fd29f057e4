//! YAML as a tree in which every value and every key knows its place.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use super::mistake::{Mistake, Place};
use super::spec::Spot;

#[derive(Clone, Debug)]
pub struct Node {
    pub at: Place,
    pub yaml: Yaml,
}

#[derive(Clone, Debug)]
pub enum Yaml {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Spot<String>, Node)>),
}

impl Node {
    pub fn to_json(&self) -> Value {
        match &self.yaml {
            Yaml::Null => Value::Null,
            Yaml::Bool(b) => Value::Bool(*b),
            Yaml::Number(n) => Value::Number(n.clone()),
            Yaml::Text(t) => Value::String(t.clone()),
            Yaml::List(list) => Value::Array(list.iter().map(Self::to_json).collect()),
            Yaml::Map(map) => Value::Object(map.iter().map(|(k, v)| (k.value.clone(), v.to_json())).collect::<Map<_, _>>()),
        }
    }

    pub fn text(&self) -> Option<&str> {
        match &self.yaml {
            Yaml::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.yaml {
            Yaml::Map(map) => map.iter().find(|(k, _)| k.value == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// As a message names it: `the text "x"`, `a list`.
    pub fn kind(&self) -> String {
        match &self.yaml {
            Yaml::Null => "nothing".to_owned(),
            Yaml::Bool(b) => format!("{b}"),
            Yaml::Number(n) => format!("the number {n}"),
            Yaml::Text(t) if t.len() > 40 => "a text".to_owned(),
            Yaml::Text(t) => format!("the text \"{t}\""),
            Yaml::List(_) => "a list".to_owned(),
            Yaml::Map(_) => "a map".to_owned(),
        }
    }
}

/// Reads one document. YAML 1.2: only `true` and `false` are booleans, and a number with a leading zero is a mistake, because
/// two readers of it disagree.
///
/// # Errors
/// It is no YAML; the parser stops at the first such place.
pub fn read(file: &Arc<str>, text: &str) -> Result<(Node, Vec<Mistake>), Mistake> {
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    let raw: Spanned<Raw> = serde_saphyr::from_str_with_options(text, options).map_err(|e| {
        let at = e.location().map_or_else(Place::default, |l| place(file, l.line(), l.column()));
        let at = Place { file: file.clone(), ..at };
        let said = e.to_string();
        let message = said.rsplit_once(" at line ").map_or(said.as_str(), |(message, _)| message);
        let message = message.split(", set DuplicateKeyPolicy").next().unwrap_or(message);
        let help = match text.lines().nth(at.line.saturating_sub(1) as usize) {
            Some(line) if line.contains(": {{") => "a value that begins with {{ stands in quotes: \"{{ name }}\"",
            Some(line) if line.starts_with('\t') || line.contains("\t- ") => "indent with blanks",
            _ => "",
        };
        Mistake::error(&at, "yaml", format!("this is not YAML: {message}"), help)
    })?;
    let mut doubts = Vec::new();
    let node = build(file, text, raw, &mut doubts);
    Ok((node, doubts))
}

fn place(file: &Arc<str>, line: u64, column: u64) -> Place {
    Place { file: file.clone(), line: u32::try_from(line).unwrap_or(0), column: u32::try_from(column).unwrap_or(0) }
}

fn build(file: &Arc<str>, text: &str, raw: Spanned<Raw>, doubts: &mut Vec<Mistake>) -> Node {
    let at = place(file, raw.referenced.line(), raw.referenced.column());
    let yaml = match raw.value {
        Raw::Null => Yaml::Null,
        Raw::Bool(b) => Yaml::Bool(b),
        Raw::Text(t) => Yaml::Text(t),
        Raw::Number(n) => {
            let written = raw.referenced.span().byte_offset().zip(raw.referenced.span().byte_len());
            let written = written.and_then(|(from, len)| text.get(usize::try_from(from).ok()?..usize::try_from(from + len).ok()?)).unwrap_or_default();
            let digits = written.trim_start_matches(['-', '+']);
            if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) {
                doubts.push(Mistake::error(&at, "yaml", format!("`{written}` is a number whose zero is lost"), format!("write \"{written}\" for the text")));
            }
            Yaml::Number(n)
        }
        Raw::List(list) => Yaml::List(list.into_iter().map(|n| build(file, text, n, doubts)).collect()),
        Raw::Map(map) => Yaml::Map(
            map.into_iter()
                .map(|(k, v)| (Spot { at: place(file, k.referenced.line(), k.referenced.column()), value: k.value }, build(file, text, v, doubts)))
                .collect(),
        ),
    };
    Node { at, yaml }
}

enum Raw {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct AnyValue;

        impl<'de> Visitor<'de> for AnyValue {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }
            fn visit_bool<E>(self, v: bool) -> Result<Raw, E> {
                Ok(Raw::Bool(v))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Raw, E> {
                Ok(Raw::Number(v.into()))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Raw, E> {
                Ok(Raw::Number(v.into()))
            }
            fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Raw, E> {
                Number::from_f64(v).map(Raw::Number).ok_or_else(|| E::custom("a number that is not finite"))
            }
            fn visit_str<E>(self, v: &str) -> Result<Raw, E> {
                Ok(Raw::Text(v.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = seq.next_element()? {
                    list.push(item);
                }
                Ok(Raw::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
                let mut map = Vec::new();
                while let Some(entry) = access.next_entry()? {
                    map.push(entry);
                }
                Ok(Raw::Map(map))
            }
        }

        d.deserialize_any(AnyValue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        read(&"f.yaml".into(), text).unwrap().0
    }

    fn wrong(text: &str) -> String {
        match read(&"f.yaml".into(), text) {
            Ok((_, doubts)) => doubts.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            Err(mistake) => mistake.to_string(),
        }
    }

    #[test]
    fn every_value_and_key_has_its_place() {
        let tree = node("a: yes\nb:\n  - |\n    one\n    two\n  - {c: 5}\n");
        assert_eq!(tree.get("a").unwrap().text(), Some("yes"));
        let Yaml::List(list) = &tree.get("b").unwrap().yaml else { panic!() };
        assert_eq!((list[0].at.line, list[0].text()), (4, Some("one\ntwo\n")));
        let Yaml::Map(map) = &list[1].yaml else { panic!() };
        assert_eq!((map[0].0.at.line, map[0].0.at.column, map[0].1.at.column), (6, 6, 9));
        assert_eq!(tree.to_json()["b"][1]["c"], 5);
    }

    #[test]
    fn what_is_no_yaml_is_told_with_its_place_and_a_way_out() {
        assert_eq!(wrong("a: 1\na: 2\n"), "f.yaml:2:1: error: this is not YAML: duplicate mapping key: a [yaml]");
        assert!(wrong("a: {{ x }}\n").ends_with("; a value that begins with {{ stands in quotes: \"{{ name }}\""), "{}", wrong("a: {{ x }}\n"));
        assert!(wrong("a:\n\t- b\n").ends_with("; indent with blanks"));
        assert_eq!(wrong("m: 0755\nn: 0\no: 0x1f\n"), "f.yaml:1:4: error: `0755` is a number whose zero is lost [yaml]; write \"0755\" for the text");
    }
}
