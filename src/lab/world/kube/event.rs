//! Events: the same one again is counted, and after an hour it is forgotten.

use std::time::Duration;

use serde_json::json;

use super::kind::{EVENTS, KindId};
use super::objects::{key, stamp};
use super::{Kube, kind};

const KEPT: Duration = Duration::from_hours(1);
/// A cluster in trouble has thousands; these are enough to be looked at.
const MOST: usize = 2000;

/// What an event is about.
pub(super) struct About<'a> {
    pub kind: KindId,
    pub namespace: &'a str,
    pub name: &'a str,
    pub uid: &'a str,
}

impl Kube {
    /// `kind`: `Normal` or `Warning`. `from` is the component that says it.
    pub(super) fn event(&mut self, about: &About<'_>, kind: &str, from: &str, reason: &str, message: &str) {
        if self.is_history {
            return;
        }
        let namespace = if about.namespace.is_empty() { "default" } else { about.namespace };
        let sum = format!("{}{reason}{message}", about.kind.of().kind)
            .bytes()
            .fold(0x1234_5678_9abc_def1_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        let name = format!("{}.{sum:016x}", about.name);
        let now = stamp(self.now);
        let object = match self.objects.get(EVENTS, namespace, &name).map(|o| o.value()) {
            Some(mut before) => {
                before["count"] = (before["count"].as_i64().unwrap_or(1) + 1).into();
                before["lastTimestamp"] = now.into();
                before
            }
            None => json!({
                "metadata": { "name": name, "namespace": namespace },
                "involvedObject": { "kind": about.kind.of().kind, "apiVersion": about.kind.of().api_version(), "namespace": about.namespace, "name": about.name, "uid": about.uid },
                "type": kind, "reason": reason, "message": message, "source": { "component": from },
                "firstTimestamp": now, "lastTimestamp": now, "count": 1, "reportingComponent": "", "reportingInstance": "",
            }),
        };
        self.put(EVENTS, object);
        self.events.push_back((self.now, key(namespace, &name)));
    }

    pub(super) fn forget_events(&mut self) {
        while let Some((at, key)) = self.events.front().cloned() {
            if self.events.len() <= MOST && self.now.since(at) < KEPT {
                return;
            }
            self.events.pop_front();
            // It may have been told again since.
            if !self.events.iter().any(|(_, k)| *k == key) {
                self.objects.delete(EVENTS, &key.0, &key.1);
            }
        }
    }

    pub(super) fn pod_event(&mut self, pod: &super::objects::Key, kind: &str, from: &str, reason: &str, message: &str) {
        let uid = self.pods.get(pod).map(|p| p.uid.clone()).unwrap_or_default();
        self.event(&About { kind: kind::PODS, namespace: &pod.0, name: &pod.1, uid: &uid }, kind, from, reason, message);
    }
}
