//! The answers of Elasticsearch 7 to 9 and OpenSearch, reduced to what is judged. Fields that an account or a version leaves out are empty.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `GET /`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Root {
    /// The node's.
    pub name: String,
    pub cluster_name: String,
    /// `_na_` until the node has joined a cluster for the first time.
    pub cluster_uuid: String,
    pub version: Version,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Version {
    pub number: String,
    /// `opensearch`; absent at Elasticsearch.
    pub distribution: String,
}

impl Version {
    pub fn is_opensearch(&self) -> bool {
        self.distribution == "opensearch"
    }

    /// Is it Elasticsearch of at least this version?
    pub fn at_least(&self, major: u32, minor: u32) -> bool {
        let mut parts = self.number.split('.').map(|p| p.parse::<u32>().unwrap_or(0));
        !self.is_opensearch() && (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (major, minor)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Green,
    Yellow,
    Red,
}

impl Status {
    pub fn word(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
        }
    }
}

/// `_cluster/health`, of one node's own view or of the master's.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Health {
    pub status: Status,
    #[serde(default)]
    pub number_of_nodes: u64,
    #[serde(default)]
    pub number_of_data_nodes: u64,
    #[serde(default)]
    pub active_shards: u64,
    #[serde(default)]
    pub relocating_shards: u64,
    #[serde(default)]
    pub initializing_shards: u64,
    #[serde(default)]
    pub unassigned_shards: u64,
    #[serde(default)]
    pub delayed_unassigned_shards: u64,
    #[serde(default)]
    pub number_of_pending_tasks: u64,
    #[serde(default)]
    pub task_max_waiting_in_queue_millis: u64,
}

/// `_cluster/state`, only the parts asked for.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct State {
    pub cluster_uuid: String,
    /// The id of the node that it calls the master; `None` while it has none.
    pub master_node: Option<String>,
    pub cluster_manager_node: Option<String>,
    /// By node id.
    pub nodes: BTreeMap<String, Listed>,
    pub blocks: Blocks,
}

impl State {
    pub fn master(&self) -> Option<&str> {
        self.master_node.as_deref().or(self.cluster_manager_node.as_deref())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Listed {
    pub name: String,
    pub roles: Vec<String>,
}

impl Listed {
    /// May it be elected?
    pub fn is_eligible(&self) -> bool {
        self.roles.iter().any(|r| r == "master" || r == "cluster_manager")
    }
    pub fn holds_data(&self) -> bool {
        self.roles.iter().any(|r| r.starts_with("data"))
    }
}

/// By index, or of the whole cluster: the block's number and its words.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Blocks {
    pub global: BTreeMap<String, Block>,
    pub indices: BTreeMap<String, BTreeMap<String, Block>>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Block {
    pub description: String,
}

/// `_nodes/...`: by node id.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Nodes<T: Default> {
    pub nodes: BTreeMap<String, T>,
}

/// `_nodes/_local/stats`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Stats {
    pub os: Os,
    pub jvm: Jvm,
    pub fs: Fs,
    pub thread_pool: BTreeMap<String, Pool>,
    pub breakers: BTreeMap<String, Breaker>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Os {
    pub cpu: Cpu,
}
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Cpu {
    pub percent: Option<f64>,
}
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Jvm {
    pub uptime_in_millis: u64,
    pub mem: Heap,
    pub gc: Gc,
}
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Heap {
    pub heap_used_percent: Option<f64>,
    pub heap_max_in_bytes: Option<u64>,
}
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Gc {
    pub collectors: BTreeMap<String, Collector>,
}
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Collector {
    pub collection_time_in_millis: u64,
}
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Fs {
    pub data: Vec<Disk>,
}
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Disk {
    pub total_in_bytes: u64,
    pub available_in_bytes: u64,
}
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Pool {
    pub rejected: u64,
}
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Breaker {
    pub tripped: u64,
}

/// `_nodes/_local/plugins`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Installed {
    pub plugins: Vec<Plugin>,
}
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(default)]
pub struct Plugin {
    pub name: String,
    pub version: String,
}

/// `_nodes/http`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Announced {
    pub http: Http,
}
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Http {
    pub publish_address: String,
}

/// `_cluster/state/routing_nodes`, the unassigned alone.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Routing {
    pub routing_nodes: Unassigned,
}
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Unassigned {
    pub unassigned: Vec<Shard>,
}
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Shard {
    pub index: String,
    pub shard: u32,
    pub primary: bool,
    pub unassigned_info: Info,
}

impl Shard {
    /// As people write it: `mall[0]`.
    pub fn name(&self) -> String {
        format!("{}[{}]", self.index, self.shard)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Info {
    pub reason: String,
    pub details: String,
}

/// `_cluster/allocation/explain`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Explanation {
    pub index: String,
    pub shard: u32,
    pub primary: bool,
    pub can_allocate: String,
    pub allocate_explanation: String,
    pub remaining_delay_in_millis: u64,
    pub node_allocation_decisions: Vec<Decision>,
}
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Decision {
    pub node_name: String,
    pub deciders: Vec<Decider>,
}
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Decider {
    pub decider: String,
    pub decision: String,
    pub explanation: String,
}

/// `_cat/recovery`: every value is text.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Recovery {
    pub index: String,
    pub shard: String,
    pub stage: String,
    pub source_node: String,
    pub target_node: String,
    pub bytes_percent: String,
    pub bytes_recovered: String,
    pub bytes_total: String,
}

/// `_cluster/state/metadata`, the part on who may vote.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Metadata {
    pub metadata: Coordinated,
}
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Coordinated {
    pub cluster_coordination: Coordination,
}
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Coordination {
    /// The ids of the nodes whose votes count.
    pub last_committed_config: Vec<String>,
}

/// `_cluster/pending_tasks`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Tasks {
    pub tasks: Vec<Task>,
}
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Task {
    pub source: String,
}

/// `_health_report` of 8.7 and later.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Report {
    pub indicators: BTreeMap<String, Indicator>,
}
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Indicator {
    pub status: String,
    pub symptom: String,
    pub diagnosis: Vec<Diagnosis>,
}
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Diagnosis {
    pub action: String,
}
