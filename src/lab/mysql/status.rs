//! `SHOW REPLICA STATUS`: the columns of MySQL 9.7.4 in their order; `SHOW SLAVE STATUS` has the same under the older names.

use super::gtid::Set;
use super::reply::{Cell, Reply};
use super::session::{Here, stamp};
use super::variable;
use crate::lab::world::mysql::{Io, MysqlServer, Replication};
use crate::lab::world::whole;

/// Which of its two vocabularies the server is asked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    Replica,
    Slave,
}

impl Words {
    fn name(self, column: &str) -> String {
        match self {
            Self::Replica => column.to_owned(),
            Self::Slave if column == "Get_Source_public_key" => "Get_master_public_key".to_owned(),
            Self::Slave => column.replace("Replica", "Slave").replace("Source", "Master"),
        }
    }
}

/// One row for a replica, none for a server that follows nobody. `source` is the followed server, if the lab has it.
pub fn replica(here: &Here<'_>, source: Option<&MysqlServer>, words: Words) -> Reply {
    let Some(link) = &here.server.replication else {
        let columns = COLUMNS.iter().map(|c| words.name(c));
        return Reply::rows(columns, Vec::new());
    };
    let cells = row(here, link, source);
    Reply::rows(COLUMNS.iter().map(|c| words.name(c)), vec![cells])
}

#[cfg(test)]
pub(super) fn columns() -> [&'static str; 60] {
    COLUMNS
}

const COLUMNS: [&str; 60] = [
    "Replica_IO_State",
    "Source_Host",
    "Source_User",
    "Source_Port",
    "Connect_Retry",
    "Source_Log_File",
    "Read_Source_Log_Pos",
    "Relay_Log_File",
    "Relay_Log_Pos",
    "Relay_Source_Log_File",
    "Replica_IO_Running",
    "Replica_SQL_Running",
    "Replicate_Do_DB",
    "Replicate_Ignore_DB",
    "Replicate_Do_Table",
    "Replicate_Ignore_Table",
    "Replicate_Wild_Do_Table",
    "Replicate_Wild_Ignore_Table",
    "Last_Errno",
    "Last_Error",
    "Skip_Counter",
    "Exec_Source_Log_Pos",
    "Relay_Log_Space",
    "Until_Condition",
    "Until_Log_File",
    "Until_Log_Pos",
    "Source_SSL_Allowed",
    "Source_SSL_CA_File",
    "Source_SSL_CA_Path",
    "Source_SSL_Cert",
    "Source_SSL_Cipher",
    "Source_SSL_Key",
    "Seconds_Behind_Source",
    "Source_SSL_Verify_Server_Cert",
    "Last_IO_Errno",
    "Last_IO_Error",
    "Last_SQL_Errno",
    "Last_SQL_Error",
    "Replicate_Ignore_Server_Ids",
    "Source_Server_Id",
    "Source_UUID",
    "Source_Info_File",
    "SQL_Delay",
    "SQL_Remaining_Delay",
    "Replica_SQL_Running_State",
    "Source_Retry_Count",
    "Source_Bind",
    "Last_IO_Error_Timestamp",
    "Last_SQL_Error_Timestamp",
    "Source_SSL_Crl",
    "Source_SSL_Crlpath",
    "Retrieved_Gtid_Set",
    "Executed_Gtid_Set",
    "Auto_Position",
    "Replicate_Rewrite_DB",
    "Channel_Name",
    "Source_TLS_Version",
    "Source_public_key_path",
    "Get_Source_public_key",
    "Network_Namespace",
];

fn io_state(io: Io) -> &'static str {
    match io {
        Io::Yes => "Waiting for source to send event",
        Io::Connecting => "Reconnecting after a failed source event read",
        Io::No => "",
    }
}

pub fn sql_state(link: &Replication) -> &'static str {
    let behind = link.received.gtid - link.applied.gtid;
    match (link.sql_runs, link.delay_seconds) {
        (false, _) => "",
        (true, 1..) if behind > 0.5 => "Waiting until SOURCE_DELAY seconds after source executed event",
        (true, _) if behind > 0.5 => "Waiting for dependent transaction to commit",
        _ => "Replica has read all relay log; waiting for more updates",
    }
}

/// What the server writes for it: nothing while it cannot know.
fn behind(link: &Replication) -> Cell {
    let drained = link.received.gtid - link.applied.gtid < 0.5;
    let known = link.sql_runs && (link.io == Io::Yes || !drained);
    known.then(|| whole(link.behind_seconds).to_string())
}

fn row(here: &Here<'_>, link: &Replication, source: Option<&MysqlServer>) -> Vec<Cell> {
    let number = |n: f64| Some(whole(n).to_string());
    let word = |text: &str| Some(text.to_owned());
    let met = link.io == Io::Yes || link.received.gtid > 0.0;
    let source = source.filter(|_| met);
    let uuid = source.map_or("", |s| s.uuid.as_str());
    let mut retrieved = Set::default();
    retrieved.add(uuid, whole(link.received.gtid));
    let sql = &link.sql_fault;
    let (last_sql, sql_at) = if sql.code == 0 { (String::new(), String::new()) } else { (sql.text.clone(), short_stamp(here)) };
    let io_at = if link.io_fault.code == 0 { String::new() } else { short_stamp(here) };
    let last = if sql.code == 0 { &link.io_fault } else { sql };
    let file = |p: &crate::lab::world::mysql::Position| if p.file == 0 { String::new() } else { p.file_name() };
    let value = |column: &str| -> Cell {
        match column {
            "Replica_IO_State" => word(io_state(link.io)),
            "Source_Host" => word(&link.host),
            "Source_User" => word(&link.user),
            "Source_Port" => Some(link.port.to_string()),
            "Connect_Retry" => word("60"),
            "Source_Log_File" => Some(file(&link.received)),
            "Read_Source_Log_Pos" => number(link.received.offset),
            "Relay_Log_File" => Some(format!("{}-relay-bin.{:06}", here.server.guest, link.applied.file + 2)),
            "Relay_Log_Pos" => number(link.applied.offset + 216.0),
            "Relay_Source_Log_File" => Some(file(&link.applied)),
            "Replica_IO_Running" => word(match link.io {
                Io::Yes => "Yes",
                Io::Connecting => "Connecting",
                Io::No => "No",
            }),
            "Replica_SQL_Running" => word(if link.sql_runs { "Yes" } else { "No" }),
            "Last_Errno" => Some(if sql.code == 0 { 0 } else { last.code }.to_string()),
            "Last_Error" | "Last_SQL_Error" => Some(last_sql.clone()),
            "Exec_Source_Log_Pos" => number(link.applied.offset),
            "Relay_Log_Space" => number(link.received.bytes_since(&link.applied).max(0.0) + 4096.0),
            "Until_Condition" => word("None"),
            "Source_SSL_Allowed" => word("Yes"),
            "Source_SSL_Verify_Server_Cert" => word("No"),
            "Seconds_Behind_Source" => behind(link),
            "Last_IO_Errno" => Some(link.io_fault.code.to_string()),
            "Last_IO_Error" => word(&link.io_fault.text),
            "Last_SQL_Errno" => Some(sql.code.to_string()),
            "Source_Server_Id" => Some(source.map_or(0, |s| s.server_id).to_string()),
            "Source_UUID" => word(uuid),
            "Source_Info_File" => word("mysql.slave_master_info"),
            "SQL_Delay" => Some(link.delay_seconds.to_string()),
            "SQL_Remaining_Delay" => None,
            "Replica_SQL_Running_State" => word(sql_state(link)),
            "Source_Retry_Count" => word("86400"),
            "Last_IO_Error_Timestamp" => Some(io_at.clone()),
            "Last_SQL_Error_Timestamp" => Some(sql_at.clone()),
            "Retrieved_Gtid_Set" => Some(retrieved.to_string()),
            "Executed_Gtid_Set" => Some(variable::executed(here)),
            "Auto_Position" => Some(u8::from(link.auto_position).to_string()),
            "Get_Source_public_key" => word("1"),
            "Skip_Counter" | "Until_Log_Pos" => word("0"),
            _ => word(""),
        }
    };
    COLUMNS.iter().map(|c| value(c)).collect()
}

/// `261121 08:26:06`, as the error columns have it.
fn short_stamp(here: &Here<'_>) -> String {
    stamp(here.now, false).replacen('-', "", 2).chars().skip(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_names_are_those_that_mysql_8_0_gave() {
        let old: Vec<String> = COLUMNS.iter().map(|c| Words::Slave.name(c)).collect();
        for name in [
            "Slave_IO_State",
            "Master_Host",
            "Read_Master_Log_Pos",
            "Relay_Master_Log_File",
            "Seconds_Behind_Master",
            "Slave_SQL_Running_State",
            "Master_UUID",
            "Get_master_public_key",
        ] {
            assert!(old.contains(&name.to_owned()), "{name}");
        }
        assert_eq!(old.iter().filter(|c| c.contains("Source") || c.contains("Replica_")).count(), 0);
    }
}
