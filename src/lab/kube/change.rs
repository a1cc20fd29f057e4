//! Everything that writes: create, replace, patch, delete, with dry runs.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, Encoding, Refusal, json as answer_json};
use super::ask::{Query, Selector, Target};
use super::list::{one, scale};
use super::patch::{self, Manner};
use super::stamp;
use crate::lab::Lab;
use crate::lab::world::World;
use crate::lab::world::kube::kind::{self, KindId};
use crate::lab::world::kube::objects::{Object, key};
use crate::lab::world::kube::{Orphans, is_run_by_us};

fn parse(body: &[u8]) -> Result<Value, Refusal> {
    if body.starts_with(b"k8s\0") {
        let message =
            "the body of the request was in protobuf, which this server only writes; accepted media types include: application/json, application/yaml";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message));
    }
    serde_json::from_slice(body).or_else(|_| yaml(body)).map_err(|e| Refusal::bad(format!("the object provided is unrecognized: {e}")))
}

/// Apply sends YAML.
fn yaml(body: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(body).map_err(|e| e.to_string())?;
    serde_saphyr::from_str(text).map_err(|e| e.to_string())
}

fn answer(code: StatusCode, object: &Arc<Object>) -> Answer {
    one(code, object, Encoding::Json, "", crate::base::clock::Moment::default())
}

/// What would be stored, without storing it.
fn imagined(world: &World, kind: KindId, mut value: Value) -> Value {
    value["apiVersion"] = kind.of().api_version().into();
    value["kind"] = kind.of().kind.into();
    if value["metadata"]["creationTimestamp"].is_null() {
        value["metadata"]["creationTimestamp"] = stamp(world.now).into();
    }
    if value["metadata"]["uid"].is_null() {
        value["metadata"]["uid"] = "00000000-0000-4000-8000-000000000000".into();
    }
    value
}

/// A name and a namespace that fit the path.
fn placed(world: &mut World, target: &Target, value: &mut Value) -> Result<String, Refusal> {
    if !value["metadata"].is_object() {
        value["metadata"] = json!({});
    }
    if target.kind.of().namespaced {
        let said = value["metadata"]["namespace"].as_str().unwrap_or(target.space()).to_owned();
        if said != target.space() {
            return Err(Refusal::bad("the namespace of the provided object does not match the namespace sent on the request"));
        }
        if world.kube.objects.get(kind::NAMESPACES, "", target.space()).is_none() {
            return Err(Refusal::not_found("", "namespaces", target.space()));
        }
        value["metadata"]["namespace"] = said.into();
    }
    if value["metadata"]["name"].as_str().is_none_or(str::is_empty) {
        let Some(prefix) = value["metadata"]["generateName"].as_str().map(str::to_owned) else {
            return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", "name or generateName is required"));
        };
        let version = world.kube.objects.version();
        value["metadata"]["name"] = format!("{prefix}{}", crate::lab::world::chance::Chance::new(version).suffix(5)).into();
    }
    let name = value["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let is_fine =
        !name.is_empty() && name.len() <= 253 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b':'));
    // Roles may have other names.
    if !is_fine && target.kind.of().group != "rbac.authorization.k8s.io" {
        let message = format!(
            "{} \"{name}\" is invalid: metadata.name: Invalid value: \"{name}\": a DNS-1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'",
            target.kind.of().kind
        );
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message));
    }
    Ok(name)
}

pub(super) fn create(lab: &Lab, target: &Target, query: &Query, body: &[u8]) -> Result<Answer, Refusal> {
    if let (kind::PODS, Some("eviction"), Some(name)) = (target.kind, target.sub.as_deref(), &target.name) {
        lab.with(|w| w.kube.remove(kind::PODS, target.space(), name, None, Orphans::Go)).ok_or_else(|| target.not_found())?;
        return Ok(answer_json(StatusCode::CREATED, &json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 })));
    }
    let mut value = parse(body)?;
    lab.with(|w| {
        let name = placed(w, target, &mut value)?;
        let definition = target.kind.of();
        if w.kube.objects.get(target.kind, target.space(), &name).is_some() {
            let of = if definition.group.is_empty() { definition.plural.to_owned() } else { format!("{}.{}", definition.plural, definition.group) };
            return Err(Refusal::new(StatusCode::CONFLICT, "AlreadyExists", format!("{of} \"{name}\" already exists")));
        }
        if query.is_dry_run() {
            return Ok(answer_json(StatusCode::CREATED, &imagined(w, target.kind, value)));
        }
        Ok(answer(StatusCode::CREATED, &w.kube.write(target.kind, value)))
    })
}

/// Who wrote a version that is not the newest any more must read again.
fn check_version(target: &Target, value: &Value, before: &Object) -> Result<(), Refusal> {
    let said = value["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    if said.is_empty() || said == before.version.to_string() {
        return Ok(());
    }
    let (plural, name) = (target.kind.of().plural, &before.key.1);
    let message = format!(
        "Operation cannot be fulfilled on {plural} \"{name}\": the object has been modified; please apply your changes to the latest version and try again"
    );
    Err(Refusal::new(StatusCode::CONFLICT, "Conflict", message))
}

fn store(world: &mut World, target: &Target, value: Value, dry: bool) -> Answer {
    if dry {
        return answer_json(StatusCode::OK, &imagined(world, target.kind, value));
    }
    let is_status = target.sub.as_deref() == Some("status");
    if is_status && is_run_by_us(target.kind) {
        // The controllers say what the status is.
        return match world.kube.objects.get(target.kind, target.space(), target.name.as_deref().unwrap_or_default()) {
            Some(object) => answer(StatusCode::OK, object),
            None => answer_json(StatusCode::OK, &value),
        };
    }
    answer(StatusCode::OK, &world.kube.write(target.kind, value))
}

pub(super) fn replace(lab: &Lab, target: &Target, query: &Query, body: &[u8]) -> Result<Answer, Refusal> {
    let mut value = parse(body)?;
    lab.with(|w| {
        let name = target.name.as_deref().unwrap_or_default();
        let before = w.kube.objects.get(target.kind, target.space(), name).cloned().ok_or_else(|| target.not_found())?;
        if target.sub.as_deref() == Some("scale") {
            return Ok(scaled(w, target, &before, &value["spec"]["replicas"], query.is_dry_run()));
        }
        check_version(target, &value, &before)?;
        placed(w, target, &mut value)?;
        Ok(store(w, target, value, query.is_dry_run()))
    })
}

fn scaled(world: &mut World, target: &Target, before: &Object, replicas: &Value, dry: bool) -> Answer {
    let mut value = before.value();
    value["spec"]["replicas"] = replicas.clone();
    if dry {
        let mut answer = scale(before);
        answer["spec"]["replicas"] = replicas.clone();
        return answer_json(StatusCode::OK, &answer);
    }
    answer_json(StatusCode::OK, &scale(&world.kube.write(target.kind, value)))
}

pub(super) fn patch(lab: &Lab, target: &Target, query: &Query, content_type: &str, body: &[u8]) -> Result<Answer, Refusal> {
    let manner = Manner::of(content_type).ok_or_else(|| {
        Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", format!("the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml; it was {content_type}"))
    })?;
    if manner == Manner::Apply && query.get("fieldManager").is_none() {
        return Err(Refusal::bad("PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"));
    }
    let change = parse(body)?;
    lab.with(|w| {
        let name = target.name.as_deref().unwrap_or_default();
        let before = w.kube.objects.get(target.kind, target.space(), name).cloned();
        let Some(before) = before else {
            if manner != Manner::Apply {
                return Err(target.not_found());
            }
            let mut value = change;
            placed(w, target, &mut value)?;
            let code = StatusCode::CREATED;
            if query.is_dry_run() {
                return Ok(answer_json(code, &imagined(w, target.kind, value)));
            }
            return Ok(answer(code, &w.kube.write(target.kind, value)));
        };
        if target.sub.as_deref() == Some("scale") {
            return Ok(scaled(w, target, &before, &change["spec"]["replicas"], query.is_dry_run()));
        }
        check_version(target, &change, &before)?;
        let mut value = before.value();
        patch::apply(&mut value, change, manner)?;
        Ok(store(w, target, value, query.is_dry_run()))
    })
}

pub(super) fn delete(lab: &Lab, target: &Target, query: &Query, body: &[u8]) -> Result<Answer, Refusal> {
    let options: Value = if body.is_empty() { Value::Null } else { parse(body).unwrap_or_default() };
    let grace = query.number("gracePeriodSeconds").or_else(|| options["gracePeriodSeconds"].as_u64());
    let policy = query.get("propagationPolicy").or_else(|| options["propagationPolicy"].as_str());
    let orphan = if policy == Some("Orphan") { Orphans::Stay } else { Orphans::Go };
    let dry = query.is_dry_run() || options["dryRun"][0] == "All";
    let kind = target.kind;
    let Some(name) = &target.name else {
        let selector = Selector::of(query);
        let items = lab.with(|w| {
            let all: Vec<Arc<Object>> = w.kube.objects.list(kind, target.namespace.as_deref()).into_iter().filter(|o| selector.selects(&o.value())).collect();
            for object in all.iter().filter(|_| !dry) {
                w.kube.remove(kind, &object.key.0, &object.key.1, grace, orphan);
            }
            all
        });
        let values: Vec<Value> = items.iter().map(|o| o.value()).collect();
        let list = json!({ "kind": format!("{}List", kind.of().kind), "apiVersion": kind.of().api_version(), "metadata": {}, "items": values });
        return Ok(answer_json(StatusCode::OK, &list));
    };
    lab.with(|w| {
        let object = w.kube.objects.get(kind, target.space(), name).cloned().ok_or_else(|| target.not_found())?;
        let value = object.value();
        if let Some(uid) = options["preconditions"]["uid"].as_str().filter(|uid| value["metadata"]["uid"] != *uid) {
            let message = format!("Operation cannot be fulfilled on {} \"{name}\": the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and then recreated", kind.of().plural, value["metadata"]["uid"]);
            return Err(Refusal::new(StatusCode::CONFLICT, "Conflict", message));
        }
        if !dry {
            let gone = w.kube.remove(kind, target.space(), name, grace, orphan).unwrap_or(object);
            if kind == kind::PODS && w.kube.pods.contains_key(&key(target.space(), name)) {
                // It is still ending.
                return Ok(answer(StatusCode::OK, &gone));
            }
        }
        let details = json!({ "name": name, "group": kind.of().group, "kind": kind.of().plural, "uid": value["metadata"]["uid"] });
        Ok(answer_json(StatusCode::OK, &json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details })))
    })
}
