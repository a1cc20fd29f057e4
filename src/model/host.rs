//! A Linux machine reached over SSH, or this one.

use serde::Serialize;

use super::fact::{Denied, Row};
use super::id::{Kind, Name, Target, Uid};
use super::judge;
use super::limits::Limits;
use super::verdict::Judgement;
use crate::base::clock::Moment;

/// The URI of a machine's libvirt; without it an ordinary account gets its own, empty, session.
pub const SYSTEM_LIBVIRT: &str = "qemu:///system";

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Host {
    /// As the configuration names it.
    pub name: Name,
    pub address: Name,
    pub groups: Vec<Name>,
    pub identity: HostIdentity,
    /// `None` until the first sample.
    pub vitals: Option<Vitals>,
    /// What the guests add up to; `None` where libvirt was not asked or not found.
    pub hypervisor: Option<Hypervisor>,
    /// `docker`, `podman`, `crictl`: what was found to run containers here.
    pub runtimes: Vec<Name>,
    pub denied: Vec<Denied>,
}

/// What proves that this is that VM or node.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HostIdentity {
    pub hostname: String,
    /// `/etc/machine-id`; clones of an image often share it.
    pub machine_id: Option<Uid>,
    /// `/proc/sys/kernel/random/boot_id`: unique to this boot of this kernel.
    pub boot_id: Option<Uid>,
    /// `/sys/class/dmi/id/product_uuid`, readable by root: equals the libvirt domain's UUID in a guest.
    pub product_uuid: Option<Uid>,
    pub os: String,
    pub kernel: String,
    pub cores: u32,
    pub addresses: Vec<String>,
    pub macs: Vec<String>,
}

/// One sample. Rates are `None` until there are two.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Vitals {
    pub load: [f64; 3],
    pub runnable_tasks: u32,
    pub cpu: Option<CpuShare>,
    pub memory_total_bytes: u64,
    pub memory_available_bytes: u64,
    pub swap_total_bytes: u64,
    pub swap_used_bytes: u64,
    pub swap_pages_per_second: Option<f64>,
    pub pressure: Option<Pressure>,
    pub mounts: Vec<Mount>,
    pub nics: Vec<Nic>,
    /// Tasks in uninterruptible sleep.
    pub blocked_tasks: u32,
    pub zombie_tasks: u32,
    pub uptime_seconds: u64,
    /// The host's clock minus ours, halved round trip taken off.
    pub clock_skew_seconds: Option<f64>,
    /// `None` where systemd does not run.
    pub failed_units: Option<Vec<String>>,
    pub kernel_errors: Vec<KernelError>,
    /// Used against allowed, in percent; `None` where the kernel has no such table.
    pub conntrack_used_percent: Option<f64>,
    pub files_used_percent: Option<f64>,
}

/// Shares of all cores over the last interval, in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CpuShare {
    pub user_percent: f64,
    pub system_percent: f64,
    pub iowait_percent: f64,
    pub steal_percent: f64,
    pub idle_percent: f64,
}

impl CpuShare {
    pub fn busy_percent(&self) -> f64 {
        (100.0 - self.idle_percent - self.iowait_percent).clamp(0.0, 100.0)
    }
}

/// Pressure stall information (kernel 4.20+), in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Pressure {
    pub cpu_some_avg60_percent: f64,
    pub memory_full_avg10_percent: f64,
    pub io_full_avg60_percent: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mount {
    pub path: String,
    pub device: String,
    pub filesystem: String,
    pub read_only: bool,
    pub probe: MountProbe,
}

/// What a `statfs` of the mount said. It runs apart from the sampler: on a hung NFS it never returns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum MountProbe {
    Answered {
        total_bytes: u64,
        used_bytes: u64,
        used_percent: f64,
        inodes_used_percent: f64,
    },
    /// Not back for this long; no second probe is started meanwhile.
    Hung {
        for_seconds: u64,
    },
    Pending,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Nic {
    pub name: String,
    pub received_bytes_per_second: Option<f64>,
    pub sent_bytes_per_second: Option<f64>,
    pub errors_per_second: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KernelError {
    /// When, by the host's clock put on ours; `None` where dmesg says no time.
    pub at: Option<Moment>,
    pub text: String,
}

/// The host as a hypervisor.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Hypervisor {
    /// The URI that libvirt itself gave back. An empty list of guests means something only if it is the system's.
    pub uri: String,
    pub version: String,
    pub vcpus: u32,
    pub memory_max_bytes: u64,
    pub pools: Vec<Pool>,
}

/// A libvirt storage pool.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pool {
    pub name: String,
    pub active: bool,
    pub autostart: bool,
    pub capacity_bytes: u64,
    pub available_bytes: u64,
}

impl Row for Host {
    type Key = Name;
    const KIND: Kind = Kind::Host;
    const HISTORY: bool = true;

    fn key(&self) -> Name {
        self.name.clone()
    }
    fn target(&self) -> Target {
        Target::Host(self.name.clone())
    }
    fn order(&self) -> (&str, &str) {
        ("", &self.name)
    }
    fn same_identity(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
    fn judge(&self, now: Moment, limits: &Limits) -> Judgement {
        judge::host(self, now, limits)
    }
    #[allow(clippy::cast_possible_truncation)]
    fn pulse(&self) -> Option<f32> {
        self.vitals.as_ref()?.cpu.map(|c| c.busy_percent() as f32)
    }
}
