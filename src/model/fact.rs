//! What sources say. A batch of facts is the only way into the store.

use std::hash::Hash;

use super::ask::{Ask, AskId};
use super::cluster::Cluster;
use super::container::Container;
use super::effect::{Document, RequestId};
use super::event::Event;
use super::group::Group;
use super::host::Host;
use super::id::{Kind, Name, SourceId, Target};
use super::limits::Limits;
use super::log::LogFact;
use super::node::{Node, NodeLease, NodeUsage};
use super::pod::Pod;
use super::source::SourceStatus;
use super::verdict::Judgement;
use super::vm::Vm;
use super::workload::Workload;
use crate::base::clock::Moment;

/// Something that has a row in a table.
pub trait Row: Clone + PartialEq + std::fmt::Debug + Send + 'static {
    type Key: Clone + Eq + Ord + Hash + std::fmt::Debug + Send + 'static;
    const KIND: Kind;
    /// Does a row keep a history of its [`Row::pulse`]?
    const HISTORY: bool = false;
    /// Is it watched (as fresh as its source's last answer) rather than polled (as fresh as its own)?
    const WATCHED: bool = false;

    fn key(&self) -> Self::Key;
    fn target(&self) -> Target;
    /// The scope that `Begin` and `End` name, together with source and kind.
    fn namespace(&self) -> Option<&Name> {
        None
    }
    /// Order among rows of one severity.
    fn order(&self) -> (&str, &str);
    /// How it is at `now`. Pure.
    fn judge(&self, now: Moment, limits: &Limits) -> Judgement;
    /// Since when it is as it is, where the remote tells.
    fn since(&self) -> Option<Moment> {
        None
    }
    /// Do both prove the same things to the other floors?
    fn same_identity(&self, _other: &Self) -> bool {
        true
    }
    /// The one number that its sparkline draws, in percent.
    fn pulse(&self) -> Option<f32> {
        None
    }
}

/// A change to one table. `Begin`..`End` brackets a full listing of a scope (source + kind + namespace; `None` is all
/// namespaces): rows show as they arrive, `End` drops the rows of the scope not seen since `Begin`; a `Begin` without
/// an `End` drops nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Change<T: Row> {
    Begin(Option<Name>),
    Upsert(T),
    Remove(T::Key),
    End(Option<Name>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    Source(SourceStatus),
    Host(Box<Change<Host>>),
    Vm(Box<Change<Vm>>),
    Container(Box<Change<Container>>),
    Cluster(Box<Change<Cluster>>),
    Node(Box<Change<Node>>),
    Pod(Box<Change<Pod>>),
    Workload(Box<Change<Workload>>),
    Event(Box<Change<Event>>),
    Group(Box<Change<Group>>),
    Lease(NodeLease),
    /// metrics-server's numbers for a node.
    Usage(NodeUsage),
    /// Pod counts by status before the objects have arrived (from a Table); replaced by them at the first `End`.
    Glance(Glance),
    /// The source cannot see this for lack of rights; the rest of it lives on. An empty `need` withdraws it.
    Denied {
        kind: Kind,
        namespace: Option<Name>,
        denied: Denied,
    },
    Ask(Ask),
    /// The question is settled, by an answer or because its source gave up.
    Asked(AskId),
    Document {
        request: RequestId,
        result: Result<Document, String>,
    },
    /// What a log that is open says.
    Log(Box<LogFact>),
    /// The outcome of something a person asked for, for the message line.
    Notice(Notice),
}

/// A first look at a cluster's pods.
#[derive(Clone, Debug, PartialEq)]
pub struct Glance {
    pub cluster: Name,
    pub total: u32,
    pub by_status: Vec<(Name, u32)>,
    /// Namespace, name, ready, status, restarts of the unhealthy ones, at most a few hundred.
    pub unhealthy: Vec<GlancePod>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct GlancePod {
    pub name: String,
    pub ready: String,
    pub status: Name,
    pub restarts: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    pub good: bool,
    pub text: String,
}

/// A fact that the account may not see, and what it would need.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct Denied {
    /// What is missing, as the pane titles it: `list nodes`, `docker`, `dmesg`.
    pub fact: Name,
    /// The grant, group or role that would allow it, as a person would type it.
    pub need: Name,
}

/// Facts of one source, answered at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    pub source: SourceId,
    /// When the remote answered, by our clock.
    pub at: Moment,
    pub facts: Vec<Fact>,
}
