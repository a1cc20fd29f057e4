//! Real MariaDB servers, each in a folder of its own, and MySQL 9 servers from a private root where one is given.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use tempfile::TempDir;

use super::eventually;

/// A port that nobody listens on, below those that the kernel hands out.
pub fn free_port() -> u16 {
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(u16::try_from(std::process::id() % 4000).expect("small")));
    loop {
        let port = 21_000 + NEXT.fetch_add(1, Ordering::Relaxed) % 9000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A system database made once and copied for each server; kept beside the build for the next run.
pub fn template() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mariadb-template");
        if !kept.join("data").exists() {
            let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mariadb-template-{}", std::process::id()));
            let out = Command::new("mariadb-install-db")
                .args(["--no-defaults", "--user=root", "--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=8M"])
                .arg(format!("--datadir={}", fresh.join("data").display()))
                .output()
                .expect("mariadb-install-db");
            assert!(out.status.success(), "mariadb-install-db: {}", String::from_utf8_lossy(&out.stderr));
            if std::fs::rename(&fresh, &kept).is_err() {
                let _ = std::fs::remove_dir_all(&fresh);
            }
        }
        kept
    })
}

/// What makes two kinds of server differ for a test.
enum Home {
    /// The machine's own MariaDB.
    Maria { dir: TempDir },
    /// A folder inside a private root with its own glibc.
    Root { root: PathBuf, dir: PathBuf },
}

pub struct Server {
    home: Home,
    pub port: u16,
    pub id: u32,
    extra: Vec<String>,
    child: Option<Child>,
}

impl Server {
    pub fn maria(id: u32, extra: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("qd-mariadb-").tempdir().expect("a folder");
        let ok = Command::new("cp").arg("-a").arg(template().join("data")).arg(dir.path().join("data")).status().expect("cp");
        assert!(ok.success(), "cp");
        let mut server = Self { home: Home::Maria { dir }, port: free_port(), id, extra: extra.iter().map(|e| (*e).to_owned()).collect(), child: None };
        server.start();
        server
    }

    /// A MySQL 9 inside `QUARTERDECK_TEST_MYSQL_ROOT`.
    pub fn mysql9(id: u32, extra: &[&str]) -> Self {
        let root = PathBuf::from(std::env::var("QUARTERDECK_TEST_MYSQL_ROOT").expect("checked by components.toml"));
        let port = free_port();
        let dir = PathBuf::from(format!("/qd-{}-{port}", std::process::id()));
        let mut server =
            Self { home: Home::Root { root: root.clone(), dir: dir.clone() }, port, id, extra: extra.iter().map(|e| (*e).to_owned()).collect(), child: None };
        prepare_root(&root);
        std::fs::create_dir_all(root.join(dir.strip_prefix("/").expect("absolute"))).expect("a folder");
        let out = Command::new("chroot")
            .arg(&root)
            .args(["/usr/sbin/mysqld", "--no-defaults", "--initialize-insecure", "--user=root", "--innodb-buffer-pool-size=32M"])
            .arg(format!("--datadir={}/data", dir.display()))
            .output()
            .expect("mysqld");
        assert!(out.status.success(), "mysqld --initialize: {}", String::from_utf8_lossy(&out.stderr));
        server.start();
        server
    }

    pub fn start(&mut self) {
        let mut command = match &self.home {
            Home::Maria { dir } => {
                let d = dir.path().display();
                let mut c = Command::new("mariadbd");
                c.args(["--no-defaults", "--user=root", "--log-slave-updates=1", "--gtid-strict-mode=1", "--innodb-log-file-size=8M"]).args([
                    "--innodb-flush-log-at-trx-commit=2",
                    "--performance-schema=0",
                    "--key-buffer-size=1M",
                    "--aria-pagecache-buffer-size=1M",
                    "--slave-net-timeout=60",
                ]);
                c.args([format!("--datadir={d}/data"), format!("--socket={d}/s"), format!("--pid-file={d}/pid"), format!("--log-error={d}/err.log")]);
                c
            }
            Home::Root { root, dir } => {
                let d = dir.display();
                let mut c = Command::new("chroot");
                c.arg(root).args(["/usr/sbin/mysqld", "--no-defaults", "--user=root", "--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--mysqlx=0"]);
                c.args(["--secure-file-priv=NULL", "--replica-net-timeout=60"]);
                c.args([format!("--datadir={d}/data"), format!("--socket={d}/s"), format!("--pid-file={d}/pid"), format!("--log-error={d}/err.log")]);
                c
            }
        };
        command.args([
            "--innodb-buffer-pool-size=16M",
            "--character-set-server=utf8mb4",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--log-bin=bin",
            "--relay-log=relay",
        ]);
        command.args([format!("--port={}", self.port), format!("--server-id={}", self.id)]).args(&self.extra);
        self.child = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a server"));
        eventually(&format!("server {} to answer", self.port), Duration::from_mins(1), || self.try_sql("SELECT 1").ok());
    }

    /// Where it tells its errors, and that it is ready.
    pub fn error_log(&self) -> PathBuf {
        match &self.home {
            Home::Maria { dir } => dir.path().join("err.log"),
            Home::Root { root, dir } => root.join(dir.strip_prefix("/").expect("absolute")).join("err.log"),
        }
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn socket(&self) -> PathBuf {
        match &self.home {
            Home::Maria { dir } => dir.path().join("s"),
            Home::Root { root, dir } => root.join(dir.strip_prefix("/").unwrap_or(dir)).join("s"),
        }
    }

    fn client(&self) -> Command {
        match &self.home {
            Home::Maria { dir } => {
                let mut c = Command::new("mariadb");
                c.arg("--no-defaults").arg(format!("--socket={}/s", dir.path().display()));
                c
            }
            Home::Root { root, dir } => {
                let mut c = Command::new("chroot");
                c.arg(root).args(["/usr/bin/mysql", "--no-defaults"]).arg(format!("--socket={}/s", dir.display()));
                c
            }
        }
    }

    fn try_sql(&self, sql: &str) -> Result<String, String> {
        let mut command = self.client();
        let out =
            command.args(["-uroot", "--default-character-set=utf8mb4", "-N", "-B", "-e", sql]).stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
        if out.status.success() { Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned()) } else { Err(String::from_utf8_lossy(&out.stderr).into_owned()) }
    }

    #[track_caller]
    pub fn sql(&self, sql: &str) -> String {
        self.try_sql(sql).unwrap_or_else(|why| panic!("{sql}: {why}"))
    }

    /// Runs a statement that takes its time; the session ends with the returned guard.
    pub fn background(&self, sql: &str) -> Session {
        let child = self.client().args(["-uroot", "-N", "-B", "-e", sql]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Session(child.expect("a client"))
    }

    fn signal(&self, signal: &str) {
        let child = self.child.as_ref().expect("running");
        let ok = Command::new("kill").arg(signal).arg(child.id().to_string()).status().expect("kill");
        assert!(ok.success(), "kill {signal}");
    }

    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// At once, as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if let Home::Root { root, dir } = &self.home {
            let _ = std::fs::remove_dir_all(root.join(dir.strip_prefix("/").unwrap_or(dir)));
        }
    }
}

/// `mysqld` looks for the user root, a temporary folder and random numbers.
fn prepare_root(root: &Path) {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        for dir in ["tmp", "etc", "dev"] {
            std::fs::create_dir_all(root.join(dir)).expect("a folder");
        }
        let _ = Command::new("chmod").arg("1777").arg(root.join("tmp")).status();
        let passwd = root.join("etc/passwd");
        if !std::fs::read_to_string(&passwd).is_ok_and(|p| p.starts_with("root:")) {
            std::fs::write(passwd, "root:x:0:0:root:/:/bin/sh\n").expect("passwd");
        }
        for (name, minor) in [("null", "3"), ("zero", "5"), ("random", "8"), ("urandom", "9")] {
            let path = root.join("dev").join(name);
            if !path.exists() {
                let ok = Command::new("mknod").args(["-m", "666"]).arg(path).args(["c", "1", minor]).status().expect("mknod");
                assert!(ok.success(), "mknod {name}");
            }
        }
    });
}

pub struct Session(Child);

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A line that can be cut without either end noticing: bytes are held back, connections stay.
pub struct Cable {
    pub port: u16,
    held: Arc<AtomicBool>,
}

impl Cable {
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", free_port())).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let held = Arc::new(AtomicBool::new(false));
        let cut = held.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                pump(near.try_clone().expect("clone"), far.try_clone().expect("clone"), cut.clone());
                pump(far, near, cut.clone());
            }
        });
        Self { port, held }
    }

    pub fn hold(&self) {
        self.held.store(true, Ordering::SeqCst);
    }

    pub fn release(&self) {
        self.held.store(false, Ordering::SeqCst);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, held: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 16_384];
        while let Ok(n) = from.read(&mut buffer) {
            while held.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
            }
            if n == 0 || to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}

/// A source with a database, and the accounts for replication and for us.
pub fn maria_source(id: u32, extra: &[&str]) -> Server {
    let server = Server::maria(id, extra);
    server.sql(
        "CREATE USER repl@'%' IDENTIFIED BY 'replpw'; GRANT REPLICATION SLAVE ON *.* TO repl@'%';\
         CREATE USER deck@'%' IDENTIFIED BY 'deck-pw-1'; GRANT SLAVE MONITOR, BINLOG MONITOR, PROCESS, SHOW DATABASES ON *.* TO deck@'%';\
         CREATE DATABASE mall; CREATE TABLE mall.t(id INT PRIMARY KEY, v VARCHAR(50)); INSERT INTO mall.t VALUES(1,'一')",
    );
    server
}

/// How a MariaDB follower finds its place.
#[derive(Clone, Copy)]
pub enum By {
    File,
    Gtid,
}

/// Lets `replica` follow whatever listens on `port`, from the very beginning.
pub fn follow(replica: &Server, port: u16, by: By, more: &str) {
    let place = match by {
        By::File => "master_log_file='bin.000001', master_log_pos=4, master_use_gtid=no",
        By::Gtid => "master_use_gtid=slave_pos",
    };
    replica.sql(&format!(
        "STOP SLAVE; RESET MASTER; SET GLOBAL gtid_slave_pos=''; \
         CHANGE MASTER TO master_host='127.0.0.1', master_port={port}, master_user='repl', master_password='replpw', master_connect_retry=1, {place}{more}; \
         SET GLOBAL read_only=ON; START SLAVE"
    ));
}

/// A source and two replicas that have caught up: one by file and position, one by GTID.
pub fn maria_trio() -> [Server; 3] {
    let source = maria_source(1, &[]);
    let by_file = Server::maria(2, &[]);
    let by_gtid = Server::maria(3, &[]);
    follow(&by_file, source.port, By::File, "");
    follow(&by_gtid, source.port, By::Gtid, "");
    for replica in [&by_file, &by_gtid] {
        caught_up(replica, "SELECT COUNT(*) FROM mall.t", "1");
    }
    [source, by_file, by_gtid]
}

/// Waits until a replica answers `sql` with `wanted`.
#[track_caller]
pub fn caught_up(replica: &Server, sql: &str, wanted: &str) {
    eventually(&format!("{sql} = {wanted}"), Duration::from_secs(30), || replica.try_sql(sql).ok().filter(|got| got == wanted));
}

/// A MySQL 9 pair by GTID, caught up, guarded, with our account.
pub fn follow_nine(source: &Server, replica: &Server) {
    source.sql(
        "CREATE USER repl@'%' IDENTIFIED BY 'replpw'; GRANT REPLICATION SLAVE ON *.* TO repl@'%';\
         CREATE USER deck@'%' IDENTIFIED BY 'deck-pw-1'; GRANT REPLICATION CLIENT, PROCESS, SHOW DATABASES ON *.* TO deck@'%';\
         GRANT SELECT ON performance_schema.* TO deck@'%';\
         CREATE DATABASE mall; CREATE TABLE mall.t(id INT PRIMARY KEY, v VARCHAR(50)); INSERT INTO mall.t VALUES(1,'x')",
    );
    replica.sql(&format!(
        "RESET BINARY LOGS AND GTIDS; CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={}, SOURCE_USER='repl', SOURCE_PASSWORD='replpw', \
         SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1, SOURCE_CONNECT_RETRY=1; SET GLOBAL super_read_only=ON; START REPLICA",
        source.port
    ));
    caught_up(replica, "SELECT COUNT(*) FROM mall.t", "1");
}

/// Three MySQL 9 in one replication group, the first of them its primary, with our account.
pub fn group_of_nine() -> Vec<Server> {
    let seats: Vec<u16> = (0..3).map(|_| free_port()).collect();
    let seeds = seats.iter().map(|p| format!("127.0.0.1:{p}")).collect::<Vec<_>>().join(",");
    let start = |(n, seat): (u32, &u16)| {
        let own = format!("--loose-group-replication-local-address=127.0.0.1:{seat}");
        let seeds = format!("--loose-group-replication-group-seeds={seeds}");
        Server::mysql9(
            n + 1,
            &[
                "--report-host=127.0.0.1",
                "--plugin-load-add=group_replication.so",
                "--loose-group-replication-group-name=aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa",
                "--loose-group-replication-start-on-boot=OFF",
                "--loose-group-replication-communication-stack=XCOM",
                "--loose-group-replication-ip-allowlist=127.0.0.1/8",
                "--loose-group-replication-recovery-get-public-key=ON",
                "--loose-group-replication-member-expel-timeout=30",
                &own,
                &seeds,
            ],
        )
    };
    let all: Vec<Server> = (0..3).zip(&seats).map(start).collect();
    for (n, server) in all.iter().enumerate() {
        server.sql(
            "SET sql_log_bin=0; CREATE USER repl@'%' IDENTIFIED BY 'replpw';\
             GRANT REPLICATION SLAVE, CONNECTION_ADMIN, BACKUP_ADMIN, GROUP_REPLICATION_STREAM ON *.* TO repl@'%';\
             CREATE USER deck@'%' IDENTIFIED BY 'deck-pw-1'; GRANT REPLICATION CLIENT, PROCESS, SHOW DATABASES ON *.* TO deck@'%';\
             GRANT SELECT ON performance_schema.* TO deck@'%'; SET sql_log_bin=1;\
             CHANGE REPLICATION SOURCE TO SOURCE_USER='repl', SOURCE_PASSWORD='replpw' FOR CHANNEL 'group_replication_recovery'; RESET BINARY LOGS AND GTIDS",
        );
        let first = if n == 0 { "SET GLOBAL group_replication_bootstrap_group=ON;" } else { "" };
        server.sql(&format!("{first} START GROUP_REPLICATION; SET GLOBAL group_replication_bootstrap_group=OFF"));
    }
    all
}
