//! The records of a run: append-only, one JSON object a line, one record a transition. The state of a run is the fold of its
//! records and nothing else, so any prefix of a journal is a run that can go on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::outcome::{Keep, Outcome};
use super::spec::Danger;
use super::step::{Key, Phase};
use crate::base::clock::Moment;
use crate::base::intern::Name;

/// Version of the lines. A reader refuses a newer one.
pub const FORMAT: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// From 0, without a gap.
    pub seq: u64,
    pub at: Moment,
    #[serde(flatten)]
    pub event: Event,
}

/// Who did something: SSH key fingerprint, `SSH_CLIENT`, `SUDO_USER` or `QUARTERDECK_USER`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    pub name: String,
    /// Where the name comes from, and from where they came.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}

/// A transition of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Event {
    /// The first record.
    Opened(Box<Opened>),
    /// A probe or an act is about to be given to its action. Written before anything happens.
    Began {
        key: Key,
        phase: Phase,
        /// From 1.
        attempt: u32,
        /// As `show` names it.
        name: String,
        target: Name,
        action: String,
        /// The rendered arguments, secrets out; of a step with `no_log` none.
        args: Map<String, Value>,
        #[serde(default)]
        danger: Danger,
    },
    /// It ended, or is known never to have begun.
    Ended { key: Key, phase: Phase, attempt: u32, outcome: Outcome, judged: Judged },
    /// A step is over for a target (or one item of its loop).
    Settled {
        key: Key,
        end: End,
        /// Why: the condition that did not hold, the reason of a person, the failure.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        why: String,
        /// What it makes known: `register` and `set_fact`; not of a step with `no_log`.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        facts: Map<String, Value>,
    },
    /// How many items a loop has for a target.
    Looped { key: Key, items: u32 },
    /// A person answered.
    Decided { question: Asked, decision: Decision, by: Operator },
    /// The run goes on, in a new process; what was in flight has an unknown end.
    Resumed {
        by: Operator,
        pid: u32,
        /// Of the playbook's texts now.
        sha256: String,
        /// Only these go on; empty: all that have not finished.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hosts: Vec<Name>,
    },
    /// What was done is being taken back, last first.
    Undoing { by: Operator, pid: u32 },
    /// The process ended in order. A run without this record was killed.
    Closed {
        why: Closing,
        #[serde(default)]
        note: String,
    },
}

/// What a run is of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    pub format: u32,
    pub playbook: String,
    pub file: String,
    pub sha256: String,
    /// Of this program.
    pub version: String,
    pub by: Operator,
    pub pid: u32,
    pub hosts: Vec<Target>,
    /// Answers and `-e`, secrets out.
    pub vars: Map<String, Value>,
    /// Names of the answers that are secrets: asked again when the run is resumed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    pub choice: Choice,
}

/// A target, by an identity that a renamed machine does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub name: Name,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Fingerprint of the host key, server uuid, cluster: whatever tells that it is still the same.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub identity: String,
}

/// What of a playbook is run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip_tags: Vec<String>,
    /// The name of the first step to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_at: Option<String>,
}

/// What an end means for the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judged {
    /// A probe: the world is as it should be.
    Done,
    /// A probe: it is not.
    ToDo,
    /// Nobody can tell.
    Unknown,
    /// An act that left its target as it was.
    Ok,
    Changed,
    /// Not yet as `until` asks; it will be tried again.
    Again,
    Failed,
    Unreachable,
    Skipped,
}

/// How a step ended for a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// `check` said so; nothing was done.
    Already,
    /// It ran and changed nothing.
    Ok,
    /// It ran, it changed something, and `verify` agrees where there is one.
    Changed,
    /// Left out: a condition, a tag, a person.
    Skipped,
    Failed,
    /// It failed and `ignore_errors` lets the run go on.
    Ignored,
    Unreachable,
    /// A plan: it would run.
    Would,
    /// A plan: nobody can tell before it runs.
    Unclear,
    /// It was done and has been taken back.
    Undone,
}

impl End {
    pub fn failed(self) -> bool {
        matches!(self, Self::Failed | Self::Unreachable)
    }
}

/// What a question was about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Asked {
    pub why: Why,
    /// The steps that wait for the answer: of one task.
    pub keys: Vec<Key>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Before an act.
    Confirm,
    /// After a failure.
    Failed,
    /// After an act whose end nobody knows, and that nothing can look after.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Yes, this one.
    Go,
    /// Yes, and do not ask again before something destructive.
    GoOn,
    /// Leave it out and go on; says why.
    Skip(String),
    /// Once more, with these variables changed (secrets out).
    Retry(Map<String, Value>),
    /// It was done, says the person, who looked.
    Accept(String),
    /// This target goes no further.
    Fail,
    /// The whole run ends here and can be resumed.
    Stop,
    /// Take this step back, then stop.
    Undo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    Finished,
    Failed,
    /// A person or a signal; to be resumed.
    Stopped,
    Undone,
}

impl Event {
    /// The event without what may not be written down. The memory keeps the whole.
    #[must_use]
    pub fn for_journal(&self, keep: Keep) -> Self {
        let mut event = self.clone();
        match &mut event {
            Self::Began { args, .. } if keep == Keep::Status => args.clear(),
            Self::Ended { outcome, .. } => *outcome = outcome.for_journal(keep),
            Self::Settled { facts, why, .. } if keep == Keep::Status => {
                facts.clear();
                why.clear();
            }
            _ => {}
        }
        event
    }

    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Began { key, .. } | Self::Ended { key, .. } | Self::Settled { key, .. } | Self::Looped { key, .. } => Some(key),
            _ => None,
        }
    }
}

/// A journal as it was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Journal {
    pub records: Vec<Record>,
    /// How many bytes of the file are whole lines; what comes after was torn by a kill or a power cut and is no record.
    pub whole: u64,
}

/// Why a journal cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the journal {why}")]
pub struct Damaged {
    pub line: usize,
    pub why: String,
}

/// Reads a journal. A last line without its end, and the zeros of reserved space, are no damage: what they would have said was
/// never relied on.
pub fn read(bytes: &[u8]) -> Result<Journal, Damaged> {
    let mut journal = Journal::default();
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|b| *b == b'\n') {
        let (line, after) = rest.split_at(at + 1);
        let number = journal.records.len() + 1;
        let text = &line[..at];
        if text.iter().all(|b| *b == 0) {
            break;
        }
        match serde_json::from_slice::<Record>(text) {
            Ok(record) if record.seq == journal.records.len() as u64 => journal.records.push(record),
            Ok(record) => return Err(Damaged { line: number, why: format!("has the number {}, not {}", record.seq, journal.records.len()) }),
            // Only the last line can be torn.
            Err(_) if after.iter().all(|b| *b == 0) => break,
            Err(e) => return Err(Damaged { line: number, why: format!("cannot be read: {e}") }),
        }
        journal.whole += line.len() as u64;
        rest = after;
    }
    match journal.records.first().map(|r| &r.event) {
        None => Ok(journal),
        Some(Event::Opened(opened)) if opened.format <= FORMAT => Ok(journal),
        Some(Event::Opened(opened)) => Err(Damaged { line: 1, why: format!("is of format {}; this program reads up to {FORMAT}", opened.format) }),
        Some(_) => Err(Damaged { line: 1, why: "does not open a run".to_owned() }),
    }
}

/// The line of a record, its end included.
pub fn line(record: &Record) -> Result<String, serde_json::Error> {
    serde_json::to_string(record).map(|json| json + "\n")
}

/// Counts by end, as the recap line shows them.
pub type Counts = BTreeMap<&'static str, u32>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::spec::TaskId;

    fn records() -> Vec<Record> {
        let key = Key { task: TaskId(0), host: "db-1".into(), item: 0 };
        let events = [
            Event::Opened(Box::new(Opened { format: FORMAT, playbook: "p".to_owned(), ..Opened::default() })),
            Event::Began {
                key: key.clone(),
                phase: Phase::Check(0),
                attempt: 1,
                name: "n".to_owned(),
                target: "db-1".into(),
                action: "sql".to_owned(),
                args: Map::new(),
                danger: Danger::None,
            },
            Event::Ended { key: key.clone(), phase: Phase::Check(0), attempt: 1, outcome: Outcome::ok(), judged: Judged::ToDo },
            Event::Settled { key, end: End::Skipped, why: String::new(), facts: Map::new() },
            Event::Closed { why: Closing::Stopped, note: String::new() },
        ];
        events.into_iter().enumerate().map(|(seq, event)| Record { seq: seq as u64, at: Moment(1_000), event }).collect()
    }

    #[test]
    fn every_cut_of_a_journal_can_be_read() {
        let all: Vec<u8> = records().iter().flat_map(|r| line(r).unwrap().into_bytes()).collect();
        assert_eq!(read(&all).unwrap().records, records());
        for cut in 0..=all.len() {
            let whole = all[..cut].split(|b| *b == b'\n').count() - 1;
            let journal = read(&all[..cut]).unwrap();
            assert_eq!(journal.records, records()[..whole], "cut at {cut}");
            // Space that was reserved and never written.
            let reserved = [&all[..cut], &[0; 64]].concat();
            assert_eq!(read(&reserved).unwrap(), journal, "cut at {cut}, reserved");
        }
    }

    #[test]
    fn what_is_damaged_in_the_middle_is_told() {
        let lines: Vec<String> = records().iter().map(|r| line(r).unwrap()).collect();
        let broken = [&lines[0], "{}\n", &lines[2]].concat();
        assert_eq!(read(broken.as_bytes()).unwrap_err().line, 2);
        let gap = [lines[0].as_str(), &lines[2]].concat();
        assert!(read(gap.as_bytes()).unwrap_err().to_string().contains("number 2, not 1"));
        assert!(read(lines[1].replace("\"seq\":1", "\"seq\":0").as_bytes()).unwrap_err().to_string().contains("does not open"));
    }
}
