//! `logs` of a host and of a group of middleware: what speaks beside what is found by itself.

use toml::de::DeValue;

use super::reader::{Fields, Reader, Span, Value};
use super::refs::{Ref, RefKind};
use super::schema;
use super::spec::{LogOwner, LogSpec};
use crate::base::suggest;
use crate::model::id::Name;
use crate::model::log::{Encoding, LogTarget};

/// One entry; a host's own stands for every host of its pattern.
#[derive(Clone)]
pub(super) struct Entry {
    /// `None`: the host that the entry is written at.
    host: Option<Name>,
    part: Part,
    encoding: Encoding,
}

#[derive(Clone)]
enum Part {
    File(String),
    Unit(Name),
    Container(Name, Name),
}

impl Entry {
    pub(super) fn spec(&self, owner: LogOwner, own_host: &Name) -> LogSpec {
        let host = self.host.clone().unwrap_or_else(|| own_host.clone());
        let target = match self.part.clone() {
            Part::File(path) => LogTarget::File { host, path },
            Part::Unit(unit) => LogTarget::Unit { host, unit },
            Part::Container(runtime, name) => LogTarget::Container { host, name, runtime },
        };
        LogSpec { owner, target, encoding: self.encoding }
    }
}

const OF_HOST: &str = "\"/var/log/app.log\", \"unit:nginx\" or \"docker:app\"";
const OF_GROUP: &str = "\"HOST:/var/log/mysql/error.log\", \"unit:HOST/mysql\" or \"docker:HOST/mysql\"";

/// Where an entry stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    Host,
    Group,
}

pub(super) fn read(r: &mut Reader<'_>, f: &Fields<'_>, at: At, refs: &mut Vec<Ref>) -> Vec<Entry> {
    let Some(value) = f.table.get("logs") else { return Vec::new() };
    let Some(list) = value.get_ref().as_array() else {
        r.wrong_type("logs", value, "a list of logs");
        return Vec::new();
    };
    list.iter().filter_map(|item| one(r, item, at, refs)).collect()
}

fn one(r: &mut Reader<'_>, item: &Value<'_>, at: At, refs: &mut Vec<Ref>) -> Option<Entry> {
    let (text, span, encoding) = if let DeValue::String(text) = item.get_ref() {
        (text.to_string(), item.span(), Encoding::default())
    } else {
        let f = r.fields("logs", item, "a log", schema::LOG)?;
        let encoding = encoding(r, &f).unwrap_or_default();
        let (text, span) = r.required(&f, "path")?;
        (text, span, encoding)
    };
    let Some((host, part)) = part(&text, at) else {
        let forms = if at == At::Host { OF_HOST } else { OF_GROUP };
        r.error(&span, format!("`{text}` names no log"), format!("write {forms}"));
        return None;
    };
    if let Some(host) = &host {
        refs.push(Ref { kind: RefKind::Host, name: host.to_string(), span });
    }
    Some(Entry { host, part, encoding })
}

fn encoding(r: &mut Reader<'_>, f: &Fields<'_>) -> Option<Encoding> {
    let (word, span): (String, Span) = r.string(f, "encoding")?;
    let found = Encoding::from_word(&word);
    if found.is_none() {
        r.error(&span, format!("`encoding` cannot be `{word}`"), suggest::help(&word, ["utf-8", "gb18030"].into_iter(), "it is one of"));
    }
    found
}

fn part(text: &str, at: At) -> Option<(Option<Name>, Part)> {
    let word = |word: &str| (!word.is_empty() && !word.contains(char::is_whitespace)).then(|| Name::from(word));
    let named = |rest: &str| -> Option<(Option<Name>, Name)> {
        match at {
            At::Host => Some((None, word(rest)?)),
            At::Group => {
                let (host, name) = rest.split_once('/')?;
                Some((Some(word(host)?), word(name)?))
            }
        }
    };
    match text.split_once(':') {
        Some(("unit", rest)) => named(rest).map(|(host, unit)| (host, Part::Unit(unit))),
        Some((runtime @ ("docker" | "podman"), rest)) => named(rest).map(|(host, name)| (host, Part::Container(runtime.into(), name))),
        _ if at == At::Host => text.starts_with('/').then(|| (None, Part::File(text.to_owned()))),
        Some((host, path)) if path.starts_with('/') => Some((Some(word(host)?), Part::File(path.to_owned()))),
        _ => None,
    }
}

/// As it is written in the file, at its owner.
pub(super) fn written(spec: &LogSpec) -> String {
    let of_group = matches!(spec.owner, LogOwner::Group(_));
    let text = match &spec.target {
        LogTarget::File { host, path } if of_group => format!("{host}:{path}"),
        LogTarget::File { path, .. } => path.clone(),
        LogTarget::Unit { host, unit } if of_group => format!("unit:{host}/{unit}"),
        LogTarget::Unit { unit, .. } => format!("unit:{unit}"),
        LogTarget::Container { host, name, runtime } if of_group => format!("{runtime}:{host}/{name}"),
        LogTarget::Container { name, runtime, .. } => format!("{runtime}:{name}"),
        _ => String::new(),
    };
    let quoted = toml::Value::String(text).to_string();
    match spec.encoding {
        Encoding::Utf8 => quoted,
        Encoding::Gb18030 => format!("{{ path = {quoted}, encoding = \"gb18030\" }}"),
    }
}
