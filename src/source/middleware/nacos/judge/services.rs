//! What is registered, and what of it is well, by the word of every server: each serves its own clients by its own count.

use std::collections::BTreeMap;

use super::super::answer::{Instance, Service};
use super::Scene;
use crate::base::text::clean;
use crate::model::group::Endpoint;
use crate::model::id::Name;
use crate::model::reason::{Arg, Reason};
use crate::source::middleware::observers::{sides, who};

pub fn reasons(scene: &Scene<'_>) -> Vec<Reason> {
    let mut by: BTreeMap<String, Vec<(&Service, &str)>> = BTreeMap::new();
    for (actor, services) in scene.fresh().filter_map(|(a, s)| Some((a, s.services.as_ref()?))) {
        for service in services.list.iter().filter(|s| s.ip_count > 0) {
            by.entry(clean(&service.full_name()).into_owned()).or_default().push((service, actor.address()));
        }
    }
    let (mut none, mut some, mut guarded) = (Vec::new(), Vec::new(), Vec::new());
    for (name, said) in &by {
        // The worst that any server says: its clients get just that.
        let Some((worst, _)) = said.iter().min_by_key(|(s, _)| (s.healthy_instance_count, std::cmp::Reverse(s.ip_count))) else { continue };
        if worst.healthy_instance_count == 0 {
            none.push(name.as_str());
        } else if worst.healthy_instance_count < worst.ip_count {
            some.push(format!("{name} {}/{}", worst.healthy_instance_count, worst.ip_count));
        }
        if said.iter().any(|(s, _)| s.trigger_flag.0 == "true") {
            guarded.push(name.as_str());
        }
    }
    let mut out = Vec::new();
    if !none.is_empty() {
        out.push(Reason::crit("nacos.service.none").with("count", none.len()).with("services", who(&none)));
    }
    if !some.is_empty() {
        out.push(Reason::warn("nacos.service.some").with("count", some.len()).with("services", who(&some)));
    }
    if !guarded.is_empty() {
        out.push(Reason::warn("nacos.service.guarded").with("services", who(&guarded)));
    }
    out.extend(disputed(scene));
    out.extend(more(scene));
    out
}

/// Every instance that clients are given, by the newest listing that any server gave.
pub fn endpoints(scene: &Scene<'_>) -> Vec<Endpoint> {
    let newest = scene.fresh().filter_map(|(_, s)| s.registered.as_ref()).max_by_key(|r| r.at);
    let name = |text: &str| Name::from(clean(text).as_ref());
    let endpoint = |(service, i): &(String, Instance)| Some(Endpoint { service: name(service), ip: i.ip?, port: i.port, offer: i.offer() });
    newest.into_iter().flat_map(|r| &r.list).filter_map(endpoint).collect()
}

/// Counts that differ for more than a moment: what one server heard has not reached the others.
fn disputed(scene: &Scene<'_>) -> Option<Reason> {
    scene.fresh().find(|(_, s)| s.odd >= 3)?;
    let said: Vec<(String, &str)> =
        scene.fresh().filter_map(|(a, s)| s.services.as_ref().map(|s| (format!("{}/{}", s.healthy(), s.instances()), a.address()))).collect();
    Some(Reason::warn("nacos.service.disputed").with("sides", sides(&said)))
}

fn more(scene: &Scene<'_>) -> Option<Reason> {
    let count = |n: u64| Arg::Count(i64::try_from(n).unwrap_or(i64::MAX));
    let (all, seen) = scene.fresh().filter_map(|(_, s)| s.services.as_ref()).map(|s| (s.count, s.list.len() as u64)).max()?;
    (all > seen).then(|| Reason::note("nacos.service.more").with("all", count(all)).with("seen", count(seen)))
}
