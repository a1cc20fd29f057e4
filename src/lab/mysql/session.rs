//! One login: who it is, its database, what names and functions mean to it.

use super::expression::Scope;
use super::reply::{Cell, Failure};
use super::variable;
use crate::base::clock::Moment;
use crate::lab::world::mysql::MysqlServer;

#[derive(Clone, Debug, Default)]
pub struct Session {
    pub id: u32,
    pub user: String,
    /// `127.0.0.1`
    pub from: String,
    pub database: String,
    pub logs: Logs,
    /// Level, code and text of what the last statement warned of.
    pub warnings: Vec<(&'static str, u16, String)>,
}

/// `sql_log_bin`: are this session's writes for the followers too?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Logs {
    #[default]
    Written,
    Off,
}

/// What an account may do. The lab knows four grades.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// `USAGE`, `REPLICATION SLAVE`.
    Nothing,
    /// `REPLICATION CLIENT`, `PROCESS`, `SELECT`.
    Look,
    /// `INSERT`, `CREATE` and the like.
    Write,
    All,
}

impl Session {
    pub fn right(&self, server: &MysqlServer) -> Right {
        match self.user.as_str() {
            "root" => Right::All,
            "monitor" => Right::Look,
            user => {
                let grants = server.accounts.iter().find(|a| a.user == user).map_or("", |a| a.grants.as_str()).to_ascii_uppercase();
                if grants.contains("ALL PRIVILEGES") || grants.contains("SUPER") || grants.contains("REPLICATION_SLAVE_ADMIN") {
                    Right::All
                } else if grants.contains("INSERT") || grants.contains("CREATE") {
                    Right::Write
                } else if grants.contains("SELECT") || grants.contains("CLIENT") || grants.contains("PROCESS") {
                    Right::Look
                } else {
                    Right::Nothing
                }
            }
        }
    }

    pub fn warn(&mut self, level: &'static str, code: u16, text: &str) {
        self.warnings.push((level, code, text.to_owned()));
    }
}

/// A session on a server at a time: where expressions are evaluated.
pub struct Here<'a> {
    pub session: &'a Session,
    pub server: &'a MysqlServer,
    /// The server's own clock.
    pub now: Moment,
    /// The UUID whose transactions it follows, else its own.
    pub source_uuid: &'a str,
}

impl Scope for Here<'_> {
    fn column(&self, _: &str) -> Option<Cell> {
        None
    }

    fn variable(&self, name: &str) -> Result<Cell, Failure> {
        let plain = name.strip_prefix("global.").or_else(|| name.strip_prefix("session.")).or_else(|| name.strip_prefix("local.")).unwrap_or(name);
        variable::read(self, plain).map(Some).ok_or_else(|| Failure::general(1193, format!("Unknown system variable '{plain}'")))
    }

    fn call(&self, name: &str, arguments: &[Cell]) -> Result<Cell, Failure> {
        let argument = |at: usize| arguments.get(at).cloned().flatten().unwrap_or_default();
        Ok(match name {
            "version" => Some(self.server.version.clone()),
            "current_user" => Some(format!("{}@%", self.session.user)),
            "user" | "session_user" | "system_user" => Some(format!("{}@{}", self.session.user, self.session.from)),
            "database" | "schema" => Some(self.session.database.clone()).filter(|d| !d.is_empty()),
            "connection_id" => Some(self.session.id.to_string()),
            "now" | "sysdate" | "current_timestamp" | "utc_timestamp" => Some(stamp(self.now, argument(0) == "6" || argument(0) == "3")),
            "unix_timestamp" if arguments.is_empty() => Some((self.now.0 / 1000).to_string()),
            "unix_timestamp" => arguments.first().cloned().flatten().and_then(|t| seconds(&t)),
            "sleep" | "row_count" | "found_rows" | "last_insert_id" => Some("0".to_owned()),
            "gtid_subtract" => Some(super::gtid::Set::parse(&argument(0)).minus(&super::gtid::Set::parse(&argument(1))).to_string()),
            "gtid_subset" => Some(u8::from(super::gtid::Set::parse(&argument(0)).minus(&super::gtid::Set::parse(&argument(1))).is_empty()).to_string()),
            "wait_for_executed_gtid_set" => {
                let missing = super::gtid::Set::parse(&argument(0)).minus(&super::gtid::Set::parse(&variable::executed(self)));
                Some(u8::from(!missing.is_empty()).to_string())
            }
            "uuid" => Some(self.server.uuid.clone()),
            "count" | "max" | "min" | "sum" => return Err(Failure::new(1111, "HY000", "Invalid use of group function")),
            _ => {
                let database = if self.session.database.is_empty() { "mysql" } else { &self.session.database };
                return Err(Failure::new(1305, "42000", format!("FUNCTION {database}.{name} does not exist")));
            }
        })
    }
}

/// `2026-11-21 08:00:00`, in UTC.
pub fn stamp(at: Moment, fraction: bool) -> String {
    let text = at.to_string();
    let plain = text.trim_end_matches('Z').replace('T', " ");
    if fraction { format!("{plain}000") } else { plain.split('.').next().unwrap_or("").to_owned() }
}

/// A stamp in UTC as seconds since the epoch, with six places where it has a fraction.
fn seconds(text: &str) -> Option<String> {
    let moment = Moment::parse(&format!("{}Z", text.replace(' ', "T")))?;
    let (whole, part) = (moment.0.div_euclid(1000), moment.0.rem_euclid(1000));
    Some(if text.contains('.') { format!("{whole}.{part:03}000") } else { whole.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_come_back_as_seconds() {
        let at = Moment(1_795_249_469_034);
        assert_eq!(stamp(at, true), "2026-11-21 08:24:29.034000");
        assert_eq!(seconds(&stamp(at, true)).as_deref(), Some("1795249469.034000"));
        assert_eq!(seconds(&stamp(at, false)).as_deref(), Some("1795249469"));
        assert_eq!(seconds("x"), None);
    }
}
