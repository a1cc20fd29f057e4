//! From a row to what speaks of it.

use crate::model::id::Target;
use crate::model::log::{Containers, LogTarget, Run};
use crate::store::Store;

/// What `l` on a row shows; `run` tells the previous life of a pod's containers from this one. `None`: nothing speaks of it.
pub fn of(store: &Store, target: &Target, run: Run) -> Option<LogTarget> {
    match target {
        Target::Host(host) => Some(LogTarget::Host { host: host.clone() }),
        Target::Vm(key) => {
            let vm = &store.vms.get(key)?.row;
            // Where a host of ours is this guest, the guest itself is asked; else what QEMU says of it.
            let inside = store.hosts.iter().map(|(_, e)| &e.row.name).find(|h| store.joins().below_host(h).is_some_and(|b| b.target == *target && !b.is_guess));
            Some(match inside {
                Some(host) => LogTarget::Host { host: host.clone() },
                None => LogTarget::File { host: vm.host.clone(), path: format!("/var/log/libvirt/qemu/{}.log", vm.name) },
            })
        }
        Target::Container(key) => {
            let c = &store.containers.get(key)?.row;
            Some(LogTarget::Container { host: c.host.clone(), name: c.name.clone(), runtime: c.runtime.clone() })
        }
        // The kubelet speaks for the node, in the journal of the host that it is.
        Target::Node(key) => match &store.joins().below_node(key)?.target {
            Target::Host(host) => Some(LogTarget::Unit { host: host.clone(), unit: "kubelet".into() }),
            other @ Target::Vm(_) => match of(store, other, run)? {
                LogTarget::Host { host } => Some(LogTarget::Unit { host, unit: "kubelet".into() }),
                elsewhere => Some(elsewhere),
            },
            _ => None,
        },
        Target::Pod(key) => {
            let pod = &store.pods.get(key)?.row;
            Some(LogTarget::Pod {
                cluster: pod.cluster.clone(),
                namespace: pod.namespace.clone(),
                name: (&*pod.name).into(),
                uid: Some(pod.uid),
                containers: Containers::All,
                run,
            })
        }
        Target::Workload(key) => {
            let w = &store.workloads.get(key)?.row;
            Some(LogTarget::Workload {
                cluster: w.cluster.clone(),
                namespace: w.namespace.clone(),
                kind: w.kind,
                name: w.name.clone(),
                containers: Containers::All,
            })
        }
        Target::Event(key) => {
            let event = &store.events.get(key)?.row;
            let pod = store.pods.iter().find(|(_, e)| Some(e.row.uid) == event.about_uid).map(|(_, e)| Target::Pod(crate::model::fact::Row::key(&e.row)));
            of(store, &pod?, run)
        }
        Target::Group(key) => Some(LogTarget::Middleware(key.clone())),
        Target::Cluster(_) => None,
    }
}
