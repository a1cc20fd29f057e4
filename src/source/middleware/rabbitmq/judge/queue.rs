//! Queues: which have lost their majority or a replica, which grow while nobody consumes, and who leads where. Where several nodes
//! list them, the worst that any says counts.

use std::collections::{BTreeMap, BTreeSet};

use super::super::api::{Queue, QueueKind};
use super::super::seen::{Age, Listing, Trend};
use super::Scene;
use crate::model::group::{Edge, EdgeState, Group, Unit};
use crate::model::reason::Reason;
use crate::source::middleware::member::State;
use crate::source::middleware::observers::who;

/// Replicated queues that are drawn; of more, those in trouble first.
const DRAWN: usize = 24;

/// One queue as all who list it say.
#[derive(Debug)]
struct Told<'a> {
    versions: Vec<(&'a str, &'a Queue)>,
}

impl<'a> Told<'a> {
    fn any(&self) -> &'a Queue {
        self.versions[0].1
    }
    fn label(&self) -> String {
        self.any().label()
    }
    /// The replicas that somebody calls off, or that do not answer us and are down by their peers' word.
    fn offline(&self, down: &BTreeSet<&str>) -> BTreeSet<&'a str> {
        let said = self.versions.iter().flat_map(|(_, q)| q.members.iter().filter(|m| !q.online.contains(m)));
        let seen = self.any().members.iter().filter(|m| down.contains(m.as_str()));
        said.chain(seen).map(String::as_str).collect()
    }
    fn unsynced(&self) -> BTreeSet<&'a str> {
        self.versions.iter().flat_map(|(_, q)| q.mirrors.iter().filter(|m| !q.synced.contains(m))).map(String::as_str).collect()
    }
    fn leaders(&self) -> BTreeSet<&'a str> {
        self.versions.iter().map(|(_, q)| q.leader.as_str()).filter(|l| !l.is_empty()).collect()
    }
}

/// By code, the queues that it is true of.
#[derive(Default)]
struct Findings(BTreeMap<&'static str, Vec<String>>);

impl Findings {
    fn add(&mut self, code: &'static str, queue: String) {
        self.0.entry(code).or_default().push(queue);
    }
    fn into_reasons(self) -> Vec<Reason> {
        let crit = ["rabbitmq.queue.no_majority", "rabbitmq.queue.down", "rabbitmq.queue.no_consumer"];
        let told = |(code, queues): (&'static str, Vec<String>)| {
            let reason = if crit.contains(&code) { Reason::crit(code) } else { Reason::warn(code) };
            reason.with("count", queues.len()).with("queues", who(&queues))
        };
        self.0.into_iter().map(told).collect()
    }
}

pub fn judge(scene: &Scene<'_, '_>, group: &mut Group) {
    let mut all: BTreeMap<(&str, &str), Told<'_>> = BTreeMap::new();
    for (actor, facts) in scene.heard() {
        for queue in facts.queues.iter().flat_map(Listing::queues) {
            let told = all.entry((&queue.vhost, &queue.name)).or_insert_with(|| Told { versions: Vec::new() });
            told.versions.push((actor.address(), queue));
        }
    }
    let down = down(scene);
    let steps = usize::try_from(scene.limits.lag_growing_samples).unwrap_or(usize::MAX);
    let major = scene.heard().filter_map(|(_, f)| f.overview.version.split('.').next()?.parse::<u32>().ok()).max().unwrap_or(0);
    let mut found = Findings::default();
    for told in all.values() {
        one(told, &down, scene.trend(), steps, major, &mut found);
    }
    group.reasons.extend(found.into_reasons());
    let fresh = scene.heard().any(|(_, f)| f.queues.as_ref().is_some_and(|l| l.age == Age::Fresh));
    draw(scene, group, &all, &down);
    for edge in group.edges.iter_mut().filter(|_| !fresh) {
        edge.metrics.clear();
    }
    if let Some(listing) = scene.heard().find_map(|(_, f)| f.queues.as_ref()) {
        let read = u64::try_from(listing.read()).unwrap_or(u64::MAX);
        if read < listing.total {
            let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
            let reason = Reason::note("rabbitmq.queues_partly");
            let arg = crate::model::reason::Arg::Count;
            group.reasons.push(reason.with("read", arg(count(read))).with("total", arg(count(listing.total))));
        }
    }
}

/// Nodes that do not answer us and that the others call down.
fn down<'a>(scene: &Scene<'_, 'a>) -> BTreeSet<&'a str> {
    let silent = |node: &str| scene.actors.iter().find(|a| a.node == node).is_none_or(|a| !matches!(a.view.state, State::Answering));
    scene.nodes().into_iter().filter(|n| silent(n) && scene.said_of(n, "").any(|(_, said)| !said.running)).collect()
}

fn one(told: &Told<'_>, down: &BTreeSet<&str>, trend: Option<&Trend>, steps: usize, major: u32, found: &mut Findings) {
    let queue = told.any();
    let (members, offline) = (queue.members.len(), told.offline(down));
    let online = members.saturating_sub(offline.len());
    let bad =
        told.versions.iter().map(|(_, q)| q.state.as_str()).find(|s| matches!(*s, "crashed" | "stopped" | "down" | "minority" | "terminated" | "unavailable"));
    if members > 0 && online * 2 <= members {
        found.add("rabbitmq.queue.no_majority", format!("{} ({online}/{members})", told.label()));
    } else if !offline.is_empty() {
        found.add("rabbitmq.queue.member_missing", format!("{} ({online}/{members})", told.label()));
    } else if let Some(state) = bad {
        found.add("rabbitmq.queue.down", format!("{} ({state})", told.label()));
    }
    if told.leaders().len() > 1 {
        found.add("rabbitmq.queue.leaders_differ", told.label());
    }
    let unsynced = told.unsynced();
    if !unsynced.is_empty() {
        found.add("rabbitmq.queue.unsynced", format!("{} ({})", told.label(), who(&unsynced.into_iter().collect::<Vec<_>>())));
    }
    if queue.asks_mirrors && queue.kind == QueueKind::Classic && major >= 4 {
        found.add("rabbitmq.queue.not_mirrored", told.label());
    }
    let Some(track) = trend.and_then(|t| t.of_queue(queue)) else { return };
    // One that says there is a consumer may be behind the others: the message count grows by all accounts.
    let consumers = told.versions.iter().map(|(_, q)| q.consumers).min().unwrap_or(0);
    if consumers == 0 && queue.ready > 0 && track.grows(steps) {
        found.add("rabbitmq.queue.no_consumer", format!("{} ({})", told.label(), queue.ready));
    } else if consumers > 0 && track.stuck(steps) {
        found.add("rabbitmq.queue.stuck", format!("{} ({}/{})", told.label(), queue.unacked, queue.ready));
    }
}

/// Leaders to followers, one edge a replica; and how many queues each node leads.
fn draw(scene: &Scene<'_, '_>, group: &mut Group, all: &BTreeMap<(&str, &str), Told<'_>>, down: &BTreeSet<&str>) {
    let mut leads: BTreeMap<&str, u32> = BTreeMap::new();
    for told in all.values() {
        if let Some(leader) = told.leaders().into_iter().next() {
            *leads.entry(leader).or_default() += 1;
        }
    }
    for member in &mut group.members {
        let count = leads.get(member.identity.as_str()).copied();
        member.metric("queues_led", Unit::Count, count.map(f64::from));
    }
    let mut drawn: Vec<&Told<'_>> = all.values().filter(|t| !t.any().members.is_empty() || !t.any().mirrors.is_empty()).collect();
    drawn.sort_by_key(|t| (t.offline(down).is_empty() && t.unsynced().is_empty(), std::cmp::Reverse(t.any().ready)));
    for told in drawn.into_iter().take(DRAWN) {
        let queue = told.any();
        let (offline, unsynced) = (told.offline(down), told.unsynced());
        for follower in queue.members.iter().chain(&queue.mirrors).map(String::as_str).filter(|m| *m != queue.leader) {
            let state = if offline.contains(follower) || down.contains(follower) {
                EdgeState::Broken
            } else if unsynced.contains(follower) {
                EdgeState::Connecting
            } else {
                EdgeState::Flowing
            };
            group.edges.push(Edge {
                from: scene.place(&queue.leader).into(),
                from_identity: queue.leader.as_str().into(),
                to: scene.place(follower).into(),
                channel: told.label().into(),
                state,
                metrics: vec![crate::model::group::Metric { key: "ready", unit: Unit::Count, value: queue.ready as f64 }],
                details: Vec::new(),
            });
        }
    }
}
