//! The expressions inside a text, taken apart far enough to see which filters they end with.

use std::sync::LazyLock;

use regex::Regex;

use crate::playbook::template::Form;

static LITERAL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"#).ok());
static FILTER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\|\s*([A-Za-z_]\w*)").ok());
static TEST: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\bis\s+(?:not\s+)?([A-Za-z_]\w*)").ok());

/// A `{{ }}` of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Braces {
    /// Without its literals.
    pub(super) bare: String,
    /// The characters right before and after it.
    pub(super) around: (Option<char>, Option<char>),
    /// Lines from the begin of the text.
    pub(super) line: u32,
}

impl Braces {
    pub(super) fn last_filter(&self) -> Option<&str> {
        FILTER.as_ref()?.captures_iter(&self.bare).last().and_then(|c| c.get(1)).map(|m| m.as_str())
    }

    /// Nothing but text: `{{ 'a' if x else 'b' }}` can put nothing foreign in.
    pub(super) fn is_literal(&self) -> bool {
        let bare = self.bare.trim();
        let parts: Vec<&str> = bare.split(" else ").collect();
        parts.iter().all(|part| part.split(" if ").next().is_some_and(|value| value.contains("''") && value.chars().all(|c| "[]', ".contains(c))))
    }
}

fn without_literals(text: &str) -> String {
    LITERAL.as_ref().map_or_else(|| text.to_owned(), |r| r.replace_all(text, "''").into_owned())
}

/// Every `{{ }}` of a text, those in comments left out.
pub(super) fn braces(text: &str) -> Vec<Braces> {
    let mut out = Vec::new();
    let mut from = 0;
    while let Some(open) = text[from..].find("{{").map(|at| from + at) {
        let Some(len) = closing(&text[open + 2..]) else { break };
        let inner = &text[open + 2..open + 2 + len];
        let after = open + 2 + len + 2;
        out.push(Braces {
            bare: without_literals(inner.trim_matches('-')),
            around: (text[..open].chars().next_back(), text.get(after..).and_then(|t| t.chars().next())),
            line: u32::try_from(text[..open].matches('\n').count()).unwrap_or(0),
        });
        from = after.min(text.len());
    }
    out
}

/// Where the `}}` is that belongs to an open `{{`: braces of maps and literals are stepped over.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0_u32, None);
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(q), b) if b == q => quote = None,
            (None, b @ (b'"' | b'\'')) => quote = Some(b),
            (None, b'{') => depth += 1,
            (None, b'}') if depth == 0 && bytes.get(at + 1) == Some(&b'}') => return Some(at),
            (None, b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The names of the filters and of the tests in a text.
pub(super) fn used(text: &str, form: Form) -> (Vec<String>, Vec<String>) {
    let sections: Vec<String> = match form {
        Form::Expression => vec![without_literals(text)],
        Form::Template => {
            let mut all: Vec<String> = braces(text).into_iter().map(|b| b.bare).collect();
            let mut rest = text;
            while let Some((_, after)) = rest.split_once("{%") {
                let (inner, after) = after.split_once("%}").unwrap_or((after, ""));
                all.push(without_literals(inner));
                rest = after;
            }
            all
        }
    };
    let find = |pattern: &LazyLock<Option<Regex>>| {
        let Some(pattern) = pattern.as_ref() else { return Vec::new() };
        sections.iter().flat_map(|s| pattern.captures_iter(s)).filter_map(|c| c.get(1)).map(|m| m.as_str().to_owned()).collect()
    };
    (find(&FILTER), find(&TEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_found_with_what_is_around_them() {
        let found = braces("a '{{ x | quote }}'\n{{ {'k': \"}}\"} | to_json }} {{ 'on' if y else 'off' }}");
        let last: Vec<_> = found.iter().map(|b| (b.last_filter(), b.line, b.is_literal())).collect();
        assert_eq!(last, [(Some("quote"), 0, false), (Some("to_json"), 1, false), (None, 1, true)]);
        assert_eq!(found[0].around, (Some('\''), Some('\'')));
        assert_eq!(used("{% if a is not defined %}{{ b | d('| no') }}{% endif %}", Form::Template), (vec!["d".to_owned()], vec!["defined".to_owned()]));
    }
}
