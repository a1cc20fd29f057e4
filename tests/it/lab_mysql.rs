//! The embedded cluster's MySQL: real clients, and the cockpit's picture of it.

use std::process::{Command, Output};
use std::time::Duration;

use libtest_mimic::Trial;
use quarterdeck::lab::world::mysql::Fault;

use crate::components::case;
use crate::lab_ssh::{codes, named, status};
use crate::rig::eventually;
use crate::rig::lab::LabRig;

pub fn tests() -> Vec<Trial> {
    vec![
        case("lab::mysql::the_mariadb_client_builds_a_replica", &["mariadb"], replica),
        case("lab::mysql::mysql_async_prepares_and_changes_user", &[], prepared),
        case("lab::mysql::the_mysql_9_client_logs_in", &["mysql9"], mysql9),
        case("lab::mysql::the_cockpit_sees_the_group_and_its_faults", &[], group),
    ]
}

fn client(lab: &LabRig, server: &str, statement: &str) -> Output {
    let (_, port) = lab.access(server).split_once(':').expect("host:port");
    Command::new("mariadb")
        .args(["--no-defaults", "-h127.0.0.1", "-P", port, "-uroot", "-e", statement])
        .env("MYSQL_PWD", lab.access("MYSQL_PWD"))
        .output()
        .expect("mariadb")
}

fn said(lab: &LabRig, server: &str, statement: &str) -> String {
    let out = client(lab, server, statement);
    assert!(out.status.success(), "{statement}: {out:?}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

fn replica() {
    let lab = LabRig::start();
    assert!(said(&lab, "MYSQL_DB_2", "show slave status\\G").contains("Seconds_Behind_Master: "));
    assert!(said(&lab, "MYSQL_DB_2", "show replica status\\G").contains("Replica_IO_Running: Yes"));
    assert_eq!(said(&lab, "MYSQL_DB_3_3307", "show slave status"), "");
    let text = said(
        &lab,
        "MYSQL_DB_1",
        "create user 'r2'@'%' identified by 'pw2'; grant replication slave on *.* to 'r2'@'%'; create table mall.canary (id int primary key, note varchar(20)); insert into mall.canary values (1, '金丝雀'), (2, NULL); select * from mall.canary",
    );
    assert_eq!(text, "id\tnote\n1\t金丝雀\n2\tNULL\n");
    said(
        &lab,
        "MYSQL_DB_3_3307",
        "CHANGE REPLICATION SOURCE TO SOURCE_HOST='10.20.0.41', SOURCE_PORT=3306, SOURCE_USER='r2', SOURCE_PASSWORD='pw2', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1; START REPLICA",
    );
    eventually("both threads", Duration::from_secs(30), || {
        let status = said(&lab, "MYSQL_DB_3_3307", "show slave status\\G");
        (status.contains("Slave_IO_Running: Yes") && status.contains("Slave_SQL_Running: Yes")).then_some(())
    });
    let out = client(&lab, "MYSQL_DB_2", "insert into mall.canary values (3, 'x')");
    assert!(String::from_utf8_lossy(&out.stderr).contains("ERROR 1290"), "{out:?}");
    let wrong = Command::new("mariadb")
        .args(["--no-defaults", "-h127.0.0.1", "-P", lab.access("MYSQL_TCP_PORT"), "-uroot", "-pfalsch", "-e", "select 1"])
        .output()
        .expect("mariadb");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("ERROR 1045"), "{wrong:?}");
    lab.with(|w| w.mysql.server("db-2").expect("db-2").is_up = false);
    let out = client(&lab, "MYSQL_DB_2", "select 1");
    assert!(!out.status.success(), "a stopped server takes nobody: {out:?}");
}

fn prepared() {
    use mysql_async::prelude::Queryable;
    let lab = LabRig::start();
    let port: u16 = lab.access("MYSQL_TCP_PORT").parse().expect("a port");
    let password = lab.access("MYSQL_PWD").to_owned();
    crate::rig::block(async move {
        let opts = mysql_async::OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(port).user(Some("root")).pass(Some(password)).prefer_socket(false);
        let mut conn = mysql_async::Conn::new(opts).await.expect("a login");
        conn.query_drop("CREATE TABLE mall.p (id INT PRIMARY KEY, a VARCHAR(9), b DOUBLE)").await.expect("create");
        conn.exec_drop("INSERT INTO mall.p (id, a, b) VALUES (?, ?, ?)", (7, "it's ?", 1.5)).await.expect("insert");
        conn.exec_drop("INSERT INTO mall.p (id, a) VALUES (?, ?)", (-8, None::<String>)).await.expect("insert");
        let row: Option<(String, Option<String>)> = conn.exec_first("SELECT id, a FROM mall.p WHERE id = ?", (7,)).await.expect("select");
        assert_eq!(row, Some(("7".to_owned(), Some("it's ?".to_owned()))));
        let count: Option<String> = conn.query_first("SELECT COUNT(*) FROM mall.p WHERE a IS NULL").await.expect("count");
        assert_eq!(count.as_deref(), Some("1"));
        conn.change_user(mysql_async::ChangeUserOpts::default()).await.expect("the same again");
        conn.ping().await.expect("ping");
        let error = conn.query_drop("SELECT * FROM mall.nowhere").await.expect_err("no such table");
        assert!(error.to_string().contains("doesn't exist"), "{error}");
        conn.disconnect().await.expect("quit");
    });
}

fn mysql9() {
    let lab = LabRig::start();
    let root = std::env::var("QUARTERDECK_TEST_MYSQL_ROOT").expect("checked by components.toml");
    let out = Command::new("chroot")
        .args([
            &root,
            "/usr/bin/mysql",
            "--no-defaults",
            "-h127.0.0.1",
            "-P",
            lab.access("MYSQL_TCP_PORT"),
            "-uroot",
            "-E",
            "-e",
            "show binary log status; select version()",
        ])
        .env("MYSQL_PWD", lab.access("MYSQL_PWD"))
        .output()
        .expect("mysql");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && text.contains("Executed_Gtid_Set: ") && text.contains("8.0.36"), "{out:?}");
}

fn group() {
    let lab = LabRig::start();
    let all = status(&lab);
    let group = named(&all["middleware"], "orders");
    assert_eq!(group["verdict"], "ok", "{group:#}");
    let role = |group: &serde_json::Value, address: &str| {
        let members = group["members"].as_array().expect("members");
        members.iter().find(|m| m["address"] == address).map_or(serde_json::Value::Null, |m| m["role"].clone())
    };
    assert_eq!(role(group, "10.20.0.41:3306"), "source", "{group:#}");
    assert_eq!(role(group, "10.20.0.42:3306"), "replica", "{group:#}");
    lab.with(|w| {
        let server = w.mysql.server("db-2").expect("db-2");
        let text = "Could not execute Write_rows event on table mall_oms.oms_order; Duplicate entry '7' for key 'PRIMARY'";
        server.replication.as_mut().expect("a replica").poison = Some(Fault { code: 1062, text: text.to_owned() });
        w.mysql.server("db-3:3307").expect("the fourth").is_up = false;
    });
    let all = status(&lab);
    let group = named(&all["middleware"], "orders");
    assert_eq!(group["verdict"], "crit", "{group:#}");
    let broken = group["members"].as_array().expect("members").iter().find(|m| m["address"] == "10.20.0.42:3306").expect("db-2");
    assert!(!codes(broken).is_empty() && broken.to_string().contains("1062"), "{broken:#}");
}
