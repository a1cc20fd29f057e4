//! A cluster, by the word of every node: its state, its slots, its pairs.

use std::collections::BTreeSet;

use super::super::info::LinkState;
use super::super::nodes::{ClusterState, ClusterView, Health, Node, NodeRole, OpenSlot, SLOTS, Way, Wire};
use super::Scene;
use super::cast::Actor;
use crate::base::clock::Moment;
use crate::model::group::Group;
use crate::model::reason::{Arg, Reason};
use crate::source::middleware::observers::{sides, who};

pub fn judge(scene: &Scene<'_, '_>, group: &mut Group) {
    let views: Vec<(&str, &ClusterView)> = scene.actors.iter().filter_map(|a| Some((a.address(), a.cluster()?))).collect();
    group.reasons.extend(state(&views));
    group.reasons.extend(slots(&views));
    group.reasons.extend(agreement(&views));
    for (place, actor) in scene.actors.iter().enumerate() {
        if actor.info().is_some_and(|i| i.mode != "cluster") {
            group.members[place].reasons.push(Reason::crit("redis.cluster.off"));
        }
        if let Some(view) = actor.cluster() {
            let reasons = node(scene, actor, view);
            group.members[place].reasons.extend(reasons);
        }
        let reasons = pair(scene, actor);
        group.members[place].reasons.extend(reasons);
    }
}

/// Is it ok, on every node?
fn state(views: &[(&str, &ClusterView)]) -> Option<Reason> {
    let say = |state: ClusterState| views.iter().filter(|(_, v)| v.state == state).map(|(a, _)| *a).collect::<Vec<_>>();
    let (good, bad) = (say(ClusterState::Ok), say(ClusterState::Fail));
    match (good.is_empty(), bad.is_empty()) {
        (_, true) => None,
        (true, false) => Some(Reason::crit("redis.cluster.fail").with("who", who(&bad))),
        (false, false) => Some(Reason::crit("redis.cluster.split").with("ok", who(&good)).with("fail", who(&bad))),
    }
}

/// Slots nobody has, or whose owner is gone, by the worst count that any node gives.
fn slots(views: &[(&str, &ClusterView)]) -> Vec<Reason> {
    let worst = |count: fn(&ClusterView) -> u32, code: &'static str, crit: bool| {
        let most = views.iter().map(|(_, v)| count(v)).max().filter(|n| *n > 0)?;
        let say: Vec<&str> = views.iter().filter(|(_, v)| count(v) > 0).map(|(a, _)| *a).collect();
        let reason = if crit { Reason::crit(code) } else { Reason::warn(code) };
        Some(reason.with("count", most).with("who", who(&say)))
    };
    [
        worst(|v| SLOTS.saturating_sub(v.slots_assigned), "redis.cluster.slots_unassigned", true),
        worst(|v| v.slots_fail, "redis.cluster.slots_fail", true),
        worst(|v| v.slots_pfail, "redis.cluster.slots_pfail", false),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Do all nodes know the same peers, in the same epoch?
fn agreement(views: &[(&str, &ClusterView)]) -> Vec<Reason> {
    let mut out = Vec::new();
    let differ = |value: fn(&ClusterView) -> u64, code: &'static str| {
        let said: Vec<(String, &str)> = views.iter().map(|(a, v)| (value(v).to_string(), *a)).collect();
        let distinct: BTreeSet<&String> = said.iter().map(|(v, _)| v).collect();
        (distinct.len() > 1).then(|| Reason::warn(code).with("sides", sides(&said)))
    };
    out.extend(differ(|v| u64::from(v.known_nodes), "redis.cluster.nodes_differ"));
    out.extend(differ(|v| v.epoch, "redis.cluster.epochs_differ"));
    let stranger = views.iter().find_map(|(address, view)| {
        let id = &view.myself()?.id;
        let without: Vec<&str> = views.iter().filter(|(_, v)| v.node(id).is_none()).map(|(a, _)| *a).collect();
        (!without.is_empty()).then(|| Reason::crit("redis.cluster.stranger").with("node", *address).with("who", who(&without)))
    });
    out.extend(stranger);
    out
}

/// What a node says of itself and of its connections.
fn node(scene: &Scene<'_, '_>, actor: &Actor<'_>, view: &ClusterView) -> Vec<Reason> {
    let mut out = Vec::new();
    if view.state == ClusterState::Fail {
        out.push(Reason::crit("redis.cluster.own_fail"));
    }
    let cut: Vec<&str> = view
        .nodes
        .iter()
        .filter(|n| n.link == Wire::Disconnected && n.health == Health::Good && Some(n.id.as_str()) != view.myself().map(|m| m.id.as_str()))
        .map(|n| n.address.as_str())
        .collect();
    if !cut.is_empty() {
        out.push(Reason::warn("redis.cluster.bus").with("who", who(&cut)));
    }
    let open = actor.data().map_or(&[][..], |d| &d.trend.open);
    out.extend(open_slots(scene, actor, open));
    out
}

fn open_slots(scene: &Scene<'_, '_>, actor: &Actor<'_>, open: &[(OpenSlot, Moment)]) -> Option<Reason> {
    let limit = scene.limits.redis.reshard_seconds;
    let (first, since) = open.iter().min_by_key(|(_, since)| *since)?;
    let seconds = scene.now.since(*since).as_secs();
    let args = |r: Reason| {
        let peer = scene.by_id(&first.peer).map_or(first.peer.as_str(), Actor::address);
        r.with("count", open.len()).with("slot", Arg::Count(i64::from(first.slot))).with("peer", peer).with("since", Arg::Seconds(seconds))
    };
    if seconds >= limit {
        return Some(args(Reason::warn("redis.cluster.reshard_stuck")));
    }
    // One end knows of the move and the other does not, in more than one poll: nobody is carrying it on.
    let half = open.iter().any(|(slot, since)| {
        let back = if slot.way == Way::Migrating { Way::Importing } else { Way::Migrating };
        let other = scene.by_id(&slot.peer).and_then(Actor::data);
        scene.now.since(*since).as_secs() > 0
            && other.is_some_and(|d| !d.trend.open.iter().any(|(o, _)| o.slot == slot.slot && o.way == back && o.peer == actor.identity))
    });
    Some(args(if half { Reason::warn("redis.cluster.reshard_half") } else { Reason::note("redis.cluster.resharding") }))
}

/// A master and its replicas, by what all nodes say.
fn pair(scene: &Scene<'_, '_>, actor: &Actor<'_>) -> Vec<Reason> {
    let views: Vec<&ClusterView> = scene.actors.iter().filter_map(Actor::cluster).collect();
    let seen: Vec<&Node> = views.iter().filter_map(|v| v.node(actor.identity)).collect();
    // The newest word counts: a node that came back late still calls an old master one.
    let Some(me) = seen.iter().max_by_key(|n| n.epoch).filter(|n| n.is_master() && n.has_slots()) else { return Vec::new() };
    let mut ids: BTreeSet<&str> = BTreeSet::new();
    for view in &views {
        ids.extend(view.nodes.iter().filter(|n| n.role == NodeRole::Replica(me.id.clone())).map(|n| n.id.as_str()));
    }
    let failed = |id: &str| {
        let said: Vec<Health> = views.iter().filter_map(|v| v.node(id)).map(|n| n.health).collect();
        said.iter().filter(|h| **h == Health::Failed).count() * 2 > said.len()
    };
    let whole = |id: &str| match scene.by_id(id) {
        Some(replica) => replica.info().is_some_and(|i| i.link.as_ref().is_some_and(|l| l.state == LinkState::Up)),
        None => !failed(id),
    };
    let good: Vec<&str> = ids.iter().copied().filter(|id| whole(id)).collect();
    let mut out = Vec::new();
    if good.is_empty() {
        let name = |id: &&str| scene.by_id(id).map_or_else(|| (*id).chars().take(8).collect(), |a| a.address().to_owned());
        let broken: Vec<String> = ids.iter().map(name).collect();
        out.push(if broken.is_empty() {
            Reason::warn("redis.cluster.no_replica")
        } else {
            Reason::warn("redis.cluster.no_good_replica").with("who", who(&broken))
        });
    }
    let hosts: BTreeSet<&str> = ids.iter().filter_map(|id| views.iter().find_map(|v| v.node(id))).map(Node::host).collect();
    if !ids.is_empty() && hosts.len() == 1 && hosts.contains(me.host()) {
        out.push(Reason::warn("redis.cluster.same_host").with("host", me.host()));
    }
    out
}
