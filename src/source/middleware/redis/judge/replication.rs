//! Links between masters and replicas: both ends are asked, and where they disagree both are quoted.

use super::super::info::{Info, Link, LinkState, ReplicaWrites, Role};
use super::super::nodes::NodeRole;
use super::super::seen::Seen;
use super::Scene;
use super::cast::Actor;
use crate::model::group::{Edge, EdgeState, Group, Member, Metric, Unit};
use crate::model::reason::{Arg, Reason};
use crate::source::middleware::member::View;
use crate::source::middleware::observers::who;

/// How far the member at `address` was behind its master, by both their last answers.
pub fn lag_now(address: &str, views: &[View<Seen>]) -> Option<u64> {
    let info = |address: &str| match views.iter().find(|v| v.address.as_str() == address)?.fresh()? {
        Seen::Data(data) => data.info.as_ref(),
        Seen::Sentinel(_) => None,
    };
    let me = info(address)?;
    lag(info(&me.link.as_ref()?.master)?, me)
}

fn lag(master: &Info, replica: &Info) -> Option<u64> {
    Some(master.offset?.saturating_sub(replica.offset?))
}

/// The master of a replica, as far as anybody tells.
fn upstream<'s, 'a>(scene: &Scene<'s, 'a>, actor: &Actor<'a>) -> Option<&'s Actor<'a>> {
    if let Some(NodeRole::Replica(master)) = actor.cluster().and_then(|v| v.myself()).map(|me| &me.role) {
        return scene.by_id(master);
    }
    scene.at(&actor.last_info()?.link.as_ref()?.master)
}

/// Every replica's link, into its member's reasons and the group's edges.
pub fn judge(scene: &Scene<'_, '_>, group: &mut Group) {
    for actor in scene.data() {
        let Some(link) = actor.last_info().and_then(|i| i.link.as_ref()) else { continue };
        let Some(place) = scene.place(actor) else { continue };
        let master = upstream(scene, actor);
        let from = master.map_or(link.master.as_str(), Actor::address);
        group.members[place].upstream = Some(from.into());
        let lag = master.and_then(Actor::info).zip(actor.info()).and_then(|(m, r)| lag(m, r));
        // A pane shows the first number of each member: of a replica that is its lag, of a master that of its slowest follower.
        headline(&mut group.members[place], "lag_bytes", lag);
        if let Some(of) = master.and_then(|m| scene.place(m)) {
            headline(&mut group.members[of], "followers_lag_bytes", lag);
        }
        let fresh = actor.info().is_some();
        if fresh {
            let reasons = of_link(scene, actor, link, master, lag);
            group.members[place].reasons.extend(reasons);
        }
        let state = match link.state {
            _ if !fresh => EdgeState::Unknown,
            LinkState::Up => EdgeState::Flowing,
            LinkState::Syncing => EdgeState::Connecting,
            LinkState::Down => EdgeState::Broken,
        };
        group.edges.push(Edge {
            from: from.into(),
            from_identity: master.map_or("", |m| m.identity).into(),
            to: actor.address().into(),
            channel: "".into(),
            state,
            metrics: lag.filter(|_| fresh).map(|l| Metric { key: "lag_bytes", unit: Unit::Bytes, value: l as f64 }).into_iter().collect(),
            details: Vec::new(),
        });
    }
}

/// Puts a number before the others; of two with one key the greater stays.
fn headline(member: &mut Member, key: &'static str, bytes: Option<u64>) {
    let Some(value) = bytes.map(|b| b as f64) else { return };
    match member.metrics.iter_mut().find(|m| m.key == key) {
        Some(metric) => metric.value = metric.value.max(value),
        None => member.metrics.insert(0, Metric { key, unit: Unit::Bytes, value }),
    }
}

fn of_link(scene: &Scene<'_, '_>, actor: &Actor<'_>, link: &Link, master: Option<&Actor<'_>>, lag: Option<u64>) -> Vec<Reason> {
    let limits = &scene.limits.redis;
    let mut out = Vec::new();
    match link.state {
        LinkState::Down => {
            let since = link.down_seconds.map_or(Arg::Text("?".into()), Arg::Seconds);
            out.push(Reason::crit("redis.link.down").with("master", link.master.as_str()).with("since", since));
        }
        LinkState::Syncing => out.push(Reason::note("redis.link.syncing").with("master", link.master.as_str())),
        LinkState::Up => {
            let silent = link.silent_seconds.unwrap_or(0);
            let (warn, crit) = (limits.link_silent_seconds.warn, limits.link_silent_seconds.crit);
            out.extend(Reason::above(silent as f64, warn, crit, "redis.link.silent").map(|r| r.with("master", link.master.as_str())));
            out.extend(master.and_then(|m| disputed(scene, actor, m)));
        }
    }
    if link.writes == ReplicaWrites::Accepted {
        out.push(Reason::warn("redis.replica_writable"));
    }
    let backlog = master.and_then(Actor::info).and_then(|i| i.backlog_bytes).filter(|b| *b > 0);
    if let Some((lag, backlog)) = lag.zip(backlog) {
        let percent = lag as f64 / backlog as f64 * 100.0;
        let steps = limits.lag_backlog_percent;
        let far = Reason::above(percent, steps.warn, steps.crit, "redis.lag").map(|r| r.with("bytes", Arg::Bytes(lag)).with("backlog", Arg::Bytes(backlog)));
        let samples = usize::try_from(scene.limits.lag_growing_samples).unwrap_or(usize::MAX);
        // A few bytes more in each poll are the traffic between two questions.
        let grows = percent >= steps.warn / 5.0 && actor.data().is_some_and(|d| d.trend.lag_grows(samples));
        if grows {
            out.push(Reason::warn("redis.lag.growing").with("bytes", Arg::Bytes(lag)).with("samples", samples));
        }
        out.extend(far);
    }
    out
}

/// The replica says that its link is up; its master knows nothing of it. Behind a translated address the master lists it under
/// another name, so that only a list too short for all who claim to follow is a contradiction.
fn disputed(scene: &Scene<'_, '_>, actor: &Actor<'_>, master: &Actor<'_>) -> Option<Reason> {
    let list = &master.info()?.replicas;
    if master.info()?.role != Some(Role::Master) {
        let role = Reason::crit("redis.link.no_master");
        // A replica may follow a replica; in a cluster it may not.
        return actor.cluster().map(|_| role.with("master", master.address()));
    }
    let listed = |a: &Actor<'_>| list.iter().find(|r| scene.at(&r.address).is_some_and(|b| b.address() == a.address()));
    if let Some(entry) = listed(actor) {
        return (entry.state != "online").then(|| Reason::note("redis.link.not_online").with("master", master.address()).with("state", entry.state.as_str()));
    }
    let claims = |a: &&Actor<'_>| {
        a.info().and_then(|i| i.link.as_ref()).is_some_and(|l| l.state == LinkState::Up && scene.at(&l.master).is_some_and(|m| m.address() == master.address()))
    };
    let claimed = scene.data().filter(claims).count();
    (claimed > list.len()).then(|| Reason::crit("redis.link.disputed").with("master", master.address()))
}

/// Outside a cluster: exactly one master.
pub fn masters(scene: &Scene<'_, '_>, group: &mut Group) {
    let all: Vec<&Actor<'_>> = scene.data().collect();
    let masters: Vec<&str> = all.iter().filter(|a| a.info().is_some_and(|i| i.role == Some(Role::Master))).map(|a| a.address()).collect();
    if masters.len() > 1 {
        group.reasons.push(Reason::crit("redis.masters.many").with("who", who(&masters)));
    }
    let replicas: Vec<&Actor<'_>> = all.iter().filter(|a| a.info().is_some_and(|i| i.link.is_some())).copied().collect();
    if !masters.is_empty() || replicas.is_empty() {
        return;
    }
    let long = scene.limits.redis.link_silent_seconds.warn;
    let hears = |a: &&&Actor<'_>| {
        a.info().and_then(|i| i.link.as_ref()).is_some_and(|l| l.state == LinkState::Up && l.silent_seconds.is_some_and(|s| (s as f64) < long))
    };
    let hearing: Vec<&str> = replicas.iter().filter(hears).map(|a| a.address()).collect();
    group.reasons.push(if hearing.is_empty() {
        Reason::crit("redis.no_master").with("who", who(&replicas.iter().map(|a| a.address()).collect::<Vec<_>>()))
    } else {
        Reason::unknown("redis.master_unseen").with("who", who(&hearing))
    });
}
