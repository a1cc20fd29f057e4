//! From what is selected to what can be looked up: the identity goes along as it was shown.

use crate::model::id::Target;
use crate::port::Inspected;
use crate::store::Store;

/// `None` for rows of which everything known is on the screen already, and for rows that are gone.
pub(super) fn inspected(store: &Store, target: &Target) -> Option<Inspected> {
    match target {
        Target::Vm(key) => store.vms.get(key).map(|e| Inspected::Vm { host: e.row.host.clone(), name: e.row.name.clone() }),
        Target::Container(key) => {
            store.containers.get(key).map(|e| Inspected::Container { host: e.row.host.clone(), id: e.row.id.clone(), runtime: e.row.runtime.clone() })
        }
        Target::Node(key) => store.nodes.get(key).map(|e| Inspected::Node { cluster: e.row.cluster.clone(), name: e.row.name.clone() }),
        Target::Pod(key) => store.pods.get(key).map(|e| Inspected::Pod {
            cluster: e.row.cluster.clone(),
            namespace: e.row.namespace.clone(),
            name: e.row.name.to_string(),
            uid: e.row.uid,
        }),
        Target::Workload(key) => store.workloads.get(key).map(|e| Inspected::Workload {
            cluster: e.row.cluster.clone(),
            namespace: e.row.namespace.clone(),
            name: e.row.name.clone(),
            kind: e.row.kind,
        }),
        Target::Host(_) | Target::Cluster(_) | Target::Event(_) | Target::Group(_) => None,
    }
}
