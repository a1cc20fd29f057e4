//! One server's own word, and what a client meets there.

use super::super::seen::{Door, Grpc, Seen};
use super::{Actor, Scene, raft};
use crate::base::text::clean;
use crate::model::group::{Member, Unit};
use crate::model::reason::{Arg, Reason};
use crate::source::middleware::member::State;
use crate::source::middleware::observers::silence;

pub fn member(scene: &Scene<'_>, actor: &Actor<'_>) -> Member {
    let mut member = Member::new(actor.address());
    member.identity = actor.view.seen.as_ref().map_or("", |s| s.own.as_str()).into();
    member.answered_at = actor.view.answered_at;
    member.role = match actor.view.seen {
        None => "",
        Some(_) if raft::leads(scene, actor) => "leader",
        Some(_) => "node",
    }
    .into();
    member.reasons.extend(silence(&actor.view.state));
    if actor.view.state == State::Unasked {
        member.reasons.push(Reason::unknown("nacos.unasked"));
    }
    if let Some(seen) = actor.seen {
        metrics(scene, &mut member, actor, seen);
        judge(scene, &mut member, actor, seen);
    }
    if scene.spec.tls.is_unverified() {
        member.reasons.push(Reason::note("middleware.tls.unverified"));
    }
    let twin = scene.actors.iter().find(|a| a.seen.is_some_and(|s| !s.own.is_empty()) && a.own == actor.own && a.address() != actor.address());
    if let Some(twin) = twin.filter(|_| actor.seen.is_some()) {
        member.reasons.push(Reason::warn("nacos.twin").with("address", twin.address()));
    }
    member
}

fn metrics(scene: &Scene<'_>, member: &mut Member, actor: &Actor<'_>, seen: &Seen) {
    if let Some(services) = &seen.services {
        let (all, healthy) = (services.instances(), services.healthy());
        member.metric("instances_unhealthy", Unit::Count, Some(all.saturating_sub(healthy) as f64));
        member.metric("instances", Unit::Count, Some(all as f64));
        member.metric("services", Unit::Count, Some(services.count as f64));
    }
    if let Some(metrics) = &seen.metrics {
        member.metric("clients", Unit::Count, metrics.client_count.map(|n| n as f64));
        member.metric("grpc_clients", Unit::Count, metrics.connection_based_client_count.map(|n| n as f64));
    }
    member.metric("round_trip_seconds", Unit::Seconds, Some(seen.round_trip.as_secs_f64()));
    member.detail("version", clean(&seen.version).into_owned());
    if let Some(own) = seen.own_node() {
        member.detail("state", clean(&own.state).into_owned());
        let leaders: Vec<String> = raft::leaders(own).map(|(group, leader)| format!("{} {}", clean(group), raft::call(scene, leader))).collect();
        // Mostly one server leads every group.
        let distinct: std::collections::BTreeSet<&str> = leaders.iter().filter_map(|l| l.rsplit(' ').next()).collect();
        let text = if distinct.len() == 1 { distinct.into_iter().collect() } else { leaders.join(", ") };
        member.detail("raft_leader", text);
    }
    if let Grpc::Open { .. } = seen.grpc {
        member.detail("grpc", "+1000");
    }
    let _ = actor;
    member.denied.clone_from(&seen.denied);
}

fn judge(scene: &Scene<'_>, member: &mut Member, actor: &Actor<'_>, seen: &Seen) {
    for one in &seen.denied {
        // Without the list there is nothing to judge; of the others the row lives on.
        let blind = one.fact.as_str() == "the list of servers";
        let reason = if blind { Reason::unknown("nacos.no-right") } else { Reason::note("nacos.no-right") };
        member.reasons.push(reason.with("fact", &one.fact).with("need", &one.need));
    }
    if seen.door == Door::Open {
        member.reasons.push(Reason::warn("nacos.open"));
    }
    if let Some(metrics) = seen.metrics.as_ref().filter(|m| !m.status.is_empty() && m.status != "UP") {
        member.reasons.push(Reason::crit("nacos.not-ready").with("state", clean(&metrics.status).as_ref()));
    }
    match seen.own_node().map(|n| n.state.as_str()) {
        Some("UP" | "") => {}
        Some("STARTING") => member.reasons.push(Reason::warn("nacos.starting")),
        Some(state) => member.reasons.push(Reason::crit("nacos.own-state").with("state", clean(state).as_ref())),
        None if seen.nodes.is_some() && !seen.own.is_empty() => member.reasons.push(Reason::warn("nacos.own-unlisted").with("own", clean(&seen.own).as_ref())),
        None => {}
    }
    if let Grpc::Closed { port, text, .. } = &seen.grpc {
        member.reasons.push(Reason::crit("nacos.grpc").with("port", Arg::Count(i64::from(*port))).with("text", text.as_str()));
    }
    let limits = scene.spec.limits.nacos.round_trip_seconds;
    member.reasons.extend(Reason::above(seen.round_trip.as_secs_f64(), limits.warn, limits.crit, "nacos.slow"));
    member.reasons.extend(raft::own(scene, actor, seen));
}
