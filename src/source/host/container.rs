//! `docker inspect`, `podman inspect` and `crictl ps` taken apart. Pure.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::Deserialize;

use crate::base::clock::Moment;
use crate::model::container::{Container, ContainerHealth, ContainerState};
use crate::model::id::Name;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspect {
    id: String,
    name: String,
    #[serde(default)]
    restart_count: u32,
    state: State,
    /// docker: the image's name, by our template; podman: its digest, with the name beside it.
    #[serde(default)]
    image: String,
    #[serde(default)]
    image_name: Option<String>,
    #[serde(default)]
    policy: Option<String>,
    #[serde(default)]
    host_config: Option<HostConfig>,
    #[serde(default)]
    ports: Option<Ports>,
    #[serde(default)]
    network_settings: Option<NetworkSettings>,
}

type Ports = BTreeMap<String, Option<Vec<Binding>>>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Binding {
    #[serde(default)]
    host_ip: String,
    #[serde(default)]
    host_port: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    restart_policy: Option<RestartPolicy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RestartPolicy {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    #[serde(default)]
    ports: Option<Ports>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: String,
    #[serde(default, rename = "OOMKilled")]
    oom_killed: bool,
    #[serde(default)]
    exit_code: i32,
    #[serde(default)]
    started_at: String,
    #[serde(default)]
    finished_at: String,
    #[serde(default, alias = "Healthcheck")]
    health: Option<Health>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    #[serde(default)]
    status: String,
}

/// One JSON object a line, or arrays of them. What is no container is passed over.
pub(super) fn inspected(host: &Name, runtime: &Name, text: &str) -> Vec<Container> {
    let mut rows = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>().map_while(Result::ok) {
        let values = match value {
            serde_json::Value::Array(all) => all,
            one => vec![one],
        };
        rows.extend(values.into_iter().filter_map(|v| serde_json::from_value::<Inspect>(v).ok()).filter_map(|i| row(host, runtime, i)));
    }
    rows
}

fn row(host: &Name, runtime: &Name, i: Inspect) -> Option<Container> {
    let name = i.name.trim_start_matches('/');
    // Those that the kubelet started through dockershim are pods; their pane says more of them.
    if name.starts_with("k8s_") {
        return None;
    }
    let policy = i.policy.or_else(|| i.host_config.and_then(|h| h.restart_policy).map(|p| p.name)).unwrap_or_default();
    let state = match i.state.status.as_str() {
        "created" | "configured" | "initialized" => ContainerState::Created,
        "running" => ContainerState::Running,
        "paused" => ContainerState::Paused,
        "restarting" => ContainerState::Restarting,
        "exited" | "stopped" => ContainerState::Exited,
        "dead" | "removing" => ContainerState::Dead,
        _ => ContainerState::Unknown,
    };
    let ended = matches!(state, ContainerState::Exited | ContainerState::Dead | ContainerState::Restarting);
    Some(Container {
        host: host.clone(),
        id: Name::from(i.id.as_str()),
        name: Name::from(name),
        image: Name::from(i.image_name.unwrap_or(i.image)),
        runtime: runtime.clone(),
        state,
        health: i.state.health.and_then(|h| match h.status.as_str() {
            "starting" => Some(ContainerHealth::Starting),
            "healthy" => Some(ContainerHealth::Healthy),
            "unhealthy" => Some(ContainerHealth::Unhealthy),
            _ => None,
        }),
        exit_code: ended.then_some(i.state.exit_code),
        oom_killed: i.state.oom_killed,
        restarts: i.restart_count,
        restarts_by_itself: !matches!(policy.as_str(), "" | "no"),
        started_at: moment(&i.state.started_at),
        finished_at: moment(&i.state.finished_at),
        ports: ports(i.ports.or_else(|| i.network_settings.and_then(|n| n.ports)).unwrap_or_default()),
    })
}

/// "Never" is the year 1 in Go.
fn moment(text: &str) -> Option<Moment> {
    Moment::parse(text).filter(|m| m.0 > 0)
}

fn ports(all: Ports) -> Vec<String> {
    let mut out = Vec::new();
    for (inside, bindings) in all {
        match bindings.filter(|b| !b.is_empty()) {
            None => out.push(inside),
            Some(bindings) => out.extend(bindings.into_iter().map(|b| {
                let address = if b.host_ip.is_empty() {
                    "0.0.0.0".to_owned()
                } else if b.host_ip.contains(':') {
                    format!("[{}]", b.host_ip)
                } else {
                    b.host_ip
                };
                format!("{address}:{}->{inside}", b.host_port)
            })),
        }
    }
    out
}

#[derive(Deserialize)]
struct CriList {
    #[serde(default)]
    containers: Vec<Cri>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cri {
    id: String,
    metadata: CriMetadata,
    #[serde(default)]
    pod_sandbox_id: String,
    #[serde(default)]
    image: Option<CriImage>,
    #[serde(default)]
    state: String,
    /// Nanoseconds since the epoch, as text.
    #[serde(default)]
    created_at: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct CriMetadata {
    name: String,
    #[serde(default)]
    attempt: u32,
}

#[derive(Deserialize)]
struct CriImage {
    #[serde(default)]
    image: String,
}

/// `crictl ps -a -o json`. `None` where it is none. The kubelet keeps the lives of a container that ended: the latest is the row.
pub(super) fn cri(host: &Name, runtime: &Name, text: &str) -> Option<Vec<Container>> {
    let list: CriList = serde_json::from_str(text).ok()?;
    let mut latest: BTreeMap<(String, String), Cri> = BTreeMap::new();
    for life in list.containers {
        let label = |key: &str| life.labels.get(key).cloned();
        let pod = label("io.kubernetes.pod.uid").or_else(|| label("io.kubernetes.pod.name")).unwrap_or_else(|| life.pod_sandbox_id.clone());
        let born = |c: &Cri| (c.created_at.parse::<i64>().unwrap_or_default(), c.metadata.attempt);
        match latest.entry((pod, life.metadata.name.clone())) {
            Entry::Vacant(free) => drop(free.insert(life)),
            Entry::Occupied(mut known) if born(known.get()) < born(&life) => drop(known.insert(life)),
            Entry::Occupied(_) => {}
        }
    }
    let row = |c: Cri| {
        let pod = c.labels.get("io.kubernetes.pod.name");
        let started = c.created_at.parse::<i64>().ok().filter(|n| *n > 0).map(|n| Moment(n / 1_000_000));
        Container {
            host: host.clone(),
            id: Name::from(c.id.as_str()),
            name: Name::from(pod.map_or_else(|| c.metadata.name.clone(), |p| format!("{p}/{}", c.metadata.name))),
            image: Name::from(c.image.map(|i| i.image).unwrap_or_default()),
            runtime: runtime.clone(),
            state: match c.state.as_str() {
                "CONTAINER_CREATED" => ContainerState::Created,
                "CONTAINER_RUNNING" => ContainerState::Running,
                "CONTAINER_EXITED" => ContainerState::Exited,
                _ => ContainerState::Unknown,
            },
            health: None,
            exit_code: None,
            oom_killed: false,
            restarts: c.metadata.attempt,
            restarts_by_itself: false,
            started_at: started,
            finished_at: None,
            ports: Vec::new(),
        }
    };
    Some(latest.into_values().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::from(text)
    }

    #[test]
    fn docker_lines() {
        let text = r#"{"Id":"abc","Name":"/订单-db","RestartCount":3,"State":{"Status":"restarting","Running":true,"OOMKilled":true,"ExitCode":137,"StartedAt":"2026-11-21T05:00:00.123456789Z","FinishedAt":"2026-11-21T05:01:00Z"},"Image":"mysql:5.7","Policy":"always","Ports":{"3306/tcp":[{"HostIp":"0.0.0.0","HostPort":"3307"},{"HostIp":"::","HostPort":"3307"}],"33060/tcp":null}}
{"Id":"def","Name":"/web","RestartCount":0,"State":{"Status":"running","ExitCode":0,"StartedAt":"2026-11-21T05:00:00Z","FinishedAt":"0001-01-01T00:00:00Z","Health":{"Status":"unhealthy","Log":[]}},"Image":"nginx","Policy":"no","Ports":null}
{"Id":"k","Name":"/k8s_POD_x","State":{"Status":"running"}}"#;
        let rows = inspected(&name("h"), &name("docker"), text);
        assert_eq!(rows.len(), 2);
        assert_eq!(
            (&*rows[0].name, rows[0].state, rows[0].exit_code, rows[0].oom_killed, rows[0].restarts),
            ("订单-db", ContainerState::Restarting, Some(137), true, 3)
        );
        assert_eq!(rows[0].ports, ["0.0.0.0:3307->3306/tcp", "[::]:3307->3306/tcp", "33060/tcp"]);
        assert!(rows[0].restarts_by_itself && !rows[1].restarts_by_itself);
        assert_eq!((rows[1].health, rows[1].finished_at, rows[1].exit_code), (Some(ContainerHealth::Unhealthy), None, None));
    }

    #[test]
    fn podman_arrays_and_crictl() {
        let podman = r#"[{"Id":"p1","Name":"cache","RestartCount":0,"Image":"sha256:00","ImageName":"docker.io/library/redis:7","State":{"Status":"exited","OOMKilled":false,"ExitCode":1,"StartedAt":"2026-11-21T05:00:00+08:00","FinishedAt":"2026-11-21T05:01:00+08:00","Healthcheck":{"Status":""}},"HostConfig":{"RestartPolicy":{"Name":"on-failure"}},"NetworkSettings":{"Ports":{}}}]"#;
        let rows = inspected(&name("h"), &name("podman"), podman);
        assert_eq!(
            (&*rows[0].image, rows[0].state, rows[0].exit_code, rows[0].restarts_by_itself),
            ("docker.io/library/redis:7", ContainerState::Exited, Some(1), true)
        );
        let crictl = r#"{"containers":[{"id":"c1","podSandboxId":"s","metadata":{"name":"etcd","attempt":2},"image":{"image":"sha256:1"},"state":"CONTAINER_RUNNING","createdAt":"1795237079000000000","labels":{"io.kubernetes.pod.name":"etcd-m1"}}]}"#;
        let rows = cri(&name("h"), &name("crictl"), crictl).unwrap();
        assert_eq!((&*rows[0].name, rows[0].restarts, rows[0].started_at), ("etcd-m1/etcd", 2, Some(Moment::from_seconds(1_795_237_079))));
        assert_eq!(cri(&name("h"), &name("crictl"), "FATA[0000]"), None);
    }
}
