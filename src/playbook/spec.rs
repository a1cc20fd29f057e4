//! What a playbook says, templates not yet rendered. Every part knows its place in the file.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::mistake::Place;

/// A file, read and found whole.
#[derive(Clone, Debug, Default)]
pub struct Playbook {
    /// As it was given: a path, or the name of one that is carried in this program.
    pub file: Arc<str>,
    /// Of every text that it is made of, in hexadecimal: a changed playbook is noticed when a run is resumed.
    pub sha256: String,
    pub name: String,
    pub owner: String,
    pub when_to_use: String,
    pub explain: String,
    pub proven: Proven,
    /// What must be there: a connection (`ssh`), a version (`mysql>=5.7`), a program.
    pub requires: Vec<String>,
    /// The pattern of the targets; a template.
    pub hosts: Spot<String>,
    pub vars: IndexMap<String, Var>,
    pub prompts: Vec<Prompt>,
    pub environment: IndexMap<String, Var>,
    pub become_: Option<Become>,
    /// For every step.
    pub hints: Vec<Hint>,
    /// Name to template: what the run leaves behind for its reader.
    pub outputs: IndexMap<String, Var>,
    pub program: Vec<Entry>,
    /// Texts of the files that `template` and `include_tasks` name, by path as written.
    pub texts: BTreeMap<String, String>,
}

/// A value with the place where it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spot<T> {
    pub value: T,
    pub at: Place,
}

/// A value that may hold templates, in any text of it.
pub type Var = Spot<Value>;
/// A condition or another expression, without braces.
pub type Expr = Spot<String>;

/// What was shown to work, and how it was reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Proven {
    All(Proof),
    /// By the way the thing runs: `host`, `container`, `pod`.
    Ways(BTreeMap<String, Proof>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// It ran against the real thing.
    Run,
    Experimental,
}

impl Default for Proven {
    fn default() -> Self {
        Self::All(Proof::Experimental)
    }
}

impl fmt::Display for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |p: &Proof| if *p == Proof::Run { "run" } else { "experimental" };
        match self {
            Self::All(proof) => f.write_str(word(proof)),
            Self::Ways(ways) => f.write_str(&ways.iter().map(|(way, proof)| format!("{way} {}", word(proof))).collect::<Vec<_>>().join(", ")),
        }
    }
}

/// A question before the run.
#[derive(Clone, Debug, Default)]
pub struct Prompt {
    pub name: String,
    pub at: Place,
    /// The question; a template.
    pub prompt: String,
    /// A secret: typed unseen, in no journal, never shown.
    pub private: bool,
    /// Typed twice.
    pub confirm: bool,
    pub default: Option<Var>,
    /// The values that are allowed; a list, or a template that gives one.
    pub values: Option<Var>,
    /// A pattern that the whole answer must match.
    pub regex: Option<String>,
    pub kind: PromptKind,
    /// Asked only where this holds.
    pub when: Vec<Expr>,
    pub explain: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PromptKind {
    #[default]
    Text,
    Integer,
    Boolean,
    List,
}

/// One position of the program, in the order in which positions are worked through. Blocks are flat: a task knows the blocks
/// around it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub task: Task,
    /// The blocks around it, outermost first, and which part of each it stands in.
    pub within: Vec<(BlockId, Part)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlockId(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    Block,
    /// Runs for the targets whose `block` failed.
    Rescue,
    /// Runs for every target that entered the block.
    Always,
}

/// Names a task for the whole life of a run: its position. A changed file is noticed by its sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskId(pub u32);

/// A step as it is written.
#[derive(Clone, Debug, Default)]
pub struct Task {
    pub name: String,
    pub at: Place,
    pub call: Call,
    pub register: Option<String>,
    /// All must hold; those of the blocks around it come first.
    pub when: Vec<Expr>,
    pub items: Option<Var>,
    /// The name that an item has; `item` unless `loop_control` says otherwise.
    pub loop_var: String,
    pub until: Vec<Expr>,
    /// How often it is tried again; a template may say it.
    pub retries: Option<Var>,
    pub delay: Option<Var>,
    pub timeout: Option<Duration>,
    pub changed_when: Option<Vec<Expr>>,
    pub failed_when: Option<Vec<Expr>>,
    pub ignore_errors: bool,
    pub on_loss: OnLoss,
    pub delegate_to: Option<Spot<String>>,
    pub run_once: bool,
    pub become_: Option<Become>,
    pub environment: IndexMap<String, Var>,
    pub vars: IndexMap<String, Var>,
    pub no_log: bool,
    pub tags: Vec<String>,
    /// `check_mode: false`: runs in a plan too, because it only looks.
    pub check_mode: CheckMode,
    /// Already done? All must say so.
    pub check: Vec<Probe>,
    pub verify: Vec<Probe>,
    pub undo: Undo,
    pub confirm: Confirm,
    pub danger: Danger,
    pub explain: String,
    pub hints: Vec<Hint>,
    /// Lint rules that the writer has thought about.
    pub excused: Vec<String>,
}

/// What the loss of one target at a step is to the others: the key `any_errors_fatal`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLoss {
    #[default]
    GoOn,
    StopAll,
}

/// An action's name and what stands under it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    pub action: String,
    pub at: Place,
    /// Field to value, in the order of the file; a short form is spelled out.
    pub args: IndexMap<String, Var>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CheckMode {
    /// In a plan it is looked at, not run.
    #[default]
    Looked,
    Runs,
}

/// A look at the world: an action that changes nothing, and what it must find.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// It is left out unless all hold.
    pub when: Vec<Expr>,
    pub call: Call,
    /// Over `result`; without one it is enough that the action succeeds.
    pub ok_when: Vec<Expr>,
    pub retries: Option<Var>,
    pub delay: Option<Var>,
    pub timeout: Option<Duration>,
    pub delegate_to: Option<Spot<String>>,
    pub become_: Option<Become>,
}

#[derive(Clone, Debug, Default)]
pub enum Undo {
    /// Nothing is said.
    #[default]
    Absent,
    /// There is none, and why.
    None(String),
    Calls(Vec<Probe>),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum Confirm {
    /// As the run's pace has it.
    #[default]
    Unsaid,
    /// A yes.
    Yes,
    /// This text, a template, typed.
    Phrase(Spot<String>),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Danger {
    #[default]
    None,
    /// Somebody may notice: a restart, a closed connection.
    Disruptive,
    /// Data is gone afterwards. Needs its phrase typed, also with `--yes`.
    Destructive,
}

/// Whose rights a step has.
#[derive(Clone, Debug, PartialEq)]
pub enum Become {
    /// Those of the account that logs in.
    No,
    /// Another user's; a template.
    User(Spot<String>),
}

/// What a message means and what helps against it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// A pattern over everything that the step said.
    pub pattern: String,
    pub means: String,
    pub fix: String,
}
