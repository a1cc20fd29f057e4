//! What lines to show: `timeout !health level>=warn pod:order .status>=500 /took \d{4,}ms/ -C 3`. Blanks mean "and".
//!
//! `text` (small letters ignore case), `"some words"`, `/regex/` (`/regex/i` ignores case), `!` before any of them turns it round,
//! `level>=warn`, `pod:text` and its sisters ask where a line is from, `.path`, `.path == value` ask its fields,
//! `-C 3`, `-A 3`, `-B 3` bring the lines around.

mod parse;
mod pattern;
#[cfg(test)]
mod tests;

pub use parse::{QueryError, Wrong};
pub use pattern::Pattern;

use std::cell::OnceCell;

use memchr::memmem;

use super::fields::{Level, Path, Record, Value, level};
use crate::model::log::Speaker;

/// Where a line is from, as far as a query asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Facet {
    Pod,
    Container,
    Namespace,
    Cluster,
    Host,
    Unit,
    File,
}

impl Facet {
    pub const ALL: [(&'static str, Self); 8] = [
        ("pod", Self::Pod),
        ("container", Self::Container),
        ("namespace", Self::Namespace),
        ("ns", Self::Namespace),
        ("cluster", Self::Cluster),
        ("host", Self::Host),
        ("unit", Self::Unit),
        ("file", Self::File),
    ];
}

/// What a speaker says of itself; the empty text where it has no such thing.
fn facet(speaker: &Speaker, facet: Facet) -> &str {
    match (facet, speaker) {
        (Facet::Pod, Speaker::Pod { pod: name, .. })
        | (Facet::Container, Speaker::Pod { container: name, .. } | Speaker::Container { name, .. })
        | (Facet::Namespace, Speaker::Pod { namespace: name, .. })
        | (Facet::Cluster, Speaker::Pod { cluster: name, .. })
        | (
            Facet::Host,
            Speaker::Container { host: name, .. } | Speaker::File { host: name, .. } | Speaker::Unit { host: name, .. } | Speaker::Kernel { host: name },
        )
        | (Facet::Unit, Speaker::Unit { unit: name, .. })
        | (Facet::File, Speaker::File { path: name, .. }) => name,
        _ => "",
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    Equal,
    Differs,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Compare {
    fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Differs => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::More => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

#[derive(Clone, Debug)]
enum Test {
    Text(Pattern),
    Level(Compare, Level),
    From(Facet, Pattern),
    Has(Path),
    Field(Path, Compare, Operand),
    Like(Path, Pattern),
}

#[derive(Clone, Debug)]
struct Operand {
    text: String,
    number: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sense {
    Has,
    Lacks,
}

#[derive(Clone, Debug)]
struct Term {
    sense: Sense,
    test: Test,
}

/// A parsed query. The empty one takes every line.
#[derive(Clone, Debug, Default)]
pub struct Query {
    typed: String,
    terms: Vec<Term>,
    /// Lines wanted around each that fits.
    pub before: u32,
    pub after: u32,
}

impl Query {
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// As it was typed.
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// Does the stream give any line at all?
    pub fn from(&self, speaker: &Speaker) -> bool {
        self.terms.iter().all(|t| match &t.test {
            Test::From(which, pattern) => pattern.is_in(facet(speaker, *which).as_bytes()) == (t.sense == Sense::Has),
            _ => true,
        })
    }

    /// Does a line of a stream that [`Query::from`] takes fit? `before` is the level that it goes on with, where it
    /// [continues](super::fields::continues) another line.
    pub fn fits(&self, line: &[u8], before: Option<Level>) -> bool {
        let seen = Seen { line, record: OnceCell::new() };
        // What is cheap is asked first; whole lines are taken apart last.
        let ask = |t: &Term| t.test.holds(&seen, before) == (t.sense == Sense::Has);
        let costly = |t: &&Term| matches!(t.test, Test::Has(_) | Test::Field(..) | Test::Like(..));
        self.terms.iter().filter(|t| !costly(t) && !matches!(t.test, Test::From(..))).all(ask) && self.terms.iter().filter(costly).all(ask)
    }

    /// A text that every fitting line holds, to look for in many lines at once.
    pub(super) fn anchor(&self) -> Option<&Pattern> {
        let texts = self.terms.iter().filter(|t| t.sense == Sense::Has).filter_map(|t| match &t.test {
            Test::Text(p) if p.is_literal() => Some(p),
            _ => None,
        });
        texts.max_by_key(|p| p.length())
    }

    /// Does a level decide? Then lines that continue others are judged with them.
    pub(super) fn asks_level(&self) -> bool {
        self.terms.iter().any(|t| matches!(t.test, Test::Level(..)))
    }

    /// The patterns whose matches are worth showing.
    pub fn marks(&self) -> impl Iterator<Item = &Pattern> {
        self.terms.iter().filter(|t| t.sense == Sense::Has).filter_map(|t| match &t.test {
            Test::Text(p) => Some(p),
            _ => None,
        })
    }
}

/// A line, taken apart at most once.
struct Seen<'a> {
    line: &'a [u8],
    record: OnceCell<Option<Record>>,
}

impl Seen<'_> {
    fn field(&self, path: &Path) -> Option<&Value> {
        let key = path.last_key()?;
        // A line without the name lacks the field, unless the name is written with escapes.
        if memmem::find(self.line, key.as_bytes()).is_none()
            && memchr::memchr(b'\\', self.line).is_none()
            && key != "level"
            && key != "time"
            && key != "msg"
            && key != "caller"
        {
            return None;
        }
        let record = self.record.get_or_init(|| Record::parse(self.line));
        path.find(&record.as_ref()?.fields)
    }
}

impl Test {
    fn holds(&self, seen: &Seen, before: Option<Level>) -> bool {
        match self {
            Self::Text(p) => p.is_in(seen.line),
            Self::Level(compare, wanted) => before.or_else(|| level(seen.line)).is_some_and(|l| compare.holds(l.cmp(wanted))),
            Self::From(..) => true,
            Self::Has(path) => seen.field(path).is_some(),
            Self::Field(path, compare, operand) => seen.field(path).is_some_and(|v| operand.compare(v, *compare)),
            Self::Like(path, pattern) => seen.field(path).is_some_and(|v| pattern.is_in(v.show().as_bytes())),
        }
    }
}

impl Operand {
    /// Numbers as numbers, the rest as text; of a list, any item will do.
    fn compare(&self, value: &Value, compare: Compare) -> bool {
        if let Value::List(items) = value {
            let any = |compare| items.iter().any(|v| self.compare(v, compare));
            return if compare == Compare::Differs { !any(Compare::Equal) } else { any(compare) };
        }
        match (value.number(), self.number) {
            (Some(a), Some(b)) => a.partial_cmp(&b).is_some_and(|o| compare.holds(o)),
            _ => compare.holds(value.show().as_str().cmp(&self.text)),
        }
    }
}
