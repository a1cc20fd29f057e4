//! Objects that were read from a server and go back to it: what the server or a controller had allotted to them stays theirs. Applied as
//! our own, it would be taken away again by the next manifest that does not name it, and most of it must not change.

use kube::api::DynamicObject;
use serde_json::{Map, Value};

/// Annotations that controllers keep.
const KEPT_BY_OTHERS: &[&str] =
    &["deployment.kubernetes.io/", "deprecated.daemonset.template.generation", "pv.kubernetes.io/", "volume.beta.kubernetes.io/storage-provisioner"];
/// Labels by which a Job finds its pods.
const OF_A_JOB: &[&str] = &["controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name"];

fn map<'v>(value: &'v mut Value, path: &str) -> Option<&'v mut Map<String, Value>> {
    value.pointer_mut(path)?.as_object_mut()
}

/// Leaves out what the server keeps for itself, whoever put it into the manifest: with the uid and the version of then, an object taken from
/// `kubectl get -o yaml` would be refused.
pub(super) fn without_own(object: &DynamicObject) -> DynamicObject {
    let mut wanted = object.clone();
    let metadata = &mut wanted.metadata;
    (metadata.managed_fields, metadata.resource_version, metadata.uid, metadata.generation) = (None, None, None, None);
    (metadata.creation_timestamp, metadata.self_link) = (None, None);
    if let Some(data) = wanted.data.as_object_mut() {
        data.remove("status");
    }
    wanted
}

/// Leaves out what was allotted.
pub(super) fn without_allotted(object: &mut DynamicObject) {
    if let Some(annotations) = &mut object.metadata.annotations {
        annotations.retain(|name, _| !KEPT_BY_OTHERS.iter().any(|k| name.starts_with(k)));
    }
    let data = &mut object.data;
    match object.types.as_ref().map(|t| t.kind.as_str()).unwrap_or_default() {
        "Service" => {
            if let Some(spec) = map(data, "/spec") {
                // `None` is a wish: a Service without an address.
                spec.retain(|name, value| name != "clusterIP" || value == "None");
                for allotted in ["clusterIPs", "ipFamilies", "ipFamily", "ipFamilyPolicy", "healthCheckNodePort"] {
                    spec.remove(allotted);
                }
            }
        }
        "PersistentVolumeClaim" => {
            if let Some(spec) = map(data, "/spec") {
                spec.remove("volumeName");
            }
        }
        "ServiceAccount" => {
            if let Some(all) = data.as_object_mut() {
                all.remove("secrets");
            }
        }
        "Job" => {
            if let Some(spec) = map(data, "/spec") {
                spec.remove("selector");
            }
            if let Some(labels) = &mut object.metadata.labels {
                labels.retain(|name, _| !OF_A_JOB.contains(&name.as_str()));
            }
            if let Some(labels) = map(data, "/spec/template/metadata/labels") {
                labels.retain(|name, _| !OF_A_JOB.contains(&name.as_str()));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(value: Value) -> Value {
        let object: DynamicObject = serde_json::from_value(value).expect("an object");
        let mut object = without_own(&object);
        without_allotted(&mut object);
        serde_json::to_value(object).expect("JSON")
    }

    #[test]
    fn what_the_server_allotted_stays_its_own() {
        let read = serde_json::json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "uid": "1", "resourceVersion": "5"},
            "spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 80, "nodePort": 30001}]}, "status": {"loadBalancer": {}}});
        let wanted =
            serde_json::json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80, "nodePort": 30001}]}});
        assert_eq!(back(read), wanted);
        let headless = serde_json::json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"clusterIP": "None"}});
        assert_eq!(back(headless.clone()), headless);
        let claim = serde_json::json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {"volumeName": "pv-1", "accessModes": ["ReadWriteOnce"]},
            "metadata": {"name": "a", "annotations": {"pv.kubernetes.io/bind-completed": "yes", "mine": "1"}}});
        assert_eq!(back(claim)["metadata"]["annotations"], serde_json::json!({"mine": "1"}));
    }
}
