//! A KVM guest, as its host's libvirt sees it.

use serde::Serialize;

use super::fact::Row;
use super::id::{Kind, Name, Target, Uid, VmKey};
use super::judge;
use super::limits::Limits;
use super::verdict::Judgement;
use crate::base::clock::Moment;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Vm {
    pub host: Name,
    pub name: Name,
    pub uuid: Uid,
    pub state: VmState,
    /// libvirt's reason for the state, in its words (`booted`, `I/O error`, `crashed`).
    pub state_reason: String,
    pub autostart: bool,
    pub persistent: bool,
    pub vcpus: u32,
    /// Of one core: a guest with four busy vCPUs shows 400.
    pub cpu_percent: Option<f64>,
    /// Time its vCPUs waited for a host core; `None` where neither libvirt nor the kernel tells.
    pub steal_percent: Option<f64>,
    pub memory_max_bytes: u64,
    /// Of the guest's own view where its balloon driver reports, else what the host gave it.
    pub memory_used_bytes: Option<u64>,
    pub disks: Vec<VmDisk>,
    pub disk_read_bytes_per_second: Option<f64>,
    pub disk_write_bytes_per_second: Option<f64>,
    /// Mean time of a request over the last interval.
    pub disk_latency_seconds: Option<f64>,
    pub net_received_bytes_per_second: Option<f64>,
    pub net_sent_bytes_per_second: Option<f64>,
    pub macs: Vec<String>,
    pub addresses: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VmState {
    NoState,
    Running,
    Blocked,
    Paused,
    ShuttingDown,
    ShutOff,
    Crashed,
    Suspended,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VmDisk {
    pub target: String,
    pub path: String,
    pub allocation_bytes: u64,
    pub capacity_bytes: u64,
}

impl Row for Vm {
    type Key = VmKey;
    const KIND: Kind = Kind::Vm;
    const HISTORY: bool = true;

    fn key(&self) -> VmKey {
        VmKey { host: self.host.clone(), uuid: self.uuid }
    }
    fn target(&self) -> Target {
        Target::Vm(self.key())
    }
    fn order(&self) -> (&str, &str) {
        (&self.host, &self.name)
    }
    fn same_identity(&self, other: &Self) -> bool {
        (&self.name, self.uuid, &self.macs, &self.addresses) == (&other.name, other.uuid, &other.macs, &other.addresses)
    }
    fn judge(&self, now: Moment, limits: &Limits) -> Judgement {
        judge::vm(self, now, limits)
    }
    #[allow(clippy::cast_possible_truncation)]
    fn pulse(&self) -> Option<f32> {
        self.cpu_percent.map(|c| (c / f64::from(self.vcpus.max(1))) as f32)
    }
}
