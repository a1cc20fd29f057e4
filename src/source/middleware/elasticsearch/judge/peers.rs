//! What the others say of one node, beside its own word and ours.

use super::{Actor, Scene};
use crate::model::reason::Reason;
use crate::source::middleware::member::TroubleKind;
use crate::source::middleware::observers::who;

/// Who lists it as a node of the cluster, and who does not; of those that have a master.
fn opinions<'a>(scene: &Scene<'a>, of: &Actor<'_>) -> (Vec<&'a str>, Vec<&'a str>) {
    let observers = scene.actors.iter().filter(|a| a.address() != of.address() && a.id != of.id && a.master().is_some());
    let lists = |a: &&Actor<'_>| a.seen.and_then(|s| s.state.as_ref()).is_some_and(|s| s.nodes.contains_key(of.id));
    let (listed, gone): (Vec<_>, Vec<_>) = observers.partition(lists);
    let names = |actors: Vec<&Actor<'a>>| actors.into_iter().map(Actor::address).collect();
    (names(listed), names(gone))
}

pub fn reasons(scene: &Scene<'_>, actor: &Actor<'_>) -> Vec<Reason> {
    let mut out = Vec::new();
    if actor.id.is_empty() {
        return out;
    }
    let (listed, gone) = opinions(scene, actor);
    if let Some(trouble) = actor.view.trouble() {
        let answers_us = matches!(trouble.kind, TroubleKind::Refused | TroubleKind::Tls | TroubleKind::Busy);
        if !gone.is_empty() {
            let code = if answers_us { "elasticsearch.accused" } else { "elasticsearch.peers.gone" };
            out.push(Reason::crit(code).with("who", who(&gone)));
        }
        if !listed.is_empty() {
            // A frozen node is dropped only after three checks of ten seconds each.
            out.push(Reason::note("elasticsearch.peers.listed").with("who", who(&listed)));
        }
        return out;
    }
    if actor.seen.is_none() {
        return out;
    }
    if gone.len() > listed.len() {
        out.push(Reason::crit("elasticsearch.accused").with("who", who(&gone)));
    } else if !gone.is_empty() {
        out.push(Reason::warn("elasticsearch.accused.disputed").with("who", who(&gone)).with("others", who(&listed)));
    }
    out
}
