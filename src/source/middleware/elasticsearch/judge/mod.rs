//! The cluster as every node, its peers and we as a client see it. Pure.
//!
//! - `node`: one node's own word. `peers`: what the others say of it. `cluster`: its colour, its master, who may vote.
//! - `shards`: what is not placed, why, and what is being copied.

pub mod cluster;
pub mod node;
pub mod peers;
#[cfg(test)]
mod rule_tests;
pub mod shards;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::answer::Status;
use super::seen::{Rules, Seen, Whole};
use super::{PORT, spelled};
use crate::base::clock::Moment;
use crate::link::http::Server;
use crate::model::group::Group;
use crate::model::id::Name;
use crate::model::verdict::Verdict;
use crate::source::middleware::Spec;
use crate::source::middleware::member::View;

/// A member from all sides.
#[derive(Debug)]
pub struct Actor<'a> {
    pub view: &'a View<Seen>,
    /// What it said in this tick.
    pub seen: Option<&'a Seen>,
    /// Its node id, known from an earlier answer or from the address that the cluster announces; empty when unknown.
    pub id: &'a str,
}

impl<'a> Actor<'a> {
    pub fn address(&self) -> &'a str {
        &self.view.address
    }
    /// The node that it calls the master.
    pub fn master(&self) -> Option<&'a str> {
        self.seen?.state.as_ref()?.master()
    }
    pub fn name(&self) -> &'a str {
        self.view.seen.as_ref().map_or("", |s| s.root.name.as_str())
    }
}

#[derive(Debug)]
pub struct Scene<'a> {
    pub spec: &'a Spec,
    pub actors: Vec<Actor<'a>>,
    /// What the one node that was asked found out.
    pub whole: Option<&'a Whole>,
    pub now: Moment,
}

impl<'a> Scene<'a> {
    pub fn new(spec: &'a Spec, views: &'a [View<Seen>], now: Moment) -> Self {
        let rules = newest_rules(views);
        let actors = views.iter().map(|view| Actor { view, seen: view.fresh(), id: id_of(view, rules) }).collect();
        let whole = views.iter().filter_map(View::fresh).find_map(|s| s.whole.as_deref());
        Self { spec, actors, whole, now }
    }

    /// The master by the word of most, and who says so.
    pub fn master(&self) -> Option<(&'a str, Vec<&'a str>)> {
        let mut said: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for actor in &self.actors {
            if let Some(master) = actor.master() {
                said.entry(master).or_default().push(actor.address());
            }
        }
        said.into_iter().max_by_key(|(_, who)| who.len())
    }

    /// A node as people know it: by its address where it is a member, else by its name, else by its id.
    pub fn call(&self, id: &str) -> String {
        if let Some(actor) = self.actors.iter().find(|a| !a.id.is_empty() && a.id == id) {
            return actor.address().to_owned();
        }
        let listed = self.actors.iter().filter_map(|a| a.seen?.state.as_ref()).find_map(|s| s.nodes.get(id));
        listed.map_or_else(|| id.to_owned(), |n| n.name.clone())
    }

    /// The address of the member with this node name, else the name.
    pub fn at(&self, name: &str) -> String {
        self.actors.iter().find(|a| !name.is_empty() && a.name() == name).map_or(name, |a| a.address()).to_owned()
    }
}

/// The last known rules: they change seldom, so an older answer serves while nobody gives a newer one.
fn newest_rules(views: &[View<Seen>]) -> Option<&Rules> {
    views.iter().filter_map(|v| v.seen.as_ref()?.whole.as_ref()).map(|w| &*w.rules).max_by_key(|r| r.at)
}

fn id_of<'a>(view: &'a View<Seen>, rules: Option<&'a Rules>) -> &'a str {
    if let Some(seen) = view.seen.as_ref().filter(|s| !s.id.is_empty()) {
        return &seen.id;
    }
    let Ok(server) = Server::parse(&view.address, PORT) else { return "" };
    let own = server.address();
    rules.and_then(|r| r.announced.iter().find(|(_, a)| plain(a) == own)).map_or("", |(id, _)| id.as_str())
}

/// A published address may have a host name before it: `es-1/10.0.0.41:9200`.
fn plain(published: &str) -> &str {
    published.rsplit_once('/').map_or(published, |(_, address)| address)
}

/// Nodes of the cluster that are no members yet, by the address that their clients are told.
pub fn announced(views: &[View<Seen>]) -> Vec<Name> {
    let Some(rules) = newest_rules(views) else { return Vec::new() };
    let known = |id: &str| views.iter().any(|v| id_of(v, Some(rules)) == id);
    let listed = |id: &str| !id.is_empty() && rules.announced.iter().any(|(a, _)| a == id);
    let mut out: Vec<Name> = views.iter().filter(|v| listed(id_of(v, Some(rules)))).map(|v| v.address.clone()).collect();
    let strangers: Vec<&String> = rules.announced.iter().filter(|(id, _)| !known(id)).map(|(_, address)| address).collect();
    // A member that never answered may be one of them under another address.
    let unknown = views.iter().filter(|v| id_of(v, Some(rules)).is_empty()).count();
    if strangers.len() <= unknown {
        return out;
    }
    let scheme = if views.iter().any(|v| v.address.starts_with("https://")) { "https" } else { "http" };
    let spell = |address: &&String| Server::parse(plain(address), PORT).ok().map(|server| Name::from(spelled(&server, scheme).as_str()));
    out.extend(strangers.iter().filter_map(spell));
    out
}

/// The one that is asked about the cluster: the master where it answers, else any that has one, else any.
pub fn speaker(views: &[View<Seen>]) -> Option<&str> {
    let fresh = || views.iter().filter_map(|v| Some((v, v.fresh()?)));
    let master = |s: &Seen| s.state.as_ref().and_then(|s| s.master().map(ToOwned::to_owned));
    let own = fresh().find(|(_, s)| !s.id.is_empty() && master(s).as_deref() == Some(s.id.as_str()));
    own.or_else(|| fresh().find(|(_, s)| master(s).is_some())).or_else(|| fresh().next()).map(|(v, _)| &*v.address)
}

/// Does this node, which has a master, tell another colour than most others that have one?
pub fn is_odd(address: &str, views: &[View<Seen>]) -> bool {
    let said: Vec<(&str, Status)> = views
        .iter()
        .filter_map(|v| Some((&*v.address, v.fresh()?)))
        .filter(|(_, s)| s.state.as_ref().is_some_and(|s| s.master().is_some()))
        .filter_map(|(a, s)| Some((a, s.health.as_ref()?.status)))
        .collect();
    let Some((_, own)) = said.iter().find(|(a, _)| *a == address) else { return false };
    said.iter().filter(|(_, s)| s != own).count() * 2 > said.len()
}

pub fn picture(spec: &Spec, views: &[View<Seen>], now: Moment) -> Group {
    let scene = Scene::new(spec, views, now);
    let mut group = Group::new(spec.kind.clone(), spec.name.clone());
    for actor in &scene.actors {
        let mut member = node::member(&scene, actor);
        let others = peers::reasons(&scene, actor);
        // Nobody listens there, and nobody says that it is only we who do not get through.
        if !others.iter().any(|r| r.code == "elasticsearch.peers.listed") {
            for reason in member.reasons.iter_mut().filter(|r| r.code == "middleware.member.unreachable") {
                reason.verdict = Verdict::Crit;
            }
        }
        member.reasons.extend(others);
        group.members.push(member);
    }
    cluster::judge(&scene, &mut group);
    shards::judge(&scene, &mut group);
    group
}
