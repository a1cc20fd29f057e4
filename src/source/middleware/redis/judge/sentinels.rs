//! What the sentinels stand by, whether they agree, and whether the one they name agrees with them.

use std::collections::BTreeSet;

use super::super::info::Role;
use super::super::sentinel::{Flags, Quorum, SentinelView};
use super::Scene;
use super::cast::{Actor, Part};
use crate::model::group::Group;
use crate::model::reason::Reason;
use crate::source::middleware::member::State;
use crate::source::middleware::observers::{sides, who};

pub fn judge(scene: &Scene<'_, '_>, group: &mut Group) {
    let all: Vec<&Actor<'_>> = scene.actors.iter().filter(|a| a.part == Part::Sentinel).collect();
    let said: Vec<(&str, &SentinelView)> = all.iter().filter_map(|a| Some((a.address(), &a.sentinel()?.view))).collect();
    if all.is_empty() {
        return;
    }
    for (address, view) in &said {
        let Some(place) = scene.actors.iter().position(|a| a.address() == *address) else { continue };
        let reasons = &mut group.members[place].reasons;
        if view.master.is_none() {
            reasons.push(Reason::crit("redis.sentinel.no_such_master").with("names", if view.names.is_empty() { "-".into() } else { who(&view.names) }));
        }
        if let Quorum::Missed(text) = &view.quorum {
            reasons.push(Reason::crit("redis.sentinel.quorum").with("error", text));
        }
    }
    let watched: Vec<_> = said.iter().filter_map(|(a, v)| Some((*a, v.master.as_ref()?))).collect();
    let claims: Vec<(String, &str)> = watched.iter().map(|(a, m)| (m.address.clone(), *a)).collect();
    let named: BTreeSet<&str> = watched.iter().map(|(_, m)| m.address.as_str()).collect();
    if named.len() > 1 {
        group.reasons.push(Reason::crit("redis.sentinel.split").with("sides", sides(&claims)));
    }
    for address in &named {
        group.reasons.extend(of_master(scene, address, &claims));
    }
    let down: Vec<&str> = watched.iter().filter(|(_, m)| m.flags == Flags::Down).map(|(a, _)| *a).collect();
    if !down.is_empty() {
        group.reasons.push(Reason::crit("redis.sentinel.master_down").with("who", who(&down)));
    }
    group.reasons.extend(numbers(&all, &watched));
}

/// The member that sentinels call the master must call itself one.
fn of_master(scene: &Scene<'_, '_>, address: &str, claims: &[(String, &str)]) -> Option<Reason> {
    let by: Vec<&str> = claims.iter().filter(|(a, _)| a == address).map(|(_, who)| *who).collect();
    let actor = scene.at(address);
    match actor {
        Some(actor) if actor.info().is_some_and(|i| i.role == Some(Role::Replica)) => {
            Some(Reason::crit("redis.sentinel.role_disputed").with("address", address).with("who", who(&by)))
        }
        // The list of members is known to be stale for one poll after a failover.
        None | Some(_) if actor.is_none_or(|a| a.view.state == State::Unasked) => {
            Some(Reason::unknown("redis.sentinel.master_unasked").with("address", address).with("who", who(&by)))
        }
        _ => None,
    }
}

/// Enough of them, and all of the same mind about how many that is?
fn numbers(all: &[&Actor<'_>], watched: &[(&str, &super::super::sentinel::Watched)]) -> Vec<Reason> {
    let mut out = Vec::new();
    let known = watched.iter().map(|(_, m)| m.other_sentinels + 1).max().unwrap_or(0).max(u32::try_from(all.len()).unwrap_or(u32::MAX));
    let heard = u32::try_from(watched.len()).unwrap_or(0);
    if heard * 2 <= known {
        out.push(Reason::unknown("redis.sentinel.few_heard").with("heard", heard).with("known", known));
    }
    if known < 3 {
        out.push(Reason::warn("redis.sentinel.few").with("known", known));
    }
    let counts: Vec<(String, &str)> = watched.iter().map(|(a, m)| ((m.other_sentinels + 1).to_string(), *a)).collect();
    if counts.iter().any(|(n, _)| *n != known.to_string()) {
        out.push(Reason::warn("redis.sentinel.strangers").with("sides", sides(&counts)).with("known", known));
    }
    let quorums: Vec<(String, &str)> = watched.iter().map(|(a, m)| (m.quorum.to_string(), *a)).collect();
    if quorums.iter().map(|(q, _)| q).collect::<BTreeSet<_>>().len() > 1 {
        out.push(Reason::warn("redis.sentinel.quorums_differ").with("sides", sides(&quorums)));
    }
    if let Some((_, m)) = watched.iter().find(|(_, m)| m.quorum > known) {
        out.push(Reason::crit("redis.sentinel.quorum_too_high").with("quorum", m.quorum).with("known", known));
    }
    out
}
