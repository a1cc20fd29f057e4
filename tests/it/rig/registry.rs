//! Real Nacos servers on loopback, clustered, with their embedded storage.

use std::net::TcpListener;
use std::process::Command;
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
    /// Its certificate and key, where it speaks TLS.
    store: Option<TempDir>,
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
    let mut all: Vec<Server> = ports.iter().map(|port| Server::new(*port, &roll, "")).collect();
    for server in &mut all {
        server.up();
    }
    for server in &mut all {
        server.begun();
    }
    let nodes = all[0].ask("GET", "/nacos/v1/core/cluster/nodes");
    let version = nodes.split("\"version\":\"").nth(1).and_then(|t| t.split('"').next()).unwrap_or("?").to_owned();
    said("nacos", &format!("version {version}"));
    all
}

/// One that speaks TLS, with a certificate of its own for `registry.example`; and that certificate as PEM.
pub fn protected() -> (Server, String) {
    let temp = tempfile::tempdir().unwrap();
    let store = temp.path().join("store.p12");
    let keytool = |arguments: &str| {
        let line = format!("keytool {arguments} -alias registry -keystore {} -storepass changeit -storetype PKCS12", store.display());
        let out = Command::new("sh").args(["-c", &line]).output().expect("keytool");
        assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stdout));
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    keytool("-genkeypair -keyalg EC -groupname secp256r1 -dname CN=registry.example -ext SAN=dns:registry.example -validity 30");
    let pem = keytool("-exportcert -rfc");
    let port = port();
    let settings = format!("server.ssl.key-store=file:{}\nserver.ssl.key-store-password=changeit\nserver.ssl.key-store-type=PKCS12\n", store.display());
    let mut server = Server::new(port, &format!("127.0.0.1:{port}\n"), &settings);
    server.store = Some(temp);
    server.address = format!("https://127.0.0.1:{port}");
    server.up();
    (server, pem)
}

impl Server {
    fn new(port: u16, roll: &str, more: &str) -> Self {
        let temp = tempfile::Builder::new().prefix("qd-registry-").tempdir().unwrap();
        let home = temp.path();
        std::fs::create_dir_all(home.join("conf")).unwrap();
        std::fs::write(home.join("conf/cluster.conf"), roll).unwrap();
        let settings =
            format!("server.servlet.contextPath=/nacos\nserver.port={port}\nnacos.inetutils.ip-address=127.0.0.1\nnacos.core.auth.enabled=false\n{more}");
        std::fs::write(home.join("conf/application.properties"), settings).unwrap();
        let properties = ["-DembeddedStorage=true".to_owned(), format!("-Dnacos.home={}", home.display()), format!("-Duser.home={}", home.display())];
        let arguments = [format!("--spring.config.additional-location=file:{}/conf/", home.display())];
        let java = Java::new("registry", "Registry", home.join("out"), &properties, &arguments);
        Self { java, address: format!("127.0.0.1:{port}"), store: None, _temp: temp }
    }

    /// Until it serves. On busy cores its own database sometimes does not open in time, and it ends.
    fn begun(&mut self) {
        eventually(&format!("{} is ready", self.address), READY, || {
            if self.java.ended() {
                self.java.up();
            }
            self.serves()
        });
    }

    /// Does it serve names, and has every raft group a leader by its word?
    fn serves(&self) -> Option<()> {
        let (status, metrics) = request(&self.address, "GET", "/nacos/v1/ns/operator/metrics", "")?;
        let (_, own) = request(&self.address, "GET", "/nacos/v1/core/cluster/self", "")?;
        (status == 200 && metrics.contains("\"UP\"") && own.contains("\"leader\":\"127")).then_some(())
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
