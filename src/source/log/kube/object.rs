//! As much of a pod as following its logs needs.

use serde::Deserialize;

use crate::model::id::Uid;
use crate::model::log::Containers;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Pod {
    pub(super) metadata: Meta,
    pub(super) spec: Spec,
    pub(super) status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) name: String,
    pub(super) namespace: String,
    uid: String,
    pub(super) resource_version: String,
    owner_references: Vec<Owner>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Owner {
    name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Spec {
    restart_policy: String,
    init_containers: Vec<Named>,
    containers: Vec<Named>,
    ephemeral_containers: Vec<Named>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Status {
    phase: String,
    init_container_statuses: Vec<Life>,
    container_statuses: Vec<Life>,
    ephemeral_container_statuses: Vec<Life>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Life {
    name: String,
    restart_count: u32,
    state: State,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct State {
    terminated: Option<Terminated>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Terminated {
    exit_code: i32,
    reason: String,
}

/// Will a container say more?
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Future {
    Open,
    /// It has ended and is not started again; how it ended.
    Over(String),
}

impl Pod {
    pub(super) fn uid(&self) -> Uid {
        Uid::parse(&self.metadata.uid)
    }

    /// Is it made by a Job of this CronJob? Those are called after it and the minute.
    pub(super) fn is_of_cron_job(&self, name: &str) -> bool {
        let minute =
            |job: &str| job.strip_prefix(name).and_then(|r| r.strip_prefix('-')).is_some_and(|r| !r.is_empty() && r.bytes().all(|b| b.is_ascii_digit()));
        self.metadata.owner_references.iter().any(|o| minute(&o.name))
    }

    /// In the order in which they run.
    pub(super) fn containers(&self, wanted: &Containers) -> Vec<String> {
        let all = |list: &[Named]| list.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
        match wanted {
            Containers::Init => all(&self.spec.init_containers),
            Containers::All => [all(&self.spec.init_containers), all(&self.spec.containers), all(&self.spec.ephemeral_containers)].concat(),
            Containers::Named(name) => vec![name.to_string()],
        }
    }

    fn life(&self, container: &str) -> Option<&Life> {
        let s = &self.status;
        [&s.init_container_statuses, &s.container_statuses, &s.ephemeral_container_statuses].into_iter().flatten().find(|l| l.name == container)
    }

    pub(super) fn restarts(&self, container: &str) -> u32 {
        self.life(container).map_or(0, |l| l.restart_count)
    }

    pub(super) fn future(&self, container: &str) -> Future {
        let over = matches!(self.status.phase.as_str(), "Succeeded" | "Failed");
        let ended = self.life(container).and_then(|l| l.state.terminated.as_ref());
        let Some(ended) = ended else {
            return if over { Future::Over(format!("the pod has ended: {}", self.status.phase)) } else { Future::Open };
        };
        let is_main = self.spec.containers.iter().any(|c| c.name == container);
        let again = match self.spec.restart_policy.as_str() {
            "Never" => false,
            "OnFailure" => ended.exit_code != 0,
            // An init container that did its work is not repeated.
            _ => is_main || ended.exit_code != 0,
        };
        if again && !over { Future::Open } else { Future::Over(format!("{}, exit code {}", ended.reason, ended.exit_code)) }
    }
}

/// A page of pods, and where the watch goes on from there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PodList {
    pub(super) metadata: Meta,
    pub(super) items: Vec<Pod>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) object: serde_json::Value,
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn which_containers_will_speak_again() {
        let pod = |policy: &str, phase: &str, code: i32| -> Pod {
            let ended = |name: &str| json!({"name": name, "restartCount": 2, "state": {"terminated": {"exitCode": code, "reason": "Error"}}});
            from_value(json!({
                "metadata": {"name": "p", "namespace": "n", "uid": "u"},
                "spec": {"restartPolicy": policy, "initContainers": [{"name": "i"}], "containers": [{"name": "c"}]},
                "status": {"phase": phase, "containerStatuses": [ended("c")], "initContainerStatuses": [ended("i")]}
            }))
            .unwrap()
        };
        let over = |code: i32| Future::Over(format!("Error, exit code {code}"));
        assert_eq!(pod("Always", "Running", 0).future("c"), Future::Open);
        assert_eq!(pod("Always", "Running", 0).future("i"), over(0));
        assert_eq!(pod("Always", "Pending", 1).future("i"), Future::Open);
        assert_eq!(pod("OnFailure", "Running", 1).future("c"), Future::Open);
        assert_eq!(pod("OnFailure", "Running", 0).future("c"), over(0));
        assert_eq!(pod("Never", "Failed", 1).future("c"), over(1));
        assert_eq!(pod("Always", "Running", 0).restarts("c"), 2);
        assert_eq!(pod("Always", "Running", 0).containers(&Containers::All), ["i", "c"]);
    }

    #[test]
    fn jobs_of_a_cron_job_are_told_from_its_namesakes() {
        let of = |owner: &str| from_value::<Pod>(json!({"metadata": {"ownerReferences": [{"name": owner}]}})).unwrap();
        assert!(of("nightly-28912345").is_of_cron_job("nightly"));
        assert!(!of("nightly-sync-28912345").is_of_cron_job("nightly"));
    }
}
