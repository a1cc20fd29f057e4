//! `metrics.k8s.io`: what nodes and pods use, as metrics-server tells it.

use http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, Refusal, json as answer_json};
use super::stamp;
use crate::lab::Lab;
use crate::lab::world::World;
use crate::lab::world::chance::wander;
use crate::lab::world::kube::node::Node;
use crate::lab::world::kube::pod::Pod;
use crate::lab::world::whole;

pub(super) fn answer(lab: &Lab, path: &str) -> Result<Answer, Refusal> {
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).skip(3).collect();
    lab.with(|w| {
        let is_there = w.kube.pods.values().any(|p| &*p.root == "Deployment/kube-system/metrics-server" && p.is_ready());
        if !is_there {
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "the server is currently unable to handle the request"));
        }
        let missing = |what: &str, name: &str| Refusal::not_found("metrics.k8s.io", what, name);
        let value = match parts.as_slice() {
            ["nodes"] => list("NodeMetrics", &w.kube.nodes.values().filter(|n| !n.is_unknown).map(|n| node(w, n)).collect::<Vec<_>>()),
            ["nodes", name] => w.kube.nodes.get(*name).filter(|n| !n.is_unknown).map(|n| node(w, n)).ok_or_else(|| missing("nodes", name))?,
            ["pods"] => list("PodMetrics", &w.kube.pods.values().filter(|p| p.is_ready()).map(|p| pod(w, p)).collect::<Vec<_>>()),
            ["namespaces", space, "pods"] => {
                list("PodMetrics", &w.kube.pods.values().filter(|p| *p.key.0 == **space && p.is_ready()).map(|p| pod(w, p)).collect::<Vec<_>>())
            }
            ["namespaces", space, "pods", name] => {
                let found = w.kube.pods.get(&crate::lab::world::kube::objects::key(space, name)).filter(|p| p.is_ready());
                found.map(|p| pod(w, p)).ok_or_else(|| missing("pods", name))?
            }
            _ => return Err(Refusal::new(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource")),
        };
        Ok(answer_json(StatusCode::OK, &value))
    })
}

fn list(kind: &str, items: &[Value]) -> Value {
    json!({ "kind": format!("{kind}List"), "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": items })
}

fn node(world: &World, node: &Node) -> Value {
    let machine = world.guests.iter().map(|g| &g.machine).find(|m| m.name == *node.name);
    let (cores, memory) = match machine {
        Some(m) => ((m.cpu.user + m.cpu.system) * f64::from(m.cores), m.memory_bytes - m.available_bytes),
        None => (f64::from(node.cores) * 0.3, node.memory_bytes / 3),
    };
    json!({
        "metadata": { "name": &*node.name, "creationTimestamp": stamp(world.now) }, "timestamp": stamp(world.now), "window": "30s",
        "usage": { "cpu": format!("{}n", whole(cores * 1e9)), "memory": format!("{}Ki", memory / 1024) },
    })
}

fn pod(world: &World, pod: &Pod) -> Value {
    let own = wander(world.seed, &pod.uid, world.scene.as_secs_f64(), 40.0);
    let cpu = pod.cpu_milli.max(20) as f64 * (0.15 + 1.2 * world.load * own);
    let memory = pod.memory_bytes.max(64 << 20) as f64 * (0.55 + 0.2 * own);
    json!({
        "metadata": { "name": &*pod.key.1, "namespace": &*pod.key.0, "creationTimestamp": stamp(world.now) }, "timestamp": stamp(world.now), "window": "30s",
        "containers": [{ "name": pod.containers[0].0, "usage": { "cpu": format!("{}n", whole(cpu * 1e6)), "memory": format!("{}Ki", whole(memory / 1024.0)) } }],
    })
}
