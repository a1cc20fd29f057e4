//! What selects the pods of a workload, and how it is asked for.

use serde::Deserialize;

/// A workload, as far as its selector goes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Selecting {
    spec: WorkloadSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct WorkloadSpec {
    selector: Selector,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Selector {
    match_labels: std::collections::BTreeMap<String, String>,
    match_expressions: Vec<Expression>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Expression {
    key: String,
    operator: String,
    values: Vec<String>,
}

impl Selecting {
    /// As `labelSelector` writes it.
    pub(crate) fn selector(&self) -> String {
        let s = &self.spec.selector;
        let labels = s.match_labels.iter().map(|(k, v)| format!("{k}={v}"));
        let rest = s.match_expressions.iter().map(|e| match e.operator.as_str() {
            "In" => format!("{} in ({})", e.key, e.values.join(",")),
            "NotIn" => format!("{} notin ({})", e.key, e.values.join(",")),
            "DoesNotExist" => format!("!{}", e.key),
            _ => e.key.clone(),
        });
        labels.chain(rest).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn selectors_are_written_as_the_api_reads_them() {
        let w: Selecting = from_value(json!({"spec": {"selector": {"matchLabels": {"app": "a", "tier": "b"},
            "matchExpressions": [{"key": "env", "operator": "In", "values": ["x", "y"]}, {"key": "old", "operator": "DoesNotExist"}]}}}))
        .unwrap();
        assert_eq!(w.selector(), "app=a,tier=b,env in (x,y),!old");
    }
}
