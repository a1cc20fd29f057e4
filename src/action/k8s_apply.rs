//! Objects for a cluster, by server-side apply: the server merges, and tells who else owns a field that would change. What would
//! become different is the server's own answer to a dry run.

use futures::future::BoxFuture;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{args, deploy, kube as api, restore, way};
use crate::model::catalog::{ActionSpec, Field, FieldKind, Others, Place, Touches};
use crate::port::action::{Action, ActionCx, ActionError, Args, Ended, Found, Hindrance, Outcome, Standing, Stream};

#[derive(Debug)]
pub(super) struct Step;

static SPEC: ActionSpec = ActionSpec {
    name: "k8s_apply",
    fields: &[
        Field::one_of("definition", FieldKind::Any),
        Field::one_of("src", FieldKind::File),
        Field::one_of("template", FieldKind::TemplateFile),
        Field::one_of("url", FieldKind::Text),
        Field::optional("mirror", FieldKind::Text),
        Field::optional("sha256", FieldKind::Text),
        Field::optional("force", FieldKind::Switch),
        // The objects were read from the server: what it had allotted stays its own.
        Field::optional("restore", FieldKind::Switch),
        // Other images than the manifest names: registry, tag, keep.
        Field::optional("retag", FieldKind::Map),
        // Arguments that containers get beside the manifest's, by name.
        Field::optional("more_args", FieldKind::Map),
        way::CLUSTER,
        way::NAMESPACE,
    ],
    short: Some("definition"),
    others: Others::Refused,
    touches: Touches::Target,
    place: Place::Cluster,
};

/// Under this name the server remembers which fields are ours.
pub(super) const MANAGER: &str = "quarterdeck";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Dry,
    Real,
}

fn params(given: &Args, how: How) -> PatchParams {
    let mut params = PatchParams::apply(MANAGER);
    params.dry_run = how == How::Dry;
    params.force = args::switch(given, "force").unwrap_or(false);
    params
}

/// Does every server merge objects of this kind by itself? The part of an API server that serves APIService did not learn it with the
/// rest: asked to, v1.20 breaks off the connection ("`FieldManager` must be installed to run apply" in its log).
fn applies(object: &DynamicObject) -> bool {
    !object.types.as_ref().is_some_and(|t| t.api_version.starts_with("apiregistration.k8s.io/"))
}

/// What the server made of one object.
enum Made {
    Same,
    /// The differences, as a diff.
    Different(String),
    /// Its namespace or its kind comes with an earlier object.
    Later(String),
}

async fn one(kinds: &mut api::Kinds, given: &Args, object: &DynamicObject, how: How) -> Result<Result<(Made, String, Value), String>, ActionError> {
    let (resource, namespace) = match kinds.api(object).await {
        Ok(found) => found,
        Err(e) if how == How::Dry && e.kind == Hindrance::Arguments => {
            let title = api::title(object, object.metadata.namespace.as_deref());
            return Ok(Ok((Made::Later(e.text), title, Value::Null)));
        }
        Err(e) => return Err(e),
    };
    let title = api::title(object, namespace.as_deref());
    let name = object.metadata.name.clone().unwrap_or_default();
    let before = match api::ask(resource.get_opt(&name)).await? {
        Ok(before) => before,
        Err(e) => return Ok(Err(format!("{title}: {}", api::words(&e)))),
    };
    let mut wanted = restore::without_own(object);
    if args::switch(given, "restore").unwrap_or(false) {
        restore::without_allotted(&mut wanted);
    }
    wanted.metadata.namespace = namespace;
    let request = async {
        match &before {
            _ if applies(object) => resource.patch(&name, &params(given, how), &Patch::Apply(&wanted)).await,
            Some(_) => {
                let params = PatchParams { dry_run: how == How::Dry, field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
                resource.patch(&name, &params, &Patch::Merge(&wanted)).await
            }
            None => resource.create(&PostParams { dry_run: how == How::Dry, field_manager: Some(MANAGER.to_owned()) }, &wanted).await,
        }
    };
    let after = match api::ask(request).await? {
        Ok(after) => after,
        Err(e) if how == How::Dry && api::code(&e) == Some(404) => return Ok(Ok((Made::Later(api::words(&e)), title, Value::Null))),
        Err(e) => return Ok(Err(format!("{title}: {}", api::words(&e)))),
    };
    let remembered = before.as_ref().map_or(Value::Null, api::bare);
    let old = before.map(|b| api::yaml(&api::veiled(api::bare(&b)))).unwrap_or_default();
    let new = api::yaml(&api::veiled(api::bare(&after)));
    let made = if old == new { Made::Same } else { Made::Different(deploy::lines_that_differ(&old, &new)) };
    Ok(Ok((made, title, remembered)))
}

/// What names an object, and no more.
fn stub(object: &DynamicObject, namespace: &str) -> Value {
    let types = object.types.clone().unwrap_or_default();
    let namespace = object.metadata.namespace.as_deref().unwrap_or(namespace);
    json!({ "apiVersion": types.api_version, "kind": types.kind, "metadata": { "name": object.metadata.name, "namespace": namespace } })
}

async fn check(given: &Args, cx: &ActionCx) -> Result<Found, ActionError> {
    let objects = api::manifest(given, cx).await?;
    let mut kinds = api::Kinds::new(api::client(given, cx).await?, given);
    let mut diff = Vec::new();
    let mut unclear = None;
    let fresh: Vec<String> =
        objects.iter().filter(|o| o.types.as_ref().is_some_and(|t| t.kind == "Namespace")).filter_map(|o| o.metadata.name.clone()).collect();
    for object in &objects {
        match one(&mut kinds, given, object, How::Dry).await? {
            Ok((Made::Same, ..)) => {}
            Ok((Made::Different(lines), title, _)) => diff.push(format!(" # {title}\n{lines}")),
            Ok((Made::Later(why), title, _)) => {
                let comes = object.metadata.namespace.as_ref().is_some_and(|n| fresh.contains(n));
                diff.push(format!(" # {title}\n+{}", if comes { "created with its namespace" } else { &why }));
            }
            Err(why) => unclear = Some(why),
        }
    }
    let standing = match unclear {
        Some(why) => Standing::Unknown(why),
        None if diff.is_empty() => Standing::Done,
        None => Standing::ToDo,
    };
    Ok(Found { standing, diff: None }.with_diff(diff.join("\n")))
}

async fn run(given: &Args, cx: &ActionCx) -> Result<Outcome, ActionError> {
    let objects = api::manifest(given, cx).await?;
    let mut kinds = api::Kinds::new(api::client(given, cx).await?, given);
    let mut done: Vec<Value> = Vec::new();
    let mut changed = false;
    let mut end = Ended::Ok;
    for object in &objects {
        if cx.stop.is_cancelled() {
            end = Ended::Failed(format!("called off after {} of {} objects", done.len(), objects.len()));
            break;
        }
        match one(&mut kinds, given, object, How::Real).await {
            Ok(Ok((made, title, before))) => {
                let (word, differs) = match (&made, before.is_null()) {
                    (Made::Same, _) => ("unchanged", false),
                    (_, true) => ("created", true),
                    (_, false) => ("configured", true),
                };
                changed |= differs;
                cx.live.line(Stream::Out, &format!("{title} {word}"));
                done.push(json!({ "object": title, "result": word, "stub": stub(object, &kinds.namespace) }));
            }
            Ok(Err(why)) => {
                end = Ended::Failed(why);
                break;
            }
            // The request may have been carried out without its answer having come back.
            Err(e) if e.kind == Hindrance::Unreachable => {
                end = Ended::Unknown(e.text);
                changed = true;
                break;
            }
            Err(e) if done.is_empty() => return Err(e),
            Err(e) => {
                end = Ended::Failed(e.text);
                break;
            }
        }
    }
    let said: Vec<String> = done.iter().map(|d| format!("{} {}", d["object"].as_str().unwrap_or_default(), d["result"].as_str().unwrap_or_default())).collect();
    Ok(Outcome { end, ..Outcome::ok(changed) }.said(said.join("\n")).fact("objects", done))
}

impl Action for Step {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn check<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Found, ActionError>> {
        Box::pin(check(given, cx))
    }

    fn run<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Outcome, ActionError>> {
        Box::pin(run(given, cx))
    }
}
