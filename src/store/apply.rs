//! The reducer: a batch goes in, what changed comes out.

use std::time::Duration;

use super::dirty::Dirty;
use super::table::{Standing, Table, Upsert};
use super::{NodeLoad, Store};
use crate::base::clock::Moment;
use crate::model::fact::{Batch, Change, Fact, Row};
use crate::model::group::Group;
use crate::model::id::{Kind, NodeKey, SourceId};
use crate::model::limits::Limits;
use crate::model::node::{Node, NodeLease, NodeUsage};
use crate::model::pod::Pod;
use crate::model::source::{SourceState, SourceStatus, Subject};
use crate::model::verdict::Verdict;

macro_rules! every_table {
    ($store:ident, $table:ident => $body:expr) => {{
        {
            let $table = &mut $store.hosts;
            $body;
        }
        {
            let $table = &mut $store.vms;
            $body;
        }
        {
            let $table = &mut $store.containers;
            $body;
        }
        {
            let $table = &mut $store.clusters;
            $body;
        }
        {
            let $table = &mut $store.nodes;
            $body;
        }
        {
            let $table = &mut $store.pods;
            $body;
        }
        {
            let $table = &mut $store.workloads;
            $body;
        }
        {
            let $table = &mut $store.events;
            $body;
        }
        {
            let $table = &mut $store.groups;
            $body;
        }
    }};
}

impl Store {
    /// Takes the facts of one source in. `now` is the moment of taking, `batch.at` that of the remote's answer.
    pub fn apply(&mut self, batch: Batch, now: Moment) -> Dirty {
        self.now = self.now.max(now);
        let mut dirty = Dirty::default();
        let (source, at) = (batch.source, batch.at);
        for fact in batch.facts {
            dirty.add(self.fact(source, at, fact));
        }
        self.unsettled |= dirty.without(Dirty::LOGS).any();
        dirty
    }

    fn fact(&mut self, source: SourceId, at: Moment, fact: Fact) -> Dirty {
        match fact {
            Fact::Source(status) => self.source_changed(status),
            Fact::Host(c) => self.joined_row(source, at, *c),
            Fact::Vm(c) => self.joined_row(source, at, *c),
            Fact::Node(c) => {
                let change = self.with_lease(*c);
                self.joined_row(source, at, change)
            }
            Fact::Container(c) => self.row(source, at, *c).0,
            Fact::Cluster(c) => self.row(source, at, *c).0,
            Fact::Pod(c) => self.pod(source, at, *c),
            Fact::Workload(c) => self.row(source, at, *c).0,
            Fact::Event(c) => self.row(source, at, *c).0,
            Fact::Group(c) => self.group(source, at, *c),
            Fact::Lease(lease) => self.lease(lease),
            Fact::Usage(usage) => self.usage(usage),
            Fact::Glance(glance) => {
                // It counts until the objects are whole, however many of them have arrived; it may also come too late.
                if !self.listed.contains(&glance.cluster) {
                    self.glances.insert(glance.cluster.clone(), glance);
                }
                Dirty::of(Kind::Pod)
            }
            Fact::Denied { kind, namespace, denied } => {
                if denied.need.is_empty() {
                    self.denied.remove(&(source, kind, namespace));
                } else {
                    self.denied.insert((source, kind, namespace), denied);
                }
                Dirty::of(kind)
            }
            Fact::Ask(ask) => {
                self.asks.push(ask);
                Dirty::ASKS
            }
            Fact::Asked(id) => {
                self.asks.retain(|a| a.id != id);
                Dirty::ASKS
            }
            Fact::Log(fact) => {
                if self.logs.apply(*fact, at) {
                    Dirty::LOGS
                } else {
                    Dirty::default()
                }
            }
            // For the loop, which hands them to the seat that asked.
            Fact::Document { .. } | Fact::Notice(_) => Dirty::default(),
        }
    }

    /// One row's change; gives the old row of a change and the rows that a listing's end removed.
    fn row<T: InStore>(&mut self, source: SourceId, at: Moment, change: Change<T>) -> (Dirty, Vec<T>) {
        let now = self.now;
        let kind = Dirty::of(T::KIND);
        match change {
            Change::Begin(namespace) => {
                T::table(self).begin(source, namespace);
                (Dirty::default(), Vec::new())
            }
            Change::End(namespace) => {
                let gone = T::table(self).end(source, namespace);
                (if gone.is_empty() { Dirty::default() } else { kind }, gone)
            }
            Change::Remove(key) => {
                let gone: Vec<T> = T::table(self).remove(&key).into_iter().collect();
                (if gone.is_empty() { Dirty::default() } else { kind }, gone)
            }
            Change::Upsert(row) => {
                let (slot, what) = T::table(self).upsert(row, at, source);
                let moved = self.settle_slot::<T>(slot, now);
                match what {
                    Upsert::New => (kind, Vec::new()),
                    Upsert::Changed(old) => (kind, vec![*old]),
                    Upsert::Same => (if moved { kind } else { Dirty::default() }, Vec::new()),
                }
            }
        }
    }

    fn joined_row<T: InStore>(&mut self, source: SourceId, at: Moment, change: Change<T>) -> Dirty {
        let new = match &change {
            Change::Upsert(row) => Some(row.clone()),
            _ => None,
        };
        let count = T::table(self).len();
        let (dirty, old) = self.row(source, at, change);
        if T::table(self).len() != count || old.iter().any(|o| new.as_ref().is_none_or(|n| !n.same_identity(o))) {
            self.joins.outdated();
        }
        dirty
    }

    fn group(&mut self, source: SourceId, at: Moment, mut change: Change<Group>) -> Dirty {
        if let Change::Upsert(new) = &mut change {
            self.registered.add_to(new);
        }
        match &change {
            Change::Upsert(new) => {
                let old = self.groups.get(&new.key()).map(|e| &e.row);
                self.courses.entry(new.key()).or_default().follow(old, new, at);
            }
            Change::Remove(key) => drop(self.courses.remove(key)),
            Change::Begin(_) | Change::End(_) => {}
        }
        let (dirty, gone) = self.row(source, at, change);
        let groups = &self.groups;
        self.courses.retain(|key, _| gone.is_empty() || groups.get(key).is_some());
        dirty
    }

    fn pod(&mut self, source: SourceId, at: Moment, change: Change<Pod>) -> Dirty {
        let added = match &change {
            Change::Upsert(pod) => {
                let known = self.pods.get(&pod.key()).map(|e| load_of(&e.row));
                let new = load_of(pod);
                if known.as_ref() == Some(&new) {
                    None
                } else {
                    if let Some(Some((node, load))) = known {
                        self.count_load(node, load, false);
                    }
                    new
                }
            }
            Change::End(_) => {
                if let Some(Subject::Cluster(cluster)) = self.sources.get(&source).map(|s| s.subject.clone()) {
                    self.glances.remove(&cluster);
                    self.listed.insert(cluster);
                }
                None
            }
            _ => None,
        };
        let is_upsert = matches!(change, Change::Upsert(_));
        let (dirty, gone) = self.row(source, at, change);
        if !is_upsert {
            for (node, load) in gone.iter().filter_map(load_of) {
                self.count_load(node, load, false);
            }
        }
        if let Some((node, load)) = added {
            self.count_load(node, load, true);
        }
        dirty
    }

    fn count_load(&mut self, node: NodeKey, load: NodeLoad, add: bool) {
        let sum = self.node_load.entry(node).or_default();
        if add {
            sum.pods += load.pods;
            sum.cpu_request_millicores += load.cpu_request_millicores;
            sum.memory_request_bytes += load.memory_request_bytes;
        } else {
            sum.pods = sum.pods.saturating_sub(load.pods);
            sum.cpu_request_millicores = sum.cpu_request_millicores.saturating_sub(load.cpu_request_millicores);
            sum.memory_request_bytes = sum.memory_request_bytes.saturating_sub(load.memory_request_bytes);
        }
    }

    /// Lease and usage come by ways of their own: a node's object without them does not take them away.
    fn with_lease(&self, change: Change<Node>) -> Change<Node> {
        let Change::Upsert(mut node) = change else { return change };
        if let Some(known) = self.nodes.get(&node.key()) {
            node.lease_renewed_at = node.lease_renewed_at.or(known.row.lease_renewed_at);
            node.usage = node.usage.or(known.row.usage);
        }
        Change::Upsert(node)
    }

    fn lease(&mut self, lease: NodeLease) -> Dirty {
        let now = self.now;
        let key = NodeKey { cluster: lease.cluster, name: lease.node };
        let Some(slot) = self.nodes.touch(&key, |n| n.lease_renewed_at = Some(lease.renewed_at)) else { return Dirty::default() };
        if self.settle_slot::<Node>(slot, now) { Dirty::of(Kind::Node) } else { Dirty::default() }
    }

    fn usage(&mut self, usage: NodeUsage) -> Dirty {
        let key = NodeKey { cluster: usage.cluster, name: usage.node };
        let Some(slot) = self.nodes.touch(&key, |n| n.usage = Some(usage.now)) else { return Dirty::default() };
        self.nodes.sample(slot);
        self.nodes.redraw(slot);
        Dirty::of(Kind::Node)
    }

    fn source_changed(&mut self, status: SourceStatus) -> Dirty {
        let id = status.id;
        let old = self.sources.insert(id, status);
        let was = old.as_ref().map(|s| s.state);
        let is = self.sources[&id].state;
        if was == Some(is) {
            let same = old.as_ref().is_some_and(|o| o.error == self.sources[&id].error);
            return if same { Dirty::default() } else { Dirty::SOURCES };
        }
        // The rows of a source that is lost, or back, stand differently without a fact of their own.
        let mut dirty = Dirty::SOURCES;
        if was.is_some_and(SourceState::is_live) != is.is_live() || is == SourceState::AuthLost {
            dirty.add(self.settle_source(id));
        }
        dirty
    }

    fn settle_source(&mut self, id: SourceId) -> Dirty {
        let mut dirty = Dirty::default();
        let (now, limits, status) = (self.now, &self.limits, self.sources.get(&id));
        every_table!(self, table => {
            for slot in table.slots_of(id) {
                if settle(table, slot, now, limits, status) {
                    dirty.add(Dirty::SOURCES);
                    self.epoch += 1;
                }
            }
        });
        dirty
    }

    fn settle_slot<T: InStore>(&mut self, slot: u32, now: Moment) -> bool {
        let Some((_, entry)) = T::table(self).in_slot(slot) else { return false };
        let source = entry.source;
        let (table, limits, status) = T::parts(self, source);
        settle(table, slot, now, limits, status)
    }

    /// What time alone has changed, and when to come back. Also brings problems and joins up to date: call it before a frame.
    pub fn tick(&mut self, now: Moment) -> (Dirty, Option<Moment>) {
        self.now = self.now.max(now);
        let now = self.now;
        let mut dirty = Dirty::default();
        let mut next: Option<Moment> = None;
        let limits = &self.limits;
        let sources = &self.sources;
        every_table!(self, table => {
            let kind = kind_of(table);
            for slot in table.take_due(now) {
                let Some(source) = table.in_slot(slot).map(|(_, e)| e.source) else { continue };
                if settle(table, slot, now, limits, sources.get(&source)) {
                    dirty.add(Dirty::of(kind));
                }
            }
            if let Some(due) = table.next_due() {
                next = Some(next.map_or(due, |n| n.min(due)));
            }
        });
        for id in self.sources.values().filter(|s| !s.state.is_live()).map(|s| s.id).collect::<Vec<_>>() {
            let Some(status) = self.sources.get(&id) else { continue };
            let Some(answered) = status.answered_at else { continue };
            let lost_at = answered.plus(Duration::from_millis(status.every_ms * 3 + 1));
            if lost_at > now {
                next = Some(next.map_or(lost_at, |n| n.min(lost_at)));
            } else {
                dirty.add(self.settle_source(id));
            }
        }
        self.unsettled |= dirty.any();
        let (told, due) = self.logs.tick(now);
        if told {
            dirty.add(Dirty::LOGS);
        }
        next = due.map_or(next, |due| Some(next.map_or(due, |n| n.min(due))));
        if let Some(due) = self.compare_registered(&mut dirty) {
            next = Some(next.map_or(due, |n| n.min(due)));
        }
        if self.unsettled {
            self.unsettled = false;
            if self.joins.is_outdated() {
                self.joins = super::joins::Joins::of(self);
            }
            self.problems = super::problem::list(self);
        }
        (dirty, next)
    }
}

impl Store {
    /// Holds registries against the pods, every few seconds; when to do that again, where there are any.
    fn compare_registered(&mut self, dirty: &mut Dirty) -> Option<Moment> {
        let due = self.registered.due(self.now, &self.groups)?;
        if due > self.now {
            return Some(due);
        }
        let found = super::registered::compared(self);
        for key in self.registered.take(found, self.now) {
            let registered = &self.registered;
            let slot = self.groups.touch(&key, |group| registered.add_to(group));
            if let Some(slot) = slot {
                self.settle_slot::<Group>(slot, self.now);
                self.groups.redraw(slot);
                dirty.add(Dirty::of(Kind::Group));
                self.unsettled = true;
            }
        }
        self.registered.due(self.now, &self.groups)
    }
}

fn kind_of<T: Row>(_: &Table<T>) -> Kind {
    T::KIND
}

/// Judges the row in `slot` again.
fn settle<T: Row>(table: &mut Table<T>, slot: u32, now: Moment, limits: &Limits, status: Option<&SourceStatus>) -> bool {
    let Some((_, entry)) = table.in_slot(slot) else { return false };
    let lost = Store::is_lost::<T>(status, entry.at, now);
    let j = entry.row.judge(now, limits);
    let mut due = j.due;
    if !T::WATCHED && !lost {
        let stale_at = entry.at.plus(Duration::from_millis(status.map_or(5000, |s| s.every_ms) * 3 + 1));
        due = Some(due.map_or(stale_at, |d| d.min(stale_at)));
    }
    let verdict = if lost { Verdict::Unknown } else { j.verdict };
    let since = if lost || !verdict.is_problem() { None } else { entry.row.since() };
    table.settle(slot, &Standing { verdict, due, since }, now)
}

fn load_of(pod: &Pod) -> Option<(NodeKey, NodeLoad)> {
    let node = NodeKey { cluster: pod.cluster.clone(), name: pod.node.clone()? };
    Some((node, NodeLoad { pods: 1, cpu_request_millicores: u64::from(pod.cpu_request_millicores), memory_request_bytes: pod.memory_request_bytes }))
}

/// A row that has a table here.
trait InStore: Row {
    fn table(store: &mut Store) -> &mut Table<Self>;
    fn parts(store: &mut Store, source: SourceId) -> (&mut Table<Self>, &Limits, Option<&SourceStatus>);
}

macro_rules! in_store {
    ($($row:ident $module:ident $field:ident),*) => {$(
        impl InStore for crate::model::$module::$row {
            fn table(store: &mut Store) -> &mut Table<Self> {
                &mut store.$field
            }
            fn parts(store: &mut Store, source: SourceId) -> (&mut Table<Self>, &Limits, Option<&SourceStatus>) {
                (&mut store.$field, &store.limits, store.sources.get(&source))
            }
        }
    )*};
}
in_store!(Host host hosts, Vm vm vms, Container container containers, Cluster cluster clusters, Node node nodes, Pod pod pods, Workload workload workloads, Event event events, Group group groups);
