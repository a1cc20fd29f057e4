//! `mysql-replication` on two MariaDB servers that run as services of SSH hosts, one with data.

use std::collections::BTreeMap;

use super::{Change, Extent, Scene, Small, Then, play, until};
use crate::components::said;
use crate::playbook::Desk;
use crate::rig::sshd::{Host, Lab};

/// A server as its package leaves it, but small, and with a log of every statement.
const SETUP: &str = r#"
mkdir -p /small /var/lib/mysql /var/log/mysql /run/mysqld
mount -t tmpfs -o size=160m tmpfs /small
mkdir -p /small/data /small/conf /small/tmp
chmod 1777 /small/tmp
cp -a /etc/mysql/mariadb.conf.d/. /small/conf
mount --bind /small/data /var/lib/mysql
mount --bind /small/conf /etc/mysql/mariadb.conf.d
mount --bind /small/tmp /tmp
rm -f /etc/mysql/mariadb.conf.d/zz-quarterdeck-replication.cnf
cat >/etc/mysql/mariadb.conf.d/70-lab.cnf <<'CNF'
[mysqld]
innodb_log_file_size = 8M
innodb_buffer_pool_size = 16M
key_buffer_size = 1M
aria_pagecache_buffer_size = 1M
performance_schema = OFF
skip_name_resolve = ON
log_bin = binlog
general_log = ON
general_log_file = /var/log/mysql/all.log
CNF
chown -R mysql: /small/data /var/log/mysql /run/mysqld
"#;

const BASE: &str = r#"set -e
mariadb-install-db --user=mysql --auth-root-authentication-method=socket --skip-test-db --innodb-log-file-size=8M >/dev/null
service mariadb start >/dev/null
mariadb -e "CREATE USER admin@'%' IDENTIFIED BY 'PASSWORD'; GRANT ALL ON *.* TO admin@'%' WITH GRANT OPTION; DATA"
service mariadb stop >/dev/null
cp -a /small/data /root/base
"#;

/// What the source has before.
const DATA: &str = "CREATE DATABASE mall; CREATE TABLE mall.orders (id INT PRIMARY KEY, what VARCHAR(40)) AS SELECT seq AS id, CONCAT('第', seq, '单') AS what FROM mall.seq_1_to_2000;";

const CONFIGURATION: &str = "Write the configuration of replication";
const RESTART: &str = "Restart the server with its new configuration";
const ACCOUNT: &str = "Make the account of the replicas";
const CARRY: &str = "Carry the data over";
const POINT: &str = "Point the replica at the source";

struct Pair {
    desk: Desk,
    hosts: [Host; 2],
    /// The administrator's password, and that of the replicas: of no other test, since every process list is watched for them.
    secrets: [String; 2],
    _small: Small,
    _lab: Lab,
}

impl Pair {
    fn start(extent: Extent) -> Self {
        let secrets = ["admin", "repl"].map(|who| format!("{who}-secret-{}-{extent:?}", std::process::id()));
        let lab = Lab::new();
        let hosts = ["db1", "db2"].map(|name| lab.host(name).setup(SETUP).start());
        let mut desk = Desk::new(&lab, &[&hosts[0], &hosts[1]]);
        desk.set("QUARTERDECK_VAR_admin_password", &secrets[0]);
        desk.set("QUARTERDECK_VAR_repl_password", &secrets[1]);
        std::thread::scope(|scope| {
            let admin = &secrets[0];
            for host in &hosts {
                let data = if host.name() == "db1" { DATA } else { "" };
                scope.spawn(move || host.run(&BASE.replace("PASSWORD", admin).replace("DATA", data)));
            }
        });
        said("mariadb", hosts[0].run("mariadbd --version").trim());
        let small = Small::new(&desk.state());
        Self { desk, hosts, secrets, _small: small, _lab: lab }
    }

    fn sql(host: &Host, statement: &str) -> String {
        host.run(&format!("mariadb --default-character-set=utf8mb4 -N -B -e \"{statement}\""))
    }

    fn of(host: &Host) -> String {
        let variables = Self::sql(
            host,
            "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('server_id','log_bin','read_only','gtid_strict_mode','log_slave_updates','binlog_format','bind_address','sync_binlog')",
        );
        let users = Self::sql(host, "SELECT user, host, plugin, authentication_string FROM mysql.user ORDER BY 1, 2");
        let grants = Self::sql(host, "SELECT user, host, Repl_slave_priv, Super_priv, Select_priv FROM mysql.user ORDER BY 1, 2");
        let tables = Self::sql(
            host,
            "SELECT table_schema, table_name, table_comment FROM information_schema.tables WHERE table_schema NOT IN ('mysql','sys','information_schema','performance_schema') ORDER BY 1, 2",
        );
        let bases = Self::sql(host, "SHOW DATABASES");
        let sum = if tables.contains("orders") { Self::sql(host, "CHECKSUM TABLE mall.orders") } else { String::new() };
        let status = Self::following(host);
        let file =
            host.run("cat /etc/mysql/mariadb.conf.d/zz-quarterdeck-replication.cnf 2>/dev/null; ls -l /etc/mysql/mariadb.conf.d | awk '{print $1, $3, $NF}'");
        format!("== {}\n{variables}{users}{grants}{bases}{tables}{sum}{status}{file}", host.name())
    }

    fn following(host: &Host) -> String {
        let wanted = [
            "Master_Host",
            "Master_User",
            "Master_Port",
            "Slave_IO_Running",
            "Slave_SQL_Running",
            "Last_IO_Errno",
            "Last_SQL_Errno",
            "Using_Gtid",
            "Replicate_Do_DB",
            "Replicate_Ignore_DB",
        ];
        let told = host.run("mariadb -e 'SHOW SLAVE STATUS\\G'");
        told.lines()
            .filter_map(|l| l.trim().split_once(": "))
            .filter(|(k, _)| wanted.contains(k))
            // The address of a host differs from lab to lab, not from case to case.
            .map(|(k, v)| format!("{k} {v}\n"))
            .collect()
    }
}

impl Scene for Pair {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn hosts(&self) -> Vec<&Host> {
        self.hosts.iter().collect()
    }

    fn words(&self) -> Vec<String> {
        ["mysql-replication", "-e", "servers=db1,db2", "-e", "source_host=db1", "-e", "way=host", "-e", "admin_user=admin", "-e", "repl_user=repl"]
            .map(str::to_owned)
            .into()
    }

    fn secrets(&self) -> [&str; 2] {
        [&self.secrets[0], &self.secrets[1]]
    }

    fn steps(&self) -> &'static [&'static str] {
        &[
            CONFIGURATION,
            RESTART,
            ACCOUNT,
            "Empty the binary log and the GTIDs of a new replica",
            "Let the data in",
            CARRY,
            "Make the account of the replicas on a replica that was seeded",
            POINT,
            "Start replication",
            "Take the mark of the data away",
            "Make the replica read-only for everybody",
            "Send a row",
            "Take the row away",
        ]
    }

    fn changes(&self) -> &'static [Change] {
        &[
            Change { name: "the account of the replicas deleted", after: ACCOUNT, then: Then::Restored },
            Change { name: "the replica pointed at another source", after: POINT, then: Then::Refused },
        ]
    }

    fn reset(&self) {
        std::thread::scope(|scope| {
            for host in &self.hosts {
                scope.spawn(move || {
                    host.run(
                        "pkill -9 -f [m]ysqld_safe; while pgrep -x mariadbd >/dev/null; do pkill -9 -x mariadbd; sleep 0.1; done
                         rm -rf /small/data/* /small/tmp/* /small/filler /etc/mysql/mariadb.conf.d/zz-*; cp -a /root/base/. /small/data
                         rm -f /var/log/mysql/*; service mariadb start >/dev/null",
                    );
                });
            }
        });
    }

    fn state(&self) -> String {
        // A replica that was just started takes a moment to say so.
        if !Self::following(&self.hosts[1]).is_empty() {
            until(&self.hosts[1], "a replica that runs", "mariadb -e 'SHOW SLAVE STATUS\\G' | grep -c 'Slave_.*_Running: Yes' | grep -qx 2");
            let at = Self::sql(&self.hosts[0], "SELECT @@gtid_binlog_pos");
            let waited = Self::sql(&self.hosts[1], &format!("SELECT MASTER_GTID_WAIT('{}', 60)", at.trim()));
            assert_eq!(waited.trim(), "0", "it has all that the source has");
        }
        self.hosts.iter().map(Self::of).collect()
    }

    fn acts(&self) -> BTreeMap<String, usize> {
        let mut acts = BTreeMap::new();
        for host in &self.hosts {
            let log = host.run("cat /var/log/mysql/all.log");
            let statements = ["RESET MASTER", "CHANGE MASTER TO", "CREATE USER", "INSERT INTO `orders`", "CREATE TABLE `orders`"];
            for what in statements {
                acts.insert(format!("{} {what}", host.name()), log.lines().filter(|l| l.contains(what)).count());
            }
            // The head of that log is written at each start.
            acts.insert(format!("{} starts", host.name()), log.lines().filter(|l| l.contains(". started with:")).count());
        }
        acts
    }

    fn harmless(&self) -> &'static [&'static str] {
        // CREATE USER IF NOT EXISTS, and then its rights.
        &["CREATE USER"]
    }

    fn tidy(&self) {
        // Dropping what was carried over is for a person to do.
        assert!(Self::of(&self.hosts[1]).contains("orders"), "the copy stays");
        Self::sql(&self.hosts[1], "SET sql_log_bin=0; DROP DATABASE mall");
    }

    fn refuse(&self, step: &str) {
        for host in &self.hosts {
            match step {
                CONFIGURATION => host.run("mount -o remount,ro,bind /etc/mysql/mariadb.conf.d"),
                RESTART => host.run("mount --bind /bin/false /usr/sbin/service"),
                _ => Self::sql(host, "SET sql_log_bin=0; ALTER USER admin@'%' ACCOUNT LOCK"),
            };
        }
    }

    fn allow(&self, step: &str) {
        for host in &self.hosts {
            match step {
                CONFIGURATION => host.run("mount -o remount,rw,bind /etc/mysql/mariadb.conf.d"),
                RESTART => host.run("umount /usr/sbin/service"),
                _ => Self::sql(host, "SET sql_log_bin=0; ALTER USER admin@'%' ACCOUNT UNLOCK"),
            };
        }
    }

    fn fill(&self) {
        for host in &self.hosts {
            host.run("head -c 400M /dev/zero >/small/filler 2>/dev/null || true");
        }
    }

    fn free(&self) {
        for host in &self.hosts {
            host.run("rm -f /small/filler");
            until(host, "a server that runs", "mariadb-admin ping || { service mariadb start; exit 1; }");
        }
    }

    fn change(&self, name: &str) {
        if name.contains("account") {
            Self::sql(&self.hosts[0], "DROP USER repl@'%'");
        } else {
            Self::sql(&self.hosts[1], "STOP SLAVE; CHANGE MASTER TO master_host='10.9.9.9', master_user='theirs', master_password='x'");
        }
    }

    fn changed(&self, _: &str) -> String {
        Self::following(&self.hosts[1])
    }

    fn restore(&self, _: &str) {
        let (source, password) = (self.hosts[0].address(), &self.secrets[1]);
        Self::sql(
            &self.hosts[1],
            &format!("STOP SLAVE; CHANGE MASTER TO master_host='{source}', master_user='repl', master_password='{password}', master_use_gtid=slave_pos"),
        );
    }
}

pub fn table(extent: Extent) {
    play(&Pair::start(extent), extent);
}
