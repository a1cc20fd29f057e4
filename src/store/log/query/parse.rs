//! From what was typed to a query. An error names the place.

use super::{Compare, Facet, Operand, Pattern, Query, Sense, Term, Test};
use crate::base::text;
use crate::store::log::fields::{Level, Path};

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// In bytes of what was typed.
    pub at: usize,
    pub wrong: Wrong,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    OpenQuote,
    OpenRegex,
    /// With the regular expression's own words.
    Regex(String),
    Level(String),
    NoValue,
    Path,
    Count,
    NothingNegated,
}

impl Wrong {
    /// The key of its words, `query.CODE` in the locales.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OpenQuote => "open-quote",
            Self::OpenRegex => "open-regex",
            Self::Regex(_) => "regex",
            Self::Level(_) => "level",
            Self::NoValue => "no-value",
            Self::Path => "path",
            Self::Count => "count",
            Self::NothingNegated => "nothing-negated",
        }
    }

    /// What its words are filled with, as `{text}`.
    pub fn text(&self) -> &str {
        match self {
            Self::Regex(t) | Self::Level(t) => t,
            _ => "",
        }
    }
}

impl QueryError {
    /// Cells before the place, under the query as it was typed.
    pub fn column(&self, typed: &str) -> usize {
        text::width(typed.get(..self.at).unwrap_or(typed))
    }
}

const COMPARES: [(&str, Compare); 7] = [
    ("==", Compare::Equal),
    ("!=", Compare::Differs),
    (">=", Compare::AtLeast),
    ("<=", Compare::AtMost),
    ("=", Compare::Equal),
    (">", Compare::More),
    ("<", Compare::Less),
];

/// More lines around than this are the whole log.
const MOST_AROUND: u32 = 1000;

impl Query {
    pub fn parse(typed: &str) -> Result<Self, QueryError> {
        let mut query = Self { typed: typed.trim().to_owned(), ..Self::default() };
        let mut p = Parser { text: typed, at: 0 };
        loop {
            p.blanks();
            if p.rest().is_empty() {
                return Ok(query);
            }
            if p.around(&mut query)? {
                continue;
            }
            let from = p.at;
            let sense = if p.take("!") { Sense::Lacks } else { Sense::Has };
            if sense == Sense::Lacks && (p.rest().is_empty() || p.rest().starts_with(char::is_whitespace)) {
                return Err(QueryError { at: from, wrong: Wrong::NothingNegated });
            }
            let test = p.test()?;
            query.terms.push(Term { sense, test });
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn take(&mut self, what: &str) -> bool {
        let found = self.rest().starts_with(what);
        if found {
            self.at += what.len();
        }
        found
    }

    fn wrong<T>(&self, at: usize, wrong: Wrong) -> Result<T, QueryError> {
        let _ = self;
        Err(QueryError { at, wrong })
    }

    /// `-C 3`, `-A3`, `-B 3`.
    fn around(&mut self, query: &mut Query) -> Result<bool, QueryError> {
        let rest = self.rest();
        let Some(which) = ["-C", "-A", "-B"].into_iter().find(|w| rest.starts_with(w)) else { return Ok(false) };
        // `-Create` is a word.
        if rest[which.len()..].starts_with(|c: char| !c.is_whitespace() && !c.is_ascii_digit()) {
            return Ok(false);
        }
        let from = self.at;
        self.at += which.len();
        self.blanks();
        let digits: &str = &self.rest()[..self.rest().find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest().len())];
        let n = digits.parse::<u32>().ok().filter(|n| *n <= MOST_AROUND);
        let Some(n) = n else { return self.wrong(from, Wrong::Count) };
        self.at += digits.len();
        if which != "-A" {
            query.before = n;
        }
        if which != "-B" {
            query.after = n;
        }
        Ok(true)
    }

    fn test(&mut self) -> Result<Test, QueryError> {
        let rest = self.rest();
        if rest.starts_with('.') && !rest.starts_with("..") && rest.len() > 1 && !rest[1..].starts_with(char::is_whitespace) {
            return self.field();
        }
        if let Some(tail) = rest.strip_prefix("level")
            && let Some((op, compare)) = COMPARES.into_iter().chain([(":", Compare::Equal)]).find(|(op, _)| tail.starts_with(op))
        {
            self.at += "level".len() + op.len();
            let from = self.at;
            let word = self.word();
            return match Level::parse(word.as_bytes()) {
                Some(level) => Ok(Test::Level(compare, level)),
                None if word.is_empty() => self.wrong(from, Wrong::NoValue),
                None => self.wrong(from, Wrong::Level(word)),
            };
        }
        if let Some((name, facet)) = Facet::ALL.into_iter().find(|(name, _)| rest.strip_prefix(name).is_some_and(|t| t.starts_with(':'))) {
            self.at += name.len() + 1;
            let from = self.at;
            if self.rest().is_empty() || self.rest().starts_with(char::is_whitespace) {
                return self.wrong(from, Wrong::NoValue);
            }
            return Ok(Test::From(facet, self.pattern()?));
        }
        Ok(Test::Text(self.pattern()?))
    }

    fn field(&mut self) -> Result<Test, QueryError> {
        let from = self.at;
        let (path, used) = Path::read(self.rest()).or_else(|_| self.wrong(from, Wrong::Path))?;
        self.at += used;
        let behind = self.at;
        self.blanks();
        if self.take("=~") || self.take("~") {
            self.blanks();
            return Ok(Test::Like(path, self.pattern()?));
        }
        let Some((op, compare)) = COMPARES.into_iter().find(|(op, _)| self.rest().starts_with(op)) else {
            self.at = behind;
            return if self.rest().is_empty() || self.rest().starts_with(char::is_whitespace) { Ok(Test::Has(path)) } else { self.wrong(behind, Wrong::Path) };
        };
        self.at += op.len();
        self.blanks();
        let value_at = self.at;
        if self.rest().is_empty() {
            return self.wrong(value_at, Wrong::NoValue);
        }
        let text = if self.rest().starts_with('"') { self.quoted()? } else { self.word() };
        Ok(Test::Field(path, compare, Operand { number: text.parse().ok(), text }))
    }

    /// Up to the next blank.
    fn word(&mut self) -> String {
        let end = self.rest().find(char::is_whitespace).unwrap_or(self.rest().len());
        let word = self.rest()[..end].to_owned();
        self.at += end;
        word
    }

    fn quoted(&mut self) -> Result<String, QueryError> {
        let from = self.at;
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += i + 1;
                    return Ok(out);
                }
                '\\' => out.extend(chars.next().map(|(_, c)| c)),
                c => out.push(c),
            }
        }
        self.wrong(from, Wrong::OpenQuote)
    }

    fn pattern(&mut self) -> Result<Pattern, QueryError> {
        let from = self.at;
        if self.rest().starts_with('"') {
            let text = self.quoted()?;
            return if text.is_empty() { self.wrong(from, Wrong::NoValue) } else { self.literal(from, &text) };
        }
        if self.rest().starts_with('/') && self.rest().len() > 1 {
            return self.regex();
        }
        let word = self.word();
        self.literal(from, &word)
    }

    fn literal(&self, from: usize, text: &str) -> Result<Pattern, QueryError> {
        Pattern::literal(text).map_or_else(|| self.wrong(from, Wrong::Regex(text.to_owned())), Ok)
    }

    /// `/regex/`; a slash in it is written `\/`. A path (`/var/log`) wants quotes.
    fn regex(&mut self) -> Result<Pattern, QueryError> {
        let from = self.at;
        let mut regex = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        let end = loop {
            match chars.next() {
                None => return self.wrong(from, Wrong::OpenRegex),
                Some((i, '/')) => break i,
                Some((_, '\\')) => match chars.next() {
                    Some((_, '/')) => regex.push('/'),
                    Some((_, c)) => regex.extend(['\\', c]),
                    None => return self.wrong(from, Wrong::OpenRegex),
                },
                Some((_, c)) => regex.push(c),
            }
        };
        self.at += end + 1;
        let ignore_case = self.take("i");
        if !self.rest().is_empty() && !self.rest().starts_with(char::is_whitespace) {
            return self.wrong(from, Wrong::OpenRegex);
        }
        Pattern::regex(&regex, ignore_case).or_else(|why| self.wrong(from, Wrong::Regex(why)))
    }
}
