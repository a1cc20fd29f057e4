//! Which words this server understands, and which grants its facts need.

/// The two families. They differ in statements, columns, GTIDs and privileges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    MySql,
    MariaDb,
}

/// A server's flavor and version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    pub flavor: Flavor,
    pub version: (u16, u16, u16),
}

impl Dialect {
    /// From `VERSION()` and `@@version_comment`. MariaDB may put `5.5.5-` in front of its own version.
    pub fn parse(version: &str, comment: &str) -> Self {
        let flavor =
            if version.to_ascii_lowercase().contains("mariadb") || comment.to_ascii_lowercase().contains("mariadb") { Flavor::MariaDb } else { Flavor::MySql };
        let own = if flavor == Flavor::MariaDb { version.strip_prefix("5.5.5-").unwrap_or(version) } else { version };
        let mut numbers = own.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        Self { flavor, version: (next(), next(), next()) }
    }

    fn mysql_since(&self, version: (u16, u16, u16)) -> bool {
        self.flavor == Flavor::MySql && self.version >= version
    }

    /// `SHOW REPLICA STATUS` since 8.0.22, alone since 8.4; MariaDB lists all its named connections with `ALL`.
    pub fn replica_status(&self) -> &'static str {
        match self.flavor {
            Flavor::MariaDb => "SHOW ALL SLAVES STATUS",
            Flavor::MySql if self.mysql_since((8, 0, 22)) => "SHOW REPLICA STATUS",
            Flavor::MySql => "SHOW SLAVE STATUS",
        }
    }

    /// `SHOW BINARY LOG STATUS` since 8.2, alone since 8.4.
    pub fn log_status(&self) -> &'static str {
        if self.mysql_since((8, 2, 0)) { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" }
    }

    /// Are there tables of workers and group members worth asking?
    pub fn has_worker_tables(&self) -> bool {
        self.mysql_since((5, 7, 0))
    }

    /// MariaDB split `REPLICATION CLIENT` in 10.5.
    pub fn grant_replica_status(&self) -> &'static str {
        if self.flavor == Flavor::MariaDb && self.version >= (10, 5, 0) { "SLAVE MONITOR ON *.*" } else { "REPLICATION CLIENT ON *.*" }
    }

    pub fn grant_log_status(&self) -> &'static str {
        if self.flavor == Flavor::MariaDb && self.version >= (10, 5, 0) { "BINLOG MONITOR ON *.*" } else { "REPLICATION CLIENT ON *.*" }
    }
}

/// `GRANT ... TO 'user'@'host';` as a person would type it, for the account in `CURRENT_USER()` form.
pub(super) fn grant(privilege: &str, account: &str) -> String {
    let (user, host) = account.rsplit_once('@').unwrap_or((account, "%"));
    format!("GRANT {privilege} TO {}@{};", quoted(user), quoted(host))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_both_families() {
        let maria = Dialect::parse("5.5.5-10.11.19-MariaDB-0+deb12u1-log", "Debian 12");
        assert_eq!(maria, Dialect { flavor: Flavor::MariaDb, version: (10, 11, 19) });
        assert_eq!((maria.replica_status(), maria.log_status()), ("SHOW ALL SLAVES STATUS", "SHOW MASTER STATUS"));
        assert_eq!((maria.grant_replica_status(), maria.grant_log_status()), ("SLAVE MONITOR ON *.*", "BINLOG MONITOR ON *.*"));
        let say = |v: &str| {
            let d = Dialect::parse(v, "MySQL Community Server - GPL");
            (d.replica_status(), d.log_status())
        };
        assert_eq!(say("5.7.44-log"), ("SHOW SLAVE STATUS", "SHOW MASTER STATUS"));
        assert_eq!(say("8.0.21"), ("SHOW SLAVE STATUS", "SHOW MASTER STATUS"));
        assert_eq!(say("8.0.22"), ("SHOW REPLICA STATUS", "SHOW MASTER STATUS"));
        assert_eq!(say("8.4.0"), ("SHOW REPLICA STATUS", "SHOW BINARY LOG STATUS"));
        assert_eq!(say("9.7.4"), ("SHOW REPLICA STATUS", "SHOW BINARY LOG STATUS"));
    }

    #[test]
    fn grants_are_typed_as_they_must_be() {
        assert_eq!(grant("PROCESS ON *.*", "mon@10.%"), "GRANT PROCESS ON *.* TO 'mon'@'10.%';");
        assert_eq!(grant("PROCESS ON *.*", "o'x@%"), "GRANT PROCESS ON *.* TO 'o''x'@'%';");
    }
}
