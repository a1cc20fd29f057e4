//! Real RabbitMQ brokers, alone and as a cluster of three, on loopback with ports of their own.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use quarterdeck::link::http::{Client, Login, Request, Response, Server, direct};
use quarterdeck::link::tls::Tls;
use tempfile::TempDir;

use super::{block, eventually};
use crate::components::said;

pub const USER: &str = "monitor";
pub const PASSWORD: &str = "monitor-secret-1";
pub const APP: &str = "mall";
pub const APP_PASSWORD: &str = "mall-secret-2";
pub const VHOST: &str = "/mall";

const BIN: &str = "/usr/lib/rabbitmq/bin";
/// A broker boots in five seconds; three at once on busy cores take half a minute.
const BOOT: Duration = Duration::from_secs(120);

fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let port = 23_000 + (NEXT.fetch_add(1, Ordering::SeqCst) + u16::try_from(std::process::id() % 4000).unwrap()) % 6000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub struct Broker {
    child: Option<Child>,
    pub node: String,
    pub amqp: u16,
    pub api: u16,
    /// The protected listeners: AMQP and API.
    pub tls: Option<(u16, u16)>,
    distribution: u16,
    dir: PathBuf,
    _temp: TempDir,
}

impl Broker {
    fn new(node: String) -> Self {
        let temp = tempfile::Builder::new().prefix("qd-rabbit-").tempdir().unwrap();
        let dir = temp.path().to_path_buf();
        for part in ["mnesia", "log", "home"] {
            std::fs::create_dir(dir.join(part)).unwrap();
        }
        let cookie = dir.join("home/.erlang.cookie");
        std::fs::write(&cookie, "QUARTERDECKTEST").unwrap();
        std::fs::set_permissions(&cookie, std::fs::Permissions::from_mode(0o400)).unwrap();
        std::fs::write(dir.join("plugins"), "[rabbitmq_management].").unwrap();
        Self { child: None, node, amqp: free_port(), api: free_port(), tls: None, distribution: free_port(), dir, _temp: temp }
    }

    /// A broker on its own; with a certificate (PEM, key as PEM) also with protected listeners.
    pub fn alone(certificate: Option<(&str, &str)>) -> Self {
        let mut broker = Self::new(format!("qd{}@localhost", free_port()));
        let mut extra = String::new();
        if let Some((certificate, key)) = certificate {
            let (amqp, api) = (free_port(), free_port());
            broker.tls = Some((amqp, api));
            let at = |name: &str| broker.dir.join(name).display().to_string();
            std::fs::write(at("cert.pem"), certificate).unwrap();
            std::fs::write(at("key.pem"), key).unwrap();
            let files = |before: &str| {
                format!("{before}.certfile = {}\n{before}.keyfile = {}\n{before}.cacertfile = {}\n", at("cert.pem"), at("key.pem"), at("cert.pem"))
            };
            extra = format!(
                "listeners.ssl.1 = 127.0.0.1:{amqp}\n{}ssl_options.verify = verify_none\nmanagement.ssl.port = {api}\nmanagement.ssl.ip = 127.0.0.1\n{}",
                files("ssl_options"),
                files("management.ssl")
            );
        }
        broker.configure(&extra);
        broker.up();
        broker.ready();
        broker.accounts();
        broker
    }

    fn configure(&self, extra: &str) {
        let text = format!(
            "listeners.tcp.1 = 127.0.0.1:{}\nmanagement.tcp.port = {}\nmanagement.tcp.ip = 127.0.0.1\nloopback_users = none\nnet_ticktime = 5\n\
             vm_memory_high_watermark.absolute = 512MB\ndisk_free_limit.absolute = 50MB\ncluster_partition_handling = ignore\n{extra}",
            self.amqp, self.api
        );
        std::fs::write(self.dir.join("rabbitmq.conf"), text).unwrap();
    }

    fn command(&self, program: &str) -> Command {
        let at = |name: &str| self.dir.join(name);
        let mut command = Command::new(format!("{BIN}/{program}"));
        command
            .env("RABBITMQ_NODENAME", &self.node)
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.amqp.to_string())
            .env("RABBITMQ_DIST_PORT", self.distribution.to_string())
            .env("RABBITMQ_MNESIA_BASE", at("mnesia"))
            .env("RABBITMQ_LOG_BASE", at("log"))
            .env("RABBITMQ_PID_FILE", at("pid"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("plugins"))
            .env("RABBITMQ_CONFIG_FILE", at("rabbitmq"))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("HOME", at("home"))
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}")
            .stdin(Stdio::null());
        command
    }

    pub fn up(&mut self) {
        let out = std::fs::File::create(self.dir.join("out")).unwrap();
        let child = self.command("rabbitmq-server").stdout(out.try_clone().unwrap()).stderr(out).process_group(0).spawn().expect("rabbitmq-server");
        self.child = Some(child);
    }

    /// Waits until the API answers.
    pub fn ready(&self) {
        eventually("the broker's API", BOOT, || (self.ask("guest", "guest", Request::get("/api/health/checks/virtual-hosts"))?.status == 200).then_some(()));
    }

    /// The virtual host, the account with the least rights, the application's account.
    fn accounts(&self) {
        let version = self.ask("guest", "guest", Request::get("/api/overview")).unwrap().json::<serde_json::Value>().unwrap();
        said("rabbitmq", &format!("RabbitMQ {} on Erlang {}", version["rabbitmq_version"].as_str().unwrap(), version["erlang_version"].as_str().unwrap()));
        self.put("/api/vhosts/%2Fmall", serde_json::json!({}));
        self.put("/api/permissions/%2Fmall/guest", serde_json::json!({"configure": ".*", "write": ".*", "read": ".*"}));
        self.put("/api/users/monitor", serde_json::json!({"password": PASSWORD, "tags": "monitoring"}));
        self.put("/api/permissions/%2Fmall/monitor", serde_json::json!({"configure": "", "write": "", "read": ""}));
        self.put("/api/users/mall", serde_json::json!({"password": APP_PASSWORD, "tags": ""}));
        self.put("/api/permissions/%2Fmall/mall", serde_json::json!({"configure": ".*", "write": ".*", "read": ".*"}));
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.api)
    }

    fn ask(&self, user: &str, password: &str, request: Request) -> Option<Response> {
        let server = Server::parse(&self.url(), 15672).unwrap();
        let connector = direct(&server);
        let login = Login::Basic { user: user.to_owned(), password: password.to_owned().into() };
        block(async move { Client::new(server, Tls::Off, login, connector).unwrap().send(&request).await.ok() })
    }

    pub fn put(&self, path: &str, value: serde_json::Value) {
        // A node that has just joined may close its listeners once more.
        eventually(path, BOOT, || {
            let answer = self.ask("guest", "guest", Request::put(path).json(&value).unwrap())?;
            answer.status.is_success().then_some(())
        });
    }

    pub fn delete(&self, path: &str) {
        let answer = self.ask("guest", "guest", Request::delete(path)).expect("an answer");
        assert!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.text());
    }

    /// A durable queue in the application's virtual host.
    pub fn queue(&self, name: &str, kind: &str) {
        self.put(&format!("/api/queues/%2Fmall/{name}"), serde_json::json!({"durable": true, "arguments": {"x-queue-type": kind}}));
    }

    /// One message to a queue of the application's virtual host.
    pub fn publish(&self, queue: &str) {
        let body = serde_json::json!({"properties": {}, "routing_key": queue, "payload": "x", "payload_encoding": "string"});
        let request = Request::post("/api/exchanges/%2Fmall/amq.default/publish").json(&body).unwrap();
        let answer = self.ask("guest", "guest", request).expect("an answer");
        assert!(answer.text().contains("\"routed\":true"), "{}", answer.text());
    }

    /// Waits until nobody is connected and no queue is left: an exclusive one goes with its connection.
    pub fn idle(&self) {
        eventually("a broker without connections and queues", BOOT, || {
            let lists = ["/api/connections", "/api/queues"].map(|path| self.ask("guest", "guest", Request::get(path)));
            lists.into_iter().all(|l| l.is_some_and(|l| l.text().trim() == "[]")).then_some(())
        });
    }

    pub fn ctl(&self, words: &[&str]) {
        let port = free_port().to_string();
        let mut command = self.command("rabbitmqctl");
        command.env("RABBITMQ_CTL_DIST_PORT_MIN", &port).env("RABBITMQ_CTL_DIST_PORT_MAX", &port);
        let out = command.arg("-n").arg(&self.node).args(words).output().expect("rabbitmqctl");
        assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
    }

    /// Where it logs.
    pub fn own_log(&self) -> PathBuf {
        self.dir.join("log").join(format!("{}.log", self.node))
    }

    /// Lines of its log that hold `text`.
    pub fn logged(&self, text: &str) -> usize {
        let files = std::fs::read_dir(self.dir.join("log")).unwrap().flatten();
        files.filter_map(|f| std::fs::read_to_string(f.path()).ok()).map(|log| log.lines().filter(|l| l.contains(text)).count()).sum()
    }

    fn signal(&self, name: &str) {
        let group = format!("-{}", self.child.as_ref().expect("running").id());
        assert!(Command::new("kill").args([name, "--", &group]).status().unwrap().success());
    }

    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let group = format!("-{}", child.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
            let _ = child.wait();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Three brokers that found each other.
pub fn cluster() -> Vec<Broker> {
    let seed = free_port();
    let mut brokers: Vec<Broker> = (1..=3).map(|n| Broker::new(format!("qd{seed}x{n}@localhost"))).collect();
    let mut found = "cluster_formation.peer_discovery_backend = classic_config\ncluster_formation.randomized_startup_delay_range.min = 0\n\
                     cluster_formation.randomized_startup_delay_range.max = 1\n"
        .to_owned();
    for (n, broker) in brokers.iter().enumerate() {
        found.push_str(&format!("cluster_formation.classic_config.nodes.{} = {}\n", n + 1, broker.node));
    }
    for broker in &mut brokers {
        broker.configure(&found);
        broker.up();
    }
    brokers.iter().for_each(Broker::ready);
    for broker in &brokers {
        eventually("three nodes that run", BOOT, || {
            let answer = broker.ask("guest", "guest", Request::get("/api/nodes?columns=name,running"))?;
            (answer.text().matches("\"running\":true").count() == 3).then_some(())
        });
    }
    brokers[0].accounts();
    // A node that was just joining may miss a new virtual host.
    for broker in &brokers {
        eventually("virtual hosts everywhere", BOOT, || {
            let up = broker.ask("guest", "guest", Request::get("/api/health/checks/virtual-hosts"))?.status == 200;
            if !up {
                let _ = broker.ask("guest", "guest", Request::post(format!("/api/vhosts/%2Fmall/start/{}", broker.node)));
            }
            up.then_some(())
        });
    }
    brokers
}
