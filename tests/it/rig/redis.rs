//! Real Redis servers, sentinels and clusters, each on a loopback address of its own ("hosts") and a free port, and a proxy that lies.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::eventually;
use crate::components::said;

pub const PASSWORD: &str = "data-secret-1";
pub const SENTINEL_PASSWORD: &str = "watch-secret-2";

static NET: AtomicU16 = AtomicU16::new(0);

/// An address nobody else of this run uses: `127.A.B.n`.
pub fn hosts(count: u8) -> Vec<String> {
    let net = NET.fetch_add(1, Ordering::SeqCst) % 250;
    let a = 64 + std::process::id() % 128;
    (1..=count).map(|n| format!("127.{a}.{net}.{n}")).collect()
}

/// A free port whose cluster bus port (10000 above) is free too and below 32768.
pub fn free_port(host: &str) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let port = 12_000 + (NEXT.fetch_add(1, Ordering::SeqCst) + u16::try_from(std::process::id() % 5000).unwrap()) % 10_000;
        if TcpListener::bind((host, port)).is_ok() && TcpListener::bind((host, port + 10_000)).is_ok() {
            return port;
        }
    }
}

pub struct Server {
    child: Option<Child>,
    arguments: Vec<String>,
    pub dir: PathBuf,
    pub host: String,
    pub port: u16,
    pub password: String,
    _temp: TempDir,
}

impl Server {
    /// `extra` as on the command line, `--maxmemory 64mb`; a password of "" is none.
    pub fn start(host: &str, password: &str, extra: &[&str]) -> Self {
        let port = free_port(host);
        let mut flags = vec!["--save", "", "--appendonly", "no", "--maxmemory", "64mb", "--repl-diskless-sync-delay", "0", "--replica-announce-ip", host];
        if !password.is_empty() {
            flags.extend(["--requirepass", password, "--masterauth", password]);
        }
        flags.extend(extra);
        Self::run(host, port, password, "", &flags)
    }

    pub fn sentinel(host: &str, master: &Self, quorum: u8) -> Self {
        let port = free_port(host);
        let (mh, mp, pw) = (&master.host, master.port, &master.password);
        let conf = format!(
            "sentinel monitor mymaster {mh} {mp} {quorum}\nsentinel auth-pass mymaster {pw}\nsentinel down-after-milliseconds mymaster 1500\n\
             sentinel failover-timeout mymaster 5000\nsentinel announce-ip {host}\nrequirepass {SENTINEL_PASSWORD}\nsentinel sentinel-pass {SENTINEL_PASSWORD}\n"
        );
        Self::run(host, port, SENTINEL_PASSWORD, &conf, &["--sentinel"])
    }

    fn run(host: &str, port: u16, password: &str, conf: &str, flags: &[&str]) -> Self {
        let temp = tempfile::Builder::new().prefix("qd-redis-").tempdir().unwrap();
        let dir = temp.path().join("data");
        std::fs::create_dir(&dir).unwrap();
        let file = temp.path().join("redis.conf");
        std::fs::write(&file, format!("bind {host}\nport {port}\nprotected-mode no\ndir {}\nlogfile {}/log\n{conf}", dir.display(), temp.path().display()))
            .unwrap();
        let mut arguments = vec![file.display().to_string()];
        arguments.extend(flags.iter().map(|f| (*f).to_owned()));
        let mut server = Self { child: None, arguments, dir, host: host.to_owned(), port, password: password.to_owned(), _temp: temp };
        server.up();
        said("redis", &format!("redis_version:{}", server.field("server", "redis_version")));
        server
    }

    /// Starts it, again after a `kill`.
    pub fn up(&mut self) {
        let child = Command::new("redis-server").args(&self.arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("redis-server");
        self.child = Some(child);
        eventually("redis answers", Duration::from_secs(10), || TcpStream::connect((self.host.as_str(), self.port)).ok());
        eventually("redis is ready", Duration::from_secs(10), || self.cli(&["PING"]).contains("PONG").then_some(()));
    }

    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Where it logs.
    pub fn log(&self) -> PathBuf {
        self.dir.with_file_name("log")
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// `redis-cli`, its answer as text; errors too.
    pub fn cli(&self, words: &[&str]) -> String {
        let out = Command::new("timeout")
            .args(["5", "redis-cli", "-h", &self.host, "-p", &self.port.to_string()])
            .args(words)
            .env("REDISCLI_AUTH", &self.password)
            .output()
            .expect("redis-cli");
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    /// One field of `INFO section`.
    pub fn field(&self, section: &str, name: &str) -> String {
        let text = self.cli(&["INFO", section]);
        text.lines().find_map(|l| l.trim().strip_prefix(name)?.strip_prefix(':').map(ToOwned::to_owned)).unwrap_or_default()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("running").id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

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
    }
}

/// A master and `replicas` of it, in step.
pub fn replicated(replicas: u8) -> Vec<Server> {
    let hosts = hosts(replicas + 1);
    let mut all = vec![Server::start(&hosts[0], PASSWORD, &[])];
    for host in &hosts[1..] {
        let (mh, mp) = (all[0].host.clone(), all[0].port.to_string());
        all.push(Server::start(host, PASSWORD, &["--replicaof", &mh, &mp]));
    }
    in_step(&all[1..]);
    all
}

pub fn in_step(replicas: &[Server]) {
    for replica in replicas {
        eventually("a replica in step", Duration::from_secs(20), || (replica.field("replication", "master_link_status") == "up").then_some(()));
    }
}

/// Six nodes on six addresses, three of them masters.
pub fn cluster() -> Vec<Server> {
    cluster_on(&hosts(6))
}

/// A node on each of these addresses, which may be the same.
pub fn cluster_on(hosts: &[String]) -> Vec<Server> {
    let nodes: Vec<Server> = hosts
        .iter()
        .map(|host| Server::start(host, PASSWORD, &["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-announce-ip", host]))
        .collect();
    let mut words = vec!["--cluster".to_owned(), "create".to_owned()];
    words.extend(nodes.iter().map(Server::address));
    words.extend(["--cluster-replicas", "1", "--cluster-yes"].map(ToOwned::to_owned));
    let out = Command::new("timeout").arg("60").arg("redis-cli").args(&words).env("REDISCLI_AUTH", PASSWORD).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    settled(&nodes);
    nodes
}

/// Every node calls the cluster ok, and every replica is in step: a master that dies earlier is never replaced.
pub fn settled(nodes: &[Server]) {
    for node in nodes {
        eventually("a settled cluster", Duration::from_secs(30), || {
            let replication = node.cli(&["INFO", "replication"]);
            let whole = node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok");
            (whole && (replication.contains("role:master") || replication.contains("master_link_status:up"))).then_some(())
        });
    }
}

/// Sits before a server and changes one word in all that it says. Both words are of one length.
pub fn liar(before: &Server, truth: &str, lie: &str) -> String {
    liar_before(&before.host, before.address(), truth, lie)
}

/// The same before any server.
pub fn liar_before(host: &str, target: String, truth: &str, lie: &str) -> String {
    assert_eq!(truth.len(), lie.len());
    let (truth, lie) = (truth.to_owned(), lie.to_owned());
    let listener = TcpListener::bind((host, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(&target)) else { continue };
            let (a, b) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || pump(client, server, None));
            let (truth, lie) = (truth.clone(), lie.clone());
            std::thread::spawn(move || pump(b, a, Some((truth.as_bytes(), lie.as_bytes()))));
        }
    });
    address
}

fn pump(mut from: TcpStream, mut to: TcpStream, swap: Option<(&[u8], &[u8])>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 {
            break;
        }
        if let Some((truth, lie)) = swap {
            while let Some(at) = buffer[..n].windows(truth.len()).position(|w| w == truth) {
                buffer[at..at + lie.len()].copy_from_slice(lie);
            }
        }
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}
