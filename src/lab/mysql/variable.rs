//! System variables and status counters.

use super::gtid::Set;
use super::reply::Failure;
use super::session::Here;
use crate::lab::world::mysql::{Io, MysqlServer};
use crate::lab::world::whole;

fn on(is: bool) -> String {
    if is { "ON".to_owned() } else { "OFF".to_owned() }
}

fn one(is: bool) -> String {
    u8::from(is).to_string()
}

/// `gtid_executed`: what it wrote, what it applied, what it wrote although it is a replica.
pub fn executed(here: &Here<'_>) -> String {
    let server = here.server;
    let mut set = Set::default();
    set.add(here.source_uuid, whole(server.replication.as_ref().map_or(server.log.gtid, |r| r.applied.gtid)));
    if server.replication.is_some() {
        set.add(&server.uuid, server.errant);
    }
    set.to_string()
}

/// Variables that `SHOW VARIABLES` lists, under the names of 8.0.
pub fn all(here: &Here<'_>) -> Vec<(&'static str, String)> {
    let server = here.server;
    let port = server.address.rsplit_once(':').map_or("3306", |(_, p)| p);
    vec![
        ("binlog_expire_logs_seconds", "2592000".into()),
        ("binlog_format", "ROW".into()),
        ("bind_address", "*".into()),
        ("character_set_server", "utf8mb4".into()),
        ("clone_valid_donor_list", String::new()),
        ("datadir", "/var/lib/mysql/".into()),
        ("default_authentication_plugin", "caching_sha2_password".into()),
        ("enforce_gtid_consistency", "ON".into()),
        ("expire_logs_days", "0".into()),
        ("gtid_executed", executed(here)),
        ("gtid_mode", "ON".into()),
        ("gtid_purged", String::new()),
        ("hostname", server.guest.clone()),
        ("innodb_flush_log_at_trx_commit", "1".into()),
        ("log_bin", "ON".into()),
        ("log_bin_basename", "/var/lib/mysql/binlog".into()),
        ("log_replica_updates", "ON".into()),
        ("log_slave_updates", "ON".into()),
        ("lower_case_table_names", "0".into()),
        ("max_allowed_packet", "67108864".into()),
        ("max_connections", server.max_connections.to_string()),
        ("port", port.into()),
        ("read_only", on(server.read_only)),
        ("relay_log", format!("{}-relay-bin", server.guest)),
        ("replica_parallel_workers", "4".into()),
        ("server_id", server.server_id.to_string()),
        ("server_uuid", server.uuid.clone()),
        ("skip_name_resolve", "ON".into()),
        ("slave_parallel_workers", "4".into()),
        ("sql_mode", "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION".into()),
        ("super_read_only", on(server.super_read_only)),
        ("sync_binlog", "1".into()),
        ("system_time_zone", "UTC".into()),
        ("time_zone", "SYSTEM".into()),
        ("transaction_isolation", "REPEATABLE-READ".into()),
        ("version", server.version.clone()),
        ("version_comment", "MySQL Community Server - GPL".into()),
        ("wait_timeout", "28800".into()),
    ]
}

/// `SELECT @@name`: switches are numbers there.
pub fn read(here: &Here<'_>, name: &str) -> Option<String> {
    let server = here.server;
    match name {
        "read_only" => Some(one(server.read_only)),
        "super_read_only" => Some(one(server.super_read_only)),
        "log_bin" | "log_replica_updates" | "log_slave_updates" | "autocommit" | "skip_name_resolve" | "performance_schema" => Some(one(true)),
        "sql_log_bin" => Some(one(here.session.logs == super::session::Logs::Written)),
        "sql_slave_skip_counter" | "sql_replica_skip_counter" => Some("0".into()),
        "socket" => Some("/var/run/mysqld/mysqld.sock".into()),
        "gtid_next" => Some("AUTOMATIC".into()),
        "tx_isolation" => Some("REPEATABLE-READ".into()),
        "net_write_timeout" => Some("60".into()),
        "character_set_client" | "character_set_connection" | "character_set_results" => Some("utf8mb4".into()),
        "collation_connection" | "collation_server" => Some("utf8mb4_0900_ai_ci".into()),
        "auto_increment_increment" | "auto_increment_offset" => Some("1".into()),
        "basedir" => Some("/usr/".into()),
        "log_error" => Some("stderr".into()),
        _ => all(here).into_iter().find(|(n, _)| *n == name).map(|(_, v)| v),
    }
}

/// `SET GLOBAL name = value`, as far as it means something here.
pub fn write(server: &mut MysqlServer, name: &str, value: &str) -> Result<(), Failure> {
    let is_on = matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "TRUE");
    match name {
        "read_only" => {
            server.read_only = is_on;
            server.super_read_only &= is_on;
        }
        "super_read_only" => {
            server.super_read_only = is_on;
            server.read_only |= is_on;
        }
        "max_connections" => server.max_connections = value.parse().unwrap_or(server.max_connections).clamp(1, 100_000),
        "sql_slave_skip_counter" | "sql_replica_skip_counter" => {
            let stopped = server.replication.as_ref().is_some_and(|r| !r.sql_runs);
            if !stopped {
                return Err(Failure::general(1198, "This operation cannot be performed with a running replica; run STOP REPLICA first"));
            }
            if value != "0" {
                return Err(Failure::general(
                    1858,
                    "sql_replica_skip_counter can not be set when the server is running with @@GLOBAL.GTID_MODE = ON. Instead, for each transaction that you want to skip, generate an empty transaction with the same GTID as the transaction",
                ));
            }
        }
        "server_id" => server.server_id = value.parse().unwrap_or(server.server_id),
        "server_uuid" | "hostname" | "port" | "version" | "log_bin" | "gtid_executed" => {
            return Err(Failure::general(1238, format!("Variable '{name}' is a read only variable")));
        }
        _ => {}
    }
    Ok(())
}

/// `SHOW GLOBAL STATUS`.
pub fn status(here: &Here<'_>) -> Vec<(&'static str, String)> {
    let s = here.server;
    let replica = s.replication.as_ref().is_some_and(|r| r.io == Io::Yes && r.sql_runs);
    vec![
        ("Aborted_clients", "41".into()),
        ("Aborted_connects", "12".into()),
        ("Com_commit", whole(s.commits).to_string()),
        ("Connections", (u64::from(here.session.id) + 100_000).to_string()),
        ("Innodb_row_lock_current_waits", "0".into()),
        ("Max_used_connections", s.connections.max(s.max_connections / 3).to_string()),
        ("Queries", whole(s.queries).to_string()),
        ("Questions", whole(s.queries).to_string()),
        ("Replica_open_temp_tables", "0".into()),
        ("Slave_running", on(replica)),
        ("Slow_queries", whole(s.slow_queries).to_string()),
        ("Ssl_version", String::new()),
        ("Threads_cached", "9".into()),
        ("Threads_connected", s.connections.to_string()),
        ("Threads_running", s.running.to_string()),
        ("Uptime", whole(s.up_seconds).to_string()),
    ]
}
