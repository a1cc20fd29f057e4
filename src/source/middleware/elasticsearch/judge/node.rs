//! One node's own word, and what a client meets there.

use super::super::answer::{Disk, Plugin};
use super::super::seen::{Door, Seen};
use super::super::watermark::{Settings, Watch};
use super::{Actor, Scene};
use crate::base::text::{bytes, clean};
use crate::model::group::{Member, Unit};
use crate::model::limits::Steps;
use crate::model::reason::{Arg, Reason};
use crate::source::middleware::member::State;
use crate::source::middleware::observers::silence;

pub fn member(scene: &Scene<'_>, actor: &Actor<'_>) -> Member {
    let mut member = Member::new(actor.address());
    member.identity = actor.name().into();
    member.answered_at = actor.view.answered_at;
    let is_master = !actor.id.is_empty() && scene.master().is_some_and(|(master, _)| master == actor.id);
    member.role = if actor.view.seen.is_none() {
        ""
    } else if is_master {
        "master"
    } else {
        "node"
    }
    .into();
    member.reasons.extend(silence(&actor.view.state));
    if actor.view.state == State::Unasked {
        member.reasons.push(Reason::unknown("elasticsearch.unasked"));
    }
    if let Some(seen) = actor.seen {
        metrics(scene, &mut member, actor, seen);
        judge(scene, &mut member, seen);
    }
    if scene.spec.tls.is_unverified() {
        member.reasons.push(Reason::note("middleware.tls.unverified"));
    }
    let twin = scene.actors.iter().find(|a| !a.id.is_empty() && a.id == actor.id && a.address() != actor.address() && a.seen.is_some());
    if let Some(twin) = twin.filter(|_| actor.seen.is_some()) {
        member.reasons.push(Reason::warn("elasticsearch.twin").with("address", twin.address()));
    }
    member
}

/// All disks of a node as one: shards are placed by the sum's watermarks on each; the fullest is the one that decides.
fn fullest(seen: &Seen) -> Option<Disk> {
    let disks = &seen.stats.as_ref()?.fs.data;
    let used = |d: &Disk| if d.total_in_bytes == 0 { 0.0 } else { 1.0 - d.available_in_bytes as f64 / d.total_in_bytes as f64 };
    disks.iter().copied().max_by(|a, b| used(a).total_cmp(&used(b)))
}

fn metrics(scene: &Scene<'_>, member: &mut Member, actor: &Actor<'_>, seen: &Seen) {
    if let Some(stats) = &seen.stats {
        member.metric("heap_used_percent", Unit::Percent, stats.jvm.mem.heap_used_percent);
        let disk = fullest(seen).filter(|d| d.total_in_bytes > 0);
        member.metric("disk_used_percent", Unit::Percent, disk.map(|d| 100.0 - d.available_in_bytes as f64 / d.total_in_bytes as f64 * 100.0));
        member.metric("disk_free_bytes", Unit::Bytes, disk.map(|d| d.available_in_bytes as f64));
        member.metric("cpu_percent", Unit::Percent, stats.os.cpu.percent.filter(|p| *p >= 0.0));
        member.metric("heap_max_bytes", Unit::Bytes, stats.jvm.mem.heap_max_in_bytes.map(|b| b as f64));
        member.metric("old_gc_percent", Unit::Percent, seen.trend.gc_percent);
        let rejected = seen.trend.rejected.iter().map(|(_, rate)| rate).sum::<f64>();
        member.metric("rejected_per_second", Unit::PerSecond, (seen.trend.heap.len() > 1).then_some(rejected));
        member.metric("uptime_seconds", Unit::Seconds, Some(stats.jvm.uptime_in_millis as f64 / 1000.0));
    }
    member.metric("round_trip_seconds", Unit::Seconds, Some(seen.round_trip.as_secs_f64()));
    if let Some(health) = seen.whole.as_ref().and_then(|w| w.health.as_ref()) {
        member.metric("shards_active", Unit::Count, Some(health.active_shards as f64));
        member.metric("shards_unassigned", Unit::Count, Some(health.unassigned_shards as f64));
        member.metric("pending_tasks", Unit::Count, Some(health.number_of_pending_tasks as f64));
        member.metric("pending_seconds", Unit::Seconds, Some(health.task_max_waiting_in_queue_millis as f64 / 1000.0));
    }
    let product = if seen.root.version.is_opensearch() { "OpenSearch " } else { "" };
    member.detail("version", format!("{product}{}", clean(&seen.root.version.number)));
    member.detail("cluster_name", clean(&seen.root.cluster_name));
    if let Some(state) = &seen.state {
        member.detail("colour", seen.health.as_ref().map_or("", |h| h.status.word()));
        member.detail("master", state.master().map_or_else(|| "-".to_owned(), |id| scene.call(id)));
        member.detail("roles", state.nodes.get(actor.id).map(|n| n.roles.join(" ")).unwrap_or_default());
    }
    member.detail("plugins", seen.slow.plugins.iter().flatten().map(spoken).collect::<Vec<_>>().join(", "));
    member.denied.clone_from(&seen.denied);
}

/// A plugin's name and version.
pub fn spoken(plugin: &Plugin) -> String {
    let short = plugin.name.rsplit('.').next().unwrap_or_default();
    if plugin.version.is_empty() || plugin.version == "NA" { clean(short).into_owned() } else { clean(&format!("{short} {}", plugin.version)).into_owned() }
}

fn judge(scene: &Scene<'_>, member: &mut Member, seen: &Seen) {
    let limits = &scene.spec.limits.elasticsearch;
    for one in &seen.denied {
        // Without these there is nothing to judge; of the others the row lives on.
        let blind = matches!(one.fact.as_ref(), "cluster health" | "cluster state");
        let reason = if blind { Reason::unknown("elasticsearch.no-right") } else { Reason::note("elasticsearch.no-right") };
        member.reasons.push(reason.with("fact", &one.fact).with("need", &one.need));
    }
    if seen.door == Door::Open {
        member.reasons.push(Reason::warn("elasticsearch.open"));
    }
    if let Some(words) = &seen.overloaded {
        member.reasons.push(Reason::crit("elasticsearch.overloaded").with("text", words.as_str()));
    }
    if seen.root.cluster_uuid == "_na_" {
        member.reasons.push(Reason::crit("elasticsearch.unformed"));
    } else if seen.state.as_ref().is_some_and(|s| s.master().is_none()) {
        member.reasons.push(Reason::crit("elasticsearch.no-master"));
    }
    member.reasons.extend(above(seen.round_trip.as_secs_f64(), limits.round_trip_seconds, "elasticsearch.slow"));
    if let Some(floor) = seen.trend.heap_floor() {
        member.reasons.extend(above(floor, limits.heap_used_percent, "elasticsearch.heap").map(|r| r.with("samples", seen.trend.heap.len())));
    }
    if let Some(percent) = seen.trend.gc_percent {
        member.reasons.extend(above(percent, limits.old_gc_percent, "elasticsearch.gc"));
    }
    for (pool, rate) in &seen.trend.rejected {
        member.reasons.push(Reason::warn("elasticsearch.rejected").with("pool", pool.as_str()).with("rate", *rate));
    }
    for (breaker, count) in &seen.trend.tripped {
        let count = Arg::Count(i64::try_from(*count).unwrap_or(i64::MAX));
        member.reasons.push(Reason::warn("elasticsearch.breaker").with("breaker", breaker.as_str()).with("count", count));
    }
    if let Some(disk) = fullest(seen) {
        let settings = scene.whole.map(|w| w.rules.settings.clone()).unwrap_or_default();
        member.reasons.extend(watermark(disk, &settings));
    }
}

fn watermark(disk: Disk, settings: &Settings) -> Option<Reason> {
    if settings.watch == Watch::Off || disk.total_in_bytes == 0 {
        return None;
    }
    let passed = |mark: super::super::watermark::Mark| mark.is_passed(disk.total_in_bytes, disk.available_in_bytes);
    let (reason, mark) = if passed(settings.flood) {
        (Reason::crit("elasticsearch.disk.flood"), settings.flood)
    } else if passed(settings.high) {
        (Reason::warn("elasticsearch.disk.high"), settings.high)
    } else if passed(settings.low) {
        (Reason::warn("elasticsearch.disk.low"), settings.low)
    } else {
        return None;
    };
    let used = 100.0 - disk.available_in_bytes as f64 / disk.total_in_bytes as f64 * 100.0;
    Some(reason.with("value", used).with("free", bytes(disk.available_in_bytes)).with("mark", mark.text()))
}

pub fn above(value: f64, steps: Steps, code: &'static str) -> Option<Reason> {
    Reason::above(value, steps.warn, steps.crit, code)
}
