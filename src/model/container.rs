//! A container that runs on a host outside Kubernetes' view: docker, podman, or what crictl lists.

use serde::Serialize;

use super::fact::Row;
use super::id::{ContainerKey, Kind, Name, Target};
use super::judge;
use super::limits::Limits;
use super::verdict::Judgement;
use crate::base::clock::Moment;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Container {
    pub host: Name,
    pub id: Name,
    pub name: Name,
    pub image: Name,
    /// `docker`, `podman` or `crictl`.
    pub runtime: Name,
    pub state: ContainerState,
    pub health: Option<ContainerHealth>,
    pub exit_code: Option<i32>,
    pub oom_killed: bool,
    pub restarts: u32,
    /// A restart policy other than `no`: it is meant to run.
    pub restarts_by_itself: bool,
    pub started_at: Option<Moment>,
    pub finished_at: Option<Moment>,
    /// `0.0.0.0:3307->3306/tcp`, as docker prints it.
    pub ports: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerState {
    Created,
    Running,
    Paused,
    Restarting,
    Exited,
    Dead,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerHealth {
    Starting,
    Healthy,
    Unhealthy,
}

impl Row for Container {
    type Key = ContainerKey;
    const KIND: Kind = Kind::Container;

    fn key(&self) -> ContainerKey {
        ContainerKey { host: self.host.clone(), id: self.id.clone() }
    }
    fn target(&self) -> Target {
        Target::Container(self.key())
    }
    fn order(&self) -> (&str, &str) {
        (&self.host, &self.name)
    }
    fn judge(&self, now: Moment, limits: &Limits) -> Judgement {
        judge::container(self, now, limits)
    }
}
