//! Controllers: what workloads want becomes pods, and what the pods are becomes the workloads' status.

use std::sync::Arc;

use serde_json::{Value, json};

use super::event::About;
use super::node::Node;
use super::objects::{Key, key, owned_by, stamp};
use super::pod::{Pod, State};
use super::workload::Workload;
use super::{Kube, kind};

/// `progressDeadlineSeconds`
const DEADLINE: u64 = 600;

impl Kube {
    /// Makes and ends pods until a workload has what it wants, and writes its status.
    pub(super) fn reconcile(&mut self, root: &Arc<str>) {
        let Some(workload) = self.workloads.get(root).cloned() else { return };
        match workload.kind {
            kind::DEPLOYMENTS => self.deploy(&workload),
            kind::STATEFUL_SETS => self.keep_state(&workload),
            kind::DAEMON_SETS => self.keep_everywhere(&workload),
            kind::JOBS => self.run_job(&workload),
            _ => {}
        }
        self.publish_workload(&workload);
    }

    /// Its pods that count: neither on their way out nor evicted.
    fn living(&self, workload: &Workload) -> Vec<&Pod> {
        self.pods_of(&workload.root).iter().filter_map(|k| self.pods.get(k)).filter(|p| p.deleting.is_none() && !p.is_over()).collect()
    }

    fn deploy(&mut self, workload: &Workload) {
        let wanted = workload.replicas as usize;
        let surge = wanted.div_ceil(4).max(1);
        let (new, old): (Vec<&Pod>, Vec<&Pod>) = self.living(workload).into_iter().partition(|p| p.hash == workload.hash);
        let (news, olds) = (new.len(), old.len());
        let ready = new.iter().chain(&old).filter(|p| p.is_ready()).count();
        // Too many: the youngest that is not ready goes first.
        let mut going: Vec<Key> = Vec::new();
        let mut by_worth = new.clone();
        by_worth.sort_by_key(|p| (p.is_ready(), std::cmp::Reverse(p.created)));
        going.extend(by_worth.iter().take(news.saturating_sub(wanted)).map(|p| p.key.clone()));
        // Of the old ones those that do nothing may go at once, others as the new ones take over.
        let mut spare = ready.saturating_sub(wanted - wanted / 4);
        for pod in &old {
            if !pod.is_ready() {
                going.push(pod.key.clone());
            } else if spare > 0 {
                spare -= 1;
                going.push(pod.key.clone());
            }
        }
        let missing = wanted.saturating_sub(news).min((wanted + surge).saturating_sub(news + olds));
        let set = format!("{}-{}", workload.name, workload.hash);
        self.publish_sets(workload, &set);
        for _ in 0..missing {
            let name = format!("{set}-{}", self.chance.suffix(5));
            self.spawn(workload, &name, None);
        }
        for pod in going {
            self.end_pod(&pod, None);
        }
    }

    fn keep_state(&mut self, workload: &Workload) {
        let wanted = workload.replicas;
        for ordinal in 0..wanted {
            let name = format!("{}-{ordinal}", workload.name);
            match self.pods.get(&key(&workload.namespace, &name)) {
                // The one before is waited for.
                Some(pod) if pod.is_ready() || self.is_history || workload.in_parallel => {}
                Some(pod) if pod.is_over() => {
                    let key = pod.key.clone();
                    self.end_pod(&key, Some(0));
                    return;
                }
                Some(_) => return,
                None => {
                    self.spawn(workload, &name, None);
                    if !self.is_history && !workload.in_parallel {
                        return;
                    }
                }
            }
        }
        let ordinal = |pod: &Pod| pod.key.1.rsplit('-').next().and_then(|n| n.parse::<u32>().ok()).unwrap_or(0);
        let mut living = self.living(workload);
        living.sort_by_key(|p| std::cmp::Reverse(ordinal(p)));
        let extra = living.iter().find(|p| ordinal(p) >= wanted);
        // Outdated ones are replaced from the last to the first, one at a time.
        let outdated = living.iter().find(|p| p.hash != workload.hash && living.iter().all(|q| q.is_ready()));
        if let Some(key) = extra.or(outdated).map(|p| p.key.clone()) {
            self.end_pod(&key, None);
        }
    }

    /// Where a DaemonSet wants a pod.
    fn everywhere(&self, workload: &Workload) -> Vec<Arc<str>> {
        let all = workload.tolerates_all();
        let takes = |n: &&Node| (all || !n.is_master()) && self.is_selected(&n.name, &workload.template["spec"]);
        self.nodes.values().filter(takes).map(|n| n.name.clone()).collect()
    }

    fn keep_everywhere(&mut self, workload: &Workload) {
        let nodes = self.everywhere(workload);
        let mut taken: std::collections::BTreeSet<Arc<str>> = std::collections::BTreeSet::new();
        let mut outdated = None;
        for pod in self.pods_of(&workload.root).iter().filter_map(|k| self.pods.get(k)).filter(|p| !p.is_over()) {
            taken.extend(pod.node.clone());
            if pod.hash != workload.hash && pod.deleting.is_none() {
                outdated = Some(pod.key.clone());
            }
        }
        for node in nodes.into_iter().filter(|n| !taken.contains(n)) {
            if self.nodes.get(&node).is_some_and(|n| n.is_unknown) {
                continue;
            }
            let name = format!("{}-{}", workload.name, self.chance.suffix(5));
            self.spawn(workload, &name, Some(node));
        }
        if let Some(key) = outdated.filter(|_| self.living(workload).iter().all(|p| p.is_ready())) {
            self.end_pod(&key, None);
        }
    }

    fn run_job(&mut self, workload: &Workload) {
        let pods: Vec<(Key, State)> = self.pods_of(&workload.root).iter().filter_map(|k| self.pods.get(k)).map(|p| (p.key.clone(), p.state.clone())).collect();
        let succeeded = pods.iter().filter(|(_, s)| *s == State::Completed).count();
        let failed = pods.iter().filter(|(_, s)| matches!(s, State::Failed(_))).count();
        let active = pods.len() - succeeded - failed;
        if let Some(kept) = self.workloads.get_mut(&workload.root) {
            kept.succeeded = kept.succeeded.max(u32::try_from(succeeded).unwrap_or(0));
            kept.failed = u32::try_from(failed).unwrap_or(0);
        }
        // `backoffLimit` is six unless the job says so.
        if active == 0 && succeeded < workload.replicas as usize && workload.succeeded < workload.replicas && failed < 6 && !workload.is_suspended {
            let name = format!("{}-{}", workload.name, self.chance.suffix(5));
            self.spawn(workload, &name, None);
        }
    }

    fn publish_sets(&mut self, workload: &Workload, current: &str) {
        if self.objects.get(kind::REPLICA_SETS, &workload.namespace, current).is_none() {
            let labels = with_hash(&workload.template["metadata"]["labels"], &workload.hash);
            let mut template = (*workload.template).clone();
            template["metadata"]["labels"] = labels.clone();
            let mut selector = (*workload.selector).clone();
            selector["matchLabels"]["pod-template-hash"] = workload.hash.as_str().into();
            let set = json!({
                "metadata": { "name": current, "namespace": &*workload.namespace, "labels": labels, "generation": 1,
                    "ownerReferences": owned_by("Deployment", "apps/v1", &workload.name, &workload.uid) },
                "spec": { "replicas": workload.replicas, "selector": selector, "template": template },
                "status": {},
            });
            self.put(kind::REPLICA_SETS, set);
            if !self.is_history {
                let about = About { kind: kind::DEPLOYMENTS, namespace: &workload.namespace, name: &workload.name, uid: &workload.uid };
                self.event(
                    &about,
                    "Normal",
                    "deployment-controller",
                    "ScalingReplicaSet",
                    &format!("Scaled up replica set {current} to {}", workload.replicas),
                );
            }
        }
    }

    /// Counts of each ReplicaSet of a Deployment.
    fn count_sets(&mut self, workload: &Workload) {
        let prefix = format!("{}-", workload.name);
        let sets: Vec<_> = self.objects.list(kind::REPLICA_SETS, Some(&workload.namespace)).into_iter().filter(|o| o.key.1.starts_with(&prefix)).collect();
        for object in sets {
            let mut set = object.value();
            if set["metadata"]["ownerReferences"][0]["name"] != *workload.name {
                continue;
            }
            let hash = set["metadata"]["labels"]["pod-template-hash"].as_str().unwrap_or_default().to_owned();
            let pods: Vec<&Pod> = self.living(workload).into_iter().filter(|p| p.hash == hash).collect();
            let ready = pods.iter().filter(|p| p.is_ready()).count();
            let wanted = if hash == workload.hash { workload.replicas as usize } else { pods.len() };
            let status = json!({ "replicas": pods.len(), "fullyLabeledReplicas": pods.len(), "readyReplicas": ready, "availableReplicas": ready, "observedGeneration": 1 });
            if set["status"] != status || set["spec"]["replicas"] != wanted {
                set["status"] = status;
                set["spec"]["replicas"] = wanted.into();
                self.put(kind::REPLICA_SETS, set);
            }
        }
    }

    fn publish_workload(&mut self, workload: &Workload) {
        if workload.kind == kind::DEPLOYMENTS {
            self.count_sets(workload);
        }
        let Some(object) = self.objects.get(workload.kind, &workload.namespace, &workload.name) else { return };
        let mut value = object.value();
        let pods = self.living(workload);
        let (all, ready) = (pods.len(), pods.iter().filter(|p| p.is_ready()).count());
        let updated = pods.iter().filter(|p| p.hash == workload.hash).count();
        let generation = value["metadata"]["generation"].clone();
        let status = match workload.kind {
            kind::DEPLOYMENTS => self.deployment_status(workload, &value["status"], all, ready, updated),
            kind::STATEFUL_SETS => json!({
                "replicas": all, "readyReplicas": ready, "currentReplicas": updated, "updatedReplicas": updated,
                "currentRevision": format!("{}-{}", workload.name, workload.hash), "updateRevision": format!("{}-{}", workload.name, workload.hash),
                "collisionCount": 0, "observedGeneration": generation,
            }),
            kind::DAEMON_SETS => {
                let wanted = self.everywhere(workload).len();
                json!({
                    "currentNumberScheduled": all, "desiredNumberScheduled": wanted, "numberAvailable": ready, "numberReady": ready,
                    "numberUnavailable": wanted.saturating_sub(ready), "updatedNumberScheduled": updated, "numberMisscheduled": 0, "observedGeneration": generation,
                })
            }
            kind::JOBS => self.job_status(workload, &value["status"], all),
            _ => value["status"].clone(),
        };
        if value["status"] != status {
            value["status"] = status;
            self.put(workload.kind, value);
        }
        self.unrouted.insert(workload.namespace.clone());
    }

    fn deployment_status(&self, workload: &Workload, before: &Value, all: usize, ready: usize, updated: usize) -> Value {
        let wanted = workload.replicas as usize;
        let set = format!("{}-{}", workload.name, workload.hash);
        let is_available = ready + wanted / 4 >= wanted;
        let is_rolled = updated >= wanted && ready >= wanted && all <= wanted.max(updated);
        let late = !is_rolled && self.now.since(workload.rolling_since).as_secs() > DEADLINE && !self.is_history;
        let condition = |name: &str, is: bool, reason: &str, message: String| {
            let old = before["conditions"].as_array().and_then(|all| all.iter().find(|c| c["type"] == *name));
            let word = if is { "True" } else { "False" };
            let since = old.filter(|c| c["status"] == *word).map_or_else(|| stamp(self.now).into(), |c| c["lastTransitionTime"].clone());
            let told = old.filter(|c| c["status"] == *word && c["reason"] == *reason).map_or_else(|| stamp(self.now).into(), |c| c["lastUpdateTime"].clone());
            json!({ "type": name, "status": word, "reason": reason, "message": message, "lastUpdateTime": told, "lastTransitionTime": since })
        };
        let available = if is_available {
            condition("Available", true, "MinimumReplicasAvailable", "Deployment has minimum availability.".into())
        } else {
            condition("Available", false, "MinimumReplicasUnavailable", "Deployment does not have minimum availability.".into())
        };
        let progressing = if late {
            condition("Progressing", false, "ProgressDeadlineExceeded", format!("ReplicaSet \"{set}\" has timed out progressing."))
        } else if is_rolled {
            condition("Progressing", true, "NewReplicaSetAvailable", format!("ReplicaSet \"{set}\" has successfully progressed."))
        } else {
            condition("Progressing", true, "ReplicaSetUpdated", format!("ReplicaSet \"{set}\" is progressing."))
        };
        let generation = self.objects.get(workload.kind, &workload.namespace, &workload.name).map(|o| o.value()["metadata"]["generation"].clone());
        let mut status = json!({ "observedGeneration": generation, "conditions": [available, progressing] });
        // A real one leaves zeros out.
        for (name, count) in [
            ("replicas", all),
            ("updatedReplicas", updated),
            ("readyReplicas", ready),
            ("availableReplicas", ready),
            ("unavailableReplicas", wanted.saturating_sub(ready)),
        ] {
            if count > 0 {
                status[name] = count.into();
            }
        }
        status
    }

    fn job_status(&self, workload: &Workload, before: &Value, active: usize) -> Value {
        let (succeeded, failed) = self.workloads.get(&workload.root).map_or((0, 0), |w| (w.succeeded, w.failed));
        let mut status = json!({ "startTime": before["startTime"].as_str().map_or_else(|| stamp(self.now), str::to_owned) });
        for (name, count) in [("active", u64::try_from(active).unwrap_or(0)), ("succeeded", succeeded.into()), ("failed", failed.into())] {
            if count > 0 {
                status[name] = count.into();
            }
        }
        let now = stamp(self.now);
        let condition = |name: &str, reason: &str, message: &str| json!([{ "type": name, "status": "True", "reason": reason, "message": message, "lastProbeTime": now, "lastTransitionTime": now }]);
        if succeeded >= workload.replicas {
            status["completionTime"] = before["completionTime"].as_str().map_or(now.clone(), str::to_owned).into();
            status["conditions"] = if before["conditions"].is_array() { before["conditions"].clone() } else { condition("Complete", "", "") };
        } else if failed >= 6 {
            let failed = condition("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit");
            status["conditions"] = if before["conditions"].is_array() { before["conditions"].clone() } else { failed };
        }
        status
    }

    /// Which pods stand behind the services of a namespace.
    pub(super) fn route(&mut self, space: &Arc<str>) {
        for service in self.objects.list(kind::SERVICES, Some(space)) {
            let value = service.value();
            let Some(selector) = value["spec"]["selector"].as_object().filter(|s| !s.is_empty()).cloned() else { continue };
            let (mut ready, mut waiting) = (Vec::new(), Vec::new());
            for object in self.objects.list(kind::PODS, Some(space)) {
                let labels = &object.value()["metadata"]["labels"];
                if !selector.iter().all(|(name, value)| labels[name] == *value) {
                    continue;
                }
                if let Some(pod) = self.pods.get(&object.key).filter(|p| p.is_alive() && p.deleting.is_none()) {
                    let address = json!({ "ip": pod.ip, "nodeName": pod.node.as_deref(), "targetRef": { "kind": "Pod", "namespace": &*pod.key.0, "name": &*pod.key.1, "uid": pod.uid } });
                    if pod.is_ready() { ready.push(address) } else { waiting.push(address) }
                }
            }
            let ports: Vec<Value> = value["spec"]["ports"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|p| json!({ "name": p["name"], "port": if p["targetPort"].is_number() { p["targetPort"].clone() } else { p["port"].clone() }, "protocol": "TCP" }))
                .collect();
            let mut subset = json!({ "ports": ports });
            if !ready.is_empty() {
                subset["addresses"] = ready.into();
            }
            if !waiting.is_empty() {
                subset["notReadyAddresses"] = waiting.into();
            }
            let is_empty = subset["addresses"].is_null() && subset["notReadyAddresses"].is_null();
            let subsets = if is_empty { json!([]) } else { json!([subset]) };
            let before = self.objects.get(kind::ENDPOINTS, space, &service.key.1).map(|o| o.value()["subsets"].clone());
            if before.as_ref() != Some(&subsets) {
                self.put(kind::ENDPOINTS, json!({ "metadata": { "name": &*service.key.1, "namespace": &**space }, "subsets": subsets }));
            }
        }
    }
}

pub(super) fn with_hash(labels: &Value, hash: &str) -> Value {
    let mut labels = labels.clone();
    labels["pod-template-hash"] = hash.into();
    labels
}
