//! Reads values out of the parsed TOML and keeps a note of everything that is wrong, each with its place.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::probe::Probe;
use super::spec::{Diagnostic, Severity};
use crate::base::suggest;

pub(super) type Span = Range<usize>;
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// The file being read and what was found wrong in it.
pub(super) struct Reader<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
    pub(super) probe: &'a dyn Probe,
    pub(super) notes: Vec<Diagnostic>,
}

/// One table, with the keys it may have.
#[derive(Clone)]
pub(super) struct Fields<'t> {
    pub(super) table: &'t DeTable<'t>,
    pub(super) span: Span,
    /// As a message names it: `[[host]]`.
    pub(super) what: &'static str,
}

impl Reader<'_> {
    /// Line and column of a byte offset, both counted from 1, the column in characters.
    fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.rfind('\n').map_or(before, |at| &before[at + 1..]);
        (before.matches('\n').count() + 1, line.chars().count() + 1)
    }

    pub(super) fn line(&self, span: &Span) -> usize {
        self.place(span.start).0
    }

    pub(super) fn error(&mut self, span: &Span, message: impl Into<String>, help: impl Into<String>) {
        self.note(Severity::Error, span, message.into(), help.into());
    }

    pub(super) fn warning(&mut self, span: &Span, message: impl Into<String>, help: impl Into<String>) {
        self.note(Severity::Warning, span, message.into(), help.into());
    }

    fn note(&mut self, severity: Severity, span: &Span, message: String, help: String) {
        let (line, column) = self.place(span.start);
        self.notes.push(Diagnostic { severity, file: self.file.to_owned(), line, column, message, help });
    }

    pub(super) fn wrong_type(&mut self, key: &str, value: &Value<'_>, expected: &str) {
        self.error(&value.span(), format!("`{key}` is {}, expected {expected}", kind(value.get_ref())), format!("write {expected}"));
    }

    /// The table behind a value; anything else is a mistake. Its unknown keys are told.
    pub(super) fn fields<'t>(&mut self, key: &str, value: &'t Value<'t>, what: &'static str, known: &[&str]) -> Option<Fields<'t>> {
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type(key, value, "a table");
            return None;
        };
        for name in table.keys().filter(|k| !known.contains(&k.get_ref().as_ref())) {
            let wrong = name.get_ref().as_ref();
            self.error(&name.span(), format!("{what} has no key `{wrong}`"), suggest::help(wrong, known.iter().copied(), "its keys are"));
        }
        Some(Fields { table, span: value.span(), what })
    }

    pub(super) fn string(&mut self, f: &Fields<'_>, key: &str) -> Option<(String, Span)> {
        let value = f.table.get(key)?;
        match value.get_ref().as_str() {
            Some("") => {
                self.error(&value.span(), format!("`{key}` is empty"), "write a text or take the key out");
                None
            }
            Some(text) => Some((text.to_owned(), value.span())),
            None => {
                self.wrong_type(key, value, "a text in quotes");
                None
            }
        }
    }

    /// A text that must be there.
    pub(super) fn required(&mut self, f: &Fields<'_>, key: &str) -> Option<(String, Span)> {
        if !f.table.contains_key(key) {
            self.error(&f.span, format!("{} lacks the key `{key}`", f.what), format!("add {key} = \"...\""));
        }
        self.string(f, key)
    }

    /// A text or a list of texts; `None` where the key is not there.
    pub(super) fn strings(&mut self, f: &Fields<'_>, key: &str) -> Option<Vec<(String, Span)>> {
        let value = f.table.get(key)?;
        if let Some(text) = value.get_ref().as_str() {
            return Some(vec![(text.to_owned(), value.span())]);
        }
        let Some(list) = value.get_ref().as_array() else {
            self.wrong_type(key, value, "a text or a list of texts");
            return None;
        };
        let mut out = Vec::new();
        for item in list {
            match item.get_ref().as_str() {
                Some(text) => out.push((text.to_owned(), item.span())),
                None => self.wrong_type(key, item, "a text in quotes"),
            }
        }
        Some(out)
    }

    pub(super) fn boolean(&mut self, f: &Fields<'_>, key: &str) -> Option<bool> {
        let value = f.table.get(key)?;
        let found = value.get_ref().as_bool();
        if found.is_none() {
            self.wrong_type(key, value, "true or false");
        }
        found
    }

    pub(super) fn port(&mut self, f: &Fields<'_>, key: &str) -> Option<u16> {
        let value = f.table.get(key)?;
        let found = value.get_ref().as_integer().and_then(|i| i.to_string().parse::<u16>().ok()).filter(|p| *p > 0);
        if found.is_none() {
            self.wrong_type(key, value, "a port from 1 to 65535");
        }
        found
    }

    /// Seconds as a number, or `"5s"`, `"500ms"`, `"2m"`.
    pub(super) fn duration(&mut self, f: &Fields<'_>, key: &str) -> Option<Duration> {
        let value = f.table.get(key)?;
        let text = match value.get_ref() {
            DeValue::Integer(i) => format!("{i}s"),
            DeValue::Float(x) => format!("{x}s"),
            DeValue::String(s) => s.to_string(),
            _ => String::new(),
        };
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &text[digits.len()..] {
            "ms" => Some(0.001),
            "s" => Some(1.0),
            "m" => Some(60.0),
            "h" => Some(3600.0),
            _ => None,
        };
        let seconds = unit.zip(digits.parse::<f64>().ok()).map(|(unit, n)| unit * n).filter(|s| (0.5..=86_400.0).contains(s));
        if seconds.is_none() {
            self.wrong_type(key, value, "seconds (5) or a text such as \"5s\" or \"2m\", from half a second to a day");
        }
        seconds.map(Duration::from_secs_f64)
    }

    /// One word of a few.
    pub(super) fn choice<T: Copy>(&mut self, f: &Fields<'_>, key: &str, words: &[(&str, T)]) -> Option<T> {
        let (text, span) = self.string(f, key)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, t)| *t);
        if found.is_none() {
            let names = words.iter().map(|(word, _)| *word);
            self.error(&span, format!("`{key}` cannot be `{text}`"), suggest::help(&text, names, "it is one of"));
        }
        found
    }

    /// How many errors there are so far: an entry that adds to them is broken.
    pub(super) fn errors(&self) -> usize {
        self.notes.iter().filter(|n| n.severity == Severity::Error).count()
    }

    /// The first error after `count` others.
    pub(super) fn error_after(&self, count: usize) -> Option<Diagnostic> {
        self.notes.iter().filter(|n| n.severity == Severity::Error).nth(count).cloned()
    }
}

fn kind(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(s) => format!("the text \"{s}\""),
        DeValue::Integer(i) => format!("the number {i}"),
        DeValue::Float(x) => format!("the number {x}"),
        DeValue::Boolean(b) => format!("{b}"),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
