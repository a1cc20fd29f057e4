//! The Kubernetes of the world: its objects, and controllers, kubelets and a scheduler that bring them to life.

mod ail;
mod control;
mod cron;
mod event;
mod fit;
pub mod kind;
mod life;
pub mod node;
pub mod objects;
pub mod pod;
mod quantity;
mod shop;
pub mod talk;
#[cfg(test)]
mod tests;
pub mod workload;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::{Value, json};

pub use self::ail::Ail;
use self::kind::KindId;
use self::node::Node;
use self::objects::{Key, Object, Objects, key};
use self::pod::Pod;
use self::workload::Workload;
use super::chance::Chance;
use crate::base::clock::Moment;

pub const VERSION: &str = "v1.19.16";

/// What `/version` answers.
pub fn version() -> Value {
    json!({
        "major": "1", "minor": "19", "gitVersion": VERSION, "gitCommit": "e37e4ab4cc8dcda84f1344dda47a97bb1927d074",
        "gitTreeState": "clean", "buildDate": "2021-10-27T16:20:18Z", "goVersion": "go1.15.15", "compiler": "gc", "platform": "linux/amd64",
    })
}

/// What the rest of the world tells Kubernetes.
#[derive(Debug)]
pub struct Surroundings<'a> {
    pub now: Moment,
    /// World seconds since the scenario began.
    pub scene: f64,
    pub load: f64,
    /// Machines that nobody reaches.
    pub unreachable: &'a BTreeSet<String>,
    pub nfs_hung: bool,
    /// Nodes whose image disk is full, with how full (0 to 1).
    pub full: &'a BTreeMap<String, f64>,
}

/// How an API server fares.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Checks of `/readyz` that fail.
    pub failing: BTreeSet<String>,
    /// What every answer waits for.
    pub latency_ms: u64,
    /// Leases of the control plane that nobody renews: `kube-scheduler`.
    pub stopped: BTreeSet<String>,
    /// Writes fail with this message.
    pub refuses_writes: Option<String>,
    /// When the serving certificate runs out, in milliseconds since 1970. None: in a year.
    pub certificate_until: Option<i64>,
}

/// Everything.
#[derive(Debug)]
pub struct Kube {
    pub objects: Objects,
    pub pods: BTreeMap<Key, Pod>,
    pub nodes: BTreeMap<Arc<str>, Node>,
    /// By root: `Deployment/pro/mall-order`.
    pub workloads: BTreeMap<Arc<str>, Workload>,
    pub health: Health,
    /// Why no image can be pulled.
    pub registry: Option<String>,
    ails: Vec<(String, Ail)>,
    by_root: BTreeMap<Arc<str>, BTreeSet<Key>>,
    dirty: BTreeSet<Arc<str>>,
    /// Namespaces whose endpoints must be looked at.
    unrouted: BTreeSet<Arc<str>>,
    /// Milliseconds of the scenario -> the pod that something happens to.
    due: BTreeSet<(u64, Key)>,
    events: VecDeque<(Moment, Key)>,
    leases_due: f64,
    cron_due: f64,
    chance: Chance,
    now: Moment,
    scene: f64,
    /// While the world is made: pods run at once and have done so for days.
    is_history: bool,
}

impl Kube {
    /// A young cluster has its nodes and nothing else; [`Kube::settle`] brings the shop.
    pub fn new(seed: u64, now: Moment) -> Self {
        Self {
            objects: Objects::default(),
            pods: BTreeMap::new(),
            nodes: BTreeMap::new(),
            workloads: BTreeMap::new(),
            health: Health::default(),
            registry: None,
            ails: Vec::new(),
            by_root: BTreeMap::new(),
            dirty: BTreeSet::new(),
            unrouted: BTreeSet::new(),
            due: BTreeSet::new(),
            events: VecDeque::new(),
            leases_due: 0.0,
            cron_due: 0.0,
            chance: Chance::of(seed, "kube"),
            now,
            scene: 0.0,
            is_history: true,
        }
    }

    /// Stores what somebody wrote and lets the controllers see it. What belongs to them (status, versions) is kept.
    pub fn write(&mut self, kind: KindId, mut value: Value) -> Arc<Object> {
        let namespace = value["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        let name = value["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let namespace = if kind.of().namespaced { namespace } else { String::new() };
        let before = self.objects.get(kind, &namespace, &name).map(|o| o.value());
        if let Some(before) = &before {
            for field in ["uid", "creationTimestamp", "deletionTimestamp"] {
                if !before["metadata"][field].is_null() {
                    value["metadata"][field] = before["metadata"][field].clone();
                }
            }
            if is_run_by_us(kind) {
                value["status"] = before["status"].clone();
            }
            let generation = before["metadata"]["generation"].as_i64().unwrap_or(1) + i64::from(before["spec"] != value["spec"]);
            if !value["spec"].is_null() {
                value["metadata"]["generation"] = generation.into();
            }
        } else {
            if !value["spec"].is_null() {
                value["metadata"]["generation"] = 1.into();
            }
            complete(kind, &mut value);
        }
        let object = self.put(kind, value);
        self.absorb(&object, before.as_ref());
        // An answer to a write tells what the controllers have made of it at once, as far as they have.
        self.objects.get(kind, &namespace, &name).cloned().unwrap_or(object)
    }

    fn put(&mut self, kind: KindId, value: Value) -> Arc<Object> {
        let chance = &mut self.chance;
        self.objects.put(kind, value, self.now, || chance.uuid())
    }

    fn absorb(&mut self, object: &Arc<Object>, before: Option<&Value>) {
        let (space, name) = (object.key.0.clone(), object.key.1.clone());
        match object.kind {
            kind::DEPLOYMENTS | kind::STATEFUL_SETS | kind::DAEMON_SETS | kind::JOBS | kind::CRON_JOBS => {
                let workload = Workload::read(object.kind, &object.value(), self.now);
                let root = workload.root.clone();
                self.workloads.insert(root.clone(), workload);
                self.reconcile(&root);
            }
            kind::PODS if before.is_none() => self.adopt(object),
            kind::NODES => {
                if let Some(node) = self.nodes.get_mut(&name) {
                    let cordoned = object.value()["spec"]["unschedulable"].as_bool().unwrap_or(false);
                    if node.is_cordoned != cordoned {
                        node.is_cordoned = cordoned;
                        self.publish_node(&name);
                    }
                }
            }
            kind::SERVICES => {
                self.unrouted.insert(space);
            }
            kind::NAMESPACES if before.is_none() => {
                let account = json!({ "metadata": { "name": "default", "namespace": &*name }, "secrets": [] });
                self.put(kind::ACCOUNTS, account);
            }
            _ => {}
        }
    }

    /// Removes an object as the API does: pods end first, what an object owns goes with it unless it is orphaned.
    pub fn remove(&mut self, kind: KindId, namespace: &str, name: &str, grace: Option<u64>, orphan: Orphans) -> Option<Arc<Object>> {
        let object = self.objects.get(kind, namespace, name)?.clone();
        match kind {
            kind::PODS => {
                self.end_pod(&key(namespace, name), grace);
                return Some(self.objects.get(kind, namespace, name).cloned().unwrap_or(object));
            }
            kind::NAMESPACES => {
                for (id, _) in kind::KINDS.iter().enumerate().filter(|(_, k)| k.namespaced) {
                    for object in self.objects.list(KindId(id), Some(name)) {
                        self.remove(KindId(id), name, &object.key.1, Some(0), Orphans::Go);
                    }
                }
            }
            kind::NODES => {
                self.nodes.remove(name);
            }
            kind::REPLICA_SETS => {
                let owner = object.value()["metadata"]["ownerReferences"][0]["name"].as_str().unwrap_or_default().to_owned();
                let hash = object.value()["metadata"]["labels"]["pod-template-hash"].as_str().unwrap_or_default().to_owned();
                let root: Arc<str> = format!("Deployment/{namespace}/{owner}").into();
                for pod in self.pods_of(&root) {
                    if self.pods.get(&pod).is_some_and(|p| p.hash == hash) {
                        self.end_pod(&pod, None);
                    }
                }
                self.dirty.insert(root);
            }
            kind::DEPLOYMENTS | kind::STATEFUL_SETS | kind::DAEMON_SETS | kind::JOBS | kind::CRON_JOBS => {
                let root = workload::root(kind, namespace, name);
                self.workloads.remove(&root);
                if orphan == Orphans::Go {
                    for pod in self.pods_of(&root) {
                        self.end_pod(&pod, grace);
                    }
                    for child in self.objects.list(kind::REPLICA_SETS, Some(namespace)).into_iter().chain(self.objects.list(kind::JOBS, Some(namespace))) {
                        let owner = &child.value()["metadata"]["ownerReferences"][0];
                        if owner["name"] == *name && owner["kind"] == kind.of().kind {
                            if child.kind == kind::JOBS {
                                self.remove(kind::JOBS, namespace, &child.key.1, grace, Orphans::Go);
                            } else {
                                self.objects.delete(child.kind, namespace, &child.key.1);
                            }
                        }
                    }
                }
            }
            kind::SERVICES => {
                self.objects.delete(kind::ENDPOINTS, namespace, name);
            }
            _ => {}
        }
        self.objects.delete(kind, namespace, name)
    }

    /// Does the pod of this name run and is it ready? Looked for in the shop's own namespace.
    pub fn is_ready(&self, pod: &str) -> bool {
        self.pods.get(&key("pro", pod)).is_some_and(Pod::is_ready)
    }

    /// Addresses of the ready pods of a workload in the shop's namespace.
    pub fn ready_addresses(&self, name: &str) -> Vec<String> {
        let root: Arc<str> = format!("Deployment/pro/{name}").into();
        self.pods_of(&root).iter().filter_map(|k| self.pods.get(k)).filter(|p| p.is_ready()).map(|p| p.ip.clone()).collect()
    }

    /// The life of the container of a pod in the shop's namespace.
    pub fn life_of(&self, pod: &str) -> Option<(String, u32)> {
        self.pods.get(&key("pro", pod)).map(|p| (p.uid.clone(), p.restarts))
    }

    /// Plugins that init containers bring to a pod of Elasticsearch, told by what they fetch.
    pub fn plugins_of(&self, pod: &str) -> Vec<String> {
        let bringers = self.objects.get(kind::PODS, "pro", pod).map(|o| o.value()["spec"]["initContainers"].to_string()).unwrap_or_default();
        if bringers.contains("analysis-ik") { vec!["analysis-ik".to_owned()] } else { Vec::new() }
    }

    pub fn pods_of(&self, root: &Arc<str>) -> Vec<Key> {
        self.by_root.get(root).map(|keys| keys.iter().cloned().collect()).unwrap_or_default()
    }

    /// Moves on to the present.
    pub fn live(&mut self, around: &Surroundings<'_>) {
        (self.now, self.scene) = (around.now, around.scene);
        self.live_nodes(around);
        let until = super::whole(self.scene * 1000.0);
        while let Some(first) = self.due.first().filter(|(at, _)| *at <= until).cloned() {
            self.due.remove(&first);
            self.live_pod(&first.1, around);
        }
        self.run_crons();
        for root in std::mem::take(&mut self.dirty) {
            self.reconcile(&root);
        }
        for space in std::mem::take(&mut self.unrouted) {
            self.route(&space);
        }
        self.forget_events();
    }

    /// Scenario time begins again at zero: what is still to come keeps its distance.
    pub(super) fn rewind(&mut self) {
        let was = std::mem::take(&mut self.scene);
        let due = std::mem::take(&mut self.due);
        for (_, key) in due {
            if let Some(pod) = self.pods.get_mut(&key) {
                let at = pod.due.map_or(0.0, |d| (d - was).max(0.0));
                pod.due = Some(at);
                self.due.insert((super::whole(at * 1000.0), key));
            }
        }
        for node in self.nodes.values_mut() {
            node.lease_due = (node.lease_due - was).max(0.0);
            node.next_eviction = (node.next_eviction - was).max(0.0);
            node.silent_from = node.silent_from.map(|from| from - was);
        }
        self.leases_due = 0.0;
        self.cron_due = 0.0;
        for workload in self.workloads.values_mut().filter(|w| w.next_run > 0.0) {
            workload.next_run = (workload.next_run - was).max(0.001);
        }
    }

    fn wake(&mut self, pod: &Key, after: f64) {
        let at = self.scene + after;
        if let Some(pod) = self.pods.get_mut(pod) {
            if let Some(old) = pod.due.replace(at) {
                self.due.remove(&(super::whole(old * 1000.0), pod.key.clone()));
            }
            self.due.insert((super::whole(at * 1000.0), pod.key.clone()));
        }
    }
}

/// What happens to what an object owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orphans {
    Go,
    Stay,
}

/// Kinds whose status the controllers here write.
pub fn is_run_by_us(kind: KindId) -> bool {
    matches!(kind, kind::PODS | kind::NODES | kind::DEPLOYMENTS | kind::REPLICA_SETS | kind::STATEFUL_SETS | kind::DAEMON_SETS | kind::JOBS | kind::CRON_JOBS)
}

/// What a real server adds to a new object of some kinds.
fn complete(kind: KindId, value: &mut Value) {
    match kind {
        kind::NAMESPACES => {
            value["status"] = json!({ "phase": "Active" });
            value["spec"] = json!({ "finalizers": ["kubernetes"] });
        }
        kind::SERVICES if value["spec"]["clusterIP"].is_null() => {
            let name = value["metadata"]["name"].as_str().unwrap_or_default();
            let sum = name.bytes().fold(7_u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b)));
            value["spec"]["clusterIP"] = format!("10.96.{}.{}", sum >> 8 & 0xff, sum & 0xff).into();
            if value["spec"]["type"].is_null() {
                value["spec"]["type"] = "ClusterIP".into();
            }
        }
        kind::SECRETS => {
            // `stringData` is for writing only.
            if let Some(plain) = value["stringData"].take().as_object() {
                for (name, text) in plain {
                    value["data"][name] = super::base64::encode(text.as_str().unwrap_or_default().as_bytes()).into();
                }
            }
            if let Some(map) = value.as_object_mut() {
                map.remove("stringData");
            }
            if value["type"].is_null() {
                value["type"] = "Opaque".into();
            }
        }
        kind::CLAIMS => value["status"] = json!({ "phase": "Bound" }),
        kind::DEPLOYMENTS | kind::STATEFUL_SETS if value["spec"]["replicas"].is_null() => value["spec"]["replicas"] = 1.into(),
        _ => {}
    }
}
