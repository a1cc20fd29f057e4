//! F2: everything that is known, and the one way it changes: [`Store::apply`] with a batch of facts, [`Store::tick`] with the time.
//!
//! Pure: no clock, no I/O, no runtime. Sources bring facts, panes read tables; nobody else writes.

mod apply;
pub mod course;
pub mod dirty;
pub mod history;
pub mod joins;
pub mod log;
pub mod problem;
mod registered;
mod slab;
pub mod table;
#[cfg(test)]
mod tests;
pub mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hashbrown::HashMap;

use crate::base::clock::Moment;
use crate::model::ask::Ask;
use crate::model::cluster::Cluster;
use crate::model::container::Container;
use crate::model::event::Event;
use crate::model::fact::{Denied, Glance, Row};
use crate::model::freshness::Freshness;
use crate::model::group::Group;
use crate::model::host::Host;
use crate::model::id::{GroupKey, Kind, Name, NodeKey, SourceId, Target};
use crate::model::limits::Limits;
use crate::model::node::Node;
use crate::model::pod::Pod;
use crate::model::reason::Reason;
use crate::model::source::{SourceState, SourceStatus};
use crate::model::verdict::{Judgement, Verdict};
use crate::model::vm::Vm;
use crate::model::workload::Workload;

use course::Course;
use joins::{Joins, Relatives};
use problem::Problem;
use table::{Entry, Table};

pub struct Store {
    pub hosts: Table<Host>,
    pub vms: Table<Vm>,
    pub containers: Table<Container>,
    pub clusters: Table<Cluster>,
    pub nodes: Table<Node>,
    pub pods: Table<Pod>,
    pub workloads: Table<Workload>,
    pub events: Table<Event>,
    pub groups: Table<Group>,
    pub logs: log::Logs,
    limits: Limits,
    now: Moment,
    sources: BTreeMap<SourceId, SourceStatus>,
    denied: BTreeMap<(SourceId, Kind, Option<Name>), Denied>,
    courses: HashMap<GroupKey, Course>,
    glances: BTreeMap<Name, Glance>,
    /// Clusters whose pods have been listed whole.
    listed: BTreeSet<Name>,
    asks: Vec<Ask>,
    node_load: HashMap<NodeKey, NodeLoad>,
    joins: Joins,
    /// What the pods say of what registries hand out.
    registered: registered::Registered,
    problems: Vec<Problem>,
    /// Grows when a source is lost or found again, which moves rows that no fact has touched.
    epoch: u64,
    unsettled: bool,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("hosts", &self.hosts.len()).field("nodes", &self.nodes.len()).field("pods", &self.pods.len()).finish_non_exhaustive()
    }
}

/// What the pods on a node add up to. Finished pods ask for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeLoad {
    pub pods: u32,
    pub cpu_request_millicores: u64,
    pub memory_request_bytes: u64,
}

impl Store {
    pub fn new(limits: Limits) -> Self {
        Self {
            hosts: Table::default(),
            vms: Table::default(),
            containers: Table::default(),
            clusters: Table::default(),
            nodes: Table::default(),
            pods: Table::default(),
            workloads: Table::default(),
            events: Table::default(),
            groups: Table::default(),
            logs: log::Logs::new(limits.log.clone()),
            limits,
            now: Moment::default(),
            sources: BTreeMap::new(),
            denied: BTreeMap::new(),
            courses: HashMap::new(),
            glances: BTreeMap::new(),
            listed: BTreeSet::new(),
            asks: Vec::new(),
            node_load: HashMap::new(),
            joins: Joins::default(),
            registered: registered::Registered::default(),
            problems: Vec::new(),
            epoch: 0,
            unsettled: true,
        }
    }

    /// The moment of the last batch or tick.
    pub fn now(&self) -> Moment {
        self.now
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub fn sources(&self) -> impl Iterator<Item = &SourceStatus> {
        self.sources.values()
    }

    pub fn source(&self, id: SourceId) -> Option<&SourceStatus> {
        self.sources.get(&id)
    }

    /// Two equal stamps: no row that has relatives changed in between.
    pub fn stamp(&self) -> [u64; 7] {
        [
            self.hosts.generation(),
            self.vms.generation(),
            self.containers.generation(),
            self.nodes.generation(),
            self.pods.generation(),
            self.workloads.generation(),
            self.epoch,
        ]
    }

    /// The first source that is for this host, cluster or middleware itself.
    pub fn source_of(&self, target: &Target) -> Option<&SourceStatus> {
        self.sources.values().find(|s| s.subject.target() == *target)
    }

    /// Has any table a row of it?
    pub fn has(&self, target: &Target) -> bool {
        match target {
            Target::Host(k) => self.hosts.get(k).is_some(),
            Target::Vm(k) => self.vms.get(k).is_some(),
            Target::Container(k) => self.containers.get(k).is_some(),
            Target::Cluster(k) => self.clusters.get(k).is_some(),
            Target::Node(k) => self.nodes.get(k).is_some(),
            Target::Pod(k) => self.pods.get(k).is_some(),
            Target::Workload(k) => self.workloads.get(k).is_some(),
            Target::Event(k) => self.events.get(k).is_some(),
            Target::Group(k) => self.groups.get(k).is_some(),
        }
    }

    /// Grows whenever rows change their effective verdict without a fact of their own.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub fn asks(&self) -> &[Ask] {
        &self.asks
    }

    /// What the accounts may not see of one kind.
    pub fn denied(&self, kind: Kind) -> Vec<&Denied> {
        self.denied.iter().filter(|((_, k, _), _)| *k == kind).map(|(_, d)| d).collect()
    }

    /// Everything refused to one source.
    pub fn denied_to(&self, source: SourceId) -> impl Iterator<Item = &Denied> {
        self.denied.iter().filter(move |((s, _, _), _)| *s == source).map(|(_, d)| d)
    }

    /// What became of a group over time.
    pub fn course(&self, group: &Group) -> Option<&Course> {
        self.courses.get(&group.key())
    }

    /// First looks at pods whose objects have not arrived yet.
    /// May this source's account not list rows of this kind everywhere?
    pub fn refuses(&self, source: SourceId, kind: Kind) -> bool {
        self.denied.contains_key(&(source, kind, None))
    }

    pub fn glances(&self) -> impl Iterator<Item = &Glance> {
        self.glances.values()
    }

    pub fn node_load(&self, node: &NodeKey) -> NodeLoad {
        self.node_load.get(node).copied().unwrap_or_default()
    }

    /// What is not ok, the oldest crit first, symptoms folded; as of the last [`Store::tick`].
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub fn joins(&self) -> &Joins {
        &self.joins
    }

    /// Everything on other floors that this runs on, or that runs on it.
    pub fn relatives(&self, target: &Target) -> Relatives {
        joins::relatives(self, target)
    }

    /// How old a row is. A watched row is as fresh as its source's last answer.
    pub fn freshness<T: Row>(&self, entry: &Entry<T>) -> Freshness {
        let source = self.sources.get(&entry.source);
        let every = Duration::from_millis(source.map_or(5000, |s| s.every_ms));
        let at = if T::WATCHED { source.and_then(|s| s.answered_at) } else { Some(entry.at) };
        Freshness::of(at.or(Some(entry.at)), every, self.now)
    }

    /// Does what this source last said still hold?
    fn is_lost<T: Row>(status: Option<&SourceStatus>, at: Moment, now: Moment) -> bool {
        let Some(status) = status else { return false };
        let limit = Duration::from_millis(status.every_ms * 3);
        match status.state {
            SourceState::AuthLost | SourceState::Broken => true,
            SourceState::Live => !T::WATCHED && now.since(at) > limit,
            SourceState::Connecting | SourceState::Stale | SourceState::Unreachable | SourceState::NoRight => {
                !T::WATCHED || status.answered_at.is_none_or(|a| now.since(a) > limit)
            }
        }
    }

    /// Verdict and reasons of one row, as they stand now.
    pub fn judge(&self, target: &Target) -> Option<Judgement> {
        match target {
            Target::Host(k) => self.judge_entry(self.hosts.get(k)?),
            Target::Vm(k) => self.judge_entry(self.vms.get(k)?),
            Target::Container(k) => self.judge_entry(self.containers.get(k)?),
            Target::Cluster(k) => self.judge_entry(self.clusters.get(k)?),
            Target::Node(k) => self.judge_entry(self.nodes.get(k)?),
            Target::Pod(k) => self.judge_entry(self.pods.get(k)?),
            Target::Workload(k) => self.judge_entry(self.workloads.get(k)?),
            Target::Event(k) => self.judge_entry(self.events.get(k)?),
            Target::Group(k) => self.judge_entry(self.groups.get(k)?),
        }
        .into()
    }

    pub fn judge_entry<T: Row>(&self, entry: &Entry<T>) -> Judgement {
        let mut j = entry.row.judge(self.now, &self.limits);
        let status = self.sources.get(&entry.source);
        if Self::is_lost::<T>(status, entry.at, self.now) {
            let state = status.map_or(SourceState::Stale, |s| s.state);
            let error = status.map_or("", |s| s.error.as_str());
            j.reasons.insert(0, Reason::unknown("source.lost").with("state", state.word()).with("error", error));
            j.verdict = Verdict::Unknown;
        }
        j
    }
}
