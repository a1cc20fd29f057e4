//! What the error numbers of the two replication threads mean. The cures are in the words of `[reason]`; the numbers and their
//! meanings follow the servers' own error references.

/// What the receiver (IO) thread runs into. Gives the code of the reason.
pub(super) fn receiver(errno: u32, text: &str) -> &'static str {
    let text = text.to_ascii_lowercase();
    let says = |words: &str| text.contains(words);
    match errno {
        // 13114 is 1236 as the 8.0 error log numbers it.
        1236 | 13114 => {
            if says("same server_uuid") || says("same server_id") || says("same server-id") || says("already connected") {
                "mysql.io.same-id"
            } else if says("purged") {
                "mysql.io.purged"
            } else if says("could not find first log file name") {
                "mysql.io.no-such-log"
            } else {
                "mysql.io.position"
            }
        }
        1593 | 13117 if says("equal mysql server uuid") || says("uuids") => "mysql.io.equal-uuid",
        1593 | 13117 if says("equal") => "mysql.io.equal-id",
        1593 | 13117 => "mysql.io.fatal",
        1045 | 1698 => "mysql.io.credentials",
        2061 => "mysql.io.insecure-login",
        2026 | 3159 => "mysql.io.tls",
        1129 => "mysql.io.host-blocked",
        1130 => "mysql.io.host-refused",
        1040 | 1203 => "mysql.io.too-many",
        1227 | 1597 | 1142 => "mysql.io.grant",
        1777 | 1794 | 1872 | 13122 => "mysql.io.setup",
        2002 | 2003 | 2005 | 2006 | 2013 | 2055 | 1158..=1161 => "mysql.io.unreachable",
        _ => "mysql.io.error",
    }
}

/// What the applier (SQL) thread runs into.
pub(super) fn applier(errno: u32) -> &'static str {
    match errno {
        1062 => "mysql.sql.duplicate",
        1032 => "mysql.sql.missing-row",
        1146 | 1049 | 1054 | 1091 => "mysql.sql.missing-table",
        1007 | 1050 | 1060 | 1061 | 1396 => "mysql.sql.exists",
        1594 | 13121 => "mysql.sql.relay-log",
        1872 | 13124 => "mysql.sql.repository",
        1205 | 1213 => "mysql.sql.lock",
        1451 | 1452 | 1216 | 1217 => "mysql.sql.foreign-key",
        1290 | 1836 => "mysql.sql.read-only",
        1021 | 1114 | 3 | 28 => "mysql.sql.disk-full",
        1677 | 13146 => "mysql.sql.conversion",
        1950 => "mysql.sql.gtid-order",
        1590 => "mysql.sql.incident",
        _ => "mysql.sql.error",
    }
}

#[cfg(test)]
mod tests {
    use super::{applier, receiver};

    #[test]
    fn one_number_has_several_meanings() {
        let io = |n, text| receiver(n, text);
        assert_eq!(io(1236, "Got fatal error 1236 from master: 'Could not find first log file name in binary log index file'"), "mysql.io.no-such-log");
        assert_eq!(io(13114, "the source has purged binary logs containing GTIDs that the replica requires."), "mysql.io.purged");
        assert_eq!(io(1236, "A slave with the same server_uuid/server_id as this slave has connected to the master"), "mysql.io.same-id");
        assert_eq!(io(1593, "master and slave have equal MySQL server ids; these ids must be different"), "mysql.io.equal-id");
        assert_eq!(io(13117, "source and replica have equal MySQL server UUIDs"), "mysql.io.equal-uuid");
        assert_eq!(io(2061, "Authentication requires secure connection."), "mysql.io.insecure-login");
        assert_eq!(io(9999, ""), "mysql.io.error");
    }

    #[test]
    fn applier_numbers() {
        assert_eq!(
            [1062, 1032, 1146, 1594, 1872, 4711].map(applier),
            ["mysql.sql.duplicate", "mysql.sql.missing-row", "mysql.sql.missing-table", "mysql.sql.relay-log", "mysql.sql.repository", "mysql.sql.error"]
        );
    }
}
