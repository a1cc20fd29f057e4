//! A pod, kept slim: there may be 150,000 of them. What is not here is fetched for the one pod that is looked at.

use serde::Serialize;

use super::fact::Row;
use super::id::{Kind, Name, ObjectKey, Target, Uid};
use super::judge;
use super::limits::Limits;
use super::verdict::Judgement;
use crate::base::clock::Moment;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pod {
    pub cluster: Name,
    pub namespace: Name,
    pub name: Box<str>,
    pub uid: Uid,
    pub node: Option<Name>,
    /// What kubectl's STATUS column says.
    pub status: Name,
    pub ready: u16,
    pub containers: u16,
    pub restarts: u32,
    pub created_at: Moment,
    /// `deletionTimestamp`: when its grace period ends.
    pub deleting_at: Option<Moment>,
    /// Since when it is as `status` says, as far as its conditions tell.
    pub since: Option<Moment>,
    pub owner: Option<Owner>,
    pub cpu_request_millicores: u32,
    pub memory_request_bytes: u64,
    pub ip: Option<std::net::IpAddr>,
    /// Detail of what is wrong; absent of a healthy pod.
    pub trouble: Option<Box<Trouble>>,
}

/// The controller that made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Owner {
    pub kind: Name,
    pub name: Name,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Trouble {
    /// The container that is in trouble; empty for the pod as a whole.
    pub container: Name,
    pub message: Box<str>,
    pub exit_code: Option<i32>,
    /// The reason of the last termination (`OOMKilled`, `Error`).
    pub last_reason: Name,
    pub last_finished_at: Option<Moment>,
}

impl Row for Pod {
    type Key = ObjectKey;
    const KIND: Kind = Kind::Pod;
    const WATCHED: bool = true;

    fn key(&self) -> ObjectKey {
        ObjectKey { cluster: self.cluster.clone(), uid: self.uid }
    }
    fn target(&self) -> Target {
        Target::Pod(self.key())
    }
    fn namespace(&self) -> Option<&Name> {
        Some(&self.namespace)
    }
    fn order(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }
    fn since(&self) -> Option<Moment> {
        self.since
    }
    fn judge(&self, now: Moment, limits: &Limits) -> Judgement {
        judge::pod(self, now, limits)
    }
}
