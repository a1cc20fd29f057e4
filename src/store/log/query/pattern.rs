//! A text or a regular expression to look for.

use regex::bytes::{Regex, RegexBuilder};

#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    typed: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Literal,
    Regex,
}

/// A regular expression may take this much memory when it is made ready.
const MOST: usize = 1 << 20;

impl Pattern {
    /// A text; in small letters throughout, it ignores case.
    pub fn literal(text: &str) -> Option<Self> {
        let small = !text.chars().any(char::is_uppercase);
        // Letters beyond ASCII have case too, but looking for them so is dearer.
        let flags = match (small, text.is_ascii()) {
            (true, true) => "(?i-u)",
            (true, false) => "(?i)",
            (false, _) => "",
        };
        let regex = build(&format!("{flags}{}", regex::escape(text)), false).ok()?;
        Some(Self { regex, typed: text.to_owned(), kind: Kind::Literal })
    }

    pub fn regex(text: &str, ignore_case: bool) -> Result<Self, String> {
        let regex = build(text, ignore_case).map_err(|e| reason(&e))?;
        Ok(Self { regex, typed: format!("/{text}/{}", if ignore_case { "i" } else { "" }), kind: Kind::Regex })
    }

    /// What a person typed to search for: `/regex/`, `/regex/i`, or text.
    pub fn typed(text: &str) -> Result<Self, String> {
        match text.strip_prefix('/').and_then(|t| t.rsplit_once('/')).filter(|(_, flags)| matches!(*flags, "" | "i")) {
            Some((regex, flags)) if !regex.is_empty() => Self::regex(regex, flags == "i"),
            _ => Self::literal(text).ok_or_else(|| text.to_owned()),
        }
    }

    pub fn is_in(&self, line: &[u8]) -> bool {
        self.regex.is_match(line)
    }

    /// Where it stands, without empty matches.
    pub fn find_iter<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = std::ops::Range<usize>> + 'a {
        self.regex.find_iter(text).map(|m| m.range()).filter(|r| !r.is_empty())
    }

    pub(in crate::store::log) fn find_at(&self, text: &[u8], from: usize) -> Option<usize> {
        self.regex.find_at(text, from).map(|m| m.start())
    }

    /// It can be looked for across many lines at once: no match spans two of them.
    pub(in crate::store::log) fn is_literal(&self) -> bool {
        self.kind == Kind::Literal
    }

    pub(in crate::store::log) fn length(&self) -> usize {
        self.typed.len()
    }

    pub fn as_typed(&self) -> &str {
        &self.typed
    }
}

fn build(text: &str, ignore_case: bool) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).case_insensitive(ignore_case).size_limit(MOST).dfa_size_limit(4 * MOST).build()
}

/// The last line of the explanation: the others draw the place, which is drawn by whoever shows it.
fn reason(e: &regex::Error) -> String {
    let whole = e.to_string();
    whole.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
