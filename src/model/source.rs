//! A source's own state is data like any other: it has a row in `:sources` and decides how far its rows are believed.

use serde::Serialize;

use super::id::{GroupKey, Name, SourceId, Target};
use crate::base::clock::Moment;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceState {
    #[default]
    Connecting,
    Live,
    /// It answered before and is late now.
    Stale,
    /// Refused our credentials. Not retried until they change or someone says so.
    AuthLost,
    NoRight,
    Unreachable,
    /// The configuration of it is broken; it never started.
    Broken,
}

impl SourceState {
    /// Are the rows of a source in this state what the remote says now?
    pub fn is_live(self) -> bool {
        matches!(self, Self::Live)
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Stale => "stale",
            Self::AuthLost => "auth-lost",
            Self::NoRight => "no-right",
            Self::Unreachable => "unreachable",
            Self::Broken => "broken",
        }
    }
}

/// What the source is for, so that a pane can show the row of a host that never answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind", content = "name")]
pub enum Subject {
    Host(Name),
    Cluster(Name),
    Middleware { kind: Name, name: Name },
}

impl Subject {
    pub fn name(&self) -> &Name {
        match self {
            Self::Host(name) | Self::Cluster(name) | Self::Middleware { name, .. } => name,
        }
    }

    /// The row that this is about, whether there is one yet or not.
    pub fn target(&self) -> Target {
        match self {
            Self::Host(name) => Target::Host(name.clone()),
            Self::Cluster(name) => Target::Cluster(name.clone()),
            Self::Middleware { kind, name } => Target::Group(GroupKey { kind: kind.clone(), name: name.clone() }),
        }
    }
}

/// The row of a source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceStatus {
    pub id: SourceId,
    pub subject: Subject,
    pub state: SourceState,
    /// The last error in the remote's or our words, cleaned; empty while live.
    pub error: String,
    /// What to do about it: a command to type, a grant to give. Empty where there is nothing.
    pub remedy: String,
    /// When this state began.
    pub since: Moment,
    /// When the supervisor tries again; `None` when it does not by itself.
    pub retry_at: Option<Moment>,
    /// The last answer of the remote.
    pub answered_at: Option<Moment>,
    /// How often it is asked.
    pub every_ms: u64,
    pub load: Load,
    /// The first whole picture has arrived.
    pub complete: bool,
}

impl SourceStatus {
    /// A source that has not said anything yet.
    pub fn new(id: SourceId, subject: Subject, every: std::time::Duration, now: Moment) -> Self {
        Self {
            id,
            subject,
            state: SourceState::Connecting,
            error: String::new(),
            remedy: String::new(),
            since: now,
            retry_at: None,
            answered_at: None,
            every_ms: u64::try_from(every.as_millis()).unwrap_or(u64::MAX),
            load: Load::default(),
            complete: false,
        }
    }
}

/// What we cost the remote, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Load {
    pub requests: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
}
