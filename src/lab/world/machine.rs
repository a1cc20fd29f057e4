//! A Linux machine as a shell on it sees it: physical servers and the inside of guests alike.

use crate::base::clock::Moment;

/// Can it be reached?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Up,
    /// Powered off or its cable cut: connections time out, those that stand go silent.
    Silent,
    /// The machine answers and refuses: sshd is not running.
    Refusing,
}

/// Shares of all processors' time, 0 to 1; what is left is idle.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    pub user: f64,
    pub system: f64,
    pub iowait: f64,
    pub steal: f64,
}

/// Sums since boot, in seconds of processor time (`/proc/stat` has hundredths).
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuTime {
    pub user: f64,
    pub system: f64,
    pub idle: f64,
    pub iowait: f64,
    pub steal: f64,
}

/// `some` and `full` of pressure-stall information, as `avg10` shares 0 to 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pressure {
    pub cpu_some: f64,
    pub memory_some: f64,
    pub memory_full: f64,
    pub io_some: f64,
    pub io_full: f64,
}

/// A mounted file system.
#[derive(Clone, Debug)]
pub struct Mount {
    /// `/dev/vda1`, `nfs-1:/export/k8s`.
    pub device: String,
    pub path: String,
    /// `xfs`, `ext4`, `nfs4`.
    pub kind: String,
    pub size_bytes: u64,
    pub used_bytes: u64,
    pub inodes: u64,
    pub inodes_used: u64,
    pub read_only: bool,
    /// Whoever touches it waits: the server behind it does not answer.
    pub is_hung: bool,
}

impl Mount {
    pub(super) fn new(device: &str, path: &str, kind: &str, size_gib: u64, used: f64) -> Self {
        let size_bytes = size_gib << 30;
        let inodes = size_gib * 65_536;
        let used_bytes = super::whole(size_bytes as f64 * used);
        let inodes_used = super::whole(inodes as f64 * used * 0.3);
        Self { device: device.into(), path: path.into(), kind: kind.into(), size_bytes, used_bytes, inodes, inodes_used, read_only: false, is_hung: false }
    }

    /// 0 to 1.
    pub fn used(&self) -> f64 {
        self.used_bytes as f64 / self.size_bytes.max(1) as f64
    }

    pub fn fill(&mut self, share: f64) {
        self.used_bytes = super::whole(self.size_bytes as f64 * share.clamp(0.0, 1.0));
    }
}

/// A network interface: sums since boot.
#[derive(Clone, Debug)]
pub struct Nic {
    pub name: String,
    pub mac: String,
    pub rx_bytes: f64,
    pub tx_bytes: f64,
    pub rx_packets: f64,
    pub tx_packets: f64,
    pub errors: f64,
}

/// A container that runs on the machine itself, outside Kubernetes.
#[derive(Clone, Debug)]
pub struct Docker {
    /// 64 hexadecimal digits.
    pub id: String,
    pub name: String,
    pub image: String,
    pub is_running: bool,
    pub exit_code: i32,
    pub restarts: u32,
    pub started_at: Moment,
    pub finished_at: Option<Moment>,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Machine {
    pub name: String,
    /// In the cluster's own network.
    pub address: String,
    pub reach: Reach,
    /// As `/sys/class/dmi/id/product_uuid` says.
    pub uuid: String,
    pub machine_id: String,
    pub boot_id: String,
    pub kernel: String,
    /// `PRETTY_NAME` of `/etc/os-release`.
    pub os: String,
    pub cores: u32,
    pub booted_at: Moment,
    pub cpu: Cpu,
    pub cpu_time: CpuTime,
    /// 1, 5 and 15 minutes.
    pub load: [f64; 3],
    pub running: u32,
    /// Processes in state D.
    pub blocked: u32,
    pub processes: u32,
    pub memory_bytes: u64,
    pub available_bytes: u64,
    pub swap_bytes: u64,
    pub swap_used_bytes: u64,
    pub pressure: Pressure,
    pub mounts: Vec<Mount>,
    pub nics: Vec<Nic>,
    pub conntrack: u64,
    pub conntrack_max: u64,
    /// What its clock is ahead of the true time; negative behind.
    pub clock_ahead_ms: i64,
    /// Kernel messages: when, level (0 to 7), text.
    pub kernel_log: Vec<(Moment, u8, String)>,
    pub failed_units: Vec<String>,
    pub containers: Vec<Docker>,
    /// Extra busy cores that faults put on it.
    pub extra_cores: f64,
    /// Extra waiting for disks that faults put on it, 0 to 1.
    pub extra_iowait: f64,
    /// Time stolen by other guests of its host, 0 to 1.
    pub stolen: f64,
}

impl Machine {
    pub fn mount(&mut self, path: &str) -> Option<&mut Mount> {
        self.mounts.iter_mut().find(|m| m.path == path)
    }

    pub fn say(&mut self, at: Moment, level: u8, text: impl Into<String>) {
        // The kernel's ring is bounded as well.
        if self.kernel_log.len() >= 200 {
            self.kernel_log.remove(0);
        }
        self.kernel_log.push((at, level, text.into()));
    }

    /// Moves sums and means on by `seconds`, with `busy` cores at work.
    pub(super) fn advance(&mut self, seconds: f64, busy: f64) {
        let cores = f64::from(self.cores);
        let hung = self.mounts.iter().filter(|m| m.is_hung).count();
        let busy = (busy + self.extra_cores).min(cores * 1.4);
        let used = (busy / cores).min(0.97);
        let iowait = (self.extra_iowait + 0.01).min((1.0 - used).max(0.0));
        self.cpu = Cpu { user: used * 0.72, system: used * 0.28, iowait, steal: self.stolen.min((1.0 - used - iowait).max(0.02)) };
        let Cpu { user, system, iowait, steal } = self.cpu;
        let idle = (1.0 - user - system - iowait - steal).max(0.0);
        for (sum, share) in [
            (&mut self.cpu_time.user, user),
            (&mut self.cpu_time.system, system),
            (&mut self.cpu_time.iowait, iowait),
            (&mut self.cpu_time.steal, steal),
            (&mut self.cpu_time.idle, idle),
        ] {
            *sum += share * cores * seconds;
        }
        // What waits for a hung mount counts as load without using a core.
        let stuck = if hung > 0 { (f64::from(self.blocked) + seconds * 0.2).min(64.0) } else { 0.0 };
        let waiting = stuck + self.extra_iowait * cores;
        self.blocked = u32::try_from(super::whole(waiting)).unwrap_or(0);
        self.running = u32::try_from(super::whole(busy.ceil())).unwrap_or(1).max(1);
        let target = busy + waiting;
        for (load, period) in self.load.iter_mut().zip([60.0, 300.0, 900.0]) {
            *load += (target - *load) * (1.0 - (-seconds / period).exp());
        }
        self.pressure = Pressure {
            cpu_some: ((busy / cores) - 0.7).clamp(0.0, 1.0),
            memory_some: 0.0,
            memory_full: 0.0,
            io_some: (self.extra_iowait * 1.2).min(1.0),
            io_full: (self.extra_iowait * 0.8).min(1.0),
        };
        let free = self.available_bytes as f64 / self.memory_bytes.max(1) as f64;
        if free < 0.05 {
            self.pressure.memory_some = 0.3;
            self.pressure.memory_full = 0.12;
        }
        for nic in &mut self.nics {
            let bytes = (0.4 + used) * 6_000_000.0 * seconds;
            nic.rx_bytes += bytes;
            nic.tx_bytes += bytes * 0.8;
            nic.rx_packets += bytes / 900.0;
            nic.tx_packets += bytes / 1000.0;
        }
    }
}
