//! `mysql-replication` where the servers run otherwise than as MariaDB on a host, for which see `faults`: MySQL 9 on hosts, MariaDB
//! in containers and in pods. Each twice, the second time without a change, then taken back and compared.

use std::path::Path;
use std::time::Duration;

use libtest_mimic::Trial;

use crate::components::{case, said};
use crate::faults::straight;
use crate::kube::{Space, admin, beside_others};
use crate::playbook::Desk;
use crate::playbook_real::{LENT, MINUTES, first, in_pod, lent_pod, run};
use crate::rig::docker::Docker;
use crate::rig::sshd::{Host, Lab};
use crate::rig::{eventually, mysql, redis};

pub fn tests() -> Vec<Trial> {
    vec![
        case("playbook: mysql-replication on MySQL 9, twice, and taken back", &["sshd", "netns", "mysql9"], mysql_nine),
        case("playbook: mysql-replication on servers in containers, twice, and taken back", &["docker", "mariadb"], in_containers),
        case("playbook: mysql-replication on servers in pods, twice, and taken back", &["kubernetes", "kubectl", "mariadb"], beside_others(in_pods)),
    ]
}

/// A MySQL 9 from a private root as a service of a host: an init script, a folder for its configuration.
pub fn nine(root: &Path) -> String {
    let root = root.display();
    format!(
        r#"
mkdir -p {root}/dev {root}/tmp {root}/etc {root}/lab /etc/mysql/conf.d /srv/mysql
rm -rf /etc/mysql/mariadb.conf.d /etc/mysql/mysql.conf.d
mount -t tmpfs tmpfs /srv/mysql
mkdir -p /srv/mysql/data {root}/srv/mysql {root}/lab/conf
mount --bind /srv/mysql {root}/srv/mysql
mount --bind /etc/mysql/conf.d {root}/lab/conf
for n in 'null 3' 'zero 5' 'random 8' 'urandom 9'; do set -- $n; [ -e {root}/dev/$1 ] || mknod -m 666 {root}/dev/$1 c 1 $2; done
grep -q '^root:' {root}/etc/passwd 2>/dev/null || echo 'root:x:0:0:root:/:/bin/sh' >{root}/etc/passwd
chmod 1777 {root}/tmp
printf '[mysqld]\nuser=root\nperformance_schema=OFF\ninnodb_buffer_pool_size=32M\ndatadir=/srv/mysql/data\nsocket=/srv/mysql/s\npid_file=/srv/mysql/pid\nlog_error=/srv/mysql/err.log\nmysqlx=OFF\nsecure_file_priv=NULL\nskip_name_resolve=ON\nport=3306\nbind_address=127.0.0.1\n!includedir /lab/conf\n' >{root}/lab/my.cnf
cat >/etc/init.d/mysql <<'INIT'
#!/bin/sh
up() {{ chroot {root} /usr/bin/mysqladmin --no-defaults -uroot --socket=/srv/mysql/s ping >/dev/null 2>&1; }}
stop() {{ [ ! -e /srv/mysql/pid ] || {{ kill $(cat /srv/mysql/pid); while [ -e /srv/mysql/pid ]; do sleep 0.1; done; }}; }}
start() {{ setsid chroot {root} /usr/sbin/mysqld --defaults-file=/lab/my.cnf </dev/null >/dev/null 2>&1 & n=0; until up; do n=$((n+1)); [ $n -lt 600 ] || exit 1; sleep 0.1; done; }}
case $1 in start) start;; stop) stop;; restart) stop; start;; status) up;; esac
INIT
chmod 755 /etc/init.d/mysql
rm -f /etc/init.d/mariadb /lib/systemd/system/mariadb.service /usr/lib/systemd/system/mariadb.service
for p in mysql mysqldump; do printf '#!/bin/sh\nexec chroot {root} /usr/bin/%s "$@"\n' $p >/usr/local/bin/$p; chmod 755 /usr/local/bin/$p; done
"#
    )
}

fn mysql_nine() {
    let root = std::path::PathBuf::from(std::env::var("QUARTERDECK_TEST_MYSQL_ROOT").expect("checked by components.toml"));
    let lab = Lab::new();
    let hosts = ["db1", "db2"].map(|name| lab.host(name).setup(&nine(&root)).start());
    let chroot = &root.display().to_string();
    let sql = |host: &Host, text: &str| host.run(&format!("chroot {chroot} /usr/bin/mysql --no-defaults -uroot --socket=/srv/mysql/s -N -B -e \"{text}\""));
    std::thread::scope(|scope| {
        for host in &hosts {
            scope.spawn(move || {
                host.run(&format!("chroot {chroot} /usr/sbin/mysqld --defaults-file=/lab/my.cnf --initialize-insecure && service mysql start"));
            });
        }
    });
    for host in &hosts {
        sql(host, "CREATE USER admin@'%' IDENTIFIED BY 'admin-secret-1'; GRANT ALL ON *.* TO admin@'%' WITH GRANT OPTION");
    }
    said("mysql9", &format!("MySQL {}", sql(&hosts[0], "SELECT CONCAT(VERSION(), ' ', @@version_comment)").trim()));
    sql(&hosts[0], "CREATE DATABASE mall; CREATE TABLE mall.t (id INT PRIMARY KEY, v VARCHAR(40)); INSERT INTO mall.t VALUES (1, 'one'), (2, 'two')");
    let mut desk = Desk::new(&lab, &[&hosts[0], &hosts[1]]);
    desk.set("QUARTERDECK_VAR_admin_password", "admin-secret-1");
    desk.set("QUARTERDECK_VAR_repl_password", "repl-secret-22");
    let words = ["mysql-replication", "-e", "servers=db1,db2", "-e", "source_host=db1", "-e", "way=host", "-e", "admin_user=admin", "-e", "repl_user=repl"];
    let state = |host: &Host| {
        let settings =
            "SELECT @@server_id, @@gtid_mode, @@enforce_gtid_consistency, @@read_only, @@super_read_only, @@bind_address, @@sync_binlog, @@log_replica_updates";
        let users = "SELECT user, host, plugin FROM mysql.user ORDER BY 1, 2";
        format!(
            "{}{}{}{}",
            sql(host, settings),
            sql(host, users),
            sql(host, "SHOW REPLICA STATUS").split('\t').take(4).collect::<String>(),
            host.run("ls /etc/mysql/conf.d")
        )
    };
    let before = [state(&hosts[0]), state(&hosts[1])];
    let (code, told) = straight(&desk, &[&["run"], &words[..]].concat());
    assert_eq!(code, 0, "{told}");
    sql(&hosts[0], "INSERT INTO mall.t VALUES (3, 'three')");
    eventually("the row on the replica", std::time::Duration::from_secs(60), || (sql(&hosts[1], "SELECT COUNT(*) FROM mall.t").trim() == "3").then_some(()));
    assert_eq!(sql(&hosts[1], "SELECT @@super_read_only").trim(), "1");
    let again = run(&desk, &words).expect(0);
    assert_eq!((again.count("db1", "changed"), again.count("db2", "changed")), (0, 0), "{}", again.out);
    let (code, told) = straight(&desk, &["undo", &first(&desk)]);
    assert_eq!(code, 0, "{told}");
    assert_eq!([state(&hosts[0]), state(&hosts[1])], before, "taken back:\n{told}");
    assert_eq!(sql(&hosts[1], "SELECT COUNT(*) FROM mall.t").trim(), "3", "the copy of the data stays");
}

const ADMIN: &str = "admin-secret-3";
const REPL: &str = "repl-secret-44";
/// What the source has before.
const DATA: &str = "CREATE DATABASE mall; CREATE TABLE mall.t (id INT PRIMARY KEY, v VARCHAR(40)); INSERT INTO mall.t VALUES (1, '一'), (2, '二')";

/// What an image's entry point does: a data folder where there is none, and the server. `more` are options of the server.
fn server(more: &str) -> String {
    format!(
        "PATH=/usr/sbin:/usr/bin:/bin; [ -e /etc/passwd ] || echo root:x:0:0::/:/bin/sh >/etc/passwd; mkdir -p /etc/mysql/conf.d /run/mysqld /tmp /var/lib/mysql; [ -e /var/lib/mysql/mysql ] || cp -r /template/. /var/lib/mysql; \
         printf \"[mysqld]\\n!includedir /etc/mysql/conf.d\\n\" >/etc/my.cnf; \
         exec mariadbd --user=root --datadir=/var/lib/mysql --socket=/run/mysqld/mysqld.sock --innodb-log-file-size=8M --innodb-buffer-pool-size=16M --key-buffer-size=1M \
         --aria-pagecache-buffer-size=1M --performance-schema=OFF --skip-name-resolve {more}"
    )
}

/// Servers by name that answer to `sql` as their own root.
struct Pair<'a> {
    desk: Desk,
    words: Vec<String>,
    sql: &'a dyn Fn(&str, &str) -> Option<String>,
}

impl Pair<'_> {
    fn tell(&self, name: &str, text: &str) -> String {
        (self.sql)(name, text).unwrap_or_else(|| panic!("{name} refuses: {text}"))
    }

    fn state(&self, name: &str) -> String {
        let settings = "SELECT @@server_id, @@log_bin, @@read_only, @@gtid_strict_mode, @@log_slave_updates, @@sync_binlog, IFNULL(@@bind_address, '')";
        let parts = [settings, "SELECT user, host, Repl_slave_priv FROM mysql.user ORDER BY 1, 2", "SHOW DATABASES", "SHOW SLAVE STATUS"];
        parts.map(|part| self.tell(name, part)).concat()
    }

    /// Both have an administrator and the first has data; then there and back.
    fn play(&mut self) {
        for name in ["db-0", "db-1"] {
            eventually(&format!("{name} answers"), MINUTES, || (self.sql)(name, "SELECT 1"));
            self.tell(name, &format!("CREATE USER admin@'%' IDENTIFIED BY '{ADMIN}'; GRANT ALL ON *.* TO admin@'%' WITH GRANT OPTION"));
        }
        self.tell("db-0", DATA);
        said("mariadb", &format!("MariaDB {}", self.tell("db-0", "SELECT VERSION()").trim()));
        self.desk.set("QUARTERDECK_VAR_admin_password", ADMIN);
        self.desk.set("QUARTERDECK_VAR_repl_password", REPL);
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let before = ["db-0", "db-1"].map(|name| self.state(name));
        let (code, told) = straight(&self.desk, &[&["run"], &words[..]].concat());
        assert_eq!(code, 0, "{told}");
        assert!(![ADMIN, REPL].iter().any(|secret| told.contains(secret) || self.desk.journal().contains(secret)), "a secret is told:\n{told}");
        self.tell("db-0", "INSERT INTO mall.t VALUES (3, '三')");
        eventually("the row on the replica", Duration::from_secs(60), || (self.tell("db-1", "SELECT COUNT(*) FROM mall.t").trim() == "3").then_some(()));
        assert_eq!(self.tell("db-1", "SELECT @@read_only").trim(), "1");
        let again = run(&self.desk, &words).expect(0);
        assert_eq!((again.count("db-0", "changed"), again.count("db-1", "changed")), (0, 0), "{}", again.out);
        assert!(again.out.contains("repl@%"), "the account's own login, as a replica makes it:\n{}", again.out);
        let (code, told) = straight(&self.desk, &["undo", &first(&self.desk)]);
        assert_eq!(code, 0, "{told}");
        // Dropping what was carried over is for a person to do.
        self.tell("db-1", "SET sql_log_bin = 0; DROP DATABASE mall");
        assert_eq!(["db-0", "db-1"].map(|name| self.state(name)), before, "taken back:\n{told}");
    }
}

fn words(way: &str, address: &str, more: &serde_json::Value) -> Vec<String> {
    let source = format!("source_address={address}");
    let mut words = vec!["mysql-replication".to_owned()];
    for value in ["servers=db-0,db-1", "source_host=db-0", &format!("way={way}"), "admin_user=admin", "repl_user=repl", &source, &more.to_string()] {
        words.extend(["-e".to_owned(), value.to_owned()]);
    }
    words
}

/// Hosts of the configuration that stand for servers which are none.
const STAND: &str = "[[host]]\nname = \"db-0\"\nlocal = true\n[[host]]\nname = \"db-1\"\nlocal = true\n";

fn in_containers() {
    let docker = Docker::start();
    let mut desk = Desk::of(STAND);
    desk.set("DOCKER_HOST", &docker.host());
    desk.set("PATH", &format!("/usr/bin:{}", std::env::var("PATH").unwrap_or_default()));
    // The containers see each other by name, which is nothing to the host; the host sees a published port, which is nothing to them.
    docker.run("network create mall");
    let (home, template) = (desk.home.path().display().to_string(), mysql::template().join("data"));
    let ports = [redis::free_port("127.0.0.1"), redis::free_port("127.0.0.1")];
    for (name, port) in ["db-0", "db-1"].iter().zip(ports) {
        docker.run(&format!(
            "run -d --name {name} --network mall -p 127.0.0.1:{port}:3306 {LENT} -v {}:/template:ro -v {home}/{name}/conf:/etc/mysql/conf.d -v {name}:/var/lib/mysql bb:1 \
             sh -c '{}'",
            template.display(),
            server("")
        ));
    }
    let more = serde_json::json!({
        "ports": {"db-0": ports[0], "db-1": ports[1]}, "containers": {"db-0": "db-0", "db-1": "db-1"}, "source_port": 3306,
    });
    let sql = |name: &str, text: &str| docker.exec(name, &["/usr/bin/mariadb", "-uroot", "-N", "-B", "-e", text]);
    let mut pair = Pair { desk, words: words("container", "db-0", &more), sql: &sql };
    pair.play();
    let left = ["db-0", "db-1"].map(|name| std::fs::read_dir(Path::new(&home).join(name).join("conf")).expect("its configuration").count());
    assert_eq!(left, [0, 0], "no configuration is left");
}

fn in_pods() {
    let space = Space::new("mysql");
    let template = mysql::template().join("data").display().to_string();
    let address = ["db-0", "db-1"].map(|name| {
        let own = format!("--server-id=10{} --log-bin=binlog --log-slave-updates --gtid-strict-mode", &name[3..]);
        lent_pod(&space, name, &server(&own), &[], &[(&template, "/template")])
    });
    let desk = Desk::of(&format!("{STAND}[[cluster]]\nname = \"lab\"\nkubeconfig = \"{}\"\n", admin().display()));
    let more = serde_json::json!({"pods": {"db-0": "db-0", "db-1": "db-1"}, "namespace": space.name});
    let sql = |name: &str, text: &str| in_pod(&space, name, &["/usr/bin/mariadb", "-uroot", "-N", "-B", "-e", text]);
    Pair { desk, words: words("pod", &address[0], &more), sql: &sql }.play();
}
