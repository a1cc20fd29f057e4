//! How a node is: what its kubelet says, and whether it says anything.

use std::time::Duration;

use crate::base::clock::Moment;
use crate::model::limits::Limits;
use crate::model::node::{Node, NodeCondition, Readiness};
use crate::model::reason::{Arg, Reason};
use crate::model::verdict::Judgement;

/// A node that has just joined is given this long to become ready.
const JOINING: Duration = Duration::from_mins(2);

pub fn node(row: &Node, now: Moment, limits: &Limits) -> Judgement {
    let mut j = Judgement::default();
    let ready = row.conditions.iter().find(|c| &*c.name == "Ready");
    let since = ready.and_then(|c| c.since);
    let for_seconds = |reason: Reason| match since {
        Some(since) => reason.with("for", Arg::Seconds(now.since(since).as_secs())),
        None => reason,
    };
    let said = |reason: Reason| reason.with("message", ready.map_or("", |c| c.message.as_ref()));
    match row.ready {
        Readiness::True => {}
        Readiness::False => {
            let joined = row.created_at.unwrap_or_default();
            let not_ready = for_seconds(said(Reason::crit("node.not-ready")));
            if now.since(joined) < JOINING {
                j.add(Reason::warn("node.joining"));
                j.after(now, joined, JOINING, not_ready);
            } else {
                j.add(not_ready);
            }
        }
        Readiness::Unknown => j.add(for_seconds(Reason::crit("node.silent"))),
    }
    // The controller says Unknown itself after the same time; a cluster whose controller-manager is gone never does.
    if row.ready != Readiness::Unknown
        && let Some(renewed) = row.lease_renewed_at
    {
        let reason = Reason::crit("node.lease").with("age", Arg::Seconds(now.since(renewed).as_secs()));
        j.after(now, renewed, Duration::from_secs(limits.cluster.node_lease_seconds), reason);
    }
    for condition in &row.conditions {
        if let Some(reason) = condition_reason(condition) {
            j.add(reason);
        }
    }
    if row.cordoned {
        j.add(Reason::warn("node.cordoned"));
    }
    // Those of the control plane and of the node's own conditions say nothing new.
    for taint in row.taints.iter().filter(|t| !is_expected(t)) {
        j.add(Reason::note("node.taint").with("taint", taint));
    }
    j
}

fn is_expected(taint: &str) -> bool {
    ["node.kubernetes.io/", "node-role.kubernetes.io/", "node.cloudprovider.kubernetes.io/"].iter().any(|prefix| taint.starts_with(prefix))
}

fn condition_reason(condition: &NodeCondition) -> Option<Reason> {
    if condition.status != Readiness::True || &*condition.name == "Ready" {
        return None;
    }
    let reason = match &*condition.name {
        "MemoryPressure" => Reason::crit("node.memory-pressure"),
        "DiskPressure" => Reason::crit("node.disk-pressure"),
        "PIDPressure" => Reason::crit("node.pid-pressure"),
        "NetworkUnavailable" => Reason::crit("node.network-unavailable"),
        // What node-problem-detector and vendors add is true when something is wrong.
        _ => Reason::warn("node.condition").with("condition", &condition.name),
    };
    Some(reason.with("message", &condition.message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::Uid;
    use crate::model::node::Resources;
    use crate::model::verdict::Verdict;

    const NOW: Moment = Moment(1_800_000_000_000);

    fn condition(name: &str, status: Readiness) -> NodeCondition {
        NodeCondition { name: name.into(), status, reason: "".into(), message: "".into(), since: Some(NOW.minus(Duration::from_secs(90))) }
    }

    fn row() -> Node {
        Node {
            cluster: "main".into(),
            name: "n1".into(),
            uid: Uid(1),
            created_at: Some(Moment(0)),
            ready: Readiness::True,
            conditions: vec![condition("Ready", Readiness::True), condition("DiskPressure", Readiness::False)],
            lease_renewed_at: Some(NOW),
            cordoned: false,
            taints: vec!["node-role.kubernetes.io/master:NoSchedule".into()],
            roles: Vec::new(),
            addresses: Vec::new(),
            kubelet_version: "".into(),
            runtime: "".into(),
            os_image: "".into(),
            kernel: "".into(),
            system_uuid: None,
            machine_id: None,
            boot_id: None,
            allocatable: Resources::default(),
            usage: None,
        }
    }

    fn judged(change: impl FnOnce(&mut Node)) -> (Verdict, Vec<&'static str>) {
        let mut row = row();
        change(&mut row);
        let j = node(&row, NOW, &Limits::default());
        (j.verdict, j.reasons.iter().map(|r| r.code).collect())
    }

    #[test]
    fn verdicts() {
        assert_eq!(judged(|_| {}), (Verdict::Ok, vec![]));
        assert_eq!(judged(|n| n.ready = Readiness::False), (Verdict::Crit, vec!["node.not-ready"]));
        assert_eq!(judged(|n| n.ready = Readiness::Unknown), (Verdict::Crit, vec!["node.silent"]));
        let joining = judged(|n| {
            n.ready = Readiness::False;
            n.created_at = Some(NOW.minus(Duration::from_secs(5)));
        });
        assert_eq!(joining, (Verdict::Warn, vec!["node.joining"]));
        assert_eq!(judged(|n| n.lease_renewed_at = Some(NOW.minus(Duration::from_secs(41)))), (Verdict::Crit, vec!["node.lease"]));
        assert_eq!(judged(|n| n.conditions[1].status = Readiness::True), (Verdict::Crit, vec!["node.disk-pressure"]));
        assert_eq!(judged(|n| n.conditions.push(condition("KernelDeadlock", Readiness::True))), (Verdict::Warn, vec!["node.condition"]));
        assert_eq!(judged(|n| n.cordoned = true), (Verdict::Warn, vec!["node.cordoned"]));
        assert_eq!(judged(|n| n.taints.push("mysql=only:NoSchedule".into())), (Verdict::Ok, vec!["node.taint"]));
    }

    #[test]
    fn a_lease_says_when_to_look_again() {
        assert_eq!(node(&row(), NOW, &Limits::default()).due, Some(NOW.plus(Duration::from_secs(40))));
    }
}
