//! The answers of Nacos, reduced to what is judged, in every dialect.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::model::group::Offer;

/// The newer APIs wrap what they say; the older ones mostly do not.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Wrapped<T> {
    In { data: T },
    Bare(T),
}

impl<T> Wrapped<T> {
    pub fn open(self) -> T {
        match self {
            Self::In { data } | Self::Bare(data) => data,
        }
    }
}

/// A server as some server lists it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Node {
    /// `ip:port`.
    pub address: String,
    /// STARTING, UP, SUSPICIOUS, DOWN, ISOLATION.
    pub state: String,
    pub extend_info: Extended,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Extended {
    pub version: String,
    pub raft_port: Option<Text>,
    pub raft_meta_data: RaftMeta,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RaftMeta {
    /// By raft group.
    pub meta_data_map: BTreeMap<String, Raft>,
}

/// A raft group as one server sees it. It keeps naming a leader that is gone until another is elected.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Raft {
    pub leader: Option<String>,
    pub raft_group_member: Vec<String>,
    pub term: u64,
}

/// A number or a text, by version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Self(match serde_json::Value::deserialize(d)? {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        }))
    }
}

/// `operator/metrics`: the state of the naming service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metrics {
    /// `UP`; everything else is not ready.
    pub status: String,
    pub instance_count: Option<u64>,
    pub service_count: Option<u64>,
    pub client_count: Option<u64>,
    pub connection_based_client_count: Option<u64>,
}

/// One page of services.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Page {
    #[serde(alias = "totalCount")]
    pub count: u64,
    #[serde(alias = "pageItems")]
    pub service_list: Vec<Service>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Service {
    pub name: String,
    pub group_name: String,
    pub ip_count: u64,
    pub healthy_instance_count: u64,
    /// `true` while so few instances are healthy that sick ones are handed out too.
    pub trigger_flag: Text,
}

impl Service {
    /// The group only where it is not the usual one.
    pub fn full_name(&self) -> String {
        if self.group_name.is_empty() || self.group_name == "DEFAULT_GROUP" { self.name.clone() } else { format!("{}@@{}", self.group_name, self.name) }
    }
}

/// One page of services with their instances.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Catalog(pub Detailed);

/// The older APIs give a bare list, the newest a page.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Detailed {
    List(Vec<ServiceDetail>),
    #[serde(rename_all = "camelCase")]
    Page {
        page_items: Vec<ServiceDetail>,
    },
    /// A listing without instances, of a server or proxy that leaves the wish aside: then nothing is held against the pods.
    Untold(serde::de::IgnoredAny),
}

impl Default for Detailed {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceDetail {
    pub service_name: String,
    pub group_name: String,
    /// By cluster, which is mostly DEFAULT.
    pub cluster_map: BTreeMap<String, ClusterDetail>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ClusterDetail {
    pub hosts: Vec<Instance>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Instance {
    /// None where it is registered by a name.
    #[serde(deserialize_with = "address")]
    pub ip: Option<std::net::IpAddr>,
    pub port: u16,
    #[serde(default, alias = "valid")]
    pub healthy: bool,
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

fn address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<std::net::IpAddr>, D::Error> {
    Ok(String::deserialize(from)?.parse().ok())
}

impl Instance {
    pub fn offer(&self) -> Offer {
        if self.healthy && self.enabled { Offer::Given } else { Offer::Withheld }
    }
}

impl Catalog {
    /// Each instance with its service's name, the group in it only where it is not the usual one.
    pub fn instances(self) -> Vec<(String, Instance)> {
        let (Detailed::List(services) | Detailed::Page { page_items: services }) = self.0 else { return Vec::new() };
        let of = |s: ServiceDetail| {
            let name = Service { name: s.service_name, group_name: s.group_name, ..Service::default() }.full_name();
            s.cluster_map.into_values().flat_map(|c| c.hosts).map(move |i| (name.clone(), i)).collect::<Vec<_>>()
        };
        services.into_iter().flat_map(of).collect()
    }
}

/// 1.0 to 1.3: `operator/servers`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct OldServers {
    pub servers: Vec<OldServer>,
}
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OldServer {
    pub ip: String,
    pub serve_port: u16,
    pub alive: bool,
}

impl From<OldServer> for Node {
    fn from(old: OldServer) -> Self {
        let state = if old.alive { "UP" } else { "DOWN" };
        Self { address: format!("{}:{}", old.ip, old.serve_port), state: state.to_owned(), extend_info: Extended::default() }
    }
}

/// 1.0 to 1.3: `raft/leader`; its one field is JSON in a string.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct OldLeader {
    pub leader: Text,
}
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct OldPeer {
    /// `ip:port` of its HTTP side: there was no raft port then.
    pub ip: String,
    pub term: u64,
}

impl OldLeader {
    pub fn peer(&self) -> Option<OldPeer> {
        serde_json::from_str(&self.leader.0).ok().filter(|p: &OldPeer| !p.ip.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_gives_the_same() {
        // Printed by 2.3.1.
        let second = r#"{"code":200,"message":null,"data":[{"ip":"127.0.0.1","port":18810,"state":"UP","extendInfo":{"lastRefreshTime":1,"raftMetaData":
            {"metaDataMap":{"naming_service_metadata":{"leader":"127.0.0.1:17820","raftGroupMember":["127.0.0.1:17830"],"term":1}}},"raftPort":"17810",
            "readyToUpgrade":true,"version":"2.3.1"},"address":"127.0.0.1:18810","failAccessCnt":0}]}"#;
        let nodes = serde_json::from_str::<Wrapped<Vec<Node>>>(second).unwrap().open();
        assert_eq!(nodes[0].extend_info.raft_meta_data.meta_data_map["naming_service_metadata"].leader.as_deref(), Some("127.0.0.1:17820"));
        assert_eq!((nodes[0].extend_info.version.as_str(), nodes[0].extend_info.raft_port.clone()), ("2.3.1", Some(Text("17810".to_owned()))));
        let page = r#"{"count":1,"serviceList":[{"name":"mall-order","groupName":"DEFAULT_GROUP","clusterCount":1,"ipCount":2,"healthyInstanceCount":1,"triggerFlag":"false"}]}"#;
        let second = serde_json::from_str::<Wrapped<Page>>(page).unwrap().open();
        // As the manual of 3.x has it.
        let page = r#"{"code":0,"message":"success","data":{"totalCount":1,"pageNumber":1,"pagesAvailable":1,"pageItems":
            [{"name":"mall-order","groupName":"DEFAULT_GROUP","clusterCount":1,"ipCount":2,"healthyInstanceCount":1,"triggerFlag":false}]}}"#;
        assert_eq!(serde_json::from_str::<Wrapped<Page>>(page).unwrap().open(), second);
        // As the manual of 1.x has it.
        let old = r#"{"servers":[{"ip":"1.1.1.1","servePort":8848,"site":"unknown","weight":1,"alive":true}]}"#;
        let node = Node::from(serde_json::from_str::<OldServers>(old).unwrap().servers.remove(0));
        assert_eq!((node.address.as_str(), node.state.as_str()), ("1.1.1.1:8848", "UP"));
        let leader = r#"{"leader":"{\"heartbeatDueMs\":2500,\"ip\":\"1.1.1.1:8848\",\"leaderDueMs\":12853,\"state\":\"LEADER\",\"term\":54202}"}"#;
        let peer = serde_json::from_str::<OldLeader>(leader).unwrap().peer().unwrap();
        assert_eq!((peer.ip.as_str(), peer.term), ("1.1.1.1:8848", 54202));
    }
}
