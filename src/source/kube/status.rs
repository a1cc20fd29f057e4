//! The STATUS column of `kubectl get pods`, by the rules of the server's own printer (`printPod` of
//! `pkg/printers/internalversion`), so that the cockpit and kubectl never disagree about a pod.

use std::borrow::Cow;

use super::object::{Container, ContainerStatus, Pod};

/// What the printer makes of a pod.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Printed<'a> {
    pub(super) status: Cow<'a, str>,
    pub(super) ready: u16,
    pub(super) containers: u16,
    pub(super) restarts: u32,
}

/// A sidecar: an init container that keeps running.
pub(super) fn is_sidecar(container: &Container) -> bool {
    container.restart_policy == "Always"
}

fn count(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

pub(super) fn printed(pod: &Pod) -> Printed<'_> {
    let status = &pod.status;
    let mut containers = pod.spec.containers.len();
    let mut ready = 0_usize;
    let mut restarts = 0_u32;
    let mut sidecar_restarts = 0_u32;
    let mut reason: Cow<'_, str> = if status.reason.is_empty() { status.phase.as_str().into() } else { status.reason.as_str().into() };
    if status.conditions.iter().any(|c| c.r#type == "PodScheduled" && c.reason == "SchedulingGated") {
        reason = "SchedulingGated".into();
    }
    containers += pod.spec.init_containers.iter().filter(|c| is_sidecar(c)).count();

    let mut initializing = false;
    for (i, container) in status.init_container_statuses.iter().enumerate() {
        let sidecar = pod.spec.init_containers.iter().any(|c| c.name == container.name && is_sidecar(c));
        let restarted = u32::try_from(container.restart_count).unwrap_or(0);
        restarts = restarts.saturating_add(restarted);
        if sidecar {
            sidecar_restarts = sidecar_restarts.saturating_add(restarted);
        }
        match init_reason(container, sidecar, i, pod.spec.init_containers.len()) {
            Init::Done => {}
            Init::Sidecar => ready += usize::from(container.ready),
            Init::Waits(text) => {
                reason = text;
                initializing = true;
                break;
            }
        }
    }

    if !initializing || status.conditions.iter().any(|c| c.r#type == "Initialized" && c.status == "True") {
        restarts = sidecar_restarts;
        let mut running = false;
        for container in status.container_statuses.iter().rev() {
            restarts = restarts.saturating_add(u32::try_from(container.restart_count).unwrap_or(0));
            let state = &container.state;
            match (&state.waiting, &state.terminated) {
                (Some(waiting), _) if !waiting.reason.is_empty() => reason = waiting.reason.as_str().into(),
                (_, Some(ended)) => reason = ended_reason(ended.signal, ended.exit_code, &ended.reason, ""),
                _ if container.ready && state.running.is_some() => {
                    running = true;
                    ready += 1;
                }
                _ => {}
            }
        }
        if reason == "Completed" && running {
            let is_ready = status.conditions.iter().any(|c| c.r#type == "Ready" && c.status == "True");
            reason = if is_ready { "Running".into() } else { "NotReady".into() };
        }
    }

    if pod.metadata.deletion_timestamp.is_some() {
        if status.reason == "NodeLost" {
            reason = "Unknown".into();
        } else if !matches!(status.phase.as_str(), "Succeeded" | "Failed") {
            reason = "Terminating".into();
        }
    }
    Printed { status: reason, ready: count(ready), containers: count(containers), restarts }
}

enum Init<'a> {
    Done,
    Sidecar,
    Waits(Cow<'a, str>),
}

fn init_reason(container: &ContainerStatus, sidecar: bool, i: usize, all: usize) -> Init<'_> {
    let state = &container.state;
    match (&state.terminated, &state.waiting) {
        (Some(ended), _) if ended.exit_code == 0 => Init::Done,
        _ if sidecar && container.started == Some(true) => Init::Sidecar,
        (Some(ended), _) => Init::Waits(ended_reason(ended.signal, ended.exit_code, &ended.reason, "Init:")),
        (None, Some(waiting)) if !waiting.reason.is_empty() && waiting.reason != "PodInitializing" => Init::Waits(format!("Init:{}", waiting.reason).into()),
        _ => Init::Waits(format!("Init:{i}/{all}").into()),
    }
}

fn ended_reason<'a>(signal: i32, code: i32, reason: &'a str, prefix: &str) -> Cow<'a, str> {
    match (reason.is_empty(), signal != 0) {
        (false, _) if prefix.is_empty() => reason.into(),
        (false, _) => format!("{prefix}{reason}").into(),
        (true, true) => format!("{prefix}Signal:{signal}").into(),
        (true, false) => format!("{prefix}ExitCode:{code}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(json: &str) -> Pod {
        serde_json::from_str(json).unwrap()
    }

    fn row(json: &str) -> String {
        let pod = pod(json);
        let p = printed(&pod);
        format!("{} {}/{} {}", p.status, p.ready, p.containers, p.restarts)
    }

    #[test]
    fn as_kubectl_prints_them() {
        let table = [
            (
                r#"{"spec":{"containers":[{},{}]},"status":{"phase":"Running","containerStatuses":[{"ready":true,"restartCount":3,"state":{"running":{}}},{"restartCount":3,"state":{"running":{}}}]}}"#,
                "Running 1/2 6",
            ),
            (
                r#"{"spec":{"containers":[{},{}]},"status":{"phase":"Running","containerStatuses":[{"ready":true,"restartCount":3,"state":{"running":{}}},{"restartCount":3,"state":{"waiting":{"reason":"ContainerWaiting"}}}]}}"#,
                "ContainerWaiting 1/2 6",
            ),
            (r#"{"spec":{"containers":[{}]},"status":{"phase":"Failed","reason":"Evicted","message":"low"}}"#, "Evicted 0/1 0"),
            (
                r#"{"spec":{"containers":[{}]},"status":{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"SchedulingGated"}]}}"#,
                "SchedulingGated 0/1 0",
            ),
            (r#"{"spec":{"containers":[{}]},"status":{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":1}}}]}}"#, "ExitCode:1 0/1 0"),
            (
                r#"{"spec":{"containers":[{}]},"status":{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":137,"signal":9}}}]}}"#,
                "Signal:9 0/1 0",
            ),
            (
                r#"{"spec":{"containers":[{}]},"status":{"phase":"Running","containerStatuses":[{"state":{"terminated":{"exitCode":137,"reason":"OOMKilled"}}}]}}"#,
                "OOMKilled 0/1 0",
            ),
            (
                r#"{"spec":{"initContainers":[{"name":"a"},{"name":"b"}],"containers":[{}]},"status":{"phase":"Pending","initContainerStatuses":[{"name":"a","state":{"terminated":{"exitCode":0}}},{"name":"b","restartCount":2,"state":{"running":{}}}]}}"#,
                "Init:1/2 0/1 2",
            ),
            (
                r#"{"spec":{"initContainers":[{"name":"a"}],"containers":[{}]},"status":{"phase":"Pending","initContainerStatuses":[{"name":"a","restartCount":4,"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}}"#,
                "Init:CrashLoopBackOff 0/1 4",
            ),
            (
                r#"{"spec":{"initContainers":[{"name":"a"}],"containers":[{}]},"status":{"phase":"Pending","initContainerStatuses":[{"name":"a","state":{"waiting":{"reason":"PodInitializing"}}}]}}"#,
                "Init:0/1 0/1 0",
            ),
            (
                r#"{"spec":{"initContainers":[{"name":"a"}],"containers":[{}]},"status":{"phase":"Failed","initContainerStatuses":[{"name":"a","state":{"terminated":{"exitCode":2}}}]}}"#,
                "Init:ExitCode:2 0/1 0",
            ),
            (
                r#"{"spec":{"initContainers":[{"name":"a"}],"containers":[{}]},"status":{"phase":"Failed","initContainerStatuses":[{"name":"a","state":{"terminated":{"exitCode":2,"signal":15}}}]}}"#,
                "Init:Signal:15 0/1 0",
            ),
            (
                r#"{"spec":{"initContainers":[{"name":"a"}],"containers":[{}]},"status":{"phase":"Failed","initContainerStatuses":[{"name":"a","state":{"terminated":{"exitCode":2,"reason":"Error"}}}]}}"#,
                "Init:Error 0/1 0",
            ),
            // A sidecar that runs counts as a container; one that has not started holds the pod up.
            (
                r#"{"spec":{"initContainers":[{"name":"s","restartPolicy":"Always"}],"containers":[{}]},"status":{"phase":"Running","initContainerStatuses":[{"name":"s","started":true,"ready":true,"restartCount":1,"state":{"running":{}}}],"containerStatuses":[{"ready":true,"restartCount":1,"state":{"running":{}}}]}}"#,
                "Running 2/2 2",
            ),
            (
                r#"{"spec":{"initContainers":[{"name":"s","restartPolicy":"Always"}],"containers":[{}]},"status":{"phase":"Pending","initContainerStatuses":[{"name":"s","started":false,"state":{"running":{}}}]}}"#,
                "Init:0/1 0/2 0",
            ),
            (
                r#"{"spec":{"containers":[{},{}]},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],"containerStatuses":[{"state":{"terminated":{"exitCode":0,"reason":"Completed"}}},{"ready":true,"state":{"running":{}}}]}}"#,
                "Running 1/2 0",
            ),
            (
                r#"{"spec":{"containers":[{},{}]},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"False"}],"containerStatuses":[{"state":{"terminated":{"exitCode":0,"reason":"Completed"}}},{"ready":true,"state":{"running":{}}}]}}"#,
                "NotReady 1/2 0",
            ),
            (
                r#"{"spec":{"containers":[{}]},"status":{"phase":"Succeeded","containerStatuses":[{"state":{"terminated":{"exitCode":0,"reason":"Completed"}}}]}}"#,
                "Completed 0/1 0",
            ),
            (
                r#"{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"},"spec":{"containers":[{}]},"status":{"phase":"Running","reason":"NodeLost"}}"#,
                "Unknown 0/1 0",
            ),
            (
                r#"{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"},"spec":{"containers":[{}]},"status":{"phase":"Running","containerStatuses":[{"ready":true,"state":{"running":{}}}]}}"#,
                "Terminating 1/1 0",
            ),
            (
                r#"{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"},"spec":{"containers":[{}]},"status":{"phase":"Succeeded","containerStatuses":[{"state":{"terminated":{"exitCode":0,"reason":"Completed"}}}]}}"#,
                "Completed 0/1 0",
            ),
        ];
        for (json, wanted) in table {
            assert_eq!(row(json), wanted, "{json}");
        }
    }
}
