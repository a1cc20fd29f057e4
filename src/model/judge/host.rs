//! How a host is: saturation counts where work waits for it, space and clocks by their limits, silence of a disk always.

use std::time::Duration;

use crate::base::clock::Moment;
use crate::model::host::{Host, Hypervisor, MountProbe, Vitals};
use crate::model::limits::{HostLimits, Limits, Steps, VmLimits};
use crate::model::reason::{Arg, Reason};
use crate::model::verdict::Judgement;

/// Kernel errors speak for this long.
const NEWS: Duration = Duration::from_mins(10);
const MANY_ZOMBIES: u32 = 50;
/// Errors a second on one interface that are no accident any more.
const NIC_ERRORS: f64 = 1.0;

/// What in a kernel error tells of damage or of something killed; the rest is a remark.
const GRAVE: [&str; 12] = [
    "out of memory",
    "oom-kill",
    "i/o error",
    "ext4-fs error",
    "corruption",
    "blocked for more than",
    "table full",
    "hardware error",
    "machine check",
    "not responding",
    "remounting filesystem read-only",
    "kernel panic",
];

pub fn host(row: &Host, now: Moment, limits: &Limits) -> Judgement {
    let mut j = Judgement::default();
    if let Some(v) = &row.vitals {
        work(v, row.identity.cores.max(1), &limits.host, &mut j);
        memory(v, &limits.host, &mut j);
        space(v, &limits.host, &mut j);
        system(v, &limits.host, &mut j);
        kernel(v, now, &mut j);
    }
    if let (Some(h), Some(v)) = (&row.hypervisor, &row.vitals) {
        hypervisor(h, v, row.identity.cores.max(1), &limits.vm, &mut j);
    }
    for denied in &row.denied {
        j.add(Reason::note("host.no-right").with("fact", &denied.fact).with("need", &denied.need));
    }
    j
}

fn above(j: &mut Judgement, value: Option<f64>, steps: Steps, code: &'static str) {
    if let Some(reason) = value.and_then(|v| Reason::above(v, steps.warn, steps.crit, code)) {
        j.add(reason);
    }
}

fn work(v: &Vitals, cores: u32, l: &HostLimits, j: &mut Judgement) {
    // A load by itself says little: it counts only while something waits for a core or for a disk now.
    let waits = v.runnable_tasks > cores || v.blocked_tasks > 0;
    let load = v.load[1] / f64::from(cores);
    if waits && let Some(reason) = Reason::above(load, l.load_per_core.warn, l.load_per_core.crit, "host.load") {
        j.add(reason.with("load", v.load[1]).with("cores", cores).with("runnable", v.runnable_tasks).with("blocked", v.blocked_tasks));
    }
    above(j, v.cpu.map(|c| c.steal_percent), l.steal_percent, "host.steal");
    above(j, v.cpu.map(|c| c.iowait_percent), l.iowait_percent, "host.iowait");
    if let Some(p) = v.pressure {
        above(j, Some(p.cpu_some_avg60_percent), l.cpu_some_avg60_percent, "host.pressure.cpu");
        above(j, Some(p.memory_full_avg10_percent), l.memory_full_avg10_percent, "host.pressure.memory");
        above(j, Some(p.io_full_avg60_percent), l.io_full_avg60_percent, "host.pressure.io");
    }
    if v.blocked_tasks > (cores / 4).max(1) {
        j.add(Reason::warn("host.blocked").with("count", v.blocked_tasks));
    }
    if v.zombie_tasks > MANY_ZOMBIES {
        j.add(Reason::warn("host.zombies").with("count", v.zombie_tasks));
    }
}

fn memory(v: &Vitals, l: &HostLimits, j: &mut Judgement) {
    if v.memory_total_bytes > 0 {
        let used = 100.0 - v.memory_available_bytes as f64 * 100.0 / v.memory_total_bytes as f64;
        if let Some(reason) = Reason::above(used, l.memory_used_percent.warn, l.memory_used_percent.crit, "host.memory") {
            j.add(reason.with("left", Arg::Bytes(v.memory_available_bytes)));
        }
    }
    above(j, v.swap_pages_per_second, l.swap_pages_per_second, "host.swap");
}

fn space(v: &Vitals, l: &HostLimits, j: &mut Judgement) {
    for m in &v.mounts {
        if m.read_only {
            j.add(Reason::crit("host.disk.read-only").with("path", &m.path).with("device", &m.device));
        }
        match m.probe {
            MountProbe::Hung { for_seconds } => {
                j.add(Reason::crit("host.disk.hung").with("path", &m.path).with("device", &m.device).with("for", Arg::Seconds(for_seconds)));
            }
            MountProbe::Answered { used_percent, inodes_used_percent, .. } => {
                for (value, steps, code) in
                    [(used_percent, l.disk_used_percent, "host.disk.full"), (inodes_used_percent, l.inodes_used_percent, "host.disk.inodes")]
                {
                    if let Some(reason) = Reason::above(value, steps.warn, steps.crit, code) {
                        j.add(reason.with("path", &m.path));
                    }
                }
            }
            MountProbe::Pending => {}
        }
    }
}

fn system(v: &Vitals, l: &HostLimits, j: &mut Judgement) {
    if let Some(skew) = v.clock_skew_seconds
        && let Some(reason) =
            Reason::above(skew.abs(), l.clock_skew_seconds.warn, l.clock_skew_seconds.crit, if skew > 0.0 { "host.clock.ahead" } else { "host.clock.behind" })
    {
        j.add(reason);
    }
    above(j, v.conntrack_used_percent, l.conntrack_used_percent, "host.conntrack");
    above(j, v.files_used_percent, l.files_used_percent, "host.files");
    for nic in &v.nics {
        if let Some(errors) = nic.errors_per_second.filter(|e| *e >= NIC_ERRORS) {
            j.add(Reason::warn("host.nic.errors").with("nic", &nic.name).with("value", errors));
        }
    }
    if let Some(units) = v.failed_units.as_deref().filter(|u| !u.is_empty()) {
        j.add(Reason::warn("host.units").with("count", units.len()).with("units", units.join(", ")));
    }
    if v.uptime_seconds > 0 && v.uptime_seconds < l.reboot_seconds {
        j.add(Reason::warn("host.rebooted").with("ago", Arg::Seconds(v.uptime_seconds)));
    }
}

fn kernel(v: &Vitals, now: Moment, j: &mut Judgement) {
    let grave = |text: &str| {
        let text = text.to_lowercase();
        GRAVE.iter().any(|g| text.contains(g))
    };
    let recent: Vec<_> = v.kernel_errors.iter().filter_map(|e| e.at.filter(|at| now.since(*at) < NEWS).map(|at| (at, e))).collect();
    let Some((at, worst)) = recent.iter().rev().find(|(_, e)| grave(&e.text)).or_else(|| recent.last()) else { return };
    let reason = if grave(&worst.text) { Reason::warn("host.kernel") } else { Reason::note("host.kernel") };
    j.add(reason.with("text", &worst.text).with("count", recent.len()));
    let over = at.plus(NEWS);
    j.due = Some(j.due.map_or(over, |d| d.min(over)));
}

fn hypervisor(h: &Hypervisor, v: &Vitals, cores: u32, l: &VmLimits, j: &mut Judgement) {
    let per_thread = f64::from(h.vcpus) / f64::from(cores);
    if let Some(reason) = Reason::above(per_thread, l.vcpus_per_thread.warn, l.vcpus_per_thread.crit, "host.vcpus") {
        j.add(reason.with("vcpus", h.vcpus).with("cores", cores));
    }
    if v.memory_total_bytes > 0 && h.memory_max_bytes as f64 > v.memory_total_bytes as f64 * 0.95 {
        j.add(Reason::warn("host.vm-memory").with("guests", Arg::Bytes(h.memory_max_bytes)).with("host", Arg::Bytes(v.memory_total_bytes)));
    }
    for pool in &h.pools {
        if pool.autostart && !pool.active {
            j.add(Reason::warn("host.pool.inactive").with("pool", &pool.name));
        }
        if pool.active && pool.capacity_bytes > 0 {
            let used = 100.0 - pool.available_bytes as f64 * 100.0 / pool.capacity_bytes as f64;
            if let Some(reason) = Reason::above(used, l.pool_used_percent.warn, l.pool_used_percent.crit, "host.pool.full") {
                j.add(reason.with("pool", &pool.name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::host::{CpuShare, HostIdentity, KernelError, Mount};
    use crate::model::id::Name;
    use crate::model::verdict::Verdict;

    fn row(vitals: Vitals) -> Host {
        Host {
            name: Name::from("kvm-1"),
            address: Name::from("10.0.0.1"),
            groups: Vec::new(),
            identity: HostIdentity { cores: 4, ..HostIdentity::default() },
            vitals: Some(vitals),
            hypervisor: None,
            runtimes: Vec::new(),
            denied: Vec::new(),
        }
    }

    fn judged(vitals: Vitals) -> (Verdict, Vec<&'static str>) {
        let j = host(&row(vitals), Moment::from_seconds(10_000), &Limits::default());
        (j.verdict, j.reasons.iter().map(|r| r.code).collect())
    }

    #[test]
    fn load_counts_only_while_something_waits() {
        let calm = Vitals { load: [20.0, 20.0, 20.0], runnable_tasks: 1, ..Vitals::default() };
        assert_eq!(judged(calm.clone()), (Verdict::Ok, vec![]));
        assert_eq!(judged(Vitals { runnable_tasks: 12, ..calm.clone() }), (Verdict::Crit, vec!["host.load"]));
        assert_eq!(judged(Vitals { blocked_tasks: 1, load: [8.0, 8.0, 8.0], ..calm }), (Verdict::Warn, vec!["host.load"]));
    }

    #[test]
    fn disks_clocks_and_reboots() {
        let mount = |probe, read_only| Mount { path: "/data".into(), device: "/dev/sdb".into(), filesystem: "xfs".into(), read_only, probe };
        let full = MountProbe::Answered { total_bytes: 100, used_bytes: 96, used_percent: 96.0, inodes_used_percent: 86.0 };
        let v = Vitals { mounts: vec![mount(full, false)], ..Vitals::default() };
        assert_eq!(judged(v), (Verdict::Crit, vec!["host.disk.full", "host.disk.inodes"]));
        let v = Vitals { mounts: vec![mount(MountProbe::Hung { for_seconds: 9 }, true)], ..Vitals::default() };
        assert_eq!(judged(v), (Verdict::Crit, vec!["host.disk.read-only", "host.disk.hung"]));
        let v = Vitals { clock_skew_seconds: Some(-0.7), uptime_seconds: 60, ..Vitals::default() };
        assert_eq!(judged(v), (Verdict::Warn, vec!["host.clock.behind", "host.rebooted"]));
        let v = Vitals { cpu: Some(CpuShare { steal_percent: 16.0, iowait_percent: 21.0, ..CpuShare::default() }), ..Vitals::default() };
        assert_eq!(judged(v), (Verdict::Crit, vec!["host.steal", "host.iowait"]));
    }

    #[test]
    fn kernel_errors_are_news_for_a_while_and_say_when_they_end() {
        let error = |at, text: &str| KernelError { at: Some(Moment::from_seconds(at)), text: text.into() };
        let v = Vitals {
            kernel_errors: vec![error(9_900, "Out of memory: Killed process 7"), error(9_950, "usb 1-1: device descriptor read")],
            ..Vitals::default()
        };
        let j = host(&row(v.clone()), Moment::from_seconds(10_000), &Limits::default());
        assert_eq!((j.verdict, j.due), (Verdict::Warn, Some(Moment::from_seconds(10_500))));
        assert_eq!(host(&row(v), Moment::from_seconds(20_000), &Limits::default()).verdict, Verdict::Ok);
    }

    #[test]
    fn overcommit_and_full_pools() {
        let mut r = row(Vitals { memory_total_bytes: 100, memory_available_bytes: 100, ..Vitals::default() });
        let pool = crate::model::host::Pool { name: "p".into(), active: true, autostart: true, capacity_bytes: 100, available_bytes: 3 };
        r.hypervisor = Some(Hypervisor { vcpus: 9, memory_max_bytes: 200, pools: vec![pool], ..Hypervisor::default() });
        let j = host(&r, Moment::default(), &Limits::default());
        assert_eq!(j.reasons.iter().map(|r| r.code).collect::<Vec<_>>(), ["host.vcpus", "host.vm-memory", "host.pool.full"]);
        assert_eq!(j.verdict, Verdict::Crit);
    }
}
