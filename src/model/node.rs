//! A Kubernetes node.

use serde::Serialize;

use super::fact::Row;
use super::id::{Kind, Name, NodeKey, Target, Uid};
use super::judge;
use super::limits::Limits;
use super::verdict::Judgement;
use crate::base::clock::Moment;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Node {
    pub cluster: Name,
    pub name: Name,
    pub uid: Uid,
    pub created_at: Option<Moment>,
    pub ready: Readiness,
    /// Every condition, `Ready` included.
    pub conditions: Vec<NodeCondition>,
    /// When its Lease in `kube-node-lease` was last renewed; `None` where the account may not see it.
    pub lease_renewed_at: Option<Moment>,
    pub cordoned: bool,
    pub taints: Vec<String>,
    pub roles: Vec<Name>,
    pub addresses: Vec<String>,
    pub kubelet_version: Name,
    pub runtime: Name,
    pub os_image: Name,
    pub kernel: Name,
    pub system_uuid: Option<Uid>,
    pub machine_id: Option<Uid>,
    pub boot_id: Option<Uid>,
    pub allocatable: Resources,
    pub usage: Option<NodeUsageNow>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Readiness {
    True,
    /// The kubelet says it is not.
    False,
    /// The kubelet says nothing.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeCondition {
    pub name: Name,
    pub status: Readiness,
    pub reason: Name,
    pub message: Name,
    pub since: Option<Moment>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Resources {
    pub cpu_millicores: u64,
    pub memory_bytes: u64,
    pub pods: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct NodeUsageNow {
    pub cpu_millicores: u64,
    pub memory_bytes: u64,
}

/// A renewal of a node's lease: ten a second and more on a big cluster, and news only when one stays away.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeLease {
    pub cluster: Name,
    pub node: Name,
    pub renewed_at: Moment,
}

/// Usage from metrics-server, which is a source of its own beside the node's object.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeUsage {
    pub cluster: Name,
    pub node: Name,
    pub now: NodeUsageNow,
}

impl Row for Node {
    type Key = NodeKey;
    const KIND: Kind = Kind::Node;
    const WATCHED: bool = true;
    const HISTORY: bool = true;

    fn key(&self) -> NodeKey {
        NodeKey { cluster: self.cluster.clone(), name: self.name.clone() }
    }
    fn target(&self) -> Target {
        Target::Node(self.key())
    }
    fn order(&self) -> (&str, &str) {
        (&self.cluster, &self.name)
    }
    fn since(&self) -> Option<Moment> {
        self.conditions.iter().find(|c| &*c.name == "Ready" && c.status != Readiness::True).and_then(|c| c.since)
    }
    fn same_identity(&self, other: &Self) -> bool {
        (self.system_uuid, self.machine_id, self.boot_id, &self.addresses) == (other.system_uuid, other.machine_id, other.boot_id, &other.addresses)
    }
    fn judge(&self, now: Moment, limits: &Limits) -> Judgement {
        judge::node(self, now, limits)
    }
    #[allow(clippy::cast_precision_loss)]
    fn pulse(&self) -> Option<f32> {
        let used = self.usage?.cpu_millicores as f32;
        Some(100.0 * used / (self.allocatable.cpu_millicores.max(1) as f32))
    }
}
