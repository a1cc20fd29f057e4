//! What a registry hands out, held against the pods behind it: an address is a pod's by its IP. Where it is no pod's, nothing is
//! said, unless other instances of the same service are pods.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use super::Store;
use super::table::Table;
use crate::base::clock::Moment;
use crate::base::text::clean;
use crate::model::fact::Row;
use crate::model::group::{Group, Offer};
use crate::model::id::{GroupKey, Name};
use crate::model::pod::Pod;
use crate::model::reason::Reason;

/// A pod registers itself some time after it is ready.
const GRACE: Duration = Duration::from_mins(1);
/// Names that a sentence holds.
const FEW: usize = 6;

/// How often they are compared.
const EVERY: Duration = Duration::from_secs(5);
const CODES: [&str; 3] = ["registry.pod.unready", "registry.pod.gone", "registry.pod.missing"];

/// What was found last, kept so that a group's next picture has it too.
#[derive(Debug, Default)]
pub(super) struct Registered {
    found: HashMap<GroupKey, Vec<Reason>>,
    at: Option<Moment>,
}

impl Registered {
    /// When to compare again; `None` while no group hands anything out.
    pub(super) fn due(&self, now: Moment, groups: &Table<Group>) -> Option<Moment> {
        let any = !self.found.is_empty() || groups.iter().any(|(_, e)| !e.row.endpoints.is_empty());
        any.then(|| self.at.map_or(now, |at| at.plus(EVERY)))
    }

    /// Takes a comparison; the groups of which something else is true than before.
    pub(super) fn take(&mut self, found: HashMap<GroupKey, Vec<Reason>>, now: Moment) -> Vec<GroupKey> {
        let keys: HashSet<&GroupKey> = self.found.keys().chain(found.keys()).collect();
        let changed = keys.into_iter().filter(|k| self.found.get(*k) != found.get(*k)).cloned().collect();
        (self.found, self.at) = (found, Some(now));
        changed
    }

    pub(super) fn add_to(&self, group: &mut Group) {
        group.reasons.retain(|r| !CODES.contains(&r.code));
        group.reasons.extend(self.found.get(&group.key()).into_iter().flatten().cloned());
    }
}

/// Of every group that hands out addresses: what does not fit.
pub(super) fn compared(store: &Store) -> HashMap<GroupKey, Vec<Reason>> {
    let registries: Vec<&Group> = store.groups.iter().map(|(_, e)| &e.row).filter(|g| !g.endpoints.is_empty()).collect();
    if registries.is_empty() {
        return HashMap::new();
    }
    // Pods that share the address of their node prove nothing.
    let mut pods: HashMap<IpAddr, Option<&Pod>> = HashMap::new();
    for pod in store.pods.iter().map(|(_, e)| &e.row) {
        if let Some(ip) = pod.ip {
            pods.entry(ip).and_modify(|p| *p = None).or_insert(Some(pod));
        }
    }
    registries.into_iter().map(|g| (g.key(), reasons(store, g, &pods))).filter(|(_, r)| !r.is_empty()).collect()
}

fn is_ready(pod: &Pod) -> bool {
    pod.deleting_at.is_none() && pod.containers > 0 && pod.ready >= pod.containers && &*pod.status == "Running"
}

fn reasons(store: &Store, group: &Group, pods: &HashMap<IpAddr, Option<&Pod>>) -> Vec<Reason> {
    let of = |ip: &IpAddr| pods.get(ip).copied().flatten();
    let (mut unready, mut gone, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    let mut services: BTreeMap<&Name, Vec<(&IpAddr, Offer)>> = BTreeMap::new();
    for e in &group.endpoints {
        services.entry(&e.service).or_default().push((&e.ip, e.offer));
    }
    for (service, all) in &services {
        let known: Vec<&Pod> = all.iter().filter_map(|(ip, _)| of(ip)).collect();
        for (ip, _) in all.iter().filter(|(_, offer)| *offer == Offer::Given) {
            match of(ip) {
                Some(pod) if !is_ready(pod) => unready.push(format!("{service} {ip} ({})", clean(&pod.name))),
                // Only a cluster whose pods are all known can miss one.
                None if !pods.contains_key(*ip) && known.first().is_some_and(|p| store.listed.contains(&p.cluster)) => gone.push(format!("{service} {ip}")),
                _ => {}
            }
        }
        let owners: BTreeSet<(&Name, &Name, &Name, &Name)> =
            known.iter().filter_map(|p| p.owner.as_ref().map(|o| (&p.cluster, &p.namespace, &o.kind, &o.name))).collect();
        let registered: BTreeSet<&IpAddr> = all.iter().map(|(ip, _)| *ip).collect();
        let late = |p: &&Pod| {
            let since = p.since.unwrap_or(p.created_at);
            is_ready(p) && store.now.since(since) >= GRACE && p.ip.as_ref().is_some_and(|ip| !registered.contains(ip))
        };
        if !owners.is_empty() {
            let kin = pods.values().flatten().filter(|p| p.owner.as_ref().is_some_and(|o| owners.contains(&(&p.cluster, &p.namespace, &o.kind, &o.name))));
            let mut names: Vec<String> = kin.copied().filter(late).map(|p| format!("{service} {}", clean(&p.name))).collect();
            names.sort();
            missing.append(&mut names);
        }
    }
    let told = |code: &'static str, list: &[String]| {
        let more = if list.len() > FEW { format!(" +{}", list.len() - FEW) } else { String::new() };
        let who = format!("{}{more}", list.iter().take(FEW).map(String::as_str).collect::<Vec<_>>().join(", "));
        (!list.is_empty()).then(|| Reason::warn(code).with("count", list.len()).with("who", who))
    };
    [told("registry.pod.unready", &unready), told("registry.pod.gone", &gone), told("registry.pod.missing", &missing)].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fact::{Batch, Change, Fact};
    use crate::model::group::Endpoint;
    use crate::model::id::{SourceId, Uid};
    use crate::model::limits::Limits;
    use crate::model::pod::Owner;

    const NOW: i64 = 1_795_227_200;

    fn pod(name: &str, ip: &str, ready: u16, owner: &str) -> Pod {
        Pod {
            cluster: "main".into(),
            namespace: "mall".into(),
            name: name.into(),
            uid: Uid::parse(&format!("00000000-0000-0000-0000-0000000000{:02}", name.len())),
            node: None,
            status: "Running".into(),
            ready,
            containers: 1,
            restarts: 0,
            created_at: Moment::from_seconds(NOW - 600),
            deleting_at: None,
            since: None,
            owner: Some(Owner { kind: "ReplicaSet".into(), name: owner.into() }),
            cpu_request_millicores: 0,
            memory_request_bytes: 0,
            ip: ip.parse().ok(),
            trouble: None,
        }
    }

    #[test]
    fn a_registry_is_held_against_the_pods() {
        let mut group = Group::new("nacos", "registry");
        let offered = |ip: &str, offer| Endpoint { service: "order".into(), ip: ip.parse().unwrap(), port: 8080, offer };
        group.endpoints = vec![
            offered("10.1.0.1", Offer::Given),
            offered("10.1.0.2", Offer::Given),
            offered("10.1.0.3", Offer::Withheld),
            offered("10.1.0.9", Offer::Given),
            Endpoint { service: "legacy".into(), ip: "192.168.0.7".parse().unwrap(), port: 8080, offer: Offer::Given },
        ];
        let rows = [
            pod("order-a", "10.1.0.1", 1, "order-1"),
            pod("order-bb", "10.1.0.2", 0, "order-1"),
            pod("order-ccc", "10.1.0.3", 0, "order-1"),
            pod("order-dddd", "10.1.0.4", 1, "order-1"),
            pod("stock-eeeee", "10.1.0.5", 1, "stock-1"),
        ];
        let at = Moment::from_seconds(NOW);
        let mut store = Store::new(Limits::default());
        let mut facts = vec![Fact::Pod(Box::new(Change::Begin(None)))];
        facts.extend(rows.into_iter().map(|p| Fact::Pod(Box::new(Change::Upsert(p)))));
        facts.push(Fact::Pod(Box::new(Change::End(None))));
        facts.push(Fact::Group(Box::new(Change::Upsert(group.clone()))));
        store.apply(Batch { source: SourceId(1), at, facts }, at);
        let _ = store.tick(at);
        let told = |code: &str| {
            let entry = store.groups.iter().map(|(_, e)| e).next().unwrap();
            entry.row.reasons.iter().find(|r| r.code == code).map(|r| format!("{:?}", r.args)).unwrap_or_default()
        };
        assert!(told("registry.pod.unready").contains("order 10.1.0.2 (order-bb)") && !told("registry.pod.unready").contains("10.1.0.3"));
        assert!(told("registry.pod.missing").contains("order order-dddd") && !told("registry.pod.missing").contains("stock"));
        assert!(!told("registry.pod.gone").contains("192.168.0.7"), "a service that runs in no pod is none of our business");
        assert_eq!(store.groups.counts()[crate::model::verdict::Verdict::Warn], 1, "its row is no better than that");
        // The next picture of the group has it too, until the pod is ready.
        let later = at.plus(Duration::from_secs(2));
        let ready = Fact::Pod(Box::new(Change::Upsert(pod("order-bb", "10.1.0.2", 1, "order-1"))));
        store.apply(Batch { source: SourceId(1), at: later, facts: vec![Fact::Group(Box::new(Change::Upsert(group))), ready] }, later);
        let _ = store.tick(later);
        let has = |store: &Store| store.groups.iter().any(|(_, e)| e.row.reasons.iter().any(|r| r.code == "registry.pod.unready"));
        assert!(has(&store));
        let _ = store.tick(at.plus(Duration::from_secs(6)));
        assert!(!has(&store));
    }
}
