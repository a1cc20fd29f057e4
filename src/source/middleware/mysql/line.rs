//! A replication line: a follower, one of its channels, and the member at the other end, with what lies between them. Pure.

use super::follow;
use super::gtid::GtidSet;
use super::log::{distance, purged};
use super::seen::{Applier, Channel, Gtid, Receiver, Seen};
use crate::model::group::EdgeState;
use crate::source::middleware::member::View;

#[derive(Debug)]
pub(super) struct Line<'a> {
    pub follower: &'a View<Seen>,
    pub seen: &'a Seen,
    pub channel: &'a Channel,
    pub source: Option<&'a View<Seen>>,
    pub gap: Gap,
}

/// Three lags and what the GTIDs say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Gap {
    /// By the follower's own count, its intended delay taken off.
    pub seconds: Option<f64>,
    /// By the heartbeat table, the difference of the two clocks taken off.
    pub beat_seconds: Option<f64>,
    /// Written by the source, not yet received.
    pub unread_bytes: Option<u64>,
    /// Received, not yet applied.
    pub unapplied_bytes: Option<u64>,
    /// Transactions of the source that are not applied: an upper bound, the source is read last.
    pub missing: Option<u64>,
    /// Transactions that the follower has and its source never had.
    pub errant: Vec<String>,
    /// Transactions that the follower misses and its source no longer has.
    pub lost: Option<u64>,
    /// The file that it wants is older than what its source still has.
    pub wants_purged: Wanted,
    /// Databases that the source shows and a follower with filters does not.
    pub databases: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Wanted {
    #[default]
    There,
    Purged,
}

/// All lines, those of silent followers too (by their last word).
pub(super) fn lines(views: &[View<Seen>]) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    for follower in views {
        let Some(seen) = &follower.seen else { continue };
        for channel in &seen.channels {
            let source = follow::source_of(channel, &follower.address, views);
            let gap = gap(follower, seen, channel, source, views);
            lines.push(Line { follower, seen, channel, source, gap });
        }
    }
    lines
}

fn gap(follower: &View<Seen>, seen: &Seen, channel: &Channel, source: Option<&View<Seen>>, views: &[View<Seen>]) -> Gap {
    let said = source.and_then(View::fresh);
    let files = said.map_or(&[][..], |s| s.files.as_slice());
    let mut gap = Gap {
        seconds: channel.seconds_behind.map(|s| (s - channel.delay_seconds as f64).max(0.0)),
        unread_bytes: said.and_then(|s| s.end.as_ref()).and_then(|end| distance(&channel.read, &end.place, files)),
        unapplied_bytes: distance(&channel.applied, &channel.read, files),
        ..Gap::default()
    };
    let Some(said) = said else { return gap };
    gap.beat_seconds = beat(seen, said, channel.delay_seconds);
    if purged(&channel.read.file, files) {
        gap.wants_purged = Wanted::Purged;
    }
    match (&said.gtid, &seen.gtid) {
        (Gtid::MariaDb { written, state, .. }, Gtid::MariaDb { applied, state: own, .. }) => {
            if !written.is_empty() && !applied.is_empty() {
                gap.missing = Some(written.ahead_of(applied));
            }
            if !state.is_empty() {
                gap.errant = own.own_writes_unknown_to(seen.server_id, state);
            }
        }
        (Gtid::MySql { .. }, Gtid::MySql { .. }) => {
            if let Some(c) = said.compared.iter().find(|c| c.follower == follower.address) {
                gap.missing = Some(c.missing.count());
                gap.lost = Some(c.lost.count());
                let errant = other_sources(seen, channel, follower, views).iter().fold(c.errant.clone(), |set, other| set.without_origins_of(other));
                gap.errant = if errant.is_empty() { Vec::new() } else { vec![errant.to_string()] };
            }
        }
        _ => {}
    }
    let filtered = !channel.filters.is_empty() || said.end.as_ref().is_some_and(|e| !e.only_databases.is_empty() || !e.ignored_databases.is_empty());
    if filtered {
        gap.databases = said.databases.iter().filter(|d| !seen.databases.contains(d) && !is_system(d)).cloned().collect();
    }
    gap
}

fn is_system(database: &str) -> bool {
    matches!(database, "mysql" | "sys" | "information_schema" | "performance_schema")
}

/// What a follower of several sources has from the others is not errant towards this one.
fn other_sources<'a>(seen: &Seen, channel: &Channel, follower: &View<Seen>, views: &'a [View<Seen>]) -> Vec<&'a GtidSet> {
    seen.channels
        .iter()
        .filter(|c| c.name != channel.name)
        .filter_map(|c| follow::source_of(c, &follower.address, views))
        .filter_map(|v| match &v.seen.as_ref()?.gtid {
            Gtid::MySql { executed } => Some(executed),
            Gtid::None | Gtid::MariaDb { .. } => None,
        })
        .collect()
}

/// The beat was written by the source's clock; the follower's own beat row is what has arrived.
fn beat(seen: &Seen, source: &Seen, delay: u64) -> Option<f64> {
    let written = source.beat_at_seconds?;
    let arrived = seen.beat_at_seconds?;
    Some((written - arrived - delay as f64).max(0.0))
}

impl Line<'_> {
    pub(super) fn state(&self) -> EdgeState {
        let (c, failed) = (self.channel, self.channel.applier_error.number != 0 && self.channel.applier == Applier::Stopped);
        if self.follower.fresh().is_none() {
            return EdgeState::Unknown;
        }
        match (c.receiver, c.applier) {
            _ if failed => EdgeState::Broken,
            (Receiver::Stopped, _) if c.receiver_error.number != 0 => EdgeState::Broken,
            (Receiver::Connecting, _) => EdgeState::Connecting,
            (Receiver::Stopped, _) | (_, Applier::Stopped) => EdgeState::Stopped,
            (Receiver::Running, Applier::Running) => EdgeState::Flowing,
        }
    }

    /// The address of its source as we know it, else as the follower calls it.
    pub(super) fn from(&self) -> String {
        match self.source {
            Some(view) => view.address.to_string(),
            None => format!("{}:{}", self.channel.host, self.channel.port),
        }
    }
}
