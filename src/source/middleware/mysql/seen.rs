//! What one member says, in words of the kind. Stays below `source/`.

use super::dialect::Dialect;
use super::gtid::{GtidPosition, GtidSet};
use super::log::{LogFile, LogPlace};
use crate::base::clock::Moment;
use crate::model::fact::Denied;
use crate::model::id::Name;

/// The fact without which nothing can be said of a group; its name in [`Denied`].
pub(super) const REPLICATION: &str = "replication";

/// One server's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub dialect: Dialect,
    pub version: String,
    /// MySQL only; empty for MariaDB.
    pub server_uuid: String,
    pub server_id: u32,
    pub host: String,
    pub port: u16,
    pub read_only: Guard,
    pub logs_own: LogWriting,
    pub gtid: Gtid,
    pub connections: u64,
    pub max_connections: u64,
    pub running: u64,
    pub lock_waits: u64,
    pub uptime_seconds: u64,
    /// How long binary logs are kept; `None` is for ever or unknown.
    pub log_kept_seconds: Option<f64>,
    pub semi_sync: SemiSync,
    /// Threads that send the binary log to followers; `None` where the account may not see them.
    pub senders: Option<u64>,
    pub channels: Vec<Channel>,
    pub workers: Vec<Worker>,
    pub parallel: u64,
    pub peers: Vec<Peer>,
    /// Its clock against ours, at the middle of a round trip.
    pub clock_offset_seconds: Option<f64>,
    /// The newest beat in the heartbeat table, as seconds since the epoch by the clock of whoever wrote it.
    pub beat_at_seconds: Option<f64>,
    pub databases: Vec<String>,
    pub denied: Vec<Denied>,
    pub tls: String,
    /// Read in the second round, after the followers were read.
    pub end: Option<LogEnd>,
    pub files: Vec<LogFile>,
    pub compared: Vec<Compared>,
}

/// Who may write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guard {
    #[default]
    Writable,
    /// Administrators may still write.
    ReadOnly,
    SuperReadOnly,
}

/// Which statements go into its own binary log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogWriting {
    #[default]
    Off,
    /// Its own writes only, not those that it applies: nothing can follow it in a chain.
    Own,
    All,
}

/// How far it is, in its family's terms.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Gtid {
    #[default]
    None,
    MySql {
        executed: GtidSet,
    },
    MariaDb {
        applied: GtidPosition,
        written: GtidPosition,
        /// The last of every server that ever wrote into this log.
        state: GtidPosition,
    },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SemiSync {
    pub source: SemiSyncState,
    pub replica: SemiSyncState,
    pub clients: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SemiSyncState {
    #[default]
    Disabled,
    /// Enabled, but it works without for now.
    Degraded,
    On,
}

/// A source that this server follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    pub name: String,
    pub host: String,
    pub port: u16,
    pub source_uuid: String,
    pub source_id: u32,
    pub receiver: Receiver,
    pub receiver_state: String,
    pub receiver_error: ThreadError,
    pub applier: Applier,
    pub applier_state: String,
    pub applier_error: ThreadError,
    pub seconds_behind: Option<f64>,
    pub read: LogPlace,
    pub applied: LogPlace,
    pub delay_seconds: u64,
    pub delay_left_seconds: Option<u64>,
    /// Finds its place by GTID, not by file and position.
    pub by_gtid: Placing,
    pub filters: Vec<Filter>,
    pub retrieved: GtidSet,
    pub trend: Trend,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placing {
    File,
    Gtid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    Running,
    Connecting,
    Stopped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applier {
    Running,
    Stopped,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadError {
    /// 0 is no error.
    pub number: u32,
    pub text: String,
}

/// `Replicate_Do_DB: mall,pay`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    pub rule: String,
    pub of: String,
}

/// What only time tells; carried from answer to answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trend {
    /// Since when the receiver looks for its source.
    pub connecting_since: Option<Moment>,
    /// When it last received something.
    pub read_moved_at: Option<Moment>,
    /// The lags of the last samples, the newest last.
    pub lags: Vec<f64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    pub channel: String,
    pub id: u64,
    pub error: ThreadError,
}

/// A member of a replication group, as this server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub uuid: String,
    pub host: String,
    pub port: u16,
    pub state: String,
    pub role: String,
    pub queue: Option<u64>,
}

/// Where a source's log ends, and what it leaves out of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogEnd {
    pub place: LogPlace,
    pub only_databases: String,
    pub ignored_databases: String,
}

/// A follower against this source, by the source's own arithmetic, the follower read first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    pub follower: Name,
    pub missing: GtidSet,
    pub errant: GtidSet,
    /// What the follower misses and this source no longer has.
    pub lost: GtidSet,
}
