//! What became of a step, as the run and its journal keep it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an action found or did. The journal keeps its tail; `register` sees all of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub status: Status,
    /// Is the target other than before?
    #[serde(default)]
    pub changed: bool,
    /// The exit status, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rc: Option<i64>,
    /// One sentence for a person: why it failed, what it found.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// What else `register` gets (`rows`, `json`, `status` ...).
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
    /// What is or would become different: lines that begin with `-`, `+` or a blank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    #[serde(default)]
    pub took_ms: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    #[default]
    Ok,
    Failed,
    /// It was begun and nobody knows how it ended. Never success.
    Unknown,
    /// It did not begin: no way to its target.
    Unreachable,
    /// A person left it out (`manual`).
    Skipped,
}

/// How many bytes of each stream the journal keeps, from the end.
pub const TAIL: usize = 4 << 10;
/// The largest `data` that the journal keeps, in bytes of JSON.
pub const MOST_DATA: usize = 64 << 10;

impl Outcome {
    pub fn ok() -> Self {
        Self::default()
    }

    pub fn failed(message: impl Into<String>) -> Self {
        Self { status: Status::Failed, message: message.into(), ..Self::default() }
    }

    pub fn unknown(message: impl Into<String>) -> Self {
        Self { status: Status::Unknown, message: message.into(), ..Self::default() }
    }

    pub fn unreachable(message: impl Into<String>) -> Self {
        Self { status: Status::Unreachable, message: message.into(), ..Self::default() }
    }

    /// What may be written down: the tails of what it said, and its data where a later step can ask for it; of a step with
    /// `no_log` nothing but how it ended.
    #[must_use]
    pub fn for_journal(&self, keep: Keep) -> Self {
        if keep == Keep::Status {
            return Self { status: self.status, changed: self.changed, rc: self.rc, took_ms: self.took_ms, ..Self::default() };
        }
        let small = serde_json::to_string(&self.data).is_ok_and(|json| json.len() <= MOST_DATA);
        let data = if keep == Keep::Data && small { self.data.clone() } else { Map::new() };
        Self { stdout: tail(&self.stdout, TAIL).to_owned(), stderr: tail(&self.stderr, TAIL).to_owned(), data, ..self.clone() }
    }

    /// Everything that it said, for hints and questions. What went wrong stands at the end: the end is what a person is shown.
    pub fn said(&self) -> String {
        [&self.stdout, &self.stderr, &self.message].map(String::as_str).join("\n")
    }
}

/// How much of an outcome may be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    Status,
    Tail,
    Data,
}

/// The last part of a text, at most `most` bytes and whole characters.
pub fn tail(text: &str, most: usize) -> &str {
    let mut from = text.len().saturating_sub(most);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_gets_no_more_than_it_may() {
        let data = Map::from_iter([("row".to_owned(), Value::from("x"))]);
        let all = Outcome { stdout: "é".repeat(TAIL), stderr: "pw".to_owned(), data, ..Outcome::failed("no") };
        let kept = all.for_journal(Keep::Tail);
        assert!(kept.stdout.len() <= TAIL && kept.data.is_empty() && kept.message == "no");
        assert_eq!(all.for_journal(Keep::Data).data.len(), 1);
        assert_eq!(all.for_journal(Keep::Status), Outcome { status: Status::Failed, ..Outcome::default() });
    }
}
