//! A node: what its kubelet reports, and what the node controller makes of its silence.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::objects::stamp;
use crate::base::clock::Moment;

/// A kubelet silent for so long is `Unknown` (`--node-monitor-grace-period`).
pub const GRACE: f64 = 40.0;
/// Its pods are evicted after this much more (`tolerationSeconds` that every pod has).
pub const TOLERATED: f64 = 300.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Master,
    Worker,
}

#[derive(Clone, Debug)]
pub struct Node {
    pub name: Arc<str>,
    pub address: String,
    /// Third number of its pods' addresses.
    pub subnet: u32,
    pub role: Role,
    pub cores: u32,
    pub memory_bytes: u64,
    pub most_pods: u32,
    pub uuid: String,
    pub machine_id: String,
    pub boot_id: String,
    pub is_cordoned: bool,
    /// A fault stopped its kubelet.
    pub is_stopped: bool,
    /// Scenario seconds since its kubelet fell silent.
    pub silent_from: Option<f64>,
    pub is_unknown: bool,
    /// Scenario seconds when its pods were given up.
    pub evicted_at: Option<f64>,
    pub since: Moment,
    /// Conditions that are true and should not be, with their message.
    pub pressures: BTreeMap<String, (String, Moment)>,
    pub lease_due: f64,
    pub next_eviction: f64,
    pub cpu_milli: u64,
    pub memory_requested: u64,
    pub pods: u32,
    pub created: Moment,
    pub next_ip: u32,
}

const PRESSURES: &[(&str, &str, &str)] = &[
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
];

impl Node {
    pub fn is_master(&self) -> bool {
        self.role == Role::Master
    }

    fn conditions(&self, now: Moment) -> Value {
        let (beat, created) = (stamp(now), stamp(self.created));
        let unknown = |name: &str| {
            let (reason, message) = ("NodeStatusUnknown", "Kubelet stopped posting node status.");
            json!({ "type": name, "status": "Unknown", "reason": reason, "message": message, "lastHeartbeatTime": stamp(self.since), "lastTransitionTime": stamp(self.since) })
        };
        let mut all = vec![json!({
            "type": "NetworkUnavailable", "status": "False", "reason": "CalicoIsUp", "message": "Calico is running on this node",
            "lastHeartbeatTime": created, "lastTransitionTime": created,
        })];
        for (name, reason, message) in PRESSURES {
            all.push(match self.pressures.get(*name) {
                _ if self.is_unknown => unknown(name),
                Some((message, at)) => {
                    let reason = format!("KubeletHas{name}");
                    json!({ "type": name, "status": "True", "reason": reason, "message": message, "lastHeartbeatTime": beat, "lastTransitionTime": stamp(*at) })
                }
                None => {
                    json!({ "type": name, "status": "False", "reason": reason, "message": message, "lastHeartbeatTime": beat, "lastTransitionTime": created })
                }
            });
        }
        all.push(if self.is_unknown {
            unknown("Ready")
        } else {
            let since = stamp(self.since);
            json!({ "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status", "lastHeartbeatTime": beat, "lastTransitionTime": since })
        });
        Value::Array(all)
    }

    fn taints(&self) -> Vec<Value> {
        let mut taints = Vec::new();
        if self.is_master() {
            taints.push(json!({ "key": "node-role.kubernetes.io/master", "effect": "NoSchedule" }));
        }
        if self.is_cordoned {
            taints.push(json!({ "key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule" }));
        }
        if self.is_unknown {
            for effect in ["NoSchedule", "NoExecute"] {
                taints.push(json!({ "key": "node.kubernetes.io/unreachable", "effect": effect }));
            }
        }
        for name in self.pressures.keys() {
            let key = if name == "DiskPressure" { "disk-pressure" } else { "memory-pressure" };
            taints.push(json!({ "key": format!("node.kubernetes.io/{key}"), "effect": "NoSchedule" }));
        }
        taints
    }

    /// Why the scheduler passes it by; none: it takes pods.
    pub fn repels(&self) -> Option<String> {
        let taint = |key: &str| Some(format!("node(s) had taint {{{key}: }}, that the pod didn't tolerate"));
        if self.is_cordoned {
            Some("node(s) were unschedulable".to_owned())
        } else if self.is_unknown {
            taint("node.kubernetes.io/unreachable")
        } else if self.pressures.contains_key("DiskPressure") {
            taint("node.kubernetes.io/disk-pressure")
        } else if self.pressures.contains_key("MemoryPressure") {
            taint("node.kubernetes.io/memory-pressure")
        } else if self.is_master() {
            taint("node-role.kubernetes.io/master")
        } else {
            None
        }
    }

    /// The object, on top of `before` so that labels and annotations that people gave it stay.
    pub fn object(&self, before: Option<Value>, now: Moment) -> Value {
        let role = if self.is_master() { "node-role.kubernetes.io/master" } else { "node-role.kubernetes.io/worker" };
        let mut object = before.unwrap_or_else(|| {
            json!({ "metadata": {
                "name": &*self.name, "creationTimestamp": stamp(self.created),
                "labels": { "kubernetes.io/hostname": &*self.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", role: "" },
                "annotations": { "node.alpha.kubernetes.io/ttl": "0", "volumes.kubernetes.io/controller-managed-attach-detach": "true" },
            } })
        });
        let mut spec = json!({ "podCIDR": format!("10.244.{}.0/24", self.subnet % 256), "taints": self.taints() });
        if self.is_cordoned {
            spec["unschedulable"] = true.into();
        }
        object["spec"] = spec;
        let memory = format!("{}Ki", self.memory_bytes / 1024);
        let allocatable = format!("{}Ki", (self.memory_bytes / 1024).saturating_sub(1_048_576));
        let disk = "104857600Ki";
        object["status"] = json!({
            "capacity": { "cpu": self.cores.to_string(), "memory": memory, "pods": self.most_pods.to_string(), "ephemeral-storage": disk },
            "allocatable": { "cpu": format!("{}m", self.cores * 1000 - 200), "memory": allocatable, "pods": self.most_pods.to_string(), "ephemeral-storage": "96636764160" },
            "conditions": self.conditions(now),
            "addresses": [{ "type": "InternalIP", "address": self.address }, { "type": "Hostname", "address": &*self.name }],
            "daemonEndpoints": { "kubeletEndpoint": { "Port": 10250 } },
            "nodeInfo": {
                "machineID": self.machine_id, "systemUUID": self.uuid, "bootID": self.boot_id, "kernelVersion": "5.4.278-1.el7.elrepo.x86_64",
                "osImage": "CentOS Linux 7 (Core)", "containerRuntimeVersion": "docker://19.3.15", "kubeletVersion": super::VERSION, "kubeProxyVersion": super::VERSION,
                "operatingSystem": "linux", "architecture": "amd64",
            },
        });
        object
    }
}
