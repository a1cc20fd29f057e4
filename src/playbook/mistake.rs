//! Something wrong in a playbook, with its place and a way out.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// A place in a file, line and column counted from 1; `0:0` where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub file: Arc<str>,
    pub line: u32,
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The playbook does not run.
    Error,
    /// It runs, and does something that its writer may not want.
    Warning,
}

/// One mistake. `Display` is one line as compilers print it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub at: Place,
    pub severity: Severity,
    /// Names the rule, so that a line can be excused (`lint: [rule]`).
    pub rule: &'static str,
    pub message: String,
    pub help: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}: {severity}: {} [{}]", self.at, self.message, self.rule)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, "; {}", self.help) }
    }
}

impl Mistake {
    pub fn error(at: &Place, rule: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { at: at.clone(), severity: Severity::Error, rule, message: message.into(), help: help.into() }
    }

    pub fn warning(at: &Place, rule: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(at, rule, message, help) }
    }
}
