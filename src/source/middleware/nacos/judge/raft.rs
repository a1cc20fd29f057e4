//! The raft groups: one leader each, the same one by every server's word, alive, and with a majority behind it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::answer::{Node, Raft};
use super::super::seen::Seen;
use super::{Actor, Scene};
use crate::base::text::clean;
use crate::model::reason::Reason;
use crate::source::middleware::observers::{sides, who};

/// Group and leader by this server's own word; only where it names one.
pub fn leaders(own: &Node) -> impl Iterator<Item = (&str, &str)> {
    let groups = own.extend_info.raft_meta_data.meta_data_map.iter();
    groups.filter_map(|(group, raft)| Some((group.as_str(), raft.leader.as_deref().filter(|l| !l.is_empty())?)))
}

/// The member behind a raft address. Its port is one of its own (the HTTP port less 1000, unless set): every list has it.
pub fn find<'s, 'a>(scene: &'s Scene<'a>, raft: &str) -> Option<&'s Actor<'a>> {
    let (host, port) = raft.rsplit_once(':')?;
    let nodes = scene.fresh().filter_map(|(_, s)| s.nodes.as_ref()).flatten();
    let named = |n: &&Node| {
        let same_host = n.address.rsplit_once(':').is_some_and(|(h, _)| h == host);
        let own_port = n.extend_info.raft_port.as_ref().is_some_and(|p| p.0 == port);
        n.address == raft || (same_host && own_port)
    };
    let own = nodes.into_iter().find(named).map(|n| n.address.as_str());
    own.and_then(|own| scene.actors.iter().find(|a| a.own == own))
}

/// A raft address as people know it.
pub fn call(scene: &Scene<'_>, raft: &str) -> String {
    find(scene, raft).map_or_else(|| clean(raft).into_owned(), |a| a.address().to_owned())
}

/// Does it lead a group by most servers' word?
pub fn leads(scene: &Scene<'_>, actor: &Actor<'_>) -> bool {
    groups(scene).values().any(|said| {
        let mine = said.iter().filter(|(_, r)| r.leader.as_deref().and_then(|l| find(scene, l)).is_some_and(|a| a.address() == actor.address())).count();
        mine * 2 > said.len()
    })
}

/// By group: what each server says of it.
fn groups<'a>(scene: &Scene<'a>) -> BTreeMap<&'a str, Vec<(&'a str, &'a Raft)>> {
    let mut all: BTreeMap<&str, Vec<(&str, &Raft)>> = BTreeMap::new();
    for (actor, seen) in scene.fresh() {
        for (group, raft) in seen.own_node().iter().flat_map(|n| &n.extend_info.raft_meta_data.meta_data_map) {
            all.entry(group).or_default().push((actor.address(), raft));
        }
    }
    all
}

/// Does it answer us, or do others see it up?
fn alive(scene: &Scene<'_>, actor: &Actor<'_>) -> bool {
    actor.seen.is_some() || scene.actors.iter().any(|a| a.own != actor.own && a.lists(&actor.own).is_some_and(|n| n.state == "UP"))
}

/// Groups with the same findings make one reason.
pub fn reasons(scene: &Scene<'_>) -> Vec<Reason> {
    let mut split: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut none: Vec<&str> = Vec::new();
    let mut gone: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut few: BTreeMap<(usize, usize, String), Vec<&str>> = BTreeMap::new();
    for (group, said) in groups(scene) {
        let named: Vec<(String, &str)> = said.iter().filter_map(|(a, r)| Some((call(scene, r.leader.as_deref().filter(|l| !l.is_empty())?), *a))).collect();
        let distinct: BTreeSet<&String> = named.iter().map(|(leader, _)| leader).collect();
        match distinct.len() {
            0 => none.push(group),
            1 => {
                let leader = said.iter().find_map(|(_, r)| r.leader.as_deref().filter(|l| !l.is_empty())).and_then(|l| find(scene, l));
                if let Some(leader) = leader.filter(|l| !alive(scene, l)) {
                    gone.entry(leader.address().to_owned()).or_default().push(group);
                }
            }
            _ => split.entry(sides(&named)).or_default().push(group),
        }
        let voters: BTreeSet<&str> = said.iter().flat_map(|(_, r)| r.raft_group_member.iter().map(String::as_str)).collect();
        let lost: Vec<String> = voters.iter().filter(|v| find(scene, v).is_some_and(|a| !alive(scene, a))).map(|v| call(scene, v)).collect();
        let left = voters.len() - lost.len();
        if voters.len() > 1 && left < voters.len() / 2 + 1 {
            few.entry((left, voters.len(), who(&lost))).or_default().push(group);
        }
    }
    let list = |groups: &[&str]| who(&groups.iter().map(|g| clean(g).into_owned()).collect::<Vec<_>>());
    let mut out = Vec::new();
    if !none.is_empty() {
        out.push(Reason::crit("nacos.raft.none").with("groups", list(&none)));
    }
    out.extend(split.iter().map(|(sides, groups)| Reason::crit("nacos.raft.split").with("groups", list(groups)).with("sides", sides.as_str())));
    out.extend(gone.iter().map(|(leader, groups)| Reason::crit("nacos.raft.leader-gone").with("leader", leader.as_str()).with("groups", list(groups))));
    out.extend(few.iter().map(|((left, all, lost), groups)| {
        Reason::crit("nacos.raft.no-majority").with("left", *left).with("all", *all).with("lost", lost.as_str()).with("groups", list(groups))
    }));
    out
}

/// What its row says where it alone names no leader.
pub fn own(scene: &Scene<'_>, actor: &Actor<'_>, seen: &Seen) -> Option<Reason> {
    let map = &seen.own_node()?.extend_info.raft_meta_data.meta_data_map;
    let without: Vec<&str> = map.iter().filter(|(_, r)| r.leader.as_deref().is_none_or(str::is_empty)).map(|(g, _)| g.as_str()).collect();
    let others = groups(scene);
    let named =
        |group: &&&str| others.get(**group).is_some_and(|s| s.iter().any(|(a, r)| *a != actor.address() && r.leader.as_deref().is_some_and(|l| !l.is_empty())));
    let alone: Vec<&str> = without.iter().filter(named).copied().collect();
    (!alone.is_empty()).then(|| Reason::crit("nacos.raft.own-none").with("groups", who(&alone)))
}
