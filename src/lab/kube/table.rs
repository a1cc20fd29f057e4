//! Tables, as `kubectl get` asks for them: the columns of v1.19's printers.

use serde_json::{Value, json};

use crate::base::clock::Moment;
use crate::lab::world::kube::kind::{self, KindId};

/// Name and priority: 1 is shown with `-o wide` only.
type Column = (&'static str, u8);

fn columns(kind: KindId) -> &'static [Column] {
    match kind {
        kind::PODS => {
            &[("Name", 0), ("Ready", 0), ("Status", 0), ("Restarts", 0), ("Age", 0), ("IP", 1), ("Node", 1), ("Nominated Node", 1), ("Readiness Gates", 1)]
        }
        kind::NODES => &[
            ("Name", 0),
            ("Status", 0),
            ("Roles", 0),
            ("Age", 0),
            ("Version", 0),
            ("Internal-IP", 1),
            ("External-IP", 1),
            ("OS-Image", 1),
            ("Kernel-Version", 1),
            ("Container-Runtime", 1),
        ],
        kind::NAMESPACES => &[("Name", 0), ("Status", 0), ("Age", 0)],
        kind::DEPLOYMENTS => &[("Name", 0), ("Ready", 0), ("Up-to-date", 0), ("Available", 0), ("Age", 0), ("Containers", 1), ("Images", 1), ("Selector", 1)],
        kind::STATEFUL_SETS => &[("Name", 0), ("Ready", 0), ("Age", 0), ("Containers", 1), ("Images", 1)],
        kind::DAEMON_SETS => {
            &[("Name", 0), ("Desired", 0), ("Current", 0), ("Ready", 0), ("Up-to-date", 0), ("Available", 0), ("Node Selector", 0), ("Age", 0)]
        }
        kind::REPLICA_SETS => &[("Name", 0), ("Desired", 0), ("Current", 0), ("Ready", 0), ("Age", 0)],
        kind::JOBS => &[("Name", 0), ("Completions", 0), ("Duration", 0), ("Age", 0)],
        kind::CRON_JOBS => &[("Name", 0), ("Schedule", 0), ("Suspend", 0), ("Active", 0), ("Last Schedule", 0), ("Age", 0)],
        kind::SERVICES => &[("Name", 0), ("Type", 0), ("Cluster-IP", 0), ("External-IP", 0), ("Port(s)", 0), ("Age", 0), ("Selector", 1)],
        kind::ENDPOINTS => &[("Name", 0), ("Endpoints", 0), ("Age", 0)],
        kind::EVENTS => &[("Last Seen", 0), ("Type", 0), ("Reason", 0), ("Object", 0), ("Message", 0), ("Name", 1)],
        kind::CONFIG_MAPS => &[("Name", 0), ("Data", 0), ("Age", 0)],
        kind::SECRETS => &[("Name", 0), ("Type", 0), ("Data", 0), ("Age", 0)],
        kind::LEASES => &[("Name", 0), ("Holder", 0), ("Age", 0)],
        kind::CLAIMS => &[("Name", 0), ("Status", 0), ("Volume", 0), ("Capacity", 0), ("Access Modes", 0), ("StorageClass", 0), ("Age", 0)],
        _ => &[("Name", 0), ("Age", 0)],
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// `duration.HumanDuration` of apimachinery.
fn age(since: &Value, now: Moment) -> String {
    let Some(at) = since.as_str().and_then(Moment::parse) else { return "<unknown>".to_owned() };
    human(now.since(at).as_secs())
}

fn human(s: u64) -> String {
    let (m, h, d) = (s / 60, s / 3600, s / 86_400);
    let pair = |a: u64, unit: &str, b: u64, part: &str| if b == 0 { format!("{a}{unit}") } else { format!("{a}{unit}{b}{part}") };
    match () {
        () if s < 120 => format!("{s}s"),
        () if m < 10 => pair(m, "m", s % 60, "s"),
        () if m < 180 => format!("{m}m"),
        () if h < 8 => pair(h, "h", m % 60, "m"),
        () if h < 48 => format!("{h}h"),
        () if d < 8 => pair(d, "d", h % 24, "h"),
        () if d < 730 => format!("{d}d"),
        () => pair(d / 365, "y", d % 365, "d"),
    }
}

/// The STATUS of a pod as `printPod` makes it of objects like ours, which have no init containers.
fn pod_status(pod: &Value) -> String {
    let status = &pod["status"];
    let mut word = text(&status["reason"]);
    if word.is_empty() {
        word = text(&status["phase"]);
    }
    for container in status["containerStatuses"].as_array().into_iter().flatten().rev() {
        let state = &container["state"];
        if let Some(reason) = state["waiting"]["reason"].as_str() {
            reason.clone_into(&mut word);
        } else if let Some(reason) = state["terminated"]["reason"].as_str() {
            reason.clone_into(&mut word);
        }
    }
    if pod["metadata"]["deletionTimestamp"].is_string() {
        word = if status["reason"] == "NodeLost" { "Unknown".into() } else { "Terminating".into() };
    }
    word
}

fn containers(value: &Value, field: &str) -> String {
    let all = value["spec"]["template"]["spec"]["containers"].as_array();
    all.into_iter().flatten().map(|c| text(&c[field])).collect::<Vec<_>>().join(",")
}

fn or_none(text: String) -> Value {
    if text.is_empty() { "<none>".into() } else { text.into() }
}

fn node_cells(v: &Value, now: Moment) -> Vec<Value> {
    let ready = v["status"]["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == "Ready");
    let mut word = if ready.is_some_and(|c| c["status"] == "True") { "Ready".to_owned() } else { "NotReady".to_owned() };
    if v["spec"]["unschedulable"] == true {
        word.push_str(",SchedulingDisabled");
    }
    let labels = v["metadata"]["labels"].as_object().into_iter().flatten();
    let roles: Vec<String> = labels.filter_map(|(k, _)| k.strip_prefix("node-role.kubernetes.io/").map(str::to_owned)).collect();
    let info = &v["status"]["nodeInfo"];
    let address = v["status"]["addresses"].as_array().into_iter().flatten().find(|a| a["type"] == "InternalIP").map(|a| text(&a["address"]));
    vec![
        v["metadata"]["name"].clone(),
        word.into(),
        or_none(roles.join(",")),
        age(&v["metadata"]["creationTimestamp"], now).into(),
        info["kubeletVersion"].clone(),
        or_none(address.unwrap_or_default()),
        "<none>".into(),
        info["osImage"].clone(),
        info["kernelVersion"].clone(),
        info["containerRuntimeVersion"].clone(),
    ]
}

fn pod_cells(v: &Value, now: Moment) -> Vec<Value> {
    let statuses = || v["status"]["containerStatuses"].as_array().into_iter().flatten();
    let ready = statuses().filter(|c| c["ready"] == true).count();
    let all = v["spec"]["containers"].as_array().map_or(0, Vec::len);
    let restarts: u64 = statuses().map(|c| count(&c["restartCount"])).sum();
    vec![
        v["metadata"]["name"].clone(),
        format!("{ready}/{all}").into(),
        pod_status(v).into(),
        restarts.into(),
        age(&v["metadata"]["creationTimestamp"], now).into(),
        or_none(text(&v["status"]["podIP"])),
        or_none(text(&v["spec"]["nodeName"])),
        "<none>".into(),
        "<none>".into(),
    ]
}

fn ports(v: &Value) -> String {
    let port = |p: &Value| match p["nodePort"].as_u64() {
        Some(node) => format!("{}:{node}/{}", p["port"], p["protocol"].as_str().unwrap_or("TCP")),
        None => format!("{}/{}", p["port"], p["protocol"].as_str().unwrap_or("TCP")),
    };
    v["spec"]["ports"].as_array().into_iter().flatten().map(port).collect::<Vec<_>>().join(",")
}

fn endpoint_cell(v: &Value) -> Value {
    let mut all = Vec::new();
    for subset in v["subsets"].as_array().into_iter().flatten() {
        for address in subset["addresses"].as_array().into_iter().flatten() {
            for port in subset["ports"].as_array().into_iter().flatten() {
                all.push(format!("{}:{}", text(&address["ip"]), port["port"]));
            }
        }
    }
    let more = all.len().saturating_sub(3);
    all.truncate(3);
    or_none(if more > 0 { format!("{} + {more} more...", all.join(",")) } else { all.join(",") })
}

/// `app=web,tier=front`
fn selector(labels: &Value) -> Value {
    or_none(labels.as_object().into_iter().flatten().map(|(k, v)| format!("{k}={}", text(v))).collect::<Vec<_>>().join(","))
}

fn cells(kind: KindId, v: &Value, now: Moment) -> Vec<Value> {
    let name = v["metadata"]["name"].clone();
    let old: Value = age(&v["metadata"]["creationTimestamp"], now).into();
    let (spec, status) = (&v["spec"], &v["status"]);
    let pair = |a: u64, b: u64| -> Value { format!("{a}/{b}").into() };
    match kind {
        kind::PODS => pod_cells(v, now),
        kind::NODES => node_cells(v, now),
        kind::NAMESPACES => vec![name, status["phase"].clone(), old],
        kind::DEPLOYMENTS => vec![
            name,
            pair(count(&status["readyReplicas"]), count(&spec["replicas"])),
            count(&status["updatedReplicas"]).into(),
            count(&status["availableReplicas"]).into(),
            old,
            containers(v, "name").into(),
            containers(v, "image").into(),
            selector(&spec["selector"]["matchLabels"]),
        ],
        kind::STATEFUL_SETS => {
            vec![name, pair(count(&status["readyReplicas"]), count(&spec["replicas"])), old, containers(v, "name").into(), containers(v, "image").into()]
        }
        kind::DAEMON_SETS => vec![
            name,
            count(&status["desiredNumberScheduled"]).into(),
            count(&status["currentNumberScheduled"]).into(),
            count(&status["numberReady"]).into(),
            count(&status["updatedNumberScheduled"]).into(),
            count(&status["numberAvailable"]).into(),
            "<none>".into(),
            old,
        ],
        kind::REPLICA_SETS => vec![name, count(&spec["replicas"]).into(), count(&status["replicas"]).into(), count(&status["readyReplicas"]).into(), old],
        kind::JOBS => {
            let start = status["startTime"].as_str().and_then(Moment::parse);
            let end = status["completionTime"].as_str().and_then(Moment::parse).unwrap_or(now);
            let took = start.map_or(String::new(), |s| human(end.since(s).as_secs()));
            vec![name, pair(count(&status["succeeded"]), spec["completions"].as_u64().unwrap_or(1)), took.into(), old]
        }
        kind::CRON_JOBS => {
            let last = if status["lastScheduleTime"].is_string() { age(&status["lastScheduleTime"], now) } else { "<none>".to_owned() };
            let suspended = if spec["suspend"] == true { "True" } else { "False" };
            vec![name, spec["schedule"].clone(), suspended.into(), status["active"].as_array().map_or(0, Vec::len).into(), last.into(), old]
        }
        kind::SERVICES => {
            vec![name, spec["type"].clone(), or_none(text(&spec["clusterIP"])), "<none>".into(), or_none(ports(v)), old, selector(&spec["selector"])]
        }
        kind::ENDPOINTS => vec![name, endpoint_cell(v), old],
        kind::EVENTS => {
            let object = format!("{}/{}", text(&v["involvedObject"]["kind"]).to_lowercase(), text(&v["involvedObject"]["name"]));
            vec![age(&v["lastTimestamp"], now).into(), v["type"].clone(), v["reason"].clone(), object.into(), v["message"].clone(), name]
        }
        kind::CONFIG_MAPS => vec![name, v["data"].as_object().map_or(0, serde_json::Map::len).into(), old],
        kind::SECRETS => vec![name, v["type"].clone(), v["data"].as_object().map_or(0, serde_json::Map::len).into(), old],
        kind::LEASES => vec![name, spec["holderIdentity"].clone(), old],
        kind::CLAIMS => vec![
            name,
            status["phase"].clone(),
            spec["volumeName"].clone(),
            spec["resources"]["requests"]["storage"].clone(),
            "RWX".into(),
            spec["storageClassName"].clone(),
            old,
        ],
        _ => vec![name, old],
    }
}

/// `includeObject`: what each row carries of its object.
pub(super) fn row(kind: KindId, value: &Value, include: &str, now: Moment) -> Value {
    let cells = cells(kind, value, now);
    match include {
        "None" => json!({ "cells": cells }),
        "Object" => json!({ "cells": cells, "object": value }),
        _ => json!({ "cells": cells, "object": { "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": value["metadata"] } }),
    }
}

/// A whole table; a watch leaves the columns out after its first event.
pub(super) fn table(kind: KindId, rows: &[Value], version: &str, more: &str) -> Value {
    let definitions: Vec<Value> = columns(kind)
        .iter()
        .map(|(name, priority)| {
            let format = if *name == "Name" { "name" } else { "" };
            let kind = if matches!(*name, "Restarts" | "Up-to-date" | "Available" | "Desired" | "Current" | "Active") { "integer" } else { "string" };
            json!({ "name": name, "type": kind, "format": format, "description": "", "priority": priority })
        })
        .collect();
    let mut meta = json!({ "resourceVersion": version });
    if !more.is_empty() {
        meta["continue"] = more.into();
    }
    json!({ "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "columnDefinitions": definitions, "rows": rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_as_kubectl_writes_them() {
        let all = [5, 119, 121, 599, 7200, 11_000, 40_000, 100_000, 200_000, 800_000].map(human);
        assert_eq!(all, ["5s", "119s", "2m1s", "9m59s", "120m", "3h3m", "11h", "27h", "2d7h", "9d"]);
    }
}
