//! Waits until objects of a cluster are as they should be: rolled out, ready, gone, or with a condition.

use std::time::Duration;

use futures::future::BoxFuture;
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::discovery::Scope;
use serde_json::Value;

use super::{args, kube as api, way};
use crate::base::clock::Stopwatch;
use crate::base::text::clean;
use crate::link::kube::Pod;
use crate::model::catalog::{ActionSpec, Field, FieldKind, Others, Place, Touches};
use crate::port::action::{Action, ActionCx, ActionError, Args, Found, Hindrance, Outcome, Purpose, Stream};

#[derive(Debug)]
pub(super) struct Step;

static SPEC: ActionSpec = ActionSpec {
    name: "k8s_wait",
    fields: &[
        Field::required("kind", FieldKind::Text),
        Field::optional("api_version", FieldKind::Text),
        Field::optional("name", FieldKind::Text),
        Field::optional("selector", FieldKind::Text),
        // `rollout`, `ready`, `exists`, `deleted`, or a condition's type.
        Field::required("for", FieldKind::Text),
        Field::optional("timeout", FieldKind::Duration),
        way::CLUSTER,
        way::NAMESPACE,
    ],
    short: None,
    others: Others::Refused,
    touches: Touches::Nothing,
    place: Place::Cluster,
};

/// The usual group of a kind, for steps that name none.
fn version_of(kind: &str) -> &'static str {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => "apps/v1",
        "Job" | "CronJob" => "batch/v1",
        "APIService" => "apiregistration.k8s.io/v1",
        "CustomResourceDefinition" => "apiextensions.k8s.io/v1",
        "StorageClass" => "storage.k8s.io/v1",
        _ => "v1",
    }
}

fn count(object: &Value, path: &str) -> u64 {
    object.pointer(path).and_then(Value::as_u64).unwrap_or(0)
}

/// Why an object is not as it should be; `None` when it is.
fn lacks(object: &DynamicObject, wanted: &str) -> Option<String> {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let data = &object.data;
    let kind = object.types.as_ref().map(|t| t.kind.as_str()).unwrap_or_default();
    let seen = data.pointer("/status/observedGeneration").and_then(Value::as_i64);
    let replicas = data.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
    match wanted {
        "exists" => None,
        "rollout" | "ready" if kind == "Pod" => condition(object, "Ready"),
        "rollout" | "ready" => {
            if seen.zip(object.metadata.generation).is_some_and(|(seen, now)| seen < now) {
                return Some(format!("{name}: the controller has not seen the change yet"));
            }
            let (ready, updated, of) = match kind {
                "DaemonSet" => {
                    (count(data, "/status/numberAvailable"), count(data, "/status/updatedNumberScheduled"), count(data, "/status/desiredNumberScheduled"))
                }
                "StatefulSet" => (
                    count(data, "/status/readyReplicas"),
                    count(data, "/status/updatedReplicas").max(if data.pointer("/status/updateRevision") == data.pointer("/status/currentRevision") {
                        replicas
                    } else {
                        0
                    }),
                    replicas,
                ),
                "Deployment" => (count(data, "/status/availableReplicas"), count(data, "/status/updatedReplicas"), replicas),
                "ReplicaSet" => (count(data, "/status/readyReplicas"), replicas, replicas),
                _ => return condition(object, if kind == "Job" { "Complete" } else { "Ready" }),
            };
            if kind == "Deployment" {
                let stuck = conditions(object).find(|c| c["type"] == "Progressing" && c["reason"] == "ProgressDeadlineExceeded");
                if let Some(stuck) = stuck {
                    return Some(format!("{name}: {}", stuck["message"].as_str().unwrap_or("its progress deadline has passed")));
                }
            }
            let left = kind == "Deployment" && count(data, "/status/replicas") > count(data, "/status/updatedReplicas");
            if ready < of || updated < of {
                Some(format!("{name}: {ready} of {of} ready, {updated} updated"))
            } else if left {
                Some(format!("{name}: old pods are still going"))
            } else {
                None
            }
        }
        other => condition(object, other),
    }
}

fn conditions(object: &DynamicObject) -> impl Iterator<Item = &Value> {
    object.data.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten()
}

fn condition(object: &DynamicObject, name: &str) -> Option<String> {
    let found = conditions(object).find(|c| c["type"].as_str().is_some_and(|t| t.eq_ignore_ascii_case(name)));
    match found {
        Some(c) if c["status"] == "True" => None,
        Some(c) => Some(format!(
            "{}: {name} is {}: {}",
            object.metadata.name.as_deref().unwrap_or_default(),
            c["status"].as_str().unwrap_or("?"),
            c["message"].as_str().unwrap_or("")
        )),
        None => Some(format!("{}: {name} is not said yet", object.metadata.name.as_deref().unwrap_or_default())),
    }
}

/// What keeps the pods of a workload from being ready, in the kubelet's or the scheduler's words: the one thing that a person needs
/// to know when a rollout does not end.
fn hindrance(pod: &Pod) -> Option<String> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let status = pod.status.as_ref()?;
    let mut containers = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    let waiting = containers.find_map(|c| {
        let waiting = c.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref().filter(|r| !matches!(*r, "ContainerCreating" | "PodInitializing"))?;
        Some(format!("pod {name}: {}: {reason}: {}", c.name, waiting.message.as_deref().unwrap_or_default()))
    });
    let unscheduled = || {
        let condition = status.conditions.iter().flatten().find(|c| c.type_ == "PodScheduled" && c.status == "False")?;
        Some(format!("pod {name}: {}: {}", condition.reason.as_deref().unwrap_or("not scheduled"), condition.message.as_deref().unwrap_or_default()))
    };
    waiting.or_else(unscheduled).map(|why| why.trim_end_matches([':', ' ']).to_owned())
}

struct Watched {
    client: Client,
    api: Api<DynamicObject>,
    kind: String,
    name: Option<String>,
    selector: Option<String>,
    wanted: String,
}

impl Watched {
    async fn of(given: &Args, cx: &ActionCx) -> Result<Self, ActionError> {
        let client = api::client(given, cx).await?;
        let kind = args::required(given, "kind")?;
        let version = args::text(given, "api_version").unwrap_or_else(|| version_of(&kind).to_owned());
        let (group, version) = version.split_once('/').unwrap_or(("", &version));
        let mut kinds = api::Kinds::new(client.clone(), given);
        let (resource, scope) = kinds.of(&GroupVersionKind::gvk(group, version, &kind)).await?;
        let api = match scope {
            Scope::Cluster => Api::all_with(client.clone(), &resource),
            Scope::Namespaced => Api::namespaced_with(client.clone(), &kinds.namespace, &resource),
        };
        let (name, selector) = (args::text(given, "name"), args::text(given, "selector"));
        if name.is_none() && selector.is_none() {
            return Err(ActionError::arguments("`k8s_wait` needs `name` or `selector`"));
        }
        let wanted = args::required(given, "for")?;
        Ok(Self { client, api, kind, name, selector, wanted: wanted.strip_prefix("condition=").unwrap_or(&wanted).to_owned() })
    }

    async fn lacks(&self) -> Result<Option<String>, ActionError> {
        let found = match (&self.name, &self.selector) {
            (Some(name), _) => api::ask(self.api.get_opt(name)).await?.map(|o| o.into_iter().collect::<Vec<_>>()),
            (None, selector) => api::ask(self.api.list(&ListParams::default().labels(selector.as_deref().unwrap_or_default()))).await?.map(|l| l.items),
        };
        let mut found = found.map_err(|e| ActionError::new(Hindrance::Refused, api::words(&e), ""))?;
        let what = || format!("{} {}", self.kind, self.name.as_deref().or(self.selector.as_deref()).unwrap_or_default());
        if self.wanted == "deleted" {
            return Ok((!found.is_empty()).then(|| format!("{} is still there", what())));
        }
        if found.is_empty() {
            return Ok(Some(format!("there is no {} yet", what())));
        }
        for object in &mut found {
            // In a list the objects do not say what they are.
            let types = object.types.get_or_insert_default();
            if types.kind.is_empty() {
                types.kind.clone_from(&self.kind);
            }
        }
        let Some((object, why)) = found.iter().find_map(|o| Some((o, lacks(o, &self.wanted)?))) else { return Ok(None) };
        let pods = if matches!(self.wanted.as_str(), "rollout" | "ready") { self.pods(object).await? } else { None };
        Ok(Some(pods.map_or(why.clone(), |pods| format!("{why}; {pods}"))))
    }

    /// What is said of the first pod of a workload that something keeps from being ready.
    async fn pods(&self, object: &DynamicObject) -> Result<Option<String>, ActionError> {
        let (Some(labels), Some(namespace)) = (object.data.pointer("/spec/selector/matchLabels").and_then(Value::as_object), &object.metadata.namespace)
        else {
            return Ok(None);
        };
        let selector: Vec<String> = labels.iter().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?))).collect();
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        // Whoever may see a Deployment may not always see its pods: that is no failure of what is waited for.
        let found = api::ask(pods.list(&ListParams::default().labels(&selector.join(",")))).await?;
        Ok(found.ok().and_then(|all| all.items.iter().find_map(hindrance)).map(|why| clean(&why).into_owned()))
    }
}

async fn run(given: &Args, cx: &ActionCx) -> Result<Outcome, ActionError> {
    let watched = Watched::of(given, cx).await?;
    let limit = args::duration(given, "timeout")?.unwrap_or(cx.limit).min(cx.limit);
    let watch = Stopwatch::start();
    let mut told = String::new();
    loop {
        let why = match watched.lacks().await {
            Ok(None) => return Ok(Outcome::ok(false).fact("elapsed", watch.elapsed().as_secs())),
            Ok(Some(why)) => why,
            // An API server that restarts is a part of what is waited for.
            Err(e) if e.kind == Hindrance::Unreachable => e.text,
            Err(e) => return Err(e),
        };
        if why != told {
            cx.live.line(Stream::Out, &why);
            told.clone_from(&why);
        }
        if cx.purpose == Purpose::Look {
            return Ok(Outcome::failed(why).fact("ok", false));
        }
        if watch.elapsed() > limit {
            return Ok(Outcome::failed(format!("not within {} s: {why}", limit.as_secs())).fact("ok", false));
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = cx.stop.cancelled() => return Err(ActionError::cancelled()),
        }
    }
}

impl Action for Step {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn check<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Found, ActionError>> {
        Box::pin(async move {
            Ok(match Watched::of(given, cx).await?.lacks().await? {
                None => Found::done(),
                Some(_) => Found::to_do(),
            })
        })
    }

    fn run<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Outcome, ActionError>> {
        Box::pin(run(given, cx))
    }
}
