//! Real Elasticsearch nodes, each on a loopback address of its own.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::eventually;
use super::java::{Java, fetched, request};
use super::redis::{free_port, hosts};
use crate::components::said;

/// A cold start of three nodes on two cores that others use too.
const READY: Duration = Duration::from_secs(120);

pub struct Node {
    java: Java,
    pub name: String,
    pub address: String,
    _temp: TempDir,
}

impl Node {
    fn new(cluster: &str, name: &str, at: &str, ports: (u16, u16), seeds: &str, masters: &str, analyzer: bool) -> Self {
        let temp = tempfile::Builder::new().prefix("qd-search-").tempdir().unwrap();
        let home = temp.path();
        std::fs::create_dir_all(home.join("config")).unwrap();
        if analyzer {
            let to = home.join("plugins/analysis-icu");
            std::fs::create_dir_all(&to).unwrap();
            for file in std::fs::read_dir(fetched("search").join("plugin")).unwrap() {
                let file = file.unwrap();
                std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
        }
        let settings: Vec<String> = [
            ("path.home", home.to_str().unwrap()),
            ("cluster.name", cluster),
            ("node.name", name),
            ("node.processors", "1"),
            ("network.host", at),
            ("http.port", &ports.0.to_string()),
            ("transport.port", &ports.1.to_string()),
            ("http.type", "netty4"),
            ("transport.type", "netty4"),
            ("discovery.seed_hosts", seeds),
            ("cluster.initial_master_nodes", masters),
            // Else a frozen node is noticed only after half a minute.
            ("cluster.fault_detection.follower_check.timeout", "2s"),
            ("cluster.fault_detection.leader_check.timeout", "2s"),
            ("cluster.info.update.interval", "10s"),
            // Whatever the machine's disk holds already.
            ("cluster.routing.allocation.disk.watermark.low", "300mb"),
            ("cluster.routing.allocation.disk.watermark.high", "200mb"),
            ("cluster.routing.allocation.disk.watermark.flood_stage", "100mb"),
        ]
        .map(|(key, value)| format!("{key}={value}"))
        .into_iter()
        .collect();
        let properties = ["-Des.set.netty.runtime.available.processors=false".to_owned()];
        let java = Java::new("search", "Search", home.join("out"), &properties, &settings);
        Self { java, name: name.to_owned(), address: format!("{at}:{}", ports.0), _temp: temp }
    }

    pub fn host(&self) -> &str {
        self.address.split_once(':').unwrap().0
    }

    /// What a request gave; the test ends when nobody answers.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let (_, text) = request(&self.address, method, path, body).unwrap_or_else(|| panic!("{} does not answer:\n{}", self.name, self.java.said()));
        text
    }

    /// Settings of the cluster, until it is restarted.
    pub fn set(&self, settings: &str) {
        let text = self.ask("PUT", "/_cluster/settings", &format!("{{\"transient\":{{{settings}}}}}"));
        assert!(text.contains("\"acknowledged\":true"), "{text}");
    }

    pub fn index(&self, name: &str, shards: u8, replicas: u8) {
        let body = format!("{{\"settings\":{{\"number_of_shards\":{shards},\"number_of_replicas\":{replicas}}}}}");
        let text = self.ask("PUT", &format!("/{name}?timeout=20s"), &body);
        assert!(text.contains("\"acknowledged\":true"), "{text}");
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
    pub fn home(&self) -> &Path {
        self._temp.path()
    }
}

/// So many nodes, all of which may become master; the first `analyzers` of them have the analyzer plugin.
pub fn nodes(count: u8, analyzers: usize) -> Vec<Node> {
    let hosts = hosts(count);
    let ports: Vec<(u16, u16)> = hosts.iter().map(|h| (free_port(h), free_port(h))).collect();
    let names: Vec<String> = (1..=count).map(|n| format!("es-{n}")).collect();
    let seeds = hosts.iter().zip(&ports).map(|(h, p)| format!("{h}:{}", p.1)).collect::<Vec<_>>().join(",");
    let masters = names.join(",");
    let mut nodes: Vec<Node> = (0..hosts.len()).map(|i| Node::new("mall", &names[i], &hosts[i], ports[i], &seeds, &masters, i < analyzers)).collect();
    for node in &mut nodes {
        node.up();
    }
    joined(&nodes, usize::from(count));
    said("elasticsearch", &format!("version.number {}", version(&nodes[0])));
    nodes
}

/// A node that listens on every address of this machine.
pub fn anywhere() -> Node {
    let ports = (free_port("0.0.0.0"), free_port("0.0.0.0"));
    let mut node = Node::new("mall", "es-1", "0.0.0.0", ports, "", "es-1", false);
    node.up();
    joined(std::slice::from_ref(&node), 1);
    said("elasticsearch", &format!("version.number {}", version(&node)));
    node
}

/// Until each of these knows so many nodes and a master.
pub fn joined(nodes: &[Node], count: usize) {
    for node in nodes {
        let wanted = format!("\"number_of_nodes\":{count},");
        eventually(&format!("{} in a cluster of {count}", node.name), READY, || {
            let (status, text) = request(&node.address, "GET", "/_cluster/health", "")?;
            (status == 200 && text.contains(&wanted)).then_some(())
        });
    }
}

pub fn version(node: &Node) -> String {
    let text = node.ask("GET", "/", "");
    text.split("\"number\" : \"").nth(1).and_then(|t| t.split('"').next()).unwrap_or("?").to_owned()
}
