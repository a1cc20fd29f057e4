//! The group as several observers see it: each node's own word, what the others say of it, and what a client meets. Pure.

pub mod client;
pub mod cluster;
pub mod node;
pub mod queue;
#[cfg(test)]
mod rule_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::api::Node;
use super::seen::{Api, Facts, Seen, Trend};
use crate::base::clock::Moment;
use crate::model::group::{Group, Member};
use crate::model::limits::MiddlewareLimits;
use crate::model::reason::Reason;
use crate::model::verdict::Verdict;
use crate::source::middleware::Spec;
use crate::source::middleware::member::View;
use crate::source::middleware::observers::who;

/// One configured address and the node behind it.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    pub view: &'a View<Seen>,
    /// What it calls itself, from the last answer, however old; empty until it answered once.
    pub node: &'a str,
}

impl<'a> Actor<'a> {
    pub fn address(&self) -> &'a str {
        &self.view.address
    }

    /// What its API said in this poll.
    pub fn facts(&self) -> Option<&'a Facts> {
        self.view.fresh().and_then(facts)
    }
}

fn facts(seen: &Seen) -> Option<&Facts> {
    match &seen.api {
        Api::Answers(facts) => Some(facts),
        Api::Closed | Api::Silent(_) => None,
    }
}

/// What the rules look at.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'s, 'a> {
    pub actors: &'s [Actor<'a>],
    pub limits: &'s MiddlewareLimits,
}

impl<'s, 'a> Scene<'s, 'a> {
    /// Who answers, and what.
    pub fn heard(&self) -> impl Iterator<Item = (&'s Actor<'a>, &'a Facts)> + use<'s, 'a> {
        self.actors.iter().filter_map(|a| Some((a, a.facts()?)))
    }

    /// What the others say of a node, by address.
    pub fn said_of(&self, node: &str, but: &str) -> impl Iterator<Item = (&'a str, &'a Node)> + use<'s, 'a> {
        let (node, but) = (node.to_owned(), but.to_owned());
        self.heard().filter(move |(a, _)| a.address() != but).filter_map(move |(a, f)| {
            let said = f.nodes.as_ref()?.iter().find(|n| !node.is_empty() && n.name == node)?;
            Some((a.address(), said))
        })
    }

    /// The address of a node, or its name where no address leads to it.
    pub fn place<'n>(&self, node: &'n str) -> &'n str
    where
        'a: 'n,
    {
        self.actors.iter().find(|a| a.node == node).map_or(node, |a| a.address())
    }

    /// Every node that anybody names.
    pub fn nodes(&self) -> BTreeSet<&'a str> {
        let own = self.actors.iter().map(|a| a.node);
        let named = self.heard().filter_map(|(_, f)| f.nodes.as_ref()).flatten().map(|n| n.name.as_str());
        own.chain(named).filter(|n| !n.is_empty()).collect()
    }

    /// The newest of what is known of the queues over time.
    pub fn trend(&self) -> Option<&'a Trend> {
        self.actors.iter().filter_map(|a| a.view.fresh()).map(|s| &s.trend).max_by_key(|t| t.at)
    }
}

pub fn picture(spec: &Spec, views: &[View<Seen>], _now: Moment) -> Group {
    let actors: Vec<Actor<'_>> =
        views.iter().map(|view| Actor { view, node: view.seen.as_ref().and_then(facts).map_or("", |f| f.overview.node.as_str()) }).collect();
    let scene = Scene { actors: &actors, limits: &spec.limits };
    let mut group = Group::new(spec.kind.clone(), spec.name.clone());
    group.members = actors.iter().map(|actor| node::member(&scene, actor, spec)).collect();
    for (actor, member) in actors.iter().zip(&mut group.members) {
        let others = cluster::opinions(&scene, actor);
        // Nobody listens there, and nobody says that it is only we who do not get through.
        if !others.iter().any(|r| r.code == "rabbitmq.peers.up") {
            for reason in member.reasons.iter_mut().filter(|r| r.code == "middleware.member.unreachable") {
                reason.verdict = Verdict::Crit;
            }
        }
        member.reasons.extend(others);
    }
    group.members.extend(strangers(&scene));
    cluster::judge(&scene, &mut group);
    queue::judge(&scene, &mut group);
    group.reasons.extend(witnesses(&scene));
    group
}

/// Nodes of the cluster that no address of the entry leads to: known by the others' word alone.
fn strangers(scene: &Scene<'_, '_>) -> Vec<Member> {
    // While a configured node has never answered, it may be the one that the others name.
    let unknown = scene.actors.iter().filter(|a| a.node.is_empty()).count();
    let named = scene.nodes().into_iter().filter(|n| !scene.actors.iter().any(|a| a.node == *n));
    let mut out = Vec::new();
    for name in named {
        let mut member = Member::new(name);
        member.identity = name.into();
        member.role = "node".into();
        let said: Vec<(&str, &Node)> = scene.said_of(name, "").collect();
        let up: Vec<&str> = said.iter().filter(|(_, n)| n.running).map(|(a, _)| *a).collect();
        let down: Vec<&str> = said.iter().filter(|(_, n)| !n.running).map(|(a, _)| *a).collect();
        if !down.is_empty() {
            member.reasons.push(Reason::crit("rabbitmq.peers.gone").with("who", who(&down)));
        }
        if !up.is_empty() && unknown == 0 {
            member.reasons.push(Reason::note("rabbitmq.unlisted").with("who", who(&up)));
        }
        out.push(member);
    }
    out
}

/// One member's word never makes a group ok: of a cluster two nodes must be heard, and more than half of those that can be asked.
fn witnesses(scene: &Scene<'_, '_>) -> Option<Reason> {
    let nodes = scene.nodes().len().max(scene.actors.len());
    let names: BTreeSet<&str> = scene.heard().filter(|(_, f)| f.nodes.is_some()).map(|(_, f)| f.overview.node.as_str()).collect();
    let enough = if nodes == 1 { 1 } else { (scene.actors.len() / 2 + 1).max(2) };
    (names.len() < enough).then(|| {
        let names: Vec<&str> = names.into_iter().collect();
        let reason = Reason::unknown("rabbitmq.few_witnesses").with("heard", names.len()).with("members", nodes);
        reason.with("who", if names.is_empty() { "-".to_owned() } else { who(&names) })
    })
}
