//! The least rights that the account needs, and what would grant a missing one.

use crate::base::text::clean;
use crate::model::fact::Denied;
use crate::model::id::Name;

/// A role with these sees everything that is asked; nothing of a document can be read.
pub const ROLE: &str = r#"POST /_security/role/quarterdeck {"cluster":["monitor"],"indices":[{"names":["*"],"privileges":["monitor"]}]}"#;
/// The same at OpenSearch.
pub const OPENSEARCH_ROLE: &str = r#"PUT /_plugins/_security/api/roles/quarterdeck {"cluster_permissions":["cluster_monitor"],"index_permissions":[{"index_patterns":["*"],"allowed_actions":["indices_monitor"]}]}"#;

/// How OpenSearch's security plugin begins to refuse; Elasticsearch writes `action [...] is unauthorized for user`. An account that may see
/// nothing, the version neither, still learns the kind of role that it lacks.
const OPENSEARCH_REFUSES: &str = "no permissions for [";

/// A question refused with 403; the server's words name the action in brackets. `opensearch` is what the version said, where it was allowed.
pub fn denied(fact: &'static str, words: &str, opensearch: bool) -> Denied {
    let action = words.split(['[', ']']).find(|part| part.starts_with("cluster:") || part.starts_with("indices:")).unwrap_or_default();
    let index = action.starts_with("indices:");
    let need = match (opensearch || words.contains(OPENSEARCH_REFUSES), index) {
        (false, false) => r#"role: "cluster": ["monitor"]"#.to_owned(),
        (false, true) => r#"role: "indices": [{"names": ["*"], "privileges": ["monitor"]}]"#.to_owned(),
        (true, false) => r#"role: "cluster_permissions": ["cluster_monitor"]"#.to_owned(),
        (true, true) => r#"role: "index_permissions": [{"index_patterns": ["*"], "allowed_actions": ["indices_monitor"]}]"#.to_owned(),
    };
    let need = if action.is_empty() { need } else { format!("{need} ({})", clean(action)) };
    Denied { fact: Name::from(fact), need: Name::from(need.as_str()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_need_names_the_privilege_and_the_action() {
        let words = "action [cluster:monitor/nodes/stats] is unauthorized for user [poor] with roles [none], this action is granted by the cluster privileges [monitor,manage,all]";
        assert_eq!(denied("node stats", words, false).need.as_str(), r#"role: "cluster": ["monitor"] (cluster:monitor/nodes/stats)"#);
        let words = "no permissions for [indices:monitor/recovery] and User [name=poor, backend_roles=[], requestedTenant=null]";
        assert!(denied("recoveries", words, true).need.contains("indices_monitor"));
        let words = "no permissions for [cluster:monitor/main] and User [name=poor, backend_roles=[], requestedTenant=null]";
        assert_eq!(denied("version", words, false).need.as_str(), r#"role: "cluster_permissions": ["cluster_monitor"] (cluster:monitor/main)"#);
        assert!(denied("node stats", "", true).need.ends_with(r#"["cluster_monitor"]"#));
    }
}
