//! A pod's life, and what the API says of it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::objects::{Key, stamp};
use crate::base::clock::Moment;

/// Where a pod stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not scheduled; why not, once the scheduler has tried.
    Pending(String),
    /// On its node, its volumes and images are being fetched.
    Creating,
    /// Its image cannot be fetched.
    NoImage(String),
    /// A ConfigMap or Secret that it names is not there.
    NoConfig(String),
    /// Its process runs and is not ready.
    Starting,
    Running,
    /// Its process has ended and the kubelet waits before it starts it again.
    BackOff,
    Completed,
    /// Ended with an error and is not started again.
    Failed(i32),
    Evicted(String),
}

/// How a process of it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub reason: String,
    pub code: i32,
    pub started: Moment,
    pub finished: Moment,
}

#[derive(Clone, Debug)]
pub struct Pod {
    pub key: Key,
    pub uid: String,
    /// What made it, directly or through a ReplicaSet: `Deployment/pro/mall-order`.
    pub root: Arc<str>,
    pub hash: String,
    pub node: Option<Arc<str>>,
    pub ip: String,
    /// Name and image of each container.
    pub containers: Vec<(String, String)>,
    pub state: State,
    /// Since when it is (not) ready.
    pub since: Moment,
    pub created: Moment,
    pub started: Option<Moment>,
    pub restarts: u32,
    pub last: Option<Ended>,
    pub deleting: Option<Moment>,
    /// Scenario seconds when something happens to it; none: nothing does by itself.
    pub due: Option<f64>,
    /// Its node's kubelet is silent: nobody knows.
    pub is_lost: bool,
    pub mounts_nfs: bool,
    /// A task that ends: seconds that it takes, and its exit code.
    pub runs_for: Option<(f64, i32)>,
    /// Is it started again when it ends?
    pub restarts_always: bool,
    pub cpu_milli: u64,
    pub memory_bytes: u64,
}

impl Pod {
    pub fn is_ready(&self) -> bool {
        self.state == State::Running && !self.is_lost
    }

    /// Does its process run, ready or not?
    pub fn is_alive(&self) -> bool {
        matches!(self.state, State::Running | State::Starting)
    }

    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Completed | State::Failed(_) | State::Evicted(_))
    }

    pub fn set(&mut self, state: State, now: Moment) {
        let was = self.is_ready();
        self.state = state;
        if was != self.is_ready() || !self.is_alive() {
            self.since = now;
        }
    }

    fn phase(&self) -> &'static str {
        match self.state {
            State::Pending(_) | State::Creating | State::NoImage(_) | State::NoConfig(_) => "Pending",
            State::Starting | State::Running | State::BackOff => "Running",
            State::Completed => "Succeeded",
            State::Failed(_) | State::Evicted(_) => "Failed",
        }
    }

    fn container_state(&self) -> Value {
        let ended = |last: Option<&Ended>| last.map_or_else(|| json!({}), |e| json!({ "terminated": terminated(e) }));
        match &self.state {
            State::Creating => json!({ "waiting": { "reason": "ContainerCreating" } }),
            State::NoImage(message) => {
                let reason = if message.ends_with("pull policy of Never") { "ErrImageNeverPull" } else { "ImagePullBackOff" };
                json!({ "waiting": { "reason": reason, "message": message } })
            }
            State::NoConfig(message) => json!({ "waiting": { "reason": "CreateContainerConfigError", "message": message } }),
            State::Starting | State::Running => json!({ "running": { "startedAt": stamp(self.started.unwrap_or(self.created)) } }),
            State::BackOff => {
                let (name, pod, uid) = (&self.containers[0].0, format!("{}_{}", self.key.1, self.key.0), &self.uid);
                let message = format!("back-off {} restarting failed container={name} pod={pod}({uid})", backoff_text(self.restarts));
                json!({ "waiting": { "reason": "CrashLoopBackOff", "message": message } })
            }
            State::Completed | State::Failed(_) => ended(self.last.as_ref()),
            State::Pending(_) | State::Evicted(_) => json!({}),
        }
    }

    fn container(&self, index: usize) -> Value {
        let (name, image) = &self.containers[index];
        // What ails a pod ails its first container; the others just run.
        let first = index == 0;
        let alive = self.is_alive() || (!first && self.state == State::BackOff);
        let state = if !first && alive { json!({ "running": { "startedAt": stamp(self.started.unwrap_or(self.created)) } }) } else { self.container_state() };
        let ready = if first { self.state == State::Running } else { alive };
        let last = self.last.as_ref().filter(|_| first && !self.is_over()).map_or_else(|| json!({}), |e| json!({ "terminated": terminated(e) }));
        let id = self.uid.replace('-', "");
        let started = matches!(self.state, State::Starting | State::Running | State::BackOff | State::Completed | State::Failed(_));
        json!({
            "name": name, "image": image, "ready": ready, "started": alive, "restartCount": if first { self.restarts } else { 0 },
            "imageID": if started { format!("docker-pullable://{}@sha256:{id}{id}", image.split(':').next().unwrap_or(image)) } else { String::new() },
            "containerID": if started { format!("docker://{id}{:08x}{:024x}", self.restarts, index) } else { String::new() },
            "state": state, "lastState": last,
        })
    }

    /// `status` of the API.
    pub fn status(&self, host_ip: &str) -> Value {
        let phase = self.phase();
        if let State::Evicted(message) = &self.state {
            return json!({ "phase": phase, "reason": "Evicted", "message": message, "startTime": stamp(self.created) });
        }
        let ready = self.state == State::Running && !self.is_lost;
        let (since, created) = (stamp(self.since), stamp(self.created));
        if let State::Pending(why) = &self.state {
            let mut scheduled = json!({ "type": "PodScheduled", "status": "False", "lastProbeTime": null, "lastTransitionTime": created, "reason": "Unschedulable", "message": why });
            if why.is_empty() {
                scheduled = json!({ "type": "PodScheduled", "status": "False", "lastProbeTime": null, "lastTransitionTime": created });
            }
            return json!({ "phase": phase, "conditions": [scheduled], "qosClass": "Burstable" });
        }
        let word = |is: bool| if is { "True" } else { "False" };
        let mut not_ready = json!({ "type": "Ready", "status": word(ready), "lastProbeTime": null, "lastTransitionTime": since });
        let mut containers_ready = json!({ "type": "ContainersReady", "status": word(ready), "lastProbeTime": null, "lastTransitionTime": since });
        if !ready && !self.is_lost {
            let (reason, message) = match self.state {
                State::Completed => ("PodCompleted", String::new()),
                _ => ("ContainersNotReady", format!("containers with unready status: [{}]", self.containers[0].0)),
            };
            for condition in [&mut not_ready, &mut containers_ready] {
                condition["reason"] = reason.into();
                condition["message"] = message.clone().into();
            }
        }
        let conditions = json!([
            { "type": "Initialized", "status": "True", "lastProbeTime": null, "lastTransitionTime": created },
            not_ready,
            containers_ready,
            { "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": created },
        ]);
        let mut status = json!({
            "phase": phase, "conditions": conditions, "hostIP": host_ip, "startTime": created, "qosClass": "Burstable",
            "containerStatuses": (0..self.containers.len()).map(|i| self.container(i)).collect::<Vec<_>>(),
        });
        if self.is_alive() || self.state == State::BackOff || self.state == State::Completed {
            status["podIP"] = self.ip.as_str().into();
            status["podIPs"] = json!([{ "ip": self.ip }]);
        }
        if self.is_lost && self.deleting.is_some() {
            status["reason"] = "NodeLost".into();
            status["message"] = format!("Node {} which was running pod {} is unresponsive", self.node.as_deref().unwrap_or_default(), self.key.1).into();
        }
        status
    }
}

fn terminated(ended: &Ended) -> Value {
    json!({ "exitCode": ended.code, "reason": ended.reason, "startedAt": stamp(ended.started), "finishedAt": stamp(ended.finished) })
}

/// The kubelet doubles its wait from 10 s to 5 min.
pub fn backoff_seconds(restarts: u32) -> f64 {
    (10.0 * 2_f64.powi(restarts.min(10).cast_signed())).min(300.0)
}

fn backoff_text(restarts: u32) -> String {
    let seconds = super::super::whole(backoff_seconds(restarts));
    match (seconds / 60, seconds % 60) {
        (0, s) => format!("{s}s"),
        (m, s) => format!("{m}m{s}s"),
    }
}
