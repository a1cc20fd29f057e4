//! What the general part knows of a member, and the one trait that a kind implements.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use super::spec::Spec;
use crate::base::clock::Moment;
use crate::base::redact::Redactor;
use crate::model::group::Group;
use crate::model::id::Name;
use crate::port::Meter;

/// A kind of middleware. `poll` calls [`open`](Self::open) once for each connection and [`ask`](Self::ask) each tick and round;
/// both are cut off by a timeout, so neither needs one of its own. [`picture`](Self::picture) is pure.
pub trait Probe: Send + Sync + 'static {
    /// An open connection; dropped after an error.
    type Link: Send + 'static;
    /// What one member said. It may carry over from the answer before (`Question::before`) what only time tells, such as a rate or a trend.
    type Seen: Clone + Send + Sync + fmt::Debug + 'static;

    /// How often a member is asked at most, and when nothing else is said.
    const EVERY: Duration = Duration::from_secs(5);
    /// A kind that must read some members after others (replicas first, then their source) asks in rounds; each round sees the answers of the one before.
    const ROUNDS: u8 = 1;
    /// Polls until every rate has its second sample.
    const SAMPLES: u32 = 1;

    fn open(&self, to: Target<'_>) -> impl Future<Output = Result<Self::Link, Trouble>> + Send;

    /// What this member says now. In a later round `Question::so_far` is its own answer of the round before; return it, changed or not.
    fn ask(&self, link: &mut Self::Link, question: Question<'_, Self::Seen>) -> impl Future<Output = Result<Self::Seen, Trouble>> + Send;

    /// Further members that the known ones name (`CLUSTER NODES`, sentinel). They are asked from the next tick on.
    fn announced(&self, _views: &[View<Self::Seen>]) -> Vec<Name> {
        Vec::new()
    }

    /// The group as several observers see it. One member's word never makes it ok.
    fn picture(&self, spec: &Spec, views: &[View<Self::Seen>], now: Moment) -> Group;
}

/// What a connection is opened to.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    pub spec: &'a Spec,
    pub address: &'a str,
    /// Tell it every secret that is fetched.
    pub redact: &'a Redactor,
}

/// One question to one member.
#[derive(Debug)]
pub struct Question<'a, Seen> {
    pub spec: &'a Spec,
    pub address: &'a str,
    pub now: Moment,
    /// Counted from 0.
    pub round: u8,
    /// Its answer in the round before of this tick; `None` in round 0.
    pub so_far: Option<&'a Seen>,
    /// Its whole answer of the tick before, while the connection is the same or another.
    pub before: Option<&'a Before<Seen>>,
    /// All members as they were after the round before.
    pub others: &'a [View<Seen>],
    pub meter: &'a Meter,
}

impl<Seen> Clone for Question<'_, Seen> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Seen> Copy for Question<'_, Seen> {}

/// An answer of an earlier tick.
#[derive(Clone, Debug)]
pub struct Before<Seen> {
    pub at: Moment,
    pub seen: Seen,
}

/// A member from outside.
#[derive(Clone, Debug)]
pub struct View<Seen> {
    pub address: Name,
    pub state: State,
    /// Its last answer, however old; [`fresh`](Self::fresh) gives it only while it holds.
    pub seen: Option<Seen>,
    pub answered_at: Option<Moment>,
    /// How long the last answer took.
    pub took: Duration,
}

impl<Seen> View<Seen> {
    /// What it said in this tick.
    pub fn fresh(&self) -> Option<&Seen> {
        self.seen.as_ref().filter(|_| matches!(self.state, State::Answering))
    }

    /// Why it says nothing.
    pub fn trouble(&self) -> Option<&Trouble> {
        match &self.state {
            State::Silent { trouble, .. } => Some(trouble),
            State::Answering | State::Unasked => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum State {
    Unasked,
    Answering,
    Silent { since: Moment, trouble: Trouble },
}

/// Why a member gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub kind: TroubleKind,
    /// A sentence, in the remote's words where it gave any.
    pub text: String,
    /// The next thing to do; empty where waiting is all there is.
    pub remedy: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// Nobody listens, no route, no such name.
    Unreachable,
    /// It takes the connection, but gives no answer in time: frozen, or out of threads.
    Mute,
    /// Refused the credentials. Not tried again until they change or a person says so: servers block hosts that go on.
    Refused,
    /// It answers, but not to us for now: too many connections, still starting.
    Busy,
    /// The protection of the line could not be agreed on.
    Tls,
    /// What it says is not the protocol, or not what we can work with.
    Broken,
}

impl Trouble {
    pub fn new(kind: TroubleKind, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { kind, text: text.into(), remedy: remedy.into() }
    }
    pub fn unreachable(text: impl Into<String>) -> Self {
        Self::new(TroubleKind::Unreachable, text, "")
    }
    pub fn broken(text: impl Into<String>) -> Self {
        Self::new(TroubleKind::Broken, text, "")
    }
}
