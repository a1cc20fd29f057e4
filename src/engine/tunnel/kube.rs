//! Through a cluster: a port-forward to a pod for each connection. Who the members are is asked of the cluster as well. An address
//! that members announce is looked up there: a pod's IP or name, its name in DNS, a service.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::OPEN;
use crate::base::clock::Clock;
use crate::base::text::{clean, percent};
use crate::link::kube::{Api, Failure, NoForward, forward};
use crate::link::tls::Stream;
use crate::model::id::Name;
use crate::port::Meter;
use crate::source::middleware::member::Trouble;
use crate::source::middleware::reach::{Dial, Muster, Seat};

/// How long the API may take for one question.
const ANSWER: Duration = Duration::from_secs(5);

/// Which pods are members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Pick {
    /// Those of a workload or service, or the pod of that name.
    Object {
        kind: Name,
        name: Name,
    },
    Labels(String),
}

pub(in crate::engine) struct ThroughCluster {
    pub api: Arc<Api>,
    pub namespace: Name,
    pub pick: Pick,
    pub clock: Arc<dyn Clock>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct List<T> {
    items: Vec<T>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Pod {
    metadata: Meta,
    spec: PodSpec,
    status: PodStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    name: String,
    deletion_timestamp: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct PodSpec {
    containers: Vec<Container>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Container {
    ports: Vec<ContainerPort>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerPort {
    name: String,
    container_port: u16,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodStatus {
    phase: String,
    #[serde(rename = "podIP")]
    pod_ip: String,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Service {
    metadata: Meta,
    spec: ServiceSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ServiceSpec {
    #[serde(rename = "clusterIP")]
    cluster_ip: String,
    selector: BTreeMap<String, String>,
    ports: Vec<ServicePort>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ServicePort {
    port: u16,
    target_port: Value,
}

impl Pod {
    fn is_ready(&self) -> bool {
        self.metadata.deletion_timestamp.is_none() && self.status.conditions.iter().any(|c| c.kind == "Ready" && c.status == "True")
    }

    /// Will it run again, or has its work ended?
    fn is_over(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }

    fn port(&self, name: &str) -> Option<u16> {
        self.spec.containers.iter().flat_map(|c| &c.ports).find(|p| p.name == name).map(|p| p.container_port)
    }
}

impl Service {
    /// The pod's port behind the service's.
    fn target(&self, port: u16, pod: &Pod) -> u16 {
        let found = self.spec.ports.iter().find(|p| p.port == port).map(|p| &p.target_port);
        match found {
            Some(Value::Number(n)) => n.as_u64().and_then(|n| u16::try_from(n).ok()).unwrap_or(port),
            Some(Value::String(name)) => pod.port(name).unwrap_or(port),
            _ => port,
        }
    }

    fn labels(&self) -> String {
        self.spec.selector.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",")
    }
}

/// A name as the cluster's DNS has it: `redis-0`, `redis-0.redis`, `redis-0.redis.pro.svc.cluster.local`, `redis.pro.svc`.
fn places<'a>(host: &'a str, own: &'a str) -> Vec<(&'a str, &'a str)> {
    let short = host.trim_end_matches('.').split(".svc").next().unwrap_or(host);
    let parts: Vec<&str> = short.split('.').collect();
    match *parts.as_slice() {
        [name] => vec![(name, own)],
        // Either a pod below a service of our own namespace, or a service of another one.
        [name, other] => vec![(name, own), (name, other)],
        [name, _, namespace] => vec![(name, namespace)],
        _ => Vec::new(),
    }
}

impl ThroughCluster {
    fn trouble(&self, text: impl std::fmt::Display) -> Trouble {
        Trouble::unreachable(format!("through cluster {}: {text}", self.api.name))
    }

    fn failed(&self, failure: &Failure) -> Trouble {
        match failure {
            Failure::Status { code: StatusCode::FORBIDDEN, text, .. } => Trouble {
                remedy: format!("Grant get and list of pods and services and create of pods/portforward in the namespace {}.", self.namespace),
                ..self.trouble(text)
            },
            other => self.trouble(other),
        }
    }

    /// `None` where there is no such object.
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Trouble> {
        let meter = Meter::default();
        let (status, body) = self.api.get(path, "application/json", ANSWER, self.clock.now(), &meter).await.map_err(|f| self.failed(&f))?;
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !status.is_success() {
            let text = serde_json::from_slice::<Value>(&body).ok().and_then(|v| v["message"].as_str().map(ToOwned::to_owned)).unwrap_or_default();
            let text = if text.is_empty() { status.to_string() } else { clean(&text).into_owned() };
            return Err(self.failed(&Failure::Status { code: status, text, retry_after: None }));
        }
        serde_json::from_slice(&body).map(Some).map_err(|e| self.trouble(format!("{path}: {e}")))
    }

    async fn pods(&self, namespace: &str, query: &str) -> Result<Vec<Pod>, Trouble> {
        // Whatever the API server remembers will do: it costs etcd nothing.
        let path = format!("/api/v1/namespaces/{}/pods?resourceVersion=0&{query}", percent(namespace));
        Ok(self.get::<List<Pod>>(&path).await?.unwrap_or_default().items)
    }

    async fn labelled(&self, namespace: &str, labels: &str) -> Result<Vec<Pod>, Trouble> {
        self.pods(namespace, &format!("labelSelector={}", percent(labels))).await
    }

    async fn pod(&self, namespace: &str, name: &str) -> Result<Option<Pod>, Trouble> {
        self.get(&format!("/api/v1/namespaces/{}/pods/{}", percent(namespace), percent(name))).await
    }

    async fn picked(&self) -> Result<Vec<Pod>, Trouble> {
        let (kind, name) = match &self.pick {
            Pick::Labels(labels) => return self.labelled(&self.namespace, labels).await,
            Pick::Object { kind, name } => (kind.to_ascii_lowercase(), name),
        };
        let missing = || self.trouble(format!("there is no {kind} {name} in the namespace {}", self.namespace));
        let within = |prefix: &str, plural: &str| format!("{prefix}/namespaces/{}/{plural}/{}", percent(&self.namespace), percent(name));
        let path = match kind.as_str() {
            "pod" | "pods" | "po" => return Ok(vec![self.pod(&self.namespace, name).await?.ok_or_else(missing)?]),
            "service" | "services" | "svc" => {
                let service: Service = self.get(&within("/api/v1", "services")).await?.ok_or_else(missing)?;
                return self.labelled(&self.namespace, &service.labels()).await;
            }
            "statefulset" | "statefulsets" | "sts" => within("/apis/apps/v1", "statefulsets"),
            "deployment" | "deployments" | "deploy" => within("/apis/apps/v1", "deployments"),
            "daemonset" | "daemonsets" | "ds" => within("/apis/apps/v1", "daemonsets"),
            "replicaset" | "replicasets" | "rs" => within("/apis/apps/v1", "replicasets"),
            _ => {
                return Err(Trouble {
                    remedy: "Write pod, service, statefulset, deployment, daemonset or replicaset, or ?selector=LABELS.".to_owned(),
                    ..self.trouble(format!("members of a {kind} are not known"))
                });
            }
        };
        let object: crate::source::kube::Selecting = self.get(&path).await?.ok_or_else(missing)?;
        self.labelled(&self.namespace, &object.selector()).await
    }

    /// The pod and its port behind an address.
    async fn find(&self, host: &str, port: u16) -> Result<(String, String, u16), Trouble> {
        let found = |namespace: &str, pod: &Pod, port: u16| (namespace.to_owned(), pod.metadata.name.clone(), port);
        if let Ok(ip) = host.parse::<IpAddr>() {
            let pods = self.pods(&self.namespace, &format!("fieldSelector={}", percent(format!("status.podIP={ip}")))).await?;
            // Pods of a host's own network share its address.
            let alive = || pods.iter().filter(|p| !p.is_over());
            let named = |p: &&Pod| p.spec.containers.iter().flat_map(|c| &c.ports).any(|c| c.container_port == port);
            if let Some(pod) = alive().find(named).or_else(|| alive().next()) {
                return Ok(found(&self.namespace, pod, port));
            }
            let path = format!("/api/v1/namespaces/{}/services", percent(&self.namespace));
            let services = self.get::<List<Service>>(&path).await?.unwrap_or_default().items;
            if let Some(service) = services.iter().find(|s| s.spec.cluster_ip == host) {
                return self.behind(&self.namespace, service, port).await;
            }
            return Err(self.trouble(format!("no pod and no service of the namespace {} has the address {host}", self.namespace)));
        }
        for (name, namespace) in places(host, &self.namespace) {
            if let Some(pod) = self.pod(namespace, name).await? {
                return Ok(found(namespace, &pod, port));
            }
            let path = format!("/api/v1/namespaces/{}/services/{}", percent(namespace), percent(name));
            if let Some(service) = self.get::<Service>(&path).await? {
                return self.behind(namespace, &service, port).await;
            }
        }
        Err(self.trouble(format!("{host} is no pod and no service there")))
    }

    async fn behind(&self, namespace: &str, service: &Service, port: u16) -> Result<(String, String, u16), Trouble> {
        let pods = self.labelled(namespace, &service.labels()).await?;
        let pod = pods.iter().find(|p| p.is_ready());
        let pod = pod.ok_or_else(|| self.trouble(format!("no pod of the service {} is ready", service.metadata.name)))?;
        Ok((namespace.to_owned(), pod.metadata.name.clone(), service.target(port, pod)))
    }

    async fn open(&self, host: &str, port: u16) -> Result<Box<dyn Stream>, Trouble> {
        let (namespace, pod, port) = self.find(host, port).await?;
        let connection = self.api.connection(self.clock.now()).await.map_err(|e| self.trouble(e.text))?;
        match tokio::time::timeout(OPEN, forward(&connection.client, &namespace, &pod, port)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(NoForward::NoRight(text))) => Err(Trouble {
                remedy: format!("Grant get and create of pods/portforward in the namespace {namespace}."),
                ..self.trouble(format!("pod {pod}: {text}"))
            }),
            Ok(Err(other)) => Err(self.trouble(format!("pod {pod}, port {port}: {other}"))),
            Err(_) => Err(self.trouble(format!("pod {pod}: no port-forward within {} s", OPEN.as_secs()))),
        }
    }
}

impl Dial for ThroughCluster {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Stream>, Trouble>> {
        Box::pin(self.open(host, port))
    }

    fn muster(&self) -> Option<BoxFuture<'_, Result<Muster, Trouble>>> {
        Some(Box::pin(async {
            let pods = self.picked().await?;
            let seat = |p: &Pod| Seat { name: p.metadata.name.clone(), host: p.status.pod_ip.clone(), ready: p.is_ready() };
            Ok(Muster { seats: pods.iter().filter(|p| !p.is_over()).map(seat).collect() })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_clusters_dns() {
        assert_eq!(places("redis-0", "pro"), [("redis-0", "pro")]);
        assert_eq!(places("redis-0.redis", "pro"), [("redis-0", "pro"), ("redis-0", "redis")]);
        assert_eq!(places("redis.data.svc", "pro"), [("redis", "pro"), ("redis", "data")]);
        assert_eq!(places("redis-0.redis.data.svc.cluster.local.", "pro"), [("redis-0", "data")]);
    }

    #[test]
    fn a_services_port_by_number_and_by_name() {
        let service: Service =
            serde_json::from_str(r#"{"spec":{"ports":[{"port":6379,"targetPort":"data"},{"port":80,"targetPort":8080},{"port":5}]}}"#).unwrap();
        let pod: Pod = serde_json::from_str(r#"{"spec":{"containers":[{"ports":[{"name":"data","containerPort":7000}]}]}}"#).unwrap();
        assert_eq!([6379, 80, 5, 9].map(|p| service.target(p, &pod)), [7000, 8080, 5, 9]);
    }
}
