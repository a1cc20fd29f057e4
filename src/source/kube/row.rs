//! From slim objects to rows. Strings that repeat are shared; what is not wrong carries no detail.

use crate::base::intern::{Interner, Name};
use crate::model::cluster::ControlLease;
use crate::model::id::Uid;
use crate::model::node::{Node, NodeCondition, Readiness, Resources};
use crate::model::pod::{Owner, Pod, Trouble};
use crate::model::workload::{Workload, WorkloadKind};

use super::object::{self, Container, Quantity, Time};
use super::status::{is_sidecar, printed};

fn moment(time: Option<Time>) -> Option<crate::base::clock::Moment> {
    time.map(Time::moment)
}

fn requests(container: &Container, resource: &str) -> u64 {
    let milli = |q: &Quantity| if resource == "cpu" { q.milli() } else { q.whole() };
    container.resources.requests.get(resource).map_or(0, milli)
}

/// What the scheduler counts: the containers together with the sidecars, or the hungriest init container with the
/// sidecars before it if that is more, plus the overhead.
fn requested(pod: &object::Pod, resource: &str) -> u64 {
    let mut sidecars = 0_u64;
    let mut most_init = 0_u64;
    for container in &pod.spec.init_containers {
        let wanted = requests(container, resource);
        if is_sidecar(container) {
            sidecars = sidecars.saturating_add(wanted);
            most_init = most_init.max(sidecars);
        } else {
            most_init = most_init.max(sidecars.saturating_add(wanted));
        }
    }
    let together = pod.spec.containers.iter().map(|c| requests(c, resource)).fold(sidecars, u64::saturating_add);
    let overhead = pod.spec.overhead.get(resource).map_or(0, |q| if resource == "cpu" { q.milli() } else { q.whole() });
    together.max(most_init).saturating_add(overhead)
}

pub(super) fn pod(pod: &object::Pod, cluster: &Name, names: &mut Interner) -> Pod {
    let p = printed(pod);
    let created_at = moment(pod.metadata.creation_timestamp).unwrap_or_default();
    let owner = pod.metadata.owner_references.iter().find(|o| o.controller);
    Pod {
        cluster: cluster.clone(),
        namespace: names.name(&pod.metadata.namespace),
        name: pod.metadata.name.as_str().into(),
        uid: Uid::parse(&pod.metadata.uid),
        node: (!pod.spec.node_name.is_empty()).then(|| names.name(&pod.spec.node_name)),
        status: names.name(&p.status),
        ready: p.ready,
        containers: p.containers,
        restarts: p.restarts,
        created_at,
        deleting_at: moment(pod.metadata.deletion_timestamp),
        since: since(pod),
        owner: owner.map(|o| Owner { kind: names.name(&o.kind), name: names.name(&o.name) }),
        cpu_request_millicores: u32::try_from(requested(pod, "cpu")).unwrap_or(u32::MAX),
        memory_request_bytes: requested(pod, "memory"),
        ip: pod.status.pod_ip.parse().ok(),
        trouble: trouble(pod, &p.status, names),
    }
}

/// The condition that changed last tells since when it is as it is.
fn since(pod: &object::Pod) -> Option<crate::base::clock::Moment> {
    let of = |name: &str| pod.status.conditions.iter().find(|c| c.r#type == name).and_then(|c| moment(c.last_transition_time));
    of("Ready").into_iter().chain(of("Initialized")).chain(of("PodScheduled")).max()
}

fn trouble(pod: &object::Pod, status: &str, names: &mut Interner) -> Option<Box<Trouble>> {
    let (mut name, mut message, mut reason) = ("", "", "");
    let all = || pod.status.init_container_statuses.iter().chain(&pod.status.container_statuses);
    let harmless = |reason: &str| matches!(reason, "" | "ContainerCreating" | "PodInitializing");
    for container in all() {
        let waiting = container.state.waiting.as_ref().filter(|w| !harmless(&w.reason)).map(|w| w.message.as_str());
        let ended = || container.state.terminated.as_ref().filter(|t| t.exit_code != 0).map(|t| t.message.as_str());
        if let Some(said) = waiting.or_else(ended) {
            (name, message) = (&container.name, said);
            break;
        }
    }
    // Of the container in trouble, else of any: an out-of-memory kill stays a reason when it runs again.
    let last = all()
        .filter(|c| name.is_empty() || c.name == name)
        .filter_map(|c| {
            let now = c.state.terminated.as_ref().filter(|t| t.exit_code != 0);
            let before = c.last_state.terminated.as_ref().filter(|t| t.exit_code != 0 || t.reason == "OOMKilled");
            now.or(before).map(|t| (c, t))
        })
        .max_by_key(|(_, t)| moment(t.finished_at));
    if let Some((container, ended)) = last {
        (name, reason) = (&container.name, &ended.reason);
    }
    if message.is_empty() {
        let unscheduled = pod.status.conditions.iter().find(|c| c.r#type == "PodScheduled" && c.status == "False");
        if let Some(condition) = unscheduled.filter(|_| pod.spec.node_name.is_empty()) {
            message = &condition.message;
            if reason.is_empty() {
                reason = &condition.reason;
            }
        } else if status != "Running" && status != "Completed" {
            message = &pod.status.message;
        }
    }
    if name.is_empty() && message.is_empty() && reason.is_empty() {
        return None;
    }
    Some(Box::new(Trouble {
        container: names.name(name),
        message: message[..message.floor_char_boundary(600)].into(),
        exit_code: last.map(|(_, ended)| ended.exit_code),
        last_reason: names.name(reason),
        last_finished_at: last.and_then(|(_, ended)| moment(ended.finished_at)),
    }))
}

fn readiness(status: &str) -> Readiness {
    match status {
        "True" => Readiness::True,
        "False" => Readiness::False,
        _ => Readiness::Unknown,
    }
}

pub(super) fn node(node: &object::Node, cluster: &Name, names: &mut Interner) -> Node {
    let info = &node.status.node_info;
    let uid = |text: &str| (!text.is_empty()).then(|| Uid::parse(text));
    let ready = node.status.conditions.iter().find(|c| c.r#type == "Ready").map_or(Readiness::Unknown, |c| readiness(&c.status));
    let allocatable = &node.status.allocatable;
    let mut roles: Vec<Name> = node
        .metadata
        .labels
        .iter()
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) if !role.is_empty() => Some(names.name(role)),
            _ if key == "kubernetes.io/role" => Some(names.name(value)),
            _ => None,
        })
        .collect();
    roles.sort();
    Node {
        cluster: cluster.clone(),
        name: names.name(&node.metadata.name),
        uid: Uid::parse(&node.metadata.uid),
        created_at: moment(node.metadata.creation_timestamp),
        ready,
        conditions: node
            .status
            .conditions
            .iter()
            .map(|c| NodeCondition {
                name: names.name(&c.r#type),
                status: readiness(&c.status),
                reason: names.name(&c.reason),
                message: names.name(&c.message),
                since: moment(c.last_transition_time),
            })
            .collect(),
        lease_renewed_at: None,
        cordoned: node.spec.unschedulable,
        taints: node
            .spec
            .taints
            .iter()
            .map(|t| if t.value.is_empty() { format!("{}:{}", t.key, t.effect) } else { format!("{}={}:{}", t.key, t.value, t.effect) })
            .collect(),
        roles,
        addresses: node.status.addresses.iter().filter(|a| a.r#type.ends_with("IP")).map(|a| a.address.clone()).collect(),
        kubelet_version: names.name(&info.kubelet_version),
        runtime: names.name(&info.container_runtime_version),
        os_image: names.name(&info.os_image),
        kernel: names.name(&info.kernel_version),
        system_uuid: uid(&info.system_uuid),
        machine_id: uid(&info.machine_id),
        boot_id: uid(&info.boot_id),
        allocatable: Resources {
            cpu_millicores: allocatable.get("cpu").map_or(0, Quantity::milli),
            memory_bytes: allocatable.get("memory").map_or(0, Quantity::whole),
            pods: allocatable.get("pods").map_or(0, |q| u32::try_from(q.whole()).unwrap_or(u32::MAX)),
        },
        usage: None,
    }
}

fn at_least_zero(n: i32) -> u32 {
    u32::try_from(n).unwrap_or(0)
}

/// What all workloads share.
fn workload(meta: &object::ObjectMeta, kind: WorkloadKind, cluster: &Name, names: &mut Interner) -> Workload {
    Workload {
        cluster: cluster.clone(),
        namespace: names.name(&meta.namespace),
        kind,
        name: Name::from(meta.name.as_str()),
        uid: Uid::parse(&meta.uid),
        created_at: moment(meta.creation_timestamp),
        desired: 0,
        ready: 0,
        available: 0,
        updated: 0,
        misscheduled: 0,
        failed: 0,
        complete: false,
        suspended: false,
        stuck: Name::from(""),
        message: String::new(),
    }
}

/// A kind of object that is shown as a workload.
pub(super) trait AsWorkload: object::Object {
    fn meta(&self) -> &object::ObjectMeta;
    fn row(&self, cluster: &Name, names: &mut Interner) -> Workload;
}

impl AsWorkload for object::Deployment {
    fn meta(&self) -> &object::ObjectMeta {
        &self.metadata
    }
    fn row(&self, cluster: &Name, names: &mut Interner) -> Workload {
        let mut row = workload(&self.metadata, WorkloadKind::Deployment, cluster, names);
        row.desired = at_least_zero(self.spec.replicas.unwrap_or(1));
        row.ready = at_least_zero(self.status.ready_replicas);
        row.available = at_least_zero(self.status.available_replicas);
        row.updated = at_least_zero(self.status.updated_replicas);
        row.suspended = self.spec.paused;
        let wrong = |c: &&object::DeploymentCondition| match c.r#type.as_str() {
            "Progressing" => c.status == "False",
            "ReplicaFailure" => c.status == "True",
            _ => false,
        };
        // The failure to make a replica is the cause; the passed deadline only follows from it.
        let stuck = self.status.conditions.iter().filter(wrong).max_by_key(|c| c.r#type == "ReplicaFailure");
        if let Some(condition) = stuck {
            row.stuck = names.name(&condition.reason);
            row.message.clone_from(&condition.message);
        }
        row
    }
}

impl AsWorkload for object::StatefulSet {
    fn meta(&self) -> &object::ObjectMeta {
        &self.metadata
    }
    fn row(&self, cluster: &Name, names: &mut Interner) -> Workload {
        let mut row = workload(&self.metadata, WorkloadKind::StatefulSet, cluster, names);
        row.desired = at_least_zero(self.spec.replicas.unwrap_or(1));
        row.ready = at_least_zero(self.status.ready_replicas);
        // Servers before 1.22 do not count the available ones.
        row.available = at_least_zero(self.status.available_replicas.max(self.status.ready_replicas));
        row.updated = at_least_zero(self.status.updated_replicas);
        row
    }
}

impl AsWorkload for object::DaemonSet {
    fn meta(&self) -> &object::ObjectMeta {
        &self.metadata
    }
    fn row(&self, cluster: &Name, names: &mut Interner) -> Workload {
        let mut row = workload(&self.metadata, WorkloadKind::DaemonSet, cluster, names);
        row.desired = at_least_zero(self.status.desired_number_scheduled);
        row.ready = at_least_zero(self.status.number_ready);
        row.available = at_least_zero(self.status.number_available);
        row.updated = at_least_zero(self.status.updated_number_scheduled);
        row.misscheduled = at_least_zero(self.status.number_misscheduled);
        row
    }
}

impl AsWorkload for object::Job {
    fn meta(&self) -> &object::ObjectMeta {
        &self.metadata
    }
    fn row(&self, cluster: &Name, names: &mut Interner) -> Workload {
        let mut row = workload(&self.metadata, WorkloadKind::Job, cluster, names);
        row.desired = at_least_zero(self.spec.completions.or(self.spec.parallelism).unwrap_or(1));
        row.ready = at_least_zero(self.status.succeeded);
        row.available = at_least_zero(self.status.active);
        row.updated = row.ready;
        row.failed = at_least_zero(self.status.failed);
        row.suspended = self.spec.suspend;
        row.complete = self.status.conditions.iter().any(|c| c.r#type == "Complete" && c.status == "True");
        if let Some(condition) = self.status.conditions.iter().find(|c| c.r#type == "Failed" && c.status == "True") {
            row.stuck = names.name(&condition.reason);
            row.message.clone_from(&condition.message);
        }
        row
    }
}

impl AsWorkload for object::CronJob {
    fn meta(&self) -> &object::ObjectMeta {
        &self.metadata
    }
    fn row(&self, cluster: &Name, names: &mut Interner) -> Workload {
        let mut row = workload(&self.metadata, WorkloadKind::CronJob, cluster, names);
        row.suspended = self.spec.suspend;
        row.available = u32::try_from(self.status.active.len()).unwrap_or(u32::MAX);
        row
    }
}

pub(super) fn control_lease(lease: &object::Lease) -> Option<ControlLease> {
    Some(ControlLease {
        name: Name::from(lease.metadata.name.as_str()),
        holder: lease.spec.holder_identity.clone(),
        renewed_at: moment(lease.spec.renew_time)?,
    })
}
