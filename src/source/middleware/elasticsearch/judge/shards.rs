//! Shards that are nowhere, why, and those that are being copied.

use std::collections::BTreeMap;

use super::super::answer::{Explanation, Recovery, Shard};
use super::Scene;
use super::cluster::alone;
use crate::base::text::{clean, cut_end};
use crate::model::group::{Detail, Edge, EdgeState, Group, Metric, Unit};
use crate::model::reason::{Arg, Reason};
use crate::model::verdict::Verdict;
use crate::source::middleware::observers::who;

/// Words of a decider that are shown.
const WORDS: usize = 200;

pub fn judge(scene: &Scene<'_>, group: &mut Group) {
    let Some(whole) = scene.whole else { return };
    let normal = whole.health.as_ref().is_some_and(|h| alone(scene, h));
    for primary in [true, false] {
        let shards: Vec<&Shard> = whole.unassigned.iter().filter(|s| s.primary == primary).collect();
        if shards.is_empty() {
            continue;
        }
        let verdict = match (primary, normal) {
            (true, _) => Verdict::Crit,
            (false, true) => Verdict::Ok,
            (false, false) => Verdict::Warn,
        };
        let code = if primary { "elasticsearch.unassigned.primaries" } else { "elasticsearch.unassigned.replicas" };
        group.reasons.push(Reason::new(verdict, code).with("count", shards.len()).with("shards", named(&shards)));
        group.reasons.extend(since(scene, verdict, &shards));
        group.reasons.extend(whole.explained.iter().filter(|e| e.primary == primary).flat_map(|e| why(verdict, e)));
    }
    if let Some(health) = &whole.health {
        let count = |n: u64| Arg::Count(i64::try_from(n).unwrap_or(i64::MAX));
        let moving = health.initializing_shards + health.relocating_shards;
        if moving > 0 {
            group.reasons.push(
                Reason::note("elasticsearch.moving").with("starting", count(health.initializing_shards)).with("relocating", count(health.relocating_shards)),
            );
        }
        if health.delayed_unassigned_shards > 0 {
            group.reasons.push(Reason::note("elasticsearch.delayed").with("count", count(health.delayed_unassigned_shards)));
        }
    }
    group.edges.extend(whole.recoveries.iter().filter_map(|r| edge(scene, r)));
}

fn named(shards: &[&Shard]) -> String {
    who(&shards.iter().map(|s| clean(&s.name()).into_owned()).collect::<Vec<_>>())
}

/// How they came to be unassigned, in words, by reason.
fn since(scene: &Scene<'_>, verdict: Verdict, shards: &[&Shard]) -> Vec<Reason> {
    let mut by: BTreeMap<&'static str, (Vec<&Shard>, &str)> = BTreeMap::new();
    for shard in shards {
        let code = match shard.unassigned_info.reason.as_str() {
            "NODE_LEFT" => "elasticsearch.since.node-left",
            "NODE_RESTARTING" => "elasticsearch.since.node-restarting",
            "ALLOCATION_FAILED" => "elasticsearch.since.failed",
            "INDEX_CREATED" => "elasticsearch.since.created",
            "REPLICA_ADDED" => "elasticsearch.since.replica-added",
            "CLUSTER_RECOVERED" => "elasticsearch.since.cluster-recovered",
            "INDEX_REOPENED" => "elasticsearch.since.reopened",
            "DANGLING_INDEX_IMPORTED" => "elasticsearch.since.dangling",
            "NEW_INDEX_RESTORED" | "EXISTING_INDEX_RESTORED" => "elasticsearch.since.restored",
            "PRIMARY_FAILED" => "elasticsearch.since.primary-failed",
            "REROUTE_CANCELLED" | "MANUAL_ALLOCATION" => "elasticsearch.since.rerouted",
            "REINITIALIZED" | "REALLOCATED_REPLICA" => "elasticsearch.since.reinitialized",
            "FORCED_EMPTY_PRIMARY" => "elasticsearch.since.forced-empty",
            "INDEX_CLOSED" => "elasticsearch.since.closed",
            _ => "elasticsearch.since.other",
        };
        let (found, details) = by.entry(code).or_insert((Vec::new(), &shard.unassigned_info.details));
        found.push(shard);
        if details.is_empty() {
            *details = &shard.unassigned_info.details;
        }
    }
    let say = |(code, (found, details)): (&'static str, (Vec<&Shard>, &str))| {
        let details = match details.split_once("node_left [").and_then(|(_, rest)| rest.split_once(']')) {
            Some((id, _)) => clean(&scene.call(id)).into_owned(),
            None => cut_end(&clean(details), WORDS, "..."),
        };
        let other = found.first().map_or("", |s| s.unassigned_info.reason.as_str());
        Reason::new(verdict, code).with("count", found.len()).with("shards", named(&found)).with("details", details).with("reason", clean(other).as_ref())
    };
    by.into_iter().map(say).collect()
}

/// Why the master does not place it, as its deciders say.
fn why(verdict: Verdict, explained: &Explanation) -> Vec<Reason> {
    let shard = clean(&format!("{}[{}]", explained.index, explained.shard)).into_owned();
    let plain = |verdict: Verdict, code: &'static str| vec![Reason::new(verdict, code).with("shard", shard.as_str())];
    match explained.can_allocate.as_str() {
        "no_valid_shard_copy" => return plain(verdict, "elasticsearch.why.no-copy"),
        "allocation_delayed" => {
            let left = Arg::Seconds(explained.remaining_delay_in_millis / 1000);
            return vec![Reason::new(verdict, "elasticsearch.why.delayed").with("shard", shard).with("left", left)];
        }
        "throttled" | "yes" | "awaiting_info" => return plain(Verdict::Ok, "elasticsearch.why.soon"),
        _ => {}
    }
    let mut by: BTreeMap<&str, (Vec<String>, &str)> = BTreeMap::new();
    for decision in &explained.node_allocation_decisions {
        for decider in decision.deciders.iter().filter(|d| d.decision != "YES") {
            let (nodes, _) = by.entry(&decider.decider).or_insert((Vec::new(), &decider.explanation));
            nodes.push(clean(&decision.node_name).into_owned());
        }
    }
    let say = |(decider, (nodes, words)): (&str, (Vec<String>, &str))| {
        let code = match decider {
            "same_shard" => "elasticsearch.why.same-shard",
            "disk_threshold" => "elasticsearch.why.disk",
            "max_retry" => "elasticsearch.why.max-retry",
            "filter" => "elasticsearch.why.filter",
            "enable" => "elasticsearch.why.enable",
            "awareness" => "elasticsearch.why.awareness",
            "shards_limit" => "elasticsearch.why.shards-limit",
            "node_version" => "elasticsearch.why.node-version",
            "replica_after_primary_active" => "elasticsearch.why.primary-first",
            "data_tier" => "elasticsearch.why.tier",
            "throttling" => "elasticsearch.why.throttling",
            _ => "elasticsearch.why.other",
        };
        let words = cut_end(&clean(words), WORDS, "...");
        let reason = Reason::new(verdict, code).with("shard", shard.as_str()).with("nodes", who(&nodes));
        reason.with("decider", clean(decider).as_ref()).with("text", words)
    };
    by.into_iter().map(say).collect()
}

/// A copy on its way from one node to another.
fn edge(scene: &Scene<'_>, recovery: &Recovery) -> Option<Edge> {
    if recovery.source_node == "n/a" || recovery.source_node.is_empty() {
        return None;
    }
    let number = |text: &str| text.trim_end_matches('%').parse::<f64>().ok();
    let mut metrics = Vec::new();
    metrics.extend(number(&recovery.bytes_percent).map(|value| Metric { key: "recovered_percent", unit: Unit::Percent, value }));
    let left = number(&recovery.bytes_total).zip(number(&recovery.bytes_recovered)).map(|(all, done)| (all - done).max(0.0));
    metrics.extend(left.map(|value| Metric { key: "left_bytes", unit: Unit::Bytes, value }));
    Some(Edge {
        from: scene.at(&recovery.source_node).as_str().into(),
        from_identity: clean(&recovery.source_node).as_ref().into(),
        to: scene.at(&recovery.target_node).as_str().into(),
        channel: clean(&format!("{}[{}]", recovery.index, recovery.shard)).as_ref().into(),
        state: EdgeState::Flowing,
        metrics,
        details: vec![Detail { key: "stage", text: clean(&recovery.stage).into_owned() }],
    })
}
