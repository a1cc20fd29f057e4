//! What a target's account was seen to be allowed: the other half of `config check --live`, beside the rights that are missing.

use crate::model::cluster::Cluster;
use crate::model::fact::Row;
use crate::model::host::Host;
use crate::model::id::{Kind, SourceId};
use crate::model::source::{SourceStatus, Subject};
use crate::store::Store;
use crate::store::table::Table;

/// One line a fact, each with what it gave.
pub(super) fn allowed(store: &Store, source: &SourceStatus) -> Vec<String> {
    if !source.state.is_live() {
        return Vec::new();
    }
    match &source.subject {
        Subject::Host(_) => row(&store.hosts, source.id).map(|host| of_host(store, host, source.id)).unwrap_or_default(),
        Subject::Cluster(_) => row(&store.clusters, source.id).map(|cluster| of_cluster(store, cluster, source.id)).unwrap_or_default(),
        Subject::Middleware { .. } => {
            let members = row(&store.groups, source.id).map(|g| g.members.as_slice()).unwrap_or_default();
            let told = members.iter().filter(|m| m.answered_at.is_some());
            told.map(|m| {
                format!("{} as {}: {}", m.address, if m.role.is_empty() { "member" } else { &m.role }, count(m.metrics.len() + m.details.len(), "fact"))
            })
            .collect()
        }
    }
}

fn row<T: Row>(table: &Table<T>, source: SourceId) -> Option<&T> {
    table.iter().map(|(_, e)| e).find(|e| e.source == source).map(|e| &e.row)
}

fn rows<T: Row>(table: &Table<T>, source: SourceId) -> usize {
    table.iter().filter(|(_, e)| e.source == source).count()
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn of_host(store: &Store, host: &Host, source: SourceId) -> Vec<String> {
    let refused = |fact: &str| host.denied.iter().any(|d| &*d.fact == fact);
    let mut out = Vec::new();
    if let Some(vitals) = &host.vitals {
        out.push(format!("load, processor, memory, {}, {}", count(vitals.mounts.len(), "file system"), count(vitals.nics.len(), "network interface")));
        if !refused("dmesg") {
            out.push("kernel log".to_owned());
        }
        if let Some(failed) = &vitals.failed_units {
            out.push(format!("systemd units ({} failed)", failed.len()));
        }
    }
    if host.identity.product_uuid.is_some() {
        out.push("machine identity (product_uuid)".to_owned());
    }
    if let Some(hypervisor) = host.hypervisor.as_ref().filter(|_| !refused("virsh")) {
        out.push(format!("virsh at {}: {}", hypervisor.uri, count(rows(&store.vms, source), "guest")));
    }
    let containers = |runtime: &str| store.containers.iter().filter(|(_, e)| e.source == source && &*e.row.runtime == runtime).count();
    out.extend(host.runtimes.iter().filter(|r| !refused(r)).map(|r| format!("{r}: {}", count(containers(r), "container"))));
    out
}

fn of_cluster(store: &Store, cluster: &Cluster, source: SourceId) -> Vec<String> {
    let mut out = Vec::new();
    let listed = [
        (Kind::Node, "nodes", rows(&store.nodes, source)),
        (Kind::Pod, "pods", rows(&store.pods, source)),
        (Kind::Workload, "workloads", rows(&store.workloads, source)),
        (Kind::Event, "warning events", rows(&store.events, source)),
    ];
    for (kind, what, n) in listed {
        // Refused everywhere, but seen in some namespaces: what was seen is said.
        if n > 0 || !store.refuses(source, kind) {
            out.push(format!("list and watch {what} ({n})"));
        }
    }
    if !cluster.leases.is_empty() {
        out.push("leases of the control plane".to_owned());
    }
    if cluster.endpoints.iter().any(|e| e.error.is_empty()) {
        out.push(format!("masters one by one ({})", cluster.endpoints.len()));
    }
    if cluster.metrics {
        out.push("metrics of metrics-server".to_owned());
    }
    out
}
