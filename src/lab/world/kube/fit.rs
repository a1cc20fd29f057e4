//! Which nodes a pod may run on, by its `nodeSelector` and its required node affinity.

use serde_json::Value;

use super::{Kube, kind};

impl Kube {
    /// May a pod with this spec run on the node, as far as the node's labels decide?
    pub(super) fn is_selected(&self, node: &str, spec: &Value) -> bool {
        // Most pods want nothing in particular, and a large cluster asks this of every pod for every node.
        if spec["nodeSelector"].is_null() && spec["affinity"].is_null() {
            return true;
        }
        let labels = self.objects.get(kind::NODES, "", node).map(|o| o.value()["metadata"]["labels"].clone()).unwrap_or_default();
        fits(&labels, spec)
    }
}

fn fits(labels: &Value, spec: &Value) -> bool {
    let plain = spec["nodeSelector"].as_object().is_none_or(|wanted| wanted.iter().all(|(name, value)| labels[name] == *value));
    // Of the terms one is enough; in a term every expression counts.
    let terms = &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
    let term = |t: &Value| t["matchExpressions"].as_array().is_some_and(|all| all.iter().all(|e| holds(labels, e)));
    plain && terms.as_array().is_none_or(|all| all.iter().any(term))
}

fn holds(labels: &Value, expression: &Value) -> bool {
    let label = &labels[expression["key"].as_str().unwrap_or_default()];
    let is_among = || expression["values"].as_array().is_some_and(|all| all.contains(label));
    match expression["operator"].as_str() {
        Some("Exists") => !label.is_null(),
        Some("DoesNotExist") => label.is_null(),
        Some("In") => is_among(),
        Some("NotIn") => !is_among(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_goes_where_selector_and_affinity_let_it() {
        let master = json!({ "node-role.kubernetes.io/master": "", "zone": "a" });
        let worker = json!({ "zone": "b" });
        let both = |spec: Value| (fits(&master, &spec), fits(&worker, &spec));
        let affinity =
            |terms: Value| json!({ "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms } } } });
        assert_eq!(both(json!({})), (true, true));
        assert_eq!(both(json!({ "nodeSelector": { "node-role.kubernetes.io/master": "" } })), (true, false));
        assert_eq!(both(affinity(json!([{ "matchExpressions": [{ "key": "node-role.kubernetes.io/master", "operator": "Exists" }] }]))), (true, false));
        assert_eq!(both(affinity(json!([{ "matchExpressions": [{ "key": "zone", "operator": "NotIn", "values": ["a"] }] }]))), (false, true));
        let either = json!([
            { "matchExpressions": [{ "key": "zone", "operator": "In", "values": ["a"] }, { "key": "rack", "operator": "Exists" }] },
            { "matchExpressions": [{ "key": "zone", "operator": "In", "values": ["b"] }, { "key": "rack", "operator": "DoesNotExist" }] },
        ]);
        assert_eq!(both(affinity(either)), (false, true));
    }
}
