//! How a pod is, by the word that kubectl has for it and how long it has been so.

use std::time::Duration;

use super::unschedulable;
use crate::base::clock::Moment;
use crate::model::limits::{Limits, PodLimits};
use crate::model::pod::{Pod, Trouble};
use crate::model::reason::{Arg, Reason};
use crate::model::verdict::Judgement;

/// An eviction longer ago is history: the pod is only left to be read.
const EVICTED: Duration = Duration::from_hours(1);
/// A container that ended so lately and has been started again is restarting.
const RESTARTED: Duration = Duration::from_mins(10);

pub fn pod(row: &Pod, now: Moment, limits: &Limits) -> Judgement {
    let limits = &limits.pod;
    let since = row.since.unwrap_or(row.created_at);
    let trouble = row.trouble.as_deref();
    let seconds = Duration::from_secs;
    let mut j = Judgement::default();
    let status = row.status.strip_prefix("Init:").unwrap_or(&row.status);
    match status {
        "Completed" | "Succeeded" => return Judgement::off(Reason::note("pod.completed")),
        "Running" | "NotReady" => {
            if row.ready < row.containers {
                let reason = Reason::warn("pod.not-ready").with("ready", i32::from(row.ready)).with("containers", i32::from(row.containers));
                j.after(now, since, seconds(limits.not_ready_seconds), reason);
            }
        }
        "Pending" => pending(&mut j, row, now, limits),
        "ContainerCreating" | "PodInitializing" => {
            j.after(now, since, seconds(limits.creating_seconds), Reason::warn("pod.creating").with("message", message(trouble)));
        }
        "Terminating" => {
            let end = row.deleting_at.unwrap_or(now);
            let reason = Reason::crit("pod.terminating").with("for", Arg::Seconds(now.since(end).as_secs()));
            j.after(now, end, seconds(limits.terminating_seconds), reason);
        }
        "SchedulingGated" => j.add(Reason::note("pod.gated")),
        "Evicted" => evicted(&mut j, row, now, since),
        "CrashLoopBackOff" => j.add(crash_loop(row, trouble)),
        "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull" | "ImageInspectError" | "RegistryUnavailable" => {
            j.add(detailed("pod.image", row, trouble));
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" | "ContainerCannotRun" => j.add(detailed("pod.cannot-start", row, trouble)),
        // An out-of-memory kill is told below, once.
        "OOMKilled" if oom_recent(trouble, now, limits).is_some() => {}
        "OOMKilled" => j.add(detailed("pod.oom", row, trouble)),
        "Unknown" | "NodeLost" => j.add(Reason::crit("pod.node-lost").with("node", row.node.as_deref().unwrap_or_default())),
        // `Init:1/3`: that many of its init containers are done.
        _ if row.status.len() != status.len() && status.contains('/') => {
            j.after(now, since, seconds(limits.init_seconds), Reason::warn("pod.init").with("done", status));
        }
        // Error, Failed, ExitCode:n, Signal:n, DeadlineExceeded and what newer versions invent.
        _ => j.add(detailed("pod.failed", row, trouble).with("status", &row.status)),
    }
    if let Some(at) = oom_recent(trouble, now, limits) {
        j.add(Reason::crit("pod.oom").with("container", container(trouble)).with("restarts", row.restarts).with("ago", Arg::Seconds(now.since(at).as_secs())));
        look_again(&mut j, now, at.plus(seconds(limits.oom_seconds)));
    } else if status == "Running"
        && row.restarts >= 3
        && let Some(at) = trouble.and_then(|t| t.last_finished_at).filter(|at| now.since(*at) < RESTARTED)
    {
        j.add(with_exit(Reason::warn("pod.restarting").with("restarts", row.restarts).with("container", container(trouble)), trouble));
        look_again(&mut j, now, at.plus(RESTARTED));
    }
    j
}

/// A reason that ends by itself is judged again when it does.
fn look_again(j: &mut Judgement, now: Moment, at: Moment) {
    if at > now {
        j.due = Some(j.due.map_or(at, |due| due.min(at)));
    }
}

fn oom_recent(trouble: Option<&Trouble>, now: Moment, limits: &PodLimits) -> Option<Moment> {
    let trouble = trouble.filter(|t| t.last_reason == "OOMKilled")?;
    trouble.last_finished_at.filter(|at| now.since(*at) < Duration::from_secs(limits.oom_seconds))
}

fn container(trouble: Option<&Trouble>) -> &str {
    trouble.map_or("", |t| t.container.as_str())
}

fn message(trouble: Option<&Trouble>) -> &str {
    trouble.map_or("", |t| &*t.message)
}

/// The exit code, and what it usually means.
fn with_exit(reason: Reason, trouble: Option<&Trouble>) -> Reason {
    let Some(code) = trouble.and_then(|t| t.exit_code) else { return reason };
    reason.with("exit", code).with("last", trouble.map_or("", |t| t.last_reason.as_str()))
}

fn detailed(code: &'static str, row: &Pod, trouble: Option<&Trouble>) -> Reason {
    let reason = Reason::crit(code).with("container", container(trouble)).with("message", message(trouble)).with("restarts", row.restarts);
    with_exit(reason, trouble)
}

fn crash_loop(row: &Pod, trouble: Option<&Trouble>) -> Reason {
    let code = match trouble.and_then(|t| t.exit_code) {
        Some(126 | 127) => "pod.crash-loop.command",
        Some(137) => "pod.crash-loop.killed",
        Some(139) => "pod.crash-loop.segfault",
        Some(143) => "pod.crash-loop.terminated",
        Some(_) => "pod.crash-loop.exit",
        None => "pod.crash-loop",
    };
    detailed(code, row, trouble)
}

fn pending(j: &mut Judgement, row: &Pod, now: Moment, limits: &PodLimits) {
    let since = row.created_at;
    let after = Duration::from_secs(limits.pending_seconds);
    let text = message(row.trouble.as_deref());
    if row.node.is_some() {
        // Scheduled, and the kubelet has not taken it up.
        j.after(now, row.since.unwrap_or(since), Duration::from_secs(limits.creating_seconds), Reason::warn("pod.not-started"));
        return;
    }
    let reasons = unschedulable::reasons(text);
    if reasons.is_empty() {
        j.after(now, since, after, Reason::crit("pod.pending").with("message", text));
    }
    for reason in reasons {
        j.after(now, since, after, reason);
    }
}

fn evicted(j: &mut Judgement, row: &Pod, now: Moment, since: Moment) {
    let text = message(row.trouble.as_deref());
    if now.since(since) < EVICTED {
        j.add(Reason::crit("pod.evicted").with("message", text));
        look_again(j, now, since.plus(EVICTED));
    } else {
        *j = Judgement::off(Reason::note("pod.evicted").with("message", text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::Uid;
    use crate::model::verdict::Verdict;

    const NOW: Moment = Moment(1_800_000_000_000);

    fn ago(seconds: u64) -> Moment {
        NOW.minus(Duration::from_secs(seconds))
    }

    fn row(status: &str) -> Pod {
        Pod {
            cluster: "main".into(),
            namespace: "pro".into(),
            name: "cart-1".into(),
            uid: Uid(1),
            node: Some("n1".into()),
            status: status.into(),
            ready: 1,
            containers: 1,
            restarts: 0,
            created_at: ago(7200),
            deleting_at: None,
            since: Some(ago(7000)),
            owner: None,
            cpu_request_millicores: 0,
            memory_request_bytes: 0,
            ip: None,
            trouble: None,
        }
    }

    fn judged(status: &str, change: impl FnOnce(&mut Pod)) -> (Verdict, Vec<&'static str>) {
        let mut row = row(status);
        change(&mut row);
        let j = pod(&row, NOW, &Limits::default());
        (j.verdict, j.reasons.iter().map(|r| r.code).collect())
    }

    #[allow(clippy::unnecessary_wraps, reason = "it stands where a row has an option")]
    fn trouble(change: impl FnOnce(&mut Trouble)) -> Option<Box<Trouble>> {
        let mut trouble = Trouble { container: "app".into(), ..Trouble::default() };
        change(&mut trouble);
        Some(Box::new(trouble))
    }

    #[test]
    fn verdicts_by_status() {
        assert_eq!(judged("Running", |_| {}), (Verdict::Ok, vec![]));
        assert_eq!(judged("Running", |p| p.ready = 0), (Verdict::Warn, vec!["pod.not-ready"]));
        assert_eq!(judged("Completed", |_| {}).0, Verdict::Off);
        assert_eq!(judged("CrashLoopBackOff", |p| p.trouble = trouble(|t| t.exit_code = Some(1))), (Verdict::Crit, vec!["pod.crash-loop.exit"]));
        assert_eq!(judged("Init:CrashLoopBackOff", |_| {}), (Verdict::Crit, vec!["pod.crash-loop"]));
        assert_eq!(judged("Init:ImagePullBackOff", |_| {}), (Verdict::Crit, vec!["pod.image"]));
        assert_eq!(judged("CreateContainerConfigError", |_| {}), (Verdict::Crit, vec!["pod.cannot-start"]));
        assert_eq!(judged("Unknown", |_| {}), (Verdict::Crit, vec!["pod.node-lost"]));
        assert_eq!(judged("Error", |_| {}), (Verdict::Crit, vec!["pod.failed"]));
        assert_eq!(judged("ExitCode:3", |_| {}), (Verdict::Crit, vec!["pod.failed"]));
        assert_eq!(judged("Init:1/3", |_| {}), (Verdict::Warn, vec!["pod.init"]));
        assert_eq!(judged("ContainerCreating", |_| {}), (Verdict::Warn, vec!["pod.creating"]));
        assert_eq!(judged("Terminating", |p| p.deleting_at = Some(ago(61))), (Verdict::Crit, vec!["pod.terminating"]));
        assert_eq!(judged("Evicted", |p| p.since = Some(ago(60))), (Verdict::Crit, vec!["pod.evicted"]));
        assert_eq!(judged("Evicted", |_| {}).0, Verdict::Off);
    }

    #[test]
    fn time_decides_and_says_when() {
        let mut young = row("ContainerCreating");
        young.since = Some(ago(20));
        let j = pod(&young, NOW, &Limits::default());
        assert_eq!((j.verdict, j.due), (Verdict::Ok, Some(NOW.plus(Duration::from_secs(100)))));
        let mut waiting = row("Pending");
        (waiting.node, waiting.created_at) = (None, ago(10));
        assert_eq!(pod(&waiting, NOW, &Limits::default()).due, Some(NOW.plus(Duration::from_secs(50))));
    }

    #[test]
    fn an_oom_kill_stays_a_reason_for_an_hour() {
        let killed = |seconds: u64| {
            judged("Running", |p| {
                p.trouble = trouble(|t| {
                    t.last_reason = "OOMKilled".into();
                    t.last_finished_at = Some(ago(seconds));
                });
            })
        };
        assert_eq!(killed(100), (Verdict::Crit, vec!["pod.oom"]));
        assert_eq!(killed(3601), (Verdict::Ok, vec![]));
    }

    #[test]
    fn an_unschedulable_pod_says_what_is_missing() {
        let j = judged("Pending", |p| {
            p.node = None;
            p.trouble =
                trouble(|t| t.message = "0/3 nodes are available: 1 node(s) had taint {a: b}, that the pod didn't tolerate, 2 Insufficient cpu.".into());
        });
        assert_eq!(j, (Verdict::Crit, vec!["pod.unschedulable.taint", "pod.unschedulable.resource"]));
    }
}
