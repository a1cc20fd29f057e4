//! How a patch changes an object: RFC 7386 merge, RFC 6902 JSON patch, and the strategic merge of lists by key, which also
//! serves apply. Known difference: apply does not take away what its manager no longer names.

use serde_json::Value;

use super::answer::Refusal;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Merge,
    Strategic,
    Json,
    Apply,
}

impl Manner {
    pub(super) fn of(content_type: &str) -> Option<Self> {
        Some(match content_type.split(';').next().unwrap_or_default().trim() {
            "application/merge-patch+json" => Self::Merge,
            "application/strategic-merge-patch+json" => Self::Strategic,
            "application/json-patch+json" => Self::Json,
            "application/apply-patch+yaml" => Self::Apply,
            _ => return None,
        })
    }
}

pub(super) fn apply(object: &mut Value, patch: Value, manner: Manner) -> Result<(), Refusal> {
    match manner {
        Manner::Merge => merge(object, patch),
        Manner::Strategic | Manner::Apply => strategic(object, patch, ""),
        Manner::Json => return edit(object, &patch),
    }
    Ok(())
}

fn merge(object: &mut Value, patch: Value) {
    let Value::Object(fields) = patch else {
        *object = patch;
        return;
    };
    if !object.is_object() {
        *object = Value::Object(serde_json::Map::new());
    }
    for (name, value) in fields {
        if value.is_null() {
            if let Some(map) = object.as_object_mut() {
                map.remove(&name);
            }
        } else {
            merge(&mut object[&name], value);
        }
    }
}

/// The key by which the API merges the elements of a list of this name (`patchMergeKey` in the types of v1.19).
fn merge_key(list: &str) -> Option<&'static str> {
    Some(match list {
        "containers" | "initContainers" | "volumes" | "env" | "imagePullSecrets" | "secrets" => "name",
        "volumeMounts" => "mountPath",
        "ports" => "containerPort",
        "conditions" => "type",
        "ownerReferences" => "uid",
        "hostAliases" => "ip",
        "taints" => "key",
        _ => return None,
    })
}

fn strategic(object: &mut Value, patch: Value, name: &str) {
    match patch {
        Value::Object(fields) => {
            if fields.get("$patch").is_some_and(|p| p == "replace") || !object.is_object() {
                *object = Value::Object(serde_json::Map::new());
            }
            for (name, value) in fields {
                if name.starts_with("$setElementOrder/") || name == "$patch" || name.starts_with("$retainKeys") {
                    continue;
                }
                if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
                    let gone = value.as_array().cloned().unwrap_or_default();
                    if let Some(all) = object[list].as_array_mut() {
                        all.retain(|v| !gone.contains(v));
                    }
                } else if value.is_null() {
                    if let Some(map) = object.as_object_mut() {
                        map.remove(&name);
                    }
                } else {
                    strategic(&mut object[&name], value, &name);
                }
            }
        }
        Value::Array(patches) => merge_list(object, patches, name),
        other => *object = other,
    }
}

fn merge_list(object: &mut Value, patches: Vec<Value>, name: &str) {
    let key_of = |v: &Value| -> Option<(&'static str, Value)> {
        // A service's ports are told apart by `port`.
        let key = merge_key(name)?;
        let key = if key == "containerPort" && v[key].is_null() { "port" } else { key };
        (!v[key].is_null()).then(|| (key, v[key].clone()))
    };
    if !object.is_array() || patches.iter().any(|p| key_of(p).is_none()) {
        let plain = patches.into_iter().filter(|p| p["$patch"].is_null()).collect();
        *object = Value::Array(plain);
        return;
    }
    let Some(all) = object.as_array_mut() else { return };
    for patch in patches {
        let Some((key, value)) = key_of(&patch) else { continue };
        let found = all.iter().position(|v| v[key] == value);
        match (found, patch["$patch"] == "delete") {
            (Some(at), true) => {
                all.remove(at);
            }
            (None, true) => {}
            (Some(at), false) => strategic(&mut all[at], patch, ""),
            (None, false) => all.push(patch),
        }
    }
}

fn edit(object: &mut Value, patch: &Value) -> Result<(), Refusal> {
    let wrong = |what: &str| {
        Refusal::new(http::StatusCode::UNPROCESSABLE_ENTITY, "Invalid", format!("the server rejected our request due to an error in our request: {what}"))
    };
    for step in patch.as_array().ok_or_else(|| wrong("a JSON patch is a list"))? {
        let place = step["path"].as_str().ok_or_else(|| wrong("no path"))?;
        let (parent, last) = place.rsplit_once('/').ok_or_else(|| wrong("a path begins with /"))?;
        let last = last.replace("~1", "/").replace("~0", "~");
        let operation = step["op"].as_str().unwrap_or_default();
        if operation == "test" {
            if object.pointer(place) != Some(&step["value"]) {
                return Err(wrong(&format!("testing path {place} value failed")));
            }
            continue;
        }
        let parent = object.pointer_mut(parent).ok_or_else(|| wrong(&format!("{place} does not exist")))?;
        match (parent, operation) {
            (Value::Array(all), "add") => {
                let at = last.parse().unwrap_or(all.len()).min(all.len());
                all.insert(at, step["value"].clone());
            }
            (Value::Array(all), _) => {
                let at = last.parse::<usize>().ok().filter(|at| *at < all.len()).ok_or_else(|| wrong(&format!("{place} does not exist")))?;
                if operation == "remove" {
                    all.remove(at);
                } else {
                    all[at] = step["value"].clone();
                }
            }
            (Value::Object(map), "remove") => {
                map.remove(&last).ok_or_else(|| wrong(&format!("{place} does not exist")))?;
            }
            (Value::Object(map), "add" | "replace") => {
                map.insert(last, step["value"].clone());
            }
            _ => return Err(wrong(operation)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_are_merged_by_their_key() {
        let mut object =
            json!({ "spec": { "containers": [{ "name": "a", "image": "x:1", "env": [{ "name": "A", "value": "1" }] }, { "name": "b", "image": "y" }] } });
        let change = json!({ "spec": { "$setElementOrder/containers": [{ "name": "a" }], "containers": [{ "name": "a", "image": "x:2" }, { "name": "b", "$patch": "delete" }] } });
        apply(&mut object, change, Manner::Strategic).unwrap();
        assert_eq!(object, json!({ "spec": { "containers": [{ "name": "a", "image": "x:2", "env": [{ "name": "A", "value": "1" }] }] } }));
        apply(&mut object, json!({ "spec": { "containers": null, "replicas": 3 } }), Manner::Merge).unwrap();
        assert_eq!(object, json!({ "spec": { "replicas": 3 } }));
        apply(
            &mut object,
            json!([{ "op": "test", "path": "/spec/replicas", "value": 3 }, { "op": "replace", "path": "/spec/replicas", "value": 1 }]),
            Manner::Json,
        )
        .unwrap();
        assert_eq!(object["spec"]["replicas"], 1);
        assert!(apply(&mut object, json!([{ "op": "remove", "path": "/spec/nothing" }]), Manner::Json).is_err());
    }
}
