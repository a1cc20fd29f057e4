//! Who is there when the world begins.

use std::time::Duration;

use super::chance::Chance;
use super::guest::{Guest, GuestIo, GuestState, Host, Pool};
use super::machine::{Cpu, CpuTime, Docker, Machine, Mount, Nic, Pressure, Reach};
use crate::base::clock::Moment;

/// Guests in the order of their addresses, each with its host, vCPUs and GiB.
const GUESTS: &[(&str, &str, &str, u32, u64)] = &[
    ("k8s-m-1", "10.20.0.21", "kvm-1", 4, 8),
    ("k8s-m-2", "10.20.0.22", "kvm-2", 4, 8),
    ("k8s-m-3", "10.20.0.23", "kvm-3", 4, 8),
    ("k8s-w-1", "10.20.0.31", "kvm-1", 8, 32),
    ("k8s-w-2", "10.20.0.32", "kvm-2", 8, 32),
    ("k8s-w-3", "10.20.0.33", "kvm-3", 8, 32),
    ("k8s-w-4", "10.20.0.34", "kvm-4", 8, 32),
    ("k8s-w-5", "10.20.0.35", "kvm-1", 8, 32),
    ("k8s-w-6", "10.20.0.36", "kvm-2", 8, 32),
    ("k8s-w-7", "10.20.0.37", "kvm-3", 8, 32),
    ("k8s-w-8", "10.20.0.38", "kvm-4", 8, 32),
    ("k8s-w-9", "10.20.0.39", "kvm-4", 8, 32),
    ("db-1", "10.20.0.41", "kvm-1", 8, 32),
    ("db-2", "10.20.0.42", "kvm-2", 8, 32),
    ("db-3", "10.20.0.43", "kvm-3", 8, 32),
];

const HOST_MEMORY_GIB: u64 = 192;
const HOST_CORES: u32 = 40;

fn machine(chance: &mut Chance, name: &str, address: &str, cores: u32, memory_gib: u64, booted_at: Moment) -> Machine {
    let memory_bytes = memory_gib << 30;
    let mac = format!("52:54:00:{}:{}:{}", chance.hex(2), chance.hex(2), chance.hex(2));
    let nic = |name: &str, mac: &str| Nic {
        name: name.into(),
        mac: mac.into(),
        rx_bytes: 4.1e12,
        tx_bytes: 3.2e12,
        rx_packets: 4.0e9,
        tx_packets: 3.1e9,
        errors: 0.0,
    };
    Machine {
        name: name.into(),
        address: address.into(),
        reach: Reach::Up,
        uuid: chance.uuid(),
        machine_id: chance.hex(32),
        boot_id: chance.uuid(),
        kernel: "5.4.278-1.el7.elrepo.x86_64".into(),
        os: "CentOS Linux 7 (Core)".into(),
        cores,
        booted_at,
        cpu: Cpu::default(),
        cpu_time: CpuTime { user: 9.1e6, system: 3.2e6, idle: 6.1e7, iowait: 4.0e5, steal: 0.0 },
        load: [f64::from(cores) * 0.2; 3],
        running: 2,
        blocked: 0,
        processes: 240,
        memory_bytes,
        available_bytes: memory_bytes / 10 * 5,
        swap_bytes: 0,
        swap_used_bytes: 0,
        pressure: Pressure::default(),
        mounts: vec![Mount::new("/dev/vda1", "/", "xfs", 100, 0.42)],
        nics: vec![nic("eth0", &mac)],
        conntrack: 21_000,
        conntrack_max: 262_144,
        clock_ahead_ms: 0,
        kernel_log: Vec::new(),
        failed_units: Vec::new(),
        containers: Vec::new(),
        extra_cores: 0.0,
        extra_iowait: 0.0,
        stolen: 0.0,
    }
}

/// The four physical servers.
pub(super) fn hosts(seed: u64, began: Moment) -> Vec<Host> {
    (1..=4)
        .map(|n| {
            let name = format!("kvm-{n}");
            let mut chance = Chance::of(seed, &name);
            let booted = began.minus(Duration::from_hours(24 * (90 + 11 * n)));
            let mut machine = machine(&mut chance, &name, &format!("10.20.0.1{n}"), HOST_CORES, HOST_MEMORY_GIB, booted);
            machine.available_bytes = (HOST_MEMORY_GIB << 30) / 100 * 34;
            machine.swap_bytes = 8 << 30;
            machine.processes = 610;
            machine.nics[0].name = "bond0".into();
            machine.mounts = vec![
                Mount::new("/dev/sda2", "/", "xfs", 200, 0.31),
                Mount::new("/dev/sdb1", "/var/lib/libvirt/images", "xfs", 3600, 0.58),
                Mount::new("10.20.0.9:/export/iso", "/mnt/nfs", "nfs4", 2000, 0.44),
            ];
            if n == 4 {
                machine.containers = vec![
                    docker(&mut chance, "harbor-core", "goharbor/harbor-core:v2.3.1", booted),
                    docker(&mut chance, "registry", "goharbor/registry-photon:v2.3.1", booted),
                ];
            }
            let capacity_bytes = 3600 << 30;
            let pools = vec![Pool {
                name: "images".into(),
                path: "/var/lib/libvirt/images".into(),
                is_active: true,
                capacity_bytes,
                allocation_bytes: capacity_bytes / 100 * 58,
            }];
            Host { machine, pools }
        })
        .collect()
}

fn docker(chance: &mut Chance, name: &str, image: &str, started_at: Moment) -> Docker {
    Docker { id: chance.hex(64), name: name.into(), image: image.into(), is_running: true, exit_code: 0, restarts: 0, started_at, finished_at: None }
}

/// The fifteen guests.
pub(super) fn guests(seed: u64, began: Moment) -> Vec<Guest> {
    GUESTS
        .iter()
        .map(|(name, address, host, cores, gib)| {
            let mut chance = Chance::of(seed, name);
            let booted = began.minus(Duration::from_hours(24 * 61 + chance.below(200)));
            let mut machine = machine(&mut chance, name, address, *cores, *gib, booted);
            machine.mounts.push(if name.starts_with("db") {
                Mount::new("/dev/vdb1", "/var/lib/mysql", "xfs", 500, 0.51)
            } else {
                Mount::new("/dev/vdb1", "/var/lib/docker", "xfs", 200, 0.37 + 0.2 * chance.share())
            });
            if name.starts_with("k8s-w") {
                machine.mounts.push(Mount::new("10.20.0.9:/export/k8s", "/var/lib/kubelet/pods/nfs", "nfs4", 2000, 0.44));
            }
            let capacity = 300_u64 << 30;
            Guest {
                name: (*name).into(),
                host: (*host).into(),
                state: GuestState::Running,
                autostart: true,
                vcpus: *cores,
                memory_bytes: gib << 30,
                mac: machine.nics[0].mac.clone(),
                disk_path: format!("/var/lib/libvirt/images/{name}.qcow2"),
                disk_capacity_bytes: capacity,
                disk_allocation_bytes: capacity / 100 * (40 + chance.below(20)),
                io: GuestIo {
                    read_requests: 4e7,
                    read_bytes: 7e11,
                    read_seconds: 3e4,
                    write_requests: 9e7,
                    write_bytes: 1.1e12,
                    write_seconds: 9e4,
                    flush_requests: 2e7,
                    flush_seconds: 2e4,
                },
                vcpu_seconds: 2.2e6,
                vcpu_delay_seconds: 900.0,
                writes_per_second: if name.starts_with("db") { 420.0 } else { 60.0 },
                write_latency_seconds: 0.0012,
                machine,
            }
        })
        .collect()
}
