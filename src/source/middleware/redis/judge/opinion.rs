//! What the others say of one server, beside its own word and ours.

use super::super::nodes::Health;
use super::super::sentinel::{Flags, Peer};
use super::Scene;
use super::cast::{Actor, Part};
use crate::model::reason::Reason;
use crate::source::middleware::member::TroubleKind;
use crate::source::middleware::observers::who;

/// Who says what, by address.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Opinions<'a> {
    pub up: Vec<&'a str>,
    /// They miss it, without having agreed on it.
    pub missed: Vec<&'a str>,
    pub gone: Vec<&'a str>,
}

impl<'a> Opinions<'a> {
    fn add(&mut self, who: &'a str, flags: Flags) {
        match flags {
            Flags::Up => self.up.push(who),
            Flags::Missed => self.missed.push(who),
            Flags::Down => self.gone.push(who),
        }
    }
}

/// Cluster nodes and sentinels watch the others by trade.
fn watchers<'a>(scene: &Scene<'_, 'a>, of: &Actor<'_>) -> Opinions<'a> {
    let mut said = Opinions::default();
    for observer in scene.actors.iter().filter(|a| a.address() != of.address()) {
        if let Some(view) = observer.cluster()
            && let Some(node) = view.node(of.identity).or_else(|| view.nodes.iter().find(|n| n.address == of.address()))
        {
            match node.health {
                Health::Good => said.add(observer.address(), Flags::Up),
                Health::Suspected => said.add(observer.address(), Flags::Missed),
                Health::Failed => said.add(observer.address(), Flags::Down),
                Health::Unknown => {}
            }
        }
        if let Some(sentinel) = observer.sentinel() {
            let is_it = |address: &str| scene.at(address).is_some_and(|a| a.address() == of.address());
            let peer = |peers: &[Peer]| peers.iter().find(|p| is_it(&p.address) || (!p.run_id.is_empty() && p.run_id == of.identity)).map(|p| p.flags);
            let flags = match of.part {
                Part::Sentinel => peer(&sentinel.view.sentinels),
                Part::Data => sentinel.view.master.as_ref().filter(|m| is_it(&m.address)).map(|m| m.flags).or_else(|| peer(&sentinel.view.replicas)),
            };
            if let Some(flags) = flags {
                said.add(observer.address(), flags);
            }
        }
    }
    said
}

/// A master hears its replicas, a replica its master.
fn neighbours<'a>(scene: &Scene<'_, 'a>, of: &Actor<'_>, said: &mut Opinions<'a>) {
    let long = scene.limits.redis.link_silent_seconds.warn;
    let fresh = |silent: Option<u64>| silent.is_some_and(|s| (s as f64) < long);
    let is_it = |address: &str| scene.at(address).is_some_and(|a| a.address() == of.address());
    for observer in scene.actors.iter().filter(|a| a.address() != of.address()) {
        let Some(info) = observer.info() else { continue };
        if let Some(link) = info.link.as_ref().filter(|l| is_it(&l.master)) {
            said.add(observer.address(), if fresh(link.silent_seconds) { Flags::Up } else { Flags::Down });
        }
        if let Some(listed) = info.replicas.iter().find(|r| is_it(&r.address)) {
            said.add(observer.address(), if fresh(listed.silent_seconds) { Flags::Up } else { Flags::Down });
        }
    }
}

pub fn reasons(scene: &Scene<'_, '_>, actor: &Actor<'_>) -> Vec<Reason> {
    let mut said = watchers(scene, actor);
    let mut out = Vec::new();
    let Some(trouble) = actor.view.trouble() else {
        if actor.view.fresh().is_some() {
            if said.gone.len() > said.up.len() {
                out.push(Reason::crit("redis.accused").with("who", who(&said.gone)));
            } else if !said.gone.is_empty() {
                out.push(Reason::warn("redis.accused.disputed").with("who", who(&said.gone)).with("others", who(&said.up)));
            }
            if !said.missed.is_empty() {
                out.push(Reason::warn("redis.missed").with("who", who(&said.missed)));
            }
        }
        return out;
    };
    if said == Opinions::default() {
        neighbours(scene, actor, &mut said);
    }
    // We and a peer: two observers.
    let gone: Vec<&str> = said.gone.iter().chain(&said.missed).copied().collect();
    let answers_us = matches!(trouble.kind, TroubleKind::Refused | TroubleKind::Tls | TroubleKind::Busy);
    if !gone.is_empty() && !answers_us {
        out.push(Reason::crit("redis.peers.gone").with("who", who(&gone)));
    } else if !gone.is_empty() {
        out.push(Reason::crit("redis.accused").with("who", who(&gone)));
    }
    if !said.up.is_empty() {
        out.push(Reason::note("redis.peers.up").with("who", who(&said.up)));
    }
    out
}
