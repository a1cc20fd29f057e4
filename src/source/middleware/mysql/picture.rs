//! The group as the panes get it: members with roles, numbers and texts, edges, and the reasons that the judges found. Pure.

use super::judge_group;
use super::judge_line;
use super::judge_member::{self, connections_percent};
use super::line::{Line, lines};
use super::seen::{Guard, Placing, REPLICATION, Seen, SemiSyncState};
use crate::base::clock::Moment;
use crate::base::text::clean;
use crate::model::group::{Detail, Edge, Group, Member, Metric, Unit};
use crate::model::id::Name;
use crate::source::middleware::member::View;
use crate::source::middleware::spec::Spec;

pub(super) fn picture(spec: &Spec, views: &[View<Seen>], now: Moment) -> Group {
    let lines = lines(views);
    let mut group = Group::new(spec.kind.clone(), spec.name.clone());
    group.members = views.iter().map(|view| member(view, &lines, spec, now)).collect();
    group.edges = lines.iter().map(edge).collect();
    group.reasons = judge_group::group(views, &lines);
    group
}

fn role(view: &View<Seen>, lines: &[Line<'_>]) -> &'static str {
    let followed = lines.iter().any(|l| l.source.is_some_and(|s| s.address == view.address));
    match &view.seen {
        Some(seen) if !seen.peers.is_empty() => {
            if seen.peers.iter().any(|p| p.uuid == seen.server_uuid && p.role == "PRIMARY") {
                "primary"
            } else {
                "secondary"
            }
        }
        Some(seen) if !seen.channels.is_empty() => "replica",
        // Its followers know it even where it never answered us.
        _ if followed => "source",
        // Whoever may not see replication cannot call a server one that has none.
        Some(seen) if !seen.denied.iter().any(|d| &*d.fact == REPLICATION) => "standalone",
        Some(_) | None => "",
    }
}

fn member(view: &View<Seen>, lines: &[Line<'_>], spec: &Spec, now: Moment) -> Member {
    let mut member = Member::new(view.address.clone());
    member.role = Name::from(role(view, lines));
    member.answered_at = view.answered_at;
    let own: Vec<&Line<'_>> = lines.iter().filter(|l| l.follower.address == view.address).collect();
    member.upstream = own.first().map(|l| Name::from(l.from()));
    if let Some(seen) = &view.seen {
        member.identity = if seen.server_uuid.is_empty() { Name::from(format!("server_id {}", seen.server_id)) } else { Name::from(seen.server_uuid.as_str()) };
        numbers(&mut member, view, seen);
        texts(&mut member, seen);
        member.denied.clone_from(&seen.denied);
    }
    if view.fresh().is_some() {
        // Of several channels the worst counts for the row; each has its own edge.
        let worst = |of: fn(&Line<'_>) -> Option<f64>| own.iter().filter_map(|l| of(l)).fold(None, |a: Option<f64>, b| Some(a.map_or(b, |a| a.max(b))));
        member.metric("lag_seconds", Unit::Seconds, worst(|l| l.gap.seconds));
        member.metric("lag_unread_bytes", Unit::Bytes, worst(|l| bytes(l.gap.unread_bytes)));
        member.metric("lag_unapplied_bytes", Unit::Bytes, worst(|l| bytes(l.gap.unapplied_bytes)));
        member.metric("lag_heartbeat_seconds", Unit::Seconds, worst(|l| l.gap.beat_seconds));
        for line in own {
            member.reasons.extend(judge_line::line(line, &spec.limits, now));
        }
    }
    member.reasons.extend(judge_member::member(view, lines, spec));
    member
}

fn bytes(n: Option<u64>) -> Option<f64> {
    n.map(|n| n as f64)
}

fn numbers(member: &mut Member, view: &View<Seen>, seen: &Seen) {
    member.metric("round_trip_seconds", Unit::Seconds, Some(view.took.as_secs_f64()));
    member.metric("connections", Unit::Count, Some(seen.connections as f64));
    member.metric("connections_used_percent", Unit::Percent, connections_percent(seen));
    member.metric("running", Unit::Count, Some(seen.running as f64));
    member.metric("lock_waits", Unit::Count, Some(seen.lock_waits as f64));
    member.metric("uptime_seconds", Unit::Seconds, Some(seen.uptime_seconds as f64));
    member.metric("clock_offset_seconds", Unit::Seconds, seen.clock_offset_seconds);
    member.metric("log_kept_seconds", Unit::Seconds, seen.log_kept_seconds);
    member.metric("senders", Unit::Count, bytes(seen.senders));
    if !seen.files.is_empty() {
        member.metric("log_bytes", Unit::Bytes, Some(seen.files.iter().map(|f| f.bytes).sum::<u64>() as f64));
    }
    if !seen.channels.is_empty() {
        member.metric("workers", Unit::Count, Some(seen.parallel as f64));
    }
    let queue = seen.peers.iter().find(|p| p.uuid == seen.server_uuid).and_then(|p| p.queue);
    member.metric("queue", Unit::Count, bytes(queue));
}

fn texts(member: &mut Member, seen: &Seen) {
    member.detail("version", clean(&seen.version));
    member.detail("server_id", seen.server_id.to_string());
    member.detail("host", clean(&seen.host));
    member.detail(
        "read_only",
        match seen.read_only {
            Guard::Writable => "OFF",
            Guard::ReadOnly => "ON",
            Guard::SuperReadOnly => "ON (super)",
        },
    );
    if let Some(end) = &seen.end {
        member.detail("log_position", format!("{}:{}", end.place.file, end.place.at));
    }
    for (key, state) in [("semi_sync_source", seen.semi_sync.source), ("semi_sync_replica", seen.semi_sync.replica)] {
        match state {
            SemiSyncState::Disabled => {}
            SemiSyncState::Degraded => member.detail(key, "OFF (degraded)"),
            SemiSyncState::On => member.detail(key, "ON"),
        }
    }
    member.detail("tls", clean(&seen.tls));
}

fn edge(line: &Line<'_>) -> Edge {
    let c = line.channel;
    let mut metrics = Vec::new();
    let mut number = |key, unit, value: Option<f64>| metrics.extend(value.map(|value| Metric { key, unit, value }));
    if line.follower.fresh().is_some() {
        number("lag_seconds", Unit::Seconds, line.gap.seconds);
        number("lag_heartbeat_seconds", Unit::Seconds, line.gap.beat_seconds);
        number("lag_unread_bytes", Unit::Bytes, bytes(line.gap.unread_bytes));
        number("lag_unapplied_bytes", Unit::Bytes, bytes(line.gap.unapplied_bytes));
        number("missing_transactions", Unit::Count, bytes(line.gap.missing));
        number("retrieved_transactions", Unit::Count, Some(c.retrieved.count() as f64).filter(|n| *n > 0.0));
        number("delay_seconds", Unit::Seconds, Some(c.delay_seconds as f64).filter(|n| *n > 0.0));
        number("delay_left_seconds", Unit::Seconds, bytes(c.delay_left_seconds));
    }
    let mut details = Vec::new();
    let mut text = |key, text: String| {
        if !text.is_empty() {
            details.push(Detail { key, text });
        }
    };
    text("receiver_state", c.receiver_state.clone());
    text("receiver_error", error(c.receiver_error.number, &c.receiver_error.text));
    text("applier_state", c.applier_state.clone());
    text("applier_error", error(c.applier_error.number, &c.applier_error.text));
    text("read_position", place(&c.read));
    text("applied_position", place(&c.applied));
    text("placing", if c.by_gtid == Placing::Gtid { "GTID" } else { "file" }.to_owned());
    for worker in line.seen.workers.iter().filter(|w| w.channel == c.name && w.error.number != 0) {
        text("worker_error", format!("{}: {}", worker.id, error(worker.error.number, &worker.error.text)));
    }
    Edge {
        from: Name::from(line.from()),
        from_identity: if c.source_uuid.is_empty() { Name::from(format!("server_id {}", c.source_id)) } else { Name::from(c.source_uuid.as_str()) },
        to: line.follower.address.clone(),
        channel: Name::from(c.name.as_str()),
        state: line.state(),
        metrics,
        details,
    }
}

fn error(number: u32, text: &str) -> String {
    if number == 0 { String::new() } else { format!("{number}: {text}") }
}

fn place(place: &super::log::LogPlace) -> String {
    if place.is_known() { format!("{}:{}", place.file, place.at) } else { String::new() }
}
