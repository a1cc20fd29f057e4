//! GET of one object and of lists.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, Encoding, Refusal, json as answer_json, whole};
use super::ask::{Query, Selector, Target};
use super::{table, wire};
use crate::base::clock::Moment;
use crate::lab::Lab;
use crate::lab::world::kube::kind;
use crate::lab::world::kube::objects::{Object, key};

pub(super) fn get(lab: &Lab, target: &Target, query: &Query, encoding: Encoding) -> Result<Answer, Refusal> {
    let name = target.name.as_deref().unwrap_or_default();
    let (found, now) = lab.with(|w| (w.kube.objects.get(target.kind, target.space(), name).cloned(), w.now));
    let object = found.ok_or_else(|| target.not_found())?;
    match target.sub.as_deref() {
        None | Some("status") => Ok(one(StatusCode::OK, &object, encoding, query.get("includeObject").unwrap_or_default(), now)),
        Some("scale") => Ok(answer_json(StatusCode::OK, &scale(&object))),
        Some(_) => Err(Refusal::new(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource")),
    }
}

/// One object as it is asked for.
pub(super) fn one(code: StatusCode, object: &Arc<Object>, encoding: Encoding, include: &str, now: Moment) -> Answer {
    match encoding {
        Encoding::Protobuf if wire::speaks(object.kind) => whole(code, "application/vnd.kubernetes.protobuf", wire::object(object)),
        Encoding::Table => {
            let rows = [table::row(object.kind, &object.value(), include, now)];
            answer_json(code, &table::table(object.kind, &rows, &object.version.to_string(), ""))
        }
        _ => whole(code, "application/json", object.json.clone()),
    }
}

/// `autoscaling/v1 Scale` of something with replicas.
pub(super) fn scale(object: &Object) -> Value {
    let value = object.value();
    let selector = value["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()));
    let meta = &value["metadata"];
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": { "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"], "resourceVersion": meta["resourceVersion"], "creationTimestamp": meta["creationTimestamp"] },
        "spec": { "replicas": value["spec"]["replicas"] },
        "status": { "replicas": value["status"]["replicas"].as_u64().unwrap_or(0), "selector": selector.collect::<Vec<_>>().join(",") },
    })
}

pub(super) fn list(lab: &Lab, target: &Target, query: &Query, encoding: Encoding) -> Result<Answer, Refusal> {
    let selector = Selector::of(query);
    let (mut items, version, oldest, now) = lab.with(|w| {
        let objects = &w.kube.objects;
        (objects.list(target.kind, target.namespace.as_deref()), objects.version(), objects.forgotten(), w.now)
    });
    if let Some(token) = query.get("continue") {
        let (from, after) = parse_token(token).ok_or_else(|| Refusal::bad("continue key is not valid"))?;
        if from < oldest {
            let message =
                "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.";
            return Err(Refusal::new(StatusCode::GONE, "Expired", message));
        }
        items.retain(|o| o.key > after);
    }
    if !selector.is_empty() {
        items.retain(|o| selector.selects(&o.value()));
    }
    // What is served from the cache is served whole, as a real server does.
    let cached = query.get("resourceVersion") == Some("0");
    let limit = query.number("limit").filter(|n| *n > 0 && !cached).and_then(|n| usize::try_from(n).ok());
    let mut more = String::new();
    let mut left = None;
    if let Some(limit) = limit.filter(|n| items.len() > *n) {
        // How many are left is told only where no selector hides some.
        left = selector.is_empty().then(|| i64::try_from(items.len() - limit).unwrap_or(i64::MAX));
        items.truncate(limit);
        if let Some(last) = items.last() {
            more = format!("{version}~{}~{}", last.key.0, last.key.1);
        }
    }
    Ok(match encoding {
        Encoding::Protobuf if wire::speaks(target.kind) => {
            whole(StatusCode::OK, "application/vnd.kubernetes.protobuf", wire::list(target.kind, &items, version, &more, left))
        }
        Encoding::Table => {
            let include = query.get("includeObject").unwrap_or_default();
            let rows: Vec<Value> = items.iter().map(|o| table::row(target.kind, &o.value(), include, now)).collect();
            answer_json(StatusCode::OK, &table::table(target.kind, &rows, &version.to_string(), &more))
        }
        _ => whole(StatusCode::OK, "application/json", written(target.kind, &items, version, &more, left)),
    })
}

fn parse_token(token: &str) -> Option<(u64, crate::lab::world::kube::objects::Key)> {
    let mut parts = token.splitn(3, '~');
    let version = parts.next()?.parse().ok()?;
    Some((version, key(parts.next()?, parts.next()?)))
}

/// Items are copied as they are stored: fifty thousand of them are not taken apart.
fn written(kind: kind::KindId, items: &[Arc<Object>], version: u64, more: &str, left: Option<i64>) -> Bytes {
    let definition = kind.of();
    let mut meta = json!({ "resourceVersion": version.to_string() });
    if !more.is_empty() {
        meta["continue"] = more.into();
        if let Some(left) = left {
            meta["remainingItemCount"] = left.into();
        }
    }
    let mut out = Vec::with_capacity(items.iter().map(|o| o.json.len() + 1).sum::<usize>() + 256);
    out.extend_from_slice(
        format!("{{\"kind\":\"{}List\",\"apiVersion\":\"{}\",\"metadata\":{meta},\"items\":[", definition.kind, definition.api_version()).as_bytes(),
    );
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&item.json);
    }
    out.extend_from_slice(b"]}\n");
    out.into()
}
