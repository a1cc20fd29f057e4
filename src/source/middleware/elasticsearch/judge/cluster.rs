//! The cluster as a whole: is it one, what colour, who leads it, who may vote, what keeps clients from writing.

use std::collections::{BTreeMap, BTreeSet};

use super::super::answer::{Health, Listed, Status};
use super::super::seen::{Door, Seen};
use super::node::above;
use super::{Actor, Scene};
use crate::base::text::clean;
use crate::model::group::Group;
use crate::model::reason::{Arg, Reason};
use crate::model::verdict::Verdict;
use crate::source::middleware::observers::{sides, who};

pub fn judge(scene: &Scene<'_>, group: &mut Group) {
    let reasons = &mut group.reasons;
    reasons.extend(one_cluster(scene));
    reasons.extend(master(scene));
    reasons.extend(colour(scene));
    reasons.extend(blocks(scene));
    reasons.extend(votes(scene));
    reasons.extend(versions(scene));
    plugins(scene, group);
    if let Some(whole) = scene.whole {
        if let Some(health) = &whole.health {
            group.reasons.extend(queue(scene, health, &whole.tasks));
            group.reasons.extend(shard_limit(scene, health, whole.rules.settings.shards_per_node));
        } else if let Some(words) = &whole.refusal
            && scene.master().is_some()
        {
            group.reasons.push(Reason::crit("elasticsearch.master.mute").with("text", clean(words).as_ref()));
        }
        if whole.rules.settings.allocation != "all" {
            group.reasons.push(Reason::warn("elasticsearch.allocation.off").with("value", clean(&whole.rules.settings.allocation).as_ref()));
        }
        for (indicator, found) in &whole.rules.report {
            let reason = if found.status == "red" { Reason::crit("elasticsearch.report") } else { Reason::warn("elasticsearch.report") };
            let action = found.diagnosis.first().map(|d| clean(&d.action).into_owned()).unwrap_or_default();
            group.reasons.push(reason.with("indicator", clean(indicator).as_ref()).with("text", clean(&found.symptom).as_ref()).with("action", action));
        }
    }
    group.reasons.extend(witnesses(scene));
}

fn fresh<'s, 'a>(scene: &'s Scene<'a>) -> impl Iterator<Item = (&'s Actor<'a>, &'a Seen)> {
    scene.actors.iter().filter_map(|a| Some((a, a.seen?)))
}

/// All of one `cluster_uuid`?
fn one_cluster(scene: &Scene<'_>) -> Option<Reason> {
    let said: Vec<(String, &str)> =
        fresh(scene).map(|(a, s)| (s.root.cluster_uuid.clone(), a.address())).filter(|(uuid, _)| !uuid.is_empty() && uuid != "_na_").collect();
    let distinct: BTreeSet<&String> = said.iter().map(|(uuid, _)| uuid).collect();
    (distinct.len() > 1).then(|| Reason::crit("elasticsearch.uuid.split").with("sides", sides(&said)))
}

fn master(scene: &Scene<'_>) -> Option<Reason> {
    let said: Vec<(String, &str)> = scene.actors.iter().filter_map(|a| Some((scene.call(a.master()?), a.address()))).collect();
    let distinct: BTreeSet<&String> = said.iter().map(|(master, _)| master).collect();
    match distinct.len() {
        0 => {
            let lonely: Vec<&str> = fresh(scene).filter(|(_, s)| s.state.is_some()).map(|(a, _)| a.address()).collect();
            (!lonely.is_empty()).then(|| Reason::crit("elasticsearch.master.none").with("who", who(&lonely)))
        }
        1 => None,
        _ => Some(Reason::crit("elasticsearch.master.split").with("sides", sides(&said))),
    }
}

/// The colours that nodes with a master tell. The worst one counts; whoever differs for more than a moment is named.
fn colour(scene: &Scene<'_>) -> Vec<Reason> {
    let said: Vec<(Status, &str)> =
        fresh(scene).filter(|(a, _)| a.master().is_some()).filter_map(|(a, s)| Some((s.health.as_ref()?.status, a.address()))).collect();
    let through_master = scene.whole.and_then(|w| w.health.as_ref());
    let worst = said.iter().map(|(s, _)| *s).chain(through_master.map(|h| h.status)).max();
    let tell = |status: Status| who(&said.iter().filter(|(s, _)| *s == status).map(|(_, a)| *a).collect::<Vec<_>>());
    let mut out = Vec::new();
    match worst {
        Some(Status::Red) => out.push(Reason::crit("elasticsearch.red").with("who", tell(Status::Red))),
        Some(Status::Yellow) if through_master.is_some_and(|h| alone(scene, h)) => out.push(Reason::note("elasticsearch.yellow.alone")),
        Some(Status::Yellow) => out.push(Reason::warn("elasticsearch.yellow").with("who", tell(Status::Yellow))),
        Some(Status::Green) | None => {}
    }
    // One moment's difference is only news on its way.
    if fresh(scene).any(|(_, s)| s.trend.odd >= 2) {
        let sided: Vec<(String, &str)> = said.iter().map(|(s, a)| (s.word().to_owned(), *a)).collect();
        out.push(Reason::warn("elasticsearch.colour.disputed").with("sides", sides(&sided)));
    }
    out
}

/// One node holds all data: its replicas have nowhere to go, which is normal.
pub fn alone(scene: &Scene<'_>, health: &Health) -> bool {
    health.number_of_data_nodes == 1 && scene.whole.is_some_and(|w| w.unassigned.iter().all(|s| !s.primary)) && health.initializing_shards == 0
}

/// Number of an index's block -> what it does to clients. 4 is a closed index, which is meant.
fn blocks(scene: &Scene<'_>) -> Vec<Reason> {
    let mut out = Vec::new();
    // Who says it, for each block of an index, so that one lying node is seen as one.
    let mut found: BTreeMap<&str, (BTreeSet<&str>, BTreeSet<&str>)> = BTreeMap::new();
    let mut global: BTreeMap<&str, (String, BTreeSet<&str>)> = BTreeMap::new();
    for (actor, state) in fresh(scene).filter_map(|(a, s)| Some((a, s.state.as_ref()?))) {
        for (index, blocks) in &state.blocks.indices {
            for number in blocks.keys().filter(|n| *n != "4") {
                let (indices, who) = found.entry(number).or_default();
                indices.insert(index);
                who.insert(actor.address());
            }
        }
        // 2 is "no master", which its row says.
        for (number, block) in state.blocks.global.iter().filter(|(n, _)| *n != "2") {
            global.entry(number).or_insert_with(|| (clean(&block.description).into_owned(), BTreeSet::new())).1.insert(actor.address());
        }
    }
    let list = |names: &BTreeSet<&str>| who(&names.iter().map(|n| clean(n).into_owned()).collect::<Vec<_>>());
    for (number, (indices, observers)) in found {
        let reason = match number {
            "12" => Reason::crit("elasticsearch.blocked.flood"),
            "8" | "5" => Reason::warn("elasticsearch.blocked.write"),
            "7" => Reason::warn("elasticsearch.blocked.read"),
            "9" => Reason::note("elasticsearch.blocked.metadata"),
            _ => Reason::warn("elasticsearch.blocked.other").with("number", number),
        };
        out.push(reason.with("count", indices.len()).with("indices", list(&indices)).with("who", list(&observers)));
    }
    for (description, observers) in global.into_values() {
        out.push(Reason::crit("elasticsearch.blocked.cluster").with("text", description).with("who", list(&observers)));
    }
    out
}

/// Who may vote, and how many more may fail.
fn votes(scene: &Scene<'_>) -> Option<Reason> {
    let nodes: BTreeMap<&str, &Listed> = fresh(scene)
        .filter(|(a, _)| a.master().is_some())
        .filter_map(|(_, s)| s.state.as_ref())
        .flat_map(|s| s.nodes.iter().map(|(id, n)| (id.as_str(), n)))
        .collect();
    let eligible: Vec<&str> = nodes.iter().filter(|(_, n)| n.is_eligible()).map(|(id, _)| *id).collect();
    let voters = scene.whole.map_or(&[][..], |w| &w.rules.voters);
    let gone: Vec<String> = voters.iter().filter(|id| !nodes.contains_key(id.as_str())).map(|id| scene.call(id)).collect();
    if voters.len() > 1 && !nodes.is_empty() && voters.len() - gone.len() <= voters.len() / 2 + 1 && !gone.is_empty() {
        return Some(Reason::warn("elasticsearch.votes.thin").with("left", voters.len() - gone.len()).with("all", voters.len()).with("gone", who(&gone)));
    }
    let few = eligible.len() < 3 && nodes.len() > 1 && !eligible.is_empty();
    few.then(|| Reason::warn("elasticsearch.eligible.few").with("count", eligible.len()).with("nodes", nodes.len()))
}

fn versions(scene: &Scene<'_>) -> Option<Reason> {
    let said: Vec<(String, &str)> =
        fresh(scene).map(|(a, s)| (clean(&s.root.version.number).into_owned(), a.address())).filter(|(v, _)| !v.is_empty()).collect();
    let distinct: BTreeSet<&String> = said.iter().map(|(v, _)| v).collect();
    (distinct.len() > 1).then(|| Reason::warn("elasticsearch.versions").with("sides", sides(&said)))
}

/// A shard whose index uses an analyzer starts only on a node that has it.
fn plugins(scene: &Scene<'_>, group: &mut Group) {
    let known: Vec<(&str, BTreeMap<&str, &str>)> = fresh(scene)
        .filter_map(|(a, s)| Some((a.address(), s.slow.plugins.as_ref()?.iter().map(|p| (p.name.as_str(), p.version.as_str())).collect())))
        .collect();
    let wanted = scene.spec.settings.get("plugins").map_or("", String::as_str).split(',').map(str::trim).filter(|p| !p.is_empty());
    let wanted: BTreeSet<&str> = wanted.collect();
    let all: BTreeSet<&str> = known.iter().flat_map(|(_, p)| p.keys().copied()).chain(wanted.iter().copied()).collect();
    for plugin in all {
        let without: Vec<&str> = known.iter().filter(|(_, p)| !p.contains_key(plugin)).map(|(a, _)| *a).collect();
        let name = clean(plugin).into_owned();
        if !without.is_empty() {
            let grave = wanted.contains(plugin) || plugin.starts_with("analysis-");
            let verdict = if grave { Verdict::Crit } else { Verdict::Warn };
            group.reasons.push(Reason::new(verdict, "elasticsearch.plugin.missing").with("plugin", name.as_str()).with("who", who(&without)));
            for member in group.members.iter_mut().filter(|m| without.contains(&&*m.address)) {
                member.reasons.push(Reason::new(verdict, "elasticsearch.plugin.not-here").with("plugin", name.as_str()));
            }
        }
        let said: Vec<(String, &str)> = known.iter().filter_map(|(a, p)| Some((clean(p.get(plugin)?).into_owned(), *a))).collect();
        if said.iter().any(|(v, _)| *v != said[0].0) {
            group.reasons.push(Reason::warn("elasticsearch.plugin.versions").with("plugin", name).with("sides", sides(&said)));
        }
    }
    if known.len() > 1 && fresh(scene).any(|(_, s)| s.door == Door::Open) && fresh(scene).any(|(_, s)| s.door == Door::Locked) {
        let said: Vec<(String, &str)> = fresh(scene).map(|(a, s)| (if s.door == Door::Open { "open" } else { "locked" }.to_owned(), a.address())).collect();
        group.reasons.push(Reason::warn("elasticsearch.doors").with("sides", sides(&said)));
    }
}

fn queue(scene: &Scene<'_>, health: &Health, tasks: &[String]) -> Vec<Reason> {
    let limits = &scene.spec.limits.elasticsearch;
    let first = tasks.first().map(|t| clean(t).into_owned()).unwrap_or_default();
    let by_count = above(health.number_of_pending_tasks as f64, limits.pending_tasks, "elasticsearch.pending").map(|r| r.with("first", first.as_str()));
    let waited = health.task_max_waiting_in_queue_millis as f64 / 1000.0;
    let by_time = above(waited, limits.pending_seconds, "elasticsearch.pending.old").map(|r| r.with("first", first.as_str()));
    by_count.into_iter().chain(by_time).collect()
}

fn shard_limit(scene: &Scene<'_>, health: &Health, per_node: u64) -> Option<Reason> {
    let most = per_node.saturating_mul(health.number_of_data_nodes);
    let shards = health.active_shards + health.initializing_shards + health.unassigned_shards;
    let percent = if most == 0 { return None } else { shards as f64 / most as f64 * 100.0 };
    let count = |n: u64| Arg::Count(i64::try_from(n).unwrap_or(i64::MAX));
    above(percent, scene.spec.limits.elasticsearch.shards_used_percent, "elasticsearch.shards.limit")
        .map(|r| r.with("shards", count(shards)).with("most", count(most)))
}

/// One member's word never makes a group ok.
fn witnesses(scene: &Scene<'_>) -> Option<Reason> {
    let members = scene.actors.len();
    let heard: Vec<&str> = fresh(scene).filter(|(_, s)| s.state.is_some()).map(|(a, _)| a.address()).collect();
    let enough = if members == 2 { 2 } else { members / 2 + 1 };
    (heard.len() < enough).then(|| {
        let reason = Reason::unknown("elasticsearch.few-witnesses").with("heard", heard.len()).with("members", members);
        reason.with("who", if heard.is_empty() { "-".to_owned() } else { who(&heard) })
    })
}
