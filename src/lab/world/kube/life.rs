//! Scheduler and kubelets: pods are placed, started, restarted, evicted and ended; nodes fall silent and come back.

use std::sync::Arc;

use serde_json::{Value, json};

use super::event::About;
use super::objects::{Key, Object, key, owned_by, stamp};
use super::pod::{Ended, Pod, State, backoff_seconds};
use super::workload::Workload;
use super::{Ail, Kube, Surroundings, control, kind, node, quantity};

impl Kube {
    /// Makes a pod of a workload's template; `node` where there is no choice.
    pub(super) fn spawn(&mut self, workload: &Workload, name: &str, node: Option<Arc<str>>) {
        let template = &workload.template;
        let owner = match workload.kind {
            kind::DEPLOYMENTS => {
                let set = format!("{}-{}", workload.name, workload.hash);
                let uid = self
                    .objects
                    .get(kind::REPLICA_SETS, &workload.namespace, &set)
                    .map(|o| o.value()["metadata"]["uid"].as_str().unwrap_or_default().to_owned());
                owned_by("ReplicaSet", "apps/v1", &set, &uid.unwrap_or_default())
            }
            other => owned_by(other.of().kind, &other.of().api_version(), &workload.name, &workload.uid),
        };
        let mut labels = control::with_hash(&template["metadata"]["labels"], &workload.hash);
        if workload.kind == kind::STATEFUL_SETS {
            labels["statefulset.kubernetes.io/pod-name"] = name.into();
        }
        let mut spec = template["spec"].clone();
        if workload.kind == kind::STATEFUL_SETS {
            spec["hostname"] = name.into();
        }
        let object = json!({
            "metadata": { "name": name, "generateName": format!("{}-", workload.name), "namespace": &*workload.namespace, "labels": labels,
                "annotations": template["metadata"]["annotations"], "ownerReferences": owner },
            "spec": spec,
        });
        self.create_pod(object, &workload.root, &workload.hash, node);
    }

    /// A pod that somebody wrote by hand.
    pub(super) fn adopt(&mut self, object: &Arc<Object>) {
        let mut value = object.value();
        let root: Arc<str> = format!("Pod/{}/{}", object.key.0, object.key.1).into();
        let node = value["spec"]["nodeName"].as_str().map(Into::into);
        value["metadata"]["resourceVersion"] = Value::Null;
        self.create_pod(value, &root, "", node);
    }

    fn create_pod(&mut self, mut object: Value, root: &Arc<str>, hash: &str, node: Option<Arc<str>>) {
        let space = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let created = if self.is_history { self.now.minus(std::time::Duration::from_secs(3600 * (20 + self.chance.below(700)))) } else { self.now };
        object["metadata"]["creationTimestamp"] = stamp(created).into();
        complete_spec(&mut object["spec"]);
        let uid = self.chance.uuid();
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = uid.as_str().into();
        }
        let spec = &object["spec"];
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let containers: Vec<(String, String)> = spec["containers"].as_array().into_iter().flatten().map(|c| (text(&c["name"]), text(&c["image"]))).collect();
        let asked = |what: &str| spec["containers"].as_array().into_iter().flatten().map(|c| text(&c["resources"]["requests"][what])).collect::<Vec<_>>();
        let is_task = matches!(spec["restartPolicy"].as_str(), Some("Never" | "OnFailure"));
        let pod = Pod {
            key: key(&space, &name),
            uid: text(&object["metadata"]["uid"]),
            root: root.clone(),
            hash: hash.to_owned(),
            node: None,
            ip: String::new(),
            containers: if containers.is_empty() { vec![(String::new(), String::new())] } else { containers },
            state: State::Pending(String::new()),
            since: created,
            created,
            started: None,
            restarts: 0,
            last: None,
            deleting: None,
            due: None,
            is_lost: false,
            mounts_nfs: spec["volumes"].as_array().into_iter().flatten().any(|v| v["nfs"].is_object() || v["persistentVolumeClaim"].is_object()),
            runs_for: program(&spec["containers"][0]).or_else(|| is_task.then_some((20.0, 0))),
            restarts_always: !is_task,
            cpu_milli: asked("cpu").iter().map(|q| quantity::milli(q)).sum(),
            memory_bytes: asked("memory").iter().map(|q| quantity::bytes(q)).sum(),
        };
        let key = pod.key.clone();
        self.by_root.entry(root.clone()).or_default().insert(key.clone());
        self.pods.insert(key.clone(), pod);
        let bound = node.or_else(|| if self.is_history { self.choose_node(&key, &name).ok() } else { None });
        if let Some(node) = bound {
            self.bind(&key, &node);
        }
        if self.is_history {
            if let Some(pod) = self.pods.get_mut(&key) {
                pod.started = Some(created);
                pod.state = State::Running;
            }
        } else {
            let after = 0.3 + self.chance.share();
            self.wake(&key, after);
        }
        let status = self.status_of(&key);
        if let Some(node) = self.pods.get(&key).and_then(|p| p.node.clone()) {
            object["spec"]["nodeName"] = (&*node).into();
        }
        object["status"] = status;
        self.put(kind::PODS, object);
        self.dirty.insert(root.clone());
    }

    fn status_of(&self, key: &Key) -> Value {
        let Some(pod) = self.pods.get(key) else { return Value::Null };
        let host = pod.node.as_ref().and_then(|n| self.nodes.get(n)).map(|n| n.address.clone()).unwrap_or_default();
        pod.status(&host)
    }

    /// Writes what a pod is now.
    pub(super) fn publish(&mut self, key: &Key) {
        let Some(mut object) = self.objects.get(kind::PODS, &key.0, &key.1).map(|o| o.value()) else { return };
        let Some(pod) = self.pods.get(key) else { return };
        if let Some(node) = &pod.node {
            object["spec"]["nodeName"] = (&**node).into();
        }
        if let Some(at) = pod.deleting {
            object["metadata"]["deletionTimestamp"] = stamp(at).into();
            object["metadata"]["deletionGracePeriodSeconds"] = 30.into();
        }
        let root = pod.root.clone();
        object["status"] = self.status_of(key);
        self.put(kind::PODS, object);
        self.dirty.insert(root);
        self.unrouted.insert(key.0.clone());
    }

    fn bind(&mut self, key: &Key, to: &Arc<str>) {
        let (Some(pod), Some(node)) = (self.pods.get_mut(key), self.nodes.get_mut(to)) else { return };
        pod.node = Some(to.clone());
        let fixed = super::shop::fixed_ip(&key.0, &key.1);
        if fixed.is_none() {
            node.next_ip = (node.next_ip + 1) % 200;
        }
        pod.ip = fixed.unwrap_or_else(|| format!("10.244.{}.{}", node.subnet % 256, 50 + node.next_ip));
        node.cpu_milli += pod.cpu_milli;
        node.memory_requested += pod.memory_bytes;
        node.pods += 1;
    }

    fn unbind(&mut self, pod: &Pod) {
        if let Some(node) = pod.node.as_ref().and_then(|n| self.nodes.get_mut(n)) {
            node.cpu_milli = node.cpu_milli.saturating_sub(pod.cpu_milli);
            node.memory_requested = node.memory_requested.saturating_sub(pod.memory_bytes);
            node.pods = node.pods.saturating_sub(1);
        }
    }

    /// The node with the fewest pods that takes it; else why none does, in the scheduler's words.
    fn choose_node(&self, key: &Key, name: &str) -> Result<Arc<str>, String> {
        let (cpu, memory) = self.pods.get(key).map_or((0, 0), |p| (p.cpu_milli, p.memory_bytes));
        let wanted = super::shop::preferred(&key.0, name);
        if let Some(node) = wanted.and_then(|w| self.nodes.get(w)).filter(|n| n.repels().is_none()) {
            return Ok(node.name.clone());
        }
        let spec = self.objects.get(kind::PODS, &key.0, &key.1).map(|o| o.value()["spec"].clone()).unwrap_or_default();
        let mut why: std::collections::BTreeMap<String, u32> = std::collections::BTreeMap::new();
        let mut best: Option<&node::Node> = None;
        for node in self.nodes.values() {
            let room = u64::from(node.cores) * 1000 - 200;
            let refusal = node
                .repels()
                .or_else(|| (!self.is_selected(&node.name, &spec)).then(|| "node(s) didn't match node selector".to_owned()))
                .or_else(|| (node.cpu_milli + cpu > room).then(|| "Insufficient cpu".to_owned()))
                .or_else(|| (node.memory_requested + memory > node.memory_bytes - (1 << 30)).then(|| "Insufficient memory".to_owned()))
                .or_else(|| (node.pods >= node.most_pods).then(|| "Too many pods".to_owned()));
            match refusal {
                Some(text) => *why.entry(text).or_default() += 1,
                None if best.is_none_or(|b| node.pods < b.pods) => best = Some(node),
                None => {}
            }
        }
        best.map(|n| n.name.clone()).ok_or_else(|| {
            let parts: Vec<String> = why.iter().map(|(text, count)| format!("{count} {text}")).collect();
            format!("0/{} nodes are available: {}.", self.nodes.len(), parts.join(", "))
        })
    }

    /// What is due for a pod happens.
    pub(super) fn live_pod(&mut self, key: &Key, around: &Surroundings<'_>) {
        let Some(pod) = self.pods.get_mut(key) else { return };
        pod.due = None;
        if pod.deleting.is_some() {
            if pod.is_lost || (pod.mounts_nfs && around.nfs_hung) {
                self.wake(key, 5.0);
            } else {
                self.bury(key);
            }
            return;
        }
        if pod.is_lost {
            return;
        }
        let state = pod.state.clone();
        let ail = self.ail_of(&self.pods[key].root, key).cloned();
        match state {
            State::Pending(_) => self.schedule(key),
            State::Creating | State::NoImage(_) | State::NoConfig(_) => self.start(key, ail.as_ref(), around),
            State::Starting => {
                if let Some(Ail::NotReady { message }) = &ail {
                    self.pod_event(key, "Warning", "kubelet", "Unhealthy", message);
                    self.wake(key, 30.0);
                } else {
                    self.turn(key, State::Running);
                    self.once_running(key, ail.as_ref());
                }
            }
            State::Running => match ail {
                Some(Ail::Crash { code, reason, new_only: false, .. }) => self.crash(key, code, reason.as_deref()),
                Some(Ail::Crash { code, reason, new_only: true, .. }) if self.pods[key].restarts > 0 || self.is_young(key) => {
                    self.crash(key, code, reason.as_deref());
                }
                Some(Ail::NotReady { message }) => {
                    self.turn(key, State::Starting);
                    self.pod_event(key, "Warning", "kubelet", "Unhealthy", &message);
                    self.wake(key, 30.0);
                }
                _ if self.pods[key].runs_for.is_some() => self.finish(key),
                _ => {}
            },
            State::BackOff => self.restart(key),
            State::Completed | State::Failed(_) | State::Evicted(_) => {}
        }
    }

    fn is_young(&self, key: &Key) -> bool {
        self.pods.get(key).and_then(|p| p.started).is_some_and(|at| self.now.since(at).as_secs() < 3600)
    }

    fn turn(&mut self, key: &Key, state: State) {
        let now = self.now;
        if let Some(pod) = self.pods.get_mut(key) {
            pod.set(state, now);
        }
        self.publish(key);
    }

    fn schedule(&mut self, key: &Key) {
        let chosen = match self.pods.get(key).and_then(|p| p.node.clone()) {
            Some(node) => Ok(node),
            None => self.choose_node(key, &key.1.clone()),
        };
        match chosen {
            Ok(node) => {
                if self.pods.get(key).is_some_and(|p| p.node.is_none()) {
                    self.bind(key, &node);
                }
                self.pod_event(key, "Normal", "default-scheduler", "Scheduled", &format!("Successfully assigned {}/{} to {node}", key.0, key.1));
                self.turn(key, State::Creating);
                let after = 1.0 + 3.0 * self.chance.share();
                self.wake(key, after);
            }
            Err(why) => {
                let is_news = self.pods.get(key).is_some_and(|p| p.state != State::Pending(why.clone()));
                self.pod_event(key, "Warning", "default-scheduler", "FailedScheduling", &why);
                if is_news {
                    self.turn(key, State::Pending(why));
                }
                self.wake(key, 15.0);
            }
        }
    }

    fn start(&mut self, key: &Key, ail: Option<&Ail>, around: &Surroundings<'_>) {
        let (image, mounts_nfs, state) = {
            let pod = &self.pods[key];
            (pod.containers[0].1.clone(), pod.mounts_nfs, pod.state.clone())
        };
        if mounts_nfs && around.nfs_hung {
            let text = "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[data]: timed out waiting for the condition";
            self.pod_event(key, "Warning", "kubelet", "FailedMount", text);
            self.wake(key, 60.0);
            return;
        }
        if let Some(Ail::NoConfig { message }) = ail {
            self.pod_event(key, "Warning", "kubelet", "Failed", &format!("Error: {message}"));
            self.turn(key, State::NoConfig(message.clone()));
            self.wake(key, 20.0);
            return;
        }
        let never_there = self.pods[key].containers[0].1.contains(".invalid/");
        if never_there && !matches!(state, State::NoImage(_)) {
            self.turn(key, State::NoImage(format!("Container image \"{image}\" is not present with pull policy of Never")));
        }
        if never_there {
            return self.wake(key, 30.0);
        }
        let refused = match ail {
            Some(Ail::NoImage { message }) => Some(message.clone()),
            _ => self.registry.clone().filter(|_| image.starts_with("harbor.")),
        };
        if let Some(why) = refused {
            self.pod_event(
                key,
                "Warning",
                "kubelet",
                "Failed",
                &format!("Failed to pull image \"{image}\": rpc error: code = Unknown desc = Error response from daemon: {why}"),
            );
            if !matches!(state, State::NoImage(_)) {
                self.turn(key, State::NoImage(format!("Back-off pulling image \"{image}\"")));
            }
            self.wake(key, 30.0);
            return;
        }
        self.pod_event(key, "Normal", "kubelet", "Pulled", &format!("Container image \"{image}\" already present on machine"));
        self.run(key);
    }

    fn run(&mut self, key: &Key) {
        let now = self.now;
        let container = self.pods[key].containers[0].0.clone();
        self.pod_event(key, "Normal", "kubelet", "Started", &format!("Started container {container}"));
        if let Some(pod) = self.pods.get_mut(key) {
            pod.started = Some(now);
        }
        self.turn(key, State::Starting);
        let after = 2.0 + 4.0 * self.chance.share();
        self.wake(key, after);
    }

    fn once_running(&mut self, key: &Key, ail: Option<&Ail>) {
        let task = self.pods.get(key).and_then(|p| p.runs_for);
        if let Some(Ail::Crash { after, .. }) = ail {
            self.wake(key, *after);
        } else if let Some((seconds, _)) = task {
            self.wake(key, seconds);
        }
    }

    /// Its process ends by itself.
    pub(in crate::lab::world) fn crash(&mut self, key: &Key, code: i32, reason: Option<&str>) {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(key) else { return };
        let started = pod.started.unwrap_or(pod.created);
        let lasted = now.since(started).as_secs_f64();
        pod.last = Some(Ended { reason: reason.unwrap_or(if code == 0 { "Completed" } else { "Error" }).to_owned(), code, started, finished: now });
        if !pod.restarts_always {
            return self.turn(key, State::Failed(code));
        }
        // One that ran for ten minutes is started again at once.
        if lasted > 600.0 {
            pod.restarts += 1;
            return self.run(key);
        }
        let wait = backoff_seconds(pod.restarts.saturating_sub(1));
        self.turn(key, State::BackOff);
        self.pod_event(key, "Warning", "kubelet", "BackOff", "Back-off restarting failed container");
        self.wake(key, wait);
    }

    fn restart(&mut self, key: &Key) {
        if let Some(pod) = self.pods.get_mut(key) {
            pod.restarts += 1;
        }
        self.run(key);
    }

    fn finish(&mut self, key: &Key) {
        let now = self.now;
        if let Some((code, true)) = self.pods.get(key).and_then(|p| p.runs_for.map(|(_, code)| (code, code != 0 || p.restarts_always))) {
            return self.crash(key, code, None);
        }
        if let Some(pod) = self.pods.get_mut(key) {
            pod.last = Some(Ended { reason: "Completed".into(), code: 0, started: pod.started.unwrap_or(pod.created), finished: now });
        }
        self.turn(key, State::Completed);
    }

    /// Asks a pod to end; it does so within seconds, one on a lost node never.
    pub(super) fn end_pod(&mut self, key: &Key, grace: Option<u64>) {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(key) else { return };
        if grace == Some(0) || pod.node.is_none() || pod.is_over() {
            return self.bury(key);
        }
        if pod.deleting.is_some() {
            return;
        }
        // The API gives the moment by which it must be gone.
        pod.deleting = Some(now.plus(std::time::Duration::from_secs(grace.unwrap_or(30))));
        if !pod.is_lost {
            self.pod_event(key, "Normal", "kubelet", "Killing", "Stopping container");
        }
        self.publish(key);
        let after = 1.0 + 2.0 * self.chance.share();
        self.wake(key, after);
    }

    fn bury(&mut self, key: &Key) {
        let Some(pod) = self.pods.remove(key) else { return };
        if let Some(due) = pod.due {
            self.due.remove(&(super::super::whole(due * 1000.0), key.clone()));
        }
        self.unbind(&pod);
        if let Some(keys) = self.by_root.get_mut(&pod.root) {
            keys.remove(key);
        }
        self.objects.delete(kind::PODS, &key.0, &key.1);
        self.dirty.insert(pod.root);
        self.unrouted.insert(key.0.clone());
    }

    pub(super) fn publish_node(&mut self, name: &Arc<str>) {
        let before = self.objects.get(kind::NODES, "", name).map(|o| o.value());
        let Some(node) = self.nodes.get(name) else { return };
        let object = node.object(before, self.now);
        self.put(kind::NODES, object);
    }

    /// Kubelets beat or fall silent, disks fill.
    pub(super) fn live_nodes(&mut self, around: &Surroundings<'_>) {
        self.renew_leases();
        let scene = self.scene;
        let watched: Vec<Arc<str>> = self
            .nodes
            .values()
            .filter(|n| {
                n.is_stopped
                    || n.silent_from.is_some()
                    || around.unreachable.contains(&*n.name)
                    || !n.pressures.is_empty()
                    || around.full.contains_key(&*n.name)
            })
            .map(|n| n.name.clone())
            .collect();
        for name in watched {
            let Some(node) = self.nodes.get_mut(&name) else { continue };
            let silent = node.is_stopped || around.unreachable.contains(&*name);
            match (silent, node.silent_from) {
                (true, None) => node.silent_from = Some(scene),
                (true, Some(from)) if scene - from > node::GRACE && !node.is_unknown => self.lose_node(&name),
                (true, Some(from)) if scene - from > node::GRACE + node::TOLERATED && node.evicted_at.is_none() => self.evict_lost(&name),
                (false, Some(_)) => self.regain_node(&name),
                _ => {}
            }
            if !silent {
                self.watch_disk(&name, around.full.get(&*name).copied().unwrap_or(0.0));
            }
        }
    }

    fn pods_on(&self, node: &str) -> Vec<Key> {
        self.pods.values().filter(|p| p.node.as_deref() == Some(node)).map(|p| p.key.clone()).collect()
    }

    fn lose_node(&mut self, name: &Arc<str>) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(name) else { return };
        (node.is_unknown, node.since) = (true, now);
        let uid = name.to_string();
        self.event(
            &About { kind: kind::NODES, namespace: "", name, uid: &uid },
            "Normal",
            "node-controller",
            "NodeNotReady",
            &format!("Node {name} status is now: NodeNotReady"),
        );
        self.publish_node(name);
        for key in self.pods_on(name) {
            if let Some(pod) = self.pods.get_mut(&key).filter(|p| !p.is_over()) {
                (pod.is_lost, pod.since) = (true, now);
                self.pod_event(&key, "Warning", "node-controller", "NodeNotReady", "Node is not ready");
                self.publish(&key);
            }
        }
    }

    /// Nobody tolerates a lost node for more than five minutes, but the DaemonSets.
    fn evict_lost(&mut self, name: &Arc<str>) {
        if let Some(node) = self.nodes.get_mut(name) {
            node.evicted_at = Some(self.scene);
        }
        for key in self.pods_on(name) {
            let stays = self.pods.get(&key).is_none_or(|p| p.root.starts_with("DaemonSet/") || p.root.starts_with("Pod/"));
            if !stays {
                self.end_pod(&key, None);
            }
        }
    }

    fn regain_node(&mut self, name: &Arc<str>) {
        let (now, scene) = (self.now, self.scene);
        let Some(node) = self.nodes.get_mut(name) else { return };
        node.silent_from = None;
        node.evicted_at = None;
        node.lease_due = scene;
        if !std::mem::take(&mut node.is_unknown) {
            return;
        }
        node.since = now;
        self.publish_node(name);
        for key in self.pods_on(name) {
            let Some(pod) = self.pods.get_mut(&key) else { continue };
            if !std::mem::take(&mut pod.is_lost) {
                continue;
            }
            pod.since = now;
            if pod.deleting.is_some() {
                self.wake(&key, 1.0);
            } else if pod.is_alive() {
                pod.restarts += u32::from(pod.restarts_always);
                pod.state = State::Starting;
                pod.started = Some(now);
                let after = 3.0 + 5.0 * self.chance.share();
                self.wake(&key, after);
            } else {
                self.wake(&key, 2.0);
            }
            self.publish(&key);
        }
    }

    /// The kubelet evicts at 85 % used and says so until there is room again.
    fn watch_disk(&mut self, name: &Arc<str>, used: f64) {
        let (now, scene) = (self.now, self.scene);
        let Some(node) = self.nodes.get_mut(name) else { return };
        let is_pressed = node.pressures.contains_key("DiskPressure");
        if used >= 0.85 && !is_pressed {
            node.pressures.insert("DiskPressure".into(), ("kubelet has disk pressure".into(), now));
            node.next_eviction = scene + 10.0;
            self.publish_node(name);
        } else if used < 0.80 && is_pressed {
            node.pressures.remove("DiskPressure");
            self.publish_node(name);
        } else if is_pressed && used >= 0.85 && node.next_eviction <= scene {
            node.next_eviction = scene + 30.0;
            let victim = self
                .pods_on(name)
                .into_iter()
                .find(|k| self.pods.get(k).is_some_and(|p| p.root.starts_with("Deployment/") && p.deleting.is_none() && p.is_alive()));
            if let Some(key) = victim {
                let text = "The node was low on resource: ephemeral-storage. ";
                self.pod_event(&key, "Warning", "kubelet", "Evicted", text);
                self.turn(&key, State::Evicted(text.to_owned()));
            }
        }
    }
}

/// What a container's own command does, where that is easily seen: how long it runs and what it ends with.
fn program(container: &Value) -> Option<(f64, i32)> {
    let words = ["command", "args"].iter().flat_map(|field| container[*field].as_array().into_iter().flatten()).filter_map(Value::as_str);
    let line = words.collect::<Vec<_>>().join(" ");
    let last = line.split_whitespace().next_back()?;
    match line.rsplit_once("exit ") {
        Some((_, code)) => code.trim().parse().ok().map(|code| (1.0, code)),
        None if last == "true" => Some((1.0, 0)),
        None if last == "false" => Some((1.0, 1)),
        None => None,
    }
}

/// What a real server adds to a pod's spec.
fn complete_spec(spec: &mut Value) {
    let mut default = |name: &str, value: Value| {
        if spec[name].is_null() {
            spec[name] = value;
        }
    };
    default("restartPolicy", "Always".into());
    default("dnsPolicy", "ClusterFirst".into());
    default("schedulerName", "default-scheduler".into());
    default("serviceAccountName", "default".into());
    default("terminationGracePeriodSeconds", 30.into());
    default("securityContext", json!({}));
    if let Some(containers) = spec["containers"].as_array_mut() {
        for container in containers {
            if container["resources"].is_null() {
                container["resources"] = json!({});
            }
            if container["imagePullPolicy"].is_null() {
                container["imagePullPolicy"] = "IfNotPresent".into();
            }
        }
    }
}
