//! How a replication line is: the two threads, the lags, what was lost. Pure.

use super::dialect::Flavor;
use super::errors;
use super::line::{Line, Wanted};
use super::seen::{Applier, Channel, Receiver, ThreadError};
use crate::base::clock::Moment;
use crate::model::limits::MiddlewareLimits;
use crate::model::reason::Reason;
use crate::model::verdict::Verdict;

pub(super) fn line(line: &Line<'_>, limits: &MiddlewareLimits, now: Moment) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let c = line.channel;
    if c.receiver == Receiver::Stopped && c.applier == Applier::Stopped && c.receiver_error.number == 0 && c.applier_error.number == 0 {
        reasons.push(Reason::warn("mysql.replica.stopped"));
    } else {
        reasons.extend(receiver(line, limits, now));
        reasons.extend(applier(line));
    }
    lag(line, limits, &mut reasons);
    if c.delay_seconds > 0 {
        reasons.push(Reason::note("mysql.delayed").with("delay", seconds(c.delay_seconds)));
    }
    if !line.gap.errant.is_empty() {
        reasons.push(Reason::warn("mysql.gtid.errant").with("set", line.gap.errant.join(",")));
    }
    if let Some(lost) = line.gap.lost.filter(|n| *n > 0) {
        reasons.push(Reason::crit("mysql.gtid.lost").with("count", count(lost)));
    }
    filters(line, &mut reasons);
    if let Some(source) = line.source.and_then(|v| v.fresh())
        && source.dialect.flavor == line.seen.dialect.flavor
        && major(source.dialect.flavor, source.dialect.version) > major(line.seen.dialect.flavor, line.seen.dialect.version)
    {
        reasons.push(Reason::warn("mysql.version.newer-source").with("source", source.version.as_str()).with("replica", line.seen.version.as_str()));
    }
    if !c.name.is_empty() {
        for reason in &mut reasons {
            reason.args.push(("channel", c.name.as_str().into()));
        }
    }
    reasons
}

fn major(flavor: Flavor, version: (u16, u16, u16)) -> (u16, u16) {
    match flavor {
        Flavor::MySql | Flavor::MariaDb => (version.0, version.1),
    }
}

fn seconds(n: u64) -> crate::model::reason::Arg {
    crate::model::reason::Arg::Seconds(n)
}

fn count(n: u64) -> crate::model::reason::Arg {
    crate::model::reason::Arg::Count(i64::try_from(n).unwrap_or(i64::MAX))
}

fn with_error(reason: Reason, line: &Line<'_>, error: &ThreadError) -> Reason {
    reason.with("errno", error.number).with("text", error.text.as_str()).with("source", line.from())
}

fn receiver(line: &Line<'_>, limits: &MiddlewareLimits, now: Moment) -> Option<Reason> {
    let c = line.channel;
    let error = &c.receiver_error;
    match c.receiver {
        Receiver::Running => stalled(line, limits, now),
        Receiver::Connecting => {
            let waited = c.trend.connecting_since.map_or(0, |since| now.since(since).as_secs());
            let code = if error.number == 0 { "mysql.io.connecting" } else { receiver_code(line) };
            // A network may come back by itself; a refused password does not.
            let heals = matches!(code, "mysql.io.connecting" | "mysql.io.unreachable" | "mysql.io.too-many");
            let verdict = if heals && waited < limits.connecting_seconds { Verdict::Warn } else { Verdict::Crit };
            Some(with_error(Reason::new(verdict, code), line, error).with("waited", seconds(waited)))
        }
        Receiver::Stopped if error.number != 0 => Some(with_error(Reason::crit(receiver_code(line)), line, error)),
        Receiver::Stopped => Some(Reason::warn("mysql.io.stopped").with("source", line.from())),
    }
}

/// A file and position that are gone look like a wrong file name to the server; the source's own list of files tells.
fn receiver_code(line: &Line<'_>) -> &'static str {
    match errors::receiver(line.channel.receiver_error.number, &line.channel.receiver_error.text) {
        "mysql.io.no-such-log" if line.gap.wants_purged == Wanted::Purged => "mysql.io.purged",
        code => code,
    }
}

/// It says it is connected and 0 s behind, yet its source has written what it never received: the line is dead, the thread does not know.
fn stalled(line: &Line<'_>, limits: &MiddlewareLimits, now: Moment) -> Option<Reason> {
    let unread = line.gap.unread_bytes.filter(|bytes| *bytes > 0)?;
    let still = now.since(line.channel.trend.read_moved_at?).as_secs();
    (still >= limits.connecting_seconds).then(|| {
        Reason::crit("mysql.io.stalled").with("bytes", crate::model::reason::Arg::Bytes(unread)).with("still", seconds(still)).with("source", line.from())
    })
}

fn applier(line: &Line<'_>) -> Option<Reason> {
    let c = line.channel;
    let error = worker_error(line).unwrap_or(&c.applier_error);
    match c.applier {
        Applier::Stopped if error.number != 0 => Some(with_error(Reason::crit(errors::applier(error.number)), line, error)),
        Applier::Stopped => Some(Reason::warn("mysql.sql.stopped")),
        Applier::Running if error.number != 0 => Some(with_error(Reason::warn(errors::applier(error.number)), line, error)),
        Applier::Running if waits_for_lock(c) => Some(Reason::warn("mysql.sql.waits").with("state", c.applier_state.as_str())),
        Applier::Running => None,
    }
}

/// The coordinator only says that some worker failed; the worker says why.
fn worker_error<'a>(line: &'a Line<'_>) -> Option<&'a ThreadError> {
    line.seen.workers.iter().find(|w| w.channel == line.channel.name && w.error.number != 0).map(|w| &w.error)
}

fn waits_for_lock(c: &Channel) -> bool {
    let state = c.applier_state.to_ascii_lowercase();
    state.starts_with("waiting for") && state.contains("lock")
}

fn lag(line: &Line<'_>, limits: &MiddlewareLimits, reasons: &mut Vec<Reason>) {
    let c = line.channel;
    let steps = limits.lag_seconds;
    if let Some(value) = line.gap.seconds {
        let verdict = level(value, steps.warn, steps.crit);
        let growing = value >= 1.0 && grows(&c.trend.lags, limits.lag_growing_samples);
        let (verdict, code) = match (verdict, growing) {
            (Verdict::Ok, true) => (Verdict::Warn, "mysql.lag.growing"),
            (_, true) => (Verdict::Crit, "mysql.lag.growing"),
            (verdict, false) => (verdict, "mysql.lag"),
        };
        if verdict != Verdict::Ok {
            reasons.push(Reason::new(verdict, code).with("value", value));
        }
        if c.receiver != Receiver::Running {
            reasons.push(Reason::note("mysql.lag.draining").with("value", value));
        }
    }
    if let Some(value) = line.gap.beat_seconds {
        reasons.extend(Reason::above(value, steps.warn, steps.crit, "mysql.lag.heartbeat"));
    }
}

fn level(value: f64, warn: f64, crit: f64) -> Verdict {
    match value {
        v if v >= crit => Verdict::Crit,
        v if v >= warn => Verdict::Warn,
        _ => Verdict::Ok,
    }
}

/// Larger in each of the last `samples` steps.
fn grows(lags: &[f64], samples: u32) -> bool {
    let samples = samples as usize;
    samples > 0 && lags.len() > samples && lags[lags.len() - samples - 1..].windows(2).all(|pair| pair[1] > pair[0])
}

fn filters(line: &Line<'_>, reasons: &mut Vec<Reason>) {
    let mut rules: Vec<String> = line.channel.filters.iter().map(|f| format!("{}={}", f.rule, f.of)).collect();
    if let Some(end) = line.source.and_then(|v| v.fresh()).and_then(|s| s.end.as_ref()) {
        rules.extend(
            [("binlog_do_db", &end.only_databases), ("binlog_ignore_db", &end.ignored_databases)]
                .iter()
                .filter(|(_, of)| !of.is_empty())
                .map(|(r, of)| format!("{r}={of}")),
        );
    }
    if rules.is_empty() {
        return;
    }
    let reason = if line.gap.databases.is_empty() {
        Reason::warn("mysql.filter")
    } else {
        Reason::warn("mysql.filter.lost").with("databases", line.gap.databases.join(", "))
    };
    reasons.push(reason.with("rules", rules.join("; ")).with("source", line.from()));
}

#[cfg(test)]
mod tests {
    use super::grows;

    #[test]
    fn a_lag_grows_only_without_a_break() {
        assert!(grows(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 5));
        assert!(!grows(&[2.0, 3.0, 4.0, 5.0, 6.0], 5));
        assert!(!grows(&[1.0, 2.0, 3.0, 3.0, 5.0, 6.0], 5));
        assert!(!grows(&[1.0, 2.0], 0));
    }
}
