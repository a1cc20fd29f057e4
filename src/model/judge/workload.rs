//! How a workload is: has it what it wants, and if not, since when.

use crate::base::clock::Moment;
use crate::model::limits::Limits;
use crate::model::reason::Reason;
use crate::model::verdict::{Judgement, Verdict};
use crate::model::workload::{Workload, WorkloadKind};

pub fn workload(row: &Workload, _now: Moment, _limits: &Limits) -> Judgement {
    let mut j = match row.kind {
        WorkloadKind::Job => return job(row),
        WorkloadKind::CronJob if row.suspended => return Judgement::off(Reason::note("workload.suspended")),
        WorkloadKind::CronJob => return Judgement::default(),
        WorkloadKind::Deployment | WorkloadKind::StatefulSet if row.desired == 0 => return Judgement::off(Reason::note("workload.scaled-to-zero")),
        _ => Judgement::default(),
    };
    if !row.stuck.is_empty() {
        j.add(Reason::crit("workload.stuck").with("reason", &row.stuck).with("message", &row.message));
    }
    if row.available < row.desired {
        // None at all is an outage; some missing is a worry, and the pods behind it say why.
        let verdict = if row.available == 0 { Verdict::Crit } else { Verdict::Warn };
        j.add(Reason::new(verdict, "workload.unavailable").with("available", row.available).with("desired", row.desired));
    }
    if row.misscheduled > 0 {
        j.add(Reason::warn("workload.misscheduled").with("count", row.misscheduled));
    }
    if row.suspended {
        j.add(Reason::note("workload.paused"));
    }
    j
}

fn job(row: &Workload) -> Judgement {
    let mut j = Judgement::default();
    if row.complete {
        return Judgement::off(Reason::note("workload.complete"));
    }
    if !row.stuck.is_empty() {
        j.add(Reason::crit("workload.job-failed").with("reason", &row.stuck).with("message", &row.message));
    } else if row.failed > 0 {
        j.add(Reason::warn("workload.job-retries").with("failed", row.failed));
    } else if row.suspended {
        return Judgement::off(Reason::note("workload.suspended"));
    }
    j
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::Uid;

    fn judged(kind: WorkloadKind, change: impl FnOnce(&mut Workload)) -> (Verdict, Vec<&'static str>) {
        let mut row = Workload {
            cluster: "main".into(),
            namespace: "pro".into(),
            kind,
            name: "cart".into(),
            uid: Uid(1),
            created_at: None,
            desired: 3,
            ready: 3,
            available: 3,
            updated: 3,
            misscheduled: 0,
            failed: 0,
            complete: false,
            suspended: false,
            stuck: "".into(),
            message: String::new(),
        };
        change(&mut row);
        let j = workload(&row, Moment(0), &Limits::default());
        (j.verdict, j.reasons.iter().map(|r| r.code).collect())
    }

    #[test]
    fn verdicts() {
        use WorkloadKind::{CronJob, DaemonSet, Deployment, Job};
        assert_eq!(judged(Deployment, |_| {}), (Verdict::Ok, vec![]));
        assert_eq!(judged(Deployment, |w| w.available = 1), (Verdict::Warn, vec!["workload.unavailable"]));
        assert_eq!(judged(Deployment, |w| w.available = 0), (Verdict::Crit, vec!["workload.unavailable"]));
        assert_eq!(judged(Deployment, |w| w.stuck = "ProgressDeadlineExceeded".into()), (Verdict::Crit, vec!["workload.stuck"]));
        assert_eq!(judged(Deployment, |w| w.desired = 0), (Verdict::Off, vec!["workload.scaled-to-zero"]));
        assert_eq!(judged(DaemonSet, |w| w.misscheduled = 1), (Verdict::Warn, vec!["workload.misscheduled"]));
        assert_eq!(judged(Job, |w| w.available = 0), (Verdict::Ok, vec![]));
        assert_eq!(judged(Job, |w| w.complete = true), (Verdict::Off, vec!["workload.complete"]));
        assert_eq!(judged(Job, |w| w.stuck = "BackoffLimitExceeded".into()), (Verdict::Crit, vec!["workload.job-failed"]));
        assert_eq!(judged(CronJob, |w| w.suspended = true), (Verdict::Off, vec!["workload.suspended"]));
    }
}
