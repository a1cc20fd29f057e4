//! Why a verdict is what it is: a code and arguments. The words are made by `ui` and `cli` from the table of the language.

use serde::Serialize;

use super::id::Name;
use super::verdict::Verdict;

/// An argument of a reason, formatted where it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Arg {
    Text(Name),
    Count(i64),
    /// Shown with at most one decimal.
    Number(f64),
    Seconds(u64),
    Bytes(u64),
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self::Text(Name::from(text))
    }
}
impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self::Text(Name::from(text))
    }
}
impl From<&String> for Arg {
    fn from(text: &String) -> Self {
        Self::Text(Name::from(text.as_str()))
    }
}
impl From<Name> for Arg {
    fn from(text: Name) -> Self {
        Self::Text(text)
    }
}
impl From<&Name> for Arg {
    fn from(text: &Name) -> Self {
        Self::Text(text.clone())
    }
}
impl From<f64> for Arg {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}
impl From<u32> for Arg {
    fn from(value: u32) -> Self {
        Self::Count(i64::from(value))
    }
}
impl From<i32> for Arg {
    fn from(value: i32) -> Self {
        Self::Count(i64::from(value))
    }
}
impl From<usize> for Arg {
    fn from(value: usize) -> Self {
        Self::Count(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

/// One reason. `code` is stable and dotted (`host.disk.full`); the text for it is `[reason]` in `locales/*.toml`,
/// where `{name}` stands for the argument of that name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reason {
    pub code: &'static str,
    pub verdict: Verdict,
    pub args: Vec<(&'static str, Arg)>,
}

impl Reason {
    pub fn new(verdict: Verdict, code: &'static str) -> Self {
        Self { code, verdict, args: Vec::new() }
    }
    pub fn crit(code: &'static str) -> Self {
        Self::new(Verdict::Crit, code)
    }
    pub fn warn(code: &'static str) -> Self {
        Self::new(Verdict::Warn, code)
    }
    pub fn unknown(code: &'static str) -> Self {
        Self::new(Verdict::Unknown, code)
    }
    /// A remark that does not worsen the verdict.
    pub fn note(code: &'static str) -> Self {
        Self::new(Verdict::Ok, code)
    }
    #[must_use]
    pub fn with(mut self, name: &'static str, arg: impl Into<Arg>) -> Self {
        self.args.push((name, arg.into()));
        self
    }

    /// `value` at or above `crit` is crit, at or above `warn` is warn, below that nothing.
    pub fn above(value: f64, warn: f64, crit: f64, code: &'static str) -> Option<Self> {
        if value >= crit {
            Some(Self::crit(code).with("value", value))
        } else if value >= warn {
            Some(Self::warn(code).with("value", value))
        } else {
            None
        }
    }
}
