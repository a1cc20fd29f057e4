//! The questions themselves. Round 0: every server about itself, the followers among them. Round 1: the followed ones again, so
//! that a source is always read after its followers: what it then lacks is errant for sure, what they lack is an upper bound.

use std::collections::BTreeMap;

use super::connect::{Answer, Link, Right};
use super::dialect::{Flavor, grant};
use super::follow;
use super::gtid::{GtidPosition, GtidSet};
use super::read;
use super::record::Record;
use super::seen::{Compared, Gtid, Guard, LogWriting, REPLICATION, Seen, SemiSync, SemiSyncState};
use crate::base::clock::Stopwatch;
use crate::model::fact::Denied;
use crate::model::id::Name;
use crate::source::middleware::member::{Probe, Question, Trouble};

/// While something is `no right`, the rights are renewed once in this many intervals.
const RIGHTS_AGAIN: u32 = 6;

const VARIABLES: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('server_id','server_uuid','hostname','port','read_only','super_read_only',\
    'log_bin','log_slave_updates','log_replica_updates','gtid_mode','max_connections','expire_logs_days','binlog_expire_logs_seconds',\
    'rpl_semi_sync_master_enabled','rpl_semi_sync_source_enabled','rpl_semi_sync_slave_enabled','rpl_semi_sync_replica_enabled',\
    'slave_parallel_workers','replica_parallel_workers','slave_parallel_threads','group_replication_group_name')";

const STATUS: &str = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected','Threads_running','Uptime','Innodb_row_lock_current_waits',\
    'Rpl_semi_sync_master_status','Rpl_semi_sync_source_status','Rpl_semi_sync_slave_status','Rpl_semi_sync_replica_status',\
    'Rpl_semi_sync_master_clients','Rpl_semi_sync_source_clients')";

/// Names and values of a `SHOW VARIABLES`, under the newer names.
struct Values(BTreeMap<String, String>);

impl Values {
    fn of(rows: Vec<Record>) -> Self {
        let modern = |name: String| name.to_ascii_lowercase().replace("slave", "replica").replace("master", "source");
        Self(rows.into_iter().map(|r| (modern(r.text("Variable_name")), r.text("Value"))).collect())
    }
    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
    fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or(0)
    }
    fn on(&self, name: &str) -> bool {
        matches!(self.text(name).to_ascii_uppercase().as_str(), "ON" | "1" | "YES")
    }
}

/// Collects what the account may not see.
struct Rights<'a> {
    account: &'a str,
    denied: Vec<Denied>,
}

impl Rights<'_> {
    fn note(&mut self, fact: &str, privilege: &str) {
        self.denied.push(Denied { fact: Name::from(fact), need: Name::from(grant(privilege, self.account)) });
    }

    /// The rows; a refusal is noted and gives none.
    fn rows(&mut self, answer: Answer, fact: &str, privilege: &str) -> Vec<Record> {
        if matches!(answer, Answer::Denied) {
            self.note(fact, privilege);
        }
        answer.rows()
    }
}

pub(super) async fn about_itself(link: &mut Link, q: &Question<'_, Seen>) -> Result<Seen, Trouble> {
    let before = q.before.map(|b| &b.seen);
    if before.is_some_and(|b| !b.denied.is_empty()) {
        let every = q.spec.every.unwrap_or(<super::MySql as Probe>::EVERY);
        link.renew_rights(q.now, every * RIGHTS_AGAIN, q.address, q.meter).await?;
    }
    let began = Stopwatch::start();
    let account = link.account.clone();
    let mut rights = Rights { account: &account, denied: Vec::new() };
    let dialect = link.dialect.clone();
    let replica_status = link.ask(dialect.replica_status(), q.address, q.meter).await?;
    let replica_status = rights.rows(replica_status, REPLICATION, dialect.grant_replica_status());
    let gtid = gtid(link, q).await?;
    let values = Values::of(link.ask(VARIABLES, q.address, q.meter).await?.rows());
    let status = Values::of(link.ask(STATUS, q.address, q.meter).await?.rows());
    let channels: Vec<_> = replica_status
        .iter()
        .map(|row| {
            let channel = read::channel(row, None, q.now);
            let earlier = before.and_then(|b| b.channels.iter().find(|c| c.name == channel.name));
            read::channel(row, earlier, q.now)
        })
        .collect();
    let mut workers = Vec::new();
    if !channels.is_empty() && dialect.has_worker_tables() {
        let statement = "SELECT CHANNEL_NAME, WORKER_ID, LAST_ERROR_NUMBER, LAST_ERROR_MESSAGE FROM performance_schema.replication_applier_status_by_worker";
        let answer = link.ask(statement, q.address, q.meter).await?;
        workers = rights.rows(answer, "workers", "SELECT ON performance_schema.*").iter().map(read::worker).collect();
    }
    let mut peers = Vec::new();
    if !values.text("group_replication_group_name").is_empty() {
        let answer = link.ask("SELECT * FROM performance_schema.replication_group_members", q.address, q.meter).await?;
        let members = rights.rows(answer, "group members", "SELECT ON performance_schema.*");
        let queues = link.ask("SELECT * FROM performance_schema.replication_group_member_stats", q.address, q.meter).await?.rows();
        peers = members.iter().filter(|m| !m.text("MEMBER_ID").is_empty()).map(|m| read::peer(m, &queues)).collect();
    }
    let databases = link.ask("SHOW DATABASES", q.address, q.meter).await?.rows().iter().filter_map(|r| r.at(0).map(str::to_owned)).collect();
    let (clock_offset_seconds, beat_at_seconds) = clocks(link, q, began, &mut rights).await?;
    Ok(Seen {
        version: link.version.clone(),
        server_uuid: values.text("server_uuid").to_ascii_lowercase(),
        server_id: u32::try_from(values.number("server_id")).unwrap_or(0),
        host: values.text("hostname").to_owned(),
        port: u16::try_from(values.number("port")).unwrap_or(0),
        read_only: guard(&values),
        logs_own: match (values.on("log_bin"), values.on("log_replica_updates")) {
            (false, _) => LogWriting::Off,
            (true, false) => LogWriting::Own,
            (true, true) => LogWriting::All,
        },
        gtid,
        connections: status.number("threads_connected"),
        max_connections: values.number("max_connections"),
        running: status.number("threads_running"),
        lock_waits: status.number("innodb_row_lock_current_waits"),
        uptime_seconds: status.number("uptime"),
        log_kept_seconds: log_kept(&values),
        semi_sync: SemiSync {
            source: semi(&values, &status, "rpl_semi_sync_source"),
            replica: semi(&values, &status, "rpl_semi_sync_replica"),
            clients: status.number("rpl_semi_sync_source_clients"),
        },
        senders: None,
        channels,
        workers,
        parallel: values.number("replica_parallel_workers").max(values.number("replica_parallel_threads")),
        peers,
        clock_offset_seconds,
        beat_at_seconds,
        databases,
        denied: rights.denied,
        tls: link.tls.clone(),
        end: None,
        files: Vec::new(),
        compared: Vec::new(),
        dialect,
    })
}

fn guard(values: &Values) -> Guard {
    // MariaDB 12 writes NO_LOCK and NO_LOCK_NO_ADMIN where others write ON.
    let read_only = !matches!(values.text("read_only").to_ascii_uppercase().as_str(), "OFF" | "0" | "");
    match (values.on("super_read_only"), read_only) {
        (true, _) => Guard::SuperReadOnly,
        (false, true) => Guard::ReadOnly,
        (false, false) => Guard::Writable,
    }
}

/// Seconds, from whichever of the two settings is in force; 0 keeps logs for ever.
fn log_kept(values: &Values) -> Option<f64> {
    let seconds = values.number("binlog_expire_logs_seconds");
    let days: f64 = values.text("expire_logs_days").parse().unwrap_or(0.0);
    match (seconds, days) {
        (0, days) if days > 0.0 => Some(days * 86_400.0),
        (0, _) => None,
        (seconds, _) => Some(seconds as f64),
    }
}

fn semi(values: &Values, status: &Values, name: &str) -> SemiSyncState {
    match (values.on(&format!("{name}_enabled")), status.on(&format!("{name}_status"))) {
        (false, _) => SemiSyncState::Disabled,
        (true, false) => SemiSyncState::Degraded,
        (true, true) => SemiSyncState::On,
    }
}

/// `SHOW VARIABLES` cuts its values at 1024 characters, which a set of many servers exceeds; `SELECT` does not.
async fn gtid(link: &mut Link, q: &Question<'_, Seen>) -> Result<Gtid, Trouble> {
    let statement = match link.dialect.flavor {
        Flavor::MySql => "SELECT @@GLOBAL.gtid_executed",
        Flavor::MariaDb => "SELECT @@GLOBAL.gtid_slave_pos, @@GLOBAL.gtid_binlog_pos, @@GLOBAL.gtid_binlog_state",
    };
    let rows = link.ask(statement, q.address, q.meter).await?.rows();
    let Some(row) = rows.first() else { return Ok(Gtid::None) };
    let at = |i| row.at(i).unwrap_or("");
    Ok(match link.dialect.flavor {
        Flavor::MySql => Gtid::MySql { executed: GtidSet::parse(at(0)) },
        Flavor::MariaDb => Gtid::MariaDb { applied: GtidPosition::parse(at(0)), written: GtidPosition::parse(at(1)), state: GtidPosition::parse(at(2)) },
    })
}

/// Its clock against ours, and the newest beat of the heartbeat table if the entry names one.
async fn clocks(link: &mut Link, q: &Question<'_, Seen>, began: Stopwatch, rights: &mut Rights<'_>) -> Result<(Option<f64>, Option<f64>), Trouble> {
    let sent = began.elapsed();
    let rows = link.ask("SELECT UNIX_TIMESTAMP(NOW(6))", q.address, q.meter).await?.rows();
    let theirs = rows.first().and_then(|r| r.at(0)).and_then(|t| t.parse::<f64>().ok());
    // It read its clock about halfway between our question and its answer.
    let ours = q.now.0 as f64 / 1000.0 + ((sent + began.elapsed()) / 2).as_secs_f64();
    let offset = theirs.map(|t| t - ours);
    let Some(heartbeat) = q.spec.settings.get("heartbeat").and_then(|h| Heartbeat::parse(h)) else { return Ok((offset, None)) };
    let statement = format!("SELECT UNIX_TIMESTAMP(MAX(`{}`)) FROM `{}`.`{}`", heartbeat.column, heartbeat.schema, heartbeat.table);
    let answer = link.ask(&statement, q.address, q.meter).await?;
    let rows = rights.rows(answer, "heartbeat", &format!("SELECT ON `{}`.`{}`", heartbeat.schema, heartbeat.table));
    Ok((offset, rows.first().and_then(|r| r.at(0)).and_then(|t| t.parse().ok())))
}

/// `schema.table.column` of a column that the source sets to now once a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heartbeat {
    schema: String,
    table: String,
    column: String,
}

impl Heartbeat {
    /// `None` where it is not three plain names: they become part of a statement.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let plain = |s: &&str| !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$');
        match text.split('.').collect::<Vec<_>>().as_slice() {
            [schema, table, column] if [schema, table, column].into_iter().all(plain) => {
                Some(Self { schema: (*schema).to_owned(), table: (*table).to_owned(), column: (*column).to_owned() })
            }
            _ => None,
        }
    }
}

/// The second look at a server that others follow.
pub(super) async fn about_its_followers(link: &mut Link, q: &Question<'_, Seen>, mut seen: Seen) -> Result<Seen, Trouble> {
    let followers = follow::followers(q.address, q.others);
    if followers.is_empty() {
        return Ok(seen);
    }
    let account = link.account.clone();
    let mut rights = Rights { account: &account, denied: std::mem::take(&mut seen.denied) };
    let (status, privilege) = (link.dialect.log_status(), link.dialect.grant_log_status());
    let answer = link.ask(status, q.address, q.meter).await?;
    seen.end = rights.rows(answer, "binary log", privilege).first().map(read::log_end);
    if seen.end.is_some() {
        seen.files = read::log_files(&link.ask("SHOW BINARY LOGS", q.address, q.meter).await?.rows());
    }
    match link.may_see_threads {
        Right::Given => {
            let statement = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'";
            seen.senders = link.ask(statement, q.address, q.meter).await?.rows().first().and_then(|r| r.at(0)).and_then(|n| n.parse().ok());
        }
        Right::Missing => rights.note("connected followers", "PROCESS ON *.*"),
    }
    seen.denied = rights.denied;
    if link.dialect.flavor == Flavor::MariaDb {
        seen.gtid = gtid(link, q).await?;
        return Ok(seen);
    }
    for follower in followers {
        let Some(Gtid::MySql { executed }) = follower.fresh().map(|s| &s.gtid) else { continue };
        // The text is our own rendering of a parsed set: letters, digits, `:`, `-`, `,` and `_` only.
        let statement = format!(
            "SELECT GTID_SUBTRACT(@@GLOBAL.gtid_executed, '{executed}'), GTID_SUBTRACT('{executed}', @@GLOBAL.gtid_executed), GTID_SUBTRACT(@@GLOBAL.gtid_purged, '{executed}')"
        );
        if let Some(row) = link.ask(&statement, q.address, q.meter).await?.rows().first() {
            let set = |i| GtidSet::parse(row.at(i).unwrap_or(""));
            seen.compared.push(Compared { follower: follower.address.clone(), missing: set(0), errant: set(1), lost: set(2) });
        }
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::Heartbeat;

    #[test]
    fn a_heartbeat_is_three_plain_names() {
        assert!(Heartbeat::parse("ops.heartbeat.ts").is_some());
        assert!(Heartbeat::parse("ops.heartbeat").is_none());
        assert!(Heartbeat::parse("ops.heart`beat.ts").is_none());
    }
}
