//! Discovery: what groups, versions and resources there are, so that kubectl finds its way.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use prost::Message;
use serde_json::{Value, json};

use super::answer::{Answer, json as answer_json, whole};
use super::route;
use crate::lab::world::kube::kind::{KINDS, Kind};

const VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// Resource, kind, and whether it is namespaced.
type Other = (&'static str, &'static str, bool);

/// Groups that have no objects of ours behind them: group, version, resources.
const OTHERS: &[(&str, &str, &[Other])] = &[
    (
        "authorization.k8s.io",
        "v1",
        &[("selfsubjectaccessreviews", "SelfSubjectAccessReview", false), ("selfsubjectrulesreviews", "SelfSubjectRulesReview", false)],
    ),
    ("metrics.k8s.io", "v1beta1", &[("nodes", "NodeMetrics", false), ("pods", "PodMetrics", true)]),
];

pub(super) fn answer(path: &str, headers: &HeaderMap) -> Option<Answer> {
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    let value = match parts.as_slice() {
        [] => json!({ "paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v2", "/readyz", "/version"] }),
        ["version"] => return Some(route::version()),
        ["openapi", "v2"] => return Some(openapi(headers)),
        ["api"] => json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] }),
        ["apis"] => json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups().keys().map(|g| group(g)).collect::<Vec<_>>() }),
        ["api", "v1"] => resources("", "v1")?,
        ["apis", name] if groups().contains_key(name) => {
            let mut one = group(name);
            one["kind"] = "APIGroup".into();
            one["apiVersion"] = "v1".into();
            one
        }
        ["apis", group, version] => resources(group, version)?,
        _ => return None,
    };
    Some(answer_json(StatusCode::OK, &value))
}

/// Each group with the version that it prefers.
fn groups() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let ours = KINDS.iter().filter(|k| !k.group.is_empty()).map(|k| (k.group, k.version));
    for (group, version) in ours.chain(OTHERS.iter().map(|(g, v, _)| (*g, *v))) {
        let versions = all.entry(group).or_default();
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    all
}

fn group(name: &str) -> Value {
    let all = groups();
    let versions: Vec<Value> = all.get(name).into_iter().flatten().map(|v| json!({ "groupVersion": format!("{name}/{v}"), "version": v })).collect();
    json!({ "name": name, "versions": versions, "preferredVersion": versions.first() })
}

fn resources(group: &str, version: &str) -> Option<Value> {
    let mut all: Vec<Value> = Vec::new();
    for kind in KINDS.iter().filter(|k| k.group == group && k.version == version) {
        all.push(resource(kind));
        for (sub, of, verbs) in subresources(kind) {
            let verbs: Vec<&str> = verbs.to_vec();
            let mut one = json!({ "name": format!("{}/{sub}", kind.plural), "singularName": "", "namespaced": kind.namespaced, "kind": of, "verbs": verbs });
            if *sub == "scale" {
                one["group"] = "autoscaling".into();
                one["version"] = "v1".into();
            }
            all.push(one);
        }
    }
    let others = OTHERS.iter().filter(|(g, v, _)| *g == group && *v == version).flat_map(|(_, _, list)| list.iter());
    for (name, kind, namespaced) in others {
        let verbs = if group == "metrics.k8s.io" { json!(["get", "list"]) } else { json!(["create"]) };
        all.push(json!({ "name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": verbs }));
    }
    let of = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    (!all.is_empty()).then(|| json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": of, "resources": all }))
}

fn resource(kind: &Kind) -> Value {
    let mut value = json!({ "name": kind.plural, "singularName": "", "namespaced": kind.namespaced, "kind": kind.kind, "verbs": VERBS });
    if !kind.short.is_empty() {
        value["shortNames"] = json!(kind.short);
    }
    if matches!(
        kind.plural,
        "pods" | "services" | "deployments" | "daemonsets" | "statefulsets" | "replicasets" | "jobs" | "cronjobs" | "horizontalpodautoscalers"
    ) {
        value["categories"] = json!(["all"]);
    }
    value
}

type Sub = (&'static str, &'static str, &'static [&'static str]);

fn subresources(kind: &Kind) -> &'static [Sub] {
    const UPDATE: &[&str] = &["get", "patch", "update"];
    match kind.plural {
        "pods" => &[
            ("eviction", "Eviction", &["create"]),
            ("exec", "PodExecOptions", &["create", "get"]),
            ("log", "Pod", &["get"]),
            ("portforward", "PodPortForwardOptions", &["create", "get"]),
            ("status", "Pod", UPDATE),
        ],
        "deployments" => &[("scale", "Scale", UPDATE), ("status", "Deployment", UPDATE)],
        "statefulsets" => &[("scale", "Scale", UPDATE), ("status", "StatefulSet", UPDATE)],
        "replicasets" => &[("scale", "Scale", UPDATE), ("status", "ReplicaSet", UPDATE)],
        "nodes" => &[("status", "Node", UPDATE)],
        "namespaces" => &[("finalize", "Namespace", &["update"]), ("status", "Namespace", UPDATE)],
        _ => &[],
    }
}

/// `openapi.v2.Document`, with no definitions in it.
#[derive(Clone, PartialEq, Message)]
struct Document {
    #[prost(string, tag = "1")]
    swagger: String,
    #[prost(message, optional, tag = "2")]
    info: Option<Info>,
}

#[derive(Clone, PartialEq, Message)]
struct Info {
    #[prost(string, tag = "1")]
    title: String,
    #[prost(string, tag = "2")]
    version: String,
}

fn openapi(headers: &HeaderMap) -> Answer {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if accept.contains("proto-openapi") {
        let info = Info { title: "Kubernetes".into(), version: crate::lab::world::kube::VERSION.into() };
        let document = Document { swagger: "2.0".into(), info: Some(info) };
        return whole(StatusCode::OK, "application/octet-stream", Bytes::from(document.encode_to_vec()));
    }
    answer_json(
        StatusCode::OK,
        &json!({ "swagger": "2.0", "info": { "title": "Kubernetes", "version": crate::lab::world::kube::VERSION }, "paths": {}, "definitions": {} }),
    )
}
