//! Who is who: which answers belong to one server, which addresses are only other names of it, and which are wrong.

use std::collections::BTreeSet;

use super::super::info::Info;
use super::super::nodes::{ClusterView, Health, Node, Seat};
use super::super::seen::{Data, Seen, Sentinel};
use super::super::sentinel::SentinelView;
use crate::source::middleware::member::{State, View};

/// One server, however many addresses lead to it.
#[derive(Debug)]
pub struct Actor<'a> {
    pub view: &'a View<Seen>,
    /// A cluster node's id, else the run id; from the last answer, however old. Empty until it answered once.
    pub identity: &'a str,
    pub part: Part,
    /// Announced addresses of it that do not lead to it, and what is there instead.
    pub wrong: Vec<(String, Instead)>,
    /// Another configured address that leads to the same server.
    pub twin: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Data,
    Sentinel,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instead {
    /// No answer; with the error.
    Nothing(String),
    Somebody,
}

impl<'a> Actor<'a> {
    pub fn address(&self) -> &'a str {
        &self.view.address
    }

    /// What it said in this poll.
    pub fn data(&self) -> Option<&'a Data> {
        self.view.fresh().and_then(data)
    }

    pub fn sentinel(&self) -> Option<&'a Sentinel> {
        match self.view.fresh() {
            Some(Seen::Sentinel(sentinel)) => Some(sentinel),
            _ => None,
        }
    }

    pub fn info(&self) -> Option<&'a Info> {
        self.data().and_then(|d| d.info.as_ref())
    }

    /// Its last `INFO`, however old: what it was is a hint, never a verdict.
    pub fn last_info(&self) -> Option<&'a Info> {
        self.view.seen.as_ref().and_then(data).and_then(|d| d.info.as_ref())
    }

    pub fn cluster(&self) -> Option<&'a ClusterView> {
        self.data().and_then(|d| d.cluster.as_ref())
    }
}

fn data(seen: &Seen) -> Option<&Data> {
    match seen {
        Seen::Data(data) => Some(data),
        Seen::Sentinel(_) => None,
    }
}

fn identity(seen: &Seen) -> &str {
    match seen {
        Seen::Data(data) => {
            let id = data.cluster.as_ref().and_then(ClusterView::myself).map(|me| me.id.as_str());
            id.or(data.info.as_ref().map(|i| i.run_id.as_str())).unwrap_or("")
        }
        Seen::Sentinel(sentinel) => &sentinel.view.run_id,
    }
}

/// Is it an address that can be dialled?
fn usable(address: &str) -> bool {
    address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && host != "?" && port.parse::<u16>().is_ok_and(|p| p != 0))
}

/// The addresses that one answer announces for data members.
fn announced_by(seen: &Seen, out: &mut BTreeSet<String>) {
    let mut add = |address: &str| {
        if usable(address) {
            out.insert(address.to_owned());
        }
    };
    match seen {
        Seen::Data(data) => match (&data.cluster, &data.info) {
            // An address that a node claims for itself is no announcement until a peer repeats it.
            (Some(view), _) => view.nodes.iter().filter(|n| n.health != Health::Unknown && n.seat == Seat::Peer).for_each(|n| add(&n.address)),
            (None, Some(info)) => {
                info.replicas.iter().for_each(|r| add(&r.address));
                if let Some(link) = &info.link {
                    add(&link.master);
                }
            }
            (None, None) => {}
        },
        Seen::Sentinel(sentinel) => {
            let SentinelView { master, replicas, .. } = &sentinel.view;
            for address in master.iter().map(|m| &m.address).chain(replicas.iter().map(|r| &r.address)) {
                add(address);
            }
        }
    }
}

/// What the members announce now; when none answers, what they announced last.
pub fn announced(views: &[View<Seen>]) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    views.iter().filter_map(View::fresh).for_each(|seen| announced_by(seen, &mut out));
    if views.iter().all(|v| v.fresh().is_none()) {
        views.iter().filter_map(|v| v.seen.as_ref()).for_each(|seen| announced_by(seen, &mut out));
    }
    out
}

/// The servers behind the addresses, in the order of the configuration, found ones after them.
pub fn cast<'a>(configured: &[String], sentinels: &[String], views: &'a [View<Seen>]) -> Vec<Actor<'a>> {
    let is_configured = |v: &View<Seen>| configured.iter().any(|m| m == v.address.as_str());
    let announced = announced(views);
    let mut actors: Vec<Actor<'a>> = Vec::new();
    let (ours, found): (Vec<_>, Vec<_>) = views.iter().partition(|v| is_configured(v));
    for view in ours.into_iter().chain(found) {
        let id = view.seen.as_ref().map_or("", identity);
        // One that nobody names any more: forgotten by its cluster, or an address that never was one. A replica is named only as
        // long as it is connected, so one that went away stays until it is let go.
        let forgotten = view.seen.as_ref().and_then(data).is_none_or(|d| d.cluster.is_some());
        if !is_configured(view) && forgotten && !announced.contains(view.address.as_str()) {
            continue;
        }
        let twin = actors.iter().find(|a| !id.is_empty() && a.identity == id).map(Actor::address);
        if twin.is_some() && !is_configured(view) {
            continue;
        }
        let part = if sentinels.iter().any(|s| s == view.address.as_str()) { Part::Sentinel } else { Part::Data };
        actors.push(Actor { view, identity: id, part, wrong: Vec::new(), twin });
    }
    let false_ones = misled(&mut actors, views);
    actors.retain(|a| is_configured(a.view) || !false_ones.iter().any(|f| f == a.address()));
    actors
}

/// Notes announced addresses that do not lead to their server; gives those where nothing answers.
fn misled(actors: &mut [Actor<'_>], views: &[View<Seen>]) -> Vec<String> {
    let mut false_ones = Vec::new();
    let mut found: Vec<(usize, String, Instead)> = Vec::new();
    for (at, actor) in actors.iter().enumerate().filter(|(_, a)| a.data().is_some()) {
        for claimed in claims(actor, actors, views) {
            let Some(view) = views.iter().find(|v| v.address.as_str() == claimed) else { continue };
            match &view.state {
                State::Silent { trouble, .. } => {
                    found.push((at, claimed.clone(), Instead::Nothing(trouble.text.clone())));
                    false_ones.push(claimed);
                }
                State::Answering if view.seen.as_ref().is_some_and(|s| identity(s) != actor.identity) => found.push((at, claimed, Instead::Somebody)),
                State::Answering | State::Unasked => {}
            }
        }
    }
    for (at, address, instead) in found {
        actors[at].wrong.push((address, instead));
    }
    false_ones
}

/// Addresses other than the one we use that others give to clients for this server.
fn claims(actor: &Actor<'_>, actors: &[Actor<'_>], views: &[View<Seen>]) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    if actor.cluster().is_some() {
        for peer in actors.iter().filter_map(Actor::cluster).filter_map(|view| view.node(actor.identity)).filter(|n: &&Node| n.seat == Seat::Peer) {
            if usable(&peer.address) && peer.address != actor.address() {
                out.insert(peer.address.clone());
            }
        }
        return out;
    }
    // A master knows its replicas by address alone: only when one of each is left over is it plain who is meant.
    let known = |address: &str| at(actors, views, address).is_some_and(|a| a.data().is_some());
    let Some(link) = actor.info().and_then(|i| i.link.as_ref()) else { return out };
    if let Some(master) = at(actors, views, &link.master).and_then(Actor::info) {
        let strangers: Vec<&str> = master.replicas.iter().map(|r| r.address.as_str()).filter(|a| !known(a)).collect();
        let listed = |who: &Actor<'_>| master.replicas.iter().filter_map(|r| at(actors, views, &r.address)).any(|a| a.address() == who.address());
        let follows = |who: &&Actor<'_>| who.info().and_then(|i| i.link.as_ref()).is_some_and(|l| l.master == link.master);
        let unlisted = actors.iter().filter(follows).filter(|a| !listed(a)).count();
        if let ([stranger], 1, false) = (strangers.as_slice(), unlisted, listed(actor)) {
            out.insert((*stranger).to_owned());
        }
    }
    out
}

/// The server behind an address, also when that is not the address that we use.
pub fn at<'s, 'a>(actors: &'s [Actor<'a>], views: &[View<Seen>], address: &str) -> Option<&'s Actor<'a>> {
    actors.iter().find(|a| a.address() == address).or_else(|| {
        let id = views.iter().find(|v| v.address.as_str() == address)?.seen.as_ref().map(identity).filter(|id| !id.is_empty())?;
        actors.iter().find(|a| a.identity == id)
    })
}
