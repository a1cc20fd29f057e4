//! What the cluster shows of itself, in the shapes of 7.6.

use serde_json::{Map, Value, json};

use crate::lab::world::elastic::{Elastic, ElasticNode, FLOOD, HIGH, Index, LOW, Shard};
use crate::lab::world::whole;

/// Is there a majority that elects a master?
pub fn has_master(e: &Elastic) -> bool {
    e.nodes.iter().filter(|n| n.is_up).count() * 2 > e.nodes.len()
}

fn unassigned(e: &Elastic) -> impl Iterator<Item = &Shard> {
    e.shards.iter().filter(|s| s.node.is_none())
}

pub fn root(e: &Elastic, me: &ElasticNode) -> Value {
    json!({
        "name": me.name,
        "cluster_name": e.cluster,
        "cluster_uuid": e.uuid,
        "version": {
            "number": e.version, "build_flavor": "default", "build_type": "docker", "build_hash": "ef48eb35cf30adf4db14086e8aabd07ef6fb113f",
            "build_date": "2020-03-26T06:34:37.794943Z", "build_snapshot": false, "lucene_version": "8.4.0",
            "minimum_wire_compatibility_version": "6.8.0", "minimum_index_compatibility_version": "6.0.0-beta1",
        },
        "tagline": "You Know, for Search",
    })
}

pub fn health(e: &Elastic) -> Value {
    let up = e.nodes.iter().filter(|n| n.is_up).count();
    let (all, missing) = (e.shards.len(), unassigned(e).count());
    let primaries = e.shards.iter().filter(|s| s.is_primary && s.node.is_some()).count();
    json!({
        "cluster_name": e.cluster, "status": e.status(), "timed_out": false,
        "number_of_nodes": up, "number_of_data_nodes": up,
        "active_primary_shards": primaries, "active_shards": all - missing,
        "relocating_shards": 0, "initializing_shards": 0, "unassigned_shards": missing, "delayed_unassigned_shards": 0,
        "number_of_pending_tasks": 0, "number_of_in_flight_fetch": 0, "task_max_waiting_in_queue_millis": 0,
        "active_shards_percent_as_number": (all - missing) as f64 * 100.0 / all.max(1) as f64,
    })
}

fn state_word(e: &Elastic) -> Map<String, Value> {
    e.nodes
        .iter()
        .filter(|n| n.is_up)
        .map(|n| {
            let node = json!({"name": n.name, "ephemeral_id": n.id, "transport_address": format!("{}:9300", n.ip), "attributes": {}, "roles": ["data", "ingest", "master", "ml"]});
            (n.id.clone(), node)
        })
        .collect()
}

/// `_cluster/state`, whole.
pub fn state(e: &Elastic) -> Value {
    let master = e.nodes.iter().find(|n| n.name == e.master).filter(|_| has_master(e)).map(|n| n.id.clone());
    let blocked: Map<String, Value> = e
        .indices
        .iter()
        .filter(|i| i.is_blocked)
        .map(|i| {
            let block = json!({"12": {"description": "index read-only / allow delete (api)", "retryable": false, "levels": ["metadata_write", "write"]}});
            (i.name.clone(), block)
        })
        .collect();
    let lost: Vec<Value> = unassigned(e)
        .map(|s| {
            let info =
                json!({"reason": "NODE_LEFT", "at": "2026-11-21T02:00:00.000Z", "delayed": false, "details": "node_left", "allocation_status": "no_attempt"});
            json!({"state": "UNASSIGNED", "primary": s.is_primary, "node": null, "shard": s.number, "index": s.index, "unassigned_info": info})
        })
        .collect();
    let voters: Vec<&String> = e.nodes.iter().map(|n| &n.id).collect();
    let mut blocks = json!({"indices": blocked});
    if let (false, Some(blocks)) = (has_master(e), blocks.as_object_mut()) {
        blocks.insert("global".into(), json!({"2": {"description": "no master", "retryable": true, "levels": ["write"]}}));
    }
    json!({
        "cluster_name": e.cluster, "cluster_uuid": e.uuid, "master_node": master, "nodes": state_word(e), "blocks": blocks,
        "routing_nodes": {"unassigned": lost},
        "metadata": {"cluster_uuid": e.uuid, "cluster_coordination": {"term": 7, "last_committed_config": voters, "last_accepted_config": voters}},
    })
}

fn node(e: &Elastic, n: &ElasticNode) -> Value {
    let (total, used) = (n.disk_bytes, whole(n.disk_bytes as f64 * n.disk_used));
    let plugins: Vec<Value> = n
        .plugins
        .iter()
        .filter(|(_, active)| *active)
        .map(|(name, _)| json!({"name": name, "version": e.version, "elasticsearch_version": e.version, "java_version": "1.8"}))
        .collect();
    json!({
        "name": n.name, "host": n.ip, "ip": format!("{}:9300", n.ip), "version": e.version, "roles": ["data", "ingest", "master", "ml"],
        "http": {"publish_address": format!("{}:9200", n.ip), "bound_address": ["0.0.0.0:9200"]},
        "plugins": plugins,
        "os": {"cpu": {"percent": whole(n.heap_used * 60.0), "load_average": {"1m": 1.2}}},
        "jvm": {
            "uptime_in_millis": whole(n.up_seconds * 1000.0),
            "mem": {"heap_used_percent": whole(n.heap_used * 100.0), "heap_max_in_bytes": n.heap_bytes, "heap_used_in_bytes": whole(n.heap_bytes as f64 * n.heap_used)},
            "gc": {"collectors": {"old": {"collection_count": 14, "collection_time_in_millis": 1822}, "young": {"collection_count": 8122, "collection_time_in_millis": 91_822}}},
        },
        "fs": {"data": [{"path": "/usr/share/elasticsearch/data/nodes/0", "type": "xfs", "total_in_bytes": total, "free_in_bytes": total - used, "available_in_bytes": total - used}]},
        "thread_pool": {"write": {"threads": 4, "queue": 0, "rejected": 0}, "search": {"threads": 7, "queue": 0, "rejected": 0}},
        "breakers": {"parent": {"tripped": 0}, "fielddata": {"tripped": 0}},
    })
}

/// `_nodes`, for the node asked or for all.
pub fn nodes(e: &Elastic, only: Option<&ElasticNode>) -> Value {
    let chosen = e.nodes.iter().filter(|n| n.is_up && only.is_none_or(|o| o.id == n.id));
    let all: Map<String, Value> = chosen.map(|n| (n.id.clone(), node(e, n))).collect();
    json!({"_nodes": {"total": all.len(), "successful": all.len(), "failed": 0}, "cluster_name": e.cluster, "nodes": all})
}
/// The settings of the cluster, with their keys as paths or as one word.
pub fn settings(e: &Elastic, flat: bool) -> Value {
    let transient = match (&e.allocation, flat) {
        (None, _) => json!({}),
        (Some(word), true) => json!({"cluster.routing.allocation.enable": word}),
        (Some(word), false) => json!({"cluster": {"routing": {"allocation": {"enable": word}}}}),
    };
    if flat {
        return json!({"persistent": {}, "transient": transient});
    }
    let percent = |share: f64| format!("{:.0}%", share * 100.0);
    json!({
        "persistent": {}, "transient": transient,
        "defaults": {"cluster": {
            "max_shards_per_node": "1000",
            "routing": {"allocation": {"enable": "all", "disk": {"threshold_enabled": "true", "watermark": {"low": percent(LOW), "high": percent(HIGH), "flood_stage": percent(FLOOD)}}}},
        }},
    })
}

/// Why a shard has no place; `None` where every one has.
pub fn explanation(e: &Elastic, wanted: Option<&Value>) -> Option<Value> {
    let fits = |s: &&Shard| wanted.is_none_or(|w| w["index"] == s.index.as_str() && w["shard"] == s.number && w["primary"] == s.is_primary);
    let shard = unassigned(e).find(fits)?;
    let decisions: Vec<Value> = e
        .nodes
        .iter()
        .filter(|n| n.is_up)
        .map(|n| {
            let decider = if n.disk_used >= LOW {
                json!({"decider": "disk_threshold", "decision": "NO", "explanation": format!("the node is above the low watermark cluster setting [cluster.routing.allocation.disk.watermark.low={:.0}%], using more disk space than the maximum allowed [{:.1}%], actual free: [{:.1}%]", LOW * 100.0, LOW * 100.0, (1.0 - n.disk_used) * 100.0)})
            } else {
                json!({"decider": "same_shard", "decision": "NO", "explanation": "the shard cannot be allocated to the same node on which a copy of the shard already exists"})
            };
            json!({"node_id": n.id, "node_name": n.name, "node_decision": "no", "deciders": [decider]})
        })
        .collect();
    Some(json!({
        "index": shard.index, "shard": shard.number, "primary": shard.is_primary, "current_state": "unassigned",
        "unassigned_info": {"reason": "NODE_LEFT", "last_allocation_status": "no_attempt"},
        "can_allocate": if shard.is_primary { "no_valid_shard_copy" } else { "no" },
        "allocate_explanation": if shard.is_primary { "cannot allocate because a previous copy of the primary shard existed but can no longer be found on the nodes in the cluster" } else { "cannot allocate because allocation is not permitted to any of the nodes" },
        "node_allocation_decisions": decisions,
    }))
}

fn index_health(e: &Elastic, i: &Index) -> &'static str {
    match unassigned(e).filter(|s| s.index == i.name).map(|s| s.is_primary).max() {
        None => "green",
        Some(false) => "yellow",
        Some(true) => "red",
    }
}

/// `_cat`: columns and rows; `None` where the lab has no such list.
pub fn cat(e: &Elastic, what: &str) -> Option<(Vec<&'static str>, Vec<Vec<String>>)> {
    let up = || e.nodes.iter().filter(|n| n.is_up);
    let star = |n: &ElasticNode| if n.name == e.master { "*" } else { "-" }.to_owned();
    let percent = |share: f64| whole(share * 100.0).to_string();
    Some(match what {
        "nodes" => (
            vec!["ip", "heap.percent", "ram.percent", "cpu", "load_1m", "disk.used_percent", "node.role", "master", "name", "version"],
            up().map(|n| {
                vec![
                    n.ip.clone(),
                    percent(n.heap_used),
                    "83".into(),
                    percent(n.heap_used * 0.6),
                    "1.20".into(),
                    format!("{:.2}", n.disk_used * 100.0),
                    "dilm".into(),
                    star(n),
                    n.name.clone(),
                    e.version.clone(),
                ]
            })
            .collect(),
        ),
        "health" => {
            let h = health(e);
            let names = ["cluster", "status", "node.total", "node.data", "shards", "pri", "relo", "init", "unassign"];
            let keys = [
                "cluster_name",
                "status",
                "number_of_nodes",
                "number_of_data_nodes",
                "active_shards",
                "active_primary_shards",
                "relocating_shards",
                "initializing_shards",
                "unassigned_shards",
            ];
            let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
            (names.to_vec(), vec![keys.iter().map(|k| text(&h[*k])).collect()])
        }
        "indices" => (
            vec!["health", "status", "index", "uuid", "pri", "rep", "docs.count", "docs.deleted", "store.size", "pri.store.size"],
            e.indices
                .iter()
                .map(|i| {
                    vec![
                        index_health(e, i).into(),
                        "open".into(),
                        i.name.clone(),
                        i.uuid.clone(),
                        i.shards.to_string(),
                        i.replicas.to_string(),
                        whole(i.docs).to_string(),
                        "0".into(),
                        whole(i.bytes * f64::from(1 + i.replicas)).to_string(),
                        whole(i.bytes).to_string(),
                    ]
                })
                .collect(),
        ),
        "shards" => (
            vec!["index", "shard", "prirep", "state", "docs", "store", "ip", "node"],
            e.shards
                .iter()
                .map(|s| {
                    vec![
                        s.index.clone(),
                        s.number.to_string(),
                        if s.is_primary { "p" } else { "r" }.into(),
                        if s.node.is_some() { "STARTED" } else { "UNASSIGNED" }.into(),
                        String::new(),
                        String::new(),
                        String::new(),
                        s.node.clone().unwrap_or_default(),
                    ]
                })
                .collect(),
        ),
        "plugins" => (
            vec!["name", "component", "version"],
            up().flat_map(|n| n.plugins.iter().filter(|(_, active)| *active).map(|(p, _)| vec![n.name.clone(), p.clone(), e.version.clone()])).collect(),
        ),
        "master" => (
            vec!["id", "host", "ip", "node"],
            up().filter(|n| n.name == e.master && has_master(e)).map(|n| vec![n.id.clone(), n.ip.clone(), n.ip.clone(), n.name.clone()]).collect(),
        ),
        "allocation" => allocation(e),
        "recovery" | "pending_tasks" => (vec!["index", "shard", "stage"], Vec::new()),
        _ => return None,
    })
}

/// What each node holds, and how full its disk is.
fn allocation(e: &Elastic) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let up = || e.nodes.iter().filter(|n| n.is_up);
    let percent = |share: f64| whole(share * 100.0).to_string();
    (
        vec!["shards", "disk.indices", "disk.used", "disk.avail", "disk.total", "disk.percent", "host", "ip", "node"],
        up().map(|n| {
            let used = whole(n.disk_bytes as f64 * n.disk_used);
            let shards = e.shards.iter().filter(|s| s.node.as_ref() == Some(&n.name)).count();
            vec![
                shards.to_string(),
                used.to_string(),
                used.to_string(),
                (n.disk_bytes - used).to_string(),
                n.disk_bytes.to_string(),
                percent(n.disk_used),
                n.ip.clone(),
                n.ip.clone(),
                n.name.clone(),
            ]
        })
        .collect(),
    )
}
