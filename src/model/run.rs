//! A run of a playbook as a screen shows it: plain data, replaced whole whenever something changed.

use std::fmt;

use secrecy::SecretString;

/// A playbook in the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BookLine {
    pub name: String,
    pub title: String,
    pub when_to_use: String,
    pub proven: String,
    pub needs: Vec<Need>,
    /// Why it cannot be run: the first mistake in it.
    pub broken: Option<String>,
}

/// A run of before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PastRun {
    pub name: String,
    pub playbook: String,
    pub by: String,
    pub state: &'static str,
    /// Can it be gone on with?
    pub unfinished: bool,
}

/// What a person chose from the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// Begin with the playbook of this name.
    Book(String),
    /// Go on with the run of this name, or take it back.
    Past(String),
}

/// Something that a playbook requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub what: String,
    pub met: Met,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    Yes,
    No,
    /// Only the run itself finds out.
    Unknown,
}

/// Everything that the dock shows of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunPicture {
    pub title: String,
    pub stage: Stage,
    pub steps: Vec<RunStep>,
    /// What running steps said, the last lines.
    pub said: Vec<String>,
    pub ask: Option<RunAsk>,
    /// Steps that are over, and all of them.
    pub progress: (usize, usize),
    /// At the end: the counts of each target, what can be gone on with, what went wrong.
    pub closing: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Questions before the plan.
    #[default]
    Asking,
    Planning,
    Planned,
    Running,
    Finished,
    Failed,
    Stopped,
    Refused,
}

impl Stage {
    pub fn word(self) -> &'static str {
        match self {
            Self::Asking => "asking",
            Self::Planning => "planning",
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Refused => "refused",
        }
    }

    /// Does something go on that must not be forgotten?
    pub fn is_at_work(self) -> bool {
        matches!(self, Self::Planning | Self::Running)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunStep {
    pub name: String,
    pub danger: StepDanger,
    pub targets: Vec<RunTarget>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StepDanger {
    #[default]
    None,
    Disruptive,
    Destructive,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunTarget {
    pub host: String,
    pub state: StepState,
    pub why: String,
    pub diff: Vec<String>,
    /// Seconds that it runs, and since it said something last.
    pub running: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StepState {
    #[default]
    Later,
    /// It is looked at.
    Looking,
    Running,
    Verifying,
    Undoing,
    Done,
    ToDo,
    Unclear,
    Changed,
    Skipped,
    Failed,
    Ignored,
    Unreachable,
    Undone,
}

impl StepState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Later => "later",
            Self::Looking => "looking",
            Self::Running => "running",
            Self::Verifying => "verifying",
            Self::Undoing => "undoing",
            Self::Done => "done",
            Self::ToDo => "to-do",
            Self::Unclear => "unclear",
            Self::Changed => "changed",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Ignored => "ignored",
            Self::Unreachable => "unreachable",
            Self::Undone => "undone",
        }
    }
}

/// What the run wants to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunAsk {
    pub id: u64,
    pub kind: RunAskKind,
    /// What it is about; lines from afar, cleaned by whoever shows them.
    pub lines: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RunAskKind {
    /// A line; what stands here is taken where nothing is typed.
    #[default]
    Text,
    Secret,
    /// This very text, before something destructive.
    Phrase(String),
    /// After the plan: y or q. Needs arming.
    Begin,
    /// Before a run of before: r goes on with it, u takes it back, q leaves it. Needs arming.
    Again,
    /// Before a step: y n c e s q.
    Confirm,
    /// After a failure: r e s f u q.
    Failed,
    /// Nobody knows how it ended: r a s f q.
    Unknown,
    /// A step that a person does: d s f.
    Manual,
}

impl RunAskKind {
    /// The keys that answer; empty where a line is typed.
    pub fn keys(&self) -> &'static str {
        match self {
            Self::Text | Self::Secret | Self::Phrase(_) => "",
            Self::Begin => "yq",
            Self::Again => "ruq",
            Self::Confirm => "ynceqs",
            Self::Failed => "resfuq",
            Self::Unknown => "rasfq",
            Self::Manual => "dsf",
        }
    }

    pub fn word(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Secret => "secret",
            Self::Phrase(_) => "phrase",
            Self::Begin => "begin",
            Self::Again => "again",
            Self::Confirm => "confirm",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Manual => "manual",
        }
    }
}

/// A person's answer.
#[derive(Clone)]
pub enum RunReply {
    Key(char),
    Line(SecretString),
    /// No answer: the question is taken as a no.
    Nothing,
}

impl fmt::Debug for RunReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "Key({key})"),
            Self::Line(_) => f.write_str("Line(***)"),
            Self::Nothing => f.write_str("Nothing"),
        }
    }
}
