//! What makes pods: Deployments, StatefulSets, DaemonSets, Jobs, CronJobs.

use serde::Serialize;

use super::fact::Row;
use super::id::{Kind, Name, ObjectKey, Target, Uid};
use super::judge;
use super::limits::Limits;
use super::verdict::Judgement;
use crate::base::clock::Moment;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Workload {
    pub cluster: Name,
    pub namespace: Name,
    pub kind: WorkloadKind,
    pub name: Name,
    pub uid: Uid,
    pub created_at: Option<Moment>,
    pub desired: u32,
    pub ready: u32,
    pub available: u32,
    pub updated: u32,
    /// A daemon set's pods on nodes where they should not be.
    pub misscheduled: u32,
    pub failed: u32,
    pub complete: bool,
    pub suspended: bool,
    /// `ProgressDeadlineExceeded`, `BackoffLimitExceeded` ...; empty when nothing is stuck.
    pub stuck: Name,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum WorkloadKind {
    Deployment,
    StatefulSet,
    DaemonSet,
    Job,
    CronJob,
}

impl WorkloadKind {
    /// As kubectl takes it: `deploy`, `deployment`, `deployments` ...
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "deploy" | "deployment" | "deployments" => Self::Deployment,
            "sts" | "statefulset" | "statefulsets" => Self::StatefulSet,
            "ds" | "daemonset" | "daemonsets" => Self::DaemonSet,
            "job" | "jobs" => Self::Job,
            "cj" | "cronjob" | "cronjobs" => Self::CronJob,
            _ => return None,
        })
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
        }
    }
}

impl Row for Workload {
    type Key = ObjectKey;
    const KIND: Kind = Kind::Workload;
    const WATCHED: bool = true;

    fn key(&self) -> ObjectKey {
        ObjectKey { cluster: self.cluster.clone(), uid: self.uid }
    }
    fn target(&self) -> Target {
        Target::Workload(self.key())
    }
    fn namespace(&self) -> Option<&Name> {
        Some(&self.namespace)
    }
    fn order(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }
    fn judge(&self, now: Moment, limits: &Limits) -> Judgement {
        judge::workload(self, now, limits)
    }
}
