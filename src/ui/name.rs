//! What a target is called.

use crate::model::id::Target;
use crate::store::Store;

/// Its name as a person knows it; of an object that is gone, its identity.
pub fn name_of(store: &Store, target: &Target) -> String {
    match target {
        Target::Host(name) | Target::Cluster(name) => name.to_string(),
        Target::Vm(k) => store.vms.get(k).map_or_else(|| k.uuid.to_string(), |e| e.row.name.to_string()),
        Target::Container(k) => store.containers.get(k).map_or_else(|| k.id.to_string(), |e| e.row.name.to_string()),
        Target::Node(k) => k.name.to_string(),
        Target::Pod(k) => store.pods.get(k).map_or_else(|| k.uid.to_string(), |e| format!("{}/{}", e.row.namespace, e.row.name)),
        Target::Workload(k) => store.workloads.get(k).map_or_else(|| k.uid.to_string(), |e| format!("{}/{}", e.row.namespace, e.row.name)),
        Target::Event(k) => store.events.get(k).map_or_else(|| k.uid.to_string(), |e| format!("{} {}", e.row.about_name, e.row.reason)),
        Target::Group(k) => k.name.to_string(),
    }
}
