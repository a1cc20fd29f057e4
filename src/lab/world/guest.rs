//! KVM guests as libvirt on their host knows them; what runs inside is their [`Machine`].

use super::machine::Machine;

/// `virsh domstate --reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestState {
    Running,
    /// By a person.
    Suspended,
    /// The host's disk gave an error, mostly because it is full.
    PausedIo,
    Off,
    Crashed,
}

/// Sums since the guest was started.
#[derive(Clone, Copy, Debug, Default)]
pub struct GuestIo {
    pub read_requests: f64,
    pub read_bytes: f64,
    /// Seconds that requests took, all together.
    pub read_seconds: f64,
    pub write_requests: f64,
    pub write_bytes: f64,
    pub write_seconds: f64,
    pub flush_requests: f64,
    pub flush_seconds: f64,
}

#[derive(Clone, Debug)]
pub struct Guest {
    /// The name of its [`Machine`] and of its domain.
    pub name: String,
    /// The host that it runs on.
    pub host: String,
    pub state: GuestState,
    pub autostart: bool,
    pub vcpus: u32,
    pub memory_bytes: u64,
    /// `52:54:00:...`
    pub mac: String,
    pub disk_path: String,
    pub disk_capacity_bytes: u64,
    pub disk_allocation_bytes: u64,
    pub io: GuestIo,
    /// Seconds that vCPUs ran.
    pub vcpu_seconds: f64,
    /// Seconds that vCPUs waited for a core of the host.
    pub vcpu_delay_seconds: f64,
    /// Writes in a second; a noisy neighbour has many.
    pub writes_per_second: f64,
    /// What one write takes.
    pub write_latency_seconds: f64,
    /// What is inside. Its UUID is the domain's.
    pub machine: Machine,
}

impl Guest {
    pub fn is_running(&self) -> bool {
        self.state == GuestState::Running
    }

    pub(super) fn advance(&mut self, seconds: f64, busy: f64) {
        if !self.is_running() {
            return;
        }
        self.machine.advance(seconds, busy);
        let cores = f64::from(self.vcpus);
        let used = self.machine.cpu.user + self.machine.cpu.system;
        self.vcpu_seconds += used * cores * seconds;
        self.vcpu_delay_seconds += self.machine.cpu.steal * cores * seconds;
        let writes = self.writes_per_second * seconds;
        self.io.write_requests += writes;
        self.io.write_bytes += writes * 12_000.0;
        self.io.write_seconds += writes * self.write_latency_seconds;
        self.io.flush_requests += writes * 0.2;
        self.io.flush_seconds += writes * 0.2 * self.write_latency_seconds;
        self.io.read_requests += writes * 0.6;
        self.io.read_bytes += writes * 0.6 * 16_000.0;
        self.io.read_seconds += writes * 0.6 * self.write_latency_seconds;
    }
}

/// A libvirt storage pool.
#[derive(Clone, Debug)]
pub struct Pool {
    pub name: String,
    pub path: String,
    pub is_active: bool,
    pub capacity_bytes: u64,
    pub allocation_bytes: u64,
}

/// A physical server.
#[derive(Clone, Debug)]
pub struct Host {
    pub machine: Machine,
    pub pools: Vec<Pool>,
}
