//! CronJobs and the leases that are renewed.

use std::sync::Arc;

use serde_json::{Value, json};

use super::objects::{owned_by, stamp};
use super::{Kube, Orphans, kind};

/// How many finished jobs of a CronJob are kept (`successfulJobsHistoryLimit`).
const KEPT: usize = 3;

impl Kube {
    pub(super) fn run_crons(&mut self) {
        if self.scene < self.cron_due {
            return;
        }
        self.cron_due = self.scene + 5.0;
        let due: Vec<Arc<str>> =
            self.workloads.values().filter(|w| w.kind == kind::CRON_JOBS && !w.is_suspended && w.next_run <= self.scene).map(|w| w.root.clone()).collect();
        for root in due {
            let Some(cron) = self.workloads.get_mut(&root) else { continue };
            let every = f64::from(cron.every_minutes.unwrap_or(60)) * 60.0;
            let is_first = cron.next_run == 0.0;
            // At its full minutes of the clock, as far as the scenario's time allows.
            let into = (self.now.0 as f64 / 1000.0) % every;
            cron.next_run = self.scene + every - into;
            if is_first {
                continue;
            }
            let cron = cron.clone();
            self.start_job(&cron);
        }
    }

    pub(super) fn start_job(&mut self, cron: &super::workload::Workload) {
        let name = format!("{}-{}", cron.name, self.now.0 / 60_000 * 60);
        let mut spec = cron.template["spec"].clone();
        spec["template"]["metadata"]["labels"]["job-name"] = name.as_str().into();
        spec["selector"] = json!({ "matchLabels": { "job-name": name } });
        let job = json!({
            "metadata": { "name": name, "namespace": &*cron.namespace, "labels": cron.template["metadata"]["labels"],
                "ownerReferences": owned_by("CronJob", "batch/v1beta1", &cron.name, &cron.uid) },
            "spec": spec,
        });
        self.write(kind::JOBS, job);
        if let Some(mut object) = self.objects.get(kind::CRON_JOBS, &cron.namespace, &cron.name).map(|o| o.value()) {
            object["status"]["lastScheduleTime"] = stamp(self.now).into();
            self.put(kind::CRON_JOBS, object);
        }
        let mut finished: Vec<(String, String)> = self
            .objects
            .list(kind::JOBS, Some(&cron.namespace))
            .iter()
            .map(|o| o.value())
            .filter(|v| v["metadata"]["ownerReferences"][0]["name"] == *cron.name && v["status"]["completionTime"].is_string())
            .map(|v| {
                (v["metadata"]["creationTimestamp"].as_str().unwrap_or_default().to_owned(), v["metadata"]["name"].as_str().unwrap_or_default().to_owned())
            })
            .collect();
        finished.sort();
        for (_, old) in finished.iter().rev().skip(KEPT) {
            self.remove(kind::JOBS, &cron.namespace, old, Some(0), Orphans::Go);
        }
    }

    /// Renews what is due: nodes' leases every ten seconds (a big cluster's less often), the control plane's every two.
    pub(super) fn renew_leases(&mut self) {
        let every = if self.nodes.len() > 100 { 30.0 } else { 10.0 };
        let now = self.now;
        let due: Vec<Arc<str>> = self.nodes.values().filter(|n| n.silent_from.is_none() && n.lease_due <= self.scene).map(|n| n.name.clone()).collect();
        for name in due {
            if let Some(node) = self.nodes.get_mut(&name) {
                node.lease_due = self.scene + every;
            }
            self.put(kind::LEASES, lease("kube-node-lease", &name, &name, 40, now));
        }
        if self.leases_due > self.scene {
            return;
        }
        self.leases_due = self.scene + 2.0;
        for (name, holder) in [("kube-scheduler", "k8s-m-2_9d3f51a4"), ("kube-controller-manager", "k8s-m-1_c7a0be12")] {
            if !self.health.stopped.contains(name) {
                self.put(kind::LEASES, lease("kube-system", name, holder, 15, now));
            }
        }
    }
}

fn lease(namespace: &str, name: &str, holder: &str, seconds: u32, now: crate::base::clock::Moment) -> Value {
    let renewed = now.to_string().replace('Z', "000Z");
    json!({
        "metadata": { "name": name, "namespace": namespace },
        "spec": { "holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": renewed },
    })
}
