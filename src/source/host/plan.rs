//! What is asked of the sampler at which tick. Cheap counters come with every answer; the rest has its own pace.

use std::collections::BTreeSet;

/// Everything, for the first look.
pub(super) const FIRST: &str = "procs identity arp klog units guests pools docker podman crictl";

/// Ticks between two looks for a program that was not there, and between two readings of who the host is.
const SELDOM: u64 = 60;

/// Which programs the host lacks, and what else decides the questions.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub absent: BTreeSet<String>,
    /// libvirt knows `domstats --nowait`.
    pub nowait: bool,
    /// A running guest lacks steal in libvirt's numbers.
    pub delays: bool,
    /// The question for XML, if any guest is new.
    pub xml: Option<String>,
}

impl Plan {
    /// The line for this tick, counted from 1.
    pub(super) fn line(&self, tick: u64) -> String {
        let seldom = tick.is_multiple_of(SELDOM);
        let due = |program: &str, every: u64| if self.absent.contains(program) { seldom } else { tick.is_multiple_of(every) };
        let guests = if self.nowait { "guests-nowait" } else { "guests" };
        let questions = [
            ("procs", tick.is_multiple_of(3)),
            ("identity", seldom),
            (guests, due("virsh", 1)),
            ("arp", due("virsh", 6)),
            ("pools", due("virsh", 12)),
            ("delays", self.delays),
            ("docker", due("docker", 2)),
            ("podman", due("podman", 2)),
            ("crictl", due("crictl", 2)),
            ("klog", tick % 6 == 2),
            ("units", due("systemd", 6)),
        ];
        let mut line = tick.to_string();
        for (question, _) in questions.iter().filter(|(_, due)| *due) {
            line.push(' ');
            line.push_str(question);
        }
        if let Some(xml) = &self.xml {
            line.push(' ');
            line.push_str(xml);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_programs_are_looked_for_seldom() {
        let mut plan = Plan::default();
        assert_eq!(plan.line(1), "1 guests");
        assert_eq!(plan.line(6), "6 procs guests arp docker podman crictl units");
        plan.absent = ["virsh", "docker", "podman", "crictl", "systemd"].map(str::to_owned).into();
        assert_eq!((plan.line(6).as_str(), plan.line(8).as_str()), ("6 procs", "8 klog"));
        assert!(plan.line(60).contains("guests") && plan.line(60).contains("docker"));
        (plan.nowait, plan.xml, plan.absent) = (true, Some("xml=u".to_owned()), BTreeSet::new());
        assert_eq!(plan.line(1), "1 guests-nowait xml=u");
    }
}
