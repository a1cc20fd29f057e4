//! NodePorts: a port of every node that leads to the ready pods of a Service. What answers there is a stand-in that says so; the
//! pods of the demo run no programs.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::lab::Lab;
use crate::lab::edge::{Doorman, Gate};
use crate::lab::http::{self, Answer, Answerer};
use crate::lab::world::World;
use crate::lab::world::kube::kind;

/// `--service-node-port-range`
const RANGE: std::ops::RangeInclusive<u32> = 30_000..=32_767;

/// Namespace and name of the Service that has this NodePort.
fn service(world: &World, port: u32) -> Option<(String, String)> {
    let has = |value: &serde_json::Value| value["spec"]["ports"].as_array().into_iter().flatten().any(|p| p["nodePort"].as_u64() == Some(u64::from(port)));
    let found = world.kube.objects.list(kind::SERVICES, None).into_iter().find(|s| has(&s.value()))?;
    Some((found.key.0.to_string(), found.key.1.to_string()))
}

fn gate(world: &World, node: &str, port: u32) -> Gate {
    let ready = service(world, port).and_then(|(space, name)| {
        let endpoints = world.kube.objects.get(kind::ENDPOINTS, &space, &name)?.value();
        Some(endpoints["subsets"].as_array().into_iter().flatten().any(|s| s["addresses"].as_array().is_some_and(|a| !a.is_empty())))
    });
    Gate::of_machine(world, node).and_runs(ready.unwrap_or(false))
}

/// Where `host:port` listens on loopback, if that is a node and one of its NodePorts. It listens from the first call on.
pub(in crate::lab) async fn open(lab: &Arc<Lab>, host: &str, port: u32) -> Option<SocketAddr> {
    if !RANGE.contains(&port) {
        return None;
    }
    let (node, (_, name)) = lab.with(|w| Some((w.kube.nodes.values().find(|n| n.address == host)?.name.to_string(), service(w, port)?)))?;
    let listener = lab.listen(&[&format!("{host}:{port}")]).await.ok()?;
    let address = listener.local_addr().ok()?;
    let doorman: Doorman = Arc::new(move |world| gate(world, &node, port));
    let page = format!("<!doctype html><title>{name}</title><p>{name}, as far as the demo has it.</p>\n");
    let answerer: Answerer = Arc::new(move |_, _| Answer { kind: "text/html;charset=UTF-8", ..Answer::text(200, page.clone()) });
    http::serve(lab, listener, doorman, &answerer);
    Some(address)
}
