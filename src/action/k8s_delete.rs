//! Takes objects out of a cluster and waits until they are gone.

use std::time::Duration;

use futures::future::BoxFuture;
use kube::api::{Api, DeleteParams, DynamicObject, PropagationPolicy, TypeMeta};
use serde_json::Value;

use super::{args, kube as api, way};
use crate::base::clock::Stopwatch;
use crate::model::catalog::{ActionSpec, Field, FieldKind, Others, Place, Touches};
use crate::port::action::{Action, ActionCx, ActionError, Args, Ended, Found, Hindrance, Outcome, Stream};

#[derive(Debug)]
pub(super) struct Step;

static SPEC: ActionSpec = ActionSpec {
    name: "k8s_delete",
    fields: &[
        Field::one_of("kind", FieldKind::Text),
        Field::one_of("definition", FieldKind::Any),
        Field::one_of("src", FieldKind::File),
        Field::one_of("url", FieldKind::Text),
        Field::optional("mirror", FieldKind::Text),
        Field::optional("sha256", FieldKind::Text),
        Field::optional("api_version", FieldKind::Text),
        Field::optional("name", FieldKind::Text),
        Field::optional("uid", FieldKind::Text),
        Field::optional("wait", FieldKind::Switch),
        Field::optional("propagation", FieldKind::Word(&["Background", "Foreground", "Orphan"])),
        way::CLUSTER,
        way::NAMESPACE,
    ],
    short: None,
    others: Others::Refused,
    touches: Touches::Target,
    place: Place::Cluster,
};

/// The objects that the arguments name, the last of a manifest first: what others stand in goes after them.
async fn named(given: &Args, cx: &ActionCx) -> Result<Vec<DynamicObject>, ActionError> {
    let Some(kind) = args::text(given, "kind") else {
        let mut all = api::manifest(given, cx).await?;
        all.reverse();
        return Ok(all);
    };
    let api_version = args::text(given, "api_version").unwrap_or_else(|| "v1".to_owned());
    let mut object: DynamicObject =
        serde_json::from_value(serde_json::json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": args::required(given, "name")? } }))
            .map_err(|e| ActionError::arguments(format!("{kind}: {e}")))?;
    object.types = Some(TypeMeta { api_version, kind });
    object.metadata.namespace = args::text(given, "namespace");
    Ok(vec![object])
}

/// Each object with the way to it; a kind that the cluster does not know has no objects.
async fn there(given: &Args, cx: &ActionCx) -> Result<Vec<(String, Api<DynamicObject>, DynamicObject)>, ActionError> {
    let mut kinds = api::Kinds::new(api::client(given, cx).await?, given);
    let mut found = Vec::new();
    for object in named(given, cx).await? {
        let (resource, namespace) = match kinds.api(&object).await {
            Ok(both) => both,
            Err(e) if e.kind == Hindrance::Arguments => continue,
            Err(e) => return Err(e),
        };
        let name = object.metadata.name.clone().unwrap_or_default();
        match api::ask(resource.get_opt(&name)).await? {
            Ok(Some(live)) => found.push((api::title(&object, namespace.as_deref()), resource, live)),
            Ok(None) => {}
            Err(e) => return Err(ActionError::new(Hindrance::Refused, api::words(&e), "")),
        }
    }
    Ok(found)
}

async fn run(given: &Args, cx: &ActionCx) -> Result<Outcome, ActionError> {
    let watch = Stopwatch::start();
    let found = there(given, cx).await?;
    let uid = args::text(given, "uid");
    let mut params = DeleteParams { propagation_policy: Some(PropagationPolicy::Background), ..DeleteParams::default() };
    match args::text(given, "propagation").as_deref() {
        Some("Foreground") => params.propagation_policy = Some(PropagationPolicy::Foreground),
        Some("Orphan") => params.propagation_policy = Some(PropagationPolicy::Orphan),
        _ => {}
    }
    let mut gone = Vec::new();
    for (title, resource, live) in &found {
        let name = live.metadata.name.clone().unwrap_or_default();
        if uid.as_ref().is_some_and(|u| live.metadata.uid.as_ref() != Some(u)) {
            return Ok(Outcome::failed(format!("{title} is another one by now: its uid is {}", live.metadata.uid.as_deref().unwrap_or("?"))));
        }
        // This very object, not a namesake that came meanwhile.
        params.preconditions = Some(kube::api::Preconditions { uid: live.metadata.uid.clone(), resource_version: None });
        match api::ask(resource.delete(&name, &params)).await {
            Ok(Ok(_)) => {}
            Ok(Err(e)) if api::code(&e) == Some(404) => {}
            Ok(Err(e)) => return Ok(Outcome { changed: !gone.is_empty(), ..Outcome::failed(format!("{title}: {}", api::words(&e))) }),
            Err(e) => return Ok(Outcome::unknown(format!("{title}: {}", e.text))),
        }
        cx.live.line(Stream::Out, &format!("{title} deleted"));
        gone.push(Value::from(title.as_str()));
    }
    let mut end = Ended::Ok;
    if args::switch(given, "wait").unwrap_or(true) {
        'objects: for (title, resource, live) in &found {
            let name = live.metadata.name.clone().unwrap_or_default();
            loop {
                match api::ask(resource.get_opt(&name)).await {
                    Ok(Ok(Some(now))) if now.metadata.uid == live.metadata.uid => {
                        let held = now.metadata.finalizers.unwrap_or_default().join(", ");
                        if watch.elapsed() > cx.limit {
                            end = Ended::Failed(if held.is_empty() {
                                format!("{title} is still going")
                            } else {
                                format!("{title} is held by its finalizers: {held}")
                            });
                            break 'objects;
                        }
                    }
                    Ok(_) => break,
                    Err(e) if watch.elapsed() > cx.limit => {
                        end = Ended::Unknown(e.text);
                        break 'objects;
                    }
                    Err(_) => {}
                }
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(500)) => {}
                    () = cx.stop.cancelled() => return Ok(Outcome::unknown("called off while objects were going")),
                }
            }
        }
    }
    Ok(Outcome { end, ..Outcome::ok(!gone.is_empty()) }.fact("deleted", gone))
}

impl Action for Step {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn check<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Found, ActionError>> {
        Box::pin(async move {
            let found = there(given, cx).await?;
            Ok(if found.is_empty() {
                Found::done()
            } else {
                Found::to_do().with_diff(found.iter().map(|(t, ..)| format!("-{t}")).collect::<Vec<_>>().join("\n"))
            })
        })
    }

    fn run<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Outcome, ActionError>> {
        Box::pin(run(given, cx))
    }
}
