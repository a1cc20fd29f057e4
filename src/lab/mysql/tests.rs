use std::time::Duration;

use super::query::run;
use super::reply::{Failure, Reply};
use super::session::Session;
use crate::base::clock::Moment;
use crate::lab::world::scenario::Scenario;
use crate::lab::world::{Size, World};

const BEGAN: Moment = Moment(1_795_249_440_000);

struct Lab {
    world: World,
    second: u64,
}

impl Lab {
    fn new() -> Self {
        Self { world: World::new(7, Size::default(), BEGAN, Scenario::named("calm").unwrap()), second: 0 }
    }

    fn wait(&mut self, seconds: u64) {
        self.second += seconds;
        self.world.advance(BEGAN.plus(Duration::from_secs(self.second)));
    }

    fn ask(&mut self, server: &str, text: &str) -> Result<Reply, Failure> {
        self.ask_as("root", server, text)
    }

    fn ask_as(&mut self, user: &str, server: &str, text: &str) -> Result<Reply, Failure> {
        let address = self.world.mysql.server(server).unwrap().address.clone();
        let mut session = Session { user: user.into(), from: "127.0.0.1".into(), database: "mall".into(), ..Session::default() };
        run(&mut self.world, &address, &mut session, text)
    }

    /// The cell of the first row under `column`.
    fn cell(&mut self, server: &str, text: &str, column: &str) -> String {
        match self.ask(server, text).unwrap_or_else(|f| panic!("{text}: {f:?}")) {
            Reply::Rows { columns, rows } => {
                let at = columns.iter().position(|c| c == column).unwrap_or_else(|| panic!("{text}: {columns:?}"));
                rows.first().map_or_else(String::new, |r| r[at].clone().unwrap_or_else(|| "NULL".into()))
            }
            Reply::Done { .. } => panic!("{text}: no rows"),
        }
    }

    fn status(&mut self, server: &str) -> Vec<String> {
        ["Replica_IO_Running", "Replica_SQL_Running", "Last_IO_Errno", "Last_SQL_Errno", "Seconds_Behind_Source"]
            .iter()
            .map(|c| self.cell(server, "SHOW REPLICA STATUS", c))
            .collect()
    }
}

#[test]
fn a_server_that_stands_alone_becomes_a_replica_and_catches_up() {
    let mut lab = Lab::new();
    lab.wait(5);
    assert_eq!(lab.ask("db-3:3307", "SHOW REPLICA STATUS"), Ok(Reply::rows(super::status::columns(), Vec::new())));
    assert_eq!(lab.ask("db-3:3307", "START REPLICA").unwrap_err().code, 1200);
    lab.ask("db-1", "CREATE USER 'r2'@'%' IDENTIFIED BY 'pw'").unwrap();
    lab.ask("db-1", "GRANT REPLICATION SLAVE ON *.* TO 'r2'@'%'").unwrap();
    let change = |password: &str| {
        format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST='10.20.0.41', SOURCE_PORT=3306, SOURCE_USER='r2', SOURCE_PASSWORD='{password}', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1"
        )
    };
    lab.ask("db-3:3307", &change("wrong")).unwrap();
    lab.ask("db-3:3307", "START SLAVE").unwrap();
    lab.wait(2);
    assert_eq!(lab.status("db-3:3307")[..3], ["Connecting", "Yes", "1045"]);
    assert_eq!(lab.ask("db-3:3307", &change("pw")).unwrap_err().code, 3021, "threads run");
    lab.ask("db-3:3307", "STOP REPLICA").unwrap();
    lab.ask("db-3:3307", &change("pw")).unwrap();
    lab.ask("db-3:3307", "START REPLICA").unwrap();
    lab.wait(2);
    let seen = lab.status("db-3:3307");
    assert_eq!(seen[..4], ["Yes", "Yes", "0", "0"]);
    assert!(seen[4].parse::<u64>().unwrap() > 10, "it has a backup's age to catch up: {seen:?}");
    lab.wait(120);
    assert_eq!(lab.status("db-3:3307"), ["Yes", "Yes", "0", "0", "0"]);
    let missing = format!("SELECT GTID_SUBTRACT(@@GLOBAL.gtid_executed, '{}') AS d", lab.cell("db-1", "SELECT @@GLOBAL.gtid_executed AS g", "g"));
    assert_eq!(lab.cell("db-3:3307", &missing, "d"), "");
    assert_eq!(lab.cell("db-1", "SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'", "n"), "3");
    lab.ask("db-3:3307", "STOP REPLICA").unwrap();
    lab.ask("db-3:3307", "RESET REPLICA ALL").unwrap();
    assert_eq!(lab.ask("db-3:3307", "SHOW SLAVE STATUS").map(|r| matches!(r, Reply::Rows { rows, .. } if rows.is_empty())), Ok(true));
}

#[test]
fn a_canary_reaches_the_followers_and_replicas_refuse_writes() {
    let mut lab = Lab::new();
    lab.wait(5);
    lab.ask("db-2", "SELECT 1").unwrap();
    lab.ask("db-1", "CREATE TABLE IF NOT EXISTS mall.canary (id INT PRIMARY KEY, at TIMESTAMP(6) DEFAULT CURRENT_TIMESTAMP, note VARCHAR(40))").unwrap();
    lab.ask("db-1", "INSERT INTO mall.canary (id, note) VALUES (1, 'it''s me') ON DUPLICATE KEY UPDATE note = VALUES(note)").unwrap();
    assert_eq!(lab.ask("db-1", "INSERT INTO canary (id, note) VALUES (1, 'x')").unwrap_err().text, "Duplicate entry '1' for key 'PRIMARY'");
    lab.wait(3);
    assert_eq!(lab.cell("db-2", "SELECT note FROM mall.canary WHERE id = 1", "note"), "it's me");
    assert_eq!(lab.ask("db-2", "DELETE FROM mall.canary").unwrap_err().code, 1290);
    lab.ask("db-1", "DROP TABLE mall.canary").unwrap();
    lab.wait(3);
    assert_eq!(lab.ask("db-2", "SELECT * FROM mall.canary").unwrap_err().code, 1146);
    // Written on a replica that lets itself be written: errant, and in the way of the source's own.
    lab.ask("db-2", "SET GLOBAL super_read_only = OFF, GLOBAL read_only = 0").unwrap();
    lab.ask("db-2", "CREATE TABLE mall.t (id INT PRIMARY KEY)").unwrap();
    assert!(lab.cell("db-2", "SHOW REPLICA STATUS", "Executed_Gtid_Set").contains(",\n"));
    lab.ask("db-1", "CREATE TABLE mall.t (id INT PRIMARY KEY)").unwrap();
    lab.wait(3);
    assert_eq!(lab.cell("db-2", "SHOW SLAVE STATUS", "Last_SQL_Errno"), "1050");
}

#[test]
fn rights_errors_and_words() {
    let mut lab = Lab::new();
    lab.wait(1);
    assert_eq!(lab.ask_as("monitor", "db-2", "STOP REPLICA").unwrap_err().code, 1227);
    assert_eq!(lab.ask_as("monitor", "db-1", "INSERT INTO t VALUES (1)").unwrap_err().code, 1142);
    assert_eq!(lab.ask_as("repl", "db-1", "SHOW REPLICA STATUS").unwrap_err().code, 1227);
    assert_eq!(lab.ask("db-1", "select $$").unwrap_err().text.split("near ").nth(1), Some("'$$' at line 1"));
    assert_eq!(lab.ask("db-1", "GRANT SELECT ON *.* TO 'no'@'%'").unwrap_err().code, 1410);
    assert_eq!(lab.ask("db-1", "GRANT ALL ON *.* TO repl IDENTIFIED BY 'x'").unwrap_err().code, 1064);
    assert_eq!(lab.ask("db-1", "CREATE USER 'repl'@'10.%' IDENTIFIED BY 'x'").unwrap_err().code, 1396);
    assert_eq!(lab.ask("db-1", "SELECT @@nonsense").unwrap_err().code, 1193);
    assert_eq!(lab.ask("db-1", "USE nowhere").unwrap_err().code, 1049);
    assert_eq!(lab.cell("db-2", "SELECT VERSION(), @@version_comment, CURRENT_USER()", "VERSION()"), "8.0.36");
    assert_eq!(lab.cell("db-2", "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('super_read_only')", "Value"), "ON");
    assert_eq!(lab.cell("db-2", "SHOW VARIABLES LIKE 'server\\_id'", "Value"), "2");
    assert_eq!(lab.cell("db-1", "SHOW BINARY LOGS", "Log_name"), "binlog.000039");
    assert_eq!(lab.cell("db-1", "SHOW GRANTS FOR 'repl'@'%'", "Grants for repl@%"), "GRANT REPLICATION SLAVE ON *.* TO `repl`@`%`");
    for nonsense in ["", "(", "SHOW", "SELECT", "INSERT INTO", "CHANGE MASTER TO x", "SELECT * FROM", "CREATE TABLE t (", "SET x", "UPDATE t SET", "\u{0}"] {
        assert!(lab.ask("db-1", nonsense).is_err(), "{nonsense}");
    }
}

#[test]
fn a_poisoned_applier_stops_again_until_its_transaction_is_skipped() {
    let mut lab = Lab::new();
    lab.wait(1);
    let fault = crate::lab::world::mysql::Fault { code: 1062, text: "Could not execute Write_rows event".into() };
    lab.world.mysql.server("db-2").unwrap().replication.as_mut().unwrap().poison = Some(fault);
    lab.wait(2);
    assert_eq!(lab.status("db-2"), ["Yes", "No", "0", "1062", "NULL"]);
    lab.ask("db-2", "START REPLICA SQL_THREAD").unwrap();
    lab.wait(1);
    assert_eq!(lab.status("db-2")[3], "1062");
    lab.ask("db-2", "SET GTID_NEXT = 'aa:7'").unwrap();
    lab.ask("db-2", "START REPLICA SQL_THREAD").unwrap();
    lab.wait(20);
    assert_eq!(lab.status("db-2"), ["Yes", "Yes", "0", "0", "0"]);
}
