//! Deployments and their like as the controllers hold them.

use std::sync::Arc;

use serde_json::Value;

use super::kind::{self, KindId};
use crate::base::clock::Moment;

#[derive(Clone, Debug)]
pub struct Workload {
    pub kind: KindId,
    /// `Deployment/pro/mall-order`
    pub root: Arc<str>,
    pub namespace: Arc<str>,
    pub name: Arc<str>,
    pub uid: String,
    pub replicas: u32,
    /// Of its template: pods of another one are replaced.
    pub hash: String,
    pub template: Arc<Value>,
    pub selector: Arc<Value>,
    /// Every so many minutes, for CronJobs.
    pub every_minutes: Option<u32>,
    pub is_suspended: bool,
    /// StatefulSets start one after the other unless they say so.
    pub in_parallel: bool,
    pub since: Moment,
    /// When what it wants last changed: a rollout that takes ten minutes has failed.
    pub rolling_since: Moment,
    pub succeeded: u32,
    pub failed: u32,
    pub next_run: f64,
}

pub fn root(kind: KindId, namespace: &str, name: &str) -> Arc<str> {
    format!("{}/{namespace}/{name}", kind.of().kind).into()
}

/// Letters as `rand.SafeEncodeString` gives them, from the template's text.
pub fn hash(template: &Value) -> String {
    let text = template.to_string();
    let sum = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    super::super::chance::Chance::new(sum).suffix(10)
}

impl Workload {
    pub(super) fn read(kind: KindId, value: &Value, now: Moment) -> Self {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let (meta, spec) = (&value["metadata"], &value["spec"]);
        let (namespace, name) = (text(&meta["namespace"]), text(&meta["name"]));
        let template = if kind == kind::CRON_JOBS { &spec["jobTemplate"] } else { &spec["template"] };
        let number = |v: &Value| v.as_u64().and_then(|n| u32::try_from(n).ok());
        let wanted = if kind == kind::JOBS { number(&spec["completions"]) } else { number(&spec["replicas"]) };
        Self {
            kind,
            root: root(kind, &namespace, &name),
            namespace: namespace.into(),
            name: name.into(),
            uid: text(&meta["uid"]),
            replicas: wanted.unwrap_or(1),
            hash: hash(template),
            template: Arc::new(template.clone()),
            selector: Arc::new(spec["selector"].clone()),
            every_minutes: (kind == kind::CRON_JOBS).then(|| every(&text(&spec["schedule"]))),
            is_suspended: spec["suspend"].as_bool().unwrap_or(false),
            in_parallel: spec["podManagementPolicy"] == "Parallel",
            since: now,
            rolling_since: now,
            succeeded: number(&value["status"]["succeeded"]).unwrap_or(0),
            failed: 0,
            next_run: 0.0,
        }
    }

    /// Do its pods tolerate every taint, as those of the network do?
    pub fn tolerates_all(&self) -> bool {
        self.template["spec"]["tolerations"].as_array().is_some_and(|all| all.iter().any(|t| t["operator"] == "Exists" && t["key"].is_null()))
    }
}

/// `*/10 * * * *` is every ten minutes; a full minute list every minute, an hour of the day once a day.
fn every(schedule: &str) -> u32 {
    let mut fields = schedule.split_whitespace();
    let (minute, hour) = (fields.next().unwrap_or("*"), fields.next().unwrap_or("*"));
    match (minute.strip_prefix("*/").and_then(|n| n.parse().ok()), minute, hour) {
        (Some(n), ..) => n,
        (None, "*", _) => 1,
        (None, _, "*") => 60,
        (None, _, hour) => hour.strip_prefix("*/").and_then(|n| n.parse::<u32>().ok()).map_or(1440, |n| n * 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_and_hashes() {
        assert_eq!([every("*/10 * * * *"), every("* * * * *"), every("5 * * * *"), every("0 3 * * *"), every("0 */6 * * *")], [10, 1, 60, 1440, 360]);
        let one = serde_json::json!({"a": 1});
        assert_eq!(hash(&one), hash(&one.clone()));
        assert_ne!(hash(&one), hash(&serde_json::json!({"a": 2})));
    }
}
