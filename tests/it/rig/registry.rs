//! Real Nacos servers on loopback, clustered, with their embedded storage.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::eventually;
use super::java::{Java, request};
use crate::components::said;

const READY: Duration = Duration::from_secs(180);

pub struct Server {
    java: Java,
    pub address: String,
    _temp: TempDir,
}

/// The HTTP port, with those for raft (less 1000) and gRPC (1000 and 1001 more) free too.
fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let port = 23_000 + (NEXT.fetch_add(7, Ordering::SeqCst) + u16::try_from(std::process::id() % 7000).unwrap()) % 7000;
        if [port - 1000, port, port + 1000, port + 1001].iter().all(|p| TcpListener::bind(("127.0.0.1", *p)).is_ok()) {
            return port;
        }
    }
}

pub fn servers(count: usize) -> Vec<Server> {
    let ports: Vec<u16> = (0..count).map(|_| port()).collect();
    let roll: String = ports.iter().map(|p| format!("127.0.0.1:{p}\n")).collect();
    let mut all: Vec<Server> = ports.iter().map(|port| Server::new(*port, &roll)).collect();
    for server in &mut all {
        server.up();
    }
    for server in &all {
        server.ready();
    }
    let nodes = all[0].ask("GET", "/nacos/v1/core/cluster/nodes");
    let version = nodes.split("\"version\":\"").nth(1).and_then(|t| t.split('"').next()).unwrap_or("?").to_owned();
    said("nacos", &format!("version {version}"));
    all
}

impl Server {
    fn new(port: u16, roll: &str) -> Self {
        let temp = tempfile::Builder::new().prefix("qd-registry-").tempdir().unwrap();
        let home = temp.path();
        std::fs::create_dir_all(home.join("conf")).unwrap();
        std::fs::write(home.join("conf/cluster.conf"), roll).unwrap();
        let settings = format!("server.servlet.contextPath=/nacos\nserver.port={port}\nnacos.inetutils.ip-address=127.0.0.1\nnacos.core.auth.enabled=false\n");
        std::fs::write(home.join("conf/application.properties"), settings).unwrap();
        let properties = ["-DembeddedStorage=true".to_owned(), format!("-Dnacos.home={}", home.display()), format!("-Duser.home={}", home.display())];
        let arguments = [format!("--spring.config.additional-location=file:{}/conf/", home.display())];
        let java = Java::new("registry", "Registry", home.join("out"), &properties, &arguments);
        Self { java, address: format!("127.0.0.1:{port}"), _temp: temp }
    }

    /// Until it serves names and every raft group has a leader by its word.
    pub fn ready(&self) {
        eventually(&format!("{} is ready", self.address), READY, || {
            let (status, metrics) = request(&self.address, "GET", "/nacos/v1/ns/operator/metrics", "")?;
            let (_, own) = request(&self.address, "GET", "/nacos/v1/core/cluster/self", "")?;
            (status == 200 && metrics.contains("\"UP\"") && own.contains("\"leader\":\"127")).then_some(())
        });
    }

    #[track_caller]
    pub fn ask(&self, method: &str, path: &str) -> String {
        request(&self.address, method, path, "").unwrap_or_else(|| panic!("{} does not answer:\n{}", self.address, self.java.said())).1
    }

    pub fn up(&mut self) {
        self.java.up();
    }
    pub fn kill(&mut self) {
        self.java.kill();
    }
    pub fn freeze(&self) {
        self.java.freeze();
    }
    pub fn thaw(&self) {
        self.java.thaw();
    }
}
