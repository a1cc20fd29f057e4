//! From a target to whoever can be asked for its lines.

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::super::links::Links;
use crate::config::spec::{Config, LogOwner, LogSpec, Via};
use crate::link::kube::Api;
use crate::model::id::{GroupKey, Name};
use crate::model::log::{Containers, Encoding, LogQuery, LogTarget, Note, Run};
use crate::model::workload::WorkloadKind;
use crate::port::LogCx;
use crate::source::log::host::{self, Mux, Speaks};
use crate::source::log::kube::{self, Wanted};

#[derive(Debug)]
pub(in crate::engine) struct Ways {
    clusters: HashMap<Name, Arc<Api>>,
    /// One channel a host for all of its logs.
    hosts: HashMap<Name, Arc<Mux>>,
    named: Vec<LogSpec>,
    groups: Vec<(GroupKey, Option<Via>)>,
}

impl Ways {
    pub(in crate::engine) fn new(clusters: HashMap<Name, Arc<Api>>, links: &Links, config: &Config) -> Self {
        let mux = |name: &Name| links.host(name).map(|link| Arc::new(Mux::new(name.clone(), link.shell.strongest())));
        let hosts = config.hosts.iter().filter_map(|h| Some((h.name.clone(), mux(&h.name)?))).collect();
        let groups = config.middleware.iter().map(|m| (GroupKey { kind: m.kind.clone(), name: m.name.clone() }, m.via.clone())).collect();
        Self { clusters, hosts, named: config.logs.clone(), groups }
    }

    /// One future for each thing that speaks.
    pub(super) fn start(&self, query: &LogQuery, stamps: Wanted, cx: &LogCx) -> Vec<BoxFuture<'static, ()>> {
        query.targets.iter().flat_map(|target| self.expand(target).into_iter().map(|(part, encoding)| self.one(part, encoding, query, stamps, cx))).collect()
    }

    /// What stands for several, one by one; of a file also what the configuration says of its bytes.
    fn expand(&self, target: &LogTarget) -> Vec<(LogTarget, Encoding)> {
        let named = |owner: &LogOwner| self.named.iter().filter(|l| l.owner == *owner).map(|l| (l.target.clone(), l.encoding)).collect::<Vec<_>>();
        match target {
            LogTarget::Host { host } => {
                let mut all = vec![(target.clone(), Encoding::default())];
                all.extend(named(&LogOwner::Host(host.clone())));
                all
            }
            LogTarget::Middleware(key) => {
                let mut all = named(&LogOwner::Group(key.clone()));
                let via = self.groups.iter().find(|(k, _)| k == key).and_then(|(_, via)| via.as_ref());
                all.extend(via.and_then(of_via).map(|t| (t, Encoding::default())));
                if all.is_empty() {
                    all.push((target.clone(), Encoding::default()));
                }
                all
            }
            other => {
                let encoding = self.named.iter().find(|l| l.target == *other).map(|l| l.encoding).unwrap_or_default();
                vec![(other.clone(), encoding)]
            }
        }
    }

    fn one(&self, target: LogTarget, encoding: Encoding, query: &LogQuery, stamps: Wanted, cx: &LogCx) -> BoxFuture<'static, ()> {
        let (name, what) = match target {
            LogTarget::Pod { ref cluster, .. } | LogTarget::Workload { ref cluster, .. } | LogTarget::Selector { ref cluster, .. } => {
                return match self.clusters.get(cluster) {
                    Some(api) => kube::run(kube::Asked::new(api.clone(), query, stamps, cx.clone()), target.clone()).boxed(),
                    None => unknown(cx, format!("there is no cluster {cluster} in the configuration")),
                };
            }
            LogTarget::Middleware(key) => {
                let text = format!("the configuration names no logs of {} {}: add logs = [\"HOST:/path\"] to its [[middleware]]", key.kind, key.name);
                return unknown(cx, text);
            }
            LogTarget::File { host, path } => (host, Speaks::File(path)),
            LogTarget::Unit { host, unit } => (host, Speaks::Journal(Some(unit))),
            LogTarget::Kernel { host } => (host, Speaks::Kernel),
            LogTarget::Host { host } => (host, Speaks::Itself),
            LogTarget::Container { host, name, runtime } => (host, Speaks::Container(runtime, name)),
        };
        match self.hosts.get(&name) {
            Some(mux) => host::run(host::Asked::new(mux.clone(), query, encoding, cx.clone()), what).boxed(),
            None => unknown(cx, format!("there is no host {name} in the configuration")),
        }
    }
}

/// What carries a group's connections is also what speaks.
fn of_via(via: &Via) -> Option<LogTarget> {
    Some(match via {
        Via::Host(_) => return None,
        Via::Docker { host, container } => LogTarget::Container { host: host.clone(), name: container.clone(), runtime: "docker".into() },
        Via::KubeObject { cluster, namespace, kind, name } => {
            let (cluster, namespace, name) = (cluster.clone(), namespace.clone(), name.clone());
            match WorkloadKind::from_word(kind) {
                Some(kind) => LogTarget::Workload { cluster, namespace, kind, name, containers: Containers::All },
                None if matches!(&**kind, "pod" | "pods" | "po") => {
                    LogTarget::Pod { cluster, namespace, name, uid: None, containers: Containers::All, run: Run::Current }
                }
                None => return None,
            }
        }
        Via::KubeSelector { cluster, namespace, selector } => {
            LogTarget::Selector { cluster: cluster.clone(), namespace: Some(namespace.clone()), selector: selector.clone(), containers: Containers::All }
        }
    })
}

/// Nobody can be asked: that is said where the lines would be.
fn unknown(cx: &LogCx, text: String) -> BoxFuture<'static, ()> {
    let cx = cx.clone();
    async move { cx.remark(Note::Failed { text }).await }.boxed()
}
