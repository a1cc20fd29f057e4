//! The group as several observers see it: each member's own word, its peers' word, and a client's round trip. Pure.

pub mod cast;
pub mod cluster;
pub mod opinion;
pub mod replication;
#[cfg(test)]
mod rule_tests;
pub mod sentinels;
pub mod server;
#[cfg(test)]
mod tests;

use crate::base::clock::Moment;
use crate::model::group::Group;
use crate::model::limits::MiddlewareLimits;
use crate::model::reason::Reason;
use crate::model::verdict::Verdict;
use crate::source::middleware::Spec;
use crate::source::middleware::member::View;

use super::seen::Seen;
use crate::source::middleware::observers::who;
use cast::{Actor, Part};

/// What the rules look at.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'s, 'a> {
    pub actors: &'s [Actor<'a>],
    pub views: &'a [View<Seen>],
    pub limits: &'s MiddlewareLimits,
    pub now: Moment,
}

impl<'s, 'a> Scene<'s, 'a> {
    /// The server behind an address.
    pub fn at(&self, address: &str) -> Option<&'s Actor<'a>> {
        cast::at(self.actors, self.views, address)
    }

    pub fn by_id(&self, id: &str) -> Option<&'s Actor<'a>> {
        self.actors.iter().find(|a| !id.is_empty() && a.identity == id)
    }

    /// The position of an actor, which is its member's in the group.
    pub fn place(&self, actor: &Actor<'_>) -> Option<usize> {
        self.actors.iter().position(|a| a.address() == actor.address())
    }

    pub fn data(&self) -> impl Iterator<Item = &'s Actor<'a>> + use<'s, 'a> {
        self.actors.iter().filter(|a| a.part == Part::Data)
    }

    pub fn is_cluster(&self) -> bool {
        self.actors.iter().any(|a| a.cluster().is_some() || a.last_info().is_some_and(|i| i.mode == "cluster"))
    }
}

pub fn picture(spec: &Spec, sentinels: &[String], views: &[View<Seen>], now: Moment) -> Group {
    let actors = cast::cast(&spec.members, sentinels, views);
    let scene = Scene { actors: &actors, views, limits: &spec.limits, now };
    let mut group = Group::new(spec.kind.clone(), spec.name.clone());
    group.members = actors.iter().map(|actor| server::member(actor, spec)).collect();
    for (actor, member) in actors.iter().zip(&mut group.members) {
        let others = opinion::reasons(&scene, actor);
        // Nobody listens there, and nobody says that it is only we who do not get through.
        if !others.iter().any(|r| r.code == "redis.peers.up") {
            for reason in member.reasons.iter_mut().filter(|r| r.code == "middleware.member.unreachable") {
                reason.verdict = Verdict::Crit;
            }
        }
        member.reasons.extend(others);
    }
    replication::judge(&scene, &mut group);
    // Where nobody follows anybody, memory says most.
    for member in group.members.iter_mut().filter(|_| group.edges.is_empty()) {
        if let Some(at) = member.metrics.iter().position(|m| m.key == "memory_used_bytes") {
            member.metrics[..=at].rotate_right(1);
        }
    }
    if scene.is_cluster() {
        cluster::judge(&scene, &mut group);
    } else {
        replication::masters(&scene, &mut group);
    }
    sentinels::judge(&scene, &mut group);
    group.reasons.extend(witnesses(&scene));
    group
}

/// One member's word never makes a group ok.
fn witnesses(scene: &Scene<'_, '_>) -> Option<Reason> {
    let members = scene.data().count();
    let heard: Vec<&str> = scene.data().filter(|a| a.data().is_some_and(|d| d.info.is_some())).map(Actor::address).collect();
    let enough = if scene.is_cluster() { members / 2 + 1 } else { members.min(2) };
    (heard.len() < enough.max(1)).then(|| {
        let reason = Reason::unknown("redis.few_witnesses").with("heard", heard.len()).with("members", members);
        reason.with("who", if heard.is_empty() { "-".to_owned() } else { who(&heard) })
    })
}
