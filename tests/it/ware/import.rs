//! `sql-import` into MariaDB as a service of a host, in a container and in a pod.

use std::time::Duration;

use super::{shipped, words};
use crate::components::said;
use crate::kube::{Space, admin};
use crate::playbook::Desk;
use crate::playbook_real::{LENT, first, here, in_pod, lent_pod, newest, run};
use crate::rig::docker::Docker;
use crate::rig::eventually;
use crate::rig::mysql::free_port;
use crate::rig::sshd::{Lab, sh};

const MINUTES: Duration = Duration::from_secs(120);
const ACCOUNT: &str = "CREATE USER admin@'%' IDENTIFIED BY 'admin-secret-1'; GRANT ALL ON *.* TO admin@'%' WITH GRANT OPTION";

/// What is in the schemas of a server, rows included.
fn schemas(sql: &dyn Fn(&str) -> String) -> String {
    let tables = sql("SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema NOT IN \
         ('mysql', 'sys', 'information_schema', 'performance_schema') ORDER BY 1, 2");
    let sums: String = tables.lines().map(|l| sql(&format!("CHECKSUM TABLE {}", l.split('\t').take(2).collect::<Vec<_>>().join(".")))).collect();
    let sets = sql("SELECT schema_name, default_character_set_name, default_collation_name FROM information_schema.schemata ORDER BY 1");
    let triggers = sql("SELECT trigger_schema, trigger_name FROM information_schema.triggers ORDER BY 1, 2");
    format!("{sets}{tables}{sums}{triggers}{}", sql("SELECT @@GLOBAL.max_allowed_packet"))
}

const SETUP: &str = r"mkdir -p /var/lib/mysql /var/log/mysql /run/mysqld
mount -t tmpfs tmpfs /var/lib/mysql
chown mysql: /var/lib/mysql /var/log/mysql /run/mysqld
printf '[mysqld]\ninnodb_log_file_size=8M\ninnodb_buffer_pool_size=16M\nperformance_schema=OFF\nskip_name_resolve=ON\nmax_allowed_packet=1M\n' >/etc/mysql/mariadb.conf.d/99-lab.cnf";

const START: &str = "mariadb-install-db --user=mysql --auth-root-authentication-method=socket --skip-test-db --innodb-log-file-size=8M >/dev/null 2>&1 \
     && service mariadb start >/dev/null 2>&1";

/// What a shop has: names in Chinese, texts that look like SQL, a statement longer than the server takes, a trigger, a view.
const SHOP: [&str; 4] = [
    "CREATE DATABASE shop CHARACTER SET utf8mb4; CREATE TABLE shop.orders (id INT PRIMARY KEY, what VARCHAR(80)) AS \
     SELECT seq AS id, CONCAT('第', seq, '单 it''s; (''x''), 😀') AS what FROM shop.seq_1_to_3000",
    "CREATE TABLE shop.odd (id INT, v TEXT); INSERT INTO shop.odd VALUES (1, 'INSERT INTO t VALUES (1),(2);'), (2, CONCAT('a', CHAR(10), ';', CHAR(10), 'b')), (3, NULL); \
     CREATE TABLE shop.empty (id INT); CREATE TABLE shop.files (id INT, b LONGBLOB); SET GLOBAL max_allowed_packet = 16777216",
    "INSERT INTO shop.files SELECT 1, REPEAT('x', 1300000)",
    "USE shop; CREATE TRIGGER tr BEFORE INSERT ON empty FOR EACH ROW SET NEW.id = 7; CREATE VIEW v AS SELECT id FROM orders; SET GLOBAL max_allowed_packet = 1048576",
];

pub fn on_host() {
    let lab = Lab::new();
    let host = lab.host("db1").setup(SETUP).start();
    host.run(START);
    let sql = |text: &str| host.run(&format!("mariadb --default-character-set=utf8mb4 -N -B -e \"{text}\""));
    said("mariadb", host.run("mariadbd --version").trim());
    sql(ACCOUNT);
    for statement in SHOP {
        sql(statement);
    }
    let mut desk = Desk::new(&lab, &[&host]);
    let text = host.run("mariadb-dump --single-transaction --routines --triggers --default-character-set=utf8mb4 --max-allowed-packet=64M shop");
    let dump = desk.write("shop.sql", &text);
    // In the way: a schema of that name with a table in it.
    sql(
        "DROP DATABASE shop; CREATE DATABASE mall CHARACTER SET latin1; CREATE TABLE mall.old (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO mall.old VALUES (1, 'kept')",
    );
    let before = schemas(&sql);
    desk.set("QUARTERDECK_VAR_admin_password", "admin-secret-1");
    let (book, dump) = (shipped("sql-import"), format!("dump={}", dump.display()));
    let values = ["way=host", "target=db1", &dump, "database=mall", "admin_user=admin"];
    let refused = run(&desk, &words(&book, &values)).expect(2);
    assert!(refused.err.contains("existing=replace") && refused.err.contains("old"), "{}", refused.err);
    assert_eq!(schemas(&sql), before, "nothing was done");
    let over = [&values[..], &["existing=replace"]].concat();
    let (code, told) = crate::faults::straight(&desk, &[&["run"], &words(&book, &over)[..]].concat());
    assert_eq!(code, 0, "{told}");
    assert_eq!(sql("SELECT COUNT(*), SUM(id), MAX(what) LIKE '%😀' FROM mall.orders"), "3000\t4501500\t1\n");
    let told = sql("SELECT COUNT(*) FROM mall.v; SELECT LENGTH(b) FROM mall.files; SELECT v FROM mall.odd WHERE id = 1");
    assert_eq!(told, "3000\n1300000\nINSERT INTO t VALUES (1),(2);\n");
    assert_eq!(sql("SHOW TABLES IN mall LIKE 'old'"), "", "over what was there");
    let import = newest(&desk);
    let again = run(&desk, &words(&book, &values)).expect(0);
    assert_eq!(again.count("db1", "changed"), 0, "{}", again.out);
    // A row that came afterwards is nobody's to throw away.
    sql("INSERT INTO mall.orders VALUES (0, 'new')");
    let (code, told) = crate::faults::straight(&desk, &["undo", &import]);
    assert_ne!(code, 0, "{told}");
    sql("DELETE FROM mall.orders WHERE id = 0");
    let (code, told) = crate::faults::straight(&desk, &["undo", &import]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(schemas(&sql), before, "taken back:\n{told}");
    assert_eq!(host.run("ls /var/tmp | grep -c quarterdeck-import || true").trim(), "0", "nothing is left lying there");
    // Cut off in the middle: seen before the server is asked anything.
    desk.write("shop.sql", text.rsplit_once("-- Dump completed").expect("its end").0);
    let refused = run(&desk, &words(&book, &values)).expect(2);
    assert!(refused.err.contains("the dump was cut off"), "{}", refused.err);
    assert!(!desk.journal().contains("admin-secret-1"));
}

/// As Navicat and phpMyAdmin write: no trailer, rows over several lines, a routine with another delimiter.
const WRITTEN: &str = r"SET NAMES utf8mb4;
SET FOREIGN_KEY_CHECKS = 0;

DROP TABLE IF EXISTS `goods`;
CREATE TABLE `goods`  (
  `id` int NOT NULL,
  `name` varchar(60) CHARACTER SET utf8mb4,
  PRIMARY KEY (`id`)
) ENGINE = InnoDB CHARACTER SET = utf8mb4;

INSERT INTO `goods` (`id`, `name`) VALUES
(1, '苹果 (red); it\'s'),
(2, '''quoted'''),
(3, NULL);
INSERT INTO `goods` VALUES (4, CONCAT('a', UPPER('b')));
CREATE TABLE IF NOT EXISTS plain (id int);
INSERT INTO plain VALUES (1);
INSERT INTO plain VALUES (2);
DELIMITER ;;
CREATE TRIGGER seen BEFORE INSERT ON `plain` FOR EACH ROW BEGIN SET NEW.id = NEW.id; END;;
DELIMITER ;
SET FOREIGN_KEY_CHECKS = 1;
";

/// A server of its own in a box that has this machine's programs.
fn boxed(port: u16) -> String {
    format!(
        "/bin/busybox mkdir -p /data /tmp /run /var/tmp /root; export PATH=/usr/sbin:/usr/bin:/bin; \
         echo root:x:0:0:root:/root:/bin/sh >/etc/passwd; \
         mariadb-install-db --no-defaults --user=root --datadir=/data --auth-root-authentication-method=normal --skip-test-db --innodb-log-file-size=8M >/dev/null 2>&1; \
         exec mariadbd --no-defaults --user=root --datadir=/data --socket=/tmp/s --port={port} --bind-address=127.0.0.1 --innodb-buffer-pool-size=16M \
         --innodb-log-file-size=8M --skip-name-resolve --performance-schema=OFF"
    )
}

/// What is the same in a container and in a pod.
fn there_and_back(desk: &Desk, values: &[&str], host: &str, sql: &dyn Fn(&str) -> String) {
    let before = schemas(sql);
    let (book, dump) = (shipped("sql-import"), format!("dump={}", desk.write("goods.sql", WRITTEN).display()));
    let all = [values, &[&dump, "database=mall", "admin_user=admin"]].concat();
    let ran = run(desk, &words(&book, &all)).expect(0);
    assert_eq!(sql("SELECT HEX(name) FROM mall.goods WHERE id = 1"), "E88BB9E69E9C2028726564293B2069742773\n", "{}", ran.out);
    let told =
        sql("SELECT COUNT(*) FROM mall.goods; SELECT COUNT(*) FROM mall.plain; SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema = 'mall'");
    assert_eq!(told, "4\n2\n1\n");
    let again = run(desk, &words(&book, &all)).expect(0);
    assert_eq!(again.count(host, "changed"), 0, "{}", again.out);
    desk.run(&["--write", "playbook", "undo", &first(desk), "--yes"]).expect(0);
    assert_eq!(schemas(sql), before, "taken back");
    assert!(!desk.journal().contains("admin-secret-1"));
}

pub fn into_container() {
    let docker = Docker::start();
    let port = free_port();
    docker.run(&format!("run -d --name shop-db --network host {LENT} bb:1 sh -c '{}'", boxed(port)));
    let client =
        format!("/usr/bin/docker -H {} exec -i shop-db /usr/bin/mariadb --no-defaults --default-character-set=utf8mb4 -uroot -S /tmp/s", docker.host());
    let sql = |text: &str| {
        let out = std::process::Command::new("sh").args(["-c", &format!("{client} -N -B -e \"{text}\"")]).output().expect("docker");
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
    };
    eventually("the server", MINUTES, || sql("SELECT 1"));
    let sql = |text: &str| sql(text).unwrap_or_else(|| panic!("{text}"));
    sql(ACCOUNT);
    let mut desk = here();
    desk.set("DOCKER_HOST", &docker.host());
    desk.set("PATH", &format!("/usr/bin:{}", std::env::var("PATH").unwrap_or_default()));
    desk.set("QUARTERDECK_VAR_admin_password", "admin-secret-1");
    let ports = format!("{{\"port\": {port}}}");
    there_and_back(&desk, &["way=container", "target=here", "container=shop-db", &ports], "here", &sql);
    assert!(!sh(&format!("/usr/bin/docker -H {} exec shop-db /usr/bin/ls /var/tmp", docker.host())).contains("quarterdeck"), "the dump is gone");
}

/// MySQL 9; the second time what its own program dumped.
pub fn on_mysql_nine() {
    let root = std::path::PathBuf::from(std::env::var("QUARTERDECK_TEST_MYSQL_ROOT").expect("checked by components.toml"));
    let lab = Lab::new();
    let host = lab.host("db1").setup(&crate::playbook_mysql::nine(&root)).start();
    let chroot = root.display().to_string();
    host.run(&format!("chroot {chroot} /usr/sbin/mysqld --defaults-file=/lab/my.cnf --initialize-insecure && service mysql start"));
    let client = format!("chroot {chroot} /usr/bin/mysql --no-defaults --default-character-set=utf8mb4 -uroot --socket=/srv/mysql/s -N -B -e");
    let sql = |text: &str| host.run(&format!("{client} \"{text}\""));
    said("mysql9", &format!("MySQL {}", sql("SELECT CONCAT(VERSION(), ' ', @@version_comment)").trim()));
    sql(ACCOUNT);
    let mut desk = Desk::new(&lab, &[&host]);
    desk.set("QUARTERDECK_VAR_admin_password", "admin-secret-1");
    there_and_back(&desk, &["way=host", "target=db1"], "db1", &sql);
    sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, v VARCHAR(40)); INSERT INTO shop.t VALUES (1, '一 (x); ''y'' '), (2, NULL), (3, '😀')");
    let program = format!("chroot {chroot} /usr/bin/mysqldump --no-defaults -uroot --socket=/srv/mysql/s --default-character-set=utf8mb4 shop");
    let (book, dump) = (shipped("sql-import"), format!("dump={}", desk.write("shop.sql", &host.run(&program)).display()));
    let values = ["way=host", "target=db1", &dump, "database=mall", "admin_user=admin"];
    // Its GTIDs are on by default, and so stand in its dump.
    let refused = run(&desk, &words(&book, &values)).expect(2);
    assert!(refused.err.contains("--set-gtid-purged=OFF"), "{}", refused.err);
    desk.write("shop.sql", &host.run(&format!("{program} --set-gtid-purged=OFF")));
    let ran = run(&desk, &words(&book, &values)).expect(0);
    let sum = |table: &str| sql(&format!("CHECKSUM TABLE {table}")).split('\t').nth(1).map(ToOwned::to_owned);
    assert_eq!(sum("mall.t"), sum("shop.t"), "{}", ran.out);
}

pub fn into_pod() {
    let space = Space::new("import");
    lent_pod(&space, "shop-db-0", &boxed(3306), &[("PATH", "/usr/sbin:/usr/bin:/bin")], &[]);
    let client = ["mariadb", "--no-defaults", "--default-character-set=utf8mb4", "-uroot", "-S", "/tmp/s", "-N", "-B", "-e"];
    let sql = |text: &str| in_pod(&space, "shop-db-0", &[&client[..], &[text]].concat());
    eventually("the server", MINUTES, || sql("SELECT 1"));
    let sql = |text: &str| sql(text).unwrap_or_else(|| panic!("{text}"));
    sql(ACCOUNT);
    let mut desk = Desk::of(&format!("[[cluster]]\nname = \"lab\"\nkubeconfig = \"{}\"\n", admin().display()));
    desk.set("QUARTERDECK_VAR_admin_password", "admin-secret-1");
    let namespace = format!("namespace={}", space.name);
    there_and_back(&desk, &["way=pod", "target=localhost", "pod=shop-db-0", &namespace], "localhost", &sql);
}
