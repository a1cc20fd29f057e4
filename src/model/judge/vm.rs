//! How a guest is: what libvirt says of its state and why, what it waits for.

use crate::base::clock::Moment;
use crate::model::limits::Limits;
use crate::model::reason::{Arg, Reason};
use crate::model::verdict::Judgement;
use crate::model::vm::{Vm, VmState};

/// A thin disk whose file has grown to this share of its size cannot grow much more.
const DISK_FULL: f64 = 99.0;

pub fn vm(row: &Vm, _now: Moment, limits: &Limits) -> Judgement {
    let mut j = Judgement::default();
    match row.state {
        VmState::Running | VmState::Blocked => running(row, limits, &mut j),
        VmState::Paused => j.add(match row.state_reason.as_str() {
            // The image's file system or pool is full, or its disk is gone: the guest stands still until someone acts.
            "I/O error" => Reason::crit("vm.paused.io"),
            "watchdog" | "crashed" | "post-copy failed" => Reason::crit("vm.paused.failed").with("reason", &row.state_reason),
            // Work of libvirt's own that ends by itself.
            "migrating" | "saving" | "dumping" | "creating snapshot" | "starting up" | "shutting down" | "post-copy" => {
                Reason::note("vm.paused").with("reason", &row.state_reason)
            }
            _ => Reason::warn("vm.paused").with("reason", &row.state_reason),
        }),
        VmState::Crashed => j.add(Reason::crit("vm.crashed").with("reason", &row.state_reason)),
        VmState::ShutOff => match row.state_reason.as_str() {
            "crashed" | "failed" => j.add(Reason::crit("vm.off.crashed").with("reason", &row.state_reason)),
            reason if row.autostart => j.add(Reason::warn("vm.off.autostart").with("reason", reason)),
            reason => return Judgement::off(Reason::new(crate::model::verdict::Verdict::Off, "vm.off").with("reason", reason)),
        },
        VmState::ShuttingDown => j.add(Reason::note("vm.shutting-down")),
        VmState::Suspended => j.add(Reason::warn("vm.suspended")),
        VmState::NoState => j.add(Reason::unknown("vm.no-state")),
    }
    j
}

fn running(row: &Vm, limits: &Limits, j: &mut Judgement) {
    let l = &limits.vm;
    if row.state_reason == "crashed" {
        j.add(Reason::crit("vm.crashed").with("reason", &row.state_reason));
    }
    if let Some(reason) = row.steal_percent.and_then(|v| Reason::above(v, l.steal_percent.warn, l.steal_percent.crit, "vm.steal")) {
        j.add(reason);
    }
    let latency = row.disk_latency_seconds.map(|s| s * 1000.0);
    if let Some(reason) = latency.and_then(|v| Reason::above(v, l.disk_latency_seconds.warn * 1000.0, l.disk_latency_seconds.crit * 1000.0, "vm.disk.slow")) {
        j.add(reason);
    }
    for disk in &row.disks {
        if disk.capacity_bytes > 0
            && disk.allocation_bytes > disk.capacity_bytes
            && disk.allocation_bytes as f64 * 100.0 / disk.capacity_bytes as f64 > DISK_FULL + 10.0
        {
            // Snapshots inside the image make it outgrow the disk it holds.
            j.add(Reason::note("vm.disk.outgrown").with("disk", &disk.target).with("bytes", Arg::Bytes(disk.allocation_bytes)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{Name, Uid};
    use crate::model::verdict::Verdict;

    fn row(state: VmState, reason: &str) -> Vm {
        Vm {
            host: Name::from("kvm-1"),
            name: Name::from("m1"),
            uuid: Uid(1),
            state,
            state_reason: reason.into(),
            autostart: false,
            persistent: true,
            vcpus: 2,
            cpu_percent: None,
            steal_percent: None,
            memory_max_bytes: 0,
            memory_used_bytes: None,
            disks: Vec::new(),
            disk_read_bytes_per_second: None,
            disk_write_bytes_per_second: None,
            disk_latency_seconds: None,
            net_received_bytes_per_second: None,
            net_sent_bytes_per_second: None,
            macs: Vec::new(),
            addresses: Vec::new(),
        }
    }

    #[test]
    fn states_and_reasons() {
        let v = |vm: &Vm| super::vm(vm, Moment::default(), &Limits::default()).verdict;
        assert_eq!(v(&row(VmState::Running, "booted")), Verdict::Ok);
        assert_eq!(v(&row(VmState::Paused, "I/O error")), Verdict::Crit);
        assert_eq!((v(&row(VmState::Paused, "user")), v(&row(VmState::Paused, "saving"))), (Verdict::Warn, Verdict::Ok));
        assert_eq!((v(&row(VmState::ShutOff, "shutdown")), v(&row(VmState::ShutOff, "crashed"))), (Verdict::Off, Verdict::Crit));
        assert_eq!(v(&Vm { autostart: true, ..row(VmState::ShutOff, "destroyed") }), Verdict::Warn);
        assert_eq!((v(&row(VmState::NoState, "unknown")), v(&row(VmState::Crashed, "panicked"))), (Verdict::Unknown, Verdict::Crit));
    }

    #[test]
    fn unknown_steal_is_not_zero_and_high_steal_is_named() {
        let mut vm = row(VmState::Running, "booted");
        assert!(super::vm(&vm, Moment::default(), &Limits::default()).reasons.is_empty());
        (vm.steal_percent, vm.disk_latency_seconds) = (Some(21.0), Some(0.03));
        let j = super::vm(&vm, Moment::default(), &Limits::default());
        assert_eq!(j.reasons.iter().map(|r| (r.code, r.verdict)).collect::<Vec<_>>(), [("vm.steal", Verdict::Crit), ("vm.disk.slow", Verdict::Warn)]);
    }
}
