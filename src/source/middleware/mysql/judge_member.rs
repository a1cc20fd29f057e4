//! How one server is, by its own word and by that of those who follow it. Pure.

use super::dialect::Flavor;
use super::line::Line;
use super::seen::{Guard, LogWriting, REPLICATION, Receiver, Seen, SemiSyncState};
use crate::model::limits::MiddlewareLimits;
use crate::model::reason::{Arg, Reason};
use crate::model::verdict::Verdict;
use crate::source::middleware::member::{Trouble, TroubleKind, View};
use crate::source::middleware::spec::Spec;

pub(super) fn member(view: &View<Seen>, lines: &[Line<'_>], spec: &Spec) -> Vec<Reason> {
    let followers: Vec<&Line<'_>> = lines.iter().filter(|l| l.source.is_some_and(|s| s.address == view.address)).collect();
    let Some(seen) = view.fresh() else {
        return view.trouble().map(|trouble| silence(trouble, &followers)).into_iter().collect();
    };
    let limits = &spec.limits;
    let mut reasons = Vec::new();
    if let Some(denied) = seen.denied.iter().find(|d| &*d.fact == REPLICATION) {
        reasons.push(Reason::unknown("mysql.no-right").with("need", &denied.need));
    }
    guards(seen, &followers, &mut reasons);
    load(seen, limits, &mut reasons);
    if !followers.is_empty() {
        log_kept(seen, limits, &mut reasons);
    }
    if !seen.channels.is_empty() && !followers.is_empty() && seen.logs_own != LogWriting::All {
        reasons.push(Reason::crit("mysql.chain.no-log"));
    }
    semi_sync(seen, spec, &mut reasons);
    if spec.tls.is_unverified() {
        reasons.push(Reason::note("middleware.tls.unverified"));
    }
    reasons
}

/// A member that does not answer us. What its followers say decides whether it is gone or only unseen from here.
fn silence(trouble: &Trouble, followers: &[&Line<'_>]) -> Reason {
    let seen_by_others = followers.iter().any(|l| l.follower.fresh().is_some() && l.channel.receiver == Receiver::Running);
    let (verdict, code) = match trouble.kind {
        TroubleKind::Refused => (Verdict::Unknown, "middleware.member.refused"),
        TroubleKind::Tls => (Verdict::Unknown, "middleware.member.tls"),
        TroubleKind::Broken => (Verdict::Unknown, "middleware.member.broken"),
        TroubleKind::Busy => (Verdict::Crit, "middleware.member.busy"),
        TroubleKind::Mute => (Verdict::Crit, "middleware.member.mute"),
        TroubleKind::Unreachable if seen_by_others => (Verdict::Unknown, "middleware.member.unreachable"),
        TroubleKind::Unreachable => (Verdict::Crit, "middleware.member.unreachable"),
    };
    Reason::new(verdict, code).with("text", trouble.text.as_str()).with("remedy", trouble.remedy.as_str())
}

fn guards(seen: &Seen, followers: &[&Line<'_>], reasons: &mut Vec<Reason>) {
    if !seen.peers.is_empty() {
        return;
    }
    match (seen.channels.is_empty(), seen.read_only) {
        (false, Guard::Writable) => reasons.push(Reason::crit("mysql.replica.writable")),
        (false, Guard::ReadOnly) if seen.dialect.flavor == Flavor::MySql => reasons.push(Reason::note("mysql.replica.super-writable")),
        (true, Guard::ReadOnly | Guard::SuperReadOnly) if !followers.is_empty() => reasons.push(Reason::crit("mysql.source.read-only")),
        _ => {}
    }
}

fn load(seen: &Seen, limits: &MiddlewareLimits, reasons: &mut Vec<Reason>) {
    if let Some(percent) = connections_percent(seen) {
        let steps = limits.connections_used_percent;
        reasons.extend(
            Reason::above(percent, steps.warn, steps.crit, "mysql.connections")
                .map(|r| r.with("used", count(seen.connections)).with("max", count(seen.max_connections))),
        );
    }
    reasons.extend(Reason::above(seen.running as f64, limits.running.warn, limits.running.crit, "mysql.running"));
    reasons.extend(Reason::above(seen.lock_waits as f64, limits.lock_waits.warn, limits.lock_waits.crit, "mysql.lock-waits"));
}

pub(super) fn connections_percent(seen: &Seen) -> Option<f64> {
    (seen.max_connections > 0).then(|| seen.connections as f64 * 100.0 / seen.max_connections as f64)
}

fn count(n: u64) -> Arg {
    Arg::Count(i64::try_from(n).unwrap_or(i64::MAX))
}

/// A follower that is away longer than the logs are kept has to be built anew.
fn log_kept(seen: &Seen, limits: &MiddlewareLimits, reasons: &mut Vec<Reason>) {
    let Some(hours) = seen.log_kept_seconds.map(|s| s / 3600.0) else { return };
    let verdict = match hours {
        h if h < limits.log_kept_hours.crit => Verdict::Crit,
        h if h < limits.log_kept_hours.warn => Verdict::Warn,
        _ => return,
    };
    reasons.push(Reason::new(verdict, "mysql.log.short").with("hours", hours));
}

fn semi_sync(seen: &Seen, spec: &Spec, reasons: &mut Vec<Reason>) {
    let required = spec.settings.get("semi_sync").is_some_and(|s| s == "required");
    let verdict = if required { Verdict::Crit } else { Verdict::Warn };
    if seen.semi_sync.source == SemiSyncState::Degraded && seen.channels.is_empty() {
        reasons.push(Reason::new(verdict, "mysql.semi-sync.degraded").with("clients", count(seen.semi_sync.clients)));
    } else if required && seen.channels.is_empty() && seen.semi_sync.clients == 0 {
        reasons.push(Reason::crit("mysql.semi-sync.none"));
    }
}
