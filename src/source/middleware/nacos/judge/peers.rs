//! What the others say of one server, beside its own word and ours.

use super::{Actor, Scene};
use crate::model::reason::Reason;
use crate::source::middleware::member::TroubleKind;
use crate::source::middleware::observers::who;

#[derive(Default)]
struct Opinions<'a> {
    up: Vec<&'a str>,
    /// They miss it, but not for long.
    missed: Vec<&'a str>,
    down: Vec<&'a str>,
}

fn opinions<'a>(scene: &Scene<'a>, of: &Actor<'_>) -> Opinions<'a> {
    let mut said = Opinions::default();
    for observer in scene.actors.iter().filter(|a| a.own != of.own) {
        match observer.lists(&of.own).map(|n| n.state.as_str()) {
            Some("UP" | "STARTING") => said.up.push(observer.address()),
            Some("SUSPICIOUS") => said.missed.push(observer.address()),
            Some(_) => said.down.push(observer.address()),
            None => {}
        }
    }
    said
}

pub fn reasons(scene: &Scene<'_>, actor: &Actor<'_>) -> Vec<Reason> {
    let said = opinions(scene, actor);
    let gone: Vec<&str> = said.down.iter().chain(&said.missed).copied().collect();
    let mut out = Vec::new();
    if let Some(trouble) = actor.view.trouble() {
        let answers_us = matches!(trouble.kind, TroubleKind::Refused | TroubleKind::Tls | TroubleKind::Busy);
        if !gone.is_empty() {
            out.push(Reason::crit(if answers_us { "nacos.accused" } else { "nacos.peers.gone" }).with("who", who(&gone)));
        }
        if !said.up.is_empty() {
            out.push(Reason::note("nacos.peers.up").with("who", who(&said.up)));
        }
        return out;
    }
    if actor.seen.is_none() {
        return out;
    }
    if said.down.len() > said.up.len() {
        out.push(Reason::crit("nacos.accused").with("who", who(&said.down)));
    } else if !said.down.is_empty() {
        out.push(Reason::warn("nacos.accused.disputed").with("who", who(&said.down)).with("others", who(&said.up)));
    }
    if !said.missed.is_empty() {
        out.push(Reason::warn("nacos.missed").with("who", who(&said.missed)));
    }
    out
}
