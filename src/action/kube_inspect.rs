//! `y` and `d` on what Kubernetes holds: the object as YAML, or described together with its events. It is fetched when
//! asked for; the rows stay slim.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::StatusCode;
use serde_json::Value;

use crate::base::clock::{Clock, Moment};
use crate::base::text::{clean, span};
use crate::link::kube::Api;
use crate::model::effect::{Document, Inspection};
use crate::model::id::Uid;
use crate::model::workload::WorkloadKind;
use crate::port::{Inspect, Inspected, Meter};

const LIMIT: Duration = Duration::from_secs(15);

/// Finds the API of a cluster by its name.
pub type Lookup = Arc<dyn Fn(&str) -> Option<Arc<Api>> + Send + Sync>;

/// Inspects nodes, pods and workloads.
#[derive(Clone)]
pub struct KubeInspect {
    lookup: Lookup,
    clock: Arc<dyn Clock>,
    meter: Arc<Meter>,
}

impl fmt::Debug for KubeInspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KubeInspect")
    }
}

impl KubeInspect {
    pub fn new(lookup: Lookup, clock: Arc<dyn Clock>) -> Self {
        Self { lookup, clock, meter: Arc::default() }
    }
}

/// Where an object is, and what it must be.
struct Wanted {
    path: String,
    title: String,
    uid: Option<Uid>,
    /// For its events: namespace (empty for a node) and name.
    namespace: String,
    name: String,
    kind: &'static str,
}

fn wanted(subject: &Inspected) -> Option<(String, Wanted)> {
    Some(match subject {
        Inspected::Node { cluster, name } => (
            cluster.to_string(),
            Wanted {
                path: format!("/api/v1/nodes/{name}"),
                title: format!("node {name}"),
                uid: None,
                namespace: String::new(),
                name: name.to_string(),
                kind: "Node",
            },
        ),
        Inspected::Pod { cluster, namespace, name, uid } => (
            cluster.to_string(),
            Wanted {
                path: format!("/api/v1/namespaces/{namespace}/pods/{name}"),
                title: format!("pod {namespace}/{name}"),
                uid: Some(*uid),
                namespace: namespace.to_string(),
                name: name.clone(),
                kind: "Pod",
            },
        ),
        Inspected::Workload { cluster, namespace, name, kind } => {
            let group = match kind {
                WorkloadKind::Deployment => "apps/v1/namespaces/{}/deployments",
                WorkloadKind::StatefulSet => "apps/v1/namespaces/{}/statefulsets",
                WorkloadKind::DaemonSet => "apps/v1/namespaces/{}/daemonsets",
                WorkloadKind::Job => "batch/v1/namespaces/{}/jobs",
                WorkloadKind::CronJob => "batch/v1/namespaces/{}/cronjobs",
            };
            let wanted = Wanted {
                path: format!("/apis/{}/{name}", group.replace("{}", namespace)),
                title: format!("{} {namespace}/{name}", kind.word().to_lowercase()),
                uid: None,
                namespace: namespace.to_string(),
                name: name.to_string(),
                kind: kind.word(),
            };
            (cluster.to_string(), wanted)
        }
        Inspected::Vm { .. } | Inspected::Container { .. } => return None,
    })
}

impl Inspect for KubeInspect {
    fn inspect(&self, subject: Inspected, what: Inspection) -> Option<BoxFuture<'static, Result<Document, String>>> {
        let (cluster, wanted) = wanted(&subject)?;
        let this = self.clone();
        Some(
            async move {
                let api = (this.lookup)(&cluster).ok_or_else(|| format!("cluster {cluster} is not connected"))?;
                let mut object = this.object(&api, &wanted).await?;
                let lines = match what {
                    Inspection::Yaml => {
                        if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                            meta.remove("managedFields");
                        }
                        yaml(&object)
                    }
                    Inspection::Describe => {
                        let events = this.events(&api, &wanted, &object).await;
                        describe(&object, &events, this.clock.now())
                    }
                };
                Ok(Document { title: wanted.title, lines })
            }
            .boxed(),
        )
    }
}

impl KubeInspect {
    async fn object(&self, api: &Api, wanted: &Wanted) -> Result<Value, String> {
        let now = self.clock.now();
        let get = |path: String| async move { api.get(&path, "application/json", LIMIT, now, &self.meter).await.map_err(|e| e.to_string()) };
        let (mut status, mut body) = get(wanted.path.clone()).await?;
        if status == StatusCode::NOT_FOUND && wanted.kind == "CronJob" {
            // Before 1.21.
            (status, body) = get(wanted.path.replace("/batch/v1/", "/batch/v1beta1/")).await?;
        }
        let object: Value = serde_json::from_slice(&body).map_err(|e| format!("{}: {e}", wanted.title))?;
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(format!("{} does not exist any more", wanted.title)),
            StatusCode::FORBIDDEN => return Err(format!("no right: get {}; {}", wanted.title, clean(object["message"].as_str().unwrap_or_default()))),
            code => return Err(format!("{}: {code}: {}", wanted.title, clean(object["message"].as_str().unwrap_or_default()))),
        }
        let uid = object["metadata"]["uid"].as_str().map(Uid::parse);
        if wanted.uid.is_some() && uid != wanted.uid {
            return Err(format!("{} was replaced by another of the same name since it was shown", wanted.title));
        }
        Ok(object)
    }

    /// This object's events, the oldest first; none where they may not be seen.
    async fn events(&self, api: &Api, wanted: &Wanted, object: &Value) -> Vec<Value> {
        let space = if wanted.namespace.is_empty() { "default" } else { &wanted.namespace };
        // Kubelets give a node's name as its uid.
        let uid = object["metadata"]["uid"].as_str().filter(|_| wanted.kind != "Node").map(|uid| format!("%2CinvolvedObject.uid%3D{uid}"));
        let path = format!(
            "/api/v1/namespaces/{space}/events?limit=100&fieldSelector=involvedObject.name%3D{}%2CinvolvedObject.kind%3D{}{}",
            wanted.name,
            wanted.kind,
            uid.unwrap_or_default()
        );
        let Ok((StatusCode::OK, body)) = api.get(&path, "application/json", LIMIT, self.clock.now(), &self.meter).await else { return Vec::new() };
        let mut list: Value = serde_json::from_slice(&body).unwrap_or_default();
        let mut events = match list["items"].take() {
            Value::Array(items) => items,
            _ => Vec::new(),
        };
        events.sort_by_key(|e| event_time(e).to_owned());
        events
    }
}

fn event_time(event: &Value) -> &str {
    ["lastTimestamp", "eventTime", "firstTimestamp"].iter().find_map(|key| event[*key].as_str()).unwrap_or_default()
}

/// YAML as kubectl writes it: block style, quotes only where they are needed.
fn yaml(object: &Value) -> Vec<String> {
    let mut out = Vec::new();
    match object {
        Value::Object(map) if !map.is_empty() => block(object, 0, &mut out),
        other => out.push(scalar(other)),
    }
    out
}

fn block(value: &Value, indent: usize, out: &mut Vec<String>) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = text(key);
                entry(&format!("{pad}{key}:"), value, indent, out);
            }
        }
        Value::Array(items) => {
            for item in items {
                if is_block(item) {
                    let from = out.len();
                    block(item, indent + 2, out);
                    // The first line of the item carries its dash.
                    if let Some(first) = out.get_mut(from) {
                        *first = format!("{pad}- {}", first.trim_start());
                    }
                } else {
                    entry(&format!("{pad}-"), item, indent, out);
                }
            }
        }
        _ => {}
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

fn entry(head: &str, value: &Value, indent: usize, out: &mut Vec<String>) {
    match value {
        Value::Array(items) if !items.is_empty() => {
            out.push(head.to_owned());
            block(value, indent, out);
        }
        Value::Object(map) if !map.is_empty() => {
            out.push(head.to_owned());
            block(value, indent + 2, out);
        }
        Value::String(long) if long.trim_end_matches('\n').contains('\n') && long.lines().all(|l| l == clean(l)) && !long.starts_with([' ', '\n']) => {
            let chomp = match long.len() - long.trim_end_matches('\n').len() {
                0 => "-",
                1 => "",
                _ => "+",
            };
            out.push(format!("{head} |{chomp}"));
            out.extend(long.strip_suffix('\n').unwrap_or(long).split('\n').map(|l| if l.is_empty() { String::new() } else { format!("{:indent$}  {l}", "") }));
        }
        other => out.push(format!("{head} {}", scalar(other))),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        Value::String(s) => text(s),
        other => other.to_string(),
    }
}

/// A string that another reader would take for something else is quoted; JSON's quoting is YAML's too.
fn text(s: &str) -> String {
    let special = s.is_empty()
        || s.trim() != s
        || s.starts_with(['-', '?', ':', ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`', '=', '~'])
        || s.contains(": ")
        || s.contains(" #")
        || s.ends_with(':')
        || s.chars().any(char::is_control)
        || s.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '+'))
        || matches!(s.to_ascii_lowercase().as_str(), "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n");
    if special { Value::from(s).to_string() } else { s.to_owned() }
}

/// The facts a person looks for first, then the events.
fn describe(object: &Value, events: &[Value], now: Moment) -> Vec<String> {
    let mut out = Vec::new();
    let meta = &object["metadata"];
    let mut line = |label: &str, value: &Value| match value {
        Value::Null => {}
        Value::String(s) if s.is_empty() => {}
        Value::String(s) => out.push(format!("{label:<16} {s}")),
        other => out.push(format!("{label:<16} {other}")),
    };
    line("Name", &meta["name"]);
    line("Namespace", &meta["namespace"]);
    line("UID", &meta["uid"]);
    line("Created", &meta["creationTimestamp"]);
    line("Deletion", &meta["deletionTimestamp"]);
    let (spec, status) = (&object["spec"], &object["status"]);
    for (label, at, key) in [
        ("Node", spec, "nodeName"),
        ("Service account", spec, "serviceAccountName"),
        ("Priority", spec, "priorityClassName"),
        ("Phase", status, "phase"),
        ("Reason", status, "reason"),
        ("Message", status, "message"),
        ("Pod IP", status, "podIP"),
        ("Host IP", status, "hostIP"),
        ("QoS", status, "qosClass"),
        ("Replicas", spec, "replicas"),
        ("Ready", status, "readyReplicas"),
        ("Updated", status, "updatedReplicas"),
        ("Available", status, "availableReplicas"),
        ("Schedule", spec, "schedule"),
        ("Suspended", spec, "suspend"),
        ("Unschedulable", spec, "unschedulable"),
    ] {
        line(label, &at[key]);
    }
    for owner in meta["ownerReferences"].as_array().into_iter().flatten() {
        out.push(format!("{:<16} {}/{}", "Controlled by", word(&owner["kind"]), word(&owner["name"])));
    }
    pairs(&mut out, "Labels", &meta["labels"]);
    pairs(&mut out, "Selector", &spec["selector"]["matchLabels"]);
    pairs(&mut out, "Node selector", &spec["nodeSelector"]);
    pairs(&mut out, "Node info", &status["nodeInfo"]);
    pairs(&mut out, "Allocatable", &status["allocatable"]);
    for address in status["addresses"].as_array().into_iter().flatten() {
        out.push(format!("{:<16} {} {}", "Address", word(&address["type"]), word(&address["address"])));
    }
    conditions(&mut out, &status["conditions"], now);
    for taint in spec["taints"].as_array().into_iter().flatten() {
        out.push(format!("{:<16} {}={}:{}", "Taint", word(&taint["key"]), word(&taint["value"]), word(&taint["effect"])));
    }
    let template = if spec["template"]["spec"].is_object() { &spec["template"]["spec"] } else { spec };
    for (label, list, statuses) in [("Init container", "initContainers", "initContainerStatuses"), ("Container", "containers", "containerStatuses")] {
        for container in template[list].as_array().into_iter().flatten() {
            let known = status[statuses].as_array().into_iter().flatten().find(|s| s["name"] == container["name"]);
            describe_container(&mut out, label, container, known, now);
        }
    }
    for volume in template["volumes"].as_array().into_iter().flatten() {
        let source = volume.as_object().into_iter().flatten().find(|(key, _)| *key != "name");
        let text = source.map(|(kind, value)| format!("{kind} {}", inline(value))).unwrap_or_default();
        out.push(format!("{:<16} {}: {text}", "Volume", word(&volume["name"])));
    }
    for toleration in template["tolerations"].as_array().into_iter().flatten() {
        out.push(format!("{:<16} {}", "Toleration", inline(toleration)));
    }
    out.push(String::new());
    out.push(if events.is_empty() { "Events: none".to_owned() } else { "Events".to_owned() });
    for event in events {
        let count = event["count"].as_u64().filter(|n| *n > 1).map(|n| format!(" x{n}")).unwrap_or_default();
        let age = ago(&Value::from(event_time(event)), now);
        out.push(format!("  {age:>6} {} {}{count}: {}", word(&event["type"]), word(&event["reason"]), word(&event["message"]).trim()));
    }
    out
}

fn describe_container(out: &mut Vec<String>, label: &str, container: &Value, status: Option<&Value>, now: Moment) {
    out.push(String::new());
    out.push(format!("{label} {}", word(&container["name"])));
    out.push(format!("  {:<14} {}", "Image", word(&container["image"])));
    if let Some(status) = status {
        out.push(format!("  {:<14} {}", "State", state(&status["state"], now)));
        if status["lastState"].as_object().is_some_and(|s| !s.is_empty()) {
            out.push(format!("  {:<14} {}", "Last state", state(&status["lastState"], now)));
        }
        out.push(format!("  {:<14} ready {}, restarts {}", "", status["ready"], status["restartCount"]));
    }
    for (label, key) in [("Command", "command"), ("Args", "args")] {
        if let Some(list) = container[key].as_array() {
            out.push(format!("  {label:<14} {}", list.iter().map(word).collect::<Vec<_>>().join(" ")));
        }
    }
    for (label, key) in [("Requests", "requests"), ("Limits", "limits")] {
        if container["resources"][key].is_object() {
            out.push(format!("  {label:<14} {}", inline(&container["resources"][key])));
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if container[probe].is_object() {
            out.push(format!("  {probe:<14} {}", inline(&container[probe])));
        }
    }
    for mount in container["volumeMounts"].as_array().into_iter().flatten() {
        let read_only = if mount["readOnly"] == true { " (ro)" } else { "" };
        out.push(format!("  {:<14} {} from {}{read_only}", "Mount", word(&mount["mountPath"]), word(&mount["name"])));
    }
}

fn state(state: &Value, now: Moment) -> String {
    let Some((name, detail)) = state.as_object().and_then(|s| s.iter().next()) else { return "unknown".to_owned() };
    let mut text = name.clone();
    for key in ["reason", "message"] {
        if let Some(said) = detail[key].as_str().filter(|s| !s.is_empty()) {
            let _ = write!(text, ", {}", said.trim());
        }
    }
    if let Some(code) = detail["exitCode"].as_i64() {
        let _ = write!(text, ", exit code {code}");
    }
    for (key, word) in [("startedAt", "started"), ("finishedAt", "ended")] {
        if detail[key].is_string() {
            let _ = write!(text, ", {word} {} ago", ago(&detail[key], now));
        }
    }
    text
}

fn conditions(out: &mut Vec<String>, conditions: &Value, now: Moment) {
    for condition in conditions.as_array().into_iter().flatten() {
        let since = ago(&condition["lastTransitionTime"], now);
        let said = [word(&condition["reason"]), word(&condition["message"])].iter().filter(|s| !s.is_empty()).cloned().collect::<Vec<_>>().join(": ");
        out.push(format!("{:<16} {} = {} for {since}  {said}", "Condition", word(&condition["type"]), word(&condition["status"])));
    }
}

fn ago(time: &Value, now: Moment) -> String {
    time.as_str().and_then(Moment::parse).map_or_else(|| "?".to_owned(), |at| span(now.since(at).as_secs()))
}

fn word(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn pairs(out: &mut Vec<String>, label: &str, map: &Value) {
    for (i, (key, value)) in map.as_object().into_iter().flatten().enumerate() {
        out.push(format!("{:<16} {key}={}", if i == 0 { label } else { "" }, word(value)));
    }
}

/// A small object on one line: `path=/healthz port=8080`.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(map) => map.iter().map(|(k, v)| format!("{k}={}", inline(v))).collect::<Vec<_>>().join(" "),
        Value::Array(items) => items.iter().map(inline).collect::<Vec<_>>().join(","),
        other => word(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_reads_back_as_the_same() {
        let object = serde_json::json!({
            "a": {"b": [{"c": 1, "d": [true, null]}, "x: y", [["deep"]], {}], "e": "line 1\nline 2\n", "f": "two\n\nthree"},
            "g": "yes", "h": "1.5", "i": "", "j": [], "k": "- dash", "l": "\u{1b}[31m\nred", "m": "ok", "n": -2.5, "true": "odd",
            "2026-01-01T00:00:00Z": "2026-01-01T00:00:00Z",
        });
        let text = yaml(&object).join("\n");
        let back: Value = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(back, object, "{text}");
    }

    #[test]
    fn a_pod_is_described_with_its_last_state_and_events() {
        let pod = serde_json::json!({
            "metadata": {"name": "cart", "namespace": "pro", "uid": "u"},
            "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": "cart:1", "volumeMounts": [{"name": "conf", "mountPath": "/etc/cart", "readOnly": true}]}],
                     "tolerations": [{"key": "db", "operator": "Exists"}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
                       "containerStatuses": [{"name": "app", "ready": false, "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                                              "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-01T00:00:30Z"}}}]},
        });
        let events = [serde_json::json!({"type": "Warning", "reason": "BackOff", "message": "Back-off", "count": 5, "lastTimestamp": "2026-01-01T00:00:50Z"})];
        let now = Moment::parse("2026-01-01T00:01:00Z").unwrap();
        let text = describe(&pod, &events, now).join("\n");
        for wanted in [
            "waiting, CrashLoopBackOff",
            "terminated, OOMKilled, exit code 137, ended 30s ago",
            "/etc/cart from conf (ro)",
            "key=db",
            "10s Warning BackOff x5: Back-off",
            "Ready = False for 60s",
        ] {
            assert!(text.contains(wanted), "{wanted} is missing in\n{text}");
        }
    }
}
