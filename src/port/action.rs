//! What a playbook's step does to one target. An action looks first ([`Action::check`], which changes nothing, ever), and acts
//! only when it is told to ([`Action::run`]). Both get their arguments rendered: no template reaches an action.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::SourceError;
use super::shell::{Line, Shell};
use crate::base::clock::Clock;
use crate::base::redact::Redactor;
use crate::model::catalog::ActionSpec;
use crate::model::id::Name;
use crate::model::source::SourceState;

/// The arguments of one step for one target, rendered.
pub type Args = Map<String, Value>;

/// One kind of step.
pub trait Action: Send + Sync {
    fn spec(&self) -> &'static ActionSpec;

    /// Is there anything to do? Never changes anything: a plan is made of these.
    fn check<'a>(&'a self, args: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Found, ActionError>>;

    /// Does it.
    ///
    /// # Errors
    /// It did not begin: the target cannot be reached, or the arguments make no sense. What began and went wrong is an
    /// [`Outcome`] that says so.
    fn run<'a>(&'a self, args: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Outcome, ActionError>>;

    /// Waits until nothing of an earlier attempt under the same [`ActionCx::mark`] runs any more at the target.
    fn settle<'a>(&'a self, _cx: &'a ActionCx) -> BoxFuture<'a, Result<(), ActionError>> {
        Box::pin(async { Ok(()) })
    }
}

/// What a look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub standing: Standing,
    /// What would become different, as lines that begin with `-`, `+` or a blank.
    pub diff: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    Done,
    ToDo,
    /// It cannot be told without doing it, and why.
    Unknown(String),
}

impl Found {
    pub fn done() -> Self {
        Self { standing: Standing::Done, diff: None }
    }
    pub fn to_do() -> Self {
        Self { standing: Standing::ToDo, diff: None }
    }
    pub fn unknown(why: impl Into<String>) -> Self {
        Self { standing: Standing::Unknown(why.into()), diff: None }
    }
    #[must_use]
    pub fn with_diff(mut self, diff: String) -> Self {
        self.diff = (!diff.is_empty()).then_some(diff);
        self
    }
}

/// What became of an act.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub end: Ended,
    /// Is the target other than before?
    pub changed: bool,
    pub rc: Option<i64>,
    /// The last part of what it said, at most [`MOST_KEPT`] bytes.
    pub stdout: String,
    pub stderr: String,
    /// What `register` gets beside the above.
    pub facts: Map<String, Value>,
}

/// How much of a stream `register` can see.
pub const MOST_KEPT: usize = 128 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    Ok,
    Failed(String),
    /// It was begun and nobody knows how it ended: the line broke, or the exit status never came. Never a success.
    Unknown(String),
}

impl Outcome {
    pub fn ok(changed: bool) -> Self {
        Self { end: Ended::Ok, changed, rc: None, stdout: String::new(), stderr: String::new(), facts: Map::new() }
    }
    pub fn failed(why: impl Into<String>) -> Self {
        Self { end: Ended::Failed(why.into()), ..Self::ok(false) }
    }
    pub fn unknown(why: impl Into<String>) -> Self {
        Self { end: Ended::Unknown(why.into()), ..Self::ok(true) }
    }
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }
    #[must_use]
    pub fn said(mut self, stdout: impl Into<String>) -> Self {
        self.stdout = stdout.into();
        self
    }
}

/// Why an action did not begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ActionError {
    pub kind: Hindrance,
    pub text: String,
    pub remedy: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// No way to the target.
    Unreachable,
    /// The target refuses us.
    Refused,
    /// The step's arguments.
    Arguments,
    /// It was called off.
    Cancelled,
}

impl ActionError {
    pub fn new(kind: Hindrance, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { kind, text: text.into(), remedy: remedy.into() }
    }
    pub fn arguments(text: impl Into<String>) -> Self {
        Self::new(Hindrance::Arguments, text, "")
    }
    pub fn unreachable(text: impl Into<String>) -> Self {
        Self::new(Hindrance::Unreachable, text, "")
    }
    pub fn cancelled() -> Self {
        Self::new(Hindrance::Cancelled, "called off", "")
    }
}

impl From<SourceError> for ActionError {
    fn from(error: SourceError) -> Self {
        let kind = match error.state {
            SourceState::AuthLost | SourceState::NoRight => Hindrance::Refused,
            SourceState::Broken => Hindrance::Arguments,
            _ => Hindrance::Unreachable,
        };
        Self::new(kind, error.text, error.remedy)
    }
}

/// Whose rights a command has on its host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rights {
    /// Those of the account that logs in.
    #[default]
    Account,
    /// Another user's, by sudo; `root` where the playbook says no more than `become`.
    Become(Name),
}

/// The ways from this machine to everything that the configuration names.
pub trait Reach: Send + Sync {
    /// A shell on a host of the configuration. `local` is this machine.
    fn shell(&self, host: &str, rights: &Rights) -> Result<Arc<dyn Shell>, ActionError>;
    /// A TCP connection to `address:port` that starts at the host.
    fn tcp<'a>(&'a self, host: &'a str, address: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Line>, ActionError>>;
    /// Is the host this machine? Then a client may dial by itself.
    fn is_here(&self, host: &str) -> bool;
    /// A Unix socket of the host.
    fn socket<'a>(&'a self, host: &'a str, path: &'a str) -> BoxFuture<'a, Result<Box<dyn Line>, ActionError>>;
    /// The API of a cluster of the configuration; of the only one where there is no name.
    fn kube<'a>(&'a self, cluster: Option<&'a str>) -> BoxFuture<'a, Result<kube::Client, ActionError>>;
}

/// The person before the run, for steps that only a person can do.
pub trait Person: Send + Sync {
    /// Shows what there is to do and waits for the answer; `None` where nobody is there.
    fn manual<'a>(&'a self, host: &'a str, instructions: &'a str) -> BoxFuture<'a, Option<Manual>>;
}

/// What a person said of a step of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manual {
    Done(String),
    Skipped(String),
    Failed(String),
}

/// Takes what a running step says, line by line, while it runs.
pub trait Live: Send + Sync {
    fn line(&self, stream: Stream, line: &str);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Out,
    Err,
}

/// Files that belong to a playbook: beside it, or carried in this program.
pub trait Files: Send + Sync {
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;
}

/// Everything an action may use beside its arguments.
#[derive(Clone)]
pub struct ActionCx {
    /// The host of the configuration where it happens.
    pub host: Name,
    pub rights: Rights,
    pub environment: BTreeMap<String, String>,
    /// The folder that commands start in; the account's own where it is `None`.
    pub folder: Option<String>,
    pub reach: Arc<dyn Reach>,
    pub person: Arc<dyn Person>,
    pub live: Arc<dyn Live>,
    pub files: Arc<dyn Files>,
    pub clock: Arc<dyn Clock>,
    pub redact: Redactor,
    /// The longest it may take.
    pub limit: Duration,
    pub stop: CancellationToken,
    pub purpose: Purpose,
    /// Names this step of this run at this target, the same at every attempt. It marks the processes that the step starts there.
    pub mark: String,
    /// Where downloads come from.
    pub origin: Origin,
}

impl fmt::Debug for ActionCx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActionCx").field("host", &self.host).field("mark", &self.mark).finish_non_exhaustive()
    }
}

impl ActionCx {
    pub fn shell(&self) -> Result<Arc<dyn Shell>, ActionError> {
        self.reach.shell(&self.host, &self.rights)
    }
}

/// What an action is run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To see how things are now: a step's `check`. What can be told to change something is refused, and nothing is waited for.
    Look,
    /// To see whether things have become as they should be: a step's `verify`. As a look, but it may wait.
    Verify,
    Act,
}

/// `-e source=`: where a download comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    #[default]
    Online,
    Mirror,
    /// A folder that `playbook fetch` filled.
    Folder(std::path::PathBuf),
}
