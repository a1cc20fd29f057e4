//! From the rows of the servers to [`Seen`]. Pure: both dialects, columns by both names.

use super::gtid::GtidSet;
use super::log::{LogFile, LogPlace};
use super::record::Record;
use super::seen::{Applier, Channel, Filter, LogEnd, Peer, Placing, Receiver, ThreadError, Trend, Worker};
use crate::base::clock::Moment;
use crate::base::text::clean;

/// How many lags are kept to see one grow.
const TREND: usize = 12;

const FILTERS: [&str; 8] = [
    "Replicate_Do_DB",
    "Replicate_Ignore_DB",
    "Replicate_Do_Table",
    "Replicate_Ignore_Table",
    "Replicate_Wild_Do_Table",
    "Replicate_Wild_Ignore_Table",
    "Replicate_Do_Domain_Ids",
    "Replicate_Ignore_Domain_Ids",
];

fn error(row: &Record, number: &str, text: &str) -> ThreadError {
    let number = row.number(number).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    ThreadError { number, text: clean(&row.text(text)).into_owned() }
}

/// One row of the replica status. `before` is the same channel in the answer before.
pub(super) fn channel(row: &Record, before: Option<&Channel>, now: Moment) -> Channel {
    let receiver = match row.text("Replica_IO_Running").as_str() {
        "Yes" => Receiver::Running,
        "Connecting" | "Preparing" => Receiver::Connecting,
        _ => Receiver::Stopped,
    };
    let using = row.text("Using_Gtid");
    let by_gtid = if row.text("Auto_Position") == "1" || using == "Slave_Pos" || using == "Current_Pos" { Placing::Gtid } else { Placing::File };
    let name = match row.text("Channel_Name") {
        name if name.is_empty() => row.text("Connection_name"),
        name => name,
    };
    let mut channel = Channel {
        name,
        host: row.text("Source_Host"),
        port: row.number("Source_Port").and_then(|p| u16::try_from(p).ok()).unwrap_or(0),
        source_uuid: row.text("Source_UUID").to_ascii_lowercase(),
        source_id: row.number("Source_Server_Id").and_then(|p| u32::try_from(p).ok()).unwrap_or(0),
        receiver,
        receiver_state: clean(&row.text("Replica_IO_State")).into_owned(),
        receiver_error: error(row, "Last_IO_Errno", "Last_IO_Error"),
        applier: if row.text("Replica_SQL_Running") == "Yes" { Applier::Running } else { Applier::Stopped },
        applier_state: clean(&row.text("Replica_SQL_Running_State")).into_owned(),
        applier_error: error(row, "Last_SQL_Errno", "Last_SQL_Error"),
        seconds_behind: row.float("Seconds_Behind_Source"),
        read: LogPlace::new(row.text("Source_Log_File"), row.number("Read_Source_Log_Pos").unwrap_or(0)),
        applied: LogPlace::new(row.text("Relay_Source_Log_File"), row.number("Exec_Source_Log_Pos").unwrap_or(0)),
        delay_seconds: row.number("SQL_Delay").unwrap_or(0),
        delay_left_seconds: row.number("SQL_Remaining_Delay"),
        by_gtid,
        filters: FILTERS.iter().map(|rule| Filter { rule: (*rule).to_owned(), of: clean(&row.text(rule)).into_owned() }).filter(|f| !f.of.is_empty()).collect(),
        retrieved: GtidSet::parse(&row.text("Retrieved_Gtid_Set")),
        trend: Trend::default(),
    };
    channel.trend = trend(&channel, before, now);
    channel
}

fn trend(channel: &Channel, before: Option<&Channel>, now: Moment) -> Trend {
    let mut trend = before.map(|b| b.trend.clone()).unwrap_or_default();
    trend.connecting_since = match channel.receiver {
        Receiver::Connecting => Some(trend.connecting_since.unwrap_or(now)),
        Receiver::Running | Receiver::Stopped => None,
    };
    if before.is_none_or(|b| b.read != channel.read) || trend.read_moved_at.is_none() {
        trend.read_moved_at = Some(now);
    }
    match channel.seconds_behind {
        Some(lag) => trend.lags.push(lag),
        None => trend.lags.clear(),
    }
    let extra = trend.lags.len().saturating_sub(TREND);
    trend.lags.drain(..extra);
    trend
}

pub(super) fn worker(row: &Record) -> Worker {
    Worker { channel: row.text("CHANNEL_NAME"), id: row.number("WORKER_ID").unwrap_or(0), error: error(row, "LAST_ERROR_NUMBER", "LAST_ERROR_MESSAGE") }
}

pub(super) fn peer(row: &Record, stats: &[Record]) -> Peer {
    let uuid = row.text("MEMBER_ID").to_ascii_lowercase();
    let queue = stats.iter().find(|s| s.text("MEMBER_ID").eq_ignore_ascii_case(&uuid)).and_then(|s| s.number("COUNT_TRANSACTIONS_IN_QUEUE"));
    Peer {
        uuid,
        host: row.text("MEMBER_HOST"),
        port: row.number("MEMBER_PORT").and_then(|p| u16::try_from(p).ok()).unwrap_or(0),
        state: row.text("MEMBER_STATE"),
        role: row.text("MEMBER_ROLE"),
        queue,
    }
}

pub(super) fn log_files(rows: &[Record]) -> Vec<LogFile> {
    rows.iter().map(|r| LogFile { name: r.text("Log_name"), bytes: r.number("File_size").unwrap_or(0) }).collect()
}

pub(super) fn log_end(row: &Record) -> LogEnd {
    LogEnd {
        place: LogPlace::new(row.text("File"), row.number("Position").unwrap_or(0)),
        only_databases: clean(&row.text("Binlog_Do_DB")).into_owned(),
        ignored_databases: clean(&row.text("Binlog_Ignore_DB")).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn status(lag: &str, io: &str, pos: &str) -> Record {
        Record::of(&[
            ("Slave_IO_Running", io),
            ("Slave_SQL_Running", "Yes"),
            ("Seconds_Behind_Master", lag),
            ("Master_Log_File", "bin.1"),
            ("Read_Master_Log_Pos", pos),
        ])
    }

    #[test]
    fn a_trend_starts_over_and_keeps_when_it_began() {
        let t = Moment::from_seconds(100);
        let later = t.plus(Duration::from_secs(5));
        let a = channel(&status("1", "Connecting", "4"), None, t);
        let b = channel(&status("2", "Connecting", "4"), Some(&a), later);
        assert_eq!((b.trend.connecting_since, b.trend.read_moved_at, b.trend.lags.as_slice()), (Some(t), Some(t), &[1.0, 2.0][..]));
        let c = channel(&status("NULL", "Yes", "90"), Some(&b), later);
        assert_eq!((c.trend.connecting_since, c.trend.read_moved_at, c.trend.lags.len()), (None, Some(later), 0));
    }

    #[test]
    fn mysql_names_and_channels() {
        let row = Record::of(&[
            ("Replica_IO_Running", "Yes"),
            ("Replica_SQL_Running", "No"),
            ("Last_SQL_Errno", "1062"),
            ("Last_SQL_Error", "Duplicate\x1b[31m"),
            ("Source_UUID", "AB"),
            ("Auto_Position", "1"),
            ("Channel_Name", "east"),
            ("Replicate_Ignore_DB", "mall"),
        ]);
        let c = channel(&row, None, Moment(0));
        assert_eq!((c.name.as_str(), c.source_uuid.as_str(), c.by_gtid, c.applier), ("east", "ab", Placing::Gtid, Applier::Stopped));
        assert_eq!(c.applier_error, ThreadError { number: 1062, text: "Duplicate^[[31m".to_owned() });
        assert_eq!(c.filters, [Filter { rule: "Replicate_Ignore_DB".to_owned(), of: "mall".to_owned() }]);
    }
}
