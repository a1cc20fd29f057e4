//! What the nodes say of each other: who runs, who is cut off, whose alarm holds publishers up, and whether they are one cluster.

use std::collections::{BTreeMap, BTreeSet};

use super::super::api::{Check, Resource};
use super::super::seen::Kind;
use super::{Actor, Scene};
use crate::model::group::{Group, Unit};
use crate::model::reason::Reason;
use crate::source::middleware::member::State;
use crate::source::middleware::observers::who;

/// What the others say of one node, beside its own word and ours.
pub fn opinions(scene: &Scene<'_, '_>, actor: &Actor<'_>) -> Vec<Reason> {
    let (mut up, mut down): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for (address, node) in scene.said_of(actor.node, actor.address()) {
        if node.running { up.push(address) } else { down.push(address) }
    }
    let silent = matches!(actor.view.state, State::Silent { .. });
    let mut out = Vec::new();
    match (silent, up.is_empty(), down.is_empty()) {
        (true, _, false) => out.push(Reason::crit("rabbitmq.peers.gone").with("who", who(&down))),
        (true, false, true) => out.push(Reason::note("rabbitmq.peers.up").with("who", who(&up))),
        (false, _, false) => out.push(Reason::crit("rabbitmq.cut_off").with("who", who(&down))),
        _ => {}
    }
    out
}

/// By node, and who says so.
type Alarms<'a> = BTreeMap<(&'a str, Resource), BTreeSet<&'a str>>;

fn alarms<'a>(scene: &Scene<'_, 'a>) -> Alarms<'a> {
    let mut out: Alarms<'a> = BTreeMap::new();
    for (actor, facts) in scene.heard() {
        for node in facts.nodes.iter().flatten() {
            for resource in &node.alarms {
                out.entry((node.name.as_str(), *resource)).or_default().insert(actor.address());
            }
        }
        for kind in [Kind::LocalAlarms, Kind::Alarms] {
            let Check::Failed { names, .. } = facts.check(kind) else { continue };
            for (node, resource) in names.iter().filter_map(|n| n.split_once(' ')) {
                // `disk` and `disk_free_space` are one.
                let resource = if resource.starts_with("disk") { Resource::Disk } else { Resource::Memory };
                out.entry((node, resource)).or_default().insert(actor.address());
            }
        }
    }
    out
}

pub fn judge(scene: &Scene<'_, '_>, group: &mut Group) {
    for ((node, resource), says) in alarms(scene) {
        let reason = match resource {
            Resource::Disk => Reason::crit("rabbitmq.alarm.disk"),
            Resource::Memory => Reason::crit("rabbitmq.alarm.memory"),
        };
        let reason = reason.with("who", who(&says.into_iter().collect::<Vec<_>>()));
        match group.members.iter_mut().find(|m| m.identity.as_str() == node) {
            Some(member) => member.reasons.push(reason),
            None => group.reasons.push(reason.with("node", node)),
        }
    }
    partitions(scene, group);
    same(scene, group);
    load(scene, group);
}

/// Any node that has lost others by its own account, or two that do not see the same nodes run.
fn partitions(scene: &Scene<'_, '_>, group: &mut Group) {
    let mut lost: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (_, facts) in scene.heard() {
        for node in facts.nodes.iter().flatten() {
            lost.entry(node.name.as_str()).or_default().extend(node.partitions.iter().map(String::as_str));
        }
    }
    lost.retain(|_, others| !others.is_empty());
    if !lost.is_empty() {
        let sides: Vec<String> = lost.iter().map(|(node, others)| format!("{node} has lost {}", who(&others.iter().collect::<Vec<_>>()))).collect();
        group.reasons.push(Reason::crit("rabbitmq.partition").with("sides", sides.join("; ")));
        return;
    }
    let mut views: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (actor, facts) in scene.heard() {
        let Some(nodes) = &facts.nodes else { continue };
        let running: BTreeSet<&str> = nodes.iter().filter(|n| n.running).map(|n| n.name.as_str()).collect();
        views.entry(running.into_iter().collect::<Vec<_>>().join(", ")).or_default().push(actor.address());
    }
    if views.len() > 1 {
        let sides: Vec<String> = views.iter().map(|(running, says)| format!("{} by {}", running, who(says))).collect();
        group.reasons.push(Reason::crit("rabbitmq.split_view").with("sides", sides.join("; ")));
    }
}

/// One cluster, one version. The cluster's name says nothing: until somebody sets it, each node calls it after itself.
fn same(scene: &Scene<'_, '_>, group: &mut Group) {
    let mut clusters: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (actor, facts) in scene.heard() {
        if let Some(nodes) = &facts.nodes {
            let names: BTreeSet<&str> = nodes.iter().map(|n| n.name.as_str()).collect();
            clusters.entry(names.into_iter().collect::<Vec<_>>().join(", ")).or_default().push(actor.address());
        }
        versions.entry(&facts.overview.version).or_default().push(actor.address());
    }
    versions.remove("");
    let own: Vec<&str> = scene.heard().filter(|(_, f)| f.nodes.is_some()).map(|(a, _)| a.node).collect();
    let strange = |names: &String| own.iter().any(|n| !names.split(", ").any(|known| known == *n));
    if clusters.keys().any(strange) {
        let sides = clusters.iter().map(|(names, says)| format!("{}: {names}", who(says))).collect::<Vec<_>>().join("; ");
        group.reasons.push(Reason::crit("rabbitmq.clusters_differ").with("sides", sides));
    }
    if versions.len() > 1 {
        let sides = versions.iter().map(|(version, says)| format!("{version}: {}", who(says))).collect::<Vec<_>>().join("; ");
        group.reasons.push(Reason::warn("rabbitmq.versions_differ").with("sides", sides));
    }
}

/// The whole cluster's numbers, at the first node that tells them; and publishers that the broker holds up.
fn load(scene: &Scene<'_, '_>, group: &mut Group) {
    let whole = scene.heard().find(|(_, f)| f.overview.ready.is_some());
    if let Some((actor, facts)) = whole
        && let Some(member) = group.members.iter_mut().find(|m| m.address.as_str() == actor.address())
    {
        let o = &facts.overview;
        let number = |n: Option<u64>| n.map(|n| n as f64);
        let mut all = crate::model::group::Member::new("");
        all.metric("cluster_ready", Unit::Count, number(o.ready));
        all.metric("cluster_unacknowledged", Unit::Count, number(o.unacked));
        all.metric("cluster_published_per_second", Unit::PerSecond, o.publish_per_second);
        all.metric("cluster_delivered_per_second", Unit::PerSecond, o.deliver_per_second);
        all.metric("cluster_connections", Unit::Count, number(o.connections));
        member.metrics.splice(0..0, all.metrics);
    }
    let Some((_, facts)) = scene.heard().find(|(_, f)| !f.blocked.is_empty()) else { return };
    let held: Vec<&str> = facts.blocked.iter().filter(|c| c.state.starts_with("block")).map(|c| c.user.as_str()).collect();
    let slowed = facts.blocked.len() - held.len();
    let users: BTreeSet<&str> = held.iter().copied().collect();
    if !held.is_empty() {
        let users: Vec<&str> = users.into_iter().collect();
        group.reasons.push(Reason::crit("rabbitmq.connections.blocked").with("count", held.len()).with("users", who(&users)));
    }
    if slowed > 0 {
        group.reasons.push(Reason::note("rabbitmq.connections.flow").with("count", slowed));
    }
}
