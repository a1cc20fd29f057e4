//! One server's own word, and what a client meets there.

use super::super::info::{Info, Persistence, Role};
use super::super::seen::{Data, Door, Read, Seen, Writes};
use super::super::sentinel::Tilt;
use super::cast::{Actor, Instead, Part};
use crate::base::text::{bytes, clean};
use crate::model::group::{Member, Unit};
use crate::model::limits::{MiddlewareLimits, Steps};
use crate::model::reason::{Arg, Reason};
use crate::model::verdict::Verdict;
use crate::source::middleware::Spec;
use crate::source::middleware::member::State;
use crate::source::middleware::observers::silence;

pub fn member(actor: &Actor<'_>, spec: &Spec) -> Member {
    let mut member = Member::new(actor.address());
    member.identity = actor.identity.into();
    member.answered_at = actor.view.answered_at;
    member.role = match (actor.part, actor.last_info().and_then(|i| i.role)) {
        (Part::Sentinel, _) => "sentinel".into(),
        (Part::Data, Some(Role::Master)) => "master".into(),
        (Part::Data, Some(Role::Replica)) => "replica".into(),
        (Part::Data, None) => "".into(),
    };
    match &actor.view.state {
        State::Unasked => member.reasons.push(Reason::unknown("redis.unasked")),
        State::Silent { .. } => member.reasons.extend(silence(&actor.view.state)),
        State::Answering => match &actor.view.seen {
            Some(Seen::Data(data)) => data_member(&mut member, data, &spec.limits),
            Some(Seen::Sentinel(sentinel)) => {
                member.metric("round_trip_seconds", Unit::Seconds, Some(sentinel.round_trip.as_secs_f64()));
                member.detail("version", sentinel.view.version.as_str());
                denied(&mut member, &sentinel.denied);
                if sentinel.view.tilt == Tilt::On {
                    member.reasons.push(Reason::warn("redis.sentinel.tilt"));
                }
            }
            None => {}
        },
    }
    if spec.tls.is_unverified() {
        member.reasons.push(Reason::note("middleware.tls.unverified"));
    }
    for (address, instead) in &actor.wrong {
        member.reasons.push(match instead {
            Instead::Nothing(error) => Reason::crit("redis.announce.nothing").with("address", address).with("error", clean(error).as_ref()),
            Instead::Somebody => Reason::crit("redis.announce.somebody").with("address", address),
        });
    }
    if let Some(twin) = actor.twin {
        member.reasons.push(Reason::warn("redis.twin").with("address", twin));
    }
    member
}

fn denied(member: &mut Member, denied: &[crate::model::fact::Denied]) {
    for one in denied {
        // Without these there is nothing to judge; of the others the row lives on.
        let blind = matches!(one.fact.as_ref(), "INFO" | "CLUSTER INFO" | "CLUSTER NODES" | "SENTINEL MASTERS");
        let reason = if blind { Reason::unknown("redis.no_right") } else { Reason::note("redis.no_right") };
        member.reasons.push(reason.with("fact", &one.fact).with("need", &one.need));
    }
    member.denied = denied.to_vec();
}

fn data_member(member: &mut Member, data: &Data, limits: &MiddlewareLimits) {
    denied(member, &data.denied);
    member.metric("round_trip_seconds", Unit::Seconds, Some(data.round_trip.as_secs_f64()));
    if let Read::Refused(error) = &data.read {
        member.reasons.push(Reason::crit("redis.read_refused").with("error", clean(error).as_ref()));
    }
    if let Writes::Refused(error) = &data.writes {
        member.reasons.push(Reason::crit("redis.writes_refused").with("error", clean(error).as_ref()));
    }
    if data.door == Door::Open {
        member.reasons.push(Reason::warn("redis.open"));
    }
    let Some(info) = &data.info else { return };
    metrics(member, data, info);
    member.reasons.extend(above(data.round_trip.as_secs_f64(), limits.redis.round_trip_seconds, "redis.slow"));
    if let Some(loading) = info.loading {
        let reason = Reason::crit("redis.loading");
        member.reasons.push(match loading.left_seconds {
            Some(left) => reason.with("left", Arg::Seconds(left)),
            None => reason.with("left", "?"),
        });
    }
    // A master whose disk fails refuses writes (MISCONF); a replica goes on, but must not be promoted.
    let verdict = if info.role == Some(Role::Replica) { Verdict::Warn } else { Verdict::Crit };
    if info.bgsave == Persistence::Failed {
        member.reasons.push(Reason::new(verdict, "redis.bgsave_failed"));
    }
    if info.aof_write == Persistence::Failed {
        member.reasons.push(Reason::new(verdict, "redis.aof_failed"));
    }
    for (code, count) in &data.trend.refused {
        let count = Arg::Count(i64::try_from(*count).unwrap_or(i64::MAX));
        match code.as_str() {
            "MISCONF" => member.reasons.push(Reason::crit("redis.refusing.misconf").with("count", count)),
            "OOM" => member.reasons.push(Reason::crit("redis.refusing.oom").with("count", count)),
            "NOREPLICAS" => member.reasons.push(Reason::crit("redis.refusing.noreplicas").with("count", count)),
            "READONLY" => member.reasons.push(Reason::warn("redis.refusing.readonly").with("count", count)),
            _ => {}
        }
    }
    memory(member, data, info, limits);
    if let Some((used, most)) = info.clients.zip(info.clients_max.filter(|m| *m > 0)) {
        let percent = used as f64 / most as f64 * 100.0;
        member.reasons.extend(above(percent, limits.connections_used_percent, "redis.clients"));
    }
    if let Some(rate) = data.trend.rejected_per_second.filter(|r| *r > 0.0) {
        member.reasons.push(Reason::warn("redis.rejected").with("rate", rate));
    }
    if let Some(seconds) = info.fork_seconds.filter(|s| *s > limits.redis.fork_seconds) {
        member.reasons.push(Reason::warn("redis.slow_fork").with("seconds", seconds));
    }
    if data.trend.full_syncs.len() >= limits.redis.full_syncs {
        member.reasons.push(Reason::warn("redis.resync_loop").with("count", data.trend.full_syncs.len()));
    }
}

fn memory(member: &mut Member, data: &Data, info: &Info, limits: &MiddlewareLimits) {
    let used = info.memory_used_bytes.unwrap_or(0);
    match info.memory_max_bytes {
        Some(0) if info.role == Some(Role::Master) && used >= limits.redis.unlimited_memory_bytes => {
            member.reasons.push(Reason::warn("redis.memory.unlimited"));
        }
        Some(most) if most > 0 => {
            let percent = used as f64 / most as f64 * 100.0;
            // With an eviction policy a full memory is how a cache works; without one, writes end there.
            if info.memory_policy == "noeviction" {
                member.reasons.extend(above(percent, limits.memory_used_percent, "redis.memory.full").map(|r| r.with("max", Arg::Bytes(most))));
            }
        }
        _ => {}
    }
    if let Some(rate) = data.trend.evicted_per_second {
        member.reasons.extend(above(rate, limits.redis.evictions_per_second, "redis.evicting").map(|r| r.with("policy", info.memory_policy.as_str())));
    }
    if let Some(ratio) = info.fragmentation.filter(|r| *r > limits.redis.fragmentation && used > limits.redis.fragmentation_from_bytes) {
        member.reasons.push(Reason::warn("redis.memory.fragmented").with("ratio", ratio));
    }
}

pub fn above(value: f64, steps: Steps, code: &'static str) -> Option<Reason> {
    Reason::above(value, steps.warn, steps.crit, code)
}

fn metrics(member: &mut Member, data: &Data, info: &Info) {
    let number = |count: Option<u64>| count.map(|c| c as f64);
    member.metric("operations_per_second", Unit::PerSecond, info.operations_per_second);
    member.metric("memory_used_bytes", Unit::Bytes, number(info.memory_used_bytes));
    member.metric("memory_max_bytes", Unit::Bytes, number(info.memory_max_bytes.filter(|m| *m > 0)));
    member.metric("clients", Unit::Count, number(info.clients));
    member.metric("blocked_clients", Unit::Count, number(info.blocked_clients));
    member.metric("evictions_per_second", Unit::PerSecond, data.trend.evicted_per_second);
    member.metric("offset_bytes", Unit::Bytes, number(info.offset));
    member.metric("uptime_seconds", Unit::Seconds, number(info.uptime_seconds));
    member.detail("version", info.version.as_str());
    member.detail("link", data.link_word.as_str());
    member.detail("memory_policy", info.memory_policy.as_str());
    if let Some(backlog) = info.backlog_bytes {
        member.detail("backlog", bytes(backlog));
    }
    if let Some(view) = data.cluster.as_ref()
        && let Some(me) = view.myself()
    {
        let slots: u32 = me.slots.iter().map(|(a, b)| u32::from(*b) - u32::from(*a) + 1).sum();
        member.metric("slots", Unit::Count, me.is_master().then(|| f64::from(slots)));
        member.metric("epoch", Unit::Count, Some(view.epoch as f64));
    }
}
