//! What the objects of each kind become.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::object::{self, Time};
use super::row::{self, AsWorkload};
use super::session::{Listing, Session};
use super::watch::Feed;
use crate::base::clock::Moment;
use crate::base::intern::Interner;
use crate::model::event::Event;
use crate::model::fact::{Change, Fact, Row};
use crate::model::id::{Name, NodeKey, ObjectKey, Uid};
use crate::model::node::{Node, NodeLease};
use crate::model::pod::Pod;
use crate::model::workload::Workload;
use crate::port::IntoFact;

fn put<T: IntoFact + Row>(out: &mut Vec<Fact>, change: Change<T>) {
    out.push(T::fact(change));
}

pub(super) struct Nodes {
    pub(super) cluster: Name,
    pub(super) names: Interner,
    /// Leases and usage have a row to land on from the first whole list on.
    pub(super) listed: tokio::sync::watch::Sender<bool>,
}

impl Feed for Nodes {
    type Object = object::Node;

    fn begin(&mut self, out: &mut Vec<Fact>) {
        put::<Node>(out, Change::Begin(None));
    }
    fn seen(&mut self, object: &object::Node, out: &mut Vec<Fact>) {
        put(out, Change::Upsert(row::node(object, &self.cluster, &mut self.names)));
    }
    fn gone(&mut self, object: &object::Node, out: &mut Vec<Fact>) {
        put::<Node>(out, Change::Remove(NodeKey { cluster: self.cluster.clone(), name: self.names.name(&object.metadata.name) }));
    }
    fn end(&mut self, out: &mut Vec<Fact>) {
        put::<Node>(out, Change::End(None));
        self.names.prune();
        self.listed.send_replace(true);
    }
}

pub(super) struct Pods {
    pub(super) cluster: Name,
    pub(super) namespace: Option<Name>,
    pub(super) names: Interner,
    /// Changes since the shared strings were last looked through.
    pub(super) changes: u32,
}

impl Feed for Pods {
    type Object = object::Pod;

    fn begin(&mut self, out: &mut Vec<Fact>) {
        put::<Pod>(out, Change::Begin(self.namespace.clone()));
    }
    fn seen(&mut self, object: &object::Pod, out: &mut Vec<Fact>) {
        put(out, Change::Upsert(row::pod(object, &self.cluster, &mut self.names)));
        self.changes += 1;
        if self.changes > 100_000 {
            self.changes = 0;
            self.names.prune();
        }
    }
    fn gone(&mut self, object: &object::Pod, out: &mut Vec<Fact>) {
        put::<Pod>(out, Change::Remove(ObjectKey { cluster: self.cluster.clone(), uid: Uid::parse(&object.metadata.uid) }));
    }
    fn end(&mut self, out: &mut Vec<Fact>) {
        put::<Pod>(out, Change::End(self.namespace.clone()));
        self.names.prune();
    }
}

pub(super) struct Workloads<T> {
    pub(super) cluster: Name,
    pub(super) names: Interner,
    pub(super) listing: Arc<Listing>,
    /// Path of what is listed: the name under which `listing` waits.
    pub(super) path: String,
    pub(super) known: HashSet<Uid>,
    pub(super) before: HashSet<Uid>,
    pub(super) kind: PhantomData<fn() -> T>,
}

impl<T> Workloads<T> {
    pub(super) fn new(cluster: &Name, listing: &Arc<Listing>, path: &str) -> Self {
        Self {
            cluster: cluster.clone(),
            names: Interner::default(),
            listing: listing.clone(),
            path: path.to_owned(),
            known: HashSet::new(),
            before: HashSet::new(),
            kind: PhantomData,
        }
    }

    fn key(&self, uid: Uid) -> ObjectKey {
        ObjectKey { cluster: self.cluster.clone(), uid }
    }
}

impl<T: AsWorkload> Feed for Workloads<T> {
    type Object = T;

    /// The table's scope is shared, so what vanished is found here and removed one by one.
    fn begin(&mut self, _: &mut Vec<Fact>) {
        let known = std::mem::take(&mut self.known);
        self.before.extend(known);
    }
    fn seen(&mut self, object: &T, out: &mut Vec<Fact>) {
        let row = object.row(&self.cluster, &mut self.names);
        self.before.remove(&row.uid);
        self.known.insert(row.uid);
        put(out, Change::Upsert(row));
    }
    fn gone(&mut self, object: &T, out: &mut Vec<Fact>) {
        let uid = Uid::parse(&object.meta().uid);
        self.known.remove(&uid);
        put::<Workload>(out, Change::Remove(self.key(uid)));
    }
    fn end(&mut self, out: &mut Vec<Fact>) {
        for uid in std::mem::take(&mut self.before) {
            put::<Workload>(out, Change::Remove(self.key(uid)));
        }
        if self.listing.done(&self.path) {
            put::<Workload>(out, Change::End(None));
        }
        self.names.prune();
    }
}

/// So many events are kept, the newest.
const EVENTS: usize = 2000;

/// What an event is about: object, and reason.
type About = (Name, Name, Name, Name);

pub(super) struct Events {
    pub(super) cluster: Name,
    pub(super) namespace: Option<Name>,
    pub(super) names: Interner,
    pub(super) kept: HashMap<About, (Moment, Uid)>,
    pub(super) by_age: BTreeMap<(Moment, Uid), About>,
}

impl Events {
    fn remove(&self, uid: Uid, out: &mut Vec<Fact>) {
        put::<Event>(out, Change::Remove(ObjectKey { cluster: self.cluster.clone(), uid }));
    }
}

impl Feed for Events {
    type Object = object::Event;

    fn begin(&mut self, out: &mut Vec<Fact>) {
        self.kept.clear();
        self.by_age.clear();
        put::<Event>(out, Change::Begin(self.namespace.clone()));
    }

    fn seen(&mut self, object: &object::Event, out: &mut Vec<Fact>) {
        let series = object.series.as_ref();
        let times = [object.last_timestamp, object.event_time, object.first_timestamp, series.and_then(|s| s.last_observed_time)];
        let last = times.into_iter().flatten().map(Time::moment).max().unwrap_or_default();
        let involved = &object.involved_object;
        let names = &mut self.names;
        let about: About = (names.name(&involved.kind), names.name(&involved.namespace), names.name(&involved.name), names.name(&object.reason));
        let uid = Uid::parse(&object.metadata.uid);
        if let Some((before, old)) = self.kept.get(&about).copied() {
            if before > last && old != uid {
                return;
            }
            self.by_age.remove(&(before, old));
            if old != uid {
                self.remove(old, out);
            }
        }
        self.kept.insert(about.clone(), (last, uid));
        self.by_age.insert((last, uid), about.clone());
        let mut message = object.message.clone();
        message.truncate(message.floor_char_boundary(600));
        let row = Event {
            cluster: self.cluster.clone(),
            namespace: self.names.name(&object.metadata.namespace),
            uid,
            about_kind: about.0,
            about_name: about.2,
            about_uid: (!involved.uid.is_empty()).then(|| Uid::parse(&involved.uid)),
            reason: about.3,
            message: message.into(),
            count: u32::try_from(object.count.max(series.map_or(0, |s| s.count)).max(1)).unwrap_or(1),
            last_seen_at: last,
        };
        put(out, Change::Upsert(row));
        if self.by_age.len() > EVENTS
            && let Some(((_, oldest), about)) = self.by_age.pop_first()
        {
            self.kept.remove(&about);
            self.remove(oldest, out);
        }
    }

    fn gone(&mut self, object: &object::Event, out: &mut Vec<Fact>) {
        let uid = Uid::parse(&object.metadata.uid);
        let found = self.kept.iter().find(|(_, (_, kept))| *kept == uid).map(|(about, (at, _))| (about.clone(), *at));
        if let Some((about, at)) = found {
            self.kept.remove(&about);
            self.by_age.remove(&(at, uid));
            self.remove(uid, out);
        }
    }

    fn end(&mut self, out: &mut Vec<Fact>) {
        put::<Event>(out, Change::End(self.namespace.clone()));
        self.names.prune();
    }
}

/// A healthy node's lease is told this often; it is renewed every 10 s and called old after 40 s.
const LEASE: Duration = Duration::from_secs(20);

/// The leases of the nodes. Hundreds a second on a big cluster, and news only when one stays away.
pub(super) struct NodeLeases {
    pub(super) cluster: Name,
    pub(super) told: HashMap<Name, Moment>,
}

impl Feed for NodeLeases {
    type Object = object::Lease;

    fn begin(&mut self, _: &mut Vec<Fact>) {
        self.told.clear();
    }
    fn seen(&mut self, object: &object::Lease, out: &mut Vec<Fact>) {
        let Some(renewed_at) = object.spec.renew_time.map(Time::moment) else { return };
        let name = match self.told.get_mut(object.metadata.name.as_str()) {
            Some(told) if renewed_at.since(*told) < LEASE => return,
            Some(told) => {
                *told = renewed_at;
                Name::from(object.metadata.name.as_str())
            }
            None => {
                let name = Name::from(object.metadata.name.as_str());
                self.told.insert(name.clone(), renewed_at);
                name
            }
        };
        out.push(Fact::Lease(NodeLease { cluster: self.cluster.clone(), node: name, renewed_at }));
    }
    fn gone(&mut self, object: &object::Lease, _: &mut Vec<Fact>) {
        self.told.remove(object.metadata.name.as_str());
    }
    fn end(&mut self, _: &mut Vec<Fact>) {}
}

/// The locks of the scheduler and the controller-manager, into the cluster's row.
pub(super) struct ControlLeases(pub(super) Session);

impl ControlLeases {
    fn is_control(name: &str) -> bool {
        matches!(name, "kube-scheduler" | "kube-controller-manager" | "cloud-controller-manager")
    }
}

impl Feed for ControlLeases {
    type Object = object::Lease;

    fn begin(&mut self, _: &mut Vec<Fact>) {}
    fn seen(&mut self, object: &object::Lease, _: &mut Vec<Fact>) {
        let Some(lease) = row::control_lease(object).filter(|l| Self::is_control(&l.name)) else { return };
        self.0.with_row(|row| {
            row.leases.retain(|l| l.name != lease.name);
            row.leases.push(lease);
            row.leases.sort_by(|a, b| a.name.cmp(&b.name));
        });
    }
    fn gone(&mut self, object: &object::Lease, _: &mut Vec<Fact>) {
        self.0.with_row(|row| row.leases.retain(|l| *l.name != *object.metadata.name));
    }
    fn end(&mut self, _: &mut Vec<Fact>) {}
}
