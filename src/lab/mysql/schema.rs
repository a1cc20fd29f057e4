//! The tables that a server shows of itself: `information_schema`, `performance_schema`, `mysql`.

use super::data::{Column, Table};
use super::reply::Cell;
use super::session::{Here, Right};
use super::status::sql_state;
use crate::lab::world::mysql::Io;
use crate::lab::world::whole;

pub const SYSTEM: [&str; 4] = ["information_schema", "mysql", "performance_schema", "sys"];

fn table(columns: &[&str], rows: Vec<Vec<Cell>>) -> Table {
    let mut table = Table::new(columns.iter().map(|c| Column { name: (*c).to_owned(), ..Column::default() }).collect());
    table.rows = rows;
    table
}

/// A cell with this text.
#[allow(clippy::unnecessary_wraps, reason = "it makes a cell")]
fn word(text: &str) -> Cell {
    Some(text.to_owned())
}

/// The sessions of this server: the replication's own, those of its followers, the applications', and the asker's.
pub fn processes(here: &Here<'_>, followers: &[String]) -> Vec<Vec<Cell>> {
    let mut rows =
        vec![[word("5"), word("event_scheduler"), word("localhost"), None, word("Daemon"), word("86400"), word("Waiting on empty queue"), None].to_vec()];
    let up = whole(here.server.up_seconds).to_string();
    if let Some(link) = &here.server.replication {
        let io = match link.io {
            Io::Yes => word("Waiting for source to send event"),
            Io::Connecting => word("Connecting to source"),
            Io::No => None,
        };
        if io.is_some() {
            rows.push(vec![word("9"), word("system user"), word("connecting host"), None, word("Connect"), Some(up.clone()), io, None]);
        }
        if link.sql_runs {
            rows.push(vec![word("10"), word("system user"), word(""), None, word("Query"), word("0"), word(sql_state(link)), None]);
        }
    }
    for (n, follower) in followers.iter().enumerate() {
        let state = word("Source has sent all binlog to replica; waiting for more updates");
        rows.push(vec![
            Some((20 + n).to_string()),
            word("repl"),
            Some(format!("{follower}:41472")),
            None,
            word("Binlog Dump GTID"),
            Some(up.clone()),
            state,
            None,
        ]);
    }
    if here.session.right(here.server) >= Right::Look {
        for n in 0..here.server.connections.min(400) {
            let busy = n < here.server.running.saturating_sub(2);
            let (command, state, info) =
                if busy { ("Query", word("executing"), word("SELECT * FROM oms_order WHERE status = 0 LIMIT 20")) } else { ("Sleep", word(""), None) };
            let from = format!("10.244.{}.{}:{}", 4 + n % 9, 11 + n % 40, 40_000 + n);
            rows.push(vec![
                Some((1000 + n).to_string()),
                word("mall"),
                Some(from),
                word("mall_oms"),
                word(command),
                Some((n * 7 % 180).to_string()),
                state,
                info,
            ]);
        }
    }
    let me = here.session;
    let database = Some(me.database.clone()).filter(|d| !d.is_empty());
    rows.push(vec![
        Some(me.id.to_string()),
        word(&me.user),
        Some(format!("{}:51000", me.from)),
        database,
        word("Query"),
        word("0"),
        word("init"),
        word("SHOW PROCESSLIST"),
    ]);
    rows
}

pub const PROCESS: [&str; 8] = ["Id", "User", "Host", "db", "Command", "Time", "State", "Info"];

/// A system table, built when it is asked for; `None` where the lab has none of that name.
pub fn find(here: &Here<'_>, followers: &[String], database: &str, name: &str) -> Option<Table> {
    let server = here.server;
    match (database.to_ascii_lowercase().as_str(), name.to_ascii_lowercase().as_str()) {
        ("information_schema" | "performance_schema", "processlist") => {
            let columns = ["ID", "USER", "HOST", "DB", "COMMAND", "TIME", "STATE", "INFO"];
            Some(table(&columns, processes(here, followers)))
        }
        ("information_schema", "schemata") => {
            let names = SYSTEM.iter().map(|d| (*d).to_owned()).chain(server.databases.iter().cloned());
            let rows = names.map(|d| vec![word("def"), Some(d), word("utf8mb4"), word("utf8mb4_0900_ai_ci")]).collect();
            Some(table(&["CATALOG_NAME", "SCHEMA_NAME", "DEFAULT_CHARACTER_SET_NAME", "DEFAULT_COLLATION_NAME"], rows))
        }
        ("information_schema", "tables") => {
            let tables = server.content.data.0.iter().flat_map(|(d, tables)| tables.iter().map(move |(n, t)| (d, n, t)));
            let row = |(d, n, t): (&String, &String, &Table)| {
                vec![Some(d.clone()), Some(n.clone()), word("BASE TABLE"), word("InnoDB"), Some(t.rows.len().to_string()), word(&t.comment)]
            };
            Some(table(&["TABLE_SCHEMA", "TABLE_NAME", "TABLE_TYPE", "ENGINE", "TABLE_ROWS", "TABLE_COMMENT"], tables.map(row).collect()))
        }
        ("information_schema", "columns") => {
            let tables = server.content.data.0.iter().flat_map(|(d, tables)| tables.iter().map(move |(n, t)| (d, n, t)));
            let rows = tables
                .flat_map(|(d, n, t)| t.columns.iter().map(move |c| vec![Some(d.clone()), Some(n.clone()), Some(c.name.clone()), Some(c.kind.clone())]))
                .collect();
            Some(table(&["TABLE_SCHEMA", "TABLE_NAME", "COLUMN_NAME", "COLUMN_TYPE"], rows))
        }
        ("information_schema", "plugins") => Some(table(
            &["PLUGIN_NAME", "PLUGIN_STATUS", "PLUGIN_TYPE"],
            ["caching_sha2_password", "mysql_native_password", "InnoDB"]
                .iter()
                .map(|p| vec![word(p), word("ACTIVE"), word(if *p == "InnoDB" { "STORAGE ENGINE" } else { "AUTHENTICATION" })])
                .collect(),
        )),
        ("mysql", "user") => {
            let flag = |is: bool| word(if is { "Y" } else { "N" });
            let own = [("root", "ALL PRIVILEGES"), ("monitor", "SELECT, PROCESS, REPLICATION CLIENT")].map(|(u, g)| ("%", u, g));
            let accounts = own.into_iter().chain(server.accounts.iter().map(|a| (a.host.as_str(), a.user.as_str(), a.grants.as_str())));
            let rows = accounts.map(|(host, user, grants)| {
                let may = |right: &str| flag(grants.split(", ").any(|g| g == right || g == "ALL PRIVILEGES"));
                let rights = [may("SELECT"), may("SUPER"), may("REPLICATION SLAVE"), may("REPLICATION CLIENT")];
                [word(host), word(user)].into_iter().chain(rights).chain([word("caching_sha2_password"), word("N")]).collect()
            });
            let columns = ["Host", "User", "Select_priv", "Super_priv", "Repl_slave_priv", "Repl_client_priv", "plugin", "account_locked"];
            Some(table(&columns, rows.collect()))
        }
        ("performance_schema", "replication_applier_status_by_worker") => {
            let columns = ["CHANNEL_NAME", "WORKER_ID", "THREAD_ID", "SERVICE_STATE", "LAST_ERROR_NUMBER", "LAST_ERROR_MESSAGE"];
            let workers = server.replication.iter().flat_map(|link| {
                (1..=4_u32).map(move |n| {
                    let fault = Some(&link.sql_fault).filter(|f| f.code != 0 && n == 1);
                    let state = if link.sql_runs { "ON" } else { "OFF" };
                    let (code, text) = fault.map_or((0, ""), |f| (f.code, f.text.as_str()));
                    vec![word(""), Some(n.to_string()), Some((40 + n).to_string()), word(state), Some(code.to_string()), word(text)]
                })
            });
            Some(table(&columns, workers.collect()))
        }
        ("performance_schema", "replication_connection_configuration") => {
            let row = |l: &crate::lab::world::mysql::Replication| {
                vec![word(""), word(&l.host), Some(l.port.to_string()), word(&l.user), Some(u8::from(l.auto_position).to_string())]
            };
            Some(table(&["CHANNEL_NAME", "HOST", "PORT", "USER", "AUTO_POSITION"], server.replication.iter().map(row).collect()))
        }
        ("performance_schema", "replication_connection_status") => {
            let state = |io| match io {
                Io::Yes => "ON",
                Io::Connecting => "CONNECTING",
                Io::No => "OFF",
            };
            let row = |l: &crate::lab::world::mysql::Replication| {
                vec![word(""), word(here.source_uuid), word(state(l.io)), Some(l.io_fault.code.to_string()), word(&l.io_fault.text)]
            };
            Some(table(
                &["CHANNEL_NAME", "SOURCE_UUID", "SERVICE_STATE", "LAST_ERROR_NUMBER", "LAST_ERROR_MESSAGE"],
                server.replication.iter().map(row).collect(),
            ))
        }
        ("performance_schema", "replication_group_members") => {
            Some(table(&["CHANNEL_NAME", "MEMBER_ID", "MEMBER_HOST", "MEMBER_PORT", "MEMBER_STATE", "MEMBER_ROLE", "MEMBER_VERSION"], Vec::new()))
        }
        ("performance_schema", "replication_group_member_stats") => Some(table(&["CHANNEL_NAME", "MEMBER_ID", "COUNT_TRANSACTIONS_IN_QUEUE"], Vec::new())),
        ("performance_schema", kind @ ("global_variables" | "global_status" | "session_variables")) => {
            let pairs = if kind == "global_status" { super::variable::status(here) } else { super::variable::all(here) };
            Some(table(&["VARIABLE_NAME", "VARIABLE_VALUE"], pairs.into_iter().map(|(n, v)| vec![word(n), Some(v)]).collect()))
        }
        _ => None,
    }
}
