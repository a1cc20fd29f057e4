//! How the group is, from several observers: each member's own word, its followers' word, and our own round trip to it. Where they
//! disagree the reason says who says what. Pure.

use std::collections::BTreeMap;

use super::line::Line;
use super::seen::{Guard, REPLICATION, Receiver, Seen};
use crate::model::reason::Reason;
use crate::source::middleware::member::{TroubleKind, View};

pub(super) fn group(views: &[View<Seen>], lines: &[Line<'_>]) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if views.iter().all(|v| v.fresh().is_none()) {
        if views.iter().any(|v| v.trouble().is_some_and(|t| t.kind != TroubleKind::Refused)) {
            reasons.push(Reason::crit("middleware.group.silent").with("members", views.len()));
        }
        return reasons;
    }
    for view in views {
        silent_source(view, lines, &mut reasons);
        unheard_source(view, lines, &mut reasons);
    }
    same_ids(views, &mut reasons);
    shape(views, lines, &mut reasons);
    replication_group(views, &mut reasons);
    reasons
}

fn followers<'a, 'b>(view: &View<Seen>, lines: &'b [Line<'a>]) -> Vec<&'b Line<'a>> {
    lines.iter().filter(|l| l.follower.fresh().is_some() && l.source.is_some_and(|s| s.address == view.address)).collect()
}

fn names(lines: &[&Line<'_>]) -> String {
    lines.iter().map(|l| l.follower.address.to_string()).collect::<Vec<_>>().join(", ")
}

/// It does not answer us: do its followers still hear it?
fn silent_source(view: &View<Seen>, lines: &[Line<'_>], reasons: &mut Vec<Reason>) {
    let Some(trouble) = view.trouble() else { return };
    let all = followers(view, lines);
    if all.is_empty() {
        return;
    }
    let (hear, deaf): (Vec<_>, Vec<_>) = all.into_iter().partition(|l| l.channel.receiver == Receiver::Running);
    let source = &view.address;
    let reason = match (trouble.kind, hear.is_empty()) {
        (TroubleKind::Unreachable | TroubleKind::Mute, true) => Reason::crit("mysql.source.down").with("replicas", names(&deaf)),
        // A frozen server keeps its connections: followers notice only after replica_net_timeout.
        (TroubleKind::Mute, false) => Reason::crit("mysql.source.mute").with("replicas", names(&hear)),
        (TroubleKind::Unreachable, false) => Reason::unknown("mysql.source.unseen").with("replicas", names(&hear)),
        (TroubleKind::Refused | TroubleKind::Busy | TroubleKind::Tls | TroubleKind::Broken, _) => return,
    };
    reasons.push(reason.with("source", source));
}

/// It answers us: is it heard by those who follow it, and does it know them?
fn unheard_source(view: &View<Seen>, lines: &[Line<'_>], reasons: &mut Vec<Reason>) {
    let Some(seen) = view.fresh() else { return };
    let all = followers(view, lines);
    let hear = all.iter().filter(|l| l.channel.receiver == Receiver::Running).count();
    if !all.is_empty() && hear == 0 {
        reasons.push(Reason::crit("mysql.source.unheard").with("source", &view.address).with("replicas", names(&all)));
    } else if let Some(senders) = seen.senders.map(|n| usize::try_from(n).unwrap_or(usize::MAX)).filter(|n| *n < hear) {
        reasons.push(Reason::warn("mysql.source.fewer-senders").with("source", &view.address).with("senders", senders).with("replicas", hear));
    }
}

/// Two servers with one number throw each other out, or skip each other's events.
fn same_ids(views: &[View<Seen>], reasons: &mut Vec<Reason>) {
    let mut by_id: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut by_uuid: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for view in views {
        let Some(seen) = &view.seen else { continue };
        by_id.entry(seen.server_id).or_default().push(view.address.to_string());
        if !seen.server_uuid.is_empty() {
            by_uuid.entry(&seen.server_uuid).or_default().push(view.address.to_string());
        }
    }
    for (id, members) in by_id.into_iter().filter(|(_, m)| m.len() > 1) {
        reasons.push(Reason::crit("mysql.id.equal").with("id", i32::try_from(id).unwrap_or(i32::MAX)).with("members", members.join(", ")));
    }
    for (uuid, members) in by_uuid.into_iter().filter(|(_, m)| m.len() > 1) {
        reasons.push(Reason::crit("mysql.uuid.equal").with("uuid", uuid).with("members", members.join(", ")));
    }
}

/// Is there one source, and does everybody follow?
fn shape(views: &[View<Seen>], lines: &[Line<'_>], reasons: &mut Vec<Reason>) {
    for line in lines.iter().filter(|l| l.source.is_none() && l.follower.fresh().is_some()) {
        reasons.push(Reason::warn("mysql.source.not-listed").with("source", line.from()).with("replica", &line.follower.address));
    }
    let fresh: Vec<(&View<Seen>, &Seen)> = views.iter().filter_map(|v| Some((v, v.fresh()?))).collect();
    if fresh.iter().any(|(_, s)| !s.peers.is_empty() || s.denied.iter().any(|d| &*d.fact == REPLICATION)) {
        return;
    }
    let heads: Vec<&View<Seen>> = fresh.iter().filter(|(_, s)| s.channels.is_empty()).map(|(v, _)| *v).collect();
    let (followed, alone): (Vec<&View<Seen>>, Vec<&View<Seen>>) =
        heads.into_iter().partition(|v| lines.iter().any(|l| l.source.is_some_and(|s| s.address == v.address)));
    let writable: Vec<String> = followed.iter().filter(|v| v.fresh().is_some_and(|s| s.read_only == Guard::Writable)).map(|v| v.address.to_string()).collect();
    if writable.len() > 1 {
        reasons.push(Reason::warn("mysql.group.two-sources").with("members", writable.join(", ")));
    }
    if views.len() < 2 {
        return;
    }
    for view in alone {
        reasons.push(Reason::warn("mysql.member.alone").with("member", &view.address));
    }
}

/// Group Replication: every member has its own list. They must agree, and a majority must be online.
fn replication_group(views: &[View<Seen>], reasons: &mut Vec<Reason>) {
    let lists: Vec<(&View<Seen>, &Seen)> = views.iter().filter_map(|v| Some((v, v.fresh()?))).filter(|(_, s)| !s.peers.is_empty()).collect();
    let mut primaries: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (view, seen) in &lists {
        let online = seen.peers.iter().filter(|p| p.state == "ONLINE").count();
        if online * 2 <= seen.peers.len() {
            reasons.push(Reason::crit("mysql.group.no-majority").with("member", &view.address).with("online", online).with("members", seen.peers.len()));
        }
        let primary: Vec<&str> = seen.peers.iter().filter(|p| p.role == "PRIMARY").map(|p| p.uuid.as_str()).collect();
        if !primary.is_empty() {
            primaries.entry(primary.join("+")).or_default().push(view.address.to_string());
        }
    }
    if primaries.len() > 1 {
        let who: Vec<String> = primaries.iter().map(|(primary, by)| format!("{primary} ({})", by.join(", "))).collect();
        reasons.push(Reason::crit("mysql.group.split").with("views", who.join("; ")));
    }
    // Who is cut off from the others calls all of them lost; that is told above. Of a majority's members each is believed.
    let whole = |s: &Seen| s.peers.iter().filter(|p| p.state == "ONLINE").count() * 2 > s.peers.len();
    let believed = lists.iter().any(|(_, s)| whole(s));
    let mut lost: BTreeMap<(String, &str), Vec<String>> = BTreeMap::new();
    for (view, seen) in lists.iter().filter(|(_, s)| whole(s) || !believed) {
        for peer in seen.peers.iter().filter(|p| p.state != "ONLINE") {
            lost.entry((format!("{}:{}", peer.host, peer.port), &peer.state)).or_default().push(view.address.to_string());
        }
    }
    for ((member, state), by) in lost {
        let reason = if state == "RECOVERING" { Reason::warn("mysql.group.recovering") } else { Reason::crit("mysql.group.member-lost") };
        reasons.push(reason.with("member", member).with("state", state).with("by", by.join(", ")));
    }
}
