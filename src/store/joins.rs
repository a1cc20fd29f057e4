//! Which row of one floor is which row of another, by proof: UUID, boot id, MAC, then IP. A match by name alone is a guess, and said to be one.

use std::collections::{BTreeMap, HashMap};

use super::Store;
use crate::model::fact::Row;
use crate::model::host::Host;
use crate::model::id::{Name, NodeKey, Target, Uid};
use crate::model::node::Node;
use crate::model::vm::Vm;

/// What something runs on, one floor down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Below {
    pub target: Target,
    /// What proves it: `uuid`, `boot-id`, `mac`, `ip`, `machine-id`, or `name`.
    pub proof: &'static str,
    pub is_guess: bool,
}

#[derive(Debug)]
pub struct Joins {
    nodes: HashMap<NodeKey, Below>,
    /// SSH hosts that are themselves guests.
    guests: HashMap<Name, Below>,
    outdated: bool,
}

impl Default for Joins {
    fn default() -> Self {
        Self { nodes: HashMap::new(), guests: HashMap::new(), outdated: true }
    }
}

impl Joins {
    pub(super) fn outdated(&mut self) {
        self.outdated = true;
    }

    pub(super) fn is_outdated(&self) -> bool {
        self.outdated
    }

    /// The VM that this node is, else the host it is.
    pub fn below_node(&self, node: &NodeKey) -> Option<&Below> {
        self.nodes.get(node)
    }

    /// The VM that this SSH host is.
    pub fn below_host(&self, host: &Name) -> Option<&Below> {
        self.guests.get(host)
    }

    pub(super) fn of(store: &Store) -> Self {
        let vms = VmIndex::of(store);
        let hosts = HostIndex::of(store);
        let nodes = store
            .nodes
            .iter()
            .filter_map(|(_, e)| {
                let below = vms.node(&e.row).or_else(|| {
                    // A node whose machine is an SSH host of ours, which may be a known guest in turn.
                    let (host, proof) = hosts.node(&e.row)?;
                    let vm = vms.host(host).filter(|b| !b.is_guess);
                    Some(vm.unwrap_or(Below { target: Target::Host(host.name.clone()), proof, is_guess: false }))
                });
                Some((e.row.key(), below.or_else(|| vms.guess(&e.row.name)).or_else(|| hosts.guess(&e.row.name))?))
            })
            .collect();
        let guests = store.hosts.iter().filter_map(|(_, e)| Some((e.row.name.clone(), vms.host(&e.row)?))).collect();
        Self { nodes, guests, outdated: false }
    }
}

/// Values that more than one machine claims prove nothing; they are kept as `None`.
type Claims<'a, K, V> = HashMap<K, Option<&'a V>>;

fn claim<'a, K: std::hash::Hash + Eq, V>(claims: &mut Claims<'a, K, V>, key: K, value: &'a V) {
    claims.entry(key).and_modify(|v| *v = None).or_insert(Some(value));
}

struct VmIndex<'a> {
    uuids: Claims<'a, Uid, Vm>,
    macs: Claims<'a, String, Vm>,
    ips: Claims<'a, &'a str, Vm>,
    names: Claims<'a, &'a str, Vm>,
}

impl<'a> VmIndex<'a> {
    fn of(store: &'a Store) -> Self {
        let mut index = Self { uuids: HashMap::new(), macs: HashMap::new(), ips: HashMap::new(), names: HashMap::new() };
        for (_, e) in store.vms.iter() {
            claim(&mut index.uuids, e.row.uuid, &e.row);
            claim(&mut index.names, &*e.row.name, &e.row);
            e.row.macs.iter().for_each(|m| claim(&mut index.macs, m.to_ascii_lowercase(), &e.row));
            e.row.addresses.iter().for_each(|a| claim(&mut index.ips, a.as_str(), &e.row));
        }
        index
    }

    fn by_uuid(&self, uuid: Option<Uid>) -> Option<&'a Vm> {
        let uuid = uuid?;
        self.uuids.get(&uuid).or_else(|| self.uuids.get(&uuid.swapped())).copied().flatten()
    }

    fn by_ip(&self, addresses: &[String]) -> Option<&'a Vm> {
        addresses.iter().find_map(|a| self.ips.get(a.as_str()).copied().flatten())
    }

    fn node(&self, node: &Node) -> Option<Below> {
        let proven = self.by_uuid(node.system_uuid).map(|vm| (vm, "uuid")).or_else(|| self.by_ip(&node.addresses).map(|vm| (vm, "ip")));
        proven.map(|(vm, proof)| Below { target: vm.target(), proof, is_guess: false })
    }

    fn host(&self, host: &Host) -> Option<Below> {
        let id = &host.identity;
        let mac = || id.macs.iter().find_map(|m| self.macs.get(&m.to_ascii_lowercase()).copied().flatten());
        let proven = self
            .by_uuid(id.product_uuid)
            .map(|vm| (vm, "uuid"))
            .or_else(|| mac().map(|vm| (vm, "mac")))
            .or_else(|| self.by_ip(&id.addresses).map(|vm| (vm, "ip")));
        // A host is not its own guest, even if its libvirt knows a domain with its address.
        proven.filter(|(vm, _)| vm.host != host.name).map(|(vm, proof)| Below { target: vm.target(), proof, is_guess: false })
    }

    fn guess(&self, name: &str) -> Option<Below> {
        let vm = self.names.get(name).copied().flatten()?;
        Some(Below { target: vm.target(), proof: "name", is_guess: true })
    }
}

struct HostIndex<'a> {
    boots: Claims<'a, Uid, Host>,
    uuids: Claims<'a, Uid, Host>,
    machines: Claims<'a, Uid, Host>,
    ips: Claims<'a, &'a str, Host>,
    names: Claims<'a, &'a str, Host>,
}

impl<'a> HostIndex<'a> {
    fn of(store: &'a Store) -> Self {
        let mut index = Self { boots: HashMap::new(), uuids: HashMap::new(), machines: HashMap::new(), ips: HashMap::new(), names: HashMap::new() };
        for (_, e) in store.hosts.iter() {
            let id = &e.row.identity;
            if let Some(boot) = id.boot_id {
                claim(&mut index.boots, boot, &e.row);
            }
            if let Some(uuid) = id.product_uuid {
                claim(&mut index.uuids, uuid, &e.row);
            }
            if let Some(machine) = id.machine_id {
                claim(&mut index.machines, machine, &e.row);
            }
            id.addresses.iter().for_each(|a| claim(&mut index.ips, a.as_str(), &e.row));
            claim(&mut index.names, &*e.row.name, &e.row);
        }
        index
    }

    fn node(&self, node: &Node) -> Option<(&'a Host, &'static str)> {
        let one = |claims: &Claims<'a, Uid, Host>, key: Option<Uid>| claims.get(&key?).copied().flatten();
        one(&self.boots, node.boot_id)
            .map(|h| (h, "boot-id"))
            .or_else(|| one(&self.uuids, node.system_uuid).map(|h| (h, "uuid")))
            .or_else(|| one(&self.machines, node.machine_id).map(|h| (h, "machine-id")))
            .or_else(|| node.addresses.iter().find_map(|a| self.ips.get(a.as_str()).copied().flatten()).map(|h| (h, "ip")))
    }

    fn guess(&self, name: &str) -> Option<Below> {
        let host = self.names.get(name).copied().flatten()?;
        Some(Below { target: host.target(), proof: "name", is_guess: true })
    }
}

/// A row's kin on all floors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Relatives {
    /// Target -> is it only a guess?
    kin: BTreeMap<Target, bool>,
}

impl Relatives {
    pub fn has(&self, target: &Target) -> bool {
        self.kin.contains_key(target)
    }

    pub fn is_guess(&self, target: &Target) -> bool {
        self.kin.get(target).copied().unwrap_or(false)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Target> {
        self.kin.keys()
    }

    pub fn is_empty(&self) -> bool {
        self.kin.is_empty()
    }

    fn add(&mut self, target: Target, guess: bool) {
        self.kin.entry(target).and_modify(|g| *g &= guess).or_insert(guess);
    }
}

/// Down to the machine and up to the pods, from wherever `target` stands.
pub(super) fn relatives(store: &Store, target: &Target) -> Relatives {
    let mut kin = Relatives::default();
    down(store, target, false, &mut kin);
    up(store, target, false, &mut kin);
    kin.kin.remove(target);
    kin
}

fn down(store: &Store, target: &Target, guess: bool, kin: &mut Relatives) {
    let below: Option<(Target, bool)> = match target {
        Target::Pod(key) => store.pods.get(key).and_then(|e| {
            let node = e.row.node.clone()?;
            Some((Target::Node(NodeKey { cluster: e.row.cluster.clone(), name: node }), false))
        }),
        Target::Node(key) => store.joins.below_node(key).map(|b| (b.target.clone(), b.is_guess)),
        Target::Vm(key) => Some((Target::Host(key.host.clone()), false)),
        Target::Container(key) => Some((Target::Host(key.host.clone()), false)),
        Target::Host(name) => store.joins.below_host(name).map(|b| (b.target.clone(), b.is_guess)),
        _ => None,
    };
    if let Some((below, is_guess)) = below.filter(|(b, _)| !kin.has(b)) {
        kin.add(below.clone(), guess || is_guess);
        down(store, &below, guess || is_guess, kin);
    }
    // A node's VM may also be an SSH host of ours.
    if let Target::Vm(_) = target {
        for (host, b) in store.joins.guests.iter().filter(|(_, b)| b.target == *target) {
            kin.add(Target::Host(host.clone()), guess || b.is_guess);
        }
    }
}

fn up(store: &Store, target: &Target, guess: bool, kin: &mut Relatives) {
    let mut open = vec![(target.clone(), guess)];
    let mut nodes: Vec<(NodeKey, bool)> = Vec::new();
    while let Some((at, guess)) = open.pop() {
        let mut above: Vec<(Target, bool)> = Vec::new();
        match &at {
            Target::Host(name) => {
                above.extend(store.vms.iter().filter(|(_, e)| e.row.host == *name).map(|(_, e)| (e.row.target(), false)));
                above.extend(store.containers.iter().filter(|(_, e)| e.row.host == *name).map(|(_, e)| (e.row.target(), false)));
                above.extend(store.joins.nodes.iter().filter(|(_, b)| b.target == at).map(|(n, b)| (Target::Node(n.clone()), b.is_guess)));
            }
            Target::Vm(_) => {
                above.extend(store.joins.nodes.iter().filter(|(_, b)| b.target == at).map(|(n, b)| (Target::Node(n.clone()), b.is_guess)));
            }
            // Its pods are all pods of the pane: a mark on each of them would say nothing, and of fifty thousand be dear.
            Target::Cluster(cluster) => {
                for (_, e) in store.nodes.iter().filter(|(_, e)| e.row.cluster == *cluster) {
                    kin.add(e.row.target(), guess);
                }
            }
            Target::Node(node) => nodes.push((node.clone(), guess)),
            Target::Workload(key) => {
                if let Some(w) = store.workloads.get(key).map(|e| &e.row) {
                    let owned =
                        |p: &crate::model::pod::Pod| p.cluster == w.cluster && p.namespace == w.namespace && p.owner.as_ref().is_some_and(|o| owns(&w.name, o));
                    above.extend(store.pods.iter().filter(|(_, e)| owned(&e.row)).map(|(_, e)| (e.row.target(), false)));
                }
            }
            _ => {}
        }
        for (t, is_guess) in above {
            if !kin.has(&t) {
                kin.add(t.clone(), guess || is_guess);
                open.push((t, guess || is_guess));
            }
        }
    }
    pods_of(store, &nodes, kin);
}

/// The pods of these nodes, in one pass however many nodes there are. The flag: it is a guess.
fn pods_of(store: &Store, nodes: &[(NodeKey, bool)], kin: &mut Relatives) {
    if nodes.is_empty() {
        return;
    }
    let known: HashMap<(&str, &str), bool> = nodes.iter().map(|(node, guess)| ((&*node.cluster, &*node.name), *guess)).collect();
    for (_, e) in store.pods.iter() {
        let Some(node) = e.row.node.as_deref() else { continue };
        if let Some(guess) = known.get(&(&*e.row.cluster, node)) {
            kin.add(e.row.target(), *guess);
        }
    }
}

/// A Deployment's pods belong to a ReplicaSet `NAME-HASH`, a CronJob's to a Job `NAME-TIME`, everything else's to `NAME`.
fn owns(workload: &str, owner: &crate::model::pod::Owner) -> bool {
    let numbered = || owner.name.strip_prefix(workload).and_then(|rest| rest.strip_prefix('-')).is_some_and(|hash| !hash.contains('-'));
    *owner.name == *workload || (matches!(&*owner.kind, "ReplicaSet" | "Job") && numbered())
}
