//! Who may do what: the lab's one account may do everything.

use http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, Refusal, json as answer_json};

pub(super) fn answer(path: &str, body: &[u8]) -> Result<Answer, Refusal> {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let kind = match path.rsplit('/').next().unwrap_or_default() {
        "selfsubjectaccessreviews" => "SelfSubjectAccessReview",
        "subjectaccessreviews" => "SubjectAccessReview",
        "selfsubjectrulesreviews" => "SelfSubjectRulesReview",
        _ => return Err(Refusal::new(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource")),
    };
    let status = if kind == "SelfSubjectRulesReview" {
        json!({ "incomplete": false, "nonResourceRules": [{ "verbs": ["*"], "nonResourceURLs": ["*"] }], "resourceRules": [{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }] })
    } else {
        json!({ "allowed": true, "reason": "the lab's account may do everything" })
    };
    Ok(answer_json(
        StatusCode::CREATED,
        &json!({ "kind": kind, "apiVersion": "authorization.k8s.io/v1", "metadata": { "creationTimestamp": null }, "spec": asked["spec"], "status": status }),
    ))
}
