//! One node's own word, and what a client meets there.

use super::super::api::{Check, Node, Resource, Statistics};
use super::super::seen::{Api, Facts, Kind, Whole};
use super::{Actor, Scene, client};
use crate::base::text::clean;
use crate::model::group::{Member, Unit};
use crate::model::limits::{MiddlewareLimits, Steps};
use crate::model::reason::{Arg, Reason};
use crate::source::middleware::Spec;
use crate::source::middleware::member::State;
use crate::source::middleware::observers::{silence, who};

pub fn member(scene: &Scene<'_, '_>, actor: &Actor<'_>, spec: &Spec) -> Member {
    let mut member = Member::new(actor.address());
    member.identity = actor.node.into();
    member.role = if actor.node.is_empty() { "".into() } else { "node".into() };
    member.answered_at = actor.view.answered_at;
    match &actor.view.state {
        State::Unasked => member.reasons.push(Reason::unknown("rabbitmq.unasked")),
        State::Silent { .. } => member.reasons.extend(silence(&actor.view.state)),
        State::Answering => {
            if let Some(seen) = &actor.view.seen {
                client::judge(&mut member, &seen.door, scene.limits);
                match &seen.api {
                    Api::Answers(facts) => facts_of(&mut member, scene, facts),
                    Api::Closed => {}
                    Api::Silent(trouble) => member.reasons.push(Reason::unknown("rabbitmq.api_silent").with("text", clean(&trouble.text).as_ref())),
                }
                for denied in &seen.denied {
                    // Without these there is nothing to judge; of the others the row lives on.
                    let blind = matches!(denied.fact.as_ref(), "management API" | "nodes");
                    let reason = if blind { Reason::unknown("rabbitmq.no_right") } else { Reason::note("rabbitmq.no_right") };
                    member.reasons.push(reason.with("fact", &denied.fact).with("need", &denied.need));
                }
                member.denied.clone_from(&seen.denied);
            }
        }
    }
    if spec.tls.is_unverified() {
        member.reasons.push(Reason::note("middleware.tls.unverified"));
    }
    if let Some(twin) = scene.actors.iter().take_while(|a| a.address() != actor.address()).find(|a| !a.node.is_empty() && a.node == actor.node) {
        member.reasons.push(Reason::warn("rabbitmq.twin").with("address", twin.address()));
    }
    member
}

fn facts_of(member: &mut Member, scene: &Scene<'_, '_>, facts: &Facts) {
    let limits = scene.limits;
    member.detail("version", facts.overview.version.as_str());
    member.detail("erlang", facts.overview.erlang.as_str());
    member.detail("cluster", clean(&facts.overview.cluster).as_ref());
    if facts.whole == Whole::Hung {
        member.reasons.push(Reason::unknown("rabbitmq.waits"));
    }
    if facts.overview.statistics == Statistics::Off {
        member.reasons.push(Reason::note("rabbitmq.no_statistics"));
    }
    if let Some(own) = facts.own() {
        resources(member, own, limits);
    }
    member.metric("round_trip_seconds", Unit::Seconds, Some(facts.round_trip.as_secs_f64()));
    checks(member, facts, scene.nodes().len());
}

fn checks(member: &mut Member, facts: &Facts, nodes: usize) {
    for (kind, check) in &facts.checks {
        let Check::Failed { reason, names } = check else { continue };
        let named = if names.is_empty() { reason.clone() } else { who(names) };
        let told = match kind {
            // An alarm anywhere blocks publishers everywhere; whose it is, is judged over all observers.
            Kind::LocalAlarms | Kind::Alarms => continue,
            Kind::Vhosts => Reason::crit("rabbitmq.vhost_down").with("names", named),
            // True of a node on its own at all times.
            Kind::QuorumCritical if nodes <= 1 => continue,
            Kind::QuorumCritical => Reason::warn("rabbitmq.quorum_critical").with("queues", named),
            Kind::MirrorCritical => Reason::warn("rabbitmq.mirror_critical").with("queues", named),
            Kind::Certificates => Reason::warn("rabbitmq.certificate").with("names", named),
            Kind::InService => Reason::warn("rabbitmq.not_in_service").with("text", named),
            Kind::ConnectionLimit => Reason::crit("rabbitmq.connection_limit").with("text", named),
            Kind::ReadyForClients => Reason::crit("rabbitmq.not_ready").with("text", named),
            Kind::LeaderlessQueues => Reason::crit("rabbitmq.queue.no_leader").with("queues", named),
        };
        member.reasons.push(told);
    }
}

fn resources(member: &mut Member, own: &Node, limits: &MiddlewareLimits) {
    let number = |n: Option<u64>| n.map(|n| n as f64);
    let share = |pair: Option<(u64, u64)>| pair.map(|(used, total)| used as f64 / total as f64 * 100.0);
    let memory = share(own.memory_used.zip(own.memory_limit.filter(|l| *l > 0)));
    member.metric("memory_used_percent", Unit::Percent, memory);
    member.metric("memory_used_bytes", Unit::Bytes, number(own.memory_used));
    member.metric("disk_free_bytes", Unit::Bytes, number(own.disk_free));
    member.metric("files_used_percent", Unit::Percent, share(own.files));
    member.metric("processes_used_percent", Unit::Percent, share(own.processes));
    member.metric("uptime_seconds", Unit::Seconds, own.uptime.map(|ms| ms as f64 / 1000.0));
    if own.draining {
        member.reasons.push(Reason::warn("rabbitmq.draining"));
    }
    // Beyond the limit there is an alarm, which says more.
    if let Some(percent) = memory.filter(|_| !own.alarms.contains(&Resource::Memory)) {
        member
            .reasons
            .extend(above(percent, limits.memory_used_percent, "rabbitmq.memory").map(|r| r.with("limit", Arg::Bytes(own.memory_limit.unwrap_or(0)))));
    }
    if let Some(free) = own.disk_free.filter(|_| !own.alarms.contains(&Resource::Disk)) {
        let low = limits.rabbitmq.disk_free_bytes;
        let told = if free as f64 <= low.crit {
            Some(Reason::crit("rabbitmq.disk"))
        } else if free as f64 <= low.warn {
            Some(Reason::warn("rabbitmq.disk"))
        } else {
            None
        };
        member.reasons.extend(told.map(|r| r.with("free", Arg::Bytes(free)).with("limit", Arg::Bytes(own.disk_limit.unwrap_or(0)))));
    }
    for (pair, code) in [(own.files, "rabbitmq.files"), (own.sockets, "rabbitmq.sockets"), (own.processes, "rabbitmq.processes")] {
        member.reasons.extend(share(pair).and_then(|percent| above(percent, limits.rabbitmq.handles_used_percent, code)));
    }
}

pub fn above(value: f64, steps: Steps, code: &'static str) -> Option<Reason> {
    Reason::above(value, steps.warn, steps.crit, code)
}
