//! The cluster as every server, its peers and we as a client see it. Pure.
//!
//! - `server`: one server's own word. `peers`: what the others say of it. `raft`: who leads, and whether anybody still can.
//! - `services`: what is registered, and what of it is well.

pub mod peers;
pub mod raft;
#[cfg(test)]
mod rule_tests;
pub mod server;
pub mod services;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::PORT;
use super::answer::Node;
use super::dialect::Dialect;
use super::seen::Seen;
use crate::base::clock::Moment;
use crate::base::text::clean;
use crate::link::http::Server;
use crate::model::group::Group;
use crate::model::id::Name;
use crate::model::reason::Reason;
use crate::model::verdict::Verdict;
use crate::source::middleware::Spec;
use crate::source::middleware::member::{Question, View};
use crate::source::middleware::observers::{sides, who};

/// A member from all sides.
#[derive(Debug)]
pub struct Actor<'a> {
    pub view: &'a View<Seen>,
    /// What it said in this tick.
    pub seen: Option<&'a Seen>,
    /// What it calls itself, else the address that we use.
    pub own: String,
}

impl<'a> Actor<'a> {
    pub fn address(&self) -> &'a str {
        &self.view.address
    }
    /// How it sees the server of this name.
    pub fn lists(&self, own: &str) -> Option<&'a Node> {
        self.seen?.nodes.as_ref()?.iter().find(|n| n.address == own)
    }
}

#[derive(Debug)]
pub struct Scene<'a> {
    pub spec: &'a Spec,
    pub actors: Vec<Actor<'a>>,
}

impl<'a> Scene<'a> {
    pub fn new(spec: &'a Spec, views: &'a [View<Seen>]) -> Self {
        let actor = |view: &'a View<Seen>| Actor { view, seen: view.fresh(), own: own_name(view) };
        Self { spec, actors: views.iter().map(actor).collect() }
    }

    pub fn fresh(&self) -> impl Iterator<Item = (&Actor<'a>, &'a Seen)> {
        self.actors.iter().filter_map(|a| Some((a, a.seen?)))
    }

    /// A server as people know it: the address of the member, else what it is called.
    pub fn call(&self, own: &str) -> String {
        self.actors.iter().find(|a| a.own == own).map_or(own, |a| a.address()).to_owned()
    }

    /// Those that most servers list: a server that was taken out of the list is none of them.
    pub fn roll(&self) -> BTreeSet<&'a str> {
        let lists: Vec<BTreeSet<&str>> = self.fresh().filter_map(|(_, s)| Some(s.nodes.as_ref()?.iter().map(|n| n.address.as_str()).collect())).collect();
        let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
        for name in lists.iter().flatten() {
            *counted.entry(name).or_default() += 1;
        }
        counted.into_iter().filter(|(_, n)| n * 2 > lists.len()).map(|(name, _)| name).collect()
    }
}

fn own_name(view: &View<Seen>) -> String {
    if let Some(seen) = view.seen.as_ref().filter(|s| !s.own.is_empty()) {
        return seen.own.clone();
    }
    Server::parse(&view.address, PORT).map_or_else(|_| view.address.to_string(), |s| s.address())
}

/// Servers that the members list: those that are none of ours, and of ours those that are listed.
pub fn announced(views: &[View<Seen>]) -> Vec<Name> {
    let known: BTreeSet<String> = views.iter().map(own_name).collect();
    let listed: BTreeSet<&str> = views.iter().filter_map(View::fresh).filter_map(|s| s.nodes.as_ref()).flatten().map(|n| n.address.as_str()).collect();
    let ours = views.iter().filter(|v| listed.contains(own_name(v).as_str())).map(|v| v.address.clone());
    let mut out: Vec<Name> = ours.collect();
    let strangers: Vec<&str> = listed.into_iter().filter(|a| !known.contains(*a)).collect();
    // A member that never answered may be one of them under another address.
    let unknown = views.iter().filter(|v| v.seen.is_none()).count();
    if strangers.len() <= unknown {
        return out;
    }
    let scheme = if views.iter().any(|v| v.address.starts_with("https://")) { "https://" } else { "" };
    out.extend(strangers.into_iter().filter(|a| Server::parse(a, PORT).is_ok()).map(|a| Name::from(format!("{scheme}{a}").as_str())));
    out
}

/// Notes whether this server counts other instances than most do: it serves its own clients by its own count.
pub fn compared(question: &Question<'_, Seen>, mut own: Seen) -> Seen {
    let count = |s: &Seen| s.services.as_ref().map(|s| (s.instances(), s.healthy()));
    let all: Vec<(u64, u64)> = question.others.iter().filter_map(View::fresh).filter_map(count).collect();
    let differ = count(&own).is_some_and(|mine| all.iter().filter(|c| **c != mine).count() * 2 > all.len());
    own.odd = if differ { question.before.map_or(0, |b| b.seen.odd) + 1 } else { 0 };
    own
}

pub fn picture(spec: &Spec, views: &[View<Seen>], _: Moment) -> Group {
    let scene = Scene::new(spec, views);
    let mut group = Group::new(spec.kind.clone(), spec.name.clone());
    for actor in &scene.actors {
        let mut member = server::member(&scene, actor);
        let others = peers::reasons(&scene, actor);
        // Nobody listens there, and nobody says that it is only we who do not get through.
        if !others.iter().any(|r| r.code == "nacos.peers.up") {
            for reason in member.reasons.iter_mut().filter(|r| r.code == "middleware.member.unreachable") {
                reason.verdict = Verdict::Crit;
            }
        }
        member.reasons.extend(others);
        group.members.push(member);
    }
    group.reasons.extend(rolls(&scene));
    group.reasons.extend(raft::reasons(&scene));
    group.reasons.extend(services::reasons(&scene));
    group.reasons.extend(versions(&scene));
    group.endpoints = services::endpoints(&scene);
    group.reasons.extend(witnesses(&scene));
    group
}

/// Do all list the same servers? A member that stands alone in its list runs by itself.
fn rolls(scene: &Scene<'_>) -> Option<Reason> {
    let said: Vec<(String, &str)> = scene
        .fresh()
        .filter_map(|(a, s)| {
            let names: BTreeSet<String> = s.nodes.as_ref()?.iter().map(|n| clean(&n.address).into_owned()).collect();
            Some((names.into_iter().collect::<Vec<_>>().join(" "), a.address()))
        })
        .collect();
    let distinct: BTreeSet<&String> = said.iter().map(|(list, _)| list).collect();
    (distinct.len() > 1).then(|| Reason::crit("nacos.rolls").with("sides", sides(&said)))
}

fn versions(scene: &Scene<'_>) -> Option<Reason> {
    let said: Vec<(String, &str)> = scene.fresh().map(|(a, s)| (clean(&s.version).into_owned(), a.address())).filter(|(v, _)| !v.is_empty()).collect();
    let distinct: BTreeSet<&String> = said.iter().map(|(v, _)| v).collect();
    let old = scene.fresh().filter(|(_, s)| s.dialect == Dialect::First).count();
    let mixed = distinct.len() > 1 || (old > 0 && old < scene.fresh().count());
    mixed.then(|| Reason::warn("nacos.versions").with("sides", sides(&said)))
}

/// One member's word never makes a group ok.
fn witnesses(scene: &Scene<'_>) -> Option<Reason> {
    let members = scene.actors.len();
    let heard: Vec<&str> = scene.fresh().filter(|(_, s)| s.nodes.is_some()).map(|(a, _)| a.address()).collect();
    let enough = if members == 2 { 2 } else { members / 2 + 1 };
    (heard.len() < enough).then(|| {
        let reason = Reason::unknown("nacos.few-witnesses").with("heard", heard.len()).with("members", members);
        reason.with("who", if heard.is_empty() { "-".to_owned() } else { who(&heard) })
    })
}
